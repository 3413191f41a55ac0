// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

func init() {
	register("github", hostDef{
		handler: (*Sim).githubHandler, audiences: []string{"https://api.github.com"}, empty: `[]`,
		failure: func(code, message string) []byte {
			// GitHub has no codes: the message is what there is.
			return fmt.Appendf(nil, `{"message":%s,"documentation_url":"https://docs.github.com/rest","status":%s}`, quote(message), quote(code))
		},
		open: func(*http.Request) bool { return true },
	})
}

// hub is one organisation of GitHub, made up.
type hub struct {
	*GitHubOrganisation
	id    int
	repos []*hubRepo
}

type hubRepo struct {
	*Repository
	id      int
	changes []change
	runs    []run
}

// hubCall is a request to GitHub that has been taken apart.
type hubCall struct {
	s    *Sim
	w    http.ResponseWriter
	r    *http.Request
	org  *hub
	repo *hubRepo
	args []string
}

type hubRoute struct {
	path  string // below the organisation or repository
	repo  bool
	serve func(c *hubCall)
}

func (s *Sim) githubHandler() http.Handler {
	orgs := map[string]*hub{}
	for i := range s.org.GitHub {
		o := &s.org.GitHub[i]
		h := &hub{GitHubOrganisation: o, id: s.serialOf("organisation", o.Name)}
		for k := range o.Repositories {
			r := &hubRepo{Repository: &o.Repositories[k], id: s.serialOf("repository", o.Name, o.Repositories[k].Name)}
			r.changes = s.changes(r.Repository, o.Name)
			for p := range r.Pipelines {
				r.runs = append(r.runs, s.runs(&r.Pipelines[p], r.changes, 7000000+10000*(p+1))...)
			}
			h.repos = append(h.repos, r)
		}
		orgs[strings.ToLower(o.Name)] = h
	}
	routes := slices.Concat(githubOrganisationRoutes(), githubRepositoryRoutes(), githubChangeRoutes())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &hubCall{s: s, w: w, r: r}
		if c.asApp(orgs) {
			return
		}
		t, problem := s.bearerOf(r, "https://api.github.com")
		if problem != "" {
			s.fail(w, r, http.StatusUnauthorized, "401", "Bad credentials")
			return
		}
		callOf(r).client = t
		c.states(t)
		if !c.limited() {
			return
		}
		seg := strings.Split(strings.Trim(r.URL.EscapedPath(), "/"), "/")
		switch {
		case r.URL.Path == "/rate_limit":
			c.one(obj{"rate": obj{"limit": 5000}})
			return
		case r.URL.Path == "/installation/repositories":
			c.installation(orgs, t.organisation)
			return
		case len(seg) >= 2 && seg[0] == "orgs":
			c.org = orgs[strings.ToLower(seg[1])]
			seg = seg[2:]
		case len(seg) >= 3 && seg[0] == "repos":
			if c.org = orgs[strings.ToLower(seg[1])]; c.org != nil {
				c.repo = c.org.find(unescaped(seg[2]))
			}
			if c.repo == nil || c.repo.Hidden {
				c.org = nil // what is not shown is not there
			}
			seg = seg[3:]
		}
		if c.org == nil {
			c.missing("Not Found")
			return
		}
		if t.organisation != "" && !strings.EqualFold(t.organisation, c.org.Name) {
			s.mu.Lock()
			s.journal.Misdirected++
			s.mu.Unlock()
			if !c.foreign(seg) {
				return
			}
		}
		for k := range routes {
			if t := &routes[k]; t.repo == (c.repo != nil) {
				if args, ok := fits(t.path, seg); ok || t.path == "" && len(seg) == 0 {
					c.args = args
					t.serve(c)
					return
				}
			}
		}
		c.given()
	})
}

// foreign answers the token of another organisation, which sees what everybody
// sees: public repositories, and of members those who say that they are. It
// reports whether the route answers.
func (c *hubCall) foreign(below []string) bool {
	switch rest := strings.Join(below, "/"); {
	case c.repo != nil && c.repo.Visibility == "public":
		return true
	case c.repo != nil:
		c.missing("Not Found")
	case rest == "":
		c.one(obj{"login": c.org.Name, "id": c.org.id, "type": "Organization"})
	case rest == "repos":
		out := []any{}
		for _, r := range c.org.repos {
			if !r.Hidden && r.Visibility == "public" {
				out = append(out, c.repository(r))
			}
		}
		c.rows(out)
	case rest == "members":
		c.rows(nil)
	default:
		c.s.fail(c.w, c.r, http.StatusForbidden, "403", "Resource not accessible by integration")
	}
	return false
}

// serialOf makes a number as GitHub has them.
func (s *Sim) serialOf(parts ...string) int {
	h := s.hash(parts...)
	return 100000000 + int(binary.BigEndian.Uint32(h[:4])>>1)
}

