// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// Policy is a definition bound to parameter values. It is specialised for each
// resource type it meets, once, and is safe for concurrent use.
type Policy struct {
	Definition *Definition
	Effect     Effect
	params     map[string]armexpr.Value // by lower-case name
	set        armexpr.Set
	catalog    *Catalog
	clock      bool
	details    details

	mu       sync.RWMutex
	programs map[string]*Program // by lower-case type; nil value: not applicable to the type
}

// Bind binds a definition to parameter values (defaults fill the rest) and
// compiles what does not depend on the resource type. Names are
// case-insensitive. The error is a *SourceError.
func Bind(d *Definition, params map[string]armexpr.Value, catalog *Catalog) (*Policy, error) {
	return bind(d, params, catalog, NoEffect)
}

// bind is Bind with an effect that overrides the definition's own.
func bind(d *Definition, params map[string]armexpr.Value, catalog *Catalog, override Effect) (*Policy, error) {
	p := &Policy{Definition: d, catalog: catalog, programs: map[string]*Program{}}
	if err := p.bindParameters(params); err != nil {
		return nil, err
	}
	p.set = policySet(p.params)
	if d.Static() {
		return p, nil
	}
	eff, err := p.constant(d.Effect, "then.effect")
	if err != nil {
		return nil, err
	}
	e, ok := ParseEffect(eff.Str())
	if !ok {
		return nil, d.doc.errorAt(d.Effect, "then.effect", "the effect evaluates to %s, which is no effect", eff.JSON())
	}
	p.Effect = e
	if override != NoEffect {
		p.Effect = override
	}
	if err := p.verify(d.If); err != nil {
		return nil, err
	}
	if d.Existence != nil {
		if err := p.verify(d.Existence); err != nil {
			return nil, err
		}
	}
	return p, p.bindDetails()
}

func (p *Policy) bindParameters(given map[string]armexpr.Value) error {
	d := p.Definition
	p.params = map[string]armexpr.Value{}
	for i := range d.Parameters {
		par := &d.Parameters[i]
		key := strings.ToLower(par.Name)
		if par.Default.Kind() != jsontape.Absent {
			p.params[key] = armexpr.FromTape(par.Default)
		}
		for name, v := range given {
			if !strings.EqualFold(name, par.Name) {
				continue
			}
			if what := par.check(v); what != "" {
				return d.doc.errorAt(par.at, "parameters."+par.Name, "the value of parameter %q %s", par.Name, what)
			}
			p.params[key] = v
		}
	}
	if len(d.Parameters) == 0 { // a bare rule declares none: whatever is given counts
		for name, v := range given {
			p.params[strings.ToLower(name)] = v
		}
	}
	return nil
}

// hostFuncs are the functions whose value depends on the resource.
var hostFuncs = []*armexpr.Func{
	armexpr.HostFunc("field", 1, 1), armexpr.HostFunc("current", 0, 1), armexpr.HostFunc("subscription", 0, 0),
	armexpr.HostFunc("resourceGroup", 0, 0), armexpr.HostFunc("policy", 0, 0), armexpr.HostFunc("requestContext", 0, 0),
}

// policySet is the language of rules with parameters() bound.
func policySet(params map[string]armexpr.Value) armexpr.Set {
	return armexpr.Policy.With(hostFuncs...).With(armexpr.PureFunc("parameters", 1, 1, func(a []armexpr.Value) (armexpr.Value, error) {
		if a[0].Kind() != armexpr.String {
			return armexpr.Value{}, errors.New("the name of a parameter must be a string")
		}
		v, ok := params[strings.ToLower(a[0].Str())]
		if !ok {
			return armexpr.Value{}, errors.New("parameter '" + a[0].Str() + "' has no value")
		}
		return v, nil
	}))
}

// template is a JSON value in which strings may be expressions.
type template struct {
	konst armexpr.Value
	prog  *armexpr.Program
	list  []*template
	names []string // of an object, parallel to list
	array bool
	// refs are the fields that the program names literally.
	refs map[string]*fieldRef
	// unknown is the first alias it names that the catalogue lacks.
	unknown *evalError
	at      jsontape.Value
}

func (t *template) isConst() bool { return t.prog == nil && t.list == nil }

// value compiles a JSON value of the rule.
func (p *Policy) value(v jsontape.Value, place string) (*template, error) {
	t := &template{at: v}
	switch v.Kind() {
	case jsontape.String:
		s := v.Str()
		if !armexpr.IsExpression(s) {
			t.konst = armexpr.StringValue(armexpr.Literal(s))
			return t, nil
		}
		n, err := armexpr.Parse(s)
		if err != nil {
			return nil, p.exprError(v, place, err)
		}
		prog, err := armexpr.Compile(n, p.set)
		if err != nil {
			return nil, p.exprError(v, place, err)
		}
		if prog.UsesClock() {
			p.clock = true
		}
		if c, ok := prog.Constant(); ok {
			t.konst = c.Whole()
			return t, nil
		}
		t.prog = prog
		return t, nil
	case jsontape.Array, jsontape.Object:
		if !strings.Contains(string(v.Raw()), `"[`) {
			t.konst = armexpr.FromTape(v).Whole()
			return t, nil
		}
		return p.container(t, v, place)
	default:
		t.konst = armexpr.FromTape(v)
	}
	return t, nil
}

