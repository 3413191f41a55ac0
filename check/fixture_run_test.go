// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/jsontape"
)

// page makes a page of one object, as an export would give it.
func page(t *testing.T, typ string, object map[string]any) tickmark.Page {
	t.Helper()
	read, _ := object[recordKey].(map[string]any)
	object = maps.Clone(object)
	delete(object, recordKey)
	data, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	p := tickmark.Page{Name: typ, Form: "armObject", Bytes: data, Digest: tickmark.DigestOf(data), Items: []tickmark.Item{{Off: 0, Len: len(data)}}}
	if inventory.IsRecord(typ) {
		p.Form, p.Entity = "graphEntity", typ
	}
	if read != nil {
		p.Ask = "fixture"
		p.Subject, _ = read["subject"].(string)
		p.Identity, _ = read["identity"].(string)
	}
	return p
}

// redact replaces the value at path by the marker of a secret that was not
// kept; false if the path leads nowhere.
func redact(object map[string]any, path string) bool {
	var at any = object
	list := steps(path)
	for i, step := range list {
		last := i == len(list)-1
		switch v := at.(type) {
		case map[string]any:
			if _, ok := v[step]; !ok && !last {
				return false
			}
			if last {
				v[step] = jsontape.Marker + "redacted:test"
				return true
			}
			at = v[step]
		case []any:
			n, err := strconv.Atoi(step)
			if err != nil || n >= len(v) {
				return false
			}
			if last {
				v[n] = jsontape.Marker + "redacted:test"
				return true
			}
			at = v[n]
		default:
			return false
		}
	}
	return false
}

// snapshotOf makes the snapshot of a case: the judged object, what is related,
// and what is complete.
func snapshotOf(t *testing.T, f fixture, c *fixtureCase) *tickmark.Snapshot {
	t.Helper()
	object := c.object(t, f)
	for _, path := range c.Hide {
		if !redact(object, path) {
			t.Fatalf("hide %s: there is no such value", path)
		}
	}
	pages := []tickmark.Page{page(t, c.base(f), object)}
	for _, r := range c.Related {
		other := shape(t, r.Base, r.Patch, r.ID)
		for _, path := range r.Hide {
			if !redact(other, path) {
				t.Fatalf("hide %s: there is no such value", path)
			}
		}
		p := page(t, r.Base, other)
		if r.Subject != "" {
			p.Ask, p.Subject = "fixture", r.Subject
		}
		pages = append(pages, p)
	}
	snap := &tickmark.Snapshot{Origin: "files", Segments: []tickmark.Segment{{
		Source: "file", Scope: "fixture", Pages: pages,
		Coverage: tickmark.Coverage{Source: "file", Scope: "fixture", Complete: c.Complete, CompleteBy: "operator", Declared: -1},
	}}}
	inventory.Redact(snap) // no verdict may depend on a value that it takes away
	return snap
}

// resultOf runs all checks on a case and returns the result of its check on
// the judged object.
func resultOf(t *testing.T, rules *check.Rules, f fixture, c *fixtureCase) (tickmark.Result, bool) {
	t.Helper()
	snap := snapshotOf(t, f, c)
	inv, err := inventory.Build(context.Background(), snap, inventory.Options{Canonical: rules.Canonical, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range inv.Problems {
		t.Errorf("problem of the inventory: %s: %s", p.Object, p.What)
	}
	a, err := check.Run(context.Background(), snap, inv, rules, check.Options{Now: c.instant(t), Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	object := c.object(t, f)
	id, _ := object["id"].(string)
	if inventory.IsRecord(c.base(f)) {
		id = ""
		if read, ok := object[recordKey].(map[string]any); ok {
			id, _ = read["id"].(string)
		}
	}
	index := -1
	for i, s := range a.Checks {
		if s.Check.ID == f.Check {
			index = i
		}
	}
	var found []tickmark.Result
	for r := range a.Results.Select(func(k int, _ tickmark.Verdict) bool { return k == index }) {
		if id == "" || strings.EqualFold(r.Resource, id) {
			found = append(found, r)
		}
	}
	if len(found) != 1 {
		t.Errorf("%d results on the object, want one", len(found))
		return tickmark.Result{}, false
	}
	return found[0], true
}

// TestFixturesRun runs every case with default parameters through inventory and
// Run, and verifies what the result says about itself.
func TestFixturesRun(t *testing.T) {
	c, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	rules, err := check.Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range loadFixtures(t) {
		for _, fc := range f.Cases {
			if fc.Parameters != nil {
				continue // Run uses the defaults
			}
			t.Run(f.Check+"/"+fc.Name, func(t *testing.T) {
				r, ok := resultOf(t, rules, f, &fc)
				if !ok {
					return
				}
				if r.Verdict.String() != fc.want() {
					t.Fatalf("got %s (%s), want %s: %+v", r.Verdict, r.Reason, fc.want(), r.Why)
				}
				verifyWhy(t, &fc, r)
			})
		}
	}
}

func verifyWhy(t *testing.T, fc *fixtureCase, r tickmark.Result) {
	t.Helper()
	said := fmt.Sprintf("%+v", r)
	if r.Why.Message == "" {
		t.Errorf("no message: %s", said)
	}
	if (r.Verdict == tickmark.Unknown) != (r.Reason != tickmark.ReasonNone) {
		t.Errorf("reason %q: %s", r.Reason, said)
	}
	if fc.Reason != "" && string(r.Reason) != fc.Reason {
		t.Errorf("reason %q, want %q", r.Reason, fc.Reason)
	}
	if r.Verdict == tickmark.Fail && r.Why.Condition == "" {
		t.Errorf("a fail without its condition: %s", said)
	}
	if fc.Near != "" && !strings.Contains(r.Why.NearMiss, fc.Near) {
		t.Errorf("near miss %q, want one that names %q", r.Why.NearMiss, fc.Near)
	}
}
