// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/azuresim"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/collect/arm"
	"github.com/tickmark/tickmark/collect/collecttest"
	"github.com/tickmark/tickmark/work"
)

// granting is a tenant whose logs go to an account by each way that there is.
const granting = `
name: Granting
tenant: {domains: [granting.example], epoch: "2026-06-30T12:00:00Z"}
managementGroups: [{name: prod}]
subscriptions:
  - {name: one, id: 00000000-0000-0000-0000-000000000001, managementGroup: prod}
  - {name: two, id: 00000000-0000-0000-0000-000000000002}
resources:
  - {type: Microsoft.Storage/storageAccounts, name: stactivity, subscriptions: [one], group: logs, kind: StorageV2, properties: {supportsHttpsTrafficOnly: true}, children: [{type: blobServices, name: default, properties: {}}]}
  - {type: Microsoft.Storage/storageAccounts, name: stgroups, subscriptions: [two], group: logs, kind: StorageV2, properties: {supportsHttpsTrafficOnly: true}, children: [{type: blobServices, name: default, properties: {}}]}
  - {type: Microsoft.Storage/storageAccounts, name: stentra, subscriptions: [two], group: logs, kind: StorageV2, properties: {supportsHttpsTrafficOnly: true}, children: [{type: blobServices, name: default, properties: {}}]}
  - {type: Microsoft.Storage/storageAccounts, name: stexport, subscriptions: [two], group: logs, kind: StorageV2, properties: {supportsHttpsTrafficOnly: true}, children: [{type: blobServices, name: default, properties: {}}]}
  - {type: Microsoft.Storage/storageAccounts, name: stother, subscriptions: [two], group: logs, kind: StorageV2, properties: {supportsHttpsTrafficOnly: true}, children: [{type: blobServices, name: default, properties: {}}]}
  - {type: Microsoft.Insights/diagnosticSettings, at: subscription, name: activity, properties: {storageAccountId: "/subscriptions/{subscription:one}/resourceGroups/logs/providers/Microsoft.Storage/storageAccounts/stactivity", logs: [{category: Administrative, enabled: true}]}}
  - {type: Microsoft.Insights/diagnosticSettings, at: managementGroup/prod, name: activity, properties: {storageAccountId: "/subscriptions/{subscription:two}/resourceGroups/logs/providers/Microsoft.Storage/storageAccounts/stgroups", logs: [{category: Administrative, enabled: true}]}}
  - {type: microsoft.aadiam/diagnosticSettings, at: tenant, name: entra, properties: {storageAccountId: "/subscriptions/{subscription:two}/resourceGroups/logs/providers/Microsoft.Storage/storageAccounts/stentra", logs: [{category: AuditLogs, enabled: true}]}}
  - type: Microsoft.OperationalInsights/workspaces
    name: logs
    subscriptions: [one]
    group: logs
    properties: {retentionInDays: 365, customerId: 6c0ffee0-0000-4000-8000-000000000001}
    children:
      - {type: tables, name: AuditLogs, properties: {retentionInDays: 365}}
      - {type: dataExports, name: keep, properties: {destination: {resourceId: "/subscriptions/{subscription:two}/resourceGroups/logs/providers/Microsoft.Storage/storageAccounts/stexport"}, tableNames: [AuditLogs], enable: true}}
workspaces: [{name: logs, customerId: 6c0ffee0-0000-4000-8000-000000000001, tables: [AuditLogs]}]
archives:
  - {account: stactivity, logs: [AzureActivity], since: -30d}
  - {account: stgroups, logs: [AzureActivity], since: -30d}
  - {account: stentra, logs: [AuditLogs], since: -30d}
  - {account: stexport, exports: [AuditLogs], workspace: logs, since: -30d}
people: [{name: Ada Ray, upn: ada@granting.example}]
logs: {activity: {perDay: 3}, audits: {perDay: 3}}
roleDefinitions:
  - {name: tickmark policy state reader, actions: [Microsoft.PolicyInsights/policyStates/summarize/read, Microsoft.PolicyInsights/policyStates/summarize/action]}
identities:
  - {name: admin, clientId: admin}
  - {name: tickmark-reader, clientId: reader, access: [ACCESS]}
`

// assignment is what the fake az keeps of a role that it assigned.
type assignment struct{ ID, Role, Scope string }

// tenant serves granting; the reader has what was assigned, and nothing if
// nothing was.
func tenant(t *testing.T, has []assignment) *collecttest.Tenant {
	t.Helper()
	var access []string
	for _, a := range has {
		name := a.Role
		for _, r := range arm.Roles() {
			if r.ID == a.Role {
				name = r.Name
			}
		}
		access = append(access, fmt.Sprintf("{role: %q, scope: %q}", name, a.Scope))
	}
	return collecttest.Serve(t, "granting.yaml", strings.Replace(granting, "ACCESS", strings.Join(access, ", "), 1), azuresim.Options{Seed: 4})
}

