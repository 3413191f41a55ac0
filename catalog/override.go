// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/tickmark/tickmark"
)

// Override is what an organisation says differently from one entry of the
// library, or an entry of its own. What it leaves out stands as in the library.
type Override struct {
	// Kind is what the entry is (see entryKinds), ID which one: an id, a code, a word;
	// SERVICE/AREA for a cell; REPORT/CLOUD/ENVIRONMENT/SERVICE for a scope;
	// FRAMEWORK/VERSION/CRITERION/CONTROL for a link.
	Kind, ID string
	// Entry is what was said, as JSON in the order of the members.
	Entry []byte
	Recorded

	// Library is the library's entry now, as JSON; empty if it has none. It is
	// set by [Library.With].
	Library []byte

	node  ast.Node // the entry as read
	label string   // the file, or the document
	file  bool     // the entry has places in a file
}

// Recorded is where an override stands in the organisation's ledger. It is
// empty for one that is only proposed.
type Recorded struct {
	Version   int64
	Effective time.Time
	At        time.Time
	Actor     string
	Reason    string
	// Base is the library's entry at that time, as JSON; empty if there was none.
	Base []byte
}

// Own says that the entry is the organisation's own.
func (o *Override) Own() bool { return len(o.Library) == 0 }

// Changed says that the library's entry is not the one that was overridden: a
// newer version of the library says something else.
func (o *Override) Changed() bool { return o.Version > 0 && !bytes.Equal(o.Base, o.Library) }

// Key names the entry among all: KIND/ID.
func (o *Override) Key() string { return o.Kind + "/" + o.ID }

// entryKind is a kind of entry that can be overridden.
type entryKind struct {
	name string // of one entry
	list string // the member of a file that lists them
	id   string // the member that names an entry; "" where id has parts
	// fixed entries are the library's alone: none can be added.
	fixed bool
	// free ids need no prefix, because they are words and not ids.
	free bool
}

// OwnPrefix begins the id of every entry that an organisation adds, so that no
// later version of the library can take it.
const OwnPrefix = "own-"

var entryKinds = []entryKind{
	{name: "explanation", list: "explanations", id: "code", fixed: true},
	{name: "control", list: "controls", id: "id"},
	{name: "check", list: "checks", id: "id"},
	{name: "cell", list: "services", fixed: true},
	{name: "scope", list: "scope", free: true},
	{name: "report", list: "reports", id: "id"},
	{name: "link", list: "crosswalk", free: true},
	{name: "term", list: "glossary", id: "term", free: true},
	{name: "risk", list: "risks", id: "id"},
	{name: "calendar", list: "calendar", id: "id"},
	{name: "phase", list: "phases", id: "id"},
	{name: "severity", list: "severities", id: "id"},
	{name: "notification", list: "notifications", id: "id"},
	{name: "scenario", list: "scenarios", id: "id"},
	{name: "escalation", list: "escalation", id: "id"},
	{name: "section", list: "sections", id: "id"},
	{name: "column", list: "columns", id: "id"},
	{name: "evidence-type", list: "types", id: "id", fixed: true},
	{name: "frequency", list: "frequencies", id: "id", fixed: true},
}

func kindNamed(name string) *entryKind {
	i := slices.IndexFunc(entryKinds, func(k entryKind) bool { return k.name == name })
	if i < 0 {
		return nil
	}
	return &entryKinds[i]
}

func kindOfList(list string) *entryKind {
	i := slices.IndexFunc(entryKinds, func(k entryKind) bool { return k.list == list })
	if i < 0 {
		return nil
	}
	return &entryKinds[i]
}

// KindOf names the kind of the entries of a list, such as risk for risks; ""
// where its entries cannot be overridden.
func KindOf(list string) string {
	if k := kindOfList(list); k != nil {
		return k.name
	}
	return ""
}

// OverrideLists are the members that a file of overrides may have.
func OverrideLists() []string {
	out := make([]string, len(entryKinds))
	for i, k := range entryKinds {
		out[i] = k.list
	}
	return out
}

