// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// clock is a clock that a test sets.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newClock() *clock { return &clock{time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC)} }

const small = `
name: Small
tenant: {domains: [small.example]}
managementGroups: [{name: prod, display: Production}]
subscriptions:
  - {name: one, managementGroup: prod}
  - {name: two}
resources:
  - type: Microsoft.Storage/storageAccounts
    name: "st{n:03}{hex:6}"
    count: 5
    kind: StorageV2
    sku: {name: Standard_LRS}
    properties: {supportsHttpsTrafficOnly: true, note: "{{literal"}
    variants: [{every: 4, from: 1, merge: {properties: {supportsHttpsTrafficOnly: false}}}]
    children:
      - {type: blobServices, name: default, properties: {isVersioningEnabled: true}}
people: [{name: Ada Ray, upn: ada@small.example}]
roleAssignments:
  - {principal: Ada Ray, role: Owner, scope: /}
  - {principal: Ada Ray, role: Reader, scope: managementGroup/prod}
  - {principal: Ada Ray, role: Contributor, scope: subscription/one}
`

// start serves an organisation until the test ends.
func start(t *testing.T, yaml string, o Options) (*Sim, *http.Client) {
	t.Helper()
	org, err := Parse("test.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	if o.Now == nil {
		o.Now = newClock().now
	}
	s, err := New(org, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	c := s.Client()
	t.Cleanup(func() {
		c.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, c
}

// bearerFor gets a token for a host as the managed identity endpoint gives it.
func bearerFor(t *testing.T, s *Sim, c *http.Client, host string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Endpoint("login")+"/metadata/identity/oauth2/token?resource="+url.QueryEscape(hosts[host].audiences[0]), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Metadata", "true")
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var out struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || out.Token == "" {
		t.Fatalf("no token: %v", err)
	}
	return out.Token
}

// ask sends a request with a token for the host and returns status and body.
func ask(t *testing.T, s *Sim, c *http.Client, host, method, path, body string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.Endpoint(host)+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+bearerFor(t, s, c, host))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, b
}

func TestFrame(t *testing.T) {
	s, c := start(t, small, Options{Seed: 7})
	if len(s.subs) != 2 || len(s.entries) == 0 {
		t.Fatalf("%d subscriptions, %d entries", len(s.subs), len(s.entries))
	}
	v := s.varsOf(0)
	status, body := ask(t, s, c, "arm", http.MethodGet, v.id+"?api-version=2023-01-01", "")
	if status != http.StatusOK || !json.Valid(body) || !strings.Contains(string(body), v.name) || !strings.Contains(string(body), "{literal") {
		t.Fatalf("GET %s: %d %s", v.id, status, body)
	}
	t.Logf("%s", body)
	t.Logf("%s", s.row(nil, 0))
	// Without a token nobody is let in.
	resp, err := c.Get(s.Endpoint("arm") + v.id)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %d", resp.StatusCode)
	}
	if l := s.Log(); l.ByHost["arm"] != 2 || l.ByStatus[401] != 1 {
		t.Errorf("log: %+v", l)
	}
}

func TestDefault(t *testing.T) {
	org, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(org, Options{Seed: 1, Now: newClock().now})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i := range s.entries {
		if s.templates[s.entries[i].tmpl].table == "resources" {
			n++
		}
	}
	t.Logf("%d subscriptions, %d entries, %d resources, %d people", len(s.subs), len(s.entries), n, len(s.people))
	if len(s.subs) != 3 || n < 40 || len(s.people) != 28 {
		t.Errorf("%d subscriptions, %d resources, %d people", len(s.subs), n, len(s.people))
	}
}
