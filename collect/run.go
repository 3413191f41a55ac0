// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

// sourceRun is a source in this run.
type sourceRun struct {
	src    *Source
	asks   []*askRun
	root   *Subject
	listed []*Subject // of the configuration
	kinds  map[string]uint16
	// leftOut are the scopes that were left out, for the coverage.
	leftOut map[string]*Exclusion
}

func (s *sourceRun) scopeOf(x *Subject) string {
	if s.src.Scope == nil || x == nil || x == s.root {
		return ""
	}
	return s.src.Scope(x)
}

// kind is the number of a row's type, 0 where no ask names it.
func (s *sourceRun) kind(a *Ask, row jsontape.Value) uint16 {
	if a.Entity != "" {
		if k := s.kinds[strings.ToLower(a.Entity)]; k != 0 {
			return k
		}
	}
	typ := row.Get("type").Str()
	if typ == "" {
		typ = typeOfID(row.Get("id").Str())
	}
	return s.kinds[strings.ToLower(typ)]
}

// askRun is an ask in this run.
type askRun struct {
	src               *sourceRun
	ask               *Ask
	deps, users       []*askRun
	waits             int     // deps that are not done
	licences          *askRun // read before
	path, query, body template
	proves            bool
	skip              *ending // not put at all
	units             []*unit
	left              int
	done              bool
	started           time.Time
	keeps             time.Duration // of a log, for this tenant; 0 is not known

	mu      sync.Mutex
	leftOut map[string]*Exclusion
}

func (a *askRun) leaveOut(scope string, x *Exclusion) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.leftOut == nil {
		a.leftOut = map[string]*Exclusion{}
	}
	a.leftOut[scope] = x
}

// runner puts the asks. All that is not guarded belongs to the goroutine of
// loop; a unit belongs to the worker that has it.
type runner struct {
	opts       Options
	tune       tuning
	clock      Clock
	net        *transport
	spool      *spool
	sources    []*sourceRun
	exclusions []Exclusion
	problems   []tickmark.Problem
	to         time.Time
	start      time.Time
	started    time.Time // when the collection began first
	probe      bool      // one request of each ask

	buckets   map[string]*bucket
	ring      []*bucket
	turn      int
	busy      int
	open      int       // asks not done
	ready     []*askRun // whose subjects can be listed
	jobs      chan job
	results   chan result
	rows      atomic.Int64
	adopted   atomic.Int64 // pages of an earlier run
	sent      int
	throttled time.Duration
	told      time.Time
	within    time.Duration // how old an earlier run's pages may be
}

// worker is what one goroutine needs to read answers.
type worker struct {
	reader
	loader loader
}

type job struct {
	unit *unit
	ask  *askRun // to enumerate
}

// Resume says what an earlier run had done already.
type Resume struct {
	// Started is when the collection began first.
	Started time.Time
	// Pages were taken from the working directory and not asked for again.
	Pages int
	// Dropped are the pages of an earlier run that Options.Anew threw away.
	Dropped Dropped
	// Within is how long after its start an interrupted run could be gone on with.
	Within time.Duration
}

// Dropped is what an earlier run had read and what was thrown away.
type Dropped struct {
	Pages   int       `json:"pages"`
	Started time.Time `json:"started"`
}

func (r *runner) count(rows int)     { r.rows.Add(int64(rows)) }
func (r *runner) quota(p Pace) Quota { return r.tune.quotas[p] }
func (r *runner) filters() bool      { return len(r.exclusions) > 0 || len(r.opts.Scopes) > 0 }
func (r *runner) from(a *askRun) time.Time {
	if !r.opts.From.IsZero() {
		return r.opts.From.UTC()
	}
	keeps := a.keeps
	if keeps == 0 {
		keeps = cmp.Or(a.ask.Window.Back, 30*24*time.Hour)
	}
	// What the source no longer keeps is no gap in a time that nobody named.
	if from := r.to.Add(-keeps); from.After(r.kept(a)) {
		return from
	}
	return r.kept(a)
}

// edge is how much of what a source keeps is left alone at its old end: a
// service refuses a time that begins before what it keeps, and time goes on
// while it is asked.
const edge = time.Hour

