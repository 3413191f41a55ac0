// SPDX-License-Identifier: Apache-2.0

package devops_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/azuresim"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/collect/devops"
)

// clock is the time of the collector and of the simulator; waiting moves it on.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return ctx.Err()
}

// signIn gets tokens as a managed identity does.
type signIn struct {
	sim    *azuresim.Sim
	client *http.Client
	// Wrong gives another host's token.
	wrong bool
}

func (i *signIn) Token(ctx context.Context, _ collect.Host, audience string) (string, time.Time, error) {
	if i.wrong {
		audience = "https://elsewhere.example"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, i.sim.Endpoint("login")+"/metadata/identity/oauth2/token?resource="+url.QueryEscape(audience), nil)
	if err != nil {
		return "", time.Time{}, err
	}
	req.Header.Set("Metadata", "true")
	resp, err := i.client.Do(req)
	if err != nil {
		return "", time.Time{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	var out struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || out.Token == "" {
		return "", time.Time{}, fmt.Errorf("no token for %q: %d %w", audience, resp.StatusCode, err)
	}
	return "Bearer " + out.Token, i.sim.Now().Add(50 * time.Minute), nil
}

// try is one collection from a simulator.
type try struct {
	edit     func(yaml string) string
	source   collect.Source
	faults   []azuresim.Fault
	pageSize int
	quotas   bool
	wrong    bool
	root     string
}

func (y try) run(t *testing.T) (*collect.Collected, *azuresim.Sim) {
	t.Helper()
	b, err := os.ReadFile("testdata/contoso.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	if y.edit != nil {
		if edited := y.edit(text); edited == text {
			t.Fatal("the edit changed nothing")
		} else {
			text = edited
		}
	}
	org, err := azuresim.Parse("contoso.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{now: time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC)}
	sim, err := azuresim.New(org, azuresim.Options{Seed: 1, Now: c.Now, Faults: y.faults, PageSize: y.pageSize, Quotas: y.quotas})
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
	if y.root == "" {
		y.root = `{"tenantId":"11111111-1111-1111-1111-111111111111","devopsOrganizations":["contoso"],"githubOrganizations":["contoso-oss"]}`
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got, err := collect.Run(ctx, []collect.Source{y.source}, collect.Options{
		Dir: t.TempDir(), Endpoints: ends, Credentials: &signIn{sim: sim, client: client, wrong: y.wrong}, Transport: client, Root: []byte(y.root),
		From: c.Now().AddDate(0, 0, -28), To: c.Now(), Clock: c, Limit: 30 * time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := got.Close(); err != nil {
			t.Error(err)
		}
	})
	return got, sim
}

// asked returns the coverage of an ask over all segments.
func asked(c *collect.Collected, name string) (out []tickmark.AskCoverage) {
	for _, s := range c.Snapshot.Segments {
		for _, a := range s.Coverage.Asks {
			if a.Name == name || strings.HasSuffix(a.Name, "/"+name) {
				out = append(out, a)
			}
		}
	}
	return out
}

func rowsOf(c *collect.Collected, name string) (n int) {
	for _, a := range asked(c, name) {
		n += a.Rows
	}
	return n
}

// complete reports whether the type is complete in the organisation's segment.
func complete(c *collect.Collected, scope, typ string) bool {
	for _, s := range c.Snapshot.Segments {
		if s.Scope == scope && slices.Contains(s.Coverage.Complete, typ) {
			return true
		}
	}
	return false
}

func TestDevOpsRun(t *testing.T) {
	for _, pageSize := range []int{0, 3} {
		t.Run(fmt.Sprintf("page size %d", pageSize), func(t *testing.T) {
			c, sim := try{source: devops.Source(), pageSize: pageSize}.run(t)
			for name, want := range map[string]int{
				"projects": 2, "repositories": 3, "branch-policies": 5, "service-connections": 2, "environments": 2, "pipelines": 2, "variable-groups": 2,
				"users": 4, "groups": 7, "user-entitlements": 4, "environment-checks": 1, "release-definitions": 0, "deployments": 15, "environment-approvals": 9,
			} {
				if got := rowsOf(c, name); got != want {
					t.Errorf("%s: %d rows, want %d", name, got, want)
				}
			}
			for _, a := range devops.Source().Asks {
				for _, typ := range a.Types {
					if !complete(c, "contoso", typ) {
						t.Errorf("%s is not complete: %+v", typ, asked(c, a.Name))
					}
				}
			}
			if l := sim.Log(); l.Misdirected+l.Foreign > 0 {
				t.Errorf("tokens went astray: %d, %d", l.Misdirected, l.Foreign)
			}
			noSecrets(t, c)
			t.Logf("%d requests", c.Requests)
		})
	}
}

func TestGitHubRun(t *testing.T) {
	for _, pageSize := range []int{0, 3} {
		t.Run(fmt.Sprintf("page size %d", pageSize), func(t *testing.T) {
			c, sim := try{source: devops.GitHub(), pageSize: pageSize}.run(t)
			for name, want := range map[string]int{
				"repositories": 3, "members": 4, "owners": 1, "members-without-second-factor": 0, "teams": 2, "branch-protection": 1, "branch-rules": 3, "rulesets": 1,
				"environments": 1, "pull-requests": 15, "runs": 9, "run-approvals": 7, "deployments": 7, "secret-scanning-alerts": 3,
			} {
				if got := rowsOf(c, name); got != want {
					t.Errorf("%s: %d rows, want %d", name, got, want)
				}
			}
			for _, a := range devops.GitHub().Asks {
				for _, typ := range a.Types {
					if !complete(c, "contoso-oss", typ) {
						t.Errorf("%s is not complete: %+v", typ, asked(c, a.Name))
					}
				}
			}
			if l := sim.Log(); l.Misdirected+l.Foreign > 0 {
				t.Errorf("tokens went astray: %d, %d", l.Misdirected, l.Foreign)
			}
			noSecrets(t, c)
			t.Logf("%d requests", c.Requests)
		})
	}
}

// noSecrets finds values that must not have been kept.
func noSecrets(t *testing.T, c *collect.Collected) {
	t.Helper()
	pages := 0
	for _, s := range c.Snapshot.Segments {
		for _, p := range s.Pages {
			pages++
			for _, secret := range []string{"s1mulated-Pa55word", "c2ltdWxhdGVkLXNlY3JldC1vZi1hLXN0cmVhbQ==", azuresim.Canary} {
				if strings.Contains(string(p.Bytes), secret) {
					t.Errorf("%s holds a secret: %s", p.Name, p.Bytes)
				}
			}
		}
	}
	if pages == 0 {
		t.Error("no pages were kept")
	}
}
