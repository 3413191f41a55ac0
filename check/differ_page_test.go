// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/jsontape"
	"github.com/tickmark/tickmark/policy"
)

const pageHead = `# Checks beside Microsoft's policies

A check of tickmark often asks what a built-in policy of Azure asks too, and an auditor may hold results of both. This page lists every check
over Azure resources with the built-in policies that judge the same property, and every kind of disagreement between the two, with its cause.
Where neither is listed, the two came to the same verdict on every case that was tried.

It is written by a test (` + "`go test ./check -run TestDifferential -update`" + `) from ` + "`check/counterparts.yaml`" + `, after running both on the checks' fixtures, on
recorded resources, on the examples, and on mutants of all of them: each property that the check or the policy reads dropped, emptied, retyped and
set to each value that either compares it to, one at a time and in seeded combinations. The mutants are chosen to disagree, so that the figures
(of the day on which the page was written) count cases, not resources of an estate: for your own, run ` + "`tickmark checks compare`" + `. The test fails on a disagreement that is not listed, on one
that no longer happens, and on a built-in with the subject of a check that nobody considered. Policies are run with their defaults, or with
the parameters shown; those that ship switched off are switched on. Definitions: Azure/azure-policy, f4a50bac; *SOC 2* marks the policies of Microsoft's two SOC 2 initiatives.

| relation | meaning |
|---|---|
| same | no disagreement is known |
| stricter | where the two disagree, the check fails |
| looser | where the two disagree, the policy fails |
| different | the check fails some resources that the policy passes, and the other way round |
| different-scope | one of the two leaves resources aside that the other judges |

`

// page is doc/spec/differences.md.
func (d *differential) page(list *check.Counterparts, tallies []*pairTally) []byte {
	var b strings.Builder
	b.WriteString(pageHead)
	relations := map[check.Relation]int{}
	agree, differ, undecided, kinds := 0, 0, 0, 0
	for _, p := range tallies {
		a, n := p.total()
		agree, differ, undecided, kinds = agree+a, differ+n, undecided+p.undecided, kinds+len(p.pair.Differs)
		relations[p.pair.Relation]++
	}
	fmt.Fprintf(&b, "%d pairs of %d checks: %d same, %d stricter, %d looser, %d different, %d different-scope; %d kinds of disagreement.\n",
		len(tallies), len(checksOf(list)), relations[check.Same], relations[check.Stricter], relations[check.Looser], relations[check.Different], relations[check.DifferentScope], kinds)
	fmt.Fprintf(&b, "%d cases: %d comparisons agree, %d disagree in a way that is listed, %d were undecided on one side at least.\n",
		d.cases.Load(), agree, differ, undecided)
	b.WriteString("\n## Pairs\n\n| check | policy | relation | agree | disagree | undecided |\n|---|---|---|---:|---:|---:|\n")
	for _, p := range tallies {
		a, n := p.total()
		soc2 := ""
		if d.builtins.soc2[p.pair.Policy] {
			soc2 = ", *SOC 2*"
		}
		fmt.Fprintf(&b, "| %s | %s (`%s`%s) | %s | %d | %d | %d |\n", p.pair.Check, p.pair.Name, p.pair.Policy, soc2, p.pair.Relation, a, n, p.undecided)
	}
	b.WriteString("\n## Disagreements and their causes\n")
	last := ""
	for _, p := range tallies {
		if len(p.pair.Differs) == 0 {
			continue
		}
		if p.pair.Check != last {
			last = p.pair.Check
			fmt.Fprintf(&b, "\n### %s: %s\n", last, d.catalog.Check(last).Title)
		}
		fmt.Fprintf(&b, "\n%s (`%s`%s): %s\n\n", p.pair.Name, p.pair.Policy, parametersText(p.pair), p.pair.Relation)
		for i := range p.pair.Differs {
			x := &p.pair.Differs[i]
			fmt.Fprintf(&b, "* check %s, policy %s (%d cases): %s\n", verdictWords[x.Ours], verdictWords[x.Theirs], p.differ[x], x.Because)
		}
	}
	b.WriteString("\n## Considered and left aside\n\nThese read what the check reads and do not judge the same.\n\n")
	for _, x := range list.Considered {
		var names []string
		for _, g := range x.Policies {
			names = append(names, fmt.Sprintf("%s (`%s`)", d.builtins.definition(g).DisplayName, g))
		}
		fmt.Fprintf(&b, "* %s: %s. %s\n", strings.Join(x.Checks, ", "), strings.Join(names, "; "), x.Because)
	}
	d.without(&b, list)
	return []byte(b.String())
}

