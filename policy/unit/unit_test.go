// SPDX-License-Identifier: Apache-2.0

package unit_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark/policy"
	"github.com/tickmark/tickmark/policy/unit"
)

var noon = time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)

// TestUnits runs the example test files, and each once more with every
// expectation changed, which must fail every case.
func TestUnits(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no test files", err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		o := unit.Options{Read: func(n string) ([]byte, error) { return os.ReadFile(filepath.Join("testdata", n)) }}
		u, err := unit.Parse(f, b, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range u.Run(noon) {
			if r.Want != r.Got {
				t.Errorf("%s:%d: %s: want %s, got %s: %s", f, r.Line, r.Name, r.Want, r.Got, r.Why)
			}
		}
		wrong := strings.NewReplacer("expect: compliant", "expect: protected", "expect: nonCompliant", "expect: protected", "expect: notApplicable", "expect: protected",
			"expect: error", "expect: protected", "state: unknown", "state: protected").Replace(string(b))
		u, err = unit.Parse(f, []byte(wrong), o)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range u.Run(noon) {
			if r.Want == r.Got {
				t.Errorf("%s:%d: %s passes with a wrong expectation", f, r.Line, r.Name)
			}
		}
	}
}

// TestUnitErrors holds mistakes and where they must be reported.
func TestUnitErrors(t *testing.T) {
	const good = "policy: {if: {field: type, equals: a/b}, then: {effect: audit}}\n"
	for _, c := range []struct{ name, src, want string }{
		{"empty", "", "x.yaml:1:1: the file is empty"},
		{"not yaml", "a: [", "x.yaml:1:"},
		{"unknown member", good + "case: []\n", `x.yaml:2:7: the file has no "case"`},
		{"no policy", "cases: [{resource: {}, expect: compliant}]", "needs policy"},
		{"no cases", good, "needs cases"},
		{"bad state", good + "cases:\n- resource: {type: a/b}\n  expect: fine\n", "x.yaml:4:11: expect must be"},
		{"no expectation", good + "cases:\n- resource: {type: a/b}\n", "x.yaml:3:3: the case needs expect"},
		{"no resource", good + "cases:\n- expect: compliant\n", "needs resource"},
		{"twice", good + "cases:\n- {name: a, resource: {type: a/b}, expect: compliant}\n- {name: a, resource: {type: a/b}, expect: compliant}\n", "two cases"},
		{"operator", "policy:\n  if:\n    field: type\n    equal: a/b\n  then: {effect: audit}\ncases: [{resource: {type: a/b}, expect: compliant}]\n", `x.yaml:4:12: "equal" is neither`},
		{"tag", "policy: !!str x\n", "tags are not read"},
		{"alias", "policy: *x\n", "no anchor"},
		{"file", "policy: nowhere.json\n", "x.yaml:1:9: open nowhere.json"},
	} {
		_, err := unit.Parse("x.yaml", []byte(c.src), unit.Options{Read: os.ReadFile})
		var e *policy.SourceError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: want %q, got %v", c.name, c.want, err)
		}
	}
}

// TestUnitBomb holds YAML that unfolds without end.
func TestUnitBomb(t *testing.T) {
	src := "policy: {a: &a0 [x,x,x,x,x,x,x,x,x]}\n"
	for i := range 12 {
		n := string(rune('a' + i))
		p := "a0"
		if i > 0 {
			p = string(rune('a'+i-1)) + "1"
		}
		src += n + ": &" + n + "1 [" + strings.TrimSuffix(strings.Repeat("*"+p+",", 9), ",") + "]\n"
	}
	if _, err := unit.Parse("bomb.yaml", []byte(src), unit.Options{}); err == nil || !strings.Contains(err.Error(), "unfolds") {
		t.Errorf("want a refusal, got %v", err)
	}
}
