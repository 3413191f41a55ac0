// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/ledger"
	"github.com/tickmark/tickmark/store"
)

// BenchmarkVerifyLeaves verifies 1,000,000 leaves, each a document.
func BenchmarkVerifyLeaves(b *testing.B) {
	const n = 1_000_000
	ctx, dir := context.Background(), filepath.Join(b.TempDir(), "d")
	s, err := store.Create(ctx, dir, "Bench", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	appendDocuments(b, dir, n)
	head, err := s.Head(ctx)
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for range b.N {
		begin := time.Now()
		r, err := s.Verify(ctx, head, nil)
		if err != nil || !r.Clean() || r.Checked["documents"] != n+1 {
			b.Fatalf("%+v, %v", r, err)
		}
		b.Logf("%d leaves in %.2f s", r.Size, time.Since(begin).Seconds())
	}
	b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "leaves/s")
}

// bulkLog appends to a log with one transaction around many documents, which
// the store itself never does.
type bulkLog struct {
	tx   *sql.Tx
	tree ledger.Tree
}

// appendDocuments fills a ledger quickly through its own package.
func appendDocuments(b *testing.B, dir string, n int) {
	b.Helper()
	secret, err := os.ReadFile(store.KeyPath(dir))
	if err != nil {
		b.Fatal(err)
	}
	key, err := ledger.ParseKey(string(secret))
	if err != nil {
		b.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "tickmark.db")+"?_txlock=immediate")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	tx, err := db.Begin()
	if err != nil {
		b.Fatal(err)
	}
	l := &bulkLog{tx: tx}
	for _, step := range []func() error{l.replay, func() error { return l.fill(n) }, func() error { return l.finish(key) }} {
		if err := step(); err != nil {
			b.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
}

func (l *bulkLog) replay() error {
	rows, err := l.tx.Query(`SELECT body FROM leaves ORDER BY seq`)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // an error shows in what is read or written
	for rows.Next() {
		var raw []byte
		if err := rows.Scan(&raw); err != nil {
			return err
		}
		l.tree.Add(ledger.LeafHash(raw))
	}
	return rows.Err()
}

func (l *bulkLog) fill(n int) error {
	leaf, err := l.tx.Prepare(`INSERT INTO leaves (org, seq, kind, body, nodes) VALUES (1, $1, 'document', $2, $3)`)
	if err != nil {
		return err
	}
	defer func() { _ = leaf.Close() }() // an error shows in what is read or written
	doc, err := l.tx.Prepare(`INSERT INTO documents (org, kind, id, version, schema, seq, recorded_at, effective_from, effective_to, actor, body, digest)
		VALUES (1, 'note', $1, 1, 1, $2, $3, $3, NULL, 'ann', $4, $5)`)
	if err != nil {
		return err
	}
	defer func() { _ = doc.Close() }() // an error shows in what is read or written
	at := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	for i := range n {
		seq := l.tree.Size()
		body := fmt.Appendf(nil, `{"title":"Note number %d","text":"The quick brown fox jumps over the lazy dog, again and again."}`, i)
		digest := tickmark.DigestOf(body)
		lf := ledger.Leaf{Seq: seq, Kind: "document", RecordedAt: at, Body: fmt.Appendf(nil,
			`{"kind":"note","id":"n%d","version":1,"schema":1,"effectiveFrom":"2026-01-02T00:00:00.000000Z","effectiveTo":"","actor":"ann","bytes":%d,"digest":%q}`, i, len(body), digest)}
		raw := lf.Encode()
		var nodes []byte
		for _, h := range l.tree.Add(ledger.LeafHash(raw)) {
			nodes = append(nodes, h[:]...)
		}
		if _, err := leaf.Exec(seq, raw, nodes); err != nil {
			return err
		}
		if _, err := doc.Exec(fmt.Sprintf("n%d", i), seq, at.UnixMicro(), body, digest[:]); err != nil {
			return err
		}
	}
	return nil
}

func (l *bulkLog) finish(key *ledger.Key) error {
	head, err := key.Sign(ledger.Head{Origin: key.Origin(), Size: l.tree.Size(), Root: l.tree.Root()})
	if err != nil {
		return err
	}
	_, err = l.tx.Exec(`UPDATE ledgers SET size = $1, head = $2 WHERE org = 1`, l.tree.Size(), head)
	return err
}
