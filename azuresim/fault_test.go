// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// seen is what a client saw of one answer.
type seen struct {
	status int
	header http.Header
	body   []byte
	err    error // of the request or of reading the body
}

// look asks for a list of storage accounts and keeps whatever comes.
func look(t *testing.T, s *Sim, c *http.Client, token, path string) seen {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Endpoint("arm")+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := c.Do(req)
	if err != nil {
		return seen{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return seen{resp.StatusCode, resp.Header, b, err}
}

// TestFaultsOnTheWire shows each fault of answers and of connections to a client,
// and that without it the same request is answered well.
func TestFaultsOnTheWire(t *testing.T) {
	k := newClock()
	s, c := start(t, small, Options{Seed: 7, PageSize: 2, Now: k.now})
	c.Timeout = 400 * time.Millisecond // for what stalls
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	token := bearerFor(t, s, c, "arm")
	path := "/subscriptions/" + s.subs[0].ID + "/providers/Microsoft.Storage/storageAccounts?api-version=2023-05-01"
	good := look(t, s, c, token, path)
	if good.err != nil || good.status != 200 || !json.Valid(good.body) {
		t.Fatalf("without a fault: %d %s %v", good.status, good.body, good.err)
	}
	status := func(n int) func(seen) bool { return func(x seen) bool { return x.err == nil && x.status == n } }
	failed := func(x seen) bool { return x.err != nil }
	ok := func(body string) func(seen) bool {
		return func(x seen) bool { return x.status == 200 && string(x.body) == body }
	}
	contains := func(text string) func(seen) bool {
		return func(x seen) bool { return x.status == 200 && bytes.Contains(x.body, []byte(text)) }
	}
	tooMany := func(header, value string) func(seen) bool {
		return func(x seen) bool { return x.status == 429 && x.header.Get(header) == value }
	}
	invalid := func(x seen) bool { return x.status == 200 && x.err == nil && !json.Valid(x.body) }
	wants := map[string]func(seen) bool{
		"C1/once": tooMany("Retry-After", "1"), "C1/thrice": tooMany("Retry-After", "1"), "C2/61": tooMany("Retry-After", "61"), "C2/300": tooMany("Retry-After", "300"),
		"C2/date": tooMany("Retry-After", k.t.Add(61*time.Second).Format(http.TimeFormat)), "C2/ms": tooMany("x-ms-retry-after-ms", "1500"), "C2/none": tooMany("Retry-After", ""), "C3": status(429),
		"C5/500-once": status(500), "C5/500": status(500), "C5/502-once": status(502), "C5/502": status(502), "C5/503-once": status(503), "C5/503": status(503), "C5/504-once": status(504), "C5/504": status(504),
		"C6/error": contains(`{"error":{"code":"InternalServerError"`), "C6/object": ok("{}"), "C6/null": contains(`{"value":null`), "C6/empty": ok(""), "C6/html": contains("<!DOCTYPE html>"), "C6/204": status(204),
		"C7": invalid, "C8/cut-once": failed, "C8/cut": failed, "C8/reset": failed, "C8/stall": failed, "C8/gzip": failed, "C8/length": failed,
		"C9/self": nil, "C9/pair": nil, "C9/repeat": nil, "C9/endless": nil, "C10/page": nil, "C10/overlap": nil, "C11": nil, "C12/truncated": nil, "C12/token": nil, "C12/partial": nil, "C13": nil,
		"C24/link": func(x seen) bool {
			return x.status == 200 && bytes.Contains(x.body, []byte(`"nextLink":"`+s.Endpoint("foreign")))
		},
		"C24/redirect": func(x seen) bool {
			return x.status == 307 && strings.HasPrefix(x.header.Get("Location"), s.Endpoint("foreign"))
		},
		"C14/refresh": nil, "C14/refused": nil, "C15": status(403), "C16/400": status(400), "C16/403": status(403), "C16/404": status(404), "C16/410": status(410), "C17/vanish": nil, "C17/appear": nil, "C18": nil,
		"C27":        func(x seen) bool { return ok(`{"value":[]}`)(x) },
		"C19/rename": contains(`"supportsHttpsTrafficOnlyV2":true`), "C19/enum": contains(`"supportsHttpsTrafficOnly":"SomethingNew"`), "C19/text": contains(`"supportsHttpsTrafficOnly":"true"`), "C19/null": contains(`"supportsHttpsTrafficOnly":null`),
		"C20/case": contains(`"SUPPORTSHTTPSTRAFFICONLY":false`), "C20/duplicate": contains(`"supportsHttpsTrafficOnly":true,"supportsHttpsTrafficOnly":false`),
		"C20/bom": func(x seen) bool { return x.status == 200 && bytes.HasPrefix(x.body, []byte("\xef\xbb\xbf")) }, "C20/nul": contains("\x00"), "C20/utf8": func(x seen) bool { return x.status == 200 && !utf8.Valid(x.body) },
		"C20/trailing": invalid, "C20/depth": contains(strings.Repeat("[", 10001)), "C20/huge": func(x seen) bool { return x.status == 200 && len(x.body) == 1<<20 },
		"C23/ahead":  func(x seen) bool { return x.header.Get("Date") == k.t.Add(time.Hour).Format(http.TimeFormat) },
		"C23/behind": func(x seen) bool { return x.header.Get("Date") == k.t.Add(-time.Hour).Format(http.TimeFormat) },
		"C21/proxy":  status(407), "C21/dns": nil, "C21/expired": nil, "C21/stranger": nil, "C25/retention": nil, "C25/late": nil, "C4": nil, "C22": nil, "C26": nil,
	}
	for _, f := range Faults() {
		if _, ok := wants[f.ID]; !ok {
			t.Errorf("%s is in the catalogue and has no line here", f.ID)
		}
	}
	for id, want := range wants {
		if want == nil {
			continue // has a test of its own, below or in arm_test.go
		}
		f := Fault{ID: id, Host: "arm", Member: "properties.supportsHttpsTrafficOnly"}
		if err := s.Inject(f); err != nil {
			t.Errorf("%s: %v", id, err)
			continue
		}
		got := look(t, s, c, token, path)
		if !want(got) {
			t.Errorf("%s: not seen: %d %.300q %v", id, got.status, got.body, got.err)
		}
		if want(good) {
			t.Errorf("%s: the test cannot tell it from a good answer", id)
		}
		if s.Hits()[id] == 0 {
			t.Errorf("%s: did not hit", id)
		}
		// Those that hit once are over.
		if strings.HasSuffix(id, "once") || strings.HasPrefix(id, "C2/") {
			if again := look(t, s, c, token, path); again.err != nil || again.status != 200 {
				t.Errorf("%s: hit twice: %d %v", id, again.status, again.err)
			}
		}
	}
	if err := s.Inject(); err != nil {
		t.Fatal(err)
	}
	if again := look(t, s, c, token, path); again.status != 200 || !bytes.Equal(again.body, good.body) {
		t.Errorf("afterwards: %d %s", again.status, again.body)
	}
	if err := s.Inject(Fault{ID: "C99"}); err == nil {
		t.Error("an unknown fault was accepted")
	}
	if err := s.Inject(Fault{ID: "C3", Host: "moon"}); err == nil {
		t.Error("an unknown host was accepted")
	}
}

// TestCatalogueIsTested: a fault that no table here names fails.
func TestCatalogueIsTested(t *testing.T) {
	ids := map[string]bool{}
	for n, f := range Faults() {
		if f.Title == "" || f.Where == "" || ids[f.ID] {
			t.Errorf("fault %d %q: no title or place, or twice", n, f.ID)
		}
		ids[f.ID] = true
	}
	for n := 1; n <= 27; n++ {
		id := "C" + textOf(float64(n))
		found := false
		for x := range ids {
			found = found || x == id || strings.HasPrefix(x, id+"/")
		}
		if !found {
			t.Errorf("%s is missing from the catalogue", id)
		}
	}
}

func TestEveryByteOfATruncation(t *testing.T) {
	s, c := start(t, small, Options{Seed: 7, PageSize: 1})
	token := bearerFor(t, s, c, "arm")
	path := "/subscriptions/" + s.subs[0].ID + "/providers/Microsoft.Storage/storageAccounts?api-version=2023-05-01"
	whole := look(t, s, c, token, path).body
	for at := 1; at < len(whole); at += 7 {
		if err := s.Inject(Fault{ID: "C7", Host: "arm", At: at}); err != nil {
			t.Fatal(err)
		}
		if got := look(t, s, c, token, path).body; !bytes.Equal(got, whole[:at]) {
			t.Fatalf("at %d: %d bytes", at, len(got))
		}
	}
}

// naive follows links as a trusting client does, up to a number of pages.
func naive(t *testing.T, s *Sim, c *http.Client, token string, most int) (ids []string, pages int) {
	t.Helper()
	path := "/subscriptions/" + s.subs[0].ID + "/providers/Microsoft.Storage/storageAccounts?api-version=2023-05-01"
	for pages < most && path != "" {
		x := look(t, s, c, token, path)
		var p struct {
			Value []struct{ ID string }
			Next  string `json:"nextLink"`
		}
		if x.status != 200 || json.Unmarshal(x.body, &p) != nil {
			t.Fatalf("%d %s %v", x.status, x.body, x.err)
		}
		for _, v := range p.Value {
			ids = append(ids, v.ID)
		}
		pages++
		path = strings.TrimPrefix(p.Next, s.Endpoint("arm"))
	}
	return ids, pages
}

func TestPagingFaults(t *testing.T) {
	s, c := start(t, small, Options{Seed: 7, PageSize: 1})
	token := bearerFor(t, s, c, "arm")
	if ids, pages := naive(t, s, c, token, 50); len(ids) != 5 || pages != 5 {
		t.Fatalf("without a fault: %d rows in %d pages", len(ids), pages)
	}
	for id, want := range map[string]struct{ pages, rows, unique int }{
		"C9/self": {50, 50, 2}, "C9/pair": {50, 50, 2}, "C9/repeat": {50, 50, 3}, "C9/endless": {50, 50, 5},
		"C10/page": {6, 6, 5}, "C10/overlap": {6, 6, 5}, "C11": {4, 4, 4},
	} {
		if err := s.Inject(Fault{ID: id, Host: "arm"}); err != nil {
			t.Fatal(err)
		}
		ids, pages := naive(t, s, c, token, 50)
		unique := map[string]bool{}
		for _, x := range ids {
			unique[x] = true
		}
		if pages != want.pages || len(ids) != want.rows || len(unique) != want.unique {
			t.Errorf("%s: %d pages, %d rows, %d ids; want %+v", id, pages, len(ids), len(unique), want)
		}
	}
}

func TestQueryFaults(t *testing.T) {
	s, c := start(t, small, Options{Seed: 7})
	page := func() argPage {
		_, b := ask(t, s, c, "arm", "POST /providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01", `{"query":"resources | order by id asc","options":{"$top":4}}`)
		var p argPage
		if err := json.Unmarshal(b, &p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	if p := page(); p.Total != 10 || p.Count != 4 || p.Token == "" || p.Truncated != "false" {
		t.Fatalf("without a fault: %+v", p)
	}
	if err := s.Inject(Fault{ID: "C12/truncated"}); err != nil {
		t.Fatal(err)
	}
	if p := page(); p.Count != 4 || p.Token != "" || p.Truncated != "true" {
		t.Errorf("C12/truncated: %+v", p)
	}
	if err := s.Inject(Fault{ID: "C13"}); err != nil {
		t.Fatal(err)
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Endpoint("arm")+"/providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01", strings.NewReader(`{"query":"resources"}`))
	req.Header.Set("Authorization", "Bearer "+bearerFor(t, s, c, "arm"))
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.Header.Get("x-ms-tenant-subscription-limit-hit") != "true" {
		t.Errorf("C13: %v", resp.Header)
	}
}

func TestTokensRunOut(t *testing.T) {
	s, c := start(t, small, Options{Seed: 7, PageSize: 1})
	path := "/subscriptions/" + s.subs[0].ID + "/providers/Microsoft.Storage/storageAccounts?api-version=2023-05-01"
	old := bearerFor(t, s, c, "arm")
	if err := s.Inject(Fault{ID: "C14/refresh", Host: "arm"}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{401, 401, 200} {
		if i == 2 {
			old = bearerFor(t, s, c, "arm") // only a new one helps
		}
		if x := look(t, s, c, old, path); x.status != want {
			t.Errorf("request %d: %d, want %d", i+1, x.status, want)
		}
	}
	if err := s.Inject(Fault{ID: "C14/refused", Host: "arm"}); err != nil {
		t.Fatal(err)
	}
	_ = look(t, s, c, old, path)
	resp, err := c.PostForm(s.Endpoint("login")+"/"+s.org.Tenant.ID+"/oauth2/v2.0/token", map[string][]string{
		"grant_type": {"client_credentials"}, "client_secret": {"x"}, "scope": {"https://management.azure.com/.default"}, "client_id": {"a"},
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a token was given: %d", resp.StatusCode)
	}
}

func TestPopulationChanges(t *testing.T) {
	s, c := start(t, small, Options{Seed: 7})
	count := func() int { return len(listAll(t, s, c, "/subscriptions?api-version=2022-12-01")) }
	if err := s.Inject(Fault{ID: "C17/vanish", Subscription: "one", Nth: 2}); err != nil {
		t.Fatal(err)
	}
	if a, b, d := count(), count(), count(); a != 2 || b != 2 || d != 1 {
		t.Errorf("vanish: %d %d %d subscriptions", a, b, d)
	}
	if status, _ := ask(t, s, c, "arm", "GET /subscriptions/"+s.subs[0].ID+"?api-version=2022-12-01", ""); status != http.StatusNotFound {
		t.Errorf("the vanished one: %d", status)
	}
	if err := s.Inject(Fault{ID: "C17/appear", Nth: 1}); err != nil {
		t.Fatal(err)
	}
	if a, b := count(), count(); a != 1 || b != 2 {
		t.Errorf("appear: %d, %d subscriptions", a, b)
	}
	if err := s.Inject(Fault{ID: "C18", Host: "arm"}); err != nil {
		t.Fatal(err)
	}
	id := s.varsOf(0).id + "?api-version=2023-05-01"
	_, first := ask(t, s, c, "arm", "GET "+id, "")
	_, second := ask(t, s, c, "arm", "GET "+id, "")
	if bytes.Equal(first, second) || !bytes.Contains(second, []byte("changedDuringTheRun")) {
		t.Errorf("C18: %s then %s", first, second)
	}
}

func TestCertificates(t *testing.T) {
	for id, want := range map[string]func(error) bool{
		"C21/expired": func(err error) bool {
			var e x509.CertificateInvalidError
			return errors.As(err, &e) && e.Reason == x509.Expired
		},
		"C21/stranger": func(err error) bool { var e x509.UnknownAuthorityError; return errors.As(err, &e) },
	} {
		s, c := start(t, small, Options{Seed: 7, Faults: []Fault{{ID: id, Host: "arm"}}})
		token := bearerFor(t, s, c, "arm") // signing in works
		x := look(t, s, c, token, "/subscriptions?api-version=2022-12-01")
		if x.err == nil || !want(x.err) {
			t.Errorf("%s: %d %v", id, x.status, x.err)
		}
		// Who does not check sees nothing wrong: the negative control.
		blind := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		if y := look(t, s, blind, token, "/subscriptions?api-version=2022-12-01"); y.status != http.StatusOK {
			t.Errorf("%s unchecked: %d %v", id, y.status, y.err)
		}
		blind.CloseIdleConnections()
	}
	s, c := start(t, small, Options{Seed: 7, Faults: []Fault{{ID: "C21/dns"}}})
	d := s.EndpointsDocument()
	resp, err := c.Get(d.URLs["arm"])
	if err == nil {
		_ = resp.Body.Close()
	}
	if err == nil || !strings.HasSuffix(d.URLs["arm"], ".invalid") {
		t.Errorf("C21/dns: %q %v", d.URLs["arm"], err)
	}
}

func TestWrongHostIsCounted(t *testing.T) {
	s, c := start(t, small, Options{Seed: 7, PageSize: 1, Faults: []Fault{{ID: "C24/link", Host: "arm"}}})
	token := bearerFor(t, s, c, "arm")
	path := "/subscriptions/" + s.subs[0].ID + "/providers/Microsoft.Storage/storageAccounts?api-version=2023-05-01"
	var p struct {
		Next string `json:"nextLink"`
	}
	if err := json.Unmarshal(look(t, s, c, token, path).body, &p); err != nil {
		t.Fatal(err)
	}
	// A trusting client sends its token there.
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, p.Next, nil)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if l := s.Log(); l.Foreign != 1 || l.WithToken != 1 {
		t.Errorf("foreign %d, with token %d", l.Foreign, l.WithToken)
	}
	// And a token for another host is refused and counted.
	other := bearerFor(t, s, c, "logAnalytics")
	if x := look(t, s, c, other, path); x.status != http.StatusUnauthorized || s.Log().Misdirected != 1 {
		t.Errorf("another host's token: %d, %d counted", x.status, s.Log().Misdirected)
	}
}
