// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

func adoChangeRoutes() []route {
	return []route{
		{"devops", "git/pullrequests", true, (*adoCall).pullRequests},
		{"devops", "git/repositories/*/pushes", true, (*adoCall).pushes},
		{"devops", "git/repositories/*/pullrequests/*/threads", true, (*adoCall).threads},
		{"devops", "git/repositories/*/pullrequests/*/commits", true, (*adoCall).commits},
		{"devops", "git/repositories/*/pullrequests/*/workitems", true, (*adoCall).workItems},
		{"devops", "policy/evaluations", true, (*adoCall).evaluations},
	}
}

func (c *adoCall) pullRequests() {
	q := c.project.requests
	status := first(parameter(c.r, "searchCriteria.status"), "active")
	closed := strings.EqualFold(parameter(c.r, "searchCriteria.queryTimeRangeType"), "closed")
	q = slices.DeleteFunc(slices.Clone(q), func(x adoRequest) bool {
		return x.repo.Hidden || status != "all" && status != x.status || closed && x.merged.IsZero()
	})
	q = within(q, func(x adoRequest) time.Time {
		if closed {
			return x.merged
		}
		return x.created
	}, parameter(c.r, "searchCriteria.minTime"), parameter(c.r, "searchCriteria.maxTime"))
	slices.SortStableFunc(q, func(a, b adoRequest) int { return b.n - a.n }) // the newest first
	out := make([]any, len(q))
	for i := range q {
		out[i] = c.pullRequest(&q[i])
	}
	c.skip(out)
}

func (c *adoCall) pullRequest(q *adoRequest) obj {
	reviewers := []any{}
	for _, v := range q.reviews {
		r := c.s.who(v.who)
		r["vote"], r["isRequired"], r["hasDeclined"], r["isFlagged"] = votes[v.vote], false, false, false
		reviewers = append(reviewers, r)
	}
	out := obj{
		"pullRequestId": q.n, "codeReviewId": q.n, "status": q.status, "title": q.title, "isDraft": false, "mergeStatus": "succeeded",
		"createdBy": c.s.who(q.author), "creationDate": stamp(q.created), "sourceRefName": "refs/heads/change-" + strconv.Itoa(q.n), "targetRefName": "refs/heads/" + q.target,
		"repository": obj{"id": q.repo.id, "name": q.repo.Name, "project": obj{"id": c.project.id, "name": c.project.Name}},
		"reviewers":  reviewers, "lastMergeSourceCommit": obj{"commitId": q.head}, "lastMergeCommit": obj{"commitId": q.merge}, "supportsIterations": true,
	}
	if q.status == "completed" {
		out["closedBy"], out["closedDate"] = c.s.who(q.by), stamp(q.merged)
		options := obj{"mergeStrategy": "squash", "bypassPolicy": q.bypass != "", "deleteSourceBranch": true}
		if q.bypass != "" {
			options["bypassReason"] = q.bypass
		}
		out["completionOptions"] = options
	}
	return out
}

// votes are the numbers of reviews.
var votes = map[string]int{"approved": 10, "approvedWithSuggestions": 5, "waiting": -5, "rejected": -10}

func (c *adoCall) pushes() {
	var repo *adoRepo
	for _, r := range c.project.repos {
		if (r.id == c.args[0] || strings.EqualFold(r.Name, c.args[0])) && !r.Hidden {
			repo = r
		}
	}
	if repo == nil {
		c.missing("GitRepositoryNotFoundException", "TF401019: The Git repository with name or identifier "+c.args[0]+" does not exist or you do not have permissions for the operation you are attempting.")
		return
	}
	done := slices.DeleteFunc(slices.Clone(repo.changes), func(x change) bool { return x.status != "completed" })
	shown := within(done, func(x change) time.Time { return x.merged }, parameter(c.r, "searchCriteria.fromDate"), parameter(c.r, "searchCriteria.toDate"))
	slices.Reverse(shown)
	out := make([]any, len(shown))
	for i, x := range shown {
		out[i] = obj{
			"pushId": x.n, "date": stamp(x.merged), "pushedBy": c.s.who(x.by), "repository": obj{"id": repo.id},
			"refUpdates": []any{obj{"name": "refs/heads/" + x.target, "oldObjectId": c.s.before(done, x), "newObjectId": x.merge, "repositoryId": repo.id}},
		}
	}
	c.skip(out)
}

// before is the commit at which a branch was before a change was merged.
func (s *Sim) before(done []change, x change) string {
	last := change{}
	for _, o := range done {
		if o.target == x.target && o.merge != x.merge && o.merged.Before(x.merged) && !o.merged.Before(last.merged) {
			last = o
		}
	}
	return first(last.merge, s.sha(x.merge, "before"))
}

