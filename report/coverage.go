// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
)

// Coverage writes what was asked, answered and refused: one line for each
// question, all scopes taken together, and under it what was left out and why.
func Coverage(w io.Writer, coverage []tickmark.Coverage, o TerminalOptions) error {
	p := newPrinter(w, o)
	p.showCoverage(coverage)
	return p.flush()
}

// askSum is one question over all scopes.
type askSum struct {
	source, name                      string
	asked, answered, requests, rows   int
	scopes, refused, excluded, missed int
	reasons                           map[tickmark.Reason]int
	details                           map[tickmark.Reason]string
	first, last                       time.Time
	gaps                              int
}

// sums adds up the questions in the order in which they were put first.
func sums(coverage []tickmark.Coverage) []*askSum {
	index := map[[2]string]*askSum{}
	var order []*askSum
	for i := range coverage {
		c := &coverage[i]
		for k := range c.Asks {
			key := [2]string{c.Source, c.Asks[k].Name}
			s := index[key]
			if s == nil {
				s = &askSum{source: c.Source, name: c.Asks[k].Name, reasons: map[tickmark.Reason]int{}, details: map[tickmark.Reason]string{}}
				index[key] = s
				order = append(order, s)
			}
			s.add(&c.Asks[k])
		}
	}
	return order
}

func (s *askSum) add(a *tickmark.AskCoverage) {
	s.scopes++
	s.asked += a.Subjects
	s.answered += a.Answered
	s.requests += a.Requests
	s.rows += a.Rows
	s.refused += len(a.Refusals)
	s.excluded += len(a.Excluded)
	note := func(r tickmark.Reason, detail string) {
		s.reasons[r]++
		s.details[r] = cmp.Or(s.details[r], detail)
	}
	for _, list := range [2][]tickmark.Refusal{a.Refusals, a.Excluded} {
		for _, r := range list {
			detail := r.Detail
			if r.Code != "" {
				detail = strings.TrimSpace(r.Code + " " + detail)
			}
			note(r.Reason, detail)
		}
	}
	if a.Missing != tickmark.ReasonNone {
		s.missed++
		if len(a.Refusals)+len(a.Excluded) == 0 {
			note(a.Missing, a.Detail)
		}
	}
	if t := a.Span; t != nil {
		s.gaps += len(t.Gaps)
		if !t.First.IsZero() && (s.first.IsZero() || t.First.Before(s.first)) {
			s.first = t.First
		}
		if t.Last.After(s.last) {
			s.last = t.Last
		}
	}
}

// unasked reports whether nobody wanted the question put at all.
func (s *askSum) unasked() bool {
	return s.requests == 0 && s.asked == 0 && s.missed == s.scopes && s.reasons[tickmark.ReasonNotRead] > 0 && len(s.reasons) == 1
}

// whole reports whether the question was answered for everything.
func (s *askSum) whole() bool {
	return s.missed+s.refused+s.excluded == 0 && s.answered >= s.asked
}

func (p *printer) showCoverage(coverage []tickmark.Coverage) {
	put := sums(coverage)
	all := slices.DeleteFunc(slices.Clone(put), func(s *askSum) bool { return s.unasked() })
	defer p.leftOut(coverage, put)
	if len(all) == 0 {
		p.line("nothing was asked: files say what they hold, and not what is missing (--show types lists it)")
		return
	}
	wide := 0
	for _, s := range all {
		wide = max(wide, columns(visible(s.source+"/"+s.name)))
	}
	wide = min(wide, p.width-40)
	p.line("", strong("%s %8s %8s %8s %9s", pad("question", wide+2), "asked", "answered", "refused", "rows"))
	left, open := 0, 0
	for n, s := range all {
		if !s.whole() {
			open++
		}
		if p.limit >= 0 && n >= p.limit && s.whole() {
			left++ // what was not answered is always shown
			continue
		}
		p.ask(s, wide)
	}
	if left > 0 {
		p.line("", quiet("and %s more that were wholly answered: --limit=-1 or --json", number(left)))
	}
	p.line("")
	p.wrap(0, fmt.Sprintf("%s of %s wholly answered. What was not stays unknown.", number(len(all)-open), plural(len(all), "question", "questions")))
}

// ask is the line of a question and what it left open.
func (p *printer) ask(s *askSum, wide int) {
	sg := signOf("pass")
	if !s.whole() {
		sg = signOf("unknown")
	}
	name := pad(middle(visible(s.source+"/"+s.name), wide), wide)
	p.line("", sg.span("%s ", sg.mark), plain("%s %8s %8s %8s %9s", name, number(s.asked), number(s.answered), number(s.refused), number(s.rows)))
	reasons := sortedReasons(s.reasons)
	for _, r := range reasons {
		detail := strings.TrimSuffix(s.details[r.reason], ".")
		p.wrap(4, fmt.Sprintf("%s %s: %s", number(r.count), r.reason, cmp.Or(detail, r.reason.Text())))
	}
	if s.gaps > 0 {
		when := "no record"
		if !s.first.IsZero() {
			when = "records from " + s.first.UTC().Format(time.DateOnly) + " to " + s.last.UTC().Format(time.DateOnly)
		}
		p.wrap(4, when+"; "+plural(s.gaps, "gap", "gaps")+" of which the log says nothing")
	}
}

// Open names the questions that were put and not wholly answered.
func Open(coverage []tickmark.Coverage) []string {
	var out []string
	for _, s := range sums(coverage) {
		if !s.whole() && !s.unasked() {
			out = append(out, s.source+"/"+s.name)
		}
	}
	return out
}
