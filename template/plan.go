// SPDX-License-Identifier: Apache-2.0

package template

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// planned is one resource of a Terraform plan.
type planned struct {
	address, module, typ, name string
	index                      string // JSON text of the instance key; empty without count and for_each
	after                      armexpr.Value
	place                      Place
	id                         string
	certain, resolving         bool
}

// plan is a Terraform plan that is being expanded.
type plan struct {
	x         *expander
	doc       *document
	resources []*planned
	// byName lists the instances of a resource by its address without keys.
	byName map[string][]*planned
	config jsontape.Value
}

// plan expands a Terraform plan.
func (x *expander) plan(d *document) {
	p := &plan{x: x, doc: d, byName: map[string][]*planned{}, config: d.root.Get("configuration").Get("root_module")}
	if changes := d.root.Get("resource_changes"); changes.Exists() {
		for c := range changes.Elems() {
			p.change(c)
		}
	} else {
		values := d.root.Get("planned_values")
		if !values.Exists() {
			values = d.root.Get("values")
		}
		p.module(values.Get("root_module"), 0)
	}
	if b, ok := d.root.Get("errored").Bool(); ok && b {
		x.problem(d, d.root.Get("errored").Offset(), "", "Terraform stopped with an error while it made this plan; resources may be missing", "run `terraform plan` until it succeeds")
	}
	for _, r := range p.resources {
		if len(x.resources) >= MaxResources {
			x.problem(d, r.place.Off, "", fmt.Sprintf("the plan has more than %d resources; the rest is left out", MaxResources), "")
			break
		}
		p.expand(r)
	}
	for _, r := range p.resources {
		p.patch(r)
	}
}

// change takes a resource from resource_changes, unless it is read only or goes.
func (p *plan) change(c jsontape.Value) {
	if m := c.Get("mode").Str(); m != "" && m != "managed" {
		return
	}
	ch := c.Get("change")
	stays := false
	for a := range ch.Get("actions").Elems() {
		switch a.Str() {
		case "create", "update", "no-op":
			stays = true
		}
	}
	if !stays || ch.Get("after").Kind() != jsontape.Object {
		return
	}
	p.add(c, ch.Get("after"), ch.Get("after_unknown"), ch.Get("after_sensitive"))
}

// module takes the resources of planned_values, where what is unknown is left out.
func (p *plan) module(m jsontape.Value, depth int) {
	if depth > MaxDepth*4 {
		return
	}
	for r := range m.Get("resources").Elems() {
		if mode := r.Get("mode").Str(); mode == "" || mode == "managed" {
			p.add(r, r.Get("values"), jsontape.Value{}, r.Get("sensitive_values"))
		}
	}
	for c := range m.Get("child_modules").Elems() {
		p.module(c, depth+1)
	}
}

func (p *plan) add(c, after, unknown, sensitive jsontape.Value) {
	if !p.x.spend(p.doc, c, 1+after.Weight()) {
		return
	}
	r := &planned{
		address: c.Get("address").Str(), typ: c.Get("type").Str(), name: c.Get("name").Str(),
		place: p.doc.place(c), after: merged(after, unknown, sensitive),
	}
	if i := c.Get("index"); i.Exists() {
		r.index = string(i.Raw())
	}
	if r.typ == "" || r.address == "" {
		p.x.problem(p.doc, c.Offset(), r.address, "the resource has no type or no address", "")
		return
	}
	r.module = moduleOf(r.address, r.typ)
	p.resources = append(p.resources, r)
	key := withoutKeys(r.module) + "\x00" + r.typ + "." + r.name
	p.byName[key] = append(p.byName[key], r)
}

// moduleOf is the module part of an address, without the trailing dot.
func moduleOf(address, typ string) string {
	i := strings.LastIndex(address, typ+".")
	if found := strings.Contains(address, "["); !strings.HasPrefix(address, "module.") && found {
		return ""
	}
	if i <= 0 {
		return ""
	}
	return strings.TrimSuffix(address[:i], ".")
}

