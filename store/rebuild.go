// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/history"
)

// derivedTables are made from the ledger and the packs alone.
var derivedTables = []string{"snapshots", "segments", "blocks", "atoms", "reasons", "checks", "resources", "intervals", "counts"}

const rebuildPrefix = "rebuild_"

// rebuilding fills new tables beside the old ones.
type rebuilding struct {
	s        *Store
	ctx      context.Context //nolint:containedctx // lives as long as one call of Store
	stage    *stager
	blobs    *blobs
	progress Progress
	open     map[openKey]tickmark.Verdict
	scopes   map[uint32]string // of resources
	running  map[scopedCheck]*history.Tally
}

type openKey struct{ resource, check uint32 }

type scopedCheck struct {
	check uint32
	scope string
}

// Rebuild makes the derived tables again from the ledger and the packs and
// puts them in the place of the old ones, at once. It returns, by table, how
// many rows differed: none, unless a table was damaged.
func (s *Store) Rebuild(ctx context.Context, progress Progress) (map[string]int64, error) {
	if progress == nil {
		progress = func(string, int64, int64) {}
	}
	lock, err := lockWriter(ctx, s.path(lockFile), s.opts.lockWait())
	if err != nil {
		return nil, err
	}
	defer func() { _ = lock.Close() }() // closing releases the lock; nothing was written to it
	changed, err := s.rebuild(ctx, progress)
	return changed, s.explain(err)
}

func (s *Store) rebuild(ctx context.Context, progress Progress) (changed map[string]int64, err error) {
	last, err := lastSnapshot(ctx, s.db, s.org)
	if err != nil {
		return nil, err
	}
	if err := s.discard(ctx, last); err != nil {
		return nil, err
	}
	if err := s.newTables(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.dropNewTables(context.WithoutCancel(ctx))) }()
	r := &rebuilding{
		s: s, ctx: ctx, progress: progress,
		open: map[openKey]tickmark.Verdict{}, scopes: map[uint32]string{}, running: map[scopedCheck]*history.Tally{},
	}
	if r.stage, err = newStager(ctx, s); err != nil {
		return nil, err
	}
	r.stage.prefix = rebuildPrefix
	if r.blobs, err = s.newBlobs(ctx, s.db); err != nil {
		return nil, errors.Join(err, r.stage.close()) //nolint:contextcheck // close rolls back after a cancelled context, too
	}
	r.blobs.prefix = rebuildPrefix
	defer r.blobs.close()
	if err := errors.Join(r.fill(), r.stage.close()); err != nil { //nolint:contextcheck // close rolls back after a cancelled context, too
		return nil, err
	}
	return s.swap(ctx)
}

var createTable = regexp.MustCompile(`(?s)CREATE TABLE (\w+) (\(.*?\)(?: WITHOUT ROWID)?);\n`)

// newTables makes the empty new tables from the migration's own text.
func (s *Store) newTables(ctx context.Context) error {
	if err := s.dropNewTables(ctx); err != nil {
		return err
	}
	text, err := fs.ReadFile(migrations, migrationDir(s.pg)+"/00002_derived.sql")
	if err != nil {
		return err
	}
	found := createTable.FindAllStringSubmatch(string(text), -1)
	if len(found) != len(derivedTables) {
		return fmt.Errorf("the migration makes %d derived tables, want %d", len(found), len(derivedTables))
	}
	for _, m := range found {
		if _, err := s.db.ExecContext(ctx, "CREATE TABLE "+rebuildPrefix+m[1]+" "+m[2]); err != nil {
			return fmt.Errorf("make table %s: %w", rebuildPrefix+m[1], err)
		}
	}
	return nil
}

func (s *Store) dropNewTables(ctx context.Context) error {
	for _, t := range derivedTables {
		if _, err := s.db.ExecContext(ctx, "DROP TABLE IF EXISTS "+rebuildPrefix+t); err != nil {
			return err
		}
	}
	return nil
}

