// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

// chain is the state of a list that is being read.
type chain struct {
	vals   values
	slices []slice
	slice  int
	first  *url.URL // of the slice
	body   string
	next   string // where the next page is, as the source said it

	tally    Tally
	seen     map[string]bool // links and tokens
	contents map[tickmark.Digest]bool
	ids      map[uint64]sighting
	empties  int
	dups     int
	unique   int // of the slice
	conflict string
	perPage  int // sum of the counts that pages state for themselves
	pagewise bool
	lastSize int
	seq      int
}

// sighting is where an id was seen and with what content.
type sighting struct {
	content uint32
	slice   int32
}

// slice is a part of a log's window.
type slice struct{ from, to time.Time }

// rowInfo is what a row says of itself.
type rowInfo struct {
	item   tickmark.Item
	id     uint64
	digest [sha256.Size]byte
	kind   uint16
	// at and last are the times of its first and last record, if they are inside
	// the window.
	at, last time.Time
	// out says that it is outside a window that was asked for by whole months:
	// what comes after it is not of this collection.
	out   bool
	hide  *Exclusion
	scope string
}

// gather collects the rows of a page; commit takes them once the whole page
// has been read.
type gather struct {
	r   *runner
	u   *unit
	src []byte
	// columns are those of the table at hand.
	columns func() []string
	rows    []rowInfo
	sum     int64
}

func (g *gather) row(it tickmark.Item, row jsontape.Value) error {
	a := g.u.ask.ask
	info := rowInfo{item: it, digest: sha256.Sum256(g.src[it.Off : it.Off+it.Len])}
	info.id = binary.LittleEndian.Uint64(info.digest[:])
	n := len(g.rows)
	if !identified(a) || table(a.Form) {
		info.id ^= uint64(n+1) * 0x9E3779B97F4A7C15 // rows may be alike
	} else {
		if row.Kind() != jsontape.Object {
			return fmt.Errorf("row %d is %v, not an object", n, row.Kind())
		}
		id, ok := identity(a, row)
		if !ok && !single(a.Form) && g.r.tune.on("identity") {
			return fmt.Errorf("row %d has no %s", n, orElse(a.Identity, "id"))
		}
		if ok {
			h := sha256.Sum256([]byte(foldID(id)))
			info.id = binary.LittleEndian.Uint64(h[:])
		}
	}
	if row.Kind() == jsontape.Object {
		info.kind = g.u.ask.src.kind(a, row)
		if err := g.nested(row, n); err != nil {
			return err
		}
	}
	if a.Window != nil {
		if err := g.when(&info, row); err != nil {
			return fmt.Errorf("row %d: %w", n, err)
		}
	}
	if g.r.filters() {
		s := subjectOf(a, row)
		if g.u.batch == nil {
			s.Of = g.u.chain.vals.subject
			if g.u.at.page == nil {
				s.Of = nil
			}
		}
		info.scope = g.u.ask.src.scopeOf(s)
		info.hide = g.r.excluded(info.scope)
	}
	g.show(row)
	g.rows = append(g.rows, info)
	return nil
}

// when reads the time of a log's row, by its member or its column.
func (g *gather) when(info *rowInfo, row jsontape.Value) error {
	w := g.u.ask.ask.Window
	read := func(field string) (time.Time, error) {
		v := jsontape.Value{}
		if row.Kind() == jsontape.Object {
			v = member(row, field)
		} else if i := slices.IndexFunc(g.columns(), func(c string) bool { return strings.EqualFold(c, field) }); i >= 0 {
			v = row.Index(i)
		}
		at, err := timeOf(v)
		if err != nil {
			return at, fmt.Errorf("%s: %w", field, err)
		}
		return at, nil
	}
	at, err := read(w.Field)
	if err != nil {
		return err
	}
	if at.IsZero() && g.u.ask.ask.Form == formJSONLines {
		return fmt.Errorf("%s: a record of a log has none: what follows its records is none of them", w.Field)
	}
	last := at
	if w.Until != "" {
		if last, err = read(w.Until); err != nil {
			return err
		}
	}
	from := g.r.from(g.u.ask)
	switch {
	case at.IsZero(), at.Before(from) && !at.Add(w.Lasts).After(from), !at.Before(g.r.to):
		info.kind, info.out = 0, w.Months // outside the window: a row, but nobody's subject
	case at.Before(from):
		info.at, info.last = from, last
	default:
		info.at, info.last = at, last
	}
	return nil
}

