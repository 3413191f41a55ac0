// SPDX-License-Identifier: Apache-2.0

package inventory_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/jsontape"
)

// answer makes a page of an ask.
func answer(ask, subject string, direct bool, objects ...string) tickmark.Page {
	p := page(objects...)
	p.Name, p.Form, p.Ask, p.Subject = "GET "+ask, "armList", ask, subject
	p.Request = &tickmark.Request{Method: "GET", Status: 200, Direct: direct}
	return p
}

// collected makes a segment; what its asks leave out is as if answered.
func collected(source, scope string, asks []tickmark.AskCoverage, pages ...tickmark.Page) tickmark.Segment {
	for i := range asks {
		a := &asks[i]
		if a.Declared == 0 {
			a.Declared = -1
		}
		if a.Answered == 0 && len(a.Refusals) == 0 {
			a.Answered = a.Subjects
		}
	}
	return tickmark.Segment{Source: source, Scope: scope, Pages: pages, Coverage: tickmark.Coverage{Source: source, Scope: scope, Declared: -1, Asks: asks}}
}

func TestCompleteFromAsks(t *testing.T) {
	const vaults, secrets, repos = "Microsoft.KeyVault/vaults", "Microsoft.KeyVault/vaults/secrets", "devops/repositories"
	const other = "/subscriptions/0ab2"
	at := func(s, name string) string {
		return s + "/resourceGroups/g/providers/Microsoft.KeyVault/vaults/" + name
	}
	refused := func(scope string) []tickmark.Refusal {
		return []tickmark.Refusal{{Scope: scope, Reason: tickmark.ReasonNotPermitted}}
	}
	list := func(a tickmark.AskCoverage) []tickmark.AskCoverage {
		a.Name, a.Types = "vaults", []string{vaults}
		return []tickmark.AskCoverage{a}
	}
	secret := func(a tickmark.AskCoverage) []tickmark.AskCoverage {
		a.Name, a.Types, a.Direct = "secrets", []string{secrets}, true
		return []tickmark.AskCoverage{a}
	}
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name       string
		segments   []tickmark.Segment
		typ, scope string
		want       tickmark.Reason
	}{
		{"answered", []tickmark.Segment{collected("arm", "", list(tickmark.AskCoverage{Subjects: 1}))}, vaults, sub, ""},
		{"everything asked", []tickmark.Segment{collected("arm", "", list(tickmark.AskCoverage{Subjects: 1}))}, vaults, "", ""},
		{"another type", []tickmark.Segment{collected("arm", "", list(tickmark.AskCoverage{Subjects: 1}))}, "Microsoft.Sql/servers", sub, tickmark.ReasonNotCollected},
		{"a claim beside asks", func() []tickmark.Segment {
			s := collected("arm", "", list(tickmark.AskCoverage{Subjects: 1, Missing: tickmark.ReasonThrottled}))
			s.Coverage.Complete = []string{"*"}
			return []tickmark.Segment{s}
		}(), vaults, sub, tickmark.ReasonThrottled},
		{"the subscription asked", []tickmark.Segment{collected("arm", sub, list(tickmark.AskCoverage{Subjects: 1}))}, vaults, sub, ""},
		{"another subscription asked", []tickmark.Segment{collected("arm", sub, list(tickmark.AskCoverage{Subjects: 1}))}, vaults, other, tickmark.ReasonNotCollected},
		{"one of two subscriptions cut", []tickmark.Segment{
			collected("arm", sub, list(tickmark.AskCoverage{Subjects: 1})), collected("arm", other, list(tickmark.AskCoverage{Subjects: 1, Missing: tickmark.ReasonTruncated})),
		}, vaults, sub, ""},
		{"the other one of the two", []tickmark.Segment{
			collected("arm", sub, list(tickmark.AskCoverage{Subjects: 1})), collected("arm", other, list(tickmark.AskCoverage{Subjects: 1, Missing: tickmark.ReasonTruncated})),
		}, vaults, other, tickmark.ReasonTruncated},
		{"index and provider", []tickmark.Segment{
			collected("arm", "", list(tickmark.AskCoverage{Subjects: 1})),
			collected("arm", sub, []tickmark.AskCoverage{{Name: "direct", Types: []string{vaults}, Subjects: 1, Refusals: refused(sub)}}),
		}, vaults, sub, tickmark.ReasonNotPermitted},
		{"a subject refused", []tickmark.Segment{collected("arm", sub, secret(tickmark.AskCoverage{Subjects: 2, Answered: 1, Refusals: refused(at(sub, "v1"))}))}, secrets, at(sub, "v1"), tickmark.ReasonNotPermitted},
		{"its neighbour", []tickmark.Segment{collected("arm", sub, secret(tickmark.AskCoverage{Subjects: 2, Answered: 1, Refusals: refused(at(sub, "v1"))}))}, secrets, at(sub, "v2"), ""},
		{"a neighbour with a longer name", []tickmark.Segment{collected("arm", sub, secret(tickmark.AskCoverage{Subjects: 2, Answered: 1, Refusals: refused(at(sub, "v1"))}))}, secrets, at(sub, "v10"), ""},
		{"the subscription of a refused subject", []tickmark.Segment{collected("arm", sub, secret(tickmark.AskCoverage{Subjects: 2, Answered: 1, Refusals: refused(at(sub, "v1"))}))}, secrets, sub, tickmark.ReasonNotPermitted},
		{"excluded", []tickmark.Segment{collected("arm", "", list(tickmark.AskCoverage{Subjects: 1, Excluded: []tickmark.Refusal{{Scope: sub, Reason: tickmark.ReasonExcluded}}}))}, vaults, sub, tickmark.ReasonExcluded},
		{"not excluded", []tickmark.Segment{collected("arm", "", list(tickmark.AskCoverage{Subjects: 1, Excluded: []tickmark.Refusal{{Scope: sub, Reason: tickmark.ReasonExcluded}}}))}, vaults, other, ""},
		{"declined", []tickmark.Segment{collected("arm", "", list(tickmark.AskCoverage{Subjects: 1, Missing: tickmark.ReasonDeclined}))}, vaults, sub, tickmark.ReasonDeclined},
		{"numbers that do not add up", []tickmark.Segment{collected("arm", "", list(tickmark.AskCoverage{Subjects: 3, Answered: 2}))}, vaults, sub, tickmark.ReasonNotCollected},
		{"fewer rows than counted", []tickmark.Segment{collected("arm", "", list(tickmark.AskCoverage{Subjects: 1, Rows: 1, Unique: 1, Declared: 2}))}, vaults, sub, tickmark.ReasonTruncated},
		{"children of a list that was cut", []tickmark.Segment{
			collected("arm", "", list(tickmark.AskCoverage{Subjects: 1, Missing: tickmark.ReasonTruncated})), collected("arm", sub, secret(tickmark.AskCoverage{})),
		}, secrets, sub, tickmark.ReasonTruncated},
		{"but not of a parent that is known", []tickmark.Segment{
			collected("arm", "", list(tickmark.AskCoverage{Subjects: 1, Missing: tickmark.ReasonTruncated})), collected("arm", sub, secret(tickmark.AskCoverage{})),
		}, secrets, at(sub, "v1"), ""},
		{"a log with a gap", []tickmark.Segment{collected("arm", sub, list(tickmark.AskCoverage{Subjects: 1, Span: &tickmark.Span{From: day, To: day.AddDate(0, 6, 0), Gaps: []tickmark.Gap{{From: day, To: day.AddDate(0, 1, 0), Reason: tickmark.ReasonNotCollected}}}}))}, vaults, sub, tickmark.ReasonNotCollected},
		{"a log kept for less", []tickmark.Segment{collected("arm", sub, list(tickmark.AskCoverage{Subjects: 1, Span: &tickmark.Span{From: day, To: day.AddDate(0, 6, 0), Kept: day.AddDate(0, 3, 0)}}))}, vaults, sub, tickmark.ReasonNotCollected},
		{"records: every organisation answered", []tickmark.Segment{
			collected("devops", "a", []tickmark.AskCoverage{{Name: "repos", Types: []string{repos}}}), collected("devops", "b", []tickmark.AskCoverage{{Name: "repos", Types: []string{repos}}}),
		}, repos, "", ""},
		{"records: one organisation did not", []tickmark.Segment{
			collected("devops", "a", []tickmark.AskCoverage{{Name: "repos", Types: []string{repos}}}),
			collected("devops", "b", []tickmark.AskCoverage{{Name: "repos", Types: []string{repos}, Subjects: 1, Refusals: refused("b")}}),
		}, repos, "", tickmark.ReasonNotPermitted},
		{"records: another source's cut", []tickmark.Segment{
			collected("devops", "a", []tickmark.AskCoverage{{Name: "repos", Types: []string{repos}}}),
			collected("graph", "", []tickmark.AskCoverage{{Name: "everything", Types: []string{"*"}, Missing: tickmark.ReasonThrottled}}),
		}, repos, "", ""},
		{"everything of a source cut", []tickmark.Segment{
			collected("graph", "", []tickmark.AskCoverage{{Name: "everything", Types: []string{"*"}, Missing: tickmark.ReasonThrottled}}),
		}, "graph/users", "", tickmark.ReasonThrottled},
		{"a segment that misses what no ask tells", func() []tickmark.Segment {
			s := collected("arm", "", list(tickmark.AskCoverage{Subjects: 1}))
			s.Coverage.Missing = tickmark.ReasonTruncated
			return []tickmark.Segment{s}
		}(), vaults, sub, tickmark.ReasonTruncated},
		{"a row that cannot be read", []tickmark.Segment{collected("arm", "", list(tickmark.AskCoverage{Subjects: 1}), answer("vaults", "", false, `{"id":1}`))}, vaults, sub, tickmark.ReasonUnparsable},
	} {
		t.Run(c.name, func(t *testing.T) {
			ok, reason := build(t, &tickmark.Snapshot{Origin: "live", Segments: c.segments}, inventory.Options{}).Complete(c.typ, c.scope)
			if ok != (c.want == "") || reason != c.want {
				t.Errorf("%v %q, want %q", ok, reason, c.want)
			}
		})
	}
}

