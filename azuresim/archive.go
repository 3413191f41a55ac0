// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

func init() {
	register("blob", hostDef{
		handler: (*Sim).blobHandler, audiences: []string{"https://storage.azure.com"}, failure: storageError,
		empty: `<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs /><NextMarker /></EnumerationResults>`,
	})
}

const (
	containersRead = "Microsoft.Storage/storageAccounts/blobServices/containers/read"
	blobsRead      = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
)

// storageError is the form of an error of Storage.
// https://learn.microsoft.com/rest/api/storageservices/status-and-error-codes2
func storageError(code, message string) []byte {
	var b bytes.Buffer
	b.WriteString("\ufeff<?xml version=\"1.0\" encoding=\"utf-8\"?><Error>")
	element(&b, "Code", code)
	element(&b, "Message", message)
	b.WriteString("</Error>")
	return b.Bytes()
}

func element(b *bytes.Buffer, name, text string) {
	b.WriteString("<" + name + ">")
	_ = xml.EscapeText(b, []byte(text)) // a buffer takes all
	b.WriteString("</" + name + ">")
}

// The containers to which diagnostic settings write, by the table of the log.
var archiveContainers = map[string]string{
	"AzureActivity": "insights-activity-logs", "AuditLogs": "insights-logs-auditlogs", "SigninLogs": "insights-logs-signinlogs",
	"AADNonInteractiveUserSignInLogs": "insights-logs-noninteractiveusersigninlogs", "AADServicePrincipalSignInLogs": "insights-logs-serviceprincipalsigninlogs",
	"AADManagedIdentitySignInLogs": "insights-logs-managedidentitysigninlogs",
}

// blobHandler serves the accounts that archive logs, each below its name: GET
// of the containers, of the blobs of one and of a blob.
// https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api
func (s *Sim) blobHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		account, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		a, id := s.archive(account)
		switch {
		case r.Method != http.MethodGet:
			s.fail(w, r, http.StatusMethodNotAllowed, "UnsupportedHttpVerb", "The resource doesn't support specified Http Verb.")
		case a == nil:
			s.fail(w, r, http.StatusNotFound, "ResourceNotFound", "The specified resource does not exist.")
		case r.Header.Get("X-Ms-Version") == "":
			s.fail(w, r, http.StatusBadRequest, "MissingRequiredHeader", "An HTTP header that's mandatory for this request is not specified.")
		case path == "" && parameter(r, "comp") == "list":
			if !s.may(r, containersRead, id) {
				s.fail(w, r, http.StatusForbidden, "AuthorizationPermissionMismatch", "This request is not authorized to perform this operation using this permission.")
				return
			}
			s.listBlobs(w, r, `ServiceEndpoint="`+s.Endpoint("blob")+`/`+account+`/"`, "Container", a.containers(), nil)
		case path == "":
			s.fail(w, r, http.StatusBadRequest, "InvalidQueryParameterValue", "Value for one of the query parameters specified in the request URI is invalid.")
		case !s.mayData(r, blobsRead, id):
			s.fail(w, r, http.StatusForbidden, "AuthorizationPermissionMismatch", "This request is not authorized to perform this operation using this permission.")
		default:
			s.container(w, r, a, account, path)
		}
	})
}

// checkArchives refuses archives of accounts, workspaces and logs that are none.
func (s *Sim) checkArchives() error {
	for i := range s.org.Archives {
		a := &s.org.Archives[i]
		bad := func(format string, args ...any) error {
			return s.org.refuse(at("archives", i), fmt.Sprintf(format, args...), "")
		}
		if s.accountID(a.Account) == "" {
			return bad("there is no storage account %q among the resources", a.Account)
		}
		for _, l := range a.Logs {
			if archiveContainers[l] == "" {
				return bad("no diagnostic setting archives %q: want AzureActivity, AuditLogs or one of the sign-in tables", l)
			}
		}
		if len(a.Exports) > 0 && s.workspaceID(a.Workspace) == "" {
			return bad("there is no workspace %q that could export tables", a.Workspace)
		}
	}
	return nil
}

