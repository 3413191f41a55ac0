// SPDX-License-Identifier: Apache-2.0

package devops_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/azuresim"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/collect/collecttest"
	"github.com/tickmark/tickmark/collect/devops"
	"github.com/tickmark/tickmark/jsontape"
)

// fourOrganisations are two with the App, one without and one where it is
// suspended.
const fourOrganisations = `
name: Contoso
tenant: {domains: [contoso.example]}
people: [{name: Ada Ray}, {name: Ben Ode}, {name: Cleo Park}]
github:
  - {name: contoso-oss, owners: [Ada Ray], repositories: [{name: sdk, protection: {reviewers: 1}, pullRequests: {count: 20, from: -6d, to: -1h}}]}
  - {name: contoso-labs, owners: [Ben Ode], repositories: [{name: probe, pullRequests: {count: 20, from: -6d, to: -1h}}, {name: bench, visibility: public}]}
  - {name: contoso-legacy, noApp: true, owners: [Cleo Park], repositories: [{name: old}]}
  - {name: contoso-frozen, suspended: true, owners: [Cleo Park], repositories: [{name: ice}]}
`

// appKey writes a key as GitHub gives it.
func appKey(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "app.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// watcher sees which token goes with which organisation, and lets time pass
// once all are in use: the tokens that are out have a minute and a half left.
type watcher struct {
	next  http.RoundTripper
	clock *collecttest.Clock
	jump  time.Duration

	mu     sync.Mutex
	tokens map[string]map[string]bool // by organisation
}

func (w *watcher) RoundTrip(r *http.Request) (*http.Response, error) {
	seg := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(seg) > 1 && (seg[0] == "orgs" || seg[0] == "repos") {
		w.mu.Lock()
		org := strings.ToLower(seg[1])
		if w.tokens[org] == nil {
			w.tokens[org] = map[string]bool{}
		}
		w.tokens[org][r.Header.Get("Authorization")] = true
		if len(w.tokens) == 2 && w.jump > 0 {
			w.clock.Set(w.clock.Now().Add(w.jump))
			w.jump = 0
		}
		w.mu.Unlock()
	}
	return w.next.RoundTrip(r)
}

// oneForAll is the control: the token of one installation for everything.
type oneForAll struct {
	of collect.OrganisationCredentials
}

func (o oneForAll) Token(ctx context.Context, _ collect.Host, _ string) (string, time.Time, error) {
	return o.of.OrganisationToken(ctx, "contoso-oss", false)
}

// TestGitHubApp: an App reads several organisations, each by the token of its
// installation, which is renewed before it ends; where it is not installed or
// suspended, nothing is read and that is said; the others are read whole.
func TestGitHubApp(t *testing.T) {
	key := appKey(t)
	run := func(jump time.Duration, wrap func(collect.Credentials) collect.Credentials, source collect.Source) (*collect.Collected, *azuresim.Sim, *watcher, string) {
		t.Helper()
		s := collecttest.Serve(t, "four.yaml", fourOrganisations, azuresim.Options{Seed: 1})
		creds, err := collect.NewCredentials(s.Endpoints, collect.SignIn{GitHub: collect.GitHubSignIn{AppID: "42", Key: key}}, s.Clock)
		if err != nil {
			t.Fatal(err)
		}
		if wrap != nil {
			creds = wrap(creds)
		}
		w := &watcher{next: s.Client.Transport, clock: s.Clock, jump: jump, tokens: map[string]map[string]bool{}}
		o := collect.Options{
			Dir: t.TempDir(), Endpoints: s.Endpoints, Clock: s.Clock, Credentials: creds, Transport: &http.Client{Transport: w}, Limit: 24 * time.Hour,
			Root: []byte(`{"tenantId":"t","githubOrganizations":["contoso-oss","Contoso-Labs","contoso-legacy","contoso-frozen"]}`), From: s.Clock.Now().AddDate(0, 0, -7), To: s.Clock.Now(),
		}
		c, err := collect.Run(t.Context(), []collect.Source{source}, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c, s.Sim, w, o.Dir
	}
	c, sim, w, dir := run(58*time.Minute+30*time.Second, nil, devops.GitHub())
	for org, repositories := range map[string]int{"contoso-oss": 1, "Contoso-Labs": 2} {
		for _, typ := range []string{"github/repositories", "github/members", "github/pullRequests", "github/environments"} {
			if !collecttest.Complete(c, org, typ) {
				_, why := refused(c, org)
				t.Errorf("%s of %s is not complete: %s", typ, org, why)
			}
		}
		if n := rowsIn(c, org, "repositories"); n != repositories {
			t.Errorf("%d repositories of %s, want %d", n, org, repositories)
		}
		if n := len(w.tokens[strings.ToLower(org)]); n < 2 {
			t.Errorf("%d tokens for %s in more than an hour: none was renewed", n, org)
		}
	}
	for org, why := range map[string]string{"contoso-legacy": "is not installed in contoso-legacy", "contoso-frozen": "is suspended in contoso-frozen"} {
		if collecttest.Complete(c, org, "github/repositories") || rowsIn(c, org, "repositories") > 0 || len(w.tokens[org]) > 0 {
			t.Errorf("%s was read", org)
		}
		if reason, detail := refused(c, org); reason != tickmark.ReasonNotPermitted || !strings.Contains(detail, why) {
			t.Errorf("%s: %s %q, want %q", org, reason, detail, why)
		}
	}
	for a, tokens := range w.tokens {
		for b, others := range w.tokens {
			for token := range tokens {
				if a != b && others[token] {
					t.Errorf("a token of %s went to %s", a, b)
				}
			}
		}
	}
	if l := sim.Log(); l.Misdirected+l.Foreign+l.WithToken > 0 {
		t.Errorf("tokens went astray: %d, %d", l.Misdirected, l.Foreign)
	}
	noTokens(t, c, dir)
	t.Logf("%d requests", c.Requests)

	// The controls: with one token for all the second organisation shows what is
	// public, and that it is not all is known by whose repositories the token
	// sees. Who looks at the selection alone takes it for all.
	one := func(k collect.Credentials) collect.Credentials {
		each, ok := k.(collect.OrganisationCredentials)
		if !ok {
			t.Fatal("the credentials have no token for each organisation")
		}
		return oneForAll{each}
	}
	c, sim, w, _ = run(0, one, devops.GitHub())
	if n := rowsIn(c, "Contoso-Labs", "repositories"); sim.Log().Misdirected == 0 || n != 1 || len(w.tokens["contoso-labs"]) != 1 {
		t.Errorf("with the token of another organisation %d repositories are seen: the test shows nothing", n)
	}
	if collecttest.Complete(c, "Contoso-Labs", "github/repositories") {
		t.Error("public repositories count as all")
	}
	trusting := devops.GitHub()
	for i := range trusting.Asks {
		if a := &trusting.Asks[i]; a.ShowsOf != nil {
			a.Shows, a.ShowsOf = func(v jsontape.Value) bool { return v.Get("repository_selection").Str() == "all" }, nil
		}
	}
	if c, _, _, _ = run(0, one, trusting); !collecttest.Complete(c, "Contoso-Labs", "github/repositories") {
		t.Error("the look at the owner is not what tells")
	}
}

func rowsIn(c *collect.Collected, org, ask string) (n int) {
	for i := range c.Snapshot.Segments {
		if s := &c.Snapshot.Segments[i]; strings.EqualFold(s.Scope, org) {
			for k := range s.Pages {
				if s.Pages[k].Ask == ask {
					n += len(s.Pages[k].Items)
				}
			}
		}
	}
	return n
}

// refused is what the coverage of an organisation says of its repositories.
func refused(c *collect.Collected, org string) (tickmark.Reason, string) {
	for i := range c.Snapshot.Segments {
		s := &c.Snapshot.Segments[i]
		if s.Scope != org {
			continue
		}
		b, _ := json.Marshal(s.Coverage)
		if bytes.Contains(b, []byte(tickmark.ReasonNotPermitted)) {
			return tickmark.ReasonNotPermitted, string(b)
		}
		return "", string(b)
	}
	return "", "no segment"
}

// noTokens finds tokens in what was kept, in the folder of the run too.
func noTokens(t *testing.T, c *collect.Collected, dir string) {
	t.Helper()
	signs := []string{azuresim.Canary, "Bearer ", "eyJhbGciOiJSUzI1NiI"}
	see := func(where string, b []byte) {
		for _, s := range signs {
			if bytes.Contains(b, []byte(s)) {
				t.Errorf("%s holds a token (%s)", where, s)
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("the run left nothing: %v", err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		see(f, b)
	}
	b, err := json.Marshal(c.Snapshot.Segments)
	if err != nil {
		t.Fatal(err)
	}
	see("the snapshot", b)
}
