// SPDX-License-Identifier: Apache-2.0

package check

import (
	"fmt"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/jsontape"
	"github.com/tickmark/tickmark/policy"
)

// explain evaluates one row again with a trace and says which condition
// decided.
func (r *runner) explain(w row, reason tickmark.Reason) tickmark.Result {
	out := r.bare(w, reason)
	out.Name = called(&r.inv.Resources[w.resource])
	x := &r.rules.rules[w.check]
	ev := &policy.Evaluator{Env: r.env}
	res := &r.res[w.resource]
	prog := x.policy.For(res.Type)
	e := explainer{r: r, ev: ev, prog: prog, res: res, item: &r.inv.Resources[w.resource], check: x.check}
	if about := e.outside(x); about != nil {
		out.Why = e.leaf(about, false)
		out.Why.Condition = strings.Replace(out.Why.Condition, "if.allOf[1]", "applies", 1)
		if w.verdict == tickmark.NotApplicable {
			out.Why.Message = "the check does not apply: " + sentence(out.Why, about)
		} else {
			out.Why.Message = "unknown whether the check applies: " + e.unknown(reason)
		}
		return out
	}
	for _, p := range x.alternatives {
		if p = x.deciding(ev, res, p, w.verdict); p != nil {
			e.prog = p.For(res.Type)
			out.Why = e.existence(x, w.verdict, reason)
			return out
		}
	}
	switch {
	case w.verdict == tickmark.NotApplicable:
		out.Why = e.leaf(ev.Trace(prog, res), false)
		out.Why.Message = "the check does not apply: " + sentence(out.Why, nil)
	case x.policy.Effect == policy.AuditIfNotExists:
		out.Why = e.existence(x, w.verdict, reason)
	default:
		out.Why = e.condition(w.verdict, reason)
	}
	return out
}

// called is the name of a record whose id is a number or a GUID.
func called(x *inventory.Resource) string {
	if !inventory.IsRecord(x.Type) {
		return ""
	}
	for _, m := range []string{"userPrincipalName", "displayName", "userDisplayName", "name"} {
		if v := x.Root.Get(m); v.Kind() == jsontape.String && v.Str() != "" {
			if strings.Contains(strings.ToLower(x.ID), strings.ToLower(v.Str())) {
				return "" // the id says it
			}
			return v.Str()
		}
	}
	return ""
}

// deciding returns the alternative p if it, and not the rule, came to the verdict.
func (x *rule) deciding(ev *policy.Evaluator, res *policy.Resource, p *policy.Policy, verdict tickmark.Verdict) *policy.Policy {
	if v, _ := Verdict(ev.Evaluate(x.policy.For(res.Type), res)); v == verdict {
		return nil
	}
	if v, _ := Verdict(ev.Evaluate(p.For(res.Type), res)); v != verdict || p.Effect != policy.AuditIfNotExists {
		return nil
	}
	return p
}

// outside returns the trace of the check's own applicability if that is not met
// or not known, else nil.
func (e *explainer) outside(x *rule) *policy.Trace {
	if x.applies == nil {
		return nil
	}
	prog := x.applies.For(e.res.Type)
	if v, _ := Verdict(e.ev.Evaluate(prog, e.res)); v == tickmark.Fail {
		return nil
	}
	return e.ev.Trace(prog, e.res)
}

type explainer struct {
	r    *runner
	ev   *policy.Evaluator
	prog *policy.Program
	res  *policy.Resource
	item *inventory.Resource
	// check is the one that is explained.
	check *catalog.Check
}

// condition explains a verdict that the rule's if decided.
func (e *explainer) condition(v tickmark.Verdict, reason tickmark.Reason) tickmark.Why {
	t := e.ev.Trace(e.prog, e.res)
	// The if describes the failing state: what is wanted is its opposite.
	why := e.leaf(t, true)
	switch v {
	case tickmark.Fail:
		why.Message = sentence(why, t)
		why.NearMiss = nearMiss(t, true)
	case tickmark.Pass:
		why.Message = sentence(why, t)
	case tickmark.Unknown, tickmark.NotApplicable, tickmark.Exempt:
		why.Message = "unknown: " + e.unknown(reason)
		if why.Path != "" {
			why.Message += "; undecided at " + why.Path
		}
	}
	return why
}

