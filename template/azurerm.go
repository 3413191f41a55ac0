// SPDX-License-Identifier: Apache-2.0

package template

import (
	_ "embed" // azurerm.txt
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

//go:embed azurerm.txt
var azurermText string

// section maps one azurerm type to one Azure type.
type section struct {
	typ string
	// id says how the id is composed: group, under, extension, subscription or
	// resourceGroup, with attributes or "literals".
	id []string
	// patches is the attribute that names the resource which the section adds
	// to; empty for a section that makes a resource of its own.
	patches string
	// when is an attribute without which the section makes nothing.
	when   string
	fields []field
}

// field maps attributes to one path of the object.
type field struct {
	path     []string
	each     bool // the path's last part is a list of objects, made of fields
	attrs    []string
	op       string
	args     []string
	fallback *armexpr.Value // for an attribute that is not set
	constant *armexpr.Value
	fields   []field
}

// azurerm is the mapping table, by azurerm type.
var azurerm = sync.OnceValue(func() map[string][]*section {
	table, err := parseMapping(azurermText)
	if err != nil {
		panic("template/azurerm.txt: " + err.Error()) //nolint:forbidigo // embedded data, a build defect; TestMapping finds it
	}
	return table
})

// parseMapping reads the mapping table; azurerm.txt describes its form.
func parseMapping(text string) (map[string][]*section, error) {
	out := map[string][]*section{}
	var s *section
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, "\r\n\t ")
		body := strings.TrimLeft(line, " ")
		indent := len(line) - len(body)
		var err error
		switch {
		case body == "" || body[0] == '#':
		case indent == 0:
			words := strings.Fields(body)
			if len(words) != 2 {
				return nil, fmt.Errorf("line %d: want AZURERM_TYPE ARM_TYPE", n)
			}
			s = &section{typ: words[1]}
			out[words[0]] = append(out[words[0]], s)
		case s == nil:
			err = fmt.Errorf("indented before the first type")
		case indent == 2:
			err = s.line(body)
		case indent == 4 && len(s.fields) > 0 && s.fields[len(s.fields)-1].each:
			var f field
			if f, err = parseField(body); err == nil {
				last := &s.fields[len(s.fields)-1]
				last.fields = append(last.fields, f)
			}
		default:
			err = fmt.Errorf("the indentation is neither 2 nor 4 below a list")
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return out, nil
}

func (s *section) line(body string) error {
	words := strings.Fields(body)
	switch words[0] {
	case "id":
		s.id = words[1:]
		return nil
	case "patches":
		s.patches = words[1]
		return nil
	case "when":
		s.when = words[1]
		return nil
	}
	f, err := parseField(body)
	s.fields = append(s.fields, f)
	return err
}

// parseField reads "PATH <- ATTR,… [OP ARG…] [?? JSON]" or "PATH = JSON".
func parseField(body string) (f field, err error) {
	path, rest, maps := strings.Cut(body, " <- ")
	if !maps {
		var ok bool
		if path, rest, ok = strings.Cut(body, " = "); !ok {
			return f, fmt.Errorf("want PATH <- ATTRIBUTE or PATH = JSON, not %q", body)
		}
		v, err := parseValue(rest)
		f.path, f.constant = strings.Split(strings.TrimSpace(path), "."), &v
		return f, err
	}
	path, f.each = strings.CutSuffix(strings.TrimSpace(path), "[]")
	f.path = strings.Split(path, ".")
	if main, fallback, ok := strings.Cut(rest, "??"); ok {
		v, err := parseValue(fallback)
		if err != nil {
			return f, err
		}
		f.fallback, rest = &v, main
	}
	words := strings.Fields(rest)
	if len(words) == 0 {
		return f, fmt.Errorf("no attribute for %s", path)
	}
	f.attrs = strings.Split(words[0], ",")
	if len(words) > 1 {
		f.op, f.args = words[1], words[2:]
		if want, ok := ops[f.op]; !ok || want >= 0 && want != len(f.args) {
			return f, fmt.Errorf("%s is no operation of %d arguments", f.op, len(f.args))
		}
	}
	return f, nil
}

func parseValue(s string) (armexpr.Value, error) {
	t, err := jsontape.Parse([]byte(strings.TrimSpace(s)), jsontape.Options{})
	if err != nil {
		return armexpr.Value{}, err
	}
	return armexpr.FromTape(t.Root()), nil
}

// ops are the operations with the number of their arguments; -1 is any.
var ops = map[string]int{
	"not": 0, "onoff": 2, "map": -1, "join": 2, "list": 0, "ref": 0, "present": 1, "identity": 0, "text": 0, "first": 0, "values": 1, "int": 0,
}

// mapped makes one resource of a section.
func (p *plan) mapped(r *planned, s *section) {
	if s.when != "" {
		v := attribute(r.after, s.when)
		if v.Kind() == armexpr.Null || v.Kind() == armexpr.Absent || v.Kind() == armexpr.Array && v.Len() == 0 && v.OpenReason() == "" {
			return
		}
	}
	id, certain := p.sectionID(r, s)
	if azurerm()[r.typ][0] == s {
		id, certain = p.idOf(r)
	}
	typ := typeOf(id)
	if typ == "" {
		typ = s.typ
	}
	name := armexpr.StringValue(lastName(id))
	if n := r.after.Get("name"); !certain && n.Kind() == armexpr.Unobserved {
		name = n
	}
	why := planTime + ":not mapped from " + r.typ
	object := armexpr.OpenObjectValue([]armexpr.Member{{Name: "id", Value: armexpr.StringValue(id)}, {Name: "name", Value: name}, {Name: "type", Value: armexpr.StringValue(typ)}}, why)
	object = p.fill(object, r, r.after, s.fields, why)
	if !has(object, "properties") {
		object = with(object, "properties", armexpr.OpenObjectValue(nil, why))
	}
	p.x.resources = append(p.x.resources, &resource{id: id, typ: typ, certain: certain, place: r.place, object: object})
}

// patch lets the sections that add to other resources do so.
func (p *plan) patch(r *planned) {
	for _, s := range azurerm()[r.typ] {
		if s.patches == "" {
			continue
		}
		id, _ := p.text(r, s.patches, 0)
		for _, res := range p.x.resources {
			if strings.EqualFold(res.id, id) {
				res.object = p.fill(res.object, r, r.after, s.fields, planTime+":not mapped from "+r.typ)
			}
		}
	}
}

// sectionID composes an id as the section says.
func (p *plan) sectionID(r *planned, s *section) (id string, certain bool) {
	certain = true
	part := func(arg string) string {
		if lit, ok := strings.CutPrefix(arg, `"`); ok {
			return strings.TrimSuffix(lit, `"`)
		}
		t, sure := p.text(r, arg, 0)
		certain = certain && sure
		return t
	}
	args := s.id[1:]
	switch s.id[0] {
	case "under", "extension":
		parent := part(args[0])
		if !strings.HasPrefix(parent, "/") {
			parent, certain = p.groupID("")+"/providers/"+upper(s.typ)+"/"+escapeName(parent), false
		}
		if s.id[0] == "extension" {
			return parent + "/providers/" + s.typ + "/" + escapeName(part(args[1])), certain
		}
		for i, a := range args[1:] {
			types := strings.Split(s.typ, "/")
			parent += "/" + types[len(types)-len(args[1:])+i] + "/" + escapeName(part(a))
		}
		return parent, certain
	case "subscription":
		sc := scopeOf(p.x.o, subscriptionLevel)
		return sc.prefix() + "/providers/" + s.typ + "/" + escapeName(part(args[0])), certain
	case "resourceGroup":
		return p.groupID(part(args[0])), certain
	}
	names := make([]string, len(args))
	for i, a := range args {
		names[i] = escapeName(part(a))
	}
	id, err := compose(p.groupID(part("resource_group_name")), s.typ, strings.Join(names, "/"))
	if err != nil { // an empty name: the plan is odd
		return p.groupID("") + "/providers/" + upper(s.typ) + "/{" + escapeName(r.address) + "}", false
	}
	return id, certain
}

// upper is a type's first two parts.
func upper(typ string) string {
	parts := strings.Split(typ, "/")
	return strings.Join(parts[:min(2, len(parts))], "/")
}

// fill sets the fields of a section in an object.
func (p *plan) fill(object armexpr.Value, r *planned, src armexpr.Value, fields []field, why string) armexpr.Value {
	for i := range fields {
		object = setPath(object, fields[i].path, p.field(r, src, &fields[i], why), why)
	}
	return object
}

// setPath sets a member deep in an object; what is made on the way is open.
func setPath(object armexpr.Value, path []string, v armexpr.Value, why string) armexpr.Value {
	if len(path) == 1 {
		return with(object, path[0], v)
	}
	in := object.Get(path[0])
	if in.Kind() != armexpr.Object {
		in = armexpr.OpenObjectValue(nil, why)
	}
	return with(object, path[0], setPath(in, path[1:], v, why))
}

// attribute walks a dotted path; a block is a list of at most one object.
func attribute(v armexpr.Value, path string) armexpr.Value {
	for part := range strings.SplitSeq(path, ".") {
		if v.Kind() == armexpr.Array {
			switch {
			case v.Len() == 0 && v.OpenReason() != "":
				return armexpr.UnobservedValue(v.OpenReason())
			case v.Len() == 0:
				return armexpr.NullValue()
			}
			v = v.List()[0]
		}
		if v.Kind() == armexpr.Null || v.Kind() == armexpr.Unobserved {
			return v
		}
		v = v.Get(part)
	}
	return v
}

// field evaluates one field.
func (p *plan) field(r *planned, src armexpr.Value, f *field, why string) armexpr.Value {
	if f.constant != nil {
		return *f.constant
	}
	var v armexpr.Value
	for _, a := range f.attrs {
		if v = attribute(src, a); v.Kind() != armexpr.Absent {
			break
		}
	}
	if (f.op == "text" || f.op == "ref") && v.Kind() == armexpr.String && v.Str() == "" {
		v = armexpr.NullValue()
	}
	empty := v.Kind() == armexpr.Array && v.Len() == 0 && v.OpenReason() == "" && (f.op == "present" || f.op == "first" || f.op == "identity")
	if v.Kind() == armexpr.Null || empty {
		if f.fallback == nil {
			return unknown(f.attrs[0] + " is not set")
		}
		return *f.fallback
	}
	switch {
	case v.Kind() == armexpr.Absent:
		return unknown(f.attrs[0] + " is not in the plan")
	case f.each:
		return p.each(r, v, f, why)
	case v.Kind() == armexpr.Unobserved:
		if f.op == "ref" && len(f.attrs) == 1 {
			if target, name := p.reference(r, f.attrs[0]); target != nil && name == "id" {
				id, _ := p.idOf(target)
				return armexpr.ObjectValue([]armexpr.Member{{Name: "id", Value: armexpr.StringValue(id)}})
			}
		}
		return v
	}
	return f.apply(v, src)
}

// each maps a list of blocks. Where the blocks are not known, further
// resources of the plan may still add elements: the list is open, not hidden.
func (p *plan) each(r *planned, v armexpr.Value, f *field, why string) armexpr.Value {
	if v.Kind() == armexpr.Unobserved {
		return armexpr.OpenArrayValue(nil, v.Reason())
	}
	var out []armexpr.Value
	for _, e := range v.List() {
		if e.Kind() == armexpr.Unobserved {
			out = append(out, e)
			continue
		}
		out = append(out, p.fill(armexpr.OpenObjectValue(nil, why), r, e, f.fields, why))
	}
	return armexpr.OpenArrayValue(out, v.OpenReason())
}

// apply runs the field's operation on a known value.
func (f *field) apply(v, src armexpr.Value) armexpr.Value {
	odd := unknown(f.attrs[0] + " has a value that the mapping does not know")
	switch f.op {
	case "not":
		if v.Kind() != armexpr.Bool {
			return odd
		}
		return armexpr.BoolValue(!v.Bool())
	case "onoff":
		if v.Kind() != armexpr.Bool {
			return odd
		}
		return armexpr.StringValue(f.args[map[bool]int{true: 0, false: 1}[v.Bool()]])
	case "map":
		for _, a := range f.args {
			from, to, _ := strings.Cut(a, "=")
			text := v.Text()
			if v.Kind() == armexpr.Bool {
				text = strings.ToLower(text)
			}
			if strings.EqualFold(from, text) {
				return armexpr.StringValue(to)
			}
		}
		return odd
	case "join": // with another attribute, and a separator between the two
		other := attribute(src, f.args[0])
		if other.Kind() != armexpr.String || v.Kind() != armexpr.String {
			return unknown(f.args[0] + " is not known")
		}
		return armexpr.StringValue(v.Str() + f.args[1] + other.Str())
	case "ref":
		return armexpr.ObjectValue([]armexpr.Member{{Name: "id", Value: v}})
	case "present": // a block or a value that is there
		return parsed(f.args[0])
	case "identity":
		return identityBlock(v)
	case "int":
		if n, err := strconv.ParseInt(v.Text(), 10, 64); err == nil {
			return armexpr.IntValue(n)
		}
		return odd
	case "list", "first", "values":
		return f.applyList(v, odd)
	}
	return v
}

// applyList runs the operations on lists.
func (f *field) applyList(v, odd armexpr.Value) armexpr.Value {
	if f.op == "values" && v.Kind() == armexpr.String { // a list in one string, by commas
		var out []armexpr.Value
		for s := range strings.SplitSeq(v.Str(), ",") {
			if s = strings.TrimSpace(s); s != "" {
				out = append(out, armexpr.StringValue(s))
			}
		}
		v = armexpr.ArrayValue(out)
	}
	if v.Kind() != armexpr.Array {
		return odd
	}
	var texts []string
	var objects []armexpr.Value
	for _, e := range v.List() {
		if e.Kind() == armexpr.Unobserved && f.op != "values" {
			return e
		}
		texts = append(texts, e.Text())
		if f.op == "values" {
			objects = append(objects, armexpr.ObjectValue([]armexpr.Member{{Name: f.args[0], Value: e}}))
		}
	}
	switch f.op {
	case "list":
		return armexpr.StringValue(strings.Join(texts, ", "))
	case "first":
		return v.List()[0]
	}
	return armexpr.OpenArrayValue(objects, v.OpenReason())
}

// parsed reads an argument as JSON, or takes it as text.
func parsed(s string) armexpr.Value {
	if v, err := parseValue(s); err == nil {
		return v
	}
	return armexpr.StringValue(s)
}
