// SPDX-License-Identifier: Apache-2.0

package template

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// frame is one template that is being evaluated: what its expressions see.
type frame struct {
	x     *expander
	doc   *document
	root  jsontape.Value
	scope scope
	// deployment is the deployment's name, depth how many deployments enclose it.
	deployment armexpr.Value
	depth      int

	// params and variables are by lower-case name. Everything that depends on
	// a stand-in is kept apart: index 1.
	params      map[string]*parameter
	definitions jsontape.Value
	variables   map[string]jsontape.Value
	cache       [2]map[string]armexpr.Value
	running     map[string]bool
	functions   map[string]*function
	symbols     map[string]jsontape.Value // resources of languageVersion 2.0

	set   armexpr.Set
	progs map[string]*compiled
}

// compiled is an expression as it was first met. Where it does not depend on
// the place where it stands, results keeps what it came out as: as known, and
// with stand-ins.
type compiled struct {
	prog    *armexpr.Program
	err     error
	fixed   bool
	results [2]*outcome
}

type outcome struct {
	value armexpr.Value
	err   error
}

// function is a user-defined function.
type function struct {
	name   string
	params []*parameter
	output jsontape.Value
}

// loop is a copy loop that is running. In one of which the count is not known
// the index is not known either.
type loop struct {
	name     string // lower case
	index    int
	resource bool
	unknown  string
}

// view is the place where an expression stands; it answers its host functions.
type view struct {
	f     *frame
	loops []loop
	// fn and args are set inside a user-defined function.
	fn   *function
	args map[string]armexpr.Value
	// depth counts user functions that call each other.
	depth int
	// standIn asks for stand-ins instead of unobserved values: texts that name
	// what is not known. Only ids are made of them.
	standIn bool
}

// with returns the view inside a further loop.
func (w *view) with(l loop) *view {
	in := *w
	in.loops = append(slices.Clip(w.loops), l)
	return &in
}

// standing returns the view that yields stand-ins.
func (w *view) standing() *view {
	in := *w
	in.standIn = true
	return &in
}

func (w *view) mode() int {
	if w.standIn {
		return 1
	}
	return 0
}

// newFrame prepares a template; its parameters are bound by bind.
func (x *expander) newFrame(d *document, root jsontape.Value, s scope, deployment armexpr.Value, depth int) *frame {
	f := &frame{
		x: x, doc: d, root: root, scope: s, deployment: deployment, depth: depth,
		params: map[string]*parameter{}, variables: map[string]jsontape.Value{}, running: map[string]bool{},
		functions: map[string]*function{}, symbols: map[string]jsontape.Value{}, progs: map[string]*compiled{}, definitions: root.Get("definitions"),
	}
	f.cache[0], f.cache[1] = map[string]armexpr.Value{}, map[string]armexpr.Value{}
	f.set = templateSet.With()
	if vars := root.Get("variables"); vars.Kind() == jsontape.Object {
		for name, v := range vars.Members() {
			f.variables[strings.ToLower(name)] = v
		}
	}
	f.copiedVariables(root.Get("variables").Get("copy"))
	f.userFunctions(root.Get("functions"))
	if rs := root.Get("resources"); rs.Kind() == jsontape.Object {
		for name, v := range rs.Members() {
			f.symbols[strings.ToLower(name)] = v
		}
	}
	return f
}

// copiedVariables adds the variables that the loops of "copy" make.
func (f *frame) copiedVariables(list jsontape.Value) {
	if !isCopyList(list) {
		return
	}
	delete(f.variables, "copy")
	for c := range list.Elems() {
		f.variables[strings.ToLower(c.Get("name").Str())] = c
	}
}

// userFunctions declares the functions of the template's namespaces.
func (f *frame) userFunctions(list jsontape.Value) {
	for ns := range list.Elems() {
		space := ns.Get("namespace").Str()
		for name, m := range ns.Get("members").Members() {
			fn := &function{name: space + "." + name, output: m.Get("output")}
			for p := range m.Get("parameters").Elems() {
				fn.params = append(fn.params, f.declare(p.Get("name").Str(), p))
			}
			if space == "" || fn.output.Get("value").Kind() == jsontape.Absent {
				f.x.problem(f.doc, m.Offset(), fn.name, "the function has no namespace or no output value", "")
				continue
			}
			f.functions[strings.ToLower(fn.name)] = fn
			f.set[strings.ToLower(fn.name)] = armexpr.HostFunc(fn.name, len(fn.params), len(fn.params))
		}
	}
}

