// SPDX-License-Identifier: Apache-2.0

package check

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/policy"
)

// Options tune Run.
type Options struct {
	// Now is the instant that clock-dependent rules use (UTC).
	Now time.Time
	// Engine is the version of tickmark, recorded in the assessment.
	Engine string
	// Workers bounds the goroutines; 0 means one per processor.
	Workers int
	// Relax, if set, is called now and then: most of the bytes read so far will
	// not be read for a while.
	Relax func()
}

// runner holds what one run shares.
type runner struct {
	rules *Rules
	inv   *inventory.Inventory
	res   []policy.Resource
	ptrs  []*policy.Resource
	spans map[string]span // resources of a type, by lower-case type
	// related are the types that existence checks look for, as they spell them.
	related map[string]relatedType
	env     *policy.Env
	// lack are the types that a check lacked.
	lack map[*catalog.Check][]string
}

type span struct{ from, to int }

type relatedType struct {
	key    string // as inventory.CompleteAt wants it
	record bool   // records of a directory share one scope
	span   span
	// places are the records by organisation or environment, where they lie in
	// several; nil otherwise.
	places map[string][]*policy.Resource
	// inherent: the service always has the objects that checks name.
	inherent bool
}

// chunk is the unit of work: every rule of one type over a range of resources.
// A resource is taken through all its rules while it is in the cache.
type chunk struct {
	span  span
	typ   string
	rules []int       // indexes into Rules.rules
	rows  [][]pending // by rules
}

// pending is a row before reasons are numbered.
type pending struct {
	resource uint32
	verdict  tickmark.Verdict
	reason   tickmark.Reason
}

const chunkSize = 512

// Run evaluates every rule on every resource of its types. It does no I/O and
// yields the same assessment whatever the number of workers.
func Run(ctx context.Context, snap *tickmark.Snapshot, inv *inventory.Inventory, rules *Rules, o Options) (*Assessment, error) {
	r := newRunner(inv, rules, o.Now)
	if err := r.join(); err != nil {
		return nil, err
	}
	for i := range r.res {
		r.res[i].Root.Fold() // joining has read the records
	}
	chunks := r.chunks(o.Now)
	if err := r.evaluate(ctx, chunks, o); err != nil {
		return nil, err
	}
	a := &Assessment{
		Engine: o.Engine, Catalog: rules.Catalog.Digest(), Now: o.Now, Origin: snap.Origin, ObservedAt: snap.ObservedAt,
		Coverage: inv.Coverage, Problems: slices.Concat(snap.Problems, inv.Problems),
	}
	n := inv.Counts
	a.Population = Population{
		Items: n.Items, Unread: n.Unread, Duplicates: n.Duplicates, Summaries: n.SummaryItems, Resources: n.Resources,
		// A summary that its parent made good counts as read by itself.
		Nested: n.Resources - (n.Items - n.Duplicates - n.Unread) - n.Implied, Implied: n.Implied, Conflicting: n.Conflicting, Unseen: n.Summaries,
	}
	r.types(a)
	r.collect(a, chunks, o.Now)
	a.Criteria = criteria(rules.Catalog, a.Checks)
	a.NotRead = r.notRead(a)
	return a, ctx.Err()
}

func newRunner(inv *inventory.Inventory, rules *Rules, now time.Time) *runner {
	r := &runner{rules: rules, inv: inv, spans: map[string]span{}, lack: map[*catalog.Check][]string{}}
	r.res = make([]policy.Resource, len(inv.Resources))
	r.ptrs = make([]*policy.Resource, len(inv.Resources))
	for i := range inv.Resources {
		x := &inv.Resources[i]
		r.res[i] = policy.Resource{ID: x.ID, Type: x.Type, Name: x.Name, Root: x.Root, Index: i}
		if x.Is(inventory.Uncertain) {
			r.res[i].Doubt = string(tickmark.ReasonPlanTime)
		}
		r.ptrs[i] = &r.res[i]
		if i == 0 || inv.Resources[i-1].Type != x.Type {
			r.spans[lower(x.Type)] = span{i, i + 1}
		} else {
			s := r.spans[lower(x.Type)]
			s.to = i + 1
			r.spans[lower(x.Type)] = s
		}
	}
	r.related = map[string]relatedType{}
	for _, x := range rules.rules {
		for _, t := range x.relatedTypes() {
			if t != "" {
				r.related[t] = r.relatedType(t, r.related[t].inherent || x.check.Inherent)
			}
		}
	}
	r.env = &policy.Env{Now: now, Inventory: r}
	return r
}

