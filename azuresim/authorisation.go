// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tickmark/tickmark"
)

// builtInRoles are roles that every tenant has, with their ids.
// https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
var builtInRoles = []RoleDefinition{
	{Name: "Owner", ID: "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", Description: "Grants full access to manage all resources, including the ability to assign roles in Azure RBAC.", Actions: []string{"*"}},
	{
		Name: "Contributor", ID: "b24988ac-6180-42a0-ab88-20f7382dd24c", Description: "Grants full access to manage all resources, but does not allow you to assign roles in Azure RBAC.", Actions: []string{"*"},
		NotActions: []string{"Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write", "Microsoft.Authorization/elevateAccess/Action"},
	},
	{Name: "Reader", ID: "acdd72a7-3385-48ef-bd42-f606fba81ae7", Description: "View all resources, but does not allow you to make any changes.", Actions: []string{"*/read"}},
	{Name: "User Access Administrator", ID: "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9", Description: "Lets you manage user access to Azure resources.", Actions: []string{"*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"}},
	{Name: "Role Based Access Control Administrator", ID: "f58310d9-a9f6-439a-9e8d-f62e7b41a168", Description: "Manage access to Azure resources by assigning roles.", Actions: []string{"Microsoft.Authorization/roleAssignments/write", "Microsoft.Authorization/roleAssignments/delete", "*/read"}},
	{Name: "Security Reader", ID: "39bc4728-0917-49c7-9d2c-d95423bc2eb4", Description: "Security Reader Role", Actions: []string{"Microsoft.Authorization/*/read", "Microsoft.Security/*/read"}},
	{Name: "Security Admin", ID: "fb1c8493-542b-48eb-b624-b4c8fea62acd", Description: "Security Admin Role", Actions: []string{"Microsoft.Security/*", "Microsoft.Authorization/*/read"}},
	{Name: "Monitoring Reader", ID: "43d0d8ad-25c7-4714-9337-8ba259a9fe05", Description: "Can read all monitoring data.", Actions: []string{"*/read"}},
	{Name: "Log Analytics Reader", ID: "73c42c96-874c-492b-b04d-ab87d138a893", Description: "Log Analytics Reader can view and search all monitoring data.", Actions: []string{"*/read", "Microsoft.OperationalInsights/workspaces/search/action"}},
	{Name: "Key Vault Secrets User", ID: "4633458b-17de-408a-b874-0445c86b69e6", Description: "Read secret contents.", DataActions: []string{"Microsoft.KeyVault/vaults/secrets/getSecret/action"}},
	{Name: "Storage Blob Data Contributor", ID: "ba92f5b4-2d11-453d-a403-e96b0029c9fe", Description: "Allows for read, write and delete access to Azure Storage blob containers and data.", Actions: []string{"Microsoft.Storage/storageAccounts/blobServices/containers/read"}},
}

const (
	definitionType = "Microsoft.Authorization/roleDefinitions"
	assignmentType = "Microsoft.Authorization/roleAssignments"
)

// authorisation makes resources of the roles and their assignments.
func (s *Sim) authorisation() ([]Resource, error) {
	var out []Resource
	for _, d := range builtInRoles {
		out = append(out, s.roleResource(d, "BuiltInRole", []string{"/"}))
	}
	custom := map[string]string{}
	for i, d := range s.org.RoleDefinitions {
		d.ID = first(d.ID, s.guid("role", d.Name, fmt.Sprint(i)))
		scopes := d.Scopes
		if len(scopes) == 0 {
			scopes = []string{managementGroupID(s.org.Tenant.ID)}
		}
		for j := range scopes {
			scopes[j] = s.resolveScope(scopes[j])
		}
		custom[strings.ToLower(d.Name)] = d.ID
		out = append(out, s.roleResource(d, "CustomRole", scopes))
	}
	for i := range s.org.RoleAssignments {
		r, err := s.assignmentResource(&s.org.RoleAssignments[i], custom)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// marshal returns the JSON of maps, lists and texts, which always have a form.
func marshal(v any) []byte {
	b, _ := json.Marshal(v)
	return b
}

// record makes a Record of a value that can be marshalled; braces in it stand
// for themselves.
func record(v any) *Record {
	return &Record{text: []byte(escapeBraces(string(marshal(v))))}
}

// escapeBraces doubles the braces inside the strings of JSON text.
func escapeBraces(text string) string {
	var b strings.Builder
	in := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case in && c == '\\' && i+1 < len(text):
			b.WriteByte(c)
			i++
			c = text[i]
		case c == '"':
			in = !in
		case in && c == '{':
			b.WriteByte('{')
		}
		b.WriteByte(c)
	}
	return b.String()
}

func list(ss []string) []string {
	if ss == nil {
		return []string{}
	}
	return ss
}

func (s *Sim) roleResource(d RoleDefinition, kind string, scopes []string) Resource {
	created := s.epoch.AddDate(-3, 0, 0).Format("2006-01-02T15:04:05.0000000Z")
	return Resource{Type: definitionType, Name: d.ID, At: "tenant", Properties: record(map[string]any{
		"roleName": d.Name, "type": kind, "description": d.Description, "assignableScopes": scopes,
		"permissions": []any{map[string]any{"actions": list(d.Actions), "notActions": list(d.NotActions), "dataActions": list(d.DataActions), "notDataActions": []string{}}},
		"createdOn":   created, "updatedOn": created, "createdBy": nil, "updatedBy": nil,
	})}
}

func (s *Sim) assignmentResource(a *RoleAssignment, custom map[string]string) (Resource, error) {
	bad := func(what string) error {
		return &tickmark.Error{Code: tickmark.CodeInput, What: what, Where: "roleAssignments: " + a.Role + " to " + a.Principal}
	}
	id := custom[strings.ToLower(a.Role)]
	for _, d := range builtInRoles {
		if strings.EqualFold(d.Name, a.Role) {
			id = d.ID
		}
	}
	if id == "" {
		return Resource{}, bad(fmt.Sprintf("there is no role %q", a.Role))
	}
	p, ok := s.principals[strings.ToLower(a.Principal)]
	if !ok {
		return Resource{}, bad("there is no such principal")
	}
	scope := s.resolveScope(first(a.Scope, "/"))
	if !strings.HasPrefix(scope, "/") {
		return Resource{}, bad(fmt.Sprintf("the scope %q is neither /, managementGroup/NAME, subscription/NAME nor an id", a.Scope))
	}
	created := s.at(a.Created)
	if created.IsZero() {
		created = s.epoch.AddDate(0, -8, 0)
	}
	stamp := created.Format("2006-01-02T15:04:05.0000000Z")
	at := scope
	if scope == "/" {
		at = "tenant"
	}
	definition := "/providers/" + definitionType + "/" + id
	if sub := subscriptionOf(scope); sub != "" {
		definition = "/subscriptions/" + sub + definition
	}
	return Resource{Type: assignmentType, Name: s.guid("assignment", a.Principal, a.Role, scope), At: at, Appears: a.Created, By: a.By, Properties: record(map[string]any{
		"roleDefinitionId": definition, "principalId": p.ID, "principalType": p.Kind, "scope": scope, "condition": nil, "conditionVersion": nil,
		"createdOn": stamp, "updatedOn": stamp, "createdBy": s.principalID(a.By), "updatedBy": s.principalID(a.By), "delegatedManagedIdentityResourceId": nil, "description": nil,
	})}, nil
}
