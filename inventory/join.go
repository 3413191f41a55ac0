// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

// Join sets records of one type beside each resource of another: the roles
// beside the user who holds them. It is declared by a check.
//
// A record belongs to a resource if one of the values of Match in the record is
// one of the values of With in the resource; letter case does not count. Both
// are the path of a member (with [*] after an array) or a word and a path:
//
//	groups(PATH)   the principal and every group that it is in, through others too
//	scopes(PATH)   the subscription, the management groups above it, and the root
//	members(PATH)  the principal, or who is in it, through others too, if it is a group
//	all            everything belongs to everything: to the one directory
//	subject        what the record was asked about: the group of a member
//	any(PATH, …)   the values of several paths
//
// What is not known to be complete may hold more: then the list is open, and so
// is everything that a rule concludes from what it lacks.
type Join struct {
	Of, As, Type string
	Match, With  string
	// Where keeps the records whose member is like one of the patterns.
	Where map[string][]string
	// Each makes one element for each distinct value instead of one for each
	// record; the value is the element's member "each".
	Each string
	// Take are the members that an element keeps, beside id; of an array all of
	// it, whatever stands after [*].
	Take []string
	// Names says that the resource names a record that there must be: where none
	// is found, one was lost, and the list is open.
	Names bool
	// Some says that some of the records must belong to some of the resources:
	// where none does, the two were written with different keys, and that nobody
	// is in a list shows nothing.
	Some bool
}

// MemberJoined is the member under which a resource carries its joins.
const MemberJoined = "joined"

const (
	typeGroups      = "graph/groups"
	typeMembers     = "graph/groupmembers"
	typeTransitive  = "graph/grouptransitivemembers"
	typeDescendants = "arm/managementgroupdescendants"
)

// Join makes the joined values of the resources: by their index in Resources,
// an object with the one member "joined". It changes nothing in the inventory.
// The work is linear in the records and in what is joined.
func (inv *Inventory) Join(joins []Join) (map[int]jsontape.Value, error) {
	j := joiner{inv: inv, parser: &jsontape.Parser{}}
	out := map[int]jsontape.Value{}
	for i := 0; i < len(joins); {
		n := i + 1
		for n < len(joins) && strings.EqualFold(joins[n].Of, joins[i].Of) {
			n++
		}
		if err := j.of(joins[i:n], out); err != nil {
			return nil, err
		}
		i = n
	}
	return out, nil
}

// joiner keeps what several joins need.
type joiner struct {
	inv    *Inventory
	parser *jsontape.Parser
	graph  *relation
	above  *hierarchy
}

// reasonOf is why something may be missing; none if nothing is.
type reasonOf = tickmark.Reason

// of makes the joins of one type.
func (j *joiner) of(joins []Join, out map[int]jsontape.Value) error {
	e, ok := j.inv.ranges[TypeKey(joins[0].Of)]
	if !ok {
		return nil
	}
	tables := make([]*table, len(joins))
	for i := range joins {
		t, err := j.table(&joins[i])
		if err != nil {
			return err
		}
		tables[i] = t
	}
	var b []byte
	for i := e.from; i < e.to; i++ {
		b = append(b[:0], `{"`+MemberJoined+`":{`...)
		open := make([]reasonOf, len(tables))
		for k, t := range tables {
			if k > 0 {
				b = append(b, ',')
			}
			b = appendString(b, t.join.As)
			b = append(b, ':')
			b, open[k] = t.appendList(b, &j.inv.Resources[i])
		}
		b = append(b, '}', '}')
		tape, err := j.parser.Parse(slices.Clone(b))
		if err != nil {
			return fmt.Errorf("join on %s: %w", j.inv.Resources[i].ID, err)
		}
		for k, t := range tables {
			if open[k] != tickmark.ReasonNone {
				tape.MarkOpen(tape.Root().Get(MemberJoined).Get(t.join.As), string(open[k]))
			}
		}
		out[i] = tape.Root()
	}
	return nil
}

// table is one join with its records by key.
type table struct {
	j     *joiner
	join  *Join
	with  operand
	key   string // of the type, as TypeKey spells it
	rows  []entry
	byKey map[string][]int32
	// loose says that a record is there of which it is not known to whom it
	// belongs; apart, that none belongs to any resource though some must.
	loose, apart reasonOf
}

