// SPDX-License-Identifier: Apache-2.0

package arm

import (
	"slices"

	"github.com/tickmark/tickmark/collect"
)

// childAsks read what lies below a resource, where a check needs it and
// Resource Graph lacks it. Subnets, security rules and the private endpoint
// connections of vaults and storage accounts come inside their parents.
func childAsks() []collect.Ask {
	return slices.Concat(storageAsks(), webAsks(), sqlAsks(), databaseAsks(), platformAsks())
}

// storageAsks: an account of a kind that lacks a service (FileStorage has no
// blobs) answers 400 FeatureNotSupportedForAccount, as reported for example in
// github.com/turbot/steampipe-plugin-azure/issues/474.
func storageAsks() []collect.Ask {
	const account = "Microsoft.Storage/storageAccounts"
	unsupported := []collect.Answer{{Status: 400, Code: "FeatureNotSupportedForAccount", Means: collect.MeansNoSuch}}
	asks := below(account, "2023-05-01",
		list("blob-services", "blob service settings: soft delete, versioning, change feed", account+"/blobServices", "", "storagerp/blob-services/list"),
		list("file-services", "file service settings", account+"/fileServices", "", "storagerp/file-services/list"),
		list("queue-services", "queue service settings", account+"/queueServices", "", "storagerp/queue-services/list"),
		list("table-services", "table service settings", account+"/tableServices", "", "storagerp/table-services/list"),
		list("blob-containers", "containers with their public access, immutability and legal holds", account+"/blobServices/containers", "", "storagerp/blob-containers/list"),
		list("encryption-scopes", "encryption scopes", account+"/encryptionScopes", "", "storagerp/encryption-scopes/list"),
		collect.Ask{
			Name: "storage-lifecycle", About: "the rules by which blobs are moved and deleted",
			Path: "{id}/managementPolicies/default", Form: "armObject", Types: []string{account + "/managementPolicies"},
			// An account without rules answers 404 with the first of these codes
			// (unverified).
			Answers: absent("ManagementPolicyNotFound"),
			Doc:     rest + "storagerp/management-policies/get",
		},
	)
	for i := range asks {
		asks[i].Answers = slices.Concat(asks[i].Answers, unsupported)
	}
	asks[4].Path = "{id}/blobServices/default/containers"
	return asks
}

// webAsks read the configuration of web apps by GET. Application settings,
// connection strings, publishing credentials and the backup schedule are
// behind POST actions that list secrets: they are not asked for.
func webAsks() []collect.Ask {
	const site = "Microsoft.Web/sites"
	config := func(name, about, part, doc string) collect.Ask {
		return collect.Ask{
			Name: name, About: about, Path: "{id}/config/" + part, Form: "armObject",
			Needs: collect.Need{Permission: site + "/config/read", Role: roleReader},
			Doc:   rest + "appservice/web-apps/" + doc,
		}
	}
	asks := below(site, "2023-12-01",
		config("web-config", "the configuration of each app: TLS, FTP, debugging, CORS", "web", "get-configuration"),
		config("web-auth", "how each app signs people in, without secrets", "authsettingsV2", "get-auth-settings-v2-without-secrets"),
		config("web-logs", "what each app logs and where", "logs", "get-diagnostic-logs-configuration"),
		list("web-backups", "backups of each app", site+"/backups", "", "appservice/web-apps/list-backups"),
		list("web-publishing", "whether basic authentication is allowed for publishing", site+"/basicPublishingCredentialsPolicies", "", "appservice/web-apps/list-basic-publishing-credentials-policies"),
		list("web-slots", "deployment slots", site+"/slots", "", "appservice/web-apps/list-slots"),
	)
	// All three are of one type: absence of a configuration may be concluded
	// only where each was answered.
	for i := range 3 {
		asks[i].Types, asks[i].Part = []string{site + "/config"}, true
	}
	sas := []string{"properties.applicationLogs.azureBlobStorage.sasUrl", "properties.applicationLogs.azureTableStorage.sasUrl", "properties.httpLogs.azureBlobStorage.sasUrl"}
	asks[2].Redact = sas
	asks[3].Redact = []string{"properties.storageAccountUrl"}
	return asks
}

