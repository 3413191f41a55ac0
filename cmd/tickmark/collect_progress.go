// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tickmark/tickmark/collect"
)

// meter shows on standard error how far a collection is: on a terminal one line
// that is written over, elsewhere plain lines.
type meter struct {
	rc    *runContext
	mu    sync.Mutex
	order []string
	state map[string]*metered
	begin time.Time
	last  time.Time
	drawn bool
	dirty bool // something was told since the last drawing
	every time.Duration

	rows, requests int
	throttled      time.Duration
}

// metered is how far one source is.
type metered struct {
	ask            string // at work
	done, subjects int    // of it
}

func newMeter(rc *runContext) *meter {
	m := &meter{rc: rc, state: map[string]*metered{}, begin: rc.Now(), last: rc.Now(), every: 10 * time.Second}
	if rc.Progress {
		m.every = progressEvery
	}
	return m
}

// tell notes the progress of one question.
func (m *meter) tell(p collect.Progress) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.state[p.Source]
	if s == nil {
		s = &metered{}
		m.state[p.Source] = s
		m.order = append(m.order, p.Source)
	}
	s.ask, s.done, s.subjects = p.Ask, p.Done, p.Subjects
	m.rows, m.requests, m.throttled = max(m.rows, p.Rows), max(m.requests, p.Requests), max(m.throttled, p.Throttled)
	m.dirty = true
	if now := m.rc.Now(); now.Sub(m.last) >= m.every {
		m.last = now
		m.draw(now)
	}
}

func (m *meter) draw(now time.Time) {
	m.dirty = false
	total := fmt.Sprintf("%s, %s, %.0f/s", count(m.rows, "row", "rows"), count(m.requests, "request", "requests"), float64(m.requests)/max(1, now.Sub(m.begin).Seconds()))
	if m.throttled >= time.Second {
		total += fmt.Sprintf(", waited %s for quotas", m.throttled.Round(time.Second))
	}
	lines := []string{total}
	for _, name := range m.order {
		s := m.state[name]
		lines = append(lines, fmt.Sprintf("%s: %s, %d of %d scopes", name, s.ask, s.done, s.subjects))
	}
	if !m.rc.Progress {
		for _, l := range lines {
			fmt.Fprintln(m.rc.Err, l)
		}
		return
	}
	text := strings.Join(lines, " · ")
	if w := m.rc.Width; w > 1 && len([]rune(text)) >= w {
		text = string([]rune(text)[:w-1])
	}
	fmt.Fprintf(m.rc.Err, "\r\x1b[K%s", text)
	m.drawn = true
}

// end leaves the last state standing.
func (m *meter) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dirty {
		m.draw(m.rc.Now())
	}
	if m.drawn {
		fmt.Fprintln(m.rc.Err)
	}
}