// entry is a record as an element.
type entry struct {
	text []byte
	each string
	// place is the organisation or environment that the record lies in.
	place string
	// unsure says that the record may or may not belong to the list.
	unsure reasonOf
}

func (j *joiner) table(join *Join) (*table, error) {
	t := &table{j: j, join: join, key: TypeKey(join.Type), byKey: map[string][]int32{}}
	match, err := parseOperand(join.Match)
	if err != nil {
		return nil, err
	}
	if t.with, err = parseOperand(join.With); err != nil {
		return nil, err
	}
	each, err := parseOperand(join.Each)
	if err != nil {
		return nil, err
	}
	records := j.inv.OfType(join.Type)
	for i := range records {
		r := &records[i]
		unsure, drop := t.where(r)
		if drop {
			continue
		}
		keys, why := j.values(match, r)
		if why != tickmark.ReasonNone {
			t.loose = firstReason(t.loose, why)
		}
		if len(keys) == 0 {
			continue
		}
		if why := r.doubt(); why != tickmark.ReasonNone {
			unsure = firstReason(unsure, why)
		}
		place := j.inv.Place(r)
		if join.Each == "" {
			t.add(keys, entry{text: t.element(r, ""), place: place, unsure: unsure})
			continue
		}
		values, why := j.values(each, r)
		for _, v := range values {
			t.add(keys, entry{text: t.element(r, v), each: v, place: place, unsure: unsure})
		}
		if why != tickmark.ReasonNone { // there may be further ones
			t.add(keys, entry{place: place, unsure: why})
		}
	}
	if join.Some && !t.meets() {
		t.apart = tickmark.ReasonUnmatched
	}
	return t, nil
}

// meets reports whether a record belongs to a resource.
func (t *table) meets() bool {
	resources := t.j.inv.OfType(t.join.Of)
	for i := range resources {
		keys, _ := t.j.values(t.with, &resources[i])
		if slices.ContainsFunc(keys, func(k string) bool { return len(t.byKey[k]) > 0 }) {
			return true
		}
	}
	return false
}

func (t *table) add(keys []string, e entry) {
	n := int32(len(t.rows)) //nolint:gosec // bounded by the number of resources
	t.rows = append(t.rows, e)
	for _, k := range keys {
		t.byKey[k] = append(t.byKey[k], n)
	}
}

// where says whether the record is surely kept, surely dropped, or neither.
func (t *table) where(r *Resource) (unsure reasonOf, drop bool) {
	for _, path := range sortedKeys(t.join.Where) {
		values, why := pathValues(r.Root, path)
		if slices.ContainsFunc(values, func(v string) bool { return likeAny(v, t.join.Where[path]) }) {
			continue
		}
		if why == tickmark.ReasonNone {
			return why, true
		}
		unsure = firstReason(unsure, why)
	}
	return unsure, false
}

// appendList writes the records that belong to r; the reason says why there may
// be more, or fewer.
func (t *table) appendList(b []byte, r *Resource) ([]byte, reasonOf) {
	keys, open := t.j.values(t.with, r)
	open = firstReason(open, t.loose, t.incomplete(r), t.apart)
	var hits []int32
	for _, k := range keys {
		hits = append(hits, t.byKey[k]...)
	}
	slices.Sort(hits)
	hits = slices.Compact(hits)
	if own := t.j.inv.Place(r); own != "" && SourceOf(r.Type) == sourceOf(t.key) {
		// What another organisation has says nothing of this one.
		hits = slices.DeleteFunc(hits, func(h int32) bool { return t.rows[h].place != "" && t.rows[h].place != own })
	}
	if t.join.Names && len(hits) == 0 && len(keys) > 0 {
		open = firstReason(open, tickmark.ReasonUnmatched)
	}
	seen := map[string]bool{}
	b = append(b, '[')
	first := true
	for _, h := range hits {
		e := &t.rows[h]
		if e.unsure != tickmark.ReasonNone {
			open = firstReason(open, e.unsure)
			continue
		}
		if t.join.Each != "" {
			if seen[e.each] {
				continue
			}
			seen[e.each] = true
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, e.text...)
	}
	return append(b, ']'), open
}

