// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"context"
	"testing"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/work"
)

// TestRedactionKeepsVerdicts judges an organisation that has every case of every
// check, as it was collected and as it is kept: the redaction changes no verdict.
func TestRedactionKeepsVerdicts(t *testing.T) {
	s := newStand(t, estateText(t))
	s.clock.Set(matrixNow)
	o, err := s.options(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	run, err := collect.Run(t.Context(), work.Sources(), o) // nothing is replaced but what questions name
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = run.Close() }()
	k, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	rules, err := check.Compile(k)
	if err != nil {
		t.Fatal(err)
	}
	received := verdicts(t, rules, run.Snapshot)
	marks := 0
	for _, r := range inventory.Redact(run.Snapshot) {
		marks += len(r.Marks)
	}
	if marks == 0 {
		t.Error("nothing was replaced: the test shows nothing")
	}
	kept := verdicts(t, rules, run.Snapshot)
	if len(kept) < 900 || len(kept) != len(received) {
		t.Errorf("%d verdicts of what is kept, %d of what was received", len(kept), len(received))
	}
	for k, v := range received {
		if kept[k] != v {
			t.Errorf("%s: %s of what was received, %s of what is kept", k, v, kept[k])
		}
	}
	t.Logf("%d values replaced, %d verdicts", marks, len(kept))
}

func verdicts(t *testing.T, rules *check.Rules, s *tickmark.Snapshot) map[string]string {
	t.Helper()
	inv, err := inventory.Build(context.Background(), s, inventory.Options{Canonical: rules.Canonical})
	if err != nil {
		t.Fatal(err)
	}
	a, err := check.Run(context.Background(), s, inv, rules, check.Options{Now: matrixNow})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for r := range a.Results.Select(func(int, tickmark.Verdict) bool { return true }) {
		out[r.Check+" "+r.Resource] = r.Verdict.String() + " " + string(r.Reason)
	}
	return out
}
