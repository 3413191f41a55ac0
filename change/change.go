// SPDX-License-Identifier: Apache-2.0

// Package change says of each deployment that a snapshot holds who wrote what
// it brought, who reviewed that, who approved the deployment and who started
// it: the population of CC8.1, joined from the records of Azure DevOps and
// GitHub.
//
// A deployment brings the commits between the one that was deployed before, to
// the same environment by the same pipeline, and its own. They are found by
// walking back from commit to commit: by the updates of a branch in Azure
// DevOps, by the parents of commits in GitHub. Nothing is concluded from times
// that lie near each other.
//
// What was not read is Unknown with the reason, and never "nobody": a run that
// its retention has deleted leaves its deployment in the population, with a
// commit that nobody can name.
package change

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/jsontape"
)

// Person is an account; a human being can have several.
type Person struct {
	// Name is the sign-in name, login or mail address, else what is displayed.
	Name string `json:"name"`
	// keys are all by which another record may name the account, lower-case.
	keys []string
	// space is the directory that names it: accounts of two cannot be compared.
	space string
}

// same reports whether both are one account.
func (p Person) same(o Person) bool {
	return slices.ContainsFunc(p.keys, func(k string) bool { return slices.Contains(o.keys, k) })
}

// Who is an answer to the question who did something. No people and no
// Unknown: it was observed that nobody did. People and Unknown: these, and
// perhaps others.
type Who struct {
	People  []Person `json:"people"`
	Unknown string   `json:"unknown,omitempty"`
}

// add takes an account in; one that the record does not name is a doubt and
// never nobody.
func (w *Who) add(p Person) {
	if len(p.keys) == 0 {
		w.doubt("a record does not name the account")
		return
	}
	for i := range w.People {
		if p.same(w.People[i]) {
			w.People[i].keys = append(slices.Clone(w.People[i].keys), p.keys...)
			return
		}
	}
	w.People = append(w.People, p)
}

// doubt adds a reason why there may be others.
func (w *Who) doubt(why string) {
	if why != "" && !strings.Contains(w.Unknown, why) {
		w.Unknown = strings.TrimPrefix(w.Unknown+"; "+why, "; ")
	}
}

// Fact is what the records show of a question.
type Fact string

// The facts.
const (
	Yes     Fact = "yes"
	No      Fact = "no"
	Unknown Fact = "unknown"
	// Nothing: the question does not arise, such as a review where a deployment
	// brought no new commit.
	Nothing Fact = "nothing"
)

// Change is one step of the deployed branch.
type Change struct {
	Commit string    `json:"commit"`
	At     time.Time `json:"at"`
	// PullRequest is the record of the pull request that made the step; empty
	// where none did, or where that is Unknown.
	PullRequest string `json:"pullRequest,omitempty"`
	Number      string `json:"number,omitempty"`
	Unknown     string `json:"unknown,omitempty"`
	// Bypassed says that the branch's rules were overridden to complete it.
	Bypassed bool `json:"bypassed,omitempty"`
	Wrote    Who  `json:"wrote"`
	Reviewed Who  `json:"reviewed"`
	Merged   Who  `json:"merged"`
}

// Deployment is one deployment to one environment.
type Deployment struct {
	// ID is that of the record in the inventory.
	ID          string    `json:"id"`
	Service     string    `json:"service"` // devops or github
	Place       string    `json:"place"`   // organisation and project, or repository
	Environment string    `json:"environment"`
	Pipeline    string    `json:"pipeline,omitempty"`
	Run         string    `json:"run,omitempty"` // the run's number as people see it
	At          time.Time `json:"at"`
	Result      string    `json:"result"`
	// Jobs of one stage deploy at once; they count as one deployment.
	Jobs   int    `json:"jobs"`
	Commit string `json:"commit,omitempty"`
	// Changes are what it brought, the last first; with Gap, there may be more.
	Changes []Change `json:"changes"`
	Gap     string   `json:"gap,omitempty"`
	// Back says that it went back along the branch, behind the commit that was
	// deployed before.
	Back bool `json:"back,omitempty"`

	Wrote    Who `json:"wrote"`
	Reviewed Who `json:"reviewed"`
	Approved Who `json:"approved"`
	Deployed Who `json:"deployed"`

	// ReviewedByOther: each change came by a pull request that somebody approved
	// who wrote nothing of it.
	ReviewedByOther Fact `json:"reviewedByOther"`
	// ApprovedByOther: somebody who wrote nothing of what it brought approved
	// the deployment.
	ApprovedByOther Fact `json:"approvedByOther"`
	// DeployedByOther: who started it wrote nothing of what it brought.
	DeployedByOther Fact `json:"deployedByOther"`

	branch branch
	line   string // what the deployment before has in common with this one
}