func (h *hub) find(name string) *hubRepo {
	for _, r := range h.repos {
		if strings.EqualFold(r.Name, name) {
			return r
		}
	}
	return nil
}

// limited counts against the 5,000 requests an hour of an installation, and
// says in every answer what is left.
func (c *hubCall) limited() bool {
	const budget = 5000
	left, wait := c.s.spend("github", budget, budget/3600.0)
	h := c.w.Header()
	h.Set("X-GitHub-Media-Type", "github.v3; format=json")
	h.Set("X-GitHub-Api-Version-Selected", first(c.r.Header.Get("X-GitHub-Api-Version"), "2022-11-28"))
	h.Set("X-RateLimit-Limit", strconv.Itoa(budget))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(left))
	h.Set("X-RateLimit-Used", strconv.Itoa(budget-left))
	h.Set("X-RateLimit-Resource", "core")
	reset := c.s.Now().Add(time.Hour)
	if wait > 0 {
		reset = c.s.Now().Add(wait + time.Second)
	}
	h.Set("X-RateLimit-Reset", strconv.FormatInt(reset.Unix(), 10))
	if wait > 0 {
		c.s.fail(c.w, c.r, http.StatusForbidden, "403", "API rate limit exceeded for installation ID 4711.")
		return false
	}
	return true
}

func (c *hubCall) missing(message string) { c.s.fail(c.w, c.r, http.StatusNotFound, "404", message) }

func (c *hubCall) one(v any) { c.s.writeJSON(c.w, c.r, http.StatusOK, v) }

// rows answers with a page of a bare list.
func (c *hubCall) rows(all []any) { c.page(all, "") }

// page answers with a page of rows, inside an object if it has a name, and with
// links to the next and the last page.
func (c *hubCall) page(all []any, name string) {
	all = append(all, c.also()...)
	size := min(max(number(c.r, "per_page", 30), 1), 100)
	if c.s.opts.PageSize > 0 {
		size = min(size, c.s.opts.PageSize)
	}
	page := max(number(c.r, "page", 1), 1)
	win := c.s.windowAt(c.r, page, (page-1)*size, len(all), size)
	if win.Next != "" {
		base := win.base
		if base == "" {
			base = c.s.Endpoint("github")
		}
		q := c.r.URL.Query()
		link := func(n int, rel string) string {
			q.Set("page", strconv.Itoa(n))
			return "<" + base + c.r.URL.EscapedPath() + "?" + q.Encode() + `>; rel="` + rel + `"`
		}
		c.w.Header().Set("Link", link(c.nextPage(win, page, size), "next")+", "+link((len(all)+size-1)/size, "last"))
	}
	part := all[win.From:win.To]
	if part == nil {
		part = []any{}
	}
	if name == "" {
		c.one(part)
		return
	}
	c.one(obj{"total_count": len(all), name: part})
}

// nextPage is the number of the page that the window leads to: a fault may have
// turned it.
func (c *hubCall) nextPage(win window, page, size int) int {
	for n := 1; n <= page+1; n++ {
		if win.Next == pageToken(n, (n-1)*size, 0) {
			return n
		}
	}
	return page + 1
}

// also are records that the file adds: the key is the address below the
// organisation or repository.
func (c *hubCall) also() []any {
	if c.repo != nil {
		_, rest, _ := strings.Cut(strings.TrimPrefix(c.r.URL.Path, "/repos/"+c.org.Name+"/"), "/")
		return values(c.s.rendered(c.repo.Records[rest]))
	}
	if c.org != nil {
		return values(c.s.rendered(c.org.Records[strings.TrimPrefix(c.r.URL.Path, "/orgs/"+c.org.Name+"/")]))
	}
	return nil
}

// given serves records of the file at addresses that have no route of their own.
func (c *hubCall) given() {
	if given := c.also(); len(given) > 0 {
		c.one(given)
		return
	}
	c.missing("Not Found")
}

// user is an account as GitHub shows it.
func (c *hubCall) user(name string) obj {
	login := loginOf(name)
	return obj{"login": login, "id": c.s.serialOf("user", login), "node_id": c.s.sha("user", login)[:12], "type": "User", "site_admin": false, "html_url": "https://github.com/" + login}
}

func loginOf(name string) string { return strings.ToLower(strings.ReplaceAll(name, " ", "-")) }

