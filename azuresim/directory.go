// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// directory is the organisation's people and principals, expanded.
type directory struct {
	people     []person
	principals map[string]principal // by name, user principal name, object id, client id; lower case
	plans      map[string]bool      // of the enabled licences, lower case
}

// person is one user; Person's Count is expanded.
type person struct {
	*Person
	ID, Name, UPN string
	N             int // counted from 1 within its entry
}

// principal is something that can hold a role.
type principal struct {
	ID, Kind, Name string // Kind is User, Group, ServicePrincipal
}

func (s *Sim) prepareDirectory(ctx context.Context) error {
	o := s.org
	s.principals, s.plans = map[string]principal{}, map[string]bool{}
	add := func(path string, p principal, names ...string) error {
		if p.Name == "" {
			return o.refuse(path, "what is in "+parentPath(path)+" needs a name", "")
		}
		for _, n := range append(names, p.ID) {
			if n == "" {
				continue
			}
			n = strings.ToLower(n)
			if old, ok := s.principals[n]; ok && old != p {
				return o.refuse(path, fmt.Sprintf("two principals are called %q", n), "give one of them another name, upn or id")
			}
			s.principals[n] = p
		}
		return nil
	}
	for i := range o.People {
		for n := 1; n <= max(o.People[i].Count, 1); n++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			p := s.newPerson(&o.People[i], n)
			s.people = append(s.people, p)
			if err := add(at("people", i), principal{p.ID, "User", p.Name}, p.UPN, p.Name); err != nil {
				return err
			}
		}
	}
	for i := range o.Groups {
		g := &o.Groups[i]
		g.ID = first(g.ID, s.guid("group", g.Name))
		if err := add(at("groups", i), principal{g.ID, "Group", g.Name}, g.Name); err != nil {
			return err
		}
	}
	for i := range o.Applications {
		a := &o.Applications[i]
		a.ID, a.ClientID = first(a.ID, s.guid("application", a.Name)), first(a.ClientID, s.guid("client", a.Name))
		a.ObjectID = first(a.ObjectID, s.guid("principal", a.Name))
		if err := add(at("applications", i), principal{a.ObjectID, "ServicePrincipal", a.Name}, a.Name, a.ClientID); err != nil {
			return err
		}
	}
	for i := range o.Identities {
		d := &o.Identities[i]
		d.ClientID, d.ObjectID = first(d.ClientID, s.guid("client", d.Name)), first(d.ObjectID, s.guid("principal", d.Name))
		if err := add(at("identities", i), principal{d.ObjectID, "ServicePrincipal", d.Name}, d.Name, d.ClientID); err != nil {
			return err
		}
	}
	for _, l := range o.Licences {
		if l.State == "" || strings.EqualFold(l.State, "Enabled") {
			for _, p := range l.Plans {
				s.plans[strings.ToLower(p)] = true
			}
		}
	}
	return nil
}

func (s *Sim) newPerson(p *Person, n int) person {
	v := &vars{n: n, name: p.Name}
	out := person{Person: p, N: n, Name: s.expandText(p.Name, v), UPN: s.expandText(p.UPN, v), ID: p.ID}
	if p.Count > 1 && !strings.Contains(p.Name, "{n") {
		out.Name += " " + strconv.Itoa(n)
	}
	if out.UPN == "" || p.Count > 1 && !strings.Contains(p.UPN, "{n") {
		out.UPN = strings.ToLower(strings.ReplaceAll(out.Name, " ", ".")) + "@" + s.domain()
	}
	if out.ID == "" || p.Count > 1 {
		out.ID = s.guid("user", out.UPN)
	}
	return out
}

// principalID returns the object id of who has the name; empty if nobody has.
func (s *Sim) principalID(name string) string { return s.principals[strings.ToLower(name)].ID }

// licensed reports whether the tenant has one of the service plans.
func (s *Sim) licensed(plans ...string) bool {
	for _, p := range plans {
		if s.plans[strings.ToLower(p)] {
			return true
		}
	}
	return false
}

// rendered fills the placeholders of records; {n} counts from 1.
func (s *Sim) rendered(rs []Record) [][]byte {
	out := make([][]byte, len(rs))
	for i := range rs {
		out[i] = s.render(&rs[i], &vars{n: i + 1, name: "record"})
	}
	return out
}

// bucket is a token bucket on the simulated clock.
type bucket struct {
	left float64
	at   time.Time
}

// spend takes one from a bucket that holds capacity and refills at rate per
// second, and reports what is left, or how long to wait when nothing is. With
// quotas off there is always enough.
func (s *Sim) spend(name string, capacity, rate float64) (left int, wait time.Duration) {
	if !s.opts.Quotas {
		return int(capacity), 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Now()
	b := s.buckets[name]
	if b == nil {
		b = &bucket{left: capacity, at: now}
		s.buckets[name] = b
	}
	b.left = min(capacity, b.left+now.Sub(b.at).Seconds()*rate)
	b.at = now
	if b.left < 1 {
		return 0, time.Duration((1 - b.left) / rate * float64(time.Second))
	}
	b.left--
	return int(b.left), 0
}

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
	{
		Name: "Storage Blob Data Reader", ID: "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", Description: "Allows for read access to Azure Storage blob containers and data.",
		Actions:     []string{containersRead, "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action"},
		DataActions: []string{blobsRead},
	},
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
	assignments := slices.Clone(s.org.RoleAssignments)
	paths := make([]string, len(assignments))
	for i := range paths {
		paths[i] = at("roleAssignments", i)
	}
	for i := range s.org.Identities {
		for k, a := range s.org.Identities[i].Access {
			paths = append(paths, at(at("identities", i)+".access", k))
			assignments = append(assignments, RoleAssignment{Principal: s.org.Identities[i].Name, Role: a.Role, Scope: a.at(s.org.Tenant.ID)})
		}
	}
	for i := range assignments {
		r, err := s.assignmentResource(paths[i], &assignments[i], custom)
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

func (s *Sim) assignmentResource(path string, a *RoleAssignment, custom map[string]string) (Resource, error) {
	bad := func(what string) error { return s.org.refuse(path, what, "") }
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
		return Resource{}, bad(fmt.Sprintf("there is no person, group, application or identity called %q", a.Principal))
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
