// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// catalogue holds the faults that a server can show (and names those that it
// cannot), by the numbers of the project's fault list.
var catalogue []kind

func init() {
	catalogue = slices.Concat(throttling(), emptiness(), wire(), pagingFaults(), permission(), content(), network())
}

func answerKind(id, title string, recovers bool, d Fault, do func(s *Sim, c *call, f *Fault, a *answer)) kind {
	return kind{FaultInfo: FaultInfo{ID: id, Title: title, Where: InAnswer, Recovers: recovers}, defaults: d, answer: do}
}

// refuse replaces the answer by an error in the host's form.
func refuse(c *call, a *answer, status int, code, message string) {
	form := hosts[c.host].failure
	if form == nil {
		form = errorText
	}
	a.status, a.body = status, form(code, message)
}

func tooMany(_ *Sim, c *call, f *Fault, a *answer) {
	refuse(c, a, http.StatusTooManyRequests, first(f.Code, "TooManyRequests"), "Too many requests. Please retry later.")
	switch after := f.RetryAfter; {
	case after == "none":
	case after == "date":
		a.header.Set("Retry-After", a.date.Add(61*time.Second).UTC().Format(http.TimeFormat))
	case strings.HasSuffix(after, "ms"):
		a.header.Set("x-ms-retry-after-ms", strings.TrimSuffix(after, "ms"))
	default:
		a.header.Set("Retry-After", after)
	}
}

func serverError(_ *Sim, c *call, f *Fault, a *answer) {
	refuse(c, a, f.Status, first(f.Code, strings.ReplaceAll(http.StatusText(f.Status), " ", "")), "The service could not answer.")
}

func throttling() []kind {
	out := []kind{
		answerKind("C1/once", "429 with Retry-After 1, once", true, Fault{RetryAfter: "1", Count: 1}, tooMany),
		answerKind("C1/thrice", "429 with Retry-After 1, three times", true, Fault{RetryAfter: "1", Count: 3}, tooMany),
		answerKind("C2/61", "429 with Retry-After 61", true, Fault{RetryAfter: "61"}, tooMany),
		answerKind("C2/300", "429 with Retry-After 300", true, Fault{RetryAfter: "300"}, tooMany),
		answerKind("C2/date", "429 with Retry-After as a date", true, Fault{RetryAfter: "date"}, tooMany),
		answerKind("C2/ms", "429 with x-ms-retry-after-ms", true, Fault{RetryAfter: "1500ms"}, tooMany),
		answerKind("C2/none", "429 without a time to wait", true, Fault{RetryAfter: "none"}, tooMany),
		answerKind("C3", "429 for ever", false, Fault{RetryAfter: "1", Count: -1}, tooMany),
		{FaultInfo: FaultInfo{ID: "C4", Title: "the quotas of the services; set Options.Quotas", Where: InService, Recovers: true}},
	}
	for _, status := range []int{500, 502, 503, 504} {
		out = append(out,
			answerKind(fmt.Sprintf("C5/%d-once", status), fmt.Sprintf("%d once", status), true, Fault{Status: status, Count: 1}, serverError),
			answerKind(fmt.Sprintf("C5/%d", status), fmt.Sprintf("%d for ever", status), false, Fault{Status: status, Count: -1}, serverError))
	}
	return out
}

func emptiness() []kind {
	body := func(id, title string, do func(c *call, a *answer)) kind {
		return answerKind(id, title, false, Fault{Count: -1}, func(_ *Sim, c *call, _ *Fault, a *answer) {
			a.status = http.StatusOK
			do(c, a)
		})
	}
	return []kind{
		body("C6/error", "200 with an error in the body", func(_ *call, a *answer) {
			a.body = errorText("InternalServerError", "The service could not answer.")
		}),
		body("C6/object", "200 with an empty object", func(_ *call, a *answer) { a.body = []byte("{}") }),
		body("C6/null", "200 with null for the list", func(c *call, a *answer) { a.body = withList(c, a.body, []byte("null")) }),
		body("C6/empty", "200 with an empty body", func(_ *call, a *answer) { a.body = nil }),
		body("C6/html", "200 with a sign-in page", func(_ *call, a *answer) {
			a.header.Set("Content-Type", "text/html; charset=utf-8")
			a.body = []byte("<!DOCTYPE html><html><head><title>Sign in to your account</title></head><body></body></html>")
		}),
		answerKind("C6/204", "204 where a body is due", false, Fault{Count: -1}, func(_ *Sim, _ *call, _ *Fault, a *answer) {
			a.status, a.body = http.StatusNoContent, nil
		}),
	}
}

