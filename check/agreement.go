// SPDX-License-Identifier: Apache-2.0

package check

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/jsontape"
	"github.com/tickmark/tickmark/policy"
)

// The types of policy objects, as Azure names them.
const (
	typeDefinition    = "Microsoft.Authorization/policyDefinitions"
	typeSetDefinition = "Microsoft.Authorization/policySetDefinitions"
	typeAssignment    = "Microsoft.Authorization/policyAssignments"
	typeExemption     = "Microsoft.Authorization/policyExemptions"
	typeAttestation   = "Microsoft.PolicyInsights/attestations"
	typeState         = "Microsoft.PolicyInsights/policyStates"
	typeGroup         = "Microsoft.Management/managementGroups"
)

// Cause says why a pair was not compared, or why the two sides differ.
type Cause string

// The causes for which a pair is left out of the comparison.
const (
	// CauseChanged: the resource changed after Azure looked at it.
	CauseChanged Cause = "changed since Azure's evaluation"
	// CauseUnread: Azure has a state for a resource that the snapshot lacks.
	CauseUnread Cause = "resource not in the snapshot"
	// CauseUnbound: the assignment or its definition is not in the snapshot, or
	// cannot be bound.
	CauseUnbound Cause = "policy not in the snapshot or not evaluable"
	// CauseUndecided: we say Unknown, with a reason.
	CauseUndecided Cause = "undecided here"
	// CauseNoState: Azure has no state for the pair (yet).
	CauseNoState Cause = "no state in Azure"
	// CauseTold: Azure's own state is not a verdict (unknown, protected).
	CauseTold Cause = "Azure gives no verdict"
)

// The causes of a difference.
const (
	CauseApplicability Cause = "applicability"
	CauseExemption     Cause = "exemption"
	CauseClock         Cause = "time of evaluation"
	CauseRelated       Cause = "related resources"
	CauseDecision      Cause = "decision"
)

// Agreement is the comparison of our verdicts with Azure's policy states: the
// one oracle that is not ours. Every state of Azure and every pair of ours is
// in exactly one of Agree, Differences and Left.
type Agreement struct {
	// Assignments is how many assignments were read, Bound how many of them
	// could be evaluated.
	Assignments, Bound int
	// States is how many states Azure gave, Ours how many pairs we found
	// applicable.
	States, Ours int
	// Compared pairs have a verdict on both sides; Agree of them are equal.
	Compared, Agree int
	Differences     []Disagreement
	// Left counts what was not compared, by cause.
	Left map[Cause]int
	// Unbound names assignments and policies that could not be bound, and why.
	Unbound map[string]string
	// Undecided counts our reasons of Unknown; Such names one resource of each.
	Undecided map[string]int
	Such      map[string]string
}

// Disagreement is a pair on which the two sides differ.
type Disagreement struct {
	Assignment string    `json:"assignment"`
	Reference  string    `json:"policyDefinitionReferenceId,omitempty"`
	Definition string    `json:"definition"`
	Resource   string    `json:"resource"`
	Ours       string    `json:"ours"`
	Azure      string    `json:"azure"`
	Evaluated  time.Time `json:"azureEvaluated,omitzero"`
	Cause      Cause     `json:"cause"`
	Why        string    `json:"why"`
}

// azureState is one policy state of Azure.
type azureState struct {
	assignment, reference, resource, definition string
	state                                       string
	at                                          time.Time
	met                                         bool
}

// Agree evaluates every policy assignment of an inventory over its resources
// and compares the states with those that Azure gave. aliases are those of the
// catalogue. Azure is stricter or laxer on purpose in a few places; what it
// would show (policy.Status.Azure) is compared.
func Agree(ctx context.Context, inv *inventory.Inventory, aliases *policy.Catalog, now time.Time) (*Agreement, error) {
	a := &Agreement{Differences: []Disagreement{}, Left: map[Cause]int{}, Unbound: map[string]string{}, Undecided: map[string]int{}, Such: map[string]string{}}
	states := azureStates(inv)
	a.States = len(states)
	lib, bad := policyLibrary(inv, aliases)
	maps.Copy(a.Unbound, bad)
	exemptions, err := policy.ParseExemptions("exemptions", rawList(inv.OfType(typeExemption)))
	if err != nil {
		a.Unbound["exemptions"] = err.Error()
	}
	attestations, err := policy.ParseAttestations("attestations", rawList(inv.OfType(typeAttestation)))
	if err != nil {
		a.Unbound["attestations"] = err.Error()
	}
	scopes := ancestry(inv)
	for _, r := range inv.OfType(typeAssignment) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		a.Assignments++
		x, err := bindAssignment(&r, lib)
		if err != nil {
			a.Unbound[r.ID] = err.Error()
			continue
		}
		a.Bound++
		x.Scopes, x.Exemptions, x.Attestations = scopes, exemptions, attestations
		a.compare(inv, x, r.ID, states, now)
	}
	a.rest(inv, states)
	slices.SortFunc(a.Differences, func(x, y Disagreement) int {
		return slices.Compare([]string{x.Assignment, x.Reference, x.Resource}, []string{y.Assignment, y.Reference, y.Resource})
	})
	return a, nil
}

