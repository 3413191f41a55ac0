// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

func subjectFrom(tb testing.TB, text string) *Subject {
	tb.Helper()
	tape, err := jsontape.Parse([]byte(text), jsontape.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return subjectOf(&Ask{}, tape.Root())
}

func TestTemplate(t *testing.T) {
	root := &Subject{Type: Root, Item: subjectFrom(t, `{"tenantId":"t-1"}`).Item}
	up := subjectFrom(t, `{"id":"/subscriptions/s1","name":"up"}`)
	s := subjectFrom(t, `{"id":"/subscriptions/s1/resourceGroups/r g/providers/A.B/c/d?e","name":"it's \"x\" / y","n":7,"b":true,"nil":null,"empty":"",
		"properties":{"uri":"https://kv.vault.azure.net/","list":["a"],"secret":"tickmark:unobserved:redacted:key"}}`)
	s.Of = up
	v := &values{subject: s, root: root, from: "2026-01-01T00:00:00Z", to: "2026-02-01T00:00:00Z", batch: []*Subject{up, s}}
	for _, tc := range []struct {
		place    place
		template string
		want     string // "!" and a part of the error
	}{
		{inPath, "{id}/keys", "/subscriptions/s1/resourceGroups/r%20g/providers/A.B/c/d%3Fe/keys"},
		{inPath, "/x/{id}", "/x/subscriptions/s1/resourceGroups/r%20g/providers/A.B/c/d%3Fe"},
		{inPath, "/x/{name}/y", "/x/it%27s%20%22x%22%20%2F%20y/y"},
		{inPath, "/{^name}/{^^tenantId}/{n}/{b}", "/up/t-1/7/true"},
		{inPath, "{properties.uri}/keys", "https://kv.vault.azure.net/keys"},
		{inPath, "/x/{properties.uri}", "/x/https:%2F%2Fkv.vault.azure.net%2F"},
		{inQuery, "$filter=name eq '{name}' and time ge {from}", "$filter=name%20eq%20'it%27%27s%20%22x%22%20%2F%20y'%20and%20time%20ge%202026-01-01T00%3A00%3A00Z"},
		{inQuery, "ids={ids.id}", "ids=%2Fsubscriptions%2Fs1,%2Fsubscriptions%2Fs1%2FresourceGroups%2Fr%20g%2Fproviders%2FA.B%2Fc%2Fd%3Fe"},
		{inBody, `{"subscriptions":{ids},"n":{n},"s":{name},"l":{properties.list}}`, `{"subscriptions":["up","it's \"x\" / y"],"n":7,"s":"it's \"x\" / y","l":["a"]}`},
		{inBody, `{"query":"t | where name == '{name}'"}`, `{"query":"t | where name == 'it\\'s \\\"x\\\" / y'"}`},
		{inBody, `{"query":"where {name}"}`, `{"query":"where it's \"x\" / y"}`},
		{inPath, "/{missing}", "!no such member"},
		{inPath, "/{nil}", "!no such member"},
		{inPath, "/{empty}", "!empty"},
		{inPath, "/{properties.list}", "!list or an object"},
		{inPath, "/{properties.secret}", "!not kept"},
		{inPath, "/{^^^name}", "!that far up"},
		{inPath, "/{properties.}", "!"},
	} {
		got, err := parseTemplate(tc.template).expand(tc.place, v)
		if why, bad := strings.CutPrefix(tc.want, "!"); bad {
			if err == nil || !strings.Contains(err.Error(), why) {
				t.Errorf("%s: %q, %v; want an error with %q", tc.template, got, err, why)
			}
			continue
		}
		if err != nil || got != tc.want {
			t.Errorf("%s:\n got %s %v\nwant %s", tc.template, got, err, tc.want)
		}
	}
	for _, id := range []string{"/a/../b", "/a//b", "/./b"} {
		bad := subjectFrom(t, `{"id":`+quoteJSON(id)+`}`)
		if got, err := parseTemplate("{id}/x").expand(inPath, &values{subject: bad, root: root}); err == nil {
			t.Errorf("id %s became %s", id, got)
		}
	}
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"a b", "../..", "a'b", `a"b\`, "{name}", "a/b?c#d", "ü\n", "https://x.example/a?b", "/subscriptions/x/../y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		raw, err := json.Marshal(map[string]any{"id": "/x/" + name, "name": name, "v": name})
		if err != nil {
			return
		}
		tape, err := jsontape.Parse(raw, jsontape.Options{})
		if err != nil {
			return
		}
		s := subjectOf(&Ask{}, tape.Root())
		v := &values{subject: s, root: s}
		if p, err := parseTemplate("/a/{name}/b").expand(inPath, v); err == nil {
			u, err := url.Parse("https://h" + p)
			if err != nil || u.Host != "h" || strings.Count(u.EscapedPath(), "/") != 3 || u.RawQuery != "" {
				t.Errorf("name %q leads to %s", name, p)
			}
		}
		if p, err := parseTemplate("{id}/b").expand(inPath, v); err == nil {
			if u, err := url.Parse("https://h" + p); err != nil || u.Host != "h" || strings.Contains(u.Path, "/../") {
				t.Errorf("id %q leads to %s", s.ID, p)
			}
		}
		if q, err := parseTemplate("f='{v}'&g=1").expand(inQuery, v); err == nil {
			vals, err := url.ParseQuery(q)
			if err != nil || len(vals) != 2 || vals.Get("f") != "'"+strings.ReplaceAll(tape.Root().Get("v").Str(), "'", "''")+"'" {
				t.Errorf("value %q became %s", name, q)
			}
		}
		if b, err := parseTemplate(`{"q":"x == '{v}'","r":"{v}","s":{v}}`).expand(inBody, v); err == nil {
			var got struct{ Q, R, S string }
			if err := json.Unmarshal([]byte(b), &got); err != nil || got.R != tape.Root().Get("v").Str() || got.S != got.R {
				t.Errorf("value %q became %s", name, b)
			}
			if inner := strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(got.Q, "x == '"), "'"), `\\`, ""); strings.Contains(strings.ReplaceAll(inner, `\'`, ""), "'") {
				t.Errorf("value %q breaks out of the query: %s", name, got.Q)
			}
		}
	})
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	date := now.Format(http.TimeFormat)
	for _, tc := range []struct {
		header []string
		want   time.Duration
		ok     bool
	}{
		{[]string{"Retry-After", "61"}, 61 * time.Second, true},
		{[]string{"Retry-After", "0"}, 0, true},
		{[]string{"Retry-After", "-5"}, 0, false},
		{[]string{"Retry-After", "soon"}, 0, false},
		{[]string{"Retry-After", "1e400"}, 0, false},
		{[]string{"Retry-After", "99999999999999999999"}, longest, true},
		{[]string{"Retry-After", "NaN"}, 0, false},
		{[]string{"Retry-After", now.Add(time.Minute).Format(http.TimeFormat)}, 61 * time.Second, true},
		{[]string{"Retry-After", now.Add(-time.Minute).Format(http.TimeFormat)}, time.Second, true},
		{[]string{"Retry-After", now.Add(time.Minute).Format(http.TimeFormat), "Date", now.Add(-time.Hour).Format(http.TimeFormat)}, time.Hour + 61*time.Second, true},
		{[]string{"x-ms-retry-after-ms", "1500", "Retry-After", "61"}, 1500 * time.Millisecond, true},
		{[]string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1772356200", "Date", date}, 10*time.Minute + time.Second, true},
		{[]string{"X-RateLimit-Remaining", "5", "X-RateLimit-Reset", "1772356200"}, 0, false},
		{nil, 0, false},
	} {
		h := http.Header{}
		for i := 0; i < len(tc.header); i += 2 {
			h.Set(tc.header[i], tc.header[i+1])
		}
		if got, ok := retryAfter(h, now); got != tc.want || ok != tc.ok {
			t.Errorf("%v: %v %v, want %v %v", tc.header, got, ok, tc.want, tc.ok)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"1", "1e9", "-1", "Sun, 01 Mar 2026 09:00:00 GMT", "00:00:05", "NaN", "Inf", "0x1p-2"} {
		f.Add(s, s)
	}
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, name := range []string{"Retry-After", "x-ms-retry-after-ms", "X-RateLimit-Reset", "x-ms-user-quota-resets-after", "RateLimit-Reset"} {
			h := http.Header{}
			h.Set(name, a)
			h.Set("Date", b)
			h.Set("X-RateLimit-Remaining", "0")
			h.Set("RateLimit-Remaining", "0")
			if d, _ := retryAfter(h, now); d < 0 || d > longest+time.Second {
				t.Errorf("%s: %q: %v", name, a, d)
			}
			if _, d, _ := quotaLeft(h, now); d < 0 || d > longest+time.Second {
				t.Errorf("%s: %q resets in %v", name, a, d)
			}
			if d := clockText(a); d < 0 {
				t.Errorf("%q: %v", a, d)
			}
		}
	})
}

