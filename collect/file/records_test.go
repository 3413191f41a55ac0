// SPDX-License-Identifier: Apache-2.0

package file

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestTableMembers holds the document to the members that a table can have and
// must have; work/tables_test.go holds the joins of checks to the document.
func TestTableMembers(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "doc", "spec", "input.md"))
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `([a-z]+/[A-Za-z]+)` \\| (.*) \\| (.*) \\|$")
	member := regexp.MustCompile("(\\*\\*)?`([A-Za-z]+)`")
	met := map[string]bool{}
	for _, m := range row.FindAllStringSubmatch(string(b), -1) {
		want, ok := recordTypes[m[1]]
		if !ok {
			continue
		}
		met[m[1]] = true
		got := map[string]bool{}
		for _, x := range member.FindAllStringSubmatch(m[2], -1) {
			got[x[2]] = x[1] != ""
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: the document says %v, the reader %v", m[1], got, want)
		}
	}
	for typ, members := range recordTypes {
		if !met[typ] {
			t.Errorf("the document has no row for %s", typ)
		}
		for name := range members {
			dated := strings.HasSuffix(name, "Date") || strings.HasSuffix(name, "On") || strings.HasSuffix(name, "Seen")
			if dated != dateMembers[name] {
				t.Errorf("%s.%s: a date by its name: %v, read as one: %v", typ, name, dated, dateMembers[name])
			}
		}
	}
	for _, p := range inOrder {
		if !dateMembers[p[0]] || !dateMembers[p[1]] || slices.Contains(p[:], "") {
			t.Errorf("%v are not two dates", p)
		}
	}
}
