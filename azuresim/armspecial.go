// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// jsonPath returns a member of JSON text, compared without case; nil if there
// is none.
func jsonPath(text []byte, path ...string) any {
	var v any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return nil
	}
	for _, p := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = fields(m).column(p)
	}
	return v
}

// managementGroups serves the list of groups, one of them and the descendants.
// https://learn.microsoft.com/rest/api/managementgroups/management-groups
func (s *Sim) managementGroups(q *armRequest, seg []string) {
	if len(seg) == 3 {
		var groups []*ManagementGroup
		for i := range s.mgroups {
			if s.may(q.r, groupRead, managementGroupID(s.mgroups[i].Name)) {
				groups = append(groups, &s.mgroups[i])
			}
		}
		s.list(q, len(groups), 1000, func(b []byte, i int) []byte {
			g := groups[i]
			return append(b, marshal(map[string]any{
				"id": managementGroupID(g.Name), "type": "Microsoft.Management/managementGroups", "name": g.Name,
				"properties": map[string]any{"tenantId": s.org.Tenant.ID, "displayName": first(g.Display, g.Name)},
			})...)
		})
		return
	}
	g := s.managementGroup(seg[3])
	if g == nil {
		s.fail(q.w, q.r, http.StatusNotFound, "NotFound", fmt.Sprintf("'%s' does not exist.", seg[3]))
		return
	}
	below := len(seg) == 5 && s.may(q.r, "Microsoft.Management/managementGroups/descendants/read", managementGroupID(g.Name))
	if !below && !s.may(q.r, groupRead, managementGroupID(g.Name)) {
		s.forbid(q, groupRead, managementGroupID(g.Name))
		return
	}
	if len(seg) == 5 {
		rows := s.descendants(g)
		s.list(q, len(rows), 2000, func(b []byte, i int) []byte { return append(b, rows[i]...) })
		return
	}
	s.writeJSON(q.w, q.r, http.StatusOK, map[string]any{
		"id": managementGroupID(g.Name), "type": "Microsoft.Management/managementGroups", "name": g.Name, "properties": s.groupProperties(g, parameter(q.r, "$expand")),
	})
}

func (s *Sim) groupProperties(g *ManagementGroup, expand string) map[string]any {
	details := map[string]any{"version": 1, "updatedTime": s.epoch.AddDate(-2, 0, 0).Format(time.RFC3339), "updatedBy": s.guid("creator")}
	if p := s.managementGroup(g.Parent); p != nil && g.Parent != "" {
		details["parent"] = map[string]any{"id": managementGroupID(p.Name), "name": p.Name, "displayName": first(p.Display, p.Name)}
	}
	if strings.Contains(strings.ToLower(expand), "ancestors") {
		details["managementGroupAncestors"], details["managementGroupAncestorsChain"] = s.ancestors(g.Parent)
	}
	props := map[string]any{"tenantId": s.org.Tenant.ID, "displayName": first(g.Display, g.Name), "details": details}
	if strings.Contains(strings.ToLower(expand), "children") {
		children := []any{}
		for i := range s.mgroups {
			if c := &s.mgroups[i]; strings.EqualFold(c.Parent, g.Name) {
				children = append(children, map[string]any{"id": managementGroupID(c.Name), "type": "Microsoft.Management/managementGroups", "name": c.Name, "displayName": first(c.Display, c.Name)})
			}
		}
		for i := range s.subs {
			if t := &s.subs[i]; strings.EqualFold(t.Group, g.Name) && s.visible(i) {
				children = append(children, map[string]any{"id": "/subscriptions/" + t.ID, "type": "/subscriptions", "name": t.ID, "displayName": t.Name})
			}
		}
		props["children"] = children
	}
	return props
}

