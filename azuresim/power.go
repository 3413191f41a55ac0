// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func init() {
	register("power", hostDef{handler: (*Sim).powerHandler, audiences: []string{"https://service.powerapps.com/"}})
	register("powerApi", hostDef{handler: (*Sim).powerAPIHandler, audiences: []string{"https://api.powerplatform.com"}})
	// A token for Dataverse is for the environment's own address.
	register("dataverse", hostDef{handler: (*Sim).dataverseHandler})
}

// environmentName is the GUID of an environment; the default one has the
// tenant's in its name.
func (s *Sim) environmentName(e *PowerEnvironment) string {
	if strings.EqualFold(e.Type, "Default") {
		return "Default-" + s.org.Tenant.ID
	}
	return s.guid("power environment", e.Name)
}

// powerLimits says what is left of a quota; over it the answer is 429.
func (s *Sim) powerLimits(w http.ResponseWriter, r *http.Request) bool {
	left, wait := s.spend(callOf(r).host, 600, 10)
	if wait == 0 {
		w.Header().Set("x-ms-ratelimit-remaining-requests", strconv.Itoa(left))
		return true
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
	s.fail(w, r, http.StatusTooManyRequests, "TooManyRequests", "Too many requests were sent. Try again later.")
	return false
}

// powerHandler is the administration (api.bap.microsoft.com).
func (s *Sim) powerHandler() http.Handler {
	const platform = "/providers/Microsoft.BusinessAppPlatform"
	const governance = "/providers/PowerPlatform.Governance"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.powerLimits(w, r) {
			return
		}
		path := r.URL.Path
		if name, ok := strings.CutPrefix(path, governance+"/v2/policies/"); ok {
			s.dataPolicy(w, r, name)
			return
		}
		switch {
		case path == platform+"/adminApplications":
			s.managementApplications(w, r)
		case strings.HasPrefix(path, platform+"/scopes/admin/environments/") && strings.HasSuffix(path, "/roleAssignments"):
			s.environmentRoles(w, r, strings.Split(path, "/")[6])
		case path == platform+"/scopes/admin/environments":
			s.powerList(w, r, s.powerEnvironments(), "nextLink")
		case path == governance+"/v2/policies":
			out := []any{}
			for _, p := range s.dataPolicies() {
				short := obj{}
				for k, v := range p {
					if k != "connectorGroups" {
						short[k] = v
					}
				}
				out = append(out, obj{"policyDefinition": short})
			}
			s.powerList(w, r, append(out, values(s.rendered(s.org.Power.Records["policies"]))...), "nextLink")
		case path == platform+"/listTenantSettings" && r.Method == http.MethodPost:
			s.singleton(w, r, "tenantSettings", obj{
				"disableEnvironmentCreationByNonAdminUsers": false, "disableTrialEnvironmentCreationByNonAdminUsers": false, "disablePortalsCreationByNonAdminUsers": false,
				"walkMeOptOut": false, "powerPlatform": obj{"governance": obj{"disableDeveloperEnvironmentCreationByNonAdminUsers": false}, "powerApps": obj{"disableShareWithEveryone": false}},
			})
		case path == governance+"/v1/tenants/"+s.org.Tenant.ID+"/tenantIsolationPolicy":
			s.singleton(w, r, "tenantIsolationPolicy", obj{"properties": obj{"tenantId": s.org.Tenant.ID, "isDisabled": true, "allowedTenants": []any{}}})
		default:
			s.fail(w, r, http.StatusNotFound, "ResourceNotFound", "The requested resource was not found.")
		}
	})
}

// singleton answers with the object of the file; without one, with what a tenant
// has in which nobody has set anything.
func (s *Sim) singleton(w http.ResponseWriter, r *http.Request, key string, made obj) {
	if given := s.rendered(s.org.Power.Records[key]); len(given) > 0 {
		s.write(w, r, http.StatusOK, given[0])
		return
	}
	s.writeJSON(w, r, http.StatusOK, made)
}

// powerList answers with a page of rows and the link to the next.
func (s *Sim) powerList(w http.ResponseWriter, r *http.Request, all []any, linkName string) {
	win, ok := s.window(r, parameter(r, "$skiptoken"), len(all), number(r, "$top", 250))
	if !ok {
		s.fail(w, r, http.StatusBadRequest, "InvalidSkipToken", "The skip token is not valid.")
		return
	}
	out := obj{"value": append([]any{}, all[win.From:win.To]...)}
	if link := s.nextLink(r, win, "$skiptoken"); link != "" {
		out[linkName] = link
	}
	s.writeJSON(w, r, http.StatusOK, out)
}

