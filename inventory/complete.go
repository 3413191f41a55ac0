// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"slices"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

// hole is something known to be missing: in which types and where.
type hole struct {
	reason tickmark.Reason
	// scope is the part of Azure that the segment covered; "" is everything.
	scope string
	// types are what the missing part can be of, lower-case; nil is anything,
	// arm and records narrow it to one of the two worlds.
	types        map[string]bool
	arm, records bool
	// source, if set, narrows anything to the types of one source.
	source string
}

func (h *hole) hits(low, key string) bool {
	if h.scope != "" && key != "" && !IsRecord(low) && !within(key, h.scope) && !within(h.scope, key) {
		return false
	}
	return h.of(low)
}

// of reports whether the missing part can be of a type.
func (h *hole) of(low string) bool {
	if h.types != nil {
		if h.types[low] {
			return true
		}
		for t := range h.types { // children that the missing parents would carry
			if _, ok := nestOf(t, low); ok {
				return true
			}
		}
		return false
	}
	if h.source != "" {
		return sourceOf(low) == strings.ToLower(h.source)
	}
	record := IsRecord(low)
	return (!h.arm || !record) && (!h.records || record)
}

// within reports whether key is scope or lies below it.
func within(key, scope string) bool {
	return key == scope || strings.HasPrefix(key, scope+"/")
}

// scopeKey turns a segment's scope into a key: files cover everything.
func scopeKey(source, scope string) string {
	if source == "file" || scope == "" || scope == "*" {
		return ""
	}
	return strings.ToLower(strings.TrimRight(scope, "/"))
}

// blocks derives the holes from the segments that are known to miss something.
func (m *merger) blocks(chunks []chunk) {
	at := 0
	m.inv.leftOut = map[string]LeftOut{}
	for si := range m.snapshot.Segments {
		seg, cov := &m.snapshot.Segments[si], &m.inv.Coverage[si]
		first := at
		for at < len(chunks) && chunks[at].segment == si {
			at++
		}
		if cov.Missing == tickmark.ReasonNone || len(cov.Asks) > 0 {
			continue
		}
		if seg.Source != "file" && seg.Scope == "" && len(seg.Pages) == 0 {
			m.inv.leftOut[strings.ToLower(seg.Source)] = LeftOut{Reason: cov.Missing, Detail: cov.Detail}
			m.inv.holes = append(m.inv.holes, hole{reason: cov.Missing, source: seg.Source})
			continue
		}
		h := hole{reason: cov.Missing, scope: scopeKey(seg.Source, seg.Scope)}
		h.narrow(seg, chunks[first:at])
		m.inv.holes = append(m.inv.holes, h)
	}
}

// narrow finds out what the missing part of a segment can be of. A list under
// one provider path holds one type, and a Graph collection one entity; rows of
// a query and bare arrays can hold anything of ARM; a file that could not be
// recognised can have held anything at all.
func (h *hole) narrow(seg *tickmark.Segment, chunks []chunk) {
	types := map[string]bool{}
	single, arm := len(seg.Pages) > 0, len(seg.Pages) > 0
	for pi := range seg.Pages {
		switch p := &seg.Pages[pi]; p.Form {
		case "table", "mapping": // their rows are in the page of records
			continue
		case "graphCollection", "graphEntity", "records", "m365":
			arm = false
			if p.Entity == "" {
				single = false
			}
			types[strings.ToLower(p.Entity)] = true
		case "armList":
		case "resourceGraph", "resourceGraphTable":
			single = false
		default:
			single, arm = false, false
		}
	}
	found := 0
	for i := range chunks {
		for j := range chunks[i].resources {
			r := &chunks[i].resources[j]
			if r.Is(Nested) {
				continue
			}
			found++
			if r.Is(Summary) && !IsRecord(r.Type) {
				single = false // the generic list of all resources
			}
			if !types[r.Type] {
				types[strings.ToLower(r.Type)] = true
			}
		}
	}
	h.arm = arm
	if len(seg.Pages) > 0 && len(types) == 0 && !slices.ContainsFunc(seg.Pages, func(p tickmark.Page) bool { return p.Form != "table" && p.Form != "mapping" }) {
		h.types = tableTypes // a mapping that cannot be read: whichever it was to be
		return
	}
	if single && len(types) == 1 && (found > 0 || !arm) {
		h.types = types
	}
}

// Complete reports whether absence may be concluded: whether every resource of
// typ below scope (an id; "" is everything) was read. If not, the reason says
// why. A parent that carries its children whole is complete for them.
func (inv *Inventory) Complete(typ, scope string) (bool, tickmark.Reason) {
	return inv.CompleteAt(TypeKey(typ), strings.ToLower(strings.TrimRight(scope, "/")))
}

