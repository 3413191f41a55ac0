// SPDX-License-Identifier: Apache-2.0

package devops_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark/azuresim"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/collect/collecttest"
	"github.com/tickmark/tickmark/collect/devops"
)

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
	s := collecttest.Serve(t, "contoso.yaml", text, azuresim.Options{Seed: 1, Faults: y.faults, PageSize: y.pageSize, Quotas: y.quotas})
	if y.root == "" {
		y.root = `{"tenantId":"11111111-1111-1111-1111-111111111111","devopsOrganizations":["contoso"],"githubOrganizations":["contoso-oss"]}`
	}
	return s.Collect(t, collect.Options{
		Credentials: collecttest.SignIn{Tenant: s, Wrong: y.wrong}, Transport: s.Client, Root: []byte(y.root), From: s.Clock.Now().AddDate(0, 0, -28), To: s.Clock.Now(), Limit: 30 * time.Minute,
	}, y.source), s.Sim
}

func TestDevOpsRun(t *testing.T) {
	for _, pageSize := range []int{0, 3} {
		t.Run(fmt.Sprintf("page size %d", pageSize), func(t *testing.T) {
			c, sim := try{source: devops.Source(), pageSize: pageSize}.run(t)
			for name, want := range map[string]int{
				"projects": 2, "repositories": 3, "branch-policies": 5, "service-connections": 2, "environments": 2, "pipelines": 2, "variable-groups": 2,
				"users": 4, "groups": 7, "user-entitlements": 4, "environment-checks": 1, "release-definitions": 0, "deployments": 15, "environment-approvals": 9,
			} {
				if got := collecttest.Rows(c, name); got != want {
					t.Errorf("%s: %d rows, want %d", name, got, want)
				}
			}
			for _, a := range devops.Source().Asks {
				for _, typ := range a.Types {
					if !collecttest.Complete(c, "contoso", typ) {
						t.Errorf("%s is not complete: %+v", typ, collecttest.Asked(c, a.Name))
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
				if got := collecttest.Rows(c, name); got != want {
					t.Errorf("%s: %d rows, want %d", name, got, want)
				}
			}
			for _, a := range devops.GitHub().Asks {
				for _, typ := range a.Types {
					if !collecttest.Complete(c, "contoso-oss", typ) {
						t.Errorf("%s is not complete: %+v", typ, collecttest.Asked(c, a.Name))
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
