// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"hash"
	"hash/maphash"
	"iter"
	"slices"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/history"
)

// transitionsPart is how long a blob of transitions gets.
const transitionsPart = 4 << 20

// nameKey stands for a name in memory: 128 bits that nobody outside this
// process can foresee, so that no two names can be made to meet.
type nameKey [2]uint64

var nameSeeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

func keyOf(name, typ string) (k nameKey) {
	for i, seed := range nameSeeds {
		k[i] = maphash.Comparable(seed, [2]string{name, typ})
	}
	return k
}

// dictionary gives names numbers, from 1, in the order in which they appear.
type dictionary struct {
	ids  map[nameKey]uint32
	next uint32
	kind byte
	news []history.Name
}

func (d *dictionary) id(name, typ string) uint32 {
	key := keyOf(name, typ)
	id, ok := d.ids[key]
	if !ok {
		id = d.next
		d.next++
		d.ids[key] = id
		d.news = append(d.news, history.Name{Kind: d.kind, ID: id, Value: name, Type: typ})
	}
	return id
}

func (r *recording) dictionary(kind byte, query string) (*dictionary, error) {
	d := &dictionary{ids: map[nameKey]uint32{}, next: 1, kind: kind}
	rows, err := r.s.db.QueryContext(r.ctx, query, r.s.org)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // an error shows in what is read or written
	var name, typ sql.RawBytes
	var id uint32
	dest := []any{&id, &name}
	if kind == history.NameResource {
		dest = append(dest, &typ)
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		d.ids[keyOf(string(name), string(typ))] = id
		d.next = max(d.next, id+1)
	}
	return d, rows.Err()
}

// recordResults stages the intervals that the results open and close, and the
// counts, and commits to both by digest.
func (r *recording) recordResults(results iter.Seq[tickmark.Result]) error {
	reasons, err := r.dictionary(history.NameReason, `SELECT id, name FROM reasons WHERE org = $1`)
	if err != nil {
		return err
	}
	checks, err := r.dictionary(history.NameCheck, `SELECT id, name FROM checks WHERE org = $1`)
	if err != nil {
		return err
	}
	resources, err := r.dictionary(history.NameResource, `SELECT id, name, type FROM resources WHERE org = $1`)
	if err != nil {
		return err
	}
	next, counts, err := r.number(results, reasons, checks, resources)
	if err != nil {
		return err
	}
	previous, err := r.openRows()
	if err != nil {
		return err
	}
	out := &transitionsWriter{r: r, hash: sha256.New()}
	out.buf = history.AppendHeader(out.buf)
	if err := r.stageNames(out, reasons, checks, resources); err != nil {
		return err
	}
	if err := r.stageTransitions(out, previous, next); err != nil {
		return err
	}
	if err := out.end(); err != nil {
		return err
	}
	r.results.Batch = r.body.Batch
	r.results.Results = int64(len(next))
	r.results.Counts = tickmark.DigestOf(history.AppendCounts(nil, counts))
	rows := r.stage.into("counts", "org, batch, check_id, scope, fail, pass, unknown, exempt, not_applicable")
	for _, c := range counts {
		t := c.Tally
		if err := rows.add(r.s.org, r.body.Batch, int64(c.Check), c.Scope, t.Fail, t.Pass, t.Unknown, t.Exempt, t.NotApplicable); err != nil {
			return err
		}
	}
	return errors.Join(rows.end(), r.stage.flush())
}

// relaxNames is how many names, which lie in the pages, are read between two
// releases.
const relaxNames = 1 << 13

func (r *recording) relaxAll() {
	if r.release == nil {
		return
	}
	for i := range r.snap.Segments {
		r.release(i)
	}
}

// number replaces names by numbers, sorts, and counts.
func (r *recording) number(results iter.Seq[tickmark.Result], reasons, checks, resources *dictionary) ([]history.Row, []history.Count, error) {
	type group struct {
		check uint32
		scope string
	}
	var rows []history.Row
	tallies := map[group]*history.Tally{}
	if results == nil {
		results = func(func(tickmark.Result) bool) {}
	}
	for res := range results {
		if (res.Verdict == tickmark.Unknown) != (res.Reason != tickmark.ReasonNone) || res.Verdict > tickmark.Exempt {
			return nil, nil, &tickmark.Error{Code: tickmark.CodeInternal, Where: res.Check + " on " + res.Resource, What: fmt.Sprintf("verdict %s with reason %q", res.Verdict, res.Reason)}
		}
		row := history.Row{Check: checks.id(clean(res.Check), ""), Resource: resources.id(res.Resource, res.Type), Verdict: res.Verdict}
		if res.Reason != tickmark.ReasonNone {
			row.Reason = reasons.id(clean(string(res.Reason)), "")
		}
		rows = append(rows, row)
		g := group{row.Check, history.ScopeOf(res.Resource)}
		t := tallies[g]
		if t == nil {
			t = &history.Tally{}
			tallies[g] = t
		}
		t.Add(res.Verdict, 1)
		r.tally.Add(res.Verdict, 1)
		if len(rows)%relaxNames == 0 {
			r.relaxAll()
		}
	}
	r.relaxAll()
	slices.SortFunc(rows, func(a, b history.Row) int {
		return cmp.Or(cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Check, b.Check))
	})
	counts := make([]history.Count, 0, len(tallies))
	for g, t := range tallies {
		counts = append(counts, history.Count{Check: g.check, Scope: g.scope, Tally: *t})
	}
	slices.SortFunc(counts, func(a, b history.Count) int {
		return cmp.Or(cmp.Compare(a.Check, b.Check), strings.Compare(a.Scope, b.Scope))
	})
	return rows, counts, nil
}