// archive finds an account that archives, and its id.
func (s *Sim) archive(account string) (*Archive, string) {
	for i := range s.org.Archives {
		if a := &s.org.Archives[i]; strings.EqualFold(a.Account, account) {
			return a, s.accountID(account)
		}
	}
	return nil, ""
}

func (s *Sim) accountID(account string) string {
	for i := range s.entries {
		if s.templates[s.entries[i].tmpl].lower == "microsoft.storage/storageaccounts" {
			if v := s.varsOf(int32(i)); strings.EqualFold(v.name, account) {
				return v.id
			}
		}
	}
	return ""
}

// archiveEndpoint is what the account of an archive says about where its blobs
// are, in place of its template; nil for other resources.
func (s *Sim) archiveEndpoint(i int32) []byte {
	if len(s.org.Archives) == 0 || s.templates[s.entries[i].tmpl].lower != "microsoft.storage/storageaccounts" {
		return nil
	}
	name := s.varsOf(i).name
	if a, _ := s.archive(name); a == nil {
		return nil
	}
	return fmt.Appendf(nil, `{"properties":{"primaryEndpoints":{"blob":%s}}}`, quote(s.Endpoint("blob")+"/"+strings.ToLower(name)+"/"))
}

// containers are those of the logs, and one that is none's.
func (a *Archive) containers() []string {
	out := []string{"backups"}
	for _, l := range a.Logs {
		out = append(out, archiveContainers[l])
	}
	for _, l := range a.Exports {
		out = append(out, "am-"+strings.ToLower(l))
	}
	slices.Sort(out)
	return out
}

// table is the log of a container, and whether a workspace exports it.
func (a *Archive) table(container string) (name string, exported bool) {
	for _, l := range a.Logs {
		if archiveContainers[l] == container {
			return l, false
		}
	}
	for _, l := range a.Exports {
		if "am-"+strings.ToLower(l) == container {
			return l, true
		}
	}
	return "", false
}