// program compiles an expression, once for each text.
func (f *frame) program(text string) *compiled {
	if c := f.progs[text]; c != nil {
		return c
	}
	c := &compiled{}
	f.progs[text] = c
	n, err := armexpr.Parse(text)
	if err != nil {
		c.err = err
		return c
	}
	n.Walk(func(n *armexpr.Node) {
		low := strings.ToLower(n.Name)
		if n.Kind == armexpr.CallNode && strings.HasPrefix(low, "list") && f.set[low] == nil {
			f.set[low] = armexpr.HostFunc(n.Name, 1, 3) // listKeys, listSecrets, …: each provider has its own
		}
	})
	if c.prog, c.err = armexpr.Compile(n, f.set); c.err == nil {
		c.fixed = !slices.Contains(c.prog.Calls(), "copyindex")
	}
	return c
}

// text evaluates the string at v, which may be an expression.
func (w *view) text(v jsontape.Value) armexpr.Value {
	s := v.Str()
	if !armexpr.IsExpression(s) {
		return armexpr.StringValue(armexpr.Literal(s))
	}
	out, err := w.expression(s)
	if err != nil {
		w.f.fail(v, err, w.standIn)
		return broken()
	}
	return out
}

func (w *view) expression(s string) (armexpr.Value, error) {
	c := w.f.program(s)
	if c.err != nil {
		return armexpr.Value{}, c.err
	}
	if r := c.results[w.mode()]; r != nil && w.fn == nil {
		return r.value, r.err
	}
	v, err := c.prog.Eval(w)
	// While something is being evaluated, an error may be that it needs itself.
	if c.fixed && w.fn == nil && len(w.f.running) == 0 {
		c.results[w.mode()] = &outcome{v, err}
	}
	return v, err
}

// fail records why the expression at v failed. An error behind a stand-in says
// nothing about the template.
func (f *frame) fail(v jsontape.Value, err error, standIn bool) {
	if standIn {
		return
	}
	off, what := v.Offset(), err.Error()
	if e, ok := errors.AsType[*armexpr.Error](err); ok {
		off += rawOffset(v, e.Pos)
		what = e.What
	}
	f.x.problem(f.doc, off, "", what, "")
}

// rawOffset translates an offset in the text of a string into one in its
// source, which has a quote in front and may have escapes.
func rawOffset(v jsontape.Value, pos int) int {
	raw := v.Raw()
	at := 1
	for n := 0; n < pos && at < len(raw)-1; {
		size := 1
		if raw[at] == '\\' {
			size = 2
			if at+1 < len(raw) && raw[at+1] == 'u' {
				size = 6
			}
		}
		at += size
		n++
	}
	return at
}

// Now implements armexpr.Host.
func (w *view) Now() time.Time { return w.f.x.o.Now }

// variable evaluates a variable when it is first asked for.
func (w *view) variable(name string) (armexpr.Value, error) {
	f, key := w.f, strings.ToLower(name)
	if v, ok := f.cache[w.mode()][key]; ok {
		return v, nil
	}
	src, ok := f.variables[key]
	if !ok {
		return armexpr.Value{}, fmt.Errorf("the template has no variable %q", name)
	}
	if f.running["v:"+key] {
		return armexpr.Value{}, fmt.Errorf("the variable %q depends on itself", name)
	}
	f.running["v:"+key] = true
	defer delete(f.running, "v:"+key)
	own := &view{f: f, standIn: w.standIn}
	var v armexpr.Value
	if isCopy(src) && f.root.Get("variables").Get(name).Kind() == jsontape.Absent {
		v = own.copyValue(src)
	} else {
		v = own.value(src)
	}
	if v.Weight(maxVariable) >= maxVariable {
		f.x.problem(f.doc, src.Offset(), "", fmt.Sprintf("the variable %q holds more than %d values", name, maxVariable), "")
		v = broken()
	}
	f.cache[w.mode()][key] = v
	return v, nil
}

// checkVariables evaluates the variables that nothing asked for, so that their
// errors are told too: Resource Manager refuses the template for them.
func (f *frame) checkVariables() {
	w := &view{f: f}
	if vars := f.root.Get("variables"); vars.Kind() == jsontape.Object {
		for name := range vars.Members() {
			if f.variables[strings.ToLower(name)].Kind() != jsontape.Absent {
				_, _ = w.variable(name) // the problem is recorded
			}
		}
	}
}
