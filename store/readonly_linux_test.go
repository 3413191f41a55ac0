// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/store"
)

// asReader runs f as somebody who may read dir and not write it.
func asReader(t *testing.T, dir string, f func()) {
	t.Helper()
	mode := func(file, folder os.FileMode) {
		err := filepath.Walk(dir, func(p string, info os.FileInfo, err error) error {
			if err != nil {
				return err
			}
			if info.IsDir() {
				return os.Chmod(p, folder)
			}
			if filepath.Base(p) == "signing.key" {
				return nil
			}
			return os.Chmod(p, file)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for up := dir; up != os.TempDir() && len(up) > 1; up = filepath.Dir(up) {
		if err := os.Chmod(up, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mode(0o444, 0o555)
	defer mode(0o600, 0o700)
	if os.Getuid() == 0 {
		// Root may write whatever the mode; as another file system user it may not.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := syscall.Setfsuid(65534); err != nil {
			t.Skip(err)
		}
		defer func() { _ = syscall.Setfsuid(0) }()
	}
	if err := os.WriteFile(filepath.Join(dir, "probe"), nil, 0o600); err == nil {
		t.Fatal("the folder can be written, so this test shows nothing")
	}
	f()
}

// TestReadOnly: an auditor reads and verifies a copy that nobody may write, and
// who would record there is told.
func TestReadOnly(t *testing.T) {
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "data")
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s, err := store.Create(ctx, dir, "Example", now, store.Options{Sample: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	asReader(t, dir, func() {
		s, err := store.Open(ctx, dir, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		head, err := s.Head(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Verify(ctx, head, nil); err != nil {
			t.Error(err)
		}
		_, err = s.Rebuild(ctx, nil)
		var e *tickmark.Error
		if !errors.As(err, &e) || e.Code != tickmark.CodeUsage {
			t.Errorf("rebuild on a folder that may not be written: %v", err)
		}
	})
	// What lies beside the database and was not taken into it would be missing
	// unseen: refused.
	for _, beside := range []string{"tickmark.db-wal", "tickmark.db-journal"} {
		name := filepath.Join(dir, beside)
		if err := os.WriteFile(name, []byte("not yet taken in"), 0o600); err != nil {
			t.Fatal(err)
		}
		asReader(t, dir, func() {
			_, err := store.Open(ctx, dir, store.Options{})
			var e *tickmark.Error
			if !errors.As(err, &e) || e.Code != tickmark.CodeUsage || e.Where != name {
				t.Errorf("%s cannot be taken in: %v", beside, err)
			}
		})
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReadOnlyChanged: whoever may not write reads on the promise that nobody
// does; where somebody did, what was read is not passed off as one state.
func TestReadOnlyChanged(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name string
		do   func(t *testing.T, file string)
	}{
		{"nothing", nil},
		{"its time", func(t *testing.T, file string) {
			t.Helper()
			at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
			if err := os.Chtimes(file, at, at); err != nil {
				t.Error(err)
			}
		}},
		{"a log beside it", func(t *testing.T, file string) {
			t.Helper()
			if err := os.WriteFile(file+"-wal", []byte("written"), 0o600); err != nil {
				t.Error(err)
			}
		}},
		{"a journal beside it", func(t *testing.T, file string) {
			t.Helper()
			if err := os.WriteFile(file+"-journal", []byte("written"), 0o600); err != nil {
				t.Error(err)
			}
		}},
		{"another in its place", func(t *testing.T, file string) {
			t.Helper()
			b, err := os.ReadFile(file)
			if err == nil {
				err = os.Remove(file)
			}
			if err == nil {
				err = os.WriteFile(file, b, 0o600)
			}
			if err != nil {
				t.Error(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			s, err := store.Create(ctx, dir, "Example", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), store.Options{Sample: true})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			var reader *store.Store
			asReader(t, dir, func() {
				if reader, err = store.Open(ctx, dir, store.Options{}); err != nil {
					t.Fatal(err)
				}
			})
			if c.do != nil {
				c.do(t, filepath.Join(dir, "tickmark.db"))
			}
			_, verified := reader.Verify(ctx, nil, nil)
			for what, err := range map[string]error{"verify": verified, "close": reader.Close()} {
				var e *tickmark.Error
				if told := errors.As(err, &e) && e.Code == tickmark.CodeIncomplete; told != (c.do != nil) {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
}
