// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

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

var askSkus = Ask{Name: "skus", Host: HostARM, Path: "/skus", Form: formGraphCollection, Entity: entitySkus, Types: []string{entitySkus}, Pace: PaceARM}

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
		{name: "C16 GitHub message", want: "complete 1/1 0", ask: func(a *Ask) { a.Answers = []Answer{{Status: 404, Code: "Branch not protected", Means: MeansNone}} }, answer: answerWith(404, "application/json", `{"message":"Branch not protected","status":"404"}`)},
		{name: "C16 GitHub, another message", want: "notCollected 0/1", ask: func(a *Ask) { a.Answers = []Answer{{Status: 404, Code: "Branch not protected", Means: MeansNone}} }, answer: answerWith(404, "application/json", `{"message":"Not Found","status":"404"}`)},
		{name: "C16 not offered", want: "notOffered 0/1", ask: func(a *Ask) { a.Answers = []Answer{{Code: "NotInThisCloud", Means: MeansNotOffered}} }, answer: refuse(400, "notinthiscloud")},
		{name: "C27 empty", guards: []guard{"proof"}, want: "notPermitted 0/1 0", says: "does not see all", ask: func(a *Ask) { a.Proof = "sees" }, more: []Ask{askSees()}, answer: sees(false, nil)},
		{name: "C27 part", guards: []guard{"proof"}, want: "notPermitted 0/1 1", says: "does not see all", ask: func(a *Ask) { a.Proof = "sees" }, more: []Ask{askSees()}, answer: sees(false, []any{thing(1)})},
		{name: "C27 never empty", guards: []guard{"notEmpty"}, want: "notPermitted 0/1 0", says: "may not see it", ask: func(a *Ask) { a.NotEmpty = true }, answer: sees(true, nil)},
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
		{name: "not asked for", want: "notRead 0/0", more: []Ask{askSees()}, set: func(s *setup) { s.opts.Only = []string{"arm/sees"} }, answer: sees(true, nil)},
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
				if len(s.Gaps) != 1 || !s.Gaps[0].From.Equal(ago(90)) || !s.Gaps[0].To.Equal(ago(30).Add(time.Hour)) || !s.First.Equal(ago(20)) || !s.Last.Equal(ago(10)) {
					return errors.New("want a gap of 60 days and the edge, and first and last")
				}
				return nil
			}),
		},
		{
			// A service refuses a time that begins before what it keeps.
			name: "C25 asked for no older than kept", guards: []guard{"kept"}, want: "complete 1/1 0", ask: log,
			answer: func(w http.ResponseWriter, r *http.Request) {
				if from, _ := time.Parse(time.RFC3339, r.URL.Query().Get("from")); from.Before(ago(30)) {
					answerWith(400, "application/json", `{"error":{"code":"BadRequest","message":"The start time cannot be more than 30 days in the past."}}`)(w, r)
					return
				}
				writeJSON(w, map[string]any{"value": []any{}})
			},
			set: func(s *setup) { s.opts.From, s.opts.To = ago(90), clock },
		},
		{
			name: "C25 kept longer with a licence", want: "complete 1/1 1", ask: func(a *Ask) { log(a); a.Window.Extended = map[string]time.Duration{"AAD_PREMIUM": 60 * 24 * time.Hour} },
			more: []Ask{askSkus}, answer: func(w http.ResponseWriter, r *http.Request) {
				if !strings.HasPrefix(r.URL.Path, "/things") {
					writeJSON(w, map[string]any{"value": []any{map[string]any{"id": "s1", "capabilityStatus": "Enabled", "servicePlans": []any{map[string]any{"servicePlanName": "AAD_PREMIUM"}}}}})
					return
				}
				row := thing(1)
				row["time"] = ago(50).Format(time.RFC3339)
				if from, _ := time.Parse(time.RFC3339, r.URL.Query().Get("from")); from.After(ago(50)) {
					writeJSON(w, map[string]any{"value": []any{}})
					return
				}
				writeJSON(w, map[string]any{"value": []any{row}})
			},
		},
		{
			name: "C25 no time named", want: "complete 1/1 1", ask: log, list: rows(ago(5)),
			also: span(func(s *tickmark.Span) error {
				if len(s.Gaps) != 0 || !s.From.Equal(ago(30).Add(time.Hour)) {
					return errors.New("want what the source keeps, and no gap")
				}
				return nil
			}),
		},
		{
			name: "C25 nothing of it is kept", guards: []guard{"kept"}, want: "notCollected 0/0", says: "30 days: none of the time", ask: log, list: rows(ago(50)),
			set:  func(s *setup) { s.opts.From, s.opts.To = ago(90), ago(31) },
			also: requests(0),
		},
		{
			name: "C25 table of a workspace", want: "complete 1/1 2",
			ask: func(a *Ask) {
				log(a)
				a.Form, a.List, a.Identity, a.Window.Keeps = formLogAnalytics, "", "Day,From", 0
				a.Window.Field, a.Window.Until = "From", "Last"
			},
			answer: func(w http.ResponseWriter, _ *http.Request) {
				row := func(d int) []any {
					return []any{ago(d).Format(time.RFC3339), ago(d).Add(2 * time.Hour).Format(time.RFC3339), ago(d).Truncate(24 * time.Hour).Format(time.RFC3339)}
				}
				writeJSON(w, map[string]any{"tables": []any{map[string]any{
					"name":    "PrimaryResult",
					"columns": []any{map[string]any{"name": "from"}, map[string]any{"name": "Last"}, map[string]any{"name": "Day"}},
					"rows":    []any{row(20), row(10)},
				}}})
			},
			set: func(s *setup) { s.opts.From, s.opts.To = ago(25), clock },
			also: span(func(s *tickmark.Span) error {
				if len(s.Gaps) != 0 || !s.First.Equal(ago(20)) || !s.Last.Equal(ago(10).Add(2*time.Hour)) {
					return errors.New("want first and last of the columns")
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
