// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

func init() {
	register("arm", hostDef{handler: (*Sim).armHandler, audiences: []string{"https://management.azure.com", "https://management.core.windows.net"}})
}

// armRequest is a request to Azure Resource Manager, taken apart.
type armRequest struct {
	w http.ResponseWriter
	r *http.Request
	// path has no slash at its end; lower is path in lower case.
	path, lower string
	sub         int // -1 when the path names no subscription
}

var versionPattern = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}(-[a-z]+)?$`)

func (s *Sim) armHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := &armRequest{w: w, r: r, path: strings.TrimSuffix(r.URL.Path, "/"), sub: -1}
		q.lower = strings.ToLower(q.path)
		w.Header().Set("x-ms-routing-request-id", "SIMULATED:"+s.Now().Format("20060102T150405Z"))
		switch v := parameter(r, "api-version"); {
		case v == "":
			s.fail(w, r, http.StatusBadRequest, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests.")
			return
		case !versionPattern.MatchString(v):
			s.fail(w, r, http.StatusBadRequest, "InvalidApiVersionParameter", fmt.Sprintf("The api-version '%s' is invalid. The supported versions are '2024-11-01,2022-12-01,2021-04-01'.", v))
			return
		}
		if name := subscriptionOf(q.lower + "/"); name != "" {
			i, ok := s.byID[name]
			if !ok || !s.visible(i) {
				s.fail(w, r, http.StatusNotFound, "SubscriptionNotFound", fmt.Sprintf("The subscription '%s' could not be found.", name))
				return
			}
			q.sub = i
			if !s.shows(q.r, i) {
				s.forbid(q, "Microsoft.Resources/subscriptions/read", "/subscriptions/"+name)
				return
			}
		}
		if s.throttledARM(q) {
			return
		}
		if !s.armSpecial(q) {
			s.armGeneric(q)
		}
	})
}

// throttledARM draws on the bucket of reads: 250, refilled with 25 a second, for
// each subscription (and the tenant) and principal.
// https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling
func (s *Sim) throttledARM(q *armRequest) bool {
	if q.lower == "/providers/microsoft.resourcegraph/resources" {
		return false // has a quota of its own
	}
	scope := "tenant"
	if q.sub >= 0 {
		scope = s.subs[q.sub].ID
	}
	left, wait := s.spend("arm/"+scope+"/"+callOf(q.r).clientID(), 250, 25)
	if wait > 0 {
		q.w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		s.fail(q.w, q.r, http.StatusTooManyRequests, "SubscriptionRequestsThrottled", "Number of 'read' requests for the subscription exceeded the limit. Please try again later.")
		return true
	}
	header := "x-ms-ratelimit-remaining-subscription-reads"
	if q.sub < 0 {
		header = "x-ms-ratelimit-remaining-tenant-reads"
	}
	q.w.Header().Set(header, strconv.Itoa(left))
	return false
}

func (c *call) clientID() string {
	if c.client == nil {
		return ""
	}
	return c.client.client
}

// armGeneric serves what the organisation's templates describe: a resource at
// its path, or a list.
func (s *Sim) armGeneric(q *armRequest) {
	if q.r.Method != http.MethodGet {
		s.fail(q.w, q.r, http.StatusMethodNotAllowed, "MethodNotAllowed", "The simulator serves reads only.")
		return
	}
	if i := s.find(q.path); i >= 0 {
		if !s.reads(q.r, i) {
			s.forbid(q, s.templates[s.entries[i].tmpl].full+"/read", q.path)
			return
		}
		s.write(q.w, q.r, http.StatusOK, s.provider(nil, i))
		return
	}
	scope, kind, ok := splitCollection(q.path)
	if !ok {
		s.missing(q)
		return
	}
	if !s.scopeExists(scope) {
		s.missing(q)
		return
	}
	rows, ok := s.shown(q, scope, kind)
	if !ok {
		return
	}
	s.list(q, len(rows), 1000, func(b []byte, i int) []byte { return s.listed(b, rows[i], scope) })
}

// missing answers 404 in the words of the thing that is missing.
func (s *Sim) missing(q *armRequest) {
	code, what := "ResourceNotFound", "The Resource '"+q.path+"' was not found."
	if group, ok := groupOf(q.path); ok && s.find(group) < 0 {
		code, what = "ResourceGroupNotFound", "Resource group '"+group[strings.LastIndexByte(group, '/')+1:]+"' could not be found."
	}
	s.fail(q.w, q.r, http.StatusNotFound, code, what)
}

// groupOf returns the id of the resource group in a path.
func groupOf(path string) (string, bool) {
	seg := strings.Split(path, "/")
	if len(seg) >= 5 && strings.EqualFold(seg[3], "resourceGroups") {
		return strings.Join(seg[:5], "/"), true
	}
	return "", false
}

// splitCollection splits the path of a list into the scope or parent, and the
// type in full: {scope}/providers/NS/type or {parent}/childType.
func splitCollection(path string) (scope, kind string, ok bool) {
	i := strings.LastIndex(strings.ToLower(path), "/providers/")
	if i < 0 {
		return "", "", false
	}
	seg := strings.Split(path[i+len("/providers/"):], "/")
	if len(seg)%2 != 0 || len(seg) < 2 {
		return "", "", false
	}
	kind = seg[0]
	for j := 1; j < len(seg); j += 2 {
		kind += "/" + seg[j]
	}
	if len(seg) == 2 {
		return path[:i], kind, true
	}
	return path[:len(path)-len(seg[len(seg)-1])-1], kind, true
}

// scopeExists reports whether something can be listed at a scope.
func (s *Sim) scopeExists(scope string) bool {
	low := strings.ToLower(scope)
	switch {
	case low == "":
		return true
	case strings.HasPrefix(low, "/providers/microsoft.management/managementgroups/") && strings.Count(low, "/") == 4:
		return s.managementGroup(low[strings.LastIndexByte(low, '/')+1:]) != nil
	case strings.HasPrefix(low, "/subscriptions/") && strings.Count(low, "/") == 2:
		return true // the frame of the request checked it
	}
	if s.find(scope) >= 0 {
		return true
	}
	// Some parents are no resources: the site's slots, a vault's fabrics,
	// regulatory standards. What has something below it exists.
	return s.anyBelow(low)
}

func (s *Sim) anyBelow(scope string) bool {
	sub, ok := s.byID[subscriptionOf(scope)]
	if !ok || !strings.Contains(scope, "/providers/") {
		return false
	}
	group, _ := groupOf(scope)
	r := s.ranges[sub]
	for i := r[0]; i < r[1]; i++ {
		if v := s.varsOf(i); strings.HasPrefix(strings.ToLower(v.id), scope+"/") && (group == "" || s.find(group) >= 0) {
			return true
		}
	}
	return false
}

// inherited are the extension types that a list also shows from above the scope
// when no filter says otherwise.
// https://learn.microsoft.com/rest/api/policyauthorization/policy-assignments/list
var inherited = []string{
	"microsoft.authorization/policyassignments", "microsoft.authorization/policyexemptions",
	"microsoft.authorization/policydefinitions", "microsoft.authorization/policysetdefinitions",
}

// exactOnly are the extension types that a list shows of the scope itself only.
var exactOnly = []string{"microsoft.insights/diagnosticsettings"}

// shortcuts are lists whose path is not that of the types they show.
var shortcuts = map[string]string{
	"microsoft.security/alerts": "microsoft.security/locations/alerts",
}

// gathered are the lists of a vault that show what lies deeper below it.
// https://learn.microsoft.com/rest/api/backup/backup-protected-items/list
// https://learn.microsoft.com/rest/api/site-recovery/replication-protected-items/list
var gathered = map[string]string{
	"microsoft.recoveryservices/vaults/backupprotecteditems":      "microsoft.recoveryservices/vaults/backupfabrics/protectioncontainers/protecteditems",
	"microsoft.recoveryservices/vaults/replicationprotecteditems": "microsoft.recoveryservices/vaults/replicationfabrics/replicationprotectioncontainers/replicationprotecteditems",
}

var atScope = regexp.MustCompile(`(?i)^\s*at(exact)?scope\(\)`)

// collection returns the entries of a type at a scope, after $filter.
func (s *Sim) collection(scope, kind string, q *armRequest) []int32 {
	low, kind := strings.ToLower(scope), strings.ToLower(kind)
	kind = first(shortcuts[kind], kind)
	filter := parameter(q.r, "$filter")
	own, below, above := true, !slices.Contains(exactOnly, kind), slices.Contains(inherited, kind)
	if m := atScope.FindStringSubmatch(filter); m != nil {
		below, above = false, m[1] == ""
	}
	if kind == "microsoft.authorization/roledefinitions" {
		return s.filtered(s.roleDefinitions(low), filter)
	}
	var out []int32
	if above {
		out = s.entriesAbove(low, kind)
	}
	parent, deep := int32(-1), false
	if gathered[kind] != "" {
		kind, deep = gathered[kind], true
	}
	if i := s.find(scope); i >= 0 && !deep && strings.Contains(low, "/providers/") {
		parent = i
	}
	from, to := s.rangeOf(low)
	for i := from; i < to; i++ {
		e := &s.entries[i]
		t := s.templates[e.tmpl]
		if t.lower != kind || !s.exists(i) {
			continue
		}
		if t.child && parent >= 0 {
			if e.parent == parent {
				out = append(out, i)
			}
			continue
		}
		at := strings.ToLower(s.scopeOfEntry(i))
		if own && at == low || (below || t.isPlain()) && inScope(at, low) {
			out = append(out, i)
		}
	}
	return s.filtered(out, filter)
}

// isPlain reports whether a type lives in resource groups, or below a resource:
// lists of a subscription and of a group show it wherever it is.
func (t *template) isPlain() bool { return t.child || t.root && (t.At == "" || t.At == "group") }

// inScope reports whether a scope is the other one or below it; both are lower
// case. The empty scope is the tenant.
func inScope(scope, of string) bool {
	return of == "" || scope == of || strings.HasPrefix(scope, of+"/")
}

// scopeOfEntry is where an entry stands: its id without its own type and name.
func (s *Sim) scopeOfEntry(i int32) string { v := s.varsOf(i); return v.parent }

// rangeOf returns the entries that can be at or below a scope.
func (s *Sim) rangeOf(scope string) (from, to int32) {
	if sub, ok := s.byID[subscriptionOf(scope+"/")]; ok {
		return s.ranges[sub][0], s.ranges[sub][1]
	}
	if scope == "" {
		// The tenant's list shows what is at the tenant.
		r := s.ranges[len(s.subs)]
		return r[0], r[1]
	}
	r := s.ranges[len(s.subs)]
	return r[0], r[1]
}

// entriesAbove returns the entries of a type at the management groups above a
// scope and at the tenant.
func (s *Sim) entriesAbove(scope, kind string) []int32 {
	above := s.scopesAbove(scope)
	var out []int32
	r := s.ranges[len(s.subs)]
	for i := r[0]; i < r[1]; i++ {
		if s.templates[s.entries[i].tmpl].lower == kind && s.exists(i) && slices.Contains(above, strings.ToLower(s.scopeOfEntry(i))) {
			out = append(out, i)
		}
	}
	if sub, ok := s.byID[subscriptionOf(scope+"/")]; ok && scope != "/subscriptions/"+strings.ToLower(s.subs[sub].ID) {
		// A group or resource also has what is at its subscription.
		r := s.ranges[sub]
		for i := r[0]; i < r[1]; i++ {
			at := strings.ToLower(s.scopeOfEntry(i))
			if s.templates[s.entries[i].tmpl].lower == kind && at != scope && inScope(scope, at) && s.exists(i) {
				out = append(out, i)
			}
		}
	}
	return out
}

// scopesAbove lists what is above a scope, lower case; the tenant is "".
func (s *Sim) scopesAbove(scope string) []string {
	var chain []string
	if sub, ok := s.byID[subscriptionOf(scope+"/")]; ok {
		chain = s.groupChain(s.subs[sub].Group)
	} else if name, ok := strings.CutPrefix(scope, "/providers/microsoft.management/managementgroups/"); ok {
		chain = s.groupChain(name)[1:]
	}
	out := []string{""}
	for _, c := range chain {
		out = append(out, strings.ToLower(c))
	}
	return out
}

// roleDefinitions returns the built-in roles and the custom ones that can be
// assigned at a scope.
func (s *Sim) roleDefinitions(scope string) []int32 {
	var out []int32
	reach := append(s.scopesAbove(scope), scope)
	r := s.ranges[len(s.subs)]
	for i := r[0]; i < r[1]; i++ {
		t := s.templates[s.entries[i].tmpl]
		if t.full != definitionType {
			continue
		}
		body := s.provider(nil, i)
		scopes, _ := jsonPath(body, "properties", "assignableScopes").([]any)
		for _, a := range scopes {
			at := strings.ToLower(textOf(a))
			if at == "/" || slices.Contains(reach, at) || scope == "" || inScope(at, scope) {
				out = append(out, i)
				break
			}
		}
	}
	return out
}

var comparison = regexp.MustCompile(`(?i)([\w/.]+)\s+eq\s+'?([^']*?)'?(?:\s+and\b|\s*\)?$)`)

