// SPDX-License-Identifier: Apache-2.0

package history_test

import (
	"errors"
	"iter"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/history"
)

func each(rows []history.Row) iter.Seq2[history.Row, error] {
	return func(yield func(history.Row, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
	}
}

type key struct{ resource, check uint32 }

// states draws a set of verdicts.
func states(t *rapid.T, label string) map[key]history.Row {
	m := map[key]history.Row{}
	for range rapid.IntRange(0, 30).Draw(t, label) {
		r := history.Row{
			Resource: rapid.Uint32Range(1, 8).Draw(t, "resource"), Check: rapid.Uint32Range(1, 4).Draw(t, "check"),
			Verdict: tickmark.Verdict(rapid.IntRange(0, 4).Draw(t, "verdict")), Reason: rapid.Uint32Range(0, 2).Draw(t, "reason"),
		}
		m[key{r.Resource, r.Check}] = r
	}
	return m
}

func sorted(m map[key]history.Row) []history.Row {
	return slices.SortedFunc(maps.Values(m), func(a, b history.Row) int {
		return slices.Compare([]uint32{a.Resource, a.Check}, []uint32{b.Resource, b.Check})
	})
}

// TestFold holds that applying what Fold says to the old state gives the new
// one, that it says nothing needlessly, and that its canonical form reads back.
func TestFold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, after := states(t, "before"), states(t, "after")
		got := maps.Clone(before)
		form := history.AppendHeader(nil)
		var list []history.Transition
		err := history.Fold(each(sorted(before)), each(sorted(after)), func(tr history.Transition) error {
			k := key{tr.Row.Resource, tr.Row.Check}
			old, had := got[k]
			switch tr.Kind {
			case history.Appear:
				if had {
					t.Fatalf("%v appears twice", k)
				}
				got[k] = tr.Row
			case history.Change:
				if !had || old == tr.Row {
					t.Fatalf("%v changes from nothing or to the same", k)
				}
				got[k] = tr.Row
			case history.Vanish:
				if !had {
					t.Fatalf("%v vanishes twice", k)
				}
				delete(got, k)
				tr.Row.Verdict, tr.Row.Reason = 0, 0 // not in the canonical form
			}
			form = history.AppendTransition(form, tr)
			list = append(list, tr)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(after, got, cmp.AllowUnexported(key{})); d != "" {
			t.Fatal(d)
		}
		var back []history.Transition
		err = history.ReadTransitions(form, func(history.Name) error { return errors.New("a name") }, func(tr history.Transition) error {
			back = append(back, tr)
			return nil
		})
		if d := cmp.Diff(list, back); err != nil || d != "" {
			t.Fatal(err, d)
		}
	})
}

func TestFoldRefusesDisorder(t *testing.T) {
	one, two := history.Row{Resource: 1, Check: 1}, history.Row{Resource: 1, Check: 2}
	for name, rows := range map[string][]history.Row{"disorder": {two, one}, "doubles": {one, one}} {
		if err := history.Fold(each(nil), each(rows), func(history.Transition) error { return nil }); err == nil {
			t.Errorf("%s in the next rows was accepted", name)
		}
		if err := history.Fold(each(rows), each(nil), func(history.Transition) error { return nil }); err == nil {
			t.Errorf("%s in the previous rows was accepted", name)
		}
	}
}

func TestNames(t *testing.T) {
	want := []history.Name{{Kind: history.NameReason, ID: 1, Value: "summary"}, {Kind: history.NameCheck, ID: 300, Value: "C"}, {Kind: history.NameResource, ID: 1 << 31, Value: "/a\x00b\xff", Type: "T"}}
	form := history.AppendHeader(nil)
	for _, n := range want {
		form = history.AppendName(form, n)
	}
	var got []history.Name
	read := func(b []byte) error {
		got = nil
		return history.ReadTransitions(b, func(n history.Name) error { got = append(got, n); return nil }, func(history.Transition) error { return nil })
	}
	if err := read(form); err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("%v\n%s", err, cmp.Diff(want, got))
	}
	for i := range form {
		if err := read(form[:i]); err == nil && i > 0 && len(got) == len(want) {
			t.Errorf("cut at %d: nothing was missed", i)
		}
	}
	if err := read(append(form, 'x')); err == nil {
		t.Error("an unknown entry was accepted")
	}
}

func TestScopeOf(t *testing.T) {
	for resource, want := range map[string]string{
		"/subscriptions/ABC-1/resourceGroups/x": "abc-1", "/Subscriptions/abc": "abc", "/subscriptions//x": "tenant", "graph/users/1": "tenant", "": "tenant",
		"/subscriptions/a b/x": "tenant", "/subscriptions/" + string(make([]byte, 65)): "tenant",
	} {
		if got := history.ScopeOf(resource); got != want {
			t.Errorf("ScopeOf(%q) = %q, want %q", resource, got, want)
		}
	}
}

func TestSpan(t *testing.T) {
	a, b := time.Unix(100, 0), time.Unix(200, 0)
	o := history.Outcome{Verdict: tickmark.Pass}
	for _, c := range []struct {
		from, to time.Time
		ok       bool
	}{{a, b, true}, {a, time.Time{}, true}, {b, a, false}, {a, a, false}} {
		if iv, ok := history.Span("c", "r", o, c.from, c.to); ok != c.ok || iv.From != c.from || iv.To != c.to {
			t.Errorf("Span(%v, %v) = %+v, %t", c.from, c.to, iv, ok)
		}
	}
}
