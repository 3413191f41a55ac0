// SPDX-License-Identifier: Apache-2.0

// Package history folds the results of one snapshot after the other into
// intervals: it says what appeared, changed and vanished, gives that a
// canonical form that a ledger can commit to, and counts. It does no I/O.
package history

import (
	"strings"
	"time"

	"github.com/tickmark/tickmark"
)

// Pin is a blob that an evaluation read and that re-performance needs again:
// rule texts, aliases, parameters, the evaluation instant, the engine.
type Pin struct {
	Name  string
	Bytes []byte
}

// Entry is a recorded snapshot as a list shows it.
type Entry struct {
	ID         string    `json:"id"`
	Seq        int64     `json:"seq"` // of its ledger leaf
	Origin     string    `json:"origin"`
	ObservedAt time.Time `json:"observedAt"`
	RecordedAt time.Time `json:"recordedAt"`
	// Late says that it was observed before the snapshot recorded before it.
	Late     bool  `json:"late,omitempty"`
	Segments int   `json:"segments"`
	Pages    int   `json:"pages"`
	Items    int   `json:"items"`
	Bytes    int64 `json:"bytes"`
	Results  int64 `json:"results"`
	// Transitions are the results that differ from the snapshot before.
	Transitions int64 `json:"transitions"`
	Counts      Tally `json:"counts"`
}

// Stored is a snapshot as read back: the received bytes, rebuilt exactly, and
// what was pinned. Its results are read apart, as they may be many.
type Stored struct {
	Entry    Entry
	Snapshot *tickmark.Snapshot
	Pins     map[string][]byte
}

// Recorded says what one recording did.
type Recorded struct {
	Entry Entry `json:"snapshot"`
	// NewBlobs and NewBytes were not stored before; StoredBytes is what they
	// take in packs.
	NewBlobs    int64 `json:"newBlobs"`
	NewBytes    int64 `json:"newBytes"`
	StoredBytes int64 `json:"storedBytes"`
	// Commit is how long the commit transaction took.
	Commit time.Duration `json:"commitNanoseconds"`
}

// Organisation is the body of document number one.
type Organisation struct {
	Name string `json:"name"`
}

// Document is one immutable version of a programme or audit object.
type Document struct {
	Kind    string
	ID      string
	Version int64
	Schema  int64
	// Seq and RecordedAt are set by the store.
	Seq           int64
	RecordedAt    time.Time
	EffectiveFrom time.Time
	EffectiveTo   time.Time // zero: open
	Actor         string
	Body          []byte
}

// Difference is what two snapshots do not have in common.
type Difference struct {
	From, To Entry
	// Added, Removed and Changed list resources by id, sorted.
	Added, Removed, Changed []string
	Verdicts                []VerdictChange
}

// VerdictChange is one (check, resource) whose verdict differs. A side on
// which there is no result is nil.
type VerdictChange struct {
	Check    string   `json:"check"`
	Resource string   `json:"resource"`
	Type     string   `json:"type"`
	Before   *Outcome `json:"before"`
	After    *Outcome `json:"after"`
}

// Outcome is a verdict with its reason, without the explanation, which is
// computed again from the pinned rules and the kept bytes.
type Outcome struct {
	Verdict tickmark.Verdict `json:"verdict"`
	Reason  tickmark.Reason  `json:"reason,omitempty"`
}

// ScopeOf returns the scope that a resource is counted under: its subscription
// in lower case, else "tenant".
func ScopeOf(resource string) string {
	const prefix = "/subscriptions/"
	if len(resource) < len(prefix) || !strings.EqualFold(resource[:len(prefix)], prefix) {
		return "tenant"
	}
	id, _, _ := strings.Cut(resource[len(prefix):], "/")
	if id == "" || len(id) > 64 {
		return "tenant"
	}
	for i := range len(id) {
		switch c := id[i]; {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '-', c == '_', c == '.':
		default:
			return "tenant"
		}
	}
	return strings.ToLower(id)
}

// Tally counts results by verdict.
type Tally struct {
	Fail          int64 `json:"fail"`
	Pass          int64 `json:"pass"`
	Unknown       int64 `json:"unknown"`
	Exempt        int64 `json:"exempt"`
	NotApplicable int64 `json:"notApplicable"`
}

// Add counts n results of verdict v; n may be negative.
func (t *Tally) Add(v tickmark.Verdict, n int64) {
	switch v {
	case tickmark.Fail:
		t.Fail += n
	case tickmark.Pass:
		t.Pass += n
	case tickmark.Unknown:
		t.Unknown += n
	case tickmark.Exempt:
		t.Exempt += n
	case tickmark.NotApplicable:
		t.NotApplicable += n
	}
}

// Total is the number of results counted.
func (t Tally) Total() int64 { return t.Fail + t.Pass + t.Unknown + t.Exempt + t.NotApplicable }

// Plus returns the sum of t and u.
func (t Tally) Plus(u Tally) Tally {
	return Tally{t.Fail + u.Fail, t.Pass + u.Pass, t.Unknown + u.Unknown, t.Exempt + u.Exempt, t.NotApplicable + u.NotApplicable}
}
