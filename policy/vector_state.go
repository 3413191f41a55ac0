// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// runState runs a vector of the state suite.
func (v *Vector) runState() (want, got string, err error) {
	x, ev, resources, err := v.assigned()
	if err != nil {
		return "states", "error: " + err.Error(), nil //nolint:nilerr // the failure is the result
	}
	states := map[string]State{}
	azure := map[string]State{}
	roller := NewRoller(x)
	for i := range x.Members {
		for _, r := range resources {
			s := x.Evaluate(ev, i, r)
			key := r.ID
			if x.Initiative != nil {
				key = s.Reference + "|" + r.ID
			}
			states[key], azure[key] = s.State, s.Azure
			roller.Add(s)
		}
	}
	exp := v.root.Get("expect")
	w1, g1 := compareStates("", exp.Get("states"), states)
	w2, g2 := compareStates("group ", exp.Get("groups"), roller.Summary().Groups)
	w3, g3 := compareStates("azure ", exp.Get("azure"), azure)
	return w1 + w2 + w3, g1 + g2 + g3, nil
}

func compareStates(label string, want jsontape.Value, got map[string]State) (w, g string) {
	var names []string
	for k := range want.Members() {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, k := range names {
		s, ok := got[k]
		text := "nothing"
		if ok {
			text = s.String()
		}
		w += label + k + "=" + want.Get(k).Str() + " "
		g += label + k + "=" + text + " "
	}
	return w, g
}

// assigned builds what a state vector describes.
func (v *Vector) assigned() (*Assigned, *Evaluator, []*Resource, error) { //nolint:revive // the four parts of a vector's world
	c := NewCatalog()
	for typ, list := range v.root.Get("aliases").Members() {
		c.AddType(typ)
		for name, path := range list.Members() {
			c.Add(typ, Alias{Name: name, Path: path.Str()})
		}
	}
	l := NewLibrary(c)
	for d := range v.root.Get("definitions").Elems() {
		def, err := parseDefinition(v.doc, d, "definitions")
		if err != nil {
			return nil, nil, nil, err
		}
		l.Add(def)
	}
	if n := v.root.Get("initiative"); n.Kind() == jsontape.Object {
		in, err := parseInitiative(v.doc, n)
		if err != nil {
			return nil, nil, nil, err
		}
		l.AddInitiative(in)
	}
	a, err := parseAssignment(v.doc, v.root.Get("assignment"))
	if err != nil {
		return nil, nil, nil, err
	}
	x, err := Assign(a, l)
	if err != nil {
		return nil, nil, nil, err
	}
	if s := v.root.Get("scopes"); s.Kind() == jsontape.Object {
		if x.Scopes, err = scopesOf(v.doc, s); err != nil {
			return nil, nil, nil, err
		}
	}
	if e := v.root.Get("exemptions"); e.Exists() {
		if x.Exemptions, err = parseExemptions(v.doc, e); err != nil {
			return nil, nil, nil, err
		}
	}
	if t := v.root.Get("attestations"); t.Exists() {
		if x.Attestations, err = parseAttestations(v.doc, t); err != nil {
			return nil, nil, nil, err
		}
	}
	var resources []*Resource
	for e := range v.root.Get("resources").Elems() {
		resources = append(resources, NewResource(e))
	}
	env := &Env{Inventory: NewList(resources)}
	if t, ok := armexpr.ParseTime(v.root.Get("now").Str()); ok {
		env.Now = t
	}
	return x, &Evaluator{Env: env}, resources, nil
}
