// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/work"
)

var planned = time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC)

// assessPlanned assesses what the flags name and returns verdicts by check and
// the last part of the id, the places, and what was told on standard error.
func assessPlanned(t *testing.T, f templateFlags) (map[string]tickmark.Result, func(string) int, string) {
	t.Helper()
	var told bytes.Buffer
	rc := &runContext{Context: context.Background(), In: strings.NewReader(""), Out: &bytes.Buffer{}, Err: &told, Now: func() time.Time { return planned }}
	snap, places, err := templateSnapshot(rc, &f, planned)
	if err != nil {
		t.Fatal(err)
	}
	a, err := work.Assess(rc.Context, snap, work.AssessOptions{Now: planned, Engine: "test"})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]tickmark.Result{}
	for r := range a.Results.All() {
		out[r.Check+" "+r.Resource[strings.LastIndexByte(r.Resource, '/')+1:]] = r
	}
	return out, func(id string) int {
		p, ok := places(id)
		if !ok {
			t.Errorf("no place for %s", id)
		}
		return p.Line
	}, told.String()
}

func writeTemp(t *testing.T, name, text string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

const storageTemplate = `{
  "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  "contentVersion": "1.0.0.0",
  "parameters": { "tls": { "type": "string" }, "maybe": { "type": "bool" } },
  "resources": [
    { "type": "Microsoft.Storage/storageAccounts", "apiVersion": "2023-01-01", "name": "good", "kind": "StorageV2",
      "properties": { "minimumTlsVersion": "TLS1_2", "supportsHttpsTrafficOnly": true, "allowBlobPublicAccess": false } },
    { "type": "Microsoft.Storage/storageAccounts", "apiVersion": "2023-01-01", "name": "bad",
      "properties": { "minimumTlsVersion": "TLS1_0", "supportsHttpsTrafficOnly": false } },
    { "type": "Microsoft.Storage/storageAccounts", "apiVersion": "2023-01-01", "name": "open",
      "properties": { "minimumTlsVersion": "[parameters('tls')]", "supportsHttpsTrafficOnly": "[reference('x').https]" } },
    { "type": "Microsoft.Storage/storageAccounts", "apiVersion": "2023-01-01", "name": "perhaps", "condition": "[parameters('maybe')]",
      "properties": { "minimumTlsVersion": "TLS1_2", "supportsHttpsTrafficOnly": true } }
  ]
}`

func TestAssessTemplate(t *testing.T) {
	results, line, told := assessPlanned(t, templateFlags{Template: writeTemp(t, "azuredeploy.json", storageTemplate)})
	for key, want := range map[string]tickmark.Verdict{
		"st-tls good": tickmark.Pass, "st-tls bad": tickmark.Fail, "st-tls open": tickmark.Unknown, "st-tls perhaps": tickmark.Unknown,
		"st-https good": tickmark.Pass, "st-https bad": tickmark.Fail, "st-https open": tickmark.Unknown, "st-https perhaps": tickmark.Unknown,
	} {
		r, ok := results[key]
		if !ok || r.Verdict != want || want == tickmark.Unknown && r.Reason != tickmark.ReasonPlanTime {
			t.Errorf("%s: %v (%s), want %v", key, r.Verdict, r.Reason, want)
		}
	}
	if n := line(results["st-tls bad"].Resource); n != 8 {
		t.Errorf("bad is placed in line %d, want 8", n)
	}
	for _, want := range []string{`the parameter "tls" has no value`, "whether the resource is deployed is known only then: parameter maybe"} {
		if !strings.Contains(told, want) {
			t.Errorf("standard error lacks %q:\n%s", want, told)
		}
	}
}

func TestTemplateFlagErrors(t *testing.T) {
	file := writeTemp(t, "azuredeploy.json", storageTemplate)
	for _, c := range []struct {
		f    templateFlags
		want string
	}{
		{templateFlags{Template: file, Plan: file}, "one run"},
		{templateFlags{Parameters: file}, "parameters need a template"},
		{templateFlags{Location: "westeurope"}, "needs a template"},
		{templateFlags{Plan: file}, "a template, not a plan"},
		{templateFlags{Template: file + "x"}, "no such file"},
		{templateFlags{Template: writeTemp(t, "main.bicep", "param x string")}, "Bicep source"},
		{templateFlags{Template: writeTemp(t, "x.json", `{"a": 1}`)}, "neither an ARM template nor"},
		{templateFlags{Template: writeTemp(t, "x.json", `{"a": 1, "a": 2}`)}, "cannot be read"},
	} {
		rc := &runContext{Context: context.Background(), In: strings.NewReader(""), Err: &bytes.Buffer{}}
		if _, _, err := templateSnapshot(rc, &c.f, planned); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want an error about %q", c.f, err, c.want)
		}
	}
}

