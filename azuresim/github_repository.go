// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

func unescaped(seg string) string {
	if s, err := url.PathUnescape(seg); err == nil {
		return s
	}
	return seg
}

func githubRepositoryRoutes() []hubRoute {
	none := func(c *hubCall) { c.rows(nil) }
	return []hubRoute{
		{"", true, func(c *hubCall) { c.one(c.repository(c.repo)) }},
		{"branches/*/protection", true, (*hubCall).protection},
		{"rules/branches/*", true, (*hubCall).rules},
		{"rulesets", true, func(c *hubCall) {
			if c.repo.Protection.Ruleset {
				c.rows([]any{c.ruleset(false)})
				return
			}
			c.rows(nil)
		}},
		{"rulesets/*", true, func(c *hubCall) {
			if o := c.ruleset(true); c.repo.Protection.Ruleset && strconv.Itoa(c.rulesetID()) == c.args[0] {
				c.one(o)
				return
			}
			c.missing("Not Found")
		}},
		{"environments", true, (*hubCall).environments},
		{"environments/*/deployment-branch-policies", true, func(c *hubCall) {
			c.page([]any{obj{"id": 1, "name": first(c.repo.DefaultBranch, "main"), "type": "branch"}}, "branch_policies")
		}},
		{"collaborators", true, func(c *hubCall) {
			u := c.user(c.everyone()[0])
			u["permissions"], u["role_name"] = obj{"admin": true, "push": true, "pull": true}, "admin"
			c.rows([]any{u})
		}},
		{"actions/workflows", true, func(c *hubCall) {
			out := []any{}
			for i := range c.repo.Pipelines {
				p := &c.repo.Pipelines[i]
				out = append(out, obj{"id": c.s.serialOf("workflow", p.Name), "name": p.Name, "path": ".github/workflows/" + loginOf(p.Name) + ".yml", "state": "active"})
			}
			c.page(out, "workflows")
		}},
		{"keys", true, none},
		{"actions/permissions", true, func(c *hubCall) {
			c.one(obj{"enabled": true, "allowed_actions": "selected", "sha_pinning_required": false})
		}},
		{"actions/permissions/workflow", true, func(c *hubCall) {
			c.one(obj{"default_workflow_permissions": "read", "can_approve_pull_request_reviews": false})
		}},
		{"actions/oidc/customization/sub", true, func(c *hubCall) { c.one(obj{"use_default": true}) }},
		{"dependabot/alerts", true, func(c *hubCall) {
			c.rows([]any{obj{
				"number": 1, "state": "fixed", "created_at": iso(c.s.epoch.AddDate(0, -2, 0)), "fixed_at": iso(c.s.epoch.AddDate(0, -2, 5)),
				"dismissed_at": nil, "auto_dismissed_at": nil, "security_advisory": obj{"severity": "high"},
			}})
		}},
		{"secret-scanning/alerts", true, func(c *hubCall) {
			alert := obj{"number": 1, "state": "resolved", "secret_type": "azure_storage_account_key", "created_at": iso(c.s.epoch.AddDate(0, -1, 0)), "resolution": "revoked"}
			if parameter(c.r, "hide_secret") != "true" {
				alert["secret"] = "s1mulated-Pa55word"
			}
			c.rows([]any{alert})
		}},
		{"code-scanning/alerts", true, none},
	}
}

