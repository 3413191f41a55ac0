// SPDX-License-Identifier: Apache-2.0

package work

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/collect"
)

// securityNamespace guards one kind of object of Azure DevOps. What its bits
// mean the service says itself; which of them read is said here, by name, and
// all others count as writing.
type securityNamespace struct {
	id, name string
	// tokens are those of the organisation, projects those of a project, in which
	// {id} is the project's. Where the reference names none, the access control
	// lists of the service have it.
	tokens, projects []string
	// lists says that there are access control lists below, for single objects,
	// which are read to find where else something is granted.
	lists bool
	reads []string
}

// securityNamespaces are those by which code, its rules, what is built and
// deployed, who is in which group, and the audit log can be changed. Work items,
// boards, queries, dashboards, TFVC and extensions are not looked at.
// https://learn.microsoft.com/azure/devops/organizations/security/namespace-reference
// The tokens of service connections, environments and the library are those of
// Microsoft's Terraform provider, not of that page: a wrong one evaluates to
// false, and the lists have the right one.
var securityNamespaces = []securityNamespace{
	{id: "3e65f728-f8bc-4ecd-8764-7e378b19bfa7", name: "Collection", lists: true, reads: []string{"GENERIC_READ", "SYNCHRONIZE_READ"}},
	{id: "a6cc6381-a1ca-4b36-b3c1-4e65211e82b6", name: "AuditLog", tokens: []string{"/AllPermissions"}, reads: []string{"Read"}},
	{
		id: "52d39943-cb85-4d7f-8fa8-c6baac873819", name: "Project", tokens: []string{"$PROJECT"}, projects: []string{"$PROJECT:vstfs:///Classification/TeamProject/{id}"},
		lists: true, reads: []string{"GENERIC_READ", "VIEW_TEST_RESULTS"},
	},
	{id: "5a27515b-ccd7-42c9-84f1-54c998f03866", name: "Identity", projects: []string{"{id}"}, reads: []string{"Read"}},
	{id: "2e9eb7ed-3c0a-47d4-87c1-0ffdd275fd87", name: "Git Repositories", projects: []string{"repoV2/{id}"}, lists: true, reads: []string{"GenericRead"}},
	{id: "33344d9c-fc72-4d6f-aba5-fa317101a7e9", name: "Build", projects: []string{"{id}"}, lists: true, reads: []string{"ViewBuilds", "ViewBuildDefinition"}},
	{id: "c788c23e-1b46-4162-8f5e-d7585343b5de", name: "ReleaseManagement", projects: []string{"{id}"}, lists: true, reads: []string{"ViewReleaseDefinition", "ViewReleases"}},
	{id: "83d4c2e6-e57d-4d6e-892b-b87222b7ad20", name: "Environment", projects: []string{"Environments/{id}"}, lists: true, reads: []string{"View"}},
	{id: "49b48001-ca20-4adc-8111-5b60c903a50c", name: "ServiceEndpoints", projects: []string{"endpoints/{id}"}, lists: true, reads: []string{"ViewAuthorization", "ViewEndpoint"}},
	{id: "b7e84409-6553-448a-bbb2-af228e07cbeb", name: "Library", projects: []string{"Library/{id}"}, lists: true, reads: []string{"View", "ViewSecrets"}},
}

const (
	devOpsOrganisations = "tenant/devopsOrganizations"
	evaluationsAtOnce   = 100 // how many one request may hold is not documented
)

// listAsk names the question for the access control lists.
func (n *securityNamespace) listAsk() string {
	return "lists-" + strings.ToLower(strings.ReplaceAll(n.name, " ", "-"))
}

// devOpsAsk makes a question that is put once for each organisation.
func devOpsAsk(name, about, path, query string) collect.Ask {
	return collect.Ask{
		Name: name, About: about, Of: []string{devOpsOrganisations}, Host: collect.HostDevOps, Path: path, Query: query, APIVersion: "7.1",
		Form: "graphCollection", Entity: "devops/" + name, Identity: "#", Pace: collect.PaceDevOps, NotOffered: []string{"usGovernment", "china"},
	}
}

func devOpsSource(asks []collect.Ask) collect.Source {
	return collect.Source{Name: "devops", Title: "Azure DevOps", Asks: asks, Scope: func(s *collect.Subject) string {
		for ; s != nil; s = s.Of {
			if s.Type == devOpsOrganisations {
				return s.Name
			}
		}
		return ""
	}}
}

// devOpsPlaces asks what there is to have rights on: what the bits mean, the
// projects, and where something is granted to anybody.
// https://learn.microsoft.com/rest/api/azure/devops/security/security-namespaces/query
// https://learn.microsoft.com/rest/api/azure/devops/security/access-control-lists/query
func devOpsPlaces() collect.Source {
	projects := devOpsAsk("projects", "projects of the organisation", "/{name}/_apis/projects", "stateFilter=wellFormed&$top=100")
	projects.Paging, projects.PageSize, projects.Identity = collect.PageContinuation, 100, "id"
	asks := []collect.Ask{devOpsAsk("namespaces", "what the bits of permissions mean", "/{name}/_apis/securitynamespaces", ""), projects}
	for i := range securityNamespaces {
		if n := &securityNamespaces[i]; n.lists {
			asks = append(asks, devOpsAsk(n.listAsk(), "where something is granted in "+n.name,
				"/{name}/_apis/accesscontrollists/"+n.id, "recurse=true&includeExtendedInfo=false"))
		}
	}
	return devOpsSource(asks)
}

