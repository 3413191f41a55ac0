// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"math"
	"strings"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// Outcome is the state of one resource under one policy.
type Outcome struct {
	State State
	// Reason is one word why the state is Unknown or Error: notCollected,
	// summary, redacted, unknownAlias, evaluationError, notEvaluableOffline …
	Reason string
	// Err is the evaluation error behind State Error.
	Err error
}

// Evaluator evaluates programs. It keeps scratch space, so each goroutine
// needs its own; Env may be shared.
type Evaluator struct {
	Env *Env

	primary *Resource // what field() reads
	cur     *Resource // what field conditions read
	scopes  []binding
	tmpl    *template // whose expression is being evaluated
	comp    *compiler // for names that are known only at run time
	prog    *Program
	why     string // reason of the first undecided leaf
	left    int    // steps that the evaluation may still take
	cache   cache
}

// maxSteps bounds the work on one resource. Counts inside counts multiply:
// nine value counts of the documented 100 iterations each would never end. The
// heaviest shipped definition takes a few thousand steps on a large resource.
const maxSteps = 10_000_000

var errSteps = evalErrorf("the evaluation takes more than %d steps; its counts multiply each other", maxSteps)

// binding is the element or value that a count's where looks at.
type binding struct {
	node  jsontape.Value
	value armexpr.Value
	info  scope
	isVal bool
}

// Evaluate returns the state of r under the program. A nil program is a policy
// that does not apply to the type.
func (e *Evaluator) Evaluate(p *Program, r *Resource) Outcome {
	if p == nil || p.Policy.Effect == Disabled {
		return Outcome{State: NotApplicable}
	}
	if r.Doubt != "" {
		return Outcome{State: Unknown, Reason: r.Doubt}
	}
	e.begin(p, r)
	if p.mode == Maybe {
		if t, why := e.indexed(r); t != True {
			return outcomeOf(t, NotApplicable, NotApplicable, why)
		}
	}
	if p.unknown != nil && p.Policy.Effect.existence() {
		return errorOutcome(&unknownAliasError{*p.unknown[0]})
	}
	app, err := e.eval(p.applies)
	if err != nil {
		return errorOutcome(err)
	}
	if app != True {
		return outcomeOf(app, NotApplicable, NotApplicable, e.why)
	}
	if p.unknown != nil {
		return errorOutcome(&unknownAliasError{*p.unknown[0]})
	}
	if !offline(p.Policy.Definition.Mode) && p.Policy.Effect != Manual {
		return Outcome{State: Unknown, Reason: "notEvaluableOffline"}
	}
	switch p.Policy.Effect {
	case Audit, Deny, Append, Modify:
		t, err := e.eval(p.cond)
		if err != nil {
			return errorOutcome(err)
		}
		return outcomeOf(t, NonCompliant, Compliant, e.why)
	case AuditIfNotExists, DeployIfNotExists:
		found, err := e.exists(p)
		if err != nil {
			return errorOutcome(err)
		}
		return outcomeOf(found, Compliant, NonCompliant, e.why)
	case Manual:
		o := Outcome{State: p.Policy.details.defaultState}
		if o.State == Unknown {
			o.Reason = "needsPeople"
		}
		return o
	case DenyAction:
		return Outcome{State: Protected}
	case NoEffect, Disabled, AuditAction, Mutate, EnforceRegoPolicy, EnforceOPAConstraint, AddToNetworkGroup, EnforceSetting:
	}
	return Outcome{State: Unknown, Reason: "notEvaluableOffline"}
}

// Matches evaluates the if of the rule alone, without applicability and
// effect: whether the rule's condition holds for the resource.
func (e *Evaluator) Matches(p *Program, r *Resource) (Truth, error) {
	if p == nil {
		return False, nil
	}
	e.begin(p, r)
	return e.eval(p.cond)
}

