// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/azuresim"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/collect/collecttest"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/logs"
	"github.com/tickmark/tickmark/work"
)

// logged is an organisation whose logs have copies: a workspace since 40 days
// with a gap of two days, an account since 90 days with one of three, another
// that lacks the rights to be read.
const logged = `
name: Contoso
tenant: {domains: [contoso.example], epoch: "2026-06-30T12:00:00Z"}
licences: [{sku: E5, plans: [AAD_PREMIUM, AAD_PREMIUM_P2]}]
identities: [{name: reader, clientId: reader, roles: [AuditLog.Read.All, Directory.Read.All], access: [{role: Reader, scope: /}, {role: Storage Blob Data Reader, scope: "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-one/providers/Microsoft.Storage/storageAccounts/stlogs"}]}]
subscriptions: [{name: one, id: 00000000-0000-0000-0000-000000000001}, {name: two, id: 00000000-0000-0000-0000-000000000002}]
people: [{name: Ada Ray, upn: ada@contoso.example}, {name: Bo Li, upn: bo@contoso.example}]
logs: {signIns: {perDay: 12}, audits: {perDay: 30}, activity: {perDay: 30}}
workspaces:
  - {name: log, customerId: 00000000-0000-0000-0000-0000000000e5, tables: [AzureActivity, AuditLogs, SigninLogs], since: -40d, gaps: [{from: 2026-06-20T00:00:00Z, to: 2026-06-22T00:00:00Z}]}
archives:
  - {account: stlogs, logs: [AzureActivity, AuditLogs, SigninLogs], since: -90d, gaps: [{from: 2026-06-10T00:00:00Z, to: 2026-06-13T00:00:00Z}]}
resources:
  - {type: Microsoft.OperationalInsights/workspaces, name: log, subscriptions: [one], properties: {retentionInDays: 90, customerId: 00000000-0000-0000-0000-0000000000e5}}
  - {type: Microsoft.Storage/storageAccounts, name: stlogs, subscriptions: [one], kind: StorageV2, properties: {supportsHttpsTrafficOnly: true}}
  - {type: Microsoft.KeyVault/vaults, name: kv, properties: {enableSoftDelete: true}}
  - {type: microsoft.aadiam/diagnosticSettings, name: export, at: tenant, properties: {storageAccountId: "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-one/providers/Microsoft.Storage/storageAccounts/stlogs", logs: [{category: AuditLogs, enabled: true}]}}
  - {type: Microsoft.Insights/diagnosticSettings, at: subscription, subscriptions: [one, two], name: activity, properties: {storageAccountId: "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-one/providers/Microsoft.Storage/storageAccounts/stlogs", logs: [{category: Administrative, enabled: true}]}}
`

