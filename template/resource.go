// SPDX-License-Identifier: Apache-2.0

package template

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// notContent are the members of a resource in a template, lower case, that are
// not part of the deployed object: the language's own, and what identifies it.
var notContent = map[string]bool{
	"id": true, "name": true, "type": true, "scope": true, "condition": true, "copy": true, "dependson": true, "comments": true,
	"resources": true, "existing": true, "asserts": true, "import": true, "extension": true, "metadata": true,
	"subscriptionid": true, "resourcegroup": true, "@options": true,
}

// template expands an ARM template.
func (x *expander) template(d *document) {
	l, ok := levelOf(d.root)
	if !ok {
		x.problem(d, d.root.Get("$schema").Offset(), "", "the $schema is not one of a deployment template", "take it for a template of a resource group")
	}
	name := unknown("deployment().name")
	if x.o.Deployment != "" {
		name = armexpr.StringValue(x.o.Deployment)
	}
	f := x.newFrame(d, d.root, scopeOf(x.o, l), name, 0)
	values := map[string]*given{}
	if len(x.o.Parameters) > 0 {
		p, err := parse(x.o.ParametersName, x.o.Parameters)
		if err != nil {
			x.problem(&document{name: x.o.ParametersName}, -1, "", err.Error(), "")
		} else {
			values = x.parametersFile(p)
		}
	}
	f.bind(values, "the parameters file")
	x.run(f, &view{f: f})
	f.checkVariables()
}

// run produces the resources of a template. What its expressions see is w: the
// template itself, or with outer evaluation the one around it.
func (x *expander) run(f *frame, w *view) {
	x.list(f, w, f.root.Get("resources"), nil)
}

// family is the resource around nested ones.
type family struct {
	typ, id string
	depth   int
	certain bool
	absent  string
}

func (x *expander) list(f *frame, w *view, list jsontape.Value, parent *family) {
	switch list.Kind() {
	case jsontape.Array:
		for r := range list.Elems() {
			x.resource(f, w, "", r, parent)
		}
	case jsontape.Object:
		for name, r := range list.Members() {
			x.resource(f, w, name, r, parent)
		}
	case jsontape.Absent, jsontape.Null:
	case jsontape.False, jsontape.True, jsontape.Number, jsontape.String, jsontape.Unobserved:
		x.problem(f.doc, list.Offset(), "", fmt.Sprintf("resources must be an array or an object, not %v", list.Kind()), "")
	}
}

// resource expands one resource of the template: none, one, or one per round
// of its loop.
func (x *expander) resource(f *frame, w *view, symbol string, r jsontape.Value, parent *family) {
	if r.Kind() != jsontape.Object {
		x.problem(f.doc, r.Offset(), symbol, fmt.Sprintf("a resource must be an object, not %v", r.Kind()), "")
		return
	}
	if b, _ := r.Get("existing").Bool(); b {
		return
	}
	if r.Get("import").Exists() || r.Get("extension").Exists() {
		x.notMapped = append(x.notMapped, Note{Place: f.doc.place(r), Object: r.Get("type").Str(), What: "the resource belongs to an extension, not to Resource Manager"})
		return
	}
	if r.Get("type").Kind() != jsontape.String || r.Get("name").Kind() == jsontape.Absent {
		x.problem(f.doc, r.Offset(), symbol, "the resource has no type or no name", "")
		return
	}
	c := r.Get("copy")
	if c.Kind() == jsontape.Absent {
		x.one(f, w, symbol, r, parent, "")
		return
	}
	name := strings.ToLower(c.Get("name").Str())
	if c.Kind() != jsontape.Object || name == "" {
		x.problem(f.doc, c.Offset(), symbol, "the copy loop of a resource must be an object with name and count", "")
		return
	}
	n, why := w.count(c)
	if why != "" {
		x.one(f, w.with(loop{name: name, resource: true, unknown: why}), symbol, r, parent, why)
		return
	}
	for i := range n {
		if !x.spend(f.doc, r, 1) {
			return
		}
		x.one(f, w.with(loop{name: name, index: i, resource: true}), symbol, r, parent, "")
	}
}

