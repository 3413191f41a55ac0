// SPDX-License-Identifier: Apache-2.0

package armexpr

import (
	"slices"
	"strings"
)

// maxElements bounds the arrays that functions make, and maxPairs what union
// and intersection compare.
const (
	maxElements = 1 << 17
	maxPairs    = 1 << 26
)

func tooMany(fn string) error {
	return fail("%s makes or compares more than %d elements", fn, maxElements)
}

var arrayFuncs = []*Func{
	pure("array", 1, 1, func(a []Value) (Value, error) {
		if a[0].kind == Array {
			return a[0], nil
		}
		return ArrayValue([]Value{a[0]}), nil
	}),
	{Name: "createArray", Min: 0, Max: -1, whole: true, eval: func(a []Value) (Value, error) { return ArrayValue(slices.Clone(a)), nil }},
	pure("length", 1, 1, length),
	pure("empty", 1, 1, empty),
	pure("contains", 2, 2, contains),
	pure("first", 1, 1, end("first", false)),
	pure("last", 1, 1, end("last", true)),
	pure("indexOf", 2, 2, indexOf("indexOf", false)),
	pure("lastIndexOf", 2, 2, indexOf("lastIndexOf", true)),
	pure("take", 2, 2, part("take", func(n, size int) (int, int) { return 0, min(n, size) })),
	pure("skip", 2, 2, part("skip", func(n, size int) (int, int) { return min(n, size), size })),
	pure("intersection", 2, -1, intersection),
	pure("union", 2, -1, union),
	pure("flatten", 1, 1, flatten),
	pure("indexFromEnd", 2, 2, fromEnd(false)),
	pure("tryIndexFromEnd", 2, 2, fromEnd(true)),
}

func length(a []Value) (Value, error) {
	switch v := a[0]; v.kind {
	case String:
		return IntValue(int64(units(v.str))), nil
	case Array, Object:
		if r := v.OpenReason(); r != "" {
			return UnobservedValue(r), nil
		}
		return IntValue(int64(v.Len())), nil
	}
	return Value{}, wrong("length", 0, "a string, an array or an object", a[0])
}

func empty(a []Value) (Value, error) {
	switch v := a[0]; v.kind {
	case Null, Absent:
		return BoolValue(true), nil
	case String:
		return BoolValue(v.str == ""), nil
	case Array, Object:
		if v.Len() == 0 && v.OpenReason() != "" {
			return UnobservedValue(v.OpenReason()), nil
		}
		return BoolValue(v.Len() == 0), nil
	}
	return Value{}, wrong("empty", 0, "a string, an array or an object", a[0])
}

// contains looks for a value in an array (exact), a member of an object
// (any case) or a text in a string (any case; linter source).
func contains(a []Value) (Value, error) {
	switch v := a[0]; v.kind {
	case String:
		switch a[1].kind {
		case String, Int:
			return BoolValue(FoldContains(v.str, a[1].Text())), nil
		}
		return Value{}, wrong("contains", 1, "a string", a[1])
	case Array:
		i, u := find(v, a[1], false)
		if u != nil && i < 0 {
			return *u, nil
		}
		return BoolValue(i >= 0), nil
	case Object:
		if a[1].kind != String {
			return Value{}, wrong("contains", 1, "a string", a[1])
		}
		m := v.Get(a[1].str)
		if m.kind == Unobserved && v.OpenReason() != "" && !hasMember(v, a[1].str) {
			return m, nil
		}
		return BoolValue(m.kind != Absent), nil
	}
	return Value{}, wrong("contains", 0, "a string, an array or an object", a[0])
}

func hasMember(v Value, name string) bool {
	for _, m := range v.Members() {
		if strings.EqualFold(m.Name, name) {
			return true
		}
	}
	return false
}

// find returns the index of x in the array, or -1; the unobserved value that
// keeps it from being sure, if any.
func find(array, x Value, last bool) (int, *Value) {
	at := -1
	var unknown *Value
	for i, e := range array.List() {
		eq, un := Equal(e, x, false)
		if un && unknown == nil {
			u := firstUnobserved([]Value{e, x})
			unknown = &u
		}
		if eq {
			at = i
			if !last {
				break
			}
		}
	}
	if r := array.OpenReason(); r != "" && unknown == nil {
		u := UnobservedValue(r)
		unknown = &u
	}
	return at, unknown
}

func indexOf(name string, last bool) func([]Value) (Value, error) {
	return func(a []Value) (Value, error) {
		switch a[0].kind {
		case String:
			if a[1].kind != String {
				return Value{}, wrong(name, 1, "a string", a[1])
			}
			return IntValue(int64(foldIndex(a[0].str, a[1].str, last))), nil
		case Array:
			i, u := find(a[0], a[1], last)
			if u != nil {
				return *u, nil
			}
			return IntValue(int64(i)), nil
		}
		return Value{}, wrong(name, 0, "a string or an array", a[0])
	}
}

func end(name string, last bool) func([]Value) (Value, error) {
	return func(a []Value) (Value, error) {
		switch v := a[0]; v.kind {
		case String:
			r := []rune(v.str)
			if len(r) == 0 {
				return StringValue(""), nil
			}
			if last {
				return StringValue(string(r[len(r)-1])), nil
			}
			return StringValue(string(r[0])), nil
		case Array:
			if r := v.OpenReason(); r != "" && (last || v.Len() == 0) {
				return UnobservedValue(r), nil
			}
			l := v.List()
			if len(l) == 0 {
				return NullValue(), nil
			}
			if last {
				return l[len(l)-1], nil
			}
			return l[0], nil
		}
		return Value{}, wrong(name, 0, "a string or an array", a[0])
	}
}

