// SPDX-License-Identifier: Apache-2.0

package file

import (
	_ "embed" // the functions of the export script
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tickmark/tickmark"
)

//go:embed export.sh
var scriptFunctions string

// ScriptOptions choose what the export script exports.
type ScriptOptions struct {
	// Sources are "arm" and "graph"; empty means both.
	Sources []string
	// Types are the resource types that the checks judge or look up: the ones
	// that the script's final command may call complete.
	Types []string
	// Diagnostics are the types whose diagnostic settings the checks look up.
	// The settings of every one of them must be exported before the type
	// Microsoft.Insights/diagnosticSettings may be called complete.
	Diagnostics []string
	// Version names the tickmark that printed the script.
	Version string
}

const (
	subscriptionType = "Microsoft.Resources/subscriptions"
	groupType        = "Microsoft.Resources/subscriptions/resourceGroups"
	diagnosticType   = "Microsoft.Insights/diagnosticSettings"
	diagnosticPath   = "/providers/Microsoft.Insights/diagnosticSettings?api-version=2021-05-01-preview"
)

// graphTable is a Resource Graph table that is exported whole, with the types
// that come with it and are not children of other rows.
type graphTable struct {
	file, query, scopes string
	types               []string
	permission          string
}

var graphTables = []graphTable{
	{"resourcecontainers", "resourcecontainers | order by id asc", "", []string{subscriptionType, groupType}, "Reader on each subscription"},
	{"resources", "resources | order by id asc", "", []string{ // children that the table has besides all top-level types
		"Microsoft.Sql/servers/databases", "Microsoft.Compute/virtualMachines/extensions", "Microsoft.Network/networkWatchers/flowLogs",
		"Microsoft.Network/virtualNetworks/subnets", "Microsoft.Network/networkSecurityGroups/securityRules", "Microsoft.Network/routeTables/routes",
	}, "Reader on each subscription"},
	// Without AtScopeAboveAndBelow, what is inherited from management groups
	// and the root is left out, and the answer still looks whole.
	{
		"authorization", "authorizationresources | where type in~ ('microsoft.authorization/roleassignments','microsoft.authorization/roledefinitions') | order by id asc",
		"AtScopeAboveAndBelow",
		[]string{"Microsoft.Authorization/roleAssignments", "Microsoft.Authorization/roleDefinitions"},
		"Reader on each subscription",
	},
	{
		"protecteditems", "recoveryservicesresources | where type =~ 'microsoft.recoveryservices/vaults/backupfabrics/protectioncontainers/protecteditems' | order by id asc",
		"",
		[]string{"Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems"},
		"Reader on each subscription",
	},
}

// armExport is a list or object that Resource Graph lacks, asked for once per
// parent.
type armExport struct {
	file string
	typ  string
	// parent is a condition of Resource Graph; empty: once per subscription.
	parent string
	path   string
	note   string
}

