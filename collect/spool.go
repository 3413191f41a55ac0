// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tickmark/tickmark"
)

// A working directory holds two files. pages.spool is the kept bytes of the
// pages, one after the other. journal.jsonl is one entry a line, "crc32c JSON",
// that says what the bytes are and what was decided. An entry is written after
// the bytes that it speaks of. Both are handed to the operating system at once,
// so that a killed process loses nothing but a torn last line, and are synced
// every syncBytes and at the end: after a power failure the digests find what
// did not reach the disk, and that is asked again.
const (
	pagesName   = "pages.spool"
	journalName = "journal.jsonl"
	syncBytes   = 16 << 20
)

// key names a question about a subject, the same in each run.
type key [16]byte

// entry is a line of the journal.
type entry struct {
	// T is head, page, drop (the unit's pages so far do not count), end.
	T    string     `json:"t"`
	K    string     `json:"k,omitempty"`
	Head *head      `json:"head,omitempty"`
	Page *pageEntry `json:"page,omitempty"`
	End  *ending    `json:"end,omitempty"`
}

// head is the first entry: what the directory is for.
type head struct {
	Version int             `json:"version"`
	Plan    tickmark.Digest `json:"plan"`
	What    string          `json:"what"` // for people: tenant, cloud
	Started time.Time       `json:"started"`
	To      time.Time       `json:"to"`
	// Terms are what Plan is the digest of, for people; older heads have none.
	Terms []term `json:"terms,omitempty"`
	// Dropped is what was thrown away to begin this run, so that who goes on
	// with it knows it, too.
	Dropped *Dropped `json:"dropped,omitempty"`
}

// term is an option of a collection, or a source with its questions.
type term struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// again is how an earlier run's pages are used.
type again struct {
	now    time.Time
	within time.Duration // from the start of the earlier run
	anew   bool          // they are thrown away
}

// resumeWithin is how old pages may be unless the caller says otherwise: what
// was read weeks ago must not pass for what is there today.
const resumeWithin = 24 * time.Hour

// pageEntry is what is needed to take a page again as it was taken first.
type pageEntry struct {
	Off    int64            `json:"off"`
	Len    int              `json:"len"`
	Digest tickmark.Digest  `json:"digest"`
	Slice  int              `json:"slice,omitempty"`
	Next   string           `json:"next,omitempty"`
	Cut    string           `json:"cut,omitempty"`
	At     time.Time        `json:"at,omitzero"`
	Skew   time.Duration    `json:"skew,omitempty"`
	Kept   int              `json:"replaced,omitempty"`
	Ask    tickmark.Request `json:"request"`
}

// ending is what a unit came to.
type ending struct {
	Reason   tickmark.Reason `json:"reason,omitempty"`
	Status   int             `json:"status,omitempty"`
	Code     string          `json:"code,omitempty"`
	Detail   string          `json:"detail,omitempty"`
	Means    Meaning         `json:"means,omitempty"`
	Requests int             `json:"requests,omitempty"`
}

// past is what the journal knows of a unit.
type past struct {
	pages []*pageEntry
	end   *ending
	drops int
}

