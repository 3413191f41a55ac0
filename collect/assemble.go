// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
)

// Collected is what a run read. Its pages are mapped from the working
// directory: Close it when they are no longer used, and keep Dir until then.
type Collected struct {
	Snapshot *tickmark.Snapshot
	Resumed  Resume
	// Requests is the number of requests that this process sent.
	Requests int
	// Throttled is how long nothing could be asked.
	Throttled time.Duration

	digest  tickmark.Digest
	mapping []byte
	spans   [][][2]int // of the mapping, by segment
	unmap   func() error
	spool   *spool
}

// Digest is the digest of what was read: sources, scopes, asks, subjects, their
// rows and what did not answer. Times, request ids and tokens are not in it, so
// that a run that was interrupted has the digest of one that was not.
func (c *Collected) Digest() tickmark.Digest { return c.digest }

// Release gives back the memory of a segment's pages; reading them again costs
// time only.
func (c *Collected) Release(segment int) {
	if segment < 0 || segment >= len(c.spans) {
		return
	}
	for _, s := range c.spans[segment] {
		forget(c.mapping, s[0], s[1])
	}
}

// ReleaseAll is Release for all segments.
func (c *Collected) ReleaseAll() { forget(c.mapping, 0, len(c.mapping)) }

// Close unmaps the pages, which must not be used after it. It removes nothing.
func (c *Collected) Close() error {
	if c.unmap == nil {
		return nil
	}
	err := errors.Join(c.unmap(), c.spool.close())
	c.unmap = nil
	return err
}

// hole is what an ask misses in a scope, for those that depend on it.
type hole struct {
	scope  string
	reason tickmark.Reason
	detail string
}

// account is an ask's coverage in one scope, as it is added up.
type account struct {
	cov   tickmark.AskCoverage
	units []*unit
}

// collect makes the snapshot.
func (r *runner) collect() (*Collected, error) {
	c := &Collected{Resumed: Resume{Started: r.started, Pages: int(r.adopted.Load()), Dropped: r.spool.dropped, Within: r.within}, Requests: r.sent, Throttled: r.throttled, spool: r.spool}
	var err error
	if c.mapping, c.unmap, err = mapFile(r.spool.pages, r.spool.off); err != nil {
		return nil, err
	}
	s := &tickmark.Snapshot{Origin: "sample", ObservedAt: r.started, Problems: r.problems}
	if r.opts.Endpoints.Live {
		s.Origin = "live"
	}
	plans, known := r.plans(c.mapping)
	h := sha256.New()
	for _, src := range r.sources {
		r.prove(src)
		r.licence(src, plans, known)
		books := r.books(src)
		for _, scope := range slices.Sorted(maps.Keys(books)) {
			seg := r.segment(c, src, scope, books[scope])
			digestSegment(h, &seg, books[scope])
			s.Segments = append(s.Segments, seg)
		}
		s.Problems = append(s.Problems, src.problems()...)
		s.Problems = append(s.Problems, src.differences(books, c.mapping)...)
	}
	s.Problems = append(s.Problems, r.unmet(s)...)
	s.ObservedAt = r.observed(s)
	c.Snapshot, c.digest = s, tickmark.Digest(h.Sum(nil))
	return c, nil
}

// observed is the time of the first page by the source's clock, where that is
// to be believed.
func (r *runner) observed(s *tickmark.Snapshot) time.Time {
	first := time.Time{}
	for i := range s.Segments {
		for j := range s.Segments[i].Pages {
			if t := s.Segments[i].Pages[j].ObservedAt; !t.IsZero() && (first.IsZero() || t.Before(first)) {
				first = t
			}
		}
	}
	if first.IsZero() || first.Before(r.started.Add(-MaxSkew)) {
		return r.started
	}
	return first
}

// notWhole begins what is said of an ask whose subjects are not all known.
const notWhole = "the list that it is asked about"

