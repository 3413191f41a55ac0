// SPDX-License-Identifier: Apache-2.0

package collect_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/azuresim"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/collect/collecttest"
)

const organisation = `
name: Small
tenant: {domains: [small.example]}
subscriptions: [{name: one}, {name: two}, {name: three}]
resources:
  - {type: Microsoft.Storage/storageAccounts, name: "st{n:03}{hex:6}", count: 12, kind: StorageV2, properties: {supportsHttpsTrafficOnly: true}}
people: [{name: "Worker {n}", upn: "w{n}@small.example", count: 40}]
`

func simulate(t *testing.T) (*azuresim.Sim, collect.Endpoints, *collecttest.Clock) {
	t.Helper()
	org, err := azuresim.Parse("small.yaml", []byte(organisation))
	if err != nil {
		t.Fatal(err)
	}
	clock := collecttest.NewClock(time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC))
	s, err := azuresim.New(org, azuresim.Options{Seed: 7, Now: clock.Now, PageSize: 5})
	if err != nil {
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
	doc, err := json.Marshal(s.EndpointsDocument())
	if err != nil {
		t.Fatal(err)
	}
	e, err := collect.ParseEndpoints("sim", doc)
	if err != nil {
		t.Fatal(err)
	}
	if e.Live {
		t.Fatal("a simulator counts as live")
	}
	return s, e, clock
}

func simSources() []collect.Source {
	scope := func(s *collect.Subject) string {
		if p := strings.Split(s.ID, "/"); len(p) > 2 && p[1] == "subscriptions" {
			return "/subscriptions/" + p[2]
		}
		return ""
	}
	return []collect.Source{
		{Name: "arm", Title: "ARM", Scope: scope, Asks: []collect.Ask{
			{
				Name: "subscriptions", Host: collect.HostARM, Path: "/subscriptions", APIVersion: "2022-12-01", Paging: collect.PageNextLink,
				Form: "armList", Types: []string{"Microsoft.Resources/subscriptions"}, Pace: collect.PaceARM,
			},
			{
				Name: "counts", Of: []string{"Microsoft.Resources/subscriptions"}, Batch: 100, Host: collect.HostARM, Method: "POST", Path: "/providers/Microsoft.ResourceGraph/resources",
				APIVersion: "2022-10-01", Body: `{"subscriptions":{ids},"query":"resources | summarize count_ = count() by subscriptionId"}`,
				Paging: collect.PageSkipToken, Form: "resourceGraph", Entity: "arm/counts", Identity: "subscriptionId", Pace: collect.PaceResourceGraph,
			},
			{
				Name: "resources", Of: []string{"Microsoft.Resources/subscriptions"}, Batch: 100, Host: collect.HostARM, Method: "POST", Path: "/providers/Microsoft.ResourceGraph/resources",
				APIVersion: "2022-10-01", Body: `{"subscriptions":{ids},"query":"resources | order by id asc","options":{"$top":1000}}`,
				Paging: collect.PageSkipToken, Form: "resourceGraph", Types: []string{"Microsoft.Storage/storageAccounts"}, Count: "counts", Pace: collect.PaceResourceGraph,
			},
			{
				Name: "accounts", Of: []string{"Microsoft.Resources/subscriptions"}, Host: collect.HostARM, Path: "{id}/providers/Microsoft.Storage/storageAccounts",
				APIVersion: "2023-05-01", Paging: collect.PageNextLink, Form: "armList", Types: []string{"Microsoft.Storage/storageAccounts"}, Direct: true, Pace: collect.PaceARM,
			},
		}},
		{Name: "graph", Title: "Graph", Asks: []collect.Ask{{
			Name: "users", Host: collect.HostGraph, Path: "/v1.0/users", Query: "$count=true&$top=999", Header: map[string]string{"ConsistencyLevel": "eventual"},
			Paging: collect.PageODataLink, Form: "graphCollection", Entity: "graph/users", Types: []string{"graph/users"}, Pace: collect.PaceGraph,
		}}},
	}
}

