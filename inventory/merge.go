// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

// merger joins what the workers found into one inventory.
type merger struct {
	snapshot  *tickmark.Snapshot
	canonical map[string]string
	workers   int
	inv       *Inventory
	parser    jsontape.Parser
	buckets   []bucket
	lines     lineCounter

	relax      func() // Options.Relax
	redactions []Redaction
	byType     map[string]int  // lower-case type → index in buckets
	damaged    map[[2]int]bool // segment and page → some item could not be read
	changed    int             // resources that came or went during the collection
}

// bucket holds the resources of one type while they are sorted and joined.
type bucket struct {
	name, lower string
	refs        []*Resource
	duplicates  int
	conflicts   []conflict
	// both are the keys that the provider answered with and an index, too.
	both map[string]bool
}

// conflict is a resource of which two copies differ.
type conflict struct {
	resource, other *Resource
	// otherHolds says that the other one is right.
	otherHolds bool
}

func (m *merger) merge(chunks []chunk) {
	m.inv.Coverage = make([]tickmark.Coverage, len(m.snapshot.Segments))
	for i := range m.snapshot.Segments {
		m.inv.Coverage[i] = m.snapshot.Segments[i].Coverage
	}
	m.group(chunks)
	m.drifts(chunks)
	var g errgroup.Group
	g.SetLimit(m.workers)
	for i := range m.buckets {
		b := &m.buckets[i]
		g.Go(func() error { b.join(); return nil })
	}
	_ = g.Wait() // joining cannot fail
	for _, step := range []func(){m.questions, m.superseded, m.conflicts, m.imply, m.gather, func() { m.blocks(chunks) }, m.completeTypes, m.met} {
		m.relax()
		step()
	}
	m.relax()
}

// group sorts the resources into buckets by type and the problems into the
// inventory, in the order of the input.
func (m *merger) group(chunks []chunk) {
	m.byType, m.damaged = map[string]int{}, map[[2]int]bool{}
	index := map[string]int{} // spelling → bucket
	for ci := range chunks {
		c := &chunks[ci]
		m.inv.Counts.Items += c.last - c.first
		m.inv.Counts.Unread += c.unread
		m.inv.Counts.SummaryItems += c.summaries
		if c.unread > 0 {
			m.damaged[[2]int{c.segment, c.page}] = true
			m.unread(c)
		}
		for i := range c.resources {
			r := &c.resources[i]
			b, ok := index[r.Type]
			if !ok {
				b = m.bucket(r.Type)
				index[r.Type] = b
			}
			r.Type = m.buckets[b].name
			m.buckets[b].refs = append(m.buckets[b].refs, r)
		}
	}
}

// received returns the bytes of a page as they were received, and what
// translates offsets in the page into offsets in these.
func (m *merger) received(segment, page int) ([]byte, func(int) int) {
	for i := range m.redactions {
		if r := &m.redactions[i]; r.Segment == segment && r.Page == page {
			return r.Received, r.receivedOffset
		}
	}
	return m.snapshot.Segments[segment].Pages[page].Bytes, func(off int) int { return off }
}

// maxPageProblems is how many problems of one page are told one by one.
const maxPageProblems = 100

func (m *merger) unread(c *chunk) {
	p := &m.snapshot.Segments[c.segment].Pages[c.page]
	received, moved := m.received(c.segment, c.page)
	if m.lines.page != p {
		m.lines = lineCounter{page: p, bytes: received, line: 1}
	}
	for _, problem := range c.problems {
		if m.lines.told++; m.lines.told > maxPageProblems {
			break
		}
		off := moved(int(problem.Byte))
		problem.Byte = int64(off)
		problem.Line, problem.Col = m.lines.at(off)
		m.inv.Problems = append(m.inv.Problems, problem)
	}
	if c.unread > len(c.problems) || m.lines.told > maxPageProblems {
		m.inv.Problems = append(m.inv.Problems, tickmark.Problem{
			Input: p.Name, Byte: -1, Reason: tickmark.ReasonUnparsable,
			What: fmt.Sprintf("%d of the items %d to %d cannot be read; not all of them are told here", c.unread, c.first+1, c.last),
		})
	}
	if v := &m.inv.Coverage[c.segment]; v.Missing == tickmark.ReasonNone {
		v.Missing, v.Detail = tickmark.ReasonUnparsable, "at least one item cannot be read"
	}
}

// lineCounter finds lines and columns of rising offsets in one pass.
type lineCounter struct {
	page      *tickmark.Page
	bytes     []byte // of the page as received
	off, line int
	told      int // problems of the page so far
}

func (l *lineCounter) at(off int) (line, col int) {
	b := l.bytes
	off = min(max(off, l.off), len(b))
	l.line += bytes.Count(b[l.off:off], []byte{'\n'})
	l.off = off
	return l.line, off - bytes.LastIndexByte(b[:off], '\n')
}

