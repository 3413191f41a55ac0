// SPDX-License-Identifier: Apache-2.0

// Package work holds the use cases: what the command line (and later jobs and
// the web) ask for. Each one declares the small interface that it needs; the
// store satisfies them, and cmd joins the two.
package work

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/history"
	"github.com/tickmark/tickmark/ledger"
)

// PinEngine is the pin that holds the version of the engine that evaluated;
// [Record] adds it.
const PinEngine = "engine"

// Progress is told how far a long call is: a stage in one word, how much of it
// is done, and the total, or 0 when that is not known.
type Progress = func(stage string, done, total int64)

// Recorder stores evidence. What it acknowledges is durable; what fails leaves
// nothing visible.
type Recorder interface {
	Record(ctx context.Context, snap *tickmark.Snapshot, pins []history.Pin, results iter.Seq[tickmark.Result], now time.Time, progress Progress) (history.Recorded, error)
}

// Reader reads recorded snapshots back. An id is the snapshot's own, "latest"
// or "previous".
type Reader interface {
	Snapshots(ctx context.Context) ([]history.Entry, error)
	// Load rebuilds the received bytes and checks them against their digests.
	Load(ctx context.Context, id string) (*history.Stored, error)
	// Results yields the stored results, without their explanations.
	Results(ctx context.Context, id string) iter.Seq2[tickmark.Result, error]
	Diff(ctx context.Context, from, to string) (*history.Difference, error)
}

// Verifier checks what is stored against the ledger.
type Verifier interface {
	Verify(ctx context.Context, saved []byte, progress Progress) (*ledger.Report, error)
	// Head returns the signed head.
	Head(ctx context.Context) ([]byte, error)
	// Rebuild makes derived tables again; it returns how many rows differed.
	Rebuild(ctx context.Context, progress Progress) (map[string]int64, error)
}

// Filer keeps versioned documents.
type Filer interface {
	// Document returns the latest version; its Version is 0 when there is none.
	Document(ctx context.Context, kind, id string) (history.Document, error)
	// Put stores the version after the latest; another one is a conflict.
	Put(ctx context.Context, doc history.Document, now time.Time) (history.Document, error)
}

// Recording is what one assessment gives to be recorded.
type Recording struct {
	Snapshot *tickmark.Snapshot
	// Results come in any order, one for each check and resource.
	Results iter.Seq[tickmark.Result]
	// Engine is the version that evaluated.
	Engine string
	// Pins are everything else that the evaluation read: catalogue, aliases,
	// parameters, instant.
	Pins []history.Pin
	// Release, if set, is told when the bytes of a segment are stored.
	Release func(segment int)
}

// releaser is a Recorder that need not have all bytes in memory at once.
type releaser interface {
	RecordReleasing(ctx context.Context, snap *tickmark.Snapshot, pins []history.Pin, results iter.Seq[tickmark.Result], now time.Time, progress Progress, release func(segment int)) (history.Recorded, error)
}

// Record stores a recording at the instant now.
func Record(ctx context.Context, st Recorder, rec Recording, now time.Time, progress Progress) (history.Recorded, error) {
	pins := append(slices.Clone(rec.Pins), history.Pin{Name: PinEngine, Bytes: []byte(rec.Engine)})
	if r, ok := st.(releaser); ok && rec.Release != nil {
		return r.RecordReleasing(ctx, rec.Snapshot, pins, rec.Results, now, progress, rec.Release)
	}
	return st.Record(ctx, rec.Snapshot, pins, rec.Results, now, progress)
}

// Evaluate runs the checks over a snapshot with what was pinned for it, and
// returns the results and the engine's version.
type Evaluate func(ctx context.Context, snap *tickmark.Snapshot, pins map[string][]byte) (results iter.Seq[tickmark.Result], engine string, err error)

// Answer is what a re-performance found.
type Answer string

// The answers.
const (
	Identical     Answer = "identical"
	EngineChanged Answer = "same evidence, engine changed"
	Different     Answer = "different"
)

// Reperformance is a snapshot's evaluation done again from stored bytes alone.
type Reperformance struct {
	Snapshot   string `json:"snapshot"`
	Answer     Answer `json:"answer"`
	EngineThen string `json:"engineThen"`
	EngineNow  string `json:"engineNow"`
	// Results counts the results compared; Differences lists those that differ.
	Results     int64                   `json:"results"`
	Differences []history.VerdictChange `json:"differences"`
}

