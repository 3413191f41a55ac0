// SPDX-License-Identifier: Apache-2.0

package template

import (
	"strings"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// idOf is the ARM id of a resource of the plan: as the provider knows it, or
// composed as the provider will.
func (p *plan) idOf(r *planned) (id string, certain bool) {
	if r.id != "" {
		return r.id, r.certain
	}
	if v := r.after.Get("id"); v.Kind() == armexpr.String && strings.HasPrefix(v.Str(), "/") {
		r.id, r.certain = strings.TrimRight(v.Str(), "/"), true
		return r.id, true
	}
	if r.resolving {
		return "/providers/terraform/" + r.typ + "/" + escapeName(r.address), false
	}
	r.resolving = true
	defer func() { r.resolving = false }()
	switch {
	case r.typ == "azapi_resource" || r.typ == "azapi_update_resource":
		r.id, r.certain = p.azapiID(r)
	case len(azurerm()[r.typ]) > 0 && azurerm()[r.typ][0].patches == "":
		r.id, r.certain = p.sectionID(r, azurerm()[r.typ][0])
	default:
		r.id = "/providers/terraform/" + r.typ + "/" + escapeName(r.address)
	}
	return r.id, r.certain
}

func (p *plan) azapiID(r *planned) (string, bool) {
	if v := r.after.Get("resource_id"); v.Kind() == armexpr.String && strings.HasPrefix(v.Str(), "/") {
		return v.Str(), true
	}
	typ, _, _ := strings.Cut(r.after.Get("type").Text(), "@")
	name, sure := p.text(r, "name", 0)
	parent, sureParent := p.text(r, "parent_id", 0)
	if !strings.HasPrefix(parent, "/") {
		parent, sureParent = p.groupID(parent), false
	}
	return below(parent, typ, name), sure && sureParent
}

// below composes the id of a resource of a type below a parent: a child if the
// parent is of the type above, else a resource or extension in the parent.
func below(parent, typ, name string) string {
	cut := strings.LastIndexByte(typ, '/')
	name = escapeName(name)
	low := strings.ToLower(typ)
	switch {
	case low == "microsoft.resources/resourcegroups":
		return subscriptionPart(parent) + "/resourceGroups/" + name
	case cut > 0 && strings.EqualFold(typeOf(parent), typ[:cut]):
		return parent + typ[cut:] + "/" + name
	case strings.Count(typ, "/") == 1:
		return strings.TrimRight(parent, "/") + "/providers/" + typ + "/" + name
	}
	types := strings.Split(typ, "/")
	var id strings.Builder
	id.WriteString(parent + "/providers/" + types[0])
	for _, t := range types[1 : len(types)-1] {
		id.WriteString("/" + t + "/{" + t + "}")
	}
	return id.String() + "/" + types[len(types)-1] + "/" + name
}

// groupID is the id of a resource group by its name.
func (p *plan) groupID(name string) string {
	s := scopeOf(p.x.o, groupLevel)
	if name != "" {
		s.group = escapeName(name)
	}
	return s.prefix()
}

// text is an attribute as text. What is known only after apply is traced to
// the resource that it comes from, else stands in as {address.attribute}.
func (p *plan) text(r *planned, attr string, depth int) (text string, certain bool) {
	v := r.after.Get(attr)
	if v.Kind() == armexpr.String || v.Kind() == armexpr.Int {
		return v.Text(), true
	}
	if depth < 8 && (v.Kind() == armexpr.Unobserved || v.Kind() == armexpr.Absent) {
		if target, name := p.reference(r, attr); target != nil {
			if name == "id" {
				return p.idOf(target)
			}
			return p.text(target, name, depth+1)
		}
	}
	return "{" + escapeName(r.address) + "." + attr + "}", false
}

// reference finds the resource and attribute that an attribute of r refers to.
func (p *plan) reference(r *planned, attr string) (*planned, string) {
	config := p.configOf(r)
	return p.follow(r.module, config.Get("expressions").Get(attr), r.index, 0)
}

// configOf is a resource's place in the configuration.
func (p *plan) configOf(r *planned) jsontape.Value {
	for c := range p.moduleConfig(r.module).Get("resources").Elems() {
		if c.Get("address").Str() == r.typ+"."+r.name {
			return c
		}
	}
	return jsontape.Value{}
}

// moduleConfig walks down the module calls of an address.
func (p *plan) moduleConfig(module string) jsontape.Value {
	m := p.config
	parts := strings.Split(withoutKeys(module), ".")
	for i := 0; i+1 < len(parts); i += 2 {
		m = m.Get("module_calls").Get(parts[i+1]).Get("module")
	}
	return m
}

// follow goes from an expression through variables and outputs of modules to
// the attribute of a resource. Only an expression that names one resource is
// followed: of several, nobody knows which.
func (p *plan) follow(module string, expression jsontape.Value, index string, depth int) (*planned, string) {
	if depth > MaxDepth {
		return nil, ""
	}
	ref := ""
	for e := range expression.Get("references").Elems() {
		s := e.Str()
		switch {
		case ref == "" || extends(s, ref):
			ref = s
		case s != ref && !extends(ref, s) && !strings.HasPrefix(s, "each.") && !strings.HasPrefix(s, "count."):
			return nil, ""
		}
	}
	parts := strings.Split(withoutKeys(ref), ".")
	switch {
	case parts[0] == "var" && len(parts) >= 2 && module != "":
		outer, call := cutModule(module)
		return p.follow(outer, p.moduleConfig(outer).Get("module_calls").Get(call).Get("expressions").Get(parts[1]), index, depth+1)
	case parts[0] == "module" && len(parts) >= 3:
		inner := strings.TrimPrefix(module+".module."+parts[1], ".")
		return p.follow(inner, p.moduleConfig(inner).Get("outputs").Get(parts[2]).Get("expression"), index, depth+1)
	case len(parts) < 3 || parts[0] == "data" || parts[0] == "local" || parts[0] == "path":
		return nil, ""
	}
	list := p.byName[withoutKeys(module)+"\x00"+parts[0]+"."+parts[1]]
	key := index
	if i, j := strings.IndexByte(ref, '['), strings.IndexByte(ref, ']'); i >= 0 && j > i {
		key = ref[i+1 : j]
	}
	for _, t := range list {
		if len(list) == 1 || t.index == key {
			return t, parts[2]
		}
	}
	return nil, ""
}

// extends reports whether a reference goes on where another ends.
func extends(long, short string) bool {
	return len(long) > len(short) && strings.HasPrefix(long, short) && (long[len(short)] == '.' || long[len(short)] == '[')
}

// cutModule splits the last call off a module's address.
func cutModule(module string) (outer, call string) {
	module = withoutKeys(module)
	i := strings.LastIndex(module, "module.")
	if i < 0 {
		return "", module
	}
	return strings.TrimSuffix(module[:i], "."), module[i+len("module."):]
}
