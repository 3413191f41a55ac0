// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/azuresim"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/work"
)

// sight is what an identity may read, and what must come of it.
type sight struct {
	name, access string
	scopes       []string // --scope
	// equal says that nothing is lost; blind that the tenant as a whole is not
	// known.
	equal, blind bool
	// control is the guard without which the collection says what is not so.
	control string
}

const one = "/subscriptions/00000000-0000-0000-0000-000000000001"

func sights() []sight {
	return []sight{
		{name: "reader at the root", access: `{role: Reader, scope: /}, {role: Storage Blob Data Reader, scope: /}`, equal: true},
		{name: "reader at the root group", access: `{role: Reader, scope: managementGroup/root}, {role: Reader, scope: /providers/Microsoft.aadiam}, {role: Reader, scope: /providers/Microsoft.Insights}, {role: Storage Blob Data Reader, scope: /}`, equal: true},
		{name: "hierarchy at the root, reader below", access: `{role: Hierarchy, scope: managementGroup/root}, {role: Reader, scope: subscription/one}, {role: Reader, scope: subscription/two}`},
		{name: "one resource group, the rest whole", access: `{role: Hierarchy, scope: managementGroup/root}, {role: Reader, scope: subscription/one/resourceGroups/rg-base}, {role: Reader, scope: subscription/two}`, control: "sees"},
		{name: "one resource group only", access: `{role: Reader, scope: subscription/two/resourceGroups/rg-many}`, blind: true, control: "sees"},
		{name: "one resource", access: `{role: Hierarchy, scope: managementGroup/root}, {role: Reader, scope: subscription/two}, {role: Reader, scope: subscription/one/resourceGroups/rg-base/providers/Microsoft.Storage/storageAccounts/stbase}`, control: "sees"},
		{name: "one namespace", access: `{role: Hierarchy, scope: managementGroup/root}, {role: Security Reader, scope: subscription/one}, {role: Reader, scope: subscription/one/resourceGroups/rg-base}, {role: Reader, scope: subscription/two}`, control: "sees"},
		{name: "all but one type", access: `{role: Hierarchy, scope: managementGroup/root}, {role: But vaults, scope: subscription/one}, {role: Reader, scope: subscription/two}`, control: "sees"},
		{name: "no root", access: `{role: Reader, scope: subscription/one}, {role: Reader, scope: subscription/two}`, blind: true},
		{name: "no root, and a subscription unseen", access: `{role: Reader, scope: managementGroup/prod}`, blind: true, control: "root"},
		{name: "named", access: `{role: Reader, scope: subscription/one}`, scopes: []string{one}},
		{name: "named, but part", access: `{role: Reader, scope: subscription/one/resourceGroups/rg-base}`, scopes: []string{one}, control: "sees"},
	}
}

// visible is the organisation of the matrix with an identity that reads a part.
func visible(text []byte, access string) []byte {
	return append(slices.Clone(text), fmt.Sprintf(`
roleDefinitions:
  - {name: Hierarchy, actions: [Microsoft.Management/managementGroups/read]}
  - {name: But vaults, actions: ["*/read"], notActions: [Microsoft.KeyVault/*]}
identities:
  - {name: reader, clientId: reader, roles: [%s], access: [%s]}
  - {name: everything, clientId: everything, roles: [%s]}
`, allRoles, access, allRoles)...)
}

var sightRun = experiment{fault: azuresim.FaultInfo{ID: "sight"}}

