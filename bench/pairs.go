// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/collect/file"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/policy"
)

// pair is one evaluation that the type index selects.
type pair struct {
	program  *policy.Program
	resource *policy.Resource
}

// perPolicy bounds the resources of one policy, spread over all of its, so
// that they stay in the cache as they do in a run, which takes a resource
// through all its policies.
const perPolicy = 256

// pairs measures, for every policy of the initiative, the time and allocations
// of one pair.
func pairs(w io.Writer, lib *policy.Library, path string, rounds int) error {
	files, err := file.Open(context.Background(), []string{path}, file.Options{ObservedAt: now})
	if err != nil {
		return err
	}
	defer func() { _ = files.Close() }()
	inv, err := inventory.Build(context.Background(), &files.Snapshot, inventory.Options{Redactions: inventory.Redact(&files.Snapshot)})
	if err != nil {
		return err
	}
	x, err := soc2(lib)
	if err != nil {
		return err
	}
	env, res := check.Environment(inv, x, now)
	ev := &policy.Evaluator{Env: env}
	var ns, allocs, automated []float64
	slow, worst := "", 0.0
	for i := range x.Members {
		list := pairsOf(x, i, inv, res)
		if len(list) == 0 {
			continue
		}
		d, a := measure(x, ev, i, list, rounds)
		if d > worst {
			worst, slow = d, x.Members[i].Policy.Definition.DisplayName
		}
		ns, allocs = append(ns, d), append(allocs, a)
		if x.Members[i].Policy.Effect != policy.Manual {
			automated = append(automated, d)
		}
	}
	if len(ns) == 0 {
		return fmt.Errorf("no policy of the initiative met a resource")
	}
	sum, asum, free := 0.0, 0.0, 0
	for i := range ns {
		sum, asum = sum+ns[i], asum+allocs[i]
		if allocs[i] < 0.01 {
			free++
		}
	}
	n := float64(len(ns))
	_, err = fmt.Fprintf(w, `
one pair, %d policies of the initiative that meet a resource, up to %d resources each, median of %d
  ns           median %.0f, mean %.0f, p90 %.0f, worst %.0f (%s) (target: median at most 150)
  automated    median %.0f, p90 %.0f (the %d policies that people do not attest)
  allocations  median %.2f, mean %.2f, p90 %.2f; %d of %d policies allocate nothing (target: median 0)
`, len(ns), perPolicy, rounds, median(ns), sum/n, quantile(ns, 90), worst, slow, median(automated), quantile(automated, 90), len(automated), median(allocs), asum/n, quantile(allocs, 90), free, len(ns))
	return err
}

// pairsOf lists the pairs of member i whose type the policy is relevant to.
func pairsOf(x *policy.Assigned, i int, inv *inventory.Inventory, res []policy.Resource) []pair {
	m := &x.Members[i]
	if m.Err != nil || m.Policy.Definition.Static() {
		return nil
	}
	var all []pair
	at := 0
	for _, t := range inv.Types {
		for at < len(res) && !strings.EqualFold(res[at].Type, t.Type) {
			at++
		}
		from := at
		for at < len(res) && strings.EqualFold(res[at].Type, t.Type) {
			at++
		}
		if p := m.Policy.For(t.Type); p != nil {
			for k := from; k < at; k++ {
				all = append(all, pair{p, &res[k]})
			}
		}
		if at == len(res) {
			at = 0
		}
	}
	if len(all) <= perPolicy {
		return all
	}
	out := make([]pair, 0, perPolicy)
	for k := range perPolicy {
		out = append(out, all[k*len(all)/perPolicy])
	}
	return out
}

// measure returns nanoseconds of processor time and allocations per pair, the
// median of rounds. Processor time leaves out what else the machine does.
func measure(x *policy.Assigned, ev *policy.Evaluator, member int, list []pair, rounds int) (ns, allocs float64) {
	again := 1
	once := func() (ns, allocs float64) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := processorTime()
		for range again {
			for _, p := range list {
				x.EvaluateProgram(ev, member, p.program, p.resource)
			}
		}
		d := processorTime() - start
		runtime.ReadMemStats(&after)
		n := float64(again * len(list))
		return float64(d.Nanoseconds()) / n, float64(after.Mallocs-before.Mallocs) / n
	}
	once() // warms up
	warm, _ := once()
	again = int(min(max(1, 2e6/(warm+1)/float64(len(list))), 1e5)) // about 2 ms
	var times, counts []float64
	for range rounds {
		d, a := once()
		times, counts = append(times, d), append(counts, a)
	}
	return median(times), median(counts)
}
