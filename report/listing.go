// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bufio"
	"io"
	"strings"
)

// Listing is a table of catalogue entries, or one entry as label and text.
type Listing struct {
	Title   string
	Columns []string
	Rows    [][]string
	// Wide is the column that gives way when the terminal is narrow; its text
	// is cut there, never in the other forms.
	Wide int
	// Notes stand below the table.
	Notes []string
}

// Entry is one thing shown whole: sections of text under labels.
type Entry struct {
	Title    string
	Subtitle string
	Sections []Section
}

// Section is a labelled part of an Entry: a paragraph, or a list.
type Section struct {
	Label string
	Text  string
	Items []string
	// Code keeps the lines of Text as they are: JSON with its indentation.
	Code bool
}

// ListingText writes a listing for a terminal.
func ListingText(w io.Writer, l *Listing, o TerminalOptions) error {
	p := newPrinter(w, o)
	if l.Title != "" {
		p.line("", strong("%s", l.Title))
	}
	widths := make([]int, len(l.Columns))
	for i, c := range l.Columns {
		widths[i] = columns(c)
	}
	for _, r := range l.Rows {
		for i, c := range r {
			widths[i] = max(widths[i], columns(visible(c)))
		}
	}
	rest := p.width - 2*(len(widths)-1)
	for i, n := range widths {
		if i != l.Wide {
			rest -= n
		}
	}
	if len(widths) > 0 {
		widths[l.Wide] = min(widths[l.Wide], max(rest, 20))
	}
	row := func(cells []string, style func(string, ...any) span) {
		var spans []span
		for i, c := range cells {
			c = visible(c)
			if columns(c) > widths[i] {
				c = clip(c, widths[i])
			}
			if i < len(cells)-1 {
				c += strings.Repeat(" ", widths[i]-columns(c)+2)
			}
			spans = append(spans, style("%s", c))
		}
		p.line("", spans...)
	}
	row(l.Columns, quiet)
	for _, r := range l.Rows {
		row(r, plain)
	}
	for _, n := range l.Notes {
		p.line("")
		p.wrap(0, n)
	}
	return p.flush()
}

// ListingCSV writes a listing as CSV, with the same care as [CSV].
func ListingCSV(w io.Writer, l *Listing) error {
	row := csvRow{w: bufio.NewWriter(w)}
	row.write(l.Columns)
	for _, r := range l.Rows {
		row.write(r)
	}
	return row.flush()
}

// markdownCell makes text safe in a cell of a Markdown table.
var markdownCell = strings.NewReplacer("|", `\|`, "\r\n", "<br>", "\n", "<br>", "<", "&lt;", "\\", `\\`)

// ListingMarkdown writes a listing as a table in Markdown (GFM).
func ListingMarkdown(w io.Writer, l *Listing) error {
	b := bufio.NewWriter(w)
	if l.Title != "" {
		_, _ = b.WriteString("# " + visible(l.Title) + "\n\n") // errors stick until Flush
	}
	write := func(cells []string) {
		for _, c := range cells {
			_, _ = b.WriteString("| " + markdownCell.Replace(c) + " ")
		}
		_, _ = b.WriteString("|\n")
	}
	write(l.Columns)
	_, _ = b.WriteString(strings.Repeat("| --- ", len(l.Columns)) + "|\n")
	for _, r := range l.Rows {
		write(r)
	}
	for _, n := range l.Notes {
		_, _ = b.WriteString("\n" + n + "\n")
	}
	return b.Flush()
}

// EntryText writes an entry for a terminal.
func EntryText(w io.Writer, e *Entry, o TerminalOptions) error {
	p := newPrinter(w, o)
	p.line("", strong("%s", e.Title))
	if e.Subtitle != "" {
		p.line("", quiet("%s", e.Subtitle))
	}
	for _, s := range e.Sections {
		if s.Text == "" && len(s.Items) == 0 {
			continue
		}
		p.line("")
		p.line("", strong("%s", s.Label))
		if s.Text != "" {
			for para := range strings.SplitSeq(strings.TrimSpace(s.Text), "\n") {
				if s.Code {
					p.code(para)
					continue
				}
				p.wrap(2, para)
			}
		}
		for _, i := range s.Items {
			p.bullet(i)
		}
	}
	return p.flush()
}

// code writes a line with its indentation; what is too long goes on deeper.
func (p *printer) code(line string) {
	text := strings.TrimLeft(line, " ")
	indent := "  " + line[:len(line)-len(text)]
	for i, part := range wrapped(visible(text), max(20, p.width-len(indent)-4)) {
		if i == 1 {
			indent += "    "
		}
		p.line(indent + part)
	}
}

// bullet writes an item of a list with its later lines under its first.
func (p *printer) bullet(text string) {
	lines := wrapped(visible(strings.Join(strings.Fields(text), " ")), p.width-4)
	for i, l := range lines {
		lead := "    "
		if i == 0 {
			lead = "  - "
		}
		p.line(lead + l)
	}
}

// EntryMarkdown writes an entry in Markdown.
func EntryMarkdown(w io.Writer, e *Entry) error {
	b := bufio.NewWriter(w)
	_, _ = b.WriteString("# " + e.Title + "\n") // errors stick until Flush
	if e.Subtitle != "" {
		_, _ = b.WriteString("\n_" + e.Subtitle + "_\n")
	}
	for _, s := range e.Sections {
		if s.Text == "" && len(s.Items) == 0 {
			continue
		}
		_, _ = b.WriteString("\n## " + s.Label + "\n\n")
		switch {
		case s.Text != "" && s.Code:
			_, _ = b.WriteString("```json\n" + strings.TrimSpace(s.Text) + "\n```\n")
		case s.Text != "":
			_, _ = b.WriteString(strings.TrimSpace(s.Text) + "\n")
		}
		for _, i := range s.Items {
			_, _ = b.WriteString("- " + i + "\n")
		}
	}
	return b.Flush()
}
