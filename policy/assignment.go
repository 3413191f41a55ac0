// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"
	"time"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// Assignment is a parsed policy assignment.
type Assignment struct {
	ID, Name, DisplayName string
	Scope                 string
	NotScopes             []string
	DefinitionID          string
	Version               string // pin of the assigned definition
	// DoNotEnforce assignments are evaluated all the same.
	DoNotEnforce bool
	Messages     []Message
	parameters   map[string]armexpr.Value
	selectors    []Selector
	overrides    []override
	doc          *document
}

// Message is a non-compliance message; Reference is empty for the default one.
type Message struct{ Text, Reference string }

type override struct {
	kind     string // policyeffect or policyversion
	value    string
	selector Selector
}

// ParseAssignment parses a policy assignment, with or without its ARM
// envelope. The error is a *SourceError.
func ParseAssignment(file string, src []byte) (*Assignment, error) {
	doc, err := parseDocument(file, src)
	if err != nil {
		return nil, err
	}
	return parseAssignment(doc, doc.tape.Root())
}

func parseAssignment(doc *document, root jsontape.Value) (*Assignment, error) {
	if root.Kind() != jsontape.Object {
		return nil, doc.errorAt(root, "", "an assignment must be an object, not %s", root.Kind().Phrase())
	}
	a := &Assignment{doc: doc, ID: root.Get("id").Str(), Name: root.Get("name").Str()}
	body := root
	if p := root.Get("properties"); p.Kind() == jsontape.Object {
		body = p
	}
	a.DisplayName, a.Scope = body.Get("displayName").Str(), body.Get("scope").Str()
	if a.Scope == "" {
		a.Scope = scopeOfID(a.ID, "/providers/Microsoft.Authorization/policyAssignments/")
	}
	a.DefinitionID, a.Version = body.Get("policyDefinitionId").Str(), body.Get("definitionVersion").Str()
	if a.DefinitionID == "" {
		return nil, doc.errorAt(body, "", "the assignment has no policyDefinitionId")
	}
	a.NotScopes, _ = stringList(body.Get("notScopes"))
	a.DoNotEnforce = foldEq(body.Get("enforcementMode").Str(), "DoNotEnforce")
	a.parameters = ParameterValues(body.Get("parameters"))
	for m := range body.Get("nonComplianceMessages").Elems() {
		a.Messages = append(a.Messages, Message{m.Get("message").Str(), m.Get("policyDefinitionReferenceId").Str()})
	}
	var err error
	if a.selectors, err = parseSelectors(doc, body.Get("resourceSelectors"), "resourceSelectors"); err != nil {
		return nil, err
	}
	return a, a.parseOverrides(body.Get("overrides"))
}

// ParameterValues reads {"name": {"value": …}} or {"name": value}.
func ParameterValues(v jsontape.Value) map[string]armexpr.Value {
	out := map[string]armexpr.Value{}
	for k, p := range v.Members() {
		if inner := p.Get("value"); inner.Kind() != jsontape.Absent && p.Len() == 1 {
			p = inner
		}
		out[k] = armexpr.FromTape(p)
	}
	return out
}

// ParseParameters reads a parameters file: {"name": {"value": …}}, plain
// values, or either under "parameters".
func ParseParameters(file string, src []byte) (map[string]armexpr.Value, error) {
	doc, err := parseDocument(file, src)
	if err != nil {
		return nil, err
	}
	root := doc.tape.Root()
	if p := root.Get("parameters"); p.Kind() == jsontape.Object {
		root = p
	}
	if root.Kind() != jsontape.Object {
		return nil, doc.errorAt(root, "", "parameters must be an object, not %s", root.Kind().Phrase())
	}
	return ParameterValues(root), nil
}

func (a *Assignment) parseOverrides(v jsontape.Value) error {
	for e := range v.Elems() {
		o := override{kind: strings.ToLower(e.Get("kind").Str()), value: e.Get("value").Str()}
		switch o.kind {
		case "policyeffect":
			if _, ok := ParseEffect(o.value); !ok {
				return a.doc.errorAt(e, "overrides", "effect %q does not exist", o.value)
			}
		case "policyversion", "definitionversion":
			o.kind = "policyversion"
		default:
			return a.doc.errorAt(e, "overrides", "override kind %q does not exist; want policyEffect or policyVersion", e.Get("kind").Str())
		}
		var err error
		if o.selector, err = parseConditions(a.doc, e.Get("selectors"), "overrides"); err != nil {
			return err
		}
		a.overrides = append(a.overrides, o)
	}
	if len(a.overrides) > 10 {
		return a.doc.errorAt(v, "overrides", "at most 10 overrides, not %d", len(a.overrides))
	}
	return nil
}

// scopeOfID returns what stands before marker in an id: the scope on which an
// extension object lies.
func scopeOfID(id, marker string) string {
	if i := lastFold(id, marker); i >= 0 {
		return id[:i]
	}
	return ""
}

// Exemption is a parsed policy exemption.
type Exemption struct {
	ID, Name     string
	Scope        string // on which it lies
	AssignmentID string
	Category     string // Waiver or Mitigated
	References   []string
	ExpiresAt    time.Time // zero: never
	selectors    []Selector
}

