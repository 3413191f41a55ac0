// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/tickmark/tickmark/azuresim"
)

// The organisation that the faults are put to is made from the shapes and
// cases of the checks: in subscription one everything is as the checks want it,
// in subscription two as their failing cases have it. A check that is added to
// the catalogue is in it without a change here.

// estate is what the shapes do not give: the directory, the changes, the logs.
const estate = `
name: Contoso
tenant: {domains: [contoso.example], epoch: "2026-06-30T12:00:00Z"}
licences:
  - {sku: EMSPREMIUM, units: 20, plans: [AAD_PREMIUM, AAD_PREMIUM_P2, INTUNE_A]}
  - {sku: Governance, units: 20, plans: [Entra_Identity_Governance]}
managementGroups:
  - {name: prod, display: Production}
  - {name: dev, display: Development}
subscriptions:
  - {name: one, id: 00000000-0000-0000-0000-000000000001, managementGroup: prod}
  - {name: two, id: 00000000-0000-0000-0000-000000000002, managementGroup: dev}
roleAssignments:
  - {principal: Ada Ray, role: Owner, scope: /}
  - {principal: Ada Ray, role: User Access Administrator, scope: /, created: -2d, by: Ada Ray}
  - {principal: Bo Li, role: Reader, scope: managementGroup/prod, created: -1d, by: Ada Ray}
  - {principal: Bo Li, role: Contributor, scope: subscription/one}
  - {principal: Ops, role: Contributor, scope: subscription/two}
workspaces:
  - name: log-base
    customerId: 00000000-0000-0000-0000-0000000000e5
    tables: [AzureActivity, AuditLogs, SecurityAlert, SigninLogs, AADServicePrincipalSignInLogs]
archives:
  - {account: stbase, logs: [AzureActivity, AuditLogs, SigninLogs], exports: [SecurityAlert, AuditLogs], workspace: log-base, since: -2d}
people:
  - {name: Ada Ray, upn: ada@contoso.example, methods: [passKeyDeviceBound]}
  - {name: Bo Li, upn: bo@contoso.example}
  - {name: "Worker {n}", upn: "w{n}@contoso.example", count: 5}
  - {name: Careless, upn: careless@contoso.example, noMfa: true}
  - {name: Guest, upn: guest@partner.example, guest: true}
groups:
  - {name: Ops, roleAssignable: true, members: [Bo Li, Inner], owners: [Ada Ray]}
  - {name: Inner, members: ["w1@contoso.example", "w2@contoso.example"], owners: [Ada Ray, Bo Li]}
directoryRoles:
  - {role: Global Administrator, principal: Ada Ray}
  - {role: Security Administrator, principal: Bo Li, eligible: true}
applications:
  - {name: deploy, owners: [Ada Ray], permissions: [User.Read.All], credentials: [{kind: password, name: ci, starts: -400d, expires: -10d}, {kind: federated, name: infra, starts: -10d}]}
  - {name: portal, owners: [Bo Li], credentials: [{kind: certificate, name: p, starts: -30d, expires: 90d}]}
  - {name: Survey, foreign: true, delegated: [User.Read], owners: [Bo Li]}
conditionalAccess:
  - {displayName: MFA for all, state: enabled, grantControls: {operator: OR, builtInControls: [mfa], customAuthenticationFactors: [], termsOfUse: [], authenticationStrength: null}}
  - {displayName: No legacy, state: enabled, conditions: {clientAppTypes: [exchangeActiveSync, other]}, grantControls: {operator: OR, builtInControls: [block], customAuthenticationFactors: [], termsOfUse: [], authenticationStrength: null}}
logs:
  signIns: {perDay: 9}
  audits: {perDay: 5}
  activity: {perDay: 6}
  alerts: {perDay: 2}
devops:
  - name: contoso
    projects:
      - name: Shop
        repositories:
          - {name: api, protection: {reviewers: 2, checks: [build]}, pullRequests: {count: 7, from: -3d, to: -1h, unreviewed: 1, selfApproved: 1, bypassed: 1}}
          - {name: web, pullRequests: {count: 2, from: -3d, to: -1h}}
        pipelines: [{name: build, repository: api, runs: 6, from: -3d, to: -1h, environment: production, unapproved: 1}]
        environments: [{name: production, approvers: [Ada Ray], minApprovers: 1}]
        serviceConnections: [{name: azure, type: AzureRM, scheme: WorkloadIdentityFederation, subscription: one}]
      - {name: Tools, repositories: [{name: scripts}]}
github:
  - name: contoso
    twoFactorRequired: true
    members: [Ada Ray, Bo Li, Careless]
    owners: [Ada Ray]
    repositories:
      - name: site
        protection: {reviewers: 1, checks: [test]}
        pullRequests: {count: 7, from: -3d, to: -1h, unreviewed: 1, selfApproved: 1}
        pipelines: [{name: deploy, runs: 6, from: -3d, to: -1h, environment: live}]
        environments: [{name: live, approvers: [Ada Ray], minApprovers: 1}]
      - {name: docs, protection: {ruleset: true, reviewers: 1}}
power:
  environments:
    - {name: Default, type: Default, dataverse: true, users: [Ada Ray, Bo Li], audit: true}
    - {name: Sales, dataverse: true, users: [Ada Ray, Bo Li, Careless]}
    - {name: Sandbox, type: Sandbox}
`

