// SPDX-License-Identifier: Apache-2.0

package azuresim

// appManagementPolicy is the tenant's rule for the credentials of applications.
// https://learn.microsoft.com/graph/api/tenantappmanagementpolicy-get
func (g *graphService) appManagementPolicy(*graphRequest) (graphRows, bool) {
	return g.orDefault("policies/defaultAppManagementPolicy", func() [][]member {
		lifetime := func(kind, most string) [][]member {
			return [][]member{graphObject("restrictionType", kind, "state", "enabled", "maxLifetime", most, "restrictForAppsCreatedAfterDateTime", "2019-10-19T10:37:00Z")}
		}
		return [][]member{graphObject("id", "00000000-0000-0000-0000-000000000000", "displayName", "Default app management tenant policy",
			"description", "Default tenant policy that enforces app management restrictions on applications and service principals.", "isEnabled", true,
			"applicationRestrictions", graphObject("passwordCredentials", lifetime("passwordLifetime", "P180D"), "keyCredentials", lifetime("asymmetricKeyLifetime", "P365D")),
			"servicePrincipalRestrictions", graphObject("passwordCredentials", [][]member{}, "keyCredentials", [][]member{}))}
	})
}

// appManagementExceptions are the policies that single applications have in
// place of the tenant's.
func (g *graphService) appManagementExceptions(*graphRequest) (graphRows, bool) {
	return g.orDefault("policies/appManagementPolicies", func() [][]member {
		return [][]member{graphObject("id", g.guid("app-management", "legacy"), "displayName", "Legacy payroll connector", "description", "Until the supplier supports certificates",
			"isEnabled", true, "restrictions", graphObject("passwordCredentials", [][]member{graphObject("restrictionType", "passwordLifetime", "state", "enabled", "maxLifetime", "P365D",
				"restrictForAppsCreatedAfterDateTime", "2019-10-19T10:37:00Z")}, "keyCredentials", [][]member{}))}
	})
}

// intuneSettings are the tenant-wide settings of Intune.
// https://learn.microsoft.com/graph/api/resources/intune-deviceconfig-devicemanagementsettings
func (g *graphService) intuneSettings(*graphRequest) (graphRows, bool) {
	return g.orDefault("deviceManagement/settings", func() [][]member {
		return [][]member{graphObject("deviceComplianceCheckinThresholdDays", 30, "isScheduledActionEnabled", true, "secureByDefault", true)}
	})
}

// intuneAssignments are the assignments of Intune's roles; only a single one
// says who its members are.
// https://learn.microsoft.com/graph/api/intune-rbac-deviceandappmanagementroleassignment-get
func (g *graphService) intuneAssignments() [][]member {
	name := "Intune administrators"
	groups := []string{}
	for i := range g.org.Groups {
		if x := &g.org.Groups[i]; x.RoleAssignable {
			groups = append(groups, g.principalID(x.Name))
			break
		}
	}
	return [][]member{graphObject("id", g.guid("intune-assignment", name), "displayName", name, "description", "", "resourceScopes", []string{}, "members", groups)}
}

func (g *graphService) intuneAssignmentRows(*graphRequest) (graphRows, bool) {
	return g.orDefault("deviceManagement/roleAssignments", func() [][]member {
		rows := g.intuneAssignments()
		for i := range rows {
			rows[i] = rows[i][:len(rows[i])-1]
		}
		return rows
	})
}

func (g *graphService) intuneAssignmentRow(q *graphRequest) (graphRows, bool) {
	rows, ok := g.orDefault("deviceManagement/roleAssignments", g.intuneAssignments)
	if !ok {
		return rows, false
	}
	for i := range rows.n {
		row := rows.at(i)
		for _, m := range row {
			if m.name == "id" && string(m.value) == string(quote(q.args[0])) {
				return graphList([][]member{row}), true
			}
		}
	}
	return graphRows{}, false
}
