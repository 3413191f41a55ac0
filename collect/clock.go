// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"math/rand/v2"
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
