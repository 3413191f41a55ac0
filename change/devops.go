// SPDX-License-Identifier: Apache-2.0

package change

import (
	"maps"
	"slices"
	"strings"

	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/jsontape"
)

// account is an identity of Azure DevOps. Its display name tells nobody apart.
func account(v jsontape.Value) Person {
	p := person("devops", text(v, "uniqueName"), text(v, "id"))
	if text(v, "uniqueName") == "" && p.Name != "" {
		p.Name = text(v, "displayName")
	}
	return p
}

// indexDevOps takes the updates of branches and the completed pull requests.
func (t *tracer) indexDevOps() {
	pushes := t.inv.OfType("devops/pushes")
	for i := range pushes {
		root := pushes[i].Root
		for u := range root.Get("refUpdates").Elems() {
			b := branch{"devops:" + strings.ToLower(text(root, "repository", "id")), text(u, "name")}
			t.know(account(root.Get("pushedBy")))
			t.stepTo(b, text(u, "newObjectId"), step{from: text(u, "oldObjectId"), at: instant(text(root, "date")), by: account(root.Get("pushedBy"))})
		}
	}
	users := t.inv.OfType("devops/users")
	for i := range users {
		t.know(person("devops", text(users[i].Root, "principalName"), text(users[i].Root, "mailAddress")))
	}
	requests := t.inv.OfType("devops/pullRequests")
	for i := range requests {
		r := &requests[i]
		t.know(account(r.Root.Get("createdBy")))
		if strings.EqualFold(text(r.Root, "status"), "completed") {
			t.pull(branch{"devops:" + strings.ToLower(text(r.Root, "repository", "id")), text(r.Root, "targetRefName")}, text(r.Root, "lastMergeCommit", "commitId"), r)
		}
	}
}

// pull records which pull request made a commit of a branch.
func (t *tracer) pull(b branch, commit string, r *inventory.Resource) {
	if t.pulls[b] == nil {
		t.pulls[b] = map[string]*inventory.Resource{}
	}
	t.pulls[b][commit] = r
}

// devops makes the deployments to environments of pipelines. Each job of a
// stage has a record of its own.
func (t *tracer) devops() []Deployment {
	all := t.inv.OfType("devops/deployments")
	out := make([]Deployment, 0, len(all))
	of := map[string]int{}
	for i := range all {
		r := &all[i]
		chain := strings.Split(strings.TrimPrefix(r.ID, r.Type+"/"), "/")
		if len(chain) < 4 {
			continue // a count, or an item that does not say where it belongs
		}
		organisation, project, env := chain[0], chain[1], chain[2]
		d := Deployment{
			ID: r.ID, Service: "devops", Environment: env, Pipeline: text(r.Root, "definition", "name"), Run: text(r.Root, "owner", "name"),
			At: instant(text(r.Root, "startTime")), Result: text(r.Root, "result"), Place: organisation + "/" + project,
		}
		if e := t.inv.Get("devops/environments/" + organisation + "/" + project + "/" + env); e != nil {
			d.Environment = text(e.Root, "name")
		}
		if p := t.inv.Get("devops/projects/" + project); p != nil {
			d.Place = organisation + "/" + text(p.Root, "name")
		}
		d.line = strings.Join([]string{r.Type, organisation, project, env, text(r.Root, "definition", "id")}, "\x00")
		d.Jobs = 1
		stage := strings.Join([]string{d.line, text(r.Root, "owner", "id"), text(r.Root, "stageName"), text(r.Root, "stageAttempt")}, "\x00")
		if at, ok := of[stage]; ok && text(r.Root, "owner", "id") != "" {
			out[at].join(&d)
			continue
		}
		of[stage] = len(out)
		t.runOf(&d, r, "devops/runs/"+organisation+"/"+project+"/"+text(r.Root, "owner", "id"))
		t.checkpoints(&d, r)
		out = append(out, d)
	}
	return out
}

// join adds another job of the same stage: one that failed decides.
func (d *Deployment) join(o *Deployment) {
	d.Jobs++
	if succeeded(d.Result) && !succeeded(o.Result) {
		d.Result = o.Result
	}
	if o.At.Before(d.At) {
		d.At = o.At
	}
}

// runOf finds which commit was deployed, and who started the run.
func (t *tracer) runOf(d *Deployment, r *inventory.Resource, id string) {
	if plan := text(r.Root, "planType"); plan != "" && !strings.EqualFold(plan, "Build") {
		d.Gap = "it was made by a classic release, whose artefacts are not joined"
		d.Deployed.doubt(d.Gap)
		return
	}
	run := t.inv.Get(id)
	if run == nil {
		why := t.lack("devops/runs", r)
		if why == "" {
			why = "the run is not among those that were read; Azure DevOps deletes runs after 30 days unless told to keep them"
		}
		d.Gap = why
		if p := account(r.Root.Get("requestedIdentity")); p.Name != "" {
			d.Deployed.add(p)
		} else {
			d.Deployed.doubt(why)
		}
		return
	}
	d.Commit = text(run.Root, "sourceVersion")
	repository := text(run.Root, "repository", "id")
	switch kind := text(run.Root, "repository", "type"); {
	case strings.EqualFold(kind, "TfsGit"):
		d.branch = branch{"devops:" + strings.ToLower(repository), text(run.Root, "sourceBranch")}
		t.repositories[d.branch.repository] = run // of the pipeline's own organisation
	case strings.EqualFold(kind, "GitHub"):
		d.branch = branch{"github:" + strings.ToLower(repository), text(run.Root, "sourceBranch")}
	default:
		d.Gap = "its repository is of the kind " + kind + ", of which nothing is read"
		d.Commit = ""
	}
	if d.Commit == "" && d.Gap == "" {
		d.Gap = "the run does not say which commit it took"
	}
	if p := account(run.Root.Get("requestedFor")); p.Name != "" {
		d.Deployed.add(p)
	} else {
		d.Deployed.doubt("the run does not say for whom it ran")
	}
}