var assignedTo = regexp.MustCompile(`(?i)assignedTo\('([^']+)'\)`)

// filtered applies the comparisons of $filter that collectors send.
func (s *Sim) filtered(entries []int32, filter string) []int32 {
	conditions := map[string]string{}
	for _, m := range comparison.FindAllStringSubmatch(filter, -1) {
		conditions[strings.ToLower(m[1])] = m[2]
	}
	if m := assignedTo.FindStringSubmatch(filter); m != nil {
		conditions["principalid"] = m[1]
	}
	if len(conditions) == 0 {
		return entries
	}
	return slices.DeleteFunc(entries, func(i int32) bool {
		body := s.provider(nil, i)
		for name, want := range conditions {
			path := strings.Split(name, "/")
			if path[0] != "properties" {
				path = append([]string{"properties"}, path...)
			}
			if !strings.EqualFold(textOf(jsonPath(body, path...)), want) {
				return true
			}
		}
		return false
	})
}

// listed appends an entry as a list at a scope shows it: role definitions get
// the subscription's prefix. That management groups give none is unverified.
func (s *Sim) listed(b []byte, i int32, scope string) []byte {
	if s.templates[s.entries[i].tmpl].full == definitionType && subscriptionOf(scope+"/") != "" {
		v := s.varsOf(i)
		return append(b, merge(s.provider(nil, i), []byte(`{"id":`+string(quote("/subscriptions/"+subscriptionOf(scope+"/")+v.id))+`}`))...)
	}
	return s.provider(b, i)
}

