// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// argRequest is the body of a query to Resource Graph.
// https://learn.microsoft.com/rest/api/azureresourcegraph/resourcegraph/resources/resources
type argRequest struct {
	Query            string   `json:"query"`
	Subscriptions    []string `json:"subscriptions"`
	ManagementGroups []string `json:"managementGroups"`
	Options          struct {
		Top        int    `json:"$top"`
		Skip       int    `json:"$skip"`
		SkipToken  string `json:"$skipToken"`
		Format     string `json:"resultFormat"`
		Scope      string `json:"authorizationScopeFilter"`
		AllowParts bool   `json:"allowPartialScopes"`
	} `json:"options"`
	access []allowance // of who asks; nil is everything
}

// result is the whole result of a query, kept while a client pages through it.
type result struct {
	rows    []argRow // rows of the table as they are
	made    *table   // or rows that the query made
	limited bool     // the query has its own limit, so there is no paging
	at      time.Time
}

// argRow is a row of a table: an entry, or text for what is no resource.
type argRow struct {
	s     *Sim
	entry int32
	text  []byte
	vars  *vars
	value map[string]any
}

// column reads what an id tells without making the row's JSON.
func (r *argRow) column(name string) any {
	if r.entry >= 0 {
		e := &r.s.entries[r.entry]
		switch t := r.s.templates[e.tmpl]; {
		case name == "subscriptionId" && e.sub >= 0:
			return r.s.subs[e.sub].ID
		case name == "type" && t.full != groupType:
			return t.lower
		}
		if r.vars == nil {
			v := r.s.varsOf(r.entry)
			r.vars = &v
		}
		switch name {
		case "id":
			return r.vars.id
		case "name":
			return r.vars.name
		case "subscriptionId":
			return r.vars.subID
		case "resourceGroup":
			return strings.ToLower(r.vars.group)
		}
	}
	if r.value == nil {
		r.value, _ = jsonPath(r.json(nil)).(map[string]any)
	}
	return fields(r.value).column(name)
}

func (r *argRow) json(b []byte) []byte {
	if r.entry < 0 {
		return append(b, r.text...)
	}
	return r.s.row(b, r.entry)
}

// resourceGraph answers a query.
func (s *Sim) resourceGraph(q *armRequest) {
	// 15 requests in 5 seconds for each principal.
	// https://learn.microsoft.com/azure/governance/resource-graph/concepts/guidance-for-throttled-requests
	left, resets, ok := s.windowed("resourceGraph/"+callOf(q.r).clientID(), 15, 5*time.Second)
	q.w.Header().Set("x-ms-user-quota-remaining", strconv.Itoa(left))
	q.w.Header().Set("x-ms-user-quota-resets-after", clockSpan(resets))
	if !ok {
		q.w.Header().Set("Retry-After", seconds(resets))
		s.fail(q.w, q.r, http.StatusTooManyRequests, "RateLimiting", "Please provide below info when asking for support: the quota of requests is used up.")
		return
	}
	var body argRequest
	if err := json.Unmarshal(callOf(q.r).body, &body); err != nil || body.Query == "" {
		s.fail(q.w, q.r, http.StatusBadRequest, "BadRequest", "The request body is not a query.")
		return
	}
	body.access = accessOf(q.r)
	res, err := s.resultOf(&body)
	if err != nil {
		s.write(q.w, q.r, http.StatusBadRequest, fmt.Appendf(nil, `{"error":{"code":"BadRequest","message":"Please provide below info when asking for support.","details":[{"code":"InvalidQuery","message":%s}]}}`, quote(err.Error())))
		return
	}
	total := len(res.rows)
	if res.made != nil {
		total = len(res.made.rows)
	}
	size := first(body.Options.Top, 1000)
	token := body.Options.SkipToken
	if token == "" && body.Options.Skip > 0 {
		token = pageToken(1, min(body.Options.Skip, total), 0)
	}
	win, ok := s.window(q.r, token, total, max(1, min(size, 1000)))
	if !ok {
		s.fail(q.w, q.r, http.StatusBadRequest, "BadRequest", "The $skipToken is not valid.")
		return
	}
	if res.limited && win.Next != "" {
		win.Next, win.Truncated = "", true
	}
	if win.limit {
		q.w.Header().Set("x-ms-tenant-subscription-limit-hit", "true")
	}
	s.write(q.w, q.r, http.StatusOK, res.page(win, total, strings.EqualFold(body.Options.Format, "table")))
}

