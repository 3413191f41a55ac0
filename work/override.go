// SPDX-License-Identifier: Apache-2.0

package work

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/history"
	"github.com/tickmark/tickmark/ledger"
)

// Shelf keeps all versions of documents.
type Shelf interface {
	// Documents returns every version of every document of a kind, by id and
	// version. One that the ledger contradicts is an error.
	Documents(ctx context.Context, kind string) ([]history.Document, error)
	// PutAll stores the versions after the latest ones: all or none.
	PutAll(ctx context.Context, docs []history.Document, now time.Time) ([]history.Document, error)
}

// kindOverride is the kind of documents that hold overrides.
const kindOverride = "override"

// overrideBody is a document of an override. Entry and Base are JSON.
type overrideBody struct {
	Kind      string          `json:"kind"`
	ID        string          `json:"id"`
	Reason    string          `json:"reason"`
	Withdrawn bool            `json:"withdrawn"`
	File      string          `json:"file,omitempty"`
	Entry     json.RawMessage `json:"entry,omitempty"`
	// Base is the library's entry that was overridden, BaseDigest its digest,
	// and Library names the whole library of that time.
	Base       json.RawMessage  `json:"base,omitempty"`
	BaseDigest *tickmark.Digest `json:"baseDigest,omitempty"`
	Library    tickmark.Digest  `json:"library"`
}

// OverrideVersion is one recorded version of an override.
type OverrideVersion struct {
	catalog.Recorded
	Kind, ID  string
	Seq       int64
	Digest    tickmark.Digest // of the document
	Withdrawn bool
	Entry     []byte
}

// Key names the entry: KIND/ID.
func (v *OverrideVersion) Key() string { return v.Kind + "/" + v.ID }

func (v *OverrideVersion) override() (*catalog.Override, error) {
	return catalog.StoredOverride(v.Kind, v.ID, v.Entry, v.Recorded, fmt.Sprintf("override %s version %d", v.Key(), v.Version))
}

// Overrides lists every version of every override, by key and version.
func Overrides(ctx context.Context, st Shelf) ([]OverrideVersion, error) {
	docs, err := st.Documents(ctx, kindOverride)
	if err != nil {
		return nil, err
	}
	out := make([]OverrideVersion, 0, len(docs))
	for _, d := range docs {
		var b overrideBody
		if err := json.Unmarshal(d.Body, &b); err != nil || d.Schema != 1 {
			return nil, &tickmark.Error{Code: tickmark.CodeInput, Where: fmt.Sprintf("override %s version %d", d.ID, d.Version), What: fmt.Sprintf("is of schema %d, which this version does not read", d.Schema), Err: err, Hint: "use the tickmark that recorded it, or a newer one"}
		}
		v := OverrideVersion{Kind: b.Kind, ID: b.ID, Seq: d.Seq, Digest: tickmark.DigestOf(d.Body), Withdrawn: b.Withdrawn, Entry: b.Entry}
		v.Recorded = catalog.Recorded{Version: d.Version, Effective: d.EffectiveFrom, At: d.RecordedAt, Actor: d.Actor, Reason: b.Reason, Base: b.Base}
		out = append(out, v)
	}
	return out, nil
}

// When chooses versions in both times. The zero value means everything that is
// known now, in force without end.
type When struct {
	// AsOf is when it was in force at the organisation.
	AsOf time.Time
	// Known is up to when it had been recorded here.
	Known time.Time
}

// sees reports whether a version counts at that time.
func (w When) sees(v *OverrideVersion) bool {
	return (w.AsOf.IsZero() || !v.Effective.After(w.AsOf)) && (w.Known.IsZero() || !v.At.After(w.Known))
}

// InForce chooses the versions that count, by key: of those whose effective
// date has come, the one recorded last, unless it withdraws the override.
func InForce(list []OverrideVersion, w When) []OverrideVersion {
	last := map[string]OverrideVersion{}
	for _, v := range list {
		if w.sees(&v) && v.Version > last[v.Key()].Version {
			last[v.Key()] = v
		}
	}
	var out []OverrideVersion
	for _, v := range last {
		if !v.Withdrawn {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b OverrideVersion) int { return strings.Compare(a.Key(), b.Key()) })
	return out
}

