// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"slices"
	"strings"
)

// Permission is an application permission (app role) of Microsoft Graph that
// asks need.
type Permission struct {
	Name string
	// ID is the app role's id; empty where it could not be verified, so that a
	// script must look it up by its name among the roles of MicrosoftGraph.
	ID string
	// Asks are the asks that need it.
	Asks []string
}

// appRoles are the ids of application permissions, alike in every tenant.
// Source: the table of permission ids and permissions-reference in Microsoft's
// documentation of Graph (github.com/microsoftgraph/microsoft-graph-docs-contrib,
// concepts/includes/permissions-ids.md); those marked * only from several
// published scripts that agree. What is not here could not be verified.
var appRoles = map[string]string{
	"AccessReview.Read.All":                   "d07a8cc0-3d51-4b77-b3b0-32704d1f69fa",
	"Application.Read.All":                    "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30",
	"AuditLog.Read.All":                       "b0afded3-3588-46d8-8b3d-9842eff778da",
	"DelegatedPermissionGrant.Read.All":       "81b4724a-58aa-41c1-8a55-84ef97466587", // *
	"DeviceManagementConfiguration.Read.All":  "dc377aa6-52d8-4e23-b271-2a7ae04cedf3",
	"DeviceManagementManagedDevices.Read.All": "2f51be20-0bb4-4fed-bf7b-db946066c75e",
	"DeviceManagementRBAC.Read.All":           "58ca0d9a-1575-47e1-a3cb-007ef2e4583b", // *
	"Domain.Read.All":                         "dbb9058a-0e50-45d7-ae91-66909b5d4664",
	"EntitlementManagement.Read.All":          "c74fd47d-ed3c-45c3-9a9e-b8676de685d2",
	"GroupMember.Read.All":                    "98830695-27a2-44f7-8c18-0c3ebc9698f6",
	"IdentityRiskEvent.Read.All":              "6e472fd1-ad78-48da-a0f0-97ab2c6b769e",
	"IdentityRiskyUser.Read.All":              "dc5007c0-2d7d-4c42-879c-2dab87571379",
	"InformationProtectionPolicy.Read.All":    "19da66cb-0fb0-4390-b071-ebc76a349482",
	"LicenseAssignment.Read.All":              "e2f98668-2877-4f38-a2f4-8202e0717aa1", // *
	"LifecycleWorkflows.Read.All":             "7c67316a-232a-4b84-be22-cea2c0906404",
	"Organization.Read.All":                   "498476ce-e0fe-48b0-b801-37ba7e2685c6",
	"Policy.Read.All":                         "246dd0d5-5bd0-4def-940b-0421030a5b68",
	"RoleAssignmentSchedule.Read.Directory":   "d5fe8ce8-684c-4c83-a52c-46e882ce4be1", // *
	"RoleEligibilitySchedule.Read.Directory":  "ff278e11-4a33-4d0c-83d2-d01dc58929a5", // *
	"RoleManagement.Read.Directory":           "483bed4a-2ad3-4361-a73b-c83ccdbdc53c",
	"RoleManagementPolicy.Read.Directory":     "fdc4c997-9942-4479-bfcb-75a36d1138df", // *
	"SecurityEvents.Read.All":                 "bf394140-e372-4bf9-a898-299cfc7564e5",
	"SharePointTenantSettings.Read.All":       "83d4163d-a2d8-4d3b-9695-4ae3ca98f888",
	"User.Read.All":                           "df021288-bdef-4463-88db-98f22de89214",
}

// Permissions lists, by name, the application permissions that the named asks
// need; without names those of all asks.
func Permissions(asks ...string) []Permission {
	by := map[string][]string{}
	for _, q := range questions() {
		if len(asks) > 0 && !slices.Contains(asks, q.Name) {
			continue
		}
		for name := range strings.SplitSeq(q.Needs.Permission, " and ") {
			by[name] = append(by[name], q.Name)
		}
	}
	var all []Permission
	for name, of := range by {
		all = append(all, Permission{Name: name, ID: appRoles[name], Asks: of})
	}
	slices.SortFunc(all, func(a, b Permission) int { return strings.Compare(a.Name, b.Name) })
	return all
}
