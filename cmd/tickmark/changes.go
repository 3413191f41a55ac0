// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/change"
	"github.com/tickmark/tickmark/history"
	"github.com/tickmark/tickmark/report"
	"github.com/tickmark/tickmark/store"
	"github.com/tickmark/tickmark/work"
)

// changesCommands show who wrote, reviewed, approved and deployed each change.
type changesCommands struct {
	List changesListCommand `cmd:"" default:"withargs" help:"List the deployments, and what the records show of each."`
	Show changesShowCommand `cmd:"" help:"Show one deployment: what it brought, and by whom."`
}

// Help is the long description.
func (c *changesCommands) Help() string {
	return `Each deployment of Azure DevOps and GitHub that a recorded snapshot holds is joined with the
commits that it brought, the pull requests that made them, their reviews, the deployment's
approvals and who started it. What was not read is unknown, with the reason. Accounts are
compared, not people: one person may have two. Pull requests and deployments come with:
tickmark collect --devops ORG --github ORG`
}

// changesFlags choose the snapshot and the deployments.
type changesFlags struct {
	dataFlags
	Snapshot    string   `default:"latest" placeholder:"ID" help:"A snapshot's id, latest or previous."`
	Environment []string `placeholder:"NAME,..." help:"Only deployments to these environments; * stands for any letters."`
}

type changesListCommand struct {
	changesFlags
	Open bool `help:"Only deployments with an answer other than yes."`
	formFlags
}

type changesShowCommand struct {
	changesFlags
	ID string `arg:"" help:"The deployment's id, or its last part."`
	formFlags
}

// changesAnswer is the JSON of the list.
type changesAnswer struct {
	Snapshot   string    `json:"snapshot"`
	ObservedAt time.Time `json:"observedAt"`
	// Answers count each question over all deployments, also those not shown.
	Answers     map[string]change.Counts `json:"answers"`
	Deployments []change.Deployment      `json:"deployments"`
	Lacking     []change.Lacking         `json:"lacking"`
}

var questions = []struct {
	name, text string
	of         func(*change.Deployment) change.Fact
}{
	{"reviewedByOther", "each change was approved in a pull request by an account that wrote none of it", func(d *change.Deployment) change.Fact { return d.ReviewedByOther }},
	{"approvedByOther", "the deployment was approved by an account that wrote none of it", func(d *change.Deployment) change.Fact { return d.ApprovedByOther }},
	{"deployedByOther", "the deployment was started by an account that wrote none of it", func(d *change.Deployment) change.Fact { return d.DeployedByOther }},
}

func (f *changesFlags) trace(rc *runContext) (t *change.Trace, e history.Entry, err error) {
	for _, p := range f.Environment {
		if _, err := path.Match(strings.ToLower(p), ""); err != nil {
			return nil, e, &tickmark.Error{Code: tickmark.CodeUsage, Where: "--environment " + p, What: "it is not a pattern", Hint: "write a name; * stands for any letters"}
		}
	}
	err = f.with(rc, func(s *store.Store) error {
		t, e, err = work.Changes(rc.Context, s, f.Snapshot)
		return err
	})
	if err != nil {
		return nil, e, err
	}
	if len(f.Environment) > 0 {
		kept := []change.Deployment{}
		for _, d := range t.Deployments {
			if f.matches(d.Environment) {
				kept = append(kept, d)
			}
		}
		t.Deployments = kept
	}
	return t, e, nil
}

func (f *changesFlags) matches(environment string) bool {
	for _, p := range f.Environment {
		if ok, _ := path.Match(strings.ToLower(p), strings.ToLower(environment)); ok {
			return true
		}
	}
	return false
}

// Run lists.
func (c *changesListCommand) Run(rc *runContext) error {
	t, e, err := c.trace(rc)
	if err != nil {
		return err
	}
	answer := changesAnswer{Snapshot: e.ID, ObservedAt: e.ObservedAt, Answers: map[string]change.Counts{}, Lacking: t.Lacking}
	for _, q := range questions {
		answer.Answers[q.name] = t.Count(q.of)
	}
	all := len(t.Deployments)
	if c.Open {
		kept := []change.Deployment{}
		for i := range t.Deployments {
			if open(&t.Deployments[i]) {
				kept = append(kept, t.Deployments[i])
			}
		}
		t.Deployments = kept
	}
	answer.Deployments = t.Deployments
	if c.JSON || c.CSV || c.Markdown {
		if err := c.print(rc, wide(t), answer); err != nil {
			return err
		}
		return c.lacking(rc.Err, t, e.ID)
	}
	if all == 0 {
		fmt.Fprintf(rc.Out, "Snapshot %s holds no deployment%s.\n", e.ID, c.of())
	} else {
		if err := c.print(rc, narrow(t), answer); err != nil {
			return err
		}
		c.sum(rc, t, answer, all)
	}
	return c.lacking(rc.Out, t, e.ID)
}