func TestAssessPlan(t *testing.T) {
	const plan = `{"format_version":"1.2","resource_changes":[
{"address":"azurerm_storage_account.a","mode":"managed","type":"azurerm_storage_account","name":"a","change":{"actions":["create"],"before":null,
 "after":{"name":"a","resource_group_name":"g","min_tls_version":"TLS1_2","https_traffic_only_enabled":false},"after_unknown":{"allow_nested_items_to_be_public":true},"after_sensitive":{}}},
{"address":"azapi_resource.b","mode":"managed","type":"azapi_resource","name":"b","change":{"actions":["create"],"before":null,
 "after":{"type":"Microsoft.Storage/storageAccounts@2023-01-01","name":"b","parent_id":"/subscriptions/s/resourceGroups/g","body":{"properties":{"minimumTlsVersion":"TLS1_2"}}},"after_unknown":{"body":{"properties":{"supportsHttpsTrafficOnly":true}}},"after_sensitive":{}}},
{"address":"azurerm_bastion_host.c","mode":"managed","type":"azurerm_bastion_host","name":"c","change":{"actions":["create"],"before":null,"after":{"name":"c"},"after_unknown":{},"after_sensitive":{}}}
]}`
	results, line, told := assessPlanned(t, templateFlags{Plan: writeTemp(t, "plan.json", plan), Subscription: "11111111-1111-1111-1111-111111111111"})
	for key, want := range map[string]tickmark.Verdict{
		"st-tls a": tickmark.Pass, "st-https a": tickmark.Fail, "st-blob-public a": tickmark.Unknown, "st-shared-key a": tickmark.Unknown,
		"st-tls b": tickmark.Pass, "st-https b": tickmark.Unknown,
	} {
		r, ok := results[key]
		if !ok || r.Verdict != want || want == tickmark.Unknown && r.Reason != tickmark.ReasonPlanTime {
			t.Errorf("%s: %v (%s), want %v", key, r.Verdict, r.Reason, want)
		}
	}
	if r := results["st-tls a"]; r.Resource != "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a" || line(r.Resource) != 2 {
		t.Errorf("a is %s in line %d", r.Resource, line(r.Resource))
	}
	if !strings.Contains(told, "azurerm_bastion_host.c") {
		t.Errorf("standard error does not list what is not mapped:\n%s", told)
	}
}

// TestUncertainResourcesDecideNothing: a related resource that may not be
// deployed satisfies no existence check, and one that may not be deployed
// itself passes none.
func TestUncertainResourcesDecideNothing(t *testing.T) {
	const head = `{"$schema":"https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#","contentVersion":"1.0.0.0","parameters":{"maybe":{"type":"bool"}},"resources":[
{"type":"Microsoft.Sql/servers","apiVersion":"2023-08-01","name":"s","properties":{} CONDITION},
{"type":"Microsoft.Sql/servers/securityAlertPolicies","apiVersion":"2023-08-01","name":"s/Default","properties":{"state":"Enabled"} RELATED}]}`
	const unless = `,"condition":"[parameters('maybe')]"`
	for _, c := range []struct {
		name, subject, related string
		want                   tickmark.Verdict
	}{
		{"both are sure", "", "", tickmark.Pass},
		{"the related one is not", "", unless, tickmark.Unknown},
		{"the subject is not", unless, "", tickmark.Unknown},
	} {
		text := strings.NewReplacer("CONDITION", c.subject, "RELATED", c.related).Replace(head)
		results, _, _ := assessPlanned(t, templateFlags{Template: writeTemp(t, "t.json", text)})
		if r := results["sql-defender-va s"]; r.Verdict != c.want || c.want == tickmark.Unknown && r.Reason != tickmark.ReasonPlanTime {
			t.Errorf("%s: %v (%s), want %v", c.name, r.Verdict, r.Reason, c.want)
		}
	}
}
