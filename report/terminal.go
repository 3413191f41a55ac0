// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/tickmark/tickmark/check"
)

// TerminalOptions say how Terminal shows an assessment. The zero value is the
// summary, 80 columns wide and without colour.
type TerminalOptions struct {
	// Color asks for colour. The caller decides: standard output is a terminal
	// and NO_COLOR is not set. Every state also has a mark and a word.
	Color bool
	// Width is the number of columns; 0 means 80, and less than 60 is taken as 60.
	Width int
	// Show asks for a detail view instead of the summary: "check ID",
	// "criterion CODE", "resource ID", "types", "coverage", "problems", "unknown" or
	// "not-read".
	// Between the word and its argument a blank, "=" or ":" may stand.
	Show string
	// Limit is the number of rows shown per verdict or list in a detail view;
	// what is left out is counted. 0 means 25, a negative number all.
	Limit int
}

// Terminal writes a summary of a that fits one screen of 80 columns and 24
// lines, or the detail view that o.Show asks for. A view that does not exist,
// or an id that is not in the assessment, is a usage error that says which are.
func Terminal(w io.Writer, a *check.Assessment, o TerminalOptions) error {
	p := newPrinter(w, o)
	if strings.TrimSpace(o.Show) != "" {
		if err := p.show(a, o.Show); err != nil {
			return err
		}
		return p.flush()
	}
	t := totalsOf(a)
	p.head(a, t)
	scope := p.scope(a.Scope)
	p.bars(a, t)
	p.line("")
	p.criteria(a)
	p.line("")
	left := 7 // rows that are left on the screen for checks and reasons
	most := 5
	if len(a.NotRead) > 0 {
		left, most = 6, 4
	}
	left -= max(0, scope-1) // a category less is a line of criteria less
	left -= p.failing(a, most)
	p.reasons(a, t, min(3, left))
	if len(a.NotRead) > 0 {
		p.notRead(a)
	}
	if len(a.Inputs) == 0 {
		p.line("next: run the script that tickmark export-script prints, then assess its files")
	}
	p.drill(a)
	return p.flush()
}

// printer writes lines of at most width columns. The first error sticks.
type printer struct {
	w     *bufio.Writer
	width int
	limit int
	color bool
	err   error
}

func newPrinter(w io.Writer, o TerminalOptions) *printer {
	p := &printer{w: bufio.NewWriter(w), width: o.Width, limit: o.Limit, color: o.Color}
	if p.width == 0 {
		p.width = 80
	}
	p.width = max(p.width, 60)
	if p.limit == 0 {
		p.limit = 25
	}
	return p
}

func (p *printer) flush() error {
	if p.err != nil {
		return p.err
	}
	return p.w.Flush()
}

// span is text of one style. Its text is made visible when it is laid out.
type span struct {
	text, color string
}

func plain(format string, args ...any) span { return span{text: fmt.Sprintf(format, args...)} }

// quiet is for what matters less than its neighbours.
func quiet(format string, args ...any) span {
	return span{text: fmt.Sprintf(format, args...), color: "2"}
}

func strong(format string, args ...any) span {
	return span{text: fmt.Sprintf(format, args...), color: "1"}
}

func (s sign) span(format string, args ...any) span {
	return span{text: fmt.Sprintf(format, args...), color: s.color}
}

// line writes one line, cut to the width. Foreign text passes through visible
// here and nowhere else, so that no caller can forget it.
func (p *printer) line(text string, spans ...span) {
	if text != "" {
		spans = append([]span{{text: text}}, spans...)
	}
	left := p.width
	for i := range spans {
		s := &spans[i]
		s.text = visible(s.text)
		if columns(s.text) > left {
			s.text = clip(s.text, left)
			spans = spans[:i+1]
			break
		}
		left -= columns(s.text)
	}
	for n := len(spans); n > 0; n-- {
		spans[n-1].text = strings.TrimRight(spans[n-1].text, " ")
		if spans[n-1].text != "" {
			break
		}
	}
	for _, s := range spans {
		if p.color && s.color != "" && strings.TrimSpace(s.text) != "" {
			p.put("\x1b[" + s.color + "m" + s.text + "\x1b[0m")
			continue
		}
		p.put(s.text)
	}
	p.put("\n")
}

// wrap writes text over as many lines as it needs, each after indent blanks.
func (p *printer) wrap(indent int, text string) {
	for _, l := range wrapped(visible(text), p.width-indent) {
		p.line(strings.Repeat(" ", indent) + l)
	}
}

func (p *printer) put(s string) {
	if p.err == nil {
		_, p.err = p.w.WriteString(s)
	}
}

