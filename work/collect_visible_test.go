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
)

// sight is what an identity may read, and what must come of it.
type sight struct {
	name, access string
	scopes       []string // --scope
	// equal says that nothing is lost; whole that the tenant as a whole is known.
	equal, whole bool
	// control is the guard without which the collection says what is not so.
	control string
}

const (
	one = "/subscriptions/00000000-0000-0000-0000-000000000001"
	two = "/subscriptions/00000000-0000-0000-0000-000000000002"
)

func sights() []sight {
	return []sight{
		{name: "reader at the root", access: `{role: Reader, scope: /}`, equal: true, whole: true},
		{name: "reader at the root group", access: `{role: Reader, scope: managementGroup/root}`, equal: true, whole: true},
		{name: "hierarchy at the root, reader below", access: `{role: Hierarchy, scope: managementGroup/root}, {role: Reader, scope: subscription/one}, {role: Reader, scope: subscription/two}`, whole: true},
		{name: "one resource group, the rest whole", access: `{role: Hierarchy, scope: managementGroup/root}, {role: Reader, scope: subscription/one/resourceGroups/rg-base}, {role: Reader, scope: subscription/two}`, control: "sees"},
		{name: "one resource group only", access: `{role: Reader, scope: subscription/two/resourceGroups/rg-many}`, control: "sees"},
		{name: "one resource", access: `{role: Hierarchy, scope: managementGroup/root}, {role: Reader, scope: subscription/two}, {role: Reader, scope: subscription/one/resourceGroups/rg-base/providers/Microsoft.Storage/storageAccounts/stbase}`, control: "sees"},
		{name: "one namespace", access: `{role: Hierarchy, scope: managementGroup/root}, {role: Security Reader, scope: subscription/one}, {role: Reader, scope: subscription/one/resourceGroups/rg-base}, {role: Reader, scope: subscription/two}`, control: "sees"},
		{name: "all but one type", access: `{role: Hierarchy, scope: managementGroup/root}, {role: But vaults, scope: subscription/one}, {role: Reader, scope: subscription/two}`, control: "sees"},
		{name: "no root", access: `{role: Reader, scope: subscription/one}, {role: Reader, scope: subscription/two}`},
		{name: "no root, and a subscription unseen", access: `{role: Reader, scope: managementGroup/prod}`, control: "root"},
		{name: "named", access: `{role: Reader, scope: subscription/one}`, scopes: []string{one}, whole: true},
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
  - {name: reader, clientId: 11111111-2222-4333-8444-555555555555, access: [%s]}
`, access)...)
}

// TestVisible: whatever the identity may not read, each verdict is that of a
// reader of everything or unknown, and nothing is complete that is not.
func TestVisible(t *testing.T) {
	text := estateText(t)
	arm := only(t, "arm")[0]
	full, err := newStand(t, visible(text, `{role: Owner, scope: /}`)).run(t, arm, &experiment{})
	if err != nil {
		t.Fatal(err)
	}
	if full.incomplete {
		t.Fatal("a reader of everything has gaps")
	}
	for _, x := range sights() {
		t.Run(x.name, func(t *testing.T) {
			s := newStand(t, visible(text, x.access))
			s.scopes = x.scopes
			want := full
			if len(x.scopes) > 0 {
				want = full.narrowed(x.scopes)
			}
			got, err := s.run(t, arm, &experiment{fault: azuresim.FaultInfo{ID: "sight"}})
			if err != nil {
				t.Fatal(err)
			}
			bad, _ := want.violations(got, &experiment{fault: azuresim.FaultInfo{ID: "sight"}})
			for _, b := range bad {
				t.Error(b)
			}
			lost, decided := want.lost(got), 0
			for _, v := range got.verdicts {
				if v == tickmark.Pass || v == tickmark.Fail {
					decided++
				}
			}
			t.Logf("%d verdicts decided, %d lost against a reader of everything", decided, lost)
			if x.equal && (lost > 0 || got.incomplete) {
				t.Errorf("%d verdicts are lost, incomplete %v", lost, got.incomplete)
			}
			if decided == 0 {
				t.Error("nothing is decided: the identity reads something")
			}
			passes := slices.Sorted(func(yield func(string) bool) {
				for id, st := range got.states {
					if st == check.StatePass && !yield(id) {
						return
					}
				}
			})
			if !x.whole && len(passes) > 0 {
				t.Errorf("%d checks pass as a whole, though not everything is known: %s", len(passes), strings.Join(passes[:min(len(passes), 5)], ", "))
			}
			if x.whole && len(passes) == 0 {
				t.Error("no check passes as a whole, though everything is known")
			}
			if x.control == "" {
				return
			}
			got, err = s.run(t, arm, &experiment{}, x.control)
			if err != nil {
				t.Fatal(err)
			}
			if bad, _ := want.violations(got, &experiment{}); len(bad) == 0 {
				t.Errorf("without the guard %s nothing is wrong: the case shows nothing", x.control)
			} else {
				t.Logf("without the guard %s: %d, such as %s", x.control, len(bad), bad[0])
			}
		})
	}
}

// narrowed is what a reader of everything says of some scopes: the population
// is what was named.
func (want *outcome) narrowed(scopes []string) *outcome {
	in := func(id string) bool {
		return !strings.HasPrefix(id, "/subscriptions/") || slices.ContainsFunc(scopes, func(s string) bool { return id == s || strings.HasPrefix(id, s+"/") })
	}
	out := &outcome{verdicts: map[[2]string]tickmark.Verdict{}, states: map[string]check.State{}, ids: map[string][]string{}, complete: want.complete, declared: want.declared}
	for k, v := range want.verdicts {
		if in(k[1]) {
			out.verdicts[k] = v
		}
	}
	for typ, ids := range want.ids {
		for _, id := range ids {
			if in(id) {
				out.ids[typ] = append(out.ids[typ], id)
			}
		}
	}
	return out
}
