// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/tickmark/tickmark/jsontape"
	"github.com/tickmark/tickmark/policy"
)

var noon = time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)

// evaluateText parses, binds, evaluates, traces and lints: everything that a
// text of unknown origin meets. It returns the outcome for tests of limits.
func evaluateText(definition, resource []byte) (policy.Outcome, error) {
	c := policy.NewCatalog()
	c.Literal = true
	c.Add("a/b", policy.Alias{Name: "a/b/list[*]", Path: "properties.list[*]"})
	c.Add("a/b", policy.Alias{Name: "a/b/other[*]", Path: "properties.other[*]"})
	policy.Lint("fuzz.json", definition, policy.LintOptions{Catalog: c})
	d, err := policy.ParseDefinition("fuzz.json", definition)
	if err != nil {
		return policy.Outcome{}, err
	}
	p, err := policy.Bind(d, d.StandIns(), c)
	if err != nil {
		return policy.Outcome{}, err
	}
	tape, err := jsontape.Parse(resource, jsontape.Options{})
	if err != nil || tape.Root().Kind() != jsontape.Object {
		if tape, err = jsontape.Parse([]byte(`{"type":"a/b","properties":{"list":[1,"x",{"name":"y"}]}}`), jsontape.Options{}); err != nil {
			return policy.Outcome{}, err
		}
	}
	r := policy.NewResource(tape.Root())
	ev := &policy.Evaluator{Env: &policy.Env{Now: noon, Inventory: policy.NewList([]*policy.Resource{r})}}
	prog := p.For(r.Type)
	o := ev.Evaluate(prog, r)
	ev.Explain(prog, r, o)
	if _, err := ev.Changes(prog, r); err != nil && o.State != policy.Error {
		return o, nil
	}
	return o, nil
}

// TestHostileDefinitions holds texts that are meant to exhaust time or memory.
func TestHostileDefinitions(t *testing.T) {
	rule := func(cond string) string { return `{"if":` + cond + `,"then":{"effect":"audit"}}` }
	nest := func(n int, open, inner, end string) string {
		return strings.Repeat(open, n) + inner + strings.Repeat(end, n)
	}
	hundred := "[" + strings.TrimSuffix(strings.Repeat("1,", 100), ",") + "]"
	list := `{"type":"a/b","name":"` + strings.Repeat("a", 100_000) + `","properties":{"list":[` + strings.TrimSuffix(strings.Repeat("1,", 5000), ",") +
		`],"other":[` + strings.TrimSuffix(strings.Repeat("2,", 5000), ",") + `]}}`
	for name, text := range map[string]string{
		"deep conditions": rule(nest(5000, `{"not":`, `{"field":"name","equals":"x"}`, `}`)),
		"deep allOf":      rule(nest(60, `{"allOf":[`, `{"field":"name","equals":"x"}`, `]}`)),
		"wide allOf":      rule(`{"allOf":[` + strings.TrimSuffix(strings.Repeat(`{"field":"name","equals":"x"},`, 5000), ",") + `]}`),
		"deep expression": rule(`{"value":"[` + nest(20_000, "not(", "true", ")") + `]","equals":true}`),
		"long expression": rule(`{"value":"[concat('` + strings.Repeat("a", 90_000) + `')]","equals":"x"}`),
		"nested value counts": rule(nest(9, `{"count":{"value":`+hundred+`,"where":`,
			`{"field":"name","equals":"x"}`, `},"greater":0}`)),
		"nested field counts": rule(`{"count":{"field":"a/b/list[*]","where":{"count":{"field":"a/b/other[*]","where":` +
			`{"count":{"value":` + hundred + `,"where":{"value":"[current('a/b/other[*]')]","equals":"x"}},"greater":5}},"greater":7}},"equals":3}`),
		"like with many stars": rule(`{"field":"name","like":"` + strings.Repeat("*a", 2000) + `b"}`),
		"range":                rule(`{"value":"[length(range(0, 2000000000))]","equals":1}`),
		"growing text":         rule(`{"value":"[` + nest(40, "concat(", "field('name')", ",field('name'))") + `]","equals":"x"}`),
		"doubling": rule(`{"value":"[` + func() string {
			s := "field('name')"
			for range 5 {
				s = "concat(" + s + "," + s + "," + s + "," + s + "," + s + ")"
			}
			return s
		}() + `]","equals":"x"}`),
		"padLeft":        rule(`{"value":"[padLeft('a', 2000000000)]","equals":"x"}`),
		"base64":         rule(`{"value":"[` + nest(30, "base64(", "field('name')", ")") + `]","equals":"x"}`),
		"replace":        rule(`{"value":"[` + nest(12, "replace(", "field('name')", ",'a','aaaaaaaaaa')") + `]","equals":"x"}`),
		"split":          rule(`{"value":"[length(split(field('name'), 'a'))]","greater":1}`),
		"uniqueness":     rule(`{"value":"[` + nest(30, "union(", "createArray(1)", `,field('a/b/list[*]'))`) + `]","equals":"x"}`),
		"in a long list": rule(`{"field":"a/b/list[*]","in":[` + strings.TrimSuffix(strings.Repeat(`"x",`, 20_000), ",") + `]}`),
	} {
		t.Run(name, func(t *testing.T) {
			done := make(chan string, 1)
			start := time.Now()
			go func() {
				o, err := evaluateText([]byte(text), []byte(list))
				done <- fmt.Sprintf("%v %s %.80v %.80v", o.State, o.Reason, o.Err, err)
			}()
			select {
			case s := <-done:
				t.Logf("%s after %s", s, time.Since(start).Round(time.Millisecond))
				if d := time.Since(start); d > 10*time.Second {
					t.Errorf("it took %s", d)
				}
			case <-time.After(30 * time.Second):
				t.Fatal("no end after 30 seconds")
			}
		})
	}
}

// FuzzDefinition looks for texts that make parsing, binding or evaluation
// panic or run on.
func FuzzDefinition(f *testing.F) {
	files, err := filepath.Glob("testdata/lint/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	resource := []byte(`{"id":"/subscriptions/s/resourceGroups/g/providers/a/b/n","type":"a/b","name":"n","location":"westeurope","tags":{"a":"b"},"properties":{"list":[1,"x",{"name":"y"}],"mode":"on","size":5}}`)
	for _, name := range files {
		ar, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, x := range ar.Files {
			f.Add(bytes.ReplaceAll(x.Data, []byte("Microsoft.Test/things"), []byte("a/b")), resource)
		}
	}
	for _, suite := range []string{"eval", "parser"} { // seeds where the shared vectors are
		b, err := os.ReadFile("../../shared/conformance/policy-" + suite + ".jsonl")
		if err != nil {
			continue
		}
		for line := range bytes.Lines(b) {
			tape, err := jsontape.Parse(bytes.TrimSpace(line), jsontape.Options{})
			if err == nil {
				f.Add(tape.Root().Get("policy").Raw(), tape.Root().Get("resource").Raw())
			}
		}
	}
	f.Fuzz(func(t *testing.T, definition, resource []byte) {
		if len(definition) > 1<<16 || len(resource) > 1<<16 {
			return
		}
		start := time.Now()
		_, _ = evaluateText(definition, resource)
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("it took %s", d)
		}
	})
}