// TestVisible: whatever the identity may not read, each verdict is that of a
// reader of everything or unknown, and nothing is complete that is not.
func TestVisible(t *testing.T) {
	text := estateText(t)
	arm := only(t, "arm")[0]
	passed := map[string]int{}
	for i, x := range sights() {
		if testing.Short() && i%3 != 0 {
			continue
		}
		t.Run(x.name, func(t *testing.T) {
			s := newStand(t, visible(text, x.access))
			everything := func(scopes []string) *outcome {
				t.Helper()
				s.scopes, s.creds.as = scopes, "everything"
				out, err := s.run(t, arm, &sightRun)
				if err != nil {
					t.Fatal(err)
				}
				if s.creds.as = "reader"; out.incomplete {
					t.Fatal("a reader of everything has gaps")
				}
				return out
			}
			want := everything(nil)
			if len(x.scopes) > 0 {
				named := everything(x.scopes)
				for _, b := range want.overruled(named) {
					t.Errorf("a reader of everything, named: %s", b)
				}
				want = named
			}
			got, err := s.run(t, arm, &sightRun)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range want.mistakes(got) {
				t.Error(b)
			}
			lost, decided := want.lost(got), got.decided()
			t.Logf("%d verdicts decided, %d lost; %d checks pass as a whole, %d for a reader of everything", decided, lost, len(got.passes()), len(want.passes()))
			if x.equal && (lost > 0 || got.incomplete) {
				t.Errorf("%d verdicts are lost, incomplete %v", lost, got.incomplete)
			}
			if decided == 0 {
				t.Error("nothing is decided: the identity reads something")
			}
			if n, none := len(got.passes()), len(got.are(check.StateNoResource)); x.blind && n+none > 0 {
				t.Errorf("%d checks pass as a whole and %d have no resource, and the hierarchy is unseen: %v", n, none, got.are(check.StateNoResource))
			}
			if x.control == "" {
				return
			}
			if got, err = s.run(t, arm, &sightRun, x.control); err != nil {
				t.Fatal(err)
			}
			bad := want.mistakes(got)
			if len(bad) == 0 {
				t.Fatalf("without the guard %s nothing is wrong: the case shows nothing", x.control)
			}
			for _, b := range bad {
				if strings.HasSuffix(b, "became pass") || strings.HasSuffix(b, " as a whole") {
					passed[x.control]++
				}
			}
			t.Logf("without the guard %s: %d, such as %s", x.control, len(bad), bad[len(bad)-1])
		})
	}
	if !testing.Short() && (passed["sees"] == 0 || passed["root"] == 0) {
		t.Errorf("false passes without the guards: %v; each must have some", passed)
	}
}