// shaped is a resource template in the making, below its parent.
type shaped struct {
	typ, name, group string
	text             map[string]json.RawMessage
	fails            []map[string]any
	kids             []*shaped
	extension        bool
}

// between are what lies between the shapes, and what questions about the shapes
// read besides.
var between = []string{
	"Microsoft.RecoveryServices/vaults/rsv-base/backupconfig/vaultconfig", "Microsoft.RecoveryServices/vaults/rsv-base/backupPolicies/daily",
	"Microsoft.Storage/storageAccounts/stbase/fileServices/default", "Microsoft.Storage/storageAccounts/stbase/blobServices/default/containers/data",
	"Microsoft.ContainerService/managedClusters/aks-base/agentPools/pool", "Microsoft.Automation/automationAccounts/aa-base/runbooks/rotate",
	"Microsoft.ManagedIdentity/userAssignedIdentities/id-base", "Microsoft.Insights/actionGroups/ag-base", "Microsoft.Insights/metricAlerts/cpu",
	"Microsoft.Web/sites/app-base/config/authsettingsV2", "Microsoft.Web/sites/app-base/config/logs",
	"Microsoft.OperationalInsights/workspaces/log-base/dataExports/keep", "Microsoft.OperationalInsights/workspaces/log-base/tables/AzureActivity", "Microsoft.OperationalInsights/workspaces/log-base/tables/AuditLogs",
	"Microsoft.OperationalInsights/workspaces/log-base/tables/SecurityAlert", "Microsoft.OperationalInsights/workspaces/log-base/tables/SigninLogs",
}

// upon are what is set on the subscriptions.
var upon = []string{
	"Microsoft.Authorization/locks/keep", "Microsoft.Authorization/policyAssignments/baseline", "Microsoft.Authorization/policyDefinitions/own-rule",
	"Microsoft.Authorization/roleEligibilityScheduleInstances/00000000-0000-0000-0000-00000000a0f9",
	"Microsoft.Security/assessments/00000000-0000-0000-0000-00000000a0fa", "Microsoft.Security/secureScores/ascScore",
}

// archiveAccount is where logs are exported to.
const archiveAccount = `"/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-base/providers/Microsoft.Storage/storageAccounts/stbase"`

// place returns the node of a resource id, making it and those above it.
func (s *shaped) place(id string) *shaped {
	at, group := s, ""
	if i := strings.Index(strings.ToLower(id), "/resourcegroups/"); i >= 0 {
		group, _, _ = strings.Cut(id[i+len("/resourcegroups/"):], "/")
	}
	_, below, _ := strings.Cut(id, "/providers/")
	for n, part := range strings.Split(below, "/providers/") {
		seg := strings.Split(part, "/")
		typ := seg[0]
		for i := 1; i+1 < len(seg); i += 2 {
			typ += "/" + seg[i]
			extension := n > 0 && i == 1
			k := slices.IndexFunc(at.kids, func(k *shaped) bool { return strings.EqualFold(k.typ, typ) && k.name == seg[i+1] && k.group == group })
			if k < 0 {
				at.kids = append(at.kids, &shaped{typ: typ, name: seg[i+1], group: group, extension: extension})
				k = len(at.kids) - 1
			}
			at = at.kids[k]
		}
	}
	return at
}

