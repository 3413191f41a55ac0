// SPDX-License-Identifier: Apache-2.0

package arm

// The roles that the asks name (collect.Need.Role).
const (
	roleReader         = "Reader"
	roleSecurityReader = "Security Reader"
	roleGroupReader    = "Management Group Reader"
	roleLogReader      = "Log Analytics Data Reader"
	roleBlobReader     = "Storage Blob Data Reader"
	rolePolicyStates   = "tickmark policy state reader"
)

// Where roles are given: words of Role.Scope and collect.Need.Scope. What begins
// with a slash is the scope itself.
const (
	// ScopeRoot is the tenant's root management group, and where no scope is
	// named.
	ScopeRoot = "root"
	// ScopeWorkspace is each Log Analytics workspace that keeps logs.
	ScopeWorkspace = "workspace"
	// ScopeArchive is each storage account that logs are exported to.
	ScopeArchive = "archive"

	// Two scopes of the tenant are below no management group.
	scopeEntraLogs = "/providers/Microsoft.aadiam"
	scopeInsights  = "/providers/Microsoft.Insights"
)

// Role is a role that the identity needs, where, and what for.
type Role struct {
	// Name is the role's name; ID the GUID of its definition, empty for a role
	// that the organisation makes itself from Actions.
	Name, ID string
	// Actions are those of a role that is not built in.
	Actions []string
	// Scope is where it is assigned.
	Scope string
	// Instead says that it stands in for Reader at the root group, for those who
	// will not give that; Spare that Reader has what it gives, in general. All
	// others together are what every question needs.
	Instead, Spare bool
	// Why says what it is for and what stays unknown without it.
	Why string
}

// Roles is the least that reads everything the asks ask for. None of these
// roles can write. One assignment of Reader at the root group covers every ask
// that names a narrower role, too (it has the action */read), but for what lies
// at scopes of its own; the narrower roles are for those who will not give it.
//
// GUIDs: docs + role-based-access-control/built-in-roles.
func Roles() []Role {
	reader := Role{Name: roleReader, ID: "acdd72a7-3385-48ef-bd42-f606fba81ae7"}
	at := func(scope, why string) Role {
		r := reader
		r.Scope, r.Why = scope, why
		return r
	}
	return []Role{
		at(ScopeRoot, "reads every resource, assignment and setting of all subscriptions; without it a scope is unknown"),
		at(scopeEntraLogs, "reads where the logs of Entra ID are exported to, which the root group does not cover; without it that is unknown, and the archives of these logs are not found. To assign it takes elevated access"),
		at(scopeInsights, "reads the tenant's own activity log, which the root group does not cover; without it changes at the tenant are unknown, such as who elevated access. To assign it takes elevated access"),
		{
			Name: rolePolicyStates, Scope: ScopeRoot,
			Actions: []string{"Microsoft.PolicyInsights/policyStates/summarize/read", "Microsoft.PolicyInsights/policyStates/summarize/action"},
			Why:     "puts the query for the sums of policy states, a POST that changes nothing and that Reader may be refused; without it the states that were read have no second source",
		},
		{
			Name: roleBlobReader, ID: "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", Scope: ScopeArchive,
			Why: "reads the logs that storage accounts keep, in these accounts only: Reader has no access to what is in them; without it what is older than the source keeps is unknown",
		},
		{
			Name: roleLogReader, ID: "3b03c2da-16b3-4a49-8834-0f8130efdd3b", Scope: ScopeWorkspace, Spare: true,
			Why: "reads the logs that workspaces keep, where Reader is not given or the workspace demands a data role; without it what is older than the source keeps is unknown",
		},
		{
			Name: roleGroupReader, ID: "ac63b705-f282-497d-ac71-919bf39d939d", Scope: ScopeRoot, Instead: true,
			Why: "instead of Reader at the root group: reads management groups, without which inherited policies and roles are unknown",
		},
		{
			Name: roleSecurityReader, ID: "39bc4728-0917-49c7-9d2c-d95423bc2eb4", Scope: ScopeRoot, Instead: true,
			Why: "instead of Reader at the root group: reads Defender for Cloud",
		},
	}
}
