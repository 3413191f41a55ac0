// SPDX-License-Identifier: Apache-2.0

package collecttest

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark/collect"
)

// table writes the asks of a source as the page has them. What every ask has
// in common (host, version) is not repeated.
func table(s collect.Source, plain func(collect.Ask) bool, version string) string {
	var b strings.Builder
	b.WriteString("| ask | reads | request | record | identity | about each | needs | proof |\n|---|---|---|---|---|---|---|---|\n")
	var notes []string
	for _, a := range s.Asks {
		request := a.Method
		if request == "" {
			request = "GET"
		}
		request += " " + a.Path
		if a.Query != "" {
			request += "?" + a.Query
		}
		if !plain(a) {
			request = string(a.Host) + ": " + request
		}
		if a.APIVersion != "" && a.APIVersion != version {
			request += " (" + a.APIVersion + ")"
		}
		name := a.Name
		if strings.HasPrefix(a.Doc, "https://") && !strings.Contains(a.Doc, " ") {
			name = "[" + a.Name + "](" + a.Doc + ")"
		}
		identity := a.Identity
		switch identity {
		case "":
			identity = "id"
		case "#":
			identity = "position"
		}
		fmt.Fprintf(&b, "| %s | %s | `%s` | %s | %s | %s | %s | %s |\n", name, a.About, request, a.Entity, identity,
			strings.Join(a.Of, ", "), a.Needs.Permission, a.Proof)
		if w := a.Window; w != nil {
			kept := ""
			if w.Keeps > 0 {
				kept = fmt.Sprintf(", kept %d days", int(w.Keeps/(24*time.Hour)))
			}
			notes = append(notes, fmt.Sprintf("- `%s` is a log by `%s`%s.\n", a.Name, w.Field, kept))
		}
		if len(a.Redact) > 0 {
			notes = append(notes, fmt.Sprintf("- `%s`: the values of `%s` are replaced before anything is kept (`!` excepts).\n", a.Name, strings.Join(a.Redact, "`, `")))
		}
		if a.Cap > 0 {
			notes = append(notes, fmt.Sprintf("- `%s`: the source lists at most %d; so many are truncated.\n", a.Name, a.Cap))
		}
	}
	return b.String() + "\n" + strings.Join(notes, "")
}

// Spec holds the page of a package's sources to their tables, and writes them
// anew if update is set. Plain tells the asks whose host is the usual one, and
// version is the usual API version.
func Spec(t *testing.T, file string, update bool, plain func(collect.Ask) bool, version string, sources ...collect.Source) {
	t.Helper()
	page, err := os.ReadFile(file) //nolint:gosec // a page of this repository
	if err != nil {
		t.Fatal(err)
	}
	want := string(page)
	for _, s := range sources {
		from, to := "<!-- "+s.Name+" asks -->\n", "<!-- end -->\n"
		head, rest, ok := strings.Cut(want, from)
		_, tail, ok2 := strings.Cut(rest, to)
		if !ok || !ok2 {
			t.Fatalf("%s has no place for the table of %s", file, s.Name)
		}
		want = head + from + table(s, plain, version) + to + tail
	}
	if update {
		if err := os.WriteFile(file, []byte(want), 0o600); err != nil { //nolint:gosec // a page of this repository
			t.Fatal(err)
		}
		return
	}
	if want != string(page) {
		t.Errorf("%s is not what the tables say: run the test again with -update", file)
	}
}

// RecordNames finds records that the page names and no ask reads; there must
// be at least as many names as least.
func RecordNames(t *testing.T, file string, least int, sources ...collect.Source) {
	t.Helper()
	page, err := os.ReadFile(file) //nolint:gosec // a page of this repository
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	var names []string
	for _, s := range sources {
		names = append(names, regexp.QuoteMeta(s.Name))
		for _, a := range s.Asks {
			known[a.Entity] = true
		}
	}
	slices.Sort(names)
	named := regexp.MustCompile("[ `|](?:"+strings.Join(names, "|")+")/[a-z][A-Za-z]+[ `,;|:]").FindAllString(string(page), -1)
	if len(named) < least {
		t.Errorf("only %d records are named", len(named))
	}
	for _, n := range named {
		if n = strings.Trim(n, " `,;|:"); !known[n] {
			t.Errorf("%s names %s, which no ask reads", file, n)
		}
	}
}