// TestPopulation: that there is none of a type may be said only where all of it
// was asked for, everywhere, and answered.
func TestPopulation(t *testing.T) {
	const vaults, other = "Microsoft.KeyVault/vaults", "/subscriptions/0ab2"
	ask := func(a tickmark.AskCoverage, types ...string) []tickmark.AskCoverage {
		a.Name, a.Types = types[0], types
		return []tickmark.AskCoverage{a}
	}
	one := tickmark.AskCoverage{Subjects: 1}
	left := func(source string, why tickmark.Reason) tickmark.Segment {
		return tickmark.Segment{Source: source, Coverage: tickmark.Coverage{Source: source, Declared: -1, Missing: why}}
	}
	file := func(complete []string, pages ...tickmark.Page) tickmark.Segment {
		return tickmark.Segment{Source: "file", Scope: "a.json", Pages: pages, Coverage: tickmark.Coverage{Source: "file", Scope: "a.json", Declared: -1, Complete: complete, CompleteBy: "operator"}}
	}
	account := page(arm("Microsoft.Storage/storageAccounts", "s", `,"properties":{}`))
	group := page(arm("Microsoft.Network/networkSecurityGroups", "n", `,"properties":{"securityRules":[]}`))
	cut := page(arm("Microsoft.Network/networkSecurityGroups", "n", `,"properties":{}`))
	const rules = "Microsoft.Network/networkSecurityGroups/securityRules"
	for _, c := range []struct {
		name     string
		segments []tickmark.Segment
		typ      string
		want     tickmark.Reason
	}{
		{"asked once for all", []tickmark.Segment{collected("arm", "", ask(one, vaults))}, vaults, ""},
		{"asked in each subscription", []tickmark.Segment{collected("arm", sub, ask(one, vaults)), collected("arm", other, ask(one, vaults))}, vaults, ""},
		{"asked in one of two subscriptions", []tickmark.Segment{collected("arm", sub, ask(one, vaults)), collected("arm", other, ask(one, "Microsoft.Sql/servers"))}, vaults, tickmark.ReasonNotCollected},
		{"one of two refused", []tickmark.Segment{collected("arm", sub, ask(one, vaults)), collected("arm", other, ask(tickmark.AskCoverage{Subjects: 1, Refusals: []tickmark.Refusal{{Scope: other, Reason: tickmark.ReasonNotPermitted}}}, vaults))}, vaults, tickmark.ReasonNotPermitted},
		{"one of two excluded", []tickmark.Segment{collected("arm", "", ask(tickmark.AskCoverage{Subjects: 1, Excluded: []tickmark.Refusal{{Scope: other, Reason: tickmark.ReasonExcluded}}}, vaults))}, vaults, tickmark.ReasonExcluded},
		{"no question lists it", []tickmark.Segment{collected("arm", "", ask(one, vaults))}, "Microsoft.Sql/servers", tickmark.ReasonNotRead},
		{"the source was left out", []tickmark.Segment{collected("arm", "", ask(one, vaults)), left("graph", tickmark.ReasonNotRead)}, "graph/users", tickmark.ReasonNotRead},
		{"the source was declined", []tickmark.Segment{collected("arm", "", ask(one, vaults)), left("power", tickmark.ReasonDeclined)}, "power/environments", tickmark.ReasonDeclined},
		{"another source was left out", []tickmark.Segment{collected("arm", "", ask(one, vaults)), left("graph", tickmark.ReasonNotRead)}, vaults, ""},
		{"a file of another source", []tickmark.Segment{file(nil, account)}, "graph/users", tickmark.ReasonNotRead},
		{"a file of another type", []tickmark.Segment{file(nil, account)}, vaults, tickmark.ReasonNotCollected},
		{"a file and a statement", []tickmark.Segment{file([]string{vaults}, account)}, vaults, ""},
		{"a statement of everything", []tickmark.Segment{file([]string{"*"}, account)}, vaults, ""},
		{"a statement of everything is none of a source that was not given", []tickmark.Segment{file([]string{"*"}, account)}, "graph/users", tickmark.ReasonNotRead},
		{"inside a parent that was read whole", []tickmark.Segment{file([]string{"Microsoft.Network/networkSecurityGroups"}, group)}, rules, ""},
		{"inside one that was not", []tickmark.Segment{file([]string{"Microsoft.Network/networkSecurityGroups"}, cut)}, rules, tickmark.ReasonSummary},
		{"inside parents that may not be all", []tickmark.Segment{file(nil, group)}, rules, tickmark.ReasonNotCollected},
	} {
		t.Run(c.name, func(t *testing.T) {
			ok, reason := build(t, &tickmark.Snapshot{Origin: "live", Segments: c.segments}, inventory.Options{}).Population(c.typ)
			if ok != (c.want == "") || reason != c.want {
				t.Errorf("%v %q, want %q", ok, reason, c.want)
			}
		})
	}
}