// githubChangeRoutes lead to what changed, and what ran.
func githubChangeRoutes() []hubRoute {
	return []hubRoute{
		{"pulls", true, (*hubCall).pulls},
		{"pulls/*", true, func(c *hubCall) {
			if x := c.changeOf(c.args[0]); x != nil {
				o := c.pull(*x)
				o["merged"], o["commits"], o["changed_files"] = x.status == "completed", 2, 3
				if x.status == "completed" {
					o["merged_by"] = c.user(x.by)
				}
				c.one(o)
			}
		}},
		{"pulls/*/reviews", true, (*hubCall).reviews},
		{"pulls/*/commits", true, func(c *hubCall) {
			if x := c.changeOf(c.args[0]); x != nil {
				c.rows([]any{c.commit(c.s.sha(x.head, "first"), x.author, x.created), c.commit(x.head, x.author, x.created)})
			}
		}},
		{"commits", true, func(c *hubCall) {
			done := within(c.merged(), func(x change) time.Time { return x.merged }, parameter(c.r, "since"), parameter(c.r, "until"))
			slices.Reverse(done)
			out := []any{}
			for _, x := range done {
				o := c.commit(x.merge, x.author, x.merged)
				o["parents"] = []any{obj{"sha": c.s.before(c.merged(), x)}}
				out = append(out, o)
			}
			c.rows(out)
		}},
		{"actions/runs", true, (*hubCall).workflowRuns},
		{"actions/runs/*/approvals", true, (*hubCall).approvals},
		{"deployments", true, (*hubCall).deployments},
		{"deployments/*/statuses", true, func(c *hubCall) {
			status := obj{"id": c.s.serialOf("status", c.args[0]), "state": "success", "environment": "production", "created_at": iso(c.s.epoch)}
			for _, r := range c.repo.runs {
				if strconv.Itoa(c.s.serialOf("deployment", c.repo.Name, strconv.Itoa(r.n))) == c.args[0] {
					status["environment"], status["created_at"] = r.environment, iso(r.finished())
					status["log_url"] = "https://github.com/" + c.org.Name + "/" + c.repo.Name + "/actions/runs/" + strconv.Itoa(r.n) + "/job/" + strconv.Itoa(r.n*10)
				}
			}
			c.rows([]any{status})
		}},
	}
}

func (c *hubCall) repository(r *hubRepo) obj {
	status := func(on bool) obj {
		if on {
			return obj{"status": "enabled"}
		}
		return obj{"status": "disabled"}
	}
	return obj{
		"id": r.id, "name": r.Name, "full_name": c.org.Name + "/" + r.Name, "owner": obj{"login": c.org.Name, "id": c.org.id, "type": "Organization"},
		"private": r.Visibility != "public", "visibility": first(r.Visibility, "private"), "archived": r.Archived, "disabled": false, "fork": false,
		"default_branch": first(r.DefaultBranch, "main"), "allow_auto_merge": false, "delete_branch_on_merge": true,
		"security_and_analysis": obj{"secret_scanning": status(true), "secret_scanning_push_protection": status(r.Protection.Reviewers > 0), "dependabot_security_updates": status(true)},
	}
}

// protection is that of the default branch, unless it is a ruleset.
func (c *hubCall) protection() {
	p := &c.repo.Protection
	switch {
	case unescaped(c.args[0]) != first(c.repo.DefaultBranch, "main"):
		c.missing("Branch not found")
		return
	case p.Reviewers == 0 && len(p.Checks) == 0 || p.Ruleset:
		c.missing("Branch not protected")
		return
	}
	on := func(b bool) obj { return obj{"enabled": b} }
	out := obj{
		"url":            c.s.Endpoint("github") + c.r.URL.EscapedPath(),
		"enforce_admins": on(!p.AdminsExempt), "allow_force_pushes": on(p.ForcePush), "allow_deletions": on(false), "required_signatures": on(p.SignedCommits),
		"required_conversation_resolution": on(p.CommentsResolve), "required_linear_history": on(true),
	}
	if p.Reviewers > 0 {
		out["required_pull_request_reviews"] = obj{
			"required_approving_review_count": p.Reviewers, "dismiss_stale_reviews": p.DismissOnPush, "require_code_owner_reviews": false, "require_last_push_approval": !p.SelfApproval,
		}
	}
	if len(p.Checks) > 0 {
		out["required_status_checks"] = obj{"strict": true, "contexts": p.Checks}
	}
	c.one(out)
}

func (c *hubCall) rulesetID() int { return c.s.serialOf("ruleset", c.org.Name, c.repo.Name) }