// Exists reports whether a related resource satisfies the existence effect,
// for a resource that the rule's condition matched.
func (e *Evaluator) Exists(p *Program, r *Resource) (Truth, error) {
	e.begin(p, r)
	return e.exists(p)
}

func (e *Evaluator) begin(p *Program, r *Resource) {
	e.prog, e.primary, e.cur, e.scopes, e.why = p, r, r, e.scopes[:0], ""
	e.comp, e.left = nil, maxSteps
}

func outcomeOf(t Truth, whenTrue, whenFalse State, why string) Outcome {
	switch t {
	case True:
		return Outcome{State: whenTrue}
	case False:
		return Outcome{State: whenFalse}
	case Maybe:
	}
	return Outcome{State: Unknown, Reason: why}
}

func errorOutcome(err error) Outcome {
	if _, ok := errors.AsType[*unknownAliasError](err); ok {
		return Outcome{State: Error, Reason: "unknownAlias", Err: err}
	}
	return Outcome{State: Error, Reason: "evaluationError", Err: err}
}

// unknownAliasError marks the failure of a field that the catalogue lacks.
type unknownAliasError struct{ evalError }

// modeFor reports whether the definition's mode evaluates a type: True or
// False, or Maybe where only the object can tell.
func (p *Policy) modeFor(typ string) Truth {
	container := foldEq(typ, SubscriptionType) || foldEq(typ, ResourceGroupType)
	if foldPrefix(typ, "Microsoft.Resources/") && !container {
		return False
	}
	mode := p.Definition.Mode
	if mode != "" && !foldEq(mode, "Indexed") {
		return True
	}
	if mode == "" && p.Definition.doc != nil && p.Definition.PolicyType == "" {
		return True // a bare rule or a check: no mode was meant
	}
	if container {
		return False
	}
	if tags, location, known := p.catalog.Capabilities(typ); known {
		return truthOf(tags && location)
	}
	return Maybe
}

func foldPrefix(s, prefix string) bool {
	return len(s) >= len(prefix) && foldEq(s[:len(prefix)], prefix)
}

// eval evaluates a condition. The first undecided leaf's reason stays in e.why
// when the result is Maybe.
func (e *Evaluator) eval(n *node) (Truth, error) {
	if e.left--; e.left < 0 {
		return Maybe, errSteps
	}
	switch n.kind {
	case constNode:
		return n.truth, nil
	case allNode:
		return e.junction(n, False)
	case anyNode:
		return e.junction(n, True)
	case notNode:
		t, err := e.eval(n.kids[0])
		return t.not(), err
	case fieldNode:
		return e.fieldLeaf(n)
	case valueNode:
		l, err := e.value(n.left)
		if err != nil {
			return Maybe, err
		}
		return e.compare(n, l)
	case countFieldNode, countValueNode:
		return e.count(n)
	default:
		if n.why == "unknownAlias" {
			return Maybe, &unknownAliasError{*n.fail}
		}
		return Maybe, n.fail
	}
}

func (e *Evaluator) junction(n *node, decides Truth) (Truth, error) {
	saved := e.why
	out := decides.not()
	for _, k := range n.kids {
		t, err := e.eval(k)
		if err != nil {
			return Maybe, err
		}
		if t == decides {
			e.why = saved
			return t, nil
		}
		if t == Maybe {
			out = Maybe
		}
	}
	return out, nil
}

// compare applies a leaf's operator to a left value.
func (e *Evaluator) compare(n *node, l armexpr.Value) (Truth, error) {
	e.left -= len(l.Str()) >> 6 // comparing long texts is work too
	r := n.right.konst
	if !n.right.isConst() {
		var err error
		if r, err = e.value(n.right); err != nil {
			return Maybe, err
		}
		if n.place {
			r = normalLocations(r)
		}
	}
	if n.place && l.Kind() == armexpr.String {
		l = armexpr.StringValue(NormalLocation(l.Str()))
	}
	t, err := n.op.compare(l, r)
	if t == Maybe && err == nil && e.why == "" {
		e.why = firstReason(l, r)
	}
	return t, err
}

