// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/work"
)

// hiding is an expression whose value is known only after deployment.
var hiding = []string{"[parameters('unset')]", "[reference('other').x]", "[if(parameters('unset'), 'a', 'b')]"}

// variants yields copies of a value in each of which one part is hidden.
func variants(v any, yield func(any)) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			at := func(x any) map[string]any {
				c := maps.Clone(v)
				c[k] = x
				return c
			}
			variants(v[k], func(x any) { yield(at(x)) })
		}
	case []any:
		for i := range v {
			variants(v[i], func(x any) {
				c := slices.Clone(v)
				c[i] = x
				yield(c)
			})
		}
	}
	yield(nil) // the caller puts the expression in
}

// inverted turns a value into one that checks judge otherwise, mostly.
func inverted(v any) any {
	swap := map[string]string{"Enabled": "Disabled", "Disabled": "Enabled", "Allow": "Deny", "Deny": "Allow", "TLS1_2": "TLS1_0", "1.2": "1.0", "Tls12": "Tls", "None": "*"}
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			out[k] = inverted(x)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = inverted(x)
		}
		return out
	case bool:
		return !v
	case string:
		if s, ok := swap[v]; ok {
			return s
		}
	case json.Number:
		return json.Number("1")
	}
	return v
}

// replaceNil puts an expression where a variant has nil.
func replaceNil(v any, with string) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			out[k] = replaceNil(x, with)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = replaceNil(x, with)
		}
		return out
	case nil:
		return with
	}
	return v
}

// TestHiddenValuesNeverDecide puts an unknown value into every place of every
// shape: a verdict may become Unknown by it, never another one.
func TestHiddenValuesNeverDecide(t *testing.T) {
	paths, err := filepath.Glob("../../catalog/testdata/shapes/Microsoft.*.json")
	if err != nil || len(paths) < 30 {
		t.Fatalf("%d shapes: %v", len(paths), err)
	}
	decided, hidden := 0, 0
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, invert := range []bool{false, true} {
			var shape map[string]any
			d := json.NewDecoder(bytes.NewReader(b))
			d.UseNumber()
			if err := d.Decode(&shape); err != nil {
				t.Fatal(err)
			}
			if invert {
				m, ok := inverted(shape).(map[string]any)
				if !ok {
					t.Fatalf("%s is not an object", path)
				}
				shape = m
			}
			if !strings.Contains(fmt.Sprint(shape["id"]), "/resourceGroups/") {
				continue
			}
			n, h := hideAndCompare(t, filepath.Base(path), shape)
			decided, hidden = decided+n, hidden+h
		}
	}
	t.Logf("%d verdicts compared, %d became unknown", decided, hidden)
	if decided < 4000 || hidden < 300 {
		t.Errorf("only %d verdicts compared and %d hidden: the test proves nothing", decided, hidden)
	}
}

func hideAndCompare(t *testing.T, name string, shape map[string]any) (compared, became int) {
	t.Helper()
	typ := fmt.Sprint(shape["type"])
	prefix := strings.Repeat("p/", strings.Count(typ, "/")-1)
	content := map[string]any{}
	for _, m := range []string{"sku", "kind", "identity", "location", "tags", "properties"} {
		if v, ok := shape[m]; ok {
			content[m] = v
		}
	}
	var resources []any
	add := func(content map[string]any, condition string) {
		r := maps.Clone(content)
		r["type"], r["apiVersion"], r["name"] = typ, "2023-01-01", fmt.Sprintf("%sv%04d", prefix, len(resources))
		if condition != "" {
			r["condition"] = condition
		}
		resources = append(resources, r)
	}
	add(content, "")
	add(content, "[parameters('unset')]")
	i := 0
	variants(content, func(v any) {
		if m, ok := replaceNil(v, hiding[i%len(hiding)]).(map[string]any); ok && len(resources) < 800 {
			add(m, "")
		}
		i++
	})
	text, err := json.Marshal(map[string]any{
		"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0",
		"parameters": map[string]any{"unset": map[string]any{"type": "bool"}}, "resources": resources,
	})
	if err != nil {
		t.Fatal(err)
	}
	rc := &runContext{Context: context.Background(), Err: &bytes.Buffer{}}
	snap, _, err := templateSnapshot(rc, &templateFlags{Template: writeTemp(t, "t.json", string(text))}, planned)
	if err != nil {
		t.Fatal(err)
	}
	if len(snap.Problems) > 0 {
		t.Fatalf("%s: %+v", name, snap.Problems[0])
	}
	a, err := work.Assess(context.Background(), snap, work.AssessOptions{Now: planned, Engine: "test"})
	if err != nil {
		t.Fatal(err)
	}
	verdicts := map[string]map[string]tickmark.Verdict{} // check → last name → verdict
	for r := range a.Results.All() {
		last := r.Resource[strings.LastIndexByte(r.Resource, '/')+1:]
		if !strings.EqualFold(r.Type, typ) {
			continue
		}
		if verdicts[r.Check] == nil {
			verdicts[r.Check] = map[string]tickmark.Verdict{}
		}
		verdicts[r.Check][last] = r.Verdict
	}
	for check, by := range verdicts {
		base := by["v0000"]
		for n, v := range by {
			if n == "v0000" {
				continue
			}
			compared++
			switch {
			case n == "v0001" && v == tickmark.Pass, n == "v0001" && v == tickmark.Fail:
				t.Errorf("%s, %s: %v, although it is not known whether the resource is deployed", name, check, v)
			case v == tickmark.Unknown && base != tickmark.Unknown:
				became++
			case v != base && base != tickmark.Unknown:
				t.Errorf("%s, %s: %v became %v by an unknown value: %v", name, check, base, v, resources[index(n)])
			}
		}
	}
	return compared, became
}

func index(name string) int {
	n := 0
	_, err := fmt.Sscanf(name, "v%d", &n)
	if err != nil {
		return 0
	}
	return n
}