func (e *explainer) unknown(reason tickmark.Reason) string {
	s := reason.Text()
	if reason == tickmark.ReasonNotCollected {
		if types := e.r.lack[e.check]; len(types) > 0 {
			s += " (" + strings.Join(types, ", ") + ")"
		}
	}
	if cmd := e.item.ExportCommand(); cmd != "" && (reason == tickmark.ReasonSummary || reason == tickmark.ReasonImplied) {
		s += ": " + cmd
	}
	return s
}

// existence explains a verdict that related resources decided.
func (e *explainer) existence(x *rule, v tickmark.Verdict, reason tickmark.Reason) tickmark.Why {
	typ, related, missing := e.ev.Related(e.prog, e.res)
	if v == tickmark.Pass {
		for _, c := range related {
			t := e.ev.TraceExistence(e.prog, e.res, c)
			if t == nil || t.Truth == policy.True {
				why := e.leaf(t, false)
				why.Related = c.ID
				why.Condition = "then.details"
				why.Message = fmt.Sprintf("%s %s meets the condition", shortType(typ), nameOf(c))
				return why
			}
		}
	}
	best, trace := nearest(e, related)
	why := tickmark.Why{Condition: "then.details"}
	if best != nil {
		why = e.leaf(trace, false)
		why.Related = best.ID
	}
	switch {
	case v == tickmark.Unknown && reason == tickmark.ReasonNotCollected && missing != "" && e.r.collected():
		why.Message = fmt.Sprintf("unknown: no %s meets the condition among those read, but %s was not read completely for this scope; --show coverage says why", shortType(typ), typ)
	case v == tickmark.Unknown && reason == tickmark.ReasonNotCollected && missing != "":
		why.Message = fmt.Sprintf("unknown: no %s meets the condition among those read, but the type was not read completely for this scope; "+
			"if the export holds all of them, say so with --complete %s", shortType(typ), typ)
	case v == tickmark.Unknown && reason == tickmark.ReasonNotCollected && best == nil && x.check.Inherent:
		why.Found, why.Wanted, why.Field = "absent", "one "+typ, typ
		why.Message = fmt.Sprintf("unknown: Azure itself keeps the %s that this check looks for, so one that is missing was not exported", shortType(typ))
	case v == tickmark.Unknown && reason == tickmark.ReasonScopeUnknown && e.r.directories() > 1:
		why.Message = fmt.Sprintf("unknown: objects of %d directories were read together and do not say which of them they belong to; assess each directory's export by itself",
			e.r.directories())
	case v == tickmark.Unknown:
		why.Message = "unknown: " + e.unknown(reason)
	case best == nil:
		why.Found, why.Wanted = "absent", "one "+typ
		why.Message = fmt.Sprintf("there is no %s", shortType(typ))
		why.Field = typ
	default:
		why.Message = fmt.Sprintf("none of %d %s meets the condition; nearest is %s: %s", len(related), shortType(typ), nameOf(best), sentence(why, trace))
		if flips := trace.Flips(); len(flips) > 0 && trace.Truth == policy.False {
			d, negated := flips[0].Decides()
			why.NearMiss = fmt.Sprintf("would pass if, in %s, %s", nameOf(best), wantedText(d, negated != trace.Negates(flips[0])))
		}
	}
	return why
}

// nearest returns the related resource that misses the condition by the
// fewest leaves.
func nearest(e *explainer, related []*policy.Resource) (*policy.Resource, *policy.Trace) {
	var best *policy.Resource
	var trace *policy.Trace
	for i, c := range related {
		if i >= 1000 {
			break
		}
		t := e.ev.TraceExistence(e.prog, e.res, c)
		if t == nil {
			continue
		}
		if best == nil || t.Misses() < trace.Misses() {
			best, trace = c, t
		}
	}
	return best, trace
}

func shortType(typ string) string {
	if _, rest, ok := strings.Cut(typ, "/"); ok {
		return rest
	}
	return typ
}

