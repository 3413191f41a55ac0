// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

// unit is an ask put to one subject, or to a batch of them: a list.
type unit struct {
	ask   *askRun
	key   key
	at    ref
	batch []ref
	id    string
	ids   []string // of a batch
	scope string
	pace  string

	bucket    *bucket
	after     time.Time // not before
	tries     int       // of this request, throttling not counted
	throttles int
	attempt   int // lists that did not add up before this one
	requests  int
	pages     []*pageRec
	chain     *chain
	end       *ending

	// What the list came to.
	rows, unique, declared int
	first, last            time.Time
	hidden                 map[string]*Exclusion
	notes                  []string
	// proofs and counts are the units, nearest first, that Proof and Count name.
	proofs, counts []key
}

// pageRec is a page that was kept.
type pageRec struct {
	*pageEntry
	unit    *unit
	items   []tickmark.Item
	kinds   []uint16 // beside items; 0 is a type that no ask is of; nil is all 0
	columns []string
	content tickmark.Digest // of the rows: the same when tokens around them differ
	proof   bool            // Shows says that the identity sees
	sum     int64           // of the counts in its rows, -1 if there is none
}

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

// begin prepares the first request of a unit.
func (r *runner) begin(u *unit, l *loader) error {
	c := &chain{seen: map[string]bool{}, contents: map[tickmark.Digest]bool{}, ids: map[uint64]sighting{}}
	refs := u.batch
	if refs == nil {
		refs = []ref{u.at}
	}
	for _, at := range refs {
		s, err := l.subject(u.ask.src, at)
		if err != nil {
			return err
		}
		c.vals.batch = append(c.vals.batch, s)
	}
	c.vals.subject, c.vals.root = c.vals.batch[0], u.ask.src.root
	c.slices = r.windows(u.ask.ask.Window)
	u.chain = c
	u.rows, u.unique, u.declared, u.pages, u.first, u.last = 0, 0, -1, nil, time.Time{}, time.Time{}
	return r.enter(u)
}

// windows cuts the time asked for into what one request may span.
func (r *runner) windows(w *Window) []slice {
	if w == nil {
		return []slice{{}}
	}
	from, to := r.from(w).Add(-w.Overlap), r.to
	if w.Span <= 0 || !from.Before(to) {
		return []slice{{from, to}}
	}
	var out []slice
	for at := from; at.Before(to); at = at.Add(w.Span) {
		end := at.Add(w.Span)
		if end.After(to) {
			end = to
		}
		out = append(out, slice{at, end})
	}
	return out
}

// enter expands the request of the current slice.
func (r *runner) enter(u *unit) error {
	c, a := u.chain, u.ask.ask
	if w := a.Window; w != nil {
		layout := w.Layout
		if layout == "" {
			layout = time.RFC3339
		}
		s := c.slices[c.slice]
		c.vals.from, c.vals.to = s.from.UTC().Format(layout), s.to.UTC().Format(layout)
	}
	var err error
	if c.first, err = r.address(u.ask, &c.vals); err != nil {
		return err
	}
	if c.body, err = u.ask.body.expand(inBody, &c.vals); err != nil {
		return err
	}
	c.tally, c.next, c.empties, c.perPage, c.pagewise, c.lastSize, c.seq = Tally{}, "", 0, 0, false, 0, 0
	c.dups, c.unique = 0, 0
	clear(c.contents)
	c.seen[c.first.String()+"\x00"+c.body] = true
	return nil
}