// kept is since when the source of a log has records; zero where that is not
// known.
func (r *runner) kept(a *askRun) time.Time {
	if a.keeps <= 0 || !r.tune.on("kept") {
		return time.Time{}
	}
	return r.started.UTC().Truncate(time.Second).Add(edge - a.keeps)
}

// Run puts the asks of the sources and returns what was read, with what was
// not and why. It returns an error only where there is nothing to stand on: a
// mistake in the sources or options, a working directory that cannot be used,
// or an end of ctx, after which a run with the same options goes on.
func Run(ctx context.Context, sources []Source, o Options) (*Collected, error) {
	r, err := newRunner(sources, o)
	if err != nil {
		return nil, err
	}
	defer r.net.close()
	if err := r.loop(ctx); err != nil {
		err = errors.Join(err, r.spool.close())
		if ctx.Err() != nil {
			return nil, &tickmark.Error{
				Code: tickmark.CodeIncomplete, Where: o.Dir, Err: err,
				What: "the collection was interrupted", Hint: "run it again with the same directory: it goes on where it was",
			}
		}
		return nil, err
	}
	if err := r.spool.finish(); err != nil {
		return nil, errors.Join(err, r.spool.close())
	}
	c, err := r.collect()
	if err != nil {
		return nil, errors.Join(err, r.spool.close())
	}
	return c, nil
}

func newRunner(sources []Source, o Options) (*runner, error) {
	r := &runner{opts: o, tune: defaults(), clock: clockOf(o.Clock, &o.Endpoints), buckets: map[string]*bucket{}}
	if o.tune != nil {
		r.tune = *o.tune
	}
	if o.Limit > 0 {
		r.tune.limit = o.Limit
	}
	if c, ok := r.clock.(*SimulatedClock); ok && c.Rate == 0 {
		r.tune.quotas = freely(r.tune.quotas)
	}
	if len(sources) == 0 {
		return nil, usage("", "there are no sources to collect from", "name at least one")
	}
	seen := map[string]bool{}
	for _, s := range sources {
		if err := Check(s); err != nil {
			return nil, &tickmark.Error{Code: tickmark.CodeInternal, What: "a source has a mistake", Err: err}
		}
		if seen[s.Name] {
			return nil, usage(s.Name, "the source is named twice", "")
		}
		seen[s.Name] = true
	}
	if !o.From.IsZero() && !o.To.IsZero() && !o.From.Before(o.To) {
		return nil, usage("from", "the window of the logs is empty", "its first day must be before its end")
	}
	r.start = r.clock.Now().UTC()
	if o.From.After(r.start) {
		return nil, usage("from", "the logs are to begin in the future: "+o.From.UTC().Format(time.RFC3339), "give a day that is past")
	}
	r.exclusions, r.problems = effective(o.Exclude, r.start)
	if err := r.prepare(sources); err != nil {
		return nil, err
	}
	r.net = newTransport(&r.opts, &r.tune, r.clock)
	h := head{Version: 1, Plan: planDigest(sources, &r.opts), What: r.what(), Started: r.start, To: o.To, Terms: terms(sources, &r.opts)}
	if h.To.IsZero() || h.To.After(r.start) { // nobody has read the time to come
		h.To = r.start.Truncate(time.Second)
	}
	var err error
	tune := r.tune // its own: the spool outlives the runner, and a pointer into it would keep it
	r.within = cmp.Or(o.ResumeWithin, resumeWithin)
	if r.spool, err = openSpool(o.Dir, h, again{now: r.start, within: r.within, anew: o.Anew}, &tune); err != nil {
		return nil, err
	}
	r.to = r.spool.head.To.UTC()
	r.started = r.spool.head.Started
	return r, nil
}

func (r *runner) what() string {
	var root struct {
		TenantID string `json:"tenantId"`
	}
	_ = json.Unmarshal(r.opts.Root, &root) // prepare has checked it
	return strings.TrimSpace("tenant " + root.TenantID + " " + r.opts.Endpoints.Cloud)
}

