// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"
	"slices"
	"strings"
)

// ChecklistItem is one item of a checklist: a view over the library.
type ChecklistItem struct {
	Number   int      `json:"number"`
	Title    string   `json:"title"`
	Controls []string `json:"controls"`
}

// checklists are the items that a first-time organisation and its auditor
// walk through: own short titles.
var checklists = map[string][]string{
	"implementation": {
		"Multi-factor authentication for everybody",
		"Roles of least privilege, reviewed every quarter",
		"Just-in-time privileged access",
		"Network security groups on every subnet",
		"The SOC 2 policy initiative assigned and watched",
		"Encryption at rest and in transit",
		"Keys, secrets and certificates in Key Vault",
		"Defender for Cloud on, with its plans",
		"Alerts on what must not go unseen",
		"Backups, with restores that were tried",
		"Changes with evidence of approval",
		"Vulnerability scans with deadlines for what they find",
	},
	"readiness": {
		"System description",
		"Policies for every criterion in scope",
		"Evidence filed by control and date",
		"The provider's report obtained and read",
		"Risk assessments of vendors",
		"Access reviews of the whole period",
		"Change log with an approval for each production change",
		"Scan results with ratings and status",
		"Training records",
		"Incident log",
		"Results of backup and recovery tests",
	},
}

// Checklist returns the items of the checklist "implementation" or "readiness"
// with the controls that belong to each.
func (l *Library) Checklist(name string) []ChecklistItem {
	var out []ChecklistItem
	for i, title := range checklists[name] {
		item := ChecklistItem{Number: i + 1, Title: title, Controls: []string{}}
		tag := fmt.Sprintf("%s-%d", name, i+1)
		for _, k := range l.Controls {
			if slices.Contains(k.Checklists, tag) {
				item.Controls = append(item.Controls, k.ID)
			}
		}
		out = append(out, item)
	}
	return out
}

// Registers are the starter registers: where an organisation begins, not what
// it has decided.
type Registers struct {
	Risks []Risk
}

// Risk is an entry of the starter risk register. Likelihood and impact (1 to
// 5) are where a typical SaaS company starts thinking, with the reason.
type Risk struct {
	ID            string   `yaml:"id" json:"id"`
	Threat        string   `yaml:"threat" json:"threat"`
	Asset         string   `yaml:"asset" json:"asset"`
	Cause         string   `yaml:"cause" json:"cause"`
	Consequence   string   `yaml:"consequence" json:"consequence"`
	Likelihood    int      `yaml:"likelihood" json:"likelihood"`
	LikelihoodWhy string   `yaml:"likelihoodWhy" json:"likelihoodWhy"`
	Impact        int      `yaml:"impact" json:"impact"`
	ImpactWhy     string   `yaml:"impactWhy" json:"impactWhy"`
	Criteria      []string `yaml:"criteria" json:"criteria"`
	Controls      []string `yaml:"controls" json:"controls"`
}

func (l *Library) readRegister(f file) []error {
	m, err := parseYAML(f)
	if err != nil {
		return []error{err}
	}
	var body struct {
		Risks []Risk `yaml:"risks"`
	}
	if err := decode(f, m, &body); err != nil {
		return []error{err}
	}
	l.Risks = append(l.Risks, body.Risks...)
	return nil
}

func (l *Library) validateRegisters() []error {
	if len(l.Risks) == 0 {
		return nil
	}
	var out []error
	ids := map[string]bool{}
	for _, r := range l.Risks {
		ids[r.ID] = true
		if r.Likelihood < 1 || r.Likelihood > 5 || r.Impact < 1 || r.Impact > 5 || strings.TrimSpace(r.Threat) == "" {
			out = append(out, problem("registers/risks.yaml", nil, fmt.Sprintf("risk %q: want a threat and likelihood and impact of 1 to 5", r.ID), ""))
		}
		for _, k := range r.Controls {
			if l.Control(k) == nil {
				out = append(out, problem("registers/risks.yaml", nil, fmt.Sprintf("risk %q: control %q does not exist", r.ID, k), ""))
			}
		}
		for _, c := range r.Criteria {
			if l.catalog.Criterion(c) == nil {
				out = append(out, problem("registers/risks.yaml", nil, fmt.Sprintf("risk %q: criterion %q does not exist", r.ID, c), ""))
			}
		}
	}
	for _, k := range l.Controls {
		for _, r := range k.Risks {
			if !ids[r] {
				out = append(out, problem(k.File, nil, fmt.Sprintf("risk %q does not exist", r), "registers/risks.yaml lists them"))
			}
		}
	}
	return out
}
