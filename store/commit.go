// SPDX-License-Identifier: Apache-2.0

package store

import (
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/history"
	"github.com/tickmark/tickmark/ledger"
)

// blocksPerLeaf bounds the length of a leaf.
const blocksPerLeaf = 1000

// commit makes the staged batch visible: in one short transaction it appends
// the leaves and the new signed head and names the batch committed.
func (r *recording) commit() (history.Recorded, error) {
	s := r.s
	defer r.blobs.close()
	if !s.pg {
		// Move the staged pages out of the write-ahead log now, so that the
		// commit does not have to. Busy readers only delay it.
		if _, err := r.stage.conn.ExecContext(r.ctx, `PRAGMA wal_checkpoint(PASSIVE)`); err != nil {
			return history.Recorded{}, err
		}
	}
	// From here on commits wait for the disk again.
	if err := r.stage.harden(r.ctx); err != nil {
		return history.Recorded{}, err
	}
	var leaves []ledger.Leaf
	begin := time.Now() //nolint:forbidigo // measures how long the commit takes; nothing stored depends on it
	err := func() error {
		tx, err := r.stage.conn.BeginTx(r.ctx, nil)
		if err != nil {
			return err
		}
		if leaves, err = r.commitIn(tx); err != nil {
			_ = tx.Rollback() // the first error is the one that matters
			return err
		}
		return tx.Commit()
	}()
	took := time.Since(begin)
	if err != nil {
		return history.Recorded{}, err
	}
	last := leaves[len(leaves)-1]
	rec := history.Recorded{
		Entry: history.Entry{
			ID: r.body.ID, Seq: last.Seq, Origin: r.body.Origin, ObservedAt: r.snap.ObservedAt.UTC().Truncate(time.Microsecond),
			RecordedAt: last.RecordedAt, Late: r.body.Late, Segments: r.body.Segments, Pages: r.body.Pages, Items: r.body.Items,
			Bytes: r.body.Bytes, Results: r.results.Results, Transitions: r.results.Count, Counts: r.tally,
		},
		NewBlobs: r.packs.blobs, NewBytes: r.packs.plain, StoredBytes: r.packs.stored, Commit: took,
	}
	// It is committed: what fails from here on is no reason to say otherwise.
	_ = r.stage.close()
	return rec, nil
}

func (r *recording) commitIn(tx *sql.Tx) ([]ledger.Leaf, error) {
	s := r.s
	last, err := lastSnapshot(r.ctx, tx, s.org)
	if err != nil {
		return nil, err
	}
	if last.Batch != r.last.Batch {
		return nil, fmt.Errorf("%w: snapshot %s was recorded", ledger.ErrConflict, last.ID)
	}
	leaves, err := ledger.Append(r.ctx, &logTx{tx: tx, org: s.org}, s.key, r.now, r.entries)
	if err != nil {
		return nil, err
	}
	snapshot := leaves[len(leaves)-1]
	res, err := tx.ExecContext(r.ctx, `UPDATE snapshots SET seq = $1, recorded_at = $2, results = $3, transitions = $4, token = NULL
		WHERE org = $5 AND batch = $6 AND seq IS NULL AND token = $7`,
		snapshot.Seq, snapshot.RecordedAt.UnixMicro(), r.results.Results, r.results.Count, s.org, r.body.Batch, r.token)
	if err != nil {
		return nil, err
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return nil, fmt.Errorf("%w: the staged batch is gone", ledger.ErrConflict)
	}
	stmt, err := tx.PrepareContext(r.ctx, `INSERT INTO segments (org, seq, batch, source, scope, manifest) VALUES ($1, $2, $3, $4, $5, $6)`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = stmt.Close() }() // an error shows in what is read or written
	for i, seg := range r.segments {
		if _, err := stmt.ExecContext(r.ctx, s.org, r.body.FirstSegment+int64(i), r.body.Batch, seg.Source, seg.Scope, seg.Manifest[:]); err != nil {
			return nil, err
		}
	}
	return leaves, nil
}

// entries lists the leaves of the recording: segments, blocks, results, and
// the snapshot that names them.
func (r *recording) entries(first int64) ([]ledger.Entry, error) {
	var list []ledger.Entry
	r.body.FirstSegment = first
	for _, seg := range r.segments {
		list = append(list, ledger.Entry{Kind: kindSegment, Body: seg})
	}
	r.body.Blocks = []int64{}
	r.body.End = r.last.End
	for chunk := range slices.Chunk(r.packs.placed, blocksPerLeaf) {
		b := blocksBody{Batch: r.body.Batch}
		for _, p := range chunk {
			b.Blocks = append(b.Blocks, blockBody{Block: p.block, Pack: p.pack, Offset: p.off, Length: p.length, Atoms: p.atoms, Digest: p.digest})
			r.body.End = endBody{Block: p.block, Pack: p.pack, Offset: p.off + p.length}
		}
		r.body.Blocks = append(r.body.Blocks, first+int64(len(list)))
		list = append(list, ledger.Entry{Kind: kindBlocks, Body: b})
	}
	if r.results.Parts == nil {
		r.results.Parts = []tickmark.Digest{}
	}
	r.body.Results = first + int64(len(list))
	list = append(list, ledger.Entry{Kind: kindResults, Body: r.results})
	return append(list, ledger.Entry{Kind: kindSnapshot, Body: r.body}), nil
}