// branch names a line of commits.
type branch struct{ repository, name string }

// step is how a branch moved to a commit.
type step struct {
	from   string
	at     time.Time
	by     Person
	author Person
	// again: the branch came to the commit more than once, from elsewhere: it
	// was rewritten, and what lay between is not certain.
	again bool
}

// stepTo records how a branch came to a commit.
func (t *tracer) stepTo(b branch, commit string, s step) {
	if t.steps[b] == nil {
		t.steps[b] = map[string]step{}
	}
	if old, ok := t.steps[b][commit]; ok && old.from != s.from {
		s.again = true
	} else if ok {
		s.again = old.again
	}
	t.steps[b][commit] = s
}

// Lacking is a kind of record that was not read whole.
type Lacking struct {
	Type string `json:"type"`
	Why  string `json:"why"`
	// Population says that deployments may be missing because of it, and that
	// nobody chose so with a reason.
	Population bool `json:"population"`
}

// Trace is the population.
type Trace struct {
	// Deployments lie in the order of their time, the last first.
	Deployments []Deployment `json:"deployments"`
	// Lacking are the kinds of record without which the population, or an answer,
	// may not be whole.
	Lacking []Lacking `json:"lacking"`
}

// Counts are how many deployments have each answer to one question.
type Counts struct {
	Yes     int `json:"yes"`
	No      int `json:"no"`
	Unknown int `json:"unknown"`
	Nothing int `json:"nothing"`
}

// Count counts the answers to a question.
func (t *Trace) Count(of func(*Deployment) Fact) Counts {
	var c Counts
	for i := range t.Deployments {
		switch of(&t.Deployments[i]) {
		case Yes:
			c.Yes++
		case No:
			c.No++
		case Nothing:
			c.Nothing++
		case Unknown:
			c.Unknown++
		}
	}
	return c
}

// tracer has what the deployments are joined with.
type tracer struct {
	inv   *inventory.Inventory
	steps map[branch]map[string]step
	// pulls are the merged pull requests by the branch that they were merged
	// into, and the commit that they made.
	pulls map[branch]map[string]*inventory.Resource
	// children are the steps away from each commit, in order.
	children map[branch]map[string][]string
	lacks    map[[2]string]string
	// repositories have a record of the organisation in which each lies.
	repositories map[string]*inventory.Resource
	// accounts lead from each key of an account that was read to the one that
	// stands for it.
	accounts map[string]string
}

// Of joins the records of an inventory.
func Of(inv *inventory.Inventory) *Trace {
	t := &tracer{inv: inv, steps: map[branch]map[string]step{}, pulls: map[branch]map[string]*inventory.Resource{}, children: map[branch]map[string][]string{}, lacks: map[[2]string]string{}, accounts: map[string]string{}, repositories: map[string]*inventory.Resource{}}
	tr := &Trace{Deployments: []Deployment{}, Lacking: []Lacking{}}
	read := slices.Clone(recordTypes)
	t.indexDevOps()
	t.indexGitHub()
	tr.Deployments = append(append(tr.Deployments, t.devops()...), t.github()...)
	slices.SortStableFunc(tr.Deployments, func(a, b Deployment) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(a.ID, b.ID))
	})
	last := map[string]*Deployment{}
	for i := range tr.Deployments {
		d := &tr.Deployments[i]
		t.brought(d, last[d.line])
		for k := range d.Changes {
			c := &d.Changes[k]
			t.resolve(&c.Wrote, &c.Reviewed, &c.Merged)
		}
		t.resolve(&d.Approved, &d.Deployed)
		d.judge()
		if succeeded(d.Result) {
			last[d.line] = d
		}
	}
	slices.Reverse(tr.Deployments)
	for _, source := range []string{"devops", "github"} {
		if out, not := inv.NotRead(source); not {
			why := "not read: " + out.Reason.Text()
			if out.Detail != "" {
				why += " (" + out.Detail + ")"
			}
			chosen := out.Reason == tickmark.ReasonExcluded || out.Reason == tickmark.ReasonDeclined
			read = slices.DeleteFunc(read, func(typ string) bool { return strings.HasPrefix(typ, source+"/") })
			lacking := Lacking{Type: source + "/deployments", Why: source + " was " + why, Population: !chosen}
			tr.Lacking = append(tr.Lacking, lacking)
		}
	}
	for _, typ := range read {
		if why := t.lack(typ, nil); why != "" {
			tr.Lacking = append(tr.Lacking, Lacking{typ, why, strings.HasSuffix(typ, "/deployments") || strings.HasSuffix(typ, "/environments")})
		}
	}
	return tr
}