// list answers with a page of rows and the link to the next.
func (s *Sim) list(q *armRequest, total, size int, render func(b []byte, i int) []byte) {
	size = min(number(q.r, "$top", size), size)
	win, ok := s.window(q.r, parameter(q.r, "$skipToken"), total, size)
	if !ok {
		s.fail(q.w, q.r, http.StatusBadRequest, "InvalidSkipToken", "The skip token is not valid.")
		return
	}
	b := []byte(`{"value":[`)
	for i := win.From; i < win.To; i++ {
		if i > win.From {
			b = append(b, ',')
		}
		b = render(b, i)
	}
	b = append(b, ']')
	if link := s.nextLink(q.r, win, "$skipToken"); link != "" {
		b = append(append(b, `,"nextLink":`...), quote(link)...)
	}
	s.write(q.w, q.r, http.StatusOK, append(b, '}'))
}

// armSpecial serves the paths that are no resources of the templates. It
// reports whether the path was one of them.
func (s *Sim) armSpecial(q *armRequest) bool {
	get, post := q.r.Method == http.MethodGet, q.r.Method == http.MethodPost
	seg := strings.Split(strings.TrimPrefix(q.lower, "/"), "/")
	last := seg[len(seg)-1]
	switch {
	case post && q.lower == "/providers/microsoft.resourcegraph/resources":
		s.resourceGraph(q)
	case get && q.lower == "/subscriptions":
		s.listSubscriptions(q)
	case get && q.lower == "/tenants":
		s.write(q.w, q.r, http.StatusOK, fmt.Appendf(nil, `{"value":[{"id":%s,"tenantId":%s,"displayName":%s,"defaultDomain":%s,"tenantCategory":"Home"}]}`,
			quote("/tenants/"+s.org.Tenant.ID), quote(s.org.Tenant.ID), quote(s.org.Name), quote(s.domain())))
	case get && len(seg) == 2 && q.sub >= 0:
		s.write(q.w, q.r, http.StatusOK, s.subscriptionBody(q.sub))
	case get && len(seg) == 3 && q.sub >= 0 && last == "resourcegroups":
		rows := s.readableOf(q.r, s.collection("/subscriptions/"+s.subs[q.sub].ID, groupType, q), "")
		s.list(q, len(rows), 1000, func(b []byte, i int) []byte { return s.provider(b, rows[i]) })
	case get && q.sub >= 0 && last == "resources" && (len(seg) == 3 || len(seg) == 5):
		s.listResources(q)
	case get && strings.HasPrefix(q.lower, "/providers/microsoft.management/managementgroups") && len(seg) <= 5 && (len(seg) < 5 || last == "descendants"):
		s.managementGroups(q, seg)
	case get && (last == "providers" && (len(seg) == 1 || len(seg) == 3) || len(seg) >= 2 && seg[len(seg)-2] == "providers" && !strings.Contains(last, "/") && (len(seg) == 2 || len(seg) == 4)):
		s.providers(q, last)
	case post && strings.Contains(q.lower, "/providers/microsoft.policyinsights/policystates/latest/"):
		s.policyStates(q, last)
	case get && strings.HasSuffix(q.lower, activityPath):
		s.activityLog(q)
	case get && len(seg) == 9 && last == "tables" && strings.Contains(q.lower, "/providers/microsoft.operationalinsights/workspaces/"):
		return s.workspaceTables(q)
	case get && strings.HasSuffix(q.lower, "/providers/microsoft.authorization/permissions"):
		s.permissions(q)
	case get && strings.HasSuffix(q.lower, "/providers/microsoft.insights/diagnosticsettings"):
		return s.refuseDiagnostics(q)
	default:
		return false
	}
	return true
}

