// SPDX-License-Identifier: Apache-2.0

package report

import (
	"slices"
	"strings"

	"github.com/tickmark/tickmark/check"
)

// categoryCodes are the beginnings of the codes of each category, as the map of
// the criteria shows them, and its name as people write it.
var categoryCodes = []struct{ name, code, word string }{
	{"security", "CC", "security"},
	{"availability", "A", "availability"},
	{"processingIntegrity", "PI", "processing integrity"},
	{"confidentiality", "C", "confidentiality"},
	{"privacy", "P", "privacy"},
}

// categoriesText names categories, each by its word, by its code, or by both.
func categoriesText(names []string, code, word bool) string {
	var out []string
	for _, c := range categoryCodes {
		if !slices.Contains(names, c.name) {
			continue
		}
		var parts []string
		if code {
			parts = append(parts, c.code)
		}
		if word {
			parts = append(parts, c.word)
		}
		out = append(out, strings.Join(parts, " "))
	}
	return strings.Join(out, ", ")
}

// scopeText says which categories a report is about, who chose them, and what
// that leaves out; "" where it is about all because nobody chose.
func scopeText(s *check.Scope) string {
	if s == nil {
		return ""
	}
	text := categoriesText(s.Categories, false, true) + ", by " + visible(s.By)
	if len(s.NotChosen) == 0 {
		return text + "; all five categories"
	}
	return text + ". Not chosen: " + categoriesText(s.NotChosen, false, true) + ", which leaves out " + leftOutOf(s) + "; what is recorded is whole"
}

// leftOutOf counts what a choice of categories leaves out of a report.
func leftOutOf(s *check.Scope) string {
	return plural(len(s.Criteria), "criterion", "criteria") + ", " +
		plural(len(s.Checks), "check that bears on them alone", "checks that bear on them alone") + " and " +
		plural(s.Results, "result", "results")
}

// scope is the line of the summary that says which categories it is about.
func (p *printer) scope(s *check.Scope) (lines int) {
	if s == nil || len(s.NotChosen) == 0 {
		return 0
	}
	text := categoriesText(s.Categories, false, true)
	if s.By != "--categories" { // who typed it knows
		text += ", by " + visible(s.By)
	}
	text += "; not chosen: " + categoriesText(s.NotChosen, true, false) + " (" +
		plural(len(s.Criteria), "criterion", "criteria") + ", " + plural(len(s.Checks), "check", "checks") + ")"
	name := "scope"
	for _, l := range wrapped(text, p.width-9) {
		p.line("", plain("%s", pad(name, 9)), quiet("%s", l))
		name = ""
		lines++
	}
	return lines
}

// leftOutHere explains a criterion or check that is not in this view because
// its category was not chosen.
func leftOutHere(s *check.Scope, what, id string) error {
	if s == nil {
		return nil
	}
	list := s.Criteria
	if what == "check" {
		list = s.Checks
	}
	if !slices.ContainsFunc(list, func(x string) bool { return strings.EqualFold(x, id) }) {
		return nil
	}
	return usage("--show "+what+" "+visible(id)+": not in scope, which is "+categoriesText(s.Categories, false, true)+" by "+visible(s.By),
		"choose its category, too: --categories "+strings.Join(append(slices.Clone(s.Categories), "…"), ","))
}
