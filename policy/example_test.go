// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"fmt"
	"time"

	"github.com/tickmark/tickmark/jsontape"
	"github.com/tickmark/tickmark/policy"
)

const denyOldTLS = `{"properties":{
  "displayName": "Storage accounts refuse TLS below 1.2",
  "mode": "All",
  "parameters": {"effect": {"type": "String", "defaultValue": "Deny"}},
  "policyRule": {
    "if": {"allOf": [
      {"field": "type", "equals": "Microsoft.Storage/storageAccounts"},
      {"field": "Microsoft.Storage/storageAccounts/minimumTlsVersion", "notEquals": "TLS1_2"}
    ]},
    "then": {"effect": "[parameters('effect')]"}
  }
}}`

// aliases stands for a tenant's answer to providers?$expand=resourceTypes/aliases,
// which Catalog.AddProviders reads.
func aliases() *policy.Catalog {
	c := policy.NewCatalog()
	c.AddType("Microsoft.Storage/storageAccounts").Known = true
	c.Add("Microsoft.Storage/storageAccounts", policy.Alias{
		Name: "Microsoft.Storage/storageAccounts/minimumTlsVersion", Path: "properties.minimumTlsVersion",
	})
	return c
}

// A definition is parsed, bound to parameter values (none: the defaults hold)
// and specialised for the type of the resource.
func Example() {
	definition, err := policy.ParseDefinition("tls.json", []byte(denyOldTLS))
	if err != nil {
		fmt.Println(err)
		return
	}
	bound, err := policy.Bind(definition, nil, aliases())
	if err != nil {
		fmt.Println(err)
		return
	}
	tape, err := jsontape.Parse([]byte(`{
	  "id": "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/prod/providers/Microsoft.Storage/storageAccounts/books",
	  "name": "books", "type": "Microsoft.Storage/storageAccounts", "location": "westeurope",
	  "properties": {"minimumTlsVersion": "TLS1_0"}}`), jsontape.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	resource := policy.NewResource(tape.Root())
	evaluator := policy.Evaluator{Env: &policy.Env{Now: time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC)}}
	program := bound.For(resource.Type)
	outcome := evaluator.Evaluate(program, resource)
	why := evaluator.Explain(program, resource, outcome)
	fmt.Println(outcome.State)
	fmt.Println(why.Reason)
	fmt.Println(why.Path, "is", why.Current, "and should be", why.Target)
	// Output:
	// NonCompliant
	// Current value must be equal to the target value.
	// properties.minimumTlsVersion is "TLS1_0" and should be "TLS1_2"
}

// What was not observed is no proof of anything: the object came without the
// part that decides.
func ExampleEvaluator_Evaluate_unobserved() {
	definition, err := policy.ParseDefinition("tls.json", []byte(denyOldTLS))
	if err != nil {
		fmt.Println(err)
		return
	}
	bound, err := policy.Bind(definition, nil, aliases())
	if err != nil {
		fmt.Println(err)
		return
	}
	tape, err := jsontape.Parse([]byte(`{
	  "id": "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/prod/providers/Microsoft.Storage/storageAccounts/books",
	  "name": "books", "type": "Microsoft.Storage/storageAccounts", "location": "westeurope", "properties": {}}`), jsontape.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	tape.MarkOpen(tape.Root().Get("properties"), "summary")
	resource := policy.NewResource(tape.Root())
	evaluator := policy.Evaluator{Env: &policy.Env{Now: time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC)}}
	outcome := evaluator.Evaluate(bound.For(resource.Type), resource)
	fmt.Println(outcome.State, outcome.Reason)
	// Output: Unknown summary
}

// Lint names what is wrong, where, and the rule that says so.
func ExampleLint() {
	for _, f := range policy.Lint("rule.json", []byte(`{"policyRule":{
  "if": {"field": "name", "match": "prod-*"},
  "then": {"effect": "audit"}}}`), policy.LintOptions{}) {
		fmt.Println(f.Rule.ID, f.Line, f.Col)
	}
	// Output:
	// metadata-missing 1 1
	// match-star 2 36
	// effect-hard-coded 3 22
}
