// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
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
	From      string   `help:"The answers, or a control set with its answers, as a YAML file (doc/spec/adoption.md); without it the questions are asked." placeholder:"FILE" type:"path"`
	Interview bool     `help:"Print an empty file of answers to fill in, and stop."`
	Category  []string `help:"With --interview: the categories beside security, whose questions are asked too." placeholder:"NAME"`
	Inventory []string `help:"Exported objects: the services found in them are added to those answered." placeholder:"PATH"`
	Out       string   `help:"Write the control set to FILE instead of standard output; edits that FILE holds are kept, and what changed is told." placeholder:"FILE" type:"path"`
	Next      int      `help:"Print the next N fields that need somebody, in the order for a first-time organisation, instead of the set." placeholder:"N"`
	entryFlags
}

// Run makes a control set.
func (c *controlsAdoptCommand) Run(rc *runContext) error {
	l, err := c.library(rc)
	if err != nil {
		return err
	}
	if c.Interview {
		return printInterview(rc.Out, l, c.Category)
	}
	a, before, err := c.adoption(rc, l)
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
	set := l.Adopt(a, before)
	if err := c.tell(rc, l, before, set); err != nil {
		return err
	}
	if c.Out != "" || c.Next == 0 {
		if err := c.write(rc, l, set); err != nil {
			return err
		}
	}
	if c.Next > 0 {
		return c.next(rc, l.FieldsOf(set))
	}
	return nil
}

// write writes the set.
func (c *controlsAdoptCommand) write(rc *runContext, l *catalog.Library, set *catalog.ControlSet) error {
	b, err := set.YAML(l)
	if err != nil {
		return err
	}
	if c.Out == "" {
		_, err = rc.Out.Write(b)
		return err
	}
	return writeFile(c.Out, func(w io.Writer) error { _, err := w.Write(b); return err })
}

// tell says on the side what the set holds and how it differs from the one before.
func (c *controlsAdoptCommand) tell(rc *runContext, l *catalog.Library, before, set *catalog.ControlSet) error {
	if before != nil {
		if before.Catalog != "" && before.Catalog != set.Catalog {
			fmt.Fprintln(rc.Err, "the library has changed since the set was made; what differs is told as the library words it today")
		}
		changes, err := l.Changes(before, set)
		if err != nil {
			return err
		}
		for _, x := range changes {
			fmt.Fprintf(rc.Err, "%-7s %s: %s\n", x.What, x.Control, x.Why)
		}
		if len(changes) == 0 {
			fmt.Fprintln(rc.Err, "no control is added, dropped or changed")
		}
	}
	n := map[string]int{}
	for _, f := range l.FieldsOf(set) {
		n[f.State]++
	}
	fmt.Fprintf(rc.Err, "%s adopted, %d of the library left out with reasons", count(len(set.Controls), "control", "controls"), len(set.Left))
	if len(set.NotApplicable) > 0 {
		fmt.Fprintf(rc.Err, ", %d criteria not applicable by your answers", len(set.NotApplicable))
	}
	fmt.Fprintf(rc.Err, "; fields: %d open, %d as the library proposes, %d from your answers, %d set by you\n",
		n[catalog.FieldOpen], n[catalog.FieldProposed], n[catalog.FieldDerived], n[catalog.FieldSet])
	return nil
}

// next prints the fields that need somebody first.
func (c *controlsAdoptCommand) next(rc *runContext, fields []catalog.FieldState) error {
	t := &report.Listing{Columns: []string{"order", "control", "field", "what to say", "stands there now"}, Wide: 3}
	list := []catalog.FieldState{}
	todo := 0
	for _, f := range fields {
		if f.State != catalog.FieldOpen && f.State != catalog.FieldProposed {
			continue
		}
		todo++
		if len(list) == c.Next {
			continue
		}
		list = append(list, f)
		now := f.Value + " (proposed)"
		if f.State == catalog.FieldOpen {
			now = "open; such as: " + oneLine(f.Example)
		}
		t.Rows = append(t.Rows, []string{fmt.Sprint(f.Order), f.Control, f.Field, f.Ask, now})
	}
	t.Notes = []string{fmt.Sprintf("%d of %d fields that are open or only proposed. Write a value under the control's fields; a proposal that is right is confirmed by writing it there.", len(list), todo)}
	if c.JSON || c.CSV || c.Markdown {
		return c.print(rc, t, list)
	}
	return report.EntryText(rc.Out, nextEntry(list, t.Notes[0]), report.TerminalOptions{Color: rc.Color, Width: rc.Width})
}

