// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/azuresim"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/logs"
	"github.com/tickmark/tickmark/work"
)

// above is a tenant in which access was changed at each level.
const above = `
name: Above
tenant: {domains: [above.example], epoch: "2026-06-30T12:00:00Z"}
managementGroups: [{name: prod}, {name: idle, parent: prod}]
subscriptions: [{name: one, managementGroup: prod}]
resources:
  - {type: Microsoft.Authorization/policyAssignments, at: managementGroup/idle, name: baseline, appears: -1d, by: Ada Ray, properties: {scope: x}}
people: [{name: Ada Ray, upn: ada@above.example}]
roleDefinitions:
  - {name: Tree, actions: [Microsoft.Management/managementGroups/descendants/read]}
roleAssignments:
  - {principal: Ada Ray, role: User Access Administrator, scope: /, created: -2d, by: Ada Ray}
  - {principal: Ada Ray, role: Owner, scope: managementGroup/root, created: -2d, by: Ada Ray}
  - {principal: Ada Ray, role: Reader, scope: managementGroup/idle, created: -1d, by: Ada Ray}
  - {principal: Ada Ray, role: Contributor, scope: subscription/one, created: -1d, by: Ada Ray}
identities:
  - {name: reader, clientId: reader, access: [ACCESS]}
`

const rootReader = `{role: Reader, scope: managementGroup/root}, {role: Reader, scope: /providers/Microsoft.aadiam}`

// quiet is the same tenant without a change.
var quiet = regexp.MustCompile(`, (created|appears): -[12]d, by: Ada Ray`).ReplaceAllString(above, "")

// collectText reads a tenant with one identity.
func collectText(t *testing.T, text, access string, faults ...azuresim.Fault) *work.Collected {
	t.Helper()
	r := newRigWith(t, "reader", func(org *azuresim.Organisation) {
		parsed, err := azuresim.Parse("above.yaml", []byte(strings.Replace(text, "ACCESS", access, 1)))
		if err != nil {
			t.Fatal(err)
		}
		*org = *parsed
	})
	if err := r.sim.Inject(faults...); err != nil {
		t.Fatal(err)
	}
	r.opts.From, r.opts.To = r.clock.Now().AddDate(0, 0, -3), r.clock.Now()
	return r.collect(t, only(t, "arm"))
}

// TestActivityAbove: the logs of management groups and of the tenant are of one
// population with those of subscriptions, in which no event counts twice; it is
// not whole without any of them, and a check over it says so.
func TestActivityAbove(t *testing.T) {
	const typ, rbac = "arm/activityLog", "rbac-changes-population"
	all := rootReader + `, {role: Reader, scope: /providers/Microsoft.Insights}`
	c := collectText(t, above, all)
	operations := map[string]int{}
	for _, r := range c.Inventory.OfType(typ) {
		operations[r.Root.Get("operationName").Get("value").Str()]++
	}
	for op, n := range map[string]int{
		"Microsoft.Authorization/policyAssignments/write": 1, "Microsoft.Authorization/roleAssignments/write": 3, "Microsoft.Authorization/elevateAccess/action": 1,
	} {
		if operations[op] != n {
			t.Errorf("%s: %d records, want %d", op, operations[op], n)
		}
	}
	read := 0
	for i := range c.Run.Snapshot.Segments {
		for k := range c.Run.Snapshot.Segments[i].Coverage.Asks {
			if a := &c.Run.Snapshot.Segments[i].Coverage.Asks[k]; slices.Contains(a.Types, typ) {
				read += a.Rows
			}
		}
	}
	if records := len(c.Inventory.OfType(typ)); read <= records {
		t.Errorf("%d rows for %d records: no log repeats an event, so the test shows nothing of that", read, records)
	}
	if ok, why := c.Inventory.Population(typ); !ok {
		t.Errorf("the population is not whole: %s", why)
	}
	failed := 0
	for r := range c.Results.Bare() {
		if r.Check == rbac && r.Verdict == tickmark.Fail {
			failed++
		}
	}
	if failed != 4 {
		t.Errorf("%s counts %d changes, want 3 assignments and one elevation", rbac, failed)
	}
	state := func(c *work.Collected) check.State {
		k := slices.IndexFunc(c.Checks, func(x check.Summary) bool { return x.Check.ID == rbac })
		return c.Checks[k].State
	}
	if got := state(collectText(t, quiet, all)); got != check.StateNoResource {
		t.Errorf("without a change the check is %v", got)
	}
	refused := func(path string) []azuresim.Fault { return []azuresim.Fault{{ID: "C15", Host: "arm", Path: path}} }
	for _, x := range []struct {
		name, access string
		faults       []azuresim.Fault
	}{
		{name: "no role for the tenant's log", access: rootReader},
		{name: "a group refuses", access: all, faults: refused("/providers/microsoft.management/managementgroups/idle/providers/microsoft.insights/eventtypes/*")},
		{name: "the subscription refuses", access: all, faults: refused("/subscriptions/*/providers/microsoft.insights/eventtypes/*")},
		// The hierarchy names a group that the list of groups leaves out.
		{name: "a group is not shown", access: `{role: Reader, scope: /providers/Microsoft.Insights}, {role: Tree, scope: managementGroup/root}, {role: Reader, scope: subscription/one}`},
	} {
		got := collectText(t, quiet, x.access, x.faults...)
		if ok, _ := got.Inventory.Population(typ); ok || state(got) != check.StateUnknown {
			t.Errorf("%s: the population is whole: %v, the check is %v", x.name, ok, state(got))
		}
		// What each log covers is told of each: one that is refused takes no other.
		unknown := map[bool]bool{} // of a subscription's log, and of those above
		for _, l := range logs.Of(got.Run.Snapshot, got.Inventory).Logs {
			for _, k := range l.Copies {
				if l.Name == "activity-log" && k.Kind == logs.Service {
					unknown[l.Subscription != ""] = k.Unknown != tickmark.ReasonNone
				}
			}
		}
		if sub := x.name == "the subscription refuses"; unknown[true] != sub || unknown[false] == sub {
			t.Errorf("%s: unknown of the subscription's log %v, of those above %v", x.name, unknown[true], unknown[false])
		}
	}
}
