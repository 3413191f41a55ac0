// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/report"
	"github.com/tickmark/tickmark/work"
)

// doctorText writes what the doctor found so that it fits the terminal, or 80
// columns where there is none. The first error sticks.
type doctorText struct {
	rc  *runContext
	err error
}

func (p *doctorText) options() report.TerminalOptions {
	return report.TerminalOptions{Color: p.rc.Color, Width: cmp.Or(p.rc.Width, 80)}
}

// say writes text after lead, command a command that can be pasted.
func (p *doctorText) say(lead, format string, args ...any) {
	p.err = errors.Join(p.err, report.Hanging(p.rc.Out, lead, fmt.Sprintf(format, args...), p.options()))
}

func (p *doctorText) command(lead, command string) {
	for line := range strings.Lines(command) {
		p.err = errors.Join(p.err, report.Command(p.rc.Out, lead, strings.TrimSpace(line), p.options()))
		lead = strings.Repeat(" ", 6)
	}
}

func (p *doctorText) table(columns []string, rows [][]string) {
	p.err = errors.Join(p.err, report.ListingText(p.rc.Out, &report.Listing{Columns: columns, Rows: rows}, p.options()))
}

func (p *doctorText) gap() { fmt.Fprintln(p.rc.Out) }

func (c *doctorCommand) print(rc *runContext, d *diagnosis) error {
	p := &doctorText{rc: rc}
	for _, f := range d.Findings {
		mark := "ok  "
		if !f.OK {
			mark = "no  "
		}
		p.say(mark, "%s: %s", f.What, f.Text)
		if !f.OK && f.Do != "" {
			p.say("    → ", "%s", f.Do)
		}
		if !f.OK && f.Command != "" {
			p.command("    → ", f.Command)
		}
	}
	if d.Reach == nil {
		return p.err
	}
	p.reach(d.Reach)
	p.gaps(c, d.Reach)
	p.retention(d)
	return p.err
}

// reach is the first screen: what can be read, and what that unlocks.
func (p *doctorText) reach(r *work.ReachTable) {
	p.gap()
	p.say("", "Reach: questions, and the checks and criteria that depend on them")
	var rows [][]string
	for _, source := range sortedKeys(r.Cells) {
		name := source
		for _, s := range work.ReachStates() {
			if u := r.Cells[source][s]; u != nil {
				rows = append(rows, []string{name, string(s), fmt.Sprint(u.Asks), fmt.Sprint(len(u.Checks)), fmt.Sprint(len(u.Criteria))})
				name = ""
			}
		}
	}
	p.table([]string{"source", "state", "questions", "checks", "criteria"}, rows)
	for _, source := range sortedKeys(r.NotAsked) {
		how := "--" + source + " ORG asks it"
		if source != "devops" && source != "github" {
			how = "--only graph,arm," + source + " asks it"
			if source == "graph" || source == "arm" {
				how = "--only left it out"
			}
		}
		p.say("", "%s: not asked, and %s for it (%s).", source, count(len(r.NotAsked[source]), "check waits", "checks wait"), how)
	}
	if len(r.Files) > 0 {
		p.say("", "%s at exported files or tables only (tickmark export-script; doc/spec/input.md).", count(len(r.Files), "check looks", "checks look"))
	}
}

// gaps says what is missing, by what is missing.
func (p *doctorText) gaps(c *doctorCommand, r *work.ReachTable) {
	type gap struct{ state, need, command, do string }
	asks := map[gap][]string{}
	var order []gap
	for _, a := range r.Asks {
		var g gap
		switch a.State {
		case work.ReachRole:
			g = gap{state: string(a.State), need: cmp.Or(a.Permission, a.Role)}
			if text, ok := c.command(a); ok {
				g.command = text
			} else {
				g.do = text
			}
		case work.ReachLicence:
			g = gap{state: string(a.State), need: strings.Join(a.Licence, " or "), do: "if there will be none, for each: --decline 'SOURCE/QUESTION=why it is not there' --until DATE"}
		case work.ReachFailed:
			g = gap{state: string(a.State), need: string(a.Reason) + ": " + a.Detail}
		case work.ReachReadable, work.ReachNothing, work.ReachAbsent, work.ReachDeclined:
			continue
		}
		if asks[g] == nil {
			order = append(order, g)
		}
		asks[g] = append(asks[g], a.Source+"/"+a.Ask)
	}
	for _, g := range order {
		list := asks[g]
		if len(list) > 6 {
			list = append(slices.Clone(list[:6]), fmt.Sprintf("and %d more (--json)", len(list)-6))
		}
		p.gap()
		p.say("", "%s: %s", g.state, g.need)
		p.say("    for ", "%s", strings.Join(list, ", "))
		if g.do != "" {
			p.say("    → ", "%s", g.do)
		}
		if g.command != "" {
			p.command("    → ", g.command)
		}
	}
}