// books adds up the units of a source by scope and ask.
func (r *runner) books(src *sourceRun) map[string][]*account {
	r.unseen(src)
	scopes := map[string]bool{"": true}
	src.leftOut = map[string]*Exclusion{}
	for _, a := range src.asks {
		for _, u := range a.units {
			scopes[u.scope] = true
			for s, x := range u.hidden {
				scopes[s] = true
				src.leftOut[s] = x
			}
		}
		for s, x := range a.leftOut {
			scopes[s] = true
			src.leftOut[s] = x
		}
	}
	books := map[string][]*account{}
	for s := range scopes {
		books[s] = make([]*account, len(src.asks))
	}
	holes := make([][]hole, len(src.asks))
	index := map[*askRun]int{}
	for i, a := range src.asks {
		index[a] = i
	}
	for _, i := range topological(src) {
		a := src.asks[i]
		r.account(a, i, books)
		for _, d := range a.deps {
			if !r.tune.on("dependency") {
				break
			}
			for _, h := range holes[index[d]] {
				reached := scopes
				if h.scope != "" {
					reached = map[string]bool{h.scope: true, "": true}
				}
				for s := range reached {
					x := books[s][i]
					if x == nil && h.scope != s {
						continue
					}
					if x == nil {
						x = r.opened(a, i, s, books)
					}
					if x.cov.Missing == tickmark.ReasonNone {
						// What is far up the chain is the cause; the steps between say nothing.
						if x.cov.Missing, x.cov.Detail = h.reason, h.detail; !strings.HasPrefix(h.detail, notWhole) {
							x.cov.Detail = fmt.Sprintf("%s (%s) is not whole: %s", notWhole, d.ask.Name, h.detail)
						}
					}
				}
			}
		}
		for s := range scopes {
			if x := books[s][i]; x != nil {
				holes[i] = append(holes[i], x.holes(src, s, scopes)...)
			}
		}
		slices.SortFunc(holes[i], func(a, b hole) int {
			return cmp.Or(strings.Compare(a.scope, b.scope), strings.Compare(a.detail, b.detail))
		})
	}
	return books
}

// holes are what the account leaves open in a scope. Of a batch, a subject that
// is not proven is a hole where it lies; the others are whole.
func (x *account) holes(src *sourceRun, scope string, scopes map[string]bool) []hole {
	var out []hole
	if x.cov.Missing != tickmark.ReasonNone {
		out = append(out, hole{scope, x.cov.Missing, x.cov.Detail})
	}
	apart := map[string]bool{}
	for _, u := range x.units {
		for i := range u.partly {
			f := &u.partly[i]
			if at := src.scopeOf(&Subject{ID: f.Scope}); at != "" && scopes[at] {
				out = append(out, hole{at, f.Reason, f.Scope + ": " + f.Detail})
				apart[f.Scope] = true
			}
		}
	}
	for i := range x.cov.Refusals {
		f := &x.cov.Refusals[i]
		if apart[f.Scope] {
			continue
		}
		out = append(out, hole{scope, f.Reason, f.Scope + ": " + f.Detail})
		break // one says it
	}
	return out
}

func topological(src *sourceRun) []int {
	deps, err := order(src.src)
	if err != nil {
		return nil // Check has passed
	}
	var out []int
	seen := make([]bool, len(deps))
	var visit func(i int)
	visit = func(i int) {
		if seen[i] {
			return
		}
		seen[i] = true
		for _, d := range deps[i] {
			visit(d)
		}
		out = append(out, i)
	}
	for i := range deps {
		visit(i)
	}
	return out
}

// opened begins the account of an ask in a scope.
func (r *runner) opened(a *askRun, i int, scope string, books map[string][]*account) *account {
	x := &account{cov: tickmark.AskCoverage{Name: a.ask.Name, Types: a.ask.Types, Declared: -1, Direct: a.ask.Direct}}
	books[scope][i] = x
	return x
}

