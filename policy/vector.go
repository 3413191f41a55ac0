// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// Vector is one test vector of the format that doc/spec/vectors.md describes.
type Vector struct {
	ID    string
	Suite string // eval, parser, builtin, normalize, state
	root  jsontape.Value
	doc   *document
}

// ParseVector reads one line of a vector file.
func ParseVector(file string, line []byte) (*Vector, error) {
	doc, err := parseDocument(file, line)
	if err != nil {
		return nil, err
	}
	r := doc.tape.Root()
	v := &Vector{ID: r.Get("id").Str(), Suite: r.Get("suite").Str(), root: r, doc: doc}
	if v.ID == "" || v.Suite == "" {
		return nil, doc.errorAt(r, "", "a vector needs id and suite")
	}
	return v, nil
}

// ErrSuite is returned by Run for a suite that it does not know.
var ErrSuite = errors.New("suite is not known")

// SkipError is returned by Run for a vector that has no meaning here.
type SkipError struct{ Why string }

// Error implements error.
func (e *SkipError) Error() string { return e.Why }

// Run evaluates the vector and returns what was wanted and what came out, as
// short texts that are equal when the vector passes. aliases loads the alias
// file that a vector names.
func (v *Vector) Run(aliases func(name string) (*Catalog, error)) (want, got string, err error) {
	switch v.Suite {
	case "eval", "parser":
		return v.runEval(aliases)
	case "builtin":
		want, got = v.runBuiltin()
		return want, got, nil
	case "state":
		return v.runState()
	case "normalize":
		return v.runNormalize()
	}
	return "", "", fmt.Errorf("%q: %w", v.Suite, ErrSuite)
}

func (v *Vector) policyText() []byte {
	if t := v.root.Get("policyText"); t.Kind() == jsontape.String {
		return []byte(t.Str())
	}
	return v.root.Get("policy").Raw()
}

func (v *Vector) runEval(aliases func(name string) (*Catalog, error)) (want, got string, err error) {
	exp := v.root.Get("expect")
	want = exp.Get("kind").Str()
	if want == "effect" {
		want = "effect " + strings.ToLower(exp.Get("effect").Str())
	}
	catalog := NewCatalog()
	catalog.Literal = true
	if a := v.root.Get("aliases"); a.Kind() == jsontape.String {
		if catalog, err = aliases(a.Str()); err != nil {
			return "", "", err
		}
	}
	d, err := ParseDefinition(v.ID, v.policyText())
	if err != nil {
		return want, "parse_error", nil //nolint:nilerr // the refusal is the result
	}
	p, err := Bind(d, ParameterValues(v.root.Get("parameters")), catalog)
	if want == "compiles" && err == nil {
		return want, want, nil
	}
	if err != nil {
		if want == "parse_error" { // syntax inside an expression is found when binding
			return want, want, nil
		}
		if want != "compile_error" && want != "parse_error" {
			return want, "compile_error: " + err.Error(), nil
		}
		return want, "compile_error", nil
	}
	out, err := v.decide(p)
	if err != nil {
		return want, "error: " + err.Error(), nil //nolint:nilerr // the failure is the result
	}
	if det := exp.Get("details"); det.Kind() != jsontape.Absent && strings.HasPrefix(out, "effect") {
		if miss := missingIn(det, d.Details); miss != "" {
			return want, "details without " + miss, nil
		}
	}
	return want, out, nil
}

// missingIn returns the first member of want that have lacks or has otherwise.
func missingIn(want, have jsontape.Value) string {
	if want.Kind() == jsontape.Object {
		for k, w := range want.Members() {
			if miss := missingIn(w, have.Get(k)); miss != "" {
				return k + "." + miss
			}
		}
		return ""
	}
	if eq, _ := armexpr.Equal(armexpr.FromTape(want), armexpr.FromTape(have), true); !eq {
		return string(want.Raw())
	}
	return ""
}

// vectorInventory answers look-ups with the vector's list, in call order.
type vectorInventory struct{ related []*Resource }

// Related implements Inventory.
func (i vectorInventory) Related(Query) Related { return Related{Resources: i.related} }

func (v *Vector) env() *Env {
	env := &Env{APIVersion: v.root.Get("apiVersion").Str()}
	ctx := v.root.Get("context")
	if t, ok := armexpr.ParseTime(ctx.Get("utcNow").Str()); ok {
		env.Now = t
	} else {
		env.Now = time.Unix(0, 0).UTC()
	}
	env.Context = func(function string, _ *Resource) armexpr.Value {
		c := ctx.Get(function)
		return armexpr.FromTape(c)
	}
	return env
}

