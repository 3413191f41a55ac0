// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// Import is a set of definitions and initiatives read from a checkout of the
// public policy repository, or from exports of a tenant, with what is wrong
// with each. Fill it with Add, then call Check; Library returns what can be
// evaluated.
type Import struct {
	Definitions []*Imported
	Initiatives []*ImportedInitiative
	// Problems are files or entries that could not be read as either.
	Problems []error

	byID map[string]*Imported // by lower-case last segment of the id
}

// Imported is one definition of an Import.
type Imported struct {
	File string
	// Definition is nil when the text does not parse.
	Definition *Definition
	// Policy is the definition bound to its defaults, and to stand-ins for
	// parameters without one; nil when it does not compile.
	Policy *Policy
	// Causes say why the definition does not compile; empty when it does.
	Causes []Cause
}

// Compiles reports whether nothing stands against evaluating the definition.
func (i *Imported) Compiles() bool { return len(i.Causes) == 0 }

// Cause is one reason why a definition does not compile.
type Cause struct {
	Kind CauseKind
	Err  error // a *SourceError where there is a place to point at
	// Alias and Type are set for UnknownAliasCause.
	Alias, Type string
}

// CauseKind groups causes.
type CauseKind string

// The kinds of causes.
const (
	SyntaxCause       CauseKind = "syntax"       // the text is no definition
	ExpressionCause   CauseKind = "expression"   // an expression, a function or a parameter in it
	DetailsCause      CauseKind = "details"      // then.details do not fit the effect
	UnknownAliasCause CauseKind = "unknownAlias" // for a type that the rule names
	DuplicateCause    CauseKind = "duplicate"    // another definition has the same id
)

// ImportedInitiative is one initiative of an Import.
type ImportedInitiative struct {
	File string
	// Initiative is nil when the text does not parse.
	Initiative *Initiative
	// Problems are what stands against the initiative: syntax, groups that
	// references name but the initiative lacks, parameters that a referenced
	// definition lacks or that the initiative does not declare.
	Problems []error
}

// Add reads one file: a definition or an initiative as ARM or the az command
// prints it, or a list of them.
func (m *Import) Add(file string, src []byte) {
	doc, err := parseDocument(file, bytes.TrimPrefix(src, []byte("\xef\xbb\xbf")))
	if err != nil {
		m.Problems = append(m.Problems, err)
		return
	}
	m.add(doc, doc.tape.Root(), "")
}

func (m *Import) add(doc *document, v jsontape.Value, place string) {
	if list := v.Get("value"); list.Kind() == jsontape.Array && v.Get("properties").Kind() == jsontape.Absent {
		v, place = list, join(place, "value")
	}
	if v.Kind() == jsontape.Array {
		i := 0
		for e := range v.Elems() {
			m.add(doc, e, fmt.Sprintf("%s[%d]", place, i))
			i++
		}
		return
	}
	body := v
	if p := v.Get("properties"); p.Kind() == jsontape.Object {
		body = p
	}
	switch {
	case body.Get("policyDefinitions").Kind() == jsontape.Array:
		m.addInitiative(doc, v)
	case body.Get("policyRule").Kind() != jsontape.Absent || body.Get("if").Kind() != jsontape.Absent || foldEq(body.Get("policyType").Str(), "Static"):
		m.addDefinition(doc, v, place)
	default:
		m.Problems = append(m.Problems, doc.errorAt(v, place, "this is neither a policy definition (policyRule) nor an initiative (policyDefinitions)"))
	}
}

func (m *Import) addDefinition(doc *document, v jsontape.Value, place string) {
	d, err := parseDefinition(doc, v, place)
	i := &Imported{File: doc.file}
	if err != nil {
		i.Causes = append(i.Causes, Cause{Kind: SyntaxCause, Err: err})
	} else {
		i.Definition = d
	}
	m.Definitions = append(m.Definitions, i)
	if m.byID == nil {
		m.byID = map[string]*Imported{}
	}
	id := v.Get("name").Str()
	if i := v.Get("id").Str(); i != "" {
		id = libraryKey(i)
	}
	if id == "" {
		return
	}
	key := strings.ToLower(id)
	if other := m.byID[key]; other != nil {
		i.Causes = append(i.Causes, Cause{Kind: DuplicateCause, Err: doc.errorAt(v, place, "definition %s was read from %s already", id, other.File)})
		return
	}
	m.byID[key] = i
}

func (m *Import) addInitiative(doc *document, v jsontape.Value) {
	n, err := parseInitiative(doc, v)
	s := &ImportedInitiative{File: doc.file, Initiative: n}
	if err != nil {
		s.Initiative, s.Problems = nil, []error{err}
	}
	m.Initiatives = append(m.Initiatives, s)
}

