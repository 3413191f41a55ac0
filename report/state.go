// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
)

// sign is how one state looks and reads everywhere: a mark, a word and a
// colour, so that a state is never told by colour alone.
type sign struct {
	name  string // as in JSON, CSS classes and URLs
	mark  string
	word  string
	color string // SGR parameters for the terminal
	means string
}

// signs is the one grammar for state, in the order in which bars are drawn.
var signs = []sign{
	{"fail", "✗", "fail", "1;31", "observed, and not as expected: act"},
	{"unknown", "?", "unknown", "33", "we did not see; the reason says why, and what to do next"},
	{"pass", "✓", "pass", "32", "every deciding value was observed and is as expected"},
	{"exempt", "⊘", "exempt", "35", "a person decided; it stays in the population"},
	{"noResource", "○", "no resource", "2", "read completely, and nothing is there to judge; never a pass"},
	{"manual", "✎", "people decide", "34", "in this assessment no check speaks, or only passing ones that support it; people's evidence decides"},
	{"notApplicable", "–", "not applicable", "2", "observed not to be a subject of the check"},
	{"changed", "~", "changed, unobserved", "33", "between two observations something happened; an assessment of one snapshot never shows it"},
}

// signOf returns the sign with the given name. A name that is not in the
// grammar shows as unknown, the one reading that claims nothing.
func signOf(name string) sign {
	for _, s := range signs {
		if s.name == name {
			return s
		}
	}
	return signs[1]
}

func stateSign(s check.State) sign        { return signOf(string(s)) }
func verdictSign(v tickmark.Verdict) sign { return signOf(v.String()) }

// verdictOrder is the order in which results are shown: what needs an act
// first, the least loud last.
var verdictOrder = []tickmark.Verdict{
	tickmark.Fail, tickmark.Unknown, tickmark.Exempt, tickmark.Pass, tickmark.NotApplicable,
}

// stateOrder lists the roll-up states, worst first.
var stateOrder = []check.State{
	check.StateFail, check.StateUnknown, check.StatePass, check.StateExempt, check.StateNoResource, check.StateManual,
}

// countOf returns the count of one verdict.
func countOf(c check.Counts, v tickmark.Verdict) int {
	switch v {
	case tickmark.Fail:
		return c.Fail
	case tickmark.Unknown:
		return c.Unknown
	case tickmark.Pass:
		return c.Pass
	case tickmark.Exempt:
		return c.Exempt
	case tickmark.NotApplicable:
		return c.NotApplicable
	}
	return 0
}

// share is one part of a stacked bar.
type share struct {
	sign  sign
	count int
}

// shares lists the counts that are not zero, in the order of the grammar.
func shares(count map[string]int) []share {
	var out []share
	for _, s := range signs {
		if n := count[s.name]; n > 0 {
			out = append(out, share{s, n})
		}
	}
	return out
}

// verdictShares lists the counts of c that are not zero.
func verdictShares(c check.Counts) []share {
	m := map[string]int{}
	for _, v := range verdictOrder {
		m[v.String()] = countOf(c, v)
	}
	return shares(m)
}

// criterionShares counts the checks of one criterion by state.
func criterionShares(c check.CriterionSummary) []share {
	return shares(map[string]int{
		"fail": c.Fail, "unknown": c.Unknown, "pass": c.Pass, "exempt": c.Exempt, "noResource": c.NoResource,
	})
}

// automationText says in words how closely checks bear on a criterion.
func automationText(automation string) string {
	switch automation {
	case "direct":
		return "direct: at least one check bears on the criterion itself"
	case "supporting":
		return "supporting: checks support the criterion without bearing on it directly"
	case "none":
		return "none: no check bears on it"
	}
	return automation
}

// linkText lists criteria with their links, "CC6.1 (direct), CC6.6 (supporting)".
func linkText(links []catalog.CriterionLink) string {
	out := make([]string, len(links))
	for i, l := range links {
		out[i] = l.Code + " (" + l.Link + ")"
	}
	return strings.Join(out, ", ")
}

