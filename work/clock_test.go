// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"strings"
	"testing"

	"github.com/tickmark/tickmark/azuresim"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/work"
)

// TestClock: a difference to the services' dates is measured, named, and wrong
// above five minutes; where no service answers it is not known.
func TestClock(t *testing.T) {
	ways := map[string]string{"C23/ahead": " behind the date in answers of ", "C23/behind": " ahead of the date in answers of "}
	for fault, want := range map[string]string{
		"":           "as the services have it (arm, graph), to the second",
		"C23/ahead":  "1h0m",
		"C23/behind": "1h0m",
		"C5/500":     "",
	} {
		r := newRigWith(t, "reader", func(org *azuresim.Organisation) {
			for _, host := range []string{"arm", "graph"} {
				if fault != "" {
					org.Faults = append(org.Faults, azuresim.Fault{ID: fault, Host: host, Count: -1})
				}
			}
		})
		found, err := collect.Probe(t.Context(), only(t, "graph", "arm"), r.opts)
		if err != nil {
			t.Fatal(err)
		}
		k := work.ClockOf(found)
		wrong := strings.HasPrefix(fault, "C23")
		switch {
		case want == "" && len(k.Sources) > 0:
			t.Errorf("%s: a clock is known from %v", fault, k.Sources)
		case want != "" && (!strings.HasPrefix(k.String(), want) || !strings.Contains(k.String(), ways[fault]) || k.Wrong() != wrong):
			t.Errorf("%s: %s, wrong %v; want %q", fault, k, k.Wrong(), want)
		}
	}
	if (work.ClockSkew{Skew: collect.MaxSkew}).Wrong() || !(work.ClockSkew{Skew: -collect.MaxSkew - 1}).Wrong() {
		t.Error("five minutes are not where it begins to be wrong")
	}
}
