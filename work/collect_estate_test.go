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
  - {principal: Ada Ray, role: User Access Administrator, scope: /}
  - {principal: Bo Li, role: Reader, scope: managementGroup/prod}
  - {principal: Bo Li, role: Contributor, scope: subscription/one}
  - {principal: Ops, role: Contributor, scope: subscription/two}
workspaces:
  - name: log-base
    customerId: 00000000-0000-0000-0000-0000000000e5
    tables: [AzureActivity, AuditLogs, SecurityAlert, SigninLogs, AADServicePrincipalSignInLogs]
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

// atSubscription are the types that stand on a subscription.
var atSubscription = map[string]bool{
	"Microsoft.Security/pricings": true, "Microsoft.Security/securityContacts": true,
	"Microsoft.Authorization/roleAssignmentScheduleInstances": true, "Microsoft.Authorization/roleEligibilityScheduleInstances": true,
	"Microsoft.Authorization/locks": true, "Microsoft.Authorization/policyAssignments": true, "Microsoft.Authorization/policyDefinitions": true,
	"Microsoft.Security/assessments": true, "Microsoft.Security/secureScores": true,
}

// made are the types that the rest of the organisation gives.
var made = map[string]bool{
	"microsoft.resources/subscriptions": true, "microsoft.authorization/roleassignments": true, "microsoft.authorization/roledefinitions": true,
}

// shaped is a resource template in the making.
type shaped struct {
	typ, name string
	text      map[string]json.RawMessage
	fails     []map[string]any
	kids      []*shaped
}

// shapes reads the shapes of Azure's types and the failing cases of each.
func shapes(tb testing.TB) map[string]*shaped {
	tb.Helper()
	out := map[string]*shaped{}
	files, err := filepath.Glob("../catalog/testdata/shapes/Microsoft.*.json")
	if err != nil || len(files) < 20 {
		tb.Fatalf("%d shapes, %v", len(files), err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			tb.Fatal(err)
		}
		s := &shaped{}
		if err := json.Unmarshal(b, &s.text); err != nil {
			tb.Fatal(err)
		}
		_ = json.Unmarshal(s.text["type"], &s.typ) // a shape has both
		_ = json.Unmarshal(s.text["name"], &s.name)
		if s.name == "" {
			tb.Fatalf("%s: no name", f)
		}
		out[s.typ] = s
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
			if s := out[doc.Base]; s != nil && c.Kind == "fail" && len(c.Patch) > 0 && len(c.Related) == 0 {
				delete(c.Patch, "name")
				s.fails = append(s.fails, c.Patch)
				break
			}
		}
	}
	return out
}

// plain makes a template without properties worth a name.
func plain(typ, name string) *shaped {
	return &shaped{typ: typ, name: name, text: map[string]json.RawMessage{"properties": []byte(`{"note":"made"}`)}}
}

// complete adds what lies between the shapes, and what questions below them read.
func complete(all map[string]*shaped) {
	for _, p := range []*shaped{
		plain("Microsoft.RecoveryServices/vaults/backupFabrics", "Azure"),
		plain("Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers", "IaasVMContainer;iaasvmcontainerv2;rg-base;vm-base"),
		plain("Microsoft.RecoveryServices/vaults/backupconfig", "vaultconfig"),
		plain("Microsoft.RecoveryServices/vaults/backupPolicies", "daily"),
		plain("Microsoft.Storage/storageAccounts/fileServices", "default"),
		plain("Microsoft.Storage/storageAccounts/blobServices/containers", "data"),
		plain("Microsoft.ContainerService/managedClusters/agentPools", "pool"),
		plain("Microsoft.Automation/automationAccounts", "aa-base"),
		plain("Microsoft.Automation/automationAccounts/runbooks", "rotate"),
		plain("Microsoft.ManagedIdentity/userAssignedIdentities", "id-base"),
		plain("Microsoft.Insights/actionGroups", "ag-base"),
		plain("Microsoft.Insights/metricAlerts", "cpu"),
		plain("Microsoft.Authorization/locks", "keep"),
		plain("Microsoft.Authorization/policyAssignments", "baseline"),
		plain("Microsoft.Authorization/policyDefinitions", "own-rule"),
		plain("Microsoft.Authorization/roleEligibilityScheduleInstances", "00000000-0000-0000-0000-00000000a0f9"),
		plain("Microsoft.Security/assessments", "00000000-0000-0000-0000-00000000a0fa"),
		plain("Microsoft.Security/secureScores", "ascScore"),
	} {
		if all[p.typ] == nil {
			all[p.typ] = p
		}
	}
	web := all["Microsoft.Web/sites"]
	web.kids = append(web.kids, plain("Microsoft.Web/sites/config", "authsettingsV2"), plain("Microsoft.Web/sites/config", "logs"))
	logs := all["Microsoft.OperationalInsights/workspaces"]
	for _, t := range []string{"AzureActivity", "AuditLogs", "SecurityAlert", "SigninLogs", "AADServicePrincipalSignInLogs"} {
		logs.kids = append(logs.kids, plain(logs.typ+"/tables", t))
	}
}

