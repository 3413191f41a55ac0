// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/history"
	"github.com/tickmark/tickmark/ledger"
)

// Snapshots lists the recorded snapshots in the order of the ledger.
func (s *Store) Snapshots(ctx context.Context) ([]history.Entry, error) {
	var list []history.Entry
	err := s.inView(ctx, func(tx *sql.Tx) error {
		var err error
		list, err = s.entriesIn(ctx, tx)
		return err
	})
	return list, err
}

func (s *Store) entriesIn(ctx context.Context, q querier) ([]history.Entry, error) {
	list := []history.Entry{}
	rows, err := q.QueryContext(ctx, `SELECT s.id, s.seq, s.origin, s.observed_at, s.recorded_at, s.late, s.segments, s.pages, s.items, s.bytes, s.results, s.transitions,
			COALESCE(c.fail, 0), COALESCE(c.pass, 0), COALESCE(c.unknown, 0), COALESCE(c.exempt, 0), COALESCE(c.not_applicable, 0)
		FROM snapshots s LEFT JOIN (
			SELECT batch, CAST(SUM(fail) AS BIGINT) AS fail, CAST(SUM(pass) AS BIGINT) AS pass, CAST(SUM(unknown) AS BIGINT) AS unknown,
				CAST(SUM(exempt) AS BIGINT) AS exempt, CAST(SUM(not_applicable) AS BIGINT) AS not_applicable
			FROM counts WHERE org = $1 GROUP BY batch) c ON c.batch = s.batch
		WHERE s.org = $1 AND s.seq IS NOT NULL ORDER BY s.batch`, s.org)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // an error shows in what is read or written
	for rows.Next() {
		var e history.Entry
		var observed, recorded, late int64
		c := &e.Counts
		if err := rows.Scan(&e.ID, &e.Seq, &e.Origin, &observed, &recorded, &late, &e.Segments, &e.Pages, &e.Items, &e.Bytes, &e.Results, &e.Transitions,
			&c.Fail, &c.Pass, &c.Unknown, &c.Exempt, &c.NotApplicable); err != nil {
			return nil, err
		}
		e.ObservedAt, e.RecordedAt, e.Late = fromMicros(observed), fromMicros(recorded), late != 0
		list = append(list, e)
	}
	return list, rows.Err()
}

// entry finds a snapshot by id; "latest" and "previous" are the last two.
func (s *Store) entry(ctx context.Context, q querier, id string) (history.Entry, error) {
	list, err := s.entriesIn(ctx, q)
	if err != nil {
		return history.Entry{}, err
	}
	for _, e := range list {
		if e.ID == id {
			return e, nil
		}
	}
	switch n := len(list); {
	case id == "latest" && n > 0:
		return list[n-1], nil
	case id == "previous" && n > 1:
		return list[n-2], nil
	}
	return history.Entry{}, &tickmark.Error{Code: tickmark.CodeUsage, Where: id, What: "no such snapshot", Hint: "list them with: tickmark snapshot list"}
}

// Load reads a snapshot back. Every page is rebuilt from its recipe and
// compared with its digest, as is everything on the way to it.
func (s *Store) Load(ctx context.Context, id string) (*history.Stored, error) {
	var st *history.Stored
	err := s.inView(ctx, func(tx *sql.Tx) error {
		e, err := s.entry(ctx, tx, id)
		if err != nil {
			return err
		}
		if st, err = s.load(ctx, tx, e); err != nil {
			var known *tickmark.Error
			if !errors.As(err, &known) && ctx.Err() == nil {
				err = &tickmark.Error{Code: tickmark.CodeTampered, Where: "snapshot " + e.ID, What: "cannot be read back as it was received", Hint: "run: tickmark verify", Err: err}
			}
		}
		return err
	})
	return st, err
}

func (s *Store) load(ctx context.Context, tx *sql.Tx, e history.Entry) (*history.Stored, error) {
	b, err := s.newBlobs(ctx, tx)
	if err != nil {
		return nil, err
	}
	defer b.close()
	var body snapshotBody
	if err := s.leafBody(ctx, tx, e.Seq, kindSnapshot, &body); err != nil {
		return nil, err
	}
	st := &history.Stored{Entry: e, Pins: map[string][]byte{}, Snapshot: &tickmark.Snapshot{ID: e.ID, Origin: body.Origin, ObservedAt: e.ObservedAt}}
	for i := range int64(body.Segments) {
		var sb segmentBody
		if err := s.leafBody(ctx, tx, body.FirstSegment+i, kindSegment, &sb); err != nil {
			return nil, err
		}
		m, err := b.manifest(sb.Manifest)
		if err != nil {
			return nil, err
		}
		seg := tickmark.Segment{Source: sb.Source, Scope: sb.Scope, Coverage: sb.Coverage, Pages: make([]tickmark.Page, len(m.Pages))}
		if seg.Coverage.Asks, err = b.asks(&sb); err != nil {
			return nil, err
		}
		for k := range m.Pages {
			if seg.Pages[k], err = b.page(m, k); err != nil {
				return nil, fmt.Errorf("page %q: %w", m.Pages[k].Name, err)
			}
		}
		st.Snapshot.Segments = append(st.Snapshot.Segments, seg)
	}
	for _, p := range body.Pins {
		if st.Pins[p.Name], err = b.get(p.Digest); err != nil {
			return nil, fmt.Errorf("pin %s: %w", p.Name, err)
		}
	}
	if body.Problems != nil {
		raw, err := b.get(*body.Problems)
		if err != nil {
			return nil, fmt.Errorf("problems: %w", err)
		}
		if err := json.Unmarshal(raw, &st.Snapshot.Problems); err != nil {
			return nil, fmt.Errorf("problems: %w", err)
		}
	}
	return st, nil
}