// recordTypes are all that answers rest on.
var recordTypes = []string{
	"devops/deployments", "devops/environments", "devops/runs", "devops/timelineRecords", "devops/environmentApprovals",
	"devops/pushes", "devops/pullRequests", "devops/pullRequestCommits",
	"github/deployments", "github/deploymentStatuses", "github/runs", "github/runApprovals", "github/commits",
	"github/pullRequests", "github/pullRequestDetails", "github/pullRequestCommits", "github/reviews",
}

// lack says why absence of a type cannot be concluded of what belongs to a
// record; empty if it can. Without a record it is asked for everywhere: what
// one organisation did not show is missing in none of the others.
func (t *tracer) lack(typ string, of *inventory.Resource) string {
	k := [2]string{typ, t.inv.Place(of)}
	why, ok := t.lacks[k]
	if !ok {
		if whole, reason := t.inv.CompleteBeside(inventory.TypeKey(typ), of); !whole {
			why = typ + ": " + reason.Text()
		}
		t.lacks[k] = why
	}
	return why
}

// brought walks back from the deployed commit to the one before.
func (t *tracer) brought(d *Deployment, before *Deployment) {
	d.Changes = []Change{}
	switch {
	case d.Commit == "":
		return // Gap says why already
	case before == nil:
		d.Gap = "it is the first deployment of this pipeline there that was read: of what it brought only the last commit is known"
		d.Changes = append(d.Changes, t.change(d.branch, d.Commit))
		return
	case before.Commit == "":
		d.Gap = "the commit of the deployment before is not known: of what it brought only the last commit is"
		d.Changes = append(d.Changes, t.change(d.branch, d.Commit))
		return
	}
	steps := t.steps[d.branch]
	if d.Commit != before.Commit {
		back, sure := reaches(steps, before.Commit, d.Commit)
		if back && !sure {
			d.Gap = "the branch was rewritten between the two deployments: what it brought is not certain"
			d.Changes = append(d.Changes, t.change(d.branch, d.Commit))
			return
		}
		if d.Back = back; back {
			return
		}
	}
	seen := map[string]bool{}
	for at := d.Commit; at != before.Commit; {
		if seen[at] {
			d.Gap = "the steps of the branch go in a circle"
			return
		}
		seen[at] = true
		d.Changes = append(d.Changes, t.change(d.branch, at))
		s, ok := steps[at]
		if !ok || s.from == "" {
			d.Gap = "how the branch came to " + short(at) + " was not read, so there may be changes before it"
			return
		}
		if s.again {
			d.Gap = "the branch was rewritten and came to " + short(at) + " more than once, so there may be other changes"
			return
		}
		at = s.from
	}
}

// reaches reports whether to lies behind from, and whether every step between
// is certain.
func reaches(steps map[string]step, from, to string) (back, sure bool) {
	sure = true
	for n := 0; n <= len(steps); n++ {
		s, ok := steps[from]
		if ok && s.again {
			sure = false
		}
		if from == to {
			return true, sure
		}
		if !ok {
			return false, sure
		}
		from = s.from
	}
	return false, sure
}

func short(commit string) string { return commit[:min(len(commit), 10)] }

// change says what is known of one step of a branch.
func (t *tracer) change(b branch, commit string) Change {
	c := Change{Commit: commit}
	s, stepped := t.steps[b][commit]
	c.At = s.at
	if p := t.pulls[b][commit]; p != nil {
		if strings.HasPrefix(p.Type, "github/") {
			t.githubPull(&c, p)
		} else {
			t.devopsPull(&c, p)
		}
		return c
	}
	typ := "devops/pullRequests"
	if strings.HasPrefix(b.repository, "github:") {
		typ = "github/pullRequests"
	}
	if len(s.author.keys) > 0 {
		c.Wrote.add(s.author)
	}
	if stepped {
		c.Merged.add(s.by)
	}
	switch why := t.lack(typ, t.repositories[b.repository]); {
	case why != "":
		c.Unknown = "no pull request was found, and they were not all read (" + why + ")"
	case !stepped:
		c.Unknown = "no pull request was found, and how the branch came to this commit was not read"
	case t.edge(typ, s.at):
		c.Unknown = "no pull request was found, and it came just before the end of the time that was read: its pull request may have been completed after it"
	case typ == "github/pullRequests" && t.rebased(b, commit):
		c.Unknown = "no pull request ends in it; it may belong to one whose commits were added one by one"
	}
	if c.Unknown != "" {
		c.Wrote.doubt(c.Unknown)
		c.Reviewed.doubt(c.Unknown)
	} else if len(c.Wrote.People) == 0 {
		c.Wrote.People = append(c.Wrote.People, c.Merged.People...)
		c.Wrote.doubt("the authors of what was pushed were not asked for")
	}
	return c
}

