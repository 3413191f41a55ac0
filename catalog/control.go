// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Control is one control of the library: what a company whose service runs on
// Azure does, so worded that a person can be asked whether it was done and an
// auditor can test it. One YAML document under controls/ holds one Control;
// doc/spec/control.md describes the fields. Fields in braces ({owner}, {system},
// {cadence} …) are filled by the organisation and listed in Fields.
type Control struct {
	ID   string `yaml:"id"` // family-subject, such as access-leavers
	Name string `yaml:"name"`
	// Family groups controls for reading: access, change, operations …
	Family string `yaml:"family"`
	// Statement says who does what, how, when and where; Objective what for.
	Statement string         `yaml:"statement"`
	Objective string         `yaml:"objective"`
	Fields    []ControlField `yaml:"fields,omitempty"`
	// Criteria say which criteria the control meets, and how closely.
	Criteria []CriterionLink `yaml:"criteria"`
	// Categories for which an organisation adopts the control at all.
	Categories []string `yaml:"categories"` // security, availability, processingIntegrity, confidentiality, privacy
	Key        bool     `yaml:"key"`        // a key control; else supporting
	Nature     string   `yaml:"nature"`     // automated, itDependentManual, manual
	Kind       string   `yaml:"type"`       // preventive, detective, corrective
	Frequency  string   `yaml:"frequency"`  // continuous, daily, weekly, monthly, quarterly, semiannual, annual, event
	// Answers are the commitments and risks that the control answers.
	Commitments []string `yaml:"commitments,omitempty"` // typical promises, in words
	Risks       []string `yaml:"risks,omitempty"`       // ids of the starter risk register
	// Instance is the unit that is counted and sampled, and its tolerance.
	Instance Instance `yaml:"instance"`
	// Configuration is, for automated controls, what the control consists of,
	// and each of its branches that a test of one has to cover.
	Configuration []Configuration `yaml:"configuration,omitempty"`
	Services      []string        `yaml:"services"` // ids of services.yaml
	Checks        []CheckLink     `yaml:"checks,omitempty"`
	Evidence      []EvidenceNeed  `yaml:"evidence"`
	Population    PopulationNeed  `yaml:"population"`
	Design        []TestStep      `yaml:"designTest"`
	Operating     []TestStep      `yaml:"operatingTest"`
	// Deviations say what counts as the control not having operated.
	Deviations []string `yaml:"deviations"`
	Pitfalls   []string `yaml:"pitfalls"`
	Steps      []string `yaml:"steps"` // to implement it, in order
	// Order is when a first-time organisation takes it on: 1 (first) to 5.
	Order int `yaml:"order"`
	// Requires names services (services/*.yaml) or answers of the interview
	// (interview.yaml) of which at least one must hold for the control to be
	// adopted; empty means that every organisation needs it.
	Requires []string `yaml:"requires,omitempty"`
	// Monitors names the subservice organisation that the control monitors
	// ("microsoft"), CSOC the areas (responsibilities.yaml) it relies on.
	Monitors string   `yaml:"monitors,omitempty"`
	CSOC     []string `yaml:"csoc,omitempty"`
	// Unchecked says why no check is linked, where none is.
	Unchecked string `yaml:"unchecked,omitempty"`
	// Requirements and Checklists place the control in views over the library.
	Checklists []string `yaml:"checklists,omitempty"` // implementation-3, readiness-7
	References []string `yaml:"references,omitempty"`
	File       string   `yaml:"-"`
	Line       int      `yaml:"-"`
}

// ControlField is what an organisation fills in a statement.
type ControlField struct {
	Name    string `yaml:"name"`    // as in the braces
	Ask     string `yaml:"ask"`     // the question to the organisation
	Example string `yaml:"example"` // what a good answer looks like
	// Default is what stands there until the organisation says otherwise; it
	// may name answers of the interview ({roles.security}, {systems.tickets}).
	// Empty where nothing can be proposed.
	Default string `yaml:"default,omitempty"`
}

// Instance is one occurrence of a control.
type Instance struct {
	Unit string `yaml:"unit"` // "one leaver"
	// Tolerance is the latest moment in words; fields of the statement may stand
	// in it: "within {deadline} of the last working day".
	Tolerance string `yaml:"tolerance,omitempty"`
	// Limit is the tolerance as a length of time, where it is one.
	Limit *Limit `yaml:"limit,omitempty"`
}

// Configuration is a setting that is itself the control.
type Configuration struct {
	What     string   `yaml:"what"` // "policy assignment that denies public blob access"
	Type     string   `yaml:"type"` // resource type, such as Microsoft.Authorization/policyAssignments
	Branches []string `yaml:"branches,omitempty"`
}

// CheckLink ties a check to a control. Role is operates (a fail is a candidate
// deviation), population (a fail is an item that the control must handle within
// its tolerance) or indicator (it only informs).
type CheckLink struct {
	ID   string `yaml:"id"`
	Role string `yaml:"role"`
}

