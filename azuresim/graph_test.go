// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

const office = `
name: Office
tenant: {domains: [office.example]}
licences:
  - {sku: SPE_E5, units: 50, consumed: 41, plans: [AAD_PREMIUM, AAD_PREMIUM_P2, INTUNE_A, EXCHANGE_S_ENTERPRISE]}
  - {sku: Microsoft_Entra_ID_Governance, units: 50, plans: [Entra_Identity_Governance]}
people:
  - {name: Ada Ray, upn: ada@office.example, title: Head of IT, licences: [SPE_E5]}
  - {name: Ben Lee, upn: ben@office.example, methods: [passKeyDeviceBound]}
  - {name: "Worker {n}", upn: "w{n}@office.example", count: 37}
  - {name: Gus Guest, upn: gus@partner.example, guest: true, noMfa: true}
  - {name: Old Hand, upn: old@office.example, disabled: true}
  - {name: New Hire, upn: new@office.example, created: 30d}
groups:
  - {name: Admins, roleAssignable: true, members: [Ben Lee, Inner], owners: [Ada Ray]}
  - {name: Inner, members: ["w1@office.example", "w2@office.example"]}
directoryRoles:
  - {role: Global Administrator, principal: Ada Ray}
  - {role: Security Administrator, principal: Ben Lee, eligible: true}
  - {role: User Administrator, principal: Admins, eligible: true}
applications:
  - name: deploy
    owners: [Ada Ray]
    permissions: [User.Read.All]
    credentials: [{kind: password, name: ci, expires: 20d}, {kind: certificate, name: node}, {kind: federated, name: infra}]
  - {name: Survey, foreign: true, delegated: [User.Read, openid], owners: [Ben Lee]}
conditionalAccess:
  - {displayName: Require MFA, grantControls: {operator: OR, builtInControls: [mfa], customAuthenticationFactors: [], termsOfUse: [], authenticationStrength: null}}
logs:
  signIns: {perDay: 40}
  audits: {perDay: 25}
`

// page is an answer of Graph.
type page struct {
	Context string            `json:"@odata.context"`
	Count   *int              `json:"@odata.count"`
	Next    string            `json:"@odata.nextLink"`
	Value   []json.RawMessage `json:"value"`
	Error   struct {
		Code    string            `json:"code"`
		Message string            `json:"message"`
		Inner   map[string]string `json:"innerError"`
	} `json:"error"`
}

// graphClient asks the Graph of a simulator with one token.
type graphClient struct {
	t     *testing.T
	s     *Sim
	c     *http.Client
	token string
	last  http.Header // of the last answer
}

func graphOf(t *testing.T, yaml string, o Options) *graphClient {
	t.Helper()
	s, c := start(t, yaml, o)
	return &graphClient{t: t, s: s, c: c}
}

// get returns the status, the page read strictly enough for tests, and the
// bytes; the header is kept.
func (g *graphClient) get(address string, header ...string) (int, page, []byte) {
	g.t.Helper()
	if !strings.HasPrefix(address, "https://") {
		address = g.s.Endpoint("graph") + address
	}
	if g.token == "" {
		g.token = bearerFor(g.t, g.s, g.c, "graph")
	}
	req, err := http.NewRequestWithContext(g.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+g.token)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := g.c.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	var p page
	if err := json.Unmarshal(b, &p); err != nil {
		g.t.Fatalf("%s: %v: %s", address, err, b)
	}
	g.last = resp.Header
	return resp.StatusCode, p, b
}

// all reads every page of a list.
func (g *graphClient) all(path string, header ...string) (rows []json.RawMessage, pages int) {
	g.t.Helper()
	for next := path; next != ""; pages++ {
		status, p, b := g.get(next, header...)
		if status != http.StatusOK || pages > 200 {
			g.t.Fatalf("%s: %d %s", next, status, b)
		}
		rows, next = append(rows, p.Value...), p.Next
	}
	return rows, pages
}

