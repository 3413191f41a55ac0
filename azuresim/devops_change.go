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
	done = within(done, func(x change) time.Time { return x.merged }, parameter(c.r, "searchCriteria.fromDate"), parameter(c.r, "searchCriteria.toDate"))
	slices.Reverse(done)
	out := make([]any, len(done))
	for i, x := range done {
		out[i] = obj{
			"pushId": x.n, "date": stamp(x.merged), "pushedBy": c.s.who(x.by), "repository": obj{"id": repo.id},
			"refUpdates": []any{obj{"name": "refs/heads/" + x.target, "oldObjectId": c.s.sha(x.merge, "before"), "newObjectId": x.merge, "repositoryId": repo.id}},
		}
	}
	c.skip(out)
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
