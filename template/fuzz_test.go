// SPDX-License-Identifier: Apache-2.0

package template_test

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/template"
)

// everywhere is a template in which "E" stands for an expression.
const everywhere = `{"$schema":"https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#","contentVersion":"1.0.0.0","languageVersion":"2.0",
"parameters":{"p":{"type":"string"},"q":{"type":"object","defaultValue":"E"},"s":{"type":"securestring","defaultValue":"E"}},
"functions":[{"namespace":"u","members":{"f":{"parameters":[{"name":"x","type":"int"}],"output":{"type":"string","value":"E"}}}}],
"variables":{"v":"E","w":{"copy":[{"name":"l","count":"E","input":"E"}]},"copy":[{"name":"x","count":3,"input":"E"}]},
"resources":{
"a":{"type":"Microsoft.Test/things","apiVersion":"1","name":"E","scope":"E","condition":"E","tags":{"E":"E"},"properties":"E"},
"b":{"type":"Microsoft.Test/things","apiVersion":"1","name":"E","copy":{"name":"l","count":"E"},"properties":{"a":["E"],"copy":[{"name":"m","count":"E","input":"E"}]}},
"c":{"type":"Microsoft.Resources/deployments","apiVersion":"1","name":"E","resourceGroup":"E","subscriptionId":"E","properties":{"parameters":{"p":{"value":"E"}},"expressionEvaluationOptions":{"scope":"inner"},
  "template":{"parameters":{"p":{"type":"string"}},"resources":[{"type":"Microsoft.Network/networkSecurityGroups/securityRules","apiVersion":"1","name":"E","properties":{"x":"[parameters('p')]"}}]}}},
"d":{"type":"Microsoft.Resources/deployments","apiVersion":"1","name":"d","properties":{"templateLink":{"uri":"E"}}}}}`

// FuzzTemplate expands arbitrary templates and plans: an error or a page of
// strict JSON with distinct resources, the same both times, and soon.
func FuzzTemplate(f *testing.F) {
	paths, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, p := range paths {
		a := readArchive(f, p)
		f.Add([]byte(a.files["template.json"]), []byte(a.files["parameters.json"]), "[parameters('p')]")
	}
	for _, e := range []string{
		"[map(range(0, 9), lambda('i', copyIndex()))]", "[reduce(range(0, 99), createArray(), lambda('a', 'b', createArray(lambdaVariables('a'), lambdaVariables('a'))))]",
		"[variables('v')]", "[resourceId('a/b', 'c')]", "[u.f(copyIndex('l'))]", "[createArray(variables('v'), variables('v'))]", "[deployment().properties.templateLink.uri]",
	} {
		f.Add([]byte(nil), []byte(nil), e)
	}
	f.Fuzz(func(t *testing.T, src, parameters []byte, expression string) {
		if len(src) == 0 { // an expression in every place that takes one
			e := armexpr.StringValue(expression).JSON()
			src = []byte(strings.ReplaceAll(everywhere, `"E"`, e))
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		o := template.Options{
			Name: "t.json", ParametersName: "p.json", Parameters: parameters,
			Open: func(string) ([]byte, error) { return src, nil },
		} // a template that links to itself, always
		r, err := template.Expand(ctx, src, o)
		if ctx.Err() != nil {
			t.Fatal("the expansion takes longer than 20 seconds")
		}
		if err != nil {
			return
		}
		wellFormed(t, r)
		again, err := template.Expand(context.Background(), src, o)
		if err != nil || !bytes.Equal(r.Page, again.Page) || len(r.Problems) != len(again.Problems) {
			t.Fatalf("the second expansion differs: %v", err)
		}
	})
}
