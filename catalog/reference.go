// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Reference is what the library says of providers, services and words.
type Reference struct {
	// Areas are the areas of control, in the order of the matrix's rows.
	Areas    []Area
	Services []Service // ordered by product, then id
	Profiles []Profile
	Scope    []ReportScope
	Reports  []ReportProfile
	// ServiceLevels and Certifications are what providers promise and show.
	ServiceLevels  []ServiceLevel
	Certifications []Certification
	Glossary       []Term
	// Explanations are our own words on the criteria.
	Explanations []Explanation
	// Interview are the questions of an adoption.
	Interview []Question
	// Frameworks are those of the crosswalk, Crosswalk its assertions ordered
	// by framework, version, criterion and control.
	Frameworks []Framework
	Crosswalk  []Assertion
}

// Explanation is our own words on a criterion: the criterion's text belongs to
// its publisher and is not here.
type Explanation struct {
	Code string `yaml:"code" json:"code"`
	// Looks says what an auditor looks for, Azure how it shows on Azure.
	Looks string `yaml:"looks" json:"auditorLooksFor"`
	Azure string `yaml:"azure" json:"onAzure"`
}

// Explanation returns our words on a criterion; empty ones if there are none.
func (l *Library) Explanation(code string) Explanation {
	i := slices.IndexFunc(l.Explanations, func(e Explanation) bool { return e.Code == code })
	if i < 0 {
		return Explanation{Code: code}
	}
	return l.Explanations[i]
}

// Framework is a standard that the crosswalk leads to. Only its codes are kept.
type Framework struct {
	ID       string   `yaml:"id" json:"id"` // as in --to
	Name     string   `yaml:"name" json:"name"`
	Versions []string `yaml:"versions" json:"versions"` // the first is the default
	// Sources describe the lists that assertions come from.
	Note string `yaml:"note,omitempty" json:"note,omitempty"`
	// Codes are by version all codes that links should be sought for, as ranges:
	// A.5.1-37. Absent where nobody counted them here.
	Codes map[string]string `yaml:"codes,omitempty" json:"codes,omitempty"`
}

// Unlinked lists the codes of a version to which no assertion leads, and how
// many codes there are; 0 where they are not known.
func (l *Library) Unlinked(f *Framework, version string) (missing []string, all int) {
	linked := map[string]bool{}
	for i := range l.Crosswalk {
		if a := &l.Crosswalk[i]; a.Framework == f.ID && a.Version == version {
			linked[a.Control] = true
		}
	}
	for part := range strings.FieldsSeq(f.Codes[version]) {
		first, last, _ := strings.Cut(part, "-")
		dot := strings.LastIndexByte(first, '.')
		from, err1 := strconv.Atoi(first[dot+1:])
		to, err2 := strconv.Atoi(last)
		if err1 != nil || err2 != nil || dot < 0 {
			continue // validate says it
		}
		for n := from; n <= to; n++ {
			all++
			if code := first[:dot+1] + strconv.Itoa(n); !linked[code] {
				missing = append(missing, code)
			}
		}
	}
	return missing, all
}

// CrosswalkSource is a list of links that somebody published.
type CrosswalkSource struct {
	ID      string `yaml:"id" json:"id"`
	Name    string `yaml:"name" json:"name"`
	Licence string `yaml:"licence" json:"licence"`
	// Method says how the list came to be: published, or derived and how.
	Method string `yaml:"method" json:"method"`
	URL    string `yaml:"url" json:"url"`
	// Root names the list that a derived one comes from, so that two derived
	// from one are not counted as independent.
	Root string `yaml:"root,omitempty" json:"root,omitempty"`
}

// Service returns the service with this id, or nil.
func (l *Library) Service(id string) *Service {
	for i := range l.Services {
		if l.Services[i].ID == id {
			return &l.Services[i]
		}
	}
	return nil
}

