// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// details is the compiled then.details of the effects that need it.
type details struct {
	typ           string    // type of the related resource
	name          *template // nil: any name
	resourceGroup *template // nil: the evaluated resource's
	subscription  bool      // existenceScope Subscription
	defaultState  State     // of Manual
	operations    []operation
}

// operation is one change that modify or append would make.
type operation struct {
	kind      string // addOrReplace, add, remove
	field     string
	value     *template
	condition *template
}

func (p *Policy) bindDetails() error {
	d := p.Definition.Details
	switch p.Effect {
	case AuditIfNotExists, DeployIfNotExists:
		return p.bindExistence(d)
	case Manual:
		return p.bindManual(d)
	case Modify:
		return p.bindModify(d)
	case Append:
		return p.bindAppend(d)
	case DenyAction, Disabled, Audit, Deny, NoEffect, AuditAction, Mutate, EnforceRegoPolicy, EnforceOPAConstraint, AddToNetworkGroup, EnforceSetting:
	}
	return nil
}

const detailsPlace = "then.details"

func (p *Policy) bindExistence(d jsontape.Value) error {
	doc := p.Definition.doc
	if d.Kind() != jsontape.Object {
		return doc.errorAt(p.Definition.Effect, detailsPlace, "effect %s needs details", p.Effect)
	}
	typ, err := p.constant(d.Get("type"), detailsPlace+".type")
	if err != nil {
		return err
	}
	if !strings.Contains(typ.Str(), "/") {
		return doc.errorAt(d, detailsPlace, "details.type must be a resource type such as Microsoft.Insights/diagnosticSettings")
	}
	p.details.typ = typ.Str()
	if n := d.Get("name"); n.Kind() == jsontape.String {
		if p.details.name, err = p.value(n, detailsPlace+".name"); err != nil {
			return err
		}
	}
	if g := d.Get("resourceGroupName"); g.Kind() == jsontape.String {
		if p.details.resourceGroup, err = p.value(g, detailsPlace+".resourceGroupName"); err != nil {
			return err
		}
	}
	switch scope := d.Get("existenceScope"); {
	case scope.Kind() == jsontape.Absent, foldEq(scope.Str(), "resourceGroup"):
	case foldEq(scope.Str(), "subscription"):
		p.details.subscription = true
	default:
		return doc.errorAt(scope, detailsPlace+".existenceScope", "existenceScope must be ResourceGroup or Subscription, not %s", scope.Raw())
	}
	return nil
}

func (p *Policy) bindManual(d jsontape.Value) error {
	p.details.defaultState = Unknown
	v := d.Get("defaultState")
	if v.Kind() == jsontape.Absent {
		return nil
	}
	c, err := p.constant(v, detailsPlace+".defaultState")
	if err != nil {
		return err
	}
	s, ok := ParseState(c.Str())
	if !ok || s != Unknown && s != Compliant && s != NonCompliant {
		return p.Definition.doc.errorAt(v, detailsPlace+".defaultState", "defaultState must be Compliant, NonCompliant or Unknown, not %s", c.JSON())
	}
	p.details.defaultState = s
	return nil
}

func (p *Policy) bindModify(d jsontape.Value) error {
	doc := p.Definition.doc
	ops := d.Get("operations")
	if ops.Kind() != jsontape.Array {
		return doc.errorAt(p.Definition.Effect, detailsPlace, "effect Modify needs details.operations")
	}
	for o := range ops.Elems() {
		op := operation{kind: o.Get("operation").Str(), field: o.Get("field").Str()}
		if !foldEq(op.kind, "addOrReplace") && !foldEq(op.kind, "add") && !foldEq(op.kind, "remove") {
			return doc.errorAt(o, detailsPlace+".operations", "operation %q does not exist; want addOrReplace, Add or Remove", op.kind)
		}
		var err error
		if v := o.Get("value"); v.Kind() != jsontape.Absent {
			if op.value, err = p.value(v, detailsPlace+".operations"); err != nil {
				return err
			}
		}
		if c := o.Get("condition"); c.Kind() != jsontape.Absent {
			if op.condition, err = p.value(c, detailsPlace+".operations"); err != nil {
				return err
			}
		}
		if err := p.checkModifiable(o.Get("field")); err != nil {
			return err
		}
		p.details.operations = append(p.details.operations, op)
	}
	return nil
}

func (p *Policy) bindAppend(d jsontape.Value) error {
	doc := p.Definition.doc
	if d.Kind() != jsontape.Array {
		return doc.errorAt(p.Definition.Effect, detailsPlace, "effect Append needs an array of {field, value} as details")
	}
	for o := range d.Elems() {
		v, err := p.value(o.Get("value"), detailsPlace)
		if err != nil {
			return err
		}
		p.details.operations = append(p.details.operations, operation{kind: "addOrReplace", field: o.Get("field").Str(), value: v})
	}
	return nil
}

// checkModifiable refuses a field whose alias is known not to be modifiable
// for every type that the rule names.
func (p *Policy) checkModifiable(field jsontape.Value) error {
	for _, t := range p.Types() {
		a := p.catalog.Alias(t, field.Str())
		if a != nil && a.ModifiableKnown && !a.Modifiable {
			return p.Definition.doc.errorAt(field, detailsPlace+".operations", "alias %q is not modifiable", a.Name)
		}
	}
	return nil
}

// Change is one change that Modify or Append would make to a resource.
type Change struct {
	Operation string // addOrReplace, add, remove
	Field     string // as the rule names it
	Path      string // where it lies in the object; "" when the alias is unknown
	Value     armexpr.Value
}

// RelatedType is the resource type that the existence effect looks for, "" for
// other effects.
func (p *Policy) RelatedType() string { return p.details.typ }

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
