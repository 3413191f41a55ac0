// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

func init() {
	register("logAnalytics", hostDef{handler: (*Sim).analyticsHandler, audiences: []string{"https://api.loganalytics.io", "https://api.loganalytics.azure.com"}})
}

// analyticsHandler serves queries to Log Analytics workspaces.
// https://learn.microsoft.com/azure/azure-monitor/logs/api/response-format
func (s *Sim) analyticsHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/workspaces/{id}/query", func(w http.ResponseWriter, r *http.Request) {
		ws := s.workspace(r.PathValue("id"))
		if ws == nil {
			s.fail(w, r, http.StatusNotFound, "WorkspaceNotFoundError", "The workspace could not be found.")
			return
		}
		if !s.queries(r, ws) {
			s.fail(w, r, http.StatusForbidden, "InsufficientAccessError", "The provided credentials have insufficient access to perform the requested operation")
			return
		}
		// 200 requests in 30 seconds for each principal.
		// https://learn.microsoft.com/azure/azure-monitor/service-limits
		if left, resets, ok := s.windowed("logAnalytics/"+callOf(r).clientID(), 200, 30*time.Second); !ok {
			w.Header().Set("Retry-After", seconds(resets))
			s.fail(w, r, http.StatusTooManyRequests, "ThrottledError", fmt.Sprintf("The quota is used up, %d left.", left))
			return
		}
		s.analyticsQuery(w, r, ws)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, http.StatusNotFound, "PathNotFoundError", "The requested path does not exist.")
	})
	return mux
}

// queries reports whether who asks may query a workspace: whose resource it is
// decides. A workspace without a resource is anybody's.
func (s *Sim) queries(r *http.Request, ws *Workspace) bool {
	access := accessOf(r)
	if access == nil {
		return true
	}
	for i := range s.entries {
		if s.templates[s.entries[i].tmpl].lower == "microsoft.operationalinsights/workspaces" {
			if v := s.varsOf(int32(i)); strings.EqualFold(v.name, ws.Name) {
				return s.allows(access, "Microsoft.OperationalInsights/workspaces/query/read", v.id)
			}
		}
	}
	return true
}

func (s *Sim) workspace(id string) *Workspace {
	for i := range s.org.Workspaces {
		if w := &s.org.Workspaces[i]; strings.EqualFold(w.CustomerID, id) {
			return w
		}
	}
	return nil
}

// workspaceTables lists the tables of a workspace that Workspaces describes; it
// reports whether it did.
// https://learn.microsoft.com/rest/api/loganalytics/tables/list-by-workspace
func (s *Sim) workspaceTables(q *armRequest) bool {
	parent := strings.TrimSuffix(q.path, "/"+q.path[strings.LastIndexByte(q.path, '/')+1:])
	i := s.find(parent)
	if i < 0 {
		return false
	}
	v := s.varsOf(i)
	if !s.may(q.r, "Microsoft.OperationalInsights/workspaces/tables/read", v.id) {
		s.forbid(q, "Microsoft.OperationalInsights/workspaces/tables/read", v.id)
		return true
	}
	for j := range s.org.Workspaces {
		ws := &s.org.Workspaces[j]
		if !strings.EqualFold(ws.Name, v.name) {
			continue
		}
		days := int(first(time.Duration(ws.Keeps), 90*day) / day)
		s.list(q, len(ws.Tables), 1000, func(b []byte, i int) []byte {
			return append(b, marshal(map[string]any{
				"id": v.id + "/tables/" + ws.Tables[i], "name": ws.Tables[i], "type": "Microsoft.OperationalInsights/workspaces/tables",
				"properties": map[string]any{"retentionInDays": min(days, 730), "totalRetentionInDays": days, "plan": "Analytics", "provisioningState": "Succeeded"},
			})...)
		})
		return true
	}
	return false
}

func (s *Sim) analyticsQuery(w http.ResponseWriter, r *http.Request, ws *Workspace) {
	var body struct {
		Query    string `json:"query"`
		Timespan string `json:"timespan"`
	}
	bad := func(code, message string) {
		s.write(w, r, http.StatusBadRequest, fmt.Appendf(nil, `{"error":{"message":"The request had some invalid properties","code":"BadArgumentError","innererror":{"code":%s,"message":%s}}}`, quote(code), quote(message)))
	}
	if json.Unmarshal(callOf(r).body, &body) != nil || body.Query == "" {
		bad("QueryValidationError", "The query is missing.")
		return
	}
	q, err := parseKQL(body.Query, s.Now())
	if err != nil {
		bad("SyntaxError", err.Error())
		return
	}
	span, err := s.timespan(body.Timespan)
	if err != nil {
		bad("InvalidTimespan", err.Error())
		return
	}
	i := slices.IndexFunc(ws.Tables, func(t string) bool { return strings.EqualFold(t, q.table) })
	if i < 0 {
		bad("SEM0100", fmt.Sprintf("'where' operator: Failed to resolve table or column expression named '%s'", q.table))
		return
	}
	rows, columns := s.logRows(ws, ws.Tables[i], span[0], span[1])
	t := q.run(0, rows, columns)
	s.writeTable(w, r, &t)
}