// Rate is the share of compared pairs that agree; false when none was compared.
func (a *Agreement) Rate() (float64, bool) {
	if a.Compared == 0 {
		return 0, false
	}
	return float64(a.Agree) / float64(a.Compared), true
}

func bindAssignment(r *inventory.Resource, lib *policy.Library) (*policy.Assigned, error) {
	if r.Is(inventory.Summary) || r.Is(inventory.Conflicting) || r.Is(inventory.Implied) {
		return nil, fmt.Errorf("the assignment was not read whole")
	}
	as, err := policy.ParseAssignment(r.ID, r.Root.Raw())
	if err != nil {
		return nil, err
	}
	return policy.Assign(as, lib)
}

// stateKey makes one key of what identifies a state; Azure spells ids in
// varying case.
func stateKey(assignment, reference, resource string) string {
	return strings.ToLower(assignment + "|" + reference + "|" + strings.TrimRight(resource, "/"))
}

// azureStates indexes the states that the snapshot holds.
func azureStates(inv *inventory.Inventory) map[string]*azureState {
	out := map[string]*azureState{}
	for _, r := range inv.OfType(typeState) {
		p := r.Root.Get("properties")
		text := func(name string) string {
			v := p.Get(name)
			if v.Kind() != jsontape.String {
				return ""
			}
			return v.Str()
		}
		s := &azureState{
			assignment: text("policyAssignmentId"), reference: text("policyDefinitionReferenceId"), resource: text("resourceId"),
			definition: text("policyDefinitionId"), state: text("complianceState"),
		}
		if s.assignment == "" || s.resource == "" {
			continue
		}
		if at, err := time.Parse(time.RFC3339Nano, text("timestamp")); err == nil {
			s.at = at
		}
		key := stateKey(s.assignment, s.reference, s.resource)
		if old := out[key]; old == nil || old.at.Before(s.at) {
			out[key] = s
		}
	}
	return out
}

// policyLibrary gathers the definitions and initiatives of the snapshot.
func policyLibrary(inv *inventory.Inventory, aliases *policy.Catalog) (*policy.Library, map[string]string) {
	m := &policy.Import{}
	bad := AddDefinitions(m, inv)
	m.Check(aliases)
	for _, p := range m.Problems {
		bad[strings.SplitN(p.Error(), ":", 2)[0]] = p.Error()
	}
	return m.Library(aliases), bad
}

// AddDefinitions adds the definitions and initiatives of an inventory to m, and
// says which were not read whole.
func AddDefinitions(m *policy.Import, inv *inventory.Inventory) map[string]string {
	bad := map[string]string{}
	for _, t := range []string{typeDefinition, typeSetDefinition} {
		for _, r := range inv.OfType(t) {
			if r.Is(inventory.Summary) || r.Is(inventory.Conflicting) || r.Is(inventory.Implied) {
				bad[r.ID] = "the definition was not read whole"
				continue
			}
			m.Add(r.ID, r.Root.Raw())
		}
	}
	return bad
}

// rawList joins the resources that were read whole into a JSON array.
func rawList(list []inventory.Resource) []byte {
	var b bytes.Buffer
	b.WriteByte('[')
	n := 0
	for i := range list {
		r := &list[i]
		if r.Is(inventory.Summary) || r.Is(inventory.Conflicting) || r.Is(inventory.Implied) {
			continue
		}
		if n++; n > 1 {
			b.WriteByte(',')
		}
		b.Write(r.Root.Raw())
	}
	b.WriteByte(']')
	return b.Bytes()
}

// ancestry reads the management groups above each subscription: from the
// subscription's own chain, as Resource Graph gives it, else from the groups
// and their descendants.
func ancestry(inv *inventory.Inventory) policy.Scopes {
	const groups = "/providers/Microsoft.Management/managementGroups/"
	out := policy.Scopes{}
	chainOf := func(v jsontape.Value) []string {
		var chain []string
		for e := range v.Elems() {
			if n := e.Get("name"); n.Kind() == jsontape.String {
				chain = append(chain, groups+n.Str())
			}
		}
		return chain
	}
	above := map[string][]string{}
	for _, r := range inv.OfType(typeGroup) {
		above[r.Key] = chainOf(r.Root.Get("properties").Get("details").Get("managementGroupAncestorsChain"))
	}
	for _, r := range inv.OfType(inventory.TypeSubscription) {
		if chain := chainOf(r.Root.Get("properties").Get("managementGroupAncestorsChain")); len(chain) > 0 {
			out[r.Key] = chain
		}
	}
	for _, r := range inv.OfType("arm/managementGroupDescendants") {
		typ, id, parent := r.Root.Get("type"), r.Root.Get("id"), r.Root.Get("properties").Get("parent").Get("id")
		if typ.Kind() != jsontape.String || id.Kind() != jsontape.String || parent.Kind() != jsontape.String || !strings.HasSuffix(strings.ToLower(typ.Str()), "/subscriptions") {
			continue
		}
		key := strings.ToLower(id.Str())
		if i := strings.LastIndex(key, "/subscriptions/"); i > 0 {
			key = key[i:]
		}
		if chain, ok := above[strings.ToLower(parent.Str())]; ok && out[key] == nil {
			out[key] = append([]string{parent.Str()}, chain...)
		}
	}
	return out
}

