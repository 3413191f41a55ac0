// SPDX-License-Identifier: Apache-2.0

package template

import (
	"strings"
	"unicode/utf8"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// The reasons that markers of this package carry, before a colon and a detail.
const (
	planTime = "planTime"
	redacted = "redacted"
	failed   = "evaluationError"
)

// unknown is a value that is known only after deployment.
func unknown(detail string) armexpr.Value {
	return armexpr.UnobservedValue(planTime + ":" + detail)
}

// broken stands for a value whose expression failed; the problem says why.
func broken() armexpr.Value {
	return armexpr.UnobservedValue(failed + ":see the problems")
}

// reasonOf splits a reason off its detail.
func reasonOf(marker string) (reason, detail string) {
	reason, detail, _ = strings.Cut(marker, ":")
	return reason, detail
}

// writer writes values as JSON, with what is open marked as such.
type writer struct {
	b     []byte
	limit int
	full  bool
}

func (w *writer) raw(s string) {
	if len(w.b)+len(s) > w.limit {
		w.full = true
		return
	}
	w.b = append(w.b, s...)
}

func (w *writer) value(v armexpr.Value) {
	if w.full {
		return
	}
	switch v.Kind() {
	case armexpr.Array:
		w.raw("[")
		first := true
		for _, e := range v.List() {
			w.comma(&first)
			w.value(e)
		}
		if r := v.OpenReason(); r != "" {
			w.comma(&first)
			w.text(jsontape.Marker + r)
		}
		w.raw("]")
	case armexpr.Object:
		w.raw("{")
		first := true
		names := map[string]bool{}
		for _, m := range v.Members() {
			key := armexpr.Fold(m.Name)
			if m.Value.Kind() == armexpr.Absent || names[key] {
				continue // two computed names that came out equal: the first stays
			}
			names[key] = true
			w.comma(&first)
			w.text(m.Name)
			w.raw(":")
			w.value(m.Value)
		}
		if r := v.OpenReason(); r != "" && !names[OpenMember] {
			w.comma(&first)
			w.text(OpenMember)
			w.raw(":")
			w.text(jsontape.Marker + r)
		}
		w.raw("}")
	case armexpr.Absent, armexpr.Null, armexpr.Bool, armexpr.Int, armexpr.Float, armexpr.String, armexpr.Unobserved:
		if v.Kind() == armexpr.String && !utf8.ValidString(v.Str()) {
			w.text(strings.ToValidUTF8(v.Str(), "\ufffd"))
			return
		}
		w.raw(v.JSON())
	}
}

func (w *writer) comma(first *bool) {
	if !*first {
		w.raw(",")
	}
	*first = false
}

func (w *writer) text(s string) { w.raw(armexpr.StringValue(s).JSON()) }

// with returns o with a member set, in its place or at the end.
func with(o armexpr.Value, name string, v armexpr.Value) armexpr.Value {
	members := o.Members()
	out := make([]armexpr.Member, 0, len(members)+1)
	found := false
	for _, m := range members {
		if strings.EqualFold(m.Name, name) {
			m.Value, found = v, true
		}
		out = append(out, m)
	}
	if !found {
		out = append(out, armexpr.Member{Name: name, Value: v})
	}
	return armexpr.OpenObjectValue(out, o.OpenReason())
}

// has reports whether o lists a member.
func has(o armexpr.Value, name string) bool {
	for _, m := range o.Members() {
		if strings.EqualFold(m.Name, name) {
			return true
		}
	}
	return false
}
