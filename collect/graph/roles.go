// SPDX-License-Identifier: Apache-2.0

package graph

import "github.com/tickmark/tickmark/collect"

// ofDirectory limits role settings to those of directory roles: the service
// refuses to list them without a scope.
const ofDirectory = "$filter=scopeId%20eq%20'/'%20and%20scopeType%20eq%20'DirectoryRole'"

// roles asks who holds or may take directory roles, and on what terms.
func roles() []question {
	const root = "/v1.0/roleManagement/directory/"
	pim := func(name, about, path, entity, permission string) collect.Ask {
		return licensed(list(name, about, root+path, entity, permission), p2)
	}
	return []question{
		{
			Ask: list("directory-roles", "the directory roles that are in use", "/v1.0/directoryRoles", "graph/directoryRoles", "RoleManagement.Read.Directory"),
			doc: "directoryrole-list",
		},
		{
			Ask: list("role-definitions", "what each directory role allows", root+"roleDefinitions", "graph/roleDefinitions", "RoleManagement.Read.Directory"),
			doc: "rbacapplication-list-roledefinitions",
		},
		{Ask: query(list("role-assignments", "who holds directory roles now", root+"roleAssignments", "graph/roleAssignments", "RoleManagement.Read.Directory"),
			"$expand=principal"), doc: "rbacapplication-list-roleassignments"},
		{Ask: pim("role-eligibility-instances", "who may activate directory roles", "roleEligibilityScheduleInstances",
			"graph/roleEligibilityScheduleInstances", "RoleEligibilitySchedule.Read.Directory"), doc: "rbacapplication-list-roleeligibilityscheduleinstances"},
		{Ask: pim("role-assignment-instances", "who holds directory roles, for how long, assigned or activated", "roleAssignmentScheduleInstances",
			"graph/roleAssignmentScheduleInstances", "RoleAssignmentSchedule.Read.Directory"), doc: "rbacapplication-list-roleassignmentscheduleinstances"},
		{
			Ask: pim("role-activations", "requests to activate or assign directory roles, with their reasons", "roleAssignmentScheduleRequests",
				"graph/roleAssignmentScheduleRequests", "RoleAssignmentSchedule.Read.Directory"), doc: "rbacapplication-list-roleassignmentschedulerequests",
			note: "one version of the page names only RoleManagement.ReadWrite.Directory for applications; that is never asked for, a refusal is coverage",
		},
		{Ask: pim("role-eligibility-requests", "requests to make somebody eligible for directory roles", "roleEligibilityScheduleRequests",
			"graph/roleEligibilityScheduleRequests", "RoleEligibilitySchedule.Read.Directory"), doc: "rbacapplication-list-roleeligibilityschedulerequests"},
		{
			Ask: licensed(query(list("role-settings", "what activation of each directory role asks for", "/v1.0/policies/roleManagementPolicies",
				"graph/roleManagementPolicies", "RoleManagementPolicy.Read.Directory"), ofDirectory+"&$expand=rules"), p2),
			doc: "policyroot-list-rolemanagementpolicies",
		},
		{
			Ask: licensed(query(list("role-settings-assignments", "which settings belong to which directory role", "/v1.0/policies/roleManagementPolicyAssignments",
				"graph/roleManagementPolicyAssignments", "RoleManagementPolicy.Read.Directory"), ofDirectory), p2),
			doc: "policyroot-list-rolemanagementpolicyassignments",
		},
	}
}
