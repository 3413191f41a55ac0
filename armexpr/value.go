// SPDX-License-Identifier: Apache-2.0

package armexpr

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tickmark/tickmark/jsontape"
)

// Kind is the kind of a Value. The zero Kind is Absent.
type Kind uint8

// The kinds of values.
const (
	Absent Kind = iota // no such member; most functions refuse it
	Null
	Bool
	Int
	Float
	String
	Array
	Object
	Unobserved // not read; carries a reason
)

var kindNames = [...]string{"absent", "null", "boolean", "integer", "number", "string", "array", "object", "unobserved"}

// String names the kind.
func (k Kind) String() string { return kindNames[k] }

// Value is a value of the expression language. Values are immutable.
type Value struct {
	kind Kind
	bits uint64         // boolean, integer or the bits of a float
	str  string         // text of a string, reason of an unobserved value
	node jsontape.Value // an array or object still on its tape
	ref  *compound      // an array or object made by a function
}

type compound struct {
	list    []Value
	members []Member
	reason  string // not empty: only a part is known
}

// Member is one member of an object.
type Member struct {
	Name  string
	Value Value
}

// Constructors of values.
func NullValue() Value { return Value{kind: Null} }

func BoolValue(b bool) Value {
	v := Value{kind: Bool}
	if b {
		v.bits = 1
	}
	return v
}
func IntValue(i int64) Value     { return Value{kind: Int, bits: uint64(i)} } //nolint:gosec // bits only
func FloatValue(f float64) Value { return Value{kind: Float, bits: math.Float64bits(f)} }
func StringValue(s string) Value { return Value{kind: String, str: s} }

// UnobservedValue is a value that was not read, with the reason.
func UnobservedValue(reason string) Value { return Value{kind: Unobserved, str: reason} }

// ArrayValue makes an array; the slice must not change afterwards.
func ArrayValue(l []Value) Value { return Value{kind: Array, ref: &compound{list: l}} }

// OpenArrayValue makes an array that may hold further elements.
func OpenArrayValue(l []Value, reason string) Value {
	return Value{kind: Array, ref: &compound{list: l, reason: reason}}
}

// ObjectValue makes an object; the slice must not change afterwards.
func ObjectValue(m []Member) Value { return Value{kind: Object, ref: &compound{members: m}} }

// OpenObjectValue makes an object that may have further members.
func OpenObjectValue(m []Member, reason string) Value {
	return Value{kind: Object, ref: &compound{members: m, reason: reason}}
}

// FromTape wraps a value that lies on a tape. Scalars are converted, arrays
// and objects stay on the tape until something looks inside.
func FromTape(v jsontape.Value) Value {
	switch v.Kind() {
	case jsontape.Null:
		return Value{kind: Null}
	case jsontape.False:
		return BoolValue(false)
	case jsontape.True:
		return BoolValue(true)
	case jsontape.Number:
		return NumberValue(v.NumberText())
	case jsontape.String:
		return StringValue(v.Str())
	case jsontape.Array:
		return Value{kind: Array, node: v}
	case jsontape.Object:
		return Value{kind: Object, node: v}
	case jsontape.Unobserved:
		return UnobservedValue(v.Reason())
	case jsontape.Absent:
	}
	return Value{}
}

// NumberValue reads JSON number text: an integer when it is spelled as one and
// fits 64 bits, else a float.
func NumberValue(s string) Value {
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return IntValue(i)
	}
	f, _ := strconv.ParseFloat(s, 64)
	return FloatValue(f)
}

// Whole returns v with arrays and objects taken off their tape, so that looking
// inside costs nothing: for constants that are compared many times.
func (v Value) Whole() Value {
	if v.ref != nil || v.kind != Array && v.kind != Object || v.node.IsOpen() {
		return v
	}
	c := &compound{}
	for _, e := range v.List() {
		c.list = append(c.list, e.Whole())
	}
	for _, m := range v.Members() {
		c.members = append(c.members, Member{m.Name, m.Value.Whole()})
	}
	return Value{kind: v.kind, ref: c}
}

// Kind returns the kind.
func (v Value) Kind() Kind { return v.kind }

// IsNumber reports whether v is an integer or a float.
func (v Value) IsNumber() bool { return v.kind == Int || v.kind == Float }

// Reason says why v is unobserved.
func (v Value) Reason() string {
	if v.kind == Unobserved {
		return v.str
	}
	return ""
}

// Bool returns the value of a boolean.
func (v Value) Bool() bool { return v.kind == Bool && v.bits == 1 }

// Int returns the value of an integer.
func (v Value) Int() int64 { return int64(v.bits) } //nolint:gosec // the bits of an int64

// Float returns the value of an integer or float.
func (v Value) Float() float64 {
	if v.kind == Int {
		return float64(v.Int())
	}
	return math.Float64frombits(v.bits)
}

// Str returns the text of a string.
func (v Value) Str() string {
	if v.kind == String {
		return v.str
	}
	return ""
}

// OpenReason says why an array or object is only partly known; "" when it is whole.
func (v Value) OpenReason() string {
	if v.ref != nil {
		return v.ref.reason
	}
	return v.node.OpenReason()
}

// List returns the elements of an array.
func (v Value) List() []Value {
	if v.kind != Array {
		return nil
	}
	if v.ref != nil {
		return v.ref.list
	}
	var l []Value
	for e, ok := v.node.First(); ok; e, ok = v.node.Next(e) {
		l = append(l, FromTape(e))
	}
	return l
}

// Members returns the members of an object in order.
func (v Value) Members() []Member {
	if v.kind != Object {
		return nil
	}
	if v.ref != nil {
		return v.ref.members
	}
	var m []Member
	for k, e := range v.node.Members() {
		m = append(m, Member{k, FromTape(e)})
	}
	return m
}

