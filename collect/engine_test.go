// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
)

// testClock advances when it is slept on: nothing waits in a test.
type testClock struct {
	mu    sync.Mutex
	now   time.Time
	slept time.Duration
}

func newTestClock() *testClock {
	return &testClock{now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	c.now = c.now.Add(d)
	c.slept += d
	return nil
}

// fakeCloud answers as the test says, over TLS, with the test clock's date.
type fakeCloud struct {
	*httptest.Server
	clock *testClock
	mu    sync.Mutex
	hits  []hit
}

type hit struct {
	at     time.Time
	method string
	uri    string
	body   string
	auth   string
}

func newCloud(tb testing.TB, clock *testClock, answer http.HandlerFunc) *fakeCloud {
	tb.Helper()
	c := &fakeCloud{clock: clock}
	c.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body strings.Builder
		buf := make([]byte, 1<<16)
		for {
			n, err := r.Body.Read(buf)
			body.Write(buf[:n])
			if err != nil {
				break
			}
		}
		c.mu.Lock()
		n := len(c.hits) + 1
		c.hits = append(c.hits, hit{clock.Now(), r.Method, r.URL.RequestURI(), body.String(), r.Header.Get("Authorization")})
		c.mu.Unlock()
		r.Body = http.NoBody
		r.Header.Set("X-Test-Body", body.String())
		w.Header().Set("Date", clock.Now().UTC().Format(http.TimeFormat))
		w.Header().Set("X-Ms-Request-Id", fmt.Sprintf("req-%d", n))
		answer(w, r)
	}))
	c.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	c.StartTLS()
	tb.Cleanup(c.Close)
	return c
}

func (c *fakeCloud) requests() []hit {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]hit(nil), c.hits...)
}

type tokens struct{ n int }

func (k *tokens) Token(context.Context, Host, string) (string, time.Time, error) {
	k.n++
	return fmt.Sprintf("Bearer canary-%d", k.n), time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), nil
}

// setup is a run against a fake cloud.
type setup struct {
	clock *testClock
	cloud *fakeCloud
	opts  Options
	tune  tuning
}

func newSetup(tb testing.TB, answer http.HandlerFunc) *setup {
	tb.Helper()
	s := &setup{clock: newTestClock(), tune: defaults()}
	s.cloud = newCloud(tb, s.clock, answer)
	s.tune.header, s.tune.stall, s.tune.request = time.Minute, time.Minute, time.Minute
	s.tune.off = map[guard]bool{}
	s.tune.workers = 4
	s.opts = Options{
		Dir: tb.TempDir(), Clock: s.clock, Credentials: &tokens{}, Transport: s.cloud.Client(), Limit: 2 * time.Hour,
		Root: []byte(`{"tenantId":"11111111-1111-1111-1111-111111111111"}`),
		Endpoints: Endpoints{Cloud: "public", Microsoft365: "commercial", URL: map[Host]string{
			HostARM: s.cloud.URL, HostGraph: s.cloud.URL, HostDevOps: s.cloud.URL, HostGitHub: s.cloud.URL, HostLogAnalytics: s.cloud.URL,
		}},
	}
	return s
}

func (s *setup) run(tb testing.TB, sources ...Source) *Collected {
	tb.Helper()
	s.opts.tune = &s.tune
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	c, err := Run(ctx, sources, s.opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Error(err)
		}
	})
	return c
}

func subscriptionOf(x *Subject) string {
	for ; x != nil; x = x.Of {
		if m := subscriptionPath.FindStringSubmatch(x.ID); m != nil {
			return "/subscriptions/" + strings.ToLower(m[1])
		}
	}
	return ""
}

func armSource(asks ...Ask) Source {
	return Source{Name: "arm", Title: "Test", Asks: asks, Scope: subscriptionOf}
}

func askSubscriptions() Ask {
	return Ask{
		Name: "subscriptions", Host: HostARM, Path: "/subscriptions", APIVersion: "2022-12-01", Paging: PageNextLink, Form: formARMList,
		Types: []string{"Microsoft.Resources/subscriptions"}, Pace: PaceARM,
	}
}

func askVaults() Ask {
	return Ask{
		Name: "vaults", Of: []string{"Microsoft.Resources/subscriptions"}, Host: HostARM, Path: "{id}/providers/Microsoft.KeyVault/vaults",
		APIVersion: "2023-07-01", Paging: PageNextLink, Form: formARMList, Types: []string{"Microsoft.KeyVault/vaults"}, Pace: PaceARM, Direct: true,
	}
}

