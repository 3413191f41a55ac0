// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"

	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/report"
)

// registersCommand reads the starter registers: where an organisation begins,
// not what it has decided.
type registersCommand struct {
	List   registersListCommand   `cmd:"" help:"List the registers, or the entries that contain words."`
	Show   registersShowCommand   `cmd:"" help:"Show one entry whole, such as a risk or a phase of the playbook."`
	Export registersExportCommand `cmd:"" help:"Print a register whole, to begin your own with."`
}

type registersListCommand struct {
	Register string `help:"Only one register: risks, calendar, playbook, escalation, scope or tracker." placeholder:"NAME"`
	listFlags
}

// Run lists registers, or the entries of one.
func (c *registersListCommand) Run(rc *runContext) error {
	l, err := c.library(rc)
	if err != nil {
		return err
	}
	registers, err := registersNamed(l, c.Register)
	if err != nil {
		return err
	}
	if c.Register == "" && len(c.Query) == 0 {
		t := &report.Listing{Columns: []string{"register", "name", "part", "entries", "about"}, Wide: 4}
		for _, r := range registers {
			for _, p := range r.Parts {
				t.Rows = append(t.Rows, []string{r.ID, r.Name, p.ID, fmt.Sprint(len(p.Entries)), p.About})
			}
		}
		t.Notes = []string{"Templates to begin with: strike, rate and fill in what is yours. tickmark registers export REGISTER prints one whole."}
		return c.print(rc, t, registers)
	}
	t := &report.Listing{Columns: []string{"register", "part", "id", "title"}, Wide: 3}
	list := []any{}
	var keys []string
	for _, r := range registers {
		for _, p := range r.Parts {
			for _, e := range p.Entries {
				if c.matches(e) {
					list = append(list, e)
					id, title := titleOf(fieldsOf(e))
					t.Rows = append(t.Rows, []string{r.ID, p.ID, id, title})
					keys = append(keys, catalog.KindOf(p.ID)+"/"+id)
				}
			}
		}
	}
	t.Notes = []string{count(len(list), "entry", "entries") + "."}
	return c.list(rc, l, t, list, keys)
}

type registersShowCommand struct {
	ID string `arg:"" help:"An entry's id."`
	entryFlags
}

// Run shows one entry.
func (c *registersShowCommand) Run(rc *runContext) error {
	l, err := c.library(rc)
	if err != nil {
		return err
	}
	var ids []string
	for _, r := range l.RegisterList() {
		for _, p := range r.Parts {
			for _, e := range p.Entries {
				id, _ := titleOf(fieldsOf(e))
				if ids = append(ids, id); strings.EqualFold(id, c.ID) {
					return c.entry(rc, l, registerEntry(r.Name+" · "+p.ID, e), e, catalog.KindOf(p.ID)+"/"+id)
				}
			}
		}
	}
	return noSuch("entry", c.ID, ids, "registers")
}

// registerEntry is an entry of a register as it is shown.
func registerEntry(place string, entry any) *report.Entry {
	fields := fieldsOf(entry)
	id, title := titleOf(fields)
	out := &report.Entry{Title: id + "  " + title, Subtitle: place}
	for _, f := range fields[1:] {
		s := report.Section{Label: label(f.name), Items: f.items}
		if len(f.items) == 0 {
			s.Text = oneLine(f.text)
		}
		out.Sections = append(out.Sections, s)
	}
	return out
}

type registersExportCommand struct {
	Register string `arg:"" help:"Which register: risks, calendar, playbook, escalation, scope or tracker."`
	Part     string `help:"Only one part of it, such as phases." placeholder:"NAME"`
	entryFlags
}