// shapes reads the shapes of what lies in a subscription, with the failing
// cases of the checks of each.
func shapes(tb testing.TB) *shaped {
	tb.Helper()
	root, byType := &shaped{}, map[string]*shaped{}
	files, err := filepath.Glob("../catalog/testdata/shapes/Microsoft.*.json")
	if err != nil || len(files) < 20 {
		tb.Fatalf("%d shapes, %v", len(files), err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			tb.Fatal(err)
		}
		text := map[string]json.RawMessage{}
		if err := json.Unmarshal(b, &text); err != nil {
			tb.Fatal(err)
		}
		var id, typ string
		_ = json.Unmarshal(text["id"], &id) // a shape has both
		_ = json.Unmarshal(text["type"], &typ)
		switch low := strings.ToLower(typ); {
		case !strings.HasPrefix(id, "/subscriptions/"), !strings.Contains(id, "/providers/"), low == "microsoft.authorization/roleassignments", low == "microsoft.authorization/roledefinitions":
			continue // the rest of the organisation gives them
		}
		n := root.place(id)
		n.text, n.typ = text, typ
		byType[strings.ToLower(typ)] = n
	}
	files, _ = filepath.Glob("../catalog/testdata/fixtures/*.yaml")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			tb.Fatal(err)
		}
		var doc struct {
			Base  string `yaml:"base"`
			Cases []struct {
				Kind    string         `yaml:"kind"`
				Patch   map[string]any `yaml:"patch"`
				Related []any          `yaml:"related"`
			} `yaml:"cases"`
		}
		if err := yaml.Unmarshal(b, &doc); err != nil {
			tb.Fatalf("%s: %v", f, err)
		}
		for _, c := range doc.Cases {
			if n := byType[strings.ToLower(doc.Base)]; n != nil && c.Kind == "fail" && len(c.Patch) > 0 && len(c.Related) == 0 {
				delete(c.Patch, "name")
				n.fails = append(n.fails, c.Patch)
				break
			}
		}
	}
	for _, id := range between {
		root.place("/resourceGroups/rg-base/providers/" + id)
	}
	for _, id := range upon {
		root.place("/providers/" + id)
	}
	return root
}

// mergePatch merges b into a, as RFC 7386 does, but keeps null, which the text
// $null stands for, too.
func mergePatch(a, b map[string]any) map[string]any {
	out := maps.Clone(a)
	for k, v := range b {
		if x, ok := out[k].(map[string]any); ok {
			if y, ok := v.(map[string]any); ok {
				out[k] = mergePatch(x, y)
				continue
			}
		}
		if out[k] = v; v == "$null" {
			out[k] = nil
		}
	}
	return out
}

func (s *shaped) yaml(tb testing.TB, w *bytes.Buffer, parent *shaped, indent string) {
	tb.Helper()
	typ := s.typ
	if parent != nil && !s.extension {
		typ = typ[strings.LastIndexByte(typ, '/')+1:]
	}
	fmt.Fprintf(w, "%s- type: %s\n%s  name: %q\n", indent, typ, indent, s.name)
	switch {
	case parent != nil:
	case s.group == "":
		fmt.Fprintf(w, "%s  at: subscription\n", indent)
	default:
		fmt.Fprintf(w, "%s  group: %s\n", indent, s.group)
	}
	if s.extension { // some have it and some do not
		fmt.Fprintf(w, "%s  subscriptions: [one]\n", indent)
	}
	text := s.text
	if text == nil {
		text = map[string]json.RawMessage{"properties": []byte(`{"note":"made","policyType":"Custom","destination":{"resourceId":` + archiveAccount + `}}`)}
	}
	for _, m := range []string{"kind", "sku", "identity", "properties"} {
		if v := text[m]; len(v) > 0 && !bytes.Equal(v, []byte("null")) {
			var flat bytes.Buffer
			if err := json.Compact(&flat, v); err != nil {
				tb.Fatal(err)
			}
			fmt.Fprintf(w, "%s  %s: %s\n", indent, m, flat.Bytes())
		}
	}
	if len(s.fails) > 0 {
		all := map[string]any{}
		for _, f := range s.fails {
			all = mergePatch(all, f)
		}
		b, err := json.Marshal(all)
		if err != nil {
			tb.Fatal(err)
		}
		fmt.Fprintf(w, "%s  variants: [{every: 2, from: 1, merge: %s}]\n", indent, b)
	}
	if len(s.kids) > 0 {
		fmt.Fprintf(w, "%s  children:\n", indent)
		for _, k := range s.kids {
			k.yaml(tb, w, s, indent+"    ")
		}
	}
}