// nextEntry groups fields by control for a terminal.
func nextEntry(list []catalog.FieldState, note string) *report.Entry {
	e := &report.Entry{Title: "Next fields"}
	for _, f := range list {
		label := fmt.Sprintf("%s (order %d)", f.Control, f.Order)
		if n := len(e.Sections); n == 0 || e.Sections[n-1].Label != label {
			e.Sections = append(e.Sections, report.Section{Label: label})
		}
		now := "proposed: " + f.Value
		if f.State == catalog.FieldOpen {
			now = "open; such as: " + oneLine(f.Example)
		}
		s := &e.Sections[len(e.Sections)-1]
		s.Items = append(s.Items, fmt.Sprintf("%s: %s (%s)", f.Field, f.Ask, now))
	}
	e.Sections = append(e.Sections, report.Section{Label: "In all", Text: note})
	return e
}

// adoption reads the answers or asks for them, and reads the set that is to be
// brought up to date, if there is one.
func (c *controlsAdoptCommand) adoption(rc *runContext, l *catalog.Library) (*catalog.Adoption, *catalog.ControlSet, error) {
	before, err := c.standing(l)
	if err != nil {
		return nil, nil, err
	}
	if c.From == "" {
		in, ok := rc.In.(*os.File)
		if !ok || !isTerminal(in) {
			return nil, nil, usage("there is nobody to ask", "give the answers with --from FILE; tickmark controls adopt --interview prints the file to fill in")
		}
		a, err := ask(rc, l)
		if err != nil || before == nil {
			return a, before, err
		}
		a.Fields, a.Without = before.Fields, before.Without
		return a, before, nil
	}
	from, err := readControlSet(l, c.From)
	if err != nil {
		return nil, nil, err
	}
	a := &from.Adoption
	switch {
	case before == nil && len(from.Controls) > 0:
		before = from
	case before != nil && c.From != c.Out:
		if len(from.Controls) > 0 {
			return nil, nil, usage("both --from and --out hold controls", "give the same file twice to bring it up to date, or an --out that does not exist to copy it")
		}
		a.Fields = union(before.Fields, a.Fields)
		a.Without = union(before.Without, a.Without)
	}
	return a, before, nil
}

// standing reads the set that --out holds already; nil if there is none. It is
// refused while it holds comments, which would be lost.
func (c *controlsAdoptCommand) standing(l *catalog.Library) (*catalog.ControlSet, error) {
	if c.Out == "" {
		return nil, nil
	}
	b, err := os.ReadFile(c.Out)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the control set in %s: %w", c.Out, err)
	}
	set, err := l.ReadControlSet(c.Out, b)
	if err != nil {
		return nil, err
	}
	if len(set.Controls) == 0 {
		return nil, usage(c.Out+" holds no control set and would be written over", "give another file with --out")
	}
	if lines := catalog.OwnComments(b); len(lines) > 0 {
		return nil, usage(fmt.Sprintf("%s:%d holds a comment, which would be lost", c.Out, lines[0]), "move it under note: of its control, or give another file with --out")
	}
	return set, nil
}

// union returns what either map holds; the second wins.
func union(a, b map[string]string) map[string]string {
	out := maps.Clone(a)
	if out == nil {
		return b
	}
	maps.Copy(out, b)
	return out
}

func readControlSet(l *catalog.Library, name string) (*catalog.ControlSet, error) {
	b, err := readInput(name)
	if err != nil {
		return nil, err
	}
	return l.ReadControlSet(name, b)
}

// asker puts questions on a terminal.
type asker struct {
	in  *bufio.Scanner
	out io.Writer
	n   int
}

func (s *asker) line(question, why string) (string, error) {
	s.n++
	fmt.Fprintf(s.out, "\n%d. %s\n", s.n, question)
	if why != "" {
		fmt.Fprintf(s.out, "   %s\n", why)
	}
	return s.read()
}

func (s *asker) read() (string, error) {
	fmt.Fprint(s.out, "   > ")
	if !s.in.Scan() {
		return "", usage("the interview ended before its last question", "start again, or use --from FILE")
	}
	return strings.TrimSpace(s.in.Text()), nil
}

// words asks until check accepts every word of the answer.
func (s *asker) words(question, why string, check func(string) error) ([]string, error) {
	t, err := s.line(question, why)
	for ; err == nil; t, err = s.read() {
		list := strings.Fields(strings.ReplaceAll(t, ",", " "))
		i := slices.IndexFunc(list, func(w string) bool { return check(w) != nil })
		if i < 0 {
			return list, nil
		}
		fmt.Fprintf(s.out, "   %v\n", check(list[i]))
	}
	return nil, err
}

