// SPDX-License-Identifier: Apache-2.0

package arm

import (
	"strconv"
	"strings"

	"github.com/tickmark/tickmark/collect"
)

// batch is how many subscriptions one query names. The page "Troubleshoot
// errors using Azure Resource Graph" tells to batch by 1,000.
const batch = 1000

// indexTypes are the types whose whole population the table "resources" holds,
// of those that our checks judge, that other asks are put to, or that change
// what an auditor concludes. The list is explicit: from a type that is not in
// it nothing may be concluded, even though the query returns every row.
// Source: docs + governance/resource-graph/reference/supported-tables-resources.
var indexTypes = strings.Fields(`
Microsoft.ApiManagement/service
Microsoft.App/containerApps Microsoft.App/managedEnvironments
Microsoft.AppConfiguration/configurationStores
Microsoft.Automation/automationAccounts Microsoft.Automation/automationAccounts/runbooks
Microsoft.Batch/batchAccounts
Microsoft.Cache/redis Microsoft.Cache/redisEnterprise
Microsoft.Cdn/profiles Microsoft.Cdn/profiles/afdEndpoints
Microsoft.CognitiveServices/accounts
Microsoft.Compute/diskAccesses Microsoft.Compute/diskEncryptionSets Microsoft.Compute/disks Microsoft.Compute/galleries
Microsoft.Compute/images Microsoft.Compute/snapshots Microsoft.Compute/virtualMachines
Microsoft.Compute/virtualMachines/extensions Microsoft.Compute/virtualMachineScaleSets
Microsoft.ContainerInstance/containerGroups
Microsoft.ContainerRegistry/registries Microsoft.ContainerService/managedClusters
Microsoft.DBforMariaDB/servers Microsoft.DBforMySQL/flexibleServers Microsoft.DBforMySQL/servers
Microsoft.DBforPostgreSQL/flexibleServers
Microsoft.Databricks/workspaces Microsoft.DataFactory/factories
Microsoft.DataProtection/backupVaults Microsoft.DataProtection/resourceGuards
Microsoft.DesktopVirtualization/hostPools
Microsoft.EventGrid/domains Microsoft.EventGrid/topics Microsoft.EventHub/namespaces
Microsoft.HDInsight/clusters Microsoft.HybridCompute/machines Microsoft.HybridCompute/machines/extensions
Microsoft.Devices/IotHubs Microsoft.DocumentDB/databaseAccounts
Microsoft.Insights/actionGroups Microsoft.Insights/activityLogAlerts Microsoft.Insights/components
Microsoft.Insights/dataCollectionRules Microsoft.Insights/metricAlerts Microsoft.Insights/scheduledQueryRules
Microsoft.KeyVault/managedHSMs Microsoft.KeyVault/vaults
Microsoft.Kusto/clusters Microsoft.Logic/workflows Microsoft.MachineLearningServices/workspaces
Microsoft.Maintenance/maintenanceConfigurations Microsoft.ManagedIdentity/userAssignedIdentities
Microsoft.NetApp/netAppAccounts
Microsoft.Network/applicationGateways Microsoft.Network/applicationGatewayWebApplicationFirewallPolicies
Microsoft.Network/azureFirewalls Microsoft.Network/bastionHosts Microsoft.Network/ddosProtectionPlans
Microsoft.Network/dnsZones Microsoft.Network/expressRouteCircuits Microsoft.Network/firewallPolicies
Microsoft.Network/frontDoors Microsoft.Network/frontDoorWebApplicationFirewallPolicies
Microsoft.Network/loadBalancers Microsoft.Network/natGateways Microsoft.Network/networkInterfaces
Microsoft.Network/networkSecurityGroups Microsoft.Network/networkWatchers Microsoft.Network/networkWatchers/flowLogs
Microsoft.Network/privateDnsZones Microsoft.Network/privateEndpoints Microsoft.Network/publicIPAddresses
Microsoft.Network/routeTables Microsoft.Network/trafficManagerProfiles Microsoft.Network/virtualNetworkGateways
Microsoft.Network/virtualNetworks Microsoft.Network/vpnGateways
Microsoft.OperationalInsights/workspaces Microsoft.OperationsManagement/solutions
Microsoft.PowerBIDedicated/capacities Microsoft.Purview/accounts
Microsoft.RecoveryServices/vaults Microsoft.Relay/namespaces
Microsoft.Search/searchServices Microsoft.ServiceBus/namespaces Microsoft.SignalRService/SignalR
Microsoft.Sql/managedInstances Microsoft.Sql/managedInstances/databases
Microsoft.Sql/servers Microsoft.Sql/servers/databases Microsoft.Sql/servers/elasticPools
Microsoft.Storage/storageAccounts Microsoft.StorageSync/storageSyncServices
Microsoft.StreamAnalytics/streamingJobs Microsoft.Synapse/workspaces
Microsoft.Web/hostingEnvironments Microsoft.Web/serverfarms Microsoft.Web/sites Microsoft.Web/sites/slots
Microsoft.Web/staticSites
`)

