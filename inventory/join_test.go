// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

// joinPage is a page of records about one subject.
func joinPage(entity, subject string, items ...string) tickmark.Page {
	p := tickmark.Page{Name: entity, Form: "graphCollection", Entity: entity}
	if subject != "" {
		p.Ask, p.Subject = "test", subject
	}
	for _, it := range items {
		p.Items = append(p.Items, tickmark.Item{Off: len(p.Bytes), Len: len(it)})
		p.Bytes = append(append(p.Bytes, it...), '\n')
	}
	p.Digest = tickmark.DigestOf(p.Bytes)
	return p
}

func joinInventory(t *testing.T, complete []string, pages ...tickmark.Page) *Inventory {
	t.Helper()
	s := &tickmark.Snapshot{Origin: "files", Segments: []tickmark.Segment{{
		Source: "file", Scope: "test", Pages: pages,
		Coverage: tickmark.Coverage{Source: "file", Scope: "test", Complete: complete, CompleteBy: "operator", Declared: -1},
	}}}
	inv, err := Build(context.Background(), s, Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

const (
	person = "00000000-0000-0000-0000-0000000000f1"
	inner  = "00000000-0000-0000-0000-0000000000a1"
	outer  = "00000000-0000-0000-0000-0000000000a2"
)

func object(id string) string { return fmt.Sprintf(`{"id":%q}`, id) }

var rolesOfUser = Join{Of: "graph/users", As: "roles", Type: "graph/roleAssignments", Match: "principalId", With: "groups(id)", Take: []string{"roleDefinitionId"}}

func assignment(n int, principal string) string {
	return fmt.Sprintf(`{"id":"assignment-%030d","principalId":%q,"roleDefinitionId":"role-%d"}`, n, principal, n)
}

var wholeGraph = []string{"graph/roleAssignments", "graph/groups", "graph/groupMembers"}

// joinedRoles makes the join on the only user.
func joinedRoles(t *testing.T, inv *Inventory, j Join) jsontape.Value {
	t.Helper()
	out, err := inv.Join([]Join{j})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) != 1 {
		t.Fatalf("%d resources carry the join", len(out))
	}
	for i, v := range out {
		if inv.Resources[i].Type != j.Of {
			t.Errorf("the join lies at a %s", inv.Resources[i].Type)
		}
		return v.Get(MemberJoined).Get(j.As)
	}
	return jsontape.Value{}
}

func TestJoinThroughGroups(t *testing.T) {
	pages := []tickmark.Page{
		joinPage("graph/users", "", object(person)),
		joinPage("graph/groups", "", object(inner), object(outer)),
		joinPage("graph/groupMembers", "graph/groups/"+inner, object(person)),
		joinPage("graph/groupMembers", "graph/groups/"+outer, object(inner)),
		joinPage("graph/groupMembers", "graph/groups/"+inner, object(outer)), // a ring
		joinPage("graph/roleAssignments", "", assignment(1, strings.ToUpper(person)), assignment(2, outer), assignment(3, "somebody-else")),
	}
	got := joinedRoles(t, joinInventory(t, wholeGraph, pages...), rolesOfUser)
	if got.Len() != 2 || got.IsOpen() {
		t.Fatalf("%d roles, open %v: %s", got.Len(), got.IsOpen(), got.Raw())
	}
	if a := got.Index(1).Get("roleDefinitionId").Str(); a != "role-2" {
		t.Errorf("the second role is %q", a)
	}
	for i := range wholeGraph {
		less := append(append([]string{}, wholeGraph[:i]...), wholeGraph[i+1:]...)
		if got := joinedRoles(t, joinInventory(t, less, pages...), rolesOfUser); !got.IsOpen() || got.OpenReason() != "notCollected" {
			t.Errorf("without %s complete the list is whole", wholeGraph[i])
		}
	}
	for i := 2; i < len(pages); i++ { // the same records in another order
		turned := append(append([]tickmark.Page{}, pages[i:]...), pages[:i]...)
		if again := joinedRoles(t, joinInventory(t, wholeGraph, turned...), rolesOfUser); string(again.Raw()) != string(got.Raw()) {
			t.Errorf("another order gives %s", again.Raw())
		}
	}
}

// A record that does not say to whom it belongs may belong to anybody.
func TestJoinUnknownKey(t *testing.T) {
	user := joinPage("graph/users", "", object(person))
	for name, record := range map[string]string{
		"redacted":           `{"id":"assignment-000000000000000000000000000001","principalId":"tickmark:unobserved:redacted:x"}`,
		"member, no subject": "",
	} {
		pages := []tickmark.Page{user, joinPage("graph/groups", "", object(inner))}
		if record == "" {
			pages = append(pages, joinPage("graph/groupMembers", "", object(person)))
		} else {
			pages = append(pages, joinPage("graph/roleAssignments", "", record))
		}
		if got := joinedRoles(t, joinInventory(t, wholeGraph, pages...), rolesOfUser); !got.IsOpen() {
			t.Errorf("%s: the list is whole: %s", name, got.Raw())
		}
	}
	// The negative control: nothing is unknown, and nothing is there.
	if got := joinedRoles(t, joinInventory(t, wholeGraph, user), rolesOfUser); got.IsOpen() || got.Len() != 0 {
		t.Errorf("nothing was joined, and the list is open %v with %d", got.IsOpen(), got.Len())
	}
}

// What one directory has does not speak for another.
func TestJoinTwoDirectories(t *testing.T) {
	inv := joinInventory(t, wholeGraph, joinPage("graph/users", "", object(person)),
		joinPage("graph/organization", "", object("00000000-0000-0000-0000-0000000000aa"), object("00000000-0000-0000-0000-0000000000ab")))
	if got := joinedRoles(t, inv, rolesOfUser); !got.IsOpen() || got.OpenReason() != "scopeUnknown" {
		t.Errorf("two directories: open %v, %s", got.IsOpen(), got.OpenReason())
	}
}

func TestJoinBadOperand(t *testing.T) {
	j := rolesOfUser
	j.With = "friends(id)"
	if _, err := joinInventory(t, nil, joinPage("graph/users", "", object(person))).Join([]Join{j}); err == nil {
		t.Error("friends(id) was taken for an operand")
	}
}

// TestJoinIsLinear: ten times the records take about ten times as long, not a
// hundred times.
func TestJoinIsLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("measures time")
	}
	spent := func(n int) time.Duration {
		var users, roles, members []string
		for i := range n {
			id := fmt.Sprintf("00000000-0000-0000-0000-%012d", i)
			users, members = append(users, object(id)), append(members, object(id))
			roles = append(roles, assignment(i, id))
		}
		inv := joinInventory(t, wholeGraph, joinPage("graph/users", "", users...), joinPage("graph/groups", "", object(inner)),
			joinPage("graph/groupMembers", "graph/groups/"+inner, members...), joinPage("graph/roleAssignments", "", roles...))
		best := time.Duration(1 << 62)
		for range 3 {
			start := time.Now()
			if _, err := inv.Join([]Join{rolesOfUser}); err != nil {
				t.Fatal(err)
			}
			best = min(best, time.Since(start))
		}
		return best
	}
	small, large := spent(2_000), spent(20_000)
	if large > 60*small {
		t.Errorf("2,000 take %v, 20,000 take %v", small, large)
	}
	t.Logf("2,000 take %v, 20,000 take %v", small, large)
}
