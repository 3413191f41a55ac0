// SPDX-License-Identifier: Apache-2.0

package logs

import (
	"strings"

	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/jsontape"
)

// Kind is where a copy of a log is.
type Kind string

// The kinds of copies.
const (
	Service   Kind = "service"   // the API of the service that writes the log
	Workspace Kind = "workspace" // a table of a Log Analytics workspace
	Archive   Kind = "archive"   // a storage account to which diagnostic settings write
	Export    Kind = "export"    // a storage account to which a workspace exports a table
)

// known is a log and the types of records that tell of it. The names are those
// of the questions of collect/arm and collect/graph.
type known struct {
	name, title string
	// subscriptions says that each subscription has a log of its own.
	subscriptions bool
	forms         []form
}

// form is how a type of records tells of a log.
type form struct {
	typ  string
	kind Kind
	// at is the member with the time of the record; last and count are members
	// of a record that stands for a day.
	at, last, count string
	// hour says that a record stands for a blob: that there is at least one in
	// its hour. Which records is told by another type.
	hour bool
	// whole says that these are the records, and the days are told by another
	// type: they are compared only.
	whole bool
	// subscription is the member that names the subscription.
	subscription string
	// key tells a record apart in every copy; nil where the records are not read.
	key func(jsontape.Value) string
}

func text(v jsontape.Value, path string) string {
	for name := range strings.SplitSeq(path, ".") {
		v = v.Get(name)
	}
	return v.Str()
}

// id is the key that is the same member in all copies.
func id(path string) func(jsontape.Value) string {
	return func(v jsontape.Value) string { return strings.ToLower(text(v, path)) }
}

// event is the key of a record of the activity log. An archive has no event's
// id, so that operation, correlation and time in milliseconds have to do. Of
// the categories only those are compared that are read from every copy.
func event(category, operation, correlation, at string) func(jsontape.Value) string {
	return func(v jsontape.Value) string {
		op, cor := text(v, operation), text(v, correlation)
		t, ok := instant(v, at)
		switch strings.ToLower(text(v, category)) {
		case "administrative", "policy", "security":
		default:
			return ""
		}
		if op == "" || cor == "" || !ok {
			return ""
		}
		return strings.ToLower(op+"\x00"+cor) + "\x00" + t.Format("20060102150405.000")
	}
}

var logs = []known{
	{
		"activity-log", "activity log of Azure", true,
		[]form{
			{typ: "arm/activityLog", kind: Service, at: "eventTimestamp", subscription: "subscriptionId", key: event("category.value", "operationName.value", "correlationId", "eventTimestamp")},
			{typ: "arm/logDaysAzureActivity", kind: Workspace, at: "First", last: "Last", count: "Count", subscription: "SubscriptionId"},
			{typ: "arm/logAzureActivity", kind: Workspace, at: "TimeGenerated", whole: true, subscription: "SubscriptionId", key: event("CategoryValue", "OperationNameValue", "CorrelationId", "TimeGenerated")},
			{typ: "arm/archiveHoursAzureActivity", kind: Archive, at: "time", hour: true},
			{typ: "arm/archiveAzureActivity", kind: Archive, at: "time", whole: true, key: event("category", "operationName", "correlationId", "time")},
			{typ: "arm/archiveAzureActivityExported", kind: Export, at: "TimeGenerated", subscription: "SubscriptionId", key: event("CategoryValue", "OperationNameValue", "CorrelationId", "TimeGenerated")},
		},
	},
	{
		"directory-audits", "audit log of Entra ID", false,
		[]form{
			{typ: "graph/directoryAudits", kind: Service, at: "activityDateTime", key: id("id")},
			{typ: "arm/logDaysAuditLogs", kind: Workspace, at: "First", last: "Last", count: "Count"},
			{typ: "arm/logAuditLogs", kind: Workspace, at: "TimeGenerated", whole: true, key: id("Id")},
			{typ: "arm/archiveHoursAuditLogs", kind: Archive, at: "time", hour: true},
			{typ: "arm/archiveAuditLogs", kind: Archive, at: "time", whole: true, key: id("properties.id")},
			{typ: "arm/archiveAuditLogsExported", kind: Export, at: "TimeGenerated", whole: true, key: id("Id")},
		},
	},
	signIns("sign-ins", "interactive sign-ins of people", "graph/signIns", "SigninLogs", "SignIns"),
	signIns("sign-ins-non-interactive", "sign-ins that clients made for people", "graph/nonInteractiveSignIns", "AADNonInteractiveUserSignInLogs", "SignInsBackground"),
	signIns("sign-ins-service-principal", "sign-ins of applications", "graph/servicePrincipalSignIns", "AADServicePrincipalSignInLogs", "SignInsServices"),
	signIns("sign-ins-managed-identity", "sign-ins of managed identities", "graph/managedIdentitySignIns", "AADManagedIdentitySignInLogs", "SignInsManaged"),
	{
		"security-alerts", "security alerts", false,
		[]form{
			{typ: "arm/logDaysSecurityAlert", kind: Workspace, at: "First", last: "Last", count: "Count"},
			{typ: "arm/logSecurityAlert", kind: Workspace, at: "TimeGenerated", whole: true, key: id("SystemAlertId")},
			{typ: "arm/archiveHoursSecurityAlerts", kind: Archive, at: "time", hour: true},
			{typ: "arm/archiveSecurityAlertsExported", kind: Export, at: "TimeGenerated", whole: true, key: id("SystemAlertId")},
		},
	},
}

// Names lists the logs.
func Names() []string {
	out := make([]string, len(logs))
	for i := range logs {
		out[i] = logs[i].name
	}
	return out
}

// signIns: their days only are read from copies, because they can be millions.
func signIns(name, title, api, table, hours string) known {
	return known{name, title, false, []form{
		{typ: api, kind: Service, at: "createdDateTime", key: nil},
		{typ: "arm/logDays" + table, kind: Workspace, at: "First", last: "Last", count: "Count"},
		{typ: "arm/archiveHours" + hours, kind: Archive, at: "time", hour: true},
	}}
}

// place is the workspace or account of a copy, as the id of one of its records
// names it: its id, and what follows. Names alone are not unique.
func place(r *inventory.Resource, k Kind) (id, rest string) {
	if k == Service {
		return "", ""
	}
	mark := "/providers/microsoft.storage/storageaccounts/"
	if k == Workspace {
		mark = "/providers/microsoft.operationalinsights/workspaces/"
	}
	low := strings.ToLower(r.ID)
	from := strings.Index(low, "/subscriptions/")
	i := strings.Index(low, mark)
	if from < 0 || i < from {
		return "", ""
	}
	name, rest, _ := strings.Cut(low[i+len(mark):], "/")
	return strings.Clone(low[from : i+len(mark)+len(name)]), rest
}

// exported reports whether a workspace wrote an archive, by what follows the
// account in the id of one of its records: its containers begin with am-.
func exported(rest string) bool { return strings.HasPrefix(rest, "am-") }

// subscriptionOf is that of a record: its own member, or that of the archive's
// names (resourceId=/SUBSCRIPTIONS/ID).
func (f *form) subscriptionOf(r *inventory.Resource) string {
	if f.subscription != "" {
		return strings.Clone(strings.ToLower(r.Root.Get(f.subscription).Str()))
	}
	const mark = "resourceid=/subscriptions/"
	if _, rest, ok := strings.Cut(strings.ToLower(r.ID), mark); ok {
		sub, _, _ := strings.Cut(rest, "/")
		return strings.Clone(sub)
	}
	return ""
}
