// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

func init() {
	register("graph", hostDef{handler: (*Sim).graphHandler, audiences: []string{"https://graph.microsoft.com", graphAppID}})
}

// graphService serves Microsoft Graph.
type graphService struct {
	*Sim
	users map[string]int // object id → index in people
	roles []directoryRole
}

func (s *Sim) graphHandler() http.Handler {
	g := &graphService{Sim: s, users: make(map[string]int, len(s.people)), roles: s.directoryRoles()}
	for i := range s.people {
		g.users[s.people[i].ID] = i
	}
	return g
}

// refusal is an error as a part of Graph words it; the parts differ.
type refusal struct {
	status        int
	code, message string
}

// The refusals of permissions. {permission} is the first that would do.
var (
	graphDenied    = refusal{403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation."}
	deniedPolicy   = refusal{403, "AccessDenied", "You cannot perform the requested operation, required scopes are missing in the token."}
	deniedPIM      = refusal{403, "PermissionScopeNotGranted", "Authorization failed due to missing permission scope {permission}."}
	deniedIntune   = refusal{403, "Forbidden", "Application is not authorized to perform this operation. Application must have one of the following scopes: {permission}"}
	deniedGoverned = refusal{403, "UnauthorizedAccessException", "Attempted to perform an unauthorized operation."}
)

// The refusals of licences.
var (
	unlicensedReport = refusal{403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant", "Neither tenant is B2C or tenant doesn't have premium license"}
	unlicensedPIM    = refusal{400, "AadPremiumLicenseRequired", "The tenant needs to have Microsoft Entra ID P2 or Microsoft Entra ID Governance license."}
	unlicensedRisk   = refusal{403, "Forbidden", "Your tenant is not licensed for this feature."}
	unlicensedIntune = refusal{400, "BadRequest", "Request not applicable to target tenant."}
)

// graphRequest is a request that is being answered.
type graphRequest struct {
	*graphSet
	w    http.ResponseWriter
	r    *http.Request
	beta bool
	// args are the segments of the path that stand for keys.
	args   []string
	filter []graphCondition
	picked []string // $select; nil is none
	opened []string // $expand
	count  bool
	top    int
}

// graphAbsent are the Microsoft 365 environments whose Graph does not have a
// set, as the table of national clouds on its page of the reference says.
var graphAbsent = map[string][]string{
	"identityGovernance/lifecycleWorkflows/workflows":  {"gccHigh", "dod", "china"},
	"security/informationProtection/sensitivityLabels": {"gccHigh", "dod", "china"},
	"admin/sharepoint/settings":                        {"china"},
	"identityProtection/riskyUsers":                    {"china"},
	"identityProtection/riskDetections":                {"china"},
	"security/secureScores":                            {"china"},
	"security/secureScoreControlProfiles":              {"china"},
}

// graphRows are the rows of a list, made when they are wanted.
type graphRows struct {
	n  int
	at func(i int) []member
}

func (g *graphService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := &graphRequest{w: w, r: r}
	if r.Method != http.MethodGet {
		g.refuse(q, refusal{405, "MethodNotAllowed", "The simulated directory is only read."})
		return
	}
	version, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if version != "v1.0" && version != "beta" {
		g.refuse(q, refusal{400, "BadRequest", "Invalid version: " + version})
		return
	}
	q.beta = version == "beta"
	set, args, unknown := g.find(path, q.beta)
	if set == nil {
		g.refuse(q, refusal{400, "BadRequest", fmt.Sprintf("Resource not found for the segment '%s'.", unknown)})
		return
	}
	if slices.Contains(graphAbsent[set.path], g.org.Tenant.microsoft365()) {
		segments := strings.Split(set.path, "/")
		g.refuse(q, refusal{400, "BadRequest", fmt.Sprintf("Resource not found for the segment '%s'.", segments[len(segments)-1])})
		return
	}
	q.graphSet, q.args = set, args
	if !g.admitted(q) {
		return
	}
	if problem := g.options(q); problem != nil {
		g.refuse(q, *problem)
		return
	}
	if slices.Contains(q.picked, "signInActivity") && !g.licensed("AAD_PREMIUM", "AAD_PREMIUM_P2") {
		g.refuse(q, unlicensedReport)
		return
	}
	rows, ok := set.rows(g, q)
	switch {
	case !ok:
		g.refuse(q, refusal{
			404, "Request_ResourceNotFound",
			fmt.Sprintf("Resource '%s' does not exist or one of its queried reference-property objects are not present.", strings.Join(args, "/")),
		})
	case set.single:
		g.writeOne(q, rows)
	default:
		g.writeList(q, rows)
	}
}

// admitted applies what a request meets before it is looked at: throttling,
// permissions, licences. It answers, and returns false, where one of them stops it.
func (g *graphService) admitted(q *graphRequest) bool {
	capacity, rate := 3500.0, 350.0
	switch q.quota {
	case "reports": // 5 requests per 10 seconds and application
		capacity, rate = 5, 0.5
	case "risk": // 1 request per second and tenant
		capacity, rate = 1, 1
	}
	if _, wait := g.spend("graph/"+q.quota, capacity, rate); wait > 0 {
		q.w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		g.refuse(q, refusal{429, "TooManyRequests", "Too many requests."})
		return false
	}
	if t := callOf(q.r).client; t != nil && t.identity != nil {
		// Every group of permissions must be met by one of it.
		for _, enough := range q.permissions {
			if !slices.ContainsFunc(strings.Fields(enough), func(p string) bool { return slices.Contains(t.identity.Roles, p) }) {
				f := q.denied
				f.message = strings.ReplaceAll(f.message, "{permission}", strings.Fields(enough)[0])
				g.refuse(q, f)
				return false
			}
		}
	}
	if len(q.plans) > 0 && !g.licensed(q.plans...) {
		g.refuse(q, q.unlicensed)
		return false
	}
	return true
}

// refuse answers with an error in Graph's envelope.
func (g *graphService) refuse(q *graphRequest, f refusal) {
	id := q.r.Header.Get("client-request-id")
	if id == "" {
		id = g.guid("client-request", q.r.URL.String())
	}
	body := fmt.Appendf(nil, `{"error":{"code":%s,"message":%s,"innerError":{"date":"%s","request-id":"%s","client-request-id":%s}}}`,
		quote(f.code), quote(f.message), g.Now().Format("2006-01-02T15:04:05"), g.guid("graph-error", q.r.URL.String()), quote(id))
	g.write(q.w, q.r, f.status, body)
}

// context spells what Graph says of the page: where it is in the model and how
// it was narrowed.
func (g *graphService) context(q *graphRequest) string {
	version := "v1.0"
	if q.beta {
		version = "beta"
	}
	fragment := q.fragment
	for _, a := range q.args {
		fragment = strings.Replace(fragment, "{}", "'"+a+"'", 1)
	}
	list := slices.Clone(q.picked)
	for _, e := range q.opened {
		list = append(list, e+"()")
	}
	if len(list) > 0 {
		fragment += "(" + strings.Join(list, ",") + ")"
	}
	if q.single {
		fragment += "/$entity"
	}
	return g.Endpoint("graph") + "/" + version + "/$metadata#" + fragment
}

func (g *graphService) writeOne(q *graphRequest, rows graphRows) {
	row := append([]member{{"@odata.context", quote(g.context(q))}}, q.narrow(rows.at(0))...)
	g.write(q.w, q.r, http.StatusOK, object(row))
}

func (g *graphService) writeList(q *graphRequest, rows graphRows) {
	if len(q.filter) > 0 && !q.filtered {
		rows = filterRows(rows, q.filter)
	}
	size := q.size
	if q.top > 0 {
		size = q.top
	}
	token := parameter(q.r, "$skiptoken")
	win, ok := g.window(q.r, token, rows.n, size)
	if !ok {
		g.refuse(q, refusal{400, "Directory_ExpiredPageToken", "The specified page token value has expired and can no longer be included in your request."})
		return
	}
	var b bytes.Buffer
	b.WriteString(`{"@odata.context":`)
	b.Write(quote(g.context(q)))
	// The total is counted for the first page only, and of directory objects only
	// for those who asked with the header.
	if q.count && token == "" && (!q.directory || strings.EqualFold(q.r.Header.Get("ConsistencyLevel"), "eventual")) {
		fmt.Fprintf(&b, `,"@odata.count":%d`, rows.n)
	}
	if next := g.nextLink(q.r, win, "$skiptoken"); next != "" {
		b.WriteString(`,"@odata.nextLink":`)
		b.Write(quote(next))
	}
	b.WriteString(`,"value":[`)
	for i := win.From; i < win.To; i++ {
		if i > win.From {
			b.WriteByte(',')
		}
		b.Write(object(q.narrow(rows.at(i))))
	}
	b.WriteString("]}")
	g.write(q.w, q.r, http.StatusOK, b.Bytes())
}

// narrow keeps of a row what was selected and expanded.
func (q *graphRequest) narrow(row []member) []member {
	out := make([]member, 0, len(row))
	keep := q.picked
	if keep == nil && q.shown != nil {
		keep = q.shown
	}
	if keep != nil {
		for _, m := range row {
			if m.name == "@odata.type" || slices.Contains(q.opened, m.name) {
				out = append(out, m)
			}
		}
		for _, name := range keep {
			if i := slices.IndexFunc(row, func(m member) bool { return m.name == name }); i >= 0 {
				out = append(out, row[i])
			}
		}
		return out
	}
	for _, m := range row {
		if slices.Contains(q.expands, m.name) && !slices.Contains(q.opened, m.name) || slices.Contains(q.onlySelected, m.name) {
			continue
		}
		out = append(out, m)
	}
	return out
}

// find returns the set that a path names, and the keys in the path; or the
// segment that names nothing.
func (g *graphService) find(path string, beta bool) (set *graphSet, args []string, unknown string) {
	path, _ = url.PathUnescape(path)
	segments := strings.Split(strings.Trim(g.keys(path), "/"), "/")
	best := 0
	for i := range graphSets {
		s := &graphSets[i]
		if s.beta && !beta {
			continue
		}
		pattern := strings.Split(s.path, "/")
		args = args[:0]
		n := 0
		for ; n < len(pattern) && n < len(segments); n++ {
			if pattern[n] == "{}" {
				args = append(args, segments[n])
			} else if !strings.EqualFold(pattern[n], segments[n]) {
				break
			}
		}
		if n == len(pattern) && n == len(segments) {
			return s, slices.Clone(args), ""
		}
		best = max(best, n)
	}
	return nil, nil, segments[min(best, len(segments)-1)]
}

// keys writes keys in parentheses as segments: users('id') is users/id, and
// servicePrincipals(appId='…') is the principal of that application.
func (g *graphService) keys(path string) string {
	open := strings.IndexByte(path, '(')
	if open < 0 {
		return path
	}
	end := strings.IndexByte(path[open:], ')')
	if end < 0 {
		return path
	}
	key := path[open+1 : open+end]
	if name, value, ok := strings.Cut(key, "="); ok && strings.EqualFold(name, "appId") {
		key = g.principalID(strings.Trim(value, "'"))
		if strings.EqualFold(strings.Trim(value, "'"), graphAppID) {
			key = g.guid("principal", graphAppID)
		}
	}
	return path[:open] + "/" + strings.Trim(key, "'") + path[open+end+1:]
}

// graphObject builds an object of names and values in turn; a json.RawMessage stands
// as it is.
func graphObject(pairs ...any) []member {
	out := make([]member, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		name, _ := pairs[i].(string)
		out = append(out, member{name, jsonValue(pairs[i+1])})
	}
	return out
}

func jsonValue(v any) json.RawMessage {
	switch v := v.(type) {
	case json.RawMessage:
		return v
	case nil:
		return json.RawMessage("null")
	case string:
		return quote(v)
	case bool:
		return json.RawMessage(strconv.FormatBool(v))
	case time.Time:
		if v.IsZero() {
			return json.RawMessage("null")
		}
		return quote(v.UTC().Format(time.RFC3339))
	case []member:
		return object(v)
	case [][]member:
		b := []byte{'['}
		for i, o := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, object(o)...)
		}
		return append(b, ']')
	}
	b, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("null")
	}
	return b
}

