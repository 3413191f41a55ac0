// SPDX-License-Identifier: Apache-2.0

package catalog

import "slices"

// Register is a starter register as a reader sees it: parts, each a table.
type Register struct {
	ID    string         `json:"id"`
	Name  string         `json:"name"`
	Parts []RegisterPart `json:"parts"`
}

// RegisterPart is one table of a register. Entries are values of one type:
// Risk, CalendarItem …
type RegisterPart struct {
	ID      string `json:"id"`
	About   string `json:"about"`
	Entries []any  `json:"entries"`
}

// RegisterList lists the starter registers.
func (l *Library) RegisterList() []Register {
	return []Register{
		{"risks", "Risk register", []RegisterPart{
			{"risks", "What could keep commitments from being met, where a typical company starts to rate it, and the controls that lower it", anys(l.Risks)},
		}},
		{"calendar", "Governance calendar", []RegisterPart{
			{"calendar", "What recurs, who owns it, and what it leaves as evidence", anys(l.Calendar)},
		}},
		{"playbook", "Incident playbook", []RegisterPart{
			{"phases", "The response in order", anys(l.Playbook.Phases)},
			{"severities", "Classes of incidents with their longest times", anys(l.Playbook.Severities)},
			{"notifications", "Who has to be told, by when and why", anys(l.Playbook.Notifications)},
			{"scenarios", "What to do first in likely cases", anys(l.Playbook.Scenarios)},
		}},
		{"escalation", "Escalation matrix", []RegisterPart{
			{"escalation", "Who is called when, by severity", anys(l.Escalation)},
		}},
		{"scope", "Scope document", []RegisterPart{
			{"sections", "What is written down and approved before the period begins", anys(l.Sections)},
		}},
		{"tracker", "Evidence tracker", []RegisterPart{
			{"columns", "The columns: a row for each evidence need of each control and each span", anys(l.Tracker.Columns)},
			{"types", "Kinds of evidence, what makes each acceptable or not", anys(l.Tracker.Types)},
			{"frequencies", "How often evidence arises; how much of it is tested is the auditor's choice", anys(l.Tracker.Frequencies)},
		}},
	}
}

// Register returns the register with this id, or nil.
func (l *Library) Register(id string) *Register {
	list := l.RegisterList()
	i := slices.IndexFunc(list, func(r Register) bool { return r.ID == id })
	if i < 0 {
		return nil
	}
	return &list[i]
}

func anys[T any](list []T) []any {
	out := make([]any, len(list))
	for i, x := range list {
		out[i] = x
	}
	return out
}