func part(name string, bounds func(n, size int) (from, to int)) func([]Value) (Value, error) {
	return func(a []Value) (Value, error) {
		if a[1].kind != Int {
			return Value{}, wrong(name, 1, "an integer", a[1])
		}
		n := int(max(0, min(a[1].Int(), 1<<31)))
		switch v := a[0]; v.kind {
		case String:
			from, to := bounds(n, units(v.str))
			return StringValue(cut(v.str, from, to-from)), nil
		case Array:
			if r := v.OpenReason(); r != "" {
				return UnobservedValue(r), nil
			}
			l := v.List()
			from, to := bounds(n, len(l))
			return ArrayValue(l[from:to]), nil
		}
		return Value{}, wrong(name, 0, "a string or an array", a[0])
	}
}

func sameKinds(name string, a []Value) error {
	if a[0].kind != Array && a[0].kind != Object {
		return wrong(name, 0, "an array or an object", a[0])
	}
	for i, v := range a {
		if v.kind != a[0].kind {
			return wrong(name, i, article(a[0].kind)+" like the first", v)
		}
	}
	return nil
}

func intersection(a []Value) (Value, error) {
	if err := sameKinds("intersection", a); err != nil {
		return Value{}, err
	}
	for _, v := range a {
		if u, ok := v.observed(); !ok {
			return u, nil
		}
	}
	for _, v := range a[1:] {
		if a[0].Len()*max(v.Len(), a[0].Len()) > maxPairs {
			return Value{}, tooMany("intersection")
		}
	}
	if a[0].kind == Array {
		var out []Value
		for _, e := range a[0].List() {
			in := !slices.ContainsFunc(out, func(o Value) bool { eq, _ := Equal(o, e, false); return eq })
			for _, other := range a[1:] {
				i, _ := find(other, e, false)
				in = in && i >= 0
			}
			if in {
				out = append(out, e)
			}
		}
		return ArrayValue(out), nil
	}
	var out []Member
	for _, m := range a[0].Members() {
		in := true
		for _, other := range a[1:] {
			eq, _ := Equal(other.Get(m.Name), m.Value, false)
			in = in && eq
		}
		if in {
			out = append(out, m)
		}
	}
	return ObjectValue(out), nil
}

func union(a []Value) (Value, error) {
	if err := sameKinds("union", a); err != nil {
		return Value{}, err
	}
	for _, v := range a {
		if r := v.OpenReason(); r != "" {
			return UnobservedValue(r), nil
		}
	}
	if a[0].kind == Object {
		out := a[0]
		for _, v := range a[1:] {
			if out.Len()*v.Len() > maxPairs {
				return Value{}, tooMany("union")
			}
			out = merge(out, v, true)
		}
		return out, nil
	}
	var out []Value
	for _, v := range a {
		if (len(out)+v.Len())*v.Len() > maxPairs {
			return Value{}, tooMany("union")
		}
		for _, e := range v.List() {
			i, unknown := find(ArrayValue(out), e, false)
			if i < 0 && unknown != nil { // it may be there already
				return OpenArrayValue(out, unknown.str), nil
			}
			if i < 0 {
				out = append(out, e)
			}
		}
	}
	return ArrayValue(out), nil
}

// merge returns x with the members of y added or replaced; deep merges objects
// inside objects.
func merge(x, y Value, deep bool) Value {
	out := slices.Clone(x.Members())
	for _, m := range y.Members() {
		i := slices.IndexFunc(out, func(o Member) bool { return strings.EqualFold(o.Name, m.Name) })
		switch {
		case i < 0:
			out = append(out, m)
		case deep && out[i].Value.kind == Object && m.Value.kind == Object:
			out[i].Value = merge(out[i].Value, m.Value, true)
		default:
			out[i].Value = m.Value
		}
	}
	return ObjectValue(out)
}

func flatten(a []Value) (Value, error) {
	if a[0].kind != Array {
		return Value{}, wrong("flatten", 0, "an array of arrays", a[0])
	}
	if r := a[0].OpenReason(); r != "" {
		return UnobservedValue(r), nil
	}
	var out []Value
	for _, e := range a[0].List() {
		switch e.kind {
		case Unobserved:
			return e, nil
		case Array:
			if len(out)+e.Len() > maxElements {
				return Value{}, tooMany("flatten")
			}
			out = append(out, e.List()...)
		default:
			return Value{}, fail("flatten takes an array of arrays; it holds %s", article(e.kind))
		}
	}
	return ArrayValue(out), nil
}

func fromEnd(try bool) func([]Value) (Value, error) {
	return func(a []Value) (Value, error) {
		if a[0].kind == Array && a[1].kind == Int {
			if r := a[0].OpenReason(); r != "" {
				return UnobservedValue(r), nil
			}
			l := a[0].List()
			if i := a[1].Int(); i >= 1 && i <= int64(len(l)) {
				return l[len(l)-int(i)], nil
			}
		}
		if try {
			return NullValue(), nil
		}
		return Value{}, fail("index %s from the end is outside the array", a[1].JSON())
	}
}
