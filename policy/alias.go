// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"
	"sync"
)

// Alias is a field name of Azure Policy for one resource type.
type Alias struct {
	Name string // Microsoft.Storage/storageAccounts/minimumTlsVersion
	Path string // properties.minimumTlsVersion
	// Versions are paths that differ in some API versions.
	Versions []AliasVersion
	// Modifiable reports whether modify and append may set the field; known
	// only when the catalogue says so (ModifiableKnown).
	Modifiable, ModifiableKnown bool
	// Secret reports whether values must be masked.
	Secret bool
	// Kind is the JSON type of the value as the provider declares it (String,
	// Integer, Number, Boolean, Array, Object), "" when it does not.
	Kind string
	// Partial reports that the alias has no path outside the API versions in
	// Versions.
	Partial bool
}

// AliasVersion is the path of an alias in certain API versions.
type AliasVersion struct {
	Path        string
	APIVersions []string
}

// TypeInfo is what the catalogue knows of one resource type.
type TypeInfo struct {
	Name string
	// Tags and Location say whether the type supports tags and a location,
	// which decides whether mode Indexed evaluates it; valid when Known.
	Tags, Location, Known bool
	// APIVersions are the versions that the provider offers; may be empty.
	APIVersions []string
	aliases     map[string]*Alias // by lower-case name
}

// Catalog holds the aliases of resource types. A type's aliases may be added
// lazily by Load, which is safe while programs are compiled and run; AddType and
// Add are not, except from Load.
type Catalog struct {
	types map[string]*TypeInfo // by lower-case type
	// Load, when set, is asked once for a type that the catalogue lacks.
	Load func(c *Catalog, typ string)
	// Literal lets a field name that is no alias stand for a path in the
	// object, as test suites and records without aliases need.
	Literal bool
	// Fallback, when set, answers for aliases and capabilities that this
	// catalogue lacks, as an older export lacks newer aliases.
	Fallback *Catalog
	mu       sync.RWMutex // guards types and asked while Load adds to them
	asked    map[string]bool
}

// NewCatalog makes an empty catalogue.
func NewCatalog() *Catalog {
	return &Catalog{types: map[string]*TypeInfo{}, asked: map[string]bool{}}
}

// Type returns what is known of a type, nil when nothing is.
func (c *Catalog) Type(typ string) *TypeInfo {
	key := strings.ToLower(typ)
	if c.Load == nil {
		return c.types[key]
	}
	c.mu.RLock()
	t, asked := c.types[key], c.asked[key]
	c.mu.RUnlock()
	if t != nil || asked {
		return t
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.asked[key] {
		c.asked[key] = true
		c.Load(c, typ)
	}
	return c.types[key]
}

// Capabilities returns whether a type supports tags and a location; known is
// false when neither this catalogue nor its fallback says.
func (c *Catalog) Capabilities(typ string) (tags, location, known bool) {
	for ; c != nil; c = c.Fallback {
		if t := c.Type(typ); t != nil && t.Known {
			return t.Tags, t.Location, true
		}
	}
	return false, false, false
}

// AddType adds a type, or returns the one that is there.
func (c *Catalog) AddType(typ string) *TypeInfo {
	key := strings.ToLower(typ)
	t := c.types[key]
	if t == nil {
		t = &TypeInfo{Name: typ, aliases: map[string]*Alias{}}
		c.types[key] = t
	}
	return t
}

// Add adds or replaces an alias of a type.
func (c *Catalog) Add(typ string, a Alias) { c.AddType(typ).aliases[strings.ToLower(a.Name)] = &a }

// Alias finds the alias of a type by name, whatever its case. Names are not
// unique across types, so the type decides.
func (c *Catalog) Alias(typ, name string) *Alias {
	if a := c.alias(typ, name); a != nil || c.Fallback == nil {
		return a
	}
	return c.Fallback.Alias(typ, name)
}

func (c *Catalog) alias(typ, name string) *Alias {
	key := strings.ToLower(name)
	if a := c.listed(typ, key); a != nil {
		return a
	}
	// Providers publish the aliases of some children in the parent's list.
	if foldPrefix(name, typ+"/") {
		for t := typ; strings.Count(t, "/") > 1; {
			t = t[:strings.LastIndexByte(t, '/')]
			if a := c.listed(t, key); a != nil {
				return a
			}
		}
	}
	return nil
}

func (c *Catalog) listed(typ, key string) *Alias {
	if t := c.Type(typ); t != nil {
		return t.aliases[key]
	}
	return nil
}

// sorted lists the type's aliases by name.
func (t *TypeInfo) sorted() []*Alias {
	out := make([]*Alias, 0, len(t.aliases))
	for _, a := range t.aliases {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b *Alias) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Elsewhere lists types that do have the alias, for hints; at most three.
func (c *Catalog) Elsewhere(name string) []string {
	key := strings.ToLower(name)
	var out []string
	for _, t := range c.types {
		if t.aliases[key] != nil {
			out = append(out, t.Name)
		}
	}
	slices.Sort(out)
	return out[:min(3, len(out))]
}

// Nearest returns the alias of the type whose name is closest to name, "" when
// none is close.
func (c *Catalog) Nearest(typ, name string) string {
	t := c.Type(typ)
	if t == nil {
		return ""
	}
	key, best, bestDist := strings.ToLower(name), "", 4
	for k, a := range t.aliases {
		if d := distance(key, k, bestDist+1); d < bestDist || d == bestDist && best != "" && a.Name < best {
			best, bestDist = a.Name, d
		}
	}
	return best
}

// distance is the edit distance of a and b, or limit when it is not below.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	prev := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := range len(a) {
		diag := prev[0]
		prev[0] = i + 1
		low := prev[0]
		for j := range len(b) {
			cost := diag
			if a[i] != b[j] {
				cost++
			}
			diag = prev[j+1]
			prev[j+1] = min(cost, prev[j]+1, prev[j+1]+1)
			low = min(low, prev[j+1])
		}
		if low >= limit {
			return limit
		}
	}
	return min(prev[len(b)], limit)
}
