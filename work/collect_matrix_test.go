// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/azuresim"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/work"
)

// The matrix puts every fault that the simulator knows to every source that is
// registered, and holds what comes out against the collection without a fault:
// a fault may cost coverage, never truth.
var (
	matrixSize = flag.String("matrix", "", `faults × sources: "" puts each fault to a sample of each source's questions, "all" to every kind of question of every source and a larger sample`)
	matrixOnly = flag.String("matrix-only", "", "puts only the faults that begin so")
	matrixSeed = flag.Uint64("matrix-seed", 1, "chooses the sample")
)

// experiment is one collection under faults.
type experiment struct {
	source string
	fault  azuresim.FaultInfo
	put    []azuresim.Fault
	about  string
	hit    []*collect.Ask
	deny   []azuresim.Denial
}

// kindOf tells the questions apart that the engine treats differently.
func kindOf(a *collect.Ask) string {
	return strings.Join([]string{string(a.Host), string(a.Paging), a.Form, a.Method, a.List, fmt.Sprint(a.Batch > 0, a.Window != nil, a.Proof != "", a.Count != "")}, "|")
}

// fits reports whether a fault can be of a question at all.
func fits(info azuresim.FaultInfo, src *collect.Source, a *collect.Ask) bool {
	switch {
	case info.Query:
		return a.Pace == collect.PaceResourceGraph
	case info.ID == "C12/partial":
		return a.Host == collect.HostLogAnalytics
	case info.ID == "C27":
		// Only services that filter lists by permission show it.
		return a.Proof != ""
	}
	return true
}

// plan lays out the experiments on a source.
func plan(src *collect.Source, base *outcome, rng *rand.Rand, whole bool) []experiment {
	var out []experiment
	for _, info := range azuresim.Faults() {
		if testing.Short() && rng.IntN(4) > 0 {
			continue
		}
		if info.Where == azuresim.InClient || !strings.HasPrefix(info.ID, *matrixOnly) {
			continue // C22: TestKilledCollection
		}
		add := func(about string, hit []asked, put ...azuresim.Fault) {
			x := experiment{source: src.Name, fault: info, put: put, about: about}
			for _, q := range hit {
				x.hit = append(x.hit, q.ask)
			}
			out = append(out, x)
		}
		if info.Where == azuresim.InState || info.Where == azuresim.InService {
			for range map[bool]int{true: 6, false: 1}[whole] {
				add("all", base.requests, fitted(azuresim.Fault{ID: info.ID}, nil, rng))
			}
			continue
		}
		kinds, hosts := map[string][]asked{}, map[collect.Host][]asked{}
		var all []asked
		for _, q := range base.requests {
			if fits(info, src, q.ask) {
				kinds[kindOf(q.ask)] = append(kinds[kindOf(q.ask)], q)
				hosts[q.ask.Host] = append(hosts[q.ask.Host], q)
				all = append(all, q)
			}
		}
		if len(all) == 0 {
			continue // the source has nothing that can show it
		}
		// Everything at once.
		for _, h := range slices.Sorted(maps.Keys(hosts)) {
			if (whole || rng.IntN(8*len(hosts)) == 0) && len(all) == len(base.requests) {
				add("host "+string(h), hosts[h], fitted(azuresim.Fault{ID: info.ID, Host: string(h)}, nil, rng))
			}
		}
		if info.Where == azuresim.InConnection {
			if !whole {
				add("all", all, fitted(azuresim.Fault{ID: info.ID}, nil, rng))
			}
			continue
		}
		if info.ID == "C27" {
			n := map[bool]int{true: len(all), false: 1}[whole]
			for _, k := range rng.Perm(len(all))[:n] {
				x := experiment{source: src.Name, fault: info, about: all[k].ask.Name, hit: []*collect.Ask{all[k].ask}, deny: hidden(all[k], base)}
				out = append(out, x)
			}
			continue
		}
		one := func(q asked) { add(q.ask.Name, []asked{q}, at(info, &q, rng)) }
		if strings.HasPrefix(info.ID, "C19/") {
			out = append(out, drifting(src, info, all, rng, whole)...)
		}
		// Each kind of question; a sample of all.
		names := slices.Sorted(maps.Keys(kinds))
		if !whole {
			names = []string{names[rng.IntN(len(names))]}
		}
		for _, k := range names {
			one(richest(kinds[k], info, rng))
		}
		// Several questions at once.
		for n := range 4 {
			if !whole && (n > 0 || rng.IntN(8) > 0) {
				break
			}
			if whole {
				one(all[rng.IntN(len(all))])
				one(all[rng.IntN(len(all))])
			}
			most := 120
			switch {
			case strings.HasPrefix(info.ID, "C14"):
				continue // a tenant that revokes each token that it gives
			case info.ID == "C3", strings.HasPrefix(info.ID, "C2/"):
				most = 4 // else days pass, and with them what is granted for hours
			}
			var put []azuresim.Fault
			var hit []asked
			for _, q := range all {
				if rng.IntN(6) == 0 && len(put) < most {
					put, hit = append(put, at(info, &q, rng)), append(hit, q)
				}
			}
			if len(put) > 0 {
				add(fmt.Sprintf("%d requests", len(put)), hit, put...)
			}
		}
	}
	return out
}