// ancestors lists the groups from name up to the root, as names and as a chain.
func (s *Sim) ancestors(name string) ([]string, []any) {
	names, chain := []string{}, []any{}
	for g := s.managementGroup(name); g != nil && name != ""; g = s.managementGroup(name) {
		names = append(names, g.Name)
		chain = append(chain, map[string]any{"name": g.Name, "displayName": first(g.Display, g.Name)})
		name = g.Parent
	}
	return names, chain
}

// descendants lists every group and subscription below a group.
func (s *Sim) descendants(g *ManagementGroup) [][]byte {
	var out [][]byte
	below := func(name string) bool { return slices.Contains(s.groupChain(name), managementGroupID(g.Name)) }
	for i := range s.mgroups {
		if c := &s.mgroups[i]; c.Name != g.Name && below(c.Name) {
			out = append(out, marshal(map[string]any{
				"id": managementGroupID(c.Name), "type": "Microsoft.Management/managementGroups", "name": c.Name,
				"properties": map[string]any{"displayName": first(c.Display, c.Name), "parent": map[string]any{"id": managementGroupID(c.Parent)}},
			}))
		}
	}
	for i := range s.subs {
		// The hierarchy names subscriptions that the credential cannot read.
		if t := &s.subs[i]; below(t.Group) && s.visible(i) {
			out = append(out, marshal(map[string]any{
				"id": "/subscriptions/" + t.ID, "type": "/subscriptions", "name": t.ID,
				"properties": map[string]any{"displayName": t.Name, "parent": map[string]any{"id": managementGroupID(t.Group)}},
			}))
		}
	}
	return out
}

// providers lists namespaces, or one, with types and, if wanted, aliases: one
// for each value in the properties of the templates.
func (s *Sim) providers(q *armRequest, last string) {
	types := map[string]map[string][]string{}
	for _, t := range s.templates {
		ns, rest, _ := strings.Cut(t.full, "/")
		if types[ns] == nil {
			types[ns] = map[string][]string{}
		}
		if _, ok := types[ns][rest]; !ok {
			var aliases []string
			if t.Properties != nil {
				aliases = aliasesOf(t.full, jsonPath(t.Properties.text))
			}
			types[ns][rest] = aliases
		}
	}
	names := make([]string, 0, len(types))
	for ns := range types {
		names = append(names, ns)
	}
	sort.Strings(names)
	withAliases := strings.Contains(strings.ToLower(parameter(q.r, "$expand")), "aliases")
	body := func(ns string) []byte {
		kinds := make([]string, 0, len(types[ns]))
		for k := range types[ns] {
			kinds = append(kinds, k)
		}
		sort.Strings(kinds)
		list := []any{}
		for _, k := range kinds {
			entry := map[string]any{"resourceType": k, "locations": []string{"West Europe", "North Europe"}, "apiVersions": []string{"2024-11-01"}, "capabilities": "None"}
			if withAliases {
				entry["aliases"] = aliasList(types[ns][k], ns+"/"+k)
			}
			list = append(list, entry)
		}
		return marshal(map[string]any{"id": strings.TrimSuffix(q.path, "/"+ns) + "/" + ns, "namespace": ns, "registrationState": "Registered", "registrationPolicy": "RegistrationRequired", "resourceTypes": list})
	}
	if last == "providers" {
		s.list(q, len(names), 1000, func(b []byte, i int) []byte { return append(b, body(names[i])...) })
		return
	}
	for _, ns := range names {
		if strings.EqualFold(ns, last) {
			s.write(q.w, q.r, http.StatusOK, body(ns))
			return
		}
	}
	s.fail(q.w, q.r, http.StatusNotFound, "InvalidResourceNamespace", fmt.Sprintf("The resource namespace '%s' is invalid.", last))
}

func aliasesOf(prefix string, v any) []string {
	var out []string
	if m, ok := v.(map[string]any); ok {
		for k, e := range m {
			out = append(out, prefix+"/"+k)
			out = append(out, aliasesOf(prefix+"/"+k, e)...)
		}
	}
	if l, ok := v.([]any); ok && len(l) > 0 {
		out = append(out, prefix+"[*]")
		out = append(out, aliasesOf(prefix+"[*]", l[0])...)
	}
	sort.Strings(out)
	return out
}

