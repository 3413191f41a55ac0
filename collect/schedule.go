// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"fmt"
	"time"

	"github.com/tickmark/tickmark"
)

// dispatch gives work to idle workers, and says when there may be more; zero
// is when a result comes.
func (r *runner) dispatch(ctx context.Context) (wake time.Time, err error) {
	for r.busy < r.tune.workers && ctx.Err() == nil {
		if n := len(r.ready); n > 0 {
			a := r.ready[0]
			r.ready = r.ready[1:]
			r.busy++
			r.jobs <- job{ask: a}
			continue
		}
		u, at, err := r.pick(r.clock.Now())
		if err != nil {
			return time.Time{}, err
		}
		if u == nil {
			if len(r.ready) > 0 {
				continue // what expired has let others begin
			}
			return at, nil
		}
		r.busy++
		r.sent++
		r.jobs <- job{unit: u}
	}
	return time.Time{}, nil
}

// pick takes the next unit whose quota has room, bucket by bucket in turn.
func (r *runner) pick(now time.Time) (u *unit, wake time.Time, err error) {
	n := len(r.ring)
	for i := range n {
		b := r.ring[(r.turn+i)%n]
		if b.idle() {
			continue
		}
		limit := r.tune.limit
		if !r.tune.on("limit") {
			limit = longest
		}
		for _, late := range b.expire(now, limit) {
			if err := r.late(late); err != nil {
				return nil, wake, err
			}
		}
		at := b.ready(now)
		switch {
		case at.IsZero():
		case !at.After(now):
			u := b.take(now)
			if u.ask.started.IsZero() {
				u.ask.started = now
			}
			r.turn = (r.turn + i + 1) % n
			return u, wake, nil
		case wake.IsZero() || at.Before(wake):
			wake = at
		}
	}
	return nil, wake, nil
}

// late ends a unit that cannot be asked in the time that its ask has.
func (r *runner) late(u *unit) error {
	detail := fmt.Sprintf("not answered within the limit of %v for one question", r.tune.limit)
	if u.throttles > 0 {
		detail += fmt.Sprintf("; the source asked %d times to wait", u.throttles)
	}
	res := r.finish(u, &ending{Reason: tickmark.ReasonThrottled, Detail: detail})
	if res.err != nil {
		return res.err
	}
	r.unitDone(u)
	return nil
}

// await waits for results, or until the clock says wake.
func (r *runner) await(ctx context.Context, wake time.Time) error {
	if wake.IsZero() {
		if r.busy == 0 {
			return &tickmark.Error{Code: tickmark.CodeInternal, What: fmt.Sprintf("%d questions wait and nothing is under way", r.open)}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case res := <-r.results:
			return r.take(res)
		}
	}
	sleep, cancel := context.WithCancel(ctx)
	slept := make(chan struct{})
	began := r.clock.Now()
	go func() {
		defer close(slept)
		// An error is the context's, which the caller sees.
		_ = r.clock.Sleep(sleep, max(wake.Sub(began), time.Millisecond))
	}()
	defer func() {
		cancel()
		<-slept
		if r.busy == 0 {
			r.throttled += r.clock.Now().Sub(began)
		}
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case res := <-r.results:
		return r.take(res)
	case <-slept:
		return ctx.Err()
	}
}

// take learns from a result what to do next.
func (r *runner) take(res result) error {
	r.busy--
	if res.ask != nil {
		if res.err != nil {
			return res.err
		}
		r.enlist(res.ask)
		return nil
	}
	if res.err != nil {
		return res.err
	}
	now, u := r.clock.Now(), res.unit
	b := u.bucket
	b.busy--
	if res.quota && r.tune.on("adapt") {
		b.heed(now, res.left, res.resets)
	}
	if res.snooze > 0 && r.tune.on("retryAfter") {
		b.snooze(now.Add(res.snooze))
	}
	switch res.kind {
	case stepMore:
		b.unshift(u)
	case stepLater:
		u.after = now
		if !res.late {
			u.after = now.Add(res.wait)
		}
		b.later = append(b.later, u)
	case stepDone:
		r.unitDone(u)
	case stepFatal:
		return res.err
	}
	r.tell(u.ask, now)
	return nil
}

// enlist puts the units of an ask, whose subjects are listed now, into the
// queues of their quotas.
func (r *runner) enlist(a *askRun) {
	q := r.quota(a.ask.Pace)
	a.left = 1
	for _, u := range a.units {
		if u.end != nil {
			continue
		}
		name := string(a.ask.Pace) + "\x00" + u.pace
		b := r.buckets[name]
		if b == nil {
			b = newBucket(q, r.clock.Now())
			r.buckets[name] = b
			r.ring = append(r.ring, b)
		}
		u.bucket = b
		b.push(u)
		a.left++
	}
	r.oneLess(a)
}

func (r *runner) unitDone(u *unit) { r.oneLess(u.ask) }

// oneLess counts down an ask; asks that waited for it may begin.
func (r *runner) oneLess(a *askRun) {
	if a.left--; a.left > 0 {
		return
	}
	a.done = true
	r.open--
	for _, x := range a.users {
		if x.waits--; x.waits == 0 {
			r.launch(x)
		}
	}
	r.told = time.Time{}
	r.tell(a, r.clock.Now())
}

// tell reports progress, four times a second at most.
func (r *runner) tell(a *askRun, now time.Time) {
	if r.opts.Progress == nil || now.Sub(r.told) < 250*time.Millisecond {
		return
	}
	r.told = now
	r.opts.Progress(Progress{
		Source: a.src.src.Name, Ask: a.ask.Name, Done: len(a.units) - max(0, a.left), Subjects: len(a.units),
		Requests: r.sent, Rows: int(r.rows.Load()), Throttled: r.throttled,
	})
}
