// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/inventory"
)

// alone compiles one check, with values for its parameters.
func alone(t *testing.T, c *catalog.Catalog, k *catalog.Check, values map[string]any) *check.Rules {
	t.Helper()
	one := *k
	if values != nil {
		var parameters map[string]map[string]any
		if err := json.Unmarshal(k.Parameters, &parameters); err != nil {
			t.Fatal(err)
		}
		for name, v := range values {
			if parameters[name] == nil {
				t.Fatalf("there is no parameter %s", name)
			}
			parameters[name]["defaultValue"] = v
		}
		data, err := json.Marshal(parameters)
		if err != nil {
			t.Fatal(err)
		}
		one.Parameters = data
	}
	only := *c
	only.Checks = []*catalog.Check{&one}
	rules, err := check.Compile(&only)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// verdictOf runs the rules on a snapshot and returns the verdict on the first
// page's object.
func verdictOf(t *testing.T, rules *check.Rules, snap *tickmark.Snapshot, c *fixtureCase) string {
	t.Helper()
	inv, err := inventory.Build(context.Background(), snap, inventory.Options{Canonical: rules.Canonical, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	a, err := check.Run(context.Background(), snap, inv, rules, check.Options{Now: c.instant(t), Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(inv.Resources, func(r inventory.Resource) bool { return r.Segment == 0 && r.Page == 0 })
	for r := range a.Results.Bare() {
		if r.Resource == inv.Resources[at].ID {
			return r.Verdict.String()
		}
	}
	t.Fatal("the object was not judged")
	return ""
}

// eachJoin calls f for every case of a check with joins or applicability.
func eachJoin(t *testing.T, f func(t *testing.T, rules *check.Rules, file fixture, c *fixtureCase)) {
	t.Helper()
	c, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range loadFixtures(t) {
		k := c.Check(file.Check)
		if k == nil || !joins(k) {
			continue
		}
		n++
		t.Run(file.Check, func(t *testing.T) {
			if uses := strings.Contains(strings.ToLower(string(k.Rule)+string(k.Applies)), "utcnow("); uses != k.Clock {
				t.Errorf("the rule depends on the clock: %v, the check says %v", uses, k.Clock)
			}
			plain := alone(t, c, k, nil)
			for i := range file.Cases {
				rules := plain
				if v := file.Cases[i].Parameters; v != nil {
					rules = alone(t, c, k, v)
				}
				f(t, rules, file, &file.Cases[i])
			}
		})
	}
	if n == 0 {
		t.Error("no check has a join")
	}
}

// TestJoinParameters runs the cases that set parameters.
func TestJoinParameters(t *testing.T) {
	eachJoin(t, func(t *testing.T, rules *check.Rules, f fixture, c *fixtureCase) {
		t.Helper()
		if c.Parameters == nil {
			return
		}
		if got := verdictOf(t, rules, snapshotOf(t, f, c), c); got != c.want() {
			t.Errorf("case %q: %s, want %s", c.Name, got, c.want())
		}
	})
}

// TestJoinHiding hides each value of each input of a join, takes each input
// away, and takes each claim of completeness away: what was decided stays so or
// becomes unknown. The negative control takes records away while completeness
// is still claimed, which must change verdicts.
func TestJoinHiding(t *testing.T) {
	tried, unknown, changed := 0, 0, 0
	eachJoin(t, func(t *testing.T, rules *check.Rules, f fixture, c *fixtureCase) {
		t.Helper()
		if c.want() == "unknown" {
			return
		}
		verify := func(what string, snap *tickmark.Snapshot) {
			tried++
			switch got := verdictOf(t, rules, snap, c); got {
			case c.want():
			case "unknown":
				unknown++
			default:
				t.Errorf("case %q, %s: %s instead of %s", c.Name, what, got, c.want())
			}
		}
		for _, path := range content(c.object(t, f)) {
			one := *c
			one.Hide = append(slices.Clone(c.Hide), path)
			verify("without "+path, snapshotOf(t, f, &one))
		}
		for i := range c.Related {
			r := &c.Related[i]
			for _, path := range content(shape(t, r.Base, r.Patch, r.ID)) {
				one := *c
				one.Related = slices.Clone(c.Related)
				one.Related[i].Hide = append(slices.Clone(r.Hide), path)
				verify(r.Base+" without "+path, snapshotOf(t, f, &one))
			}
			gone := *c
			gone.Related = slices.Delete(slices.Clone(c.Related), i, i+1)
			if got := verdictOf(t, rules, snapshotOf(t, f, &gone), c); got != c.want() && got != "unknown" {
				changed++ // so the record matters, and only completeness stands for it
			}
			gone.Complete = slices.DeleteFunc(slices.Clone(c.Complete), func(typ string) bool { return strings.EqualFold(typ, r.Base) })
			verify("without a record of "+r.Base, snapshotOf(t, f, &gone))
		}
		for i := range c.Complete {
			one := *c
			one.Complete = slices.Delete(slices.Clone(c.Complete), i, i+1)
			verify(c.Complete[i]+" incomplete", snapshotOf(t, f, &one))
		}
	})
	if unknown == 0 || unknown == tried || changed == 0 {
		t.Errorf("of %d hidings %d led to unknown, and %d records changed a verdict: the test does not reach the joins", tried, unknown, changed)
	}
	t.Logf("%d hidings, %d unknown, %d records that matter", tried, unknown, changed)
}