// powerEnvironments are all for an administrator of the tenant; others see those
// that they administer, and here that is none.
func (s *Sim) powerEnvironments() []any {
	var out []any
	admin := !s.hides("power", "/providers/PowerPlatform.Governance/v1/tenants/"+s.org.Tenant.ID+"/tenantIsolationPolicy")
	for i := range s.org.Power.Environments {
		e := &s.org.Power.Environments[i]
		if !admin {
			break
		}
		name := s.environmentName(e)
		p := obj{
			"displayName": first(e.Display, e.Name), "environmentSku": first(e.Type, "Production"), "isDefault": strings.EqualFold(e.Type, "Default"), "azureRegion": first(e.Region, "westeurope"),
			"createdTime": stamp(s.epoch.AddDate(-2, 0, 0)), "states": obj{"management": obj{"id": "Ready"}}, "databaseType": "None",
		}
		if e.Dataverse {
			p["databaseType"] = "CommonDataService"
			p["linkedEnvironmentMetadata"] = obj{
				"type": "Dynamics365Instance", "resourceId": s.guid("organization", name), "friendlyName": e.Name, "domainName": loginOf(e.Name), "version": "9.2.26054.00171",
				"instanceApiUrl": s.Endpoint("dataverse") + "/" + loginOf(e.Name), "instanceUrl": s.Endpoint("dataverse") + "/" + loginOf(e.Name) + "/", "securityGroupId": first(s.principalID(e.SecurityGroup), noGroup),
			}
		}
		out = append(out, obj{
			"id": "/providers/Microsoft.BusinessAppPlatform/scopes/admin/environments/" + name, "type": "Microsoft.BusinessAppPlatform/scopes/environments",
			"name": name, "location": "europe", "properties": p,
		})
	}
	return out
}

// noGroup stands for the group of an environment that everybody may enter; that
// the member is there all the same is unverified.
const noGroup = "00000000-0000-0000-0000-000000000000"

// dataPolicies are those that the organisation says there are, and no others:
// what limits connectors is not made up.
func (s *Sim) dataPolicies() []obj {
	var out []obj
	for i := range s.org.Power.Policies {
		p := &s.org.Power.Policies[i]
		group := func(class string, connectors []string) obj {
			list := []any{}
			for _, c := range connectors {
				list = append(list, obj{"id": "/providers/Microsoft.PowerApps/apis/" + c, "name": c, "type": "Microsoft.PowerApps/apis"})
			}
			return obj{"classification": class, "connectors": list}
		}
		environments := []any{}
		for _, want := range p.Environments {
			for k := range s.org.Power.Environments {
				if e := &s.org.Power.Environments[k]; strings.EqualFold(e.Name, want) {
					name := s.environmentName(e)
					environments = append(environments, obj{"id": "/providers/Microsoft.BusinessAppPlatform/scopes/admin/environments/" + name, "name": name, "type": "Microsoft.BusinessAppPlatform/scopes/environments"})
				}
			}
		}
		kinds := map[string]string{"": "AllEnvironments", "all": "AllEnvironments", "only": "OnlyEnvironments", "except": "ExceptEnvironments"}
		classes := map[string]string{"": "General", "general": "General", "confidential": "Confidential", "blocked": "Blocked"}
		out = append(out, obj{
			"name": s.guid("data policy", p.Name), "displayName": p.Name, "defaultConnectorsClassification": classes[strings.ToLower(p.Others)],
			"environmentType": kinds[strings.ToLower(p.Applies)], "environments": environments,
			"connectorGroups": []any{group("Confidential", p.Confidential), group("General", p.General), group("Blocked", p.Blocked)},
			"createdTime":     stamp(s.epoch.AddDate(-1, 0, 0)), "createdBy": obj{"displayName": "admin"}, "isLegacySchemaVersion": false,
		})
	}
	return out
}

func (s *Sim) dataPolicy(w http.ResponseWriter, r *http.Request, name string) {
	for _, p := range s.dataPolicies() {
		if p["name"] == name {
			s.writeJSON(w, r, http.StatusOK, obj{"policyDefinition": p, "customConnectorUrlPatternsDefinition": obj{"rules": []any{obj{"order": 1, "customConnectorRuleClassification": "Ignore", "pattern": "*"}}}})
			return
		}
	}
	for _, b := range s.rendered(s.org.Power.Records["policies"]) {
		if strings.Contains(string(b), `"`+name+`"`) {
			s.write(w, r, http.StatusOK, b)
			return
		}
	}
	s.fail(w, r, http.StatusNotFound, "PolicyNotFound", "The policy was not found.")
}

