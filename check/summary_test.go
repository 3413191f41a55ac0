// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/inventory"
)

// summaryForms are what the command line's lists and typed commands make of an
// object: no properties at all, and properties moved to the root.
var summaryForms = map[string]func(map[string]any) map[string]any{
	"without properties": func(o map[string]any) map[string]any {
		out := maps.Clone(o)
		delete(out, "properties")
		return out
	},
	"properties null": func(o map[string]any) map[string]any {
		out := maps.Clone(o)
		out["properties"] = nil
		return out
	},
	"flattened": func(o map[string]any) map[string]any {
		out := maps.Clone(o)
		props, _ := out["properties"].(map[string]any)
		delete(out, "properties")
		for k, v := range props {
			if _, taken := out[k]; !taken {
				out[k] = v
			}
		}
		return out
	},
}

// TestSummariesNeverDecide: a summary of a fixture's object is never a pass or
// a fail by a check that reads its properties.
func TestSummariesNeverDecide(t *testing.T) {
	c, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	rules, err := check.Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	judged := 0
	for _, f := range loadFixtures(t) {
		for i := range f.Cases {
			fc := &f.Cases[i]
			if fc.Parameters != nil || inventory.IsRecord(fc.base(f)) || len(fc.Hide) > 0 {
				continue
			}
			object := fc.object(t, f)
			if _, ok := object["properties"].(map[string]any); !ok {
				continue
			}
			for form, shrink := range summaryForms {
				v, ran := verdictOn(t, rules, f, fc, shrink(object))
				if !ran {
					continue
				}
				judged++
				if v == tickmark.Pass || v == tickmark.Fail {
					if !onlyIdentity(rules, f.Check) {
						t.Errorf("%s/%s %s: %s", f.Check, fc.Name, form, v)
					}
				}
			}
		}
	}
	if judged < 500 {
		t.Errorf("only %d summaries were judged", judged)
	}
	t.Logf("%d summaries judged", judged)
}

// onlyIdentity reports whether the check reads nothing but identity and
// related resources, which a summary does carry.
func onlyIdentity(rules *check.Rules, id string) bool {
	k := rules.Catalog.Check(id)
	return k != nil && len(k.Needs) > 0
}

