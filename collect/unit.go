// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
	id    string   // of the subject
	path  string   // the same, with what it lies below
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
	// counts are the units, nearest first, that Count names; proofs those that
	// Proof names, for each subject.
	counts []key
	proofs [][]key
	// partly are the subjects of a batch whose rows are not known to be all.
	partly []tickmark.Refusal
}

// pageRec is a page that was kept.
type pageRec struct {
	*pageEntry
	unit    *unit
	items   []tickmark.Item
	kinds   []uint16 // beside items; 0 is a type that no ask names; nil is all 0
	ids     []uint64 // of the items whose kind is not 0, hashed
	columns []string
	content tickmark.Digest // of the rows: the same when tokens around them differ
	proof   bool            // Shows says that the identity sees
	sum     int64           // of the counts in its rows, -1 if there is none
}

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
	c.slices = r.windows(u.ask)
	u.chain = c
	u.rows, u.unique, u.declared, u.pages, u.first, u.last = 0, 0, -1, nil, time.Time{}, time.Time{}
	return r.enter(u)
}

// windows cuts the time asked for into what one request may span.
func (r *runner) windows(a *askRun) []slice {
	w := a.ask.Window
	if w == nil {
		return []slice{{}}
	}
	from, to := r.from(a).Add(-w.Overlap), r.to
	if kept := r.kept(a); from.Before(kept) && (!w.Some || r.opts.From.IsZero()) {
		from = kept
	}
	if w.Months {
		return months(from, to)
	}
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

// months are the whole months that a time touches; at least one.
func months(from, to time.Time) []slice {
	at := time.Date(from.UTC().Year(), from.UTC().Month(), 1, 0, 0, 0, 0, time.UTC)
	var out []slice
	for at.Before(to) || len(out) == 0 {
		end := at.AddDate(0, 1, 0)
		out = append(out, slice{at, end})
		at = end
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
	q := &request{host: a.Host, method: a.method(), url: c.first, body: c.body, header: a.Header, id: newID(), scope: u.scope}
	if a.Host == HostGitHub && a.APIVersion != "" {
		q.header = map[string]string{"X-Github-Api-Version": a.APIVersion}
		maps.Copy(q.header, a.Header)
	}
	if c.seq == 0 {
		return q, nil
	}
	switch a.Paging {
	case PageNextLink, PageODataLink, PageLink:
		to, err := c.first.Parse(c.next)
		if err != nil {
			return nil, &fault{reason: tickmark.ReasonTruncated, what: "the link to the next page is broken"}
		}
		to.Fragment = ""
		if err := r.net.pin(a.Host, to); err != nil {
			return nil, &fault{reason: tickmark.ReasonTruncated, what: "the link to the next page is not followed: " + err.Error()}
		}
		if origin(to) != origin(c.first) && r.tune.on("pin") {
			return nil, &fault{reason: tickmark.ReasonTruncated, what: "the link to the next page leads to " + origin(to)}
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
	case PageMarker:
		q.url = withQuery(c.first, "marker", c.next)
	case PageOne:
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
		return "", &fault{reason: tickmark.ReasonUnparsable, what: "the request's body is no JSON object: " + clip(err.Error())}
	}
	if raw, ok := top["options"]; ok {
		if err := json.Unmarshal(raw, &options); err != nil {
			return "", &fault{reason: tickmark.ReasonUnparsable, what: "options of the request's body is no object"}
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

// patience is how often a service may ask for the same short wait; after that
// it is left alone for longer than it asks.
const patience = 8

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
	case ans.status == http.StatusOK, ans.status < 300 && !r.tune.on("status"):
		done := r.accept(w, u, q, ans)
		done.left, done.resets, done.quota, done.snooze = res.left, res.resets, res.quota, res.snooze
		return done
	case throttled(ans.status, ans.header) && (ans.status == http.StatusTooManyRequests || u.throttles < 12):
		u.throttles++
		if !told {
			res.snooze = r.tune.backoff(u.throttles - 1)
		}
		if n := u.throttles - patience; n > 0 {
			res.snooze = max(res.snooze, min(time.Second<<min(n, 6), time.Minute))
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
	return r.finish(u, judge(u.ask.ask, ans.status, r.clean(ans.body)))
}

// failed is a request that brought no answer, or none that can be read.
func (r *runner) failed(u *unit, err error) result {
	var f *fault
	if !errors.As(err, &f) {
		f = &fault{reason: tickmark.ReasonUnparsable, what: clip(err.Error()), again: true}
	}
	if u.tries++; f.slow {
		u.tries += r.tune.tries / 2
	}
	if f.again && u.tries < r.tune.tries {
		return result{unit: u, kind: stepLater, wait: r.tune.backoff(u.tries - 1)}
	}
	return r.finish(u, &ending{Reason: f.reason, Detail: f.what})
}

// accept reads an answer with status 200, keeps it and goes on.
func (r *runner) accept(w *worker, u *unit, q *request, ans *answer) result {
	a := u.ask.ask
	p := &pageRec{unit: u, sum: -1, pageEntry: &pageEntry{Slice: u.chain.slice, Ask: r.provenance(a, q, ans)}}
	p.Ask.Received = tickmark.DigestOf(ans.body)
	if err := u.whole(ans.body); err != nil {
		return r.unreadable(u, ans, err)
	}
	if a.Wire == WireBlobList {
		body, err := blobList(ans.body)
		if err != nil {
			return r.unreadable(u, ans, err)
		}
		ans.body = body
	}
	kept, replaced, err := r.redact(w, u, ans.body)
	g := &gather{r: r, u: u, src: kept, columns: w.table, sum: -1}
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
		err = env.headers(ans.header, a, r.tune.on)
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
		if r.tune.on("skew") {
			p.Skew = skew(p.At, ans.asked, ans.at)
		}
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

// whole holds an answer to the size that the list of its subject gave.
func (u *unit) whole(body []byte) error {
	if u.ask.ask.Bytes == "" {
		return nil
	}
	n, ok := member(u.chain.vals.subject.Item, u.ask.ask.Bytes).Int()
	if ok && int64(len(body)) < n {
		return fmt.Errorf("it has %d bytes, and the list says %d", len(body), n)
	}
	return nil
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
	if e, ok := errors.AsType[*answerError](err); ok {
		end := judge(u.ask.ask, ans.status, r.clean(ans.body))
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
	end.Requests, end.Detail = u.requests, string(r.clean([]byte(end.Detail)))
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
	"access_token": true, "sig": true, "code": true, "after": true, "before": true, "page_token": true, "marker": true,
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
	rd := &l.reader
	rd.tune = &r.tune
	for _, e := range old.pages {
		b, err := r.spool.read(e.Off, e.Len)
		if err != nil || tickmark.DigestOf(b) != e.Digest && r.tune.on("pageDigest") {
			return r.restart(u) // what a power failure lost
		}
		p := &pageRec{unit: u, pageEntry: e, sum: -1}
		g := &gather{r: r, u: u, src: b, columns: rd.table, sum: -1}
		env, err := rd.page(b, u.ask.ask, g.row)
		if err != nil || !more {
			return r.restart(u)
		}
		env.Next, env.Cut = e.Next, e.Cut != ""
		if env.Next == "" && u.ask.ask.Paging == PageOne {
			env.Cut = env.Cut || e.Cut != ""
		}
		g.commit(p, env)
		r.adopted.Add(1)
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