// wide has all that a spreadsheet wants, narrow what a terminal has room for.
func wide(t *change.Trace) *report.Listing {
	l := &report.Listing{Columns: []string{
		"deployment", "started", "place", "environment", "pipeline", "run", "result", "commit", "changes", "wrote", "reviewed", "approved", "deployed",
		"reviewed by other", "approved by other", "deployed by other", "not known",
	}}
	for i := range t.Deployments {
		d := &t.Deployments[i]
		l.Rows = append(l.Rows, []string{
			d.ID, d.At.Format(time.RFC3339), d.Place, d.Environment, d.Pipeline, d.Run, d.Result, d.Commit, numbers(d), whole(d.Wrote), whole(d.Reviewed), whole(d.Approved), whole(d.Deployed),
			string(d.ReviewedByOther), string(d.ApprovedByOther), string(d.DeployedByOther), d.Gap,
		})
	}
	return l
}

func narrow(t *change.Trace) *report.Listing {
	l := &report.Listing{Columns: []string{"deployment", "when", "environment", "R A D", "changes", "wrote", "reviewed", "approved", "deployed"}}
	for i := range t.Deployments {
		d := &t.Deployments[i]
		var marks []string
		for _, q := range questions {
			marks = append(marks, map[change.Fact]string{change.Yes: "✓", change.No: "✗", change.Unknown: "?", change.Nothing: "-"}[q.of(d)])
		}
		env := d.Environment
		if d.Result != "" && !strings.EqualFold(d.Result, "succeeded") && !strings.EqualFold(d.Result, "success") {
			env += " (" + d.Result + ")"
		}
		l.Rows = append(l.Rows, []string{d.ID[strings.LastIndexByte(d.ID, '/')+1:], minute(d.At), env, strings.Join(marks, " "), numbers(d), names(d.Wrote), names(d.Reviewed), names(d.Approved), names(d.Deployed)})
	}
	return l
}

func (c *changesListCommand) of() string {
	if len(c.Environment) > 0 {
		return " to " + strings.Join(c.Environment, ", ")
	}
	return ""
}

// sum says what the list holds in numbers.
func (c *changesListCommand) sum(rc *runContext, t *change.Trace, a changesAnswer, all int) {
	fmt.Fprintf(rc.Out, "\n%s in snapshot %s, observed %s UTC", count(all, "deployment", "deployments"), a.Snapshot, minute(a.ObservedAt))
	if len(t.Deployments) < all {
		fmt.Fprintf(rc.Out, "; %d shown", len(t.Deployments))
	}
	fmt.Fprintln(rc.Out)
	for i, q := range questions {
		n := a.Answers[q.name]
		fmt.Fprintf(rc.Out, "  %c  %s: %d ✓ yes, %d ✗ no, %d ? unknown, %d - brought no new commit\n", "RAD"[i], q.text, n.Yes, n.No, n.Unknown, n.Nothing)
	}
	fmt.Fprintln(rc.Out, "\nAccounts are compared, not people. (+?) there may be others; ! the branch's rules were bypassed.\nWhy: tickmark changes show DEPLOYMENT")
}

// lacking lists what was not read, and makes the status say so.
func (c *changesListCommand) lacking(w io.Writer, t *change.Trace, id string) error {
	population := false
	var types, sources []string
	for _, l := range t.Lacking {
		population = population || l.Population
		if source, rest, ok := strings.Cut(l.Why, " was not read: "); ok {
			sources = append(sources, source+" ("+rest+")")
			continue
		}
		types = append(types, l.Type)
	}
	if len(sources) > 0 {
		fmt.Fprintf(w, "\nNot read: %s.\n", strings.Join(sources, "; "))
	}
	if len(types) > 0 {
		fmt.Fprintf(w, "\nNot read whole: %s.\nWhy: tickmark assess --snapshot %s --show coverage\n", strings.Join(types, ", "), id)
	}
	if population {
		// Which deployments there were is not known: the list is no population.
		return statusError(tickmark.ExitIncomplete)
	}
	return nil
}

func open(d *change.Deployment) bool {
	for _, q := range questions {
		if f := q.of(d); f == change.No || f == change.Unknown {
			return true
		}
	}
	return false
}

