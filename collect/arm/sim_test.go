// SPDX-License-Identifier: Apache-2.0

package arm_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/azuresim"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/collect/arm"
)

const organisation = `
name: Small
tenant: {domains: [small.example]}
managementGroups: [{name: prod, display: Production}]
subscriptions:
  - {name: one, managementGroup: prod}
  - {name: two}
resources:
  - type: Microsoft.Storage/storageAccounts
    name: "st{n:03}{hex:6}"
    count: 5
    kind: StorageV2
    properties: {supportsHttpsTrafficOnly: true}
    children:
      - {type: blobServices, name: default, properties: {isVersioningEnabled: true}}
  - type: Microsoft.KeyVault/vaults
    name: "kv{n:03}"
    count: 2
    properties: {enableSoftDelete: true}
    children:
      - {type: keys, name: "k{n:02}", count: 3, properties: {attributes: {enabled: true}}}
      - {type: Microsoft.Insights/diagnosticSettings, name: audit, properties: {logs: []}}
  - type: Microsoft.OperationalInsights/workspaces
    name: logs
    subscriptions: [one]
    properties: {retentionInDays: 365, customerId: 6c0ffee0-0000-4000-8000-000000000001}
    children:
      - {type: tables, name: AzureActivity, properties: {retentionInDays: 365}}
      - {type: tables, name: AuditLogs, properties: {retentionInDays: 365}}
      - {type: tables, name: SecurityAlert, properties: {retentionInDays: 365}}
      - {type: tables, name: SigninLogs, properties: {retentionInDays: 365}}
      - {type: tables, name: AADServicePrincipalSignInLogs, properties: {retentionInDays: 365}}
      - {type: dataExports, name: keep, properties: {destination: {resourceId: "/subscriptions/{subscription:two}/resourceGroups/rg-two/providers/Microsoft.Storage/storageAccounts/stlogs"}, tableNames: [SecurityAlert, AuditLogs], enable: true}}
  - type: Microsoft.Storage/storageAccounts
    name: stlogs
    subscriptions: [two]
    kind: StorageV2
    properties: {supportsHttpsTrafficOnly: true}
    children:
      - {type: blobServices, name: default, properties: {isVersioningEnabled: true}}
  - {type: microsoft.aadiam/diagnosticSettings, name: export, at: tenant, properties: {storageAccountId: "/subscriptions/{subscription:two}/resourceGroups/rg-two/providers/Microsoft.Storage/storageAccounts/stlogs", logs: [{category: AuditLogs, enabled: true}]}}
  - {type: Microsoft.Insights/diagnosticSettings, at: subscription, name: activity, properties: {storageAccountId: "/subscriptions/{subscription:two}/resourceGroups/rg-two/providers/Microsoft.Storage/storageAccounts/stlogs", logs: [{category: Administrative, enabled: true}]}}
  - {type: Microsoft.Insights/diagnosticSettings, at: managementGroup/prod, name: activity, properties: {storageAccountId: "/subscriptions/{subscription:two}/resourceGroups/rg-two/providers/Microsoft.Storage/storageAccounts/stlogs", logs: [{category: Administrative, enabled: true}]}}
  - {type: Microsoft.Authorization/policyAssignments, at: managementGroup/prod, name: baseline, appears: -1d, by: Ada Ray, properties: {scope: "/providers/Microsoft.Management/managementGroups/prod"}}
  - {type: Microsoft.Authorization/roleAssignmentScheduleRequests, at: managementGroup/prod, name: request, properties: {requestType: SelfActivate, justification: incident 7, status: Provisioned}}
  - {type: Microsoft.Authorization/roleManagementPolicies, at: managementGroup/prod, name: p-group, properties: {rules: []}}
  - {type: Microsoft.Authorization/roleManagementPolicyAssignments, at: managementGroup/prod, name: a-group, properties: {policyId: p-group}}
  - type: Microsoft.Storage/storageAccounts
    name: stpim
    subscriptions: [one]
    kind: StorageV2
    properties: {supportsHttpsTrafficOnly: true}
    children:
      - {type: blobServices, name: default, properties: {isVersioningEnabled: true}}
      - {type: Microsoft.Authorization/roleEligibilityScheduleInstances, name: e-below, properties: {scope: "{parent}", roleDefinitionId: /providers/Microsoft.Authorization/roleDefinitions/one, principalId: ada}}
      - {type: Microsoft.Authorization/roleManagementPolicies, name: p-below, properties: {rules: [{id: Approval_EndUser_Assignment}]}}
      - {type: Microsoft.Authorization/roleManagementPolicies, name: p-idle, properties: {rules: []}}
      - {type: Microsoft.Authorization/roleManagementPolicyAssignments, name: a-below, properties: {scope: "{parent}", roleDefinitionId: /providers/Microsoft.Authorization/roleDefinitions/one, policyId: "{parent}/providers/Microsoft.Authorization/roleManagementPolicies/p-below"}}
      - {type: Microsoft.Authorization/roleManagementPolicyAssignments, name: a-idle, properties: {scope: "{parent}", roleDefinitionId: /providers/Microsoft.Authorization/roleDefinitions/two, policyId: "{parent}/providers/Microsoft.Authorization/roleManagementPolicies/p-idle"}}
archives:
  - {account: stlogs, logs: [AzureActivity, AuditLogs, SigninLogs], exports: [SecurityAlert, AuditLogs], workspace: logs, since: -300d, gaps: [{from: -2d, to: -1d}]}
workspaces:
  - name: logs
    customerId: 6c0ffee0-0000-4000-8000-000000000001
    tables: [AzureActivity, AuditLogs, SecurityAlert, SigninLogs, AADServicePrincipalSignInLogs]
logs: {signIns: {perDay: 20}, audits: {perDay: 5}, activity: {perDay: 9}, alerts: {perDay: 2}}
people: [{name: Ada Ray, upn: ada@small.example}]
roleAssignments:
  - {principal: Ada Ray, role: Owner, scope: /}
  - {principal: Ada Ray, role: Reader, scope: managementGroup/prod, created: -1d, by: Ada Ray}
  - {principal: Ada Ray, role: User Access Administrator, scope: /, created: -2d, by: Ada Ray}
  - {principal: Ada Ray, role: Reader, scope: managementGroup/root, created: -2d, by: Ada Ray}
  - {principal: Ada Ray, role: Contributor, scope: subscription/one}
`