// incomplete says why there may be records that were not read.
func (t *table) incomplete(r *Resource) reasonOf {
	scope := ""
	if t.with.word == "scopes" {
		scope = r.Key
	}
	if IsRecord(t.key) && len(t.j.inv.OfType(TypeOrganization)) > 1 {
		return tickmark.ReasonScopeUnknown
	}
	if scope == "" {
		_, why := t.j.inv.CompleteBeside(t.key, r)
		return why
	}
	_, why := t.j.inv.CompleteAt(t.key, scope)
	return why
}

// element is the record as the list has it.
func (t *table) element(r *Resource, each string) []byte {
	b := append([]byte(nil), `{"id":`...)
	b = appendString(b, r.ID)
	if t.join.Each != "" {
		b = append(b, `,"each":`...)
		b = appendString(b, each)
	}
	tree := branch{}
	for _, path := range t.join.Take {
		whole, _, _ := strings.Cut(path, "[*]")
		tree.add(strings.Split(whole, "."))
	}
	return append(tree.append(b, r.Root), '}')
}

// branch is a tree of member names.
type branch struct {
	names []string
	below []*branch
}

func (t *branch) add(path []string) {
	i := slices.Index(t.names, path[0])
	if i < 0 {
		i = len(t.names)
		t.names, t.below = append(t.names, path[0]), append(t.below, &branch{})
	}
	if len(path) > 1 {
		t.below[i].add(path[1:])
	}
}

// append writes the members of v that the tree names, each after a comma.
func (t *branch) append(b []byte, v jsontape.Value) []byte {
	for i, name := range t.names {
		m := v.Get(name)
		if m.Kind() == jsontape.Absent {
			continue
		}
		b = append(b, ',')
		b = appendString(b, name)
		b = append(b, ':')
		if len(t.below[i].names) == 0 || m.Kind() != jsontape.Object {
			b = appendValue(b, m)
			continue
		}
		part := t.below[i].append(nil, m)
		b = append(b, '{')
		b = append(append(b, strings.TrimPrefix(string(part), ",")...), '}')
	}
	return b
}

// appendValue writes a value; what holds something unobserved is unobserved.
func appendValue(b []byte, v jsontape.Value) []byte {
	if why := hidden(v); why != "" {
		return appendString(b, jsontape.Marker+why)
	}
	return append(b, v.Raw()...)
}

// hidden says why a part of v was not observed; "" if all of it was.
func hidden(v jsontape.Value) string {
	switch {
	case v.Kind() == jsontape.Unobserved:
		return v.Reason()
	case v.IsOpen():
		return v.OpenReason()
	case v.Kind() == jsontape.Object:
		for _, m := range v.Members() {
			if why := hidden(m); why != "" {
				return why
			}
		}
	case v.Kind() == jsontape.Array:
		for m := range v.Elems() {
			if why := hidden(m); why != "" {
				return why
			}
		}
	}
	return ""
}

// doubt says why it is not known what the resource says, or whether it exists.
func (r *Resource) doubt() reasonOf {
	switch {
	case r.Is(Uncertain):
		return tickmark.ReasonPlanTime
	case r.Is(Doubtful), r.Is(Conflicting):
		return tickmark.ReasonConflicting
	}
	return tickmark.ReasonNone
}

func firstReason(list ...reasonOf) reasonOf {
	for _, r := range list {
		if r != tickmark.ReasonNone {
			return r
		}
	}
	return tickmark.ReasonNone
}

// operand is a path, or a word and a path.
type operand struct{ word, path string }

func parseOperand(s string) (operand, error) {
	word, rest, ok := strings.Cut(s, "(")
	switch {
	case s == "subject", s == "all":
		return operand{word: s}, nil
	case !ok:
		return operand{path: s}, nil
	case !strings.HasSuffix(rest, ")") || !slices.Contains([]string{"groups", "scopes", "members", "any"}, word):
		return operand{}, fmt.Errorf("join: %q is neither a path nor groups, scopes or members of one, nor any of several", s)
	}
	return operand{word, strings.TrimSuffix(rest, ")")}, nil
}

