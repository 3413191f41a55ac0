// SPDX-License-Identifier: Apache-2.0

package inventory_test

import (
	"bytes"
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
