// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/collect/file"
	"github.com/tickmark/tickmark/report"
	"github.com/tickmark/tickmark/work"
)

type controlsAdoptCommand struct {
	From      string   `help:"The answers, as a YAML file (doc/spec/adoption.md); without it the questions are asked." placeholder:"FILE" type:"path"`
	Interview bool     `help:"Print an empty file of answers to fill in, and stop."`
	Inventory []string `help:"Exported objects: the services found in them are added to those answered." placeholder:"PATH"`
	Out       string   `help:"Write the control set to FILE instead of standard output." placeholder:"FILE" type:"path"`
}

// Run makes a control set.
func (c *controlsAdoptCommand) Run(rc *runContext) error {
	l, err := library()
	if err != nil {
		return err
	}
	if c.Interview {
		return printInterview(rc.Out, l)
	}
	a, err := c.adoption(rc, l)
	if err != nil {
		return err
	}
	if len(c.Inventory) > 0 {
		found, err := servicesFound(rc, l, c.Inventory)
		if err != nil {
			return err
		}
		for _, f := range found {
			if !slices.Contains(a.Services, f.ID) {
				a.Services = append(a.Services, f.ID)
			}
		}
	}
	set := l.Adopt(a)
	b, err := set.YAML()
	if err != nil {
		return fmt.Errorf("write the control set: %w", err)
	}
	if c.Out == "" {
		_, err = rc.Out.Write(b)
	} else {
		err = writeFile(c.Out, func(w io.Writer) error { _, err := w.Write(b); return err })
	}
	if err != nil {
		return err
	}
	open := 0
	for _, k := range set.Controls {
		open += len(k.Fields)
	}
	fmt.Fprintf(rc.Err, "%d controls adopted, %d of the library left out with reasons; %d fields are still to be filled in\n", len(set.Controls), len(set.Left), open)
	return nil
}

// adoption reads the answers or asks for them.
func (c *controlsAdoptCommand) adoption(rc *runContext, l *catalog.Library) (*catalog.Adoption, error) {
	if c.From != "" {
		b, err := readInput(c.From)
		if err != nil {
			return nil, err
		}
		return l.ReadAdoption(c.From, b)
	}
	in, ok := rc.In.(*os.File)
	if !ok || !isTerminal(in) {
		return nil, usage("there is nobody to ask", "give the answers with --from FILE; tickmark controls adopt --interview prints the file to fill in")
	}
	return ask(rc, l)
}

// ask puts the questions on a terminal.
func ask(rc *runContext, l *catalog.Library) (*catalog.Adoption, error) {
	a := &catalog.Adoption{Answers: map[string]bool{}, Fields: map[string]string{}, Categories: []string{"security"}}
	s := bufio.NewScanner(rc.In)
	line := func(question string) (string, error) {
		fmt.Fprint(rc.Err, question+" ")
		if !s.Scan() {
			return "", usage("the interview ended before its last question", "start again, or use --from FILE")
		}
		return strings.TrimSpace(s.Text()), nil
	}
	yes := func(question string) (bool, error) {
		for {
			t, err := line(question + " [y/n]")
			switch strings.ToLower(t) {
			case "y", "yes":
				return true, err
			case "n", "no":
				return false, err
			}
			if err != nil {
				return false, err
			}
		}
	}
	var err error
	if a.Organisation, err = line("What is the organisation called?"); err != nil {
		return nil, err
	}
	for _, c := range catalog.Categories()[1:] {
		ok, err := yes(fmt.Sprintf("Is the category %s part of the examination?", c))
		if err != nil {
			return nil, err
		}
		if ok {
			a.Categories = append(a.Categories, c)
		}
	}
	for _, q := range l.Interview {
		if a.Answers[q.ID], err = yes(q.Ask); err != nil {
			return nil, err
		}
	}
	services, err := line("Which services do you use (ids of `tickmark services list`, blanks between; --inventory finds them)?")
	a.Services = strings.Fields(services)
	return a, err
}

// printInterview prints a file of answers to fill in.
func printInterview(w io.Writer, l *catalog.Library) error {
	b := bufio.NewWriter(w)
	p := func(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }
	p("# Answers for: tickmark controls adopt --from FILE")
	p("organisation: \"\"")
	p("# security is always part; add availability, processingIntegrity, confidentiality, privacy")
	p("categories: [security]")
	p("# ids of `tickmark services list`; --inventory PATH adds those found in exported objects")
	p("services: []")
	p("answers:")
	for _, q := range l.Interview {
		p("  # %s", oneLine(q.Ask))
		p("  # %s", oneLine(q.Why))
		p("  %s: false", q.ID)
	}
	p("# What stands in braces in the statements. A name alone fills it everywhere; CONTROL.NAME in one control.")
	p("fields:")
	type field struct{ ask, example string }
	first := map[string]field{}
	count := map[string]int{}
	var names []string
	for _, k := range l.Controls {
		for _, f := range k.Fields {
			if _, ok := first[f.Name]; !ok {
				first[f.Name] = field{f.Ask, f.Example}
				names = append(names, f.Name)
			}
			count[f.Name]++
		}
	}
	slices.Sort(names)
	for _, n := range names {
		if count[n] == 1 {
			p("  # %s Such as: %s", oneLine(first[n].ask), oneLine(first[n].example))
		} else {
			p("  # In %d controls; one answer for all rarely fits: prefer CONTROL.%s", count[n], n)
		}
		p("  %s: \"\"", n)
	}
	p("# Controls of the library that you leave out, with the reason: the auditor reads it.")
	p("without: {}")
	return b.Flush()
}

