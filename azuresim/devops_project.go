// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// adoProject is a project with all that was made up of it.
type adoProject struct {
	*Project
	id           string
	repos        []*adoRepo
	requests     []adoRequest
	policies     []obj
	runs         []run
	environments []*adoEnvironment
	approvals    map[string]obj
}

type adoRepo struct {
	*Repository
	id      string
	changes []change
}

// adoRequest is a pull request with its repository.
type adoRequest struct {
	change
	repo *adoRepo
}

type adoEnvironment struct {
	*Environment
	id          int
	deployments []run
}

// The types of policies have the same ids everywhere.
const (
	policyReviewers = "fa4e907d-c16b-4a4c-9dfa-4906e5d171dd"
	policyBuild     = "0609b952-1397-4640-95ec-e00a01b2c241"
	policyWorkItems = "40e92b44-2fe1-4dd6-b3d8-74a9c21d0c6e"
	policyComments  = "c6a1889d-b943-4856-b76f-9e46bb6b0df2"
)

func (s *Sim) newADO(o *DevOpsOrganisation) *ado {
	a := &ado{DevOpsOrganisation: o, id: s.guid("devops", o.Name)}
	number := 0 // pull requests are counted over the organisation
	for i := range o.Projects {
		p := &adoProject{Project: &o.Projects[i], id: s.guid("project", o.Name, o.Projects[i].Name), approvals: map[string]obj{}}
		a.projects = append(a.projects, p)
		for k := range p.Repositories {
			r := &adoRepo{Repository: &p.Repositories[k], id: s.guid("repository", p.id, p.Repositories[k].Name)}
			r.changes = s.changes(r.Repository, p.id)
			for n := range r.changes {
				number++
				r.changes[n].n = number
				p.requests = append(p.requests, adoRequest{r.changes[n], r})
			}
			p.repos = append(p.repos, r)
			p.policies = append(p.policies, s.policiesOf(r, len(p.policies))...)
		}
		for k := range p.Environments {
			p.environments = append(p.environments, &adoEnvironment{Environment: &p.Environments[k], id: k + 1})
		}
		s.runPipelines(p)
	}
	return a
}

// runPipelines makes the runs, what they deployed and who approved that.
func (s *Sim) runPipelines(p *adoProject) {
	for k := range p.Pipelines {
		pl := &p.Pipelines[k]
		var of []change
		for _, r := range p.repos {
			if r.Name == pl.Repository || pl.Repository == "" {
				of = r.changes
			}
		}
		for _, r := range s.runs(pl, of, 1000*(k+1)) {
			p.runs = append(p.runs, r)
			for _, e := range p.environments {
				if e.Name == r.environment && !r.failed {
					e.deployments = append(e.deployments, r)
					if id, a := s.approval(p, e, r); a != nil {
						p.approvals[id] = a
					}
				}
			}
		}
	}
}

// approval is what an environment with approvers asked for before a run went on;
// nil where it asks for nobody.
func (s *Sim) approval(p *adoProject, e *adoEnvironment, r run) (string, obj) {
	if len(e.Approvers) == 0 || r.unapproved {
		return "", nil
	}
	id := s.guid("approval", p.id, e.Name, strconv.Itoa(r.n))
	who := other(e.Approvers, r.of.author, r.n)
	if e.SelfApproval && r.n%5 == 0 {
		who = r.of.author
	}
	at := r.at.Add(20 * time.Minute)
	return id, obj{
		"id": id, "status": "approved", "createdOn": stamp(r.at), "lastModifiedOn": stamp(at), "executionOrder": "anyOrder", "minRequiredApprovers": max(e.MinApprovers, 1),
		"instructions": "", "blockedApprovers": []any{},
		"steps": []any{obj{
			"assignedApprover": s.who(who), "actualApprover": s.who(who), "status": "approved", "comment": "looks good", "order": 1,
			"initiatedOn": stamp(r.at), "lastModifiedOn": stamp(at), "lastModifiedBy": s.who(who),
		}},
	}
}

func (a *ado) find(nameOrID string) *adoProject {
	for _, p := range a.projects {
		if strings.EqualFold(p.Name, nameOrID) || strings.EqualFold(p.id, nameOrID) {
			return p
		}
	}
	return nil
}

