// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/work"
)

// leave puts into a snapshot that a source was left out.
func leave(s *tickmark.Snapshot, source string, why tickmark.Reason) {
	s.Segments = append(s.Segments, tickmark.Segment{Source: source, Coverage: tickmark.Coverage{Source: source, Declared: -1, Missing: why, Detail: "why it is so"}})
}

// withoutDirectory is a tenant whose directory was not read.
func withoutDirectory(t *testing.T, why tickmark.Reason) *tickmark.Snapshot {
	t.Helper()
	s := newTenant(t, 1).snap
	s.Segments = slices.DeleteFunc(s.Segments, func(x tickmark.Segment) bool { return x.Source == "graph" })
	if why != tickmark.ReasonNone {
		leave(s, "graph", why)
	}
	return s
}

// TestSourceNotRead: what nobody asked is unknown with its reason, in checks
// and criteria, whoever left it out; and the collection is incomplete unless
// somebody said why.
func TestSourceNotRead(t *testing.T) {
	for _, c := range []struct {
		why, want  tickmark.Reason
		incomplete bool
	}{
		{tickmark.ReasonNotRead, tickmark.ReasonNotRead, true},
		{tickmark.ReasonDeclined, tickmark.ReasonDeclined, false},
		{tickmark.ReasonExcluded, tickmark.ReasonExcluded, false},
		{tickmark.ReasonNone, tickmark.ReasonNotRead, false}, // recorded before sources that were left out were kept
	} {
		s := withoutDirectory(t, c.why)
		a, err := work.Assess(t.Context(), s, work.AssessOptions{Now: s.ObservedAt, Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		if a.Incomplete() != c.incomplete {
			t.Errorf("%s: incomplete %v", c.why, a.Incomplete())
		}
		waiting := map[string]bool{}
		for i := range a.Checks {
			x := &a.Checks[i]
			if x.Retired || !strings.HasPrefix(x.Check.Types[0], "graph/") {
				continue
			}
			waiting[x.Check.ID] = true
			if x.State != check.StateUnknown || x.Cut != c.want {
				t.Errorf("%s: %s is %s (%s)", c.why, x.Check.ID, x.State, x.Cut)
			}
		}
		if len(waiting) < 20 {
			t.Errorf("%d checks", len(waiting))
		}
		at := slices.IndexFunc(a.NotRead, func(x check.SourceNotRead) bool { return x.Source == "graph" })
		if at < 0 {
			t.Fatalf("%s: graph is not among what was not read", c.why)
		}
		if g := a.NotRead[at]; g.Reason != c.want || g.Partly || len(g.Criteria) == 0 || !slices.ContainsFunc(g.Checks, func(id string) bool { return waiting[id] }) || len(g.Checks) < len(waiting) {
			t.Errorf("%s: %+v", c.why, g)
		}
		for i := range a.Criteria {
			k := &a.Criteria[i]
			covered := k.State == check.StatePass || k.State == check.StateNoResource || k.State == check.StateManual
			if covered && slices.ContainsFunc(k.Checks, func(n int) bool { return waiting[a.Checks[n].Check.ID] }) {
				t.Errorf("%s: criterion %s looks covered: %s", c.why, k.Criterion.Code, k.State)
			}
		}
	}
}

// TestAskedAndNone is the control: where the directory was asked for the type
// and has none, that is said.
func TestAskedAndNone(t *testing.T) {
	w := newTenant(t, 1)
	dir := &w.snap.Segments[len(w.snap.Segments)-1]
	keep(dir, func(p *tickmark.Page) bool { return p.Ask != "conditionalAccessPolicies" })
	for i := range dir.Coverage.Asks {
		if a := &dir.Coverage.Asks[i]; a.Name == "conditionalAccessPolicies" {
			*a = tickmark.AskCoverage{Name: a.Name, Types: a.Types, Declared: -1}
		}
	}
	w.put(len(w.snap.Segments)-1, "conditionalAccessPolicies", "", false)
	a, err := work.Assess(t.Context(), w.snap, work.AssessOptions{Now: w.snap.ObservedAt, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	none, other := 0, 0
	for i := range a.Checks {
		switch x := &a.Checks[i]; {
		case len(x.Check.Types) == 1 && x.Check.Types[0] == "graph/conditionalAccessPolicies" && x.State == check.StateNoResource:
			none++
		case x.Check.Types[0] == "graph/users" && x.State == check.StateUnknown && x.Cut == tickmark.ReasonNotRead:
			other++
		}
	}
	if none == 0 || other == 0 {
		t.Errorf("%d checks have no resource, %d were not asked", none, other)
	}
}

// TestExcludedSubscription: a subscription that was left out with a reason may
// hold anything; nothing is absent while it was not read, and nobody is told to
// look.
func TestExcludedSubscription(t *testing.T) {
	w := newTenant(t, 1)
	w.exclude(w.subs[0])
	a, err := work.Assess(t.Context(), w.snap, work.AssessOptions{Now: w.snap.ObservedAt, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	if a.Incomplete() {
		t.Errorf("an exclusion with a reason is called incomplete: %v", a.Problems)
	}
	unknown := 0
	for i := range a.Checks {
		x := &a.Checks[i]
		if typ := x.Check.Types[0]; typ != typeVault && typ != typeStorage && typ != typePricing && typ != typeAlert {
			continue
		}
		if x.State == check.StatePass || x.State == check.StateNoResource {
			t.Errorf("%s is %s", x.Check.ID, x.State)
		}
		if x.Cut == tickmark.ReasonExcluded {
			unknown++
		}
	}
	if unknown == 0 {
		t.Error("no check is unknown for it")
	}
}

// TestLeftOutIsRecorded: a source that is left out stands in the coverage of
// the collection, with its reason, and the collection re-performs.
func TestLeftOutIsRecorded(t *testing.T) {
	r := newRig(t, "reader")
	r.opts.Dir = t.TempDir()
	c, err := work.Collect(t.Context(), work.CollectOptions{
		Sources: only(t, "arm"), Collect: r.opts, Assess: work.AssessOptions{Now: r.clock.Now(), Engine: "test"},
		LeftOut: map[string]inventory.LeftOut{
			"power": {Reason: tickmark.ReasonDeclined, Detail: "not used (ann) until 2027-01-01"}, "graph": {Reason: tickmark.ReasonNotRead, Detail: "--only arm"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Run.Close() }()
	var got []string
	for _, s := range c.Coverage[len(c.Coverage)-2:] {
		got = append(got, s.Source+" "+string(s.Missing)+" "+s.Detail)
	}
	if want := []string{"graph notRead --only arm", "power declined not used (ann) until 2027-01-01"}; !slices.Equal(got, want) {
		t.Errorf("coverage %q, want %q", got, want)
	}
	if !c.Incomplete() {
		t.Error("a source that nobody gave a reason for leaves the collection complete")
	}
}
