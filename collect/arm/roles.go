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

// Role is a role that the identity needs, where, and what for.
type Role struct {
	// Name is the role's name; ID the GUID of its definition, empty for a role
	// that the organisation makes itself from Actions.
	Name, ID string
	// Actions are those of a role that is not built in.
	Actions []string
	// Scope is where it is assigned: "root" is the tenant's root management
	// group, "workspace" each Log Analytics workspace that keeps logs,
	// "archive" each storage account that does.
	Scope string
	// Required is false where only a part of the source needs the role.
	Required bool
	// Why says what it is for and what stays unknown without it.
	Why string
}

// Roles is the least that reads everything the asks ask for. None of these
// roles can write. One assignment of Reader at the root group covers every ask
// that names a narrower role, too (it has the action */read); the narrower
// roles are for those who will not give it.
//
// GUIDs: docs + role-based-access-control/built-in-roles.
func Roles() []Role {
	return []Role{
		{
			Name: roleReader, ID: "acdd72a7-3385-48ef-bd42-f606fba81ae7", Scope: "root", Required: true,
			Why: "reads every resource, assignment and setting of all subscriptions; without it a scope is unknown",
		},
		{
			Name: rolePolicyStates, Scope: "root",
			Actions: []string{"Microsoft.PolicyInsights/policyStates/summarize/read", "Microsoft.PolicyInsights/policyStates/summarize/action"},
			Why:     "puts the query for the sums of policy states, a POST that changes nothing and that Reader may be refused; without it the states that were read have no second source",
		},
		{
			Name: roleLogReader, ID: "3b03c2da-16b3-4a49-8834-0f8130efdd3b", Scope: "workspace",
			Why: "reads the logs that workspaces keep, where Reader is not given or the workspace demands a data role; without it what is older than the source keeps is unknown",
		},
		{
			Name: roleBlobReader, ID: "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", Scope: "archive",
			Why: "reads the logs that storage accounts keep, in these accounts only: Reader has no access to what is in them; without it what is older than the source keeps is unknown",
		},
		{
			Name: roleGroupReader, ID: "ac63b705-f282-497d-ac71-919bf39d939d", Scope: "root",
			Why: "instead of Reader at the root group: reads management groups, without which inherited policies and roles are unknown",
		},
		{
			Name: roleSecurityReader, ID: "39bc4728-0917-49c7-9d2c-d95423bc2eb4", Scope: "root",
			Why: "instead of Reader at the root group: reads Defender for Cloud",
		},
	}
}
