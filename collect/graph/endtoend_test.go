// SPDX-License-Identifier: Apache-2.0

package graph_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/azuresim"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/collect/collecttest"
	"github.com/tickmark/tickmark/collect/graph"
)

// tenant is an organisation of which every ask has something to read.
const tenant = `
name: Harbour
tenant: {domains: [harbour.example]}
licences:
  - {sku: SPE_E5, units: 60, consumed: 40, plans: [AAD_PREMIUM, AAD_PREMIUM_P2, INTUNE_A]}
  - {sku: Governance, units: 60, plans: [Entra_Identity_Governance]}
people:
  - {name: Ada Ray, upn: ada@harbour.example}
  - {name: Ben Lee, upn: ben@harbour.example}
  - {name: "Worker {n}", upn: "w{n}@harbour.example", count: 300}
  - {name: "Guest {n}", upn: "g{n}@partner.example", count: 20, guest: true}
groups:
  - {name: Admins, roleAssignable: true, members: [Ben Lee, Inner], owners: [Ada Ray]}
  - {name: Inner, members: ["w1@harbour.example", "w2@harbour.example"], owners: [Ada Ray]}
directoryRoles:
  - {role: Global Administrator, principal: Ada Ray}
  - {role: Security Administrator, principal: Ben Lee, eligible: true}
applications:
  - name: deploy
    owners: [Ada Ray]
    permissions: [User.Read.All]
    credentials: [{kind: password, name: ci}, {kind: federated, name: infra}]
  - {name: Survey, foreign: true, delegated: [User.Read], owners: [Ben Lee]}
conditionalAccess:
  - {displayName: Require MFA, grantControls: {operator: OR, builtInControls: [mfa]}}
logs:
  signIns: {perDay: 30}
  audits: {perDay: 20}
`

// collected is what a run came to, by ask.
type collected struct {
	sim  *azuresim.Sim
	snap *tickmark.Snapshot
	asks map[string]tickmark.AskCoverage
}

// run collects a tenant that the simulator serves, with the services' quotas.
func run(t *testing.T, yaml string, faults ...azuresim.Fault) collected {
	t.Helper()
	s := collecttest.Serve(t, "tenant.yaml", yaml, azuresim.Options{Seed: 11, Quotas: true, PageSize: 50, Faults: faults})
	got := s.Collect(t, collect.Options{Limit: 24 * time.Hour, From: s.Clock.Now().AddDate(0, 0, -5)}, graph.Source())
	out := collected{s.Sim, got.Snapshot, map[string]tickmark.AskCoverage{}}
	for _, seg := range got.Snapshot.Segments {
		for _, a := range seg.Coverage.Asks {
			out.asks[a.Name] = a
		}
	}
	return out
}

// rows returns the rows of an ask.
func (c collected) rows(ask string) []map[string]any {
	var out []map[string]any
	for _, seg := range c.snap.Segments {
		for _, p := range seg.Pages {
			if p.Ask != ask {
				continue
			}
			for _, it := range p.Items {
				var row map[string]any
				if json.Unmarshal(p.Bytes[it.Off:it.Off+it.Len], &row) == nil {
					out = append(out, row)
				}
			}
		}
	}
	return out
}

