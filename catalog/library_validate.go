// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// The words that a control may use.
var (
	categories   = []string{"security", "availability", "processingIntegrity", "confidentiality", "privacy"}
	natures      = []string{"automated", "itDependentManual", "manual"}
	controlTypes = []string{"preventive", "detective", "corrective"}
	frequencies  = []string{"continuous", "daily", "weekly", "monthly", "quarterly", "semiannual", "annual", "event"}
	roles        = []string{"operates", "population", "indicator"}
	evidenceOf   = []string{"record", "configuration", "document", "ticket", "log", "approval", "screenshot"}
	methods      = []string{"inspection", "observation", "reperformance", "inquiry"}
	checklistID  = regexp.MustCompile(`^(implementation-([1-9]|1[0-2])|readiness-([1-9]|1[01]))$`)
	placeholder  = regexp.MustCompile(`\{([A-Za-z][A-Za-z0-9]*)\}`)
	subservice   = []string{"microsoft"}
	longestOrder = 5
)

// Categories lists the five categories in the order of the criteria.
func Categories() []string { return slices.Clone(categories) }

// validateControl returns what is wrong with one control.
func (l *Library) validateControl(d *controlDocument) []error {
	k := &d.control
	var problems []error
	bad := func(key, format string, args ...any) {
		problems = append(problems, d.problem(key, 0, format, args...))
	}
	if family := path.Base(path.Dir(d.file.name)); k.Family != family {
		bad("family", "family %q, but the file is in folder %q", k.Family, family)
	}
	if want := strings.TrimSuffix(path.Base(d.file.name), ".yaml"); k.ID != want || !idForm.MatchString(k.ID) {
		bad("id", "id %q: want the file's name %q, of lower-case letters, digits and hyphens", k.ID, want)
	}
	if first := l.controlByID[k.ID]; first != nil {
		bad("id", "id %q is taken by %s", k.ID, first.File)
	}
	problems = append(problems, l.validateContent(d)...)
	return append(problems, validateFields(d)...)
}

// validateContent checks what a control says, wherever it stands: in the
// library or in an organisation's set.
func (l *Library) validateContent(d *controlDocument) []error {
	k := &d.control
	var problems []error
	bad := func(key, format string, args ...any) {
		problems = append(problems, d.problem(key, 0, format, args...))
	}
	for _, t := range []struct{ key, value string }{
		{"name", k.Name},
		{"statement", k.Statement},
		{"objective", k.Objective},
		{"instance", k.Instance.Unit},
		{"population", k.Population.Of},
		{"population", k.Population.Source},
		{"population", k.Population.Complete},
	} {
		if strings.TrimSpace(t.value) == "" {
			bad(t.key, "%s is missing or has an empty member", t.key)
		}
	}
	for _, w := range []struct {
		key, value string
		of         []string
	}{{"nature", k.Nature, natures}, {"type", k.Kind, controlTypes}, {"frequency", k.Frequency, frequencies}} {
		if !slices.Contains(w.of, w.value) {
			bad(w.key, "%s %q: want one of %v", w.key, w.value, w.of)
		}
	}
	if k.Order < 1 || k.Order > longestOrder {
		bad("order", "order %d: want 1 (first) to %d", k.Order, longestOrder)
	}
	if k.Nature == "automated" && len(k.Configuration) == 0 {
		bad("configuration", "an automated control names the configuration that it consists of")
	}
	if k.Monitors != "" && !slices.Contains(subservice, k.Monitors) {
		bad("monitors", "monitors %q: want one of %v", k.Monitors, subservice)
	}
	problems = append(problems, l.validateLinks(d)...)
	return append(problems, validateProof(d)...)
}

