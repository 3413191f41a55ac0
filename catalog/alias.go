// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
)

// Type is one resource type that the alias tables know.
type Type struct {
	// Name is the canonical spelling.
	Name string
	// Tags and Location say whether resources of the type carry tags and a
	// location; they mean something only if Capabilities is true.
	Capabilities, Tags, Location bool

	// blocks are the unparsed alias lines of the type, one block per table;
	// most types are never asked for, so they are parsed on first use.
	blocks []string
	parse  sync.Once
	rows   []Alias // sorted by key
	keys   []string
}

// Alias is a field name of the rule language and where it lies in the object.
type Alias struct {
	Name string // full name, such as Microsoft.Storage/storageAccounts/minimumTlsVersion
	Path string // such as properties.minimumTlsVersion; [*] stands after an array
}

// aliasTables maps the lower-case type name to the type.
type aliasTables map[string]*Type

// read adds one table. The form, one line each:
//
//	# comment
//	TYPE [tags] [location] | TYPE none | TYPE ?
//	<TAB>NAME [PATH]
//
// NAME continues TYPE after a slash unless it starts with a slash, in which case
// the rest is the whole alias. PATH is left out where it is "properties." and
// NAME. "none" says that the type has neither tags nor location, "?" or nothing
// that it is not known.
func (a aliasTables) read(f file) []error {
	var problems []error
	text := string(f.data)
	var current *Type
	start, line := 0, 0
	flush := func(end int) {
		if current != nil && end > start {
			current.blocks = append(current.blocks, text[start:end])
		}
		current = nil
	}
	for at := 0; at < len(text); {
		line++
		end := strings.IndexByte(text[at:], '\n')
		if end < 0 {
			end = len(text)
		} else {
			end += at + 1
		}
		row := strings.TrimRight(text[at:end], "\r\n")
		switch {
		case strings.HasPrefix(row, "\t"):
			if current == nil {
				problems = append(problems, lineProblem(f.name, line, "an alias stands outside a type"))
			} else if n := strings.Count(row, " "); n > 1 || len(row) < 2 || row[1] == ' ' {
				problems = append(problems, lineProblem(f.name, line, "an alias line is not <TAB>NAME [PATH]"))
			}
		case row == "" || row[0] == '#':
			if current != nil && at > start { // a comment does not end the type
				current.blocks = append(current.blocks, text[start:at])
			}
			start = end
		default:
			flush(at)
			t, err := a.typeLine(row)
			if err != "" {
				problems = append(problems, lineProblem(f.name, line, err))
			}
			current, start = t, end
		}
		at = end
	}
	flush(len(text))
	return problems
}

// typeLine reads a line that opens a type and returns the type, or what is wrong.
func (a aliasTables) typeLine(row string) (*Type, string) {
	words := strings.Fields(row)
	key := strings.ToLower(words[0])
	if !strings.Contains(key, "/") {
		return nil, fmt.Sprintf("%q is not a resource type", words[0])
	}
	t := a[key]
	if t == nil {
		t = &Type{Name: words[0]}
		a[key] = t
	} else if t.Name != words[0] {
		return t, fmt.Sprintf("type %q is spelled %q elsewhere", words[0], t.Name)
	}
	for _, w := range words[1:] {
		switch w {
		case "tags":
			t.Tags, t.Capabilities = true, true
		case "location":
			t.Location, t.Capabilities = true, true
		case "none":
			t.Capabilities = true
		case "?":
		default:
			return t, fmt.Sprintf("capability %q: want tags, location, none or ?", w)
		}
	}
	return t, ""
}

func (t *Type) load() {
	t.parse.Do(func() {
		type row struct {
			key string
			Alias
		}
		var rows []row
		for _, b := range t.blocks {
			for l := range strings.Lines(b) {
				l = strings.TrimRight(strings.TrimPrefix(l, "\t"), "\r\n")
				name, path, given := strings.Cut(l, " ")
				if !given {
					path = "properties." + name
				}
				full, whole := strings.CutPrefix(name, "/")
				if !whole {
					full = t.Name + "/" + name
				}
				rows = append(rows, row{strings.ToLower(full), Alias{full, path}})
			}
		}
		// A stable sort keeps the first table's row in front of a duplicate.
		slices.SortStableFunc(rows, func(x, y row) int { return strings.Compare(x.key, y.key) })
		rows = slices.CompactFunc(rows, func(x, y row) bool { return x.key == y.key })
		t.rows, t.keys = make([]Alias, len(rows)), make([]string, len(rows))
		for i, r := range rows {
			t.rows[i], t.keys[i] = r.Alias, r.key
		}
	})
}

// Path returns where the field named alias lies in objects of the type. Alias
// names are compared without regard to case.
func (t *Type) Path(alias string) (path string, ok bool) {
	t.load()
	i, ok := slices.BinarySearch(t.keys, strings.ToLower(alias))
	if !ok {
		return "", false
	}
	return t.rows[i].Path, true
}

// Aliases yields every alias of the type, ordered by name.
func (t *Type) Aliases() iter.Seq[Alias] {
	t.load()
	return slices.Values(t.rows)
}

// Type returns what the alias tables know of a resource type, or nil. Type
// names are compared without regard to case.
func (c *Catalog) Type(name string) *Type {
	if t := c.aliases[name]; t != nil { // already lower-case
		return t
	}
	return c.aliases[strings.ToLower(name)]
}

// Alias returns where the field named alias lies in objects of resourceType;
// ok is false if the tables have no such alias for this type.
func (c *Catalog) Alias(resourceType, alias string) (path string, ok bool) {
	t := c.Type(resourceType)
	if t == nil {
		return "", false
	}
	return t.Path(alias)
}

// Types returns every type of the alias tables, ordered by name.
func (c *Catalog) Types() []*Type {
	types := make([]*Type, 0, len(c.aliases))
	for _, t := range c.aliases {
		types = append(types, t)
	}
	slices.SortFunc(types, func(a, b *Type) int {
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	return types
}
