// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"flag"
	"os"
	"reflect"
	"slices"
	"testing"
)

var update = flag.Bool("update", false, "write compiled.jsonl anew")

// TestCompiled: the compiled form is that of the YAML beside it, and gives the
// very same catalogue.
func TestCompiled(t *testing.T) {
	want, err := Load(embedded)
	if err != nil {
		t.Fatal(err)
	}
	text, err := writeCompiled(want)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("compiled.jsonl", text, 0o644); err != nil {
			t.Fatal(err)
		}
	} else if !bytes.Equal(text, compiledText) {
		t.Error("compiled.jsonl is not that of the YAML, so that every start takes longer: run go test ./catalog -run TestCompiled -update")
	}
	files, err := readTree(embedded)
	if err != nil {
		t.Fatal(err)
	}
	got, err := loadCompiled(files, text)
	if err != nil || got == nil {
		t.Fatal(got, err)
	}
	for i, k := range want.Checks {
		if !reflect.DeepEqual(got.Checks[i], k) {
			t.Errorf("%s: %+v, want %+v", k.ID, got.Checks[i], k)
		}
	}
	if len(got.Checks) != len(want.Checks) || !reflect.DeepEqual(got.Criteria, want.Criteria) || !reflect.DeepEqual(got.checkByID, want.checkByID) ||
		!reflect.DeepEqual(got.criterion, want.criterion) || got.digest != want.digest || !bytes.Equal(got.archive, want.archive) {
		t.Error("the compiled catalogue is another one")
	}
	theirs := want.Types()
	for i, typ := range got.Types() {
		if typ.Name != theirs[i].Name || !slices.Equal(slices.Collect(typ.Aliases()), slices.Collect(theirs[i].Aliases())) {
			t.Fatalf("the aliases of %s differ", typ.Name)
		}
	}
}

// TestCompiledIsOfItsFiles: one byte of difference in a file, and the compiled
// form does not count; a damaged one is an error, not a smaller catalogue.
func TestCompiledIsOfItsFiles(t *testing.T) {
	files, err := readTree(embedded)
	if err != nil {
		t.Fatal(err)
	}
	want, err := loadFiles(files)
	if err != nil {
		t.Fatal(err)
	}
	text, err := writeCompiled(want)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := loadCompiled(files, text[:len(text)-100]); err == nil {
		t.Errorf("a line that ends early was read: %d checks", len(c.Checks))
	}
	i := len(files) - 1
	files[i].data = append(bytes.Clone(files[i].data), '\n')
	if c, err := loadCompiled(files, text); err != nil || c != nil {
		t.Errorf("%v, %v: want neither for other files", c, err)
	}
}

func BenchmarkDefault(b *testing.B) {
	for b.Loop() {
		if _, err := loadEmbedded(); err != nil {
			b.Fatal(err)
		}
	}
}