// parametersText shows the values that the policy is given here.
func parametersText(p *check.Counterpart) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(p.Parameters)) {
		fmt.Fprintf(&b, ", %s %v", name, p.Parameters[name])
	}
	return b.String()
}

var verdictWords = map[string]string{"pass": "passes", "fail": "fails", "notApplicable": "does not apply"}

// without lists the checks over Azure resources that have no counterpart, and
// says what was looked for.
func (d *differential) without(b *strings.Builder, list *check.Counterparts) {
	paired, left := checksOf(list), map[string]bool{}
	for _, x := range list.Considered {
		for _, id := range x.Checks {
			left[id] = true
		}
	}
	var bare, aside []string
	other := 0
	for _, k := range d.catalog.Checks {
		switch {
		case !strings.HasPrefix(k.Types[0], "Microsoft."):
			other++
		case paired[k.ID]:
		case left[k.ID]:
			aside = append(aside, k.ID)
		default:
			bare = append(bare, fmt.Sprintf("* %s: %s. %s\n", k.ID, k.Title, d.nearest(k)))
		}
	}
	fmt.Fprintf(b, "\n## Without a counterpart\n\nThe only policies with their subject are listed above as left aside: %s.\n\n", strings.Join(aside, ", "))
	b.WriteString("No built-in policy that audits or denies, and that Azure evaluates on resources of the type, reads the same properties as these:\n\n")
	for _, s := range bare {
		b.WriteString(s)
	}
	fmt.Fprintf(b, "\nThe other %d checks judge records outside of Azure Resource Manager (Entra ID, Intune, Microsoft 365, Azure DevOps, GitHub, Power Platform), which Azure Policy does not evaluate.\n", other)
}

// nearest says how close the built-ins come to a check without a counterpart.
func (d *differential) nearest(k *catalog.Check) string {
	s := subjectOfCheck(d.catalog, k)
	ofType, sharing := 0, 0
	for _, i := range d.builtins.Definitions {
		if !mayJudge(i.Definition) {
			continue
		}
		o := subjectOf(d.catalog, nil, i.Definition)
		if !slices.ContainsFunc(k.Types, func(t string) bool { return o.types[strings.ToLower(t)] }) {
			continue
		}
		ofType++
		for r := range s.reads {
			if o.reads[r] {
				sharing++
				break
			}
		}
	}
	switch {
	case ofType == 0:
		return "None in the built-ins judges the type."
	case sharing == 0:
		return fmt.Sprintf("%s the type; none reads the property.", judge(ofType))
	}
	return fmt.Sprintf("%s the type; %d of them read one of the properties, to another end.", judge(ofType), sharing)
}

func judge(n int) string {
	if n == 1 {
		return "One built-in judges"
	}
	return fmt.Sprintf("%d built-ins judge", n)
}

// TestDifferentialSees is the control of TestDifferential: each kind of fault
// in the list is found.
func TestDifferentialSees(t *testing.T) {
	d := newDifferential(t)
	list, err := check.DefaultCounterparts()
	if err != nil {
		t.Fatal(err)
	}
	only := func(id string) check.Counterpart {
		for _, p := range list.List {
			if p.Check == id {
				p.Differs = slices.Clone(p.Differs)
				return p
			}
		}
		t.Fatalf("no counterpart of %s", id)
		return check.Counterpart{}
	}
	faults := func(p check.Counterpart) string {
		var out []string
		for _, x := range d.run(t, []check.Counterpart{p}) {
			out = append(out, x.faults()...)
		}
		return strings.Join(out, "\n")
	}
	sound := only("st-tls")
	if got := faults(sound); got != "" {
		t.Fatalf("the pair is sound, and yet: %s", got)
	}
	bare := sound
	bare.Differs = nil
	if got := faults(bare); !strings.Contains(got, "unlisted") || !strings.Contains(got, "TLS1_3") {
		t.Errorf("a disagreement that is not listed: got %q", got)
	}
	stale := sound
	stale.Differs = append(slices.Clone(sound.Differs), check.Difference{Ours: "fail", Theirs: "pass", Because: "it does not happen"})
	if got := faults(stale); !strings.Contains(got, "stale") {
		t.Errorf("a listed disagreement that does not happen: got %q", got)
	}
	narrow := sound
	narrow.Differs[0].When = map[string]any{"field": "Microsoft.Storage/storageAccounts/minimumTlsVersion", "equals": "TLS1_0"}
	if got := faults(narrow); !strings.Contains(got, "unlisted") || !strings.Contains(got, "stale") {
		t.Errorf("a disagreement listed under the wrong condition: got %q", got)
	}
	wrong := only("st-blob-public")
	wrong.Policy = "404c3081-a854-4457-ae30-26a93ef643f9" // secure transfer
	if got := faults(wrong); !strings.Contains(got, "unlisted") {
		t.Errorf("another policy than the pair's: got %q", got)
	}
	unknown := &check.Counterparts{List: []check.Counterpart{{Check: "st-tls", Policy: "00000000-1111-2222-3333-444444444444"}}}
	if got := unknownDefinitions(d.builtins, unknown); len(got) != 1 {
		t.Errorf("a GUID that does not exist: got %q", got)
	}
	less := *list
	less.List = slices.DeleteFunc(slices.Clone(list.List), func(p check.Counterpart) bool { return p.Check == "st-https" })
	got := slices.DeleteFunc(d.unmapped(&less), func(f string) bool { return !strings.HasPrefix(f, "st-https") })
	if len(got) != 1 {
		t.Errorf("a check without its counterpart: got %q", got)
	}
}