// Len returns the number of elements or members.
func (v Value) Len() int {
	if v.ref != nil {
		return len(v.ref.list) + len(v.ref.members)
	}
	return v.node.Len()
}

// Get returns the member called name, whatever its case.
func (v Value) Get(name string) Value {
	switch {
	case v.kind == Unobserved:
		return v
	case v.kind != Object:
		return Value{}
	case v.ref == nil:
		return FromTape(v.node.Get(name))
	}
	for _, m := range v.ref.members {
		if strings.EqualFold(m.Name, name) {
			return m.Value
		}
	}
	if v.ref.reason != "" {
		return UnobservedValue(v.ref.reason)
	}
	return Value{}
}

// observed returns the first unobserved value inside v, deeply, and false.
func (v Value) observed() (Value, bool) {
	switch v.kind {
	case Unobserved:
		return v, false
	case Array, Object:
		if r := v.OpenReason(); r != "" {
			return UnobservedValue(r), false
		}
		for _, e := range v.List() {
			if u, ok := e.observed(); !ok {
				return u, false
			}
		}
		for _, m := range v.Members() {
			if u, ok := m.Value.observed(); !ok {
				return u, false
			}
		}
	}
	return Value{}, true
}

// Equal compares deeply: types must agree (an integer may equal a float),
// strings compare by fold when fold is set, else exactly. unknown is true when
// an unobserved part decides.
func Equal(a, b Value, fold bool) (equal, unknown bool) {
	switch {
	case a.kind == Unobserved || b.kind == Unobserved:
		return false, true
	case a.IsNumber() && b.IsNumber():
		if a.kind == Int && b.kind == Int {
			return a.bits == b.bits, false
		}
		return a.Float() == b.Float(), false
	case a.kind != b.kind:
		return false, false
	}
	switch a.kind {
	case String:
		if fold {
			return FoldEqual(a.str, b.str), false
		}
		return a.str == b.str, false
	case Bool:
		return a.bits == b.bits, false
	case Array:
		return equalLists(a, b, fold)
	case Object:
		return equalObjects(a, b, fold)
	}
	return true, false
}

func equalLists(a, b Value, fold bool) (equal, unknown bool) {
	x, y := a.List(), b.List()
	open := a.OpenReason() != "" || b.OpenReason() != ""
	if len(x) != len(y) && !open {
		return false, false
	}
	for i := range min(len(x), len(y)) {
		eq, un := Equal(x[i], y[i], fold)
		if !eq && !un && !open {
			return false, false
		}
		unknown = unknown || un
	}
	return !unknown && !open, unknown || open
}

func equalObjects(a, b Value, fold bool) (equal, unknown bool) {
	x, y := a.Members(), b.Members()
	if len(x) != len(y) && a.OpenReason() == "" && b.OpenReason() == "" {
		return false, false
	}
	unknown = a.OpenReason() != "" || b.OpenReason() != ""
	for _, m := range x {
		o := b.Get(m.Name)
		if o.kind == Absent {
			return false, false
		}
		eq, un := Equal(m.Value, o, fold)
		if !eq && !un {
			return false, false
		}
		unknown = unknown || un
	}
	return !unknown, unknown
}

// AppendJSON appends v as compact JSON; an unobserved value as its marker.
func (v Value) AppendJSON(b []byte) []byte {
	switch v.kind {
	case Absent, Null:
		return append(b, "null"...)
	case Bool:
		return strconv.AppendBool(b, v.bits == 1)
	case Int:
		return strconv.AppendInt(b, v.Int(), 10)
	case Float:
		return append(b, FloatText(v.Float())...)
	case String:
		return appendJSONString(b, v.str)
	case Unobserved:
		return appendJSONString(b, jsontape.Marker+v.str)
	case Array:
		b = append(b, '[')
		for i, e := range v.List() {
			if i > 0 {
				b = append(b, ',')
			}
			b = e.AppendJSON(b)
		}
		return append(b, ']')
	case Object:
		b = append(b, '{')
		for i, m := range v.Members() {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendJSONString(b, m.Name), ':')
			b = m.Value.AppendJSON(b)
		}
		return append(b, '}')
	}
	return b
}

// JSON returns v as compact JSON.
func (v Value) JSON() string { return string(v.AppendJSON(nil)) }

func appendJSONString(b []byte, s string) []byte {
	q, err := json.Marshal(s)
	if err != nil {
		return append(b, `""`...)
	}
	// encoding/json escapes <, > and & for HTML; JSON does not need it.
	if strings.ContainsAny(s, "<>&") {
		r := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&")
		q = []byte(r.Replace(string(q)))
	}
	return append(b, q...)
}

// FloatText prints a float as JSON.NET does: shortest, with a decimal point.
func FloatText(f float64) string {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return "null"
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if len(s) > 21 {
		s = strconv.FormatFloat(f, 'g', -1, 64)
	}
	if !strings.ContainsAny(s, ".eE") {
		s += ".0"
	}
	return s
}

// Text returns the text of a scalar as the language's string conversion gives
// it: true as "True", numbers as digits.
func (v Value) Text() string {
	switch v.kind {
	case String:
		return v.str
	case Bool:
		if v.bits == 1 {
			return "True"
		}
		return "False"
	case Int:
		return strconv.FormatInt(v.Int(), 10)
	case Float:
		return strconv.FormatFloat(v.Float(), 'f', -1, 64)
	case Null, Absent:
		return ""
	}
	return v.JSON()
}

// SortedNames returns the member names of an object in ordinal order.
func (v Value) SortedNames() []string {
	var n []string
	for _, m := range v.Members() {
		n = append(n, m.Name)
	}
	slices.Sort(n)
	return n
}
