// SPDX-License-Identifier: Apache-2.0

package policy

import "strings"

// extensionTypes are types whose objects hang below any resource, as
// {resource}/providers/{type}/{name}: an existence effect looks for them under
// the evaluated resource although the type is not nested in its type.
var extensionTypes = map[string]bool{
	"microsoft.insights/diagnosticsettings":                         true,
	"microsoft.insights/datacollectionruleassociations":             true,
	"microsoft.guestconfiguration/guestconfigurationassignments":    true,
	"microsoft.security/assessments":                                true,
	"microsoft.authorization/locks":                                 true,
	"microsoft.authorization/roleassignments":                       true,
	"microsoft.kubernetesconfiguration/extensions":                  true,
	"microsoft.kubernetesconfiguration/fluxconfigurations":          true,
	"microsoft.kubernetesconfiguration/sourcecontrolconfigurations": true,
	"microsoft.automanage/configurationprofileassignments":          true,
	"microsoft.maintenance/configurationassignments":                true,
	"microsoft.security/advancedthreatprotectionsettings":           true,
	"microsoft.security/defenderforstoragesettings":                 true,
	"microsoft.recoveryservices/backupprotecteditems":               true,
	"microsoft.chaos/targets":                                       true,
}

// exists reports whether a related resource satisfies the policy.
func (e *Evaluator) exists(p *Program) (Truth, error) {
	q, known, err := e.query(p)
	if err != nil || !known {
		return Maybe, err
	}
	d := &p.Policy.details
	wantName := ""
	if d.name != nil {
		v, err := e.value(d.name)
		if err != nil {
			return Maybe, err
		}
		if v.Reason() != "" {
			e.why = v.Reason()
			return Maybe, nil
		}
		wantName = v.Str()
	}
	var rel Related
	if e.Env.Inventory != nil {
		rel = e.Env.Inventory.Related(q)
	} else {
		rel.Missing = "notCollected"
	}
	out, why, matched := False, "", false
	for _, r := range rel.Resources {
		if wantName != "" && !nameMatches(wantName, r) {
			continue
		}
		if r.Doubt != "" {
			out, why = Maybe, r.Doubt
			continue
		}
		matched = true
		t, w, err := e.related(p, r)
		if err != nil {
			return Maybe, err
		}
		if t == True {
			return True, nil
		}
		if t == Maybe && out == False {
			out, why = Maybe, w
		}
	}
	if out == False && !matched && rel.Inherent {
		out, why = Maybe, "notCollected"
	}
	if out == False && rel.Missing != "" && (!matched || q.Under == "" || wantName == "" || strings.Contains(wantName, "?")) {
		// A name is unique under its parent: the one that was found is the only one.
		out, why = Maybe, rel.Missing
	}
	if out == Maybe {
		e.why = why
	}
	return out, nil
}

// related evaluates the existence condition on one candidate.
func (e *Evaluator) related(p *Program, r *Resource) (Truth, string, error) {
	if p.existence == nil {
		return True, "", nil
	}
	cur, saved := e.cur, e.why
	e.cur, e.scopes, e.why, e.left = r, e.scopes[:0], "", maxSteps
	t, err := e.eval(p.existence)
	why := e.why
	e.cur, e.why = cur, saved
	return t, why, err
}

// query says where the policy looks for related resources; known is false when
// that depends on a value that was not observed, with the reason in e.why.
func (e *Evaluator) query(p *Program) (q Query, known bool, err error) {
	d, r := &p.Policy.details, e.primary
	q = Query{Type: d.typ, For: r}
	if p.below {
		q.Under = r.ID
		return q, true, nil
	}
	q.Subscription = SubscriptionOf(r.ID)
	if d.subscription {
		return q, true, nil
	}
	q.ResourceGroup = ResourceGroupOf(r.ID)
	if d.resourceGroup != nil {
		v, err := e.value(d.resourceGroup)
		if err != nil {
			return q, false, err
		}
		if v.Reason() != "" {
			e.why = v.Reason()
			return q, false, nil
		}
		q.ResourceGroup = v.Str()
	}
	return q, true, nil
}

// nameMatches compares details.name, in which "parent/?" stands for all
// children of parent, with the resource's full name or its last segment.
func nameMatches(want string, r *Resource) bool {
	if !strings.Contains(want, "/") {
		return want == "?" || r.hasName(want)
	}
	w, f := strings.Split(want, "/"), strings.Split(r.fullName(), "/")
	if len(w) != len(f) {
		return foldEq(want, r.Name)
	}
	for i := range w {
		if w[i] != "?" && !foldEq(w[i], f[i]) {
			return false
		}
	}
	return true
}

// Changes returns what Modify or Append would change on a resource that the
// rule's condition matches.
func (e *Evaluator) Changes(p *Program, r *Resource) ([]Change, error) {
	if p == nil {
		return nil, nil
	}
	e.begin(p, r)
	var out []Change
	for _, op := range p.Policy.details.operations {
		if op.condition != nil {
			v, err := e.value(op.condition)
			if err != nil {
				return nil, err
			}
			if !v.Bool() {
				continue
			}
		}
		c := Change{Operation: strings.ToLower(op.kind[:1]) + op.kind[1:], Field: op.field}
		if op.value != nil {
			v, err := e.value(op.value)
			if err != nil {
				return nil, err
			}
			c.Value = v
		}
		if f, err := e.resolveNow(op.field, r.Type); err == nil && f.path != nil {
			c.Path = f.path.text
		}
		out = append(out, c)
	}
	return out, nil
}

// Related returns the type that the policy's existence effect looks for, the
// candidates for r whose name fits, and why there may be more.
func (e *Evaluator) Related(p *Program, r *Resource) (typ string, found []*Resource, missing string) {
	if p == nil {
		return "", nil, ""
	}
	e.begin(p, r)
	typ = p.Policy.details.typ
	q, known, err := e.query(p)
	if err != nil || !known || e.Env.Inventory == nil {
		return typ, nil, "notCollected"
	}
	name := ""
	if n := p.Policy.details.name; n != nil {
		v, err := e.value(n)
		if err != nil || v.Reason() != "" {
			return typ, nil, v.Reason()
		}
		name = v.Str()
	}
	rel := e.Env.Inventory.Related(q)
	for _, c := range rel.Resources {
		if name == "" || nameMatches(name, c) {
			found = append(found, c)
		}
	}
	return typ, found, rel.Missing
}
