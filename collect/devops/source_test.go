// SPDX-License-Identifier: Apache-2.0

package devops_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/collect/devops"
	"github.com/tickmark/tickmark/jsontape"
)

// queries are the requests that are a POST and change nothing, as their
// documentation says.
var queries = []string{"_apis/security/permissionevaluationbatch"}

// secrets are parts of paths whose answers hold secret values.
var secrets = regexp.MustCompile(`(?i)/secrets|listkeys|access[_-]?tokens?\b|registration-token|remove-token|securefiles|/pats?\b|downloadlog|/hooks|/keys/list|generate`)

// filtered are the lists from which the service leaves out what the identity
// may not see, and answers 200.
var filtered = []string{
	"devops/projects", "devops/repositories", "devops/branch-policies", "devops/pull-requests", "devops/pushes", "devops/pipelines", "devops/runs",
	"devops/variable-groups", "devops/service-connections", "devops/environments", "devops/release-definitions", "devops/releases",
	"devops/release-deployments", "devops/agent-pools", "devops/users", "devops/groups", "devops/service-principals",
	"github/repositories", "github/members", "github/owners", "github/members-without-second-factor", "github/outside-collaborators",
}

var reference = regexp.MustCompile(`\{(\^*)([A-Za-z_@$][A-Za-z0-9_@$.\-]*)\}`)

// problems says what is wrong with a source.
func problems(s collect.Source) []string {
	var bad []string
	say := func(a *collect.Ask, format string, v ...any) {
		bad = append(bad, fmt.Sprintf("%s/%s: %s", s.Name, a.Name, fmt.Sprintf(format, v...)))
	}
	names, types, entities := map[string]bool{}, map[string]string{}, map[string]string{}
	depth := map[string]int{"tenant/devopsOrganizations": 1, "tenant/githubOrganizations": 1}
	proofs := map[string]bool{}
	for i := range s.Asks {
		proofs[s.Asks[i].Proof] = true
	}
	for i := range s.Asks {
		a := &s.Asks[i]
		if names[a.Name] {
			say(a, "two asks of this name")
		}
		names[a.Name] = true
		post := slices.ContainsFunc(queries, func(q string) bool { return strings.HasSuffix(a.Path, q) })
		if a.Method != "" && a.Method != http.MethodGet && (a.Method != http.MethodPost || !post) {
			say(a, "%s may change something", a.Method)
		}
		if a.About == "" || !strings.HasPrefix(a.Doc, "https://") || a.Needs.Permission == "" || a.Needs.Role == "" {
			say(a, "not said what it reads, where that is documented or what it needs")
		}
		if secrets.MatchString(a.Path) {
			say(a, "%s answers with secrets", a.Path)
		}
		if slices.Contains(filtered, s.Name+"/"+a.Name) && a.Proof == "" {
			say(a, "a filtered list without proof")
		}
		if a.Paging != collect.PageOne && a.Paging != collect.PageContinuation && a.PageSize == 0 {
			say(a, "pages of unknown size")
		}
		if len(a.Types) == 0 && !proofs[a.Name] {
			say(a, "neither yields types nor proves anything")
		}
		if by, ok := entities[a.Entity]; ok && len(a.Types) > 0 {
			say(a, "%s is already read by %s", a.Entity, by)
		}
		entities[a.Entity] = a.Name
		for _, typ := range a.Types {
			if types[typ] != "" || typ != a.Entity || !strings.HasPrefix(typ, s.Name+"/") {
				say(a, "type %s is not its own", typ)
			}
			types[typ] = a.Name
		}
		for _, of := range a.Of {
			d := depth[of]
			if d == 0 {
				say(a, "no ask before it yields %s", of)
			}
			depth[a.Entity] = max(depth[a.Entity], d+1)
			for _, m := range reference.FindAllStringSubmatch(a.Path+"?"+a.Query+a.Body, -1) {
				if len(m[1]) >= d {
					say(a, "%s is above the configuration", m[0])
				}
			}
		}
	}
	for i := range s.Asks {
		if p := s.Asks[i].Proof; p != "" && !names[p] {
			say(&s.Asks[i], "there is no proof %s", p)
		}
	}
	return bad
}

func TestSources(t *testing.T) {
	for _, s := range []collect.Source{devops.Source(), devops.GitHub()} {
		for _, p := range problems(s) {
			t.Error(p)
		}
		if len(s.Asks) < 30 {
			t.Errorf("%s: %d asks", s.Name, len(s.Asks))
		}
	}
}

