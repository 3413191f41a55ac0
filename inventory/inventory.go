// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

// Inventory is every resource of a snapshot, with what the snapshot does not
// say. It points into the snapshot's bytes, which must outlive it. It is safe
// for concurrent readers.
type Inventory struct {
	// Resources lie in the order of their types, then keys.
	Resources []Resource
	// Types counts the population of each type, in the same order.
	Types    []TypeCount
	Counts   Counts
	Problems []tickmark.Problem
	// Coverage is the coverage of each segment of the snapshot, lowered where
	// items could not be read.
	Coverage []tickmark.Coverage

	ranges  map[string]extent // lower-case type → its resources
	holes   []hole
	planned bool // nothing of it exists yet
	// sources are those of which anything was read or asked; leftOut those that
	// a collection did not read, and why.
	sources map[string]bool
	leftOut map[string]LeftOut
	// questions are the asks of a collection; aboutType those that absence of a
	// type depends on.
	questions []*question
	aboutLock sync.RWMutex
	aboutType map[string]*about
	// What Complete needs, made on its first call: scopes claimed by type, and
	// whether any subscription was itself collected.
	askOnce       sync.Once
	claims        map[string][]string
	someCollected bool
}

type extent struct{ from, to int }

// TypeCount counts the population of one type. The same resource may count in
// several of the last columns.
type TypeCount struct {
	Type        string
	Resources   int
	Summaries   int // came without properties
	Nested      int // found inside a parent
	Implied     int // only named by others
	Conflicting int // read twice with different content
	Partial     int // records of which only some members were asked for
	// Known reports whether Options.Canonical has the type.
	Known bool
}

func (t *TypeCount) count(r *Resource) {
	for _, c := range [...]struct {
		flag Flags
		n    *int
	}{{Summary, &t.Summaries}, {Nested, &t.Nested}, {Implied, &t.Implied}, {Conflicting, &t.Conflicting}, {Partial, &t.Partial}} {
		if r.Is(c.flag) {
			*c.n++
		}
	}
}

// Counts add up the whole inventory. Items = resources that came by themselves
// + Duplicates + Unread.
type Counts struct {
	Items      int // of the snapshot
	Unread     int // items that are not resources or not JSON
	Duplicates int // items that repeat a resource
	// SummaryItems are the items that came without properties, those included
	// that another item made good.
	SummaryItems int
	Resources    int
	Summaries    int
	Nested       int
	Implied      int
	Conflicting  int
	Partial      int
}

func (c *Counts) add(t TypeCount) {
	c.Resources += t.Resources
	c.Summaries += t.Summaries
	c.Nested += t.Nested
	c.Implied += t.Implied
	c.Conflicting += t.Conflicting
	c.Partial += t.Partial
}

// OfType returns the resources of a type, in the order of their keys. The type
// may be spelled in any case.
func (inv *Inventory) OfType(typ string) []Resource {
	low := strings.ToLower(typ)
	if a, ok := aliases[low]; ok {
		low = strings.ToLower(a)
	}
	e := inv.ranges[low]
	return inv.Resources[e.from:e.to:e.to]
}

// Under returns the resources of a type whose ids lie below scope (an id, in
// any case), in the order of their keys; "" and "/" stand for everything.
func (inv *Inventory) Under(typ, scope string) []Resource {
	all := inv.OfType(typ)
	prefix := strings.ToLower(strings.TrimRight(scope, "/"))
	if prefix == "" {
		return all
	}
	return below(all, prefix+"/")
}

// below cuts the resources whose keys begin with prefix out of a sorted slice.
func below(all []Resource, prefix string) []Resource {
	from := sort.Search(len(all), func(i int) bool { return all[i].Key >= prefix })
	n := sort.Search(len(all)-from, func(i int) bool { return !strings.HasPrefix(all[from+i].Key, prefix) })
	return all[from : from+n : from+n]
}

// Get returns the resource with this id (in any case), or nil.
func (inv *Inventory) Get(id string) *Resource {
	key := strings.ToLower(strings.TrimRight(id, "/"))
	if r := find(inv.OfType(typeOfID(key, key)), key); r != nil {
		return r
	}
	for _, t := range inv.Types {
		if r := find(inv.OfType(t.Type), key); r != nil {
			return r
		}
	}
	return nil
}

func find(all []Resource, key string) *Resource {
	i, ok := slices.BinarySearchFunc(all, key, func(r Resource, k string) int { return strings.Compare(r.Key, k) })
	if !ok {
		return nil
	}
	return &all[i]
}

// Children returns the resources directly below a resource: its child
// resources and those set on it; for a container, what lies in it.
func (inv *Inventory) Children(id string) []*Resource {
	key := strings.ToLower(strings.TrimRight(id, "/"))
	var out []*Resource
	for _, t := range inv.Types {
		list := below(inv.OfType(t.Type), key+"/")
		for i := range list {
			if list[i].Parent == key {
				out = append(out, &list[i])
			}
		}
	}
	return out
}

// ExportCommand is the command that exports a resource whole, for one that is
// a summary, partial, implied or conflicting.
func (r *Resource) ExportCommand() string {
	switch {
	case strings.HasPrefix(r.Key, "graph/"):
		return "az rest --method get --url " + shellQuote("https://graph.microsoft.com/v1.0/"+strings.TrimPrefix(r.ID, "graph/"))
	case IsRecord(r.Type):
		return ""
	case r.Type == TypeSubscription:
		return "az rest --method get --url " + shellQuote(r.ID+"?api-version=2022-12-01")
	case r.Type == TypeResourceGroup:
		return "az rest --method get --url " + shellQuote(r.ID+"?api-version=2022-09-01")
	}
	return "az resource show --ids " + shellQuote(r.ID)
}

// shellQuote quotes s for a POSIX shell.
func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// whole reports whether the resource's own members were all observed.
func (r *Resource) whole() bool {
	return r.Flags&(Summary|Implied|Conflicting|Partial|Doubtful) == 0 && r.Root.Kind() == jsontape.Object
}
