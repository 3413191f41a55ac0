// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"context"
	"testing"

	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/collect/file"
	"github.com/tickmark/tickmark/policy"
	"github.com/tickmark/tickmark/work"
)

// TestSOC2 evaluates Microsoft's SOC 2 initiative over the recorded objects:
// automated and manual policies apart, and the same whatever the workers.
func TestSOC2(t *testing.T) {
	imp, c := publicPolicies(t)
	x := soc2(t, imp.Library(c))
	a, files, err := work.AssessFiles(context.Background(), []string{sharedFile(t, "data/recorded-resources.jsonl")}, file.Options{ObservedAt: benchNow}, work.AssessOptions{Now: benchNow, Engine: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = files.Close() }()
	var first *check.InitiativeRun
	for _, workers := range []int{1, 2, 7} {
		run, err := check.RunInitiative(context.Background(), a.Inventory, x, check.Options{Now: benchNow, Workers: workers})
		if err != nil {
			t.Fatal(err)
		}
		manual, automated := 0, 0
		for _, p := range run.Policies {
			if p.Manual {
				manual++
				if p.Counts[policy.Compliant] > 0 {
					t.Errorf("manual policy %s is compliant without an attestation", p.DisplayName)
				}
			} else {
				automated++
			}
			if p.Err != nil && p.State != policy.NotApplicable {
				t.Errorf("%s could not be bound and has state %s", p.Reference, p.State)
			}
		}
		if len(run.Groups) != 61 || manual != 193 || automated != 114 {
			t.Errorf("%d groups, %d manual, %d automated", len(run.Groups), manual, automated)
		}
		if run.Statuses[policy.NonCompliant] == 0 || run.Statuses[policy.Compliant] == 0 || run.Statuses[policy.Unknown] == 0 {
			t.Errorf("states %v", run.Statuses)
		}
		if first == nil {
			first = run
		} else if first.Statuses != run.Statuses || first.Resources != run.Resources || first.Pairs != run.Pairs {
			t.Errorf("with %d workers: %v, %v", workers, run.Statuses, first.Statuses)
		}
	}
}
