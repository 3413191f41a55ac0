// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

// listAll follows nextLink to the end and returns the rows.
func listAll(t *testing.T, s *Sim, c *http.Client, path string) []map[string]any {
	t.Helper()
	var out []map[string]any
	for n := 0; path != ""; n++ {
		if n > 100 {
			t.Fatal("no end of pages")
		}
		status, b := ask(t, s, c, "arm", "GET "+path, "")
		var page struct {
			Value    []map[string]any `json:"value"`
			NextLink string           `json:"nextLink"`
		}
		if err := json.Unmarshal(b, &page); err != nil || status != http.StatusOK {
			t.Fatalf("GET %s: %d %s", path, status, b)
		}
		out = append(out, page.Value...)
		path = strings.TrimPrefix(page.NextLink, s.Endpoint("arm"))
	}
	return out
}

type argPage struct {
	Total     int              `json:"totalRecords"`
	Count     int              `json:"count"`
	Truncated string           `json:"resultTruncated"`
	Token     string           `json:"$skipToken"`
	Data      []map[string]any `json:"data"`
}

// queryAll sends a Resource Graph query and follows its tokens.
func queryAll(t *testing.T, s *Sim, c *http.Client, query, scope string, subs ...string) (rows []map[string]any, pages int) {
	t.Helper()
	token, total := "", -1
	for {
		body := string(marshal(map[string]any{"query": query, "subscriptions": list(subs), "options": map[string]any{"$top": 3, "$skipToken": token, "resultFormat": "objectArray", "authorizationScopeFilter": scope}}))
		status, b := ask(t, s, c, "arm", "POST /providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01", body)
		var p argPage
		if err := json.Unmarshal(b, &p); err != nil || status != http.StatusOK {
			t.Fatalf("%s: %d %s", query, status, b)
		}
		if p.Count != len(p.Data) || total >= 0 && p.Total != total {
			t.Fatalf("%s: count %d of %d rows, total %d then %d", query, p.Count, len(p.Data), total, p.Total)
		}
		total = p.Total
		rows = append(rows, p.Data...)
		if pages++; p.Token == "" {
			if len(rows) != total {
				t.Fatalf("%s: %d rows, total %d", query, len(rows), total)
			}
			return rows, pages
		}
		token = p.Token
	}
}

func TestLists(t *testing.T) {
	s, c := start(t, small, Options{Seed: 7, PageSize: 2})
	sub := "/subscriptions/" + s.subs[0].ID
	for _, x := range []struct {
		path string
		want int
	}{
		{"/subscriptions?api-version=2022-12-01", 2},
		{sub + "/resources?api-version=2021-04-01", 5},
		{sub + "/resourcegroups?api-version=2021-04-01", 1},
		{sub + "/providers/Microsoft.Storage/storageAccounts?api-version=2023-05-01", 5},
		{sub + "/resourceGroups/RG-main/providers/microsoft.storage/storageaccounts?api-version=2023-05-01", 5},
		{sub + "/resourceGroups/rg-main/resources?$filter=resourceType%20eq%20'Microsoft.Storage/storageAccounts'&api-version=2021-04-01", 5},
		{s.varsOf(0).id + "/blobServices?api-version=2023-05-01", 1},
		{sub + "/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01", 1},
		{sub + "/providers/Microsoft.Authorization/roleAssignments?$filter=atScope()&api-version=2022-04-01", 1},
		{sub + "/providers/Microsoft.Authorization/locks?api-version=2020-05-01", 0},
		{sub + "/providers/Microsoft.Authorization/roleDefinitions?$filter=type%20eq%20'BuiltInRole'&api-version=2022-04-01", len(builtInRoles)},
		{"/providers/Microsoft.Management/managementGroups?api-version=2020-05-01", 2},
		{"/providers/Microsoft.Management/managementGroups/" + s.org.Tenant.ID + "/descendants?api-version=2020-05-01", 3},
		{"/providers/Microsoft.Management/managementGroups/prod/providers/Microsoft.Authorization/roleAssignments?$filter=atScope()&api-version=2022-04-01", 1},
		{sub + "/providers?api-version=2021-04-01&$expand=resourceTypes/aliases", 3},
	} {
		rows := listAll(t, s, c, x.path)
		if strings.Contains(x.path, "$filter=atScope()") {
			x.want = 3 // at the scope, the management group above it, and the root
			if strings.Contains(x.path, "managementGroups") {
				x.want = 2
			}
		}
		if len(rows) != x.want {
			t.Errorf("%s: %d rows, want %d", x.path, len(rows), x.want)
		}
	}
	for _, x := range []struct {
		path, code string
		status     int
	}{
		{sub, "MissingApiVersionParameter", 400},
		{sub + "?api-version=latest", "InvalidApiVersionParameter", 400},
		{"/subscriptions/" + s.guid("nobody") + "?api-version=2022-12-01", "SubscriptionNotFound", 404},
		{sub + "/resourceGroups/none/providers/Microsoft.Storage/storageAccounts/x?api-version=2023-05-01", "ResourceGroupNotFound", 404},
		{s.varsOf(0).id + "x?api-version=2023-05-01", "ResourceNotFound", 404},
		{sub + "/resourceGroups/rg-main/providers/Microsoft.Insights/diagnosticSettings?api-version=2021-05-01-preview", "ResourceTypeNotSupported", 400},
		{sub + "/providers/Microsoft.Storage/storageAccounts?api-version=2023-05-01&$skipToken=what", "InvalidSkipToken", 400},
	} {
		status, b := ask(t, s, c, "arm", "GET "+x.path, "")
		if status != x.status || !strings.Contains(string(b), `"`+x.code+`"`) {
			t.Errorf("%s: %d %s, want %d %s", x.path, status, b, x.status, x.code)
		}
	}
}