// Reperform evaluates a recorded snapshot again, from its kept bytes and pins,
// and compares every verdict and reason. Bytes that do not verify, and pins of
// overrides that the ledger does not hold, are an error and not an answer.
func Reperform(ctx context.Context, st Reader, id string, evaluate Evaluate, progress Progress) (*Reperformance, error) {
	tell(progress, "load", 0, 0)
	stored, err := st.Load(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := pinned(ctx, st, stored.Entry.ID, stored.Pins); err != nil {
		return nil, err
	}
	rp := &Reperformance{Snapshot: stored.Entry.ID, EngineThen: string(stored.Pins[PinEngine]), Differences: []history.VerdictChange{}}
	tell(progress, "evaluate", 0, 0)
	results, engine, err := evaluate(ctx, stored.Snapshot, stored.Pins)
	if err != nil {
		return nil, err
	}
	rp.EngineNow = engine
	type key struct{ check, resource, typ string }
	now := make(map[key]history.Outcome, stored.Entry.Results)
	for r := range results {
		now[key{r.Check, r.Resource, r.Type}] = history.Outcome{Verdict: r.Verdict, Reason: r.Reason}
	}
	for r, err := range st.Results(ctx, stored.Entry.ID) {
		if err != nil {
			return nil, err
		}
		if rp.Results++; rp.Results%65536 == 0 {
			tell(progress, "compare", rp.Results, stored.Entry.Results)
		}
		k := key{r.Check, r.Resource, r.Type}
		then := history.Outcome{Verdict: r.Verdict, Reason: r.Reason}
		o, ok := now[k]
		delete(now, k)
		switch {
		case !ok:
			rp.Differences = append(rp.Differences, history.VerdictChange{Check: r.Check, Resource: r.Resource, Type: r.Type, Before: &then})
		case o != then:
			rp.Differences = append(rp.Differences, history.VerdictChange{Check: r.Check, Resource: r.Resource, Type: r.Type, Before: &then, After: &o})
		}
	}
	for k, o := range now {
		rp.Results++
		rp.Differences = append(rp.Differences, history.VerdictChange{Check: k.check, Resource: k.resource, Type: k.typ, After: &o})
	}
	slices.SortFunc(rp.Differences, func(a, b history.VerdictChange) int {
		return slices.Compare([]string{a.Check, a.Resource, a.Type}, []string{b.Check, b.Resource, b.Type})
	})
	switch {
	case len(rp.Differences) == 0:
		rp.Answer = Identical
	case rp.EngineNow != rp.EngineThen:
		rp.Answer = EngineChanged
	default:
		rp.Answer = Different
	}
	return rp, nil
}

func tell(progress Progress, stage string, done, total int64) {
	if progress != nil {
		progress(stage, done, total)
	}
}

// RecordReperformance keeps what a re-performance found as a new fact beside
// the old ones, which stay as they are.
func RecordReperformance(ctx context.Context, st Filer, rp *Reperformance, actor string, now time.Time) (history.Document, error) {
	before, err := st.Document(ctx, "reperformance", rp.Snapshot)
	if err != nil {
		return before, err
	}
	body, err := json.Marshal(rp)
	if err != nil {
		return before, err
	}
	return st.Put(ctx, history.Document{
		Kind: "reperformance", ID: rp.Snapshot, Version: before.Version + 1, Schema: 1,
		EffectiveFrom: now, Actor: actor, Body: body,
	}, now)
}

// Verify checks a data directory, and with a head saved earlier that nothing
// before it was rewritten or removed. Damage comes as a report and an error
// with CodeTampered.
func Verify(ctx context.Context, st Verifier, saved []byte, progress Progress) (*ledger.Report, error) {
	report, err := st.Verify(ctx, saved, progress)
	if err != nil {
		return report, err
	}
	if !report.Clean() {
		d := report.Damages[0]
		return report, &tickmark.Error{
			Code: tickmark.CodeTampered, Where: d.Where, What: damages(report.DamageCount) + strings.TrimSuffix(d.What, "."),
			Hint: "keep a copy of this directory as it is and restore the last backup that verifies",
		}
	}
	return report, nil
}

func damages(n int64) string {
	if n == 1 {
		return "1 damage: "
	}
	return fmt.Sprintf("%d damages, the first: ", n)
}
