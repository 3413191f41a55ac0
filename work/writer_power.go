// SPDX-License-Identifier: Apache-2.0

package work

import (
	"context"
	"fmt"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/collect"
)

// powerRoles are the built-in roles of Power Platform's own access control.
// Only the first reads only.
// https://learn.microsoft.com/power-platform/admin/programmability-tutorial-rbac-role-assignment
var powerRoles = map[string]string{
	powerReader:                            "Power Platform reader",
	"0cb07c69-1631-4725-ab35-e59e001c51ea": "Power Platform owner",
	"ff954d61-a89a-4fbe-ace9-01c367b89f87": "Power Platform contributor",
	"95e94555-018c-447b-8691-bdac8e12211e": "Power Platform role-based access control administrator",
}

const powerReader = "c886ad2e-27f7-4874-8381-5849b8d8a090"

const (
	powerEnvironments = "power/environments"
	powerCallers      = "power/dataverseCallers"
)

// powerSource asks what the identity is to Power Platform: whether it is an
// application that was registered for management, which roles were given to
// whom, who has roles in each environment without Dataverse, and which
// privileges it has in each one with.
// https://learn.microsoft.com/power-platform/admin/powerplatform-api-create-service-principal
// https://learn.microsoft.com/rest/api/power-platform/authorization/role-based-access-control/list-role-assignments
// https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/retrieveuserprivileges
// The list of an environment's roles is that of Microsoft's PowerShell module
// (Get-AdminPowerAppEnvironmentRoleAssignment); its form is unverified.
func powerSource() collect.Source {
	list := func(name, about string, host collect.Host, path, version string) collect.Ask {
		return collect.Ask{
			Name: name, About: about, Host: host, Path: path, APIVersion: version, Form: "graphCollection",
			Paging: collect.PageNextLink, Entity: "power/" + name, Identity: "name", Pace: collect.PacePower,
		}
	}
	one := func(name, about, of, path string) collect.Ask {
		return collect.Ask{
			Name: name, About: about, Of: []string{of}, Host: collect.HostDataverse, Path: path,
			Form: "graphEntity", Entity: "power/" + name, Identity: "#", Pace: collect.PacePower,
		}
	}
	const administration = "/providers/Microsoft.BusinessAppPlatform"
	environments := list("environments", "environments that the identity sees", collect.HostPower, administration+"/scopes/admin/environments", "2023-06-01")
	applications := list("management-applications", "applications registered for management", collect.HostPower, administration+"/adminApplications", "2020-10-01")
	applications.Identity = "applicationId"
	roles := list("role-assignments", "roles of Power Platform", collect.HostPowerAPI, "/authorization/roleAssignments", "2024-10-01")
	roles.Identity = "roleAssignmentId"
	makers := list("environment-roles", "who has a role in an environment without Dataverse", collect.HostPower,
		administration+"/scopes/admin/environments/{name}/roleAssignments", "2016-11-01")
	makers.Of, makers.Where = []string{powerEnvironments}, func(s *collect.Subject) bool { return !dataverseIn(s) }
	callers := one("dataverse-callers", "who asks, as each Dataverse knows the identity", powerEnvironments, "{properties.linkedEnvironmentMetadata.instanceApiUrl}/api/data/v9.2/WhoAmI")
	callers.Entity, callers.Identity, callers.Where = powerCallers, "UserId", dataverseIn
	privileges := one("dataverse-privileges", "what the identity may do in each Dataverse", powerCallers,
		"{^properties.linkedEnvironmentMetadata.instanceApiUrl}/api/data/v9.2/systemusers({UserId})/Microsoft.Dynamics.CRM.RetrieveUserPrivileges")
	return collect.Source{Name: "power", Title: "Power Platform", Asks: []collect.Ask{environments, applications, roles, makers, callers, privileges}, Scope: func(s *collect.Subject) string {
		for ; s != nil; s = s.Of {
			if s.Type == powerEnvironments {
				return s.Name
			}
		}
		return ""
	}}
}