// graphList is rows that are there already.
func graphList(rows [][]member) graphRows {
	return graphRows{len(rows), func(i int) []member { return rows[i] }}
}

// memberText returns the text of a string member, "" if it is none.
func memberText(row []member, name string) string {
	for _, m := range row {
		if m.name == name {
			var s string
			if json.Unmarshal(m.value, &s) != nil {
				return ""
			}
			return s
		}
	}
	return ""
}

// graphCondition is one comparison of a $filter. Conditions are joined by and; what
// else OData has is not served.
type graphCondition struct {
	path  string // a/b
	op    string
	value string // without quotes; null is "null" with quoted false
	// any is set for path/any(x: x eq 'value').
	any, quoted bool
}

// options reads and checks the query; what Graph would refuse is refused.
func (g *graphService) options(q *graphRequest) *refusal {
	values, err := url.ParseQuery(q.r.URL.RawQuery)
	if err != nil {
		return &refusal{400, "BadRequest", "The query could not be read."}
	}
	bad := func(format string, args ...any) *refusal {
		return &refusal{400, "Request_BadRequest", fmt.Sprintf(format, args...)}
	}
	for name, vs := range values {
		v := vs[0]
		switch strings.ToLower(name) {
		case "$top":
			n, err := strconv.Atoi(v)
			if err != nil || n < 1 || n > q.most {
				return bad("Invalid page size specified: '%s'. Must be between 1 and %d inclusive.", v, q.most)
			}
			q.top = n
		case "$count":
			q.count = strings.EqualFold(v, "true")
		case "$select":
			for m := range strings.SplitSeq(v, ",") {
				if m = strings.TrimSpace(m); q.members != nil && !slices.Contains(q.members, m) {
					return &refusal{400, "BadRequest", fmt.Sprintf("Could not find a property named '%s' on type 'microsoft.graph.%s'.", m, q.typ)}
				}
				q.picked = append(q.picked, m)
			}
		case "$expand":
			for e := range strings.SplitSeq(v, ",") {
				e, _, _ = strings.Cut(strings.TrimSpace(e), "(")
				if !slices.Contains(q.expands, e) {
					return &refusal{400, "BadRequest", fmt.Sprintf("Parsing OData Select and Expand failed: Could not find a property named '%s' on type 'microsoft.graph.%s'.", e, q.typ)}
				}
				q.opened = append(q.opened, e)
			}
		case "$filter":
			if f := q.readFilter(v); f != nil {
				return f
			}
		case "$skiptoken", "api-version":
		case "$orderby", "$search", "$skip":
			return bad("The simulator does not serve %s.", name)
		default:
			if strings.HasPrefix(name, "$") {
				return bad("The query parameter '%s' is not supported.", name)
			}
		}
	}
	if slices.Contains(q.picked, "signInActivity") {
		q.top = min(max(q.top, 0), 500)
	}
	if q.must != "" && !slices.ContainsFunc(q.filter, func(c graphCondition) bool { return c.path == q.must }) {
		return &refusal{400, "MissingProvider", "The filter must name " + q.must + "."}
	}
	return nil
}