var armExports = []armExport{
	{"pricings", "Microsoft.Security/pricings", "", "/providers/Microsoft.Security/pricings?api-version=2024-01-01", "Security Reader"},
	{"securitycontacts", "Microsoft.Security/securityContacts", "", "/providers/Microsoft.Security/securityContacts?api-version=2023-12-01-preview", "Security Reader"},
	{"securitysettings", "Microsoft.Security/settings", "", "/providers/Microsoft.Security/settings?api-version=2022-05-01", "Security Reader"},
	{"assessments", "Microsoft.Security/assessments", "", "/providers/Microsoft.Security/assessments?api-version=2020-01-01", "Security Reader"},
	{"securityalerts", "Microsoft.Security/locations/alerts", "", "/providers/Microsoft.Security/alerts?api-version=2022-01-01", "Security Reader"},
	{"guestconfiguration", "Microsoft.GuestConfiguration/guestConfigurationAssignments", "", "/providers/Microsoft.GuestConfiguration/guestConfigurationAssignments?api-version=2022-01-25", "Reader"},
	{"policyassignments", "Microsoft.Authorization/policyAssignments", "", "/providers/Microsoft.Authorization/policyAssignments?api-version=2022-06-01", "Reader"},
	{"roleschedules", "Microsoft.Authorization/roleAssignmentScheduleInstances", "", "/providers/Microsoft.Authorization/roleAssignmentScheduleInstances?api-version=2020-10-01", "Reader; answers only where Entra ID P2 is licensed"},
	{"blobservices", "Microsoft.Storage/storageAccounts/blobServices", "resources | where type =~ 'microsoft.storage/storageaccounts' and kind !~ 'FileStorage'", "/blobServices?api-version=2023-05-01", "Reader"},
	{"fileservices", "Microsoft.Storage/storageAccounts/fileServices", "resources | where type =~ 'microsoft.storage/storageaccounts' and kind in~ ('Storage','StorageV2','FileStorage')", "/fileServices?api-version=2023-05-01", "Reader"},
	{"keys", "Microsoft.KeyVault/vaults/keys", "resources | where type =~ 'microsoft.keyvault/vaults'", "/keys?api-version=2023-07-01", "Reader: names and attributes through ARM, never key material, and no opening of a vault's firewall"},
	{"secrets", "Microsoft.KeyVault/vaults/secrets", "resources | where type =~ 'microsoft.keyvault/vaults'", "/secrets?api-version=2023-07-01", "Reader: names and attributes through ARM, never values"},
	{"sqlauditing", "Microsoft.Sql/servers/auditingSettings", "resources | where type =~ 'microsoft.sql/servers'", "/auditingSettings?api-version=2021-11-01", "Reader"},
	{"sqlalerts", "Microsoft.Sql/servers/securityAlertPolicies", "resources | where type =~ 'microsoft.sql/servers'", "/securityAlertPolicies?api-version=2021-11-01", "Reader"},
	{"sqlassessments", "Microsoft.Sql/servers/sqlVulnerabilityAssessments", "resources | where type =~ 'microsoft.sql/servers'", "/sqlVulnerabilityAssessments?api-version=2023-08-01", "Reader"},
	{"sqlassessmentsclassic", "Microsoft.Sql/servers/vulnerabilityAssessments", "resources | where type =~ 'microsoft.sql/servers'", "/vulnerabilityAssessments?api-version=2021-11-01", "Reader"},
	{"sqlprotector", "Microsoft.Sql/servers/encryptionProtector", "resources | where type =~ 'microsoft.sql/servers'", "/encryptionProtector?api-version=2021-11-01", "Reader"},
	{"sqlfirewall", "Microsoft.Sql/servers/firewallRules", "resources | where type =~ 'microsoft.sql/servers'", "/firewallRules?api-version=2021-11-01", "Reader"},
	{"sqlentraonly", "Microsoft.Sql/servers/azureADOnlyAuthentications", "resources | where type =~ 'microsoft.sql/servers'", "/azureADOnlyAuthentications?api-version=2021-11-01", "Reader"},
	{"sqltde", "Microsoft.Sql/servers/databases/transparentDataEncryption", "resources | where type =~ 'microsoft.sql/servers/databases' and name !~ 'master'", "/transparentDataEncryption?api-version=2021-11-01", "Reader"},
	{"sqllongterm", "Microsoft.Sql/servers/databases/backupLongTermRetentionPolicies", "resources | where type =~ 'microsoft.sql/servers/databases' and name !~ 'master'", "/backupLongTermRetentionPolicies?api-version=2021-11-01", "Reader"},
	{"replicateditems", "Microsoft.RecoveryServices/vaults/replicationFabrics/replicationProtectionContainers/replicationProtectedItems", "resources | where type =~ 'microsoft.recoveryservices/vaults'", "/replicationProtectedItems?api-version=2023-01-01", "Reader"},
	{"pgconfigurations", "Microsoft.DBforPostgreSQL/flexibleServers/configurations", "resources | where type =~ 'microsoft.dbforpostgresql/flexibleservers'", "/configurations?api-version=2022-12-01", "Reader"},
	{"mysqlconfigurations", "Microsoft.DBforMySQL/flexibleServers/configurations", "resources | where type =~ 'microsoft.dbformysql/flexibleservers'", "/configurations?api-version=2023-06-30", "Reader"},
	{"siteconfigs", "Microsoft.Web/sites/config", "resources | where type =~ 'microsoft.web/sites'", "/config/web?api-version=2022-09-01", "Reader; application settings and connection strings are secrets and are left alone"},
	{"frontdoorpolicies", "Microsoft.Cdn/profiles/securityPolicies", "resources | where type =~ 'microsoft.cdn/profiles' and sku.name endswith 'AzureFrontDoor'", "/securityPolicies?api-version=2023-05-01", "Reader"},
}

