// SPDX-License-Identifier: Apache-2.0

package catalog_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tickmark/tickmark/catalog"
)

func defaultLibrary(t *testing.T) *catalog.Library {
	t.Helper()
	l, err := catalog.DefaultLibrary()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestLibraryIsSound holds the shipped library to the rules that it applies to
// others.
func TestLibraryIsSound(t *testing.T) {
	l := defaultLibrary(t)
	for _, f := range catalog.Lint(l.Controls, catalog.LintOptions{Criteria: l.Catalog().Criteria}) {
		if f.Serious {
			t.Errorf("%s %s%s: %s", f.Rule, f.Control, f.Criterion, f.What)
		}
	}
	if n := len(l.Controls); n < 90 || n > 120 {
		t.Errorf("%d controls, want 90 to 120", n)
	}
	set := l.Adopt(&catalog.Adoption{Categories: []string{"security"}, Answers: answers(l, true), Services: allServices(l)}, nil)
	if n := len(set.Controls); n > catalog.MostSecurity || n < 50 {
		t.Errorf("Security alone adopts %d controls, want 50 to %d", n, catalog.MostSecurity)
	}
}

// TestEveryCheckIsUsed lists the checks that no control uses: each needs a
// control, or a reason in unusedChecks.
func TestEveryCheckIsUsed(t *testing.T) {
	l := defaultLibrary(t)
	used := map[string]bool{}
	for _, k := range l.Controls {
		for _, c := range k.Checks {
			used[c.ID] = true
		}
	}
	for _, k := range l.Catalog().Checks {
		if !used[k.ID] {
			t.Errorf("no control uses check %s", k.ID)
		}
	}
}

// TestChecklists requires that every item of both checklists leads to controls.
func TestChecklists(t *testing.T) {
	l := defaultLibrary(t)
	for name, n := range map[string]int{"implementation": 12, "readiness": 11} {
		items := l.Checklist(name)
		if len(items) != n {
			t.Errorf("%s has %d items, want %d", name, len(items), n)
		}
		for _, i := range items {
			if len(i.Controls) == 0 {
				t.Errorf("%s item %d (%s) has no control", name, i.Number, i.Title)
			}
		}
	}
}

func allServices(l *catalog.Library) []string {
	var out []string
	for _, s := range l.Services {
		out = append(out, s.ID)
	}
	return out
}

// TestLintFinds gives the lint one fault at a time.
func TestLintFinds(t *testing.T) {
	l := defaultLibrary(t)
	base := func() *catalog.Control {
		k := *l.Control("governance-conduct-code")
		return &k
	}
	if f := catalog.Lint([]*catalog.Control{base()}, catalog.LintOptions{}); len(f) != 0 {
		t.Fatalf("the base is not clean: %+v", f)
	}
	cases := map[string]func(*catalog.Control) []*catalog.Control{
		"vague": func(k *catalog.Control) []*catalog.Control {
			k.Statement = "{owner} reviews access every year and removes it as appropriate, with a record in {system} of each case found."
			return []*catalog.Control{k}
		},
		"no-actor": func(k *catalog.Control) []*catalog.Control {
			k.Statement = "Access to production is looked through every year and what is no longer needed is taken away, with a ticket."
			return []*catalog.Control{k}
		},
		"no-cadence": func(k *catalog.Control) []*catalog.Control {
			k.Frequency, k.Evidence[0].Cadence = "quarterly", "quarterly"
			return []*catalog.Control{k}
		},
		"no-population": func(k *catalog.Control) []*catalog.Control { k.Population.Complete = ""; return []*catalog.Control{k} },
		"no-evidence":   func(k *catalog.Control) []*catalog.Control { k.Evidence = nil; return []*catalog.Control{k} },
		"no-criterion":  func(k *catalog.Control) []*catalog.Control { k.Criteria = nil; return []*catalog.Control{k} },
		"cadence": func(k *catalog.Control) []*catalog.Control {
			k.Frequency, k.Statement = "weekly", strings.ReplaceAll(k.Statement, "every employee", "every week every employee")
			k.Evidence = []catalog.EvidenceNeed{{What: "x", Type: "record", Cadence: "annual"}}
			return []*catalog.Control{k}
		},
		"same-statement": func(k *catalog.Control) []*catalog.Control {
			other := *k
			other.ID, other.Statement = "another", k.Statement+" It is kept."
			return []*catalog.Control{k, &other}
		},
		"unknown-criterion": func(k *catalog.Control) []*catalog.Control {
			k.Criteria = []catalog.CriterionLink{{Code: "CC9.9", Link: "direct"}}
			return []*catalog.Control{k}
		},
	}
	for rule, spoil := range cases {
		t.Run(rule, func(t *testing.T) {
			k := base()
			k.Evidence = slices.Clone(k.Evidence)
			findings := catalog.Lint(spoil(k), catalog.LintOptions{Criteria: l.Catalog().Criteria})
			if !slices.ContainsFunc(findings, func(f catalog.Finding) bool { return f.Rule == rule && f.Serious }) {
				t.Errorf("not found; got %+v", findings)
			}
		})
	}
}

func TestLintCoverage(t *testing.T) {
	l := defaultLibrary(t)
	find := func(controls []*catalog.Control, code string) bool {
		return slices.ContainsFunc(catalog.Lint(controls, catalog.LintOptions{Criteria: l.Catalog().Criteria}), func(f catalog.Finding) bool {
			return f.Rule == "uncovered" && f.Criterion == code
		})
	}
	for _, c := range l.Catalog().Criteria {
		if find(l.Controls, c.Code) {
			t.Errorf("%s is uncovered in the library", c.Code)
		}
		without := slices.DeleteFunc(slices.Clone(l.Controls), func(k *catalog.Control) bool {
			return slices.ContainsFunc(k.Criteria, func(x catalog.CriterionLink) bool { return x.Code == c.Code })
		})
		if !find(without, c.Code) {
			t.Errorf("removing every control for %s was not noticed", c.Code)
		}
	}
}

func TestBoilerplate(t *testing.T) {
	l := defaultLibrary(t)
	found := catalog.Lint(l.Controls[:10], catalog.LintOptions{Library: l})
	if !slices.ContainsFunc(found, func(f catalog.Finding) bool { return f.Rule == "boilerplate" }) ||
		!slices.ContainsFunc(found, func(f catalog.Finding) bool { return f.Rule == "unfilled" }) {
		t.Error("a set that is the library's own text is not called boilerplate and unfilled")
	}
}

func TestShingles(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want float64
	}{
		{"one two three four five", "One, two; three four FIVE!", 1},
		{"one two three four five", "one two three four six", 0},
		{"one two three four five six", "one two three four five seven", 1.0 / 3},
		{"", "", 0},
		{"short", "short", 1},
	} {
		if got := catalog.ShinglesOf(c.a).Jaccard(catalog.ShinglesOf(c.b)); got != c.want {
			t.Errorf("%q, %q: %v, want %v", c.a, c.b, got, c.want)
		}
	}
}

