// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// audienceDevOps is Azure DevOps as a resource in Entra ID.
const audienceDevOps = "499b84ac-1321-427f-aa17-267ca6975798"

func init() {
	for _, host := range []string{"devops", "devopsGraph", "devopsAudit", "devopsRelease", "devopsEntitlements"} {
		register(host, hostDef{
			handler: (*Sim).devopsHandler, audiences: []string{audienceDevOps}, failure: devopsError, empty: `{"count":0,"value":[]}`,
			// Azure DevOps answers a bad token in its own way: signIn.
			open: func(*http.Request) bool { return true },
		})
	}
}

// devopsError is the form of an error; the code is in typeKey.
func devopsError(code, message string) []byte {
	return fmt.Appendf(nil, `{"$id":"1","innerException":null,"message":%s,"typeName":%s,"typeKey":%s,"errorCode":0,"eventId":3000}`,
		quote(message), quote("Microsoft.TeamFoundation."+code+", Microsoft.TeamFoundation"), quote(code))
}

// ado is one organisation of Azure DevOps, made up.
type ado struct {
	*DevOpsOrganisation
	id       string
	projects []*adoProject
}

// adoCall is a request to Azure DevOps that has been taken apart.
type adoCall struct {
	s       *Sim
	w       http.ResponseWriter
	r       *http.Request
	org     *ado
	project *adoProject
	args    []string // what the stars of the route stand for
}

// route is an address below _apis; * stands for one segment.
type route struct {
	host, path string
	project    bool
	serve      func(c *adoCall)
}

func (s *Sim) devopsHandler() http.Handler {
	orgs := map[string]*ado{}
	for i := range s.org.DevOps {
		o := &s.org.DevOps[i]
		orgs[strings.ToLower(o.Name)] = s.newADO(o)
	}
	routes := slices.Concat(adoOrganisationRoutes(), adoProjectRoutes(), adoChangeRoutes(), adoPipelineRoutes())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.signedIn(w, r) || !s.devopsUnits(w, r) {
			return
		}
		seg := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
		i := slices.Index(seg, "_apis")
		c := &adoCall{s: s, w: w, r: r}
		if c.org = orgs[strings.ToLower(seg[0])]; c.org == nil || i < 1 || i > 2 {
			c.missing("VssServiceException", "TF400898: An Internal Error Occurred.")
			return
		}
		if i == 2 {
			if c.project = c.org.find(seg[1]); c.project == nil || c.project.Hidden {
				c.missing("ProjectDoesNotExistWithNameException", "TF200016: The following project does not exist: "+seg[1]+". Verify that the name of the project is correct and that the project exists on the specified Azure DevOps Server.")
				return
			}
		}
		host := callOf(r).host
		for k := range routes {
			if t := &routes[k]; t.host == host && t.project == (i == 2) {
				if args, ok := fits(t.path, seg[i+1:]); ok {
					c.args = args
					t.serve(c)
					return
				}
			}
		}
		c.given(strings.ToLower(strings.Join(seg[i+1:], "/")))
	})
}

// fits matches segments to a route and returns what its stars stand for.
func fits(path string, seg []string) (args []string, ok bool) {
	want := strings.Split(path, "/")
	if len(want) != len(seg) {
		return nil, false
	}
	for i, w := range want {
		if w == "*" {
			args = append(args, seg[i])
		} else if !strings.EqualFold(w, seg[i]) {
			return nil, false
		}
	}
	return args, true
}

// signedIn checks the token as Azure DevOps does: 401 if there is one that is
// not accepted, else the page on which people sign in, with 203 or 302.
func (s *Sim) signedIn(w http.ResponseWriter, r *http.Request) bool {
	t, problem := s.bearerOf(r, audienceDevOps)
	if problem == "" {
		callOf(r).client = t
		return true
	}
	page := []byte("<!DOCTYPE html><html><head><title>Azure DevOps Services | Sign In</title></head><body>Sign in</body></html>")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("X-TFS-ProcessId", s.guid("process"))
	switch {
	case strings.Contains(r.Header.Get("Accept"), "text/html"):
		w.Header().Set("Location", s.login()+"/common/oauth2/authorize")
		s.write(w, r, http.StatusFound, page)
	case problem == "expired":
		w.Header().Set("WWW-Authenticate", `Bearer authorization_uri="`+s.login()+"/"+s.org.Tenant.ID+`", error="invalid_token"`)
		s.write(w, r, http.StatusUnauthorized, page)
	default:
		s.write(w, r, http.StatusNonAuthoritativeInfo, page)
	}
	return false
}

