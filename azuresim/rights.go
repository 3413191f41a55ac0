// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What services say of the rights of whoever asks: security namespaces of Azure
// DevOps, the permissions of a GitHub App, roles and applications of Power
// Platform.

// adoNamespace is a security namespace. The bits follow the order of the actions
// in the reference; those that collectors use are known, the others unverified.
// https://learn.microsoft.com/azure/devops/organizations/security/namespace-reference
type adoNamespace struct {
	id, name, root, project string
	actions                 []string
	reads                   int64 // what everybody has who is shown the object
}

var adoNamespaces = []adoNamespace{
	{
		"2e9eb7ed-3c0a-47d4-87c1-0ffdd275fd87", "Git Repositories", "repoV2/", "repoV2/{id}",
		[]string{
			"Administer", "GenericRead", "GenericContribute", "ForcePush", "CreateBranch", "CreateTag", "ManageNote", "PolicyExempt", "CreateRepository", "DeleteRepository",
			"RenameRepository", "EditPolicies", "RemoveOthersLocks", "ManagePermissions", "PullRequestContribute", "PullRequestBypassPolicy",
		},
		2,
	},
	{
		"52d39943-cb85-4d7f-8fa8-c6baac873819", "Project", "$PROJECT", "$PROJECT:vstfs:///Classification/TeamProject/{id}",
		[]string{
			"GENERIC_READ", "GENERIC_WRITE", "DELETE", "PUBLISH_TEST_RESULTS", "ADMINISTER_BUILD", "START_BUILD", "EDIT_BUILD_STATUS", "UPDATE_BUILD", "DELETE_TEST_RESULTS", "VIEW_TEST_RESULTS",
		},
		1 | 512,
	},
	{
		"3e65f728-f8bc-4ecd-8764-7e378b19bfa7", "Collection", "NAMESPACE:", "",
		[]string{"GENERIC_READ", "GENERIC_WRITE", "CREATE_PROJECTS", "TRIGGER_EVENT", "MANAGE_TEMPLATE", "DIAGNOSTIC_TRACE", "SYNCHRONIZE_READ"},
		1,
	},
	{"a6cc6381-a1ca-4b36-b3c1-4e65211e82b6", "AuditLog", "/AllPermissions", "", []string{"Read", "Write", "Manage_Streams", "Delete_Streams"}, 1},
	{"5a27515b-ccd7-42c9-84f1-54c998f03866", "Identity", "$", "{id}", []string{"Read", "Write", "Delete", "ManageMembership", "CreateScope", "RestoreScope"}, 1},
	{
		"33344d9c-fc72-4d6f-aba5-fa317101a7e9", "Build", "$", "{id}",
		[]string{
			"ViewBuilds", "EditBuildQuality", "RetainIndefinitely", "DeleteBuilds", "ManageBuildQualities", "DestroyBuilds", "UpdateBuildInformation", "QueueBuilds", "ManageBuildQueue",
			"StopBuilds", "ViewBuildDefinition", "EditBuildDefinition", "DeleteBuildDefinition", "OverrideBuildCheckInValidation", "AdministerBuildPermissions",
		},
		1 | 1024,
	},
	{
		"c788c23e-1b46-4162-8f5e-d7585343b5de", "ReleaseManagement", "$", "{id}",
		[]string{
			"ViewReleaseDefinition", "EditReleaseDefinition", "DeleteReleaseDefinition", "ManageReleaseApprovers", "ManageReleases", "ViewReleases", "CreateReleases",
			"EditReleaseEnvironment", "DeleteReleaseEnvironment", "AdministerReleasePermissions", "DeleteReleases", "ManageDeployments", "ManageReleaseSettings",
		},
		1 | 32,
	},
	{"83d4c2e6-e57d-4d6e-892b-b87222b7ad20", "Environment", "Environments", "Environments/{id}", []string{"View", "Manage", "ManageHistory", "Administer", "Use", "Create"}, 1},
	{"49b48001-ca20-4adc-8111-5b60c903a50c", "ServiceEndpoints", "endpoints", "endpoints/{id}", []string{"Use", "Administer", "Create", "ViewAuthorization", "ViewEndpoint"}, 16},
	{"b7e84409-6553-448a-bbb2-af228e07cbeb", "Library", "Library", "Library/{id}", []string{"View", "Administer", "Create", "ViewSecrets", "Use", "Owner"}, 1},
	{"101eae8c-1709-47f9-b228-0e476c35b3ba", "DistributedTask", "AgentPools", "", []string{"View", "Manage", "Listen", "AdministerPermissions", "Use", "Create"}, 1},
}

func namespaceOf(id string) *adoNamespace {
	for i := range adoNamespaces {
		if n := &adoNamespaces[i]; strings.EqualFold(n.id, id) {
			return n
		}
	}
	return nil
}

// bit is that of an action; 0 if there is none of the name.
func (n *adoNamespace) bit(action string) int64 {
	for i, a := range n.actions {
		if strings.EqualFold(a, action) {
			return 1 << i
		}
	}
	return 0
}

