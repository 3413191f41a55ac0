// SPDX-License-Identifier: Apache-2.0

package armexpr

import (
	"slices"
	"strings"
)

// maxLambdaWork bounds what the lambdas of one evaluation may do: calls and
// the values that they return, counted in nodes.
const maxLambdaWork = 1 << 19

// lambdaFuncs are the functions that take a lambda, as Bicep writes them:
// map(array, lambda('x', lambdaVariables('x').name)).
//
// With an unobserved array the result is unobserved. Where a predicate is
// unobserved for one element, what follows this element is not known to lie
// where it does, so filter keeps what comes before and leaves the rest open.
var lambdaFuncs = []*Func{
	{Name: "lambda", Min: 1, Max: 4, lazy: func(*env, []*prog) (Value, error) {
		return Value{}, fail("a lambda is only an argument of map, filter, reduce, sort, toObject, groupBy or mapValues")
	}},
	{Name: "lambdaVariables", Min: 1, Max: 1, lazy: lambdaVariable},
	{Name: "map", Min: 2, Max: 2, lazy: overArray("map", 1, 2, mapArray)},
	{Name: "filter", Min: 2, Max: 2, lazy: overArray("filter", 1, 2, filterArray)},
	{Name: "sort", Min: 2, Max: 2, lazy: overArray("sort", 2, 2, sortArray)},
	{Name: "groupBy", Min: 2, Max: 2, lazy: overArray("groupBy", 1, 1, groupArray)},
	{Name: "toObject", Min: 2, Max: 3, lazy: toObject},
	{Name: "reduce", Min: 3, Max: 3, lazy: reduce},
	{Name: "mapValues", Min: 2, Max: 2, lazy: mapValues},
}

// binding is a variable of a lambda that is running.
type binding struct {
	name  string
	value Value
}

// lambda is a function value: it exists only while its caller runs.
type lambda struct {
	names []string
	body  *prog
}

func lambdaVariable(e *env, args []*prog) (Value, error) {
	n, err := e.eval(args[0])
	if err != nil {
		return Value{}, err
	}
	for _, b := range slices.Backward(e.bound) {
		if n.kind == String && strings.EqualFold(b.name, n.str) {
			return b.value, nil
		}
	}
	return Value{}, fail("there is no lambda variable %s here", n.JSON())
}

// lambdaOf reads argument i (0-based) of fn as a lambda of low to high variables.
func lambdaOf(fn string, args []*prog, i, low, high int) (lambda, error) {
	p := args[i]
	if p.kind != CallNode || p.fn == nil || p.fn.Name != "lambda" {
		return lambda{}, fail("argument %d of %s must be a lambda", i+1, fn)
	}
	l := lambda{body: p.args[len(p.args)-1]}
	for _, a := range p.args[:len(p.args)-1] {
		if a.kind != LiteralNode || a.val.kind != String {
			return lambda{}, &Error{Pos: a.pos, What: "the variables of a lambda are 'strings'"}
		}
		l.names = append(l.names, a.val.str)
	}
	if n := len(l.names); n < low || n > high {
		return lambda{}, fail("the lambda of %s takes %d to %d variables, not %d", fn, low, high, n)
	}
	return l, nil
}

// call runs the lambda; surplus arguments (an index that nobody asked for) are dropped.
func (l lambda) call(e *env, args ...Value) (Value, error) {
	n := len(e.bound)
	for i, name := range l.names {
		e.bound = append(e.bound, binding{name, args[i]}) //nolint:gosec // compile checked the number of names
	}
	v, err := e.eval(l.body)
	e.bound = e.bound[:n]
	if err != nil {
		return Value{}, err
	}
	e.work += 1 + v.Weight(maxLambdaWork)
	if e.work > maxLambdaWork {
		return Value{}, fail("the lambdas of this expression do more than %d steps", maxLambdaWork)
	}
	return v, nil
}

// Weight counts the values inside v, itself included, and stops at limit.
func (v Value) Weight(limit int) int {
	n := 1 + len(v.str)/64
	switch {
	case v.kind != Array && v.kind != Object:
		return n
	case v.ref == nil:
		return n + v.node.Weight()
	}
	for _, x := range v.ref.list {
		if n >= limit {
			return n
		}
		n += x.Weight(limit - n)
	}
	for _, m := range v.ref.members {
		if n >= limit {
			return n
		}
		n += m.Value.Weight(limit - n)
	}
	return n
}

// overArray makes a lazy function of an array and one lambda.
func overArray(name string, low, high int, f func(e *env, list Value, l lambda) (Value, error)) func(*env, []*prog) (Value, error) {
	return func(e *env, args []*prog) (Value, error) {
		list, err := arrayArg(e, name, args[0])
		if err != nil || list.kind == Unobserved {
			return list, err
		}
		l, err := lambdaOf(name, args, 1, low, high)
		if err != nil {
			return Value{}, err
		}
		return f(e, list, l)
	}
}

// arrayArg evaluates an argument that must be an array.
func arrayArg(e *env, name string, p *prog) (Value, error) {
	v, err := e.eval(p)
	if err != nil || v.kind == Unobserved || v.kind == Array {
		return v, err
	}
	return Value{}, wrong(name, 0, "an array", v)
}

