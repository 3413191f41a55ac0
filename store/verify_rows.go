// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"hash"
	"slices"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/history"
)

// batchState gathers what the rows say of one batch.
type batchState struct {
	hash  hash.Hash
	buf   []byte
	count int64
	delta map[countKey]*history.Tally
}

type countKey struct {
	check int64
	scope uint32 // index into scopes
}

func (b *batchState) flush(limit int) {
	if len(b.buf) > limit {
		b.hash.Write(b.buf)
		b.buf = b.buf[:0]
	}
}

func (b *batchState) tally(k countKey) *history.Tally {
	t := b.delta[k]
	if t == nil {
		t = &history.Tally{}
		b.delta[k] = t
	}
	return t
}

// historyCheck recomputes the digests of all transitions and counts from the
// rows of intervals and dictionaries, in one pass over each table.
type historyCheck struct {
	v      *verification
	scopes []string
	index  map[string]uint32
	// scope of each resource, by number
	scope map[int64]uint32
}

// checkHistory reconciles the interval rows, dictionaries and counts with the
// digests in the results leaves.
func (v *verification) checkHistory() error {
	for _, s := range v.snapshots {
		s.state = &batchState{hash: sha256.New(), delta: map[countKey]*history.Tally{}}
		s.state.buf = history.AppendHeader(s.state.buf)
	}
	h := &historyCheck{v: v, index: map[string]uint32{}, scope: map[int64]uint32{}}
	h.scopeOf("") // number 0, for a resource whose name is gone
	for _, d := range []struct {
		table string
		kind  byte
	}{{"reasons", history.NameReason}, {"checks", history.NameCheck}, {"resources", history.NameResource}} {
		if err := h.names(d.table, d.kind); err != nil {
			return err
		}
	}
	if err := h.intervals(); err != nil {
		return err
	}
	for _, s := range v.snapshots {
		s.state.flush(0)
		if tickmark.Digest(s.state.hash.Sum(nil)) != s.results.Transitions || s.state.count != s.results.Count {
			v.report.Add("row", fmt.Sprintf("intervals or dictionaries, snapshot %s (leaf %d)", s.body.ID, s.body.Results), "the rows do not give the transitions in the ledger: a row was changed, removed or added")
		}
	}
	return h.counts()
}

// at returns the batch's snapshot; nil for a staged one, which is not checked,
// and, with a damage, for one that does not exist.
func (h *historyCheck) at(table string, batch int64) *verified {
	if batch >= 1 && batch <= int64(len(h.v.snapshots)) {
		return h.v.snapshots[batch-1]
	}
	if !h.v.staged || batch < 1 {
		h.v.report.Add("row", table, fmt.Sprintf("a row belongs to batch %d, which does not exist", batch))
	}
	return nil
}

func (h *historyCheck) names(table string, kind byte) error {
	typ := "name"
	if kind == history.NameResource {
		typ = "type"
	}
	rows, err := h.v.tx.QueryContext(h.v.ctx, `SELECT id, batch, name, `+typ+` FROM `+table+` WHERE org = $1 ORDER BY id`, h.v.s.org) //nolint:gosec // the names of tables are ours
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // an error shows in what is read or written
	var id, batch, n int64
	var name, rtype sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&id, &batch, &name, &rtype); err != nil {
			return err
		}
		n++
		s := h.at(table, batch)
		if s == nil {
			continue
		}
		if id < 1 || id > 1<<32-1 {
			h.v.report.Add("row", table, fmt.Sprintf("number %d is impossible", id))
			continue
		}
		entry := history.Name{Kind: kind, ID: uint32(id), Value: string(name)}
		if kind == history.NameResource {
			entry.Type = string(rtype)
			h.scope[id] = h.scopeOf(entry.Value)
		}
		s.state.buf = history.AppendName(s.state.buf, entry)
		s.state.flush(4096)
	}
	h.v.report.Checked[table] = n
	return rows.Err()
}

func (h *historyCheck) scopeOf(resource string) uint32 {
	name := history.ScopeOf(resource)
	i, ok := h.index[name]
	if !ok {
		i = uint32(len(h.scopes)) //nolint:gosec // far fewer scopes
		h.index[name] = i
		h.scopes = append(h.scopes, name)
	}
	return i
}

// intervalRow is one row of intervals.
type intervalRow struct {
	resource, check, from, verdict, reason, validFrom int64
	to, validTo                                       sql.NullInt64
}

func (h *historyCheck) intervals() error {
	var total int64
	for _, s := range h.v.snapshots {
		total += s.results.Count
	}
	rows, err := h.v.tx.QueryContext(h.v.ctx, `SELECT resource_id, check_id, known_from, known_to, verdict, reason_id, valid_from, valid_to
		FROM intervals WHERE org = $1 ORDER BY resource_id, check_id, known_from`, h.v.s.org)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // an error shows in what is read or written
	var last, r intervalRow
	var n int64
	for rows.Next() {
		if err := rows.Scan(&r.resource, &r.check, &r.from, &r.to, &r.verdict, &r.reason, &r.validFrom, &r.validTo); err != nil {
			return err
		}
		if n++; n%65536 == 0 {
			h.v.progress("intervals", n, total)
		}
		s := h.at("intervals", r.from)
		if s == nil {
			continue
		}
		h.row(s, &last, &r)
		last = r
	}
	if last.from > 0 {
		h.close(&last)
	}
	h.v.report.Checked["intervals"] = n
	return rows.Err()
}

