// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/report"
)

// ownHostile are names that a foreign tenant could choose; the corpus adds to them.
var ownHostile = []string{
	"<script>document.documentElement.dataset.owned='1'</script>",
	"<img src=x onerror=\"document.documentElement.dataset.owned='1'\">",
	"\"><svg onload=document.documentElement.dataset.owned='1'>",
	"</script><script>document.documentElement.dataset.owned='1'</script>",
	"<!--<script>", "]]>", "javascript:document.documentElement.dataset.owned='1'",
	"{{.Script}}", "' onmouseover='document.documentElement.dataset.owned=1",
	"\x1b[31mred\x1b[0m\x1b]0;title\x07", "\x1b[2J\x1b[H", "a\u202eexe.pdf", "a\u2066b\u2069", "a\u200bb", "\ufeffbom",
	"line\nbreak\r\nand\ttab", "nul\x00nul", "\x9b31mC1", "\xff\xfe bad", "z\u0301\u0302\u0303\u0304\u0305\u0306algo",
	"=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "  =1", "\u00a0=1", "＝1", "\r=1", "\x00=1",
	"日本語のとても長い名前日本語のとても長い名前日本語のとても長い名前日本語", strings.Repeat("long ", 2000), strings.Repeat("x", 5000),
}

// shared finds a folder named shared beside or above the repository.
func shared(t *testing.T, path string) string {
	t.Helper()
	if dir := os.Getenv("TICKMARK_SHARED"); dir != "" {
		return filepath.Join(dir, path)
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		p := filepath.Join(dir, "..", "shared", path)
		if _, err := os.Stat(p); err == nil {
			return p
		}
	}
	return ""
}

func hostileNames(t *testing.T) []string {
	t.Helper()
	names := ownHostile
	path := shared(t, "corpora/blns.json")
	if path == "" {
		t.Log("no corpora/blns.json here: only the names of this file are tried")
		return names
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var more []string
	if err := json.Unmarshal(b, &more); err != nil {
		t.Fatal(err)
	}
	return append(more, names...)
}

// hostile is an assessment with s in every text field.
func hostile(names []string) *check.Assessment {
	a := &check.Assessment{Engine: names[0], Origin: names[1], Now: sampleAt, ObservedAt: sampleAt}
	var results []tickmark.Result
	for i, s := range names {
		c := &catalog.Check{
			ID: s, Title: s, Area: s, Severity: tickmark.High, Why: s, Types: []string{s}, Needs: []string{s}, Permission: s, NotProven: s,
			Criteria: []catalog.CriterionLink{{Code: s, Link: s}}, Witness: []catalog.Witness{{Log: s, Operations: []string{s}}},
			Defaults:    []catalog.ServiceDefault{{Field: s, Value: s, Reference: s}},
			Remediation: catalog.Remediation{CLI: s, Bicep: s, Portal: s}, Rule: []byte(s), References: []string{s, "https://example.org/" + s},
			Retired: &catalog.Retired{On: s, Note: s, Reference: s},
		}
		r := tickmark.Result{Check: s, Resource: s, Type: s, Verdict: tickmark.Verdicts()[i%5], Why: tickmark.Why{
			Message: s, Condition: s, Field: s, Path: s, Found: s, Wanted: s, Related: s, NearMiss: s,
		}}
		if r.Verdict == tickmark.Unknown {
			r.Reason = tickmark.Reason(s)
		}
		a.Checks = append(a.Checks, summarise(c, []tickmark.Result{r}))
		results = append(results, r)
		a.Criteria = append(a.Criteria, check.CriterionSummary{
			Criterion: &catalog.Criterion{Code: s, Category: s, Title: s}, State: check.StateFail, Fail: 1, Automation: s, Checks: []int{i},
		})
		a.Inputs = append(a.Inputs, check.Input{Name: s, Form: s})
		a.Coverage = append(a.Coverage, tickmark.Coverage{Source: s, Scope: s, Complete: []string{s}, CompleteBy: s, Missing: tickmark.Reason(s), Detail: s})
		a.Problems = append(a.Problems, tickmark.Problem{Input: s, Line: 1, Byte: -1, Object: s, Reason: tickmark.Reason(s), What: s, Hint: s})
		a.Types = append(a.Types, check.TypeCount{Type: s, Resources: 1})
	}
	a.Results = check.ResultsOf(a.Checks, results)
	return a
}

// unsafeRune finds what would act on a screen instead of being shown on it.
func unsafeRune(s string) (rune, bool) {
	for _, r := range s {
		if r != '\n' && r != ' ' && !unicode.IsGraphic(r) {
			return r, true
		}
	}
	return 0, false
}

func TestHostileNamesOnTheTerminal(t *testing.T) {
	names := hostileNames(t)
	a := hostile(names)
	views := []string{"", "types", "problems", "unknown", "check " + ownHostile[0], "criterion " + ownHostile[0], "resource " + ownHostile[0]}
	for _, view := range views {
		got := terminal(t, a, report.TerminalOptions{Show: view, Limit: -1})
		if r, bad := unsafeRune(got); bad {
			t.Errorf("view %q: U+%04X reaches the terminal", view, r)
		}
		for l := range strings.Lines(got) {
			if n := width(strings.TrimSuffix(l, "\n")); n > 80 {
				t.Errorf("view %q: %d columns: %q", view, n, l)
			}
		}
	}
	// With colour, the only escapes are our own.
	got := terminal(t, a, report.TerminalOptions{Show: "problems", Limit: -1, Color: true})
	if r, bad := unsafeRune(regexp.MustCompile(`\x1b\[[0-9;]*m`).ReplaceAllString(got, "")); bad {
		t.Errorf("with colour: U+%04X reaches the terminal", r)
	}
	if strings.Contains(got, "\x1b[31mred") {
		t.Error("an escape sequence of a name reaches the terminal")
	}
	// Errors quote what was asked for.
	for _, view := range []string{"nothing \x1b[31m", "check \x1b[31m", "criterion \x1b[31m", "resource \x1b[31m", "types \x1b[31m"} {
		err := report.Terminal(&strings.Builder{}, a, report.TerminalOptions{Show: view})
		if err == nil || strings.ContainsRune(err.Error(), 0x1b) {
			t.Errorf("view %q: error %q", view, err)
		}
	}
}

// width counts columns roughly: wide characters as two, marks as none.
func width(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me):
		case r >= 0xff61 && r <= 0xffdc: // half-width forms
			n++
		case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul):
			n += 2
		default:
			n++
		}
	}
	return n
}

