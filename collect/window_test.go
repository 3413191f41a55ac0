// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"testing"
	"time"
)

// TestBack: how far back a log is asked for, and what stays a gap.
func TestBack(t *testing.T) {
	now := time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	ago := func(days int) time.Time { return now.Add(-time.Duration(days) * day) }
	for _, c := range []struct {
		name       string
		window     Window
		from       time.Time
		says, asks time.Time // where the span begins, and the first request
	}{
		{"no known end", Window{}, time.Time{}, ago(30), ago(30)},
		{"no known end, far back", Window{Back: 90 * day}, time.Time{}, ago(90), ago(90)},
		{"no known end, named", Window{Back: 90 * day}, ago(10), ago(10), ago(10)},
		{"kept for less", Window{Keeps: 7 * day, Back: 90 * day}, time.Time{}, ago(7).Add(edge), ago(7).Add(edge)},
		{"named, older than kept", Window{Keeps: 7 * day}, ago(60), ago(60), ago(7).Add(edge)},
		{"named, some kept longer", Window{Keeps: 7 * day, Some: true}, ago(60), ago(60), ago(60)},
		{"not named, some kept longer", Window{Keeps: 7 * day, Some: true}, time.Time{}, ago(7).Add(edge), ago(7).Add(edge)},
	} {
		r := &runner{tune: defaults(), to: now, started: now}
		r.opts.From = c.from
		a := &askRun{ask: &Ask{Window: &c.window}, keeps: c.window.Keeps}
		if got := r.from(a); !got.Equal(c.says) {
			t.Errorf("%s: from %v, want %v", c.name, got, c.says)
		}
		if got := r.windows(a)[0].from; !got.Equal(c.asks) {
			t.Errorf("%s: asked from %v, want %v", c.name, got, c.asks)
		}
		x := &account{}
		x.cov.Answered = 1
		r.span(a, x)
		if gap := len(x.cov.Span.Gaps) > 0; gap != (!c.from.IsZero() && c.window.Keeps > 0) {
			t.Errorf("%s: a gap is told: %v", c.name, gap)
		}
	}
}
