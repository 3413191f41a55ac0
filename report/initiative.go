// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/tickmark/tickmark/check"
)

// InitiativeOptions say how Initiative writes.
type InitiativeOptions struct {
	TerminalOptions
	// Inputs is how the inventory came to be, in words.
	Inputs string
	// Warning is said above the figures, such as that a mapping is not reliable.
	Warning string
}

// Initiative writes the outcome of an Azure initiative: for each group
// automated and manual policies apart, what was decided and what was not and
// why, and Azure's own percentage with its date beside the honest split.
func Initiative(w io.Writer, run *check.InitiativeRun, o InitiativeOptions) error {
	p := newPrinter(w, o.TerminalOptions)
	manual, automated, unbound := initiativeTotals(run)
	name := "the assignment"
	if n := run.Assigned.Initiative; n != nil {
		name = n.DisplayName + " " + n.Version
	}
	p.line("", strong("%s", name), quiet(" · %s: %s automated, %s manual · %s", plural(len(run.Policies), "policy", "policies"),
		number(automated), number(manual), plural(len(run.Groups), "group", "groups")))
	p.line(fmt.Sprintf("%s · %s of policy and resource evaluated", o.Inputs, plural(run.Pairs, "pair", "pairs")))
	if o.Warning != "" {
		p.wrap(0, "warning: "+o.Warning)
	}
	p.line("")
	if len(run.Groups) > 0 {
		p.groupTable(run)
	}
	p.policyTable(run)
	p.undecided(run, unbound)
	p.percentages(run)
	return p.flush()
}

func initiativeTotals(run *check.InitiativeRun) (manual, automated, unbound int) {
	for i := range run.Policies {
		switch {
		case run.Policies[i].Manual:
			manual++
		default:
			automated++
		}
		if run.Policies[i].Err != nil {
			unbound++
		}
	}
	return manual, automated, unbound
}

func (p *printer) groupTable(run *check.InitiativeRun) {
	p.line("", strong("group                     automated =  ✗ failing  + ✓ passing  + ? undecided  + ○ met nothing    ✎ manual"))
	onlyManual := 0
	for _, g := range run.Groups {
		if g.Automated == 0 {
			onlyManual++
			continue
		}
		nothing := g.Automated - g.Decided - g.Undecided
		p.line(fmt.Sprintf("%-26s%9d %11d %12d %14d %16d %11d", middle(g.Name, 25), g.Automated, g.Failing, g.Decided-g.Failing, g.Undecided, nothing, g.Manual))
	}
	if onlyManual > 0 {
		p.line(fmt.Sprintf("%s manual policies only: people attest them.", plural(onlyManual, "group has", "groups have")))
	}
	p.line("")
}

// policyTable lists the policies with non-compliant resources, most first.
func (p *printer) policyTable(run *check.InitiativeRun) {
	failing := slices.Clone(run.Policies)
	failing = slices.DeleteFunc(failing, func(s check.PolicySummary) bool { return s.Counts[nonCompliant] == 0 })
	slices.SortStableFunc(failing, func(a, b check.PolicySummary) int { return b.Counts[nonCompliant] - a.Counts[nonCompliant] })
	if len(failing) == 0 {
		p.line("no policy found a non-compliant resource")
		return
	}
	p.line("", strong("non-compliant  compliant  unknown  policy"))
	for i, s := range failing {
		if p.limit > 0 && i >= p.limit {
			p.line(fmt.Sprintf("and %s more: --json holds them, --limit -1 lists them", number(len(failing)-i)))
			break
		}
		p.line("", signOf("fail").span("%13s", number(s.Counts[nonCompliant])),
			plain("  %9s  %7s  %s", number(s.Counts[compliant]), number(s.Counts[unknownState]+s.Counts[errorState]), s.DisplayName))
	}
}

// Indexes into policy.Counts, whose package this one does not import: the
// order is that of policy.State, which a test in check holds.
const (
	unknownState = 0
	nonCompliant = 1
	compliant    = 2
	errorState   = 3
)

// undecided says how many policies could not be decided, by reason.
func (p *printer) undecided(run *check.InitiativeRun, unbound int) {
	reasons := map[string]int{}
	for _, s := range run.Policies {
		if s.Manual {
			continue
		}
		for why := range s.Reasons {
			reasons[why]++
		}
	}
	if len(reasons) == 0 && unbound == 0 {
		return
	}
	p.line("")
	p.line("", strong("why undecided, number of automated policies"))
	for _, why := range slices.SortedFunc(maps.Keys(reasons), func(a, b string) int {
		if reasons[a] != reasons[b] {
			return reasons[b] - reasons[a]
		}
		return strings.Compare(a, b)
	}) {
		p.line("", signOf("unknown").span("?"), plain(" %5d  %s", reasons[why], initiativeReason(why)))
	}
	for _, s := range run.Policies {
		if s.Err != nil {
			p.wrap(2, fmt.Sprintf("? policy %s was not evaluated: %v", s.Reference, firstLine(s.Err.Error())))
		}
	}
}

