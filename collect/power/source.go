// SPDX-License-Identifier: Apache-2.0

// Package power holds the questions that are put to the administration of Power Platform, Dataverse and Dynamics 365.
// They are data: the engine in package collect does the asking.
package power

import (
	"net/http"

	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/jsontape"
)

// ref is where Microsoft documents the Power Platform API, data the Web API of
// Dataverse.
const (
	ref  = "https://learn.microsoft.com/rest/api/power-platform/"
	data = "https://learn.microsoft.com/power-apps/developer/data-platform/"
	// The administration at api.bap.microsoft.com has no REST reference: the
	// requests are those of Microsoft's PowerShell module and Terraform provider,
	// which the page documents in their words.
	module = "https://learn.microsoft.com/power-platform/admin/powerapps-powershell"
)

const one = "graphEntity"

// position stands for the identity of an answer that has none.
const position = "#"

// Microsoft has no role for an application that only reads here: Reader is in
// preview, and an application that an administrator registers for management
// has full rights (recorded as a writer that somebody accepted).
// https://learn.microsoft.com/power-platform/admin/powershell-create-service-principal
var administrator = collect.Need{
	Permission: "read of Power Platform administration",
	Role:       "Power Platform administrator (a person, or an application registered for management; a reader role is in preview)",
}

// reader is the least in Dataverse.
// https://learn.microsoft.com/power-platform/admin/database-security#predefined-security-roles
var reader = collect.Need{Permission: "read of the table at the level of the organisation", Role: "an application user with the security role Service Reader in each environment"}

// Source returns the source with its questions.
func Source() collect.Source {
	asks := append(tenantAsks(), environmentAsks()...)
	asks = append(asks, dataverseAsks()...)
	for i := range asks {
		a := &asks[i]
		a.Pace = collect.PacePower
		if a.Form == "" {
			a.Form = "graphCollection"
		}
		if len(a.Types) == 0 && a.Entity != "" && !auxiliary[a.Entity] {
			a.Types = []string{a.Entity}
		}
	}
	return collect.Source{Name: "power", Title: "Power Platform", Asks: asks, Scope: scope}
}

// auxiliary are records that prove or lead to others: nothing may be concluded
// from their absence. Of connections the service does not say whether an
// administrator sees everybody's.
var auxiliary = map[string]bool{
	"power/dataPolicyNames": true, "power/connections": true, "power/dataverseCallers": true, "power/dataversePrivileges": true,
}

// scope is the environment of a subject.
func scope(s *collect.Subject) string {
	for ; s != nil; s = s.Of {
		if s.Type == "power/environments" {
			return s.Name
		}
	}
	return ""
}

func tenantAsks() []collect.Ask {
	return []collect.Ask{
		{
			// Answered to administrators of the tenant only: it proves that the
			// lists of environments and policies are not those of an environment's
			// administrator.
			Name: "tenant-isolation", About: "whether connections to and from other tenants are restricted", Doc: module,
			Host: collect.HostPower, Path: "/providers/PowerPlatform.Governance/v1/tenants/{tenantId}/tenantIsolationPolicy", APIVersion: "2020-06-01",
			Form: one, Identity: position, Entity: "power/tenantIsolation", Needs: administrator,
		},
		{
			// A query that is a POST; it changes nothing.
			Name: "tenant-settings", About: "settings of the tenant: who may create environments, share apps", Doc: module,
			Host: collect.HostPower, Method: http.MethodPost, Path: "/providers/Microsoft.BusinessAppPlatform/listTenantSettings", Body: "{}", APIVersion: "2023-06-01",
			Form: one, Identity: position, Entity: "power/tenantSettings", Needs: administrator,
		},
		{
			Name: "environments", About: "environments with their kind and their Dataverse", Doc: module,
			Host: collect.HostPower, Path: "/providers/Microsoft.BusinessAppPlatform/scopes/admin/environments", APIVersion: "2023-06-01",
			Paging: collect.PageNextLink, Identity: "name", Entity: "power/environments", Needs: administrator, Proof: "tenant-isolation",
		},
		{
			Name: "data-policy-names", About: "names of the data policies", Doc: module,
			Host: collect.HostPower, Path: "/providers/PowerPlatform.Governance/v2/policies",
			Paging: collect.PageNextLink, Identity: "policyDefinition.name", Entity: "power/dataPolicyNames", Needs: administrator, Proof: "tenant-isolation",
		},
		{
			// The list leaves out the groups of connectors.
			Name: "data-policies", About: "each data policy: environments and groups of connectors", Of: []string{"power/dataPolicyNames"}, Doc: module,
			Host: collect.HostPower, Path: "/providers/PowerPlatform.Governance/v2/policies/{policyDefinition.name}",
			Form: one, Identity: "policyDefinition.name", Entity: "power/dataPolicies", Needs: administrator,
		},
	}
}

func environmentAsks() []collect.Ask {
	ask := func(name, about, doc, path, query, entity string, paging collect.Paging) collect.Ask {
		return collect.Ask{
			Name: name, About: about, Of: []string{"power/environments"}, Doc: ref + doc, Host: collect.HostPowerAPI,
			Path: path, Query: query, APIVersion: "2024-10-01", Paging: paging, Entity: entity, Needs: administrator,
		}
	}
	apps := ask("apps", "canvas apps and with how many they are shared", "powerapps/apps/get-admin-apps", "/powerapps/environments/{name}/apps", "$top=250", "power/apps", collect.PageNextLink)
	apps.PageSize, apps.Identity = 250, "name"
	connections := ask("connections", "connections to other services", "connectivity/connections/list-connections",
		"/connectivity/environments/{name}/connections", "", "power/connections", collect.PageNextLink)
	connections.Identity = "name"
	connections.Redact = []string{"properties.connectionParameters.*", "properties.connectionParametersSet.values.*.value", "properties.testLinks"}
	installed := ask("applications", "Dynamics 365 and other applications installed", "appmanagement/applications/get-environment-application-package",
		"/appmanagement/environments/{name}/applicationPackages", "appInstallState=Installed", "power/applications", collect.PageODataLink)
	return []collect.Ask{apps, connections, installed}
}

// hasDatabase keeps environments but those that say that they have none. One
// that lacks its address is refused when it is asked.
func hasDatabase(s *collect.Subject) bool {
	return s.Item.Get("properties").Get("databaseType").Str() != "None"
}

// global reports whether the caller may read the tables of people, roles and
// flows of the whole organisation; with less depth Dataverse answers with the
// rows that it may see.
func global(answer jsontape.Value) bool {
	need := map[string]bool{"prvReadUser": true, "prvReadRole": true, "prvReadTeam": true, "prvReadWorkflow": true, "prvReadFieldSecurityProfile": true, "prvReadOrganization": true}
	for p := range answer.Get("RolePrivileges").Elems() {
		if p.Get("Depth").Str() == "Global" {
			delete(need, p.Get("PrivilegeName").Str())
		}
	}
	return len(need) == 0
}