// ruleset shows no bypass actors: who may only read it is not shown them.
func (c *hubCall) ruleset(whole bool) obj {
	out := obj{"id": c.rulesetID(), "name": "default branch", "target": "branch", "source_type": "Repository", "source": c.org.Name + "/" + c.repo.Name, "enforcement": "active"}
	if whole {
		out["conditions"] = obj{"ref_name": obj{"include": []string{"~DEFAULT_BRANCH"}, "exclude": []string{}}}
		out["rules"] = c.ruleList()
	}
	return out
}

func (c *hubCall) ruleList() []any {
	p := &c.repo.Protection
	if !p.Ruleset {
		return []any{}
	}
	out := []any{obj{"type": "deletion"}, obj{"type": "non_fast_forward"}}
	if p.Reviewers > 0 {
		out = append(out, obj{"type": "pull_request", "parameters": obj{
			"required_approving_review_count": p.Reviewers, "dismiss_stale_reviews_on_push": p.DismissOnPush, "require_code_owner_review": false, "require_last_push_approval": !p.SelfApproval,
		}})
	}
	return out
}

func (c *hubCall) rules() {
	out := c.ruleList()
	for _, r := range out {
		if o, ok := r.(obj); ok {
			o["ruleset_source_type"], o["ruleset_source"], o["ruleset_id"] = "Repository", c.org.Name+"/"+c.repo.Name, c.rulesetID()
		}
	}
	c.rows(out)
}

func (c *hubCall) environments() {
	out := []any{}
	for i := range c.repo.Environments {
		e := &c.repo.Environments[i]
		rules := []any{}
		if len(e.Approvers) > 0 {
			reviewers := []any{}
			for _, a := range e.Approvers {
				reviewers = append(reviewers, obj{"type": "User", "reviewer": c.user(a)})
			}
			rules = append(rules, obj{"id": i*10 + 1, "type": "required_reviewers", "prevent_self_review": !e.SelfApproval, "reviewers": reviewers})
		}
		out = append(out, obj{
			"id": c.s.serialOf("environment", c.repo.Name, e.Name), "name": e.Name, "protection_rules": append(rules, obj{"id": i*10 + 2, "type": "branch_policy"}),
			"deployment_branch_policy": obj{"protected_branches": false, "custom_branch_policies": true}, "created_at": iso(c.s.epoch.AddDate(-1, 0, 0)),
		})
	}
	c.page(out, "environments")
}

func (c *hubCall) merged() []change {
	return slices.DeleteFunc(slices.Clone(c.repo.changes), func(x change) bool { return x.status != "completed" })
}

func (c *hubCall) pulls() {
	state := first(parameter(c.r, "state"), "open")
	out := []any{}
	for _, x := range c.repo.changes {
		if closed := x.status != "active"; state == "all" || closed == (state == "closed") {
			out = append(out, c.pull(x))
		}
	}
	if !strings.EqualFold(parameter(c.r, "direction"), "asc") {
		slices.Reverse(out)
	}
	c.rows(out)
}

func (c *hubCall) pull(x change) obj {
	out := obj{
		"number": x.n, "id": c.s.serialOf("pull", c.repo.Name, strconv.Itoa(x.n)), "state": "closed", "title": x.title, "body": "as agreed", "user": c.user(x.author), "draft": false,
		"created_at": iso(x.created), "updated_at": iso(x.merged), "closed_at": iso(x.merged), "merged_at": nil, "merge_commit_sha": x.merge,
		"head": obj{"ref": "change-" + strconv.Itoa(x.n), "sha": x.head}, "base": obj{"ref": x.target, "sha": c.s.before(c.merged(), x)},
	}
	switch x.status {
	case "completed":
		out["merged_at"] = iso(x.merged)
	case "active":
		out["state"], out["closed_at"], out["updated_at"] = "open", nil, iso(x.created)
	}
	return out
}

func (c *hubCall) changeOf(n string) *change {
	for i := range c.repo.changes {
		if strconv.Itoa(c.repo.changes[i].n) == n {
			return &c.repo.changes[i]
		}
	}
	c.missing("Not Found")
	return nil
}

