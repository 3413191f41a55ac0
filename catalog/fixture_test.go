// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// fixture is the file that holds the cases of one check; doc/spec/check.md
// describes it. The cases are run by the tests of package check, which has the
// engine; here they are verified as data.
type fixture struct {
	Check   string        `yaml:"check"`
	Base    string        `yaml:"base"`
	Cases   []fixtureCase `yaml:"cases"`
	Without []struct {
		Kind    string `yaml:"kind"`
		Because string `yaml:"because"`
	} `yaml:"without"`
}

type fixtureCase struct {
	Name       string         `yaml:"name"`
	Kind       string         `yaml:"kind"`
	Expect     string         `yaml:"expect"`
	Patch      map[string]any `yaml:"patch"`
	Hide       []string       `yaml:"hide"`
	Complete   []string       `yaml:"complete"`
	Now        string         `yaml:"now"`
	Parameters map[string]any `yaml:"parameters"`
	Reason     string         `yaml:"reason"`
	Near       string         `yaml:"near"`
	Base       string         `yaml:"base"`
	Related    []struct {
		Base string `yaml:"base"`
		ID   string `yaml:"id"`
		// Subject is what a record was asked about: graph/groups/ID for a member.
		Subject string         `yaml:"subject"`
		Patch   map[string]any `yaml:"patch"`
		Hide    []string       `yaml:"hide"`
	} `yaml:"related"`
}

var fixtureKinds = []string{"pass", "fail", "nearMiss", "missing", "unobserved", "notApplicable"}

func readFixture(t *testing.T, name string) (fixture, bool) {
	t.Helper()
	var f fixture
	data, err := os.ReadFile(name)
	if err != nil {
		t.Error(err)
		return f, false
	}
	src := file{name: name, data: data}
	m, err := parseYAML(src)
	if err == nil {
		err = decode(src, m, &f)
	}
	if err != nil {
		t.Error(err)
		return f, false
	}
	return f, true
}

func shapeFile(typ string) string {
	return filepath.Join("testdata", "shapes", strings.ReplaceAll(typ, "/", ".")+".json")
}

func readShape(t *testing.T, typ string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(shapeFile(typ))
	if err != nil {
		t.Error(err)
		return nil
	}
	var v map[string]any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Errorf("%s: %v", shapeFile(typ), err)
	}
	return v
}

// TestFixtures verifies that every check has its cases, and that no file is
// left without a check.
func TestFixtures(t *testing.T) {
	c, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob("testdata/fixtures/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if id := strings.TrimSuffix(filepath.Base(n), ".yaml"); c.Check(id) == nil {
			t.Errorf("%s: there is no check %s", n, id)
		}
	}
	for _, k := range c.Checks {
		t.Run(k.ID, func(t *testing.T) {
			name := filepath.Join("testdata", "fixtures", k.ID+".yaml")
			f, ok := readFixture(t, name)
			if !ok {
				return
			}
			if f.Check != k.ID {
				t.Errorf("%s: check %q", name, f.Check)
			}
			if !slices.Contains(k.Types, f.Base) {
				t.Errorf("%s: base %q is not a type of the check", name, f.Base)
			}
			verifyCases(t, c, k, f)
		})
	}
}

func verifyCases(t *testing.T, c *Catalog, k *Check, f fixture) {
	t.Helper()
	seen := map[string]bool{}
	for _, w := range f.Without {
		if w.Because == "" || !slices.Contains(fixtureKinds, w.Kind) {
			t.Errorf("without %q: want a kind and the reason", w.Kind)
		}
		seen[w.Kind] = true
	}
	titles := map[string]bool{}
	for _, fc := range f.Cases {
		if fc.Name == "" || titles[fc.Name] {
			t.Errorf("case %q: want a name of its own", fc.Name)
		}
		titles[fc.Name] = true
		if !slices.Contains(fixtureKinds, fc.Kind) {
			t.Errorf("case %q: kind %q", fc.Name, fc.Kind)
		}
		seen[fc.Kind] = true
		switch {
		case fc.Kind == "missing" && fc.Expect == "":
			t.Errorf("case %q: a missing case says what to expect", fc.Name)
		case fc.Kind == "unobserved" && len(fc.Hide) == 0 && len(fc.Related) == 0 && len(k.Needs) == 0:
			t.Errorf("case %q: nothing is hidden", fc.Name)
		case fc.Expect != "" && !slices.Contains([]string{"pass", "fail", "unknown", "notApplicable"}, fc.Expect):
			t.Errorf("case %q: expect %q", fc.Name, fc.Expect)
		}
		base := f.Base
		if fc.Base != "" {
			base = fc.Base
		}
		verifyShape(t, base, fc.Name)
		for _, r := range fc.Related {
			verifyShape(t, r.Base, fc.Name)
			if !slices.Contains(k.Needs, r.Base) {
				t.Errorf("case %q: related type %q is not in needs", fc.Name, r.Base)
			}
		}
		for _, typ := range fc.Complete {
			if c.Type(typ) == nil {
				t.Errorf("case %q: type %q is not known", fc.Name, typ)
			}
		}
		if k.Clock != (fc.Now != "") {
			t.Errorf("case %q: clock is %v, now is %q", fc.Name, k.Clock, fc.Now)
		}
		if fc.Now != "" {
			if _, err := time.Parse(time.RFC3339, fc.Now); err != nil {
				t.Errorf("case %q: %v", fc.Name, err)
			}
		}
	}
	for _, kind := range fixtureKinds {
		if !seen[kind] {
			t.Errorf("no case of kind %s, and no reason why", kind)
		}
	}
}

func verifyShape(t *testing.T, typ, name string) {
	t.Helper()
	if v := readShape(t, typ); v != nil && !isRecord(typ) {
		if got, _ := v["type"].(string); !strings.EqualFold(got, typ) {
			t.Errorf("case %q: shape %s has type %q", name, typ, got)
		}
		if id, _ := v["id"].(string); !strings.HasPrefix(id, "/subscriptions/") {
			t.Errorf("case %q: shape %s has id %q", name, typ, id)
		}
	}
}

// isRecord reports whether a type is of records, which are not ARM's objects:
// they do not say their type, and what tells them apart is not in an id.
func isRecord(typ string) bool {
	source, _, _ := strings.Cut(typ, "/")
	return slices.Contains([]string{"graph", "devops", "github", "power", "m365", "arm", "hr"}, source)
}