// behind are the lists of which the permission is evaluated that proves others
// too: an identity without it sees none of them.
var behind = map[string]string{"sees-projects": "*/_apis/projects", "sees-repositories": "*/_apis/git/repositories"}

// hidden is what a service that filters by permission does where it is missing:
// the list is empty, and what proves that the identity sees is refused, unless
// it is an answer that says so itself.
func hidden(q asked, base *outcome) []azuresim.Denial {
	deny := []azuresim.Denial{{Host: string(q.ask.Host), Path: q.path, Hide: true}}
	if p := behind[q.ask.Proof]; p != "" {
		deny = append(deny, azuresim.Denial{Host: "devops", Path: p, Hide: true})
	}
	for _, p := range base.requests {
		if p.ask.Name == q.ask.Proof && p.ask.Shows == nil {
			deny = append(deny, azuresim.Denial{Host: string(p.ask.Host), Path: p.path})
		}
	}
	return deny
}

// at aims a fault at one request.
func at(info azuresim.FaultInfo, q *asked, rng *rand.Rand) azuresim.Fault {
	return fitted(azuresim.Fault{ID: info.ID, Host: string(q.ask.Host), Path: q.path, Contains: q.contains}, q, rng)
}

// richest is a request with several pages where the fault is about paging, else
// with rows, else any.
func richest(all []asked, info azuresim.FaultInfo, rng *rand.Rand) asked {
	for _, want := range []func(asked) bool{
		func(q asked) bool { return q.pages > 1 }, func(q asked) bool { return q.rows > 0 && !info.Paged },
	} {
		var fit []asked
		for _, q := range all {
			if want(q) {
				fit = append(fit, q)
			}
		}
		if len(fit) > 0 && (info.Paged || rng.IntN(2) == 0) {
			return fit[rng.IntN(len(fit))]
		}
	}
	return all[rng.IntN(len(all))]
}

// fitted fills the parameters that a fault needs.
func fitted(f azuresim.Fault, q *asked, rng *rand.Rand) azuresim.Fault {
	switch {
	case f.ID == "C17/vanish":
		f.Nth = 20 + rng.IntN(200) // before, it never was
	case f.ID == "C3":
		f.RetryAfter = "3000"
	case f.ID == "C20/huge":
		f.At = 5 << 20
	case f.ID == "C7":
		f.At = 1 + rng.IntN(1500)
	case strings.HasPrefix(f.ID, "C19/"):
		f.Member = "properties"
		if q != nil {
			f.Member = leaf(q.row, rng)
		}
	}
	return f
}

// leaf is the path of some value in a row.
func leaf(row []byte, rng *rand.Rand) string {
	var v any
	if json.Unmarshal(row, &v) != nil {
		return "id"
	}
	path := ""
	for {
		m, ok := v.(map[string]any)
		if !ok || len(m) == 0 {
			return path
		}
		k := slices.Sorted(maps.Keys(m))[rng.IntN(len(m))]
		if _, deeper := m["properties"].(map[string]any); deeper && rng.IntN(4) > 0 {
			k = "properties"
		}
		path += "." + k
		path = strings.TrimPrefix(path, ".")
		v = m[k]
	}
}

// cell is a field of the printed table.
type cell struct{ runs, hit, unknown, equal, unseen, bad int }

// matrix is what came out so far.
type matrix struct {
	table    map[[2]string]*cell
	total    cell
	failures map[string]int
}