// TypeKey is the spelling of a type that CompleteAt wants.
func TypeKey(typ string) string {
	low := strings.ToLower(typ)
	if a, ok := aliases[low]; ok {
		return strings.ToLower(a)
	}
	return low
}

// CompleteAt is Complete for a type as TypeKey spells it and a scope in lower
// case without a slash at its end: it is asked for every existence check on
// every resource, and does not allocate.
func (inv *Inventory) CompleteAt(low, key string) (bool, tickmark.Reason) {
	if inv.carried(low, key) {
		return true, tickmark.ReasonNone
	}
	inv.askOnce.Do(inv.prepare)
	if a := inv.about(low); a != nil {
		if ok, reason := inv.answered(a, low, key); !ok {
			return false, reason
		}
	} else if !claimed(inv.claims[low], key) && !claimed(inv.claims["*"], key) || inv.elsewhere(key) {
		if inv.planned {
			return false, tickmark.ReasonPlanTime
		}
		if out, ok := inv.leftOut[sourceOf(low)]; ok {
			return false, out.Reason
		}
		return false, tickmark.ReasonNotCollected
	}
	for i := range inv.holes {
		if h := &inv.holes[i]; h.hits(low, key) {
			return false, h.reason
		}
	}
	return true, tickmark.ReasonNone
}

// Place is the organisation or environment that a record lies in, as the
// collection names it: the scope of the segment that it was read in, as a key.
// It is empty for what is not ARM's but the whole tenant's, for files, and for
// everything of ARM.
func (inv *Inventory) Place(r *Resource) string {
	if r == nil || r.Segment < 0 || !IsRecord(r.Type) {
		return ""
	}
	c := &inv.Coverage[r.Segment]
	return scopeKey(c.Source, c.Scope)
}

// CompleteBeside is CompleteAt for records that belong to another record: those
// of the same source are asked for in the organisation or environment in which
// that one lies, so that a neighbour that was refused takes nothing from it.
// With another source, or without a place, every scope counts.
func (inv *Inventory) CompleteBeside(low string, r *Resource) (bool, tickmark.Reason) {
	place := inv.Place(r)
	if place == "" || !IsRecord(low) || sourceOf(low) != strings.ToLower(inv.Coverage[r.Segment].Source) {
		return inv.CompleteAt(low, "")
	}
	a := inv.about(low)
	if a == nil {
		return inv.CompleteAt(low, "")
	}
	for _, q := range a.listing {
		if why := q.missingIn(place); why != tickmark.ReasonNone {
			return false, why
		}
	}
	for i := range inv.holes {
		if h := &inv.holes[i]; (h.scope == "" || h.scope == place) && h.of(low) {
			return false, h.reason
		}
	}
	return true, tickmark.ReasonNone
}

// Cut says why resources of a type are known to be missing somewhere: an input
// that was cut, refused or unreadable may have held some. ReasonNone when
// nothing is known to be missing, which is not to say that everything was read.
func (inv *Inventory) Cut(typ string) tickmark.Reason {
	low := strings.ToLower(typ)
	for i := range inv.holes {
		if inv.holes[i].hits(low, "") {
			return inv.holes[i].reason
		}
	}
	for _, q := range inv.questions {
		if !q.lists(low) && !q.parents(low) {
			continue
		}
		if r := q.missing(low, ""); r != tickmark.ReasonNone {
			return r
		}
	}
	return tickmark.ReasonNone
}

// LeftOut is why a source was not read.
type LeftOut struct {
	Reason tickmark.Reason
	// Detail says who left it out, and why, where the collection knows.
	Detail string
}

// SourceOf is the word of the source that a type is read from: "arm", "graph",
// "devops", "github" and "power"; "m365", "hr", "security" and "tickets" come
// as files.
func SourceOf(typ string) string { return sourceOf(TypeKey(typ)) }

// NotRead reports whether a source was not read: a collection left it out, or
// the files hold nothing of it. Whether it has anything then is not known.
func (inv *Inventory) NotRead(source string) (LeftOut, bool) {
	if inv.planned || inv.sources[source] {
		return LeftOut{}, false
	}
	if out, ok := inv.leftOut[source]; ok {
		return out, true
	}
	return LeftOut{Reason: tickmark.ReasonNotRead}, true
}