// account fills the accounts of an ask.
func (r *runner) account(a *askRun, i int, books map[string][]*account) {
	if a.skip != nil {
		x := r.opened(a, i, "", books)
		x.cov.Missing, x.cov.Detail = a.skip.Reason, a.skip.Detail
		if a.skip.Reason == tickmark.ReasonExcluded || a.skip.Reason == tickmark.ReasonDeclined {
			x.cov.Excluded = []tickmark.Refusal{{Reason: a.skip.Reason, Detail: a.skip.Detail}}
		}
		return
	}
	if a.ask.isRoot() || a.ask.Batch > 0 {
		r.opened(a, i, "", books)
	} else {
		// Where there was nothing to ask about, that is said, too.
		for s := range books {
			if s != "" || len(books) == 1 || a.src.src.Scope == nil {
				r.opened(a, i, s, books)
			}
		}
	}
	for _, u := range a.units {
		x := books[u.scope][i]
		if x == nil {
			x = r.opened(a, i, u.scope, books)
		}
		x.add(u)
	}
	root := r.rootGroup()
	for s, e := range a.src.leftOut {
		x := books[s][i]
		if x == nil || a.ask.isRoot() || a.ask.Batch > 0 {
			if a.leftOut[s] == nil && a.ask.Batch == 0 {
				continue // it says so itself, if it met the scope
			}
			// A batch does not meet the subjects that their own list left out,
			// and lacks what it would have read of them all the same.
			x = books[""][i]
		}
		why := e.Why()
		if s == root && !a.listsSubscriptions() {
			why = "what else lies there is not known (subscriptions says why)"
		}
		x.cov.Excluded = append(x.cov.Excluded, tickmark.Refusal{Scope: s, Reason: e.Reason, Detail: why})
	}
	for _, x := range books {
		if x[i] != nil {
			slices.SortFunc(x[i].cov.Excluded, func(a, b tickmark.Refusal) int { return strings.Compare(a.Scope, b.Scope) })
			x[i].cov.Excluded = slices.CompactFunc(x[i].cov.Excluded, func(a, b tickmark.Refusal) bool { return a.Scope == b.Scope })
			r.span(a, x[i])
		}
	}
}

// add adds a unit.
func (x *account) add(u *unit) {
	x.units = append(x.units, u)
	c := &x.cov
	n := max(1, len(u.batch))
	c.Subjects += n
	c.Requests += u.requests
	c.Pages += len(u.pages)
	c.Rows += u.rows
	c.Unique += u.unique
	if u.declared >= 0 {
		c.Declared = max(c.Declared, 0) + u.declared
	}
	for _, p := range u.pages {
		if p.Skew.Abs() > c.Skew.Abs() {
			c.Skew = p.Skew
		}
	}
	for s, e := range u.hidden {
		c.Excluded = append(c.Excluded, tickmark.Refusal{Scope: s, Reason: e.Reason, Detail: e.Why()})
	}
	slices.SortFunc(c.Excluded, func(a, b tickmark.Refusal) int { return strings.Compare(a.Scope, b.Scope) })
	c.Excluded = slices.CompactFunc(c.Excluded, func(a, b tickmark.Refusal) bool { return a.Scope == b.Scope })
	e := u.end
	if e == nil {
		e = &ending{Reason: tickmark.ReasonNotCollected, Detail: "it was not asked"}
	}
	if e.Reason == tickmark.ReasonNone {
		c.Answered += n - len(u.partly)
		c.Refusals = append(c.Refusals, u.partly...)
		return
	}
	f := tickmark.Refusal{Scope: u.id, Status: e.Status, Code: e.Code, Reason: e.Reason, Detail: e.Detail}
	if u.ask.ask.isRoot() {
		c.Missing, c.Detail = e.Reason, e.Detail
	}
	if u.batch == nil {
		c.Refusals = append(c.Refusals, f)
		return
	}
	for _, id := range u.ids {
		f.Scope = id
		c.Refusals = append(c.Refusals, f)
	}
}

