// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/jsontape"
	"github.com/tickmark/tickmark/policy"
)

// fixture is a file of cases for one check; doc/spec/check.md describes it.
type fixture struct {
	Check   string        `yaml:"check"`
	Base    string        `yaml:"base"`
	Cases   []fixtureCase `yaml:"cases"`
	Without []any         `yaml:"without"`
}

type fixtureCase struct {
	Name       string           `yaml:"name"`
	Kind       string           `yaml:"kind"`
	Expect     string           `yaml:"expect"`
	Base       string           `yaml:"base"`
	Patch      map[string]any   `yaml:"patch"`
	Hide       []string         `yaml:"hide"`
	Related    []fixtureRelated `yaml:"related"`
	Complete   []string         `yaml:"complete"`
	Now        string           `yaml:"now"`
	Parameters map[string]any   `yaml:"parameters"`
	Reason     string           `yaml:"reason"`
	Near       string           `yaml:"near"`
}

type fixtureRelated struct {
	Base string `yaml:"base"`
	ID   string `yaml:"id"`
	// Subject is what a record was asked about: graph/groups/ID for a member.
	Subject string         `yaml:"subject"`
	Patch   map[string]any `yaml:"patch"`
	Hide    []string       `yaml:"hide"`
}

// want returns the verdict that the case expects.
func (c *fixtureCase) want() string {
	if c.Expect != "" {
		return c.Expect
	}
	return map[string]string{
		"pass": "pass", "fail": "fail", "nearMiss": "fail", "unobserved": "unknown", "notApplicable": "notApplicable",
	}[c.Kind]
}

const shapes = "../catalog/testdata/shapes"

func loadFixtures(t *testing.T) []fixture {
	t.Helper()
	names, err := filepath.Glob("../catalog/testdata/fixtures/*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	var out []fixture
	for _, n := range names {
		data, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		var f fixture
		if err := yaml.UnmarshalWithOptions(data, &f, yaml.Strict()); err != nil {
			t.Fatalf("%s: %v", n, err)
		}
		out = append(out, f)
	}
	return out
}

// shape returns the base shape of a type with a merge patch applied.
func shape(t *testing.T, typ string, patch map[string]any, id string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(shapes, strings.ReplaceAll(typ, "/", ".")+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(data, &object); err != nil {
		t.Fatal(err)
	}
	if id != "" {
		object["id"] = id
		object["name"] = id[strings.LastIndexByte(id, '/')+1:]
	}
	merged, ok := mergePatch(object, copied(patch)).(map[string]any)
	if !ok {
		t.Fatalf("the patch of %s leaves no object", typ)
	}
	return merged
}

// copied is a copy of a patch, so that hiding a value of one object does not
// change the next.
func copied(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[k] = copied(x)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = copied(x)
		}
		return out
	}
	return v
}

