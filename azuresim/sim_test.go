// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"go.uber.org/goleak"

	"github.com/tickmark/tickmark"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a clock that a test sets.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newClock() *clock { return &clock{time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC)} }

const small = `
name: Small
tenant: {domains: [small.example]}
managementGroups: [{name: prod, display: Production}]
subscriptions:
  - {name: one, managementGroup: prod}
  - {name: two}
resources:
  - type: Microsoft.Storage/storageAccounts
    name: "st{n:03}{hex:6}"
    count: 5
    kind: StorageV2
    sku: {name: Standard_LRS}
    properties: {supportsHttpsTrafficOnly: true, note: "{{literal"}
    variants: [{every: 4, from: 1, merge: {properties: {supportsHttpsTrafficOnly: false}}}]
    children:
      - {type: blobServices, name: default, properties: {isVersioningEnabled: true}}
people: [{name: Ada Ray, upn: ada@small.example}]
roleAssignments:
  - {principal: Ada Ray, role: Owner, scope: /}
  - {principal: Ada Ray, role: Reader, scope: managementGroup/prod}
  - {principal: Ada Ray, role: Contributor, scope: subscription/one}
`

// start serves an organisation until the test ends.
func start(t *testing.T, yaml string, o Options) (*Sim, *http.Client) {
	t.Helper()
	org, err := Parse("test.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	if o.Now == nil {
		o.Now = newClock().now
	}
	s, err := New(org, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	c := s.Client()
	t.Cleanup(func() {
		c.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, c
}

// bearerFor gets a token for a host as the managed identity endpoint gives it.
func bearerFor(t *testing.T, s *Sim, c *http.Client, host string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Endpoint("login")+"/metadata/identity/oauth2/token?resource="+url.QueryEscape(hosts[host].audiences[0]), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Metadata", "true")
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var out struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || out.Token == "" {
		t.Fatalf("no token: %v", err)
	}
	return out.Token
}

// ask sends a request ("GET /path") with a token for the host and returns status
// and body.
func ask(t *testing.T, s *Sim, c *http.Client, host, request, body string) (int, []byte) {
	t.Helper()
	method, path, _ := strings.Cut(request, " ")
	req, err := http.NewRequestWithContext(t.Context(), method, s.Endpoint(host)+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+bearerFor(t, s, c, host))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, b
}

func TestFrame(t *testing.T) {
	s, c := start(t, small, Options{Seed: 7})
	if len(s.subs) != 2 || len(s.entries) == 0 {
		t.Fatalf("%d subscriptions, %d entries", len(s.subs), len(s.entries))
	}
	v := s.varsOf(0)
	status, body := ask(t, s, c, "arm", "GET "+v.id+"?api-version=2023-01-01", "")
	if status != http.StatusOK || !json.Valid(body) || !strings.Contains(string(body), v.name) || !strings.Contains(string(body), "{literal") {
		t.Fatalf("GET %s: %d %s", v.id, status, body)
	}
	t.Logf("%s", body)
	t.Logf("%s", s.row(nil, 0))
	// Without a token nobody is let in.
	resp, err := c.Get(s.Endpoint("arm") + v.id)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %d", resp.StatusCode)
	}
	if l := s.Log(); l.ByHost["arm"] != 2 || l.ByStatus[401] != 1 {
		t.Errorf("log: %+v", l)
	}
}

func TestDefault(t *testing.T) {
	org, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(org, Options{Seed: 1, Now: newClock().now})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i := range s.entries {
		if s.templates[s.entries[i].tmpl].table == "resources" {
			n++
		}
	}
	t.Logf("%d subscriptions, %d entries, %d resources, %d people", len(s.subs), len(s.entries), n, len(s.people))
	if len(s.subs) != 3 || n < 40 || len(s.people) != 28 {
		t.Errorf("%d subscriptions, %d resources, %d people", len(s.subs), n, len(s.people))
	}
}

// TestOfficialClient signs in with Microsoft's own library in three ways and
// reads a list with its pipeline.
func TestOfficialClient(t *testing.T) {
	s, c := start(t, small+"identities: [{name: reader, clientId: 11111111-2222-4333-8444-555555555555}]\n", Options{Seed: 7, Now: time.Now})
	options := azcore.ClientOptions{
		Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: s.Endpoint("login"), Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
			cloud.ResourceManager: {Audience: "https://management.azure.com", Endpoint: s.Endpoint("arm")},
		}},
		Transport: c,
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{SerialNumber: big.NewInt(1)}, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	const client = "11111111-2222-4333-8444-555555555555"
	certificate, err := azidentity.NewClientCertificateCredential(s.org.Tenant.ID, client, []*x509.Certificate{cert}, crypto.PrivateKey(key),
		&azidentity.ClientCertificateCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	if err != nil {
		t.Fatal(err)
	}
	federated, err := azidentity.NewClientAssertionCredential(s.org.Tenant.ID, client, func(context.Context) (string, error) {
		return "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhcGk6Ly9BenVyZUFEVG9rZW5FeGNoYW5nZSIsImV4cCI6NDEwMjQ0NDgwMH0.c2ln", nil // aud api://AzureADTokenExchange
	}, &azidentity.ClientAssertionCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	if err != nil {
		t.Fatal(err)
	}
	device, err := azidentity.NewDeviceCodeCredential(&azidentity.DeviceCodeCredentialOptions{
		ClientOptions: options, DisableInstanceDiscovery: true, TenantID: s.org.Tenant.ID, ClientID: client,
		UserPrompt: func(context.Context, azidentity.DeviceCodeMessage) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, cred := range map[string]azcore.TokenCredential{"certificate": certificate, "federated": federated, "device code": device} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		pipe := runtime.NewPipeline("test", "v0.0.0", runtime.PipelineOptions{PerRetry: []policy.Policy{
			runtime.NewBearerTokenPolicy(cred, []string{"https://management.azure.com/.default"}, nil),
		}}, &policy.ClientOptions{Transport: c})
		req, err := runtime.NewRequest(ctx, http.MethodGet, s.Endpoint("arm")+"/subscriptions?api-version=2022-12-01")
		if err != nil {
			t.Fatal(err)
		}
		resp, err := pipe.Do(req) //nolint:bodyclose // runtime.Payload closes it
		if err != nil {
			t.Errorf("%s: %v", name, err)
			cancel()
			continue
		}
		b, err := runtime.Payload(resp)
		if err != nil || resp.StatusCode != http.StatusOK || !bytes.Contains(b, []byte(s.subs[1].ID)) {
			t.Errorf("%s: %d %s %v", name, resp.StatusCode, b, err)
		}
		cancel()
	}
	// A client that nobody registered gets no token.
	stranger, err := azidentity.NewClientCertificateCredential(s.org.Tenant.ID, "99999999-2222-4333-8444-555555555555", []*x509.Certificate{cert}, crypto.PrivateKey(key),
		&azidentity.ClientCertificateCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://management.azure.com/.default"}}); err == nil || !strings.Contains(err.Error(), "AADSTS700016") {
		t.Errorf("a stranger: %v", err)
	}
}

// TestSameSeedSameBytes: two simulators with one seed give the same bytes, and
// another seed gives others.
func TestSameSeedSameBytes(t *testing.T) {
	ask := func(seed uint64) string {
		org, err := Default()
		if err != nil {
			t.Fatal(err)
		}
		s, err := New(org, Options{Seed: seed, Now: newClock().now})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		for i := range s.entries {
			b.Write(s.provider(nil, int32(i)))
			b.Write(s.row(nil, int32(i)))
		}
		now := s.Now()
		for _, kind := range []string{"interactiveUser", "nonInteractiveUser", "servicePrincipal", "managedIdentity"} {
			for _, x := range s.signIns(kind, now.Add(-5*day), now) {
				fmt.Fprintln(&b, x.ID, x.Time, x.UPN, x.IP, x.Result)
			}
		}
		for i := range s.subs {
			for _, a := range s.activities(i, now.Add(-90*day), now) {
				b.Write(marshal(s.activityRecord(&a)))
			}
		}
		return b.String()
	}
	a, b, c := ask(1), ask(1), ask(2)
	if a != b {
		t.Error("the same seed gave other bytes")
	}
	if a == c || len(a) < 100_000 {
		t.Errorf("another seed gave the same bytes, or there are few: %d", len(a))
	}
}

// TestLogs: what happened is in the activity log, late, or not at all, as the
// organisation says; the workspace has the same events.
func TestLogs(t *testing.T) {
	k := newClock()
	with := strings.Replace(small, "people:", "  - {type: Microsoft.OperationalInsights/workspaces, name: w, subscriptions: [two]}\npeople:", 1)
	s, c := start(t, with+`
workspaces: [{name: w, customerId: aaaaaaaa-0000-4000-8000-000000000001, tables: [AzureActivity, SigninLogs], since: -40d, gaps: [{from: -6d, to: -5d}]}]
logs: {activity: {perDay: 2}, signIns: {perDay: 9}}
changes:
  - {at: -3d, type: Microsoft.Storage/storageAccounts, every: 10, merge: {tags: {a: "1"}}}
  - {at: -2d, type: Microsoft.Storage/storageAccounts, every: 10, event: none, merge: {tags: {b: "1"}}}
  - {at: -1h, type: Microsoft.Storage/storageAccounts, every: 10, event: late, delay: 8h, merge: {tags: {c: "1"}}}
  - {at: -1d, type: Microsoft.Storage/storageAccounts, every: 10, event: lost, merge: {tags: {d: "1"}}}
`, Options{Seed: 7, Now: k.now})
	writes := func(from, to time.Duration) int {
		n := 0
		for _, r := range listAll(t, s, c, "/subscriptions/"+s.subs[0].ID+"/providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01&$filter="+
			url.QueryEscape(fmt.Sprintf("eventTimestamp ge '%s' and eventTimestamp le '%s'", k.t.Add(from).Format(time.RFC3339), k.t.Add(to).Format(time.RFC3339)))) {
			if op, ok := r["operationName"].(map[string]any); ok && strings.HasSuffix(textOf(op["value"]), "/write") {
				n++
			}
		}
		return n
	}
	if got := writes(-10*day, 0); got != 1 {
		t.Errorf("%d writes are logged, want 1: the others are late, lost or made no event", got)
	}
	k.t = k.t.Add(9 * time.Hour)
	if got := writes(-10*day, 0); got != 2 {
		t.Errorf("%d writes after the late one has arrived, want 2", got)
	}
	// The resource shows all four changes, logged or not.
	if b := s.provider(nil, 0); bytes.Count(b, []byte(`:"1"`)) != 4 {
		t.Errorf("the changed resource: %s", b)
	}
	query := func(q string) (rows [][]any) {
		_, b := ask(t, s, c, "logAnalytics", "POST /v1/workspaces/aaaaaaaa-0000-4000-8000-000000000001/query", string(marshal(map[string]any{"query": q})))
		var out struct {
			Tables []struct {
				Columns []struct{ Name, Type string }
				Rows    [][]any
			}
			Error json.RawMessage
		}
		if err := json.Unmarshal(b, &out); err != nil || len(out.Tables) != 1 {
			t.Fatalf("%s: %s", q, b)
		}
		return out.Tables[0].Rows
	}
	days := query("SigninLogs | where TimeGenerated >= ago(10d) | summarize First = min(TimeGenerated), Last = max(TimeGenerated), Count = count(), Good = countif(ResultType == '0') by Day = bin(TimeGenerated, 1d) | order by Day asc")
	if len(days) < 9 || len(days) > 11 {
		t.Errorf("%d days with sign-ins: %v", len(days), days)
	}
	all := query("SigninLogs | where TimeGenerated >= ago(10d)")
	once := query("SigninLogs | where TimeGenerated >= ago(10d) | summarize arg_max(TimeGenerated, *) by Id")
	if len(all) != len(once) || len(all) < 20 {
		t.Errorf("%d rows, %d of different ids", len(all), len(once))
	}
	if in := query(fmt.Sprintf("SigninLogs | where TimeGenerated >= datetime(%s) and TimeGenerated < datetime(%s)", s.epoch.Add(-6*day).Format(time.RFC3339), s.epoch.Add(-5*day).Format(time.RFC3339))); len(in) != 0 {
		t.Errorf("%d rows in the gap", len(in))
	}
	if err := s.Inject(Fault{ID: "C12/partial"}); err != nil {
		t.Fatal(err)
	}
	_, b := ask(t, s, c, "logAnalytics", "POST /v1/workspaces/aaaaaaaa-0000-4000-8000-000000000001/query", `{"query":"SigninLogs | where TimeGenerated >= ago(10d)"}`)
	if !json.Valid(b) || !bytes.Contains(b, []byte(`"PartialError"`)) || len(b) < 200 {
		t.Errorf("C12/partial: %.300s", b)
	}
}

func TestRetention(t *testing.T) {
	s, _ := start(t, small+"logs: {signIns: {perDay: 10}}\n", Options{Seed: 7})
	if got := s.keeps(s.org.Logs.SignIns, 30*day); got != 30*day {
		t.Errorf("kept %v", got)
	}
	now := s.Now()
	before := len(s.signIns("interactiveUser", now.Add(-12*time.Hour), now))
	if err := s.Inject(Fault{ID: "C25/retention"}, Fault{ID: "C25/late"}); err != nil {
		t.Fatal(err)
	}
	if got := s.keeps(s.org.Logs.SignIns, 30*day); got != 7*day {
		t.Errorf("with the fault: kept %v", got)
	}
	if after := len(s.signIns("interactiveUser", now.Add(-12*time.Hour), now)); after >= before {
		t.Errorf("%d sign-ins, %d with late ones missing", before, after)
	}
	if s.Hits()["C25/late"] == 0 {
		t.Error("C25/late did not hit")
	}
}

// TestBadOrganisations: what does not fit is refused with its place.
func TestBadOrganisations(t *testing.T) {
	for yaml, want := range map[string]string{
		"name: x\nsubscription: []\n":                                          "bad.yaml:2:1: unknown field",
		"name: x\nname: y\n":                                                   "bad.yaml:2:1: mapping key",
		"people:\n  - {name: A, age: 3}\n":                                     "bad.yaml:2:15: unknown field",
		"logs: {signIns: {keeps: soon}}\n":                                     `bad.yaml:1:25: "soon" is not a duration`,
		"people: [{name: A, created: yesterday}]\n":                            "is neither a time",
		"resources: [{type: A.B/c, name: x, properties: {a: \"{nosuch}\"}}]\n": "there is no placeholder {nosuch}",
		"- a\n":             "is not a mapping",
		"a: 1\n---\nb: 2\n": "2 YAML documents",
		"\tx":               "bad.yaml",
		"resources: [{type: storage, name: x}]\n":                                         "has a namespace",
		"subscriptions: [{name: s}]\nresources: [{type: A.B/c, name: x, count: 2}]\n":     "two resources have the id",
		"subscriptions: [{name: s, managementGroup: m}]\n":                                "there is no management group",
		"managementGroups: [{name: a, parent: b}, {name: b}]\n":                           "there is no management group",
		"groups: [{name: g, members: [nobody]}]\n":                                        `bad.yaml:1:30 groups[0].members[0]: there is no person, group, application or identity called "nobody"`,
		"people: [{name: A}]\nroleAssignments: [{principal: A, role: King}]\n":            `there is no role "King"`,
		"people: [{name: A}]\nroleAssignments: [{principal: A, role: Owner, scope: x}]\n": "the scope",
		"people: [{name: A, upn: a@b}, {name: B, upn: a@b}]\n":                            "two principals are called",
		"faults: [{id: C0}]\n":                "there is no fault",
		"changes: [{at: -1d, type: A.B/c}]\n": "there is no resource of type",
		"tenant: {epoch: noon}\n":             "the epoch",
	} {
		org, err := Parse("bad.yaml", []byte(yaml))
		if err == nil {
			_, err = New(org, Options{Now: newClock().now})
		}
		var e *tickmark.Error
		if err == nil || !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", yaml, err, want)
		}
	}
	if _, err := New(&Organisation{}, Options{}); err == nil {
		t.Error("no clock, and no error")
	}
	org, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(org, Options{Now: newClock().now, Listen: "0.0.0.0:0"}); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("listening everywhere: %v", err)
	}
}

func TestEndpointsFile(t *testing.T) {
	s, _ := start(t, small, Options{Seed: 7})
	file := filepath.Join(t.TempDir(), "e.json")
	if err := s.EndpointsFile(file); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var d EndpointsDocument
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	if d.URLs["arm"] != s.Endpoint("arm") || d.Audiences["arm"] != "https://management.azure.com" || !x509.NewCertPool().AppendCertsFromPEM([]byte(d.CAPEM)) || d.Authority != s.Endpoint("login") {
		t.Errorf("%s", b)
	}
	if d.URLs["foreign"] != "" || d.URLs["login"] != "" {
		t.Error("hosts to which no token may go are among the endpoints")
	}
}

// TestExamples: the organisations and faults in examples/sim are accepted.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../examples/sim/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%v %v", files, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(filepath.Base(f), "fault") {
			faults, err := ParseFaults(f, b)
			if err != nil || len(faults) == 0 {
				t.Errorf("%s: %v", f, err)
			}
			if _, err := New(&Organisation{}, Options{Now: newClock().now, Faults: faults}); err != nil {
				t.Errorf("%s: %v", f, err)
			}
			continue
		}
		org, err := Parse(f, b)
		if err == nil {
			_, err = New(org, Options{Now: newClock().now})
		}
		if err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
}

// TestSpec holds doc/spec/sim.md to the code: every key and every fault is there.
func TestSpec(t *testing.T) {
	b, err := os.ReadFile("../doc/spec/sim.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] {
			return
		}
		seen[typ] = true
		for f := range typ.Fields() {
			tag := f.Tag.Get("yaml")
			if tag == "" {
				continue
			}
			if !bytes.Contains(b, []byte("`"+tag+"`")) {
				t.Errorf("doc/spec/sim.md does not mention `%s` of %s", tag, typ.Name())
			}
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[Organisation]())
	if len(seen) < 25 {
		t.Errorf("%d types walked", len(seen))
	}
	for _, f := range Faults() {
		if !bytes.Contains(b, fmt.Appendf(nil, "| %s | %s | %s |", f.ID, f.Where, f.Title)) {
			t.Errorf("doc/spec/sim.md lacks the fault %s as it is: | %s | %s | %s |", f.ID, f.ID, f.Where, f.Title)
		}
	}
	for word := range placeholders {
		if !bytes.Contains(b, []byte("{"+word)) {
			t.Errorf("doc/spec/sim.md lacks the placeholder {%s}", word)
		}
	}
}
