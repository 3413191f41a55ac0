// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"context"
	"strings"
	"testing"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/inventory"
)

// TestTwoDirectories: a policy of one directory does not speak for another that
// was read with it.
func TestTwoDirectories(t *testing.T) {
	c, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	rules, err := check.Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	const policies = "graph/conditionalAccessPolicies"
	for n, want := range map[int]tickmark.Verdict{1: tickmark.Pass, 2: tickmark.Unknown} {
		pages := []tickmark.Page{page(t, policies, shape(t, policies, nil, ""))}
		for i := range n {
			pages = append(pages, page(t, "graph/organization", map[string]any{"id": strings.Repeat("a", i+1), "displayName": "x"}))
		}
		snap := &tickmark.Snapshot{Origin: "files", Segments: []tickmark.Segment{{
			Source: "file", Scope: "x", Pages: pages,
			Coverage: tickmark.Coverage{Source: "file", Scope: "x", Complete: []string{policies}, CompleteBy: "operator", Declared: -1},
		}}}
		inv, err := inventory.Build(context.Background(), snap, inventory.Options{Canonical: rules.Canonical})
		if err != nil {
			t.Fatal(err)
		}
		a, err := check.Run(context.Background(), snap, inv, rules, check.Options{})
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for r := range a.Results.All() {
			if r.Check != "entra-mfa-all-users" {
				continue
			}
			seen++
			if r.Verdict != want || want == tickmark.Unknown && !strings.Contains(r.Why.Message, "2 directories") {
				t.Errorf("%d directories: %+v, want %v", n, r, want)
			}
		}
		if seen != n {
			t.Errorf("%d results for %d directories", seen, n)
		}
	}
}
