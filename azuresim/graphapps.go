// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"slices"
	"strings"
)

// graphAppID is the application id of Microsoft Graph.
const graphAppID = "00000003-0000-0000-c000-000000000000"

// microsoftTenant is where Microsoft registers its services.
const microsoftTenant = "f8cdef31-a31e-4b4a-93e4-5f571e91255a"

// servicePrincipal is an application, a managed identity or a service of
// Microsoft's, as it stands in the tenant.
type servicePrincipal struct {
	id, appID, name, owner, kind string
	app                          *Application
	roles                        []string // application permissions of Graph
}

func (g *graphService) servicePrincipals() []servicePrincipal {
	out := []servicePrincipal{
		{id: g.guid("principal", graphAppID), appID: graphAppID, name: "Microsoft Graph", owner: microsoftTenant, kind: "Application"},
		{id: g.guid("principal", "exchange"), appID: "00000002-0000-0ff1-ce00-000000000000", name: "Office 365 Exchange Online", owner: microsoftTenant, kind: "Application"},
		{id: g.guid("principal", "management"), appID: "797f4846-ba00-4fd7-ba43-dac1f8f63013", name: "Windows Azure Service Management API", owner: microsoftTenant, kind: "Application"},
	}
	now := g.Now()
	for i := range g.org.Applications {
		a := &g.org.Applications[i]
		owner := g.org.Tenant.ID
		if a.Foreign {
			owner = g.guid("tenant", a.Name)
		}
		if !g.at(a.Created).After(now) {
			out = append(out, servicePrincipal{a.ObjectID, a.ClientID, a.Name, owner, "Application", a, a.Permissions})
		}
	}
	for i := range g.org.Identities {
		d := &g.org.Identities[i]
		out = append(out, servicePrincipal{d.ObjectID, d.ClientID, d.Name, g.org.Tenant.ID, "ManagedIdentity", nil, d.Roles})
	}
	return out
}

func (g *graphService) principalOf(id string) (servicePrincipal, bool) {
	all := g.servicePrincipals()
	i := slices.IndexFunc(all, func(p servicePrincipal) bool { return strings.EqualFold(p.id, id) })
	if i < 0 {
		return servicePrincipal{}, false
	}
	return all[i], true
}

func (g *graphService) servicePrincipalRows(*graphRequest) (graphRows, bool) {
	all := g.servicePrincipals()
	return graphRows{len(all), func(i int) []member { return g.servicePrincipal(all[i]) }}, true
}

func (g *graphService) servicePrincipal(p servicePrincipal) []member {
	roles := [][]member{}
	if p.appID == graphAppID {
		for _, name := range g.permissionNames() {
			roles = append(roles, graphObject("allowedMemberTypes", []string{"Application"}, "description", name, "displayName", name, "id", g.guid("app-role", name),
				"isEnabled", true, "origin", "Application", "value", name))
		}
	}
	audience := "AzureADMyOrg"
	if p.owner != g.org.Tenant.ID {
		audience = "AzureADMultipleOrgs"
	}
	return graphObject("id", p.id, "deletedDateTime", nil, "accountEnabled", true, "alternativeNames", []string{}, "appDisplayName", p.name, "appDescription", nil,
		"appId", p.appID, "appOwnerOrganizationId", p.owner, "appRoleAssignmentRequired", p.kind == "Application" && p.app != nil && p.app.Foreign,
		"description", nil, "disabledByMicrosoftStatus", nil, "displayName", p.name, "homepage", nil, "loginUrl", nil, "logoutUrl", nil, "notes", nil,
		"notificationEmailAddresses", []string{}, "preferredSingleSignOnMode", nil, "replyUrls", []string{}, "servicePrincipalNames", []string{p.appID},
		"servicePrincipalType", p.kind, "signInAudience", audience, "tags", []string{}, "tokenEncryptionKeyId", nil,
		"verifiedPublisher", graphObject("displayName", nil, "verifiedPublisherId", nil, "addedDateTime", nil), "addIns", [][]member{}, "appRoles", roles,
		"keyCredentials", [][]member{}, "oauth2PermissionScopes", [][]member{}, "passwordCredentials", [][]member{})
}

