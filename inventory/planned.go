// SPDX-License-Identifier: Apache-2.0

package inventory

import "github.com/tickmark/tickmark/jsontape"

// FormPlanned is the form of a page of resources that do not exist yet, as
// package template writes it. Their objects say themselves where they may have
// members that are not listed.
const FormPlanned = "planned"

// keyOpen is the member by which an object of such a page says so; its value
// is unobserved, with the reason.
var keyOpen = jsontape.MakeKey("tickmark:open")

// openPlanned marks the objects that carry keyOpen as open.
func openPlanned(tape *jsontape.Tape, v jsontape.Value) {
	switch v.Kind() {
	case jsontape.Object:
		if m := v.Lookup(keyOpen); m.Kind() == jsontape.Unobserved {
			tape.MarkOpen(v, m.Reason())
		}
		for _, m := range v.Members() {
			openPlanned(tape, m)
		}
	case jsontape.Array:
		for e := range v.Elems() {
			openPlanned(tape, e)
		}
	case jsontape.Absent, jsontape.Null, jsontape.False, jsontape.True, jsontape.Number, jsontape.String, jsontape.Unobserved:
	}
}
