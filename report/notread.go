// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/check"
)

// notReadText says what a source that was not read leaves unknown.
func notReadText(u *check.SourceNotRead) string {
	return plural(len(u.Checks), "check", "checks") + " of " + plural(len(u.Criteria), "criterion", "criteria")
}

// notReadName is the source, and whether some of it was read.
func notReadName(u *check.SourceNotRead) string {
	if u.Partly {
		return u.Source + " (in part)"
	}
	return u.Source
}

// notReadWhy says why nobody read a source.
func notReadWhy(a *check.Assessment, u *check.SourceNotRead) string {
	if u.Partly {
		return "some of its questions were left out (--show coverage)"
	}
	switch u.Reason { //nolint:exhaustive // the others speak for themselves
	case tickmark.ReasonDeclined:
		return "declared not in use: " + cmp.Or(u.Detail, "no reason is kept")
	case tickmark.ReasonExcluded:
		return "left out: " + cmp.Or(u.Detail, "no reason is kept")
	case tickmark.ReasonNotRead:
		if u.Detail == "" && a.Origin != "files" {
			return "no question of the collection was about it"
		}
		return cmp.Or(u.Detail, "nothing of it was given")
	}
	return cmp.Or(u.Detail, u.Reason.Text())
}

// howToRead is the command that reads a source, or what else there is to do.
func howToRead(a *check.Assessment, u *check.SourceNotRead) string {
	switch {
	case u.Reason == tickmark.ReasonDeclined || u.Reason == tickmark.ReasonExcluded:
		return nextStep(u.Reason)
	case u.Partly:
		return "tickmark collect, without --only"
	case u.Source == "m365":
		return "tickmark export-script --source m365"
	case u.Source == "devops" || u.Source == "github":
		return "tickmark collect --" + u.Source + " ORG"
	case u.Source == "power":
		return "tickmark collect --only graph,arm,power"
	case u.Source == "hr" || u.Source == "security" || u.Source == "tickets":
		if collected(a) {
			return "tickmark collect --with a table of it (doc/spec/input.md)"
		}
		return "give a table of it with a mapping (doc/spec/input.md)"
	case (u.Source == "arm" || u.Source == "graph") && a.Origin == "files":
		return "tickmark export-script --sources arm,graph"
	case u.Source == "arm" || u.Source == "graph":
		return "tickmark collect"
	}
	return "export it and give the file: tickmark assess"
}

// notRead names, on one line, the sources that were not read, as many as fit.
func (p *printer) notRead(a *check.Assessment) {
	const more = " → --show not-read"
	text, shown := "", 0
	for i := range a.NotRead {
		u := &a.NotRead[i]
		next := notReadName(u) + " " + number(len(u.Checks)) + " of " + number(len(u.Criteria))
		if i == 0 {
			next = notReadName(u) + " " + notReadText(u)
		} else {
			next = ", " + next
		}
		if i > 0 && columns("not read  "+text+next+", +99"+more) > p.width {
			break
		}
		text, shown = text+next, shown+1
	}
	if left := len(a.NotRead) - shown; left > 0 {
		text += fmt.Sprintf(", +%d", left)
	}
	p.line("", strong("not read"), signOf("unknown").span("  %s", text), quiet(more))
}

// showNotRead lists the sources that were not read: one line each, and what to do.
func (p *printer) showNotRead(a *check.Assessment) {
	if len(a.NotRead) == 0 {
		p.line("no check is unknown because a source was not read")
		return
	}
	for i := range a.NotRead {
		u := &a.NotRead[i]
		if i > 0 {
			p.line("")
		}
		p.line("", signOf("unknown").span("? %s", pad(notReadName(u), 10)), plain(" %s unknown", notReadText(u)))
		p.wrap(2, notReadWhy(a, u))
		p.wrap(2, "→ "+howToRead(a, u))
		p.wrap(2, "criteria: "+strings.Join(u.Criteria, ", "))
	}
	p.line("")
	p.wrap(0, "Whether there is anything in them nobody knows: their checks are unknown, and count nowhere as no resource.")
}

// leftOut writes one line for each source, and for the questions of each
// source, that a collection did not put: they have no line of their own.
func (p *printer) leftOut(coverage []tickmark.Coverage, all []*askSum) {
	type group struct {
		source, detail string
		reason         tickmark.Reason
		asks           int
	}
	var groups []group
	for _, s := range all {
		if !s.unasked() {
			continue
		}
		detail := s.details[tickmark.ReasonNotRead]
		n := len(groups)
		if n == 0 || groups[n-1].source != s.source || groups[n-1].detail != detail {
			groups = append(groups, group{source: s.source, detail: detail, reason: tickmark.ReasonNotRead})
			n++
		}
		groups[n-1].asks++
	}
	for i := range coverage {
		if c := &coverage[i]; isLeftOut(c) {
			groups = append(groups, group{source: c.Source, detail: c.Detail, reason: c.Missing})
		}
	}
	for _, g := range groups {
		what := g.source + ": not read"
		if g.asks > 0 {
			what = g.source + ": " + plural(g.asks, "question", "questions") + " not put"
		}
		p.wrap(0, fmt.Sprintf("? %s: %s: %s", what, g.reason, strings.TrimSuffix(cmp.Or(g.detail, g.reason.Text()), ".")))
	}
}

// isLeftOut reports whether an entry of the coverage stands for a whole source
// that was not read.
func isLeftOut(c *tickmark.Coverage) bool {
	return c.Source != "file" && c.Scope == "" && c.Pages == 0 && len(c.Asks) == 0 && c.Missing != tickmark.ReasonNone
}

// LeftOut names the sources that a collection left out without a reason.
func LeftOut(coverage []tickmark.Coverage) []string {
	var out []string
	for i := range coverage {
		if c := &coverage[i]; isLeftOut(c) && c.Missing == tickmark.ReasonNotRead {
			out = append(out, c.Source)
		}
	}
	return out
}
