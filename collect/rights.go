// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Rights are what a sign-in may do, as the service itself said.
type Rights struct {
	// Of is whose they are: "installation 4711 of the GitHub App 42".
	Of string
	// Granted are the levels by permission, such as contents: read. It is not nil
	// only where the service stated them.
	Granted map[string]string
	// Scopes are those of a classic token. It is not nil only where the service
	// stated them; without any the token reads what is public.
	Scopes []string
}

// RightsTeller is what Credentials may be, too: the sign-in knows its rights
// where the service states them when it gives out, or meets, the token.
type RightsTeller interface {
	// Rights returns what the tokens for a host may do, one for each installation
	// of an App; an error says why that is not known. Only what gets a token, and
	// reads, is sent.
	Rights(ctx context.Context, h Host) ([]Rights, error)
}

// Rights implements RightsTeller for GitHub.
func (c *identityCredentials) Rights(ctx context.Context, h Host) ([]Rights, error) {
	if h != HostGitHub {
		return nil, fmt.Errorf("the sign-in does not know what it may do at %s", h)
	}
	return c.github.rights(ctx)
}

// rights are those of the installation, which the answer with its token lists
// as permissions, or of the personal access token.
// https://docs.github.com/rest/apps/apps#create-an-installation-access-token-for-an-app
func (g *gitHubApp) rights(ctx context.Context) ([]Rights, error) {
	if g.SignIn.Token != "" {
		scopes, err := g.scopes(ctx)
		if err != nil {
			return nil, err
		}
		return []Rights{{Of: "the personal access token", Scopes: scopes}}, nil
	}
	if _, _, err := g.token(ctx); err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	of := "installation " + g.SignIn.InstallationID + " of the GitHub App " + g.SignIn.AppID
	if len(g.granted) == 0 {
		return nil, fmt.Errorf("the answer with the token of %s lists no permissions", of)
	}
	return []Rights{{Of: of, Granted: g.granted}}, nil
}

// scopes reads the header X-OAuth-Scopes, which answers to a classic token have
// and answers to a fine-grained one lack. Asked is the rate limit, which does
// not count against itself.
// https://docs.github.com/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps
// https://docs.github.com/rest/rate-limit/rate-limit
func (g *gitHubApp) scopes(ctx context.Context) ([]string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(g.base, "/")+"/rate_limit", http.NoBody)
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
		return nil, fmt.Errorf("GitHub answered %d: %s", resp.StatusCode, readError(b).message)
	}
	stated := resp.Header.Values("X-Oauth-Scopes")
	if len(stated) == 0 {
		return nil, errors.New("GitHub does not tell what a fine-grained personal access token may do; a GitHub App's permissions it does")
	}
	out := []string{}
	for s := range strings.SplitSeq(strings.Join(stated, ","), ",") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out, nil
}
