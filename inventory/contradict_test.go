// SPDX-License-Identifier: Apache-2.0

package inventory_test

import (
	"testing"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/inventory"
)

// TestParentContradicts: a child that came by itself and the copy that its
// parent carries must not say different things, nor may the parent lack it;
// otherwise the better-looking of the two would be judged.
func TestParentContradicts(t *testing.T) {
	const (
		group = "Microsoft.Network/networkSecurityGroups"
		at    = "/subscriptions/s/resourceGroups/r/providers/" + group + "/n"
		vnet  = "Microsoft.Network/virtualNetworks"
		net   = "/subscriptions/s/resourceGroups/r/providers/" + vnet + "/v"
	)
	rule := func(properties string) string {
		return `{"id":"` + at + `/securityRules/a","name":"a","type":"` + group + `/securityRules","properties":{` + properties + `}}`
	}
	parent := func(rules string) string {
		return `{"id":"` + at + `","name":"n","type":"` + group + `","properties":{"securityRules":[` + rules + `]}}`
	}
	subnet := func(properties string) string {
		return `{"id":"` + net + `/subnets/a","name":"a","type":"` + vnet + `/subnets","properties":{` + properties + `}}`
	}
	for _, c := range []struct {
		name          string
		parent, child string
		typ           string
		conflicting   int
	}{
		{"the same", parent(rule(`"access":"Allow","p":["22"]`)), rule(`"p":["22"],"access":"allow"`), group, 0},
		{"the parent says less", parent(rule(`"access":"Allow"`)), rule(`"access":"Allow","description":"x","provisioningState":"Updating"`), group, 0},
		{"the parent has null", parent(rule(`"access":"Allow","description":null`)), rule(`"access":"Allow","description":"x"`), group, 0},
		{"another value", parent(rule(`"access":"Deny"`)), rule(`"access":"Allow"`), group, 2},
		{"another list", parent(rule(`"access":"Allow","p":["22"]`)), rule(`"access":"Allow","p":["22","80"]`), group, 2},
		{"not in the parent", parent(""), rule(`"access":"Allow"`), group, 2},
		{"the parent carries no list", `{"id":"` + at + `","name":"n","type":"` + group + `","properties":{}}`, rule(`"access":"Allow"`), group, 0},
		{
			"a reference on one side only", `{"id":"` + net + `","name":"v","type":"` + vnet + `","properties":{"subnets":[` + subnet(`"p":"10.0.0.0/24"`) + `]}}`,
			subnet(`"p":"10.0.0.0/24","networkSecurityGroup":{"id":"` + at + `"}`), vnet, 2,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, objects := range [][]string{{c.parent, c.child}, {c.child, c.parent}} {
				inv := build(t, snapshot(page(objects...)), inventory.Options{})
				if inv.Counts.Conflicting != c.conflicting {
					t.Errorf("%d resources conflict, want %d", inv.Counts.Conflicting, c.conflicting)
				}
				if got := inv.OfType(c.typ)[0].Is(inventory.Conflicting); got != (c.conflicting > 0) {
					t.Errorf("the parent conflicts: %v", got)
				}
				if (len(inv.Problems) > 0) != (c.conflicting > 0) || len(inv.Problems) > 1 {
					t.Errorf("problems %+v", inv.Problems)
				}
				for _, p := range inv.Problems {
					if p.Reason != tickmark.ReasonConflicting {
						t.Errorf("problem %+v", p)
					}
				}
			}
		})
	}
}
