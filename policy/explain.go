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

// NonCompliance returns Azure's own sentence for a condition that made a
// resource non-compliant. negated says that the condition stands under an odd
// number of nots. Source: Microsoft's page "Determine causes of
// non-compliance", its table of reasons.
func NonCompliance(op Operator, negated bool) string {
	if negated {
		op = op.Opposite()
	}
	return reasonSentence[op]
}

// Opposite returns the operator that holds exactly where op does not. Exists,
// whose opposite is in its value, is returned as it is.
func (o Operator) Opposite() Operator {
	op := o
	switch op {
	case Less:
		return GreaterOrEquals
	case GreaterOrEquals:
		return Less
	case Greater:
		return LessOrEquals
	case LessOrEquals:
		return Greater
	case NoOperator, Exists:
		return op
	}
	return op ^ 1
}

// reasonSentence maps the operator whose truth makes the rule match (and the
// resource non-compliant) to what the value should have been.
var reasonSentence = map[Operator]string{
	NotContains:           "Current value must contain the target value.",
	Contains:              "Current value must not contain the target value.",
	NotContainsKey:        "Current value must contain the target value as a key.",
	ContainsKey:           "Current value must not contain the target value as a key.",
	NotEquals:             "Current value must be equal to the target value.",
	Equals:                "Current value must not be equal to the target value.",
	GreaterOrEquals:       "Current value must be less than the target value.",
	Less:                  "Current value must be greater than or equal to the target value.",
	LessOrEquals:          "Current value must be greater than the target value.",
	Greater:               "Current value must be less than or equal to the target value.",
	Exists:                "Current value must exist.",
	NotIn:                 "Current value must be in the target value.",
	In:                    "Current value must not be in the target value.",
	NotLike:               "Current value must be like the target value.",
	Like:                  "Current value must not be like the target value.",
	NotMatch:              "Current value must case-sensitive match the target value.",
	Match:                 "Current value must not case-sensitive match the target value.",
	NotMatchInsensitively: "Current value must case-insensitive match the target value.",
	MatchInsensitively:    "Current value must not case-insensitive match the target value.",
}

// NoRelated is Azure's sentence for an existence effect without a match.
const NoRelated = "No related resources match the effect details in the policy definition."
