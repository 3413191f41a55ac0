// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// ChecklistItem is one item of a checklist: a view over the library.
type ChecklistItem struct {
	Number   int      `json:"number"`
	Title    string   `json:"title"`
	Controls []string `json:"controls"`
}

// checklists are the items that a first-time organisation and its auditor
// walk through: own short titles.
var checklists = map[string][]string{
	"implementation": {
		"Multi-factor authentication for everybody",
		"Roles of least privilege, reviewed every quarter",
		"Just-in-time privileged access",
		"Network security groups on every subnet",
		"The SOC 2 policy initiative assigned and watched",
		"Encryption at rest and in transit",
		"Keys, secrets and certificates in Key Vault",
		"Defender for Cloud on, with its plans",
		"Alerts on what must not go unseen",
		"Backups, with restores that were tried",
		"Changes with evidence of approval",
		"Vulnerability scans with deadlines for what they find",
	},
	"readiness": {
		"System description",
		"Policies for every criterion in scope",
		"Evidence filed by control and date",
		"The provider's report obtained and read",
		"Risk assessments of vendors",
		"Access reviews of the whole period",
		"Change log with an approval for each production change",
		"Scan results with ratings and status",
		"Training records",
		"Incident log",
		"Results of backup and recovery tests",
	},
}

// Checklist returns the items of the checklist "implementation" or "readiness"
// with the controls that belong to each.
func (l *Library) Checklist(name string) []ChecklistItem {
	var out []ChecklistItem
	for i, title := range checklists[name] {
		item := ChecklistItem{Number: i + 1, Title: title, Controls: []string{}}
		tag := fmt.Sprintf("%s-%d", name, i+1)
		for _, k := range l.Controls {
			if slices.Contains(k.Checklists, tag) {
				item.Controls = append(item.Controls, k.ID)
			}
		}
		out = append(out, item)
	}
	return out
}

// Registers are the starter registers: where an organisation begins, not what
// it has decided.
type Registers struct {
	Risks    []Risk         `json:"risks"`
	Calendar []CalendarItem `json:"calendar"`
	Playbook Playbook       `json:"playbook"`
	// Escalation is ordered as it is worked.
	Escalation []EscalationStep `json:"escalation"`
	// Sections are those of the scope document.
	Sections []ScopeSection `json:"sections"`
	Tracker  Tracker        `json:"tracker"`
}

// Risk is an entry of the starter risk register. Likelihood and impact (1 to
// 5) are where a typical SaaS company starts thinking, with the reason.
type Risk struct {
	ID            string   `yaml:"id" json:"id"`
	Threat        string   `yaml:"threat" json:"threat"`
	Asset         string   `yaml:"asset" json:"asset"`
	Cause         string   `yaml:"cause" json:"cause"`
	Consequence   string   `yaml:"consequence" json:"consequence"`
	Likelihood    int      `yaml:"likelihood" json:"likelihood"`
	LikelihoodWhy string   `yaml:"likelihoodWhy" json:"likelihoodWhy"`
	Impact        int      `yaml:"impact" json:"impact"`
	ImpactWhy     string   `yaml:"impactWhy" json:"impactWhy"`
	Criteria      []string `yaml:"criteria" json:"criteria"`
	Controls      []string `yaml:"controls" json:"controls"`
}

// CalendarItem is governance work that recurs.
type CalendarItem struct {
	ID      string   `yaml:"id" json:"id"`
	Title   string   `yaml:"title" json:"title"`
	Cadence string   `yaml:"cadence" json:"cadence"` // weekly, monthly, quarterly, annual
	When    string   `yaml:"when" json:"when"`       // the proposed time inside the cadence
	Owner   string   `yaml:"owner" json:"owner"`
	Inputs  []string `yaml:"inputs" json:"inputs"`
	Work    string   `yaml:"work" json:"work"`
	// Deliverables are filed as evidence; without them the item did not take place.
	Deliverables []string `yaml:"deliverables" json:"deliverables"`
	Controls     []string `yaml:"controls" json:"controls"`
}