// EvidenceNeed is evidence that a control leaves.
type EvidenceNeed struct {
	What    string `yaml:"what"`
	Type    string `yaml:"type"`    // record, configuration, document, ticket, log, approval, screenshot
	Source  string `yaml:"source"`  // where it comes from
	Cadence string `yaml:"cadence"` // as Frequency
	Accept  string `yaml:"accept"`  // what makes it acceptable
	Reject  string `yaml:"reject"`  // what makes it rejected
}

// PopulationNeed is what the control acts on.
type PopulationNeed struct {
	Of       string `yaml:"of"`       // "everyone whose employment ended in the period"
	Source   string `yaml:"source"`   // "HR roster export"
	Complete string `yaml:"complete"` // how to show that it is complete and accurate
}

// TestStep is one step of a test procedure. Method is inspection,
// observation, reperformance or inquiry; inquiry never stands alone.
type TestStep struct {
	Method string `yaml:"method"`
	Step   string `yaml:"step"`
}

// Limit is a tolerance as a length of time. A business day is not a day: who
// counts 14 days for ten business days judges a late instance as in time.
type Limit struct {
	// Amount is a number, or {name} of a field of the statement.
	Amount string `yaml:"amount"`
	Unit   string `yaml:"unit"` // days, businessDays, hours
}

var limitUnits = []string{"days", "businessDays", "hours"}

// Number returns the amount; false while a field in it is not filled in.
func (l *Limit) Number() (int, bool) {
	if n, err := strconv.Atoi(strings.TrimSpace(l.Amount)); err == nil {
		return n, true
	}
	for _, t := range timesIn(l.Amount) {
		if t.unit == l.Unit {
			return t.n, true
		}
	}
	return 0, false
}

// String is the limit in words.
func (l *Limit) String() string {
	unit := l.Unit
	if unit == "businessDays" {
		unit = "business days"
	}
	if n, ok := l.Number(); ok {
		if n == 1 {
			unit = strings.TrimSuffix(unit, "s")
		}
		return fmt.Sprintf("%d %s", n, unit)
	}
	return l.Amount + " " + unit
}

// length is a length of time as a text says it.
type length struct {
	n    int
	unit string
}

var (
	timeForm    = regexp.MustCompile(`(?i)\b(\d+|one|two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|thirty)\s+(business |working )?(day|hour|week|month)s?\b`)
	numberWords = map[string]int{
		"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
		"twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30,
	}
)

// timesIn finds the lengths of time in a text. Weeks count seven days; months
// keep their name, because they have no length in days.
func timesIn(text string) []length {
	var out []length
	for _, m := range timeForm.FindAllStringSubmatch(text, -1) {
		n, ok := numberWords[strings.ToLower(m[1])]
		if !ok {
			n, _ = strconv.Atoi(m[1]) // the form admits digits only; one too long for an int is 0 and matches nothing
		}
		unit := strings.ToLower(m[3]) + "s"
		switch {
		case m[2] != "" && unit == "days":
			unit = "businessDays"
		case unit == "weeks":
			n, unit = 7*n, "days"
		}
		out = append(out, length{n, unit})
	}
	return out
}

// says reports whether one of the lengths is n of unit. Twelve months are 365
// or 366 days.
func says(times []length, n int, unit string) bool {
	return slices.ContainsFunc(times, func(t length) bool {
		return t == length{n, unit} || t.unit == "months" && unit == "days" && n >= 30*t.n && n <= 31*t.n
	})
}

// lintTolerance holds the limit to the words: the tolerance has to say it, and
// neither the tolerance nor the statement may count the same number otherwise.
func lintTolerance(k *Control, add func(rule string, serious bool, what, hint string)) {
	l := k.Instance.Limit
	if l == nil {
		return
	}
	n, ok := l.Number()
	if !ok {
		if !placeholder.MatchString(l.Amount) {
			add("tolerance", true, fmt.Sprintf("the limit %q is not a number of %s", l.Amount, l.Unit), "give a number, or change the unit with it")
		}
		return
	}
	tolerance, statement := timesIn(k.Instance.Tolerance), timesIn(k.Statement)
	if !says(tolerance, n, l.Unit) {
		add("tolerance", true, fmt.Sprintf("the limit is %s, but the tolerance says %q", l, k.Instance.Tolerance), "let words and number say the same; a late instance is judged by the number")
	}
	other := map[string]string{"days": "businessDays", "businessDays": "days"}[l.Unit]
	if other != "" && !says(statement, n, l.Unit) && says(statement, n, other) {
		add("tolerance", true, fmt.Sprintf("the statement counts %s, the limit is %s", &Limit{strconv.Itoa(n), other}, l), "a business day is not a day: use the unit of the statement")
	}
}
