// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/tickmark/tickmark"
)

// With returns the library as an organisation has it: the overrides are put
// into the library's files, and these are read by the same reader and held to
// the same rules. It returns all problems, joined, each with its place in the
// override. The library itself does not change.
func (l *Library) With(overrides []*Override) (*Library, error) {
	if len(overrides) == 0 {
		return l, nil
	}
	v := &overlay{base: l, files: slices.Clone(l.files), roots: map[string]*ast.MappingNode{}, labels: map[string]*Override{}, overrides: map[string]*Override{}}
	for _, o := range overrides {
		own := *o
		v.list = append(v.list, &own)
	}
	slices.SortFunc(v.list, func(a, b *Override) int { return strings.Compare(a.Key(), b.Key()) })
	for i, o := range v.list {
		v.at = i
		v.apply(o)
		v.overrides[o.Key()] = o
	}
	if len(v.problems) > 0 {
		return nil, errors.Join(v.problems...)
	}
	c, err := v.catalog()
	if err != nil {
		return nil, v.places(err)
	}
	for i := range v.files {
		if root := v.roots[v.files[i].name]; root != nil {
			if v.files[i], err = rendered(v.files[i].name, root); err != nil {
				return nil, v.places(err)
			}
		}
	}
	out, err := loadLibraryFiles(v.files, c)
	if err != nil {
		return nil, v.places(err)
	}
	out.overrides = v.overrides
	out.digest = v.digest(out)
	for _, o := range v.list {
		v.link(out, o)
		if k := out.Control(o.ID); o.Kind == "control" && k != nil {
			k.File, k.Line = o.label, 0
		}
	}
	return out, errors.Join(v.problems...)
}

// digest names the library together with what was said differently.
func (v *overlay) digest(l *Library) tickmark.Digest {
	b := bytes.NewBufferString(l.digest.String())
	for _, o := range v.list {
		fmt.Fprintf(b, "\n%s %d ", o.Key(), len(o.Entry))
		b.Write(o.Entry)
	}
	return tickmark.DigestOf(b.Bytes())
}

// Override returns the override in force of an entry, or nil: the library's
// own word.
func (l *Library) Override(kind, id string) *Override { return l.overrides[kind+"/"+id] }

// Overrides lists the overrides in force by key.
func (l *Library) Overrides() []*Override {
	out := make([]*Override, 0, len(l.overrides))
	for _, o := range l.overrides {
		out = append(out, o)
	}
	slices.SortFunc(out, func(a, b *Override) int { return strings.Compare(a.Key(), b.Key()) })
	return out
}

// overlay puts overrides into files.
type overlay struct {
	base      *Library
	files     []file
	checks    []file // those of the catalogue that change
	list      []*Override
	at        int // of the override at work
	overrides map[string]*Override
	roots     map[string]*ast.MappingNode // documents that change, by file
	labels    map[string]*Override        // files that hold one entry
	problems  []error
}

// virtual is how far apart the lines of overrides are in the documents that
// are validated: a line beyond it says which override a problem is in.
const virtual = 1_000_000

// here returns n with places that lead to the override at work: its own ones,
// or, for what comes from the library, its beginning.
func (v *overlay) here(n ast.Node, own bool) ast.Node {
	o := v.list[v.at]
	start := token.Position{Line: 1, Column: 1}
	if t := tokenOf(o.node); t != nil && t.Position != nil {
		start = *t.Position
	}
	return replant(n, func(t *token.Token) *token.Token {
		if t == nil {
			return nil
		}
		c := *t
		p := start
		if own && t.Position != nil {
			p = *t.Position
		}
		p.Line += (v.at + 1) * virtual
		c.Position, c.Prev, c.Next = &p, nil, nil
		return &c
	})
}

// hereMapping is here for what is a mapping; anything else becomes an empty
// one, which no validator lets pass.
func (v *overlay) hereMapping(n ast.Node, own bool) *ast.MappingNode {
	if m, ok := v.here(n, own).(*ast.MappingNode); ok {
		return m
	}
	return ast.Mapping(v.here(n, own).GetToken(), false)
}