// timeOf reads a record's time: text, or milliseconds since 1970. A record
// that has none yet, because it goes on, has the zero time.
func timeOf(v jsontape.Value) (time.Time, error) {
	switch v.Kind() {
	case jsontape.Absent, jsontape.Null, jsontape.Unobserved:
		return time.Time{}, nil
	case jsontape.Number:
		n, ok := v.Int()
		if !ok || n < 0 || n > 1<<46 {
			return time.Time{}, fmt.Errorf("%s is no time", clip(v.NumberText()))
		}
		return time.UnixMilli(n).UTC(), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, v.Str()); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%s is no time", clip(string(v.Raw())))
}

// nested refuses a row of which the source says that a list inside it goes on.
func (g *gather) nested(row jsontape.Value, n int) error {
	if !g.r.tune.on("nestedLink") {
		return nil
	}
	for name, v := range row.Members() {
		if strings.HasSuffix(name, "@odata.nextLink") && v.Kind() == jsontape.String {
			g.u.note(fmt.Sprintf("row %d: %s: a list inside the row goes on", n, clip(name)))
		}
	}
	return nil
}

// show keeps what Proof and Count ask about.
func (g *gather) show(row jsontape.Value) {
	for _, name := range []string{"count_", "count", "total"} {
		if n, ok := row.Get(name).Int(); ok {
			g.sum = max(g.sum, 0) + n
			return
		}
	}
}

// shows asks the proof of visibility what an answer says.
func (r *runner) shows(u *unit, src []byte) bool {
	a := u.ask
	if !a.proves || a.ask.Shows == nil && a.ask.ShowsOf == nil {
		return true
	}
	tape, err := jsontape.Parse(src, jsontape.Options{})
	return err == nil && (a.ask.Shows == nil || a.ask.Shows(tape.Root())) && (a.ask.ShowsOf == nil || a.ask.ShowsOf(u.chain.vals.subject, tape.Root()))
}

func (u *unit) note(s string) {
	if len(u.notes) < 5 {
		u.notes = append(u.notes, s)
	}
}

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// commit adds a page that was read whole to its list.
func (g *gather) commit(p *pageRec, env envelope) {
	c, u := g.u.chain, g.u
	h := sha256.New()
	fresh, kinds := 0, false
	p.items = make([]tickmark.Item, 0, len(g.rows))
	for i := range g.rows {
		row := &g.rows[i]
		h.Write(row.digest[:])
		now := sighting{binary.LittleEndian.Uint32(row.digest[8:]), int32(c.slice)} //nolint:gosec // a window has few slices
		if old, ok := c.ids[row.id]; ok {
			// Neighbouring windows share their bound: that is no duplicate.
			if old.slice == now.slice {
				c.dups++
			} else if g.r.tune.on("dedupe") {
				continue
			}
			if old.content != now.content && c.conflict == "" {
				c.conflict = clip(string(g.src[row.item.Off : row.item.Off+min(row.item.Len, 120)]))
			}
			if g.r.tune.on("dedupe") {
				continue
			}
		}
		c.ids[row.id] = now
		fresh++
		if !row.at.IsZero() {
			if u.first.IsZero() || row.at.Before(u.first) {
				u.first = row.at
			}
			if row.last.After(u.last) {
				u.last = row.last
			}
		}
		if row.hide != nil {
			if u.hidden == nil {
				u.hidden = map[string]*Exclusion{}
			}
			u.hidden[row.scope] = row.hide
			continue
		}
		if row.out {
			continue
		}
		p.items = append(p.items, row.item)
		p.kinds = append(p.kinds, row.kind)
		if row.kind != 0 {
			p.ids = append(p.ids, row.id)
		}
		kinds = kinds || row.kind != 0
	}
	if !kinds {
		p.kinds = nil
	}
	p.content, p.columns, p.proof, p.sum = tickmark.Digest(h.Sum(nil)), env.columns, g.r.shows(u, g.src), g.sum
	u.rows += len(g.rows)
	u.unique += fresh
	c.unique = c.tally.Items() + len(g.rows) - c.dups
	c.lastSize = len(g.rows)
	c.seq++
	if len(g.rows) == 0 {
		c.empties++
	} else {
		c.empties = 0
	}
	c.pagewise = env.pagewise
	c.perPage += env.Declared
	c.next = env.Next
	c.tally.Add(env.Statement)
	u.pages = append(u.pages, p)
}

