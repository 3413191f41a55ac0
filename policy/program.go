// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// Program is a policy specialised for one resource type: type conditions are
// folded away, aliases are paths. It is immutable.
type Program struct {
	Policy *Policy
	Type   string
	cond   *node
	// applies decides applicability for the effects that do not use the whole if.
	applies *node
	// existence is the existenceCondition for the related type.
	existence *node
	// unknown are the aliases that the rule needs for the type and the catalogue
	// lacks: the policy's state is then Error, whatever the other conditions say.
	unknown []*evalError
	// below says that related resources lie under the evaluated one.
	below bool
	// mode is True when the definition's mode evaluates the type, Maybe when the
	// object decides.
	mode Truth
}

type nodeKind uint8

const (
	constNode nodeKind = iota
	allNode
	anyNode
	notNode
	fieldNode
	valueNode
	countFieldNode
	countValueNode
	failNode // evaluating it is an error
)

// node is a compiled condition.
type node struct {
	kind  nodeKind
	truth Truth // of a constNode
	op    Operator
	place bool // compare as locations: spaces and case ignored
	src   *Condition
	kids  []*node // of a junction; kids[0] is the where of a count
	field *fieldRef
	left  *template
	right *template
	level int // of a count: index of its first scope
	fail  *evalError
	why   string // reason word of a failNode
	quick quick  // of a field condition
}

type fieldKind uint8

const (
	pathField fieldKind = iota
	nameField
	fullNameField
	idField
	typeField
	apiVersionField
	dynamicField
)

// fieldRef is a resolved field reference.
type fieldRef struct {
	kind     fieldKind
	text     string // as the rule names it
	path     *path
	base     int    // scope whose element the steps start from, -1 for the resource
	steps    []step // from base
	wilds    int    // wildcards in steps
	versions []versionedRef
	secret   bool
	name     *template // of a dynamicField
	location bool
	bound    []scope // of a count: the scope of each wildcard in steps
	inside   bool    // steps go from the resource into its properties
	joined   bool    // steps go into what is set beside the resource
}

// versionedRef is the reference in some API versions.
type versionedRef struct {
	api []string
	ref *fieldRef
}

// in returns the reference for an API version.
func (f *fieldRef) in(apiVersion string) *fieldRef {
	if apiVersion == "" {
		return f
	}
	for _, v := range f.versions {
		for _, a := range v.api {
			if foldEq(a, apiVersion) {
				return v.ref
			}
		}
	}
	return f
}

// scope is one bound array element or value while a count's where is compiled.
type scope struct {
	prefix string // canonical path up to and including [*]; "" for a value count
	alias  string // lower-case alias text up to and including [*]
	name   string // of a value count
}

// compiler compiles condition trees for one type.
type compiler struct {
	p      *Policy
	typ    string
	scopes []scope
	// primary is the type that field() reads: the if type, also inside an
	// existence condition.
	primary string
}

func (p *Policy) specialise(typ string) *Program {
	if p.Definition.If == nil {
		return nil
	}
	mode := p.modeFor(typ)
	if mode == False {
		return nil
	}
	c := &compiler{p: p, typ: typ, primary: typ}
	prog := &Program{Policy: p, Type: typ, mode: mode, cond: c.node(p.Definition.If)}
	switch mode := p.Definition.Mode; {
	case p.Effect.existence(), foldEq(mode, "Microsoft.Kubernetes.Data"):
		prog.applies = prog.cond
	case dataMode(mode):
		prog.applies = c.applies(p.Definition.If, false, false)
	default:
		prog.applies = c.applicability(p.Definition.If)
	}
	if prog.applies.kind == constNode && prog.applies.truth == False {
		return nil
	}
	if p.Effect.existence() && p.Definition.Existence != nil {
		rc := &compiler{p: p, typ: p.details.typ, primary: typ}
		prog.existence = rc.node(p.Definition.Existence)
	}
	if p.Effect.existence() {
		prog.below = foldPrefix(p.details.typ, typ+"/") || extensionTypes[strings.ToLower(p.details.typ)]
	}
	prog.findUnknown(prog.cond)
	prog.findUnknown(prog.existence)
	return prog
}

// findUnknown collects the unknown aliases that are left after folding.
func (p *Program) findUnknown(n *node) {
	if n == nil {
		return
	}
	if n.kind == failNode && n.why == "unknownAlias" {
		p.unknown = append(p.unknown, n.fail)
	}
	p.findUnknownIn(n.left)
	p.findUnknownIn(n.right)
	for _, k := range n.kids {
		p.findUnknown(k)
	}
}

func (p *Program) findUnknownIn(t *template) {
	if t == nil {
		return
	}
	if t.unknown != nil {
		p.unknown = append(p.unknown, t.unknown)
	}
	for _, part := range t.list {
		p.findUnknownIn(part)
	}
}

