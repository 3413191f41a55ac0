// SPDX-License-Identifier: Apache-2.0

package file

import "strings"

// entityPaths names the entities whose last path segment alone says too little.
var entityPaths = map[string]string{
	"conditionalaccess/policies":       "conditionalAccessPolicies",
	"identity/conditionalaccess":       "conditionalAccessRoot",
	"conditionalaccess/namedlocations": "namedLocations",
	"accessreviews/definitions":        "accessReviewScheduleDefinitions",
	"crosstenantaccesspolicy/default":  "crossTenantAccessPolicyConfigurationDefault",
	"crosstenantaccesspolicy/partners": "crossTenantAccessPolicyPartners",
	"definitions/instances":            "accessReviewInstances",
	"instances/decisions":              "accessReviewDecisions",

	"entitlementmanagement/assignments":        "accessPackageAssignments",
	"entitlementmanagement/assignmentpolicies": "accessPackageAssignmentPolicies",
	"lifecycleworkflows/workflows":             "lifecycleWorkflows",
	"sharepoint/settings":                      "sharepointSettings",
	"devicemanagement/settings":                "deviceManagementSettings",
	// The list does not say who is a member; directory roles have the same last word.
	"devicemanagement/roleassignments": "deviceManagementRoleAssignmentNames",
}

// anyEntity are the segments that hold objects of several kinds, so that only
// each item's own @odata.type tells what it is.
var anyEntity = map[string]bool{
	"directoryobjects": true, "members": true, "owners": true, "memberof": true, "transitivememberof": true,
	"transitivemembers": true, "deleteditems": true, "registeredowners": true,
}

// EntityOf returns the tickmark type that an @odata.context names, such as
// "graph/users" for "https://graph.microsoft.com/v1.0/$metadata#users", and
// whether the answer was projected by a $select (the context then lists the
// members in parentheses). The type is empty where the context leaves it to
// each item.
func EntityOf(context string) (entity string, projected bool) {
	_, path, found := strings.Cut(context, "#")
	if !found {
		return "", false
	}
	path = strings.TrimSuffix(path, "/$entity")
	path = strings.TrimSuffix(path, "/$delta")
	if inner, ok := strings.CutPrefix(path, "Collection("); ok {
		path = strings.TrimSuffix(inner, ")")
	}
	var plain strings.Builder
	depth, list := 0, ""
	for i := range len(path) {
		switch c := path[i]; {
		case c == '(':
			if depth == 0 {
				list = ""
			}
			if depth++; depth > 1 {
				list += string(c)
			}
		case c == ')':
			if depth--; depth > 0 {
				list += string(c)
			}
		case depth > 0:
			list += string(c)
		default:
			if c == '/' {
				list = "" // parentheses before a slash are a key, not a list
			}
			plain.WriteByte(c)
		}
	}
	projected = list != "" && !strings.HasPrefix(list, "'") && !isExpansion(list)
	segments := strings.Split(strings.Trim(plain.String(), "/"), "/")
	last := segments[len(segments)-1]
	if n := len(segments); n >= 2 {
		if s, ok := entityPaths[strings.ToLower(segments[n-2]+"/"+last)]; ok {
			return "graph/" + s, projected
		}
	}
	if cast, ok := strings.CutPrefix(last, "microsoft.graph."); ok {
		// Casts occur for directory objects only: user, group, device …
		return "graph/" + cast + "s", projected
	}
	if last == "" || anyEntity[strings.ToLower(last)] {
		return "", projected
	}
	return "graph/" + last, projected
}

// isExpansion reports whether the list in a context's parentheses only tells
// which navigation members were expanded, such as "manager()".
func isExpansion(list string) bool {
	for part := range strings.SplitSeq(list, ",") {
		if !strings.HasSuffix(strings.TrimSpace(part), "()") {
			return false
		}
	}
	return true
}
