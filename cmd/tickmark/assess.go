// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/collect/file"
	"github.com/tickmark/tickmark/report"
	"github.com/tickmark/tickmark/store"
	"github.com/tickmark/tickmark/work"
)

// assessCommand is tickmark assess.
type assessCommand struct {
	Paths []string `arg:"" optional:"" name:"path" help:"Files, folders, archives, or - for standard input."`

	Complete []string `help:"Resource types that the export holds completely, so that absence can be concluded; * for all." placeholder:"TYPE"`

	JSON  bool   `help:"Print JSON (doc/spec/assessment.md)." xor:"format"`
	CSV   bool   `help:"Print CSV, one row per result." xor:"format"`
	SARIF bool   `help:"Print SARIF 2.1.0." xor:"format"`
	HTML  string `help:"Also write one self-contained page to FILE." placeholder:"FILE" type:"path"`
	Show  string `help:"Show detail: check ID, criterion CODE, resource ID, types, coverage, problems, unknown, not-read." placeholder:"WHAT"`
	Limit int    `help:"Rows per list in a detail view; --limit=-1 for all." default:"0"`

	FailOn          string `help:"Exit with 1 when a check of this severity or above fails." enum:"low,medium,high,critical,none" default:"none"`
	AllowIncomplete bool   `help:"Exit with 0 or 1 instead of 3 when something could not be read."`
	Now             string `help:"The instant that clock-dependent checks use (RFC 3339); default: the clock." placeholder:"INSTANT"`

	scopeFlags

	templateFlags   `group:"deployment"`
	initiativeFlags `group:"initiative"`

	Snapshot string `help:"Assess a recorded snapshot again, from its stored bytes: its id, latest or previous. Paths are tables (doc/spec/input.md) to judge beside it." placeholder:"ID"`

	Record bool `help:"Store the snapshot and the results as evidence in the data directory."`
	dataFlags
}

// Run assesses the files and reports.
func (c *assessCommand) Run(rc *runContext) error {
	now, err := instant(c.Now, rc.Now)
	if err != nil {
		return err
	}
	if err := c.admit(rc); err != nil {
		return err
	}
	if c.given() || c.check() != nil {
		return c.planned(rc, now)
	}
	if c.Snapshot != "" {
		return c.recorded(rc, now)
	}
	sample := false
	if c.Record { // a directory that cannot be written is told before the work
		if err := c.with(rc, func(s *store.Store) error { sample = s.Sample(); return nil }); err != nil {
			return err
		}
	}
	if len(c.Paths) == 0 {
		return &tickmark.Error{Code: tickmark.CodeUsage, What: "nothing to assess", Hint: "give files or folders of exported objects; tickmark export-script prints the script that exports them"}
	}
	if len(c.Paths) == 1 { // of several, the others are assessed all the same
		if err := present(c.Paths); err != nil {
			return err
		}
	}
	observed := now
	if c.Record {
		// What is recorded was observed when it was read, whatever instant the
		// rules are to use: a chosen one would date evidence back, or forward.
		observed = rc.Now().UTC()
		if now.After(observed) {
			return &tickmark.Error{Code: tickmark.CodeUsage, What: "evidence cannot be judged by an instant that lies ahead", Where: "--now " + c.Now, Hint: "leave out --now, or --record"}
		}
	}
	choices, err := assessOptions(rc, c.dataFlags, now)
	if err != nil {
		return err
	}
	a, files, err := work.AssessFiles(rc.Context, c.Paths,
		file.Options{Stdin: rc.In, CompleteTypes: c.Complete, ObservedAt: observed},
		choices)
	if err != nil {
		return err
	}
	a.Sample = sample
	c.warnComplete(rc, a)
	err = c.deliver(rc, a, locator(a))
	if cerr := files.Close(); err == nil && cerr != nil {
		err = &tickmark.Error{Code: tickmark.CodeIncomplete, What: "an input changed while it was read", Err: cerr, Hint: "run again when nothing writes to it"}
	}
	if err != nil {
		return err
	}
	return c.status(rc, a)
}

// assessOptions are the choices of an assessment: with a data directory, the
// checks as its organisation has them in force at the instant. Only where none
// is named, and none is here, the library's count: a name that is misspelt must
// not quietly change whose rules judge.
func assessOptions(rc *runContext, d dataFlags, now time.Time) (work.AssessOptions, error) {
	o := work.AssessOptions{Now: now, Engine: engineVersion()}
	if d.Dir == "." && !store.Is(d.Dir) {
		return o, nil
	}
	err := d.with(rc, func(s *store.Store) error {
		var err error
		o.Catalog, o.Overrides, err = work.EffectiveCatalog(rc.Context, s, work.When{AsOf: now})
		return err
	})
	if err == nil && len(o.Overrides) > 0 {
		fmt.Fprintf(rc.Err, "tickmark: %s as the organisation of %s has them: tickmark catalogue list check/\n", count(len(o.Overrides), "check", "checks"), printable(d.Dir))
	}
	return o, err
}

