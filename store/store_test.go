// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/store"
	"github.com/tickmark/tickmark/store/storetest"
)

// sqliteEnv is an empty place on SQLite.
func sqliteEnv(t *testing.T) *storetest.Env {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	return &storetest.Env{
		Dir: dir,
		Raw: func(t *testing.T) *sql.DB {
			t.Helper()
			return openRaw(t, "sqlite", "file:"+filepath.Join(dir, "tickmark.db")+"?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=recursive_triggers(1)")
		},
		Second: func(t *testing.T) bool {
			t.Helper()
			if testing.Short() { // a process for each of 150 changes
				return true
			}
			found, _ := verifyPython(t, dir, nil)
			return found
		},
		Disarm: []string{
			`DROP TRIGGER leaves_no_update`, `DROP TRIGGER leaves_no_delete`, `DROP TRIGGER documents_no_update`, `DROP TRIGGER documents_no_delete`,
			`DROP TRIGGER ledgers_no_delete`, `DROP TRIGGER ledgers_grow`,
		},
	}
}

// postgresEnv is an empty place in a new database of the server that
// TICKMARK_TEST_POSTGRES names.
func postgresEnv(t *testing.T) *storetest.Env {
	t.Helper()
	server := os.Getenv("TICKMARK_TEST_POSTGRES")
	if server == "" {
		t.Skip("TICKMARK_TEST_POSTGRES is not set; .ci/postgres.sh start prints one")
	}
	admin := openRaw(t, "pgx", server)
	name := fmt.Sprintf("tickmark_%016x", rand.Uint64())
	if _, err := admin.ExecContext(t.Context(), `CREATE DATABASE `+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		db, err := sql.Open("pgx", server)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = db.Close() }()
		if _, err := db.Exec(`DROP DATABASE ` + name + ` WITH (FORCE)`); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	e := &storetest.Env{Dir: filepath.Join(t.TempDir(), "data")}
	e.Opts.Database = u.String()
	e.Raw = func(t *testing.T) *sql.DB {
		t.Helper()
		return openRaw(t, "pgx", u.String())
	}
	for _, table := range []string{"leaves", "documents", "ledgers"} {
		e.Disarm = append(e.Disarm, `ALTER TABLE `+table+` DISABLE TRIGGER USER`)
	}
	return e
}

func openRaw(t *testing.T, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestSQLite(t *testing.T)   { storetest.Run(t, sqliteEnv) }
func TestPostgres(t *testing.T) { storetest.Run(t, postgresEnv) }

// TestLedgerLost: packs without their database are refused, and so is a new
// ledger beside them; the database is nobody else's to read.
func TestLedgerLost(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)
	s, err := store.Create(t.Context(), dir, "Example", now, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(filepath.Join(dir, "tickmark.db"))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", st.Mode(), err)
	}
	if err := os.WriteFile(filepath.Join(dir, "packs", "000001.pack"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tickmark.db", "tickmark.db-wal", "tickmark.db-shm"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	var e *tickmark.Error
	if _, err := store.Open(t.Context(), dir, store.Options{}); !errors.As(err, &e) || e.Code != tickmark.CodeTampered {
		t.Errorf("open: %v", err)
	}
	if _, err := store.Create(t.Context(), dir, "Example", now, store.Options{}); !errors.As(err, &e) || e.Code != tickmark.CodeTampered {
		t.Errorf("create: %v", err)
	}
}
