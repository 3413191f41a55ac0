// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/history"
	"github.com/tickmark/tickmark/store"
)

// Env is one data directory on one database.
type Env struct {
	Dir  string
	Opts store.Options
	// Raw opens the database beside the store, as an intruder would; Disarm
	// are the statements that switch the triggers off.
	Raw    func(t *testing.T) *sql.DB
	Disarm []string
	// Second is another verifier of the directory, if there is one; it says
	// whether it finds damage.
	Second func(t *testing.T) bool
}

// Open opens the store of e until the test ends.
func (e *Env) Open(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), e.Dir, e.Opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Create makes the store of e until the test ends.
func (e *Env) Create(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Create(t.Context(), e.Dir, "Example Ltd", time.Date(2026, 3, 1, 5, 0, 0, 0, time.UTC), e.Opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Record records the world as it is.
func Record(t *testing.T, s *store.Store, w *World) history.Recorded {
	t.Helper()
	rec, err := s.Record(t.Context(), w.Snapshot(), pins, w.Results(), w.At().Add(time.Hour), nil)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

var pins = []history.Pin{{Name: "engine", Bytes: []byte("storetest")}, {Name: "catalog", Bytes: []byte(`{"checks":[]}`)}}

// MustVerify fails the test if anything is damaged.
func MustVerify(t *testing.T, s *store.Store, saved []byte) {
	t.Helper()
	r, err := s.Verify(t.Context(), saved, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range r.Damages {
		t.Errorf("damage: %s %s: %s", d.Class, d.Where, d.What)
	}
}

// Code returns the code of err, or "".
func Code(err error) tickmark.Code {
	if e, ok := errors.AsType[*tickmark.Error](err); ok {
		return e.Code
	}
	return ""
}

// Run is the suite. fresh returns an empty place for each test.
func Run(t *testing.T, fresh func(t *testing.T) *Env) {
	t.Helper()
	for _, c := range []struct {
		name string
		run  func(*testing.T, *Env)
	}{
		{"found", testFound},
		{"record_and_load", testRecordAndLoad},
		{"collection", testCollection},
		{"release", testRelease},
		{"second_collection", testSecondCollection},
		{"long_chain", testLongChain},
		{"awkward_pages", testAwkwardPages},
		{"late_snapshot", testLate},
		{"diff", testDiff},
		{"append_only", testAppendOnly},
		{"documents", testDocuments},
		{"concurrent_documents", testConcurrentDocuments},
		{"two_writers", testTwoWriters},
		{"lost_lock", testLostLock},
		{"refusals", testRefusals},
		{"failed_recording", testFailedRecording},
		{"rebuild", testRebuild},
		{"pack_rotation", testPackRotation},
		{"every_column", testEveryColumn},
		{"every_row_deleted", testEveryRowDeleted},
		{"rows_inserted", testRowsInserted},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, fresh(t)) })
	}
}

func testFound(t *testing.T, e *Env) {
	t.Helper()
	s := e.Create(t)
	MustVerify(t, s, nil)
	d, err := s.Document(t.Context(), "organisation", "1")
	if err != nil || d.Version != 1 || string(d.Body) != `{"name":"Example Ltd"}` {
		t.Errorf("document number one = %+v, %v", d, err)
	}
	if _, err := store.Create(t.Context(), e.Dir, "Example Ltd", NewWorld(0, 0).At(), e.Opts); Code(err) != tickmark.CodeUsage {
		t.Errorf("second Create = %v, want a usage error", err)
	}
	head, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	MustVerify(t, e.Open(t), head)
}

func collect(t *testing.T, seq iter.Seq2[tickmark.Result, error]) map[string]history.Outcome {
	t.Helper()
	m := map[string]history.Outcome{}
	for r, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		m[r.Check+"|"+r.Resource+"|"+r.Type] = history.Outcome{Verdict: r.Verdict, Reason: r.Reason}
	}
	return m
}