// permissionNames are the application permissions of Graph that somebody holds.
func (g *graphService) permissionNames() []string {
	var names []string
	for _, a := range g.org.Applications {
		names = append(names, a.Permissions...)
	}
	for _, d := range g.org.Identities {
		names = append(names, d.Roles...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// registered are the applications that are registered in this tenant.
func (g *graphService) registered() []*Application {
	var out []*Application
	now := g.Now()
	for i := range g.org.Applications {
		if a := &g.org.Applications[i]; !a.Foreign && !g.at(a.Created).After(now) {
			out = append(out, a)
		}
	}
	return out
}

func (g *graphService) applicationOf(id string) *Application {
	for _, a := range g.registered() {
		if strings.EqualFold(a.ID, id) {
			return a
		}
	}
	return nil
}

func (g *graphService) applicationRows(*graphRequest) (graphRows, bool) {
	all := g.registered()
	return graphRows{len(all), func(i int) []member { return g.application(all[i]) }}, true
}

func (g *graphService) application(a *Application) []member {
	passwords, keys := [][]member{}, [][]member{}
	created := g.created(a.Created, 350)
	for _, c := range a.Credentials {
		starts, key := g.at(c.Starts), g.guid("credential", a.Name, c.Name)
		if starts.IsZero() {
			starts = created
		}
		expires := g.at(c.Expires)
		if expires.IsZero() {
			expires = starts.AddDate(0, 6, 0)
		}
		switch c.Kind {
		case "federated":
		case "certificate":
			keys = append(keys, graphObject("customKeyIdentifier", strings.ToUpper(key[:8]), "displayName", "CN="+c.Name, "endDateTime", expires, "key", nil,
				"keyId", key, "startDateTime", starts, "type", "AsymmetricX509Cert", "usage", "Verify"))
		default:
			passwords = append(passwords, graphObject("customKeyIdentifier", nil, "displayName", c.Name, "endDateTime", expires, "hint", key[:3],
				"keyId", key, "secretText", nil, "startDateTime", starts))
		}
	}
	access := [][]member{}
	for _, p := range a.Permissions {
		access = append(access, graphObject("id", g.guid("app-role", p), "type", "Role"))
	}
	wanted := [][]member{}
	if len(access) > 0 {
		wanted = append(wanted, graphObject("resourceAppId", graphAppID, "resourceAccess", access))
	}
	uris := graphObject("redirectUris", []string{})
	row := graphObject("id", a.ID, "deletedDateTime", nil, "appId", a.ClientID, "displayName", a.Name, "description", nil, "createdDateTime", created,
		"disabledByMicrosoftStatus", nil, "identifierUris", []string{}, "isFallbackPublicClient", nil, "notes", nil, "publisherDomain", g.domain(),
		"serviceManagementReference", nil, "signInAudience", "AzureADMyOrg", "tags", []string{},
		"verifiedPublisher", graphObject("displayName", nil, "verifiedPublisherId", nil, "addedDateTime", nil),
		"api", graphObject("requestedAccessTokenVersion", 2, "oauth2PermissionScopes", [][]member{}), "appRoles", [][]member{}, "keyCredentials", keys,
		"passwordCredentials", passwords, "requiredResourceAccess", wanted, "web", uris, "spa", uris, "publicClient", uris)
	if a.Also != nil {
		row, _ = members(merge(object(row), g.render(a.Also, &vars{name: a.Name, id: a.ID})))
	}
	return row
}

func (g *graphService) applicationOwners(q *graphRequest) (graphRows, bool) {
	a := g.applicationOf(q.args[0])
	if a == nil {
		return graphRows{}, false
	}
	return g.principalRows(a.Owners), true
}

func (g *graphService) servicePrincipalOwners(q *graphRequest) (graphRows, bool) {
	p, ok := g.principalOf(q.args[0])
	if !ok || p.app == nil {
		return graphRows{}, ok
	}
	return g.principalRows(p.app.Owners), true
}

func (g *graphService) federated(q *graphRequest) (graphRows, bool) {
	a := g.applicationOf(q.args[0])
	if a == nil {
		return graphRows{}, false
	}
	var rows [][]member
	for _, c := range a.Credentials {
		if c.Kind == "federated" {
			rows = append(rows, graphObject("id", g.guid("federated", a.Name, c.Name), "name", c.Name, "issuer", "https://token.actions.githubusercontent.com",
				"subject", "repo:"+strings.ToLower(strings.ReplaceAll(g.org.Name, " ", "-"))+"/"+c.Name+":environment:production", "description", nil,
				"audiences", []string{"api://AzureADTokenExchange"}))
		}
	}
	return graphList(rows), true
}

// held are the application permissions of Graph that a principal holds.
func (g *graphService) held(p servicePrincipal) [][]member {
	var rows [][]member
	created := g.epoch.AddDate(0, 0, -200)
	if p.app != nil {
		created = g.created(p.app.Created, 350)
	}
	for _, name := range p.roles {
		rows = append(rows, graphObject("id", g.guid("app-role-assignment", p.id, name), "deletedDateTime", nil, "appRoleId", g.guid("app-role", name),
			"createdDateTime", created, "principalDisplayName", p.name, "principalId", p.id, "principalType", "ServicePrincipal",
			"resourceDisplayName", "Microsoft Graph", "resourceId", g.guid("principal", graphAppID)))
	}
	return rows
}

func (g *graphService) appRoleAssignments(q *graphRequest) (graphRows, bool) {
	p, ok := g.principalOf(q.args[0])
	if !ok {
		return graphRows{}, false
	}
	return graphList(g.held(p)), true
}

func (g *graphService) appRoleAssignedTo(q *graphRequest) (graphRows, bool) {
	p, ok := g.principalOf(q.args[0])
	if !ok {
		return graphRows{}, false
	}
	var rows [][]member
	switch {
	case p.appID == graphAppID:
		for _, holder := range g.servicePrincipals() {
			rows = append(rows, g.held(holder)...)
		}
	case p.app != nil && p.app.Foreign:
		for _, name := range p.app.Owners {
			id := g.principalID(name)
			rows = append(rows, graphObject("id", g.guid("app-assignment", p.id, id), "deletedDateTime", nil, "appRoleId", "00000000-0000-0000-0000-000000000000",
				"createdDateTime", g.created(p.app.Created, 350), "principalDisplayName", name, "principalId", id, "principalType", g.principals[strings.ToLower(name)].Kind,
				"resourceDisplayName", p.name, "resourceId", p.id))
		}
	}
	return graphList(rows), true
}

func (g *graphService) delegatedGrants(*graphRequest) (graphRows, bool) {
	var rows [][]member
	for i := range g.org.Applications {
		if a := &g.org.Applications[i]; len(a.Delegated) > 0 {
			rows = append(rows, graphObject("clientId", a.ObjectID, "consentType", "AllPrincipals", "id", g.guid("delegated", a.Name), "principalId", nil,
				"resourceId", g.guid("principal", graphAppID), "scope", " "+strings.Join(a.Delegated, " ")))
		}
	}
	return graphList(rows), true
}
