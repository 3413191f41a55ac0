// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
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

// manifestVersion is the version that is written; 1 had no copies of pages, 2
// no pages like others.
const manifestVersion = 3

// manifest says how the pages of a segment are put together: one line of JSON,
// then, for each page, operations that give the digests of its items. A copy
// takes digests from the manifest Base: from the list of all its items, page
// after page.
type manifest struct {
	Version int              `json:"v"`
	Base    *tickmark.Digest `json:"base"`
	Depth   int              `json:"depth"`
	// Pages are those that Base has not got; encode and expand take them from
	// all and put them among the copies.
	Pages  []recipe `json:"pages"`
	Copies []copies `json:"copies,omitempty"`

	items [][]tickmark.Digest // per page
}

// copies are pages that say the same as pages of the manifest Base, items
// included, read again: N of them, from number From, which come to lie at
// number At. Observed are their instants in microseconds, the first since 1970,
// each other since the one before; none if no page has one. IDs are the request
// ids, or GUIDs their 16 bytes each where all are lower-case GUIDs; neither if no
// page has one. URLs are their addresses where these are not the base's, as of a
// log of which the time is part of the address; their names are method and
// address then. (A list of many small pages is read every day
// and hardly changes: all that is new of such a page is when and as which
// request it was read.)
type copies struct {
	At       int      `json:"at"`
	From     int      `json:"from"`
	N        int      `json:"n"`
	Observed []int64  `json:"observed,omitempty"`
	IDs      []string `json:"ids,omitempty"`
	GUIDs    []byte   `json:"guids,omitempty"`
	URLs     []string `json:"urls,omitempty"`
	last     int64    // instant of the last page
}

// guid returns the 16 bytes of a lower-case GUID.
func guid(id string) (b [16]byte, ok bool) {
	if len(id) != 36 || id[8] != '-' || id[13] != '-' || id[18] != '-' || id[23] != '-' {
		return b, false
	}
	if _, err := hex.Decode(b[:], []byte(id[:8]+id[9:13]+id[14:18]+id[19:23]+id[24:])); err != nil {
		return b, false
	}
	return b, guidText(b[:]) == id
}