// openRows reads the verdicts that are open after the snapshot before.
func (r *recording) openRows() ([]history.Row, error) {
	rows, err := r.s.db.QueryContext(r.ctx, `SELECT resource_id, check_id, verdict, reason_id FROM intervals
		WHERE org = $1 AND known_to IS NULL ORDER BY resource_id, check_id`, r.s.org)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // an error shows in what is read or written
	var list []history.Row
	for rows.Next() {
		var resource, check, verdict, reason int64
		if err := rows.Scan(&resource, &check, &verdict, &reason); err != nil {
			return nil, err
		}
		list = append(list, rowOf(resource, check, verdict, reason))
	}
	return list, rows.Err()
}

// rowOf narrows what the tables keep in 64 bits. Numbers beyond 32 bits cannot
// come from us; verify finds them.
func rowOf(resource, check, verdict, reason int64) history.Row {
	return history.Row{Resource: uint32(resource), Check: uint32(check), Reason: uint32(reason), Verdict: tickmark.Verdict(verdict)} //nolint:gosec // see above
}

// transitionsWriter hashes the canonical form and cuts it into blobs.
type transitionsWriter struct {
	r    *recording
	hash hash.Hash
	buf  []byte
}

func (w *transitionsWriter) cut(limit int) error {
	for len(w.buf) >= limit && len(w.buf) > 0 {
		n := min(len(w.buf), transitionsPart)
		part := slices.Clone(w.buf[:n])
		w.hash.Write(part)
		d, err := w.r.blob(part)
		if err != nil {
			return err
		}
		w.r.results.Parts = append(w.r.results.Parts, d)
		w.buf = append(w.buf[:0], w.buf[n:]...)
	}
	return nil
}

func (w *transitionsWriter) end() error {
	err := w.cut(1)
	w.r.results.Transitions = tickmark.Digest(w.hash.Sum(nil))
	return err
}

func (r *recording) stageNames(out *transitionsWriter, reasons, checks, resources *dictionary) error {
	for _, d := range []struct {
		*dictionary
		table string
	}{{reasons, "reasons"}, {checks, "checks"}, {resources, "resources"}} {
		columns := "id, name"
		if d.kind == history.NameResource {
			columns += ", type"
		}
		rows := r.stage.into(d.table, columns, shared{"org", r.s.org}, shared{"batch", r.body.Batch})
		for i, n := range d.news {
			args := []any{int64(n.ID), []byte(n.Value)}
			if n.Kind == history.NameResource {
				args = append(args, []byte(n.Type))
			}
			if err := rows.add(args...); err != nil {
				return err
			}
			out.buf = history.AppendName(out.buf, n)
			if err := out.cut(transitionsPart); err != nil {
				return err
			}
			if i%relaxNames == 0 {
				r.relaxAll()
				r.progress(d.table, int64(i), int64(len(d.news)))
			}
		}
		if err := rows.end(); err != nil {
			return err
		}
		d.ids, d.news = nil, nil // the names are not needed again
	}
	r.relaxAll()
	return nil
}

func (r *recording) stageTransitions(out *transitionsWriter, previous, next []history.Row) error {
	batch, at := r.body.Batch, r.snap.ObservedAt.UnixMicro()
	rows := r.stage.into("intervals", "resource_id, check_id, verdict, reason_id", shared{"org", r.s.org}, shared{"known_from", batch}, shared{"valid_from", at})
	return errors.Join(history.Fold(each(previous), each(next), func(t history.Transition) error {
		if t.Kind != history.Appear {
			err := r.stage.exec(`UPDATE intervals SET known_to = $1, valid_to = $2 WHERE org = $3 AND resource_id = $4 AND check_id = $5 AND known_to IS NULL`,
				batch, at, r.s.org, int64(t.Row.Resource), int64(t.Row.Check))
			if err != nil {
				return err
			}
		}
		if t.Kind != history.Vanish {
			if err := rows.add(int64(t.Row.Resource), int64(t.Row.Check), int64(t.Row.Verdict), int64(t.Row.Reason)); err != nil {
				return err
			}
		}
		out.buf = history.AppendTransition(out.buf, t)
		r.results.Count++
		if r.results.Count%10000 == 0 {
			r.progress("results", r.results.Count, int64(len(next)))
			return errors.Join(out.cut(transitionsPart), r.ctx.Err())
		}
		return nil
	}), rows.end())
}

func each(rows []history.Row) iter.Seq2[history.Row, error] {
	return func(yield func(history.Row, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
	}
}
