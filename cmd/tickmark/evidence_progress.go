// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/tickmark/tickmark/work"
)

// progressEvery is how often a long call says how far it is.
const progressEvery = time.Second

// progress returns a function that prints plain lines to stderr: the stage,
// how much is done, the rate, and when it will be finished.
func (rc *runContext) progress() work.Progress {
	var stage string
	var begin, last time.Time
	return func(now string, done, total int64) {
		t := rc.Now()
		if now != stage {
			stage, begin, last = now, t, t
			return
		}
		if t.Sub(last) < progressEvery {
			return
		}
		last = t
		rate := float64(done) / t.Sub(begin).Seconds()
		line := fmt.Sprintf("%s: %d", stage, done)
		if total > 0 {
			line += fmt.Sprintf(" of %d (%d %%)", total, done*100/total)
		}
		line += fmt.Sprintf(", %.0f/s", rate)
		if total > done && rate > 0 {
			line += fmt.Sprintf(", %s left", time.Duration(float64(total-done)/rate*float64(time.Second)).Round(time.Second))
		}
		fmt.Fprintln(rc.Err, line)
	}
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// printable shows foreign text on a terminal without letting it control it.
func printable(s string) string {
	for _, r := range s {
		if !strconv.IsPrint(r) {
			q := strconv.Quote(s)
			return q[1 : len(q)-1]
		}
	}
	return s
}