type spool struct {
	dir     string
	unlock  func() error
	pages   *os.File
	journal *os.File
	tune    *tuning

	mu       sync.Mutex
	off      int64
	unsynced int64
	entries  int
	err      error // the first failure to write: nothing is written after it

	head head
	past map[key]*past
	// dropped are the pages of an earlier run that were thrown away.
	dropped Dropped
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// openSpool opens or begins the working directory.
func openSpool(dir string, h head, a again, tune *tuning) (*spool, error) {
	if dir == "" {
		return nil, usage("Options.Dir", "no working directory is named", "name one; it keeps the pages and lets an interrupted run go on")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s := &spool{dir: dir, tune: tune, past: map[key]*past{}}
	var err error
	open := func(name string) *os.File {
		if err != nil {
			return nil
		}
		var f *os.File
		f, err = os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the caller's directory
		return f
	}
	s.pages, s.journal = open(pagesName), open(journalName)
	if err == nil {
		s.unlock, err = lockFile(s.journal)
	}
	if err == nil {
		err = s.replay(h, a)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// replay reads the journal of an earlier run, or begins one.
func (s *spool) replay(h head, a again) error {
	r := bufio.NewReaderSize(s.journal, 1<<16)
	var good int64
	for n := 0; ; n++ {
		line, err := r.ReadBytes('\n')
		if len(line) == 0 && errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		e, ok := parseEntry(line)
		if !ok {
			if _, err := r.ReadByte(); !errors.Is(err, io.EOF) && s.tune.on("journalSum") {
				return &tickmark.Error{
					Code: tickmark.CodeInput, Where: filepath.Join(s.dir, journalName),
					What: fmt.Sprintf("entry %d is damaged and others follow it", n+1), Hint: "remove the directory and collect anew",
				}
			}
			break // the torn end of the last write
		}
		if n == 0 {
			if err := s.same(e.Head, h); err != nil && (!a.anew || e.Head == nil) {
				return err
			}
			s.head = *e.Head
		} else if err := s.learn(e); err != nil {
			return err
		}
		s.entries++
		good += int64(len(line))
	}
	fresh, err := s.tooOld(a)
	if err != nil {
		return err
	}
	if fresh {
		s.entries, good, s.off = 0, 0, 0
		s.head, s.past = head{}, map[key]*past{}
	}
	if err := s.journal.Truncate(good); err != nil {
		return err
	}
	if _, err := s.journal.Seek(good, io.SeekStart); err != nil {
		return err
	}
	if err := s.pages.Truncate(s.off); err != nil {
		return err
	}
	if s.entries > 0 && s.head.Dropped != nil {
		s.dropped = *s.head.Dropped
	}
	if s.entries == 0 {
		if s.dropped.Pages > 0 {
			h.Dropped = &s.dropped
		}
		s.head = h
		return s.write(entry{T: "head", Head: &h})
	}
	return nil
}

// tooOld reports whether the run begins anew in the directory: it was told to,
// or there is nothing in it to lose. It is an error if what was read is older
// than it may be; then nothing is touched.
func (s *spool) tooOld(a again) (fresh bool, err error) {
	if s.entries == 0 {
		return false, nil
	}
	pages := 0
	for _, p := range s.past {
		pages += len(p.pages)
	}
	age := a.now.Sub(s.head.Started)
	switch {
	case a.anew:
		s.dropped = Dropped{Pages: pages, Started: s.head.Started}
		if before := s.head.Dropped; before != nil {
			s.dropped.Pages, s.dropped.Started = pages+before.Pages, before.Started
		}
		return true, nil
	case age <= a.within || !s.tune.on("resumeAge"):
		return false, nil
	case len(s.past) == 0:
		return true, nil
	}
	return false, &tickmark.Error{
		Code: tickmark.CodeUsage, Where: s.dir,
		What: fmt.Sprintf("the directory holds an unfinished collection that began on %s, %s ago, and may be gone on with for %s: its %d pages are not what is there now",
			s.head.Started.UTC().Format("2006-01-02 15:04 UTC"), spoken(age), spoken(a.within), pages),
		Hint: fmt.Sprintf("--anew throws them away and reads everything again; --resume-within %dh goes on with them all the same", int(age.Hours())+24),
	}
}

// spoken is a time in hours or days.
func spoken(d time.Duration) string {
	if d < 72*time.Hour {
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

func (s *spool) same(old *head, h head) error {
	switch {
	case old == nil:
		return &tickmark.Error{Code: tickmark.CodeInput, Where: s.dir, What: "this is not the working directory of a collection", Hint: "name an empty directory"}
	case old.Version != h.Version, old.Plan != h.Plan && s.tune.on("samePlan"):
		return &tickmark.Error{
			Code: tickmark.CodeUsage, Where: s.dir,
			What: fmt.Sprintf("the directory holds an unfinished collection of another plan, begun on %s: %s", old.Started.UTC().Format("2006-01-02 15:04 UTC"), differ(old, &h)),
			Hint: "run with the same options to go on with it, name another directory (--spool), or throw away what it read (--anew)",
		}
	}
	return nil
}

// differ names the terms in which two plans differ, with both values.
func differ(old, now *head) string {
	if len(old.Terms) == 0 {
		return fmt.Sprintf("%s, by another version of tickmark or with other options; this is %s", old.What, now.What)
	}
	value := func(list []term, name string) string {
		for _, t := range list {
			if t.Name == name {
				return t.Value
			}
		}
		return "(none)"
	}
	var out []string
	for _, t := range slices.Concat(old.Terms, now.Terms) {
		was, is := value(old.Terms, t.Name), value(now.Terms, t.Name)
		if s := fmt.Sprintf("%s was %s and is %s", t.Name, clip(was), clip(is)); was != is && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		return "its questions are those of another version of tickmark"
	}
	return strings.Join(out, "; ")
}

// terms lists, for people, what planDigest is the digest of.
func terms(sources []Source, o *Options) []term {
	var out []term
	add := func(name, value string) {
		if value != "" {
			out = append(out, term{name, value})
		}
	}
	for i := range sources {
		d := planDigest(sources[i:i+1], &Options{})
		add("source "+sources[i].Name, fmt.Sprintf("read (%d questions, %s)", len(sources[i].Asks), hex.EncodeToString(d[:3])))
	}
	add("cloud", o.Endpoints.Cloud)
	add("Microsoft 365 environment", o.Endpoints.Microsoft365)
	for _, h := range slices.Sorted(maps.Keys(o.Endpoints.URL)) {
		add("address of "+string(h), o.Endpoints.URL[h])
	}
	add("tenant and organisations", string(o.Root))
	for name, at := range map[string]time.Time{"--from": o.From, "--to": o.To} {
		if !at.IsZero() {
			add(name, at.UTC().Format(time.RFC3339))
		}
	}
	add("--only", strings.Join(o.Only, ","))
	add("--scope", strings.Join(o.Scopes, ","))
	for i := range o.Exclude {
		add("leaving out "+o.Exclude[i].Scope, string(o.Exclude[i].Reason)+": "+o.Exclude[i].Why())
	}
	for _, b := range o.Bound {
		name, value, ok := strings.Cut(b, "=")
		if !ok {
			name, value = "what binds the pages", b
		}
		add(name, value)
	}
	slices.SortStableFunc(out, func(x, y term) int { return strings.Compare(x.Name, y.Name) })
	return out
}

func (s *spool) learn(e entry) error {
	raw, err := hex.DecodeString(e.K)
	var k key
	if err != nil || len(raw) != len(k) {
		return &tickmark.Error{Code: tickmark.CodeInput, Where: filepath.Join(s.dir, journalName), What: "an entry has no key", Hint: "remove the directory and collect anew"}
	}
	copy(k[:], raw)
	p := s.past[k]
	if p == nil {
		p = &past{}
		s.past[k] = p
	}
	switch {
	case e.T == "page" && e.Page != nil && e.Page.Off >= 0 && e.Page.Len >= 0:
		p.pages = append(p.pages, e.Page)
		s.off = max(s.off, e.Page.Off+int64(e.Page.Len))
	case e.T == "drop":
		p.pages, p.end, p.drops = nil, nil, p.drops+1
	case e.T == "end" && e.End != nil:
		p.end = e.End
	default:
		return &tickmark.Error{Code: tickmark.CodeInput, Where: filepath.Join(s.dir, journalName), What: fmt.Sprintf("entry of unknown kind %q", clip(e.T)), Hint: "the directory is of another version: remove it and collect anew"}
	}
	return nil
}

func parseEntry(line []byte) (entry, bool) {
	var e entry
	sum, body, ok := bytes.Cut(line, []byte{' '})
	if !ok || !bytes.HasSuffix(body, []byte{'\n'}) {
		return e, false
	}
	body = body[:len(body)-1]
	if string(sum) != fmt.Sprintf("%08x", crc32.Checksum(body, castagnoli)) {
		return e, false
	}
	return e, json.Unmarshal(body, &e) == nil
}

// write appends an entry. The caller holds mu or is alone.
func (s *spool) write(e entry) error {
	if s.err != nil {
		return s.err
	}
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	line := fmt.Appendf(make([]byte, 0, len(body)+10), "%08x %s\n", crc32.Checksum(body, castagnoli), body)
	if _, err := s.journal.Write(line); err != nil {
		s.err = fmt.Errorf("the journal cannot be written: %w", err)
		return s.err
	}
	s.entries++
	if s.unsynced += int64(len(line)); s.unsynced > syncBytes {
		if err := s.sync(); err != nil {
			return err
		}
	}
	if s.tune.wrote != nil {
		s.tune.wrote(s.entries)
	}
	return nil
}

// sync brings everything to the disk. A failure is final: what a disk has
// dropped it may later claim to have.
func (s *spool) sync() error {
	s.unsynced = 0
	if err := errors.Join(s.pages.Sync(), s.journal.Sync()); err != nil {
		s.err = fmt.Errorf("the working directory cannot be synced: %w", err)
	}
	return s.err
}

// keep writes a page and then its entry.
func (s *spool) keep(k key, p *pageEntry, kept []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	p.Off, p.Len = s.off, len(kept)
	if _, err := s.pages.WriteAt(kept, s.off); err != nil {
		s.err = fmt.Errorf("the spool cannot be written: %w", err)
		return s.err
	}
	s.off += int64(len(kept))
	s.unsynced += int64(len(kept))
	return s.write(entry{T: "page", K: hex.EncodeToString(k[:]), Page: p})
}

func (s *spool) note(k key, t string, end *ending) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.write(entry{T: t, K: hex.EncodeToString(k[:]), End: end})
}

// RemoveSpool removes a working directory whose collection is recorded: its own
// two files, and the directory if nothing else is in it. Whoever names a
// directory may keep other things there.
func RemoveSpool(dir string) error {
	for _, name := range []string{journalName, pagesName} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		return err
	}
	return os.Remove(dir)
}

// take gives up what the journal knows of a unit.
func (s *spool) take(k key) *past {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.past[k]
	delete(s.past, k)
	return p
}

// read returns bytes of the spool.
func (s *spool) read(off int64, n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := s.pages.ReadAt(b, off)
	return b, err
}

func (s *spool) finish() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sync()
}

func (s *spool) close() error {
	var errs []error
	if s.unlock != nil {
		errs = append(errs, s.unlock())
	}
	for _, f := range []*os.File{s.pages, s.journal} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