func (p *printer) head(a *check.Assessment, t totals) {
	pinned := "no catalogue"
	if !a.Catalog.IsZero() {
		pinned = "catalogue " + a.Catalog.String()[:8]
	}
	if n := overridden(a); n > 0 {
		pinned += " with " + plural(n, "overridden check", "overridden checks")
	}
	observed := "time of observation not known"
	switch {
	case a.Origin == "files": // when their exporter read is not in them
		observed = "as of " + instant(a.Now)
	case !a.ObservedAt.IsZero():
		observed = "observed " + instant(a.ObservedAt)
	}
	p.line("", strong("tickmark %s", a.Engine), quiet(" · %s · ", pinned), plain("%s", originText(a)), quiet(" · %s", observed))
	objects := ""
	if a.Population.Items > 0 {
		objects = plural(a.Population.Items, "object", "objects") + " → "
	}
	spans := []span{plain("%s: %s%s of %s", inputsOf(a), objects,
		plural(t.resources, "resource", "resources"), plural(len(a.Types), "type", "types"))}
	lowers := t.lowers(a)
	switch {
	case len(a.Inputs) == 0 && t.resources == 0:
		spans = append(spans, quiet(" · nothing was read, so nothing passes"))
	case len(lowers) == 0:
		spans = append(spans, quiet(" · no problem met"))
	default:
		spans = append(spans, signOf("unknown").span(" · ? %s", strings.Join(lowers, ", ")))
	}
	p.line("", spans...)
}

// originText is where the snapshot comes from; whatever a ledger of samples
// holds is a sample, too.
func originText(a *check.Assessment) string {
	origin := cmp.Or(a.Origin, "origin not known")
	if a.Sample && a.Origin != "sample" {
		origin += ", sample"
	}
	return origin
}

// overridden counts the checks that are the organisation's word.
func overridden(a *check.Assessment) int {
	n := 0
	for i := range a.Checks {
		if a.Checks[i].Check.Override != nil {
			n++
		}
	}
	return n
}

// lowers says what lowers coverage, the most serious first.
func (t totals) lowers(a *check.Assessment) []string {
	var out []string
	if t.incomplete > 0 {
		out = append(out, number(t.incomplete)+" incomplete")
	}
	if len(a.Problems) > 0 {
		out = append(out, plural(len(a.Problems), "problem", "problems"))
	}
	if t.summaries > 0 {
		out = append(out, plural(t.summaries, "summary", "summaries"))
	}
	return out
}

// bars draws the checks by state and the results by verdict: a bar whose cells
// are the marks themselves, and the counts below it.
func (p *printer) bars(a *check.Assessment, t totals) {
	if len(a.Checks) == 0 {
		p.line("checks   none in this catalogue")
		return
	}
	p.bar("checks", len(a.Checks), shares(t.checks))
	if t.results.Total() == 0 {
		p.line("results  none: no resource met a check")
		return
	}
	p.bar("results", t.results.Total(), verdictShares(t.results))
}

func (p *printer) bar(name string, total int, parts []share) {
	const indent = 9
	bar := []span{plain("%s", pad(name, indent))}
	for i, c := range cells(parts, p.width-indent) {
		bar = append(bar, parts[i].sign.span("%s", strings.Repeat(parts[i].sign.mark, c)))
	}
	p.line("", bar...)
	p.line("", append([]span{plain("%s", pad(number(total), indent))}, legend(parts, p.width-indent)...)...)
}

// legend names the parts of a bar with their counts. Where the words do not fit
// it leaves out those that everyone knows by their mark.
func legend(parts []share, width int) []span {
	for _, form := range []struct {
		gap   string
		words bool
	}{{"   ", true}, {"  ", true}, {"  ", false}} {
		var spans []span
		used := 0
		for i, s := range parts {
			text := s.sign.mark + " " + number(s.count)
			if form.words || s.sign.name == "notApplicable" {
				text += " " + s.sign.word
			}
			if i > 0 {
				spans = append(spans, plain("%s", form.gap))
				used += len(form.gap)
			}
			spans = append(spans, s.sign.span("%s", text))
			used += columns(text)
		}
		if used <= width || !form.words {
			return spans
		}
	}
	return nil
}

