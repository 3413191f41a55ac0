// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/work"
)

// TestCollectAnew: what was read and thrown away, and how old pages were allowed
// to be, is kept with the evidence, also where the run that threw it away was
// interrupted itself. The control is a run with nothing to throw away.
func TestCollectAnew(t *testing.T) {
	r := newRig(t, "reader")
	interrupted := func() {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		o := r.opts
		o.Progress = func(collect.Progress) { cancel() }
		defer cancel()
		if c, err := work.Collect(ctx, work.CollectOptions{Sources: only(t, "graph", "arm"), Collect: o, Assess: work.AssessOptions{Now: r.clock.Now(), Engine: "test"}}); err == nil {
			_ = c.Run.Close()
			t.Fatal("it was not interrupted")
		}
	}
	pinned := func() (about work.Collection) {
		t.Helper()
		c, err := work.Collect(t.Context(), work.CollectOptions{Sources: only(t, "graph", "arm"), Collect: r.opts, Assess: work.AssessOptions{Now: r.clock.Now(), Engine: "test"}})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Run.Close() }()
		rec, err := c.Recording()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range rec.Pins {
			if p.Name == work.PinCollection {
				if err := json.Unmarshal(p.Bytes, &about); err != nil {
					t.Fatal(err)
				}
			}
		}
		return about
	}
	if c := pinned(); c.Dropped != nil || c.ResumeWithin != 24*time.Hour {
		t.Errorf("nothing was thrown away: %+v, %s", c.Dropped, c.ResumeWithin)
	}
	began := r.clock.Now()
	r.opts.Dir = t.TempDir()
	pinned()
	r.opts.Anew, r.opts.ResumeWithin = true, 48*time.Hour
	r.clock.Sleep(t.Context(), time.Hour) //nolint:errcheck // moves the clock
	interrupted()
	r.opts.Anew = false
	c := pinned()
	if c.Dropped == nil || c.Dropped.Pages == 0 || c.Dropped.Started.Before(began) || !c.Dropped.Started.Before(c.Started) || c.ResumeWithin != 48*time.Hour {
		t.Errorf("dropped %+v, started %s, %s", c.Dropped, c.Started, c.ResumeWithin)
	}
}
