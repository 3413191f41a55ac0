// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
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
		case path == platform+"/scopes/admin/environments":
			s.powerList(w, r, s.powerEnvironments(r), "$skiptoken", "nextLink")
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
			s.powerList(w, r, append(out, values(s.rendered(s.org.Power.Records["policies"]))...), "$skiptoken", "nextLink")
		case path == platform+"/listTenantSettings" && r.Method == http.MethodPost:
			s.singleton(w, r, "tenantSettings", obj{
				"disableEnvironmentCreationByNonAdminUsers": true, "disableTrialEnvironmentCreationByNonAdminUsers": true, "disablePortalsCreationByNonAdminUsers": true,
				"walkMeOptOut": false, "powerPlatform": obj{"governance": obj{"disableDeveloperEnvironmentCreationByNonAdminUsers": false}, "powerApps": obj{"disableShareWithEveryone": true}},
			})
		case path == governance+"/v1/tenants/"+s.org.Tenant.ID+"/tenantIsolationPolicy":
			s.singleton(w, r, "tenantIsolationPolicy", obj{"properties": obj{"tenantId": s.org.Tenant.ID, "isDisabled": false, "allowedTenants": []any{}}})
		default:
			s.fail(w, r, http.StatusNotFound, "ResourceNotFound", "The requested resource was not found.")
		}
	})
}

// singleton answers with the object of the file, if it has one.
func (s *Sim) singleton(w http.ResponseWriter, r *http.Request, key string, made obj) {
	if given := s.rendered(s.org.Power.Records[key]); len(given) > 0 {
		s.write(w, r, http.StatusOK, given[0])
		return
	}
	s.writeJSON(w, r, http.StatusOK, made)
}

// powerList answers with a page of rows and the link to the next.
func (s *Sim) powerList(w http.ResponseWriter, r *http.Request, all []any, parameterName, linkName string) {
	win, ok := s.window(r, parameter(r, parameterName), len(all), number(r, "$top", 250))
	if !ok {
		s.fail(w, r, http.StatusBadRequest, "InvalidSkipToken", "The skip token is not valid.")
		return
	}
	out := obj{"value": append([]any{}, all[win.From:win.To]...)}
	if link := s.nextLink(r, win, parameterName); link != "" {
		out[linkName] = link
	}
	s.writeJSON(w, r, http.StatusOK, out)
}

// powerEnvironments are all for an administrator of the tenant; others see those
// that they administer, and here that is none.
func (s *Sim) powerEnvironments(r *http.Request) []any {
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
				"instanceApiUrl": s.Endpoint("dataverse") + "/" + loginOf(e.Name), "instanceUrl": s.Endpoint("dataverse") + "/" + loginOf(e.Name) + "/", "securityGroupId": s.guid("power group", name),
			}
		}
		out = append(out, obj{
			"id": "/providers/Microsoft.BusinessAppPlatform/scopes/admin/environments/" + name, "type": "Microsoft.BusinessAppPlatform/scopes/environments",
			"name": name, "location": "europe", "properties": p,
		})
	}
	return out
}

// dataPolicies are one for all environments but the default, and one for that.
func (s *Sim) dataPolicies() []obj {
	var standard []any
	for i := range s.org.Power.Environments {
		if e := &s.org.Power.Environments[i]; strings.EqualFold(e.Type, "Default") {
			name := s.environmentName(e)
			standard = append(standard, obj{"id": "/providers/Microsoft.BusinessAppPlatform/scopes/admin/environments/" + name, "name": name, "type": "Microsoft.BusinessAppPlatform/scopes/environments"})
		}
	}
	policy := func(title, kind string) obj {
		group := func(class string, connectors ...string) obj {
			out := []any{}
			for _, c := range connectors {
				out = append(out, obj{"id": "/providers/Microsoft.PowerApps/apis/" + c, "name": c, "type": "Microsoft.PowerApps/apis"})
			}
			return obj{"classification": class, "connectors": out}
		}
		return obj{
			"name": s.guid("data policy", title), "displayName": title, "defaultConnectorsClassification": "Blocked", "environmentType": kind, "environments": append([]any{}, standard...),
			"connectorGroups": []any{group("Confidential", "shared_sharepointonline", "shared_office365"), group("General", "shared_msnweather"), group("Blocked", "shared_twitter")},
			"createdTime":     stamp(s.epoch.AddDate(-1, 0, 0)), "createdBy": obj{"displayName": "admin"}, "isLegacySchemaVersion": false,
		}
	}
	if len(s.org.Power.Environments) == 0 {
		return nil
	}
	return []obj{policy("Default environment", "OnlyEnvironments"), policy("Everything else", "ExceptEnvironments")}
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
			s.powerList(w, r, append(out, also...), "$skiptoken", "nextLink")
		case "connectivity/connections":
			name := s.guid("connection", seg[2])
			s.powerList(w, r, append([]any{obj{"name": name, "id": "/providers/Microsoft.PowerApps/apis/shared_sql/connections/" + name, "type": "Microsoft.PowerApps/apis/connections", "properties": obj{
				"displayName": "orders", "connectionParameters": obj{"server": "sql.example", "password": "s1mulated-Pa55word"}, "createdTime": stamp(s.epoch),
			}}}, also...), "$skiptoken", "nextLink")
		case "appmanagement/applicationPackages":
			s.powerList(w, r, append([]any{obj{
				"id": s.guid("package", seg[2]), "uniqueName": "msdyn_Sales", "applicationName": "Dynamics 365 Sales", "version": "9.0.26041.1", "state": "Installed", "publisherName": "Microsoft Dynamics 365",
			}}, also...), "$skiptoken", "@odata.nextLink")
		default:
			s.fail(w, r, http.StatusNotFound, "ResourceNotFound", "The requested resource was not found.")
		}
	})
}
