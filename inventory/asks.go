// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/tickmark/tickmark"
)

// This file holds what a collection's own account of itself
// (tickmark.AskCoverage) means for absence.
//
// A type is complete for a scope only if every question that lists the type
// anywhere in the source was put in a segment that covers the scope, and
// nothing of what these questions left unanswered lies there. A question that
// is cut, throttled, declined or whose numbers do not add up is a hole of its
// types in its segment's scope; a refused or excluded scope is a hole of just
// that scope.
//
// ARM's scopes are prefixes of ids: a segment covers what lies below its own.
// The records of other sources (Graph, DevOps, GitHub, Power Platform) do not
// lie below their segment's scope, an organisation or an environment, by their
// ids. A record type is therefore complete as a whole only if each segment of
// its source that asks for it is. What belongs to one record is asked for in
// that record's own segment (CompleteBeside).

// everyType is what a question lists that reads all types of its source.
const everyType = "*"

// question is one ask of one source, over all segments that put it.
type question struct {
	source string
	types  map[string]bool
	direct bool
	// scopes are those of the segments that put it, as keys.
	scopes map[string]bool
	// open says which scopes are left open and why ("" is everything); deep are
	// its keys in order. first is the reason found first; what is outside the
	// population that was named is open, but no reason against all of it.
	open  map[string]tickmark.Reason
	deep  []string
	first tickmark.Reason
}

// lists reports whether the question reads a type (as TypeKey spells it).
func (q *question) lists(low string) bool {
	return q.types[low] || q.types[everyType] && sourceOf(low) == strings.ToLower(q.source)
}

// sourceOf is the source of a type: records carry its word in front,
// everything else is ARM's.
func sourceOf(low string) string {
	if !IsRecord(low) {
		return sourceARM
	}
	source, _, _ := strings.Cut(low, "/")
	return source
}

// sourceARM is the word of the one source whose scopes are prefixes of ids.
const sourceARM = "arm"

// covers reports whether the question was put in a segment that covers key.
func (q *question) covers(low, key string) bool {
	if IsRecord(low) {
		return len(q.scopes) > 0
	}
	return q.putFor(key)
}

// putFor reports whether one of the segments that put the question holds key.
// There can be as many segments as subscriptions, so it looks up instead of
// going through them.
func (q *question) putFor(key string) bool {
	for end := len(key); end > 0; end = strings.LastIndexByte(key[:end], '/') {
		if q.scopes[key[:end]] {
			return true
		}
	}
	return q.scopes[""]
}

// hole notes that scope is left open.
func (q *question) hole(reason tickmark.Reason, scope string) {
	if reason == tickmark.ReasonNone {
		reason = tickmark.ReasonNotCollected
	}
	if q.open == nil {
		q.open = map[string]tickmark.Reason{}
	}
	if q.first == tickmark.ReasonNone {
		q.first = reason
	}
	if old, ok := q.open[scope]; !ok || old == tickmark.ReasonNotNamed {
		q.open[scope] = reason
	}
}

// outside notes that scope is not in the population that was named: nothing is
// known of it, and that is no reason against what is said of all.
func (q *question) outside(scope string) {
	if q.open == nil {
		q.open = map[string]tickmark.Reason{}
	}
	if _, ok := q.open[scope]; !ok {
		q.open[scope] = tickmark.ReasonNotNamed
	}
}

// above says why the scope in which key lies is left open.
func (q *question) above(key string) tickmark.Reason {
	if len(q.open) == 0 {
		return tickmark.ReasonNone
	}
	for end := len(key); end > 0; end = strings.LastIndexByte(key[:end], '/') {
		if r, ok := q.open[key[:end]]; ok {
			return r
		}
	}
	return q.open[""]
}

// missing says why the question leaves something open in key or below it.
func (q *question) missing(low, key string) tickmark.Reason {
	if key == "" || IsRecord(low) {
		return q.first
	}
	if r := q.above(key); r != tickmark.ReasonNone {
		return r
	}
	i := sort.Search(len(q.deep), func(i int) bool { return q.deep[i] > key })
	for ; i < len(q.deep) && strings.HasPrefix(q.deep[i], key); i++ {
		if within(q.deep[i], key) {
			return q.open[q.deep[i]]
		}
	}
	return tickmark.ReasonNone
}

