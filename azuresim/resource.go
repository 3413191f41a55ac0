// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"strings"
)

// compileBody compiles a resource's JSON, with a variant's patch merged in.
func (s *Sim) compileBody(t *template, patch []byte) body {
	raw := func(r *Record) []byte {
		if r == nil {
			return nil
		}
		return r.text
	}
	var ms []member
	put := func(name string, value []byte) {
		if value != nil {
			ms = append(ms, member{name, value})
		}
	}
	put("kind", text(t.Kind))
	if t.table == "resources" || t.Location != "" {
		put("location", text("{location}"))
	}
	put("sku", raw(t.SKU))
	put("tags", raw(t.Tags))
	put("identity", raw(t.Identity))
	if also, ok := members(raw(t.Also)); ok {
		ms = append(ms, also...)
	}
	if t.Properties != nil {
		put("properties", raw(t.Properties))
	} else {
		put("properties", []byte("{}"))
	}
	own := object(ms)
	if patch != nil {
		own = merge(own, patch)
	}
	shown := own
	if t.Index != nil {
		shown = merge(own, t.Index.text)
	}
	head := []member{{"id", []byte(`"{id}"`)}, {"name", []byte(`"{name}"`)}, {"type", quote(t.full)}}
	if t.lower == strings.ToLower(groupType) {
		own = merge([]byte(`{"location":"{location}"}`), merge(own, []byte(`{"properties":{"provisioningState":"Succeeded"}}`)))
	}
	provider, _ := members(own)
	return body{
		provider: newRecord(object(append(head, provider...))).parts,
		index:    newRecord(indexRow(t, shown)).parts,
	}
}

func text(s string) []byte {
	if s == "" {
		return nil
	}
	return quote(s)
}

// indexRow is the row of Resource Graph for a resource: all columns of the
// table, types and resource groups in lower case.
func indexRow(t *template, own []byte) []byte {
	given, _ := members(own)
	get := func(name, missing string) []byte {
		for _, m := range given {
			if m.name == name {
				return m.value
			}
		}
		return []byte(missing)
	}
	kind := t.lower
	if kind == strings.ToLower(groupType) {
		kind = "microsoft.resources/subscriptions/resourcegroups"
	}
	row := []member{
		{"id", []byte(`"{id}"`)},
		{"name", []byte(`"{name}"`)},
		{"type", quote(kind)},
		{"tenantId", []byte(`"{tenant}"`)},
		{"kind", get("kind", `""`)},
		{"location", get("location", `""`)},
		{"resourceGroup", []byte(`"{group}"`)},
		{"subscriptionId", []byte(`"{subscription}"`)},
	}
	if t.table == "resources" || t.table == "resourcecontainers" {
		row = append(row, member{"managedBy", get("managedBy", `""`)}, member{"sku", get("sku", "null")}, member{"plan", get("plan", "null")})
	}
	row = append(row, member{"properties", get("properties", "{}")})
	if t.table == "resources" || t.table == "resourcecontainers" {
		row = append(row, member{"tags", get("tags", "null")}, member{"identity", get("identity", "null")},
			member{"zones", get("zones", "null")}, member{"extendedLocation", get("extendedLocation", "null")})
	}
	return object(row)
}

// expandScope adds the entries of a subscription, or of the tenant (-1).
func (s *Sim) expandScope(ctx context.Context, roots []*template, sub int32) error {
	groups, first := map[string]bool{}, len(s.entries)
	for _, t := range roots {
		if !s.appliesTo(t, sub) {
			continue
		}
		for n := 1; n <= max(t.Count, 1); n++ {
			if err := s.addEntry(ctx, t, sub, -1, int32(n)); err != nil {
				return err
			}
		}
		if t.full == groupType {
			for i := first; i < len(s.entries); i++ {
				if e := &s.entries[i]; e.tmpl == int32(t.number) { //nolint:gosec // templates are few
					groups[strings.ToLower(s.varsOf(int32(i)).name)] = true
				}
			}
		}
	}
	if sub < 0 {
		return nil
	}
	return s.implyGroups(ctx, sub, first, groups)
}

// implyGroups adds the resource groups that the resources of a subscription, the
// first of them given, name and nobody lists.
func (s *Sim) implyGroups(ctx context.Context, sub int32, from int, known map[string]bool) error {
	to := len(s.entries)
	for i := from; i < to; i++ {
		e := &s.entries[i]
		t := s.templates[e.tmpl]
		if e.parent >= 0 || t.At != "" && t.At != "group" || t.full == groupType {
			continue
		}
		v := s.varsOf(int32(i)) //nolint:gosec // bounded by maxEntries
		if known[strings.ToLower(v.group)] {
			continue
		}
		known[strings.ToLower(v.group)] = true
		g, err := s.compileResource(t.path+".group", &Resource{Type: groupType, Name: v.group, Location: v.location}, nil)
		if err != nil {
			return err
		}
		if err := s.addEntry(ctx, g, sub, -1, 1); err != nil {
			return err
		}
	}
	return nil
}

