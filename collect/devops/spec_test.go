// SPDX-License-Identifier: Apache-2.0

package devops_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/collect/devops"
)

var update = flag.Bool("update", false, "write the tables of doc/spec/collect-devops.md anew")

const specFile = "../../doc/spec/collect-devops.md"

// table writes the asks of a source from the data.
func table(s collect.Source) string {
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
		if !strings.Contains(a.Path, "{") || a.Host != collect.HostDevOps && a.Host != collect.HostGitHub {
			request = string(a.Host) + ": " + request
		}
		if a.APIVersion != "" && a.APIVersion != "7.1" {
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
			notes = append(notes, fmt.Sprintf("- `%s` is a log by `%s`%s.\n", a.Name, w.Field, kept(w.Keeps)))
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

func kept(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return fmt.Sprintf(", kept %d days", int(d/(24*time.Hour)))
}

// TestSpec holds the page to the data.
func TestSpec(t *testing.T) {
	page, err := os.ReadFile(specFile)
	if err != nil {
		t.Fatal(err)
	}
	want := string(page)
	for _, s := range []collect.Source{devops.Source(), devops.GitHub()} {
		from, to := "<!-- "+s.Name+" asks -->\n", "<!-- end -->\n"
		head, rest, ok := strings.Cut(want, from)
		_, tail, ok2 := strings.Cut(rest, to)
		if !ok || !ok2 {
			t.Fatalf("%s has no place for the table of %s", specFile, s.Name)
		}
		want = head + from + table(s) + to + tail
	}
	if *update {
		if err := os.WriteFile(specFile, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(page) {
		t.Errorf("%s is not what the tables say: run go test ./collect/devops -run TestSpec -update", specFile)
	}
}

// TestRecordNames finds records that the page names and no ask reads.
func TestRecordNames(t *testing.T) {
	page, err := os.ReadFile(specFile)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, s := range []collect.Source{devops.Source(), devops.GitHub()} {
		for _, a := range s.Asks {
			known[a.Entity] = true
		}
	}
	named := regexp.MustCompile("[ `|](?:devops|github)/[a-z][A-Za-z]+[ `,;|:]").FindAllString(string(page), -1)
	if len(named) < 20 {
		t.Errorf("only %d records are named", len(named))
	}
	for _, n := range named {
		if n = strings.Trim(n, " `,;|:"); !known[n] {
			t.Errorf("%s names %s, which no ask reads", specFile, n)
		}
	}
}