// firstReason names why a comparison of l and r is undecided.
func firstReason(l, r armexpr.Value) string {
	for _, v := range [...]armexpr.Value{l, r} {
		if why := reasonIn(v); why != "" {
			return why
		}
	}
	return "notCollected"
}

func reasonIn(v armexpr.Value) string {
	if v.Kind() == armexpr.Unobserved {
		return v.Reason()
	}
	if why := v.OpenReason(); why != "" {
		return why
	}
	for _, x := range v.List() {
		if why := reasonIn(x); why != "" {
			return why
		}
	}
	for _, m := range v.Members() {
		if why := reasonIn(m.Value); why != "" {
			return why
		}
	}
	return ""
}

func (e *Evaluator) fieldLeaf(n *node) (Truth, error) {
	f, err := e.fieldOf(n.field)
	if err != nil {
		return Maybe, err
	}
	if f.kind != pathField {
		return e.compare(n, e.builtin(f))
	}
	if f.wilds == 0 {
		v := e.read(f)
		if n.quick.kind != notQuick {
			if t := n.quick.compare(v); t != Maybe {
				return t, nil
			}
		}
		return e.compare(n, armexpr.FromTape(v))
	}
	return e.every(n, e.start(f), f.steps)
}

// every applies a leaf to all values that the steps select below v: [*] in a
// field condition is an implicit and.
func (e *Evaluator) every(n *node, v jsontape.Value, steps []step) (Truth, error) {
	for i := range steps {
		s := &steps[i]
		if !s.wild {
			v = s.next(v)
			continue
		}
		switch v.Kind() {
		case jsontape.Array:
			return e.everyElement(n, v, steps[i+1:])
		case jsontape.Absent, jsontape.Null:
			if e.Env.MissingArrayIsEmpty {
				return True, nil
			}
			return e.compare(n, armexpr.Value{})
		case jsontape.Unobserved:
			return e.compare(n, armexpr.FromTape(v))
		default: // a scalar or object stands for itself
		}
	}
	return e.compare(n, armexpr.FromTape(v))
}

func (e *Evaluator) everyElement(n *node, v jsontape.Value, steps []step) (Truth, error) {
	saved := e.why
	out := True
	for x, ok := v.First(); ok; x, ok = v.Next(x) {
		t, err := e.every(n, x, steps)
		if err != nil {
			return Maybe, err
		}
		if t == False {
			e.why = saved
			return False, nil
		}
		if t == Maybe {
			out = Maybe
		}
	}
	if v.IsOpen() && out == True {
		if e.why == "" {
			e.why = v.OpenReason()
		}
		return Maybe, nil
	}
	return out, nil
}

const unbounded = math.MaxInt32

// count evaluates a count condition: the number is a range when some element
// is undecided, and decides only if every number in it decides alike.
func (e *Evaluator) count(n *node) (Truth, error) {
	saved := e.why
	var lo, hi int
	var err error
	depth := len(e.scopes)
	if n.kind == countFieldNode {
		lo, hi, err = e.countField(n, e.start(n.field), n.field.steps, n.level)
	} else {
		lo, hi, err = e.countValue(n)
	}
	e.scopes = e.scopes[:depth]
	if err != nil {
		return Maybe, err
	}
	undecided := e.why
	e.why = saved
	t, err := e.compare(n, armexpr.IntValue(int64(lo)))
	if lo == hi || err != nil {
		return t, err
	}
	for _, at := range e.probes(n, lo, hi) {
		u, err := e.compare(n, armexpr.IntValue(int64(at)))
		if err != nil {
			return Maybe, err
		}
		if u != t {
			t = Maybe
		}
	}
	if t == Maybe && e.why == "" {
		e.why = undecided
	}
	return t, nil
}

