// SPDX-License-Identifier: Apache-2.0

package arm

import (
	"strings"

	"github.com/tickmark/tickmark/collect"
)

// diagnosticTypes are the types that can have diagnostic settings and whose
// settings are read: one request for each resource, which is most of the time
// of a collection. A type that is not listed is not asked; a listed one that
// answers 400 stays unknown, because the list is then wrong and not the
// resource. A storage account has settings of its own for metrics only: logs
// are set on its services.
//
// Source: docs + azure-monitor/reference/logs-index (of 2024-12), the types with
// at least one category of resource logs. Virtual machines have categories for
// updates only and are not asked.
var diagnosticTypes = strings.Fields(`
Microsoft.ApiManagement/service
Microsoft.App/managedEnvironments
Microsoft.AppConfiguration/configurationStores
Microsoft.Automation/automationAccounts
Microsoft.Batch/batchAccounts
Microsoft.Cache/redis
Microsoft.Cdn/profiles
Microsoft.CognitiveServices/accounts
Microsoft.ContainerInstance/containerGroups
Microsoft.ContainerRegistry/registries
Microsoft.ContainerService/managedClusters
Microsoft.Databricks/workspaces
Microsoft.DataFactory/factories
Microsoft.DataProtection/backupVaults
Microsoft.DBforMariaDB/servers
Microsoft.DBforMySQL/flexibleServers
Microsoft.DBforMySQL/servers
Microsoft.DBforPostgreSQL/flexibleServers
Microsoft.DesktopVirtualization/hostPools
Microsoft.Devices/IotHubs
Microsoft.DocumentDB/databaseAccounts
Microsoft.EventGrid/domains
Microsoft.EventGrid/topics
Microsoft.EventHub/namespaces
Microsoft.Insights/components
Microsoft.Insights/dataCollectionRules
Microsoft.KeyVault/managedHSMs
Microsoft.KeyVault/vaults
Microsoft.Kusto/clusters
Microsoft.Logic/workflows
Microsoft.MachineLearningServices/workspaces
Microsoft.Network/applicationGateways
Microsoft.Network/azureFirewalls
Microsoft.Network/bastionHosts
Microsoft.Network/expressRouteCircuits
Microsoft.Network/frontDoors
Microsoft.Network/loadBalancers
Microsoft.Network/networkSecurityGroups
Microsoft.Network/publicIPAddresses
Microsoft.Network/trafficManagerProfiles
Microsoft.Network/virtualNetworkGateways
Microsoft.Network/virtualNetworks
Microsoft.Network/vpnGateways
Microsoft.OperationalInsights/workspaces
Microsoft.PowerBIDedicated/capacities
Microsoft.Purview/accounts
Microsoft.RecoveryServices/vaults
Microsoft.Relay/namespaces
Microsoft.Search/searchServices
Microsoft.ServiceBus/namespaces
Microsoft.SignalRService/SignalR
Microsoft.Sql/managedInstances
Microsoft.Sql/managedInstances/databases
Microsoft.Sql/servers/databases
Microsoft.Storage/storageAccounts/blobServices
Microsoft.Storage/storageAccounts/fileServices
Microsoft.Storage/storageAccounts/queueServices
Microsoft.Storage/storageAccounts/tableServices
Microsoft.StreamAnalytics/streamingJobs
Microsoft.Synapse/workspaces
Microsoft.Web/hostingEnvironments
Microsoft.Web/sites
Microsoft.Web/sites/slots
Microsoft.Web/staticSites
`)

// diagnosticAsks read where the logs of each resource go.
func diagnosticAsks() []collect.Ask {
	a := fill(collect.Ask{
		Name: "diagnostic-settings", About: "where the logs of each resource go",
		Path: "{id}/providers/Microsoft.Insights/diagnosticSettings", APIVersion: "2021-05-01-preview",
		Types:   []string{"Microsoft.Insights/diagnosticSettings"},
		Answers: []collect.Answer{lost},
		Doc:     rest + "monitor/diagnostic-settings/list",
	})
	a.Of = diagnosticTypes
	return []collect.Ask{a}
}