func TestGraphServesEverySet(t *testing.T) {
	g := graphOf(t, office, Options{Seed: 3})
	// The keys that paths need are those of rows that were listed.
	ids := map[string]string{}
	for _, list := range []string{"groups", "applications", "servicePrincipals", "users", "identityGovernance/accessReviews/definitions", "deviceManagement/roleAssignments"} {
		rows, _ := g.all("/v1.0/" + list + "?$top=10")
		var row struct{ ID string }
		if err := json.Unmarshal(rows[0], &row); err != nil || row.ID == "" {
			t.Fatalf("%s: %v %s", list, err, rows[0])
		}
		ids[list] = row.ID
	}
	instances, _ := g.all("/v1.0/identityGovernance/accessReviews/definitions/" + ids["identityGovernance/accessReviews/definitions"] + "/instances")
	var instance struct{ ID string }
	if err := json.Unmarshal(instances[0], &instance); err != nil {
		t.Fatal(err)
	}
	for i := range graphSets {
		s := &graphSets[i]
		version, path := "/v1.0/", s.path
		if s.beta {
			version = "/beta/"
		}
		for list, id := range ids {
			path = strings.Replace(path, list+"/{}", list+"/"+id, 1)
		}
		path = strings.ReplaceAll(path, "{}", instance.ID)
		if s.must != "" {
			path += "?$filter=" + url.QueryEscape("scopeId eq '/' and scopeType eq 'DirectoryRole'")
		}
		status, p, b := g.get(version + path)
		if status != http.StatusOK || !strings.HasPrefix(p.Context, g.s.Endpoint("graph")+version+"$metadata#") {
			t.Errorf("%s: %d %.200s", path, status, b)
			continue
		}
		if s.single != strings.HasSuffix(p.Context, "/$entity") || s.single == (p.Value != nil) {
			t.Errorf("%s: context %s with rows %v", path, p.Context, p.Value != nil)
		}
		if s.beta {
			if status, p, _ := g.get("/v1.0/" + path); status != 400 || p.Error.Code != "BadRequest" {
				t.Errorf("%s is served by v1.0 too: %d", path, status)
			}
		}
	}
}

func TestGraphPaging(t *testing.T) {
	g := graphOf(t, office, Options{Seed: 3})
	// 41 people are there; New Hire is not yet.
	rows, pages := g.all("/v1.0/users?$top=10&$count=true", "ConsistencyLevel", "eventual")
	if len(rows) != 41 || pages != 5 {
		t.Errorf("%d users in %d pages, want 41 in 5", len(rows), pages)
	}
	_, p, _ := g.get("/v1.0/users?$top=10&$count=true", "ConsistencyLevel", "eventual")
	if p.Count == nil || *p.Count != 41 || !strings.Contains(p.Next, "$skiptoken=") || !strings.Contains(p.Next, "$top=10") {
		t.Errorf("count %v, next %s", p.Count, p.Next)
	}
	if _, second, _ := g.get(p.Next, "ConsistencyLevel", "eventual"); second.Count != nil {
		t.Error("the second page counts again")
	}
	if _, p, _ := g.get("/v1.0/users?$count=true"); p.Count != nil {
		t.Error("directory objects are counted without ConsistencyLevel: eventual")
	}
	for query, code := range map[string]string{
		"/v1.0/users?$top=1000":                 "Request_BadRequest",
		"/v1.0/users?$skiptoken=nonsense":       "Directory_ExpiredPageToken",
		"/v1.0/users?$select=id,shoeSize":       "BadRequest",
		"/v1.0/users?$expand=shoes":             "BadRequest",
		"/v1.0/users?$filter=department+ne+'x'": "Request_UnsupportedQuery",
		"/v1.0/users?$filter=userType+eq":       "BadRequest",
		"/v1.0/nothing":                         "BadRequest",
		"/v2.0/users":                           "BadRequest",
		"/v1.0/groups/0000/members":             "Request_ResourceNotFound",
		"/v1.0/policies/roleManagementPolicies": "MissingProvider",
		"/v1.0/auditLogs/signIns?$filter=signInEventTypes/any(t:+t+eq+'servicePrincipal')": "BadRequest",
		"/v1.0/auditLogs/signIns?$filter=createdDateTime+lt+2026-06-30T00:00:00Z":          "Request_UnsupportedQuery",
		"/v1.0/auditLogs/directoryAudits?$filter=activityDisplayName+eq+'Update+user'":     "Request_UnsupportedQuery",
		"/v1.0/users?$search=\"displayName:Ada\"":                                          "Request_BadRequest",
	} {
		status, p, b := g.get(query)
		if want := 400; p.Error.Code != code || status != want && status != 404 {
			t.Errorf("%s: %d %s, want %s", query, status, b, code)
		}
		if p.Error.Inner["request-id"] == "" || p.Error.Inner["date"] == "" || g.last.Get("request-id") == "" {
			t.Errorf("%s: the error has no request id: %s", query, b)
		}
	}
}

