// SPDX-License-Identifier: Apache-2.0

package change

import (
	"strings"

	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/jsontape"
)

// user is an account of GitHub.
func user(v jsontape.Value) Person { return person(text(v, "login")) }

// author is who wrote a commit: the account that GitHub found for the address,
// else the address.
func author(v jsontape.Value) Person {
	if login := text(v, "author", "login"); login != "" {
		return person(login)
	}
	return person(text(v, "commit", "author", "email"))
}

// chainOf are the ids of what a record lies in, and its own.
func chainOf(r *inventory.Resource) []string {
	return strings.Split(strings.TrimPrefix(r.ID, r.Type+"/"), "/")
}

// repositories maps the chain of each repository's records to its full name.
func (t *tracer) repositories() map[string]string {
	names := map[string]string{}
	all := t.inv.OfType("github/repositories")
	for i := range all {
		names[text(all[i].Root, "id")] = strings.ToLower(text(all[i].Root, "full_name"))
	}
	return names
}

// repositoryOf names the repository of a record.
func repositoryOf(names map[string]string, r *inventory.Resource) string {
	for _, id := range chainOf(r) {
		if n := names[id]; n != "" {
			return n
		}
	}
	return ""
}

// indexGitHub takes the first parents of commits of default branches, and the
// merged pull requests.
func (t *tracer) indexGitHub() {
	names := t.repositories()
	commits := t.inv.OfType("github/commits")
	for i := range commits {
		root := commits[i].Root
		t.know(user(root.Get("author")))
		b := branch{"github:" + repositoryOf(names, &commits[i]), ""}
		if t.steps[b] == nil {
			t.steps[b] = map[string]step{}
		}
		first, _ := root.Get("parents").First()
		t.steps[b][text(root, "sha")] = step{from: text(first, "sha"), at: instant(text(root, "commit", "committer", "date")), by: user(root.Get("committer")), author: author(root)}
	}
	pulls := t.inv.OfType("github/pullRequests")
	for i := range pulls {
		t.know(user(pulls[i].Root.Get("user")))
		if r := &pulls[i]; text(r.Root, "merged_at") != "" {
			t.pulls[[2]string{"github:" + repositoryOf(names, r), text(r.Root, "merge_commit_sha")}] = r
		}
	}
}

// rebased reports whether a commit can belong to a pull request whose commits
// were added to the branch one by one: one ends fewer steps above it than it
// has commits.
func (t *tracer) rebased(b branch, commit string) bool {
	above := map[string]string{}
	for to, s := range t.steps[b] {
		above[s.from] = to
	}
	for n := int64(1); n < 250; n++ {
		commit = above[commit]
		if commit == "" {
			return false
		}
		p := t.pulls[[2]string{b.repository, commit}]
		if p == nil {
			continue
		}
		details := t.inv.Under("github/pullRequestDetails", "github/pullRequestDetails"+strings.TrimPrefix(p.ID, p.Type))
		if own := t.inv.Get("github/pullRequestDetails" + strings.TrimPrefix(p.ID, p.Type)); own != nil {
			details = []inventory.Resource{*own}
		}
		if len(details) == 0 {
			return true // how many it has is not known
		}
		count, ok := details[0].Root.Get("commits").Int()
		return !ok || count > n
	}
	return false
}

// github makes the deployments of repositories.
func (t *tracer) github() []Deployment {
	names := t.repositories()
	all := t.inv.OfType("github/deployments")
	out := make([]Deployment, 0, len(all))
	for i := range all {
		r := &all[i]
		repository := repositoryOf(names, r)
		d := Deployment{
			ID: r.ID, Service: "github", Place: repository, Environment: text(r.Root, "environment"), At: instant(text(r.Root, "created_at")),
			Jobs: 1, Commit: text(r.Root, "sha"), branch: branch{"github:" + repository, ""}, Run: text(r.Root, "id"),
		}
		d.line = strings.Join([]string{r.Type, repository, d.Environment, text(r.Root, "task")}, "\x00")
		if d.Commit == "" {
			d.Gap = "the deployment does not say which commit it took"
		}
		d.Deployed.add(user(r.Root.Get("creator")))
		if len(d.Deployed.People) == 0 {
			d.Deployed.doubt("the deployment does not say who made it")
		}
		run := t.statuses(&d, r)
		t.reviewsOfRun(&d, r, run)
		out = append(out, d)
	}
	return out
}

