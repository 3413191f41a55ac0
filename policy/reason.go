// SPDX-License-Identifier: Apache-2.0

package policy

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