// condition evaluates a resource's condition: whether to leave the resource
// out, and why it is not known to be deployed.
func (w *view) condition(r jsontape.Value) (out bool, absent string) {
	src := r.Get("condition")
	if src.Kind() == jsontape.Absent {
		return false, ""
	}
	v := w.value(src)
	if s := strings.ToLower(v.Str()); v.Kind() == armexpr.String && (s == "true" || s == "false") {
		v = armexpr.BoolValue(s == "true")
	}
	switch v.Kind() {
	case armexpr.Bool:
		return !v.Bool(), ""
	case armexpr.Unobserved:
		return false, v.Reason()
	}
	w.complain(src, fmt.Sprintf("a condition must be true or false, not %s", v.Kind()))
	return false, failed + ":condition"
}

// one produces a single resource, with the resources nested in it.
func (x *expander) one(f *frame, w *view, symbol string, r jsontape.Value, parent *family, absent string) {
	if len(x.resources) >= MaxResources {
		x.problem(f.doc, r.Offset(), "", fmt.Sprintf("the template expands to more than %d resources; the rest is left out", MaxResources), "split the deployment")
		return
	}
	out, why := w.condition(r)
	if absent == "" {
		absent = why
	}
	fam, ok := x.identity(f, w, symbol, r, parent)
	if !ok {
		return
	}
	fam.absent = absent
	if isDeployment(fam.typ) {
		if !out {
			x.deployment(f, w, r, fam)
		}
		return
	}
	if !out {
		x.produce(f, w, r, fam)
	}
	// A condition does not reach the resources nested inside: each has its own.
	if fam.depth < maxChildDepth {
		x.list(f, w, r.Get("resources"), &fam)
	} else if r.Get("resources").Exists() {
		x.problem(f.doc, r.Get("resources").Offset(), fam.id, fmt.Sprintf("resources are nested deeper than %d levels", maxChildDepth), "")
	}
}

func isDeployment(typ string) bool {
	return strings.EqualFold(typ, "Microsoft.Resources/deployments")
}

// identity finds a resource's type and id.
func (x *expander) identity(f *frame, w *view, symbol string, r jsontape.Value, parent *family) (family, bool) {
	typ := w.value(r.Get("type")).Str()
	if typ == "" {
		x.notMapped = append(x.notMapped, Note{Place: w.f.doc.place(r), Object: cmp.Or(symbol, "a resource"), What: "its type is known only after deployment"})
		return family{}, false
	}
	typ, _, _ = strings.Cut(typ, "@")
	name, certain := w.named(r.Get("name"), symbol)
	fam := family{typ: typ, certain: certain}
	under, known := w.underScope(r, f.scope)
	fam.certain = fam.certain && known
	if parent != nil {
		fam.depth = parent.depth + 1
		fam.certain = certain && parent.certain
		full, own := childType(parent.typ, typ)
		switch {
		case own: // an extension of the parent that has a namespace of its own
			under = parent.id
		case strings.HasPrefix(strings.ToLower(typ), strings.ToLower(parent.typ)+"/") && strings.Count(name, "/") == strings.Count(typ, "/")-1:
			// written out in full: the name names the parent already
		default:
			id, err := childID(parent.id, full[len(parent.typ)+1:], name)
			if err != nil {
				x.problem(f.doc, r.Get("name").Offset(), name, err.Error(), "")
				return fam, false
			}
			fam.typ, fam.id = full, id
		}
	}
	if fam.id != "" {
		return fam, true
	}
	id, err := compose(under, typ, name)
	if err != nil && !certain { // a stand-in of too few parts
		parts := strings.Count(typ, "/")
		id, err = compose(under, typ, strings.Join(padded(strings.ReplaceAll(name, "/", "-"), parts), "/"))
	}
	if err != nil {
		x.problem(f.doc, r.Get("name").Offset(), name, err.Error(), "")
		return fam, false
	}
	fam.id = id
	return fam, true
}

func padded(name string, parts int) []string {
	out := make([]string, max(parts, 1))
	for i := range out {
		out[i] = "{parent}"
	}
	out[len(out)-1] = name
	return out
}

// childType is the full type of a resource nested in one of type parent, and
// whether it is an extension with a namespace of its own.
func childType(parent, typ string) (full string, extension bool) {
	ns, _, ok := strings.Cut(typ, "/")
	switch {
	case strings.HasPrefix(strings.ToLower(typ), strings.ToLower(parent)+"/"):
		return typ, false
	case ok && strings.Contains(ns, "."):
		return typ, true
	}
	return parent + "/" + typ, false
}

