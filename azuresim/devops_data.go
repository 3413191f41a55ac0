// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// obj is a JSON object that is made up; its members are served in the order of
// their names.
type obj = map[string]any

// change is one pull request, of either service.
type change struct {
	n               int
	title           string
	author, by      string
	created, merged time.Time
	status          string // completed, active, abandoned
	target          string
	bypass          string
	reviews         []verdict
	head, merge     string // commits
}

// verdict is one review.
type verdict struct {
	who, vote string
	at        time.Time
}

// voters are those of a repository who write or review, by turns.
func (s *Sim) voters(names []string) []string {
	if len(names) > 0 {
		return names
	}
	for i := range s.people {
		if names = append(names, s.people[i].Name); len(names) == 6 {
			break
		}
	}
	if len(names) < 2 {
		names = append(names, "Dana Developer", "Rae Reviewer")
	}
	return names
}

// changes makes a repository's pull requests: those by hand and as many as were
// counted, spread over the time, of which so many have no review, one by their
// author only, or went past the rules.
func (s *Sim) changes(r *Repository, key string) []change {
	p := &r.PullRequests
	from, to := s.span(p.From, p.To, 180)
	authors, reviewers := s.voters(p.Authors), s.voters(p.Reviewers)
	target := first(r.DefaultBranch, "main")
	var out []change
	for i := range p.Count {
		c := change{title: fmt.Sprintf("Change %d of %s", i+1, r.Name), status: "completed", target: target}
		c.author = authors[i%len(authors)]
		c.merged = from.Add(to.Sub(from) / time.Duration(p.Count) * time.Duration(i)).Truncate(time.Second)
		c.created = c.merged.Add(-26 * time.Hour)
		who := other(reviewers, c.author, i)
		c.by = who
		// Every n-th is as counted, so that they lie apart.
		switch turn := i * 7 % p.Count; {
		case turn < p.Unreviewed:
			c.by = c.author
		case turn < p.Unreviewed+p.SelfApproved:
			c.by, c.reviews = c.author, []verdict{{c.author, "approved", c.merged.Add(-time.Hour)}}
		case turn < p.Unreviewed+p.SelfApproved+p.Bypassed:
			c.by, c.bypass, c.reviews = c.author, "hot fix", []verdict{{who, "waiting", c.merged.Add(-2 * time.Hour)}}
		default:
			c.reviews = []verdict{{who, "approved", c.merged.Add(-time.Hour)}}
		}
		out = append(out, c)
	}
	for i := range p.Items {
		it := &p.Items[i]
		c := change{
			n: it.ID, title: it.Title, author: it.Author, by: it.By, created: s.at(it.Created), merged: s.at(it.Merged),
			status: first(it.Status, "completed"), target: first(it.Target, target), bypass: it.Bypass,
		}
		for _, v := range it.Reviews {
			c.reviews = append(c.reviews, verdict{v.Who, first(v.Vote, "approved"), s.at(v.At)})
		}
		out = append(out, c)
	}
	slices.SortStableFunc(out, func(a, b change) int { return a.created.Compare(b.created) })
	for i := range out {
		c := &out[i]
		c.n = first(c.n, 1+i)
		c.head, c.merge = s.sha(key, r.Name, strconv.Itoa(c.n), "head"), s.sha(key, r.Name, strconv.Itoa(c.n), "merge")
	}
	return out
}

// other takes the i-th name that is not the author.
func other(names []string, author string, i int) string {
	for k := range names {
		if n := names[(i+k)%len(names)]; n != author {
			return n
		}
	}
	return author
}

// span is the time that something covers, days back from now unless given.
func (s *Sim) span(from, to When, days int) (time.Time, time.Time) {
	f, t := s.at(from), s.at(to)
	if t.IsZero() {
		t = s.epoch
	}
	if f.IsZero() {
		f = t.AddDate(0, 0, -days)
	}
	return f, t
}

// sha makes the id of a commit.
func (s *Sim) sha(parts ...string) string {
	h := s.hash(parts...)
	return hex.EncodeToString(h[:20])
}

// stamp writes a time as Azure DevOps does; none is left out by its caller.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }

// who is a person or application as Azure DevOps shows identities.
func (s *Sim) who(name string) obj {
	id := s.guid("devops identity", strings.ToLower(name))
	return obj{
		"id": id, "displayName": name, "uniqueName": s.address(name), "descriptor": s.descriptor(name),
		"url": "https://vssps.dev.azure.com/_apis/Identities/" + id, "isAadIdentity": true,
	}
}

// address is a person's user principal name.
func (s *Sim) address(name string) string {
	for i := range s.people {
		if strings.EqualFold(s.people[i].Name, name) {
			return s.people[i].UPN
		}
	}
	return strings.ToLower(strings.ReplaceAll(name, " ", ".")) + "@" + s.domain()
}

func (s *Sim) descriptor(name string) string {
	return "aad." + s.sha("descriptor", strings.ToLower(name))
}

// run is one run of a pipeline.
type run struct {
	n           int
	pipeline    *Pipeline
	of          change
	at          time.Time
	failed      bool
	environment string
	unapproved  bool
}

// brought is what a run takes: the change that was merged last before it. A run
// before all of them takes the first: there is no other commit.
func brought(of []change, at time.Time) change {
	var last change
	for i := range of {
		if c := &of[i]; c.status == "completed" && !c.merged.After(at) && (last.merge == "" || c.merged.After(last.merged)) {
			last = *c
		}
	}
	if last.merge == "" && len(of) > 0 {
		return of[0]
	}
	return last
}

// runs makes a pipeline's runs over the changes of its repository.
func (s *Sim) runs(p *Pipeline, of []change, firstNumber int) []run {
	from, to := s.span(p.From, p.To, 25)
	var out []run
	for i := range p.Runs {
		r := run{n: firstNumber + i, pipeline: p, environment: p.Environment}
		r.at = from.Add(to.Sub(from) / time.Duration(p.Runs) * time.Duration(i)).Truncate(time.Second)
		r.of = brought(of, r.at)
		r.failed = p.FailEvery > 0 && (i+1)%p.FailEvery == 0
		r.unapproved = i*7%p.Runs < p.Unapproved
		out = append(out, r)
	}
	if p.Keeps > 0 {
		old := s.Now().Add(-time.Duration(p.Keeps))
		out = slices.DeleteFunc(out, func(r run) bool { return r.at.Before(old) })
	}
	return out
}

