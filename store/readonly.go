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

// besides end the names of the files in which SQLite keeps changes that are not
// yet in the database, or that are to be taken back out of it.
var besides = []string{"-wal", "-journal"}

// still is the database as it was when it was opened to be read only. SQLite is
// told that nobody changes it, and would not see who does.
type still struct {
	file string
	info os.FileInfo
}

// look notes what the database is, before anything of it is read.
func look(file string) (*still, error) {
	info, err := os.Stat(file)
	return &still{file, info}, err
}

// changed is an error if somebody wrote to the database since: pages from
// before and after may have been read as one.
func (s *still) changed() error {
	if s == nil {
		return nil
	}
	now, err := os.Stat(s.file)
	same := err == nil && os.SameFile(s.info, now) && s.info.Size() == now.Size() && s.info.ModTime().Equal(now.ModTime())
	for _, beside := range besides {
		switch left, err := os.Stat(s.file + beside); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil, left.Size() > 0:
			same = false
		}
	}
	if same {
		return nil
	}
	return &tickmark.Error{
		Code: tickmark.CodeIncomplete, Where: s.file, What: "it changed while it was read; what was read may be of two states",
		Hint: "run the command again when nobody writes there, or on a copy", Err: err,
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
	for _, beside := range besides {
		switch left, err := os.Stat(file + beside); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, &tickmark.Error{Code: tickmark.CodeUsage, Where: file + beside, What: "may not be read", Hint: "give this user the right to read it", Err: err}
		case left.Size() > 0:
			return nil, &tickmark.Error{
				Code: tickmark.CodeUsage, Where: file + beside, What: "the directory may not be written, and its last changes are not yet in the database or not yet taken back out of it",
				Hint: "copy the whole directory to where this user may write, and use the copy",
			}
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