// childID puts type and name segments below a parent's id, in turns.
func childID(parent, typ, name string) (string, error) {
	types, names := strings.Split(typ, "/"), strings.Split(name, "/")
	if len(types) != len(names) {
		return "", fmt.Errorf("the name %q has %d parts between slashes, but the nested type %s needs %d", name, len(names), typ, len(types))
	}
	for i := range types {
		if names[i] == "" || types[i] == "" {
			return "", fmt.Errorf("the name %q has an empty part", name)
		}
		parent += "/" + types[i] + "/" + names[i]
	}
	return parent, nil
}

// named evaluates a name; where it is not known, a stand-in names the resource.
func (w *view) named(src jsontape.Value, symbol string) (name string, certain bool) {
	v := w.value(src)
	if v.Kind() == armexpr.String && v.Str() != "" {
		return v.Str(), true
	}
	if v.Kind() == armexpr.Int {
		return v.Text(), true
	}
	if v.Kind() != armexpr.Unobserved {
		w.complain(src, "the name of a resource must be a string that is not empty")
	}
	if s := w.standing().value(src); s.Kind() == armexpr.String && s.Str() != "" {
		return s.Str(), false
	}
	if symbol == "" {
		symbol = fmt.Sprintf("line%d", w.f.doc.place(src).Line)
	}
	for _, l := range w.loops {
		symbol += fmt.Sprintf("-%d", l.index)
	}
	return "{" + symbol + "}", false
}

// underScope is the id that a resource lies under: the template's scope, or
// what its scope member names. certain says that no guess is in it.
func (w *view) underScope(r jsontape.Value, s scope) (id string, certain bool) {
	src := r.Get("scope")
	if src.Kind() != jsontape.String {
		return s.prefix(), !s.guessed
	}
	if v := w.value(src); v.Kind() == armexpr.String {
		return s.resolveScope(v.Str()), !s.guessed || strings.HasPrefix(v.Str(), "/")
	}
	if t := w.standing().value(src); t.Kind() == armexpr.String {
		return s.resolveScope(t.Str()), false
	}
	return s.prefix() + "/providers/Microsoft.Unknown/scopes/{scope}", false
}

// produce evaluates a resource's content and keeps the resource.
func (x *expander) produce(f *frame, w *view, r jsontape.Value, fam family) {
	res := &resource{id: fam.id, typ: typeOf(fam.id), certain: fam.certain, absent: fam.absent, place: w.f.doc.place(r), frame: f}
	if res.typ == "" {
		res.typ = fam.typ
	}
	name := armexpr.StringValue(lastName(fam.id))
	if !fam.certain {
		if v := w.value(r.Get("name")); v.Kind() == armexpr.Unobserved {
			name = v
		}
	}
	members := []armexpr.Member{{Name: "id", Value: armexpr.StringValue(res.id)}, {Name: "name", Value: name}, {Name: "type", Value: armexpr.StringValue(res.typ)}}
	if fam.absent != "" { // what is not deployed is not evaluated either
		x.note(Note{Place: res.place, Object: res.id, What: "whether the resource is deployed is known only then: " + detailOf(fam.absent)})
		res.object = uncertain(members, fam.absent)
	} else {
		content := w.object(r, notContent)
		members = append(members, content.Members()...)
		res.object = armexpr.OpenObjectValue(members, content.OpenReason())
		if !has(res.object, "properties") {
			res.object = with(res.object, "properties", armexpr.ObjectValue(nil))
		}
	}
	x.resources = append(x.resources, res)
}

// detailOf is the part of a marker that tells a person what is not known.
func detailOf(marker string) string {
	if _, d := reasonOf(marker); d != "" {
		return d
	}
	return marker
}

// identityOnly is an object of which nothing is known but its identity.
func identityOnly(identity []armexpr.Member, why string) armexpr.Value {
	out := append(slices.Clone(identity), armexpr.Member{Name: "properties", Value: armexpr.UnobservedValue(why)})
	return armexpr.OpenObjectValue(out, why)
}

// uncertain is an object of which not even the existence is known.
func uncertain(identity []armexpr.Member, why string) armexpr.Value {
	return with(identityOnly(identity, why), UncertainMember, armexpr.UnobservedValue(why))
}
