// SPDX-License-Identifier: Apache-2.0

package devops

import (
	"net/http"
	"strings"
	"time"

	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/jsontape"
)

// hub is where GitHub documents its REST API, version 2022-11-28.
const hub = "https://docs.github.com/en/rest/"

// permission is one of a GitHub App, as
// https://docs.github.com/en/rest/authentication/permissions-required-for-github-apps
// names it. Every one here is read; what asks for write is not asked.
func permission(p string) collect.Need {
	return collect.Need{Permission: p + ": read", Role: "a GitHub App installed on the organisation, on all its repositories"}
}

// wholeOrganisation reports whether the app is installed on all repositories of
// the organisation: only then does a list of repositories hold them all. The
// path names none, and with the token of another organisation the answer is
// about that one, and the list holds what is public.
func wholeOrganisation(of *collect.Subject, answer jsontape.Value) bool {
	some, _ := answer.Get("repositories").First()
	return answer.Get("repository_selection").Str() == "all" && strings.EqualFold(some.Get("owner").Get("login").Str(), of.Name)
}

// hubList makes an ask whose answer is a list in pages.
func hubList(name, about, of, doc, path string, needs collect.Need) collect.Ask {
	entity := "github/" + camel(name)
	return collect.Ask{
		Name: name, About: about, Of: []string{of}, Doc: hub + doc, Path: path, Query: "per_page=100",
		Paging: collect.PageLink, PageSize: 100, Entity: entity, Types: []string{entity}, Needs: needs,
	}
}

// hubOne makes an ask whose answer is one object.
func hubOne(name, about, of, doc, path string, needs collect.Need) collect.Ask {
	entity := "github/" + camel(name)
	return collect.Ask{
		Name: name, About: about, Of: []string{of}, Doc: hub + doc, Path: path, Form: one, Identity: position,
		Entity: entity, Types: []string{entity}, Needs: needs,
	}
}

func githubOrganisationAsks() []collect.Ask {
	const org = githubOrganizations
	members, administration, metadata := permission("Organization members"), permission("Organization administration"), permission("Repository metadata")

	access := hubOne("installation-access", "on which repositories the app is installed", org, "apps/installations#list-repositories-accessible-to-the-app-installation",
		"/installation/repositories", metadata)
	access.Query, access.Types, access.ShowsOf = "per_page=1", nil, wholeOrganisation
	organisation := hubOne("organizations", "settings of the organisation: second factor, default permission", org, "orgs/orgs#get-an-organization",
		"/orgs/{name}", administration)
	organisation.Identity = "login"

	// Without the permission the list holds public members only, with 200; the
	// list of teams is refused then, and so proves that it is there.
	everyone := hubList("members", "members of the organisation", org, "orgs/members#list-organization-members", "/orgs/{name}/members", members)
	everyone.Proof = "teams"
	owners := hubList("owners", "owners of the organisation", org, "orgs/members#list-organization-members", "/orgs/{name}/members", members)
	owners.Query, owners.Proof = "role=admin&per_page=100", "teams"
	// 422 says that the identity may not use the filter.
	weak := hubList("members-without-second-factor", "members who have no second factor", org, "orgs/members#list-organization-members",
		"/orgs/{name}/members", members)
	weak.Query, weak.Proof = "filter=2fa_disabled&per_page=100", "teams"
	weak.Answers = []collect.Answer{{Status: http.StatusUnprocessableEntity, Means: collect.MeansRefused}}
	outside := hubList("outside-collaborators", "people with access who are no members", org, "orgs/outside-collaborators#list-outside-collaborators-for-an-organization",
		"/orgs/{name}/outside_collaborators", members)
	outside.Proof = "teams"
	installations := hubList("installations", "apps installed on the organisation and what they may do", org, "orgs/orgs#list-app-installations-for-an-organization",
		"/orgs/{name}/installations", administration)
	installations.List = "installations"
	repositories := hubList("repositories", "repositories of the organisation", org, "repos/repos#list-organization-repositories", "/orgs/{name}/repos", metadata)
	repositories.Query, repositories.Proof = "type=all&per_page=100", "installation-access"
	log := hubList("audit-log", "the organisation's audit log", org, "orgs/orgs#get-the-audit-log-for-an-organization", "/orgs/{name}/audit-log", administration)
	// Enterprise Cloud only; events are kept for 180 days, Git events for seven:
	// https://docs.github.com/en/enterprise-cloud@latest/organizations/keeping-your-organization-secure/managing-security-settings-for-your-organization/reviewing-the-audit-log-for-your-organization
	log.Query, log.Identity = "phrase=created:{from}..{to}&include=web&order=asc&per_page=100", "_document_id"
	log.Window = &collect.Window{Field: "@timestamp", Keeps: 180 * 24 * time.Hour, Overlap: time.Hour}
	log.Answers = []collect.Answer{{Status: http.StatusNotFound, Means: collect.MeansNoLicence}}
	return []collect.Ask{
		access, organisation, everyone, owners, weak, outside,
		hubList("teams", "teams of the organisation, secret ones too", org, "teams/teams#list-teams", "/orgs/{name}/teams", members),
		hubList("team-members", "members of each team", "github/teams", "teams/members#list-team-members", "/orgs/{^name}/teams/{slug}/members", members),
		installations, repositories, log,
		hubOne("actions-permissions", "which actions may be used in the organisation", org, "actions/permissions#get-github-actions-permissions-for-an-organization",
			"/orgs/{name}/actions/permissions", administration),
		hubOne("workflow-permissions", "what workflow tokens may do, and whether they may approve pull requests", org,
			"actions/permissions#get-default-workflow-permissions-for-an-organization", "/orgs/{name}/actions/permissions/workflow", administration),
	}
}