func nameOf(r *policy.Resource) string {
	for _, k := range []string{"displayName", "userPrincipalName"} {
		if s := r.Root.Get(k).Str(); s != "" {
			return fmt.Sprintf("%q", s)
		}
	}
	return fmt.Sprintf("%q", r.Name)
}

// leaf fills Why from the deciding condition of a trace. opposite says that
// what is wanted is the opposite of the condition.
func (e *explainer) leaf(t *policy.Trace, opposite bool) tickmark.Why {
	if t == nil {
		return tickmark.Why{}
	}
	d, negated := t.Decides()
	if d == nil {
		return tickmark.Why{Condition: t.Place}
	}
	return tickmark.Why{
		Condition: strings.TrimPrefix(d.Place, "policyRule."), Field: d.Field, Path: d.Path, Found: d.Found,
		Wanted: wanted(d, opposite != negated),
	}
}

// wanted says what the value should be: the operator, or its opposite, and
// the value.
func wanted(d *policy.Trace, opposite bool) string {
	op := d.Op
	if op == policy.Exists {
		exist := d.Wanted == "true" || d.Wanted == `"true"` || d.Wanted == `"True"`
		if exist != opposite {
			return "exists"
		}
		return "absent"
	}
	if opposite {
		op = op.Opposite()
	}
	return op.String() + " " + plainBool(d.Wanted)
}

// plainBool is a value as rules write it, a boolean without quotes: rules may
// write both, and compare both alike.
func plainBool(text string) string {
	switch strings.ToLower(text) {
	case `"true"`, `"false"`:
		return strings.ToLower(strings.Trim(text, `"`))
	}
	return text
}

// wantedText is wanted as a clause about the leaf's path.
func wantedText(d *policy.Trace, opposite bool) string {
	name := d.Path
	if name == "" {
		name = d.Field
	}
	if d.Kind == "count" {
		name = "the number of " + name + " that match"
	}
	w := wanted(d, opposite)
	switch w {
	case "exists":
		return name + " were set"
	case "absent":
		return name + " were absent"
	}
	op, value, _ := strings.Cut(w, " ")
	return name + " were " + phrase[op] + " " + value
}

// phrase says an operator in words that follow "is" or "must be".
var phrase = map[string]string{
	"equals": "equal to", "notEquals": "other than", "in": "one of", "notIn": "none of", "less": "less than",
	"lessOrEquals": "at most", "greater": "more than", "greaterOrEquals": "at least", "like": "like", "notLike": "not like",
	"match": "matching", "notMatch": "not matching", "matchInsensitively": "matching", "notMatchInsensitively": "not matching",
	"contains": "containing", "notContains": "not containing", "containsKey": "holding", "notContainsKey": "not holding",
}

// sentence says found and wanted in plain words; t is the trace that w is of.
func sentence(w tickmark.Why, t *policy.Trace) string {
	name := w.Path
	if name == "" {
		name = w.Field
	}
	if name == "" {
		return "the rule's conditions decided"
	}
	if d := t.Deciding(); d != nil && d.Kind == "count" {
		name = "the number of " + name + " that match"
	}
	switch w.Wanted {
	case "exists":
		return fmt.Sprintf("%s is %s; expected to be set", name, w.Found)
	case "absent":
		return fmt.Sprintf("%s is %s; expected to be absent", name, w.Found)
	}
	op, value, _ := strings.Cut(w.Wanted, " ")
	return fmt.Sprintf("%s is %s; expected %s %s", name, w.Found, phrase[op], value)
}

// nearMiss says which single change would flip a decided rule.
func nearMiss(t *policy.Trace, opposite bool) string {
	var out []string
	for _, f := range t.Flips() {
		switch strings.ToLower(f.Field) {
		case "type", "name", "kind", "location", "id", "fullname":
			continue
		}
		d, negated := f.Decides()
		if len(out) < 3 && d != nil {
			out = append(out, wantedText(d, opposite != (negated != t.Negates(f))))
		}
	}
	if len(out) == 0 {
		return ""
	}
	return "would pass if " + strings.Join(out, ", or if ")
}