// ServicesNamed finds the services that are called name now or were before,
// without regard to case.
func (l *Library) ServicesNamed(name string) []*Service {
	var out []*Service
	for i := range l.Services {
		s := &l.Services[i]
		if strings.EqualFold(s.Name, name) || strings.EqualFold(s.ID, name) ||
			slices.ContainsFunc(s.Former, func(f FormerName) bool { return strings.EqualFold(f.Name, name) }) {
			out = append(out, s)
		}
	}
	return out
}

// ServicesOf finds the services that resources of a type belong to: those that
// name the type itself, else those that name its nearest parent, else its
// provider.
func (l *Library) ServicesOf(typ string) []*Service {
	for low := strings.ToLower(typ); low != ""; {
		if out := l.servicesByType[low]; len(out) > 0 {
			return out
		}
		cut := strings.LastIndexByte(low, '/')
		if cut < 0 {
			return nil
		}
		if low[cut:] == "/*" {
			return nil
		}
		if low = low[:cut]; !strings.Contains(low, "/") {
			low += "/*"
		}
	}
	return nil
}

// Cell returns how the work of an area is divided for a service.
func (l *Library) Cell(s *Service, area string) Cell {
	if c, ok := s.Cells[area]; ok {
		return c
	}
	for i := range l.Profiles {
		if l.Profiles[i].ID == s.Profile {
			return l.Profiles[i].Cells[area]
		}
	}
	return Cell{}
}

// Strength is the number of independent sources of an assertion.
func (l *Library) Strength(a *Assertion) int {
	roots := map[string]bool{}
	for _, s := range a.Sources {
		if s == OwnSource {
			continue
		}
		root := s
		if x, ok := l.crosswalkSources[s]; ok && x.Root != "" {
			root = x.Root
		}
		roots[root] = true
	}
	return len(roots)
}

// CrosswalkSources lists the sources of the crosswalk by id.
func (l *Library) CrosswalkSources() []CrosswalkSource {
	return slices.SortedFunc(maps.Values(l.crosswalkSources), func(a, b CrosswalkSource) int { return strings.Compare(a.ID, b.ID) })
}

// readReference reads one file of the reference data, if it is one.
func (l *Library) readReference(f file) []error {
	if f.name == "crosswalk.txt" {
		return l.readCrosswalk(f)
	}
	m, err := parseYAML(f)
	if err != nil {
		return []error{err}
	}
	var body struct {
		Areas      []Area            `yaml:"areas"`
		Profiles   []Profile         `yaml:"profiles"`
		Services   []Service         `yaml:"services"`
		Scope      []ReportScope     `yaml:"scope"`
		Reports    []ReportProfile   `yaml:"reports"`
		Glossary   []Term            `yaml:"glossary"`
		Interview  []Question        `yaml:"interview"`
		Explained  []Explanation     `yaml:"explanations"`
		Frameworks []Framework       `yaml:"frameworks"`
		Sources    []CrosswalkSource `yaml:"sources"`
		Levels     []ServiceLevel    `yaml:"serviceLevels"`
		Certified  []Certification   `yaml:"certifications"`
	}
	if err := decode(f, m, &body); err != nil {
		return []error{err}
	}
	l.Areas = append(l.Areas, body.Areas...)
	l.Profiles = append(l.Profiles, body.Profiles...)
	l.Services = append(l.Services, body.Services...)
	l.Scope = append(l.Scope, body.Scope...)
	l.Reports = append(l.Reports, body.Reports...)
	l.ServiceLevels = append(l.ServiceLevels, body.Levels...)
	l.Certifications = append(l.Certifications, body.Certified...)
	l.Glossary = append(l.Glossary, body.Glossary...)
	l.Interview = append(l.Interview, body.Interview...)
	l.Explanations = append(l.Explanations, body.Explained...)
	l.Frameworks = append(l.Frameworks, body.Frameworks...)
	for _, s := range body.Sources {
		l.crosswalkSources[s.ID] = s
	}
	for key, list := range map[string]int{
		"areas": len(body.Areas), "profiles": len(body.Profiles), "services": len(body.Services), "scope": len(body.Scope),
		"reports": len(body.Reports), "glossary": len(body.Glossary), "interview": len(body.Interview),
		"frameworks": len(body.Frameworks), "sources": len(body.Sources), "explanations": len(body.Explained),
		"serviceLevels": len(body.Levels), "certifications": len(body.Certified),
	} {
		for i := range list {
			name := fmt.Sprint(i)
			switch key {
			case "areas":
				name = body.Areas[i].ID
			case "profiles":
				name = body.Profiles[i].ID
			case "services":
				name = body.Services[i].ID
			case "reports":
				name = body.Reports[i].ID
			case "glossary":
				name = body.Glossary[i].Term
			case "explanations":
				name = body.Explained[i].Code
			}
			l.places[key+"/"+name] = place{f.name, child(m, key), i}
		}
	}
	return nil
}