// span says what time a log covers.
func (r *runner) span(a *askRun, x *account) {
	w := a.ask.Window
	if w == nil {
		return
	}
	s := &tickmark.Span{From: r.from(a), To: r.to}
	for _, u := range x.units {
		if !u.first.IsZero() && (s.First.IsZero() || u.first.Before(s.First)) {
			s.First = u.first
		}
		if u.last.After(s.Last) {
			s.Last = u.last
		}
	}
	if s.Kept = r.kept(a); s.Kept.After(s.From) {
		end := s.Kept
		if end.After(s.To) {
			end = s.To
		}
		s.Gaps = append(s.Gaps, tickmark.Gap{From: s.From, To: end, Reason: tickmark.ReasonNotCollected, Detail: a.keeping()})
	}
	if x.cov.Missing != tickmark.ReasonNone || len(x.cov.Refusals) > 0 {
		from := s.From
		if s.Kept.After(from) {
			from = s.Kept
		}
		reason, detail := x.cov.Missing, x.cov.Detail
		if reason == tickmark.ReasonNone {
			reason, detail = x.cov.Refusals[0].Reason, x.cov.Refusals[0].Detail
		}
		if from.Before(s.To) {
			s.Gaps = append(s.Gaps, tickmark.Gap{From: from, To: s.To, Reason: reason, Detail: detail})
		}
	}
	x.cov.Span = s
}

// segment lays out the pages of a scope.
func (r *runner) segment(c *Collected, src *sourceRun, scope string, accounts []*account) tickmark.Segment {
	seg := tickmark.Segment{Source: src.src.Name, Scope: scope}
	cov := tickmark.Coverage{Source: seg.Source, Scope: scope, Declared: -1}
	incomplete := map[string]bool{}
	listed := map[string]string{}
	var open []string
	var spans [][2]int
	pages, asked := 0, 0
	for _, x := range accounts {
		if x != nil {
			pages += x.cov.Pages
			asked++
		}
	}
	seg.Pages, cov.Asks = make([]tickmark.Page, 0, pages), make([]tickmark.AskCoverage, 0, asked)
	for i, x := range accounts {
		if x == nil {
			continue
		}
		a := src.asks[i].ask
		for _, u := range x.units {
			for _, p := range u.pages {
				end := int(p.Off) + p.Len
				seg.Pages = append(seg.Pages, page(a, u, p, c.mapping[p.Off:end:end]))
				if n := len(spans); n > 0 && spans[n-1][1] == int(p.Off) {
					spans[n-1][1] = end
				} else {
					spans = append(spans, [2]int{int(p.Off), end})
				}
				cov.Items += len(p.items)
			}
		}
		cov.Pages += x.cov.Pages
		cov.Asks = append(cov.Asks, x.cov)
		whole := x.cov.Missing == tickmark.ReasonNone && len(x.cov.Refusals) == 0 && len(x.cov.Excluded) == 0
		if !whole {
			open = append(open, a.Name)
			if cov.Missing == tickmark.ReasonNone {
				cov.Missing = x.cov.Missing
			}
			if cov.Missing == tickmark.ReasonNone && len(x.cov.Refusals) > 0 {
				cov.Missing = x.cov.Refusals[0].Reason
			}
			if cov.Missing == tickmark.ReasonNone {
				cov.Missing = x.cov.Excluded[0].Reason
			}
		}
		for _, t := range x.cov.Types {
			low := strings.ToLower(t)
			listed[low] = t
			incomplete[low] = incomplete[low] || !whole
		}
	}
	for low, t := range listed {
		if !incomplete[low] && (t != "*" || len(open) == 0) {
			cov.Complete = append(cov.Complete, t)
		}
	}
	slices.Sort(cov.Complete)
	if len(cov.Complete) > 0 {
		cov.CompleteBy = "source"
	}
	if n := len(open); n > 0 {
		cov.Detail = fmt.Sprintf("%d of %d questions were not wholly answered: %s", n, len(cov.Asks), strings.Join(open[:min(n, 8)], ", "))
	}
	seg.Coverage = cov
	c.spans = append(c.spans, spans)
	return seg
}

func page(a *Ask, u *unit, p *pageRec, b []byte) tickmark.Page {
	form := a.Form
	if table(form) {
		form = formTable
	}
	req := p.Ask
	name := req.Method + " " + req.URL
	req.URL = name[len(req.Method)+1:] // one text for both: there is a page for each resource
	return tickmark.Page{
		Name: name, Form: form, Entity: a.Entity, Columns: p.columns, Bytes: b, Digest: p.Digest,
		Items: p.items, ObservedAt: p.At, Ask: a.Name, Subject: u.path, Identity: a.Identity, Request: &req,
	}
}

