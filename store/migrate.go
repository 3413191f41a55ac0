// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"embed"
	"io/fs"

	"github.com/pressly/goose/v3"
)

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