// appliesTo reports whether a template has entries in a subscription (or, -1, at
// the tenant).
func (s *Sim) appliesTo(t *template, sub int32) bool {
	tenantWide := t.At == "tenant" || strings.HasPrefix(t.At, "managementGroup/")
	if strings.HasPrefix(t.At, "/") {
		owner, ok := s.byID[strings.ToLower(subscriptionOf(t.At))]
		if !ok {
			return sub < 0
		}
		return int(sub) == owner
	}
	if sub < 0 || tenantWide {
		return tenantWide && sub < 0
	}
	return matchesAny(t.Subscriptions, s.subs[sub].Name)
}

// subscriptionOf returns the subscription id in an ARM id; empty if it has none.
func subscriptionOf(id string) string {
	rest, ok := strings.CutPrefix(strings.ToLower(id), "/subscriptions/")
	if !ok {
		return ""
	}
	sub, _, _ := strings.Cut(rest, "/")
	return sub
}

func (s *Sim) addEntry(ctx context.Context, t *template, sub, parent, n int32) error {
	if len(s.entries)%1024 == 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if len(s.entries) >= maxEntries {
		return s.org.refuse(t.path, fmt.Sprintf("more than %d resources in all", maxEntries), "")
	}
	i := int32(len(s.entries))                                                                                      //nolint:gosec // bounded by maxEntries
	s.entries = append(s.entries, entry{tmpl: int32(t.number), n: n, ord: s.ordinals[t], sub: sub, parent: parent}) //nolint:gosec // templates are few
	s.ordinals[t]++
	v := s.varsOf(i)
	h := s.hashID(v.id)
	if old, ok := s.index[h]; ok {
		return s.org.refuse(t.path, fmt.Sprintf("two resources have the id %s", v.id), "put {n} or {sub} into the name; the other one is of "+s.templates[s.entries[old].tmpl].full)
	}
	s.index[h] = i
	for _, k := range t.kids {
		for m := 1; m <= max(k.Count, 1); m++ {
			if err := s.addEntry(ctx, k, sub, i, int32(m)); err != nil {
				return err
			}
		}
	}
	s.entries[i].end = int32(len(s.entries)) //nolint:gosec // bounded by maxEntries
	return nil
}

func (s *Sim) hashID(id string) uint64 { return maphash.String(s.hseed, strings.ToLower(id)) }

// varsOf returns the placeholders' values for an entry; id and name are its own.
func (s *Sim) varsOf(i int32) vars {
	e := &s.entries[i]
	t := s.templates[e.tmpl]
	v := vars{n: int(e.n)}
	if e.sub >= 0 {
		v.sub, v.subID = s.subs[e.sub].Name, s.subs[e.sub].ID
	}
	if e.parent >= 0 {
		p := s.varsOf(e.parent)
		v.parent, v.group, v.location = p.id, p.group, p.location
	} else {
		v.parent = s.scopeOf(t, &v)
		v.location = string(s.expand(t.place, &v))
	}
	v.id = v.parent // what a {guid} in the name is made of
	v.name = string(s.expand(t.name, &v))
	switch {
	case t.full == groupType:
		v.group = v.name
		v.id = v.parent + "/resourceGroups/" + v.name
	case t.child:
		v.id = v.parent + alternate(strings.Split(t.Type, "/"), v.name)
	default:
		v.id = join(v.parent, t.full, v.name)
	}
	v.name = v.name[strings.LastIndexByte(v.name, '/')+1:]
	return v
}

// scopeOf is where a resource without a parent stands; it fills v.group.
func (s *Sim) scopeOf(t *template, v *vars) string {
	switch {
	case t.At == "tenant":
		return ""
	case strings.HasPrefix(t.At, "managementGroup/"):
		return managementGroupID(strings.TrimPrefix(t.At, "managementGroup/"))
	case strings.HasPrefix(t.At, "/"):
		return strings.TrimSuffix(t.At, "/")
	case t.At == "subscription" || t.full == groupType:
		return "/subscriptions/" + v.subID
	}
	v.group = string(s.expand(t.group, v))
	return "/subscriptions/" + v.subID + "/resourceGroups/" + v.group
}

// join makes the id of a resource below a scope: types and names alternate.
func join(scope, full, name string) string {
	types := strings.Split(full, "/")
	return scope + "/providers/" + types[0] + alternate(types[1:], name)
}

// alternate puts types and the parts of a name by turns.
func alternate(types []string, name string) string {
	names := strings.SplitN(name, "/", len(types))
	var id strings.Builder
	for i, t := range types {
		id.WriteString("/" + t)
		if i < len(names) {
			id.WriteString("/" + names[i])
		}
	}
	return id.String()
}

// find returns the entry with an id that exists now; -1 if there is none.
func (s *Sim) find(id string) int32 {
	i, ok := s.index[s.hashID(strings.TrimSuffix(id, "/"))]
	if !ok || !s.exists(i) {
		return -1
	}
	return i
}