// dataMode reports whether the mode is one of a resource provider whose
// policies apply by type alone.
func dataMode(mode string) bool {
	return len(mode) > 5 && foldEq(mode[len(mode)-5:], ".Data") && !foldEq(mode, "Microsoft.Network.Data")
}

// offline reports whether policies of the mode can be judged from objects
// alone; Kubernetes policies need the cluster's own objects and a constraint
// template, network groups the network manager.
func offline(mode string) bool {
	return !foldEq(mode, "Microsoft.Kubernetes.Data") && !foldEq(mode, "Microsoft.Network.Data") && !foldEq(mode, "Microsoft.ContainerService.Data")
}

var (
	trueNode  = &node{kind: constNode, truth: True}
	falseNode = &node{kind: constNode, truth: False}
)

func constOf(t Truth) *node {
	if t == True {
		return trueNode
	}
	return falseNode
}

// node compiles a condition and folds what the type decides.
func (c *compiler) node(s *Condition) *node {
	switch s.Kind {
	case AllOf, AnyOf:
		return junction(s, c.node)
	case Not:
		return negation(s, c.node(s.Children[0]))
	case FieldCondition:
		return c.fieldCondition(s)
	case ValueCondition:
		n := &node{kind: valueNode, op: s.Op, src: s, left: c.template(s.Left, s.Place), right: c.template(s.Right, s.Place)}
		return c.fold(n)
	default:
		return c.countCondition(s)
	}
}

// junction compiles an allOf or anyOf with the given compiler of its children
// and drops the children that are constant.
func junction(s *Condition, compile func(*Condition) *node) *node {
	neutral, decides, kind := True, False, allNode
	if s.Kind == AnyOf {
		neutral, decides, kind = False, True, anyNode
	}
	n := &node{kind: kind, src: s}
	for _, ch := range s.Children {
		k := compile(ch)
		if k.kind == constNode {
			if k.truth == decides {
				return constOf(decides)
			}
			continue
		}
		n.kids = append(n.kids, k)
	}
	switch len(n.kids) {
	case 0:
		return constOf(neutral)
	case 1:
		return n.kids[0]
	}
	return n
}

func negation(s *Condition, k *node) *node {
	if k.kind == constNode {
		return constOf(k.truth.not())
	}
	return &node{kind: notNode, src: s, kids: []*node{k}}
}

// fold evaluates a leaf whose two sides are constant.
func (c *compiler) fold(n *node) *node {
	if n.left == nil || n.right == nil || !n.left.isConst() || !n.right.isConst() {
		return n
	}
	t, err := n.op.compare(n.left.konst, n.right.konst)
	if err != nil || t == Maybe {
		return n
	}
	return constOf(t)
}

// template compiles a value; errors were reported by verify already and can
// only recur for what depends on the type, so they become failing values.
func (c *compiler) template(v jsontape.Value, place string) *template {
	t, err := c.p.value(v, place)
	if err != nil {
		return &template{konst: armexpr.NullValue(), at: v}
	}
	c.collectRefs(t, v)
	return t
}

// collectRefs resolves the fields that an expression names literally.
func (c *compiler) collectRefs(t *template, v jsontape.Value) {
	for _, part := range t.list {
		c.collectRefs(part, part.at)
	}
	if t.prog == nil {
		return
	}
	n, err := armexpr.Parse(v.Str())
	if err != nil {
		return
	}
	n.Walk(func(n *armexpr.Node) {
		if n.Kind != armexpr.CallNode || len(n.Args) != 1 || !foldEq(n.Name, "field") && !foldEq(n.Name, "current") {
			return
		}
		arg, ok := c.constArg(n.Args[0])
		if !ok {
			return
		}
		if t.refs == nil {
			t.refs = map[string]*fieldRef{}
		}
		if foldEq(n.Name, "field") && c.primary != c.typ {
			pc := &compiler{p: c.p, typ: c.primary, primary: c.primary}
			t.refer(arg, pc)
			return
		}
		if foldEq(n.Name, "current") && c.counts(arg) {
			return
		}
		t.refer(arg, c)
	})
}

// refer resolves a field that the expression names literally.
func (t *template) refer(name string, c *compiler) {
	f, fail := c.resolve(name)
	if fail == nil {
		t.refs[name] = f
	} else if t.unknown == nil {
		t.unknown = fail
	}
}

// counts reports whether name is the name of an enclosing value count.
func (c *compiler) counts(name string) bool {
	for _, s := range c.scopes {
		if s.name != "" && foldEq(s.name, name) {
			return true
		}
	}
	return false
}

func (c *compiler) constArg(n *armexpr.Node) (string, bool) {
	prog, err := armexpr.Compile(n, c.p.set)
	if err != nil {
		return "", false
	}
	v, ok := prog.Constant()
	return v.Str(), ok && v.Kind() == armexpr.String
}

