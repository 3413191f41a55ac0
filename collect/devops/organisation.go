// SPDX-License-Identifier: Apache-2.0

package devops

import (
	"fmt"
	"strings"
	"time"

	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/jsontape"
)

// ref is where Microsoft documents the API of Azure DevOps Services 7.1.
const ref = "https://learn.microsoft.com/rest/api/azure/devops/"

// The least that reads: the identity is a user of the organisation with the
// access level Basic. Names are those of the page on permissions:
// https://learn.microsoft.com/azure/devops/organizations/security/permissions
var (
	validUser     = collect.Need{Permission: "View instance-level information", Role: "Project Collection Valid Users (any user of the organisation with the access level Basic)"}
	projectReader = collect.Need{Permission: "View project-level information", Role: "Readers of the project"}
)

// A security namespace guards one kind of object.
// https://learn.microsoft.com/azure/devops/organizations/security/namespace-reference
const (
	nsProject          = "52d39943-cb85-4d7f-8fa8-c6baac873819"
	nsGit              = "2e9eb7ed-3c0a-47d4-87c1-0ffdd275fd87"
	nsBuild            = "33344d9c-fc72-4d6f-aba5-fa317101a7e9"
	nsRelease          = "c788c23e-1b46-4162-8f5e-d7585343b5de"
	nsEnvironment      = "83d4c2e6-e57d-4d6e-892b-b87222b7ad20"
	nsLibrary          = "b7e84409-6553-448a-bbb2-af228e07cbeb"
	nsServiceEndpoints = "49b48001-ca20-4adc-8111-5b60c903a50c"
	nsDistributedTask  = "101eae8c-1709-47f9-b228-0e476c35b3ba"
	nsAuditLog         = "a6cc6381-a1ca-4b36-b3c1-4e65211e82b6"
)

// sees makes the proof that the identity sees a kind of object: Azure DevOps
// leaves out what it may not see and answers 200. The service itself evaluates
// the permission on the object above the list; administrators are treated as
// anybody, and an explicit denial further down is in the access control lists.
// A wrong token evaluates to false: it costs coverage, never truth.
func sees(of, what, namespace, token string, bits int) collect.Ask {
	path, where := "/{name}/_apis/security/permissionevaluationbatch", (func(*collect.Subject) bool)(nil)
	if of != azureOrganizations {
		path, where = "/{^name}/_apis/security/permissionevaluationbatch", wellFormed
	}
	return collect.Ask{
		Name: "sees-" + strings.ReplaceAll(what, " ", "-"), About: "whether the identity sees all " + what, Of: []string{of}, Where: where,
		Doc:    ref + "security/permissions/has-permissions-batch",
		Method: "POST", Path: path,
		Body: fmt.Sprintf(`{"alwaysAllowAdministrators":false,"evaluations":[{"securityNamespaceId":%q,"token":%q,"permissions":%d}]}`, namespace, token, bits),
		List: "evaluations", Entity: "devops/permissions", Identity: "securityNamespaceId",
		Shows: granted, Needs: validUser,
	}
}

// granted reports whether every evaluation is true, and there is one.
func granted(answer jsontape.Value) bool {
	seen := false
	for e := range answer.Get("evaluations").Elems() {
		if yes, ok := e.Get("value").Bool(); !ok || !yes {
			return false
		}
		seen = true
	}
	return seen
}

// wellFormed keeps projects that are neither being made nor deleted, and those
// that do not say.
var wellFormed = unless("state", "createPending", "new", "deleting", "deleted")