// ReadOverrides reads a file of overrides: lists of entries under the names
// that the library's files use, or one control or check as the library keeps
// it. It reports everything that is wrong with its form, joined; what it refers
// to is checked by [Library.With].
func ReadOverrides(name string, data []byte) ([]*Override, error) {
	f := file{name: name, data: data}
	m, err := parseYAML(f)
	if err != nil {
		return nil, err
	}
	r := overrideReader{file: name, seen: map[string]bool{}}
	if id := child(m, "id"); id != nil { // a file of the library holds one control or check without a list
		switch {
		case child(m, "family") != nil || child(m, "statement") != nil:
			r.entry(kindNamed("control"), m)
		case child(m, "area") != nil || child(m, "severity") != nil || child(m, "rule") != nil:
			r.entry(kindNamed("check"), m)
		default:
			r.bad(id, "one entry without a list, and neither a control nor a check", "put it in a list under one of "+strings.Join(OverrideLists(), ", "))
		}
		return r.out, errors.Join(r.problems...)
	}
	for _, v := range m.Values {
		k := kindOfList(keyOf(v))
		list, ok := v.Value.(*ast.SequenceNode)
		switch {
		case k == nil:
			r.bad(v.Key, fmt.Sprintf("%q holds no entries that can be overridden", keyOf(v)), "use one of "+strings.Join(OverrideLists(), ", "))
		case !ok:
			r.bad(v.Value, k.list+": want a list of entries", "")
		default:
			for _, e := range list.Values {
				r.entry(k, e)
			}
		}
	}
	if len(r.out) == 0 && len(r.problems) == 0 {
		r.problems = append(r.problems, problem(name, nil, "there is no entry in it", "tickmark catalogue override --help shows the form"))
	}
	return r.out, errors.Join(r.problems...)
}

// StoredOverride is an override as it was recorded. label names the document
// in messages.
func StoredOverride(kindName, id string, entry []byte, at Recorded, label string) (*Override, error) {
	k := kindNamed(kindName)
	m, err := parseYAML(file{name: label, data: entry})
	if err == nil && k == nil {
		err = problem(label, nil, fmt.Sprintf("kind %q is not known to this version", kindName), "a newer tickmark recorded it")
	}
	if err != nil {
		return nil, err
	}
	return &Override{Kind: kindName, ID: id, Entry: entry, Recorded: at, node: m, label: label}, nil
}

// overrideReader collects the entries of one file.
type overrideReader struct {
	file     string
	out      []*Override
	problems []error
	seen     map[string]bool
}

func (r *overrideReader) bad(at ast.Node, what, hint string) {
	r.problems = append(r.problems, problem(r.file, tokenOf(at), what, hint))
}

// entry reads one entry of a list; some lists keep several things in one.
func (r *overrideReader) entry(k *entryKind, e ast.Node) {
	m, ok := e.(*ast.MappingNode)
	if !ok {
		r.bad(e, k.list+": an entry is not a mapping", "")
		return
	}
	switch k.name {
	case "cell":
		r.cells(m)
	case "scope":
		r.scopes(m)
	case "link":
		r.add(k, linkID(m), m, m)
	default:
		r.add(k, strings.TrimSpace(scalar(child(m, k.id))), m, m)
	}
}

func linkID(m ast.Node) string {
	parts := make([]string, 4)
	for i, key := range []string{"framework", "version", "criterion", "control"} {
		if parts[i] = strings.TrimSpace(scalar(child(m, key))); parts[i] == "" {
			return ""
		}
	}
	return strings.Join(parts, "/")
}

// add adds an override of the entry id; node is what was said, at where.
func (r *overrideReader) add(k *entryKind, id string, node *ast.MappingNode, at ast.Node) {
	if id == "" {
		want := k.id
		if want == "" {
			want = "framework, version, criterion and control"
		}
		r.bad(at, k.list+": an entry does not say which it is", "give its "+want)
		return
	}
	o := &Override{Kind: k.name, ID: id, node: node, label: r.file, file: true}
	if r.seen[o.Key()] {
		r.bad(at, o.Key()+" is listed twice", "")
		return
	}
	r.seen[o.Key()] = true
	var b bytes.Buffer
	if err := appendJSON(&b, r.file, node); err != nil {
		r.problems = append(r.problems, err)
		return
	}
	o.Entry = b.Bytes()
	r.out = append(r.out, o)
}

