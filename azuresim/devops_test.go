// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

const devopsYAML = `
name: Contoso
people: [{name: Ada Ray}, {name: Ben Ode}]
devops:
  - name: contoso
    projects:
      - name: Shop
        repositories:
          - {name: web, protection: {reviewers: 2}, pullRequests: {count: 40, selfApproved: 4, bypassed: 2, unreviewed: 3}}
          - {name: dark, hidden: true}
        pipelines: [{name: deploy, repository: web, runs: 7, environment: production}]
        environments: [{name: production, approvers: [Ben Ode]}]
        serviceConnections: [{name: azure}]
github:
  - name: hub
    repositories:
      - {name: sdk, pullRequests: {count: 5}}
      - {name: dark, hidden: true}
power:
  environments: [{name: Sales, type: Production, dataverse: true}]
`

// reply is an answer read whole.
type reply struct {
	status int
	header http.Header
	body   string
	v      map[string]any
}

// get asks with a token of the audience; an empty audience sends none.
func get(t *testing.T, s *Sim, c *http.Client, url, audience string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if audience != "" {
		token, _ := s.mint(audience, "", lifetime)
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := (&http.Client{Transport: c.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	out := reply{status: resp.StatusCode, header: resp.Header, body: string(b)}
	if strings.HasPrefix(out.body, "{") {
		if err := json.Unmarshal(b, &out.v); err != nil {
			t.Fatalf("%s: %v", url, err)
		}
	}
	return out
}

func count(t *testing.T, r reply) int {
	t.Helper()
	rows, ok := r.v["value"].([]any)
	if n, _ := r.v["count"].(float64); !ok || int(n) != len(rows) {
		t.Fatalf("%d: no list, or a count of something else: %s", r.status, r.body)
	}
	return len(rows)
}

func TestDevOpsPages(t *testing.T) {
	s, c := start(t, devopsYAML, Options{Seed: 1})
	base := s.Endpoint("devops") + "/contoso/Shop/_apis/"
	sum, skip := 0, 0
	for range 5 {
		r := get(t, s, c, fmt.Sprintf("%sgit/pullrequests?searchCriteria.status=all&$top=15&$skip=%d", base, skip), audienceDevOps)
		n := count(t, r)
		sum, skip = sum+n, skip+n
		if n < 15 {
			break
		}
	}
	if sum != 40 {
		t.Errorf("%d pull requests by $skip, want 40", sum)
	}
	sum, token := 0, ""
	for range 9 {
		r := get(t, s, c, base+"build/builds?$top=3&continuationToken="+token, audienceDevOps)
		sum += count(t, r)
		if token = r.header.Get("x-ms-continuationtoken"); token == "" {
			break
		}
	}
	if sum != 7 {
		t.Errorf("%d runs by continuation token, want 7", sum)
	}
	if r := get(t, s, c, base+"build/builds?continuationToken=nonsense", audienceDevOps); r.status != http.StatusBadRequest || r.v["typeKey"] == nil {
		t.Errorf("a token of nobody: %d %s", r.status, r.body)
	}
	r := get(t, s, c, base+"git/pullrequests?searchCriteria.status=all&searchCriteria.queryTimeRangeType=closed&searchCriteria.minTime=2026-06-01T00:00:00Z&searchCriteria.maxTime=2026-06-30T00:00:00Z&$top=100", audienceDevOps)
	if n := count(t, r); n < 4 || n > 8 {
		t.Errorf("%d pull requests of June, want about a sixth of 40", n)
	}
}

// TestDevOpsPeople holds how many changes are as the organisation says.
func TestDevOpsPeople(t *testing.T) {
	s, c := start(t, devopsYAML, Options{Seed: 1})
	r := get(t, s, c, s.Endpoint("devops")+"/contoso/Shop/_apis/git/pullrequests?searchCriteria.status=completed&$top=100", audienceDevOps)
	var out struct {
		Value []struct {
			CreatedBy struct{ ID string }
			Reviewers []struct {
				ID   string
				Vote int
			}
			CompletionOptions struct{ BypassPolicy bool }
		}
	}
	if err := json.Unmarshal([]byte(r.body), &out); err != nil {
		t.Fatal(err)
	}
	bypassed, self, none := 0, 0, 0
	for _, p := range out.Value {
		switch {
		case p.CompletionOptions.BypassPolicy:
			bypassed++
		case len(p.Reviewers) == 0:
			none++
		case p.Reviewers[0].ID == p.CreatedBy.ID:
			self++
		}
	}
	if len(out.Value) != 40 || bypassed != 2 || self != 4 || none != 3 {
		t.Errorf("%d changes, %d bypassed, %d approved by the author, %d by nobody; want 40, 2, 4, 3", len(out.Value), bypassed, self, none)
	}
}

// TestDevOpsHides holds that what is not shown is left out with 200, and that
// the evaluation of permissions says so.
func TestDevOpsHides(t *testing.T) {
	s, c := start(t, devopsYAML+"deny: [{host: devops, path: '*/serviceendpoint/endpoints', hide: true}]\n", Options{Seed: 1})
	base := s.Endpoint("devops") + "/contoso/Shop/_apis/"
	if r := get(t, s, c, base+"serviceendpoint/endpoints", audienceDevOps); r.status != http.StatusOK || r.body != `{"count":0,"value":[]}` {
		t.Errorf("service connections: %d %s", r.status, r.body)
	}
	if r := get(t, s, c, base+"git/repositories", audienceDevOps); count(t, r) != 1 || strings.Contains(r.body, "dark") {
		t.Errorf("repositories: %s", r.body)
	}
	project := s.guid("project", "contoso", "Shop")
	for namespace, want := range map[string]bool{
		"49b48001-ca20-4adc-8111-5b60c903a50c": false, "2e9eb7ed-3c0a-47d4-87c1-0ffdd275fd87": false,
		"83d4c2e6-e57d-4d6e-892b-b87222b7ad20": true, "33344d9c-fc72-4d6f-aba5-fa317101a7e9": true,
	} {
		_, b := ask(t, s, c, "devops", "POST /contoso/_apis/security/permissionevaluationbatch",
			fmt.Sprintf(`{"evaluations":[{"securityNamespaceId":%q,"token":"x/%s","permissions":1}]}`, namespace, project))
		if got := strings.Contains(string(b), `"value":true`); got != want {
			t.Errorf("%s: %s, want %v", namespace, b, want)
		}
	}
	if r := get(t, s, c, s.Endpoint("devops")+"/contoso/Nowhere/_apis/git/repositories", audienceDevOps); r.status != http.StatusNotFound || r.v["typeKey"] != "ProjectDoesNotExistWithNameException" {
		t.Errorf("no such project: %d %s", r.status, r.body)
	}
}

func TestDevOpsSignIn(t *testing.T) {
	s, c := start(t, devopsYAML, Options{Seed: 1})
	for _, audience := range []string{"", "https://management.azure.com"} {
		r := get(t, s, c, s.Endpoint("devops")+"/contoso/_apis/projects", audience)
		if r.status != http.StatusNonAuthoritativeInfo || !strings.HasPrefix(r.header.Get("Content-Type"), "text/html") || !strings.Contains(r.body, "<html>") {
			t.Errorf("audience %q: %d %s %s", audience, r.status, r.header.Get("Content-Type"), r.body)
		}
	}
	if n := s.Log().Misdirected; n != 1 {
		t.Errorf("%d tokens of another host were counted, want 1", n)
	}
}

func TestDevOpsUnits(t *testing.T) {
	s, c := start(t, devopsYAML, Options{Seed: 1, Quotas: true})
	token, _ := s.mint(audienceDevOps, "", lifetime)
	warned := false
	for range 2100 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Endpoint("devops")+"/contoso/_apis/projects", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			warned = warned || resp.Header.Get("X-RateLimit-Remaining") != ""
			continue
		}
		if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" || !warned {
			t.Errorf("%d, Retry-After %q, warned before: %v", resp.StatusCode, resp.Header.Get("Retry-After"), warned)
		}
		return
	}
	t.Error("the budget never ends")
}