const (
	repository = "github/repositories"
	inRepo     = "/repos/{owner.login}/{name}"
	belowRepo  = "/repos/{^owner.login}/{^name}"
)

func githubRepositoryAsks() []collect.Ask {
	administration, metadata, actions := permission("Repository administration"), permission("Repository metadata"), permission("Actions")

	settings := hubOne("repository-settings", "settings of each repository, with its security features", repository, "repos/repos#get-a-repository",
		inRepo, administration)
	protection := hubOne("branch-protection", "classic protection of the default branch", repository, "branches/branch-protection#get-branch-protection",
		inRepo+"/branches/{default_branch}/protection", administration)
	protection.Answers = []collect.Answer{
		{Status: http.StatusNotFound, Code: "Branch not protected", Means: collect.MeansNone},
		{Status: http.StatusNotFound, Code: "Branch not found", Means: collect.MeansNoSuch}, // an empty repository
		{Status: http.StatusForbidden, Code: "Upgrade to GitHub Pro or make this repository public to enable this feature.", Means: collect.MeansNoLicence},
	}
	// The rules in force on the branch, from the repository, the organisation and
	// the enterprise. Listing the organisation's own rulesets needs write and is
	// left out; a page holds 100 and no branch has more.
	rules := hubList("branch-rules", "rules in force on the default branch, inherited ones too", repository, "repos/rules#get-rules-for-a-branch",
		inRepo+"/rules/branches/{default_branch}", metadata)
	rules.Paging, rules.Cap, rules.Identity = collect.PageOne, 100, position
	rulesets := hubList("ruleset-names", "rulesets of each repository and above it", repository, "repos/rules#get-all-repository-rulesets",
		inRepo+"/rulesets", metadata)
	rulesets.Query = "includes_parents=true&per_page=100"
	// bypass_actors are shown only to those who may write the ruleset: a member
	// that is missing here says nothing.
	ruleset := hubOne("rulesets", "each ruleset: enforcement, conditions, rules", rulesets.Entity, "repos/rules#get-a-repository-ruleset",
		belowRepo+"/rulesets/{id}", metadata)
	ruleset.Query, ruleset.Identity = "includes_parents=true", "id"
	environments := hubList("environments", "environments with reviewers and protection rules", repository, "deployments/environments#list-environments",
		inRepo+"/environments", actions)
	environments.List = "environments"
	branches := hubList("environment-branches", "branches that may deploy to each environment", environments.Entity,
		"deployments/branch-policies#list-deployment-branch-policies", belowRepo+"/environments/{name}/deployment-branch-policies", actions)
	branches.List = "branch_policies"
	branches.Where = func(s *collect.Subject) bool {
		custom, ok := at(s.Item, "deployment_branch_policy.custom_branch_policies").Bool()
		return custom || !ok && s.Item.Get("deployment_branch_policy").Kind() != jsontape.Null
	}
	collaborators := hubList("collaborators", "people and their direct permission on each repository", repository,
		"collaborators/collaborators#list-repository-collaborators", inRepo+"/collaborators", metadata)
	collaborators.Query = "affiliation=direct&per_page=100"
	workflows := hubList("workflows", "workflows of each repository", repository, "actions/workflows#list-repository-workflows", inRepo+"/actions/workflows", actions)
	workflows.List = "workflows"
	return append([]collect.Ask{
		settings, protection, rules, rulesets, ruleset, environments, branches, collaborators, workflows,
		hubList("deploy-keys", "keys that may read or write a repository", repository, "deploy-keys/deploy-keys#list-deploy-keys", inRepo+"/keys", administration),
		hubOne("repository-actions-permissions", "which actions each repository may use", repository,
			"actions/permissions#get-github-actions-permissions-for-a-repository", inRepo+"/actions/permissions", administration),
		hubOne("repository-workflow-permissions", "what each repository's workflow tokens may do", repository,
			"actions/permissions#get-default-workflow-permissions-for-a-repository", inRepo+"/actions/permissions/workflow", administration),
		hubOne("oidc-subjects", "the subject in tokens for federated sign-in", repository,
			"actions/oidc#get-the-customization-template-for-an-oidc-subject-claim-for-a-repository", inRepo+"/actions/oidc/customization/sub", actions),
	}, githubAlertAsks()...)
}