// decide evaluates the rule on the vector's one resource.
func (v *Vector) decide(p *Policy) (string, error) {
	r := NewResource(v.root.Get("resource"))
	if r.Root.Get("type").Kind() == jsontape.Absent {
		r.Type = "" // the suite derives nothing from ids
	}
	env := v.env()
	var inv vectorInventory
	for e := range v.root.Get("related").Elems() {
		if e.Kind() == jsontape.Object {
			rel := NewResource(e)
			rel.Type = v.root.Get("relatedType").Str()
			if rel.Name == "" && p.details.name != nil && p.details.name.isConst() {
				rel.Name = p.details.name.konst.Str()
			}
			inv.related = append(inv.related, rel)
		}
	}
	env.Inventory = inv
	ev := &Evaluator{Env: env}
	if p.Effect == Disabled {
		return "no_effect", nil
	}
	prog := p.specialise(r.Type)
	if prog == nil {
		prog = &Program{Policy: p, Type: r.Type, cond: (&compiler{p: p, typ: r.Type, primary: r.Type}).node(p.Definition.If)}
	}
	t, err := ev.Matches(prog, r)
	if err != nil {
		return "", err
	}
	if t == True && p.Effect.existence() {
		if t, err = ev.Exists(prog, r); err != nil {
			return "", err
		}
		t = t.not()
	}
	switch t {
	case True:
		return "effect " + strings.ToLower(p.Effect.String()), nil
	case False:
		return "no_effect", nil
	case Maybe:
	}
	return "unknown: " + ev.why, nil
}

// runBuiltin evaluates one template function.
func (v *Vector) runBuiltin() (want, got string) {
	exp := v.root.Get("expect")
	want = exp.Get("kind").Str()
	if want == "value" {
		want = armexpr.FromTape(exp.Get("value")).JSON()
	} else {
		want = "error" // the suite's "undefined" is our error
	}
	name := functionName(v.root.Get("function").Str())
	if name == "field" {
		a := v.root.Get("args")
		x := armexpr.FromTape(a.Index(0).Get(a.Index(1).Str()))
		if x.Kind() == armexpr.Absent {
			return want, "error"
		}
		return want, x.JSON()
	}
	var args []string
	vals := map[string]armexpr.Value{}
	for a := range v.root.Get("args").Elems() {
		key := "a" + armexpr.IntValue(int64(len(args))).Text()
		vals[key] = armexpr.FromTape(a)
		args = append(args, "parameters('"+key+"')")
	}
	set := policySet(vals)
	for k, f := range armexpr.Template {
		if set[k] == nil {
			set[k] = f
		}
	}
	if len(args) == 0 && (name == "and" || name == "or") {
		return want, armexpr.BoolValue(name == "and").JSON()
	}
	n, err := armexpr.Parse("[" + name + "(" + strings.Join(args, ", ") + ")]")
	if err != nil {
		return want, "error"
	}
	prog, err := armexpr.Compile(n, set)
	if err != nil {
		return want, "error"
	}
	x, err := prog.Eval(&Evaluator{Env: &Env{}})
	if err != nil {
		return want, "error"
	}
	w := armexpr.FromTape(exp.Get("value"))
	if eq, _ := armexpr.Equal(w, x, false); eq && exp.Get("kind").Str() == "value" {
		return want, want
	}
	return want, x.JSON()
}

// functionName maps the suite's internal function names to the language's.
func functionName(s string) string {
	s = strings.TrimPrefix(strings.TrimPrefix(s, "azure.policy."), "fn.")
	switch s {
	case "logic_all":
		return "and"
	case "logic_any":
		return "or"
	case "logic_not":
		return "not"
	case "resolve_field":
		return "field"
	case "int_div":
		return "div"
	case "int_mod":
		return "mod"
	}
	parts := strings.Split(s, "_")
	for i := 1; i < len(parts); i++ {
		if parts[i] != "" {
			parts[i] = strings.ToUpper(parts[i][:1]) + parts[i][1:]
		}
	}
	return strings.Join(parts, "")
}

// runState runs a vector of the state suite.
func (v *Vector) runState() (want, got string, err error) {
	x, ev, resources, err := v.assigned()
	if err != nil {
		return "states", "error: " + err.Error(), nil //nolint:nilerr // the failure is the result
	}
	states := map[string]State{}
	azure := map[string]State{}
	roller := NewRoller(x)
	for i := range x.Members {
		for _, r := range resources {
			s := x.Evaluate(ev, i, r)
			key := r.ID
			if x.Initiative != nil {
				key = s.Reference + "|" + r.ID
			}
			states[key], azure[key] = s.State, s.Azure
			roller.Add(s)
		}
	}
	exp := v.root.Get("expect")
	w1, g1 := compareStates("", exp.Get("states"), states)
	w2, g2 := compareStates("group ", exp.Get("groups"), roller.Summary().Groups)
	w3, g3 := compareStates("azure ", exp.Get("azure"), azure)
	return w1 + w2 + w3, g1 + g2 + g3, nil
}

