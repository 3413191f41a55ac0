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
