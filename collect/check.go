// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// The forms that a page of a live source can have; tickmark.Page.Form
// describes them.
const (
	formResourceGraph   = "resourceGraph"
	formTable           = "resourceGraphTable" // also a table of Log Analytics
	formARMList         = "armList"
	formARMObject       = "armObject"
	formGraphCollection = "graphCollection"
	formGraphEntity     = "graphEntity"
	formJSONLines       = "jsonLines"
	formArray           = "array"
	formLogAnalytics    = "logAnalytics" // the table PrimaryResult
)

var (
	kebab  = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	lists  = map[string]string{formResourceGraph: "data", formTable: "data.rows", formARMList: "value", formGraphCollection: "value", formArray: "", formJSONLines: "", formARMObject: "", formGraphEntity: "", formLogAnalytics: "tables"}
	hosts  = []Host{HostARM, HostGraph, HostLogAnalytics, HostBlob, HostVault, HostDevOps, HostDevOpsGraph, HostDevOpsAudit, HostDevOpsRelease, HostDevOpsEntitlements, HostGitHub, HostPower, HostPowerAPI, HostDataverse}
	ways   = []Paging{PageOne, PageNextLink, PageSkipToken, PageODataLink, PageContinuation, PageBodyToken, PageSkip, PageLink, PageMarker}
	clouds = []string{"public", "usGovernment", "china", "commercial", "gcc", "gccHigh", "dod"}
)

// Check finds mistakes in a source: names, templates, forms, and asks of what
// no other ask yields or that wait for one another.
func Check(s Source) error {
	if !kebab.MatchString(s.Name) {
		return fmt.Errorf("source %q: the name is not a word in lower case", s.Name)
	}
	seen := map[string]bool{}
	for i := range s.Asks {
		a := &s.Asks[i]
		if err := checkAsk(&s, a); err != nil {
			return fmt.Errorf("%s/%s: %w", s.Name, a.Name, err)
		}
		if seen[a.Name] {
			return fmt.Errorf("%s/%s: there are two asks of this name", s.Name, a.Name)
		}
		seen[a.Name] = true
	}
	_, err := order(&s)
	return err
}

func checkAsk(s *Source, a *Ask) error {
	switch {
	case !kebab.MatchString(a.Name):
		return fmt.Errorf("the name is not in kebab-case")
	case a.Method != "" && a.Method != http.MethodGet && a.Method != http.MethodPost:
		return fmt.Errorf("method %q: want GET or POST", a.Method)
	case a.Method != http.MethodPost && a.Body != "":
		return fmt.Errorf("a body without POST")
	case !slices.Contains(hosts, a.Host):
		return fmt.Errorf("host %q is not one of %v", a.Host, hosts)
	case !slices.Contains(ways, a.Paging):
		return fmt.Errorf("paging %q is not one of %q", a.Paging, ways)
	case a.Paging == PageSkip && a.PageSize <= 0:
		return fmt.Errorf("paging %q needs PageSize: a short page is the last", a.Paging)
	case a.Identity == "#" && a.Paging != PageOne:
		return fmt.Errorf("identity # tells rows apart inside one page only")
	case a.Path == "":
		return fmt.Errorf("no path")
	case strings.Contains(a.Path, "?"):
		return fmt.Errorf("the path has a question mark: use Query")
	}
	if _, ok := lists[a.Form]; !ok {
		return fmt.Errorf("form %q is unknown", a.Form)
	}
	if err := checkWire(a); err != nil {
		return err
	}
	if _, ok := Quotas[a.Pace]; !ok {
		return fmt.Errorf("pace %q has no quota", a.Pace)
	}
	if single(a.Form) && (a.List != "" || a.Paging != PageOne) {
		return fmt.Errorf("form %q is one object: it has no list and no pages", a.Form)
	}
	for _, n := range a.NotOffered {
		if !slices.Contains(clouds, n) {
			return fmt.Errorf("not offered in %q: want one of %v", n, clouds)
		}
	}
	for _, name := range append([]string{a.Proof, a.Count}, a.By...) {
		if name != "" && !slices.ContainsFunc(s.Asks, func(o Ask) bool { return o.Name == name && name != a.Name }) {
			return fmt.Errorf("there is no other ask %q", name)
		}
	}
	if len(a.Sees) > 0 && !slices.ContainsFunc(s.Asks, func(o Ask) bool { return o.Name == a.Proof && o.Grants != nil }) {
		return fmt.Errorf("it must see %s, but no proof tells what the identity is granted", a.Sees[0])
	}
	return checkTemplates(a)
}

// checkWire holds what is not JSON to the one form that the engine turns it into.
func checkWire(a *Ask) error {
	switch {
	case a.Wire != WireJSON && a.Wire != WireBlobList:
		return fmt.Errorf("wire %q is unknown", a.Wire)
	case a.Wire == WireBlobList && (a.Form != formARMList || a.Paging != PageMarker):
		return fmt.Errorf("wire %q becomes form %q with paging %q", a.Wire, formARMList, PageMarker)
	case a.Wire != WireBlobList && a.Paging == PageMarker:
		return fmt.Errorf("paging %q is that of wire %q", a.Paging, WireBlobList)
	}
	return nil
}