// entityExport is a collection or object of Microsoft Graph.
type entityExport struct {
	file, typ, path, permission string
}

var entityExports = []entityExport{
	{"organization", "graph/organization", "/v1.0/organization", "Organization.Read.All"},
	{"subscribedskus", "graph/subscribedSkus", "/v1.0/subscribedSkus", "LicenseAssignment.Read.All"},
	{"domains", "graph/domains", "/v1.0/domains", "Domain.Read.All"},
	{"users", "graph/users", "/v1.0/users?$select=id,displayName,userPrincipalName,accountEnabled,userType,createdDateTime,employeeId,onPremisesSyncEnabled,assignedLicenses,assignedPlans&$top=999", "User.Read.All"},
	{"registrationdetails", "graph/userRegistrationDetails", "/v1.0/reports/authenticationMethods/userRegistrationDetails", "AuditLog.Read.All; needs Entra ID P1"},
	{"conditionalaccess", "graph/conditionalAccessPolicies", "/v1.0/identity/conditionalAccess/policies", "Policy.Read.All"},
	{"namedlocations", "graph/namedLocations", "/v1.0/identity/conditionalAccess/namedLocations", "Policy.Read.All"},
	{"authorizationpolicy", "graph/authorizationPolicy", "/v1.0/policies/authorizationPolicy", "Policy.Read.All"},
	{"securitydefaults", "graph/identitySecurityDefaultsEnforcementPolicy", "/v1.0/policies/identitySecurityDefaultsEnforcementPolicy", "Policy.Read.All"},
	{"methodspolicy", "graph/authenticationMethodsPolicy", "/v1.0/policies/authenticationMethodsPolicy", "Policy.Read.All"},
	{"consentpolicy", "graph/adminConsentRequestPolicy", "/v1.0/policies/adminConsentRequestPolicy", "Policy.Read.All"},
	{"directoryroles", "graph/roleAssignments", "/v1.0/roleManagement/directory/roleAssignments", "RoleManagement.Read.Directory"},
	{"roleinstances", "graph/roleAssignmentScheduleInstances", "/v1.0/roleManagement/directory/roleAssignmentScheduleInstances", "RoleAssignmentSchedule.Read.Directory; needs Entra ID P2"},
	{"groupsettings", "graph/groupSettings", "/v1.0/groupSettings", "GroupSettings.Read.All"},
	{"groups", "graph/groups", "/v1.0/groups?$select=id,displayName,securityEnabled,groupTypes,visibility,isAssignableToRole&$top=999", "GroupMember.Read.All"},
	{"manageddevices", "graph/managedDevices", "/v1.0/deviceManagement/managedDevices", "DeviceManagementManagedDevices.Read.All"},
	{"compliancepolicies", "graph/deviceCompliancePolicies", "/v1.0/deviceManagement/deviceCompliancePolicies?$expand=assignments", "DeviceManagementConfiguration.Read.All"},
	{"devicemanagementsettings", "graph/deviceManagementSettings", "/v1.0/deviceManagement/settings", "DeviceManagementConfiguration.Read.All"},
	{"appmanagementpolicy", "graph/defaultAppManagementPolicy", "/v1.0/policies/defaultAppManagementPolicy", "Policy.Read.All"},
	{"directoryroledefinitions", "graph/roleDefinitions", "/v1.0/roleManagement/directory/roleDefinitions", "RoleManagement.Read.Directory"},
	{"sharepointsettings", "graph/sharepointSettings", "/v1.0/admin/sharepoint/settings", "SharePointTenantSettings.Read.All"},
	{"applications", "graph/applications", "/v1.0/applications?$select=id,appId,displayName,signInAudience,createdDateTime,passwordCredentials,keyCredentials,requiredResourceAccess,web,spa,publicClient&$top=999", "Application.Read.All"},
}

// Exported reports whether the script exports a type.
func Exported(typ string) bool {
	for _, t := range graphTables {
		if holds(t.types, typ) {
			return true
		}
	}
	for _, e := range armExports {
		if strings.EqualFold(e.typ, typ) {
			return true
		}
	}
	for _, e := range entityExports {
		if strings.EqualFold(e.typ, typ) {
			return true
		}
	}
	return strings.EqualFold(typ, diagnosticType) || topLevel(typ)
}

