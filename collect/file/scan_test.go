// SPDX-License-Identifier: Apache-2.0

package file

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// slowEnd is the obvious way to find the end of a bracketed value.
func slowEnd(src []byte, off int) int {
	depth, in := 0, false
	for i := off; i < len(src); i++ {
		switch c := src[i]; {
		case in && c == '\\':
			i++
		case c == '\\': // wrong outside a string, and refused by the strict parse
			if i+1 < len(src) && (src[i+1] == '"' || src[i+1] == '\\') {
				i++
			}
		case c == '"':
			in = !in
		case in:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

func TestSkipAgreesWithTheObviousWay(t *testing.T) {
	alphabet := []byte(`{}[]"\\":,a1 ` + "\n\xff\x00Y_y")
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.SliceOfN(rapid.SampledFrom(alphabet), 0, 400).Draw(t, "body")
		src := append([]byte{'{'}, body...)
		want := slowEnd(src, 0)
		got, err := skipValue(src, 0)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Fatalf("%q: end %d, want %d", src, got, want)
		}
	})
}

func TestSkipRealJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.MapOf(rapid.String(), rapid.SliceOf(rapid.String())).Draw(t, "m")
		src, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		pad := rapid.IntRange(0, 70).Draw(t, "pad")
		text := append(bytes.Repeat([]byte{' '}, pad), src...)
		text = append(text, `,{"next":1}`...)
		if end, err := skipValue(text, pad); err != nil || end != pad+len(src) {
			t.Fatalf("%q from %d: end %d, %v; want %d", text, pad, end, err, pad+len(src))
		}
	})
}

func BenchmarkSkip(b *testing.B) {
	one := `{"id":"/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg-7/providers/Microsoft.Storage/storageAccounts/st7","name":"st7","type":"Microsoft.Storage/storageAccounts","location":"westeurope","sku":{"name":"Standard_LRS","tier":"Standard"},"tags":{"env":"prod","owner":"a\"b"},"properties":{"minimumTlsVersion":"TLS1_2","supportsHttpsTrafficOnly":true,"networkAcls":{"bypass":"AzureServices","virtualNetworkRules":[],"ipRules":[{"value":"10.0.0.0/8","action":"Allow"}],"defaultAction":"Deny"},"primaryEndpoints":{"blob":"https://st7.blob.core.windows.net/","queue":"https://st7.queue.core.windows.net/"}}}`
	src := []byte("[" + strings.Repeat(one+",", 20000) + one + "]")
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		n := 0
		if _, err := scanElements(src, 0, func(int, int) { n++ }); err != nil || n != 20001 {
			b.Fatal(n, err)
		}
	}
}
