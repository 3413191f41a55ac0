// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/tickmark/tickmark"
)

const canary = "CANARY-OFFICIAL-TEXT"

// canaryRuns are, for every command that can read a data directory, the
// arguments with which it is searched for the official text. D is the
// directory, O a folder for what is written, E the examples.
var canaryRuns = map[string][]string{
	"assess":                  {"E --record --allow-incomplete --html O/page.html --json", "E --allow-incomplete --csv", "E --allow-incomplete --sarif", "E --allow-incomplete --show criterion CC6.1", "--snapshot latest --allow-incomplete --html O/again.html"},
	"criteria list":           {"", "--json", "--csv", "--markdown"},
	"criteria show":           {"CC6.1", "CC6.1 --json", "CC6.1 --csv", "CC6.1 --markdown"},
	"criteria export":         {"", "--json", "--csv", "--markdown"},
	"controls list":           {"", "--json"},
	"controls show":           {"access-leavers", "access-leavers --json"},
	"controls export":         {"--json", "--csv", "--markdown"},
	"controls adopt":          {"--interview"},
	"controls lint":           {"--json"},
	"checks list":             {"--json"},
	"checks show":             {"st-tls", "st-tls --json"},
	"checks export":           {"--json", "--csv", "--markdown"},
	"responsibilities list":   {"--json"},
	"responsibilities show":   {"key-vault --json"},
	"responsibilities export": {"--json", "--csv", "--markdown"},
	"services list":           {"--json"},
	"services show":           {"key-vault --json"},
	"services export":         {"--json", "--csv"},
	"services used":           {"E --json"},
	"services reports":        {"--json"},
	"crosswalk coverage":      {"--to iso27001 --json", "--to iso27001 E"},
	"crosswalk list":          {"--json"},
	"crosswalk show":          {"CC6.1 --json"},
	"crosswalk export":        {"--json", "--csv"},
	"registers list":          {"--json"},
	"registers show":          {"leaver-access --json"},
	"registers export":        {"risks --json", "risks --csv", "playbook"},
	"glossary list":           {"--json"},
	"glossary show":           {"override --json"},
	"glossary export":         {"--json", "--markdown"},
	"catalogue list":          {"--all", "--all --json"},
	"catalogue show":          {"risk/leaver-access", "risk/leaver-access --json"},
	"catalogue diff":          {"", "--json"},
	"catalogue override":      {"O/risk.yaml --reason r --json"},
	"catalogue withdraw":      {"risk/leaver-access --reason r --json"},
	"snapshot list":           {"", "--json"},
	"snapshot show":           {"", "--json"},
	"snapshot diff":           {"s1 s1 --json"},
	"changes list":            {"--json"},
	"logs":                    {"", "--json"},
	"checks compare":          {"--json"},
	"policy agreement":        {"--json"},
	"ledger head":             {"", "--json"},
	"verify":                  {"", "--json"},
	"reperform":               {"", "--record --json"},
	"rebuild":                 {"--json"},
}

// canarySpared are the commands with a data directory that are not run here,
// and why.
var canarySpared = map[string]string{
	"init":            "makes the directory",
	"criteria import": "brings the text in, and is run first",
	"collect":         "needs a cloud; what it prints is printed by assess",
	"policy sync":     "needs a cloud, as collect does",
	"doctor":          "asks the cloud and reads no documents",
	"changes show":    "prints one row of changes list",
}

// TestOfficialTextStays: no command prints the official text or writes it to a
// file, but for the two flags that name it; those are the positive control.
func TestOfficialTextStays(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir, out := filepath.Join(t.TempDir(), "d"), t.TempDir()
	examples := filepath.Join(root, "examples", "acme")
	now := time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC)
	do := func(args ...string) (string, int) {
		var b bytes.Buffer
		now = now.Add(time.Second)
		status := run(args, &runContext{Context: t.Context(), In: strings.NewReader(""), Out: &b, Err: &b, Now: func() time.Time { return now }})
		return b.String(), status
	}
	must := func(args ...string) string {
		text, status := do(args...)
		if status != tickmark.ExitFine {
			t.Fatalf("%q ended with %d: %s", args, status, text)
		}
		return text
	}
	write := func(name, text string) string {
		name = filepath.Join(out, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	must("init", dir, "--organisation", "Acme", "--sample")
	if text := must("criteria", "import", write("text.csv", "code,text\nCC6.1,"+canary+"\n"), "--licence", "own", "--dir", dir); strings.Contains(text, canary) {
		t.Error("the import prints the text")
	}
	if err := os.Remove(filepath.Join(out, "text.csv")); err != nil {
		t.Fatal(err)
	}
	must("catalogue", "override", write("risk.yaml", "risks:\n  - {id: leaver-access, impact: 5}\n"), "--reason", "r", "--dir", dir)
	for _, name := range canaryOrder(t) {
		for _, line := range canaryRuns[name] {
			line = strings.NewReplacer("O/", out+string(filepath.Separator), "E", examples).Replace(line)
			args := append(strings.Fields(name), strings.Fields(line)...)
			if name != "assess" {
				args = append(args, "--dir", dir)
			} else {
				args = append(args, "--dir", dir, "--now", "2026-06-30T00:00:00Z")
			}
			text, status := do(args...)
			if status == tickmark.ExitUsage || status == tickmark.ExitInternal {
				t.Errorf("%q ended with %d: %s", args, status, text)
			}
			if strings.Contains(text, canary) {
				t.Errorf("%q prints the official text", args)
			}
		}
	}
	err = filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(canary)) {
			t.Errorf("%s holds the official text", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for _, args := range [][]string{{"criteria", "show", "CC6.1", "--official"}, {"criteria", "export", "--with-official-text", "--csv"}, {"criteria", "export", "--with-official-text", "--json"}} {
		if text := must(append(args, "--dir", dir)...); !strings.Contains(text, canary) {
			t.Errorf("%q does not print the official text", args)
		}
	}
}

// canaryOrder lists the commands to run; what records comes first. A command
// that can read a data directory has to be in one of the tables.
func canaryOrder(t *testing.T) []string {
	t.Helper()
	var c commands
	parser, err := kong.New(&c)
	if err != nil {
		t.Fatal(err)
	}
	names, seen := []string{"assess"}, map[string]bool{}
	for _, leaf := range parser.Model.Leaves(true) {
		name := strings.TrimPrefix(leaf.FullPath(), parser.Model.Name+" ")
		seen[name] = true
		data := slices.ContainsFunc(leaf.AllFlags(true), func(group []*kong.Flag) bool {
			return slices.ContainsFunc(group, func(f *kong.Flag) bool { return f.Name == "dir" })
		})
		switch {
		case !data && canaryRuns[name] == nil, canarySpared[name] != "", name == "assess", name == "catalogue withdraw":
		case canaryRuns[name] == nil:
			t.Errorf("command %q can read a data directory: say in canaryRuns how to search it for the official text", name)
		default:
			names = append(names, name)
		}
	}
	for name := range canaryRuns {
		if !seen[name] {
			t.Errorf("there is no command %q", name)
		}
	}
	for name := range canarySpared {
		if !seen[name] {
			t.Errorf("there is no command %q", name)
		}
	}
	return append(names, "catalogue withdraw")
}
