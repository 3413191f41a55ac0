// SPDX-License-Identifier: Apache-2.0

package inventory_test

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/jsontape"
)

const canary = "C4n4ryS3cr3tV4lu3"

func TestRedact(t *testing.T) {
	jwt := "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + canary
	cases := []struct {
		name, text, path string
		rule             string // empty: kept
	}{
		{"named key", `"primaryKey":"` + canary + `"`, "properties.primaryKey", "key"},
		{"case of the name", `"AdminPassword" : "` + canary + `"`, "properties.adminPassword", "password"},
		{"connection string by name", `"connectionString":"Endpoint=sb://x;` + canary + `"`, "properties.connectionString", "connection-string"},
		{"connection string by looks", `"x":"DefaultEndpointsProtocol=https;AccountName=a;AccountKey=` + canary + `=="`, "properties.x", "connection-string"},
		{"password by looks", `"x":"Server=tcp:s;User=u;Password=` + canary + `;"`, "properties.x", "connection-string"},
		{"shared access key", `"x":"Endpoint=sb://x/;SharedAccessKeyName=Root;SharedAccessKey=` + canary + `"`, "properties.x", "connection-string"},
		{"SAS in a link", `"uri":"https://a.blob.core.windows.net/c?sv=2020&sig=` + canary + `"`, "properties.uri", "sas"},
		{"token", `"t":"` + jwt + `"`, "properties.t", "token"},
		{"private key", `"pem":"-----BEGIN RSA PRIVATE KEY-----\n` + canary + `"`, "properties.pem", "private-key"},
		{"password in a link", `"repo":"https://user:` + canary + `@git.example.org/x"`, "properties.repo", "url-password"},
		{"application setting", `"appSettings":[{"name":"A","value":"` + canary + `"}]`, "properties.appSettings[0].value", "app-setting"},
		{"environment", `"environmentVariables":[{"name":"A","value":"` + canary + `"}]`, "properties.environmentVariables[0].value", "environment"},
		{"list of keys", `"keys":[{"keyName":"key1","permissions":"FULL","value":"` + canary + `"}]`, "properties.keys[0].value", "key"},
		{"custom data", `"osProfile":{"customData":"` + canary + `"}`, "properties.osProfile.customData", "custom-data"},
		{"escaped quote inside", `"password":"a\"` + canary + `"`, "properties.password", "password"},

		{"vault reference", `"appSettings":[{"name":"A","value":"@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/s/)"}]`, "", ""},
		{"name of a setting", `"appSettings":[{"name":"WEBSITE_RUN_FROM_PACKAGE"}]`, "", ""},
		{"empty", `"password":""`, "", ""},
		{"null", `"password":null`, "", ""},
		{"not a string", `"passwordAuth":"Enabled","primaryKey":{"columns":["id"]}`, "", ""},
		{"permissions on keys", `"permissions":{"keys":["get","list"],"secrets":["all"]}`, "", ""},
		{"date of a key", `"keyCreationTime":{"key1":"2022-01-14T22:10:18.8579498Z"}`, "", ""},
		{"public certificate", `"pem":"-----BEGIN CERTIFICATE-----\nMIIB` + canary + `"`, "properties.pem", "unlisted"},
		{"metric with an equals sign", `"query":"AzureActivity | where Level == 'x' and design=1"`, "", ""},
		{"pseudonyms", `"title":"by person-0123456789abcdef in branch-9f3c7a1e5b2d8046","owner":"person-9f3c7a1e5b2d8046@domain-0a1b2c3d4e5f6071.invalid"`, "", ""},
		{"not quite a pseudonym", `"title":"by person-9f3c7a1e5b2d804677"`, "properties.title", "unlisted"},
		{"function key", `"httpTriggerUrl":"https://f.azurewebsites.net/api/f?code=` + canary + `"`, "properties.httpTriggerUrl", "address"},
		{"webhook by a path", `"note":"https://hooks.example/services/T00/` + canary + `"`, "properties.note", "unlisted"},
		{"secret that is a word", `"servicePrincipalProfile":{"secret":"hunter"}`, "properties.servicePrincipalProfile.secret", "unlisted"},
		{"command line", `"appCommandLine":"run it"`, "properties.appCommandLine", "unlisted"},
		{"word in a header", `"headers":{"x":"hunter"}`, "properties.headers.x", "unlisted"},
		{"word under a name of one's own", `"x":{"MY_KEY":"hunter"}`, "properties.x.MY_KEY", "unlisted"},
		{"sentence where nobody reads", `"x":"the quick brown fox"`, "properties.x", "unlisted"},
		{"JSON in a string", `"x":"{\"a\":1}"`, "properties.x", "unlisted"},

		{"structure of a definition", `"definition":{"actions":{"a":{"type":"Http","runAfter":{},"inputs":{"method":"POST","retries":4}}}}`, "", ""},
		{"what settings are set to", `"a":"Standard_LRS","b":"TLS1_2","c":"2024-01-01T00:00:00Z","d":"10.0.0.0/8","e":"refs/heads/main","f":"ada@contoso.example","g":"Microsoft.Storage/storageAccounts","h":"https://contoso.example/x","i":"443,8080-8090"`, "", ""},
		{"tag", `"tags":{"env":"production of the shop","cost centre":"R&D 4711"}`, "", ""},
		{"token in a tag", `"tags":{"note":"` + canary + `"}`, "properties.tags.note", "unlisted"},
		{"ordinary link", `"id":"https://v.vault.azure.net/keys/k/1"`, "", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			before := arm("Microsoft.Web/sites", "s", `,"properties":{`+c.text+`,"after":1}`)
			s := snapshot(page(before, before, arm("Microsoft.KeyVault/vaults", "v", `,"properties":{}`)))
			p := &s.Segments[0].Pages[0]
			p.Digest = tickmark.DigestOf(p.Bytes)
			received := bytes.Clone(p.Bytes)
			got := inventory.Redact(s)
			if c.rule == "" {
				if len(got) != 0 {
					t.Fatalf("replaced %+v in %s", got[0].Marks, before)
				}
				return
			}
			if len(got) != 1 || len(got[0].Marks) != 2 || got[0].Marks[0].Rule != c.rule {
				t.Fatalf("%+v, want rule %s twice", got, c.rule)
			}
			if bytes.Contains(p.Bytes, []byte(canary)) {
				t.Fatalf("the secret is still there: %s", p.Bytes)
			}
			if kept, n := inventory.RedactAnswer(received); n != 2 || !bytes.Equal(kept, p.Bytes) {
				t.Errorf("an answer by itself: %d replaced, %s", n, kept)
			} else if _, n := inventory.RedactAnswer(kept); n != 0 {
				t.Error("what is kept is replaced again")
			}
			if !bytes.Equal(got[0].Received, received) || got[0].Digest != tickmark.DigestOf(received) || p.Digest != tickmark.DigestOf(p.Bytes) {
				t.Error("received bytes or digests are wrong")
			}
			for _, m := range got[0].Marks {
				if received[m.Received] != '"' || !bytes.HasPrefix(p.Bytes[m.Kept:], []byte(`"`+jsontape.Marker+"redacted:"+c.rule+`"`)) {
					t.Errorf("mark %+v", m)
				}
			}
			inv := build(t, s, inventory.Options{Redactions: got})
			if len(inv.Problems) != 0 || inv.Counts.Items != 3 || inv.Counts.Duplicates != 1 {
				t.Fatalf("%+v %v", inv.Counts, inv.Problems)
			}
			if v := walk(inv.OfType("Microsoft.Web/sites")[0].Root, c.path); v.Kind() != jsontape.Unobserved || v.Reason() != "redacted" {
				t.Errorf("%s is %v (%s)", c.path, v.Kind(), v.Reason())
			}
			if again := inventory.Redact(s); len(again) != 0 {
				t.Errorf("redacted again: %+v", again)
			}
		})
	}
}