func compareStates(label string, want jsontape.Value, got map[string]State) (w, g string) {
	var names []string
	for k := range want.Members() {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, k := range names {
		s, ok := got[k]
		text := "nothing"
		if ok {
			text = s.String()
		}
		w += label + k + "=" + want.Get(k).Str() + " "
		g += label + k + "=" + text + " "
	}
	return w, g
}

// assigned builds what a state vector describes.
func (v *Vector) assigned() (*Assigned, *Evaluator, []*Resource, error) { //nolint:revive // the four parts of a vector's world
	c := NewCatalog()
	for typ, list := range v.root.Get("aliases").Members() {
		c.AddType(typ)
		for name, path := range list.Members() {
			c.Add(typ, Alias{Name: name, Path: path.Str()})
		}
	}
	l := NewLibrary(c)
	for d := range v.root.Get("definitions").Elems() {
		def, err := parseDefinition(v.doc, d, "definitions")
		if err != nil {
			return nil, nil, nil, err
		}
		l.Add(def)
	}
	if n := v.root.Get("initiative"); n.Kind() == jsontape.Object {
		in, err := parseInitiative(v.doc, n)
		if err != nil {
			return nil, nil, nil, err
		}
		l.AddInitiative(in)
	}
	a, err := parseAssignment(v.doc, v.root.Get("assignment"))
	if err != nil {
		return nil, nil, nil, err
	}
	x, err := Assign(a, l)
	if err != nil {
		return nil, nil, nil, err
	}
	if s := v.root.Get("scopes"); s.Kind() == jsontape.Object {
		if x.Scopes, err = scopesOf(v.doc, s); err != nil {
			return nil, nil, nil, err
		}
	}
	if e := v.root.Get("exemptions"); e.Exists() {
		if x.Exemptions, err = parseExemptions(v.doc, e); err != nil {
			return nil, nil, nil, err
		}
	}
	if t := v.root.Get("attestations"); t.Exists() {
		if x.Attestations, err = parseAttestations(v.doc, t); err != nil {
			return nil, nil, nil, err
		}
	}
	var resources []*Resource
	for e := range v.root.Get("resources").Elems() {
		resources = append(resources, NewResource(e))
	}
	env := &Env{Inventory: NewList(resources)}
	if t, ok := armexpr.ParseTime(v.root.Get("now").Str()); ok {
		env.Now = t
	}
	return x, &Evaluator{Env: env}, resources, nil
}

// runNormalize runs a vector of the suite normalize. That suite is about an
// evaluator that first rewrites ARM objects into a flat form in which every
// alias is a path. We read ARM objects as they are, so what carries over is
// this: an alias that the flat form answers must have the same value when it is
// read from the ARM object, and the other way round.
func (v *Vector) runNormalize() (want, got string, err error) {
	catalog := NewCatalog()
	aliases := v.root.Get("aliasCatalog")
	if aliases.Kind() != jsontape.Array {
		return "", "", &SkipError{"the vector has no aliases: it is about the rewriting itself, which tickmark does not do"}
	}
	if err := catalog.AddProviders(v.ID, aliases.Raw()); err != nil {
		return "", "", err
	}
	arm, flat := v.root.Get("input"), v.root.Get("expected_normalized")
	if flat.Kind() == jsontape.Absent {
		flat = v.root.Get("expected_envelope").Get("resource")
	}
	if d := v.root.Get("expected_denormalized"); d.Kind() != jsontape.Absent {
		arm, flat = d, v.root.Get("input")
	}
	if flat.Kind() != jsontape.Object || arm.Kind() != jsontape.Object {
		return "", "", &SkipError{"the vector shows no flat form of a resource: it is about rewriting there and back, which tickmark does not do"}
	}
	p := &Policy{catalog: catalog, Definition: &Definition{}}
	typ := arm.Get("type").Str()
	c := &compiler{p: p, typ: typ, primary: typ}
	var wants, gots []armexpr.Member
	info := catalog.Type(typ)
	if info == nil {
		return "", "", &SkipError{"the vector's type has no aliases"}
	}
	for _, a := range info.sorted() {
		f, fail := c.resolve(a.Name)
		if fail != nil {
			return a.Name, fail.what, nil //nolint:nilerr // the failure is the result
		}
		f = f.in(v.root.Get("api_version").Str())
		short := strings.ToLower(strings.TrimPrefix(a.Name, typ+"/"))
		path, ok := parsePath(flatName(flat, short))
		if !ok {
			return a.Name, "an alias whose name is no path", nil
		}
		wants = append(wants, armexpr.Member{Name: a.Name, Value: selected(flat, path)})
		gots = append(gots, armexpr.Member{Name: a.Name, Value: selected(arm, f.path)})
	}
	return armexpr.ObjectValue(wants).JSON(), armexpr.ObjectValue(gots).JSON(), nil
}

// flatName is the name of an alias in the flat form: a root property that has
// the same name pushes it aside with a prefix.
func flatName(flat jsontape.Value, short string) string {
	if v := flat.Get("_p_" + short); v.Kind() != jsontape.Absent {
		return "_p_" + short
	}
	return short
}

// selected returns the values that a path selects, as a list.
func selected(v jsontape.Value, p *path) armexpr.Value {
	var c collector
	c.collect(v, p.steps)
	return armexpr.ArrayValue(c.list)
}
