// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"

	"github.com/tickmark/tickmark/jsontape"
)

// Scopes is the management-group ancestry: for each subscription (its id,
// "/subscriptions/…", lower case) the ids of the management groups above it,
// nearest first.
type Scopes map[string][]string

// ParseScopes reads {"/subscriptions/…": ["/providers/Microsoft.Management/managementGroups/…", …]}.
func ParseScopes(file string, src []byte) (Scopes, error) {
	doc, err := parseDocument(file, src)
	if err != nil {
		return nil, err
	}
	return scopesOf(doc, doc.tape.Root())
}

func scopesOf(doc *document, root jsontape.Value) (Scopes, error) {
	out := Scopes{}
	if root.Kind() != jsontape.Object {
		return nil, doc.errorAt(root, "", "want an object from subscription id to its management groups, not %s", root.Kind().Phrase())
	}
	for sub, list := range root.Members() {
		if list.Kind() != jsontape.Array {
			return nil, doc.errorAt(list, sub, "want an array of management groups, nearest first, not %s", list.Kind().Phrase())
		}
		key := strings.ToLower(strings.TrimRight(sub, "/"))
		if !strings.HasPrefix(key, "/subscriptions/") {
			key = "/subscriptions/" + strings.Trim(key, "/")
		}
		groups := []string{}
		for g := range list.Elems() {
			groups = append(groups, g.Str())
		}
		out[key] = groups
	}
	return out, nil
}

const groupPrefix = "/providers/Microsoft.Management/managementGroups/"

// contains reports whether the resource lies in a scope: a management group, a
// subscription, a resource group or a resource. It is Maybe where the ancestry
// of the resource's subscription is not given.
func (s Scopes) contains(scope, id string) Truth {
	scope = strings.TrimRight(scope, "/")
	if scope == "" || foldEq(scope, id) {
		return True
	}
	if !foldPrefix(scope, groupPrefix) {
		return truthOf(under(id, scope))
	}
	if under(id, scope) {
		return True
	}
	sub := SubscriptionOf(id)
	if sub == "" {
		return Maybe
	}
	groups, ok := s["/subscriptions/"+strings.ToLower(sub)]
	if !ok {
		return Maybe
	}
	want := scope[len(groupPrefix):]
	for _, g := range groups {
		if foldEq(g, scope) || foldEq(g, want) {
			return True
		}
	}
	return False
}

// Selector limits a set of resources: all its conditions must hold.
type Selector struct {
	conditions []selectorCondition
}

type selectorCondition struct {
	kind   string // resourceLocation, resourceType, resourceWithoutLocation, policyDefinitionReferenceId …
	in     []string
	notIn  []string
	inSet  bool
	notSet bool
}

var selectorKinds = map[string]bool{
	"resourcelocation": true, "resourcetype": true, "resourcewithoutlocation": true,
	"policydefinitionreferenceid": true, "userprincipalid": true, "groupprincipalid": true,
}

// parseConditions reads a list of {kind, in|notIn}.
func parseConditions(doc *document, v jsontape.Value, place string) (Selector, error) {
	var s Selector
	for e := range v.Elems() {
		c := selectorCondition{kind: strings.ToLower(e.Get("kind").Str())}
		if !selectorKinds[c.kind] {
			return s, doc.errorAt(e, place, "selector kind %q does not exist", e.Get("kind").Str())
		}
		c.in, c.inSet = stringList(e.Get("in"))
		c.notIn, c.notSet = stringList(e.Get("notIn"))
		if c.inSet == c.notSet {
			return s, doc.errorAt(e, place, "a selector has either in or notIn")
		}
		if len(c.in) > 50 || len(c.notIn) > 50 {
			return s, doc.errorAt(e, place, "a selector lists at most 50 values")
		}
		s.conditions = append(s.conditions, c)
	}
	return s, nil
}

func stringList(v jsontape.Value) ([]string, bool) {
	var out []string
	for e := range v.Elems() {
		out = append(out, e.Str())
	}
	return out, v.Kind() == jsontape.Array
}

// parseSelectors reads resourceSelectors: [{name, selectors: […]}].
func parseSelectors(doc *document, v jsontape.Value, place string) ([]Selector, error) {
	var out []Selector
	for e := range v.Elems() {
		s, err := parseConditions(doc, e.Get("selectors"), place)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	if len(out) > 10 {
		return nil, doc.errorAt(v, place, "at most 10 resource selectors, not %d", len(out))
	}
	return out, nil
}

// anySelects reports whether any selector takes the resource; no selectors
// take every resource.
func anySelects(list []Selector, r *Resource, reference string) Truth {
	if len(list) == 0 {
		return True
	}
	out := False
	for i := range list {
		switch list[i].selects(r, reference) {
		case True:
			return True
		case Maybe:
			out = Maybe
		case False:
		}
	}
	return out
}

// selects reports whether all conditions take the resource.
func (s *Selector) selects(r *Resource, reference string) Truth {
	out := True
	for i := range s.conditions {
		switch s.conditions[i].takes(r, reference) {
		case False:
			return False
		case Maybe:
			out = Maybe
		case True:
		}
	}
	return out
}

func (c *selectorCondition) takes(r *Resource, reference string) Truth {
	var value string
	switch c.kind {
	case "policydefinitionreferenceid":
		value = reference
	case "resourcetype":
		value = r.Type
	case "resourcelocation":
		loc := r.Root.Get("location")
		if loc.Kind() == jsontape.Unobserved {
			return Maybe
		}
		value = NormalLocation(loc.Str())
	case "resourcewithoutlocation":
		loc := r.Root.Get("location")
		if loc.Kind() == jsontape.Unobserved {
			return Maybe
		}
		has := loc.Exists() && loc.Str() != ""
		return truthOf(!has == c.inSet)
	default:
		return Maybe
	}
	list := c.in
	if c.notSet {
		list = c.notIn
	}
	found := false
	for _, x := range list {
		if c.kind == "resourcelocation" {
			x = NormalLocation(x)
		}
		found = found || foldEq(x, value)
	}
	return truthOf(found == c.inSet)
}
