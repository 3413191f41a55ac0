// SPDX-License-Identifier: Apache-2.0

package tickmark_test

import (
	"context"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

var updateReadme = flag.Bool("update", false, "write the output of README.md's commands into it")

// block is a fenced block of a Markdown text: its language and the lines
// between its fences, which are lines[from:to].
type block struct {
	lang     string
	from, to int
}

func blocks(lines []string) []block {
	var out []block
	open := -1
	for i, l := range lines {
		if !strings.HasPrefix(l, "```") {
			continue
		}
		if open < 0 {
			open = i
			continue
		}
		out = append(out, block{strings.TrimPrefix(lines[open], "```"), open + 1, i})
		open = -1
	}
	return out
}

// TestReadme runs every sh block of README.md, in order, in a copy of this
// folder, and compares what it prints with the text block behind it. Figures,
// digests and times may differ, because the catalogue grows; words may not.
// -update writes what was printed.
func TestReadme(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the commands are for a POSIX shell")
	}
	raw, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(raw), "\n")
	dir := copyModule(t)
	all := blocks(lines)
	out := map[int]string{} // by block
	ran := 0
	for i, b := range all {
		switch b.lang {
		case "sh":
		case "text", "console":
			continue
		default:
			t.Errorf("README.md:%d: a block of language %q: sh is run, text is its output, console is not run", b.from, b.lang)
			continue
		}
		script := strings.Join(lines[b.from:b.to], "\n")
		if strings.TrimSpace(script) == "make test" {
			// This test is part of it. .ci/run runs it; here it must exist.
			script = "make --dry-run test"
			ciRuns(t, "make --no-print-directory test")
		}
		got := runBlock(t, dir, script, b.from)
		ran++
		if i+1 < len(all) && all[i+1].lang == "text" {
			out[i+1] = got
		}
	}
	if ran < 8 {
		t.Errorf("only %d blocks were run", ran)
	}
	if *updateReadme {
		writeReadme(t, lines, all, out)
		return
	}
	for i, got := range out {
		want := strings.Join(lines[all[i].from:all[i].to], "\n")
		if a, b := normal(want), normal(got); a != b {
			t.Errorf("README.md:%d: the commands print something else now; `go test -run TestReadme . -update` writes it\n--- README\n%s\n--- printed\n%s", all[i].from, want, got)
		} else if strings.TrimSpace(want) != strings.TrimSpace(got) && figures(want) != figures(got) {
			t.Logf("README.md:%d: figures differ; `go test -run TestReadme . -update` writes the new ones", all[i].from)
		}
	}
}

// ciRuns fails unless .ci/run has the command.
func ciRuns(t *testing.T, command string) {
	t.Helper()
	b, err := os.ReadFile(".ci/run")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), command+"\n") {
		t.Errorf(".ci/run does not run %q", command)
	}
}

func runBlock(t *testing.T, dir, script string, line int) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-e")
	cmd.Stdin = strings.NewReader(script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"), "NO_COLOR=1", "TMPDIR="+t.TempDir())
	got, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("README.md:%d: %v\n%s\n%s", line, err, script, got)
	}
	return strings.TrimRight(string(got), "\n")
}

var (
	digestText = regexp.MustCompile(`[0-9a-f]{8,64}|[A-Za-z0-9+/]{40,}=*`)
	number     = regexp.MustCompile(`[0-9]+`)
	space      = regexp.MustCompile(`[ \t]+`)
	bar        = regexp.MustCompile(`([✗?✓○⊘✎–])[✗?✓○⊘✎–]+`)
)

// normal leaves the words of an output and drops what differs from run to run
// or grows with the catalogue.
func normal(s string) string {
	s = digestText.ReplaceAllString(strings.TrimSpace(s), "H")
	s = bar.ReplaceAllString(s, "$1")
	return space.ReplaceAllString(number.ReplaceAllString(s, "0"), " ")
}

// figures leaves the numbers that do not differ from run to run.
func figures(s string) string {
	return strings.Join(number.FindAllString(digestText.ReplaceAllString(s, ""), -1), " ")
}

func writeReadme(t *testing.T, lines []string, all []block, out map[int]string) {
	t.Helper()
	var b strings.Builder
	at := 0
	for i, bl := range all {
		if got, ok := out[i]; ok {
			b.WriteString(strings.Join(lines[at:bl.from], "\n") + "\n" + got + "\n")
			at = bl.to
		}
	}
	b.WriteString(strings.Join(lines[at:], "\n"))
	if err := os.WriteFile("README.md", []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// copyModule copies this folder without what is built or belongs to git.
func copyModule(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path == "bin" || path == ".git" {
				return filepath.SkipDir
			}
			return os.MkdirAll(filepath.Join(dir, path), 0o755)
		}
		if !d.Type().IsRegular() || path == ".git" || strings.HasSuffix(path, ".test") {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, path), b, info.Mode().Perm())
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestDocLinks finds links to files of this repository that are not there.
func TestDocLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#: ]+)[^)]*\)|(?:src|srcset)="([^":]+)"`)
	seen := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "bin" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range link.FindAllStringSubmatch(string(b), -1) {
			if strings.HasPrefix(m[1], "http") {
				continue
			}
			target := filepath.Join(filepath.Dir(path), m[1]+m[2])
			seen++
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which is not there", path, target)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 10 {
		t.Errorf("only %d links found", seen)
	}
}
