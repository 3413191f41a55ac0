// SPDX-License-Identifier: Apache-2.0

package tickmark_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/tickmark/tickmark"

// mostFiles is how many Go files a package may have, without tests. Of files
// that stand for one another on different platforms one counts.
const mostFiles = 25

// excess is by how many files packages are still wider than that. It may only
// shrink: a package that has become narrower must lower its number.
var excess = map[string]int{
	"azuresim":     7,
	"cmd/tickmark": 19,
	"collect":      3,
}

// platforms are the ends of names of files that are for one platform, and that
// of the file for all others.
var platforms = []string{"_unix.go", "_linux.go", "_darwin.go", "_windows.go", "_other.go"}

// layer is one row of ARCHITECTURE.md's table.
type layer struct {
	imports []string // allowed; "*" for all
}

func readTable(t *testing.T, text string) map[string]layer {
	t.Helper()
	table := map[string]layer{}
	in := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "| package |") {
			in = true
			continue
		}
		if !strings.HasPrefix(line, "|") {
			in = false
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if !in || len(cells) != 3 || strings.HasPrefix(strings.TrimSpace(cells[0]), "---") {
			continue
		}
		name := strings.Trim(strings.TrimSpace(cells[0]), "`")
		l := layer{}
		for s := range strings.SplitSeq(cells[2], ",") {
			if s = strings.Trim(strings.TrimSpace(s), "`"); s != "" {
				l.imports = append(l.imports, s)
			}
		}
		table[name] = l
	}
	if len(table) < 5 {
		t.Fatalf("ARCHITECTURE.md: found %d rows in the package table", len(table))
	}
	return table
}

// pkg is what the source tree says of one package.
type pkg struct {
	imports  map[string]string // our package → file that imports it
	external map[string]string // the same for external _test packages
	comment  bool
	exported int             // exported types
	files    map[string]bool // without tests; twins under one name
}

// add counts a file that is no test.
func (p *pkg) add(name string) {
	for _, end := range platforms {
		if stem, ok := strings.CutSuffix(name, end); ok {
			name = stem + "_PLATFORM.go"
		}
	}
	p.files[name] = true
}