// withList replaces the list of an answer, whatever its form.
func withList(c *call, body, list []byte) []byte {
	ms, ok := members(body)
	if !ok {
		return list // the list is the whole body
	}
	for i := range ms {
		switch ms[i].name {
		case "value", "data", "items", "tables", "workflow_runs", "environments", "repositories":
			ms[i].value = list
			return object(ms)
		}
	}
	if bytes.Equal(list, []byte("[]")) {
		return []byte(first(hosts[c.host].empty, `{"value":[]}`))
	}
	return list
}

func wire() []kind {
	mode := func(id, title string, count int, m string) kind {
		return answerKind(id, title, count == 1, Fault{Count: count}, func(_ *Sim, _ *call, f *Fault, a *answer) {
			a.mode, a.at = m, first(f.At, len(a.body)/2)
		})
	}
	return []kind{
		answerKind("C7", "the body ends at a byte, with a length that fits", false, Fault{Count: -1}, func(_ *Sim, _ *call, f *Fault, a *answer) {
			a.body = a.body[:min(first(f.At, len(a.body)/2), len(a.body))]
		}),
		mode("C8/cut-once", "a chunked body is cut, once", 1, "cut"),
		mode("C8/cut", "chunked bodies are cut", -1, "cut"),
		mode("C8/reset", "the connection is reset", -1, "reset"),
		mode("C8/stall", "the body stalls", -1, "stall"),
		mode("C8/gzip", "the compressed body has a wrong checksum", -1, "gzip"),
		mode("C8/length", "the length is greater than the body", -1, "length"),
	}
}

func pagingKind(id, title string, d Fault, do func(s *Sim, r *http.Request, f *Fault, w *window, size, total int)) kind {
	return kind{FaultInfo: FaultInfo{ID: id, Title: title, Where: InPaging, Paged: true}, defaults: d, paging: do}
}

func pagingFaults() []kind {
	whole := func(w *window, next string) {
		if w.Next != "" {
			w.Next = next
		}
	}
	out := []kind{
		pagingKind("C9/self", "the next link leads to the page itself", Fault{Page: 2, Count: -1}, func(_ *Sim, _ *http.Request, _ *Fault, w *window, _, _ int) {
			w.Next = pageToken(w.Page, w.From, 0)
		}),
		pagingKind("C9/pair", "two pages lead to each other", Fault{Count: -1}, func(_ *Sim, _ *http.Request, _ *Fault, w *window, size, _ int) {
			if w.Page == 2 {
				w.Next = pageToken(1, 0, 0)
			} else {
				whole(w, pageToken(2, size, 0))
			}
		}),
		pagingKind("C9/repeat", "a token comes again after many pages", Fault{Page: 3, Count: -1}, func(_ *Sim, _ *http.Request, _ *Fault, w *window, size, _ int) {
			w.Next = pageToken(2, size, 0)
		}),
		pagingKind("C9/endless", "ever new tokens, and no end", Fault{Count: -1}, func(_ *Sim, _ *http.Request, _ *Fault, w *window, size, total int) {
			w.Next = pageToken(w.Page+1, min(w.To, max(total-size, 0)), w.Page)
		}),
		pagingKind("C10/page", "a page comes twice", Fault{Page: 1, Count: -1}, func(_ *Sim, _ *http.Request, _ *Fault, w *window, _, _ int) {
			whole(w, pageToken(w.Page+1, w.From, 1))
		}),
		pagingKind("C10/overlap", "a page begins with the last row of the one before", Fault{Page: 1, Count: -1}, func(_ *Sim, _ *http.Request, _ *Fault, w *window, _, _ int) {
			whole(w, pageToken(w.Page+1, w.To-1, 0))
		}),
		pagingKind("C11", "a page is lost", Fault{Page: 1, Count: -1}, func(_ *Sim, _ *http.Request, _ *Fault, w *window, size, total int) {
			if w.Next != "" {
				w.Next = pageToken(w.Page+1, min(w.To+size, total), 0)
			}
		}),
		pagingKind("C12/truncated", "resultTruncated is true and no token leads on", Fault{Count: -1}, func(_ *Sim, _ *http.Request, _ *Fault, w *window, _, _ int) {
			if w.Next != "" {
				w.Next, w.Truncated = "", true
			}
		}),
		pagingKind("C12/token", "resultTruncated is false beside a token", Fault{Count: -1}, func(_ *Sim, _ *http.Request, _ *Fault, w *window, _, _ int) {
			w.Truncated = false
		}),
		pagingKind("C13", "the header that says that not all subscriptions were asked", Fault{Count: -1}, func(_ *Sim, _ *http.Request, _ *Fault, w *window, _, _ int) {
			w.limit = true
		}),
		pagingKind("C24/link", "the next link leads to another host", Fault{Count: -1}, func(s *Sim, _ *http.Request, _ *Fault, w *window, _, _ int) {
			w.base = s.Endpoint("foreign")
		}),
	}
	out = append(out, answerKind("C12/partial", "Log Analytics gives half of the rows, and an error beside them", false, Fault{Host: "logAnalytics", Count: -1}, func(_ *Sim, _ *call, _ *Fault, a *answer) {
		a.body = halfTable(a.body)
	}))
	for i := range out {
		switch out[i].ID {
		case "C12/truncated", "C12/token", "C13":
			out[i].Query = true
			out[i].defaults.Host, out[i].defaults.Path = "arm", "/providers/Microsoft.ResourceGraph/resources"
		}
		switch out[i].ID {
		case "C12/token":
			out[i].Recovers = true
		case "C13":
			out[i].Paged = false
		}
	}
	return append(out, answerKind("C24/redirect", "a redirect leads to another host", false, Fault{Count: -1}, func(s *Sim, _ *call, _ *Fault, a *answer) {
		a.status, a.body = http.StatusTemporaryRedirect, nil
		a.header.Set("Location", s.Endpoint("foreign")+"/taken")
	}))
}

