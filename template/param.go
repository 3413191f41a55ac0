// SPDX-License-Identifier: Apache-2.0

package template

import (
	"fmt"
	"strings"
	"unicode/utf16"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// parameter is a declared parameter of a template or of a user function.
type parameter struct {
	name  string
	decl  jsontape.Value
	given *given
	// value holds what it came out as: as known, and with stand-ins.
	value [2]*armexpr.Value
}

// given is a value for a parameter, from a file or an enclosing deployment.
type given struct {
	value armexpr.Value
	// standing yields the value with stand-ins; nil when there is none.
	standing func() armexpr.Value
	doc      *document
	at       jsontape.Value
}

func (f *frame) declare(name string, decl jsontape.Value) *parameter {
	return &parameter{name: name, decl: decl}
}

// bind declares the template's parameters and gives them their values. what
// names the giver in messages.
func (f *frame) bind(values map[string]*given, what string) {
	declared := f.root.Get("parameters")
	for name, decl := range declared.Members() {
		p := f.declare(name, decl)
		p.given = values[strings.ToLower(name)]
		f.params[strings.ToLower(name)] = p
	}
	for key, g := range values {
		if f.params[key] == nil {
			f.x.problem(g.doc, g.at.Offset(), "", fmt.Sprintf("%s gives the parameter %q, which the template does not declare", what, key), "remove it, or declare it")
		}
	}
	for name, decl := range declared.Members() {
		p := f.params[strings.ToLower(name)]
		v := f.parameter(p, false)
		if p.given == nil && v.Kind() == armexpr.Unobserved && decl.Get("defaultValue").Kind() == jsontape.Absent {
			f.x.note(Note{Place: f.doc.place(decl), Object: name, What: fmt.Sprintf("the parameter %q has no value", name), Hint: "give it in a parameters file"})
		}
	}
}

// parameter returns a parameter's value, checked against its declaration.
func (f *frame) parameter(p *parameter, standIn bool) armexpr.Value {
	mode := 0
	if standIn {
		mode = 1
	}
	if p.value[mode] != nil {
		return *p.value[mode]
	}
	v := f.known(p)
	if standIn && v.Kind() == armexpr.Unobserved {
		v = f.standInOf(p)
	}
	p.value[mode] = &v
	return v
}

func (f *frame) known(p *parameter) armexpr.Value {
	if p.value[0] != nil {
		return *p.value[0]
	}
	key := "p:" + strings.ToLower(p.name)
	if f.running[key] {
		f.x.problem(f.doc, p.decl.Offset(), p.name, fmt.Sprintf("the default of parameter %q depends on itself", p.name), "")
		return broken()
	}
	f.running[key] = true
	defer delete(f.running, key)
	var v armexpr.Value
	doc, at := f.doc, p.decl.Get("defaultValue")
	t := f.resolve(p.decl)
	switch {
	case p.given != nil:
		v, doc, at = p.given.value, p.given.doc, p.given.at
	case at.Kind() != jsontape.Absent:
		v = (&view{f: f}).value(at)
	case t.nullable:
		v = armexpr.NullValue()
	default:
		v = unknown("parameter " + p.name)
	}
	if t.kind == "" {
		f.x.problem(f.doc, p.decl.Offset(), p.name, fmt.Sprintf("the parameter %q has no type that exists", p.name), "use string, int, bool, object, array, secureString or secureObject")
		return broken()
	}
	if v.Kind() != armexpr.Unobserved && v.Weight(maxVariable) >= maxVariable {
		f.x.problem(doc, at.Offset(), p.name, fmt.Sprintf("the parameter %q holds more than %d values", p.name, maxVariable), "")
		return broken()
	}
	out, complaint := f.conform(p.name, v, p.decl, 0)
	if complaint != "" {
		f.x.problem(doc, at.Offset(), p.name, fmt.Sprintf("the parameter %q %s", p.name, complaint), "")
		return broken()
	}
	return out
}

// standInOf names a parameter whose value is not known.
func (f *frame) standInOf(p *parameter) armexpr.Value {
	var v armexpr.Value
	switch {
	case p.given != nil && p.given.standing != nil:
		v = p.given.standing()
	case p.given == nil && p.decl.Get("defaultValue").Kind() != jsontape.Absent && !f.running["s:"+p.name]:
		f.running["s:"+p.name] = true
		v = (&view{f: f, standIn: true}).value(p.decl.Get("defaultValue"))
		delete(f.running, "s:"+p.name)
	}
	t := f.resolve(p.decl)
	if t.secure || t.kind == "string" && v.Kind() != armexpr.String {
		return armexpr.StringValue("{" + p.name + "}")
	}
	if v.Kind() == armexpr.Absent {
		return unknown("parameter " + p.name)
	}
	return v
}

// declared is a resolved type declaration.
type declared struct {
	decl     jsontape.Value
	kind     string // string, int, bool, object, array; "" when there is none
	secure   bool
	nullable bool
}

var kinds = map[string]declared{
	"string": {kind: "string"}, "securestring": {kind: "string", secure: true}, "int": {kind: "int"}, "bool": {kind: "bool"},
	"object": {kind: "object"}, "secureobject": {kind: "object", secure: true}, "array": {kind: "array"},
}

// resolve follows "$ref" to the template's definitions.
func (f *frame) resolve(decl jsontape.Value) declared {
	nullable := false
	for range 32 {
		if b, _ := decl.Get("nullable").Bool(); b {
			nullable = true
		}
		ref := decl.Get("$ref")
		if ref.Kind() != jsontape.String {
			break
		}
		name, ok := strings.CutPrefix(ref.Str(), "#/definitions/")
		if !ok {
			break
		}
		decl = f.definitions.Get(strings.NewReplacer("~1", "/", "~0", "~", "%24", "$").Replace(name))
	}
	t := kinds[strings.ToLower(decl.Get("type").Str())]
	t.decl, t.nullable = decl, nullable
	return t
}

var kindOf = map[string]armexpr.Kind{"string": armexpr.String, "int": armexpr.Int, "bool": armexpr.Bool, "object": armexpr.Object, "array": armexpr.Array}

// conform checks v against a declaration and hides what is secure in it. The
// complaint follows the parameter's name.
func (f *frame) conform(name string, v armexpr.Value, decl jsontape.Value, depth int) (out armexpr.Value, complaint string) {
	t := f.resolve(decl)
	switch {
	case v.Kind() == armexpr.Unobserved:
		return v, ""
	case v.Kind() == armexpr.Null && t.nullable:
		return v, ""
	case depth > 24 || t.kind == "":
		if t.secure {
			return armexpr.UnobservedValue(redacted + ":parameter " + name), ""
		}
		return v, ""
	case v.Kind() != kindOf[t.kind]:
		return v, fmt.Sprintf("must be of type %s, not %s", t.kind, v.Kind())
	}
	if complaint = f.bounds(v, decl, t); complaint != "" {
		if t.secure { // the complaint may quote the value
			complaint = "has a value that its declaration does not allow"
		}
		return v, complaint
	}
	if t.secure {
		return armexpr.UnobservedValue(redacted + ":parameter " + name), ""
	}
	switch t.kind {
	case "object":
		return f.conformObject(name, v, t.decl, depth)
	case "array":
		return f.conformArray(name, v, t.decl, depth)
	}
	return v, ""
}

// bounds checks allowed values, lengths and sizes; the reference's own
// constraints hold besides those of what it refers to.
func (f *frame) bounds(v armexpr.Value, decl jsontape.Value, t declared) string {
	for _, d := range []jsontape.Value{decl, t.decl} {
		if s := allowed(v, d.Get("allowedValues")); s != "" {
			return s
		}
		var n int64
		low, high, what := "minLength", "maxLength", "long"
		switch v.Kind() {
		case armexpr.Int:
			n, low, high, what = v.Int(), "minValue", "maxValue", "large"
		case armexpr.String:
			n = int64(len(utf16.Encode([]rune(v.Str()))))
		case armexpr.Array, armexpr.Object:
			if v.OpenReason() != "" {
				continue
			}
			n = int64(v.Len())
		default:
			continue
		}
		if m, ok := d.Get(low).Int(); ok && n < m {
			return fmt.Sprintf("is not %s enough: %d, where %s is %d", what, n, low, m)
		}
		if m, ok := d.Get(high).Int(); ok && n > m {
			return fmt.Sprintf("is too %s: %d, where %s is %d", what, n, high, m)
		}
	}
	return ""
}

// allowed checks the list of allowed values; for an array, each of its elements
// may be one of them.
func allowed(v armexpr.Value, list jsontape.Value) string {
	if list.Kind() != jsontape.Array {
		return ""
	}
	in := func(v armexpr.Value) bool {
		for e := range list.Elems() {
			if eq, unknown := armexpr.Equal(v, armexpr.FromTape(e), true); eq || unknown {
				return true
			}
		}
		return false
	}
	if in(v) {
		return ""
	}
	if v.Kind() == armexpr.Array {
		for _, e := range v.List() {
			if !in(e) {
				return fmt.Sprintf("holds %s, which is not among the allowed values %s", short(e.JSON()), short(string(list.Raw())))
			}
		}
		return ""
	}
	return fmt.Sprintf("is %s, which is not among the allowed values %s", short(v.JSON()), short(string(list.Raw())))
}

// short cuts foreign text for a message.
func short(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 120 {
		return string(r[:120]) + "…"
	}
	return s
}

func (f *frame) conformObject(name string, v armexpr.Value, decl jsontape.Value, depth int) (armexpr.Value, string) {
	props := decl.Get("properties")
	if d := decl.Get("discriminator"); d.Kind() == jsontape.Object {
		key := v.Get(d.Get("propertyName").Str())
		variant := d.Get("mapping").Get(key.Str())
		if key.Kind() == armexpr.String && variant.Kind() == jsontape.Absent {
			return v, fmt.Sprintf("has a %s of %s, which none of its forms has", d.Get("propertyName").Str(), short(key.JSON()))
		}
		if variant.Kind() == jsontape.Object {
			return f.conform(name, v, variant, depth+1)
		}
	}
	extra := decl.Get("additionalProperties")
	if props.Kind() != jsontape.Object && extra.Kind() == jsontape.Absent {
		return v, ""
	}
	for want, d := range props.Members() {
		if v.OpenReason() == "" && !has(v, want) && !f.resolve(d).nullable {
			return v, fmt.Sprintf("lacks the member %q", want)
		}
	}
	sealed, isBool := extra.Bool()
	var out []armexpr.Member
	for _, m := range v.Members() {
		d := props.Get(m.Name)
		switch {
		case d.Kind() == jsontape.Absent && isBool && !sealed:
			return v, fmt.Sprintf("has the member %q, which its type does not have", m.Name)
		case d.Kind() == jsontape.Absent && extra.Kind() == jsontape.Object:
			d = extra
		}
		if d.Kind() == jsontape.Object {
			x, complaint := f.conform(name+"."+m.Name, m.Value, d, depth+1)
			if complaint != "" {
				return v, fmt.Sprintf("has a member %q that %s", m.Name, complaint)
			}
			m.Value = x
		}
		out = append(out, m)
	}
	return armexpr.OpenObjectValue(out, v.OpenReason()), ""
}

func (f *frame) conformArray(name string, v armexpr.Value, decl jsontape.Value, depth int) (armexpr.Value, string) {
	items, first := decl.Get("items"), decl.Get("prefixItems")
	if items.Kind() != jsontape.Object && first.Kind() != jsontape.Array {
		return v, ""
	}
	var out []armexpr.Value
	for i, e := range v.List() {
		d := first.Index(i)
		if d.Kind() == jsontape.Absent {
			d = items
		}
		if d.Kind() == jsontape.Object {
			x, complaint := f.conform(fmt.Sprintf("%s[%d]", name, i), e, d, depth+1)
			if complaint != "" {
				return v, fmt.Sprintf("has an element %d that %s", i, complaint)
			}
			e = x
		}
		out = append(out, e)
	}
	return armexpr.OpenArrayValue(out, v.OpenReason()), ""
}

// parametersFile reads the values of a parameters file.
func (x *expander) parametersFile(d *document) map[string]*given {
	list := d.root.Get("parameters")
	if s := d.root.Get("parametersJson"); s.Kind() == jsontape.String { // what build-params prints
		inner, err := parse(d.name, []byte(s.Str()))
		if err != nil {
			x.problem(d, s.Offset(), "", err.Error(), "")
			return nil
		}
		return x.parametersFile(inner)
	}
	if list.Kind() != jsontape.Object {
		x.problem(d, 0, "", "the file has no parameters", `write {"parameters": {"NAME": {"value": …}}}`)
		return nil
	}
	out := map[string]*given{}
	for name, p := range list.Members() {
		g := &given{doc: d, at: p}
		switch {
		case p.Get("value").Kind() != jsontape.Absent:
			g.at = p.Get("value")
			g.value = armexpr.FromTape(g.at)
		case p.Get("reference").Kind() == jsontape.Object:
			g.value = armexpr.UnobservedValue(redacted + ":key vault secret")
		case p.Get("expression").Kind() != jsontape.Absent:
			g.value = unknown("parameter " + name)
		default:
			x.problem(d, p.Offset(), name, fmt.Sprintf("the parameter %q has no value", name), `write {"value": …}`)
			g.value = broken()
		}
		out[strings.ToLower(name)] = g
	}
	return out
}
