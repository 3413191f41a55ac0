// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

// Options tune Build; the zero value is useful.
type Options struct {
	// Canonical maps a type in lower case to its canonical spelling. Types that
	// it lacks are spelled as they are first met, and count as unknown.
	Canonical map[string]string
	// Workers parse at the same time; 0 means GOMAXPROCS. The result does not
	// depend on it.
	Workers int
	// Redactions are what Redact did to the snapshot, so that positions in
	// problems are those in the files as received.
	Redactions []Redaction
	// Fold keeps positions instead of parsed text: what is read of a resource
	// later is parsed again (jsontape.Tape.Fold), and memory holds none of it.
	Fold bool
	// Relax, if set, is called now and then: most of the bytes read so far will
	// not be read for a while.
	Relax func()
}

// Flags say how a resource came to be known.
type Flags uint8

// The flags. A resource without any came by itself and whole.
const (
	Summary     Flags = 1 << iota // came without its properties
	Nested                        // found inside its parent
	Implied                       // only named by others
	Conflicting                   // read more than once with different content
	Partial                       // a record of which only some members were asked for
	Uncertain                     // planned, and not known to come to be
	Direct                        // read from the resource's own provider
	Doubtful                      // an index shows it, but its provider did not answer
)

// Resource is one object of the inventory.
type Resource struct {
	// ID is as received; Key is ID in lower case.
	ID, Key string
	// Type is canonical.
	Type string
	Name string
	// Subscription (lower case) and ResourceGroup (as spelled) are empty where
	// the id names none. Parent is the key of what the resource lies in.
	Subscription, ResourceGroup, Parent string
	// Root is the object. Members of a resource that is a summary, implied or
	// conflicting are unobserved, except those that identify it.
	Root jsontape.Value
	// Segment, Page and Item say where in the snapshot the resource came from;
	// Item is -1 for implied resources. Offset is the byte in its page.
	Segment, Page, Item int32
	Offset              int32
	Flags               Flags
	// inParent says that the parent carries a copy of the resource.
	inParent bool
}

// Is reports whether all flags of f are set.
func (r *Resource) Is(f Flags) bool { return r.Flags&f == f }

// chunk is a run of items of one page, parsed by one worker.
type chunk struct {
	segment, page int
	first, last   int // items [first, last)
	size          int // bytes of the items
	resources     []Resource
	problems      []tickmark.Problem
	unread        int // items that gave no resource
	summaries     int // items that came without properties
	partial       bool
	drifts        drifts
}

// chunkBytes is how much one worker takes at a time: small enough that two
// workers finish together, large enough that taking costs nothing.
const chunkBytes = 1 << 20

// relaxBytes is how much is read between two calls of Options.Relax.
const relaxBytes = 16 << 20