func readTree(t *testing.T) map[string]*pkg {
	t.Helper()
	pkgs := map[string]*pkg{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			n := d.Name()
			if path != "." && (strings.HasPrefix(n, ".") || n == "testdata" || n == "node_modules" || n == "bench") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		p := pkgs[dir]
		if p == nil {
			p = &pkg{imports: map[string]string{}, external: map[string]string{}, files: map[string]bool{}}
			pkgs[dir] = p
		}
		test := strings.HasSuffix(path, "_test.go")
		if !test {
			p.add(filepath.Base(path))
		}
		if !test && f.Doc != nil {
			p.comment = true
		}
		for _, im := range f.Imports {
			ip := strings.Trim(im.Path.Value, `"`)
			if ip != module && !strings.HasPrefix(ip, module+"/") {
				continue
			}
			name := strings.TrimPrefix(strings.TrimPrefix(ip, module), "/")
			if name == "" {
				name = "."
			}
			if test && strings.HasSuffix(f.Name.Name, "_test") {
				p.external[name] = path
			} else {
				p.imports[name] = path
			}
		}
		if !test {
			for _, d := range f.Decls {
				g, ok := d.(*ast.GenDecl)
				if !ok || g.Tok != token.TYPE {
					continue
				}
				for _, s := range g.Specs {
					if ts, ok := s.(*ast.TypeSpec); ok && ts.Name.IsExported() {
						p.exported++
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pkgs
}

// violations lists what in the tree the table and the budget of files, with
// more for some packages, do not allow.
func violations(table map[string]layer, tree map[string]*pkg, more map[string]int) []string {
	var bad []string
	for name, p := range tree {
		l, ok := table[name]
		if !ok {
			bad = append(bad, name+": package is not in ARCHITECTURE.md")
			continue
		}
		if !p.comment {
			bad = append(bad, name+": no package comment")
		}
		for im, file := range p.imports {
			if !slices.Contains(l.imports, "*") && !slices.Contains(l.imports, im) {
				bad = append(bad, file+": "+name+" may not import "+im)
			}
		}
		for im, file := range p.external {
			ok := im == name || im == "store" || im == "azuresim" || im == "report" || im == "catalog" || im == "store/storetest" || im == "collect/collecttest" ||
				slices.Contains(l.imports, "*") || slices.Contains(l.imports, im) || allowedBelow(table, l, im)
			if !ok {
				bad = append(bad, file+": external test of "+name+" may not import "+im)
			}
		}
	}
	for name := range table {
		if tree[name] == nil {
			bad = append(bad, name+": in ARCHITECTURE.md but has no code")
		}
	}
	for name, p := range tree {
		switch may := mostFiles + more[name]; {
		case len(p.files) > may:
			bad = append(bad, fmt.Sprintf("%s: %d files, %d are allowed: join what is about one noun, or split where the imports get clearer", name, len(p.files), may))
		case more[name] > 0 && len(p.files) < may:
			bad = append(bad, fmt.Sprintf("%s: %d files, fewer than the %d allowed: lower its number in excess", name, len(p.files), may))
		}
	}
	for name := range more {
		if tree[name] == nil {
			bad = append(bad, name+": in excess but has no code")
		}
	}
	if n := longest(tree); n > 7 {
		bad = append(bad, "the longest import chain has more than 7 packages")
	}
	if p := tree["."]; p != nil && p.exported > 20 {
		bad = append(bad, "the root exports more than 20 types")
	}
	slices.Sort(bad)
	return bad
}

// allowedBelow reports whether im is reachable through what the row allows.
func allowedBelow(table map[string]layer, l layer, im string) bool {
	for _, a := range l.imports {
		if a == im || allowedBelow(table, table[a], im) {
			return true
		}
	}
	return false
}

func longest(tree map[string]*pkg) int {
	memo := map[string]int{}
	var depth func(string) int
	depth = func(n string) int {
		if d, ok := memo[n]; ok {
			return d
		}
		memo[n] = 0
		best := 0
		if p := tree[n]; p != nil {
			for im := range p.imports {
				best = max(best, depth(im))
			}
		}
		memo[n] = best + 1
		return best + 1
	}
	best := 0
	for n := range tree {
		best = max(best, depth(n))
	}
	return best
}

func TestArchitecture(t *testing.T) {
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range violations(readTable(t, string(text)), readTree(t), excess) {
		t.Error(v)
	}
}

// TestArchitecture/negative: the test must be able to fail.
func TestArchitectureSeesViolations(t *testing.T) {
	table := map[string]layer{".": {}, "a": {imports: []string{"."}}, "gone": {}}
	tree := map[string]*pkg{
		".":    {comment: true, imports: map[string]string{"a": "x.go"}},
		"a":    {comment: false, imports: map[string]string{".": "a.go"}},
		"rest": {comment: true, imports: map[string]string{}},
	}
	got := violations(table, tree, nil)
	want := []string{
		"a: no package comment",
		"gone: in ARCHITECTURE.md but has no code",
		"rest: package is not in ARCHITECTURE.md",
		"x.go: . may not import a",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// TestFilesOfPackages: neither a package that grows nor one that shrinks below
// its excess passes, and twins for platforms count once.
func TestFilesOfPackages(t *testing.T) {
	of := func(names ...string) *pkg {
		p := &pkg{comment: true, imports: map[string]string{}, files: map[string]bool{}}
		for _, n := range names {
			p.add(n)
		}
		return p
	}
	var many []string
	for i := range mostFiles {
		many = append(many, fmt.Sprintf("f%d.go", i))
	}
	tree := map[string]*pkg{
		"full": of(many...), "twins": of(slices.Concat(many[1:], []string{"f_unix.go", "f_windows.go"})...),
		"wide": of(slices.Concat(many, []string{"one.go"})...), "still": of(slices.Concat(many, []string{"one.go"})...), "narrower": of(many...),
	}
	table := map[string]layer{"full": {}, "twins": {}, "wide": {}, "still": {}, "narrower": {}}
	got := violations(table, tree, map[string]int{"still": 1, "narrower": 1, "gone": 2})
	want := []string{
		"gone: in excess but has no code",
		"narrower: 25 files, fewer than the 26 allowed: lower its number in excess",
		"wide: 26 files, 25 are allowed: join what is about one noun, or split where the imports get clearer",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}