// leaper is the wall clock, but for waiting: that takes no time. Both sides
// use it, so that quotas are kept and the tests are quick.
type leaper struct {
	mu  sync.Mutex
	off time.Duration
}

// Now implements collect.Clock.
func (l *leaper) Now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return collect.SystemClock{}.Now().Add(l.off)
}

// Sleep implements collect.Clock.
func (l *leaper) Sleep(ctx context.Context, d time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.off += d
	return ctx.Err()
}

// simulate puts the whole source to a simulated Azure.
func simulate(t *testing.T, faults ...azuresim.Fault) *tickmark.Snapshot {
	t.Helper()
	org, err := azuresim.Parse("test.yaml", []byte(organisation))
	if err != nil {
		t.Fatal(err)
	}
	wall := &leaper{}
	s, err := azuresim.New(org, azuresim.Options{Seed: 7, Now: wall.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Inject(faults...); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	file := filepath.Join(t.TempDir(), "endpoints.json")
	if err := s.EndpointsFile(file); err != nil {
		t.Fatal(err)
	}
	end, err := collect.LoadEndpoints(file)
	if err != nil {
		t.Fatal(err)
	}
	signIn, err := collect.NewCredentials(end, collect.SignIn{Kind: "simulator"}, wall)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	to := wall.Now().Truncate(time.Second)
	got, err := collect.Run(ctx, []collect.Source{arm.Source()}, collect.Options{
		Dir: t.TempDir(), Endpoints: end, Credentials: signIn, Clock: wall,
		Root: []byte(`{"tenantId":"` + end.TenantID + `"}`), From: to.Add(-3 * 24 * time.Hour), To: to, Limit: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := got.Close(); err != nil {
			t.Error(err)
		}
	})
	return got.Snapshot
}

// open lists the asks that were not wholly answered.
func open(s *tickmark.Snapshot) []string {
	var left []string
	for _, seg := range s.Segments {
		for _, a := range seg.Coverage.Asks {
			if a.Missing != tickmark.ReasonNone || len(a.Refusals) > 0 {
				left = append(left, seg.Scope+" "+a.Name)
			}
		}
	}
	return left
}

func TestSimulated(t *testing.T) {
	s := simulate(t)
	if left := open(s); len(left) > 0 || len(s.Problems) > 0 {
		t.Errorf("not answered: %q; problems: %v", left, s.Problems)
	}
	for ask, rows := range map[string]int{
		"subscriptions": 2, "resources": 17, "management-groups": 2, "index-role-assignments": 5,
		// Two assignments were made at the group, one at the tenant; the tenant's log repeats what the root group's has.
		"group-activity-log": 3, "tenant-activity-log": 2, "group-activity-log-export": 1,
		"group-pim-requests": 1, "group-pim-policies": 1, "group-pim-policy-assignments": 1,
	} {
		if a := account(t, s, "", ask); a.Rows != rows {
			t.Errorf("%s: %d rows, want %d", ask, a.Rows, rows)
		}
	}
	// One subscription has the workspace; its queries are understood.
	logged := map[string]int{}
	for _, seg := range s.Segments {
		for _, a := range seg.Coverage.Asks {
			logged[a.Name] += a.Rows
		}
	}
	for _, ask := range []string{
		"activity-log", "log-azure-activity", "log-azure-activity-days", "log-audit-logs", "log-security-alerts-days", "log-sign-ins-days", "log-sign-ins-services-days",
		"pim-policy-assignments-below", "pim-policies-below", "archive-azure-activity-hours", "archive-azure-activity", "archive-audit-logs-hours", "archive-audit-logs", "archive-audit-logs-exported", "archive-security-alerts-exported", "archive-sign-ins-hours",
	} {
		if logged[ask] == 0 {
			t.Errorf("%s has no row", ask)
		}
	}
	// Of the policies below subscriptions, those of roles that somebody can activate.
	if logged["pim-eligible"] != 1 || logged["pim-policy-assignments-below"] != 1 || logged["pim-policies-below"] != 1 {
		t.Errorf("eligible %d, in force %d, policies %d", logged["pim-eligible"], logged["pim-policy-assignments-below"], logged["pim-policies-below"])
	}
}

// TestSimulatedRefusal: what one subscription refuses is missing there, and
// nowhere else.
func TestSimulatedRefusal(t *testing.T) {
	left := open(simulate(t, azuresim.Fault{ID: "C15", Host: "arm", Path: "*/providers/Microsoft.KeyVault/vaults", Nth: 1, Count: 1}))
	if !slices.ContainsFunc(left, func(s string) bool { return strings.HasSuffix(s, " key-vaults") }) {
		t.Fatalf("the refusal is lost: %q", left)
	}
	scope, _, _ := strings.Cut(left[0], " ")
	for _, l := range left {
		if !strings.HasPrefix(l, scope+" ") {
			t.Errorf("a refusal in %s also takes %s", scope, l)
		}
	}
}
