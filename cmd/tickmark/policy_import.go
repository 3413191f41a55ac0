// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/policy"
)

// policyImportCommand is tickmark policy import.
type policyImportCommand struct {
	Paths      []string `arg:"" name:"path" help:"A checkout of the public policy repository, or files of exported definitions: folders, JSON, archives, - for standard input."`
	Initiative []string `placeholder:"NAME" help:"Report on an initiative: its display name, name or id."`
	All        bool     `help:"List every definition that does not compile."`
	JSON       bool     `help:"Print JSON."`
	aliasFlags
}

// importReport is what the command found.
type importReport struct {
	Definitions  int                `json:"definitions"`
	Static       int                `json:"static"`
	Compile      int                `json:"compile"`
	NotCompiled  []importedProblem  `json:"notCompiled"`
	Causes       []causeGroup       `json:"causes"`
	Initiatives  int                `json:"initiatives"`
	OfInitiative []initiativeReport `json:"initiativeReports"`
	Problems     []string           `json:"problems"`
}

type importedProblem struct {
	File   string        `json:"file"`
	ID     string        `json:"id,omitempty"`
	Name   string        `json:"displayName,omitempty"`
	Causes []importCause `json:"causes"`
}

type importCause struct {
	Kind  policy.CauseKind `json:"kind"`
	File  string           `json:"file"`
	Line  int              `json:"line,omitempty"`
	Col   int              `json:"col,omitempty"`
	What  string           `json:"what"`
	Alias string           `json:"alias,omitempty"`
	Type  string           `json:"type,omitempty"`
}

// causeGroup counts definitions by what first stands against them.
type causeGroup struct {
	Kind  policy.CauseKind `json:"kind"`
	What  string           `json:"what"` // the alias or the message
	Type  string           `json:"type,omitempty"`
	Count int              `json:"definitions"`
	First string           `json:"first"` // file:line:col
}

type initiativeReport struct {
	Name        string   `json:"displayName"`
	ID          string   `json:"id"`
	Version     string   `json:"version"`
	References  int      `json:"references"`
	Groups      int      `json:"groups"`
	Manual      int      `json:"manual"`
	Automated   int      `json:"automated"`
	Compile     int      `json:"automatedThatCompile"`
	Missing     []string `json:"missing"`
	NotCompiled []string `json:"notCompiled"`
	Problems    []string `json:"problems"`
}

// Run reads, compiles and reports. What cannot be read at all makes the run
// incomplete; a definition that does not compile does not.
func (c *policyImportCommand) Run(rc *runContext) error {
	aliases, err := c.load()
	if err != nil {
		return err
	}
	m := &policy.Import{}
	for _, p := range c.Paths {
		if err := readDefinitions(m, p, rc.In); err != nil {
			return err
		}
	}
	if len(m.Definitions)+len(m.Initiatives)+len(m.Problems) == 0 {
		return &tickmark.Error{
			Code: tickmark.CodeUsage, What: "there are no definitions", Where: strings.Join(c.Paths, ", "),
			Hint: "give a checkout of https://github.com/Azure/azure-policy, or the output of az policy definition list",
		}
	}
	m.Check(aliases)
	r, err := c.report(m)
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(rc, r)
	} else {
		err = r.print(rc.Out, c.All)
	}
	if err == nil && len(r.Problems) > 0 {
		return statusError(tickmark.ExitIncomplete)
	}
	return err
}

func (c *policyImportCommand) report(m *policy.Import) (*importReport, error) {
	r := &importReport{
		Definitions: len(m.Definitions), Initiatives: len(m.Initiatives), NotCompiled: []importedProblem{},
		Causes: []causeGroup{}, OfInitiative: []initiativeReport{}, Problems: []string{},
	}
	groups := map[string]*causeGroup{}
	for _, d := range m.Definitions {
		switch {
		case d.Definition != nil && d.Definition.Static():
			r.Static++
		case d.Compiles():
			r.Compile++
		default:
			p := problemOf(d)
			r.NotCompiled = append(r.NotCompiled, p)
			groupCause(groups, p.Causes[0])
		}
	}
	for g := range maps.Values(groups) {
		r.Causes = append(r.Causes, *g)
	}
	slices.SortFunc(r.Causes, func(a, b causeGroup) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.What, b.What), cmp.Compare(a.Type, b.Type))
	})
	slices.SortFunc(r.NotCompiled, func(a, b importedProblem) int { return cmp.Compare(a.File, b.File) })
	for _, p := range m.Problems {
		r.Problems = append(r.Problems, firstLine(p))
	}
	for _, s := range m.Initiatives {
		if s.Initiative == nil {
			r.Problems = append(r.Problems, firstLine(s.Problems[0]))
		}
	}
	for _, name := range c.Initiative {
		n := m.FindInitiative(name)
		if n == nil {
			return nil, &tickmark.Error{Code: tickmark.CodeUsage, What: fmt.Sprintf("there is no initiative %q", name), Where: "--initiative"}
		}
		r.OfInitiative = append(r.OfInitiative, reportInitiative(m, n))
	}
	return r, nil
}

