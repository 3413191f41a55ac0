// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/tickmark/tickmark/policy"
)

// evaluation is the states of an assignment over a population.
type evaluation struct {
	x        *policy.Assigned
	pop      *population
	statuses []explained
	summary  policy.Summary
}

type explained struct {
	policy.Status
	why policy.Explanation
	// unbound says that the policy itself cannot be evaluated, which is told
	// once and not for every resource.
	unbound bool
}

// evaluate takes every policy over every resource of the types it can apply
// to, in the order of the assignment, then of the inventory.
func evaluate(x *policy.Assigned, pop *population) *evaluation {
	out := &evaluation{x: x, pop: pop}
	roller := policy.NewRoller(x)
	ev := &policy.Evaluator{Env: pop.env}
	x.EvaluateAll(ev, pop.ptrs, func(i int, s policy.Status) {
		roller.Add(s)
		e := explained{Status: s, unbound: x.Members[i].Err != nil}
		if p := x.Members[i].Policy; p != nil && s.State != policy.Exempt {
			e.why = ev.Explain(p.For(s.Resource.Type), s.Resource, s.Outcome)
		}
		out.statuses = append(out.statuses, e)
	})
	out.summary = roller.Summary()
	return out
}

// stateJSON is one status in the JSON output.
type stateJSON struct {
	Policy    string      `json:"policyDefinitionReferenceId,omitempty"`
	Resource  string      `json:"resource"`
	Type      string      `json:"type"`
	State     string      `json:"state"`
	Azure     string      `json:"azureState"`
	Reason    string      `json:"reason,omitempty"`
	Why       *reasonJSON `json:"why,omitempty"`
	Message   string      `json:"message,omitempty"`
	Exemption string      `json:"exemption,omitempty"`
	Warning   string      `json:"warning,omitempty"`
}

type reasonJSON struct {
	Reason    string `json:"reason,omitempty"`
	Condition string `json:"condition,omitempty"`
	Field     string `json:"field,omitempty"`
	Path      string `json:"path,omitempty"`
	Operator  string `json:"operator,omitempty"`
	Current   string `json:"currentValue,omitempty"`
	Target    string `json:"targetValue,omitempty"`
	Related   string `json:"related,omitempty"`
}

type percentJSON struct {
	Formula string  `json:"formula"`
	Percent float64 `json:"percent"`
}

type evaluationJSON struct {
	Assignment string            `json:"assignment"`
	Definition string            `json:"definition"`
	Resources  int               `json:"resourcesRead"`
	State      string            `json:"state"`
	States     []stateJSON       `json:"states"`
	Pairs      map[string]int    `json:"pairs"`
	Distinct   map[string]int    `json:"resources"`
	Azure      []percentJSON     `json:"azurePercentage"`
	Policies   map[string]string `json:"policies,omitempty"`
	Groups     map[string]string `json:"groups,omitempty"`
	NotBound   map[string]string `json:"notEvaluated,omitempty"`
	Problems   []string          `json:"problems"`
}

func (e *evaluation) json(all bool) evaluationJSON {
	out := evaluationJSON{
		Assignment: e.x.Assignment.ID, Definition: e.x.Assignment.DefinitionID, Resources: e.pop.read,
		State: e.summary.State.String(), States: []stateJSON{}, Pairs: counts(e.summary.Statuses), Distinct: counts(e.summary.Resources),
		Azure: e.percentages(), Policies: words(e.summary.Policies), Groups: words(e.summary.Groups), NotBound: map[string]string{}, Problems: []string{},
	}
	for _, s := range e.statuses {
		if (s.State == policy.Compliant || s.unbound) && !all {
			continue
		}
		j := stateJSON{
			Policy: s.Reference, Resource: s.Resource.ID, Type: s.Resource.Type, State: s.State.String(), Azure: s.Azure.String(),
			Reason: s.Reason, Message: s.Message, Exemption: s.Exemption, Warning: s.Warning,
		}
		if w := s.why; w != (policy.Explanation{}) {
			j.Why = &reasonJSON{w.Reason, w.Condition, w.Field, w.Path, w.Operator.String(), w.Current, w.Target, w.Related}
		}
		out.States = append(out.States, j)
	}
	for _, m := range e.x.Members {
		if m.Err != nil {
			out.NotBound[m.Reference] = firstLine(m.Err)
		}
	}
	for _, p := range e.pop.problems {
		out.Problems = append(out.Problems, p.Input+": "+p.What)
	}
	return out
}

func counts(c policy.Counts) map[string]int {
	out := map[string]int{}
	for s, n := range c {
		if n > 0 {
			out[policy.State(s).String()] = n
		}
	}
	return out
}

func words(m map[string]policy.State) map[string]string {
	out := map[string]string{}
	for k, s := range m {
		if k != "" {
			out[k] = s.String()
		}
	}
	return out
}