// page writes the rows of a window.
func (res *result) page(win window, total int, asTable bool) []byte {
	b := fmt.Appendf(nil, `{"totalRecords":%d,"count":%d,"data":`, total, win.To-win.From)
	switch {
	case asTable && res.made == nil:
		b = append(b, tableOf(res.rows[win.From:win.To])...)
	case asTable:
		b = append(b, res.made.json(win.From, win.To)...)
	default:
		b = append(b, '[')
		for i := win.From; i < win.To; i++ {
			if i > win.From {
				b = append(b, ',')
			}
			if res.made == nil {
				b = res.rows[i].json(b)
				continue
			}
			ms := make([]member, len(res.made.columns))
			for j, c := range res.made.columns {
				ms[j] = member{c, jsonOf(res.made.rows[i][j])}
			}
			b = append(b, object(ms)...)
		}
		b = append(b, ']')
	}
	b = append(b, `,"facets":[],"resultTruncated":`...)
	b = append(b, quote(strconv.FormatBool(win.Truncated))...)
	if win.Next != "" {
		b = append(append(b, `,"$skipToken":`...), quote(win.Next)...)
	}
	return append(b, '}')
}

// jsonOf is a value of a query as JSON: numbers without exponent, times as text.
func jsonOf(v any) []byte {
	switch v := v.(type) {
	case time.Time, float64:
		t := textOf(v)
		if _, ok := v.(time.Time); ok {
			return quote(t)
		}
		return []byte(t)
	case string:
		return quote(v)
	}
	return marshal(v)
}

// json writes rows as columns and lists of cells.
func (t *table) json(from, to int) []byte {
	b := []byte(`{"columns":[`)
	for i, c := range t.columns {
		if i > 0 {
			b = append(b, ',')
		}
		kind := "string"
		for r := from; r < to; r++ {
			if k := kindOf(t.rows[r][i]); k != "" {
				kind = k
				break
			}
		}
		b = fmt.Appendf(b, `{"name":%s,"type":%s}`, quote(c), quote(kind))
	}
	b = append(b, `],"rows":[`...)
	for r := from; r < to; r++ {
		if r > from {
			b = append(b, ',')
		}
		b = append(b, '[')
		for i := range t.columns {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, jsonOf(t.rows[r][i])...)
		}
		b = append(b, ']')
	}
	return append(b, `]}`...)
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return ""
	case bool:
		return "boolean"
	case int, float64, json.Number:
		return "integer"
	case map[string]any, []any:
		return "object"
	case time.Time:
		return "datetime"
	}
	return "string"
}

func tableOf(rows []argRow) []byte {
	t := table{columns: indexColumns}
	for i := range rows {
		line := make([]any, len(t.columns))
		for j, c := range t.columns {
			line[j] = rows[i].column(c)
		}
		t.rows = append(t.rows, line)
	}
	return t.json(0, len(t.rows))
}

// indexColumns are the columns of the resources table.
var indexColumns = []string{
	"id", "name", "type", "tenantId", "kind", "location", "resourceGroup", "subscriptionId", "managedBy", "sku", "plan", "properties", "tags", "identity", "zones", "extendedLocation",
}

// resultOf runs a query, or finds its result if the client is paging.
func (s *Sim) resultOf(body *argRequest) (*result, error) {
	h := fnv.New64a()
	fmt.Fprintln(h, body.access, body.Query, body.Options.Scope, body.Options.AllowParts, strings.Join(body.Subscriptions, " "), strings.Join(body.ManagementGroups, " "))
	key := strconv.FormatUint(h.Sum64(), 16)
	if body.Options.SkipToken != "" {
		s.mu.Lock()
		res := s.results[key]
		s.mu.Unlock()
		if res != nil {
			return res, nil
		}
	}
	q, err := parseKQL(body.Query, s.Now())
	if err != nil {
		return nil, err
	}
	rows, err := s.indexRows(strings.ToLower(q.table), body)
	if err != nil {
		return nil, err
	}
	res := q.overIndex(rows)
	res.at = s.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.results) >= 16 {
		for k := range s.results { // any: whoever still pages gets it made again
			delete(s.results, k)
			break
		}
	}
	s.results[key] = res
	return res, nil
}

// overIndex applies the operators; while rows stay as they are, no JSON is made.
func (q *query) overIndex(rows []argRow) *result {
	res := &result{}
	for i, op := range q.ops {
		switch op.word {
		case "where":
			rows = slices.DeleteFunc(rows, func(r argRow) bool { return !truth(op.cond(&r)) })
		case "order":
			sortIndex(rows, op.order)
		case "take":
			rows, res.limited = rows[:min(op.count, len(rows))], true
		default:
			all := make([]row, len(rows))
			for j := range rows {
				all[j] = &rows[j]
			}
			t := q.run(i, all, indexColumns)
			for _, later := range q.ops[i:] {
				res.limited = res.limited || later.word == "take"
			}
			res.made = &t
			return res
		}
	}
	for i := range rows {
		rows[i].vars, rows[i].value = nil, nil // made again for the page
	}
	res.rows = rows
	return res
}