func sqlAsks() []collect.Ask {
	const (
		server   = "Microsoft.Sql/servers"
		database = "Microsoft.Sql/servers/databases"
		instance = "Microsoft.Sql/managedInstances"
		version  = "2021-11-01"
	)
	// Databases of the system have no settings of their own.
	user := func(s *collect.Subject) bool { return s.Name != "master" }
	perDatabase := below(database, version,
		list("sql-encryption", "transparent data encryption of each database", database+"/transparentDataEncryption", "", "sql/transparent-data-encryptions/list-by-database"),
		list("sql-backup-short", "how long backups for restoring to a point in time are kept", database+"/backupShortTermRetentionPolicies", "", "sql/backup-short-term-retention-policies/list-by-database"),
		list("sql-backup-long", "how long other backups are kept", database+"/backupLongTermRetentionPolicies", "", "sql/long-term-retention-policies/list-by-database"),
	)
	for i := range perDatabase {
		perDatabase[i].Where = user
	}
	return slices.Concat(
		below(server, version,
			list("sql-databases", "databases", database, "", "sql/databases/list-by-server"),
			list("sql-auditing", "auditing settings of each server", server+"/auditingSettings", "", "sql/server-blob-auditing-policies/list-by-server"),
			list("sql-threat-detection", "threat detection settings of each server", server+"/securityAlertPolicies", "", "sql/server-security-alert-policies/list-by-server"),
			list("sql-vulnerability", "vulnerability assessment settings of each server", server+"/vulnerabilityAssessments", "", "sql/server-vulnerability-assessments/list-by-server"),
			list("sql-protector", "the key that protects the encryption keys of each server", server+"/encryptionProtector", "", "sql/encryption-protectors/list-by-server"),
			list("sql-administrators", "Entra administrators of each server", server+"/administrators", "", "sql/server-azure-ad-administrators/list-by-server"),
			list("sql-entra-only", "whether only Entra sign-in is allowed", server+"/azureADOnlyAuthentications", "", "sql/server-azure-ad-only-authentications/list-by-server"),
			list("sql-firewall", "firewall rules of each server", server+"/firewallRules", "", "sql/firewall-rules/list-by-server"),
			list("sql-network-rules", "virtual network rules of each server", server+"/virtualNetworkRules", "", "sql/virtual-network-rules/list-by-server"),
			list("sql-private-endpoints", "private endpoint connections of each server", server+"/privateEndpointConnections", "", "sql/private-endpoint-connections/list-by-server"),
		),
		below(server, "2023-08-01",
			list("sql-vulnerability-express", "vulnerability assessment settings of each server, express configuration", server+"/sqlVulnerabilityAssessments", "", "sql/sql-vulnerability-assessments-settings/list-by-server"),
		),
		perDatabase,
		below(instance, version,
			list("sqlmi-protector", "the key that protects the encryption keys of each managed instance", instance+"/encryptionProtector", "", "sql/managed-instance-encryption-protectors/list-by-instance"),
			list("sqlmi-threat-detection", "threat detection settings of each managed instance", instance+"/securityAlertPolicies", "", "sql/managed-server-security-alert-policies/list-by-instance"),
			list("sqlmi-vulnerability", "vulnerability assessment settings of each managed instance", instance+"/vulnerabilityAssessments", "", "sql/managed-instance-vulnerability-assessments/list-by-instance"),
		),
	)
}