// numbers names the pull requests that a deployment brought.
func numbers(d *change.Deployment) string {
	var out []string
	for _, c := range d.Changes {
		switch {
		case c.Number != "":
			mark := "#" + c.Number
			if c.Bypassed {
				mark += "!"
			}
			out = append(out, mark)
		default:
			out = append(out, c.Commit[:min(len(c.Commit), 8)])
		}
	}
	if d.Back {
		out = append(out, "back")
	}
	if len(out) == 0 && d.Gap == "" {
		return "none"
	}
	if d.Gap != "" {
		out = append(out, "(+?)")
	}
	return strings.Join(out, " ")
}

func names(w change.Who) string {
	var out []string
	for _, p := range w.People {
		name, _, _ := strings.Cut(p.Name, "@")
		out = append(out, name)
	}
	switch {
	case len(out) == 0 && w.Unknown != "":
		return "unknown"
	case len(out) == 0:
		return "nobody"
	case w.Unknown != "":
		out = append(out, "(+?)")
	}
	return strings.Join(out, " ")
}

// Run shows one deployment.
func (c *changesShowCommand) Run(rc *runContext) error {
	t, _, err := c.trace(rc)
	if err != nil {
		return err
	}
	var found []*change.Deployment
	for i := range t.Deployments {
		if d := &t.Deployments[i]; strings.EqualFold(d.ID, c.ID) || strings.EqualFold(d.ID[strings.LastIndexByte(d.ID, '/')+1:], c.ID) {
			found = append(found, d)
		}
	}
	switch {
	case len(found) == 0:
		return &tickmark.Error{Code: tickmark.CodeUsage, What: fmt.Sprintf("there is no deployment %q in that snapshot", c.ID), Hint: "tickmark changes list names them"}
	case len(found) > 1:
		var ids []string
		for _, d := range found {
			ids = append(ids, d.ID)
		}
		return &tickmark.Error{Code: tickmark.CodeUsage, What: fmt.Sprintf("%d deployments are called %q", len(found), c.ID), Hint: "give the whole id: " + strings.Join(ids, ", ")}
	}
	d := found[0]
	return c.show(rc, entryOf(d), d)
}

func entryOf(d *change.Deployment) *report.Entry {
	e := &report.Entry{Title: fmt.Sprintf("Deployment to %s, %s", d.Environment, minute(d.At))}
	add := func(label, text string) {
		if text != "" {
			e.Sections = append(e.Sections, report.Section{Label: label, Text: text})
		}
	}
	add("Record", d.ID)
	add("Where", d.Place)
	add("Run", strings.TrimSpace(d.Pipeline+" "+d.Run))
	add("Result", d.Result)
	add("Commit", d.Commit)
	var items []string
	for _, ch := range d.Changes {
		items = append(items, changeText(ch))
	}
	switch {
	case len(items) > 0:
		e.Sections = append(e.Sections, report.Section{Label: "Changes", Items: items})
	case d.Back:
		add("Changes", "None that is new: it went back along the branch, behind the commit that was deployed before.")
	case d.Gap == "":
		add("Changes", "None: the same commit was deployed before.")
	}
	add("Not known", d.Gap)
	add("Wrote", whole(d.Wrote))
	add("Reviewed", whole(d.Reviewed))
	add("Approved the deployment", whole(d.Approved))
	add("Started it", whole(d.Deployed))
	for _, q := range questions {
		text := string(q.of(d))
		if q.of(d) == change.Nothing {
			text = "nothing to ask: it brought no new commit"
		}
		add(strings.ToUpper(q.text[:1])+q.text[1:], text)
	}
	return e
}

func changeText(c change.Change) string {
	text := "commit " + c.Commit[:min(len(c.Commit), 10)]
	switch {
	case c.Number != "":
		text = "pull request #" + c.Number + ", " + text
	case c.Unknown == "":
		text += ", pushed without a pull request"
	}
	if !c.At.IsZero() {
		text += ", " + minute(c.At)
	}
	text += ": wrote " + whole(c.Wrote) + "; reviewed " + whole(c.Reviewed) + "; merged " + whole(c.Merged)
	if c.Bypassed {
		text += "; the branch's rules were bypassed"
	}
	return text
}

// whole names accounts in full, and why there may be others.
func whole(w change.Who) string {
	var out []string
	for _, p := range w.People {
		out = append(out, p.Name)
	}
	text := strings.Join(out, ", ")
	if text == "" {
		text = "nobody"
		if w.Unknown != "" {
			return "unknown: " + w.Unknown
		}
	}
	if w.Unknown != "" {
		text += " (and perhaps others: " + w.Unknown + ")"
	}
	return text
}