// TestVisibleJoined: what joins the directory with what Azure has becomes
// unknown, too.
func TestVisibleJoined(t *testing.T) {
	both := only(t, "graph", "arm")
	text := estateText(t)
	run := func(access, as string) map[[2]string]tickmark.Verdict {
		s := newStand(t, visible(text, access))
		s.creds.as = as
		o, err := s.options(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		tuned(&o)
		c, err := work.Collect(t.Context(), work.CollectOptions{Sources: both, Collect: o, Assess: work.AssessOptions{Now: matrixNow, Engine: "test", Workers: 1}})
		if err != nil {
			t.Fatal(err)
		}
		out := map[[2]string]tickmark.Verdict{}
		for r := range c.Results.Bare() {
			out[[2]string{strings.Clone(r.Check), judgedOf(r.Resource)}] = r.Verdict
		}
		if err := c.Run.Close(); err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, access := range []string{
		`{role: Reader, scope: subscription/one/resourceGroups/rg-base}`, `{role: Reader, scope: subscription/one}`,
		`{role: Hierarchy, scope: managementGroup/root}, {role: Reader, scope: subscription/one}, {role: Reader, scope: subscription/two/resourceGroups/rg-many}`,
	} {
		want, equal, unknown := run(access, "everything"), 0, 0
		for k, v := range run(access, "reader") {
			switch was := want[k]; {
			case v != tickmark.Pass && v != tickmark.Fail:
				unknown++
			case v != was:
				t.Errorf("%s: %s on %s: %v became %v", access, k[0], k[1], was, v)
			default:
				equal++
			}
		}
		t.Logf("%s: %d equal, %d undecided", access, equal, unknown)
		if equal == 0 || unknown == 0 {
			t.Error("the case shows nothing")
		}
	}
}

// TestSight: doctor names each part that is not seen as a whole, and the tenant.
func TestSight(t *testing.T) {
	const group = "/providers/microsoft.management/managementgroups/"
	for access, want := range map[string][]string{
		"Reader /": nil,
		"Reader subscription/one/resourceGroups/rg": {group, "/subscriptions/"},
		"Reader subscription/one":                   {group},
		"Reader managementGroup/prod":               {group},
		"Security Reader managementGroup/root":      {group, "/subscriptions/", "/subscriptions/"},
	} {
		role, scope, _ := strings.Cut(strings.Replace(access, "Security Reader", "Security_Reader", 1), " ")
		r := newRigWith(t, "reader", func(org *azuresim.Organisation) {
			org.Identities[0].Access = []azuresim.Access{{Role: strings.ReplaceAll(role, "_", " "), Scope: scope}}
		})
		gaps, err := work.Sight(t.Context(), only(t, "graph", "arm"), r.opts)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, g := range gaps {
			k := strings.LastIndexByte(g.Scope, '/') + 1
			got = append(got, strings.ToLower(g.Scope[:k]))
			if g.Reason != tickmark.ReasonNotPermitted || g.Why == "" || g.Root != (g.Scope[:k] == group) {
				t.Errorf("%s: %+v", access, g)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", access, got, want)
		}
	}
	r := newRigWith(t, "reader", func(org *azuresim.Organisation) {
		org.Identities[0].Access = []azuresim.Access{{Role: "Reader", Scope: "subscription/one"}}
	})
	subs := r.collect(t, only(t, "arm")).Inventory.OfType("Microsoft.Resources/subscriptions")
	r.opts.Scopes = []string{subs[0].ID}
	if gaps, err := work.Sight(t.Context(), only(t, "arm"), r.opts); err != nil || len(gaps) != 1 || gaps[0].Reason != tickmark.ReasonNotNamed {
		t.Errorf("named: %+v, %v", gaps, err)
	}
}

const allRoles = "Application.Read.All, Directory.Read.All, Policy.Read.All, AuditLog.Read.All, RoleManagement.Read.All, AccessReview.Read.All, EntitlementManagement.Read.All, " +
	"DeviceManagementManagedDevices.Read.All, DeviceManagementConfiguration.Read.All, LicenseAssignment.Read.All, Reports.Read.All"

// decided counts the verdicts that say something.
func (want *outcome) decided() int {
	n := 0
	for _, v := range want.verdicts {
		if v == tickmark.Pass || v == tickmark.Fail {
			n++
		}
	}
	return n
}

// passes are the checks that pass for all that there is.
func (want *outcome) passes() []string { return want.are(check.StatePass) }

func (want *outcome) are(state check.State) []string {
	var out []string
	for id, s := range want.states {
		if s == state {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// mistakes are the violations, and the checks that pass as a whole though they
// do not for a reader of everything. What the identity itself may do differs.
func (want *outcome) mistakes(got *outcome) []string {
	for _, o := range []*outcome{want, got} {
		delete(o.ids, "arm/permissions")
	}
	bad, _ := want.violations(got, &sightRun)
	if len(got.scopes) > 0 { // what lies above them is not in the population
		bad = slices.DeleteFunc(bad, func(b string) bool { return strings.HasSuffix(b, "does not say that it is incomplete") })
	}
	all := want.passes()
	for _, id := range got.passes() {
		// Of a scope that was not named a reader of everything knows the name, and
		// no more: that is unknown to him, and nothing to others.
		if !slices.Contains(all, id) && (len(got.scopes) == 0 || want.fails(id)) {
			bad = append(bad, id+" passes as a whole")
		}
	}
	for _, id := range got.are(check.StateNoResource) {
		if want.states[id] != check.StateNoResource {
			bad = append(bad, id+" has no resource as a whole")
		}
	}
	return bad
}

func (want *outcome) fails(id string) bool {
	for k, v := range want.verdicts {
		if k[0] == id && v == tickmark.Fail {
			return true
		}
	}
	return false
}

// overruled are the verdicts of a narrower population that differ from those of
// the whole.
func (want *outcome) overruled(got *outcome) []string {
	var bad []string
	for k, v := range got.verdicts {
		if was := want.verdicts[k]; (v == tickmark.Pass || v == tickmark.Fail) && was != v {
			bad = append(bad, fmt.Sprintf("%s on %s: %v became %v", k[0], k[1], was, v))
		}
	}
	return bad
}
