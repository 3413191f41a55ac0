// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
)

// ownControl is a whole control of an organisation.
const ownControl = `controls:
  - id: own-badge-audit
    name: Badges of the office are compared with the roster
    family: physical
    statement: >-
      On the first Monday of each quarter the facilities lead compares the badge list of the access system with the
      roster of People Operations and blocks every badge without a person behind it within two working days; the
      compared lists are filed in the office folder.
    objective: Nobody who has left can walk in.
    criteria: [{code: CC6.4, link: supporting}]
    categories: [security]
    key: false
    nature: manual
    type: detective
    frequency: quarterly
    instance: {unit: one quarter, tolerance: two working days}
    services: []
    unchecked: badges are not in Azure
    evidence:
      - {what: both lists with the marks, type: record, source: office folder, cadence: quarterly, accept: dated and signed, reject: a list without the roster}
    population: {of: quarters of the period, source: calendar, complete: the period has as many quarters as the calendar says}
    designTest: [{method: inspection, step: Read the procedure and the last two lists}]
    operatingTest: [{method: reperformance, step: Compare the lists of one quarter again and look for badges without a person}]
    deviations: [a badge without a person that stayed open]
    pitfalls: [visitor badges are forgotten]
    steps: [export the badge list]
    order: 4
`

const ownCheck = `checks:
  - id: own-kv-tagged
    title: Key vaults name their owner
    area: keyvault
    severity: low
    why: An owner answers for the vault.
    criteria: [{code: CC6.1, link: supporting}]
    types: [Microsoft.KeyVault/vaults]
    source: arm
    permission: Microsoft.KeyVault/vaults/read
    rule:
      if:
        allOf:
          - {field: type, equals: Microsoft.KeyVault/vaults}
          - {field: "tags['owner']", exists: false}
      then: {effect: audit}
    notProven: That the person named still works here.
    remediation: {cli: az keyvault update --set tags.owner=NAME, portal: Key vault > Tags}
    references: [https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources]
`

func withText(t *testing.T, text string) (*Library, error) {
	t.Helper()
	l, err := DefaultLibrary()
	if err != nil {
		t.Fatal(err)
	}
	list, err := ReadOverrides("own.yaml", []byte(text))
	if err != nil {
		return nil, err
	}
	return l.With(list)
}

