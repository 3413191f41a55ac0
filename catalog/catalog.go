// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/goccy/go-yaml/ast"

	"github.com/tickmark/tickmark"
)

//go:embed criteria.yaml checks aliases
var embedded embed.FS

// Catalog is the reference data of one version of tickmark: immutable after
// loading, safe for concurrent use.
type Catalog struct {
	// Criteria are the 61 criteria in the order of criteria.yaml.
	Criteria []Criterion
	// Checks are ordered by area, then id.
	Checks []*Check

	checkByID map[string]*Check
	criterion map[string]*Criterion
	aliases   aliasTables
	archive   []byte
	digest    tickmark.Digest
}

var loadDefault = sync.OnceValues(loadEmbedded)

// loadEmbedded reads the compiled form if it is of the embedded files, and the
// files themselves otherwise.
func loadEmbedded() (*Catalog, error) {
	files, err := readTree(embedded)
	if err != nil {
		return nil, &tickmark.Error{Code: tickmark.CodeInput, What: "catalogue cannot be read", Err: err}
	}
	if c, err := loadCompiled(files, compiledText); c != nil && err == nil {
		return c, nil
	}
	return loadFiles(files)
}

// Default returns the catalogue that is built into the program. It is loaded
// once, on first use; an error means that the program was built from a broken
// catalogue, which the package's tests rule out.
func Default() (*Catalog, error) { return loadDefault() }

// Load reads a catalogue from the files criteria.yaml, checks/AREA/ID.yaml and
// aliases/*.txt of fsys. It verifies every cross-reference and returns all
// problems it finds, joined, each with file, line and column.
func Load(fsys fs.FS) (*Catalog, error) {
	files, err := readTree(fsys)
	if err != nil {
		return nil, &tickmark.Error{Code: tickmark.CodeInput, What: "catalogue cannot be read", Err: err}
	}
	return loadFiles(files)
}

// file is one catalogue file: what an archive keeps.
type file struct {
	name string // slash-separated, relative
	data []byte
	// root is what data says, where it was read before; nil otherwise.
	root *ast.MappingNode
}

func readTree(fsys fs.FS) ([]file, error) {
	var files []file
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !isCatalogFile(name) {
			return err
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		files = append(files, file{name: name, data: data})
		return nil
	})
	return files, err
}

// isCatalogFile reports whether name is data of the catalogue, so that a folder
// that also holds program text can be loaded.
func isCatalogFile(name string) bool {
	top, _, nested := strings.Cut(name, "/")
	switch top {
	case "criteria.yaml":
		return !nested
	case "checks":
		return path.Ext(name) == ".yaml"
	case "aliases":
		return path.Ext(name) == ".txt"
	}
	return false
}

func loadFiles(files []file) (*Catalog, error) {
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	c := &Catalog{
		checkByID: map[string]*Check{},
		criterion: map[string]*Criterion{},
		aliases:   aliasTables{},
		archive:   writeArchive(files),
	}
	c.digest = tickmark.DigestOf(c.archive)
	var problems []error
	add := func(errs ...error) {
		for _, e := range errs {
			if e != nil {
				problems = append(problems, e)
			}
		}
	}
	var checks []*source
	criteria := false
	for _, f := range files {
		switch {
		case f.name == "criteria.yaml":
			criteria = true
			add(c.readCriteria(f)...)
		case strings.HasPrefix(f.name, "aliases/"):
			add(c.aliases.read(f)...)
		}
	}
	for _, r := range readChecks(files) {
		add(r.err)
		if r.source != nil {
			checks = append(checks, r.source)
		}
	}
	if !criteria {
		add(problem("criteria.yaml", nil, "the file is missing", "a catalogue has the 61 criteria in criteria.yaml"))
	}
	for _, s := range checks {
		add(c.validate(s)...)
		k := s.check // its own: a pointer into the source would keep the parsed document
		c.Checks = append(c.Checks, &k)
		c.checkByID[k.ID] = &k
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	slices.SortFunc(c.Checks, func(a, b *Check) int {
		if n := strings.Compare(a.Area, b.Area); n != 0 {
			return n
		}
		return strings.Compare(a.ID, b.ID)
	})
	return c, nil
}

type readResult struct {
	source *source
	err    error
}

// readChecks reads the files of checks concurrently, because reading YAML is most
// of the time that loading takes. The results keep the order of files.
func readChecks(files []file) []readResult {
	results := make([]readResult, len(files))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(files)) {
		wg.Go(func() {
			for i := range next {
				results[i].source, results[i].err = readCheck(files[i])
			}
		})
	}
	for i, f := range files {
		if strings.HasPrefix(f.name, "checks/") {
			next <- i
		}
	}
	close(next)
	wg.Wait()
	return results
}

// Check returns the check with this id, or nil.
func (c *Catalog) Check(id string) *Check { return c.checkByID[id] }

// Criterion returns the criterion with this code, or nil.
func (c *Catalog) Criterion(code string) *Criterion { return c.criterion[code] }

// Archive returns the catalogue as one deterministic blob: the same files give
// the same bytes. A snapshot pins it; OpenArchive reads it back. The caller
// must not change the bytes.
func (c *Catalog) Archive() []byte { return c.archive }

// Digest is the digest of Archive.
func (c *Catalog) Digest() tickmark.Digest { return c.digest }

// archiveHeader opens every archive and names the version of the form:
// the header line, then per file, in the order of names, a line
// "LENGTH NAME", the file's bytes, and a line feed.
const archiveHeader = "tickmark catalog archive 1\n"

// writeArchive joins files, which must be sorted by name.
func writeArchive(files []file) []byte {
	var b bytes.Buffer
	b.WriteString(archiveHeader)
	for _, f := range files {
		fmt.Fprintf(&b, "%d %s\n", len(f.data), f.name)
		b.Write(f.data)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// OpenArchive reads a catalogue that Archive wrote. It accepts only the exact
// bytes that writing the same files again would give.
func OpenArchive(archive []byte) (*Catalog, error) {
	files, err := readArchive(archive)
	if err != nil {
		return nil, err
	}
	return loadFiles(files)
}

func readArchive(archive []byte) ([]file, error) {
	rest, ok := bytes.CutPrefix(archive, []byte(archiveHeader))
	if !ok {
		return nil, archiveError(0, "it does not start with the header line")
	}
	var files []file
	last := ""
	for len(rest) > 0 {
		at := len(archive) - len(rest)
		line, body, ok := bytes.Cut(rest, []byte{'\n'})
		if !ok {
			return nil, archiveError(at, "a file's line has no end")
		}
		length, name, ok := strings.Cut(string(line), " ")
		n, err := strconv.Atoi(length)
		if !ok || err != nil || n < 0 || strconv.Itoa(n) != length {
			return nil, archiveError(at, "a file's line is not LENGTH NAME")
		}
		if name <= last || !isCatalogFile(name) {
			return nil, archiveError(at, fmt.Sprintf("file %q is unknown or out of order", name))
		}
		if n >= len(body) || body[n] != '\n' {
			return nil, archiveError(at, fmt.Sprintf("file %q is cut short or longer than it says", name))
		}
		files = append(files, file{name: name, data: body[:n:n]})
		last, rest = name, body[n+1:]
	}
	return files, nil
}

func archiveError(offset int, what string) error {
	return &tickmark.Error{
		Code:  tickmark.CodeInput,
		What:  "not a catalogue archive: " + what,
		Where: fmt.Sprintf("byte %d", offset),
		Hint:  "verify the snapshot; its pinned catalogue is damaged",
	}
}