// container answers what is below a container.
func (s *Sim) container(w http.ResponseWriter, r *http.Request, a *Archive, account, path string) {
	container, name, _ := strings.Cut(path, "/")
	if !slices.Contains(a.containers(), container) {
		s.fail(w, r, http.StatusNotFound, "ContainerNotFound", "The specified container does not exist.")
		return
	}
	if name != "" {
		blobs := s.archived(a, container, name)
		if len(blobs) == 0 {
			s.fail(w, r, http.StatusNotFound, "BlobNotFound", "The specified blob does not exist.")
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("x-ms-blob-type", "AppendBlob")
		s.write(w, r, http.StatusOK, blobs[0].text)
		return
	}
	if parameter(r, "restype") != "container" || parameter(r, "comp") != "list" {
		s.fail(w, r, http.StatusBadRequest, "InvalidQueryParameterValue", "Value for one of the query parameters specified in the request URI is invalid.")
		return
	}
	prefix, delimiter := parameter(r, "prefix"), parameter(r, "delimiter")
	blobs := s.archived(a, container, prefix)
	var names []string
	var rows []*archivedBlob
	for i := range blobs {
		b := &blobs[i]
		if delimiter != "" {
			if at := strings.Index(b.name[len(prefix):], delimiter); at >= 0 {
				if p := b.name[:len(prefix)+at+len(delimiter)]; len(names) == 0 || names[len(names)-1] != p {
					names, rows = append(names, p), append(rows, nil)
				}
				continue
			}
		}
		names, rows = append(names, b.name), append(rows, b)
	}
	s.listBlobs(w, r, `ServiceEndpoint="`+s.Endpoint("blob")+`/`+account+`/" ContainerName="`+container+`"`, "Blob", names, rows)
}

// listBlobs writes a page of names. rows beside them are blobs; nil is a prefix
// or a container.
func (s *Sim) listBlobs(w http.ResponseWriter, r *http.Request, attributes, of string, names []string, rows []*archivedBlob) {
	win, ok := s.window(r, parameter(r, "marker"), len(names), min(number(r, "maxresults", 5000), 5000))
	if !ok {
		s.fail(w, r, http.StatusBadRequest, "OutOfRangeInput", "One of the request inputs is out of range.")
		return
	}
	var b bytes.Buffer
	b.WriteString("\ufeff<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults " + attributes + ">")
	element(&b, "Prefix", parameter(r, "prefix"))
	b.WriteString("<" + of + "s>")
	for i := win.From; i < win.To; i++ {
		switch {
		case of == "Container":
			b.WriteString("<Container>")
			element(&b, "Name", names[i])
			b.WriteString("<Properties><LeaseStatus>unlocked</LeaseStatus><HasImmutabilityPolicy>true</HasImmutabilityPolicy></Properties></Container>")
		case rows[i] == nil:
			b.WriteString("<BlobPrefix>")
			element(&b, "Name", names[i])
			b.WriteString("</BlobPrefix>")
		default:
			b.WriteString("<Blob>")
			element(&b, "Name", names[i])
			b.WriteString("<Properties>")
			element(&b, "Last-Modified", rows[i].at.Add(70*time.Minute).Format(http.TimeFormat))
			element(&b, "Content-Length", fmt.Sprint(len(rows[i].text)))
			element(&b, "BlobType", "AppendBlob")
			b.WriteString("</Properties></Blob>")
		}
	}
	b.WriteString("</" + of + "s>")
	element(&b, "NextMarker", win.Next)
	b.WriteString("</EnumerationResults>")
	s.write(w, r, http.StatusOK, b.Bytes())
}

// archivedBlob is the records of an hour, a line each.
type archivedBlob struct {
	name string
	at   time.Time
	text []byte
}

// archived returns the blobs of a container whose names begin with prefix, in
// the order of names. A prefix that goes to a month or further makes only that.
func (s *Sim) archived(a *Archive, container, prefix string) []archivedBlob {
	month := time.Time{}
	if _, in, ok := strings.Cut(prefix, "/y="); ok && len(in) >= len("2026/m=05") {
		month, _ = time.Parse("2006/m=01", in[:len("2026/m=05")]) // else all months
	}
	// Blobs are read one after another: those of a month are made once in a while.
	key := fmt.Sprint(a.Account, "/", container, " ", month.Unix(), " ", s.Now().Truncate(time.Minute).Unix())
	s.mu.Lock()
	blobs, made := s.blobs[key]
	s.mu.Unlock()
	if !made {
		blobs = s.blobsOf(a, container, month)
		s.mu.Lock()
		if len(s.blobs) >= 32 {
			clear(s.blobs)
		}
		s.blobs[key] = blobs
		s.mu.Unlock()
	}
	from, _ := slices.BinarySearchFunc(blobs, prefix, func(b archivedBlob, p string) int { return strings.Compare(b.name, p) })
	to := from
	for to < len(blobs) && strings.HasPrefix(blobs[to].name, prefix) {
		to++
	}
	return blobs[from:to]
}

// blobsOf makes the blobs of a month; the zero month is all time.
func (s *Sim) blobsOf(a *Archive, container string, month time.Time) []archivedBlob {
	table, exported := a.table(container)
	if table == "" {
		return nil
	}
	from, to := s.at(a.Since), s.Now().Add(time.Nanosecond)
	if keep := s.Now().Add(-time.Duration(a.Keeps)); a.Keeps > 0 && from.Before(keep) {
		from = keep
	}
	if !month.IsZero() {
		if month.After(from) {
			from = month
		}
		if end := month.AddDate(0, 1, 0); end.Before(to) {
			to = end
		}
	}
	if !from.Before(to) {
		return nil
	}
	hours := map[string]*archivedBlob{}
	add := func(scope string, e *event, record any) {
		for _, g := range a.Gaps {
			if !e.Time.Before(s.at(g.From)) && e.Time.Before(s.at(g.To)) {
				return
			}
		}
		// A workspace writes a blob for each five minutes.
		step, file := time.Hour, "PT1H.json"
		if exported {
			step, file = 5*time.Minute, "PT05M.json"
		}
		at := e.Time.UTC().Truncate(step)
		name := scope + at.Format("/y=2006/m=01/d=02/h=15/m=04/") + file
		if hours[name] == nil {
			hours[name] = &archivedBlob{name: name, at: at}
		}
		hours[name].text = append(append(hours[name].text, marshal(record)...), "\r\n"...)
	}
	if exported {
		ws := &Workspace{CustomerID: s.guid("workspace", a.Workspace), Since: a.Since}
		scope := "WorkspaceResourceId=" + strings.ToLower(s.workspaceID(a.Workspace))
		rows, _ := s.logRows(ws, table, from, to)
		for _, f := range rows {
			at, _ := f.column("TimeGenerated").(time.Time)
			add(scope, &event{Time: at}, f)
		}
	} else {
		s.records(table, from, to, add)
	}
	out := make([]archivedBlob, 0, len(hours))
	for _, b := range hours {
		out = append(out, *b)
	}
	slices.SortFunc(out, func(x, y archivedBlob) int { return strings.Compare(x.name, y.name) })
	return out
}

func (s *Sim) workspaceID(name string) string {
	for i := range s.entries {
		if s.templates[s.entries[i].tmpl].lower == "microsoft.operationalinsights/workspaces" {
			if v := s.varsOf(int32(i)); strings.EqualFold(v.name, name) {
				return v.id
			}
		}
	}
	return ""
}

// records gives the records of a log in the form that diagnostic settings write.
// https://learn.microsoft.com/azure/azure-monitor/platform/activity-log-schema
func (s *Sim) records(table string, from, to time.Time, add func(scope string, e *event, record any)) {
	const stamp = "2006-01-02T15:04:05.0000000Z"
	tenant := "tenantId=" + s.org.Tenant.ID
	of := "/tenants/" + s.org.Tenant.ID + "/providers/Microsoft.aadiam"
	switch table {
	case "AzureActivity":
		for sub := range s.subs {
			for _, a := range s.activities(sub, from, to) {
				add("resourceId=/SUBSCRIPTIONS/"+strings.ToUpper(s.subs[sub].ID), &a.event, map[string]any{
					"time": a.Time.Format(stamp), "resourceId": strings.ToUpper(a.Resource), "operationName": strings.ToUpper(a.Operation), "category": a.Category,
					"resultType": "Success", "resultSignature": "Succeeded.", "durationMs": "0", "callerIpAddress": "203.0.113.7", "correlationId": s.guid("correlation", a.ID),
					"identity": map[string]any{
						"authorization": map[string]any{"scope": a.Resource, "action": a.Operation},
						"claims":        map[string]any{"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn": a.Caller, "name": a.Caller},
					},
					"level": "Information", "properties": map[string]any{"eventCategory": a.Category, "statusCode": "OK"},
				})
			}
		}
	case "AuditLogs":
		for _, a := range s.audits(from, to) {
			add(tenant, &a.event, map[string]any{
				"time": a.Time.Format(stamp), "resourceId": of, "operationName": a.Activity, "operationVersion": "1.0", "category": "AuditLogs", "tenantId": s.org.Tenant.ID,
				"resultSignature": "None", "durationMs": 0, "correlationId": a.ID, "identity": a.Initiator, "Level": 4,
				"properties": map[string]any{
					"id": a.record(), "category": a.Category, "correlationId": a.ID, "result": "success", "activityDisplayName": a.Activity, "activityDateTime": a.Time.Format(stamp), "loggedByService": "Core Directory",
					"initiatedBy":     map[string]any{"user": map[string]any{"id": a.InitiatorID, "userPrincipalName": a.Initiator}},
					"targetResources": []any{map[string]any{"id": a.TargetID, "displayName": a.Target, "type": a.TargetType, "userPrincipalName": a.Target}},
				},
			})
		}
	default:
		for kind, name := range signInTables {
			if name != table {
				continue
			}
			for _, x := range s.signIns(kind, from, to) {
				add(tenant, &x.event, map[string]any{
					"time": x.Time.Format(stamp), "resourceId": of, "operationName": "Sign-in activity", "category": table, "tenantId": s.org.Tenant.ID, "resultType": fmt.Sprint(x.Result),
					"correlationId": x.ID, "properties": signInRow(&x, s.org.Tenant.ID),
				})
			}
		}
	}
}
