// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/report"
	"github.com/tickmark/tickmark/store"
	"github.com/tickmark/tickmark/work"
)

type catalogueCommand struct {
	Override catalogueOverrideCommand `cmd:"" help:"Record what your organisation says differently, or entries of its own (doc/spec/override.md)."`
	List     catalogueListCommand     `cmd:"" help:"List what is overridden."`
	Show     catalogueShowCommand     `cmd:"" help:"Show every recorded version of one override."`
	Diff     catalogueDiffCommand     `cmd:"" help:"Compare overrides with the library, member by member, and the library then with the library now."`
	Withdraw catalogueWithdrawCommand `cmd:"" help:"End an override: the library's entry counts again."`
}

// recordFlags are what every recorded word needs.
type recordFlags struct {
	Reason    string `required:"" placeholder:"TEXT" help:"Why; the auditor reads it."`
	Effective string `placeholder:"DATE" help:"From when it counts (a day or an instant); default: now."`
	Actor     string `default:"operator" help:"Who decided it."`
	JSON      bool   `help:"Print JSON."`
	dataFlags
}

func (f *recordFlags) options(rc *runContext) (work.OverrideOptions, error) {
	o := work.OverrideOptions{Reason: f.Reason, Actor: f.Actor, Now: rc.Now().UTC()}
	if f.Effective == "" {
		return o, nil
	}
	var err error
	o.Effective, _, err = dateOrInstant(f.Effective, "--effective")
	return o, err
}

type catalogueOverrideCommand struct {
	Files []string `arg:"" name:"file" help:"YAML files with entries, as the library's own files have them." type:"path"`
	recordFlags
}

// Run records overrides, all or none.
func (c *catalogueOverrideCommand) Run(rc *runContext) error {
	o, err := c.options(rc)
	if err != nil {
		return err
	}
	var drafts []*catalog.Override
	var problems []error
	for _, name := range c.Files {
		b, err := readInput(name)
		if err == nil {
			var list []*catalog.Override
			list, err = catalog.ReadOverrides(name, b)
			drafts = append(drafts, list...)
		}
		if err != nil {
			problems = append(problems, err)
		}
	}
	if len(problems) > 0 {
		return nothingRecorded(errors.Join(problems...))
	}
	o.File = strings.Join(c.Files, ", ")
	return c.with(rc, func(s *store.Store) error {
		done, err := work.Override(rc.Context, s, drafts, o)
		if err != nil {
			return nothingRecorded(err)
		}
		return printRecorded(rc, c.JSON, done)
	})
}

// nothingRecorded lists every problem and says that the ledger is as before.
func nothingRecorded(err error) error {
	return errors.Join(err, &tickmark.Error{Code: tickmark.CodeInput, What: "nothing was recorded"})
}

// versionView is a version as JSON.
type versionView struct {
	Entry     string          `json:"entry"`
	Version   int64           `json:"version"`
	State     string          `json:"state"`
	Effective time.Time       `json:"effective"`
	Recorded  time.Time       `json:"recorded"`
	Actor     string          `json:"actor"`
	Reason    string          `json:"reason"`
	Seq       int64           `json:"leaf"`
	Digest    tickmark.Digest `json:"digest"`
	Says      json.RawMessage `json:"says,omitempty"`
	Library   json.RawMessage `json:"libraryThen,omitempty"`
	Changed   bool            `json:"libraryChanged"`
}

func viewVersion(v *work.OverrideVersion, state string) versionView {
	return versionView{
		Entry: v.Key(), Version: v.Version, State: state, Effective: v.Effective.UTC(), Recorded: v.At.UTC(), Actor: v.Actor, Reason: v.Reason,
		Seq: v.Seq, Digest: v.Digest, Says: v.Entry, Library: v.Base,
	}
}

func printRecorded(rc *runContext, asJSON bool, done []work.OverrideVersion) error {
	views := make([]versionView, len(done))
	for i := range done {
		v := &done[i]
		state := stateOf(v)
		views[i] = viewVersion(v, state)
		if asJSON {
			continue
		}
		back := ""
		switch days := int(v.At.Sub(v.Effective).Hours() / 24); {
		case days > 0:
			back = ", back-dated by " + count(days, "day", "days")
		case v.Effective.After(v.At):
			back = ", in the future"
		}
		fmt.Fprintf(rc.Out, "recorded %s version %d (%s), effective %s%s, leaf %d\n", v.Key(), v.Version, state, dateOf(v.Effective), back, v.Seq)
	}
	if asJSON {
		return printJSON(rc, views)
	}
	return nil
}

func stateOf(v *work.OverrideVersion) string {
	switch {
	case v.Withdrawn:
		return "withdrawn"
	case len(v.Base) == 0:
		return "own"
	}
	return "override"
}

// versionFlags choose which versions are looked at, and how they are printed.
type versionFlags struct {
	formFlags
	dataFlags
	whenFlags
}