// hides reports whether a list is left empty or refused to the identity.
func (s *Sim) hides(host string, paths ...string) bool {
	for i := range s.org.Deny {
		d := &s.org.Deny[i]
		for _, p := range paths {
			if (d.Host == "" || d.Host == host) && (matches(d.Path, p) || strings.Contains(p, "*") && matches(p, d.Path)) {
				return true
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		for _, p := range paths {
			if f.ID == "C27" && (f.Host == "" || f.Host == host) && (matches(f.Path, p) || strings.Contains(p, "*") && matches(p, f.Path)) {
				return true
			}
		}
	}
	return false
}

// within keeps what happened in the time that two query values bound.
func within[T any](rows []T, at func(T) time.Time, from, to string) []T {
	f, okFrom := instant(from)
	t, okTo := instant(to)
	out := make([]T, 0, len(rows))
	for _, r := range rows {
		if w := at(r); (!okFrom || !w.Before(f)) && (!okTo || !w.After(t)) {
			out = append(out, r)
		}
	}
	return out
}

func instant(text string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339, text)
	return t, err == nil
}

// adoNamespace is a security namespace. The bits follow the order of the actions
// in the reference; those that collectors use are known, the others unverified.
// https://learn.microsoft.com/azure/devops/organizations/security/namespace-reference
type adoNamespace struct {
	id, name, root, project string
	actions                 []string
	reads                   int64 // what everybody has who is shown the object
}

var adoNamespaces = []adoNamespace{
	{
		"2e9eb7ed-3c0a-47d4-87c1-0ffdd275fd87", "Git Repositories", "repoV2/", "repoV2/{id}",
		[]string{
			"Administer", "GenericRead", "GenericContribute", "ForcePush", "CreateBranch", "CreateTag", "ManageNote", "PolicyExempt", "CreateRepository", "DeleteRepository",
			"RenameRepository", "EditPolicies", "RemoveOthersLocks", "ManagePermissions", "PullRequestContribute", "PullRequestBypassPolicy",
		},
		2,
	},
	{
		"52d39943-cb85-4d7f-8fa8-c6baac873819", "Project", "$PROJECT", "$PROJECT:vstfs:///Classification/TeamProject/{id}",
		[]string{
			"GENERIC_READ", "GENERIC_WRITE", "DELETE", "PUBLISH_TEST_RESULTS", "ADMINISTER_BUILD", "START_BUILD", "EDIT_BUILD_STATUS", "UPDATE_BUILD", "DELETE_TEST_RESULTS", "VIEW_TEST_RESULTS",
		},
		1 | 512,
	},
	{
		"3e65f728-f8bc-4ecd-8764-7e378b19bfa7", "Collection", "NAMESPACE:", "",
		[]string{"GENERIC_READ", "GENERIC_WRITE", "CREATE_PROJECTS", "TRIGGER_EVENT", "MANAGE_TEMPLATE", "DIAGNOSTIC_TRACE", "SYNCHRONIZE_READ"},
		1,
	},
	{"a6cc6381-a1ca-4b36-b3c1-4e65211e82b6", "AuditLog", "/AllPermissions", "", []string{"Read", "Write", "Manage_Streams", "Delete_Streams"}, 1},
	{"5a27515b-ccd7-42c9-84f1-54c998f03866", "Identity", "$", "{id}", []string{"Read", "Write", "Delete", "ManageMembership", "CreateScope", "RestoreScope"}, 1},
	{
		"33344d9c-fc72-4d6f-aba5-fa317101a7e9", "Build", "$", "{id}",
		[]string{
			"ViewBuilds", "EditBuildQuality", "RetainIndefinitely", "DeleteBuilds", "ManageBuildQualities", "DestroyBuilds", "UpdateBuildInformation", "QueueBuilds", "ManageBuildQueue",
			"StopBuilds", "ViewBuildDefinition", "EditBuildDefinition", "DeleteBuildDefinition", "OverrideBuildCheckInValidation", "AdministerBuildPermissions",
		},
		1 | 1024,
	},
	{
		"c788c23e-1b46-4162-8f5e-d7585343b5de", "ReleaseManagement", "$", "{id}",
		[]string{
			"ViewReleaseDefinition", "EditReleaseDefinition", "DeleteReleaseDefinition", "ManageReleaseApprovers", "ManageReleases", "ViewReleases", "CreateReleases",
			"EditReleaseEnvironment", "DeleteReleaseEnvironment", "AdministerReleasePermissions", "DeleteReleases", "ManageDeployments", "ManageReleaseSettings",
		},
		1 | 32,
	},
	{"83d4c2e6-e57d-4d6e-892b-b87222b7ad20", "Environment", "Environments", "Environments/{id}", []string{"View", "Manage", "ManageHistory", "Administer", "Use", "Create"}, 1},
	{"49b48001-ca20-4adc-8111-5b60c903a50c", "ServiceEndpoints", "endpoints", "endpoints/{id}", []string{"Use", "Administer", "Create", "ViewAuthorization", "ViewEndpoint"}, 16},
	{"b7e84409-6553-448a-bbb2-af228e07cbeb", "Library", "Library", "Library/{id}", []string{"View", "Administer", "Create", "ViewSecrets", "Use", "Owner"}, 1},
	{"101eae8c-1709-47f9-b228-0e476c35b3ba", "DistributedTask", "AgentPools", "", []string{"View", "Manage", "Listen", "AdministerPermissions", "Use", "Create"}, 1},
}

func namespaceOf(id string) *adoNamespace {
	for i := range adoNamespaces {
		if n := &adoNamespaces[i]; strings.EqualFold(n.id, id) {
			return n
		}
	}
	return nil
}

// bit is that of an action; 0 if there is none of the name.
func (n *adoNamespace) bit(action string) int64 {
	for i, a := range n.actions {
		if strings.EqualFold(a, action) {
			return 1 << i
		}
	}
	return 0
}

func (c *adoCall) namespaces() {
	var out []any
	for _, n := range adoNamespaces {
		actions := []any{}
		for i, a := range n.actions {
			actions = append(actions, obj{"bit": 1 << i, "name": a, "displayName": a, "namespaceId": n.id})
		}
		write := int64(1) << (len(n.actions) - 1)
		if n.name == "Git Repositories" {
			write = n.bit("ManagePermissions")
		}
		out = append(out, obj{"namespaceId": n.id, "name": n.name, "readPermission": n.reads & -n.reads, "writePermission": write, "actions": actions})
	}
	c.list(out, "")
}

// grants are what the caller may do in a namespace beyond reading, by token.
func (c *adoCall) grants(n *adoNamespace) map[string]int64 {
	id := (*Identity)(nil)
	if t := callOf(c.r).client; t != nil {
		id = t.identity
	}
	if id == nil {
		return nil
	}
	out := map[string]int64{}
	for _, g := range id.DevOps {
		if !strings.EqualFold(g.Namespace, n.name) {
			continue
		}
		token := first(g.At, n.root)
		name, repo, _ := strings.Cut(g.At, "/")
		if p := c.org.find(name); p != nil && n.project != "" {
			token = strings.ReplaceAll(n.project, "{id}", p.id)
			for _, r := range p.repos {
				if strings.EqualFold(r.Name, repo) {
					token += "/" + r.id
				}
			}
		}
		for _, a := range g.Allow {
			out[token] |= n.bit(a)
		}
	}
	return out
}

// evaluated says whether the caller has all of the bits at a token: to read what
// it is shown, and else what it was granted there or above.
func (c *adoCall) evaluated(namespace, token string, bits int64) bool {
	n := namespaceOf(namespace)
	if n == nil || bits == 0 {
		return c.allowed(namespace, token)
	}
	if bits&n.reads != 0 && !c.allowed(namespace, token) {
		return false
	}
	for at, allow := range c.grants(n) {
		if strings.EqualFold(at, n.root) || strings.HasPrefix(strings.ToLower(token), strings.ToLower(at)) {
			bits &^= allow
		}
	}
	return bits&^n.reads == 0
}

// accessControl lists who may do what: in repositories, who is allowed to
// bypass has the bits 128 and 32768.
func (c *adoCall) accessControl() {
	n := namespaceOf(c.args[0])
	if n == nil {
		c.missing("InvalidSecurityNamespaceException", "The security namespace "+c.args[0]+" does not exist.")
		return
	}
	var out []any
	entry := func(token, domain string, allow map[string]int64) {
		aces := obj{}
		for name, bits := range allow {
			d := "Microsoft.TeamFoundation.Identity;S-1-9-" + c.s.sha("sid", domain, name)[:20]
			aces[d] = obj{"descriptor": d, "allow": bits, "deny": 0, "extendedInfo": obj{"effectiveAllow": bits}}
		}
		out = append(out, obj{"inheritPermissions": true, "token": token, "includeExtendedInfo": true, "acesDictionary": aces})
	}
	git := n.name == "Git Repositories"
	all := int64(1)<<len(n.actions) - 1
	if !git {
		entry(n.root, c.org.Name, map[string]int64{"Project Collection Administrators": all, "Project Collection Valid Users": n.reads})
	}
	for _, p := range c.org.projects {
		for _, r := range p.repos {
			if git {
				allow := map[string]int64{"Contributors": 2 | 4 | 16384}
				for _, who := range r.Protection.BypassAllowed {
					allow[who] = 2 | 4 | 128 | 32768
				}
				entry("repoV2/"+p.id+"/"+r.id, p.Name, allow)
			}
		}
		if !git && n.project != "" {
			entry(strings.ReplaceAll(n.project, "{id}", p.id), p.Name, map[string]int64{p.Name + " Administrators": all, p.Name + " Readers": n.reads})
		}
	}
	granted := c.grants(n)
	for _, token := range slices.Sorted(maps.Keys(granted)) {
		entry(token, c.org.Name, map[string]int64{"the caller": granted[token]})
	}
	c.list(out, "")
}
