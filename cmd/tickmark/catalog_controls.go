// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/report"
)

type controlsCommand struct {
	List   controlsListCommand   `cmd:"" help:"List the controls of the library."`
	Show   controlsShowCommand   `cmd:"" help:"Show one control whole: statement, evidence, population, tests."`
	Export controlsExportCommand `cmd:"" help:"Print all controls whole."`
	Adopt  controlsAdoptCommand  `cmd:"" help:"Make your own control set from the library."`
	Lint   controlsLintCommand   `cmd:"" help:"Judge a control set: vague wording, gaps, repetition."`
}

// ofFlag chooses whose controls a command shows.
type ofFlag struct {
	Of string `help:"An organisation's control set, filled in, instead of the library." placeholder:"FILE" type:"path"`
}

func (f *ofFlag) controls(l *catalog.Library) ([]*catalog.Control, error) {
	if f.Of == "" {
		return l.Controls, nil
	}
	set, err := readControlSet(l, f.Of)
	if err != nil {
		return nil, err
	}
	return set.Expand(l)
}

type controlsListCommand struct {
	Criterion string `help:"Only controls for a criterion." placeholder:"CODE"`
	Category  string `help:"Only controls adopted for a category." placeholder:"NAME"`
	Checklist string `help:"The controls behind a checklist: implementation (12 items) or readiness (11 items)." enum:"implementation,readiness," default:""`
	Key       bool   `help:"Only key controls."`
	ofFlag
	listFlags
}

// Run lists the controls.
func (c *controlsListCommand) Run(rc *runContext) error {
	l, err := c.library(rc)
	if err != nil {
		return err
	}
	if err := knownCategory(c.Category); err != nil {
		return err
	}
	if c.Criterion != "" && l.Catalog().Criterion(strings.ToUpper(c.Criterion)) == nil {
		return noSuch("criterion", c.Criterion, nil, "criteria")
	}
	if c.Checklist != "" {
		return c.checklist(rc, l)
	}
	controls, err := c.controls(l)
	if err != nil {
		return err
	}
	t := &report.Listing{Columns: []string{"id", "name", "key", "nature", "frequency", "criteria", "checks"}, Wide: 1}
	list := []*catalog.Control{}
	automated := 0
	for _, k := range controls {
		if c.Key && !k.Key || c.Category != "" && !slices.Contains(k.Categories, c.Category) || !c.matches(k) ||
			c.Criterion != "" && !slices.ContainsFunc(k.Criteria, func(x catalog.CriterionLink) bool { return strings.EqualFold(x.Code, c.Criterion) }) {
			continue
		}
		list = append(list, k)
		key := ""
		if k.Key {
			key = "key"
		}
		if len(k.Checks) > 0 {
			automated++
		}
		t.Rows = append(t.Rows, []string{k.ID, k.Name, key, k.Nature, k.Frequency, criteriaOf(k.Criteria), fmt.Sprint(len(k.Checks))})
	}
	t.Notes = []string{fmt.Sprintf("%s; checks bear on %d of them, the others are shown by people's evidence. Criteria in parentheses are supported, not met, by the control.", count(len(list), "control", "controls"), automated)}
	if c.Of != "" {
		return c.print(rc, t, list)
	}
	return c.list(rc, l, t, list, keysOf("control", list, func(k *catalog.Control) string { return k.ID }))
}

// checklist prints the items of a checklist with their controls.
func (c *controlsListCommand) checklist(rc *runContext, l *catalog.Library) error {
	t := &report.Listing{Columns: []string{"item", "what", "controls"}, Wide: 2}
	items := l.Checklist(c.Checklist)
	for _, i := range items {
		t.Rows = append(t.Rows, []string{fmt.Sprint(i.Number), i.Title, strings.Join(i.Controls, ", ")})
	}
	return c.print(rc, t, items)
}

type controlsShowCommand struct {
	ID string `arg:"" help:"A control's id."`
	ofFlag
	entryFlags
}

// Run shows one control.
func (c *controlsShowCommand) Run(rc *runContext) error {
	l, err := c.library(rc)
	if err != nil {
		return err
	}
	controls, err := c.controls(l)
	if err != nil {
		return err
	}
	ids := make([]string, 0, len(controls))
	for _, k := range controls {
		if k.ID == c.ID {
			if c.Of != "" { // the file is the organisation's own word throughout
				return c.show(rc, controlEntry(l, k), k)
			}
			return c.entry(rc, l, controlEntry(l, k), k, "control/"+k.ID)
		}
		ids = append(ids, k.ID)
	}
	return noSuch("control", c.ID, ids, "controls")
}

