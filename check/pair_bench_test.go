// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/policy"
)

// BenchmarkPair evaluates every check on the catalogue's own shape of its type
// and reports the median and the worst over checks: nanoseconds and
// allocations for one (check, applicable resource) pair.
func BenchmarkPair(b *testing.B) {
	c, err := catalog.Default()
	if err != nil {
		b.Fatal(err)
	}
	rules, err := Compile(c)
	if err != nil {
		b.Fatal(err)
	}
	inv := shapesInventory(b, rules)
	r := newRunner(inv, rules, time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC))
	ev := &policy.Evaluator{Env: r.env}
	const rounds = 2000
	var ns, allocs []float64
	slow := ""
	for b.Loop() {
		ns, allocs = ns[:0], allocs[:0]
		for _, x := range rules.rules {
			for _, t := range x.check.Types {
				s, ok := r.spans[lower(t)]
				if !ok {
					continue
				}
				prog, res := x.policy.For(t), &r.res[s.from]
				if o := ev.Evaluate(prog, res); o.State == policy.NotApplicable {
					continue
				}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				start := time.Now()
				for range rounds {
					ev.Evaluate(prog, res)
				}
				d := float64(time.Since(start).Nanoseconds()) / rounds
				runtime.ReadMemStats(&after)
				if len(ns) == 0 || d > slices.Max(ns) {
					slow = x.check.ID
				}
				ns = append(ns, d)
				allocs = append(allocs, float64(after.Mallocs-before.Mallocs)/rounds)
			}
		}
	}
	slices.Sort(ns)
	slices.Sort(allocs)
	b.ReportMetric(float64(len(ns)), "pairs")
	b.ReportMetric(ns[len(ns)/2], "ns/pair-median")
	b.ReportMetric(ns[len(ns)*9/10], "ns/pair-p90")
	b.ReportMetric(ns[len(ns)-1], "ns/pair-max")
	b.ReportMetric(allocs[len(allocs)/2], "allocs/pair-median")
	b.ReportMetric(allocs[len(allocs)*9/10], "allocs/pair-p90")
	b.Logf("slowest: %s", slow)
}

func shapesInventory(b *testing.B, rules *Rules) *inventory.Inventory {
	b.Helper()
	files, err := filepath.Glob("../catalog/testdata/shapes/Microsoft.*.json")
	if err != nil || len(files) == 0 {
		b.Fatal(len(files), err)
	}
	snap := &tickmark.Snapshot{Origin: "files"}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			b.Fatal(err)
		}
		text := []byte(strings.TrimSpace(string(src)))
		p := tickmark.Page{Name: f, Form: "armObject", Bytes: text, Items: []tickmark.Item{{Off: 0, Len: len(text)}}}
		snap.Segments = append(snap.Segments, tickmark.Segment{
			Source: "file", Scope: f, Pages: []tickmark.Page{p},
			Coverage: tickmark.Coverage{Source: "file", Scope: f, Complete: []string{"*"}, CompleteBy: "operator", Declared: -1},
		})
	}
	inv, err := inventory.Build(context.Background(), snap, inventory.Options{Canonical: rules.Canonical})
	if err != nil {
		b.Fatal(err)
	}
	return inv
}
