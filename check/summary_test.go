// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"context"
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/inventory"
)

// summaryForms are what the command line's lists and typed commands make of an
// object: no properties at all, and properties moved to the root.
var summaryForms = map[string]func(map[string]any) map[string]any{
	"without properties": func(o map[string]any) map[string]any {
		out := maps.Clone(o)
		delete(out, "properties")
		return out
	},
	"properties null": func(o map[string]any) map[string]any {
		out := maps.Clone(o)
		out["properties"] = nil
		return out
	},
	"flattened": func(o map[string]any) map[string]any {
		out := maps.Clone(o)
		props, _ := out["properties"].(map[string]any)
		delete(out, "properties")
		for k, v := range props {
			if _, taken := out[k]; !taken {
				out[k] = v
			}
		}
		return out
	},
}

// TestSummariesNeverDecide: a summary of a fixture's object is never a pass or
// a fail by a check that reads its properties.
func TestSummariesNeverDecide(t *testing.T) {
	c, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	rules, err := check.Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	judged := 0
	for _, f := range loadFixtures(t) {
		for i := range f.Cases {
			fc := &f.Cases[i]
			if fc.Parameters != nil || inventory.IsRecord(fc.base(f)) || len(fc.Hide) > 0 {
				continue
			}
			object := fc.object(t, f)
			if _, ok := object["properties"].(map[string]any); !ok {
				continue
			}
			for form, shrink := range summaryForms {
				v, ran := verdictOn(t, rules, f, fc, shrink(object))
				if !ran {
					continue
				}
				judged++
				if v == tickmark.Pass || v == tickmark.Fail {
					if !onlyIdentity(rules, f.Check) {
						t.Errorf("%s/%s %s: %s", f.Check, fc.Name, form, v)
					}
				}
			}
		}
	}
	if judged < 500 {
		t.Errorf("only %d summaries were judged", judged)
	}
	t.Logf("%d summaries judged", judged)
}

// onlyIdentity reports whether the check reads nothing but identity and
// related resources, which a summary does carry.
func onlyIdentity(rules *check.Rules, id string) bool {
	k := rules.Catalog.Check(id)
	return k != nil && len(k.Needs) > 0
}

func verdictOn(t *testing.T, rules *check.Rules, f fixture, fc *fixtureCase, object map[string]any) (tickmark.Verdict, bool) {
	t.Helper()
	snap := snapshotOf(t, f, fc)
	data, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	p := &snap.Segments[0].Pages[0]
	p.Bytes, p.Digest, p.Items = data, tickmark.DigestOf(data), []tickmark.Item{{Off: 0, Len: len(data)}}
	inv, err := inventory.Build(context.Background(), snap, inventory.Options{Canonical: rules.Canonical, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	a, err := check.Run(context.Background(), snap, inv, rules, check.Options{Now: fc.instant(t), Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	id, _ := object["id"].(string)
	for r := range a.Results.Bare() {
		if r.Check == f.Check && strings.EqualFold(r.Resource, id) {
			return r.Verdict, true
		}
	}
	return tickmark.Unknown, false
}