func (c *compiler) fieldCondition(s *Condition) *node {
	right := c.template(s.Right, s.Place)
	name := c.template(s.Left, s.Place)
	n := &node{kind: fieldNode, op: s.Op, src: s, right: right}
	if !name.isConst() {
		n.field = &fieldRef{kind: dynamicField, text: s.Left.Str(), name: name, base: -1}
		return n
	}
	f, fail := c.resolve(name.konst.Str())
	if fail != nil {
		return &node{kind: failNode, src: s, fail: fail, why: "unknownAlias"}
	}
	n.field = f
	if f.location {
		n.place = true
		if right.isConst() {
			n.right = &template{konst: normalLocations(right.konst), at: right.at}
		}
	}
	if f.kind == typeField && right.isConst() {
		if t, err := s.Op.compare(armexpr.StringValue(c.typ), right.konst); err == nil && t != Maybe {
			return constOf(t)
		}
	}
	if !n.place {
		n.quick = quickOf(n.op, n.right)
	}
	return n
}

// normalLocations lower-cases locations and drops their spaces.
func normalLocations(v armexpr.Value) armexpr.Value {
	switch v.Kind() {
	case armexpr.String:
		return armexpr.StringValue(NormalLocation(v.Str()))
	case armexpr.Array:
		l := make([]armexpr.Value, 0, v.Len())
		for _, e := range v.List() {
			l = append(l, normalLocations(e))
		}
		return armexpr.ArrayValue(l)
	}
	return v
}

// NormalLocation returns an Azure location as policies compare it: "East US 2"
// is eastus2.
func NormalLocation(s string) string {
	for i := range len(s) {
		if c := s[i]; c == ' ' || 'A' <= c && c <= 'Z' {
			return strings.ToLower(strings.ReplaceAll(s, " ", ""))
		}
	}
	return s
}

// resolve turns a field name into a reference. The failure names the unknown
// alias.
func (c *compiler) resolve(name string) (*fieldRef, *evalError) {
	low := strings.ToLower(name)
	f := &fieldRef{text: name, base: -1}
	switch low {
	case "name":
		f.kind = nameField
		return f, nil
	case "fullname":
		f.kind = fullNameField
		return f, nil
	case "id":
		f.kind = idField
		return f, nil
	case "type":
		f.kind = typeField
		return f, nil
	case "apiversion":
		f.kind = apiVersionField
		return f, nil
	case "location":
		f.location = true
		return c.bindPath(f, "location")
	case "kind", "tags", "identity", "properties", "managedby", "sku", "plan", "zones", "extendedlocation", "etag", "systemdata":
		if low == "kind" || low == "tags" || low == "identity" || c.p.catalog.Literal {
			return c.bindPath(f, name)
		}
	}
	if p, ok := tagPath(name); ok {
		return c.bindPath(f, p)
	}
	if strings.HasPrefix(low, "identity.") {
		return c.bindPath(f, name)
	}
	if a := c.p.catalog.Alias(c.typ, name); a != nil {
		f.secret = a.Secret
		for _, v := range a.Versions {
			if v.Path == a.Path {
				continue
			}
			if ref, fail := c.bindPath(&fieldRef{text: name, base: -1, secret: a.Secret}, v.Path); fail == nil {
				f.versions = append(f.versions, versionedRef{v.APIVersions, ref})
			}
		}
		return c.bindPath(f, a.Path)
	}
	if c.p.catalog.Literal {
		return c.bindPath(f, name)
	}
	if a := c.ofOtherType(name); a != nil {
		return c.bindPath(f, otherTypePath+"."+a.Path)
	}
	return nil, c.unknownAlias(name)
}

// otherTypePath opens the path of an alias that belongs to another type: no
// object has such a member.
const otherTypePath = "(alias of another type)"

// ofOtherType returns the alias of another type that the same rule names.
// Shipped built-in rules for several types ask for the aliases of each in one
// condition (machines and scale sets, for one), so such an alias is absent on
// the other types; an alias of a type that the rule does not name is an error.
func (c *compiler) ofOtherType(name string) *Alias {
	for _, t := range c.p.Types() {
		if !foldEq(t, c.typ) {
			if a := c.p.catalog.Alias(t, name); a != nil {
				return a
			}
		}
	}
	return nil
}

func (c *compiler) unknownAlias(name string) *evalError {
	what := fmt.Sprintf("alias %q is not known for resource type %s", name, c.typ)
	if near := c.p.catalog.Nearest(c.typ, name); near != "" {
		what += "; did you mean " + near + "?"
	} else if other := c.p.catalog.Elsewhere(name); len(other) > 0 {
		what += "; it exists for " + strings.Join(other, ", ")
	}
	return &evalError{what: what, off: -1}
}

