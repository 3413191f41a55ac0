// SPDX-License-Identifier: Apache-2.0

// Package collecttest holds what the tests of every source need: a simulated
// tenant with one clock for both sides, a sign-in, what a collection came to,
// and the suite that holds a source's page to its table.
package collecttest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/azuresim"
	"github.com/tickmark/tickmark/collect"
)

// Clock is the time of the collector and of the simulator; sleeping moves it
// on. It implements collect.Clock.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that stands at an instant.
func NewClock(at time.Time) *Clock { return &Clock{now: at} }

// Now returns where the clock stands.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Set puts the clock to an instant.
func (c *Clock) Set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = at
}

// Sleep moves the clock on and returns the context's error.
func (c *Clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return ctx.Err()
}

// Tenant is a simulated tenant and how to read it.
type Tenant struct {
	Sim       *azuresim.Sim
	Clock     *Clock
	Endpoints collect.Endpoints
	Client    *http.Client
}

// Serve serves an organisation until the test ends. Options.Now is the clock's.
func Serve(t *testing.T, name, yaml string, o azuresim.Options) *Tenant {
	t.Helper()
	org, err := azuresim.Parse(name, []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	c := NewClock(time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC))
	o.Now = c.Now
	sim, err := azuresim.New(org, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := sim.Start(); err != nil {
		t.Fatal(err)
	}
	client := sim.Client()
	t.Cleanup(func() {
		client.CloseIdleConnections()
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
	doc, err := json.Marshal(sim.EndpointsDocument())
	if err != nil {
		t.Fatal(err)
	}
	ends, err := collect.ParseEndpoints("simulator", doc)
	if err != nil {
		t.Fatal(err)
	}
	return &Tenant{Sim: sim, Clock: c, Endpoints: ends, Client: client}
}

// Collect reads sources. What o leaves out is the tenant's own; the result is
// closed when the test ends.
func (s *Tenant) Collect(t *testing.T, o collect.Options, sources ...collect.Source) *collect.Collected {
	t.Helper()
	o.Dir, o.Endpoints, o.Clock = t.TempDir(), s.Endpoints, s.Clock
	if o.Credentials == nil {
		o.Credentials = SignIn{Tenant: s}
	}
	if o.Root == nil {
		o.Root = fmt.Appendf(nil, `{"tenantId":%q}`, s.Sim.Organisation().Tenant.ID)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	got, err := collect.Run(ctx, sources, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := got.Close(); err != nil {
			t.Error(err)
		}
	})
	return got
}

// SignIn gets tokens as a managed identity does; it implements
// collect.Credentials.
type SignIn struct {
	*Tenant
	// Wrong gets another host's token.
	Wrong bool
}

// Token asks the simulator's identity endpoint.
func (i SignIn) Token(ctx context.Context, _ collect.Host, audience string) (string, time.Time, error) {
	if i.Wrong {
		audience = "https://elsewhere.example"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, i.Sim.Endpoint("login")+"/metadata/identity/oauth2/token?resource="+url.QueryEscape(audience), nil)
	if err != nil {
		return "", time.Time{}, err
	}
	req.Header.Set("Metadata", "true")
	resp, err := i.Client.Do(req)
	if err != nil {
		return "", time.Time{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	var out struct {
		Token   string `json:"access_token"`
		Expires string `json:"expires_on"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || out.Token == "" {
		return "", time.Time{}, fmt.Errorf("no token for %q: %d %w", audience, resp.StatusCode, err)
	}
	var at int64
	if _, err := fmt.Sscan(out.Expires, &at); err != nil {
		return "", time.Time{}, err
	}
	return "Bearer " + out.Token, time.Unix(at, 0), nil
}

// Asked returns the coverage of an ask over all segments.
func Asked(c *collect.Collected, name string) (out []tickmark.AskCoverage) {
	for _, s := range c.Snapshot.Segments {
		for _, a := range s.Coverage.Asks {
			if a.Name == name || strings.HasSuffix(a.Name, "/"+name) {
				out = append(out, a)
			}
		}
	}
	return out
}

// Rows counts the rows of an ask over all segments.
func Rows(c *collect.Collected, name string) (n int) {
	for _, a := range Asked(c, name) {
		n += a.Rows
	}
	return n
}

// Complete reports whether the type is complete in the segment of a scope.
func Complete(c *collect.Collected, scope, typ string) bool {
	for _, s := range c.Snapshot.Segments {
		if s.Scope == scope && slices.Contains(s.Coverage.Complete, typ) {
			return true
		}
	}
	return false
}