// sortIndex sorts rows by keys that are made once, and keeps nothing else of
// them: there can be hundreds of thousands.
func sortIndex(rows []argRow, by []sorting) {
	if len(by) == 1 && len(rows) > 0 {
		if _, text := by[0].expr(&argRow{s: rows[0].s, entry: rows[0].entry, text: rows[0].text}).(string); text {
			sortByText(rows, by[0])
			return
		}
	}
	all := make([]row, len(rows))
	for j := range rows {
		all[j] = &rows[j]
	}
	sortRows(all, by)
	sorted := make([]argRow, len(rows))
	for j, r := range all {
		if a, ok := r.(*argRow); ok {
			sorted[j] = *a
		}
	}
	copy(rows, sorted)
}

// sortByText is sortIndex for one key that is text.
func sortByText(rows []argRow, by sorting) {
	type keyed struct {
		key string
		row argRow
	}
	all := make([]keyed, len(rows))
	for i, r := range rows {
		all[i] = keyed{textOf(by.expr(&r)), rows[i]}
	}
	slices.SortStableFunc(all, func(a, b keyed) int {
		c := strings.Compare(a.key, b.key)
		if by.desc {
			c = -c
		}
		return c
	})
	for i := range all {
		rows[i] = all[i].row
	}
}

// indexTables are the tables that exist; others are an error of the query.
// https://learn.microsoft.com/azure/governance/resource-graph/reference/supported-tables-resources
var indexTables = strings.Fields(`resources resourcecontainers authorizationresources policyresources securityresources advisorresources healthresources
	servicehealthresources recoveryservicesresources maintenanceresources patchassessmentresources patchinstallationresources guestconfigurationresources
	alertsmanagementresources managedserviceresources resourcechanges resourcecontainerchanges appserviceresources computeresources insightsresources
	kubernetesconfigurationresources networkresources`)

// indexRows returns the rows of a table in the scope of a request. Subscriptions
// that the credential may not see are left out without a word.
func (s *Sim) indexRows(name string, body *argRequest) ([]argRow, error) {
	if !slices.Contains(indexTables, name) {
		return nil, &kqlError{fmt.Sprintf("the table %q does not exist", name)}
	}
	subs, tenant, err := s.indexScope(body)
	if err != nil {
		return nil, err
	}
	var out []argRow
	filter := first(body.Options.Scope, "AtScopeAndBelow")
	above := strings.EqualFold(filter, "AtScopeAndAbove") || strings.EqualFold(filter, "AtScopeAboveAndBelow")
	narrow := name == "authorizationresources" || name == "policyresources"
	for _, sub := range subs {
		r := s.ranges[sub]
		for i := r[0]; i < r[1]; i++ {
			if s.templates[s.entries[i].tmpl].table != name || !s.exists(i) {
				continue
			}
			below := strings.Count(s.scopeOfEntry(i), "/") > 2
			if !s.readsAs(body.access, i) || narrow && below && (strings.EqualFold(filter, "AtScopeExact") || strings.EqualFold(filter, "AtScopeAndAbove")) {
				continue
			}
			out = append(out, argRow{s: s, entry: i})
		}
		if name == "resourcecontainers" {
			out = append(out, argRow{s: s, entry: -1, text: s.subscriptionRow(sub)})
		}
	}
	if name == "resourcecontainers" && tenant {
		for i := range s.mgroups {
			if !s.allows(body.access, groupRead, managementGroupID(s.mgroups[i].Name)) {
				continue
			}
			out = append(out, argRow{s: s, entry: -1, text: s.managementGroupRow(&s.mgroups[i])})
		}
	}
	if narrow {
		out = append(out, s.rowsAbove(name, subs, above, tenant, body.access)...)
	}
	if name == "policyresources" && strings.Contains(strings.ToLower(body.Query), "policystates") {
		out = append(out, s.stateRows(subs, body.access)...)
	}
	return out, nil
}