// Find returns the definition with this id or name, nil when there is none.
func (m *Import) Find(id string) *Imported { return m.byID[libraryKey(id)] }

// FindInitiative returns the initiative with this id, name or display name,
// nil when there is none.
func (m *Import) FindInitiative(id string) *Initiative {
	for _, s := range m.Initiatives {
		if n := s.Initiative; n != nil && (foldEq(libraryKey(n.ID), libraryKey(id)) || foldEq(n.Name, id) || foldEq(n.DisplayName, id)) {
			return n
		}
	}
	return nil
}

// Policies returns the definitions of an initiative's references, in order; nil
// where the import lacks one.
func (m *Import) Policies(n *Initiative) []*Imported {
	out := make([]*Imported, len(n.References))
	for i := range n.References {
		out[i] = m.Find(n.References[i].DefinitionID)
	}
	return out
}

// Library returns everything that parses, for assignments.
func (m *Import) Library(c *Catalog) *Library {
	l := NewLibrary(c)
	for _, d := range m.Definitions {
		if d.Definition != nil {
			l.Add(d.Definition)
		}
	}
	for _, s := range m.Initiatives {
		if s.Initiative != nil {
			l.AddInitiative(s.Initiative)
		}
	}
	return l
}

// Check compiles every definition against the catalogue and resolves the
// references of initiatives.
func (m *Import) Check(c *Catalog) {
	for _, i := range m.Definitions {
		if i.Definition != nil && !i.Definition.Static() {
			i.compile(c)
		}
	}
	for _, s := range m.Initiatives {
		s.resolve(m)
	}
}

// standIn returns a value for a parameter that has no default, so that the
// rest of the definition can be compiled.
func standIn(p *Parameter) armexpr.Value {
	for e := range p.Allowed.Elems() {
		if p.Type == "array" && e.Kind() != jsontape.Array {
			return armexpr.ArrayValue([]armexpr.Value{armexpr.FromTape(e)})
		}
		return armexpr.FromTape(e)
	}
	switch p.Type {
	case "array":
		return armexpr.ArrayValue(nil)
	case "object":
		return armexpr.ObjectValue(nil)
	case "boolean":
		return armexpr.BoolValue(false)
	case "integer":
		return armexpr.IntValue(1)
	case "float":
		return armexpr.FloatValue(1)
	case "datetime":
		return armexpr.StringValue("2000-01-01T00:00:00Z")
	}
	return armexpr.StringValue("standin")
}

// StandIns are values for the parameters without a default.
func (d *Definition) StandIns() map[string]armexpr.Value {
	out := map[string]armexpr.Value{}
	for i := range d.Parameters {
		if p := &d.Parameters[i]; p.Default.Kind() == jsontape.Absent {
			out[p.Name] = standIn(p)
		}
	}
	return out
}

func (i *Imported) compile(c *Catalog) {
	d := i.Definition
	p, err := Bind(d, d.StandIns(), c)
	if err != nil {
		kind := ExpressionCause
		var e *SourceError
		if errors.As(err, &e) && strings.HasPrefix(e.Place, detailsPlace) {
			kind = DetailsCause
		}
		i.Causes = append(i.Causes, Cause{Kind: kind, Err: err})
		return
	}
	i.Policy = p
	for _, u := range p.unknownAliases() {
		i.Causes = append(i.Causes, Cause{
			Kind: UnknownAliasCause, Alias: u.alias, Type: u.typ,
			Err: d.doc.errorAt(u.at, u.place, "alias %q is not known for resource type %s%s", u.alias, u.typ, aliasHint(c, u.typ, u.alias)),
		})
	}
}

func aliasHint(c *Catalog, typ, alias string) string {
	if near := c.Nearest(typ, alias); near != "" {
		return "; did you mean " + near + "?"
	}
	if other := c.Elsewhere(alias); len(other) > 0 {
		return "; it exists for " + strings.Join(other, ", ")
	}
	return ""
}

// unknownAlias is a use of an alias that the catalogue lacks for the type.
type unknownAlias struct {
	alias, typ, place string
	at                jsontape.Value
}

// unknownAliases lists the aliases that the rule, its existence condition and
// its operations use and the catalogue lacks, for the types that the rule
// names, each once.
func (p *Policy) unknownAliases() []unknownAlias {
	a := &aliasAudit{p: p, seen: map[string]bool{}}
	types := p.Types()
	for _, t := range types {
		prog := p.For(t)
		if prog == nil {
			continue
		}
		a.walk(prog.cond, t, t)
		a.walk(prog.existence, p.details.typ, t)
		ops := p.Definition.Details
		if o := ops.Get("operations"); o.Kind() == jsontape.Array {
			ops = o
		}
		if p.Effect == Modify || p.Effect == Append {
			for o := range ops.Elems() {
				a.check(o.Get("field").Str(), o.Get("field"), detailsPlace, t)
			}
		}
	}
	return a.out
}

