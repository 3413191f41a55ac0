// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

// askGranted is the proof of what is granted at a subscription.
func askGranted() Ask {
	return Ask{
		Name: "granted", Of: []string{typeSubscription}, Host: HostARM, Path: "{id}/granted", APIVersion: "1", Form: formARMList,
		Entity: "arm/granted", Types: []string{"arm/granted"}, Identity: "#", Pace: PaceARM,
		Grants: func(answers []jsontape.Value, wanted []string) string {
			for _, w := range wanted {
				if !slices.ContainsFunc(answers, func(a jsontape.Value) bool { return strings.Contains(string(a.Raw()), w) }) {
					return w
				}
			}
			return ""
		},
	}
}

// TestVisibleBatch: of a batch only the subscription suffers that is not proven,
// and what is asked about its resources; a list of one says it itself.
func TestVisibleBatch(t *testing.T) {
	things := Ask{
		Name: "things", Of: []string{typeSubscription}, Batch: 10, Host: HostARM, Method: http.MethodPost, Path: "/query",
		Body: `{"subscriptions":{ids}}`, APIVersion: "1", Form: formResourceGraph, Paging: PageSkipToken, Types: []string{"Test/things"}, Pace: PaceARM,
		Proof: "granted", Sees: []string{"things/read"},
	}
	kids := Ask{
		Name: "kids", Of: []string{"Test/things"}, Host: HostARM, Path: "{id}/kids", APIVersion: "1", Form: formARMList, Types: []string{"Test/things/kids"}, Pace: PaceARM,
	}
	vaults := askVaults()
	vaults.Proof, vaults.Sees = "granted", []string{"vaults/read"}
	granted := map[string][]any{
		"aaa": {map[string]any{"actions": []string{"things/read", "vaults/read"}}},
		"bbb": {map[string]any{"actions": []string{"vaults/read"}}},
		"ccc": {},
	}
	run := func(off ...guard) *Collected {
		s := newSetup(t, func(w http.ResponseWriter, r *http.Request) {
			switch p := strings.Split(r.URL.Path, "/"); {
			case r.URL.Path == "/query":
				rows := []any{
					map[string]any{"id": "/subscriptions/aaa/providers/Test/things/1", "type": "test/things"},
					map[string]any{"id": "/subscriptions/bbb/providers/Test/things/2", "type": "test/things"},
				}
				writeJSON(w, map[string]any{"count": 2, "totalRecords": 2, "data": rows, "resultTruncated": "false"})
			case strings.HasSuffix(r.URL.Path, "/granted"):
				writeJSON(w, map[string]any{"value": granted[p[2]]})
			case strings.HasSuffix(r.URL.Path, "/kids"):
				writeJSON(w, map[string]any{"value": []any{}})
			default:
				estate(w, r)
			}
		})
		for _, g := range off {
			s.tune.off[g] = true
		}
		return s.run(t, armSource(askSubscriptions(), askGranted(), things, kids, vaults))
	}
	refused := func(c *Collected, scope, ask string) string {
		var out []string
		a := findAsk(t, c, "arm", scope, ask)
		for _, f := range a.Refusals {
			if f.Reason != tickmark.ReasonNotPermitted || !strings.Contains(f.Detail, "it may read only a part of "+f.Scope) {
				t.Errorf("%s: %+v", ask, f)
			}
			out = append(out, f.Scope[len("/subscriptions/"):])
		}
		if a.Answered+len(a.Refusals) != a.Subjects {
			t.Errorf("%s: it does not add up: %+v", ask, a)
		}
		return strings.Trim(strings.Join(out, " ")+" "+string(a.Missing), " ")
	}
	for _, x := range []struct{ scope, ask, part, all string }{
		{"", "things", "bbb ccc", ""},
		{"/subscriptions/aaa", "kids", "", ""},
		{"/subscriptions/bbb", "kids", "notPermitted", ""},
		{"/subscriptions/aaa", "vaults", "", ""},
		{"/subscriptions/bbb", "vaults", "", ""},
		{"/subscriptions/ccc", "vaults", "ccc", ""},
	} {
		if got := refused(run(), x.scope, x.ask); got != x.part {
			t.Errorf("%s in %q: %q, want %q", x.ask, x.scope, got, x.part)
		}
		if got := refused(run("sees"), x.scope, x.ask); got != x.all {
			t.Errorf("without the guard, %s in %q: %q, want %q", x.ask, x.scope, got, x.all)
		}
	}
	// Rows are kept: what is there is judged.
	if a := findAsk(t, run(), "arm", "", "things"); a.Rows != 2 {
		t.Errorf("things: %+v", a)
	}
}