// walk follows a path such as "a.b[0].c".
func walk(v jsontape.Value, path string) jsontape.Value {
	for part := range strings.SplitSeq(strings.ReplaceAll(path, "[0]", ".0"), ".") {
		if part == "0" {
			v = v.Index(0)
		} else {
			v = v.Get(part)
		}
	}
	return v
}

func TestRedactSettings(t *testing.T) {
	for _, text := range []string{
		`{"id":"` + sub + `/resourceGroups/g/providers/Microsoft.Web/sites/s/config/appsettings","type":"Microsoft.Web/sites/config","name":"appsettings","properties":{"A":"` + canary + `","B":"x"}}`,
		`{"properties":{"A":"` + canary + `","B":"x"},"type":"Microsoft.Web/sites/config","name":"appsettings","id":"` + sub + `/resourceGroups/g/providers/Microsoft.Web/sites/s/config/appsettings"}`,
	} {
		s := snapshot(page(text, arm("Microsoft.Web/sites", "s", `,"properties":{"A":"kept"}`)))
		got := inventory.Redact(s)
		if len(got) != 1 || len(got[0].Marks) != 2 || bytes.Contains(s.Segments[0].Pages[0].Bytes, []byte(canary)) {
			t.Errorf("%+v", got)
		}
	}
}

