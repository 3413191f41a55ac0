// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/inventory"
)

// driftSources are the sources whose answers may drift here: the first segments
// of the types.
var driftSources = []string{"graph/", "devops/", "github/", "power/", "arm/entraDiagnosticSettings"}

// drifts are the forms of fault C19: what becomes of a member.
var drifts = []string{"rename", "text", "null", "enum"}

// driftField is a member that a check reads.
type driftField struct{ typ, path string }

var joinWord = regexp.MustCompile(`^(?:groups|scopes|members|any)\((.*)\)$`)

// driftFields lists the members that a check reads: those that its rules name, and
// those by which it joins.
func driftFields(c *catalog.Catalog, k *catalog.Check) []driftField {
	var out []driftField
	add := func(typ, path string) {
		f := driftField{typ, path}
		if path != "" && slices.ContainsFunc(driftSources, func(s string) bool { return strings.HasPrefix(typ, s) }) && !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	text := string(k.Rule) + string(k.Applies)
	for _, a := range k.Alternatives {
		text += string(a)
	}
	text = strings.ToLower(text)
	for _, typ := range slices.Concat(k.Types, k.Needs) {
		t := c.Type(typ)
		if t == nil {
			continue
		}
		for a := range t.Aliases() {
			for _, quote := range []string{`"`, `'`} {
				if strings.Contains(text, quote+strings.ToLower(a.Name)+quote) {
					add(typ, a.Path)
				}
			}
		}
	}
	operand := func(typ, s string) {
		if m := joinWord.FindStringSubmatch(s); m != nil {
			s = m[1]
		}
		if s == "all" || s == "subject" {
			return
		}
		for p := range strings.SplitSeq(s, ",") {
			add(typ, strings.TrimSpace(p))
		}
	}
	for _, j := range k.Joins {
		operand(j.Type, j.Match)
		operand(j.Type, j.Each)
		for _, typ := range k.Types {
			operand(typ, j.With)
		}
		for p := range j.Where {
			add(j.Type, p)
		}
		for _, p := range j.Take {
			add(j.Type, p)
		}
	}
	return out
}

// described finds what the table says of a member.
func described(f driftField) (inventory.Member, bool) {
	all := inventory.Members(f.typ)
	for _, p := range []string{f.path, strings.TrimSuffix(f.path, "[*]")} {
		for _, m := range all {
			if strings.EqualFold(m.Path, p) {
				return m, true
			}
		}
	}
	return inventory.Member{}, false
}

// fact says why an answer with the drift may be what the service means, so that
// another verdict is right; empty if it cannot be.
func fact(f driftField, m *inventory.Member, drift string) string {
	switch drift {
	case "rename":
		if m.Always {
			return ""
		}
		parent := "."
		if i := strings.LastIndexByte(f.path, '.'); i > 0 {
			parent = f.path[:i]
		}
		for _, p := range inventory.Members(f.typ) {
			if strings.EqualFold(p.Path, parent) && len(p.Only) > 0 {
				return ""
			}
		}
		return m.Why
	case "null":
		if m.Null {
			return m.Why
		}
	case "enum":
		if slices.Contains(m.Kinds, "string") && len(m.Values) == 0 {
			return "any text is a value"
		}
	}
	return ""
}

// driftObject changes the member in place; false if the object has none, or
// would be the same.
func driftObject(v any, steps []string, drift string) bool {
	if len(steps) > 0 && steps[0] == "[*]" {
		list, _ := v.([]any)
		done := false
		for i := range list {
			if len(steps) > 1 {
				done = driftObject(list[i], steps[1:], drift) || done
				continue
			}
			if to, ok := driftValue(list[i], drift); ok {
				list[i], done = to, true
			}
		}
		return done
	}
	o, ok := v.(map[string]any)
	if !ok {
		return false
	}
	key := ""
	for k := range o {
		if strings.EqualFold(k, steps[0]) {
			key = k
		}
	}
	switch {
	case key == "":
		return false
	case len(steps) > 1:
		return driftObject(o[key], steps[1:], drift)
	case drift == "rename":
		o[key+"V2"] = o[key]
		delete(o, key)
		return true
	}
	to, changed := driftValue(o[key], drift)
	o[key] = to
	return changed
}

func driftValue(v any, drift string) (any, bool) {
	switch drift {
	case "text":
		_, already := v.(string)
		return fmt.Sprint(v), !already && v != nil
	case "null":
		return nil, v != nil
	case "enum":
		return "SomethingNew", true
	}
	return v, false
}

// driftCase is a case with every object of the field's type changed.
func driftCase(t *testing.T, file fixture, c *fixtureCase, f driftField, drift string) (*tickmark.Snapshot, bool) {
	t.Helper()
	snap := snapshotOf(t, file, c)
	hit := false
	steps := strings.Split(strings.ReplaceAll(f.path, "[*]", ".[*]"), ".")
	if drift == "rename" && steps[len(steps)-1] == "[*]" {
		steps = steps[:len(steps)-1] // an element has no name
	}
	for i := range snap.Segments[0].Pages {
		p := &snap.Segments[0].Pages[i]
		if !strings.EqualFold(p.Entity, f.typ) {
			continue
		}
		var object map[string]any
		if err := json.Unmarshal(p.Bytes, &object); err != nil {
			t.Fatal(err)
		}
		if !driftObject(object, steps, drift) {
			continue
		}
		hit = true
		data, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		p.Bytes, p.Digest, p.Items = data, tickmark.DigestOf(data), []tickmark.Item{{Len: len(data)}}
	}
	return snap, hit
}

// judged is the verdict on the case's object. Of one that cannot be read any more
// it is that of the check as a whole.
func judged(t *testing.T, rules *check.Rules, snap *tickmark.Snapshot, c *fixtureCase) string {
	t.Helper()
	inv, err := inventory.Build(context.Background(), snap, inventory.Options{Canonical: rules.Canonical, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	a, err := check.Run(context.Background(), snap, inv, rules, check.Options{Now: c.instant(t), Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(inv.Resources, func(r inventory.Resource) bool { return r.Segment == 0 && r.Page == 0 })
	if at < 0 {
		return string(a.Checks[0].State)
	}
	for r := range a.Results.Bare() {
		if r.Resource == inv.Resources[at].ID {
			return r.Verdict.String()
		}
	}
	return "not judged"
}

// TestDrift puts fault C19 to every member that a check of Graph, DevOps, GitHub
// or Power Platform reads, one by one: the verdict stays or becomes unknown. Where
// the table of members says that such an answer is a fact, another verdict is
// right; each of these says why.
func TestDrift(t *testing.T) {
	c, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	tried, unknown, facts := 0, 0, map[string]int{}
	never := map[string]bool{}
	for _, file := range loadFixtures(t) {
		k := c.Check(file.Check)
		if k == nil {
			continue
		}
		fields := driftFields(c, k)
		if len(fields) == 0 {
			continue
		}
		t.Run(file.Check, func(t *testing.T) {
			rules := make([]*check.Rules, len(file.Cases))
			for _, f := range fields {
				m, ok := described(f)
				if !ok {
					t.Errorf("%s of %s is not in inventory/members.txt", f.path, f.typ)
					continue
				}
				met := false
				for i := range file.Cases {
					fc := &file.Cases[i]
					if fc.want() == "unknown" || testing.Short() && i >= 6 {
						continue
					}
					if rules[i] == nil {
						rules[i] = alone(t, c, k, fc.Parameters)
					}
					for _, drift := range drifts {
						snap, hit := driftCase(t, file, fc, f, drift)
						if !hit {
							continue
						}
						met = true
						tried++
						switch got := judged(t, rules[i], snap, fc); {
						case got == fc.want():
						case got == "unknown":
							unknown++
						case fact(f, &m, drift) != "":
							facts[fmt.Sprintf("%s of %s/%s: %s", drift, f.typ, f.path, fact(f, &m, drift))]++
						default:
							t.Errorf("case %q, C19/%s at %s of %s: %s became %s", fc.Name, drift, f.path, f.typ, fc.want(), got)
						}
					}
				}
				if !met {
					never[f.typ+"/"+f.path] = true
				}
			}
		})
	}
	if unknown == 0 || unknown == tried {
		t.Errorf("of %d drifts %d led to unknown: the test does not reach the rules", tried, unknown)
	}
	t.Logf("%d drifts, %d unknown, %d kinds that are facts; no case has %d members", tried, unknown, len(facts), len(never))
	for _, s := range sortedOf(facts) {
		t.Logf("%4d × %s", facts[s], s)
	}
}

// TestDriftControl judges drifted objects as if nobody knew what members they
// have: verdicts must then change, else TestDrift shows nothing.
func TestDriftControl(t *testing.T) {
	e := newEngine(t)
	asReceived = true
	defer func() { asReceived = false }()
	changed := map[string]int{}
	for _, file := range loadFixtures(t) {
		k := e.catalog.Check(file.Check)
		if k == nil || joins(k) {
			continue
		}
		for _, f := range driftFields(e.catalog, k) {
			for i := range file.Cases {
				fc := &file.Cases[i]
				if w := fc.want(); w != "pass" && w != "fail" && w != "notApplicable" || !strings.EqualFold(fc.base(file), f.typ) || fc.Parameters != nil {
					continue
				}
				for _, drift := range drifts {
					object, ok := copied(fc.object(t, file)).(map[string]any)
					if !ok || !driftObject(object, strings.Split(strings.ReplaceAll(f.path, "[*]", ".[*]"), "."), drift) {
						continue
					}
					if got, _ := outcome(e.bind(t, k, nil), resource(t, f.typ, object, fc.Hide), fc.world(t), fc.instant(t)); got != fc.want() && got != "unknown" {
						changed[drift]++
					}
				}
			}
		}
	}
	for _, drift := range drifts {
		if changed[drift] < 10 {
			t.Errorf("C19/%s changes %d verdicts where members are not known: the control does not reach the rules", drift, changed[drift])
		}
	}
	t.Logf("changed without the table: %v", changed)
}

func sortedOf[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