func (r *runner) relatedType(t string, inherent bool) relatedType {
	x := relatedType{key: inventory.TypeKey(t), record: inventory.IsRecord(t), span: r.spans[lower(t)], inherent: inherent}
	if !x.record {
		return x
	}
	places := map[string][]*policy.Resource{}
	for i := x.span.from; i < x.span.to; i++ {
		at := r.inv.Place(&r.inv.Resources[i])
		if at == "" {
			return x
		}
		places[at] = append(places[at], r.ptrs[i])
	}
	x.places = places
	return x
}

func lower(s string) string { return strings.ToLower(s) }

// chunks lists the work in the order of types, then resources.
func (r *runner) chunks(now time.Time) []*chunk {
	byType := map[string][]int{}
	for i := range r.rules.rules {
		c := r.rules.rules[i].check
		if retired(c, now) {
			continue
		}
		for _, t := range c.Types {
			byType[lower(t)] = append(byType[lower(t)], i)
		}
	}
	var out []*chunk
	for _, t := range r.inv.Types {
		rules := byType[lower(t.Type)]
		if len(rules) == 0 {
			continue
		}
		s := r.spans[lower(t.Type)]
		for from := s.from; from < s.to; from += chunkSize {
			out = append(out, &chunk{typ: t.Type, rules: rules, span: span{from, min(from+chunkSize, s.to)}})
		}
	}
	return out
}

// relaxAfter is how many resources are judged between two calls of
// Options.Relax: each may lie in memory pages of its own, which the system maps
// sixteen at a time.
const relaxAfter = 256

