// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/tickmark/tickmark"
)

// GitHubSignIn is an App, or else a token.
type GitHubSignIn struct {
	AppID string
	// InstallationID is one of its installations. Others are found by the
	// organisation that is read, and so is this one where it is empty.
	InstallationID string
	Key            string // file with the App's private key (PEM)
	Token          string // a fine-grained personal access token
}

// OrganisationCredentials are credentials with a token for each organisation of
// GitHub: that of an installation is for one.
type OrganisationCredentials interface {
	Credentials
	// OrganisationToken returns the value of the Authorization header for
	// requests about an organisation; anew says that the service refused the one
	// that was given before.
	OrganisationToken(ctx context.Context, organisation string, anew bool) (header string, expires time.Time, err error)
}

// OrganisationSignIn is what became of signing in for an organisation.
type OrganisationSignIn struct {
	Organisation string
	Err          error
}

// GitHubSignIns signs in for each organisation of GitHub that the configuration
// names, in its order.
func GitHubSignIns(ctx context.Context, o Options) []OrganisationSignIn {
	var root struct {
		Organisations []string `json:"githubOrganizations"`
	}
	if json.Unmarshal(o.Root, &root) != nil {
		return nil // Run says what is wrong with it
	}
	out := make([]OrganisationSignIn, 0, len(root.Organisations))
	for _, name := range root.Organisations {
		s := OrganisationSignIn{Organisation: name}
		if each, ok := o.Credentials.(OrganisationCredentials); ok {
			_, _, s.Err = each.OrganisationToken(ctx, name, false)
		} else {
			_, _, s.Err = o.Credentials.Token(ctx, HostGitHub, o.Endpoints.Audience[HostGitHub])
		}
		out = append(out, s)
	}
	return out
}

// Rights are what a token for GitHub may do, as GitHub said.
type Rights struct {
	// Of is whose they are: "the GitHub App 42 in contoso".
	Of string
	// Granted are the levels by permission, such as contents: read; empty where
	// GitHub stated none.
	Granted map[string]string
	// Scopes are those of a classic personal access token; nil where GitHub
	// stated none. With none the token reads what is public.
	Scopes []string
}

// RightsTeller is what OrganisationCredentials may be, too: GitHub states what a
// token may do when it gives it out, or meets it.
type RightsTeller interface {
	// OrganisationRights returns what the token for an organisation may do; an
	// error says why that is not known. Only what gets a token, and reads, is
	// sent.
	OrganisationRights(ctx context.Context, organisation string) (Rights, error)
}

// OrganisationRights implements RightsTeller. The answer with the token of an
// installation lists its permissions
// (docs.github.com/rest/apps/apps#create-an-installation-access-token-for-an-app).
func (c *identityCredentials) OrganisationRights(ctx context.Context, organisation string) (Rights, error) {
	g := c.github
	if g.SignIn.Token != "" {
		scopes, err := g.scopes(ctx)
		return Rights{Of: "the personal access token", Scopes: scopes}, err
	}
	if _, _, err := g.token(ctx, organisation, false); err != nil {
		return Rights{}, err
	}
	in := g.of(organisation)
	in.mu.Lock()
	defer in.mu.Unlock()
	return Rights{Of: "the GitHub App " + g.SignIn.AppID + " in " + organisation, Granted: in.granted}, nil
}

// scopes reads the header X-OAuth-Scopes, which answers to a classic token have
// and answers to a fine-grained one lack. Asked is the rate limit, which does
// not count against itself (docs.github.com/rest/rate-limit/rate-limit,
// docs.github.com/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps).
func (g *gitHubApp) scopes(ctx context.Context) ([]string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.base+"/rate_limit", http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+g.SignIn.Token)
	req.Header.Set("Accept", "application/vnd.github+json")
	resp, err := g.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, answered(resp.StatusCode, "for the rate limit", clip(readError(b).message))
	}
	stated := resp.Header.Values("X-Oauth-Scopes")
	if len(stated) == 0 {
		return nil, errors.New("GitHub does not tell what a fine-grained personal access token may do; of a GitHub App it does")
	}
	out := []string{}
	for s := range strings.SplitSeq(strings.Join(stated, ","), ",") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out, nil
}

