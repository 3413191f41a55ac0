// SPDX-License-Identifier: Apache-2.0

// Package unit runs the unit tests that people write for a policy, in YAML:
// {policy, cases: [{name, resource, related, parameters, expect}]}.
// doc/spec/policy-tests.md describes the format.
package unit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
	"github.com/tickmark/tickmark/policy"
)

// Tests are the unit tests of one policy.
type Tests struct {
	File   string
	Cases  []Case
	text   *yamlText
	root   jsontape.Value
	policy *policy.Definition
	// inline is where the definition starts in the JSON of the file, -1 when it
	// has a file of its own.
	inline  int
	catalog *policy.Catalog
}

// Case is one case of Tests.
type Case struct {
	Name      string
	Line, Col int
	root      jsontape.Value
}

// Options say where unit tests find what they name.
type Options struct {
	// Read reads a file whose name the tests give, relative to them.
	Read func(name string) ([]byte, error)
	// Catalog resolves aliases unless the tests bring their own.
	Catalog *policy.Catalog
}

// Result is the outcome of one case.
type Result struct {
	Name      string
	Line, Col int
	Want, Got string // equal when the case passes
	// Why explains what came out: the deciding condition, or the error.
	Why string
}

// Parse reads a file of unit tests. Errors are *policy.SourceError and point
// into the file, or into the definition that it names.
func Parse(file string, src []byte, o Options) (*Tests, error) {
	y, err := readYAML(file, src)
	if err != nil {
		return nil, err
	}
	tape, err := jsontape.Parse(y.json, jsontape.Options{})
	if e, ok := errors.AsType[*jsontape.Error](err); ok {
		line, col := y.at(min(max(e.Offset, 0), len(y.json)))
		return nil, policy.NewSourceError(file, src, line, col, e.What)
	}
	if err != nil {
		return nil, err
	}
	u := &Tests{File: file, text: y, root: tape.Root(), inline: -1, catalog: o.Catalog}
	if u.catalog == nil {
		u.catalog = policy.NewCatalog()
	}
	if err := u.known(u.root, "the file", "policy", "aliases", "parameters", "now", "complete", "context", "cases", "description"); err != nil {
		return nil, err
	}
	if err := u.readAliases(u.root.Get("aliases"), o); err != nil {
		return nil, err
	}
	if err := u.readPolicy(u.root.Get("policy"), o); err != nil {
		return nil, err
	}
	return u, u.readCases()
}

// errorAt is an error at a value of the file.
func (u *Tests) errorAt(v jsontape.Value, format string, args ...any) error {
	line, col := u.text.at(max(v.Offset(), 0))
	return policy.NewSourceError(u.File, u.text.src, line, col, fmt.Sprintf(format, args...))
}

// known refuses members that the format does not have.
func (u *Tests) known(v jsontape.Value, what string, names ...string) error {
	if v.Kind() != jsontape.Object {
		return u.errorAt(v, "%s must be a mapping with %s, not %s", what, strings.Join(names, ", "), v.Kind().Phrase())
	}
next:
	for k, m := range v.Members() {
		for _, n := range names {
			if k == n {
				continue next
			}
		}
		return u.errorAt(m, "%s has no %q; it may have %s", what, k, strings.Join(names, ", "))
	}
	return nil
}

func (u *Tests) readAliases(v jsontape.Value, o Options) error {
	switch v.Kind() {
	case jsontape.Absent:
		return nil
	case jsontape.String:
		b, err := u.read(v, o)
		if err != nil {
			return err
		}
		u.catalog = policy.NewCatalog()
		return u.catalog.AddAliases(v.Str(), b)
	case jsontape.Object:
		u.catalog = policy.NewCatalog()
		for typ, list := range v.Members() {
			if list.Kind() != jsontape.Object {
				return u.errorAt(list, "aliases of %s must be a mapping of alias to path, not %s", typ, list.Kind().Phrase())
			}
			for name, path := range list.Members() {
				u.catalog.Add(typ, policy.Alias{Name: name, Path: path.Str()})
			}
		}
		return nil
	}
	return u.errorAt(v, "aliases must be a file name or a mapping of resource type to aliases, not %s", v.Kind().Phrase())
}

func (u *Tests) read(v jsontape.Value, o Options) ([]byte, error) {
	if o.Read == nil {
		return nil, u.errorAt(v, "%s names a file, and files cannot be read here", v.Raw())
	}
	b, err := o.Read(v.Str())
	if err != nil {
		return nil, u.errorAt(v, "%v", err)
	}
	return b, nil
}

