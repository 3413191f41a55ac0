// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/collect/file"
	"github.com/tickmark/tickmark/report"
	"github.com/tickmark/tickmark/store"
	"github.com/tickmark/tickmark/work"
)

// collectCommands read a tenant, and what comes before.
type collectCommands struct {
	Collect     collectCommand     `cmd:"" help:"Read a tenant, judge it and record it as evidence."`
	Doctor      doctorCommand      `cmd:"" help:"Check sign-in, permissions, licences, clock and disk, and say what each unlocks."`
	Permissions permissionsCommand `cmd:"" help:"Print the script that gives the least privilege for reading."`
}

// collectCommand is tickmark collect.
type collectCommand struct {
	cloudFlags
	dataFlags
	From         string `placeholder:"DATE" help:"The first day of the logs; default: as far back as each source keeps them; of what has no known end 90 days of changes and deployments, 30 days else."`
	To           string `placeholder:"DATE" help:"The day after the last one of the logs; default: now."`
	Pseudonymise string `help:"Replace personal data by pseudonyms before anything is written; FILE, outside the data directory, holds the key and what each stands for. Keep it apart." placeholder:"FILE" type:"path"`

	With []string `sep:"none" placeholder:"PATH" help:"Tables with a mapping (the HR roster, tickets; doc/spec/input.md), or exports of the PowerShell modules, to judge and record in the same snapshot; again for more."`

	Plan  bool   `help:"Print what it would cost and stop."`
	Try   bool   `help:"Read Azure as whoever is signed in with az, even if that may write. Assessed, and never evidence."`
	Spool string `placeholder:"FOLDER" help:"Where pages are kept until they are recorded, and where an interrupted collection goes on; default: in the data directory." type:"path"`

	Anew         bool          `help:"Throw away what an interrupted collection has read, and read everything again."`
	ResumeWithin time.Duration `placeholder:"TIME" help:"How long after its start an interrupted collection may be gone on with." default:"24h"`

	JSON  bool   `help:"Print JSON (doc/spec/assessment.md)."`
	HTML  string `help:"Also write one self-contained page to FILE." placeholder:"FILE" type:"path"`
	Show  string `help:"Show detail of the assessment, as tickmark assess --show does." placeholder:"WHAT"`
	Limit int    `help:"Rows per list; --limit=-1 for all." default:"0"`
	scopeFlags

	FailOn          string `help:"Exit with 1 when a check of this severity or above fails." enum:"low,medium,high,critical,none" default:"none"`
	AllowIncomplete bool   `help:"Exit with 0 or 1 instead of 3 when something could not be read."`
}

// Help is the long description.
func (c *collectCommand) Help() string {
	return `It only reads. Requests go to the hosts of the chosen cloud and to no other. Secret values
are replaced before anything is written. Interrupted by Ctrl-C or a crash, the same command
goes on where it was, for a day (--resume-within); --anew begins again. What was refused, throttled or cut is unknown in the result, never a pass.`
}

// Run collects.
func (c *collectCommand) Run(rc *runContext) error {
	s, err := c.setup(rc, c.Try)
	if err != nil {
		return err
	}
	if err := c.withoutLeftOut(s, c.Try); err != nil {
		return err
	}
	if s.options.From, err = day("--from", c.From); err != nil {
		return err
	}
	if s.options.To, err = day("--to", c.To); err != nil {
		return err
	}
	if c.ResumeWithin <= 0 {
		return usageError("--resume-within "+c.ResumeWithin.String(), "a time is needed that is longer than none", "--anew throws away what an interrupted collection has read")
	}
	if now := rc.Now(); s.options.From.After(now) {
		return usageError("--from "+c.From, "the day is in the future", "give the first day of the period")
	}
	if !s.options.To.IsZero() && !s.options.From.Before(s.options.To) {
		return usageError("--from "+c.From+" --to "+c.To, "the days are in the wrong order", "--to is the day after the last one of the logs")
	}
	if err := c.admit(rc); err != nil {
		return err
	}
	if err := writable(c.HTML); err != nil {
		return err
	}
	// A reader of the output that goes away must not end what is being read.
	signal.Ignore(syscall.SIGPIPE)
	if c.Plan {
		return c.plan(rc, s)
	}
	if !c.Try { // a directory that cannot be written is told before the work
		if err := c.with(rc, func(st *store.Store) error { return admits(st, &s.options) }); err != nil {
			return err
		}
	}
	beside, err := c.beside(s.clocked(rc))
	if err != nil {
		return err
	}
	if s.options.Dir, err = c.spool(s); err == nil && !c.Try {
		err = c.refuseWriters(rc, s)
	}
	if err == nil {
		err = c.collect(rc, s, beside.Snapshot.Segments)
	}
	if err != nil && c.Spool == "" && s.options.Dir != "" {
		_ = os.Remove(s.options.Dir) // if nothing is in it: what was read stays, to go on with
	}
	if cerr := beside.Close(); err == nil && cerr != nil {
		err = &tickmark.Error{Code: tickmark.CodeIncomplete, What: "a table changed while it was in use", Err: cerr, Hint: "run again when nothing writes to it"}
	}
	return err
}

