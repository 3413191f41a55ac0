// SPDX-License-Identifier: Apache-2.0

// Bench measures tickmark beside two programs that others know, in one run on
// one machine: reading and evaluating an export beside simdjson-go parsing the
// same bytes, and policies beside equivalent Rego in OPA's library.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark/policy"
)

var now = time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC)

func main() {
	resources := flag.Int("resources", 100_000, "resources in the generated export")
	rounds := flag.Int("rounds", 5, "rounds of each measurement; medians are printed")
	input := flag.String("input", os.Getenv("TICKMARK_BENCH_INPUT"), "export to read instead of a generated one")
	part := flag.String("part", "", "measure only this part: whole, pairs or opa")
	flag.Parse()
	if err := run(os.Stdout, "..", *resources, *rounds, *input, *part); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run prints every figure; root is the checkout of tickmark.
func run(w io.Writer, root string, resources, rounds int, input, only string) error {
	machine(w)
	shared := os.Getenv("TICKMARK_SHARED")
	if shared == "" {
		shared = filepath.Join(root, "..", "shared")
	}
	if _, err := os.Stat(filepath.Join(shared, "data", "azure-policy-builtins.tar.gz")); errors.Is(err, os.ErrNotExist) {
		_, err = fmt.Fprintln(w, "skipped: Microsoft's public definitions are absent; set TICKMARK_SHARED to the directory that holds data/azure-policy-builtins.tar.gz")
		return err
	}
	lib, err := publicPolicies(shared)
	if err != nil {
		return fmt.Errorf("read the public definitions: %w", err)
	}
	path := input
	if path == "" {
		dir, err := os.MkdirTemp("", "tickmark-bench-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		b, err := export(root, resources)
		if err != nil {
			return fmt.Errorf("generate the export: %w", err)
		}
		path = filepath.Join(dir, "export.json")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			return err
		}
	}
	for _, part := range []struct {
		name    string
		measure func(io.Writer, *policy.Library, string, int) error
	}{{"whole", wholeRun}, {"pairs", pairs}, {"opa", besideOPA}} {
		if only != "" && only != part.name {
			continue
		}
		if err := part.measure(w, lib, path, rounds); err != nil {
			return err
		}
	}
	return nil
}

func machine(w io.Writer) {
	cpu := "unknown processor"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range bytes.Lines(b) {
			if k, v, ok := strings.Cut(string(line), ":"); ok && strings.TrimSpace(k) == "model name" {
				cpu = strings.TrimSpace(v)
				break
			}
		}
	}
	load := ""
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		load = ", load " + strings.Join(strings.Fields(string(b))[:3], " ")
	}
	_, _ = fmt.Fprintf(w, "machine: %s, GOMAXPROCS %d, %s/%s, %s%s\n", cpu, runtime.GOMAXPROCS(0), runtime.GOOS, runtime.GOARCH, runtime.Version(), load)
}

// median sorts list and returns its middle.
func median[T int | float64 | time.Duration](list []T) T { return quantile(list, 50) }

// quantile sorts list and returns the value at a percentage.
func quantile[T int | float64 | time.Duration](list []T, percent int) T {
	slices.Sort(list)
	return list[min(len(list)-1, len(list)*percent/100)]
}
