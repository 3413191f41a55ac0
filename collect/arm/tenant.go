// SPDX-License-Identifier: Apache-2.0

package arm

import (
	"slices"
	"strings"

	"github.com/tickmark/tickmark/collect"
)

const typeManagementGroup = "Microsoft.Management/managementGroups"

// tenantAsks are put once for the tenant, or for each management group.
//
// What a subscription inherits depends on the management groups above it: a
// policy or a role assignment there can be judged only if the ancestry is
// known. The list of groups has no ancestry; the object and the descendants of
// the root group have, and the descendants also name the subscriptions that
// the identity cannot read itself.
func tenantAsks() []collect.Ask {
	root := []collect.Ask{
		{
			Name: "subscriptions", About: "the subscriptions that the identity can read: the yardstick of all scopes",
			Path: "/subscriptions", APIVersion: "2022-12-01", Types: []string{typeSubscription}, NotEmpty: true,
			Doc: rest + "resources/subscriptions/list",
		},
		{
			Name: "tenants", About: "the tenants that the identity belongs to",
			Path: "/tenants", APIVersion: "2022-12-01", Entity: "arm/tenants", Types: []string{"arm/tenants"}, Identity: "tenantId", NotEmpty: true,
			Needs: collect.Need{Permission: "none beyond sign-in", Role: roleReader},
			Doc:   rest + "resources/tenants/list",
		},
		{
			Name: "management-group-names", About: "the management groups that the identity can read",
			Path: "/providers/Microsoft.Management/managementGroups", APIVersion: "2020-05-01",
			Entity: "arm/managementGroupNames", // those that are not readable are left out: it is complete for nothing
			Needs:  collect.Need{Permission: "Microsoft.Management/managementGroups/read", Role: roleGroupReader},
			Doc:    rest + "managementgroups/management-groups/list",
		},
		{
			// The root group's name is the tenant's id.
			Name: "management-group-descendants", About: "every management group and subscription below the root group, with its parent",
			Path: "/providers/Microsoft.Management/managementGroups/{tenantId}/descendants", Query: "$top=2000", APIVersion: "2020-05-01",
			Entity: "arm/managementGroupDescendants", Types: []string{"arm/managementGroupDescendants"}, PageSize: 2000,
			Needs: collect.Need{Permission: "Microsoft.Management/managementGroups/descendants/read at the root group", Role: roleGroupReader},
			Doc:   rest + "managementgroups/management-groups/get-descendants",
		},
		{
			// The logs of Entra ID are no resource of a subscription: the root group
			// does not cover them, and Reader has to be assigned at their own scope
			// (or at /). The answer's type and id are not documented, hence records.
			Name: "entra-log-export", About: "where the logs of Entra ID are exported to",
			Path: "/providers/microsoft.aadiam/diagnosticSettings", APIVersion: "2017-04-01",
			Entity: "arm/entraDiagnosticSettings", Types: []string{"arm/entraDiagnosticSettings"}, Identity: "name",
			Needs: collect.Need{Permission: "microsoft.aadiam/diagnosticsettings/read at " + scopeEntraLogs, Role: roleReader, Scope: scopeEntraLogs},
			Doc:   "https://learn.microsoft.com/azure/templates/microsoft.aadiam/diagnosticsettings",
		},
		{
			Name: "built-in-roles", About: "the built-in role definitions with their actions",
			Path: "/providers/Microsoft.Authorization/roleDefinitions", Query: "$filter=type%20eq%20'BuiltInRole'", APIVersion: "2022-04-01",
			Types: []string{"Microsoft.Authorization/roleDefinitions"},
			Doc:   docs + "role-based-access-control/role-definitions-list",
		},
		{
			Name: "built-in-policies", About: "the built-in policy definitions",
			Path: "/providers/Microsoft.Authorization/policyDefinitions", APIVersion: "2023-04-01",
			Types: []string{"Microsoft.Authorization/policyDefinitions"},
			Doc:   rest + "policyauthorization/policy-definitions/list-built-in",
		},
		{
			Name: "built-in-initiatives", About: "the built-in initiatives",
			Path: "/providers/Microsoft.Authorization/policySetDefinitions", APIVersion: "2023-04-01",
			Types: []string{"Microsoft.Authorization/policySetDefinitions"},
			Doc:   rest + "policyauthorization/policy-set-definitions/list-built-in",
		},
	}
	for i, a := range root {
		root[i] = fill(a)
	}
	return slices.Concat(root, groupAsks())
}

