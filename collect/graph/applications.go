// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"strings"

	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/jsontape"
)

// MicrosoftGraph is the application id of Microsoft Graph, alike in every tenant.
const MicrosoftGraph = "00000003-0000-0000-c000-000000000000"

const (
	applicationMembers = "id,appId,displayName,description,signInAudience,createdDateTime,identifierUris,publisherDomain," +
		"passwordCredentials,keyCredentials,requiredResourceAccess,appRoles,api,web,spa,publicClient,isFallbackPublicClient," +
		"disabledByMicrosoftStatus,serviceManagementReference,notes,tags,verifiedPublisher"
	servicePrincipalMembers = "id,appId,displayName,accountEnabled,servicePrincipalType,appOwnerOrganizationId," +
		"appRoleAssignmentRequired,alternativeNames,appRoles,oauth2PermissionScopes,passwordCredentials,keyCredentials," +
		"preferredSingleSignOnMode,signInAudience,disabledByMicrosoftStatus,notificationEmailAddresses,replyUrls,tags,verifiedPublisher"
)

// Graph never lists a password again after it was made, but the beginning of it
// ("hint") it does; and what a key's value is, is for nobody to keep.
var credentialSecrets = []string{
	"passwordCredentials.*.secretText", "passwordCredentials.*.hint", "keyCredentials.*.key",
}

// applications asks what may act without a person, with which credentials and
// permissions.
func applications() []question {
	apps := counted(list("applications", "the app registrations with the ends of their credentials", "/v1.0/applications", "graph/applications",
		"Application.Read.All"), applicationMembers)
	apps.Redact = credentialSecrets
	principals := counted(list("service-principals", "the applications and managed identities that can sign in", "/v1.0/servicePrincipals",
		"graph/servicePrincipals", "Application.Read.All"), servicePrincipalMembers)
	principals.Redact = credentialSecrets
	granted := of(counted(list("app-role-assignments", "the application permissions that each service principal holds",
		"/v1.0/servicePrincipals/{id}/appRoleAssignments", "graph/appRoleAssignments", "Application.Read.All"), ""),
		"graph/servicePrincipals", nil)
	holders := of(counted(list("app-role-assigned-to", "who holds permissions of Microsoft Graph, and who is let into applications that ask for it",
		"/v1.0/servicePrincipals/{id}/appRoleAssignedTo", "graph/appRoleAssignedTo", "Application.Read.All"), ""),
		"graph/servicePrincipals", isGuarded)
	return []question{
		{Ask: apps, doc: "application-list", note: "150 requests a minute when keyCredentials are selected (documented at the resource)"},
		{Ask: of(counted(list("application-owners", "who owns each app registration", "/v1.0/applications/{id}/owners", "graph/applicationOwners",
			"Application.Read.All"), principalMembers), "graph/applications", nil), doc: "application-list-owners"},
		{Ask: of(list("federated-credentials", "the outside identities that each app registration trusts",
			"/v1.0/applications/{id}/federatedIdentityCredentials", "graph/federatedIdentityCredentials", "Application.Read.All"),
			"graph/applications", nil), doc: "application-list-federatedidentitycredentials"},
		{Ask: principals, doc: "serviceprincipal-list"},
		{
			Ask: of(counted(list("service-principal-owners", "who owns each service principal of an application", "/v1.0/servicePrincipals/{id}/owners",
				"graph/servicePrincipalOwners", "Application.Read.All"), principalMembers), "graph/servicePrincipals", isApplication),
			doc: "serviceprincipal-list-owners", note: "the type holds the owners of service principals of the kind Application only",
		},
		{Ask: granted, doc: "serviceprincipal-list-approleassignments"},
		{Ask: holders, doc: "serviceprincipal-list-approleassignedto", note: "the type holds the assignments of Microsoft Graph and of applications that require one"},
		{
			Ask: counted(list("delegated-grants", "the permissions that applications hold in the name of users", "/v1.0/oauth2PermissionGrants",
				"graph/oauth2PermissionGrants", "DelegatedPermissionGrant.Read.All"), ""), doc: "oauth2permissiongrant-list",
			note: "older versions of the page name Directory.Read.All as the least permission",
		},
	}
}

func isApplication(s *collect.Subject) bool {
	kind := s.Item.Get("servicePrincipalType")
	return kind.Kind() != jsontape.String || strings.EqualFold(kind.Str(), "Application")
}

func isGuarded(s *collect.Subject) bool {
	app := s.Item.Get("appId")
	return mayBe(s, "appRoleAssignmentRequired") || app.Kind() != jsontape.String || strings.EqualFold(app.Str(), MicrosoftGraph)
}