func TestResourceGraph(t *testing.T) {
	s, c := start(t, small, Options{Seed: 7})
	one, two := s.subs[0].ID, s.subs[1].ID
	rows, pages := queryAll(t, s, c, "resources | order by id asc", "", one, two)
	if len(rows) != 10 || pages != 4 {
		t.Errorf("resources: %d rows in %d pages", len(rows), pages)
	}
	for i, r := range rows {
		if i > 0 && textOf(r["id"]) <= textOf(rows[i-1]["id"]) {
			t.Errorf("not in order: %v", r["id"])
		}
		if _, ok := r["properties"].(map[string]any); !ok || r["type"] != "microsoft.storage/storageaccounts" {
			t.Errorf("row %v", r)
		}
	}
	for query, want := range map[string]int{
		"resources | where type =~ 'Microsoft.Storage/StorageAccounts' and properties.supportsHttpsTrafficOnly == false":                   3,
		"resources | where type in~ ('microsoft.storage/storageaccounts') | project id, name, https = properties.supportsHttpsTrafficOnly": 10,
		"resources | summarize count_ = count() by subscriptionId | order by subscriptionId asc":                                           2,
		"resources | where name contains 'st001' | take 5":                                                                                 2,
		"resourcecontainers | where type =~ 'microsoft.resources/subscriptions'":                                                           2,
		"resourcecontainers | where type in~ ('microsoft.resources/subscriptions', 'microsoft.resources/subscriptions/resourcegroups')":    4,
		"resources | where isnotempty(kind) and not(name startswith 'x') | extend n = tolower(kind) | distinct n":                          1,
		"advisorresources | order by id asc": 0,
	} {
		if rows, _ := queryAll(t, s, c, query, "", one, two); len(rows) != want {
			t.Errorf("%s: %d rows, want %d", query, len(rows), want)
		}
	}
	for _, q := range []string{"resources | where", "resources | render barchart", "nosuch | take 1", "resources | where type matches regex 'x'", "resources | join (x) on id"} {
		body := string(marshal(map[string]any{"query": q}))
		if status, b := ask(t, s, c, "arm", "POST /providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01", body); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s, want 400", q, status, b)
		}
	}
}

// TestInheritedHidden is fault C26: the default shows a clean list without what
// subscriptions inherit. The negative control is the option.
func TestInheritedHidden(t *testing.T) {
	s, c := start(t, small, Options{Seed: 7})
	q := "authorizationresources | where type =~ 'microsoft.authorization/roleassignments' | order by id asc"
	for scope, want := range map[string]int{"": 1, "AtScopeAndBelow": 1, "AtScopeAndAbove": 3, "AtScopeAboveAndBelow": 3, "AtScopeExact": 1} {
		if rows, _ := queryAll(t, s, c, q, scope, s.subs[0].ID); len(rows) != want {
			t.Errorf("scope %q: %d role assignments, want %d", scope, len(rows), want)
		}
	}
}

