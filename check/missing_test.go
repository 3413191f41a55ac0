// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
)

// removals returns a copy of object without each of its members in turn, by
// the member's path. Whole elements of arrays stay: a list without its bad
// element is another list, not a missing property.
func removals(t *testing.T, object map[string]any) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	var visit func(v any, at string)
	visit = func(v any, at string) {
		switch v := v.(type) {
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(v)) {
				if at == "" && (k == "id" || k == "name" || k == "type" || k == recordKey) {
					continue
				}
				old := v[k]
				delete(v, k)
				data, err := json.Marshal(object)
				if err != nil {
					t.Fatal(err)
				}
				out[at+"/"+k] = data
				v[k] = old
				visit(old, at+"/"+k)
			}
		case []any:
			for _, c := range v {
				visit(c, at)
			}
		}
	}
	visit(object, "")
	return out
}

// aceOf begins the identities of the access control list's shape.
const aceOf = "Microsoft.TeamFoundation.Identity;S-1-9-1551374245-1204400969-2402986413-2179408616-0-0-0-0-"

// fineWithout says where a missing member passes, and why that is right. Paths
// of related resources begin with "related".
var fineWithout = map[string]string{
	// Graph prints every condition of a policy; null, like absence, is "not narrowed".
	"related/conditions/platforms":                               "no condition on platforms",
	"related/conditions/locations":                               "no condition on locations",
	"related/conditions/devices":                                 "no condition on devices",
	"related/conditions/agentIdRiskLevels":                       "no condition on agents' risk",
	"related/conditions/insiderRiskLevels":                       "no condition on insider risk",
	"related/conditions/authenticationFlows":                     "no condition on flows",
	"related/conditions/applications/applicationFilter":          "no filter",
	"related/conditions/users/excludeGuestsOrExternalUsers":      "nobody excluded",
	"related/grantControls/authenticationStrength":               "no strength beside the built-in controls",
	"related/sessionControls/signInFrequency/authenticationType": "primary and secondary is the documented default",
	"related/properties/cors":                                    "without CORS settings no other origin is admitted",
	"related/properties":                                         "inventory takes such an object as a summary",
	// Azure DevOps.
	"related/settings/scope/repositoryId":                     "a scope without a repository is every repository of the project",
	"related/isDisabled":                                      "left out where the check is enabled",
	"/allPipelines":                                           "left out where only named pipelines are allowed",
	"/allPipelines/authorized":                                "left out where only named pipelines are allowed",
	"/completionOptions":                                      "nothing was bypassed",
	"/completionOptions/bypassPolicy":                         "nothing was bypassed",
	"/reviewers/isContainer":                                  "a person",
	"/acesDictionary/" + aceOf + "1":                          "an entry that is not there sets nothing",
	"/acesDictionary/" + aceOf + "3":                          "an entry that is not there sets nothing",
	"/properties/ipConfigurations/properties":                 "inventory takes such an element as a reference",
	"/properties/ipConfigurations/properties/publicIPAddress": "ARM leaves it out where there is none",
	"/properties/networkRuleSet/ipRules":                      "no rule admits nobody",
	"/properties/sslProfiles":                                 "no profiles",
	"/properties/sslProfiles/properties":                      "the gateway's own policy holds",
	"/properties/sslProfiles/properties/sslPolicy":            "the gateway's own policy holds",
}

// TestMissing takes every member of every failing case away in turn: a missing
// property is never a pass unless the service's documented default makes it one.
func TestMissing(t *testing.T) {
	e := newEngine(t)
	tried := 0
	for _, f := range loadFixtures(t) {
		k := e.catalog.Check(f.Check)
		if k == nil || joins(k) {
			continue
		}
		t.Run(f.Check, func(t *testing.T) {
			for _, c := range f.Cases {
				if c.want() != "fail" {
					continue
				}
				p := e.bind(t, k, c.Parameters)
				base, object, whole := c.base(f), c.object(t, f), c.world(t)
				for path, data := range removals(t, object) {
					tried++
					if got, _ := outcome(p, parsed(t, base, data, nil), whole, c.instant(t)); got == "pass" && fineWithout[path] == "" {
						t.Errorf("case %q without %s passes", c.Name, path)
					}
				}
				r := resource(t, base, object, c.Hide)
				for i, rel := range c.Related {
					for path, data := range removals(t, shape(t, rel.Base, rel.Patch, rel.ID)) {
						tried++
						w := &world{slices.Clone(whole.resources), whole.complete}
						w.resources[i] = parsed(t, rel.Base, data, rel.Hide)
						if got, _ := outcome(p, r, w, c.instant(t)); got == "pass" && fineWithout["related"+path] == "" {
							t.Errorf("case %q, related without %s passes", c.Name, path)
						}
					}
				}
			}
		})
	}
	t.Logf("%d removals", tried)
}