// effective is the library with these versions.
func effective(base *catalog.Library, list []OverrideVersion) (*catalog.Library, error) {
	var all []*catalog.Override
	for _, v := range list {
		o, err := v.override()
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return base.With(all)
}

// EffectiveLibrary is the library as the organisation has it at a time. Where
// nothing is overridden it is the library itself.
func EffectiveLibrary(ctx context.Context, st Shelf, w When) (*catalog.Library, error) {
	base, err := catalog.DefaultLibrary()
	if err != nil {
		return nil, &tickmark.Error{Code: tickmark.CodeInternal, What: "the built-in library does not load", Err: err}
	}
	list, err := Overrides(ctx, st)
	if err != nil {
		return nil, err
	}
	l, err := effective(base, InForce(list, w))
	if err != nil {
		return nil, unfit(err)
	}
	return l, nil
}

// unfit explains that what is recorded no longer fits the library.
func unfit(err error) error {
	return &tickmark.Error{
		Code: tickmark.CodeInput, What: "recorded overrides do not fit the library of this version", Err: err,
		Hint: "record them anew with tickmark catalogue override, or withdraw them with tickmark catalogue withdraw",
	}
}

// EffectiveCatalog is the catalogue with the checks as the organisation has
// them, and what was overridden in it, to be pinned. It returns nil where no
// check is overridden: then the embedded catalogue counts.
func EffectiveCatalog(ctx context.Context, st Shelf, w When) (*catalog.Catalog, []CheckOverride, error) {
	list, err := Overrides(ctx, st)
	if err != nil {
		return nil, nil, err
	}
	var checks []OverrideVersion
	var pins []CheckOverride
	for _, v := range InForce(list, w) {
		if v.Kind == "check" {
			checks = append(checks, v)
			pins = append(pins, CheckOverride{Check: v.ID, Version: v.Version, Seq: v.Seq, Digest: v.Digest, Effective: v.Effective, Recorded: v.At})
		}
	}
	if len(checks) == 0 {
		return nil, nil, nil
	}
	base, err := catalog.DefaultLibrary()
	if err != nil {
		return nil, nil, &tickmark.Error{Code: tickmark.CodeInternal, What: "the built-in library does not load", Err: err}
	}
	l, err := effective(base, checks)
	if err != nil {
		return nil, nil, unfit(err)
	}
	return l.Catalog(), pins, nil
}

// CheckOverride names, in a pin, the document behind a check that is not as
// the library has it.
type CheckOverride struct {
	Check     string          `json:"check"`
	Version   int64           `json:"version"`
	Seq       int64           `json:"seq"`
	Digest    tickmark.Digest `json:"digest"`
	Effective time.Time       `json:"effective"`
	Recorded  time.Time       `json:"recorded"`
}

// pinned holds what a snapshot says of overridden checks to the ledger: every
// entry of the pin is a document that was recorded so, and the checks of the
// pinned catalogue that say they are overridden are those of the pin.
func pinned(ctx context.Context, st Reader, snapshot string, pins map[string][]byte) error {
	bad := func(what string, err error) error {
		return &tickmark.Error{Code: tickmark.CodeTampered, Where: "snapshot " + snapshot + ", pin " + PinOverrides, What: what, Err: err, Hint: "run: tickmark verify"}
	}
	var list []CheckOverride
	if b, ok := pins[PinOverrides]; ok {
		if err := json.Unmarshal(b, &list); err != nil {
			return bad("cannot be read", err)
		}
	}
	marks := map[string]catalog.CheckOverride{}
	if b, ok := pins[PinCatalog]; ok {
		c, err := catalog.OpenArchive(b)
		if err != nil {
			return fmt.Errorf("read pin %s: %w", PinCatalog, err)
		}
		for _, k := range c.Checks {
			if k.Override != nil {
				marks[k.ID] = *k.Override
			}
		}
	}
	if len(list) == 0 && len(marks) == 0 {
		return nil
	}
	shelf, ok := st.(Shelf)
	if !ok {
		return &tickmark.Error{Code: tickmark.CodeInternal, What: "what is recorded of overrides cannot be read here"}
	}
	recorded, err := Overrides(ctx, shelf)
	if err != nil {
		return err
	}
	for _, p := range list {
		i := slices.IndexFunc(recorded, func(v OverrideVersion) bool {
			return v.Kind == "check" && v.ID == p.Check && v.Version == p.Version
		})
		name := fmt.Sprintf("check/%s version %d", p.Check, p.Version)
		if i < 0 {
			return bad(name+" was never recorded", nil)
		}
		v := &recorded[i]
		if v.Seq != p.Seq || v.Digest != p.Digest || !v.Effective.Equal(p.Effective) || !v.At.Equal(p.Recorded) {
			return bad(fmt.Sprintf("%s is not leaf %d with digest %s, as the ledger has it", name, v.Seq, v.Digest), nil)
		}
		if m, ok := marks[p.Check]; !ok || m.Version != v.Version || m.Effective != v.Effective.UTC().Format(time.RFC3339) || m.Recorded != v.At.UTC().Format(time.RFC3339) {
			return bad(name+" is not what the pinned catalogue says of the check", nil)
		}
		delete(marks, p.Check)
	}
	for _, id := range slices.Sorted(maps.Keys(marks)) {
		return bad("the pinned catalogue has the check "+id+" as overridden, and the pin does not name its document", nil)
	}
	return nil
}

// OverrideOptions say how overrides are recorded.
type OverrideOptions struct {
	Reason, Actor string
	// Effective is from when they count; zero means now.
	Effective time.Time
	Now       time.Time
	// File is named in the documents.
	File string
}

func (o *OverrideOptions) check() error {
	if strings.TrimSpace(o.Reason) == "" || strings.TrimSpace(o.Actor) == "" {
		return &tickmark.Error{Code: tickmark.CodeUsage, What: "an override needs a reason and an actor", Hint: "give --reason and --actor; the auditor reads them"}
	}
	if o.Effective.IsZero() {
		o.Effective = o.Now
	}
	return nil
}

// Override records overrides, all or none. They are held to the library's
// validators, the compiler of rules and the lint, at their effective date and
// at every later change that is already recorded.
func Override(ctx context.Context, st Shelf, drafts []*catalog.Override, o OverrideOptions) ([]OverrideVersion, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	base, list, err := shelf(ctx, st)
	if err != nil {
		return nil, err
	}
	for i, d := range drafts {
		if slices.ContainsFunc(drafts[:i], func(x *catalog.Override) bool { return x.Key() == d.Key() }) {
			return nil, d.Problem("", d.Key()+" is given twice", "one version is recorded of each entry")
		}
	}
	proposed, problems := hold(base, list, o.Effective, drafts)
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	next := make([]overrideBody, len(drafts))
	for i, d := range drafts {
		next[i] = overrideBody{Kind: d.Kind, ID: d.ID, Reason: o.Reason, File: o.File, Entry: d.Entry, Library: base.Digest()}
		if l := proposed.Override(d.Kind, d.ID).Library; len(l) > 0 {
			digest := tickmark.DigestOf(l)
			next[i].Base, next[i].BaseDigest = l, &digest
		}
	}
	return put(ctx, st, list, next, o)
}

// Withdraw ends an override: from the effective date on the library's entry
// counts again, and one of the organisation's own is gone. The versions stay.
func Withdraw(ctx context.Context, st Shelf, key string, o OverrideOptions) ([]OverrideVersion, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	base, list, err := shelf(ctx, st)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(InForce(list, When{AsOf: o.Effective}), func(v OverrideVersion) bool { return v.Key() == key })
	if i < 0 {
		return nil, &tickmark.Error{Code: tickmark.CodeUsage, What: fmt.Sprintf("no override of %q is in force on %s", key, o.Effective.UTC().Format(time.DateOnly)), Hint: "tickmark catalogue list --all names all that were recorded"}
	}
	kind, id, _ := strings.Cut(key, "/")
	after := append(slices.Clone(list), OverrideVersion{Kind: kind, ID: id, Withdrawn: true, Recorded: catalog.Recorded{Version: latest(list, key) + 1, Effective: o.Effective}})
	before := map[string]bool{}
	_, problems := hold(base, list, o.Effective, nil)
	for _, e := range problems {
		before[e.Error()] = true
	}
	_, problems = hold(base, after, o.Effective, nil)
	for _, e := range problems {
		if !before[e.Error()] {
			return nil, &tickmark.Error{Code: tickmark.CodeInput, Where: key, What: "what is recorded does not fit together without it", Err: e, Hint: "override or withdraw what refers to it first"}
		}
	}
	return put(ctx, st, list, []overrideBody{{Kind: kind, ID: id, Reason: o.Reason, Withdrawn: true, Library: base.Digest()}}, o)
}

func shelf(ctx context.Context, st Shelf) (*catalog.Library, []OverrideVersion, error) {
	base, err := catalog.DefaultLibrary()
	if err != nil {
		return nil, nil, &tickmark.Error{Code: tickmark.CodeInternal, What: "the built-in library does not load", Err: err}
	}
	list, err := Overrides(ctx, st)
	return base, list, err
}

func latest(list []OverrideVersion, key string) int64 {
	var n int64
	for i := range list {
		if list[i].Key() == key {
			n = max(n, list[i].Version)
		}
	}
	return n
}

// hold returns the library at a time, with drafts in the place of what is
// recorded of the same entries, and what is wrong with it then or at any
// recorded change after it.
func hold(base *catalog.Library, list []OverrideVersion, from time.Time, drafts []*catalog.Override) (*catalog.Library, []error) {
	times := []time.Time{from}
	for i := range list {
		if list[i].Effective.After(from) {
			times = append(times, list[i].Effective)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	var first *catalog.Library
	var out []error
	seen := map[string]bool{}
	for i, at := range slices.CompactFunc(times, time.Time.Equal) {
		l, problems := holdAt(base, list, at, drafts)
		if i == 0 {
			first = l
		}
		for _, e := range problems {
			if !seen[e.Error()] {
				seen[e.Error()] = true
				out = append(out, e)
			}
		}
	}
	return first, out
}

func holdAt(base *catalog.Library, list []OverrideVersion, at time.Time, drafts []*catalog.Override) (*catalog.Library, []error) {
	all := slices.Clone(drafts)
	for _, v := range InForce(list, When{AsOf: at}) {
		if slices.ContainsFunc(drafts, func(d *catalog.Override) bool { return d.Key() == v.Key() }) {
			continue
		}
		o, err := v.override()
		if err != nil {
			return nil, []error{err}
		}
		all = append(all, o)
	}
	l, err := base.With(all)
	if err != nil {
		return nil, []error{err}
	}
	if l.Catalog() != base.Catalog() {
		if _, err := check.Compile(l.Catalog()); err != nil {
			return nil, []error{&tickmark.Error{Code: tickmark.CodeInput, What: "a rule does not compile", Err: err}}
		}
	}
	var out []error
	for _, f := range l.LintOver(base) {
		o := l.Override("control", f.Control)
		if o == nil {
			out = append(out, &tickmark.Error{Code: tickmark.CodeInput, Where: f.Control + f.Criterion, What: f.Rule + ": " + f.What, Hint: f.Hint})
			continue
		}
		out = append(out, o.Problem("statement", o.Key()+": "+f.Rule+": "+f.What, f.Hint))
	}
	return l, out
}

// put records the next versions.
func put(ctx context.Context, st Shelf, list []OverrideVersion, next []overrideBody, o OverrideOptions) ([]OverrideVersion, error) {
	docs := make([]history.Document, len(next))
	for i, b := range next {
		body, err := ledger.Encode(b)
		if err != nil {
			return nil, fmt.Errorf("encode the override of %s/%s: %w", b.Kind, b.ID, err)
		}
		key := b.Kind + "/" + b.ID
		docs[i] = history.Document{Kind: kindOverride, ID: key, Version: latest(list, key) + 1, Schema: 1, EffectiveFrom: o.Effective, Actor: o.Actor, Body: body}
	}
	docs, err := st.PutAll(ctx, docs, o.Now)
	if err != nil {
		return nil, err
	}
	out := make([]OverrideVersion, 0, len(docs))
	for i := range min(len(docs), len(next)) {
		d, b := docs[i], next[i]
		out = append(out, OverrideVersion{
			Kind: b.Kind, ID: b.ID, Seq: d.Seq, Digest: tickmark.DigestOf(d.Body), Withdrawn: b.Withdrawn, Entry: b.Entry,
			Recorded: catalog.Recorded{Version: d.Version, Effective: d.EffectiveFrom, At: d.RecordedAt, Actor: d.Actor, Reason: b.Reason, Base: b.Base},
		})
	}
	slices.SortFunc(out, func(a, b OverrideVersion) int { return cmp.Compare(a.Seq, b.Seq) })
	return out, nil
}