// swap puts the new rows in the place of the old ones in one transaction.
func (s *Store) swap(ctx context.Context) (map[string]int64, error) {
	changed := map[string]int64{}
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		for _, t := range derivedTables {
			var gone, came int64
			err := tx.QueryRowContext(ctx, `SELECT
				(SELECT COUNT(*) FROM (SELECT * FROM `+t+` WHERE org = $1 EXCEPT SELECT * FROM `+rebuildPrefix+t+`) a),
				(SELECT COUNT(*) FROM (SELECT * FROM `+rebuildPrefix+t+` EXCEPT SELECT * FROM `+t+` WHERE org = $1) b)`, s.org).Scan(&gone, &came)
			if err != nil {
				return err
			}
			changed[t] = max(gone, came)
			if gone == 0 && came == 0 {
				continue
			}
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+t+` WHERE org = $1`, s.org); err != nil { //nolint:gosec // the names of tables are ours
				return err
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO `+t+` SELECT * FROM `+rebuildPrefix+t); err != nil { //nolint:gosec // the names of tables are ours
				return err
			}
		}
		return nil
	})
	return changed, err
}

func (r *rebuilding) fill() error {
	seqs, err := r.snapshotLeaves()
	if err != nil {
		return err
	}
	for i, seq := range seqs {
		if err := r.snapshot(seq); err != nil {
			var known *tickmark.Error
			if errors.As(err, &known) || r.ctx.Err() != nil || isFull(err) {
				return err
			}
			return &tickmark.Error{Code: tickmark.CodeTampered, Where: fmt.Sprintf("leaf %d", seq), What: "its snapshot cannot be rebuilt; the old tables were left as they are", Hint: "run: tickmark verify", Err: err}
		}
		r.progress("snapshots", int64(i+1), int64(len(seqs)))
	}
	return nil
}

func (r *rebuilding) snapshotLeaves() ([]int64, error) {
	rows, err := r.s.db.QueryContext(r.ctx, `SELECT seq FROM leaves WHERE org = $1 AND kind = $2 ORDER BY seq`, r.s.org, kindSnapshot)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // an error shows in what is read or written
	var seqs []int64
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		seqs = append(seqs, n)
	}
	return seqs, rows.Err()
}

// snapshot makes the rows of one snapshot.
func (r *rebuilding) snapshot(seq int64) error {
	var body snapshotBody
	var results resultsBody
	if err := r.s.leafBody(r.ctx, r.s.db, seq, kindSnapshot, &body); err != nil {
		return err
	}
	if err := r.s.leafBody(r.ctx, r.s.db, body.Results, kindResults, &results); err != nil {
		return err
	}
	observed, err := parseInstant(body.ObservedAt)
	if err != nil {
		return err
	}
	recorded, err := r.s.recordedAt(r.ctx, seq)
	if err != nil {
		return err
	}
	if err := r.places(body); err != nil {
		return err
	}
	segments := r.stage.into("segments", "org, seq, batch, source, scope, manifest")
	for i := range int64(body.Segments) {
		var sb segmentBody
		if err := r.s.leafBody(r.ctx, r.s.db, body.FirstSegment+i, kindSegment, &sb); err != nil {
			return err
		}
		if err := segments.add(r.s.org, body.FirstSegment+i, body.Batch, sb.Source, sb.Scope, slices.Clone(sb.Manifest[:])); err != nil {
			return err
		}
	}
	if err := segments.end(); err != nil {
		return err
	}
	err = r.stage.exec(`INSERT INTO `+rebuildPrefix+`snapshots (org, batch, seq, id, origin, observed_at, recorded_at, late, segments, pages, items, bytes, results, transitions)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		r.s.org, body.Batch, seq, body.ID, body.Origin, observed.UnixMicro(), recorded, number(body.Late), body.Segments, body.Pages, body.Items, body.Bytes, results.Results, results.Count)
	if err != nil {
		return err
	}
	// The blobs of this batch are read through the new index.
	if err := r.stage.flush(); err != nil {
		return err
	}
	return errors.Join(r.verdicts(body.Batch, observed.UnixMicro(), results), r.stage.flush())
}

// places makes the rows of blocks and atoms from the packs.
func (r *rebuilding) places(body snapshotBody) error {
	blocks := r.stage.into("blocks", "org, block, batch, pack, off, len, atoms, digest")
	atoms := r.stage.into("atoms", "org, digest, block, pos")
	for _, seq := range body.Blocks {
		var list blocksBody
		if err := r.s.leafBody(r.ctx, r.s.db, seq, kindBlocks, &list); err != nil {
			return err
		}
		for _, b := range list.Blocks {
			p := place{block: b.Block, pack: b.Pack, off: b.Offset, length: b.Length, atoms: b.Atoms, digest: b.Digest}
			raw, err := r.blobs.read(p)
			if err != nil {
				return err
			}
			if tickmark.DigestOf(raw) != p.digest {
				return fmt.Errorf("%s: its bytes do not have the digest in the ledger", p)
			}
			entries, _, _, err := parseBlock(raw)
			if err != nil {
				return fmt.Errorf("%s: %w", p, err)
			}
			if err := blocks.add(r.s.org, p.block, body.Batch, p.pack, p.off, p.length, p.atoms, slices.Clone(p.digest[:])); err != nil {
				return err
			}
			for pos := range entries {
				if err := atoms.add(r.s.org, entries[pos].digest[:], p.block, int64(pos)); err != nil {
					return err
				}
			}
		}
	}
	return errors.Join(blocks.end(), atoms.end())
}

