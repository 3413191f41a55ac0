// SPDX-License-Identifier: Apache-2.0

package template_test

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tickmark/tickmark/jsontape"
	"github.com/tickmark/tickmark/template"
)

var update = flag.Bool("update", false, "rewrite the wanted parts of testdata; read the difference before keeping it")

// archive is a file of testdata in the txtar form: a comment, then files that
// begin with lines "-- NAME --".
type archive struct {
	comment string
	names   []string
	files   map[string]string
}

func readArchive(tb testing.TB, path string) *archive {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	a := &archive{files: map[string]string{}}
	name := ""
	for line := range strings.Lines(string(b)) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "-- "); ok && strings.HasSuffix(n, " --") {
			name = strings.TrimSuffix(n, " --")
			a.names = append(a.names, name)
			a.files[name] = ""
			continue
		}
		if name == "" {
			a.comment += line
		} else {
			a.files[name] += line
		}
	}
	return a
}

func (a *archive) write(t *testing.T, path string) {
	t.Helper()
	s := a.comment
	for _, n := range a.names {
		s += "-- " + n + " --\n" + a.files[n]
	}
	if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
		t.Fatal(err)
	}
}

// options reads lines "key value"; files of the archive lie beside the template.
func (a *archive) options(t *testing.T) template.Options {
	t.Helper()
	o := template.Options{
		Name: "template.json", ParametersName: "parameters.json", Parameters: []byte(a.files["parameters.json"]),
		Open: func(path string) ([]byte, error) {
			if s, ok := a.files[path]; ok {
				return []byte(s), nil
			}
			return nil, fs.ErrNotExist
		},
	}
	for line := range strings.Lines(a.files["options"]) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch key {
		case "subscription":
			o.Subscription = value
		case "tenant":
			o.TenantID = value
		case "resource-group":
			o.ResourceGroup = value
		case "management-group":
			o.ManagementGroup = value
		case "location":
			o.Location = value
		case "deployment":
			o.Deployment = value
		case "cloud":
			o.Cloud = value
		case "now":
			now, err := time.Parse(time.RFC3339, value)
			if err != nil {
				t.Fatal(err)
			}
			o.Now = now
		case "":
		default:
			t.Fatalf("option %q does not exist", key)
		}
	}
	return o
}

// render prints a result as the wanted part has it.
func render(r *template.Result) string {
	var b strings.Builder
	for i, it := range r.Items {
		p := r.Places[i]
		fmt.Fprintf(&b, "%s:%d: %s\n", p.Input, p.Line, r.Page[it.Off:it.Off+it.Len])
	}
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "problem %s:%d:%d: %s\n", p.Input, p.Line, p.Col, p.What)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "note %s:%d: %s: %s\n", n.Place.Input, n.Place.Line, n.Object, n.What)
	}
	for _, n := range r.NotMapped {
		fmt.Fprintf(&b, "not mapped %s:%d: %s: %s\n", n.Place.Input, n.Place.Line, n.Object, n.What)
	}
	return b.String()
}

// TestCases expands every archive of testdata and compares with its wanted part.
func TestCases(t *testing.T) {
	paths, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.ToSlash(path[len("testdata/"):]), ".txtar"), func(t *testing.T) {
			a := readArchive(t, path)
			var got string
			r, err := template.Expand(context.Background(), []byte(a.files["template.json"]), a.options(t))
			if err != nil {
				got = "error " + err.Error() + "\n"
			} else {
				got = render(r)
				wellFormed(t, r)
			}
			if *update {
				if _, ok := a.files["want"]; !ok {
					a.names = append(a.names, "want")
				}
				a.files["want"] = got
				a.write(t, path)
				return
			}
			if d := cmp.Diff(a.files["want"], got); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

// wellFormed checks what holds of every result: the page is strict JSON, items
// are its elements, ids are distinct and complete.
func wellFormed(t *testing.T, r *template.Result) {
	t.Helper()
	tape, err := jsontape.Parse(r.Page, jsontape.Options{})
	if err != nil {
		t.Fatalf("the page is not strict JSON: %v\n%s", err, r.Page)
	}
	if n := tape.Root().Len(); n != len(r.Items) || n != len(r.IDs) || n != len(r.Places) {
		t.Fatalf("%d elements, %d items, %d ids, %d places", n, len(r.Items), len(r.IDs), len(r.Places))
	}
	seen := map[string]bool{}
	for i, it := range r.Items {
		item, err := jsontape.Parse(r.Page[it.Off:it.Off+it.Len], jsontape.Options{})
		if err != nil {
			t.Fatalf("item %d: %v", i, err)
		}
		id := item.Root().Get("id").Str()
		if id != r.IDs[i] || !strings.HasPrefix(id, "/") || seen[strings.ToLower(id)] {
			t.Errorf("item %d has id %q, known as %q, seen before: %v", i, id, r.IDs[i], seen[strings.ToLower(id)])
		}
		seen[strings.ToLower(id)] = true
		if typ := item.Root().Get("type").Str(); !strings.Contains(typ, "/") {
			t.Errorf("item %d has type %q", i, typ)
		}
		if k := item.Root().Get("properties").Kind(); k != jsontape.Object && k != jsontape.Unobserved {
			t.Errorf("item %d has properties of kind %v", i, k)
		}
	}
}
