// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tickmark/tickmark"
)

func TestDefault(t *testing.T) {
	c, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Criteria) != 61 {
		t.Errorf("%d criteria, want 61", len(c.Criteria))
	}
	areas := map[string]int{}
	for _, k := range c.Checks {
		areas[k.Area]++
		if len(k.Rule) == 0 || k.Rule[0] != '{' {
			t.Errorf("%s: rule %q", k.ID, k.Rule)
		}
	}
	for _, a := range []string{"storage", "database", "keyvault", "network"} {
		if areas[a] == 0 {
			t.Errorf("no check in area %s", a)
		}
	}
}

// TestRuleKeepsOrder: the rule's keys keep the order in which they are written.
func TestRuleKeepsOrder(t *testing.T) {
	c, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"if":{"allOf":[{"field":"type","equals":"Microsoft.Storage/storageAccounts"},` +
		`{"field":"Microsoft.Storage/storageAccounts/supportsHttpsTrafficOnly","notEquals":"true"}]},"then":{"effect":"audit"}}`
	if got := string(c.Check("st-https").Rule); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	want = `{"minimumDays":{"type":"Integer","defaultValue":7}}`
	if got := string(c.Check("st-soft-delete").Parameters); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestArchive(t *testing.T) {
	c, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Load(embedded)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(c.Archive(), again.Archive()) {
		t.Error("two loads of the same files give different archives")
	}
	if c.Digest() != tickmark.DigestOf(c.Archive()) {
		t.Error("the digest is not that of the archive")
	}
	opened, err := OpenArchive(c.Archive())
	if err != nil {
		t.Fatal(err)
	}
	if opened.Digest() != c.Digest() || len(opened.Checks) != len(c.Checks) {
		t.Error("the opened archive is another catalogue")
	}
	if got, want := string(opened.Check("st-https").Rule), string(c.Check("st-https").Rule); got != want {
		t.Errorf("rule %s, want %s", got, want)
	}
}

func TestOpenArchiveRefusesDamage(t *testing.T) {
	good := writeArchive(sample(t))
	if _, err := OpenArchive(good); err != nil {
		t.Fatal(err)
	}
	for i := range good { // truncation at every byte
		if _, err := OpenArchive(good[:i]); err == nil {
			t.Fatalf("an archive cut at byte %d opens", i)
		}
	}
	head := len(archiveHeader)
	for name, bad := range map[string][]byte{
		"trailing byte":     append(slices.Clone(good), 'x'),
		"leading zero":      slices.Insert(slices.Clone(good), head, '0'),
		"file out of order": append(slices.Clone(good), []byte("0 aliases/a.txt\n\n")...),
		"unknown file":      append(slices.Clone(good), []byte("0 secrets/a.txt\n\n")...),
	} {
		if _, err := OpenArchive(bad); err == nil {
			t.Errorf("%s: the archive opens", name)
		}
	}
}

// sample is a small valid catalogue.
func sample(t *testing.T) []file {
	t.Helper()
	criteria, err := os.ReadFile("criteria.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return []file{
		{name: "aliases/arm.txt", data: []byte("Microsoft.A/things tags\n\tcolour\n\tsize properties.dimensions.size\n\t/Microsoft.A/oddName properties.odd\n")},
		{name: "checks/storage/a-one.yaml", data: []byte(sampleCheck)},
		{name: "criteria.yaml", data: criteria},
	}
}

const sampleCheck = `id: a-one
title: Things are blue
area: storage
severity: low
why: Because.
criteria:
  - {code: CC6.1, link: direct}
types: [Microsoft.A/things]
source: arm
permission: Microsoft.A/things/read
parameters:
  wanted: {type: String, defaultValue: blue}
rule:
  if:
    allOf:
      - field: type
        equals: Microsoft.A/things
      - field: Microsoft.A/things/colour
        notEquals: "[parameters('wanted')]"
  then:
    effect: audit
notProven: Anything else.
remediation:
  cli: paint
  portal: Thing > Paint