// TestSourcesControl breaks a source in each way that TestSources is to find.
func TestSourcesControl(t *testing.T) {
	find := func(s *collect.Source, name string) *collect.Ask {
		i := slices.IndexFunc(s.Asks, func(a collect.Ask) bool { return a.Name == name })
		if i < 0 {
			t.Fatalf("no ask %s", name)
		}
		return &s.Asks[i]
	}
	for name, brk := range map[string]func(s *collect.Source){
		"may change something":        func(s *collect.Source) { find(s, "runs").Method = "POST" },
		"DELETE may change":           func(s *collect.Source) { find(s, "runs").Method = "DELETE" },
		"two asks of this name":       func(s *collect.Source) { s.Asks = append(s.Asks, *find(s, "runs")) },
		"what it needs":               func(s *collect.Source) { find(s, "runs").Needs = collect.Need{} },
		"where that is documented":    func(s *collect.Source) { find(s, "runs").Doc = "" },
		"answers with secrets":        func(s *collect.Source) { find(s, "runs").Path += "/secrets" },
		"without proof":               func(s *collect.Source) { find(s, "service-connections").Proof = "" },
		"there is no proof":           func(s *collect.Source) { find(s, "runs").Proof = "sees-all" },
		"pages of unknown size":       func(s *collect.Source) { find(s, "pushes").PageSize = 0 },
		"neither yields types":        func(s *collect.Source) { find(s, "runs").Types = nil },
		"is not its own":              func(s *collect.Source) { find(s, "runs").Types = []string{"devops/pipelines"} },
		"no ask before it yields":     func(s *collect.Source) { find(s, "deployments").Of = []string{"devops/places"} },
		"is above the configuration":  func(s *collect.Source) { find(s, "projects").Path = "/{^^name}/" },
		"is already read by projects": func(s *collect.Source) { find(s, "runs").Entity = "devops/projects" },
	} {
		s := devops.Source()
		brk(&s)
		if !slices.ContainsFunc(problems(s), func(p string) bool { return strings.Contains(p, name) }) {
			t.Errorf("%q is not found: %v", name, problems(s))
		}
	}
}

// TestScope holds records to their organisation.
func TestScope(t *testing.T) {
	org := &collect.Subject{Type: "tenant/devopsOrganizations", ID: "contoso", Name: "contoso", Of: &collect.Subject{Type: collect.Root}}
	request := &collect.Subject{Type: "devops/pullRequests", ID: "7", Of: &collect.Subject{Type: "devops/projects", ID: "p", Of: org}}
	s := devops.Source()
	if got := s.Scope(request); got != "contoso" {
		t.Errorf("a pull request is in %q, want contoso", got)
	}
	if got := s.Scope(&collect.Subject{Type: collect.Root}); got != "" {
		t.Errorf("the tenant is in %q", got)
	}
}

// TestShows holds what counts as proof that the identity sees.
func TestShows(t *testing.T) {
	for _, c := range []struct {
		source collect.Source
		ask    string
		answer string
		want   bool
	}{
		{devops.Source(), "sees-repositories", `{"evaluations":[{"value":true}]}`, true},
		{devops.Source(), "sees-repositories", `{"evaluations":[{"value":false}]}`, false},
		{devops.Source(), "sees-repositories", `{"evaluations":[{"value":true},{"value":false}]}`, false},
		{devops.Source(), "sees-repositories", `{"evaluations":[{"value":"true"}]}`, false},
		{devops.Source(), "sees-repositories", `{"evaluations":[]}`, false},
		{devops.Source(), "sees-repositories", `{}`, false},
		{devops.GitHub(), "installation-access", `{"repository_selection":"all","repositories":[{"owner":{"login":"Contoso"}}]}`, true},
		{devops.GitHub(), "installation-access", `{"repository_selection":"all","repositories":[{"owner":{"login":"fabrikam"}}]}`, false},
		{devops.GitHub(), "installation-access", `{"repository_selection":"all","repositories":[]}`, false},
		{devops.GitHub(), "installation-access", `{"repository_selection":"selected","total_count":3,"repositories":[{"owner":{"login":"contoso"}}]}`, false},
		{devops.GitHub(), "installation-access", `{"total_count":3}`, false},
	} {
		i := slices.IndexFunc(c.source.Asks, func(a collect.Ask) bool { return a.Name == c.ask })
		tape, err := jsontape.Parse([]byte(c.answer), jsontape.Options{})
		if err != nil {
			t.Fatal(err)
		}
		a := &c.source.Asks[i]
		if got := (a.Shows == nil || a.Shows(tape.Root())) && (a.ShowsOf == nil || a.ShowsOf(&collect.Subject{Name: "contoso"}, tape.Root())); got != c.want {
			t.Errorf("%s: %s shows %v, want %v", c.ask, c.answer, got, c.want)
		}
	}
}

// TestRedacts names the asks whose answers hold values that may be secret.
func TestRedacts(t *testing.T) {
	want := map[string]string{
		"variable-groups": "variables.*.value", "pipelines": "variables.*.value", "release-definitions": "environments.*.variables.*.value",
		"releases": "variables.*.value", "service-connections": "authorization.parameters.*", "audit-streams": "consumerInputs.*",
		"secret-scanning-alerts": "secret", "service-connection-checks": "settings.inputs.*", "environment-checks": "settings.inputs.*",
	}
	for _, s := range []collect.Source{devops.Source(), devops.GitHub()} {
		for _, a := range s.Asks {
			if w, ok := want[a.Name]; ok {
				if !slices.Contains(a.Redact, w) {
					t.Errorf("%s/%s does not replace %s", s.Name, a.Name, w)
				}
				delete(want, a.Name)
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("no such asks: %v", want)
	}
}