func (u *Tests) readPolicy(v jsontape.Value, o Options) error {
	var err error
	switch v.Kind() {
	case jsontape.String:
		var b []byte
		if b, err = u.read(v, o); err != nil {
			return err
		}
		u.policy, err = policy.ParseDefinition(v.Str(), b)
		return err
	case jsontape.Object:
		u.inline = v.Offset()
		u.policy, err = policy.ParseDefinition(u.File, v.Raw())
		return u.located(err)
	}
	return u.errorAt(v, "the file needs policy: a definition, or the name of a file that holds one")
}

// located moves an error of an inline definition to where the author wrote it.
func (u *Tests) located(err error) error {
	if err == nil || u.inline < 0 {
		return err
	}
	return u.text.moved(err, u.inline)
}

func (u *Tests) readCases() error {
	cases := u.root.Get("cases")
	if cases.Kind() != jsontape.Array || cases.Len() == 0 {
		return u.errorAt(u.root, "the file needs cases: a list of at least one case")
	}
	seen := map[string]bool{}
	for c := range cases.Elems() {
		if err := u.known(c, "a case", "name", "resource", "related", "parameters", "expect", "now", "complete", "context", "description"); err != nil {
			return err
		}
		n := Case{Name: c.Get("name").Str(), root: c}
		n.Line, n.Col = u.text.at(c.Offset())
		if n.Name == "" {
			n.Name = fmt.Sprintf("case %d", len(u.Cases)+1)
		}
		if seen[n.Name] {
			return u.errorAt(c, "two cases are called %q", n.Name)
		}
		seen[n.Name] = true
		if c.Get("resource").Kind() != jsontape.Object {
			return u.errorAt(c, "case %q needs resource: the object to evaluate", n.Name)
		}
		if _, _, err := u.expected(c.Get("expect"), c); err != nil {
			return err
		}
		u.Cases = append(u.Cases, n)
	}
	return nil
}

// expected reads expect: a state, or {state, reason}.
func (u *Tests) expected(v, c jsontape.Value) (state policy.State, reason string, err error) {
	text := v
	if v.Kind() == jsontape.Object {
		if err := u.known(v, "expect", "state", "reason"); err != nil {
			return policy.Unknown, "", err
		}
		text, reason = v.Get("state"), v.Get("reason").Str()
	}
	if text.Kind() == jsontape.Absent {
		return policy.Unknown, "", u.errorAt(c, "the case needs expect: compliant, nonCompliant, notApplicable, unknown, error, protected …")
	}
	s, ok := policy.ParseState(text.Str())
	if !ok {
		return policy.Unknown, "", u.errorAt(text, "expect must be compliant, nonCompliant, notApplicable, unknown, error or protected, not %s", text.Raw())
	}
	return s, reason, nil
}

// Run evaluates every case. now is the instant for cases that name none.
func (u *Tests) Run(now time.Time) []Result {
	out := make([]Result, len(u.Cases))
	for i := range u.Cases {
		out[i] = u.run(&u.Cases[i], now)
	}
	return out
}

func (u *Tests) run(c *Case, now time.Time) Result {
	res := Result{Name: c.Name, Line: c.Line, Col: c.Col}
	want, reason, err := u.expected(c.root.Get("expect"), c.root)
	if err != nil {
		res.Got, res.Why = "error", err.Error()
		return res
	}
	res.Want = stateWord(want)
	env, err := u.env(c, now)
	if err != nil {
		res.Got, res.Why = "invalid case", err.Error()
		return res
	}
	params := policy.ParameterValues(u.root.Get("parameters"))
	for k, v := range policy.ParameterValues(c.root.Get("parameters")) {
		for given := range params {
			if strings.EqualFold(given, k) {
				delete(params, given)
			}
		}
		params[k] = v
	}
	for k := range params {
		if !declares(u.policy, k) {
			res.Got, res.Why = "invalid case", fmt.Sprintf("the policy has no parameter %q", k)
			return res
		}
	}
	p, err := policy.Bind(u.policy, params, u.catalog)
	if err != nil {
		res.Got, res.Why = stateWord(policy.Error), u.located(err).Error()
		return res
	}
	r := policy.NewResource(c.root.Get("resource"))
	if r.Type == "" {
		res.Got, res.Why = "invalid case", "the resource has neither type nor an id that names one"
		return res
	}
	ev := &policy.Evaluator{Env: env}
	prog := p.For(r.Type)
	out := ev.Evaluate(prog, r)
	res.Got, res.Why = stateWord(out.State), explainOutcome(ev, prog, r, out)
	if reason != "" {
		res.Want += " (" + reason + ")"
		res.Got += " (" + out.Reason + ")"
	}
	return res
}