references: [https://example.com/things]
`

func asFS(files []file) fstest.MapFS {
	m := fstest.MapFS{"catalog.go": {Data: []byte("not part of a catalogue")}}
	for _, f := range files {
		m[f.name] = &fstest.MapFile{Data: f.data}
	}
	return m
}

func TestLoadRefuses(t *testing.T) {
	if _, err := Load(asFS(sample(t))); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, old, new, want string }{
		{"unknown key", "why: Because.", "why: Because.\nwhyNot: x", "a-one.yaml:6:1: unknown field"},
		{"duplicate key", "why: Because.", "why: Because.\nwhy: Other.", "a-one.yaml:6"},
		{"second document", "why: Because.", "why: Because.\n---\nid: b", "2 YAML documents"},
		{"syntax", "criteria:\n", "criteria: [\n", "a-one.yaml:"},
		{"anchor", "why: Because.", "why: &a Because.", "a-one.yaml:5:6: anchors"},
		{"criterion that does not exist", "CC6.1", "CC6.9", `a-one.yaml:7:5: criterion "CC6.9" does not exist`},
		{"misspelt criterion", "CC6.1", "CC.6.1", `criterion "CC.6.1" does not exist`},
		{"no criterion", "criteria:\n  - {code: CC6.1, link: direct}\n", "", "criteria: at least one"},
		{"link", "link: direct", "link: strong", `link "strong"`},
		{"id is not the file's name", "id: a-one", "id: a-two", `a-one.yaml:1:5: id "a-two"`},
		{"area is not the folder", "area: storage", "area: network", `area "network"`},
		{"severity", "severity: low", "severity: awful", "a-one.yaml:4"},
		{"severity none", "severity: low", "severity: none", "severity: want"},
		{"type unknown", "types: [Microsoft.A/things]", "types: [Microsoft.B/things]", `type "Microsoft.B/things" is not in the alias tables`},
		{"type misspelt", "types: [Microsoft.A/things]", "types: [microsoft.a/Things]", `the canonical spelling is "Microsoft.A/things"`},
		{"field unknown", "field: Microsoft.A/things/colour", "field: Microsoft.A/things/color", `a-one.yaml:18:16: field "Microsoft.A/things/color"`},
		{"type condition missing", "field: type\n        equals: Microsoft.A/things", "field: name\n        equals: x", "first condition compares field type"},
		{"effect", "effect: audit", "effect: deny", `effect "deny"`},
		{"parameter unused", "[parameters('wanted')]", "blue", `parameter "wanted"`},
		{"parameter without default", ", defaultValue: blue", "", `parameter "wanted"`},
		{"http reference", "https://example.com/things", "http://example.com/things", "is not an https address"},
		{"no reference", "references: [https://example.com/things]", "references: []", "references: at least one"},
		{"no remediation", "  cli: paint\n", "", "remediation: cli and portal"},
		{"nothing not proven", "notProven: Anything else.", "notProven: ''", "notProven is missing"},
		{"retired day", "references:", "retired: {on: 2026-02-30, note: x, reference: https://example.com/x}\nreferences:", "retired: want on"},
		{"needs without use", "source: arm", "needs: [Microsoft.A/things]\nsource: arm", "neither details nor needs"},
		{"title with a full stop", "Things are blue", "Things are blue.", "title: want"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			files := sample(t)
			changed := strings.Replace(sampleCheck, tc.old, tc.new, 1)
			if changed == sampleCheck {
				t.Fatalf("%q does not occur", tc.old)
			}
			files[1].data = []byte(changed)
			_, err := Load(asFS(files))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v\nwant an error with %q", err, tc.want)
			}
		})
	}
}

func TestLoadRefusesCriteria(t *testing.T) {
	for _, tc := range []struct{ name, old, new, want string }{
		{"one more", "criteria:\n", "criteria:\n  - {code: CC6.9, category: security, title: x}\n", `criterion "CC6.9" does not exist`},
		{"one less", "code: P8.1, category: privacy", "code: P7.1, category: privacy", "P7.1 is listed twice"},
		{"category", "code: A1.1, category: availability", "code: A1.1, category: security", `want "availability"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			files := sample(t)
			changed := strings.Replace(string(files[2].data), tc.old, tc.new, 1)
			files[2].data = []byte(changed)
			_, err := Load(asFS(files))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v\nwant an error with %q", err, tc.want)
			}
		})
	}
	files := sample(t)
	lines := strings.SplitAfter(string(files[2].data), "\n")
	files[2].data = []byte(strings.Join(lines[:len(lines)-2], ""))
	if _, err := Load(asFS(files)); err == nil || !strings.Contains(err.Error(), "criterion P8.1 is missing") {
		t.Errorf("got %v", err)
	}
	if _, err := Load(asFS(files[:2])); err == nil || !strings.Contains(err.Error(), "criteria.yaml") {
		t.Errorf("without criteria.yaml: got %v", err)
	}
}