// refusal is a sign-in that the service decided about: asking again does not
// help.
type refusal struct{ what string }

func (r *refusal) Error() string { return r.what }

// gitHubApp gets a token for each installation of an App
// (docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app).
type gitHubApp struct {
	SignIn GitHubSignIn
	base   string
	client *http.Client
	clock  Clock
	key    *rsa.PrivateKey

	mu   sync.Mutex
	orgs map[string]*installation // by the organisation's name, lower-case
}

// installation is the App in one organisation.
type installation struct {
	mu      sync.Mutex
	id      string
	header  string
	expires time.Time
	granted map[string]string // what the token may do, as GitHub said with it
}

// newGitHubApp keeps to one address: a redirect is not followed, for the
// assertion of the App would go along.
func newGitHubApp(s GitHubSignIn, base string, client *http.Client, clock Clock) *gitHubApp {
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &gitHubApp{SignIn: s, base: strings.TrimRight(base, "/"), client: &own, clock: clock, orgs: map[string]*installation{}}
}

func (g *gitHubApp) check() error {
	if g.SignIn.AppID == "" {
		return nil
	}
	b, err := os.ReadFile(g.SignIn.Key)
	if err != nil {
		return &tickmark.Error{Code: tickmark.CodeUsage, Where: g.SignIn.Key, What: "the GitHub App's key cannot be read", Err: err}
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return usage(g.SignIn.Key, "the GitHub App's key is not PEM", "download it from the App's settings")
	}
	if g.key, err = x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
		k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return &tickmark.Error{Code: tickmark.CodeUsage, Where: g.SignIn.Key, What: "the GitHub App's key cannot be used", Err: err}
		}
		rk, ok := k.(*rsa.PrivateKey)
		if !ok {
			return usage(g.SignIn.Key, "the GitHub App's key is not RSA", "download it from the App's settings")
		}
		g.key = rk
	}
	return nil
}

// of returns the installation in an organisation.
func (g *gitHubApp) of(organisation string) *installation {
	g.mu.Lock()
	defer g.mu.Unlock()
	low := strings.ToLower(organisation)
	if g.orgs[low] == nil {
		g.orgs[low] = &installation{}
	}
	return g.orgs[low]
}

// token returns the header for requests about an organisation: a cached token
// while it is good for five minutes more.
func (g *gitHubApp) token(ctx context.Context, organisation string, anew bool) (header string, expires time.Time, err error) {
	now := g.clock.Now()
	switch {
	case g.SignIn.Token != "":
		return "Bearer " + g.SignIn.Token, now.Add(24 * time.Hour), nil
	case g.key == nil:
		return "", time.Time{}, errors.New("no sign-in is configured for GitHub")
	case organisation == "":
		return "", time.Time{}, &refusal{"the token of a GitHub App is for one organisation, and none is named"}
	}
	in := g.of(organisation)
	in.mu.Lock()
	defer in.mu.Unlock()
	if !anew && in.header != "" && in.expires.Sub(now) > 5*time.Minute {
		return in.header, in.expires, nil
	}
	in.header = ""
	if in.id == "" {
		if in.id, err = g.find(ctx, organisation); err != nil {
			return "", time.Time{}, err
		}
	}
	var t struct {
		Token       string          `json:"token"`
		ExpiresAt   time.Time       `json:"expires_at"`
		Permissions json.RawMessage `json:"permissions"`
	}
	status, message, err := g.ask(ctx, http.MethodPost, "/app/installations/"+url.PathEscape(in.id)+"/access_tokens", &t)
	switch {
	case err != nil:
		return "", time.Time{}, err
	case status != http.StatusCreated:
		in.id = "" // it may have been removed and be there anew
		return "", time.Time{}, answered(status, "for a token for "+organisation, message)
	case t.Token == "" || !t.ExpiresAt.After(now):
		return "", time.Time{}, errors.New("GitHub answered without a token that is good")
	}
	in.header, in.expires, in.granted = "Bearer "+t.Token, t.ExpiresAt, nil
	if json.Unmarshal(t.Permissions, &in.granted) != nil {
		in.granted = nil // the token is good, but what it may do is not known
	}
	return in.header, in.expires, nil
}

