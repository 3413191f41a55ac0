// SPDX-License-Identifier: Apache-2.0

package change

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/jsontape"
)

// user is an account of GitHub.
func user(v jsontape.Value) Person { return person("github", text(v, "login")) }

// author is who wrote a commit: the account that GitHub found for the address,
// else the address.
func author(v jsontape.Value) Person {
	if login := text(v, "author", "login"); login != "" {
		return person("github", login)
	}
	return person("github", text(v, "commit", "author", "email"))
}

// committer is who committed, unless GitHub did by itself.
func committer(v jsontape.Value) Person {
	switch login := text(v, "committer", "login"); login {
	case "web-flow":
		return Person{}
	case "":
		if address := text(v, "commit", "committer", "email"); address != "noreply@github.com" {
			return person("github", address)
		}
		return Person{}
	default:
		return person("github", login)
	}
}

// chainOf are the ids of what a record lies in, and its own.
func chainOf(r *inventory.Resource) []string {
	return strings.Split(strings.TrimPrefix(r.ID, r.Type+"/"), "/")
}

// repositoryNames maps the id of each repository to its full name; main is the
// default branch of each name.
func (t *tracer) repositoryNames() (names map[string]string, main map[string]branch) {
	names, main = map[string]string{}, map[string]branch{}
	all := t.inv.OfType("github/repositories")
	for i := range all {
		name := strings.ToLower(text(all[i].Root, "full_name"))
		names[text(all[i].Root, "id")] = name
		t.repositories["github:"+name] = &all[i]
		main[name] = branch{"github:" + name, "refs/heads/" + text(all[i].Root, "default_branch")}
	}
	return names, main
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
	names, main := t.repositoryNames()
	commits := t.inv.OfType("github/commits")
	for i := range commits {
		root := commits[i].Root
		t.know(user(root.Get("author")))
		b := main[repositoryOf(names, &commits[i])]
		first, _ := root.Get("parents").First()
		t.stepTo(b, text(root, "sha"), step{from: text(first, "sha"), at: instant(text(root, "commit", "committer", "date")), by: user(root.Get("committer")), author: author(root)})
	}
	pulls := t.inv.OfType("github/pullRequests")
	for i := range pulls {
		t.know(user(pulls[i].Root.Get("user")))
		if r := &pulls[i]; text(r.Root, "merged_at") != "" {
			t.pull(branch{"github:" + repositoryOf(names, r), "refs/heads/" + text(r.Root, "base", "ref")}, text(r.Root, "merge_commit_sha"), r)
		}
	}
}

// rebased reports whether a commit can belong to a pull request whose commits
// were added to the branch one by one: one ends fewer steps above it than it
// has commits.
func (t *tracer) rebased(b branch, commit string) bool {
	if t.children[b] == nil {
		t.children[b] = map[string][]string{}
		for _, to := range slices.Sorted(maps.Keys(t.steps[b])) {
			from := t.steps[b][to].from
			t.children[b][from] = append(t.children[b][from], to)
		}
	}
	at, seen := []string{commit}, 0
	for n := int64(1); n < 250 && len(at) > 0; n++ {
		var above []string
		for _, c := range at {
			above = append(above, t.children[b][c]...)
		}
		at = above
		if seen += len(at); seen > 10000 {
			return true
		}
		for _, c := range at {
			p := t.pulls[b][c]
			if p == nil {
				continue
			}
			details := t.inv.Get("github/pullRequestDetails" + strings.TrimPrefix(p.ID, p.Type))
			if details == nil {
				return true // how many it has is not known
			}
			if count, ok := details.Root.Get("commits").Int(); !ok || count > n {
				return true
			}
		}
	}
	return false
}

// github makes the deployments of repositories.
func (t *tracer) github() []Deployment {
	names, main := t.repositoryNames()
	all := t.inv.OfType("github/deployments")
	out := make([]Deployment, 0, len(all))
	for i := range all {
		r := &all[i]
		repository := repositoryOf(names, r)
		d := Deployment{
			ID: r.ID, Service: "github", Place: repository, Environment: text(r.Root, "environment"), At: instant(text(r.Root, "created_at")),
			Jobs: 1, Commit: text(r.Root, "sha"), branch: main[repository], Run: text(r.Root, "id"),
		}
		d.line = strings.Join([]string{r.Type, repository, d.Environment, text(r.Root, "task")}, "\x00")
		switch {
		case d.Commit == "":
			d.Gap = "the deployment does not say which commit it took"
		case d.branch.name == "" || d.branch.name == "refs/heads/":
			d.Gap, d.Commit = "its repository was not read, or does not say which branch is its default", ""
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
	if head := text(found.Root, "head_sha"); head != d.Commit {
		// The address is in a status, which whoever may deploy can write.
		d.Approved.doubt("the run that a status of the deployment names took commit " + cmp.Or(short(head), "unknown") + " and not this one")
		return
	}
	if p := user(found.Root.Get("triggering_actor")); p.Name != "" {
		d.Deployed = Who{}
		d.Deployed.add(p)
	}
	d.Approved.doubt(t.lack("github/runApprovals", r))
	list := t.inv.Under("github/runApprovals", "github/runApprovals/"+place)
	for i := range list {
		root := list[i].Root
		if !strings.EqualFold(text(root, "state"), "approved") {
			continue
		}
		environments := root.Get("environments")
		if environments.Kind() != jsontape.Array {
			d.Approved.doubt("an approval does not say of which environment")
		}
		for e := range environments.Elems() {
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
	known := func(login string, who func(jsontape.Value) Person) func(jsontape.Value) Person {
		return func(v jsontape.Value) Person {
			if text(v, login, "login") != "" {
				t.know(who(v)) // GitHub knows the account
			}
			return who(v)
		}
	}
	commits := t.commits(c, p, "github/pullRequestCommits", "sha", known("author", author), known("committer", committer))
	commits[text(p.Root, "head", "sha")] = true
	if details := t.inv.Get("github/pullRequestDetails" + below); details != nil {
		c.Merged.add(user(details.Root.Get("merged_by")))
	} else {
		c.Merged.doubt("who merged it was not read")
	}
	c.Reviewed.doubt(t.lack("github/reviews", p))
	// The last review that decides of each reviewer counts: a later request for
	// changes, or its dismissal, takes an approval back.
	type verdict struct{ at, state string }
	last := map[string]verdict{}
	who := map[string]Person{}
	list := t.inv.Under("github/reviews", "github/reviews"+below)
	for i := range list {
		root := list[i].Root
		state := strings.ToUpper(text(root, "state"))
		if state == "COMMENTED" || state == "PENDING" {
			continue
		}
		who1, at := user(root.Get("user")), text(root, "submitted_at")
		switch merged := instant(text(p.Root, "merged_at")); {
		case state == "" || len(who1.keys) == 0 || at == "":
			c.Reviewed.doubt("a review does not say who, when or what")
		case instant(at).After(merged):
			continue // given after the change was in: no review before it
		case state == "APPROVED" && text(root, "commit_id") != "" && !commits[text(root, "commit_id")]:
			c.Reviewed.doubt("a review was of a commit that is not in the pull request any more")
		case at >= last[who1.keys[0]].at:
			last[who1.keys[0]], who[who1.keys[0]] = verdict{at, state}, who1
		}
	}
	for i := range list { // in the order of the records, so that the answer is always the same
		if k := strings.ToLower(text(list[i].Root, "user", "login")); last[k].state == "APPROVED" {
			c.Reviewed.add(who[k])
		}
	}
}
