// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// Quota is what a service allows.
type Quota struct {
	// Number of requests in any time Per.
	Number int
	Per    time.Duration
	// Burst, if above 0, makes it a bucket: so many at once, refilled at
	// Number in Per. Else no time Per sees more than Number.
	Burst int
	// Parallel bounds the requests under way.
	Parallel int
	// Each is what the quota is per: tenant, subscription, organisation, host.
	Each string
	// Doc is where the figures come from, or "unverified".
	Doc string
}

// Quotas are the services' documented limits, of which the engine takes a
// little less. What a service says in its answers goes before them.
var Quotas = map[Pace]Quota{
	PaceResourceGraph:  {Number: 15, Per: 5 * time.Second, Parallel: 4, Each: "tenant", Doc: "learn.microsoft.com/azure/governance/resource-graph/concepts/guidance-for-throttled-requests"},
	PaceARM:            {Number: 25, Per: time.Second, Burst: 250, Parallel: 8, Each: "subscription", Doc: "learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling"},
	PacePolicyInsights: {Number: 25, Per: time.Second, Burst: 50, Parallel: 4, Each: "subscription", Doc: "unverified: ARM's limit, with less at once"},
	PaceGraph:          {Number: 100, Per: time.Second, Parallel: 8, Each: "tenant", Doc: "learn.microsoft.com/graph/throttling-limits: 3,500 resource units in 10 s for a small tenant; a list costs 2 and more"},
	PaceGraphReports:   {Number: 5, Per: 10 * time.Second, Parallel: 1, Each: "tenant", Doc: "learn.microsoft.com/graph/throttling-limits: Microsoft Entra reporting"},
	PaceGraphRisk:      {Number: 1, Per: time.Second, Parallel: 1, Each: "tenant", Doc: "learn.microsoft.com/graph/throttling-limits: identity protection and conditional access"},
	PaceLogAnalytics:   {Number: 200, Per: 30 * time.Second, Parallel: 4, Each: "tenant", Doc: "learn.microsoft.com/azure/azure-monitor/service-limits: query API"},
	PaceStorage:        {Number: 100, Per: time.Second, Parallel: 8, Each: "host", Doc: "learn.microsoft.com/azure/storage/common/scalability-targets-standard-account: 20,000 and more in a second for an account; a small part of it"},
	PaceDevOps:         {Number: 10, Per: time.Second, Burst: 30, Parallel: 4, Each: "organisation", Doc: "learn.microsoft.com/azure/devops/integrate/concepts/rate-limits: 200 units in 5 minutes; the answers' Retry-After decides"},
	PaceGitHub:         {Number: 5000, Per: time.Hour, Burst: 300, Parallel: 8, Each: "tenant", Doc: "docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api"},
	PacePower:          {Number: 10, Per: time.Second, Burst: 20, Parallel: 4, Each: "host", Doc: "unverified"},
}

// lane is the queue of one ask at one bucket. Lanes of a bucket take turns.
type lane struct {
	ask   *askRun
	units []*unit
	head  int
}

func (l *lane) empty() bool { return l.head == len(l.units) }

// bucket is one quota with what waits for it.
type bucket struct {
	quota  Quota
	lanes  []*lane
	turn   int
	later  []*unit // wait for a time of their own
	busy   int
	tokens float64
	filled time.Time
	sent   []time.Time // ring of the last Number requests
	at     int
	until  time.Time // snoozed: nothing goes out before
}

// margin is how much longer than documented a quota's time is taken to be,
// because requests arrive with unequal delay.
const margin = 1.06

func newBucket(q Quota, now time.Time) *bucket {
	b := &bucket{quota: q, filled: now, tokens: float64(q.Burst)}
	if q.Burst == 0 {
		b.sent = make([]time.Time, q.Number)
	}
	return b
}

func (b *bucket) push(u *unit) {
	for _, l := range b.lanes {
		if l.ask == u.ask {
			l.units = append(l.units, u)
			return
		}
	}
	b.lanes = append(b.lanes, &lane{ask: u.ask, units: []*unit{u}})
}

// unshift puts a unit that goes on before those that have not begun.
func (b *bucket) unshift(u *unit) {
	for _, l := range b.lanes {
		if l.ask == u.ask {
			if l.head > 0 {
				l.head--
				l.units[l.head] = u
			} else {
				l.units = slices.Insert(l.units, 0, u)
			}
			return
		}
	}
	b.push(u)
}

