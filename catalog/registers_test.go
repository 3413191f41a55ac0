// SPDX-License-Identifier: Apache-2.0

package catalog_test

import (
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tickmark/tickmark/catalog"
)

// TestRegistersAreComplete holds the starter registers to what they promise.
func TestRegistersAreComplete(t *testing.T) {
	l := defaultLibrary(t)
	for what, n := range map[string][2]int{
		"risks":         {len(l.Risks), 45},
		"phases":        {len(l.Playbook.Phases), 5},
		"severities":    {len(l.Playbook.Severities), 3},
		"notifications": {len(l.Playbook.Notifications), 4},
		"scenarios":     {len(l.Playbook.Scenarios), 5},
		"escalation":    {len(l.Escalation), 8},
		"sections":      {len(l.Sections), 12},
		"columns":       {len(l.Tracker.Columns), 12},
	} {
		if n[0] < n[1] {
			t.Errorf("%d %s, want at least %d", n[0], what, n[1])
		}
	}
	cadences := map[string]int{}
	for _, c := range l.Calendar {
		cadences[c.Cadence]++
	}
	if got := slices.Sorted(maps.Keys(cadences)); !slices.Equal(got, []string{"annual", "monthly", "quarterly", "weekly"}) {
		t.Errorf("the calendar has items that are %v", got)
	}
	for _, s := range l.Playbook.Severities {
		if !slices.ContainsFunc(l.Escalation, func(e catalog.EscalationStep) bool { return e.Severity == s.ID }) {
			t.Errorf("nobody is called for severity %s", s.ID)
		}
	}
	if got := l.Register("playbook"); got == nil || len(got.Parts) != 4 {
		t.Errorf("the playbook has parts %+v", got)
	}
	for _, r := range l.RegisterList() {
		for _, p := range r.Parts {
			if len(p.Entries) == 0 || p.About == "" {
				t.Errorf("%s: part %s is empty or says not what it is", r.ID, p.ID)
			}
		}
	}
}

// TestRisksAreTreated requires that each risk that a control answers also
// names controls that exist, and that each risk is answered.
func TestRisksAreTreated(t *testing.T) {
	l := defaultLibrary(t)
	for _, r := range l.Risks {
		if len(r.Controls) == 0 || len(r.Criteria) == 0 {
			t.Errorf("risk %s has no control or criterion", r.ID)
		}
	}
}

// TestRegistersRefuse spoils one register at a time: the error names file and
// line.
func TestRegistersRefuse(t *testing.T) {
	c, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		b, err := os.ReadFile(path.Join("registers", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, tc := range []struct{ file, old, new, want string }{
		{"calendar.yaml", "cadence: weekly", "cadence: sometimes", `calendar.yaml:14:7: calendar/week-policy: cadence "sometimes"`},
		{"calendar.yaml", "owner: Cloud governance engineer", `owner: ""`, "calendar/week-policy: a member is missing or empty"},
		{"calendar.yaml", "id: week-drift", "id: week-policy", "want an id of its own"},
		{"calendar.yaml", "when: Tuesday", "whenever: Tuesday", "whenever"},
		{"incident-playbook.yaml", "order: 2", "order: 7", "order 7: want 2"},
		{"incident-playbook.yaml", "reference: https://", "reference: http://", "is not an https address"},
		{"incident-playbook.yaml", "risks: [credential-compromise", "risks: [bad-luck", `risk "bad-luck" does not exist`},
		{"escalation-matrix.yaml", "severity: sev1", "severity: sev9", `escalation/sev1-1: severity "sev9" does not exist`},
		{"evidence-tracker.yaml", "id: screenshot", "id: rumour", "types: want one entry for each of"},
		{"scope-document.yaml", "controls: [communication-system-description]", "controls: [no-such]", `control "no-such" does not exist`},
		{"risks.yaml", "likelihood: 4", "likelihood: 6", "likelihood 6, impact 5: want 1 to 5"},
		{"risks.yaml", "criteria: [CC6.1, CC6.2, CC7.2]", "criteria: [CC6.9]", `criterion "CC6.9" does not exist`},
	} {
		files := fstest.MapFS{}
		for _, f := range []string{"calendar.yaml", "escalation-matrix.yaml", "evidence-tracker.yaml", "incident-playbook.yaml", "risks.yaml", "scope-document.yaml"} {
			text := read(f)
			if f == tc.file {
				spoilt := strings.Replace(text, tc.old, tc.new, 1)
				if spoilt == text {
					t.Fatalf("%s does not hold %q", f, tc.old)
				}
				text = spoilt
			}
			files["registers/"+f] = &fstest.MapFile{Data: []byte(text)}
		}
		_, err := catalog.LoadLibrary(files, c)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			var lines []string
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if strings.Contains(line, tc.file) && !strings.Contains(line, "control \"") {
					lines = append(lines, line)
				}
			}
			t.Errorf("%s, %s: want %q, got\n%s", tc.file, tc.new, tc.want, strings.Join(lines, "\n"))
		}
	}
}
