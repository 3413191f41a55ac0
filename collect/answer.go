// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

// said is what the body of an error answer tells.
type said struct {
	codes   []string // the service's own, outermost first
	message string
}

func (s said) code() string {
	if len(s.codes) == 0 {
		return ""
	}
	return s.codes[0]
}

// readError reads the error bodies of ARM, Graph, OData, DevOps, GitHub, OAuth
// and Storage. A body of no known form says nothing.
func readError(body []byte) said {
	var s said
	if len(body) > 1<<20 {
		return s
	}
	var b struct {
		Error       json.RawMessage `json:"error"`
		ODataError  json.RawMessage `json:"odata.error"`
		Code        json.RawMessage `json:"code"`
		Message     json.RawMessage `json:"message"` // DevOps, GitHub
		TypeKey     string          `json:"typeKey"` // DevOps
		Description string          `json:"error_description"`
	}
	if json.Unmarshal(body, &b) != nil {
		return readStorageError(body)
	}
	for _, raw := range []json.RawMessage{b.Error, b.ODataError} {
		s.inner(raw, 0)
	}
	s.add(b.TypeKey)
	s.add(text(b.Code))
	if s.message == "" {
		s.message = text(b.Message)
	}
	if s.message == "" {
		s.message = b.Description
	}
	s.message = clip(s.message)
	return s
}

// inner reads {code, message, details, innerError} and a bare word.
func (s *said) inner(raw json.RawMessage, depth int) {
	if len(raw) == 0 || depth > 4 {
		return
	}
	if w := text(raw); w != "" {
		s.add(w)
		return
	}
	var e struct {
		Code       json.RawMessage   `json:"code"`
		Message    json.RawMessage   `json:"message"`
		Details    []json.RawMessage `json:"details"`
		InnerError json.RawMessage   `json:"innererror"`
	}
	if json.Unmarshal(raw, &e) != nil {
		return
	}
	s.add(text(e.Code))
	if s.message == "" {
		s.message = text(e.Message)
	}
	if s.message == "" {
		var m struct {
			Value string `json:"value"`
		}
		if json.Unmarshal(e.Message, &m) == nil {
			s.message = m.Value
		}
	}
	s.inner(e.InnerError, depth+1)
	for _, d := range e.Details {
		s.inner(d, depth+1)
	}
}

func (s *said) add(code string) {
	if code != "" && len(s.codes) < 8 {
		s.codes = append(s.codes, clip(code))
	}
}

func text(raw json.RawMessage) string {
	var v string
	if json.Unmarshal(raw, &v) != nil {
		return ""
	}
	return v
}

func readStorageError(body []byte) said {
	var e struct {
		XMLName xml.Name `xml:"Error"`
		Code    string   `xml:"Code"`
		Message string   `xml:"Message"`
	}
	var s said
	if xml.Unmarshal(body, &e) == nil {
		s.add(e.Code)
		s.message = clip(e.Message)
	}
	return s
}

// meanings are what codes mean where the ask does not say otherwise. The codes
// are those of the services' error references and of azure-realities 5.
var meanings = map[string]Meaning{
	"aadpremiumlicenserequired":                             MeansNoLicence,
	"authentication_requestfromnonpremiumtenantorb2ctenant": MeansNoLicence,
	"authentication_requestfromunsupportedusersource":       MeansRefused,
	"subscriptionnotfound":                                  MeansGone,
	"resourcegroupnotfound":                                 MeansGone,
	"resourcenotfound":                                      MeansGone,
	"parentresourcenotfound":                                MeansGone,
	"request_resourcenotfound":                              MeansGone,
	"locationnotavailableforresourcetype":                   MeansNotOffered,
	"featurenotsupportedincloud":                            MeansNotOffered,
}

// mean says what an error answer to an ask means; "" if nothing is known.
func mean(a *Ask, status int, s said) Meaning {
	for i := range a.Answers {
		w := &a.Answers[i]
		if w.Status != 0 && w.Status != status {
			continue
		}
		if w.Code == "" {
			return w.Means
		}
		for _, c := range s.codes {
			if strings.EqualFold(c, w.Code) {
				return w.Means
			}
		}
		// GitHub has no codes: the message is what there is.
		if len(s.codes) == 0 && strings.EqualFold(s.message, w.Code) {
			return w.Means
		}
	}
	for _, c := range s.codes {
		m, ok := meanings[strings.ToLower(c)]
		if !ok || m == MeansGone && (a.isRoot() || status != http.StatusNotFound) {
			continue
		}
		return m
	}
	return ""
}