// recorded assesses a snapshot of the data directory by the catalogue and
// instant of today; what was recorded with it stays as it is.
func (c *assessCommand) recorded(rc *runContext, now time.Time) error {
	if c.Record || len(c.Complete) > 0 {
		return &tickmark.Error{
			Code: tickmark.CodeUsage, What: "a recorded snapshot is assessed as it was recorded", Where: "--snapshot",
			Hint: "leave out --record and --complete; tickmark reperform compares with what was recorded, tickmark collect --with records tables with a tenant",
		}
	}
	beside := &file.Files{}
	if len(c.Paths) > 0 {
		var err error
		if beside, err = work.OpenBeside(rc.Context, c.Paths, now); err != nil {
			return err
		}
		defer func() { _ = beside.Close() }() // read only, and not recorded
		fmt.Fprintf(rc.Err, "beside snapshot %s, and not recorded with it: %s\n", printable(c.Snapshot), printable(strings.Join(c.Paths, ", ")))
	}
	choices, err := assessOptions(rc, c.dataFlags, now)
	if err != nil {
		return err
	}
	return c.with(rc, func(s *store.Store) error {
		a, err := work.AssessRecorded(rc.Context, s, c.Snapshot, choices, beside.Snapshot.Segments...)
		if err != nil {
			return err
		}
		a.Sample = s.Sample()
		if err := c.deliver(rc, a, locator(a)); err != nil {
			return err
		}
		return c.status(rc, a)
	})
}

// warnComplete says which types of --complete mean nothing here, most likely
// because they are misspelt.
func (c *assessCommand) warnComplete(rc *runContext, a *work.Assessed) {
	for _, t := range c.Complete {
		if t == "*" || a.Catalog.Type(t) != nil || len(a.Inventory.OfType(t)) > 0 {
			continue
		}
		fmt.Fprintf(rc.Err, "tickmark: --complete %s: no check asks for this type and no object of it was read; is it spelt right?\n", printable(t))
	}
}

// planned assesses a template or plan: what would be deployed.
func (c *assessCommand) planned(rc *runContext, now time.Time) error {
	if err := c.check(); err != nil {
		return err
	}
	if len(c.Paths) > 0 || c.Record || len(c.Complete) > 0 {
		return &tickmark.Error{
			Code: tickmark.CodeUsage, What: "a template or plan is assessed alone, and is never evidence",
			Where: "--template", Hint: "leave out paths, --complete and --record",
		}
	}
	snap, places, err := templateSnapshot(rc, &c.templateFlags, now)
	if err != nil {
		return err
	}
	choices, err := assessOptions(rc, c.dataFlags, now)
	if err != nil {
		return err
	}
	a, err := work.Assess(rc.Context, snap, choices)
	if err != nil {
		return err
	}
	if err := c.deliver(rc, a, places); err != nil {
		return err
	}
	return c.status(rc, a)
}

// deliver writes the reports, of the categories that were chosen, and records
// the evidence, which is whole.
func (c *assessCommand) deliver(rc *runContext, a *work.Assessed, places func(string) (report.Place, bool)) error {
	if c.Initiative != "" {
		if c.Record || c.CSV || c.SARIF || c.HTML != "" || c.Show != "" || c.chosen() {
			return &tickmark.Error{
				Code: tickmark.CodeUsage, What: "an initiative is printed as text or --json, and not recorded", Where: "--initiative",
				Hint: "leave out --record, --csv, --sarif, --html, --show, --categories and --of",
			}
		}
		return c.run(rc, c, a)
	}
	view, err := c.view(a.Assessment)
	if err != nil {
		return err
	}
	if c.HTML != "" {
		if err := writeFile(c.HTML, func(w io.Writer) error { return report.HTML(w, view, report.HTMLOptions{}) }); err != nil {
			return err
		}
	}
	if err := c.print(rc, view, places); err != nil {
		return err
	}
	if c.Record {
		return c.record(rc, a)
	}
	return nil
}

// record stores the snapshot and its results, once the inputs are known to be
// the bytes that were assessed.
func (c *assessCommand) record(rc *runContext, a *work.Assessed) error {
	for _, seg := range a.Snapshot.Segments {
		for _, p := range seg.Pages {
			if tickmark.DigestOf(p.Bytes) != p.Digest {
				return &tickmark.Error{Code: tickmark.CodeIncomplete, What: "the input changed while it was read", Where: p.Name, Hint: "run again when nothing writes to it"}
			}
		}
	}
	return c.with(rc, func(s *store.Store) error {
		rec, err := work.Record(rc.Context, s, a.Recording(), rc.Now(), rc.progress())
		if err != nil {
			return err
		}
		fmt.Fprintf(rc.Err, "recorded snapshot %s: %s, %s, %d new bytes kept in %d\n", rec.Entry.ID, count(rec.Entry.Items, "item", "items"), count(rec.Entry.Results, "result", "results"), rec.NewBytes, rec.StoredBytes)
		return nil
	})
}

