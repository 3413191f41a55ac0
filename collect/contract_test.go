// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

// listing serves things t1… in pages of two, as ARM does.
type listing struct {
	total int
	// change may alter a page before it is written.
	change func(page int, body map[string]any, h http.Header)
	// before may answer in the listing's place.
	before func(n, page int, w http.ResponseWriter, r *http.Request) bool
	calls  int
}

func thing(i int) map[string]any {
	return map[string]any{"id": fmt.Sprintf("/things/t%d", i), "name": fmt.Sprintf("t%d", i), "type": "Test/things", "properties": map[string]any{"on": true}}
}

func (l *listing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.calls++
	page, _ := strconv.Atoi(r.URL.Query().Get("$skiptoken"))
	if l.before != nil && l.before(l.calls, page, w, r) {
		return
	}
	rows := []any{}
	for i := page*2 + 1; i <= min(page*2+2, l.total); i++ {
		rows = append(rows, thing(i))
	}
	body := map[string]any{"value": rows}
	if page*2+2 < l.total {
		body["nextLink"] = next(r, page+1)
	}
	if l.change != nil {
		l.change(page, body, w.Header())
	}
	writeJSON(w, body)
}

func next(r *http.Request, page int) string {
	return fmt.Sprintf("https://%s/things?api-version=1&$skiptoken=%d", r.Host, page)
}

func askThings() Ask {
	return Ask{Name: "things", Host: HostARM, Path: "/things", APIVersion: "1", Paging: PageNextLink, Form: formARMList, Types: []string{"Test/things"}, Pace: PaceARM}
}

// faultCase is one fault: what the source does and what must become of it.
type faultCase struct {
	name string
	// guards are the defences; with any one off, the outcome must be another.
	guards []guard
	// list is changed by the fault; 5 things unless total is set.
	list   listing
	answer http.HandlerFunc // instead of list
	ask    func(*Ask)
	more   []Ask
	set    func(*setup)
	// want is the beginning of the outcome "reason answered/subjects rows",
	// says a part of its detail.
	want string
	says string
	also func(s *setup, c *Collected) error
}

const whole = "complete 1/1 5"