// TestSilentSubscriptions: those that the credential may not see are left out
// of an answer without a word.
func TestSilentSubscriptions(t *testing.T) {
	s, c := start(t, small+"\ndeny: [{host: arm, path: subscription/two*}]\n", Options{Seed: 7})
	if rows, _ := queryAll(t, s, c, "resources", "", s.subs[0].ID, s.subs[1].ID); len(rows) != 5 {
		t.Errorf("%d rows, want 5", len(rows))
	}
	if rows := listAll(t, s, c, "/subscriptions?api-version=2022-12-01"); len(rows) != 1 {
		t.Errorf("%d subscriptions, want 1", len(rows))
	}
	if status, b := ask(t, s, c, "arm", "GET /subscriptions/"+s.subs[1].ID+"/resources?api-version=2021-04-01", ""); status != http.StatusForbidden || !strings.Contains(string(b), "AuthorizationFailed") {
		t.Errorf("%d %s", status, b)
	}
}

func TestQuotas(t *testing.T) {
	k := newClock()
	s, c := start(t, small, Options{Seed: 7, Quotas: true, Now: k.now})
	body := `{"query":"resources | take 1"}`
	get := func(method, path, body string) seen {
		req, err := http.NewRequestWithContext(t.Context(), method, s.Endpoint("arm")+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+bearerFor(t, s, c, "arm"))
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return seen{status: resp.StatusCode, header: resp.Header}
	}
	graph := "/providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01"
	for i := range 16 {
		r := get(http.MethodPost, graph, body)
		if want := map[bool]int{true: 200, false: 429}[i < 15]; r.status != want {
			t.Fatalf("query %d: %d, want %d", i+1, r.status, want)
		}
		if i == 4 && (r.header.Get("x-ms-user-quota-remaining") != "10" || r.header.Get("x-ms-user-quota-resets-after") != "00:00:05") {
			t.Errorf("headers: %v", r.header)
		}
		if i == 15 && r.header.Get("Retry-After") != "5" {
			t.Errorf("Retry-After: %q", r.header.Get("Retry-After"))
		}
	}
	k.t = k.t.Add(5 * time.Second)
	if r := get(http.MethodPost, graph, body); r.status != http.StatusOK {
		t.Errorf("after the span: %d", r.status)
	}
	path := "/subscriptions/" + s.subs[0].ID + "?api-version=2022-12-01"
	for i := range 251 {
		if r := get(http.MethodGet, path, ""); (r.status == http.StatusTooManyRequests) != (i == 250) {
			t.Fatalf("read %d: %d", i+1, r.status)
		}
	}
	k.t = k.t.Add(time.Second)
	ok := 0
	for range 30 {
		if r := get(http.MethodGet, path, ""); r.status == http.StatusOK {
			ok++
		}
	}
	if ok != 25 {
		t.Errorf("%d reads after a second, want 25", ok)
	}
}

