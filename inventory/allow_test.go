// SPDX-License-Identifier: Apache-2.0

package inventory_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tickmark/tickmark/inventory"
)

var update = flag.Bool("update", false, "write testdata/stays.txt anew")

// strange are secrets of forms that the code does not know.
var strange = []string{
	"Vd4x7Kq9ZtB2mLp0QsG7w", "q7x2k9vz4m8wb3h6n1", "9f3c7a1e5b2d80469f3c7a1e5b2d8046", "AbC/+x7Kq9ZtB2mLp9zR/8Uj4+QnY1e==",
	"-----BEGIN CERTIFICATE-----\nMIICx7Kq9ZtB2mLp\n", "https://hooks.example/in?ticket=x7Kq9ZtB2mLp", `{"pass":"x7Kq9ZtB2mLp3Jd"}`, "run --token=q7x2k9vz4m8w",
}

// TestStays puts each strange secret in place of each string of each shape. The
// members in which one stays are listed in testdata/stays.txt: ids, names and
// what tells records apart, and no other. Whoever adds to the list says that a
// secret never stands there.
func TestStays(t *testing.T) {
	files, err := filepath.Glob("../catalog/testdata/shapes/*.json")
	if err != nil || len(files) < 100 {
		t.Fatalf("%d shapes: %v", len(files), err)
	}
	stays := map[string]int{}
	put, kept := 0, 0
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var shape any
		if err := json.Unmarshal(text, &shape); err != nil {
			t.Fatal(err)
		}
		each(shape, "", func(name string, set func(string)) {
			for _, s := range strange {
				set(s)
				with, err := json.Marshal(shape)
				if err != nil {
					t.Fatal(err)
				}
				put++
				want, _ := json.Marshal(s)
				if after, _ := inventory.RedactAnswer(with); contains(after, want) {
					kept++
					stays[name]++
				}
			}
		})
	}
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(stays)) {
		b = append(append(b, name...), '\n')
	}
	t.Logf("%d shapes, %d secrets put in, %d stay, under %d names", len(files), put, kept, len(stays))
	const golden = "testdata/stays.txt"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(b) {
		t.Errorf("secrets stay under\n%s, want %s", b, golden)
	}
}

func contains(text, part []byte) bool { return strings.Contains(string(text), string(part)) }

// each calls do for every string in v with the name of its member, and a
// function that sets another value there until the next call.
func each(v any, name string, do func(name string, set func(string))) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if s, ok := v[k].(string); ok {
				do(k, func(x string) { v[k] = x })
				v[k] = s
			} else {
				each(v[k], k, do)
			}
		}
	case []any:
		for i := range v {
			if s, ok := v[i].(string); ok {
				do(fmt.Sprintf("%s[]", name), func(x string) { v[i] = x })
				v[i] = s
			} else {
				each(v[i], name, do)
			}
		}
	}
}
