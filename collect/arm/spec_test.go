// SPDX-License-Identifier: Apache-2.0

package arm_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/collect/arm"
)

var update = flag.Bool("update", false, "write doc/spec/collect-arm.md anew")

const specFile = "../../doc/spec/collect-arm.md"

// spec writes the page from the data.
func spec() string {
	var b strings.Builder
	b.WriteString("# What is asked of Azure Resource Manager\n\n" +
		"Written by `go test ./collect/arm -run TestSpec -update` from the table of asks; a test holds the two together.\n" +
		"GET, except where POST stands before the path: these endpoints take a query as a body and change nothing.\n" +
		"*each* is the type of what the request is put to, once for each; *index* is Resource Graph, *direct* the resource's own provider.\n" +
		"From a type absence may be concluded only if every ask that lists it was wholly answered for the scope.\n\n" +
		"| ask | reads | each | request | version | types read completely | by | permission | least role |\n|---|---|---|---|---|---|---|---|---|\n")
	var notes []string
	for _, a := range arm.Source().Asks {
		each := strings.Join(a.Of, ", ")
		switch {
		case len(a.Of) == 0:
			each = "tenant"
		case len(a.Of) > 3:
			each = fmt.Sprintf("%d types, see below", len(a.Of))
		case a.Batch > 0:
			each = fmt.Sprintf("%d subscriptions at once", a.Batch)
		}
		types := strings.Join(a.Types, ", ")
		if len(a.Types) > 12 {
			types = fmt.Sprintf("%d types, see below", len(a.Types))
		}
		fmt.Fprintf(&b, "| [%s](%s) | %s | %s | `%s` | %s | %s | %s | %s | %s |\n", a.Name, a.Doc, a.About, each,
			request(a), a.APIVersion, types, by(a), a.Needs.Permission, a.Needs.Role)
		notes = append(notes, remarks(a)...)
	}
	b.WriteString("\n## Notes\n\n" + strings.Join(notes, ""))
	for _, a := range arm.Source().Asks {
		switch {
		case len(a.Of) > 3:
			b.WriteString("\n## What `" + a.Name + "` is put to\n\n" + strings.Join(a.Of, ", ") + "\n")
		case len(a.Types) > 12:
			b.WriteString("\n## What `" + a.Name + "` reads completely\n\n" + strings.Join(a.Types, ", ") + "\n")
		}
	}
	b.WriteString("\n## Roles\n\nThose that stand in for Reader are for who will not give it; the spare one is for where Reader is not enough.\n\n| role | id | where | needed | why |\n|---|---|---|---|---|\n")
	for _, r := range arm.Roles() {
		id := r.ID
		if id == "" {
			id = "own role with " + strings.Join(r.Actions, ", ")
		}
		needed := "yes"
		switch {
		case r.Instead:
			needed = "stands in"
		case r.Spare:
			needed = "spare"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.Name, id, r.Scope, needed, r.Why)
	}
	return b.String()
}

func request(a collect.Ask) string {
	s := a.Path
	if a.Query != "" {
		s += "?" + strings.ReplaceAll(a.Query, "%20", " ")
	}
	if a.Method != "" {
		s = a.Method + " " + s
	}
	return strings.ReplaceAll(s, "|", "\\|")
}

func by(a collect.Ask) string {
	switch {
	case a.Direct:
		return "direct"
	case a.Pace == collect.PaceResourceGraph:
		return "index"
	}
	return "records"
}

func remarks(a collect.Ask) []string {
	var notes []string
	if w := a.Window; w != nil {
		s := fmt.Sprintf("- `%s` is a log by `%s`", a.Name, w.Field)
		if w.Keeps > 0 {
			s += fmt.Sprintf("; kept %d days at the source", w.Keeps/(24*time.Hour))
		}
		if w.Span > 0 {
			s += fmt.Sprintf("; at most %d days a request", w.Span/(24*time.Hour))
		}
		notes = append(notes, s+".\n")
	}
	if len(a.Redact) > 0 {
		notes = append(notes, fmt.Sprintf("- `%s`: the values of `%s` are replaced before anything is kept.\n", a.Name, strings.Join(a.Redact, "`, `")))
	}
	if a.Count != "" {
		notes = append(notes, fmt.Sprintf("- `%s` must have as many rows as `%s` says.\n", a.Name, a.Count))
	}
	if len(a.Needs.Licence) > 0 {
		notes = append(notes, fmt.Sprintf("- `%s` needs one of the service plans %s.\n", a.Name, strings.Join(a.Needs.Licence, ", ")))
	}
	return notes
}

func TestSpec(t *testing.T) {
	want := spec()
	if *update {
		if err := os.WriteFile(specFile, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(specFile)
	if err != nil || string(got) != want {
		t.Errorf("doc/spec/collect-arm.md is not what the table says (%v): run go test ./collect/arm -run TestSpec -update", err)
	}
}
