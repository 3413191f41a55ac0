// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Question is one of the interview: what cannot be seen in an inventory and
// decides which controls an organisation needs, or what they say.
type Question struct {
	ID string `yaml:"id" json:"id"`
	// Kind is yesNo (controls name the id under requires), role or system
	// (defaults of fields name the id in braces).
	Kind string `yaml:"kind" json:"kind"`
	// Categories are those for which it is asked; empty means always.
	Categories []string `yaml:"categories,omitempty" json:"categories,omitempty"`
	Ask        string   `yaml:"ask" json:"ask"`
	Why        string   `yaml:"why" json:"why"`
	Example    string   `yaml:"example,omitempty" json:"example,omitempty"`
	// Excuses are criteria that do not apply when the answer is no; Because is
	// the reason that the auditor reads.
	Excuses []string `yaml:"excuses,omitempty" json:"excuses,omitempty"`
	Because string   `yaml:"because,omitempty" json:"because,omitempty"`
}

// Asked reports whether an organisation of these categories is asked.
func (q *Question) Asked(categories []string) bool {
	return len(q.Categories) == 0 || slices.ContainsFunc(q.Categories, func(c string) bool { return slices.Contains(categories, c) })
}

// Adoption is an organisation's choice: the answers of the interview, from
// which its own control set is made. doc/spec/adoption.md describes the file.
type Adoption struct {
	Organisation string   `yaml:"organisation" json:"organisation"`
	Categories   []string `yaml:"categories" json:"categories"`
	// Services are ids of services that the organisation uses; nil while the
	// question is open.
	Services []string `yaml:"services" json:"services"`
	// Answers, Roles and Systems are the answers to the interview's questions.
	Answers map[string]bool   `yaml:"answers,omitempty" json:"answers,omitempty"`
	Roles   map[string]string `yaml:"roles,omitempty" json:"roles,omitempty"`
	Systems map[string]string `yaml:"systems,omitempty" json:"systems,omitempty"`
	// Fields fill the braces of the statements, by the field's name, or by
	// CONTROL.FIELD for one control.
	Fields map[string]string `yaml:"fields,omitempty" json:"fields,omitempty"`
	// Without leaves controls of the library out, each with its reason.
	Without map[string]string `yaml:"without,omitempty" json:"without,omitempty"`
}

// LeftOut is a control of the library that an organisation did not adopt.
type LeftOut struct {
	ID  string `yaml:"id" json:"id"`
	Why string `yaml:"why" json:"why"`
}

// Excused is a criterion that an organisation says does not apply to it.
type Excused struct {
	Criterion string `yaml:"criterion" json:"criterion"`
	Why       string `yaml:"why" json:"why"`
}

// Adopt makes an organisation's control set. Every control of the library is
// either in it or among those left, with the reason. What the organisation
// wrote into before (nil for a first time) is kept: values, rewording and
// controls of its own stay, and those of a control that is dropped wait for
// its return.
func (l *Library) Adopt(a *Adoption, before *ControlSet) *ControlSet {
	set := &ControlSet{Adoption: *a, Catalog: l.Digest().String()}
	edits := map[string]*OwnControl{}
	var own []*OwnControl
	if before != nil {
		for _, k := range slices.Concat(before.Kept, before.Controls) {
			if l.Control(k.source()) == nil {
				own = append(own, k)
				continue
			}
			edits[k.source()] = k
		}
	}
	list := slices.Clone(l.Controls)
	slices.SortStableFunc(list, func(a, b *Control) int { return cmp.Compare(a.Order, b.Order) })
	for _, k := range list {
		e := edits[k.ID]
		if why := l.leave(k, a); why != "" {
			set.Left = append(set.Left, LeftOut{k.ID, why})
			if e != nil && e.edited() {
				set.Kept = append(set.Kept, e)
			}
			continue
		}
		if e == nil {
			e = &OwnControl{ID: k.ID}
		}
		set.Controls = append(set.Controls, e.withOpen(l, a))
	}
	set.Controls = append(set.Controls, own...)
	for _, q := range l.Interview {
		if answer, answered := a.Answers[q.ID]; !answered || answer || !q.Asked(a.Categories) {
			continue
		}
		for _, c := range q.Excuses {
			if slices.Contains(a.Categories, l.catalog.Criterion(c).Category) {
				set.NotApplicable = append(set.NotApplicable, Excused{c, q.Because})
			}
		}
	}
	return set
}