// exists reports whether an entry, its parents and its subscription do now.
func (s *Sim) exists(i int32) bool {
	now := s.Now()
	for ; i >= 0; i = s.entries[i].parent {
		e := &s.entries[i]
		t := s.templates[e.tmpl]
		if now.Before(t.appears) || !t.ends.IsZero() && !now.Before(t.ends) {
			return false
		}
		for _, c := range t.changes {
			if c.Delete && s.touches(c, e, i) && !now.Before(s.at(c.At)) {
				return false
			}
		}
		if e.sub >= 0 && e.parent < 0 && !s.visible(int(e.sub)) {
			return false
		}
	}
	return true
}

// visible reports whether a subscription exists now.
func (s *Sim) visible(sub int) bool {
	t, now := &s.subs[sub], s.Now()
	if now.Before(s.at(t.Appears)) || t.Ends.set && !now.Before(s.at(t.Ends)) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	last := sub == len(s.subs)-1
	for _, f := range s.faults {
		if !strings.HasPrefix(f.ID, "C17/") || !strings.EqualFold(f.Subscription, t.Name) && (f.Subscription != "" || !last) {
			continue
		}
		if (f.ID == "C17/vanish") == (f.fired > 0) {
			return false
		}
	}
	return true
}

// touches reports whether a change is of an entry.
func (s *Sim) touches(c *Change, e *entry, i int32) bool {
	if c.ID != "" {
		return s.index[s.hashID(c.ID)] == i
	}
	if e.sub >= 0 && !matchesAny(c.Subscriptions, s.subs[e.sub].Name) {
		return false
	}
	return (int(e.ord)-c.From)%max(c.Every, 1) == 0 && int(e.ord) >= c.From
}

// attachChanges gives each template the changes that are of its resources.
func (s *Sim) attachChanges() error {
	for i := range s.org.Changes {
		c := &s.org.Changes[i]
		bad := func(what string) error { return s.org.refuse(at("changes", i), what, "") }
		if !c.At.set || c.ID == "" && c.Type == "" {
			return bad("a change needs at, and id or type")
		}
		if c.ID != "" {
			c.ID = s.resolveScope(c.ID)
			at, ok := s.index[s.hashID(c.ID)]
			if !ok {
				return bad("there is no resource " + c.ID)
			}
			t := s.templates[s.entries[at].tmpl]
			t.changes = append(t.changes, c)
			continue
		}
		found := false
		for _, t := range s.templates {
			if t.lower == strings.ToLower(c.Type) {
				t.changes = append(t.changes, c)
				found = true
			}
		}
		if !found {
			return bad("there is no resource of type " + c.Type)
		}
	}
	return nil
}

// resolveScope replaces names in a scope: subscription/NAME and
// managementGroup/NAME become ids, at the beginning.
func (s *Sim) resolveScope(scope string) string {
	if rest, ok := strings.CutPrefix(scope, "managementGroup/"); ok {
		if strings.EqualFold(rest, "root") {
			rest = s.org.Tenant.ID
		}
		return managementGroupID(rest)
	}
	if rest, ok := strings.CutPrefix(scope, "subscription/"); ok {
		name, tail := rest, ""
		if i := strings.IndexAny(rest, "/*"); i >= 0 { // a path, or a pattern
			name, tail = rest[:i], rest[i:]
		}
		for i := range s.subs {
			if strings.EqualFold(s.subs[i].Name, name) {
				return strings.TrimSuffix("/subscriptions/"+s.subs[i].ID+tail, "/")
			}
		}
	}
	return scope
}

// provider appends an entry's JSON as its resource provider shows it.
func (s *Sim) provider(b []byte, i int32) []byte {
	v := s.varsOf(i)
	text := s.current(s.expand(s.bodyOf(i).provider, &v), i)
	if blob := s.archiveEndpoint(i); blob != nil {
		text = merge(text, blob)
	}
	return append(b, text...)
}

// row appends an entry's row of Resource Graph.
func (s *Sim) row(b []byte, i int32) []byte {
	v := s.varsOf(i)
	v.group = strings.ToLower(v.group)
	return append(b, s.current(s.expand(s.bodyOf(i).index, &v), i)...)
}

func (s *Sim) bodyOf(i int32) *body {
	e := &s.entries[i]
	t := s.templates[e.tmpl]
	for j := range t.Variants {
		v := &t.Variants[j]
		if int(e.ord) >= v.From && (int(e.ord)-v.From)%v.Every == 0 {
			return &t.bodies[j+1]
		}
	}
	return &t.bodies[0]
}

// current applies what has changed up to now.
func (s *Sim) current(text []byte, i int32) []byte {
	e := &s.entries[i]
	t := s.templates[e.tmpl]
	now := s.Now()
	for _, c := range t.changes {
		if c.Merge != nil && !now.Before(s.at(c.At)) && s.touches(c, e, i) {
			v := s.varsOf(i)
			text = merge(text, s.render(c.Merge, &v))
		}
	}
	s.mu.Lock()
	overlays := s.overlays
	s.mu.Unlock()
	for _, o := range overlays {
		if o.kind == "" || strings.EqualFold(o.kind, t.full) {
			text = merge(bytes.Clone(text), o.patch)
		}
	}
	return text
}