// Playbook is the template of the incident response.
type Playbook struct {
	Phases        []IncidentPhase    `yaml:"phases" json:"phases"`
	Severities    []IncidentSeverity `yaml:"severities" json:"severities"`
	Notifications []Notification     `yaml:"notifications" json:"notifications"`
	Scenarios     []IncidentScenario `yaml:"scenarios" json:"scenarios"`
}

// IncidentPhase is one phase of the response; Order counts from 1.
type IncidentPhase struct {
	ID    string   `yaml:"id" json:"id"`
	Order int      `yaml:"order" json:"order"`
	Title string   `yaml:"title" json:"title"`
	Goal  string   `yaml:"goal" json:"goal"`
	Owner string   `yaml:"owner" json:"owner"`
	Steps []string `yaml:"steps" json:"steps"`
	// Deliverables are in the incident record before the phase ends.
	Deliverables []string `yaml:"deliverables" json:"deliverables"`
	Controls     []string `yaml:"controls" json:"controls"`
}

// IncidentSeverity is a class of incidents with its longest times, in words.
type IncidentSeverity struct {
	ID          string   `yaml:"id" json:"id"`
	Title       string   `yaml:"title" json:"title"`
	Meaning     string   `yaml:"meaning" json:"meaning"`
	Examples    []string `yaml:"examples" json:"examples"`
	Acknowledge string   `yaml:"acknowledge" json:"acknowledge"`
	Contain     string   `yaml:"contain" json:"contain"`
	Update      string   `yaml:"update" json:"update"` // how often those told hear again
	Lead        string   `yaml:"lead" json:"lead"`
	Notice      string   `yaml:"notice" json:"notice"` // when notices are decided on
}

// Notification says who has to be told of an incident, and by when.
type Notification struct {
	ID        string `yaml:"id" json:"id"`
	Who       string `yaml:"who" json:"who"`
	Trigger   string `yaml:"trigger" json:"trigger"`
	Deadline  string `yaml:"deadline" json:"deadline"`
	Basis     string `yaml:"basis" json:"basis"` // the contract or law
	Decides   string `yaml:"decides" json:"decides"`
	Content   string `yaml:"content" json:"content"`
	Reference string `yaml:"reference" json:"reference"`
}

// IncidentScenario is what to do first in a case that is likely.
type IncidentScenario struct {
	ID       string   `yaml:"id" json:"id"`
	Title    string   `yaml:"title" json:"title"`
	Risks    []string `yaml:"risks" json:"risks"`
	Signs    string   `yaml:"signs" json:"signs"`
	Contain  []string `yaml:"contain" json:"contain"`
	Analyse  []string `yaml:"analyse" json:"analyse"`
	Recover  []string `yaml:"recover" json:"recover"`
	Controls []string `yaml:"controls" json:"controls"`
}

// EscalationStep says who is called when, for one severity.
type EscalationStep struct {
	ID       string `yaml:"id" json:"id"`
	Severity string `yaml:"severity" json:"severity"`
	// After is the time since the declaration at which Role is called at the
	// latest, Acknowledge the time in which the call is answered.
	After       string `yaml:"after" json:"after"`
	Role        string `yaml:"role" json:"role"`
	Deputy      string `yaml:"deputy" json:"deputy"`
	Channel     string `yaml:"channel" json:"channel"`
	Decides     string `yaml:"decides" json:"decides"`
	Acknowledge string `yaml:"acknowledge" json:"acknowledge"`
}

// ScopeSection is a section of the scope document.
type ScopeSection struct {
	ID       string   `yaml:"id" json:"id"`
	Title    string   `yaml:"title" json:"title"`
	Ask      string   `yaml:"ask" json:"ask"`
	Form     string   `yaml:"form" json:"form"` // text, dates, list, diagram or "table: columns"
	Required string   `yaml:"required" json:"required"`
	Source   string   `yaml:"source" json:"source"`
	Example  string   `yaml:"example" json:"example"`
	Controls []string `yaml:"controls" json:"controls"`
}

// Tracker is the template of the evidence tracker: a row for each evidence
// need of each control and each span of the period.
type Tracker struct {
	Columns     []TrackerColumn     `yaml:"columns" json:"columns"`
	Types       []EvidenceType      `yaml:"types" json:"types"`
	Frequencies []EvidenceFrequency `yaml:"frequencies" json:"frequencies"`
}