// TestProviderBeforeIndex: the provider's own answer decides; where it is
// missing, the index must not; where the two list different resources, the
// population changed.
func TestProviderBeforeIndex(t *testing.T) {
	const typ = "Microsoft.KeyVault/vaults"
	vault := func(name string, a int) string { return arm(typ, name, fmt.Sprintf(`,"properties":{"a":%d}`, a)) }
	refused := []tickmark.Refusal{{Scope: sub + "/resourceGroups/g/providers/" + typ + "/v", Reason: tickmark.ReasonNotPermitted}}
	for _, c := range []struct {
		name          string
		index, direct []string
		coverage      tickmark.AskCoverage
		want          string // value of a, or the reason why it is unobserved
		problems      int
	}{
		{"the same", []string{vault("v", 1)}, []string{vault("v", 1)}, tickmark.AskCoverage{Subjects: 1}, "1", 0},
		{"the index is behind", []string{vault("v", 2)}, []string{vault("v", 1)}, tickmark.AskCoverage{Subjects: 1}, "1", 0},
		{"the provider says two things", []string{vault("v", 1)}, []string{vault("v", 1), vault("v", 2)}, tickmark.AskCoverage{Subjects: 1}, "conflicting", 1},
		{"the provider refused", []string{vault("v", 1)}, nil, tickmark.AskCoverage{Subjects: 1, Refusals: refused}, "notPermitted", 0},
		{"the provider was slow", []string{vault("v", 1)}, nil, tickmark.AskCoverage{Subjects: 1, Missing: tickmark.ReasonThrottled}, "throttled", 0},
		{"gone meanwhile", []string{vault("v", 1)}, nil, tickmark.AskCoverage{Subjects: 1}, "conflicting", 1},
		{"new meanwhile", nil, []string{vault("v", 1)}, tickmark.AskCoverage{Subjects: 1}, "1", 1},
		{"a summary from the provider", []string{vault("v", 1)}, []string{arm(typ, "v", "")}, tickmark.AskCoverage{Subjects: 1}, "1", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := c.coverage
			a.Name, a.Types, a.Direct = "direct", []string{typ}, true
			inv := build(t, &tickmark.Snapshot{Origin: "live", Segments: []tickmark.Segment{
				collected("arm", "", []tickmark.AskCoverage{{Name: "index", Types: []string{typ}, Subjects: 1}}, answer("index", "", false, c.index...)),
				collected("arm", sub, []tickmark.AskCoverage{a}, answer("direct", sub, true, c.direct...)),
			}}, inventory.Options{})
			list := inv.OfType(typ)
			if len(list) != 1 {
				t.Fatalf("%d vaults", len(list))
			}
			v := list[0].Root.Get("properties").Get("a")
			got := string(v.Raw())
			if v.Kind() == jsontape.Unobserved {
				got = v.Reason()
			}
			if got != c.want || len(inv.Problems) != c.problems {
				t.Errorf("a is %s, want %s; problems %v", got, c.want, inv.Problems)
			}
		})
	}
	t.Run("children of the index's copy go with it", func(t *testing.T) {
		const group = "Microsoft.Network/networkSecurityGroups"
		inv := build(t, &tickmark.Snapshot{Origin: "live", Segments: []tickmark.Segment{
			collected("arm", "", []tickmark.AskCoverage{{Name: "index", Types: []string{group}, Subjects: 1}}, answer("index", "", false, nsg("n", rule("n", "r1", "Allow")+","+rule("n", "r2", "Deny")))),
			collected("arm", sub, []tickmark.AskCoverage{{Name: "direct", Types: []string{group}, Subjects: 1, Direct: true}}, answer("direct", sub, true, nsg("n", rule("n", "r2", "Deny")))),
		}}, inventory.Options{})
		if r := inv.OfType(group + "/securityRules"); len(r) != 1 || r[0].Name != "r2" || r[0].Is(inventory.Conflicting) || len(inv.Problems) > 0 {
			t.Errorf("%+v, %v", r, inv.Problems)
		}
	})
}