// bearerOf finds the request's token; problem says what is wrong with it.
func (s *Sim) bearerOf(r *http.Request, audiences ...string) (t *bearer, problem string) {
	_, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	s.mu.Lock()
	defer s.mu.Unlock()
	switch t = s.tokens[value]; {
	case t == nil:
		return nil, "unknown"
	case t.revoked:
		return nil, "expired"
	case !t.isFor(audiences):
		s.journal.Misdirected++
		return nil, "audience"
	case !s.Now().Before(t.expires):
		return nil, "expired"
	}
	return t, ""
}

// devopsUnits draws on the budget that the organisation gives an identity: 200
// units in five minutes, of which a small request takes a tenth. Who is near
// the end is told; who is past it has to wait.
// https://learn.microsoft.com/azure/devops/integrate/concepts/rate-limits
func (s *Sim) devopsUnits(w http.ResponseWriter, r *http.Request) bool {
	const budget, perSecond = 2000, 2000.0 / 300
	left, wait := s.spend("devops", budget, perSecond)
	if left > budget/5 {
		return true
	}
	h := w.Header()
	h.Set("X-RateLimit-Resource", "core")
	h.Set("X-RateLimit-Limit", "200")
	h.Set("X-RateLimit-Remaining", strconv.Itoa(left/10))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(s.Now().Add(300e9).Unix(), 10))
	if wait == 0 {
		h.Set("X-RateLimit-Delay", "0.5")
		return true
	}
	h.Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
	s.fail(w, r, http.StatusTooManyRequests, "RequestBlockedException", "TF400733: The request has been canceled: Request was blocked due to exceeding usage of resource 'core' in namespace 'User'.")
	return false
}

func (c *adoCall) missing(code, message string) {
	c.s.fail(c.w, c.r, http.StatusNotFound, code, message)
}

// given serves records of the organisation's file at addresses that have no
// route of their own.
func (c *adoCall) given(path string) {
	records := c.org.Records[path]
	if c.project != nil {
		records = c.project.Records[path]
	}
	if records == nil {
		c.missing("VssResourceNotFoundException", "The controller for path '"+c.r.URL.Path+"' was not found or does not implement IController.")
		return
	}
	c.list(values(c.s.rendered(records)), "")
}

// values make records of the file rows of a list.
func values(records [][]byte) []any {
	out := make([]any, len(records))
	for i, b := range records {
		out[i] = json.RawMessage(b)
	}
	return out
}

// rows make objects rows of a list.
func rows(objects []obj) []any {
	out := make([]any, len(objects))
	for i, o := range objects {
		out[i] = o
	}
	return out
}

// list answers with a page of rows. parameter names the one that gives the
// size; the next page is behind a header.
func (c *adoCall) list(all []any, top string) {
	if c.project != nil || c.org != nil {
		all = append(all, c.also()...)
	}
	size := max(len(all), 1)
	if top != "" {
		size = number(c.r, top, 100)
	}
	win, ok := c.s.window(c.r, parameter(c.r, "continuationToken"), len(all), size)
	if top == "" {
		win, ok = window{To: len(all)}, true
	}
	if !ok {
		c.s.fail(c.w, c.r, http.StatusBadRequest, "InvalidContinuationTokenException", "The continuation token is not valid.")
		return
	}
	if win.Next != "" {
		c.w.Header().Set("x-ms-continuationtoken", win.Next)
	}
	c.page(all[win.From:win.To])
}

// also are records that the file adds to a list: key is the address.
func (c *adoCall) also() []any {
	_, path, _ := strings.Cut(c.r.URL.Path, "/_apis/")
	path = strings.ToLower(path)
	if c.project != nil {
		return values(c.s.rendered(c.project.Records[path]))
	}
	return values(c.s.rendered(c.org.Records[path]))
}

