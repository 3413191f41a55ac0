// SPDX-License-Identifier: Apache-2.0

package power_test

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/azuresim"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/collect/collecttest"
	"github.com/tickmark/tickmark/collect/power"
)

// try is one collection from a simulator.
type try struct {
	edit     func(yaml string) string
	source   collect.Source
	pageSize int
	quotas   bool
	wrong    bool
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
	s := collecttest.Serve(t, "contoso.yaml", text, azuresim.Options{Seed: 1, PageSize: y.pageSize, Quotas: y.quotas})
	return s.Collect(t, collect.Options{
		Credentials: collecttest.SignIn{Tenant: s, Wrong: y.wrong}, Transport: s.Client, From: s.Clock.Now().AddDate(0, 0, -28), To: s.Clock.Now(), Limit: 30 * time.Minute,
	}, y.source), s.Sim
}

func TestRun(t *testing.T) {
	for _, pageSize := range []int{0, 1} {
		t.Run(fmt.Sprintf("page size %d", pageSize), func(t *testing.T) {
			c, sim := try{source: power.Source(), pageSize: pageSize}.run(t)
			for name, want := range map[string]int{
				"tenant-isolation": 1, "tenant-settings": 1, "environments": 3, "data-policy-names": 2, "data-policies": 2, "apps": 9, "connections": 3, "applications": 3,
				"dataverse-callers": 2, "dataverse-organizations": 2, "security-roles": 8, "system-users": 8, "teams": 2, "column-security-profiles": 2, "flows": 8, "dataverse-tables": 8,
			} {
				if got := collecttest.Rows(c, name); got != want {
					t.Errorf("%s: %d rows, want %d", name, got, want)
				}
			}
			for _, typ := range tenantTypes {
				if !collecttest.Complete(c, "", typ) {
					t.Errorf("%s is not complete: %+v", typ, collecttest.Asked(c, ""))
				}
			}
			for _, typ := range dataverseTypes {
				for _, e := range environments(c)[1:] {
					if !collecttest.Complete(c, e, typ) {
						t.Errorf("%s is not complete in %s: %+v", typ, e, c.Snapshot.Segments)
					}
				}
			}
			if collecttest.Complete(c, "", "power/connections") || slices.ContainsFunc(environments(c), func(e string) bool { return collecttest.Complete(c, e, "power/connections") }) {
				t.Error("connections count as complete, and nobody knows that they are")
			}
			if l := sim.Log(); l.Misdirected+l.Foreign > 0 {
				t.Errorf("tokens went astray: %d, %d", l.Misdirected, l.Foreign)
			}
			noSecrets(t, c)
			t.Logf("%d requests", c.Requests)
		})
	}
}

var (
	tenantTypes    = []string{"power/environments", "power/dataPolicies", "power/tenantSettings", "power/tenantIsolation"}
	dataverseTypes = []string{
		"power/systemUsers", "power/securityRoles", "power/teams", "power/dataverseOrganizations", "power/flows", "power/columnSecurityProfiles", "power/dataverseTables", "power/apps",
	}
)

// environments lists the scopes of the environments, the default one first.
func environments(c *collect.Collected) (out []string) {
	for _, s := range c.Snapshot.Segments {
		if s.Scope != "" {
			out = append(out, s.Scope)
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		return strings.Compare(b[:min(len(b), 7)], a[:min(len(a), 7)]) // Default before hexadecimal
	})
	i := slices.IndexFunc(out, func(s string) bool { return strings.HasPrefix(s, "Default-") })
	out[0], out[i] = out[i], out[0]
	return out
}

// TestHidden holds that what is refused or filtered costs the completeness of
// the types of that environment, and of no other.
func TestHidden(t *testing.T) {
	for _, h := range hidden {
		t.Run(h.name, func(t *testing.T) {
			c, _ := try{edit: h.edit, source: power.Source()}.run(t)
			incomplete := 0
			for _, s := range c.Snapshot.Segments {
				if s.Scope == "" == h.tenant && !slices.Contains(s.Coverage.Complete, h.typ) && !strings.HasPrefix(s.Scope, "Default-") {
					incomplete++
				}
			}
			if incomplete != h.incomplete {
				t.Errorf("%s is incomplete in %d segments, want %d", h.typ, incomplete, h.incomplete)
			}
			if h.keeps != "" && !slices.ContainsFunc(c.Snapshot.Segments, func(s tickmark.Segment) bool { return slices.Contains(s.Coverage.Complete, h.keeps) }) {
				t.Errorf("%s is complete nowhere", h.keeps)
			}
		})
	}
}

var hidden = []struct {
	name       string
	edit       func(string) string
	typ        string
	tenant     bool
	incomplete int
	keeps      string
}{
	{"no application user in one", func(y string) string {
		return strings.Replace(y, "type: Sandbox, dataverse: true", "type: Sandbox, dataverse: true, refused: true", 1)
	}, "power/systemUsers", false, 1, "power/systemUsers"},
	{"rows by depth in one", func(y string) string {
		return y + "deny: [{host: dataverse, path: '/sales/api/data/v9.2/systemusers', hide: true}]\n"
	}, "power/systemUsers", false, 1, "power/systemUsers"},
	{"environments of an administrator of none", func(y string) string {
		return y + "deny: [{host: power, path: '*/tenantIsolationPolicy'}]\n"
	}, "power/environments", true, 1, "power/tenantSettings"},
	{"policies left out", func(y string) string {
		return y + "deny: [{host: power, path: '*/tenantIsolationPolicy'}, {host: power, path: '*/v2/policies', hide: true}]\n"
	}, "power/dataPolicies", true, 1, "power/tenantSettings"},
}

// TestHiddenControl takes the proofs away: then what is hidden counts as none.
func TestHiddenControl(t *testing.T) {
	for _, h := range hidden[1:] {
		source := power.Source()
		for i := range source.Asks {
			source.Asks[i].Proof = ""
		}
		c, _ := try{edit: h.edit, source: source}.run(t)
		for _, s := range c.Snapshot.Segments {
			if s.Scope == "" == h.tenant && !strings.HasPrefix(s.Scope, "Default-") && !slices.Contains(s.Coverage.Complete, h.typ) {
				t.Errorf("%s: without proofs %s is still incomplete: TestHidden shows nothing", h.name, h.typ)
			}
		}
	}
}

// TestQuotas collects with the services' limits on, and with a wrong token.
func TestQuotas(t *testing.T) {
	c, sim := try{source: power.Source(), quotas: true}.run(t)
	if n := sim.Log().ByStatus[http.StatusTooManyRequests]; n > 0 || collecttest.Rows(c, "environments") != 3 {
		t.Errorf("%d answers of 429, %d environments", n, collecttest.Rows(c, "environments"))
	}
	c, _ = try{source: power.Source(), wrong: true}.run(t)
	for _, s := range c.Snapshot.Segments {
		if len(s.Coverage.Complete) > 0 {
			t.Errorf("with a wrong token %v is complete", s.Coverage.Complete)
		}
	}
}

// noSecrets finds values that must not have been kept.
func noSecrets(t *testing.T, c *collect.Collected) {
	t.Helper()
	pages := 0
	for _, s := range c.Snapshot.Segments {
		for _, p := range s.Pages {
			pages++
			for _, secret := range []string{"s1mulated-Pa55word", azuresim.Canary} {
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