// threads has a thread of the system for each vote, and a person's comment.
func (c *adoCall) threads() {
	q := c.requestOf(c.args[0], c.args[1])
	if q == nil {
		return
	}
	var out []any
	for i, v := range q.reviews {
		out = append(out, obj{
			"id": i + 1, "publishedDate": stamp(v.at), "lastUpdatedDate": stamp(v.at), "isDeleted": false, "status": nil,
			"properties": obj{"CodeReviewThreadType": obj{"$type": "System.String", "$value": "VoteUpdate"}, "CodeReviewVoteResult": obj{"$type": "System.String", "$value": strconv.Itoa(votes[v.vote])}},
			"identities": obj{"1": c.s.who(v.who)},
			"comments":   []any{obj{"id": 1, "author": c.s.who(v.who), "commentType": "system", "content": fmt.Sprintf("%s voted %d", v.who, votes[v.vote]), "publishedDate": stamp(v.at)}},
		})
	}
	c.page(append(out, obj{
		"id": len(out) + 1, "publishedDate": stamp(q.created), "lastUpdatedDate": stamp(q.merged), "isDeleted": false, "status": "fixed", "properties": nil, "identities": nil,
		"comments": []any{obj{"id": 1, "author": c.s.who(q.author), "commentType": "text", "content": "the password is s1mulated-Pa55word", "publishedDate": stamp(q.created)}},
	}))
}

func (c *adoCall) commits() {
	if q := c.requestOf(c.args[0], c.args[1]); q != nil {
		by := obj{"name": q.author, "email": c.s.address(q.author), "date": stamp(q.created)}
		c.list([]any{
			obj{"commitId": q.head, "author": by, "committer": by, "comment": q.title},
			obj{"commitId": c.s.sha(q.head, "first"), "author": by, "committer": by, "comment": "start"},
		}, "$top")
	}
}

func (c *adoCall) workItems() {
	if q := c.requestOf(c.args[0], c.args[1]); q != nil {
		out := []any{}
		if q.repo.Protection.WorkItems {
			id := strconv.Itoa(5000 + q.n)
			out = append(out, obj{"id": id, "url": "https://dev.azure.com/" + c.org.Name + "/_apis/wit/workItems/" + id})
		}
		c.page(out)
	}
}

// evaluations says how each policy judged a pull request.
func (c *adoCall) evaluations() {
	var id int
	artifact := parameter(c.r, "artifactId")
	if _, err := fmt.Sscanf(artifact, "vstfs:///CodeReview/CodeReviewId/"+c.project.id+"/%d", &id); err != nil {
		c.s.fail(c.w, c.r, http.StatusBadRequest, "InvalidArtifactIdException", "The artifact id is not valid: "+artifact)
		return
	}
	var out []any
	for i := range c.project.requests {
		q := &c.project.requests[i]
		if q.n != id || q.repo.Hidden {
			continue
		}
		approvals := 0
		for _, v := range q.reviews {
			if votes[v.vote] >= 5 && v.who != q.author {
				approvals++
			}
		}
		for _, p := range c.s.policiesOf(q.repo, 0) {
			status := "approved"
			kind, _ := p["type"].(obj)
			if kind["id"] == policyReviewers && approvals < q.repo.Protection.Reviewers {
				status = "rejected"
			}
			out = append(out, obj{"evaluationId": c.s.guid("evaluation", artifact, fmt.Sprint(p["id"])), "artifactId": artifact, "status": status, "configuration": p, "completedDate": stamp(q.merged)})
		}
	}
	c.skip(out)
}

func adoPipelineRoutes() []route {
	return []route{
		{"devops", "build/definitions", true, (*adoCall).definitions},
		{"devops", "build/builds", true, (*adoCall).builds},
		{"devops", "build/builds/*/timeline", true, (*adoCall).timeline},
		{"devops", "pipelines/environments", true, (*adoCall).environmentList},
		{"devops", "pipelines/environments/*/environmentdeploymentrecords", true, (*adoCall).deployments},
		{"devops", "pipelines/approvals/*", true, (*adoCall).approval},
		{"devopsRelease", "release/definitions", true, func(c *adoCall) { c.list(nil, "$top") }},
		{"devopsRelease", "release/releases", true, func(c *adoCall) { c.list(nil, "$top") }},
		{"devopsRelease", "release/deployments", true, func(c *adoCall) { c.list(nil, "$top") }},
	}
}

func (c *adoCall) definitions() {
	var out []any
	for i := range c.project.Pipelines {
		p := &c.project.Pipelines[i]
		out = append(out, obj{
			"id": i + 1, "name": p.Name, "path": "\\", "type": "build", "queueStatus": "enabled", "revision": 3, "project": obj{"id": c.project.id, "name": c.project.Name},
			"repository": obj{"name": p.Repository, "type": "TfsGit", "id": c.s.guid("repository", c.project.id, p.Repository)}, "process": obj{"yamlFilename": "azure-pipelines.yml", "type": 2},
			"variables":             obj{"BuildKey": obj{"value": "s1mulated-Pa55word", "allowOverride": true}},
			"jobAuthorizationScope": "project", "authoredBy": c.s.who(c.s.voters(nil)[0]), "createdDate": stamp(c.s.epoch.AddDate(-1, 0, 0)),
		})
	}
	c.list(out, "$top")
}