func aliasList(names []string, full string) []any {
	out := []any{}
	for _, n := range names {
		path := "properties" + strings.ReplaceAll(strings.TrimPrefix(n, full), "/", ".")
		out = append(out, map[string]any{"name": n, "defaultPath": path, "defaultPattern": nil, "type": "PlainText", "paths": []any{}})
	}
	return out
}

// policyStates serves the latest states of the resources at and below a scope.
// https://learn.microsoft.com/rest/api/policyinsights/policy-states
func (s *Sim) policyStates(q *armRequest, last string) {
	scope, _, _ := strings.Cut(q.lower, "/providers/microsoft.policyinsights/")
	var rows []map[string]any
	for sub := range s.subs {
		if q.sub >= 0 && sub != q.sub || q.sub < 0 && !slices.Contains(lowerAll(s.above(sub)), scope) || !s.readable(sub) {
			continue
		}
		rows = s.statesOf(rows, sub, scope, q.sub >= 0)
	}
	if last == "summarize" {
		if q.sub >= 0 && !s.may(q.r, "Microsoft.PolicyInsights/policyStates/summarize/read", "/subscriptions/"+s.subs[q.sub].ID) {
			s.forbid(q, "Microsoft.PolicyInsights/policyStates/summarize/action", q.path)
			return
		}
		bad := 0
		for _, r := range rows {
			if r["complianceState"] == "NonCompliant" {
				bad++
			}
		}
		s.writeJSON(q.w, q.r, http.StatusOK, map[string]any{"@odata.count": 1, "value": []any{map[string]any{
			"results": map[string]any{"nonCompliantResources": bad, "nonCompliantPolicies": min(bad, len(s.org.PolicyStates)), "resourceDetails": []any{
				map[string]any{"complianceState": "compliant", "count": len(rows) - bad}, map[string]any{"complianceState": "noncompliant", "count": bad},
			}}, "policyAssignments": []any{},
		}}})
		return
	}
	win, ok := s.window(q.r, parameter(q.r, "$skiptoken"), len(rows), max(1, min(number(q.r, "$top", 1000), 1000)))
	if !ok {
		s.fail(q.w, q.r, http.StatusBadRequest, "InvalidSkipToken", "The skip token is not valid.")
		return
	}
	out := map[string]any{"@odata.context": s.Endpoint("arm") + q.path + "/$metadata#latest", "@odata.count": win.To - win.From, "value": append([]map[string]any{}, rows[win.From:win.To]...)}
	if link := s.nextLink(q.r, win, "$skiptoken"); link != "" {
		out["@odata.nextLink"] = link
	}
	s.writeJSON(q.w, q.r, http.StatusOK, out)
}

func lowerAll(ss []string) []string {
	out := make([]string, len(ss))
	for i, x := range ss {
		out[i] = strings.ToLower(x)
	}
	return out
}

