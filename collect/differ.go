// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

// differences compares the asks that list the same type. A resource that one
// lists and another, which was wholly answered, does not, came or went while
// they were read, or was lost.
func (s *sourceRun) differences(books map[string][]*account, pages []byte) []tickmark.Problem {
	whole := make([]bool, len(s.asks))
	for i, a := range s.asks {
		whole[i] = a.skip == nil && identified(a.ask) && a.ask.Identity == "" && a.ask.Entity == "" && !a.ask.Part && !strings.Contains(a.ask.Query, "$filter")
		for _, accounts := range books {
			if x := accounts[i]; x != nil && (x.cov.Missing != tickmark.ReasonNone || len(x.cov.Refusals)+len(x.cov.Excluded) > 0) {
				whole[i] = false
			}
		}
	}
	var out []tickmark.Problem
	for i, b := range s.asks {
		for _, typ := range b.ask.Types {
			if !whole[i] || typ == "*" {
				continue
			}
			k := s.kinds[strings.ToLower(typ)]
			var has map[uint64]bool
			for j, a := range s.asks {
				if i == j || a.ask.Entity != "" || !listsAll(a.ask, typ) {
					continue
				}
				if has == nil {
					has = b.idsOf(k)
				}
				if p := lacks(a, b, k, has, pages); p != nil {
					out = append(out, *p)
				}
			}
		}
	}
	return out
}

func listsAll(a *Ask, typ string) bool {
	return slices.ContainsFunc(a.Types, func(t string) bool { return t == "*" || strings.EqualFold(t, typ) })
}

func (a *askRun) idsOf(k uint16) map[uint64]bool {
	ids := map[uint64]bool{}
	a.each(k, func(_ *pageRec, _ int, id uint64) { ids[id] = true })
	return ids
}

// each gives the rows of a kind.
func (a *askRun) each(k uint16, do func(p *pageRec, item int, id uint64)) {
	for _, u := range a.units {
		for _, p := range u.pages {
			n := 0
			for i, kind := range p.kinds {
				if kind == k {
					do(p, i, p.ids[n])
				}
				if kind != 0 {
					n++
				}
			}
		}
	}
}

// lacks says what a lists and b does not.
func lacks(a, b *askRun, k uint16, has map[uint64]bool, pages []byte) *tickmark.Problem {
	n := 0
	var names []string
	a.each(k, func(p *pageRec, item int, id uint64) {
		if has[id] {
			return
		}
		if n++; n > 3 {
			return
		}
		at := int(p.Off) + p.items[item].Off
		if tape, err := jsontape.Parse(pages[at:at+p.items[item].Len], jsontape.Options{}); err == nil {
			names = append(names, strings.Clone(tape.Root().Get("id").Str()))
		}
	})
	if n == 0 {
		return nil
	}
	return &tickmark.Problem{
		Input: b.src.src.Name + "/" + b.ask.Name, Object: names[0], Byte: -1, Reason: tickmark.ReasonConflicting,
		What: fmt.Sprintf("two lists differ: %d that %s lists are not here (%s)", n, a.ask.Name, strings.Join(names, ", ")),
		Hint: "the population changed while it was collected, or an answer was not whole: collect again",
	}
}

// unmet names the scopes that were to be left out, or to be read alone, and of
// which nothing was met: mistyped, they would be read, or nothing else would.
func (r *runner) unmet(s *tickmark.Snapshot) []tickmark.Problem {
	var out []tickmark.Problem
	say := func(scope, what string) {
		out = append(out, tickmark.Problem{Input: scope, Byte: -1, Reason: tickmark.ReasonNotCollected, What: what, Hint: "look whether it is spelt as the coverage spells scopes"})
	}
	for i := range r.exclusions {
		x := &r.exclusions[i]
		met := slices.ContainsFunc(r.sources, func(src *sourceRun) bool {
			left := slices.ContainsFunc(slices.Collect(maps.Values(src.leftOut)), func(o *Exclusion) bool { return o.Scope == x.Scope })
			return left || slices.ContainsFunc(src.asks, func(a *askRun) bool { return x.Scope == src.src.Name || x.Scope == src.src.Name+"/"+a.ask.Name })
		})
		if !met && x.Reason != tickmark.ReasonDeclined {
			say(x.Scope, "the scope was to be left out, but nothing of it was met")
		}
	}
	for _, src := range r.sources {
		for _, scope := range slices.Sorted(maps.Keys(src.leftOut)) {
			hint := "give it Reader there, or leave the scope out with a reason"
			if scope == r.rootGroup() {
				hint = "give it Reader at the root management group, or name the subscriptions to be read: they are the population then"
			}
			switch x := src.leftOut[scope]; {
			case x.Reason == tickmark.ReasonExcluded, x.Reason == tickmark.ReasonDeclined, x.Reason == tickmark.ReasonNotNamed:
			case x.Reason == tickmark.ReasonNotPermitted, scope == r.rootGroup():
				out = append(out, tickmark.Problem{Input: scope, Byte: -1, Reason: x.Reason, What: x.Detail, Hint: hint})
			}
		}
	}
	for _, scope := range r.opts.Scopes {
		low := strings.ToLower(strings.TrimRight(scope, "/"))
		if !slices.ContainsFunc(s.Segments, func(g tickmark.Segment) bool {
			at := strings.ToLower(g.Scope)
			return at == low || strings.HasPrefix(at, low+"/")
		}) {
			say(scope, "the scope was to be read, but nothing of it was met")
		}
	}
	return out
}
