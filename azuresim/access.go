// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// allowance is a role that an identity has at a scope, in lower case, and below.
type allowance struct {
	scope              string
	actions, not, data []string
}

const groupRead = "Microsoft.Management/managementGroups/read"

// prepareAccess resolves the roles and scopes of the identities.
func (s *Sim) prepareAccess() error {
	for i := range s.org.Identities {
		id := &s.org.Identities[i]
		id.grants = nil
		for n, a := range id.Access {
			bad := func(what string) error { return s.org.refuse(at(at("identities", i)+".access", n), what, "") }
			all := slices.Concat(builtInRoles, s.org.RoleDefinitions)
			k := slices.IndexFunc(all, func(d RoleDefinition) bool { return strings.EqualFold(d.Name, a.Role) })
			if k < 0 {
				return bad(fmt.Sprintf("there is no role %q", a.Role))
			}
			scope := s.resolveScope(a.at(s.org.Tenant.ID))
			if !strings.HasPrefix(scope, "/") {
				return bad(fmt.Sprintf("the scope %q is neither /, managementGroup/NAME, subscription/NAME nor an id", a.Scope))
			}
			g := allowance{scope: strings.ToLower(strings.TrimSuffix(scope, "/"))}
			if name, ok := strings.CutPrefix(g.scope, groupPrefix); ok && s.managementGroup(name) == nil {
				return bad(fmt.Sprintf("there is no management group %q", name))
			}
			g.actions, g.not = lowerAll(all[k].Actions), lowerAll(all[k].NotActions)
			g.data = lowerAll(all[k].DataActions)
			id.grants = append(id.grants, g)
		}
	}
	return nil
}

// at is the scope, with the root group's own name.
func (a Access) at(tenant string) string {
	if strings.EqualFold(a.Scope, "managementGroup/root") {
		return "managementGroup/" + tenant
	}
	return a.Scope
}

const groupPrefix = "/providers/microsoft.management/managementgroups/"

// accessOf is what the caller is granted; nil is everything.
func accessOf(r *http.Request) []allowance {
	c := callOf(r)
	if c.client == nil || c.client.identity == nil {
		return nil
	}
	return c.client.identity.grants
}

// may reports whether the caller may do something at a scope.
func (s *Sim) may(r *http.Request, action, scope string) bool {
	return s.allows(accessOf(r), action, scope)
}

// allows reports whether one of the grants allows an action at a scope: roles
// add up, and are inherited downwards.
func (s *Sim) allows(access []allowance, action, scope string) bool {
	if access == nil {
		return true
	}
	action, scope = strings.ToLower(action), strings.ToLower(scope)
	for i := range access {
		g := &access[i]
		if s.inherits(scope, g.scope) && matchesOne(g.actions, action) && !matchesOne(g.not, action) {
			return true
		}
	}
	return false
}

// mayData is may for what is in a resource, which only data actions allow.
func (s *Sim) mayData(r *http.Request, action, scope string) bool {
	access := accessOf(r)
	return access == nil || slices.ContainsFunc(access, func(g allowance) bool {
		return s.inherits(strings.ToLower(scope), g.scope) && matchesOne(g.data, strings.ToLower(action))
	})
}

func matchesOne(patterns []string, text string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return p != "" && matches(p, text) })
}

// inherits reports whether a scope has what is granted at another one: it is
// that, lies in it, or below that management group.
func (s *Sim) inherits(scope, at string) bool {
	if inScope(scope, at) {
		return true
	}
	if !strings.HasPrefix(at, groupPrefix) {
		return false
	}
	var chain []string
	if sub, ok := s.byID[subscriptionOf(scope+"/")]; ok {
		chain = s.groupChain(s.subs[sub].Group)
	} else if name, ok := strings.CutPrefix(scope, groupPrefix); ok {
		name, _, _ = strings.Cut(name, "/")
		chain = s.groupChain(name)
	}
	return slices.Contains(lowerAll(chain), at)
}

// touched reports whether somebody has a role at, above or anywhere below a
// subscription: then it is listed, and Resource Graph shows what is readable.
func (s *Sim) touched(access []allowance, sub int) bool {
	if access == nil {
		return true
	}
	id := "/subscriptions/" + strings.ToLower(s.subs[sub].ID)
	return slices.ContainsFunc(access, func(g allowance) bool { return s.inherits(id, g.scope) || inScope(g.scope, id) })
}

// shows is touched for the caller.
func (s *Sim) shows(r *http.Request, sub int) bool { return s.touched(accessOf(r), sub) }

// readsAs reports whether the grants let an entry be read: where it stands, as
// what it is.
func (s *Sim) readsAs(access []allowance, i int32) bool {
	if access == nil {
		return true
	}
	v := s.varsOf(i)
	return s.allows(access, s.templates[s.entries[i].tmpl].full+"/read", v.id)
}

// reads is readsAs for the caller. Built-in definitions are everybody's.
func (s *Sim) reads(r *http.Request, i int32) bool { return s.readsAs(accessOf(r), i) }

// shown are the entries of a list that the caller may read. A list of a
// subscription has what is readable in it, with status 200, even where nothing
// may be read at the subscription itself: of the ways in which services behave
// (some refuse) it is the one that a reader can mistake for all. A list below a
// resource or at a management group is refused, and the tenant's list of what
// has a scope of its own there. It answers itself and reports false if so.
func (s *Sim) shown(q *armRequest, scope, kind string) ([]int32, bool) {
	low := strings.ToLower(scope)
	deep, at := strings.Count(low, "/") > 4 || strings.HasPrefix(low, groupPrefix), low
	if namespace, _, _ := strings.Cut(strings.ToLower(kind), "/"); low == "" && namespace == "microsoft.aadiam" {
		deep, at = true, "/providers/"+namespace
	}
	if action := kind + "/read"; deep && !s.may(q.r, action, at) {
		s.forbid(q, action, first(scope, at))
		return nil, false
	}
	return s.readableOf(q.r, s.collection(scope, kind, q), low), true
}

// readableOf drops what the caller may not read. What is inherited from above
// shows at a scope to who may read it there.
func (s *Sim) readableOf(r *http.Request, rows []int32, scope string) []int32 {
	access := accessOf(r)
	if access == nil {
		return rows
	}
	var out []int32
	for _, i := range rows {
		v := s.varsOf(i)
		action, at := s.templates[s.entries[i].tmpl].full+"/read", strings.ToLower(v.id)
		switch {
		case scope != "" && !inScope(at, scope) && s.allows(access, action, scope), s.allows(access, action, at):
			out = append(out, i)
		case scope == "" && strings.HasPrefix(at, "/providers/"):
			out = append(out, i) // built-in definitions
		}
	}
	return out
}

// forbid answers 403 in the words of Resource Manager.
func (s *Sim) forbid(q *armRequest, action, scope string) {
	client := callOf(q.r).clientID()
	s.fail(q.w, q.r, http.StatusForbidden, "AuthorizationFailed",
		fmt.Sprintf("The client '%s' does not have authorization to perform action '%s' over scope '%s' or the scope is invalid.", client, action, scope))
}

// permissionsAt lists what is granted at a scope as a whole: one element for
// each role, as the service has it.
func (s *Sim) permissionsAt(access []allowance, scope string) []any {
	out := []any{}
	for i := range access {
		if g := &access[i]; s.inherits(scope, g.scope) {
			out = append(out, map[string]any{"actions": list(g.actions), "notActions": list(g.not), "dataActions": list(g.data), "notDataActions": []string{}})
		}
	}
	return out
}
