// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/tickmark/tickmark"
)

// SystemClock is the host's clock.
type SystemClock struct{}

// Now implements Clock.
func (SystemClock) Now() time.Time {
	return time.Now().UTC() //nolint:forbidigo // this type is the wall clock; callers inject it
}

// Sleep implements Clock.
func (SystemClock) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// SimulatedClock is the clock of a simulator that another process serves: it
// showed Shows when this machine's clock showed At, and goes Rate times as fast.
// Of rate 0 it stands still, and only sleeping moves it on: without waiting, as
// nothing would happen meanwhile.
type SimulatedClock struct {
	At    time.Time `json:"at"`
	Shows time.Time `json:"shows"`
	Rate  float64   `json:"rate"`

	slept atomic.Int64 // of a clock that stands still
}

// Now implements Clock.
func (c *SimulatedClock) Now() time.Time {
	if c.Rate == 0 {
		return c.Shows.Add(time.Duration(c.slept.Load())).UTC()
	}
	return c.of(SystemClock{}.Now())
}

// of is what the clock shows when this machine's shows t.
func (c *SimulatedClock) of(t time.Time) time.Time {
	return c.Shows.Add(time.Duration(float64(t.Sub(c.At)) * c.Rate)).UTC()
}

// lasts is what the clock will show when this machine's shows t: the sign-in
// tells the end of a token by the machine's clock.
func (c *SimulatedClock) lasts(t time.Time) time.Time {
	switch {
	case c == nil:
		return t
	case c.Rate == 0:
		return c.Now().Add(t.Sub(SystemClock{}.Now()))
	}
	return c.of(t)
}

// Sleep implements Clock.
func (c *SimulatedClock) Sleep(ctx context.Context, d time.Duration) error {
	if c.Rate == 0 {
		c.slept.Add(int64(d))
		return ctx.Err()
	}
	return SystemClock{}.Sleep(ctx, time.Duration(float64(d)/c.Rate))
}

// clockOf is the clock to go by: the given one, that of a simulator, the host's.
func clockOf(given Clock, e *Endpoints) Clock {
	switch {
	case given != nil:
		return given
	case e.Clock != nil:
		return e.Clock
	}
	return SystemClock{}
}

// freely lets requests go as they come: beside a clock that stands still no
// quota would ever have room again. The simulator has none then.
func freely(quotas map[Pace]Quota) map[Pace]Quota {
	out := map[Pace]Quota{}
	for p, q := range quotas {
		q.Number, q.Per, q.Burst = 1_000_000_000, time.Second, 1_000_000_000
		out[p] = q
	}
	return out
}

// guard names one defence. Each can be switched off by a test of this package,
// which must then fail: testdata/guards.yaml lists which.
type guard string

// tuning holds the limits that a test of this package sets; callers cannot.
type tuning struct {
	// Real time, whatever the Clock: they bound the network.
	header, stall, request time.Duration
	// pageBytes bounds an answer after decompression, rowBytes one row.
	pageBytes int64
	rowBytes  int
	pages     int // of one list
	rows      int // of one list
	empties   int // pages without rows in a row
	tries     int // of one request that fails, throttling not counted
	workers   int
	limit     time.Duration
	quotas    map[Pace]Quota
	backoff   func(try int) time.Duration
	off       map[guard]bool
	// wrote is called after each entry of the journal.
	wrote func(entries int)
}

func defaults() tuning {
	return tuning{
		header: 90 * time.Second, stall: time.Minute, request: 10 * time.Minute,
		pageBytes: 64 << 20, rowBytes: 16 << 20, pages: 200_000, rows: 20_000_000, empties: 50, tries: 4,
		workers: 24, limit: 6 * time.Hour, quotas: Quotas, backoff: backoff,
	}
}

func (t *tuning) on(g guard) bool { return !t.off[g] }

// backoff doubles from one second to a minute, give or take half.
func backoff(try int) time.Duration {
	d := time.Second << min(try, 6)
	d = min(d, time.Minute)
	return d/2 + rand.N(d) //nolint:gosec // jitter needs no secrecy
}

func usage(where, what, hint string) error {
	return &tickmark.Error{Code: tickmark.CodeUsage, Where: where, What: what, Hint: hint}
}
