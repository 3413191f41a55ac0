// SPDX-License-Identifier: Apache-2.0

// Package store keeps evidence: the ledger, the documents and the tables
// derived from them in SQLite or PostgreSQL, and the bytes themselves in
// append-only packs beside. It is the only package with SQL, and the SQL is
// one text for both databases; only the migrations differ.
//
// What a call acknowledged is durable. What it did not finish is invisible and
// is removed by the next writer.
package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/history"
	"github.com/tickmark/tickmark/ledger"
)

// Store is an open data directory. Its methods may be called from several
// goroutines and processes; one writer records at a time.
type Store struct {
	dir string
	db  *sql.DB
	pg  bool // the database is PostgreSQL
	// fixed: the directory may be read only; nothing is written there.
	fixed bool
	still *still // nil unless fixed
	org   int64
	key   *ledger.Key // nil when the key file is absent
	opts  Options
}

// Options adjust a Store. The zero value is right for use.
type Options struct {
	// Database is the PostgreSQL URL; empty means what the data directory says.
	Database string
	// PackSize is where a new pack file begins; 0 means 1 GiB.
	PackSize int64
	// LockWait is how long a writer waits for another one; 0 means 10 s.
	LockWait time.Duration
	// Sample makes a directory that can never hold evidence; only Create reads it.
	Sample bool
	// Tool names the writing program and its version in the first leaf.
	Tool string
}

func (o Options) packSize() int64 {
	if o.PackSize > 0 {
		return o.PackSize
	}
	return 1 << 30
}

// prefix begins the log's name.
func (o Options) prefix() string {
	if o.Sample {
		return samplePrefix
	}
	return "tickmark/"
}

func (o Options) lockWait() time.Duration {
	if o.LockWait > 0 {
		return o.LockWait
	}
	return 10 * time.Second
}

// Progress is told how far a long call is: a stage in one word, how much of it
// is done, and the total, or 0 when that is not known.
type Progress = func(stage string, done, total int64)

func (s *Store) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

// Create makes the data directory dir for an organisation, or completes one
// whose making was interrupted. A sample directory stays one for ever: its
// log's name begins with "sample/", and every head shows it.
func Create(ctx context.Context, dir, organisation string, now time.Time, opts Options) (*Store, error) {
	if strings.TrimSpace(organisation) == "" {
		return nil, &tickmark.Error{Code: tickmark.CodeUsage, What: "the organisation has no name", Hint: "give --organisation NAME"}
	}
	for _, d := range []string{dir, filepath.Join(dir, packFolder)} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			if unwritable(err) {
				return nil, errUnwritable(dir, err)
			}
			return nil, fmt.Errorf("make the data directory: %w", err)
		}
	}
	lock, err := lockWriter(ctx, filepath.Join(dir, lockFile), opts.lockWait())
	if err != nil {
		return nil, err
	}
	defer func() { _ = lock.Close() }() // closing releases the lock; nothing was written to it
	cfg, err := readConfig(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if cfg, err = newConfig(ctx, dir, organisation, opts.Database); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	case cfg.Organisation != organisation:
		return nil, exists(dir, cfg.Organisation)
	}
	if err := ledgerLost(dir, cfg, opts); err != nil {
		return nil, err
	}
	if err := makeKey(dir, opts.prefix()+slug(organisation)); err != nil {
		return nil, err
	}
	s, err := open(ctx, dir, cfg, opts)
	if err != nil {
		return nil, err
	}
	if err := s.found(ctx, organisation, now); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func exists(dir, organisation string) error {
	return &tickmark.Error{Code: tickmark.CodeUsage, Where: dir, What: "is already the data directory of " + organisation, Hint: "give another directory"}
}