func verdictOn(t *testing.T, rules *check.Rules, f fixture, fc *fixtureCase, object map[string]any) (tickmark.Verdict, bool) {
	t.Helper()
	snap := snapshotOf(t, f, fc)
	data, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	p := &snap.Segments[0].Pages[0]
	p.Bytes, p.Digest, p.Items = data, tickmark.DigestOf(data), []tickmark.Item{{Off: 0, Len: len(data)}}
	inv, err := inventory.Build(context.Background(), snap, inventory.Options{Canonical: rules.Canonical, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	a, err := check.Run(context.Background(), snap, inv, rules, check.Options{Now: fc.instant(t), Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	id, _ := object["id"].(string)
	for r := range a.Results.Bare() {
		if r.Check == f.Check && strings.EqualFold(r.Resource, id) {
			return r.Verdict, true
		}
	}
	return tickmark.Unknown, false
}

// TestWithin: a choice of categories counts what is left alone, in the view and
// nowhere else; what it leaves out is told, and the assessment stays as it was.
func TestWithin(t *testing.T) {
	checks := []check.Summary{}
	var results []tickmark.Result
	for _, k := range []struct{ id, codes string }{{"both", "CC6.1 A1.2"}, {"a", "A1.2"}, {"c", "C1.1 P4.1"}, {"none", ""}} {
		c := &catalog.Check{ID: k.id, Types: []string{"T/" + k.id, "T/all"}}
		for code := range strings.FieldsSeq(k.codes) {
			c.Criteria = append(c.Criteria, catalog.CriterionLink{Code: code, Link: "direct"})
		}
		checks = append(checks, check.Summary{Check: c, State: check.StateFail, Counts: check.Counts{Fail: 2}})
		for _, r := range []string{"/1", "/2"} {
			results = append(results, tickmark.Result{Check: k.id, Resource: r, Verdict: tickmark.Fail})
		}
	}
	a := &check.Assessment{
		Checks: checks, Results: check.ResultsOf(checks, results),
		Types:   []check.TypeCount{{Type: "t/ALL", Checks: 4}, {Type: "T/c", Checks: 1}},
		NotRead: []check.SourceNotRead{{Source: "x", Checks: []string{"a", "c"}, Criteria: []string{"A1.2", "C1.1"}}, {Source: "y", Checks: []string{"c"}, Criteria: []string{"C1.1"}}},
	}
	for _, k := range []struct {
		code, category string
		checks         []int
	}{{"CC6.1", "security", []int{0}}, {"A1.2", "availability", []int{0, 1}}, {"C1.1", "confidentiality", []int{2}}, {"P4.1", "privacy", []int{2}}} {
		a.Criteria = append(a.Criteria, check.CriterionSummary{Criterion: &catalog.Criterion{Code: k.code, Category: k.category}, Fail: len(k.checks), Checks: k.checks})
	}
	told := func(a *check.Assessment) string {
		var out []string
		for _, s := range a.Checks {
			out = append(out, s.Check.ID)
			for _, l := range s.Check.Criteria {
				out = append(out, l.Code)
			}
		}
		for _, c := range a.Criteria {
			out = append(out, "|"+c.Criterion.Code)
			for _, i := range c.Checks {
				out = append(out, a.Checks[i].Check.ID)
			}
		}
		for r := range a.Results.All() {
			out = append(out, r.Check+r.Resource)
		}
		for r := range a.Results.Bare() {
			out = append(out, r.Check+r.Resource)
		}
		for _, u := range a.NotRead {
			out = append(out, u.Source, strings.Join(u.Checks, "+"), strings.Join(u.Criteria, "+"))
		}
		for _, c := range a.Types {
			out = append(out, fmt.Sprint(c.Checks))
		}
		return strings.Join(out, " ")
	}
	whole := told(a)
	for _, c := range []struct{ categories, want, left string }{
		{"privacy confidentiality availability processingIntegrity", whole, " 0"},
		{"", "both CC6.1 none |CC6.1 both both/1 both/2 none/1 none/2 both/1 both/2 none/1 none/2 2 0", "A1.2 C1.1 P4.1 a c 4"},
		{"availability", "both CC6.1 A1.2 a A1.2 none |CC6.1 both |A1.2 both a both/1 both/2 a/1 a/2 none/1 none/2 both/1 both/2 a/1 a/2 none/1 none/2 x a A1.2 3 0", "C1.1 P4.1 c 2"},
		{"privacy", "both CC6.1 c P4.1 none |CC6.1 both |P4.1 c both/1 both/2 c/1 c/2 none/1 none/2 both/1 both/2 c/1 c/2 none/1 none/2 x c  y c  3 1", "A1.2 C1.1 a 2"},
	} {
		v := a.Within(strings.Fields(c.categories), "a test")
		if got := told(v); got != c.want {
			t.Errorf("%q:\ngot  %s\nwant %s", c.categories, got, c.want)
		}
		s := v.Scope
		if got := strings.Join(s.Criteria, " ") + strings.Join(append([]string{""}, s.Checks...), " ") + fmt.Sprint(" ", s.Results); got != c.left {
			t.Errorf("%q: left out %s, want %s", c.categories, got, c.left)
		}
		if len(s.Categories)+len(s.NotChosen) != 5 || s.Categories[0] != "security" || a.Scope != nil {
			t.Errorf("%q: in scope %v, not chosen %v", c.categories, s.Categories, s.NotChosen)
		}
	}
	if got := told(a); got != whole {
		t.Errorf("the assessment itself was changed:\n%s\n%s", got, whole)
	}
}