func TestCollectWholly(t *testing.T) {
	roles := make([]string, 0, 32)
	for _, p := range graph.Permissions() {
		roles = append(roles, p.Name)
	}
	// Exactly the permissions that the asks name are granted.
	c := run(t, tenant+"identities: [{name: reader, roles: ["+strings.Join(roles, ", ")+"]}]\n")
	if log := c.sim.Log(); log.ByStatus[http.StatusTooManyRequests] > 0 || log.Misdirected > 0 || log.Foreign > 0 {
		t.Errorf("throttled %d times, misdirected %d, foreign %d", log.ByStatus[http.StatusTooManyRequests], log.Misdirected, log.Foreign)
	}
	complete := map[string]bool{}
	for _, seg := range c.snap.Segments {
		for _, typ := range seg.Coverage.Complete {
			complete[typ] = true
		}
	}
	for _, a := range graph.Source().Asks {
		got, ok := c.asks[a.Name]
		if !ok {
			t.Errorf("%s has no coverage", a.Name)
			continue
		}
		if got.Missing != tickmark.ReasonNone || len(got.Refusals) > 0 {
			t.Errorf("%s: %s %s %+v", a.Name, got.Missing, got.Detail, got.Refusals)
		}
		if got.Rows == 0 || got.Rows != got.Unique {
			t.Errorf("%s: %d rows, %d unique; the tenant has some of everything", a.Name, got.Rows, got.Unique)
		}
		if strings.Contains(a.Query, "$count=true") && got.Declared != got.Rows {
			t.Errorf("%s: %d rows of %d declared", a.Name, got.Rows, got.Declared)
		}
		for _, typ := range a.Types {
			if !complete[typ] {
				t.Errorf("%s: %s is not complete", a.Name, typ)
			}
		}
	}
	// 322 people; Graph, Exchange, Azure, two applications, the reader.
	for ask, want := range map[string]int{
		"users": 322, "user-registration-details": 322, "user-sign-in-activity": 322, "groups": 2, "group-members": 4, "group-transitive-members": 4,
		"role-assignments": 1, "applications": 1, "service-principals": 6, "secure-scores": 90, "conditional-access-policies": 1,
		"federated-credentials": 1, "access-review-instances": 4, "access-review-decisions": 4 * 20,
	} {
		if got := c.asks[ask].Rows; got != want {
			t.Errorf("%s: %d rows, want %d", ask, got, want)
		}
	}
	if c.asks["users"].Pages != 7 {
		t.Errorf("users came in %d pages, want 7", c.asks["users"].Pages)
	}
	c.entitiesAgree(t)
	c.signInsAreApart(t)
	for _, app := range c.rows("applications") {
		if hint := fmt.Sprint(app["passwordCredentials"]); !strings.Contains(hint, "hint:tickmark") && !strings.Contains(hint, "redacted") {
			t.Errorf("the beginning of a password was kept: %s", hint)
		}
	}
}

// entitiesAgree holds the entity that an ask gives its pages against the
// context with which the service named them.
func (c collected) entitiesAgree(t *testing.T) {
	t.Helper()
	// Where the last word of the context says too little, the ask says more.
	said := map[string]string{
		"policies": "conditionalAccessPolicies", "default": "crossTenantAccessPolicyConfigurationDefault", "partners": "crossTenantAccessPolicyPartners",
		"definitions": "accessReviewScheduleDefinitions", "instances": "accessReviewInstances", "decisions": "accessReviewDecisions",
		"assignments": "accessPackageAssignments", "assignmentPolicies": "accessPackageAssignmentPolicies", "workflows": "lifecycleWorkflows",
		"settings": "sharepointSettings", "deviceManagement/settings": "deviceManagementSettings",
		"deviceManagement/roleAssignments":    "deviceManagementRoleAssignmentNames",
		"deviceManagement/roleAssignments/{}": "deviceManagementRoleAssignments",
	}
	// Kinds of one collection, and members of a relation, have types of their own.
	split := map[string]bool{"signIns": true, "directoryObjects": true}
	for _, seg := range c.snap.Segments {
		for _, p := range seg.Pages {
			var envelope struct {
				Context string `json:"@odata.context"`
			}
			if err := json.Unmarshal(p.Bytes, &envelope); err != nil {
				t.Fatal(err)
			}
			_, fragment, ok := strings.Cut(envelope.Context, "#")
			if !ok {
				t.Errorf("%s: context %q", p.Ask, envelope.Context)
			}
			last := lastWord(strings.TrimSuffix(fragment, "/$entity"))
			if split[last] || p.Ask == "user-sign-in-activity" {
				continue
			}
			if better, ok := said[keyless.ReplaceAllString(strings.TrimSuffix(fragment, "/$entity"), "{}")]; ok {
				last = better
			} else if better, ok := said[last]; ok {
				last = better
			}
			if p.Entity != "graph/"+last {
				t.Errorf("%s: entity %s, context %s", p.Ask, p.Entity, envelope.Context)
			}
		}
	}
}