// skip answers with the rows that $top and $skip choose, as many as are asked
// for: a short page is the last one.
func (c *adoCall) skip(all []any) {
	size, from := max(number(c.r, "$top", 100), 1), number(c.r, "$skip", 0)
	win := window{Page: from/size + 1, From: min(from, len(all))}
	win.To = min(win.From+size, len(all))
	if win.To < len(all) {
		win.Next = pageToken(win.Page+1, win.To, 0)
	}
	callOf(c.r).page = win.Page
	c.s.injectPaging(c.r, &win, size, len(all))
	c.page(all[win.From:win.To])
}

func (c *adoCall) page(rows []any) {
	if rows == nil {
		rows = []any{} // a list without rows is not null
	}
	c.s.writeJSON(c.w, c.r, http.StatusOK, obj{"count": len(rows), "value": rows})
}

func (c *adoCall) one(v any) { c.s.writeJSON(c.w, c.r, http.StatusOK, v) }

func adoOrganisationRoutes() []route {
	return []route{
		{"devops", "connectiondata", false, (*adoCall).connection},
		{"devops", "security/permissionevaluationbatch", false, (*adoCall).evaluate},
		{"devops", "projects", false, (*adoCall).listProjects},
		{"devops", "projects/*/properties", false, (*adoCall).properties},
		{"devops", "securitynamespaces", false, (*adoCall).namespaces},
		{"devops", "accesscontrollists/*", false, (*adoCall).accessControl},
		{"devops", "distributedtask/pools", false, func(c *adoCall) {
			c.list([]any{
				obj{"id": 9, "name": "Azure Pipelines", "isHosted": true, "poolType": "automation", "isLegacy": false},
				obj{"id": 10, "name": "Default", "isHosted": false, "poolType": "automation", "isLegacy": false},
			}, "")
		}},
		{"devopsGraph", "graph/users", false, (*adoCall).users},
		{"devopsGraph", "graph/serviceprincipals", false, (*adoCall).servicePrincipals},
		{"devopsGraph", "graph/groups", false, func(c *adoCall) { c.list(rows(c.groups()), "$none") }},
		{"devopsGraph", "graph/memberships/*", false, (*adoCall).memberships},
		{"devopsEntitlements", "userentitlements", false, (*adoCall).entitlements},
		{"devopsAudit", "audit/auditlog", false, (*adoCall).auditLog},
		{"devopsAudit", "audit/streams", false, func(c *adoCall) {
			c.list([]any{obj{
				"id": 1, "consumerType": "AzureMonitorLogs", "displayName": "workspace", "status": "enabled",
				"consumerInputs": obj{"WorkspaceId": c.s.guid("workspace"), "SharedKey": "c2ltdWxhdGVkLXNlY3JldC1vZi1hLXN0cmVhbQ=="},
			}}, "")
		}},
	}
}

func (c *adoCall) connection() {
	c.one(obj{
		"authenticatedUser": obj{"id": c.s.guid("devops caller"), "providerDisplayName": "collector", "isActive": true, "subjectDescriptor": c.s.descriptor("collector")},
		"instanceId":        c.org.id, "deploymentType": "hosted",
	})
}

// evaluate says what the identity may do: what a list hides from it, it may not.
func (c *adoCall) evaluate() {
	var ask struct {
		Evaluations []obj `json:"evaluations"`
	}
	if c.r.Method != http.MethodPost || json.Unmarshal(callOf(c.r).body, &ask) != nil || len(ask.Evaluations) == 0 {
		c.s.fail(c.w, c.r, http.StatusBadRequest, "VssPropertyValidationException", "The evaluations are missing.")
		return
	}
	for _, e := range ask.Evaluations {
		ns, _ := e["securityNamespaceId"].(string)
		token, _ := e["token"].(string)
		bits, _ := e["permissions"].(float64)
		e["value"] = c.evaluated(strings.ToLower(ns), token, int64(bits))
	}
	c.one(obj{"alwaysAllowAdministrators": false, "evaluations": ask.Evaluations})
}

