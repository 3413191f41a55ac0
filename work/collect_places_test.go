// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/tickmark/tickmark/inventory"
)

// Secrets of which the code knows no form: each holds one of these, by which it
// is found. A word and a sentence look like nothing.
const (
	signMixed = "x7Kq9ZtB2mLp"
	signLower = "q7x2k9vz4m8w"
	signHex   = "9f3c7a1e5b2d8046"
	signWord  = "zwielicht"
)

// signs are looked for in what is kept.
var signs = []string{song, signMixed, signLower, signHex, signWord}

// foreign are the kinds of secrets; the last two are words.
var foreign = func() []string {
	encoded := base64.StdEncoding.EncodeToString([]byte("\x01\xfe" + signMixed + "\xff\x80\x91"))
	return []string{
		"Vd4" + signMixed + "0QsG7w",
		signLower + "b3h6n1",
		signHex + signHex,
		"AbC/+" + signMixed + "9zR/8Uj4+QnY1e==",
		encoded + signMixed,
		"-----BEGIN CERTIFICATE-----\nMIIC" + signMixed + "\n-----END CERTIFICATE-----",
		"eyJ0eXAiOiJKV1QifQ.eyJhIjoxfQ." + signMixed + "aaaaaaaaaaaaaaaa",
		"https://hooks.example/services/in?ticket=" + signMixed + "&v=1",
		`{"auth":{"user":"u","pass":"` + signMixed + `3Jd"}}`,
		"--token=" + signLower + " --verbose",
		"Basic dXNlcjo" + signMixed + "1Hy8=",
		signWord,
		"the " + signWord + " over our harbour",
	}
}()

const wordKinds = 2

// places are the templates of testdata/places.yaml, as JSON objects.
type places struct {
	Any    []map[string]any `yaml:"any"`
	Marked []map[string]any `yaml:"marked"`
}

var loadPlaces = sync.OnceValues(func() (*places, error) {
	text, err := os.ReadFile("testdata/places.yaml")
	if err != nil {
		return nil, err
	}
	p := &places{}
	return p, yaml.Unmarshal(text, p)
})

// at returns all places with secrets in them; turn chooses which. words says
// whether words are among them.
func (p *places) at(turn int, words bool) map[string]any {
	out := map[string]any{}
	kinds := len(foreign)
	for i, t := range p.Any {
		n := kinds
		if !words {
			n -= wordKinds
		}
		out[fmt.Sprintf("any%d", i)] = fill(t, foreign[(turn+i)%n])
	}
	for i, t := range p.Marked {
		out[fmt.Sprintf("marked%d", i)] = fill(t, foreign[(turn+i)%(kinds-wordKinds)])
	}
	return out
}

// fill sets the secret in for $, as a string inside a JSON text where the
// template has one.
func fill(v any, secret string) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = fill(e, secret)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = fill(e, secret)
		}
		return out
	case string:
		if strings.HasPrefix(v, "{") || strings.HasPrefix(v, `"`) {
			b, err := json.Marshal(secret)
			if err == nil {
				secret = string(b[1 : len(b)-1])
			}
		}
		return strings.ReplaceAll(v, "$", secret)
	}
	return v
}

// TestPlaces: no kind of secret stays in any place, by itself or inside a list.
// TestCanaries puts them where they would be stored.
func TestPlaces(t *testing.T) {
	p, err := loadPlaces()
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Any) < 25 || len(p.Marked) < 5 {
		t.Fatalf("%d and %d places", len(p.Any), len(p.Marked))
	}
	for turn := range foreign {
		for name, place := range p.at(turn, true) {
			text, err := json.Marshal(map[string]any{"value": []any{map[string]any{"id": "x", "properties": place}}})
			if err != nil {
				t.Fatal(err)
			}
			if !holdsSign(text) {
				t.Fatalf("%s: nothing was planted: %s", name, text)
			}
			kept, n := inventory.RedactAnswer(text)
			if n == 0 || holdsSign(kept) {
				t.Errorf("%s: kept %s", name, kept)
			}
			if again, n := inventory.RedactAnswer(kept); n > 0 {
				t.Errorf("%s: replaced again: %s became %s", name, kept, again)
			}
		}
	}
}

func holdsSign(text []byte) bool {
	for _, s := range signs {
		if bytes.Contains(text, []byte(s)) {
			return true
		}
	}
	return false
}
