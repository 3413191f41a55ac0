// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/history"
)

// Diff compares two snapshots: which resources appeared, went and changed (by
// their bytes), and which verdicts differ.
func (s *Store) Diff(ctx context.Context, from, to string) (*history.Difference, error) {
	d := &history.Difference{Added: []string{}, Removed: []string{}, Changed: []string{}, Verdicts: []history.VerdictChange{}}
	err := s.inView(ctx, func(tx *sql.Tx) error {
		var err error
		if d.From, err = s.entry(ctx, tx, from); err != nil {
			return err
		}
		if d.To, err = s.entry(ctx, tx, to); err != nil {
			return err
		}
		if err := s.diffResources(ctx, tx, d); err != nil {
			return err
		}
		return s.diffVerdicts(ctx, tx, d)
	})
	return d, err
}

// located is where an atom was first seen in a snapshot.
type located struct {
	entity, page string
	item         int
}

func (s *Store) diffResources(ctx context.Context, tx *sql.Tx, d *history.Difference) error {
	b, err := s.newBlobs(ctx, tx)
	if err != nil {
		return err
	}
	defer b.close()
	before, err := s.atomsOf(ctx, tx, b, d.From)
	if err != nil {
		return err
	}
	after, err := s.atomsOf(ctx, tx, b, d.To)
	if err != nil {
		return err
	}
	gone, err := nameAtoms(b, before, after)
	if err != nil {
		return err
	}
	came, err := nameAtoms(b, after, before)
	if err != nil {
		return err
	}
	for name := range came {
		if gone[name] {
			d.Changed = append(d.Changed, name)
		} else {
			d.Added = append(d.Added, name)
		}
	}
	for name := range gone {
		if !came[name] {
			d.Removed = append(d.Removed, name)
		}
	}
	slices.Sort(d.Added)
	slices.Sort(d.Removed)
	slices.Sort(d.Changed)
	return nil
}

func (s *Store) atomsOf(ctx context.Context, tx *sql.Tx, b *blobs, e history.Entry) (map[tickmark.Digest]located, error) {
	var body snapshotBody
	if err := s.leafBody(ctx, tx, e.Seq, kindSnapshot, &body); err != nil {
		return nil, err
	}
	atoms := make(map[tickmark.Digest]located, e.Items)
	for i := range int64(body.Segments) {
		var sb segmentBody
		if err := s.leafBody(ctx, tx, body.FirstSegment+i, kindSegment, &sb); err != nil {
			return nil, err
		}
		m, err := b.manifest(sb.Manifest)
		if err != nil {
			return nil, err
		}
		for k, items := range m.items {
			for n, d := range items {
				if _, ok := atoms[d]; !ok {
					atoms[d] = located{m.Pages[k].Entity, m.Pages[k].Name, n}
				}
			}
		}
	}
	return atoms, nil
}

// nameAtoms names the resources whose bytes are in one snapshot only. Ids are
// compared without case, as Azure does; an object without id is named by its
// place.
func nameAtoms(b *blobs, in, notIn map[tickmark.Digest]located) (map[string]bool, error) {
	var only []tickmark.Digest
	for d := range in {
		if _, ok := notIn[d]; !ok {
			only = append(only, d)
		}
	}
	where, err := b.locate(only)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(only, func(x, y tickmark.Digest) int { return int(where[x] - where[y]) })
	list := make(map[string]bool, len(only))
	for _, d := range only {
		block, ok := where[d]
		if !ok {
			return nil, fmt.Errorf("blob %s %w", d, errNoBlob)
		}
		data, err := b.from(block, d)
		if err != nil {
			return nil, err
		}
		list[nameOf(data, in[d])] = true
	}
	return list, nil
}

func nameOf(data []byte, at located) string {
	var object struct {
		ID string `json:"id"`
	}
	name := fmt.Sprintf("%s, item %d", at.page, at.item+1)
	if err := json.Unmarshal(data, &object); err == nil && object.ID != "" {
		name = strings.ToLower(object.ID)
	}
	if at.entity != "" {
		name = at.entity + " " + name
	}
	return name
}

func (s *Store) diffVerdicts(ctx context.Context, tx *sql.Tx, d *history.Difference) error {
	from, err := batchOf(ctx, tx, s.org, d.From)
	if err != nil {
		return err
	}
	to, err := batchOf(ctx, tx, s.org, d.To)
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
	// A row that holds in both snapshots is no difference and is left out.
	rows, err := tx.QueryContext(ctx, `SELECT i.resource_id, i.check_id, i.verdict, i.reason_id, r.name, r.type,
			CASE WHEN i.known_from <= $2 AND (i.known_to IS NULL OR i.known_to > $2) THEN 1 ELSE 0 END
		FROM intervals i JOIN resources r ON r.org = i.org AND r.id = i.resource_id
		WHERE i.org = $1
			AND ((i.known_from <= $2 AND (i.known_to IS NULL OR i.known_to > $2)) <> (i.known_from <= $3 AND (i.known_to IS NULL OR i.known_to > $3)))
		ORDER BY i.resource_id, i.check_id, i.known_from`, s.org, from, to)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // an error shows in what is read or written
	var last [2]int64
	for rows.Next() {
		var key [2]int64
		var verdict, reason, before int64
		var name, typ []byte
		if err := rows.Scan(&key[0], &key[1], &verdict, &reason, &name, &typ, &before); err != nil {
			return err
		}
		if key != last {
			d.Verdicts = append(d.Verdicts, history.VerdictChange{Check: checks[key[1]], Resource: string(name), Type: string(typ)})
			last = key
		}
		c := &d.Verdicts[len(d.Verdicts)-1]
		o := &history.Outcome{Verdict: tickmark.Verdict(verdict), Reason: tickmark.Reason(reasons[reason])} //nolint:gosec // the column holds 0 to 4
		if before == 1 {
			c.Before = o
		} else {
			c.After = o
		}
	}
	// A verdict that changed and changed back is equal in both snapshots.
	d.Verdicts = slices.DeleteFunc(d.Verdicts, func(c history.VerdictChange) bool {
		return c.Before != nil && c.After != nil && *c.Before == *c.After
	})
	slices.SortStableFunc(d.Verdicts, func(a, b history.VerdictChange) int {
		if c := strings.Compare(a.Check, b.Check); c != 0 {
			return c
		}
		return strings.Compare(a.Resource, b.Resource)
	})
	return rows.Err()
}