// hiddenBelow reports whether some of a list is not shown to the identity.
func (p *adoProject) hiddenBelow(list string) bool {
	switch list {
	case "git/repositories":
		for _, r := range p.repos {
			if r.Hidden {
				return true
			}
		}
	case "pipelines/environments":
		for _, e := range p.environments {
			if e.Hidden {
				return true
			}
		}
	case "serviceendpoint/endpoints":
		for i := range p.ServiceConnections {
			if p.ServiceConnections[i].Hidden {
				return true
			}
		}
	}
	return false
}

// policiesOf are the branch policies that a repository's protection stands for.
func (s *Sim) policiesOf(r *adoRepo, before int) []obj {
	var out []obj
	branch := "refs/heads/" + first(r.DefaultBranch, "main")
	add := func(typ, name string, settings obj) {
		settings["scope"] = []any{obj{"repositoryId": r.id, "refName": branch, "matchKind": "exact"}}
		out = append(out, obj{
			"id": before + len(out) + 1, "revision": 1, "isEnabled": true, "isBlocking": true, "isDeleted": false, "isEnterpriseManaged": false,
			"type": obj{"id": typ, "displayName": name}, "settings": settings, "createdDate": stamp(s.epoch.AddDate(-1, 0, 0)),
		})
	}
	p := &r.Protection
	if p.Reviewers > 0 {
		add(policyReviewers, "Minimum number of reviewers", obj{
			"minimumApproverCount": p.Reviewers, "creatorVoteCounts": p.SelfApproval, "allowDownvotes": false, "resetOnSourcePush": p.DismissOnPush, "blockLastPusherVote": !p.SelfApproval,
		})
	}
	for i := range p.Checks {
		add(policyBuild, "Build", obj{"buildDefinitionId": i + 1, "displayName": p.Checks[i], "queueOnSourceUpdateOnly": true, "validDuration": 720.0})
	}
	if p.WorkItems {
		add(policyWorkItems, "Work item linking", obj{})
	}
	if p.CommentsResolve {
		add(policyComments, "Comment requirements", obj{})
	}
	return out
}

func adoProjectRoutes() []route {
	return []route{
		{"devops", "build/generalsettings", true, func(c *adoCall) {
			c.single(obj{
				"enforceReferencedRepoScopedToken": true, "enforceJobAuthScope": true, "enforceJobAuthScopeForReleases": true, "enforceSettableVar": true,
				"publishPipelineMetadata": false, "statusBadgesArePrivate": true,
			})
		}},
		{"devops", "build/retention", true, func(c *adoCall) {
			c.single(obj{"purgeArtifacts": obj{"min": 1, "max": 60, "value": 30}, "purgeRuns": obj{"min": 30, "max": 731, "value": 30}, "purgePullRequestRuns": obj{"min": 1, "max": 30, "value": 10}})
		}},
		{"devops", "git/repositories", true, (*adoCall).repositories},
		{"devops", "policy/configurations", true, func(c *adoCall) { c.list(rows(c.project.policies), "$top") }},
		{"devops", "distributedtask/variablegroups", true, (*adoCall).variableGroups},
		{"devops", "serviceendpoint/endpoints", true, (*adoCall).serviceConnections},
		{"devops", "pipelines/pipelinepermissions/*/*", true, (*adoCall).pipelinePermissions},
		{"devops", "pipelines/checks/configurations", true, (*adoCall).checks},
	}
}

// single answers with one object: that of the file, if it has one.
func (c *adoCall) single(o obj) {
	if given := c.also(); len(given) > 0 {
		c.one(given[0])
		return
	}
	c.one(o)
}

func (c *adoCall) repositories() {
	var out []any
	for _, r := range c.project.repos {
		if !r.Hidden {
			out = append(out, c.repository(r))
		}
	}
	c.list(out, "")
}

func (c *adoCall) repository(r *adoRepo) obj {
	return obj{
		"id": r.id, "name": r.Name, "defaultBranch": "refs/heads/" + first(r.DefaultBranch, "main"), "isDisabled": r.Archived, "isInMaintenance": false, "size": 104857,
		"remoteUrl": "https://dev.azure.com/" + c.org.Name + "/" + c.project.id + "/_git/" + r.Name,
		"project":   obj{"id": c.project.id, "name": c.project.Name, "state": "wellFormed", "visibility": first(c.project.Visibility, "private")},
	}
}