// readFilter reads a $filter, and refuses members and operators that the set
// does not document.
func (q *graphRequest) readFilter(text string) *refusal {
	unsupported := func(what string) *refusal {
		return &refusal{400, "Request_UnsupportedQuery", fmt.Sprintf("Unsupported or invalid query filter clause specified for property '%s' of resource '%s'.", what, q.typ)}
	}
	for _, term := range splitAnd(text) {
		c, ok := readCondition(term)
		if !ok {
			return &refusal{400, "BadRequest", "Invalid filter clause: " + term}
		}
		operators := strings.Fields(q.filters[c.path])
		op := c.op
		if c.any {
			op = "any"
		}
		if !slices.Contains(operators, op) {
			return unsupported(c.path)
		}
		if c.path == "signInEventTypes" && !q.beta {
			return &refusal{400, "BadRequest", "Could not find a property named 'signInEventTypes' on type 'microsoft.graph.signIn'."}
		}
		q.filter = append(q.filter, c)
	}
	return nil
}

// splitAnd splits at " and " outside quotes and parentheses.
func splitAnd(text string) []string {
	var out []string
	depth, from := 0, 0
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case depth == 0 && strings.HasPrefix(strings.ToLower(text[i:]), " and "):
			out = append(out, strings.TrimSpace(text[from:i]))
			from = i + len(" and ")
			i = from - 1
		}
	}
	return append(out, strings.TrimSpace(text[from:]))
}