// found is an installation as GitHub shows it
// (docs.github.com/rest/apps/apps#get-an-organization-installation-for-the-authenticated-app).
type found struct {
	ID          json.Number `json:"id"`
	SuspendedAt string      `json:"suspended_at"`
	Account     struct {
		Login string `json:"login"`
	} `json:"account"`
}

// find returns the installation in an organisation: the configured one if it is
// there, else the one that GitHub names. A name that leads to another account
// is refused: what is read there would stand under the wrong name.
func (g *gitHubApp) find(ctx context.Context, organisation string) (string, error) {
	paths := []string{"/orgs/" + url.PathEscape(organisation) + "/installation"}
	if id := g.SignIn.InstallationID; id != "" {
		paths = append([]string{"/app/installations/" + url.PathEscape(id)}, paths...)
	}
	for i, path := range paths {
		var f found
		status, message, err := g.ask(ctx, http.MethodGet, path, &f)
		other := !strings.EqualFold(f.Account.Login, organisation)
		switch last := i == len(paths)-1; {
		case err != nil:
			return "", err
		case !last && (status == http.StatusNotFound || status == http.StatusOK && other):
			continue // of another organisation
		case status == http.StatusNotFound:
			return "", &refusal{"the GitHub App " + g.SignIn.AppID + " is not installed in " + organisation}
		case status != http.StatusOK:
			return "", answered(status, "for the installation in "+organisation, message)
		case other || f.ID == "":
			return "", &refusal{fmt.Sprintf("GitHub names the installation in %q for %q: give the organisation its present name", clip(f.Account.Login), organisation)}
		case f.SuspendedAt != "":
			return "", &refusal{"the GitHub App " + g.SignIn.AppID + " is suspended in " + organisation}
		}
		return f.ID.String(), nil
	}
	return "", nil // the last path always decides
}

// answered is an answer that is none to what was asked: a refusal, or something
// that may pass.
func answered(status int, what, message string) error {
	text := fmt.Sprintf("GitHub answered %d when asked %s: %s", status, what, message)
	// An assertion may have come to its end on the way: that is tried again.
	if status >= 500 || status == http.StatusUnauthorized || status == http.StatusTooManyRequests || status == http.StatusForbidden && strings.Contains(message, "rate limit") {
		return errors.New(text)
	}
	return &refusal{text}
}

// ask puts a request as the App itself.
func (g *gitHubApp) ask(ctx context.Context, method, path string, into any) (status int, message string, err error) {
	if !strings.HasPrefix(g.base, "https://") {
		return 0, "", errors.New("GitHub has no https address here")
	}
	assertion, err := g.assertion(g.clock.Now())
	if err != nil {
		return 0, "", err
	}
	req, err := http.NewRequestWithContext(ctx, method, g.base+path, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+assertion)
	req.Header.Set("Accept", "application/vnd.github+json")
	req.Header.Set("X-Github-Api-Version", "2022-11-28")
	resp, err := g.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return 0, "", err
	}
	if resp.StatusCode >= 300 {
		return resp.StatusCode, clip(readError(b).message), nil
	}
	if err := json.Unmarshal(b, into); err != nil {
		return 0, "", errors.New("GitHub answered with what is no JSON")
	}
	return resp.StatusCode, "", nil
}

// assertion is the App's own token, good for some minutes.
func (g *gitHubApp) assertion(now time.Time) (string, error) {
	part := base64.RawURLEncoding.EncodeToString
	claims, err := json.Marshal(map[string]any{"iat": now.Add(-time.Minute).Unix(), "exp": now.Add(8 * time.Minute).Unix(), "iss": g.SignIn.AppID})
	if err != nil {
		return "", err
	}
	text := part([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + part(claims)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, g.key, crypto.SHA256, sum[:])
	if err != nil {
		return "", err
	}
	return text + "." + part(sig), nil
}