// statuses takes how a deployment went, and which run of GitHub Actions made
// it: its address is in the log's one.
func (t *tracer) statuses(d *Deployment, r *inventory.Resource) (run string) {
	list := t.inv.Under("github/deploymentStatuses", "github/deploymentStatuses"+strings.TrimPrefix(r.ID, r.Type))
	last := ""
	for i := range list {
		root := list[i].Root
		// An older deployment becomes inactive once a newer one succeeds.
		if at, state := text(root, "created_at"), text(root, "state"); at >= last && state != "inactive" {
			last, d.Result = at, state
		}
		for _, m := range []string{"log_url", "target_url"} {
			if _, rest, ok := strings.Cut(text(root, m), "/actions/runs/"); ok && run == "" {
				run, _, _ = strings.Cut(rest, "/")
			}
		}
	}
	if d.Result == "" {
		d.Result = "unknown"
	}
	return run
}

// reviewsOfRun finds the run's starter and who approved its deployments.
func (t *tracer) reviewsOfRun(d *Deployment, r *inventory.Resource, run string) {
	if run == "" {
		d.Approved.doubt("no status of the deployment names the run that made it")
		return
	}
	chain := chainOf(r)
	place := strings.Join(chain[:len(chain)-1], "/") + "/" + run
	found := t.inv.Get("github/runs/" + place)
	d.Run = run
	if found == nil {
		d.Approved.doubt("run " + run + " is not among those that were read; GitHub deletes them after 90 days unless told to keep them")
		return
	}
	d.Pipeline, d.Run = text(found.Root, "name"), text(found.Root, "run_number")
	if p := user(found.Root.Get("triggering_actor")); p.Name != "" {
		d.Deployed = Who{}
		d.Deployed.add(p)
	}
	d.Approved.doubt(t.lack("github/runApprovals"))
	list := t.inv.Under("github/runApprovals", "github/runApprovals/"+place)
	for i := range list {
		root := list[i].Root
		if !strings.EqualFold(text(root, "state"), "approved") {
			continue
		}
		for e := range root.Get("environments").Elems() {
			if strings.EqualFold(text(e, "name"), d.Environment) {
				d.Approved.add(user(root.Get("user")))
			}
		}
	}
}

// githubPull says who wrote, reviewed and merged a pull request.
func (t *tracer) githubPull(c *Change, p *inventory.Resource) {
	below := strings.TrimPrefix(p.ID, p.Type)
	c.PullRequest, c.Number = p.ID, text(p.Root, "number")
	c.At = instant(text(p.Root, "merged_at"))
	c.Wrote.add(user(p.Root.Get("user")))
	if len(c.Wrote.People) == 0 {
		c.Wrote.doubt("the pull request does not say who made it")
	}
	t.commits(c, p, "github/pullRequestCommits", func(v jsontape.Value) Person {
		who := author(v)
		if text(v, "author", "login") != "" {
			t.know(who) // GitHub knows the account
		}
		return who
	})
	if details := t.inv.Get("github/pullRequestDetails" + below); details != nil {
		c.Merged.add(user(details.Root.Get("merged_by")))
	} else {
		c.Merged.doubt("who merged it was not read")
	}
	c.Reviewed.doubt(t.lack("github/reviews"))
	// The last review that decides of each reviewer counts: a later request for
	// changes, or its dismissal, takes an approval back.
	type verdict struct{ at, state string }
	last := map[string]verdict{}
	who := map[string]Person{}
	list := t.inv.Under("github/reviews", "github/reviews"+below)
	for i := range list {
		root := list[i].Root
		state := strings.ToUpper(text(root, "state"))
		if state != "APPROVED" && state != "CHANGES_REQUESTED" && state != "DISMISSED" {
			continue
		}
		p := user(root.Get("user"))
		if p.Name == "" {
			continue
		}
		if at := text(root, "submitted_at"); at >= last[p.keys[0]].at {
			last[p.keys[0]], who[p.keys[0]] = verdict{at, state}, p
		}
	}
	for i := range list { // in the order of the records, so that the answer is always the same
		if k := strings.ToLower(text(list[i].Root, "user", "login")); last[k].state == "APPROVED" {
			c.Reviewed.add(who[k])
		}
	}
}