// places turns the virtual places of problems into those of the overrides.
func (v *overlay) places(err error) error {
	var list []error
	for _, e := range flatten(err) {
		t, ok := errors.AsType[*tickmark.Error](e)
		if !ok {
			list = append(list, e)
			continue
		}
		c := *t
		name, rest, _ := strings.Cut(c.Where, ":")
		line, column, _ := strings.Cut(rest, ":")
		switch n, err := strconv.Atoi(line); {
		case err == nil && n > virtual && n/virtual <= len(v.list):
			o := v.list[n/virtual-1]
			c.Where = o.label
			if o.file {
				c.Where = fmt.Sprintf("%s:%d:%s", o.label, n%virtual, column)
			}
		case rest == "" && v.labels[name] != nil:
			c.Where = v.labels[name].label
		}
		list = append(list, &c)
	}
	return errors.Join(list...)
}

// flatten lists what errors.Join joined.
func flatten(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok { // the join itself is taken apart, not what it wraps
		var out []error
		for _, e := range joined.Unwrap() {
			out = append(out, flatten(e)...)
		}
		return out
	}
	return []error{err}
}

func (v *overlay) bad(key, what, hint string) {
	v.problems = append(v.problems, v.list[v.at].Problem(key, what, hint))
}

// apply puts one override in its place.
func (v *overlay) apply(o *Override) {
	if v.overrides[o.Key()] != nil {
		v.bad("", o.Key()+" is overridden twice", "")
		return
	}
	k := kindNamed(o.Kind)
	switch {
	case k == nil:
		v.bad("", fmt.Sprintf("there is no kind %q of entries", o.Kind), "")
	case o.Kind == "control":
		v.control(o)
	case o.Kind == "check":
		v.check(o)
	case o.Kind == "cell":
		v.cell(o)
	case o.Kind == "scope":
		v.scope(o)
	case o.Kind == "link":
	default:
		list, i := v.find(k, o.ID)
		patch := v.here(o.node, true)
		if i < 0 {
			if v.mayAdd(k, o) && list != nil {
				list.Values = append(list.Values, withoutNulls(patch))
			}
			return
		}
		o.Library = v.json(list.Values[i])
		list.Values[i] = merge(v.here(list.Values[i], false), patch)
	}
}

// mayAdd reports whether an entry that the library does not have may be added.
func (v *overlay) mayAdd(k *entryKind, o *Override) bool {
	switch {
	case len(o.Base) > 0:
		v.bad("", fmt.Sprintf("the library no longer has the %s %q", k.name, o.ID), "withdraw the override; what you still need of it becomes an entry of your own")
	case k.fixed:
		v.bad(k.id, fmt.Sprintf("there is no %s %q, and none can be added", k.name, o.ID), "")
	case k.free:
		return true
	case !strings.HasPrefix(o.ID, OwnPrefix) || !idForm.MatchString(o.ID):
		v.bad(k.id, fmt.Sprintf("the library has no %s %q", k.name, o.ID), "correct the id; one of your own begins with "+OwnPrefix+" and has lower-case letters, digits and hyphens")
	default:
		return true
	}
	return false
}

// folders say which files hold the lists of a kind.
func (k *entryKind) holds(name string) bool {
	switch k.name {
	case "explanation":
		return name == "explanations.yaml"
	case "term":
		return name == "glossary.yaml"
	case "cell", "scope", "report":
		return strings.HasPrefix(name, "services/")
	}
	return strings.HasPrefix(name, "registers/")
}

// root is the document of a file, to be changed.
func (v *overlay) root(f file) *ast.MappingNode {
	if m := v.roots[f.name]; m != nil {
		return m
	}
	m, err := parseYAML(file{name: f.name, data: f.data})
	if err != nil {
		return nil // the library was read before, so that this cannot be
	}
	v.roots[f.name] = m
	return m
}