func TestGraphSelect(t *testing.T) {
	g := graphOf(t, office, Options{Seed: 3})
	_, p, _ := g.get("/v1.0/users?$select=id,accountEnabled,employeeId")
	if !strings.HasSuffix(p.Context, "$metadata#users(id,accountEnabled,employeeId)") {
		t.Errorf("context %s", p.Context)
	}
	var row map[string]any
	if err := json.Unmarshal(p.Value[0], &row); err != nil || len(row) != 3 {
		t.Errorf("selected: %s %v", p.Value[0], err)
	}
	// Without $select a user shows few members.
	_, p, _ = g.get("/v1.0/users")
	if strings.Contains(string(p.Value[0]), "accountEnabled") || !strings.Contains(string(p.Value[0]), "userPrincipalName") {
		t.Errorf("default: %s", p.Value[0])
	}
	_, p, _ = g.get("/v1.0/roleManagement/directory/roleAssignments?$expand=principal")
	if !strings.HasSuffix(p.Context, "roleAssignments(principal())") || !strings.Contains(string(p.Value[0]), `"@odata.type":"#microsoft.graph.user"`) {
		t.Errorf("expanded: %s %s", p.Context, p.Value[0])
	}
	_, p, _ = g.get("/v1.0/roleManagement/directory/roleAssignments")
	if strings.Contains(string(p.Value[0]), `"principal":`) {
		t.Errorf("expanded unasked: %s", p.Value[0])
	}
	rows, _ := g.all("/v1.0/users?$select=id,userType&$filter=userType+eq+'Guest'")
	if len(rows) != 1 {
		t.Errorf("%d guests", len(rows))
	}
	groups, _ := g.all("/v1.0/groups?$filter=isAssignableToRole+eq+true")
	var admins struct{ ID string }
	if err := json.Unmarshal(groups[0], &admins); err != nil || len(groups) != 1 {
		t.Fatal(err, len(groups))
	}
	if direct, _ := g.all("/v1.0/groups/" + admins.ID + "/members"); len(direct) != 2 {
		t.Errorf("%d direct members", len(direct))
	}
	if inner, _ := g.all("/v1.0/groups/" + admins.ID + "/transitiveMembers?$select=id,displayName"); len(inner) != 4 {
		t.Errorf("%d transitive members", len(inner))
	}
	_, _, b := g.get("/v1.0/applications?$select=id,passwordCredentials,keyCredentials")
	if strings.Contains(string(b), `"secretText":"`) || !strings.Contains(string(b), `"endDateTime"`) {
		t.Errorf("credentials: %s", b)
	}
	if rows, _ := g.all("/v1.0/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')/appRoleAssignedTo"); len(rows) != 1 {
		t.Errorf("%d hold permissions of Graph", len(rows))
	}
}

