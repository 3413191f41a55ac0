// SPDX-License-Identifier: Apache-2.0

package arm

import "github.com/tickmark/tickmark/collect"

// list is a provider's own list of one type in a whole subscription, with all
// properties.
func list(name, about, typ, version, doc string) collect.Ask {
	return collect.Ask{Name: name, About: about, Types: []string{typ}, APIVersion: version, Doc: rest + doc}
}

// subscriptionAsks read the types that the checks judge from their providers.
// Resource Graph lists them too: the two populations are compared, and where
// the fields differ the provider is right.
func subscriptionAsks() []collect.Ask {
	const network = "2023-11-01"
	networks := list("virtual-networks", "virtual networks with their subnets", "Microsoft.Network/virtualNetworks", network, "virtualnetwork/virtual-networks/list-all")
	// Subnets come whole inside their network.
	networks.Types = append(networks.Types, "Microsoft.Network/virtualNetworks/subnets")
	return each(
		list("storage-accounts", "storage accounts", "Microsoft.Storage/storageAccounts", "2023-05-01", "storagerp/storage-accounts/list"),
		list("key-vaults", "key vaults", "Microsoft.KeyVault/vaults", "2023-07-01", "keyvault/keyvault/vaults/list-by-subscription"),
		list("web-sites", "web apps and functions, without their configuration", "Microsoft.Web/sites", "2023-12-01", "appservice/web-apps/list"),
		list("virtual-machines", "virtual machines", "Microsoft.Compute/virtualMachines", "2024-03-01", "compute/virtual-machines/list-all"),
		list("disks", "managed disks", "Microsoft.Compute/disks", "2023-10-02", "compute/disks/list"),
		list("container-registries", "container registries", "Microsoft.ContainerRegistry/registries", "2023-07-01", "containerregistry/registries/list"),
		list("kubernetes-clusters", "managed Kubernetes clusters", "Microsoft.ContainerService/managedClusters", "2024-05-01", "aks/managed-clusters/list"),
		list("cosmos-accounts", "Cosmos DB accounts", "Microsoft.DocumentDB/databaseAccounts", "2024-05-15", "cosmos-db-resource-provider/database-accounts/list"),
		list("mysql-servers", "MySQL flexible servers", "Microsoft.DBforMySQL/flexibleServers", "2023-12-30", "mysql/flexibleserver/servers/list"),
		list("postgresql-servers", "PostgreSQL flexible servers", "Microsoft.DBforPostgreSQL/flexibleServers", "2022-12-01", "postgresql/flexibleserver/servers/list"),
		list("redis-caches", "Redis caches", "Microsoft.Cache/redis", "2023-08-01", "redis/redis/list-by-subscription"),
		list("sql-servers", "SQL servers", "Microsoft.Sql/servers", "2021-11-01", "sql/servers/list"),
		list("sql-managed-instances", "SQL managed instances", "Microsoft.Sql/managedInstances", "2021-11-01", "sql/managed-instances/list"),
		list("log-workspaces", "Log Analytics workspaces with their retention", "Microsoft.OperationalInsights/workspaces", "2022-10-01", "loganalytics/workspaces/list"),
		list("application-gateways", "application gateways", "Microsoft.Network/applicationGateways", network, "application-gateway/application-gateways/list-all"),
		list("waf-policies", "web application firewall policies of application gateways", "Microsoft.Network/applicationGatewayWebApplicationFirewallPolicies", network, "application-gateway/web-application-firewall-policies/list-all"),
		list("firewall-policies", "firewall policies", "Microsoft.Network/firewallPolicies", network, "virtualnetwork/firewall-policies/list-all"),
		list("network-interfaces", "network interfaces", "Microsoft.Network/networkInterfaces", network, "virtualnetwork/network-interfaces/list-all"),
		list("security-groups", "network security groups with their rules", "Microsoft.Network/networkSecurityGroups", network, "virtualnetwork/network-security-groups/list-all"),
		list("network-watchers", "network watchers", "Microsoft.Network/networkWatchers", network, "network-watcher/network-watchers/list-all"),
		list("private-endpoints", "private endpoints", "Microsoft.Network/privateEndpoints", network, "virtualnetwork/private-endpoints/list-by-subscription"),
		list("public-addresses", "public IP addresses", "Microsoft.Network/publicIPAddresses", network, "virtualnetwork/public-ip-addresses/list-all"),
		networks,
		list("cdn-profiles", "Front Door and CDN profiles", "Microsoft.Cdn/profiles", "2023-05-01", "cdn/profiles/list"),
		list("recovery-vaults", "Recovery Services vaults", "Microsoft.RecoveryServices/vaults", "2023-04-01", "recoveryservices/vaults/list-by-subscription-id"),
		list("backup-vaults", "Backup vaults", "Microsoft.DataProtection/backupVaults", "2024-04-01", "dataprotection/backup-vaults/get-in-subscription"),
		list("automation-accounts", "Automation accounts", "Microsoft.Automation/automationAccounts", "2023-11-01", "automation/automation-account/list"),
		list("managed-identities", "user-assigned managed identities", "Microsoft.ManagedIdentity/userAssignedIdentities", "2023-01-31", "managedidentity/user-assigned-identities/list-by-subscription"),
		list("guest-configuration", "machine configuration assignments with their state", "Microsoft.GuestConfiguration/guestConfigurationAssignments", "2022-01-25", "guestconfiguration/guest-configuration-assignments/subscription-list"),
		list("ai-services", "AI services and OpenAI accounts", "Microsoft.CognitiveServices/accounts", "2023-05-01", "aiservices/accountmanagement/accounts/list"),
		list("search-services", "AI Search services", "Microsoft.Search/searchServices", "2023-11-01", "searchmanagement/services/list-by-subscription"),
		list("ml-workspaces", "Machine Learning workspaces", "Microsoft.MachineLearningServices/workspaces", "2024-04-01", "azureml/workspaces/list-by-subscription"),
		list("databricks-workspaces", "Databricks workspaces", "Microsoft.Databricks/workspaces", "2024-05-01", "databricks/workspaces/list-by-subscription"),
		list("service-fabric-clusters", "Service Fabric clusters", "Microsoft.ServiceFabric/clusters", "2021-06-01", "servicefabric/clusters/list"),
		list("iot-hubs", "IoT hubs", "Microsoft.Devices/IotHubs", "2023-06-30", "iothub/iot-hub-resource/list-by-subscription"),
		list("maintenance-configurations", "schedules of updates", "Microsoft.Maintenance/maintenanceConfigurations", "2023-04-01", "maintenance/maintenance-configurations/list"),
	)
}