func organisationAsks() []collect.Ask {
	org := []string{azureOrganizations}
	return []collect.Ask{
		{
			// Not in the REST reference; the official clients begin with it.
			// Nothing depends on it. Unverified: that it stays.
			Name: "connection", About: "who asks, as the organisation knows the identity", Of: org,
			Doc:  "https://github.com/microsoft/azure-devops-node-api (LocationsApi.getConnectionData)",
			Path: "/{name}/_apis/connectionData", APIVersion: "7.1-preview", Form: one, Identity: "authenticatedUser.id",
			Entity: "devops/connections", Types: []string{"devops/connections"}, Needs: validUser,
		},
		sees(azureOrganizations, "projects", nsProject, "$PROJECT", 1), // GENERIC_READ at the root
		sees(azureOrganizations, "agent pools", nsDistributedTask, "AgentPools", 1),
		// Read. Manage_Streams is what the list is documented to need; it can write,
		// and whoever lacks it is refused (unverified: that nobody gets an empty list).
		sees(azureOrganizations, "auditing", nsAuditLog, "/AllPermissions", 1),
		{
			Name: "projects", About: "projects of the organisation", Of: org, Doc: ref + "core/projects/list",
			Path: "/{name}/_apis/projects", Query: "stateFilter=all&$top=100", Paging: collect.PageContinuation, PageSize: 100,
			Entity: "devops/projects", Types: []string{"devops/projects"}, Needs: projectReader, Proof: "sees-projects",
		},
		{
			Name: "security-namespaces", About: "what the bits of permissions mean", Of: org, Doc: ref + "security/security-namespaces/query",
			Path: "/{name}/_apis/securitynamespaces", Identity: "namespaceId",
			Entity: "devops/securityNamespaces", Types: []string{"devops/securityNamespaces"}, Needs: validUser,
		},
		{
			Name: "repository-permissions", About: "access control lists of repositories and branches: who may bypass policies", Of: org,
			Doc:  ref + "security/access-control-lists/query",
			Path: "/{name}/_apis/accesscontrollists/" + nsGit, Query: "recurse=true&includeExtendedInfo=true", Identity: "token",
			Entity: "devops/accessControlLists", Types: []string{"devops/accessControlLists"}, Needs: validUser, Proof: "sees-projects",
		},
		{
			Name: "agent-pools", About: "agent pools, hosted and own", Of: org, Doc: ref + "distributedtask/pools/get-agent-pools",
			Path:   "/{name}/_apis/distributedtask/pools",
			Entity: "devops/agentPools", Types: []string{"devops/agentPools"},
			Needs: collect.Need{Permission: "View (agent pools)", Role: "Reader of agent pools"}, Proof: "sees-agent-pools",
		},
		{
			// Auditing is off until the organisation switches it on, and needs an
			// organisation that is connected to Entra ID.
			Name: "audit-log", About: "the organisation's audit log", Of: org, Doc: ref + "audit/audit-log/query",
			Host: collect.HostDevOpsAudit, Path: "/{name}/_apis/audit/auditlog",
			Query:      "startTime={from}&endTime={to}&batchSize=200&skipAggregation=true",
			APIVersion: "7.1-preview.1", Paging: collect.PageBodyToken, PageSize: 200, List: "decoratedAuditLogEntries",
			Entity: "devops/auditLogEntries", Types: []string{"devops/auditLogEntries"},
			Window: &collect.Window{Field: "timestamp", Keeps: 90 * 24 * time.Hour, Overlap: time.Hour},
			Needs:  collect.Need{Permission: "View audit log", Role: "Project Collection Administrators, or the permission alone"},
		},
		{
			Name: "audit-streams", About: "where the audit log is streamed to", Of: org, Doc: ref + "audit/streams/query-all-streams",
			Host: collect.HostDevOpsAudit, Path: "/{name}/_apis/audit/streams", APIVersion: "7.1-preview.1",
			Entity: "devops/auditStreams", Types: []string{"devops/auditStreams"}, Redact: []string{"consumerInputs.*"}, Proof: "sees-auditing",
			Needs: collect.Need{Permission: "Manage audit streams", Role: "Project Collection Administrators, or the permission alone (it can write)"},
		},
	}
}

// administrators tells the group that always has a member: the organisation
// has an owner, and the owner is in it.
// https://learn.microsoft.com/azure/devops/organizations/security/look-up-project-collection-administrators
func administrators(group *collect.Subject) bool {
	return strings.HasSuffix(at(group.Item, "principalName").Str(), `\Project Collection Administrators`)
}

func identityAsks() []collect.Ask {
	org := []string{azureOrganizations}
	graph := func(name, about, doc, path, entity string) collect.Ask {
		return collect.Ask{
			Name: name, About: about, Of: org, Doc: ref + doc, Host: collect.HostDevOpsGraph, Path: path,
			APIVersion: "7.1-preview.1", Paging: collect.PageContinuation, Identity: "descriptor",
			Entity: entity, Types: []string{entity}, Needs: validUser,
			// Members of Project-Scoped Users see less of the directory.
			Proof: "sees-projects",
		}
	}
	members := graph("group-memberships", "direct members of each group", "graph/memberships/list",
		"/{^name}/_apis/graph/Memberships/{descriptor}", "devops/groupMemberships")
	members.Of, members.Query, members.Paging, members.Identity = []string{"devops/groups"}, "direction=down", collect.PageOne, "memberDescriptor"
	members.NeverEmpty = administrators
	return []collect.Ask{
		graph("users", "users of the organisation", "graph/users/list", "/{name}/_apis/graph/users", "devops/users"),
		graph("service-principals", "applications and managed identities in the organisation", "graph/service-principals/list",
			"/{name}/_apis/graph/serviceprincipals", "devops/servicePrincipals"),
		graph("groups", "security groups of the organisation and its projects", "graph/groups/list", "/{name}/_apis/graph/groups", "devops/groups"),
		members,
		{
			Name: "user-entitlements", About: "licences and last access of users", Of: org,
			Doc:  ref + "memberentitlementmanagement/user-entitlements/search-user-entitlements",
			Host: collect.HostDevOpsEntitlements, Path: "/{name}/_apis/userentitlements",
			Paging: collect.PageBodyToken, PageSize: 100, List: "members",
			Entity: "devops/userEntitlements", Types: []string{"devops/userEntitlements"}, Needs: validUser, Proof: "sees-projects",
		},
	}
}
