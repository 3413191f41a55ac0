// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"strings"
)

// Explanation says why a resource has its state: Azure's sentence, and the
// condition, field and values behind it.
type Explanation struct {
	// Reason is one of the sentences of Microsoft's page "Determine causes of
	// non-compliance", or why the state is Unknown or Error.
	Reason string
	// Condition is the place of the deciding condition in the definition.
	Condition string
	// Field is what the condition reads, Path where that lies in the object.
	Field, Path string
	// Current and Target are the value found and the operator's value, as JSON;
	// secret values are masked.
	Current, Target string
	Operator        Operator
	// Related is the id of the related resource that came nearest, for an
	// existence effect.
	Related string
}

// Explain says why Evaluate gave o for r. For a state that no condition
// decides (Manual, Protected, Exempt) the explanation is empty.
func (e *Evaluator) Explain(p *Program, r *Resource, o Outcome) Explanation {
	switch {
	case p == nil || o.State == Protected || o.State == Exempt:
		return Explanation{}
	case o.State == Error:
		x := Explanation{Reason: "The policy cannot be evaluated on this resource."}
		if o.Err != nil {
			x.Reason = o.Err.Error()
		}
		return x
	case p.Policy.Effect == Manual:
		return Explanation{}
	case p.Policy.Effect.existence() && o.State != NotApplicable:
		return e.explainExistence(p, r, o)
	}
	t := e.Trace(p, r)
	x := t.explanation()
	switch o.State {
	case NonCompliant:
	case Unknown:
		x.Reason = o.Reason
	case Compliant, Error, Conflicting, Protected, Exempt, NotApplicable:
		x.Reason = ""
	}
	return x
}

// explanation describes the condition that decided a trace.
func (t *Trace) explanation() Explanation {
	d, negated := t.Decides()
	if d == nil {
		return Explanation{}
	}
	x := Explanation{Condition: d.Place, Field: d.Field, Path: d.Path, Current: d.Found, Target: d.Wanted, Operator: d.Op}
	x.Reason = NonCompliance(d.Op, negated)
	if d.Op == Exists && (strings.EqualFold(strings.Trim(d.Wanted, `"`), "true") != negated) {
		x.Reason = "Current value must not exist." // the condition found what must not be there
	}
	return x
}

func (e *Evaluator) explainExistence(p *Program, r *Resource, o Outcome) Explanation {
	if t := e.Trace(p, r); t.Truth == Maybe { // the if itself is undecided
		x := t.explanation()
		x.Reason = o.Reason
		return x
	}
	typ, related, missing := e.Related(p, r)
	var best *Resource
	var trace *Trace
	for i, c := range related {
		if i == 1000 {
			break
		}
		t := e.TraceExistence(p, r, c)
		if t == nil {
			break // no existence condition: any resource satisfies
		}
		if best == nil || t.Misses() < trace.Misses() {
			best, trace = c, t
		}
	}
	x := Explanation{Field: typ, Target: "one " + typ, Current: "absent", Condition: "then.details"}
	if best != nil {
		x = trace.explanation()
		x.Related = best.ID
		x.Current = fmt.Sprintf("%s (nearest of %d)", x.Current, len(related))
	} else if len(related) > 0 {
		x.Current, x.Related = fmt.Sprintf("%d found", len(related)), related[0].ID
	}
	switch o.State {
	case NonCompliant:
		x.Reason = NoRelated
	case Unknown:
		x.Reason = o.Reason
		if missing != "" {
			x.Reason = fmt.Sprintf("%s: %s was not read completely where the policy looks", o.Reason, typ)
		}
	case Compliant, Error, Conflicting, Protected, Exempt, NotApplicable:
		x.Reason = ""
	}
	return x
}