func readCondition(term string) (graphCondition, bool) {
	if path, inner, ok := strings.Cut(term, "/any("); ok {
		variable, body, ok := strings.Cut(strings.TrimSuffix(inner, ")"), ":")
		c, good := readCondition(strings.TrimSpace(body))
		if !ok || !good || c.any || c.path != strings.TrimSpace(variable) || c.op != "eq" {
			return graphCondition{}, false
		}
		c.path, c.any = path, true
		return c, true
	}
	words := strings.SplitN(term, " ", 3)
	if len(words) != 3 || !slices.Contains([]string{"eq", "ne", "ge", "le", "gt", "lt"}, words[1]) {
		return graphCondition{}, false
	}
	c := graphCondition{path: words[0], op: words[1], value: strings.TrimSpace(words[2])}
	if n := len(c.value); n >= 2 && c.value[0] == '\'' && c.value[n-1] == '\'' {
		c.value, c.quoted = strings.ReplaceAll(c.value[1:n-1], "''", "'"), true
	} else if strings.ContainsAny(c.value, " '") {
		return graphCondition{}, false
	}
	return c, true
}

// filterRows keeps the rows for which all conditions hold.
func filterRows(rows graphRows, filter []graphCondition) graphRows {
	var kept []int
	for i := range rows.n {
		row := rows.at(i)
		if !slices.ContainsFunc(filter, func(c graphCondition) bool { return !c.holds(row) }) {
			kept = append(kept, i)
		}
	}
	return graphRows{len(kept), func(i int) []member { return rows.at(kept[i]) }}
}