// retention is the second screen: how long each log can still be read, and what
// can be done about what cannot.
func (p *doctorText) retention(d *diagnosis) {
	if len(d.Retention) == 0 {
		return
	}
	now := p.rc.Now().UTC()
	p.gap()
	p.say("", "Retention: the period begins on %s", d.From.Format(time.DateOnly))
	var rows [][]string
	var ahead, unknown, stopped, partly []string
	lost := map[string][]string{} // by the first day that is still to be had
	for _, r := range d.Retention {
		name := r.Source + "/" + r.Ask
		since, first := "not found", "in the export"
		stopped = append(stopped, stoppedOf(name, r.Places)...)
		switch {
		case !r.Looked:
			since = "not looked for"
		case r.Unknown != tickmark.ReasonNone:
			since = "unknown"
			unknown = append(unknown, name+" ("+string(r.Unknown)+")")
		case !r.Exported.IsZero():
			since = r.Exported.Format(time.DateOnly)
		case len(r.Places) > 0 && len(r.Without) > 0:
			since = "not of each"
			partly = append(partly, fmt.Sprintf("%s: %s", name, strings.Join(r.Without, ", ")))
		}
		switch {
		case r.Lost.IsZero():
		case r.Unknown != tickmark.ReasonNone:
			first = "not known"
		case r.Lost.After(now):
			first = "until " + r.Lost.Format(time.DateOnly)
			ahead = append(ahead, name)
		default:
			first = "lost since " + r.Lost.Format(time.DateOnly)
			still := stillThere(&r, now)
			lost[still] = append(lost[still], name)
		}
		rows = append(rows, []string{name, count(int(r.Keeps.Hours()/24), "day", "days"), since, first})
	}
	p.table([]string{"log", "kept", "exported since", "first day of period"}, rows)
	if len(unknown) > 0 {
		p.say("unknown: ", "not all exports could be read, so that it is not known since when there is one and what it has: %s.", strings.Join(unknown, ", "))
	}
	if len(partly) > 0 {
		p.say("not of each: ", "no export was found of the log of these subscriptions: %s.", strings.Join(partly, "; "))
	}
	if len(stopped) > 0 {
		p.say("stopped: ", "an export has had no record for two days: %s.", strings.Join(stopped, "; "))
	}
	if len(ahead) > 0 {
		p.say("until: ", "nothing is lost yet of %s. Collect before that day, and set an export today.", strings.Join(ahead, ", "))
	}
	if len(lost) > 0 {
		p.say("lost: ", "the source has deleted the first days, and nothing brings them back. Look whether a snapshot of that time has them (tickmark snapshot list), or whether somebody sent the log elsewhere: a storage account, an event hub, a SIEM. If not, it is a gap of the period, to be told to the auditor; a later first day of the period would leave it out.")
		for _, day := range sortedKeys(lost) {
			p.say("      ", "Still to be had from %s on, if collected today: %s.", day, strings.Join(lost[day], ", "))
		}
	}
	p.say("export: ", "a diagnostic setting that sends the log to a Log Analytics workspace or to a storage account (what each has: tickmark logs). What is logged from then on is kept there, too, for as long as that place keeps it; it brings nothing back.")
}

// stillThere is the first whole day of a log that can be had now.
func stillThere(r *work.Retention, now time.Time) string {
	still := now.Add(time.Hour - r.Keeps).Truncate(24 * time.Hour).Add(24 * time.Hour)
	if !r.Exported.IsZero() && r.Exported.Before(still) {
		still = r.Exported
	}
	return still.Format(time.DateOnly)
}

// stoppedOf tells of the exports of a log that have had no record for days.
func stoppedOf(log string, places []work.Place) []string {
	var out []string
	for _, k := range places {
		if k.Stopped {
			out = append(out, fmt.Sprintf("%s in %s, last record %s", log, k.Name, k.Last.Format(time.DateOnly)))
		}
	}
	return out
}

// count writes a number with its noun, or verb, in the right form.
func count[N int | int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
