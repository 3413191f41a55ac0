// SPDX-License-Identifier: Apache-2.0

package work

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/collect/file"
	"github.com/tickmark/tickmark/history"
	"github.com/tickmark/tickmark/inventory"
)

// AssessOptions say how to assess.
type AssessOptions struct {
	// Now is the instant that clock-dependent checks use (UTC).
	Now time.Time
	// Engine is the version of tickmark.
	Engine string
	// Catalog is the catalogue to use; nil means the embedded one.
	Catalog *catalog.Catalog
	// Overrides name the documents behind the checks of Catalog that are not as
	// the library has them.
	Overrides []CheckOverride
	// Workers bounds the goroutines; 0 means one per processor.
	Workers int

	// relax, if set, gives back the memory behind what was read so far; then
	// the inventory keeps positions, not what was parsed.
	relax func()
}

// Assessed is an assessment with what it was made from. The inventory points
// into the snapshot's bytes.
type Assessed struct {
	*check.Assessment
	Snapshot  *tickmark.Snapshot
	Inventory *inventory.Inventory
	Catalog   *catalog.Catalog
	Overrides []CheckOverride
	// Redactions say which secret values were replaced before evaluation.
	Redactions []inventory.Redaction
}

// rulesOf compiles the embedded catalogue once; another one each time.
func rulesOf(c *catalog.Catalog) (*check.Rules, error) {
	if c == nil {
		return embeddedRules()
	}
	return check.Compile(c)
}

var embeddedRules = sync.OnceValues(func() (*check.Rules, error) {
	c, err := catalog.Default()
	if err != nil {
		return nil, err
	}
	return check.Compile(c)
})

// AssessFiles reads exported files and assesses them. The caller closes the
// files once it is done with the result.
func AssessFiles(ctx context.Context, paths []string, fo file.Options, o AssessOptions) (*Assessed, *file.Files, error) {
	if o.Catalog == nil {
		go func() { _, _ = embeddedRules() }() // compiled while the files are read; errors come again below
	}
	files, err := file.Open(ctx, paths, fo)
	if err != nil {
		return nil, nil, err
	}
	if empty(&files.Snapshot) {
		files.Snapshot.Problems = append(files.Snapshot.Problems, tickmark.Problem{
			Input: strings.Join(paths, ", "), Byte: -1, Reason: tickmark.ReasonNotCollected,
			What: "nothing was found: the input holds no object", Hint: "look whether the export failed or its identity may see nothing; tickmark export-script exports what is there",
		})
	}
	a, err := assess(ctx, &files.Snapshot, o, files.Forget)
	if err != nil {
		_ = files.Close() // the first error is the one to report
		return nil, nil, err
	}
	return a, files, nil
}

// empty reports whether files were read that hold nothing at all, and no problem
// says why: an organisation without one object is more likely a failed export.
func empty(s *tickmark.Snapshot) bool {
	for i := range s.Segments {
		for k := range s.Segments[i].Pages {
			if len(s.Segments[i].Pages[k].Items) > 0 {
				return false
			}
		}
	}
	return len(s.Problems) == 0
}

// Assess redacts a snapshot, takes its inventory and runs the checks.
func Assess(ctx context.Context, snap *tickmark.Snapshot, o AssessOptions) (*Assessed, error) {
	return assess(ctx, snap, o, func([]byte) {})
}

// assess is Assess; forget is told which received bytes are no longer needed.
func assess(ctx context.Context, snap *tickmark.Snapshot, o AssessOptions, forget func([]byte)) (*Assessed, error) {
	rules, err := rulesOf(o.Catalog)
	if err != nil {
		return nil, &tickmark.Error{Code: tickmark.CodeInternal, What: "the catalogue does not compile", Err: err}
	}
	relax := o.relax
	if relax == nil {
		relax = func() {}
	}
	red := inventory.RedactRelaxing(snap, relax)
	for i := range red {
		forget(red[i].Received)
	}
	inv, err := inventory.Build(ctx, snap, inventory.Options{Canonical: rules.Canonical, Workers: o.Workers, Redactions: red, Fold: o.relax != nil, Relax: o.relax})
	if err != nil {
		return nil, err
	}
	a, err := check.Run(ctx, snap, inv, rules, check.Options{Now: o.Now, Engine: o.Engine, Workers: o.Workers, Relax: o.relax})
	if err != nil {
		return nil, err
	}
	a.Inputs = inputs(snap, red)
	return &Assessed{Assessment: a, Snapshot: snap, Inventory: inv, Catalog: rules.Catalog, Overrides: o.Overrides, Redactions: red}, nil
}

// Detach gives up the inventory, and with it the explanations of the results:
// recording needs neither, and a tenant's are most of what is in memory.
func (a *Assessed) Detach() {
	a.Inventory = nil
	a.Results.Detach()
}