func askKeys() Ask {
	return Ask{
		Name: "keys", Of: []string{"microsoft.keyvault/VAULTS"}, Host: HostARM, Path: "{id}/keys", APIVersion: "2023-07-01",
		Paging: PageNextLink, Form: formARMList, Types: []string{"Microsoft.KeyVault/vaults/keys"}, Pace: PaceARM,
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// estate answers subscriptions (3 on two pages), one vault each, two keys each.
func estate(w http.ResponseWriter, r *http.Request) {
	base := "https://" + r.Host
	switch p := r.URL.Path; {
	case p == "/subscriptions":
		all := []string{"aaa", "bbb", "ccc"}
		page := map[string]any{}
		from, to := 0, 2
		if r.URL.Query().Get("$skiptoken") != "" {
			from, to = 2, 3
		} else {
			page["nextLink"] = base + "/subscriptions?api-version=2022-12-01&$skiptoken=two"
		}
		var rows []any
		for _, s := range all[from:to] {
			rows = append(rows, map[string]any{"id": "/subscriptions/" + s, "subscriptionId": s, "displayName": "Sub " + s})
		}
		page["value"] = rows
		writeJSON(w, page)
	case strings.HasSuffix(p, "/vaults"):
		sub := strings.Split(p, "/")[2]
		id := "/subscriptions/" + sub + "/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv-" + sub
		writeJSON(w, map[string]any{"value": []any{map[string]any{"id": id, "name": "kv-" + sub, "type": "Microsoft.KeyVault/vaults", "properties": map[string]any{"sku": "x"}}}})
	case strings.HasSuffix(p, "/keys"):
		id := strings.TrimSuffix(p, "/keys")
		writeJSON(w, map[string]any{"value": []any{
			map[string]any{"id": id + "/keys/k1", "name": "k1", "type": "Microsoft.KeyVault/vaults/keys"},
			map[string]any{"id": id + "/keys/k2", "name": "k2", "type": "Microsoft.KeyVault/vaults/keys"},
		}, "nextLink": nil})
	default:
		http.NotFound(w, r)
	}
}

func findAsk(tb testing.TB, c *Collected, source, scope, name string) tickmark.AskCoverage {
	tb.Helper()
	for i := range c.Snapshot.Segments {
		s := &c.Snapshot.Segments[i]
		if s.Source != source || s.Scope != scope {
			continue
		}
		for _, a := range s.Coverage.Asks {
			if a.Name == name {
				return a
			}
		}
	}
	tb.Fatalf("no ask %s in %s %q", name, source, scope)
	return tickmark.AskCoverage{}
}

func TestRun(t *testing.T) {
	s := newSetup(t, estate)
	c := s.run(t, armSource(askSubscriptions(), askVaults(), askKeys()))
	if n := len(c.Snapshot.Segments); n != 4 {
		t.Fatalf("%d segments, want the tenant and 3 subscriptions", n)
	}
	subs := findAsk(t, c, "arm", "", "subscriptions")
	if subs.Rows != 3 || subs.Unique != 3 || subs.Pages != 2 || subs.Missing != "" || subs.Answered != 1 {
		t.Errorf("subscriptions: %+v", subs)
	}
	keys := findAsk(t, c, "arm", "/subscriptions/bbb", "keys")
	if keys.Subjects != 1 || keys.Answered != 1 || keys.Rows != 2 {
		t.Errorf("keys: %+v", keys)
	}
	for i := range c.Snapshot.Segments {
		seg := &c.Snapshot.Segments[i]
		for j := range seg.Pages {
			p := &seg.Pages[j]
			if tickmark.DigestOf(p.Bytes) != p.Digest {
				t.Errorf("%s: the digest is not that of the bytes", p.Name)
			}
			if p.Request == nil || p.Request.ID == "" || p.ObservedAt.IsZero() || p.Ask == "" {
				t.Errorf("%s: provenance is missing: %+v", p.Name, p.Request)
			}
			if strings.Contains(p.Request.URL, "=two") {
				t.Errorf("the provenance has a token in it: %s", p.Request.URL)
			}
		}
		c.Release(i)
	}
	seg := c.Snapshot.Segments[1]
	if got := strings.Join(seg.Coverage.Complete, " "); seg.Scope != "/subscriptions/aaa" || got != "Microsoft.KeyVault/vaults Microsoft.KeyVault/vaults/keys" {
		t.Errorf("%s is complete for %q", seg.Scope, got)
	}
	if c.Snapshot.Origin != "sample" {
		t.Errorf("origin %q of a simulator", c.Snapshot.Origin)
	}
	for _, h := range s.cloud.requests() {
		if !strings.HasPrefix(h.auth, "Bearer canary-1") {
			t.Errorf("%s: authorization %q", h.uri, h.auth)
		}
	}
}

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// TestConfiguredListsApart: two sources that are read at once have lists of
// their own in the configuration. What is asked of the one bears no name of the
// other's, though the same worker asks both.
func TestConfiguredListsApart(t *testing.T) {
	s := newSetup(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, `{"value":[{"id":"p1","name":"p1"},{"id":"p2","name":"p2"},{"id":"p3","name":"p3"}]}`)
	})
	s.tune.workers = 1
	s.opts.Root = []byte(`{"tenantId":"t","ones":["a"],"twos":["b"]}`)
	source := func(name string) Source {
		ask := func(n, of, path string) Ask {
			return Ask{Name: n, Of: []string{of}, Host: HostDevOps, Path: "/" + name + path, APIVersion: "7.1", Form: formGraphCollection, Entity: name + "/" + n, Pace: PaceDevOps}
		}
		return Source{Name: name, Title: name, Asks: []Ask{ask("projects", "tenant/"+name+"s", "/{name}/projects"), ask("things", name+"/projects", "/{^name}/{id}/things")}}
	}
	s.run(t, source("one"), source("two"))
	seen := map[string]int{}
	for _, h := range s.cloud.requests() {
		parts := strings.Split(h.uri, "/")
		seen[parts[1]+"/"+parts[2]]++
	}
	if len(seen) != 2 || seen["one/a"] != 4 || seen["two/b"] != 4 {
		t.Errorf("requests by source and organisation: %v", seen)
	}
}
