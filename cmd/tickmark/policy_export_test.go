// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/jsontape"
	"github.com/tickmark/tickmark/policy"
)

// exportFixture is the part of a check's fixture that needs no inventory.
type exportFixture struct {
	Check string
	Base  string
	Cases []struct {
		Name    string
		Base    string
		Patch   map[string]any
		Now     string
		Related []struct {
			Base  string
			ID    string `yaml:"id"`
			Patch map[string]any
		}
	}
}

// TestExportRoundTrip evaluates every exported definition beside the check it
// came from, on all cases of the check's fixture, through the text that export
// writes.
func TestExportRoundTrip(t *testing.T) {
	c, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	x, err := exportPolicies(c, "/subscriptions/s")
	if err != nil {
		t.Fatal(err)
	}
	aliases := check.Aliases(c)
	cases, states := 0, map[policy.State]int{}
	for i := range x.Definitions {
		d := &x.Definitions[i]
		text, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		ours := bindText(t, aliases, d.check.File, ruleText(d.check))
		theirs := bindText(t, aliases, d.Name+".json", text)
		f := readFixture(t, d.check.ID)
		for _, fc := range f.Cases {
			base := fc.Base
			if base == "" {
				base = f.Base
			}
			r := shapeOf(t, base, "", fc.Patch)
			var related []*policy.Resource
			for _, rel := range fc.Related {
				related = append(related, shapeOf(t, rel.Base, rel.ID, rel.Patch))
			}
			now, err := instant(fc.Now, func() time.Time { return time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC) })
			if err != nil {
				t.Fatal(err)
			}
			ev := &policy.Evaluator{Env: &policy.Env{Now: now, Inventory: policy.NewList(related)}}
			a, b := ev.Evaluate(ours.For(r.Type), r), ev.Evaluate(theirs.For(r.Type), r)
			if d.check.Applies != nil { // Azure knows no resource that a rule is not about: it complies
				about := bindText(t, aliases, d.check.File, append(append([]byte(`{"mode":"All","parameters":`), parametersOf(d.check)...), append(append([]byte(`,"policyRule":`), check.Applicability(d.check)...), '}')...))
				if s := ev.Evaluate(about.For(r.Type), r).State; s == policy.Compliant && b.State != policy.NonCompliant {
					a.State, a.Reason = b.State, b.Reason
				}
			}
			if a.State != b.State || a.Reason != b.Reason {
				t.Errorf("%s, case %q: %v as a check, %v as exported", d.check.ID, fc.Name, a, b)
			}
			cases++
			states[a.State]++
		}
	}
	t.Logf("%d definitions, %d cases: %v; %d not exportable", len(x.Definitions), cases, states, len(x.NotExportable))
	if len(x.Definitions)+len(x.NotExportable) != len(c.Checks) || states[policy.Compliant] < 100 || states[policy.NonCompliant] < 100 {
		t.Errorf("the cases do not cover enough: %v", states)
	}
}

func parametersOf(k *catalog.Check) []byte {
	if k.Parameters == nil {
		return []byte("{}")
	}
	return k.Parameters
}

func ruleText(k *catalog.Check) []byte {
	b := append([]byte(`{"mode":"All","policyRule":`), k.Rule...)
	if k.Parameters != nil {
		b = append(append(b, `,"parameters":`...), k.Parameters...)
	}
	return append(b, '}')
}

func bindText(t *testing.T, c *policy.Catalog, name string, text []byte) *policy.Policy {
	t.Helper()
	d, err := policy.ParseDefinition(name, text)
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Bind(d, nil, c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func readFixture(t *testing.T, id string) exportFixture {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../catalog/testdata/fixtures", id+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var f exportFixture
	if err := yaml.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// shapeOf is the base shape of a type with a merge patch.
func shapeOf(t *testing.T, typ, id string, patch map[string]any) *policy.Resource {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../catalog/testdata/shapes", strings.ReplaceAll(typ, "/", ".")+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var object any
	if err := json.Unmarshal(b, &object); err != nil {
		t.Fatal(err)
	}
	object = merged(object, patch)
	if id != "" {
		object.(map[string]any)["id"] = id //nolint:errcheck // a shape is an object
	}
	if b, err = json.Marshal(object); err != nil {
		t.Fatal(err)
	}
	tape, err := jsontape.Parse(b, jsontape.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return policy.NewResource(tape.Root())
}

// merged applies an RFC 7396 merge patch.
func merged(target any, patch map[string]any) any {
	object, ok := target.(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	for k, v := range patch {
		if p, ok := v.(map[string]any); ok {
			object[k] = merged(object[k], p)
		} else if v == nil {
			delete(object, k)
		} else {
			object[k] = v
		}
	}
	return object
}

// TestExportScript runs the script with an az that writes down how it was
// called, and looks at every file that it was given.
func TestExportScript(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh on this machine")
	}
	dir, bin := t.TempDir(), t.TempDir()
	cmd := policyExportCommand{Out: dir, Scope: "/subscriptions/00000000-0000-0000-0000-000000000000"}
	if err := cmd.Run(&runContext{Out: &bytes.Buffer{}}); err != nil {
		t.Fatal(err)
	}
	fake := `#!/bin/sh
echo CALL "$1 $2 $3"
while [ $# -gt 0 ]; do
	case $1 in @*) f=${1#@}; test -s "$f" || { echo "no file $f"; exit 1; }; grep -c 00000000-0000-0000-0000-000000000000 "$f" && exit 1 ;;
	--subscription) echo "SUB $2" ;;
	esac
	shift
done
`
	if err := os.WriteFile(filepath.Join(bin, "az"), []byte(fake), 0o755); err != nil {
		t.Fatal(err)
	}
	run := func(scope string) (string, error) {
		c := exec.Command(sh, filepath.Join(dir, "create.sh"), scope)
		c.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
		b, err := c.CombinedOutput()
		return string(b), err
	}
	out, err := run("/subscriptions/11111111-1111-1111-1111-111111111111")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := strings.Count(out, "CALL policy definition create"); n < 100 {
		t.Errorf("%d definitions were created", n)
	}
	if strings.Count(out, "CALL policy set-definition create") != 1 || !strings.Contains(out, "SUB 11111111-1111-1111-1111-111111111111") {
		t.Errorf("the initiative was not created:\n%s", out)
	}
	if out, err := run("nonsense"); err == nil {
		t.Errorf("a scope that is none is accepted:\n%s", out)
	}
}