func (c *hubCall) reviews() {
	x := c.changeOf(c.args[0])
	if x == nil {
		return
	}
	states := map[string]string{"approved": "APPROVED", "approvedWithSuggestions": "APPROVED", "waiting": "CHANGES_REQUESTED", "rejected": "CHANGES_REQUESTED", "none": "COMMENTED"}
	out := []any{}
	for i, v := range x.reviews {
		out = append(out, obj{
			"id": c.s.serialOf("review", c.repo.Name, c.args[0], strconv.Itoa(i)), "user": c.user(v.who), "state": states[v.vote], "submitted_at": iso(v.at), "commit_id": x.head,
			"body": "the password is s1mulated-Pa55word", "author_association": "MEMBER",
		})
	}
	c.rows(out)
}

func (c *hubCall) commit(sha, author string, at time.Time) obj {
	by := obj{"name": author, "email": c.s.address(author), "date": iso(at)}
	return obj{
		"sha": sha, "author": c.user(author), "committer": c.user(author), "parents": []any{obj{"sha": c.s.sha(sha, "parent")}},
		"commit": obj{"author": by, "committer": by, "message": "change", "verification": obj{"verified": true, "reason": "valid"}},
	}
}

// workflowRuns lists at most the first thousand of a search, and says how many
// there are.
func (c *hubCall) workflowRuns() {
	from, to, _ := strings.Cut(parameter(c.r, "created"), "..")
	found := within(c.repo.runs, func(r run) time.Time { return r.at }, from, to)
	slices.SortStableFunc(found, func(a, b run) int { return b.at.Compare(a.at) })
	out := []any{}
	for _, r := range found {
		conclusion := "success"
		if r.failed {
			conclusion = "failure"
		}
		out = append(out, obj{
			"id": r.n, "name": r.pipeline.Name, "run_number": r.n, "run_attempt": 1, "event": "push", "status": "completed", "conclusion": conclusion, "head_branch": first(r.of.target, "main"),
			"head_sha": r.of.merge, "actor": c.user(first(r.of.by, "actions")), "triggering_actor": c.user(first(r.of.by, "actions")), "created_at": iso(r.at), "updated_at": iso(r.finished()),
			"workflow_id": c.s.serialOf("workflow", r.pipeline.Name), "path": ".github/workflows/" + loginOf(r.pipeline.Name) + ".yml",
		})
	}
	c.page(out, "workflow_runs")
}

func (c *hubCall) runOf(n string) (run, *Environment) {
	for _, r := range c.repo.runs {
		if strconv.Itoa(r.n) == n {
			for i := range c.repo.Environments {
				if c.repo.Environments[i].Name == r.environment {
					return r, &c.repo.Environments[i]
				}
			}
			return r, nil
		}
	}
	return run{}, nil
}

func (c *hubCall) approvals() {
	r, e := c.runOf(c.args[0])
	if r.pipeline == nil {
		c.missing("Not Found")
		return
	}
	out := []any{}
	if e != nil && len(e.Approvers) > 0 && !r.unapproved && !r.failed {
		out = append(out, obj{
			"state": "approved", "comment": "go", "user": c.user(other(e.Approvers, r.of.author, r.n)),
			"environments": []any{obj{"id": c.s.serialOf("environment", c.repo.Name, e.Name), "name": e.Name}},
		})
	}
	c.rows(out)
}

func (c *hubCall) deployments() {
	out := []any{}
	for i := range c.repo.runs {
		r := c.repo.runs[len(c.repo.runs)-1-i]
		if r.environment == "" || r.failed {
			continue
		}
		out = append(out, obj{
			"id": c.s.serialOf("deployment", c.repo.Name, strconv.Itoa(r.n)), "sha": r.of.merge, "ref": first(r.of.target, "main"), "task": "deploy", "environment": r.environment,
			"payload": obj{}, "creator": c.user(first(r.of.by, "actions")), "created_at": iso(r.at), "updated_at": iso(r.finished()), "production_environment": strings.HasPrefix(r.environment, "prod"),
		})
	}
	c.rows(out)
}
