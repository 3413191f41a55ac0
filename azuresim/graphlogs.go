// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"slices"
	"strings"
	"time"
)

func logSets() []graphSet {
	signIns := graphSet{
		path: "auditLogs/signIns", fragment: "auditLogs/signIns", typ: "signIn", permissions: []string{"AuditLog.Read.All"}, denied: graphDenied,
		size: 1000, most: 1000, quota: "reports", filtered: true, rows: (*graphService).signInRows,
		filters: map[string]string{"createdDateTime": "eq ge le", "signInEventTypes": "any"},
	}
	audits := graphSet{
		path: "auditLogs/directoryAudits", fragment: "auditLogs/directoryAudits", typ: "directoryAudit", permissions: []string{"AuditLog.Read.All"}, denied: graphDenied,
		size: 1000, most: 1000, quota: "reports", filtered: true, rows: (*graphService).auditRows,
		filters: map[string]string{"activityDateTime": "eq ge le"},
	}
	risk := func(name, typ, permission string, rows func(*graphService, *graphRequest) (graphRows, bool)) graphSet {
		s := graphOther("identityProtection/"+name, typ, permission, graphDenied, rows).needs(unlicensedRisk, planRisk...)
		s.size, s.most, s.quota = 20, 500, "risk"
		return s
	}
	return []graphSet{
		signIns.needs(unlicensedReport, planP1...), audits,
		risk("riskyUsers", "riskyUser", "IdentityRiskyUser.Read.All", (*graphService).riskyUsers),
		risk("riskDetections", "riskDetection", "IdentityRiskEvent.Read.All", (*graphService).riskDetections),
	}
}

// span is what of a log a request gets: what it asks for and the service still
// has. Without P1 the service keeps 7 days, with it 30. Both ends are included,
// as ge and le say.
func (g *graphService) span(q *graphRequest, field string, st Stream) (from, to time.Time) {
	usual := 7 * day
	if g.licensed(planP1...) {
		usual = 30 * day
	}
	from, to = q.bounds(field)
	if kept := g.Now().Add(-g.keeps(st, usual)); from.Before(kept) {
		from = kept
	}
	if to.IsZero() || to.After(g.Now()) {
		to = g.Now()
	}
	return from, to.Add(time.Nanosecond)
}

func (g *graphService) signInRows(q *graphRequest) (graphRows, bool) {
	kind := "interactiveUser"
	for _, c := range q.filter {
		if c.any {
			kind = c.value
		}
	}
	from, to := g.span(q, "createdDateTime", g.org.Logs.SignIns)
	all := g.signIns(kind, from, to)
	slices.Reverse(all) // the newest first
	return graphRows{len(all), func(i int) []member { return g.signInRow(&all[i], q.beta) }}, true
}

// signInRow is a sign-in as v1.0 or beta shows it.
// https://learn.microsoft.com/graph/api/resources/signin
func (g *graphService) signInRow(x *signIn, beta bool) []member {
	reason := any(nil)
	if x.Result != 0 {
		reason = x.Reason
	}
	person := x.UPN != ""
	user, userID := x.Name, x.PrincipalID
	if !person {
		user, userID = "", ""
	}
	enforced := []string{}
	if x.Requirement == "multiFactorAuthentication" {
		enforced = append(enforced, "Mfa")
	}
	applied := [][]member{}
	if person {
		for _, b := range g.rendered(g.org.ConditionalAccess) {
			policy, _ := members(b)
			name := memberText(policy, "displayName")
			result := x.ConditionalAccess
			if result == "notApplied" {
				enforced = []string{}
			}
			applied = append(applied, graphObject("id", g.guid("conditional-access", name), "displayName", name, "enforcedGrantControls", enforced,
				"enforcedSessionControls", []string{}, "result", result))
		}
	}
	row := graphObject("id", x.ID, "createdDateTime", x.Time.UTC().Format("2006-01-02T15:04:05.000Z"), "userDisplayName", user, "userPrincipalName", x.UPN, "userId", userID, "appId", x.AppID,
		"appDisplayName", x.App, "ipAddress", x.IP, "clientAppUsed", x.Client, "correlationId", g.guid("correlation", x.ID), "conditionalAccessStatus", x.ConditionalAccess,
		"isInteractive", x.Kind == "interactiveUser", "riskDetail", "none", "riskLevelAggregated", x.Risk, "riskLevelDuringSignIn", x.Risk, "riskState", "none",
		"riskEventTypes", []string{}, "resourceDisplayName", x.Resource, "resourceId", x.ResourceID,
		"status", graphObject("errorCode", x.Result, "failureReason", orNull(textOr(reason, "Other.")), "additionalDetails", nil),
		"deviceDetail", graphObject("deviceId", "", "displayName", "", "operatingSystem", "Windows", "browser", "Edge", "isCompliant", false, "isManaged", false, "trustType", ""),
		"location", graphObject("city", x.City, "state", x.City, "countryOrRegion", x.Country, "geoCoordinates", graphObject("altitude", nil, "latitude", 52.5, "longitude", 13.4)),
		"appliedConditionalAccessPolicies", applied)
	if beta {
		principalName, principal := "", ""
		if !person {
			principalName, principal = x.Name, x.PrincipalID
		}
		row = append(row, graphObject("signInEventTypes", []string{x.Kind}, "authenticationRequirement", x.Requirement, "servicePrincipalId", principal,
			"servicePrincipalName", principalName, "resourceTenantId", g.org.Tenant.ID, "homeTenantId", g.org.Tenant.ID, "tokenIssuerType", "AzureAD",
			"uniqueTokenIdentifier", g.guid("token", x.ID), "crossTenantAccessType", "none", "flaggedForReview", false)...)
	}
	return row
}

