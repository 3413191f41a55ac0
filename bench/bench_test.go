// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
)

// TestRun measures a small export once: every figure is printed, and the
// verdicts of OPA and tickmark are equal, else run fails.
func TestRun(t *testing.T) {
	var out strings.Builder
	if err := run(&out, "..", 3000, 1, "", ""); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "skipped:") {
		t.Skip(out.String())
	}
	for _, want := range []string{"machine: ", "ratio  ", "automated    median", "equal verdicts"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, out.String())
		}
	}
}