// versions are all that were recorded, as they are seen at the chosen time.
type versions struct {
	all, force []work.OverrideVersion
	when       work.When
	library    *catalog.Library
	// unfit says what of the overrides no longer fits the library, which then is nil.
	unfit error
}

// versions reads what was recorded. It needs no override to fit the library.
func (f *versionFlags) versions(rc *runContext) (*versions, error) {
	w, err := f.when(rc.Now().UTC())
	if err != nil {
		return nil, err
	}
	v := &versions{when: w}
	err = f.with(rc, func(s *store.Store) error {
		var err error
		if v.all, err = work.Overrides(rc.Context, s); err != nil {
			return err
		}
		v.force = work.InForce(v.all, w)
		v.library, v.unfit = work.EffectiveLibrary(rc.Context, s, w)
		return nil
	})
	return v, err
}

// view is a version as it is printed.
func (v *versions) view(x *work.OverrideVersion) versionView {
	out := viewVersion(x, stateIn(x, v.force, v.when))
	if v.library != nil && out.State != "replaced" {
		o := v.library.Override(x.Kind, x.ID)
		out.Changed = o != nil && o.Version == x.Version && o.Changed()
	}
	return out
}

type catalogueListCommand struct {
	All   bool     `help:"Every version, also those that were replaced, withdrawn or are still to come."`
	Query []string `arg:"" optional:"" name:"word" help:"Only entries that contain every word."`
	versionFlags
}

// Run lists overrides.
func (c *catalogueListCommand) Run(rc *runContext) error {
	v, err := c.versions(rc)
	if err != nil {
		return err
	}
	list := v.force
	if c.All {
		list = v.all
	}
	t := &report.Listing{Columns: []string{"entry", "state", "version", "effective", "recorded", "by", "reason"}, Wide: 6}
	views := []versionView{}
	search := listFlags{Query: c.Query}
	changed := 0
	for i := range list {
		x := v.view(&list[i])
		if !search.matches(x) {
			continue
		}
		views = append(views, x)
		state := x.State
		if x.Changed {
			state += ", library changed since"
			changed++
		}
		t.Rows = append(t.Rows, []string{x.Entry, state, fmt.Sprint(x.Version), dateOf(x.Effective), dateOf(x.Recorded), x.Actor, oneLine(x.Reason)})
	}
	t.Notes = []string{fmt.Sprintf("%s; %s in force. What an override does not say stands as in the library.", count(len(views), "version", "versions"), count(len(v.force), "entry", "entries"))}
	if changed > 0 {
		t.Notes = append(t.Notes, fmt.Sprintf("%d: the library's entry changed since you overrode it; tickmark catalogue diff shows how.", changed))
	}
	return errors.Join(c.print(rc, t, views), v.unfit)
}

// stateIn says what a version is at the chosen time.
func stateIn(v *work.OverrideVersion, force []work.OverrideVersion, w work.When) string {
	switch {
	case slices.ContainsFunc(force, func(x work.OverrideVersion) bool { return x.Key() == v.Key() && x.Version == v.Version }):
		return stateOf(v)
	case !w.Known.IsZero() && v.At.After(w.Known):
		return "not yet recorded"
	case v.Effective.After(w.AsOf):
		return "to come"
	case v.Withdrawn:
		return "withdrawn"
	}
	return "replaced"
}

type catalogueShowCommand struct {
	Entry string `arg:"" help:"KIND/ID, as tickmark catalogue list names it."`
	versionFlags
}

// Run shows the versions of an override.
func (c *catalogueShowCommand) Run(rc *runContext) error {
	v, err := c.versions(rc)
	if err != nil {
		return err
	}
	e := &report.Entry{Title: c.Entry, Subtitle: "versions of the organisation"}
	var views []versionView
	var keys []string
	for i := range v.all {
		if keys = append(keys, v.all[i].Key()); !strings.EqualFold(v.all[i].Key(), c.Entry) {
			continue
		}
		x := v.view(&v.all[i])
		views = append(views, x)
		section := report.Section{
			Label: fmt.Sprintf("Version %d: %s", x.Version, x.State),
			Text:  fmt.Sprintf("Effective %s, recorded %s by %s, leaf %d, digest %s: %s", dateOf(x.Effective), x.Recorded.Format(time.RFC3339), x.Actor, x.Seq, x.Digest, oneLine(x.Reason)),
		}
		if x.Changed {
			section.Items = append(section.Items, "the library's entry changed since; tickmark catalogue diff shows how")
		}
		for _, m := range flat(x.Says) {
			section.Items = append(section.Items, m.path+": "+oneLine(m.text))
		}
		e.Sections = append(e.Sections, section)
	}
	if len(views) == 0 {
		return noSuch("override", c.Entry, slices.Compact(keys), "catalogue")
	}
	return c.show(rc, e, views)
}

// member is a part of an entry by its path.
type member struct{ path, text string }