// instant reads an RFC 3339 instant, or asks the clock.
func instant(s string, now func() time.Time) (time.Time, error) {
	if s == "" {
		return now().UTC(), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, &tickmark.Error{
			Code: tickmark.CodeUsage, What: fmt.Sprintf("%q is not an instant", s), Where: "--now",
			Hint: "write it like 2026-06-30T00:00:00Z",
		}
	}
	return t.UTC(), nil
}

// print writes the chosen form to standard output.
func (c *assessCommand) print(rc *runContext, a *check.Assessment, places func(string) (report.Place, bool)) error {
	w := bufio.NewWriterSize(rc.Out, 1<<16)
	var err error
	switch {
	case c.JSON:
		err = report.JSON(w, a)
	case c.CSV:
		err = report.CSV(w, a)
	case c.SARIF:
		err = report.SARIF(w, a, report.SARIFOptions{Locate: places})
	default:
		err = report.Terminal(w, a, report.TerminalOptions{Color: rc.Color, Width: rc.Width, Show: c.Show, Limit: c.Limit})
	}
	if err != nil {
		return err
	}
	return w.Flush()
}

// status is the exit status by the order 2, 4, 3, 1.
func (c *assessCommand) status(rc *runContext, a *work.Assessed) error {
	if a.Incomplete() && !c.AllowIncomplete {
		c.explain(rc, a)
		return statusError(tickmark.ExitIncomplete)
	}
	var threshold tickmark.Severity
	if c.FailOn != "none" {
		if err := threshold.UnmarshalText([]byte(c.FailOn)); err != nil {
			return &tickmark.Error{Code: tickmark.CodeUsage, What: err.Error(), Where: "--fail-on"}
		}
		view, err := c.view(a.Assessment)
		if err != nil {
			return err
		}
		if view.Findings(threshold) > 0 {
			return statusError(tickmark.ExitFindings)
		}
	}
	return nil
}

// explain says on standard error why the assessment is incomplete, for a
// status without a reason helps nobody; a list of problems just shown does.
func (c *assessCommand) explain(rc *runContext, a *work.Assessed) {
	left, open := report.LeftOut(a.Coverage), report.Open(a.Coverage)
	partly := slices.ContainsFunc(a.NotRead, func(s check.SourceNotRead) bool { return s.Partly })
	why := ""
	switch n := len(a.Problems); {
	case strings.HasPrefix(c.Show, "problems") && n > 0:
		return
	case n == 1:
		why = fmt.Sprintf("%s: %s", printable(a.Problems[0].Input), printable(a.Problems[0].What))
	case n > 1:
		why = fmt.Sprintf("%s: %s; and %d more (--show problems)", printable(a.Problems[0].Input), printable(a.Problems[0].What), n-1)
	case a.Undecided():
		why = "not one result could be decided (--show unknown says why)"
	case len(open) > 0:
		why = fmt.Sprintf("%s not wholly answered: %s (--show coverage says why)", count(len(open), "question was", "questions were"), strings.Join(open[:min(3, len(open))], ", "))
	case partly:
		why = "questions were left out without a reason (--show coverage says which)"
	case len(left) == 0:
		why = "an input is known to be cut (--show types says which)"
	}
	if why != "" {
		fmt.Fprintf(rc.Err, "tickmark: incomplete: %s\n", why)
	}
	if len(left) > 0 {
		fmt.Fprintf(rc.Err, "tickmark: incomplete: not read, and nobody said why: %s (--show not-read says what that leaves unknown)\n", strings.Join(left, ", "))
	}
}

// writeFile writes path through a temporary file, so that an interrupted run
// leaves the old one.
func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return &tickmark.Error{Code: tickmark.CodeUsage, What: "the file cannot be written", Where: path, Err: err}
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone after the rename
	w := bufio.NewWriterSize(f, 1<<16)
	err = write(w)
	if err == nil {
		err = w.Flush()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Chmod(f.Name(), 0o644) //nolint:gosec // a report is for reading
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// locator finds the input, bytes and line of a resource, for SARIF.
func locator(a *work.Assessed) func(string) (report.Place, bool) {
	lines := map[*tickmark.Page][]int{}
	return func(id string) (report.Place, bool) {
		r := a.Inventory.Get(id)
		if r == nil || r.Item < 0 {
			return report.Place{}, false
		}
		p := &a.Snapshot.Segments[r.Segment].Pages[r.Page]
		if lines[p] == nil {
			lines[p] = itemLines(p)
		}
		item := p.Items[r.Item]
		return report.Place{Input: p.Name, Off: int64(item.Off), Len: int64(item.Len), Line: lines[p][r.Item]}, true
	}
}

// itemLines returns the 1-based line on which each item of a page starts.
func itemLines(p *tickmark.Page) []int {
	out := make([]int, len(p.Items))
	line, at := 1, 0
	for i, it := range p.Items {
		line += bytes.Count(p.Bytes[at:it.Off], []byte{'\n'})
		at = it.Off
		out[i] = line
	}
	return out
}
