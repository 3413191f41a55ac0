// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/tickmark/tickmark/ledger"
)

// memory is a Storage that enforces the contract: rows never change, and an
// append must follow what is there, unless blind is set.
type memory struct {
	rows  []ledger.Row
	head  []byte
	blind bool
	// between runs after the head was read, as another writer's moment.
	between func()
}

func (m *memory) Head(context.Context) (int64, []byte, error) {
	size, head := int64(len(m.rows)), m.head
	if f := m.between; f != nil {
		m.between = nil
		defer f()
	}
	return size, head, nil
}

func (m *memory) Row(_ context.Context, seq int64) (ledger.Row, error) {
	if seq < 0 || seq >= int64(len(m.rows)) {
		return ledger.Row{}, fmt.Errorf("no row %d", seq)
	}
	return m.rows[seq], nil
}

func (m *memory) Append(_ context.Context, size int64, rows []ledger.Row, head []byte) error {
	if !m.blind && size != int64(len(m.rows)) {
		return ledger.ErrConflict
	}
	m.rows = append(m.rows[:min(size, int64(len(m.rows)))], rows...)
	m.head = head
	return nil
}

func newKey(t *testing.T, origin string) *ledger.Key {
	t.Helper()
	secret, err := ledger.NewKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ledger.ParseKey(secret + "\n")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

var at = time.Date(2026, 1, 2, 3, 4, 5, 6789, time.UTC)

func notes(n int) func(int64) ([]ledger.Entry, error) {
	return func(first int64) ([]ledger.Entry, error) {
		var list []ledger.Entry
		for i := range n {
			list = append(list, ledger.Entry{Kind: "note", Body: map[string]string{"text": fmt.Sprintf("<%d&>", first+int64(i))}})
		}
		return list, nil
	}
}

// check recomputes the log in m and returns what is wrong with it.
func check(m *memory, key *ledger.Key) (wrong []string) {
	c := &ledger.Checker{Damage: func(where, what string) { wrong = append(wrong, where+": "+what) }}
	for _, r := range m.rows {
		c.Add(r)
	}
	h, err := ledger.OpenHead(m.head, key.Public())
	switch {
	case err != nil:
		wrong = append(wrong, err.Error())
	case h.Size != c.Size() || h.Root != c.Root():
		wrong = append(wrong, "the head does not fit the leaves")
	}
	return wrong
}

func TestAppend(t *testing.T) {
	key := newKey(t, "example/log")
	m := &memory{}
	for n := range 40 {
		leaves, err := ledger.Append(t.Context(), m, key, at.Add(time.Duration(n)*time.Second), notes(n%5+1))
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf(`{"text":"<%d&>"}`, leaves[0].Seq); string(leaves[0].Body) != want {
			t.Errorf("body %s, want %s", leaves[0].Body, want)
		}
	}
	if wrong := check(m, key); len(wrong) > 0 {
		t.Error(wrong)
	}
	// The root is that of RFC 6962, as another implementation computes it.
	root, err := tlog.TreeHash(int64(len(m.rows)), ledger.Reader(t.Context(), m))
	if err != nil {
		t.Fatal(err)
	}
	if h, err := ledger.OpenHead(m.head, key.Public()); err != nil || h.Root != root {
		t.Errorf("root %v, want %v (%v)", h.Root, root, err)
	}
	for seq := range int64(len(m.rows)) {
		p, err := ledger.ProveLeaf(t.Context(), m, int64(len(m.rows)), seq)
		if err == nil {
			err = tlog.CheckRecord(p, int64(len(m.rows)), root, seq, ledger.LeafHash(m.rows[seq].Leaf))
		}
		if err != nil {
			t.Errorf("leaf %d: %v", seq, err)
		}
	}
	old, err := tlog.TreeHash(17, ledger.Reader(t.Context(), m))
	if err != nil {
		t.Fatal(err)
	}
	p, err := ledger.ProveGrowth(t.Context(), m, int64(len(m.rows)), 17)
	if err == nil {
		err = tlog.CheckTree(p, int64(len(m.rows)), root, 17, old)
	}
	if err != nil {
		t.Error(err)
	}
}

// TestTwoWriters has a second writer append between the first one's reading
// and writing. With the compare-and-swap the first is refused; the control
// without it forks, and the checker sees that.
func TestTwoWriters(t *testing.T) {
	for _, blind := range []bool{false, true} {
		key := newKey(t, "example/log")
		m := &memory{blind: blind}
		if _, err := ledger.Append(t.Context(), m, key, at, notes(3)); err != nil {
			t.Fatal(err)
		}
		var acknowledged []ledger.Leaf
		m.between = func() {
			leaves, err := ledger.Append(context.WithoutCancel(t.Context()), m, key, at, notes(2))
			if err != nil {
				t.Error(err)
			}
			acknowledged = leaves
		}
		_, err := ledger.Append(t.Context(), m, key, at, func(int64) ([]ledger.Entry, error) {
			return []ledger.Entry{{Kind: "other", Body: 1}}, nil
		})
		lost := false
		for _, l := range acknowledged {
			lost = lost || l.Seq >= int64(len(m.rows)) || !bytes.Equal(m.rows[l.Seq].Leaf, l.Encode())
		}
		if blind != lost || blind == errors.Is(err, ledger.ErrConflict) {
			t.Errorf("blind %t: acknowledged leaves lost = %t, second writer got %v", blind, lost, err)
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	key := newKey(t, "example/log")
	fresh := func() *memory {
		m := &memory{}
		if _, err := ledger.Append(t.Context(), m, key, at, notes(6)); err != nil {
			t.Fatal(err)
		}
		return m
	}
	for name, c := range map[string]struct {
		spoil func(m *memory)
		now   time.Time
		key   *ledger.Key
		want  error
	}{
		"a step back of the clock": {func(*memory) {}, at.Add(-ledger.MaxClockStep - time.Second), key, ledger.ErrClock},
		"another key":              {func(*memory) {}, at, newKey(t, "example/log"), ledger.ErrBroken},
		"a lost leaf":              {func(m *memory) { m.rows = m.rows[:5] }, at, key, ledger.ErrBroken},
		"an edited node":           {func(m *memory) { m.rows[5].Nodes[ledger.HashSize] ^= 1 }, at, key, ledger.ErrBroken},
		"an edited head":           {func(m *memory) { m.head = bytes.Replace(m.head, []byte("\n6\n"), []byte("\n7\n"), 1) }, at, key, ledger.ErrBroken},
	} {
		m := fresh()
		c.spoil(m)
		before := len(m.rows)
		if _, err := ledger.Append(t.Context(), m, c.key, c.now, notes(1)); !errors.Is(err, c.want) || len(m.rows) != before {
			t.Errorf("%s: Append = %v, want %v", name, err, c.want)
		}
	}
	m := fresh()
	leaves, err := ledger.Append(t.Context(), m, key, at.Add(-time.Minute), notes(1))
	if err != nil || !leaves[0].RecordedAt.Equal(at.Truncate(time.Microsecond)) {
		t.Errorf("a small step back: recorded at %v (%v), want the instant of the leaf before", leaves, err)
	}
	if _, err := ledger.Append(t.Context(), m, key, at, func(int64) ([]ledger.Entry, error) { return []ledger.Entry{{Kind: "Not A Word"}}, nil }); err == nil {
		t.Error("a kind that is no word was written")
	}
}

func TestHead(t *testing.T) {
	key := newKey(t, "example/log")
	good, err := key.Sign(ledger.Head{Origin: "example/log", Size: 12})
	if err != nil {
		t.Fatal(err)
	}
	if h, err := ledger.OpenHead(good, key.Public()); err != nil || h.Size != 12 {
		t.Fatalf("OpenHead = %+v, %v", h, err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		if h, err := ledger.OpenHead(bad, key.Public()); err == nil && (h.Size != 12 || h.Root != ledger.Hash{}) {
			t.Errorf("a flip of byte %d gives %+v", i, h)
		}
	}
	if _, err := ledger.OpenHead(good, newKey(t, "example/log").Public()); err == nil {
		t.Error("a head signed with another key was opened")
	}
	if _, err := key.Sign(ledger.Head{Origin: "another/log"}); err == nil {
		t.Error("a head of another log was signed")
	}
	for _, bad := range []string{"", "PRIVATE+KEY+x", "PRIVATE+KEY+example/log+00000000+AAAA"} {
		if _, err := ledger.ParseKey(bad); err == nil || (bad != "" && strings.Contains(err.Error(), bad)) {
			t.Errorf("ParseKey(%q) = %v", bad, err)
		}
	}
}

func TestLeafForm(t *testing.T) {
	good := `{"seq":0,"kind":"init","recordedAt":"2026-01-02T03:04:05.000006Z","body":{}}`
	l, err := ledger.ParseLeaf([]byte(good))
	if err != nil || string(l.Encode()) != good {
		t.Fatalf("ParseLeaf = %+v, %v", l, err)
	}
	for _, bad := range []string{
		"", "{}", good[:len(good)-1], good + " ", " " + good, strings.Replace(good, "0,", "00,", 1), strings.Replace(good, "0,", "-1,", 1),
		strings.Replace(good, "init", "Init", 1), strings.Replace(good, "init", "", 1), strings.Replace(good, ".000006Z", "Z", 1),
		strings.Replace(good, ".000006Z", ",000006Z", 1),
		strings.Replace(good, "2026-01-02", "2026-13-02", 1), strings.Replace(good, `"seq"`, `"SEQ"`, 1), strings.Replace(good, `:{}`, `:`, 1),
	} {
		if l, err := ledger.ParseLeaf([]byte(bad)); err == nil && string(l.Encode()) != bad {
			t.Errorf("%q was read as %+v", bad, l)
		}
	}
}

// FuzzParseLeaf holds that what is read is written back byte for byte.
func FuzzParseLeaf(f *testing.F) {
	f.Add([]byte(`{"seq":12,"kind":"init","recordedAt":"2026-01-02T03:04:05.000006Z","body":{"a":[1,2]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ledger.ParseLeaf(b)
		if err == nil && !bytes.Equal(l.Encode(), b) {
			t.Errorf("%q is read as %q", b, l.Encode())
		}
	})
}

// FuzzOpenHead opens foreign heads.
func FuzzOpenHead(f *testing.F) {
	secret, err := ledger.NewKey(rand.Reader, "example/log")
	if err != nil {
		f.Fatal(err)
	}
	key, err := ledger.ParseKey(secret)
	if err != nil {
		f.Fatal(err)
	}
	good, err := key.Sign(ledger.Head{Origin: "example/log", Size: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := ledger.OpenHead(b, key.Public()); err == nil && h.Size != 1 {
			t.Errorf("a forged head was opened: %q", b)
		}
	})
}

// TestTree compares with another implementation for every size.
func TestTree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 300).Draw(t, "n")
		var tree ledger.Tree
		var stored []tlog.Hash
		for i := range n {
			b := fmt.Appendf(nil, "leaf %d", i)
			hashes, err := tlog.StoredHashes(i, b, tlog.HashReaderFunc(func(idx []int64) ([]tlog.Hash, error) {
				var list []tlog.Hash
				for _, x := range idx {
					list = append(list, stored[x])
				}
				return list, nil
			}))
			if err != nil {
				t.Fatal(err)
			}
			stored = append(stored, hashes...)
			nodes := tree.Add(ledger.LeafHash(b))
			if len(nodes) != len(hashes) {
				t.Fatalf("leaf %d completes %d nodes, want %d", i, len(nodes), len(hashes))
			}
			for k := range nodes {
				if nodes[k] != hashes[k] {
					t.Fatalf("leaf %d, node %d differs", i, k)
				}
			}
		}
		want, err := tlog.TreeHash(n, tlog.HashReaderFunc(func(idx []int64) ([]tlog.Hash, error) {
			var list []tlog.Hash
			for _, x := range idx {
				list = append(list, stored[x])
			}
			return list, nil
		}))
		if err != nil || tree.Root() != want {
			t.Fatalf("root of %d leaves differs (%v)", n, err)
		}
	})
}