// TestScale: a thousand subscriptions with 200 resources each, services counted, stay small, and
// the same seed gives the same bytes.
func TestScale(t *testing.T) {
	if testing.Short() {
		t.Skip("200,000 resources")
	}
	yaml := `
name: Large
subscriptions: [{name: "sub-{n:04}", count: 1000}]
resources:
  - {type: Microsoft.Storage/storageAccounts, name: "st{n:03}{hex:8}", count: 40, kind: StorageV2, sku: {name: Standard_LRS}, group: "rg-{pick:a|b|c}",
     tags: {owner: team, env: "{pick:prod|test}"}, properties: {supportsHttpsTrafficOnly: true, minimumTlsVersion: TLS1_2, allowBlobPublicAccess: false, creationTime: "{when:-90d}"}}
`
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	begin := time.Now()
	s, c := start(t, yaml, Options{Seed: 1})
	made := time.Since(begin)
	runtime.GC()
	runtime.ReadMemStats(&after)
	heap := float64(after.HeapAlloc-before.HeapAlloc) / (1 << 20)
	if n := len(s.entries); n < 200_000 {
		t.Fatalf("%d entries", n)
	}
	begin = time.Now()
	token, rows, pages := "", 0, 0
	for {
		body := fmt.Sprintf(`{"query":"resources | order by id asc","options":{"$top":1000,"$skipToken":%q}}`, token)
		_, b := ask(t, s, c, "arm", "POST /providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01", body)
		var p argPage
		if err := json.Unmarshal(b, &p); err != nil {
			t.Fatal(err)
		}
		rows, pages, token = rows+len(p.Data), pages+1, p.Token
		if token == "" || pages == 20 {
			break
		}
	}
	var peak runtime.MemStats
	runtime.ReadMemStats(&peak)
	t.Logf("made in %v, heap %.1f MiB; %d rows in %d pages in %v; heap in use at the end %.1f MiB", made.Round(time.Millisecond), heap, rows, pages, time.Since(begin).Round(time.Millisecond), float64(peak.HeapAlloc)/(1<<20))
	if heap > 64 {
		t.Errorf("200,000 resources take %.1f MiB", heap)
	}
}

// TestUnknown: what Azure does not know is an error, and no empty list.
func TestUnknown(t *testing.T) {
	s, c := start(t, small, Options{Seed: 7})
	sub := "/subscriptions/" + s.subs[0].ID
	for _, x := range []struct {
		path   string
		status int
		want   string
	}{
		{sub + "/providers/Microsoft.Storage/storageAccounts?api-version=2023-05-01", 200, `"value":[{`},
		{sub + "/providers/Microsoft.Storage/storageAccounts?api-version=1999-01-01", 400, "NoRegisteredProviderFound"},
		{sub + "/providers/Microsoft.Compute/disks?api-version=2024-03-01", 400, "NoRegisteredProviderFound"},
		{sub + "/providers/Microsoft.KeyVault/vaults?api-version=2023-07-01", 200, `"value":[]`},
		{sub + "/resourceGroups?api-version=1999-01-01", 400, "InvalidApiVersionParameter"},
		{sub + "/providers/Microsoft.NoSuch/things?api-version=2023-05-01", 404, "InvalidResourceNamespace"},
		{sub + "/providers/Microsoft.Storage/storageAcounts?api-version=2023-05-01", 404, "InvalidResourceType"},
		{sub + "/resources?api-version=2021-04-01&$filter=nonsense%20xx", 400, "InvalidFilterInQueryString"},
		{sub + "/resources?api-version=2021-04-01&$filter=resourceType%20eq%20'Microsoft.Storage/storageAccounts'", 200, `"value":[{`},
		{sub + "/resources?api-version=2021-04-01&$fliter=x", 400, "InvalidQueryParameter"},
		{sub + "/providers/Microsoft.Storage/storageAccounts?api-version=2023-05-01&$filter=name%20eq%20'x'", 400, "InvalidFilterInQueryString"},
		{sub + "/providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01&$filter=eventTimestamp%20ge%20'2026-03-01T00:00:00Z'", 400, "90 days"},
		{sub + "/providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01&$filter=eventTimestamp%20ge%20'2026-06-01T00:00:00Z'", 200, `"value"`},
	} {
		status, b := ask(t, s, c, "arm", "GET "+x.path, "")
		if status != x.status || !strings.Contains(string(b), x.want) {
			t.Errorf("%s: %d %.200s; want %d with %s", x.path, status, b, x.status, x.want)
		}
	}
	account := s.varsOf(s.collection(sub, "microsoft.storage/storageaccounts", &armRequest{})[0]).id
	if _, b := ask(t, s, c, "arm", "GET "+account+"/queueServices?api-version=2023-05-01", ""); !strings.Contains(string(b), `"name":"default"`) {
		t.Errorf("an account has no queue service by itself: %s", b)
	}
}

// TestMakingEnds: a large organisation is given up when the context ends.
func TestMakingEnds(t *testing.T) {
	org, err := Parse("large.yaml", []byte("subscriptions: [{name: s}]\nresources: [{type: Microsoft.Compute/disks, name: \"d{n}\", count: 4000000}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := NewContext(ctx, org, Options{Now: newClock().now}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("four million resources: %v", err)
	}
}