// cells divides width cells among the parts in proportion, at least one each,
// by largest remainder, so that the bar is always full.
func cells(parts []share, width int) []int {
	total := 0
	for _, s := range parts {
		total += s.count
	}
	out := make([]int, len(parts))
	if total == 0 {
		return out
	}
	rest := width
	for i, s := range parts {
		out[i] = max(1, s.count*width/total)
		rest -= out[i]
	}
	for rest != 0 {
		best, bestGap := -1, 0.0
		for i, s := range parts {
			gap := float64(s.count)*float64(width)/float64(total) - float64(out[i])
			if rest < 0 {
				gap = -gap
				if out[i] <= 1 {
					continue
				}
			}
			if best < 0 || gap > bestGap {
				best, bestGap = i, gap
			}
		}
		if best < 0 {
			return out
		}
		step := 1
		if rest < 0 {
			step = -1
		}
		out[best] += step
		rest -= step
	}
	return out
}

// criteria shows each family with its criteria counted by state.
func (p *printer) criteria(a *check.Assessment) {
	fs := families(a)
	if len(fs) == 0 {
		p.line("criteria none in this catalogue")
		return
	}
	of := ""
	if a.Scope != nil && len(a.Scope.Criteria) > 0 {
		of = fmt.Sprintf(" of %d", len(a.Criteria)+len(a.Scope.Criteria))
	}
	p.line("", strong("criteria %d%s", len(a.Criteria), of), quiet("  ✎ people decide; all others need people's evidence too"))
	const width = 20
	perLine := max(1, p.width/width)
	rows := (len(fs) + perLine - 1) / perLine
	for r := range rows {
		var spans []span
		for c := r; c < len(fs); c += rows {
			used := 0
			add := func(s span) {
				used += columns(s.text)
				spans = append(spans, s)
			}
			add(plain("%s", pad(clip(visible(fs[c].code), width-1), 4)))
			for _, s := range familyShares(a, fs[c]) {
				add(s.sign.span("%s%d", s.sign.mark, s.count))
				add(plain(" "))
			}
			spans = append(spans, plain("%s", strings.Repeat(" ", max(0, width-used))))
		}
		p.line("", spans...)
	}
}

func familyShares(a *check.Assessment, f family) []share {
	m := map[string]int{}
	for _, i := range f.members {
		m[string(a.Criteria[i].State)]++
	}
	return shares(m)
}

// failing lists at most most of the failing checks, the worst first, and
// returns how many it listed.
func (p *printer) failing(a *check.Assessment, most int) int {
	worst := worstChecks(a, check.StateFail)
	if len(worst) == 0 {
		p.line("", strong("failing checks"), quiet("  none; unknown is not a pass"))
		return 0
	}
	title := "failing checks"
	if len(worst) > most {
		title = fmt.Sprintf("failing checks, worst %d of %d", most, len(worst))
		worst = worst[:most]
	}
	p.line("", strong("%s", pad(title, p.width-9)), quiet("resources"))
	list := make([]check.Summary, len(worst))
	for i, n := range worst {
		list[i] = a.Checks[n]
	}
	p.checkLines(list, func(s check.Summary) string { return number(s.Counts.Fail) })
	return len(worst)
}

// checkLines shows one check a line: state, severity, id, title and a tail.
func (p *printer) checkLines(list []check.Summary, tail func(check.Summary) string) {
	idWidth := 0
	for _, s := range list {
		idWidth = max(idWidth, min(34, columns(visible(s.Check.ID))))
	}
	for _, s := range list {
		sg, end := stateSign(s.State), tail(s)
		room := max(0, p.width-2-9-idWidth-1-1-columns(end))
		p.line("", sg.span("%s ", sg.mark), plain("%s", pad(s.Check.Severity.String(), 9)),
			strong("%s ", pad(middle(visible(s.Check.ID), idWidth), idWidth)),
			plain("%s ", pad(clip(visible(s.Check.Title), room), room)), strong("%s", end))
	}
}

// reasons lists the main reasons of unknown results and what to do, at most most.
func (p *printer) reasons(a *check.Assessment, t totals, most int) {
	if len(t.reasons) == 0 {
		return
	}
	shown := t.reasons
	title := "why unknown"
	if len(shown) > most {
		shown = shown[:most]
		title = fmt.Sprintf("why unknown, main %d of %d reasons", most, len(t.reasons))
	}
	p.line("", strong("%s", title), quiet(" → what to do next"))
	for _, r := range shown {
		p.line("", signOf("unknown").span("? "), plain("%7s  ", number(r.count)),
			plain("%s", pad(string(r.reason), 16)), quiet("→ %s", advise(a, r.reason)))
	}
}

// drill says how to see more, with a criterion that is worth a look.
func (p *printer) drill(a *check.Assessment) {
	code := "CODE"
	for _, c := range a.Criteria {
		if c.State == check.StateFail {
			code = c.Criterion.Code
			break
		}
	}
	p.line("", quiet("more: --show check ID, criterion %s, resource ID, types, problems, unknown", code))
}