// witnessText names the logs and operations that would reveal a change.
func witnessText(w []catalog.Witness) string {
	if len(w) == 0 {
		return "none: a change between two observations would not be seen"
	}
	out := make([]string, len(w))
	for i, x := range w {
		out[i] = x.Log + ": " + strings.Join(x.Operations, ", ")
	}
	return strings.Join(out, "; ")
}

// nothingMet says why a check has no result.
func nothingMet(s check.Summary) string {
	if s.Retired {
		return "What this check looks at is retired, so it was not run. That is not a pass."
	}
	switch {
	case s.Cut == tickmark.ReasonNone:
		return "What was read is complete for these types and holds nothing to judge. That is not a pass."
	case s.Counts.Total() > 0:
		return "Nothing that was read is a subject of this check, and whether there is one elsewhere is not known: " + s.Cut.Text() + ". That is not a pass."
	}
	return "Nothing of these types was read, and whether there is any is not known: " + s.Cut.Text() + ". That is not a pass."
}

// met is the word that stands where a check has no results.
func met(s check.Summary) string {
	switch {
	case s.Retired:
		return "retired"
	case s.Cut == tickmark.ReasonNotRead:
		return "not read"
	case s.Cut != tickmark.ReasonNone:
		return "not known"
	}
	return "no resource"
}

// totals are the sums that every form of the report opens with.
type totals struct {
	resources, summaries, implied, judged int
	incomplete                            int
	results                               check.Counts
	checks                                map[string]int // by state
	criteria                              map[string]int // by state
	reasons                               []reasonCount
}

type reasonCount struct {
	reason tickmark.Reason
	count  int
}

func totalsOf(a *check.Assessment) totals {
	t := totals{checks: map[string]int{}, criteria: map[string]int{}}
	for _, c := range a.Types {
		t.resources += c.Resources
		t.summaries += c.Summaries
		t.implied += c.Implied
		if c.Checks > 0 {
			t.judged++
		}
	}
	for _, c := range a.Coverage {
		if c.Missing != tickmark.ReasonNone {
			t.incomplete++
		}
	}
	reasons := make(map[tickmark.Reason]int)
	for _, s := range a.Checks {
		t.checks[string(s.State)]++
		t.results.Fail += s.Counts.Fail
		t.results.Pass += s.Counts.Pass
		t.results.Unknown += s.Counts.Unknown
		t.results.Exempt += s.Counts.Exempt
		t.results.NotApplicable += s.Counts.NotApplicable
		for r, n := range s.Reasons {
			reasons[r] += n
		}
	}
	for _, c := range a.Criteria {
		t.criteria[string(c.State)]++
	}
	t.reasons = sortedReasons(reasons)
	return t
}

// sortedReasons orders by count, the largest first, then by word.
func sortedReasons(m map[tickmark.Reason]int) []reasonCount {
	var out []reasonCount
	for r, n := range m {
		if n > 0 {
			out = append(out, reasonCount{r, n})
		}
	}
	slices.SortFunc(out, func(x, y reasonCount) int {
		return cmp.Or(cmp.Compare(y.count, x.count), cmp.Compare(x.reason, y.reason))
	})
	return out
}

