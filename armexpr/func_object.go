// SPDX-License-Identifier: Apache-2.0

package armexpr

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/tickmark/tickmark/jsontape"
)

var objectFuncs = []*Func{
	{Name: "createObject", Min: 0, Max: -1, eval: createObject, whole: true},
	pure("items", 1, 1, items),
	pure("objectKeys", 1, 1, func(a []Value) (Value, error) {
		if a[0].kind != Object {
			return Value{}, wrong("objectKeys", 0, "an object", a[0])
		}
		if r := a[0].OpenReason(); r != "" {
			return UnobservedValue(r), nil
		}
		var l []Value
		for _, n := range a[0].SortedNames() {
			l = append(l, StringValue(n))
		}
		return ArrayValue(l), nil
	}),
	pure("shallowMerge", 1, 1, func(a []Value) (Value, error) {
		out := ObjectValue(nil)
		for i, v := range a[0].List() {
			if v.kind == Unobserved {
				return v, nil
			}
			if v.kind != Object {
				return Value{}, wrong("shallowMerge", i, "an object", v)
			}
			out = merge(out, v, false)
		}
		return out, nil
	}),
	pure("tryGet", 2, -1, tryGet),
	pure("json", 1, 1, parseJSON("json")),
}

func createObject(a []Value) (Value, error) {
	if len(a)%2 != 0 {
		return Value{}, fail("createObject takes names and values in pairs, not %d arguments", len(a))
	}
	var m []Member
	for i := 0; i < len(a); i += 2 {
		if a[i].kind == Unobserved {
			return a[i], nil
		}
		if a[i].kind != String && a[i].kind != Int {
			return Value{}, wrong("createObject", i, "a string", a[i])
		}
		m = append(m, Member{a[i].Text(), a[i+1]})
	}
	return ObjectValue(m), nil
}

func items(a []Value) (Value, error) {
	if a[0].kind != Object {
		return Value{}, wrong("items", 0, "an object", a[0])
	}
	if r := a[0].OpenReason(); r != "" {
		return UnobservedValue(r), nil
	}
	ms := slices.Clone(a[0].Members())
	slices.SortFunc(ms, func(x, y Member) int { return strings.Compare(x.Name, y.Name) })
	l := make([]Value, len(ms))
	for i, m := range ms {
		l[i] = ObjectValue([]Member{{"key", StringValue(m.Name)}, {"value", m.Value}})
	}
	return ArrayValue(l), nil
}

// tryGet walks names and indexes and yields null where a step does not exist.
func tryGet(a []Value) (Value, error) {
	v := a[0]
	for _, step := range a[1:] {
		switch {
		case v.kind == Unobserved:
			return v, nil
		case v.kind == Object && step.kind == String:
			v = v.Get(step.str)
		case v.kind == Array && step.kind == Int:
			l, i := v.List(), step.Int()
			switch {
			case i >= 0 && i < int64(len(l)):
				v = l[i]
			case v.OpenReason() != "":
				return UnobservedValue(v.OpenReason()), nil
			default:
				return NullValue(), nil
			}
		default:
			return NullValue(), nil
		}
		if v.kind == Absent {
			return NullValue(), nil
		}
	}
	return v, nil
}

func parseJSON(name string) func([]Value) (Value, error) {
	return func(a []Value) (Value, error) {
		if a[0].kind != String {
			return Value{}, wrong(name, 0, "a string", a[0])
		}
		t, err := jsontape.Parse([]byte(a[0].str), jsontape.Options{})
		if err != nil {
			return Value{}, fail("%s cannot parse its argument: %v", name, err)
		}
		return FromTape(t.Root()), nil
	}
}

// FromGo converts what encoding/json decodes (with numbers as json.Number)
// into a Value; members are ordered by name.
func FromGo(x any) Value {
	switch x := x.(type) {
	case bool:
		return BoolValue(x)
	case json.Number:
		return NumberValue(x.String())
	case float64:
		b, _ := json.Marshal(x)
		return NumberValue(string(b))
	case int:
		return IntValue(int64(x))
	case string:
		return StringValue(x)
	case []any:
		l := make([]Value, len(x))
		for i, e := range x {
			l[i] = FromGo(e)
		}
		return ArrayValue(l)
	case map[string]any:
		var m []Member
		for k, e := range x {
			m = append(m, Member{k, FromGo(e)})
		}
		slices.SortFunc(m, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
		return ObjectValue(m)
	}
	return NullValue()
}