// effective keeps the exclusions that have not expired.
func effective(all []Exclusion, now time.Time) (keep []Exclusion, problems []tickmark.Problem) {
	for _, x := range all {
		if !x.Expires.IsZero() && !x.Expires.After(now) {
			problems = append(problems, tickmark.Problem{
				Input: x.Scope, Byte: -1, Reason: x.Reason, What: "the exclusion expired on " + x.Expires.UTC().Format(time.DateOnly) + " and was not applied",
				Hint: "renew it with a reason, or remove it",
			})
			continue
		}
		if x.Reason == tickmark.ReasonNone {
			x.Reason = tickmark.ReasonExcluded
		}
		keep = append(keep, x)
	}
	return keep, problems
}

// prepare lays out the asks and what they wait for.
func (r *runner) prepare(sources []Source) error {
	root := r.opts.Root
	if len(root) == 0 {
		root = []byte("{}")
	}
	tape, err := jsontape.Parse(root, jsontape.Options{})
	if err != nil || tape.Root().Kind() != jsontape.Object {
		return &tickmark.Error{Code: tickmark.CodeUsage, Where: "Options.Root", What: "the root subject is no JSON object", Err: err}
	}
	for i := range sources {
		src := &sources[i]
		s := &sourceRun{src: src, kinds: map[string]uint16{}, root: &Subject{Type: Root, Item: tape.Root()}}
		deps, err := order(src)
		if err != nil {
			return err
		}
		for j := range src.Asks {
			a := &src.Asks[j]
			s.asks = append(s.asks, &askRun{
				src: s, ask: a, path: parseTemplate(a.Path), query: parseTemplate(a.Query), body: parseTemplate(a.Body),
			})
			for _, t := range slices.Concat(a.Of, a.Types) {
				if low := strings.ToLower(t); s.kinds[low] == 0 {
					s.kinds[low] = uint16(len(s.kinds) + 1) //nolint:gosec // a source has few types
				}
				if configured(t) {
					s.list(t)
				}
			}
		}
		for j, a := range s.asks {
			for _, d := range deps[j] {
				a.deps = append(a.deps, s.asks[d])
				s.asks[d].users = append(s.asks[d].users, a)
			}
			for _, o := range s.asks {
				a.proves = a.proves || o.ask.Proof == a.ask.Name
			}
			a.waits = len(a.deps)
		}
		s.afterLicences()
		r.choose(s)
		r.sources = append(r.sources, s)
		r.open += len(s.asks)
	}
	return nil
}

// afterLicences lets what needs a licence, and is asked for each of many
// subjects, wait for the list of licences: where the tenant has none, one
// refusal is evidence enough. So do the logs that are kept longer with one.
func (s *sourceRun) afterLicences() {
	i := slices.IndexFunc(s.asks, func(a *askRun) bool { return a.ask.Entity == entitySkus })
	if i < 0 || !s.asks[i].ask.isRoot() {
		return
	}
	for _, a := range s.asks {
		if len(a.ask.Needs.Licence) > 0 && !a.ask.isRoot() || a.extended() {
			a.waits++
			a.licences = s.asks[i]
			s.asks[i].users = append(s.asks[i].users, a)
		}
	}
}

// extended reports whether a licence decides how long the source keeps the log.
func (a *askRun) extended() bool { return a.ask.Window != nil && len(a.ask.Window.Extended) > 0 }

// list makes the subjects that the configuration names.
func (s *sourceRun) list(typ string) {
	if slices.ContainsFunc(s.listed, func(x *Subject) bool { return x.Type == typ }) {
		return
	}
	for e := range s.root.Item.Get(strings.TrimPrefix(typ, Root+"/")).Elems() {
		name := e.Str()
		if name == "" {
			name = e.Get("name").Str()
		}
		if name != "" {
			s.listed = append(s.listed, &Subject{Type: typ, ID: name, Name: name, Item: e, Of: s.root})
		}
	}
}