func (r *runner) evaluate(ctx context.Context, chunks []*chunk, o Options) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers(o.Workers) {
		wg.Go(func() {
			ev := &policy.Evaluator{Env: r.env}
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(chunks) {
					return
				}
				r.evaluateChunk(ev, chunks[i], o.Relax)
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}

// workers is the number of goroutines for n asked for; 0 asks for one per
// processor.
func workers(n int) int {
	if n <= 0 {
		return runtime.GOMAXPROCS(0)
	}
	return n
}

func (r *runner) evaluateChunk(ev *policy.Evaluator, c *chunk, relax func()) {
	progs := make([]programs, len(c.rules))
	c.rows = make([][]pending, len(c.rules))
	n, keep := c.span.to-c.span.from, r.lookedUp(c.span)
	all := make([]pending, n*len(c.rules))
	for k, i := range c.rules {
		progs[k] = r.rules.rules[i].programs(c.typ)
		c.rows[k] = all[k*n : (k+1)*n]
	}
	for i := range n {
		res := &r.res[c.span.from+i]
		for k := range progs {
			v, why := progs[k].judge(ev, res)
			c.rows[k][i] = pending{uint32(c.span.from + i), v, why} //nolint:gosec // resources are bounded far below 2^32
		}
		if !keep {
			res.Root.Fold() // if it was read from a folded inventory
		}
		if relax != nil && (i%relaxAfter == relaxAfter-1 || i == n-1) {
			relax()
		}
	}
}

// lookedUp reports whether checks look up resources of the span again and again.
func (r *runner) lookedUp(s span) bool {
	for _, t := range r.related {
		if s.from >= t.span.from && s.to <= t.span.to {
			return true
		}
	}
	return false
}

// programs are a rule as compiled for one type.
type programs struct {
	rule, applies *policy.Program // applies is nil if the check is about all
	alternatives  []*policy.Program
}

func (x *rule) programs(typ string) programs {
	p := programs{rule: x.policy.For(typ)}
	if x.applies != nil {
		p.applies = x.applies.For(typ)
	}
	for _, a := range x.alternatives {
		p.alternatives = append(p.alternatives, a.For(typ))
	}
	return p
}

// judge evaluates the rule on a resource that the check is about.
func (p *programs) judge(ev *policy.Evaluator, res *policy.Resource) (tickmark.Verdict, tickmark.Reason) {
	if p.applies != nil {
		switch v, why := Verdict(ev.Evaluate(p.applies, res)); v {
		case tickmark.Fail: // it is
		case tickmark.Pass, tickmark.NotApplicable:
			return tickmark.NotApplicable, tickmark.ReasonNone
		case tickmark.Unknown, tickmark.Exempt:
			return tickmark.Unknown, why
		}
	}
	out, why := Verdict(ev.Evaluate(p.rule, res))
	for _, a := range p.alternatives {
		if out != tickmark.Fail && out != tickmark.Unknown {
			break
		}
		switch v, other := Verdict(ev.Evaluate(a, res)); v {
		case tickmark.Pass, tickmark.NotApplicable, tickmark.Exempt:
			out, why = v, tickmark.ReasonNone
		case tickmark.Unknown: // it may pass: what failed the others decides nothing
			if out == tickmark.Fail {
				out, why = v, other
			}
		case tickmark.Fail:
		}
	}
	return out, why
}

// collect numbers the rows, counts them and makes Results.
func (r *runner) collect(a *Assessment, chunks []*chunk, now time.Time) {
	reasons := newReasonList()
	a.Checks = make([]Summary, len(r.rules.rules))
	for i, x := range r.rules.rules {
		a.Checks[i] = Summary{Check: x.check, Reasons: map[tickmark.Reason]int{}, Retired: retired(x.check, now)}
	}
	parts := make([][][]pending, len(r.rules.rules)) // by rule
	total := 0
	for _, c := range chunks {
		for k, i := range c.rules {
			parts[i] = append(parts[i], c.rows[k])
			total += len(c.rows[k])
		}
	}
	rows := make([]row, 0, total)
	for i, part := range parts {
		s, start := &a.Checks[i], len(rows)
		for _, list := range part {
			for _, p := range list {
				s.Counts.Add(p.verdict)
				if p.verdict == tickmark.Unknown {
					s.Reasons[p.reason]++
				}
				rows = append(rows, row{resource: p.resource, check: uint16(i), verdict: p.verdict, reason: reasons.add(p.reason)})
			}
		}
		r.order(rows[start:])
	}
	for i := range a.Checks {
		s := &a.Checks[i]
		s.State = stateOf(s.Counts)
		if s.Cut = r.cut(s); s.Cut != tickmark.ReasonNone {
			s.State = StateUnknown
		}
		if s.Reasons[tickmark.ReasonNotCollected] > 0 {
			s.Lacking = r.lacking(s.Check)
			r.lack[s.Check] = s.Lacking
		}
	}
	a.Results = &Results{rows: rows}
	a.Results.explain = func(i int) tickmark.Result {
		res := r.explain(rows[i], reasons.words[rows[i].reason])
		if x := int(rows[i].resource); !r.lookedUp(span{x, x + 1}) {
			r.res[x].Root.Fold()
		}
		return res
	}
	a.Results.bare = func(i int) tickmark.Result { return r.bare(rows[i], reasons.words[rows[i].reason]) }
	a.Results.detached = func() func(i int) tickmark.Result { return detach(r, rows, reasons.words) }
}

// detach is bare for the rows without the inventory: what it returns must not
// hold r.
func detach(r *runner, rows []row, reasons []tickmark.Reason) func(i int) tickmark.Result {
	type name struct{ id, typ string }
	names := make([]name, len(r.inv.Resources))
	for i := range r.inv.Resources {
		names[i] = name{r.inv.Resources[i].ID, r.inv.Resources[i].Type}
	}
	checks := make([]string, len(r.rules.rules))
	for i := range r.rules.rules {
		checks[i] = r.rules.rules[i].check.ID
	}
	return func(i int) tickmark.Result {
		w := rows[i]
		return tickmark.Result{Check: checks[w.check], Resource: names[w.resource].id, Type: names[w.resource].typ, Verdict: w.verdict, Reason: reasons[w.reason]}
	}
}

// order sorts one check's rows by resource id; rows of one type already are.
func (r *runner) order(rows []row) {
	key := func(w row) string { return r.inv.Resources[w.resource].Key }
	if !slices.IsSortedFunc(rows, func(a, b row) int { return cmp.Compare(key(a), key(b)) }) {
		slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(key(a), key(b)) })
	}
}

// bare is a result without its explanation.
func (r *runner) bare(w row, reason tickmark.Reason) tickmark.Result {
	x := &r.inv.Resources[w.resource]
	return tickmark.Result{Check: r.rules.rules[w.check].check.ID, Resource: x.ID, Type: x.Type, Verdict: w.verdict, Reason: reason}
}

func (r *runner) types(a *Assessment) {
	for _, t := range r.inv.Types {
		a.Types = append(a.Types, TypeCount{
			Type: t.Type, Resources: t.Resources, Summaries: t.Summaries, Nested: t.Nested,
			Implied: t.Implied, Partial: t.Partial, Checks: r.rules.Checks(t.Type), Known: t.Known,
		})
	}
}

