// SPDX-License-Identifier: Apache-2.0

package collect_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/azuresim"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/collect/collecttest"
)

// places are where a tenant can be, with the simulator's host that signs in
// there.
var places = []struct{ cloud, m365, login string }{
	{"public", "commercial", "login"},
	{"public", "gcc", "login"},
	{"usGovernment", "gccHigh", "loginUSGovernment"},
	{"usGovernment", "dod", "loginUSGovernment"},
	{"china", "china", "loginChina"},
}

// simulateAt serves a tenant of another cloud.
func simulateAt(t *testing.T, cloud, m365 string) (*azuresim.Sim, collect.Endpoints, *collecttest.Clock) {
	t.Helper()
	s := collecttest.Serve(t, "place.yaml", strings.Replace(organisation, "{domains: [small.example]}", fmt.Sprintf("{domains: [small.example], cloud: %s, microsoft365: %s}", cloud, m365), 1), azuresim.Options{Seed: 7, PageSize: 5})
	return s.Sim, s.Endpoints, s.Clock
}

// metadata stands for the endpoint of managed identities, which speaks plain
// http on a link-local address: here it passes everything on to the simulator.
func metadata(t *testing.T, s *azuresim.Sim) {
	t.Helper()
	client := s.Client()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q, err := http.NewRequestWithContext(r.Context(), http.MethodGet, s.Endpoint("login")+"/msi/token?"+r.URL.RawQuery, nil)
		if err != nil {
			t.Error(err)
			return
		}
		q.Header = r.Header.Clone()
		answer, err := client.Do(q)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = answer.Body.Close() }()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body)
	}))
	t.Cleanup(func() { srv.Close(); client.CloseIdleConnections() })
	t.Setenv("IDENTITY_ENDPOINT", srv.URL+"/msi/token")
	t.Setenv("IDENTITY_HEADER", "secret")
}