// bucket finds or makes the bucket of a type.
func (m *merger) bucket(typ string) int {
	low := strings.ToLower(typ)
	if b, ok := m.byType[low]; ok {
		return b
	}
	m.buckets = append(m.buckets, bucket{name: typ, lower: low})
	m.byType[low] = len(m.buckets) - 1
	return len(m.buckets) - 1
}

// rank orders copies of one resource: what came by itself and whole is best.
func rank(r *Resource) int {
	switch {
	case r.Flags&(Summary|Nested|Implied) == 0:
		return 0
	case r.Is(Nested) && !r.Is(Implied):
		return 1
	case r.Is(Summary):
		return 2
	}
	return 3
}

// later puts what the provider itself answered before what an index says of it.
func later(r *Resource) int {
	if r.Is(Direct) {
		return 0
	}
	return 1
}

// join sorts the bucket by key and makes one resource of several copies.
func (b *bucket) join() {
	slices.SortFunc(b.refs, func(x, y *Resource) int {
		if c := strings.Compare(x.Key, y.Key); c != 0 {
			return c
		}
		return cmp.Or(cmp.Compare(rank(x), rank(y)), later(x)-later(y), place(x, y))
	})
	out := b.refs[:0]
	for i := 0; i < len(b.refs); {
		j := i + 1
		for j < len(b.refs) && b.refs[j].Key == b.refs[i].Key {
			j++
		}
		best := b.refs[i]
		if j > i+1 {
			best = b.choose(b.refs[i:j])
			for _, c := range b.refs[i:j] {
				c.Root.Fold()
			}
		}
		out = append(out, best)
		i = j
	}
	b.refs = out
}

// choose picks the copy that stands for all. Copies of its rank must agree
// with it; copies of a lower rank say less and are dropped.
func (b *bucket) choose(copies []*Resource) *Resource {
	best := copies[0]
	differ := false
	b.compareSources(copies)
	for _, c := range copies[1:] {
		if !c.Is(Nested) {
			b.duplicates++
		}
		if best.Is(Direct) && !c.Is(Direct) {
			// An index follows the provider: where they differ, it is behind.
			best.inParent = best.inParent || c.Is(Nested)
			continue
		}
		if rank(copies[0]) == 0 && rank(c) == 1 {
			// The parent's copy may say less, but it must not say otherwise.
			best.inParent = true
			if !differ && !agree(best.Root.Lookup(keyProperties), c.Root.Lookup(keyProperties)) {
				differ = true
				b.conflicts = append(b.conflicts, conflict{best, c, false})
			}
			continue
		}
		if rank(c) != rank(copies[0]) || rank(c) > 1 || differ {
			continue
		}
		subset := withoutProperties[b.lower] || c.Is(Partial) && best.Is(Partial)
		if !sameContent(best.Root, c.Root, subset) {
			differ = true
			b.conflicts = append(b.conflicts, conflict{best, c, false})
			continue
		}
		if len(c.Root.Raw()) > len(best.Root.Raw()) {
			best = c // says the same and more
		}
	}
	return best
}

// conflicts replaces what was read twice differently by what is certain: that
// there is such a resource.
func (m *merger) conflicts() {
	m.strangers()
	hit := map[string]tickmark.Reason{}
	m.doubts(hit)
	for i := range m.buckets {
		b := &m.buckets[i]
		m.inv.Counts.Duplicates += b.duplicates
		for _, c := range b.conflicts {
			hit[c.resource.Key] = tickmark.ReasonConflicting
			// What the parent carries is in doubt, too.
			switch {
			case c.otherHolds:
			case c.other.Key == c.resource.Parent:
				hit[c.other.Key] = tickmark.ReasonConflicting
			case c.other.Is(Nested) && !c.resource.Is(Nested):
				hit[c.other.Parent] = tickmark.ReasonConflicting
			}
		}
	}
	if len(hit) == 0 {
		return
	}
	m.conflictProblems(hit)
	for i := range m.buckets {
		for j, r := range m.buckets[i].refs {
			reason := hit[r.Key]
			if reason == tickmark.ReasonNone && r.Is(Nested) {
				reason = hit[r.Parent]
			}
			if reason != tickmark.ReasonNone {
				certain := *r
				certain.Root = m.certain(r.ID, r.Name, r.Type, reason)
				if certain.Flags |= Doubtful; reason == tickmark.ReasonConflicting {
					certain.Flags = r.Flags | Conflicting
				}
				m.buckets[i].refs[j] = &certain
			}
		}
	}
}