// TestCounterparts verifies the list as far as that goes without the
// definitions, and that what is wrong with a list is found.
func TestCounterparts(t *testing.T) {
	list, err := check.DefaultCounterparts()
	if err != nil {
		t.Fatal(err)
	}
	if len(list.List) < 100 {
		t.Errorf("%d counterparts, want at least 100", len(list.List))
	}
	c, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	const entry = "counterparts:\n  - {check: st-tls, policy: fe83a0eb-a853-422d-aac2-1bffd182c5d0, name: n, relation: looser, differs: [{ours: pass, theirs: fail, because: b}]}\n"
	if _, err := check.ParseCounterparts("test", []byte(entry), c); err != nil {
		t.Fatalf("a sound list: %v", err)
	}
	for _, x := range []struct{ old, put, want string }{
		{"st-tls", "st-nothing", "no such check"},
		{"fe83a0eb-", "FE83A0EB-", "GUID"},
		{"looser", "same", `what differs says "looser"`},
		{"theirs: fail", "theirs: pass", "no difference"},
		{"theirs: fail", "theirs: unknown", "want pass"},
		{"because: b", "because: ''", "cause is missing"},
		{"because: b", "because: b, when: {field: Microsoft.Storage/storageAccounts/nothing, equals: 1}", "when"},
		{"relation", "relatio", "relatio"},
	} {
		if _, err := check.ParseCounterparts("test", []byte(strings.Replace(entry, x.old, x.put, 1)), c); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s for %s: error %v, want one that says %q", x.put, x.old, err, x.want)
		}
	}
	twice := entry + strings.TrimPrefix(entry, "counterparts:\n")
	if _, err := check.ParseCounterparts("test", []byte(twice), c); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("a pair listed twice: %v", err)
	}
	if check.RelationOf([]check.Difference{{Ours: "fail", Theirs: "pass"}, {Ours: "pass", Theirs: "fail"}}) != check.Different {
		t.Error("both ways is different")
	}
}

// subject is what a rule is about: the types that it judges, the properties
// that it reads, and the names of the related objects that it looks for.
type subject struct {
	types, reads, names map[string]bool
}

// subjectOf reads a definition; types are known for checks, and taken from the
// rule for built-ins.
func subjectOf(c *catalog.Catalog, types []string, docs ...*policy.Definition) subject {
	s := subject{map[string]bool{}, map[string]bool{}, map[string]bool{}}
	for _, t := range types {
		s.types[strings.ToLower(t)] = true
	}
	for _, doc := range docs {
		related := doc.Details.Get("type").Str()
		if n := doc.Details.Get("name"); n.Kind() == jsontape.String {
			s.names[strings.ToLower(related+"/"+n.Str())] = true
		}
		for _, top := range []*policy.Condition{doc.If, doc.Existence} {
			if top == nil {
				continue
			}
			top.Walk(func(x *policy.Condition) {
				for _, name := range fieldsOf(x) {
					switch {
					case strings.EqualFold(name, "type"):
						for _, t := range texts(x.Right) {
							s.types[strings.ToLower(t)] = true
						}
					case strings.EqualFold(name, "name") && top == doc.Existence:
						for _, n := range texts(x.Right) {
							s.names[strings.ToLower(related+"/"+n)] = true
						}
					case strings.Contains(name, "/"):
						s.reads[placeOf(c, name)] = true
					}
				}
			})
		}
	}
	return s
}

func fieldsOf(x *policy.Condition) []string {
	var out []string
	sides := []jsontape.Value{x.Left}
	if x.Count != nil {
		sides = append(sides, x.Count.Field)
	}
	for _, v := range sides {
		if v.Kind() != jsontape.String {
			continue
		}
		if s := v.Str(); strings.HasPrefix(s, "[") {
			for _, f := range fieldCall.FindAllStringSubmatch(s, -1) {
				out = append(out, f[1])
			}
		} else {
			out = append(out, s)
		}
	}
	return out
}

