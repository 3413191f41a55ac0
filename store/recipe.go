// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/tickmark/tickmark"
)

// envelopeChunk is how much of an envelope one blob holds.
const envelopeChunk = 1 << 20

// errItems says that a page's items do not lie in it in order.
func errItems(page string, i int) error {
	return &tickmark.Error{Code: tickmark.CodeInternal, Where: page, What: fmt.Sprintf("item %d does not lie in the page after the one before it", i)}
}

// takeApart makes the recipe of a page. It returns the envelope's bytes and
// the items' bytes; both alias the page where they can.
func takeApart(p *tickmark.Page) (r recipe, envelope []byte, items [][]byte, err error) { //nolint:revive // the parts of one page
	r = recipe{
		Name: clean(p.Name), Form: clean(p.Form), Entity: clean(p.Entity), Ask: clean(p.Ask), Subject: clean(p.Subject), Identity: clean(p.Identity), ObservedAt: instant(p.ObservedAt),
		Digest: tickmark.DigestOf(p.Bytes), Bytes: int64(len(p.Bytes)), Items: len(p.Items),
		Columns: make([]string, 0, len(p.Columns)), Spans: []int{}, Runs: [][2]int{}, Envelope: []tickmark.Digest{},
	}
	r.Request = requestOf(p.Request, r.Digest)
	if !p.Digest.IsZero() && p.Digest != r.Digest {
		return r, nil, nil, &tickmark.Error{Code: tickmark.CodeInput, Where: p.Name, What: "changed while it was read", Hint: "run the command again"}
	}
	for _, c := range p.Columns {
		r.Columns = append(r.Columns, clean(c))
	}
	known := map[string]int{}
	span := func(b []byte) {
		i, ok := known[string(b)]
		if !ok {
			i = len(r.Spans)
			known[string(b)] = i
			r.Spans = append(r.Spans, len(b))
			envelope = append(envelope, b...)
		}
		if n := len(r.Runs); n > 0 && r.Runs[n-1][0] == i {
			r.Runs[n-1][1]++
			return
		}
		r.Runs = append(r.Runs, [2]int{i, 1})
	}
	at := 0
	items = make([][]byte, len(p.Items))
	for i, it := range p.Items {
		if it.Off < at || it.Len <= 0 || it.Len > len(p.Bytes)-it.Off {
			return r, nil, nil, errItems(p.Name, i)
		}
		span(p.Bytes[at:it.Off])
		items[i] = p.Bytes[it.Off : it.Off+it.Len]
		at = it.Off + it.Len
	}
	span(p.Bytes[at:])
	return r, envelope, items, nil
}

var errRecipe = errors.New("its recipe does not fit together")

// assemble gives emit the parts of page i of m in order: first says whether a
// part is an item. It checks the recipe's lengths, not the page's digest.
func (b *blobs) assemble(m *manifest, i int, emit func(part []byte, item bool) error) error {
	r, items := m.Pages[i], m.items[i]
	var envelope []byte
	for _, d := range r.Envelope {
		part, err := b.get(d)
		if err != nil {
			return err
		}
		envelope = append(envelope, part...)
	}
	spans := make([][]byte, len(r.Spans))
	for k, n := range r.Spans {
		if n < 0 || n > len(envelope) {
			return errRecipe
		}
		spans[k], envelope = envelope[:n:n], envelope[n:]
	}
	if len(envelope) > 0 {
		return errRecipe
	}
	next := 0
	var where map[tickmark.Digest]int64
	for _, run := range r.Runs {
		if run[0] < 0 || run[0] >= len(spans) || run[1] < 1 {
			return errRecipe
		}
		for range run[1] {
			if next > len(items) {
				return errRecipe
			}
			if err := emit(spans[run[0]], false); err != nil {
				return err
			}
			if next == len(items) { // the last gap; another one does not fit
				next++
				continue
			}
			if next%(4*inList) == 0 {
				var err error
				if where, err = b.locate(items[next:min(next+4*inList, len(items))]); err != nil {
					return err
				}
			}
			block, ok := where[items[next]]
			if !ok {
				return fmt.Errorf("item %d, blob %s %w", next, items[next], errNoBlob)
			}
			data, err := b.from(block, items[next])
			if err != nil {
				return fmt.Errorf("item %d: %w", next, err)
			}
			if err := emit(data, true); err != nil {
				return err
			}
			next++
		}
	}
	if next != len(items)+1 {
		return errRecipe
	}
	return nil
}

// checkPage rebuilds page i of m and compares its digest.
func (b *blobs) checkPage(m *manifest, i int) error {
	h := sha256.New()
	err := b.assemble(m, i, func(part []byte, _ bool) error {
		h.Write(part)
		return nil
	})
	if err != nil {
		return err
	}
	if tickmark.Digest(h.Sum(nil)) != m.Pages[i].Digest {
		return errors.New("rebuilt, it does not have its digest")
	}
	return nil
}

// page rebuilds page i of m.
func (b *blobs) page(m *manifest, i int) (tickmark.Page, error) {
	r := m.Pages[i]
	p := tickmark.Page{
		Name: r.Name, Form: r.Form, Entity: r.Entity, Ask: r.Ask, Subject: r.Subject, Identity: r.Identity,
		Request: r.Request.open(r.Digest), Digest: r.Digest, Items: make([]tickmark.Item, 0, r.Items),
	}
	if len(r.Columns) > 0 {
		p.Columns = r.Columns
	}
	if r.Bytes < 0 || r.Bytes > 1<<40 {
		return p, errRecipe
	}
	var err error
	if p.ObservedAt, err = parseInstant(r.ObservedAt); err != nil {
		return p, err
	}
	p.Bytes = make([]byte, 0, r.Bytes)
	err = b.assemble(m, i, func(part []byte, item bool) error {
		if int64(len(p.Bytes)+len(part)) > r.Bytes {
			return errRecipe
		}
		if item {
			p.Items = append(p.Items, tickmark.Item{Off: len(p.Bytes), Len: len(part)})
		}
		p.Bytes = append(p.Bytes, part...)
		return nil
	})
	if err == nil && tickmark.DigestOf(p.Bytes) != r.Digest {
		err = errors.New("rebuilt, it does not have its digest")
	}
	return p, err
}