func answerWith(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// outcome says what became of the ask "things".
func outcome(tb testing.TB, c *Collected) (short, detail string) {
	tb.Helper()
	a := findAsk(tb, c, "arm", "", "things")
	reason := string(a.Missing)
	if reason == "" {
		reason = "complete"
	}
	if len(a.Refusals) > 0 {
		detail = a.Refusals[0].Detail
	}
	return fmt.Sprintf("%s %d/%d %d", reason, a.Answered, a.Subjects, a.Unique), a.Detail + detail
}

func (fc *faultCase) run(t *testing.T, off guard) (s *setup, c *Collected) {
	t.Helper()
	list := fc.list
	if list.total == 0 {
		list.total = 5
	}
	answer := fc.answer
	if answer == nil {
		answer = list.ServeHTTP
	}
	s = newSetup(t, answer)
	s.tune.workers = 1
	s.tune.pages, s.tune.rows, s.tune.empties = 300, 500, 20
	s.tune.header, s.tune.stall, s.tune.request = time.Second, 150*time.Millisecond, 900*time.Millisecond
	s.tune.pageBytes, s.tune.rowBytes = 1<<20, 1<<19
	if off != "" {
		s.tune.off[off] = true
	}
	a := askThings()
	if fc.ask != nil {
		fc.ask(&a)
	}
	if fc.set != nil {
		fc.set(s)
	}
	return s, s.run(t, armSource(append([]Ask{a}, fc.more...)...))
}

func TestFaults(t *testing.T) {
	for _, fc := range faults() {
		t.Run(fc.name, func(t *testing.T) {
			s, c := fc.run(t, "")
			got, detail := outcome(t, c)
			if !strings.HasPrefix(got, fc.want) || !strings.Contains(detail, fc.says) {
				t.Errorf("outcome %q (%s)\nwant %q (… %s …)", got, detail, fc.want, fc.says)
			}
			if complete := slices.Contains(c.Snapshot.Segments[0].Coverage.Complete, "Test/things"); complete != strings.HasPrefix(got, "complete") {
				t.Errorf("outcome %q, but complete for %v", got, c.Snapshot.Segments[0].Coverage.Complete)
			}
			if fc.also != nil {
				if err := fc.also(s, c); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestMutants switches off each guard of each case and wants the case to fail.
func TestMutants(t *testing.T) {
	covered := map[guard]bool{}
	for _, fc := range faults() {
		for _, g := range fc.guards {
			covered[g] = true
			t.Run(fc.name+"/without "+string(g), func(t *testing.T) {
				s, c := fc.run(t, g)
				got, detail := outcome(t, c)
				if fc.also != nil && fc.also(s, c) != nil {
					return
				}
				if strings.HasPrefix(got, fc.want) && strings.Contains(detail, fc.says) {
					t.Errorf("the case does not notice that %s is off: %q (%s)", g, got, detail)
				}
			})
		}
	}
	if len(covered) < 15 {
		t.Errorf("only %d guards are covered", len(covered))
	}
}

func requests(n int) func(*setup, *Collected) error {
	return func(s *setup, _ *Collected) error {
		if got := len(s.cloud.requests()); got > n {
			return fmt.Errorf("%d requests, want at most %d", got, n)
		}
		return nil
	}
}

// once does something on the first call of a page only.
func once(page int, do http.HandlerFunc) func(int, int, http.ResponseWriter, *http.Request) bool {
	done := false
	return func(_, p int, w http.ResponseWriter, r *http.Request) bool {
		if p != page || done {
			return false
		}
		done = true
		do(w, r)
		return true
	}
}

func always(page int, do http.HandlerFunc) func(int, int, http.ResponseWriter, *http.Request) bool {
	return func(_, p int, w http.ResponseWriter, r *http.Request) bool {
		if p != page {
			return false
		}
		do(w, r)
		return true
	}
}

func throttle(h ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(h); i += 2 {
			w.Header().Set(h[i], h[i+1])
		}
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"error":{"code":"TooManyRequests","message":"slow down"}}`)
	}
}

// waited checks that the request after the first 429 came no sooner than d and
// no later than a tenth more.
func waited(d time.Duration) func(*setup, *Collected) error {
	return func(s *setup, _ *Collected) error {
		hits := s.cloud.requests()
		gap := hits[2].at.Sub(hits[1].at) // the first page, the refused one, the repeated one
		if gap < d || gap > d+d/10+2*time.Second {
			return fmt.Errorf("waited %v, want %v", gap, d)
		}
		return nil
	}
}

func faults() []faultCase {
	return slices.Concat(faultsOfThrottling(), faultsOfAnswers(), faultsOfTransport(), faultsOfPaging(), faultsOfAccess(), faultsOfBytes(), faultsOfPlaces(), faultsOfLogs())
}

func faultsOfThrottling() []faultCase {
	at := func(d time.Duration) string {
		return newTestClock().now.Add(d).Format(http.TimeFormat)
	}
	cases := []faultCase{
		{name: "C1 429 once", want: whole, list: listing{before: once(1, throttle("Retry-After", "1"))}, also: waited(time.Second)},
		{name: "C2 a minute", want: whole, list: listing{before: once(1, throttle("Retry-After", "61"))}, also: waited(61 * time.Second)},
		{name: "C2 five minutes", want: whole, list: listing{before: once(1, throttle("Retry-After", "300"))}, also: waited(300 * time.Second)},
		{name: "C2 date", want: whole, list: listing{before: once(1, throttle("Retry-After", at(2*time.Minute)))}, also: waited(2 * time.Minute)},
		{name: "C2 milliseconds", want: whole, list: listing{before: once(1, throttle("x-ms-retry-after-ms", "90000"))}, also: waited(90 * time.Second)},
		{name: "C2 GitHub", want: whole, list: listing{before: once(1, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-RateLimit-Remaining", "0")
			w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(newTestClock().now.Add(10*time.Minute).Unix(), 10))
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"message":"API rate limit exceeded"}`)
		})}, also: waited(10 * time.Minute)},
		{name: "C2 none", want: whole, list: listing{before: once(1, throttle())}},
		{name: "C3 for ever", want: "throttled 0/1", says: "within the limit", list: listing{before: always(0, throttle("Retry-After", "600"))}, also: requests(14)},
		{name: "C3 longer than the limit", want: "throttled 0/1", says: "within the limit", guards: []guard{"retryAfter"}, list: listing{before: func(n, _ int, w http.ResponseWriter, r *http.Request) bool {
			if n > 20 {
				return false
			}
			throttle("Retry-After", "999999999999999999")(w, r)
			return true
		}}, also: requests(1)},
		{name: "C3 limit", want: "throttled 0/1", says: "within the limit", guards: []guard{"limit"}, list: listing{before: func(n, _ int, w http.ResponseWriter, r *http.Request) bool {
			if n > 40 {
				return false
			}
			throttle("Retry-After", "600")(w, r)
			return true
		}}},
		{name: "C5 500 once", want: whole, list: listing{before: once(1, answerWith(500, "text/plain", "oops"))}},
	}
	for _, status := range []int{500, 502, 503, 504} {
		cases = append(cases, faultCase{
			name: fmt.Sprintf("C5 %d always", status), want: "notCollected 0/1 2", says: strconv.Itoa(status),
			list: listing{before: always(1, answerWith(status, "text/html", "<html>bad gateway</html>"))}, also: requests(6),
		})
	}
	return cases
}

