// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/history"
	"github.com/tickmark/tickmark/report"
	"github.com/tickmark/tickmark/store"
	"github.com/tickmark/tickmark/work"
)

// evidenceCommands are the commands of the evidence rail.
type evidenceCommands struct {
	Init      initCommand      `cmd:"" help:"Make a data directory for an organisation."`
	Snapshot  snapshotCommands `cmd:"" help:"List, show and compare recorded snapshots."`
	Verify    verifyCommand    `cmd:"" help:"Check that nothing recorded was changed, removed or added."`
	Ledger    ledgerCommands   `cmd:"" help:"Print the ledger's signed head."`
	Reperform reperformCommand `cmd:"" help:"Evaluate a recorded snapshot again and compare."`
	Rebuild   rebuildCommand   `cmd:"" help:"Make the derived tables again from ledger and packs."`
}

// dataFlags say where the evidence is.
type dataFlags struct {
	Dir string `name:"dir" aliases:"data" short:"d" default:"." env:"TICKMARK_DIR" placeholder:"DIR" help:"The data directory."`
	DB  string `name:"db" env:"TICKMARK_DB" placeholder:"URL" help:"PostgreSQL instead of the data directory's own SQLite: postgres://…"`
}

// with opens the store, runs f and closes it.
func (d dataFlags) with(rc *runContext, f func(*store.Store) error) error {
	s, err := store.Open(rc.Context, d.Dir, store.Options{Database: d.DB, Tool: "tickmark " + engineVersion()})
	if err != nil {
		return err
	}
	return errors.Join(f(s), s.Close())
}

type initCommand struct {
	Dir          string `arg:"" optional:"" default:"." help:"The directory to make."`
	Organisation string `short:"o" placeholder:"NAME" help:"Whose evidence it will hold; default: the directory's name."`
	DB           string `name:"db" env:"TICKMARK_DB" placeholder:"URL" help:"Keep the tables in PostgreSQL: postgres://…"`
	Sample       bool   `help:"For samples and tests: its ledger says so for ever."`
	AmongFiles   bool   `help:"Make it although the folder holds other files."`
	JSON         bool   `help:"Print JSON."`
}

// foreign names what a folder holds, none where it is a data directory, one
// that was begun, or not there yet.
func foreign(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil || store.Is(dir) {
		return nil // what cannot be read is told by whoever makes it
	}
	var names []string
	for _, e := range entries {
		if !store.Begun(e.Name()) {
			names = append(names, printable(e.Name()))
		}
	}
	return names
}

// Run makes the directory.
func (c *initCommand) Run(rc *runContext) error {
	if others := foreign(c.Dir); len(others) > 0 && !c.AmongFiles {
		return &tickmark.Error{
			Code: tickmark.CodeUsage, Where: printable(c.Dir),
			What: fmt.Sprintf("holds %s that %s no evidence (%s); nothing was made", count(len(others), "entry", "entries"), map[bool]string{true: "is", false: "are"}[len(others) == 1], strings.Join(others[:min(3, len(others))], ", ")),
			Hint: "keep evidence in a folder of its own, which is backed up and verified whole: tickmark init " + filepath.Join(c.Dir, "evidence") + "\n--among-files makes it here all the same",
		}
	}
	if c.Organisation == "" {
		abs, err := filepath.Abs(c.Dir)
		if err != nil {
			return err
		}
		c.Organisation = filepath.Base(abs)
	}
	s, err := store.Create(rc.Context, c.Dir, c.Organisation, rc.Now(), store.Options{Database: c.DB, Sample: c.Sample, Tool: "tickmark " + engineVersion()})
	if err != nil {
		return err
	}
	head, err := s.Head(rc.Context)
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(rc, map[string]string{"directory": c.Dir, "organisation": c.Organisation, "head": string(head)})
	}
	fmt.Fprintf(rc.Out, "%s holds the evidence of %s.\nSigning key: %s (keep it secret; back it up)\nHead:\n\n%s", c.Dir, c.Organisation, store.KeyPath(c.Dir), head)
	return nil
}

