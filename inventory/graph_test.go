// SPDX-License-Identifier: Apache-2.0

package inventory_test

import (
	"context"
	"testing"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/jsontape"
)

// TestUnfamiliarCondition: a condition that no rule judges hides all conditions
// of a Conditional Access policy, unless it is empty.
func TestUnfamiliarCondition(t *testing.T) {
	cases := map[string]string{ // member of conditions → reason
		`"clientAppTypes":["all"]`:         "",
		`"times":null`:                     "",
		`"times":[]`:                       "",
		`"users@odata.type":"x"`:           "",
		`"times":{"include":["weekdays"]}`: "unfamiliar",
		`"someNewNarrowing":["x"]`:         "unfamiliar",
		`"clientApplications":{"includeServicePrincipals":["all"]}`: "unfamiliar",
	}
	for member, want := range cases {
		body := []byte(`{"id":"p1","displayName":"MFA","state":"enabled","conditions":{"users":{"includeUsers":["All"]},` + member + `},"grantControls":{"builtInControls":["mfa"]}}`)
		s := &tickmark.Snapshot{Segments: []tickmark.Segment{{Source: "file", Scope: "f", Pages: []tickmark.Page{{
			Name: "f", Form: "graphEntity",
			Entity: "graph/conditionalAccessPolicies", Bytes: body, Items: []tickmark.Item{{Len: len(body)}},
		}}, Coverage: tickmark.Coverage{Declared: -1}}}}
		inv, err := inventory.Build(context.Background(), s, inventory.Options{})
		if err != nil {
			t.Fatal(err)
		}
		list := inv.OfType("graph/conditionalAccessPolicies")
		if len(list) != 1 {
			t.Fatalf("%s: %d policies, problems %v", member, len(list), inv.Problems)
		}
		c := list[0].Root.Get("conditions")
		if c.Reason() != want || (want == "") != (c.Kind() == jsontape.Object) {
			t.Errorf("%s: conditions are %v (%s), want %q", member, c.Kind(), c.Reason(), want)
		}
	}
}
