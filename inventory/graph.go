// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"bytes"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

// entityTypes are Microsoft Graph's entity types, lower-case, whose
// collections are not simply their plural.
var entityTypes = map[string]string{
	"conditionalaccesspolicy":                     "conditionalAccessPolicies",
	"identitysecuritydefaultsenforcementpolicy":   "identitySecurityDefaultsEnforcementPolicy",
	"authorizationpolicy":                         "authorizationPolicy",
	"authenticationmethodspolicy":                 "authenticationMethodsPolicy",
	"adminconsentrequestpolicy":                   "adminConsentRequestPolicy",
	"organization":                                "organization",
	"unifiedroleassignment":                       "roleAssignments",
	"unifiedroledefinition":                       "roleDefinitions",
	"unifiedroleassignmentscheduleinstance":       "roleAssignmentScheduleInstances",
	"unifiedroleeligibilityscheduleinstance":      "roleEligibilityScheduleInstances",
	"userregistrationdetails":                     "userRegistrationDetails",
	"ipnamedlocation":                             "namedLocations",
	"countrynamedlocation":                        "namedLocations",
	"crosstenantaccesspolicyconfigurationdefault": "crossTenantAccessPolicyConfigurationDefault",
}

// typeOfEntity returns the tickmark type for an item's own @odata.type, such
// as "graph/users" for "#microsoft.graph.user"; empty if it is not Graph's.
func typeOfEntity(odataType string) string {
	s, ok := strings.CutPrefix(strings.TrimPrefix(odataType, "#"), "microsoft.graph.")
	if !ok || s == "" {
		return ""
	}
	if known, ok := entityTypes[strings.ToLower(s)]; ok {
		return "graph/" + known
	}
	if stem, ok := strings.CutSuffix(s, "y"); ok {
		return "graph/" + stem + "ies"
	}
	return "graph/" + s + "s"
}

// shapes recognise a record that came without context, by members that only
// its kind has. The first shape whose members are all there decides.
var shapes = []struct {
	typ     string
	members []string
	// partial: the command that prints this shape leaves members out.
	partial bool
}{
	{"graph/conditionalAccessPolicies", []string{"conditions", "grantControls", "state"}, false},
	{"graph/userRegistrationDetails", []string{"userPrincipalName", "isMfaRegistered"}, false},
	{"graph/users", []string{"id", "userPrincipalName"}, true},
	{"graph/roleAssignments", []string{"principalId", "roleDefinitionId", "directoryScopeId"}, false},
	{"graph/authorizationPolicy", []string{"defaultUserRolePermissions", "guestUserRoleId"}, false},
	{"graph/organization", []string{"id", "verifiedDomains", "assignedPlans"}, false},
	{"graph/subscribedSkus", []string{"skuId", "skuPartNumber", "servicePlans"}, false},
	{"graph/applications", []string{"id", "appId", "signInAudience", "requiredResourceAccess"}, false},
	{"graph/servicePrincipals", []string{"id", "appId", "servicePrincipalType"}, false},
	// What `az account list` prints is the command's own memory, not ARM's answer.
	{TypeSubscription, []string{"id", "tenantId", "homeTenantId", "cloudName"}, true},
}

func typeByShape(root jsontape.Value) (typ string, partial bool) {
next:
	for _, s := range shapes {
		for _, m := range s.members {
			if root.Get(m).Kind() == jsontape.Absent {
				continue next
			}
		}
		return s.typ, s.partial
	}
	return "", false
}

// defaultsOnly are the Graph entities, lower-case, of which an answer without
// $select carries only some members. A member that is missing there was not
// asked for: it is unobserved. (Graph prints members it was asked for and that
// have no value as null.)
var defaultsOnly = map[string]bool{
	"graph/users": true, "graph/groups": true, "graph/serviceprincipals": true,
	"graph/applications": true, "graph/devices": true, "graph/directoryobjects": true,
}

// tableTypes, lower-case, come as tables that people export. They have the
// columns that were chosen: null says that there is none, and what is missing
// was not exported.
var tableTypes = map[string]bool{
	"hr/people": true, "hr/training": true, "tickets/tickets": true,
	"security/vulnerabilities": true, "security/findings": true, "security/penetrationtests": true,
}

// projected reports whether the page's context lists members: the answer to a
// request with $select. Its items lack everything else.
func projected(p *tickmark.Page) bool {
	first, last := len(p.Bytes), 0
	if n := len(p.Items); n > 0 {
		first, last = p.Items[0].Off, p.Items[n-1].Off+p.Items[n-1].Len
		if n == 1 && p.Form == "graphEntity" {
			first = min(p.Items[0].Off+p.Items[0].Len, p.Items[0].Off+4096)
		}
	}
	return selects(p.Bytes[:first]) || selects(p.Bytes[last:])
}

func selects(envelope []byte) bool {
	_, rest, ok := bytes.Cut(envelope, []byte(`"@odata.context"`))
	if !ok {
		return false
	}
	_, rest, _ = bytes.Cut(rest, []byte(`"`))
	context, _, _ := bytes.Cut(rest, []byte(`"`))
	_, path, ok := bytes.Cut(context, []byte("#"))
	if !ok {
		return false
	}
	path = path[bytes.LastIndexByte(bytes.TrimSuffix(path, []byte("/$entity")), '/')+1:]
	_, list, ok := bytes.Cut(path, []byte("("))
	if !ok || bytes.HasPrefix(list, []byte("'")) || bytes.HasPrefix(path, []byte("Collection(")) {
		return false
	}
	list = bytes.TrimSuffix(bytes.TrimSuffix(list, []byte("/$entity")), []byte(")"))
	for part := range bytes.SplitSeq(list, []byte(",")) {
		if !bytes.HasSuffix(bytes.TrimSpace(part), []byte("()")) {
			return true
		}
	}
	return false
}

const typeConditionalAccess = "graph/conditionalAccessPolicies"

// knownConditions are the conditions of a Conditional Access policy that the
// rules judge, lower-case. Every one narrows the policy, so one that is not
// here may turn "all users" into some.
// Source: Microsoft Graph, resource type conditionalAccessConditionSet.
var knownConditions = map[string]bool{
	"applications": true, "users": true, "clientapptypes": true, "platforms": true, "locations": true,
	"signinrisklevels": true, "userrisklevels": true, "devices": true, "authenticationflows": true, "insiderrisklevels": true,
	"agentidrisklevels": true,
}

// unfamiliar hides the conditions of a Conditional Access policy that has one
// which no rule judges, so that nothing can pass by it.
func unfamiliar(tape *jsontape.Tape, root jsontape.Value) {
	conditions := root.Get("conditions")
	for name, v := range conditions.Members() {
		if knownConditions[strings.ToLower(name)] || strings.Contains(name, "@") || !v.Exists() {
			continue
		}
		if (v.Kind() == jsontape.Array || v.Kind() == jsontape.Object) && v.Len() == 0 {
			continue
		}
		tape.MarkUnobserved(conditions, string(tickmark.ReasonUnfamiliar))
		return
	}
}