// statesOf appends the states of a subscription's resources at a scope.
func (s *Sim) statesOf(rows []map[string]any, sub int, scope string, narrowed bool) []map[string]any {
	r := s.ranges[sub]
	for i := r[0]; i < r[1]; i++ {
		t := s.templates[s.entries[i].tmpl]
		for j := range s.org.PolicyStates {
			p := &s.org.PolicyStates[j]
			if t.lower != strings.ToLower(p.Type) || !s.exists(i) {
				continue
			}
			v := s.varsOf(i)
			if narrowed && !inScope(strings.ToLower(v.id), scope) {
				continue
			}
			good := p.NonCompliantEvery == 0 || int(s.entries[i].ord)%p.NonCompliantEvery != 0
			state := first(p.States[v.name], map[bool]string{true: "Compliant", false: "NonCompliant"}[good])
			good = state != "NonCompliant"
			rows = append(rows, map[string]any{
				"timestamp": s.epoch.Add(-6 * time.Hour).Format(time.RFC3339), "resourceId": strings.ToLower(v.id), "resourceType": t.full, "resourceLocation": v.location, "resourceGroup": strings.ToLower(v.group), "subscriptionId": v.subID,
				"policyAssignmentId": s.policyID("microsoft.authorization/policyassignments", p.Assignment), "policyAssignmentName": p.Assignment,
				"policyDefinitionId": s.policyID("microsoft.authorization/policydefinitions", p.Definition), "policyDefinitionName": p.Definition,
				"complianceState": state, "isCompliant": good, "policyDefinitionAction": "audit", "policySetDefinitionId": "", "policyDefinitionReferenceId": "",
			})
		}
	}
	return rows
}

// policyID returns the id of the assignment or definition with a name.
func (s *Sim) policyID(kind, name string) string {
	for i := range s.entries {
		if s.templates[s.entries[i].tmpl].lower == kind {
			if v := s.varsOf(int32(i)); strings.EqualFold(v.name, name) {
				return strings.ToLower(v.id)
			}
		}
	}
	return "/providers/" + kind + "/" + strings.ToLower(name)
}

var timeBound = regexp.MustCompile(`(?i)(eventTimestamp|resourceGroupName|resourceUri)\s+(ge|le|gt|lt|eq)\s+'([^']*)'`)

// activityLog serves the records of a subscription, a management group or the
// tenant in a window, newest first. The tenant's is below no management group.
// That a window which begins before the 90 days is answered with what there is
// and not refused is unverified.
// https://learn.microsoft.com/rest/api/monitor/activity-logs/list
// https://learn.microsoft.com/azure/azure-monitor/platform/activity-log
// https://learn.microsoft.com/azure/role-based-access-control/elevate-access-global-admin
func (s *Sim) activityLog(q *armRequest) {
	const action = "Microsoft.Insights/eventtypes/values/read"
	scope := strings.TrimSuffix(q.lower, activityPath)
	if q.sub < 0 {
		at := first(scope, "/providers/microsoft.insights")
		if !s.scopeExists(scope) {
			s.missing(q)
			return
		}
		if !s.may(q.r, action, at) {
			s.forbid(q, action, at)
			return
		}
	}
	now := s.Now()
	kept := now.Add(-s.keeps(s.org.Logs.Activity, activityKept))
	from, to, group, uri := kept, now, "", ""
	for _, m := range timeBound.FindAllStringSubmatch(parameter(q.r, "$filter"), -1) {
		switch strings.ToLower(m[1]) {
		case "resourcegroupname":
			group = strings.ToLower(m[3])
			continue
		case "resourceuri":
			uri = strings.ToLower(m[3])
			continue
		}
		t, err := time.Parse(time.RFC3339Nano, m[3])
		if err != nil {
			s.fail(q.w, q.r, http.StatusBadRequest, "BadRequest", "The time in the filter is not valid.")
			return
		}
		switch strings.ToLower(m[2]) {
		case "ge", "gt":
			from = t
		case "le":
			to = t.Add(time.Nanosecond)
		case "lt":
			to = t
		}
	}
	if !strings.Contains(strings.ToLower(parameter(q.r, "$filter")), "eventtimestamp") {
		s.fail(q.w, q.r, http.StatusBadRequest, "BadRequest", "The $filter has no eventTimestamp.")
		return
	}
	if from.Before(kept) {
		from = kept
	}
	rows := s.activitiesAt(scope, from, to)
	rows = slices.DeleteFunc(rows, func(a activity) bool {
		return q.sub >= 0 && !s.may(q.r, action, a.Resource) || group != "" && !strings.Contains(strings.ToLower(a.Resource), "/resourcegroups/"+group+"/") || uri != "" && strings.ToLower(a.Resource) != uri
	})
	slices.Reverse(rows)
	s.list(q, len(rows), 200, func(b []byte, i int) []byte { return append(b, marshal(s.activityRecord(&rows[i]))...) })
}