// evaluation is one bit of a namespace for one token, as the service is asked
// and as it answers.
type evaluation struct {
	Namespace  string `json:"securityNamespaceId"`
	Token      string `json:"token"`
	Permission int64  `json:"permissions"`
	Value      *bool  `json:"value,omitempty"`

	what, where string
}

func (e *evaluation) key() string {
	return strings.ToLower(fmt.Sprint(e.Namespace, "\x00", e.Token, "\x00", e.Permission))
}

// devOpsOrg is what an organisation said of itself.
type devOpsOrg struct {
	names    map[string]map[int64]string // of bits, by namespace
	projects []project
	granted  map[string]map[string]int64 // bits that anybody is allowed, by namespace and token
}

type project struct{ ID, Name string }

// devopsWriter says what the identity can change in the organisations of Azure
// DevOps: the service evaluates every permission beyond reading at the tokens of
// the organisation, of each project, and wherever below something is granted.
// Administrators count as able.
// https://learn.microsoft.com/rest/api/azure/devops/security/permissions/has-permissions-batch
func devopsWriter(ctx context.Context, o collect.Options) (why, shown string, err error) {
	if o.Endpoints.URL[collect.HostDevOps] == "" {
		return "", "Azure DevOps is not offered in this cloud", nil
	}
	o.Scopes = nil
	orgs := map[string]*devOpsOrg{}
	if err := askAccess(ctx, devOpsPlaces(), o, func(s *tickmark.Snapshot) { why = devOpsRead(s, orgs) }); err != nil || why != "" {
		return why, "", err
	}
	names := sortedNames(orgs)
	if len(names) == 0 {
		return "no organisation of Azure DevOps was named, so what it may do there was not asked", "", nil
	}
	var asks []collect.Ask
	wanted := map[string][]evaluation{}
	for _, name := range names {
		list, problem := orgs[name].evaluations(name)
		if problem != "" {
			return problem, "", nil
		}
		wanted[name] = list
		for part := range slices.Chunk(list, evaluationsAtOnce) {
			a, err := evaluate(fmt.Sprintf("evaluations-%d", len(asks)+1), name, part)
			if err != nil {
				return "", "", err
			}
			asks = append(asks, a)
		}
	}
	err = askAccess(ctx, devOpsSource(asks), o, func(s *tickmark.Snapshot) { why, shown = devOpsJudge(s, names, wanted) })
	return why, shown, err
}

// evaluate makes the question for some evaluations in an organisation.
func evaluate(name, org string, part []evaluation) (collect.Ask, error) {
	b, err := json.Marshal(map[string]any{"alwaysAllowAdministrators": true, "evaluations": part})
	if err != nil {
		return collect.Ask{}, err
	}
	a := devOpsAsk(name, "what the identity may do beyond reading", "/{name}/_apis/security/permissionevaluationbatch", "")
	// A brace in a token is no place for a value.
	a.Method, a.Body, a.List = "POST", strings.ReplaceAll(string(b), "{", "\x00"), "evaluations"
	a.Body = strings.ReplaceAll(a.Body, "\x00\"", `{"`)
	a.Body = strings.ReplaceAll(a.Body, "\x00", `\u007b`)
	a.Where = func(s *collect.Subject) bool { return s.Name == org }
	return a, nil
}