func faultsOfAnswers() []faultCase {
	var cases []faultCase
	for name, c := range map[string]struct {
		guards []guard
		body   string
		says   string
	}{
		"C6 error":       {[]guard{"errorMember"}, `{"error":{"code":"BadThing","message":"no"},"value":[]}`, "BadThing"},
		"C6 empty":       {nil, `{}`, `no member "value"`},
		"C6 null":        {[]guard{"listKind"}, `{"value":null}`, "not an array"},
		"C6 string":      {nil, `{"value":"none"}`, "not an array"},
		"C6 nothing":     {nil, ``, "no body"},
		"C6 html":        {nil, `<html><body>Sign in</body></html>`, "cannot be read"},
		"C19 link":       {nil, `{"value":[],"nextLink":7}`, "nextLink is number"},
		"C19 total":      {nil, `{"value":[],"@odata.count":"7"}`, "not a count"},
		"C19 count":      {[]guard{"count"}, `{"value":[],"count":3}`, "count says 3"},
		"C19 truncated":  {nil, `{"value":[],"resultTruncated":"maybe"}`, "not true or false"},
		"C19 row":        {nil, `{"value":["x"]}`, "not an object"},
		"C19 identity":   {[]guard{"identity"}, `{"value":[{"ID2":"/things/t1"}]}`, "has no id"},
		"C20 twice":      {nil, `{"value":[],"value":[{"id":"/a"}]}`, "cannot be read"},
		"C20 case":       {nil, `{"value":[],"Value":[{"id":"/a"}]}`, "cannot be read"},
		"C20 row case":   {nil, `{"value":[{"id":"/a","state":"NonCompliant","STATE":"Compliant"}]}`, "cannot be read"},
		"C20 mark":       {nil, "\xef\xbb\xbf" + `{"value":[]}`, "byte order mark"},
		"C20 NUL":        {nil, "{\"value\":[{\"id\":\"/a\x00\"}]}", "NUL"},
		"C20 UTF-8":      {nil, "{\"value\":[{\"id\":\"/a\xff\"}]}", "UTF-8"},
		"C20 deep":       {nil, `{"value":[{"id":"/a","x":` + strings.Repeat("[", 10001) + strings.Repeat("]", 10001) + `}]}`, "nested deeper"},
		"C20 trailing":   {nil, `{"value":[]} {"value":[]}`, "after the end"},
		"C20 two links":  {nil, `{"value":[],"nextLink":"https://a/b","@odata.nextLink":"https://a/c"}`, "two links"},
		"C20 two totals": {nil, `{"value":[],"totalRecords":1,"@odata.count":2}`, "two totals"},
	} {
		reason := "unparsable"
		if strings.HasPrefix(name, "C6 error") {
			reason = "notCollected"
		}
		cases = append(cases, faultCase{name: name, guards: c.guards, want: reason + " 0/1", says: c.says, answer: answerWith(200, "application/json", c.body), also: requests(6)})
	}
	slices.SortFunc(cases, func(a, b faultCase) int { return strings.Compare(a.name, b.name) })
	object := func(a *Ask) { a.Form, a.Paging, a.Path = formARMObject, PageOne, "/things/t1" }
	return append(cases,
		faultCase{name: "C6 204", guards: []guard{"status"}, want: "notCollected 0/1", says: "204", answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }},
		faultCase{name: "C6 204 that means none", want: "complete 1/1 0", ask: func(a *Ask) { a.Answers = []Answer{{Status: 204, Means: MeansNone}} }, answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }},
		faultCase{name: "C6 202", want: "notCollected 0/1", says: "202", answer: answerWith(202, "application/json", `{"value":[]}`)},
		faultCase{name: "C6 203", want: "notPermitted 0/1", says: "203", answer: answerWith(203, "text/html", `<html>sign in</html>`)},
		faultCase{name: "C6 object", guards: []guard{"emptyObject"}, ask: object, want: "unparsable 0/1", says: "empty", answer: answerWith(200, "application/json", `{}`)},
		faultCase{name: "C6 object with error", guards: []guard{"errorMember"}, ask: object, want: "notCollected 0/1", says: "Bad", answer: answerWith(200, "application/json", `{"error":{"code":"Bad","message":"x"}}`)},
		faultCase{name: "C6 once", want: whole, list: listing{before: once(1, answerWith(200, "text/html", "<html>try later</html>"))}},
		faultCase{name: "C19 schema of the envelope", want: "unparsable 0/1", says: `no member "value"`, answer: answerWith(200, "application/json", `{"values":[{"id":"/things/t1"}]}`)},
	)
}

