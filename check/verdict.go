// SPDX-License-Identifier: Apache-2.0

package check

import (
	"slices"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/policy"
)

// verdictOf is the one table from Azure's compliance states to verdicts. Only
// Compliant is a pass; Error, Conflicting and Protected say that the rule gave
// no answer about the resource, which is Unknown.
var verdictOf = [...]tickmark.Verdict{
	policy.Unknown:       tickmark.Unknown,
	policy.NonCompliant:  tickmark.Fail,
	policy.Compliant:     tickmark.Pass,
	policy.Error:         tickmark.Unknown,
	policy.Conflicting:   tickmark.Unknown,
	policy.Protected:     tickmark.Unknown,
	policy.Exempt:        tickmark.Exempt,
	policy.NotApplicable: tickmark.NotApplicable,
}

// Verdict maps a state of Azure Policy to our verdict and, for Unknown, its reason.
func Verdict(o policy.Outcome) (tickmark.Verdict, tickmark.Reason) {
	v := verdictOf[o.State]
	if v != tickmark.Unknown {
		return v, tickmark.ReasonNone
	}
	switch {
	case o.Reason != "":
		return v, tickmark.Reason(o.Reason)
	case o.State == policy.Conflicting:
		return v, tickmark.ReasonConflicting
	case o.State == policy.Error:
		return v, tickmark.ReasonEvaluationError
	}
	return v, tickmark.ReasonNotCollected
}

// reasonList gives reasons small numbers inside one run; index 0 is none.
type reasonList struct{ words []tickmark.Reason }

func newReasonList() *reasonList { return &reasonList{words: []tickmark.Reason{tickmark.ReasonNone}} }

// add returns the number of r. A run meets a handful of reasons; a 256th is
// folded into the general one.
func (l *reasonList) add(r tickmark.Reason) uint8 {
	if i := slices.Index(l.words, r); i >= 0 {
		return uint8(i) //nolint:gosec // bounded below
	}
	if len(l.words) > 254 {
		return l.add(tickmark.ReasonEvaluationError)
	}
	l.words = append(l.words, r)
	return uint8(len(l.words) - 1) //nolint:gosec // bounded above
}

// stateOf rolls counts up: the worst kind present wins.
func stateOf(c Counts) State {
	switch {
	case c.Fail > 0:
		return StateFail
	case c.Unknown > 0:
		return StateUnknown
	case c.Pass > 0:
		return StatePass
	case c.Exempt > 0:
		return StateExempt
	}
	return StateNoResource
}