func wanted(w *World) map[string]history.Outcome {
	m := map[string]history.Outcome{}
	for r := range w.Results() {
		m[r.Check+"|"+r.Resource+"|"+r.Type] = history.Outcome{Verdict: r.Verdict, Reason: r.Reason}
	}
	return m
}

// sameSnapshot fails unless got holds exactly the bytes, items and words of want.
func sameSnapshot(t *testing.T, want, got *tickmark.Snapshot) {
	t.Helper()
	clone := *want
	clone.ID = got.ID
	if d := cmp.Diff(&clone, got, cmp.Comparer(bytes.Equal)); d != "" {
		t.Errorf("snapshot %s (-recorded +read back):\n%.2000s", got.ID, d)
	}
}

func testRecordAndLoad(t *testing.T, e *Env) {
	t.Helper()
	s := e.Create(t)
	w := NewWorld(2, 300)
	w.PerPage, w.PerSegment = 40, 3
	var snaps []*tickmark.Snapshot
	var results []map[string]history.Outcome
	for i := range 4 {
		snap := w.Snapshot()
		snap.Problems = []tickmark.Problem{{Input: "x.json", Byte: -1, Reason: tickmark.ReasonTruncated, What: "cut"}}
		rec, err := s.Record(t.Context(), snap, pins, w.Results(), w.At().Add(time.Hour), nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("s%d", i+1); rec.Entry.ID != want {
			t.Errorf("snapshot %d is named %s", i, rec.Entry.ID)
		}
		snaps, results = append(snaps, snap), append(results, wanted(w))
		w.Change(9)
		w.Remove(2)
		w.Add()
	}
	for i, snap := range snaps {
		st, err := s.Load(t.Context(), fmt.Sprintf("s%d", i+1))
		if err != nil {
			t.Fatal(err)
		}
		sameSnapshot(t, snap, st.Snapshot)
		if string(st.Pins["engine"]) != "storetest" || len(st.Pins) != 2 {
			t.Errorf("pins = %v", st.Pins)
		}
		if d := cmp.Diff(results[i], collect(t, s.Results(t.Context(), st.Entry.ID))); d != "" {
			t.Errorf("results of %s (-recorded +read back):\n%.2000s", st.Entry.ID, d)
		}
	}
	list, err := s.Snapshots(t.Context())
	if err != nil || len(list) != 4 {
		t.Fatalf("Snapshots = %v, %v", list, err)
	}
	for i, entry := range list {
		if entry.Counts.Total() != int64(len(results[i])) {
			t.Errorf("%s counts %d results, want %d", entry.ID, entry.Counts.Total(), len(results[i]))
		}
	}
	MustVerify(t, s, nil)
}

func testLongChain(t *testing.T, e *Env) {
	t.Helper()
	s := e.Create(t)
	w := NewWorld(3, 60)
	var snaps []*tickmark.Snapshot
	for range 20 {
		snaps = append(snaps, w.Snapshot())
		if _, err := s.Record(t.Context(), snaps[len(snaps)-1], nil, w.Results(), w.At(), nil); err != nil {
			t.Fatal(err)
		}
		w.Change(2)
	}
	for _, i := range []int{0, 1, 14, 15, 16, 17, 19} {
		st, err := s.Load(t.Context(), fmt.Sprintf("s%d", i+1))
		if err != nil {
			t.Fatal(err)
		}
		sameSnapshot(t, snaps[i], st.Snapshot)
	}
	MustVerify(t, s, nil)
}

// testAwkwardPages records what real inputs look like at their worst.
func testAwkwardPages(t *testing.T, e *Env) {
	t.Helper()
	s := e.Create(t)
	page := func(name, text string, items ...tickmark.Item) tickmark.Page {
		return tickmark.Page{Name: name, Form: "unrecognised", Bytes: []byte(text), Digest: tickmark.DigestOf([]byte(text)), Items: items}
	}
	big := strings.Repeat("0123456789abcdef", 200_000)
	snap := &tickmark.Snapshot{Origin: "files", ObservedAt: time.Date(2026, 3, 1, 6, 0, 0, 123456000, time.UTC)}
	seg := func(scope string, pages ...tickmark.Page) {
		snap.Segments = append(snap.Segments, tickmark.Segment{Source: "file", Scope: scope, Pages: pages, Coverage: tickmark.Coverage{Source: "file", Scope: scope, Missing: tickmark.ReasonTruncated}})
	}
	a := page("a", `[{"id":1},{"id":1},  {"id":2}]`, tickmark.Item{Off: 1, Len: 8}, tickmark.Item{Off: 10, Len: 8}, tickmark.Item{Off: 21, Len: 8})
	a.Entity, a.Columns, a.ObservedAt = "graph/users", []string{"id", "name"}, snap.ObservedAt
	seg("a.json", a, page("same bytes, other items", `[{"id":1},{"id":1},  {"id":2}]`, tickmark.Item{Off: 1, Len: 28}))
	seg("empty", page("nothing", ""), page("one", "x", tickmark.Item{Off: 0, Len: 1}))
	seg("none")
	seg("big envelope", page("big", big), page("big item", big, tickmark.Item{Off: 3, Len: len(big) - 3}))
	seg("a.json", page("touching", "abc", tickmark.Item{Off: 0, Len: 1}, tickmark.Item{Off: 1, Len: 1}, tickmark.Item{Off: 2, Len: 1}))
	for range 2 {
		if _, err := s.Record(t.Context(), snap, nil, nil, snap.ObservedAt, nil); err != nil {
			t.Fatal(err)
		}
		st, err := s.Load(t.Context(), "latest")
		if err != nil {
			t.Fatal(err)
		}
		for i := range st.Snapshot.Segments { // what is empty reads back as empty, not as nil
			for k := range st.Snapshot.Segments[i].Pages {
				p := &st.Snapshot.Segments[i].Pages[k]
				if len(p.Items) == 0 {
					p.Items = nil
				}
			}
			if len(st.Snapshot.Segments[i].Pages) == 0 {
				st.Snapshot.Segments[i].Pages = nil
			}
		}
		sameSnapshot(t, snap, st.Snapshot)
	}
	MustVerify(t, s, nil)
	for _, bad := range [][]tickmark.Item{{{Off: 2, Len: 2}}, {{Off: -1, Len: 1}}, {{Off: 1, Len: 0}}, {{Off: 1, Len: 1}, {Off: 1, Len: 1}}} {
		snap.Segments = nil
		seg("bad", page("bad", "abc", bad...))
		if _, err := s.Record(t.Context(), snap, nil, nil, snap.ObservedAt, nil); err == nil {
			t.Errorf("items %v were recorded", bad)
		}
	}
	MustVerify(t, s, nil)
}

func testLate(t *testing.T, e *Env) {
	t.Helper()
	s := e.Create(t)
	w := NewWorld(4, 20)
	w.Change(1)
	Record(t, s, w)
	early := w.Snapshot()
	early.ObservedAt = early.ObservedAt.AddDate(0, 0, -1)
	w.Change(10)
	rec, err := s.Record(t.Context(), early, nil, w.Results(), w.At().Add(2*time.Hour), nil)
	if err != nil || !rec.Entry.Late {
		t.Fatalf("Record = %+v, %v, want a late snapshot", rec.Entry, err)
	}
	MustVerify(t, s, nil)
	// recordedAt never falls: a small step of the clock is levelled, a large
	// one refused.
	w.Change(1)
	if _, err := s.Record(t.Context(), w.Snapshot(), nil, w.Results(), rec.Entry.RecordedAt.Add(-time.Minute), nil); err != nil {
		t.Error(err)
	}
	if _, err := s.Record(t.Context(), w.Snapshot(), nil, w.Results(), rec.Entry.RecordedAt.Add(-time.Hour), nil); Code(err) != tickmark.CodeConflict {
		t.Errorf("recording an hour in the past = %v, want a conflict", err)
	}
	MustVerify(t, s, nil)
}

func testDiff(t *testing.T, e *Env) {
	t.Helper()
	s := e.Create(t)
	w := NewWorld(5, 50)
	w.PerPage = 7
	Record(t, s, w)
	before := wanted(w)
	bodies := map[string]string{}
	for _, r := range w.resources {
		bodies[strings.ToLower(r.id)] = string(r.body)
	}
	w.Change(5)
	w.Remove(2)
	w.Add()
	Record(t, s, w)
	after := wanted(w)
	var added, changed []string
	for _, r := range w.resources {
		id := strings.ToLower(r.id)
		old, ok := bodies[id]
		switch {
		case !ok:
			added = append(added, id)
		case old != string(r.body):
			changed = append(changed, id)
		}
		delete(bodies, id)
	}
	slices.Sort(added)
	slices.Sort(changed)
	d, err := s.Diff(t.Context(), "previous", "latest")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(d.Added, added) || !slices.Equal(d.Changed, changed) || len(d.Removed) != len(bodies) {
		t.Errorf("added %v, changed %v, removed %v; want %v, %v, %v", d.Added, d.Changed, d.Removed, added, changed, bodies)
	}
	n := 0
	for k, o := range after {
		if old, ok := before[k]; !ok || old != o {
			n++
		}
		delete(before, k)
	}
	if n += len(before); n != len(d.Verdicts) || n == 0 {
		t.Errorf("%d verdicts differ, want %d", len(d.Verdicts), n)
	}
	if d, err = s.Diff(t.Context(), "s2", "s2"); err != nil || len(d.Added)+len(d.Removed)+len(d.Changed)+len(d.Verdicts) != 0 {
		t.Errorf("a snapshot differs from itself: %+v, %v", d, err)
	}
}

func testAppendOnly(t *testing.T, e *Env) {
	t.Helper()
	s := e.Create(t)
	Record(t, s, NewWorld(6, 5))
	raw := e.Raw(t)
	for _, q := range []string{
		`UPDATE leaves SET kind = 'x'`, `DELETE FROM leaves`, `UPDATE documents SET actor = 'x'`, `DELETE FROM documents`,
		`DELETE FROM ledgers`, `UPDATE ledgers SET size = size - 1`, `UPDATE ledgers SET size = size`,
	} {
		if _, err := raw.ExecContext(t.Context(), q); err == nil {
			t.Errorf("%s was allowed", q)
		}
	}
	MustVerify(t, s, nil)
	// The control: without the triggers the same statements go through.
	disarm(t, raw, e)
	if _, err := raw.ExecContext(t.Context(), `UPDATE documents SET actor = 'x'`); err != nil {
		t.Errorf("without triggers: %v", err)
	}
	if r, err := s.Verify(t.Context(), nil, nil); err != nil || r.Clean() {
		t.Errorf("the change was not found: %v", err)
	}
}

func disarm(t *testing.T, raw *sql.DB, e *Env) {
	t.Helper()
	for _, q := range e.Disarm {
		if _, err := raw.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}

func testDocuments(t *testing.T, e *Env) {
	t.Helper()
	s := e.Create(t)
	now := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	doc := history.Document{Kind: "policy", ID: "access", Version: 1, Schema: 1, Actor: "ann", Body: []byte(`{"a":1}`)}
	for v := int64(1); v <= 3; v++ {
		doc.Version, doc.EffectiveTo = v, now.AddDate(1, 0, 0)
		if _, err := s.Put(t.Context(), doc, now); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Put(t.Context(), doc, now); Code(err) != tickmark.CodeConflict {
			t.Errorf("version %d twice = %v, want a conflict", v, err)
		}
	}
	got, err := s.Document(t.Context(), "policy", "access")
	if err != nil || got.Version != 3 || !bytes.Equal(got.Body, doc.Body) || !got.EffectiveTo.Equal(doc.EffectiveTo) {
		t.Errorf("Document = %+v, %v", got, err)
	}
	// Several at once: all or none.
	two := []history.Document{{Kind: "policy", ID: "backup", Version: 1, Schema: 1, Actor: "ann", Body: []byte(`{}`)}, doc}
	if _, err := s.PutAll(t.Context(), two, now); Code(err) != tickmark.CodeConflict {
		t.Errorf("one of two conflicts: %v, want a conflict", err)
	}
	two[1].Version = 4
	if put, err := s.PutAll(t.Context(), two, now); err != nil || put[1].Seq != put[0].Seq+1 {
		t.Errorf("PutAll = %+v, %v", put, err)
	}
	list, err := s.Documents(t.Context(), "policy")
	if err != nil || len(list) != 5 || list[3].Version != 4 || list[4].ID != "backup" || !list[0].RecordedAt.Equal(now) {
		t.Errorf("Documents = %+v, %v", list, err)
	}
	if none, err := s.Documents(t.Context(), "other"); err != nil || len(none) != 0 {
		t.Errorf("Documents of another kind = %+v, %v", none, err)
	}
	MustVerify(t, s, nil)
}

// testConcurrentDocuments has two stores append at once: each ends up in the
// log once and nothing forks.
func testConcurrentDocuments(t *testing.T, e *Env) {
	t.Helper()
	a := e.Create(t)
	b := e.Open(t)
	const each = 25
	var wg sync.WaitGroup
	for k, s := range []*store.Store{a, b} {
		wg.Go(func() {
			for i := range each {
				doc := history.Document{Kind: "note", ID: fmt.Sprintf("%d-%d", k, i), Version: 1, Schema: 1, Actor: "ann", Body: []byte(`{}`)}
				for {
					_, err := s.Put(context.WithoutCancel(t.Context()), doc, time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC))
					if Code(err) == tickmark.CodeConflict {
						continue // cleanly refused: nothing was written
					}
					if err != nil {
						t.Error(err)
					}
					break
				}
			}
		})
	}
	wg.Wait()
	r, err := a.Verify(t.Context(), nil, nil)
	if err != nil || !r.Clean() || r.Checked["documents"] != 2*each+1 {
		t.Errorf("after two writers: %+v, %v", r, err)
	}
}

// testTwoWriters has two stores record at once: one after the other, or a
// clean refusal.
func testTwoWriters(t *testing.T, e *Env) {
	t.Helper()
	a := e.Create(t)
	b := e.Open(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	acknowledged := map[string]bool{}
	for k, s := range []*store.Store{a, b} {
		wg.Go(func() {
			w := NewWorld(uint64(k), 40) //nolint:gosec // a small index
			for range 5 {
				w.Change(3)
				rec, err := s.Record(context.WithoutCancel(t.Context()), w.Snapshot(), nil, w.Results(), w.At(), nil)
				if err != nil && Code(err) != tickmark.CodeConflict {
					t.Error(err)
				}
				if err == nil {
					mu.Lock()
					if acknowledged[rec.Entry.ID] {
						t.Errorf("%s was acknowledged twice", rec.Entry.ID)
					}
					acknowledged[rec.Entry.ID] = true
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	list, err := a.Snapshots(t.Context())
	if err != nil || len(list) != len(acknowledged) || len(list) == 0 {
		t.Errorf("%d snapshots are stored, %d were acknowledged (%v)", len(list), len(acknowledged), err)
	}
	MustVerify(t, a, nil)
}

func testRefusals(t *testing.T, e *Env) {
	t.Helper()
	s := e.Create(t)
	w := NewWorld(8, 3)
	now := w.At()
	for _, origin := range []string{"sample", "trial"} {
		snap := w.Snapshot()
		snap.Origin = origin
		if _, err := s.Record(t.Context(), snap, nil, nil, now, nil); Code(err) != tickmark.CodeUsage {
			t.Errorf("recording a %s = %v, want a usage error", origin, err)
		}
	}
	twice := func(yield func(tickmark.Result) bool) {
		r := tickmark.Result{Check: "c", Resource: "r", Verdict: tickmark.Pass}
		if yield(r) {
			yield(r)
		}
	}
	silent := func(yield func(tickmark.Result) bool) {
		yield(tickmark.Result{Check: "c", Resource: "r", Verdict: tickmark.Unknown})
	}
	for name, results := range map[string]iter.Seq[tickmark.Result]{"two results for one resource": twice, "unknown without a reason": silent} {
		if _, err := s.Record(t.Context(), w.Snapshot(), nil, results, now, nil); err == nil {
			t.Errorf("%s: was recorded", name)
		}
	}
	if _, err := s.Load(t.Context(), "s9"); Code(err) != tickmark.CodeUsage {
		t.Errorf("Load of nothing = %v, want a usage error", err)
	}
	changed := w.Snapshot()
	changed.Segments[0].Pages[0].Digest = tickmark.DigestOf([]byte("other"))
	if _, err := s.Record(t.Context(), changed, nil, nil, now, nil); Code(err) != tickmark.CodeInput {
		t.Errorf("a page that changed while it was read = %v, want an input error", err)
	}
	MustVerify(t, s, nil)
	if list, err := s.Snapshots(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("refused snapshots are listed: %v, %v", list, err)
	}
}

// testFailedRecording stops recordings at many points by cancelling them.
func testFailedRecording(t *testing.T, e *Env) {
	t.Helper()
	s := e.Create(t)
	w := NewWorld(9, 200)
	w.PerPage = 20
	Record(t, s, w)
	for i := range 12 {
		w.Change(20)
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		_, err := s.Record(ctx, w.Snapshot(), nil, w.Results(), w.At(), func(string, int64, int64) {
			if n++; n == i+1 {
				cancel()
			}
		})
		cancel()
		MustVerify(t, s, nil)
		if err != nil {
			if list, lerr := s.Snapshots(t.Context()); lerr != nil || list[len(list)-1].ID == fmt.Sprintf("s%d", i+2) {
				t.Errorf("a recording that failed (%v) is listed: %v", err, lerr)
			}
			Record(t, s, w)
		}
	}
	MustVerify(t, s, nil)
}

func testPackRotation(t *testing.T, e *Env) {
	t.Helper()
	e.Opts.PackSize = 100_000
	s := e.Create(t)
	w := NewWorld(10, 400)
	for range 3 {
		Record(t, s, w)
		w.Change(200)
	}
	r, err := s.Verify(t.Context(), nil, nil)
	if err != nil || !r.Clean() {
		t.Fatalf("%+v, %v", r, err)
	}
	if r.Checked["packBytes"] < 200_000 {
		t.Errorf("only %d bytes of packs", r.Checked["packBytes"])
	}
	st, err := s.Load(t.Context(), "s1")
	if err != nil || len(st.Snapshot.Segments) == 0 {
		t.Error(err)
	}
}

// testLostLock records while the writer lock does not hold (as on a file
// system without locks): of two recordings one wins and the other is refused.
func testLostLock(t *testing.T, e *Env) {
	t.Helper()
	s := e.Create(t)
	w := NewWorld(12, 30)
	Record(t, s, w)
	w.Change(3)
	raced := false
	_, err := s.Record(t.Context(), w.Snapshot(), nil, func(yield func(tickmark.Result) bool) {
		// In the middle of the recording another writer takes the place.
		if raw := e.Raw(t); !raced {
			raced = true
			if _, err := raw.ExecContext(t.Context(), `UPDATE snapshots SET token = 'another' WHERE seq IS NULL`); err != nil {
				t.Error(err)
			}
		}
	}, w.At(), nil)
	if Code(err) != tickmark.CodeConflict || !raced {
		t.Errorf("Record = %v, want a conflict", err)
	}
	MustVerify(t, s, nil)
	Record(t, s, w)
	MustVerify(t, s, nil)
}
