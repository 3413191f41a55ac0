// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"strings"

	"github.com/tickmark/tickmark/armexpr"
)

// Assigned is an assignment bound to its definition or initiative: ready to be
// evaluated. It is safe for concurrent use.
type Assigned struct {
	Assignment *Assignment
	Initiative *Initiative // nil when a single definition is assigned
	Members    []Member
	// Scopes, Exemptions and Attestations are what evaluation takes into
	// account; set them before evaluating.
	Scopes       Scopes
	Exemptions   []*Exemption
	Attestations []*Attestation
}

// Member is one policy of an assignment.
type Member struct {
	Reference string // reference id; "" when a single definition is assigned
	Groups    []string
	Policy    *Policy
	// Err says why the policy could not be bound; every state is then Unknown
	// with Reason.
	Err    error
	Reason string
	// variants are the policy under the effects that overrides name.
	variants []variant
}

type variant struct {
	selector *Selector
	policy   *Policy
}

// Assign binds an assignment to the definitions in the library. A policy that
// cannot be bound stays as a member with Err; an error means that the
// assignment itself cannot be used.
func Assign(a *Assignment, l *Library) (*Assigned, error) {
	out := &Assigned{Assignment: a}
	pin := a.Version
	for _, o := range a.overrides {
		if o.kind == "policyversion" && len(o.selector.conditions) == 0 {
			pin = o.value
		}
	}
	if n := l.Initiative(a.DefinitionID, pin); n != nil {
		out.Initiative = n
		params, err := n.bind(a.parameters)
		if err != nil {
			return nil, err
		}
		for i := range n.References {
			out.Members = append(out.Members, member(a, l, n, &n.References[i], params))
		}
		return out, nil
	}
	d, found := l.Definition(a.DefinitionID, pin)
	if d == nil {
		what := fmt.Sprintf("definition %q is not in the library", a.DefinitionID)
		if found {
			what = fmt.Sprintf("no version of definition %q matches %s", a.DefinitionID, pin)
		}
		return nil, a.doc.errorAt(a.doc.tape.Root(), "policyDefinitionId", "%s", what)
	}
	m := Member{}
	m.bind(a, d, a.parameters, l.Catalog)
	out.Members = []Member{m}
	return out, nil
}

func member(a *Assignment, l *Library, n *Initiative, r *Reference, params map[string]armexpr.Value) Member {
	m := Member{Reference: r.ID, Groups: r.Groups}
	pin := r.Version
	for i := range a.overrides {
		o := &a.overrides[i]
		if o.kind == "policyversion" && o.selector.selects(&Resource{}, r.ID) == True {
			pin = o.value
			break
		}
	}
	d, found := l.Definition(r.DefinitionID, pin)
	if d == nil {
		m.Reason = "definitionMissing"
		m.Err = fmt.Errorf("definition %s is not in the library", libraryKey(r.DefinitionID))
		if found {
			m.Reason = "versionMissing"
			m.Err = fmt.Errorf("no version of definition %s matches %s", libraryKey(r.DefinitionID), pin)
		}
		return m
	}
	values, err := n.parametersOf(r, params)
	if err != nil {
		m.Err, m.Reason = err, "parameterMissing"
		return m
	}
	m.bind(a, d, values, l.Catalog)
	return m
}

// bind binds the definition and its variants under effect overrides.
func (m *Member) bind(a *Assignment, d *Definition, params map[string]armexpr.Value, c *Catalog) {
	m.Policy, m.Err = Bind(d, params, c)
	if m.Err != nil {
		m.Reason = "evaluationError"
		return
	}
	for i := range a.overrides {
		o := &a.overrides[i]
		if o.kind != "policyeffect" {
			continue
		}
		e, _ := ParseEffect(o.value)
		p, err := bind(d, params, c, e)
		if err != nil {
			m.Err, m.Reason = err, "evaluationError"
			return
		}
		m.variants = append(m.variants, variant{&o.selector, p})
	}
}

// policyFor returns the policy that counts for the resource: under the first
// effect override that selects it, else as bound; Maybe when that is not known.
func (m *Member) policyFor(r *Resource) (*Policy, Truth) {
	for _, v := range m.variants {
		switch v.selector.selects(r, m.Reference) {
		case True:
			return v.policy, True
		case Maybe:
			return m.Policy, Maybe
		case False:
		}
	}
	return m.Policy, True
}

// Status is the state of one resource under one policy of an assignment.
type Status struct {
	Reference string
	Resource  *Resource
	Outcome
	// Azure is the state that Azure shows where it differs, because we are
	// stricter on purpose; equal to State otherwise.
	Azure State
	// Exemption is the id of the exemption behind state Exempt.
	Exemption string
	// Warning says what a person should know, such as several attestations.
	Warning string
	Message string // non-compliance message of the assignment
}

// Evaluate returns the state of one resource under member i.
func (x *Assigned) Evaluate(ev *Evaluator, i int, r *Resource) Status {
	return x.evaluate(ev, i, nil, r)
}

