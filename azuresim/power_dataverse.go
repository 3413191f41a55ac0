// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

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
			w.Header().Set("WWW-Authenticate", "Bearer authorization_uri="+s.Endpoint("login")+"/"+s.org.Tenant.ID+"/oauth2/authorize, resource_id="+s.Endpoint("dataverse"))
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
	switch {
	case path == "WhoAmI":
		d.s.writeJSON(d.w, d.r, http.StatusOK, obj{
			"@odata.context": d.base + "/$metadata#Microsoft.Dynamics.CRM.WhoAmIResponse", "UserId": caller,
			"BusinessUnitId": d.s.guid("business unit", d.env.Name), "OrganizationId": d.s.guid("organization", d.env.Name),
		})
	case path == "systemusers("+caller+")/Microsoft.Dynamics.CRM.RetrieveUserPrivileges":
		d.privileges()
	case path == "EntityDefinitions":
		d.tables()
	default:
		d.table(path)
	}
}

// privileges has depth Global unless a table is hidden from the caller.
func (d *dataverse) privileges() {
	out := []any{}
	for _, p := range [][2]string{
		{"prvReadUser", "systemusers"}, {"prvReadRole", "roles"}, {"prvReadTeam", "teams"}, {"prvReadWorkflow", "workflows"}, {"prvReadFieldSecurityProfile", "fieldsecurityprofiles"},
	} {
		depth := "Global"
		if d.s.hides("dataverse", "/"+loginOf(d.env.Name)+"/api/data/v9.2/"+p[1]) {
			depth = "Basic"
		}
		out = append(out, obj{"Depth": depth, "PrivilegeId": d.s.guid("privilege", p[0]), "PrivilegeName": p[0], "BusinessUnitId": d.s.guid("business unit", d.env.Name)})
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
	all := append(made, d.also(set)...)
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
