// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"
	"hash/maphash"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Finding is what the lint says of a set of controls. It points at wording and
// gaps; whether a control suits the organisation is for people to say.
type Finding struct {
	Rule    string `json:"rule"`
	Control string `json:"control,omitempty"`
	// Criterion is set where the finding is about a criterion.
	Criterion string `json:"criterion,omitempty"`
	What      string `json:"what"`
	Hint      string `json:"hint"`
	// Serious says that an auditor would have to raise it; the rest is advice.
	Serious bool `json:"serious"`
}

// The limits of the lint.
const (
	// MostSimilar is the largest share of shingles that two texts may have in
	// common.
	MostSimilar = 0.60
	// MostBoilerplate is the largest share of an organisation's statements that
	// may stand as the library words them.
	MostBoilerplate = 0.50
	// MostSecurity is how many controls adopting Security alone may yield.
	MostSecurity = 80
)

// vague are phrases that say neither who nor when.
var vague = regexp.MustCompile(`(?i)\b(as needed|as required|as appropriate|where appropriate|when necessary|if necessary|periodic(ally)?|regular(ly)?|on a (periodic|regular|timely) basis|in a timely manner|timely|from time to time|appropriate(ly)?|adequate(ly)?|sufficient(ly)?|best practices?|industry standards?|relevant (personnel|parties|stakeholders)|ensures? compliance|certified|effective(ly)?)\b`)

// claim are words that conclude, where a check may only observe.
var claim = regexp.MustCompile(`(?i)\b(ensur(es?|ing) compliance|guarantee[sd]?|certif(ies|ied)|effective(ly|ness)?)\b`)

// passive statements of the form "access is reviewed" name no actor.
var actor = regexp.MustCompile(`\{[A-Za-z]*([Oo]wner|[Ll]ead|[Mm]anager|[Rr]ole|[Tt]eam|[Oo]fficer|[Aa]pprover|[Rr]eviewer|[Ee]ngineer|[Aa]dmin(istrator)?|[Bb]oard|[Cc]hair|[Ee]xecutive|[Ss]ponsor|[Cc]ontact|[Cc]ommander|[Bb]ody)[A-Za-z]*\}|\b(Azure Policy|Conditional Access|Microsoft Entra ID|Defender|the pipeline|the gateway|Key Vault|Intune|management|engineers?|developers?|the board)\b`)

var cadence = map[string]*regexp.Regexp{
	"daily":      regexp.MustCompile(`(?i)\b(daily|every (business |working )?day|each (business |working )?day|24 hours|nightly|every night)\b|\{cadence`),
	"weekly":     regexp.MustCompile(`(?i)\b(weekly|every week|each week|once a week|(mon|tues|wednes|thurs|fri)day)\b|\{(cadence|weekday)`),
	"monthly":    regexp.MustCompile(`(?i)\b(monthly|every month|each month|once a month|month end|last month)\b|\{cadence`),
	"quarterly":  regexp.MustCompile(`(?i)\b(quarterly|every quarter|each quarter|once a quarter|calendar quarter|per quarter)\b|\{cadence`),
	"semiannual": regexp.MustCompile(`(?i)\b(semi-?annual(ly)?|twice a year|every six months|half-year(ly)?|each half|two times a year)\b|\{cadence`),
	"annual":     regexp.MustCompile(`(?i)\b(annual(ly)?|every year|each year|once a year|yearly|per year|every (twelve|12) months|fiscal year|calendar year|review month)\b|\{(cadence|month)`),
}

// rank orders frequencies from often to seldom; event and continuous have no
// place in it.
var rank = map[string]int{"daily": 1, "weekly": 2, "monthly": 3, "quarterly": 4, "semiannual": 5, "annual": 6}

// LintOptions say how to judge a set of controls.
type LintOptions struct {
	// Categories are those that the set is for; empty means all five.
	Categories []string
	// Library is the library whose wording counts as boilerplate; nil when the
	// library itself is judged.
	Library *Library
	// Criteria are the criteria that exist.
	Criteria []Criterion
	// NotApplicable are criteria that the organisation excuses, with reasons.
	NotApplicable []Excused
	// Set is the set that the controls were made from; its own values are held
	// to what the library's fields ask for.
	Set *ControlSet
}

// Lint judges a set of controls: wording, populations, evidence, coverage of
// the criteria and repetition. Findings come in a stable order.
func Lint(controls []*Control, o LintOptions) []Finding {
	if len(o.Categories) == 0 {
		o.Categories = categories
	}
	var out []Finding
	for _, k := range controls {
		for _, f := range lintControl(k) {
			if f.Rule == "no-actor" && (filled(k, &o) || o.namesRole(k)) {
				continue
			}
			out = append(out, f)
		}
	}
	out = append(out, lintCoverage(controls, o)...)
	out = append(out, lintRepetition(controls)...)
	if o.Library != nil {
		out = append(out, lintContent(controls, &o)...)
		out = append(out, lintValues(&o)...)
		out = append(out, lintBoilerplate(controls, o.Library)...)
	}
	return out
}

