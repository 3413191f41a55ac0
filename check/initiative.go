// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/policy"
)

// InitiativeRun is the outcome of evaluating an assignment of Azure policies
// over an inventory.
type InitiativeRun struct {
	Assigned *policy.Assigned
	Policies []PolicySummary
	Groups   []GroupSummary
	// Resources counts distinct resources by their worst state, Statuses the
	// (policy, resource) pairs.
	Resources, Statuses policy.Counts
	// Pairs is the number of evaluations that were needed.
	Pairs int
	// State is the roll-up over everything.
	State policy.State
}

// PolicySummary is one policy of an initiative with its counts.
type PolicySummary struct {
	Reference   string
	DisplayName string
	Definition  string
	Effect      policy.Effect
	Groups      []string
	// Manual says that only people's attestations decide.
	Manual bool
	State  policy.State
	Counts policy.Counts
	// Reasons counts why pairs are Unknown or Error.
	Reasons map[string]int
	// Err says why the policy could not be bound.
	Err error
}

// GroupSummary is one group of an initiative (a criterion, for SOC 2), with
// automated and manual policies apart.
type GroupSummary struct {
	policy.Group
	State policy.State
	// Automated and Manual are numbers of policies; Decided of the automated
	// ones gave a compliant or non-compliant state somewhere, Undecided met
	// resources but gave none, and the rest met no resource.
	Automated, Manual, Decided, Undecided, Failing int
	Counts                                         policy.Counts // of automated policies
}