// cells takes a service apart: each cell is overridden alone.
func (r *overrideReader) cells(m *ast.MappingNode) {
	id, cells := scalar(child(m, "id")), child(m, "cells")
	for _, v := range m.Values {
		if key := keyOf(v); key != "id" && key != "cells" {
			r.bad(v.Key, fmt.Sprintf("services: %q of a service cannot be overridden", key), "only its cells can: who does what")
		}
	}
	mapping, ok := cells.(*ast.MappingNode)
	if id == "" || !ok || len(mapping.Values) == 0 {
		r.bad(m, "services: want the id of a service and its cells", "")
		return
	}
	for _, v := range mapping.Values {
		if cell, ok := v.Value.(*ast.MappingNode); ok {
			r.add(kindNamed("cell"), id+"/"+keyOf(v), cell, v.Key)
		} else {
			r.bad(v.Value, "cells: want who, provider, customer, controls or checks", "")
		}
	}
}

// scopeFields are the members of an entry of the scope list. Organisations say
// which paper in hand shows it.
var scopeFields = []string{"report", "cloud", "environment", "categories", "services", "names", "from", "to", "source", "note", "inHand", "excluded"}

// scopes takes a list of services apart: each is corrected alone.
func (r *overrideReader) scopes(m *ast.MappingNode) {
	for _, v := range m.Values {
		if !slices.Contains(scopeFields, keyOf(v)) {
			r.bad(v.Key, fmt.Sprintf("scope: unknown member %q", keyOf(v)), "use "+strings.Join(scopeFields, ", "))
			return
		}
	}
	services, ok := child(m, "services").(*ast.SequenceNode)
	names, named := child(m, "names").(*ast.SequenceNode)
	report := scalar(child(m, "report"))
	if report == "" || !ok || len(services.Values) == 0 || named && len(names.Values) != len(services.Values) {
		r.bad(m, "scope: want the report, its services, and names (as printed) that pair with them", "")
		return
	}
	if scalar(child(child(m, "inHand"), "id")) == "" || !isDate(scalar(child(child(m, "inHand"), "date"))) {
		r.bad(m, "scope: want inHand with the id and the date (YYYY-MM-DD) of the report that shows it", "a correction rests on a paper that can be looked at")
		return
	}
	place := report + "/" + orDash(scalar(child(m, "cloud"))) + "/" + orDash(scalar(child(m, "environment")))
	for i, s := range services.Values {
		one := ast.Mapping(m.Start, false)
		for _, v := range m.Values {
			value := v.Value
			switch keyOf(v) {
			case "services":
				value = sequenceOf(services, s)
			case "names":
				value = sequenceOf(services, names.Values[i])
			}
			one.Values = append(one.Values, ast.MappingValue(v.Start, v.Key, value))
		}
		if scalar(s) == "" {
			r.bad(s, "scope: a service has no id", "tickmark services list names them")
			continue
		}
		r.add(kindNamed("scope"), place+"/"+scalar(s), one, s)
	}
}

func sequenceOf(like *ast.SequenceNode, values ...ast.Node) *ast.SequenceNode {
	s := ast.Sequence(like.Start, true)
	s.Values = values
	return s
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// Problem is an error at the value of a member of the override, or at its
// beginning.
func (o *Override) Problem(key, what, hint string) error {
	at := tokenOf(child(o.node, key))
	if at == nil {
		at = tokenOf(o.node)
	}
	if !o.file {
		return &tickmark.Error{Code: tickmark.CodeInput, What: what, Where: o.label, Hint: hint}
	}
	return problem(o.label, at, what, hint)
}