func faultsOfTransport() []faultCase {
	cut := func(w http.ResponseWriter, body string, h ...string) {
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close() //nolint:errcheck // the fault is that it closes
		fmt.Fprintf(buf, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
		for _, l := range h {
			fmt.Fprintf(buf, "%s\r\n", l)
		}
		fmt.Fprintf(buf, "\r\n%s", body)
		_ = buf.Flush()
	}
	zip := func(body string) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, body)
		_ = z.Close()
		return b.Bytes()
	}
	list := `{"value":[{"id":"/things/t1"}]}`
	asked := func(ids ...string) string { return strings.Join(ids, "\r\n") }
	return []faultCase{
		{name: "C8 chunks cut", want: "notCollected 0/1", says: "no whole answer", answer: func(w http.ResponseWriter, _ *http.Request) {
			cut(w, "1f\r\n"+list, "Transfer-Encoding: chunked")
		}},
		{name: "C8 short of its length", want: "notCollected 0/1", says: "no whole answer", answer: func(w http.ResponseWriter, _ *http.Request) { cut(w, list, "Content-Length: 4096") }},
		{name: "C8 longer than its length", want: "unparsable 0/1", answer: func(w http.ResponseWriter, _ *http.Request) { cut(w, list, "Content-Length: 20") }},
		{name: "C8 reset", want: "notCollected 0/1", says: "no whole answer", answer: func(w http.ResponseWriter, _ *http.Request) {
			if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_ = conn.Close()
			}
		}},
		{name: "C8 stall", guards: []guard{"stall"}, want: "notCollected 0/1", says: "stalled", answer: func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"value":[`)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}},
		{name: "C8 no header", want: "notCollected 0/1", says: "too long", answer: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
		{name: "C8 trickle", want: "notCollected 0/1", says: "too long", answer: func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, " ")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(20 * time.Millisecond)
			}
		}},
		{name: "C8 gzip", want: "complete 1/1 1", answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(zip(list))
		}},
		{name: "C8 gzip sum", want: "notCollected 0/1", says: "checksum", answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			b := zip(list)
			b[len(b)-8] ^= 1
			_, _ = w.Write(b)
		}},
		{name: "C8 no gzip", want: "notCollected 0/1", says: "not gzip", answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, list+asked())
		}},
		{name: "C8 brotli", want: "notCollected 0/1", says: "unknown", answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "br")
			_, _ = io.WriteString(w, list)
		}},
		{name: "C8 once", want: whole, list: listing{before: once(1, func(w http.ResponseWriter, _ *http.Request) { cut(w, list, "Content-Length: 4096") })}},
		{name: "C20 large", guards: []guard{"pageBytes"}, want: "truncated 0/1", says: "larger than", answer: func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"value":[`)
			for i := range 60 {
				if i > 0 {
					_, _ = io.WriteString(w, ",")
				}
				_, _ = fmt.Fprintf(w, `{"id":"/things/t%d","x":%q}`, i, strings.Repeat("y", 1<<16))
			}
			_, _ = io.WriteString(w, `]}`)
		}},
		{name: "C20 bomb", want: "truncated 0/1", says: "larger than", answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(zip(strings.Repeat(" ", 8<<20) + list))
		}},
		{name: "C20 large row", want: "unparsable 0/1", says: "more than", answer: answerWith(200, "application/json", `{"value":[{"id":"/a","x":"`+strings.Repeat("y", 600<<10)+`"}]}`)},
		{name: "C21 certificate", want: "notCollected 0/1", says: "not trusted", set: func(s *setup) { s.opts.Transport = nil }},
		{name: "C21 name", want: "notCollected 0/1", says: "name is not known", set: func(s *setup) {
			s.opts.Endpoints.URL[HostARM] = "https://no-such-host.invalid"
			s.opts.Transport = nil
		}},
		{name: "C21 proxy", want: "notCollected 0/1", set: func(s *setup) {
			s.opts.Transport = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
				return nil, errors.New("Proxy Authentication Required") //nolint:staticcheck // what net/http says
			})}
		}, says: "Proxy Authentication Required"},
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func faultsOfPaging() []faultCase {
	link := func(page int, to func(r *http.Request) string) listing {
		l := listing{}
		l.before = always(page, func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, map[string]any{"value": []any{thing(page*2 + 1), thing(page*2 + 2)}, "nextLink": to(r)})
		})
		return l
	}
	declare := func(n int) func(int, map[string]any, http.Header) {
		return func(_ int, body map[string]any, _ http.Header) { body["totalRecords"] = n }
	}
	return []faultCase{
		{name: "C9 itself", guards: []guard{"loop"}, want: "truncated 0/1", says: "circle", list: link(1, func(r *http.Request) string { return next(r, 1) }), also: requests(3)},
		{name: "C9 back", guards: []guard{"loop"}, want: "truncated 0/1", says: "circle", list: link(2, func(r *http.Request) string { return next(r, 1) }), also: requests(4)},
		{name: "C9 to the start", guards: []guard{"loop"}, want: "truncated 0/1", says: "circle", list: link(0, func(r *http.Request) string { return "https://" + r.Host + "/things?api-version=1" }), also: requests(2)},
		{name: "C9 after a hundred", guards: []guard{"loop"}, want: "truncated 0/1", says: "circle", list: listing{total: 300, change: func(page int, body map[string]any, _ http.Header) {
			if page == 100 {
				body["nextLink"] = strings.Replace(fmt.Sprint(body["nextLink"]), "=101", "=3", 1)
			}
		}}, also: requests(102)},
		{name: "C9 new tokens without rows", guards: []guard{"empties"}, want: "truncated 0/1", says: "pages without rows", list: listing{total: 1 << 30, change: func(page int, body map[string]any, _ http.Header) {
			if page > 1 {
				body["value"] = []any{}
			}
		}}, also: requests(30)},
		{name: "C9 new tokens with the same rows", guards: []guard{"duplicatePage"}, want: "truncated 0/1", says: "repeats an earlier page", list: listing{total: 1 << 30, change: func(page int, body map[string]any, _ http.Header) {
			if page > 1 {
				body["value"] = []any{thing(1), thing(2)}
			}
		}}, also: requests(4)},
		{name: "C9 new rows for ever", guards: []guard{"ceiling"}, want: "truncated 0/1", says: "at most", list: listing{total: 1400}, also: requests(301)},
		{name: "C10 duplicate page", guards: []guard{"duplicatePage"}, want: "truncated 0/1", says: "repeats", list: listing{change: func(page int, body map[string]any, _ http.Header) {
			if page == 1 {
				body["value"] = []any{thing(1), thing(2)}
			}
		}}},
		{name: "C10 overlap", guards: []guard{"unique"}, want: "truncated 0/1", says: "the list moved", list: listing{change: func(page int, body map[string]any, _ http.Header) {
			if page == 1 {
				body["value"] = []any{thing(2), thing(3)}
			}
		}}},
		{name: "C10 overlap that adds up", guards: []guard{"dedupe"}, want: "complete 1/1 6", list: listing{total: 6, change: func(page int, body map[string]any, _ http.Header) {
			body["totalRecords"] = 6
			if page == 1 {
				body["value"] = []any{thing(2), thing(3), thing(4)}
				body["totalRecords"] = 6
			}
		}}, also: func(_ *setup, c *Collected) error {
			n := 0
			for _, p := range c.Snapshot.Segments[0].Pages {
				n += len(p.Items)
			}
			if n != 6 {
				return fmt.Errorf("%d items for 6 things", n)
			}
			return nil
		}},
		{name: "C10 conflict", guards: []guard{"conflict"}, want: "conflicting 0/1", says: "different content", list: listing{total: 4, change: func(page int, body map[string]any, _ http.Header) {
			body["totalRecords"] = 4
			if page == 1 {
				other := thing(2)
				other["properties"] = map[string]any{"on": false}
				body["value"] = []any{other, thing(3), thing(4)}
			}
		}}},
		{name: "C11 page lost", guards: []guard{"declared"}, want: "truncated 0/1", says: "4 rows, but the source counted 6", list: listing{total: 6, change: func(page int, body map[string]any, h http.Header) {
			body["totalRecords"] = 6
			if page == 0 {
				body["nextLink"] = strings.Replace(fmt.Sprint(body["nextLink"]), "token=1", "token=2", 1)
			}
		}}},
		{name: "C11 more than counted", guards: []guard{"unique"}, want: "truncated 0/1", says: "the source counted 4", list: listing{change: declare(4)}},
		{name: "C11 lost once", want: "complete 1/1 6", list: func() listing {
			lost := false
			return listing{total: 6, change: func(page int, body map[string]any, _ http.Header) {
				body["totalRecords"] = 6
				if page == 0 && !lost {
					lost = true
					body["nextLink"] = strings.Replace(fmt.Sprint(body["nextLink"]), "token=1", "token=2", 1)
				}
			}}
		}()},
		{name: "C12 truncated without token", guards: []guard{"cut"}, want: "truncated 0/1", says: "resultTruncated", list: listing{change: func(page int, body map[string]any, _ http.Header) {
			if page == 2 {
				body["resultTruncated"] = "true"
			}
		}}},
		{name: "C12 token though not truncated", want: whole, list: listing{change: func(_ int, body map[string]any, _ http.Header) { body["resultTruncated"] = "false" }}},
		{name: "C12 truncated with token", want: whole, list: listing{change: func(page int, body map[string]any, _ http.Header) {
			body["resultTruncated"] = strconv.FormatBool(page < 2)
		}}},
		{name: "C13 limit hit", guards: []guard{"limitHit", "cut"}, want: "truncated 0/1", says: "x-ms-tenant-subscription-limit-hit", list: listing{change: func(_ int, _ map[string]any, h http.Header) {
			h.Set("x-ms-tenant-subscription-limit-hit", "true")
		}}},
		{name: "link not followed", guards: []guard{"unfollowed"}, want: "truncated 0/1", says: "does not follow", ask: func(a *Ask) { a.Paging = PageOne }},
		{name: "cap", guards: []guard{"cap"}, want: "truncated 0/1", says: "as many as the source ever lists", ask: func(a *Ask) { a.Cap = 5 }},
		{name: "nested list cut", guards: []guard{"nestedLink"}, want: "truncated 0/1", says: "inside the row", list: listing{change: func(page int, body map[string]any, _ http.Header) {
			if page == 1 {
				row := thing(3)
				row["members@odata.nextLink"] = "https://x/y"
				body["value"] = []any{row, thing(4)}
			}
		}}},
		{name: "C18 changed between pages", want: whole, also: func(_ *setup, c *Collected) error {
			for _, p := range c.Snapshot.Segments[0].Pages {
				if p.ObservedAt.IsZero() {
					return fmt.Errorf("%s has no time", p.Name)
				}
			}
			return nil
		}},
	}
}