// powerAPIHandler is the Power Platform API (api.powerplatform.com).
func (s *Sim) powerAPIHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.powerLimits(w, r) {
			return
		}
		seg := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
		if r.URL.Path == "/authorization/roleAssignments" {
			s.powerRoleAssignments(w, r)
			return
		}
		if len(seg) != 4 || seg[1] != "environments" {
			s.fail(w, r, http.StatusNotFound, "ResourceNotFound", "The requested resource was not found.")
			return
		}
		i := slices.IndexFunc(s.org.Power.Environments, func(e PowerEnvironment) bool { return strings.EqualFold(s.environmentName(&e), seg[2]) })
		if i < 0 {
			s.fail(w, r, http.StatusNotFound, "EnvironmentNotFound", "The environment was not found.")
			return
		}
		e := &s.org.Power.Environments[i]
		also := values(s.rendered(e.Records[seg[3]]))
		switch seg[0] + "/" + seg[3] {
		case "powerapps/apps":
			var out []any
			for n := range 3 {
				name := s.guid("app", seg[2], strconv.Itoa(n))
				out = append(out, obj{"id": "/providers/Microsoft.PowerApps/apps/" + name, "name": name, "type": "Microsoft.PowerApps/apps", "properties": obj{
					"displayName": "App " + strconv.Itoa(n+1), "owner": obj{"displayName": s.voters(nil)[0], "type": "User"}, "sharedUsersCount": n, "sharedGroupsCount": 0,
				}})
			}
			s.powerList(w, r, append(out, also...), "nextLink")
		case "connectivity/connections":
			name := s.guid("connection", seg[2])
			s.powerList(w, r, append([]any{obj{"name": name, "id": "/providers/Microsoft.PowerApps/apis/shared_sql/connections/" + name, "type": "Microsoft.PowerApps/apis/connections", "properties": obj{
				"displayName": "orders", "connectionParameters": obj{"server": "sql.example", "password": "s1mulated-Pa55word"}, "createdTime": stamp(s.epoch),
			}}}, also...), "nextLink")
		case "appmanagement/applicationPackages":
			s.powerList(w, r, append([]any{obj{
				"id": s.guid("package", seg[2]), "uniqueName": "msdyn_Sales", "applicationName": "Dynamics 365 Sales", "version": "9.0.26041.1", "state": "Installed", "publisherName": "Microsoft Dynamics 365",
			}}, also...), "@odata.nextLink")
		default:
			s.fail(w, r, http.StatusNotFound, "ResourceNotFound", "The requested resource was not found.")
		}
	})
}

// dataverse is a request to the Dataverse of one environment.
type dataverse struct {
	s    *Sim
	w    http.ResponseWriter
	r    *http.Request
	env  *PowerEnvironment
	base string // of the Web API
}

// dataverseHandler serves each environment below a path of its own name, where
// the real ones have a host of their own.
func (s *Sim) dataverseHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, problem := s.bearerOf(r, s.Endpoint("dataverse"))
		if problem != "" {
			w.Header().Set("WWW-Authenticate", "Bearer authorization_uri="+s.login()+"/"+s.org.Tenant.ID+"/oauth2/authorize, resource_id="+s.Endpoint("dataverse"))
			s.fail(w, r, http.StatusUnauthorized, "0x80040216", "The token is not accepted.")
			return
		}
		callOf(r).client = t
		name, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/api/data/v9.2/")
		d := &dataverse{s: s, w: w, r: r, base: s.Endpoint("dataverse") + "/" + name + "/api/data/v9.2"}
		for i := range s.org.Power.Environments {
			if e := &s.org.Power.Environments[i]; e.Dataverse && loginOf(e.Name) == name {
				d.env = e
			}
		}
		switch left, wait := s.spend("dataverse "+name, 6000, 20); {
		case d.env == nil || rest == "":
			s.fail(w, r, http.StatusNotFound, "0x8006088a", "Resource not found for the segment.")
		case wait > 0:
			w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
			s.fail(w, r, http.StatusTooManyRequests, "0x80072322", "Number of requests exceeded the limit of 6000 over time window of 300 seconds.")
		case d.env.Refused:
			// The application is no user here.
			s.fail(w, r, http.StatusForbidden, "0x80072560", "The user is not a member of the organization.")
		default:
			w.Header().Set("x-ms-ratelimit-burst-remaining-xrm-requests", strconv.Itoa(left))
			w.Header().Set("OData-Version", "4.0")
			d.serve(rest)
		}
	})
}