func checkTemplates(a *Ask) error {
	path, query, body := parseTemplate(a.Path), parseTemplate(a.Query), parseTemplate(a.Body)
	uses := func(names ...string) bool {
		for _, n := range names {
			if path.has(n) || query.has(n) || body.has(n) {
				return true
			}
		}
		return false
	}
	ids := slices.ContainsFunc(slices.Concat(query, body), func(p part) bool {
		return p.ref && (p.text == "ids" || strings.HasPrefix(p.text, "ids."))
	})
	switch {
	case !strings.HasPrefix(a.Path, "/") && !path[0].ref:
		return fmt.Errorf("the path starts with neither a slash nor a reference")
	case a.Batch > 0 && !ids:
		return fmt.Errorf("a batch without {ids}")
	case a.Batch > 0 && len(a.Of) == 0:
		return fmt.Errorf("a batch of nothing: Of is empty")
	case a.Batch == 0 && ids:
		return fmt.Errorf("{ids} without Batch")
	case a.Window == nil && uses("from", "to"):
		return fmt.Errorf("{from} or {to} without Window")
	case a.Window != nil && a.Window.Field == "":
		return fmt.Errorf("a window without Field")
	}
	for _, t := range []string{a.Path, a.Query, a.Body} {
		if strings.Count(reference.ReplaceAllString(t, ""), "{^") > 0 {
			return fmt.Errorf("a broken reference in %q", t)
		}
	}
	if a.Paging == PageSkipToken {
		filled := reference.ReplaceAllString(a.Body, "0")
		var v map[string]json.RawMessage
		if err := json.Unmarshal([]byte(filled), &v); err != nil {
			return fmt.Errorf("paging %q puts its token into a body that is no JSON object: %w", a.Paging, err)
		}
	}
	return nil
}

// single reports whether a page of the form is one object.
func single(form string) bool { return form == formARMObject || form == formGraphEntity }

// yields reports whether the ask's pages can list resources of the type.
func yields(a *Ask, typ string) bool {
	if a.Entity != "" && strings.EqualFold(a.Entity, typ) {
		return true
	}
	return slices.ContainsFunc(a.Types, func(t string) bool { return strings.EqualFold(t, typ) })
}

// yielders returns the asks that list resources of the type: those that name
// it, or else those that read all types.
func yielders(s *Source, typ string) []int {
	var named, all []int
	for j := range s.Asks {
		switch a := &s.Asks[j]; {
		case yields(a, typ):
			named = append(named, j)
		case a.Entity == "" && slices.Contains(a.Types, "*"):
			all = append(all, j)
		}
	}
	if len(named) > 0 {
		return named
	}
	return all
}

// order returns for each ask the asks that it must wait for, which list its
// subjects. An unknown type and a circle are errors.
func order(s *Source) ([][]int, error) {
	deps := make([][]int, len(s.Asks))
	for i := range s.Asks {
		a := &s.Asks[i]
		for _, typ := range a.Of {
			if typ == Root || configured(typ) {
				if len(a.Of) > 1 {
					return nil, fmt.Errorf("%s/%s: it is of the tenant and of other types", s.Name, a.Name)
				}
				continue
			}
			found := yielders(s, typ)
			if len(a.By) > 0 {
				found = slices.DeleteFunc(found, func(j int) bool { return !slices.Contains(a.By, s.Asks[j].Name) })
			}
			for _, j := range found {
				if s.Asks[j].mayBeAbsent() {
					return nil, fmt.Errorf("%s/%s: it is of what %s lists, which takes 404 for none: what is hidden would pass for empty", s.Name, a.Name, s.Asks[j].Name)
				}
			}
			if len(found) == 0 {
				return nil, fmt.Errorf("%s/%s: no ask yields %s", s.Name, a.Name, typ)
			}
			deps[i] = append(deps[i], found...)
		}
		slices.Sort(deps[i])
		deps[i] = slices.Compact(deps[i])
	}
	state := make([]int, len(s.Asks))
	var visit func(i int, trail []string) error
	visit = func(i int, trail []string) error {
		trail = append(trail, s.Asks[i].Name)
		switch state[i] {
		case 1:
			return fmt.Errorf("%s: these asks wait for one another: %s", s.Name, strings.Join(trail, " → "))
		case 2:
			return nil
		}
		state[i] = 1
		for _, j := range deps[i] {
			if err := visit(j, trail); err != nil {
				return err
			}
		}
		state[i] = 2
		return nil
	}
	for i := range s.Asks {
		if err := visit(i, nil); err != nil {
			return nil, err
		}
	}
	return deps, nil
}

// mayBeAbsent reports whether an answer of 404 stands for one that there is none.
func (a *Ask) mayBeAbsent() bool {
	return slices.ContainsFunc(a.Answers, func(w Answer) bool { return w.Status == http.StatusNotFound && w.Means == MeansNone })
}

// isRoot reports whether the ask is put once, to the tenant.
func (a *Ask) isRoot() bool { return len(a.Of) == 0 || len(a.Of) == 1 && a.Of[0] == Root }

// configured reports whether a type is a list of the configuration.
func configured(typ string) bool { return strings.HasPrefix(typ, Root+"/") }

func (a *Ask) method() string {
	if a.Method == "" {
		return http.MethodGet
	}
	return a.Method
}

// listPath is where the rows are; ok is false for one object and for bare rows.
func (a *Ask) listPath() (path string, ok bool) {
	if a.List != "" {
		return a.List, true
	}
	p := lists[a.Form]
	return p, p != ""
}
