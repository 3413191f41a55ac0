// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/policy"
)

// declared is one resource that a Bicep snippet declares.
type declared struct {
	symbol, typ, version, scope string
	existing                    bool
	body                        map[string]any
}

// bicepReader reads what our own snippets are written in: targetScope,
// resources, objects, arrays and literals, and the ids of what is declared. It
// is no compiler; what it does not know is an error.
type bicepReader struct {
	text string
	at   int
	ids  map[string]bool // symbols whose .id may be named
}

var bicepTokens = regexp.MustCompile(`^(?:[ \t]+|//[^\n]*|'(?:[^'\\]|\\.)*'|-?\d+|[A-Za-z_][A-Za-z0-9_]*(?:\(\))?(?:\.[A-Za-z]+)*|[\n{}\[\]:,=])`)

// next returns the next token; line ends count as commas do.
func (b *bicepReader) next() string {
	for {
		t := bicepTokens.FindString(b.text[b.at:])
		b.at += len(t)
		if strings.TrimLeft(t, " \t") == "" && t != "" || strings.HasPrefix(t, "//") {
			continue
		}
		if t == "," {
			return "\n"
		}
		return t
	}
}

func (b *bicepReader) peek() string {
	at := b.at
	t := b.next()
	b.at = at
	return t
}

func (b *bicepReader) lines() {
	for b.peek() == "\n" {
		b.next()
	}
}

func (b *bicepReader) want(t string) error {
	if got := b.next(); got != t {
		return fmt.Errorf("%q at byte %d, want %q", got, b.at, t)
	}
	return nil
}

