// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bufio"
	"io"
	"math"
	"strings"
)

// Listing is a table of catalogue entries, or one entry as label and text.
type Listing struct {
	Title   string
	Columns []string
	Rows    [][]string
	// Wide is the column that gives way first when the terminal is narrow.
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

// longestWord is how wide a column stays for the sake of a word that would
// otherwise break. The first column, which names the row, never breaks.
const longestWord = 24

// ListingText writes a listing for a terminal. What is too long for its column
// goes on in the next line: nothing is cut. Where there is no terminal, columns
// are as wide as what they hold.
func ListingText(w io.Writer, l *Listing, o TerminalOptions) error {
	p := newPrinter(w, o)
	if l.Title != "" {
		p.line("", strong("%s", l.Title))
	}
	widths, least := make([]int, len(l.Columns)), make([]int, len(l.Columns))
	measure := func(cells []string) {
		for i, c := range cells {
			c = visible(c)
			widths[i] = max(widths[i], columns(c))
			for word := range strings.FieldsSeq(c) {
				least[i] = max(least[i], min(columns(word), longestWord))
			}
		}
	}
	measure(l.Columns)
	for i, c := range l.Columns {
		least[i] = max(least[i], min(columns(c), longestWord/2)) // a short heading stays in one line
	}
	for _, r := range l.Rows {
		measure(r)
	}
	if o.Width > 0 && len(widths) > 0 {
		least[0] = widths[0]
		if !narrow(widths, least, l.Wide, p.width-2*(len(widths)-1)) {
			return stacked(p, l)
		}
	}
	notes := p.width
	if o.Width == 0 {
		p.width = math.MaxInt32
	}
	row := func(cells []string, style func(string, ...any) span) {
		lines := make([][]string, len(cells))
		most := 1
		for i, c := range cells {
			lines[i] = []string{visible(c)}
			if columns(lines[i][0]) > widths[i] {
				lines[i] = wrapped(lines[i][0], widths[i])
			}
			most = max(most, len(lines[i]))
		}
		for n := range most {
			var spans []span
			last := 0
			for i := range cells {
				if n < len(lines[i]) && lines[i][n] != "" {
					last = i
				}
			}
			for i := range cells[:last+1] {
				c := ""
				if n < len(lines[i]) {
					c = lines[i][n]
				}
				if i < last {
					c += strings.Repeat(" ", max(widths[i]-columns(c), 0)+2)
				}
				spans = append(spans, style("%s", c))
			}
			p.line("", spans...)
		}
	}
	row(l.Columns, quiet)
	for _, r := range l.Rows {
		row(r, plain)
	}
	p.width = notes
	p.notes(l)
	return p.flush()
}

func (p *printer) notes(l *Listing) {
	for _, n := range l.Notes {
		p.line("")
		p.wrap(0, n)
	}
}

// stacked writes the rows one below the other, for a terminal that is too
// narrow for so many columns.
func stacked(p *printer, l *Listing) error {
	for _, r := range l.Rows {
		p.line("", strong("%s", visible(r[0])))
		var parts []string
		for i, c := range r[1:] {
			if c != "" {
				parts = append(parts, l.Columns[i+1]+": "+c)
			}
		}
		p.wrap(2, strings.Join(parts, " · "))
	}
	p.notes(l)
	return p.flush()
}

// narrow takes from the columns what is more than there is room for: first from
// the one that gives way, then always from the widest that still can. False:
// there is not enough to take.
func narrow(widths, least []int, first, room int) bool {
	over := -room
	for _, n := range widths {
		over += n
	}
	if over > 0 && first < len(widths) {
		take := min(over, max(widths[first]-max(least[first], 2*longestWord), 0))
		widths[first] -= take
		over -= take
	}
	for ; over > 0; over-- {
		widest := -1
		for i := range widths {
			if widths[i] > least[i] && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return false
		}
		widths[widest]--
	}
	return true
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
					p.verbatim(para)
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

// verbatim writes a line with its indentation; what is too long goes on deeper.
func (p *printer) verbatim(line string) {
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

// Hanging writes text after lead, with its later lines under its first. Without
// a terminal lines are 80 columns wide.
func Hanging(w io.Writer, lead, text string, o TerminalOptions) error {
	p := newPrinter(w, o)
	indent := columns(lead)
	for _, l := range wrapped(visible(text), p.width-indent) {
		p.line(lead + l)
		lead = strings.Repeat(" ", indent)
	}
	return p.flush()
}

// Command writes a command for a POSIX shell after lead. What is too long for a
// line goes on in the next after a backslash, so that it can be pasted whole;
// the line breaks before an option, or a command that follows, and nowhere else.
func Command(w io.Writer, lead, command string, o TerminalOptions) error {
	p := newPrinter(w, o)
	indent := columns(lead)
	command = strings.ReplaceAll(command, " && ", " \x00&& ")
	parts := strings.Split(strings.ReplaceAll(command, " --", " \x00--"), " \x00")
	line := lead
	for i, part := range parts {
		switch {
		case i == 0:
			line += part
		case columns(line)+1+columns(part)+2 <= p.width:
			line += " " + part
		default:
			p.put(visible(line) + " \\\n")
			line = strings.Repeat(" ", indent+4) + part
		}
	}
	p.put(visible(line) + "\n")
	return p.flush()
}