type aliasAudit struct {
	p    *Policy
	seen map[string]bool
	out  []unknownAlias
}

// check records the alias when the catalogue lacks it for the type.
func (a *aliasAudit) check(name string, at jsontape.Value, place, typ string) {
	if name == "" || armexpr.IsExpression(name) {
		return
	}
	c := &compiler{p: a.p, typ: typ, primary: typ}
	if _, fail := c.resolve(name); fail == nil {
		return
	}
	key := strings.ToLower(typ + "\x00" + name)
	if !a.seen[key] {
		a.seen[key] = true
		a.out = append(a.out, unknownAlias{name, typ, place, at})
	}
}

func (a *aliasAudit) walk(n *node, typ, primary string) {
	if n == nil {
		return
	}
	if s := n.src; s != nil && n.kind != allNode && n.kind != anyNode && n.kind != notNode {
		if s.Kind == FieldCondition {
			a.check(s.Left.Str(), s.Left, s.Place, typ)
		} else {
			a.expressions(s.Left, s.Place, primary)
		}
		a.expressions(s.Right, s.Place, primary)
		if s.Count != nil {
			a.check(s.Count.Field.Str(), s.Count.Field, s.Place, typ)
			a.expressions(s.Count.Value, s.Place, primary)
		}
	}
	for _, k := range n.kids {
		a.walk(k, typ, primary)
	}
}

// expressions checks the aliases that field() names in the expressions of v.
func (a *aliasAudit) expressions(v jsontape.Value, place, typ string) {
	eachString(v, func(s jsontape.Value) {
		eachCall(s, "field", func(name string) { a.check(name, s, place, typ) })
	})
}

// eachString calls f for every string in v.
func eachString(v jsontape.Value, f func(jsontape.Value)) {
	switch v.Kind() {
	case jsontape.String:
		f(v)
	case jsontape.Array:
		for e := range v.Elems() {
			eachString(e, f)
		}
	case jsontape.Object:
		for _, e := range v.Members() {
			eachString(e, f)
		}
	default:
	}
}

// resolve finds the definitions of the initiative's references.
func (s *ImportedInitiative) resolve(m *Import) {
	n := s.Initiative
	if n == nil {
		return
	}
	for i := range n.References {
		r := &n.References[i]
		d := m.Find(r.DefinitionID)
		for _, g := range r.Groups {
			if !slices.ContainsFunc(n.Groups, func(x Group) bool { return foldEq(x.Name, g) }) {
				s.problem(r.at, r, "group %q is not among the initiative's groups", g)
			}
		}
		s.checkParameters(r, d)
	}
}

func (s *ImportedInitiative) problem(at jsontape.Value, r *Reference, format string, args ...any) {
	s.Problems = append(s.Problems, s.Initiative.doc.errorAt(at, "policyDefinitions."+r.ID, format, args...))
}

// checkParameters compares what a reference passes with what the definition
// declares, and what it reads with what the initiative declares.
func (s *ImportedInitiative) checkParameters(r *Reference, d *Imported) {
	for name, p := range r.parameters.Members() {
		if d != nil && d.Definition != nil && d.Definition.parameter(name) == nil {
			s.problem(p, r, "definition %s has no parameter %q", libraryKey(r.DefinitionID), name)
		}
		eachString(p.Get("value"), func(v jsontape.Value) {
			eachCall(v, "parameters", func(arg string) {
				if !slices.ContainsFunc(s.Initiative.Parameters, func(x Parameter) bool { return strings.EqualFold(x.Name, arg) }) {
					s.problem(v, r, "the initiative has no parameter %q", arg)
				}
			})
		})
	}
}

// parameter returns the declared parameter of that name, whatever its case.
func (d *Definition) parameter(name string) *Parameter {
	for i := range d.Parameters {
		if strings.EqualFold(d.Parameters[i].Name, name) {
			return &d.Parameters[i]
		}
	}
	return nil
}

// eachCall calls f with the literal argument of every call of a function with
// one argument in the expression v.
func eachCall(v jsontape.Value, function string, f func(arg string)) {
	s := v.Str()
	if !armexpr.IsExpression(s) {
		return
	}
	n, err := armexpr.Parse(s)
	if err != nil {
		return // compiling reports it
	}
	n.Walk(func(n *armexpr.Node) {
		if n.Kind == armexpr.CallNode && foldEq(n.Name, function) && len(n.Args) == 1 &&
			n.Args[0].Kind == armexpr.LiteralNode && n.Args[0].Value.Kind() == armexpr.String {
			f(n.Args[0].Value.Str())
		}
	})
}
