// SPDX-License-Identifier: Apache-2.0

package armexpr

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Func is one function of the language.
type Func struct {
	Name     string
	Min, Max int // argument counts; Max < 0 means any number
	// host functions are answered by the Host and never folded.
	host bool
	eval func(args []Value) (Value, error)
	// whole functions only put their arguments together: an unobserved one
	// stays inside the result and does not hide the others.
	whole bool
	// lazy functions evaluate their own arguments.
	lazy func(e *env, args []*prog) (Value, error)
}

// Set is a set of functions by lower-case name.
type Set map[string]*Func

// With returns the set with further host functions, which Eval passes to Host.
func (s Set) With(host ...*Func) Set {
	out := maps.Clone(s)
	for _, f := range host {
		out[strings.ToLower(f.Name)] = f
	}
	return out
}

// Without returns the set without the named functions.
func (s Set) Without(names ...string) Set {
	out := maps.Clone(s)
	for _, n := range names {
		delete(out, strings.ToLower(n))
	}
	return out
}

// Names lists the functions of the set in order.
func (s Set) Names() []string {
	return slices.Sorted(maps.Keys(s))
}

// HostFunc declares a function that the Host answers.
func HostFunc(name string, minArgs, maxArgs int) *Func {
	return &Func{Name: name, Min: minArgs, Max: maxArgs, host: true}
}

// Host answers the functions that depend on where an expression stands:
// parameters, field, current, subscription …
type Host interface {
	// Call returns the value of the host function called name (lower case)
	// for evaluated arguments. Absent means "no such thing" and is an error
	// unless the function allows it; an *Error's Pos is filled in.
	Call(name string, args []Value) (Value, error)
	// Now is the instant that utcNow returns.
	Now() time.Time
}

// Program is a compiled expression. It is immutable and safe for concurrent use.
type Program struct {
	p *prog
	// Calls lists the host functions the program calls, lower case.
	calls []string
	clock bool
	count int
}

type prog struct {
	kind NodeKind
	pos  int
	name string
	val  Value
	fn   *Func
	args []*prog
}

// Compile resolves the functions of n against set and folds constants.
func Compile(n *Node, set Set) (*Program, error) {
	out := &Program{}
	p, err := out.compile(n, set)
	if err != nil {
		return nil, err
	}
	out.p = p
	return out, nil
}

// Constant makes a program that returns v.
func Constant(v Value) *Program { return &Program{p: &prog{kind: LiteralNode, val: v}} }

// Constant returns the program's value when it needs no host.
func (p *Program) Constant() (Value, bool) { return p.p.val, p.p.kind == LiteralNode }

// Calls lists the host functions that the program calls, in lower case.
func (p *Program) Calls() []string { return p.calls }

// UsesClock reports whether the program calls utcNow.
func (p *Program) UsesClock() bool { return p.clock }

// Functions is the number of calls in the source expression.
func (p *Program) Functions() int { return p.count }

func (p *Program) compile(n *Node, set Set) (*prog, error) {
	out := &prog{kind: n.Kind, pos: n.Pos, name: n.Name, val: n.Value}
	if n.Kind == LiteralNode {
		return out, nil
	}
	if n.Kind == CallNode {
		p.count++
		f, ok := set[strings.ToLower(n.Name)]
		if !ok {
			return nil, errf(n.Pos, "function %q does not exist here%s", n.Name, nearest(n.Name, set))
		}
		if len(n.Args) < f.Min || f.Max >= 0 && len(n.Args) > f.Max {
			return nil, errf(n.Pos, "%s takes %s, not %d", f.Name, countText(f), len(n.Args))
		}
		out.fn, out.name = f, strings.ToLower(n.Name)
		if f.host {
			p.calls = append(p.calls, out.name)
		}
		if f.Name == "utcNow" {
			p.clock = true
		}
	}
	pure := n.Kind != CallNode || !out.fn.host
	for _, a := range n.Args {
		c, err := p.compile(a, set)
		if err != nil {
			return nil, err
		}
		pure = pure && c.kind == LiteralNode
		out.args = append(out.args, c)
	}
	if pure {
		if v, err := (&env{}).eval(out); err == nil {
			return &prog{kind: LiteralNode, pos: n.Pos, val: v}, nil
		}
		// A constant that fails does so only when it is reached.
	}
	return out, nil
}

func countText(f *Func) string {
	switch {
	case f.Max < 0:
		return "at least " + argsText(f.Min)
	case f.Min == f.Max:
		return argsText(f.Min)
	}
	return argsText(f.Min) + " to " + argsText(f.Max)
}

func argsText(n int) string {
	if n == 1 {
		return "1 argument"
	}
	return IntValue(int64(n)).Text() + " arguments"
}