// compareSources notes that copies came both from the provider and an index.
func (b *bucket) compareSources(copies []*Resource) {
	direct, index := false, false
	for _, c := range copies {
		if !c.Is(Nested) {
			direct, index = direct || c.Is(Direct), index || !c.Is(Direct)
		}
	}
	if direct && index {
		if b.both == nil {
			b.both = map[string]bool{}
		}
		b.both[copies[0].Key] = true
	}
}

// find returns the resource with this key, once the bucket is joined.
func (b *bucket) find(key string) *Resource {
	k, ok := slices.BinarySearchFunc(b.refs, key, func(r *Resource, key string) int { return strings.Compare(r.Key, key) })
	if !ok {
		return nil
	}
	return b.refs[k]
}

// superseded drops the children that only the index's copy of a parent
// carries: the provider answered for the parent without them.
func (m *merger) superseded() {
	for i := range m.buckets {
		for key := range m.buckets[i].both {
			if r := m.buckets[i].find(key); r == nil || !r.Is(Direct) {
				continue
			}
			for _, n := range [2][]nest{nestsOf(m.buckets[i].lower), anywhere} {
				for _, child := range n {
					at, ok := m.byType[strings.ToLower(child.childType(m.buckets[i].name))]
					if !ok {
						continue
					}
					b := &m.buckets[at]
					from, _ := slices.BinarySearchFunc(b.refs, key+"/", func(r *Resource, k string) int { return strings.Compare(r.Key, k) })
					end := from
					for end < len(b.refs) && strings.HasPrefix(b.refs[end].Key, key+"/") {
						end++
					}
					kept := slices.DeleteFunc(slices.Clone(b.refs[from:end]), func(r *Resource) bool {
						return r.Is(Nested) && !r.Is(Direct) && r.Parent == key
					})
					b.refs = slices.Replace(b.refs, from, end, kept...)
				}
			}
		}
	}
}

// strangers finds the children that came by themselves and that their parent,
// read whole, does not carry: one of the two is out of date.
func (m *merger) strangers() {
	for i := range m.buckets {
		b := &m.buckets[i]
		cut := strings.LastIndexByte(b.lower, '/')
		if cut < 0 || IsRecord(b.lower) {
			continue
		}
		at, ok := m.byType[b.lower[:cut]]
		n, nested := nestOf(b.lower[:cut], b.lower)
		if !ok || !nested {
			continue
		}
		parents := &m.buckets[at]
		for _, r := range b.refs {
			if r.inParent || rank(r) != 0 {
				continue
			}
			parent := parents.find(r.Parent)
			if parent == nil || !parent.whole() {
				continue
			}
			if a := n.arrayOf(parent.Root); a.Kind() == jsontape.Array && !a.IsOpen() {
				// What the provider itself says of the parent is right about it.
				b.conflicts = append(b.conflicts, conflict{r, parent, parent.Is(Direct) && !r.Is(Direct)})
			}
		}
	}
}

// conflictProblems tells the conflicts in the order of the input.
func (m *merger) conflictProblems(hit map[string]tickmark.Reason) {
	var all []conflict
	for i := range m.buckets {
		for _, c := range m.buckets[i].conflicts {
			if !c.resource.Is(Nested) || hit[c.resource.Parent] != tickmark.ReasonConflicting { // else the parent's problem says it
				all = append(all, c)
			}
		}
	}
	slices.SortStableFunc(all, func(x, y conflict) int { return place(x.resource, y.resource) })
	var lines lineCounter
	for i, c := range all {
		p := m.page(c.resource)
		if i == maxPageProblems {
			m.inv.Problems = append(m.inv.Problems, tickmark.Problem{
				Input: p.Name, Byte: -1, Reason: tickmark.ReasonConflicting,
				What: fmt.Sprintf("and %d more resources were read twice with different content", len(all)-i),
				Hint: "leave out the older export",
			})
			break
		}
		b, moved := m.received(int(c.resource.Segment), int(c.resource.Page))
		if lines.page != p {
			lines = lineCounter{page: p, bytes: b, line: 1}
		}
		off := moved(int(c.resource.Offset))
		line, col := lines.at(off)
		_, otherMoved := m.received(int(c.other.Segment), int(c.other.Page))
		what := "the resource was read twice with different content; the other copy is in %s at byte %d"
		if c.other.Key == c.resource.Parent {
			what = "the resource came by itself, but its parent does not carry it; the parent is in %s at byte %d"
		}
		m.inv.Problems = append(m.inv.Problems, tickmark.Problem{
			Input: p.Name, Line: line, Col: col, Byte: int64(off), Object: c.resource.ID, Reason: tickmark.ReasonConflicting,
			What: fmt.Sprintf(what, m.page(c.other).Name, otherMoved(int(c.other.Offset))),
			Hint: "leave out the older export",
		})
	}
}