// ParseExemptions parses one exemption, an array of them or an ARM list.
func ParseExemptions(file string, src []byte) ([]*Exemption, error) {
	doc, err := parseDocument(file, src)
	if err != nil {
		return nil, err
	}
	return parseExemptions(doc, doc.tape.Root())
}

// eachObject calls f for one object, the elements of an array, or those of an
// ARM list.
func eachObject(doc *document, root jsontape.Value, f func(jsontape.Value) error) error {
	if v := root.Get("value"); v.Kind() == jsontape.Array {
		root = v
	}
	if root.Kind() == jsontape.Object {
		return f(root)
	}
	if root.Kind() != jsontape.Array {
		return doc.errorAt(root, "", "want an object or an array of objects, not %s", root.Kind().Phrase())
	}
	for e := range root.Elems() {
		if err := f(e); err != nil {
			return err
		}
	}
	return nil
}

func parseExemptions(doc *document, root jsontape.Value) ([]*Exemption, error) {
	var out []*Exemption
	err := eachObject(doc, root, func(v jsontape.Value) error {
		x := &Exemption{ID: v.Get("id").Str(), Name: v.Get("name").Str()}
		body := v
		if p := v.Get("properties"); p.Kind() == jsontape.Object {
			body = p
		}
		x.Scope = scopeOfID(x.ID, "/providers/Microsoft.Authorization/policyExemptions/")
		x.AssignmentID, x.Category = body.Get("policyAssignmentId").Str(), body.Get("exemptionCategory").Str()
		x.References, _ = stringList(body.Get("policyDefinitionReferenceIds"))
		if x.AssignmentID == "" {
			return doc.errorAt(v, "", "the exemption has no policyAssignmentId")
		}
		if e := body.Get("expiresOn"); e.Kind() == jsontape.String {
			t, ok := armexpr.ParseTime(e.Str())
			if !ok {
				return doc.errorAt(e, "expiresOn", "%q is not a date and time", e.Str())
			}
			x.ExpiresAt = t
		}
		var err error
		if x.selectors, err = parseSelectors(doc, body.Get("resourceSelectors"), "resourceSelectors"); err != nil {
			return err
		}
		out = append(out, x)
		return nil
	})
	return out, err
}

// exempts reports whether the exemption covers the resource under a reference.
func (x *Exemption) exempts(a *Assignment, reference string, r *Resource, scopes Scopes, now time.Time) Truth {
	if !foldEq(x.AssignmentID, a.ID) || !x.ExpiresAt.IsZero() && !now.Before(x.ExpiresAt) {
		return False
	}
	if len(x.References) > 0 && !containsFold(x.References, reference) {
		return False
	}
	return both(scopes.contains(x.Scope, r.ID), anySelects(x.selectors, r, reference))
}

func containsFold(list []string, s string) bool {
	for _, x := range list {
		if foldEq(x, s) {
			return true
		}
	}
	return false
}

// both is Kleene's and.
func both(a, b Truth) Truth {
	switch {
	case a == False || b == False:
		return False
	case a == True && b == True:
		return True
	}
	return Maybe
}

// Attestation is a parsed attestation of a manual policy.
type Attestation struct {
	ID           string
	ResourceID   string
	AssignmentID string
	Reference    string
	State        State
	ExpiresAt    time.Time // zero: never
	// At is the server's time of the statement: systemData.lastModifiedAt, else
	// lastComplianceStateChangeAt, else assessmentDate.
	At time.Time
}

// ParseAttestations parses one attestation, an array of them or an ARM list.
func ParseAttestations(file string, src []byte) ([]*Attestation, error) {
	doc, err := parseDocument(file, src)
	if err != nil {
		return nil, err
	}
	return parseAttestations(doc, doc.tape.Root())
}

func parseAttestations(doc *document, root jsontape.Value) ([]*Attestation, error) {
	var out []*Attestation
	err := eachObject(doc, root, func(v jsontape.Value) error {
		body := v
		if p := v.Get("properties"); p.Kind() == jsontape.Object {
			body = p
		}
		t := &Attestation{ID: v.Get("id").Str(), AssignmentID: body.Get("policyAssignmentId").Str(), Reference: body.Get("policyDefinitionReferenceId").Str()}
		t.ResourceID = scopeOfID(t.ID, "/providers/Microsoft.PolicyInsights/attestations/")
		state, ok := ParseState(body.Get("complianceState").Str())
		if c := body.Get("complianceState"); c.Kind() != jsontape.Absent && (!ok || state != Compliant && state != NonCompliant && state != Unknown) {
			return doc.errorAt(c, "complianceState", "want Compliant, NonCompliant or Unknown, not %s", c.Raw())
		}
		t.State = state
		for _, f := range []struct {
			v  jsontape.Value
			to *time.Time
		}{
			{body.Get("expiresOn"), &t.ExpiresAt},
			{v.Get("systemData").Get("lastModifiedAt"), &t.At},
			{body.Get("lastComplianceStateChangeAt"), &t.At},
			{body.Get("assessmentDate"), &t.At},
		} {
			if !f.v.Exists() || !f.to.IsZero() {
				continue
			}
			at, ok := armexpr.ParseTime(f.v.Str())
			if !ok {
				return doc.errorAt(f.v, "", "%q is not a date and time", f.v.Str())
			}
			*f.to = at
		}
		out = append(out, t)
		return nil
	})
	return out, err
}