type snapshotCommands struct {
	List snapshotListCommand `cmd:"" default:"withargs" help:"List the recorded snapshots."`
	Show snapshotShowCommand `cmd:"" help:"Show one snapshot: its segments, coverage, pins and counts."`
	Diff snapshotDiffCommand `cmd:"" help:"Compare two snapshots: resources and verdicts."`
}

type snapshotListCommand struct {
	dataFlags
	JSON bool `help:"Print JSON."`
}

// Run lists the snapshots.
func (c *snapshotListCommand) Run(rc *runContext) error {
	return c.with(rc, func(s *store.Store) error {
		list, err := s.Snapshots(rc.Context)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(rc, list)
		}
		if len(list) == 0 {
			fmt.Fprintln(rc.Out, "Nothing is recorded yet. Record with: tickmark assess --record PATH…")
			return nil
		}
		t := tabwriter.NewWriter(rc.Out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "id\tobserved\trecorded\torigin\titems\tfail\tpass\tunknown\texempt\tnot applicable\tchanged")
		for i, e := range list {
			changed := "-" // the first has none before it
			if i > 0 {
				changed = strconv.FormatInt(e.Transitions, 10)
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\n", e.ID, minute(e.ObservedAt), minute(e.RecordedAt), e.Origin, e.Items,
				e.Counts.Fail, e.Counts.Pass, e.Counts.Unknown, e.Counts.Exempt, e.Counts.NotApplicable, changed)
		}
		return t.Flush()
	})
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

type snapshotShowCommand struct {
	dataFlags
	ID   string `arg:"" optional:"" default:"latest" help:"A snapshot's id, latest or previous."`
	JSON bool   `help:"Print JSON."`
}

// shown is a snapshot as JSON.
type shown struct {
	history.Entry
	SegmentList []shownSegment             `json:"segmentList"`
	Pins        map[string]tickmark.Digest `json:"pins"`
	Problems    []tickmark.Problem         `json:"problems"`
}

type shownSegment struct {
	Source   string            `json:"source"`
	Scope    string            `json:"scope"`
	Coverage tickmark.Coverage `json:"coverage"`
	Pages    []shownPage       `json:"pages"`
}

type shownPage struct {
	Name   string          `json:"name"`
	Form   string          `json:"form"`
	Items  int             `json:"items"`
	Bytes  int             `json:"bytes"`
	Digest tickmark.Digest `json:"digest"`
	// Ask, Subject and Request say what was asked; absent for files.
	Ask     string            `json:"ask,omitempty"`
	Subject string            `json:"subject,omitempty"`
	Request *tickmark.Request `json:"request,omitempty"`
}

// Run shows one snapshot.
func (c *snapshotShowCommand) Run(rc *runContext) error {
	return c.with(rc, func(s *store.Store) error {
		st, err := s.Load(rc.Context, c.ID)
		if err != nil {
			return err
		}
		v := shown{Entry: st.Entry, SegmentList: []shownSegment{}, Pins: map[string]tickmark.Digest{}, Problems: st.Snapshot.Problems}
		for _, seg := range st.Snapshot.Segments {
			out := shownSegment{Source: seg.Source, Scope: seg.Scope, Coverage: seg.Coverage, Pages: []shownPage{}}
			for _, p := range seg.Pages {
				out.Pages = append(out.Pages, shownPage{p.Name, p.Form, len(p.Items), len(p.Bytes), p.Digest, p.Ask, p.Subject, p.Request})
			}
			v.SegmentList = append(v.SegmentList, out)
		}
		for name, b := range st.Pins {
			v.Pins[name] = tickmark.DigestOf(b)
		}
		if c.JSON {
			return printJSON(rc, v)
		}
		return v.print(rc)
	})
}

