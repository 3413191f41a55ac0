// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/history"
	"github.com/tickmark/tickmark/ledger"
)

// Put stores a new version of a document and its leaf. Versions count from 1
// without gaps; a version that exists is a conflict: somebody else was faster.
func (s *Store) Put(ctx context.Context, doc history.Document, now time.Time) (history.Document, error) {
	if s.key == nil {
		return doc, errNoKey(s.dir)
	}
	doc.EffectiveFrom = doc.EffectiveFrom.UTC().Truncate(time.Microsecond)
	doc.EffectiveTo = doc.EffectiveTo.UTC().Truncate(time.Microsecond)
	if doc.EffectiveFrom.IsZero() {
		doc.EffectiveFrom = now.UTC().Truncate(time.Microsecond)
	}
	if doc.Kind == "" || doc.ID == "" || doc.Kind != clean(doc.Kind) || doc.ID != clean(doc.ID) || doc.Actor != clean(doc.Actor) {
		return doc, &tickmark.Error{Code: tickmark.CodeUsage, Where: doc.Kind + " " + doc.ID, What: "a document needs a kind and an id of valid text"}
	}
	var err error
	for range 5 { // another writer may be faster; what we add does not depend on it
		err = s.inTx(ctx, func(tx *sql.Tx) error { return s.put(ctx, tx, &doc, now) })
		if !errors.Is(err, ledger.ErrConflict) {
			break
		}
	}
	return doc, err
}

func (s *Store) put(ctx context.Context, tx *sql.Tx, doc *history.Document, now time.Time) error {
	var last int64
	err := tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(version), 0) FROM documents WHERE org = $1 AND kind = $2 AND id = $3`, s.org, doc.Kind, doc.ID).Scan(&last)
	if err != nil {
		return err
	}
	if doc.Version != last+1 {
		return &tickmark.Error{Code: tickmark.CodeConflict, Where: doc.Kind + " " + doc.ID, What: fmt.Sprintf("version %d does not follow version %d", doc.Version, last), Hint: "read the latest version and try again"}
	}
	leaves, err := ledger.Append(ctx, &logTx{tx: tx, org: s.org}, s.key, now, func(int64) ([]ledger.Entry, error) {
		return []ledger.Entry{{Kind: kindDocument, Body: documentBodyOf(*doc)}}, nil
	})
	if err != nil {
		return err
	}
	doc.Seq, doc.RecordedAt = leaves[0].Seq, leaves[0].RecordedAt
	return insertDocument(ctx, tx, s.org, *doc, leaves[0])
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

// Sample reports whether the directory can never hold evidence.
func (s *Store) Sample() bool {
	return s.key != nil && strings.HasPrefix(s.key.Origin(), samplePrefix)
}
