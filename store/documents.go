// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/history"
	"github.com/tickmark/tickmark/ledger"
)

// Put stores a new version of a document and its leaf. Versions count from 1
// without gaps; a version that exists is a conflict: somebody else was faster.
func (s *Store) Put(ctx context.Context, doc history.Document, now time.Time) (history.Document, error) {
	docs, err := s.PutAll(ctx, []history.Document{doc}, now)
	return docs[0], err
}

// PutAll stores new versions of several documents with their leaves: all of
// them or none.
func (s *Store) PutAll(ctx context.Context, docs []history.Document, now time.Time) ([]history.Document, error) {
	docs = slices.Clone(docs)
	if s.key == nil {
		return docs, errNoKey(s.dir)
	}
	for i := range docs {
		if err := prepare(&docs[i], now); err != nil {
			return docs, err
		}
	}
	var err error
	for range 5 { // another writer may be faster; what we add does not depend on it
		err = s.inTx(ctx, func(tx *sql.Tx) error { return s.put(ctx, tx, docs, now) })
		if !errors.Is(err, ledger.ErrConflict) {
			break
		}
	}
	return docs, err
}

// prepare brings a document into the form in which it is stored.
func prepare(doc *history.Document, now time.Time) error {
	doc.EffectiveFrom = doc.EffectiveFrom.UTC().Truncate(time.Microsecond)
	doc.EffectiveTo = doc.EffectiveTo.UTC().Truncate(time.Microsecond)
	if doc.EffectiveFrom.IsZero() {
		doc.EffectiveFrom = now.UTC().Truncate(time.Microsecond)
	}
	if doc.Kind == "" || doc.ID == "" || doc.Kind != clean(doc.Kind) || doc.ID != clean(doc.ID) || doc.Actor != clean(doc.Actor) {
		return &tickmark.Error{Code: tickmark.CodeUsage, Where: doc.Kind + " " + doc.ID, What: "a document needs a kind and an id of valid text"}
	}
	return nil
}

func (s *Store) put(ctx context.Context, tx *sql.Tx, docs []history.Document, now time.Time) error {
	entries := make([]ledger.Entry, len(docs))
	for i, doc := range docs {
		var last int64
		err := tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(version), 0) FROM documents WHERE org = $1 AND kind = $2 AND id = $3`, s.org, doc.Kind, doc.ID).Scan(&last)
		if err != nil {
			return err
		}
		if doc.Version != last+1 {
			return &tickmark.Error{Code: tickmark.CodeConflict, Where: doc.Kind + " " + doc.ID, What: fmt.Sprintf("version %d does not follow version %d", doc.Version, last), Hint: "read the latest version and try again"}
		}
		entries[i] = ledger.Entry{Kind: kindDocument, Body: documentBodyOf(doc)}
	}
	leaves, err := ledger.Append(ctx, &logTx{tx: tx, org: s.org}, s.key, now, func(int64) ([]ledger.Entry, error) { return entries, nil })
	if err != nil {
		return err
	}
	for i := range docs {
		docs[i].Seq, docs[i].RecordedAt = leaves[i].Seq, leaves[i].RecordedAt
		if err := insertDocument(ctx, tx, s.org, docs[i], leaves[i]); err != nil {
			return err
		}
	}
	return nil
}

func insertDocument(ctx context.Context, tx *sql.Tx, org int64, d history.Document, l ledger.Leaf) error {
	digest := tickmark.DigestOf(d.Body)
	_, err := tx.ExecContext(ctx, `INSERT INTO documents
		(org, kind, id, version, schema, seq, recorded_at, effective_from, effective_to, actor, body, digest)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		org, d.Kind, d.ID, d.Version, d.Schema, l.Seq, l.RecordedAt.UnixMicro(), d.EffectiveFrom.UnixMicro(), micros(d.EffectiveTo), d.Actor, d.Body, digest[:])
	return err
}

