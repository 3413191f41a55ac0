// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"strings"
)

// State is the compliance state of a resource under a policy, in Azure's own
// words. The zero State is Unknown.
type State uint8

// The states. NotApplicable stands for "no state": the policy does not apply,
// the resource is out of scope or excluded, or the effect is Disabled.
const (
	Unknown State = iota
	NonCompliant
	Compliant
	Error
	Conflicting
	Protected
	Exempt
	NotApplicable
)

var stateText = [...]string{"Unknown", "NonCompliant", "Compliant", "Error", "Conflicting", "Protected", "Exempt", "NotApplicable"}

// String returns Azure's word for the state.
func (s State) String() string {
	if int(s) < len(stateText) {
		return stateText[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// ParseState reads Azure's word, whatever its case.
func ParseState(text string) (State, bool) {
	for i, t := range stateText {
		if foldEq(t, text) {
			return State(i), true
		}
	}
	return Unknown, false
}

// rank orders states for roll-up, highest first, as the 2024 page "compliance
// states" documents; NotApplicable does not take part.
var rank = [...]int{Unknown: 1, Exempt: 2, Protected: 3, Conflicting: 4, Error: 5, Compliant: 6, NonCompliant: 7, NotApplicable: 0}

// RollUp returns the state of a set of states: the one with the highest
// documented rank; NotApplicable when the set is empty or holds nothing else.
func RollUp(states ...State) State {
	best := NotApplicable
	for _, s := range states {
		if rank[s] > rank[best] {
			best = s
		}
	}
	return best
}

// Counts are numbers of states.
type Counts [NotApplicable + 1]int

// Percentage is Azure's own figure over distinct resources. Protected counts
// in both parts, as a later reading of the page has it, when protected is set.
// Source: Microsoft's page "Azure Policy compliance states"; the 2024 text has
// the error term, the 2023 text has not.
func (c Counts) Percentage(year int, protected bool) (percent float64, ok bool) {
	good := c[Compliant] + c[Exempt] + c[Unknown]
	all := good + c[NonCompliant] + c[Conflicting]
	if year >= 2024 {
		all += c[Error]
	}
	if protected {
		good += c[Protected]
		all += c[Protected]
	}
	if all == 0 {
		return 0, false
	}
	return 100 * float64(good) / float64(all), true
}

// Summary rolls the statuses of an assignment up.
type Summary struct {
	// Policies and Groups are states by reference id and group name.
	Policies, Groups map[string]State
	State            State
	// Resources counts distinct resources by their state over all policies.
	Resources Counts
	// Statuses counts (policy, resource) pairs.
	Statuses Counts
}

// Roller collects statuses into a Summary.
type Roller struct {
	x         *Assigned
	policies  map[string]State
	resources map[string]State
	statuses  Counts
}

// NewRoller makes a Roller for an assignment.
func NewRoller(x *Assigned) *Roller {
	return &Roller{x: x, policies: map[string]State{}, resources: map[string]State{}}
}

// Add takes one status.
func (r *Roller) Add(s Status) {
	if s.State == NotApplicable {
		return
	}
	r.statuses[s.State]++
	if old, ok := r.policies[s.Reference]; !ok || rank[s.State] > rank[old] {
		r.policies[s.Reference] = s.State
	}
	key := strings.ToLower(s.Resource.ID)
	if old, ok := r.resources[key]; !ok || rank[s.State] > rank[old] {
		r.resources[key] = s.State
	}
}

// Summary returns the roll-up of what was added.
func (r *Roller) Summary() Summary {
	out := Summary{Policies: r.policies, Groups: map[string]State{}, State: NotApplicable, Statuses: r.statuses}
	for _, m := range r.x.Members {
		s, ok := r.policies[m.Reference]
		if !ok {
			s = NotApplicable
		}
		out.State = RollUp(out.State, s)
		for _, g := range m.Groups {
			old, seen := out.Groups[g]
			if !seen {
				old = NotApplicable
			}
			out.Groups[g] = RollUp(old, s)
		}
	}
	for _, s := range r.resources {
		out.Resources[s]++
	}
	return out
}

// Effect is the effect of a policy.
type Effect uint8

// The effects. Unsupported effects parse, and evaluate to Unknown with the
// reason that they cannot be evaluated offline.
const (
	NoEffect Effect = iota
	Disabled
	Audit
	Deny
	Append
	Modify
	AuditIfNotExists
	DeployIfNotExists
	Manual
	DenyAction
	AuditAction
	Mutate
	EnforceRegoPolicy
	EnforceOPAConstraint
	AddToNetworkGroup
	EnforceSetting
)

var effectText = [...]string{
	"", "Disabled", "Audit", "Deny", "Append", "Modify", "AuditIfNotExists", "DeployIfNotExists", "Manual",
	"DenyAction", "AuditAction", "Mutate", "EnforceRegoPolicy", "EnforceOPAConstraint", "AddToNetworkGroup", "EnforceSetting",
}

// String returns the effect's documented spelling.
func (e Effect) String() string { return effectText[e] }

// ParseEffect reads an effect, whatever its case.
func ParseEffect(text string) (Effect, bool) {
	for i, t := range effectText {
		if i > 0 && foldEq(t, text) {
			return Effect(i), true
		}
	}
	return NoEffect, false
}

// existence reports whether the effect looks for related resources.
func (e Effect) existence() bool { return e == AuditIfNotExists || e == DeployIfNotExists }

// Truth is a truth value of Kleene's three-valued logic; the zero value is
// Maybe, so that nothing unset reads as true or false.
type Truth uint8

// The truth values.
const (
	Maybe Truth = iota
	False
	True
)

// String prints the truth value.
func (t Truth) String() string { return [...]string{"unknown", "false", "true"}[t] }

func truthOf(b bool) Truth {
	if b {
		return True
	}
	return False
}

func (t Truth) not() Truth {
	switch t {
	case True:
		return False
	case False:
		return True
	case Maybe:
	}
	return Maybe
}