func controlEntry(l *catalog.Library, k *catalog.Control) *report.Entry {
	key := "supporting control"
	if k.Key {
		key = "key control"
	}
	e := &report.Entry{
		Title:    k.ID + "  " + k.Name,
		Subtitle: strings.Join([]string{key, k.Nature, k.Kind, k.Frequency, "criteria " + criteriaOf(k.Criteria)}, " · "),
	}
	list := func(label string, items []string) {
		e.Sections = append(e.Sections, report.Section{Label: label, Items: items})
	}
	text := func(label, s string) { e.Sections = append(e.Sections, report.Section{Label: label, Text: s}) }
	text("Statement", oneLine(k.Statement))
	text("Objective", oneLine(k.Objective))
	var items []string
	for _, f := range k.Fields {
		items = append(items, fmt.Sprintf("{%s} %s Such as: %s", f.Name, f.Ask, oneLine(f.Example)))
	}
	list("To fill in", items)
	text("One instance", instanceText(&k.Instance))
	items = nil
	for _, x := range k.Configuration {
		s := fmt.Sprintf("%s (%s)", x.What, x.Type)
		if len(x.Branches) > 0 {
			s += "; branches to test: " + strings.Join(x.Branches, "; ")
		}
		items = append(items, s)
	}
	list("The configuration that is the control", items)
	text("Population", oneLine(fmt.Sprintf("%s. From: %s. Complete because: %s", k.Population.Of, k.Population.Source, k.Population.Complete)))
	items = nil
	for _, x := range k.Evidence {
		items = append(items, oneLine(fmt.Sprintf("%s (%s, %s, from %s). Accept: %s. Reject: %s", x.What, x.Type, x.Cadence, x.Source, x.Accept, x.Reject)))
	}
	list("Evidence", items)
	list("Test of design", testSteps(k.Design))
	list("Test of operation", testSteps(k.Operating))
	list("A deviation is", k.Deviations)
	items = nil
	for _, x := range k.Checks {
		items = append(items, fmt.Sprintf("%s (%s): %s", x.ID, x.Role, l.Catalog().Check(x.ID).Title))
	}
	list("Checks", items)
	text("No check", k.Unchecked)
	list("Typical pitfalls", k.Pitfalls)
	list("To implement it", k.Steps)
	list("Commitments it answers", k.Commitments)
	items = nil
	for _, r := range l.Risks {
		if slices.Contains(r.Controls, k.ID) {
			items = append(items, r.ID+": "+r.Threat)
		}
	}
	list("Risks it answers", items)
	list("Leans on the provider for", k.CSOC)
	list("References", k.References)
	return e
}

// instanceText says what is counted and by when it is due.
func instanceText(i *catalog.Instance) string {
	out := i.Unit
	if i.Tolerance != "" {
		out += "; tolerance: " + i.Tolerance
	}
	if i.Limit != nil {
		out += " (limit: " + i.Limit.String() + ")"
	}
	return out
}

func testSteps(steps []catalog.TestStep) []string {
	out := make([]string, len(steps))
	for i, s := range steps {
		out[i] = s.Method + ": " + oneLine(s.Step)
	}
	return out
}

type controlsExportCommand struct {
	ofFlag
	entryFlags
}

// Run prints all controls.
func (c *controlsExportCommand) Run(rc *runContext) error {
	l, err := c.library(rc)
	if err != nil {
		return err
	}
	controls, err := c.controls(l)
	if err != nil {
		return err
	}
	t := &report.Listing{
		Title: "Controls",
		Columns: []string{
			"id", "name", "family", "statement", "objective", "criteria", "key", "nature", "type", "frequency", "instance", "population",
			"evidence", "designTest", "operatingTest", "deviations", "checks",
		}, Wide: 3,
	}
	for _, k := range controls {
		var evidence, checks []string
		for _, x := range k.Evidence {
			evidence = append(evidence, x.What)
		}
		for _, x := range k.Checks {
			checks = append(checks, x.ID+" ("+x.Role+")")
		}
		t.Rows = append(t.Rows, []string{
			k.ID, k.Name, k.Family, oneLine(k.Statement), oneLine(k.Objective), criteriaOf(k.Criteria), fmt.Sprint(k.Key), k.Nature, k.Kind, k.Frequency,
			k.Instance.Unit, oneLine(k.Population.Of), strings.Join(evidence, "\n"), strings.Join(testSteps(k.Design), "\n"),
			strings.Join(testSteps(k.Operating), "\n"), strings.Join(k.Deviations, "\n"), strings.Join(checks, " "),
		})
	}
	if c.Of != "" {
		return c.print(rc, t, controls)
	}
	return c.list(rc, l, t, controls, keysOf("control", controls, func(k *catalog.Control) string { return k.ID }))
}