// compare evaluates one assignment and sets its pairs beside Azure's.
func (a *Agreement) compare(inv *inventory.Inventory, x *policy.Assigned, id string, states map[string]*azureState, now time.Time) {
	env, list := Environment(inv, x, now)
	ev := &policy.Evaluator{Env: env}
	for i := range x.Members {
		if m := &x.Members[i]; m.Err != nil {
			a.Unbound[strings.TrimSuffix(id+" "+m.Reference, " ")] = firstLine(m.Err.Error())
		}
	}
	for k := range list {
		r := &list[k]
		// Azure evaluates what lies in subscriptions.
		if ir := &inv.Resources[k]; ir.Is(inventory.Implied) || !strings.HasPrefix(ir.Key, "/subscriptions/") || inventory.IsRecord(ir.Type) {
			continue
		}
		for i := range x.Members {
			m := &x.Members[i]
			s := x.Evaluate(ev, i, r)
			az := states[stateKey(id, m.Reference, r.ID)]
			if s.State == policy.NotApplicable && az == nil {
				continue
			}
			if az != nil {
				az.met = true
			}
			if m.Err != nil {
				if az != nil {
					a.Left[CauseUnbound]++
				}
				continue
			}
			if s.State != policy.NotApplicable {
				a.Ours++
			}
			a.pair(&inv.Resources[k], m, id, &s, az)
		}
	}
}

// pair files one pair under agree, differences or left.
func (a *Agreement) pair(r *inventory.Resource, m *policy.Member, id string, s *policy.Status, az *azureState) {
	switch {
	case s.Azure == policy.Unknown:
		a.Left[CauseUndecided]++
		if a.Undecided[s.Reason]++; a.Undecided[s.Reason] == 1 {
			a.Such[s.Reason] = r.ID
		}
		return
	case az == nil:
		a.Left[CauseNoState]++
		return
	case !az.at.IsZero() && changedAt(r).After(az.at):
		a.Left[CauseChanged]++
		return
	}
	want, known := policy.ParseState(az.state)
	if !known || want == policy.Unknown || want == policy.Protected {
		a.Left[CauseTold]++
		return
	}
	a.Compared++
	if s.Azure == want {
		a.Agree++
		return
	}
	d := Disagreement{
		Assignment: id, Reference: m.Reference, Definition: az.definition, Resource: r.ID,
		Ours: s.Azure.String(), Azure: az.state, Evaluated: az.at, Cause: CauseDecision,
	}
	switch {
	case s.Azure == policy.NotApplicable:
		d.Cause, d.Why = CauseApplicability, "Azure evaluates the resource; by our reading the policy does not apply to it"
	case s.Azure == policy.Exempt || want == policy.Exempt:
		d.Cause, d.Why = CauseExemption, "an exemption is in force on one side only: compare scope, expiry and the instant of evaluation"
	case m.Policy.Clock():
		d.Cause, d.Why = CauseClock, "the rule depends on the time at which it is evaluated"
	case m.Policy.RelatedType() != "":
		d.Cause, d.Why = CauseRelated, "the rule looks for "+m.Policy.RelatedType()+": what was collected of it, or when, may differ"
	default:
		d.Why = "the same rule and resource, decided differently"
	}
	if s.Reason != "" {
		d.Why += " (" + s.Reason + ")"
	}
	a.Differences = append(a.Differences, d)
}

// rest counts the states of Azure that met no pair of ours.
func (a *Agreement) rest(inv *inventory.Inventory, states map[string]*azureState) {
	for _, s := range states {
		switch {
		case s.met:
		case inv.Get(s.resource) == nil:
			a.Left[CauseUnread]++
		default:
			a.Left[CauseUnbound]++
		}
	}
}

// changedAt is when the resource says that it was last changed.
func changedAt(r *inventory.Resource) time.Time {
	for _, v := range []jsontape.Value{r.Root.Get("systemData").Get("lastModifiedAt"), r.Root.Get("changedTime"), r.Root.Get("properties").Get("lastModifiedTimeUtc")} {
		if v.Kind() == jsontape.String {
			if t, err := time.Parse(time.RFC3339Nano, v.Str()); err == nil {
				return t
			}
		}
	}
	return time.Time{}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