// TestVisibleRefused: where it is not answered what is granted, nothing is whole.
func TestVisibleRefused(t *testing.T) {
	vaults := askVaults()
	vaults.Proof, vaults.Sees = "granted", []string{"vaults/read"}
	s := newSetup(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/granted") {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		estate(w, r)
	})
	c := s.run(t, armSource(askSubscriptions(), askGranted(), vaults))
	if a := findAsk(t, c, "arm", "/subscriptions/aaa", "vaults"); len(a.Refusals) != 1 || a.Refusals[0].Reason != tickmark.ReasonNotPermitted {
		t.Errorf("%+v", a)
	}
}

// TestRootUnread: without the hierarchy from the root nothing is complete for
// the tenant, unless the scopes were named; what is said of a subscription
// stands.
func TestRootUnread(t *testing.T) {
	tree := Ask{
		Name: "descendants", Host: HostARM, Path: "/descendants", APIVersion: "1", Paging: PageNextLink, Form: formARMList,
		Entity: entityDescendants, Types: []string{entityDescendants}, Pace: PaceARM,
	}
	all := []any{map[string]any{"id": "/subscriptions/AAA"}, map[string]any{"id": "/subscriptions/bbb"}, map[string]any{"id": "/subscriptions/ccc"}}
	const root = "/providers/microsoft.management/managementgroups/11111111-1111-1111-1111-111111111111"
	for _, x := range []struct {
		name   string
		status int
		rows   []any
		change func(*setup)
		want   tickmark.Reason
		says   string
		found  int // problems
	}{
		{name: "read", rows: all},
		{name: "refused", status: 403, want: tickmark.ReasonNotPermitted, says: "which subscriptions the tenant has is not known", found: 1},
		{name: "no such group", status: 404, want: tickmark.ReasonNotCollected, says: "needs Reader at the root", found: 1},
		{name: "some lack", rows: all[:1], want: tickmark.ReasonConflicting, says: "lacks 2 subscriptions of this tenant", found: 1},
		{name: "none", rows: []any{}, want: tickmark.ReasonConflicting, says: "lacks 3 subscriptions", found: 1},
		{name: "guard off", status: 403, change: func(s *setup) { s.tune.off["root"] = true }},
		{name: "declined", change: func(s *setup) {
			s.opts.Exclude = []Exclusion{{Scope: "arm/descendants", Reason: tickmark.ReasonDeclined, Detail: "one subscription"}}
		}, want: tickmark.ReasonDeclined, says: "one subscription"},
		{name: "root left out", rows: all, change: func(s *setup) {
			s.opts.Exclude = []Exclusion{{Scope: root, Reason: tickmark.ReasonExcluded, Detail: "a partner's"}}
		}, want: tickmark.ReasonExcluded, says: "a partner's"},
		{name: "named", status: 403, change: func(s *setup) { s.opts.Scopes = []string{"/subscriptions/aaa"} }, want: tickmark.ReasonNotNamed, says: "the population is the scopes that were named: /subscriptions/aaa"},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := newSetup(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/subscriptions":
					var rows []any
					for _, id := range []string{"aaa", "bbb", "ccc"} {
						rows = append(rows, map[string]any{"id": "/subscriptions/" + id, "tenantId": "11111111-1111-1111-1111-111111111111"})
					}
					rows = append(rows, map[string]any{"id": "/subscriptions/foreign", "tenantId": "22222222-1111-1111-1111-111111111111"})
					writeJSON(w, map[string]any{"value": rows})
				case r.URL.Path != "/descendants":
					estate(w, r)
				case x.status != 0:
					w.WriteHeader(x.status)
				default:
					writeJSON(w, map[string]any{"value": x.rows})
				}
			})
			if x.change != nil {
				x.change(s)
			}
			c := s.run(t, armSource(askSubscriptions(), tree, askVaults()))
			var got tickmark.Refusal
			for _, f := range findAsk(t, c, "arm", "", "subscriptions").Excluded {
				if f.Scope == root {
					got = f
				}
			}
			if got.Reason != x.want || !strings.Contains(got.Detail, x.says) {
				t.Errorf("%+v, want %q %q", got, x.want, x.says)
			}
			if x.want != tickmark.ReasonNone {
				if v := findAsk(t, c, "arm", root, "vaults"); len(v.Excluded) != 1 {
					t.Errorf("vaults below the root: %+v", v)
				}
			}
			if v := findAsk(t, c, "arm", "/subscriptions/aaa", "vaults"); len(v.Excluded)+len(v.Refusals) > 0 || v.Missing != tickmark.ReasonNone {
				t.Errorf("vaults of a subscription that was read: %+v", v)
			}
			if len(c.Snapshot.Problems) != x.found {
				t.Errorf("problems: %+v", c.Snapshot.Problems)
			}
		})
	}
}