// withoutKeys drops the instance keys from an address: a[0].b["x"] is a.b.
func withoutKeys(address string) string {
	var b strings.Builder
	depth, quoted := 0, false
	for i := 0; i < len(address); i++ {
		switch c := address[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[':
			depth++
		case c == ']':
			depth--
		case depth == 0:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// merged joins the three parallel trees of a change into one value.
func merged(after, unk, sensitive jsontape.Value) armexpr.Value {
	if b, ok := unk.Bool(); ok && b {
		return unknown("known after apply")
	}
	if b, ok := sensitive.Bool(); ok && b && after.Kind() != jsontape.Null && after.Kind() != jsontape.Absent {
		return armexpr.UnobservedValue(redacted + ":sensitive")
	}
	switch after.Kind() {
	case jsontape.Object:
		var out []armexpr.Member
		for name, m := range after.Members() {
			out = append(out, armexpr.Member{Name: name, Value: merged(m, unk.Get(name), sensitive.Get(name))})
		}
		for name, m := range unk.Members() {
			if after.Get(name).Kind() == jsontape.Absent && anyTrue(m) {
				out = append(out, armexpr.Member{Name: name, Value: unknown("known after apply")})
			}
		}
		return armexpr.ObjectValue(out)
	case jsontape.Array:
		var out []armexpr.Value
		i := 0
		for e := range after.Elems() {
			out = append(out, merged(e, unk.Index(i), sensitive.Index(i)))
			i++
		}
		for ; i < unk.Len(); i++ {
			out = append(out, unknown("known after apply"))
		}
		return armexpr.ArrayValue(out)
	case jsontape.Absent, jsontape.Null, jsontape.False, jsontape.True, jsontape.Number, jsontape.String, jsontape.Unobserved:
	}
	if anyTrue(unk) {
		return unknown("known after apply")
	}
	return armexpr.FromTape(after)
}

func anyTrue(v jsontape.Value) bool {
	if b, ok := v.Bool(); ok {
		return b
	}
	for e := range v.Elems() {
		if anyTrue(e) {
			return true
		}
	}
	for _, m := range v.Members() {
		if anyTrue(m) {
			return true
		}
	}
	return false
}

// expand turns a resource of the plan into Azure resources.
func (p *plan) expand(r *planned) {
	switch {
	case r.typ == "azapi_resource" || r.typ == "azapi_update_resource":
		p.azapi(r)
		return
	case azurerm()[r.typ] != nil:
		for _, s := range azurerm()[r.typ] {
			if s.patches == "" {
				p.mapped(r, s)
			}
		}
		return
	}
	note := Note{Place: r.place, Object: r.address, What: "the type " + r.typ + " has no mapping"}
	p.x.notMapped = append(p.x.notMapped, note)
	if !strings.HasPrefix(r.typ, "azurerm_") && !strings.HasPrefix(r.typ, "azapi_") {
		return // another provider's: not a resource of Azure
	}
	// The resource stays in the population, under a type that no rule knows.
	typ := "terraform/" + r.typ
	id := "/providers/" + typ + "/" + escapeName(r.address)
	identity := []armexpr.Member{{Name: "id", Value: armexpr.StringValue(id)}, {Name: "name", Value: armexpr.StringValue(escapeName(r.address))}, {Name: "type", Value: armexpr.StringValue(typ)}}
	why := planTime + ":the type has no mapping"
	p.x.resources = append(p.x.resources, &resource{id: id, typ: typ, certain: true, absent: why, place: r.place, object: identityOnly(identity, why)})
}

func escapeName(s string) string { return strings.ReplaceAll(s, "/", "%2F") }

// azapi takes an azapi resource as it is: its body is the object.
func (p *plan) azapi(r *planned) {
	typ, api, _ := strings.Cut(r.after.Get("type").Text(), "@")
	if r.after.Get("type").Kind() != armexpr.String || !strings.Contains(typ, "/") {
		p.x.problem(p.doc, r.place.Off, r.address, "the azapi resource has no type such as Microsoft.Storage/storageAccounts@2023-01-01", "")
		return
	}
	id, certain := p.idOf(r)
	if t := typeOf(id); t != "" {
		typ = t
	}
	name := armexpr.StringValue(lastName(id))
	if n := r.after.Get("name"); n.Kind() == armexpr.Unobserved {
		name = n
	}
	members := []armexpr.Member{{Name: "id", Value: armexpr.StringValue(id)}, {Name: "name", Value: name}, {Name: "type", Value: armexpr.StringValue(typ)}}
	if api != "" {
		members = append(members, armexpr.Member{Name: "apiVersion", Value: armexpr.StringValue(api)})
	}
	open := ""
	if s := r.after.Get("sensitive_body"); s.Kind() != armexpr.Absent && s.Kind() != armexpr.Null {
		open = redacted + ":sensitive_body"
	}
	if r.typ == "azapi_update_resource" {
		open = planTime + ":the rest of the resource exists already"
	} else {
		for _, m := range []string{"location", "tags"} {
			if v := r.after.Get(m); v.Kind() != armexpr.Absent && v.Kind() != armexpr.Null {
				members = append(members, armexpr.Member{Name: m, Value: v})
			}
		}
		if v := identityBlock(r.after.Get("identity")); v.Kind() != armexpr.Null && v.Kind() != armexpr.Absent {
			members = append(members, armexpr.Member{Name: "identity", Value: v})
		}
	}
	body := p.body(r)
	if body.Kind() == armexpr.Unobserved {
		open = body.Reason()
		members = append(members, armexpr.Member{Name: "properties", Value: body})
	}
	object := armexpr.ObjectValue(members)
	for _, m := range body.Members() {
		if !notContent[strings.ToLower(m.Name)] || strings.EqualFold(m.Name, "scope") {
			object = with(object, m.Name, m.Value)
		}
	}
	if !has(object, "properties") {
		object = with(object, "properties", armexpr.ObjectValue(nil))
	}
	if open != "" {
		object = opened(object, open)
	}
	p.x.resources = append(p.x.resources, &resource{id: id, typ: typ, certain: certain, place: r.place, object: object})
}

// body reads an azapi body: an object, or its JSON text in older versions.
func (p *plan) body(r *planned) armexpr.Value {
	b := r.after.Get("body")
	switch b.Kind() {
	case armexpr.Object, armexpr.Unobserved:
		return b
	case armexpr.Absent, armexpr.Null:
		return armexpr.ObjectValue(nil)
	case armexpr.String:
		t, err := jsontape.Parse([]byte(b.Str()), jsontape.Options{})
		if err == nil && t.Root().Kind() == jsontape.Object {
			return armexpr.FromTape(t.Root())
		}
		p.x.problem(p.doc, r.place.Off, r.address, "the body of the azapi resource is not the text of a JSON object", "")
		return broken()
	case armexpr.Bool, armexpr.Int, armexpr.Float, armexpr.Array:
	}
	p.x.problem(p.doc, r.place.Off, r.address, "the body of the azapi resource is not an object", "")
	return broken()
}

// opened marks an object and all objects inside as open.
func opened(v armexpr.Value, why string) armexpr.Value {
	switch v.Kind() {
	case armexpr.Object:
		var out []armexpr.Member
		for _, m := range v.Members() {
			out = append(out, armexpr.Member{Name: m.Name, Value: opened(m.Value, why)})
		}
		return armexpr.OpenObjectValue(out, why)
	case armexpr.Array:
		out := slices.Clone(v.List())
		for i, e := range out {
			out[i] = opened(e, why)
		}
		return armexpr.OpenArrayValue(out, v.OpenReason())
	default:
		return v
	}
}

// identityBlock turns Terraform's identity block into ARM's identity object.
func identityBlock(v armexpr.Value) armexpr.Value {
	if v.Kind() == armexpr.Array {
		if v.Len() == 0 {
			return armexpr.NullValue()
		}
		v = v.List()[0]
	}
	if v.Kind() != armexpr.Object {
		return v
	}
	out := []armexpr.Member{{Name: "type", Value: v.Get("type")}, {Name: "principalId", Value: unknown("identity.principalId")}, {Name: "tenantId", Value: unknown("identity.tenantId")}}
	ids := v.Get("identity_ids")
	if ids.Kind() == armexpr.Unobserved {
		out = append(out, armexpr.Member{Name: "userAssignedIdentities", Value: ids})
	}
	if ids.Kind() == armexpr.Array && ids.Len() > 0 {
		var list []armexpr.Member
		open := ids.OpenReason()
		for _, id := range ids.List() {
			if id.Kind() == armexpr.String {
				list = append(list, armexpr.Member{Name: id.Str(), Value: armexpr.ObjectValue(nil)})
			} else {
				open = planTime + ":known after apply"
			}
		}
		out = append(out, armexpr.Member{Name: "userAssignedIdentities", Value: armexpr.OpenObjectValue(list, open)})
	}
	return armexpr.ObjectValue(out)
}
