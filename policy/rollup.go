// SPDX-License-Identifier: Apache-2.0

package policy

import "strings"

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
