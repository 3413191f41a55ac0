// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tickmark": main, "az": askTenantAz})
}

// TestScript runs the command line as a person would: a real process, its
// output and its exit status. Each file of testdata/script is one story.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, Setup: scriptSetup(t),
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": scriptStatus, "write": scriptWrite, "nest": scriptNest,
			"cut": scriptCut, "gzip": scriptGzip, "zip": scriptZip, "jsonpath": scriptJSONPath, "column": scriptColumn,
		},
	})
}

// scriptSetup gives every script the examples and one instant.
func scriptSetup(t *testing.T) func(*testscript.Env) error {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return func(e *testscript.Env) error {
		e.Setenv("EXAMPLES", filepath.Join(root, "examples"))
		e.Setenv("NOW", "2026-06-30T00:00:00Z")
		e.Setenv("ESC", "\x1b")
		e.Setenv("TZ", "Pacific/Chatham") // nothing may depend on the machine's zone
		return nil
	}
}

// scriptStatus is "status N tickmark ARGUMENTS…": the exit status must be N.
// Standard output and error can be inspected afterwards, as after exec.
func scriptStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N program arguments…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if strings.Contains(ts.ReadFile("stderr"), "goroutine ") {
		ts.Fatalf("a stack trace is no message")
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// scriptWrite is "write FILE TEXT": TEXT with Go's escapes, for bytes that a
// script cannot hold.
func scriptWrite(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: write file text")
	}
	text, err := strconv.Unquote(`"` + strings.ReplaceAll(args[1], `"`, `\"`) + `"`)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// scriptNest is "nest FILE N": one object whose properties are N arrays deep.
func scriptNest(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: nest file depth")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	text := `{"value":[{"id":"/subscriptions/s/resourceGroups/r/providers/Microsoft.KeyVault/vaults/deep","type":"Microsoft.KeyVault/vaults","name":"deep","properties":` +
		strings.Repeat("[", n) + strings.Repeat("]", n) + `}]}`
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// scriptCut is "cut FILE N": leaves the first N bytes.
func scriptCut(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: cut file length")
	}
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), n))
}

func scriptGzip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: gzip from to")
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte(ts.ReadFile(args[0])))
	ts.Check(errors.Join(err, z.Close()))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b.Bytes(), 0o600))
}

func scriptZip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: zip archive files…")
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range args[1:] {
		w, err := z.Create(filepath.Base(name))
		ts.Check(err)
		_, err = w.Write([]byte(ts.ReadFile(name)))
		ts.Check(err)
	}
	ts.Check(z.Close())
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b.Bytes(), 0o600))
}

// scriptJSONPath is "jsonpath PATH WANT": the value at a dotted path of the
// JSON on standard output, as JSON. "len" is the length of a list.
func scriptJSONPath(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: [!] jsonpath path want")
	}
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &v))
	for key := range strings.SplitSeq(args[0], ".") {
		switch t := v.(type) {
		case map[string]any:
			v = t[key]
		case []any:
			if key == "len" {
				v = len(t)
				continue
			}
			i, err := strconv.Atoi(key)
			ts.Check(err)
			if i >= len(t) {
				ts.Fatalf("%s: the list has %d elements", args[0], len(t))
			}
			v = t[i]
		default:
			ts.Fatalf("%s: nothing at %s", args[0], key)
		}
	}
	got, err := json.Marshal(v)
	ts.Check(err)
	if (string(got) == args[1]) == neg {
		ts.Fatalf("%s is %s; expected: %v %s", args[0], got, !neg, args[1])
	}
}

// scriptColumn is "column NAME VALUE N": N rows of the CSV on standard output
// have VALUE in the column NAME; "+" stands for one or more.
func scriptColumn(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: column name value count")
	}
	rows, err := csv.NewReader(strings.NewReader(ts.ReadFile("stdout"))).ReadAll()
	ts.Check(err)
	at := -1
	for i, name := range rows[0] {
		if name == args[0] {
			at = i
		}
	}
	if at < 0 {
		ts.Fatalf("no column %s in %v", args[0], rows[0])
	}
	n := 0
	for _, row := range rows[1:] {
		if row[at] == args[1] {
			n++
		}
	}
	if strconv.Itoa(n) != args[2] && (args[2] != "+" || n == 0) {
		ts.Fatalf("%d rows with %s %s, want %s", n, args[0], args[1], args[2])
	}
}

func TestJoinShow(t *testing.T) {
	cases := []struct{ in, want string }{
		{"assess a --show check st-tls", "assess|a|--show|check st-tls"},
		{"assess a --show criterion CC6.1 --json", "assess|a|--show|criterion CC6.1|--json"},
		{"assess --show types a", "assess|--show|types|a"},
		{"assess a --show check", "assess|a|--show|check"},
		{"assess a --show check --json", "assess|a|--show|check|--json"},
	}
	for _, c := range cases {
		if got := strings.Join(joinShow(strings.Fields(c.in)), "|"); got != c.want {
			t.Errorf("%s: %s, want %s", c.in, got, c.want)
		}
	}
}
