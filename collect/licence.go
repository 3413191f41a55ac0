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

// unlicensed says that the tenant cannot have what the ask is about; "" where
// it can, or where nobody knows.
func (r *runner) unlicensed(a *askRun) string {
	if a.licences == nil || r.probe {
		return ""
	}
	plans := map[string]bool{}
	for _, u := range a.licences.units {
		if u.end == nil || u.end.Reason != tickmark.ReasonNone || u.end.Means != "" {
			return ""
		}
		for _, p := range u.pages {
			for _, it := range p.items {
				b, err := r.spool.read(p.Off+int64(it.Off), it.Len)
				if err != nil {
					return ""
				}
				addPlans(plans, b)
			}
		}
	}
	if len(a.licences.units) == 0 || hasPlan(plans, a.ask.Needs.Licence) {
		return ""
	}
	return "the tenant has none of the plans " + strings.Join(a.ask.Needs.Licence, ", ")
}

func hasPlan(plans map[string]bool, wanted []string) bool {
	return slices.ContainsFunc(wanted, func(p string) bool { return plans[strings.ToLower(p)] })
}

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
	if !known || !r.tune.on("licence") {
		return
	}
	for _, a := range src.asks {
		if len(a.ask.Needs.Licence) == 0 {
			continue
		}
		has := hasPlan(plans, a.ask.Needs.Licence)
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
