// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tickmark/tickmark/ledger"
)

// TestWorkedExample runs the commands of doc/spec/ledger.md in a copy of the
// repository's example, and again after one byte of it was changed.
func TestWorkedExample(t *testing.T) {
	for _, tool := range []string{"bash", "openssl", "sha256sum"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	page, err := os.ReadFile("../doc/spec/ledger.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```sh\n")
	script, rest, _ := strings.Cut(rest, "```\n")
	_, rest, _ = strings.Cut(rest, "```\n")
	want, _, ok := strings.Cut(rest, "```\n")
	if !ok {
		t.Fatal("the page has no worked example")
	}
	run := func(dir string) string {
		tmp := t.TempDir()
		cmd := exec.CommandContext(t.Context(), "bash", "-c", strings.ReplaceAll(script, "/tmp/", tmp+"/"))
		cmd.Dir = dir
		out, _ := cmd.CombinedOutput() // a failing comparison is part of the test
		return string(out)
	}
	dir := t.TempDir()
	example := filepath.Join(dir, "doc", "spec", "testdata", "example")
	if err := os.CopyFS(example, os.DirFS("../doc/spec/testdata/example")); err != nil {
		t.Fatal(err)
	}
	if got := run(dir); got != want {
		t.Errorf("the commands print:\n%s\nthe page says:\n%s", got, want)
	}
	var tree ledger.Tree
	for _, name := range []string{"leaf-0.json", "leaf-1.json", "leaf-2.json"} {
		b, err := os.ReadFile(filepath.Join(example, name))
		if err != nil {
			t.Fatal(err)
		}
		if l, err := ledger.ParseLeaf(b); err != nil || l.Seq != tree.Size() {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
		tree.Add(ledger.LeafHash(b))
	}
	head, err := os.ReadFile(filepath.Join(example, "head"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(example, "key"))
	if err != nil {
		t.Fatal(err)
	}
	if h, err := ledger.OpenHead(head, strings.TrimSpace(string(key))); err != nil || h.Root != tree.Root() || h.Size != 3 {
		t.Errorf("head %+v, %v", h, err)
	}
	// The control: a changed leaf is found by the same commands.
	name := filepath.Join(example, "leaf-1.json")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-5] ^= 1
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := run(dir); strings.Contains(got, "root: as in the head") {
		t.Errorf("the commands do not see a changed leaf:\n%s", got)
	}
}

// TestVerifierIsShort holds doc/spec/verify.py to its promise.
func TestVerifierIsShort(t *testing.T) {
	b, err := os.ReadFile("../doc/spec/verify.py")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(b), "\n"); n > 400 {
		t.Errorf("verify.py has %d lines, want at most 400", n)
	}
}
