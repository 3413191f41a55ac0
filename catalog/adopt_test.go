// SPDX-License-Identifier: Apache-2.0

package catalog_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/tickmark/tickmark/catalog"
)

// answers answers every question about roles and systems with its example, and
// every other one with yes.
func answers(l *catalog.Library, yes bool) map[string]bool {
	out := map[string]bool{}
	for _, q := range l.Interview {
		if q.Kind == "yesNo" {
			out[q.ID] = yes
		}
	}
	return out
}

func named(l *catalog.Library, kind string) map[string]string {
	out := map[string]string{}
	for _, q := range l.Interview {
		if q.Kind == kind {
			_, name, _ := strings.Cut(q.ID, ".")
			out[name] = q.Example
		}
	}
	return out
}

// company is an organisation that has answered every question.
func company(l *catalog.Library, yes bool, categories ...string) *catalog.Adoption {
	return &catalog.Adoption{
		Organisation: "Example GmbH", Categories: append([]string{"security"}, categories...), Services: []string{"app-service", "sql-database", "entra-id"},
		Answers: answers(l, yes), Roles: named(l, "role"), Systems: named(l, "system"),
	}
}

func expand(t *testing.T, l *catalog.Library, s *catalog.ControlSet) []*catalog.Control {
	t.Helper()
	list, err := s.Expand(l)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func find(list []*catalog.Control, id string) *catalog.Control {
	i := slices.IndexFunc(list, func(k *catalog.Control) bool { return k.ID == id })
	if i < 0 {
		return nil
	}
	return list[i]
}

func lintSet(t *testing.T, l *catalog.Library, s *catalog.ControlSet) []string {
	t.Helper()
	var out []string
	for _, f := range catalog.Lint(expand(t, l, s), catalog.LintOptions{Categories: s.Categories, NotApplicable: s.NotApplicable, Set: s, Library: l, Criteria: l.Catalog().Criteria}) {
		if f.Serious {
			out = append(out, fmt.Sprintf("%s %s%s: %s", f.Rule, f.Control, f.Criterion, f.What))
		}
	}
	return out
}

// TestInterviewIsShort holds the interview to what one sitting allows, and to
// questions that decide something.
func TestInterviewIsShort(t *testing.T) {
	l := defaultLibrary(t)
	if n := len(l.Interview) + 3; n > 25 {
		t.Errorf("%d questions with name, categories and services, want at most 25", n)
	}
	for i := range l.Interview {
		if l.Decides(&l.Interview[i]) == "" {
			t.Errorf("question %s decides nothing", l.Interview[i].ID)
		}
	}
}

// TestAnswersMakeAWholeSet requires that the interview alone leads to a set
// without open fields and serious findings, for each category and answer; and
// that one answer less leaves fields open.
func TestAnswersMakeAWholeSet(t *testing.T) {
	l := defaultLibrary(t)
	for _, c := range [][]string{nil, {"availability"}, {"processingIntegrity"}, {"confidentiality"}, {"privacy"}, catalog.Categories()[1:]} {
		for _, yes := range []bool{true, false} {
			t.Run(fmt.Sprint(c, yes), func(t *testing.T) {
				set := l.Adopt(company(l, yes, c...), nil)
				for _, f := range l.FieldsOf(set) {
					if f.State == catalog.FieldOpen {
						t.Errorf("%s.%s is open", f.Control, f.Field)
					}
				}
				for _, f := range lintSet(t, l, set) {
					t.Error(f)
				}
				for _, k := range set.Controls {
					if len(k.Fields) > 0 {
						t.Errorf("%s is listed with fields %v that do not differ", k.ID, k.Fields)
					}
				}
			})
		}
	}
	a := company(l, true)
	delete(a.Roles, "security")
	set := l.Adopt(a, nil)
	if f := l.FieldsOf(set)[0]; f.State != catalog.FieldOpen || f.Order != 1 {
		t.Errorf("without an answer about security the first field to fill is %+v", f)
	}
	if len(lintSet(t, l, set)) == 0 {
		t.Error("the lint passes a set with open fields")
	}
}

// TestAdoptLosesNothing requires that every control of the library is either
// adopted or left out with a reason, whatever the answers, and that no field
// is asked for a control that is not adopted.
func TestAdoptLosesNothing(t *testing.T) {
	l := defaultLibrary(t)
	for _, a := range []*catalog.Adoption{
		{Categories: []string{"security"}},
		company(l, true, catalog.Categories()[1:]...),
		{Categories: []string{"security", "privacy"}, Without: map[string]string{l.Controls[0].ID: "we are three people"}},
	} {
		set := l.Adopt(a, nil)
		seen := map[string]int{}
		for _, k := range set.Controls {
			seen[k.ID]++
		}
		for _, x := range set.Left {
			seen[x.ID]++
			if strings.TrimSpace(x.Why) == "" {
				t.Errorf("%s is left out without a reason", x.ID)
			}
			if slices.ContainsFunc(l.FieldsOf(set), func(f catalog.FieldState) bool { return f.Control == x.ID }) {
				t.Errorf("%s is left out, and a field of it is asked for", x.ID)
			}
		}
		for _, k := range l.Controls {
			if seen[k.ID] != 1 {
				t.Errorf("%s occurs %d times", k.ID, seen[k.ID])
			}
		}
		again := reread(t, l, set)
		was, is := expand(t, l, set), expand(t, l, again)
		for i := range was {
			if was[i].ID != is[i].ID || was[i].Statement != is[i].Statement {
				t.Fatalf("%s reads back as %s: %s", was[i].ID, is[i].ID, is[i].Statement)
			}
		}
	}
}

func reread(t *testing.T, l *catalog.Library, set *catalog.ControlSet) *catalog.ControlSet {
	t.Helper()
	b, err := set.YAML(l)
	if err != nil {
		t.Fatal(err)
	}
	again, err := l.ReadControlSet("set.yaml", b)
	if err != nil {
		t.Fatalf("the set cannot be read back: %v\n%s", err, b)
	}
	if lines := catalog.OwnComments(b); len(lines) > 0 {
		t.Errorf("lines %v of our own file count as somebody's comments", lines)
	}
	if second, err := again.YAML(l); err != nil || string(second) != string(b) {
		t.Errorf("written again the set differs (%v)", err)
	}
	return again
}

// TestOpenQuestionsLeaveNothingOut requires that a control is not dropped
// because nobody has answered yet.
func TestOpenQuestionsLeaveNothingOut(t *testing.T) {
	l := defaultLibrary(t)
	a := company(l, true)
	delete(a.Answers, "own-premises")
	has := func() bool { return find(expand(t, l, reread(t, l, l.Adopt(a, nil))), "physical-offices") != nil }
	if !has() {
		t.Error("an open question leaves its control out")
	}
	a.Answers["own-premises"] = false
	if has() {
		t.Error("no is taken for yes")
	}
}

// TestFieldsWin requires that a value for one control outranks one for all,
// and both the default.
func TestFieldsWin(t *testing.T) {
	l := defaultLibrary(t)
	a := company(l, true)
	days := func(set *catalog.ControlSet) *catalog.Control {
		return find(expand(t, l, reread(t, l, set)), "access-azure-owners")
	}
	if k := days(l.Adopt(a, nil)); !strings.Contains(k.Statement, "within 7 days") || k.Instance.Limit.Amount != "7" {
		t.Errorf("default: %s", k.Statement)
	}
	a.Fields = map[string]string{"days": "20"}
	if k := days(l.Adopt(a, nil)); !strings.Contains(k.Statement, "within 20 days") || !strings.Contains(k.Instance.Tolerance, "20 days") {
		t.Errorf("for all: %s", k.Statement)
	}
	a.Fields["access-azure-owners.days"] = "3"
	if k := days(l.Adopt(a, nil)); !strings.Contains(k.Statement, "within 3 days") {
		t.Errorf("for one: %s", k.Statement)
	}
	set := l.Adopt(a, nil)
	own := set.Controls[slices.IndexFunc(set.Controls, func(k *catalog.OwnControl) bool { return k.ID == "access-azure-owners" })]
	own.Fields = map[string]string{"days": "2"}
	if k := days(set); !strings.Contains(k.Statement, "within 2 days") || k.Instance.Limit.Amount != "2" {
		t.Errorf("in the control: %s", k.Statement)
	}
}

// TestReadoptKeepsEdits changes answers of a set that the organisation has
// edited: nothing it wrote is lost, and every difference has its reason.
func TestReadoptKeepsEdits(t *testing.T) {
	l := defaultLibrary(t)
	text := `
organisation: Example GmbH
categories: [security]
services: []
answers: {own-premises: true, own-endpoints: true, contractors: false, emergency-changes: true, removable-media: false}
roles: {security: CISO, platform: CTO, management: CEO, compliance: Lead, engineering: VP, people: HR, legal: Counsel, customers: Support}
systems: {tickets: Jira, code: GitHub, documents: Notion, people: Personio, alerts: Opsgenie}
controls:
  - id: physical-offices
    note: the badge system is being replaced
    fields: {locations: Berlin}
  - id: access-leavers
    statement: The {owner} disables the account of a leaver in Entra ID within {deadline} and notes it in the leaver ticket.
  - id: our-own
    name: Ours
    statement: The Head of Security reads the visitor book every month and files what is odd under the month in Notion.
    criteria: [{code: CC6.4, link: supporting}]
    categories: [security]
    frequency: monthly
    instance: {unit: one month}
    evidence: [{what: note, type: record, source: Notion, cadence: monthly, accept: dated, reject: undated}]
    population: {of: months, source: calendar, complete: twelve a year}
`
	first, err := l.ReadControlSet("set.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	before := reread(t, l, l.Adopt(&first.Adoption, first))
	k := find(expand(t, l, before), "access-leavers")
	if !strings.HasPrefix(k.Statement, "The CTO disables") || len(k.Design) == 0 {
		t.Errorf("the rewording or the rest of the library's control is lost: %+v", k)
	}
	if find(expand(t, l, before), "our-own") == nil {
		t.Fatal("the organisation's own control is lost")
	}
	a := before.Adoption
	a.Answers = maps.Clone(a.Answers)
	a.Answers["own-premises"], a.Answers["contractors"] = false, true
	a.Roles = maps.Clone(a.Roles)
	a.Roles["legal"] = "Chief Legal Officer"
	after := reread(t, l, l.Adopt(&a, before))
	changes, err := l.Changes(before, after)
	if err != nil {
		t.Fatal(err)
	}
	what := map[string]string{}
	for _, c := range changes {
		what[c.Control] = c.What
		if c.Why == "" {
			t.Errorf("%s %s without a reason", c.Control, c.What)
		}
	}
	if what["physical-offices"] != "dropped" || what["access-contractors"] != "added" || what["communication-commitments"] != "changed" || what["access-mfa"] != "" {
		t.Errorf("changes are %v", changes)
	}
	a.Answers["own-premises"] = true
	back := reread(t, l, l.Adopt(&a, after))
	i := slices.IndexFunc(back.Controls, func(k *catalog.OwnControl) bool { return k.ID == "physical-offices" })
	if i < 0 || back.Controls[i].Fields["locations"] != "Berlin" || back.Controls[i].Note == "" || len(back.Kept) != 0 {
		t.Error("the edits of a control that came back are lost")
	}
	if find(expand(t, l, back), "our-own") == nil || !strings.HasPrefix(find(expand(t, l, back), "access-leavers").Statement, "The CTO disables") {
		t.Error("an edit is lost")
	}
}

// TestSamePerson requires that a control whose owner approves the own work is
// found, and that the library's proposals for different roles are not.
func TestSamePerson(t *testing.T) {
	l := defaultLibrary(t)
	a := company(l, true, catalog.Categories()[1:]...)
	if f := l.Adopt(a, nil).SamePerson(l); len(f) > 0 {
		t.Errorf("eight roles, and yet: %+v", f)
	}
	a.Roles["platform"] = a.Roles["security"]
	if f := l.Adopt(a, nil).SamePerson(l); !slices.ContainsFunc(f, func(f catalog.Finding) bool { return f.Control == "access-azure-owners" }) {
		t.Errorf("one person for security and platform: %+v", f)
	}
}

// TestOwnComments requires that a comment of the organisation is seen, so that
// it is not written over.
func TestOwnComments(t *testing.T) {
	l := defaultLibrary(t)
	a := company(l, true)
	delete(a.Roles, "security")
	b, err := l.Adopt(a, nil).YAML(l)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(b), "controls:\n", "controls:\n  # talk to Anna\n", 1)
	text = strings.Replace(text, "  - id: access-mfa\n", "  - id: access-mfa # ask Ben\n", 1)
	text = strings.Replace(text, "security: \"\"\n", "security: \"\" # Carla from May\n", 1)
	if lines := catalog.OwnComments([]byte(text)); len(lines) != 3 {
		t.Errorf("comments in lines %v, want three", lines)
	}
}

// TestReadControlSetRefuses gives it one fault at a time; the error says where.
func TestReadControlSetRefuses(t *testing.T) {
	l := defaultLibrary(t)
	const head = "organisation: X\ncategories: [security]\n"
	for name, c := range map[string][2]string{
		"no security":      {"organisation: X\ncategories: [privacy]\n", "set.yaml:2:"},
		"unknown category": {"categories: [security, safety]\n", "set.yaml:1:"},
		"unknown question": {head + "answers: {hovercraft: true}\n", "set.yaml:3:"},
		"role as answer":   {head + "answers: {roles.security: true}\n", "set.yaml:3:"},
		"unknown role":     {head + "roles: {butler: James}\n", "set.yaml:3:"},
		"unknown service":  {head + "services: [abacus]\n", "set.yaml:3:"},
		"unknown without":  {head + "without: {no-such: why}\n", "set.yaml:3:"},
		"unknown member":   {head + "controls:\n  - id: access-mfa\n    stetement: x\n", "set.yaml:5:"},
		"id twice":         {head + "controls:\n  - id: access-mfa\n  - id: access-mfa\n", "set.yaml:5:"},
		"not a mapping":    {head + "controls: [access-mfa]\n", "set.yaml:3:"},
	} {
		if _, err := l.ReadControlSet("set.yaml", []byte(c[0])); err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: %v, want a place %s", name, err, c[1])
		}
	}
	set, err := l.ReadControlSet("set.yaml", []byte(head+"controls:\n  - id: gone-control\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := set.Expand(l); err == nil || !strings.Contains(err.Error(), "set.yaml:4") {
		t.Errorf("an id without a statement: %v", err)
	}
}

// TestLintOfFilledSet requires that a set whose fields are filled in is not
// blamed for lacking an actor, and that one rewritten without an actor is.
func TestLintOfFilledSet(t *testing.T) {
	l := defaultLibrary(t)
	list := expand(t, l, l.Adopt(company(l, true), nil))
	blamed := func() bool {
		return slices.ContainsFunc(catalog.Lint(list, catalog.LintOptions{Categories: []string{"security"}, Library: l, Criteria: l.Catalog().Criteria}),
			func(f catalog.Finding) bool { return f.Rule == "no-actor" })
	}
	if blamed() {
		t.Error("a filled statement is said to name nobody")
	}
	list[0].Statement = "Whatever is no longer needed is taken away each year and a note of it is written down in a list somewhere."
	if !blamed() {
		t.Error("a statement that names nobody is not found")
	}
}

// TestLintTolerance gives the lint a limit that its words contradict.
func TestLintTolerance(t *testing.T) {
	for name, c := range map[string]struct {
		statement, tolerance string
		limit                catalog.Limit
		want                 bool
	}{
		"agrees":               {"closed within ten business days", "within 10 business days", catalog.Limit{Amount: "10", Unit: "businessDays"}, false},
		"text amount":          {"gone within one business day", "within one business day", catalog.Limit{Amount: "one business day", Unit: "businessDays"}, false},
		"a year":               {"once a year", "within 12 months", catalog.Limit{Amount: "365", Unit: "days"}, false},
		"field open":           {"within {days} days", "within {days} days", catalog.Limit{Amount: "{days}", Unit: "days"}, false},
		"working day as day":   {"gone within 10 working days", "within 10 days", catalog.Limit{Amount: "10", Unit: "days"}, true},
		"tolerance counts so":  {"gone within 10 days", "within 10 business days", catalog.Limit{Amount: "10", Unit: "days"}, true},
		"other number":         {"gone within 14 days", "within 14 days", catalog.Limit{Amount: "7", Unit: "days"}, true},
		"hours for days":       {"told within 72 hours", "within 72 hours", catalog.Limit{Amount: "3", Unit: "days"}, true},
		"unit of other amount": {"gone in time", "within one business day", catalog.Limit{Amount: "one business day", Unit: "days"}, true},
	} {
		k := &catalog.Control{ID: "x", Statement: c.statement, Instance: catalog.Instance{Unit: "one", Tolerance: c.tolerance, Limit: &c.limit}}
		if got := slices.ContainsFunc(catalog.Lint([]*catalog.Control{k}, catalog.LintOptions{}), func(f catalog.Finding) bool { return f.Rule == "tolerance" && f.Serious }); got != c.want {
			t.Errorf("%s: found %t, want %t", name, got, c.want)
		}
	}
}