// TrackerColumn is a column of the tracker.
type TrackerColumn struct {
	ID       string `yaml:"id" json:"id"`
	Title    string `yaml:"title" json:"title"`
	Meaning  string `yaml:"meaning" json:"meaning"`
	From     string `yaml:"from" json:"from"` // where the value comes from
	Form     string `yaml:"form" json:"form"`
	Required string `yaml:"required" json:"required"`
}

// EvidenceType is a kind of evidence; ids are those that controls use.
type EvidenceType struct {
	ID      string `yaml:"id" json:"id"`
	Title   string `yaml:"title" json:"title"`
	Meaning string `yaml:"meaning" json:"meaning"`
	Accept  string `yaml:"accept" json:"accept"`
	Reject  string `yaml:"reject" json:"reject"`
}

// EvidenceFrequency says what evidence of a frequency looks like; ids are
// those that controls use. It says nothing of sample sizes: those belong to
// the firm.
type EvidenceFrequency struct {
	ID       string `yaml:"id" json:"id"`
	Title    string `yaml:"title" json:"title"`
	Expected string `yaml:"expected" json:"expected"`
	Item     string `yaml:"item" json:"item"`
	Note     string `yaml:"note" json:"note"`
}

func (l *Library) readRegister(f file) []error {
	m, err := parseYAML(f)
	if err != nil {
		return []error{err}
	}
	seen := map[string]bool{}
	lists := l.lists()
	var problems []error
	for _, v := range m.Values {
		key := v.Key.String()
		i := slices.IndexFunc(lists, func(x registerList) bool { return x.name == key })
		if i < 0 || seen[key] {
			problems = append(problems, problem(f.name, v.Key.GetToken(), fmt.Sprintf("there is no register %q, or it is given twice", key), ""))
			continue
		}
		seen[key] = true
		if err := lists[i].read(f, v.Value); err != nil {
			problems = append(problems, err)
			continue
		}
		list, ok := v.Value.(*ast.SequenceNode)
		if !ok {
			continue
		}
		for i, e := range list.Values {
			if id, ok := child(e, "id").(ast.ScalarNode); ok {
				l.places[fmt.Sprintf("%s/%v", key, id.GetValue())] = place{f.name, list, i}
			}
		}
	}
	return problems
}

// registerList is one list of the registers: how a file's part of it is read
// and what its entries have in common.
type registerList struct {
	name    string
	read    func(f file, n ast.Node) error
	entries func() []registerEntry
}

// registerEntry is what entries of all registers have in common.
type registerEntry struct {
	list, id string
	// texts and lists must not be empty.
	texts                     []string
	lists                     [][]string
	criteria, controls, risks []string
}

// listOf makes the list whose entries are kept in into.
func listOf[T any](name string, into *[]T, entry func(T) registerEntry) registerList {
	return registerList{
		name: name,
		read: func(f file, n ast.Node) error {
			var list []T
			if err := yaml.NodeToValue(n, &list, yaml.Strict()); err != nil {
				return yamlProblem(f.name, err)
			}
			*into = append(*into, list...)
			return nil
		},
		entries: func() []registerEntry {
			out := make([]registerEntry, len(*into))
			for i, x := range *into {
				out[i] = entry(x)
				out[i].list = name
			}
			return out
		},
	}
}