// Build parses and identifies every item of s. It fails only if ctx ends; what
// is wrong with the input becomes a problem of the inventory.
func Build(ctx context.Context, s *tickmark.Snapshot, o Options) (*Inventory, error) {
	chunks := split(s)
	workers := o.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	var next, parsed atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range min(workers, len(chunks)) {
		g.Go(func() error {
			w := worker{snapshot: s, kinds: map[string]*kind{}, canonical: o.Canonical, fold: o.Fold}
			for {
				i := int(next.Add(1)) - 1
				if i >= len(chunks) {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				w.parse(&chunks[i])
				n := int64(chunks[i].size)
				if now := parsed.Add(n); o.Relax != nil && now/relaxBytes != (now-n)/relaxBytes {
					o.Relax()
				}
			}
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	m := merger{snapshot: s, canonical: o.Canonical, workers: workers, inv: &Inventory{planned: plannedOnly(s)}, redactions: o.Redactions, relax: o.Relax}
	if m.relax == nil {
		m.relax = func() {}
	}
	m.merge(chunks)
	for i := range m.inv.Resources {
		m.inv.Resources[i].Root.Fold() // merging may have looked into it
	}
	return m.inv, nil
}

// split cuts the snapshot into chunks in the order of its pages.
func split(s *tickmark.Snapshot) []chunk {
	var chunks []chunk
	for si := range s.Segments {
		for pi := range s.Segments[si].Pages {
			p := &s.Segments[si].Pages[pi]
			partial := len(p.Items) > 0 && p.Entity != "" && projected(p)
			first, size := 0, 0
			for i, it := range p.Items {
				size += it.Len
				if size >= chunkBytes || i == len(p.Items)-1 {
					chunks = append(chunks, chunk{segment: si, page: pi, first: first, last: i + 1, size: size, partial: partial})
					first, size = i+1, 0
				}
			}
		}
	}
	return chunks
}

// worker parses chunks. What it keeps between them only saves memory.
type worker struct {
	snapshot  *tickmark.Snapshot
	parser    jsontape.Parser
	arena     arena
	kinds     map[string]*kind // spelling as met → what is known of the type
	canonical map[string]string
	fold      bool
	// of the chunk at hand
	chunk *chunk
	page  *tickmark.Page
	item  int
}

// maxProblems is how many problems of one chunk are told one by one.
const maxProblems = 20

func (w *worker) parse(c *chunk) {
	w.chunk = c
	w.page = &w.snapshot.Segments[c.segment].Pages[c.page]
	c.resources = make([]Resource, 0, c.last-c.first)
	for i := c.first; i < c.last; i++ {
		w.item = i
		it := w.page.Items[i]
		src := w.page.Bytes[it.Off : it.Off+it.Len]
		if w.page.Columns != nil {
			row, err := rowObject(src, w.page.Columns)
			if err != nil {
				w.problem(it.Off, err.Error(), "export it again in the form of objects: `az graph query`, or resultFormat objectArray")
				continue
			}
			src = row
		}
		parse := w.parser.Parse
		if w.fold {
			parse = w.parser.ParseBrief
		}
		tape, err := parse(src)
		if err != nil {
			w.unparsable(it, err)
			continue
		}
		w.identify(tape, tape.Root(), it.Off)
		if w.fold {
			tape.Fold() // before the parser takes the next one
		}
	}
}

func (w *worker) problem(off int, what, hint string) {
	w.chunk.unread++
	if w.chunk.unread > maxProblems {
		return
	}
	// Merge adds line and column, in one pass over the page.
	w.chunk.problems = append(w.chunk.problems, tickmark.Problem{
		Input: w.page.Name, Byte: int64(off),
		Object: fmt.Sprintf("item %d", w.item+1), Reason: tickmark.ReasonUnparsable, What: what, Hint: hint,
	})
}

func (w *worker) unparsable(it tickmark.Item, err error) {
	off, what := it.Off, err.Error()
	if e, ok := errors.AsType[*jsontape.Error](err); ok {
		what = e.What
		if w.page.Columns == nil { // a table's row is parsed in another form
			off += e.Offset
		}
	}
	w.problem(off, what, "")
}

// rowObject writes a row of a table as the object that its columns describe.
func rowObject(src []byte, columns []string) ([]byte, error) {
	tape, err := jsontape.Parse(src, jsontape.Options{})
	if err != nil {
		return nil, err
	}
	if k := tape.Root().Kind(); k != jsontape.Array {
		return nil, fmt.Errorf("the row is %v, not an array", k)
	}
	if n := tape.Root().Len(); n != len(columns) {
		return nil, fmt.Errorf("the row has %d cells, but there are %d columns", n, len(columns))
	}
	out := make([]byte, 0, len(src)+16*len(columns))
	out = append(out, '{')
	i := 0
	for cell := range tape.Root().Elems() {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendString(out, columns[i])
		out = append(out, ':')
		out = append(out, cell.Raw()...)
		i++
	}
	return append(out, '}'), nil
}

// The members that every item is asked for.
var (
	keyID         = jsontape.MakeKey("id")
	keyName       = jsontape.MakeKey("name")
	keyType       = jsontape.MakeKey("type")
	keyProperties = jsontape.MakeKey("properties")
	keyODataType  = jsontape.MakeKey("@odata.type")
)

// identify makes a resource of an item, and of the children it carries.
func (w *worker) identify(tape *jsontape.Tape, root jsontape.Value, off int) {
	if k := root.Kind(); k != jsontape.Object {
		w.problem(off, fmt.Sprintf("the item is %v, not an object", k), "")
		return
	}
	r := Resource{Root: root, Segment: int32(w.chunk.segment), Page: int32(w.chunk.page), Item: int32(w.item), Offset: int32(off)} //nolint:gosec // bounded by 1 GiB pages
	id := root.Lookup(keyID)
	if id.Kind() == jsontape.String {
		r.ID = id.Str()
	}
	if len(r.ID) > len("subscriptions/") && strings.EqualFold(r.ID[:len("subscriptions/")], "subscriptions/") {
		r.ID = w.arena.join("/", r.ID) // some providers leave the first slash out
	}
	var k *kind
	if strings.HasPrefix(r.ID, "/") && w.page.Entity == "" {
		k = w.identifyARM(&r)
	} else {
		k = w.identifyRecord(&r)
	}
	if k == nil {
		w.problem(off, unidentified(root), "export whole objects: `tickmark export-script` prints how")
		return
	}
	if w.page.Request != nil && w.page.Request.Direct {
		r.Flags |= Direct
	}
	if n := root.Lookup(keyName); n.Kind() == jsontape.String {
		r.Name = n.Str()
	} else if r.Name == "" {
		r.Name = lastSegment(r.ID)
	}
	w.observe(tape, &r, k)
	w.chunk.resources = append(w.chunk.resources, r)
	if r.Flags&(Summary|Partial) == 0 && !k.record {
		w.children(tape, &r, k)
	}
}

// unidentified says what an object lacks to be a resource.
func unidentified(root jsontape.Value) string {
	if e := root.Get("error"); e.Kind() == jsontape.Object {
		return "the item is an error answer, not a resource: " + quoteShort(e.Get("code").Str())
	}
	if v := root.Get("value"); v.Kind() == jsontape.Array {
		return "the item is itself an answer around a list, not a resource"
	}
	if root.Lookup(keyID).Kind() == jsontape.Absent {
		return "the item has no id, so that it cannot be told which resource it is"
	}
	return "the item's id is not a resource id, and neither type nor shape tells what it is"
}

// identifyARM fills in what an ARM id and type tell; nil if they tell nothing.
func (w *worker) identifyARM(r *Resource) *kind {
	r.ID = strings.TrimRight(r.ID, "/")
	r.Key = w.arena.lower(r.ID)
	typ := ""
	if t := r.Root.Lookup(keyType); t.Kind() == jsontape.String {
		typ = t.Str()
	}
	if !strings.Contains(typ, "/") {
		typ = typeOfID(r.ID, r.Key)
	}
	if typ == "" {
		return nil
	}
	k := w.kindOf(typ)
	r.Type = k.name
	r.Subscription, r.ResourceGroup = scopeOf(r.ID, r.Key)
	r.Parent = parentOf(r.Key)
	return k
}

// identifyRecord identifies what is not an ARM object: the entities of
// Microsoft Graph, and records that carry their own type.
func (w *worker) identifyRecord(r *Resource) *kind {
	typ := ""
	if t := r.Root.Lookup(keyODataType); t.Kind() == jsontape.String {
		typ = typeOfEntity(t.Str())
	}
	if w.page.Entity != "" {
		// The collection is the better name: its items may be of several
		// derived types (named locations), unless it is of any kind.
		typ = w.page.Entity
	}
	if t := r.Root.Lookup(keyType); typ == "" && t.Kind() == jsontape.String && IsRecord(t.Str()) {
		typ = t.Str()
	}
	if typ == "" {
		var partial bool
		typ, partial = typeByShape(r.Root)
		if partial {
			r.Flags |= Partial
		}
	}
	if typ == "" {
		return nil
	}
	k := w.kindOf(typ)
	r.Type = k.name
	id := r.ID
	if r.Type == TypeSubscription { // from az account list
		r.ID = w.arena.join("/subscriptions/", id)
		r.Key = w.arena.lower(r.ID)
		r.Subscription = strings.TrimPrefix(r.Key, "/subscriptions/")
		r.Flags = Summary
		if id == "" {
			return nil
		}
		return k
	}
	if !w.nameRecord(r, k) {
		return nil
	}
	r.Key = w.arena.lower(r.ID)
	for _, m := range [...]string{"displayName", "userPrincipalName"} {
		if v := r.Root.Get(m); v.Kind() == jsontape.String && r.Name == "" {
			r.Name = v.Str()
		}
	}
	return k
}

// kind is what a worker needs to know of a type, looked up once.
type kind struct {
	// name is the canonical spelling, or one spelling for all resources of this
	// worker; merge makes the spellings of all workers one.
	name     string
	record   bool
	data     bool // an ARM type without a properties object
	defaults bool // a record of which an answer carries only some members
	site     bool
	key      bool // of a key vault
	nests    []nest
	shape    *shape // what its objects have; nil where that is not known
}

func (w *worker) kindOf(typ string) *kind {
	if k, ok := w.kinds[typ]; ok {
		return k
	}
	name := strings.Clone(canonicalType(typ, w.canonical))
	low := strings.ToLower(name)
	k := &kind{
		name: name, record: IsRecord(name), data: withoutProperties[low], defaults: defaultsOnly[low] || tableTypes[low],
		site: low == "microsoft.web/sites" || low == "microsoft.web/sites/slots",
		key:  low == "microsoft.keyvault/vaults/keys", shape: shapesOf()[low],
	}
	if !k.record {
		k.nests = nestsOf(low)
	}
	w.kinds[strings.Clone(typ)] = k
	return k
}

func canonicalType(typ string, table map[string]string) string {
	low := strings.ToLower(typ)
	if s, ok := aliases[low]; ok {
		return s
	}
	if s, ok := builtin[low]; ok {
		return s
	}
	if s, ok := table[low]; ok {
		return s
	}
	return typ
}

// observe marks what the item leaves out.
func (w *worker) observe(tape *jsontape.Tape, r *Resource, k *kind) {
	planned := w.page.Form == FormPlanned
	if planned {
		if r.Root.Lookup(keyUncertain).Kind() == jsontape.Unobserved {
			r.Flags |= Uncertain
		}
		openPlanned(tape, r.Root)
	}
	if k.record {
		partial := r.Flags&Partial != 0 || w.chunk.partial || k.defaults
		// Of an answer to our own question everything was asked for that is known.
		own := w.page.Ask != ""
		if !planned && (own || !partial) {
			w.vouch(tape, r, k)
		}
		if partial {
			r.Flags |= Partial
			if !r.Root.IsOpen() {
				tape.MarkOpen(r.Root, string(tickmark.ReasonSummary))
			}
		}
		if !planned && partial && !own {
			w.vouch(tape, r, k) // what is missing may not have been asked for
		}
		if r.Type == typeConditionalAccess {
			unfamiliar(tape, r.Root)
		}
		return
	}
	if r.Flags&Summary == 0 {
		p := r.Root.Lookup(keyProperties).Kind()
		if k.data || p == jsontape.Object || p == jsontape.Unobserved {
			if w.page.Form == "resourceGraph" || w.page.Form == "resourceGraphTable" {
				// A whole row of Resource Graph has every column of its table, null
				// where the object has nothing: a column that is not there was
				// projected away.
				tape.MarkOpen(r.Root, string(tickmark.ReasonSummary))
			}
			if k.site && !planned {
				gaps(tape, r)
			}
			if !planned {
				w.vouch(tape, r, k)
			}
			if k.key && w.page.Form != "armObject" && !planned {
				// A list of keys leaves the rotation policy out, set or not.
				tape.MarkOpen(r.Root.Lookup(keyProperties), string(tickmark.ReasonSummary))
			}
			return
		}
	}
	r.Flags |= Summary
	w.chunk.summaries++
	hide(tape, r.Root, string(tickmark.ReasonSummary))
}

// kept are the members that every list of ARM carries truly: they identify an
// object and do not depend on how it was asked for.
var kept = map[string]bool{
	"id": true, "name": true, "type": true, "location": true, "kind": true, "tags": true,
	"resourcegroup": true, "subscriptionid": true, "tenantid": true,
}

// hide marks a container's members unobserved except those that identify it.
// A flattened object names other things alike, so nothing else can be trusted.
func hide(tape *jsontape.Tape, root jsontape.Value, reason string) {
	for name, v := range root.Members() {
		if !kept[strings.ToLower(name)] {
			tape.MarkUnobserved(v, reason)
		}
	}
	tape.MarkOpen(root, reason)
}

// gaps marks what ARM leaves null in an otherwise whole object: a site's
// configuration is a resource of its own, and its summary inside the site has
// null for nearly everything, set or not.
func gaps(tape *jsontape.Tape, r *Resource) {
	c := r.Root.Get("properties").Get("siteConfig")
	switch c.Kind() {
	case jsontape.Null:
		tape.MarkUnobserved(c, string(tickmark.ReasonSummary))
	case jsontape.Object:
		for _, v := range c.Members() {
			if v.Kind() == jsontape.Null {
				tape.MarkUnobserved(v, string(tickmark.ReasonSummary))
			}
		}
		tape.MarkOpen(c, string(tickmark.ReasonSummary))
	}
}

// children makes resources of the children that r carries.
func (w *worker) children(tape *jsontape.Tape, r *Resource, k *kind) {
	for _, list := range [2][]nest{k.nests, anywhere} {
		for _, n := range list {
			array := n.arrayOf(r.Root)
			if array.Kind() != jsontape.Array || array.Len() == 0 {
				continue
			}
			typ := w.kindOf(n.childType(r.Type)).name
			for v := range array.Elems() {
				if v.Kind() == jsontape.Object {
					w.child(tape, r, v, typ)
				}
			}
		}
	}
}

func (w *worker) child(tape *jsontape.Tape, parent *Resource, v jsontape.Value, typ string) {
	c := Resource{Root: v, Type: typ, Segment: parent.Segment, Page: parent.Page, Item: parent.Item, Offset: parent.Offset, Flags: Nested | parent.Flags&Direct}
	if n := v.Lookup(keyName); n.Kind() == jsontape.String {
		c.Name = n.Str()
	}
	if id := v.Lookup(keyID); id.Kind() == jsontape.String && strings.HasPrefix(id.Str(), "/") {
		c.ID = id.Str()
	} else if c.Name != "" {
		c.ID = w.arena.join(parent.ID, "/", lastSegment(typ), "/", c.Name)
	} else {
		return // an anonymous element is a value of its parent only
	}
	if w.page.Columns == nil {
		c.Offset += int32(v.Offset()) //nolint:gosec // bounded by 1 GiB pages
	}
	c.Key = w.arena.lower(c.ID)
	if c.Name == "" {
		c.Name = lastSegment(c.ID)
	}
	c.Subscription, c.ResourceGroup = scopeOf(c.ID, c.Key)
	c.Parent = parent.Key
	if v.Lookup(keyProperties).Kind() != jsontape.Object {
		// Only a reference: the parent proves that the child exists, no more.
		c.Flags |= Implied
		hide(tape, v, string(tickmark.ReasonImplied))
	}
	w.chunk.resources = append(w.chunk.resources, c)
}
