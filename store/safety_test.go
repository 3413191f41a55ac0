// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/store"
	"github.com/tickmark/tickmark/store/storetest"
)

// TestSQLiteVersion refuses a SQLite that corrupts a database when its
// write-ahead log is reset (before 3.51.3), and settings that lose commits.
func TestSQLiteVersion(t *testing.T) {
	e := sqliteEnv(t)
	e.Create(t)
	var version string
	if err := e.Raw(t).QueryRow(`SELECT sqlite_version()`).Scan(&version); err != nil {
		t.Fatal(err)
	}
	var have, want [3]int
	if _, err := fmt.Sscanf(version, "%d.%d.%d", &have[0], &have[1], &have[2]); err != nil {
		t.Fatal(err)
	}
	want = [3]int{3, 51, 3}
	if cmp.Or(cmp.Compare(have[0], want[0]), cmp.Compare(have[1], want[1]), cmp.Compare(have[2], want[2])) < 0 {
		t.Errorf("SQLite is %s, want %v or later", version, want)
	}
	s := e.Open(t)
	w := storetest.NewWorld(1, 3)
	for _, ok := range []bool{true, false, true} { // also after a recording, and after one that failed
		mode, synchronous, err := store.Durability(t.Context(), s)
		if err != nil || mode != "wal" || synchronous != 2 {
			t.Errorf("journal_mode %s, synchronous %d (%v), want wal and 2 (FULL)", mode, synchronous, err)
		}
		results := w.Results()
		if !ok {
			results = func(yield func(tickmark.Result) bool) { yield(tickmark.Result{Verdict: tickmark.Unknown}) }
		}
		if _, err := s.Record(t.Context(), w.Snapshot(), nil, results, w.At(), nil); (err == nil) != ok {
			t.Errorf("Record = %v", err)
		}
	}
}

// TestKeyMode refuses a signing key that others can read.
func TestKeyMode(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	use(t, dir, true, func(*store.Store) {})
	info, err := os.Stat(store.KeyPath(dir))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v (%v), want 0600", info.Mode(), err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o644, 0o660} {
		if err := os.Chmod(store.KeyPath(dir), mode); err != nil {
			t.Fatal(err)
		}
		if s, err := store.Open(t.Context(), dir, store.Options{}); storetest.Code(err) != tickmark.CodeUsage {
			t.Errorf("mode %04o: Open = %v, %v, want a usage error", mode, s, err)
		}
	}
	// Without the key everything can be read and checked, nothing recorded.
	if err := os.Remove(store.KeyPath(dir)); err != nil {
		t.Fatal(err)
	}
	use(t, dir, false, func(s *store.Store) {
		storetest.MustVerify(t, s, nil)
		w := storetest.NewWorld(1, 1)
		if _, err := s.Record(t.Context(), w.Snapshot(), nil, w.Results(), w.At(), nil); storetest.Code(err) != tickmark.CodeUsage {
			t.Errorf("Record without a key = %v, want a usage error", err)
		}
	})
}

// TestSample holds that a directory of samples says so in every head.
func TestSample(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s, err := store.Create(t.Context(), dir, "Example Ltd", time.Date(2026, 3, 1, 5, 0, 0, 0, time.UTC), store.Options{Sample: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	w := storetest.NewWorld(1, 3)
	snap := w.Snapshot()
	snap.Origin = "sample"
	if _, err := s.Record(t.Context(), snap, nil, w.Results(), w.At(), nil); err != nil {
		t.Error(err)
	}
	head, err := s.Head(t.Context())
	if err != nil || !strings.HasPrefix(string(head), "sample/example-ltd-") || !s.Sample() {
		t.Errorf("head %q (%v), want a sample's", head, err)
	}
	storetest.MustVerify(t, s, head)
}

// TestInitInterrupted completes a directory whose making stopped anywhere.
func TestInitInterrupted(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "data")
	use(t, whole, true, func(*store.Store) {})
	for _, keep := range [][]string{{}, {"tickmark.yaml"}, {"tickmark.yaml", "signing.key"}} {
		dir := t.TempDir()
		for _, name := range keep {
			b, err := os.ReadFile(filepath.Join(whole, name))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if len(keep) == 2 {
			if _, err := store.Open(t.Context(), dir, store.Options{}); storetest.Code(err) != tickmark.CodeUsage {
				t.Errorf("with %v: Open = %v, want a usage error", keep, err)
			}
		}
		use(t, dir, true, func(s *store.Store) { storetest.MustVerify(t, s, nil) })
	}
}

// TestCommitIsShort records 20,000 resources three times: the transaction that
// makes a recording visible takes at most 50 ms. The best of three counts, as
// the machine may be busy with something else.
func TestCommitIsShort(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	best := time.Hour
	use(t, dir, true, func(s *store.Store) {
		w := storetest.NewWorld(1, 20_000)
		for range 3 {
			rec := storetest.Record(t, s, w)
			best = min(best, rec.Commit)
			t.Logf("commit of %d results took %v", rec.Entry.Transitions, rec.Commit)
			w.Change(10_000)
		}
	})
	if best > 50*time.Millisecond {
		t.Errorf("the shortest commit took %v", best)
	}
}
