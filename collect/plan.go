// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
)

// Plan is what a collection will cost, said before it starts.
type Plan struct {
	Lines []PlanLine
	// Calls is the sum; it may take More or Fewer, where a part is a guess.
	Calls       int
	More, Fewer bool
	// Time is how long the slowest quota takes at the services' real limits.
	// Quotas draw side by side, the asks of one quota after one another.
	Time time.Duration
	// ByPace is the time that each quota takes.
	ByPace map[Pace]time.Duration
}

// PlanLine is the cost of one ask.
type PlanLine struct {
	Source, Ask string
	Pace        Pace
	// Subjects is how many it will be put to, -1 if that is not known yet.
	Subjects int
	// Calls is the number of requests. It may take More, because the number of
	// subjects or rows is not known, or Fewer, because not all are asked about.
	Calls       int
	More, Fewer bool
	// Time is what the calls take at the real limit, were they alone.
	Time time.Duration
	// Skipped says why the ask is not put; ReasonNone if it is.
	Skipped tickmark.Reason
	Note    string
}

// Counts are the numbers of resources that are known, such as from the last
// collection: by type (any case), then by the subscription in which they lie
// ("/subscriptions/ID"), or "". The number of subscriptions says how many quotas
// that are per subscription run side by side.
type Counts map[string]map[string]int

// known is how many resources of a type there are, in the scopes that are read or
// in all.
func (r *runner) known(c Counts, typ string, all bool) (int, bool) {
	if n, ok := r.named(); ok && !all && strings.EqualFold(typ, typeSubscription) {
		return n, true
	}
	for k, scopes := range c {
		if strings.EqualFold(k, typ) {
			return r.inPopulation(scopes, all), true
		}
	}
	return 0, false
}

// neverRead reports whether a subscription is named in which nothing is known to be.
func (r *runner) neverRead(c Counts) bool {
	return slices.ContainsFunc(r.opts.Scopes, func(s string) bool {
		s = strings.ToLower(strings.TrimRight(s, "/"))
		for _, scopes := range c {
			if scopes[s] > 0 {
				return false
			}
		}
		return strings.HasPrefix(s, "/subscriptions/")
	})
}

// inPopulation adds up what lies in the scopes that are read, or in all.
func (r *runner) inPopulation(scopes map[string]int, all bool) int {
	sum := 0
	for scope, n := range scopes {
		if all || r.excluded(scope) == nil {
			sum += n
		}
	}
	return sum
}

// named is how many subscriptions the population has, if all of it was named.
func (r *runner) named() (n int, ok bool) {
	seen := map[string]bool{}
	for _, s := range r.opts.Scopes {
		if s = strings.ToLower(strings.TrimRight(s, "/")); strings.HasPrefix(s, "/subscriptions/") && !seen[s] {
			seen[s] = true
			if r.excluded(s) == nil {
				n++
			}
		}
	}
	return n, len(seen) > 0
}

// PlanRun says what Run would do with the same arguments.
func PlanRun(sources []Source, o Options, known Counts) (Plan, error) {
	p := Plan{ByPace: map[Pace]time.Duration{}}
	for _, s := range sources {
		if err := Check(s); err != nil {
			return p, &tickmark.Error{Code: tickmark.CodeInternal, What: "a source has a mistake", Err: err}
		}
	}
	r := &runner{opts: o, tune: defaults(), clock: clockOf(o.Clock, &o.Endpoints)}
	r.exclusions, _ = effective(o.Exclude, r.clock.Now())
	r.to = o.To
	if r.to.IsZero() {
		r.to = r.clock.Now()
	}
	if err := r.prepare(sources); err != nil {
		return p, err
	}
	subscriptions, ok := r.known(known, typeSubscription, false)
	if !ok || subscriptions < 1 {
		subscriptions = 1
	}
	for _, s := range r.sources {
		for _, a := range s.asks {
			l := r.planLine(a, known)
			q := r.quota(a.ask.Pace)
			side := 1
			if q.Each == "subscription" && len(a.ask.Of) > 0 {
				side = subscriptions
			}
			l.Time = q.time(l.Calls, side)
			p.ByPace[l.Pace] += l.Time
			p.Calls += l.Calls
			p.More, p.Fewer = p.More || l.More, p.Fewer || l.Fewer
			p.Lines = append(p.Lines, l)
		}
	}
	for _, d := range p.ByPace {
		p.Time = max(p.Time, d)
	}
	return p, nil
}

// time is how long calls take, spread over side quotas. What a bucket holds at
// the start is for all asks: it is not counted.
func (q Quota) time(calls, side int) time.Duration {
	if q.Number == 0 {
		return 0
	}
	each := (calls + side - 1) / side
	return time.Duration(float64(each) / float64(q.Number) * float64(q.Per))
}

