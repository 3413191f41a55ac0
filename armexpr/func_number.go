// SPDX-License-Identifier: Apache-2.0

package armexpr

import (
	"math"
	"strconv"
	"strings"
)

var numberFuncs = []*Func{
	pure("add", 2, 2, arith("add", func(a, b int64) (int64, bool) { return a + b, (a+b > a) == (b > 0) })),
	pure("sub", 2, 2, arith("sub", func(a, b int64) (int64, bool) { return a - b, (a-b < a) == (b > 0) })),
	pure("mul", 2, 2, arith("mul", func(a, b int64) (int64, bool) {
		if a == 0 || b == 0 {
			return 0, true
		}
		p := a * b
		return p, p/b == a && (a != -1 || b != math.MinInt64) && (b != -1 || a != math.MinInt64)
	})),
	pure("div", 2, 2, arith("div", func(a, b int64) (int64, bool) {
		if b == 0 || a == math.MinInt64 && b == -1 {
			return 0, false
		}
		return a / b, true
	})),
	pure("mod", 2, 2, arith("mod", func(a, b int64) (int64, bool) {
		if b == 0 {
			return 0, false
		}
		if b == -1 {
			return 0, true
		}
		return a % b, true
	})),
	pure("int", 1, 1, toInt),
	pure("float", 1, 1, toFloat),
	pure("min", 1, -1, extreme("min", -1)),
	pure("max", 1, -1, extreme("max", 1)),
	pure("range", 2, 2, numberRange),
}

func arith(name string, op func(a, b int64) (int64, bool)) func([]Value) (Value, error) {
	return func(a []Value) (Value, error) {
		for i, v := range a {
			if v.kind != Int {
				return Value{}, wrong(name, i, "an integer", v)
			}
		}
		r, ok := op(a[0].Int(), a[1].Int())
		if !ok {
			if (name == "div" || name == "mod") && a[1].Int() == 0 {
				return Value{}, fail("%s by zero", name)
			}
			return Value{}, fail("the result of %s does not fit 64 bits", name)
		}
		return IntValue(r), nil
	}
}

func toInt(a []Value) (Value, error) {
	switch v := a[0]; v.kind {
	case Int:
		return v, nil
	case Float:
		f := v.Float()
		if f != math.Trunc(f) || math.Abs(f) > 1<<62 {
			return Value{}, fail("int cannot convert %s", FloatText(f))
		}
		return IntValue(int64(f)), nil
	case String:
		i, err := strconv.ParseInt(strings.TrimSpace(v.str), 10, 64)
		if err != nil {
			return Value{}, fail("int cannot convert %q", v.str)
		}
		return IntValue(i), nil
	}
	return Value{}, wrong("int", 0, "an integer or a string", a[0])
}

func toFloat(a []Value) (Value, error) {
	switch v := a[0]; v.kind {
	case Int, Float:
		return FloatValue(v.Float()), nil
	case String:
		f, err := strconv.ParseFloat(strings.TrimSpace(v.str), 64)
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			return Value{}, fail("float cannot convert %q", v.str)
		}
		return FloatValue(f), nil
	}
	return Value{}, wrong("float", 0, "a number or a string", a[0])
}

// extreme is min or max over integers, given apart or as one array.
func extreme(name string, sign int) func([]Value) (Value, error) {
	return func(a []Value) (Value, error) {
		if len(a) == 1 && a[0].kind == Array {
			if r := a[0].OpenReason(); r != "" {
				return UnobservedValue(r), nil
			}
			a = a[0].List()
		}
		if len(a) == 0 {
			return Value{}, fail("%s of an empty array", name)
		}
		best := a[0]
		for i, v := range a {
			switch {
			case v.kind == Unobserved:
				return v, nil
			case !v.IsNumber():
				return Value{}, wrong(name, i, "an integer", v)
			case CompareNumbers(v, best)*sign > 0:
				best = v
			}
		}
		return best, nil
	}
}

// numberRange follows the documented limits: at most 10,000 numbers, and
// start+count within 32 bits.
func numberRange(a []Value) (Value, error) {
	for i, v := range a {
		if v.kind != Int {
			return Value{}, wrong("range", i, "an integer", v)
		}
	}
	start, count := a[0].Int(), a[1].Int()
	if count < 0 || count > 10000 {
		return Value{}, fail("the count of range must be 0 to 10000, not %d", count)
	}
	if start < math.MinInt32 || start+count > math.MaxInt32 {
		return Value{}, fail("range leaves the 32-bit integers")
	}
	l := make([]Value, count)
	for i := range l {
		l[i] = IntValue(start + int64(i))
	}
	return ArrayValue(l), nil
}