// due moves the units whose time has come into their lanes.
func (b *bucket) due(now time.Time) {
	b.later = slices.DeleteFunc(b.later, func(u *unit) bool {
		if u.after.After(now) {
			return false
		}
		b.unshift(u)
		return true
	})
}

func (b *bucket) idle() bool { return len(b.lanes) == 0 && len(b.later) == 0 }

// ready says when the bucket may send its next request; zero is when something
// else happens first.
func (b *bucket) ready(now time.Time) time.Time {
	b.due(now)
	at := now
	if len(b.lanes) == 0 {
		if len(b.later) == 0 {
			return time.Time{}
		}
		at = b.later[0].after
		for _, u := range b.later {
			if u.after.Before(at) {
				at = u.after
			}
		}
	} else if b.busy >= b.quota.Parallel {
		return time.Time{}
	}
	if b.until.After(at) {
		at = b.until
	}
	if free := b.free(now); free.After(at) {
		at = free
	}
	return at
}

// free says when the quota has room.
func (b *bucket) free(now time.Time) time.Time {
	if b.quota.Burst == 0 {
		oldest := b.sent[b.at]
		if oldest.IsZero() {
			return now
		}
		return oldest.Add(time.Duration(float64(b.quota.Per) * margin))
	}
	b.refill(now)
	if b.tokens >= 1 {
		return now
	}
	return now.Add(time.Duration((1 - b.tokens) / b.rate() * float64(time.Second)))
}

// rate is the refill in requests a second.
func (b *bucket) rate() float64 {
	return float64(b.quota.Number) / b.quota.Per.Seconds() / margin
}

func (b *bucket) refill(now time.Time) {
	if d := now.Sub(b.filled); d > 0 {
		b.tokens = min(b.tokens+d.Seconds()*b.rate(), float64(b.quota.Burst))
	}
	b.filled = now
}

// take is called when a request goes out.
func (b *bucket) take(now time.Time) *unit {
	l := b.lanes[b.turn%len(b.lanes)]
	u := l.units[l.head]
	l.units[l.head] = nil
	l.head++
	if l.empty() {
		b.lanes = slices.DeleteFunc(b.lanes, func(x *lane) bool { return x == l })
	} else {
		b.turn++
	}
	b.busy++
	if b.quota.Burst > 0 {
		b.tokens--
		return u
	}
	b.sent[b.at] = now
	b.at = (b.at + 1) % len(b.sent)
	return u
}

// heed takes what an answer says about the quota: left requests for another
// time resets (0 if it does not say).
func (b *bucket) heed(now time.Time, left int, resets time.Duration) {
	if left <= 0 && resets > 0 {
		b.snooze(now.Add(resets))
		return
	}
	if b.quota.Burst > 0 {
		b.refill(now)
		b.tokens = min(b.tokens, float64(left-b.busy))
	}
}

func (b *bucket) snooze(until time.Time) {
	if until.After(b.until) {
		b.until = until
	}
}

var subscriptionPath = regexp.MustCompile(`(?i)^/subscriptions/([^/?]+)`)

// paceKey says whose quota a request draws on.
func paceKey(q Quota, host, path string) string {
	switch q.Each {
	case "subscription":
		if m := subscriptionPath.FindStringSubmatch(path); m != nil {
			return strings.ToLower(m[1])
		}
	case "organisation":
		org, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		return host + "/" + org
	case "host":
		return host
	}
	return ""
}

// expire takes out of the bucket what cannot be asked in time.
func (b *bucket) expire(now time.Time, limit time.Duration) []*unit {
	at := now
	if b.until.After(at) {
		at = b.until
	}
	late := func(a *askRun) bool {
		start := a.started
		if start.IsZero() {
			start = now
		}
		return at.Sub(start) > limit
	}
	var out []*unit
	b.lanes = slices.DeleteFunc(b.lanes, func(l *lane) bool {
		if !late(l.ask) {
			return false
		}
		out = append(out, l.units[l.head:]...)
		return true
	})
	b.later = slices.DeleteFunc(b.later, func(u *unit) bool {
		if !late(u.ask) {
			return false
		}
		out = append(out, u)
		return true
	})
	return out
}
