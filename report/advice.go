// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/check"
)

// collected reports whether a tenant was asked, and not only files were given.
func collected(a *check.Assessment) bool {
	return slices.ContainsFunc(a.Coverage, func(c tickmark.Coverage) bool { return c.Source != "file" })
}

// advise is nextStep for this assessment: who collected has nothing to export,
// and a missing type is named where there is one alone.
func advise(a *check.Assessment, r tickmark.Reason) string {
	asked := collected(a)
	if r == tickmark.ReasonNotCollected {
		var types []string
		for i := range a.Checks {
			if a.Checks[i].Reasons[r] == 0 {
				continue
			}
			for _, t := range a.Checks[i].Lacking {
				if !slices.Contains(types, t) {
					types = append(types, t)
				}
			}
		}
		switch {
		case len(types) == 1:
			return supply(asked, types[0])
		case len(types) > 1:
			return fmt.Sprintf("%d types are missing: --show unknown names them", len(types))
		}
	}
	if !asked {
		return nextStep(r)
	}
	switch r { //nolint:exhaustive // the others are the same however the snapshot came about
	case tickmark.ReasonSummary:
		return "its provider did not answer: --show coverage"
	case tickmark.ReasonNotCollected, tickmark.ReasonImplied, tickmark.ReasonTruncated:
		return "--show coverage says what was left out; collect again"
	case tickmark.ReasonConflicting:
		return "collect again while nobody changes it"
	case tickmark.ReasonThrottled:
		return "run tickmark collect again: it goes on"
	}
	return nextStep(r)
}

// supply says how a type gets into a snapshot of this origin.
func supply(asked bool, typ string) string {
	source, _, _ := strings.Cut(typ, "/")
	table := source == "hr" || source == "tickets" || source == "security"
	switch {
	case table && asked:
		return "give a table of " + typ + ": collect --with"
	case table:
		return "give a table of " + typ + " with its mapping"
	case source == "m365" && asked:
		return typ + ": export-script --source m365, then --with"
	case source == "m365":
		return typ + ": export-script --source m365"
	case asked:
		return typ + ": --show coverage says why it is not whole"
	}
	return "export all of it: --complete " + typ
}

// lackingOf names the types that a check needed and that were not read whole,
// each with what to do.
func lackingOf(a *check.Assessment, s *check.Summary) []string {
	var out []string
	asked := collected(a)
	for _, t := range s.Lacking {
		out = append(out, supply(asked, t))
	}
	return out
}
