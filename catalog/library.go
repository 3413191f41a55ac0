// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/goccy/go-yaml/ast"

	"github.com/tickmark/tickmark"
)

//go:embed controls registers services glossary.yaml explanations.yaml interview.yaml frameworks.yaml crosswalk.txt
var embeddedLibrary embed.FS

// Library is what the catalogue says beside the rules: the controls and the
// starter registers. No verdict depends on it, so that snapshots do not pin it
// and assessing does not load it. Immutable after loading.
type Library struct {
	// Controls are ordered by family, then id.
	Controls []*Control
	Registers
	Reference

	files            []file
	overrides        map[string]*Override // by key; see With
	catalog          *Catalog
	digest           tickmark.Digest
	controlByID      map[string]*Control
	servicesByType   map[string][]*Service
	crosswalkSources map[string]CrosswalkSource
	places           map[string]place
	documents        map[string]*controlDocument // while loading, for places
}

var loadLibrary = sync.OnceValues(func() (*Library, error) {
	c, err := Default()
	if err != nil {
		return nil, err
	}
	return LoadLibrary(embeddedLibrary, c)
})

// DefaultLibrary returns the library that is built into the program.
func DefaultLibrary() (*Library, error) { return loadLibrary() }

// LoadLibrary reads controls/FAMILY/ID.yaml, registers/*.yaml, services/*.yaml,
// glossary.yaml, explanations.yaml, interview.yaml, frameworks.yaml and crosswalk.txt of fsys. It
// verifies every cross-reference into c and returns all problems it finds,
// joined, each with file, line and column.
func LoadLibrary(fsys fs.FS, c *Catalog) (*Library, error) {
	var files []file
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !isLibraryFile(name) {
			return err
		}
		data, err := fs.ReadFile(fsys, name)
		files = append(files, file{name: name, data: data})
		return err
	})
	if err != nil {
		return nil, &tickmark.Error{Code: tickmark.CodeInput, What: "the library cannot be read", Err: err}
	}
	return loadLibraryFiles(files, c)
}

func loadLibraryFiles(files []file, c *Catalog) (*Library, error) {
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	l := &Library{
		files: files, catalog: c, digest: tickmark.DigestOf(writeArchive(files)), controlByID: map[string]*Control{},
		servicesByType: map[string][]*Service{}, crosswalkSources: map[string]CrosswalkSource{}, places: map[string]place{},
		documents: map[string]*controlDocument{},
	}
	var problems []error
	for _, r := range readControls(files) {
		if r.err != nil {
			problems = append(problems, r.err)
			continue
		}
		problems = append(problems, l.validateControl(r.document)...)
		l.Controls = append(l.Controls, &r.document.control)
		l.controlByID[r.document.control.ID] = &r.document.control
		l.documents[r.document.control.ID] = r.document
	}
	for _, f := range files {
		switch top, _, _ := strings.Cut(f.name, "/"); top {
		case "controls":
		case "registers":
			problems = append(problems, l.readRegister(f)...)
		default:
			problems = append(problems, l.readReference(f)...)
		}
	}
	problems = append(problems, l.validateReference()...)
	problems = append(problems, l.validateRegisters()...)
	l.documents = nil
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	slices.SortFunc(l.Controls, func(a, b *Control) int {
		if n := strings.Compare(a.Family, b.Family); n != 0 {
			return n
		}
		return strings.Compare(a.ID, b.ID)
	})
	return l, nil
}

// isLibraryFile reports whether name is data of the library.
func isLibraryFile(name string) bool {
	switch top, _, nested := strings.Cut(name, "/"); top {
	case "controls", "registers", "services":
		return path.Ext(name) == ".yaml"
	case "glossary.yaml", "explanations.yaml", "interview.yaml", "frameworks.yaml", "crosswalk.txt":
		return !nested
	}
	return false
}

// Digest names the exact content of the library.
func (l *Library) Digest() tickmark.Digest { return l.digest }

// Catalog is the catalogue that the library refers to.
func (l *Library) Catalog() *Catalog { return l.catalog }

// Control returns the control with this id, or nil.
func (l *Library) Control(id string) *Control { return l.controlByID[id] }

// controlDocument is a control as read, with its document for positions.
type controlDocument struct {
	control Control
	file    file
	root    *ast.MappingNode
}

type controlRead struct {
	document *controlDocument
	err      error
}

// readControls reads the files of controls concurrently and keeps their order.
func readControls(files []file) []controlRead {
	var list []file
	for _, f := range files {
		if strings.HasPrefix(f.name, "controls/") {
			list = append(list, f)
		}
	}
	out := make([]controlRead, len(list))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(list)) {
		wg.Go(func() {
			for i := range next {
				out[i].document, out[i].err = readControl(list[i])
			}
		})
	}
	for i := range list {
		next <- i
	}
	close(next)
	wg.Wait()
	return out
}

func readControl(f file) (*controlDocument, error) {
	m, err := parseYAML(f)
	if err != nil {
		return nil, err
	}
	d := &controlDocument{file: f, root: m}
	if err := decode(f, m, &d.control); err != nil {
		return nil, err
	}
	d.control.File, d.control.Line = f.name, m.GetToken().Position.Line
	return d, nil
}

// problem makes an error at the value of key, at its element i where it is a
// list, or at the document's start.
func (d *controlDocument) problem(key string, i int, format string, args ...any) error {
	at := tokenOf(element(child(d.root, key), i))
	if at == nil {
		at = d.root.GetToken()
	}
	return problem(d.file.name, at, fmt.Sprintf(format, args...), "")
}