// values are the values of an operand in lower case, and why there may be others.
func (j *joiner) values(o operand, r *Resource) ([]string, reasonOf) {
	if o.word == "all" {
		return []string{""}, tickmark.ReasonNone
	}
	if o.word == "subject" {
		s := subjectOf(r)
		if s == "" {
			return nil, tickmark.ReasonScopeUnknown
		}
		return []string{s}, tickmark.ReasonNone
	}
	var list []string
	var why reasonOf
	for path := range strings.SplitSeq(o.path, ",") { // more than one in any()
		values, hole := pathValues(r.Root, strings.TrimSpace(path))
		list, why = append(list, values...), firstReason(why, hole)
	}
	for i := range list {
		list[i] = strings.ToLower(list[i])
	}
	switch o.word {
	case "any": // who has no number is not everybody without one
		list = slices.DeleteFunc(list, func(v string) bool { return v == "" })
	case "groups":
		return j.relation().upward(list, why)
	case "members":
		return j.relation().downward(list, why, principalKind(r))
	case "scopes":
		return j.hierarchy().upward(list, why, r)
	}
	return list, why
}

// principalKind is what a role assignment says that its principal is: User,
// Group, ServicePrincipal; empty if it does not say.
func principalKind(r *Resource) string {
	if kind := r.Root.Get("properties").Get("principalType").Str(); kind != "" {
		return kind
	}
	return strings.TrimPrefix(r.Root.Get("principal").Get("@odata.type").Str(), "#microsoft.graph.")
}

// subjectOf is what a record was asked about, by its key TYPE/SUBJECT/ID.
func subjectOf(r *Resource) string {
	rest := strings.TrimPrefix(r.Key, strings.ToLower(r.Type)+"/")
	subject, _, ok := strings.Cut(rest, "/")
	if !ok {
		return ""
	}
	return subject
}

// pathValues are the texts at a path, in which [*] stands after an array.
func pathValues(v jsontape.Value, path string) ([]string, reasonOf) {
	if path == "" {
		return nil, tickmark.ReasonNone
	}
	at := []jsontape.Value{v}
	var open reasonOf
	for name := range strings.SplitSeq(path, ".") {
		name, wild := strings.CutSuffix(name, "[*]")
		var next []jsontape.Value
		for _, x := range at {
			m := x.Get(name)
			switch {
			case m.Kind() == jsontape.Unobserved:
				open = firstReason(open, reasonOf(m.Reason()))
			case !wild:
				next = append(next, m)
			default:
				for e := range m.Elems() {
					next = append(next, e)
				}
				if m.IsOpen() {
					open = firstReason(open, reasonOf(m.OpenReason()))
				}
			}
		}
		at = next
	}
	var out []string
	for _, x := range at {
		switch x.Kind() {
		case jsontape.Unobserved:
			open = firstReason(open, reasonOf(x.Reason()))
		case jsontape.String:
			out = append(out, x.Str())
		case jsontape.Number, jsontape.True, jsontape.False:
			out = append(out, string(x.Raw()))
		case jsontape.Absent, jsontape.Null, jsontape.Array, jsontape.Object:
		}
	}
	return out, open
}

// likeAny compares without letter case; one * stands for any text.
func likeAny(v string, patterns []string) bool {
	v = strings.ToLower(v)
	return slices.ContainsFunc(patterns, func(p string) bool {
		before, after, star := strings.Cut(strings.ToLower(p), "*")
		if !star {
			return v == before
		}
		return len(v) >= len(before)+len(after) && strings.HasPrefix(v, before) && strings.HasSuffix(v, after)
	})
}