// keyless finds the keys in a context.
var keyless = regexp.MustCompile(`'[^']*'`)

// lastWord is the last segment of a path without keys and lists of members.
func lastWord(path string) string {
	var plain strings.Builder
	depth := 0
	for _, r := range path {
		switch {
		case r == '(':
			depth++
		case r == ')':
			depth--
		case depth == 0:
			plain.WriteRune(r)
		}
	}
	return plain.String()[strings.LastIndexByte(plain.String(), '/')+1:]
}

func (c collected) signInsAreApart(t *testing.T) {
	t.Helper()
	seen := map[string]string{}
	for ask, kind := range map[string]string{
		"sign-ins": "", "sign-ins-non-interactive": "nonInteractiveUser", "sign-ins-service-principal": "servicePrincipal", "sign-ins-managed-identity": "managedIdentity",
	} {
		rows := c.rows(ask)
		// Thirty a day of five days, and of the day before that is read again.
		if len(rows) < 165 || len(rows) > 190 {
			t.Errorf("%s: %d rows", ask, len(rows))
		}
		for _, row := range rows {
			id := fmt.Sprint(row["id"])
			if other, ok := seen[id]; ok && other != ask {
				t.Errorf("%s is in %s and %s", id, ask, other)
			}
			seen[id] = ask
			types, beta := row["signInEventTypes"].([]any)
			if beta != (kind != "") || beta && !slices.Equal(types, []any{kind}) {
				t.Errorf("%s: types %v", ask, types)
			}
		}
		span := c.asks[ask].Span
		if span == nil || span.First.IsZero() || span.Last.Before(span.First) {
			t.Errorf("%s: span %+v", ask, span)
		}
	}
}

func TestCollectWithoutLicences(t *testing.T) {
	free := strings.NewReplacer("AAD_PREMIUM, AAD_PREMIUM_P2, INTUNE_A", "EXCHANGE_S_STANDARD", "Entra_Identity_Governance", "OTHER").Replace(tenant)
	c := run(t, free)
	for _, a := range graph.Source().Asks {
		got := c.asks[a.Name]
		switch {
		case len(a.Needs.Licence) == 0 && got.Missing != tickmark.ReasonNone:
			t.Errorf("%s needs no licence: %s %s", a.Name, got.Missing, got.Detail)
		case len(a.Needs.Licence) > 0 && (got.Missing == tickmark.ReasonNone || got.Rows > 0):
			t.Errorf("%s was read without %v", a.Name, a.Needs.Licence)
		case len(a.Needs.Licence) > 0 && len(a.Of) == 0 && got.Missing != tickmark.ReasonNoLicence:
			t.Errorf("%s: %s %s, want noLicence", a.Name, got.Missing, got.Detail)
		}
	}
}

func TestCollectDenied(t *testing.T) {
	for _, denied := range []string{"Policy.Read.All", "IdentityRiskyUser.Read.All", "DeviceManagementConfiguration.Read.All", "RoleEligibilitySchedule.Read.Directory", "User.Read.All"} {
		var roles []string
		for _, p := range graph.Permissions() {
			// This one reads eligibility too.
			if p.Name != denied && (denied != "RoleEligibilitySchedule.Read.Directory" || p.Name != "RoleManagement.Read.Directory") {
				roles = append(roles, p.Name)
			}
		}
		c := run(t, tenant+"identities: [{name: reader, roles: ["+strings.Join(roles, ", ")+"]}]\n")
		missing := map[string]bool{}
		for _, p := range graph.Permissions() {
			if !slices.Contains(roles, p.Name) {
				for _, a := range p.Asks {
					missing[a] = true
				}
			}
		}
		refused := 0
		for _, a := range graph.Source().Asks {
			got := c.asks[a.Name]
			switch {
			case !missing[a.Name] && got.Missing != tickmark.ReasonNone:
				t.Errorf("without %s, %s: %s %s", denied, a.Name, got.Missing, got.Detail)
			case missing[a.Name] && got.Missing == tickmark.ReasonNotPermitted:
				refused++
			case missing[a.Name]:
				t.Errorf("without %s, %s: %s %q with %d rows, want notPermitted", denied, a.Name, got.Missing, got.Detail, got.Rows)
			}
		}
		if refused == 0 {
			t.Errorf("nothing is refused without %s", denied)
		}
	}
}

