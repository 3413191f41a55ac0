// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/report"
	"github.com/tickmark/tickmark/store"
	"github.com/tickmark/tickmark/work"
)

// libraryFlags choose whose library is read: the built-in one, or with a data
// directory the organisation's.
type libraryFlags struct {
	Dir string `name:"dir" aliases:"data" short:"d" env:"TICKMARK_DIR" placeholder:"DIR" help:"As the organisation of this data directory has it, each entry with its origin."`
	DB  string `name:"db" env:"TICKMARK_DB" placeholder:"URL" help:"PostgreSQL instead of the data directory's own SQLite."`
	whenFlags
}

// whenFlags choose a time, in both times.
type whenFlags struct {
	AsOf    string `help:"As it was in force on that day (its end) or at that instant; default: now." placeholder:"DATE"`
	KnownAt string `help:"As far as it had been recorded by the end of that day or by that instant." placeholder:"DATE"`
}

func (f whenFlags) when(now time.Time) (work.When, error) {
	w := work.When{AsOf: now}
	for _, x := range []struct {
		text, flag string
		to         *time.Time
	}{{f.AsOf, "--as-of", &w.AsOf}, {f.KnownAt, "--known-at", &w.Known}} {
		if x.text == "" {
			continue
		}
		t, day, err := dateOrInstant(x.text, x.flag)
		if err != nil {
			return w, err
		}
		if day { // a day is seen from its end
			t = t.AddDate(0, 0, 1).Add(-time.Microsecond)
		}
		*x.to = t
	}
	return w, nil
}

// dateOrInstant reads a day (UTC) or an RFC 3339 instant.
func dateOrInstant(s, flag string) (t time.Time, day bool, err error) {
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t, true, nil
	}
	t, err = time.Parse(time.RFC3339, s)
	if err != nil {
		return t, false, &tickmark.Error{Code: tickmark.CodeUsage, What: fmt.Sprintf("%q is neither a day nor an instant", s), Where: flag, Hint: "write 2026-06-30 or 2026-06-30T12:00:00Z"}
	}
	return t.UTC(), false, nil
}

func (f *libraryFlags) data() dataFlags { return dataFlags{Dir: f.Dir, DB: f.DB} }

// library loads the library that was chosen.
func (f *libraryFlags) library(rc *runContext) (*catalog.Library, error) {
	if f.Dir == "" {
		if f.AsOf != "" || f.KnownAt != "" {
			return nil, usage("a time needs an organisation: the library that is built in does not change", "give --dir with its data directory")
		}
		return library()
	}
	w, err := f.when(rc.Now().UTC())
	if err != nil {
		return nil, err
	}
	var l *catalog.Library
	err = f.data().with(rc, func(s *store.Store) error {
		var err error
		l, err = work.EffectiveLibrary(rc.Context, s, w)
		return err
	})
	return l, err
}

// origin says whose word an entry is.
type origin struct {
	By             string `json:"by"` // library or organisation
	Own            bool   `json:"own,omitempty"`
	Version        int64  `json:"version,omitempty"`
	Effective      string `json:"effective,omitempty"`
	Recorded       string `json:"recorded,omitempty"`
	Actor          string `json:"actor,omitempty"`
	Reason         string `json:"reason,omitempty"`
	LibraryChanged bool   `json:"libraryChanged,omitempty"`
}

func originOf(o *catalog.Override) origin {
	if o == nil {
		return origin{By: "library"}
	}
	return origin{
		By: "organisation", Own: o.Own(), Version: o.Version, Effective: o.Effective.UTC().Format(time.RFC3339), Recorded: o.At.UTC().Format(time.RFC3339),
		Actor: o.Actor, Reason: o.Reason, LibraryChanged: o.Changed(),
	}
}

// text is the origin in a column.
func (o origin) text() string {
	if o.By == "library" {
		return o.By
	}
	s := fmt.Sprintf("organisation, version %d", o.Version)
	if o.Own {
		s = fmt.Sprintf("organisation's own, version %d", o.Version)
	}
	if o.LibraryChanged {
		s += ", library changed since"
	}
	return s
}