// changed says how many results are others than those before.
func (v shown) changed() string {
	if v.ID == "s1" {
		return "it is the first snapshot"
	}
	return fmt.Sprintf("%d differ from the snapshot before", v.Transitions)
}

func (v shown) print(rc *runContext) error {
	fmt.Fprintf(rc.Out, "Snapshot %s, origin %s, leaf %d\n  observed %s, recorded %s\n  %s in %s, %d bytes as received\n",
		v.ID, v.Origin, v.Seq, v.ObservedAt.Format(time.RFC3339), v.RecordedAt.Format(time.RFC3339), count(v.Items, "item", "items"), count(v.Pages, "page", "pages"), v.Bytes)
	if v.Late {
		fmt.Fprintln(rc.Out, "  late: it was observed before the snapshot recorded before it")
	}
	fmt.Fprintf(rc.Out, "  %s: %d fail, %d pass, %d unknown, %d exempt, %d not applicable; %s\n\n",
		count(v.Results, "result", "results"), v.Counts.Fail, v.Counts.Pass, v.Counts.Unknown, v.Counts.Exempt, v.Counts.NotApplicable, v.changed())
	// What was collected is told by question: its pages are thousands, and
	// --json has them.
	var asked []tickmark.Coverage
	pages := 0
	t := tabwriter.NewWriter(rc.Out, 0, 0, 2, ' ', 0)
	for _, seg := range v.SegmentList {
		if len(seg.Coverage.Asks) > 0 {
			asked = append(asked, seg.Coverage)
			continue
		}
		if pages += len(seg.Pages); pages == len(seg.Pages) {
			fmt.Fprintln(t, "source\tscope\tpage\tform\titems\tbytes\tsha-256")
		}
		for _, p := range seg.Pages {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%s\n", seg.Source, seg.Scope, p.Name, p.Form, p.Items, p.Bytes, p.Digest)
		}
		if seg.Coverage.Missing != tickmark.ReasonNone {
			fmt.Fprintf(t, "\t%s\tincomplete: %s\n", seg.Scope, seg.Coverage.Missing.Text())
		}
	}
	if len(asked) > 0 {
		if err := report.Coverage(rc.Out, asked, report.TerminalOptions{Color: rc.Color, Width: rc.Width}); err != nil {
			return err
		}
		fmt.Fprintln(rc.Out, "Each page with its request and digest: --json")
		fmt.Fprintln(rc.Out)
	}
	for _, name := range sortedKeys(v.Pins) {
		fmt.Fprintf(t, "pinned\t%s\t\t\t\t\t%s\n", name, v.Pins[name])
	}
	return t.Flush()
}

type ledgerCommands struct {
	Head ledgerHeadCommand `cmd:"" help:"Print the signed head, to keep outside this machine."`
}

type ledgerHeadCommand struct {
	dataFlags
	JSON bool `help:"Print JSON."`
}

// Run prints the head exactly, so that the output is the signed note.
func (c *ledgerHeadCommand) Run(rc *runContext) error {
	return c.with(rc, func(s *store.Store) error {
		head, err := s.Head(rc.Context)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(rc, map[string]string{"head": string(head)})
		}
		_, err = rc.Out.Write(head)
		return err
	})
}

type verifyCommand struct {
	dataFlags
	Head string `placeholder:"FILE" help:"A head saved earlier with: tickmark ledger head > FILE"`
	JSON bool   `help:"Print JSON."`
}