// dataverseIn keeps environments but those that say that they have no Dataverse.
func dataverseIn(s *collect.Subject) bool {
	return s.Item.Get("properties").Get("databaseType").Str() != "None"
}

// powerWriter says what the identity can change in Power Platform and the
// Dataverse of each environment. An application that was registered for
// management has the rights of an administrator, which cannot be limited.
func powerWriter(ctx context.Context, o collect.Options) (why, shown string, err error) {
	var c claims
	for _, host := range []collect.Host{collect.HostPowerAPI, collect.HostPower} {
		if c, why = whoAsks(ctx, o, host); why == "" {
			why = powerToken(&c)
		}
		if why != "" {
			return why, "", nil
		}
	}
	o.Scopes = nil
	err = askAccess(ctx, powerSource(), o, func(s *tickmark.Snapshot) { why, shown = powerJudge(s, &c) })
	return why, shown, err
}

// powerToken reads what the token itself says. A permission of an application
// is named namespace, resource and action.
// https://learn.microsoft.com/power-platform/admin/environments-overview
// https://learn.microsoft.com/power-platform/admin/programmability-permission-reference
func powerToken(c *claims) string {
	if c.Kind != "app" && c.Scope != "" {
		return "it is a person, and every user of a tenant is a maker in its default environment"
	}
	for _, r := range c.Roles {
		if !strings.HasSuffix(r, ".Read") {
			return "the permission " + r
		}
	}
	for _, w := range c.Wids {
		if _, reads := readingRoles[strings.ToLower(w)]; !reads {
			return "the directory role " + w
		}
	}
	return ""
}

// powerFound is what the answers say of the identity.
type powerFound struct {
	claims     *claims
	can        []string
	unreadable string
	// environments by name, those of which a right was answered, and how many
	// privileges were.
	environments map[string]string
	answered     map[string]bool
	privileges   int
	applications int // for management
	reader       bool
}

// powerJudge reads the answers. A right that is found is named, whatever else
// was refused.
func powerJudge(s *tickmark.Snapshot, c *claims) (why, shown string) {
	f := &powerFound{claims: c, environments: map[string]string{}, answered: map[string]bool{}}
	for _, first := range []bool{true, false} { // the names of environments are wanted for the rest
		for i := range s.Segments {
			for k := range s.Segments[i].Pages {
				p := &s.Segments[i].Pages[k]
				if (p.Ask == "environments") == first && !f.take(p, s.Segments[i].Scope) && f.unreadable == "" {
					f.unreadable = "what it may do cannot be read in the answer to " + p.Ask
				}
			}
		}
	}
	switch missing := unanswered(s); {
	case len(f.can) > 3:
		return fmt.Sprintf("%s, and %d more", strings.Join(f.can[:3], "; "), len(f.can)-3), ""
	case len(f.can) > 0:
		return strings.Join(f.can, "; "), ""
	case f.unreadable != "":
		return f.unreadable, ""
	case missing != "":
		return missing, ""
	case len(f.environments) == 0:
		return "it sees no environment, and what it may do elsewhere was not asked", ""
	case f.applications == 0:
		return "it is shown no management application, so whether it is one is not known", ""
	case !f.reader:
		return "it sees environments, and no role says by what", ""
	}
	for _, name := range sortedNames(f.environments) {
		if !f.answered[name] {
			return "what it may do in the environment " + f.environments[name] + " was not answered", ""
		}
	}
	return "", fmt.Sprintf("it is no management application, has the role Power Platform reader only, and all its %d privileges in the Dataverse of %d environments read", f.privileges, len(f.environments))
}