func TestWith(t *testing.T) {
	t.Parallel()
	base, err := DefaultLibrary()
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name, text, key string
		own             bool
		catalogChanges  bool
		see             func(*Library) bool
	}{
		{"explanation", "explanations:\n  - {code: CC6.2, azure: In our tenant.}", "explanation/CC6.2", false, false, func(l *Library) bool {
			x := l.Explanation("CC6.2")
			return x.Azure == "In our tenant." && x.Looks == base.Explanation("CC6.2").Looks
		}},
		{"control fields", "controls:\n  - id: access-leavers\n    fill: {owner: The service desk lead, hrSource: Personio}\n    nature: automated\n    configuration: [{what: leaver workflow, type: graph/lifecycleWorkflows}]\n    instance: {limit: {amount: 2}, tolerance: within 2 business days of the last working day}", "control/access-leavers", false, false, func(l *Library) bool {
			k, b := l.Control("access-leavers"), base.Control("access-leavers")
			return strings.Contains(k.Statement, "When Personio records") && strings.Contains(k.Statement, "{deadline}") && k.Nature == "automated" && len(k.Fields) == 1 &&
				k.Instance.Limit.Amount == "2" && k.Instance.Limit.Unit == "businessDays" && k.Instance.Unit == b.Instance.Unit && k.Objective == b.Objective && strings.Contains(b.Statement, "{owner}")
		}},
		{"own control", ownControl, "control/own-badge-audit", true, false, func(l *Library) bool {
			return l.Control("own-badge-audit") != nil && len(l.Controls) == len(base.Controls)+1
		}},
		{"check severity and parameter", "checks:\n  - id: m365-spo-sharing\n    severity: critical\n    parameters: {requireAllowedDomains: {defaultValue: true}}", "check/m365-spo-sharing", false, true, func(l *Library) bool {
			k := l.Catalog().Check("m365-spo-sharing")
			return k.Severity.String() == "critical" && bytes.Contains(k.Parameters, []byte(`"defaultValue":true`)) && bytes.Contains(k.Parameters, []byte(`"type":"Boolean"`))
		}},
		{"what is not proven adds up", "checks:\n  - id: st-tls\n    notProven: >-\n      Nothing is left unproven.", "check/st-tls", false, true, func(l *Library) bool {
			k, b := l.Catalog().Check("st-tls"), base.Catalog().Check("st-tls")
			return k.NotProven == strings.TrimSpace(b.NotProven)+" The organisation adds: Nothing is left unproven." && k.Title == b.Title
		}},
		{"own check", ownCheck, "check/own-kv-tagged", true, true, func(l *Library) bool { return l.Catalog().Check("own-kv-tagged") != nil }},
		{"cell of a profile", "services:\n  - {id: key-vault, cells: {backup-recovery: {customer: The platform team exports keys each month.}}}", "cell/key-vault/backup-recovery", false, false, func(l *Library) bool {
			c, b := l.Cell(l.Service("key-vault"), "backup-recovery"), base.Cell(base.Service("key-vault"), "backup-recovery")
			return c.Customer == "The platform team exports keys each month." && c.Who == b.Who && c.Provider == b.Provider
		}},
		{"scope", "scope:\n  - {report: azure-soc2, cloud: public, services: [github-actions, key-vault], names: [Actions, Key Vault], inHand: {id: Azure SOC 2 2026-03, date: 2026-05-14}}", "scope/azure-soc2/public/-/key-vault", true, false, func(l *Library) bool {
			x := l.Scope[len(l.Scope)-1]
			return x.InHand != nil && x.InHand.Date == "2026-05-14" && x.Names[0] == "Key Vault" && x.From == "2026-05-14"
		}},
		{"report", "reports:\n  - {id: azure-soc2, access: From our account manager.}", "report/azure-soc2", false, false, func(l *Library) bool {
			return l.Reports[0].Access == "From our account manager." && len(l.Reports[0].Cadence) == len(base.Reports[0].Cadence)
		}},
		{"link added", "crosswalk:\n  - {framework: iso27001, version: \"2022\", criterion: CC1.1, control: A.9.99, note: our auditor}", "link/iso27001/2022/CC1.1/A.9.99", true, false, func(l *Library) bool {
			for i := range l.Crosswalk {
				if a := &l.Crosswalk[i]; a.Control == "A.9.99" {
					return l.Strength(a) == 0 && len(l.Crosswalk) == len(base.Crosswalk)+1
				}
			}
			return false
		}},
		{"link withdrawn", "crosswalk:\n  - {framework: bsic5, version: \"2020\", criterion: A1.1, control: BCM-01, withdraw: true}", "link/bsic5/2020/A1.1/BCM-01", false, false, func(l *Library) bool { return len(l.Crosswalk) == len(base.Crosswalk)-1 }},
		{"risk", "risks:\n  - {id: leaver-access, likelihood: 5}", "risk/leaver-access", false, false, func(l *Library) bool {
			return len(l.Risks) == len(base.Risks) && strings.Contains(string(l.Override("risk", "leaver-access").Library), `"likelihood":`)
		}},
		{"term", "glossary:\n  - {term: golden image, means: The image that our machines start from.}", "term/golden image", true, false, func(l *Library) bool { return len(l.Glossary) == len(base.Glossary)+1 }},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l, err := withText(t, tc.text)
			if err != nil {
				t.Fatal(err)
			}
			if !tc.see(l) {
				t.Error("the override does not show")
			}
			kind, id, _ := strings.Cut(tc.key, "/")
			o := l.Override(kind, id)
			if o == nil || o.Own() != tc.own {
				t.Errorf("origin of %s: %+v", tc.key, o)
			}
			if changes := l.Catalog().Digest() != base.Catalog().Digest(); changes != tc.catalogChanges {
				t.Errorf("the pinned catalogue changes: %v, want %v", changes, tc.catalogChanges)
			}
			if l.Digest() == base.Digest() && !tc.catalogChanges {
				t.Error("the library's digest stands although it says something else")
			}
			if kind == "control" {
				if found := l.LintOver(base); len(found) > 0 {
					t.Errorf("lint: %+v", found)
				}
			}
			again, err := OpenArchive(l.Catalog().Archive())
			if err != nil || again.Digest() != l.Catalog().Digest() {
				t.Errorf("the effective catalogue does not open: %v", err)
			}
		})
	}
}