const audienceGitHub = "https://api.github.com"

func TestGitHubPages(t *testing.T) {
	s, c := start(t, devopsYAML, Options{Seed: 1})
	next := regexp.MustCompile(`<([^>]+)>; rel="next"`)
	url, sum := s.Endpoint("github")+"/repos/hub/sdk/pulls?state=closed&per_page=2", 0
	for range 9 {
		r := get(t, s, c, url, audienceGitHub)
		var rows []map[string]any
		if err := json.Unmarshal([]byte(r.body), &rows); err != nil {
			t.Fatal(err)
		}
		sum += len(rows)
		if r.header.Get("X-RateLimit-Remaining") == "" {
			t.Error("no rate limit is told")
		}
		m := next.FindStringSubmatch(r.header.Get("Link"))
		if m == nil {
			break
		}
		url = m[1]
	}
	if sum != 5 {
		t.Errorf("%d pull requests by links, want 5", sum)
	}
	r := get(t, s, c, s.Endpoint("github")+"/repos/hub/sdk/actions/runs", audienceGitHub)
	if r.v["total_count"] != 0.0 || r.v["workflow_runs"] == nil {
		t.Errorf("runs: %s", r.body)
	}
	r = get(t, s, c, s.Endpoint("github")+"/repos/hub/sdk/secret-scanning/alerts?hide_secret=true", audienceGitHub)
	if strings.Contains(r.body, `"secret"`) {
		t.Errorf("a secret is shown: %s", r.body)
	}
}