func faultsOfAccess() []faultCase {
	refuse := func(status int, code string) http.HandlerFunc {
		return answerWith(status, "application/json", fmt.Sprintf(`{"error":{"code":%q,"message":"no"}}`, code))
	}
	licensed := func(a *Ask) { a.Needs.Licence = []string{"AAD_PREMIUM_P2"} }
	skus := func(plan string, status int, code string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/things") {
				refuse(status, code)(w, r)
				return
			}
			writeJSON(w, map[string]any{"value": []any{map[string]any{"id": "s1", "capabilityStatus": "Enabled", "servicePlans": []any{map[string]any{"servicePlanName": plan}}}}})
		}
	}
	askSkus := Ask{Name: "skus", Host: HostARM, Path: "/skus", Form: formGraphCollection, Entity: entitySkus, Types: []string{entitySkus}, Pace: PaceARM}
	var expired bool
	return []faultCase{
		{name: "C14 token expired", guards: []guard{"refresh"}, want: whole, set: func(*setup) { expired = false }, list: listing{before: func(_, page int, w http.ResponseWriter, r *http.Request) bool {
			if page < 1 || r.Header.Get("Authorization") != "Bearer canary-1" {
				return false
			}
			expired = true
			refuse(401, "ExpiredAuthenticationToken")(w, r)
			return true
		}}, also: func(*setup, *Collected) error {
			if !expired {
				return errors.New("no token expired")
			}
			return nil
		}},
		{name: "C14 refresh refused", want: "notPermitted 0/1 2", says: "401", list: listing{before: always(1, refuse(401, "InvalidAuthenticationToken"))}, also: requests(3)},
		{name: "C14 sign-in refused", want: "notPermitted 0/1", says: "sign-in failed", set: func(s *setup) { s.opts.Credentials = refusing{} }},
		{name: "C15 forbidden", want: "notPermitted 0/1", says: "it needs Test/things/read", ask: func(a *Ask) { a.Needs.Permission = "Test/things/read" }, answer: refuse(403, "AuthorizationFailed")},
		{name: "C16 400", want: "noLicence 0/1", answer: refuse(400, "AadPremiumLicenseRequired")},
		{name: "C16 403", want: "noLicence 0/1", answer: refuse(403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant")},
		{name: "C16 403 without a licence", guards: []guard{"licence"}, want: "noLicence 0/1", says: "none of the plans", ask: licensed, more: []Ask{askSkus}, answer: skus("EXCHANGE", 403, "Forbidden")},
		{name: "C16 404 without a licence", guards: []guard{"licence"}, want: "noLicence 0/1", ask: licensed, more: []Ask{askSkus}, answer: skus("EXCHANGE", 404, "NotFound")},
		{name: "C16 410 without a licence", guards: []guard{"licence"}, want: "noLicence 0/1", ask: licensed, more: []Ask{askSkus}, answer: skus("EXCHANGE", 410, "Gone")},
		{name: "C16 403 with a licence", want: "notPermitted 0/1", ask: licensed, more: []Ask{askSkus}, answer: skus("AAD_PREMIUM_P2", 403, "Forbidden")},
		{name: "C16 400 with a licence", guards: []guard{"licence"}, want: "notCollected 0/1", says: "the tenant has one of", ask: licensed, more: []Ask{askSkus}, answer: skus("AAD_PREMIUM_P2", 400, "AadPremiumLicenseRequired")},
		{name: "C16 404 that means none", want: "complete 1/1 0", ask: func(a *Ask) { a.Answers = []Answer{{Status: 404, Code: "NoPolicy", Means: MeansNone}} }, answer: refuse(404, "NoPolicy")},
		{name: "C16 404 of another code", want: "notCollected 0/1", ask: func(a *Ask) { a.Answers = []Answer{{Status: 404, Code: "NoPolicy", Means: MeansNone}} }, answer: refuse(404, "NotFound")},
		{name: "C16 not offered", want: "notOffered 0/1", ask: func(a *Ask) { a.Answers = []Answer{{Code: "NotInThisCloud", Means: MeansNotOffered}} }, answer: refuse(400, "notinthiscloud")},
		{name: "C27 empty", guards: []guard{"proof"}, want: "notPermitted 0/1 0", says: "does not see all", ask: func(a *Ask) { a.Proof = "sees" }, more: []Ask{askSees()}, answer: sees(false, nil)},
		{name: "C27 part", guards: []guard{"proof"}, want: "notPermitted 0/1 1", says: "does not see all", ask: func(a *Ask) { a.Proof = "sees" }, more: []Ask{askSees()}, answer: sees(false, []any{thing(1)})},
		{name: "C27 shown", want: "complete 1/1 0", ask: func(a *Ask) { a.Proof = "sees" }, more: []Ask{askSees()}, answer: sees(true, nil)},
		{name: "C26 count of another ask", guards: []guard{"countAsk"}, want: "truncated 0/1 1", says: "counts 2", ask: func(a *Ask) { a.Count = "sees" }, more: []Ask{askCounts()}, answer: counts(2, []any{thing(1)})},
		{name: "C26 count agrees", want: "complete 1/1 1", ask: func(a *Ask) { a.Count = "sees" }, more: []Ask{askCounts()}, answer: counts(1, []any{thing(1)})},
		{name: "not offered in this cloud", want: "notOffered 0/0", ask: func(a *Ask) { a.NotOffered = []string{"public"} }, also: requests(0)},
		{name: "declined", want: "declined 0/0", says: "no such thing (anna) until 2027", set: func(s *setup) {
			s.opts.Exclude = []Exclusion{{Scope: "arm/things", Reason: tickmark.ReasonDeclined, Detail: "no such thing", Actor: "anna", Expires: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}}
		}, also: requests(0)},
		{name: "declined once", want: whole, set: func(s *setup) {
			s.opts.Exclude = []Exclusion{{Scope: "arm/things", Reason: tickmark.ReasonDeclined, Expires: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}}
		}, also: func(_ *setup, c *Collected) error {
			if len(c.Snapshot.Problems) != 1 {
				return fmt.Errorf("problems: %v", c.Snapshot.Problems)
			}
			return nil
		}},
		{name: "not asked for", want: "excluded 0/0", more: []Ask{askSees()}, set: func(s *setup) { s.opts.Only = []string{"arm/sees"} }, answer: sees(true, nil)},
	}
}

func askSees() Ask {
	return Ask{
		Name: "sees", Host: HostARM, Path: "/sees", Form: formARMObject, Entity: "test/sees", Types: []string{"test/sees"}, Pace: PaceARM,
		Shows: func(v jsontape.Value) bool { b, _ := v.Get("value").Bool(); return b },
	}
}

func askCounts() Ask {
	return Ask{Name: "sees", Host: HostARM, Path: "/sees", Method: "POST", Body: `{}`, Form: formResourceGraph, Entity: "test/counts", Identity: "count_", Pace: PaceARM}
}

func sees(all bool, rows []any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/sees" {
			writeJSON(w, map[string]any{"id": "x", "value": all})
			return
		}
		writeJSON(w, map[string]any{"value": append([]any{}, rows...)})
	}
}

