// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/report"
)

// catalogCommands read the reference data that is built in.
type catalogCommands struct {
	Criteria         criteriaCommand         `cmd:"" help:"The 61 criteria, and what answers each."`
	Controls         controlsCommand         `cmd:"" help:"The control library: read it, adopt it, judge your own."`
	Checks           checksCommand           `cmd:"" help:"The automated checks: rules, what they prove and what not."`
	Responsibilities responsibilitiesCommand `cmd:"" help:"Who does what: the provider, you, or both, per service."`
	Services         servicesCommand         `cmd:"" help:"Cloud services, their names, and the reports that cover them."`
	Crosswalk        crosswalkCommand        `cmd:"" help:"Which controls of other frameworks bear on the same criteria."`
	Registers        registersCommand        `cmd:"" help:"Starter registers: risks, calendar, incident playbook, escalation, scope, evidence tracker."`
	Glossary         glossaryCommand         `cmd:"" help:"The words, one per concept."`
	Catalogue        catalogueCommand        `cmd:"" help:"What your organisation says differently from the library, as recorded versions."`
}

// listFlags choose what a list holds and how it is printed.
type listFlags struct {
	Query []string `arg:"" optional:"" name:"word" help:"Only entries that contain every word."`
	entryFlags
}

// entryFlags choose whose entries are printed, and in which form.
type entryFlags struct {
	formFlags
	libraryFlags
}

// formFlags choose the form of what is printed.
type formFlags struct {
	JSON     bool `help:"Print JSON." xor:"form"`
	CSV      bool `help:"Print CSV." xor:"form"`
	Markdown bool `help:"Print Markdown." xor:"form"`
}

// matches reports whether an entry contains every word of the query, or what
// the glossary takes for the same: MFA finds a second factor, too.
func (f *listFlags) matches(entry any) bool {
	if len(f.Query) == 0 {
		return true
	}
	b, err := json.Marshal(entry)
	if err != nil {
		return true // what cannot be searched is shown
	}
	text := strings.ToLower(string(b))
	return len(f.Query) > 1 && says(text, strings.Join(f.Query, " ")) ||
		!slices.ContainsFunc(f.Query, func(q string) bool { return !says(text, q) })
}

// says reports whether a text in lower case holds a word, or one that the
// glossary takes for the same. Of these, short ones count as whole words only:
// the letters of an abbreviation stand inside many others.
func says(text, word string) bool {
	if strings.Contains(text, strings.ToLower(word)) {
		return true
	}
	l, err := catalog.DefaultLibrary()
	if err != nil {
		return false // whoever prints a list has loaded it
	}
	return slices.ContainsFunc(l.Alike(word), func(w string) bool {
		if len(w) > longAbbreviation {
			return strings.Contains(text, w)
		}
		for from := 0; ; {
			at := strings.Index(text[from:], w)
			if at < 0 {
				return false
			}
			start, end := from+at, from+at+len(w)
			if (start == 0 || !letter(text[start-1])) && (end == len(text) || !letter(text[end])) {
				return true
			}
			from = end
		}
	})
}

// longAbbreviation is the length up to which a word counts as an abbreviation.
const longAbbreviation = 4

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c >= 0x80 }

// print writes a listing; objects are what JSON holds.
func (f *formFlags) print(rc *runContext, l *report.Listing, objects any) error {
	switch {
	case f.JSON:
		return printJSON(rc, objects)
	case f.CSV:
		return report.ListingCSV(rc.Out, l)
	case f.Markdown:
		return report.ListingMarkdown(rc.Out, l)
	}
	return report.ListingText(rc.Out, l, report.TerminalOptions{Color: rc.Color, Width: rc.Width})
}

// show writes an entry; object is what JSON holds.
func (f *formFlags) show(rc *runContext, e *report.Entry, object any) error {
	switch {
	case f.JSON:
		return printJSON(rc, object)
	case f.CSV:
		rows := [][]string{{"title", e.Title}}
		for _, s := range e.Sections {
			if s.Text != "" {
				rows = append(rows, []string{s.Label, strings.TrimSpace(s.Text)})
			}
			for _, i := range s.Items {
				rows = append(rows, []string{s.Label, i})
			}
		}
		return report.ListingCSV(rc.Out, &report.Listing{Columns: []string{"field", "text"}, Rows: rows})
	case f.Markdown:
		return report.EntryMarkdown(rc.Out, e)
	}
	return report.EntryText(rc.Out, e, report.TerminalOptions{Color: rc.Color, Width: rc.Width})
}

// library loads the built-in library.
func library() (*catalog.Library, error) {
	l, err := catalog.DefaultLibrary()
	if err != nil {
		return nil, &tickmark.Error{Code: tickmark.CodeInternal, What: "the built-in library does not load", Err: err}
	}
	return l, nil
}

// noSuch is the error for an id that does not exist, with those nearest to it.
func noSuch(kind, id string, ids []string, list string) error {
	var near []string
	for _, x := range ids {
		if strings.Contains(x, strings.ToLower(id)) || strings.Contains(strings.ToLower(id), x) || sharedWords(x, id) >= 2 {
			near = append(near, x)
		}
	}
	hint := "tickmark " + list + " list names them"
	if len(near) > 0 {
		hint = "did you mean " + strings.Join(near[:min(len(near), 5)], ", ") + "? " + hint
	}
	return &tickmark.Error{Code: tickmark.CodeUsage, What: fmt.Sprintf("there is no %s %q", kind, id), Hint: hint}
}

func sharedWords(a, b string) int {
	n := 0
	for w := range strings.SplitSeq(strings.ToLower(b), "-") {
		if len(w) > 2 && strings.Contains("-"+a+"-", "-"+w+"-") {
			n++
		}
	}
	return n
}

// criteriaOf joins the codes of links, direct ones first and marked.
func criteriaOf(links []catalog.CriterionLink) string {
	var direct, supporting []string
	for _, l := range links {
		if l.Link == "direct" {
			direct = append(direct, l.Code)
		} else {
			supporting = append(supporting, "("+l.Code+")")
		}
	}
	return strings.Join(append(direct, supporting...), " ")
}

// usage is an error of the command line.
func usage(what, hint string) error {
	return &tickmark.Error{Code: tickmark.CodeUsage, What: what, Hint: hint}
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