// tagPath reads the spellings of a tag: tags.x, tags[x], tags['x'].
func tagPath(name string) (string, bool) {
	if len(name) < 6 || !foldEq(name[:4], "tags") {
		return "", false
	}
	rest := name[4:]
	var tag string
	switch {
	case rest[0] == '.':
		tag = rest[1:]
	case rest[0] == '[' && rest[len(rest)-1] == ']':
		tag = rest[1 : len(rest)-1]
		if tag == "*" {
			return name, true // every tag value, not a tag called *
		}
		if len(tag) >= 2 && tag[0] == '\'' && tag[len(tag)-1] == '\'' {
			tag = strings.ReplaceAll(tag[1:len(tag)-1], "''", "'")
		}
	default:
		return "", false
	}
	return "tags['" + strings.ReplaceAll(tag, "'", "''") + "']", tag != ""
}

// bindPath gives f its path and, inside a count, the bound element it starts from.
func (c *compiler) bindPath(f *fieldRef, text string) (*fieldRef, *evalError) {
	p, ok := parsePath(text)
	if !ok {
		return nil, &evalError{what: fmt.Sprintf("field %q has no readable path (%q)", f.text, text), off: -1}
	}
	f.path, f.steps = p, p.steps
	for i, s := range p.steps {
		if !s.wild {
			continue
		}
		prefix := p.prefixText(i + 1)
		for level, v := range slices.Backward(c.scopes) {
			if v.prefix == prefix {
				f.base, f.steps = level, p.steps[i+1:]
				break
			}
		}
	}
	for _, s := range f.steps {
		if s.wild {
			f.wilds++
		}
	}
	f.inside = f.base < 0 && len(f.steps) > 1 && f.steps[0].key == propertiesKey
	f.joined = f.base < 0 && len(f.steps) > 1 && f.steps[0].key == joinedKey
	return f, nil
}

func (c *compiler) countCondition(s *Condition) *node {
	n := &node{op: s.Op, src: s, level: len(c.scopes), right: c.template(s.Right, s.Place)}
	saved := c.scopes
	defer func() { c.scopes = saved }()
	if s.Count.Field.Kind() != jsontape.Absent {
		n.kind = countFieldNode
		name := c.template(s.Count.Field, s.Place)
		f, fail := c.resolve(name.konst.Str())
		if fail != nil {
			return &node{kind: failNode, src: s, fail: fail, why: "unknownAlias"}
		}
		if f.path == nil || f.wilds == 0 {
			return &node{
				kind: failNode, src: s, why: "evaluationError",
				fail: &evalError{what: fmt.Sprintf("count needs an array alias that ends with [*], not %q", f.text), off: -1},
			}
		}
		n.field = f
		done := len(f.path.steps) - len(f.steps)
		for i, st := range f.steps {
			if st.wild {
				sc := scope{prefix: f.path.prefixText(done + i + 1), alias: strings.ToLower(f.text)}
				c.scopes = append(slices.Clip(c.scopes), sc)
				f.bound = append(f.bound, sc)
			}
		}
	} else {
		n.kind = countValueNode
		n.left = c.template(s.Count.Value, s.Place)
		c.scopes = append(slices.Clip(c.scopes), scope{name: strings.ToLower(s.Count.Name)})
	}
	if s.Count.Where != nil {
		n.kids = []*node{c.node(s.Count.Where)}
	}
	return n
}

// applicability compiles the part of the if that decides whether the policy
// applies: only type, name and kind count, every other condition is taken as
// true, or false when negated. A rule of only kind or only name applies to all
// resources; with only type besides, only type counts.
// Source: Microsoft's page "Azure Policy applicability logic".
func (c *compiler) applicability(s *Condition) *node {
	others, locations := false, false
	s.Walk(func(x *Condition) {
		switch x.Kind {
		case FieldCondition:
			switch strings.ToLower(x.Left.Str()) {
			case "type", "name", "kind":
			case "location":
				locations, others = true, true
			default:
				others = true
			}
		case ValueCondition, CountCondition:
			others = true
		case AllOf, AnyOf, Not:
		}
	})
	if locations && foldEq(c.typ, SubscriptionType) {
		return falseNode
	}
	return c.applies(s, false, others)
}

func (c *compiler) applies(s *Condition, negated, kindName bool) *node {
	switch s.Kind {
	case AllOf, AnyOf:
		return junction(s, func(ch *Condition) *node { return c.applies(ch, negated, kindName) })
	case Not:
		return negation(s, c.applies(s.Children[0], !negated, kindName))
	case FieldCondition:
		switch strings.ToLower(s.Left.Str()) {
		case "type":
			return c.fieldCondition(s)
		case "name", "kind":
			if kindName {
				return c.fieldCondition(s)
			}
		}
	case ValueCondition, CountCondition:
	}
	return constOf(truthOf(!negated))
}