// EvaluateProgram is Evaluate with the member's program for the resource's
// type, which the caller looked up once for many resources.
func (x *Assigned) EvaluateProgram(ev *Evaluator, i int, p *Program, r *Resource) Status {
	return x.evaluate(ev, i, p, r)
}

func (x *Assigned) evaluate(ev *Evaluator, i int, prog *Program, r *Resource) Status {
	m := &x.Members[i]
	s := Status{Reference: m.Reference, Resource: r}
	switch x.inScope(r, m.Reference) {
	case False:
		s.State, s.Azure = NotApplicable, NotApplicable
		return s
	case Maybe:
		return unknownStatus(s, "scopeUnknown", nil)
	case True:
	}
	if m.Err != nil {
		return unknownStatus(s, m.Reason, m.Err)
	}
	p, sure := m.policyFor(r)
	if sure != True {
		return unknownStatus(s, "scopeUnknown", nil)
	}
	if p.Definition.Static() {
		s.State, s.Azure = NotApplicable, NotApplicable
		return s
	}
	if prog == nil || prog.Policy != p {
		prog = p.For(r.Type)
	}
	s.Outcome = ev.Evaluate(prog, r)
	if p.Effect == Manual && s.State != NotApplicable {
		x.attest(&s, ev, r)
	}
	s.Azure = s.State
	if s.State == Error && s.Reason == "unknownAlias" {
		s.Azure = NotApplicable // Azure silently leaves the policy out
	}
	if s.State != NotApplicable {
		x.exempt(&s, ev, r)
	}
	if s.State == NonCompliant {
		s.Message = x.message(m.Reference)
	}
	return s
}

func unknownStatus(s Status, reason string, err error) Status {
	s.Outcome = Outcome{State: Unknown, Reason: reason, Err: err}
	s.Azure = Unknown
	return s
}

// inScope reports whether the assignment looks at the resource at all.
func (x *Assigned) inScope(r *Resource, reference string) Truth {
	a := x.Assignment
	t := x.Scopes.contains(a.Scope, r.ID)
	for _, ns := range a.NotScopes {
		t = both(t, x.Scopes.contains(ns, r.ID).not())
	}
	if t == False {
		return False
	}
	return both(t, anySelects(a.selectors, r, reference))
}

func (x *Assigned) exempt(s *Status, ev *Evaluator, r *Resource) {
	maybe := false
	for _, e := range x.Exemptions {
		switch e.exempts(x.Assignment, s.Reference, r, x.Scopes, ev.Env.Now) {
		case True:
			s.Outcome = Outcome{State: Exempt}
			s.Azure, s.Exemption = Exempt, e.ID
			return
		case Maybe:
			maybe = true
		case False:
		}
	}
	if maybe {
		*s = unknownStatus(*s, "scopeUnknown", nil)
	}
}

// attest sets the state of a manual policy from the newest valid attestation.
// Several are undocumented: ours takes the newest by the server's time, a tie
// takes the worst, and warns.
func (x *Assigned) attest(s *Status, ev *Evaluator, r *Resource) {
	var best *Attestation
	n := 0
	for _, t := range x.Attestations {
		if !foldEq(t.AssignmentID, x.Assignment.ID) || !foldEq(strings.TrimRight(t.ResourceID, "/"), strings.TrimRight(r.ID, "/")) {
			continue
		}
		if s.Reference != "" && !foldEq(t.Reference, s.Reference) || !t.ExpiresAt.IsZero() && !ev.Env.Now.Before(t.ExpiresAt) {
			continue
		}
		n++
		if best == nil || t.At.After(best.At) || t.At.Equal(best.At) && rankWorst(t.State) > rankWorst(best.State) {
			best = t
		}
	}
	if best == nil {
		return
	}
	s.Outcome = Outcome{State: best.State}
	if best.State == Unknown {
		s.Reason = "needsPeople"
	}
	if n > 1 {
		s.Warning = fmt.Sprintf("%d valid attestations for this resource and policy; the newest (%s) counts", n, best.ID)
	}
}

// rankWorst orders attested states: non-compliant is worst, then unknown.
func rankWorst(s State) int {
	if s == NonCompliant {
		return 2
	}
	if s == Unknown {
		return 1
	}
	return 0
}

func (x *Assigned) message(reference string) string {
	out := ""
	for _, m := range x.Assignment.Messages {
		if m.Reference != "" && foldEq(m.Reference, reference) {
			return m.Text
		}
		if m.Reference == "" {
			out = m.Text
		}
	}
	return out
}

// EvaluateAll evaluates every member on every resource and calls yield for
// each status that is not NotApplicable, by member, then resource.
func (x *Assigned) EvaluateAll(ev *Evaluator, resources []*Resource, yield func(member int, s Status)) {
	for i := range x.Members {
		for _, r := range resources {
			if s := x.Evaluate(ev, i, r); s.State != NotApplicable {
				yield(i, s)
			}
		}
	}
}