// find returns the list that holds an entry and its index there; or a list of
// the kind and -1.
func (v *overlay) find(k *entryKind, id string) (*ast.SequenceNode, int) {
	var first *ast.SequenceNode
	for _, f := range v.files {
		if !k.holds(f.name) {
			continue
		}
		list, ok := child(v.root(f), k.list).(*ast.SequenceNode)
		if !ok {
			continue
		}
		if first == nil {
			first = list
		}
		key := k.id
		if k.name == "cell" {
			key = "id"
		}
		if i := slices.IndexFunc(list.Values, func(e ast.Node) bool {
			have := scalar(child(e, key))
			return have == id || k.free && strings.EqualFold(have, id)
		}); i >= 0 {
			return list, i
		}
	}
	return first, -1
}

func (v *overlay) json(n ast.Node) []byte {
	var b bytes.Buffer
	if err := appendJSON(&b, "", n); err != nil {
		v.problems = append(v.problems, err)
	}
	return b.Bytes()
}

// rendered is a document as a file: JSON, which is YAML too.
func rendered(name string, root *ast.MappingNode) (file, error) {
	var b bytes.Buffer
	err := appendJSON(&b, name, root)
	b.WriteByte('\n')
	return file{name: name, data: b.Bytes(), root: root}, err
}

// single puts an override into the file of its own that a control or a check
// has; change may adjust the result.
func (v *overlay) single(o *Override, files []file, folder, group string, change func(base, patch, merged *ast.MappingNode)) (file, bool) {
	k := kindNamed(o.Kind)
	patch := v.hereMapping(o.node, true)
	if !idForm.MatchString(o.ID) {
		v.bad(k.id, fmt.Sprintf("id %q: want lower-case letters, digits and hyphens", o.ID), "")
		return file{}, false
	}
	i := slices.IndexFunc(files, func(f file) bool {
		return strings.HasPrefix(f.name, folder+"/") && strings.HasSuffix(f.name, "/"+o.ID+".yaml")
	})
	var name string
	var base *ast.MappingNode
	merged := membersWithoutNulls(patch)
	if i >= 0 {
		m, err := parseYAML(file{name: files[i].name, data: files[i].data})
		if err != nil {
			v.problems = append(v.problems, err)
			return file{}, false
		}
		name, base, o.Library = files[i].name, m, v.json(m)
		if n := child(patch, group); n != nil && scalar(n) != scalar(child(m, group)) {
			v.bad(group, fmt.Sprintf("%s of an entry of the library cannot be changed", group), "")
			return file{}, false
		}
		merged = mergeMembers(v.hereMapping(m, false), patch)
	} else {
		if !v.mayAdd(k, o) {
			return file{}, false
		}
		g := scalar(child(patch, group))
		if !idForm.MatchString(g) {
			v.bad(group, fmt.Sprintf("%s %q: want lower-case letters, digits and hyphens", group, g), "")
			return file{}, false
		}
		name = folder + "/" + g + "/" + o.ID + ".yaml"
	}
	before := len(v.problems)
	change(base, patch, merged)
	if len(v.problems) > before {
		return file{}, false
	}
	v.labels[name] = o
	f, err := rendered(name, merged)
	if err != nil {
		v.problems = append(v.problems, flatten(v.places(err))...)
	}
	return f, err == nil
}

// control overrides or adds a control. Its member fill fills the braces of the
// statement.
func (v *overlay) control(o *Override) {
	f, ok := v.single(o, v.files, "controls", "family", func(_, patch, merged *ast.MappingNode) {
		fill := child(patch, "fill")
		remove(merged, "fill")
		if fill != nil {
			v.fill(fill, merged)
		}
	})
	if ok {
		v.files = put(v.files, f)
	}
}