func (r *runner) planLine(a *askRun, known Counts) PlanLine {
	l := PlanLine{Source: a.src.src.Name, Ask: a.ask.Name, Pace: a.ask.Pace, Subjects: 1, Calls: 1}
	if a.skip != nil {
		l.Subjects, l.Calls, l.Skipped, l.Note = 0, 0, a.skip.Reason, a.skip.Detail
		return l
	}
	switch first := a.first(); {
	case a.ask.isRoot():
	case configured(first):
		l.Subjects = 0
		for _, s := range a.src.listed {
			if s.Type == first && r.excluded(a.src.scopeOf(s)) == nil {
				l.Subjects++
			}
		}
	default:
		l.Subjects = 0
		var unknown []string
		for _, t := range a.ask.Of {
			n, ok := r.known(known, t, false)
			if !ok {
				unknown = append(unknown, t)
			}
			l.Subjects += n
		}
		if len(unknown) > 0 {
			l.More, l.Note = true, "how many there are is not known yet: "+strings.Join(unknown, ", ")
			if len(unknown) == len(a.ask.Of) {
				l.Subjects = -1
			}
		}
		if len(unknown) == 0 && !slices.Contains(a.ask.Of, typeSubscription) && a.src.kinds[strings.ToLower(typeSubscription)] != 0 && r.neverRead(known) {
			l.More, l.Note = true, "a scope is named that was not read before"
			if l.Subjects == 0 {
				l.Subjects = -1
			}
		}
		if a.ask.Where != nil && l.Subjects > 0 {
			l.Fewer = true
			l.Note = strings.TrimPrefix(l.Note+"; only some of them are asked about", "; ")
		}
	}
	if l.Subjects == 0 { // everything that it would be put to is left out, or there is none
		l.Calls = 0
		return l
	}
	calls := max(1, l.Subjects)
	if a.ask.Batch > 0 {
		calls = (calls + a.ask.Batch - 1) / a.ask.Batch
	}
	if rows, ok := r.rowsKnown(a, known); ok && a.ask.PageSize > 0 {
		calls = max(calls, (rows+a.ask.PageSize-1)/a.ask.PageSize)
	} else if a.ask.Paging != PageOne {
		l.More = true
		l.Note = strings.TrimPrefix(l.Note+"; one page for each", "; ")
	}
	if a.ask.Window != nil {
		calls *= len(r.windows(a))
	}
	l.Calls = calls
	return l
}

// rowsKnown is how many rows the ask will read, if the counts say it. A list of
// the whole tenant is read whole, whatever is kept of it.
func (r *runner) rowsKnown(a *askRun, known Counts) (int, bool) {
	sum, found := 0, false
	for _, t := range a.ask.Types {
		if n, ok := r.known(known, t, a.ask.isRoot()); ok {
			sum, found = sum+n, true
		} else if t == "*" {
			for _, scopes := range known {
				sum, found = sum+r.inPopulation(scopes, a.ask.isRoot()), true
			}
		}
	}
	return sum, found
}

// Reach is what one request of an ask came to.
type Reach struct {
	Source, Ask string
	// Put is false where there was nothing to ask about, or the ask is not put.
	Put bool
	// Subject is what it was put to: its id, after those above it.
	Subject string
	// Reason is ReasonNone if the source answered.
	Reason tickmark.Reason
	Status int
	Code   string
	Detail string
	// Dated says that the service dated its answer; Skew is how far its clock is
	// from this host's then.
	Dated bool
	Skew  time.Duration
}

// Probe puts one request of each ask, about the first subject that there is, to
// learn what the identity can reach. It keeps nothing.
func Probe(ctx context.Context, sources []Source, o Options) (reach []Reach, err error) {
	dir, err := os.MkdirTemp(o.Dir, "probe-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := os.RemoveAll(dir); err == nil {
			err = e
		}
	}()
	o.Dir = dir
	if o.Limit == 0 {
		o.Limit = 2 * time.Minute
	}
	r, err := newRunner(sources, o)
	if err != nil {
		return nil, err
	}
	r.probe = true
	defer r.net.close()
	defer func() {
		if e := r.spool.close(); err == nil {
			err = e
		}
	}()
	if err := r.loop(ctx); err != nil {
		return nil, err
	}
	for _, s := range r.sources {
		r.prove(s)
		for _, a := range s.asks {
			out := Reach{Source: s.src.Name, Ask: a.ask.Name}
			switch {
			case a.skip != nil:
				out.Reason, out.Detail = a.skip.Reason, a.skip.Detail
			case len(a.units) == 0:
				out.Reason, out.Detail = tickmark.ReasonNotCollected, "there was nothing to ask about"
			default:
				u := a.units[0]
				out.Put, out.Subject = u.requests > 0, u.path
				for _, p := range u.pages {
					if !p.At.IsZero() && (!out.Dated || p.Skew.Abs() > out.Skew.Abs()) {
						out.Dated, out.Skew = true, p.Skew
					}
				}
				if e := u.end; e != nil {
					out.Reason, out.Status, out.Code, out.Detail = e.Reason, e.Status, e.Code, e.Detail
				}
			}
			reach = append(reach, out)
		}
	}
	slices.SortStableFunc(reach, func(a, b Reach) int { return strings.Compare(a.Source, b.Source) })
	return reach, nil
}