func sortedNames[V any](m map[string]V) []string {
	var out []string
	for n := range m {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// rowsOf reads the items of a page; it reports false where one has another form.
func rowsOf[T any](p *tickmark.Page, each func(T)) bool {
	for _, it := range p.Items {
		var v T
		if json.Unmarshal(p.Bytes[it.Off:it.Off+it.Len], &v) != nil {
			return false
		}
		each(v)
	}
	return true
}

// devOpsRead takes what the organisations said of themselves; why says what is
// missing.
func devOpsRead(s *tickmark.Snapshot, orgs map[string]*devOpsOrg) (why string) {
	if why = unanswered(s); why != "" {
		return why
	}
	for i := range s.Segments {
		seg := &s.Segments[i]
		for k := range seg.Pages {
			org := orgs[seg.Scope]
			if org == nil {
				org = &devOpsOrg{names: map[string]map[int64]string{}, granted: map[string]map[string]int64{}}
				orgs[seg.Scope] = org
			}
			if p := &seg.Pages[k]; !org.take(p) {
				return "what it may do cannot be read in the answer to " + p.Ask + " of " + seg.Scope
			}
		}
	}
	return ""
}

func (org *devOpsOrg) take(p *tickmark.Page) bool {
	switch p.Ask {
	case "namespaces":
		type namespace struct {
			ID      string `json:"namespaceId"`
			Actions []struct {
				Bit  int64  `json:"bit"`
				Name string `json:"name"`
			} `json:"actions"`
		}
		return rowsOf(p, func(n namespace) {
			bits := map[int64]string{}
			for _, a := range n.Actions {
				bits[a.Bit] = a.Name
			}
			org.names[strings.ToLower(n.ID)] = bits
		})
	case "projects":
		return rowsOf(p, func(v project) { org.projects = append(org.projects, v) })
	}
	i := slices.IndexFunc(securityNamespaces, func(n securityNamespace) bool { return n.listAsk() == p.Ask })
	if i < 0 {
		return false
	}
	type list struct {
		Token   string `json:"token"`
		Entries map[string]struct {
			Allow int64 `json:"allow"`
		} `json:"acesDictionary"`
	}
	tokens := org.granted[securityNamespaces[i].id]
	if tokens == nil {
		tokens = map[string]int64{}
		org.granted[securityNamespaces[i].id] = tokens
	}
	return rowsOf(p, func(l list) {
		var allow int64
		for _, e := range l.Entries {
			allow |= e.Allow
		}
		tokens[l.Token] |= allow
	})
}

// evaluations are all that the identity might be able to change; problem says
// what the service left out.
func (org *devOpsOrg) evaluations(name string) (out []evaluation, problem string) {
	if len(org.projects) == 0 {
		return nil, "it sees no project of " + name + ", and what it may do there cannot be asked"
	}
	for i := range securityNamespaces {
		n := &securityNamespaces[i]
		bits := org.names[n.id]
		if len(bits) == 0 {
			return nil, name + " does not say what the permissions of " + n.name + " are"
		}
		if n.lists && len(org.granted[n.id]) == 0 {
			return nil, name + " shows nobody's permissions of " + n.name + ", so where it has some cannot be asked"
		}
		asked := map[string]bool{}
		add := func(token, where string, mask int64) {
			if asked[strings.ToLower(token)] {
				return
			}
			asked[strings.ToLower(token)] = true
			for bit := int64(1); bit > 0; bit <<= 1 {
				what := bits[bit]
				switch {
				case mask&bit == 0, slices.Contains(n.reads, what):
					continue
				case what == "":
					what = fmt.Sprintf("permission %d", bit)
				}
				out = append(out, evaluation{Namespace: n.id, Token: token, Permission: bit, what: n.name + ": " + what, where: where})
			}
		}
		var all int64
		for bit := range bits {
			all |= bit
		}
		for _, t := range n.tokens {
			add(t, name, all)
		}
		for _, p := range org.projects {
			for _, t := range n.projects {
				add(strings.ReplaceAll(t, "{id}", p.ID), name+"/"+p.Name, all)
			}
		}
		for _, t := range sortedNames(org.granted[n.id]) {
			add(t, org.place(name, t), org.granted[n.id][t])
		}
	}
	return out, ""
}

// place names where a token is: its project, if it holds the id of one.
func (org *devOpsOrg) place(name, token string) string {
	for _, p := range org.projects {
		if p.ID != "" && strings.Contains(strings.ToLower(token), strings.ToLower(p.ID)) {
			return name + "/" + p.Name + " (" + token + ")"
		}
	}
	return name + " (" + token + ")"
}

// devOpsJudge reads what the service evaluated. Each evaluation must be answered
// as it was asked.
func devOpsJudge(s *tickmark.Snapshot, names []string, wanted map[string][]evaluation) (why, shown string) {
	if why = unanswered(s); why != "" {
		return why, ""
	}
	answers := map[string]map[string]bool{}
	for i := range s.Segments {
		seg := &s.Segments[i]
		got := answers[seg.Scope]
		if got == nil {
			got = map[string]bool{}
			answers[seg.Scope] = got
		}
		for k := range seg.Pages {
			if !rowsOf(&seg.Pages[k], func(e evaluation) {
				if e.Value != nil {
					got[e.key()] = got[e.key()] || *e.Value
				}
			}) {
				return "what it may do cannot be read in the evaluation of " + seg.Scope, ""
			}
		}
	}
	var can []string
	asked := 0
	places := map[string]bool{}
	for _, name := range names {
		for i := range wanted[name] {
			e := &wanted[name][i]
			yes, ok := answers[name][e.key()]
			if !ok {
				return fmt.Sprintf("whether it has %s in %s was not answered", e.what, e.where), ""
			}
			if yes {
				can = append(can, e.what+" in "+e.where)
			}
			asked, places[name+"\x00"+e.Token] = asked+1, true
		}
	}
	switch {
	case asked == 0:
		return "no permission beyond reading was evaluated", ""
	case len(can) > 3:
		return fmt.Sprintf("%s, and %d more", strings.Join(can[:3], "; "), len(can)-3), ""
	case len(can) > 0:
		return strings.Join(can, "; "), ""
	}
	return "", fmt.Sprintf("the service evaluates all %d permissions beyond reading, at %d places in %s, to false", asked, len(places), strings.Join(names, ", "))
}
