// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/tickmark/tickmark/policy"
)

var update = flag.Bool("update", false, "write the expected findings of testdata/lint")

// TestLint runs testdata/lint: a file per rule with bad definitions, what must
// be found in them and where, and good ones in which the rule finds nothing.
func TestLint(t *testing.T) {
	b, err := os.ReadFile("testdata/lint/aliases.json")
	if err != nil {
		t.Fatal(err)
	}
	catalog := policy.NewCatalog()
	if err := catalog.AddProviders("aliases.json", b); err != nil {
		t.Fatal(err)
	}
	for _, r := range policy.LintRules() {
		t.Run(r.ID, func(t *testing.T) {
			file := filepath.Join("testdata/lint", r.ID+".txtar")
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatalf("rule %s has no examples: %v", r.ID, err)
			}
			if r.Title == "" || r.Why == "" || r.Severity == "" {
				t.Error("the rule does not say what it is for")
			}
			var got strings.Builder
			bad, good := 0, 0
			var want *txtar.File
			for i := range ar.Files {
				f := &ar.Files[i]
				if f.Name == "want" {
					want = f
					continue
				}
				all := policy.Lint(f.Name, f.Data, policy.LintOptions{Catalog: catalog})
				found := findings(r, all)
				if strings.HasPrefix(f.Name, "good") {
					good++
					if found != "" {
						t.Errorf("found in a good example:\n%s", found)
					}
					for _, x := range all { // it must be good, not merely unread
						if x.Rule.Severity == policy.LintError {
							t.Errorf("a good example has an error: %s", x)
						}
					}
					continue
				}
				bad++
				if found == "" {
					t.Errorf("nothing found in %s", f.Name)
				}
				got.WriteString(found)
			}
			if bad == 0 || good == 0 || want == nil {
				t.Fatalf("%d bad and %d good examples", bad, good)
			}
			if *update {
				want.Data = []byte(got.String())
				if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(string(want.Data), got.String()); d != "" {
				t.Errorf("findings (-want +got):\n%s", d)
			}
		})
	}
	files, err := filepath.Glob("testdata/lint/*.txtar")
	if err != nil || len(files) != len(policy.LintRules()) {
		t.Errorf("%d files for %d rules", len(files), len(policy.LintRules()))
	}
}

func findings(r *policy.LintRule, all []policy.Finding) string {
	var b strings.Builder
	for _, f := range all {
		if f.Rule == r {
			fmt.Fprintf(&b, "%s:%d:%d: %s\n", f.File, f.Line, f.Col, f.What)
		}
	}
	return b.String()
}
