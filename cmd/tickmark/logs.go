// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/history"
	"github.com/tickmark/tickmark/logs"
	"github.com/tickmark/tickmark/report"
	"github.com/tickmark/tickmark/store"
	"github.com/tickmark/tickmark/work"
)

// logsCommand is tickmark logs.
type logsCommand struct {
	dataFlags
	Snapshot string   `default:"latest" placeholder:"ID" help:"A snapshot's id, latest or previous."`
	Log      []string `placeholder:"NAME,..." help:"Only these: activity-log, directory-audits, sign-ins …"`
	formFlags
}

// Help is the long description.
func (c *logsCommand) Help() string {
	return `The service that writes a log keeps it for days or months; a Type 2 period is longer. For each log
the snapshot's copies are compared: the service's own, those of Log Analytics workspaces, and
those of storage accounts. A day on which one copy has records and another has none is missing in
that one. A day on which no copy has a record was quiet or is lost: records cannot tell which.`
}

// logsAnswer is the JSON.
type logsAnswer struct {
	Snapshot   string    `json:"snapshot"`
	ObservedAt time.Time `json:"observedAt"`
	*logs.Coverage
}

// Run prints the copies.
func (c *logsCommand) Run(rc *runContext) error {
	var cover *logs.Coverage
	var e history.Entry
	err := c.with(rc, func(s *store.Store) error {
		var err error
		cover, e, err = work.Logs(rc.Context, s, c.Snapshot)
		return err
	})
	if err != nil {
		return err
	}
	if err := c.choose(cover); err != nil {
		return err
	}
	if c.JSON || c.CSV || c.Markdown {
		err = c.print(rc, wideLogs(cover), logsAnswer{e.ID, e.ObservedAt, cover})
	} else {
		err = c.text(rc, cover, e.ID)
	}
	if err != nil {
		return err
	}
	for i := range cover.Logs {
		if len(cover.Logs[i].Missing) > 0 {
			return statusError(tickmark.ExitIncomplete)
		}
		for _, k := range cover.Logs[i].Copies {
			if k.Unknown != tickmark.ReasonNone {
				return statusError(tickmark.ExitIncomplete)
			}
		}
	}
	return nil
}

// choose keeps the logs that are named.
func (c *logsCommand) choose(cover *logs.Coverage) error {
	if len(c.Log) == 0 {
		return nil
	}
	names, kept := logs.Names(), []logs.Log{}
	for _, want := range c.Log {
		known := false
		for _, n := range names {
			known = known || n == want
		}
		if !known {
			return &tickmark.Error{Code: tickmark.CodeUsage, Where: "--log " + want, What: "there is no such log", Hint: "it is one of " + strings.Join(names, ", ")}
		}
		for _, l := range cover.Logs {
			if l.Name == want {
				kept = append(kept, l)
			}
		}
	}
	cover.Logs = kept
	return nil
}

func (c *logsCommand) text(rc *runContext, cover *logs.Coverage, id string) error {
	found := 0
	for i := range cover.Logs {
		if len(cover.Logs[i].Copies) > 0 {
			found++
		}
	}
	if found == 0 {
		fmt.Fprintf(rc.Out, "Snapshot %s holds no log. Logs come with: tickmark collect --from DAY\n", id)
		return nil
	}
	fmt.Fprintf(rc.Out, "The logs of snapshot %s, asked for from %s to %s\n", id, date(cover.From), date(cover.To.Add(-time.Nanosecond)))
	for i := range cover.Logs {
		l := &cover.Logs[i]
		if len(l.Copies) == 0 {
			continue
		}
		fmt.Fprintln(rc.Out)
		if err := report.ListingText(rc.Out, narrowLog(l), report.TerminalOptions{Color: rc.Color, Width: rc.Width}); err != nil {
			return err
		}
	}
	return nil
}

