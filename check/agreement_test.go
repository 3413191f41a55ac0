// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/inventory"
)

// agreementSnapshot is a page of ARM objects.
func agreementSnapshot(objects ...string) *tickmark.Snapshot {
	var b bytes.Buffer
	p := tickmark.Page{Name: "test", Form: "armList"}
	b.WriteString(`{"value":[`)
	for i, o := range objects {
		if i > 0 {
			b.WriteByte(',')
		}
		p.Items = append(p.Items, tickmark.Item{Off: b.Len(), Len: len(o)})
		b.WriteString(o)
	}
	b.WriteString(`]}`)
	p.Bytes = b.Bytes()
	p.Digest = tickmark.DigestOf(p.Bytes)
	return &tickmark.Snapshot{Origin: "files", Segments: []tickmark.Segment{{
		Source: "file", Scope: "test", Pages: []tickmark.Page{p},
		Coverage: tickmark.Coverage{Source: "file", Scope: "test", Complete: []string{"*"}, CompleteBy: "operator", Declared: -1},
	}}}
}

const (
	agreeSub        = "/subscriptions/00000000-0000-4000-8000-000000000001"
	agreeDefinition = `{"id":"/providers/Microsoft.Authorization/policyDefinitions/tls","type":"Microsoft.Authorization/policyDefinitions","name":"tls","properties":{"policyType":"BuiltIn","mode":"Indexed","policyRule":{"if":{"allOf":[{"field":"type","equals":"Microsoft.Storage/storageAccounts"},{"field":"Microsoft.Storage/storageAccounts/minimumTlsVersion","notEquals":"TLS1_2"}]},"then":{"effect":"audit"}}}}`
	agreeAssignment = `{"id":"` + agreeSub + `/providers/Microsoft.Authorization/policyAssignments/tls","type":"Microsoft.Authorization/policyAssignments","name":"tls","properties":{"scope":"` + agreeSub + `","policyDefinitionId":"/providers/Microsoft.Authorization/policyDefinitions/tls"}}`
)

func agreeAccount(name, tls, changed string) string {
	return fmt.Sprintf(`{"id":"%s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/%s","type":"Microsoft.Storage/storageAccounts","name":"%s","location":"westeurope","systemData":{"lastModifiedAt":"%s"},"properties":{"minimumTlsVersion":"%s"}}`, agreeSub, name, name, changed, tls)
}

func agreeState(name, state string) string {
	return fmt.Sprintf(`{"id":"%[1]s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/%[2]s/providers/Microsoft.PolicyInsights/policyStates/%[2]s","type":"Microsoft.PolicyInsights/policyStates","name":"%[2]s","properties":{"complianceState":"%[3]s","resourceId":"%[1]s/RESOURCEGROUPS/rg/providers/microsoft.storage/storageaccounts/%[2]s","policyAssignmentId":"%[1]s/providers/microsoft.authorization/policyassignments/tls","policyDefinitionId":"/providers/Microsoft.Authorization/policyDefinitions/tls","timestamp":"2026-06-01T00:00:00Z"}}`, agreeSub, name, state)
}

func agree(t *testing.T, objects ...string) *check.Agreement {
	t.Helper()
	c, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	rules, err := check.Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	inv, err := inventory.Build(context.Background(), agreementSnapshot(objects...), inventory.Options{Canonical: rules.Canonical})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range inv.Problems {
		t.Fatalf("problem: %+v", p)
	}
	a, err := check.Agree(context.Background(), inv, check.Aliases(c), time.Date(2026, 6, 2, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestAgree sets one account of each kind beside Azure's state for it.
func TestAgree(t *testing.T) {
	const before, after = "2026-05-01T00:00:00Z", "2026-06-01T12:00:00Z"
	a := agree(t, agreeDefinition, agreeAssignment,
		agreeAccount("same", "TLS1_2", before), agreeState("same", "Compliant"),
		agreeAccount("samebad", "TLS1_0", before), agreeState("samebad", "NonCompliant"),
		agreeAccount("differs", "TLS1_0", before), agreeState("differs", "Compliant"),
		agreeAccount("exempted", "TLS1_0", before), agreeState("exempted", "Exempt"),
		agreeAccount("changed", "TLS1_2", after), agreeState("changed", "NonCompliant"),
		agreeAccount("unseen", "TLS1_2", before),
		agreeAccount("vague", "TLS1_2", before), agreeState("vague", "Unknown"),
		agreeState("gone", "Compliant"),
	)
	if a.Assignments != 1 || a.Bound != 1 || a.Compared != 4 || a.Agree != 2 || a.States != 7 {
		t.Errorf("assignments %d, bound %d, compared %d, agree %d, states %d; unbound %v", a.Assignments, a.Bound, a.Compared, a.Agree, a.States, a.Unbound)
	}
	for cause, n := range map[check.Cause]int{check.CauseChanged: 1, check.CauseNoState: 1, check.CauseTold: 1, check.CauseUnread: 1} {
		if a.Left[cause] != n {
			t.Errorf("left out for %q: %d, want %d", cause, a.Left[cause], n)
		}
	}
	causes := map[string]check.Cause{}
	for _, d := range a.Differences {
		causes[d.Resource[strings.LastIndexByte(d.Resource, '/')+1:]] = d.Cause
	}
	if len(causes) != 2 || causes["differs"] != check.CauseDecision || causes["exempted"] != check.CauseExemption {
		t.Errorf("differences %v", causes)
	}
	if r, ok := a.Rate(); !ok || r != 0.5 {
		t.Errorf("rate %v %v", r, ok)
	}
}

// TestAgreeAddsUp requires that no state of Azure is lost in the count.
func TestAgreeAddsUp(t *testing.T) {
	a := agree(t, agreeAssignment, // its definition is missing
		agreeAccount("one", "TLS1_2", "2026-05-01T00:00:00Z"), agreeState("one", "Compliant"), agreeState("gone", "Compliant"))
	left := 0
	for _, n := range a.Left {
		left += n
	}
	if a.Compared != 0 || left != a.States || len(a.Unbound) == 0 {
		t.Errorf("compared %d, left %v of %d states, unbound %v", a.Compared, a.Left, a.States, a.Unbound)
	}
	if _, ok := a.Rate(); ok {
		t.Error("a rate without a compared pair")
	}
}