func TestHostileNamesInCSV(t *testing.T) {
	names := hostileNames(t)
	a := hostile(names)
	var b strings.Builder
	if err := report.CSV(&b, a); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(names)+1 {
		t.Fatalf("%d rows for %d names", len(rows)-1, len(names))
	}
	opens := regexp.MustCompile(`^[\s\p{Z}\p{C}]*[=+\-@＝＋－＠]`)
	for _, row := range rows[1:] {
		if len(row) != 18 {
			t.Fatalf("%d cells: %q", len(row), row)
		}
		for _, cell := range row {
			if opens.MatchString(cell) {
				t.Errorf("a spreadsheet would evaluate %q", cell)
			}
			if strings.ContainsAny(cell, "\x00\x1b\x07") {
				t.Errorf("control character in %q", cell)
			}
		}
	}
	for name, want := range map[string]string{"=1+1": "'=1+1", "  =1": "'  =1", "plain": "plain", "": "", "a,b": "a,b", `say "x"`: `say "x"`} {
		one := hostile([]string{"e", "o", name})
		b.Reset()
		if err := report.CSV(&b, one); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
		if err != nil || rows[3][4] != want {
			t.Errorf("%q: cell %q, want %q (%v)", name, rows[3][4], want, err)
		}
	}
}

// TestHostileNamesInHTML looks at the text of the page: every tag in it is ours.
func TestHostileNamesInHTML(t *testing.T) {
	p := string(page(t, hostile(hostileNames(t)), report.HTMLOptions{}))
	ours := string(page(t, hostile([]string{"a", "b"}), report.HTMLOptions{}))
	tag := regexp.MustCompile(`<([a-zA-Z][a-zA-Z0-9]*)`)
	known := map[string]bool{}
	for _, m := range tag.FindAllStringSubmatch(ours, -1) {
		known[m[1]] = true
	}
	for _, m := range tag.FindAllStringSubmatch(p, -1) {
		if !known[m[1]] {
			t.Errorf("the page holds a <%s> that is not ours", m[1])
		}
	}
	if n, want := strings.Count(p, "</script>"), strings.Count(p, "<script"); n != want || n != len(ownHostile)+blnsCount(t)+2 {
		t.Errorf("%d script elements end, %d begin", n, want)
	}
	if regexp.MustCompile(`href="(?i:javascript|data:text|vbscript)`).MatchString(p) {
		t.Error("a link runs script")
	}
	for _, r := range "\u202e\u2066\x1b\u200b\x00" {
		if i := strings.IndexRune(p, r); i >= 0 {
			t.Errorf("U+%04X is on the page as it came: %q", r, p[max(0, i-120):i+20])
		}
	}
}

func blnsCount(t *testing.T) int {
	t.Helper()
	return len(hostileNames(t)) - len(ownHostile)
}