// Open opens a data directory and brings its tables up to date.
func Open(ctx context.Context, dir string, opts Options) (*Store, error) {
	cfg, err := readConfig(dir)
	if errors.Is(err, fs.ErrNotExist) {
		place := dir
		if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 { // it holds something else
			place = filepath.Join(dir, "evidence")
		}
		return nil, &tickmark.Error{Code: tickmark.CodeUsage, Where: dir, What: "is not a data directory", Hint: "make one with: tickmark init " + place}
	}
	if err != nil {
		return nil, err
	}
	if err := ledgerLost(dir, cfg, opts); err != nil {
		return nil, err
	}
	s, err := open(ctx, dir, cfg, opts)
	if err != nil {
		return nil, err
	}
	size, _, err := s.state(ctx)
	if err == nil && size == 0 {
		err = &tickmark.Error{Code: tickmark.CodeUsage, Where: dir, What: "was not made completely", Hint: "run again: tickmark init " + dir}
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// ledgerLost refuses a directory whose packs hold evidence but whose SQLite
// database is gone: a new, empty ledger beside old packs would hide the loss.
func ledgerLost(dir string, cfg config, opts Options) error {
	if isPostgres(cfg.Database) || isPostgres(opts.Database) {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, databaseFile)); !errors.Is(err, fs.ErrNotExist) {
		return nil // whatever else is wrong with it, opening it says
	}
	packs, err := filepath.Glob(filepath.Join(dir, packFolder, "*"))
	if err != nil || len(packs) == 0 {
		return err
	}
	return &tickmark.Error{
		Code: tickmark.CodeTampered, Where: filepath.Join(dir, databaseFile), What: "the ledger is gone, but packs of evidence are here",
		Hint: "restore the last backup of the directory; a new ledger would not be the one that heads were saved of",
	}
}

func open(ctx context.Context, dir string, cfg config, opts Options) (*Store, error) {
	if opts.Database != "" {
		cfg.Database = opts.Database
	}
	s := &Store{dir: dir, org: cfg.Org, opts: opts, pg: isPostgres(cfg.Database)}
	var err error
	if s.key, err = readKey(dir); err != nil {
		return nil, err
	}
	if s.db, s.fixed, err = connect(ctx, dir, cfg.Database); err != nil {
		return nil, err
	}
	if s.fixed {
		if s.still, err = look(filepath.Join(dir, databaseFile)); err != nil {
			return nil, errors.Join(err, s.db.Close())
		}
	}
	if err := migrate(ctx, s.db, s.pg, s.fixed, dir); err != nil {
		if _, told := errors.AsType[*tickmark.Error](err); !told {
			err = fmt.Errorf("bring the tables up to date: %w", err)
		}
		return nil, errors.Join(err, s.db.Close())
	}
	if s.fixed {
		return s, nil
	}
	if _, err := s.db.ExecContext(ctx, `INSERT INTO ledgers (org, size, head) VALUES ($1, 0, $2) ON CONFLICT DO NOTHING`, s.org, []byte{}); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	return s, nil
}

// Close releases the database. It is an error if the database was opened to be
// read only and changed since.
func (s *Store) Close() error { return errors.Join(s.still.changed(), s.db.Close()) }

// found writes the first leaves: who the log belongs to and document number
// one, the organisation.
func (s *Store) found(ctx context.Context, organisation string, now time.Time) error {
	if s.key == nil {
		return errNoKey(s.dir)
	}
	doc := history.Document{Kind: "organisation", ID: "1", Version: 1, Schema: 1, EffectiveFrom: now.UTC().Truncate(time.Microsecond), Actor: "operator"}
	var err error
	if doc.Body, err = ledger.Encode(history.Organisation{Name: organisation}); err != nil {
		return err
	}
	return s.inTx(ctx, func(tx *sql.Tx) error {
		lt := &logTx{tx: tx, org: s.org}
		if size, _, err := lt.Head(ctx); err != nil || size > 0 {
			if err == nil {
				err = exists(s.dir, organisation)
			}
			return err
		}
		leaves, err := ledger.Append(ctx, lt, s.key, now, func(int64) ([]ledger.Entry, error) {
			return []ledger.Entry{
				{Kind: kindInit, Body: initBody{Format: 1, Organisation: organisation, Sample: s.Sample(), Origin: s.key.Origin(), Key: s.key.Public(), Tool: s.opts.Tool}},
				{Kind: kindDocument, Body: documentBodyOf(doc)},
			}, nil
		})
		if err != nil {
			return err
		}
		return insertDocument(ctx, tx, s.org, doc, leaves[1])
	})
}

func errNoKey(dir string) error {
	return &tickmark.Error{Code: tickmark.CodeUsage, Where: filepath.Join(dir, keyFile), What: "the signing key is absent or may not be read, so nothing can be recorded", Hint: "put the key file back; without it the log can be read but not extended"}
}

// inTx runs f in a write transaction. SQLite takes the write lock at once.
func (s *Store) inTx(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return s.explain(err)
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback() // the first error is the one that matters
		return s.explain(err)
	}
	return s.explain(tx.Commit())
}

