// SPDX-License-Identifier: Apache-2.0

package work

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/collect/arm"
	"github.com/tickmark/tickmark/collect/devops"
	"github.com/tickmark/tickmark/collect/graph"
	"github.com/tickmark/tickmark/collect/power"
	"github.com/tickmark/tickmark/history"
	"github.com/tickmark/tickmark/inventory"
)

// Sources returns the sources in the order in which they are read: Graph first,
// because its licences say what a refusal elsewhere means.
func Sources() []collect.Source {
	return []collect.Source{graph.Source(), arm.Source(), devops.Source(), devops.GitHub(), power.Source()}
}

// ChooseSources returns the sources that the names begin with: "arm", or
// "arm/locks" for one question; none names all.
func ChooseSources(only []string) ([]collect.Source, error) {
	all := Sources()
	if len(only) == 0 {
		return all, nil
	}
	var chosen []collect.Source
	met := map[string]bool{}
	for _, s := range all {
		wanted := false
		for _, o := range only {
			name, ask, one := strings.Cut(o, "/")
			if name != s.Name {
				continue
			}
			wanted, met[o] = true, !one || slices.ContainsFunc(s.Asks, func(a collect.Ask) bool { return a.Name == ask })
		}
		if wanted {
			chosen = append(chosen, s)
		}
	}
	for _, o := range only {
		if !met[o] {
			return nil, &tickmark.Error{
				Code: tickmark.CodeUsage, Where: "--only " + o, What: "there is no such source or question",
				Hint: "sources are graph, arm, devops, github and power; tickmark collect --plan lists their questions",
			}
		}
	}
	return chosen, nil
}

// CollectOptions say what to collect and how to judge it.
type CollectOptions struct {
	Sources []collect.Source
	Collect collect.Options
	Assess  AssessOptions
	// Pseudonyms, if set, replace personal data before anything is written.
	Pseudonyms *inventory.Pseudonyms
	// LeftOut says for the sources that are not read why that is, by name. They
	// stand in the coverage.
	LeftOut map[string]inventory.LeftOut
	// Beside are segments of files that stand in the same snapshot (OpenBeside).
	Beside []tickmark.Segment
	// Trial marks the snapshot: it is never evidence.
	Trial bool
	// Accepted are the sources whose identity may write, and why a person
	// accepted that; Access is what was found out about it at each source.
	Accepted map[string]string
	Access   []Access
}

// Collected is what a collection read and what it was judged to be.
type Collected struct {
	*Assessed
	// Run holds the pages: close it when they are no longer used.
	Run *collect.Collected
	// About is how it was collected, pinned with the evidence.
	About Collection
}

// Collection is how a snapshot was collected.
type Collection struct {
	Actor    string              `json:"actor,omitempty"`
	Tool     string              `json:"tool"`
	Cloud    string              `json:"cloud"`
	M365     string              `json:"microsoft365"`
	Sources  []string            `json:"sources"`
	Only     []string            `json:"only,omitempty"`
	Scopes   []string            `json:"scopes,omitempty"`
	Excluded []collect.Exclusion `json:"excluded,omitempty"`
	From     time.Time           `json:"from,omitzero"`
	To       time.Time           `json:"to,omitzero"`
	// Writers are the sources whose identity could have written, and why a
	// person accepted that.
	Writers map[string]string `json:"writers,omitempty"`
	// Access is by what the identity can write at each source, or what shows that
	// it cannot; none in a trial, which does not ask.
	Access  []Access  `json:"access,omitempty"`
	Started time.Time `json:"started"`
	// Clock is the clock of a simulator: times of reading are by it.
	Clock *collect.SimulatedClock `json:"simulatedClock,omitempty"`
	// Resumed is the number of pages that an interrupted run had read before.
	Resumed int `json:"resumed,omitempty"`
	// ResumeWithin is how long after its start an interrupted run could be gone
	// on with, in nanoseconds. Dropped are the pages of earlier runs that were
	// thrown away, and since when they were read.
	ResumeWithin time.Duration    `json:"resumeWithin,omitempty"`
	Dropped      *collect.Dropped `json:"dropped,omitempty"`

	Requests  int             `json:"requests"`
	Throttled time.Duration   `json:"throttled,omitempty"`
	Digest    tickmark.Digest `json:"digest"`
	// Pseudonymised says that personal data stand under pseudonyms; the map is
	// not among the evidence.
	Pseudonymised bool `json:"pseudonymised,omitempty"`
}

