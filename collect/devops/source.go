// SPDX-License-Identifier: Apache-2.0

// Package devops holds the questions that are put to Azure DevOps and GitHub:
// enough to say of each change who wrote, reviewed, approved and deployed it.
// They are data: the engine in package collect does the asking.
package devops

import (
	"slices"
	"strings"

	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/jsontape"
)

// The members of the configuration that name organisations: neither service
// has a list of them for an application.
const (
	azureOrganizations  = "tenant/devopsOrganizations"
	githubOrganizations = "tenant/githubOrganizations"
)

// Source returns Azure DevOps with its questions.
func Source() collect.Source {
	asks := organisationAsks()
	asks = append(asks, identityAsks()...)
	asks = append(asks, projectAsks()...)
	asks = append(asks, changeAsks()...)
	asks = append(asks, pipelineAsks()...)
	asks = append(asks, releaseAsks()...)
	for i := range asks {
		a := &asks[i]
		if a.Host == "" {
			a.Host = collect.HostDevOps
		}
		if a.APIVersion == "" {
			a.APIVersion = "7.1"
		}
		a.Pace = collect.PaceDevOps
		// Azure DevOps Services is offered in the public cloud only.
		a.NotOffered = []string{"usGovernment", "china"}
		listForm(a)
	}
	return collect.Source{Name: "devops", Title: "Azure DevOps", Asks: asks, Scope: scopeOf(azureOrganizations)}
}

// GitHub returns GitHub with its questions.
func GitHub() collect.Source {
	asks := githubOrganisationAsks()
	asks = append(asks, githubRepositoryAsks()...)
	asks = append(asks, githubChangeAsks()...)
	asks = append(asks, githubRunAsks()...)
	for i := range asks {
		a := &asks[i]
		a.Host = collect.HostGitHub
		a.Pace = collect.PaceGitHub
		a.Header = map[string]string{"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
		if a.Form == "" && a.List == "" {
			a.Form = "array"
		}
		listForm(a)
	}
	return collect.Source{Name: "github", Title: "GitHub", Asks: asks, Scope: scopeOf(githubOrganizations)}
}

// listForm makes the ask one of a list unless it says what it is.
func listForm(a *collect.Ask) {
	if a.Form == "" {
		a.Form = "graphCollection"
	}
}

// scopeOf returns the organisation that a subject belongs to.
func scopeOf(organisations string) func(*collect.Subject) string {
	return func(s *collect.Subject) string {
		for ; s != nil; s = s.Of {
			if s.Type == organisations {
				return s.Name
			}
		}
		return ""
	}
}

// camel turns the name of an ask into that of its records: team-members reads
// teamMembers.
func camel(name string) string {
	words := strings.Split(name, "-")
	for i, w := range words[1:] {
		words[i+1] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, "")
}

// one is the form of an answer that is one object.
const one = "graphEntity"

// position stands for the identity of rows that have none.
const position = "#"

// is keeps the subjects of which the member has the value, and those that do not
// say: a filter that leaves them out would make their lists empty.
func is(member, value string) func(*collect.Subject) bool {
	return func(s *collect.Subject) bool {
		v := at(s.Item, member)
		return v.Kind() != jsontape.String || v.Str() == value
	}
}

// unless keeps the subjects but those of which the member has one of the values.
func unless(member string, values ...string) func(*collect.Subject) bool {
	return func(s *collect.Subject) bool { return !slices.Contains(values, at(s.Item, member).Str()) }
}

// at follows a dotted path.
func at(v jsontape.Value, path string) jsontape.Value {
	for start := 0; ; {
		end := start
		for end < len(path) && path[end] != '.' {
			end++
		}
		v = v.Get(path[start:end])
		if end == len(path) {
			return v
		}
		start = end + 1
	}
}
