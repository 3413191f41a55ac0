// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	_ "embed" // the page's style, script and template
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/check"
)

// HTMLOptions say how HTML writes the page. The zero value is the usual page.
type HTMLOptions struct {
	// ResultsPerCheck is how many results of one check and one verdict the page
	// holds; 0 means 200. Where there are more, the page says how many, and how to see them.
	ResultsPerCheck int
	// RowsPerTable is how many inputs, problems, coverage entries and types the
	// page lists each; 0 means 500. What is left out is counted.
	RowsPerTable int
}

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

//go:embed page.html
var pageTemplate string

// page is parsed once; a template that does not parse is a defect that every
// test of this package finds.
var page = template.Must(template.New("page").Funcs(template.FuncMap{"term": termLink}).Parse(pageTemplate))

// HTML writes a as one self-contained page: no request leaves it, and its
// content security policy, which names the digests of the one style and the one
// script, would stop any that tried. Text of the assessed organisation enters
// as escaped text, or as data in blocks that are no script.
func HTML(w io.Writer, a *check.Assessment, o HTMLOptions) error {
	if o.ResultsPerCheck == 0 {
		o.ResultsPerCheck = 200
	}
	if o.RowsPerTable == 0 {
		o.RowsPerTable = 500
	}
	b := bufio.NewWriterSize(w, 1<<16)
	if err := page.ExecuteTemplate(b, "top", newPage(a, o)); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	if err := dataBlock(b, "meta", newMeta(a)); err != nil {
		return err
	}
	if err := resultBlocks(b, a, o.ResultsPerCheck); err != nil {
		return err
	}
	bottom := struct{ Script template.JS }{template.JS(pageScript)} //nolint:gosec // our own embedded file, not foreign text
	if err := page.ExecuteTemplate(b, "bottom", bottom); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return b.Flush()
}

// sourceHash is the form in which a content security policy names a text.
func sourceHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// dataBlock writes v as a JSON block, which browsers do not run. Inside a
// script element only "<" could end the block; encoding/json writes <, > and &
// as \u003c, \u003e and \u0026, so that no text can.
func dataBlock(w io.Writer, id string, v any) error {
	j, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write the page's data: %w", err)
	}
	_, err = fmt.Fprintf(w, "<script type=\"application/json\" id=\"%s\">%s</script>\n", id, bytes.TrimSpace(j))
	return err
}

// meta is what the page's script knows of everything but the results.
type meta struct {
	Checks   []metaCheck          `json:"checks"`
	Criteria []metaCriterion      `json:"criteria"`
	Reasons  map[string][2]string `json:"reasons"`
	Signs    map[string]metaSign  `json:"signs"`
}

type metaCheck struct {
	ID       string         `json:"id"`
	Title    string         `json:"title"`
	Area     string         `json:"area"`
	Severity string         `json:"severity"`
	Rank     int            `json:"rank"`
	State    check.State    `json:"state"`
	Counts   check.Counts   `json:"counts"`
	Reasons  map[string]int `json:"reasons"`
	Codes    []string       `json:"codes"`
	Types    []string       `json:"types"`
}

type metaCriterion struct {
	Code       string      `json:"code"`
	Title      string      `json:"title"`
	State      check.State `json:"state"`
	Automation string      `json:"automation"`
}

type metaSign struct {
	Mark string `json:"mark"`
	Word string `json:"word"`
}