// TestRecordIdentity: numbers count from 1 below every parent, and a member
// can be in many groups; what has an id of its own keeps the identity that an
// exported file gives it.
func TestRecordIdentity(t *testing.T) {
	records := func(entity, ask, subject, identity string, objects ...string) tickmark.Page {
		p := answer(ask, subject, false, objects...)
		p.Form, p.Entity, p.Identity = "array", entity, identity
		return p
	}
	exported := page(`{"id":"00000000-0000-0000-0000-0000000000u1","displayName":"Ann"}`)
	exported.Form, exported.Entity = "graphCollection", "graph/users"
	s := &tickmark.Snapshot{Origin: "live", Segments: []tickmark.Segment{
		collected("devops", "contoso", []tickmark.AskCoverage{{Name: "prs", Types: []string{"devops/pullRequests"}}},
			records("devops/pullRequests", "prs", "repo-a", "pullRequestId", `{"pullRequestId":1}`, `{"pullRequestId":2}`),
			records("devops/pullRequests", "prs", "devops/repositories/repo-b", "pullRequestId", `{"pullRequestId":1}`, `{"title":"no number"}`),
			records("devops/rules", "rules", "repo-a", "#", `{"type":"a"}`, `{"type":"a"}`),
			records("devops/summary", "summary", "repo-a", "-", `{"type":"a"}`),
			records("devops/permissions", "permissions", "repo-a", "user.id,role", `{"user":{"id":3},"role":"admin"}`),
			records("devops/settings", "settings", "", "", `{"allow":true}`),
			records("devops/branchPolicies", "policies", "", "", `{"id":7}`),
			records("devops/repositories", "repos", "project", "", `{"id":"repo-a"}`)),
		collected("graph", "", []tickmark.AskCoverage{{Name: "members", Types: []string{"graph/groupMembers"}}},
			records("graph/groupMembers", "members", "g1", "", `{"id":"u1"}`), records("graph/groupMembers", "members", "g2", "", `{"id":"u1"}`),
			records("graph/users", "users", "", "", `{"id":"00000000-0000-0000-0000-0000000000u1","displayName":"Ann"}`), records("graph/users", "manager", "u9", "", `{"id":"00000000-0000-0000-0000-0000000000u2"}`),
			records("graph/securityDefaults", "defaults", "", "", `{"isEnabled":true}`)),
		{Source: "file", Scope: "users.json", Pages: []tickmark.Page{exported}, Coverage: tickmark.Coverage{Source: "file", Declared: -1}},
	}}
	inv := build(t, s, inventory.Options{})
	var got []string
	for i := range inv.Resources {
		if !inv.Resources[i].Is(inventory.Implied) {
			got = append(got, inv.Resources[i].ID)
		}
	}
	want := []string{
		"devops/branchPolicies/contoso/7", "devops/permissions/repo-a/3+admin", "devops/pullRequests/repo-a/1", "devops/pullRequests/repo-a/2", "devops/pullRequests/repo-b/1",
		"devops/repositories/repo-a", "devops/rules/repo-a/#0", "devops/rules/repo-a/#1", "devops/settings/contoso", "devops/summary/repo-a", "graph/groupMembers/g1/u1", "graph/groupMembers/g2/u1",
		"graph/securityDefaults", "graph/users/00000000-0000-0000-0000-0000000000u1", "graph/users/00000000-0000-0000-0000-0000000000u2",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
	if inv.Counts.Unread != 1 {
		t.Errorf("%d records without identity were told, want the one without a number", inv.Counts.Unread)
	}
}

// TestCompleteBeside: what one organisation did not show is missing in none of
// the others, and in itself it stays unknown.
func TestCompleteBeside(t *testing.T) {
	const requests = "devops/pullRequests"
	record := func(scope, id string) tickmark.Page {
		p := answer("repos", "", true, `{"id":"`+id+`"}`)
		p.Form, p.Entity = "array", "devops/repositories"
		return p
	}
	segment := func(scope, id string, a tickmark.AskCoverage) tickmark.Segment {
		a.Name, a.Types = "requests", []string{requests}
		return collected("devops", scope, []tickmark.AskCoverage{{Name: "repos", Types: []string{"devops/repositories"}}, a}, record(scope, id))
	}
	refused := tickmark.AskCoverage{Subjects: 1, Refusals: []tickmark.Refusal{{Scope: "x", Reason: tickmark.ReasonNotPermitted}}}
	const mine, theirs = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
	for _, c := range []struct {
		name     string
		segments []tickmark.Segment
		typ      string
		want     tickmark.Reason
	}{
		{"both answered", []tickmark.Segment{segment("a", mine, tickmark.AskCoverage{}), segment("b", theirs, tickmark.AskCoverage{})}, requests, ""},
		{"the other one refused", []tickmark.Segment{segment("A", mine, tickmark.AskCoverage{}), segment("b", theirs, refused)}, requests, ""},
		{"its own refused", []tickmark.Segment{segment("A", mine, refused), segment("b", theirs, tickmark.AskCoverage{})}, requests, tickmark.ReasonNotPermitted},
		{"not asked in its own", []tickmark.Segment{
			collected("devops", "a", []tickmark.AskCoverage{{Name: "repos", Types: []string{"devops/repositories"}}}, record("a", mine)), segment("b", theirs, tickmark.AskCoverage{}),
		}, requests, tickmark.ReasonNotCollected},
		{"refused for the whole tenant", []tickmark.Segment{
			segment("a", mine, tickmark.AskCoverage{}), collected("devops", "", []tickmark.AskCoverage{{Name: "requests", Types: []string{requests}, Subjects: 1, Missing: tickmark.ReasonThrottled}}),
		}, requests, tickmark.ReasonThrottled},
		{"not named and refused", []tickmark.Segment{
			segment("a", mine, tickmark.AskCoverage{Subjects: 2, Excluded: []tickmark.Refusal{{Scope: "x", Reason: tickmark.ReasonNotNamed}}, Missing: tickmark.ReasonThrottled}),
		}, requests, tickmark.ReasonThrottled},
		{"a page of its own that no ask accounts for", []tickmark.Segment{func() tickmark.Segment {
			s := segment("a", mine, tickmark.AskCoverage{})
			s.Pages = append(s.Pages, answer("unknown", "", true))
			return s
		}()}, requests, tickmark.ReasonNotCollected},
		{"such a page of the other one", []tickmark.Segment{segment("a", mine, tickmark.AskCoverage{}), func() tickmark.Segment {
			s := segment("b", theirs, tickmark.AskCoverage{})
			s.Pages = append(s.Pages, answer("unknown", "", true))
			return s
		}()}, requests, ""},
		{"records of another source", []tickmark.Segment{
			segment("a", mine, tickmark.AskCoverage{}), collected("github", "a", []tickmark.AskCoverage{{Name: "runs", Types: []string{"github/runs"}}}),
			collected("github", "b", []tickmark.AskCoverage{{Name: "runs", Types: []string{"github/runs"}, Subjects: 1, Missing: tickmark.ReasonThrottled}}),
		}, "github/runs", tickmark.ReasonThrottled},
	} {
		t.Run(c.name, func(t *testing.T) {
			inv := build(t, &tickmark.Snapshot{Origin: "live", Segments: c.segments}, inventory.Options{})
			own := inv.Get("devops/repositories/" + mine)
			if own == nil {
				t.Fatal("the record is not in the inventory")
			}
			if got := inv.Place(own); got != "a" {
				t.Errorf("it lies in %q", got)
			}
			ok, reason := inv.CompleteBeside(inventory.TypeKey(c.typ), own)
			if ok != (c.want == "") || reason != c.want {
				t.Errorf("%v %q, want %q", ok, reason, c.want)
			}
		})
	}
}