// maxLogRows is how many rows an answer has at most.
// https://learn.microsoft.com/azure/azure-monitor/service-limits
const maxLogRows = 500_000

func (s *Sim) writeTable(w http.ResponseWriter, r *http.Request, t *table) {
	rows, cut := t.rows, len(t.rows) > maxLogRows
	if cut {
		rows = rows[:maxLogRows]
	}
	b := []byte(`{"tables":[{"name":"PrimaryResult","columns":[`)
	for i, c := range t.columns {
		if i > 0 {
			b = append(b, ',')
		}
		kind := "string"
		for _, line := range rows {
			if k := kindOf(line[i]); k != "" {
				kind = map[string]string{"integer": "long", "object": "dynamic", "boolean": "bool"}[k]
				kind = first(kind, k)
				break
			}
		}
		b = fmt.Appendf(b, `{"name":%s,"type":%s}`, quote(c), quote(kind))
	}
	b = append(b, `],"rows":[`...)
	for i, line := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '[')
		for j, v := range line {
			if j > 0 {
				b = append(b, ',')
			}
			b = append(b, jsonOf(v)...)
		}
		b = append(b, ']')
	}
	b = append(b, `]}]`...)
	if cut {
		b = append(b, partialError...)
	}
	s.write(w, r, http.StatusOK, append(b, '}'))
}

// partialError is what a cut answer has beside its tables.
// https://learn.microsoft.com/azure/azure-monitor/logs/api/errors
const partialError = `,"error":{"code":"PartialError","message":"There were some errors when processing your query.","details":[{"code":"EngineError","message":"The results of this query exceed the set limit.","innererror":{"code":"-2133196797","message":"The results of this query exceed the set limit."}}]}`

// timespan reads from/to, from/duration or a duration (P30D, PT6H); empty is all.
func (s *Sim) timespan(text string) ([2]time.Time, error) {
	now := s.Now()
	all := [2]time.Time{{}, now.Add(time.Nanosecond)}
	if text == "" {
		return all, nil
	}
	a, b, both := strings.Cut(text, "/")
	if !both {
		d, err := isoDuration(a)
		return [2]time.Time{now.Add(-d), all[1]}, err
	}
	from, err := parseTime(a)
	if err != nil {
		return all, err
	}
	if to, err := parseTime(b); err == nil {
		return [2]time.Time{from, to}, nil
	}
	d, err := isoDuration(b)
	return [2]time.Time{from, from.Add(d)}, err
}

func isoDuration(text string) (time.Duration, error) {
	days, clock, _ := strings.Cut(strings.TrimPrefix(strings.ToLower(text), "p"), "t")
	var total time.Duration
	for _, part := range []string{days, clock} {
		if part == "" {
			continue
		}
		d, err := parseSpan(part)
		if err != nil {
			return 0, errors.New("the time span " + text + " is not understood")
		}
		total += d
	}
	return total, nil
}

// logRows returns the rows of a table in [from, to) that the workspace has: what
// was exported since its beginning, without its gaps.
func (s *Sim) logRows(ws *Workspace, name string, from, to time.Time) ([]row, []string) {
	since := s.at(ws.Since)
	if keep := s.Now().Add(-time.Duration(ws.Keeps)); ws.Keeps > 0 && since.Before(keep) {
		since = keep
	}
	if from.Before(since) {
		from = since
	}
	var out []row
	add := func(e *event, f fields) {
		for _, g := range ws.Gaps {
			if !e.Time.Before(s.at(g.From)) && e.Time.Before(s.at(g.To)) {
				return
			}
		}
		f["TimeGenerated"], f["TenantId"], f["Type"] = e.Time, ws.CustomerID, name
		out = append(out, f)
	}
	switch name {
	case "AzureActivity":
		for sub := range s.subs {
			for _, a := range s.activities(sub, from, to) {
				add(&a.event, s.activityRow(&a))
			}
		}
		return out, activityColumns
	case "AuditLogs":
		for _, a := range s.audits(from, to) {
			add(&a.event, auditRow(&a, s.org.Tenant.ID))
		}
		return out, auditColumns
	case "SecurityAlert":
		for _, e := range s.events("alerts", s.org.Logs.Alerts, from, to) {
			if s.arrived(&e) {
				add(&e, alertRow(&e))
			}
		}
		return out, alertColumns
	}
	for kind, tbl := range signInTables {
		if tbl == name {
			for _, x := range s.signIns(kind, from, to) {
				add(&x.event, signInRow(&x, s.org.Tenant.ID))
			}
		}
	}
	return out, signInColumns
}

