// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

// entitySkus is what Graph's list of the tenant's subscriptions is called.
const entitySkus = "graph/subscribedSkus"

// plans reads the service plans of the tenant out of the pages, in lower case.
// known is false where the list was not read whole.
func (r *runner) plans(pages []byte) (plans map[string]bool, known bool) {
	plans = map[string]bool{}
	for _, s := range r.sources {
		for _, a := range s.asks {
			if a.ask.Entity != entitySkus {
				continue
			}
			for _, u := range a.units {
				known = u.end != nil && u.end.Reason == tickmark.ReasonNone && u.end.Means == ""
				for _, p := range u.pages {
					for _, it := range p.items {
						from := int(p.Off) + it.Off
						addPlans(plans, pages[from:from+it.Len])
					}
				}
			}
		}
	}
	r.tenantPlans = plans
	return plans, known
}

func addPlans(plans map[string]bool, row []byte) {
	tape, err := jsontape.Parse(row, jsontape.Options{})
	if err != nil {
		return // the page was read before: it cannot be
	}
	switch strings.ToLower(tape.Root().Get("capabilityStatus").Str()) {
	case "enabled", "warning":
	default:
		return
	}
	for p := range tape.Root().Get("servicePlans").Elems() {
		plans[strings.ToLower(p.Get("servicePlanName").Str())] = true
	}
}

// licence tells a missing licence from a missing permission, which services
// answer alike. The list of licences decides, both ways.
func (r *runner) licence(src *sourceRun, plans map[string]bool, known bool) {
	if !known {
		return
	}
	for _, a := range src.asks {
		if len(a.ask.Needs.Licence) == 0 {
			continue
		}
		has := slices.ContainsFunc(a.ask.Needs.Licence, func(p string) bool { return plans[strings.ToLower(p)] })
		for _, u := range a.units {
			e := u.end
			if e == nil || e.Reason == tickmark.ReasonNone {
				continue
			}
			switch {
			case !has && (e.Status == 400 || e.Status == 403 || e.Status == 404 || e.Status == 410):
				e.Reason = tickmark.ReasonNoLicence
				e.Detail = fmt.Sprintf("the tenant has none of the plans %s; %s", strings.Join(a.ask.Needs.Licence, ", "), e.Detail)
			case has && e.Reason == tickmark.ReasonNoLicence:
				e.Reason = tickmark.ReasonNotCollected
				e.Detail = fmt.Sprintf("the service says that a licence is missing, but the tenant has one of %s; %s", strings.Join(a.ask.Needs.Licence, ", "), e.Detail)
			}
		}
	}
}
