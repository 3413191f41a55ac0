// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"encoding/hex"
	"fmt"
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

// runs makes a pipeline's runs over the changes of its repository.
func (s *Sim) runs(p *Pipeline, of []change, firstNumber int) []run {
	from, to := s.span(p.From, p.To, 25)
	var out []run
	for i := range p.Runs {
		r := run{n: firstNumber + i, pipeline: p, environment: p.Environment}
		r.at = from.Add(to.Sub(from) / time.Duration(p.Runs) * time.Duration(i)).Truncate(time.Second)
		if len(of) > 0 {
			r.of = of[i%len(of)]
		}
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
			if (d.Host == "" || d.Host == host) && matches(d.Path, p) {
				return true
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		for _, p := range paths {
			if f.ID == "C27" && (f.Host == "" || f.Host == host) && matches(f.Path, p) {
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