// groupAsks are put once for each management group. Assignments that are set
// on a group itself are also listed at each subscription below it; a group
// without subscriptions has them here only.
func groupAsks() []collect.Ask {
	asks := []collect.Ask{
		{
			Name: "management-groups", About: "each management group with its ancestors",
			Path: "{id}", Query: "$expand=ancestors", APIVersion: "2020-05-01", Form: "armObject", Types: []string{typeManagementGroup},
			Needs: collect.Need{Role: roleGroupReader},
			Doc:   rest + "managementgroups/management-groups/get",
		},
		{
			Name: "group-role-assignments", About: "role assignments on and above each management group",
			Path: "{id}/providers/Microsoft.Authorization/roleAssignments", Query: "$filter=atScope()", APIVersion: "2022-04-01",
			Types: []string{"Microsoft.Authorization/roleAssignments"},
			Doc:   rest + "authorization/role-assignments/list-for-scope",
		},
		{
			Name: "group-roles", About: "custom role definitions that can be assigned at each management group",
			Path: "{id}/providers/Microsoft.Authorization/roleDefinitions", Query: "$filter=type%20eq%20'CustomRole'", APIVersion: "2022-04-01",
			Types: []string{"Microsoft.Authorization/roleDefinitions"},
			Doc:   rest + "authorization/role-definitions/list",
		},
		{
			Name: "group-pim-eligible", About: "who is eligible for a role on or above each management group",
			Path: "{id}/providers/Microsoft.Authorization/roleEligibilityScheduleInstances", Query: "$filter=atScope()", APIVersion: "2020-10-01",
			Types: []string{"Microsoft.Authorization/roleEligibilityScheduleInstances"}, Needs: privileged("Microsoft.Authorization/roleEligibilityScheduleInstances/read"),
			Doc: rest + "authorization/role-eligibility-schedule-instances/list-for-scope",
		},
		{
			Name: "group-pim-active", About: "role assignments on and above each management group, with the time they are active",
			Path: "{id}/providers/Microsoft.Authorization/roleAssignmentScheduleInstances", Query: "$filter=atScope()", APIVersion: "2020-10-01",
			Types: []string{"Microsoft.Authorization/roleAssignmentScheduleInstances"}, Needs: privileged("Microsoft.Authorization/roleAssignmentScheduleInstances/read"),
			Doc: rest + "authorization/role-assignment-schedule-instances/list-for-scope",
		},
		{
			Name: "group-policy-assignments", About: "policy assignments on and above each management group",
			Path: "{id}/providers/Microsoft.Authorization/policyAssignments", Query: "$filter=atScope()", APIVersion: "2023-04-01",
			Types: []string{"Microsoft.Authorization/policyAssignments"},
			Doc:   rest + "policyauthorization/policy-assignments/list-for-management-group",
		},
		{
			Name: "group-policy-exemptions", About: "policy exemptions on and above each management group",
			Path: "{id}/providers/Microsoft.Authorization/policyExemptions", Query: "$filter=atScope()", APIVersion: "2022-07-01-preview",
			Types: []string{"Microsoft.Authorization/policyExemptions"},
			Doc:   rest + "policyauthorization/policy-exemptions/list-for-management-group",
		},
		{
			Name: "group-policies", About: "policy definitions made at each management group",
			Path: "{id}/providers/Microsoft.Authorization/policyDefinitions", Query: "$filter=policyType%20eq%20'Custom'", APIVersion: "2023-04-01",
			Types: []string{"Microsoft.Authorization/policyDefinitions"},
			Doc:   rest + "policyauthorization/policy-definitions/list-by-management-group",
		},
		{
			Name: "group-initiatives", About: "initiatives made at each management group",
			Path: "{id}/providers/Microsoft.Authorization/policySetDefinitions", Query: "$filter=policyType%20eq%20'Custom'", APIVersion: "2023-04-01",
			Types: []string{"Microsoft.Authorization/policySetDefinitions"},
			Doc:   rest + "policyauthorization/policy-set-definitions/list-by-management-group",
		},
	}
	for i, a := range asks {
		a.Of = []string{"arm/managementGroupNames"}
		asks[i] = fill(a)
	}
	return asks
}

// ofGroups completes asks that are put once for each management group of the
// tenant, those included that the identity is not shown: the hierarchy names
// them, the question is refused, and what it lists counts as not whole. The
// other asks of groups read what subscriptions inherit, and what is set on a
// group is listed at the subscriptions below it, too.
func ofGroups(asks ...collect.Ask) []collect.Ask {
	for i, a := range asks {
		a.Of = []string{"arm/managementGroupNames", "arm/managementGroupDescendants"}
		a.Where = func(s *collect.Subject) bool {
			return strings.HasPrefix(strings.ToLower(s.ID), "/providers/microsoft.management/managementgroups/")
		}
		asks[i] = fill(a)
	}
	return asks
}