func TestGraphSignIns(t *testing.T) {
	g := graphOf(t, office, Options{Seed: 3})
	now := g.s.Now()
	span := func(from, to time.Duration) string {
		return url.QueryEscape("createdDateTime ge " + now.Add(from).Format(time.RFC3339) + " and createdDateTime le " + now.Add(to).Format(time.RFC3339))
	}
	read := func(path string) []string {
		rows, _ := g.all(path)
		var ids []string
		for _, r := range rows {
			var x struct {
				ID    string
				At    time.Time `json:"createdDateTime"`
				Types []string  `json:"signInEventTypes"`
			}
			if err := json.Unmarshal(r, &x); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, x.ID)
		}
		return ids
	}
	v1 := read("/v1.0/auditLogs/signIns?$filter=" + span(-48*time.Hour, -24*time.Hour))
	if len(v1) < 30 || len(v1) > 50 {
		t.Errorf("%d interactive sign-ins of a day, want about 40", len(v1))
	}
	if beta := read("/beta/auditLogs/signIns?$filter=" + span(-48*time.Hour, -24*time.Hour)); !slices.Equal(beta, v1) {
		t.Errorf("beta without a kind: %d sign-ins, v1.0 has %d", len(beta), len(v1))
	}
	for _, kind := range []string{"nonInteractiveUser", "servicePrincipal", "managedIdentity"} {
		rows, _ := g.all("/beta/auditLogs/signIns?$filter=" + span(-48*time.Hour, -24*time.Hour) + url.QueryEscape(" and signInEventTypes/any(t: t eq '"+kind+"')"))
		if len(rows) < 30 || !strings.Contains(string(rows[0]), `"signInEventTypes":["`+kind+`"]`) {
			t.Errorf("%s: %d rows", kind, len(rows))
		}
		if strings.Contains(string(rows[0]), v1[0]) {
			t.Errorf("%s has interactive sign-ins", kind)
		}
	}
	// What is older than 30 days is gone, without a word.
	if old := read("/v1.0/auditLogs/signIns?$filter=" + span(-40*day, -31*day)); len(old) != 0 {
		t.Errorf("%d sign-ins from before the retention", len(old))
	}
	if month, _ := g.all("/v1.0/auditLogs/directoryAudits?$filter=" + strings.ReplaceAll(span(-40*day, 0), "createdDateTime", "activityDateTime")); len(month) < 600 || len(month) > 900 {
		t.Errorf("%d audit records of 30 days, want about 750", len(month))
	}
}