// nearest suggests a function whose name is close to name.
func nearest(name string, set Set) string {
	low := strings.ToLower(name)
	for _, n := range set.Names() {
		if n != low && (strings.HasPrefix(n, low) || strings.HasPrefix(low, n)) && len(low) > 2 {
			return "; did you mean " + set[n].Name + "?"
		}
	}
	return ""
}

type env struct {
	host  Host
	bound []binding // variables of the lambdas that are running
	work  int       // what lambdas have done
}

// Eval runs the program. The error is an *Error.
func (p *Program) Eval(h Host) (Value, error) {
	if p.p.kind == LiteralNode {
		return p.p.val, nil
	}
	return (&env{host: h}).eval(p.p)
}

func (e *env) eval(p *prog) (Value, error) {
	switch p.kind {
	case LiteralNode:
		return p.val, nil
	case PropNode:
		base, err := e.eval(p.args[0])
		if err != nil {
			return Value{}, err
		}
		return member(p.pos, base, p.name)
	case IndexNode:
		base, err := e.eval(p.args[0])
		if err != nil {
			return Value{}, err
		}
		idx, err := e.eval(p.args[1])
		if err != nil {
			return Value{}, err
		}
		return index(p.pos, base, idx)
	case CallNode:
	}
	if p.fn.lazy != nil {
		v, err := p.fn.lazy(e, p.args)
		return v, at(p.pos, err)
	}
	if p.fn.host && len(p.args) == 0 && e.host != nil { // without the space for arguments, which is allocated
		v, err := e.host.Call(p.name, nil)
		return v, at(p.pos, err)
	}
	var buf [4]Value
	args := buf[:0]
	for _, a := range p.args {
		v, err := e.eval(a)
		if err != nil {
			return Value{}, err
		}
		args = append(args, v)
	}
	if p.fn.host {
		if e.host == nil {
			return Value{}, errf(p.pos, "%s is not available here", p.fn.Name)
		}
		v, err := e.host.Call(p.name, args)
		return v, at(p.pos, err)
	}
	if !p.fn.whole {
		for _, a := range args {
			if a.kind == Unobserved {
				return a, nil
			}
		}
	}
	v, err := p.fn.eval(args)
	if err == nil && len(v.str) > 16*maxText {
		// Functions that encode make their text longer each time; a few dozen
		// of them around each other would fill the memory.
		err = fail("the result is longer than %d characters", 16*maxText)
	}
	return v, at(p.pos, err)
}

// at gives an error its position.
func at(pos int, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := err.(*Error); ok { //nolint:errorlint // our own functions return it bare
		if e.Pos < 0 {
			return &Error{Pos: pos, What: e.What}
		}
		return e
	}
	return &Error{Pos: pos, What: err.Error(), Err: err}
}

// member is base.name. A member that does not exist is an error: the policy
// team's linter documents that tryGet is needed (tryget rules).
func member(pos int, base Value, name string) (Value, error) {
	switch base.kind {
	case Unobserved:
		return base, nil
	case Object:
		v := base.Get(name)
		if v.kind == Absent {
			return Value{}, errf(pos, "the object has no property %q", name)
		}
		return v, nil
	}
	return Value{}, errf(pos, "%s has no property %q", article(base.kind), name)
}

func index(pos int, base, idx Value) (Value, error) {
	switch {
	case base.kind == Unobserved:
		return base, nil
	case idx.kind == Unobserved:
		return idx, nil
	case base.kind == Object && idx.kind == String:
		return member(pos, base, idx.str)
	case base.kind == Array && idx.kind == Int:
		l := base.List()
		if i := idx.Int(); i >= 0 && i < int64(len(l)) {
			return l[i], nil
		}
		if r := base.OpenReason(); r != "" {
			return UnobservedValue(r), nil
		}
		return Value{}, errf(pos, "index %d is outside the array of %d elements", idx.Int(), len(l))
	}
	return Value{}, errf(pos, "%s cannot be indexed with %s", article(base.kind), article(idx.kind))
}

func article(k Kind) string {
	switch k {
	case Int, Array, Object, Unobserved:
		return "an " + k.String()
	case Absent, Null:
		return k.String()
	}
	return "a " + k.String()
}

// PureFunc declares a function whose value depends on its arguments alone, so
// that calls with constant arguments are folded. A package that binds
// parameters before compiling declares them so.
func PureFunc(name string, minArgs, maxArgs int, eval func(args []Value) (Value, error)) *Func {
	return &Func{Name: name, Min: minArgs, Max: maxArgs, eval: eval}
}

// Walk calls f for n and every node below it.
func (n *Node) Walk(f func(*Node)) {
	f(n)
	for _, a := range n.Args {
		a.Walk(f)
	}
}
