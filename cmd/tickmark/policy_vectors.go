// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/policy"
	"github.com/tickmark/tickmark/policy/unit"
)

// policyTestCommand is tickmark policy test.
type policyTestCommand struct {
	Files []string `arg:"" name:"file" help:"Test files (YAML), vector files (JSON lines), or folders of them."`
	JSON  bool     `help:"Print JSON: {total, passed, failed: [{id, want, got}]}."`
	Skip  []string `placeholder:"FILE" help:"CSV of vectors to count apart: id or pattern, why."`
	Now   string   `placeholder:"INSTANT" help:"The instant for tests that name none (RFC 3339); default: the clock."`
	aliasFlags
}

// testRun gathers the outcomes of all files.
type testRun struct {
	Total   int           `json:"total"`
	Passed  int           `json:"passed"`
	Failed  []testFailure `json:"failed"`
	Skipped []testSkip    `json:"skipped"`
	Suites  []testSuite   `json:"suites"`

	skips   []skipRule
	aliases map[string]*policy.Catalog
	builtin func() (*policy.Catalog, error)
	now     time.Time
}

type testFailure struct {
	ID   string `json:"id"`
	Want string `json:"want"`
	Got  string `json:"got"`
	Why  string `json:"why,omitempty"`
}

type testSkip struct {
	ID  string `json:"id"`
	Why string `json:"why"`
}

type testSuite struct {
	Suite   string `json:"suite"`
	Total   int    `json:"total"`
	Passed  int    `json:"passed"`
	Failed  int    `json:"failed"`
	Skipped int    `json:"skipped"`
}

// Run runs the tests and reports; the status is 1 when one failed.
func (c *policyTestCommand) Run(rc *runContext) error {
	now, err := instant(c.Now, rc.Now)
	if err != nil {
		return err
	}
	t := &testRun{Failed: []testFailure{}, Skipped: []testSkip{}, aliases: map[string]*policy.Catalog{}, builtin: c.load, now: now}
	for _, f := range c.Skip {
		rules, err := readSkips(f)
		if err != nil {
			return err
		}
		t.skips = append(t.skips, rules...)
	}
	files, err := testFiles(c.Files)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := rc.Context.Err(); err != nil {
			return err
		}
		if err := t.file(f); err != nil {
			return err
		}
	}
	if t.Total+len(t.Skipped) == 0 {
		return &tickmark.Error{Code: tickmark.CodeUsage, What: "the files hold no tests", Where: strings.Join(c.Files, ", ")}
	}
	if c.JSON {
		err = printJSON(rc, t)
	} else {
		err = t.print(rc.Out)
	}
	if err == nil && len(t.Failed) > 0 {
		return statusError(tickmark.ExitFindings)
	}
	return err
}

// testFiles replaces folders by the test files in them.
func testFiles(names []string) ([]string, error) {
	var out []string
	for _, name := range names {
		st, err := os.Stat(name)
		if err != nil {
			return nil, &tickmark.Error{Code: tickmark.CodeUsage, What: "the file cannot be read", Err: err}
		}
		if !st.IsDir() {
			out = append(out, name)
			continue
		}
		err = filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && slices.Contains([]string{".jsonl", ".yaml", ".yml"}, filepath.Ext(path)) {
				out = append(out, path)
			}
			return err
		})
		if err != nil {
			return nil, &tickmark.Error{Code: tickmark.CodeUsage, What: "the folder cannot be read", Err: err}
		}
	}
	return out, nil
}

// file runs one file: vectors when its first line is one, else unit tests.
func (t *testRun) file(name string) error {
	src, err := readInput(name)
	if err != nil {
		return err
	}
	line, _, _ := bytes.Cut(bytes.TrimLeft(src, " \t\r\n"), []byte("\n"))
	if _, err := policy.ParseVector(name, bytes.TrimSpace(line)); err == nil || filepath.Ext(name) == ".jsonl" {
		t.vectors(name, src)
		return nil
	}
	return t.units(name, src)
}

func (t *testRun) vectors(name string, src []byte) {
	dir := filepath.Dir(name)
	number := 0
	for line := range bytes.Lines(src) {
		number++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		v, err := policy.ParseVector(name, line)
		if err != nil {
			t.add("unreadable", fmt.Sprintf("%s:%d", name, number), "a vector", "an unreadable line", err.Error())
			continue
		}
		want, got, err := v.Run(func(file string) (*policy.Catalog, error) { return t.vectorAliases(filepath.Join(dir, file)) })
		var skip *policy.SkipError
		switch {
		case errors.As(err, &skip):
			t.skip(v.Suite, v.ID, skip.Why)
		case errors.Is(err, policy.ErrSuite):
			t.skip(v.Suite, v.ID, err.Error())
		case err != nil:
			t.add(v.Suite, v.ID, want, "error", err.Error())
		default:
			t.add(v.Suite, v.ID, want, got, "")
		}
	}
}

// vectorAliases reads an alias file of vectors, once. Fields that it lacks are
// literal paths, as the format says.
func (t *testRun) vectorAliases(file string) (*policy.Catalog, error) {
	if c := t.aliases[file]; c != nil {
		return c, nil
	}
	b, err := os.ReadFile(file) //nolint:gosec // beside the file that the user named
	if err != nil {
		return nil, err
	}
	c := policy.NewCatalog()
	c.Literal = true
	t.aliases[file] = c
	return c, c.AddAliases(file, b)
}