// choose marks the asks that are not put, and why.
func (r *runner) choose(s *sourceRun) {
	wanted := map[*askRun]bool{}
	var want func(a *askRun)
	want = func(a *askRun) {
		if wanted[a] {
			return
		}
		wanted[a] = true
		for _, d := range a.deps {
			want(d)
		}
		for _, o := range s.asks {
			if o == a.licences && a.extended() || o.ask.Name == a.ask.Proof || o.ask.Name == a.ask.Count || o.ask.Entity == entityDescendants && a.listsSubscriptions() {
				want(o)
			}
		}
	}
	names := func(a *askRun, n string) bool { return n == s.src.Name || n == s.src.Name+"/"+a.ask.Name }
	for _, a := range s.asks {
		if len(r.opts.Only) == 0 || slices.ContainsFunc(r.opts.Only, func(n string) bool { return names(a, n) }) {
			want(a)
		}
	}
	e := &r.opts.Endpoints
	for _, a := range s.asks {
		if !wanted[a] {
			a.skip = &ending{Reason: tickmark.ReasonNotRead, Detail: "it is not among the questions that were asked for"}
		}
		for i := range r.exclusions {
			if x := &r.exclusions[i]; names(a, x.Scope) {
				a.skip = &ending{Reason: x.Reason, Detail: x.Why()}
			}
		}
		switch {
		case a.skip != nil:
		case slices.ContainsFunc(a.ask.NotOffered, func(c string) bool { return c == e.Cloud || c == e.Microsoft365 }):
			a.skip = &ending{Reason: tickmark.ReasonNotOffered, Detail: fmt.Sprintf("its documentation does not have it in %s / %s", e.Cloud, e.Microsoft365)}
		case e.URL[a.ask.Host] == "":
			a.skip = &ending{Reason: tickmark.ReasonNotCollected, Detail: fmt.Sprintf("there is no address for host %q", a.ask.Host)}
			if e.Live {
				a.skip.Reason = tickmark.ReasonNotOffered
			}
		case configured(a.first()) && !slices.ContainsFunc(s.listed, func(x *Subject) bool { return x.Type == a.first() }):
			a.skip = &ending{Reason: tickmark.ReasonNotCollected, Detail: fmt.Sprintf("the configuration does not name any of %s", strings.TrimPrefix(a.first(), Root+"/"))}
		}
	}
}

func (a *askRun) first() string {
	if len(a.ask.Of) == 0 {
		return ""
	}
	return a.ask.Of[0]
}

// Why is who left something out, why and until when.
func (x *Exclusion) Why() string {
	s := x.Detail
	if x.Actor != "" {
		s += " (" + x.Actor + ")"
	}
	if !x.Expires.IsZero() {
		s += " until " + x.Expires.UTC().Format(time.DateOnly)
	}
	return strings.TrimSpace(s)
}

// loop schedules until every ask is done.
func (r *runner) loop(parent context.Context) error {
	ctx, cancel := context.WithCancel(parent)
	r.jobs, r.results = make(chan job, r.tune.workers), make(chan result, r.tune.workers)
	var group sync.WaitGroup
	for range r.tune.workers {
		group.Go(func() { r.work(ctx) })
	}
	defer group.Wait()
	defer close(r.jobs)
	defer cancel()
	for _, s := range r.sources {
		for _, a := range s.asks {
			if a.waits == 0 {
				r.launch(a)
			}
		}
	}
	for r.open > 0 || r.busy > 0 {
		wake, err := r.dispatch(ctx)
		if err != nil {
			return err
		}
		if r.open == 0 && r.busy == 0 {
			break
		}
		if err := r.await(ctx, wake); err != nil {
			return err
		}
	}
	return parent.Err()
}

func (r *runner) work(ctx context.Context) {
	w := &worker{reader: reader{tune: &r.tune}, loader: loader{r: r}}
	for j := range r.jobs {
		var res result
		if j.ask != nil {
			res = result{ask: j.ask, err: r.enumerate(j.ask)}
		} else {
			res = r.step(ctx, w, j.unit)
		}
		select {
		case r.results <- res:
		case <-ctx.Done():
			return
		}
	}
}

// launch has the subjects of an ask listed.
func (r *runner) launch(a *askRun) { r.ready = append(r.ready, a) }
