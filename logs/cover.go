// SPDX-License-Identifier: Apache-2.0

package logs

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/jsontape"
)

const day = 24 * time.Hour

// Days are whole days (UTC): From inclusive, To exclusive.
type Days struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Count is how many days there are.
func (d Days) Count() int { return int(d.To.Sub(d.From) / day) }

// Copy is one place that keeps a log.
type Copy struct {
	Kind Kind `json:"kind"`
	// Place is the name of the workspace or storage account, and ID its resource
	// id; empty for the service's own.
	Place string `json:"place,omitempty"`
	ID    string `json:"id,omitempty"`
	// Asked is the time that was asked for and that the place can still have.
	Asked Days `json:"asked"`
	// First and Last are the times of the first and last record inside Asked; of
	// an archive, of their hours. Zero if there is none.
	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`
	// Records is how many there are, -1 where only hours are known.
	Records int64 `json:"records"`
	// Days is how many days have records; EmptyDays are those of Asked without any,
	// LackingDays those of them on which another copy has some.
	Days        int    `json:"days"`
	EmptyDays   []Days `json:"emptyDays"`
	LackingDays []Days `json:"lackingDays"`
	// LackingRecords is how many records this copy lacks that another has in the time of
	// Asked; -1 where the records of fewer than two were read.
	LackingRecords int `json:"lackingRecords"`
	// Unknown says why not all of it was read; ReasonNone if it was.
	Unknown tickmark.Reason `json:"unknown,omitempty"`

	has  map[int64]bool
	keys map[string]time.Time
	own  bool // Unknown is of its own scope
}

// Log is a log with its copies.
type Log struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	// Subscription is whose log it is; empty for the tenant's.
	Subscription     string `json:"subscription,omitempty"`
	SubscriptionName string `json:"subscriptionName,omitempty"`
	Copies           []Copy `json:"copies"`
	// Distinct is how many different records the copies have together; -1 where
	// they are not read.
	Distinct int `json:"distinct"`
	// Open are the days of the period on which no copy has a record, although one
	// that was wholly read could have and none that could was not: they were
	// quiet, or are lost. Unread are the others on which no copy has a record.
	Open   []Days `json:"open"`
	Unread []Days `json:"unread"`
	// Missing are the kinds of copies that were asked for and of which none can
	// be told of, because the questions were not answered, with the reason.
	Missing map[Kind]tickmark.Reason `json:"missing,omitempty"`
}

// Coverage is what a snapshot's copies of logs cover.
type Coverage struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	Logs []Log     `json:"logs"`
}

// Of finds the copies of logs in a snapshot. The result holds none of its bytes.
func Of(s *tickmark.Snapshot, inv *inventory.Inventory) *Coverage {
	c := &Coverage{Logs: []Log{}}
	spans := asked(s)
	for _, sp := range spans {
		if c.From.IsZero() || sp.From.Before(c.From) {
			c.From = sp.From
		}
		if sp.To.After(c.To) {
			c.To = sp.To
		}
	}
	for i := range logs {
		c.Logs = append(c.Logs, logs[i].cover(inv, spans, Days{c.From, c.To})...)
	}
	return c
}

// question is the time that the questions of a type asked for, without what
// the source no longer keeps, and why they were not wholly answered.
type question struct {
	Days
	unknown tickmark.Reason
}

// asked is what was asked of each type, by the type in lower case.
func asked(s *tickmark.Snapshot) map[string]question {
	out := map[string]question{}
	for i := range s.Segments {
		for k := range s.Segments[i].Coverage.Asks {
			a := &s.Segments[i].Coverage.Asks[k]
			if a.Span == nil || a.Missing == tickmark.ReasonNotRead {
				continue
			}
			q := question{Days{a.Span.From, a.Span.To}, a.Missing}
			if a.Span.Kept.After(q.From) {
				q.From = a.Span.Kept
			}
			for _, out := range [][]tickmark.Refusal{a.Refusals, a.Excluded} {
				if q.unknown == tickmark.ReasonNone && len(out) > 0 {
					q.unknown = out[0].Reason
				}
			}
			for _, t := range a.Types {
				keys := []string{strings.ToLower(t)}
				if a.Subjects > 0 {
					keys = append(keys, inScope(t, s.Segments[i].Scope))
				}
				for _, k := range keys {
					both := q
					if old, ok := out[k]; ok && q.unknown == tickmark.ReasonNone {
						both.unknown = old.unknown
					}
					out[k] = both
				}
			}
		}
	}
	return out
}

// inScope is the key of what was asked for in one scope: a log that a
// management group refuses is whole for a subscription that answered.
func inScope(typ, scope string) string { return strings.ToLower(typ + "\x00" + scope) }

// scopeOf is the scope of a subscription; what is above has the empty one.
func scopeOf(subscription string) string {
	if subscription == "" {
		return ""
	}
	return "/subscriptions/" + subscription
}

// copyKey tells copies apart.
type copyKey struct {
	subscription string
	kind         Kind
	place        string
}

func (l *known) cover(inv *inventory.Inventory, spans map[string]question, period Days) []Log {
	copies := map[copyKey]*Copy{}
	subscriptions := map[string]bool{}
	if l.subscriptions {
		for _, r := range inv.OfType("Microsoft.Resources/subscriptions") {
			if !r.Is(inventory.Implied) {
				subscriptions[strings.Clone(r.Subscription)] = true
			}
		}
	} else {
		subscriptions[""] = true
	}
	why, told, records := l.answered(spans)
	for i := range l.forms {
		f := &l.forms[i]
		sp, ok := spans[strings.ToLower(f.typ)]
		if !ok {
			continue
		}
		if f.kind == Service {
			for sub := range subscriptions {
				l.copy(copies, copyKey{sub, f.kind, ""}, sp.Days)
			}
			// What is above subscriptions is told of if there is anything to tell.
			if own := spans[inScope(f.typ, "")]; l.subscriptions && own.unknown != tickmark.ReasonNone {
				l.copy(copies, copyKey{"", f.kind, ""}, own.Days)
			}
		}
		rows := inv.OfType(f.typ)
		for k := range rows {
			f.take(l, &rows[k], copies, sp.Days, records)
		}
		for key, c := range copies {
			if own, ok := spans[inScope(f.typ, scopeOf(key.subscription))]; ok && key.kind == Service && f.kind == Service && l.subscriptions {
				c.Unknown, c.own = own.unknown, true
			}
		}
	}
	for key, c := range copies {
		switch {
		case c.own:
		case why[key.kind] != tickmark.ReasonNone:
			c.Unknown = why[key.kind]
		case !told[key.kind]:
			c.Unknown = tickmark.ReasonNotRead // its records are read, and not on which days there are any
		}
	}
	names := map[string]string{}
	for _, r := range inv.OfType("Microsoft.Resources/subscriptions") {
		names[r.Subscription] = strings.Clone(r.Root.Get("displayName").Str())
	}
	bySubscription := map[string][]*Copy{}
	for key, c := range copies {
		subscriptions[key.subscription] = true
		bySubscription[key.subscription] = append(bySubscription[key.subscription], c)
	}
	var out []Log
	for _, sub := range slices.Sorted(maps.Keys(subscriptions)) {
		list := bySubscription[sub]
		slices.SortFunc(list, func(a, b *Copy) int {
			return cmp.Or(cmp.Compare(order(a.Kind), order(b.Kind)), strings.Compare(a.Place, b.Place))
		})
		missing := map[Kind]tickmark.Reason{}
		for k, reason := range why {
			if reason != tickmark.ReasonNone && !slices.ContainsFunc(list, func(c *Copy) bool { return c.Kind == k }) {
				missing[k] = reason
			}
		}
		log := l.log(sub, list, missing, period)
		if sub != "" {
			log.SubscriptionName = names[sub]
		}
		out = append(out, log)
	}
	return out
}

// answered says of each kind of copies why its questions were not wholly
// answered, whether they tell the days, and whether the records were asked for.
func (l *known) answered(spans map[string]question) (why map[Kind]tickmark.Reason, told, records map[Kind]bool) {
	why, told, records = map[Kind]tickmark.Reason{}, map[Kind]bool{}, map[Kind]bool{}
	for i := range l.forms {
		f := &l.forms[i]
		sp, ok := spans[strings.ToLower(f.typ)]
		if !ok {
			continue // nobody asked
		}
		for _, k := range l.kinds(f) {
			if why[k] == tickmark.ReasonNone {
				why[k] = sp.unknown
			}
			told[k] = told[k] || f.tellsDays()
			records[k] = records[k] || f.whole
		}
	}
	return why, told, records
}

func order(k Kind) int { return slices.Index([]Kind{Service, Workspace, Archive, Export}, k) }

func (l *known) copy(copies map[copyKey]*Copy, key copyKey, sp Days) *Copy {
	c := copies[key]
	if c == nil {
		c = &Copy{Kind: key.kind, Place: key.place[strings.LastIndexByte(key.place, '/')+1:], ID: key.place, Asked: sp, Records: 0, LackingRecords: -1, EmptyDays: []Days{}, LackingDays: []Days{}, has: map[int64]bool{}}
		copies[key] = c
	}
	return c
}

// kinds are the kinds of copies that a form tells of: accounts list the blobs of
// both kinds of exports, but whose activity log one is of that a workspace
// exported stands in the records only.
func (l *known) kinds(f *form) []Kind {
	if f.hour && !l.subscriptions {
		return []Kind{Archive, Export}
	}
	return []Kind{f.kind}
}

// tellsDays reports whether a form says on which days there are records.
func (f *form) tellsDays() bool { return !f.whole || f.kind == Archive || f.kind == Export }

// take adds a record to its copy. records are the kinds whose records are read:
// they say better than the hours of blobs, which are those of arrival.
func (f *form) take(l *known, r *inventory.Resource, copies map[copyKey]*Copy, sp Days, records map[Kind]bool) {
	at, ok := instant(r.Root, f.at)
	if !ok || at.Before(sp.From) && !f.hour || !at.Before(sp.To) || f.hour && !at.Add(time.Hour).After(sp.From) {
		return
	}
	id, rest := place(r, f.kind)
	key := copyKey{kind: f.kind, place: id}
	if l.subscriptions {
		key.subscription = f.subscriptionOf(r)
	}
	if f.hour && exported(rest) {
		if l.subscriptions {
			return // whose they are is in the records only
		}
		key.kind = Export
	}
	c := l.copy(copies, key, sp)
	if f.key != nil {
		if c.keys == nil {
			c.keys = map[string]time.Time{}
		}
		if k := f.key(r.Root); k != "" {
			c.keys[k] = at
		}
	}
	if !f.tellsDays() || f.hour && records[key.kind] {
		return
	}
	last := at
	if t, ok := instant(r.Root, f.last); ok && f.last != "" {
		last = t
	}
	if at.Before(sp.From) {
		at = sp.From
	}
	if c.First.IsZero() || at.Before(c.First) {
		c.First = at
	}
	if last.After(c.Last) {
		c.Last = last
	}
	c.has[at.Unix()/int64(day/time.Second)] = true
	switch n, ok := r.Root.Get(f.count).Int(); {
	case f.hour:
		c.Records = -1
	case f.count != "" && ok:
		c.Records += n
	default:
		c.Records++
	}
}

// log compares the copies.
func (l *known) log(sub string, copies []*Copy, missing map[Kind]tickmark.Reason, period Days) Log {
	out := Log{Name: l.name, Title: l.title, Subscription: sub, Missing: missing, Copies: []Copy{}, Distinct: -1, Open: []Days{}, Unread: []Days{}}
	some, read := map[int64]bool{}, 0
	all := map[string]time.Time{}
	for _, c := range copies {
		maps.Copy(some, c.has)
		if c.keys != nil {
			read++
			maps.Copy(all, c.keys)
		}
	}
	if read > 0 {
		out.Distinct = len(all)
	}
	for _, c := range copies {
		c.Days = len(c.has)
		c.EmptyDays = without(c.Asked, func(d int64) bool { return c.has[d] })
		c.LackingDays = without(c.Asked, func(d int64) bool { return c.has[d] || !some[d] })
		if c.keys != nil && read > 1 {
			c.LackingRecords = 0
			for k, at := range all {
				if _, ok := c.keys[k]; !ok && !at.Before(c.Asked.From) && at.Before(c.Asked.To) {
					c.LackingRecords++
				}
			}
		}
		out.Copies = append(out.Copies, *c)
	}
	for i := range out.Copies {
		out.Copies[i].has, out.Copies[i].keys = nil, nil // keys may be the snapshot's own bytes
	}
	reaches := func(d int64, whole bool) bool {
		at := time.Unix(d*int64(day/time.Second), 0)
		return slices.ContainsFunc(copies, func(c *Copy) bool {
			return (c.Unknown == tickmark.ReasonNone) == whole && at.Add(day).After(c.Asked.From) && at.Before(c.Asked.To)
		})
	}
	// What a copy that was not read has is not known.
	known := func(d int64) bool { return len(missing) == 0 && reaches(d, true) && !reaches(d, false) }
	out.Open = without(period, func(d int64) bool { return some[d] || !known(d) })
	out.Unread = without(period, func(d int64) bool { return some[d] || known(d) })
	return out
}

// without lists the runs of days of a period for which has is false. The days
// at both ends count although the period may have only a part of them.
func without(p Days, has func(day int64) bool) []Days {
	out := []Days{}
	if !p.From.Before(p.To) {
		return out
	}
	first, end := p.From.UTC().Truncate(day), p.To.UTC()
	for d := first; d.Before(end); d = d.Add(day) {
		if has(d.Unix() / int64(day/time.Second)) {
			continue
		}
		if n := len(out); n > 0 && out[n-1].To.Equal(d) {
			out[n-1].To = d.Add(day)
		} else {
			out = append(out, Days{d, d.Add(day)})
		}
	}
	return out
}

// instant reads a time; the forms are those of the services' APIs.
func instant(v jsontape.Value, path string) (time.Time, bool) {
	if path == "" {
		return time.Time{}, false
	}
	s := text(v, path)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