func TestGitHubHides(t *testing.T) {
	s, c := start(t, devopsYAML, Options{Seed: 1})
	for path, status := range map[string]int{
		"/repos/hub/dark": http.StatusNotFound, "/repos/hub/sdk": http.StatusOK, "/orgs/nobody": http.StatusNotFound, "/repos/hub/sdk/branches/main/protection": http.StatusNotFound,
	} {
		if r := get(t, s, c, s.Endpoint("github")+path, audienceGitHub); r.status != status {
			t.Errorf("%s: %d %s, want %d", path, r.status, r.body, status)
		}
	}
	if r := get(t, s, c, s.Endpoint("github")+"/installation/repositories", audienceGitHub); r.v["repository_selection"] != "selected" || r.v["total_count"] != 1.0 {
		t.Errorf("installation: %s", r.body)
	}
	if r := get(t, s, c, s.Endpoint("github")+"/orgs/hub/repos", ""); r.status != http.StatusUnauthorized || r.v["message"] != "Bad credentials" {
		t.Errorf("without a token: %d %s", r.status, r.body)
	}
}

func TestPower(t *testing.T) {
	s, c := start(t, devopsYAML, Options{Seed: 1, PageSize: 2})
	r := get(t, s, c, s.Endpoint("power")+"/providers/Microsoft.BusinessAppPlatform/scopes/admin/environments?api-version=2023-06-01", "https://service.powerapps.com")
	if !strings.Contains(r.body, s.Endpoint("dataverse")+"/sales") {
		t.Fatalf("the environment has no address: %s", r.body)
	}
	url, sum := s.Endpoint("dataverse")+"/sales/api/data/v9.2/workflows", 0
	for range 9 {
		r := get(t, s, c, url, s.Endpoint("dataverse"))
		rows, _ := r.v["value"].([]any)
		sum += len(rows)
		next, _ := r.v["@odata.nextLink"].(string)
		if next == "" {
			break
		}
		url = next
	}
	if sum != 4 {
		t.Errorf("%d flows by links, want 4", sum)
	}
	if r := get(t, s, c, s.Endpoint("dataverse")+"/sales/api/data/v9.2/WhoAmI", "https://service.powerapps.com"); r.status != http.StatusUnauthorized {
		t.Errorf("a token of another host: %d", r.status)
	}
}
