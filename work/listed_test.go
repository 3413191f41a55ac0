// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/work"
)

// listedFile lists the members whose values the redaction keeps because they
// are read. It is part of package inventory, which knows neither the catalogue
// nor the sources.
const listedFile = "../inventory/listed.txt"

var updateListed = flag.Bool("update", false, "write the list of members anew")

// TestListed holds the list to what checks, joins, questions and code read.
// After a change of these: go test ./work -run TestListed -update.
func TestListed(t *testing.T) {
	c, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	m := memberSet{}
	m.catalogue(t, c)
	m.sources()
	m.code(t, "../change", "../check", "../inventory", "../collect", "../collect/arm", "../collect/graph", "../collect/devops", "../collect/power", ".")
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if m[name] {
			name = "= " + name
		}
		lines = append(lines, name)
	}
	want := "# Members that checks, joins, questions and code read, alone or below another, lower-case;\n# = those that tell records apart or join them.\n# Written by go test ./work -run TestListed -update; do not edit.\n" + strings.Join(lines, "\n") + "\n"
	if *updateListed {
		if err := os.WriteFile(listedFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(listedFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != want {
		t.Errorf("%s is not what is read: go test ./work -run TestListed -update", listedFile)
	}
	if len(lines) < 500 {
		t.Errorf("%d members: the test does not reach what it is about", len(lines))
	}
}

// memberSet are the lines of the list: true for members that tell records apart
// or join them, which are kept whatever they look like.
type memberSet map[string]bool

// notMembers are value, which is what people put there, so that its form
// decides, and words of templates and joins that name no member.
var notMembers = []string{"value", "to", "from", "all", "any", "ids"}

// path adds the member that a path ends in.
func (m memberSet) path(p string, key bool) {
	var names []string
	for s := range strings.SplitSeq(strings.ToLower(p), ".") {
		if s = strings.TrimSuffix(s, "[*]"); s != "" && s != "*" {
			names = append(names, s)
		}
	}
	n := len(names)
	if n == 0 || strings.ContainsAny(strings.Join(names, ""), " '\"(){}#/") || n == 1 && names[0] == "-" {
		return
	}
	if slices.Contains(notMembers, names[n-1]) {
		return
	}
	at := strings.Join(names[max(0, n-2):], " ")
	m[at] = m[at] || key
}

var (
	fieldName = regexp.MustCompile(`[A-Za-z0-9.]+(?:/[A-Za-z0-9]+)+/?[\w.@*\[\]-]*`)
	pathName  = regexp.MustCompile(`[A-Za-z_@$][\w.@$-]*(?:\[\*\][\w.\[\]*]*)*`)
	subjectOf = regexp.MustCompile(`\{\^*([A-Za-z_@][\w.@]*)\}`)
	anyName   = regexp.MustCompile(`[(,] ?"([a-z@_][A-Za-z_@]{2,}(?:\.[A-Za-z_@]+)*)"`)
	getCall   = regexp.MustCompile(`\b(?:Get|text|member|str)\((?:[a-z]+, )?"([A-Za-z_@$][\w.@$]*)"\)`)
)

func (m memberSet) catalogue(t *testing.T, c *catalog.Catalog) {
	t.Helper()
	for _, typ := range c.Types() {
		if inventory.IsRecord(typ.Name) {
			for a := range typ.Aliases() {
				m.path(a.Path, false)
			}
		}
	}
	for _, k := range c.Checks {
		for _, rule := range append([][]byte{k.Rule, k.Applies}, k.Alternatives...) {
			if len(rule) == 0 {
				continue
			}
			var v any
			if err := json.Unmarshal(rule, &v); err != nil {
				t.Fatalf("%s: %v", k.ID, err)
			}
			m.fields(c, v, slices.Concat(k.Types, k.Needs))
		}
		for _, j := range k.Joins {
			for _, text := range []string{j.Match, j.With, j.Each} {
				for _, p := range pathName.FindAllString(text, -1) {
					m.path(p, true)
				}
			}
			for _, p := range slices.Concat(j.Take, slices.Collect(maps.Keys(j.Where))) {
				m.path(p, false)
			}
		}
	}
}

// fields adds the fields that a rule names, in conditions and expressions.
func (m memberSet) fields(c *catalog.Catalog, v any, types []string) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			m.fields(c, e, types)
		}
	case map[string]any:
		for _, e := range v {
			m.fields(c, e, types)
		}
	case string:
		for _, name := range fieldName.FindAllString(v, -1) {
			for _, typ := range types {
				if p, ok := c.Alias(typ, name); ok {
					m.path(p, false)
				}
			}
		}
	}
}

func (m memberSet) sources() {
	for _, s := range work.Sources() {
		for i := range s.Asks {
			a := &s.Asks[i]
			for _, text := range append([]string{a.Path, a.Query, a.Body}, slices.Collect(maps.Values(a.Header))...) {
				for _, p := range subjectOf.FindAllStringSubmatch(text, -1) {
					m.path(strings.TrimPrefix(p[1], "ids."), p[1] != "token")
				}
			}
			for id := range strings.SplitSeq(a.Identity, ",") {
				m.path(id, id != "token")
			}
			if a.Window != nil {
				m.path(a.Window.Field, false)
				m.path(a.Window.Until, false)
			}
		}
	}
}

// code adds the names of members that our code asks for.
func (m memberSet) code(t *testing.T, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			calls := getCall
			if dir == "../change" {
				calls = anyName // it reads by tables and functions of its own
			}
			for _, g := range calls.FindAllSubmatch(text, -1) {
				m.path(string(g[1]), false)
			}
		}
	}
}