func TestWithRefuses(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, text, where, what string }{
		{"62nd criterion", "explanations:\n  - {code: CC10.1, azure: x}", "own.yaml:2:", "there is no explanation"},
		{"unknown list", "areas:\n  - {id: x}", "own.yaml:1:1", "holds no entries that can be overridden"},
		{"unknown member", "risks:\n  - id: leaver-access\n    colour: red", "own.yaml:3:", "colour"},
		{"duplicate", "risks:\n  - {id: leaver-access, impact: 2}\n  - {id: leaver-access, impact: 3}", "own.yaml:3:", "listed twice"},
		{"no prefix", strings.Replace(ownControl, "own-badge-audit", "badge-audit", 1), "own.yaml:2:", "begins with own-"},
		{"wrong code", strings.Replace(ownControl, "CC6.4, link", "CC6.9, link", 1), "own.yaml:10:", `criterion "CC6.9" does not exist`},
		{"second line", "controls:\n  - id: access-leavers\n    frequency: sometimes", "own.yaml:3:16", `frequency "sometimes"`},
		{"half an own control", "controls:\n  - {id: own-x, family: access}", "own.yaml:2:", "statement is missing"},
		{"missing risk", strings.Replace(ownControl, "    order: 4", "    order: 4\n    risks: [no-such-risk]", 1), "own.yaml:28:", `risk "no-such-risk" does not exist`},
		{"fill without brace", "controls:\n  - {id: access-leavers, fill: {nobody: x}}", "own.yaml:2:", "does not occur"},
		{"family", "controls:\n  - {id: access-leavers, family: change}", "own.yaml:2:", "cannot be changed"},
		{"rule of the library", "checks:\n  - {id: st-tls, rule: {}}", "own.yaml:2:", "cannot be changed"},
		{"no such parameter", "checks:\n  - {id: st-tls, parameters: {days: {defaultValue: 1}}}", "own.yaml:2:", "no parameter"},
		{"type of parameter", "checks:\n  - {id: m365-spo-sharing, parameters: {requireAllowedDomains: {defaultValue: perhaps}}}", "own.yaml:2:", "type Boolean"},
		{"title of the library", "checks:\n  - {id: st-tls, title: Storage is fully encrypted}", "own.yaml:2:", "cannot be changed"},
		{"claim in what is not proven", "checks:\n  - {id: st-tls, notProven: The control is effective.}", "own.yaml:2:", `says "effective"`},
		{"claim in why", "checks:\n  - id: st-tls\n    why: It ensures compliance.", "own.yaml:3:", `says "ensures compliance"`},
		{"claim of an own check", strings.Replace(ownCheck, "Key vaults name their owner", "Key vaults are certified", 1), "own.yaml:3:", `says "certified"`},
		{"nothing left unproven", "checks:\n  - {id: st-tls, notProven: null}", "own.yaml:2:", "added to the library's"},
		{"severity", "checks:\n  - {id: st-tls, severity: huge}", "own.yaml:2:", "huge"},
		{"own check, unknown field", strings.Replace(ownCheck, "tags['owner']", "Microsoft.KeyVault/vaults/nothing", 1), "own.yaml:15:", "no such alias"},
		{"service", "services:\n  - {id: no-such, cells: {backup-recovery: {who: none}}}", "own.yaml:2:", "does not exist"},
		{"area", "services:\n  - {id: key-vault, cells: {cooking: {who: none}}}", "own.yaml:2:", `area "cooking"`},
		{"cell without text", "services:\n  - {id: key-vault, cells: {backup-recovery: {who: shared, controls: []}}}", "own.yaml:2:", "needs the text"},
		{"name of a service", "services:\n  - {id: key-vault, name: x, cells: {backup-recovery: {who: none}}}", "own.yaml:2:", "cannot be overridden"},
		{"scope without paper", "scope:\n  - {report: azure-soc2, services: [key-vault], names: [x], source: \"https://example.org\"}", "own.yaml:2:", "inHand"},
		{"scope of nothing", "scope:\n  - {report: azure-soc2, services: [no-such], inHand: {id: x, date: 2026-01-01}}", "own.yaml:2:", "does not exist"},
		{"link", "crosswalk:\n  - {framework: iso27001, version: \"2022\", criterion: CC9.9, control: A.5.1}", "own.yaml:2:", "does not exist"},
		{"link to withdraw", "crosswalk:\n  - {framework: iso27001, version: \"2022\", criterion: CC1.1, control: A.77, withdraw: true}", "own.yaml:2:", "no such link"},
		{"likelihood", "risks:\n  - {id: leaver-access, likelihood: 9}", "own.yaml:2:", "1 to 5"},
		{"emptied", "risks:\n  - {id: leaver-access, threat: null}", "own.yaml:2:", "missing or empty"},
		{"anchor", "risks:\n  - &a {id: leaver-access}", "own.yaml:2:", "anchors"},
		{"nothing", "risks: []", "own.yaml", "no entry"},
		{"cadence", "reports:\n  - {id: azure-soc2, cadence: []}", "own.yaml:2:", "at least one cadence"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := withText(t, tc.text)
			if err == nil {
				t.Fatal("accepted")
			}
			text := err.Error()
			for _, e := range flatten(err) {
				if x, ok := errors.AsType[*tickmark.Error](e); ok {
					text += "\n" + x.Hint
				}
			}
			if !strings.Contains(text, tc.what) || !strings.Contains(text, tc.where) {
				t.Errorf("got %v\nwant %q at %s", err, tc.what, tc.where)
			}
		})
	}
}

