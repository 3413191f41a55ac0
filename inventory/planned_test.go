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
	src := `{"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Test/things/a","type":"Microsoft.Test/things","properties":{"known":null,"closed":{},"list":[{` + open + `}],` + open + `}}`
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
