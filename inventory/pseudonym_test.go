// SPDX-License-Identifier: Apache-2.0

package inventory_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/tickmark/tickmark/inventory"
)

const people = `{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#users","value":[
 {"id":"1","displayName":"Ada Lovelace","userPrincipalName":"ada@contoso.com","mail":"Ada@Contoso.com","userType":"Member","businessPhones":["+44 1"],"proxyAddresses":["SMTP:ada@contoso.com"],"accountEnabled":true,"otherMails":[]},
 {"id":"2","displayName":"Guest G","userPrincipalName":"g_fabrikam.com#EXT#@contoso.com","mail":null,"userType":"Guest"}]}`

func TestPseudonyms(t *testing.T) {
	p, err := inventory.NewPseudonyms(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]string{}
	p.Keep = func(name, value string) {
		if told[name] != "" {
			t.Errorf("%s is told twice", name)
		}
		told[name] = value
	}
	kept, n := p.Answer([]byte(people))
	if len(told) != len(p.Map()) || len(told) == 0 {
		t.Errorf("%d names told, %d in the map", len(told), len(p.Map()))
	}
	if n != 7 {
		t.Errorf("%d values replaced, want 7: %s", n, kept)
	}
	for _, leak := range []string{"Ada", "ada@", "Lovelace", "ontoso", "fabrikam", "+44", "Guest G"} {
		if bytes.Contains(kept, []byte(leak)) {
			t.Errorf("%q is still there: %s", leak, kept)
		}
	}
	var doc struct {
		Context string `json:"@odata.context"`
		Value   []struct {
			ID, DisplayName, UserPrincipalName, UserType string
			Mail                                         *string
			AccountEnabled                               bool
		}
	}
	if err := json.Unmarshal(kept, &doc); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, kept)
	}
	a, g := doc.Value[0], doc.Value[1]
	if a.ID != "1" || !a.AccountEnabled || a.UserType != "Member" || g.Mail != nil || !strings.Contains(doc.Context, "#users") {
		t.Errorf("something else changed: %s", kept)
	}
	if !strings.EqualFold(a.UserPrincipalName, *a.Mail) {
		t.Error("the same address in another case has another pseudonym")
	}
	if !strings.Contains(g.UserPrincipalName, "#EXT#@domain-") {
		t.Errorf("the guest's mark is gone: %s", g.UserPrincipalName)
	}
	again, _ := p.Answer([]byte(people))
	if !bytes.Equal(again, kept) {
		t.Error("not the same the second time")
	}
	names := p.Map()
	if local, _, _ := strings.Cut(a.UserPrincipalName, "@"); !strings.EqualFold(names[local], "ada@contoso.com") {
		t.Errorf("the map does not lead back: %v", names)
	}
	other, err := inventory.NewPseudonyms(bytes.Repeat([]byte{8}, 32))
	if err != nil {
		t.Fatal(err)
	}
	if k, _ := other.Answer([]byte(people)); bytes.Equal(k, kept) {
		t.Error("another key gives the same names")
	}
}