// lists are the lists of all registers, in the order in which they are checked.
func (r *Registers) lists() []registerList {
	return []registerList{
		listOf("risks", &r.Risks, func(r Risk) registerEntry {
			return registerEntry{id: r.ID, texts: []string{r.Threat, r.Asset, r.Cause, r.Consequence, r.LikelihoodWhy, r.ImpactWhy}, lists: [][]string{r.Criteria, r.Controls}, criteria: r.Criteria, controls: r.Controls}
		}),
		listOf("calendar", &r.Calendar, func(c CalendarItem) registerEntry {
			return registerEntry{id: c.ID, texts: []string{c.Title, c.When, c.Owner, c.Work}, lists: [][]string{c.Deliverables, c.Controls}, controls: c.Controls}
		}),
		listOf("phases", &r.Playbook.Phases, func(p IncidentPhase) registerEntry {
			return registerEntry{id: p.ID, texts: []string{p.Title, p.Goal, p.Owner}, lists: [][]string{p.Steps, p.Deliverables, p.Controls}, controls: p.Controls}
		}),
		listOf("severities", &r.Playbook.Severities, func(s IncidentSeverity) registerEntry {
			return registerEntry{id: s.ID, texts: []string{s.Title, s.Meaning, s.Acknowledge, s.Contain, s.Update, s.Lead, s.Notice}, lists: [][]string{s.Examples}}
		}),
		listOf("notifications", &r.Playbook.Notifications, func(n Notification) registerEntry {
			return registerEntry{id: n.ID, texts: []string{n.Who, n.Trigger, n.Deadline, n.Basis, n.Decides, n.Content}}
		}),
		listOf("scenarios", &r.Playbook.Scenarios, func(s IncidentScenario) registerEntry {
			return registerEntry{id: s.ID, texts: []string{s.Title, s.Signs}, lists: [][]string{s.Contain, s.Analyse, s.Recover, s.Risks, s.Controls}, controls: s.Controls, risks: s.Risks}
		}),
		listOf("escalation", &r.Escalation, func(e EscalationStep) registerEntry {
			return registerEntry{id: e.ID, texts: []string{e.After, e.Role, e.Deputy, e.Channel, e.Decides, e.Acknowledge}}
		}),
		listOf("sections", &r.Sections, func(s ScopeSection) registerEntry {
			return registerEntry{id: s.ID, texts: []string{s.Title, s.Ask, s.Form, s.Required, s.Source, s.Example}, lists: [][]string{s.Controls}, controls: s.Controls}
		}),
		listOf("columns", &r.Tracker.Columns, func(c TrackerColumn) registerEntry {
			return registerEntry{id: c.ID, texts: []string{c.Title, c.Meaning, c.From, c.Form, c.Required}}
		}),
		listOf("types", &r.Tracker.Types, func(t EvidenceType) registerEntry {
			return registerEntry{id: t.ID, texts: []string{t.Title, t.Meaning, t.Accept, t.Reject}}
		}),
		listOf("frequencies", &r.Tracker.Frequencies, func(f EvidenceFrequency) registerEntry {
			return registerEntry{id: f.ID, texts: []string{f.Title, f.Expected, f.Item}}
		}),
	}
}

// registerEntries lists the entries of all registers in the order of the files.
func (l *Library) registerEntries() []registerEntry {
	var out []registerEntry
	for _, list := range l.lists() {
		out = append(out, list.entries()...)
	}
	return out
}

// validateRegisters checks that every entry is whole and refers to what exists.
func (l *Library) validateRegisters() []error {
	var out []error
	bad := func(key, format string, args ...any) { out = append(out, l.at(key, key+": "+format, args...)) }
	ids := map[string]bool{}
	entries := l.registerEntries()
	for _, e := range entries {
		key := e.list + "/" + e.id
		if e.id == "" || ids[key] {
			bad(key, "want an id of its own")
		}
		ids[key] = true
	}
	for _, e := range entries {
		key := e.list + "/" + e.id
		if slices.ContainsFunc(e.texts, blank) || slices.ContainsFunc(e.lists, func(list []string) bool { return len(list) == 0 || slices.ContainsFunc(list, blank) }) {
			bad(key, "a member is missing or empty")
		}
		for _, k := range e.controls {
			if l.Control(k) == nil {
				bad(key, "control %q does not exist", k)
			}
		}
		for _, c := range e.criteria {
			if l.catalog.Criterion(c) == nil {
				bad(key, "criterion %q does not exist", c)
			}
		}
		for _, r := range e.risks {
			if !ids["risks/"+r] {
				bad(key, "risk %q does not exist", r)
			}
		}
	}
	for _, r := range l.Risks {
		if r.Likelihood < 1 || r.Likelihood > 5 || r.Impact < 1 || r.Impact > 5 {
			bad("risks/"+r.ID, "likelihood %d, impact %d: want 1 to 5", r.Likelihood, r.Impact)
		}
	}
	for _, c := range l.Calendar {
		if !slices.Contains([]string{"weekly", "monthly", "quarterly", "annual"}, c.Cadence) {
			bad("calendar/"+c.ID, "cadence %q: want weekly, monthly, quarterly or annual", c.Cadence)
		}
	}
	for i, p := range l.Playbook.Phases {
		if p.Order != i+1 {
			bad("phases/"+p.ID, "order %d: want %d", p.Order, i+1)
		}
	}
	for _, n := range l.Playbook.Notifications {
		if n.Reference != "" && !isHTTPS(n.Reference) {
			bad("notifications/"+n.ID, "reference %q is not an https address", n.Reference)
		}
	}
	for _, e := range l.Escalation {
		if !ids["severities/"+e.Severity] {
			bad("escalation/"+e.ID, "severity %q does not exist", e.Severity)
		}
	}
	if len(l.Tracker.Types)+len(l.Tracker.Frequencies) > 0 {
		out = append(out, l.validateTracker(ids)...)
	}
	for _, k := range l.Controls {
		for i, r := range k.Risks {
			if len(l.Risks) > 0 && !ids["risks/"+r] {
				out = append(out, l.documents[k.ID].problem("risks", i, "risk %q does not exist; registers/risks.yaml lists them", r))
			}
		}
	}
	return out
}