// inputs lists the pages with the digests of the bytes as received, which a
// person can compare with the file, and of those kept where they differ.
func inputs(s *tickmark.Snapshot, red []inventory.Redaction) []check.Input {
	var out []check.Input
	for i, seg := range s.Segments {
		for j, p := range seg.Pages {
			in := check.Input{Name: p.Name, Digest: p.Digest, Bytes: int64(len(p.Bytes)), Form: p.Form, Items: len(p.Items)}
			for _, r := range red {
				if r.Segment == i && r.Page == j {
					in.Digest, in.Kept, in.Bytes, in.Redacted = r.Digest, &seg.Pages[j].Digest, int64(len(r.Received)), len(r.Marks)
				}
			}
			out = append(out, in)
		}
	}
	return out
}

// Incomplete reports whether something was not read: a problem, an input that
// is known to be cut, a question that was not answered, or resources of which
// not one could be decided. What a person declined or left out with a reason,
// and what the cloud does not have, stays unknown but needs nobody's attention.
// A source or question that a collection left out without a reason does; files are
// what somebody chose to give, and what nobody gave is only unknown.
func (a *Assessed) Incomplete() bool {
	return len(a.Problems) > 0 || a.Undecided() || slices.ContainsFunc(a.Coverage, lacking)
}

// settled are the reasons for not reading something that were given before.
func settled(r tickmark.Reason) bool {
	return r == tickmark.ReasonNone || r == tickmark.ReasonDeclined || r == tickmark.ReasonExcluded || r == tickmark.ReasonNotNamed || r == tickmark.ReasonNotOffered
}

// lacking reports whether a segment misses something that it should have.
func lacking(c tickmark.Coverage) bool {
	if len(c.Asks) == 0 {
		return !settled(c.Missing)
	}
	told := false
	for i := range c.Asks {
		k := &c.Asks[i]
		told = told || k.Missing != tickmark.ReasonNone || len(k.Refusals)+len(k.Excluded) > 0
		if !settled(k.Missing) || slices.ContainsFunc(k.Refusals, func(r tickmark.Refusal) bool { return !settled(r.Reason) }) ||
			k.Missing == tickmark.ReasonNone && k.Answered+len(k.Refusals)+len(k.Excluded) < k.Subjects {
			return true
		}
	}
	return !told && c.Missing != tickmark.ReasonNone
}

// Undecided reports whether there are results and not one of them is decided.
func (a *Assessed) Undecided() bool {
	unknown := false
	for i := range a.Checks {
		c := a.Checks[i].Counts
		if c.Pass+c.Fail+c.Exempt > 0 {
			return false
		}
		unknown = unknown || c.Unknown > 0
	}
	return unknown
}

// The pins of a snapshot: everything besides the bytes that decides results.
const (
	PinCatalog  = "catalog"
	PinSettings = "settings"
	// PinOverrides names the documents of the ledger behind checks of the pinned
	// catalogue that are the organisation's; it is there where there are any.
	PinOverrides = "overrides"
)

// settings are the pinned choices of an assessment.
type settings struct {
	Now        time.Time `json:"now"`
	Origin     string    `json:"origin"`
	ObservedAt time.Time `json:"observedAt"`
}

// Recording returns what is kept of the assessment as evidence: the bytes, the
// results, and everything else that decided them.
func (a *Assessed) Recording() Recording {
	s := settings{Now: a.Now.UTC(), Origin: a.Snapshot.Origin, ObservedAt: a.Snapshot.ObservedAt.UTC()}
	b, err := json.Marshal(s)
	if err != nil {
		b = nil // a struct of times and strings always marshals
	}
	pins := []history.Pin{{Name: PinCatalog, Bytes: a.Catalog.Archive()}, {Name: PinSettings, Bytes: b}}
	if len(a.Overrides) > 0 {
		if b, err := json.Marshal(a.Overrides); err == nil { // digests, numbers and times always marshal
			pins = append(pins, history.Pin{Name: PinOverrides, Bytes: b})
		}
	}
	return Recording{Snapshot: a.Snapshot, Results: a.Results.Bare(), Engine: a.Engine, Pins: pins}
}

// Again returns the Evaluate that assesses a recorded snapshot from its pins.
func Again(engine string) Evaluate {
	return func(ctx context.Context, snap *tickmark.Snapshot, pins map[string][]byte) (iter.Seq[tickmark.Result], string, error) {
		var s settings
		if err := json.Unmarshal(pins[PinSettings], &s); err != nil {
			return nil, engine, fmt.Errorf("read pin %s: %w", PinSettings, err)
		}
		c, err := catalog.OpenArchive(pins[PinCatalog])
		if err != nil {
			return nil, engine, fmt.Errorf("read pin %s: %w", PinCatalog, err)
		}
		a, err := Assess(ctx, snap, AssessOptions{Now: s.Now, Engine: engine, Catalog: c})
		if err != nil {
			return nil, engine, err
		}
		return a.Results.Bare(), engine, nil
	}
}