// tree puts each shape below its parent, and returns those without one.
func tree(all map[string]*shaped) []*shaped {
	complete(all)
	var roots []*shaped
	for _, typ := range slices.Sorted(maps.Keys(all)) {
		s := all[typ]
		if made[strings.ToLower(typ)] {
			continue
		}
		if typ == "Microsoft.Insights/diagnosticSettings" {
			vault := all["Microsoft.KeyVault/vaults"]
			vault.kids = append(vault.kids, s)
			continue
		}
		up := typ
		for strings.Count(up, "/") > 1 {
			up = up[:strings.LastIndexByte(up, '/')]
			if p := all[up]; p != nil && strings.Count(typ, "/") == strings.Count(up, "/")+1 {
				p.kids = append(p.kids, s)
				up = ""
				break
			}
		}
		if up != "" {
			roots = append(roots, s)
		}
	}
	return roots
}

// mergePatch merges b into a, as RFC 7386 does, but keeps null.
func mergePatch(a, b map[string]any) map[string]any {
	out := maps.Clone(a)
	for k, v := range b {
		if x, ok := out[k].(map[string]any); ok {
			if y, ok := v.(map[string]any); ok {
				out[k] = mergePatch(x, y)
				continue
			}
		}
		out[k] = v
	}
	return out
}

func (s *shaped) yaml(tb testing.TB, w *bytes.Buffer, parent *shaped, indent string) {
	tb.Helper()
	typ := s.typ
	if parent != nil && strings.HasPrefix(typ, parent.typ+"/") {
		typ = typ[len(parent.typ)+1:]
	}
	fmt.Fprintf(w, "%s- type: %s\n%s  name: %q\n", indent, typ, indent, s.name)
	switch {
	case atSubscription[typ]:
		fmt.Fprintf(w, "%s  at: subscription\n", indent)
	case parent == nil:
		fmt.Fprintf(w, "%s  group: rg-base\n", indent)
	}
	if parent != nil && typ == s.typ { // an extension: some have it and some do not
		fmt.Fprintf(w, "%s  subscriptions: [one]\n", indent)
	}
	for _, m := range []string{"kind", "sku", "identity", "properties"} {
		if v := s.text[m]; len(v) > 0 && !bytes.Equal(v, []byte("null")) {
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
	for _, s := range tree(shapes(tb)) {
		s.yaml(tb, &b, nil, "  ")
	}
	// Enough of one type that Resource Graph and lists have several pages.
	b.WriteString("  - {type: Microsoft.Storage/storageAccounts, name: \"st{n:03}{hex:6}\", group: rg-many, count: 7, kind: StorageV2, sku: {name: Standard_LRS}," +
		" properties: {supportsHttpsTrafficOnly: true, minimumTlsVersion: TLS1_2, allowBlobPublicAccess: false}," +
		" children: [{type: blobServices, name: default, properties: {isVersioningEnabled: true}}]," +
		" variants: [{every: 3, merge: {properties: {supportsHttpsTrafficOnly: false}}}]}\n")
	return b.Bytes()
}

// estateOrganisation is the organisation, parsed anew: a simulator owns its own.
func estateOrganisation(tb testing.TB, text []byte) *azuresim.Organisation {
	tb.Helper()
	org, err := azuresim.Parse("estate.yaml", text)
	if err != nil {
		tb.Fatal(err)
	}
	return org
}
