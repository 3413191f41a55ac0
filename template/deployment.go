// SPDX-License-Identifier: Apache-2.0

package template

import (
	"fmt"
	"path"
	"strings"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// deployment expands a nested or linked deployment.
func (x *expander) deployment(f *frame, w *view, r jsontape.Value, fam family) {
	if f.depth+1 > MaxDepth {
		x.problem(f.doc, r.Offset(), fam.id, fmt.Sprintf("deployments are nested deeper than %d levels", MaxDepth), "")
		return
	}
	if x.frames++; x.frames > maxFrames {
		if x.frames == maxFrames+1 {
			x.problem(f.doc, r.Offset(), fam.id, fmt.Sprintf("there are more than %d nested deployments; the rest is left out", maxFrames), "look for a template that links to itself")
		}
		return
	}
	target, ok := w.target(r, f.scope)
	if !ok {
		x.problem(f.doc, r.Offset(), fam.id, "the scope of the deployment is no tenant, management group, subscription or resource group", "")
		return
	}
	props := r.Get("properties")
	d, root := w.f.doc, props.Get("template")
	if root.Kind() == jsontape.String { // the template is the value of a variable or parameter
		d, root = w.computed(root)
	}
	outer := root.Kind() == jsontape.Object && d == w.f.doc && !strings.EqualFold(props.Get("expressionEvaluationOptions").Get("scope").Str(), "inner")
	if root.Kind() == jsontape.Unobserved || d == nil {
		x.unresolved(w, r, fam, "it is computed from what is known only after deployment")
		return
	}
	if root.Kind() != jsontape.Object {
		linked, why := x.linked(w, props.Get("templateLink"))
		if linked == nil {
			x.unresolved(w, r, fam, why)
			return
		}
		d, root = linked, linked.root
	}
	if l, known := levelOf(root); known && root.Get("$schema").Kind() == jsontape.String && r.Get("scope").Kind() == jsontape.Absent && r.Get("resourceGroup").Kind() == jsontape.Absent {
		target.level = narrower(l, target.level)
	}
	name := armexpr.StringValue(lastName(fam.id))
	if !fam.certain {
		name = w.value(r.Get("name"))
	}
	before := len(x.resources)
	if outer {
		// Expressions see what the enclosing template sees; only ids differ.
		in := x.newFrame(d, root, target, name, f.depth+1)
		x.run(in, w)
	} else {
		in := x.newFrame(d, root, target, name, f.depth+1)
		in.bind(x.handed(w, props), "the deployment")
		x.run(in, &view{f: in})
		in.checkVariables()
	}
	if fam.absent != "" {
		for _, res := range x.resources[before:] {
			if res.absent == "" {
				res.absent = fam.absent
				members := res.object.Members()
				res.object = uncertain(members[:min(3, len(members))], fam.absent)
			}
		}
		x.note(Note{Place: w.f.doc.place(r), Object: fam.id, What: "whether the deployment runs is known only then: " + detailOf(fam.absent)})
	}
}

// computed evaluates a template that is given by an expression. Its expressions
// were escaped, so that they are its own; its resources are placed where the
// expression stands.
func (w *view) computed(src jsontape.Value) (*document, jsontape.Value) {
	v := w.value(src)
	if v.Kind() != armexpr.Object {
		return nil, jsontape.Value{}
	}
	t, err := jsontape.Parse([]byte(v.JSON()), jsontape.Options{})
	if err != nil {
		return nil, jsontape.Value{}
	}
	at := w.f.doc.place(src)
	return &document{name: w.f.doc.name, path: w.f.doc.path, src: w.f.doc.src, root: t.Root(), at: &at}, t.Root()
}

// narrower is the level of a nested template: what its schema says, unless the
// resource that holds it says where it goes.
func narrower(schema, target level) level {
	if schema == groupLevel {
		return target // the schema of resource groups is used everywhere
	}
	return schema
}

// handed evaluates the parameters that a deployment hands to its template.
func (x *expander) handed(w *view, props jsontape.Value) map[string]*given {
	out := map[string]*given{}
	if link := props.Get("parametersLink"); link.Exists() {
		if d, why := x.linked(w, link); d != nil {
			return x.parametersFile(d)
		} else if why != "" {
			x.note(Note{Place: w.f.doc.place(link), Object: "parametersLink", What: why})
		}
	}
	if src := props.Get("parameters"); src.Kind() == jsontape.String { // all of them by one expression
		for _, m := range w.value(src).Members() {
			v := m.Value.Get("value")
			if v.Kind() == armexpr.Absent {
				v = unknown("parameter " + m.Name)
			}
			out[strings.ToLower(m.Name)] = &given{value: v, doc: w.f.doc, at: src}
		}
	}
	for name, p := range props.Get("parameters").Members() {
		src := p.Get("value")
		g := &given{doc: w.f.doc, at: src}
		switch {
		case p.Kind() == jsontape.String: // an expression that yields {value: …}
			g.at = p
			g.value = w.value(p).Get("value")
			if g.value.Kind() == armexpr.Absent {
				g.value = unknown("parameter " + name)
			}
		case src.Kind() != jsontape.Absent:
			g.value = w.value(src)
			g.standing = func() armexpr.Value { return w.standing().value(src) }
		case p.Get("reference").Exists():
			g.at, g.value = p, armexpr.UnobservedValue(redacted+":key vault secret")
		default:
			g.at, g.value = p, unknown("parameter "+name)
		}
		out[strings.ToLower(name)] = g
	}
	return out
}

// target is the scope that a deployment goes to.
func (w *view) target(r jsontape.Value, s scope) (scope, bool) {
	if src := r.Get("scope"); src.Kind() == jsontape.String {
		id, certain := w.underScope(r, s)
		t, ok := s.at(id)
		t.guessed = !certain
		if !certain {
			t.subscriptionKnown, t.groupKnown, t.mgKnown = false, false, false
		}
		return t, ok
	}
	if src := r.Get("subscriptionId"); src.Kind() == jsontape.String {
		id, known := w.named(src, "subscription")
		id = lastName(id)
		if !strings.EqualFold(s.subscription, id) {
			s.foreign, s.guessed = true, s.guessed || !known
			s.subscription, s.subscriptionKnown = id, known
		}
		if r.Get("resourceGroup").Kind() == jsontape.Absent {
			s.level = subscriptionLevel
		}
	}
	if src := r.Get("resourceGroup"); src.Kind() == jsontape.String {
		name, known := w.named(src, "resourceGroup")
		if s.level != groupLevel || !strings.EqualFold(s.group, name) {
			s.foreign, s.guessed = true, s.guessed || !known
			s.group, s.groupKnown = name, known
		}
		s.level = groupLevel
	}
	return s, true
}

// unresolved keeps a deployment whose template was not given as a resource of
// which nothing is known.
func (x *expander) unresolved(w *view, r jsontape.Value, fam family, why string) {
	id := []armexpr.Member{{Name: "id", Value: armexpr.StringValue(fam.id)}, {Name: "name", Value: armexpr.StringValue(lastName(fam.id))}, {Name: "type", Value: armexpr.StringValue(fam.typ)}}
	place := w.f.doc.place(r)
	x.unread++
	x.resources = append(x.resources, &resource{id: fam.id, typ: fam.typ, certain: fam.certain, absent: planTime + ":template not read", place: place, object: identityOnly(id, planTime+":template not read")})
	x.note(Note{Place: place, Object: fam.id, What: "the deployment's template is not read: " + why, Hint: "put the file beside the template, under the path that the link names"})
}

// linked reads the file that a link names, if it lies beside the template.
func (x *expander) linked(w *view, link jsontape.Value) (d *document, why string) {
	if link.Kind() != jsontape.Object {
		return nil, "the deployment has neither a template nor a link to one"
	}
	if x.o.Open == nil {
		return nil, "no folder was given to look in"
	}
	var candidates []string
	if rel := link.Get("relativePath"); rel.Kind() == jsontape.String {
		text, _ := w.named(rel, "relativePath")
		candidates = []string{path.Join(path.Dir(w.f.doc.path), strings.ReplaceAll(text, "\\", "/"))}
	} else if uri := link.Get("uri"); uri.Kind() == jsontape.String {
		text := w.standing().value(uri)
		if text.Kind() != armexpr.String {
			return nil, "its address is not known"
		}
		candidates = besides(text.Str())
	} else if link.Get("id").Exists() {
		return nil, "it is a template spec in Azure"
	}
	if len(candidates) == 0 {
		return nil, "the link names no file"
	}
	for _, c := range candidates {
		if c = path.Clean(c); c == "." || strings.HasPrefix(c, "../") || c == ".." || path.IsAbs(c) {
			continue
		}
		src, err := x.o.Open(c)
		if err != nil {
			continue
		}
		d, perr := parse(path.Join(path.Dir(x.o.Name), c), src)
		if perr != nil {
			x.problem(&document{name: c}, -1, "", perr.Error(), "")
			return nil, "the file cannot be read"
		}
		d.path = c
		return d, ""
	}
	return nil, fmt.Sprintf("there is no file %s beside the template", candidates[0])
}

// besides lists the paths under which the file of an address may lie: its
// path, then with leading folders dropped.
func besides(address string) []string {
	address, _, _ = strings.Cut(address, "?")
	if rest, ok := strings.CutPrefix(address, linkBase); ok {
		return []string{strings.TrimLeft(rest, "/")}
	}
	if i := strings.Index(address, "://"); i >= 0 {
		address = address[i+3:]
		_, address, _ = strings.Cut(address, "/")
	}
	var out []string
	parts := strings.FieldsFunc(address, func(r rune) bool { return r == '/' || r == '\\' })
	for i := range parts {
		if !strings.Contains(strings.Join(parts[i:], "/"), "{") {
			out = append(out, strings.Join(parts[i:], "/"))
		}
	}
	return out
}