// edge reports whether an instant lies so near to the end of what was read of a
// type that what belongs to it may lie behind that end.
func (t *tracer) edge(typ string, at time.Time) bool {
	const near = 15 * time.Minute
	for i := range t.inv.Coverage {
		for _, a := range t.inv.Coverage[i].Asks {
			if slices.Contains(a.Types, typ) && a.Span != nil && !at.IsZero() && at.After(a.Span.To.Add(-near)) {
				return true
			}
		}
	}
	return false
}

// judge answers the three questions from what is known.
func (d *Deployment) judge() {
	d.ReviewedByOther = Nothing
	for i := range d.Changes {
		c := &d.Changes[i]
		for _, p := range c.Wrote.People {
			d.Wrote.add(p)
		}
		for _, p := range c.Reviewed.People {
			d.Reviewed.add(p)
		}
		d.Wrote.doubt(c.Wrote.Unknown)
		d.Reviewed.doubt(c.Reviewed.Unknown)
		d.ReviewedByOther = worse(d.ReviewedByOther, c.reviewed())
	}
	d.Wrote.doubt(d.Gap)
	d.Reviewed.doubt(d.Gap)
	if d.Gap != "" {
		d.ReviewedByOther = worse(d.ReviewedByOther, Unknown)
	}
	d.ApprovedByOther = apart(d.Approved, d.Wrote)
	d.DeployedByOther = apart(d.Deployed, d.Wrote)
	if len(d.Changes) == 0 && d.Gap == "" {
		// Nobody wrote anything that is new: there is no author to be another than.
		d.ApprovedByOther, d.DeployedByOther = Nothing, Nothing
	}
}

// worse joins two answers: one No decides, then one Unknown.
func worse(a, b Fact) Fact {
	for _, f := range []Fact{No, Unknown, Yes} {
		if a == f || b == f {
			return f
		}
	}
	return Nothing
}

// reviewed answers for one change. A change without a pull request was not
// reviewed in one.
func (c *Change) reviewed() Fact {
	switch {
	case c.Unknown != "":
		return Unknown
	case c.PullRequest == "":
		return No
	}
	return apart(c.Reviewed, c.Wrote)
}

// apart answers whether one of those who acted is none of the authors. Accounts
// of two directories, such as a login of GitHub and a user of Azure DevOps, may
// be the same person's and cannot be compared.
func apart(acted, authors Who) Fact {
	other, open := false, authors.Unknown != "" && len(acted.People) > 0
	for _, p := range acted.People {
		if slices.ContainsFunc(authors.People, p.same) {
			continue
		}
		if slices.ContainsFunc(authors.People, func(a Person) bool { return a.space != p.space }) {
			open = true
			continue
		}
		other = true
	}
	switch {
	case other && authors.Unknown == "":
		return Yes
	case other, acted.Unknown != "":
		return Unknown // an author that is not known may be the same account
	case open && !all(acted.People, authors.People):
		return Unknown
	}
	return No
}

// all reports whether each of some accounts is one of the others.
func all(some, others []Person) bool {
	return !slices.ContainsFunc(some, func(p Person) bool { return !slices.ContainsFunc(others, p.same) })
}

func succeeded(result string) bool {
	switch strings.ToLower(result) {
	case "succeeded", "succeededwithissues", "partiallysucceeded", "success", "inactive":
		return true
	}
	return false
}

// text reads a string or number; empty where it was not observed.
func text(v jsontape.Value, members ...string) string {
	for _, m := range members {
		v = v.Get(m)
	}
	switch v.Kind() {
	case jsontape.String:
		return v.Str()
	case jsontape.Number:
		return v.NumberText()
	}
	return ""
}

func instant(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// person makes an account of what a record says; the first name that there is
// is the one shown.
func person(space string, names ...string) Person {
	p := Person{space: space}
	for _, n := range names {
		if n == "" {
			continue
		}
		if p.Name == "" {
			p.Name = n
		}
		p.keys = append(p.keys, strings.ToLower(n))
	}
	return p
}

// know makes the keys of an account one: a sign-in name, a mail address and an
// id name the same.
func (t *tracer) know(p Person) {
	for _, k := range p.keys {
		a, b := t.root(p.keys[0]), t.root(k)
		t.accounts[a], t.accounts[b] = min(a, b), min(a, b)
	}
}

// root is the key that stands for an account.
func (t *tracer) root(k string) string {
	for range len(t.accounts) + 1 {
		up, ok := t.accounts[k]
		if !ok || up == k {
			return k
		}
		k = up
	}
	return k
}

// resolve gives every account the key that stands for it, and joins those that
// are one.
func (t *tracer) resolve(all ...*Who) {
	for _, w := range all {
		people := w.People
		w.People = nil
		for _, p := range people {
			keys := slices.Clone(p.keys)
			for _, k := range p.keys {
				keys = append(keys, t.root(k))
			}
			p.keys = keys
			w.add(p)
		}
	}
}
