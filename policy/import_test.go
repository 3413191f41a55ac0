// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/tickmark/tickmark/policy"
)

// publicLibrary reads Microsoft's public definitions and the shared aliases.
func publicLibrary(tb testing.TB) *policy.Import {
	tb.Helper()
	f, err := os.Open(shared(tb, "data/azure-policy-builtins.tar.gz"))
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	lib := &policy.Import{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return lib
		}
		if err != nil {
			tb.Fatal(err)
		}
		if !strings.HasSuffix(h.Name, ".json") {
			continue
		}
		b, err := io.ReadAll(r)
		if err != nil {
			tb.Fatal(err)
		}
		lib.Add(h.Name, b)
	}
}

func sharedAliases(tb testing.TB) *policy.Catalog {
	tb.Helper()
	b, err := os.ReadFile(shared(tb, "data/policy-aliases.gz"))
	if err != nil {
		tb.Fatal(err)
	}
	c := policy.NewCatalog()
	if err := c.AddAliases("policy-aliases.gz", b); err != nil {
		tb.Fatal(err)
	}
	// What the older file lacks and the initiative uses.
	if b, err = os.ReadFile(shared(tb, "data/aliases-soc2.csv")); err != nil {
		tb.Fatal(err)
	}
	c.Fallback = policy.NewCatalog()
	if err := c.Fallback.AddAliases("aliases-soc2.csv", b); err != nil {
		tb.Fatal(err)
	}
	return c
}

// TestPublicDefinitions compiles Microsoft's public definitions against the
// shared alias file, which is older than they are.
func TestPublicDefinitions(t *testing.T) {
	lib, c := publicLibrary(t), sharedAliases(t)
	lib.Check(c)
	static, compiles := 0, 0
	causes := map[policy.CauseKind]int{}
	for _, d := range lib.Definitions {
		switch {
		case d.Definition != nil && d.Definition.Static():
			static++
		case d.Compiles():
			compiles++
		default:
			causes[d.Causes[0].Kind]++
			if testing.Verbose() {
				t.Logf("%s: %d causes: %v", d.File, len(d.Causes), d.Causes[0].Err)
			}
		}
	}
	public := len(lib.Definitions) - static
	t.Logf("%d definitions, %d static, %d others, of which %d compile; causes %v; %d initiatives; %d problems", len(lib.Definitions), static, public, compiles, causes, len(lib.Initiatives), len(lib.Problems))
	if public != 2762 || compiles < 2650 {
		t.Errorf("%d of %d compile, want 2650 of 2762", compiles, public)
	}
	for _, p := range lib.Problems {
		t.Error(p)
	}
	soc := lib.FindInitiative("SOC 2 Type 2")
	if soc == nil {
		t.Fatal("the initiative is missing")
	}
	automated, ok := 0, 0
	for i, d := range lib.Policies(soc) {
		if d == nil || d.Definition == nil {
			t.Errorf("definition %s is missing", soc.References[i].DefinitionID)
			continue
		}
		if d.Policy != nil && d.Policy.Effect == policy.Manual {
			continue
		}
		automated++
		if d.Compiles() {
			ok++
		} else {
			t.Errorf("%s: %v", d.Definition.DisplayName, d.Causes)
		}
	}
	t.Logf("SOC 2: %d references, %d groups, %d automated, %d compile", len(soc.References), len(soc.Groups), automated, ok)
	if automated != 114 || ok != 114 {
		t.Errorf("%d automated, %d compile, want 114", automated, ok)
	}
}
