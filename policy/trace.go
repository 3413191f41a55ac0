// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// Trace is one condition of a rule as evaluated on one resource.
type Trace struct {
	// Kind is allOf, anyOf, not, field, value or count.
	Kind  string
	Place string // place in the document
	Truth Truth
	Err   error // evaluation failed here
	// Field is the field or value expression as written, Path where it lies,
	// Found what was there and Wanted the operator's value, as JSON; "absent"
	// and "unobserved (reason)" are said in words. Secret values are masked.
	Field, Path, Found, Wanted string
	Op                         Operator
	Reason                     string // why the truth is unknown
	Children                   []*Trace
}

// Masked replaces secret values in explanations.
const Masked = "(secret, masked)"

// Trace evaluates every condition of the program's if on r, without stopping
// where the result is decided, and returns the tree.
func (e *Evaluator) Trace(p *Program, r *Resource) *Trace {
	if p == nil {
		return nil
	}
	e.begin(p, r)
	return e.trace(p.cond)
}

// TraceExistence is Trace for the existence condition on one related resource.
func (e *Evaluator) TraceExistence(p *Program, r, related *Resource) *Trace {
	if p == nil || p.existence == nil {
		return nil
	}
	e.begin(p, r)
	e.cur = related
	return e.trace(p.existence)
}

func (e *Evaluator) trace(n *node) *Trace {
	t := &Trace{Kind: n.name(), Op: n.op}
	if n.src != nil {
		t.Place = n.src.Place
	}
	saved := e.why
	e.why = ""
	t.Truth, t.Err = e.eval(n)
	t.Reason = e.why
	e.why = saved
	switch n.kind {
	case allNode, anyNode, notNode:
		for _, k := range n.kids {
			t.Children = append(t.Children, e.trace(k))
		}
	case fieldNode:
		e.traceField(t, n)
	case valueNode:
		t.Field = string(n.left.at.Raw())
		t.Found = e.shown(n.left)
		t.Wanted = e.shown(n.right)
	case countFieldNode, countValueNode:
		e.traceCount(t, n)
	case constNode, failNode:
	}
	return t
}

func (n *node) name() string {
	switch n.kind {
	case allNode:
		return "allOf"
	case anyNode:
		return "anyOf"
	case notNode:
		return "not"
	case fieldNode:
		return "field"
	case valueNode:
		return "value"
	case countFieldNode, countValueNode:
		return "count"
	case constNode:
		return "type"
	case failNode:
	}
	return "error"
}

// shown prints the value of a template, or why it has none.
func (e *Evaluator) shown(t *template) string {
	v, err := e.value(t)
	if err != nil {
		return "error: " + err.Error()
	}
	return Shown(v)
}

// Shown prints a value for people: JSON, or absent, or unobserved with its
// reason; long values are cut.
func Shown(v armexpr.Value) string {
	switch v.Kind() {
	case armexpr.Absent:
		return "absent"
	case armexpr.Unobserved:
		return "unobserved (" + v.Reason() + ")"
	}
	s := v.JSON()
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "") + "…"
	}
	return s
}

func (e *Evaluator) traceField(t *Trace, n *node) {
	f, err := e.fieldOf(n.field)
	t.Wanted = e.shown(n.right)
	t.Field = n.field.text
	if err != nil {
		t.Found = "error: " + err.Error()
		return
	}
	if f.kind != pathField {
		t.Path = strings.ToLower(f.text[:1]) + f.text[1:]
		t.Found = Shown(e.builtin(f))
		return
	}
	t.Path = f.path.text
	switch {
	case f.secret:
		t.Found = Masked
	case f.wilds == 0:
		t.Found = Shown(armexpr.FromTape(walk(e.start(f), f.steps)))
	default:
		var c collector
		c.collect(e.start(f), f.steps)
		switch {
		case c.hidden != "":
			t.Found = "unobserved (" + c.hidden + ")"
		case len(c.list) == 0 && c.open == "":
			t.Found = "absent"
		default:
			t.Found = Shown(armexpr.ArrayValue(c.list))
		}
	}
}

func (e *Evaluator) traceCount(t *Trace, n *node) {
	t.Wanted = e.shown(n.right)
	depth := len(e.scopes)
	var lo, hi int
	var err error
	if n.kind == countFieldNode {
		t.Field, t.Path = n.field.text, n.field.path.text
		lo, hi, err = e.countField(n, e.start(n.field), n.field.steps, n.level)
	} else {
		t.Field = string(n.left.at.Raw())
		lo, hi, err = e.countValue(n)
	}
	e.scopes = e.scopes[:depth]
	switch {
	case err != nil:
		t.Found = "error: " + err.Error()
	case lo == hi:
		t.Found = armexpr.IntValue(int64(lo)).Text()
	case hi >= unbounded:
		t.Found = "at least " + armexpr.IntValue(int64(lo)).Text()
	default:
		t.Found = armexpr.IntValue(int64(lo)).Text() + " to " + armexpr.IntValue(int64(hi)).Text()
	}
	if n.kind == countFieldNode {
		e.matching(t, n)
	}
}

