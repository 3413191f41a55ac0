// SPDX-License-Identifier: Apache-2.0

package change

import (
	"slices"
	"strings"

	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/jsontape"
)

// account is an identity of Azure DevOps. Its display name tells nobody apart.
func account(v jsontape.Value) Person {
	p := person(text(v, "uniqueName"), text(v, "id"))
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
			if t.steps[b] == nil {
				t.steps[b] = map[string]step{}
			}
			t.steps[b][text(u, "newObjectId")] = step{from: text(u, "oldObjectId"), at: instant(text(root, "date")), by: account(root.Get("pushedBy"))}
		}
	}
	users := t.inv.OfType("devops/users")
	for i := range users {
		t.know(person(text(users[i].Root, "principalName"), text(users[i].Root, "mailAddress")))
	}
	requests := t.inv.OfType("devops/pullRequests")
	for i := range requests {
		r := &requests[i]
		t.know(account(r.Root.Get("createdBy")))
		if strings.EqualFold(text(r.Root, "status"), "completed") {
			t.pulls[[2]string{"devops:" + strings.ToLower(text(r.Root, "repository", "id")), text(r.Root, "lastMergeCommit", "commitId")}] = r
		}
	}
}

func (t *tracer) know(p Person) {
	for _, k := range p.keys {
		t.accounts[k] = true
	}
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
		why := t.lack("devops/runs")
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
	case strings.EqualFold(kind, "GitHub"):
		d.branch = branch{"github:" + strings.ToLower(repository), ""}
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
		d.Approved.doubt(t.lack(typ))
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
		for s := range a.Root.Get("steps").Elems() {
			if strings.EqualFold(text(s, "status"), "approved") {
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
	if len(c.Wrote.People) == 0 {
		c.Wrote.doubt("the pull request does not say who made it")
	}
	t.commits(c, p, "devops/pullRequestCommits", func(v jsontape.Value) Person {
		if address := text(v, "author", "email"); address != "" {
			return person(address)
		}
		return person(text(v, "author", "name"))
	})
	c.Merged.add(account(p.Root.Get("closedBy")))
	if !p.Root.Get("reviewers").Exists() {
		c.Reviewed.doubt("the pull request came without its reviewers")
	}
	for v := range p.Root.Get("reviewers").Elems() {
		vote, ok := v.Get("vote").Int()
		group, _ := v.Get("isContainer").Bool()
		if ok && vote >= 5 && !group { // 5 and 10 are approvals; a group's vote is that of its members
			c.Reviewed.add(account(v))
		}
	}
}

// commits adds the authors of a pull request's commits.
func (t *tracer) commits(c *Change, p *inventory.Resource, typ string, by func(jsontape.Value) Person) {
	c.Wrote.doubt(t.lack(typ))
	list := t.inv.Under(typ, typ+strings.TrimPrefix(p.ID, p.Type))
	if len(list) == 0 {
		c.Wrote.doubt("the commits of pull request " + c.Number + " were not read")
	}
	for i := range list {
		who := by(list[i].Root)
		switch {
		case len(who.keys) == 0:
			c.Wrote.doubt("a commit of pull request " + c.Number + " does not name its author")
		case !slices.ContainsFunc(who.keys, func(k string) bool { return t.accounts[k] }):
			// What a committer typed: it may be an approver by another address.
			c.Wrote.doubt(who.Name + ", the author of a commit, is no account that was read")
		}
		c.Wrote.add(who)
	}
}