func TestGraphLicences(t *testing.T) {
	free := strings.Replace(office, "AAD_PREMIUM, AAD_PREMIUM_P2, INTUNE_A, ", "", 1)
	free = strings.Replace(free, "plans: [Entra_Identity_Governance]", "plans: []", 1)
	g := graphOf(t, free, Options{Seed: 3})
	for path, want := range map[string]struct {
		status int
		code   string
	}{
		"/v1.0/auditLogs/signIns":                                         {403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant"},
		"/v1.0/reports/authenticationMethods/userRegistrationDetails":     {403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant"},
		"/v1.0/users?$select=id,signInActivity":                           {403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant"},
		"/v1.0/roleManagement/directory/roleEligibilityScheduleInstances": {400, "AadPremiumLicenseRequired"},
		"/v1.0/identityProtection/riskyUsers":                             {403, "Forbidden"},
		"/v1.0/deviceManagement/managedDevices":                           {400, "BadRequest"},
		"/v1.0/users":                                                     {200, ""},
		"/v1.0/auditLogs/directoryAudits":                                 {200, ""},
		"/v1.0/roleManagement/directory/roleAssignments":                  {200, ""},
	} {
		if status, p, _ := g.get(path); status != want.status || p.Error.Code != want.code {
			t.Errorf("%s: %d %s, want %d %s", path, status, p.Error.Code, want.status, want.code)
		}
	}
	// Without P1 the audit log has 7 days.
	now := g.s.Now()
	rows, _ := g.all("/v1.0/auditLogs/directoryAudits?$filter=" + url.QueryEscape("activityDateTime ge "+now.Add(-30*day).Format(time.RFC3339)))
	if len(rows) < 140 || len(rows) > 200 {
		t.Errorf("%d audit records of 7 days, want about 175", len(rows))
	}
}

func TestGraphPermissions(t *testing.T) {
	some := office + "identities:\n  - {name: reader, clientId: 11111111-1111-1111-1111-111111111111, roles: [User.Read.All, AuditLog.Read.All]}\n"
	g := graphOf(t, some, Options{Seed: 3})
	g.token, _ = g.s.mint("https://graph.microsoft.com", "11111111-1111-1111-1111-111111111111", time.Hour)
	for path, want := range map[string]string{
		"/v1.0/users": "", "/v1.0/auditLogs/signIns": "", "/v1.0/groups": "Authorization_RequestDenied", "/v1.0/identity/conditionalAccess/policies": "AccessDenied",
		"/v1.0/roleManagement/directory/roleEligibilityScheduleInstances": "PermissionScopeNotGranted", "/v1.0/deviceManagement/managedDevices": "Forbidden",
	} {
		status, p, b := g.get(path)
		if p.Error.Code != want || (want == "") != (status == 200) || want != "" && status != 403 {
			t.Errorf("%s: %d %s, want %s", path, status, b, want)
		}
	}
	denied := graphOf(t, office+"deny: [{host: graph, path: /v1.0/domains}]\n", Options{Seed: 3})
	if status, p, _ := denied.get("/v1.0/domains"); status != 403 || p.Error.Code != "Authorization_RequestDenied" {
		t.Errorf("denied: %d %s", status, p.Error.Code)
	}
}

func TestGraphThrottlesReports(t *testing.T) {
	now := newClock()
	g := graphOf(t, office, Options{Seed: 3, Quotas: true, Now: now.now})
	for i := range 5 {
		if status, _, b := g.get("/v1.0/auditLogs/directoryAudits"); status != 200 {
			t.Fatalf("request %d: %d %s", i+1, status, b)
		}
	}
	status, p, _ := g.get("/v1.0/auditLogs/directoryAudits")
	if status != 429 || g.last.Get("Retry-After") != "2" || p.Error.Code != "TooManyRequests" {
		t.Errorf("the sixth: %d, Retry-After %q, %s", status, g.last.Get("Retry-After"), p.Error.Code)
	}
	if status, _, _ := g.get("/v1.0/users"); status != 200 {
		t.Errorf("users are throttled with the reports: %d", status)
	}
	now.t = now.t.Add(2 * time.Second)
	if status, _, _ := g.get("/v1.0/auditLogs/directoryAudits"); status != 200 {
		t.Errorf("after Retry-After: %d", status)
	}
}

func TestGraphIsDeterministic(t *testing.T) {
	var first []byte
	for range 2 {
		g := graphOf(t, office, Options{Seed: 3})
		var all []byte
		for _, path := range []string{"users", "servicePrincipals", "auditLogs/signIns", "roleManagement/directory/roleAssignmentScheduleRequests"} {
			_, p, _ := g.get("/v1.0/" + path)
			for _, r := range p.Value {
				all = append(all, r...)
			}
		}
		if first == nil {
			first = all
		} else if string(first) != string(all) {
			t.Error("the same seed served other bytes")
		}
	}
}

// A tenant of 50,000 is expanded once and rendered page by page.
func TestGraphLargeTenant(t *testing.T) {
	g := graphOf(t, "name: Large\ntenant: {domains: [large.example]}\npeople: [{name: \"User {n:05}\", upn: \"u{n:05}@large.example\", count: 50000}]\n", Options{Seed: 1})
	seen := map[string]bool{}
	rows, pages := g.all("/v1.0/users?$select=id,userPrincipalName,accountEnabled&$top=999&$count=true", "ConsistencyLevel", "eventual")
	for _, r := range rows {
		seen[string(r)] = true
	}
	if len(rows) != 50000 || len(seen) != 50000 || pages != 51 {
		t.Errorf("%d users (%d unlike) in %d pages", len(rows), len(seen), pages)
	}
}
