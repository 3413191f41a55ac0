// SPDX-License-Identifier: Apache-2.0

package inventory_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/jsontape"
)

// shared returns the folder of shared facts, or skips the test.
func shared(tb testing.TB, parts ...string) string {
	tb.Helper()
	root := os.Getenv("TICKMARK_SHARED")
	for dir := "."; root == ""; dir = filepath.Join(dir, "..") {
		abs, err := filepath.Abs(dir)
		if err != nil {
			tb.Fatal(err)
		}
		candidate := filepath.Join(abs, "..", "shared")
		if st, err := os.Stat(candidate); err == nil && st.IsDir() {
			root = candidate
		} else if abs == string(filepath.Separator) {
			tb.Skip("no ../shared here: set TICKMARK_SHARED")
		}
	}
	return filepath.Join(append([]string{root}, parts...)...)
}

// page makes a page of objects, one a line.
func page(objects ...string) tickmark.Page {
	p := tickmark.Page{Name: "in.json", Form: "jsonLines"}
	for _, o := range objects {
		p.Items = append(p.Items, tickmark.Item{Off: len(p.Bytes), Len: len(o)})
		p.Bytes = append(p.Bytes, o+"\n"...)
	}
	return p
}

func snapshot(pages ...tickmark.Page) *tickmark.Snapshot {
	s := &tickmark.Snapshot{Origin: "files"}
	for _, p := range pages {
		s.Segments = append(s.Segments, tickmark.Segment{
			Source: "file", Scope: p.Name, Pages: []tickmark.Page{p},
			Coverage: tickmark.Coverage{Source: "file", Scope: p.Name, Pages: 1, Items: len(p.Items), Declared: -1},
		})
	}
	return s
}

func build(tb testing.TB, s *tickmark.Snapshot, o inventory.Options) *inventory.Inventory {
	tb.Helper()
	inv, err := inventory.Build(tb.Context(), s, o)
	if err != nil {
		tb.Fatal(err)
	}
	return inv
}

// lines describes an inventory, one resource a line.
func lines(inv *inventory.Inventory) []string {
	var out []string
	for i := range inv.Resources {
		r := &inv.Resources[i]
		out = append(out, fmt.Sprintf("%s|%s|%s|%s|%s|%s|%d", r.Type, r.ID, r.Name, r.Subscription, r.ResourceGroup, r.Parent, r.Flags))
	}
	return out
}

const sub = "/subscriptions/0AB1"

// arm makes an ARM object below resource group g.
func arm(typ, name, rest string) string {
	return fmt.Sprintf(`{"id":"%s/resourceGroups/g/providers/%s/%s","name":"%s","type":"%s"%s}`, sub, typ, name, name, typ, rest)
}