// Document returns the latest version of a document; its Version is 0 when
// there is none.
func (s *Store) Document(ctx context.Context, kind, id string) (history.Document, error) {
	d := history.Document{Kind: kind, ID: id}
	var recorded, from int64
	var to sql.NullInt64
	err := s.db.QueryRowContext(ctx, `SELECT version, schema, seq, recorded_at, effective_from, effective_to, actor, body
		FROM documents WHERE org = $1 AND kind = $2 AND id = $3 ORDER BY version DESC LIMIT 1`, s.org, kind, id).
		Scan(&d.Version, &d.Schema, &d.Seq, &recorded, &from, &to, &d.Actor, &d.Body)
	if errors.Is(err, sql.ErrNoRows) {
		return d, nil
	}
	if err != nil {
		return d, err
	}
	d.RecordedAt, d.EffectiveFrom = fromMicros(recorded), fromMicros(from)
	if to.Valid {
		d.EffectiveTo = fromMicros(to.Int64)
	}
	return d, nil
}

// Documents returns every version of every document of a kind, by id and
// version. One that is not what its leaf says was changed after it was
// recorded, and one that is gone while its leaf is there was removed, so that
// an earlier version would count again; either is an error: nothing may rest
// on what is left.
func (s *Store) Documents(ctx context.Context, kind string) ([]history.Document, error) {
	if err := s.allThere(ctx, kind); err != nil {
		return nil, err
	}
	rows, err := s.db.QueryContext(ctx, `SELECT d.id, d.version, d.schema, d.seq, d.recorded_at, d.effective_from, d.effective_to, d.actor, d.body, l.body
		FROM documents d LEFT JOIN leaves l ON l.org = d.org AND l.seq = d.seq
		WHERE d.org = $1 AND d.kind = $2 ORDER BY d.seq`, s.org, kind)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what matters
	var out []history.Document
	for rows.Next() {
		d := history.Document{Kind: kind}
		var recorded, from int64
		var to sql.NullInt64
		var leaf []byte
		if err := rows.Scan(&d.ID, &d.Version, &d.Schema, &d.Seq, &recorded, &from, &to, &d.Actor, &d.Body, &leaf); err != nil {
			return nil, err
		}
		d.RecordedAt, d.EffectiveFrom = fromMicros(recorded), fromMicros(from)
		if to.Valid {
			d.EffectiveTo = fromMicros(to.Int64)
		}
		want, err := ledger.Encode(documentBodyOf(d))
		if err != nil {
			return nil, err
		}
		if l, err := ledger.ParseLeaf(leaf); err != nil || l.Seq != d.Seq || l.Kind != kindDocument || !l.RecordedAt.Equal(d.RecordedAt) || !bytes.Equal(l.Body, want) {
			return nil, tamperedDocument(kind, d.ID, d.Version, "is not what the ledger says was recorded")
		}
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b history.Document) int {
		return cmp.Or(strings.Compare(a.ID, b.ID), cmp.Compare(a.Version, b.Version))
	})
	return out, rows.Err()
}

// allThere goes from the leaves to the rows: every leaf of a document of the
// kind has its row. A row under another kind counts as gone.
func (s *Store) allThere(ctx context.Context, kind string) error {
	rows, err := s.db.QueryContext(ctx, `SELECT l.seq, l.body FROM leaves l
		LEFT JOIN documents d ON d.org = l.org AND d.seq = l.seq AND d.kind = $2
		WHERE l.org = $1 AND l.kind = $3 AND d.seq IS NULL ORDER BY l.seq`, s.org, kind, kindDocument)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what matters
	for rows.Next() {
		var seq int64
		var leaf []byte
		if err := rows.Scan(&seq, &leaf); err != nil {
			return err
		}
		var b documentBody
		l, err := ledger.ParseLeaf(leaf)
		if err == nil {
			err = json.Unmarshal(l.Body, &b)
		}
		if err != nil {
			return &tickmark.Error{Code: tickmark.CodeTampered, Where: fmt.Sprintf("leaf %d", seq), What: "does not say which document it is of", Err: err, Hint: "run: tickmark verify"}
		}
		if b.Kind == kind {
			return tamperedDocument(kind, b.ID, b.Version, "was recorded, as the ledger says, and is gone")
		}
	}
	return rows.Err()
}

func tamperedDocument(kind, id string, version int64, what string) error {
	return &tickmark.Error{Code: tickmark.CodeTampered, Where: fmt.Sprintf("%s %s version %d", kind, id, version), What: what, Hint: "run: tickmark verify"}
}

// Sample reports whether the directory can never hold evidence.
func (s *Store) Sample() bool {
	return s.key != nil && strings.HasPrefix(s.key.Origin(), samplePrefix)
}
