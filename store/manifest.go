// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/ledger"
)

// maxDepth is how many manifests a manifest may build on, one on the other, so
// that at least every sixteenth stands alone.
const maxDepth = 15

// manifest says how the pages of a segment are put together: one line of JSON,
// then, for each page, operations that give the digests of its items. A copy
// takes digests from the manifest Base: from the list of all its items, page
// after page.
type manifest struct {
	Version int              `json:"v"`
	Base    *tickmark.Digest `json:"base"`
	Depth   int              `json:"depth"`
	Pages   []recipe         `json:"pages"`

	items [][]tickmark.Digest // per page
}

// recipe is one page: its items lie between spans of envelope. Spans are the
// lengths of the distinct spans, whose bytes, one after the other, are the
// blobs Envelope. Runs say which span stands in each of the Items+1 gaps:
// [span, how many times in a row].
type recipe struct {
	Name       string            `json:"name"`
	Form       string            `json:"form"`
	Entity     string            `json:"entity"`
	Columns    []string          `json:"columns"`
	ObservedAt string            `json:"observedAt"`
	Digest     tickmark.Digest   `json:"digest"`
	Bytes      int64             `json:"bytes"`
	Items      int               `json:"items"`
	Envelope   []tickmark.Digest `json:"envelope"`
	Spans      []int             `json:"spans"`
	Runs       [][2]int          `json:"runs"`
	Ops        int               `json:"ops"` // bytes of its operations
}

const (
	opCopy   = 0 // uvarint start, uvarint count
	opInsert = 1 // uvarint count, digests
)

// encode returns the manifest's bytes; base are the items it may copy.
func (m *manifest) encode(base []tickmark.Digest) ([]byte, error) {
	index := make(map[tickmark.Digest]int, len(base))
	for i, d := range slices.Backward(base) {
		index[d] = i // the first of equal ones
	}
	var ops []byte
	for i := range m.Pages {
		before := len(ops)
		ops = appendOps(ops, m.items[i], base, index)
		m.Pages[i].Ops = len(ops) - before
	}
	head, err := ledger.Encode(m)
	if err != nil {
		return nil, err
	}
	head = append(head, '\n')
	return append(head, ops...), nil
}

// appendOps describes items by runs of base and by digests.
func appendOps(b []byte, items, base []tickmark.Digest, index map[tickmark.Digest]int) []byte {
	for i := 0; i < len(items); {
		if start, ok := index[items[i]]; ok {
			n := 1
			for i+n < len(items) && start+n < len(base) && base[start+n] == items[i+n] {
				n++
			}
			b = append(b, opCopy)
			b = binary.AppendUvarint(b, uint64(start)) //nolint:gosec // an index
			b = binary.AppendUvarint(b, uint64(n))
			i += n
			continue
		}
		n := 1
		for i+n < len(items) {
			if _, ok := index[items[i+n]]; ok {
				break
			}
			n++
		}
		b = append(b, opInsert)
		b = binary.AppendUvarint(b, uint64(n))
		for _, d := range items[i : i+n] {
			b = append(b, d[:]...)
		}
		i += n
	}
	return b
}

var errManifest = errors.New("not in the form of a manifest")

// parseManifest reads a manifest without its items and returns the operations
// that give them.
func parseManifest(b []byte) (*manifest, []byte, error) {
	head, ops, ok := bytes.Cut(b, []byte("\n"))
	if !ok {
		return nil, nil, errManifest
	}
	m := &manifest{}
	d := json.NewDecoder(bytes.NewReader(head))
	d.DisallowUnknownFields()
	if err := d.Decode(m); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errManifest, err)
	}
	if m.Version != 1 || m.Depth < 0 || m.Depth > maxDepth || (m.Base == nil) != (m.Depth == 0) {
		return nil, nil, errManifest
	}
	return m, ops, nil
}

// expand applies the operations to the items of the base.
func (m *manifest) expand(ops []byte, base []tickmark.Digest) error {
	m.items = make([][]tickmark.Digest, len(m.Pages))
	for i, p := range m.Pages {
		if p.Ops < 0 || p.Ops > len(ops) || p.Items < 0 {
			return errManifest
		}
		items, err := applyOps(ops[:p.Ops], base, p.Items)
		if err != nil {
			return fmt.Errorf("page %q: %w", p.Name, err)
		}
		m.items[i], ops = items, ops[p.Ops:]
	}
	if len(ops) > 0 {
		return errManifest
	}
	return nil
}

func applyOps(ops []byte, base []tickmark.Digest, want int) ([]tickmark.Digest, error) {
	var items []tickmark.Digest
	number := func() (int, bool) {
		v, n := binary.Uvarint(ops)
		if n <= 0 || v > 1<<40 {
			return 0, false
		}
		ops = ops[n:]
		return int(v), true
	}
	for len(ops) > 0 {
		op := ops[0]
		ops = ops[1:]
		a, ok := number()
		if !ok {
			return nil, errManifest
		}
		switch op {
		case opCopy:
			n, ok := number()
			if !ok || a > len(base) || n > len(base)-a {
				return nil, errManifest
			}
			items = append(items, base[a:a+n]...)
		case opInsert:
			if a > len(ops)/len(tickmark.Digest{}) {
				return nil, errManifest
			}
			for range a {
				items = append(items, tickmark.Digest(ops[:len(tickmark.Digest{})]))
				ops = ops[len(tickmark.Digest{}):]
			}
		default:
			return nil, errManifest
		}
		if len(items) > want {
			return nil, errManifest
		}
	}
	if len(items) != want {
		return nil, errManifest
	}
	return items, nil
}

// all returns the items of all pages, one after the other.
func (m *manifest) all() []tickmark.Digest {
	n := 0
	for _, p := range m.items {
		n += len(p)
	}
	list := make([]tickmark.Digest, 0, n)
	for _, p := range m.items {
		list = append(list, p...)
	}
	return list
}

// manifest reads the manifest d with its items.
func (b *blobs) manifest(d tickmark.Digest) (*manifest, error) {
	return b.manifestAt(d, maxDepth)
}

func (b *blobs) manifestAt(d tickmark.Digest, depth int) (*manifest, error) {
	raw, err := b.get(d)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d, err)
	}
	m, ops, err := parseManifest(raw)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d, err)
	}
	if m.Depth > depth {
		return nil, fmt.Errorf("manifest %s: %w: it builds on too many", d, errManifest)
	}
	var base []tickmark.Digest
	if m.Base != nil {
		below, err := b.manifestAt(*m.Base, m.Depth-1)
		if err != nil {
			return nil, err
		}
		base = below.all()
	}
	if err := m.expand(ops, base); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d, err)
	}
	return m, nil
}