// guarded are the lists that a security namespace guards: host and addresses.
// The first is that of which single objects can be hidden.
var guarded = map[string]struct {
	host  string
	lists []string
}{
	"2e9eb7ed-3c0a-47d4-87c1-0ffdd275fd87": {"devops", []string{"git/repositories", "git/pullrequests", "git/repositories/*/pushes", "policy/configurations"}},
	"33344d9c-fc72-4d6f-aba5-fa317101a7e9": {"devops", []string{"build/builds", "build/definitions"}},
	"c788c23e-1b46-4162-8f5e-d7585343b5de": {"devopsRelease", []string{"release/definitions", "release/releases", "release/deployments"}},
	"83d4c2e6-e57d-4d6e-892b-b87222b7ad20": {"devops", []string{"pipelines/environments", "pipelines/checks/configurations", "pipelines/pipelinepermissions/environment/*"}},
	"b7e84409-6553-448a-bbb2-af228e07cbeb": {"devops", []string{"distributedtask/variablegroups"}},
	"49b48001-ca20-4adc-8111-5b60c903a50c": {"devops", []string{"serviceendpoint/endpoints", "pipelines/checks/configurations", "pipelines/pipelinepermissions/endpoint/*"}},
}

func (c *adoCall) allowed(namespace, token string) bool {
	org := "/" + c.org.Name
	switch namespace {
	case "52d39943-cb85-4d7f-8fa8-c6baac873819":
		for _, p := range c.org.projects {
			if p.Hidden {
				return false
			}
		}
		return token == "$PROJECT" && !c.s.hides("devops", org+"/_apis/projects")
	case "101eae8c-1709-47f9-b228-0e476c35b3ba":
		return !c.s.hides("devops", org+"/_apis/distributedtask/pools")
	}
	if namespace == "a6cc6381-a1ca-4b36-b3c1-4e65211e82b6" { // AuditLog
		return token == "/AllPermissions" && !c.s.hides("devopsAudit", org+"/_apis/audit/streams")
	}
	g, ok := guarded[namespace]
	var p *adoProject
	for _, q := range c.org.projects {
		if strings.Contains(token, q.id) {
			p = q
		}
	}
	if !ok || p == nil || p.Hidden || p.hiddenBelow(g.lists[0]) {
		return false
	}
	for _, l := range g.lists {
		if c.s.hides(g.host, org+"/"+p.id+"/_apis/"+l, org+"/"+p.Name+"/_apis/"+l) {
			return false
		}
	}
	return true
}

func (c *adoCall) listProjects() {
	var out []any
	for _, p := range c.org.projects {
		if !p.Hidden {
			out = append(out, obj{
				"id": p.id, "name": p.Name, "state": "wellFormed", "revision": 11, "visibility": first(p.Visibility, "private"),
				"url": "https://dev.azure.com/" + c.org.Name + "/_apis/projects/" + p.id, "lastUpdateTime": stamp(c.s.epoch.AddDate(0, -6, 0)),
			})
		}
	}
	c.list(out, "$top")
}

func (c *adoCall) properties() {
	if p := c.org.find(c.args[0]); p == nil || p.Hidden {
		c.missing("ProjectDoesNotExistException", "TF200016: The following project does not exist: "+c.args[0]+".")
		return
	}
	c.list([]any{
		obj{"name": "System.SourceControlGitEnabled", "value": "True"},
		obj{"name": "System.Process Template", "value": "Agile"},
	}, "")
}

func (c *adoCall) users() {
	var out []any
	for i := range c.s.people {
		p := &c.s.people[i]
		out = append(out, obj{
			"subjectKind": "user", "descriptor": c.s.descriptor(p.Name), "displayName": p.Name, "principalName": p.UPN, "mailAddress": p.UPN,
			"origin": "aad", "originId": p.ID, "domain": c.s.org.Tenant.ID, "metaType": "member",
		})
	}
	c.list(out, "$none")
}

func (c *adoCall) servicePrincipals() {
	var out []any
	for i := range c.s.org.Identities {
		d := &c.s.org.Identities[i]
		out = append(out, obj{
			"subjectKind": "servicePrincipal", "descriptor": "aadsp." + c.s.sha("descriptor", d.Name), "displayName": d.Name, "applicationId": d.ClientID,
			"origin": "aad", "originId": d.ObjectID, "domain": c.s.org.Tenant.ID,
		})
	}
	c.list(out, "$none")
}

