// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/history"
	"github.com/tickmark/tickmark/store"
)

// Tables are all tables that verify answers for.
var Tables = []string{"ledgers", "leaves", "documents", "snapshots", "segments", "blocks", "atoms", "reasons", "checks", "resources", "intervals", "counts"}

// Story records a few snapshots and documents, so that every table has rows of
// several batches, ended intervals among them.
func Story(t *testing.T, s *store.Store) *World {
	t.Helper()
	w := NewWorld(11, 12)
	w.PerPage, w.PerSegment = 5, 2
	w.Collected, w.Small = true, 6
	for i := range 3 {
		Record(t, s, w)
		w.Change(6)
		w.Remove(1)
		w.Add()
		doc := history.Document{Kind: "policy", ID: "access", Version: int64(i + 1), Schema: 1, Actor: "ann", Body: fmt.Appendf(nil, `{"n":%d}`, i), EffectiveTo: w.At().AddDate(1, 0, 0)}
		if _, err := s.Put(t.Context(), doc, w.At()); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// Dump returns the rows of a table, in no particular order.
func Dump(t *testing.T, q *sql.DB, table string) (columns []string, rows [][]any) {
	t.Helper()
	r, err := q.QueryContext(t.Context(), `SELECT * FROM `+table) //nolint:gosec // the names of tables are ours
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }() // an error shows in what is read or written
	if columns, err = r.Columns(); err != nil {
		t.Fatal(err)
	}
	for r.Next() {
		row := make([]any, len(columns))
		dest := make([]any, len(columns))
		for i := range row {
			dest[i] = &row[i]
		}
		if err := r.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(rows, func(a, b []any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return columns, rows
}

// where is a condition that picks one row.
func where(columns []string, row []any) (string, []any) {
	var conds []string
	var args []any
	for i, c := range columns {
		if row[i] == nil {
			conds = append(conds, c+" IS NULL")
			continue
		}
		args = append(args, row[i])
		conds = append(conds, fmt.Sprintf("%s = $%d", c, len(args)))
	}
	return strings.Join(conds, " AND "), args
}

// other returns a value near v.
func other(v any) any {
	switch v := v.(type) {
	case int64:
		return v + 1
	case string:
		return v + "x"
	case []byte:
		b := slices.Clone(v)
		if len(b) == 0 {
			return []byte{1}
		}
		b[len(b)/2] ^= 1
		return b
	case nil:
		return int64(7)
	}
	return nil
}

// intrude runs one statement, verifies, and undoes it by rewriting the table.
// The triggers must be disarmed. What the database itself refuses (a key, a
// CHECK) counts as found.
func intrude(t *testing.T, s *store.Store, raw *sql.DB, second func(*testing.T) bool, table, query string, args []any) (found bool) { //nolint:revive // a test's own
	t.Helper()
	columns, before := Dump(t, raw, table)
	res, err := raw.ExecContext(t.Context(), query, args...)
	if err != nil {
		// The database itself refuses (a key or a CHECK): nothing was changed.
		return true
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		t.Fatalf("%s: changed %d rows (%v)", query, n, err)
	}
	r, err := s.Verify(t.Context(), nil, nil)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	found = !r.Clean()
	if second != nil && !second(t) {
		t.Errorf("the second verifier does not find %s %v", query, args)
	}
	if _, err := raw.ExecContext(t.Context(), `DELETE FROM `+table); err != nil { //nolint:gosec // the names of tables are ours
		t.Fatal(err)
	}
	places := make([]string, len(columns))
	for i := range places {
		places[i] = fmt.Sprintf("$%d", i+1)
	}
	for _, row := range before {
		if _, err := raw.ExecContext(t.Context(), `INSERT INTO `+table+` VALUES (`+strings.Join(places, ",")+`)`, row...); err != nil { //nolint:gosec // the names of tables are ours
			t.Fatal(err)
		}
	}
	return found
}

// testEveryColumn changes one value after the other, in every column of every
// table, in several rows.
func testEveryColumn(t *testing.T, e *Env) {
	t.Helper()
	s := e.Create(t)
	Story(t, s)
	raw := e.Raw(t)
	disarm(t, raw, e)
	tried := 0
	for _, table := range Tables {
		columns, rows := Dump(t, raw, table)
		if len(rows) == 0 {
			t.Errorf("%s is empty", table)
		}
		for i, c := range columns {
			step := max(1, len(rows)/3)
			for k := 0; k < len(rows); k += step {
				v := other(rows[k][i])
				if c == "token" {
					v = "x"
				}
				cond, args := where(columns, rows[k])
				args = append(args, v)
				query := fmt.Sprintf("UPDATE %s SET %s = $%d WHERE %s", table, c, len(args), cond)
				tried++
				second := e.Second
				if k > 0 {
					second = nil // once for each column is enough: it is slow
				}
				if !intrude(t, s, raw, second, table, query, args) {
					t.Errorf("%s.%s: a change from %v to %v was not found", table, c, rows[k][i], v)
				}
			}
		}
	}
	t.Logf("%d changes", tried)
	MustVerify(t, s, nil) // the control: undone, everything verifies
}

func testEveryRowDeleted(t *testing.T, e *Env) {
	t.Helper()
	s := e.Create(t)
	Story(t, s)
	raw := e.Raw(t)
	disarm(t, raw, e)
	for _, table := range Tables {
		columns, rows := Dump(t, raw, table)
		step := max(1, len(rows)/8)
		for k := 0; k < len(rows); k += step {
			cond, args := where(columns, rows[k])
			if !intrude(t, s, raw, nil, table, `DELETE FROM `+table+` WHERE `+cond, args) {
				t.Errorf("%s: the deletion of %v was not found", table, rows[k])
			}
		}
	}
	MustVerify(t, s, nil)
}

// testRowsInserted adds rows that look like others.
func testRowsInserted(t *testing.T, e *Env) {
	t.Helper()
	s := e.Create(t)
	Story(t, s)
	raw := e.Raw(t)
	disarm(t, raw, e)
	// The key columns to move, so that the database lets the row in.
	keys := map[string][]string{
		"leaves": {"seq"}, "documents": {"version", "seq"}, "snapshots": {"batch"}, "segments": {"seq"}, "blocks": {"block"}, "atoms": {"digest"},
		"reasons": {"id"}, "checks": {"id"}, "resources": {"id"}, "intervals": {"check_id"}, "counts": {"check_id"},
	}
	for _, table := range Tables {
		if keys[table] == nil {
			continue
		}
		columns, rows := Dump(t, raw, table)
		for _, k := range []int{0, len(rows) / 2, len(rows) - 1} {
			row := slices.Clone(rows[k])
			places := make([]string, len(columns))
			for i, c := range columns {
				if slices.Contains(keys[table], c) {
					if n, ok := row[i].(int64); ok {
						row[i] = n + 1000
					} else {
						row[i] = other(row[i])
					}
				}
				places[i] = fmt.Sprintf("$%d", i+1)
			}
			if !intrude(t, s, raw, e.Second, table, `INSERT INTO `+table+` VALUES (`+strings.Join(places, ",")+`)`, row) {
				t.Errorf("%s: an added row %v was not found", table, row)
			}
		}
	}
	MustVerify(t, s, nil)
}

// testRebuild compares the derived tables before and after, and repairs them.
func testRebuild(t *testing.T, e *Env) {
	t.Helper()
	s := e.Create(t)
	Story(t, s)
	raw := e.Raw(t)
	derived := Tables[3:]
	before := map[string][][]any{}
	for _, table := range derived {
		_, before[table] = Dump(t, raw, table)
	}
	same := func(when string) {
		t.Helper()
		for _, table := range derived {
			_, rows := Dump(t, raw, table)
			if d := cmp.Diff(before[table], rows); d != "" {
				t.Errorf("%s, %s differs (-before +after):\n%.1500s", when, table, d)
			}
		}
		MustVerify(t, s, nil)
	}
	changed, err := s.Rebuild(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for table, n := range changed {
		if n != 0 {
			t.Errorf("rebuild of sound tables changed %d rows of %s", n, table)
		}
	}
	same("after a rebuild")
	for _, q := range []string{`DELETE FROM intervals`, `UPDATE counts SET pass = pass + 1`, `DELETE FROM atoms`, `UPDATE resources SET type = name`, `DELETE FROM snapshots WHERE batch = 3`} {
		if _, err := raw.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Record(t.Context(), NewWorld(1, 1).Snapshot(), nil, nil, NewWorld(1, 1).At().AddDate(0, 1, 0), nil); Code(err) != tickmark.CodeTampered {
		t.Errorf("recording on damaged tables = %v, want it refused", err)
	}
	if changed, err = s.Rebuild(t.Context(), nil); err != nil || changed["intervals"] == 0 || changed["snapshots"] != 1 {
		t.Errorf("rebuild of damaged tables = %v, %v", changed, err)
	}
	same("after the repair")
}