// take reads a page; false if it has another form.
func (f *powerFound) take(p *tickmark.Page, scope string) bool {
	good := true
	switch p.Ask {
	case "environments":
		type environment struct {
			Name       string `json:"name"`
			Properties struct {
				Display string `json:"displayName"`
				Kind    string `json:"databaseType"`
			} `json:"properties"`
		}
		return rowsOf(p, func(e environment) {
			f.environments[e.Name] = e.Properties.Display + " (" + e.Name + ")"
			if e.Properties.Kind == "None" {
				f.answered[e.Name] = true // refusals are found by unanswered
			}
		})
	case "management-applications":
		type application struct {
			ID string `json:"applicationId"`
		}
		f.applications += len(p.Items)
		return rowsOf(p, func(a application) {
			if good = good && a.ID != ""; strings.EqualFold(a.ID, f.claims.application()) {
				f.can = append(f.can, "it is registered as a management application, which has the rights of a Power Platform administrator")
			}
		}) && good && f.claims.application() != ""
	case "role-assignments":
		return rowsOf(p, f.role)
	case "environment-roles":
		return rowsOf(p, func(r environmentRole) { f.maker(r, scope) })
	case "dataverse-privileges":
		return f.privilegesIn(p, scope)
	}
	return true
}

type roleAssignment struct {
	Principal string `json:"principalObjectId"`
	Kind      string `json:"principalType"`
	Role      string `json:"roleDefinitionId"`
	Scope     string `json:"scope"`
}

// role takes a role of Power Platform's own access control. A group may hold
// the identity.
func (f *powerFound) role(r roleAssignment) {
	name := powerRoles[strings.ToLower(r.Role)]
	if name == "" {
		name = "role " + r.Role
	}
	reads := strings.EqualFold(r.Role, powerReader)
	switch {
	case strings.EqualFold(r.Principal, f.claims.Object) && reads:
		f.reader = true
	case strings.EqualFold(r.Principal, f.claims.Object):
		f.can = append(f.can, name+" at "+r.Scope)
	case reads, strings.EqualFold(r.Kind, "User"), strings.EqualFold(r.Kind, "ApplicationUser"):
	default:
		f.can = append(f.can, fmt.Sprintf("%s at %s, if it is in the group %s", name, r.Scope, r.Principal))
	}
}

type environmentRole struct {
	Properties struct {
		Principal struct {
			ID   string `json:"id"`
			Kind string `json:"type"`
		} `json:"principal"`
		Role struct {
			Name string `json:"name"`
		} `json:"roleDefinition"`
	} `json:"properties"`
}

// maker takes a role in an environment without Dataverse: none only reads.
func (f *powerFound) maker(r environmentRole, environment string) {
	p := r.Properties.Principal
	somebody := strings.EqualFold(p.Kind, "User") || strings.EqualFold(p.Kind, "ServicePrincipal")
	if somebody && !strings.EqualFold(p.ID, f.claims.Object) {
		return
	}
	what := fmt.Sprintf("%s in the environment %s", r.Properties.Role.Name, f.environments[environment])
	if !strings.EqualFold(p.ID, f.claims.Object) {
		what += fmt.Sprintf(", if it is of the %s %s", strings.ToLower(p.Kind), p.ID)
	}
	f.can = append(f.can, what)
}

// privilegesIn takes the privileges in one Dataverse, those of teams among them.
// A privilege is named prv, what may be done, and the table; only prvRead reads.
// https://learn.microsoft.com/power-apps/developer/data-platform/security-access-rights
func (f *powerFound) privilegesIn(p *tickmark.Page, environment string) bool {
	type answer struct {
		Privileges []struct {
			Name  string `json:"PrivilegeName"`
			Depth string `json:"Depth"`
		} `json:"RolePrivileges"`
	}
	good := true
	return rowsOf(p, func(a answer) {
		good = good && len(a.Privileges) > 0
		for _, v := range a.Privileges {
			switch {
			case v.Name == "":
				good = false
			case !strings.HasPrefix(v.Name, "prvRead"):
				f.can = append(f.can, fmt.Sprintf("%s (%s) in the Dataverse of %s", v.Name, v.Depth, f.environments[environment]))
			}
			f.privileges++
		}
		f.answered[environment] = good
	}) && good
}
