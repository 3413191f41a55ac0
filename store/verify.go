// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/ledger"
)

// verification checks one view of the database and the packs.
type verification struct {
	s        *Store
	ctx      context.Context //nolint:containedctx // lives as long as one call of Store
	tx       *sql.Tx
	report   *ledger.Report
	progress Progress
	blobs    *blobs

	init      initBody
	snapshots []*verified // by batch, from 1
	kinds     map[string]int64
	staged    bool // an unfinished recording left rows
	blocks    int64
	atoms     int64
	end       endBody
	pages     map[tickmark.Digest]struct{}
}

// verified is a snapshot as its leaves describe it.
type verified struct {
	leaf    ledger.Leaf
	body    snapshotBody
	results resultsBody
	at      int64 // observed, in microseconds
	state   *batchState
}

// Verify recomputes everything: every byte of every pack, every page from its
// recipe, every row of every table, the Merkle tree and the signature of its
// head. What does not fit is in the report; an error means that verification
// itself could not go on. saved is a signed head that was kept outside this
// machine, or nil.
func (s *Store) Verify(ctx context.Context, saved []byte, progress Progress) (*ledger.Report, error) {
	v := &verification{
		s: s, ctx: ctx, progress: progress, kinds: map[string]int64{}, pages: map[tickmark.Digest]struct{}{},
		report: &ledger.Report{Checked: map[string]int64{}, Damages: []ledger.Damage{}, Notices: []string{}, Limits: []string{}},
	}
	if v.progress == nil {
		v.progress = func(string, int64, int64) {}
	}
	err := s.inView(ctx, func(tx *sql.Tx) error {
		v.tx = tx
		var err error
		if v.blobs, err = s.newBlobs(ctx, tx); err != nil {
			return err
		}
		defer v.blobs.close()
		return v.run(saved)
	})
	if err != nil && ctx.Err() == nil && isMalformed(err) {
		v.report.Add("row", "database", "a table cannot be read: "+err.Error())
		err = nil
	}
	return v.report, errors.Join(err, s.still.changed())
}

func isMalformed(err error) bool {
	text := err.Error()
	for _, s := range []string{"malformed", "SQLITE_CORRUPT", "not a database", "sql: Scan error", "no such table", "no such column"} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

func (v *verification) run(saved []byte) error {
	var size int64
	var signed []byte
	err := v.tx.QueryRowContext(v.ctx, `SELECT size, head FROM ledgers WHERE org = $1`, v.s.org).Scan(&size, &signed)
	if errors.Is(err, sql.ErrNoRows) {
		v.report.Add("head", "ledgers", "the ledger's row is gone")
		return nil
	}
	if err != nil {
		return err
	}
	savedSize := headSize(saved)
	c := &ledger.Checker{Damage: func(where, what string) { v.report.Add("leaf", where, what) }}
	if savedSize >= 0 {
		c.Mark(savedSize)
	}
	if err := v.leaves(c, size); err != nil {
		return err
	}
	v.head(c, size, signed)
	if saved != nil {
		v.savedHead(c, saved)
	}
	for _, step := range []func() error{v.checkStaged, v.checkSnapshots, v.checkPackFiles, v.checkHistory, v.checkTotals} {
		if err := step(); err != nil {
			return err
		}
	}
	v.limits(saved)
	return nil
}

// headSize reads the size out of a head whose signature is checked later.
func headSize(signed []byte) int64 {
	lines := strings.SplitN(string(signed), "\n", 3)
	var n int64 = -1
	if len(lines) == 3 {
		if _, err := fmt.Sscanf(lines[1], "%d", &n); err != nil {
			return -1
		}
	}
	return n
}

// leaves reads the whole log once, with the documents beside their leaves.
// Reading and checking overlap, a bounded number of rows apart.
func (v *verification) leaves(c *ledger.Checker, size int64) error {
	rows, err := v.tx.QueryContext(v.ctx, `SELECT l.seq, l.kind, l.body, l.nodes,
			d.kind, d.id, d.version, d.schema, d.recorded_at, d.effective_from, d.effective_to, d.actor, d.body, d.digest
		FROM leaves l LEFT JOIN documents d ON d.org = l.org AND d.seq = l.seq
		WHERE l.org = $1 ORDER BY l.seq`, v.s.org)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // an error shows in what is read or written
	const batch = 256
	todo := make(chan []leafRow, 4)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for list := range todo {
			for i := range list {
				if l, ok := c.Add(list[i].Row); ok {
					v.leaf(l, &list[i].doc)
				}
			}
			v.progress("leaves", c.Size(), size)
		}
	}()
	list := make([]leafRow, 0, batch)
	for rows.Next() {
		list = append(list, leafRow{})
		r := &list[len(list)-1]
		if err = rows.Scan(append([]any{&r.Seq, &r.Kind, &r.Leaf, &r.Nodes}, r.doc.dest()...)...); err != nil {
			break
		}
		if len(list) == batch {
			todo <- list
			list = make([]leafRow, 0, batch)
		}
	}
	if err == nil {
		todo <- list
	}
	close(todo)
	<-done
	v.report.Checked["leaves"] = c.Size()
	return errors.Join(err, rows.Err())
}