func (c *adoCall) namespaces() {
	var out []any
	for _, n := range adoNamespaces {
		actions := []any{}
		for i, a := range n.actions {
			actions = append(actions, obj{"bit": 1 << i, "name": a, "displayName": a, "namespaceId": n.id})
		}
		write := int64(1) << (len(n.actions) - 1)
		if n.name == "Git Repositories" {
			write = n.bit("ManagePermissions")
		}
		out = append(out, obj{"namespaceId": n.id, "name": n.name, "readPermission": n.reads & -n.reads, "writePermission": write, "actions": actions})
	}
	c.list(out, "")
}

// grants are what the caller may do in a namespace beyond reading, by token.
func (c *adoCall) grants(n *adoNamespace) map[string]int64 {
	id := (*Identity)(nil)
	if t := callOf(c.r).client; t != nil {
		id = t.identity
	}
	if id == nil {
		return nil
	}
	out := map[string]int64{}
	for _, g := range id.DevOps {
		if !strings.EqualFold(g.Namespace, n.name) {
			continue
		}
		token := first(g.At, n.root)
		name, repo, _ := strings.Cut(g.At, "/")
		if p := c.org.find(name); p != nil && n.project != "" {
			token = strings.ReplaceAll(n.project, "{id}", p.id)
			for _, r := range p.repos {
				if strings.EqualFold(r.Name, repo) {
					token += "/" + r.id
				}
			}
		}
		for _, a := range g.Allow {
			out[token] |= n.bit(a)
		}
	}
	return out
}

// evaluated says whether the caller has all of the bits at a token: to read what
// it is shown, and else what it was granted there or above.
func (c *adoCall) evaluated(namespace, token string, bits int64) bool {
	n := namespaceOf(namespace)
	if n == nil || bits == 0 {
		return c.allowed(namespace, token)
	}
	if bits&n.reads != 0 && !c.allowed(namespace, token) {
		return false
	}
	for at, allow := range c.grants(n) {
		if strings.EqualFold(at, n.root) || strings.HasPrefix(strings.ToLower(token), strings.ToLower(at)) {
			bits &^= allow
		}
	}
	return bits&^n.reads == 0
}

// accessControl lists who may do what: in repositories, who is allowed to
// bypass has the bits 128 and 32768.
func (c *adoCall) accessControl() {
	n := namespaceOf(c.args[0])
	if n == nil {
		c.missing("InvalidSecurityNamespaceException", "The security namespace "+c.args[0]+" does not exist.")
		return
	}
	var out []any
	entry := func(token, domain string, allow map[string]int64) {
		aces := obj{}
		for name, bits := range allow {
			d := "Microsoft.TeamFoundation.Identity;S-1-9-" + c.s.sha("sid", domain, name)[:20]
			aces[d] = obj{"descriptor": d, "allow": bits, "deny": 0, "extendedInfo": obj{"effectiveAllow": bits}}
		}
		out = append(out, obj{"inheritPermissions": true, "token": token, "includeExtendedInfo": true, "acesDictionary": aces})
	}
	git := n.name == "Git Repositories"
	all := int64(1)<<len(n.actions) - 1
	if !git {
		entry(n.root, c.org.Name, map[string]int64{"Project Collection Administrators": all, "Project Collection Valid Users": n.reads})
	}
	for _, p := range c.org.projects {
		for _, r := range p.repos {
			if git {
				allow := map[string]int64{"Contributors": 2 | 4 | 16384}
				for _, who := range r.Protection.BypassAllowed {
					allow[who] = 2 | 4 | 128 | 32768
				}
				entry("repoV2/"+p.id+"/"+r.id, p.Name, allow)
			}
		}
		if !git && n.project != "" {
			entry(strings.ReplaceAll(n.project, "{id}", p.id), p.Name, map[string]int64{p.Name + " Administrators": all, p.Name + " Readers": n.reads})
		}
	}
	granted := c.grants(n)
	for _, token := range slices.Sorted(maps.Keys(granted)) {
		entry(token, c.org.Name, map[string]int64{"the caller": granted[token]})
	}
	c.list(out, "")
}

// permissions are those of the App that is installed on the organisation.
func (h *hub) permissions() map[string]string {
	if len(h.App.Permissions) > 0 {
		return h.App.Permissions
	}
	return map[string]string{"metadata": "read", "members": "read", "administration": "read", "contents": "read", "pull_requests": "read", "actions": "read"}
}

const appClient = "GitHub App "

// states lists the scopes of a classic token in the answer; those of an App and
// fine-grained ones have none.
func (c *hubCall) states(t *bearer) {
	for i := range c.s.org.GitHub {
		if o := &c.s.org.GitHub[i]; o.TokenScopes != nil && !strings.HasPrefix(t.client, appClient) {
			c.w.Header().Set("X-OAuth-Scopes", strings.Join(o.TokenScopes, ", "))
			return
		}
	}
}