// iso writes a time as GitHub does.
func iso(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

func githubOrganisationRoutes() []hubRoute {
	people := func(names func(c *hubCall) []string) func(c *hubCall) {
		return func(c *hubCall) {
			out := []any{}
			for _, n := range names(c) {
				out = append(out, c.user(n))
			}
			c.rows(out)
		}
	}
	return []hubRoute{
		{"", false, (*hubCall).organisation},
		{"members", false, people(func(c *hubCall) []string {
			switch {
			case parameter(c.r, "filter") == "2fa_disabled" && c.org.TwoFactorRequired:
				return nil
			case parameter(c.r, "filter") == "2fa_disabled":
				return c.everyone()[:min(1, len(c.everyone()))]
			case parameter(c.r, "role") == "admin":
				return c.org.Owners
			}
			return c.everyone()
		})},
		{"outside_collaborators", false, people(func(*hubCall) []string { return []string{"Contractor One"} })},
		{"teams", false, func(c *hubCall) {
			c.rows([]any{
				obj{"id": 1, "name": "Developers", "slug": "developers", "privacy": "closed", "permission": "push"},
				obj{"id": 2, "name": "Release", "slug": "release", "privacy": "secret", "permission": "maintain"},
			})
		}},
		{"teams/*/members", false, people((*hubCall).everyone)},
		{"installations", false, func(c *hubCall) {
			c.page([]any{obj{
				"id": c.installationID(c.org), "app_slug": "collector", "app_id": 42, "target_type": "Organization", "repository_selection": c.selection(),
				"permissions": c.org.permissions(),
			}}, "installations")
		}},
		{"repos", false, func(c *hubCall) {
			out := []any{}
			for _, r := range c.org.repos {
				if !r.Hidden {
					out = append(out, c.repository(r))
				}
			}
			c.rows(out)
		}},
		{"audit-log", false, (*hubCall).auditLog},
		{"actions/permissions", false, func(c *hubCall) {
			c.one(obj{"enabled_repositories": "all", "allowed_actions": "selected", "sha_pinning_required": false})
		}},
		{"actions/permissions/workflow", false, func(c *hubCall) {
			c.one(obj{"default_workflow_permissions": "read", "can_approve_pull_request_reviews": false})
		}},
	}
}

// everyone are the members, who are the first people unless they are listed.
func (c *hubCall) everyone() []string {
	out := slices.Concat(c.org.Owners, c.org.Members)
	if len(c.org.Members) == 0 {
		out = append(out, c.s.voters(nil)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (c *hubCall) organisation() {
	all := 0
	for _, r := range c.org.repos {
		if r.Visibility != "public" {
			all++
		}
	}
	c.one(obj{
		"login": c.org.Name, "id": c.org.id, "type": "Organization", "two_factor_requirement_enabled": c.org.TwoFactorRequired, "default_repository_permission": "read",
		"members_can_create_repositories": false, "members_can_create_public_repositories": false, "members_can_create_private_repositories": false,
		"members_can_create_internal_repositories": false, "total_private_repos": all, "owned_private_repos": all, "public_repos": len(c.org.repos) - all, "created_at": iso(c.s.epoch.AddDate(-3, 0, 0)),
	})
}

// selection is "selected" where some repositories are not shown.
func (c *hubCall) selection() string {
	if c.s.hides("github", "/orgs/"+c.org.Name+"/repos") || slices.ContainsFunc(c.org.repos, func(r *hubRepo) bool { return r.Hidden }) {
		return "selected"
	}
	return "all"
}

// installation is of the organisation that the token is for, else of the first.
func (c *hubCall) installation(orgs map[string]*hub, of string) {
	if len(c.s.org.GitHub) == 0 {
		c.s.fail(c.w, c.r, http.StatusForbidden, "403", "You must authenticate with an installation access token in order to list repositories for an installation.")
		return
	}
	c.org = orgs[first(of, strings.ToLower(c.s.org.GitHub[0].Name))]
	out, count := []any{}, 0
	for _, r := range c.org.repos {
		if !r.Hidden {
			count++
			if len(out) < number(c.r, "per_page", 30) {
				out = append(out, c.repository(r))
			}
		}
	}
	c.one(obj{"total_count": count, "repository_selection": c.selection(), "repositories": out})
}

func (c *hubCall) auditLog() {
	phrase := strings.TrimPrefix(parameter(c.r, "phrase"), "created:")
	from, to, _ := strings.Cut(phrase, "..")
	var days []time.Time
	for d := 179; d >= 0; d-- {
		days = append(days, c.s.Now().Truncate(24*time.Hour).AddDate(0, 0, -d).Add(8*time.Hour))
	}
	days = within(days, func(t time.Time) time.Time { return t }, from, to)
	out := []any{}
	for _, d := range days {
		who := c.everyone()[d.YearDay()%len(c.everyone())]
		out = append(out, obj{
			"_document_id": c.s.sha("audit", iso(d))[:22], "@timestamp": d.UnixMilli(), "created_at": d.UnixMilli(), "action": "protected_branch.policy_override",
			"actor": loginOf(who), "org": c.org.Name,
		})
	}
	c.rows(out)
}