// leafRow is a leaf with its document, if it has one.
type leafRow struct {
	ledger.Row
	doc documentRow
}

// leaf keeps what later steps need of one leaf, and checks a document at once.
func (v *verification) leaf(l ledger.Leaf, d *documentRow) {
	where := fmt.Sprintf("leaf %d", l.Seq)
	v.kinds[l.Kind]++
	if (l.Kind == kindDocument) != d.present() {
		v.report.Add("row", where, "its document is gone, or it has one without being of that kind")
		return
	}
	bad := func(err error) { v.report.Add("leaf", where, "body of the "+l.Kind+": "+err.Error()) }
	switch l.Kind {
	case kindInit:
		if l.Seq != 0 {
			v.report.Add("leaf", where, "a second beginning")
		} else if err := decode(l.Body, &v.init); err != nil {
			bad(err)
		}
	case kindDocument:
		var b documentBody
		if d.fits(l) {
			return
		}
		if err := decode(l.Body, &b); err != nil {
			bad(err)
		} else if what := d.differs(b, l); what != "" {
			v.report.Add("row", "documents, "+where, what+" differs from the leaf")
		}
	case kindResults:
		// Until its snapshot comes, results wait in a snapshot without body.
		s := &verified{}
		if err := decode(l.Body, &s.results); err != nil {
			bad(err)
			return
		}
		s.leaf.Seq = l.Seq
		v.snapshots = append(v.snapshots, s)
	case kindSnapshot:
		var b snapshotBody
		if err := decode(l.Body, &b); err != nil {
			bad(err)
			return
		}
		n := len(v.snapshots)
		if n == 0 || v.snapshots[n-1].leaf.Seq != l.Seq-1 || b.Results != l.Seq-1 || b.Batch != int64(n) || v.snapshots[n-1].results.Batch != b.Batch {
			v.report.Add("leaf", where, "the snapshot does not follow its results")
			return
		}
		at, err := parseInstant(b.ObservedAt)
		if err != nil {
			bad(err)
			return
		}
		s := v.snapshots[n-1]
		s.leaf, s.body, s.at = ledger.Leaf{Seq: l.Seq, RecordedAt: l.RecordedAt}, b, at.UnixMicro()
	case kindSegment, kindBlocks:
	default:
		v.report.Add("leaf", where, fmt.Sprintf("kind %q is not known to this version", l.Kind))
	}
}

// documentRow is a row of documents, or nulls.
type documentRow struct {
	kind, id, actor                       sql.NullString
	version, schema, recordedAt, from, to sql.NullInt64
	body, digest                          []byte
}

func (d *documentRow) dest() []any {
	return []any{&d.kind, &d.id, &d.version, &d.schema, &d.recordedAt, &d.from, &d.to, &d.actor, &d.body, &d.digest}
}

func (d *documentRow) present() bool { return d.kind.Valid }

// fits reports whether the row makes exactly the body of its leaf, which is
// the quick way to see that nothing differs.
func (d *documentRow) fits(l ledger.Leaf) bool {
	b := documentBody{
		Kind: d.kind.String, ID: d.id.String, Version: d.version.Int64, Schema: d.schema.Int64, EffectiveFrom: instant(fromMicros(d.from.Int64)),
		Actor: d.actor.String, Bytes: int64(len(d.body)), Digest: tickmark.DigestOf(d.body),
	}
	if d.to.Valid {
		b.EffectiveTo = instant(fromMicros(d.to.Int64))
	}
	if string(d.digest) != string(b.Digest[:]) || d.recordedAt.Int64 != l.RecordedAt.UnixMicro() {
		return false
	}
	made, err := ledger.Encode(b)
	return err == nil && bytes.Equal(made, l.Body)
}