// groups are those that every organisation and project has.
func (c *adoCall) groups() []obj {
	group := func(scope, domain, name string) obj {
		return obj{
			"subjectKind": "group", "descriptor": "vssgp." + c.s.sha("group", scope, name), "displayName": name,
			"principalName": "[" + scope + "]\\" + name, "origin": "vsts", "originId": c.s.guid("group", scope, name), "domain": domain,
		}
	}
	out := []obj{group(c.org.Name, "vstfs:///Framework/IdentityDomain/"+c.org.id, "Project Collection Administrators")}
	for _, p := range c.org.projects {
		for _, n := range []string{"Project Administrators", "Contributors", "Readers"} {
			out = append(out, group(p.Name, "vstfs:///Classification/TeamProject/"+p.id, n))
		}
	}
	return out
}

func (c *adoCall) memberships() {
	var out []any
	for i, g := range c.groups() {
		if g["descriptor"] != c.args[0] {
			continue
		}
		for k := range c.s.people {
			if p := &c.s.people[k]; g["displayName"] == "Contributors" || k == i%max(len(c.s.people), 1) {
				out = append(out, obj{"containerDescriptor": c.args[0], "memberDescriptor": c.s.descriptor(p.Name)})
			}
		}
		c.list(out, "")
		return
	}
	c.missing("GraphSubjectNotFoundException", "VS860018: The graph subject with the descriptor was not found.")
}

func (c *adoCall) entitlements() {
	win, ok := c.s.window(c.r, parameter(c.r, "continuationToken"), len(c.s.people), 100)
	if !ok {
		c.s.fail(c.w, c.r, http.StatusBadRequest, "InvalidContinuationTokenException", "The continuation token is not valid.")
		return
	}
	members := []any{}
	for i := win.From; i < win.To; i++ {
		p := &c.s.people[i]
		members = append(members, obj{
			"id": c.s.guid("devops identity", strings.ToLower(p.Name)), "user": obj{"principalName": p.UPN, "displayName": p.Name, "originId": p.ID, "descriptor": c.s.descriptor(p.Name)},
			"accessLevel":      obj{"accountLicenseType": "express", "licenseDisplayName": "Basic", "status": "active", "assignmentSource": "unknown"},
			"lastAccessedDate": stamp(c.s.epoch.AddDate(0, 0, -i%90)), "dateCreated": stamp(c.s.epoch.AddDate(-1, 0, 0)),
		})
	}
	out := obj{"members": members, "totalCount": len(c.s.people), "continuationToken": nil}
	if win.Next != "" {
		out["continuationToken"] = win.Next
	}
	c.one(out)
}

// auditLog has an event a day, and each pull request that went past the rules.
func (c *adoCall) auditLog() {
	if c.org.NoAudit {
		c.s.fail(c.w, c.r, http.StatusBadRequest, "AuditLogFeatureDisabledException", "Auditing is disabled for this organization.")
		return
	}
	type event struct {
		at     time.Time
		action string
		who    string
	}
	var all []event
	who := c.s.voters(nil)
	for day := 89; day >= 0; day-- {
		all = append(all, event{c.s.Now().Truncate(24*time.Hour).AddDate(0, 0, -day).Add(9 * time.Hour), "Git.RefUpdatePoliciesBypassed", who[day%len(who)]})
	}
	all = within(all, func(e event) time.Time { return e.at }, parameter(c.r, "startTime"), parameter(c.r, "endTime"))
	win, ok := c.s.window(c.r, parameter(c.r, "continuationToken"), len(all), number(c.r, "batchSize", 200))
	if !ok {
		c.s.fail(c.w, c.r, http.StatusBadRequest, "InvalidContinuationTokenException", "The continuation token is not valid.")
		return
	}
	entries := []any{}
	for _, e := range all[win.From:win.To] {
		entries = append(entries, obj{
			"id": strconv.FormatInt(e.at.Unix(), 10) + ";" + c.s.guid("audit", e.at.String()), "timestamp": stamp(e.at), "actionId": e.action, "area": "Git", "category": "modify",
			"actorDisplayName": e.who, "actorUserId": c.s.guid("devops identity", strings.ToLower(e.who)), "scopeType": "organization", "scopeDisplayName": fmt.Sprintf("%s (Organization)", c.org.Name),
		})
	}
	out := obj{"decoratedAuditLogEntries": entries, "hasMore": win.Next != "", "continuationToken": win.Next}
	c.one(out)
}
