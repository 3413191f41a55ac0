// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tickmark/tickmark"
)

// checkSnapshots follows every snapshot leaf to its segments, blocks, pages,
// pins and results, and compares the tables on the way.
func (v *verification) checkSnapshots() error {
	if n := len(v.snapshots); n > 0 && v.snapshots[n-1].body.ID == "" {
		v.report.Add("leaf", fmt.Sprintf("leaf %d", v.snapshots[n-1].leaf.Seq), "results without a snapshot")
		v.snapshots = v.snapshots[:n-1]
	}
	var bytesDone, bytesAll int64
	for _, s := range v.snapshots {
		bytesAll += s.body.Bytes
	}
	var segments, blocks int64
	for _, s := range v.snapshots {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		if err := v.snapshotRow(s); err != nil {
			return err
		}
		for _, seq := range s.body.Blocks {
			blocks++
			if err := v.blocksLeaf(s, seq); err != nil {
				return err
			}
		}
		if v.end != s.body.End {
			v.report.Add("leaf", fmt.Sprintf("leaf %d", s.leaf.Seq), "the end of the packs that it states is not where its blocks end")
			v.end = s.body.End
		}
		for i := range int64(s.body.Segments) {
			segments++
			if err := v.segment(s, s.body.FirstSegment+i); err != nil {
				return err
			}
		}
		bytesDone += s.body.Bytes
		v.progress("snapshots", bytesDone, bytesAll)
		v.blobsOf(s)
	}
	v.report.Checked["snapshots"] = int64(len(v.snapshots))
	v.report.Checked["segments"] = segments
	for kind, n := range map[string]int64{kindSegment: segments, kindBlocks: blocks} {
		if v.kinds[kind] != n {
			v.report.Add("leaf", "ledger", fmt.Sprintf("%d %s leaves, of which snapshots name %d", v.kinds[kind], kind, n))
		}
	}
	return nil
}

func (v *verification) snapshotRow(s *verified) error {
	where := fmt.Sprintf("snapshots, batch %d", s.body.Batch)
	var id, origin string
	var seq, observed, recorded, late, segments, pages, items, size, results, transitions sql.NullInt64
	var token sql.NullString
	err := v.tx.QueryRowContext(v.ctx, `SELECT id, origin, seq, observed_at, recorded_at, late, segments, pages, items, bytes, results, transitions, token
		FROM snapshots WHERE org = $1 AND batch = $2`, v.s.org, s.body.Batch).
		Scan(&id, &origin, &seq, &observed, &recorded, &late, &segments, &pages, &items, &size, &results, &transitions, &token)
	if errors.Is(err, sql.ErrNoRows) {
		v.report.Add("row", where, "the row is gone")
		return nil
	}
	if err != nil {
		return err
	}
	b := s.body
	same := id == b.ID && origin == b.Origin && seq.Int64 == s.leaf.Seq && observed.Int64 == s.at && recorded.Int64 == s.leaf.RecordedAt.UnixMicro() &&
		late.Int64 == number(b.Late) && segments.Int64 == int64(b.Segments) && pages.Int64 == int64(b.Pages) && items.Int64 == int64(b.Items) &&
		size.Int64 == b.Bytes && results.Int64 == s.results.Results && transitions.Int64 == s.results.Count && !token.Valid
	if !same {
		v.report.Add("row", where, "differs from leaf "+fmt.Sprint(s.leaf.Seq))
	}
	return nil
}

// blocksLeaf re-hashes and opens every block that a leaf names.
func (v *verification) blocksLeaf(s *verified, seq int64) error {
	var body blocksBody
	if err := v.s.leafBody(v.ctx, v.tx, seq, kindBlocks, &body); err != nil {
		v.report.Add("leaf", fmt.Sprintf("leaf %d", seq), err.Error())
		return v.ctx.Err()
	}
	for _, b := range body.Blocks {
		p := place{block: b.Block, pack: b.Pack, off: b.Offset, length: b.Length, atoms: b.Atoms, digest: b.Digest}
		follows := p.block == v.end.Block+1 && ((p.pack == v.end.Pack && p.off == v.end.Offset) || (p.pack == v.end.Pack+1 && p.off == int64(packHeader)))
		if !follows {
			v.report.Add("leaf", fmt.Sprintf("leaf %d", seq), p.String()+" does not follow the one before it")
		}
		v.end = endBody{Block: p.block, Pack: p.pack, Offset: p.off + p.length}
		v.blocks++
		v.atoms += p.atoms
		if err := v.block(s, p); err != nil {
			return err
		}
	}
	return nil
}