// variableGroups have values in the clear for what nobody marked as secret.
func (c *adoCall) variableGroups() {
	c.list([]any{obj{
		"id": 1, "name": "settings", "type": "Vsts", "isShared": false, "createdBy": c.s.who(c.s.voters(nil)[0]), "createdOn": stamp(c.s.epoch.AddDate(-1, 0, 0)),
		"variables": obj{"Region": obj{"value": "westeurope"}, "ApiKey": obj{"value": nil, "isSecret": true}, "Forgotten": obj{"value": "s1mulated-Pa55word"}},
	}}, "")
}

func (c *adoCall) serviceConnections() {
	var out []any
	for i := range c.project.ServiceConnections {
		e := &c.project.ServiceConnections[i]
		if e.Hidden {
			continue
		}
		scheme := first(e.Scheme, "WorkloadIdentityFederation")
		parameters := obj{"tenantid": c.s.org.Tenant.ID, "serviceprincipalid": c.s.guid("connection client", e.Name)}
		if scheme == "ServicePrincipal" {
			parameters["authenticationType"], parameters["serviceprincipalkey"] = "spnKey", nil
		}
		out = append(out, obj{
			"id": c.connectionID(e), "name": e.Name, "type": first(e.Type, "azurerm"), "url": "https://management.azure.com/", "owner": "library", "isReady": true, "isShared": e.Shared,
			"authorization": obj{"scheme": scheme, "parameters": parameters}, "data": obj{"subscriptionName": e.Subscription, "environment": "AzureCloud"},
			"createdBy": c.s.who(c.s.voters(nil)[0]),
		})
	}
	c.list(out, "")
}

func (c *adoCall) connectionID(e *ServiceConnection) string {
	return c.s.guid("connection", c.project.id, e.Name)
}

func (c *adoCall) pipelinePermissions() {
	kind, id := c.args[0], c.args[1]
	out := obj{"resource": obj{"type": kind, "id": id}, "pipelines": []any{}}
	known := false
	for i := range c.project.ServiceConnections {
		if e := &c.project.ServiceConnections[i]; kind == "endpoint" && c.connectionID(e) == id && !e.Hidden {
			known = true
			if e.AllPipelines {
				out["allPipelines"] = obj{"authorized": true, "authorizedBy": c.s.who(c.s.voters(nil)[0]), "authorizedOn": stamp(c.s.epoch.AddDate(-1, 0, 0))}
			}
		}
	}
	if kind == "environment" && c.environment(id) != nil {
		known = true
		out["pipelines"] = []any{obj{"id": 1, "authorized": true, "authorizedBy": c.s.who(c.s.voters(nil)[0]), "authorizedOn": stamp(c.s.epoch.AddDate(-1, 0, 0))}}
	}
	if !known {
		c.missing("ResourceNotFoundException", "The resource does not exist or you do not have permission to it.")
		return
	}
	c.one(out)
}

func (c *adoCall) environment(id string) *adoEnvironment {
	for _, e := range c.project.environments {
		if strconv.Itoa(e.id) == id && !e.Hidden {
			return e
		}
	}
	return nil
}

// checks lists what a resource asks for; of one that is not shown, nothing.
func (c *adoCall) checks() {
	id := parameter(c.r, "resourceId")
	out := []any{}
	if e := c.environment(id); e != nil && parameter(c.r, "resourceType") == "environment" {
		resource := obj{"type": "environment", "id": id, "name": e.Name}
		if len(e.Approvers) > 0 {
			approvers := []any{}
			for _, a := range e.Approvers {
				approvers = append(approvers, c.s.who(a))
			}
			out = append(out, obj{
				"id": e.id * 10, "type": obj{"id": "8c6f20a7-a545-4486-9777-f762fafe0d4d", "name": "Approval"}, "resource": resource, "timeout": 43200,
				"settings": obj{"approvers": approvers, "executionOrder": "anyOrder", "minRequiredApprovers": max(e.MinApprovers, 1), "requesterCannotBeApprover": !e.SelfApproval, "blockedApprovers": []any{}},
			})
		}
		for _, b := range c.s.rendered(e.Checks) {
			out = append(out, values([][]byte{b})...)
		}
	}
	c.page(out)
}

// requestOf finds the pull request of an address, in its repository.
func (c *adoCall) requestOf(repo, n string) *adoRequest {
	for i := range c.project.requests {
		q := &c.project.requests[i]
		if (q.repo.id == repo || strings.EqualFold(q.repo.Name, repo)) && strconv.Itoa(q.n) == n && !q.repo.Hidden {
			return q
		}
	}
	c.missing("GitPullRequestNotFoundException", fmt.Sprintf("TF401180: The requested pull request was not found: %s.", n))
	return nil
}
