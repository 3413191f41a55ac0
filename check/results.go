// SPDX-License-Identifier: Apache-2.0

package check

import (
	"iter"

	"github.com/tickmark/tickmark"
)

// Results holds every (check, resource) verdict compactly; the explanation of
// a result is computed on demand, by evaluating again with a trace.
type Results struct {
	rows []row
	// explain returns the full result of one row.
	explain func(row) tickmark.Result
}

// row is one verdict: 12 bytes, so that a million results stay small.
type row struct {
	resource uint32
	check    uint16
	verdict  tickmark.Verdict
	reason   uint8
}

// Len is the number of results.
func (r *Results) Len() int { return len(r.rows) }

// All yields every result with its explanation, by check, then resource id.
func (r *Results) All() iter.Seq[tickmark.Result] {
	return r.Select(func(int, tickmark.Verdict) bool { return true })
}

// Select yields, with explanation, the results whose check (index into
// Assessment.Checks) and verdict keep accepts.
func (r *Results) Select(keep func(check int, v tickmark.Verdict) bool) iter.Seq[tickmark.Result] {
	return func(yield func(tickmark.Result) bool) {
		for _, w := range r.rows {
			if keep(int(w.check), w.verdict) && !yield(r.explain(w)) {
				return
			}
		}
	}
}