type controlsLintCommand struct {
	File    string `arg:"" optional:"" help:"A control set (YAML); without it the library itself is judged." type:"path"`
	Serious bool   `help:"Only what an auditor would have to raise."`
	entryFlags
}

// Run judges a control set; it ends with 1 when something serious is found.
func (c *controlsLintCommand) Run(rc *runContext) error {
	l, err := c.library(rc)
	if err != nil {
		return err
	}
	o := catalog.LintOptions{Criteria: l.Catalog().Criteria}
	controls := l.Controls
	if c.File != "" {
		b, err := readInput(c.File)
		if err != nil {
			return err
		}
		set, err := catalog.ReadControlSet(c.File, b)
		if err != nil {
			return err
		}
		controls, o.Categories, o.Library = set.List(), set.Categories, l
	}
	findings := []catalog.Finding{}
	serious := 0
	all := catalog.Lint(controls, o)
	if c.File == "" && len(l.Overrides()) > 0 { // what the organisation says is judged beside the library
		base, err := library()
		if err != nil {
			return err
		}
		all = append(catalog.Lint(base.Controls, o), l.LintOver(base)...)
	}
	for _, f := range all {
		if f.Serious {
			serious++
		} else if c.Serious {
			continue
		}
		findings = append(findings, f)
	}
	t := &report.Listing{Columns: []string{"rule", "where", "what", "do"}, Wide: 2}
	for _, f := range findings {
		t.Rows = append(t.Rows, []string{f.Rule, f.Control + f.Criterion, f.What, f.Hint})
	}
	t.Notes = []string{fmt.Sprintf("%d controls judged: %d findings, %d of them serious. The lint reads words and links; whether a control suits your organisation is for people to say.", len(controls), len(findings), serious)}
	if c.JSON || c.CSV || c.Markdown {
		err = c.print(rc, t, findings)
	} else {
		err = report.EntryText(rc.Out, lintEntry(findings, t.Notes[0]), report.TerminalOptions{Color: rc.Color, Width: rc.Width})
	}
	if err != nil {
		return err
	}
	if serious > 0 {
		return statusError(tickmark.ExitFindings)
	}
	return nil
}

// lintEntry groups findings by rule for a terminal: what is found of each
// control, and once what to do.
func lintEntry(findings []catalog.Finding, note string) *report.Entry {
	e := &report.Entry{Title: "Control lint"}
	for _, f := range findings {
		i := slices.IndexFunc(e.Sections, func(s report.Section) bool { return s.Label == f.Rule })
		if i < 0 {
			i = len(e.Sections)
			e.Sections = append(e.Sections, report.Section{Label: f.Rule, Text: f.Hint})
		}
		where := strings.TrimSpace(f.Control + " " + f.Criterion)
		if where != "" {
			where += ": "
		}
		e.Sections[i].Items = append(e.Sections[i].Items, where+f.What)
	}
	e.Sections = append(e.Sections, report.Section{Label: "In all", Text: note})
	return e
}

// foundService is a service of which an inventory holds resources.
type foundService struct {
	*catalog.Service
	Resources int      `json:"resources"`
	ByType    []string `json:"byTypes"`
}

// servicesFound reads exported objects and says which services they belong to.
func servicesFound(rc *runContext, l *catalog.Library, paths []string) ([]foundService, error) {
	now := rc.Now().UTC()
	a, files, err := work.AssessFiles(rc.Context, paths, file.Options{Stdin: rc.In, ObservedAt: now}, work.AssessOptions{Now: now, Engine: engineVersion()})
	if err != nil {
		return nil, err
	}
	defer func() { _ = files.Close() }() // read only
	at := map[string]int{}
	var out []foundService
	for _, t := range a.Inventory.Types {
		for _, s := range l.ServicesOf(t.Type) {
			i, ok := at[s.ID]
			if !ok {
				i = len(out)
				at[s.ID] = i
				out = append(out, foundService{Service: s})
			}
			out[i].Resources += t.Resources
			out[i].ByType = append(out[i].ByType, t.Type)
		}
	}
	slices.SortFunc(out, func(a, b foundService) int { return strings.Compare(a.Product+a.ID, b.Product+b.ID) })
	return out, nil
}