func (b *bicepReader) value() (any, error) {
	switch t := b.next(); {
	case t == "{":
		return b.object()
	case t == "[":
		list := []any{}
		for b.lines(); b.peek() != "]"; b.lines() {
			v, err := b.value()
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		b.next()
		return list, nil
	case strings.HasPrefix(t, "'"):
		return strings.ReplaceAll(t[1:len(t)-1], `\'`, "'"), nil
	case t == "true" || t == "false":
		return t == "true", nil
	case t == "subscription().id":
		return idSubscription, nil
	case strings.HasSuffix(t, ".id") && b.ids[strings.TrimSuffix(t, ".id")]:
		return "{" + t + "}", nil
	default:
		n, err := strconv.Atoi(t)
		if err != nil {
			return nil, fmt.Errorf("%q at byte %d is no value that the reader knows", t, b.at)
		}
		return n, nil
	}
}

func (b *bicepReader) object() (map[string]any, error) {
	out := map[string]any{}
	for b.lines(); b.peek() != "}"; b.lines() {
		key := strings.Trim(b.next(), "'")
		if _, twice := out[key]; twice || key == "" {
			return nil, fmt.Errorf("key %q at byte %d", key, b.at)
		}
		if err := b.want(":"); err != nil {
			return nil, err
		}
		// A symbol stands alone in parent and scope.
		if (key == "scope" || key == "parent") && b.ids[b.peek()] {
			out[key] = b.next()
			continue
		}
		v, err := b.value()
		if err != nil {
			return nil, err
		}
		out[key] = v
		if t := b.peek(); t != "\n" && t != "}" {
			return nil, fmt.Errorf("%q at byte %d, want a comma, a line's end or a brace", t, b.at)
		}
	}
	b.next()
	return out, nil
}

var (
	bicepType      = regexp.MustCompile(`^[A-Za-z.]+(/[A-Za-z]+)+@20\d\d-[01]\d-[0-3]\d(-preview)?$`)
	bicepID        = regexp.MustCompile(`\{[a-zA-Z]+\.id\}`)
	idSubscription = "/subscriptions/00000000-0000-0000-0000-000000000001"
)

// readBicep reads a snippet; scope is its targetScope.
func readBicep(text string) (list []declared, scope string, err error) {
	b := &bicepReader{text: text, ids: map[string]bool{}}
	for b.lines(); b.peek() != ""; b.lines() {
		switch t := b.next(); t {
		case "targetScope":
			if err := b.want("="); err != nil {
				return nil, "", err
			}
			scope = strings.Trim(b.next(), "'")
		case "resource":
			d := declared{symbol: b.next()}
			name := strings.Trim(b.next(), "'")
			if !bicepType.MatchString(name) {
				return nil, "", fmt.Errorf("%q is not TYPE@VERSION", name)
			}
			d.typ, d.version, _ = strings.Cut(name, "@")
			if d.existing = b.peek() == "existing"; d.existing {
				b.next()
			}
			if err := b.want("="); err != nil {
				return nil, "", err
			}
			v, err := b.value()
			if err != nil {
				return nil, "", err
			}
			d.body, _ = v.(map[string]any)
			if s, ok := d.body["scope"].(string); ok {
				d.scope = s
			}
			if _, ok := d.body["name"].(string); !ok {
				return nil, "", fmt.Errorf("resource %s has no name", d.symbol)
			}
			b.ids[d.symbol] = true
			list = append(list, d)
		default:
			return nil, "", fmt.Errorf("%q at byte %d (of %d): want resource or targetScope", t, b.at, len(text))
		}
	}
	if b.at != len(b.text) {
		return nil, "", fmt.Errorf("unreadable at byte %d: %.20q", b.at, b.text[b.at:])
	}
	return list, scope, nil
}

// settings are the parts of a declaration that are of the resource itself.
func (d *declared) settings() map[string]any {
	out := map[string]any{}
	for k, v := range d.body {
		if k != "name" && k != "scope" && k != "parent" {
			out[k] = v
		}
	}
	return out
}

// whole is the resource of a declaration beside the judged one.
func (d *declared) whole(t *testing.T, judged *policy.Resource, scope string) *policy.Resource {
	t.Helper()
	full, _ := d.body["name"].(string)
	names := strings.Split(full, "/")
	types := strings.Split(d.typ, "/")
	if len(names) != len(types)-1 {
		t.Fatalf("%s: the name %q has %d parts", d.typ, full, len(names))
	}
	base := judged.ID
	switch {
	case strings.HasPrefix(d.typ, judged.Type+"/"):
		n := strings.Count(judged.Type, "/")
		types, names = types[n+1:], names[n:]
		for i := range types {
			base += "/" + types[i] + "/" + names[i]
		}
	default:
		switch {
		case d.scope != "":
		case scope == "subscription":
			base = idSubscription
		default:
			base = idSubscription + "/resourceGroups/rg-base"
		}
		base += "/providers/" + types[0]
		for i, n := range names {
			base += "/" + types[i+1] + "/" + n
		}
	}
	object := d.settings()
	object["id"], object["name"], object["type"] = base, names[len(names)-1], d.typ
	data, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	data = bicepID.ReplaceAllLiteral(data, []byte(judged.ID)) // what exists is the judged one
	return parsed(t, d.typ, data, nil)
}

// notByBicep are fails that the snippet of a check cannot mend, with the reason.
var notByBicep = map[string]string{
	"sql-backup-geo: in one place":               "the database says the new place once its backups are there",
	"sql-backup-geo: asked for but not yet done": "the database says the new place once its backups are there",
}

// passBare are checks that a declaration without settings passes, so that one
// with misnamed members does.
var passBare = map[string]string{"app-cors": "without cross-origin settings no origin is let in"}

// over lays settings over a merge patch; Resource Manager does not tell names
// by their case.
func over(patch, settings map[string]any) map[string]any {
	for key, v := range settings {
		var old any
		for k := range patch {
			if strings.EqualFold(k, key) {
				if patch[k] != nil {
					old = patch[k]
				}
				delete(patch, k)
			}
		}
		below, ok := v.(map[string]any)
		if !ok {
			patch[key] = v
			continue
		}
		under, _ := old.(map[string]any)
		if under == nil {
			under = map[string]any{}
		}
		patch[key] = over(under, below)
	}
	return patch
}

// of returns the declaration of the judged resource: the one with its name, or
// the first of its type.
func of(list []declared, typ, name string) *declared {
	var first *declared
	for i := range list {
		d := &list[i]
		if d.existing || d.typ != typ {
			continue
		}
		full, _ := d.body["name"].(string)
		if strings.EqualFold(full[strings.LastIndexByte(full, '/')+1:], name) {
			return d
		}
		if first == nil {
			first = d
		}
	}
	return first
}

// wrong renames every member below properties, so that no path is right.
func wrong(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			out[k+"X"] = wrong(x)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = wrong(x)
		}
		return out
	}
	return v
}