// Run prints a register whole. CSV needs the register to have one part, or one
// to be named.
func (c *registersExportCommand) Run(rc *runContext) error {
	l, err := c.library(rc)
	if err != nil {
		return err
	}
	registers, err := registersNamed(l, c.Register)
	if err != nil {
		return err
	}
	r := registers[0]
	var parts []catalog.RegisterPart
	var names []string
	for _, p := range r.Parts {
		names = append(names, p.ID)
		if c.Part == "" || c.Part == p.ID {
			parts = append(parts, p)
		}
	}
	if len(parts) == 0 {
		return usage(fmt.Sprintf("register %q has no part %q", r.ID, c.Part), "its parts are "+strings.Join(names, ", "))
	}
	if c.CSV && len(parts) > 1 {
		return usage(fmt.Sprintf("register %q has %d parts, and a CSV file holds one table", r.ID, len(parts)), "add --part with one of "+strings.Join(names, ", "))
	}
	r.Parts = parts
	keys := func(p catalog.RegisterPart) []string {
		return keysOf(catalog.KindOf(p.ID), p.Entries, func(e any) string {
			id, _ := titleOf(fieldsOf(e))
			return id
		})
	}
	if c.JSON {
		for i, p := range parts {
			parts[i].Entries = c.originals(l, p.Entries, keys(p))
		}
		return printJSON(rc, r)
	}
	for _, p := range parts {
		at := keys(p)
		if !c.CSV && !c.Markdown {
			for i, e := range p.Entries {
				if err := c.entry(rc, l, registerEntry(r.Name+" · "+p.ID, e), e, at[i]); err != nil {
					return err
				}
				fmt.Fprintln(rc.Out)
			}
			continue
		}
		if err := c.list(rc, l, registerTable(r.Name+": "+p.ID, p.Entries), nil, at); err != nil {
			return err
		}
	}
	return nil
}

// registerTable is a part of a register with all its members as columns.
func registerTable(title string, entries []any) *report.Listing {
	t := &report.Listing{Title: title}
	for _, e := range entries {
		fields := fieldsOf(e)
		t.Columns = t.Columns[:0]
		row := make([]string, 0, len(fields))
		for _, f := range fields {
			t.Columns = append(t.Columns, label(f.name))
			row = append(row, f.joined())
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// registersNamed returns the register with this name, or all if it is empty.
func registersNamed(l *catalog.Library, name string) ([]catalog.Register, error) {
	if name == "" {
		return l.RegisterList(), nil
	}
	if r := l.Register(strings.ToLower(name)); r != nil {
		return []catalog.Register{*r}, nil
	}
	var ids []string
	for _, r := range l.RegisterList() {
		ids = append(ids, r.ID)
	}
	return nil, usage(fmt.Sprintf("there is no register %q", name), "the registers are "+strings.Join(ids, ", "))
}

// entryField is a member of an entry under its JSON name.
type entryField struct {
	name  string
	text  string
	items []string
}

func (f *entryField) joined() string {
	if len(f.items) > 0 {
		return strings.Join(f.items, "; ")
	}
	return oneLine(f.text)
}

// titleOf returns the id of an entry and what it is about.
func titleOf(fields []entryField) (id, title string) {
	for _, name := range []string{"title", "threat", "who", "role"} {
		for _, f := range fields {
			if f.name == name {
				return fields[0].text, f.text
			}
		}
	}
	return fields[0].text, ""
}

// fieldsOf lists the members of an entry in the order of its type; the first
// is its id.
func fieldsOf(entry any) []entryField {
	v := reflect.ValueOf(entry)
	out := make([]entryField, 0, v.NumField())
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		f := entryField{name: name}
		switch x := v.Field(i).Interface().(type) {
		case []string:
			f.items = x
		default:
			f.text = fmt.Sprint(x)
		}
		out = append(out, f)
	}
	return out
}

// label makes words of a name: likelihoodWhy becomes "Likelihood why".
func label(name string) string {
	var b strings.Builder
	for i, r := range name {
		switch {
		case i == 0:
			b.WriteRune(unicode.ToUpper(r))
		case unicode.IsUpper(r):
			b.WriteByte(' ')
			b.WriteRune(unicode.ToLower(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
