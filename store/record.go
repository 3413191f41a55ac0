// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/history"
	"github.com/tickmark/tickmark/ledger"
)

// recording is one snapshot on its way into the store. Everything is staged
// first; commit makes it visible at once.
type recording struct {
	s        *Store
	ctx      context.Context //nolint:containedctx // lives as long as one call of Store
	snap     *tickmark.Snapshot
	now      time.Time
	progress Progress
	release  func(segment int)

	last  snapshotBody // the snapshot before
	body  snapshotBody
	token string
	stage *stager
	packs *packWriter
	blobs *blobs
	// seen are blobs that are stored or on their way.
	seen     map[tickmark.Digest]struct{}
	segments []segmentBody
	results  resultsBody
	tally    history.Tally
	done     int64
}

// Record stores a snapshot, what its evaluation read (pins) and its results.
// When it returns without error everything is durable; otherwise nothing is
// visible. now is when it is recorded. results may come in any order, but only
// one for each check and resource.
func (s *Store) Record(ctx context.Context, snap *tickmark.Snapshot, pins []history.Pin, results iter.Seq[tickmark.Result], now time.Time, progress Progress) (history.Recorded, error) {
	return s.RecordReleasing(ctx, snap, pins, results, now, progress, nil)
}

// RecordReleasing is Record that tells release when the bytes of a segment, by
// its number, are stored, and of a large one several times before, when those
// read so far are, so that the memory behind them can be given back: pages need
// not all be in memory at once. The results may point into the bytes and come
// last, so that release must leave them readable, as a mapped file is.
//
//nolint:revive // Record's arguments and one more
func (s *Store) RecordReleasing(ctx context.Context, snap *tickmark.Snapshot, pins []history.Pin, results iter.Seq[tickmark.Result], now time.Time, progress Progress, release func(segment int)) (history.Recorded, error) {
	if s.key == nil {
		return history.Recorded{}, errNoKey(s.dir)
	}
	if progress == nil {
		progress = func(string, int64, int64) {}
	}
	lock, err := lockWriter(ctx, s.path(lockFile), s.opts.lockWait())
	if err != nil {
		return history.Recorded{}, err
	}
	defer func() { _ = lock.Close() }() // closing releases the lock; nothing was written to it
	r, err := s.begin(ctx, snap, now, progress)
	if err != nil {
		return history.Recorded{}, s.explain(err)
	}
	r.release = release
	rec, err := r.run(pins, results) //nolint:contextcheck // close rolls back after a cancelled context, too
	if err != nil {
		r.abandon() //nolint:contextcheck // it must go on after the context was cancelled
		return history.Recorded{}, s.explain(err)
	}
	return rec, nil
}

// begin clears what an unfinished recording left and marks a new batch.
func (s *Store) begin(ctx context.Context, snap *tickmark.Snapshot, now time.Time, progress Progress) (*recording, error) {
	if err := s.admit(ctx, snap); err != nil {
		return nil, err
	}
	last, err := lastSnapshot(ctx, s.db, s.org)
	if err != nil {
		return nil, err
	}
	if err := s.discard(ctx, last); err != nil {
		return nil, fmt.Errorf("clear what an unfinished recording left: %w", err)
	}
	if err := s.checkDerived(ctx, last); err != nil {
		return nil, err
	}
	r := &recording{s: s, ctx: ctx, snap: snap, now: now, progress: progress, last: last, token: rand.Text(), seen: map[tickmark.Digest]struct{}{}}
	r.body = snapshotBody{
		ID: fmt.Sprintf("s%d", last.Batch+1), Batch: last.Batch + 1, Origin: clean(snap.Origin),
		ObservedAt: instant(snap.ObservedAt), Late: instant(snap.ObservedAt) < last.ObservedAt,
		Segments: len(snap.Segments), Blocks: []int64{}, Pins: []pinBody{},
	}
	for i := range snap.Segments {
		for j := range snap.Segments[i].Pages {
			p := &snap.Segments[i].Pages[j]
			r.body.Pages++
			r.body.Items += len(p.Items)
			r.body.Bytes += int64(len(p.Bytes))
		}
	}
	if r.stage, err = newStager(ctx, s); err != nil {
		return nil, err
	}
	b := r.body
	err = r.stage.exec(`INSERT INTO snapshots (org, batch, id, origin, observed_at, late, segments, pages, items, bytes, results, transitions, token)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 0, $11)`,
		s.org, b.Batch, b.ID, b.Origin, snap.ObservedAt.UnixMicro(), number(b.Late), b.Segments, b.Pages, b.Items, b.Bytes, r.token)
	if err = errors.Join(err, r.stage.flush()); err != nil {
		return nil, errors.Join(err, r.stage.close()) //nolint:contextcheck // close rolls back after a cancelled context, too
	}
	if r.blobs, err = s.newBlobs(ctx, s.db); err != nil {
		return nil, errors.Join(err, r.stage.close()) //nolint:contextcheck // close rolls back after a cancelled context, too
	}
	end := place{block: last.End.Block + 1, pack: last.End.Pack, off: last.End.Offset}
	if r.packs, err = newPackWriter(s.path(packFolder), s.opts.packSize(), end); err != nil {
		r.blobs.close()
		return nil, errors.Join(err, r.stage.close()) //nolint:contextcheck // close rolls back after a cancelled context, too
	}
	return r, nil
}

