// SPDX-License-Identifier: Apache-2.0

package arm

import (
	"strings"

	"github.com/tickmark/tickmark/collect"
)

// logTable is a table of a workspace that keeps a log beyond what its source
// does.
type logTable struct {
	name, table, about string
	// identity tells the rows apart, and from those that an API gave; the query
	// keeps the newest of several versions of one row.
	identity string
	// days are aggregates beside first, last and count of each day; by is what
	// else than the day tells them apart.
	days, by string
	// rows narrows the rows that are read; "-" reads the days only.
	rows string
}

// logTables: of sign-ins, which can be millions a day, only the days are read,
// with the numbers that tell how many got in with one factor.
var logTables = []logTable{
	{
		"azure-activity", "AzureActivity", "the activity log of subscriptions", "EventDataId", "", ", SubscriptionId",
		"| where CategoryValue in~ ('Administrative', 'Policy', 'Security')",
	},
	{"audit-logs", "AuditLogs", "the audit log of Entra ID", "Id", "", "", ""},
	{"security-alerts", "SecurityAlert", "security alerts", "SystemAlertId", "", "", ""},
	{
		"sign-ins", "SigninLogs", "interactive sign-ins of people", "Id",
		", Succeeded = countif(ResultType == '0'), SingleFactor = countif(ResultType == '0' and AuthenticationRequirement == 'singleFactorAuthentication'), Uncovered = countif(ConditionalAccessStatus == 'notApplied')",
		"", "-",
	},
	{"sign-ins-background", "AADNonInteractiveUserSignInLogs", "sign-ins that clients made for people", "Id", ", Succeeded = countif(ResultType == '0')", "", "-"},
	{"sign-ins-services", "AADServicePrincipalSignInLogs", "sign-ins of applications", "Id", ", Succeeded = countif(ResultType == '0')", "", "-"},
	{"sign-ins-managed", "AADManagedIdentitySignInLogs", "sign-ins of managed identities", "Id", ", Succeeded = countif(ResultType == '0')", "", "-"},
}

// logAsks query the workspaces.
//
// They are put to the tables that Resource Manager lists, so that a workspace
// without a table is told apart from a table without rows. An answer that was
// cut (PartialError beside the rows) is not an answer. Limits of the query
// API, docs + azure-monitor/service-limits: 500,000 rows and about 100 MB, 10
// minutes; hence one day of rows a request. The time span is both in the query
// and in the request's timespan, which cuts what the query does not.
func logAsks() []collect.Ask {
	asks := make([]collect.Ask, 0, 2*len(logTables))
	for _, t := range logTables {
		between := t.table + " | where TimeGenerated >= datetime({from}) and TimeGenerated < datetime({to})"
		days := t.ask("log-"+t.name+"-days", "the days on which a workspace has "+t.about+", with first and last record and their number",
			between+" | summarize First = min(TimeGenerated), Last = max(TimeGenerated), Count = count()"+t.days+
				" by Day = bin(TimeGenerated, 1d)"+t.by+" | order by Day asc")
		// A request that begins at noon has the second half of its first day.
		days.Entity, days.Identity = "arm/logDays"+t.table, "Day,First"+strings.ReplaceAll(t.by, " ", "")
		days.Types = []string{days.Entity}
		days.Window = &collect.Window{Field: "First", Until: "Last", Span: 31 * day}
		asks = append(asks, days)
		if t.rows == "-" {
			continue
		}
		rows := t.ask("log-"+t.name, t.about+" as a workspace keeps it",
			strings.TrimSpace(between+" "+t.rows)+" | summarize arg_max(TimeGenerated, *) by "+t.identity+" | order by TimeGenerated asc")
		rows.Entity, rows.Identity = "arm/log"+t.table, t.identity
		rows.Types = []string{rows.Entity}
		rows.Window = &collect.Window{Field: "TimeGenerated", Span: day, Overlap: day}
		asks = append(asks, rows)
	}
	return asks
}

func (t logTable) ask(name, about, query string) collect.Ask {
	return collect.Ask{
		Name: name, About: about,
		Of:    []string{"Microsoft.OperationalInsights/workspaces/tables"},
		Where: func(s *collect.Subject) bool { return strings.EqualFold(s.Name, t.table) },
		// The subject's subject is the workspace.
		Host: collect.HostLogAnalytics, Method: "POST", Path: "/v1/workspaces/{^properties.customerId}/query",
		Body: `{"query":` + quoted(query) + `,"timespan":"{from}/{to}"}`,
		Header: map[string]string{
			"Content-Type": "application/json",
			"Prefer":       "wait=600", // seconds; the service stops a query at ten minutes
		},
		Form: "logAnalytics", Pace: collect.PaceLogAnalytics,
		Needs: collect.Need{Permission: "Microsoft.OperationalInsights/workspaces/query/" + t.table + "/read", Role: roleLogReader, Scope: ScopeWorkspace},
		Doc:   docs + "azure-monitor/logs/api/request-format",
	}
}