// filled reports whether a statement is the library's with its fields filled
// in: its actor is then whoever stands where the field was. One that the
// organisation words itself names its actor itself.
func filled(k *Control, o *LintOptions) bool {
	if o.Library == nil {
		return false
	}
	from := o.Library.Control(k.ID)
	if own := o.own(k.ID); own != nil {
		if from = o.Library.Control(own.source()); own.overrides("statement") {
			return false
		}
	}
	return from != nil && actor.MatchString(from.Statement) && ShinglesOf(k.Statement).Jaccard(ShinglesOf(placeholder.ReplaceAllString(from.Statement, " "))) > 0.1
}

func lintControl(k *Control) []Finding {
	var out []Finding
	add := func(rule string, serious bool, what, hint string) {
		out = append(out, Finding{Rule: rule, Control: k.ID, What: what, Hint: hint, Serious: serious})
	}
	if m := vague.FindString(k.Statement); m != "" {
		add("vague", true, fmt.Sprintf("the statement says %q", m), "say who does what, when, where, so that two people would test the same thing")
	}
	if !actor.MatchString(k.Statement) {
		add("no-actor", true, "the statement names nobody who acts", "name the role, or the service that acts by itself")
	}
	if re := cadence[k.Frequency]; re != nil && !re.MatchString(k.Statement) {
		add("no-cadence", true, fmt.Sprintf("the frequency is %s, but the statement does not say so", k.Frequency), "say when it is done; a test counts instances by it")
	}
	if k.Population.Of == "" || k.Population.Complete == "" {
		add("no-population", true, "the population, or how it is shown to be complete, is missing", "say which items the control must handle and which list proves that none is missing")
	}
	if len(k.Evidence) == 0 {
		add("no-evidence", true, "no evidence is named", "say what the control leaves behind and where")
	}
	if a := rank[k.Frequency]; a > 0 && len(k.Evidence) > 0 && !slices.ContainsFunc(k.Evidence, func(e EvidenceNeed) bool {
		b, ranked := rank[e.Cadence]
		return !ranked || b <= a
	}) {
		add("cadence", true, fmt.Sprintf("the control is %s, but no evidence comes that often", k.Frequency), "evidence of each instance is needed, or the frequency is not what it says")
	}
	lintTolerance(k, add)
	if len(k.Criteria) == 0 {
		add("no-criterion", true, "the control answers no criterion of the chosen categories", "map it to one, choose the category, or drop the control")
	}
	if words := len(strings.Fields(k.Statement)); words < 12 || words > 140 {
		add("length", false, fmt.Sprintf("the statement has %d words", words), "say it in 2 to 4 sentences")
	}
	return out
}

// lintCoverage holds the set to the criteria: each needs a direct control. What
// a provider does in an area (csoc) answers no criterion by itself: a control
// that says so directly does, and only together with one that monitors the
// provider.
func lintCoverage(controls []*Control, o LintOptions) []Finding {
	direct, named := map[string]int{}, map[string]int{}
	monitors, security := false, 0
	for _, k := range controls {
		if slices.Contains(k.Categories, "security") {
			security++
		}
		monitors = monitors || k.Monitors != ""
		for _, c := range k.Criteria {
			named[c.Code]++
			if c.Link == "direct" {
				direct[c.Code]++
			}
		}
	}
	var out []Finding
	for _, c := range o.Criteria {
		excused := slices.ContainsFunc(o.NotApplicable, func(x Excused) bool { return x.Criterion == c.Code && !blank(x.Why) })
		if !slices.Contains(o.Categories, c.Category) || excused || direct[c.Code] > 0 {
			continue
		}
		what := "no control answers the criterion"
		if named[c.Code] > 0 {
			what = "only supporting controls answer the criterion"
		}
		out = append(out, Finding{
			Rule: "uncovered", Criterion: c.Code, What: what, Serious: true,
			Hint: "adopt a control with a direct link; what a provider does needs one of your own that monitors the provider",
		})
	}
	for _, k := range controls {
		if len(k.CSOC) > 0 && !monitors {
			out = append(out, Finding{
				Rule: "unmonitored", Control: k.ID, Serious: true, What: "the control relies on a provider (" + strings.Join(k.CSOC, ", ") + "), and no control of the set monitors one",
				Hint: "adopt a control that monitors the provider: its report, its exceptions, what it leaves to you",
			})
		}
	}
	known := map[string]bool{}
	for _, c := range o.Criteria {
		known[c.Code] = true
	}
	for _, k := range controls {
		for _, c := range k.Criteria {
			if len(known) > 0 && !known[c.Code] {
				out = append(out, Finding{Rule: "unknown-criterion", Control: k.ID, Criterion: c.Code, What: fmt.Sprintf("criterion %q does not exist", c.Code), Hint: "use one of the 61 codes", Serious: true})
			}
		}
	}
	if security > MostSecurity {
		out = append(out, Finding{Rule: "too-many", What: fmt.Sprintf("%d controls for Security alone", security), Hint: fmt.Sprintf("more than %d cost more to operate and test than they prove; merge those that act on the same population", MostSecurity)})
	}
	return out
}

