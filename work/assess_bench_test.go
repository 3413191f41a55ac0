// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tickmark/tickmark/collect/file"
	"github.com/tickmark/tickmark/work"
)

const benchResources = 100_000

var benchNow = time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC)

var benchFile = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "tickmark-bench-")
	if err != nil {
		panic(err)
	}
	return filepath.Join(dir, "export.json")
})

func benchInput(b *testing.B) (path string, size int64) {
	b.Helper()
	path = benchFile()
	if st, err := os.Stat(path); err == nil {
		return path, st.Size()
	}
	return path, generate(b, path, benchResources, 0)
}

func TestMain(m *testing.M) {
	if dir := os.Getenv("TICKMARK_TEST_COLLECT"); dir != "" {
		os.Exit(collectVictim(dir))
	}
	code := m.Run()
	if p := benchFile(); p != "" {
		_ = os.RemoveAll(filepath.Dir(p))
	}
	os.Exit(code)
}

// BenchmarkAssess assesses 100,000 generated resources with every check, from
// a file in the page cache; beside it the time that encoding/json takes to
// decode the same bytes into any.
func BenchmarkAssess(b *testing.B) {
	path, size := benchInput(b)
	b.Run("tickmark", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			a, files, err := work.AssessFiles(context.Background(), []string{path}, file.Options{ObservedAt: benchNow}, work.AssessOptions{Now: benchNow, Engine: "bench"})
			if err != nil {
				b.Fatal(err)
			}
			if len(a.Inventory.Resources) < benchResources || a.Results.Len() < benchResources {
				b.Fatalf("%d resources, %d results, problems %v", len(a.Inventory.Resources), a.Results.Len(), a.Problems)
			}
			b.ReportMetric(float64(a.Results.Len()), "results")
			if err := files.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding_json_any", func(b *testing.B) {
		b.SetBytes(size)
		data, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			var v any
			if err := json.Unmarshal(data, &v); err != nil {
				b.Fatal(err)
			}
		}
	})
}
