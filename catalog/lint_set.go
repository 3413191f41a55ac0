// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/tickmark/tickmark"
)

// own returns the set's entry of a control; nil without a set.
func (o *LintOptions) own(id string) *OwnControl {
	if o.Set == nil {
		return nil
	}
	i := slices.IndexFunc(o.Set.Controls, func(k *OwnControl) bool { return k.ID == id })
	if i < 0 {
		return nil
	}
	return o.Set.Controls[i]
}

// overrides reports whether the organisation wrote the member itself.
func (k *OwnControl) overrides(member string) bool {
	return k.node != nil && child(k.node, member) != nil
}

// role finds the words by which people are called at work.
var role = regexp.MustCompile(`(?i)\b(chief|head|officers?|leads?|managers?|management|directors?|engineers?|engineering|owners?|teams?|administrators?|counsel|controllers?|analysts?|C[EFIOT]O|CISO|DPO|VP|boards?|committees?|people|developers?|architects?|consultants?|auditors?|advis[eo]rs?|specialists?|coordinators?|partners?|founders?|presidents?|operators?|reviewers?|approvers?|custodians?|sponsors?|executives?|commanders?|stewards?|desk|operations|security|employees?|personnel|staff)\b`)

// namesRole reports whether a statement in the organisation's own words names
// somebody: by a usual word, or as the interview was answered.
func (o *LintOptions) namesRole(k *Control) bool {
	own := o.own(k.ID)
	if own == nil || !own.overrides("statement") {
		return false
	}
	if role.MatchString(k.Statement) {
		return true
	}
	for _, r := range o.Set.Roles {
		if !nobody(r) && strings.Contains(strings.ToLower(k.Statement), strings.ToLower(strings.TrimSpace(r))) {
			return true
		}
	}
	return false
}

// aside are the members that only the library's own controls must have: they
// teach, and an organisation's own control need not.
var aside = []string{"order", "pitfalls", "steps", "name", "objective", "either checks are linked"}

// toldElsewhere begin what another rule of the lint says better.
var toldElsewhere = []string{"criteria: at least", "evidence: at least", "population is missing", "criterion"}

// lintContent holds what the organisation wrote to the form of a control and
// to what the library has.
func lintContent(controls []*Control, o *LintOptions) []Finding {
	var out []Finding
	for _, k := range controls {
		own := o.own(k.ID)
		root := ast.Mapping(token.New("", "", &token.Position{Line: max(k.Line, 1), Column: 1}), false)
		if own != nil && own.node != nil {
			root = own.node
		}
		d := &controlDocument{control: *k, file: file{name: k.File}, root: root}
		add := func(what, where string) {
			out = append(out, Finding{Rule: "invalid", Control: k.ID, Serious: true, What: what, Hint: cmp.Or(where, k.File) + ": correct it; doc/spec/control.md describes each member"})
		}
		ofLibrary := o.Library.Control(k.ID) != nil || own != nil && o.Library.Control(own.source()) != nil
		for _, err := range o.Library.validateContent(d) {
			e, ok := errors.AsType[*tickmark.Error](err)
			if !ok {
				add(err.Error(), "")
				continue
			}
			starts := func(list []string) bool {
				return slices.ContainsFunc(list, func(p string) bool { return strings.HasPrefix(e.What, p) })
			}
			if starts(toldElsewhere) && !strings.Contains(e.What, "listed twice") || !ofLibrary && starts(aside) {
				continue
			}
			add(e.What, e.Where)
		}
		for _, s := range k.Services {
			if o.Library.Service(s) == nil {
				add(fmt.Sprintf("service %q is not known", s), "")
			}
		}
	}
	return out
}

// empty is what people write where they know no answer yet.
var empty = regexp.MustCompile(`(?i)^\W*(t\.?b\.?[acd]\.?|to be (determined|defined|decided|announced|confirmed|filled in|added)|todo|fixme|xxx*|n/?a|none|nobody|no ?one|unknown|undefined|not (yet )?(known|defined|assigned|decided)|unassigned|placeholder|example|test|foo|bar|lorem ipsum|someone|somebody|anyone|anybody|whoever|name|value|role|owner|\?+)?\W*$|\b(TBD|TBC|TBA|TODO|FIXME)\b|<[^>]*>|^\[[^\]]*\]$|\{\{`)

// nobody reports whether a value says nothing.
func nobody(v string) bool { return empty.MatchString(v) }