func permission() []kind {
	licence := func(status int, code, message string) kind {
		return answerKind("C16/"+strconv.Itoa(status), fmt.Sprintf("%d %s: the feature is not licensed or not there", status, code), false, Fault{Status: status, Code: code, Count: -1},
			func(_ *Sim, c *call, f *Fault, a *answer) { refuse(c, a, f.Status, f.Code, message) })
	}
	hidden := answerKind("C27", "200 with an empty list where the permission is missing", false, Fault{Count: -1}, func(_ *Sim, c *call, _ *Fault, a *answer) {
		a.status, a.body = http.StatusOK, withList(c, a.body, []byte("[]"))
		if ms, ok := members(a.body); ok {
			for i := range ms {
				switch ms[i].name {
				case "count", "totalRecords", "total_count", "totalCount", "@odata.count":
					ms[i].value = []byte("0")
				case "nextLink", "@odata.nextLink", "$skipToken", "continuationToken":
					ms[i].value = []byte("null")
				}
			}
			a.body = object(slices.DeleteFunc(ms, func(m member) bool { return string(m.value) == "null" }))
		}
	})
	unauthorised := func(_ *Sim, c *call, _ *Fault, a *answer) {
		refuse(c, a, http.StatusUnauthorized, "ExpiredAuthenticationToken", "The access token expired.")
		a.header.Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	}
	revoke := func(s *Sim, _ *Fault) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, t := range s.tokens {
			t.revoked = true
		}
	}
	return []kind{
		{FaultInfo: FaultInfo{ID: "C14/refresh", Title: "401 at a page: the token ran out, a new one works", Where: InAnswer, Recovers: true}, defaults: Fault{Count: 1}, answer: unauthorised, fired: revoke},
		{FaultInfo: FaultInfo{ID: "C14/refused", Title: "401 at a page, and no new token is given", Where: InAnswer}, defaults: Fault{Count: -1}, answer: unauthorised, fired: revoke},
		answerKind("C15", "403 (give the path of one subscription, or nth and count)", false, Fault{Count: -1}, func(_ *Sim, c *call, f *Fault, a *answer) {
			code := "AuthorizationFailed"
			if c.host == "graph" {
				code = "Authorization_RequestDenied"
			}
			refuse(c, a, http.StatusForbidden, first(f.Code, code), "The client does not have authorization to perform the action.")
		}),
		licence(http.StatusBadRequest, "AadPremiumLicenseRequired", "The tenant needs to have Microsoft Entra ID P2 or Microsoft Entra ID Governance license."),
		licence(http.StatusForbidden, "Authentication_RequestFromNonPremiumTenantOrB2CTenant", "Neither tenant is B2C or tenant doesn't have premium license"),
		licence(http.StatusNotFound, "ResourceNotFound", "The feature does not exist for this tenant."),
		licence(http.StatusGone, "Gone", "The feature was removed."),
		{FaultInfo: FaultInfo{ID: "C17/vanish", Title: "a subscription disappears during the run", Where: InState}, defaults: Fault{Host: "arm", Nth: 1, Count: 1}, fired: func(s *Sim, f *Fault) {
			s.mu.Lock()
			s.vanished[strings.ToLower(f.Subscription)] = true
			s.mu.Unlock()
		}},
		{FaultInfo: FaultInfo{ID: "C17/appear", Title: "a subscription appears during the run", Where: InState}, defaults: Fault{Host: "arm", Nth: 3, Count: 1}, fired: func(*Sim, *Fault) {}},
		{FaultInfo: FaultInfo{ID: "C18", Title: "resources change between one page and the next", Where: InState, Recovers: true, Paged: true}, defaults: Fault{Page: 1, Count: 1}, fired: func(s *Sim, f *Fault) {
			patch := []byte(`{"tags":{"changedDuringTheRun":"yes"}}`)
			if f.Merge != nil {
				patch = f.Merge.text
			}
			s.mu.Lock()
			s.overlays = append(s.overlays, overlay{kind: f.Type, patch: patch})
			s.mu.Unlock()
		}},
		{FaultInfo: FaultInfo{ID: "C26", Title: "Resource Graph hides what is inherited unless it is asked for", Where: InService, Query: true}},
		hidden,
	}
}

