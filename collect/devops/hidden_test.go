// SPDX-License-Identifier: Apache-2.0

package devops_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tickmark/tickmark/azuresim"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/collect/collecttest"
	"github.com/tickmark/tickmark/collect/devops"
)

func add(text string) func(string) string { return func(yaml string) string { return yaml + text } }

func replace(old, with string) func(string) string {
	return func(yaml string) string { return strings.Replace(yaml, old, with, 1) }
}

// hidden are the ways in which the services do not show what is there. Each
// must cost the completeness of the types, and nothing else.
var hidden = []struct {
	name   string
	edit   func(string) string
	source func() collect.Source
	types  []string // must not be complete
	rows   map[string]int
	keeps  string // a type that stays complete
}{
	{
		"service connections, all", add("deny: [{host: devops, path: '*/serviceendpoint/endpoints', hide: true}]\n"), devops.Source,
		[]string{"devops/serviceConnections", "devops/serviceConnectionPipelines"},
		map[string]int{"service-connections": 0},
		"devops/repositories",
	},
	{
		"service connections, one", replace("{name: azure-old,", "{name: azure-old, hidden: true,"), devops.Source,
		[]string{"devops/serviceConnections"},
		map[string]int{"service-connections": 1},
		"devops/environments",
	},
	{
		"projects, all", add("deny: [{host: devops, path: /contoso/_apis/projects, hide: true}]\n"), devops.Source,
		[]string{"devops/projects", "devops/repositories", "devops/pullRequests", "devops/serviceConnections"},
		map[string]int{"projects": 0},
		"devops/securityNamespaces",
	},
	{
		"projects, one", replace("- name: Back office", "- name: Back office\n        hidden: true"), devops.Source,
		[]string{"devops/projects", "devops/repositories", "devops/pullRequests"},
		map[string]int{"projects": 1},
		"devops/securityNamespaces",
	},
	{
		"repositories, all", add("deny: [{host: devops, path: '*/git/repositories', hide: true}]\n"), devops.Source,
		[]string{"devops/repositories", "devops/pushes", "devops/pullRequests"},
		map[string]int{"repositories": 0},
		"devops/environments",
	},
	{
		"repositories, one", replace("- name: tools", "- name: tools\n            hidden: true"), devops.Source,
		[]string{"devops/repositories", "devops/pushes", "devops/pullRequests"},
		map[string]int{"repositories": 2},
		"devops/environments",
	},
	{
		"environments, all", add("deny: [{host: devops, path: '*/pipelines/environments', hide: true}]\n"), devops.Source,
		[]string{"devops/environments", "devops/environmentChecks", "devops/deployments"},
		map[string]int{"environments": 0},
		"devops/repositories",
	},
	{
		"environments, one", replace("{name: production, approvers", "{name: production, hidden: true, approvers"), devops.Source,
		[]string{"devops/environments", "devops/deployments"},
		map[string]int{"environments": 1},
		"devops/repositories",
	},
	{
		"variable groups", add("deny: [{host: devops, path: '*/variablegroups', hide: true}]\n"), devops.Source,
		[]string{"devops/variableGroups"},
		map[string]int{"variable-groups": 0},
		"devops/repositories",
	},
	{
		"releases", add("deny: [{host: devopsRelease, hide: true}]\n"), devops.Source,
		[]string{"devops/releaseDefinitions", "devops/releases"},
		map[string]int{"releases": 0},
		"devops/repositories",
	},
	{
		"evaluation refused", add("deny: [{host: devops, path: '*/permissionevaluationbatch'}]\n"), devops.Source,
		[]string{"devops/projects", "devops/repositories", "devops/serviceConnections"},
		map[string]int{"projects": 2},
		"devops/securityNamespaces",
	},
	{
		"GitHub repositories, all", add("deny: [{host: github, path: '/orgs/*/repos', hide: true}]\n"), devops.GitHub,
		[]string{"github/repositories", "github/pullRequests", "github/branchProtection"},
		map[string]int{"repositories": 0},
		"github/members",
	},
	{
		"GitHub repositories, one", replace("- name: scratch", "- name: scratch\n        hidden: true"), devops.GitHub,
		[]string{"github/repositories", "github/pullRequests", "github/environments"},
		map[string]int{"repositories": 2},
		"github/members",
	},
	{
		"GitHub members, public ones only", add("deny: [{host: github, path: '/orgs/*/teams*'}, {host: github, path: '/orgs/*/members', hide: true}]\n"), devops.GitHub,
		[]string{"github/members", "github/owners", "github/membersWithoutSecondFactor", "github/outsideCollaborators"},
		map[string]int{"members": 0},
		"github/repositories",
	},
}