// place orders resources by where they lie in the snapshot.
func place(x, y *Resource) int {
	return cmp.Or(cmp.Compare(x.Segment, y.Segment), cmp.Compare(x.Page, y.Page), cmp.Compare(x.Item, y.Item), cmp.Compare(x.Offset, y.Offset))
}

func (m *merger) page(r *Resource) *tickmark.Page {
	return &m.snapshot.Segments[r.Segment].Pages[r.Page]
}

// certain makes an object that holds only what identifies a resource.
func (m *merger) certain(id, name, typ string, reason tickmark.Reason) jsontape.Value {
	b := appendString([]byte(`{"id":`), id)
	b = appendString(append(b, `,"name":`...), name)
	b = append(appendString(append(b, `,"type":`...), typ), '}')
	tape, err := m.parser.Parse(b)
	if err != nil {
		// The parts come from strict JSON, so this cannot happen; an absent
		// object is unobserved for every rule.
		return jsontape.Value{}
	}
	tape.MarkOpen(tape.Root(), string(reason))
	return tape.Root()
}

// imply adds the subscriptions and resource groups that ids name and nobody
// collected, and the organisation if there is anything of Microsoft Graph.
func (m *merger) imply() {
	known := map[string]bool{}
	for _, typ := range []string{TypeSubscription, TypeResourceGroup} {
		for _, r := range m.buckets[m.bucket(typ)].refs {
			known[r.Key] = true
		}
	}
	graph := false
	lastSubscription, lastGroup := "", ""
	n := len(m.buckets)
	for i := range n {
		graph = graph || strings.HasPrefix(m.buckets[i].lower, "graph/") && len(m.buckets[i].refs) > 0
		for j, r := range m.buckets[i].refs {
			if j%512 == 511 {
				m.relax() // ids lie in the pages, in another order
			}
			if r.Subscription == "" || r.Subscription == lastSubscription && r.ResourceGroup == lastGroup || !m.implies(r) {
				continue
			}
			lastSubscription, lastGroup = r.Subscription, r.ResourceGroup
			end := len("/subscriptions/") + len(r.Subscription)
			m.implyOne(known, r, end, TypeSubscription)
			if r.ResourceGroup != "" {
				m.implyOne(known, r, end+len("/resourcegroups/")+len(r.ResourceGroup), TypeResourceGroup)
			}
		}
	}
	if org := m.bucket(TypeOrganization); graph && len(m.buckets[org].refs) == 0 {
		m.add(org, Resource{ID: TypeOrganization, Key: TypeOrganization, Name: "organization"})
	}
	for _, typ := range []string{TypeSubscription, TypeResourceGroup} {
		slices.SortFunc(m.buckets[m.bucket(typ)].refs, func(x, y *Resource) int { return strings.Compare(x.Key, y.Key) })
	}
}

// implyOne adds the container whose id is the first end bytes of r's.
func (m *merger) implyOne(known map[string]bool, r *Resource, end int, typ string) {
	key := r.Key[:end]
	if known[key] {
		return
	}
	known[key] = true
	c := Resource{ID: r.ID[:end], Key: key, Name: lastSegment(r.ID[:end]), Subscription: r.Subscription, Parent: parentOf(key)}
	if typ == TypeResourceGroup {
		c.ResourceGroup = r.ResourceGroup
	}
	m.add(m.bucket(typ), c)
}

func (m *merger) add(bucket int, r Resource) {
	b := &m.buckets[bucket]
	r.Type, r.Flags = b.name, Implied
	r.Segment, r.Page, r.Item, r.Offset = -1, -1, -1, -1
	r.Root = m.certain(r.ID, r.Name, r.Type, tickmark.ReasonImplied)
	b.refs = append(b.refs, &r)
}

// gather lays the resources out by type and key, and counts them.
func (m *merger) gather() {
	slices.SortFunc(m.buckets, func(a, b bucket) int { return strings.Compare(a.lower, b.lower) })
	n := 0
	for i := range m.buckets {
		n += len(m.buckets[i].refs)
	}
	inv := m.inv
	inv.Resources = make([]Resource, 0, n)
	inv.ranges = make(map[string]extent, len(m.buckets))
	for i := range m.buckets {
		b := &m.buckets[i]
		if len(b.refs) == 0 {
			continue
		}
		t := TypeCount{Type: b.name, Resources: len(b.refs)}
		_, t.Known = m.canonical[b.lower]
		from := len(inv.Resources)
		for _, r := range b.refs {
			inv.Resources = append(inv.Resources, *r)
			t.count(r)
		}
		b.refs = nil
		inv.ranges[b.lower] = extent{from, len(inv.Resources)}
		inv.Types = append(inv.Types, t)
		inv.Counts.add(t)
	}
}