// worstChecks returns the indexes of the checks in state s, the most severe
// first, then those with the most resources in that state, then by id.
func worstChecks(a *check.Assessment, s check.State) []int {
	var out []int
	for i, c := range a.Checks {
		if c.State == s {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(x, y int) int {
		cx, cy := a.Checks[x], a.Checks[y]
		return cmp.Or(
			cmp.Compare(cy.Check.Severity, cx.Check.Severity),
			cmp.Compare(cy.Counts.Fail, cx.Counts.Fail),
			cmp.Compare(cy.Counts.Unknown, cx.Counts.Unknown),
			cmp.Compare(cx.Check.ID, cy.Check.ID))
	})
	return out
}

// family is a group of criteria as people speak of them.
type family struct {
	code, title string
	members     []int // indexes into Assessment.Criteria
}

// familyTitle names the families in our own words.
var familyTitle = []family{
	{code: "CC1", title: "People and oversight"},
	{code: "CC2", title: "Information"},
	{code: "CC3", title: "Risks"},
	{code: "CC4", title: "Monitoring"},
	{code: "CC5", title: "Control design"},
	{code: "CC6", title: "Access"},
	{code: "CC7", title: "Operations"},
	{code: "CC8", title: "Change"},
	{code: "CC9", title: "Disruption and vendors"},
	{code: "A", title: "Availability"},
	{code: "PI", title: "Processing integrity"},
	{code: "C", title: "Confidentiality"},
	{code: "P", title: "Privacy"},
}

// familyCode maps "CC6.1" to "CC6" and "PI1.3" to "PI": the common criteria
// are spoken of by number, the others by category.
func familyCode(criterion string) string {
	code, _, _ := strings.Cut(criterion, ".")
	if strings.HasPrefix(code, "CC") {
		return code
	}
	return strings.TrimRight(code, "0123456789")
}

// families groups the assessment's criteria. A code of no known family forms
// its own, at the end, so that none is dropped.
func families(a *check.Assessment) []family {
	out := slices.Clone(familyTitle)
	for i, c := range a.Criteria {
		code := familyCode(c.Criterion.Code)
		at := slices.IndexFunc(out, func(f family) bool { return f.code == code })
		if at < 0 {
			out = append(out, family{code: code})
			at = len(out) - 1
		}
		out[at].members = append(out[at].members, i)
	}
	return slices.DeleteFunc(out, func(f family) bool { return len(f.members) == 0 })
}

// nextStep says what the reader can do about results that are unknown for r,
// short enough to stand beside the reason on a line of 80 columns.
func nextStep(r tickmark.Reason) string {
	switch r {
	case tickmark.ReasonNone:
		return ""
	case tickmark.ReasonSummary:
		return "export the objects whole: tickmark export-script"
	case tickmark.ReasonNotCollected, tickmark.ReasonImplied:
		return "collect or export that type (--complete TYPE)"
	case tickmark.ReasonTruncated:
		return "export to the last page: tickmark export-script"
	case tickmark.ReasonRedacted:
		return "have a person look; secret values are not kept"
	case tickmark.ReasonNotPermitted:
		return "grant the check's permission, then read again"
	case tickmark.ReasonNoLicence:
		return "license it, or record what is done instead"
	case tickmark.ReasonThrottled:
		return "read again later; the source limited requests"
	case tickmark.ReasonStale:
		return "read again; the observation is too old"
	case tickmark.ReasonUnparsable:
		return "see --show problems, then export again"
	case tickmark.ReasonConflicting:
		return "give one export of the object, not two"
	case tickmark.ReasonEvaluationError:
		return "see --show check ID; the rule may be at fault"
	case tickmark.ReasonUnknownAlias:
		return "use a newer catalogue, or report the field"
	case tickmark.ReasonPlanTime:
		return "assess the resource once it is deployed"
	case tickmark.ReasonScopeUnknown:
		return "give the management groups above the scope"
	case tickmark.ReasonUnfamiliar:
		return "have a person read the object; use a newer release"
	case tickmark.ReasonSchema:
		return "export the object whole; else use a newer release"
	case tickmark.ReasonUnmatched:
		return "compare the keys of the two lists (check's joins)"
	case tickmark.ReasonNotOffered:
		return "nothing; show by other means how it is covered"
	case tickmark.ReasonDeclined:
		return "declared not in use; renew it before it ends"
	case tickmark.ReasonExcluded:
		return "collect that scope, too, or keep the reason ready"
	case tickmark.ReasonNotNamed:
		return "name that scope, too, if the population has it"
	case tickmark.ReasonNotRead:
		return "read its source: --show not-read says how"
	case tickmark.ReasonNeedsPeople:
		return "collect people's evidence; no export decides"
	}
	return "see --show unknown"
}