// missingIn says why a question about records leaves something open in one
// organisation or environment: there, or in the whole tenant, which holds it.
func (q *question) missingIn(place string) tickmark.Reason {
	for _, scope := range []string{place, ""} {
		if r := q.open[scope]; r != tickmark.ReasonNone && r != tickmark.ReasonNotNamed {
			return r
		}
	}
	if !q.scopes[place] && !q.scopes[""] {
		return tickmark.ReasonNotCollected // put elsewhere, but not here
	}
	return tickmark.ReasonNone
}

// parents reports whether the question lists resources in which those of type
// low lie, so that a missing one takes these with it.
func (q *question) parents(low string) bool {
	for t := low; ; {
		cut := strings.LastIndexByte(t, '/')
		if cut < 0 || !strings.Contains(t[:cut], "/") {
			break
		}
		if t = t[:cut]; q.types[t] {
			return true
		}
	}
	for t := range q.types {
		if _, ok := nestOf(t, low); ok {
			return true
		}
	}
	return false
}

// about are the questions that absence of a type depends on: those that list
// it, and those that list what it lies in.
type about struct {
	listing, parents []*question
}

// questions gathers the asks of all segments.
func (m *merger) questions() {
	index := map[[2]string]*question{}
	for si := range m.snapshot.Segments {
		seg := &m.snapshot.Segments[si]
		for ai := range seg.Coverage.Asks {
			a := &seg.Coverage.Asks[ai]
			k := [2]string{seg.Source, a.Name}
			q := index[k]
			if q == nil {
				q = &question{source: seg.Source, types: map[string]bool{}, scopes: map[string]bool{}}
				index[k] = q
				m.inv.questions = append(m.inv.questions, q)
			}
			q.direct = q.direct || a.Direct
			for _, t := range a.Types {
				q.types[TypeKey(t)] = true
			}
			q.scopes[scopeKey(seg.Source, seg.Scope)] = true
		}
	}
	for si := range m.snapshot.Segments {
		seg := &m.snapshot.Segments[si]
		if len(seg.Coverage.Asks) == 0 {
			continue
		}
		pages := pagesOf(seg)
		for ai := range seg.Coverage.Asks {
			a := &seg.Coverage.Asks[ai]
			q := index[[2]string{seg.Source, a.Name}]
			q.direct = q.direct || pages[a.Name].direct
			q.unanswered(seg, a, pages[a.Name])
		}
		m.unexplained(si, index, pages)
	}
	m.astray(index)
	for _, q := range m.inv.questions {
		q.deep = slices.Sorted(maps.Keys(q.open))
	}
}

// received is what the pages of one ask in one segment hold.
type received struct {
	pages, items int
	direct       bool
}

func pagesOf(seg *tickmark.Segment) map[string]received {
	out := map[string]received{}
	for i := range seg.Pages {
		p := &seg.Pages[i]
		r := out[p.Ask]
		r.pages++
		r.items += len(p.Items)
		r.direct = r.direct || p.Request != nil && p.Request.Direct
		out[p.Ask] = r
	}
	return out
}

// unanswered adds the holes that an ask leaves in a segment.
func (q *question) unanswered(seg *tickmark.Segment, a *tickmark.AskCoverage, got received) {
	segment := scopeKey(seg.Source, seg.Scope)
	whole := func(r tickmark.Reason) { q.hole(r, segment) }
	switch {
	case a.Missing != tickmark.ReasonNone:
		whole(a.Missing)
	case a.Answered+refusedSubjects(a) < a.Subjects || got.pages < a.Pages:
		whole(tickmark.ReasonNotCollected) // somebody did not answer, and nobody says who
	case got.items < min(a.Rows, a.Unique) || a.Declared > a.Unique && len(a.Refusals)+len(a.Excluded) == 0:
		whole(tickmark.ReasonTruncated)
	}
	for n, list := range [2][]tickmark.Refusal{a.Refusals, a.Excluded} {
		for _, r := range list {
			scope := segment
			if k := strings.ToLower(strings.TrimRight(r.Scope, "/")); seg.Source == sourceARM && strings.HasPrefix(k, "/") {
				scope = k
			}
			if n == 1 && r.Reason == tickmark.ReasonNotNamed {
				q.outside(scope)
				continue
			}
			q.hole(r.Reason, scope)
		}
	}
	if s := a.Span; s != nil {
		if s.Kept.After(s.From) {
			whole(tickmark.ReasonNotCollected) // the source no longer has the beginning
		}
		for _, g := range s.Gaps {
			whole(g.Reason)
		}
	}
}

