// SPDX-License-Identifier: Apache-2.0

// Command gen writes the table catalog/aliases/arm.txt from a public list of
// Azure Policy aliases. It reads the resource types to cover, with their
// capabilities, from catalog/gen/types.txt. Run it from the root:
//
//	go run ./catalog/gen -data FOLDER
//
// FOLDER has policy-aliases.gz (alias,path), aliases-soc2.csv and
// aliases-soc2023.csv (alias,path,source).
package main

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const header = `# tickmark aliases: field names of the Azure Policy language and where they lie in the object.
# Written by catalog/gen; do not edit. Types and capabilities: catalog/gen/types.txt.
# Source: the Azure Policy aliases of 2024-05 as listed in github.com/JanneMattila/azure-policy-evaluator (MIT),
# and those that the two SOC 2 initiatives of github.com/Azure/azure-policy (f4a50bac, MIT) use.
# Aliases that reach into resources nested in nested resources are left out unless an initiative uses them.
`

func main() {
	data := flag.String("data", "", "folder with the alias lists")
	types := flag.String("types", "catalog/gen/types.txt", "the types to cover")
	out := flag.String("out", "catalog/aliases/arm.txt", "file to write")
	flag.Parse()
	if err := run(*data, *types, *out); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

type table struct {
	name, line string // canonical spelling; the type's line with capabilities
	paths      map[string]string
	names      map[string]string
}

func run(data, typesFile, out string) error {
	if data == "" {
		return errors.New("flag -data is needed: the folder with policy-aliases.gz")
	}
	tables, order, err := readTypes(typesFile)
	if err != nil {
		return err
	}
	put := func(owner, alias, path string) {
		t := tables[strings.ToLower(owner)]
		if t == nil || path == "" {
			return
		}
		key := strings.ToLower(alias)
		if _, known := t.paths[key]; !known {
			t.paths[key], t.names[key] = path, alias
		}
	}
	for _, f := range []string{"aliases-soc2.csv", "aliases-soc2023.csv"} {
		if err := readRows(filepath.Join(data, f), func(a, p string) { put(ownerOf(a, p), a, p) }); err != nil {
			return err
		}
	}
	var waiting [][2]string // aliases that name no type; the list puts them before the others of their type
	err = readRows(filepath.Join(data, "policy-aliases.gz"), func(a, p string) {
		owner := ownerOf(a, p)
		if owner == "" {
			waiting = append(waiting, [2]string{a, p})
			return
		}
		for _, w := range waiting {
			put(owner, w[0], w[1])
		}
		waiting = waiting[:0]
		if strings.Count(p, "[*]") <= 2 && strings.Count(p, "properties.") <= 2 {
			put(owner, a, p)
		}
	})
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString(header)
	for _, key := range order {
		tables[key].write(&b)
	}
	return os.WriteFile(out, []byte(b.String()), 0o644) //nolint:gosec // a source file that everyone may read
}

func (t *table) write(b *strings.Builder) {
	b.WriteString(t.line + "\n")
	keys := make([]string, 0, len(t.names))
	for k := range t.names {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		name, whole := t.names[k], true
		if len(name) > len(t.name) && strings.EqualFold(name[:len(t.name)+1], t.name+"/") {
			name, whole = name[len(t.name)+1:], false
		}
		switch {
		case whole:
			fmt.Fprintf(b, "\t/%s %s\n", name, t.paths[k])
		case t.paths[k] == "properties."+name:
			fmt.Fprintf(b, "\t%s\n", name)
		default:
			fmt.Fprintf(b, "\t%s %s\n", name, t.paths[k])
		}
	}
}

// nameless gives the type of the aliases that carry no type, by where they lie;
// for the others the list's order decides.
var nameless = []struct{ prefix, path, owner string }{
	{"Microsoft.Compute/", "properties.virtualMachineProfile.", "Microsoft.Compute/virtualMachineScaleSets"},
	{"Microsoft.Compute/", "properties.creationData.", "Microsoft.Compute/disks"},
	{"Microsoft.Compute/", "properties.", "Microsoft.Compute/virtualMachines"},
	{"Microsoft.HybridCompute/", "properties.", "Microsoft.HybridCompute/machines"},
}

// ownerOf returns the type that an alias belongs to: what stands before the last
// slash. A few aliases name no type (NAMESPACE/field); it may return "" for them.
func ownerOf(alias, path string) string {
	owner := alias[:max(strings.LastIndexByte(alias, '/'), 0)]
	if strings.Contains(owner, "/") {
		return owner
	}
	for _, n := range nameless {
		if strings.HasPrefix(alias, n.prefix) && strings.HasPrefix(path, n.path) {
			return n.owner
		}
	}
	return ""
}

func readTypes(name string) (map[string]*table, []string, error) {
	f, err := os.Open(name) //nolint:gosec // the caller names the file
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }()
	tables := map[string]*table{}
	var order []string
	s := bufio.NewScanner(f)
	for s.Scan() {
		line := strings.TrimSpace(s.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		typ := strings.Fields(line)[0]
		key := strings.ToLower(typ)
		if tables[key] != nil {
			return nil, nil, fmt.Errorf("%s: type %s is listed twice", name, typ)
		}
		tables[key] = &table{name: typ, line: line, paths: map[string]string{}, names: map[string]string{}}
		order = append(order, key)
	}
	slices.Sort(order)
	return tables, order, s.Err()
}

func readRows(name string, row func(alias, path string)) error {
	f, err := os.Open(name) //nolint:gosec // the caller names the file
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	var r io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		z, err := gzip.NewReader(f)
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		r = z
	}
	c := csv.NewReader(r)
	c.FieldsPerRecord = -1
	c.LazyQuotes = true
	for {
		fields, err := c.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if len(fields) >= 2 && strings.HasPrefix(fields[0], "Microsoft.") {
			row(fields[0], fields[1])
		}
	}
}
