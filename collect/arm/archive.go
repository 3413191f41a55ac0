// SPDX-License-Identifier: Apache-2.0

package arm

import (
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/jsontape"
)

const (
	typeArchive      = "arm/logArchives"
	typeArchiveBox   = "arm/logArchiveContainers"
	typeArchiveScope = "arm/logArchiveScopes"
)

// logArchive is a log as storage accounts keep it: a container, and in it a
// blob for each hour (or five minutes) in which there were records.
type logArchive struct {
	name, about string
	// container is that of a diagnostic setting, whose records have Azure
	// Monitor's own form; table is that of a workspace's data export, whose
	// records are rows of the table. Either may be empty.
	container, table string
	// rows says that the records are read, and not only for when there are some.
	rows bool
}

// logArchives: of sign-ins, which can be millions a day, only the hours are
// read, as with workspaces.
//
// Source of the names: docs + azure-monitor/platform/activity-log
// (insights-activity-logs), entra/identity/monitoring-health (the categories;
// a container is insights-logs- and the category in lower case) and
// azure-monitor/logs/logs-data-export (am- and the table; a container's name
// has no capitals).
var logArchives = []logArchive{
	{"azure-activity", "the activity log of subscriptions", "insights-activity-logs", "AzureActivity", true},
	{"audit-logs", "the audit log of Entra ID", "insights-logs-auditlogs", "AuditLogs", true},
	{"security-alerts", "security alerts", "", "SecurityAlert", true},
	{"sign-ins", "interactive sign-ins of people", "insights-logs-signinlogs", "SigninLogs", false},
	{"sign-ins-background", "sign-ins that clients made for people", "insights-logs-noninteractiveusersigninlogs", "AADNonInteractiveUserSignInLogs", false},
	{"sign-ins-services", "sign-ins of applications", "insights-logs-serviceprincipalsigninlogs", "AADServicePrincipalSignInLogs", false},
	{"sign-ins-managed", "sign-ins of managed identities", "insights-logs-managedidentitysigninlogs", "AADManagedIdentitySignInLogs", false},
}

// export is the container of a data export.
func (l *logArchive) export() string {
	if l.table == "" {
		return ""
	}
	return "am-" + strings.ToLower(l.table)
}

func (l *logArchive) in(container string) bool {
	return container != "" && (container == l.container || container == l.export())
}

// archiveAsks read the archives that the exports of today name: the accounts,
// their containers, what in each is archived (a subscription, a tenant, a
// workspace), the hours of it, and the records of those hours. An archive to
// which nothing is exported any more is not known of.
//
// The blobs of an hour are named by it, so that a list of names shows the first
// and last hour and the gaps between; the names of a month are one request.
// Source: docs + azure-monitor/platform/resource-logs#send-to-azure-storage.
func archiveAsks() []collect.Ask {
	account := fill(collect.Ask{
		Name: "log-archives", About: "the storage accounts to which the activity log and the logs of Entra ID are exported",
		Of:   []string{"Microsoft.Insights/diagnosticSettings", "arm/entraDiagnosticSettings"},
		By:   []string{"activity-log-export", "group-activity-log-export", "entra-log-export"},
		Path: "{properties.storageAccountId}", APIVersion: "2023-05-01", Form: "armObject", Entity: typeArchive, Types: []string{typeArchive},
		Where: func(s *collect.Subject) bool {
			return unread(s) || isAccount(s.Item.Get("properties").Get("storageAccountId").Str())
		},
		Needs:   collect.Need{Permission: "Microsoft.Storage/storageAccounts/read"},
		Answers: []collect.Answer{lost},
		Doc:     rest + "storagerp/storage-accounts/get-properties",
	})
	exported := account
	exported.Name, exported.About = "log-archives-of-workspaces", "the storage accounts to which workspaces export their tables"
	exported.Of, exported.By = []string{"Microsoft.OperationalInsights/workspaces/dataExports"}, nil
	exported.Path = "{properties.destination.resourceId}"
	exported.Where = func(s *collect.Subject) bool {
		return unread(s) || isAccount(s.Item.Get("properties").Get("destination").Get("resourceId").Str())
	}
	boxes := blobs(collect.Ask{
		Name: "log-archive-containers", About: "the containers of these accounts",
		Of: []string{typeArchive}, Path: "{properties.primaryEndpoints.blob}/", Query: "comp=list&maxresults=5000",
		Entity: typeArchiveBox,
		Needs:  collect.Need{Permission: "Microsoft.Storage/storageAccounts/blobServices/containers/read"},
		Doc:    rest + "storageservices/list-containers2",
	})
	// A delimiter may be a word: the answer names what stands before the year.
	scopes := blobs(collect.Ask{
		Name: "log-archive-scopes", About: "the subscriptions, tenants and workspaces whose logs a container has",
		Of: []string{typeArchiveBox}, Where: func(s *collect.Subject) bool {
			return slices.ContainsFunc(logArchives, func(l logArchive) bool { return l.in(s.Name) })
		},
		Path: "{^properties.primaryEndpoints.blob}/{name}", Query: "restype=container&comp=list&maxresults=5000&delimiter=/y%3D",
		Entity: typeArchiveScope,
	})
	asks := []collect.Ask{account, exported, boxes, scopes}
	for _, l := range logArchives {
		asks = append(asks, l.asks()...)
	}
	return asks
}

