// SPDX-License-Identifier: Apache-2.0

package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tickmark/tickmark/catalog"
)

// TestLintUncovered removes, one criterion at a time, every control with a
// direct link: what supports it, or relies on a provider in a neighbouring
// area, is no answer.
func TestLintUncovered(t *testing.T) {
	l := defaultLibrary(t)
	set := l.Adopt(company(l, true, "availability"), nil)
	whole := expand(t, l, set)
	o := catalog.LintOptions{Categories: set.Categories, NotApplicable: set.NotApplicable, Set: set, Library: l, Criteria: l.Catalog().Criteria}
	uncovered := func(list []*catalog.Control, code string) bool {
		return slices.ContainsFunc(catalog.Lint(list, o), func(f catalog.Finding) bool { return f.Rule == "uncovered" && f.Criterion == code && f.Serious })
	}
	codes := 0
	for _, c := range l.Catalog().Criteria {
		if !slices.Contains(set.Categories, c.Category) {
			continue
		}
		codes++
		if !slices.ContainsFunc(whole, func(k *catalog.Control) bool {
			return slices.Contains(k.Criteria, catalog.CriterionLink{Code: c.Code, Link: "direct"})
		}) {
			t.Errorf("%s has no direct control in the whole set", c.Code)
		}
		without := slices.DeleteFunc(slices.Clone(whole), func(k *catalog.Control) bool {
			return slices.Contains(k.Criteria, catalog.CriterionLink{Code: c.Code, Link: "direct"})
		})
		if !uncovered(without, c.Code) {
			t.Errorf("%s: nobody notices that its direct controls are gone", c.Code)
		}
	}
	if codes != 36 {
		t.Errorf("%d criteria of Security and Availability, want 36", codes)
	}
	unwatched := slices.DeleteFunc(slices.Clone(whole), func(k *catalog.Control) bool { return k.Monitors != "" })
	if !slices.ContainsFunc(catalog.Lint(unwatched, o), func(f catalog.Finding) bool { return f.Rule == "unmonitored" }) {
		t.Error("nobody notices that the provider is relied on and not monitored")
	}
}

// TestLintOwnValues gives a set that has no serious finding one fault at a
// time, as a file.
func TestLintOwnValues(t *testing.T) {
	l := defaultLibrary(t)
	set := l.Adopt(company(l, true, "availability"), nil)
	b, err := set.YAML(l)
	if err != nil {
		t.Fatal(err)
	}
	sound := string(b)
	// What stands below a control of the set.
	under := func(id, text string) string {
		return strings.Replace(sound, "  - id: "+id+"\n", "  - id: "+id+"\n    "+strings.ReplaceAll(text, "\n", "\n    ")+"\n", 1)
	}
	roles := func(value string) string {
		text := sound
		for _, q := range l.Interview {
			if q.Kind == "role" {
				text = strings.Replace(text, ": "+q.Example+"\n", ": "+value+"\n", 1)
			}
		}
		return text
	}
	own := `  - id: own-control
    statement: "Each month the Head of Security compares the list of suppliers with the invoices and removes what is no longer used."
    frequency: monthly
    nature: manual
    type: detective
    categories: [security]
    criteria: [{code: P5.1, link: direct}]
    instance: {unit: one month}
    population: {of: months, source: calendar, complete: each month has one}
    evidence: [{what: list, type: record, source: ticket, cadence: monthly, accept: all, reject: none}]
    designTest: [{method: inspection, step: read it}]
    operatingTest: [{method: inspection, step: read them}]
    deviations: [not done]
`
	for _, c := range []struct{ name, text, rule, what string }{
		{"nothing", sound, "", ""},
		{"frequency", under("access-leavers", "frequency: fortnightly"), "invalid", `frequency "fortnightly"`},
		{"check", under("access-leavers", "checks: [{id: nope, role: operates}]"), "invalid", `check "nope" does not exist`},
		{"service", under("access-leavers", "services: [nope]"), "invalid", `service "nope"`},
		{"design test", under("access-leavers", "designTest: []"), "invalid", "designTest: at least one"},
		{"inquiry alone", under("access-leavers", "operatingTest: [{method: inquiry, step: ask the owner}]"), "invalid", "inquiry alone"},
		{"evidence", under("access-leavers", "evidence: [{what: x, type: hearsay, source: y, cadence: annual, accept: a, reject: b}]"), "invalid", "hearsay"},
		{"other category", strings.Replace(sound, "controls:\n", "controls:\n"+own, 1), "no-criterion", "chosen categories"},
		{"owner TBD", under("access-leavers", "fields: {owner: TBD}"), "placeholder", `owner says "TBD"`},
		{"owner in brackets", under("access-leavers", "fields: {owner: '<name>'}"), "placeholder", "owner"},
		{"owner is a number", under("access-leavers", "fields: {owner: '5'}"), "mistyped", "a person or role"},
		{"roles TBD", roles("TBD"), "placeholder", "TBD"},
		{"nobody acts", under("access-leavers", `statement: "Each month  computes the list of everybody who left and closes each account within one day of the last working day."`), "no-actor", ""},
		{"everybody is the same", roles("the Head of Engineering"), "same-person", "who does the work approves it"},
		{"one answer for every field", strings.Replace(sound, "catalog:", "fields:\n"+everyField(l, "the Head of Engineering")+"catalog:", 1), "mistyped", "a number"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := l.ReadControlSet("set.yaml", []byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if c.rule != "" && c.text == sound {
				t.Fatal("the fault was not put in")
			}
			found := lintSet(t, l, s)
			if c.rule == "" {
				if len(found) > 0 {
					t.Error(found)
				}
				return
			}
			if !slices.ContainsFunc(found, func(f string) bool { return strings.HasPrefix(f, c.rule+" ") && strings.Contains(f, c.what) }) {
				t.Errorf("no finding %s %q; got %s", c.rule, c.what, strings.Join(found[:min(5, len(found))], "\n"))
			}
		})
	}
}

// everyField answers each field of the library with one value.
func everyField(l *catalog.Library, value string) string {
	seen := map[string]bool{}
	var b strings.Builder
	for _, k := range l.Controls {
		for _, f := range k.Fields {
			if !seen[f.Name] {
				seen[f.Name] = true
				b.WriteString("  " + f.Name + ": " + value + "\n")
			}
		}
	}
	return b.String()
}