// verdicts makes the rows of dictionaries, intervals and counts.
func (r *rebuilding) verdicts(batch, at int64, results resultsBody) error {
	h := sha256.New()
	var form []byte
	for _, d := range results.Parts {
		part, err := r.blobs.get(d)
		if err != nil {
			return err
		}
		h.Write(part)
		form = append(form, part...)
	}
	if tickmark.Digest(h.Sum(nil)) != results.Transitions {
		return errors.New("the stored transitions do not have their digest")
	}
	tables := map[byte]*bulk{
		history.NameReason:   r.stage.into("reasons", "org, id, batch, name"),
		history.NameCheck:    r.stage.into("checks", "org, id, batch, name"),
		history.NameResource: r.stage.into("resources", "org, id, batch, name, type"),
	}
	intervals := r.stage.into("intervals", "org, resource_id, check_id, known_from, verdict, reason_id, valid_from")
	err := history.ReadTransitions(form, func(n history.Name) error {
		if n.Kind != history.NameResource {
			return tables[n.Kind].add(r.s.org, int64(n.ID), batch, []byte(n.Value))
		}
		r.scopes[n.ID] = strings.Clone(history.ScopeOf(n.Value))
		return tables[n.Kind].add(r.s.org, int64(n.ID), batch, []byte(n.Value), []byte(n.Type))
	}, func(t history.Transition) error {
		r.count(t)
		if t.Kind != history.Appear {
			err := r.stage.exec(`UPDATE `+rebuildPrefix+`intervals SET known_to = $1, valid_to = $2 WHERE org = $3 AND resource_id = $4 AND check_id = $5 AND known_to IS NULL`,
				batch, at, r.s.org, int64(t.Row.Resource), int64(t.Row.Check))
			if err != nil || t.Kind == history.Vanish {
				return err
			}
		}
		return intervals.add(r.s.org, int64(t.Row.Resource), int64(t.Row.Check), batch, int64(t.Row.Verdict), int64(t.Row.Reason), at)
	})
	for _, kind := range []byte{history.NameReason, history.NameCheck, history.NameResource} {
		err = errors.Join(err, tables[kind].end())
	}
	if err = errors.Join(err, intervals.end()); err != nil {
		return err
	}
	return r.counts(batch, results)
}

// count keeps the tallies while verdicts begin and end.
func (r *rebuilding) count(t history.Transition) {
	key := openKey{t.Row.Resource, t.Row.Check}
	group := scopedCheck{t.Row.Check, r.scopes[t.Row.Resource]}
	tally := r.running[group]
	if tally == nil {
		tally = &history.Tally{}
		r.running[group] = tally
	}
	if t.Kind != history.Appear {
		tally.Add(r.open[key], -1)
		delete(r.open, key)
	}
	if t.Kind != history.Vanish {
		tally.Add(t.Row.Verdict, 1)
		r.open[key] = t.Row.Verdict
	}
}

func (r *rebuilding) counts(batch int64, results resultsBody) error {
	var list []history.Count
	for k, t := range r.running {
		if t.Total() == 0 {
			delete(r.running, k)
			continue
		}
		list = append(list, history.Count{Check: k.check, Scope: k.scope, Tally: *t})
	}
	slices.SortFunc(list, func(a, b history.Count) int {
		return cmp.Or(cmp.Compare(a.Check, b.Check), strings.Compare(a.Scope, b.Scope))
	})
	if tickmark.DigestOf(history.AppendCounts(nil, list)) != results.Counts {
		return errors.New("the transitions do not add up to the counts in the ledger")
	}
	rows := r.stage.into("counts", "org, batch, check_id, scope, fail, pass, unknown, exempt, not_applicable")
	for _, c := range list {
		t := c.Tally
		if err := rows.add(r.s.org, batch, int64(c.Check), c.Scope, t.Fail, t.Pass, t.Unknown, t.Exempt, t.NotApplicable); err != nil {
			return err
		}
	}
	return rows.end()
}
