// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bufio"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/check"
)

var csvHead = []string{
	"check", "title", "severity", "criteria", "resource", "type", "verdict", "reason",
	"field", "path", "found", "wanted", "message", "condition", "nearMiss", "related", "override", "scope",
}

// CSV writes one row per result after a head row, as RFC 4180 asks: commas,
// CRLF, quotes doubled. A cell that a spreadsheet would take for a formula
// gets an apostrophe in front, and control characters other than the line
// feeds and tabs inside a cell show as their pictures; JSON holds the exact text.
// One column says whose word the check is, empty where it is the library's, and
// the last one which categories were chosen, empty where nobody chose.
func CSV(w io.Writer, a *check.Assessment) error {
	b := bufio.NewWriterSize(w, 1<<16)
	row := csvRow{w: b}
	row.write(csvHead)
	if a.Results == nil {
		return row.flush()
	}
	scope := scopeText(a.Scope)
	lead := make(map[string][4]string, len(a.Checks))
	for _, s := range a.Checks {
		codes := make([]string, len(s.Check.Criteria))
		for i, l := range s.Check.Criteria {
			codes[i] = l.Code
		}
		lead[s.Check.ID] = [4]string{s.Check.Title, s.Check.Severity.String(), strings.Join(codes, " "), s.Check.Override.String()}
	}
	for r := range a.Results.All() {
		c := lead[r.Check]
		row.write([]string{
			r.Check, c[0], c[1], c[2], r.Resource, r.Type, r.Verdict.String(), string(r.Reason),
			r.Why.Field, r.Why.Path, r.Why.Found, r.Why.Wanted, r.Why.Message, r.Why.Condition, r.Why.NearMiss, r.Why.Related, c[3], scope,
		})
		if row.err != nil {
			return row.err
		}
	}
	return row.flush()
}

type csvRow struct {
	w   *bufio.Writer
	err error
}

func (c *csvRow) write(cells []string) {
	for i, s := range cells {
		if i > 0 {
			c.put(",")
		}
		c.put(csvCell(s))
	}
	c.put("\r\n")
}

func (c *csvRow) put(s string) {
	if c.err == nil {
		_, c.err = c.w.WriteString(s)
	}
}

func (c *csvRow) flush() error {
	if c.err != nil {
		return c.err
	}
	return c.w.Flush()
}

// csvCell makes s safe for spreadsheets and quotes it where RFC 4180 asks.
func csvCell(s string) string {
	if s == "" {
		return ""
	}
	if formula(s) {
		s = "'" + s
	}
	s = csvText(s)
	if strings.ContainsAny(s, "\",\r\n;\t ") {
		return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	return s
}

// formula reports whether a spreadsheet might evaluate s: it starts, maybe
// after blanks or characters without width, with a sign that opens a formula
// (also in its full-width form), or with a control character.
func formula(s string) bool {
	for _, r := range s {
		switch r {
		case '=', '+', '-', '@', '＝', '＋', '－', '＠', '|', '%', '\t', '\r', '\n', 0:
			return true
		}
		if unicode.IsSpace(r) || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Z) {
			continue
		}
		return false
	}
	return false
}

// csvText replaces control characters, which RFC 4180 does not allow in a
// cell, and bytes that are not UTF-8.
func csvText(s string) string {
	odd := func(r rune) bool {
		return r == utf8.RuneError || r == 0x7f || r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r >= 0x80 && r < 0xa0
	}
	if strings.IndexFunc(s, odd) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case !odd(r) || r == utf8.RuneError:
			return r
		case r < 0x20:
			return 0x2400 + r
		case r == 0x7f:
			return '␡'
		}
		return utf8.RuneError
	}, s)
}

// rest says how many results of one verdict a view left out.
func rest(c check.Counts, v tickmark.Verdict, shown int) int { return max(0, countOf(c, v)-shown) }
