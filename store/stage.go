// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strconv"
	"strings"
	"time"
)

// stageSpan is how long a staging transaction gathers rows before it commits,
// so that no other writer waits for long.
const stageSpan = 25 * time.Millisecond

// stager writes bulk rows in many short transactions. The rows belong to a
// batch that no reader sees before its snapshot is committed, so its own
// transactions do not wait for the disk. The one that makes the batch visible
// does (harden): it makes the log durable up to its own end, and with it all
// that was staged before.
type stager struct {
	ctx    context.Context //nolint:containedctx // lives as long as one call of Store
	conn   *sql.Conn
	prefix string // of table names, for a rebuild
	span   time.Duration

	begin string // the statement that begins a write transaction
	// durable makes commits wait for the disk again.
	durable string
	open    bool
	since   time.Time
	stmts   map[string]*sql.Stmt
}

func newStager(ctx context.Context, s *Store) (*stager, error) {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	g := &stager{ctx: ctx, conn: conn, span: stageSpan, begin: "BEGIN IMMEDIATE", durable: `PRAGMA synchronous = FULL`, stmts: map[string]*sql.Stmt{}}
	relax := `PRAGMA synchronous = NORMAL`
	if s.pg {
		g.begin, g.durable, relax = "BEGIN", `SET synchronous_commit = on`, `SET synchronous_commit = off`
	}
	if _, err := conn.ExecContext(ctx, relax); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return g, nil
}

// exec runs one statement in the current short transaction. Transactions are
// begun by statement: database/sql would prepare a connection's statement anew
// for each of its own.
func (g *stager) exec(query string, args ...any) error {
	stmt, ok := g.stmts[query]
	if !ok {
		var err error
		if stmt, err = g.conn.PrepareContext(g.ctx, query); err != nil {
			return err
		}
		g.stmts[query] = stmt
	}
	if !g.open {
		if _, err := g.conn.ExecContext(g.ctx, g.begin); err != nil {
			return err
		}
		g.open, g.since = true, time.Now() //nolint:forbidigo // measures a transaction; nothing stored depends on it
	}
	if _, err := stmt.ExecContext(g.ctx, args...); err != nil {
		return err
	}
	if time.Since(g.since) >= g.span {
		return g.flush()
	}
	return nil
}

// harden makes the connection's commits wait for the disk from now on.
func (g *stager) harden(ctx context.Context) error {
	_, err := g.conn.ExecContext(ctx, g.durable)
	return err
}

// flush commits the current short transaction.
func (g *stager) flush() error {
	if !g.open {
		return nil
	}
	_, err := g.conn.ExecContext(g.ctx, "COMMIT")
	g.open = err != nil
	return err
}

// close ends the stager; an unfinished transaction is rolled back, also after
// the context was cancelled. Statements go before the connection: SQLite does
// not survive the other order.
func (g *stager) close() error {
	var errs []error
	stuck := false
	if g.open {
		_, err := g.conn.ExecContext(context.WithoutCancel(g.ctx), "ROLLBACK")
		stuck = err != nil // SQLite may have rolled back by itself already
		g.open = false
	}
	if err := g.harden(context.WithoutCancel(g.ctx)); err != nil {
		stuck = true
	}
	for _, st := range g.stmts {
		errs = append(errs, st.Close())
	}
	if stuck { // do not let the pool have a connection of unknown state
		_ = g.conn.Raw(func(any) error { return driver.ErrBadConn })
		return errors.Join(errs...)
	}
	return errors.Join(append(errs, g.conn.Close())...)
}

// bulk inserts rows of one table, many with each statement.
type bulk struct {
	g       *stager
	table   string
	columns string
	fixed   string // values that all rows share, after the columns given
	width   int
	full    string // statement of rowsPerInsert rows
	args    []any
}

// rowsPerInsert is small: SQLite looks up each numbered parameter among all of
// its statement, which makes long statements slower than short ones.
const rowsPerInsert = 8

// shared is a column that has the same number in all rows.
type shared struct {
	column string
	value  int64
}

// into begins an insertion. Shared columns stand in the statement itself:
// parameters are what bulk insertion spends its time on.
func (g *stager) into(table, columns string, same ...shared) *bulk {
	b := &bulk{g: g, table: g.prefix + table, columns: columns, width: strings.Count(columns, ",") + 1}
	for _, c := range same {
		b.columns += ", " + c.column
		b.fixed += "," + strconv.FormatInt(c.value, 10)
	}
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
		s.WriteString("(" + placeholders(i*b.width+1, b.width) + b.fixed + ")")
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