// TestLibraryRefuses gives the loader one broken file at a time: the error
// names file and line.
func TestLibraryRefuses(t *testing.T) {
	c, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	const sound = `id: one
name: One
family: access
statement: "{owner} does it each year."
objective: so that it is done
fields: [{name: owner, ask: "Who?", example: "the head"}]
criteria: [{code: CC6.1, link: direct}]
categories: [security]
key: true
nature: manual
type: preventive
frequency: annual
instance: {unit: one year}
services: []
unchecked: nothing shows it
evidence: [{what: a, type: record, source: b, cadence: annual, accept: c, reject: d}]
population: {of: a, source: b, complete: c}
designTest: [{method: inspection, step: read it}]
operatingTest: [{method: inspection, step: read them}]
deviations: [not done]
pitfalls: [forgotten]
steps: [do it]
order: 1
`
	load := func(text string) string {
		_, err := catalog.LoadLibrary(fstest.MapFS{"controls/access/one.yaml": {Data: []byte(text)}}, c)
		if err == nil {
			return ""
		}
		var lines []string
		for l := range strings.SplitSeq(err.Error(), "\n") {
			if strings.HasPrefix(l, "controls/") {
				lines = append(lines, l)
			}
		}
		return strings.Join(lines, "\n")
	}
	if got := load(sound); got != "" {
		t.Fatalf("the sound control is refused: %s", got)
	}
	for _, tc := range []struct{ old, new, want string }{
		{"CC6.1", "CC6.9", `one.yaml:7:12: criterion "CC6.9" does not exist`},
		{"link: direct", "link: close", "want direct or supporting"},
		{"code: CC6.1, link: direct", "code: A1.1, link: direct", "the link can only support"},
		{"nature: manual", "nature: magic", `nature "magic"`},
		{"nature: manual", "nature: automated", "names the configuration"},
		{"frequency: annual", "frequency: often", `frequency "often"`},
		{"{owner} does", "{chief} does", "{chief} is not among the fields"},
		{"unchecked: nothing shows it", "checks: [{id: no-such, role: operates}]", `check "no-such" does not exist`},
		{"unchecked: nothing shows it", "references: []", "unchecked says why not"},
		{"method: inspection, step: read it", "method: inquiry, step: ask", "inquiry alone"},
		{"id: one", "id: two", "want the file's name"},
		{"family: access", "family: change", "folder"},
		{"order: 1", "order: 9", "order 9"},
		{"key: true", "key: true\ncolour: red", "colour"},
		{"accept: c", `accept: ""`, "all needed"},
		{"deviations: [not done]", "deviations: []", "deviations: at least one"},
		{"key: true", "key: true\nmonitors: amazon", "amazon"},
		{"key: true", "key: true\nchecklists: [implementation-13]", "implementation-13"},
		{"key: true", "key: true\nreferences: ['http://x']", "not an https"},
	} {
		text := strings.Replace(sound, tc.old, tc.new, 1)
		if got := load(text); !strings.Contains(got, tc.want) || !strings.Contains(got, "one.yaml:") {
			t.Errorf("%s -> %s: got %q, want %q", tc.old, tc.new, got, tc.want)
		}
	}
}

// TestServicesOf looks resource types up.
func TestServicesOf(t *testing.T) {
	l := defaultLibrary(t)
	for typ, want := range map[string]string{
		"Microsoft.Storage/storageAccounts":                     "storage",
		"microsoft.storage/STORAGEACCOUNTS":                     "storage",
		"Microsoft.Storage/storageAccounts/blobServices":        "storage",
		"Microsoft.KeyVault/vaults":                             "key-vault",
		"Microsoft.Sql/servers/databases":                       "sql-database",
		"Microsoft.Network/networkSecurityGroups/securityRules": "network-security-groups",
		"graph/users": "entra-id",
	} {
		found := l.ServicesOf(typ)
		if !slices.ContainsFunc(found, func(s *catalog.Service) bool { return s.ID == want }) {
			t.Errorf("%s: %s", typ, names(found))
		}
	}
	if got := l.ServicesOf("Contoso.Unheard/of"); got != nil {
		t.Errorf("an unknown type belongs to %s", names(got))
	}
}

func names(list []*catalog.Service) string {
	var out []string
	for _, s := range list {
		out = append(out, s.ID)
	}
	return fmt.Sprint(out)
}
