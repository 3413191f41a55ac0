// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"testing"
	"time"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
	"github.com/tickmark/tickmark/policy"
)

// TestCurrentOverOpenArray: what current() gathers from an array that goes on
// beyond what was read is not the whole of it.
func TestCurrentOverOpenArray(t *testing.T) {
	aliases := policy.NewCatalog()
	aliases.AddType("X.Y/z").Known = true
	for _, a := range []string{"list", "list[*]", "list[*].b", "list[*].b[*]"} {
		aliases.Add("X.Y/z", policy.Alias{Name: "X.Y/z/" + a, Path: "properties." + a})
	}
	d, err := policy.ParseDefinition("rule", []byte(`{"policyRule":{"if":{"allOf":[{"field":"type","equals":"X.Y/z"},
		{"count":{"field":"X.Y/z/list[*]","where":{"value":"[length(current('X.Y/z/list[*].b[*]'))]","equals":1}},"greater":0}]},
		"then":{"effect":"audit"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Bind(d, map[string]armexpr.Value{}, aliases)
	if err != nil {
		t.Fatal(err)
	}
	for _, open := range []bool{false, true} {
		tape, err := jsontape.Parse([]byte(`{"id":"/subscriptions/s/resourceGroups/r/providers/X.Y/z/n","name":"n","type":"X.Y/z","properties":{"list":[{"b":["1"]}]}}`), jsontape.Options{})
		if err != nil {
			t.Fatal(err)
		}
		want := policy.NonCompliant
		if open {
			tape.MarkOpen(tape.Root().Get("properties").Get("list").Index(0).Get("b"), "truncated")
			want = policy.Unknown
		}
		r := policy.NewResource(tape.Root())
		e := policy.Evaluator{Env: &policy.Env{Now: time.Unix(0, 0)}}
		if o := e.Evaluate(p.For(r.Type), r); o.State != want {
			t.Errorf("open %v: %v (%s, %v), want %v", open, o.State, o.Reason, o.Err, want)
		}
	}
}