func (s *Sim) subscriptionBody(i int) []byte {
	t := &s.subs[i]
	tags := t.Tags
	if tags == nil {
		tags = map[string]string{}
	}
	ms := []member{{"id", quote("/subscriptions/" + t.ID)}, {"authorizationSource", []byte(`"RoleBased"`)}, {"managedByTenants", []byte("[]")}}
	ms = append(ms, member{"tags", marshal(tags)}, member{"subscriptionId", quote(t.ID)}, member{"tenantId", quote(s.org.Tenant.ID)},
		member{"displayName", quote(t.Name)}, member{"state", quote(first(t.State, "Enabled"))},
		member{"subscriptionPolicies", []byte(`{"locationPlacementId":"Public_2014-09-01","quotaId":"EnterpriseAgreement_2014-09-01","spendingLimit":"Off"}`)})
	return object(ms)
}

// readable reports whether a subscription exists now and the credential may
// read it.
func (s *Sim) readable(i int) bool {
	if !s.visible(i) {
		return false
	}
	for j := range s.org.Deny {
		d := &s.org.Deny[j]
		if (d.Host == "" || d.Host == "arm") && d.Path != "" && matches(d.Path, "/subscriptions/"+s.subs[i].ID+"/any") && strings.Contains(strings.ToLower(d.Path), "/subscriptions/") {
			return false
		}
	}
	return true
}