// A directory declares its total, so a page that is lost or comes twice is
// found out; a token that runs out on the way costs nothing.
func TestCollectWithFaults(t *testing.T) {
	users := "/v1.0/users"
	for _, tc := range []struct {
		fault azuresim.Fault
		reads bool
	}{
		{azuresim.Fault{ID: "C11", Host: "graph", Path: users}, false},
		{azuresim.Fault{ID: "C6/null", Host: "graph", Path: users, Count: -1}, false},
		{azuresim.Fault{ID: "C6/error", Host: "graph", Path: users, Count: -1}, false},
		{azuresim.Fault{ID: "C1/thrice", Host: "graph", Path: users}, true},
		{azuresim.Fault{ID: "C14/refresh", Host: "graph", Path: users}, true},
	} {
		t.Run(tc.fault.ID, func(t *testing.T) {
			c := run(t, tenant, tc.fault)
			got := c.asks["users"]
			if hits := c.sim.Hits()[tc.fault.ID]; hits == 0 {
				t.Fatal("the fault did not hit")
			}
			if read := got.Missing == tickmark.ReasonNone && got.Rows == 322; read != tc.reads {
				t.Errorf("%s %s, %d rows", got.Missing, got.Detail, got.Rows)
			}
			if other := c.asks["groups"]; other.Missing != tickmark.ReasonNone || other.Rows != 2 {
				t.Errorf("groups suffered too: %s %s", other.Missing, other.Detail)
			}
		})
	}
}

// TestNationalClouds: what the pages of Graph do not have in a deployment is not
// asked there and called not offered; all else is asked and answered. The
// simulator has its own table of what is there, so that neither can be wrong alone.
func TestNationalClouds(t *testing.T) {
	for _, place := range [][2]string{{"public", "gcc"}, {"usGovernment", "gccHigh"}, {"usGovernment", "dod"}, {"china", "china"}} {
		yaml := strings.Replace(tenant, "tenant: {", fmt.Sprintf("tenant: {cloud: %s, microsoft365: %s, ", place[0], place[1]), 1)
		if yaml == tenant {
			t.Fatal("the tenant has no place to be changed")
		}
		c := run(t, yaml)
		missing := 0
		for _, a := range graph.Source().Asks {
			got := c.asks[a.Name]
			if slices.Contains(a.NotOffered, place[1]) {
				missing++
				if got.Missing != tickmark.ReasonNotOffered || got.Requests > 0 {
					t.Errorf("%v %s: %s %s, asked %d times", place, a.Name, got.Missing, got.Detail, got.Requests)
				}
				continue
			}
			if got.Missing != tickmark.ReasonNone || len(got.Refusals) > 0 {
				t.Errorf("%v %s: %s %s %+v", place, a.Name, got.Missing, got.Detail, got.Refusals)
			}
		}
		// What is not asked is not there: its own address says so.
		for _, a := range graph.Source().Asks {
			if len(a.Of) > 0 || strings.Contains(a.Path, "{") {
				continue
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.sim.Endpoint("graph")+a.Path, nil)
			if err != nil {
				t.Fatal(err)
			}
			client := c.sim.Client()
			header, _, err := collecttest.SignIn{Tenant: &collecttest.Tenant{Sim: c.sim, Client: client}}.Token(t.Context(), collect.HostGraph, c.sim.EndpointsDocument().Audiences["graph"])
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", header)
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			client.CloseIdleConnections()
			if gone := strings.Contains(string(b), "Resource not found for the segment"); gone != slices.Contains(a.NotOffered, place[1]) {
				t.Errorf("%v %s: the table says not offered %v, Graph answers %d", place, a.Name, !gone, resp.StatusCode)
			}
		}
		if (missing == 0) != (place[1] == "gcc") {
			t.Errorf("%v: %d questions are not offered", place, missing)
		}
	}
}