// fill puts the organisation's words where the statement has braces.
func (v *overlay) fill(fill ast.Node, merged *ast.MappingNode) {
	m, ok := fill.(*ast.MappingNode)
	statement, fields := child(merged, "statement"), child(merged, "fields")
	if !ok || statement == nil {
		v.bad("fill", "fill: want names of fields with the words that stand for them", "")
		return
	}
	// A field may also stand in the tolerance, and be its amount.
	texts := map[string][2]string{"statement": {"", scalar(statement)}}
	if t := scalar(child(child(merged, "instance"), "tolerance")); t != "" {
		texts["tolerance"] = [2]string{"instance", t}
	}
	if t := scalar(child(child(child(merged, "instance"), "limit"), "amount")); t != "" {
		texts["amount"] = [2]string{"limit", t}
	}
	for _, x := range m.Values {
		name, word := keyOf(x), strings.TrimSpace(scalar(x.Value))
		if word == "" || !strings.Contains(texts["statement"][1], "{"+name+"}") {
			v.bad("fill", fmt.Sprintf("fill: %q is empty, or {%s} does not occur in the statement", name, name), "tickmark controls show lists the fields")
			return
		}
		for key, t := range texts {
			texts[key] = [2]string{t[0], strings.ReplaceAll(t[1], "{"+name+"}", word)}
		}
		if list, ok := fields.(*ast.SequenceNode); ok {
			list.Values = slices.DeleteFunc(list.Values, func(n ast.Node) bool { return scalar(child(n, "name")) == name })
		}
	}
	for key, t := range texts {
		in := merged
		for _, part := range map[string][]string{"instance": {"instance"}, "limit": {"instance", "limit"}}[t[0]] {
			in = own(in, part)
		}
		set(in, key, ast.String(token.String(t[1], t[1], statement.GetToken().Position)))
	}
}

// own makes a member's mapping one that may be changed.
func own(m *ast.MappingNode, key string) *ast.MappingNode {
	c := ast.Mapping(m.Start, false)
	if old, ok := child(m, key).(*ast.MappingNode); ok {
		c = ast.Mapping(old.Start, false, old.Values...)
	}
	set(m, key, c)
	return c
}

// catalog is the catalogue with the overrides of checks; without any it is the
// library's, and no digest changes.
func (v *overlay) catalog() (*Catalog, error) {
	if v.checks == nil {
		return v.base.catalog, nil
	}
	c, err := loadFiles(v.checks)
	if err != nil {
		return nil, err
	}
	for _, k := range c.Checks {
		k.Line %= virtual
	}
	return c, nil
}

// cell overrides what is said of one area for one service.
func (v *overlay) cell(o *Override) {
	id, area, _ := strings.Cut(o.ID, "/")
	list, i := v.find(kindNamed("cell"), id)
	if i < 0 {
		v.bad("", fmt.Sprintf("service %q does not exist", id), "tickmark services list names them")
		return
	}
	service := list.Values[i]
	base := child(child(service, "cells"), area)
	if base == nil {
		base = v.profileCell(scalar(child(service, "profile")), area)
	}
	if base == nil {
		v.bad("", fmt.Sprintf("area %q does not exist", area), "tickmark responsibilities show "+id+" names them")
		return
	}
	o.Library = v.json(base)
	merged := merge(v.here(base, false), v.here(o.node, true))
	s := v.hereMapping(service, false)
	cells, ok := child(s, "cells").(*ast.MappingNode)
	if !ok {
		cells = ast.Mapping(s.Start, false)
		set(s, "cells", cells)
	}
	set(cells, area, merged)
	list.Values[i] = s
}

// profileCell is what a profile says of an area.
func (v *overlay) profileCell(profile, area string) ast.Node {
	for _, f := range v.files {
		if !strings.HasPrefix(f.name, "services/") {
			continue
		}
		if list, ok := child(v.root(f), "profiles").(*ast.SequenceNode); ok {
			for _, p := range list.Values {
				if scalar(child(p, "id")) == profile {
					return child(child(p, "cells"), area)
				}
			}
		}
	}
	return nil
}