// signedIn are the credentials of one of the identities.
func signedIn(t *testing.T, s *collecttest.Tenant, client string) collect.Credentials {
	t.Helper()
	c, err := collect.NewCredentials(s.Endpoints, collect.SignIn{Kind: "simulator", ClientID: client}, s.Clock)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// refused are the questions to Azure that the reader gets no answer to.
func refused(t *testing.T, has []assignment) []string {
	t.Helper()
	s := tenant(t, has)
	now := s.Clock.Now()
	got := s.Collect(t, collect.Options{Credentials: signedIn(t, s, "reader"), Limit: time.Hour, From: now.AddDate(0, 0, -2), To: now}, arm.Source())
	var out []string
	for _, seg := range got.Snapshot.Segments {
		for _, a := range seg.Coverage.Asks {
			if a.Missing != tickmark.ReasonNone || len(a.Refusals)+len(a.Excluded) > 0 {
				out = append(out, a.Name)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TestPermissionsGrant runs the printed script in a simulated tenant: with what
// it assigned every question to Azure is answered, without any one of the
// assignments some are not, and its undo takes away what it made, and leaves
// what was there.
func TestPermissionsGrant(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("there is no sh here")
	}
	dir := t.TempDir()
	there := assignment{ID: "there-before", Role: "acdd72a7-3385-48ef-bd42-f606fba81ae7", Scope: "/providers/Microsoft.Insights"}
	az := newTenantAz(t, dir, there)
	text, err := permissionsScript(t, "--only", "arm")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing to do
		az.run(t, text)
	}
	made := slices.Clone(az.has)
	if left := refused(t, made); len(left) > 0 {
		t.Errorf("after the script these are refused: %q\n%+v", left, made)
	}
	if n := len(made); n != 8 { // three of Reader, the own role, four accounts; one was there
		t.Errorf("%d assignments: %+v", n, made)
	}
	for i, a := range made {
		if a.Role == "tickmark policy state reader" {
			continue // the simulator does not refuse sums to a Reader
		}
		if len(refused(t, slices.Delete(slices.Clone(made), i, i+1))) == 0 {
			t.Errorf("without %s at %s nothing is refused", a.Role, a.Scope)
		}
	}
	undo, err := os.ReadFile(filepath.Join(dir, "tickmark-undo.sh"))
	if err != nil {
		t.Fatal(err)
	}
	az.run(t, string(undo))
	if len(az.has) != 1 || az.has[0] != there {
		t.Errorf("after the undo: %+v\n%s", az.has, undo)
	}
	if log := strings.Join(az.log, "\n"); strings.Count(log, "role definition create") != 1 || strings.Count(log, "role definition delete") != 1 || len(az.roles) > 0 {
		t.Errorf("the own role is not made once and deleted once: %q\n%s", az.roles, log)
	}
}

// tenantAz stands for az: the script calls the test binary under that name, which
// asks the test. It reads the simulator as an administrator, and keeps what is
// assigned.
type tenantAz struct {
	dir   string
	url   string
	sim   *collecttest.Tenant
	admin collect.Credentials
	has   []assignment
	roles []string // own ones
	log   []string
}

func newTenantAz(t *testing.T, dir string, there ...assignment) *tenantAz {
	t.Helper()
	self, err := os.Executable()
	if err == nil {
		err = os.Symlink(self, filepath.Join(dir, "az"))
	}
	if err != nil {
		t.Skipf("there can be no az here: %v", err)
	}
	az := &tenantAz{dir: dir, sim: tenant(t, nil), has: there}
	az.admin = signedIn(t, az.sim, "admin")
	server := httptest.NewServer(az)
	t.Cleanup(server.Close)
	az.url = server.URL
	return az
}

// askTenantAz is az in the script's process.
func askTenantAz() {
	args, err := json.Marshal(os.Args[1:])
	if err != nil {
		panic(err)
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, os.Getenv("FAKE_AZ"), bytes.NewReader(args))
	if err != nil {
		panic(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	_, _ = io.Copy(os.Stdout, resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		os.Exit(1)
	}
	os.Exit(0)
}

func (az *tenantAz) run(t *testing.T, script string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "sh", "-c", script)
	c.Dir, c.Env = az.dir, []string{"PATH=" + az.dir + ":/usr/bin:/bin", "APP_ID=reader", "WAIT=0", "FAKE_AZ=" + az.url}
	if out, err := c.CombinedOutput(); err != nil || strings.Contains(string(out), "NOT ") || strings.Contains(string(out), "not read") {
		t.Fatalf("%v\n%s\n%s", err, out, strings.Join(az.log, "\n"))
	}
}

func (az *tenantAz) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var args []string
	if err := json.NewDecoder(r.Body).Decode(&args); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	az.log = append(az.log, strings.Join(args, " "))
	flag := func(name string) string {
		if i := slices.Index(args, name); i >= 0 && i+1 < len(args) {
			return args[i+1]
		}
		return ""
	}
	same := func(a assignment) bool {
		return a.Role == flag("--role") && strings.EqualFold(a.Scope, flag("--scope"))
	}
	switch what := strings.Join(args[:min(3, len(args))], " "); {
	case what == "cloud set --name":
	case what == "account show --query":
		fmt.Fprintln(w, az.sim.Endpoints.TenantID)
	case what == "account list --query":
		az.print(r.Context(), w, "/subscriptions?api-version=2022-12-01", "subscriptionId")
	case what == "role definition list":
		if slices.Contains(az.roles, flag("--name")) {
			fmt.Fprintln(w, "a-role")
		}
	case what == "role definition create":
		var d struct{ Name string }
		if err := json.Unmarshal([]byte(flag("--role-definition")), &d); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		az.roles = append(az.roles, d.Name)
	case what == "role definition delete":
		az.roles = slices.DeleteFunc(az.roles, func(n string) bool { return n == flag("--name") })
	case what == "role assignment list":
		if i := slices.IndexFunc(az.has, same); i >= 0 {
			fmt.Fprintln(w, az.has[i].ID)
		}
	case what == "role assignment create":
		if slices.ContainsFunc(az.has, same) {
			http.Error(w, "RoleAssignmentExists", http.StatusConflict)
			return
		}
		a := assignment{ID: fmt.Sprintf("%s/providers/Microsoft.Authorization/roleAssignments/%d", flag("--scope"), len(az.log)), Role: flag("--role"), Scope: flag("--scope")}
		az.has = append(az.has, a)
		fmt.Fprintln(w, a.ID)
	case what == "role assignment delete":
		az.has = slices.DeleteFunc(az.has, func(a assignment) bool { return a.ID == flag("--ids") })
	case args[0] == "rest" && strings.Contains(flag("--url"), "/v1.0/servicePrincipals("):
		fmt.Fprintln(w, "object-of-reader")
	case args[0] == "rest":
		path, ok := strings.CutPrefix(flag("--url"), "https://management.azure.com")
		if !ok {
			http.Error(w, flag("--url"), http.StatusBadRequest)
			return
		}
		az.print(r.Context(), w, path, strings.TrimPrefix(flag("--query"), "value[]."))
	default:
		http.Error(w, "what is "+what+"?", http.StatusBadRequest)
	}
}

// print writes a member of each row of a list, as a query of az does.
func (az *tenantAz) print(ctx context.Context, w http.ResponseWriter, path, member string) {
	var list struct{ Value []map[string]any }
	token, _, err := az.admin.Token(ctx, collect.HostARM, az.sim.Endpoints.Audience[collect.HostARM])
	if err == nil {
		err = az.get(ctx, path, token, &list)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	for _, row := range list.Value {
		var v any = row
		for name := range strings.SplitSeq(member, ".") {
			m, _ := v.(map[string]any)
			v = m[name]
		}
		if v != nil {
			fmt.Fprintln(w, v)
		}
	}
}

func (az *tenantAz) get(ctx context.Context, path, token string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, az.sim.Endpoints.URL[collect.HostARM]+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", token)
	resp, err := az.sim.Client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// TestDoctorScopes: what lies at a scope of its own is asked for there, and not
// at the root group.
func TestDoctorScopes(t *testing.T) {
	const root, reader = "/providers/Microsoft.Management/managementGroups/", "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	account := "/resourceGroups/logs/providers/Microsoft.Storage/storageAccounts/"
	sources, err := work.ChooseSources([]string{"arm"})
	if err != nil {
		t.Fatal(err)
	}
	cat, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		has  []assignment
		want map[string]string // question: the end of its command, or what is in it
	}{
		{[]assignment{{Role: "tickmark policy state reader", Scope: "subscription/one"}}, map[string]string{"management-group-descendants": "--scope " + root + "the-tenant"}},
		{[]assignment{{Role: reader, Scope: "managementGroup/root"}}, map[string]string{
			"entra-log-export": "--role 'Reader' --scope /providers/Microsoft.aadiam", "tenant-activity-log": "--role 'Reader' --scope /providers/Microsoft.Insights",
			"log-archive-scopes": "--role 'Storage Blob Data Reader' --scope /subscriptions/00000000-0000-0000-0000-00000000000",
		}},
	} {
		s := tenant(t, c.has)
		found, err := collect.Probe(t.Context(), sources, collect.Options{
			Dir: t.TempDir(), Endpoints: s.Endpoints, Credentials: signedIn(t, s, "reader"), Clock: s.Clock, Root: []byte(`{"tenantId":"` + s.Endpoints.TenantID + `"}`),
		})
		if err != nil {
			t.Fatal(err)
		}
		d := &doctorCommand{}
		d.Tenant, d.Cloud = "the-tenant", "public"
		for _, a := range work.Reach(sources, found, nil, cat).Asks {
			want, ok := c.want[a.Ask]
			delete(c.want, a.Ask)
			if got, runs := d.command(a); ok && (a.State != work.ReachRole || !runs || !strings.Contains(got, want) || a.Scope == arm.ScopeArchive && !strings.Contains(got, account)) {
				t.Errorf("%s is %q; %s\n  want %s", a.Ask, a.State, got, want)
			}
		}
		if len(c.want) > 0 {
			t.Errorf("not asked: %v", c.want)
		}
	}
}
