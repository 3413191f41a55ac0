// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/jsontape"
	"github.com/tickmark/tickmark/policy"
)

// place is a property that a rule or a definition reads, with the values that
// they compare it to.
type place struct {
	typ, path string
	values    []any
}

// mutator makes the cases of one check.
type mutator struct {
	d        *differential
	check    *catalog.Check
	related  []string          // types that either side looks up
	names    map[string]string // of related objects, by lower-case type
	places   []*place
	defaults time.Time
}

// The bounds of one check's cases: exhaustive single changes, then pairs and
// triples at random from a fixed seed.
const (
	maxBases  = 24
	maxSingle = 340
	maxMixed  = 180
)

func (d *differential) mutator(k *catalog.Check, list []check.Counterpart) *mutator {
	m := &mutator{d: d, check: k, names: map[string]string{}, defaults: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
	docs := []*policy.Definition{parseRule(k.Rule, k.Parameters)}
	for _, a := range k.Alternatives {
		docs = append(docs, parseRule(a, k.Parameters))
	}
	if k.Applies != nil {
		docs = append(docs, parseRule(check.Applicability(k), k.Parameters))
	}
	for _, p := range list {
		if def := d.builtins.definition(p.Policy); def != nil {
			docs = append(docs, def)
		}
	}
	for _, doc := range docs {
		if t := doc.Details.Get("type"); t.Kind() == jsontape.String && !slices.ContainsFunc(m.related, func(o string) bool { return strings.EqualFold(o, t.Str()) }) {
			m.related = append(m.related, t.Str())
		}
		if n := doc.Details.Get("name"); n.Kind() == jsontape.String && !strings.HasPrefix(n.Str(), "[") {
			m.names[strings.ToLower(doc.Details.Get("type").Str())] = n.Str()
		}
	}
	for _, doc := range docs {
		for _, c := range []*policy.Condition{doc.If, doc.Existence} {
			if c != nil {
				c.Walk(func(c *policy.Condition) { m.read(doc, c) })
			}
		}
	}
	return m
}

// parseRule parses a rule of the catalogue, which compiles.
func parseRule(rule, parameters []byte) *policy.Definition {
	if parameters == nil {
		parameters = []byte("{}")
	}
	d, err := policy.ParseDefinition("rule", fmt.Appendf(nil, `{"parameters":%s,"policyRule":%s}`, parameters, rule))
	if err != nil {
		panic(err) // the catalogue is tested
	}
	return d
}

var (
	fieldCall     = regexp.MustCompile(`(?i)(?:field|current)\('([^']+)'\)`)
	parameterCall = regexp.MustCompile(`(?i)parameters\('([^']+)'\)`)
	quoted        = regexp.MustCompile(`'([^']+)'`)
)

// read notes the fields of a condition and what they are compared to.
func (m *mutator) read(doc *policy.Definition, c *policy.Condition) {
	var names []string
	take := func(v jsontape.Value) {
		if v.Kind() != jsontape.String {
			return
		}
		if s := v.Str(); strings.HasPrefix(s, "[") {
			for _, f := range fieldCall.FindAllStringSubmatch(s, -1) {
				names = append(names, f[1])
			}
		} else if c.Kind == policy.FieldCondition || c.Kind == policy.CountCondition {
			names = append(names, s)
		}
	}
	take(c.Left)
	if c.Count != nil {
		take(c.Count.Field)
	}
	values := m.literals(doc, c.Right)
	if c.Kind == policy.ValueCondition {
		values = append(values, m.literals(doc, c.Left)...)
	}
	for _, n := range names {
		m.note(n, values)
	}
}

// literals are the values that an operand stands for.
func (m *mutator) literals(doc *policy.Definition, v jsontape.Value) []any {
	var out []any
	switch v.Kind() {
	case jsontape.Array:
		for e := range v.Elems() {
			out = append(out, m.literals(doc, e)...)
		}
		return out
	case jsontape.String:
		s := v.Str()
		if !strings.HasPrefix(s, "[") {
			return []any{strings.ReplaceAll(s, "*", "x")}
		}
		for _, p := range parameterCall.FindAllStringSubmatch(s, -1) {
			for i := range doc.Parameters {
				if strings.EqualFold(doc.Parameters[i].Name, p[1]) {
					out = append(out, m.literals(doc, doc.Parameters[i].Default)...)
				}
			}
		}
		for _, q := range quoted.FindAllStringSubmatch(s, -1) {
			if len(out) < 12 && !strings.Contains(q[1], "/") {
				out = append(out, q[1])
			}
		}
		return out
	case jsontape.Absent, jsontape.Null, jsontape.Object:
		return nil
	}
	var x any
	if json.Unmarshal(v.Raw(), &x) == nil {
		out = append(out, x)
	}
	return out
}

// note keeps a field as a place in an object of the type that has it.
func (m *mutator) note(name string, values []any) {
	switch strings.ToLower(name) {
	case "type", "name", "id", "fullname":
		return
	case "kind", "location", "identity.type":
		m.add(m.check.Types[0], name, values)
		return
	}
	for _, typ := range slices.Concat(m.check.Types, m.related) {
		if path, ok := m.d.catalog.Alias(typ, name); ok {
			m.add(typ, path, values)
		}
	}
}

func (m *mutator) add(typ, path string, values []any) {
	i := slices.IndexFunc(m.places, func(p *place) bool { return strings.EqualFold(p.typ, typ) && strings.EqualFold(p.path, path) })
	if i < 0 {
		i = len(m.places)
		m.places = append(m.places, &place{typ: typ, path: path})
	}
	for _, v := range values {
		if !slices.ContainsFunc(m.places[i].values, func(o any) bool { return fmt.Sprintf("%T%v", o, o) == fmt.Sprintf("%T%v", v, v) }) {
			m.places[i].values = append(m.places[i].values, v)
		}
	}
}

// change is one change of a place.
type change struct {
	place *place
	drop  bool
	value any
}

func (c change) String() string {
	if c.drop {
		return "no " + c.place.path
	}
	data, err := json.Marshal(c.value)
	if err != nil {
		return err.Error()
	}
	return c.place.path + " = " + string(data)
}

// changes lists what is done to the places: drop, empty, flip, retype, and
// every value that somebody compares to, with its neighbours.
func (m *mutator) changes() []change {
	var out []change
	for _, p := range m.places {
		out = append(out, change{p, true, nil}, change{p, false, nil})
		seen := map[string]bool{}
		add := func(values ...any) {
			for _, v := range values {
				if key := fmt.Sprintf("%T%v", v, v); !seen[key] {
					seen[key] = true
					out = append(out, change{p, false, v})
				}
			}
		}
		if strings.HasSuffix(p.path, "[*]") {
			add([]any{}, []any{"zz-other"}, []any{"*"}, []any{"0.0.0.0"})
			continue
		}
		for _, v := range p.values {
			switch v := v.(type) {
			case float64:
				add(v, v-1, v+1, fmt.Sprint(v))
			case bool:
				add(v, !v, fmt.Sprint(v))
			case string:
				add(v)
				switch strings.ToLower(v) {
				case "true", "false":
					add(true, false, "true", "false")
				default:
					add(strings.ToUpper(v))
				}
			}
		}
		add(true, false, "zz-other", "")
	}
	return out
}

// bases are the unmutated cases: the check's fixtures, then recorded resources
// and the examples.
func (m *mutator) bases() []*diffCase {
	var out []*diffCase
	if f := m.d.sources.fixtures[m.check.ID]; f != nil {
		for i := range f.Cases {
			if c := m.fixtureCase(f, &f.Cases[i]); c != nil {
				out = append(out, c)
			}
		}
	}
	for _, typ := range m.check.Types {
		for i, o := range m.d.sources.objects[strings.ToLower(typ)] {
			out = append(out, m.recordedCase(typ, o, i))
		}
	}
	return out
}

func (m *mutator) fixtureCase(f *fixture, fc *fixtureCase) *diffCase {
	if fc.Parameters != nil || len(fc.Hide) > 0 {
		return nil // what is hidden is undecided on both sides, or on one
	}
	now := m.defaults
	if fc.Now != "" {
		if at, err := time.Parse(time.RFC3339, fc.Now); err == nil {
			now = at
		}
	}
	base := fc.Base
	if base == "" {
		base = f.Base
	}
	c := &diffCase{name: fc.Name, change: "nothing changed", typ: base, object: readShapeFile(base, fc.Patch, ""), now: now, complete: m.complete(fc.Complete)}
	for _, r := range fc.Related {
		if len(r.Hide) > 0 {
			return nil
		}
		c.related = append(c.related, diffObject{r.Base, r.Subject, readShapeFile(r.Base, r.Patch, r.ID)})
	}
	return c
}

// complete are the types that are complete: what the case says, and all that
// either side looks up if the case has anything complete or looks nothing up.
func (m *mutator) complete(said []string) []string {
	if len(said) == 0 && len(m.check.Needs) > 0 {
		return nil
	}
	return slices.Concat(said, m.related)
}

// recordedCase sets the recorded resources of the related types, in the same
// subscription, beside a recorded one.
func (m *mutator) recordedCase(typ string, object map[string]any, i int) *diffCase {
	id, _ := object["id"].(string)
	c := &diffCase{
		name: fmt.Sprintf("recorded %d", i), change: "nothing changed", typ: typ, object: object, now: m.defaults,
		complete: slices.Concat(m.check.Needs, m.related),
	}
	for _, t := range slices.Concat(m.check.Needs, m.related) {
		for _, o := range m.d.sources.objects[strings.ToLower(t)] {
			other, _ := o["id"].(string)
			if other != id && policy.SubscriptionOf(other) == policy.SubscriptionOf(id) && len(c.related) < 20 {
				c.related = append(c.related, diffObject{t, "", o})
			}
		}
		below := func(r diffObject) bool {
			other, _ := r.object["id"].(string)
			return strings.EqualFold(r.typ, t) && strings.HasPrefix(strings.ToLower(other), strings.ToLower(id)+"/")
		}
		if o := m.child(object, t); m.check.Inherent && o != nil && !slices.ContainsFunc(c.related, below) {
			c.related = append(c.related, diffObject{t, "", o}) // the service always has it
		}
	}
	return c
}

// readShapeFile is shape for callers without a test at hand: the shapes are
// tested.
func readShapeFile(typ string, patch map[string]any, id string) map[string]any {
	data, err := os.ReadFile(filepath.Join(shapes, strings.ReplaceAll(typ, "/", ".")+".json"))
	if err != nil {
		panic(err)
	}
	var object map[string]any
	if err := json.Unmarshal(data, &object); err != nil {
		panic(err)
	}
	if id != "" {
		object["id"] = id
		object["name"] = id[strings.LastIndexByte(id, '/')+1:]
	}
	merged, _ := mergePatch(object, copied(patch)).(map[string]any)
	return merged
}

// all yields every base, every single change of it, and mixed changes at random
// from a seed that is the check's id.
func (m *mutator) all() iter.Seq[*diffCase] {
	return func(yield func(*diffCase) bool) {
		h := fnv.New64a()
		_, _ = h.Write([]byte(m.check.ID)) // never fails
		rnd := rand.New(rand.NewPCG(h.Sum64(), 0))
		bases, changes := m.bases(), m.changes()
		for _, b := range bases {
			if !yield(b) || !yield(m.apply(b, nil, true)) {
				return
			}
		}
		bases = bases[:min(len(bases), maxBases)] // all are compared, the first are mutated
		if len(bases) == 0 || len(changes) == 0 {
			return
		}
		type single struct {
			base *diffCase
			c    change
		}
		singles := make([]single, 0, len(bases)*len(changes))
		for _, b := range bases {
			for _, c := range changes {
				singles = append(singles, single{b, c})
			}
		}
		if len(singles) > maxSingle { // all changes of the first base, then a choice
			rest := singles[len(changes):]
			rnd.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
			singles = singles[:max(maxSingle, len(changes))]
		}
		for _, s := range singles {
			if !yield(m.apply(s.base, []change{s.c}, false)) {
				return
			}
		}
		for range maxMixed {
			list := make([]change, 2+rnd.IntN(2))
			for i := range list {
				list[i] = changes[rnd.IntN(len(changes))]
			}
			if !yield(m.apply(bases[rnd.IntN(len(bases))], list, rnd.IntN(40) == 0)) {
				return
			}
		}
	}
}

// apply makes a mutant of a base; alone takes everything related away.
func (m *mutator) apply(b *diffCase, list []change, alone bool) *diffCase {
	c := *b
	c.object, _ = copied(b.object).(map[string]any)
	c.related = nil
	// What a fixture leaves open is not the question here: absence decides.
	c.complete = slices.Concat(m.check.Needs, m.related)
	var said []string
	if alone {
		said = append(said, "nothing related")
	} else {
		for _, r := range b.related {
			o, _ := copied(r.object).(map[string]any)
			c.related = append(c.related, diffObject{r.typ, r.subject, o})
		}
	}
	for _, ch := range list {
		said = append(said, ch.String())
		if slices.ContainsFunc(m.check.Types, func(t string) bool { return strings.EqualFold(t, ch.place.typ) }) {
			c.object, _ = ch.set(c.object, segments(ch.place.path)).(map[string]any)
			continue
		}
		found := false
		for i := range c.related {
			if strings.EqualFold(c.related[i].typ, ch.place.typ) {
				found = true
				c.related[i].object, _ = ch.set(c.related[i].object, segments(ch.place.path)).(map[string]any)
			}
		}
		if o := m.child(c.object, ch.place.typ); !found && !alone && o != nil {
			o, _ = ch.set(o, segments(ch.place.path)).(map[string]any)
			c.related = append(c.related, diffObject{ch.place.typ, "", o})
		}
	}
	c.change = strings.Join(said, ", ")
	if c.change == "" {
		c.change = "nothing changed"
	}
	return &c
}

// child makes an empty object of a type that lies below the judged one, or is
// set on it, under the name that the definitions look for.
func (m *mutator) child(parent map[string]any, typ string) map[string]any {
	own := m.check.Types[0]
	id, _ := parent["id"].(string)
	name := m.names[strings.ToLower(typ)]
	if name == "" {
		name = "default"
	}
	switch {
	case inventory.IsRecord(typ):
		return nil
	case len(typ) > len(own) && strings.EqualFold(typ[:len(own)+1], own+"/"):
		id += "/" + typ[len(own)+1:] + "/" + name
	case strings.Count(typ, "/") == 1 && m.names[strings.ToLower(typ)] != "":
		id += "/providers/" + typ + "/" + name
	default:
		return nil
	}
	return map[string]any{"id": id, "name": name, "type": typ, "properties": map[string]any{}}
}

// segments splits a path; "[*]" is a segment of its own.
func segments(path string) []string {
	return strings.Split(strings.ReplaceAll(path, "[*]", ".[*]"), ".")
}

// set makes the change in v below the path and returns the new v.
func (c change) set(v any, path []string) any {
	if len(path) == 0 || len(path) == 1 && path[0] == "[*]" {
		if c.drop && len(path) == 1 {
			return []any{}
		}
		return c.value
	}
	if path[0] == "[*]" {
		list, _ := v.([]any)
		if len(list) == 0 {
			list = []any{map[string]any{}}
		}
		for i := range list {
			list[i] = c.set(list[i], path[1:])
		}
		return list
	}
	o, ok := v.(map[string]any)
	if !ok {
		o = map[string]any{}
	}
	key := path[0]
	for k := range o {
		if strings.EqualFold(k, key) {
			key = k
		}
	}
	if c.drop && (len(path) == 1 || len(path) == 2 && path[1] == "[*]") {
		delete(o, key)
		return o
	}
	if c.drop && o[key] == nil {
		return o
	}
	o[key] = c.set(o[key], path[1:])
	return o
}
