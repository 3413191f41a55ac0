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

	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/jsontape"
)

// Person is an account; a human being can have several.
type Person struct {
	// Name is the sign-in name, login or mail address, else what is displayed.
	Name string `json:"name"`
	// keys are all by which another record may name the account, lower-case.
	keys []string
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

func (w *Who) add(p Person) {
	if len(p.keys) == 0 {
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
	// Back says that it went back to a commit that was deployed before.
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
}

// Lacking is a kind of record that was not read whole.
type Lacking struct {
	Type string `json:"type"`
	Why  string `json:"why"`
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
	// pulls are the merged pull requests by repository and the commit that they
	// made.
	pulls map[[2]string]*inventory.Resource
	lacks map[string]string
	// accounts are the keys of the accounts that were read.
	accounts map[string]bool
}

// Of joins the records of an inventory.
func Of(inv *inventory.Inventory) *Trace {
	t := &tracer{inv: inv, steps: map[branch]map[string]step{}, pulls: map[[2]string]*inventory.Resource{}, lacks: map[string]string{}, accounts: map[string]bool{}}
	out := &Trace{Deployments: []Deployment{}, Lacking: []Lacking{}}
	t.indexDevOps()
	t.indexGitHub()
	out.Deployments = append(append(out.Deployments, t.devops()...), t.github()...)
	slices.SortStableFunc(out.Deployments, func(a, b Deployment) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(a.ID, b.ID))
	})
	last := map[string]*Deployment{}
	for i := range out.Deployments {
		d := &out.Deployments[i]
		t.brought(d, last[d.line])
		d.judge()
		if succeeded(d.Result) {
			last[d.line] = d
		}
	}
	slices.Reverse(out.Deployments)
	for _, typ := range recordTypes {
		if why := t.lack(typ); why != "" && t.source(typ) {
			out.Lacking = append(out.Lacking, Lacking{typ, why})
		}
	}
	return out
}

// recordTypes are all that answers rest on.
var recordTypes = []string{
	"devops/deployments", "devops/environments", "devops/runs", "devops/timelineRecords", "devops/environmentApprovals",
	"devops/pushes", "devops/pullRequests", "devops/pullRequestCommits",
	"github/deployments", "github/deploymentStatuses", "github/runs", "github/runApprovals", "github/commits",
	"github/pullRequests", "github/pullRequestDetails", "github/pullRequestCommits", "github/reviews",
}

// source reports whether anything of the type's source was read: an
// organisation without GitHub lacks nothing of GitHub.
func (t *tracer) source(typ string) bool {
	prefix, _, _ := strings.Cut(typ, "/")
	return slices.ContainsFunc(t.inv.Types, func(c inventory.TypeCount) bool { return strings.HasPrefix(c.Type, prefix+"/") })
}

// lack says why absence of a type cannot be concluded; empty if it can.
func (t *tracer) lack(typ string) string {
	why, ok := t.lacks[typ]
	if !ok {
		if whole, reason := t.inv.Complete(typ, ""); !whole {
			why = typ + ": " + reason.Text()
		}
		t.lacks[typ] = why
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
	if d.Commit != before.Commit && reaches(steps, before.Commit, d.Commit) {
		d.Back = true
		return
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
		at = s.from
	}
}

// reaches reports whether to lies behind from.
func reaches(steps map[string]step, from, to string) bool {
	for n := 0; n <= len(steps); n++ {
		if from == to {
			return true
		}
		s, ok := steps[from]
		if !ok {
			return false
		}
		from = s.from
	}
	return false
}

func short(commit string) string { return commit[:min(len(commit), 10)] }

// change says what is known of one step of a branch.
func (t *tracer) change(b branch, commit string) Change {
	c := Change{Commit: commit}
	s, stepped := t.steps[b][commit]
	c.At = s.at
	if p := t.pulls[[2]string{b.repository, commit}]; p != nil {
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
	c.Wrote.add(s.author)
	c.Merged.add(s.by)
	switch why := t.lack(typ); {
	case why != "":
		c.Unknown = "no pull request was found, and they were not all read (" + why + ")"
	case !stepped:
		c.Unknown = "no pull request was found, and how the branch came to this commit was not read"
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
		// Nobody wrote anything; an approval can still be there or not.
		d.DeployedByOther = Nothing
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

// apart answers whether one of those who acted is none of the authors.
func apart(acted, authors Who) Fact {
	other := false
	for _, p := range acted.People {
		if !slices.ContainsFunc(authors.People, p.same) {
			other = true
		}
	}
	switch {
	case other && authors.Unknown == "":
		return Yes
	case other: // an author that is not known may be the same account
		return Unknown
	case acted.Unknown != "":
		return Unknown
	}
	return No
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
func person(names ...string) Person {
	var p Person
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