func (l *logArchive) asks() []collect.Ask {
	of := func(box string) bool { return l.in(box) }
	hours := blobs(collect.Ask{
		Name: "archive-" + l.name + "-hours", About: "the hours in which an archive has " + l.about,
		Of: []string{typeArchiveScope}, Where: func(s *collect.Subject) bool { return named(s, "BlobPrefix") && of(s.Of.Name) },
		Path:  "{^^properties.primaryEndpoints.blob}/{^name}",
		Query: "restype=container&comp=list&maxresults=5000&prefix={name}{from}", Entity: "arm/archiveHours" + camel(l.name),
		// {name} ends with the year's "/y=".
		Window: &collect.Window{Field: "time", Months: true, Layout: "2006/m=01/", Lasts: time.Hour},
	})
	asks := []collect.Ask{hours}
	if !l.rows {
		return asks
	}
	if l.container != "" {
		asks = append(asks, l.records("", l.container, l.about+" as an archive keeps it", "time"))
	}
	return append(asks, l.records("-exported", l.export(), l.about+" as a workspace exported it", "TimeGenerated"))
}

// records reads the blobs of one container: a record a line, which has nothing
// of its own by which to tell it apart but its place.
func (l *logArchive) records(suffix, container, about, field string) collect.Ask {
	a := blobs(collect.Ask{
		Name: "archive-" + l.name + suffix, About: about,
		Of: []string{"arm/archiveHours" + camel(l.name)}, Where: func(s *collect.Subject) bool { return named(s, "Blob") && s.Of.Of.Name == container },
		Path: "{^^^properties.primaryEndpoints.blob}/{^^name}/{name}", Entity: "arm/archive" + camel(l.name+suffix), Form: "jsonLines", Identity: "#",
		Window:  &collect.Window{Field: field},
		Answers: []collect.Answer{{Status: 404, Code: "BlobNotFound", Means: collect.MeansGone}},
		Doc:     rest + "storageservices/get-blob",
	})
	return a
}

// blobs completes an ask to a storage account.
func blobs(a collect.Ask) collect.Ask {
	a.Host, a.Pace = collect.HostBlob, collect.PaceStorage
	a.Header = map[string]string{"x-ms-version": "2021-12-02"}
	if a.Form == "" {
		a.Form, a.Paging, a.Wire, a.PageSize, a.Identity = "armList", collect.PageMarker, collect.WireBlobList, 5000, "name"
		a.Header["Accept"] = "application/xml"
	}
	if a.Needs.Permission == "" {
		a.Needs.Permission = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
	}
	a.Needs.Role, a.Needs.Scope = roleBlobReader, ScopeArchive
	a.Types = []string{a.Entity}
	if a.Doc == "" {
		a.Doc = rest + "storageservices/list-blobs"
	}
	return a
}

// unread reports whether a subject has no properties that could be read: it is
// asked about all the same, so that what it may name is missing and not none.
func unread(s *collect.Subject) bool { return s.Item.Get("properties").Kind() != jsontape.Object }

func isAccount(id string) bool {
	return strings.Contains(strings.ToLower(id), "/providers/microsoft.storage/storageaccounts/")
}

// named reports whether a row of a list stands for a blob, or for the beginning
// that names have in common.
func named(s *collect.Subject, element string) bool { return s.Item.Get("element").Str() == element }

// camel turns a name in kebab-case into the end of a type's name.
func camel(kebab string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(kebab, "-") {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}