func (v *verification) block(s *verified, p place) error {
	row := place{block: p.block}
	var batch int64
	var digest []byte
	err := v.tx.QueryRowContext(v.ctx, `SELECT batch, pack, off, len, atoms, digest FROM blocks WHERE org = $1 AND block = $2`, v.s.org, p.block).
		Scan(&batch, &row.pack, &row.off, &row.length, &row.atoms, &digest)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	copy(row.digest[:], digest)
	if err != nil || row != p || batch != s.body.Batch || len(digest) != len(p.digest) {
		v.report.Add("row", fmt.Sprintf("blocks, block %d", p.block), "the row is gone or differs from its leaf")
	}
	raw, err := v.blobs.read(p)
	if err != nil {
		v.report.Add("block", p.String(), err.Error())
		return nil
	}
	v.report.Checked["packBytes"] += p.length
	if tickmark.DigestOf(raw) != p.digest {
		v.report.Add("block", p.String(), "its bytes do not have the digest in the ledger")
		return nil
	}
	atoms, _, err := openBlock(v.blobs.dec, raw)
	if err != nil || int64(len(atoms)) != p.atoms {
		v.report.Add("block", p.String(), fmt.Sprintf("cannot be opened: %v", err))
		return nil
	}
	v.report.Checked["blocks"]++
	v.report.Checked["blobs"] += int64(len(atoms))
	return v.atomRows(p, atoms)
}

// atomRows compares the atom index with a block's own list.
func (v *verification) atomRows(p place, atoms []blockAtom) error {
	want := make(map[tickmark.Digest]int64, len(atoms))
	for i, a := range atoms {
		want[a.digest] = int64(i)
	}
	for chunk := range slices.Chunk(atoms, inList) {
		if err := v.someAtomRows(p, chunk, want); err != nil {
			return err
		}
	}
	for d := range want {
		v.report.Add("row", "atoms, "+d.String(), fmt.Sprintf("the row is gone or does not say block %d", p.block))
	}
	return nil
}

// someAtomRows takes out of want the atoms whose rows are right.
func (v *verification) someAtomRows(p place, atoms []blockAtom, want map[tickmark.Digest]int64) error {
	args := make([]any, 0, len(atoms)+1)
	args = append(args, v.s.org)
	for i := range atoms {
		args = append(args, atoms[i].digest[:])
	}
	rows, err := v.tx.QueryContext(v.ctx, `SELECT digest, block, pos FROM atoms WHERE org = $1 AND digest IN (`+placeholders(2, len(atoms))+`)`, args...) //nolint:gosec // numbers of parameters
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // an error shows in what is read or written
	var raw sql.RawBytes
	var block, pos int64
	for rows.Next() {
		if err := rows.Scan(&raw, &block, &pos); err != nil {
			return err
		}
		d := tickmark.Digest(raw)
		if n, ok := want[d]; ok && block == p.block && pos == n {
			delete(want, d)
		}
	}
	return rows.Err()
}

// segment compares a segment's row and rebuilds its pages.
func (v *verification) segment(s *verified, seq int64) error {
	where := fmt.Sprintf("leaf %d", seq)
	var body segmentBody
	if err := v.s.leafBody(v.ctx, v.tx, seq, kindSegment, &body); err != nil {
		v.report.Add("leaf", where, err.Error())
		return v.ctx.Err()
	}
	var batch int64
	var source, scope string
	var manifest []byte
	err := v.tx.QueryRowContext(v.ctx, `SELECT batch, source, scope, manifest FROM segments WHERE org = $1 AND seq = $2`, v.s.org, seq).Scan(&batch, &source, &scope, &manifest)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if err != nil || batch != s.body.Batch || source != body.Source || scope != body.Scope || !bytes.Equal(manifest, body.Manifest[:]) {
		v.report.Add("row", fmt.Sprintf("segments, seq %d", seq), "the row is gone or differs from its leaf")
	}
	if _, err := v.blobs.asks(&body); err != nil {
		v.report.Add("blob", where, err.Error())
	}
	m, err := v.blobs.manifest(body.Manifest)
	if err != nil {
		v.report.Add("page", where, "its pages cannot be rebuilt: "+err.Error())
		return v.ctx.Err()
	}
	if len(m.Pages) != body.Pages {
		v.report.Add("page", where, fmt.Sprintf("states %d pages, its manifest has %d", body.Pages, len(m.Pages)))
	}
	var items int
	var size int64
	for i, r := range m.Pages {
		items += r.Items
		size += r.Bytes
		v.report.Checked["pages"]++
		key := recipeKey(m, i)
		if _, ok := v.pages[key]; ok {
			continue // the same recipe of the same blobs was rebuilt already
		}
		if err := v.blobs.checkPage(m, i); err != nil {
			if v.ctx.Err() != nil {
				return v.ctx.Err()
			}
			v.report.Add("page", fmt.Sprintf("%s, page %q", where, r.Name), err.Error())
			continue
		}
		v.pages[key] = struct{}{}
	}
	if items != body.Items || size != body.Bytes {
		v.report.Add("page", where, fmt.Sprintf("states %d items and %d bytes, its pages have %d and %d", body.Items, body.Bytes, items, size))
	}
	return nil
}

// recipeKey is equal for equal recipes of equal blobs.
func recipeKey(m *manifest, i int) tickmark.Digest {
	h := sha256.New()
	r := m.Pages[i]
	_, _ = fmt.Fprintln(h, r.Digest, r.Envelope, r.Spans, r.Runs, r.Items, r.Bytes)
	for _, d := range m.items[i] {
		h.Write(d[:])
	}
	return tickmark.Digest(h.Sum(nil))
}

