// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/tickmark/tickmark/jsontape"
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

// AddAliases adds a file of aliases whatever its form: the answer of ARM's
// "providers?$expand=resourceTypes/aliases", or lines of CSV; gzip or plain.
func (c *Catalog) AddAliases(file string, src []byte) error {
	src, err := plainText(file, src)
	if err != nil {
		return err
	}
	if t := bytes.TrimLeft(src, " \t\r\n\xef\xbb\xbf"); len(t) > 0 && (t[0] == '{' || t[0] == '[') {
		return c.AddProviders(file, t)
	}
	return c.AddCSV(file, bytes.NewReader(src))
}

// AddProviders adds the aliases of an answer of ARM's
// "providers?$expand=resourceTypes/aliases": the list with value, a bare array
// of providers, or one provider.
func (c *Catalog) AddProviders(file string, src []byte) error {
	doc, err := parseDocument(file, src)
	if err != nil {
		return err
	}
	root := doc.tape.Root()
	if v := root.Get("value"); v.Kind() == jsontape.Array {
		root = v
	}
	if root.Kind() == jsontape.Object {
		return c.addProvider(doc, root)
	}
	if root.Kind() != jsontape.Array {
		return doc.errorAt(root, "", "want a list of resource providers, not %s", root.Kind().Phrase())
	}
	for p := range root.Elems() {
		if err := c.addProvider(doc, p); err != nil {
			return err
		}
	}
	return nil
}

func (c *Catalog) addProvider(doc *document, p jsontape.Value) error {
	ns := p.Get("namespace").Str()
	if ns == "" {
		return doc.errorAt(p, "", "a resource provider without namespace")
	}
	for rt := range p.Get("resourceTypes").Elems() {
		typ := ns + "/" + rt.Get("resourceType").Str()
		info := c.AddType(typ)
		if caps := rt.Get("capabilities"); caps.Kind() == jsontape.String {
			info.Known = true
			info.Tags = strings.Contains(caps.Str(), "SupportsTags")
			info.Location = strings.Contains(caps.Str(), "SupportsLocation")
		}
		for v := range rt.Get("apiVersions").Elems() {
			info.APIVersions = append(info.APIVersions, v.Str())
		}
		for a := range rt.Get("aliases").Elems() {
			c.Add(typ, readAlias(a))
		}
	}
	return nil
}

func readAlias(a jsontape.Value) Alias {
	out := Alias{Name: a.Get("name").Str(), Path: a.Get("defaultPath").Str(), Secret: foldEq(a.Get("type").Str(), "Mask")}
	if t := a.Get("defaultMetadata").Get("type").Str(); !foldEq(t, "NotSpecified") && !foldEq(t, "Any") {
		out.Kind = t
	}
	if m := a.Get("defaultMetadata").Get("attributes"); m.Kind() != jsontape.Absent {
		out.ModifiableKnown = true
		out.Modifiable = foldEq(m.Str(), "Modifiable")
	}
	for p := range a.Get("paths").Elems() {
		v := AliasVersion{Path: p.Get("path").Str()}
		for ver := range p.Get("apiVersions").Elems() {
			v.APIVersions = append(v.APIVersions, ver.Str())
		}
		out.Versions = append(out.Versions, v)
		if out.Path == "" {
			out.Path, out.Partial = v.Path, true
		}
	}
	return out
}

// AddCSV adds aliases from lines "namespace,resource type,alias,path" or
// "alias,path" (a third column, such as a source, is left aside). The type is then the alias up to its last slash; an alias that
// names no type (Microsoft.Compute/imagePublisher) belongs to the type of the
// next line that does, because such files list the aliases type by type as
// ARM does. The text may be compressed with gzip.
func (c *Catalog) AddCSV(file string, r io.Reader) error {
	br := bufio.NewReaderSize(r, 1<<16)
	if magic, _ := br.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(br)
		if err != nil {
			return fmt.Errorf("read %s: %w", file, err)
		}
		br = bufio.NewReaderSize(z, 1<<16)
	}
	cr := csv.NewReader(br)
	cr.FieldsPerRecord = -1
	cr.ReuseRecord = true
	var typeless []Alias
	for {
		rec, err := cr.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", file, err)
		}
		switch {
		case len(rec) >= 4 && strings.Contains(rec[2], "/"):
			c.Add(strings.Clone(rec[0]+"/"+rec[1]), Alias{Name: strings.Clone(rec[2]), Path: strings.Clone(rec[3])})
		case len(rec) >= 2 && len(rec) <= 3 && strings.Contains(rec[0], "/"):
			a := Alias{Name: strings.Clone(rec[0]), Path: strings.Clone(rec[1])}
			typ := a.Name[:strings.LastIndexByte(a.Name, '/')]
			if !strings.Contains(typ, "/") {
				typeless = append(typeless, a)
				continue
			}
			for _, t := range typeless {
				if foldPrefix(typ, t.Name[:strings.IndexByte(t.Name, '/')+1]) {
					c.Add(typ, t)
				}
			}
			typeless = typeless[:0]
			c.Add(typ, a)
		}
	}
}

// maxPlainText bounds what a compressed file may unpack to.
const maxPlainText = 1 << 30

// plainText unpacks a file that is compressed with gzip.
func plainText(file string, src []byte) ([]byte, error) {
	if !bytes.HasPrefix(src, []byte{0x1f, 0x8b}) {
		return src, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(src))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	b, err := io.ReadAll(io.LimitReader(z, maxPlainText+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	if len(b) > maxPlainText {
		return nil, fmt.Errorf("read %s: it unpacks to more than %d MiB", file, maxPlainText>>20)
	}
	return b, nil
}