// azure puts an az into the path that is set to a cloud and has a token for
// each audience. It returns the file in which az writes down what it is asked.
func azure(t *testing.T, authority string, tokens map[string]string) (log string) {
	t.Helper()
	dir := t.TempDir()
	log = filepath.Join(dir, "log")
	script := "#!/bin/sh\necho \"$*\" >>" + log + "\ncase \"$*\" in\n*'cloud show'*) echo " + authority + ";;\n"
	n := 0
	for audience, token := range tokens {
		n++
		file := filepath.Join(dir, fmt.Sprint(n))
		b, err := json.Marshal(map[string]any{"accessToken": token, "expires_on": time.Now().Add(time.Hour).Unix(), "expiresOn": "2099-01-01 00:00:00.000000", "tokenType": "Bearer"})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		script += "*'" + audience + "'*) cat " + file + ";;\n"
	}
	script += "*) echo \"no token for that: $*\" >&2; exit 1;;\nesac\n"
	if err := os.WriteFile(filepath.Join(dir, "az"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return log
}

// TestSignInPlaces: each sign-in reads each place of a tenant, and is refused
// where another cloud's authority is asked: then no service sees a token.
func TestSignInPlaces(t *testing.T) {
	file := certificate(t)
	federated := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(federated, []byte("e30.eyJhdWQiOiJhcGk6Ly9BenVyZUFEVG9rZW5FeGNoYW5nZSIsImV4cCI6NDEwMjQ0NDgwMH0.c2ln"), 0o600); err != nil {
		t.Fatal(err)
	}
	ways := []collect.SignIn{
		{Kind: "simulator"},
		{Kind: "certificate", ClientID: "app", Certificate: file},
		{Kind: "workloadIdentity", ClientID: "app", TokenFile: federated},
		{Kind: "deviceCode", ClientID: "app", Prompt: func(string) {}},
		{Kind: "managedIdentity"},
		{Kind: "azureCLI"},
	}
	for _, p := range places {
		for _, in := range ways {
			t.Run(p.cloud+" "+p.m365+" "+in.Kind, func(t *testing.T) {
				s, e, clock := simulateAt(t, p.cloud, p.m365)
				own, err := collect.EndpointsOf(p.cloud, p.m365)
				if err != nil {
					t.Fatal(err)
				}
				if e.Authority != s.Endpoint(p.login) {
					t.Fatalf("the sign-in is at %s, not at %s", e.Authority, p.login)
				}
				for _, h := range []collect.Host{collect.HostARM, collect.HostGraph, collect.HostLogAnalytics, collect.HostPower, collect.HostPowerAPI} {
					if e.Audience[h] != own.Audience[h] {
						t.Errorf("the simulator of %s/%s wants tokens for %s at %s, the tables say %s", p.cloud, p.m365, e.Audience[h], h, own.Audience[h])
					}
				}
				metadata(t, s)
				tokens := map[string]string{}
				if in.Kind == "azureCLI" {
					for _, h := range []collect.Host{collect.HostARM, collect.HostGraph} {
						header, _, err := (collecttest.SignIn{Tenant: &collecttest.Tenant{Sim: s, Client: s.Client()}}).Token(t.Context(), h, e.Audience[h])
						if err != nil {
							t.Fatal(err)
						}
						tokens[e.Audience[h]] = strings.TrimPrefix(header, "Bearer ")
					}
				}
				azure(t, e.Authority, tokens)
				_, complete := items(collectSim(t, e, clock, in))
				for k, ok := range complete {
					if !ok {
						t.Errorf("%s is not complete", k)
					}
				}
				if n := s.Log().Misdirected; n > 0 {
					t.Errorf("%d requests had the token of another host", n)
				}
				// The control: the same, asked of another cloud's authority.
				asked := s.Log().ByHost["arm"] + s.Log().ByHost["graph"]
				for _, other := range places {
					if other.login == p.login {
						continue
					}
					e.Authority = s.Endpoint(other.login)
					creds, err := collect.NewCredentials(e, in, clock)
					if err != nil {
						t.Fatal(err)
					}
					if header, _, err := creds.Token(t.Context(), collect.HostGraph, e.Audience[collect.HostGraph]); err == nil {
						t.Errorf("%s gives a token %.20s to a tenant of %s", other.login, header, p.cloud)
					}
				}
				if now := s.Log().ByHost["arm"] + s.Log().ByHost["graph"]; now != asked {
					t.Errorf("%d requests were sent without a sign-in", now-asked)
				}
			})
		}
	}
}

// TestResourceAbroad: the authority of a cloud gives no token for another's
// hosts, which is what one authority for two clouds came to.
func TestResourceAbroad(t *testing.T) {
	s, e, clock := simulateAt(t, "usGovernment", "gccHigh")
	creds, err := collect.NewCredentials(e, collect.SignIn{Kind: "simulator"}, clock)
	if err != nil {
		t.Fatal(err)
	}
	for audience, want := range map[string]bool{
		"https://graph.microsoft.us": true, "https://management.usgovcloudapi.net": true,
		"https://graph.microsoft.com": false, "https://dod-graph.microsoft.us": false, "https://management.azure.com": false, "https://microsoftgraph.chinacloudapi.cn": false,
	} {
		_, _, err := creds.Token(t.Context(), collect.HostGraph, audience)
		if (err == nil) != want || err != nil && !strings.Contains(err.Error(), "AADSTS500011") {
			t.Errorf("a token for %s at %s: %v", audience, s.Endpoint("loginUSGovernment"), err)
		}
	}
}

// jwt is a token that names issuer and tenant.
func jwt(issuer, tenant string) string {
	b, _ := json.Marshal(map[string]string{"iss": issuer, "tid": tenant})
	return "e30." + base64.RawURLEncoding.EncodeToString(b) + ".c2ln"
}

const tenantA, tenantB = "11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555"

// TestPinned: no token goes to the hosts of another authority, whatever the
// addresses say; Microsoft's go to nobody else, and nobody else's to Microsoft.
func TestPinned(t *testing.T) {
	clock := collecttest.NewClock(time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC))
	with := func(cloud, m365 string, h collect.Host, address, authority string) error {
		e, err := collect.EndpointsOf(cloud, m365)
		if err != nil {
			t.Fatal(err)
		}
		if address != "" {
			e.URL[h] = address
		}
		if authority != "" {
			e.Authority = authority
		}
		_, err = collect.NewCredentials(e, collect.SignIn{Kind: "azureCLI"}, clock)
		return err
	}
	for _, c := range []struct {
		cloud, m365    string
		host           collect.Host
		url, authority string
		want           string // "" is accepted
	}{
		{"public", "", "", "", "", ""},
		{"usGovernment", "dod", "", "", "", ""},
		{"china", "", "", "", "", ""},
		{"public", "", collect.HostDataverse, ".crm4.dynamics.com", "", ""},
		{"public", "", collect.HostGitHub, "https://github.example", "", ""},
		{"usGovernment", "", collect.HostGraph, "https://graph.microsoft.com", "", "takes tokens of login.microsoftonline.com"},
		{"public", "", collect.HostGraph, "https://graph.microsoft.us", "", "takes tokens of login.microsoftonline.us"},
		{"public", "", collect.HostGraph, "https://GRAPH.microsoft.us:443", "", "takes tokens of login.microsoftonline.us"},
		{"public", "", collect.HostARM, "https://management.chinacloudapi.cn", "", "takes tokens of login.chinacloudapi.cn"},
		{"usGovernment", "", collect.HostDevOps, "https://dev.azure.com", "", "takes tokens of login.microsoftonline.com"},
		{"public", "", collect.HostDataverse, ".crm.appsplatform.us", "", "takes tokens of login.microsoftonline.us"},
		{"public", "", collect.HostDataverse, ".com", "", "not Microsoft's"},
		{"public", "", collect.HostGraph, "https://graph.microsoft.com.example", "", "not Microsoft's"},
		{"public", "", collect.HostARM, "https://127.0.0.1:4433", "", "not Microsoft's"},
		{"public", "", "", "", "https://127.0.0.1:4433", "takes tokens of"},
		{"public", "", "", "", "https://login.microsoftonline.us/", "takes tokens of"},
	} {
		err := with(c.cloud, c.m365, c.host, c.url, c.authority)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	e, err := collect.ParseEndpoints("f", []byte(`{"urls":{"arm":"https://127.0.0.1:4433"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := collect.NewCredentials(e, collect.SignIn{Kind: "azureCLI"}, clock); err == nil || !strings.Contains(err.Error(), "no place of sign-in") {
		t.Errorf("addresses without a sign-in: %v", err)
	}
}

// TestForeignToken: az and a managed identity sign in where they stand. What
// they give is used only if it is of the authority and the tenant that were
// chosen.
func TestForeignToken(t *testing.T) {
	clock := collecttest.NewClock(time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC))
	const v1, us, cn = "https://sts.windows.net/", "https://login.microsoftonline.us/", "https://sts.chinacloudapi.cn/"
	for n, c := range []struct {
		cloud, az, issuer, tenant string
		want                      string // "" is accepted
	}{
		{"public", "https://login.microsoftonline.com", v1, tenantA, ""},
		{"usGovernment", "https://login.microsoftonline.us", v1, tenantA, ""},
		{"usGovernment", "https://login.microsoftonline.us", us, tenantA, ""},
		{"china", "https://login.chinacloudapi.cn", cn, tenantA, ""},
		{"usGovernment", "https://login.microsoftonline.com", v1, tenantA, "az is set to the cloud of login.microsoftonline.com"},
		{"public", "https://login.microsoftonline.us", us, tenantA, "az is set to the cloud of login.microsoftonline.us"},
		{"public", "https://login.microsoftonline.com", us, tenantA, "the token is of login.microsoftonline.us"},
		{"public", "https://login.microsoftonline.com", cn, tenantA, "the token is of sts.chinacloudapi.cn"},
		{"public", "https://login.microsoftonline.com", v1, tenantB, "the token is of tenant " + tenantB},
	} {
		t.Run(c.cloud+" "+c.az+" "+c.issuer+" "+c.tenant, func(t *testing.T) {
			e, err := collect.EndpointsOf(c.cloud, "")
			if err != nil {
				t.Fatal(err)
			}
			audience := fmt.Sprintf("%s/%d", e.Audience[collect.HostGraph], n) // the library keeps a managed identity's tokens for the whole process
			token := jwt(c.issuer+c.tenant+"/", c.tenant)
			log := azure(t, c.az, map[string]string{audience: token})
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = fmt.Fprintf(w, `{"access_token":%q,"expires_in":"3600","expires_on":"%d","resource":"x","token_type":"Bearer"}`, token, time.Now().Add(time.Hour).Unix())
			}))
			defer srv.Close()
			t.Setenv("IDENTITY_ENDPOINT", srv.URL)
			t.Setenv("IDENTITY_HEADER", "secret")
			for _, kind := range []string{"azureCLI", "managedIdentity"} {
				want := c.want
				if kind == "managedIdentity" && strings.HasPrefix(want, "az ") {
					continue // version 1 of both names one issuer: its tenant tells them apart
				}
				creds, err := collect.NewCredentials(e, collect.SignIn{Kind: kind, TenantID: tenantA}, clock)
				if err != nil {
					t.Fatal(err)
				}
				_, _, err = creds.Token(t.Context(), collect.HostGraph, audience)
				if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v, want %q", kind, err, want)
				}
				var known *tickmark.Error
				if err != nil && (!errors.As(err, &known) || known.Hint == "") {
					t.Errorf("%s: nothing says what to do: %v", kind, err)
				}
				if strings.HasPrefix(want, "az ") && !strings.Contains(known.Hint, "az cloud set --name Azure") {
					t.Errorf("%s: %s", kind, known.Hint)
				}
			}
			// Nobody is asked for a token of another authority.
			creds, err := collect.NewCredentials(e, collect.SignIn{Kind: "azureCLI", TenantID: tenantA}, clock)
			if err != nil {
				t.Fatal(err)
			}
			before, _ := os.ReadFile(log)
			for _, p := range places {
				other, err := collect.EndpointsOf(p.cloud, p.m365)
				if err != nil || other.Authority == e.Authority {
					continue
				}
				u, err := url.Parse(other.Audience[collect.HostGraph])
				if err != nil {
					t.Fatal(err)
				}
				if _, _, err := creds.Token(t.Context(), collect.HostGraph, u.String()); err == nil || !strings.Contains(err.Error(), "the sign-in is at") {
					t.Errorf("a token for %s: %v", u, err)
				}
			}
			if after, _ := os.ReadFile(log); string(after) != string(before) {
				t.Error("az was asked for another cloud's token")
			}
		})
	}
}

// TestSignInFaults: whatever the place of sign-in does, what proves the identity
// goes nowhere else, and no error repeats a token.
func TestSignInFaults(t *testing.T) {
	file := certificate(t)
	var group sync.WaitGroup // the library waits in real time before it asks again
	for _, f := range azuresim.Faults() {
		if f.Where != azuresim.InAnswer || !strings.HasPrefix(f.ID, "C24") && !strings.HasPrefix(f.ID, "C6") && !strings.HasPrefix(f.ID, "C1") {
			continue
		}
		for _, in := range []collect.SignIn{{Kind: "certificate", ClientID: "app", Certificate: file}, {Kind: "deviceCode", ClientID: "app", Prompt: func(string) {}}} {
			for _, path := range []string{"*/token", "*/openid-configuration"} {
				s, e, clock := simulate(t)
				if err := s.Inject(azuresim.Fault{ID: f.ID, Host: "login", Path: path}); err != nil {
					t.Logf("%s: %v", f.ID, err)
					continue
				}
				group.Go(func() {
					name := f.ID + " " + in.Kind + " " + path
					creds, err := collect.NewCredentials(e, in, clock)
					if err != nil {
						t.Error(err)
						return
					}
					ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
					defer cancel()
					header, _, err := creds.Token(ctx, collect.HostGraph, e.Audience[collect.HostGraph])
					if err != nil && (strings.Contains(err.Error(), azuresim.Canary) || strings.Contains(err.Error(), "message was")) {
						t.Errorf("%s: the error repeats the answer: %v", name, err)
					}
					if err == nil && !strings.HasPrefix(header, "Bearer e") {
						t.Errorf("%s: no token, and no error: %.20q", name, header)
					}
					if l := s.Log(); l.Foreign > 0 {
						t.Errorf("%s: %d requests were sent to a stranger, %d with a proof: %v", name, l.Foreign, l.WithToken, err)
					}
					if strings.HasPrefix(f.ID, "C24") && (err == nil || header != "") {
						t.Errorf("%s: a redirect to a stranger gives a token", name)
					}
				})
			}
		}
	}
	group.Wait()
}

// TestAuthorityDescribesItself: the description of an authority names where
// tokens are asked for; a stranger there gets nothing.
func TestAuthorityDescribesItself(t *testing.T) {
	taken := 0
	stranger := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { taken++ }))
	defer stranger.Close()
	var home *httptest.Server
	home = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"issuer":"%s/t/v2.0","authorization_endpoint":"%s/t/authorize","token_endpoint":"%s/t/token"}`, home.URL, home.URL, stranger.URL)
	}))
	defer home.Close()
	doc, err := json.Marshal(map[string]any{
		"tenantId": tenantA, "authority": home.URL, "urls": map[string]string{"graph": home.URL}, "audiences": map[string]string{"graph": "https://graph.microsoft.com"},
		"caPEM": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: home.Certificate().Raw})) + string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: stranger.Certificate().Raw})),
	})
	if err != nil {
		t.Fatal(err)
	}
	e, err := collect.ParseEndpoints("f", doc)
	if err != nil {
		t.Fatal(err)
	}
	creds, err := collect.NewCredentials(e, collect.SignIn{Kind: "certificate", ClientID: "app", Certificate: certificate(t)}, collect.SystemClock{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, _, err = creds.Token(ctx, collect.HostGraph, e.Audience[collect.HostGraph]); err == nil || !strings.Contains(err.Error(), "nothing is sent there") || taken > 0 {
		t.Errorf("%d requests were sent to the stranger: %v", taken, err)
	}
}