func TestPseudonymsLeaveOthersAlone(t *testing.T) {
	p, err := inventory.NewPseudonyms(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{
		`{"value":[{"id":"/subscriptions/x","name":"storage1","displayName":"Payroll","type":"Microsoft.Storage/storageAccounts"}]}`,
		`not json`, ``, `{"mail":"tickmark:unobserved:redacted:x"}`,
	} {
		if kept, n := p.Answer([]byte(s)); n != 0 || string(kept) != s {
			t.Errorf("%s became %s", s, kept)
		}
	}
	if _, err := inventory.NewPseudonyms([]byte("short")); err == nil {
		t.Error("a short key is accepted")
	}
}

// TestPseudonymsOfEachSource: in the shapes that the sources answer with, no
// name stays, and what names no person does: a rule that replaces everything
// fails as well.
func TestPseudonymsOfEachSource(t *testing.T) {
	gone := []string{"ada", "ray", "bo li", "bo@", "bo-li"}
	for _, c := range []struct {
		name, in string
		stays    []string
	}{
		{
			"GitHub commit", `[{"sha":"1","author":{"login":"ada-ray","id":7,"type":"User","html_url":"https://github.com/ada-ray","url":"https://api.github.com/users/ada-ray",
			"gists_url":"https://api.github.com/users/ada-ray/gists{/gist_id}"},"committer":null,
			"commit":{"author":{"name":"Ada Ray","email":"ada@contoso.example","date":"2026-06-01T00:00:00Z"},"committer":{"name":"Ada Ray","email":"ada@contoso.example"},
			"message":"Round half up\n\nCo-authored-by: Bo Li <bo@contoso.example>","verification":{"verified":true}}}]`,
			[]string{`"sha":"1"`, "2026-06-01T00:00:00Z", "https://github.com/person-", "/users/person-", "/gists{/gist_id}", `"verified":true`},
		},
		{
			"GitHub repository", `[{"id":5,"name":"sdk","full_name":"contoso-oss/sdk","owner":{"login":"contoso-oss","type":"Organization"},"html_url":"https://github.com/contoso-oss/sdk"}]`,
			[]string{`"contoso-oss/sdk"`, `"login":"contoso-oss"`, `"name":"sdk"`, "https://github.com/contoso-oss/sdk"},
		},
		{
			"GitHub pull request from a fork", `[{"number":12,"user":{"login":"Ada-Ray","type":"User"},"head":{"label":"ada-ray:rounding","ref":"rounding","repo":{"full_name":"ada-ray/sdk","html_url":"https://github.com/Ada-Ray/sdk"}},
			"html_url":"https://github.com/contoso-oss/sdk/pull/12"}]`,
			[]string{"https://github.com/contoso-oss/sdk/pull/12", `:branch-`, `/sdk"`},
		},
		{"GitHub audit log", `[{"_document_id":"x","action":"org.add_member","actor":"ada-ray","user":"bo-li","org":"contoso-oss"}]`, []string{"org.add_member", "contoso-oss"}},
		{"GitHub environment", `[{"reviewers":[{"type":"Team","reviewer":{"id":3,"name":"Release","slug":"release"}},{"type":"User","reviewer":{"login":"ada-ray"}}]}]`, []string{`"Release"`}},
		{"Azure DevOps commit", `{"value":[{"commitId":"9","author":{"name":"Ada Ray","email":"ada@contoso.example"},"comment":"x\n\nCo-authored-by: Bo Li <bo@contoso.example>"}]}`, []string{`"commitId":"9"`}},
		{"Azure DevOps pull request", `{"value":[{"createdBy":{"id":"u1","displayName":"Ada Ray"},"reviewers":[{"id":"u2","displayName":"Bo Li","vote":10}],"repository":{"id":"r","name":"web"},
			"completionOptions":{"mergeCommitMessage":"Merged: Bo Li"}}]}`, []string{`"id":"u1"`, `"vote":10`, `"name":"web"`}},
		{"Azure DevOps audit log", `{"decoratedAuditLogEntries":[{"actorUserId":"u1","actorUPN":"ada@contoso.example","actorDisplayName":"Ada Ray","actionId":"Group.UpdateGroupMembership.Add",
			"scopeDisplayName":"contoso (Organization)","details":"Bo Li was added to Builders"}]}`, []string{"Group.UpdateGroupMembership.Add", "contoso (Organization)", `"u1"`}},
		{"Azure DevOps group", `{"value":[{"subjectKind":"group","principalName":"[contoso]\\Builders","displayName":"Builders","descriptor":"vssgp.1"}]}`, []string{`"displayName":"Builders"`, `[contoso]\\Builders`}},
		{"directory audit", `{"value":[{"initiatedBy":{"user":{"id":"1","displayName":"Ada Ray"}},"targetResources":[{"id":"2","displayName":"Bo Li","type":"User"},{"id":"3","displayName":"Payroll","type":"Group"}]}]}`, []string{"Payroll"}},
		{"an id and a name", `{"value":[{"id":"3","displayName":"Payroll"}]}`, []string{"Payroll"}},
		{"a message that nobody wrote", `{"error":{"message":"quota of rayon"},"comment":"x","details":"y"}`, []string{"quota of rayon", `"x"`, `"y"`}},
	} {
		p, err := inventory.NewPseudonyms(bytes.Repeat([]byte{7}, 32))
		if err != nil {
			t.Fatal(err)
		}
		kept, _ := p.Answer([]byte(c.in))
		if !json.Valid(kept) {
			t.Errorf("%s: not JSON: %s", c.name, kept)
		}
		low := strings.ToLower(string(kept))
		for _, leak := range gone {
			if strings.Contains(strings.ReplaceAll(low, "rayon", ""), leak) {
				t.Errorf("%s: %q is still there: %s", c.name, leak, kept)
			}
		}
		for _, s := range c.stays {
			if !bytes.Contains(kept, []byte(s)) {
				t.Errorf("%s: %s is gone: %s", c.name, s, kept)
			}
		}
	}
}

// TestPseudonymsJoin: who stands in several answers stands in all under one
// name, or authors and approvers would seem to be different people.
func TestPseudonymsJoin(t *testing.T) {
	p, err := inventory.NewPseudonyms(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	read := func(in string) string {
		kept, _ := p.Answer([]byte(in))
		var doc map[string]string
		if err := json.Unmarshal(kept, &doc); err != nil {
			t.Fatal(err)
		}
		return strings.ToLower(doc["x"] + doc["login"] + doc["email"] + doc["uniqueName"] + doc["actorUPN"] + doc["userPrincipalName"] + doc["actor"])
	}
	for _, same := range [][]string{
		{`{"email":"ada@contoso.example"}`, `{"uniqueName":"Ada@contoso.example"}`, `{"actorUPN":"ada@Contoso.example"}`, `{"userPrincipalName":"ada@contoso.example"}`},
		{`{"login":"ada-ray"}`, `{"login":"Ada-Ray"}`, `{"actor":"ada-ray"}`},
	} {
		for _, s := range same[1:] {
			if read(s) != read(same[0]) {
				t.Errorf("%s became %s, %s %s", s, read(s), same[0], read(same[0]))
			}
		}
	}
	if read(`{"login":"ada-ray"}`) == read(`{"login":"bo-li"}`) {
		t.Error("two people have one name")
	}
	kept, _ := p.Answer([]byte(`{"login":"ada-ray","type":"User","html_url":"https://github.com/ada-ray"}`))
	if name := read(`{"login":"ada-ray"}`); !bytes.Contains(kept, []byte(`"https://github.com/`+name+`"`)) {
		t.Errorf("the address has another name than %s: %s", name, kept)
	}
}

// TestPseudonymsInTexts: what names a person inside of another text is replaced
// by the same name as elsewhere, and the rest of the text stays.
func TestPseudonymsInTexts(t *testing.T) {
	p, err := inventory.NewPseudonyms(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	answer := func(in string) string {
		kept, _ := p.Answer([]byte(in))
		return string(kept)
	}
	value := func(in string) string {
		var doc map[string]string
		if err := json.Unmarshal([]byte(answer(in)), &doc); err != nil {
			t.Fatal(err)
		}
		return doc["x"]
	}
	var mail map[string]string
	if err := json.Unmarshal([]byte(answer(`{"mail":"ada@contoso.example"}`)), &mail); err != nil {
		t.Fatal(err)
	}
	ada := mail["mail"]
	code := base64.RawURLEncoding.EncodeToString
	for in, want := range map[string]string{
		`owned by Ada@Contoso.example, since 2026`:                             "owned by " + ada + ", since 2026",
		`https://portal.example/u/ada%40contoso.example?x=1`:                   "https://portal.example/u/" + strings.Replace(ada, "@", "%40", 1) + "?x=1",
		`Microsoft.IdentityModel.Claims.ClaimsIdentity;t1\ada@contoso.example`: `Microsoft.IdentityModel.Claims.ClaimsIdentity;t1\` + ada,
		"bnd." + code([]byte(`upn:t1\ada@contoso.example`)):                    "bnd." + code([]byte(`upn:t1\`+ada)),
		"aad." + code([]byte("8ebabf04-0b08-7a43-9c1f-2d3e4f5a6b7c")):          "aad." + code([]byte("8ebabf04-0b08-7a43-9c1f-2d3e4f5a6b7c")),
		"live.com#ada@contoso.example":                                         "live.com#" + ada,
		`{"owner":"ada@contoso.example","n":1}`:                                `{"owner":"` + ada + `","n":1}`,
		"git@github.com:contoso/web.git":                                       "git@github.com:contoso/web.git",
		"https://contoso@dev.azure.com/contoso/_git/web":                       "https://contoso@dev.azure.com/contoso/_git/web",
		"actions/checkout@v4":                                                  "actions/checkout@v4", "value@odata.type": "value@odata.type", "tickmark:unobserved:redacted:ada@contoso.example": "tickmark:unobserved:redacted:ada@contoso.example",
		"noreply@github.com": "noreply@github.com",
	} {
		b, _ := json.Marshal(map[string]string{"x": in})
		if got := value(string(b)); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	if got := answer(`{"login":"web-flow"}`) + answer(`{"actor":"dependabot[bot]"}`); got != `{"login":"web-flow"}{"actor":"dependabot[bot]"}` {
		t.Errorf("accounts of nobody became %s: who merged on the site is not told apart any more", got)
	}
	if got := answer("refused: ada@contoso.example may not"); got != "refused: "+ada+" may not" {
		t.Errorf("a refusal became %q", got)
	}
	if got := answer("{\"mail\":\"ada@contoso.example\"}\n{\"mail\":null}\n"); got != "{\"mail\":\""+ada+"\"}\n{\"mail\":null}\n" {
		t.Errorf("lines became %q", got)
	}
	once := answer(`{"mail":"ada@contoso.example","x":"by ada@contoso.example","title":"t","pullRequestId":1,"sourceRefName":"refs/heads/ada/x"}`)
	if twice := answer(once); !strings.Contains(twice, ada) || strings.Count(twice, "text-") != 1 {
		t.Errorf("the second time %s became %s", once, twice)
	}
}

// TestPseudonymsKeepEvidence: beside what is replaced, what says nothing of
// people stays: which attribute was changed, of what kind, on which branch.
func TestPseudonymsKeepEvidence(t *testing.T) {
	for _, c := range []struct {
		name, in    string
		gone, stays []string
	}{
		{
			"modified properties", `{"targetResources":[{"type":"User","displayName":"Ada Ray","modifiedProperties":[
			{"displayName":"DisplayName","oldValue":"[\"Ada Li\"]","newValue":"[\"Ada Ray\"]"},{"displayName":"Nickname4","newValue":"[{\"x\":\"Frau Ray\"}]","oldValue":"[]"},
			{"displayName":"AccountEnabled","oldValue":"[true]","newValue":"[false]"},{"displayName":"Group.DisplayName","oldValue":null,"newValue":"\"Payroll\""},
			{"displayName":"Changed","oldValue":null,"newValue":"[\"2026-06-01T00:00:00Z\"]"}]},
			{"type":"Policy","displayName":"MFA","modifiedProperties":[{"displayName":"Detail","oldValue":null,"newValue":"{\"state\":\"enabled\",\"by\":\"ada@contoso.example\"}"}]}]}`,
			[]string{"Ada", "Ray", "ada@"},
			[]string{`"displayName":"DisplayName"`, `[true]`, `[false]`, `\"Payroll\"`, "2026-06-01T00:00:00Z", `\"state\":\"enabled\"`, `"MFA"`},
		},
		{"details", `{"additionalDetails":[{"key":"UserPrincipalName","value":"ada@contoso.example"},{"key":"MobilePhone","value":"+49 151 1"},{"key":"User-Agent","value":"curl"}]}`, []string{"ada@", "+49"}, []string{`"curl"`, "MobilePhone"}},
		{
			"table of a workspace", `{"tables":[{"name":"PrimaryResult","columns":[{"name":"Identity","type":"string"},{"name":"UserPrincipalName"},{"name":"AppDisplayName"},{"name":"TargetResources"}],
			"rows":[["Ada Ray","ada@contoso.example","Portal","[{\"type\":\"User\",\"displayName\":\"Bo Li\"},{\"type\":\"Group\",\"displayName\":\"Payroll\"}]"]]}]}`,
			[]string{"Ada", "ada@", "Bo Li"},
			[]string{`"Portal"`, "Payroll", `"name":"Identity"`},
		},
		{"names of members", `{"acesDictionary":{"Microsoft.IdentityModel.Claims.ClaimsIdentity;t\\ada@contoso.example":{"allow":3},"a@odata.type":"x"}}`, []string{"ada@"}, []string{`"allow":3`, `ClaimsIdentity;t\\person-`, `"a@odata.type":"x"`}},
		{
			"branches", `{"value":[{"pullRequestId":1,"title":"for Ada","description":"Ada asked","sourceRefName":"refs/heads/users/ada-ray/fix-login","targetRefName":"refs/heads/release/2026.1"},
			{"head":{"ref":"ada-patch","label":"contoso:ada-patch"},"base":{"ref":"trunk2","repo":{"default_branch":"trunk2"}}},{"sourceBranch":"refs/pull/7/merge"},{"settings":{"scope":[{"refName":"refs/heads/feature/*"}]}}]}`,
			[]string{"ada", "Ada"},
			[]string{"refs/heads/users/branch-", "refs/heads/release/2026.1", `"ref":"trunk2"`, `"contoso:branch-`, "refs/pull/7/merge", "refs/heads/feature/*"},
		},
		{"next page", `{"@odata.nextLink":"https://graph.microsoft.com/v1.0/users?$skiptoken=YWRhQGNvbnRvc28uZXhhbXBsZQ","value":[{"mail":"ada@contoso.example"}]}`, []string{"YWRhQGNvbnRvc28", "ada@"}, []string{"https://graph.microsoft.com/v1.0/users?"}},
		{
			"archived log", `{"time":"2026-06-01T00:00:00Z","operationName":"Sign-in activity","category":"SignInLogs","identity":"Ada Ray","callerIpAddress":"203.0.113.7","properties":{"userDisplayName":"Ada Ray","appDisplayName":"Portal"}}`,
			[]string{"Ada", "203.0"},
			[]string{`"appDisplayName":"Portal"`, "Sign-in activity", "2026-06-01"},
		},
		{"rule of PIM", `{"target":{"caller":"EndUser","operations":["All"],"level":"Assignment"}}`, nil, []string{`"EndUser"`}},
		{"claims", `{"claims":{"name":"Ada Ray","http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname":"Ray","appid":"7"},"name":"op"}`, []string{"Ada", "Ray"}, []string{`"appid":"7"`, `"name":"op"`}},
		{"tags", `{"name":"vm1","tags":{"Owner":"Ada Ray","env":"prod"}}`, []string{"Ada"}, []string{`"env":"prod"`, `"name":"vm1"`}},
		{"an environment", `{"properties":{"displayName":"Ada Ray's Environment"}}`, []string{"Ada"}, []string{"'s Environment"}},
		{"a resource's id", `{"id":"/subscriptions/1/providers/x/users/ada@contoso.example","name":"n"}`, nil, []string{"/users/ada@contoso.example"}},
	} {
		p, err := inventory.NewPseudonyms(bytes.Repeat([]byte{7}, 32))
		if err != nil {
			t.Fatal(err)
		}
		kept, _ := p.Answer([]byte(c.in))
		if !json.Valid(kept) {
			t.Errorf("%s: not JSON: %s", c.name, kept)
		}
		for _, leak := range c.gone {
			if bytes.Contains(kept, []byte(leak)) {
				t.Errorf("%s: %q is still there: %s", c.name, leak, kept)
			}
		}
		for _, s := range c.stays {
			if !bytes.Contains(kept, []byte(s)) {
				t.Errorf("%s: %s is gone: %s", c.name, s, kept)
			}
		}
	}
}