func problemOf(d *policy.Imported) importedProblem {
	p := importedProblem{File: d.File}
	if d.Definition != nil {
		p.ID, p.Name = d.Definition.ID, d.Definition.DisplayName
	}
	for _, x := range d.Causes {
		out := importCause{Kind: x.Kind, File: d.File, What: x.Err.Error(), Alias: x.Alias, Type: x.Type}
		if e, ok := errors.AsType[*policy.SourceError](x.Err); ok {
			out.Line, out.Col, out.What = e.Line, e.Col, e.What
		}
		p.Causes = append(p.Causes, out)
	}
	return p
}

func groupCause(groups map[string]*causeGroup, c importCause) {
	what := c.Alias
	if what == "" {
		what = c.What
	}
	key := string(c.Kind) + "\x00" + strings.ToLower(what) + "\x00" + strings.ToLower(c.Type)
	g := groups[key]
	if g == nil {
		g = &causeGroup{Kind: c.Kind, What: what, Type: c.Type, First: fmt.Sprintf("%s:%d:%d", c.File, c.Line, c.Col)}
		groups[key] = g
	}
	g.Count++
}

func reportInitiative(m *policy.Import, n *policy.Initiative) initiativeReport {
	r := initiativeReport{
		Name: n.DisplayName, ID: n.ID, Version: n.Version, References: len(n.References), Groups: len(n.Groups),
		Missing: []string{}, NotCompiled: []string{}, Problems: []string{},
	}
	for i, d := range m.Policies(n) {
		switch {
		case d == nil || d.Definition == nil:
			r.Missing = append(r.Missing, n.References[i].DefinitionID)
			continue
		case d.Policy != nil && d.Policy.Effect == policy.Manual:
			r.Manual++
			continue
		case d.Definition.Static():
			continue
		}
		r.Automated++
		if d.Compiles() {
			r.Compile++
		} else {
			r.NotCompiled = append(r.NotCompiled, cmp.Or(d.Definition.DisplayName, d.Definition.Name, d.File))
		}
	}
	for _, s := range m.Initiatives {
		if s.Initiative == n {
			for _, p := range s.Problems {
				r.Problems = append(r.Problems, firstLine(p))
			}
		}
	}
	return r
}

// firstLine is an error without its source line.
func firstLine(err error) string {
	s, _, _ := strings.Cut(err.Error(), "\n")
	return s
}

func (r *importReport) print(w io.Writer, all bool) error {
	public := r.Definitions - r.Static
	fmt.Fprintf(w, "%d definitions: %d to evaluate, %d static (controls of the provider, without a rule); %d initiatives\n", r.Definitions, public, r.Static, r.Initiatives)
	fmt.Fprintf(w, "✓ %d of %d compile\n", r.Compile, public)
	if len(r.NotCompiled) > 0 {
		fmt.Fprintf(w, "✗ %d do not, by first cause:\n\n", len(r.NotCompiled))
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for i, g := range r.Causes {
			if i == 20 && !all {
				fmt.Fprintf(t, "\t… and %d other causes; --all lists every definition\n", len(r.Causes)-i)
				break
			}
			what := g.What
			if g.Type != "" {
				what = fmt.Sprintf("%s unknown for %s", g.What, g.Type)
			}
			fmt.Fprintf(t, "  %d\t%s\t%s\n\t\tfirst at %s\n", g.Count, g.Kind, what, g.First)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	if all {
		fmt.Fprintln(w)
		for _, p := range r.NotCompiled {
			for _, c := range p.Causes {
				fmt.Fprintf(w, "%s:%d:%d: %s: %s\n", c.File, c.Line, c.Col, c.Kind, c.What)
			}
		}
	}
	for _, p := range r.Problems {
		fmt.Fprintf(w, "not read: %s\n", p)
	}
	for i := range r.OfInitiative {
		r.OfInitiative[i].print(w)
	}
	return nil
}

func (r *initiativeReport) print(w io.Writer) {
	fmt.Fprintf(w, "\nInitiative %q version %s: %d policies in %d groups: %d manual, %d automated, of which %d compile\n",
		r.Name, r.Version, r.References, r.Groups, r.Manual, r.Automated, r.Compile)
	for _, x := range r.Missing {
		fmt.Fprintf(w, "  definition %s is missing\n", x)
	}
	for _, x := range r.NotCompiled {
		fmt.Fprintf(w, "  ✗ %s\n", x)
	}
	for _, x := range r.Problems {
		fmt.Fprintf(w, "  %s\n", x)
	}
}