// container compiles an array or object whose strings may be expressions.
func (p *Policy) container(t *template, v jsontape.Value, place string) (*template, error) {
	all := true
	add := func(name string, e jsontape.Value) error {
		c, err := p.value(e, place)
		if err != nil {
			return err
		}
		all = all && c.isConst()
		t.list, t.names = append(t.list, c), append(t.names, name)
		return nil
	}
	t.array = v.Kind() == jsontape.Array
	for e := range v.Elems() {
		if err := add("", e); err != nil {
			return nil, err
		}
	}
	for k, e := range v.Members() {
		if err := add(k, e); err != nil {
			return nil, err
		}
	}
	if all || len(t.list) == 0 {
		c, _ := t.build(func(c *template) (armexpr.Value, error) { return c.konst, nil })
		return &template{konst: c, at: v}, nil
	}
	return t, nil
}

// build makes the array or object from the values of its parts.
func (t *template) build(eval func(*template) (armexpr.Value, error)) (armexpr.Value, error) {
	vals := make([]armexpr.Value, len(t.list))
	members := make([]armexpr.Member, 0, len(t.list))
	for i, c := range t.list {
		v, err := eval(c)
		if err != nil {
			return armexpr.Value{}, err
		}
		vals[i] = v
		members = append(members, armexpr.Member{Name: t.names[i], Value: v})
	}
	if t.array {
		return armexpr.ArrayValue(vals), nil
	}
	return armexpr.ObjectValue(members), nil
}

// exprError places an expression error inside the string that holds it.
func (p *Policy) exprError(v jsontape.Value, place string, err error) error {
	off := v.Offset()
	if e, ok := errors.AsType[*armexpr.Error](err); ok {
		off += 1 + max(e.Pos, 0)
		return p.Definition.doc.errorIn(p.Definition.doc.tape.Source(), off, place, "%s", e.What)
	}
	return p.Definition.doc.errorAt(v, place, "%v", err)
}

// constant compiles v, which must not depend on a resource.
func (p *Policy) constant(v jsontape.Value, place string) (armexpr.Value, error) {
	t, err := p.value(v, place)
	if err != nil {
		return armexpr.Value{}, err
	}
	if !t.isConst() {
		if t.prog != nil {
			_, err := t.prog.Eval(nil)
			if err != nil {
				return armexpr.Value{}, p.exprError(v, place, err)
			}
		}
		return armexpr.Value{}, p.Definition.doc.errorAt(v, place, "the value must not depend on a resource")
	}
	return t.konst, nil
}

// verify compiles every expression of a condition tree once, so that errors
// are found whatever the resource type, and checks the documented limits.
func (p *Policy) verify(c *Condition) error {
	var first error
	valueCounts := 0
	c.Walk(func(c *Condition) {
		if first != nil {
			return
		}
		first = p.verifyOne(c, &valueCounts)
	})
	return first
}

func (p *Policy) verifyOne(c *Condition, valueCounts *int) error {
	doc := p.Definition.doc
	check := func(v jsontape.Value, place string) error {
		if v.Kind() == jsontape.Absent {
			return nil
		}
		t, err := p.value(v, place)
		if err != nil || t.prog == nil {
			return err
		}
		for _, call := range t.prog.Calls() {
			if call != "field" && call != "current" {
				continue
			}
		}
		return nil
	}
	if err := check(c.Left, c.Place); err != nil {
		return err
	}
	if err := check(c.Right, c.Place+"."+c.Op.String()); err != nil {
		return err
	}
	if c.Count == nil {
		return nil
	}
	if err := check(c.Count.Field, c.Place+".count.field"); err != nil {
		return err
	}
	if c.Count.Value.Kind() != jsontape.Absent {
		if *valueCounts++; *valueCounts > 10 {
			return doc.errorAt(c.at, c.Place, "the rule has more than 10 value counts")
		}
		return check(c.Count.Value, c.Place+".count.value")
	}
	return nil
}

// Clock reports whether the outcome depends on the instant of evaluation.
func (p *Policy) Clock() bool { return p.clock }

// Parameter returns the bound value of a parameter.
func (p *Policy) Parameter(name string) armexpr.Value { return p.params[strings.ToLower(name)] }

// For returns the program for a resource type, nil when the policy can never
// apply to the type.
func (p *Policy) For(typ string) *Program {
	key := strings.ToLower(typ)
	p.mu.RLock()
	prog, ok := p.programs[key]
	p.mu.RUnlock()
	if ok {
		return prog
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if prog, ok = p.programs[key]; ok {
		return prog
	}
	prog = p.specialise(typ)
	p.programs[key] = prog
	return prog
}

// Types lists the resource types that the rule compares the field type with,
// in order of appearance; empty when the rule names none.
func (p *Policy) Types() []string {
	var out []string
	add := func(v armexpr.Value) {
		if s := v.Str(); s != "" && !slices.ContainsFunc(out, func(o string) bool { return foldEq(o, s) }) {
			out = append(out, s)
		}
	}
	if p.Definition.If == nil {
		return nil
	}
	p.Definition.If.Walk(func(c *Condition) {
		if c.Kind != FieldCondition || !foldEq(c.Left.Str(), "type") || c.Op != Equals && c.Op != In {
			return
		}
		v, err := p.constant(c.Right, c.Place)
		if err != nil {
			return
		}
		add(v)
		for _, e := range v.List() {
			add(e)
		}
	})
	return out
}

// UnknownAliases lists, for a resource type, the aliases that the rule needs
// and the catalogue lacks, as messages.
func (p *Policy) UnknownAliases(typ string) []string {
	prog := p.For(typ)
	if prog == nil {
		return nil
	}
	var out []string
	for _, f := range prog.unknown {
		out = append(out, f.what)
	}
	return out
}