func texts(v jsontape.Value) []string {
	if v.Kind() == jsontape.String {
		return []string{v.Str()}
	}
	var out []string
	for e := range v.Elems() {
		if e.Kind() == jsontape.String {
			out = append(out, e.Str())
		}
	}
	return out
}

// placeOf is the type and path that an alias stands for, so that two aliases of
// one property are the same.
func placeOf(c *catalog.Catalog, alias string) string {
	typ := alias[:strings.LastIndexByte(alias, '/')]
	path, ok := c.Alias(typ, alias)
	if !ok {
		path = "properties." + alias[len(typ)+1:]
	}
	return strings.ToLower(typ + ":" + strings.ReplaceAll(path, "[*]", ""))
}

func subset(a, b map[string]bool) bool {
	for k := range a {
		if !b[k] {
			return false
		}
	}
	return len(a) > 0
}

// shares reports whether a policy is about what the check is about. For those
// of the SOC 2 initiatives it is enough that one reads a part of what the other
// reads; others have to read the same. Objects that are told apart by name
// (assessments, plans, server settings) share the subject only with the name.
func (s subject) shares(o subject, soc2 bool) bool {
	common := false
	for t := range s.types {
		common = common || o.types[t]
	}
	if !common {
		return false
	}
	if len(s.names) > 0 && len(o.names) > 0 {
		same := false
		for n := range s.names {
			same = same || o.names[n]
		}
		if !same {
			return false
		}
	}
	if soc2 {
		return subset(s.reads, o.reads) || subset(o.reads, s.reads)
	}
	return subset(s.reads, o.reads) && subset(o.reads, s.reads)
}

// subjectOfCheck is what the check's rule and alternatives are about.
func subjectOfCheck(c *catalog.Catalog, k *catalog.Check) subject {
	docs := []*policy.Definition{parseRule(k.Rule, k.Parameters)}
	for _, a := range k.Alternatives {
		docs = append(docs, parseRule(a, k.Parameters))
	}
	return subjectOf(c, k.Types, docs...)
}

// mayJudge reports whether a definition can find a resource non-compliant: its
// effect, or what a parameter allows, audits or denies.
func mayJudge(d *policy.Definition) bool {
	if d == nil || d.If == nil || d.Static() || strings.HasPrefix(d.Mode, "Microsoft.") || strings.Contains(d.DisplayName, "[Deprecated]") {
		return false
	}
	effects := texts(d.Effect)
	if e := d.Effect.Str(); strings.HasPrefix(e, "[") {
		effects = nil
		for _, p := range parameterCall.FindAllStringSubmatch(e, -1) {
			for i := range d.Parameters {
				if x := &d.Parameters[i]; strings.EqualFold(x.Name, p[1]) {
					effects = append(append(effects, texts(x.Allowed)...), texts(x.Default)...)
				}
			}
		}
	}
	return slices.ContainsFunc(effects, func(s string) bool {
		e, ok := policy.ParseEffect(s)
		return ok && (e == policy.Audit || e == policy.Deny || e == policy.AuditIfNotExists)
	})
}

// unmapped lists the built-ins that share their subject with a check and are
// neither its counterpart nor said to have been considered.
func (d *differential) unmapped(list *check.Counterparts) []string {
	known := map[string]bool{}
	for _, p := range list.List {
		known[p.Check+" "+p.Policy] = true
	}
	for _, x := range list.Considered {
		for _, id := range x.Checks {
			for _, g := range x.Policies {
				known[id+" "+g] = true
			}
		}
	}
	type candidate struct {
		d *policy.Definition
		s subject
	}
	byType := map[string][]*candidate{}
	for _, i := range d.builtins.Definitions {
		if !mayJudge(i.Definition) {
			continue
		}
		x := &candidate{i.Definition, subjectOf(d.catalog, nil, i.Definition)}
		for t := range x.s.types {
			byType[t] = append(byType[t], x)
		}
	}
	var out []string
	for _, k := range d.catalog.Checks {
		s := subjectOfCheck(d.catalog, k)
		seen := map[*candidate]bool{}
		for _, t := range k.Types {
			for _, x := range byType[strings.ToLower(t)] {
				guid := strings.ToLower(x.d.Name)
				if !seen[x] && !known[k.ID+" "+guid] && s.shares(x.s, d.builtins.soc2[guid]) {
					out = append(out, fmt.Sprintf("%s (%s): %s, %q, judges the same and is not listed in check/counterparts.yaml, neither as counterpart nor as considered", k.ID, k.Title, guid, x.d.DisplayName))
				}
				seen[x] = true
			}
		}
	}
	return out
}
