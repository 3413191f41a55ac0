// SPDX-License-Identifier: Apache-2.0

package devops

import (
	"time"

	"github.com/tickmark/tickmark/collect"
)

// changeTime is how far back changes and deployments are read where nobody
// says: the services keep them for ever, and what is deployed this month can be
// older than a month.
const changeTime = 90 * 24 * time.Hour

var projects = []string{"devops/projects"}

// inProject makes an ask that is put once for each project.
func inProject(name, about, doc, path, entity string) collect.Ask {
	return collect.Ask{
		Name: name, About: about, Of: projects, Where: wellFormed, Doc: ref + doc, Path: "/{^name}/{id}/_apis/" + path,
		Entity: entity, Types: []string{entity}, Needs: projectReader,
	}
}

func projectAsks() []collect.Ask {
	properties := inProject("project-properties", "properties of each project", "core/projects/get-project-properties", "", "devops/projectProperties")
	properties.Path, properties.APIVersion, properties.Identity = "/{^name}/_apis/projects/{id}/properties", "7.1-preview.1", "name"

	settings := inProject("pipeline-settings", "what pipelines may do: scope of job tokens, variables at queue time",
		"build/general-settings/get", "build/generalsettings", "devops/pipelineSettings")
	settings.Form, settings.Identity = one, position
	retention := inProject("run-retention", "how long runs are kept", "build/retention/get", "build/retention", "devops/runRetention")
	retention.Form, retention.Identity = one, position

	repositories := inProject("repositories", "Git repositories, hidden and disabled ones too", "git/repositories/list", "git/repositories", "devops/repositories")
	repositories.Query, repositories.Proof = "includeHidden=true", "sees-repositories"
	repositories.Needs = collect.Need{Permission: "Read (Git repositories)", Role: "Readers of the project"}

	policies := inProject("branch-policies", "branch policies: reviewers, builds, work items, comments, status", "policy/configurations/list",
		"policy/configurations", "devops/branchPolicies")
	policies.Paging, policies.Query, policies.PageSize, policies.Proof = collect.PageContinuation, "$top=100", 100, "sees-repositories"
	return []collect.Ask{
		sees(projects[0], "repositories", nsGit, "repoV2/{id}", 2),               // GenericRead
		sees(projects[0], "pipelines", nsBuild, "{id}", 1+1024),                  // ViewBuilds, ViewBuildDefinition
		sees(projects[0], "releases", nsRelease, "{id}", 1+32),                   // ViewReleaseDefinition, ViewReleases
		sees(projects[0], "environments", nsEnvironment, "Environments/{id}", 1), // View; token unverified
		sees(projects[0], "library", nsLibrary, "Library/{id}", 1),               // View; token unverified
		// ViewEndpoint; the token is that of Microsoft's Terraform provider.
		sees(projects[0], "service connections", nsServiceEndpoints, "endpoints/{id}", 16),
		properties, settings, retention, repositories, policies,
	}
}

// completed keeps pull requests that changed their target, or may have.
var completed = unless("status", "active", "abandoned", "notSet")

// changeAsks read who wrote, reviewed and merged each change.
func changeAsks() []collect.Ask {
	requests := inProject("pull-requests", "pull requests closed in the period, with reviewers and votes", "git/pull-requests/get-pull-requests-by-project",
		"git/pullrequests", "devops/pullRequests")
	requests.Query = "searchCriteria.status=all&searchCriteria.queryTimeRangeType=closed&searchCriteria.minTime={from}&searchCriteria.maxTime={to}&$top=100"
	requests.Paging, requests.PageSize, requests.Identity, requests.Proof = collect.PageSkip, 100, "pullRequestId", "sees-repositories"
	requests.Window = &collect.Window{Field: "closedDate", Back: changeTime, Overlap: time.Hour}

	pushes := collect.Ask{
		Name: "pushes", About: "pushes in the period: what reached a branch without a pull request",
		Of: []string{"devops/repositories"}, Where: func(s *collect.Subject) bool { return !truth(s, "isDisabled") },
		Doc: ref + "git/pushes/list", Path: "/{^^name}/{^id}/_apis/git/repositories/{id}/pushes",
		Query:  "searchCriteria.fromDate={from}&searchCriteria.toDate={to}&searchCriteria.includeRefUpdates=true&$top=100",
		Paging: collect.PageSkip, PageSize: 100, Identity: "pushId",
		Entity: "devops/pushes", Types: []string{"devops/pushes"}, Proof: "sees-repositories",
		Window: &collect.Window{Field: "date", Back: changeTime, Overlap: time.Hour},
		Needs:  collect.Need{Permission: "Read (Git repositories)", Role: "Readers of the project"},
	}

	policies := ofRequest("pull-request-policies", "how each policy judged the pull request", "policy/evaluations/list", "", "devops/policyEvaluations")
	policies.Path, policies.APIVersion = "/{^^name}/{^id}/_apis/policy/evaluations", "7.1-preview.1"
	policies.Query = "artifactId=vstfs:///CodeReview/CodeReviewId/{^id}/{pullRequestId}&$top=100"
	policies.Paging, policies.PageSize, policies.Identity = collect.PageSkip, 100, "evaluationId"

	threads := ofRequest("pull-request-threads", "when each vote was given (threads of the system) and which comments were resolved",
		"git/pull-request-threads/list", "threads", "devops/pullRequestThreads")
	threads.Redact = []string{"comments.*.content"} // what people wrote to each other is not needed

	commits := ofRequest("pull-request-commits", "commits of each pull request: who wrote the change", "git/pull-request-commits/get-pull-request-commits",
		"commits", "devops/pullRequestCommits")
	commits.Paging, commits.Query, commits.PageSize, commits.Identity = collect.PageContinuation, "$top=100", 100, "commitId"
	return []collect.Ask{
		requests, pushes, policies, threads, commits,
		ofRequest("pull-request-work-items", "work items linked to each pull request", "git/pull-request-work-items/list", "workitems", "devops/pullRequestWorkItems"),
	}
}

// ofRequest makes an ask that is put for each completed pull request.
func ofRequest(name, about, doc, path, entity string) collect.Ask {
	return collect.Ask{
		Name: name, About: about, Of: []string{"devops/pullRequests"}, Where: completed, Doc: ref + doc,
		Path:   "/{^^name}/{^id}/_apis/git/repositories/{repository.id}/pullRequests/{pullRequestId}/" + path,
		Entity: entity, Types: []string{entity},
		Needs: collect.Need{Permission: "Read (Git repositories)", Role: "Readers of the project"},
	}
}

// truth reports whether the member was observed to be true.
func truth(s *collect.Subject, member string) bool {
	yes, ok := at(s.Item, member).Bool()
	return ok && yes
}