func mapArray(e *env, list Value, l lambda) (Value, error) {
	in := list.List()
	out := make([]Value, len(in))
	for i, x := range in {
		v, err := l.call(e, x, IntValue(int64(i)))
		if err != nil {
			return Value{}, err
		}
		out[i] = v
	}
	return OpenArrayValue(out, list.OpenReason()), nil
}

func filterArray(e *env, list Value, l lambda) (Value, error) {
	var out []Value
	for i, x := range list.List() {
		v, err := l.call(e, x, IntValue(int64(i)))
		switch {
		case err != nil:
			return Value{}, err
		case v.kind == Unobserved:
			return OpenArrayValue(out, v.str), nil
		case v.kind != Bool:
			return Value{}, fail("the lambda of filter must yield a boolean, not %s", article(v.kind))
		case v.Bool():
			out = append(out, x)
		}
	}
	return OpenArrayValue(out, list.OpenReason()), nil
}

func sortArray(e *env, list Value, l lambda) (Value, error) {
	if r := list.OpenReason(); r != "" {
		return UnobservedValue(r), nil
	}
	var failed error
	var unknown *Value
	less := func(a, b Value) bool {
		if failed != nil || unknown != nil {
			return false
		}
		v, err := l.call(e, a, b)
		switch {
		case err != nil:
			failed = err
		case v.kind == Unobserved:
			unknown = &v
		case v.kind != Bool:
			failed = fail("the lambda of sort must yield a boolean, not %s", article(v.kind))
		}
		return v.Bool()
	}
	out := slices.Clone(list.List())
	slices.SortStableFunc(out, func(a, b Value) int {
		switch {
		case less(a, b):
			return -1
		case less(b, a):
			return 1
		}
		return 0
	})
	switch {
	case failed != nil:
		return Value{}, failed
	case unknown != nil:
		return *unknown, nil
	}
	return ArrayValue(out), nil
}

// keyText is the text of a computed member name.
func keyText(fn string, v Value) (string, error) {
	if v.kind != String && v.kind != Int {
		return "", fail("the keys of %s must be strings, not %s", fn, article(v.kind))
	}
	return v.Text(), nil
}

func groupArray(e *env, list Value, l lambda) (Value, error) {
	if r := list.OpenReason(); r != "" {
		return UnobservedValue(r), nil
	}
	var names []string
	groups := map[string][]Value{}
	for _, x := range list.List() {
		k, err := l.call(e, x)
		if err != nil || k.kind == Unobserved {
			return k, err
		}
		name, err := keyText("groupBy", k)
		if err != nil {
			return Value{}, err
		}
		if groups[Fold(name)] == nil {
			names = append(names, name)
		}
		groups[Fold(name)] = append(groups[Fold(name)], x)
	}
	out := make([]Member, len(names))
	for i, n := range names {
		out[i] = Member{n, ArrayValue(groups[Fold(n)])}
	}
	return ObjectValue(out), nil
}

func toObject(e *env, args []*prog) (Value, error) {
	list, err := arrayArg(e, "toObject", args[0])
	if err != nil || list.kind == Unobserved {
		return list, err
	}
	if r := list.OpenReason(); r != "" {
		return UnobservedValue(r), nil
	}
	key, err := lambdaOf("toObject", args, 1, 1, 1)
	if err != nil {
		return Value{}, err
	}
	var value lambda
	if len(args) == 3 {
		if value, err = lambdaOf("toObject", args, 2, 1, 1); err != nil {
			return Value{}, err
		}
	}
	var out []Member
	at := map[string]int{}
	for _, x := range list.List() {
		k, err := key.call(e, x)
		if err != nil || k.kind == Unobserved {
			return k, err
		}
		name, err := keyText("toObject", k)
		if err != nil {
			return Value{}, err
		}
		v := x
		if value.body != nil {
			if v, err = value.call(e, x); err != nil {
				return Value{}, err
			}
		}
		if i, ok := at[Fold(name)]; ok {
			out[i].Value = v // the last one wins
			continue
		}
		at[Fold(name)] = len(out)
		out = append(out, Member{name, v})
	}
	return ObjectValue(out), nil
}

func reduce(e *env, args []*prog) (Value, error) {
	list, err := arrayArg(e, "reduce", args[0])
	if err != nil || list.kind == Unobserved {
		return list, err
	}
	if r := list.OpenReason(); r != "" {
		return UnobservedValue(r), nil
	}
	sum, err := e.eval(args[1])
	if err != nil {
		return Value{}, err
	}
	l, err := lambdaOf("reduce", args, 2, 2, 3)
	if err != nil {
		return Value{}, err
	}
	for i, x := range list.List() {
		if sum, err = l.call(e, sum, x, IntValue(int64(i))); err != nil {
			return Value{}, err
		}
	}
	return sum, nil
}

func mapValues(e *env, args []*prog) (Value, error) {
	o, err := e.eval(args[0])
	switch {
	case err != nil || o.kind == Unobserved:
		return o, err
	case o.kind != Object:
		return Value{}, wrong("mapValues", 0, "an object", o)
	}
	l, err := lambdaOf("mapValues", args, 1, 1, 1)
	if err != nil {
		return Value{}, err
	}
	in := o.Members()
	out := make([]Member, len(in))
	for i, m := range in {
		v, err := l.call(e, m.Value)
		if err != nil {
			return Value{}, err
		}
		out[i] = Member{m.Name, v}
	}
	return OpenObjectValue(out, o.OpenReason()), nil
}