func TestRecorded(t *testing.T) {
	text, err := os.ReadFile(shared(t, "data", "recorded-resources.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	inv := build(t, snapshot(page(strings.Split(strings.TrimSpace(string(text)), "\n")...)), inventory.Options{})
	c := inv.Counts
	if c.Items != 612 || c.SummaryItems != 49 || c.Unread != 0 {
		t.Errorf("%+v, want 612 items, of which 49 summaries and none unread", c)
	}
	if itself := c.Resources - c.Nested - c.Implied + both(inv); itself+c.Duplicates != c.Items {
		t.Errorf("%d resources by themselves and %d duplicates are not %d items", itself, c.Duplicates, c.Items)
	}
	for i := range inv.Resources {
		r := &inv.Resources[i]
		if p := r.Root.Get("properties"); r.Is(inventory.Summary) && (p.Kind() != jsontape.Unobserved || p.Reason() != "summary") {
			t.Errorf("%s: properties of a summary are %v", r.ID, p.Kind())
		}
		if r.Type == "" || r.Key == "" || r.Name == "" || r.Key != strings.ToLower(r.ID) {
			t.Errorf("incomplete: %+v", r)
		}
		if got := inv.Get(strings.ToUpper(r.ID)); got != r {
			t.Errorf("Get(%s) found %v", r.ID, got)
		}
	}
}

// both counts resources that are nested and implied: they count once.
func both(inv *inventory.Inventory) int {
	n := 0
	for i := range inv.Resources {
		if inv.Resources[i].Is(inventory.Nested | inventory.Implied) {
			n++
		}
	}
	return n
}

func TestIdentity(t *testing.T) {
	users := page(`{"id":"u1","displayName":"Ann","userPrincipalName":"ann@x"}`)
	users.Form, users.Entity = "graphCollection", "graph/users"
	policy := page(`{"id":"authorizationPolicy","displayName":"A"}`)
	policy.Form, policy.Entity = "graphEntity", "graph/authorizationPolicy"
	inv := build(t, snapshot(users, policy, page(
		arm("Microsoft.KeyVault/vaults", "V", `,"properties":{}`),
		`{"id":"`+sub+`","subscriptionId":"0ab1","displayName":"Prod","state":"Enabled"}`,
		`{"id":"`+sub+`/resourceGroups/G","name":"G","type":"Microsoft.Resources/resourceGroups","location":"x","properties":{}}`,
		`{"id":"`+sub+`/resourceGroups/h","name":"h","type":"microsoft.resources/subscriptions/resourcegroups","location":"x","properties":{}}`,
		`{"id":"`+sub+`/resourceGroups/g/providers/Microsoft.Sql/servers/s/databases/d","properties":{}}`,
		`{"id":"`+sub+`/resourceGroups/g/providers/Microsoft.KeyVault/vaults/V/providers/microsoft.insights/diagnosticSettings/all","name":"all","type":"Microsoft.Insights/diagnosticSettings","properties":{}}`,
		`{"id":"/providers/Microsoft.Management/managementGroups/root","name":"root","type":"Microsoft.Management/managementGroups","properties":{}}`,
		`{"@odata.type":"#microsoft.graph.user","id":"u2","displayName":"Bob"}`,
		`{"id":"p1","displayName":"MFA","state":"enabled","conditions":{},"grantControls":null}`,
		`{"id":"77","type":"devops/pullRequests","title":"x"}`,
		`{"id":"0cd2","cloudName":"AzureCloud","homeTenantId":"t","tenantId":"t","name":"Dev","state":"Enabled"}`,
	)), inventory.Options{Canonical: map[string]string{"microsoft.keyvault/vaults": "Microsoft.KeyVault/vaults"}})
	want := []string{
		"devops/pullRequests|devops/pullRequests/77|77||||0",
		"graph/authorizationPolicy|graph/authorizationPolicy/authorizationPolicy|A||||0",
		"graph/conditionalAccessPolicies|graph/conditionalAccessPolicies/p1|MFA||||0",
		"graph/organization|graph/organization|organization||||4",
		"graph/users|graph/users/u1|Ann||||16",
		"graph/users|graph/users/u2|Bob||||16",
		"Microsoft.Insights/diagnosticSettings|/subscriptions/0AB1/resourceGroups/g/providers/Microsoft.KeyVault/vaults/V/providers/microsoft.insights/diagnosticSettings/all|all|0ab1|g|/subscriptions/0ab1/resourcegroups/g/providers/microsoft.keyvault/vaults/v|0",
		"Microsoft.KeyVault/vaults|/subscriptions/0AB1/resourceGroups/g/providers/Microsoft.KeyVault/vaults/V|V|0ab1|g|/subscriptions/0ab1/resourcegroups/g|0",
		"Microsoft.Management/managementGroups|/providers/Microsoft.Management/managementGroups/root|root||||0",
		"Microsoft.Resources/subscriptions|/subscriptions/0AB1|0AB1|0ab1|||0",
		"Microsoft.Resources/subscriptions|/subscriptions/0cd2|Dev|0cd2|||1",
		"Microsoft.Resources/subscriptions/resourceGroups|/subscriptions/0AB1/resourceGroups/G|G|0ab1|G|/subscriptions/0ab1|0",
		"Microsoft.Resources/subscriptions/resourceGroups|/subscriptions/0AB1/resourceGroups/h|h|0ab1|h|/subscriptions/0ab1|0",
		"Microsoft.Sql/servers/databases|/subscriptions/0AB1/resourceGroups/g/providers/Microsoft.Sql/servers/s/databases/d|d|0ab1|g|/subscriptions/0ab1/resourcegroups/g/providers/microsoft.sql/servers/s|0",
	}
	if d := cmp.Diff(want, lines(inv)); d != "" {
		t.Error(d)
	}
	for _, ty := range inv.Types {
		if ty.Known != (ty.Type == "Microsoft.KeyVault/vaults") {
			t.Errorf("%+v", ty)
		}
	}
}

// TestSummaries: an object without its properties says nothing of them, in
// whichever form it comes.
func TestSummaries(t *testing.T) {
	const typ = "Microsoft.Storage/storageAccounts"
	cases := map[string]string{
		"no properties":    arm(typ, "a", `,"location":"x","sku":{"name":"Standard_LRS"},"identity":null,"tags":{"a":"b"}`),
		"null properties":  arm(typ, "a", `,"location":"x","properties":null,"sku":{"name":"Standard_LRS"}`),
		"flattened":        arm(typ, "a", `,"location":"x","enableHttpsTrafficOnly":true,"minimumTlsVersion":"TLS1_2","networkRuleSet":{"defaultAction":"Allow"},"sku":{"name":"Standard_LRS"}`),
		"text properties":  arm(typ, "a", `,"properties":"{\"minimumTlsVersion\":\"TLS1_2\"}"`),
		"projected":        arm(typ, "a", `,"properties_minimumTlsVersion":"TLS1_2"`),
		"array properties": arm(typ, "a", `,"properties":[]`),
	}
	for name, text := range cases {
		t.Run(name, func(t *testing.T) {
			inv := build(t, snapshot(page(text)), inventory.Options{})
			r := inv.OfType(typ)[0]
			if !r.Is(inventory.Summary) || inv.Counts.SummaryItems != 1 {
				t.Fatalf("not a summary: %+v", r)
			}
			for _, m := range []string{"properties", "sku", "identity", "enableHttpsTrafficOnly", "minimumTlsVersion", "zones"} {
				if v := r.Root.Get(m); v.Kind() != jsontape.Unobserved || v.Reason() != "summary" {
					t.Errorf("%s is %v (%s)", m, v.Kind(), v.Reason())
				}
			}
			if v := r.Root.Get("properties").Get("minimumTlsVersion"); v.Kind() != jsontape.Unobserved {
				t.Errorf("properties.minimumTlsVersion is %v", v.Kind())
			}
			if r.Root.Get("name").Str() != "a" {
				t.Error("the name is gone")
			}
			if got, want := r.ExportCommand(), "az resource show --ids '"+r.ID+"'"; got != want {
				t.Errorf("command %q", got)
			}
		})
	}
	whole := build(t, snapshot(page(arm(typ, "a", `,"properties":{"x":1}`))), inventory.Options{}).OfType(typ)[0]
	if whole.Flags != 0 || whole.Root.Get("zones").Kind() != jsontape.Absent {
		t.Errorf("a whole object: %+v", whole)
	}
}

func TestSelectedRecords(t *testing.T) {
	p := page(`{"id":"c1","displayName":"x","state":"enabled"}`)
	p.Form, p.Entity = "graphCollection", "graph/authenticationStrengthPolicies"
	whole := build(t, snapshot(p), inventory.Options{}).OfType(p.Entity)[0]
	if whole.Flags != 0 || whole.Root.Get("grantControls").Kind() != jsontape.Absent {
		t.Errorf("without $select: %+v %v", whole, whole.Root.Get("grantControls").Kind())
	}
	for _, context := range []string{"conditionalAccess/policies(id,displayName,state)", "policies(id,state)/$entity"} {
		head := `{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#` + context + `","value":[`
		q := p
		q.Bytes = append([]byte(head), p.Bytes...)
		q.Items = []tickmark.Item{{Off: len(head), Len: p.Items[0].Len}}
		r := build(t, snapshot(q), inventory.Options{}).OfType(p.Entity)[0]
		if v := r.Root.Get("grantControls"); !r.Is(inventory.Partial) || v.Kind() != jsontape.Unobserved {
			t.Errorf("%s: %+v %v", context, r, v.Kind())
		}
		if r.Root.Get("state").Str() != "enabled" {
			t.Error("a selected member is gone")
		}
	}
}

func nsg(name, rules string) string {
	return arm("Microsoft.Network/networkSecurityGroups", name, `,"properties":{"securityRules":[`+rules+`]}`)
}

func rule(parent, name, access string) string {
	return fmt.Sprintf(`{"id":"%s/resourceGroups/g/providers/Microsoft.Network/networkSecurityGroups/%s/securityRules/%s","name":"%s","properties":{"access":"%s"}}`, sub, parent, name, name, access)
}

func TestNested(t *testing.T) {
	const child = "Microsoft.Network/networkSecurityGroups/securityRules"
	standalone := strings.Replace(rule("n", "r2", "Deny"), `"name"`, `"type":"`+child+`","name"`, 1)
	vm := arm("Microsoft.Compute/virtualMachines", "vm", `,"resources":[{"id":"`+sub+`/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm/extensions/e"}],"properties":{}`)
	inv := build(t, snapshot(page(
		nsg("n", rule("n", "r1", "Allow")+","+rule("n", "r2", "Deny")+`,{"name":"r3","properties":{}},{"properties":{"anonymous":1}}`),
		standalone, vm,
	)), inventory.Options{})
	var got []string
	for _, r := range inv.OfType(child) {
		got = append(got, fmt.Sprintf("%s %d %s %s", r.Name, r.Flags, r.Root.Get("properties").Get("access").Str(), lastTwo(r.Parent)))
	}
	want := []string{"r1 2 Allow networksecuritygroups/n", "r2 0 Deny networksecuritygroups/n", "r3 2  networksecuritygroups/n"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	ext := inv.OfType("microsoft.compute/virtualmachines/extensions")
	if len(ext) != 1 || !ext[0].Is(inventory.Nested|inventory.Implied) || ext[0].Root.Get("properties").Reason() != "implied" {
		t.Errorf("a reference: %+v", ext)
	}
	if inv.Counts.SummaryItems != 0 {
		t.Errorf("references count as summaries: %+v", inv.Counts)
	}
	if n := len(inv.Children(sub + "/resourceGroups/G/providers/Microsoft.Network/networkSecurityGroups/N")); n != 3 {
		t.Errorf("%d children", n)
	}
	if n := len(inv.Under(child, sub)); n != 3 {
		t.Errorf("%d below the subscription", n)
	}
	if n := len(inv.Under(child, sub+"/resourceGroups/other")); n != 0 {
		t.Errorf("%d below another group", n)
	}
}

func lastTwo(key string) string {
	parts := strings.Split(key, "/")
	return strings.Join(parts[len(parts)-2:], "/")
}

func TestCopies(t *testing.T) {
	const typ = "Microsoft.KeyVault/vaults"
	whole := arm(typ, "v", `,"location":"westeurope","properties":{"a":1,"b":[{"c":2}]}`)
	cases := []struct {
		name, other      string
		flags            inventory.Flags
		duplicates, prob int
	}{
		{"identical", whole, 0, 1, 0},
		{"other order and spacing", `{ "type":"microsoft.keyvault/VAULTS","name":"v","location":"West Europe","properties":{"b":[ {"c":2}],"a":1},"id":"` + strings.ToLower(sub) + `/resourcegroups/G/providers/microsoft.keyvault/vaults/V"}`, 0, 1, 0},
		{"resource graph's additions", arm(typ, "v", `,"location":"westeurope","tenantId":"t","plan":null,"managedBy":"","properties":{"a":1,"b":[{"c":2}]}`), 0, 1, 0},
		{"summary", arm(typ, "v", `,"location":"northeurope"`), 0, 1, 0},
		{"other property", arm(typ, "v", `,"location":"westeurope","properties":{"a":2,"b":[{"c":2}]}`), inventory.Conflicting, 1, 1},
		{"property missing", arm(typ, "v", `,"location":"westeurope","properties":{"a":1}`), inventory.Conflicting, 1, 1},
		{"identity added", arm(typ, "v", `,"identity":{"type":"x"},"location":"westeurope","properties":{"a":1,"b":[{"c":2}]}`), inventory.Conflicting, 1, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, order := range [][]string{{whole, c.other}, {c.other, whole}} {
				inv := build(t, snapshot(page(order[0]), page(order[1])), inventory.Options{})
				r := inv.OfType(typ)
				if len(r) != 1 || r[0].Flags != c.flags || inv.Counts.Duplicates != c.duplicates || len(inv.Problems) != c.prob {
					t.Fatalf("%d resources, flags %v, %+v, %v", len(r), r[0].Flags, inv.Counts, inv.Problems)
				}
				p := r[0].Root.Get("properties").Get("a")
				if conflict := c.flags != 0; (p.Kind() == jsontape.Unobserved) != conflict || conflict && p.Reason() != "conflicting" {
					t.Errorf("properties.a is %v (%s)", p.Kind(), p.Reason())
				}
				if !strings.EqualFold(r[0].Root.Get("id").Str(), r[0].ID) {
					t.Error("the id is gone")
				}
			}
		})
	}
	t.Run("children of conflicting parents", func(t *testing.T) {
		inv := build(t, snapshot(page(nsg("n", rule("n", "r1", "Allow"))), page(nsg("n", ""))), inventory.Options{})
		r := inv.OfType("Microsoft.Network/networkSecurityGroups/securityRules")
		if len(r) != 1 || !r[0].Is(inventory.Conflicting) || r[0].Root.Get("properties").Kind() != jsontape.Unobserved {
			t.Errorf("%+v", r)
		}
		if len(inv.Problems) != 1 {
			t.Errorf("%v", inv.Problems)
		}
	})
}

func TestImplied(t *testing.T) {
	inv := build(t, snapshot(page(arm("Microsoft.KeyVault/vaults", "v", `,"properties":{}`))), inventory.Options{})
	for id, typ := range map[string]string{sub: inventory.TypeSubscription, sub + "/resourceGroups/g": inventory.TypeResourceGroup} {
		r := inv.Get(id)
		if r == nil || !r.Is(inventory.Implied) || r.Type != typ || r.Root.Get("type").Str() != typ || r.Root.Get("location").Reason() != "implied" || r.Item != -1 {
			t.Errorf("%s: %+v", id, r)
		}
	}
	if inv.Get("graph/organization") != nil {
		t.Error("an organisation without anything of Graph")
	}
}

// TestOrder: neither the order of the inputs nor the number of workers shows.
func TestOrder(t *testing.T) {
	text, err := os.ReadFile(shared(t, "data", "recorded-resources.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	one := build(t, snapshot(page(all[:300]...), page(all[300:]...)), inventory.Options{Workers: 1})
	many := build(t, snapshot(page(all[:300]...), page(all[300:]...)), inventory.Options{Workers: 7})
	if d := cmp.Diff(lines(one), lines(many)); d != "" {
		t.Errorf("workers: %s", d)
	}
	if d := cmp.Diff(one.Problems, many.Problems); d != "" {
		t.Errorf("workers: %s", d)
	}
	turned := build(t, snapshot(page(all[300:]...), page(all[:300]...)), inventory.Options{})
	strip := func(s []string) []string { // spelling may come from either copy
		for i := range s {
			s[i] = strings.ToLower(s[i])
		}
		return s
	}
	if d := cmp.Diff(strip(lines(one)), strip(lines(turned))); d != "" {
		t.Errorf("order: %s", d)
	}
}

func TestBadItems(t *testing.T) {
	good := arm("Microsoft.KeyVault/vaults", "v", `,"properties":{}`)
	s := snapshot(page(good, `{"id":"/a","id":"/b"}`, `[1]`, `null`, `{"name":"x"}`, `{"id":"/x/y"}`, `{"value":[],"nextLink":"l"}`, "{\"id\":\"/a\xff\"}", good[:40]))
	s.Segments[0].Coverage.Complete = []string{"*"}
	inv := build(t, s, inventory.Options{})
	var got []string
	for _, p := range inv.Problems {
		got = append(got, fmt.Sprintf("%s %d:%d %s", p.Object, p.Line, p.Col, p.What))
		if p.Input != "in.json" || p.Byte < 0 || p.Reason != tickmark.ReasonUnparsable {
			t.Errorf("%+v", p)
		}
	}
	want := []string{
		`item 2 2:12 member "id" occurs twice in one object`,
		`item 3 3:1 the item is array, not an object`,
		`item 4 4:1 the item is null, not an object`,
		`item 5 5:1 the item has no id, so that it cannot be told which resource it is`,
		`item 6 6:1 the item's id is not a resource id, and neither type nor shape tells what it is`,
		`item 7 7:1 the item is itself an answer around a list, not a resource`,
		`item 8 8:10 invalid UTF-8`,
		`item 9 9:41 the text ends inside a string`,
	}
	for i := range want {
		if i >= len(got) || !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("got  %q\nwant %q", get(got, i), want[i])
		}
	}
	if inv.Counts.Unread != 8 || len(got) != 8 || len(inv.OfType("Microsoft.KeyVault/vaults")) != 1 {
		t.Errorf("%+v, %d problems", inv.Counts, len(got))
	}
	if inv.Coverage[0].Missing != tickmark.ReasonUnparsable {
		t.Errorf("%+v", inv.Coverage[0])
	}
	if ok, reason := inv.Complete("Microsoft.Sql/servers", ""); ok || reason != tickmark.ReasonUnparsable {
		t.Errorf("complete %v %s although items cannot be read", ok, reason)
	}
}

func get(s []string, i int) string {
	if i < len(s) {
		return s[i]
	}
	return "nothing"
}

func TestComplete(t *testing.T) {
	const rules, vaults = "Microsoft.Network/networkSecurityGroups/securityRules", "Microsoft.KeyVault/vaults"
	vault := page(arm(vaults, "v", `,"properties":{}`))
	vault.Form = "armList"
	cases := []struct {
		name       string
		page       tickmark.Page
		claim      []string
		missing    tickmark.Reason
		typ, scope string
		want       tickmark.Reason
	}{
		{"no claim", vault, nil, "", vaults, "", tickmark.ReasonNotCollected},
		{"claimed", vault, []string{"microsoft.keyvault/VAULTS"}, "", vaults, sub, ""},
		{"another type claimed", vault, []string{"Microsoft.Sql/servers"}, "", vaults, "", tickmark.ReasonNotCollected},
		{"everything claimed", vault, []string{"*"}, "", vaults, "", ""},
		{"claimed but cut", vault, []string{"*"}, tickmark.ReasonTruncated, vaults, "", tickmark.ReasonTruncated},
		{"another list cut", vault, []string{"*"}, tickmark.ReasonTruncated, "Microsoft.Sql/servers", "", ""},
		{"carried by the parent", page(nsg("n", "")), nil, "", rules, sub + "/resourceGroups/g/providers/Microsoft.Network/networkSecurityGroups/n", ""},
		{"not carried for the group", page(nsg("n", "")), nil, "", rules, sub + "/resourceGroups/g", tickmark.ReasonNotCollected},
		{"parent is a summary", page(arm("Microsoft.Network/networkSecurityGroups", "n", "")), nil, "", rules, sub + "/resourceGroups/g/providers/Microsoft.Network/networkSecurityGroups/n", tickmark.ReasonNotCollected},
	}
	for _, form := range []string{"resourceGraph", "array", "jsonLines", "unrecognised"} {
		mixed := vault
		mixed.Form = form
		cases = append(cases, struct {
			name       string
			page       tickmark.Page
			claim      []string
			missing    tickmark.Reason
			typ, scope string
			want       tickmark.Reason
		}{form + " cut: anything may be missing", mixed, []string{"*"}, tickmark.ReasonTruncated, "Microsoft.Sql/servers", "", tickmark.ReasonTruncated})
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := snapshot(c.page)
			v := &s.Segments[0].Coverage
			v.Complete, v.CompleteBy, v.Missing = c.claim, "operator", c.missing
			ok, reason := build(t, s, inventory.Options{}).Complete(c.typ, c.scope)
			if ok != (c.want == "") || reason != c.want {
				t.Errorf("%v %q, want %q", ok, reason, c.want)
			}
		})
	}
	t.Run("some subscriptions", func(t *testing.T) {
		s := snapshot(page(
			`{"id":"`+sub+`","subscriptionId":"0ab1","displayName":"collected"}`,
			arm(vaults, "v", `,"properties":{"peer":"x"}`),
			`{"id":"/subscriptions/other/resourceGroups/g/providers/Microsoft.Sql/servers/s","name":"s","type":"Microsoft.Sql/servers","properties":{}}`,
		))
		s.Segments[0].Coverage.Complete = []string{"*"}
		inv := build(t, s, inventory.Options{})
		if ok, why := inv.Complete(vaults, sub); !ok {
			t.Errorf("the collected subscription is not complete: %s", why)
		}
		if ok, _ := inv.Complete(vaults, "/subscriptions/other"); ok {
			t.Error("a subscription that only an id names is complete")
		}
	})
	t.Run("cut collection", func(t *testing.T) {
		users := page(`{"id":"u1","userPrincipalName":"a"}`)
		users.Form, users.Entity = "graphCollection", "graph/users"
		s := snapshot(users)
		v := &s.Segments[0].Coverage
		v.Complete, v.Missing = []string{"*"}, tickmark.ReasonTruncated
		inv := build(t, s, inventory.Options{})
		if ok, _ := inv.Complete("graph/users", ""); ok {
			t.Error("a cut collection is complete")
		}
		if ok, r := inv.Complete(vaults, ""); !ok {
			t.Errorf("a cut collection of users hides vaults: %s", r)
		}
	})
}

func TestTable(t *testing.T) {
	columns := []string{"id", "name", "type", "properties"}
	row := `["` + sub + `/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v","v","microsoft.keyvault/vaults",{"a":"q\"x"}]`
	p := page(row, `["only one"]`)
	p.Form, p.Columns = "resourceGraphTable", columns
	inv := build(t, snapshot(p), inventory.Options{})
	r := inv.OfType("Microsoft.KeyVault/vaults")
	if len(r) != 1 || r[0].Root.Get("properties").Get("a").Str() != `q"x` || r[0].Flags != 0 {
		t.Errorf("%+v", r)
	}
	if len(inv.Problems) != 1 || !strings.Contains(inv.Problems[0].What, "1 cells, but there are 4 columns") {
		t.Errorf("%v", inv.Problems)
	}
}

func TestSiteConfigGaps(t *testing.T) {
	inv := build(t, snapshot(page(arm("Microsoft.Web/sites", "s", `,"properties":{"httpsOnly":true,"siteConfig":{"http20Enabled":false,"minTlsVersion":null}}`))), inventory.Options{})
	c := inv.OfType("Microsoft.Web/sites")[0].Root.Get("properties").Get("siteConfig")
	if c.Get("minTlsVersion").Kind() != jsontape.Unobserved || c.Get("ftpsState").Kind() != jsontape.Unobserved || c.Get("http20Enabled").Kind() != jsontape.False {
		t.Errorf("%v %v %v", c.Get("minTlsVersion").Kind(), c.Get("ftpsState").Kind(), c.Get("http20Enabled").Kind())
	}
}

func TestDiff(t *testing.T) {
	a := build(t, snapshot(page(
		arm("Microsoft.KeyVault/vaults", "same", `,"properties":{"a":1}`),
		arm("Microsoft.KeyVault/vaults", "gone", `,"properties":{}`),
		arm("Microsoft.KeyVault/vaults", "less", `,"properties":{"a":1}`),
		arm("Microsoft.KeyVault/vaults", "new", `,"tags":{"x.y":"1"},"properties":{"list":[1,{"b":2}],"old":1,"size":[1]}`),
	)), inventory.Options{})
	b := build(t, snapshot(page(
		arm("microsoft.keyvault/vaults", "same", `,"properties":{"a":1}`),
		arm("microsoft.keyvault/vaults", "less", ``),
		arm("microsoft.keyvault/vaults", "new", `,"tags":{"x.y":"2"},"properties":{"list":[1,{"b":3}],"new":1,"size":[1,2]}`),
		arm("Microsoft.Sql/servers", "added", `,"properties":{}`),
	)), inventory.Options{})
	var got []string
	for _, c := range inventory.Diff(a, b) {
		switch {
		case c.Old == nil:
			got = append(got, "+ "+c.New.Name)
		case c.New == nil:
			got = append(got, "- "+c.Old.Name)
		default:
			got = append(got, "~ "+c.New.Name+" "+strings.Join(c.Paths, " "))
		}
	}
	want := []string{"- gone", "~ new tags['x.y'] properties.list[1].b properties.old properties.size properties.new", "+ added"}
	slices.Sort(got)
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := inventory.Diff(a, a); len(d) != 0 {
		t.Errorf("differs from itself: %v", d)
	}
}

// recorded repeats the recorded objects n times, with other subscriptions.
func recorded(tb testing.TB, n int) tickmark.Page {
	tb.Helper()
	text, err := os.ReadFile(shared(tb, "data", "recorded-resources.jsonl"))
	if err != nil {
		tb.Fatal(err)
	}
	p := tickmark.Page{Name: "recorded", Form: "jsonLines"}
	for i := range n {
		for line := range bytes.Lines(bytes.ReplaceAll(text, []byte("ea42f556-5106"), fmt.Appendf(nil, "%08x-5106", i))) {
			p.Items = append(p.Items, tickmark.Item{Off: len(p.Bytes), Len: len(bytes.TrimSpace(line))})
			p.Bytes = append(p.Bytes, line...)
		}
	}
	p.Digest = tickmark.DigestOf(p.Bytes)
	return p
}

func BenchmarkBuild(b *testing.B) {
	p := recorded(b, 40)
	b.SetBytes(int64(len(p.Bytes)))
	b.ReportAllocs()
	for b.Loop() {
		if inv := build(b, snapshot(p), inventory.Options{}); inv.Counts.Items != 40*612 {
			b.Fatal(inv.Counts)
		}
	}
}

func BenchmarkRedact(b *testing.B) {
	p := recorded(b, 40)
	b.SetBytes(int64(len(p.Bytes)))
	for b.Loop() {
		if r := inventory.Redact(snapshot(p)); len(r) != 1 {
			b.Fatal(r)
		}
	}
}