// refusedSubjects counts the subjects that refusals and exclusions account for.
func refusedSubjects(a *tickmark.AskCoverage) int { return len(a.Refusals) + len(a.Excluded) }

// unexplained adds the holes of a segment that no ask accounts for: pages with
// items that could not be read, and a segment that says it misses something
// although all its asks are answered.
func (m *merger) unexplained(si int, index map[[2]string]*question, pages map[string]received) {
	seg := &m.snapshot.Segments[si]
	scope := scopeKey(seg.Source, seg.Scope)
	all := func(r tickmark.Reason) {
		h := hole{reason: r, scope: scope, source: seg.Source}
		m.inv.holes = append(m.inv.holes, h)
	}
	for pi := range seg.Pages {
		if !m.damaged[[2]int{si, pi}] {
			continue
		}
		q := index[[2]string{seg.Source, seg.Pages[pi].Ask}]
		if q == nil {
			all(tickmark.ReasonUnparsable)
			continue
		}
		q.hole(tickmark.ReasonUnparsable, scope)
	}
	for name := range pages {
		if name != "" && index[[2]string{seg.Source, name}] == nil {
			all(tickmark.ReasonNotCollected) // pages of an ask without an account of itself
		}
	}
	if r := seg.Coverage.Missing; r != tickmark.ReasonNone {
		open := slices.ContainsFunc(seg.Coverage.Asks, func(a tickmark.AskCoverage) bool { return !wholly(&a) })
		if !open {
			all(r)
		}
	}
}

// astray opens what was asked about records that cannot be told: an item that is
// none was asked about under a name that is nobody's, and nobody answered.
func (m *merger) astray(index map[[2]string]*question) {
	if len(m.damaged) == 0 {
		return
	}
	known := map[string]bool{} // records, as pages name their subjects
	for i := range m.buckets {
		for _, r := range m.buckets[i].refs {
			if own, ok := strings.CutPrefix(r.Key, m.buckets[i].lower+"/"); ok {
				known[own] = true
			}
		}
	}
	for k := range m.damaged {
		above := strings.ToLower(m.snapshot.Segments[k[0]].Pages[k[1]].Subject)
		for si := range m.snapshot.Segments {
			seg := &m.snapshot.Segments[si]
			if seg.Source != m.snapshot.Segments[k[0]].Source || seg.Source == sourceARM {
				continue
			}
			for pi := range seg.Pages {
				p := &seg.Pages[pi]
				subject := strings.ToLower(p.Subject)
				q := index[[2]string{seg.Source, p.Ask}]
				if q != nil && len(subject) > len(above) && strings.HasPrefix(subject, above) && !known[subject] {
					q.hole(tickmark.ReasonUnparsable, scopeKey(seg.Source, seg.Scope))
				}
			}
		}
	}
}

// wholly reports whether an ask says that it was answered for everything.
func wholly(a *tickmark.AskCoverage) bool {
	return a.Missing == tickmark.ReasonNone && a.Answered >= a.Subjects && refusedSubjects(a) == 0
}

// completeTypes fills in, for readers, the types that a segment with asks has
// read completely. Rules look at the asks themselves.
func (m *merger) completeTypes() {
	for si := range m.inv.Coverage {
		c := &m.inv.Coverage[si]
		if len(c.Asks) == 0 {
			continue
		}
		state := map[string]bool{} // spelling → nothing against it
		var order []string
		for ai := range c.Asks {
			for _, t := range c.Asks[ai].Types {
				ok, met := state[t]
				if !met {
					order, ok = append(order, t), true
				}
				state[t] = ok && wholly(&c.Asks[ai])
			}
		}
		c.Complete = slices.DeleteFunc(order, func(t string) bool { return !state[t] })
		slices.Sort(c.Complete)
		if c.CompleteBy = ""; len(c.Complete) > 0 {
			c.CompleteBy = "source"
		}
	}
}