func (s *Sim) listSubscriptions(q *armRequest) {
	var rows []int
	for i := range s.subs {
		if s.readable(i) && s.shows(q.r, i) {
			rows = append(rows, i)
		}
	}
	s.list(q, len(rows), 1000, func(b []byte, i int) []byte { return append(b, s.subscriptionBody(rows[i])...) })
}

var resourceTypeFilter = regexp.MustCompile(`(?i)resourceType eq '([^']+)'`)

// listResources is the list of all resources of a subscription or group: without
// properties, as the service has it.
func (s *Sim) listResources(q *armRequest) {
	group, ok := groupOf(q.path)
	if ok && s.find(group) < 0 {
		s.missing(q)
		return
	}
	want := ""
	if m := resourceTypeFilter.FindStringSubmatch(parameter(q.r, "$filter")); m != nil {
		want = strings.ToLower(m[1])
	}
	var rows []int32
	r := s.ranges[q.sub]
	for i := r[0]; i < r[1]; i++ {
		t := s.templates[s.entries[i].tmpl]
		if t.table != "resources" || want != "" && t.lower != want || !s.exists(i) || !s.reads(q.r, i) {
			continue
		}
		if v := s.varsOf(i); !ok || inScope(strings.ToLower(v.id), strings.ToLower(group)) {
			rows = append(rows, i)
		}
	}
	s.list(q, len(rows), 1000, func(b []byte, i int) []byte {
		ms, _ := members(s.provider(nil, rows[i]))
		return append(b, object(slices.DeleteFunc(ms, func(m member) bool { return m.name == "properties" }))...)
	})
}

func (s *Sim) managementGroup(name string) *ManagementGroup {
	i := slices.IndexFunc(s.mgroups, func(g ManagementGroup) bool { return strings.EqualFold(g.Name, name) })
	if i < 0 {
		return nil
	}
	return &s.mgroups[i]
}

const (
	// activityKept is how old records of a log may be for the management API.
	activityKept = 90 * 24 * time.Hour
	// activityPath ends the path of an activity log.
	activityPath = "/providers/microsoft.insights/eventtypes/management/values"
)