// holds compares a member of the row. Times are compared as times, the rest as
// text without case, as the directory does.
func (c graphCondition) holds(row []member) bool {
	raw := json.RawMessage("null")
	at := row
	path := strings.Split(c.path, "/")
	for n, name := range path {
		i := slices.IndexFunc(at, func(m member) bool { return m.name == name })
		if i < 0 {
			break
		}
		if n == len(path)-1 {
			raw = at[i].value
			break
		}
		at, _ = members(at[i].value)
	}
	if c.any {
		var all []string
		return json.Unmarshal(raw, &all) == nil && slices.Contains(all, c.value)
	}
	have := strings.Trim(string(raw), `"`)
	if a, err := time.Parse(time.RFC3339, have); err == nil {
		if b, err := time.Parse(time.RFC3339, c.value); err == nil {
			return satisfies(a.Compare(b), c.op)
		}
	}
	return satisfies(strings.Compare(strings.ToLower(have), strings.ToLower(c.value)), c.op)
}

func satisfies(sign int, op string) bool {
	switch op {
	case "eq":
		return sign == 0
	case "ne":
		return sign != 0
	case "ge":
		return sign >= 0
	case "le":
		return sign <= 0
	case "gt":
		return sign > 0
	}
	return sign < 0
}

// bounds returns the times between which a filter of a log looks, both
// included; the zero time is no bound.
func (q *graphRequest) bounds(field string) (from, to time.Time) {
	for _, c := range q.filter {
		t, err := time.Parse(time.RFC3339, c.value)
		if c.path != field || err != nil {
			continue
		}
		switch c.op {
		case "ge":
			from = t
		case "le":
			to = t
		case "eq":
			from, to = t, t
		}
	}
	return from, to
}