// estateText is the organisation as YAML.
func estateText(tb testing.TB) []byte {
	tb.Helper()
	var b bytes.Buffer
	b.WriteString(estate)
	b.WriteString("resources:\n")
	for _, s := range shapes(tb).kids {
		s.yaml(tb, &b, nil, "  ")
	}
	// Logs are exported to an account of subscription one.
	b.WriteString("  - {type: microsoft.aadiam/diagnosticSettings, at: tenant, name: archive, properties: {storageAccountId: " + archiveAccount + ", logs: [{category: AuditLogs, enabled: true}]}}\n" +
		"  - {type: Microsoft.Insights/diagnosticSettings, at: subscription, name: archive, subscriptions: [one], properties: {storageAccountId: " + archiveAccount + ", logs: [{category: Administrative, enabled: true}]}}\n")
	// Enough of one type that Resource Graph and lists have several pages.
	b.WriteString("  - {type: Microsoft.Storage/storageAccounts, name: \"st{n:03}{hex:6}\", group: rg-many, count: 7, kind: StorageV2, sku: {name: Standard_LRS}," +
		" properties: {supportsHttpsTrafficOnly: true, minimumTlsVersion: TLS1_2, allowBlobPublicAccess: false}," +
		" children: [{type: blobServices, name: default, properties: {isVersioningEnabled: true}}]," +
		" variants: [{every: 3, merge: {properties: {supportsHttpsTrafficOnly: false}}}]}\n")
	b.WriteString(privileged)
	return b.Bytes()
}

// privileged are roles that somebody can activate at a resource group, and what
// that demands there and at a management group.
const privileged = `
  - {type: Microsoft.Authorization/roleEligibilityScheduleInstances, table: none, name: "e-{sub}", group: rg-base, properties: {scope: "/subscriptions/{subscription}/resourceGroups/rg-base", roleDefinitionId: /providers/Microsoft.Authorization/roleDefinitions/b24988ac-6180-42a0-ab88-20f7382dd24c, principalId: ada}}
  - {type: Microsoft.Authorization/roleManagementPolicies, table: none, name: "p-{sub}", group: rg-base, properties: {scope: "/subscriptions/{subscription}/resourceGroups/rg-base", rules: []}}
  - {type: Microsoft.Authorization/roleManagementPolicyAssignments, table: none, name: "a-{sub}", group: rg-base, properties: {scope: "/subscriptions/{subscription}/resourceGroups/rg-base", roleDefinitionId: /providers/Microsoft.Authorization/roleDefinitions/b24988ac-6180-42a0-ab88-20f7382dd24c, policyId: "/subscriptions/{subscription}/resourceGroups/rg-base/providers/Microsoft.Authorization/roleManagementPolicies/p-{sub}"}}
  - {type: Microsoft.Authorization/roleAssignmentScheduleRequests, at: managementGroup/prod, name: request, properties: {requestType: SelfActivate, status: Provisioned}}
  - {type: Microsoft.Authorization/roleManagementPolicies, at: managementGroup/prod, name: p-prod, properties: {rules: []}}
  - {type: Microsoft.Authorization/roleManagementPolicyAssignments, at: managementGroup/prod, name: a-prod, properties: {policyId: p-prod}}
`

// estateOrganisation is the organisation, parsed anew: a simulator owns its own.
func estateOrganisation(tb testing.TB, text []byte) *azuresim.Organisation {
	tb.Helper()
	org, err := azuresim.Parse("estate.yaml", text)
	if err != nil {
		tb.Fatal(err)
	}
	return org
}