// initiativeReason says a reason in words.
func initiativeReason(why string) string {
	switch why {
	case "notEvaluableOffline":
		return "the policy judges what is inside a cluster or a network group: not evaluable from objects"
	case "notCollected":
		return "the related type was not read completely; say --complete TYPE where it was"
	case "unknownAlias":
		return "a field of the policy is not in the alias table; give the tenant's with --aliases"
	case "evaluationError":
		return "the rule cannot be evaluated on some object"
	}
	return why
}

func (p *printer) percentages(run *check.InitiativeRun) {
	p.line("")
	new24, ok := run.Resources.Percentage(2024, false)
	old23, _ := run.Resources.Percentage(2023, false)
	if !ok {
		p.line("no resource has a state, so Azure would show no percentage")
		return
	}
	p.wrap(0, fmt.Sprintf("Azure's own figure would be %.0f %% by the formula of 2024 (%.0f %% by that of 2023). It counts unknown and exempt "+
		"resources as good; of the resources here %s non-compliant, %s compliant, %s unknown and %s in error.", new24, old23,
		is(run.Resources[nonCompliant]), is(run.Resources[compliant]), is(run.Resources[unknownState]), is(run.Resources[errorState])))
}

func is(n int) string {
	if n == 1 {
		return "1 is"
	}
	return number(n) + " are"
}

// initiativeJSON is the machine form.
type initiativeJSON struct {
	Schema     string                `json:"schema"`
	Initiative string                `json:"initiative"`
	Version    string                `json:"version"`
	Warning    string                `json:"warning,omitempty"`
	State      string                `json:"state"`
	Pairs      int                   `json:"pairs"`
	Resources  map[string]int        `json:"resources"`
	Azure      map[string]any        `json:"azurePercentage"`
	Groups     []initiativeGroupJSON `json:"groups"`
	Policies   []initiativePolicy    `json:"policies"`
}

type initiativeGroupJSON struct {
	Name      string         `json:"name"`
	State     string         `json:"state"`
	Automated int            `json:"automated"`
	Manual    int            `json:"manual"`
	Failing   int            `json:"failing"`
	Decided   int            `json:"decided"`
	Undecided int            `json:"undecided"`
	Counts    map[string]int `json:"counts"`
}

type initiativePolicy struct {
	Reference   string         `json:"reference"`
	DisplayName string         `json:"displayName"`
	Effect      string         `json:"effect"`
	Manual      bool           `json:"manual"`
	State       string         `json:"state"`
	Groups      []string       `json:"groups"`
	Counts      map[string]int `json:"counts"`
	Reasons     map[string]int `json:"reasons,omitempty"`
	Error       string         `json:"error,omitempty"`
}

// InitiativeSchema names the form of InitiativeJSON's output.
const InitiativeSchema = "tickmark-initiative/1"

// InitiativeJSON writes the outcome of an initiative as JSON.
func InitiativeJSON(w io.Writer, run *check.InitiativeRun, warning string) error {
	out := initiativeJSON{Schema: InitiativeSchema, Warning: warning, State: run.State.String(), Pairs: run.Pairs, Azure: map[string]any{}}
	if n := run.Assigned.Initiative; n != nil {
		out.Initiative, out.Version = n.DisplayName, n.Version
	}
	out.Resources = countsJSON(run.Resources)
	if v, ok := run.Resources.Percentage(2024, false); ok {
		out.Azure["formula2024"] = v
		out.Azure["formula2023"], _ = run.Resources.Percentage(2023, false)
	}
	out.Groups, out.Policies = []initiativeGroupJSON{}, []initiativePolicy{}
	for _, g := range run.Groups {
		out.Groups = append(out.Groups, initiativeGroupJSON{g.Name, g.State.String(), g.Automated, g.Manual, g.Failing, g.Decided, g.Undecided, countsJSON(g.Counts)})
	}
	for _, s := range run.Policies {
		j := initiativePolicy{
			Reference: s.Reference, DisplayName: s.DisplayName, Effect: s.Effect.String(), Manual: s.Manual, State: s.State.String(),
			Groups: append([]string{}, s.Groups...), Counts: countsJSON(s.Counts), Reasons: s.Reasons,
		}
		if s.Err != nil {
			j.Error = s.Err.Error()
		}
		out.Policies = append(out.Policies, j)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(out)
}

// countsJSON names the states that occur.
func countsJSON(c check.StateCounts) map[string]int {
	out := map[string]int{}
	for s, n := range c {
		if n > 0 {
			out[check.StateName(s)] = n
		}
	}
	return out
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}