var activityColumns = strings.Fields("TenantId TimeGenerated OperationNameValue OperationName CategoryValue Category ActivityStatusValue ActivitySubstatusValue Caller CallerIpAddress ResourceGroup SubscriptionId _ResourceId ResourceProviderValue EventDataId CorrelationId OperationId EventSubmissionTimestamp Level Type")

// https://learn.microsoft.com/azure/azure-monitor/reference/tables/azureactivity
func (s *Sim) activityRow(a *activity) fields {
	r := s.activityRecord(a)
	namespace, _, _ := strings.Cut(a.Operation, "/")
	return fields{
		"OperationNameValue": strings.ToUpper(a.Operation), "OperationName": a.Operation, "CategoryValue": a.Category, "Category": a.Category,
		"ActivityStatusValue": "Success", "ActivitySubstatusValue": "", "Caller": a.Caller, "CallerIpAddress": "203.0.113.7", "ResourceGroup": r["resourceGroupName"],
		"SubscriptionId": r["subscriptionId"], "_ResourceId": strings.ToLower(a.Resource), "ResourceProviderValue": strings.ToUpper(namespace), "EventDataId": a.ID,
		"CorrelationId": r["correlationId"], "OperationId": r["operationId"], "EventSubmissionTimestamp": a.Arrives, "Level": "Informational",
	}
}

var auditColumns = strings.Fields("TenantId TimeGenerated OperationName OperationVersion Category ResultType ResultDescription Id CorrelationId ActivityDisplayName ActivityDateTime LoggedByService Result InitiatedBy TargetResources AADTenantId Type")

// https://learn.microsoft.com/azure/azure-monitor/reference/tables/auditlogs
func auditRow(a *audit, tenant string) fields {
	return fields{
		"OperationName": a.Activity, "OperationVersion": "1.0", "Category": a.Category, "ResultType": "", "ResultDescription": "", "Id": a.record(), "CorrelationId": a.ID,
		"ActivityDisplayName": a.Activity, "ActivityDateTime": a.Time, "LoggedByService": "Core Directory", "Result": "success", "AADTenantId": tenant,
		"InitiatedBy":     map[string]any{"user": map[string]any{"id": a.InitiatorID, "userPrincipalName": a.Initiator}},
		"TargetResources": []any{map[string]any{"id": a.TargetID, "displayName": a.Target, "type": a.TargetType, "userPrincipalName": a.Target}},
	}
}

var alertColumns = strings.Fields("TenantId TimeGenerated SystemAlertId AlertName DisplayName AlertSeverity Description ProviderName VendorName Status StartTime EndTime Type")

// https://learn.microsoft.com/azure/azure-monitor/reference/tables/securityalert
func alertRow(e *event) fields {
	return fields{
		"SystemAlertId": e.ID, "AlertName": "Suspicious authentication activity", "DisplayName": "Suspicious authentication activity", "AlertSeverity": "Medium", "Description": "Simulated.",
		"ProviderName": "Azure Security Center", "VendorName": "Microsoft", "Status": "New", "StartTime": e.Time, "EndTime": e.Time,
	}
}

var signInColumns = strings.Fields("TenantId TimeGenerated Id CreatedDateTime CorrelationId UserPrincipalName UserId UserDisplayName ServicePrincipalId ServicePrincipalName AppId AppDisplayName ResourceDisplayName ResourceIdentity IPAddress Location ClientAppUsed ResultType ResultDescription AuthenticationRequirement ConditionalAccessStatus RiskLevelDuringSignIn AADTenantId Type")

// https://learn.microsoft.com/azure/azure-monitor/reference/tables/signinlogs
func signInRow(x *signIn, tenant string) fields {
	f := fields{
		"Id": x.ID, "CreatedDateTime": x.Time, "CorrelationId": x.ID, "AppId": x.AppID, "AppDisplayName": x.App, "ResourceDisplayName": x.Resource, "ResourceIdentity": x.ResourceID,
		"IPAddress": x.IP, "Location": x.Country, "ClientAppUsed": x.Client, "ResultType": fmt.Sprint(x.Result), "ResultDescription": x.Reason,
		"AuthenticationRequirement": x.Requirement, "ConditionalAccessStatus": x.ConditionalAccess, "RiskLevelDuringSignIn": x.Risk, "AADTenantId": tenant,
	}
	if x.UPN != "" {
		f["UserPrincipalName"], f["UserId"], f["UserDisplayName"] = x.UPN, x.PrincipalID, x.Name
	} else {
		f["ServicePrincipalId"], f["ServicePrincipalName"] = x.PrincipalID, x.Name
	}
	return f
}