// ask holds the interview on a terminal.
func ask(rc *runContext, l *catalog.Library) (*catalog.Adoption, error) {
	a := &catalog.Adoption{Answers: map[string]bool{}, Roles: map[string]string{}, Systems: map[string]string{}, Categories: []string{"security"}}
	s := &asker{in: bufio.NewScanner(rc.In), out: rc.Err}
	var err error
	if a.Organisation, err = s.line("What is the organisation called?", "It stands at the head of the control set."); err != nil {
		return nil, err
	}
	others := catalog.Categories()[1:]
	more, err := s.words("Which categories are examined beside security ("+strings.Join(others, ", ")+")? Blanks between; nothing for security alone.",
		"Decides which controls are adopted at all, and which questions follow.", func(w string) error {
			if !slices.Contains(others, w) {
				return fmt.Errorf("%q is none of %s", w, strings.Join(others, ", "))
			}
			return nil
		})
	if err != nil {
		return nil, err
	}
	a.Categories = append(a.Categories, more...)
	a.Services, err = s.words("Which services do you use? Ids of `tickmark services list`, blanks between; --inventory finds them.",
		"Decides which controls of single services are adopted, and the matrix of responsibilities.", func(w string) error {
			if l.Service(w) == nil {
				return fmt.Errorf("service %q is not known: tickmark services list names them", w)
			}
			return nil
		})
	if err != nil {
		return nil, err
	}
	for i := range l.Interview {
		q := &l.Interview[i]
		if !q.Asked(a.Categories) {
			continue
		}
		if err := askOne(s, l, q, a); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// askOne puts one question of the interview; an empty answer leaves it open.
func askOne(s *asker, l *catalog.Library, q *catalog.Question, a *catalog.Adoption) error {
	why := oneLine(q.Why) + " Decides " + l.Decides(q) + "."
	_, name, _ := strings.Cut(q.ID, ".")
	if q.Kind != "yesNo" {
		t, err := s.line(q.Ask+" Such as: "+q.Example, why)
		if err != nil || t == "" {
			return err
		}
		map[string]map[string]string{"role": a.Roles, "system": a.Systems}[q.Kind][name] = t
		return nil
	}
	t, err := s.line(q.Ask+" [y/n]", why)
	for ; err == nil; t, err = s.read() {
		switch strings.ToLower(t) {
		case "y", "yes":
			a.Answers[q.ID] = true
			return nil
		case "n", "no":
			a.Answers[q.ID] = false
			return nil
		case "":
			return nil
		}
		fmt.Fprintln(s.out, "   y or n; nothing leaves it open")
	}
	return err
}

// printInterview prints a file of answers to fill in.
func printInterview(w io.Writer, l *catalog.Library, others []string) error {
	chosen := []string{"security"}
	for _, c := range others {
		if err := knownCategory(c); err != nil {
			return err
		}
		if !slices.Contains(chosen, c) {
			chosen = append(chosen, c)
		}
	}
	b := bufio.NewWriter(w)
	p := func(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }
	p("# Answers for: tickmark controls adopt --from THIS --out controls.yaml")
	p("# What you leave empty stays open: its controls are adopted, and its fields are asked for later.")
	p("organisation: \"\"")
	p("# security is always part; add availability, processingIntegrity, confidentiality, privacy")
	p("categories: [%s]", strings.Join(chosen, ", "))
	p("# ids of `tickmark services list`; --inventory PATH adds those found in exported objects")
	p("services: # [app-service, sql-database]")
	section := ""
	for i := range l.Interview {
		q := &l.Interview[i]
		kind, name, _ := strings.Cut(q.ID, ".")
		if q.Kind == "yesNo" {
			kind, name = "answers", q.ID
		}
		if kind != section {
			section = kind
			p("%s:", section)
		}
		mark := ""
		if !q.Asked(chosen) {
			mark = "# "
			p("  # Only where %s is chosen:", strings.Join(q.Categories, " or "))
		}
		p("  # %s", oneLine(q.Ask))
		p("  #   %s", oneLine(q.Why))
		p("  #   Decides %s.", l.Decides(q))
		if q.Kind == "yesNo" {
			p("  %s%s: # true or false", mark, name)
		} else {
			p("  %s%s: \"\" # such as %s", mark, name, q.Example)
		}
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
	var same []catalog.Finding
	if c.File != "" {
		set, err := readControlSet(l, c.File)
		if err != nil {
			return err
		}
		if controls, err = set.Expand(l); err != nil {
			return err
		}
		o.Categories, o.Library, o.NotApplicable, o.Set = set.Categories, l, set.NotApplicable, set
		same = set.SamePerson(l)
	}
	findings := []catalog.Finding{}
	serious := 0
	all := append(catalog.Lint(controls, o), same...)
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
	t.Notes = []string{fmt.Sprintf("%s judged: %s, %d of them serious. The lint reads words and links; whether a control suits your organisation is for people to say.", count(len(controls), "control", "controls"), count(len(findings), "finding", "findings"), serious)}
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
	if err := present(paths); err != nil {
		return nil, err
	}
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
