// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"time"

	"github.com/tickmark/tickmark/collect"
)

const day = 24 * time.Hour

// retention is how long Entra ID keeps its logs: 7 days, with P1 or P2 30.
// Records can arrive hours late, so each collection reads the last day again.
// Source: learn.microsoft.com/entra/identity/monitoring-health/reference-reports-data-retention
func retention(field string) *collect.Window {
	return &collect.Window{
		Field: field, Keeps: 7 * day, Extended: map[string]time.Duration{"AAD_PREMIUM": 30 * day, "AAD_PREMIUM_P2": 30 * day},
		Overlap: day, Span: day,
	}
}

// signIns asks for one kind of sign-ins. The service documents ge and le for
// createdDateTime but not lt: neighbouring windows share their bound, and a
// record that is in both has the same id.
func signIns(name, about, version, kind, entity string) collect.Ask {
	a := licensed(list(name, about, "/"+version+"/auditLogs/signIns", entity, "AuditLog.Read.All"), p1)
	filter := "createdDateTime%20ge%20{from}%20and%20createdDateTime%20le%20{to}"
	if kind != "" {
		filter += "%20and%20signInEventTypes/any(t:%20t%20eq%20'" + kind + "')"
	}
	a.Query, a.PageSize = "$filter="+filter+"&$top=1000", 1000
	a.Pace, a.Window = collect.PaceGraphReports, retention("createdDateTime")
	return a
}

// logs asks what happened. Each kind of sign-in is a type of its own, because
// each is read, kept and complete by itself.
func logs() []question {
	const onlyBeta = "v1.0 lists interactive sign-ins of users only; the member signInEventTypes exists in beta"
	const known = "where the answer is 403 although the permission is granted, a known issue asks for Directory.Read.All too"
	audits := query(list("directory-audits", "changes in the directory", "/v1.0/auditLogs/directoryAudits", "graph/directoryAudits", "AuditLog.Read.All"),
		"$filter=activityDateTime%20ge%20{from}%20and%20activityDateTime%20le%20{to}")
	audits.Pace, audits.Window = collect.PaceGraphReports, retention("activityDateTime")
	users := licensed(query(list("risky-users", "users who are held to be at risk", "/v1.0/identityProtection/riskyUsers", "graph/riskyUsers",
		"IdentityRiskyUser.Read.All"), "$top=500"), risk)
	users.PageSize = 500
	detections := licensed(query(list("risk-detections", "what made users count as at risk", "/v1.0/identityProtection/riskDetections", "graph/riskDetections",
		"IdentityRiskEvent.Read.All"), "$top=500"), risk)
	detections.PageSize = 500
	for _, a := range []*collect.Ask{&users, &detections} {
		a.Pace, a.NotOffered = collect.PaceGraphRisk, []string{"china"}
	}
	return []question{
		{Ask: signIns("sign-ins", "interactive sign-ins of users", "v1.0", "", "graph/signIns"), doc: "signin-list", note: known},
		{
			Ask: signIns("sign-ins-non-interactive", "sign-ins by clients in the name of users", "beta", "nonInteractiveUser", "graph/nonInteractiveSignIns"),
			doc: "signin-list?view=graph-rest-beta", beta: onlyBeta, note: known,
		},
		{
			Ask: signIns("sign-ins-service-principal", "sign-ins of applications", "beta", "servicePrincipal", "graph/servicePrincipalSignIns"),
			doc: "signin-list?view=graph-rest-beta", beta: onlyBeta, note: known,
		},
		{
			Ask: signIns("sign-ins-managed-identity", "sign-ins of managed identities", "beta", "managedIdentity", "graph/managedIdentitySignIns"),
			doc: "signin-list?view=graph-rest-beta", beta: onlyBeta, note: known,
		},
		{Ask: audits, doc: "directoryaudit-list", note: known},
		{Ask: users, doc: "riskyuser-list", note: "without P2 the refusal has the code Forbidden, as a missing permission has: the licences tell them apart"},
		{Ask: detections, doc: "riskdetection-list"},
	}
}