// Population reports whether every resource of typ, wherever it is, was read:
// only then does finding none mean that there is none. If not, the reason says
// why: NotRead where nobody asked. A plan is whole by itself: what it does not
// hold, it does not deploy.
func (inv *Inventory) Population(typ string) (bool, tickmark.Reason) {
	low := TypeKey(typ)
	if why := inv.Cut(low); why != tickmark.ReasonNone {
		return false, why
	}
	inv.askOnce.Do(inv.prepare)
	if a := inv.about(low); a != nil {
		for _, q := range a.listing {
			if !inv.putEverywhere(q) {
				return false, tickmark.ReasonNotCollected
			}
		}
		return true, tickmark.ReasonNone
	}
	source := sourceOf(low)
	if inv.planned || claimed(inv.claims[low], "") || claimed(inv.claims[everyType], "") && inv.sources[source] {
		return true, tickmark.ReasonNone
	}
	if ok, why := inv.inParents(low); why != tickmark.ReasonNone || ok {
		return ok, why
	}
	if !inv.sources[source] || len(inv.questions) > 0 {
		return false, tickmark.ReasonNotRead
	}
	return false, tickmark.ReasonNotCollected
}

// putEverywhere reports whether a question was put in every scope of its source
// that any question was put in: some are put once for each subscription.
func (inv *Inventory) putEverywhere(q *question) bool {
	if q.scopes[""] || q.source != sourceARM {
		return len(q.scopes) > 0
	}
	for _, other := range inv.questions {
		if other.source != q.source {
			continue
		}
		for scope := range other.scopes {
			if scope != "" && !q.scopes[scope] {
				return false
			}
		}
	}
	return true
}

// inParents is Population for a type that only comes inside its parents: all of
// these must have been read, and whole. It says nothing of any other type.
func (inv *Inventory) inParents(low string) (bool, tickmark.Reason) {
	cut := strings.LastIndexByte(low, '/')
	if cut < 0 {
		return false, tickmark.ReasonNone
	}
	if _, ok := nestOf(low[:cut], low); !ok {
		return false, tickmark.ReasonNone
	}
	if ok, why := inv.Population(low[:cut]); !ok {
		return false, why
	}
	for _, p := range inv.OfType(low[:cut]) {
		if !inv.carried(low, p.Key) {
			return false, tickmark.ReasonSummary
		}
	}
	return true, tickmark.ReasonNone
}

// met notes the sources of which anything was read: a resource that came by
// itself, an answer without any, or a question.
func (m *merger) met() {
	inv := m.inv
	inv.sources = map[string]bool{}
	for _, t := range inv.Types {
		if t.Resources > t.Implied {
			inv.sources[sourceOf(strings.ToLower(t.Type))] = true
		}
	}
	for _, q := range inv.questions {
		inv.sources[strings.ToLower(q.source)] = true
	}
	for si := range m.snapshot.Segments {
		for pi := range m.snapshot.Segments[si].Pages {
			switch p := &m.snapshot.Segments[si].Pages[pi]; {
			case p.Entity != "":
				inv.sources[sourceOf(strings.ToLower(p.Entity))] = true
			case p.Form == "resourceGraph", p.Form == "resourceGraphTable", p.Form == "armList":
				inv.sources[sourceARM] = true
			}
		}
	}
}

// prepare gathers what Complete asks for, once: it is called for every
// existence check on every resource.
func (inv *Inventory) prepare() {
	inv.claims = map[string][]string{}
	for i := range inv.Coverage {
		c := &inv.Coverage[i]
		if len(c.Asks) > 0 {
			continue // its questions say it
		}
		scope := scopeKey(c.Source, c.Scope)
		for _, t := range c.Complete {
			k := strings.ToLower(t)
			if !slices.Contains(inv.claims[k], scope) {
				inv.claims[k] = append(inv.claims[k], scope)
			}
		}
	}
	subs := inv.OfType(TypeSubscription)
	inv.someCollected = slices.ContainsFunc(subs, func(r Resource) bool { return !r.Is(Implied) })
}

// claimed reports whether one of the scopes holds key.
func claimed(scopes []string, key string) bool {
	for _, s := range scopes {
		if s == "" || key != "" && within(key, s) {
			return true
		}
	}
	return false
}

// elsewhere reports whether key lies in a subscription that only ids name
// although others were collected: an export of some subscriptions, however
// complete, says nothing of the rest.
func (inv *Inventory) elsewhere(key string) bool {
	const subs = "/subscriptions/"
	if !inv.someCollected || !strings.HasPrefix(key, subs) {
		return false
	}
	id, _, _ := strings.Cut(key[len(subs):], "/")
	s := find(inv.OfType(TypeSubscription), key[:len(subs)+len(id)])
	return s == nil || s.Is(Implied)
}

// carried reports whether the resource key was read whole and carries its
// children of type low in itself.
func (inv *Inventory) carried(low, key string) bool {
	cut := strings.LastIndexByte(low, '/')
	if cut < 0 || key == "" {
		return false
	}
	n, ok := nestOf(low[:cut], low)
	if !ok {
		return false
	}
	parent := find(inv.OfType(low[:cut]), key)
	if parent == nil || !parent.whole() {
		return false
	}
	array := n.arrayOf(parent.Root)
	return array.Kind() == jsontape.Array && !array.IsOpen()
}