// defenderAsks read Microsoft Defender for Cloud.
func defenderAsks() []collect.Ask {
	asks := each(
		list("defender-plans", "the plans of Defender for Cloud with their extensions", "Microsoft.Security/pricings", "2024-01-01", "defenderforcloud/pricings/list"),
		list("security-contacts", "whom Defender for Cloud notifies", "Microsoft.Security/securityContacts", "2023-12-01-preview", "defenderforcloud/security-contacts/list"),
		list("auto-provisioning", "whether agents are put on machines by themselves", "Microsoft.Security/autoProvisioningSettings", "2017-08-01-preview", "defenderforcloud/auto-provisioning-settings/list"),
		list("assessments", "recommendations of Defender for Cloud and their state for each resource", "Microsoft.Security/assessments", "2020-01-01", "defenderforcloud/assessments/list"),
		list("security-alerts", "security alerts", "Microsoft.Security/locations/alerts", "2022-01-01", "defenderforcloud/alerts/list"),
		list("secure-scores", "the secure score", "Microsoft.Security/secureScores", "2020-01-01", "defenderforcloud/secure-scores/list"),
		list("compliance-standards", "regulatory standards that Defender for Cloud assesses", "Microsoft.Security/regulatoryComplianceStandards", "2019-01-01-preview", "defenderforcloud/regulatory-compliance-standards/list"),
		list("security-settings", "whether Defender for Cloud exchanges data with Defender for Endpoint and Cloud Apps", "Microsoft.Security/settings", "2022-05-01", "defenderforcloud/settings/list"),
	)
	for i := range asks {
		asks[i].Needs.Role = roleSecurityReader
	}
	const alerts = 4
	asks[alerts].Path = "{id}/providers/Microsoft.Security/alerts"
	asks[alerts].Needs.Permission = "Microsoft.Security/alerts/read"
	controls := below("Microsoft.Security/regulatoryComplianceStandards", "2019-01-01-preview",
		list("compliance-controls", "the controls of each standard and their state",
			"Microsoft.Security/regulatoryComplianceStandards/regulatoryComplianceControls", "", "defenderforcloud/regulatory-compliance-controls/list"))
	controls[0].Needs.Role = roleSecurityReader
	return append(asks, controls...)
}
