// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/report"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares got with testdata/name, or writes it under -update.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run the test with -update to write it, then read it)", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, diff)
	}
}

func terminal(t *testing.T, a *check.Assessment, o report.TerminalOptions) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.Terminal(&b, a, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTerminalSummary(t *testing.T) {
	for name, a := range map[string]*check.Assessment{
		"empty": sample(0), "one": oneRow(), "some": sample(1), "much": sample(700),
		"nothing": {Engine: "0.1.0"},
	} {
		t.Run(name, func(t *testing.T) {
			got := terminal(t, a, report.TerminalOptions{})
			golden(t, "summary-"+name+".txt", []byte(got))
			lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
			if len(lines) > 23 {
				t.Errorf("%d lines; with the prompt, 23 fit a screen of 24", len(lines))
			}
			for _, l := range lines {
				if n := utf8.RuneCountInString(l); n > 80 {
					t.Errorf("%d columns: %q", n, l)
				}
			}
		})
	}
}

// TestEveryReasonHasANextStep finds the reasons in the root package's source, so
// that a new one cannot be forgotten, and asks for a step that fits its line.
func TestEveryReasonHasANextStep(t *testing.T) {
	source, err := os.ReadFile("../verdict.go")
	if err != nil {
		t.Fatal(err)
	}
	words := regexp.MustCompile(`Reason = "([A-Za-z]+)"`).FindAllSubmatch(source, -1)
	if len(words) < 10 {
		t.Fatalf("found %d reasons", len(words))
	}
	for _, w := range words {
		a := oneRow()
		c := a.Checks[0].Check
		a.Checks[0] = summarise(c, []tickmark.Result{{Check: c.ID, Reason: tickmark.Reason(w[1])}})
		got := terminal(t, a, report.TerminalOptions{})
		_, line, ok := strings.Cut(got, "? "+"      1  ")
		line, _, _ = strings.Cut(line, "\n")
		if !ok || !strings.Contains(line, "→") || strings.Contains(line, "…") || strings.Contains(line, "see --show unknown") {
			t.Errorf("reason %s: line %q", w[1], line)
		}
	}
}

// TestNothingMet: where a check met nothing, every form says whether that is
// known, and none says so of what nobody asked.
func TestNothingMet(t *testing.T) {
	for _, c := range []struct {
		cut        tickmark.Reason
		says, html string
	}{
		{tickmark.ReasonNone, "complete for these types and holds nothing to judge", `<span class="muted">no resource</span>`},
		{tickmark.ReasonNotRead, "whether there is any is not known: nobody asked", `<span class="muted">not read</span>`},
		{tickmark.ReasonNotPermitted, "whether there is any is not known: the source refused", `<span class="muted">not known</span>`},
	} {
		a := oneRow()
		k := a.Checks[0].Check
		a.Checks[0] = summarise(k, nil)
		a.Results = check.ResultsOf(a.Checks, nil)
		if a.Checks[0].Cut = c.cut; c.cut != tickmark.ReasonNone {
			a.Checks[0].State = check.StateUnknown
		}
		got := strings.Join(strings.Fields(terminal(t, a, report.TerminalOptions{Show: "check " + k.ID})), " ")
		if !strings.Contains(got, c.says) || !strings.Contains(got, "not a pass") {
			t.Errorf("%q: %s", c.cut, got)
		}
		var page bytes.Buffer
		if err := report.HTML(&page, a, report.HTMLOptions{}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(page.String(), c.html) {
			t.Errorf("%q: the page does not hold %s", c.cut, c.html)
		}
	}
}

// TestListsAreWrittenOnce: types that are complete in many rows are named in one
// place of the page, whoever says so apart; short lists stay in their row.
func TestListsAreWrittenOnce(t *testing.T) {
	a := sample(1)
	long, other := []string{"T/one", "T/two", "T/three", "T/four"}, []string{"T/five", "T/six", "T/seven", "T/eight"}
	a.Coverage = nil
	for i := range 6 {
		a.Coverage = append(a.Coverage, tickmark.Coverage{Source: "file", Scope: fmt.Sprint("f", i), Complete: long, CompleteBy: "operator"})
	}
	a.Coverage = append(a.Coverage,
		tickmark.Coverage{Source: "file", Scope: "own", Complete: other}, // alone
		tickmark.Coverage{Source: "file", Scope: "short", Complete: []string{"T/nine"}}, tickmark.Coverage{Source: "file", Scope: "too", Complete: []string{"T/nine"}})
	p := string(page(t, a, report.HTMLOptions{}))
	for text, want := range map[string]int{
		"T/one, T/two, T/three, T/four": 1, "T/five, T/six, T/seven, T/eight": 1, ">T/nine<": 2,
		`<a href="#list-1">4 types: list 1, says the operator</a>`: 6, `id="list-1"`: 1, `id="list-2"`: 0, "complete in 6 of the rows below, says the operator": 1,
	} {
		if got := strings.Count(p, text); got != want {
			t.Errorf("%q is there %d times, want %d", text, got, want)
		}
	}
}

// TestInputsByWhatTheyAre: what a source answered comes in pages, and is no file.
func TestInputsByWhatTheyAre(t *testing.T) {
	a := sample(1)
	for _, c := range []struct {
		name     string
		coverage []tickmark.Coverage
		inputs   int
		want     string
	}{
		{"files", []tickmark.Coverage{{Source: "file", Pages: 3}}, 3, "3 inputs: "},
		{"a collection", []tickmark.Coverage{{Source: "arm", Pages: 4}, {Source: "graph", Pages: 1}}, 5, "5 pages: "},
		{"with a table", []tickmark.Coverage{{Source: "arm", Pages: 4}, {Source: "file", Pages: 1}}, 5, "4 pages and 1 file: "},
	} {
		a.Coverage, a.Inputs = c.coverage, make([]check.Input, c.inputs)
		if got := terminal(t, a, report.TerminalOptions{}); !strings.Contains(got, "\n"+c.want) {
			t.Errorf("%s: want %q in\n%.200s", c.name, c.want, got)
		}
		if got := string(page(t, a, report.HTMLOptions{})); !strings.Contains(got, ">"+strings.TrimSuffix(c.want, ": ")+"</a>") {
			t.Errorf("%s: the page does not say %q", c.name, c.want)
		}
	}
}