func table(form string) bool { return form == formTable || form == formLogAnalytics }

// digestSegment adds what Collected.Digest is about.
func digestSegment(h interface{ Write([]byte) (int, error) }, seg *tickmark.Segment, accounts []*account) {
	put := func(parts ...string) {
		for _, p := range parts {
			fmt.Fprintf(h, "%d:%s,", len(p), p)
		}
		fmt.Fprint(h, "\n")
	}
	put("segment", seg.Source, seg.Scope)
	for _, x := range accounts {
		if x == nil {
			continue
		}
		put("ask", x.cov.Name, string(x.cov.Missing))
		for _, u := range x.units {
			for _, p := range u.pages {
				put("page", u.path, p.content.String())
			}
		}
		for i := range x.cov.Refusals {
			f := &x.cov.Refusals[i]
			put("refusal", f.Scope, string(f.Reason), f.Code)
		}
	}
}

// MaxSkew is the difference of clocks above which something is wrong.
const MaxSkew = 5 * time.Minute

// problems are what a person must look at, though every page was kept.
func (s *sourceRun) problems() []tickmark.Problem {
	var out []tickmark.Problem
	for _, a := range s.asks {
		var least, most time.Duration
		var first *pageRec
		none := 0
		for _, u := range a.units {
			if u.end != nil && u.end.Means == MeansGone {
				out = append(out, tickmark.Problem{
					Input: s.src.Name + "/" + a.ask.Name, Object: u.id, Byte: -1, Reason: tickmark.ReasonConflicting,
					What: "it was listed, and the service said afterwards that it, or what was asked about it, is not there: the population changed, or the service has no such thing for it",
					Hint: "collect again; what is said again is the service's answer, and no change",
				})
			}
			for _, p := range u.pages {
				if p.At.IsZero() {
					none++
					continue
				}
				if first == nil || p.Skew.Abs() < least.Abs() {
					least = p.Skew
				}
				if first == nil || p.Skew.Abs() > most.Abs() {
					most, first = p.Skew, p
				}
			}
		}
		if first == nil || most.Abs() <= MaxSkew {
			continue
		}
		what := fmt.Sprintf("the source's clock and this host's differ by %v", most.Round(time.Second))
		hint := "set the clock by NTP; if it is right, find out who answers in the source's place"
		if least.Abs() <= MaxSkew || most < -24*time.Hour {
			what = fmt.Sprintf("the answer is dated %v before it was asked for: it may be a stored one", (-most).Round(time.Second))
			if most > 0 {
				what = fmt.Sprintf("the answer is dated %v after it was asked for", most.Round(time.Second))
			}
			hint = "find out what stands between this host and the source, and collect again"
		}
		out = append(out, tickmark.Problem{Input: first.Ask.Method + " " + first.Ask.URL, Object: s.src.Name + "/" + a.ask.Name, Byte: -1, Reason: tickmark.ReasonStale, What: what, Hint: hint})
	}
	return out
}

// planDigest names what a working directory is for.
func planDigest(sources []Source, o *Options) tickmark.Digest {
	h := sha256.New()
	e := json.NewEncoder(h)
	put := func(v any) { _ = e.Encode(v) } // a digest cannot fail to be written
	for i := range sources {
		put(sources[i].Name)
		for _, a := range sources[i].Asks {
			put([]any{a.Name, a.Of, a.Batch, a.Host, a.Method, a.Path, a.Query, a.Body, a.Header, a.APIVersion, a.Paging, a.PageSize, a.Form, a.Entity, a.List, a.Identity, a.Window, a.Redact})
		}
	}
	put([]any{o.Endpoints.Cloud, o.Endpoints.Microsoft365, o.Endpoints.URL, json.RawMessage(cmp.Or(string(o.Root), "{}")), o.From, o.To, o.Only, o.Scopes, o.Exclude, o.Bound})
	return tickmark.Digest(h.Sum(nil))
}