// TestStoredOverride: what was recorded gives the same library again, and the
// check says where it was recorded.
func TestStoredOverride(t *testing.T) {
	t.Parallel()
	base, err := DefaultLibrary()
	if err != nil {
		t.Fatal(err)
	}
	read, err := ReadOverrides("own.yaml", []byte(ownCheck+ownControl))
	if err != nil {
		t.Fatal(err)
	}
	at := Recorded{Version: 2, Effective: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), At: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC), Actor: "ann", Reason: "why: not"}
	var stored []*Override
	for _, o := range read {
		s, err := StoredOverride(o.Kind, o.ID, o.Entry, at, "override "+o.Key()+" version 2")
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, s)
	}
	l, err := base.With(stored)
	if err != nil {
		t.Fatal(err)
	}
	m := l.Catalog().Check("own-kv-tagged").Override
	if m == nil || m.Reason != "why: not" || m.Version != 2 || !m.Own || m.Effective != "2026-03-01T00:00:00Z" {
		t.Errorf("mark: %+v", m)
	}
	direct, err := base.With(read)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := l.Control("own-badge-audit").Statement, direct.Control("own-badge-audit").Statement; a != b {
		t.Errorf("stored %q, read %q", a, b)
	}
	// What no longer fits the library names the document.
	gone, err := StoredOverride("risk", "no-longer-there", []byte(`{"id":"no-longer-there","impact":2}`), Recorded{Version: 1, Base: []byte("{}")}, "override risk/no-longer-there version 1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err = base.With([]*Override{gone}); err == nil || !strings.Contains(err.Error(), "override risk/no-longer-there version 1: the library no longer has") {
		t.Errorf("got %v", err)
	}
}

// TestChanged: a later library is noticed, an equal one is not.
func TestChanged(t *testing.T) {
	t.Parallel()
	base, err := DefaultLibrary()
	if err != nil {
		t.Fatal(err)
	}
	draft, err := withText(t, "risks:\n  - {id: leaver-access, likelihood: 5}")
	if err != nil {
		t.Fatal(err)
	}
	o := draft.Override("risk", "leaver-access")
	for _, tc := range []struct {
		base    string
		changed bool
	}{{string(o.Library), false}, {strings.Replace(string(o.Library), `"impact":`, `"impact":1`, 1), true}} {
		s, err := StoredOverride(o.Kind, o.ID, o.Entry, Recorded{Version: 1, Base: []byte(tc.base)}, "x")
		if err != nil {
			t.Fatal(err)
		}
		l, err := base.With([]*Override{s})
		if err != nil || l.Override("risk", "leaver-access").Changed() != tc.changed {
			t.Errorf("changed: want %v (%v)", tc.changed, err)
		}
	}
}

// TestLibraryKeepsOwnPrefix: no entry of the library takes an id that belongs
// to organisations, and none says that it was overridden.
func TestLibraryKeepsOwnPrefix(t *testing.T) {
	t.Parallel()
	l, err := DefaultLibrary()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range l.Controls {
		if strings.HasPrefix(k.ID, OwnPrefix) {
			t.Errorf("control %s", k.ID)
		}
	}
	for _, k := range l.Catalog().Checks {
		if strings.HasPrefix(k.ID, OwnPrefix) || k.Override != nil {
			t.Errorf("check %s", k.ID)
		}
	}
	for _, e := range l.registerEntries() {
		if strings.HasPrefix(e.id, OwnPrefix) {
			t.Errorf("%s %s", e.list, e.id)
		}
	}
}