func guidText(b []byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// id is the request id of page k of the copies.
func (c *copies) id(k int) string {
	switch {
	case len(c.IDs) > 0:
		return c.IDs[k]
	case len(c.GUIDs) > 0:
		return guidText(c.GUIDs[16*k:])
	}
	return ""
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
	Ask        string            `json:"ask,omitempty"`
	Subject    string            `json:"subject,omitempty"`
	Identity   string            `json:"identity,omitempty"`
	Request    *request          `json:"request,omitempty"`
	ObservedAt string            `json:"observedAt"`
	Digest     tickmark.Digest   `json:"digest"`
	Bytes      int64             `json:"bytes"`
	Items      int               `json:"items"`
	Envelope   []tickmark.Digest `json:"envelope"`
	Spans      []int             `json:"spans"`
	Runs       [][2]int          `json:"runs"`
	Ops        int               `json:"ops"` // bytes of its operations

	// Like is the number of a page of the manifest Base that was asked for alike:
	// see liken. A page without it has neither ID nor Received.
	Like     *int             `json:"like,omitempty"`
	ID       string           `json:"id,omitempty"`
	Received *tickmark.Digest `json:"received,omitempty"`
}

// likeness is how a page is written that page Like of the manifest Base is
// like: another answer to the same request. Name to Identity and Request are
// the base's, but for ID and Received; so are Envelope, Spans and Runs where
// they are left out. (A list in which one record changed is read every day: all
// that is new is the record and the list's digest.)
type likeness struct {
	Like       int               `json:"like"`
	ID         string            `json:"id,omitempty"`
	Received   *tickmark.Digest  `json:"received,omitempty"`
	ObservedAt string            `json:"observedAt"`
	Digest     tickmark.Digest   `json:"digest"`
	Bytes      int64             `json:"bytes"`
	Items      int               `json:"items"`
	Envelope   []tickmark.Digest `json:"envelope,omitempty"`
	Spans      []int             `json:"spans,omitempty"`
	Runs       [][2]int          `json:"runs,omitempty"`
	Ops        int               `json:"ops"`
}

// written is a manifest on its way out; a page is a recipe or a likeness.
type written struct {
	Version int              `json:"v"`
	Base    *tickmark.Digest `json:"base"`
	Depth   int              `json:"depth"`
	Pages   []any            `json:"pages"`
	Copies  []copies         `json:"copies,omitempty"`
}

// request is how a page was asked for. Received is left out where it is the
// page's own digest.
type request struct {
	Method     string           `json:"method"`
	URL        string           `json:"url"`
	Body       string           `json:"body,omitempty"`
	APIVersion string           `json:"apiVersion,omitempty"`
	Status     int              `json:"status"`
	ID         string           `json:"id,omitempty"`
	Received   *tickmark.Digest `json:"received,omitempty"`
	Direct     bool             `json:"direct,omitempty"`
}

func requestOf(r *tickmark.Request, page tickmark.Digest) *request {
	if r == nil {
		return nil
	}
	out := &request{
		Method: clean(r.Method), URL: clean(r.URL), Body: clean(r.Body), APIVersion: clean(r.APIVersion),
		Status: r.Status, ID: clean(r.ID), Direct: r.Direct,
	}
	if d := r.Received; d != page {
		out.Received = &d
	}
	return out
}

func (r *request) open(page tickmark.Digest) *tickmark.Request {
	if r == nil {
		return nil
	}
	out := &tickmark.Request{Method: r.Method, URL: r.URL, Body: r.Body, APIVersion: r.APIVersion, Status: r.Status, ID: r.ID, Received: page, Direct: r.Direct}
	if r.Received != nil {
		out.Received = *r.Received
	}
	return out
}

const (
	opCopy   = 0 // uvarint start, uvarint count
	opInsert = 1 // uvarint count, digests
)

// encode returns the manifest's bytes; base is the manifest Base, if any.
func (m *manifest) encode(base *manifest) ([]byte, error) {
	digests := base.all()
	index := make(map[tickmark.Digest]int, len(digests))
	for i, d := range slices.Backward(digests) {
		index[d] = i // the first of equal ones
	}
	var again manifest // its copies
	out := &written{Version: m.Version, Base: m.Base, Depth: m.Depth, Pages: []any{}}
	known, err := base.places()
	if err != nil {
		return nil, err
	}
	alike, err := base.byKey(recipe.request)
	if err != nil {
		return nil, err
	}
	elsewhere, err := base.byKey(recipe.elsewhere)
	if err != nil {
		return nil, err
	}
	var ops []byte
	for i := range m.Pages {
		from, ok := -1, false
		if len(known) > 0 {
			if from, ok, err = base.place(known, m, i); err != nil {
				return nil, err
			}
		}
		if ok {
			again.again(i, from, &m.Pages[i], false)
			continue
		}
		if from, ok, err = base.moved(elsewhere, m, i); err != nil {
			return nil, err
		}
		if ok {
			again.again(i, from, &m.Pages[i], true)
			continue
		}
		before := len(ops)
		ops = appendOps(ops, m.items[i], digests, index)
		p := m.Pages[i]
		p.Ops = len(ops) - before
		l, err := base.liken(alike, p)
		switch {
		case err != nil:
			return nil, err
		case l != nil:
			out.Pages = append(out.Pages, l)
		default:
			out.Pages = append(out.Pages, p)
		}
	}
	out.Copies = again.Copies
	head, err := ledger.Encode(out)
	if err != nil {
		return nil, err
	}
	head = append(head, '\n')
	return append(head, ops...), nil
}

// lasting is what two readings of an unchanged page have in common.
func (r recipe) lasting() (tickmark.Digest, error) {
	r.ObservedAt, r.Ops = "", 0
	if r.Request != nil {
		q := *r.Request
		q.ID = ""
		r.Request = &q
	}
	b, err := ledger.Encode(r)
	return tickmark.DigestOf(b), err
}

// request is what two answers to one request have in common.
func (r recipe) request() (tickmark.Digest, error) {
	r.Digest, r.Bytes, r.Items, r.Envelope, r.Spans, r.Runs = tickmark.Digest{}, 0, 0, nil, nil, nil
	if r.Request != nil {
		q := *r.Request
		q.Received = nil
		r.Request = &q
	}
	return r.lasting()
}

// elsewhere is what two readings of an unchanged page have in common but for its
// address; zero where the name is something else than method and address.
func (r recipe) elsewhere() (tickmark.Digest, error) {
	if r.Request == nil || r.Name != r.Request.Method+" "+r.Request.URL {
		return tickmark.Digest{}, nil
	}
	q := *r.Request
	q.URL, r.Name, r.Request = "", "", &q
	return r.lasting()
}

// byKey finds the pages of m by what key says of them. Those of one key come in
// order.
func (m *manifest) byKey(key func(recipe) (tickmark.Digest, error)) (map[tickmark.Digest][]int, error) {
	out := map[tickmark.Digest][]int{}
	if m == nil {
		return out, nil
	}
	for i, p := range m.Pages {
		d, err := key(p)
		if err != nil {
			return nil, err
		}
		out[d] = append(out[d], i)
	}
	return out, nil
}

// moved finds page i of next, unchanged but for its address, among the pages of
// m, and takes that off the list.
func (m *manifest) moved(elsewhere map[tickmark.Digest][]int, next *manifest, i int) (at int, ok bool, err error) {
	if len(elsewhere) == 0 {
		return 0, false, nil
	}
	d, err := next.Pages[i].elsewhere()
	if err != nil || d.IsZero() || len(elsewhere[d]) == 0 {
		return 0, false, err
	}
	at = elsewhere[d][0]
	if !slices.Equal(m.items[at], next.items[i]) {
		return 0, false, nil
	}
	elsewhere[d] = elsewhere[d][1:]
	return at, true, nil
}

// liken finds a page of m that was asked for as p was, and takes it off the
// list; nil if there is none.
func (m *manifest) liken(alike map[tickmark.Digest][]int, p recipe) (*likeness, error) {
	if len(alike) == 0 {
		return nil, nil
	}
	d, err := p.request()
	if err != nil || len(alike[d]) == 0 {
		return nil, err
	}
	at := alike[d][0]
	alike[d] = alike[d][1:]
	base := &m.Pages[at]
	l := &likeness{Like: at, ObservedAt: p.ObservedAt, Digest: p.Digest, Bytes: p.Bytes, Items: p.Items, Ops: p.Ops}
	if p.Request != nil {
		l.ID, l.Received = p.Request.ID, p.Request.Received
	}
	if !slices.Equal(p.Envelope, base.Envelope) {
		if l.Envelope = p.Envelope; len(p.Envelope) == 0 {
			return nil, nil // nothing would stand for the base's
		}
	}
	if !slices.Equal(p.Spans, base.Spans) {
		l.Spans = p.Spans
	}
	if !slices.Equal(p.Runs, base.Runs) {
		l.Runs = p.Runs
	}
	return l, nil
}

// complete takes from the base what a likeness left out.
func (r *recipe) complete(base *manifest) error {
	if r.Like == nil {
		if r.ID != "" || r.Received != nil {
			return errManifest
		}
		return nil
	}
	if base == nil || *r.Like < 0 || *r.Like >= len(base.Pages) {
		return errManifest
	}
	p := base.Pages[*r.Like]
	p.ObservedAt, p.Digest, p.Bytes, p.Items, p.Ops = r.ObservedAt, r.Digest, r.Bytes, r.Items, r.Ops
	if r.Envelope != nil {
		p.Envelope = r.Envelope
	}
	if r.Spans != nil {
		p.Spans = r.Spans
	}
	if r.Runs != nil {
		p.Runs = r.Runs
	}
	if p.Request != nil {
		q := *p.Request
		q.ID, q.Received = r.ID, r.Received
		p.Request = &q
	} else if r.ID != "" || r.Received != nil {
		return errManifest
	}
	*r = p
	return nil
}

// places finds the pages of m by what they have in common with a later reading.
func (m *manifest) places() (map[tickmark.Digest]int, error) {
	if m == nil {
		return nil, nil
	}
	out := make(map[tickmark.Digest]int, len(m.Pages))
	for i, p := range slices.Backward(m.Pages) {
		d, err := p.lasting()
		if err != nil {
			return nil, err
		}
		out[d] = i // the first of equal ones
	}
	return out, nil
}

// place finds page i of next, unchanged, among the pages of m.
func (m *manifest) place(known map[tickmark.Digest]int, next *manifest, i int) (at int, ok bool, err error) {
	d, err := next.Pages[i].lasting()
	if err != nil {
		return 0, false, err
	}
	at, ok = known[d]
	return at, ok && slices.Equal(m.items[at], next.items[i]), nil
}

// again notes that page i repeats page from of the base; moved, at another
// address.
func (m *manifest) again(i, from int, r *recipe, moved bool) {
	t, id, clock := int64(0), "", r.ObservedAt != ""
	if at, err := parseInstant(r.ObservedAt); err == nil && clock {
		t = at.UnixMicro()
	}
	if r.Request != nil {
		id = r.Request.ID
	}
	if n := len(m.Copies); n > 0 {
		c := &m.Copies[n-1]
		if c.At+c.N == i && c.From+c.N == from && clock == (len(c.Observed) > 0) && c.idForm() == idForm(id) && moved == (len(c.URLs) > 0) {
			c.N++
			c.append(t, id, clock)
			if moved {
				c.URLs = append(c.URLs, r.Request.URL)
			}
			return
		}
	}
	c := copies{At: i, From: from, N: 1}
	c.append(t, id, clock)
	if moved {
		c.URLs = []string{r.Request.URL}
	}
	m.Copies = append(m.Copies, c)
}

func (c *copies) append(t int64, id string, clock bool) {
	if clock {
		c.Observed = append(c.Observed, t-c.last)
		c.last = t
	}
	if b, ok := guid(id); ok {
		c.GUIDs = append(c.GUIDs, b[:]...)
	} else if id != "" {
		c.IDs = append(c.IDs, id)
	}
}

// idForm tells the ways in which a request id is kept apart.
func idForm(id string) int {
	if _, ok := guid(id); ok {
		return 2
	}
	return min(len(id), 1)
}

func (c *copies) idForm() int {
	switch {
	case len(c.GUIDs) > 0:
		return 2
	case len(c.IDs) > 0:
		return 1
	}
	return 0
}

// merge puts the copies among the pages; before are the pages of the base.
func (m *manifest) merge(base *manifest) error {
	if len(m.Copies) == 0 {
		return nil
	}
	var pages []recipe
	var items [][]tickmark.Digest
	rest, restItems := m.Pages, m.items
	for _, c := range m.Copies {
		own := c.At - len(pages)
		if base == nil || own < 0 || own > len(rest) || c.N < 1 || c.From < 0 || c.From > len(base.Pages) || c.N > len(base.Pages)-c.From ||
			len(c.Observed) != 0 && len(c.Observed) != c.N || len(c.IDs) != 0 && len(c.IDs) != c.N || len(c.GUIDs) != 0 && (len(c.GUIDs) != 16*c.N || len(c.IDs) != 0) ||
			len(c.URLs) != 0 && (len(c.URLs) != c.N || m.Version < 3) {
			return errManifest
		}
		pages, items = append(pages, rest[:own]...), append(items, restItems[:own]...)
		rest, restItems = rest[own:], restItems[own:]
		var t int64
		for k := range c.N {
			r := base.Pages[c.From+k]
			if r.ObservedAt = ""; len(c.Observed) > 0 {
				t += c.Observed[k]
				r.ObservedAt = instant(fromMicros(t))
			}
			if r.Request != nil {
				q := *r.Request
				q.ID = c.id(k)
				if len(c.URLs) > 0 {
					q.URL = c.URLs[k]
					r.Name = q.Method + " " + q.URL
				}
				r.Request = &q
			} else if len(c.URLs) > 0 {
				return errManifest
			}
			pages, items = append(pages, r), append(items, base.items[c.From+k])
		}
	}
	m.Pages, m.items = slices.Concat(pages, rest), slices.Concat(items, restItems)
	m.Copies = nil
	return nil
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
	if m.Version < 1 || m.Version > manifestVersion || m.Version == 1 && m.Copies != nil || m.Depth < 0 || m.Depth > maxDepth || (m.Base == nil) != (m.Depth == 0) {
		return nil, nil, errManifest
	}
	if m.Version < 3 && slices.ContainsFunc(m.Pages, func(r recipe) bool { return r.Like != nil }) {
		return nil, nil, errManifest
	}
	return m, ops, nil
}

// expand applies the operations to the items of the base, and adds the pages
// that are copied from it.
func (m *manifest) expand(ops []byte, from *manifest) error {
	base := from.all()
	m.items = make([][]tickmark.Digest, len(m.Pages))
	for i := range m.Pages {
		if err := m.Pages[i].complete(from); err != nil {
			return err
		}
		p := &m.Pages[i]
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
	return m.merge(from)
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
	if m == nil {
		return nil
	}
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
	var base *manifest
	if m.Base != nil {
		if base, err = b.manifestAt(*m.Base, m.Depth-1); err != nil {
			return nil, err
		}
	}
	if err := m.expand(ops, base); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d, err)
	}
	return m, nil
}
