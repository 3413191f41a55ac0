// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/ledger"
	"github.com/tickmark/tickmark/store"
	"github.com/tickmark/tickmark/store/storetest"
)

// scene is a recorded story: the directory as it is, an older copy of it, and
// the head that was saved when the directory was newest.
type scene struct {
	dir, old string
	head     []byte
}

func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(store.KeyPath(to), 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}

func newScene(t *testing.T) scene {
	t.Helper()
	e := sqliteEnv(t)
	var sc scene
	use(t, e.Dir, true, func(s *store.Store) { storetest.Story(t, s) })
	sc.old = copyDir(t, e.Dir)
	use(t, e.Dir, false, func(s *store.Store) {
		w := storetest.NewWorld(11, 14)
		w.Change(3)
		for range 5 {
			w.Change(1)
		}
		storetest.Record(t, s, w)
		var err error
		if sc.head, err = s.Head(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	sc.dir = e.Dir
	return sc
}

// use opens or makes a store, and closes it again, so that its files are whole.
func use(t *testing.T, dir string, create bool, f func(*store.Store)) {
	t.Helper()
	var s *store.Store
	var err error
	if create {
		s, err = store.Create(t.Context(), dir, "Example Ltd", time.Date(2026, 3, 1, 5, 0, 0, 0, time.UTC), store.Options{})
	} else {
		s, err = store.Open(t.Context(), dir, store.Options{})
	}
	if err != nil {
		t.Fatal(err)
	}
	f(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// edit runs statements on a directory's database with the triggers off.
func edit(t *testing.T, dir string, f func(db *sql.DB)) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "tickmark.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	for _, q := range sqliteEnv(t).Disarm {
		mustExec(t, db, q)
	}
	f(db)
}

func mustExec(t *testing.T, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// relog computes nodes and head anew with the given key, as an intruder who
// knows the format and holds a key would.
func relog(t *testing.T, dir string, db *sql.DB) {
	t.Helper()
	secret, err := os.ReadFile(store.KeyPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ledger.ParseKey(string(secret))
	if err != nil {
		t.Fatal(err)
	}
	_, rows := storetest.Dump(t, db, "(SELECT seq, body FROM leaves ORDER BY seq) AS l")
	bodies := map[int64][]byte{}
	for _, r := range rows {
		bodies[r[0].(int64)] = r[1].([]byte) //nolint:forcetypeassert,errcheck // our own columns
	}
	var tree ledger.Tree
	for seq := range int64(len(bodies)) {
		var nodes []byte
		for _, h := range tree.Add(ledger.LeafHash(bodies[seq])) {
			nodes = append(nodes, h[:]...)
		}
		mustExec(t, db, `UPDATE leaves SET nodes = $1 WHERE seq = $2`, nodes, seq)
	}
	head, err := key.Sign(ledger.Head{Origin: key.Origin(), Size: tree.Size(), Root: tree.Root()})
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, db, `UPDATE ledgers SET size = $1, head = $2`, tree.Size(), head)
}

func onPack(t *testing.T, dir string, f func([]byte) []byte) {
	t.Helper()
	name := filepath.Join(dir, "packs", "000001.pack")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, f(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

// tamperClasses are the twelve classes, some in several forms. without says
// whether verification finds it without a saved head; with one it always must.
var tamperClasses = []struct {
	name    string
	without bool
	do      func(t *testing.T, dir string, sc scene)
}{
	{"edit_a_row/leaf", true, func(t *testing.T, dir string, _ scene) {
		t.Helper()
		edit(t, dir, func(db *sql.DB) {
			mustExec(t, db, `UPDATE leaves SET body = CAST(REPLACE(CAST(body AS TEXT), '"late":false', '"late":true ') AS BLOB) WHERE seq = (SELECT MIN(seq) FROM snapshots)`)
		})
	}},
	{"edit_a_row/interval", true, func(t *testing.T, dir string, _ scene) {
		t.Helper()
		edit(t, dir, func(db *sql.DB) {
			mustExec(t, db, `UPDATE intervals SET verdict = 1, reason_id = 0 WHERE (resource_id, check_id, known_from) = (SELECT resource_id, check_id, known_from FROM intervals WHERE verdict = 2 LIMIT 1)`)
		})
	}},
	{"edit_a_row/leaf_and_nodes", true, func(t *testing.T, dir string, _ scene) {
		t.Helper()
		edit(t, dir, func(db *sql.DB) {
			_, head := storetest.Dump(t, db, "ledgers")
			mustExec(t, db, `UPDATE leaves SET body = CAST(REPLACE(CAST(body AS TEXT), '"actor":"ann"', '"actor":"bob"') AS BLOB) WHERE kind = 'document'`)
			mustExec(t, db, `UPDATE documents SET actor = 'bob' WHERE actor = 'ann'`)
			relog(t, dir, db)
			mustExec(t, db, `UPDATE ledgers SET head = $1`, head[0][2]) // the key is not to be had
		})
	}},
	{"delete_tail", true, func(t *testing.T, dir string, _ scene) {
		t.Helper()
		edit(t, dir, func(db *sql.DB) {
			mustExec(t, db, `DELETE FROM leaves WHERE seq = (SELECT MAX(seq) FROM leaves)`)
			mustExec(t, db, `UPDATE ledgers SET size = size - 1`)
			mustExec(t, db, `DELETE FROM snapshots WHERE batch = (SELECT MAX(batch) FROM snapshots)`)
		})
	}},
	{"delete_middle", true, func(t *testing.T, dir string, _ scene) {
		t.Helper()
		edit(t, dir, func(db *sql.DB) {
			mustExec(t, db, `DELETE FROM documents WHERE kind = 'policy' AND version = 2`)
			mustExec(t, db, `DELETE FROM leaves WHERE seq NOT IN (SELECT seq FROM documents) AND kind = 'document'`)
		})
	}},
	{"reorder", true, func(t *testing.T, dir string, _ scene) {
		t.Helper()
		edit(t, dir, func(db *sql.DB) {
			var a, b int64
			if err := db.QueryRow(`SELECT MIN(seq), MAX(seq) FROM documents WHERE kind = 'policy'`).Scan(&a, &b); err != nil {
				t.Fatal(err)
			}
			for _, table := range []string{"leaves", "documents"} {
				mustExec(t, db, `UPDATE `+table+` SET seq = -seq WHERE seq IN ($1, $2)`, a, b)
				mustExec(t, db, `UPDATE `+table+` SET seq = $1 + seq WHERE seq < 0`, a+b)
			}
		})
	}},
	{"insert_back-dated", true, func(t *testing.T, dir string, _ scene) {
		t.Helper()
		edit(t, dir, func(db *sql.DB) {
			mustExec(t, db, `INSERT INTO intervals (org, resource_id, check_id, known_from, verdict, reason_id, valid_from)
				SELECT org, resource_id + 500, check_id, 1, 1, 0, valid_from FROM intervals WHERE known_from = 1 LIMIT 1`)
		})
	}},
	{"insert_back-dated/leaf", true, func(t *testing.T, dir string, _ scene) {
		t.Helper()
		edit(t, dir, func(db *sql.DB) {
			mustExec(t, db, `UPDATE leaves SET seq = seq + 1000 WHERE seq > 3`)
			mustExec(t, db, `UPDATE leaves SET seq = seq - 999 WHERE seq > 3`)
			mustExec(t, db, `INSERT INTO leaves SELECT org, 4, kind, body, nodes FROM leaves WHERE seq = 3`)
			mustExec(t, db, `UPDATE ledgers SET size = size + 1`)
		})
	}},
	{"swap_a_blob", true, func(t *testing.T, dir string, _ scene) {
		t.Helper()
		edit(t, dir, func(db *sql.DB) { // two atoms of the index change places
			mustExec(t, db, `UPDATE atoms SET pos = 1 - pos WHERE block = 1 AND pos < 2`)
		})
	}},
	{"swap_a_blob/in_the_pack", true, func(t *testing.T, dir string, _ scene) {
		t.Helper()
		onPack(t, dir, func(b []byte) []byte { // two atoms of a block's list change places
			copy(b[24+16:], append(append([]byte{}, b[24+16+36:24+16+72]...), b[24+16:24+16+36]...))
			return b
		})
	}},
	{"truncate/pack", true, func(t *testing.T, dir string, _ scene) {
		t.Helper()
		onPack(t, dir, func(b []byte) []byte { return b[:len(b)-1] })
	}},
	{"truncate/pack_gone", true, func(t *testing.T, dir string, _ scene) {
		t.Helper()
		if err := os.Remove(filepath.Join(dir, "packs", "000001.pack")); err != nil {
			t.Fatal(err)
		}
	}},
	{"roll_back_to_an_old_copy", false, func(t *testing.T, dir string, sc scene) {
		t.Helper()
		if err := errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(sc.old)), os.Chmod(store.KeyPath(dir), 0o600)); err != nil {
			t.Fatal(err)
		}
	}},
	{"re-sign_with_another_key/head_only", true, func(t *testing.T, dir string, _ scene) {
		t.Helper()
		edit(t, dir, func(db *sql.DB) {
			swapKey(t, dir)
			relog(t, dir, db)
		})
	}},
	{"re-sign_with_another_key/whole_log", false, func(t *testing.T, dir string, _ scene) {
		t.Helper()
		// Everything is written anew, consistently, for another key.
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		use(t, dir, true, func(s *store.Store) { storetest.Story(t, s) })
	}},
	{"re-sign_with_the_stolen_key", false, func(t *testing.T, dir string, _ scene) {
		t.Helper()
		edit(t, dir, func(db *sql.DB) {
			mustExec(t, db, `UPDATE leaves SET body = CAST(REPLACE(CAST(body AS TEXT), '"actor":"ann"', '"actor":"bob"') AS BLOB) WHERE kind = 'document'`)
			mustExec(t, db, `UPDATE documents SET actor = 'bob' WHERE actor = 'ann'`)
			relog(t, dir, db)
		})
	}},
	{"fork_two_heads", false, func(t *testing.T, dir string, sc scene) {
		t.Helper()
		// The other branch, signed with the true key, continues the old copy.
		if err := errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(sc.old)), os.Chmod(store.KeyPath(dir), 0o600)); err != nil {
			t.Fatal(err)
		}
		use(t, dir, false, func(s *store.Store) {
			w := storetest.NewWorld(99, 9)
			for range 6 {
				w.Change(1)
			}
			for range 4 {
				w.Change(1)
				storetest.Record(t, s, w)
			}
		})
	}},
	{"change_metadata_only/observed", true, func(t *testing.T, dir string, _ scene) {
		t.Helper()
		edit(t, dir, func(db *sql.DB) {
			mustExec(t, db, `UPDATE snapshots SET observed_at = observed_at - 86400000000 WHERE batch = 2`)
			mustExec(t, db, `UPDATE intervals SET valid_from = valid_from - 86400000000 WHERE known_from = 2`)
			mustExec(t, db, `UPDATE intervals SET valid_to = valid_to - 86400000000 WHERE known_to = 2`)
		})
	}},
	{"change_metadata_only/coverage", true, func(t *testing.T, dir string, _ scene) {
		t.Helper()
		edit(t, dir, func(db *sql.DB) {
			mustExec(t, db, `UPDATE leaves SET body = CAST(REPLACE(CAST(body AS TEXT), '"declared":-1', '"declared":99') AS BLOB) WHERE kind = 'segment'`)
		})
	}},
	{"change_metadata_only/origin", true, func(t *testing.T, dir string, _ scene) {
		t.Helper()
		edit(t, dir, func(db *sql.DB) { mustExec(t, db, `UPDATE snapshots SET origin = 'live'`) })
	}},
}

func swapKey(t *testing.T, dir string) {
	t.Helper()
	other := filepath.Join(t.TempDir(), "other")
	use(t, other, true, func(*store.Store) {})
	b, err := os.ReadFile(store.KeyPath(other))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(store.KeyPath(dir), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// verifyDir says whether Verify finds damage in a directory.
func verifyDir(t *testing.T, dir string, head []byte) (found bool, report string) {
	t.Helper()
	s, err := store.Open(t.Context(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	r, err := s.Verify(t.Context(), head, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, d := range r.Damages {
		fmt.Fprintf(&b, "%s %s: %s\n", d.Class, d.Where, d.What)
	}
	return !r.Clean(), b.String()
}

// python returns the interpreter itself, which may hide behind a script.
func python(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "python3", "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		t.Skip("python3 is not installed")
	}
	return strings.TrimSpace(string(out))
}

// verifyPython says whether doc/spec/verify.py finds damage in a directory.
func verifyPython(t *testing.T, dir string, head []byte, env ...string) (found bool, report string) {
	t.Helper()
	python := python(t)
	args := []string{filepath.Join("..", "doc", "spec", "verify.py"), dir}
	if head != nil {
		name := filepath.Join(t.TempDir(), "head")
		if err := os.WriteFile(name, head, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--head", name)
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), python, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = append(os.Environ(), env...)
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return false, out.String()
	case errors.As(err, &exit) && exit.ExitCode() == 1 && strings.Contains(out.String(), "DAMAGE"):
		return true, out.String()
	}
	t.Fatalf("verify.py: %v\n%s", err, out.String())
	return false, ""
}

// TestTamperClasses shows what verification finds without and with a head that
// was saved outside, by our own code and by the independent verifier.
func TestTamperClasses(t *testing.T) {
	sc := newScene(t)
	verifiers := []struct {
		name string
		run  func(t *testing.T, dir string, head []byte) (bool, string)
	}{
		{"tickmark", verifyDir},
		{"verify.py", func(t *testing.T, dir string, head []byte) (bool, string) {
			t.Helper()
			return verifyPython(t, dir, head)
		}},
	}
	for _, v := range verifiers { // the control: untouched, nothing is found
		for _, head := range [][]byte{nil, sc.head} {
			if found, report := v.run(t, sc.dir, head); found {
				t.Fatalf("%s finds damage in a sound directory:\n%s", v.name, report)
			}
		}
	}
	for _, c := range tamperClasses {
		t.Run(c.name, func(t *testing.T) {
			dir := copyDir(t, sc.dir)
			c.do(t, dir, sc)
			for _, v := range verifiers {
				if found, report := v.run(t, dir, nil); found != c.without {
					t.Errorf("%s without a saved head: found = %t, want %t\n%s", v.name, found, c.without, report)
				}
				found, report := v.run(t, dir, sc.head)
				if !found {
					t.Errorf("%s with a saved head: not found", v.name)
				}
				first, _, _ := strings.Cut(report, "\n")
				t.Logf("%s: %s", v.name, first)
			}
		})
	}
}

// TestFlipEveryByte changes every byte of a small pack, one after the other.
func TestFlipEveryByte(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	use(t, dir, true, func(s *store.Store) {
		w := storetest.NewWorld(21, 2)
		w.Checks = 1
		storetest.Record(t, s, w)
	})
	name := filepath.Join(dir, "packs", "000001.pack")
	pack, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	python := 0
	for i := range pack {
		if _, err := f.WriteAt([]byte{pack[i] ^ byte(1<<(i%8))}, int64(i)); err != nil {
			t.Fatal(err)
		}
		r, err := s.Verify(t.Context(), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Clean() {
			t.Errorf("a flip of byte %d of %d was not found", i, len(pack))
		}
		if i%97 == 0 { // a process for each: every 97th
			python++
			if found, _ := verifyPython(t, dir, nil); !found {
				t.Errorf("verify.py: a flip of byte %d of %d was not found", i, len(pack))
			}
		}
		if _, err := f.WriteAt(pack[i:i+1], int64(i)); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d flips, %d of them also by verify.py", len(pack), python)
	storetest.MustVerify(t, s, nil)
}

// TestVerifyPythonWithoutZstd hides the zstd program: the digests still cover
// every byte, and the verifier says what it did not do.
func TestVerifyPythonWithoutZstd(t *testing.T) {
	sc := newScene(t)
	bin := t.TempDir()
	if err := os.Symlink(python(t), filepath.Join(bin, "python3")); err != nil {
		t.Fatal(err)
	}
	found, report := verifyPython(t, sc.dir, sc.head, "PATH="+bin)
	if found || !strings.Contains(report, "pages: ") {
		t.Errorf("found = %t\n%s", found, report)
	}
	onPack(t, sc.dir, func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
	if found, report = verifyPython(t, sc.dir, nil, "PATH="+bin); !found {
		t.Errorf("a flip was not found\n%s", report)
	}
}

// TestTruncate cuts pack and database at many places: verification finds it or
// the store refuses to open; never wrong data.
func TestTruncate(t *testing.T) {
	sc := newScene(t)
	for _, file := range []string{"packs/000001.pack", "tickmark.db"} {
		info, err := os.Stat(filepath.Join(sc.dir, file))
		if err != nil {
			t.Fatal(err)
		}
		for at := int64(0); at < info.Size(); at += max(512, info.Size()/60/512*512) {
			dir := copyDir(t, sc.dir)
			if err := os.Truncate(filepath.Join(dir, file), at); err != nil {
				t.Fatal(err)
			}
			s, err := store.Open(t.Context(), dir, store.Options{})
			if err != nil {
				continue // refused
			}
			r, err := s.Verify(context.WithoutCancel(t.Context()), sc.head, nil)
			if err == nil && r.Clean() {
				t.Errorf("%s cut at %d of %d: not found", file, at, info.Size())
			}
			var known *tickmark.Error
			if err != nil && !errors.As(err, &known) {
				t.Logf("%s cut at %d: %v", file, at, err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
