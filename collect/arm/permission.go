// SPDX-License-Identifier: Apache-2.0

package arm

import (
	"strings"

	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/jsontape"
)

// askPermissions names the proof of what the identity sees of a subscription.
const askPermissions = "permissions"

// permissionAsks read what the identity may do at each subscription as a whole.
//
// An identity that may read one resource group is shown the subscription, and
// the index and the lists give it that group's rows, with status 200 and counts
// that agree. Only a permission at the subscription shows that the rows are
// all. It is inherited by everything below; a deny assignment can take it away
// again for a part, which this answer does not say (unverified): these are read
// on their own (deny-assignments).
//
// The reference has the operation for resource groups and resources; that
// it answers at a subscription, as the portal asks it, is unverified.
func permissionAsks() []collect.Ask {
	asks := each(collect.Ask{
		Name: askPermissions, About: "what the identity may do at each subscription as a whole: the proof that the lists below are whole",
		Path: "{id}/providers/Microsoft.Authorization/permissions", APIVersion: "2022-04-01",
		Form: "armList", Entity: "arm/permissions", Types: []string{"arm/permissions"}, Identity: "#",
		Needs: collect.Need{Permission: "Microsoft.Authorization/permissions/read", Role: roleReader},
		Doc:   rest + "authorization/permissions/list-for-resource-group",
	})
	asks[0].Grants = lacking
	return asks
}

// proven lets the lists of a subscription count as whole only where the
// identity may read, in all of it, what they list.
func proven(asks []collect.Ask) []collect.Ask {
	for i := range asks {
		a := &asks[i]
		if len(a.Of) != 1 || a.Of[0] != typeSubscription || a.Name == askPermissions {
			continue
		}
		a.Proof, a.Sees = askPermissions, sees(a)
	}
	return asks
}

// sees are the actions that the rows of a list need: to read each of its types.
// A list that is not of types, such as a count of everything, needs all.
func sees(a *collect.Ask) []string {
	var out []string
	for _, t := range a.Types {
		if strings.HasPrefix(t, "Microsoft.") {
			out = append(out, t+"/read")
		}
	}
	switch n := a.Needs.Permission; {
	case a.Batch == 0 && n != "" && !strings.Contains(n, " "):
		if len(out) == 0 || n != out[0] {
			out = append(out, n)
		}
	case len(out) == 0:
		out = append(out, everyRead)
	}
	return out
}

// everyRead is the action of who may read everything.
const everyRead = "*/read"

// lacking returns the first of the wanted actions that is not granted. Each row
// is a role: what it grants is its actions without its notActions, and the
// roles add up. A role with a condition is not counted, because the condition
// can narrow it.
// Source: docs + role-based-access-control/role-definitions.
func lacking(answers []jsontape.Value, wanted []string) string {
	var roles []role
	for _, a := range answers {
		for p := range a.Get("value").Elems() {
			if p.Get("condition").Str() != "" {
				continue
			}
			roles = append(roles, role{patterns(p.Get("actions")), patterns(p.Get("notActions"))})
		}
	}
next:
	for _, w := range wanted {
		low := strings.ToLower(w)
		for _, r := range roles {
			if r.grants(low) {
				continue next
			}
		}
		return w
	}
	return ""
}

// role is what one role grants, as patterns in lower case.
type role struct{ actions, not []string }

func patterns(list jsontape.Value) []string {
	var out []string
	for v := range list.Elems() {
		out = append(out, strings.ToLower(v.Str()))
	}
	return out
}

// maxStars bounds the wildcards of a pattern: matching more takes too long, and
// nobody writes them. Such a pattern grants nothing and takes everything away.
const maxStars = 4

// grants reports whether the role grants an action, or with "*" in it all the
// actions that it stands for.
func (r *role) grants(action string) bool {
	for _, n := range r.not {
		if strings.Count(n, "*") > maxStars || overlap(n, action) {
			return false
		}
	}
	for _, p := range r.actions {
		if strings.Count(p, "*") <= maxStars && covers(p, action) {
			return true
		}
	}
	return false
}

// covers reports whether a pattern, in which * stands for any text, holds
// everything that text, a pattern too, stands for: a * in text is only held by
// a * of the pattern.
func covers(pattern, text string) bool {
	switch {
	case pattern == "":
		return text == ""
	case pattern[0] == '*':
		for i := 0; i <= len(text); i++ {
			if covers(pattern[1:], text[i:]) {
				return true
			}
		}
		return false
	}
	return text != "" && pattern[0] == text[0] && covers(pattern[1:], text[1:])
}

// overlap reports whether two patterns have something in common.
func overlap(a, b string) bool {
	switch {
	case a == "" && b == "":
		return true
	case a != "" && a[0] == '*':
		return overlap(a[1:], b) || b != "" && overlap(a, b[1:])
	case b != "" && b[0] == '*':
		return overlap(a, b[1:]) || a != "" && overlap(a[1:], b)
	}
	return a != "" && b != "" && a[0] == b[0] && overlap(a[1:], b[1:])
}