// blobsOf checks that pins, problems and results are there and whole.
func (v *verification) blobsOf(s *verified) {
	where := fmt.Sprintf("leaf %d", s.leaf.Seq)
	for _, p := range s.body.Pins {
		if _, err := v.blobs.get(p.Digest); err != nil {
			v.report.Add("blob", where, "pin "+p.Name+": "+err.Error())
		}
	}
	if s.body.Problems != nil {
		if _, err := v.blobs.get(*s.body.Problems); err != nil {
			v.report.Add("blob", where, "problems: "+err.Error())
		}
	}
	h := sha256.New()
	for _, d := range s.results.Parts {
		part, err := v.blobs.get(d)
		if err != nil {
			v.report.Add("blob", where, "results: "+err.Error())
			return
		}
		h.Write(part)
	}
	if tickmark.Digest(h.Sum(nil)) != s.results.Transitions {
		v.report.Add("blob", where, "the stored transitions do not have their digest")
	}
}

// checkPackFiles checks what lies between, before and after the blocks.
func (v *verification) checkPackFiles() error {
	files, err := os.ReadDir(v.s.path(packFolder))
	if err != nil {
		v.report.Add("block", packFolder, err.Error())
		return nil
	}
	var spare int64
	seen := map[string]bool{}
	for _, f := range files {
		seen[f.Name()] = true
		info, err := f.Info()
		if err != nil {
			return err
		}
		var n int64
		if _, err := fmt.Sscanf(f.Name(), "%d.pack", &n); err != nil || packName(n) != f.Name() {
			v.report.Notices = append(v.report.Notices, filepath.Join(packFolder, f.Name())+" is not ours")
			continue
		}
		switch {
		case n > v.end.Pack:
			spare += info.Size()
			continue
		case n == v.end.Pack && info.Size() > v.end.Offset:
			spare += info.Size() - v.end.Offset
		}
		v.packStart(n)
	}
	for n := int64(1); n <= v.end.Pack; n++ {
		if !seen[packName(n)] {
			v.report.Add("block", filepath.Join(packFolder, packName(n)), "the file is gone")
		}
	}
	if spare > 0 {
		v.report.Notices = append(v.report.Notices, fmt.Sprintf("%d bytes at the end of the packs belong to no recording; the next one overwrites them", spare))
	}
	return v.packEnds()
}

func (v *verification) packStart(n int64) {
	name := filepath.Join(packFolder, packName(n))
	f, err := v.blobs.pack(n)
	if err != nil {
		v.report.Add("block", name, err.Error())
		return
	}
	b := make([]byte, packHeader)
	if _, err := f.ReadAt(b, 0); err != nil {
		v.report.Add("block", name, "its beginning cannot be read: "+err.Error())
		return
	}
	v.report.Checked["packBytes"] += int64(packHeader)
	if err := checkPackStart(b, n); err != nil {
		v.report.Add("block", name, err.Error())
	}
}

// packEnds finds bytes after the last block of a pack that has a successor.
func (v *verification) packEnds() error {
	rows, err := v.tx.QueryContext(v.ctx, `SELECT pack, MAX(off + len) FROM blocks WHERE org = $1 AND pack < $2 GROUP BY pack`, v.s.org, v.end.Pack)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // an error shows in what is read or written
	for rows.Next() {
		var n, end int64
		if err := rows.Scan(&n, &end); err != nil {
			return err
		}
		info, err := os.Stat(v.s.path(packFolder, packName(n)))
		if err == nil && info.Size() > end {
			v.report.Add("block", filepath.Join(packFolder, packName(n)), fmt.Sprintf("%d bytes after its last block", info.Size()-end))
		}
	}
	return rows.Err()
}

// checkTotals finds rows that no leaf names.
func (v *verification) checkTotals() error {
	last := int64(len(v.snapshots))
	type total struct {
		table, condition string
		arg, want        int64
	}
	totals := []total{
		{"documents", "", 0, v.kinds[kindDocument]},
		{"snapshots", "AND seq IS NOT NULL", 0, last},
		{"segments", "", 0, v.kinds[kindSegment]},
		{"blocks", "AND block <= $2", v.end.Block, v.blocks},
		{"atoms", "AND block <= $2", v.end.Block, v.atoms},
	}
	if !v.staged {
		totals[3].condition, totals[4].condition = "", ""
	}
	for _, t := range totals {
		args := []any{v.s.org}
		if strings.Contains(t.condition, "$2") {
			args = append(args, t.arg)
		}
		var n int64
		if err := v.tx.QueryRowContext(v.ctx, `SELECT COUNT(*) FROM `+t.table+` WHERE org = $1 `+t.condition, args...).Scan(&n); err != nil {
			return err
		}
		v.report.Checked[t.table] = n
		if n != t.want {
			v.report.Add("count", t.table, fmt.Sprintf("has %d rows, the ledger names %d", n, t.want))
		}
	}
	return nil
}
