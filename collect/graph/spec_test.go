// SPDX-License-Identifier: Apache-2.0

package graph_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark/collect/graph"
)

var update = flag.Bool("update", false, "write doc/spec/collect-graph.md anew")

const specFile = "../../doc/spec/collect-graph.md"

// spec writes the page from the data.
func spec() string {
	var b strings.Builder
	b.WriteString("# What is asked of Microsoft Graph\n\n" +
		"Written by `go test ./collect/graph -run TestSpec -update` from the table of asks; a test holds the two together.\n" +
		"Every request is a GET. Licences are service plans as `/subscribedSkus` names them; one of them is enough.\n" +
		"What Graph has no request for is left to printed PowerShell output: data loss prevention, the configuration of the\n" +
		"unified audit log, mail flow, Teams.\n\n" +
		"| ask | reads | request | type | about each | permission | licence | not offered |\n|---|---|---|---|---|---|---|---|\n")
	remarks := graph.Remarks()
	var notes []string
	for _, a := range graph.Source().Asks {
		request := a.Path
		if a.Query != "" {
			request += "?" + strings.NewReplacer("%20", " ").Replace(a.Query)
		}
		fmt.Fprintf(&b, "| [%s](%s) | %s | `%s` | %s | %s | %s | %s | %s |\n", a.Name, a.Doc, a.About, request, a.Entity,
			strings.Join(a.Of, ", "), a.Needs.Permission, strings.Join(a.Needs.Licence, ", "), strings.Join(a.NotOffered, ", "))
		if r := remarks[a.Name]; r.Beta != "" {
			notes = append(notes, fmt.Sprintf("- `%s` asks beta: %s.\n", a.Name, r.Beta))
		}
		if r := remarks[a.Name]; r.Note != "" {
			notes = append(notes, fmt.Sprintf("- `%s`: %s.\n", a.Name, r.Note))
		}
		if w := a.Window; w != nil {
			notes = append(notes, fmt.Sprintf("- `%s` is a log: kept %d days, with %s %d; one request spans at most %d day; the last %d hours are read again.\n",
				a.Name, days(w.Keeps), "AAD_PREMIUM or AAD_PREMIUM_P2", days(w.Extended["AAD_PREMIUM"]), days(w.Span), w.Overlap/time.Hour))
		}
		if len(a.Redact) > 0 {
			notes = append(notes, fmt.Sprintf("- `%s`: the values of `%s` are replaced before anything is kept.\n", a.Name, strings.Join(a.Redact, "`, `")))
		}
	}
	b.WriteString("\n## Notes\n\n" + strings.Join(notes, "") + "\n## Permissions\n\nApplication permissions (app roles of " + graph.MicrosoftGraph + ").\n\n" +
		"| permission | id | asks |\n|---|---|---|\n")
	for _, p := range graph.Permissions() {
		id := p.ID
		if id == "" {
			id = "not verified: look it up by name"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", p.Name, id, strings.Join(p.Asks, ", "))
	}
	return b.String()
}

func days(d time.Duration) int { return int(d / (24 * time.Hour)) }

func TestSpec(t *testing.T) {
	want := spec()
	if *update {
		if err := os.WriteFile(specFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(specFile)
	if err != nil || string(got) != want {
		t.Errorf("doc/spec/collect-graph.md is not what the table says (%v): run go test ./collect/graph -run TestSpec -update", err)
	}
}