// leafBody reads the body of a leaf of the given kind.
func (s *Store) leafBody(ctx context.Context, q querier, seq int64, kind string, into any) error {
	var raw []byte
	if err := q.QueryRowContext(ctx, `SELECT body FROM leaves WHERE org = $1 AND seq = $2`, s.org, seq).Scan(&raw); err != nil {
		return fmt.Errorf("leaf %d: %w", seq, err)
	}
	l, err := ledger.ParseLeaf(raw)
	if err == nil && l.Kind != kind {
		err = fmt.Errorf("is a %s, want a %s", l.Kind, kind)
	}
	if err == nil {
		err = decode(l.Body, into)
	}
	if err != nil {
		return fmt.Errorf("leaf %d: %w", seq, err)
	}
	return nil
}

// batchOf returns the number of a snapshot's batch.
func batchOf(ctx context.Context, q querier, org int64, e history.Entry) (batch int64, err error) {
	err = q.QueryRowContext(ctx, `SELECT batch FROM snapshots WHERE org = $1 AND seq = $2`, org, e.Seq).Scan(&batch)
	return batch, err
}

// Results yields the stored results of a snapshot, by resource, then check in
// the order in which they became known. Their Why is empty: it is computed
// again from the pinned rules and the kept bytes.
func (s *Store) Results(ctx context.Context, id string) iter.Seq2[tickmark.Result, error] {
	return func(yield func(tickmark.Result, error) bool) {
		err := s.inView(ctx, func(tx *sql.Tx) error { return s.resultsIn(ctx, tx, id, yield) })
		if err != nil && !errors.Is(err, errStopped) {
			yield(tickmark.Result{}, err)
		}
	}
}

var errStopped = errors.New("the reader stopped")

func (s *Store) resultsIn(ctx context.Context, tx *sql.Tx, id string, yield func(tickmark.Result, error) bool) error {
	e, err := s.entry(ctx, tx, id)
	if err != nil {
		return err
	}
	batch, err := batchOf(ctx, tx, s.org, e)
	if err != nil {
		return err
	}
	checks, err := names(ctx, tx, `SELECT id, name FROM checks WHERE org = $1`, s.org)
	if err != nil {
		return err
	}
	reasons, err := names(ctx, tx, `SELECT id, name FROM reasons WHERE org = $1`, s.org)
	if err != nil {
		return err
	}
	rows, err := tx.QueryContext(ctx, `SELECT r.id, i.check_id, i.verdict, i.reason_id, r.name, r.type
		FROM intervals i JOIN resources r ON r.org = i.org AND r.id = i.resource_id
		WHERE i.org = $1 AND i.known_from <= $2 AND (i.known_to IS NULL OR i.known_to > $2)
		ORDER BY i.resource_id, i.check_id`, s.org, batch)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // an error shows in what is read or written
	var last int64
	var resource, typ string
	for rows.Next() {
		var id, check, verdict, reason int64
		var name, kind sql.RawBytes
		if err := rows.Scan(&id, &check, &verdict, &reason, &name, &kind); err != nil {
			return err
		}
		if id != last || last == 0 { // one string for all checks of a resource
			last, resource, typ = id, string(name), string(kind)
		}
		r := tickmark.Result{Check: checks[check], Resource: resource, Type: typ, Verdict: tickmark.Verdict(verdict), Reason: tickmark.Reason(reasons[reason])} //nolint:gosec // the column holds 0 to 4
		if !yield(r, nil) {
			return errStopped
		}
	}
	return rows.Err()
}

// names reads a small dictionary.
func names(ctx context.Context, q querier, query string, org int64) (map[int64]string, error) {
	rows, err := q.QueryContext(ctx, query, org)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // an error shows in what is read or written
	m := map[int64]string{}
	for rows.Next() {
		var id int64
		var name []byte
		if err := rows.Scan(&id, &name); err != nil {
			return nil, err
		}
		m[id] = string(name)
	}
	return m, rows.Err()
}

// recordedAt returns when a leaf was recorded, in microseconds.
func (s *Store) recordedAt(ctx context.Context, seq int64) (int64, error) {
	var raw []byte
	if err := s.db.QueryRowContext(ctx, `SELECT body FROM leaves WHERE org = $1 AND seq = $2`, s.org, seq).Scan(&raw); err != nil {
		return 0, err
	}
	l, err := ledger.ParseLeaf(raw)
	return l.RecordedAt.UnixMicro(), err
}

// Counts returns how many resources of each type, and in each subscription
// ("/subscriptions/id", or "" for what lies in none), have an open result: what
// the latest snapshot judged. It is for estimates.
func (s *Store) Counts(ctx context.Context) (map[string]map[string]int, error) {
	counts := map[string]map[string]int{}
	err := s.inView(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT r.type, r.name FROM resources r
			WHERE r.org = $1 AND EXISTS (SELECT 1 FROM intervals i WHERE i.org = r.org AND i.resource_id = r.id AND i.known_to IS NULL)`, s.org)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }() // an error shows in what is read
		for rows.Next() {
			var typ, name []byte
			if err := rows.Scan(&typ, &name); err != nil {
				return err
			}
			in := counts[string(typ)]
			if in == nil {
				in = map[string]int{}
				counts[string(typ)] = in
			}
			in[subscriptionOf(string(name))]++
		}
		return rows.Err()
	})
	return counts, err
}

// subscriptionOf is the subscription in which a resource lies by its id, in
// lower case, or "".
func subscriptionOf(id string) string {
	const prefix = "/subscriptions/"
	if len(id) <= len(prefix) || !strings.EqualFold(id[:len(prefix)], prefix) {
		return ""
	}
	name, _, _ := strings.Cut(id[len(prefix):], "/")
	return prefix + strings.ToLower(name)
}