func collectSim(t *testing.T, e collect.Endpoints, clock *collecttest.Clock, in collect.SignIn) *tickmark.Snapshot {
	t.Helper()
	creds, err := collect.NewCredentials(e, in, clock)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := collect.Run(ctx, simSources(), collect.Options{
		Dir: t.TempDir(), Endpoints: e, Credentials: creds, Clock: clock, Root: []byte(`{"tenantId":"x"}`), Limit: 30 * time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c.Snapshot
}

// items are the rows of each ask in each scope, and whether it says that these
// are all.
func items(s *tickmark.Snapshot) (rows map[string][]string, complete map[string]bool) {
	rows, complete = map[string][]string{}, map[string]bool{}
	for i := range s.Segments {
		seg := &s.Segments[i]
		for _, a := range seg.Coverage.Asks {
			k := seg.Source + "/" + a.Name + " " + seg.Scope
			complete[k] = a.Missing == tickmark.ReasonNone && len(a.Refusals) == 0
			rows[k] = []string{}
		}
		for j := range seg.Pages {
			p := &seg.Pages[j]
			k := seg.Source + "/" + p.Ask + " " + seg.Scope
			for _, it := range p.Items {
				rows[k] = append(rows[k], string(p.Bytes[it.Off:it.Off+it.Len]))
			}
		}
	}
	for k := range rows {
		slices.Sort(rows[k])
	}
	return rows, complete
}

// TestSimulatedFaults: whatever a service does, an ask that says that it is
// complete has exactly the rows of an undisturbed collection.
func TestSimulatedFaults(t *testing.T) {
	_, e, clock := simulate(t)
	simulator := collect.SignIn{Kind: "simulator"}
	want, whole := items(collectSim(t, e, clock, simulator))
	for k, ok := range whole {
		if !ok {
			t.Fatalf("undisturbed, %s is not complete", k)
		}
	}
	if len(want["graph/users "]) != 40 || len(want["arm/resources "]) == 0 {
		t.Fatalf("undisturbed: %d users, %d resources", len(want["graph/users "]), len(want["arm/resources "]))
	}
	for _, f := range azuresim.Faults() {
		if f.Where != azuresim.InAnswer && f.Where != azuresim.InPaging && f.Where != azuresim.InConnection {
			continue
		}
		switch f.ID {
		case "C8/stall", "C27":
			continue // C8/stall takes minutes of real time; C27 needs a Proof. TestFaults has both.
		}
		for _, host := range []string{"arm", "graph"} {
			t.Run(f.ID+" "+host, func(t *testing.T) {
				s, e, clock := simulate(t)
				if err := s.Inject(azuresim.Fault{ID: f.ID, Host: host}); err != nil {
					t.Skip(err)
				}
				snapshot := collectSim(t, e, clock, simulator)
				got, complete := items(snapshot)
				problems := snapshot.Problems
				missing, want := 0, want
				if strings.HasPrefix(f.ID, "C19") {
					// What is inside a row is judged by those who know it.
					got, want = counted(got), counted(want)
				}
				for k := range want {
					switch {
					case !complete[k]:
						missing++
					case slices.Equal(got[k], want[k]):
					case f.ID == "C11" && strings.Contains(k, "/accounts "):
						// The list states no total. The other list of the same type does.
						if !slices.ContainsFunc(problems, func(p tickmark.Problem) bool { return strings.Contains(p.What, "two lists differ") }) {
							t.Errorf("%s: a page was lost, and no problem says so: %v", k, problems)
						}
					default:
						t.Errorf("%s: %d rows instead of %d, and it says that these are all", k, len(got[k]), len(want[k]))
					}
				}
				if f.Recovers && missing > 0 {
					t.Errorf("%d asks were not answered, though the fault passes", missing)
				}
			})
		}
	}
}

func counted(rows map[string][]string) map[string][]string {
	out := map[string][]string{}
	for k, r := range rows {
		out[k] = make([]string, len(r))
	}
	return out
}

func TestSignIn(t *testing.T) {
	_, e, clock := simulate(t)
	file := certificate(t)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("e30.eyJhdWQiOiJhcGk6Ly9BenVyZUFEVG9rZW5FeGNoYW5nZSIsImV4cCI6NDEwMjQ0NDgwMH0.c2ln"), 0o600); err != nil {
		t.Fatal(err)
	}
	prompted := ""
	for _, in := range []collect.SignIn{
		{Kind: "simulator"},
		{Kind: "certificate", ClientID: "app", Certificate: file},
		{Kind: "workloadIdentity", ClientID: "app", TokenFile: token},
		{Kind: "deviceCode", ClientID: "app", Prompt: func(m string) { prompted = m }},
	} {
		t.Run(in.Kind, func(t *testing.T) {
			_, complete := items(collectSim(t, e, clock, in))
			for k, ok := range complete {
				if !ok {
					t.Errorf("%s is not complete", k)
				}
			}
		})
	}
	if prompted == "" {
		t.Error("nobody was shown the device code")
	}
	live, err := collect.EndpointsOf("public", "commercial")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := collect.NewCredentials(live, collect.SignIn{Kind: "simulator"}, clock); err == nil {
		t.Error("the simulator's sign-in is taken for Microsoft's endpoints")
	}
	if _, err := collect.NewCredentials(live, collect.SignIn{Kind: "password"}, clock); err == nil {
		t.Error("an unknown sign-in is taken")
	}
}

func certificate(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "app"}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "app.pem")
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})...)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestEndpoints: the pairs of an Azure cloud and a Microsoft 365 environment
// that one tenant can have, with its sign-in; all others are refused.
func TestEndpoints(t *testing.T) {
	page, err := os.ReadFile("../doc/spec/collect.md")
	if err != nil {
		t.Fatal(err)
	}
	pairs := map[string]string{
		"public/": "https://login.microsoftonline.com/ https://graph.microsoft.com", "public/commercial": "https://login.microsoftonline.com/ https://graph.microsoft.com",
		"public/gcc":    "https://login.microsoftonline.com/ https://graph.microsoft.com",
		"usGovernment/": "https://login.microsoftonline.us/ https://graph.microsoft.us", "usGovernment/gccHigh": "https://login.microsoftonline.us/ https://graph.microsoft.us",
		"usGovernment/dod": "https://login.microsoftonline.us/ https://dod-graph.microsoft.us",
		"china/":           "https://login.chinacloudapi.cn/ https://microsoftgraph.chinacloudapi.cn", "china/china": "https://login.chinacloudapi.cn/ https://microsoftgraph.chinacloudapi.cn",
	}
	for _, cloud := range []string{"public", "usGovernment", "china"} {
		for _, m365 := range []string{"", "commercial", "gcc", "gccHigh", "dod", "china"} {
			e, err := collect.EndpointsOf(cloud, m365)
			want, ok := pairs[cloud+"/"+m365]
			if !ok {
				if err == nil || !strings.Contains(err.Error(), "no tenant has both") {
					t.Errorf("%s/%s: %v", cloud, m365, err)
				}
				var known *tickmark.Error
				if !errors.As(err, &known) || !strings.Contains(known.Hint, "--m365 "+m365+" with --cloud ") || !strings.Contains(known.Hint, "two tenants") {
					t.Errorf("%s/%s: it is not said what there is instead: %+v", cloud, m365, known)
				}
				continue
			}
			if err != nil || !e.Live || e.URL[collect.HostARM] == "" || e.Microsoft365 == "" || e.Authority+" "+e.URL[collect.HostGraph] != want {
				t.Errorf("%s/%s: %v %s %s, want %s", cloud, m365, err, e.Authority, e.URL[collect.HostGraph], want)
			}
			if _, devops := e.URL[collect.HostDevOps]; devops != (cloud == "public") {
				t.Errorf("%s has Azure DevOps: %v", cloud, devops)
			}
			if e.URL[collect.HostGitHub] == "" {
				t.Errorf("%s has no GitHub", cloud)
			}
			for h, u := range e.URL {
				if !strings.HasPrefix(u, "https://") && !strings.HasPrefix(u, ".") {
					t.Errorf("%s: %s", h, u)
				}
			}
			name, region := collect.AzureCLI(cloud)
			if name == "" || region == "" {
				t.Errorf("%s has no name in az", cloud)
			}
			row := fmt.Sprintf("| %s | %s | %s | %s | %s |", cloud, e.Microsoft365, strings.Trim(strings.TrimPrefix(e.Authority, "https://"), "/"), strings.TrimPrefix(e.URL[collect.HostGraph], "https://"), name)
			if !strings.Contains(string(page), row) {
				t.Errorf("doc/spec/collect.md lacks %s", row)
			}
		}
	}
	for text, says := range map[string]string{
		`{"urls":{"arm":"http://127.0.0.1:1"}}`:               "https",
		`{"urls":{"arm":"https://a:b@127.0.0.1:1"}}`:          "https",
		`{"cloud":"moon"}`:                                    "no Azure cloud",
		`{"microsoft365":"moon"}`:                             "no Microsoft 365",
		`{"cloud":"china","microsoft365":"commercial"}`:       "no tenant has both",
		`{"urls":{"arm":"https://127.0.0.1:1"},"caPEM":"no"}`: "certificate",
		`[`: "not JSON",
	} {
		if _, err := collect.ParseEndpoints("f", []byte(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", text, err, says)
		}
	}
	live, err := collect.ParseEndpoints("f", []byte(`{"urls":{"arm":"https://management.azure.com"}}`))
	if err != nil || !live.Live {
		t.Errorf("Microsoft's own endpoint is not live: %v", err)
	}
	for _, text := range []string{
		`{"urls":{"arm":"https://management.azure.com","graph":"https://127.0.0.1:1"}}`, `{"urls":{}}`,
		`{"urls":{"arm":"https://management.azure.com"},"audiences":{"arm":"https://other"}}`, `{"urls":{"arm":"https://management.azure.com"},"authority":"https://127.0.0.1:1/"}`,
	} {
		if e, err := collect.ParseEndpoints("f", []byte(text)); err != nil || e.Live {
			t.Errorf("%s: live %v, %v", text, e.Live, err)
		}
	}
}
