// SPDX-License-Identifier: Apache-2.0

package template

import (
	"fmt"
	"strings"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// value evaluates a value of the template with everything inside it: strings,
// the names of members, property loops.
func (w *view) value(v jsontape.Value) armexpr.Value {
	if !w.f.x.spend(w.f.doc, v, 1) {
		return broken()
	}
	switch v.Kind() {
	case jsontape.String:
		return w.text(v)
	case jsontape.Array:
		out := make([]armexpr.Value, 0, v.Len())
		for e := range v.Elems() {
			out = append(out, w.value(e))
		}
		return armexpr.ArrayValue(out)
	case jsontape.Object:
		return w.object(v, nil)
	case jsontape.Absent, jsontape.Null, jsontape.False, jsontape.True, jsontape.Number, jsontape.Unobserved:
	}
	return armexpr.FromTape(v)
}

// object evaluates an object, without the members in skip (lower case).
func (w *view) object(v jsontape.Value, skip map[string]bool) armexpr.Value {
	var out []armexpr.Member
	open := ""
	for name, m := range v.Members() {
		if skip[strings.ToLower(name)] {
			continue
		}
		if strings.EqualFold(name, "copy") && isCopyList(m) {
			for c := range m.Elems() {
				out = append(out, armexpr.Member{Name: c.Get("name").Str(), Value: w.copyValue(c)})
			}
			continue
		}
		if armexpr.IsExpression(name) {
			k, err := w.expression(name)
			switch {
			case err != nil:
				w.f.fail(m, fmt.Errorf("the member name %s: %w", name, err), w.standIn)
				open = failed + ":a member's name"
				continue
			case k.Kind() == armexpr.Unobserved:
				open = k.Reason()
				w.value(m) // for its errors
				continue
			}
			name = k.Text()
		} else {
			name = armexpr.Literal(name)
		}
		out = append(out, armexpr.Member{Name: name, Value: w.value(m)})
	}
	return armexpr.OpenObjectValue(out, open)
}

// isCopy reports whether v is one property or variable loop.
func isCopy(v jsontape.Value) bool {
	return v.Kind() == jsontape.Object && v.Get("name").Kind() == jsontape.String &&
		v.Get("count").Kind() != jsontape.Absent && v.Get("input").Kind() != jsontape.Absent
}

// isCopyList reports whether v is a list of property or variable loops, and
// not a property that happens to be called copy.
func isCopyList(v jsontape.Value) bool {
	if v.Kind() != jsontape.Array || v.Len() == 0 {
		return false
	}
	for c := range v.Elems() {
		if !isCopy(c) {
			return false
		}
	}
	return true
}

// copyValue runs a property or variable loop.
func (w *view) copyValue(c jsontape.Value) armexpr.Value {
	n, why := w.count(c)
	if why != "" {
		return armexpr.UnobservedValue(why)
	}
	name := strings.ToLower(c.Get("name").Str())
	out := make([]armexpr.Value, 0, n)
	for i := range n {
		out = append(out, w.with(loop{name: name, index: i}).value(c.Get("input")))
	}
	return armexpr.ArrayValue(out)
}

// count evaluates the count of a loop; why says why it has none.
func (w *view) count(c jsontape.Value) (n int, why string) {
	src := c.Get("count")
	v := w.value(src)
	switch {
	case v.Kind() == armexpr.Unobserved:
		return 0, v.Reason()
	case v.Kind() != armexpr.Int:
		w.complain(src, fmt.Sprintf("the count of a loop must be an integer, not %s", v.Kind()))
	case v.Int() < 0 || v.Int() > MaxCopies:
		w.complain(src, fmt.Sprintf("a loop may run 0 to %d times, not %d", MaxCopies, v.Int()))
	default:
		return int(v.Int()), ""
	}
	return 0, failed + ":count"
}

// complain records a problem at v, unless it stems from a stand-in.
func (w *view) complain(v jsontape.Value, what string) {
	if !w.standIn {
		w.f.x.problem(w.f.doc, v.Offset(), "", what, "")
	}
}