// Related implements policy.Inventory over the snapshot. It is called for
// every resource of an existence check, so scopes are cut out of the key that
// the inventory holds instead of being built.
func (r *runner) Related(q policy.Query) policy.Related {
	t, ok := r.related[q.Type]
	if !ok {
		t = r.relatedType(q.Type, false)
	}
	scope := r.scope(q, t)
	if t.record && r.directories() > 1 {
		// Records do not say which directory they belong to: what one has
		// must not speak for another.
		return policy.Related{Missing: string(tickmark.ReasonScopeUnknown)}
	}
	out := policy.Related{Resources: r.ptrs[t.span.from:t.span.to], Inherent: t.inherent && !r.inv.Planned()}
	if scope != "" {
		all := r.inv.Resources[t.span.from:t.span.to]
		from := sort.Search(len(all), func(i int) bool { return !before(all[i].Key, scope) })
		n := 0
		for from+n < len(all) && below(all[from+n].Key, scope) {
			n++
		}
		out.Resources = out.Resources[from : from+n]
	}
	if t.record {
		return r.beside(q, t, out)
	}
	if ok, why := r.inv.CompleteAt(t.key, scope); !ok {
		out.Missing = string(why)
	}
	return out
}

// beside narrows records to the organisation or environment of the record that
// is judged: numbers count anew in each, and what another one has, or did not
// show, must not speak for this one.
func (r *runner) beside(q policy.Query, t relatedType, out policy.Related) policy.Related {
	own := &r.inv.Resources[q.For.Index]
	if at := r.inv.Place(own); at != "" && t.places != nil && inventory.SourceOf(own.Type) == inventory.SourceOf(t.key) {
		out.Resources = t.places[at]
	}
	if ok, why := r.inv.CompleteBeside(t.key, own); !ok {
		out.Missing = string(why)
	}
	return out
}

// directories is the number of directories that the snapshot holds.
func (r *runner) directories() int {
	s := r.spans[lower(inventory.TypeOrganization)]
	return s.to - s.from
}

// scope is the lower-case id below which q looks, "" for everything.
func (r *runner) scope(q policy.Query, t relatedType) string {
	key := r.inv.Resources[q.For.Index].Key
	switch {
	case t.record:
		return ""
	case q.Under != "":
		return key
	case q.ResourceGroup != "":
		n := len("/subscriptions/") + len(q.Subscription) + len("/resourceGroups/") + len(q.ResourceGroup)
		if own := r.inv.Resources[q.For.Index].ResourceGroup; own == q.ResourceGroup && n <= len(key) {
			return key[:n]
		}
		return lower("/subscriptions/" + q.Subscription + "/resourceGroups/" + q.ResourceGroup)
	case q.Subscription != "" && len("/subscriptions/")+len(q.Subscription) <= len(key):
		return key[:len("/subscriptions/")+len(q.Subscription)]
	}
	return ""
}

// below reports whether key lies below scope.
func below(key, scope string) bool {
	return len(key) > len(scope) && key[len(scope)] == '/' && key[:len(scope)] == scope
}

// before reports whether key sorts before everything below scope.
func before(key, scope string) bool {
	n := min(len(key), len(scope))
	if c := strings.Compare(key[:n], scope[:n]); c != 0 {
		return c < 0
	}
	return len(key) <= len(scope) || key[len(scope)] < '/'
}

// criteria rolls checks up to criteria: numbers of checks by state, apart.
func criteria(c *catalog.Catalog, checks []Summary) []CriterionSummary {
	out := make([]CriterionSummary, len(c.Criteria))
	index := map[string]int{}
	for i := range c.Criteria {
		out[i] = CriterionSummary{Criterion: &c.Criteria[i], Automation: "none", State: StateManual}
		index[c.Criteria[i].Code] = i
	}
	for i := range checks {
		s := &checks[i]
		if s.Retired {
			continue
		}
		for _, l := range s.Check.Criteria {
			k, ok := index[l.Code]
			if !ok {
				continue
			}
			link := l.Link
			if o := s.Check.Override; o != nil && o.Own {
				link = "supporting" // an organisation does not say by itself what meets a criterion
			}
			out[k].add(i, s.State, link)
		}
	}
	for i := range out {
		out[i].State = out[i].state()
	}
	return out
}

func (s *CriterionSummary) add(check int, state State, link string) {
	s.Checks = append(s.Checks, check)
	switch {
	case link == "direct":
		s.Automation = "direct"
	case s.Automation == "none":
		s.Automation = "supporting"
	}
	switch state {
	case StateFail:
		s.Fail++
	case StateUnknown:
		s.Unknown++
	case StatePass:
		s.Pass++
		s.directPass = s.directPass || link == "direct"
	case StateExempt:
		s.Exempt++
	case StateNoResource, StateManual:
		s.NoResource++
	}
}

func (s *CriterionSummary) state() State {
	switch {
	case s.Fail > 0:
		return StateFail
	case s.Unknown > 0:
		return StateUnknown
	case s.directPass:
		return StatePass
	case s.Pass > 0:
		return StateManual // support is no proof: people decide
	case s.Exempt > 0:
		return StateExempt
	case s.NoResource > 0:
		return StateNoResource
	}
	return StateManual
}