// mergePatch applies an RFC 7396 merge patch, in which null takes a member away
// and the text $null makes it null.
func mergePatch(target, patch any) any {
	if patch == "$null" {
		return nil
	}
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	object, ok := target.(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	for k, v := range p {
		if v == nil {
			delete(object, k)
		} else {
			object[k] = mergePatch(object[k], v)
		}
	}
	return object
}

// recordKey is the member of a shape that says what a page says of a record:
// {subject, identity}, and the id that the inventory makes of them. It is not a
// part of the object.
const recordKey = "$record"

// resource parses an object of type typ and hides the paths. Records do not name
// their type, and single ones have no id.
func resource(t *testing.T, typ string, object map[string]any, hide []string) *policy.Resource {
	t.Helper()
	data, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return parsed(t, typ, data, hide)
}

// tapes parses the many objects of these tests, which do not run in parallel.
var tapes jsontape.Parser

// asReceived leaves out what an inventory marks; for a control.
var asReceived bool

func parsed(t *testing.T, typ string, data []byte, hide []string) *policy.Resource {
	t.Helper()
	tape, err := tapes.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if inventory.IsRecord(typ) && !asReceived {
		inventory.MarkMembers(tape, tape.Root(), typ) // as an inventory does
	}
	for _, path := range hide {
		v, parent := tape.Root(), jsontape.Value{}
		for _, step := range steps(path) {
			parent = v
			if i, err := strconv.Atoi(step); err == nil {
				v = v.Index(i)
			} else {
				v = v.Get(step)
			}
		}
		switch {
		case v.Kind() != jsontape.Absent:
			tape.MarkUnobserved(v, "redacted")
		case parent.Kind() == jsontape.Object: // a member that is not there: it may have been
			tape.MarkOpen(parent, "redacted")
		default:
			t.Fatalf("hide %s: there is no such value", path)
		}
	}
	r := policy.NewResource(tape.Root())
	if inventory.IsRecord(typ) {
		r.Type = typ
		if r.ID = typ + "/" + r.ID; tape.Root().Get(recordKey).Kind() == jsontape.Object {
			r.ID = tape.Root().Get(recordKey).Get("id").Str()
		}
	}
	if r.Name == "" {
		r.Name = r.ID[strings.LastIndexByte(r.ID, '/')+1:]
	}
	if r.ID == "" || r.Type == "" {
		t.Fatalf("the object has no id or type: %s", data)
	}
	return r
}

// steps splits a path such as properties.list[0].name.
func steps(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' })
}

// world is the inventory of a case: related resources and what is complete.
type world struct {
	resources []*policy.Resource
	complete  []string
}

// Related implements policy.Inventory.
func (w *world) Related(q policy.Query) policy.Related {
	var out policy.Related
	for _, r := range w.resources {
		id := strings.ToLower(r.ID)
		switch {
		case !strings.EqualFold(r.Type, q.Type):
		case inventory.IsRecord(r.Type):
			out.Resources = append(out.Resources, r)
		case q.Under != "" && !strings.HasPrefix(id, strings.ToLower(q.Under)+"/"):
		case q.Subscription != "" && !strings.EqualFold(policy.SubscriptionOf(r.ID), q.Subscription):
		case q.ResourceGroup != "" && !strings.EqualFold(policy.ResourceGroupOf(r.ID), q.ResourceGroup):
		default:
			out.Resources = append(out.Resources, r)
		}
	}
	if !slices.ContainsFunc(w.complete, func(t string) bool { return strings.EqualFold(t, q.Type) }) {
		out.Missing = "notCollected"
	}
	return out
}

// engine compiles the checks of a catalogue.
type engine struct {
	catalog *catalog.Catalog
	aliases *policy.Catalog
}

func newEngine(t *testing.T) *engine {
	t.Helper()
	c, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	aliases := check.Aliases(c)
	return &engine{c, aliases}
}

// compiled is a check's rule and, if it has them, its own applicability and the
// rules of which one is enough.
type compiled struct {
	rule, applies *policy.Policy
	alternatives  []*policy.Policy
}

func (e *engine) bind(t *testing.T, k *catalog.Check, parameters map[string]any) compiled {
	t.Helper()
	c := compiled{rule: e.compile(t, k, k.Rule, parameters)}
	if k.Applies != nil {
		c.applies = e.compile(t, k, check.Applicability(k), parameters)
	}
	for _, a := range k.Alternatives {
		c.alternatives = append(c.alternatives, e.compile(t, k, a, parameters))
	}
	return c
}

func (e *engine) compile(t *testing.T, k *catalog.Check, rule []byte, parameters map[string]any) *policy.Policy {
	t.Helper()
	src := []byte(`{"mode":"All","policyRule":`)
	src = append(src, rule...)
	if k.Parameters != nil {
		src = append(append(src, `,"parameters":`...), k.Parameters...)
	}
	src = append(src, '}')
	d, err := policy.ParseDefinition(k.File, src)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]armexpr.Value{}
	for name, v := range parameters {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		tape, err := jsontape.Parse(data, jsontape.Options{})
		if err != nil {
			t.Fatal(err)
		}
		values[name] = armexpr.FromTape(tape.Root())
	}
	p, err := policy.Bind(d, values, e.aliases)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// outcome evaluates one case and returns verdict and reason in our words.
func outcome(c compiled, r *policy.Resource, w *world, now time.Time) (verdict, reason string) {
	if c.applies != nil {
		switch v, reason := outcome(compiled{rule: c.applies}, r, w, now); v {
		case "fail": // the check is about it
		case "pass":
			return "notApplicable", ""
		default:
			return v, reason
		}
	}
	for _, a := range c.alternatives {
		switch v, why := outcome(compiled{rule: a}, r, w, now); v {
		case "pass", "notApplicable":
			return v, ""
		case "unknown":
			if v, _ := outcome(compiled{rule: c.rule}, r, w, now); v != "pass" {
				return "unknown", why
			}
		}
	}
	p := c.rule
	e := policy.Evaluator{Env: &policy.Env{Now: now, Inventory: w}}
	o := e.Evaluate(p.For(r.Type), r)
	switch o.State {
	case policy.NonCompliant:
		return "fail", ""
	case policy.Compliant:
		return "pass", ""
	case policy.NotApplicable:
		return "notApplicable", ""
	case policy.Error:
		return "unknown", fmt.Sprintf("evaluationError: %v", o.Err)
	case policy.Unknown, policy.Conflicting, policy.Protected, policy.Exempt:
	}
	return "unknown", o.Reason
}

func (c *fixtureCase) instant(t *testing.T) time.Time {
	t.Helper()
	if c.Now == "" {
		return time.Time{}
	}
	now, err := time.Parse(time.RFC3339, c.Now)
	if err != nil {
		t.Fatal(err)
	}
	return now
}

func (c *fixtureCase) world(t *testing.T) *world {
	t.Helper()
	w := &world{complete: c.Complete}
	for _, r := range c.Related {
		w.resources = append(w.resources, resource(t, r.Base, shape(t, r.Base, r.Patch, r.ID), r.Hide))
	}
	return w
}

// base is the type whose shape the case starts from.
func (c *fixtureCase) base(f fixture) string {
	if c.Base != "" {
		return c.Base
	}
	return f.Base
}

func (c *fixtureCase) object(t *testing.T, f fixture) map[string]any {
	t.Helper()
	return shape(t, c.base(f), c.Patch, "")
}

// joins reports whether only Run can judge by the check.
func joins(k *catalog.Check) bool { return len(k.Joins) > 0 }

// TestFixturesWithParameters runs the cases that set parameters, which Run does
// not; TestFixturesRun has the others.
func TestFixturesWithParameters(t *testing.T) {
	e := newEngine(t)
	for _, f := range loadFixtures(t) {
		k := e.catalog.Check(f.Check)
		if k == nil {
			t.Errorf("fixture of check %q, which does not exist", f.Check)
			continue
		}
		for _, c := range f.Cases {
			if c.Parameters == nil || joins(k) {
				continue // TestJoinParameters has those of checks with joins
			}
			t.Run(f.Check+"/"+c.Name, func(t *testing.T) {
				p := e.bind(t, k, c.Parameters)
				r := resource(t, c.base(f), c.object(t, f), c.Hide)
				verdict, reason := outcome(p, r, c.world(t), c.instant(t))
				if verdict != c.want() {
					t.Errorf("got %s (%s), want %s", verdict, reason, c.want())
				}
				if c.Reason != "" && reason != c.Reason {
					t.Errorf("reason %q, want %q", reason, c.Reason)
				}
				if strings.HasPrefix(reason, "evaluationError") || reason == "unknownAlias" {
					t.Errorf("the rule does not evaluate: %s", reason)
				}
			})
		}
	}
}

// TestHiding hides every value of every decided case in turn: the verdict may
// become unknown, never another one. So does making a related type incomplete.
func TestHiding(t *testing.T) {
	e := newEngine(t)
	hidden, unknown := 0, 0
	for _, f := range loadFixtures(t) {
		k := e.catalog.Check(f.Check)
		if k == nil || joins(k) {
			continue // TestJoinHiding has those
		}
		t.Run(f.Check, func(t *testing.T) {
			if p := e.bind(t, k, nil); p.rule.Clock() != k.Clock {
				t.Errorf("the rule depends on the clock: %v, the check says %v", p.rule.Clock(), k.Clock)
			}
			for _, c := range f.Cases {
				if c.want() != "pass" && c.want() != "fail" {
					continue
				}
				p := e.bind(t, k, c.Parameters)
				verify := func(what string, r *policy.Resource, w *world) {
					hidden++
					switch got, _ := outcome(p, r, w, c.instant(t)); got {
					case c.want():
					case "unknown":
						unknown++
					default:
						t.Errorf("case %q, %s: %s instead of %s", c.Name, what, got, c.want())
					}
				}
				base, object, whole := c.base(f), c.object(t, f), c.world(t)
				data, err := json.Marshal(object)
				if err != nil {
					t.Fatal(err)
				}
				for _, path := range content(object) {
					verify("without "+path, parsed(t, base, data, append(slices.Clone(c.Hide), path)), whole)
				}
				unhidden := parsed(t, base, data, c.Hide)
				for i, rel := range c.Related {
					other := shape(t, rel.Base, rel.Patch, rel.ID)
					data, err := json.Marshal(other)
					if err != nil {
						t.Fatal(err)
					}
					for _, path := range content(other) {
						w := &world{slices.Clone(whole.resources), whole.complete}
						w.resources[i] = parsed(t, rel.Base, data, append(slices.Clone(rel.Hide), path))
						verify("related without "+path, unhidden, w)
					}
				}
				verify("nothing complete", unhidden, &world{resources: whole.resources})
			}
		})
	}
	if unknown == 0 || unknown == hidden {
		t.Errorf("of %d hidings %d led to unknown: the test does not reach the rules", hidden, unknown)
	}
	t.Logf("%d hidings, %d unknown", hidden, unknown)
}

// content lists every value of an object except its identity.
func content(object map[string]any) []string {
	var out []string
	read, _ := object[recordKey].(map[string]any)
	identity, _ := read["identity"].(string)
	for k, v := range object {
		if k != identity && k != "id" && k != "name" && k != "type" && k != recordKey && !strings.ContainsAny(k, ".[@") {
			out = append(out, paths(v, k)...)
		}
	}
	return out
}

// paths lists every value at and below v.
func paths(v any, at string) []string {
	if v == nil {
		return nil
	}
	out := []string{at}
	switch v := v.(type) {
	case map[string]any:
		for k, c := range v {
			if !strings.ContainsAny(k, ".[") {
				out = append(out, paths(c, at+"."+k)...)
			}
		}
	case []any:
		for i, c := range v {
			out = append(out, paths(c, fmt.Sprintf("%s[%d]", at, i))...)
		}
	}
	return out
}