// builds are listed by when they finished.
func (c *adoCall) builds() {
	done := within(c.project.runs, run.finished, parameter(c.r, "minTime"), parameter(c.r, "maxTime"))
	slices.SortStableFunc(done, func(a, b run) int { return a.finished().Compare(b.finished()) })
	out := make([]any, len(done))
	for i, r := range done {
		out[i] = c.build(r)
	}
	c.list(out, "$top")
}

func (r run) finished() time.Time { return r.at.Add(40 * time.Minute) }

func (c *adoCall) build(r run) obj {
	result, pipeline := "succeeded", 0
	if r.failed {
		result = "failed"
	}
	for i := range c.project.Pipelines {
		if &c.project.Pipelines[i] == r.pipeline {
			pipeline = i + 1
		}
	}
	return obj{
		"id": r.n, "buildNumber": r.at.Format("20060102") + "." + strconv.Itoa(r.n), "status": "completed", "result": result, "reason": "individualCI",
		"queueTime": stamp(r.at), "startTime": stamp(r.at.Add(time.Minute)), "finishTime": stamp(r.finished()), "sourceBranch": "refs/heads/" + first(r.of.target, "main"), "sourceVersion": r.of.merge,
		"definition": obj{"id": pipeline, "name": r.pipeline.Name}, "project": obj{"id": c.project.id, "name": c.project.Name},
		"repository":  obj{"id": c.s.guid("repository", c.project.id, r.pipeline.Repository), "type": "TfsGit"},
		"requestedBy": c.s.who(first(r.of.by, "Azure DevOps")), "requestedFor": c.s.who(first(r.of.by, "Azure DevOps")),
	}
}

// timeline has a stage, and for a deployment the checkpoint before it with its
// approval, whose id is that of the record.
func (c *adoCall) timeline() {
	for _, r := range c.project.runs {
		if strconv.Itoa(r.n) != c.args[0] {
			continue
		}
		stage, checkpoint := c.s.guid("stage", c.project.id, c.args[0]), c.s.guid("checkpoint", c.project.id, c.args[0])
		record := func(id, parent, kind, name string) obj {
			o := obj{"id": id, "parentId": nil, "type": kind, "name": name, "state": "completed", "result": "succeeded", "startTime": stamp(r.at), "finishTime": stamp(r.finished())}
			if parent != "" {
				o["parentId"] = parent
			}
			return o
		}
		records := []any{record(stage, "", "Stage", "Deploy")}
		for _, e := range c.project.environments {
			if id, a := c.s.approval(c.project, e, r); a != nil && e.Name == r.environment && !r.failed {
				records = append(records, record(checkpoint, stage, "Checkpoint", "Checkpoint"), record(id, checkpoint, "Checkpoint.Approval", "Checkpoint.Approval"))
			}
		}
		c.one(obj{"id": c.s.guid("timeline", c.project.id, c.args[0]), "changeId": 12, "lastChangedOn": stamp(r.finished()), "records": records})
		return
	}
	c.missing("BuildNotFoundException", fmt.Sprintf("The requested build %s could not be found.", c.args[0]))
}

func (c *adoCall) environmentList() {
	var out []any
	for _, e := range c.project.environments {
		if !e.Hidden {
			out = append(out, obj{
				"id": e.id, "name": e.Name, "description": "", "createdBy": c.s.who(c.s.voters(nil)[0]), "createdOn": stamp(c.s.epoch.AddDate(-1, 0, 0)), "project": obj{"id": c.project.id},
			})
		}
	}
	c.list(out, "$top")
}

func (c *adoCall) deployments() {
	e := c.environment(c.args[0])
	if e == nil {
		c.missing("EnvironmentNotFoundException", "Environment with ID "+c.args[0]+" does not exist or has been deleted, or you do not have permission to it.")
		return
	}
	out := make([]any, len(e.deployments))
	for i := range e.deployments {
		r := e.deployments[len(e.deployments)-1-i] // the newest first
		out[i] = obj{
			"id": e.id*100000 + r.n, "environmentId": e.id, "planType": "Build", "planId": c.s.guid("plan", c.project.id, strconv.Itoa(r.n)), "stageName": "Deploy", "jobName": "Deploy",
			"owner": obj{"id": r.n, "name": r.at.Format("20060102") + "." + strconv.Itoa(r.n)}, "definition": obj{"id": 1, "name": r.pipeline.Name}, "result": "succeeded",
			"queueTime": stamp(r.at), "startTime": stamp(r.at.Add(25 * time.Minute)), "finishTime": stamp(r.at.Add(35 * time.Minute)), "requestedIdentity": c.s.who(first(r.of.by, "Azure DevOps")),
		}
	}
	c.list(out, "top")
}

func (c *adoCall) approval() {
	if a, ok := c.project.approvals[c.args[0]]; ok {
		c.one(a)
		return
	}
	c.missing("ApprovalNotFoundException", "Approval with ID "+c.args[0]+" does not exist.")
}