// inView runs f on one unchanging view of the database.
func (s *Store) inView(ctx context.Context, f func(*sql.Tx) error) error {
	opts := &sql.TxOptions{ReadOnly: true}
	if s.pg {
		opts.Isolation = sql.LevelRepeatableRead
	}
	tx, err := s.db.BeginTx(ctx, opts)
	if err != nil {
		return s.explain(err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	return f(tx)
}

// explain turns the database's errors that a person can do something about
// into a tickmark.Error.
func (s *Store) explain(err error) error {
	var e *tickmark.Error
	switch {
	case err == nil || errors.As(err, &e):
		return err
	case errors.Is(err, ledger.ErrConflict):
		return &tickmark.Error{Code: tickmark.CodeConflict, Where: s.dir, What: "another writer was faster; nothing was recorded", Hint: "run the command again", Err: err}
	case errors.Is(err, ledger.ErrClock):
		return &tickmark.Error{Code: tickmark.CodeConflict, Where: s.dir, What: "nothing was recorded", Hint: "set this machine's clock", Err: err}
	case errors.Is(err, ledger.ErrBroken):
		return &tickmark.Error{Code: tickmark.CodeTampered, Where: s.dir, What: "nothing was recorded", Hint: "run: tickmark verify", Err: err}
	case isFull(err):
		return &tickmark.Error{Code: tickmark.CodeInternal, Where: s.dir, What: "the disk is full; nothing was recorded", Hint: "free space and run the command again", Err: err}
	case isBusy(err):
		return &tickmark.Error{Code: tickmark.CodeConflict, Where: s.dir, What: "the database is held by another writer; nothing was recorded", Hint: "run the command again", Err: err}
	}
	return err
}

func isFull(err error) bool {
	text := err.Error()
	return isNoSpace(err) || strings.Contains(text, "database or disk is full") || strings.Contains(text, "No space left on device")
}

func isBusy(err error) bool {
	text := err.Error()
	return strings.Contains(text, "SQLITE_BUSY") || strings.Contains(text, "database is locked")
}

const keyFile = "signing.key"

// makeKey writes a new signing key unless there is one. The log's name is
// origin with a random end.
func makeKey(dir, origin string) error {
	name := filepath.Join(dir, keyFile)
	if _, err := os.Stat(name); err == nil {
		return nil
	}
	var salt [4]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return err
	}
	secret, err := ledger.NewKey(rand.Reader, origin+"-"+hex.EncodeToString(salt[:]))
	if err != nil {
		return fmt.Errorf("make the signing key: %w", err)
	}
	return writeDurably(name, []byte(secret+"\n"), 0o600)
}

// samplePrefix begins the name of every log that can never be evidence.
const samplePrefix = "sample/"

func slug(name string) string {
	s := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, name)
	if s = strings.Trim(s, "-"); len(s) > 32 {
		s = s[:32]
	}
	if s == "" {
		s = "organisation"
	}
	return s
}

// readKey reads the signing key; it is nil when the file is absent. A key that
// others can read is refused.
func readKey(dir string) (*ledger.Key, error) {
	name := filepath.Join(dir, keyFile)
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return nil, &tickmark.Error{Code: tickmark.CodeUsage, Where: name, What: fmt.Sprintf("others can read the signing key (mode %04o)", mode), Hint: "chmod 600 " + name}
	}
	b, err := os.ReadFile(name) //nolint:gosec // the name is made from the data directory that the operator gave
	if errors.Is(err, fs.ErrPermission) {
		return nil, nil // to read and verify needs no key; who records is told
	}
	if err != nil {
		return nil, err
	}
	key, err := ledger.ParseKey(string(b))
	if err != nil {
		return nil, &tickmark.Error{Code: tickmark.CodeTampered, Where: name, What: "the signing key cannot be read", Hint: "put the right file back from a backup", Err: err}
	}
	return key, nil
}

// writeDurably writes a new file so that after a crash it is whole or absent.
func writeDurably(name string, b []byte, mode fs.FileMode) error {
	tmp := name + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode) //nolint:gosec // the name is made from the data directory that the operator gave
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}