func TestLinkHeader(t *testing.T) {
	for in, want := range map[string]string{
		`<https://h/a?page=2>; rel="next", <https://h/a?page=9>; rel="last"`:           "https://h/a?page=2",
		`<https://h/a?page=1>; rel="prev", <https://h/a?page=3>; rel=next`:             "https://h/a?page=3",
		`<https://h/a?x=1,2>; title="a, b"; rel="foo next"`:                            "https://h/a?x=1,2",
		`<https://h/a>; rel="prev"`:                                                    "",
		`<https://h/a`:                                                                 "",
		`https://h/a; rel="next"`:                                                      "",
		`<https://h/prev>; rel="prev"; title="<https://h/x>; rel=next", <u>; rel=next`: "u",
	} {
		if got := nextOf(http.Header{"Link": {in}}); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func FuzzLink(f *testing.F) {
	f.Add(`<https://h/a?page=2>; rel="next"`)
	f.Add(`<a>, <b>; rel="x next`)
	f.Fuzz(func(t *testing.T, s string) {
		if got := nextOf(http.Header{"Link": {s}}); got != "" && !strings.Contains(s, "<"+got+">") {
			t.Errorf("%q gives %q", s, got)
		}
	})
}

// FuzzPage: whatever the answer, a page that is accepted is strict JSON, its
// rows are where it says, and none is lost.
func FuzzPage(f *testing.F) {
	for _, s := range []string{`{"value":[{"id":"/a"},{"id":"/b"}],"nextLink":"x"}`, `{"value":[]}`, `{"value":[{"id":"/a"}]`, `{"error":{}}`, `[{"id":1}]`, `{"v":[1],"value":[{"id":"/a","x":[1,{"y":"]"}]}]}`, `{"value":[],"VALUE":[]}`, `{"\u0076alue":[]}`} {
		f.Add([]byte(s))
	}
	tune := defaults()
	f.Fuzz(func(t *testing.T, src []byte) {
		for _, form := range []string{formARMList, formArray, formARMObject, formLogAnalytics} {
			a := askThings()
			a.Form = form
			r := reader{tune: &tune}
			n := 0
			env, err := r.page(src, &a, func(it tickmark.Item, v jsontape.Value) error {
				n++
				if _, err := jsontape.Parse(src[it.Off:it.Off+it.Len], jsontape.Options{}); err != nil {
					t.Errorf("%s: a row is not JSON: %v", form, err)
				}
				return nil
			})
			if err != nil {
				continue
			}
			if n != env.Items {
				t.Errorf("%s: %d rows of %d", form, n, env.Items)
			}
			// A whole parse allows one level less inside rows than rows alone.
			tape, err := jsontape.Parse(src, jsontape.Options{MaxDepth: 200})
			if err != nil {
				t.Errorf("%s: accepted, but it is not strict JSON: %v", form, err)
				continue
			}
			if list := tape.Root().Get("value"); form == formARMList && list.Len() != n {
				t.Errorf("%d rows of %d", n, list.Len())
			}
		}
	})
}
