// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/tickmark/tickmark"
)

// testCollection records what a collection brings beyond files (requests, what
// was asked about, the account of the questions) often enough for the chain of
// manifests to begin anew, and reads every bit of it back.
func testCollection(t *testing.T, e *Env) {
	t.Helper()
	s := e.Create(t)
	w := NewWorld(5, 60)
	w.Collected, w.Small, w.PerPage, w.PerSegment = true, 60, 15, 2
	var snaps []*tickmark.Snapshot
	for i := range 18 {
		snap := w.Snapshot()
		if i == 3 { // cut
			a := &snap.Segments[0].Coverage.Asks[1]
			a.Detail, a.Missing = "cut", tickmark.ReasonThrottled
		}
		snaps = append(snaps, snap)
		if _, err := s.Record(t.Context(), snap, nil, w.Results(), w.At(), nil); err != nil {
			t.Fatal(err)
		}
		w.Change(3)
		if i%4 == 3 {
			w.Remove(1)
			w.Add()
		}
	}
	for i, snap := range snaps {
		st, err := s.Load(t.Context(), fmt.Sprintf("s%d", i+1))
		if err != nil {
			t.Fatal(err)
		}
		sameSnapshot(t, snap, st.Snapshot)
	}
	MustVerify(t, s, nil)
	if e.Second != nil && e.Second(t) {
		t.Error("the second verifier finds damage where there is none")
	}
}

// testRelease overwrites the bytes of every segment as soon as they are
// released: nothing of them may still be needed.
func testRelease(t *testing.T, e *Env) {
	t.Helper()
	s := e.Create(t)
	w := NewWorld(6, 900)
	w.Collected, w.Small, w.PerPage, w.PerSegment = true, 200, 100, 2
	snap := w.Snapshot()
	want := *snap
	want.Segments = slices.Clone(snap.Segments)
	for i := range want.Segments {
		want.Segments[i].Pages = slices.Clone(snap.Segments[i].Pages)
		for k := range want.Segments[i].Pages {
			p := &want.Segments[i].Pages[k]
			p.Bytes = bytes.Clone(p.Bytes)
		}
	}
	released := map[int]bool{}
	_, err := s.RecordReleasing(t.Context(), snap, nil, w.Results(), w.At(), nil, func(i int) {
		released[i] = true
		seg := &snap.Segments[i]
		for k := range seg.Pages {
			for b := range seg.Pages[k].Bytes {
				seg.Pages[k].Bytes[b] = 'x'
			}
		}
	})
	if err != nil || len(released) != len(want.Segments) {
		t.Fatalf("%d of %d segments released, %v", len(released), len(want.Segments), err)
	}
	st, err := s.Load(t.Context(), "latest")
	if err != nil {
		t.Fatal(err)
	}
	sameSnapshot(t, &want, st.Snapshot)
}

// testSecondCollection: a day on which one resource in a hundred changed costs
// at most one twentieth of the first, the provenance of every page included.
func testSecondCollection(t *testing.T, e *Env) {
	t.Helper()
	s := e.Create(t)
	w := NewWorld(8, 4000)
	w.Collected, w.Small = true, 4000
	first := Record(t, s, w)
	for day := range 3 {
		w.Change(w.Len() / 100)
		next := Record(t, s, w)
		share := float64(next.StoredBytes) / float64(first.StoredBytes)
		t.Logf("day %d: %d of %d bytes (%.1f %%), of %d pages", day+2, next.StoredBytes, first.StoredBytes, 100*share, next.Entry.Pages)
		if share > 0.05 {
			t.Errorf("day %d stores %.1f %% of the first collection, want at most 5 %%", day+2, 100*share)
		}
	}
}
