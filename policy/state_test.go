// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/tickmark/tickmark/policy"
)

// TestStates runs our own state vectors, written from the documentation.
func TestStates(t *testing.T) {
	b, err := os.ReadFile("testdata/state/states.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range bytes.Lines(b) {
		v, err := policy.ParseVector("states.jsonl", bytes.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		n++
		t.Run(v.ID, func(t *testing.T) {
			want, got, err := v.Run(nil)
			if err != nil {
				t.Fatal(err)
			}
			if want != got {
				t.Errorf("want %s\n got %s", want, got)
			}
		})
	}
	if n < 40 {
		t.Errorf("only %d vectors", n)
	}
}