func TestHidden(t *testing.T) {
	for _, h := range hidden {
		t.Run(h.name, func(t *testing.T) {
			source := h.source()
			scope := map[string]string{"devops": "contoso", "github": "contoso-oss"}[source.Name]
			c, _ := try{edit: h.edit, source: source}.run(t)
			for _, typ := range h.types {
				if collecttest.Complete(c, scope, typ) {
					t.Errorf("%s counts as complete", typ)
				}
			}
			for name, want := range h.rows {
				if got := collecttest.Rows(c, name); got != want {
					t.Errorf("%s: %d rows, want %d", name, got, want)
				}
			}
			if !collecttest.Complete(c, scope, h.keeps) {
				t.Errorf("%s is no longer complete", h.keeps)
			}
		})
	}
}

// TestHiddenControl takes the proofs away: then what is hidden counts as none,
// which is what TestHidden is there to find.
func TestHiddenControl(t *testing.T) {
	lied := 0
	for _, h := range hidden {
		source := h.source()
		for i := range source.Asks {
			source.Asks[i].Proof = ""
		}
		scope := map[string]string{"devops": "contoso", "github": "contoso-oss"}[source.Name]
		c, _ := try{edit: h.edit, source: source}.run(t)
		if collecttest.Complete(c, scope, h.types[0]) {
			lied++
		}
	}
	if lied != len(hidden) {
		t.Errorf("without proofs %d of %d are taken for none: the others show nothing", lied, len(hidden))
	}
}

// TestNoOrganisation holds that nothing is complete where nobody said which
// organisations there are.
func TestNoOrganisation(t *testing.T) {
	for _, source := range []collect.Source{devops.Source(), devops.GitHub()} {
		c, _ := try{source: source, root: `{"tenantId":"11111111-1111-1111-1111-111111111111"}`}.run(t)
		for _, s := range c.Snapshot.Segments {
			if len(s.Coverage.Complete) > 0 {
				t.Errorf("%s %q: %v is complete", s.Source, s.Scope, s.Coverage.Complete)
			}
		}
	}
}

// TestSignInPage holds that the page on which people sign in is no answer.
func TestSignInPage(t *testing.T) {
	for _, source := range []collect.Source{devops.Source(), devops.GitHub()} {
		c, sim := try{source: source, wrong: true}.run(t)
		for _, s := range c.Snapshot.Segments {
			if len(s.Coverage.Complete) > 0 {
				t.Errorf("%s: %v is complete", s.Source, s.Coverage.Complete)
			}
		}
		want := map[string]int{"devops": http.StatusNonAuthoritativeInfo, "github": http.StatusUnauthorized}[source.Name]
		if sim.Log().ByStatus[want] == 0 {
			t.Errorf("%s: nobody was shown %d: %v", source.Name, want, sim.Log().ByStatus)
		}
	}
}

// TestQuotas collects with the services' limits on.
func TestQuotas(t *testing.T) {
	for _, source := range []collect.Source{devops.Source(), devops.GitHub()} {
		c, sim := try{source: source, quotas: true}.run(t)
		if n := sim.Log().ByStatus[http.StatusTooManyRequests]; n > 0 {
			t.Errorf("%s: %d answers of 429", source.Name, n)
		}
		if collecttest.Rows(c, "repositories") != 3 {
			t.Errorf("%s: %d repositories", source.Name, collecttest.Rows(c, "repositories"))
		}
	}
}

// only keeps an ask and those that it needs.
func only(s collect.Source, names ...string) collect.Source {
	for i := len(s.Asks) - 1; i >= 0; i-- {
		a := &s.Asks[i]
		if slices.Contains(names, a.Name) {
			names = append(names, a.Proof)
			for _, b := range s.Asks {
				if slices.Contains(a.Of, b.Entity) && len(b.Types) > 0 {
					names = append(names, b.Name)
				}
			}
		}
	}
	s.Asks = slices.DeleteFunc(s.Asks, func(a collect.Ask) bool { return !slices.Contains(names, a.Name) })
	return s
}