func content() []kind {
	rewrite := func(id, title string, do func(f *Fault, rows any)) kind {
		return answerKind(id, title, false, Fault{Count: -1}, func(_ *Sim, _ *call, f *Fault, a *answer) {
			d := json.NewDecoder(bytes.NewReader(a.body))
			d.UseNumber()
			var v any
			if d.Decode(&v) != nil {
				return
			}
			do(f, v)
			if b, err := json.Marshal(v); err == nil {
				a.body = b
			}
		})
	}
	drift := func(id, title string, change func(f *Fault, parent map[string]any, key string)) kind {
		return rewrite(id, title, func(f *Fault, v any) {
			eachMember(v, strings.Split(f.Member, "."), func(p map[string]any, k string) { change(f, p, k) })
		})
	}
	text := func(id, title string, do func(b []byte) []byte) kind {
		return answerKind(id, title, false, Fault{Count: -1}, func(_ *Sim, _ *call, _ *Fault, a *answer) { a.body = do(a.body) })
	}
	return []kind{
		drift("C19/rename", "a member has another name (give member)", func(_ *Fault, p map[string]any, k string) {
			p[k+"V2"] = p[k]
			delete(p, k)
		}),
		drift("C19/enum", "a member has a value that nobody knows (give member)", func(f *Fault, p map[string]any, k string) { p[k] = first(f.Value, "SomethingNew") }),
		drift("C19/text", "numbers and booleans come as text (give member)", func(_ *Fault, p map[string]any, k string) { p[k] = fmt.Sprint(p[k]) }),
		drift("C19/null", "a member is null (give member)", func(_ *Fault, p map[string]any, k string) { p[k] = nil }),
		text("C20/case", "a member comes again in another case", func(b []byte) []byte { return again(b, strings.ToUpper) }),
		text("C20/duplicate", "a member comes twice", func(b []byte) []byte { return again(b, func(s string) string { return s }) }),
		text("C20/bom", "a byte order mark before the body", func(b []byte) []byte { return append([]byte("\xef\xbb\xbf"), b...) }),
		text("C20/nul", "a NUL byte in the body", func(b []byte) []byte { return insert(b, "\x00") }),
		text("C20/utf8", "bytes that are no UTF-8", func(b []byte) []byte { return insert(b, "\xc3\x28") }),
		text("C20/trailing", "bytes after the end of the JSON", func(b []byte) []byte { return append(bytes.Clone(b), `{"value":[]}`...) }),
		text("C20/depth", "nesting 10,001 deep", func([]byte) []byte {
			return []byte(`{"value":[{"id":"/deep","properties":` + strings.Repeat("[", 10001) + strings.Repeat("]", 10001) + `}]}`)
		}),
		answerKind("C20/huge", "a page of a GiB (or at bytes)", false, Fault{Count: -1, At: 1 << 30}, func(_ *Sim, _ *call, f *Fault, a *answer) { a.mode, a.at = "huge", f.At }),
		answerKind("C23/ahead", "the server's clock is an hour ahead", true, Fault{Count: -1, Skew: Span(time.Hour)}, skew),
		answerKind("C23/behind", "the server's clock is an hour behind", true, Fault{Count: -1, Skew: Span(-time.Hour)}, skew),
		{FaultInfo: FaultInfo{ID: "C25/retention", Title: "logs are kept for a week only (or skew)", Where: InState}, defaults: Fault{Count: -1, Skew: Span(7 * 24 * time.Hour)}, fired: func(*Sim, *Fault) {}},
		{FaultInfo: FaultInfo{ID: "C25/late", Title: "log records of the last six hours (or skew) have not arrived", Where: InState}, defaults: Fault{Count: -1, Skew: Span(6 * time.Hour)}, fired: func(*Sim, *Fault) {}},
	}
}