// index is a query of a Resource Graph table over all subscriptions. The rows
// are ordered by id, without which pages overlap and skip; and it sees what is
// inherited from management groups, which the default leaves out with a clean
// 200. count names the ask that says how many rows there must be.
func index(name, about, table string, where []string, count string) collect.Ask {
	a := graph(name, about, pipe(table, where)+" | order by id asc")
	a.Types = where
	a.Count = count
	return a
}

// pipe is the table, narrowed to some types.
func pipe(table string, types []string) string {
	if len(types) == 0 {
		return table
	}
	low := make([]string, len(types))
	for i, t := range types {
		low[i] = "'" + strings.ToLower(t) + "'"
	}
	return table + " | where type in~ (" + strings.Join(low, ", ") + ")"
}

// graph is a Resource Graph query.
func graph(name, about, query string) collect.Ask {
	return collect.Ask{
		Name: name, About: about,
		Of: []string{typeSubscription}, Batch: batch,
		Host: collect.HostARM, Method: "POST", Path: "/providers/Microsoft.ResourceGraph/resources",
		Body: `{"subscriptions":{ids},"query":` + quoted(query) +
			`,"options":{"resultFormat":"objectArray","$top":1000,"authorizationScopeFilter":"AtScopeAboveAndBelow"}}`,
		Header:     map[string]string{"Content-Type": "application/json"},
		APIVersion: "2022-10-01", Form: "resourceGraph", Paging: collect.PageSkipToken, PageSize: 1000,
		Pace:  collect.PaceResourceGraph,
		Needs: collect.Need{Permission: "Microsoft.ResourceGraph/resources/read, and read of what is listed", Role: roleReader},
		Doc:   rest + "azureresourcegraph/resourcegraph/resources/resources",
	}
}

// quoted is a query as a string of JSON. Our queries are of printable ASCII,
// for which Go and JSON quote alike.
func quoted(query string) string { return strconv.Quote(query) }

// counts is the ask that says how many rows a table has per subscription.
func counts(name, about, query string) collect.Ask {
	a := graph(name, about, query+" | summarize count_ = count() by subscriptionId | order by subscriptionId asc")
	a.Entity, a.Identity = "arm/resourceCounts", "subscriptionId"
	return a
}

