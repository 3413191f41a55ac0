// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

// FormPlanned is the form of a page of resources that do not exist yet, as
// package template writes it. Their objects say themselves where they may have
// members that are not listed.
const FormPlanned = "planned"

// keyOpen is the member by which an object of such a page says so; its value
// is unobserved, with the reason.
var keyOpen = jsontape.MakeKey("tickmark:open")

// keyUncertain is the member by which a resource of such a page says that it
// is not known whether it comes to be.
var keyUncertain = jsontape.MakeKey("tickmark:uncertain")

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
			if e.Kind() == jsontape.Unobserved {
				tape.MarkOpen(v, e.Reason()) // it may stand for any number of elements
			}
		}
	case jsontape.Absent, jsontape.Null, jsontape.False, jsontape.True, jsontape.Number, jsontape.String, jsontape.Unobserved:
	}
}

// plannedOnly reports whether all that was read are resources that do not
// exist yet.
func plannedOnly(s *tickmark.Snapshot) bool {
	pages := 0
	for i := range s.Segments {
		for j := range s.Segments[i].Pages {
			if s.Segments[i].Pages[j].Form != FormPlanned {
				return false
			}
			pages++
		}
	}
	return pages > 0
}

// Planned reports whether nothing of the inventory exists yet. What it lacks
// may exist already, or come with the deployment by itself.
func (inv *Inventory) Planned() bool { return inv.planned }

// implies reports whether a resource tells of the containers that it lies in.
// One that is planned inside a resource group says nothing about these: they
// are not what would be deployed. One that is planned for a subscription or
// group as a whole (a Defender plan, a diagnostic setting, a lock) does.
func (m *merger) implies(r *Resource) bool {
	return r.Segment < 0 || m.page(r).Form != FormPlanned || r.ResourceGroup == "" && r.Type != TypeResourceGroup
}