// repaired judges a case after the declarations were deployed over it.
func (e *engine) repaired(t *testing.T, k *catalog.Check, f fixture, c *fixtureCase, list []declared, scope string) string {
	t.Helper()
	one := *c
	object := c.object(t, f)
	name, _ := object["name"].(string)
	if d := of(list, c.base(f), name); d != nil {
		settings, _ := copied(d.settings()).(map[string]any)
		over(object, settings)
		if one.Patch, _ = copied(c.Patch).(map[string]any); one.Patch == nil {
			one.Patch = map[string]any{}
		}
		over(one.Patch, settings)
	}
	if joins(k) {
		return verdictOf(t, alone(t, e.catalog, k, nil), snapshotOf(t, f, &one), &one)
	}
	r := resource(t, c.base(f), object, c.Hide)
	w := one.world(t)
	for i := range list {
		if d := &list[i]; !d.existing && d.typ != c.base(f) {
			made := d.whole(t, r, scope)
			w.resources = slices.DeleteFunc(w.resources, func(o *policy.Resource) bool { return strings.EqualFold(o.ID, made.ID) })
			w.resources = append(w.resources, made)
		}
	}
	got, reason := outcome(e.bind(t, k, nil), r, w, c.instant(t))
	if got == "unknown" {
		return got + " " + reason
	}
	return got
}

// TestBicep deploys the Bicep of every check over its failing cases: what it
// sets is what the rule reads, so each must pass. The same declarations with
// every member misnamed must mend none.
func TestBicep(t *testing.T) {
	e := newEngine(t)
	snippets, mended, left := 0, 0, map[string]bool{}
	for _, f := range loadFixtures(t) {
		k := e.catalog.Check(f.Check)
		if k == nil || k.Remediation.Bicep == "" {
			continue
		}
		snippets++
		t.Run(k.ID, func(t *testing.T) {
			list, scope, err := readBicep(k.Remediation.Bicep)
			if err != nil {
				t.Fatal(err)
			}
			misnamed := slices.Clone(list)
			for i := range misnamed {
				body := map[string]any{}
				for key, v := range list[i].body {
					if key != "name" && key != "scope" && key != "parent" {
						v = wrong(v)
						if key != "properties" {
							key += "X"
						}
					}
					body[key] = v
				}
				misnamed[i].body = body
			}
			n := 0
			for i := range f.Cases {
				c := &f.Cases[i]
				if c.want() != "fail" || c.Parameters != nil || len(c.Hide) > 0 {
					continue
				}
				if got := e.repaired(t, k, f, c, nil, ""); got != "fail" {
					t.Errorf("case %q: %s before", c.Name, got)
				}
				switch got := e.repaired(t, k, f, c, list, scope); {
				case got == "pass":
					n++
				case notByBicep[k.ID+": "+c.Name] != "":
					left[k.ID+": "+c.Name] = true
				default:
					t.Errorf("case %q: %s with the snippet", c.Name, got)
				}
				if got := e.repaired(t, k, f, c, misnamed, scope); got == "pass" && passBare[k.ID] == "" {
					t.Errorf("case %q passes although every member is misnamed", c.Name)
				}
			}
			if n == 0 {
				t.Error("the snippet mends no case")
			}
			mended += n
		})
	}
	for name := range notByBicep {
		if !left[name] {
			t.Errorf("notByBicep: %q is mended, or does not exist", name)
		}
	}
	t.Logf("%d snippets mend %d failing cases", snippets, mended)
	if snippets < 100 {
		t.Errorf("%d snippets, want at least 100", snippets)
	}
}

// TestBicepReader: what is not understood is not skipped.
func TestBicepReader(t *testing.T) {
	for _, bad := range []string{
		"properties: { a: true }", "resource x 'A.B/c' = { name: 'x' }", "resource x 'A.B/c@2024-01-01' = { properties: {} }",
		"resource x 'A.B/c@2024-01-01' = { name: 'x' properties: {} }", "resource x 'A.B/c@2024-01-01' = { name: y.id }",
		"resource x 'A.B/c@2024-01-01' = { name: 'x', a: 1, a: 2 }", "resource x 'A.B/c@2024-01-01' = { name: 'x' } }",
	} {
		if list, _, err := readBicep(bad); err == nil {
			t.Errorf("%s: read as %+v", bad, list)
		}
	}
	list, scope, err := readBicep("targetScope = 'subscription'\nresource x 'A.B/c@2024-01-01' = {\n  name: 'x' // why\n  properties: { a: [1, 'b', { c: false }], d: subscription().id }\n}\n")
	if err != nil || scope != "subscription" || fmt.Sprint(list[0].body["properties"]) != "map[a:[1 b map[c:false]] d:"+idSubscription+"]" {
		t.Errorf("%v %q %+v", err, scope, list)
	}
}