// validateTracker holds the tracker to the words that controls use.
func (l *Library) validateTracker(ids map[string]bool) []error {
	var out []error
	for _, v := range []struct {
		list  string
		words []string
		n     int
	}{{"types", evidenceOf, len(l.Tracker.Types)}, {"frequencies", frequencies, len(l.Tracker.Frequencies)}} {
		if v.n != len(v.words) || slices.ContainsFunc(v.words, func(w string) bool { return !ids[v.list+"/"+w] }) {
			out = append(out, problem("registers/evidence-tracker.yaml", nil, fmt.Sprintf("%s: want one entry for each of %v", v.list, v.words), ""))
		}
	}
	return out
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }

// Register is a starter register as a reader sees it: parts, each a table.
type Register struct {
	ID    string         `json:"id"`
	Name  string         `json:"name"`
	Parts []RegisterPart `json:"parts"`
}

// RegisterPart is one table of a register. Entries are values of one type:
// Risk, CalendarItem …
type RegisterPart struct {
	ID      string `json:"id"`
	About   string `json:"about"`
	Entries []any  `json:"entries"`
}

// RegisterList lists the starter registers.
func (l *Library) RegisterList() []Register {
	return []Register{
		{"risks", "Risk register", []RegisterPart{
			{"risks", "What could keep commitments from being met, where a typical company starts to rate it, and the controls that lower it", anys(l.Risks)},
		}},
		{"calendar", "Governance calendar", []RegisterPart{
			{"calendar", "What recurs, who owns it, and what it leaves as evidence", anys(l.Calendar)},
		}},
		{"playbook", "Incident playbook", []RegisterPart{
			{"phases", "The response in order", anys(l.Playbook.Phases)},
			{"severities", "Classes of incidents with their longest times", anys(l.Playbook.Severities)},
			{"notifications", "Who has to be told, by when and why", anys(l.Playbook.Notifications)},
			{"scenarios", "What to do first in likely cases", anys(l.Playbook.Scenarios)},
		}},
		{"escalation", "Escalation matrix", []RegisterPart{
			{"escalation", "Who is called when, by severity", anys(l.Escalation)},
		}},
		{"scope", "Scope document", []RegisterPart{
			{"sections", "What is written down and approved before the period begins", anys(l.Sections)},
		}},
		{"tracker", "Evidence tracker", []RegisterPart{
			{"columns", "The columns: a row for each evidence need of each control and each span", anys(l.Tracker.Columns)},
			{"types", "Kinds of evidence, what makes each acceptable or not", anys(l.Tracker.Types)},
			{"frequencies", "How often evidence arises; how much of it is tested is the auditor's choice", anys(l.Tracker.Frequencies)},
		}},
	}
}

// Register returns the register with this id, or nil.
func (l *Library) Register(id string) *Register {
	list := l.RegisterList()
	i := slices.IndexFunc(list, func(r Register) bool { return r.ID == id })
	if i < 0 {
		return nil
	}
	return &list[i]
}

func anys[T any](list []T) []any {
	out := make([]any, len(list))
	for i, x := range list {
		out[i] = x
	}
	return out
}