// indexScope resolves the subscriptions of a request; tenant is true when it
// names no scope at all.
func (s *Sim) indexScope(body *argRequest) (subs []int, tenant bool, err error) {
	if len(body.Subscriptions) > 0 {
		for _, id := range body.Subscriptions {
			if i, ok := s.byID[strings.ToLower(id)]; ok && s.readable(i) && s.touched(body.access, i) {
				subs = append(subs, i)
			}
		}
		if len(subs) == 0 {
			return nil, false, errors.New("no subscription of the request can be accessed")
		}
		slices.Sort(subs)
		return slices.Compact(subs), false, nil
	}
	for i := range s.subs {
		if !s.readable(i) || !s.touched(body.access, i) {
			continue
		}
		if len(body.ManagementGroups) > 0 {
			chain := lowerAll(s.groupChain(s.subs[i].Group))
			if !slices.ContainsFunc(body.ManagementGroups, func(g string) bool { return slices.Contains(chain, strings.ToLower(managementGroupID(g))) }) {
				continue
			}
		}
		subs = append(subs, i)
	}
	return subs, len(body.ManagementGroups) == 0, nil
}

// rowsAbove returns the rows of the management groups and the tenant: with above
// those that the subscriptions inherit. The default hides them (fault C26); what
// belongs to nobody, such as built-in definitions, is always shown.
func (s *Sim) rowsAbove(name string, subs []int, above, tenant bool, access []allowance) []argRow {
	scopes := map[string]bool{}
	for _, sub := range subs {
		if !s.allows(access, "Microsoft.Authorization/roleAssignments/read", "/subscriptions/"+s.subs[sub].ID) {
			continue // what is inherited shows at the subscription itself
		}
		for _, x := range s.scopesAbove("/subscriptions/" + strings.ToLower(s.subs[sub].ID)) {
			scopes[x] = true
		}
	}
	var out []argRow
	r := s.ranges[len(s.subs)]
	for i := r[0]; i < r[1]; i++ {
		t := s.templates[s.entries[i].tmpl]
		if t.table != name || !s.exists(i) {
			continue
		}
		at := strings.ToLower(s.scopeOfEntry(i))
		builtIn := at == "" && strings.HasSuffix(t.lower, "definitions")
		// A query of the whole tenant has the management groups below its scope,
		// but not the root above it.
		if builtIn || above && scopes[at] || tenant && at != "" && s.readsAs(access, i) {
			out = append(out, argRow{s: s, entry: i})
		}
	}
	return out
}

func (s *Sim) subscriptionRow(i int) []byte {
	t := &s.subs[i]
	_, chain := s.ancestors(t.Group)
	return marshal(map[string]any{
		"id": "/subscriptions/" + t.ID, "name": t.Name, "type": "microsoft.resources/subscriptions", "tenantId": s.org.Tenant.ID, "subscriptionId": t.ID,
		"kind": "", "location": "", "resourceGroup": "", "managedBy": "", "sku": nil, "plan": nil, "tags": t.Tags, "identity": nil, "zones": nil, "extendedLocation": nil,
		"properties": map[string]any{
			"managementGroupAncestorsChain": chain, "state": first(t.State, "Enabled"), "managedByTenants": []any{},
			"subscriptionPolicies": map[string]any{"locationPlacementId": "Public_2014-09-01", "quotaId": "EnterpriseAgreement_2014-09-01", "spendingLimit": "Off"},
		},
	})
}

func (s *Sim) managementGroupRow(g *ManagementGroup) []byte {
	_, chain := s.ancestors(g.Parent)
	return marshal(map[string]any{
		"id": managementGroupID(g.Name), "name": g.Name, "type": "microsoft.management/managementgroups", "tenantId": s.org.Tenant.ID, "subscriptionId": "",
		"kind": "", "location": "", "resourceGroup": "", "managedBy": "", "sku": nil, "plan": nil, "tags": nil, "identity": nil, "zones": nil, "extendedLocation": nil,
		"properties": map[string]any{"displayName": first(g.Display, g.Name), "tenantId": s.org.Tenant.ID, "details": map[string]any{"managementGroupAncestorsChain": chain}},
	})
}

func (s *Sim) stateRows(subs []int, access []allowance) []argRow {
	var out []argRow
	for _, sub := range subs {
		for _, st := range s.statesOf(nil, sub, "", false) {
			if !s.allows(access, "Microsoft.PolicyInsights/policyStates/read", textOf(st["resourceId"])) {
				continue
			}
			id := textOf(st["resourceId"]) + "/providers/microsoft.policyinsights/policystates/" + s.guid(textOf(st["resourceId"]), textOf(st["policyAssignmentId"]))
			out = append(out, argRow{s: s, entry: -1, text: marshal(map[string]any{
				"id": id, "name": id[strings.LastIndexByte(id, '/')+1:], "type": "microsoft.policyinsights/policystates", "tenantId": s.org.Tenant.ID,
				"subscriptionId": st["subscriptionId"], "resourceGroup": st["resourceGroup"], "kind": "", "location": "", "properties": st,
			})})
		}
	}
	return out
}