// validateLinks checks what a control refers to.
func (l *Library) validateLinks(d *controlDocument) []error {
	k := &d.control
	var problems []error
	bad := func(key string, i int, format string, args ...any) {
		problems = append(problems, d.problem(key, i, format, args...))
	}
	if len(k.Criteria) == 0 {
		bad("criteria", 0, "criteria: at least one is needed")
	}
	seen := map[string]bool{}
	for i, c := range k.Criteria {
		cr := l.catalog.Criterion(c.Code)
		switch {
		case cr == nil:
			bad("criteria", i, "criterion %q does not exist", c.Code)
		case c.Link == "direct" && !slices.Contains(k.Categories, cr.Category):
			bad("criteria", i, "criterion %s is of category %s, for which the control is not adopted: the link can only support", c.Code, cr.Category)
		}
		if !slices.Contains(links, c.Link) {
			bad("criteria", i, "link %q: want direct or supporting", c.Link)
		}
		if seen[c.Code] {
			bad("criteria", i, "criterion %s is listed twice", c.Code)
		}
		seen[c.Code] = true
	}
	for i, c := range k.Categories {
		if !slices.Contains(categories, c) {
			bad("categories", i, "category %q: want one of %v", c, categories)
		}
	}
	for i, c := range k.Checks {
		if l.catalog.Check(c.ID) == nil {
			bad("checks", i, "check %q does not exist", c.ID)
		}
		if !slices.Contains(roles, c.Role) {
			bad("checks", i, "role %q: want one of %v", c.Role, roles)
		}
	}
	if (len(k.Checks) == 0) != (strings.TrimSpace(k.Unchecked) != "") {
		bad("checks", 0, "either checks are linked or unchecked says why not")
	}
	for i, s := range k.Services {
		if !idForm.MatchString(s) {
			bad("services", i, "service %q: want an id of lower-case letters, digits and hyphens", s)
		}
	}
	for i, c := range k.Checklists {
		if !checklistID.MatchString(c) {
			bad("checklists", i, "checklist item %q: want implementation-1 to -12 or readiness-1 to -11", c)
		}
	}
	for i, r := range k.References {
		if !isHTTPS(r) {
			bad("references", i, "reference %q is not an https address", r)
		}
	}
	return problems
}

// validateFields holds the braces of the texts to the fields.
func validateFields(d *controlDocument) []error {
	k := &d.control
	var problems []error
	declared := map[string]bool{}
	for i, f := range k.Fields {
		if f.Name == "" || f.Ask == "" || f.Example == "" || declared[f.Name] {
			problems = append(problems, d.problem("fields", i, "field %q: want a name of its own, a question and an example", f.Name))
		}
		declared[f.Name] = true
	}
	for _, m := range placeholder.FindAllStringSubmatch(k.Instance.Tolerance, -1) {
		if !declared[m[1]] {
			problems = append(problems, d.problem("instance", 0, "{%s} is not among the fields", m[1]))
		}
	}
	if l := k.Instance.Limit; l != nil {
		m := placeholder.FindStringSubmatch(l.Amount)
		if _, number := l.Number(); !number && (m == nil || !declared[m[1]]) || !slices.Contains(limitUnits, l.Unit) {
			problems = append(problems, d.problem("instance", 0, "limit of %q %q: want a number or a field in braces, and one of %v", l.Amount, l.Unit, limitUnits))
		}
	}
	used := map[string]bool{}
	for _, m := range placeholder.FindAllStringSubmatch(k.Statement, -1) {
		used[m[1]] = true
		if !declared[m[1]] {
			problems = append(problems, d.problem("statement", 0, "{%s} is not among the fields", m[1]))
		}
	}
	for i, f := range k.Fields {
		if !used[f.Name] {
			problems = append(problems, d.problem("fields", i, "field %q does not occur in the statement", f.Name))
		}
	}
	return problems
}

// validateProof checks evidence, tests and deviations.
func validateProof(d *controlDocument) []error {
	k := &d.control
	var problems []error
	bad := func(key string, i int, format string, args ...any) {
		problems = append(problems, d.problem(key, i, format, args...))
	}
	if len(k.Evidence) == 0 {
		bad("evidence", 0, "evidence: at least one is needed")
	}
	for i, e := range k.Evidence {
		if e.What == "" || e.Source == "" || e.Accept == "" || e.Reject == "" {
			bad("evidence", i, "evidence: what, source, accept and reject are all needed")
		}
		if !slices.Contains(evidenceOf, e.Type) || !slices.Contains(frequencies, e.Cadence) {
			bad("evidence", i, "evidence: type %q (want one of %v), cadence %q (want one of %v)", e.Type, evidenceOf, e.Cadence, frequencies)
		}
	}
	for _, t := range []struct {
		key   string
		steps []TestStep
	}{{"designTest", k.Design}, {"operatingTest", k.Operating}} {
		if len(t.steps) == 0 {
			bad(t.key, 0, "%s: at least one step is needed", t.key)
			continue
		}
		alone := true
		for i, s := range t.steps {
			if !slices.Contains(methods, s.Method) || strings.TrimSpace(s.Step) == "" {
				bad(t.key, i, "%s: method %q: want one of %v, and a step", t.key, s.Method, methods)
			}
			alone = alone && s.Method == "inquiry"
		}
		if alone {
			bad(t.key, 0, "%s: inquiry alone proves nothing; add inspection, observation or re-performance", t.key)
		}
	}
	for _, t := range []struct {
		key  string
		list []string
	}{{"deviations", k.Deviations}, {"pitfalls", k.Pitfalls}, {"steps", k.Steps}} {
		if len(t.list) == 0 {
			bad(t.key, 0, "%s: at least one is needed", t.key)
		}
	}
	return problems
}