// judge turns an answer that is not 200 into the end of its unit.
func judge(a *Ask, status int, body []byte) *ending {
	s := readError(body)
	e := &ending{Status: status, Code: s.code(), Means: mean(a, status, s)}
	e.Detail = fmt.Sprintf("the service answered %d %s", status, http.StatusText(status))
	if s.message != "" {
		e.Detail += ": " + s.message
	}
	switch e.Means {
	case MeansNone, MeansNoSuch:
		return e // answered
	case MeansGone:
		e.Reason = tickmark.ReasonNotCollected
		e.Detail = "it was listed, and the service says now that it is not there; " + e.Detail
	case MeansNotOffered:
		e.Reason = tickmark.ReasonNotOffered
	case MeansNoLicence:
		e.Reason = tickmark.ReasonNoLicence
	case MeansRefused:
		e.Reason = tickmark.ReasonNotPermitted
	case "":
		e.Reason = ReasonOf(status, s.code())
		if status == http.StatusNonAuthoritativeInfo {
			e.Reason = tickmark.ReasonNotPermitted // DevOps: the sign-in page
		}
		for _, c := range s.codes {
			if r := ReasonOf(0, c); r != tickmark.ReasonNotCollected {
				e.Reason = r
				break
			}
		}
	}
	if e.Reason == tickmark.ReasonNotPermitted && a.Needs.Permission != "" {
		e.Detail += "; it needs " + a.Needs.Permission
		if a.Needs.Role != "" {
			e.Detail += " (" + a.Needs.Role + ")"
		}
	}
	return e
}

// entitySkus is what Graph's list of the tenant's subscriptions is called.
const entitySkus = "graph/subscribedSkus"

// unlicensed says that the tenant cannot have what the ask is about; "" where
// it can, or where nobody knows.
func (r *runner) unlicensed(a *askRun) string {
	if a.licences == nil || r.probe || len(a.ask.Needs.Licence) == 0 || a.ask.isRoot() {
		return ""
	}
	plans, known := r.plansOf(a.licences)
	if !known || hasPlan(plans, a.ask.Needs.Licence) {
		return ""
	}
	return "the tenant has none of the plans " + strings.Join(a.ask.Needs.Licence, ", ")
}

// plansOf reads the service plans of the tenant, in lower case, from the list
// of licences; known is false where it was not read whole.
func (r *runner) plansOf(list *askRun) (plans map[string]bool, known bool) {
	plans = map[string]bool{}
	for _, u := range list.units {
		if u.end == nil || u.end.Reason != tickmark.ReasonNone || u.end.Means != "" {
			return nil, false
		}
		for _, p := range u.pages {
			for _, it := range p.items {
				b, err := r.spool.read(p.Off+int64(it.Off), it.Len)
				if err != nil {
					return nil, false
				}
				addPlans(plans, b)
			}
		}
	}
	return plans, len(list.units) > 0
}

// retain sets how long the source of a log keeps it for this tenant; why, if
// not empty, says that nothing is left of the time that was asked for.
func (r *runner) retain(a *askRun) (why string) {
	w := a.ask.Window
	if w == nil || w.Keeps <= 0 {
		return ""
	}
	a.keeps = w.Keeps
	if a.licences != nil {
		plans, _ := r.plansOf(a.licences)
		for plan, d := range w.Extended {
			if plans[strings.ToLower(plan)] {
				a.keeps = max(a.keeps, d)
			}
		}
	}
	if kept := r.kept(a); !kept.Before(r.to) {
		return a.keeping() + ": none of the time that was asked for"
	}
	return ""
}

// keeping says how long the source keeps a log.
func (a *askRun) keeping() string {
	s := fmt.Sprintf("the source keeps records for %d days", int(a.keeps.Hours()/24))
	if a.extended() && a.keeps == a.ask.Window.Keeps {
		s += ", with a licence that the tenant has not, or that is not known, for longer"
	}
	return s
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