// declares reports whether the definition has the parameter; a bare rule has
// any.
func declares(d *policy.Definition, name string) bool {
	return len(d.Parameters) == 0 || slices.ContainsFunc(d.Parameters, func(p policy.Parameter) bool { return strings.EqualFold(p.Name, name) })
}

func stateWord(s policy.State) string {
	t := s.String()
	return strings.ToLower(t[:1]) + t[1:]
}

// explainOutcome says in one line why the outcome is what it is.
func explainOutcome(ev *policy.Evaluator, prog *policy.Program, r *policy.Resource, out policy.Outcome) string {
	switch {
	case out.Err != nil:
		return out.Err.Error()
	case prog == nil:
		return "the rule cannot apply to type " + r.Type
	}
	var b strings.Builder
	if out.Reason != "" {
		b.WriteString(out.Reason + ": ")
	}
	d, _ := ev.Trace(prog, r).Decides()
	if d == nil {
		return strings.TrimSuffix(b.String(), ": ")
	}
	fmt.Fprintf(&b, "%s %s %s was %s: found %s", d.Field, d.Op, d.Wanted, d.Truth, d.Found)
	if d.Place != "" {
		b.WriteString(" (" + d.Place + ")")
	}
	return b.String()
}

// env is what the case says of the world.
func (u *Tests) env(c *Case, now time.Time) (*policy.Env, error) {
	env := &policy.Env{Now: now}
	pick := func(name string) jsontape.Value {
		if v := c.root.Get(name); v.Kind() != jsontape.Absent {
			return v
		}
		return u.root.Get(name)
	}
	if v := pick("now"); v.Kind() != jsontape.Absent {
		t, ok := armexpr.ParseTime(v.Str())
		if !ok {
			return nil, u.errorAt(v, "now must be an instant such as 2026-06-30T00:00:00Z, not %s", v.Raw())
		}
		env.Now = t
	}
	if ctx := pick("context"); ctx.Kind() == jsontape.Object {
		env.Context = func(function string, _ *policy.Resource) armexpr.Value { return armexpr.FromTape(ctx.Get(function)) }
	}
	inv := &inventory{}
	switch v := pick("complete"); v.Kind() {
	case jsontape.Absent, jsontape.True:
	case jsontape.False:
		inv.missing = "notCollected"
	case jsontape.Array:
		inv.complete = map[string]bool{}
		for t := range v.Elems() {
			inv.complete[strings.ToLower(t.Str())] = true
		}
	default:
		return nil, u.errorAt(v, "complete must be true, false or a list of resource types, not %s", v.Kind().Phrase())
	}
	rel := c.root.Get("related")
	if rel.Kind() != jsontape.Absent && rel.Kind() != jsontape.Array {
		return nil, u.errorAt(rel, "related must be a list of objects, not %s", rel.Kind().Phrase())
	}
	for v := range rel.Elems() {
		if v.Kind() != jsontape.Object {
			return nil, u.errorAt(v, "a related resource must be an object, not %s", v.Kind().Phrase())
		}
		if r := policy.NewResource(v); r.ID == "" {
			inv.loose = append(inv.loose, r)
		} else {
			inv.placed = append(inv.placed, r)
		}
	}
	env.Inventory = inv
	return env, nil
}

// inventory answers look-ups from a case's related resources. A resource
// without id is found wherever the policy looks; one with an id, where it lies.
type inventory struct {
	loose    []*policy.Resource // without id
	placed   []*policy.Resource
	missing  string
	complete map[string]bool // nil: all types
}

// Related implements Inventory.
func (i *inventory) Related(q policy.Query) policy.Related {
	out := policy.NewList(i.placed).Related(q)
	for _, r := range i.loose {
		if r.Type == "" {
			c := *r
			c.Type = q.Type
			r = &c
		}
		if strings.EqualFold(r.Type, q.Type) {
			out.Resources = append(out.Resources, r)
		}
	}
	out.Missing = i.missing
	if i.complete != nil && !i.complete[strings.ToLower(q.Type)] {
		out.Missing = "notCollected"
	}
	return out
}