// lost are faults that a list cannot show. No list of Azure DevOps says how many
// rows it has, so one that is skipped between pages is not missed. GitHub
// refuses a list of pull requests and never leaves it empty.
func lost(fault, host, path string) bool {
	return fault == "C11" && host != "github" || fault == "C27" && host == "github" && path == "*/pulls"
}

// TestFaults injects what a server can do wrong into one list of each way of
// paging: what is complete is so with all its rows.
func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("half a minute")
	}
	lists := []struct {
		source     func() collect.Source
		host, path string
		ask, typ   string
		rows       int
	}{
		{devops.Source, "devops", "*/build/builds", "runs", "devops/runs", 17},
		{devops.Source, "devops", "*/git/pullrequests", "pull-requests", "devops/pullRequests", 5},
		{devops.Source, "devopsAudit", "*/auditlog", "audit-log", "devops/auditLogEntries", 28},
		{devops.GitHub, "github", "*/pulls", "pull-requests", "github/pullRequests", 15},
	}
	hit := map[string]bool{}
	for _, f := range azuresim.Faults() {
		if f.Query || !slices.Contains([]azuresim.Where{azuresim.InAnswer, azuresim.InPaging}, f.Where) || strings.HasPrefix(f.ID, "C20/huge") || strings.HasPrefix(f.ID, "C8/stall") {
			continue
		}
		t.Run(f.ID, func(t *testing.T) {
			for _, l := range lists {
				if lost(f.ID, l.host, l.path) {
					continue
				}
				c, sim := try{source: only(l.source(), l.ask), pageSize: 2, faults: []azuresim.Fault{{ID: f.ID, Host: l.host, Path: l.path}}}.run(t)
				scope := map[string]string{"devops": "contoso", "github": "contoso-oss"}[l.source().Name]
				if sim.Hits()[f.ID] > 0 {
					hit[f.ID] = true
				}
				if got := collecttest.Rows(c, l.ask); collecttest.Complete(c, scope, l.typ) && got != l.rows {
					t.Errorf("%s counts as complete with %d of %d rows (%d hits): %+v", l.ask, got, l.rows, sim.Hits()[f.ID], collecttest.Asked(c, l.ask))
				}
			}
		})
	}
	if len(hit) < 30 {
		t.Errorf("only %d faults hit: %v", len(hit), fmt.Sprint(hit))
	}
}

// TestEmptyLists: a list that comes empty without a word, with nothing but its
// proof or its nature against it, shows nothing; with neither it would.
func TestEmptyLists(t *testing.T) {
	for _, c := range []struct{ host, path, typ string }{
		{"devops", "*/_apis/pipelines/checks/configurations", "devops/environmentChecks"},
		{"devops", "*/_apis/pipelines/checks/configurations", "devops/serviceConnectionChecks"},
		{"devops", "*/_apis/pipelines/pipelinepermissions/environment/*", "devops/environmentPipelines"},
		{"devops", "*/_apis/pipelines/pipelinepermissions/endpoint/*", "devops/serviceConnectionPipelines"},
		{"devopsAudit", "*/_apis/audit/streams", "devops/auditStreams"},
		{"devopsGraph", "*/_apis/graph/memberships/*", "devops/groupMemberships"},
	} {
		t.Run(c.typ, func(t *testing.T) {
			for _, trusting := range []bool{false, true} {
				s := devops.Source()
				own := slices.IndexFunc(s.Asks, func(a collect.Ask) bool { return slices.Contains(a.Types, c.typ) })
				proof := s.Asks[own].Proof
				for i := range s.Asks { // what it is asked about has the same proof
					if a := &s.Asks[i]; trusting && a.Proof == proof {
						a.Proof, a.NeverEmpty = "", nil
					}
				}
				got, _ := try{source: s, faults: []azuresim.Fault{{ID: "C27", Host: c.host, Path: c.path, Count: -1}}}.run(t)
				if complete := collecttest.Complete(got, "contoso", c.typ); complete != trusting {
					t.Errorf("complete %v with proof taken away %v", complete, trusting)
				}
			}
		})
	}
}