// writable tells early that a file cannot be written.
func writable(path string) error {
	if path == "" {
		return nil
	}
	dir := filepath.Dir(path)
	if fi, err := os.Stat(dir); err != nil || !fi.IsDir() {
		return &tickmark.Error{Code: tickmark.CodeUsage, Where: "--html " + path, What: "the file cannot be written: its folder is not there", Err: err}
	}
	f, err := os.CreateTemp(dir, ".tickmark-*")
	if err != nil {
		return &tickmark.Error{Code: tickmark.CodeUsage, Where: "--html " + path, What: "the file cannot be written", Err: err}
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// beside opens the tables of --with before anything is asked.
func (c *collectCommand) beside(rc *runContext) (*file.Files, error) {
	if len(c.With) == 0 {
		return &file.Files{}, nil
	}
	if c.Pseudonymise != "" {
		return nil, usageError("--with", "a table as received names people, and --pseudonymise would keep it so", "leave one of the two out; a table can hold pseudonyms of your own")
	}
	return work.OpenBeside(rc.Context, c.With, rc.Now().UTC())
}

// admits says early that a sample does not go among evidence.
func admits(st *store.Store, o *collect.Options) error {
	if !o.Endpoints.Live && !st.Sample() {
		return usageError("--endpoints", "what is read from there is a sample, and the data directory holds evidence", "make another directory with: tickmark init --sample DIR")
	}
	return nil
}

func (c *collectCommand) refuseWriters(rc *runContext, s *cloudSetup) error {
	if err := work.SignIn(rc.Context, s.sources, s.options); err != nil {
		return err
	}
	var err error
	if s.access, err = work.Accesses(rc.Context, s.sources, s.options, s.accepted); err != nil {
		return err
	}
	all := work.WritersOf(s.access)
	for _, w := range all {
		if w.Accepted != "" {
			fmt.Fprintf(rc.Err, "%s: the identity can write, or may (%s); accepted: %s\n", w.Source, printable(w.Why), printable(w.Accepted))
		}
	}
	return work.RefuseWriters(all)
}

// collect reads, judges, shows and records.
func (c *collectCommand) collect(rc *runContext, s *cloudSetup, beside []tickmark.Segment) (err error) {
	people, err := openPeople(c.Pseudonymise, c.Dir)
	if err != nil {
		return err
	}
	defer frugal()()
	s.options.Bound = append(s.options.Bound, people.fingerprint())
	c.brief(rc, s)
	choices, err := assessOptions(rc, c.dataFlags, s.clocked(rc).Now().UTC())
	if err != nil {
		return err
	}
	c.others(rc, s)
	meter := newMeter(rc)
	s.options.Progress = meter.tell
	s.options.Anew, s.options.ResumeWithin = c.Anew, c.ResumeWithin
	got, err := work.Collect(rc.Context, work.CollectOptions{
		Sources: s.sources, Collect: s.options, LeftOut: s.why, Trial: c.Try, Accepted: s.accepted, Access: s.access, Beside: beside,
		Assess: choices, Pseudonyms: people.names(),
	})
	meter.end()
	if perr := people.save(); perr != nil {
		return perr
	}
	if err != nil {
		return c.interrupted(rc, s, err)
	}
	defer func() {
		if e := got.Run.Close(); err == nil && e != nil {
			err = e
		}
	}()
	if d := got.Run.Resumed.Dropped; d.Pages > 0 {
		fmt.Fprintf(rc.Err, "threw away %s that an interrupted collection had read since %s\n", count(d.Pages, "page", "pages"), d.Started.UTC().Format(time.RFC3339))
	}
	if got.Run.Resumed.Pages > 0 {
		fmt.Fprintf(rc.Err, "went on with %s read since %s\n", count(got.Run.Resumed.Pages, "page that was", "pages that were"), got.Run.Resumed.Started.UTC().Format(time.RFC3339))
	}
	if !c.Try {
		if err := c.with(rc, func(st *store.Store) error { got.Sample = st.Sample(); return nil }); err != nil {
			return err
		}
	}
	view := assessCommand{scopeFlags: c.scopeFlags, JSON: c.JSON, HTML: c.HTML, Show: c.Show, Limit: c.Limit, FailOn: c.FailOn, AllowIncomplete: c.AllowIncomplete}
	shown := c.show(rc, &view, got)
	recording := *rc
	if rc.Context.Err() != nil { // interrupted in the pager: what was read is whole all the same
		recording.Context = context.WithoutCancel(rc.Context)
	}
	if err := c.keep(&recording, s, got); err != nil {
		return errors.Join(err, shown)
	}
	if shown != nil {
		return shown
	}
	return view.status(rc, got.Assessed)
}

// show prints the coverage and the assessment. What cannot be shown, because
// the reader of the output is gone or a file cannot be written, is recorded all
// the same.
func (c *collectCommand) show(rc *runContext, view *assessCommand, got *work.Collected) error {
	if !c.JSON && c.Show == "" {
		if err := report.Coverage(rc.Out, got.Coverage, report.TerminalOptions{Color: rc.Color, Width: rc.Width, Limit: c.Limit}); err != nil {
			return err
		}
		fmt.Fprintln(rc.Out)
	}
	return view.deliver(rc, got.Assessed, locator(got.Assessed))
}

// collectGC is how much the heap may grow, in per cent of what is in use,
// before it is collected. A collection waits for quotas most of the time, and
// often runs beside something else on a small machine.
const collectGC = 50

// frugal trades time that is there for memory that may not be, unless GOGC
// says otherwise; what it returns puts things back.
func frugal() (back func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	before := debug.SetGCPercent(collectGC)
	return func() { debug.SetGCPercent(before) }
}

// frugalRecording bounds the heap by twice of what is needed to begin with, so
// that what was used in between goes back to the system. Recording needs little
// more: the bytes go by.
func frugalRecording() (back func()) {
	debug.FreeOSMemory()
	if os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before := debug.SetMemoryLimit(2*int64(m.HeapAlloc) + recordingBase) //nolint:gosec // far below 2^63
	return func() { debug.SetMemoryLimit(before) }
}

// recordingBase is what recording takes of memory whatever its size.
const recordingBase = 32 << 20

// others names unfinished collections of other options, which nobody will go on
// with by running this one.
func (c *collectCommand) others(rc *runContext, s *cloudSetup) {
	if c.Spool != "" {
		return
	}
	names, err := filepath.Glob(filepath.Join(filepath.Dir(s.options.Dir), "*", "journal.jsonl"))
	if err != nil {
		return // the pattern is ours, but for a name that nobody can glob
	}
	for _, name := range names {
		if dir := filepath.Dir(name); dir != s.options.Dir {
			fmt.Fprintf(rc.Err, "an unfinished collection of other options or sources is kept in %s: the command that began it goes on with it; remove the folder if it is not wanted\n", printable(dir))
		}
	}
}

// keep records the collection, and removes the spool once it is durable.
func (c *collectCommand) keep(rc *runContext, s *cloudSetup, got *work.Collected) error {
	if c.Try {
		fmt.Fprintln(rc.Err, "trial: nothing was recorded")
	} else {
		got.Detach()
		defer frugalRecording()()
		rec, err := got.Recording()
		if err != nil {
			return err
		}
		err = c.with(rc, func(st *store.Store) error {
			out, err := work.Record(rc.Context, st, rec, rc.Now(), rc.progress())
			if err == nil {
				fmt.Fprintf(rc.Err, "recorded snapshot %s: %s, %s, %d new bytes kept in %d\n", out.Entry.ID, count(out.Entry.Items, "item", "items"), count(out.Entry.Results, "result", "results"), out.NewBytes, out.StoredBytes)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if err := collect.RemoveSpool(s.options.Dir); err != nil {
		fmt.Fprintf(rc.Err, "tickmark: the spool cannot be removed: %v\n", err)
	}
	return nil
}

// interrupted says how to go on.
func (c *collectCommand) interrupted(rc *runContext, s *cloudSetup, err error) error {
	if !errors.Is(err, context.Canceled) && rc.Context.Err() == nil {
		return err
	}
	how := "run the same command again"
	if c.Anew {
		how += ", without --anew"
	}
	fmt.Fprintf(rc.Err, "tickmark: interrupted; what was read is kept in %s\n  %s: it goes on where it was\n", s.options.Dir, how)
	return statusError(tickmark.ExitIncomplete)
}

// spool is the working folder: in the data directory, or for a trial in the
// user's cache; one for each tenant and set of sources.
func (c *collectCommand) spool(s *cloudSetup) (string, error) {
	dir := c.Spool
	if dir == "" {
		base := filepath.Join(c.Dir, "collecting")
		if c.Try {
			cache, err := os.UserCacheDir()
			if err != nil {
				cache = os.TempDir()
			}
			base = filepath.Join(cache, "tickmark", "collecting")
		}
		h := sha256.New()
		_, _ = fmt.Fprintln(h, string(s.options.Root), s.options.Endpoints.Cloud, s.options.Endpoints.URL, s.options.Only, c.Try)
		for i := range s.sources {
			_, _ = fmt.Fprintln(h, s.sources[i].Name)
		}
		dir = filepath.Join(base, hex.EncodeToString(h.Sum(nil))[:12])
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", &tickmark.Error{Code: tickmark.CodeUsage, Where: dir, What: "the working folder cannot be made", Hint: "--spool FOLDER puts it elsewhere", Err: err}
	}
	return dir, nil
}

// brief says before the first request what is about to happen.
func (c *collectCommand) brief(rc *runContext, s *cloudSetup) {
	known, _ := c.counts(rc)
	if k := s.options.Endpoints.Clock; k != nil {
		fmt.Fprintf(rc.Err, "by the simulator's clock, which shows %s\n", k.Now().Format(time.RFC3339))
	}
	p, err := collect.PlanRun(s.sources, s.options, known)
	if err != nil {
		return // Run says it
	}
	_, about := estimate(p.More, p.Fewer)
	fmt.Fprintf(rc.Err, "plan: %s%s, %s%s at the services' real limits\n", about, count(p.Calls, "call", "calls"), about, roughly(p.Time))
	for _, name := range planSources(p) {
		calls, takes := sumOf(p, name)
		fmt.Fprintf(rc.Err, "  %s: %s, %s\n", name, count(calls, "call", "calls"), roughly(takes))
	}
	if len(s.left) > 0 {
		fmt.Fprintf(rc.Err, "not read: %s\n", strings.Join(s.left, ", "))
	}
	if silent := s.unreasoned(); len(silent) > 0 {
		fmt.Fprintf(rc.Err, "  without a reason: %s; the status will be 3 (--exclude %s=WHY, or --decline %s=WHY --until DATE, keeps one)\n", strings.Join(silent, ", "), silent[0], silent[0])
	}
}

func planSources(p collect.Plan) []string {
	var names []string
	for _, l := range p.Lines {
		if !slices.Contains(names, l.Source) {
			names = append(names, l.Source)
		}
	}
	return names
}

func sumOf(p collect.Plan, source string) (calls int, slowest time.Duration) {
	by := map[collect.Pace]time.Duration{}
	for _, l := range p.Lines {
		if l.Source == source {
			calls += l.Calls
			by[l.Pace] += l.Time
		}
	}
	for _, d := range by {
		slowest = max(slowest, d)
	}
	return calls, slowest
}

// roughly prints a time as a person would say it.
func roughly(d time.Duration) string {
	switch {
	case d < time.Second:
		return "under a second"
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}

// counts are the numbers of resources of the snapshot recorded last, and which
// that is.
func (c *collectCommand) counts(rc *runContext) (known collect.Counts, since string) {
	if c.Try {
		return nil, ""
	}
	_ = c.with(rc, func(st *store.Store) error { // a plan without numbers says so
		list, err := st.Snapshots(rc.Context)
		if err != nil || len(list) == 0 {
			return err
		}
		counts, err := st.Counts(rc.Context)
		if err == nil {
			last := list[len(list)-1]
			known, since = counts, fmt.Sprintf("%s (observed %s)", last.ID, minute(last.ObservedAt))
		}
		return err
	})
	return known, since
}

// plan prints what a collection costs.
func (c *collectCommand) plan(rc *runContext, s *cloudSetup) error {
	known, since := c.counts(rc)
	p, err := collect.PlanRun(s.sources, s.options, known)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(rc, p)
	}
	t := tabwriter.NewWriter(rc.Out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "subjects\tcalls\ttime\t  question")
	for _, l := range p.Lines {
		mark, _ := estimate(l.More, l.Fewer)
		subjects, calls, note := fmt.Sprint(l.Subjects), mark+fmt.Sprint(l.Calls), ""
		if l.Subjects < 0 {
			subjects = "?"
		}
		if l.Skipped != tickmark.ReasonNone {
			subjects, calls, note = "-", "-", " ("+string(l.Skipped)+": "+l.Note+")"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t  %s/%s%s\n", subjects, calls, roughly(l.Time), l.Source, l.Ask, printable(note))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, about := estimate(p.More, p.Fewer)
	fmt.Fprintf(rc.Out, "\n%s%s, %s%s at the services' real limits; quotas draw side by side\n", about, count(p.Calls, "call", "calls"), about, roughly(p.Time))
	return c.basis(rc, p, since)
}

// basis says what of a plan is counted and what is an estimate.
func (c *collectCommand) basis(rc *runContext, p collect.Plan, since string) error {
	o := report.TerminalOptions{Width: rc.Width}
	text := "Nothing is recorded yet, so how many resources there are is not known (?): each such question is counted once."
	if since != "" {
		text = "Numbers of resources are those of snapshot " + since + "; what came or went since is not in them."
	}
	if len(c.Scope) > 0 {
		text += " They are of the population that --scope names: " + strings.Join(c.Scope, ", ") + "."
	}
	err := report.Hanging(rc.Out, "", text, o)
	for _, e := range []struct {
		more, fewer bool
		says        string
	}{
		{true, false, "at least: how many there are to ask about, or how many pages an answer has, is not known before"},
		{false, true, "at most: it is put about some of these only, and which is seen on the way"},
		{true, true, "about: how many pages an answer has is not known before, and it is put about some of these only"},
	} {
		if slices.ContainsFunc(p.Lines, func(l collect.PlanLine) bool { return l.More == e.more && l.Fewer == e.fewer }) {
			mark, _ := estimate(e.more, e.fewer)
			err = errors.Join(err, report.Hanging(rc.Out, mark, e.says, o))
		}
	}
	return err
}

// estimate is the mark and the word of a number that may turn out otherwise.
func estimate(more, fewer bool) (mark, word string) {
	switch {
	case more && fewer:
		return "~ ", "about "
	case more:
		return "≥ ", "at least "
	case fewer:
		return "≤ ", "at most "
	}
	return "", ""
}

// day reads a date, or an instant.
func day(flag, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, usageError(flag+" "+s, "not a date", "write it like 2026-06-30")
}