// PinCollection is the pin that says how a snapshot was collected. Evaluation
// does not read it.
const PinCollection = "collection"

// Collect reads the sources, replaces secrets before anything is written, and
// judges what was read. An interrupted run goes on from the same directory.
func Collect(ctx context.Context, o CollectOptions) (*Collected, error) {
	o.Collect.Redact = inventory.RedactAnswer
	if o.Pseudonyms != nil {
		o.Collect.Redact = func(received []byte) ([]byte, int) {
			kept, secrets := inventory.RedactAnswer(received)
			kept, people := o.Pseudonyms.Answer(kept)
			return kept, secrets + people
		}
	}
	ask := o.Collect
	ask.Exclude = slices.DeleteFunc(slices.Clone(ask.Exclude), func(x collect.Exclusion) bool {
		_, out := o.LeftOut[x.Scope] // nothing of it will be met
		return out
	})
	run, err := collect.Run(ctx, o.Sources, ask)
	if err != nil {
		return nil, err
	}
	if o.Trial {
		run.Snapshot.Origin = "trial"
	}
	debug.FreeOSMemory() // what reading took is not needed for judging
	o.Assess.relax = run.ReleaseAll
	for _, s := range Sources() { // in the order of the sources, whatever the map's is
		if out, ok := o.LeftOut[s.Name]; ok {
			run.Snapshot.Segments = append(run.Snapshot.Segments, tickmark.Segment{Source: s.Name, Coverage: tickmark.Coverage{
				Source: s.Name, Declared: -1, Missing: out.Reason, Detail: out.Detail,
			}})
		}
	}
	run.Snapshot.Segments = append(run.Snapshot.Segments, o.Beside...)
	a, err := assess(ctx, run.Snapshot, o.Assess, func([]byte) {})
	if err != nil {
		_ = run.Close() // the first error is the one to report
		return nil, err
	}
	c := &Collected{Assessed: a, Run: run, About: Collection{
		Actor: o.Collect.Actor, Tool: o.Collect.Tool, Cloud: o.Collect.Endpoints.Cloud, M365: o.Collect.Endpoints.Microsoft365,
		Only: o.Collect.Only, Scopes: o.Collect.Scopes, Excluded: o.Collect.Exclude, From: o.Collect.From.UTC(), To: o.Collect.To.UTC(),
		Writers: o.Accepted, Access: o.Access, Started: run.Resumed.Started.UTC(), Resumed: run.Resumed.Pages, Requests: run.Requests, Throttled: run.Throttled, Digest: run.Digest(), Pseudonymised: o.Pseudonyms != nil,
	}}
	c.About.Clock = o.Collect.Endpoints.Clock
	c.About.ResumeWithin = run.Resumed.Within
	if run.Resumed.Dropped.Pages > 0 {
		c.About.Dropped = &run.Resumed.Dropped
	}
	for i := range o.Sources {
		c.About.Sources = append(c.About.Sources, o.Sources[i].Name)
	}
	return c, nil
}

// Recording is what is kept of a collection as evidence.
func (c *Collected) Recording() (Recording, error) {
	if c.Snapshot.Origin == "trial" {
		return Recording{}, &tickmark.Error{Code: tickmark.CodeUsage, What: "a trial collection cannot be recorded", Hint: "collect again without --try"}
	}
	rec := c.Assessed.Recording()
	b, err := json.Marshal(c.About)
	if err != nil {
		return rec, fmt.Errorf("pin %s: %w", PinCollection, err)
	}
	rec.Pins = append(rec.Pins, history.Pin{Name: PinCollection, Bytes: b})
	rec.Release = c.Run.Release
	return rec, nil
}

// AssessRecorded judges a recorded snapshot anew, from its kept bytes, by the
// catalogue and instant of o; beside are segments of files that are to stand
// beside it (OpenBeside), and which are not recorded by it.
func AssessRecorded(ctx context.Context, st Reader, id string, o AssessOptions, beside ...tickmark.Segment) (*Assessed, error) {
	stored, err := st.Load(ctx, id)
	if err != nil {
		return nil, err
	}
	stored.Snapshot.Segments = append(stored.Snapshot.Segments, beside...)
	return Assess(ctx, stored.Snapshot, o)
}