// Run verifies. Damage is exit status 1.
func (c *verifyCommand) Run(rc *runContext) error {
	var saved []byte
	if c.Head != "" {
		var err error
		if saved, err = os.ReadFile(c.Head); err != nil {
			return &tickmark.Error{Code: tickmark.CodeUsage, Where: c.Head, What: "the saved head cannot be read", Err: err}
		}
		if len(saved) == 0 {
			return &tickmark.Error{Code: tickmark.CodeUsage, Where: c.Head, What: "the saved head is empty", Hint: "a head is written by: tickmark ledger head > FILE"}
		}
	}
	return c.with(rc, func(s *store.Store) error {
		report, err := work.Verify(rc.Context, s, saved, rc.progress())
		var e *tickmark.Error
		if err != nil && (report == nil || !errors.As(err, &e) || e.Code != tickmark.CodeTampered) {
			return err
		}
		if c.JSON {
			return errors.Join(printJSON(rc, report), err)
		}
		for _, n := range report.Notices {
			fmt.Fprintln(rc.Out, "note:", n)
		}
		for _, d := range report.Damages {
			fmt.Fprintf(rc.Out, "DAMAGE %-6s %s: %s\n", d.Class, printable(d.Where), printable(d.What))
		}
		if more := report.DamageCount - int64(len(report.Damages)); more > 0 {
			fmt.Fprintf(rc.Out, "… and %d more\n", more)
		}
		t := tabwriter.NewWriter(rc.Out, 0, 0, 2, ' ', 0)
		for _, k := range sortedKeys(report.Checked) {
			fmt.Fprintf(t, "  %s\t%d\n", k, report.Checked[k])
		}
		fmt.Fprintf(rc.Out, "checked %s:\n", report.Origin)
		err = errors.Join(err, t.Flush())
		if report.SavedHead != "" {
			fmt.Fprintln(rc.Out, "saved head:", report.SavedHead)
		}
		if report.Clean() {
			fmt.Fprintf(rc.Out, "verified: %s, root %s\n", count(report.Size, "leaf", "leaves"), report.Root)
		}
		for _, l := range report.Limits {
			fmt.Fprintln(rc.Out, "limit:", l)
		}
		return err
	})
}

type reperformCommand struct {
	dataFlags
	ID     string `arg:"" optional:"" default:"latest" help:"A snapshot's id, latest or previous."`
	Record bool   `help:"Keep the answer as a new fact in the ledger."`
	Actor  string `default:"operator" help:"Who re-performs."`
	JSON   bool   `help:"Print JSON."`
}

// Run re-performs. An answer other than identical is exit status 1.
func (c *reperformCommand) Run(rc *runContext) error {
	return c.with(rc, func(s *store.Store) error {
		rp, err := work.Reperform(rc.Context, s, c.ID, work.Again(engineVersion()), rc.progress())
		if err != nil {
			return err
		}
		if c.Record {
			if _, err := work.RecordReperformance(rc.Context, s, rp, c.Actor, rc.Now()); err != nil {
				return err
			}
		}
		if c.JSON {
			err = printJSON(rc, rp)
		} else {
			fmt.Fprintf(rc.Out, "%s: %s (%s, %s; engine then %s, now %s)\n", rp.Snapshot, rp.Answer, count(rp.Results, "result", "results"), count(len(rp.Differences), "differs", "differ"), rp.EngineThen, rp.EngineNow)
			err = printChanges(rc, rp.Differences)
		}
		if err == nil && rp.Answer != work.Identical {
			err = &tickmark.Error{Code: tickmark.CodeTampered, Where: "snapshot " + rp.Snapshot, What: "re-performed: " + string(rp.Answer)}
		}
		return err
	})
}

type rebuildCommand struct {
	dataFlags
	JSON bool `help:"Print JSON."`
}

// Run rebuilds the derived tables.
func (c *rebuildCommand) Run(rc *runContext) error {
	return c.with(rc, func(s *store.Store) error {
		changed, err := s.Rebuild(rc.Context, rc.progress())
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(rc, changed)
		}
		t := tabwriter.NewWriter(rc.Out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "table\trows that differed")
		for _, k := range sortedKeys(changed) {
			fmt.Fprintf(t, "%s\t%d\n", k, changed[k])
		}
		return t.Flush()
	})
}

func printJSON(rc *runContext, v any) error {
	e := json.NewEncoder(rc.Out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