// permissions lists what the caller may do at a scope.
func (s *Sim) permissions(q *armRequest) {
	if access := accessOf(q.r); access != nil {
		s.writeJSON(q.w, q.r, http.StatusOK, map[string]any{"value": s.permissionsAt(access, strings.TrimSuffix(q.lower, "/providers/microsoft.authorization/permissions"))})
		return
	}
	actions, not, data := []string{"*/read"}, []string{}, []string{}
	if id := callOf(q.r).client.identity; id != nil {
		if len(id.Actions) > 0 {
			actions, not = id.Actions, list(id.NotActions)
		}
		data = list(id.DataActions)
	}
	s.writeJSON(q.w, q.r, http.StatusOK, map[string]any{"value": []any{map[string]any{"actions": actions, "notActions": not, "dataActions": data, "notDataActions": []string{}}}})
}

// withoutDiagnostics are types that have no diagnostic settings. The list of
// types that have is Microsoft's; these are common ones that are not in it.
// https://learn.microsoft.com/azure/azure-monitor/reference/supported-logs/logs-index
var withoutDiagnostics = strings.Fields(`microsoft.compute/disks microsoft.compute/snapshots microsoft.compute/images microsoft.compute/availabilitysets
	microsoft.compute/virtualmachines/extensions microsoft.compute/sshpublickeys microsoft.managedidentity/userassignedidentities
	microsoft.network/routetables microsoft.network/networkwatchers microsoft.network/privatednszones microsoft.insights/actiongroups
	microsoft.insights/activitylogalerts microsoft.insights/metricalerts microsoft.insights/scheduledqueryrules microsoft.operationsmanagement/solutions
	microsoft.resources/resourcegroups microsoft.portal/dashboards`)

// refuseDiagnostics answers 400 for what cannot have diagnostic settings; it
// reports whether it did.
func (s *Sim) refuseDiagnostics(q *armRequest) bool {
	scope, _, _ := strings.Cut(q.path, "/providers/Microsoft.Insights/diagnosticSettings")
	if i := strings.LastIndex(q.lower, "/providers/microsoft.insights/diagnosticsettings"); i >= 0 {
		scope = q.path[:i]
	}
	i := s.find(scope)
	if i < 0 {
		return false
	}
	t := s.templates[s.entries[i].tmpl]
	if !slices.Contains(withoutDiagnostics, t.lower) {
		return false
	}
	s.write(q.w, q.r, http.StatusBadRequest, fmt.Appendf(nil, `{"code":"ResourceTypeNotSupported","message":%s}`, quote("The resource type '"+t.lower+"' does not support diagnostic settings.")))
	return true
}

// windowed is a quota of so many requests in a span, which begins with the
// first: Resource Graph's.
func (s *Sim) windowed(name string, limit int, span time.Duration) (left int, resets time.Duration, ok bool) {
	if !s.opts.Quotas {
		return limit - 1, span, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Now()
	b := s.buckets[name]
	if b == nil || !now.Before(b.at.Add(span)) {
		b = &bucket{left: float64(limit), at: now}
		s.buckets[name] = b
	}
	resets = b.at.Add(span).Sub(now)
	if b.left < 1 {
		return 0, resets, false
	}
	b.left--
	return int(b.left), resets, true
}

// clockSpan writes a duration as hh:mm:ss, rounded up.
func clockSpan(d time.Duration) string {
	sec := int((d + time.Second - 1) / time.Second)
	return fmt.Sprintf("%02d:%02d:%02d", sec/3600, sec/60%60, sec%60)
}

func seconds(d time.Duration) string { return strconv.Itoa(int((d + time.Second - 1) / time.Second)) }