// RunInitiative evaluates every policy of an assignment on every resource that
// its type index selects. It does no I/O and does not depend on the number of
// workers.
func RunInitiative(ctx context.Context, inv *inventory.Inventory, x *policy.Assigned, o Options) (*InitiativeRun, error) {
	r := initiativeRunner(inv, x, o.Now)
	work := r.initiativeChunks(x)
	tallies := make([]*tally, len(work))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range max(1, workers(o.Workers)) {
		wg.Go(func() {
			ev := &policy.Evaluator{Env: r.env}
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(work) {
					return
				}
				tallies[i] = r.tally(ev, x, work[i])
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return r.sum(x, tallies), nil
}

// Environment returns what the policies of an assignment are evaluated in over
// an inventory, and its resources in their order: for programs that evaluate
// pair by pair instead of calling RunInitiative.
func Environment(inv *inventory.Inventory, x *policy.Assigned, now time.Time) (*policy.Env, []policy.Resource) {
	r := initiativeRunner(inv, x, now)
	return r.env, r.res
}

func initiativeRunner(inv *inventory.Inventory, x *policy.Assigned, now time.Time) *runner {
	r := newRunner(inv, &Rules{}, now)
	for i := range x.Members {
		if p := x.Members[i].Policy; p != nil && p.RelatedType() != "" {
			t := p.RelatedType()
			r.related[t] = r.relatedType(t, false)
		}
	}
	return r
}

// initiativeChunk is a range of resources of one type with the members that
// can apply to it.
type initiativeChunk struct {
	members  []int
	programs []*policy.Program // by members
	span     span
}

func (r *runner) initiativeChunks(x *policy.Assigned) []initiativeChunk {
	var out []initiativeChunk
	for _, t := range r.inv.Types {
		var members []int
		var programs []*policy.Program
		for i := range x.Members {
			m := &x.Members[i]
			if m.Err != nil || m.Policy.Definition.Static() {
				continue
			}
			if p := m.Policy.For(t.Type); p != nil {
				members, programs = append(members, i), append(programs, p)
			}
		}
		if len(members) == 0 {
			continue
		}
		s := r.spans[lower(t.Type)]
		for from := s.from; from < s.to; from += chunkSize {
			out = append(out, initiativeChunk{members, programs, span{from, min(from+chunkSize, s.to)}})
		}
	}
	return out
}

// tally is what one chunk adds up to.
type tally struct {
	members   []int
	counts    []policy.Counts
	reasons   []map[string]int
	resources policy.Counts
	pairs     int
}

func (r *runner) tally(ev *policy.Evaluator, x *policy.Assigned, c initiativeChunk) *tally {
	t := &tally{members: c.members, counts: make([]policy.Counts, len(c.members)), reasons: make([]map[string]int, len(c.members))}
	for i := c.span.from; i < c.span.to; i++ {
		worst := policy.NotApplicable
		for k, m := range c.members {
			s := x.EvaluateProgram(ev, m, c.programs[k], &r.res[i])
			t.pairs++
			if s.State == policy.NotApplicable {
				continue
			}
			t.counts[k][s.State]++
			worst = policy.RollUp(worst, s.State)
			if s.Reason != "" {
				if t.reasons[k] == nil {
					t.reasons[k] = map[string]int{}
				}
				t.reasons[k][s.Reason]++
			}
		}
		if worst != policy.NotApplicable {
			t.resources[worst]++
		}
	}
	return t
}

// sum adds the tallies up in the order of the chunks.
func (r *runner) sum(x *policy.Assigned, tallies []*tally) *InitiativeRun {
	run := &InitiativeRun{Assigned: x, State: policy.NotApplicable, Policies: make([]PolicySummary, len(x.Members))}
	for i := range x.Members {
		m := &x.Members[i]
		p := PolicySummary{Reference: m.Reference, Groups: m.Groups, Err: m.Err, Reasons: map[string]int{}, State: policy.NotApplicable}
		if m.Policy != nil {
			d := m.Policy.Definition
			p.DisplayName, p.Definition, p.Effect = d.DisplayName, d.Name, m.Policy.Effect
			p.Manual = m.Policy.Effect == policy.Manual
		}
		run.Policies[i] = p
	}
	for _, t := range tallies {
		run.Pairs += t.pairs
		for s, n := range t.resources {
			run.Resources[s] += n
		}
		for k, m := range t.members {
			p := &run.Policies[m]
			for s, n := range t.counts[k] {
				p.Counts[s] += n
				run.Statuses[s] += n
				if n > 0 {
					p.State = policy.RollUp(p.State, policy.State(s))
				}
			}
			for why, n := range t.reasons[k] {
				p.Reasons[why] += n
			}
		}
	}
	run.groups(x)
	return run
}

func (run *InitiativeRun) groups(x *policy.Assigned) {
	if x.Initiative == nil {
		for _, p := range run.Policies {
			run.State = policy.RollUp(run.State, p.State)
		}
		return
	}
	for _, g := range x.Initiative.Groups {
		run.Groups = append(run.Groups, GroupSummary{Group: g, State: policy.NotApplicable})
	}
	for i := range run.Policies {
		p := &run.Policies[i]
		run.State = policy.RollUp(run.State, p.State)
		for _, name := range p.Groups {
			k := slices.IndexFunc(run.Groups, func(g GroupSummary) bool { return lower(g.Name) == lower(name) })
			if k >= 0 {
				run.Groups[k].add(p)
			}
		}
	}
}

func (g *GroupSummary) add(p *PolicySummary) {
	g.State = policy.RollUp(g.State, p.State)
	if p.Manual {
		g.Manual++
		return
	}
	g.Automated++
	for s, n := range p.Counts {
		g.Counts[s] += n
	}
	switch {
	case p.Counts[policy.NonCompliant] > 0:
		g.Failing++
		g.Decided++
	case p.Counts[policy.Compliant] > 0:
		g.Decided++
	case p.State != policy.NotApplicable || p.Err != nil:
		g.Undecided++
	}
}

// StateCounts are numbers of compliance states, indexed by policy.State.
type StateCounts = policy.Counts

// StateName is Azure's word for the state with this index in StateCounts.
func StateName(i int) string { return policy.State(i).String() } //nolint:gosec // an index of StateCounts