// percentages are Azure's own figures by both published formulas.
func (e *evaluation) percentages() []percentJSON {
	var out []percentJSON
	for _, f := range []struct {
		name      string
		year      int
		protected bool
	}{
		{"2023: (compliant + exempt + unknown) / (those + noncompliant + conflicting)", 2023, false},
		{"2024: as 2023, with error below the line", 2024, false},
		{"2024: with protected above and below the line", 2024, true},
	} {
		if p, ok := e.summary.Resources.Percentage(f.year, f.protected); ok {
			out = append(out, percentJSON{f.name, p})
		}
	}
	return out
}

// mark is the sign of a state, with the word beside it wherever it is shown.
func mark(s policy.State) string {
	switch s {
	case policy.Compliant:
		return "✓"
	case policy.NonCompliant:
		return "✗"
	case policy.Unknown, policy.Error, policy.Conflicting:
		return "?"
	case policy.Exempt:
		return "~"
	case policy.Protected, policy.NotApplicable:
	}
	return "·"
}

func (e *evaluation) print(w io.Writer, all bool) error {
	reference := "\x00"
	hidden, unbound := 0, map[string]int{}
	for _, s := range e.statuses {
		if s.unbound {
			unbound[s.Reference]++
			continue
		}
		if s.State == policy.Compliant && !all {
			hidden++
			continue
		}
		if s.Reference != reference && s.Reference != "" {
			fmt.Fprintf(w, "%s\n", e.title(s.Reference))
		}
		reference = s.Reference
		printStatus(w, &s)
	}
	if hidden > 0 {
		fmt.Fprintf(w, "%d compliant pairs are not listed; --all lists them\n", hidden)
	}
	for _, m := range e.x.Members {
		if m.Err != nil {
			fmt.Fprintf(w, "? %s cannot be evaluated, so %s Unknown: %s\n", e.title(m.Reference), count(unbound[m.Reference], "resource is", "resources are"), firstLine(m.Err))
		}
	}
	for _, p := range e.pop.problems {
		fmt.Fprintf(w, "not read: %s: %s\n", p.Input, p.What)
	}
	return e.printSummary(w)
}

// title names a policy of an initiative.
func (e *evaluation) title(reference string) string {
	for _, m := range e.x.Members {
		if m.Reference == reference && m.Policy != nil && m.Policy.Definition.DisplayName != "" {
			return fmt.Sprintf("%s (%s)", m.Policy.Definition.DisplayName, reference)
		}
	}
	return reference
}

func printStatus(w io.Writer, s *explained) {
	id := s.Resource.ID
	if id == "" {
		id = s.Resource.Type + " " + s.Resource.Name
	}
	fmt.Fprintf(w, "  %s %s  %s\n", mark(s.State), s.State, id)
	y := s.why
	if y.Reason == "" {
		y.Reason = s.Reason
	}
	if y.Reason != "" {
		fmt.Fprintf(w, "      %s\n", strings.ReplaceAll(y.Reason, "\n", "\n      "))
	}
	if y.Field != "" && s.State != policy.Compliant {
		fmt.Fprintf(w, "      field %s", y.Field)
		if y.Path != "" && !strings.EqualFold(y.Path, y.Field) {
			fmt.Fprintf(w, " (%s)", y.Path)
		}
		fmt.Fprintf(w, "\n      current value %s, target value %s\n", y.Current, y.Target)
	}
	for _, x := range []struct{ label, text string }{{"nearest", y.Related}, {"message", s.Message}, {"exemption", s.Exemption}, {"warning", s.Warning}} {
		if x.text != "" {
			fmt.Fprintf(w, "      %s: %s\n", x.label, x.text)
		}
	}
	if s.Azure != s.State {
		fmt.Fprintf(w, "      Azure's state: %s\n", s.Azure)
	}
}

func (e *evaluation) printSummary(w io.Writer) error {
	fmt.Fprintf(w, "\n%s read", count(e.pop.read, "resource", "resources"))
	if n := len(e.pop.list) - e.pop.read; n > 0 {
		fmt.Fprintf(w, " and %d known only by their ids", n)
	}
	fmt.Fprintf(w, ". State of the assignment: %s\n", e.summary.State)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "state\tpairs\tresources")
	for _, s := range []policy.State{policy.NonCompliant, policy.Compliant, policy.Error, policy.Conflicting, policy.Protected, policy.Exempt, policy.Unknown} {
		if e.summary.Statuses[s] > 0 {
			fmt.Fprintf(t, "%s %s\t%d\t%d\n", mark(s), s, e.summary.Statuses[s], e.summary.Resources[s])
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(e.summary.Groups) > 0 {
		fmt.Fprintln(w, "\ngroups")
		for _, g := range slices.Sorted(maps.Keys(e.summary.Groups)) {
			s := e.summary.Groups[g]
			fmt.Fprintf(w, "  %s %s  %s\n", mark(s), g, s)
		}
	}
	for _, p := range e.percentages() {
		fmt.Fprintf(w, "Azure's percentage, %s: %.1f\n", p.Formula, p.Percent)
	}
	return nil
}