func newLogged(t *testing.T, change func(*azuresim.Organisation)) (*azuresim.Sim, collect.Options, *collecttest.Clock) {
	t.Helper()
	clock := collecttest.NewClock(time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC))
	org, err := azuresim.Parse("logged.yaml", []byte(logged))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(org)
	}
	sim, err := azuresim.New(org, azuresim.Options{Seed: 4, Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := sim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
	file := filepath.Join(t.TempDir(), "endpoints.json")
	if err := sim.EndpointsFile(file); err != nil {
		t.Fatal(err)
	}
	e, err := collect.LoadEndpoints(file)
	if err != nil {
		t.Fatal(err)
	}
	creds, err := collect.NewCredentials(e, collect.SignIn{Kind: "simulator", ClientID: "reader"}, clock)
	if err != nil {
		t.Fatal(err)
	}
	return sim, collect.Options{
		Dir: t.TempDir(), Endpoints: e, Credentials: creds, Clock: clock, Limit: time.Hour,
		Root: []byte(`{"tenantId":"` + e.TenantID + `"}`), Actor: "ann", Tool: "tickmark test",
	}, clock
}

var logAsks = []string{
	"arm/activity-log", "arm/log-azure-activity-days", "arm/log-azure-activity", "arm/archive-azure-activity-hours", "arm/archive-azure-activity",
	"graph/directory-audits", "arm/log-audit-logs-days", "arm/log-audit-logs", "arm/archive-audit-logs-hours", "arm/archive-audit-logs",
	"graph/sign-ins", "arm/log-sign-ins-days", "arm/archive-sign-ins-hours", "graph/subscribed-skus", "arm/subscriptions",
}

func covered(t *testing.T, o collect.Options, from time.Time) *logs.Coverage {
	t.Helper()
	o.Dir, o.From, o.Only = t.TempDir(), from, logAsks
	run, err := collect.Run(t.Context(), only(t, "graph", "arm"), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := run.Close(); err != nil {
			t.Error(err)
		}
	}()
	inv, err := inventory.Build(t.Context(), run.Snapshot, inventory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return logs.Of(run.Snapshot, inv)
}

func runs(list []logs.Days) string {
	var out []string
	for _, d := range list {
		out = append(out, d.From.Format("01-02")+"…"+d.To.Add(-time.Hour).Format("01-02"))
	}
	return strings.Join(out, " ")
}

// TestLogs: every copy says since when, and which days and records it lacks.
func TestLogs(t *testing.T) {
	_, o, clock := newLogged(t, nil)
	c := covered(t, o, clock.Now().AddDate(0, 0, -120))
	type copyOf struct{ first, empty, lost string }
	want := map[string]map[string]copyOf{
		"activity-log/…1": {
			"service":        {"04-01", "", ""}, // 90 days, less an hour
			"workspace log":  {"05-21", "03-02…05-20 06-20…06-21", "04-01…05-20 06-20…06-21"},
			"archive stlogs": {"04-01", "03-02…03-31 06-10…06-12", "06-10…06-12"},
		},
		"directory-audits": {
			"service":        {"05-31", "", ""}, // 30 days with a licence, less an hour
			"workspace log":  {"05-21", "03-02…05-20 06-20…06-21", "04-01…05-20 06-20…06-21"},
			"archive stlogs": {"04-01", "03-02…03-31 06-10…06-12", "06-10…06-12"},
		},
		"sign-ins": {
			"service":        {"05-31", "", ""},
			"workspace log":  {"05-21", "03-02…05-20 06-20…06-21", "04-01…05-20 06-20…06-21"},
			"archive stlogs": {"04-01", "03-02…03-31 06-10…06-12", "06-10…06-12"},
		},
	}
	want["activity-log/…2"] = want["activity-log/…1"]
	seen := 0
	for _, l := range c.Logs {
		name := l.Name
		if l.Subscription != "" {
			name += "/…" + l.Subscription[len(l.Subscription)-1:]
		}
		copies := want[name]
		if copies == nil {
			if len(l.Copies) > 1 {
				t.Errorf("%s has %d copies", name, len(l.Copies))
			}
			continue
		}
		seen++
		if got := runs(l.Open); got != "03-02…03-31" {
			t.Errorf("%s: no copy has records on %s", name, got)
		}
		for _, k := range l.Copies {
			id := strings.TrimSpace(string(k.Kind) + " " + k.Place)
			got := copyOf{k.First.Format("01-02"), runs(k.EmptyDays), runs(k.LackingDays)}
			if got != copies[id] || k.Unknown != tickmark.ReasonNone {
				t.Errorf("%s, %s (%s): %+v\nwant %+v", name, id, k.Unknown, got, copies[id])
			}
			delete(copies, id)
			switch {
			case l.Name == "sign-ins":
				if k.LackingRecords != -1 {
					t.Errorf("%s, %s: lacks %d, though the records are not read", name, id, k.LackingRecords)
				}
			case k.Kind == logs.Service && k.LackingRecords != 0:
				t.Errorf("%s, %s lacks %d records", name, id, k.LackingRecords)
			case k.Kind == logs.Archive && (k.LackingRecords < 60 || k.LackingRecords > 120): // three days of thirty and a few changes
				t.Errorf("%s, %s lacks %d records", name, id, k.LackingRecords)
			}
		}
		if name != "activity-log/…2" && len(copies) > 0 {
			t.Errorf("%s: missing copies %v", name, copies)
		}
		if name == "activity-log/…1" {
			want["activity-log/…2"] = map[string]copyOf{"service": {"04-01", "", ""}, "workspace log": {"05-21", "03-02…05-20 06-20…06-21", "04-01…05-20 06-20…06-21"}, "archive stlogs": {"04-01", "03-02…03-31 06-10…06-12", "06-10…06-12"}}
		}
	}
	if seen != 4 {
		t.Errorf("%d logs of 4 were seen", seen)
	}
	if b, err := json.Marshal(c); err != nil || !strings.Contains(string(b), `{"from":"2026-06-20T00:00:00Z","to":"2026-06-22T00:00:00Z"}]`) {
		t.Errorf("%s, %v", b, err)
	}
}

// TestRetentionClock: what a workspace or an archive has is not lost; an export
// that not every subscription has, and one that began late, is.
func TestRetentionClock(t *testing.T) {
	clockOf := func(t *testing.T, days int, change func(*azuresim.Organisation)) map[string]work.Retention {
		t.Helper()
		_, o, clock := newLogged(t, change)
		list, err := work.RetentionClock(t.Context(), only(t, "graph", "arm"), o, []string{"AAD_PREMIUM"}, clock.Now().AddDate(0, 0, -days))
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]work.Retention{}
		for _, r := range list {
			out[r.Ask] = r
		}
		return out
	}
	for _, c := range []struct {
		name   string
		days   int
		change func(*azuresim.Organisation)
		ask    string
		since  string // "" is not exported
		lost   bool
		places string
	}{
		{"archive since before the period", 60, nil, "activity-log", "05-01", false, "log stlogs"},
		{"archive since before the period", 60, nil, "directory-audits", "05-01", false, "log stlogs"},
		{"archive since before the period", 60, nil, "sign-ins", "05-01", false, "log stlogs"},
		{"export began in the period", 120, nil, "sign-ins", "04-01", true, "log stlogs"},
		{"not exported", 60, nil, "sign-ins-managed-identity", "", true, ""},
		{"workspace only, which keeps 90 days", 30, withoutArchives, "activity-log", "05-31", true, "log"},
		{"workspace only, since late", 60, withoutArchives, "activity-log", "05-21", true, "log"},
		{"one subscription without", 30, func(o *azuresim.Organisation) { withoutArchives(o); o.Workspaces = nil }, "activity-log", "", true, ""},
	} {
		t.Run(c.name+" "+c.ask, func(t *testing.T) {
			r, ok := clockOf(t, c.days, c.change)[c.ask]
			if !ok {
				t.Fatal("the log is not in the table")
			}
			since := ""
			if !r.Exported.IsZero() {
				since = r.Exported.Format("01-02")
			}
			if since != c.since || r.Lost.IsZero() == c.lost || named(r.Places) != c.places || r.Unknown != tickmark.ReasonNone {
				t.Errorf("since %q, lost %v, in %v, unknown %q; want %+v", since, r.Lost, r.Places, r.Unknown, c)
			}
		})
	}
	// A workspace that keeps 45 days loses the first of 40 in five, and one that
	// got nothing since ten days has stopped.
	short := clockOf(t, 35, func(o *azuresim.Organisation) {
		stopped, err := azuresim.Parse("stopped.yaml", []byte(strings.Replace(logged, "to: 2026-06-22T00:00:00Z", "to: 2026-07-01T00:00:00Z", 1)))
		if err != nil {
			t.Fatal(err)
		}
		withoutArchives(o)
		o.Workspaces = stopped.Workspaces
		o.Workspaces[0].Keeps = azuresim.Span(45 * 24 * time.Hour)
	})["directory-audits"]
	if want := time.Date(2026, 7, 10, 12, 0, 0, 0, time.UTC); !short.Lost.Equal(want) || len(short.Places) != 1 || !short.Places[0].Stopped || short.Places[0].Keeps != 45*24*time.Hour {
		t.Errorf("a short and stopped export: %+v, want lost on %v", short, want)
	}
	// Without the right to what is in the account its archive is not known.
	r := clockOf(t, 60, func(o *azuresim.Organisation) { o.Identities[0].Access = o.Identities[0].Access[:1] })["sign-ins"]
	if r.Unknown != tickmark.ReasonNotPermitted || strings.Contains(named(r.Places), "stlogs") || r.Lost.IsZero() {
		t.Errorf("an account that refuses: %+v", r)
	}
}

func named(places []work.Place) string {
	var out []string
	for _, p := range places {
		out = append(out, p.Name)
	}
	return strings.Join(out, " ")
}

func withoutArchives(o *azuresim.Organisation) {
	o.Archives = nil
	o.Resources = slices.DeleteFunc(o.Resources, func(r azuresim.Resource) bool {
		return strings.HasSuffix(strings.ToLower(r.Type), "/diagnosticsettings")
	})
}
