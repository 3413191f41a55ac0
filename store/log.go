// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/tickmark/tickmark/ledger"
)

// logTx is one organisation's log inside one transaction.
type logTx struct {
	tx  *sql.Tx
	org int64
}

var _ ledger.Storage = (*logTx)(nil)

// Head implements ledger.Storage.
func (l *logTx) Head(ctx context.Context) (size int64, signed []byte, err error) {
	err = l.tx.QueryRowContext(ctx, `SELECT size, head FROM ledgers WHERE org = $1`, l.org).Scan(&size, &signed)
	return size, signed, err
}

// Row implements ledger.Storage.
func (l *logTx) Row(ctx context.Context, seq int64) (ledger.Row, error) {
	r := ledger.Row{Seq: seq}
	err := l.tx.QueryRowContext(ctx, `SELECT kind, body, nodes FROM leaves WHERE org = $1 AND seq = $2`, l.org, seq).Scan(&r.Kind, &r.Leaf, &r.Nodes)
	return r, err
}

// Append implements ledger.Storage. The compare-and-swap on the size comes
// first: of two transactions that read the same size, the second one waits for
// the row and then finds another size.
func (l *logTx) Append(ctx context.Context, size int64, rows []ledger.Row, signed []byte) error {
	res, err := l.tx.ExecContext(ctx, `UPDATE ledgers SET size = $1, head = $2 WHERE org = $3 AND size = $4`, size+int64(len(rows)), signed, l.org, size)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("%w (it had %d leaves)", ledger.ErrConflict, size)
	}
	stmt, err := l.tx.PrepareContext(ctx, `INSERT INTO leaves (org, seq, kind, body, nodes) VALUES ($1, $2, $3, $4, $5)`)
	if err != nil {
		return err
	}
	defer func() { _ = stmt.Close() }() // an error shows in what is read or written
	for _, r := range rows {
		if _, err := stmt.ExecContext(ctx, l.org, r.Seq, r.Kind, r.Leaf, r.Nodes); err != nil {
			return fmt.Errorf("insert leaf %d: %w", r.Seq, err)
		}
	}
	return nil
}

// state returns the log's size and signed head.
func (s *Store) state(ctx context.Context) (size int64, signed []byte, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT size, head FROM ledgers WHERE org = $1`, s.org).Scan(&size, &signed)
	return size, signed, err
}

// Head returns the signed head, to be kept outside this machine.
func (s *Store) Head(ctx context.Context) ([]byte, error) {
	_, signed, err := s.state(ctx)
	return signed, err
}