// indexAsks are the queries to Resource Graph. Role definitions are not among
// them: the index gives a custom role the id of the tenant and the provider
// one of each subscription, so that the same role would count twice.
func indexAsks() []collect.Ask {
	asks := []collect.Ask{
		counts("resource-counts", "how many resources each subscription has", "resources"),
		index("resources", "all resources with their properties", "resources", nil, "resource-counts"),
		counts("container-counts", "how many containers each subscription has", "resourcecontainers | where "+containers),
		index("resource-groups", "subscriptions with the management groups above them, and resource groups",
			"resourcecontainers | where "+containers, nil, "container-counts"),
		index("index-role-assignments", "role assignments as indexed, at every scope above and below; classic administrators while there are any",
			"authorizationresources", []string{"Microsoft.Authorization/roleAssignments", "Microsoft.Authorization/classicAdministrators"}, ""),
		index("index-policy", "policy definitions, initiatives, assignments and exemptions as indexed", "policyresources", []string{
			"Microsoft.Authorization/policyDefinitions", "Microsoft.Authorization/policySetDefinitions",
			"Microsoft.Authorization/policyAssignments", "Microsoft.Authorization/policyExemptions",
		}, ""),
		counts("policy-state-counts", "how many policy states each subscription has", "policyresources | where type =~ 'microsoft.policyinsights/policystates'"),
		index("policy-states", "the latest state of each resource for each policy assigned to it", "policyresources",
			[]string{"Microsoft.PolicyInsights/policyStates"}, "policy-state-counts"),
		index("index-security", "recommendations, secure score, plans and regulatory compliance of Defender for Cloud as indexed", "securityresources", []string{
			"Microsoft.Security/assessments", "Microsoft.Security/secureScores", "Microsoft.Security/secureScores/secureScoreControls",
			"Microsoft.Security/pricings", "Microsoft.Security/regulatoryComplianceStandards",
			"Microsoft.Security/regulatoryComplianceStandards/regulatoryComplianceControls",
		}, ""),
		index("index-advisor", "recommendations of Advisor", "advisorresources", []string{"Microsoft.Advisor/recommendations"}, ""),
		index("service-health", "events of Service Health", "servicehealthresources", []string{"Microsoft.ResourceHealth/events"}, ""),
		index("resource-health", "the health of resources now, and why it changed", "healthresources", []string{
			"Microsoft.ResourceHealth/availabilityStatuses", "Microsoft.ResourceHealth/resourceAnnotations",
		}, ""),
		index("index-backup", "backup items, policies, jobs and replicated items of all vaults as indexed", "recoveryservicesresources", []string{
			"Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems",
			"Microsoft.RecoveryServices/vaults/backupPolicies", "Microsoft.RecoveryServices/vaults/backupJobs",
			"Microsoft.RecoveryServices/vaults/replicationFabrics/replicationProtectionContainers/replicationProtectedItems",
			"Microsoft.RecoveryServices/vaults/replicationJobs", "Microsoft.RecoveryServices/vaults/replicationRecoveryPlans",
			"Microsoft.DataProtection/backupVaults/backupInstances", "Microsoft.DataProtection/backupVaults/backupJobs",
			"Microsoft.DataProtection/backupVaults/backupPolicies",
		}, ""),
		index("patch-assessments", "which updates machines lack, by the last assessment", "patchassessmentresources", []string{
			"Microsoft.Compute/virtualMachines/patchAssessmentResults", "Microsoft.HybridCompute/machines/patchAssessmentResults",
		}, ""),
		index("patch-installations", "what the last installation of updates came to", "patchinstallationresources", []string{
			"Microsoft.Compute/virtualMachines/patchInstallationResults", "Microsoft.HybridCompute/machines/patchInstallationResults",
		}, ""),
		index("maintenance-assignments", "which machines a maintenance schedule covers", "maintenanceresources",
			[]string{"Microsoft.Maintenance/configurationAssignments"}, ""),
		index("index-guest-configuration", "machine configuration assignments as indexed", "guestconfigurationresources",
			[]string{"Microsoft.GuestConfiguration/guestConfigurationAssignments"}, ""),
		index("fired-alerts", "alerts of Azure Monitor that fired in the last 30 days, and their state", "alertsmanagementresources",
			[]string{"Microsoft.AlertsManagement/alerts"}, ""),
		index("lighthouse", "what other tenants may do here by delegation", "managedserviceresources", []string{
			"Microsoft.ManagedServices/registrationAssignments", "Microsoft.ManagedServices/registrationDefinitions",
		}, ""),
	}
	asks[1].Types = indexTypes
	// Subscriptions are rows too, but the list of Resource Manager is what all
	// else waits for: this one cannot also be what it waits for.
	asks[3].Types = []string{"Microsoft.Resources/subscriptions/resourceGroups"}

	// Vulnerabilities that were fixed are many and say nothing; the others are
	// not all there are, so nothing is claimed to be complete.
	found := graph("vulnerabilities", "vulnerabilities that scanners found and that are still there",
		"securityresources | where type =~ 'microsoft.security/assessments/subassessments' and properties.status.code =~ 'Unhealthy' | order by id asc")
	found.Needs.Role = roleSecurityReader

	// Without subscriptions the query is the tenant's. Partial scopes are
	// refused, so that more than 10,000 subscriptions are an error, not a cut.
	groups := graph("index-management-groups", "management groups with the chain above each",
		"resourcecontainers | where type =~ 'microsoft.management/managementgroups' | order by id asc")
	groups.Of, groups.Batch = nil, 0
	groups.Body = strings.NewReplacer(`"subscriptions":{ids},`, "", `"$top":1000,`, `"$top":1000,"allowPartialScopes":false,`).Replace(groups.Body)
	groups.Types = []string{"Microsoft.Management/managementGroups"}

	return append(asks, found, groups)
}

// containers narrows the table of containers to those of subscriptions:
// management groups belong to none, and are asked for apart.
const containers = "type in~ ('microsoft.resources/subscriptions', 'microsoft.resources/subscriptions/resourcegroups')"