func counts(n int, rows []any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/sees" {
			writeJSON(w, map[string]any{"data": []any{map[string]any{"count_": n}}, "count": 1, "totalRecords": 1})
			return
		}
		writeJSON(w, map[string]any{"value": append([]any{}, rows...)})
	}
}

func faultsOfBytes() []faultCase {
	secret := "canary-secret-value"
	kept := func(s *setup, c *Collected) error {
		for _, p := range c.Snapshot.Segments[0].Pages {
			if bytes.Contains(p.Bytes, []byte(secret)) {
				return errors.New("the secret was kept")
			}
			if p.Request.Received == p.Digest {
				return errors.New("what was received and what was kept have one digest")
			}
		}
		for _, name := range []string{pagesName, journalName} {
			b, err := os.ReadFile(filepath.Join(s.opts.Dir, name))
			if err != nil || bytes.Contains(b, []byte(secret)) {
				return fmt.Errorf("%s: the secret is on the disk (%w)", name, err)
			}
		}
		return nil
	}
	list := listing{total: 1, change: func(_ int, body map[string]any, _ http.Header) {
		row := thing(1)
		row["variables"] = map[string]any{"a": map[string]any{"value": secret, "isSecret": false}, "b": map[string]any{"value": nil}}
		row["parameters"] = map[string]any{"key": secret}
		body["value"] = []any{row}
	}}
	return []faultCase{
		{name: "redact by path", guards: []guard{"askRedact"}, want: "complete 1/1 1", list: list, ask: func(a *Ask) { a.Redact = []string{"variables.*.value", "parameters.*"} }, also: kept},
		{name: "redact by rule", guards: []guard{"redact"}, want: "complete 1/1 1", list: list, set: func(s *setup) {
			s.opts.Redact = func(b []byte) ([]byte, int) {
				return bytes.ReplaceAll(b, []byte(secret), []byte("tickmark:unobserved:redacted:test")), bytes.Count(b, []byte(secret))
			}
		}, also: kept},
		{name: "redaction that lies", want: "unparsable 0/1", says: "does not say so", list: list, set: func(s *setup) {
			s.opts.Redact = func(b []byte) ([]byte, int) { return bytes.ReplaceAll(b, []byte(secret), nil), 0 }
		}},
		{name: "redaction that breaks", want: "unparsable 0/1", list: list, set: func(s *setup) {
			s.opts.Redact = func(b []byte) ([]byte, int) { return b[:len(b)/2], 1 }
		}},
	}
}