// checkpoints finds who approved the stage of a deployment: the approvals that
// the run's timeline has below that stage.
func (t *tracer) checkpoints(d *Deployment, r *inventory.Resource) {
	below := strings.TrimPrefix(r.ID, r.Type)
	records := t.inv.Under("devops/timelineRecords", "devops/timelineRecords"+below)
	for _, typ := range []string{"devops/timelineRecords", "devops/environmentApprovals"} {
		d.Approved.doubt(t.lack(typ, r))
	}
	if len(records) == 0 {
		d.Approved.doubt("the run's timeline was not read or is deleted")
		return
	}
	byID := map[string]jsontape.Value{}
	for i := range records {
		byID[text(records[i].Root, "id")] = records[i].Root
	}
	stage := text(r.Root, "stageName")
	for i := range records {
		rec := records[i].Root
		id := text(rec, "id")
		if text(rec, "type") != "Checkpoint.Approval" {
			continue
		}
		up := stageOf(byID, rec)
		if up.Exists() && text(up, "name") != stage && text(up, "identifier") != stage {
			continue // of another stage
		}
		a := t.inv.Get("devops/environmentApprovals" + below + "/" + id)
		if a == nil {
			d.Approved.doubt("an approval that the timeline names was not read")
			continue
		}
		if !up.Exists() {
			d.Approved.doubt("the timeline does not say to which stage an approval belongs")
			continue
		}
		steps := a.Root.Get("steps")
		if steps.Kind() != jsontape.Array || steps.Len() == 0 {
			d.Approved.doubt("an approval came without its steps")
		}
		for s := range steps.Elems() {
			switch status := text(s, "status"); {
			case status == "":
				d.Approved.doubt("a step of an approval came without its status")
			case strings.EqualFold(status, "approved"):
				d.Approved.add(account(s.Get("actualApprover")))
			}
		}
	}
}

// stageOf goes up from a record of a timeline to its stage.
func stageOf(byID map[string]jsontape.Value, rec jsontape.Value) jsontape.Value {
	for range len(byID) {
		if text(rec, "type") == "Stage" {
			return rec
		}
		up, ok := byID[text(rec, "parentId")]
		if !ok {
			return jsontape.Value{}
		}
		rec = up
	}
	return jsontape.Value{}
}

// devopsPull says who wrote, reviewed and completed a pull request.
func (t *tracer) devopsPull(c *Change, p *inventory.Resource) {
	c.PullRequest, c.Number = p.ID, text(p.Root, "pullRequestId")
	c.At = instant(text(p.Root, "closedDate"))
	c.Bypassed, _ = p.Root.Get("completionOptions").Get("bypassPolicy").Bool()
	c.Wrote.add(account(p.Root.Get("createdBy")))
	of := func(role string) func(jsontape.Value) Person {
		return func(v jsontape.Value) Person {
			if address := text(v, role, "email"); address != "" {
				return person("devops", address)
			}
			return person("devops", text(v, role, "name"))
		}
	}
	commits := t.commits(c, p, "devops/pullRequestCommits", "commitId", of("author"), of("committer"))
	commits[text(p.Root, "lastMergeSourceCommit", "commitId")] = true
	// Who pushed them is known by sign-in, not by what was typed into a commit.
	source := branch{"devops:" + strings.ToLower(text(p.Root, "repository", "id")), text(p.Root, "sourceRefName")}
	for _, commit := range slices.Sorted(maps.Keys(commits)) {
		if s, ok := t.steps[source][commit]; ok {
			c.Wrote.add(s.by)
		}
	}
	c.Merged.add(account(p.Root.Get("closedBy")))
	if !p.Root.Get("reviewers").Exists() {
		c.Reviewed.doubt("the pull request came without its reviewers")
	}
	for v := range p.Root.Get("reviewers").Elems() {
		vote, ok := v.Get("vote").Int()
		group, _ := v.Get("isContainer").Bool()
		switch {
		case !ok:
			c.Reviewed.doubt("a reviewer came without the vote")
		case vote >= 5 && !group: // 5 and 10 are approvals; a group's vote is that of its members
			c.Reviewed.add(account(v))
		}
	}
}

// commits adds the authors and committers of a pull request's commits, and
// returns the commits.
func (t *tracer) commits(c *Change, p *inventory.Resource, typ, id string, roles ...func(jsontape.Value) Person) map[string]bool {
	c.Wrote.doubt(t.lack(typ, p))
	list := t.inv.Under(typ, typ+strings.TrimPrefix(p.ID, p.Type))
	if len(list) == 0 {
		c.Wrote.doubt("the commits of pull request " + c.Number + " were not read")
	}
	found := map[string]bool{}
	for i := range list {
		found[text(list[i].Root, id)] = true
		for n, by := range roles {
			who := by(list[i].Root)
			switch {
			case len(who.keys) == 0 && n > 0:
				continue // a commit without another committer
			case len(who.keys) == 0:
				c.Wrote.doubt("a commit of pull request " + c.Number + " does not name its author")
				continue
			case !slices.ContainsFunc(who.keys, func(k string) bool { _, ok := t.accounts[k]; return ok }):
				// What a committer typed: it may be an approver by another address.
				c.Wrote.doubt(who.Name + ", who wrote a commit, is no account that was read")
			}
			c.Wrote.add(who)
		}
	}
	return found
}