// short is the origin where there is little room.
func (o origin) short() string {
	s := o.By
	switch {
	case o.Own:
		s = fmt.Sprintf("own v%d", o.Version)
	case o.By != "library":
		s = fmt.Sprintf("%s v%d", o.By, o.Version)
	}
	if o.LibraryChanged {
		s += " !"
	}
	return s
}

// keysOf makes the keys of entries of one kind.
func keysOf[T any](kind string, list []T, id func(T) string) []string {
	out := make([]string, len(list))
	for i, x := range list {
		out[i] = kind + "/" + id(x)
	}
	return out
}

func anyList[T any](list []T) []any {
	out := make([]any, len(list))
	for i, x := range list {
		out[i] = x
	}
	return out
}

// under finds the override of a key. A service is overridden where one of its
// cells is.
func under(l *catalog.Library, key string) *catalog.Override {
	kind, id, _ := strings.Cut(key, "/")
	if kind == "service" {
		for _, o := range l.Overrides() {
			if o.Kind == "cell" && strings.HasPrefix(o.ID, id+"/") {
				return o
			}
		}
	}
	return l.Override(kind, id)
}

// list prints a listing; with an organisation, each row and object has its
// origin. keys are those of the rows, and of the objects where there are as many.
func (f *entryFlags) list(rc *runContext, l *catalog.Library, t *report.Listing, objects any, keys []string) error {
	if f.Dir == "" {
		return f.print(rc, t, objects)
	}
	if f.JSON {
		v := reflect.ValueOf(objects)
		if v.Kind() == reflect.Slice && v.Len() == len(keys) {
			list := make([]any, v.Len())
			for i := range list {
				list[i] = v.Index(i).Interface()
			}
			objects = f.originals(l, list, keys)
		}
		return printJSON(rc, objects)
	}
	// On a terminal the origin stands where nothing is cut; a file has room.
	at := len(t.Columns)
	if !f.CSV && !f.Markdown {
		at = 1
		if t.Wide >= at {
			t.Wide++
		}
	}
	t.Columns = slices.Insert(t.Columns, at, "origin")
	changed := 0
	for i, k := range keys {
		o := originOf(under(l, k))
		text := o.text()
		if at == 1 {
			text = o.short()
		}
		t.Rows[i] = slices.Insert(t.Rows[i], at, text)
		if o.LibraryChanged {
			changed++
		}
	}
	if n := len(l.Overrides()); n > 0 {
		t.Notes = append(t.Notes, fmt.Sprintf("With %s of the organisation in force; tickmark catalogue list names them.", count(n, "entry", "entries")))
	}
	if changed > 0 {
		t.Notes = append(t.Notes, fmt.Sprintf("! %d of these entries changed in the library since they were overridden: tickmark catalogue diff shows how.", changed))
	}
	return f.print(rc, t, objects)
}

// originals adds to each object its origin, where there is an organisation.
func (f *entryFlags) originals(l *catalog.Library, list []any, keys []string) []any {
	if f.Dir == "" {
		return list
	}
	out := make([]any, len(list))
	for i, x := range list {
		out[i] = withMember(x, "origin", originOf(under(l, keys[i])))
	}
	return out
}

// withMember is a JSON object with one more member; anything else stays.
func withMember(object any, name string, value any) any {
	a, err := unescaped(object)
	b, err2 := unescaped(map[string]any{name: value})
	if err != nil || err2 != nil || len(a) < 2 || a[0] != '{' {
		return object
	}
	if len(a) == 2 {
		return json.RawMessage(b)
	}
	a[len(a)-1] = ','
	return json.RawMessage(append(a, b[1:]...))
}

func unescaped(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}

