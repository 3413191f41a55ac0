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
	"strings"

	"github.com/tickmark/tickmark/jsontape"
)

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
