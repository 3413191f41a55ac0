// SPDX-License-Identifier: Apache-2.0

package armexpr

import (
	"fmt"
	"strings"
)

// fail makes an error whose position Eval fills in.
func fail(format string, args ...any) error {
	return &Error{Pos: -1, What: fmt.Sprintf(format, args...)}
}

// wrong says that argument i (0-based) of fn has the wrong kind.
func wrong(fn string, i int, want string, got Value) error {
	return fail("argument %d of %s must be %s, not %s", i+1, fn, want, article(got.kind))
}

func pure(name string, minArgs, maxArgs int, eval func([]Value) (Value, error)) *Func {
	return &Func{Name: name, Min: minArgs, Max: maxArgs, eval: eval}
}

func setOf(lists ...[]*Func) Set {
	s := Set{}
	for _, l := range lists {
		for _, f := range l {
			s[strings.ToLower(f.Name)] = f
		}
	}
	return s
}

// Standard holds the functions that templates and policies share. A policy
// adds its host functions and addDays and ipRangeContains (see Policy), a
// template the date functions (see Template).
var Standard = setOf(logicFuncs, numberFuncs, stringFuncs, arrayFuncs, objectFuncs, encodeFuncs, clockFuncs)

// Policy holds the functions that Azure Policy allows in rules, without those
// that the host answers. Source: Microsoft's "policy rule" page, which excludes
// copyIndex, the dateTime functions, deployment, environment,
// extensionResourceId, lambda, list*, newGuid, pickZones, providers,
// reference, the resourceId family, tenant and variables.
var Policy = Standard.With(policyFuncs...)

// Template holds the functions that ARM templates allow, without those that
// the host answers.
var Template = Standard.With(dateFuncs...).With(lambdaFuncs...).With(networkFuncs...).With(templateFuncs...)

var logicFuncs = []*Func{
	pure("true", 0, 0, func([]Value) (Value, error) { return BoolValue(true), nil }),
	pure("false", 0, 0, func([]Value) (Value, error) { return BoolValue(false), nil }),
	pure("null", 0, 0, func([]Value) (Value, error) { return NullValue(), nil }),
	{Name: "if", Min: 3, Max: 3, lazy: lazyIf},
	{Name: "and", Min: 1, Max: -1, lazy: func(e *env, a []*prog) (Value, error) { return lazyJunction(e, a, "and", false) }},
	{Name: "or", Min: 1, Max: -1, lazy: func(e *env, a []*prog) (Value, error) { return lazyJunction(e, a, "or", true) }},
	{Name: "coalesce", Min: 1, Max: -1, lazy: lazyCoalesce},
	pure("not", 1, 1, func(a []Value) (Value, error) {
		if a[0].kind != Bool {
			return Value{}, wrong("not", 0, "a boolean", a[0])
		}
		return BoolValue(!a[0].Bool()), nil
	}),
	pure("bool", 1, 1, toBool),
	pure("equals", 2, 2, func(a []Value) (Value, error) {
		eq, unknown := Equal(a[0], a[1], false)
		if unknown {
			return firstUnobserved(a), nil
		}
		return BoolValue(eq), nil
	}),
	pure("less", 2, 2, order("less", func(c int) bool { return c < 0 })),
	pure("lessOrEquals", 2, 2, order("lessOrEquals", func(c int) bool { return c <= 0 })),
	pure("greater", 2, 2, order("greater", func(c int) bool { return c > 0 })),
	pure("greaterOrEquals", 2, 2, order("greaterOrEquals", func(c int) bool { return c >= 0 })),
}

func firstUnobserved(a []Value) Value {
	for _, v := range a {
		if u, ok := v.observed(); !ok {
			return u
		}
	}
	return UnobservedValue("")
}

// lazyIf evaluates only the branch it returns; the documentation's advice on
// avoiding template failures relies on it. With an unobserved condition the
// result is known only when both branches agree.
func lazyIf(e *env, a []*prog) (Value, error) {
	c, err := e.eval(a[0])
	if err != nil {
		return Value{}, err
	}
	switch c.kind {
	case Bool:
		if c.Bool() {
			return e.eval(a[1])
		}
		return e.eval(a[2])
	case Unobserved:
		x, errX := e.eval(a[1])
		y, errY := e.eval(a[2])
		if errX == nil && errY == nil {
			if eq, unknown := Equal(x, y, false); eq && !unknown {
				return x, nil
			}
		}
		return c, nil
	}
	return Value{}, wrong("if", 0, "a boolean", c)
}

// lazyJunction is and/or: it stops at the deciding value, and an unobserved
// argument matters only when no other decides.
func lazyJunction(e *env, args []*prog, name string, decides bool) (Value, error) {
	var unknown *Value
	for i, a := range args {
		v, err := e.eval(a)
		if err != nil {
			return Value{}, err
		}
		switch {
		case v.kind == Unobserved:
			if unknown == nil {
				unknown = &v
			}
		case v.kind != Bool:
			return Value{}, wrong(name, i, "a boolean", v)
		case v.Bool() == decides:
			return v, nil
		}
	}
	if unknown != nil {
		return *unknown, nil
	}
	return BoolValue(!decides), nil
}

func lazyCoalesce(e *env, args []*prog) (Value, error) {
	for _, a := range args {
		v, err := e.eval(a)
		if err != nil {
			return Value{}, err
		}
		if v.kind != Null && v.kind != Absent {
			return v, nil
		}
	}
	return NullValue(), nil
}

func toBool(a []Value) (Value, error) {
	switch v := a[0]; v.kind {
	case Bool:
		return v, nil
	case Int:
		return BoolValue(v.Int() != 0), nil
	case String:
		switch strings.ToLower(strings.TrimSpace(v.str)) {
		case "true", "1":
			return BoolValue(true), nil
		case "false", "0":
			return BoolValue(false), nil
		}
		return Value{}, fail("bool cannot convert %q; want true, false, 1 or 0", v.str)
	}
	return Value{}, wrong("bool", 0, "a boolean, an integer or a string", a[0])
}

// order compares two numbers or two strings. Strings compare by case-sensitive
// ordinal after a case-insensitive pass, as the invariant culture orders
// letters before their case. Mixed kinds are an error (linter source).
func order(name string, ok func(int) bool) func([]Value) (Value, error) {
	return func(a []Value) (Value, error) {
		switch {
		case a[0].IsNumber() && a[1].IsNumber():
			return BoolValue(ok(CompareNumbers(a[0], a[1]))), nil
		case a[0].kind == String && a[1].kind == String:
			c := strings.Compare(Fold(a[0].str), Fold(a[1].str))
			if c == 0 {
				c = -strings.Compare(a[0].str, a[1].str) // the invariant culture puts a before A
			}
			return BoolValue(ok(c)), nil
		}
		return Value{}, fail("%s compares two numbers or two strings, not %s with %s", name, article(a[0].kind), article(a[1].kind))
	}
}

// CompareNumbers returns -1, 0 or 1.
func CompareNumbers(a, b Value) int {
	if a.kind == Int && b.kind == Int {
		switch x, y := a.Int(), b.Int(); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	}
	switch x, y := a.Float(), b.Float(); {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}