// request makes the next request of the list.
func (r *runner) request(u *unit) (*request, error) {
	c, a := u.chain, u.ask.ask
	q := &request{host: a.Host, method: a.method(), url: c.first, body: c.body, header: a.Header, id: newID()}
	if a.Host == HostGitHub && a.APIVersion != "" {
		q.header = map[string]string{"X-Github-Api-Version": a.APIVersion}
		for k, v := range a.Header {
			q.header[k] = v
		}
	}
	if c.seq == 0 {
		return q, nil
	}
	switch a.Paging {
	case PageNextLink, PageODataLink, PageLink:
		to, err := c.first.Parse(c.next)
		if err != nil {
			return nil, &fault{tickmark.ReasonTruncated, "the link to the next page is broken", false}
		}
		to.Fragment = ""
		if err := r.net.pin(a.Host, to); err != nil {
			return nil, &fault{tickmark.ReasonTruncated, "the link to the next page is not followed: " + err.Error(), false}
		}
		if origin(to) != origin(c.first) && r.tune.on("pin") {
			return nil, &fault{tickmark.ReasonTruncated, "the link to the next page leads to " + origin(to), false}
		}
		q.url = to
	case PageSkipToken:
		body, err := withSkipToken(c.body, c.next)
		if err != nil {
			return nil, err
		}
		q.body = body
	case PageContinuation, PageBodyToken:
		q.url = withQuery(c.first, "continuationToken", c.next)
	case PageSkip:
		q.url = withQuery(c.first, "$skip", strconv.Itoa(c.tally.Items()))
	case PageOne, PageMarker:
	}
	return q, nil
}

func withQuery(u *url.URL, name, value string) *url.URL {
	to := *u
	if to.RawQuery != "" {
		to.RawQuery += "&"
	}
	to.RawQuery += name + "=" + url.QueryEscape(value)
	return &to
}

// withSkipToken puts the token into options of a Resource Graph request.
func withSkipToken(body, token string) (string, error) {
	top, options := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(body), &top); err != nil {
		return "", &fault{tickmark.ReasonUnparsable, "the request's body is no JSON object: " + clip(err.Error()), false}
	}
	if raw, ok := top["options"]; ok {
		if err := json.Unmarshal(raw, &options); err != nil {
			return "", &fault{tickmark.ReasonUnparsable, "options of the request's body is no object", false}
		}
	}
	options["$skipToken"] = json.RawMessage(quoteJSON(token))
	raw, err := json.Marshal(options)
	if err != nil {
		return "", err
	}
	top["options"] = raw
	out, err := json.Marshal(top)
	return string(out), err
}

// rowInfo is what a row says of itself.
type rowInfo struct {
	item   tickmark.Item
	id     uint64
	digest [sha256.Size]byte
	kind   uint16
	at     time.Time
	hide   *Exclusion
	scope  string
}