// topLevel reports whether a type is one of those that Resource Graph's table
// of resources holds whole: namespace and one name.
func topLevel(typ string) bool {
	namespace, _, ok := strings.Cut(typ, "/")
	return ok && strings.Count(typ, "/") == 1 && strings.Contains(namespace, ".") &&
		!slices.ContainsFunc([]string{"Microsoft.Authorization", "Microsoft.Security", "Microsoft.SecurityInsights", "Microsoft.GuestConfiguration", "Microsoft.Resources", "Microsoft.Management", "Microsoft.CostManagement"}, func(s string) bool {
			return strings.EqualFold(s, namespace)
		}) && !strings.EqualFold(typ, diagnosticType)
}

func holds(types []string, typ string) bool {
	return slices.ContainsFunc(types, func(t string) bool { return strings.EqualFold(t, typ) })
}

// WriteScript prints a POSIX shell script that exports, read-only and with the
// Azure CLI, what the checks need, and ends by printing the command that
// assesses it.
func WriteScript(w io.Writer, o ScriptOptions) error {
	arm, graph := len(o.Sources) == 0, len(o.Sources) == 0
	for _, s := range o.Sources {
		switch s {
		case "arm":
			arm = true
		case "graph":
			graph = true
		default:
			return &tickmark.Error{Code: tickmark.CodeUsage, What: fmt.Sprintf("no source is called %q", s), Where: "--sources", Hint: "choose from arm, graph"}
		}
	}
	var b strings.Builder
	header(&b, o, arm, graph)
	b.WriteString(scriptFunctions)
	if arm {
		armPart(&b, o)
	}
	if graph {
		graphPart(&b)
	}
	footer(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func header(b *strings.Builder, o ScriptOptions, arm, graph bool) {
	fmt.Fprintf(b, `#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Exports what tickmark's checks read from Azure and Entra ID. Read-only: every
# request is a GET, but for queries to Resource Graph, which are POST by design.
# Printed by tickmark %s.
#
#   usage: sh export.sh [FOLDER]
#
# Sign in first: az login. Answers are written to FOLDER as they come, one file
# per list with all of its pages; what was refused is in FOLDER/refused.log.
# Exit status: 0 everything was exported, 3 something was refused, 1 stopped.
`, o.Version)
	if arm {
		b.WriteString(`#
# Azure: the least that suffices is the role Reader on each subscription, and
# Security Reader for Defender's plans, settings and contacts. Assign them at
# the root management group to see every subscription. What the account may not
# see, Azure leaves out without a word: --complete is your statement that it may
# see everything.
#   TICKMARK_SUBSCRIPTIONS="ID ID" limits the export to these subscriptions.
`)
	}
	if graph {
		b.WriteString(`#
# Microsoft Graph: the token that "az login" gets for a person lacks
# Policy.Read.All, even for a Global Administrator. Conditional Access, security
# defaults, the authorization, methods and consent policies then stay unknown.
# To read them, an administrator registers an application, consents to the
# application permissions named beside each list below, and you sign in as it:
#   az login --service-principal --username APP_ID --tenant TENANT \
#            --certificate cert.pem --allow-no-subscriptions
# and run the script printed by: tickmark export-script --sources graph
# Afterwards remove the consent: the permissions only read, but they read a lot.
#   TICKMARK_GRAPH=https://graph.microsoft.us for US Government, and so on.
`)
	}
	b.WriteString("\n")
}

func armPart(b *strings.Builder, o ScriptOptions) {
	b.WriteString(`
# --- Azure Resource Manager ---

try account show || die "not signed in: run az login"
tenant=$(top tenantId)
try cloud show || die "the cloud cannot be told: $(cat "$tmp/error")"
arm=$(sed -n 's/^    "resourceManager": "\(.*\)",\{0,1\}'"$cr"'\{0,1\}$/\1/p' "$tmp/page" | sed 's:/*$::')
[ -n "$arm" ] || die "the cloud names no Resource Manager"
ids=${TICKMARK_SUBSCRIPTIONS:-}
if [ -z "$ids" ]; then
	az account list --refresh --query "[?(state=='Enabled' || state=='Warned' || state=='PastDue') && tenantId=='$tenant'].id" --output tsv >"$tmp/subscriptions" 2>"$tmp/error" </dev/null ||
		die "the subscriptions cannot be listed: $(cat "$tmp/error")"
	ids=$(tr -d '\r' <"$tmp/subscriptions")
fi
subscriptions=
: >"$tmp/subs"
for s in $ids; do
	subscriptions="$subscriptions${subscriptions:+,}\"$s\""
	printf '/subscriptions/%s\n' "$s" >>"$tmp/subs"
done
[ -n "$subscriptions" ] || die "the account sees no enabled subscription in tenant $tenant"
[ "$(wc -l <"$tmp/subs")" -le 1000 ] || die "more than 1000 subscriptions: set TICKMARK_SUBSCRIPTIONS and run this several times"
say "exporting $(($(wc -l <"$tmp/subs"))) subscriptions of tenant $tenant to $out"
`)
	for _, t := range graphTables {
		claims := slices.Clone(t.types)
		if t.file == "resources" {
			claims = slices.DeleteFunc(claims, func(s string) bool { return !holds(o.Types, s) })
			for _, typ := range o.Types {
				if topLevel(typ) {
					claims = append(claims, typ)
				}
			}
		}
		slices.Sort(claims)
		fmt.Fprintf(b, "\n# Needs: %s\ntable %s\nfinish %s %s\n", t.permission, strings.TrimSpace(t.file+" "+shellQuote(t.query)+" "+t.scopes), t.file, shellQuote(strings.Join(slices.Compact(claims), " ")))
	}
	for _, e := range armExports {
		fmt.Fprintf(b, "\n# %s. Needs: %s\n%s\neach %s %s\nfinish %s %s\n", e.typ, e.note, source(e.parent), e.file, shellQuote(e.path), e.file, e.typ)
	}
	diagnosticsPart(b, o.Diagnostics)
}

// source makes $tmp/ids hold the parents.
func source(parent string) string {
	if parent == "" {
		return `cp "$tmp/subs" "$tmp/ids"`
	}
	return "parents " + shellQuote(parent)
}

// diagnosticsPart exports the diagnostic settings of every type that a check
// asks for. They lie in one file, so that one refusal leaves the type open.
func diagnosticsPart(b *strings.Builder, types []string) {
	types = slices.Clone(types)
	slices.Sort(types)
	fmt.Fprintf(b, "\n# %s. Needs: Monitoring Reader or Reader; one request per resource.\n: >\"$tmp/all\"\n", diagnosticType)
	claims := true
	for _, t := range slices.Compact(types) {
		switch {
		case strings.EqualFold(t, subscriptionType):
			b.WriteString("cat \"$tmp/subs\" >>\"$tmp/all\"\n")
		case topLevel(t) || strings.EqualFold(t, "Microsoft.Sql/servers/databases"):
			fmt.Fprintf(b, "%s\ncat \"$tmp/ids\" >>\"$tmp/all\"\n", source("resources | where type =~ "+kqlQuote(strings.ToLower(t))))
		default:
			claims = false
		}
	}
	claim := diagnosticType
	if !claims {
		claim = ""
	}
	fmt.Fprintf(b, "cp \"$tmp/all\" \"$tmp/ids\"\neach diagnosticsettings %s\nfinish diagnosticsettings %s\n", shellQuote(diagnosticPath), shellQuote(claim))
}

func graphPart(b *strings.Builder) {
	b.WriteString("\n# --- Microsoft Graph ---\n")
	for _, e := range entityExports {
		fmt.Fprintf(b, "\n# Permission: %s\nsay %s\nlist %s \"$graph\" \"$graph\"%s\nfinish %s %s\n", e.permission, e.file, e.file, shellQuote(e.path), e.file, e.typ)
	}
}

func footer(b *strings.Builder) {
	b.WriteString(`
# --- The end ---

say
if [ "$gaps" -gt 0 ]; then
	say "$gaps answers were refused ($out/refused.log). What they would have shown stays unknown;"
	say "their types are not called complete below."
fi
say "Assess the export with:"
printf 'tickmark assess%s %s\n' "${complete:+ --complete $complete}" "'$(printf '%s' "$out" | sed "s/'/'\\\\''/g")'"
[ "$gaps" -eq 0 ] || exit 3
`)
}

// shellQuote quotes s for a POSIX shell.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// kqlQuote quotes s for the query language of Resource Graph.
func kqlQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `\'`) + "'" }