// row checks one interval; last is the one before it.
func (h *historyCheck) row(s *verified, last, r *intervalRow) {
	where := fmt.Sprintf("intervals, resource %d, check %d, known from %d", r.resource, r.check, r.from)
	if r.to.Valid && r.to.Int64 > int64(len(h.v.snapshots)) && h.v.staged {
		r.to, r.validTo = sql.NullInt64{}, sql.NullInt64{} // ended by a batch that is not committed
	}
	if r.validFrom != s.at {
		h.v.report.Add("row", where, "valid_from is not when its snapshot was observed")
	}
	if r.to.Valid != r.validTo.Valid {
		h.v.report.Add("row", where, "known_to and valid_to do not fit together")
	}
	if r.to.Valid {
		if end := h.at("intervals", r.to.Int64); end != nil && (r.to.Int64 <= r.from || r.validTo.Int64 != end.at) {
			h.v.report.Add("row", where, "valid_to is not when the ending snapshot was observed")
		}
	}
	kind := history.Appear
	if last.from > 0 {
		same := last.resource == r.resource && last.check == r.check
		if same && (!last.to.Valid || last.to.Int64 > r.from) {
			h.v.report.Add("row", where, "overlaps the one before it")
		}
		if same && last.to.Valid && last.to.Int64 == r.from {
			kind = history.Change
		} else {
			h.close(last)
		}
	}
	if r.resource < 1 || r.resource > 1<<32-1 || r.check < 1 || r.check > 1<<32-1 || r.reason < 0 || r.reason > 1<<32-1 || r.verdict < 0 || r.verdict > int64(tickmark.Exempt) {
		h.v.report.Add("row", where, "a number is impossible")
		return
	}
	row := rowOf(r.resource, r.check, r.verdict, r.reason)
	s.state.buf = history.AppendTransition(s.state.buf, history.Transition{Kind: kind, Row: row})
	s.state.count++
	s.state.flush(4096)
	key := countKey{r.check, h.scope[r.resource]}
	s.state.tally(key).Add(row.Verdict, 1)
	if r.to.Valid && r.to.Int64 >= 1 && r.to.Int64 <= int64(len(h.v.snapshots)) {
		h.v.snapshots[r.to.Int64-1].state.tally(key).Add(row.Verdict, -1)
	}
}

// close writes the Vanish of a row that ended without a successor.
func (h *historyCheck) close(r *intervalRow) {
	if !r.to.Valid || r.to.Int64 < 1 || r.to.Int64 > int64(len(h.v.snapshots)) {
		return
	}
	st := h.v.snapshots[r.to.Int64-1].state
	st.buf = history.AppendTransition(st.buf, history.Transition{Kind: history.Vanish, Row: rowOf(r.resource, r.check, 0, 0)})
	st.count++
	st.flush(4096)
}

// counts adds up the tallies snapshot by snapshot and compares them with the
// ledger and with the rows of counts.
func (h *historyCheck) counts() error {
	stored, err := h.storedCounts()
	if err != nil {
		return err
	}
	running := map[countKey]*history.Tally{}
	for _, s := range h.v.snapshots {
		var results int64
		for k, d := range s.state.delta {
			t := running[k]
			if t == nil {
				t = &history.Tally{}
				running[k] = t
			}
			*t = t.Plus(*d)
			if t.Total() == 0 && *t == (history.Tally{}) {
				delete(running, k)
			}
		}
		list := make([]history.Count, 0, len(running))
		for k, t := range running {
			results += t.Total()
			list = append(list, history.Count{Check: uint32(k.check), Scope: h.scopes[k.scope], Tally: *t}) //nolint:gosec // checked in row
		}
		slices.SortFunc(list, func(a, b history.Count) int {
			return cmp.Or(cmp.Compare(a.Check, b.Check), strings.Compare(a.Scope, b.Scope))
		})
		where := fmt.Sprintf("snapshot %s (leaf %d)", s.body.ID, s.body.Results)
		if results != s.results.Results || tickmark.DigestOf(history.AppendCounts(nil, list)) != s.results.Counts {
			h.v.report.Add("count", "intervals, "+where, "the verdicts do not add up to the counts in the ledger")
		}
		if stored[s.body.Batch] != s.results.Counts {
			h.v.report.Add("count", "counts, "+where, "the rows differ from the counts in the ledger")
		}
		delete(stored, s.body.Batch)
	}
	for batch := range stored {
		h.at("counts", batch)
	}
	return nil
}

// storedCounts returns the digest of each batch's rows of counts.
func (h *historyCheck) storedCounts() (map[int64]tickmark.Digest, error) {
	rows, err := h.v.tx.QueryContext(h.v.ctx, `SELECT batch, check_id, scope, fail, pass, unknown, exempt, not_applicable
		FROM counts WHERE org = $1 ORDER BY batch, check_id, scope`, h.v.s.org)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // an error shows in what is read or written
	digests := map[int64]tickmark.Digest{}
	for _, s := range h.v.snapshots {
		digests[s.body.Batch] = tickmark.DigestOf(history.AppendCounts(nil, nil))
	}
	var list []history.Count
	var current, n int64
	for rows.Next() {
		var batch, check int64
		var c history.Count
		t := &c.Tally
		if err := rows.Scan(&batch, &check, &c.Scope, &t.Fail, &t.Pass, &t.Unknown, &t.Exempt, &t.NotApplicable); err != nil {
			return nil, err
		}
		if check < 1 || check > 1<<32-1 {
			h.v.report.Add("row", fmt.Sprintf("counts, batch %d", batch), fmt.Sprintf("check number %d is impossible", check))
			continue
		}
		c.Check = uint32(check)
		if batch != current && len(list) > 0 {
			digests[current] = tickmark.DigestOf(history.AppendCounts(nil, list))
			list = list[:0]
		}
		current = batch
		list = append(list, c)
		n++
	}
	if len(list) > 0 {
		digests[current] = tickmark.DigestOf(history.AppendCounts(nil, list))
	}
	h.v.report.Checked["counts"] = n
	return digests, rows.Err()
}
