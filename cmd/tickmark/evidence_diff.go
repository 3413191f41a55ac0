// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/history"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/store"
)

type snapshotDiffCommand struct {
	dataFlags
	From  string `arg:"" optional:"" default:"previous" help:"A snapshot's id, latest or previous."`
	To    string `arg:"" optional:"" default:"latest" help:"A snapshot's id, latest or previous."`
	Limit int    `help:"Resources named of each type, and of each change of verdict; --limit=-1 for all. Without it, all if there are few, else their numbers." default:"0"`
	JSON  bool   `help:"Print JSON, which holds all."`
}

// fewChanges is how many resources, or verdicts, are listed one by one unless
// --limit says otherwise: more are counted by type, or by check.
const fewChanges = 25

// Run compares two snapshots.
func (c *snapshotDiffCommand) Run(rc *runContext) error {
	return c.with(rc, func(s *store.Store) error {
		d, err := s.Diff(rc.Context, c.From, c.To)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(rc, d)
		}
		fmt.Fprintf(rc.Out, "From %s (observed %s) to %s (observed %s):\n%s only in the later one, %d only in the earlier one, %d changed; %s\n",
			d.From.ID, minute(d.From.ObservedAt), d.To.ID, minute(d.To.ObservedAt), count(len(d.Added), "resource", "resources"), len(d.Removed), len(d.Changed),
			count(len(d.Verdicts), "verdict differs", "verdicts differ"))
		cut, err := c.resources(rc, d)
		if err != nil {
			return err
		}
		more, err := c.verdicts(rc, d.Verdicts)
		if err == nil && (cut || more) {
			fmt.Fprintln(rc.Out, "\nNot all are named: --limit=-1 names every one, --json holds them.")
		}
		return err
	})
}

// typeChanges are the resources of one type that differ, by mark.
type typeChanges struct {
	name  string
	names map[string][]string // "+", "-" and "~"
}

func (t *typeChanges) total() int { return len(t.names["+"]) + len(t.names["-"]) + len(t.names["~"]) }

// byType groups the resources that differ; the types with most come first.
func byType(d *history.Difference) []*typeChanges {
	index := map[string]*typeChanges{}
	var out []*typeChanges
	for _, g := range []struct {
		mark  string
		names []string
	}{{"+", d.Added}, {"-", d.Removed}, {"~", d.Changed}} {
		for _, n := range g.names {
			typ := typeOfName(n)
			t := index[typ]
			if t == nil {
				t = &typeChanges{name: typ, names: map[string][]string{}}
				index[typ] = t
				out = append(out, t)
			}
			t.names[g.mark] = append(t.names[g.mark], n)
		}
	}
	slices.SortFunc(out, func(a, b *typeChanges) int {
		return cmp.Or(cmp.Compare(b.total(), a.total()), strings.Compare(a.name, b.name))
	})
	return out
}

// typeOfName is the type of a resource as a difference names it: records stand
// behind their type, resources of Azure have it in their id, and what has no id
// is named by the file that holds it.
func typeOfName(name string) string {
	typ, _, ok := strings.Cut(name, " ")
	if !strings.HasPrefix(name, "/") {
		if ok && inventory.IsRecord(typ) {
			return typ
		}
		file, _, _ := strings.Cut(name, ", item ")
		return "in " + file
	}
	if typ = inventory.TypeOfID(name); typ == "" {
		return "other ids"
	}
	if c, err := catalog.Default(); err == nil { // its spelling, where it is known
		if t := c.Type(typ); t != nil {
			return t.Name
		}
	}
	return typ
}

// resources lists what appeared, went and changed, by type.
func (c *snapshotDiffCommand) resources(rc *runContext, d *history.Difference) (cut bool, err error) {
	groups := byType(d)
	if len(groups) == 0 {
		return false, nil
	}
	limit := c.Limit
	if limit == 0 && len(d.Added)+len(d.Removed)+len(d.Changed) <= fewChanges {
		limit = -1
	}
	fmt.Fprintln(rc.Out)
	t := tabwriter.NewWriter(rc.Out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "later only\tearlier only\tchanged\t  type")
	for _, g := range groups {
		fmt.Fprintf(t, "%d\t%d\t%d\t  %s\n", len(g.names["+"]), len(g.names["-"]), len(g.names["~"]), printable(g.name))
	}
	if err := t.Flush(); err != nil || limit == 0 {
		return true, err
	}
	for _, g := range groups {
		fmt.Fprintf(rc.Out, "\n%s\n", printable(g.name))
		for _, mark := range []string{"+", "-", "~"} {
			for i, n := range g.names[mark] {
				if limit > 0 && i == limit {
					cut = true
					fmt.Fprintf(rc.Out, "  %s and %d more\n", mark, len(g.names[mark])-i)
					break
				}
				fmt.Fprintf(rc.Out, "  %s %s\n", mark, printable(n))
			}
		}
	}
	return cut, nil
}

// fewGroups is how many lines of counted verdicts are shown without --limit.
const fewGroups = 30

// verdicts lists the verdicts that differ: one by one where they are few, else
// counted by check and by what became of what, what fails now first.
func (c *snapshotDiffCommand) verdicts(rc *runContext, list []history.VerdictChange) (cut bool, err error) {
	if c.Limit < 0 || c.Limit == 0 && len(list) <= fewChanges {
		return false, printChanges(rc, list)
	}
	type change struct{ check, before, after string }
	groups := map[change][]string{}
	var order []change
	for _, v := range list {
		k := change{v.Check, outcome(v.Before), outcome(v.After)}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], v.Resource)
	}
	rank := func(k change) int {
		switch {
		case k.after == tickmark.Fail.String():
			return 0
		case k.before != noResult && k.after != noResult:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(order, func(a, b change) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(len(groups[b]), len(groups[a])), strings.Compare(a.check, b.check))
	})
	if len(order) == 0 {
		return false, nil
	}
	fmt.Fprintln(rc.Out)
	t := tabwriter.NewWriter(rc.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "resources\tcheck\tbefore\tafter")
	shown := order
	if c.Limit == 0 {
		shown = order[:min(fewGroups, len(order))]
	}
	for _, k := range shown {
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\n", len(groups[k]), k.check, k.before, k.after)
	}
	if err := t.Flush(); err != nil || c.Limit == 0 {
		if left := len(order) - len(shown); left > 0 {
			fmt.Fprintf(rc.Out, "and %s\n", count(left, "more line", "more lines"))
		}
		return true, err
	}
	for _, k := range order {
		fmt.Fprintf(rc.Out, "\n%s: %s → %s\n", k.check, k.before, k.after)
		for i, n := range groups[k] {
			if i == c.Limit {
				cut = true
				fmt.Fprintf(rc.Out, "  and %d more\n", len(groups[k])-i)
				break
			}
			fmt.Fprintf(rc.Out, "  %s\n", printable(n))
		}
	}
	return cut, nil
}

func printChanges(rc *runContext, list []history.VerdictChange) error {
	if len(list) == 0 {
		return nil
	}
	fmt.Fprintln(rc.Out)
	t := tabwriter.NewWriter(rc.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "check\tbefore\tafter\tresource")
	for _, c := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", c.Check, outcome(c.Before), outcome(c.After), printable(c.Resource))
	}
	return t.Flush()
}

// noResult stands where the other snapshot has a verdict.
const noResult = "no result"

func outcome(o *history.Outcome) string {
	switch {
	case o == nil:
		return noResult
	case o.Reason != tickmark.ReasonNone:
		return o.Verdict.String() + " (" + string(o.Reason) + ")"
	}
	return o.Verdict.String()
}