// place is where an entry stands, for messages.
type place struct {
	file string
	list ast.Node
	i    int
}

func (l *Library) at(key, format string, args ...any) error {
	p, ok := l.places[key]
	if !ok {
		return problem(key, nil, fmt.Sprintf(format, args...), "")
	}
	return problem(p.file, tokenOf(element(p.list, p.i)), fmt.Sprintf(format, args...), "")
}

// readCrosswalk reads lines "FRAMEWORK VERSION CRITERION CONTROL SOURCE[,…]",
// tab-separated, sorted.
func (l *Library) readCrosswalk(f file) []error {
	var problems []error
	last := ""
	for i, line := range bytes.Split(bytes.TrimSuffix(f.data, []byte("\n")), []byte("\n")) {
		text := string(line)
		if strings.HasPrefix(text, "#") || text == "" {
			continue
		}
		cells := strings.Split(text, "\t")
		if len(cells) != 5 || text <= last {
			problems = append(problems, lineProblem(f.name, i+1, "want five cells between tabs, in the order of the lines"))
			continue
		}
		last = text
		if l.catalog.Criterion(cells[2]) == nil {
			problems = append(problems, lineProblem(f.name, i+1, fmt.Sprintf("criterion %q does not exist", cells[2])))
		}
		l.Crosswalk = append(l.Crosswalk, Assertion{Framework: cells[0], Version: cells[1], Criterion: cells[2], Control: cells[3], Sources: strings.Split(cells[4], ",")})
	}
	return problems
}

var (
	products     = []string{"azure", "microsoft365", "dynamics365", "powerPlatform", "azureDevOps", "github"}
	tiers        = []string{"iaas", "paas", "saas"}
	parties      = []string{"provider", "shared", "customer", "none"}
	clouds       = []string{"", "public", "usGovernment", "china", "germany"}
	environments = []string{"", "commercial", "gcc", "gccHigh", "dod"}
)