// TestMatrix puts the faults to the sources.
func TestMatrix(t *testing.T) {
	whole := *matrixSize == "all"
	text := estateText(t)
	stands := []*stand{newStand(t, text), newStand(t, text)}
	sources := work.Sources()
	base := map[string]*outcome{}
	var queue []experiment
	for i := range sources {
		src := &sources[i]
		b, err := stands[0].run(t, *src, &experiment{})
		if err != nil {
			t.Fatalf("%s without a fault: %v", src.Name, err)
		}
		if b.incomplete {
			t.Errorf("%s is incomplete without a fault: %v", src.Name, b.problems)
		}
		base[src.Name] = b
		queue = append(queue, plan(src, b, rand.New(rand.NewPCG(*matrixSeed, hashOf(src.Name))), whole)...)
	}
	var mu sync.Mutex
	m := &matrix{table: map[[2]string]*cell{}, failures: map[string]int{}}
	next := 0
	var group sync.WaitGroup
	for _, s := range stands {
		group.Go(func() {
			for {
				mu.Lock()
				if next == len(queue) || t.Context().Err() != nil {
					mu.Unlock()
					return
				}
				x := queue[next]
				next++
				mu.Unlock()
				i := slices.IndexFunc(sources, func(s collect.Source) bool { return s.Name == x.source })
				got, err := s.run(t, sources[i], &x)
				mu.Lock()
				x.tally(t, m, base[x.source], got, err)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	for i := range sources {
		if *matrixOnly == "" && !slices.ContainsFunc(queue, func(x experiment) bool { return x.source == sources[i].Name }) {
			t.Errorf("%s is in no row of the matrix", sources[i].Name)
		}
	}
	t.Log(printed(m.table, sources))
	t.Logf("%d runs, %d hit; decided verdicts %d equal, %d became unknown; %d lists lost rows that no client can know of; %d runs with violations",
		m.total.runs, m.total.hit, m.total.equal, m.total.unknown, m.total.unseen, m.total.bad)
	for _, k := range slices.Sorted(maps.Keys(m.failures)) {
		t.Logf("%4d × %s", m.failures[k], k)
	}
	for _, s := range stands {
		if l := s.sim.Log(); l.Foreign > 0 || l.WithToken > 0 || l.Misdirected > 0 {
			t.Errorf("%d requests went to a foreign host, %d with a token; %d carried another host's token", l.Foreign, l.WithToken, l.Misdirected)
		}
	}
	if *matrixOnly == "" && (m.total.unknown == 0 || m.total.equal == 0 || m.total.hit < m.total.runs/2) {
		t.Errorf("the matrix does not reach what it is about: %+v", m.total)
	}
}

// tally judges one experiment. The caller holds the lock.
func (x *experiment) tally(t *testing.T, m *matrix, want, got *outcome, err error) {
	t.Helper()
	k := [2]string{x.fault.ID, x.source}
	if m.table[k] == nil {
		m.table[k] = &cell{}
	}
	c, total := m.table[k], &m.total
	c.runs++
	total.runs++
	where := fmt.Sprintf("%s %s %s", x.fault.ID, x.source, x.about)
	if err != nil {
		c.bad++
		total.bad++
		m.failures[x.fault.ID+" "+x.source+": error"]++
		t.Errorf("%s: %v", where, err)
		return
	}
	if got.hits > 0 {
		c.hit++
		total.hit++
	}
	lost := want.lost(got)
	decided := 0
	for _, v := range want.verdicts {
		if v == tickmark.Pass || v == tickmark.Fail {
			decided++
		}
	}
	c.unknown, c.equal = c.unknown+lost, c.equal+decided-lost
	total.unknown, total.equal = total.unknown+lost, total.equal+decided-lost
	bad, unseen := want.violations(got, x)
	c.unseen, total.unseen = c.unseen+unseen, total.unseen+unseen
	if len(bad) == 0 {
		return
	}
	c.bad++
	total.bad++
	for _, b := range bad {
		m.failures[x.fault.ID+" "+x.source+": "+clipped(b, 90)]++
	}
	t.Errorf("%s (%+v %+v):\n  %s", where, x.put[:min(len(x.put), 1)], x.deny, strings.Join(bad[:min(len(bad), 6)], "\n  "))
}

func clipped(s string, n int) string { return s[:min(len(s), n)] }

func hashOf(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return h.Sum64()
}

func printed(table map[[2]string]*cell, sources []collect.Source) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprint(w, "\nfault\t")
	for i := range sources {
		_, _ = fmt.Fprintf(w, "%s runs/hit unknown equal\t", sources[i].Name)
	}
	_, _ = fmt.Fprintln(w)
	ids := map[string]int{}
	for n, f := range azuresim.Faults() {
		ids[f.ID] = n
	}
	order := slices.Collect(maps.Keys(ids))
	sort.Slice(order, func(i, j int) bool { return ids[order[i]] < ids[order[j]] })
	for _, id := range order {
		_, _ = fmt.Fprintf(w, "%s\t", id)
		for i := range sources {
			c := table[[2]string{id, sources[i].Name}]
			if c == nil {
				c = &cell{}
			}
			mark := ""
			if c.unseen > 0 {
				mark = fmt.Sprintf(" (%d unseen)", c.unseen)
			}
			if c.bad > 0 {
				mark += fmt.Sprintf(" BAD %d", c.bad)
			}
			_, _ = fmt.Fprintf(w, "%d/%d %d %d%s\t", c.runs, c.hit, c.unknown, c.equal, mark)
		}
		_, _ = fmt.Fprintln(w)
	}
	_ = w.Flush()
	return b.String()
}