func databaseAsks() []collect.Ask {
	const (
		postgres = "Microsoft.DBforPostgreSQL/flexibleServers"
		mysql    = "Microsoft.DBforMySQL/flexibleServers"
	)
	return slices.Concat(
		below(postgres, "2022-12-01",
			list("postgresql-configuration", "server parameters: TLS, logging", postgres+"/configurations", "", "postgresql/flexibleserver/configurations/list-by-server"),
			list("postgresql-firewall", "firewall rules", postgres+"/firewallRules", "", "postgresql/flexibleserver/firewall-rules/list-by-server"),
		),
		below(mysql, "2023-12-30",
			list("mysql-configuration", "server parameters: TLS, audit log", mysql+"/configurations", "", "mysql/flexibleserver/configurations/list-by-server"),
			list("mysql-firewall", "firewall rules", mysql+"/firewallRules", "", "mysql/flexibleserver/firewall-rules/list-by-server"),
		),
	)
}

// platformAsks read the remaining children. Keys and secrets of a vault are
// read through Resource Manager, which answers with their attributes and never
// with a value, and which a vault's firewall does not stop. A certificate has
// a secret of the same name with the content type application/x-pkcs12 or
// application/x-pem-file: its expiry is the certificate's.
func platformAsks() []collect.Ask {
	const (
		vault      = "Microsoft.KeyVault/vaults"
		cluster    = "Microsoft.ContainerService/managedClusters"
		registry   = "Microsoft.ContainerRegistry/registries"
		workspace  = "Microsoft.OperationalInsights/workspaces"
		automation = "Microsoft.Automation/automationAccounts"
		machine    = "Microsoft.Compute/virtualMachines"
		watcher    = "Microsoft.Network/networkWatchers"
		profile    = "Microsoft.Cdn/profiles"
		identity   = "Microsoft.ManagedIdentity/userAssignedIdentities"
	)
	tables := below(workspace, "2022-10-01",
		list("log-tables", "the tables of each workspace with their retention", workspace+"/tables", "", "loganalytics/tables/list-by-workspace"),
		list("log-exports", "continuous exports of each workspace", workspace+"/dataExports", "2020-08-01", "loganalytics/data-exports/list-by-workspace"),
	)
	variables := below(automation, "2023-11-01",
		list("automation-variables", "variables of each Automation account: whether they are encrypted, not their values", automation+"/variables", "", "automation/variable/list-by-automation-account"),
		list("automation-runbooks", "runbooks of each Automation account", automation+"/runbooks", "", "automation/runbook/list-by-automation-account"),
	)
	variables[0].Redact = []string{"properties.value"}
	return slices.Concat(
		below(vault, "2023-07-01",
			list("vault-keys", "keys of each vault with their expiry", vault+"/keys", "", "keyvault/keyvault/keys/list"),
			list("vault-secrets", "secrets of each vault with content type and expiry, without values", vault+"/secrets", "", "keyvault/keyvault/secrets/list"),
		),
		below(cluster, "2024-05-01",
			list("agent-pools", "node pools of each cluster", cluster+"/agentPools", "", "aks/agent-pools/list"),
			list("cluster-maintenance", "when each cluster is upgraded", cluster+"/maintenanceConfigurations", "", "aks/maintenance-configurations/list-by-managed-cluster"),
		),
		below(registry, "2023-07-01",
			list("registry-tokens", "tokens of each registry and whether they are enabled", registry+"/tokens", "", "containerregistry/tokens/list"),
			list("registry-replications", "where each registry is replicated to", registry+"/replications", "", "containerregistry/replications/list"),
		),
		tables, variables,
		below(machine, "2024-03-01",
			list("vm-extensions", "extensions of each virtual machine", machine+"/extensions", "", "compute/virtual-machine-extensions/list")),
		below(watcher, "2023-11-01",
			list("flow-logs", "flow logs of each network watcher", watcher+"/flowLogs", "", "network-watcher/flow-logs/list")),
		below(profile, "2023-05-01",
			list("front-door-security", "security policies of each Front Door profile", profile+"/securityPolicies", "", "frontdoor/azurefrontdoorstandardpremium/security-policies/list-by-profile")),
		below(identity, "2023-01-31",
			list("federated-credentials", "whom each managed identity trusts to act as it", identity+"/federatedIdentityCredentials", "", "managedidentity/federated-identity-credentials/list")),
	)
}