// validateReference checks every cross-reference of the reference data.
func (l *Library) validateReference() []error {
	slices.SortStableFunc(l.Services, func(a, b Service) int {
		if n := slices.Index(products, a.Product) - slices.Index(products, b.Product); n != 0 {
			return n
		}
		return strings.Compare(a.ID, b.ID)
	})
	var out []error
	areas := map[string]bool{}
	for _, a := range l.Areas {
		if a.ID == "" || areas[a.ID] || a.Name == "" || a.About == "" {
			out = append(out, l.at("areas/"+a.ID, "area %q: want an id of its own, a name and what belongs to it", a.ID))
		}
		areas[a.ID] = true
		for _, c := range a.Criteria {
			if l.catalog.Criterion(c) == nil {
				out = append(out, l.at("areas/"+a.ID, "criterion %q does not exist", c))
			}
		}
	}
	profiles := map[string]bool{}
	for _, p := range l.Profiles {
		profiles[p.ID] = true
		for _, a := range l.Areas {
			if _, ok := p.Cells[a.ID]; !ok {
				out = append(out, l.at("profiles/"+p.ID, "profile %q says nothing of area %q", p.ID, a.ID))
			}
		}
		out = append(out, l.validateCells("profiles/"+p.ID, p.Cells, areas)...)
	}
	seen := map[string]bool{}
	for i := range l.Services {
		s := &l.Services[i]
		key := "services/" + s.ID
		if !idForm.MatchString(s.ID) || seen[s.ID] || s.Name == "" {
			out = append(out, l.at(key, "service %q: want an id of its own and a name", s.ID))
		}
		seen[s.ID] = true
		if !slices.Contains(products, s.Product) || !slices.Contains(tiers, s.Tier) || !profiles[s.Profile] {
			out = append(out, l.at(key, "service %q: product %q (want one of %v), tier %q (want one of %v) or profile %q", s.ID, s.Product, products, s.Tier, tiers, s.Profile))
		}
		for _, r := range s.References {
			if !isHTTPS(r) {
				out = append(out, l.at(key, "reference %q is not an https address", r))
			}
		}
		out = append(out, l.validateCells(key, s.Cells, areas)...)
		for _, t := range s.Types {
			low := strings.ToLower(t)
			l.servicesByType[low] = append(l.servicesByType[low], s)
		}
	}
	out = append(out, l.validateReports(seen)...)
	out = append(out, l.validateAssurance(seen)...)
	return append(out, l.validateWords()...)
}

// validateCells checks who does what.
func (l *Library) validateCells(key string, cells map[string]Cell, areas map[string]bool) []error {
	var out []error
	for _, id := range slices.Sorted(maps.Keys(cells)) {
		c := cells[id]
		if !areas[id] {
			out = append(out, l.at(key, "area %q does not exist", id))
		}
		provider, customer := strings.TrimSpace(c.Provider) != "", strings.TrimSpace(c.Customer) != ""
		ok := slices.Contains(parties, c.Who)
		switch c.Who {
		case "provider":
			ok = provider
		case "customer":
			ok = customer && !provider
		case "shared":
			ok = provider && customer && len(c.Controls) > 0
		}
		if !ok {
			out = append(out, l.at(key, "area %s: who %q needs the text of each party's part, and shared needs the controls that show the customer's", id, c.Who))
		}
		for _, k := range c.Controls {
			if l.Control(k) == nil {
				out = append(out, l.at(key, "area %s: control %q does not exist", id, k))
			}
		}
		for _, k := range c.Checks {
			if l.catalog.Check(k) == nil {
				out = append(out, l.at(key, "area %s: check %q does not exist", id, k))
			}
		}
	}
	return out
}