// gather collects the rows of a page; commit takes them once the whole page
// has been read.
type gather struct {
	r    *runner
	u    *unit
	src  []byte
	rows []rowInfo
	sum  int64
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
	if w := a.Window; w != nil && row.Kind() == jsontape.Object {
		at, err := timeOf(member(row, w.Field))
		if err != nil {
			return fmt.Errorf("row %d: %s: %w", n, w.Field, err)
		}
		info.at = at
		if at.IsZero() || at.Before(g.r.from(w)) || !at.Before(g.r.to) {
			info.kind = 0 // outside the window: a row, but nobody's subject
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
func (r *runner) shows(a *askRun, src []byte) bool {
	if !a.proves || a.ask.Shows == nil {
		return true
	}
	tape, err := jsontape.Parse(src, jsontape.Options{})
	return err == nil && a.ask.Shows(tape.Root())
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
		if !row.at.IsZero() && !row.at.Before(g.r.from(u.ask.ask.Window)) && row.at.Before(g.r.to) {
			if u.first.IsZero() || row.at.Before(u.first) {
				u.first = row.at
			}
			if row.at.After(u.last) {
				u.last = row.at
			}
		}
		if row.hide != nil {
			if u.hidden == nil {
				u.hidden = map[string]*Exclusion{}
			}
			u.hidden[row.scope] = row.hide
			continue
		}
		p.items = append(p.items, row.item)
		p.kinds = append(p.kinds, row.kind)
		kinds = kinds || row.kind != 0
	}
	if !kinds {
		p.kinds = nil
	}
	p.content, p.columns, p.proof, p.sum = tickmark.Digest(h.Sum(nil)), env.columns, g.r.shows(u.ask, g.src), g.sum
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
	stop := func(reason tickmark.Reason, format string, args ...any) (bool, *ending) {
		return false, &ending{Reason: reason, Status: p.Ask.Status, Detail: fmt.Sprintf(format, args...)}
	}
	if r.probe {
		return false, &ending{Status: p.Ask.Status}
	}
	if len(u.notes) > 0 {
		return stop(tickmark.ReasonTruncated, "%s", strings.Join(u.notes, "; "))
	}
	if c.next == "" && a.Paging == PageSkip && c.lastSize >= a.PageSize {
		c.next = "$skip=" + strconv.Itoa(c.tally.Items())
	}
	if c.next != "" {
		switch {
		case c.seen[c.link()] && r.tune.on("loop"):
			return stop(tickmark.ReasonTruncated, "the link or token of page %d was given before: the source leads in a circle (%d rows read)", len(u.pages), u.rows)
		case c.contents[p.content] && c.lastSize > 0 && r.tune.on("duplicatePage"):
			return stop(tickmark.ReasonTruncated, "page %d repeats an earlier page (%d rows, %d different)", len(u.pages), u.rows, u.unique)
		case c.empties > r.tune.empties && r.tune.on("empties"):
			return stop(tickmark.ReasonTruncated, "%d pages without rows, and still a link to more", c.empties)
		case len(u.pages) >= r.tune.pages && r.tune.on("ceiling"), u.rows >= r.tune.rows && r.tune.on("ceiling"):
			return stop(tickmark.ReasonTruncated, "%d pages and %d rows, and still a link to more: a list has at most %d pages and %d rows", len(u.pages), u.rows, r.tune.pages, r.tune.rows)
		}
		c.seen[c.link()] = true
		c.contents[p.content] = true
		return true, nil
	}
	if c.contents[p.content] && c.lastSize > 0 && r.tune.on("duplicatePage") {
		return stop(tickmark.ReasonTruncated, "page %d repeats an earlier page (%d rows, %d different)", len(u.pages), u.rows, u.unique)
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

// kind of result of a step.
type kind int

const (
	stepMore  kind = iota // another request of the unit is due
	stepLater             // the same request, after a while
	stepDone
	stepFatal
)

// result is what the scheduler must know of a step.
type result struct {
	unit   *unit
	ask    *askRun // enumerated
	kind   kind
	wait   time.Duration // stepLater
	snooze time.Duration // of the bucket
	left   int           // of the quota
	resets time.Duration
	quota  bool
	late   bool // the wait is the service's wish
	err    error
}

// step sends one request of a unit and takes the answer.
func (r *runner) step(ctx context.Context, w *worker, u *unit) result {
	res := result{unit: u}
	if u.chain == nil {
		if err := r.begin(u, &w.loader); err != nil {
			return r.finish(u, refuse(err))
		}
	}
	q, err := r.request(u)
	if err != nil {
		return r.finish(u, refuse(err))
	}
	u.requests++
	ans, err := r.net.send(ctx, q)
	if ctx.Err() != nil {
		res.kind, res.err = stepFatal, ctx.Err()
		return res
	}
	if err != nil {
		return r.failed(u, err)
	}
	now := r.clock.Now()
	res.left, res.resets, res.quota = quotaLeft(ans.header, now)
	wait, told := retryAfter(ans.header, now)
	if told && (ans.status == http.StatusOK || throttled(ans.status, ans.header)) {
		res.snooze = max(wait, time.Second)
	}
	switch {
	case ans.status == http.StatusOK:
		done := r.accept(w, u, q, ans)
		done.left, done.resets, done.quota, done.snooze = res.left, res.resets, res.quota, res.snooze
		return done
	case throttled(ans.status, ans.header) && (ans.status == http.StatusTooManyRequests || u.throttles < 12):
		u.throttles++
		if !told {
			res.snooze = r.tune.backoff(u.throttles - 1)
		}
		res.kind, res.wait, res.late = stepLater, res.snooze, true
		res.quota = false // the wait says more
		return res
	case ans.status >= 500 || ans.status == http.StatusRequestTimeout:
		if u.tries++; u.tries < r.tune.tries {
			res.kind, res.wait = stepLater, max(r.tune.backoff(u.tries-1), wait)
			return res
		}
	}
	return r.finish(u, judge(u.ask.ask, ans.status, ans.body))
}

// failed is a request that brought no answer, or none that can be read.
func (r *runner) failed(u *unit, err error) result {
	var f *fault
	if !errors.As(err, &f) {
		f = &fault{tickmark.ReasonUnparsable, clip(err.Error()), true}
	}
	if u.tries++; f.again && u.tries < r.tune.tries {
		return result{unit: u, kind: stepLater, wait: r.tune.backoff(u.tries - 1)}
	}
	return r.finish(u, &ending{Reason: f.reason, Detail: f.what})
}

// accept reads an answer with status 200, keeps it and goes on.
func (r *runner) accept(w *worker, u *unit, q *request, ans *answer) result {
	a := u.ask.ask
	p := &pageRec{unit: u, sum: -1, pageEntry: &pageEntry{Slice: u.chain.slice, Ask: r.provenance(a, q, ans)}}
	p.Ask.Received = tickmark.DigestOf(ans.body)
	kept, replaced, err := r.redact(w, u, ans.body)
	g := &gather{r: r, u: u, src: kept, sum: -1}
	var env envelope
	if err == nil {
		env, err = w.page(kept, a, g.row)
	}
	if err == nil && replaced > 0 {
		// The way on is read from what was received: it may have a secret in it.
		var orig envelope
		orig, err = w.page(ans.body, a, func(tickmark.Item, jsontape.Value) error { return nil })
		env.Next = orig.Next
	}
	if err == nil {
		err = env.headers(ans.header, a)
	}
	if err != nil {
		u.notes = nil
		return r.unreadable(u, ans, err)
	}
	p.Next, p.Kept, p.Digest = env.Next, replaced, tickmark.DigestOf(kept)
	if env.Cut && env.Next == "" {
		p.Cut = env.why
	}
	if date, err := http.ParseTime(ans.header.Get("Date")); err == nil {
		p.At = date.UTC()
		p.Skew = skew(p.At, ans.asked, ans.at)
	}
	if err := r.spool.keep(u.key, p.pageEntry, kept); err != nil {
		return result{unit: u, kind: stepFatal, err: err}
	}
	u.tries = 0
	g.commit(p, env)
	r.count(len(g.rows))
	more, end := r.progress(u, p)
	return r.onward(u, more, end)
}

// skew is how far the source's clock is from the host's: 0 inside the time
// that the request took and the second that the date is rounded to.
func skew(date, asked, at time.Time) time.Duration {
	switch {
	case date.After(at):
		return date.Sub(at)
	case date.Add(time.Second).Before(asked):
		return date.Sub(asked)
	}
	return 0
}

// unreadable is an answer with status 200 that is not a page. It may be a
// passing fault, such as a cut connection or a gateway's error page.
func (r *runner) unreadable(u *unit, ans *answer, err error) result {
	var e *errAnswer
	if errors.As(err, &e) {
		end := judge(u.ask.ask, ans.status, ans.body)
		if end.Means == "" && (end.Reason == tickmark.ReasonNotCollected || end.Reason == tickmark.ReasonNone) {
			end.Reason = tickmark.ReasonNotCollected
			if u.tries++; u.tries < r.tune.tries {
				return result{unit: u, kind: stepLater, wait: r.tune.backoff(u.tries - 1)}
			}
		}
		end.Detail = clip(e.Error())
		return r.finish(u, end)
	}
	if u.tries++; u.tries < r.tune.tries {
		return result{unit: u, kind: stepLater, wait: r.tune.backoff(u.tries - 1)}
	}
	return r.finish(u, &ending{Reason: tickmark.ReasonUnparsable, Status: ans.status, Detail: "the answer cannot be read: " + clip(err.Error())})
}

// onward follows progress: a list that does not add up is read once more.
func (r *runner) onward(u *unit, more bool, end *ending) result {
	if more {
		return result{unit: u, kind: stepMore}
	}
	again := end.Reason == tickmark.ReasonTruncated || end.Reason == tickmark.ReasonConflicting
	if again && u.attempt == 0 && u.chain.next == "" && len(u.pages) > 1 && u.pages[len(u.pages)-1].Cut == "" && len(u.notes) == 0 {
		u.attempt++
		if err := r.spool.note(u.key, "drop", nil); err != nil {
			return result{unit: u, kind: stepFatal, err: err}
		}
		u.chain = nil
		return result{unit: u, kind: stepMore}
	}
	return r.finish(u, end)
}

// finish ends a unit and writes so.
func (r *runner) finish(u *unit, end *ending) result {
	end.Requests = u.requests
	u.end, u.chain = end, nil
	if err := r.spool.note(u.key, "end", end); err != nil {
		return result{unit: u, kind: stepFatal, err: err}
	}
	return result{unit: u, kind: stepDone}
}

// provenance is how a page was asked for, without what could be a secret.
func (r *runner) provenance(a *Ask, q *request, ans *answer) tickmark.Request {
	id := ""
	for _, name := range []string{"x-ms-request-id", "request-id", "x-ms-correlation-request-id", "X-GitHub-Request-Id", "ActivityId", "x-vss-e2eid"} {
		if id = ans.header.Get(name); id != "" {
			break
		}
	}
	body := q.body
	if a.Paging == PageSkipToken && body != "" {
		if b, err := withSkipToken(body, jsontape.Marker+"token"); err == nil && strings.Contains(body, `"$skipToken"`) {
			body = b
		}
	}
	return tickmark.Request{
		Method: q.method, URL: withoutTokens(q.url), Body: body, APIVersion: a.APIVersion, Status: ans.status, ID: clip(id), Direct: a.Direct,
	}
}

var tokenNames = map[string]bool{
	"$skiptoken": true, "skiptoken": true, "continuationtoken": true, "$deltatoken": true, "token": true,
	"access_token": true, "sig": true, "code": true, "after": true, "before": true, "page_token": true,
}

func withoutTokens(u *url.URL) string {
	to := *u
	to.User = nil
	parts := strings.Split(to.RawQuery, "&")
	for i, p := range parts {
		k, _, _ := strings.Cut(p, "=")
		if name, err := url.QueryUnescape(k); err != nil || tokenNames[strings.ToLower(name)] {
			parts[i] = k + "=" + url.QueryEscape(jsontape.Marker+"token")
		}
	}
	to.RawQuery = strings.Join(parts, "&")
	return to.String()
}

// adopt gives a unit what an earlier run has read of it: the same code takes
// the pages as when they came.
func (r *runner) adopt(u *unit, l *loader) error {
	old := r.spool.take(u.key)
	if old == nil {
		return nil
	}
	u.attempt = min(old.drops, 1)
	if len(old.pages) == 0 {
		u.end = old.end
		return nil
	}
	if err := r.begin(u, l); err != nil {
		u.end = refuse(err)
		return nil
	}
	more, end := true, (*ending)(nil)
	rd := &reader{tune: &r.tune}
	for _, e := range old.pages {
		b, err := r.spool.read(e.Off, e.Len)
		if err != nil || tickmark.DigestOf(b) != e.Digest {
			return r.restart(u) // what a power failure lost
		}
		p := &pageRec{unit: u, pageEntry: e, sum: -1}
		g := &gather{r: r, u: u, src: b, sum: -1}
		env, err := rd.page(b, u.ask.ask, g.row)
		if err != nil || !more {
			return r.restart(u)
		}
		env.Next, env.Cut = e.Next, e.Cut != ""
		if env.Next == "" && u.ask.ask.Paging == PageOne {
			env.Cut = env.Cut || e.Cut != ""
		}
		g.commit(p, env)
		r.resumed.Pages++
		r.count(len(g.rows))
		more, end = r.progress(u, p)
	}
	u.requests = len(old.pages)
	switch {
	case old.end != nil:
		u.end, u.chain = old.end, nil
		u.requests = max(u.requests, old.end.Requests)
	case !more:
		if res := r.onward(u, more, end); res.err != nil {
			return res.err
		}
	}
	return nil
}

func (r *runner) restart(u *unit) error {
	u.chain, u.pages, u.end, u.attempt = nil, nil, nil, 0
	u.notes = nil
	return r.spool.note(u.key, "drop", nil)
}
