// SPDX-License-Identifier: Apache-2.0

package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// manyAtLeast are texts whose number is never one, with the reason.
var manyAtLeast = map[string]string{
	"fields that are open or only proposed": "the library has hundreds of fields",
	"-%d days":                              "a span, and no report takes a day",
	"%d codes":                              "a framework has many codes",
	"has %d parts, and a CSV file":          "it is said where there are several",
	"deployments are called":                "it is said where there are several",
	"of %d scopes":                          "a share of a number, which may stay as it is",
	"resources were read":                   "it is said where there is not exactly one",
	"%d definitions":                        "the catalogue's, and those of the public library",
	"policies in %d groups":                 "an initiative has many",
	"bytes":                                 "a size in bytes is never one",
	"%d pass":                               "a verdict, no noun",
	"%d areas":                              "the areas of the table are eighteen",
	"record of %d days":                     "days of an archive of logs",
}

// TestOneIsNotMany: no text of the commands writes a number before a noun that
// is always in the plural ("1 links"): count writes both.
func TestOneIsNotMany(t *testing.T) {
	if got := count(1, "link", "links") + count(0, "link", "links") + count(int64(2), "link", "links"); got != "1 link0 links2 links" {
		t.Errorf("count: %s", got)
	}
	plural := regexp.MustCompile(`%d ([a-z]+s)\b`)
	bad := func(text string) bool {
		if !plural.MatchString(text) {
			return false
		}
		for fragment := range manyAtLeast {
			if strings.Contains(text, fragment) {
				return false
			}
		}
		word := plural.FindStringSubmatch(text)[1]
		return word != "as" && word != "holds" && word != "is" && word != "was" && word != "has"
	}
	if !bad("%d links.") || bad("%d is the number") {
		t.Error("the rule sees nothing, or too much")
	}
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	files := token.NewFileSet()
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(files, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING && bad(lit.Value) {
				t.Errorf("%s: %s: use count, or say in manyAtLeast why it is never one", files.Position(lit.Pos()), lit.Value)
			}
			return true
		})
	}
}