// matching adds to t the elements that the count counted, so that a reader
// sees which rule, address or grant it was.
func (e *Evaluator) matching(t *Trace, n *node) {
	if n.level > 0 || n.field.wilds != 1 || n.field.base >= 0 {
		return
	}
	v := e.start(n.field)
	i := 0
	for ; i < len(n.field.steps) && !n.field.steps[i].wild; i++ {
		v = n.field.steps[i].next(v)
	}
	var names []string
	k := 0
	for x, ok := v.First(); ok && len(names) < 5; x, ok = v.Next(x) {
		lo, _, err := e.countOne(n, x, n.field.steps[min(i+1, len(n.field.steps)):], 0)
		if err == nil && lo > 0 {
			name := x.Get("name").Str()
			if name == "" && x.Kind() == jsontape.String {
				name = x.Str()
			}
			if name == "" {
				name = "[" + armexpr.IntValue(int64(k)).Text() + "]"
			}
			names = append(names, name)
		}
		k++
	}
	e.scopes = e.scopes[:0]
	if len(names) > 0 {
		t.Found += " (" + strings.Join(names, ", ") + ")"
	}
}

// leaf reports whether t has no conditions below it.
func (t *Trace) leaf() bool { return t.Kind != "allOf" && t.Kind != "anyOf" && t.Kind != "not" }

// Deciding returns the leaf that decided the tree's truth: for a false allOf
// the first false part, for a true anyOf the first true part, for a true allOf
// the last part that says something of the object. It is the condition a
// person should look at first.
func (t *Trace) Deciding() *Trace {
	d, _ := t.Decides()
	return d
}

// Decides is Deciding, and says whether the leaf stands under an odd number of
// nots.
func (t *Trace) Decides() (leaf *Trace, negated bool) {
	if t == nil || t.leaf() {
		return t, false
	}
	if t.Kind == "not" {
		d, n := t.Children[0].Decides()
		return d, !n
	}
	var best *Trace
	for _, c := range t.Children {
		if c.Truth != t.Truth && c.Err == nil {
			continue
		}
		if best == nil || c.weight() > best.weight() || t.Kind == "allOf" && t.Truth == True && c.weight() == best.weight() {
			best = c
		}
	}
	if best == nil {
		return nil, false
	}
	return best.Decides()
}

// Negates reports whether leaf stands under an odd number of nots of t.
func (t *Trace) Negates(leaf *Trace) bool {
	n, _ := t.nots(leaf)
	return n%2 == 1
}

func (t *Trace) nots(leaf *Trace) (n int, found bool) {
	if t == leaf {
		return 0, true
	}
	for _, c := range t.Children {
		if n, ok := c.nots(leaf); ok {
			if t.Kind == "not" {
				n++
			}
			return n, true
		}
	}
	return 0, false
}

// weight prefers conditions on what a property holds over those on whether it
// is there, and both over those on identity.
func (t *Trace) weight() int {
	d := t
	if !t.leaf() {
		d = t.Deciding()
	}
	if d == nil {
		return 0
	}
	switch strings.ToLower(d.Field) {
	case "type", "name", "kind", "location", "id", "fullname":
		return 1
	}
	if d.Op == Exists {
		return 2
	}
	return 3
}

// Flips returns the leaves of which each alone, decided the other way, would
// flip a decided tree: the near misses.
func (t *Trace) Flips() []*Trace {
	if t == nil || t.Truth == Maybe {
		return nil
	}
	var out []*Trace
	t.leaves(func(l *Trace) {
		if l.Truth == Maybe || l.Err != nil {
			return
		}
		if t.with(l) == t.Truth.not() {
			out = append(out, l)
		}
	})
	return out
}

func (t *Trace) leaves(f func(*Trace)) {
	if t.leaf() {
		f(t)
		return
	}
	for _, c := range t.Children {
		c.leaves(f)
	}
}

// with is the truth of t if leaf flip were decided the other way.
func (t *Trace) with(flip *Trace) Truth {
	if t == flip {
		return t.Truth.not()
	}
	if t.leaf() {
		return t.Truth
	}
	if t.Kind == "not" {
		return t.Children[0].with(flip).not()
	}
	decides := truthOf(t.Kind == "anyOf")
	out := decides.not()
	for _, c := range t.Children {
		switch c.with(flip) {
		case decides:
			return decides
		case Maybe:
			out = Maybe
		case False, True: // the one that does not decide
		}
	}
	return out
}

// Misses counts the leaves that would have to change for t to be true: a
// measure of how near a related resource came.
func (t *Trace) Misses() int {
	if t == nil {
		return 0
	}
	n, _ := t.cost()
	return n
}

// cost returns how many leaves must change to make t true, and false.
func (t *Trace) cost() (toTrue, toFalse int) {
	if t.leaf() {
		switch t.Truth {
		case True:
			return 0, 1
		case False:
			return 1, 0
		case Maybe:
		}
		return 1, 1
	}
	if t.Kind == "not" {
		a, b := t.Children[0].cost()
		return b, a
	}
	sumTrue, sumFalse, minTrue, minFalse := 0, 0, 1<<20, 1<<20
	for _, c := range t.Children {
		a, b := c.cost()
		sumTrue, sumFalse = sumTrue+a, sumFalse+b
		minTrue, minFalse = min(minTrue, a), min(minFalse, b)
	}
	if t.Kind == "allOf" {
		return sumTrue, minFalse
	}
	return minTrue, sumFalse
}