func skew(_ *Sim, _ *call, f *Fault, a *answer) { a.date = a.date.Add(time.Duration(f.Skew)) }

// again repeats a member of the first object that has one in a row of a list:
// a boolean or text whose second value differs, so that order decides.
func again(b []byte, name func(string) string) []byte {
	i := bytes.Index(b, []byte(`":`))
	for i >= 0 {
		start := bytes.LastIndexByte(b[:i], '"')
		rest := b[i+2:]
		var v, other string
		switch {
		case bytes.HasPrefix(rest, []byte("true")):
			v, other = "true", "false"
		case bytes.HasPrefix(rest, []byte("false")):
			v, other = "false", "true"
		}
		if v != "" {
			extra := fmt.Sprintf(`,"%s":%s`, name(string(b[start+1:i])), other)
			at := i + 2 + len(v)
			return slices.Concat(b[:at], []byte(extra), b[at:])
		}
		next := bytes.Index(rest, []byte(`":`))
		if next < 0 {
			break
		}
		i += 2 + next
	}
	// No boolean anywhere: the list itself.
	if ms, ok := members(b); ok && len(ms) > 0 {
		return object(append(ms, member{name(ms[0].name), []byte("[]")}))
	}
	return b
}

// insert puts text into the first string value of the body.
func insert(b []byte, text string) []byte {
	i := bytes.Index(b, []byte(`":"`))
	if i < 0 {
		return append(bytes.Clone(b), text...)
	}
	return slices.Concat(b[:i+3], []byte(text), b[i+3:])
}

// eachMember calls f for every member at the path; lists on the way are walked.
func eachMember(v any, path []string, f func(parent map[string]any, key string)) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			eachMember(e, path, f)
		}
	case map[string]any:
		if len(path) == 1 {
			if _, ok := v[path[0]]; ok {
				f(v, path[0])
				return
			}
		} else if next, ok := v[path[0]]; ok {
			eachMember(next, path[1:], f)
			return
		}
		// The list of an answer may go unnamed in the path.
		for _, list := range []string{"value", "data"} {
			if rows, ok := v[list].([]any); ok {
				eachMember(rows, path, f)
			}
		}
	}
}

func network() []kind {
	connection := func(id, title string) kind {
		return kind{FaultInfo: FaultInfo{ID: id, Title: title, Where: InConnection}, defaults: Fault{Count: -1}}
	}
	return []kind{
		connection("C21/dns", "the endpoints' names do not resolve"),
		connection("C21/expired", "the certificate has expired"),
		connection("C21/stranger", "the certificate is of an authority that nobody trusts"),
		answerKind("C21/proxy", "407 of a proxy", false, Fault{Count: -1}, func(_ *Sim, _ *call, _ *Fault, a *answer) {
			a.status, a.body = http.StatusProxyAuthRequired, []byte("<html><body>Proxy authentication required</body></html>")
			a.header.Set("Content-Type", "text/html")
			a.header.Set("Proxy-Authenticate", `Basic realm="proxy"`)
		}),
		{FaultInfo: FaultInfo{ID: "C22", Title: "the collector is killed", Where: InClient, Recovers: true}},
	}
}

// random is a source for what needs spread and not secrecy, from the seed.
func (s *Sim) random(parts ...string) *rand.Rand {
	h := s.hash(parts...)
	return rand.New(rand.NewChaCha8(h)) //nolint:gosec // made-up events, the same from the same seed
}

// halfTable drops the second half of the rows of a Log Analytics answer and
// adds the error that says so.
func halfTable(body []byte) []byte {
	ms, ok := members(body)
	if !ok || len(ms) == 0 || ms[0].name != "tables" {
		return body
	}
	var tables []struct {
		Name    string            `json:"name"`
		Columns json.RawMessage   `json:"columns"`
		Rows    []json.RawMessage `json:"rows"`
	}
	if json.Unmarshal(ms[0].value, &tables) != nil || len(tables) == 0 {
		return body
	}
	tables[0].Rows = tables[0].Rows[:len(tables[0].Rows)/2]
	return fmt.Appendf(nil, `{"tables":%s%s}`, marshal(tables), partialError)
}