// leave says why an organisation does not adopt a control, or "". A question
// that is still open leaves nothing out.
func (l *Library) leave(k *Control, a *Adoption) string {
	if why, ok := a.Without[k.ID]; ok {
		return "left out: " + why
	}
	if !slices.ContainsFunc(k.Categories, func(c string) bool { return slices.Contains(a.Categories, c) }) {
		return "is for " + strings.Join(k.Categories, " and ") + ", which is not chosen"
	}
	if len(k.Requires) == 0 {
		return ""
	}
	var why, services []string
	for _, r := range k.Requires {
		q := l.Question(r)
		if q == nil {
			if a.Services == nil || slices.Contains(a.Services, r) {
				return ""
			}
			services = append(services, r)
			continue
		}
		if answer, answered := a.Answers[r]; answer || !answered {
			return ""
		}
		why = append(why, fmt.Sprintf("%q was answered with no", q.Ask))
	}
	if len(services) > 0 {
		why = append(why, "of the services that it is for none is used: "+strings.Join(services, ", "))
	}
	return strings.Join(why, "; ")
}

// Question returns the question with this id, or nil.
func (l *Library) Question(id string) *Question {
	i := slices.IndexFunc(l.Interview, func(q Question) bool { return q.ID == id })
	if i < 0 {
		return nil
	}
	return &l.Interview[i]
}

// Decides says what a question decides, from the controls themselves.
func (l *Library) Decides(q *Question) string {
	var controls []string
	fields := 0
	for _, k := range l.Controls {
		if slices.Contains(k.Requires, q.ID) {
			controls = append(controls, k.ID)
		}
		for _, f := range k.Fields {
			if slices.Contains(answersIn(f.Default), q.ID) {
				fields++
				if !slices.Contains(controls, k.ID) {
					controls = append(controls, k.ID)
				}
			}
		}
	}
	switch {
	case len(controls) == 0:
		return ""
	case fields > 0:
		return fmt.Sprintf("what stands in %d fields of %d controls", fields, len(controls))
	case len(q.Excuses) > 0:
		return fmt.Sprintf("whether %s are adopted and whether %s apply", strings.Join(controls, ", "), strings.Join(q.Excuses, ", "))
	}
	return "whether you adopt " + strings.Join(controls, ", ")
}

// answerIn finds the answers of the interview that a default names.
var answerIn = regexp.MustCompile(`\{((?:roles|systems)\.[a-z]+)\}`)