// installationToken gives an App the token of one of its installations. The
// App's own token is read, and its signature not verified.
// https://docs.github.com/rest/apps/apps#create-an-installation-access-token-for-an-app
func (c *hubCall) installationToken() {
	seg := strings.Split(strings.Trim(c.r.URL.Path, "/"), "/")
	if len(seg) != 4 || seg[3] != "access_tokens" {
		c.missing("Not Found")
		return
	}
	_, assertion, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	var claims struct {
		Issuer any   `json:"iss"`
		Exp    int64 `json:"exp"`
	}
	parts := strings.Split(assertion, ".")
	if len(parts) == 3 {
		if b, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			_ = json.Unmarshal(b, &claims) // what cannot be read is refused below
		}
	}
	if claims.Issuer == nil || time.Unix(claims.Exp, 0).Before(c.s.Now()) {
		c.s.fail(c.w, c.r, http.StatusUnauthorized, "401", "A JSON web token could not be decoded")
		return
	}
	for i := range c.s.org.GitHub {
		o := &c.s.org.GitHub[i]
		app, installation := first(o.App.ID, "42"), first(o.App.Installation, strconv.Itoa(4711+i))
		if installation != seg[2] {
			continue
		}
		if claims.Issuer != app {
			break
		}
		value, expires := c.s.mint("https://api.github.com", appClient+app, lifetime)
		h := &hub{GitHubOrganisation: o}
		c.s.writeJSON(c.w, c.r, http.StatusCreated, obj{"token": value, "expires_at": iso(expires), "permissions": h.permissions(), "repository_selection": "all"})
		return
	}
	c.missing("Integration not found")
}

// powerOf is what the caller is to Power Platform.
func powerOf(r *http.Request) PowerGrant {
	if t := callOf(r).client; t != nil && t.identity != nil {
		return t.identity.Power
	}
	return PowerGrant{}
}

// callerID is the object id and the client id of who asks.
func (s *Sim) callerID(r *http.Request) (object, client string) {
	t := callOf(r).client
	switch {
	case t == nil:
		return "", ""
	case t.identity != nil:
		return t.identity.ObjectID, t.client
	}
	return s.guid("principal", t.client), t.client
}

// managementApplications are those that an administrator registered.
// https://learn.microsoft.com/power-platform/admin/powerplatform-api-create-service-principal
func (s *Sim) managementApplications(w http.ResponseWriter, r *http.Request) {
	out := []any{obj{"applicationId": s.guid("management application")}}
	if _, client := s.callerID(r); powerOf(r).Management {
		out = append(out, obj{"applicationId": client})
	}
	s.powerList(w, r, out, "nextLink")
}

// powerRoleIDs are the built-in roles.
// https://learn.microsoft.com/power-platform/admin/programmability-tutorial-rbac-role-assignment
var powerRoleIDs = map[string]string{
	"owner": "0cb07c69-1631-4725-ab35-e59e001c51ea", "contributor": "ff954d61-a89a-4fbe-ace9-01c367b89f87",
	"reader": "c886ad2e-27f7-4874-8381-5849b8d8a090", "administrator": "95e94555-018c-447b-8691-bdac8e12211e",
}

func (s *Sim) powerRoleAssignments(w http.ResponseWriter, r *http.Request) {
	role := func(principal, kind, name string) obj {
		return obj{
			"roleAssignmentId": s.guid("power role", principal, name), "principalObjectId": principal, "principalType": kind,
			"roleDefinitionId": powerRoleIDs[name], "scope": "/tenants/" + s.org.Tenant.ID, "createdOn": stamp(s.epoch),
		}
	}
	out := []any{role(s.guid("power owner"), "User", "owner")}
	if object, _ := s.callerID(r); powerRoleIDs[first(powerOf(r).Role, "reader")] != "" {
		out = append(out, role(object, "ApplicationUser", first(powerOf(r).Role, "reader")))
	}
	s.powerList(w, r, out, "nextLink")
}

// environmentRoles are those in an environment without Dataverse; with one it is
// Dataverse that has them.
func (s *Sim) environmentRoles(w http.ResponseWriter, r *http.Request, name string) {
	for i := range s.org.Power.Environments {
		e := &s.org.Power.Environments[i]
		switch {
		case !strings.EqualFold(s.environmentName(e), name):
			continue
		case e.Dataverse:
			s.fail(w, r, http.StatusForbidden, "LinkedEnvironmentForbiddenOperation", "The operation is not allowed for an environment that is linked to Dataverse.")
			return
		}
		out := []any{}
		if object, _ := s.callerID(r); powerOf(r).Maker {
			out = append(out, obj{"name": s.guid("maker", name), "properties": obj{
				"principal": obj{"id": object, "type": "ServicePrincipal"}, "roleDefinition": obj{"name": "EnvironmentMaker"},
			}})
		}
		s.powerList(w, r, out, "nextLink")
		return
	}
	s.fail(w, r, http.StatusNotFound, "EnvironmentNotFound", "The environment was not found.")
}
