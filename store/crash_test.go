// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/store"
	"github.com/tickmark/tickmark/store/storetest"
)

// childEnv names the data directory that a child process records into;
// childMode is "true" for an honest writer and "early" for one that
// acknowledges before it has recorded.
const (
	childEnv  = "TICKMARK_TEST_CHILD_DIR"
	childMode = "TICKMARK_TEST_CHILD_MODE"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := child(dir, os.Getenv(childMode) == "early"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child records without end and prints what it acknowledges.
func child(dir string, early bool) error {
	ctx := context.Background()
	s, err := store.Open(ctx, dir, store.Options{PackSize: 200_000})
	if err != nil {
		return err
	}
	list, err := s.Snapshots(ctx)
	if err != nil {
		return err
	}
	w := storetest.NewWorld(uint64(len(list)), 250)
	w.PerPage = 50
	for range len(list) + 1 {
		w.Change(1) // time goes on
	}
	for n := len(list) + 1; ; n++ {
		w.Change(120)
		ack := func() { fmt.Printf("ack s%d\n", n) }
		if early {
			ack()
		}
		rec, err := s.Record(ctx, w.Snapshot(), nil, w.Results(), w.At(), nil)
		if err != nil {
			return err
		}
		if rec.Entry.ID != fmt.Sprintf("s%d", n) {
			return fmt.Errorf("recorded %s, want s%d", rec.Entry.ID, n)
		}
		if !early {
			ack()
		}
	}
}

// killed runs a child and kills it after a while, or once it has acknowledged
// something if after is 0. It returns the snapshots it acknowledged.
func killed(t *testing.T, dir, mode string, after time.Duration) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childEnv+"="+dir, childMode+"="+mode)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var acks []string
	if after == 0 {
		if lines.Scan() {
			acks = append(acks, strings.TrimPrefix(lines.Text(), "ack "))
		}
	} else {
		time.Sleep(after)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		acks = append(acks, strings.TrimPrefix(lines.Text(), "ack "))
	}
	if _, err := io.Copy(io.Discard, out); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if stderr.Len() > 0 {
		t.Fatalf("the child failed by itself: %s", stderr.String())
	}
	return acks
}

// broken is the invariant checker: it says what is wrong with a directory in
// which the given snapshots were acknowledged.
func broken(t *testing.T, s *store.Store, acknowledged []string) []string {
	t.Helper()
	var wrong []string
	r, err := s.Verify(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range r.Damages {
		wrong = append(wrong, fmt.Sprintf("damage: %s %s: %s", d.Class, d.Where, d.What))
	}
	list, err := s.Snapshots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for i, e := range list {
		have[e.ID] = true
		if e.ID != fmt.Sprintf("s%d", i+1) {
			wrong = append(wrong, "a gap before "+e.ID)
		}
	}
	for _, id := range acknowledged {
		if !have[id] {
			wrong = append(wrong, id+" was acknowledged and is lost")
		}
	}
	if len(list) > 0 {
		if _, err := s.Load(t.Context(), "latest"); err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	return wrong
}

// TestKill kills recordings with SIGKILL at random points: 10 times, or as
// often as TICKMARK_KILLS says.
func TestKill(t *testing.T) {
	kills := 10
	if v := os.Getenv("TICKMARK_KILLS"); v != "" {
		var err error
		if kills, err = strconv.Atoi(v); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(t.TempDir(), "data")
	use(t, dir, true, func(*store.Store) {})
	var acks []string
	interrupted := 0
	for i := range kills {
		acks = append(acks, killed(t, dir, "true", time.Duration(20+rand.IntN(300))*time.Millisecond)...)
		use(t, dir, false, func(s *store.Store) {
			if wrong := broken(t, s, acks); len(wrong) > 0 {
				t.Fatalf("after kill %d: %s", i+1, strings.Join(wrong, "\n"))
			}
			if r, err := s.Verify(t.Context(), nil, nil); err == nil && len(r.Notices) > 0 {
				interrupted++
			}
		})
	}
	t.Logf("%d kills, %d in the middle of a recording, %d snapshots acknowledged", kills, interrupted, len(acks))
	if interrupted == 0 && kills >= 10 {
		t.Error("no kill hit a recording: the test shows nothing")
	}
	use(t, dir, false, func(s *store.Store) { // and it goes on
		w := storetest.NewWorld(5, 10)
		for range 4000 {
			w.Change(1)
		}
		storetest.Record(t, s, w)
		storetest.MustVerify(t, s, nil)
	})
}

// TestKillControl shows that the checker of TestKill can fail: a writer that
// acknowledges before the commit loses what it acknowledged.
func TestKillControl(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	use(t, dir, true, func(*store.Store) {})
	for range 20 {
		acks := killed(t, dir, "early", 0)
		lost := false
		use(t, dir, false, func(s *store.Store) { lost = len(broken(t, s, acks)) > 0 })
		if lost {
			return
		}
	}
	t.Error("a writer that acknowledges early was never caught")
}

// TestDiskFull fills a file system of 6 MiB: recordings fail cleanly, nothing
// acknowledged is lost, and the same store goes on once there is space.
func TestDiskFull(t *testing.T) {
	mnt := t.TempDir()
	unmount, err := mountTmpfs(mnt, "size=6m")
	if err != nil {
		t.Skipf("cannot mount a tmpfs here: %v", err)
	}
	t.Cleanup(unmount)
	ballast := filepath.Join(mnt, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(mnt, "data")
	use(t, dir, true, func(s *store.Store) {
		w := storetest.NewWorld(31, 200)
		var acks []string
		failures := 0
		for range 200 {
			w.Change(100)
			rec, err := s.Record(t.Context(), w.Snapshot(), nil, w.Results(), w.At(), nil)
			if err == nil {
				acks = append(acks, rec.Entry.ID)
				continue
			}
			var e *tickmark.Error
			if !errors.As(err, &e) || e.Hint == "" {
				t.Errorf("the error does not say what to do: %v", err)
			}
			if failures++; failures == 3 {
				break
			}
		}
		if failures == 0 || len(acks) == 0 {
			t.Fatalf("%d recordings, %d failures: the test shows nothing", len(acks), failures)
		}
		t.Logf("%d recordings acknowledged before the disk was full", len(acks))
		if wrong := broken(t, s, acks); len(wrong) > 0 {
			t.Errorf("on a full disk: %s", strings.Join(wrong, "\n"))
		}
		// The control: believing the failed recording would be found out.
		if len(broken(t, s, append(acks, fmt.Sprintf("s%d", len(acks)+1)))) == 0 {
			t.Error("the checker does not miss a recording that failed")
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		w.Change(20)
		rec := storetest.Record(t, s, w)
		if wrong := broken(t, s, append(acks, rec.Entry.ID)); len(wrong) > 0 {
			t.Errorf("with space again: %s", strings.Join(wrong, "\n"))
		}
	})
}