// about returns the questions that absence of a type depends on; nil if none
// lists it. They are looked up once for each type.
func (inv *Inventory) about(low string) *about {
	if len(inv.questions) == 0 {
		return nil
	}
	inv.aboutLock.RLock()
	a, ok := inv.aboutType[low]
	inv.aboutLock.RUnlock()
	if ok {
		return a
	}
	a = &about{}
	for _, q := range inv.questions {
		if q.lists(low) {
			a.listing = append(a.listing, q)
		} else if q.parents(low) {
			a.parents = append(a.parents, q)
		}
	}
	if len(a.listing) == 0 {
		a = nil
	}
	inv.aboutLock.Lock()
	defer inv.aboutLock.Unlock()
	if inv.aboutType == nil {
		inv.aboutType = map[string]*about{}
	}
	inv.aboutType[low] = a
	return a
}

// answered is CompleteAt for a type that questions list.
func (inv *Inventory) answered(a *about, low, key string) (bool, tickmark.Reason) {
	covered := true
	for _, q := range a.listing {
		covered = covered && q.covers(low, key)
		if r := q.missing(low, key); r != tickmark.ReasonNone {
			return false, r
		}
	}
	for _, q := range a.parents {
		// What lies in a parent that is known does not miss another one.
		if inside(q, key) {
			continue
		}
		if r := q.missing(low, key); r != tickmark.ReasonNone {
			return false, r
		}
	}
	if !covered || inv.elsewhere(key) {
		return false, tickmark.ReasonNotCollected
	}
	return true, tickmark.ReasonNone
}

// inside reports whether key is a resource that the question lists, or lies in
// one.
func inside(q *question, key string) bool {
	if len(q.open) == 0 || key == "" {
		return false
	}
	for t := typeOfID(key, key); ; {
		if q.types[t] {
			return true
		}
		cut := strings.LastIndexByte(t, '/')
		if cut < 0 || !strings.Contains(t[:cut], "/") {
			return false
		}
		t = t[:cut]
	}
}

// doubts finds the resources that only an index shows although the provider
// itself was asked for them: where its answer is missing, the index must not
// decide; where it answered without them, the population changed meanwhile.
func (m *merger) doubts(hit map[string]tickmark.Reason) {
	for i := range m.buckets {
		b := &m.buckets[i]
		if IsRecord(b.lower) {
			continue
		}
		var direct, index []*question
		for _, q := range m.inv.questions {
			switch {
			case !q.lists(b.lower):
			case q.direct:
				direct = append(direct, q)
			default:
				index = append(index, q)
			}
		}
		if len(direct) == 0 {
			continue
		}
		for _, r := range b.refs {
			m.doubt(b, r, direct, index, hit)
		}
	}
}

func (m *merger) doubt(b *bucket, r *Resource, direct, index []*question, hit map[string]tickmark.Reason) {
	if r.Flags&(Nested|Implied) != 0 || len(m.snapshot.Segments[r.Segment].Coverage.Asks) == 0 {
		return
	}
	byProvider, byIndex := r.Is(Direct), !r.Is(Direct)
	if b.both[r.Key] {
		byProvider, byIndex = true, true
	}
	if !r.Is(Direct) {
		for _, q := range direct {
			reason := q.above(r.Key)
			if reason == tickmark.ReasonNone && r.Subscription != "" && !q.putFor(r.Key) {
				reason = tickmark.ReasonNotCollected // put elsewhere, but not here
			}
			if reason != tickmark.ReasonNone {
				if !b.both[r.Key] {
					hit[r.Key] = reason
				}
				return
			}
		}
	}
	other, what := direct, "an index lists the resource, but its own provider, asked directly, does not"
	switch {
	case byProvider && byIndex:
		return
	case byProvider:
		other, what = index, "the resource's own provider lists it, but the index does not"
	}
	if !settled(other, r.Key) {
		return
	}
	// The provider's answer stands even so; a row of the index alone does not.
	if byIndex {
		hit[r.Key] = tickmark.ReasonConflicting
	}
	if m.changed++; m.changed > maxPageProblems {
		return
	}
	m.inv.Problems = append(m.inv.Problems, tickmark.Problem{
		Input: m.page(r).Name, Byte: int64(r.Offset), Object: r.ID, Reason: tickmark.ReasonConflicting,
		What: "the population changed while it was read: " + what,
		Hint: "it came or went during the collection; collect again",
	})
}

// settled reports whether the questions were put for key and wholly answered.
func settled(list []*question, key string) bool {
	covered := false
	for _, q := range list {
		if q.above(key) != tickmark.ReasonNone {
			return false
		}
		covered = covered || q.putFor(key)
	}
	return covered
}