// The kinds of answer that a field asks for, told by its own example.
var (
	wholeNumber = regexp.MustCompile(`^\d+$`)
	periodLike  = regexp.MustCompile(`(?i)^(\d+|one|two|three|four|five|six|seven|eight|nine|ten|twelve) (business |working )?(minute|hour|day|week|month|year)s?$|^(day|week|month|quarter|year|two weeks)$`)
	periodWord  = regexp.MustCompile(`(?i)\b(\d+|minutes?|hours?|days?|weeks?|months?|quarters?|years?|daily|weekly|monthly|quarterly|annual(ly)?|yearly)\b`)
	monthName   = regexp.MustCompile(`(?i)\b(january|february|march|april|may|june|july|august|september|october|november|december)\b`)
	weekdayName = regexp.MustCompile(`(?i)\b(mon|tues|wednes|thurs|fri|satur|sun)day\b`)
	answerField = regexp.MustCompile(`\{roles\.`)
	systemField = regexp.MustCompile(`\{systems\.`)
	doerName    = regexp.MustCompile(`(?i)(owner|lead|secretary|cloudOwner|operator)$`)
	checkerName = regexp.MustCompile(`(?i)(approvers?|reviewers?|verifier|observer|adjudicator)$`)
)

// wants says what a value must be and is not; "" if it suits.
func (f *ControlField) wants(v string) string {
	number := false
	if _, ok := numberWords[strings.ToLower(v)]; ok || regexp.MustCompile(`^\d+([.,]\d+)?$`).MatchString(v) {
		number = true
	}
	switch {
	case wholeNumber.MatchString(f.Example):
		if !number {
			return "a number"
		}
	case f.Name == "month":
		if !monthName.MatchString(v) {
			return "a month"
		}
	case f.Name == "weekday":
		if !weekdayName.MatchString(v) {
			return "a day of the week"
		}
	case periodLike.MatchString(f.Example):
		if !periodWord.MatchString(v) && !number {
			return "a length of time"
		}
	case f.asksPerson():
		if !strings.ContainsFunc(v, func(r rune) bool { return r > '9' }) {
			return "a person or role"
		}
	}
	return ""
}

func (f *ControlField) asksPerson() bool {
	return answerField.MatchString(f.Default) && !systemField.MatchString(f.Default) || doerName.MatchString(f.Name) || checkerName.MatchString(f.Name)
}

// lintValues holds the values of fields to what they ask for, and who does the
// work apart from who approves it.
func lintValues(o *LintOptions) []Finding {
	if o.Set == nil {
		return nil
	}
	var out []Finding
	people := o.people()
	for _, own := range o.Set.Controls {
		from := o.Library.Control(own.source())
		if from == nil {
			continue
		}
		text := from.Statement
		for _, m := range own.Override {
			if s, ok := m.Value.(string); ok && m.Key == "statement" {
				text = s
			}
		}
		doers := map[string]string{}
		var checkers [][2]string
		for i := range from.Fields {
			f := &from.Fields[i]
			v, state := o.Set.value(own, f)
			if state == FieldOpen || state == FieldProposed || !strings.Contains(text, "{"+f.Name+"}") {
				continue
			}
			add := func(rule, what, hint string) {
				out = append(out, Finding{Rule: rule, Control: own.ID, Serious: true, What: what, Hint: hint})
			}
			want := f.wants(v)
			if want == "" && people[strings.ToLower(v)] && systemField.MatchString(f.Default) && !answerField.MatchString(f.Default) {
				want = "a place or system, not who works in it"
			}
			switch {
			case nobody(v):
				add("placeholder", fmt.Sprintf("field %s says %q", f.Name, v), "say who or what it is; an auditor asks for exactly that")
			case want != "":
				add("mistyped", fmt.Sprintf("field %s says %q, but asks for %s", f.Name, v, want), "answer what the field asks; controls show prints its question")
			case doerName.MatchString(f.Name):
				doers[strings.ToLower(v)] = f.Name
			case checkerName.MatchString(f.Name):
				checkers = append(checkers, [2]string{f.Name, v})
			}
		}
		for _, c := range checkers {
			if doer, same := doers[strings.ToLower(c[1])]; same {
				out = append(out, Finding{
					Rule: "same-person", Control: own.ID, Serious: true, What: fmt.Sprintf("%s and %s are both %q: who does the work approves it", doer, c[0], c[1]),
					Hint: "name another approver, or say what makes up for it",
				})
			}
		}
	}
	return out
}

// people are the values, lower-case, that the set gives where a person is
// asked for.
func (o *LintOptions) people() map[string]bool {
	out := map[string]bool{}
	for _, r := range o.Set.Roles {
		if !blank(r) {
			out[strings.ToLower(strings.TrimSpace(r))] = true
		}
	}
	for _, own := range o.Set.Controls {
		from := o.Library.Control(own.source())
		if from == nil {
			continue
		}
		for i := range from.Fields {
			if v, state := o.Set.value(own, &from.Fields[i]); state != FieldOpen && doerName.MatchString(from.Fields[i].Name) {
				out[strings.ToLower(v)] = true
			}
		}
	}
	return out
}
