// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"flag"
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
