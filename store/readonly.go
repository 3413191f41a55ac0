// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"syscall"

	"github.com/pressly/goose/v3"

	"github.com/tickmark/tickmark"
)

// unwritable reports whether an error says that a place may be read but not
// written, as an auditor's copy on a medium that nobody can change.
func unwritable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// errUnwritable says what a person can do about it.
func errUnwritable(where string, err error) error {
	return &tickmark.Error{
		Code: tickmark.CodeUsage, Where: where, What: "may not be written; nothing was recorded",
		Hint: "give this user the right to write there, or another directory", Err: err,
	}
}

// readOnly opens an SQLite database that may not be written. Nothing beside it
// may hold what was not yet taken into it: such a file could not be read
// without writing, and what is recorded in it would be missing unseen.
func readOnly(file string) (*sql.DB, error) {
	f, err := os.Open(file) //nolint:gosec // it lies in the data directory that the operator gave
	if err != nil {
		return nil, &tickmark.Error{Code: tickmark.CodeUsage, Where: file, What: "may not be read", Hint: "give this user the right to read it", Err: err}
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	switch wal, err := os.Stat(file + "-wal"); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, &tickmark.Error{Code: tickmark.CodeUsage, Where: file + "-wal", What: "may not be read", Hint: "give this user the right to read it", Err: err}
	case wal.Size() > 0:
		return nil, &tickmark.Error{
			Code: tickmark.CodeUsage, Where: file + "-wal", What: "the directory may not be written, and its last changes are not yet in the database",
			Hint: "copy the whole directory to where this user may write, and use the copy",
		}
	}
	u := url.URL{Scheme: "file", Path: file, RawQuery: url.Values{
		"mode": {"ro"}, "immutable": {"1"}, "_pragma": {"query_only(1)", "temp_store(MEMORY)", "cache_size(-32768)"},
	}.Encode()}
	return sql.Open("sqlite", u.String())
}

// current refuses tables of another version, which only a writer can bring up
// to date.
func current(ctx context.Context, p *goose.Provider, dir string) error {
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	sources := p.ListSources()
	if want := sources[len(sources)-1].Version; have != want {
		return &tickmark.Error{
			Code: tickmark.CodeUsage, Where: dir, What: "its tables are of another version of tickmark, and may not be written",
			Hint: "copy the whole directory to where this user may write, and use the copy",
		}
	}
	return nil
}
