// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"
	_ "github.com/jackc/pgx/v5/stdlib" // the PostgreSQL driver
	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the SQLite driver

	"github.com/tickmark/tickmark"
)

const (
	configFile   = "tickmark.yaml"
	databaseFile = "tickmark.db"
	lockFile     = "lock"
)

// config is the data directory's tickmark.yaml.
type config struct {
	Organisation string `yaml:"organisation"`
	// Database is "sqlite" or a postgres:// URL without a password.
	Database string `yaml:"database"`
	// Org is the organisation's number inside the database.
	Org int64 `yaml:"org"`
}

// Is reports whether dir is a data directory; also where that cannot be seen,
// which [Open] then says.
func Is(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, configFile))
	return !errors.Is(err, fs.ErrNotExist)
}

// Begun reports whether a file of this name may stand in a data directory that
// is being made and has no configuration yet.
func Begun(name string) bool { return name == lockFile || name == packFolder }

func readConfig(dir string) (config, error) {
	var c config
	name := filepath.Join(dir, configFile)
	b, err := os.ReadFile(name) //nolint:gosec // the name is made from the data directory that the operator gave
	if err != nil {
		return c, err
	}
	err = yaml.NewDecoder(bytes.NewReader(b), yaml.DisallowUnknownField()).Decode(&c)
	if err == nil && (c.Org < 1 || c.Organisation == "" || c.Database == "") {
		err = errors.New("organisation, database and org are needed")
	}
	if err != nil {
		return c, &tickmark.Error{Code: tickmark.CodeUsage, Where: name, What: "cannot be read", Hint: "correct the file", Err: err}
	}
	return c, nil
}

// newConfig chooses the organisation's number and writes tickmark.yaml. The
// password of a URL is not written: PGPASSWORD or ~/.pgpass gives it.
func newConfig(ctx context.Context, dir, organisation, database string) (config, error) {
	c := config{Organisation: organisation, Database: "sqlite", Org: 1}
	if database != "" && database != "sqlite" {
		if !isPostgres(database) {
			return c, &tickmark.Error{Code: tickmark.CodeUsage, Where: "--db", What: "want sqlite or a postgres:// URL"}
		}
		c.Database = withoutPassword(database)
		db, _, err := connect(ctx, dir, database)
		if err != nil {
			return c, err
		}
		defer func() { _ = db.Close() }()
		if err := migrate(ctx, db, true, false, dir); err != nil {
			return c, err
		}
		if err := db.QueryRowContext(ctx, `SELECT COALESCE(MAX(org), 0) + 1 FROM ledgers WHERE size > 0`).Scan(&c.Org); err != nil {
			return c, err
		}
	}
	b, err := yaml.Marshal(c)
	if err != nil {
		return c, err
	}
	b = append([]byte("# A tickmark data directory. Back up the whole directory; keep signing.key secret.\n"), b...)
	return c, writeDurably(filepath.Join(dir, configFile), b, 0o600)
}

func isPostgres(database string) bool {
	return strings.HasPrefix(database, "postgres://") || strings.HasPrefix(database, "postgresql://")
}

func withoutPassword(database string) string {
	u, err := url.Parse(database)
	if err != nil {
		return database
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	q := u.Query()
	q.Del("password")
	u.RawQuery = q.Encode()
	return u.String()
}

// connect opens the database with the settings that durability rests on, and
// refuses a server that runs without them; fixed says that it may only be read.
func connect(ctx context.Context, dir, database string) (db *sql.DB, fixed bool, err error) {
	if !isPostgres(database) {
		// synchronous=FULL makes a commit wait for the disk; recursive_triggers
		// lets the append-only triggers see INSERT OR REPLACE as well.
		u := url.URL{Scheme: "file", Path: filepath.Join(dir, databaseFile), RawQuery: url.Values{
			"_txlock": {"immediate"},
			"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "recursive_triggers(1)", "temp_store(MEMORY)", "cache_size(-32768)"},
		}.Encode()}
		if !filepath.IsAbs(dir) {
			abs, err := filepath.Abs(dir)
			if err != nil {
				return nil, false, err
			}
			u.Path = filepath.Join(abs, databaseFile)
		}
		// SQLite makes files by the umask; the findings in it are nobody else's.
		f, err := os.OpenFile(u.Path, os.O_RDWR|os.O_CREATE, 0o600)
		if unwritable(err) {
			db, err = readOnly(u.Path)
			return db, true, err
		}
		if err != nil {
			return nil, false, err
		}
		if err := f.Close(); err != nil {
			return nil, false, err
		}
		db, err = sql.Open("sqlite", u.String())
		return db, false, err
	}
	db, err = sql.Open("pgx", database)
	if err != nil {
		return nil, false, &tickmark.Error{Code: tickmark.CodeUsage, Where: "--db", What: "the database URL cannot be read", Err: errors.New("not a PostgreSQL URL")}
	}
	var unsafe string
	err = db.QueryRowContext(ctx, `SELECT CASE WHEN current_setting('fsync') = 'off' THEN 'fsync'
		WHEN current_setting('synchronous_commit') = 'off' THEN 'synchronous_commit'
		WHEN current_setting('full_page_writes') = 'off' THEN 'full_page_writes' ELSE '' END`).Scan(&unsafe)
	if err == nil && unsafe != "" {
		err = fmt.Errorf("%s is off", unsafe)
	}
	if err != nil {
		e := &tickmark.Error{Code: tickmark.CodeUsage, Where: withoutPassword(database), What: "the database cannot be used", Hint: "it must run, let this user in, and keep what it acknowledges", Err: err}
		return nil, false, errors.Join(e, db.Close())
	}
	return db, false, nil
}

// KeyPath is where a data directory keeps its signing key.
func KeyPath(dir string) string { return filepath.Join(dir, keyFile) }

// The two directories hold files of the same names; a test compares them.
//
//go:embed migrations/sqlite/*.sql migrations/postgres/*.sql
var migrations embed.FS

func migrationDir(pg bool) string {
	if pg {
		return "migrations/postgres"
	}
	return "migrations/sqlite"
}

func migrate(ctx context.Context, db *sql.DB, pg, fixed bool, dir string) error {
	files, err := fs.Sub(migrations, migrationDir(pg))
	if err != nil {
		return err
	}
	dialect := goose.DialectSQLite3
	if pg {
		dialect = goose.DialectPostgres
	}
	p, err := goose.NewProvider(dialect, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	if fixed {
		return current(ctx, p, dir)
	}
	_, err = p.Up(ctx)
	return err
}
