// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strings"

	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/work"
)

// policySyncCommand is tickmark policy sync: collect, of Azure Policy only.
type policySyncCommand struct {
	collectCommand
}

// Run collects definitions, initiatives, assignments, exemptions, attestations
// and states, and what the questions for them depend on.
func (c *policySyncCommand) Run(rc *runContext) error {
	c.Only = policyQuestions()
	return c.collectCommand.Run(rc)
}

// policyQuestions names the questions about Azure Policy and, over and over,
// those that list what they are about.
func policyQuestions() []string {
	var out []string
	for _, s := range work.Sources() {
		if s.Name != "arm" {
			continue
		}
		wanted := map[string]bool{}
		for _, a := range s.Asks {
			wanted[a.Name] = slices.ContainsFunc(a.Types, func(t string) bool {
				low := strings.ToLower(t)
				return strings.HasPrefix(low, "microsoft.authorization/polic") || strings.HasPrefix(low, "microsoft.policyinsights/") || t == "arm/policySummaries"
			})
		}
		for again := true; again; {
			again = false
			for i := range s.Asks {
				if !wanted[s.Asks[i].Name] {
					continue
				}
				for k := range s.Asks {
					if b := &s.Asks[k]; !wanted[b.Name] && needed(&s.Asks[i], b) {
						wanted[b.Name], again = true, true
					}
				}
			}
		}
		for i := range s.Asks {
			if wanted[s.Asks[i].Name] {
				out = append(out, "arm/"+s.Asks[i].Name)
			}
		}
	}
	return out
}

// needed reports whether ask a cannot be put, or not be believed, without b.
func needed(a, b *collect.Ask) bool {
	return b.Name == a.Proof || b.Name == a.Count || slices.ContainsFunc(a.Of, func(of string) bool {
		return slices.ContainsFunc(b.Types, func(t string) bool { return strings.EqualFold(t, of) }) || strings.EqualFold(b.Entity, of)
	})
}