func sortedKeys(m map[string][]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// relation is who is in which group, directly.
type relation struct {
	parents, children map[string][]string
	groups            map[string]bool
	open              reasonOf // why somebody's membership may be missing
	openGroups        reasonOf // why it may not be known that something is a group
}

func (j *joiner) relation() *relation {
	if j.graph != nil {
		return j.graph
	}
	g := &relation{parents: map[string][]string{}, children: map[string][]string{}, groups: map[string]bool{}}
	j.graph = g
	_, why := j.inv.CompleteAt(typeMembers, "")
	_, g.openGroups = j.inv.CompleteAt(typeGroups, "")
	g.open = firstReason(why, g.openGroups)
	if len(j.inv.OfType(TypeOrganization)) > 1 {
		g.open, g.openGroups = tickmark.ReasonScopeUnknown, tickmark.ReasonScopeUnknown
	}
	groups := j.inv.OfType(typeGroups)
	for i := range groups {
		if id := groups[i].Root.Get("id").Str(); id != "" {
			g.groups[strings.ToLower(id)] = true
		}
	}
	for _, typ := range []string{typeMembers, typeTransitive} {
		list := j.inv.OfType(typ)
		for i := range list {
			group, member := subjectOf(&list[i]), strings.ToLower(list[i].Root.Get("id").Str())
			if group == "" || member == "" {
				g.open = firstReason(g.open, tickmark.ReasonScopeUnknown)
				continue
			}
			g.groups[group] = true
			g.parents[member] = append(g.parents[member], group)
			g.children[group] = append(g.children[group], member)
		}
	}
	return g
}

// reach follows edges from the start, which it includes.
func reach(from []string, edges map[string][]string) []string {
	seen := map[string]bool{}
	var out []string
	todo := slices.Clone(from)
	for len(todo) > 0 {
		x := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[x] {
			continue
		}
		seen[x] = true
		out = append(out, x)
		todo = append(todo, edges[x]...)
	}
	slices.Sort(out)
	return out
}

func (g *relation) upward(list []string, why reasonOf) ([]string, reasonOf) {
	return reach(list, g.parents), firstReason(why, g.open)
}

// downward replaces groups by who is in them; kind is what the record says that
// the principal is.
func (g *relation) downward(list []string, why reasonOf, kind string) ([]string, reasonOf) {
	group := strings.EqualFold(kind, "Group")
	if kind == "" {
		why = firstReason(why, g.openGroups)
	}
	all := reach(list, g.children)
	if group || slices.ContainsFunc(all, func(x string) bool { return g.groups[x] }) {
		why = firstReason(why, g.open)
	}
	return slices.DeleteFunc(all, func(x string) bool { return g.groups[x] || group && slices.Contains(list, x) }), why
}

// hierarchy is which management group lies above what.
type hierarchy struct {
	parents map[string][]string
	open    reasonOf
}

func (j *joiner) hierarchy() *hierarchy {
	if j.above != nil {
		return j.above
	}
	h := &hierarchy{parents: map[string][]string{}}
	j.above = h
	_, h.open = j.inv.CompleteAt(typeDescendants, "")
	list := j.inv.OfType(typeDescendants)
	for i := range list {
		id, parent := list[i].Root.Get("id").Str(), list[i].Root.Get("properties").Get("parent").Get("id").Str()
		if id == "" || parent == "" {
			h.open = firstReason(h.open, tickmark.ReasonSummary)
			continue
		}
		id = strings.ToLower(id)
		h.parents[id] = append(h.parents[id], strings.ToLower(parent))
	}
	return h
}

const managementGroups = "/providers/microsoft.management/managementgroups/"

// upward adds what lies above each scope: by the descendants of the root group,
// or by the chain that Resource Graph gives a subscription.
func (h *hierarchy) upward(list []string, why reasonOf, r *Resource) ([]string, reasonOf) {
	out := reach(list, h.parents)
	open := h.open
	for _, x := range list {
		if len(h.parents[x]) == 0 {
			open = firstReason(open, tickmark.ReasonNotCollected) // everything lies below the root group
		}
	}
	if chain := r.Root.Get("properties").Get("managementGroupAncestorsChain"); open != tickmark.ReasonNone && chain.Kind() == jsontape.Array && !chain.IsOpen() && chain.Len() > 0 {
		names, hole := pathValues(r.Root, "properties.managementGroupAncestorsChain[*].name")
		for _, n := range names {
			out = append(out, managementGroups+strings.ToLower(n))
		}
		open = hole
	}
	out = append(out, "/")
	slices.Sort(out)
	return slices.Compact(out), firstReason(why, open)
}