func faultsOfPlaces() []faultCase {
	elsewhere := func(link string) listing {
		return listing{change: func(page int, body map[string]any, _ http.Header) {
			if page == 0 {
				body["nextLink"] = link
			}
		}}
	}
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/things" {
				writeJSON(w, map[string]any{"value": []any{thing(1)}})
				return
			}
			w.Header().Set("Location", strings.ReplaceAll(to, "HOST", r.Host))
			w.WriteHeader(http.StatusFound)
		}
	}
	return []faultCase{
		{name: "C24 link to another host", guards: []guard{"pin"}, want: "truncated 0/1", says: "no request and no token goes there", list: elsewhere("https://evil.example/things"), also: requests(1)},
		{name: "C24 link to another port", guards: []guard{"pin"}, want: "truncated 0/1", says: "no token goes there", list: elsewhere("https://127.0.0.1:1/things"), also: requests(1)},
		{name: "C24 link over http", guards: []guard{"pin"}, want: "truncated 0/1", says: "only https", list: elsewhere("http://127.0.0.1/things"), also: requests(1)},
		{name: "C24 link with credentials", want: "truncated 0/1", says: "credentials in it", list: elsewhere("https://a:b@127.0.0.1/things"), also: requests(1)},
		{name: "C24 redirect", guards: []guard{"redirect"}, want: "notCollected 0/1", says: "a redirect that is not followed", answer: redirect("https://evil.example/x"), also: requests(1)},
		{name: "C24 redirect to itself", want: "notCollected 0/1", says: "redirect", answer: redirect("https://HOST/things"), also: requests(4)},
		{name: "C24 redirect inside", want: "complete 1/1 1", answer: redirect("/elsewhere")},
	}
}

