// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tickmark/tickmark/policy"
)

func shared(tb testing.TB, path string) string {
	tb.Helper()
	roots := []string{os.Getenv("TICKMARK_SHARED")}
	for up := ".."; roots[0] == "" && len(roots) < 8; up = filepath.Join("..", up) {
		roots = append(roots, filepath.Join(up, "shared"))
	}
	for _, root := range roots {
		if p := filepath.Join(root, path); root != "" {
			if _, err := os.Stat(p); err == nil {
				return p
			}
		}
	}
	tb.Skipf("shared material is absent: %s; set TICKMARK_SHARED to its folder", path)
	return ""
}

// divergences reads the vectors in which we follow the documentation against
// the suite: testdata/divergences.csv (id, why).
func divergences(t *testing.T) map[string]string {
	t.Helper()
	f, err := os.Open("testdata/divergences.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, r := range rows[1:] {
		out[r[0]] = r[1]
	}
	return out
}

func TestVectors(t *testing.T) {
	skip := divergences(t)
	cache := map[string]*policy.Catalog{}
	dir := filepath.Dir(shared(t, "conformance/README.md"))
	load := func(name string) (*policy.Catalog, error) {
		if c := cache[name]; c != nil {
			return c, nil
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		c := policy.NewCatalog()
		c.Literal = true
		cache[name] = c
		return c, c.AddProviders(name, b)
	}
	for _, suite := range []string{"policy-eval", "policy-parser", "policy-builtins", "policy-normalize", "policy-state"} {
		b, err := os.ReadFile(filepath.Join(dir, suite+".jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		total, failed, diverged, skipped := 0, 0, 0, 0
		for line := range bytes.Lines(b) {
			v, err := policy.ParseVector(suite, bytes.TrimSpace(line))
			if err != nil {
				t.Fatal(err)
			}
			want, got, err := v.Run(load)
			var out *policy.SkipError
			if errors.Is(err, policy.ErrSuite) || errors.As(err, &out) {
				skipped++
				continue
			}
			if err != nil {
				t.Fatal(v.ID, err)
			}
			total++
			if want == got {
				continue
			}
			if skip[v.ID] != "" {
				diverged++
				continue
			}
			failed++
			t.Errorf("%s: want %s, got %s", strings.TrimPrefix(v.ID, "regorus/"), want, got)
		}
		t.Logf("%s: %d vectors, %d failed, %d documented divergences, %d skipped", suite, total, failed, diverged, skipped)
	}
}
