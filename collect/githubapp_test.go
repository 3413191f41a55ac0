// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// still is a clock that is set by hand.
type still struct {
	SystemClock
	at atomic.Int64
}

func (s *still) Now() time.Time { return time.Unix(s.at.Load(), 0).UTC() }

// TestGitHubAppSignIn: what GitHub answers about installations, and what follows.
func TestGitHubAppSignIn(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	clock := &still{}
	clock.at.Store(1_800_000_000)
	var stranger atomic.Int64
	other := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" || r.Method == http.MethodPost {
			stranger.Add(1)
		}
		stranger.Add(1)
	}))
	t.Cleanup(other.Close)
	var given, looked atomic.Int64
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			looked.Add(1)
		}
		switch r.Method + " " + r.URL.Path {
		case "GET /orgs/ALPHA/installation", "GET /app/installations/1":
			fmt.Fprint(w, `{"id":1,"account":{"login":"Alpha"},"suspended_at":null}`)
		case "GET /orgs/renamed/installation":
			fmt.Fprint(w, `{"id":2,"account":{"login":"newname"}}`)
		case "GET /orgs/away/installation":
			http.Redirect(w, r, other.URL+"/orgs/away/installation", http.StatusTemporaryRedirect)
		case "GET /orgs/slow/installation":
			w.WriteHeader(http.StatusBadGateway)
		case "GET /orgs/limited/installation":
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"message":"API rate limit exceeded for app ID 42."}`)
		case "GET /orgs/gone/installation":
			fmt.Fprint(w, `{"id":3,"account":{"login":"gone"}}`)
		case "POST /app/installations/1/access_tokens":
			w.WriteHeader(http.StatusCreated)
			fmt.Fprintf(w, `{"token":"t%d","expires_at":%q}`, given.Add(1), clock.Now().Add(time.Hour).Format(time.RFC3339))
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"message":"Not Found"}`)
		}
	}))
	t.Cleanup(server.Close)
	pool := server.Client()
	transport, ok := pool.Transport.(*http.Transport)
	if !ok {
		t.Fatal("the client has another transport")
	}
	transport.TLSClientConfig.RootCAs.AddCert(other.Certificate())
	app := func(installation string) *gitHubApp {
		g := newGitHubApp(GitHubSignIn{AppID: "42", InstallationID: installation}, server.URL+"/", pool, clock)
		g.key = key
		return g
	}
	g := app("")
	for org, want := range map[string]struct {
		what  string
		final bool
	}{
		"":        {"none is named", true},
		"beta":    {"is not installed in beta", true},
		"renamed": {`the installation in "newname" for "renamed"`, true},
		"away":    {"answered 307", true},
		"slow":    {"answered 502", false},
		"limited": {"rate limit", false},
		"gone":    {"answered 404 when asked for a token for gone", true},
	} {
		_, _, err := g.token(t.Context(), org, false)
		var no *refusal
		if err == nil || !strings.Contains(err.Error(), want.what) || errors.As(err, &no) != want.final || strings.Contains(err.Error(), "ey") && strings.Contains(err.Error(), ".ey") {
			t.Errorf("%q: %v, want %q, final: %t", org, err, want.what, want.final)
		}
	}
	if n := stranger.Load(); n > 0 {
		t.Errorf("%d requests went to another host", n)
	}
	get := func(g *gitHubApp, anew bool) string {
		h, _, err := g.token(t.Context(), "ALPHA", anew)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	looked.Store(0)
	if a, b := get(g, false), get(g, false); a != "Bearer t1" || b != a {
		t.Errorf("tokens %q, %q: a good one is used again", a, b)
	}
	clock.at.Add(int64((56 * time.Minute).Seconds()))
	if h := get(g, false); h != "Bearer t2" {
		t.Errorf("%q four minutes before the end of the first", h)
	}
	if h := get(g, true); h != "Bearer t3" || looked.Load() != 1 {
		t.Errorf("%q after a refusal, %d looks for the installation", h, looked.Load())
	}
	named := app("1")
	looked.Store(0)
	if h := get(named, false); h != "Bearer t4" || looked.Load() != 1 {
		t.Errorf("%q by the configured installation, %d looks", h, looked.Load())
	}
	if _, _, err := named.token(t.Context(), "beta", false); err == nil || !strings.Contains(err.Error(), "is not installed in beta") {
		t.Errorf("the configured installation is of another organisation: %v", err)
	}

	// The control: a client that follows redirects reaches the other host.
	g = app("")
	g.client = pool
	_, _, _ = g.token(t.Context(), "away", false)
	if stranger.Load() == 0 {
		t.Error("no redirect leads anywhere: the test shows nothing")
	}
}