// probes are the counts in (lo, hi] at which the operator can change its mind.
func (e *Evaluator) probes(n *node, lo, hi int) []int {
	out := []int{hi}
	r, err := e.value(n.right)
	if err != nil {
		return out
	}
	add := func(v armexpr.Value) {
		if v.IsNumber() || v.Kind() == armexpr.String {
			x := armexpr.NumberValue(v.Text()).Float()
			for _, p := range []float64{math.Floor(x) - 1, math.Floor(x), math.Floor(x) + 1, math.Floor(x) + 2} {
				if p > float64(lo) && p < float64(hi) {
					out = append(out, int(p))
				}
			}
		}
	}
	add(r)
	for _, x := range r.List() {
		add(x)
	}
	return out
}

func (e *Evaluator) countField(n *node, v jsontape.Value, steps []step, level int) (lo, hi int, err error) {
	for i := range steps {
		s := &steps[i]
		if !s.wild {
			v = s.next(v)
			continue
		}
		switch v.Kind() {
		case jsontape.Absent, jsontape.Null:
			return 0, 0, nil
		case jsontape.Unobserved:
			if e.why == "" {
				e.why = v.Reason()
			}
			return 0, unbounded, nil
		case jsontape.Array:
		default: // a scalar or object counts as one element
			return e.countOne(n, v, steps[i+1:], level)
		}
		for x, ok := v.First(); ok; x, ok = v.Next(x) {
			l, h, err := e.countOne(n, x, steps[i+1:], level)
			if err != nil {
				return 0, 0, err
			}
			lo, hi = lo+l, min(hi+h, unbounded)
		}
		if v.IsOpen() {
			hi = unbounded
			if e.why == "" {
				e.why = v.OpenReason()
			}
		}
		return lo, hi, nil
	}
	// All wildcards are bound: the element itself remains.
	switch v.Kind() {
	case jsontape.Absent:
		return 0, 0, nil
	case jsontape.Unobserved:
		if len(n.kids) == 0 {
			return 1, 1, nil
		}
	default:
	}
	return e.countWhere(n)
}

func (e *Evaluator) countOne(n *node, x jsontape.Value, rest []step, level int) (lo, hi int, err error) {
	e.scopes = append(e.scopes[:level], binding{node: x, info: n.field.bound[level-n.level]})
	return e.countField(n, x, rest, level+1)
}

func (e *Evaluator) countWhere(n *node) (lo, hi int, err error) {
	if len(n.kids) == 0 {
		return 1, 1, nil
	}
	t, err := e.eval(n.kids[0])
	switch {
	case err != nil:
		return 0, 0, err
	case t == True:
		return 1, 1, nil
	case t == False:
		return 0, 0, nil
	}
	return 0, 1, nil
}

func (e *Evaluator) countValue(n *node) (lo, hi int, err error) {
	v, err := e.value(n.left)
	if err != nil {
		return 0, 0, err
	}
	switch v.Kind() {
	case armexpr.Unobserved:
		if e.why == "" {
			e.why = v.Reason()
		}
		return 0, unbounded, nil
	case armexpr.Null, armexpr.Absent:
		return 0, 0, nil
	case armexpr.Array:
	default:
		return 0, 0, evalErrorf("count.value must be an array, not %s", v.JSON())
	}
	list := v.List()
	if len(list) > 100 {
		return 0, 0, evalErrorf("a value count has at most 100 iterations, not %d", len(list))
	}
	for _, x := range list {
		e.left -= 20 // the list is read from the text again for each count around it
		e.scopes = append(e.scopes[:n.level], binding{value: x, isVal: true, info: scope{name: strings.ToLower(n.src.Count.Name)}})
		l, h, err := e.countWhere(n)
		if err != nil {
			return 0, 0, err
		}
		lo, hi = lo+l, hi+h
	}
	if why := v.OpenReason(); why != "" {
		hi = unbounded
		if e.why == "" {
			e.why = why
		}
	}
	return lo, hi, nil
}