func (d *dataverse) serve(path string) {
	caller := d.s.guid("dataverse caller", d.env.Name)
	switch path {
	case "WhoAmI":
		d.s.writeJSON(d.w, d.r, http.StatusOK, obj{
			"@odata.context": d.base + "/$metadata#Microsoft.Dynamics.CRM.WhoAmIResponse", "UserId": caller,
			"BusinessUnitId": d.s.guid("business unit", d.env.Name), "OrganizationId": d.s.guid("organization", d.env.Name),
		})
	case "systemusers(" + caller + ")/Microsoft.Dynamics.CRM.RetrieveUserPrivileges":
		d.privileges()
	case "EntityDefinitions":
		d.tables()
	default:
		d.table(path)
	}
}

// privileges has depth Global unless a table is hidden from the caller.
func (d *dataverse) privileges() {
	out := []any{}
	for _, p := range [][2]string{
		{"prvReadUser", "systemusers"},
		{"prvReadRole", "roles"},
		{"prvReadTeam", "teams"},
		{"prvReadWorkflow", "workflows"},
		{"prvReadFieldSecurityProfile", "fieldsecurityprofiles"},
		{"prvReadOrganization", "organizations"},
	} {
		depth := "Global"
		if d.s.hides("dataverse", "/"+loginOf(d.env.Name)+"/api/data/v9.2/"+p[1]) {
			depth = "Basic"
		}
		out = append(out, obj{"Depth": depth, "PrivilegeId": d.s.guid("privilege", p[0]), "PrivilegeName": p[0], "BusinessUnitId": d.s.guid("business unit", d.env.Name)})
	}
	for _, name := range powerOf(d.r).Privileges {
		out = append(out, obj{"Depth": "Basic", "PrivilegeId": d.s.guid("privilege", name), "PrivilegeName": name, "BusinessUnitId": d.s.guid("business unit", d.env.Name)})
	}
	d.s.writeJSON(d.w, d.r, http.StatusOK, obj{"@odata.context": d.base + "/$metadata#Microsoft.Dynamics.CRM.RetrieveUserPrivilegesResponse", "RolePrivileges": out})
}

func (d *dataverse) tables() {
	out := []any{}
	for i, n := range []string{"account", "contact", "opportunity", "incident"} {
		out = append(out, obj{
			"LogicalName": n, "SchemaName": strings.ToUpper(n[:1]) + n[1:], "EntitySetName": n + "s", "IsCustomEntity": false, "MetadataId": d.s.guid("table", n),
			"IsAuditEnabled":         obj{"Value": d.env.Audit && i < 3, "CanBeChanged": true, "ManagedPropertyLogicalName": "canmodifyauditsettings"},
			"IsRetrieveAuditEnabled": false, "IsRetrieveMultipleAuditEnabled": false, "OwnershipType": "UserOwned",
		})
	}
	d.s.writeJSON(d.w, d.r, http.StatusOK, obj{"@odata.context": d.base + "/$metadata#EntityDefinitions", "value": append(out, d.also("EntityDefinitions")...)})
}

func (d *dataverse) also(set string) []any { return values(d.s.rendered(d.env.Records[set])) }

// table answers with a page of a table's rows; the size of pages is a
// preference.
func (d *dataverse) table(set string) {
	made, ok := d.rows(set)
	if !ok {
		d.s.fail(d.w, d.r, http.StatusNotFound, "0x80060888", "Resource not found for the segment '"+set+"'.")
		return
	}
	all := slices.Concat(made, d.also(set))
	size := 5000
	for _, p := range d.r.Header.Values("Prefer") {
		if _, v, ok := strings.Cut(p, "odata.maxpagesize="); ok {
			if n, err := strconv.Atoi(strings.TrimSpace(strings.SplitN(v, ",", 2)[0])); err == nil && n > 0 {
				size = min(size, n)
			}
		}
	}
	win, good := d.s.window(d.r, parameter(d.r, "$skiptoken"), len(all), size)
	if !good {
		d.s.fail(d.w, d.r, http.StatusBadRequest, "0x80060888", "The skip token is not valid.")
		return
	}
	out := obj{"@odata.context": d.base + "/$metadata#" + set, "value": append([]any{}, all[win.From:win.To]...)}
	if link := d.s.nextLink(d.r, win, "$skiptoken"); link != "" {
		out["@odata.nextLink"] = link
	}
	d.s.writeJSON(d.w, d.r, http.StatusOK, out)
}