func (t *testRun) units(name string, src []byte) error {
	builtin, err := t.builtin()
	if err != nil {
		return err
	}
	dir := filepath.Dir(name)
	u, err := unit.Parse(name, src, unit.Options{
		Catalog: builtin,
		Read: func(file string) ([]byte, error) {
			if !filepath.IsAbs(file) {
				file = filepath.Join(dir, file)
			}
			return os.ReadFile(file) //nolint:gosec // the test names the file
		},
	})
	if err != nil {
		return inputError(err)
	}
	for _, r := range u.Run(t.now) {
		why := r.Why
		if r.Want != r.Got {
			why = fmt.Sprintf("%s:%d:%d: %s", name, r.Line, r.Col, r.Why)
		}
		t.add("unit", name+"/"+r.Name, r.Want, r.Got, why)
	}
	return nil
}

func (t *testRun) suite(name string) *testSuite {
	i := slices.IndexFunc(t.Suites, func(s testSuite) bool { return s.Suite == name })
	if i < 0 {
		t.Suites = append(t.Suites, testSuite{Suite: name})
		i = len(t.Suites) - 1
	}
	return &t.Suites[i]
}

func (t *testRun) skip(suite, id, why string) {
	t.suite(suite).Skipped++
	t.Skipped = append(t.Skipped, testSkip{id, why})
}

// add counts one test that was run.
func (t *testRun) add(suite, id, want, got, why string) {
	for i := range t.skips {
		if t.skips[i].matches(id) {
			if want == got {
				why = t.skips[i].why + " (it passes)"
			} else {
				why = t.skips[i].why
			}
			t.skip(suite, id, why)
			return
		}
	}
	s := t.suite(suite)
	s.Total++
	t.Total++
	if want == got {
		s.Passed++
		t.Passed++
		return
	}
	s.Failed++
	t.Failed = append(t.Failed, testFailure{id, want, got, why})
}

func (t *testRun) print(w io.Writer) error {
	for _, f := range t.Failed {
		fmt.Fprintf(w, "✗ %s\n    want %s\n    got  %s\n", f.ID, f.Want, f.Got)
		if f.Why != "" {
			fmt.Fprintf(w, "    %s\n", strings.ReplaceAll(f.Why, "\n", "\n    "))
		}
	}
	if len(t.Failed) > 0 {
		fmt.Fprintln(w)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "suite\ttests\tpassed\tfailed\tskipped")
	for _, s := range t.Suites {
		fmt.Fprintf(tw, "%s\t%d\t%d\t%d\t%d\n", s.Suite, s.Total, s.Passed, s.Failed, s.Skipped)
	}
	fmt.Fprintf(tw, "total\t%d\t%d\t%d\t%d\n", t.Total, t.Passed, len(t.Failed), len(t.Skipped))
	return tw.Flush()
}

// skipRule is one row of a skip list.
type skipRule struct{ pattern, why string }

// readSkips reads a skip list: CSV with the columns id (or id_pattern) and
// why. * in an id stands for any run of characters; an id may leave out the
// folders in front.
func readSkips(file string) ([]skipRule, error) {
	b, err := readInput(file)
	if err != nil {
		return nil, err
	}
	r := csv.NewReader(bytes.NewReader(b))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		return nil, inputError(fmt.Errorf("%s: %w", file, err))
	}
	id, why := 0, 1
	var out []skipRule
	for i, row := range rows {
		if i == 0 && strings.HasPrefix(row[0], "id") {
			if at := slices.Index(row, "why"); at >= 0 {
				why = at
			}
			continue
		}
		s := skipRule{why: "listed in " + filepath.Base(file)}
		if why < len(row) && row[why] != "" {
			s.why = row[why]
		}
		for _, p := range alternatives(row[id]) {
			s.pattern = p
			out = append(out, s)
		}
	}
	return out, nil
}

// alternatives splits "a/{b;c}; d" into a/b, a/c and d.
func alternatives(s string) []string {
	var out []string
	for s = strings.TrimSpace(s); s != ""; {
		end, depth := len(s), 0
		for i, c := range s {
			switch {
			case c == '{':
				depth++
			case c == '}':
				depth--
			case c == ';' && depth == 0 && end == len(s):
				end = i
			}
		}
		item := strings.TrimSpace(s[:end])
		s = strings.TrimSpace(strings.TrimPrefix(s[end:], ";"))
		open, closing := strings.IndexByte(item, '{'), strings.IndexByte(item, '}')
		if open < 0 || closing < open {
			out = append(out, item)
			continue
		}
		for _, part := range strings.FieldsFunc(item[open+1:closing], func(c rune) bool { return c == ';' || c == ',' }) {
			out = append(out, item[:open]+strings.TrimSpace(part)+item[closing+1:])
		}
	}
	return out
}

// matches reports whether the rule names the id, whole or from a folder on.
func (s skipRule) matches(id string) bool {
	for rest := id; ; {
		if globMatch(s.pattern, rest) {
			return true
		}
		_, after, ok := strings.Cut(rest, "/")
		if !ok {
			return false
		}
		rest = after
	}
}

// globMatch matches s against a pattern in which * stands for any run.
func globMatch(pattern, s string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == s
	}
	if !strings.HasPrefix(s, head) {
		return false
	}
	s = s[len(head):]
	parts := strings.Split(rest, "*")
	for _, p := range parts[:len(parts)-1] {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return strings.HasSuffix(s, parts[len(parts)-1])
}