func TestAlias(t *testing.T) {
	c, err := Load(asFS(sample(t)))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ typ, alias, path string }{
		{"Microsoft.A/things", "Microsoft.A/things/colour", "properties.colour"},
		{"microsoft.a/THINGS", "microsoft.a/things/COLOUR", "properties.colour"},
		{"Microsoft.A/things", "Microsoft.A/things/size", "properties.dimensions.size"},
		{"Microsoft.A/things", "Microsoft.A/oddName", "properties.odd"},
		{"Microsoft.A/things", "Microsoft.A/things/colou", ""},
		{"Microsoft.B/things", "Microsoft.A/things/colour", ""},
	} {
		path, ok := c.Alias(tc.typ, tc.alias)
		if path != tc.path || ok != (tc.path != "") {
			t.Errorf("%s %s: got %q, %v", tc.typ, tc.alias, path, ok)
		}
	}
	files := sample(t)
	for _, bad := range []string{"\tcolour\n", "Microsoft.A\n", "Microsoft.A/things shiny\n", "Microsoft.A/things\n\ta b c\n", "Microsoft.A/things\nmicrosoft.a/things\n"} {
		files[0].data = []byte(bad)
		if _, err := Load(asFS(files)); err == nil || !strings.Contains(err.Error(), "aliases/arm.txt:") {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

// shared returns the folder of shared data, or skips the test.
func shared(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("TICKMARK_SHARED"); dir != "" {
		return filepath.Join(dir, "data")
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		candidate := filepath.Join(dir, "..", "shared", "data")
		if _, err := os.Stat(candidate); err == nil {
			return candidate
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Skip("no folder ../shared above this one; set TICKMARK_SHARED")
		}
		dir = up
	}
}

func readCSV(t *testing.T, name string) []map[string]string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]string
	for _, r := range rows[1:] {
		m := map[string]string{}
		for i, h := range rows[0] {
			m[h] = r[i]
		}
		out = append(out, m)
	}
	return out
}

func TestCriteriaAgreeWithTheList(t *testing.T) {
	dir := shared(t)
	c, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	rows := readCSV(t, filepath.Join(dir, "criteria.csv"))
	if len(rows) != len(c.Criteria) {
		t.Fatalf("%d rows, %d criteria", len(rows), len(c.Criteria))
	}
	for i, r := range rows {
		if got := c.Criteria[i]; got.Code != r["code"] || got.Title != r["short_title_own_words"] {
			t.Errorf("criterion %d: got %s %q, want %s %q", i, got.Code, got.Title, r["code"], r["short_title_own_words"])
		}
	}
}

// TestAliasesOfTheInitiatives verifies that the table knows every type and
// resolves every alias that the two SOC 2 initiatives use.
func TestAliasesOfTheInitiatives(t *testing.T) {
	dir := shared(t)
	c, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"soc2-initiative.csv", "soc2023-initiative.csv"} {
		for _, r := range readCSV(t, filepath.Join(dir, name)) {
			for _, column := range []string{"ifResourceTypes", "ifExcludedTypes", "existenceType"} {
				for typ := range strings.SplitSeq(r[column], "|") {
					if typ != "" && c.Type(typ) == nil {
						t.Errorf("%s: type %s is not known", name, typ)
					}
				}
			}
		}
	}
	for _, name := range []string{"aliases-soc2.csv", "aliases-soc2023.csv"} {
		for _, r := range readCSV(t, filepath.Join(dir, name)) {
			if r["path"] == "" {
				continue // unresolved at its source
			}
			found := false
			for _, typ := range c.Types() {
				if path, ok := typ.Path(r["alias"]); ok && path == r["path"] {
					found = true
				}
			}
			if !found {
				t.Errorf("%s: alias %s does not lead to %s", name, r["alias"], r["path"])
			}
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := Load(embedded); err != nil {
			b.Fatal(err)
		}
	}
}

// TestEveryCheckSaysHowInBicep: a check declares the fix, or says why it cannot.
func TestEveryCheckSaysHowInBicep(t *testing.T) {
	c, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, k := range c.Checks {
		if k.Remediation.Bicep == "" == (k.WithoutBicep() == "") {
			t.Errorf("%s: bicep %q, without it because %q: want one of them", k.ID, k.Remediation.Bicep, k.WithoutBicep())
		}
		if k.Remediation.Bicep != "" {
			n++
		}
	}
	t.Logf("%d of %d checks have Bicep", n, len(c.Checks))
}
