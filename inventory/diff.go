// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"strconv"
	"strings"

	"github.com/tickmark/tickmark/jsontape"
)

// Change says how one resource differs between two inventories.
type Change struct {
	// Old and New are the resource before and after; Old is nil for an added
	// resource, New for a removed one.
	Old, New *Resource
	// Paths are the places whose values differ, such as "properties.sku.name"
	// or "tags"; at most MaxPaths of them.
	Paths []string
	// More counts the differing places beyond Paths.
	More int
}

// MaxPaths is how many changed places of one resource are listed.
const MaxPaths = 50

// Diff compares two inventories, in the order of types and keys. Children that
// lie inside their parents are compared there, and implied resources are not
// compared. A place that was not observed in one of the two is no change: that
// nobody looked says nothing about what there was.
func Diff(a, b *Inventory) []Change {
	var out []Change
	i, j := 0, 0
	for i < len(a.Resources) || j < len(b.Resources) {
		switch {
		case i < len(a.Resources) && a.Resources[i].Flags&(Nested|Implied) != 0:
			i++
			continue
		case j < len(b.Resources) && b.Resources[j].Flags&(Nested|Implied) != 0:
			j++
			continue
		}
		var order int
		switch {
		case i == len(a.Resources):
			order = 1
		case j == len(b.Resources):
			order = -1
		default:
			order = byTypeAndKey(&a.Resources[i], &b.Resources[j])
		}
		switch {
		case order < 0:
			if find(b.OfType(a.Resources[i].Type), a.Resources[i].Key) == nil {
				out = append(out, Change{Old: &a.Resources[i]})
			}
			i++
		case order > 0:
			if find(a.OfType(b.Resources[j].Type), b.Resources[j].Key) == nil {
				out = append(out, Change{New: &b.Resources[j]})
			}
			j++
		default:
			c := Change{Old: &a.Resources[i], New: &b.Resources[j]}
			c.compare("", c.Old.Root, c.New.Root)
			if len(c.Paths) > 0 {
				out = append(out, c)
			}
			i++
			j++
		}
	}
	return out
}

func byTypeAndKey(x, y *Resource) int {
	if c := strings.Compare(strings.ToLower(x.Type), strings.ToLower(y.Type)); c != 0 {
		return c
	}
	return strings.Compare(x.Key, y.Key)
}

// compare notes the places where a and b differ.
func (c *Change) compare(path string, a, b jsontape.Value) {
	ka, kb := a.Kind(), b.Kind()
	switch {
	case ka == jsontape.Unobserved || kb == jsontape.Unobserved:
	case ka == jsontape.Object && kb == jsontape.Object:
		for name, va := range a.Members() {
			vb := b.Get(name)
			if path == "" && loose[strings.ToLower(name)] && alike(va, vb) {
				continue // Azure spells these in several ways
			}
			c.compare(join(path, name), va, vb)
		}
		for name := range b.Members() {
			if a.Get(name).Kind() == jsontape.Absent {
				c.note(join(path, name))
			}
		}
	case ka == jsontape.Array && kb == jsontape.Array && a.Len() == b.Len():
		i := 0
		for va := range a.Elems() {
			c.compare(path+"["+strconv.Itoa(i)+"]", va, b.Index(i))
			i++
		}
	case !equal(a, b):
		c.note(path)
	}
}

func (c *Change) note(path string) {
	if len(c.Paths) == MaxPaths {
		c.More++
		return
	}
	c.Paths = append(c.Paths, path)
}

func join(path, name string) string {
	if strings.ContainsAny(name, ".[]") {
		name = "['" + strings.ReplaceAll(name, "'", "''") + "']"
		return path + name
	}
	if path == "" {
		return name
	}
	return path + "." + name
}