// lintRepetition finds controls that say the same: a duplicate, or a template.
func lintRepetition(controls []*Control) []Finding {
	parts := []struct {
		rule, name string
		text       func(*Control) string
	}{
		{"same-statement", "statement", func(k *Control) string { return k.Statement }},
		{"same-design-test", "design test", func(k *Control) string { return steps(k.Design) }},
		{"same-operating-test", "operating test", func(k *Control) string { return steps(k.Operating) }},
	}
	var out []Finding
	for _, p := range parts {
		sets := make([]Shingles, len(controls))
		for i, k := range controls {
			sets[i] = ShinglesOf(p.text(k))
		}
		for i, a := range controls {
			for j := i + 1; j < len(controls); j++ {
				if share := sets[i].Jaccard(sets[j]); share > MostSimilar {
					out = append(out, Finding{
						Rule: p.rule, Control: a.ID, Serious: true,
						What: fmt.Sprintf("the %s is %.0f %% the same as that of %s", p.name, 100*share, controls[j].ID),
						Hint: "merge the two, or say what each does for its own subject",
					})
				}
			}
		}
	}
	return out
}

func steps(list []TestStep) string {
	var b strings.Builder
	for _, s := range list {
		b.WriteString(s.Step)
		b.WriteByte(' ')
	}
	return b.String()
}

// lintBoilerplate measures how much of a set stands as the library words it.
func lintBoilerplate(controls []*Control, l *Library) []Finding {
	var sets []Shingles
	for _, k := range l.Controls {
		sets = append(sets, ShinglesOf(placeholder.ReplaceAllString(k.Statement, " ")))
	}
	same := 0
	var out []Finding
	for _, k := range controls {
		s := ShinglesOf(placeholder.ReplaceAllString(k.Statement, " "))
		if slices.ContainsFunc(sets, func(t Shingles) bool { return s.Jaccard(t) > MostSimilar }) {
			same++
		}
		if m := placeholder.FindString(k.Statement); m != "" {
			out = append(out, Finding{Rule: "unfilled", Control: k.ID, What: m + " was not filled in", Hint: "say it for your organisation", Serious: true})
		}
	}
	if len(controls) > 0 && float64(same) > MostBoilerplate*float64(len(controls)) {
		out = append(out, Finding{
			Rule: "boilerplate", What: fmt.Sprintf("%d of %d statements stand as the library words them", same, len(controls)),
			Hint: "describe what you do; an auditor tests the words, and yours are easier to meet",
		})
	}
	return out
}

// LintOver lists the serious findings that a library with overrides has and
// the one below it has not: what the overrides bring in.
func (l *Library) LintOver(base *Library) []Finding {
	type key struct{ rule, control, criterion string }
	o := LintOptions{Criteria: l.catalog.Criteria, Library: base}
	had := map[key]bool{}
	for _, f := range Lint(base.Controls, o) {
		had[key{f.Rule, f.Control, f.Criterion}] = true
	}
	var out []Finding
	for _, f := range Lint(l.Controls, o) {
		own := l.Override("control", f.Control) != nil && l.Override("control", f.Control).Own()
		if f.Rule == "no-actor" && own && role.MatchString(l.Control(f.Control).Statement) {
			continue // the library leaves the actor to a field; an organisation names its role
		}
		if f.Serious && !had[key{f.Rule, f.Control, f.Criterion}] && (f.Rule != "unfilled" || own) {
			out = append(out, f)
		}
	}
	return out
}

// shingleWords is how many words in a row make a shingle.
const shingleWords = 5

var shingleSeed = maphash.MakeSeed()

// Shingles is the set of runs of five words of a text, without regard to case
// and punctuation. A text of fewer words is one shingle.
type Shingles map[uint64]struct{}

// ShinglesOf makes the set of a text.
func ShinglesOf(text string) Shingles {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	s := Shingles{}
	if len(words) == 0 {
		return s
	}
	for i := 0; i == 0 || i+shingleWords <= len(words); i++ {
		s[maphash.String(shingleSeed, strings.Join(words[i:min(i+shingleWords, len(words))], " "))] = struct{}{}
	}
	return s
}

// Jaccard is the share of shingles that two sets have in common: 0 when either
// is empty, 1 when they are the same.
func (s Shingles) Jaccard(t Shingles) float64 {
	if len(s) == 0 || len(t) == 0 {
		return 0
	}
	if len(t) < len(s) {
		s, t = t, s
	}
	both := 0
	for k := range s {
		if _, ok := t[k]; ok {
			both++
		}
	}
	return float64(both) / float64(len(s)+len(t)-both)
}
