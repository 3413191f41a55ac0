// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/collect/file"
	"github.com/tickmark/tickmark/report"
	"github.com/tickmark/tickmark/store"
	"github.com/tickmark/tickmark/work"
)

// policyAgreementCommand is tickmark policy agreement.
type policyAgreementCommand struct {
	Paths    []string `arg:"" optional:"" name:"path" help:"Exported objects with policy definitions, assignments and states; default: a recorded snapshot."`
	Snapshot string   `help:"The recorded snapshot: an id, latest or previous." default:"latest" placeholder:"ID"`
	Limit    int      `help:"Differences to print; -1 for all." default:"20"`
	JSON     bool     `help:"Print JSON."`
	aliasFlags
	dataFlags
}

// agreementJSON is the comparison as JSON.
type agreementJSON struct {
	Snapshot    string               `json:"snapshot,omitempty"`
	Assignments int                  `json:"assignments"`
	Bound       int                  `json:"assignmentsEvaluated"`
	States      int                  `json:"azureStates"`
	Ours        int                  `json:"ourPairs"`
	Compared    int                  `json:"compared"`
	Agree       int                  `json:"agree"`
	Rate        *float64             `json:"rate"`
	Differences []check.Disagreement `json:"differences"`
	Left        map[check.Cause]int  `json:"notCompared"`
	Undecided   map[string]int       `json:"undecidedReasons"`
	Such        map[string]string    `json:"undecidedSuchAs"`
	Unbound     map[string]string    `json:"notEvaluated"`
}

// Run compares our verdicts with Azure's.
func (c *policyAgreementCommand) Run(rc *runContext) error {
	aliases, err := c.load()
	if err != nil {
		return err
	}
	now := rc.Now().UTC()
	out := agreementJSON{}
	var a *check.Agreement
	if len(c.Paths) > 0 {
		if err := present(c.Paths); err != nil {
			return err
		}
		files, err := file.Open(rc.Context, c.Paths, file.Options{Stdin: rc.In, CompleteTypes: []string{"*"}, ObservedAt: now})
		if err != nil {
			return err
		}
		defer func() { _ = files.Close() }() // read only
		if a, err = work.Agreement(rc.Context, &files.Snapshot, aliases, now); err != nil {
			return err
		}
	} else {
		err = c.with(rc, func(s *store.Store) error {
			stored, err := s.Load(rc.Context, c.Snapshot)
			if err != nil {
				return err
			}
			out.Snapshot = stored.Entry.ID
			a, err = work.Agreement(rc.Context, stored.Snapshot, aliases, stored.Snapshot.ObservedAt)
			return err
		})
		if err != nil {
			return err
		}
	}
	out.Assignments, out.Bound, out.States, out.Ours = a.Assignments, a.Bound, a.States, a.Ours
	out.Compared, out.Agree, out.Differences, out.Left = a.Compared, a.Agree, a.Differences, a.Left
	out.Undecided, out.Such, out.Unbound = a.Undecided, a.Such, a.Unbound
	if r, ok := a.Rate(); ok {
		out.Rate = &r
	}
	if c.JSON {
		err = printJSON(rc, out)
	} else {
		err = report.EntryText(rc.Out, c.entry(&out), report.TerminalOptions{Color: rc.Color, Width: rc.Width})
	}
	if err != nil {
		return err
	}
	if a.Compared == 0 {
		fmt.Fprintln(rc.Err, "tickmark: incomplete: not one pair could be compared")
		if a.States > 0 && a.Ours == 0 {
			fmt.Fprintln(rc.Err, "  it holds Azure's policy states and not the resources that they are about, as tickmark policy sync reads them:\n  tickmark collect reads both; --snapshot ID names one that has them (tickmark snapshot list)")
		}
		return statusError(tickmark.ExitIncomplete)
	}
	if len(a.Differences) > 0 {
		return statusError(tickmark.ExitFindings)
	}
	return nil
}

// entry says the figures, what they leave out, and each difference with its cause.
func (c *policyAgreementCommand) entry(a *agreementJSON) *report.Entry {
	e := &report.Entry{Title: "Agreement with Azure's policy states"}
	if a.Snapshot != "" {
		e.Subtitle = "snapshot " + a.Snapshot
	}
	rate := "no pair could be compared, so there is no rate"
	if a.Rate != nil {
		rate = fmt.Sprintf("%d of %s agree (%.2f %%)", a.Agree, count(a.Compared, "pair", "pairs"), 100**a.Rate)
	}
	e.Sections = append(e.Sections, report.Section{Label: "Result", Items: []string{
		rate,
		fmt.Sprintf("assignments: %d read, %d evaluated", a.Assignments, a.Bound),
		fmt.Sprintf("Azure gave %s; by our reading %s applicable", count(a.States, "state", "states"), count(a.Ours, "pair of policy and resource is", "pairs of policy and resource are")),
	}})
	var left []string
	for _, k := range slices.Sorted(maps.Keys(a.Left)) {
		left = append(left, fmt.Sprintf("%d: %s", a.Left[k], k))
	}
	for _, k := range slices.Sorted(maps.Keys(a.Undecided)) {
		left = append(left, fmt.Sprintf("of those undecided here, %d: %s, such as %s", a.Undecided[k], k, a.Such[k]))
	}
	e.Sections = append(e.Sections, report.Section{Label: "Not compared", Items: left})
	byCause := map[check.Cause]int{}
	for _, d := range a.Differences {
		byCause[d.Cause]++
	}
	var causes []string
	for _, k := range slices.Sorted(maps.Keys(byCause)) {
		causes = append(causes, fmt.Sprintf("%d: %s", byCause[k], k))
	}
	e.Sections = append(e.Sections, report.Section{Label: "Differences by cause", Items: causes})
	var items []string
	for i, d := range a.Differences {
		if c.Limit >= 0 && i >= c.Limit {
			items = append(items, fmt.Sprintf("and %d more (--limit -1 or --json)", len(a.Differences)-i))
			break
		}
		policy := d.Assignment
		if d.Reference != "" {
			policy += " " + d.Reference
		}
		items = append(items, fmt.Sprintf("%s under %s: here %s, Azure %s; %s: %s", d.Resource, policy, d.Ours, d.Azure, d.Cause, d.Why))
	}
	e.Sections = append(e.Sections, report.Section{Label: "Differences", Items: items})
	items = nil
	for _, k := range slices.Sorted(maps.Keys(a.Unbound)) {
		items = append(items, k+": "+strings.TrimPrefix(a.Unbound[k], k+": "))
	}
	e.Sections = append(e.Sections, report.Section{Label: "Not evaluated", Items: items})
	return e
}
