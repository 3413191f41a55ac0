// SPDX-License-Identifier: Apache-2.0

package arm

import (
	"strings"
	"testing"

	"github.com/tickmark/tickmark/jsontape"
)

// TestLacking: roles add up, each takes away for itself, and what cannot be
// decided is not granted.
func TestLacking(t *testing.T) {
	const reader, contributor = `{"actions":["*/read"],"notActions":[]}`, `{"actions":["*"],"notActions":["Microsoft.Authorization/*/Delete","Microsoft.Authorization/elevateAccess/Action"]}`
	const vaults = "Microsoft.KeyVault/vaults/read"
	for _, x := range []struct{ roles, wanted, lacks string }{
		{reader, vaults, ""},
		{reader, "*/read", ""},
		{contributor, "*/read", ""},
		{`{"actions":["*"]}`, "*/read " + vaults, ""},
		{`{"actions":["MICROSOFT.keyvault/*/READ"]}`, vaults, ""},
		{`{"actions":["Microsoft.KeyVault/vaults/*"]}`, vaults, ""},
		{`{"actions":["Microsoft.KeyVault/*"]}`, "*/read", "*/read"},
		{`{"actions":["Microsoft.Storage/*/read"]}`, vaults, vaults},
		{`{"actions":["*/write"]}`, vaults, vaults},
		{`{"actions":["*/read"],"notActions":["Microsoft.KeyVault/*"]}`, vaults, vaults},
		{`{"actions":["*/read"],"notActions":["Microsoft.KeyVault/*"]}`, "Microsoft.Storage/storageAccounts/read", ""},
		{`{"actions":["*/read"],"notActions":["Microsoft.KeyVault/*"]}`, "*/read", "*/read"},
		{`{"actions":["*/read"],"notActions":["Microsoft.KeyVault/*/read"]},` + reader, "*/read", ""},
		{`{"actions":["*/read"],"condition":"@Resource[x] StringEquals 'y'"}`, vaults, vaults},
		{`{"actions":["*/read"],"condition":""}`, vaults, ""},
		{`{"actions":["*/read"],"condition":null}`, vaults, ""},
		{`{"actions":[]}`, vaults, vaults},
		{`{"actions":null}`, vaults, vaults},
		{`{}`, vaults, vaults},
		{``, vaults, vaults},
		{`{"actions":[""]}`, vaults, vaults},
		{`{"actions":["*a*a*a*a*a*a*a*a*a*a*a*a*"]}`, strings.Repeat("a", 60), strings.Repeat("a", 60)},
		{`{"actions":["*"],"notActions":["*a*a*a*a*a*a*a*a*b"]}`, vaults, vaults},
		{reader, "Microsoft.Storage/storageAccounts/write " + vaults, "Microsoft.Storage/storageAccounts/write"},
	} {
		tape, err := jsontape.Parse([]byte(`{"value":[`+x.roles+`]}`), jsontape.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := lacking([]jsontape.Value{tape.Root()}, strings.Fields(x.wanted)); got != x.lacks {
			t.Errorf("%s: %s: lacks %q, want %q", x.roles, x.wanted, got, x.lacks)
		}
	}
}

// TestSees: every list of a subscription is proven, and a reader of everything
// sees each.
func TestSees(t *testing.T) {
	tape, err := jsontape.Parse([]byte(`{"value":[{"actions":["*/read"]}]}`), jsontape.Options{})
	if err != nil {
		t.Fatal(err)
	}
	proven := 0
	for _, a := range Source().Asks {
		if len(a.Of) != 1 || a.Of[0] != typeSubscription || a.Name == askPermissions {
			continue
		}
		proven++
		if a.Proof != askPermissions || len(a.Sees) == 0 {
			t.Errorf("%s: it counts as whole whatever the identity may read", a.Name)
		}
		if lacks := lacking([]jsontape.Value{tape.Root()}, a.Sees); lacks != "" {
			t.Errorf("%s: Reader lacks %s", a.Name, lacks)
		}
		for _, typ := range a.Types {
			if _, word, _ := strings.Cut(typ, "."); strings.HasPrefix(typ, "Microsoft.") && !strings.Contains(strings.Join(a.Sees, " "), word+"/read") {
				t.Errorf("%s: %s is not among what it must see", a.Name, typ)
			}
		}
	}
	if proven < 80 {
		t.Errorf("only %d lists are proven", proven)
	}
}
