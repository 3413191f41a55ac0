// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/ledger"
)

// lastSnapshot returns the body of the last snapshot leaf; its Batch is 0 when
// there is none. It is read from the ledger and not from a derived table,
// since a writer cuts off what lies behind it.
func lastSnapshot(ctx context.Context, q querier, org int64) (snapshotBody, error) {
	var b snapshotBody
	var seq int64
	var raw, nodes []byte
	err := q.QueryRowContext(ctx, `SELECT seq, body, nodes FROM leaves WHERE org = $1 AND kind = $2 ORDER BY seq DESC LIMIT 1`, org, kindSnapshot).Scan(&seq, &raw, &nodes)
	if errors.Is(err, sql.ErrNoRows) {
		return b, nil
	}
	if err != nil {
		return b, err
	}
	broken := func(what string) error {
		return &tickmark.Error{Code: tickmark.CodeTampered, Where: fmt.Sprintf("leaf %d", seq), What: what, Hint: "run: tickmark verify"}
	}
	if h := ledger.LeafHash(raw); len(nodes) < ledger.HashSize || !bytes.Equal(nodes[:ledger.HashSize], h[:]) {
		return b, broken("its bytes do not have the hash stored beside it")
	}
	l, err := ledger.ParseLeaf(raw)
	if err != nil {
		return b, broken(err.Error())
	}
	if err := decode(l.Body, &b); err != nil {
		return b, broken(err.Error())
	}
	return b, nil
}

// stagedTables hold rows of a batch, by the column that names it.
var stagedTables = []struct{ table, column string }{
	{"segments", "batch"},
	{"blocks", "batch"},
	{"reasons", "batch"},
	{"checks", "batch"},
	{"resources", "batch"},
	{"intervals", "known_from"},
	{"counts", "batch"},
}

// discard removes every row that belongs to no committed snapshot: what a
// writer that was killed or failed has staged. It runs before every recording
// and after a failed one, and may itself be interrupted anywhere.
func (s *Store) discard(ctx context.Context, last snapshotBody) error {
	var staged int64
	err := s.db.QueryRowContext(ctx, `SELECT COUNT(*) FROM snapshots WHERE org = $1 AND seq IS NULL`, s.org).Scan(&staged)
	if err != nil || staged == 0 {
		return err
	}
	if _, err := s.db.ExecContext(ctx, `DELETE FROM atoms WHERE org = $1 AND block > $2`, s.org, last.End.Block); err != nil {
		return err
	}
	if _, err := s.db.ExecContext(ctx, `UPDATE intervals SET known_to = NULL, valid_to = NULL WHERE org = $1 AND known_to > $2`, s.org, last.Batch); err != nil {
		return err
	}
	for _, t := range stagedTables {
		if _, err := s.db.ExecContext(ctx, `DELETE FROM `+t.table+` WHERE org = $1 AND `+t.column+` > $2`, s.org, last.Batch); err != nil { //nolint:gosec // the names of tables are ours
			return err
		}
	}
	// The mark of the unfinished batch goes last: until then this runs again.
	_, err = s.db.ExecContext(ctx, `DELETE FROM snapshots WHERE org = $1 AND seq IS NULL`, s.org)
	return err
}

// checkDerived refuses to record on derived tables that do not stand where the
// ledger does: recording on them would bury the damage.
func (s *Store) checkDerived(ctx context.Context, last snapshotBody) error {
	var batch, block int64
	err := s.db.QueryRowContext(ctx, `SELECT
		(SELECT COALESCE(MAX(batch), 0) FROM snapshots WHERE org = $1),
		(SELECT COALESCE(MAX(block), 0) FROM blocks WHERE org = $1)`, s.org).Scan(&batch, &block)
	if err != nil {
		return err
	}
	if batch != last.Batch || block != last.End.Block {
		return &tickmark.Error{Code: tickmark.CodeTampered, Where: s.dir, What: "the derived tables do not fit the ledger; nothing was recorded", Hint: "run: tickmark verify, then tickmark rebuild"}
	}
	return nil
}