func textOr(v any, otherwise string) string {
	if s, ok := v.(string); ok {
		return s
	}
	return otherwise
}

func (g *graphService) auditRows(q *graphRequest) (graphRows, bool) {
	from, to := g.span(q, "activityDateTime", g.org.Logs.Audits)
	all := g.audits(from, to)
	slices.Reverse(all)
	return graphRows{len(all), func(i int) []member {
		x := &all[i]
		target := graphObject("id", x.TargetID, "displayName", nil, "type", x.TargetType, "userPrincipalName", nil, "groupType", nil, "modifiedProperties", [][]member{})
		if x.TargetType == "User" {
			target[3].value = quote(x.Target)
		} else {
			target[1].value = quote(x.Target)
		}
		return graphObject("id", "Directory_"+strings.ToUpper(x.ID[:8])+"_"+x.ID, "category", x.Category, "correlationId", g.guid("correlation", x.ID), "result", "success",
			"resultReason", "", "activityDisplayName", x.Activity, "activityDateTime", x.Time.UTC().Format("2006-01-02T15:04:05.000Z"), "loggedByService", "Core Directory",
			"operationType", x.Operation, "initiatedBy", graphObject("app", nil, "user", graphObject("id", x.InitiatorID, "displayName", nil, "userPrincipalName", x.Initiator,
				"ipAddress", "203.0.113.7")), "targetResources", [][]member{target}, "additionalDetails", [][]member{})
	}}, true
}

// atRisk are the people who count as at risk: about one in forty.
func (g *graphService) atRisk() []int {
	return slices.DeleteFunc(g.present(), func(i int) bool { h := g.hash("risk", g.people[i].ID); return h[0] >= 7 })
}

func (g *graphService) riskyUsers(*graphRequest) (graphRows, bool) {
	if _, ok := g.org.Records["graph/identityProtection/riskyUsers"]; ok {
		return g.orDefault("identityProtection/riskyUsers", nil)
	}
	who := g.atRisk()
	return graphRows{len(who), func(i int) []member {
		p := &g.people[who[i]]
		return graphObject("id", p.ID, "isDeleted", false, "isProcessing", false, "riskLastUpdatedDateTime", g.epoch.AddDate(0, 0, -5), "riskLevel", "low", "riskState", "remediated",
			"riskDetail", "userPerformedSecuredPasswordChange", "userDisplayName", p.Name, "userPrincipalName", p.UPN)
	}}, true
}

func (g *graphService) riskDetections(*graphRequest) (graphRows, bool) {
	if _, ok := g.org.Records["graph/identityProtection/riskDetections"]; ok {
		return g.orDefault("identityProtection/riskDetections", nil)
	}
	who := g.atRisk()
	return graphRows{len(who), func(i int) []member {
		p := &g.people[who[i]]
		at := g.epoch.AddDate(0, 0, -6)
		return graphObject("id", g.guid("detection", p.ID), "requestId", g.guid("detection-request", p.ID), "correlationId", g.guid("detection-correlation", p.ID),
			"riskEventType", "unfamiliarFeatures", "riskState", "remediated", "riskLevel", "low", "riskDetail", "userPerformedSecuredPasswordChange", "source", "IdentityProtection",
			"detectionTimingType", "realtime", "activity", "signin", "tokenIssuerType", "AzureAD", "ipAddress", "198.51.100.23", "activityDateTime", at, "detectedDateTime", at,
			"lastUpdatedDateTime", at.AddDate(0, 0, 1), "userId", p.ID, "userDisplayName", p.Name, "userPrincipalName", p.UPN, "additionalInfo", nil)
	}}, true
}