// progress decides what follows a page: another, another slice, or the end.
// more is true while there is something to ask.
func (r *runner) progress(u *unit, p *pageRec) (more bool, end *ending) {
	c, a := u.chain, u.ask.ask
	stop := func(format string, args ...any) (bool, *ending) {
		return false, &ending{Reason: tickmark.ReasonTruncated, Status: p.Ask.Status, Detail: fmt.Sprintf(format, args...)}
	}
	if r.probe {
		return false, &ending{Status: p.Ask.Status}
	}
	if len(u.notes) > 0 {
		return stop("%s", strings.Join(u.notes, "; "))
	}
	if c.next == "" && a.Paging == PageSkip && c.lastSize >= a.PageSize {
		c.next = "$skip=" + strconv.Itoa(c.tally.Items())
	}
	if c.next != "" {
		switch {
		case c.seen[c.link()] && r.tune.on("loop"):
			return stop("the link or token of page %d was given before: the source leads in a circle (%d rows read)", len(u.pages), u.rows)
		case c.contents[p.content] && c.lastSize > 0 && r.tune.on("duplicatePage"):
			return stop("page %d repeats an earlier page (%d rows, %d different)", len(u.pages), u.rows, u.unique)
		case c.empties > r.tune.empties && r.tune.on("empties"):
			return stop("%d pages without rows, and still a link to more", c.empties)
		case len(u.pages) >= r.tune.pages && r.tune.on("ceiling"), u.rows >= r.tune.rows && r.tune.on("ceiling"):
			return stop("%d pages and %d rows, and still a link to more: a list has at most %d pages and %d rows", len(u.pages), u.rows, r.tune.pages, r.tune.rows)
		}
		c.seen[c.link()] = true
		c.contents[p.content] = true
		return true, nil
	}
	if c.contents[p.content] && c.lastSize > 0 && r.tune.on("duplicatePage") {
		return stop("page %d repeats an earlier page (%d rows, %d different)", len(u.pages), u.rows, u.unique)
	}
	if end := r.tallyUp(u, p); end != nil {
		return false, end
	}
	if c.slice+1 < len(c.slices) {
		c.slice++
		if err := r.enter(u); err != nil {
			return false, refuse(err)
		}
		return true, nil
	}
	return false, &ending{}
}

// link is what loop detection compares. A link is compared with the requests
// of the list, too.
func (c *chain) link() string {
	if u, err := c.first.Parse(c.next); err == nil && strings.Contains(c.next, "/") {
		return u.String() + "\x00" + c.body
	}
	return c.next
}

// tallyUp holds the list of a slice to what the source said about it.
func (r *runner) tallyUp(u *unit, p *pageRec) *ending {
	c := u.chain
	bad := func(reason tickmark.Reason, format string, args ...any) *ending {
		return &ending{Reason: reason, Status: p.Ask.Status, Detail: fmt.Sprintf(format, args...)}
	}
	declared, rows := c.tally.Declared(), c.tally.Items()
	if declared >= 0 {
		u.declared = max(u.declared, 0)
		if c.pagewise && c.perPage == rows {
			declared = rows
		}
		u.declared += declared
	}
	switch reason, detail := c.tally.Missing(); {
	case p.Cut != "" && r.tune.on("cut"):
		return bad(tickmark.ReasonTruncated, "%d rows: %s", rows, p.Cut)
	case reason != tickmark.ReasonNone && r.tune.on("declared") && (!c.pagewise || c.perPage != rows):
		return bad(reason, "%s", detail)
	case c.conflict != "" && r.tune.on("conflict"):
		return bad(tickmark.ReasonConflicting, "%d rows, but only %d different ones; one came twice with different content: %s", u.rows, u.unique, c.conflict)
	case declared >= 0 && c.unique != declared && r.tune.on("unique"):
		return bad(tickmark.ReasonTruncated, "%d rows, %d different, but the source counted %d", rows, c.unique, declared)
	case u.ask.ask.Cap > 0 && rows >= u.ask.ask.Cap && r.tune.on("cap"):
		return bad(tickmark.ReasonTruncated, "%d rows, as many as the source ever lists: there may be more", rows)
	case declared < 0 && c.dups > 0 && r.tune.on("unique"):
		return bad(tickmark.ReasonTruncated, "%d rows, but only %d different ones: the list moved while it was read, and others may have been missed", u.rows, u.unique)
	}
	return nil
}
