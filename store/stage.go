// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"
)

// stageSpan is how long a staging transaction gathers rows before it commits,
// so that no other writer waits for long.
const stageSpan = 25 * time.Millisecond

// stager writes bulk rows in many short transactions. The rows belong to a
// batch that no reader sees before its snapshot is committed.
type stager struct {
	ctx    context.Context //nolint:containedctx // lives as long as one call of Store
	conn   *sql.Conn
	prefix string // of table names, for a rebuild
	span   time.Duration

	tx    *sql.Tx
	since time.Time
	stmts map[string]*sql.Stmt
}

func newStager(ctx context.Context, db *sql.DB) (*stager, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &stager{ctx: ctx, conn: conn, span: stageSpan, stmts: map[string]*sql.Stmt{}}, nil
}

// exec runs one statement in the current short transaction.
func (g *stager) exec(query string, args ...any) error {
	stmt, ok := g.stmts[query]
	if !ok {
		var err error
		if stmt, err = g.conn.PrepareContext(g.ctx, query); err != nil {
			return err
		}
		g.stmts[query] = stmt
	}
	if g.tx == nil {
		tx, err := g.conn.BeginTx(g.ctx, nil)
		if err != nil {
			return err
		}
		g.tx, g.since = tx, time.Now()
	}
	if _, err := g.tx.StmtContext(g.ctx, stmt).ExecContext(g.ctx, args...); err != nil {
		return err
	}
	if time.Since(g.since) >= g.span {
		return g.flush()
	}
	return nil
}

// flush commits the current short transaction.
func (g *stager) flush() error {
	if g.tx == nil {
		return nil
	}
	tx := g.tx
	g.tx = nil
	return tx.Commit()
}

func (g *stager) close() error {
	var errs []error
	if g.tx != nil {
		errs = append(errs, g.tx.Rollback())
		g.tx = nil
	}
	for _, st := range g.stmts {
		errs = append(errs, st.Close())
	}
	return errors.Join(append(errs, g.conn.Close())...)
}

// bulk inserts rows of one table, many with each statement.
type bulk struct {
	g       *stager
	table   string
	columns string
	width   int
	full    string // statement of rowsPerInsert rows
	args    []any
}

// rowsPerInsert keeps the number of parameters far below both databases' limits.
const rowsPerInsert = 100

func (g *stager) into(table, columns string) *bulk {
	b := &bulk{g: g, table: g.prefix + table, columns: columns, width: strings.Count(columns, ",") + 1}
	b.full = b.insert(rowsPerInsert)
	return b
}

func (b *bulk) insert(rows int) string {
	var s strings.Builder
	s.WriteString("INSERT INTO " + b.table + " (" + b.columns + ") VALUES ")
	for i := range rows {
		if i > 0 {
			s.WriteByte(',')
		}
		s.WriteString("(" + placeholders(i*b.width+1, b.width) + ")")
	}
	return s.String()
}

func (b *bulk) add(args ...any) error {
	b.args = append(b.args, args...)
	if len(b.args) < rowsPerInsert*b.width {
		return nil
	}
	err := b.g.exec(b.full, b.args...)
	b.args = b.args[:0]
	return err
}

// end inserts the rows that are left.
func (b *bulk) end() error {
	if len(b.args) == 0 {
		return nil
	}
	err := b.g.exec(b.insert(len(b.args)/b.width), b.args...)
	b.args = b.args[:0]
	return err
}