// admit refuses snapshots that may not be evidence here.
func (s *Store) admit(ctx context.Context, snap *tickmark.Snapshot) error {
	switch snap.Origin {
	case "live", "files", "sample":
	case "trial":
		return &tickmark.Error{Code: tickmark.CodeUsage, What: "a trial collection cannot be recorded", Hint: "collect again without --try"}
	default:
		return &tickmark.Error{Code: tickmark.CodeInternal, What: fmt.Sprintf("snapshot origin %q is not known", snap.Origin)}
	}
	if snap.ObservedAt.IsZero() {
		return &tickmark.Error{Code: tickmark.CodeInternal, What: "the snapshot does not say when it was observed"}
	}
	if snap.Origin == "sample" && !s.Sample() {
		return &tickmark.Error{Code: tickmark.CodeUsage, Where: s.dir, What: "a sample cannot be recorded among evidence", Hint: "make another directory with: tickmark init --sample DIR"}
	}
	return ctx.Err()
}

// run stages everything and commits it.
func (r *recording) run(pins []history.Pin, results iter.Seq[tickmark.Result]) (history.Recorded, error) {
	for i := range r.snap.Segments {
		if err := r.segment(i); err != nil {
			return history.Recorded{}, err
		}
		r.relax(i)
	}
	for _, p := range pins {
		d, err := r.blob(p.Bytes)
		if err != nil {
			return history.Recorded{}, err
		}
		r.body.Pins = append(r.body.Pins, pinBody{Name: clean(p.Name), Digest: d})
	}
	slices.SortFunc(r.body.Pins, func(a, b pinBody) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	for i := 1; i < len(r.body.Pins); i++ {
		if r.body.Pins[i].Name == r.body.Pins[i-1].Name {
			return history.Recorded{}, &tickmark.Error{Code: tickmark.CodeInternal, What: "two pins are named " + r.body.Pins[i].Name}
		}
	}
	if len(r.snap.Problems) > 0 {
		b, err := ledger.Encode(r.snap.Problems)
		if err != nil {
			return history.Recorded{}, err
		}
		d, err := r.blob(b)
		if err != nil {
			return history.Recorded{}, err
		}
		r.body.Problems = &d
	}
	if err := r.recordResults(results); err != nil {
		return history.Recorded{}, err
	}
	if err := r.packs.finish(); err != nil {
		r.packs = nil
		return history.Recorded{}, err
	}
	if err := r.stageBlocks(); err != nil {
		return history.Recorded{}, err
	}
	return r.commit()
}

// abandon removes what was staged. If even that fails (a full disk), the next
// writer does it.
func (r *recording) abandon() {
	if r.packs != nil {
		r.packs.abort()
	}
	r.blobs.close()
	_ = r.stage.close()
	_ = r.s.discard(context.WithoutCancel(r.ctx), r.last)
}

// blob stores bytes unless they are stored already.
func (r *recording) blob(b []byte) (tickmark.Digest, error) {
	d := tickmark.DigestOf(b)
	return d, r.blobsOf([]tickmark.Digest{d}, [][]byte{b})
}

// blobsOf stores those of the blobs that are not stored already.
func (r *recording) blobsOf(digests []tickmark.Digest, data [][]byte) error {
	var ask []tickmark.Digest
	if r.last.End.Block > 0 {
		for _, d := range digests {
			if _, ok := r.seen[d]; !ok {
				ask = append(ask, d)
			}
		}
	}
	if len(ask) > 0 {
		found, err := r.blobs.locate(ask)
		if err != nil {
			return err
		}
		for d := range found {
			r.seen[d] = struct{}{}
		}
	}
	for i, d := range digests {
		r.done += int64(len(data[i]))
		if _, ok := r.seen[d]; ok {
			continue
		}
		r.seen[d] = struct{}{}
		if err := r.packs.add(d, data[i]); err != nil {
			return err
		}
	}
	return nil
}

// relaxBytes is how much of a segment is stored between two releases.
const relaxBytes = 16 << 20

// relax gives back the memory behind what was stored of a segment.
func (r *recording) relax(segment int) {
	if r.release != nil {
		r.packs.settle()
		r.release(segment)
	}
}

// segment stores the pages of one segment and its manifest.
func (r *recording) segment(number int) error {
	seg := &r.snap.Segments[number]
	body := segmentBody{Source: clean(seg.Source), Scope: clean(seg.Scope), Pages: len(seg.Pages), Coverage: cleanCoverage(seg.Coverage)}
	if err := r.asks(&body, seg.Coverage.Asks); err != nil {
		return err
	}
	m := &manifest{Version: manifestVersion, Pages: make([]recipe, 0, len(seg.Pages))}
	base, err := r.predecessor(body, m)
	if err != nil {
		return err
	}
	for _, d := range base.all() {
		r.seen[d] = struct{}{}
	}
	for i := range seg.Pages {
		p := &seg.Pages[i]
		rec, envelope, items, err := takeApart(p)
		if err != nil {
			return err
		}
		for chunk := range slices.Chunk(envelope, envelopeChunk) {
			d, err := r.blob(chunk)
			if err != nil {
				return err
			}
			rec.Envelope = append(rec.Envelope, d)
		}
		digests := make([]tickmark.Digest, len(items))
		const step = 4096
		for at := 0; at < len(items); at += step {
			end := min(at+step, len(items))
			for k := at; k < end; k++ {
				digests[k] = tickmark.DigestOf(items[k])
			}
			if err := r.blobsOf(digests[at:end], items[at:end]); err != nil {
				return err
			}
			if err := r.ctx.Err(); err != nil {
				return err
			}
			r.progress("store", r.done, r.body.Bytes)
		}
		m.Pages = append(m.Pages, rec)
		m.items = append(m.items, digests)
		body.Items += len(items)
		if before := body.Bytes; before/relaxBytes != (before+int64(len(p.Bytes)))/relaxBytes {
			r.relax(number)
		}
		body.Bytes += int64(len(p.Bytes))
	}
	raw, err := m.encode(base)
	if err != nil {
		return err
	}
	if body.Manifest, err = r.blob(raw); err != nil {
		return err
	}
	r.segments = append(r.segments, body)
	return nil
}

// predecessor finds the manifest that m may build on: the last one of the same
// source and scope, unless that is already the last of a long chain.
func (r *recording) predecessor(body segmentBody, m *manifest) (*manifest, error) {
	var raw []byte
	err := r.s.db.QueryRowContext(r.ctx, `SELECT manifest FROM segments WHERE org = $1 AND source = $2 AND scope = $3 AND batch < $4 ORDER BY seq DESC LIMIT 1`,
		r.s.org, body.Source, body.Scope, r.body.Batch).Scan(&raw)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(raw) != len(tickmark.Digest{}) {
		return nil, fmt.Errorf("segments: manifest of %s %s has %d bytes", body.Source, body.Scope, len(raw))
	}
	d := tickmark.Digest(raw)
	before, err := r.blobs.manifest(d)
	if err != nil {
		return nil, fmt.Errorf("read the segment before: %w", err)
	}
	if before.Depth >= maxDepth {
		return nil, nil
	}
	m.Base, m.Depth = &d, before.Depth+1
	return before, nil
}

// asks stores the account of the questions as a blob: there are as many as
// there are questions in every segment, and they are alike.
func (r *recording) asks(body *segmentBody, asks []tickmark.AskCoverage) error {
	if len(asks) == 0 {
		return nil
	}
	b, err := ledger.Encode(cleanAsks(asks))
	if err != nil {
		return err
	}
	d, err := r.blob(b)
	body.Asks = &d
	return err
}

// stageBlocks stages where the new blocks and atoms lie. Atoms go in sorted,
// which keeps the index small and fast.
func (r *recording) stageBlocks() error {
	blocks := r.stage.into("blocks", "org, block, batch, pack, off, len, atoms, digest")
	type entry struct {
		digest     tickmark.Digest
		block, pos int64
	}
	var list []entry
	for i, p := range r.packs.placed {
		if err := blocks.add(r.s.org, p.block, r.body.Batch, p.pack, p.off, p.length, p.atoms, slices.Clone(p.digest[:])); err != nil {
			return err
		}
		for pos, d := range r.packs.lists[i] {
			list = append(list, entry{d, p.block, int64(pos)})
		}
	}
	if err := blocks.end(); err != nil {
		return err
	}
	slices.SortFunc(list, func(a, b entry) int { return bytes.Compare(a.digest[:], b.digest[:]) })
	atoms := r.stage.into("atoms", "digest, block, pos", shared{"org", r.s.org})
	for i := range list {
		if err := atoms.add(list[i].digest[:], list[i].block, list[i].pos); err != nil {
			return err
		}
		if i%10000 == 0 {
			r.progress("index", int64(i), int64(len(list)))
		}
	}
	return errors.Join(atoms.end(), r.stage.flush())
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
