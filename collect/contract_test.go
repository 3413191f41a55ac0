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
	return slices.Concat(faultsOfThrottling(), faultsOfAnswers(), faultsOfTransport(), faultsOfPaging(), faultsOfAccess(), faultsOfBytes(), faultsOfPlaces(), faultsOfLogs(), blobFaults())
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
		faultCase{name: "C6 204", guards: []guard{"status"}, want: "notCollected 0/1", says: "204", answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }},
		faultCase{name: "C6 204 that means none", want: "complete 1/1 0", ask: func(a *Ask) { a.Answers = []Answer{{Status: 204, Means: MeansNone}} }, answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }},
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
		{name: "C8 stall", guards: []guard{"stall"}, set: within(150*time.Millisecond, 1500*time.Millisecond), want: "notCollected 0/1", says: "stalled", answer: func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"value":[`)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}},
		{name: "C8 no header", set: within(time.Minute, 300*time.Millisecond), want: "notCollected 0/1", says: "too long", answer: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
		{name: "C8 trickle", set: within(time.Minute, 500*time.Millisecond), want: "notCollected 0/1", says: "too long", answer: func(w http.ResponseWriter, r *http.Request) {
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
				return nil, errors.New("Proxy Authentication Required")
			})}
		}, says: "Proxy Authentication Required"},
	}
}

// within sets the times, real ones, that an answer may take.
func within(stall, request time.Duration) func(*setup) {
	return func(s *setup) { s.tune.stall, s.tune.request = stall, request }
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

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