// githubAlertAsks read findings. A feature that is switched off answers 403 or
// 404: it is not "no findings", and the settings say that it is off.
func githubAlertAsks() []collect.Ask {
	secrets := hubList("secret-scanning-alerts", "secrets found in each repository, without the secrets", repository,
		"secret-scanning/secret-scanning#list-secret-scanning-alerts-for-a-repository", inRepo+"/secret-scanning/alerts", permission("Secret scanning alerts"))
	secrets.Query, secrets.Identity, secrets.Redact = "hide_secret=true&per_page=100", "number", []string{"secret"}
	dependabot := hubList("dependabot-alerts", "vulnerable dependencies of each repository", repository, "dependabot/alerts#list-dependabot-alerts-for-a-repository",
		inRepo+"/dependabot/alerts", permission("Dependabot alerts"))
	dependabot.Identity = "number"
	code := hubList("code-scanning-alerts", "findings of code scanning", repository, "code-scanning/code-scanning#list-code-scanning-alerts-for-a-repository",
		inRepo+"/code-scanning/alerts", permission("Code scanning alerts"))
	code.Identity = "number"
	return []collect.Ask{dependabot, secrets, code}
}

// githubChangeAsks read who wrote, reviewed and merged each change.
func githubChangeAsks() []collect.Ask {
	pulls := permission("Pull requests")
	// In the order in which they were made, which does not change while pages
	// are read. There is no filter for the time of merging.
	requests := hubList("pull-requests", "closed pull requests", repository, "pulls/pulls#list-pull-requests", inRepo+"/pulls", pulls)
	requests.Query, requests.Identity = "state=closed&sort=created&direction=asc&per_page=100", "number"
	requests.Window = &collect.Window{Field: "merged_at", Back: changeTime, Overlap: time.Hour}
	requests.Redact = []string{"body"}

	details := hubOne("pull-request-details", "who merged each pull request", requests.Entity, "pulls/pulls#get-a-pull-request",
		belowRepo+"/pulls/{number}", pulls)
	details.Identity, details.Redact = "number", []string{"body"}
	reviews := hubList("reviews", "reviews of each pull request: who, when, of which commit", requests.Entity, "pulls/reviews#list-reviews-for-a-pull-request",
		belowRepo+"/pulls/{number}/reviews", pulls)
	reviews.Redact = []string{"body"}
	written := hubList("pull-request-commits", "commits of each pull request", requests.Entity, "pulls/pulls#list-commits-on-a-pull-request",
		belowRepo+"/pulls/{number}/commits", pulls)
	written.Identity, written.Cap = "sha", 250 // documented: at most 250 are listed
	commits := hubList("commits", "commits of the default branch in the period", repository, "commits/commits#list-commits", inRepo+"/commits", permission("Contents"))
	commits.Query, commits.Identity = "sha={default_branch}&since={from}&until={to}&per_page=100", "sha"
	commits.Window = &collect.Window{Field: "commit.committer.date", Back: changeTime, Overlap: time.Hour}
	commits.Answers = []collect.Answer{{Status: http.StatusConflict, Code: "Git Repository is empty.", Means: collect.MeansNone}}
	for _, a := range []*collect.Ask{&details, &reviews, &written} {
		a.Where = func(s *collect.Subject) bool { return s.Item.Get("merged_at").Kind() != jsontape.Null } // who does not say is asked
	}
	return []collect.Ask{requests, details, reviews, written, commits}
}

// githubRunAsks read what was run and deployed, and who approved it.
func githubRunAsks() []collect.Ask {
	actions, deployments := permission("Actions"), permission("Deployments")
	// A search lists at most 1,000 runs: a week at a time, and the total that is
	// stated shows what is missing.
	runs := hubList("runs", "workflow runs created in the period", repository, "actions/workflow-runs#list-workflow-runs-for-a-repository",
		inRepo+"/actions/runs", actions)
	runs.List, runs.Query, runs.Cap = "workflow_runs", "created={from}..{to}&per_page=100", 1000
	runs.Window = &collect.Window{Field: "created_at", Keeps: 90 * 24 * time.Hour, Overlap: time.Hour, Span: 7 * 24 * time.Hour}
	approvals := hubList("run-approvals", "who approved deployments of each run", runs.Entity, "actions/workflow-runs#get-the-review-history-for-a-workflow-run",
		belowRepo+"/actions/runs/{id}/approvals", actions)
	approvals.Paging, approvals.Query, approvals.PageSize, approvals.Identity, approvals.Redact = collect.PageOne, "", 0, position, []string{"comment"}
	made := hubList("deployments", "deployments: commit, environment, who caused them", repository, "deployments/deployments#list-deployments",
		inRepo+"/deployments", deployments)
	made.Window, made.Redact = &collect.Window{Field: "created_at", Back: changeTime, Overlap: time.Hour}, []string{"payload", "payload.*"}
	statuses := hubList("deployment-statuses", "how each deployment went", made.Entity, "deployments/statuses#list-deployment-statuses",
		belowRepo+"/deployments/{id}/statuses", deployments)
	return []collect.Ask{runs, approvals, made, statuses}
}