func faultsOfLogs() []faultCase {
	clock := newTestClock().now
	log := func(a *Ask) {
		a.Query, a.Window = "from={from}&to={to}", &Window{Field: "time", Keeps: 30 * 24 * time.Hour}
	}
	rows := func(times ...time.Time) listing {
		l := listing{total: len(times)}
		l.change = func(page int, body map[string]any, _ http.Header) {
			var out []any
			for i := page * 2; i < min(page*2+2, len(times)); i++ {
				row := thing(i)
				row["time"] = times[i].Format(time.RFC3339)
				out = append(out, row)
			}
			body["value"] = out
		}
		return l
	}
	span := func(check func(*tickmark.Span) error) func(*setup, *Collected) error {
		return func(_ *setup, c *Collected) error {
			for _, a := range c.Snapshot.Segments[0].Coverage.Asks {
				if a.Span == nil {
					return errors.New("no span")
				}
				if err := check(a.Span); err != nil {
					return fmt.Errorf("%w: %+v", err, a.Span)
				}
			}
			return nil
		}
	}
	ago := func(days int) time.Time { return clock.Add(-time.Duration(days) * 24 * time.Hour) }
	return []faultCase{
		{
			name: "C25 older than kept", guards: []guard{"kept"}, want: "complete 1/1 2", ask: log, list: rows(ago(20), ago(10)),
			set: func(s *setup) { s.opts.From, s.opts.To = ago(90), clock },
			also: span(func(s *tickmark.Span) error {
				if len(s.Gaps) != 1 || !s.Gaps[0].From.Equal(ago(90)) || !s.Gaps[0].To.Equal(ago(30)) || !s.First.Equal(ago(20)) || !s.Last.Equal(ago(10)) {
					return errors.New("want a gap of 60 days, and first and last")
				}
				return nil
			}),
		},
		{
			name: "C25 inside what is kept", want: "complete 1/1 1", ask: log, list: rows(ago(5)),
			set: func(s *setup) { s.opts.From, s.opts.To = ago(20), clock },
			also: span(func(s *tickmark.Span) error {
				if len(s.Gaps) != 0 {
					return errors.New("want no gap")
				}
				return nil
			}),
		},
		{
			name: "C25 refused is a gap", want: "notPermitted 0/1", ask: log, answer: answerWith(403, "application/json", `{"error":{"code":"Forbidden"}}`),
			set: func(s *setup) { s.opts.From, s.opts.To = ago(20), clock },
			also: span(func(s *tickmark.Span) error {
				if len(s.Gaps) != 1 || s.Gaps[0].Reason != tickmark.ReasonNotPermitted {
					return errors.New("want one gap")
				}
				return nil
			}),
		},
		{name: "C19 time", want: "unparsable 0/1", says: "is no time", ask: log, list: listing{change: func(_ int, body map[string]any, _ http.Header) {
			row := thing(1)
			row["time"] = "yesterday"
			body["value"] = []any{row}
		}}},
		{
			name: "C25 windows", want: "complete 1/1 3", ask: func(a *Ask) { log(a); a.Window.Span, a.Window.Overlap = 7*24*time.Hour, time.Hour },
			answer: func(w http.ResponseWriter, r *http.Request) {
				var out []any
				for i, at := range []time.Time{ago(20), ago(13), ago(3)} {
					from, _ := time.Parse(time.RFC3339, r.URL.Query().Get("from"))
					to, _ := time.Parse(time.RFC3339, r.URL.Query().Get("to"))
					if !at.Before(from) && !at.After(to) { // both ends inclusive
						row := thing(i)
						row["time"] = at.Format(time.RFC3339)
						out = append(out, row)
					}
				}
				writeJSON(w, map[string]any{"value": append([]any{}, out...)})
			},
			set:  func(s *setup) { s.opts.From, s.opts.To = ago(20), clock },
			also: requests(3),
		},
	}
}

func TestTruncatedAtEachByte(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"value":[`)
	for i := 0; b.Len() < 4000; i++ {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, `{"id":"/things/t%d","name":"t%d","properties":{"on":true,"text":"a \"quoted\" ä"}}`, i, i)
	}
	b.WriteString(`],"totalRecords":` + "40}")
	page := []byte(b.String())
	a := askThings()
	tune := defaults()
	whole := 0
	for n := 0; n <= len(page); n++ {
		r := reader{tune: &tune}
		if _, err := r.page(page[:n], &a, func(tickmark.Item, jsontape.Value) error { return nil }); err == nil {
			whole++
			if n != len(page) {
				t.Errorf("cut at byte %d of %d it is whole", n, len(page))
			}
		}
	}
	if whole != 1 {
		t.Errorf("%d of the cuts are whole, want the page itself only", whole)
	}
	// The same through the whole engine, with a length that agrees.
	for n := 1; n < len(page); n += 397 {
		s := newSetup(t, answerWith(200, "application/json", string(page[:n])))
		c := s.run(t, armSource(askThings()))
		if got, _ := outcome(t, c); !strings.HasPrefix(got, "unparsable 0/1") {
			t.Errorf("cut at byte %d: %s", n, got)
		}
	}
}

type refusing struct{}

func (refusing) Token(context.Context, Host, string) (header string, expires time.Time, err error) {
	return "", time.Time{}, errors.New("AADSTS7000222: the certificate has expired")
}