// TestRedactAssignments: in a sentence, what is set under a name that says secret
// goes, wherever in a word that stands; what only speaks of secrets stays.
func TestRedactAssignments(t *testing.T) {
	for text, goes := range map[string]bool{
		"username=svc&password=Winter2026":             true,
		"GET /health?code=Winter2026 every minute":     true,
		"runs as x:pwd=Winter2026":                     true,
		"the login is svc, password: Winter2026":       true,
		"a=b,token=Winter2026":                         true,
		"the password of this account is in the vault": false,
		"see https://example.com/health?page=2":        false,
		"key vault: holds the signing keys; code = Go": false,
	} {
		s := snapshot(page(arm("Microsoft.Web/sites", "s", `,"properties":{"description":`+strconv.Quote(text)+`}`)))
		inventory.Redact(s)
		if kept := bytes.Contains(s.Segments[0].Pages[0].Bytes, []byte(text)); kept == goes {
			t.Errorf("%q: kept %v", text, kept)
		}
	}
}

// TestRedactUnparsable: what is no JSON can hold secrets too.
func TestRedactUnparsable(t *testing.T) {
	p := page(`{"password":"` + canary + `"`)
	p.Items, p.Form = nil, "unrecognised"
	s := snapshot(p)
	if r := inventory.Redact(s); len(r) != 1 || bytes.Contains(s.Segments[0].Pages[0].Bytes, []byte(canary)) {
		t.Errorf("%+v", r)
	}
}

func TestPositionsAfterRedaction(t *testing.T) {
	good := arm("Microsoft.Web/sites", "s", `,"properties":{"password":"`+canary+`"}`)
	s := snapshot(page(good, `{"id":1,"id":2}`))
	want := int64(bytes.Index(s.Segments[0].Pages[0].Bytes, []byte(`"id":2`)))
	r := inventory.Redact(s)
	inv := build(t, s, inventory.Options{Redactions: r})
	if len(inv.Problems) != 1 || inv.Problems[0].Byte != want || inv.Problems[0].Line != 2 {
		t.Errorf("%+v, want byte %d of line 2 of the file as received", inv.Problems, want)
	}
}

func FuzzRedact(f *testing.F) {
	for _, s := range []string{`{"password":"x","appSettings":[{"value":"y"}]}`, `{"keys":{"value":"\""}}`, `"AccountKey=abc"`, `{"id":"/config/appsettings","properties":{"a":"b"}}`, `{"env":[`, `"password":"`, "\"\\"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p := tickmark.Page{Name: "x", Bytes: bytes.Clone(text)}
		if json.Valid(text) && len(text) > 0 {
			p.Items = []tickmark.Item{{Off: 0, Len: len(text)}}
		}
		s := snapshot(p)
		for _, r := range inventory.Redact(s) {
			kept := s.Segments[0].Pages[0]
			if !bytes.Equal(r.Received, text) || kept.Digest != tickmark.DigestOf(kept.Bytes) {
				t.Error("received bytes or digest")
			}
			if len(p.Items) == 1 {
				it := kept.Items[0]
				if it.Off != 0 || it.Len != len(kept.Bytes) || !json.Valid(kept.Bytes) {
					t.Errorf("%q became %q, item %+v", text, kept.Bytes, it)
				}
			}
			if again := inventory.Redact(s); json.Valid(text) && len(again) != 0 {
				t.Errorf("%q redacted twice: %q", text, again[0].Received)
			}
		}
	})
}