func answersIn(text string) []string {
	var out []string
	for _, m := range answerIn.FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

// answer returns the answer to a question about a role or system.
func (a *Adoption) answer(id string) string {
	kind, name, _ := strings.Cut(id, ".")
	return strings.TrimSpace(map[string]map[string]string{"roles": a.Roles, "systems": a.Systems}[kind][name])
}

// The states of a field.
const (
	FieldOpen     = "open"     // nobody has said anything
	FieldProposed = "proposed" // the library's default, which nobody has confirmed
	FieldDerived  = "derived"  // from an answer about a role or system
	FieldSet      = "set"      // by the organisation, for this control or for all
)

// value returns what stands in a field and how it came there.
func (a *Adoption) value(own *OwnControl, f *ControlField) (value, state string) {
	for _, v := range []string{own.Fields[f.Name], a.Fields[own.ID+"."+f.Name], a.Fields[own.source()+"."+f.Name], a.Fields[f.Name]} {
		if v = strings.TrimSpace(v); v != "" {
			return v, FieldSet
		}
	}
	state = FieldProposed
	value = answerIn.ReplaceAllStringFunc(f.Default, func(m string) string {
		v := a.answer(m[1 : len(m)-1])
		if state != FieldOpen {
			state = FieldDerived
		}
		if v == "" {
			state = FieldOpen
		}
		return v
	})
	if state == FieldOpen || value == "" {
		return "", FieldOpen
	}
	return value, state
}

// FieldState is a field of an adopted control as it stands.
type FieldState struct {
	Control string `json:"control"`
	Order   int    `json:"order"`
	Field   string `json:"field"`
	Ask     string `json:"ask"`
	Example string `json:"example"`
	Value   string `json:"value"`
	State   string `json:"state"` // open, proposed, derived, set
}

// FieldsOf lists the fields of a set, those that need somebody first: open
// ones, then proposals, then the rest; each in the order in which a first-time
// organisation takes controls on.
func (l *Library) FieldsOf(set *ControlSet) []FieldState {
	var out []FieldState
	for _, own := range set.Controls {
		k := l.Control(own.source())
		if k == nil {
			continue
		}
		for i := range k.Fields {
			f := &k.Fields[i]
			v, state := set.value(own, f)
			out = append(out, FieldState{own.ID, k.Order, f.Name, f.Ask, f.Example, v, state})
		}
	}
	states := []string{FieldOpen, FieldProposed, FieldDerived, FieldSet}
	slices.SortStableFunc(out, func(a, b FieldState) int {
		return cmp.Or(cmp.Compare(slices.Index(states, a.State), slices.Index(states, b.State)), cmp.Compare(a.Order, b.Order), cmp.Compare(a.Control, b.Control))
	})
	return out
}

// Change is a difference between two control sets.
type Change struct {
	Control string `json:"control"`
	What    string `json:"what"` // added, dropped, changed
	Why     string `json:"why"`
}

// Changes lists what differs between two sets, with the reason; before as the
// library words it today.
func (l *Library) Changes(before, after *ControlSet) ([]Change, error) {
	old, err := before.Expand(l)
	if err != nil {
		return nil, err
	}
	now, err := after.Expand(l)
	if err != nil {
		return nil, err
	}
	byID := func(list []*Control) map[string]*Control {
		m := map[string]*Control{}
		for _, k := range list {
			m[k.ID] = k
		}
		return m
	}
	was, is := byID(old), byID(now)
	reason := func(list []LeftOut, id string) string {
		i := slices.IndexFunc(list, func(x LeftOut) bool { return x.ID == id })
		if i < 0 {
			return ""
		}
		return list[i].Why
	}
	var out []Change
	for _, id := range slices.Sorted(maps.Keys(is)) {
		switch {
		case was[id] == nil && reason(before.Left, id) != "":
			out = append(out, Change{id, "added", "no longer holds: " + reason(before.Left, id)})
		case was[id] == nil:
			out = append(out, Change{id, "added", "was neither adopted nor left out before"})
		case was[id].Statement != is[id].Statement:
			out = append(out, Change{id, "changed", firstDifference(was[id].Statement, is[id].Statement)})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(was)) {
		if is[id] == nil {
			out = append(out, Change{id, "dropped", cmp.Or(reason(after.Left, id), "is no longer in the file")})
		}
	}
	return out, nil
}

// firstDifference shows where two texts part, a few words from each.
func firstDifference(a, b string) string {
	x, y := strings.Fields(a), strings.Fields(b)
	i := 0
	for i < len(x) && i < len(y) && x[i] == y[i] {
		i++
	}
	part := func(w []string) string { return strings.Join(w[min(i, len(w)):min(i+8, len(w))], " ") }
	return fmt.Sprintf("%q became %q", part(x), part(y))
}
