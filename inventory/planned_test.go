// SPDX-License-Identifier: Apache-2.0

package inventory_test

import (
	"context"
	"testing"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/jsontape"
)

func TestPlannedObjectsMayBeOpen(t *testing.T) {
	const open = `"tickmark:open":"tickmark:unobserved:planTime:not mapped"`
	src := `{"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Test/things/a","type":"Microsoft.Test/things","properties":{"known":null,"closed":{},"list":[{` + open + `}],"more":[1,"tickmark:unobserved:planTime:x"],` + open + `}}`
	for form, want := range map[string]jsontape.Kind{inventory.FormPlanned: jsontape.Unobserved, "armObject": jsontape.Absent} {
		snap := &tickmark.Snapshot{Segments: []tickmark.Segment{{Source: "file", Pages: []tickmark.Page{{Form: form, Bytes: []byte(src), Items: []tickmark.Item{{Off: 0, Len: len(src)}}}}}}}
		inv, err := inventory.Build(context.Background(), snap, inventory.Options{})
		if err != nil {
			t.Fatal(err)
		}
		r := inv.Get("/subscriptions/s/resourceGroups/g/providers/Microsoft.Test/things/a")
		if r == nil {
			t.Fatalf("%s: the resource is not there", form)
		}
		p := r.Root.Get("properties")
		for _, c := range []struct {
			name string
			v    jsontape.Value
			want jsontape.Kind
		}{
			{"other", p.Get("other"), want},
			{"list[0].other", p.Get("list").Index(0).Get("other"), want},
			{"beyond more", p.Get("more").Beyond(), want},
			{"known", p.Get("known"), jsontape.Null},
			{"closed.other", p.Get("closed").Get("other"), jsontape.Absent},
			{"root.other", r.Root.Get("other"), jsontape.Absent},
		} {
			if c.v.Kind() != c.want {
				t.Errorf("%s: %s is %v, want %v", form, c.name, c.v.Kind(), c.want)
			}
			if c.v.Kind() == jsontape.Unobserved && c.v.Reason() != "planTime" {
				t.Errorf("%s: %s has the reason %q", form, c.name, c.v.Reason())
			}
		}
	}
}

func TestPlannedResourcesImplyOnlyWhatTheyAreSetOn(t *testing.T) {
	const inGroup = `{"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Test/things/a","type":"Microsoft.Test/things","properties":{}}`
	const onSubscription = `{"id":"/subscriptions/s/providers/Microsoft.Security/pricings/VirtualMachines","type":"Microsoft.Security/pricings","properties":{}}`
	for _, c := range []struct {
		name, form, src       string
		subscription, isGroup bool
		reason                tickmark.Reason
	}{
		{"exported", "armObject", inGroup, true, true, tickmark.ReasonNotCollected},
		{"planned in a group", inventory.FormPlanned, inGroup, false, false, tickmark.ReasonPlanTime},
		{"planned on the subscription", inventory.FormPlanned, onSubscription, true, false, tickmark.ReasonPlanTime},
	} {
		snap := &tickmark.Snapshot{Segments: []tickmark.Segment{{Source: "file", Pages: []tickmark.Page{{Form: c.form, Bytes: []byte(c.src), Items: []tickmark.Item{{Off: 0, Len: len(c.src)}}}}}}}
		inv, err := inventory.Build(context.Background(), snap, inventory.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := inv.Get("/subscriptions/s") != nil; got != c.subscription {
			t.Errorf("%s: the subscription is implied: %v", c.name, got)
		}
		if got := inv.Get("/subscriptions/s/resourceGroups/g") != nil; got != c.isGroup {
			t.Errorf("%s: the group is implied: %v", c.name, got)
		}
		if ok, why := inv.Complete("Microsoft.Test/things", "/subscriptions/s"); ok || why != c.reason {
			t.Errorf("%s: complete %v, %s", c.name, ok, why)
		}
	}
}

func TestPlannedResourcesMayBeUncertain(t *testing.T) {
	for member, want := range map[string]bool{"tickmark:uncertain": true, "tickmark:open": false} {
		src := `{"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Test/things/a","type":"Microsoft.Test/things","properties":"tickmark:unobserved:planTime:x","` + member + `":"tickmark:unobserved:planTime:x"}`
		snap := &tickmark.Snapshot{Segments: []tickmark.Segment{{Source: "file", Pages: []tickmark.Page{{Form: inventory.FormPlanned, Bytes: []byte(src), Items: []tickmark.Item{{Off: 0, Len: len(src)}}}}}}}
		inv, err := inventory.Build(context.Background(), snap, inventory.Options{})
		if err != nil {
			t.Fatal(err)
		}
		r := inv.Get("/subscriptions/s/resourceGroups/g/providers/Microsoft.Test/things/a")
		if r == nil || r.Is(inventory.Uncertain) != want {
			t.Errorf("%s: %+v, want uncertain %v", member, r, want)
		}
	}
}
