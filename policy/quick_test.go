// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"
	"testing"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// TestHasName holds hasName to what it stands for: comparing with the name,
// the full name and the end of the id.
func TestHasName(t *testing.T) {
	for _, id := range []string{
		"", "x", "/subscriptions/s", "/subscriptions/s/resourceGroups/g", "/providers/A.B", "/providers/A.B/t", "/providers/A.B/t/n",
		"/providers/A.B/t/n/u", "/subscriptions/s/PROVIDERS/A.B/t/n/u/m", "/providers/A.B/t/n/providers/C.D/e/o", "/providers/A.B/t/n/u/",
	} {
		r := &Resource{ID: id, Name: "own"}
		for _, name := range []string{"own", "N", "m", "o", "t", "u", "s", "g", "x", "A.B", "other"} {
			last := id[strings.LastIndexByte(id, '/')+1:]
			want := foldEq(name, r.Name) || foldEq(name, r.fullName()) || foldEq(name, last)
			if got := r.hasName(name); got != want {
				t.Errorf("%q hasName(%q) = %v, want %v", id, name, got, want)
			}
		}
	}
}

// TestQuick holds the quick comparison to the general one.
func TestQuick(t *testing.T) {
	rights := []armexpr.Value{
		armexpr.BoolValue(true), armexpr.BoolValue(false), armexpr.StringValue("true"), armexpr.StringValue("False"), armexpr.StringValue(""),
		armexpr.StringValue("Straße"), armexpr.StringValue("7"), armexpr.IntValue(7), armexpr.NullValue(),
		armexpr.ArrayValue([]armexpr.Value{armexpr.StringValue("a"), armexpr.StringValue("TRUE"), armexpr.StringValue("")}),
		armexpr.ArrayValue([]armexpr.Value{armexpr.StringValue("a"), armexpr.IntValue(7)}), armexpr.ArrayValue(nil),
	}
	doc, err := jsontape.Parse([]byte(`["a","true","TRUE","false","","STRASSE","7",7,7.0,true,false,null,[],["a"],{},{"a":1}]`), jsontape.Options{})
	if err != nil {
		t.Fatal(err)
	}
	lefts := []jsontape.Value{{}}
	for e := range doc.Root().Elems() {
		lefts = append(lefts, e)
	}
	answered := 0
	for op := Equals; op <= Exists; op++ {
		for _, r := range rights {
			q := quickOf(op, &template{konst: r})
			if q.kind == notQuick {
				continue
			}
			for _, l := range lefts {
				got := q.compare(l)
				want, err := op.compare(armexpr.FromTape(l), r)
				if got == Maybe {
					continue
				}
				answered++
				if err != nil || got != want {
					t.Errorf("%s %s %s: %v, want %v (%v)", l.Raw(), op, r.JSON(), got, want, err)
				}
			}
		}
	}
	if answered < 200 {
		t.Errorf("only %d comparisons were answered", answered)
	}
}