// flat lists the parts of a JSON object, sorted; lists stay whole.
func flat(b []byte) []member {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if len(b) == 0 || d.Decode(&v) != nil {
		return nil
	}
	var out []member
	var walk func(string, any)
	walk = func(path string, v any) {
		if m, ok := v.(map[string]any); ok {
			for _, k := range slices.Sorted(maps.Keys(m)) {
				walk(strings.TrimPrefix(path+"."+k, "."), m[k])
			}
			return
		}
		text, ok := v.(string)
		if !ok {
			b, err := unescaped(v)
			if err != nil {
				return
			}
			text = string(b)
		}
		out = append(out, member{path, text})
	}
	walk("", v)
	return out
}

type catalogueDiffCommand struct {
	Entry []string `arg:"" optional:"" help:"KIND/ID; without it, all that are in force."`
	formFlags
	dataFlags
	whenFlags
}

// difference is one member that is said differently.
type difference struct {
	Entry        string `json:"entry"`
	Member       string `json:"member"`
	LibraryThen  string `json:"libraryThen"`
	LibraryNow   string `json:"libraryNow"`
	Organisation string `json:"organisation"`
	Changed      bool   `json:"libraryChanged"`
}

// Run compares.
func (c *catalogueDiffCommand) Run(rc *runContext) error {
	w, err := c.when(rc.Now().UTC())
	if err != nil {
		return err
	}
	var l *catalog.Library
	err = c.with(rc, func(s *store.Store) error {
		var err error
		l, err = work.EffectiveLibrary(rc.Context, s, w)
		return err
	})
	if err != nil {
		return err
	}
	list := []difference{}
	var keys []string
	found := map[string]bool{}
	for _, o := range l.Overrides() {
		keys = append(keys, o.Key())
		if len(c.Entry) > 0 && !slices.Contains(c.Entry, o.Key()) {
			continue
		}
		found[o.Key()] = true
		list = append(list, differences(o)...)
	}
	for _, k := range c.Entry {
		if !found[k] {
			return noSuch("override in force of", k, keys, "catalogue")
		}
	}
	e := &report.Entry{Title: "The organisation beside the library"}
	for _, d := range list {
		if n := len(e.Sections); n == 0 || e.Sections[n-1].Label != d.Entry {
			e.Sections = append(e.Sections, report.Section{Label: d.Entry})
		}
		s := &e.Sections[len(e.Sections)-1]
		text := fmt.Sprintf("%s: %s → %s", d.Member, cmp.Or(oneLine(d.LibraryNow), "(not there)"), cmp.Or(oneLine(d.Organisation), "(removed)"))
		if d.Changed {
			s.Text = "The library's entry changed since you overrode it."
			text = fmt.Sprintf("%s: the library said %s, says now %s, the organisation says %s", d.Member, cmp.Or(oneLine(d.LibraryThen), "(nothing)"), cmp.Or(oneLine(d.LibraryNow), "(nothing)"), cmp.Or(oneLine(d.Organisation), "(nothing of it)"))
		}
		s.Items = append(s.Items, text)
	}
	if c.CSV || c.Markdown || c.JSON {
		t := &report.Listing{Columns: []string{"entry", "member", "libraryThen", "libraryNow", "organisation", "libraryChanged"}, Wide: 3}
		for _, d := range list {
			t.Rows = append(t.Rows, []string{d.Entry, d.Member, d.LibraryThen, d.LibraryNow, d.Organisation, fmt.Sprint(d.Changed)})
		}
		return c.print(rc, t, list)
	}
	return c.show(rc, e, list)
}

// differences lists what an override says otherwise than the library, and what
// the library says otherwise than when it was overridden.
func differences(o *catalog.Override) []difference {
	texts := func(b []byte) map[string]string {
		out := map[string]string{}
		for _, m := range flat(b) {
			out[m.path] = m.text
		}
		return out
	}
	then, now, says := texts(o.Base), texts(o.Library), texts(o.Entry)
	paths := map[string]bool{}
	for p, text := range says {
		paths[p] = now[p] != text
	}
	for _, side := range []map[string]string{then, now} {
		for p := range side {
			if o.Version > 0 && then[p] != now[p] {
				paths[p] = true
			}
		}
	}
	var out []difference
	for _, p := range slices.Sorted(maps.Keys(paths)) {
		if paths[p] {
			out = append(out, difference{o.Key(), p, then[p], now[p], says[p], then[p] != now[p]})
		}
	}
	return out
}

type catalogueWithdrawCommand struct {
	Entry string `arg:"" help:"KIND/ID, as tickmark catalogue list names it."`
	recordFlags
}

// Run withdraws an override.
func (c *catalogueWithdrawCommand) Run(rc *runContext) error {
	o, err := c.options(rc)
	if err != nil {
		return err
	}
	return c.with(rc, func(s *store.Store) error {
		done, err := work.Withdraw(rc.Context, s, c.Entry, o)
		if err != nil {
			return err
		}
		return printRecorded(rc, c.JSON, done)
	})
}
