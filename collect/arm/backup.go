// SPDX-License-Identifier: Apache-2.0

package arm

import (
	"slices"

	"github.com/tickmark/tickmark/collect"
)

// backupAsks read backup and Site Recovery of each vault: what is protected,
// by which policy, how the jobs went, and whether a failover was tested (a
// replication job with the scenario TestFailover).
func backupAsks() []collect.Ask {
	const (
		vault  = "Microsoft.RecoveryServices/vaults"
		backup = "Microsoft.DataProtection/backupVaults"
	)
	jobs := list("backup-jobs", "backup and restore jobs of each vault", vault+"/backupJobs", "", "backup/backup-jobs/list")
	jobs.Query = "$filter=startTime%20eq%20'{from}'%20and%20endTime%20eq%20'{to}'"
	jobs.Window = &collect.Window{Field: "properties.startTime", Span: 30 * day, Layout: "2006-01-02 03:04:05 PM"}
	return slices.Concat(
		below(vault, "2023-04-01",
			collect.Ask{
				Name: "backup-items", About: "what each vault protects, and when it was last backed up",
				Path:  "{id}/backupProtectedItems",
				Types: []string{vault + "/backupFabrics/protectionContainers/protectedItems"},
				Needs: collect.Need{Permission: vault + "/backupProtectedItems/read", Role: roleReader},
				Doc:   rest + "backup/backup-protected-items/list",
			},
			list("backup-policies", "how often is backed up and how long backups are kept", vault+"/backupPolicies", "", "backup/backup-policies/list"),
			jobs,
			collect.Ask{
				Name: "backup-config", About: "soft delete and security settings of each vault",
				Path: "{id}/backupconfig/vaultconfig", Form: "armObject", Types: []string{vault + "/backupconfig"},
				Doc: rest + "backup/backup-resource-vault-configs/get",
			},
		),
		below(vault, "2023-01-01",
			collect.Ask{
				Name: "replicated-items", About: "what Site Recovery replicates, its health and its last test failover",
				Path:  "{id}/replicationProtectedItems",
				Types: []string{vault + "/replicationFabrics/replicationProtectionContainers/replicationProtectedItems"},
				Needs: collect.Need{Permission: vault + "/replicationProtectedItems/read", Role: roleReader},
				Doc:   rest + "site-recovery/replication-protected-items/list",
			},
			list("replication-jobs", "jobs of Site Recovery, test failovers among them", vault+"/replicationJobs", "", "site-recovery/replication-jobs/list"),
			list("recovery-plans", "recovery plans with their last test failover", vault+"/replicationRecoveryPlans", "", "site-recovery/replication-recovery-plans/list"),
		),
		below(backup, "2024-04-01",
			list("backup-instances", "what each Backup vault protects", backup+"/backupInstances", "", "dataprotection/backup-instances/list"),
			list("backup-vault-policies", "the policies of each Backup vault", backup+"/backupPolicies", "", "dataprotection/backup-policies/list"),
			list("backup-vault-jobs", "the jobs of each Backup vault", backup+"/backupJobs", "", "dataprotection/jobs/list"),
		),
	)
}

// sentinelAsks read Microsoft Sentinel. It answers 400 BadRequest, "is not
// onboarded", for a workspace without it, which says nothing about why; the
// onboarding states are listed first, and the rest only where there is one. An
// empty list is an answer; that of one state by its name would be 404, which
// can mean as well that the identity may not see it, and incidents that nobody
// asked for would then pass for none.
func sentinelAsks() []collect.Ask {
	const (
		workspace = "Microsoft.OperationalInsights/workspaces"
		state     = "Microsoft.SecurityInsights/onboardingStates"
		version   = "2024-03-01"
	)
	onboarded := below(workspace, version, collect.Ask{
		Name: "sentinel", About: "which workspaces have Microsoft Sentinel",
		Path: "{id}/providers/" + state, Types: []string{state},
		Doc: rest + "securityinsights/sentinel-onboarding-states/list",
	})
	asks := below(state, version,
		list("sentinel-rules", "analytics rules", "Microsoft.SecurityInsights/alertRules", "", "securityinsights/alert-rules/list"),
		list("sentinel-incidents", "incidents with severity, owner and when they were closed", "Microsoft.SecurityInsights/incidents", "", "securityinsights/incidents/list"),
		list("sentinel-connectors", "data connectors", "Microsoft.SecurityInsights/dataConnectors", "", "securityinsights/data-connectors/list"),
		list("sentinel-automation", "automation rules", "Microsoft.SecurityInsights/automationRules", "", "securityinsights/automation-rules/list"),
	)
	for i, a := range asks {
		asks[i].Path = "{^id}/providers/" + a.Types[0]
	}
	asks[1].Query = "$filter=properties/createdTimeUtc%20ge%20{from}%20and%20properties/createdTimeUtc%20lt%20{to}&$top=1000"
	asks[1].PageSize = 1000
	// An incident is deleted only with its workspace.
	asks[1].Window = &collect.Window{Field: "properties.createdTimeUtc"}
	return append(onboarded, asks...)
}