// roleNames are those that every Dataverse has.
var roleNames = []string{"System Administrator", "System Customizer", "Basic User", "Service Reader"}

func (d *dataverse) role(i int) obj {
	return obj{"roleid": d.s.guid("role", d.env.Name, roleNames[i]), "name": roleNames[i]}
}

func (d *dataverse) rows(set string) ([]any, bool) {
	e, unit := d.env, d.s.guid("business unit", d.env.Name)
	out := []any{}
	switch set {
	case "organizations":
		out = append(out, obj{
			"organizationid": d.s.guid("organization", e.Name), "name": e.Name, "isauditenabled": e.Audit, "isuseraccessauditenabled": e.Audit, "isreadauditenabled": false,
			"auditretentionperiodv2": 180, "enableipbasedfirewallrule": false, "enableipbasedfirewallruleinauditmode": false, "sessiontimeoutenabled": true,
			"sessiontimeoutinmins": 480, "inactivitytimeoutenabled": false, "inactivitytimeoutinmins": nil, "blockedattachments": "exe;js",
		})
	case "roles":
		for i := range roleNames {
			r := d.role(i)
			r["ismanaged"], r["modifiedon"], r["_businessunitid_value"], r["_parentrootroleid_value"], r["_roletemplateid_value"] = true, iso(d.s.epoch.AddDate(-1, 0, 0)), unit, r["roleid"], nil
			out = append(out, r)
		}
	case "systemusers":
		for i, name := range d.users() {
			role := 2
			if i == 0 {
				role = 0
			}
			out = append(out, obj{
				"systemuserid": d.s.guid("system user", e.Name, name), "fullname": name, "domainname": d.s.address(name), "azureactivedirectoryobjectid": nullable(d.s.principalID(name)), "applicationid": nil,
				"isdisabled": false, "accessmode": 0, "createdon": iso(d.s.epoch.AddDate(-1, 0, 0)), "modifiedon": iso(d.s.epoch.AddDate(0, -1, 0)), "_businessunitid_value": unit,
				"systemuserroles_association": []any{d.role(role)},
			})
		}
		out = append(out, obj{
			"systemuserid": d.s.guid("dataverse caller", e.Name), "fullname": "# collector", "domainname": "", "azureactivedirectoryobjectid": nil, "applicationid": d.s.guid("client", "collector"),
			"isdisabled": false, "accessmode": 4, "createdon": iso(d.s.epoch.AddDate(-1, 0, 0)), "modifiedon": iso(d.s.epoch.AddDate(-1, 0, 0)), "_businessunitid_value": unit,
			"systemuserroles_association": []any{d.role(3)},
		})
	case "teams":
		members := []any{}
		for _, name := range d.users() {
			members = append(members, obj{"systemuserid": d.s.guid("system user", e.Name, name)})
		}
		out = append(out, obj{
			"teamid": d.s.guid("team", e.Name), "name": e.Name, "teamtype": 0, "membershiptype": 0, "azureactivedirectoryobjectid": nil, "_businessunitid_value": unit,
			"teamroles_association": []any{d.role(2)}, "teammembership_association": members,
		})
	case "fieldsecurityprofiles":
		out = append(out, obj{
			"fieldsecurityprofileid": d.s.guid("profile", e.Name), "name": "System Administrator", "ismanaged": true,
			"systemuserprofiles_association": []any{}, "teamprofiles_association": []any{},
		})
	case "workflows":
		for n := range 4 {
			out = append(out, obj{
				"workflowid": d.s.guid("flow", e.Name, strconv.Itoa(n)), "name": fmt.Sprintf("Flow %d", n+1), "category": 5, "statecode": 1, "statuscode": 2,
				"createdon": iso(d.s.epoch.AddDate(0, -6, 0)), "modifiedon": iso(d.s.epoch.AddDate(0, -1, -n)), "_ownerid_value": d.s.guid("system user", e.Name, d.users()[0]), "_modifiedby_value": nil,
			})
		}
	default:
		return nil, len(e.Records[set]) > 0
	}
	return out, true
}

// users are those of the environment, or else some of the people.
func (d *dataverse) users() []string {
	if len(d.env.Users) > 0 {
		return d.env.Users
	}
	return d.s.voters(nil)
}

func nullable(text string) any {
	if text == "" {
		return nil
	}
	return text
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