// narrowLog is one log for a terminal.
func narrowLog(l *logs.Log) *report.Listing {
	out := &report.Listing{Title: logTitle(l), Columns: []string{"copy", "first", "last", "days", "records", "lacks"}}
	for i := range l.Copies {
		k := &l.Copies[i]
		lacks := "no day and no record that another copy has"
		switch {
		case k.Unknown != tickmark.ReasonNone:
			lacks = "not known (" + string(k.Unknown) + ")"
		case len(l.Copies) == 1 && len(l.Missing) == 0:
			lacks = "no other copy to compare"
		case len(k.LackingDays) > 0 || k.LackingRecords > 0:
			lacks = lacking(k)
		case len(l.Missing) > 0 || slices.ContainsFunc(l.Copies, func(o logs.Copy) bool { return o.Unknown != tickmark.ReasonNone }):
			lacks = "not known: another copy was not read whole"
		case k.LackingRecords < 0:
			lacks = "no day; records are not compared"
		}
		out.Rows = append(out.Rows, []string{copyName(k), date(k.First), date(k.Last), fmt.Sprintf("%d of %d", k.Days, wholeDays(k.Asked)), records(k), lacks})
		if len(k.LackingDays) > 0 {
			out.Notes = append(out.Notes, fmt.Sprintf("%s has no record of days that another copy has: %s.", copyName(k), runsOf(k.LackingDays)))
		}
	}
	if len(l.Open) > 0 {
		out.Notes = append(out.Notes, fmt.Sprintf("No copy has a record of %s: %s. Quiet, or lost: records cannot tell.", count(countDays(l.Open), "day", "days"), runsOf(l.Open)))
	}
	for _, k := range []logs.Kind{logs.Workspace, logs.Archive, logs.Export} {
		if reason := l.Missing[k]; reason != tickmark.ReasonNone {
			out.Notes = append(out.Notes, fmt.Sprintf("Whether %s has any of it is not known: %s.", map[logs.Kind]string{
				logs.Workspace: "a workspace", logs.Archive: "a storage account", logs.Export: "a storage account, by way of a workspace,",
			}[k], reason))
		}
	}
	if len(l.Unread) > 0 {
		out.Notes = append(out.Notes, fmt.Sprintf("Not known of %s: %s. A copy that may reach them was not read whole.", count(countDays(l.Unread), "day", "days"), runsOf(l.Unread)))
	}
	return out
}

// wideLogs has a row for each copy of each log.
func wideLogs(cover *logs.Coverage) *report.Listing {
	out := &report.Listing{Columns: []string{"log", "subscription", "copy", "place", "asked from", "asked to", "first", "last", "days with records", "records", "days without", "days that another copy has", "records that another copy has", "days of the period that no copy has", "days not known", "not read whole"}}
	for i := range cover.Logs {
		l := &cover.Logs[i]
		for n := range l.Copies {
			k := &l.Copies[n]
			other := "not compared"
			if k.LackingRecords >= 0 {
				other = fmt.Sprint(k.LackingRecords)
			}
			out.Rows = append(out.Rows, []string{
				l.Name, l.Subscription, string(k.Kind), cmp.Or(k.ID, k.Place), stamp(k.Asked.From), stamp(k.Asked.To), stamp(k.First), stamp(k.Last), fmt.Sprint(k.Days), records(k),
				runsOf(k.EmptyDays), runsOf(k.LackingDays), other, runsOf(l.Open), runsOf(l.Unread), string(k.Unknown),
			})
		}
	}
	return out
}

func logTitle(l *logs.Log) string {
	title := strings.ToUpper(l.Title[:1]) + l.Title[1:]
	switch {
	case l.SubscriptionName != "":
		title += ", subscription " + l.SubscriptionName
	case l.Subscription != "":
		title += ", subscription " + l.Subscription
	case l.Name == "activity-log":
		title += ", management groups and the tenant"
	}
	if l.Distinct >= 0 {
		title += fmt.Sprintf(": %d different records compared", l.Distinct)
	}
	return title
}

func copyName(k *logs.Copy) string {
	switch k.Kind {
	case logs.Workspace:
		return "workspace " + k.Place
	case logs.Archive:
		return "account " + k.Place
	case logs.Export:
		return "account " + k.Place + " (exported)"
	case logs.Service:
	}
	return "the service"
}

func lacking(k *logs.Copy) string {
	var out []string
	if n := countDays(k.LackingDays); n > 0 {
		out = append(out, count(n, "day", "days"))
	}
	if k.LackingRecords > 0 {
		out = append(out, count(k.LackingRecords, "record", "records"))
	}
	return strings.Join(out, ", ")
}

func records(k *logs.Copy) string {
	if k.Records < 0 {
		return "not counted"
	}
	return fmt.Sprint(k.Records)
}

func countDays(list []logs.Days) int {
	n := 0
	for _, d := range list {
		n += d.Count()
	}
	return n
}

// wholeDays is how many days a time touches.
func wholeDays(d logs.Days) int {
	if !d.From.Before(d.To) {
		return 0
	}
	first := d.From.UTC().Truncate(24 * time.Hour)
	n := int(d.To.Sub(first) / (24 * time.Hour))
	if first.Add(time.Duration(n) * 24 * time.Hour).Before(d.To) {
		n++
	}
	return n
}

func runsOf(list []logs.Days) string {
	var out []string
	for _, d := range list {
		if d.Count() == 1 {
			out = append(out, date(d.From))
			continue
		}
		out = append(out, date(d.From)+" to "+date(d.To.Add(-time.Hour)))
	}
	return strings.Join(out, ", ")
}

func date(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.DateOnly)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