// scope corrects which services a report names, from the report in hand: the
// entries in force no longer name the service, and one that rests on the paper
// says whether it is inside.
func (v *overlay) scope(o *Override) {
	list, _ := v.find(kindNamed("scope"), "")
	parts := strings.Split(o.ID, "/")
	if list == nil || len(parts) != 4 {
		v.bad("", fmt.Sprintf("%q does not name a service in a report", o.ID), "")
		return
	}
	service := parts[3]
	var before []ast.Node
	for i, e := range list.Values {
		services, ok := child(e, "services").(*ast.SequenceNode)
		names, ok2 := child(e, "names").(*ast.SequenceNode)
		if !ok || !ok2 || child(e, "to") != nil || child(e, "inHand") != nil || scalar(child(e, "report")) != parts[0] ||
			orDash(scalar(child(e, "cloud"))) != parts[1] || orDash(scalar(child(e, "environment"))) != parts[2] {
			continue
		}
		if !slices.ContainsFunc(services.Values, func(n ast.Node) bool { return scalar(n) == service }) {
			continue
		}
		before = append(before, e)
		s, n := sequenceOf(services), sequenceOf(names)
		for k, x := range services.Values {
			if scalar(x) != service && k < len(names.Values) {
				s.Values, n.Values = append(s.Values, x), append(n.Values, names.Values[k])
			}
		}
		c := v.hereMapping(e, false)
		set(c, "services", s)
		set(c, "names", n)
		list.Values[i] = c
	}
	if len(before) > 0 {
		o.Library = v.json(sequenceOf(list, before...))
	}
	entry := membersWithoutNulls(v.hereMapping(o.node, true))
	if child(entry, "names") == nil {
		set(entry, "names", child(entry, "services"))
	}
	if child(entry, "from") == nil {
		set(entry, "from", child(child(entry, "inHand"), "date"))
	}
	list.Values = append(list.Values, entry)
}

// OwnSource is the source of links that the organisation itself makes. It does
// not count as an independent one.
const OwnSource = "organisation"

// link adds or withdraws a link of the crosswalk.
func (v *overlay) link(l *Library, o *Override) {
	if o.Kind != "link" {
		return
	}
	v.at = slices.Index(v.list, o)
	var body struct {
		Framework string `yaml:"framework"`
		Version   string `yaml:"version"`
		Criterion string `yaml:"criterion"`
		Control   string `yaml:"control"`
		Note      string `yaml:"note"`
		Withdraw  bool   `yaml:"withdraw"`
	}
	if m, ok := o.node.(*ast.MappingNode); !ok {
		v.bad("", "a link is not a mapping", "")
		return
	} else if err := decode(file{name: o.label}, m, &body); err != nil {
		v.problems = append(v.problems, err)
		return
	}
	i := slices.IndexFunc(l.Crosswalk, func(a Assertion) bool {
		return a.Framework == body.Framework && a.Version == body.Version && a.Criterion == body.Criterion && a.Control == body.Control
	})
	known := slices.ContainsFunc(l.Frameworks, func(f Framework) bool {
		return f.ID == body.Framework && slices.Contains(f.Versions, body.Version)
	})
	if i >= 0 {
		o.Library, _ = json.Marshal(l.Crosswalk[i].Sources) // strings always marshal
	}
	switch {
	case l.catalog.Criterion(body.Criterion) == nil:
		v.bad("criterion", fmt.Sprintf("criterion %q does not exist", body.Criterion), "use one of the 61 codes")
	case !known:
		v.bad("framework", fmt.Sprintf("there is no framework %q in version %q", body.Framework, body.Version), "tickmark crosswalk list names them")
	case body.Withdraw && i < 0:
		v.bad("withdraw", "there is no such link to withdraw", "tickmark crosswalk show "+body.Criterion+" lists them")
	case body.Withdraw:
		l.Crosswalk = slices.Delete(l.Crosswalk, i, i+1)
	case i >= 0:
		l.Crosswalk[i].Sources = append(slices.Clone(l.Crosswalk[i].Sources), OwnSource)
	default:
		a := Assertion{Framework: body.Framework, Version: body.Version, Criterion: body.Criterion, Control: body.Control, Sources: []string{OwnSource}}
		at, _ := slices.BinarySearchFunc(l.Crosswalk, a, func(a, b Assertion) int {
			return slices.Compare([]string{a.Framework, a.Version, a.Criterion, a.Control}, []string{b.Framework, b.Version, b.Criterion, b.Control})
		})
		l.Crosswalk = slices.Insert(l.Crosswalk, at, a)
	}
}

// put sets a file, or adds it.
func put(files []file, f file) []file {
	if i := slices.IndexFunc(files, func(x file) bool { return x.name == f.name }); i >= 0 {
		files[i] = f
		return files
	}
	return append(files, f)
}
