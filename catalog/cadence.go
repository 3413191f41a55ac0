// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"cmp"
	"slices"
	"time"
)

// Span is a stretch of days, both ends included (YYYY-MM-DD).
type Span struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Overlap returns the days that two spans have in common; false if none.
func (s Span) Overlap(t Span) (Span, bool) {
	o := Span{max(s.From, t.From), min(s.To, t.To)}
	return o, o.From <= o.To
}

// Cover is what a report or a letter says about some of the days asked for.
type Cover struct {
	// Days are those of the time asked for; Period is all that the paper covers.
	Days   Span `json:"days"`
	Period Span `json:"period"`
	// By is auditor for a report, management for a bridge letter: a letter is
	// the provider's own word.
	By string `json:"by"`
	// Regime is the date of the rule from which the period was derived.
	Regime string `json:"regime"`
}

// Coverage says how a provider's papers cover a time.
type Coverage struct {
	Reports []Cover `json:"reports"` // ordered by the end of their period
	Letters []Cover `json:"letters"` // for days that no report covers
	Gaps    []Span  `json:"gaps"`    // days that neither covers
}

// Covering derives from the rules in force which periods and bridge letters
// cover the days of a time, of those that had ended on the day asOf. What it
// derives is expected, not seen: the paper in hand decides. Days for which no
// rule is known are gaps.
func (r *ReportProfile) Covering(t Span, asOf string) Coverage {
	c := Coverage{Reports: []Cover{}, Letters: []Cover{}, Gaps: []Span{}}
	for _, x := range r.Cadence {
		for _, p := range x.periods(t, asOf) {
			if days, ok := p.Overlap(t); ok {
				c.Reports = append(c.Reports, Cover{days, p, "auditor", x.From})
			}
		}
	}
	byEnd := func(a, b Cover) int { return cmp.Compare(a.Period.To, b.Period.To) }
	slices.SortFunc(c.Reports, byEnd)
	open := without([]Span{t}, c.Reports)
	for _, x := range r.Cadence {
		for _, p := range x.letters(t, asOf) {
			for _, gap := range open {
				if days, ok := p.Overlap(gap); ok {
					c.Letters = append(c.Letters, Cover{days, p, "management", x.From})
				}
			}
		}
	}
	slices.SortFunc(c.Letters, byEnd)
	c.Gaps = without(open, c.Letters)
	return c
}

// periods lists the periods that end while the rule is known to hold, up to
// asOf, and that may touch t.
func (c *Cadence) periods(t Span, asOf string) []Span {
	var out []Span
	for year := yearOf(t.From); year <= yearOf(t.To)+1+c.Months/12; year++ {
		for _, d := range c.PeriodEnds {
			end, ok := dayIn(year, d)
			if to := end.Format(time.DateOnly); ok && c.holds(to) && to <= asOf {
				out = append(out, Span{end.AddDate(0, 0, 1).AddDate(0, -c.Months, 0).Format(time.DateOnly), to})
			}
		}
	}
	return out
}

// letters lists the spans of bridge letters that end while the rule is known
// to hold, up to asOf.
func (c *Cadence) letters(t Span, asOf string) []Span {
	var out []Span
	for year := yearOf(t.From); year <= yearOf(t.To)+1; year++ {
		for _, b := range c.Bridge {
			from, ok := dayIn(year, b.From)
			to, ok2 := dayIn(year, b.To)
			if b.To < b.From {
				from = from.AddDate(-1, 0, 0)
			}
			if last := to.Format(time.DateOnly); ok && ok2 && c.holds(last) && last <= asOf {
				out = append(out, Span{from.Format(time.DateOnly), last})
			}
		}
	}
	return out
}

func (c *Cadence) holds(day string) bool { return c.From <= day && (c.To == "" || day <= c.To) }

func yearOf(day string) int {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return 0
	}
	return t.Year()
}

// dayIn returns a day of the year (MM-DD).
func dayIn(year int, day string) (time.Time, bool) {
	t, err := time.Parse("01-02", day)
	return time.Date(year, t.Month(), t.Day(), 0, 0, 0, 0, time.UTC), err == nil
}

// without removes covered days from spans.
func without(spans []Span, covers []Cover) []Span {
	out := slices.Clone(spans)
	for _, c := range covers {
		var rest []Span
		for _, s := range out {
			o, ok := s.Overlap(c.Days)
			if !ok {
				rest = append(rest, s)
				continue
			}
			if s.From < o.From {
				rest = append(rest, Span{s.From, nextDay(o.From, -1)})
			}
			if o.To < s.To {
				rest = append(rest, Span{nextDay(o.To, 1), s.To})
			}
		}
		out = rest
	}
	if out == nil {
		out = []Span{}
	}
	return out
}

func nextDay(day string, n int) string {
	t, _ := time.Parse(time.DateOnly, day)
	return t.AddDate(0, 0, n).Format(time.DateOnly)
}