func isDate(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

func isDay(s string) bool {
	_, err := time.Parse("01-02", s)
	return err == nil
}

// shows reports whether a fact has a source: an address, or a paper in hand.
func (p *Paper) shows(source string) bool {
	if p != nil {
		return p.ID != "" && isDate(p.Date) && (source == "" || isHTTPS(source))
	}
	return isHTTPS(source)
}

// validateReports checks scopes and cadences.
func (l *Library) validateReports(services map[string]bool) []error {
	var out []error
	reports := map[string]bool{}
	for _, r := range l.Reports {
		key := "reports/" + r.ID
		if r.ID == "" || reports[r.ID] || r.Name == "" || r.Provider == "" || len(r.Cadence) == 0 {
			out = append(out, l.at(key, "report %q: want an id of its own, a name, a provider and at least one cadence", r.ID))
		}
		reports[r.ID] = true
		for _, c := range r.Cadence {
			ok := isDate(c.From) && (c.To == "" || isDate(c.To) && c.To >= c.From) && c.InHand.shows(c.Source) && (len(c.PeriodEnds) > 0) == (c.Months > 0)
			ok = ok && (len(c.PeriodEnds)+len(c.Dates) == 0) == (c.Unknown != "")
			for _, d := range slices.Concat(c.PeriodEnds, c.Dates) {
				ok = ok && isDay(d)
			}
			if c.Within != "" {
				ok = ok && c.Within != r.ID && slices.ContainsFunc(l.Reports, func(x ReportProfile) bool { return x.ID == c.Within })
			}
			for _, b := range c.Bridge {
				ok = ok && isDay(b.Issued) && isDay(b.From) && isDay(b.To)
			}
			if !ok {
				out = append(out, l.at(key, "report %q: cadence from %q: want dates, period ends (MM-DD) with months or, under unknown, why not, and an https source", r.ID, c.From))
			}
		}
	}
	for i, s := range l.Scope {
		key := fmt.Sprintf("scope/%d", i)
		if !reports[s.Report] || !slices.Contains(clouds, s.Cloud) || !slices.Contains(environments, s.Environment) || !isDate(s.From) ||
			s.To != "" && !isDate(s.To) || !s.InHand.shows(s.Source) || len(s.Services) != len(s.Names) {
			out = append(out, l.at(key, "scope of report %q from %q: unknown report, cloud or environment, a bad date or source, or names that do not pair with services", s.Report, s.From))
		}
		for _, p := range s.Products {
			if !slices.Contains(products, p) {
				out = append(out, l.at(key, "scope of report %q: product %q: want one of %v", s.Report, p, products))
			}
		}
		for _, id := range s.Services {
			if id != "" && !services[id] {
				out = append(out, l.at(key, "scope of report %q: service %q does not exist", s.Report, id))
			}
		}
	}
	return out
}

// validateWords checks the glossary, the interview and the crosswalk, and that
// controls name only services that exist.
func (l *Library) validateWords() []error {
	var out []error
	terms := map[string]bool{}
	for _, t := range l.Glossary {
		for _, n := range append([]string{t.Term}, t.Also...) {
			if low := strings.ToLower(n); terms[low] || low == "" || t.Means == "" {
				out = append(out, l.at("glossary/"+t.Term, "term %q: want one entry with a meaning", n))
			}
			terms[strings.ToLower(n)] = true
		}
	}
	for _, t := range l.Glossary {
		for _, n := range t.Search {
			if low := strings.ToLower(n); terms[low] || low == "" {
				out = append(out, l.at("glossary/"+t.Term, "search %q: empty, or it is a name, which a search finds anyway", n))
			}
		}
		for _, s := range t.See {
			if !terms[strings.ToLower(s)] {
				out = append(out, l.at("glossary/"+t.Term, "see %q: there is no such term", s))
			}
		}
	}
	explained := map[string]bool{}
	for _, e := range l.Explanations {
		if l.catalog.Criterion(e.Code) == nil || explained[e.Code] || e.Looks == "" || e.Azure == "" {
			out = append(out, l.at("explanations/"+e.Code, "explanation of %q: want one per criterion, with both parts", e.Code))
		}
		explained[e.Code] = true
	}
	for _, c := range l.catalog.Criteria {
		if !explained[c.Code] {
			out = append(out, problem("explanations.yaml", nil, "criterion "+c.Code+" is not explained", ""))
		}
	}
	out = append(out, l.validateInterview()...)
	for _, k := range l.Controls {
		d := l.documents[k.ID]
		for i, s := range k.Services {
			if l.Service(s) == nil {
				out = append(out, d.problem("services", i, "service %q does not exist; services/*.yaml lists them", s))
			}
		}
		for i, a := range k.CSOC {
			if !slices.ContainsFunc(l.Areas, func(x Area) bool { return x.ID == a }) {
				out = append(out, d.problem("csoc", i, "csoc %q is not an area of control; services/areas.yaml lists them", a))
			}
		}
		for i, s := range k.Requires {
			if q := l.Question(s); l.Service(s) == nil && (q == nil || q.Kind != "yesNo" || !askedFor(q, k)) {
				out = append(out, d.problem("requires", i, "requires %q, which is neither a service nor a question to be answered with yes or no that is asked for each of the control's categories", s))
			}
		}
	}
	versions := map[string]bool{}
	for _, f := range l.Frameworks {
		for _, v := range f.Versions {
			versions[f.ID+" "+v] = true
		}
	}
	for i := range l.Crosswalk {
		a := &l.Crosswalk[i]
		ok := versions[a.Framework+" "+a.Version]
		for _, s := range a.Sources {
			_, known := l.crosswalkSources[s]
			ok = ok && known
		}
		if !ok {
			out = append(out, problem("crosswalk.txt", nil, fmt.Sprintf("%s %s %s: the framework, version or a source is not described", a.Framework, a.Version, a.Control), ""))
		}
	}
	return out
}

// askedFor reports whether a question is asked for every category for which a
// control is adopted.
func askedFor(q *Question, k *Control) bool {
	return !slices.ContainsFunc(k.Categories, func(c string) bool { return !q.Asked([]string{c}) })
}

// mostQuestions is how many questions an interview may have, those for the
// organisation's name, its categories and its services included.
const mostQuestions = 25

// validateInterview requires that every question decides something, and that
// the defaults of fields name questions that exist.
func (l *Library) validateInterview() []error {
	var out []error
	seen := map[string]bool{}
	for i := range l.Interview {
		q := &l.Interview[i]
		key := fmt.Sprintf("interview/%d", i)
		role := strings.HasPrefix(q.ID, "roles.") && q.Kind == "role" || strings.HasPrefix(q.ID, "systems.") && q.Kind == "system"
		switch {
		case q.ID == "" || seen[q.ID] || q.Ask == "" || q.Why == "" || !role && q.Kind != "yesNo" || role && q.Example == "":
			out = append(out, l.at(key, "question %q: want an id of its own, a kind that suits it, what to ask and why; an example of a role or system", q.ID))
		case l.Decides(q) == "":
			out = append(out, l.at(key, "question %q decides nothing: no control requires it and no default names it", q.ID))
		case (len(q.Excuses) > 0) != (q.Because != ""):
			out = append(out, l.at(key, "question %q: criteria are excused with a reason only", q.ID))
		}
		seen[q.ID] = true
		for _, c := range q.Categories {
			if !slices.Contains(categories, c) {
				out = append(out, l.at(key, "category %q: want one of %v", c, categories))
			}
		}
		for _, c := range q.Excuses {
			if cr := l.catalog.Criterion(c); cr == nil || !slices.Contains(q.Categories, cr.Category) {
				out = append(out, l.at(key, "question %q excuses %q, which does not exist or is of a category for which it is not asked", q.ID, c))
			}
		}
	}
	if n := len(l.Interview) + 3; n > mostQuestions {
		out = append(out, problem("interview.yaml", nil, fmt.Sprintf("%d questions with name, categories and services: want at most %d", n, mostQuestions), ""))
	}
	for _, k := range l.Controls {
		for _, f := range k.Fields {
			for _, id := range answersIn(f.Default) {
				if !seen[id] {
					out = append(out, problem(k.File, nil, fmt.Sprintf("the default of field %q names %q, which is no question", f.Name, id), ""))
				}
			}
		}
	}
	return out
}

// Alike returns what a search for a word of the trade also finds: the other
// names of the term that it stands for, and the wordings of the same, in lower
// case. None for any other word.
func (l *Library) Alike(word string) []string {
	var out []string
	low := strings.ToLower(strings.TrimSpace(word))
	for i := range l.Glossary {
		t := &l.Glossary[i]
		all := slices.Concat([]string{t.Term}, t.Also, t.Search)
		if !slices.ContainsFunc(all, func(n string) bool { return strings.EqualFold(n, low) }) {
			continue
		}
		for _, n := range all {
			if n = strings.ToLower(n); n != low && !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	return out
}
