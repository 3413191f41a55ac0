// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/collect/file"
	"github.com/tickmark/tickmark/policy"
	"github.com/tickmark/tickmark/work"
)

func sharedFile(tb testing.TB, path string) string {
	tb.Helper()
	root := os.Getenv("TICKMARK_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "shared")
	}
	p := filepath.Join(root, path)
	if _, err := os.Stat(p); err != nil {
		tb.Skipf("shared material is absent: %s", path)
	}
	return p
}

// publicPolicies reads Microsoft's public definitions and the shared aliases.
func publicPolicies(tb testing.TB) (*policy.Import, *policy.Catalog) {
	tb.Helper()
	f, err := os.Open(sharedFile(tb, "data/azure-policy-builtins.tar.gz"))
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
			break
		}
		if err != nil {
			tb.Fatal(err)
		}
		if strings.HasSuffix(h.Name, ".json") {
			b, err := io.ReadAll(r)
			if err != nil {
				tb.Fatal(err)
			}
			lib.Add(h.Name, b)
		}
	}
	c := policy.NewCatalog()
	b, err := os.ReadFile(sharedFile(tb, "data/policy-aliases.gz"))
	if err != nil {
		tb.Fatal(err)
	}
	if err := c.AddAliases("policy-aliases.gz", b); err != nil {
		tb.Fatal(err)
	}
	if b, err = os.ReadFile(sharedFile(tb, "data/aliases-soc2.csv")); err != nil {
		tb.Fatal(err)
	}
	c.Fallback = policy.NewCatalog()
	if err := c.Fallback.AddAliases("aliases-soc2.csv", b); err != nil {
		tb.Fatal(err)
	}
	return lib, c
}

// soc2 binds Microsoft's SOC 2 initiative to an assignment at the root scope.
func soc2(tb testing.TB, l *policy.Library) *policy.Assigned {
	tb.Helper()
	a, err := policy.ParseAssignment("soc2.json", []byte(`{"id":"/providers/Microsoft.Authorization/policyAssignments/soc2","properties":{"scope":"/",
		"policyDefinitionId":"/providers/Microsoft.Authorization/policySetDefinitions/4054785f-702b-4a98-9215-009cbd58b141"}}`))
	if err != nil {
		tb.Fatal(err)
	}
	x, err := policy.Assign(a, l)
	if err != nil {
		tb.Fatal(err)
	}
	return x
}

// BenchmarkInitiative compiles Microsoft's SOC 2 initiative and evaluates it
// over 100,000 generated resources.
func BenchmarkInitiative(b *testing.B) {
	imp, c := publicPolicies(b)
	lib := imp.Library(c)
	b.Run("compile", func(b *testing.B) {
		for b.Loop() {
			soc2(b, lib)
		}
	})
	path, _ := benchInput(b)
	a, files, err := work.AssessFiles(context.Background(), []string{path}, file.Options{ObservedAt: benchNow}, work.AssessOptions{Now: benchNow, Engine: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = files.Close() }()
	x := soc2(b, lib)
	for _, workers := range []int{1, 2} {
		b.Run(map[int]string{1: "evaluate1", 2: "evaluate2"}[workers], func(b *testing.B) {
			b.ReportAllocs()
			pairs := 0
			for b.Loop() {
				run, err := check.RunInitiative(context.Background(), a.Inventory, x, check.Options{Now: benchNow, Workers: workers})
				if err != nil {
					b.Fatal(err)
				}
				pairs = run.Pairs
			}
			b.ReportMetric(float64(pairs), "pairs")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(pairs), "ns/pair")
		})
	}
}
