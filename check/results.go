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
	// explain returns the full result of row i.
	explain func(i int) tickmark.Result
	// bare returns the result of row i without Why.
	bare func(i int) tickmark.Result
	// detached makes a bare that holds nothing but names.
	detached func() func(i int) tickmark.Result
}

// row is one verdict: 8 bytes, so that a million results stay small.
type row struct {
	resource uint32
	check    uint16 // index into Assessment.Checks
	verdict  tickmark.Verdict
	reason   uint8 // index into reasonList
}

// ResultsOf makes Results from explained results, which must be ordered by
// check (in the order of checks), then resource id. It serves readers of
// stored results and tests of reports.
func ResultsOf(checks []Summary, results []tickmark.Result) *Results {
	index := make(map[string]uint16, len(checks))
	for i, s := range checks {
		index[s.Check.ID] = uint16(i)
	}
	rows := make([]row, len(results))
	for i, r := range results {
		rows[i] = row{check: index[r.Check], verdict: r.Verdict}
	}
	return &Results{rows: rows, explain: func(i int) tickmark.Result { return results[i] }, bare: func(i int) tickmark.Result { return results[i] }}
}

// Detach gives up the inventory behind the results: from now on they come
// without their explanation. It is for those who only record them.
func (r *Results) Detach() {
	if r.detached == nil {
		return
	}
	r.bare = r.detached()
	r.explain, r.detached = r.bare, nil
}

// only returns the results of some checks; index holds the new index of each
// check, or -1. They are explained by r, and as long as r explains them.
func (r *Results) only(index []int) *Results {
	out := &Results{}
	var at []uint32
	for i, w := range r.rows {
		if k := index[w.check]; k >= 0 {
			w.check = uint16(k) //nolint:gosec // not above the index that it replaces
			out.rows = append(out.rows, w)
			at = append(at, uint32(i))
		}
	}
	out.explain = func(i int) tickmark.Result { return r.explain(int(at[i])) }
	out.bare = func(i int) tickmark.Result { return r.bare(int(at[i])) }
	return out
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
		for i, w := range r.rows {
			if keep(int(w.check), w.verdict) && !yield(r.explain(i)) {
				return
			}
		}
	}
}

// Bare yields every result without its explanation, by check, then resource
// id: what is recorded and compared.
func (r *Results) Bare() iter.Seq[tickmark.Result] {
	return func(yield func(tickmark.Result) bool) {
		for i := range r.rows {
			if !yield(r.bare(i)) {
				return
			}
		}
	}
}
