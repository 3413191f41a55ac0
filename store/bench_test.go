// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tickmark/tickmark/history"
	"github.com/tickmark/tickmark/store"
	"github.com/tickmark/tickmark/store/storetest"
)

// size is what a closed data directory takes on disk, everything counted.
func size(tb testing.TB, dir string) (n int64) {
	tb.Helper()
	err := filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			n += info.Size()
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// BenchmarkRecord records 100,000 resources, then the same with 1 % changed.
func BenchmarkRecord(b *testing.B) {
	const n = 100_000
	for range b.N {
		b.StopTimer()
		ctx, dir := context.Background(), filepath.Join(b.TempDir(), "d")
		w := storetest.NewWorld(1, n)
		w.PerPage, w.PerSegment = 10_000, 1
		record := func() history.Recorded {
			snap := w.Snapshot()
			s, err := store.Open(ctx, dir, store.Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			begin := time.Now()
			rec, err := s.Record(ctx, snap, []history.Pin{{Name: "engine", Bytes: []byte("bench")}}, w.Results(), w.At().Add(time.Hour), nil)
			took := time.Since(begin)
			b.StopTimer()
			if err != nil {
				b.Fatal(err)
			}
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
			b.Logf("%d items, %.1f MB received, %d results, %d transitions: %.2f s, commit %.1f ms, %.1f MB in packs",
				rec.Entry.Items, float64(rec.Entry.Bytes)/1e6, rec.Entry.Results, rec.Entry.Transitions, took.Seconds(), float64(rec.Commit.Microseconds())/1e3, float64(rec.StoredBytes)/1e6)
			b.ReportMetric(float64(rec.Commit.Microseconds())/1e3, "ms/commit")
			return rec
		}
		s, err := store.Create(ctx, dir, "Bench", w.At(), store.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		empty := size(b, dir)
		record()
		first := size(b, dir) - empty
		w.Change(n / 100)
		record()
		second := size(b, dir) - empty - first
		b.Logf("first %.1f MB on disk, second %.2f MB: %.2f %%", float64(first)/1e6, float64(second)/1e6, 100*float64(second)/float64(first))
		b.ReportMetric(100*float64(second)/float64(first), "%second")
		s, err = store.Open(ctx, dir, store.Options{})
		if err != nil {
			b.Fatal(err)
		}
		begin := time.Now()
		r, err := s.Verify(ctx, nil, nil)
		if err != nil || !r.Clean() {
			b.Fatalf("%+v, %v", r, err)
		}
		b.Logf("verified both in %.2f s", time.Since(begin).Seconds())
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