// differs names the first column that is not as the leaf says.
func (d *documentRow) differs(b documentBody, l ledger.Leaf) string {
	to := ""
	if d.to.Valid {
		to = instant(fromMicros(d.to.Int64))
	}
	switch {
	case d.kind.String != b.Kind:
		return "kind"
	case d.id.String != b.ID:
		return "id"
	case d.version.Int64 != b.Version:
		return "version"
	case d.schema.Int64 != b.Schema:
		return "schema"
	case d.recordedAt.Int64 != l.RecordedAt.UnixMicro():
		return "recorded_at"
	case instant(fromMicros(d.from.Int64)) != b.EffectiveFrom:
		return "effective_from"
	case to != b.EffectiveTo:
		return "effective_to"
	case d.actor.String != b.Actor:
		return "actor"
	case int64(len(d.body)) != b.Bytes || tickmark.DigestOf(d.body) != b.Digest:
		return "body"
	case string(d.digest) != string(b.Digest[:]):
		return "digest"
	}
	return ""
}

// head compares the recomputed log with its signed head.
func (v *verification) head(c *ledger.Checker, size int64, signed []byte) {
	public := v.init.Key
	switch {
	case v.s.key == nil:
		v.report.Notices = append(v.report.Notices, "the signing key is not here; the head was checked with the key in the first leaf")
	case v.s.key.Public() != public:
		v.report.Add("head", keyFile, "is not the key that the first leaf names")
	}
	v.report.Key, v.report.Origin, v.report.Size, v.report.Root = public, v.init.Origin, c.Size(), c.Root().String()
	if v.init.Sample != strings.HasPrefix(v.init.Origin, samplePrefix) {
		v.report.Add("leaf", "leaf 0", "its origin does not fit what it says of samples")
	}
	if size != c.Size() {
		v.report.Add("head", "ledgers", fmt.Sprintf("says %d leaves, %d are stored", size, c.Size()))
	}
	h, err := ledger.OpenHead(signed, public)
	switch {
	case err != nil:
		v.report.Add("head", "ledgers", err.Error())
	case h.Origin != v.init.Origin:
		v.report.Add("head", "ledgers", fmt.Sprintf("the head is of %q, the first leaf of %q", h.Origin, v.init.Origin))
	case h.Size != c.Size():
		v.report.Add("head", "ledgers", fmt.Sprintf("the signed head covers %d leaves, %d are stored", h.Size, c.Size()))
	case h.Root != c.Root():
		v.report.Add("head", "ledgers", "the stored leaves do not have the signed root")
	}
}

// savedHead proves that the log extends the one whose head was saved.
func (v *verification) savedHead(c *ledger.Checker, saved []byte) {
	v.report.SavedHead = "inconsistent"
	h, err := ledger.OpenHead(saved, v.init.Key)
	if err != nil {
		what := "the key of this ledger did not sign it: " + err.Error()
		if name, _, _ := strings.Cut(string(saved), "\n"); name != v.init.Origin && strings.Contains(name, "/") {
			what = fmt.Sprintf("it is of the ledger %s, and this is %s: either it is the wrong head, or another ledger was put in the place of its own", name, v.init.Origin)
		}
		v.report.Add("head", "saved head", what)
		return
	}
	root, ok := c.RootAt(h.Size)
	switch {
	case h.Size > c.Size() || !ok:
		v.report.Add("head", "saved head", fmt.Sprintf("covers %d leaves, only %d are left: an older copy was put back or the end was cut off", h.Size, c.Size()))
	case root != h.Root:
		v.report.Add("head", "saved head", fmt.Sprintf("the first %d leaves are not those that were signed then: the past was rewritten", h.Size))
	default:
		v.report.SavedHead = "consistent"
	}
}

// checkStaged sees whether an unfinished recording left rows.
func (v *verification) checkStaged() error {
	var n int64
	if err := v.tx.QueryRowContext(v.ctx, `SELECT COUNT(*) FROM snapshots WHERE org = $1 AND seq IS NULL`, v.s.org).Scan(&n); err != nil {
		return err
	}
	if v.staged = n > 0; v.staged {
		v.report.Notices = append(v.report.Notices, "a recording is under way or was interrupted; its rows are not visible and the next recording removes them")
	}
	return nil
}

// limits says what was not shown.
func (v *verification) limits(saved []byte) {
	add := func(s string) { v.report.Limits = append(v.report.Limits, s) }
	if saved == nil {
		add("without a head saved outside this machine this does not show: an old copy put back whole; the end cut off and signed again, or everything rewritten, by someone who has the signing key")
		add("save one now with: tickmark ledger head > FILE, and give it to somebody who cannot write here")
	} else if n := v.report.Size - headSize(saved); n > 0 && v.report.SavedHead == "consistent" {
		add(fmt.Sprintf("the %d leaves after the saved head rest on this machine and its signing key alone", n))
	}
	add("that bytes did not change since they were recorded does not show that they came from Azure: corroborated at the source: 0 of " + fmt.Sprint(len(v.snapshots)) + " snapshots")
	if strings.HasPrefix(v.init.Origin, samplePrefix) {
		add("this directory holds samples; nothing in it is evidence")
	}
}