func newMeta(a *check.Assessment) meta {
	m := meta{Checks: []metaCheck{}, Criteria: []metaCriterion{}, Reasons: map[string][2]string{}, Signs: map[string]metaSign{}}
	for _, s := range a.Checks {
		c := metaCheck{
			ID: visible(s.Check.ID), Title: visible(s.Check.Title), Area: visible(s.Check.Area), Severity: s.Check.Severity.String(),
			Rank: int(s.Check.Severity), State: s.State, Counts: s.Counts, Reasons: map[string]int{}, Codes: []string{}, Types: []string{},
		}
		for r, n := range s.Reasons {
			c.Reasons[visible(string(r))] += n
		}
		for _, l := range s.Check.Criteria {
			c.Codes = append(c.Codes, visible(l.Code))
		}
		for _, t := range s.Check.Types {
			c.Types = append(c.Types, visible(t))
		}
		m.Checks = append(m.Checks, c)
	}
	for _, c := range a.Criteria {
		m.Criteria = append(m.Criteria, metaCriterion{visible(c.Criterion.Code), visible(c.Criterion.Title), c.State, visible(c.Automation)})
	}
	for _, r := range totalsOf(a).reasons {
		m.Reasons[visible(string(r.reason))] = [2]string{visible(r.reason.Text()), advise(a, r.reason)}
	}
	for _, s := range signs {
		m.Signs[s.name] = metaSign{s.mark, s.word}
	}
	return m
}

// block holds results of one check: rows of indexes into one table of strings,
// since most results of a check share all but the resource.
type block struct {
	Strings []string     `json:"s,omitempty"`
	Groups  []blockGroup `json:"g,omitempty"`
	index   map[string]int
}

type blockGroup struct {
	Verdict tickmark.Verdict `json:"v"`
	Total   int              `json:"n"`
	Rows    [][]any          `json:"r"`
}

func (b *block) string(s string) int {
	s = bounded(visible(s))
	if i, ok := b.index[s]; ok {
		return i
	}
	if b.index == nil {
		b.index = map[string]int{}
	}
	b.index[s] = len(b.Strings)
	b.Strings = append(b.Strings, s)
	return len(b.Strings) - 1
}

// bounded cuts a value that is too long to read on a page, and says so.
func bounded(s string) string {
	const most = 2000
	if len(s) <= most {
		return s
	}
	return fit(s, most-40) + fmt.Sprintf(" … (cut; %s bytes, whole in the JSON form)", number(len(s)))
}

func (b *block) add(r tickmark.Result, total int) {
	at := -1
	for i, g := range b.Groups {
		if g.Verdict == r.Verdict {
			at = i
		}
	}
	if at < 0 {
		at = len(b.Groups)
		b.Groups = append(b.Groups, blockGroup{Verdict: r.Verdict, Total: total})
	}
	w := r.Why
	row := []any{bounded(visible(r.Resource))}
	for _, s := range []string{r.Type, string(r.Reason), w.Message, w.Condition, w.Field, w.Path, w.Found, w.Wanted, w.NearMiss, w.Related, r.Name} {
		row = append(row, b.string(s))
	}
	b.Groups[at].Rows = append(b.Groups[at].Rows, row)
}

// sort puts the groups in the order in which they are read.
func (b *block) sort() {
	var out []blockGroup
	for _, v := range verdictOrder {
		for _, g := range b.Groups {
			if g.Verdict == v {
				out = append(out, g)
			}
		}
	}
	b.Groups = out
}

// resultBlocks writes one data block per check, at most limit results of each
// verdict in it. Results come ordered by check, so one block is held at a time,
// and results that are not kept are not even explained.
func resultBlocks(w io.Writer, a *check.Assessment, limit int) error {
	type key struct {
		check   int
		verdict tickmark.Verdict
	}
	taken := map[key]int{}
	next := 0
	var current block
	flush := func() error {
		current.sort()
		err := dataBlock(w, fmt.Sprintf("r%d", next), current)
		next++
		current = block{}
		return err
	}
	if a.Results != nil {
		last := 0
		keep := func(c int, v tickmark.Verdict) bool {
			k := key{c, v}
			if taken[k] >= limit {
				return false
			}
			taken[k]++
			last = c
			return true
		}
		for r := range a.Results.Select(keep) {
			for next < last {
				if err := flush(); err != nil {
					return err
				}
			}
			current.add(r, countOf(a.Checks[last].Counts, r.Verdict))
		}
	}
	for next < len(a.Checks) {
		if err := flush(); err != nil {
			return err
		}
	}
	return nil
}
