// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"strings"
	"testing"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
)

// explained returns the result of one named case of a fixture.
func explained(t *testing.T, id, name string) tickmark.Result {
	t.Helper()
	c, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	rules, err := check.Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range loadFixtures(t) {
		for i := range f.Cases {
			if f.Check == id && f.Cases[i].Name == name {
				r, ok := resultOf(t, rules, f, &f.Cases[i])
				if !ok {
					t.FailNow()
				}
				return r
			}
		}
	}
	t.Fatalf("no case %q of %s", name, id)
	return tickmark.Result{}
}

// TestExplainPass: what decided a pass is what a property holds, not that the
// property is there; a count is said to be one.
func TestExplainPass(t *testing.T) {
	r := explained(t, "nsg-ssh", "one rule, one port, any source")
	if want := "the number of properties.securityRules[*] that match is 1"; !strings.Contains(r.Why.Message, want) {
		t.Errorf("message %q, want one with %q", r.Why.Message, want)
	}
	for _, f := range loadFixtures(t) {
		if f.Check != "rbac-uaa-root" {
			continue
		}
		for i := range f.Cases {
			if f.Cases[i].want() != "pass" {
				continue
			}
			if r := explained(t, f.Check, f.Cases[i].Name); strings.HasSuffix(r.Why.Message, "expected to be set") {
				t.Errorf("case %q: %s", f.Cases[i].Name, r.Why.Message)
			}
		}
	}
}

// TestExplainNearMissNegated: the near miss of a condition under a not is its
// opposite: a policy that leaves out users would pass with All, not without.
func TestExplainNearMissNegated(t *testing.T) {
	for _, f := range loadFixtures(t) {
		if f.Check != "entra-mfa-all-users" {
			continue
		}
		seen := 0
		for i := range f.Cases {
			fc := &f.Cases[i]
			if fc.want() != "fail" || fc.Parameters != nil {
				continue
			}
			near := explained(t, f.Check, fc.Name).Why.NearMiss
			if strings.Contains(near, "includeUsers[*] were other than") || strings.Contains(near, "includeApplications[*] were other than") {
				t.Errorf("case %q: %s", fc.Name, near)
			}
			if strings.Contains(near, "includeUsers[*] were equal to") || strings.Contains(near, "includeApplications[*] were equal to") {
				seen++
			}
		}
		if seen == 0 {
			t.Error("no case has a near miss on whom the policy includes")
		}
	}
}