// entry shows an entry; with an organisation, with its origin.
func (f *entryFlags) entry(rc *runContext, l *catalog.Library, e *report.Entry, object any, key string) error {
	if f.Dir == "" {
		return f.show(rc, e, object)
	}
	o := under(l, key)
	at := originOf(o)
	s := report.Section{Label: "Origin", Text: at.text()}
	if o != nil {
		s.Text = fmt.Sprintf("%s, effective %s, recorded %s by %s: %s", at.text(), dateOf(o.Effective), dateOf(o.At), o.Actor, oneLine(o.Reason))
		if o.Changed() {
			s.Text += fmt.Sprintf(" The library's entry changed since you overrode it: tickmark catalogue diff %s.", o.Key())
		}
	}
	e.Sections = append(e.Sections, s)
	return f.show(rc, e, withMember(object, "origin", at))
}

func dateOf(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// official reads the official text of the chosen organisation.
func (f *libraryFlags) official(rc *runContext) (*work.Official, error) {
	if f.Dir == "" {
		return nil, usage("the official text is not part of tickmark", "give --dir with the data directory that it was imported into: tickmark criteria import FILE --licence \"…\"")
	}
	var o *work.Official
	err := f.data().with(rc, func(s *store.Store) error {
		var err error
		o, err = work.OfficialTexts(rc.Context, s)
		return err
	})
	if err == nil && o == nil {
		err = usage("no official text was imported into "+f.Dir, "if you hold a licence: tickmark criteria import FILE --licence \"…\" --dir "+f.Dir)
	}
	return o, err
}

// officialNote says what the text is.
func officialNote(o *work.Official) string {
	return fmt.Sprintf("Official text, imported %s by %s under: %s. It belongs to its publisher and is kept in this data directory only.", dateOf(o.At), o.Actor, o.Licence)
}

// showOfficial shows a criterion with its official text.
func (f *entryFlags) showOfficial(rc *runContext, l *catalog.Library, e *report.Entry, v criterionView, o *work.Official) error {
	text := o.Text(v.Code)
	if text == "" {
		text = "The imported file has no text for this criterion."
	}
	e.Sections = append([]report.Section{{Label: "Official text", Text: text, Items: []string{officialNote(o)}}}, e.Sections...)
	return f.entry(rc, l, e, withMember(v, "officialText", o.Text(v.Code)), "explanation/"+v.Code)
}

// exportOfficial prints all criteria with their official text.
func (f *entryFlags) exportOfficial(rc *runContext, t *report.Listing, views []criterionView, o *work.Official) error {
	t.Columns = append(t.Columns, "officialText")
	t.Notes = append(t.Notes, officialNote(o))
	objects := make([]any, len(views))
	for i, v := range views {
		t.Rows[i] = append(t.Rows[i], oneLine(o.Text(v.Code)))
		objects[i] = withMember(v, "officialText", o.Text(v.Code))
	}
	return f.print(rc, t, objects)
}

type criteriaImportCommand struct {
	File    string `arg:"" help:"CSV with code and text, or YAML or JSON." type:"path"`
	Licence string `required:"" placeholder:"TEXT" help:"The licence under which you hold the text."`
	Actor   string `default:"operator" help:"Who imports it."`
	dataFlags
}

// Run keeps the text in the organisation's data, and nowhere else.
func (c *criteriaImportCommand) Run(rc *runContext) error {
	b, err := readInput(c.File)
	if err != nil {
		return err
	}
	base, err := catalog.Default()
	if err != nil {
		return err
	}
	texts, missing, err := base.ReadOfficial(c.File, b)
	if err != nil {
		return errors.Join(err, &tickmark.Error{Code: tickmark.CodeInput, What: "nothing was recorded"})
	}
	return c.with(rc, func(s *store.Store) error {
		o, err := work.ImportOfficial(rc.Context, s, work.Official{Licence: c.Licence, File: c.File, Digest: tickmark.DigestOf(b), Texts: texts}, c.Actor, rc.Now())
		if err != nil {
			return err
		}
		fmt.Fprintf(rc.Out, "imported the text of %d of %d criteria, version %d, into %s only\n", len(texts), len(base.Criteria), o.Version, c.Dir)
		if len(missing) > 0 {
			fmt.Fprintf(rc.Out, "without text: %s\n", strings.Join(missing, ", "))
		}
		fmt.Fprintln(rc.Out, "shown by criteria show --official; in no export unless --with-official-text asks for it")
		return nil
	})
}
