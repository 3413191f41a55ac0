// SPDX-License-Identifier: Apache-2.0

package arm_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/collect/arm"
	"github.com/tickmark/tickmark/jsontape"
)

var (
	kebab     = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	version   = regexp.MustCompile(`^20\d\d-[01]\d-[0-3]\d(-preview)?$`)
	page      = regexp.MustCompile(`^https://learn\.microsoft\.com/(rest/api|azure)/[a-z0-9./-]+$`)
	reference = regexp.MustCompile(`\{(\^*)([A-Za-z_][A-Za-z0-9_.]*)\}`)
	guid      = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

func TestAsksSayWhatTheyNeed(t *testing.T) {
	roles := map[string]bool{}
	for _, r := range arm.Roles() {
		roles[r.Name], roles[r.Name+" at "+r.Scope] = true, true
	}
	seen := map[string]bool{}
	for _, a := range arm.Source().Asks {
		if !kebab.MatchString(a.Name) || seen[a.Name] {
			t.Errorf("%q: not in kebab-case, or not unique", a.Name)
		}
		seen[a.Name] = true
		if a.About == "" || strings.HasSuffix(a.About, ".") || a.About != strings.TrimSpace(a.About) {
			t.Errorf("%s: about %q is not a plain clause", a.Name, a.About)
		}
		if !page.MatchString(a.Doc) {
			t.Errorf("%s: documentation %q is not a page of Microsoft's", a.Name, a.Doc)
		}
		if a.Needs.Permission == "" || !roles[a.Needs.Role] {
			t.Errorf("%s: permission %q, role %q: want both, and the role among Roles()", a.Name, a.Needs.Permission, a.Needs.Role)
		}
		if a.Needs.Scope != "" && !roles[a.Needs.Role+" at "+a.Needs.Scope] {
			t.Errorf("%s: no role of Roles() is %s at %s", a.Name, a.Needs.Role, a.Needs.Scope)
		}
		if a.Host == collect.HostARM && !version.MatchString(a.APIVersion) {
			t.Errorf("%s: API version %q", a.Name, a.APIVersion)
		}
		if a.Pace == "" || a.Form == "" {
			t.Errorf("%s: pace %q, form %q", a.Name, a.Pace, a.Form)
		}
	}
	for _, a := range arm.Source().Asks {
		for _, n := range []string{a.Count, a.Proof} {
			if n != "" && !seen[n] {
				t.Errorf("%s: there is no ask %q", a.Name, n)
			}
		}
	}
}

// TestSubjectsAreListed: what an ask is put to is read by another, and no ask
// waits for itself.
func TestSubjectsAreListed(t *testing.T) {
	asks := arm.Source().Asks
	waits := map[string][]string{}
	for _, a := range asks {
		for _, typ := range a.Of {
			n := 0
			for _, o := range asks {
				// Of the management groups it reads those that the identity may see:
				// they are asked about, and nothing is concluded from their number.
				named := typ == "arm/managementGroupNames" && o.Entity == typ
				if named || slices.ContainsFunc(o.Types, func(s string) bool { return strings.EqualFold(s, typ) }) {
					waits[a.Name] = append(waits[a.Name], o.Name)
					n++
				}
			}
			if n == 0 {
				t.Errorf("%s: no ask reads %s completely", a.Name, typ)
			}
		}
	}
	done := map[string]int{}
	var walk func(name string, trail []string)
	walk = func(name string, trail []string) {
		if done[name] == 2 {
			return
		}
		if trail = append(trail, name); done[name] == 1 {
			t.Fatalf("these asks wait for one another: %v", trail)
		}
		done[name] = 1
		for _, w := range waits[name] {
			walk(w, trail)
		}
		done[name] = 2
	}
	for _, a := range asks {
		walk(a.Name, nil)
	}
}

// TestEngineTakesTheSource: the engine finds no mistake in it either.
func TestEngineTakesTheSource(t *testing.T) {
	if err := collect.Check(arm.Source()); err != nil {
		t.Error(err)
	}
}

// mistakes lists what is wrong with the templates of an ask.
func mistakes(a collect.Ask) []string {
	var bad []string
	for what, text := range map[string]string{"path": a.Path, "query": a.Query} {
		if left := reference.ReplaceAllString(text, ""); strings.ContainsAny(left, "{} ?#\"") {
			bad = append(bad, fmt.Sprintf("%s %q: a brace or a character that is not escaped", what, text))
		}
	}
	// Of a storage account the address is a member.
	account := a.Host == collect.HostBlob && strings.Contains(a.Path, "^properties.primaryEndpoints.blob}")
	if !account && !slices.ContainsFunc([]string{"/", "{id}", "{^id}", "{properties."}, func(p string) bool { return strings.HasPrefix(a.Path, p) }) {
		bad = append(bad, fmt.Sprintf("path %q starts with neither a slash nor an id", a.Path))
	}
	all := a.Path + a.Query + a.Body
	window := strings.Contains(all, "{from}") || strings.Contains(all, "{to}")
	if window && (a.Window == nil || !strings.Contains(all, "{from}") || !strings.Contains(all, "{to}") && !a.Window.Months) {
		bad = append(bad, "{from} and {to} go together, and with a window")
	}
	if strings.Contains(all, "{ids}") != (a.Batch > 0) {
		bad = append(bad, "{ids} and Batch go together")
	}
	if a.Body != "" {
		filled := reference.ReplaceAllStringFunc(a.Body, func(s string) string {
			if s == "{ids}" {
				return `["0"]`
			}
			return "0"
		})
		var v map[string]any
		if err := json.Unmarshal([]byte(filled), &v); err != nil {
			bad = append(bad, fmt.Sprintf("body %q: %v", a.Body, err))
		}
	}
	if a.Window != nil && a.Window.Field == "" {
		bad = append(bad, "a window without field")
	}
	if a.Form == "armObject" && a.Paging != collect.PageOne {
		bad = append(bad, "one object has no pages")
	}
	return bad
}

func TestTemplates(t *testing.T) {
	for _, a := range arm.Source().Asks {
		for _, m := range mistakes(a) {
			t.Errorf("%s: %s", a.Name, m)
		}
	}
	for _, a := range []collect.Ask{
		{Path: "{id}/{oops"},
		{Path: "{id}/a b"},
		{Path: "id/x"},
		{Path: "{id}", Query: "$filter=a ge '{from}'"},
		{Path: "{id}", Query: "a={from}&b={to}"},
		{Path: "/x", Body: `{"subscriptions":{ids}}`},
		{Path: "/x", Batch: 3},
		{Path: "/x", Body: `{"query":"a`},
		{Path: "{id}", Form: "armObject", Paging: collect.PageNextLink},
	} {
		if len(mistakes(a)) == 0 {
			t.Errorf("nothing is said to be wrong with %+v", a)
		}
	}
}

// writes says why a request could change something or give a secret away;
// empty if it only reads. POST is for these endpoints, which take a query as a
// body: docs of Resource Graph "resources", Policy Insights "queryResults" and
// "summarize", Log Analytics "query".
func writes(a collect.Ask) string {
	queries := []string{
		"/providers/Microsoft.ResourceGraph/resources",
		"{id}/providers/Microsoft.PolicyInsights/policyStates/latest/queryResults",
		"{id}/providers/Microsoft.PolicyInsights/policyStates/latest/summarize",
		"/v1/workspaces/{^properties.customerId}/query",
	}
	switch a.Method {
	case "", http.MethodGet:
		if a.Body != "" {
			return "a GET with a body"
		}
	case http.MethodPost:
		if !slices.Contains(queries, a.Path) {
			return "POST to an endpoint that is not known to be a query"
		}
	default:
		return "method " + a.Method
	}
	secrets := []string{"list", "listkeys", "listsecrets", "listcredentials", "publishxml", "publishingcredentials", "connectionstrings", "appsettings", "regeneratekey", "generatekey", "sharedkeys"}
	for segment := range strings.SplitSeq(strings.ToLower(a.Path), "/") {
		if slices.Contains(secrets, segment) || strings.HasPrefix(segment, "list") || strings.HasPrefix(segment, "regenerate") {
			return "the path names secrets: " + segment
		}
	}
	return ""
}

func TestRequestsOnlyRead(t *testing.T) {
	for _, a := range arm.Source().Asks {
		if why := writes(a); why != "" {
			t.Errorf("%s: %s %s: %s", a.Name, a.Method, a.Path, why)
		}
	}
	for _, a := range []collect.Ask{
		{Method: "PUT", Path: "{id}"},
		{Method: "DELETE", Path: "{id}"},
		{Method: "PATCH", Path: "{id}"},
		{Method: "post", Path: "/providers/Microsoft.ResourceGraph/resources"},
		{Method: "POST", Path: "{id}/listKeys"},
		{Method: "POST", Path: "{id}/providers/Microsoft.PolicyInsights/policyStates/latest/triggerEvaluation"},
		{Method: "POST", Path: "{id}/config/appsettings/list"},
		{Path: "{id}/config/publishingcredentials/list"},
		{Path: "{id}/config/authsettingsV2/list"},
		{Path: "{id}/sharedKeys"},
		{Path: "{id}", Body: "{}"},
	} {
		if writes(a) == "" {
			t.Errorf("%s %s passes for a request that only reads", a.Method, a.Path)
		}
	}
}

// unread lists the types of checks on this source that no ask reads wholly.
func unread(checks []*catalog.Check, asks []collect.Ask) []string {
	read := map[string]bool{}
	for _, a := range asks {
		for _, typ := range a.Types {
			read[typ] = true
		}
	}
	var left []string
	for _, c := range checks {
		if c.Source != "arm" {
			continue
		}
		for _, typ := range slices.Concat(c.Types, c.Needs) {
			if !read[typ] && !strings.HasPrefix(typ, "graph/") && !strings.HasPrefix(typ, "hr/") {
				left = append(left, c.ID+": "+typ)
			}
		}
	}
	return left
}

func TestEveryCheckIsServed(t *testing.T) {
	c, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	asks := arm.Source().Asks
	for _, l := range unread(c.Checks, asks) {
		t.Errorf("%s is read by no ask", l)
	}
	without := slices.DeleteFunc(slices.Clone(asks), func(a collect.Ask) bool { return a.Name == "sql-auditing" })
	if got := unread(c.Checks, without); len(got) == 0 {
		t.Error("without sql-auditing every check is still served: the test cannot fail")
	}
}

// TestJudgedTypesAreReadDirectly: what decides a check does not rest on the
// index alone.
func TestJudgedTypesAreReadDirectly(t *testing.T) {
	c, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	direct := slices.DeleteFunc(arm.Source().Asks, func(a collect.Ask) bool { return !a.Direct })
	for _, l := range unread(c.Checks, direct) {
		if strings.Contains(l, ": arm/") {
			continue // records that no index has
		}
		t.Errorf("%s is read from the index only", l)
	}
}

func TestTypesAreCanonical(t *testing.T) {
	c, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	spelled := map[string]string{}
	for _, a := range arm.Source().Asks {
		for _, typ := range slices.Concat(a.Types, a.Of) {
			low := strings.ToLower(typ)
			if known := c.Type(typ); known != nil && known.Name != typ {
				t.Errorf("%s: %s is spelled %s in the catalogue", a.Name, typ, known.Name)
			}
			if other, ok := spelled[low]; ok && other != typ {
				t.Errorf("%s: %s and %s", a.Name, typ, other)
			}
			spelled[low] = typ
			if a.Entity != "" && slices.Contains(a.Types, typ) && typ != a.Entity {
				t.Errorf("%s: rows are %s, but it says that it reads %s", a.Name, a.Entity, typ)
			}
		}
		if a.Direct && a.Entity != "" {
			t.Errorf("%s: records are not resources that two sources could disagree on", a.Name)
		}
	}
}

// blind says what a query of Resource Graph leaves out; empty if nothing.
func blind(body string) string {
	switch {
	case !strings.Contains(body, `"authorizationScopeFilter":"AtScopeAboveAndBelow"`):
		return "what is inherited from management groups"
	case !strings.Contains(body, `"resultFormat":"objectArray"`):
		return "the form of rows"
	case !strings.Contains(body, "| order by id asc") && !strings.Contains(body, "| order by subscriptionId asc"):
		return "an order, so that pages overlap"
	case !strings.Contains(body, `"$top":1000`):
		return "the page size"
	}
	return ""
}

func TestIndexQueriesSeeEverything(t *testing.T) {
	n := 0
	for _, a := range arm.Source().Asks {
		if a.Pace != collect.PaceResourceGraph {
			continue
		}
		n++
		if w := blind(a.Body); w != "" {
			t.Errorf("%s leaves out %s: %s", a.Name, w, a.Body)
		}
		if a.Direct {
			t.Errorf("%s: an index does not answer for the provider", a.Name)
		}
		for _, cut := range []string{"| project", "| take", "| limit", "| top "} {
			if strings.Contains(a.Body, cut) {
				t.Errorf("%s: %q leaves out rows or columns", a.Name, cut)
			}
		}
		if i := strings.Index(a.Body, `"subscriptions":{ids}`); i < 0 && a.Batch > 0 {
			t.Errorf("%s: the batch is not in the body", a.Name)
		}
	}
	if n < 10 {
		t.Errorf("found %d queries", n)
	}
	good := arm.Source().Asks[slices.IndexFunc(arm.Source().Asks, func(a collect.Ask) bool { return a.Name == "resources" })].Body
	for _, leave := range []string{`,"authorizationScopeFilter":"AtScopeAboveAndBelow"`, " | order by id asc", `"$top":1000,`} {
		if blind(strings.Replace(good, leave, "", 1)) == "" {
			t.Errorf("without %s the query passes", leave)
		}
	}
}

// TestRoles: each role at each scope is there for an ask, and what is needed is
// more than what stands in.
func TestRoles(t *testing.T) {
	named := map[string]bool{}
	for _, a := range arm.Source().Asks {
		named[a.Needs.Role], named[a.Needs.Role+" at "+a.Needs.Scope] = true, true
	}
	names, ids, needed := map[string]string{}, map[string]bool{}, 0
	for _, r := range arm.Roles() {
		at := r.Name + " at " + r.Scope
		switch {
		case r.ID == "" && len(r.Actions) == 0:
			t.Errorf("%s: neither a GUID nor actions", r.Name)
		case r.ID != "" && (!guid.MatchString(r.ID) || names[r.ID] != "" && names[r.ID] != r.Name):
			t.Errorf("%s: %q is no GUID, or is that of another role", r.Name, r.ID)
		case r.Why == "" || r.Scope == "":
			t.Errorf("%s: why %q, scope %q", r.Name, r.Why, r.Scope)
		case r.Scope == arm.ScopeRoot && !named[r.Name], r.Scope != arm.ScopeRoot && !named[at], ids[at]:
			t.Errorf("%s: no ask needs it, or it is there twice", at)
		}
		names[r.ID], ids[at] = r.Name, true
		if !r.Instead && !r.Spare {
			needed++
		}
		for _, act := range r.Actions {
			if !strings.HasPrefix(act, "Microsoft.PolicyInsights/policyStates/summarize/") {
				t.Errorf("%s: %s is more than the asks need", r.Name, act)
			}
		}
	}
	if needed < 2 {
		t.Errorf("%d roles are needed", needed)
	}
}

func TestScope(t *testing.T) {
	const sub = "/subscriptions/0000A000-0000-0000-0000-000000000001"
	workspace := &collect.Subject{ID: sub + "/resourceGroups/g/providers/Microsoft.OperationalInsights/workspaces/w"}
	scope := arm.Source().Scope
	for _, c := range []struct {
		subject *collect.Subject
		want    string
	}{
		{nil, ""},
		{&collect.Subject{Type: collect.Root, ID: "0000"}, ""},
		{&collect.Subject{ID: "/providers/Microsoft.Management/managementGroups/m"}, ""},
		{&collect.Subject{ID: "/subscriptions/"}, ""},
		{&collect.Subject{ID: sub}, strings.ToLower(sub)},
		{workspace, strings.ToLower(sub)},
		{&collect.Subject{ID: "7", Of: workspace}, strings.ToLower(sub)},
	} {
		if got := scope(c.subject); got != c.want {
			t.Errorf("scope(%+v) = %q, want %q", c.subject, got, c.want)
		}
	}
}

// TestWhere: logs are asked of the table that they name, and settings of a
// database not of the system's own.
func TestWhere(t *testing.T) {
	var p jsontape.Parser
	tape, err := p.Parse([]byte(`{"id":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	asks := map[string]collect.Ask{}
	for _, a := range arm.Source().Asks {
		asks[a.Name] = a
	}
	for _, c := range []struct {
		ask, name string
		want      bool
	}{
		{"log-audit-logs", "AuditLogs", true},
		{"log-audit-logs", "AuditLogs_CL", false},
		{"log-sign-ins-days", "SigninLogs", true},
		{"log-sign-ins-days", "AuditLogs", false},
		{"sql-encryption", "orders", true},
		{"sql-encryption", "master", false},
	} {
		if got := asks[c.ask].Where(&collect.Subject{Name: c.name, Item: tape.Root()}); got != c.want {
			t.Errorf("%s of %s: %v, want %v", c.ask, c.name, got, c.want)
		}
	}
}

// TestNoneIsSaidInSoManyWords: that there is nothing is believed only of a
// code that says so, not of a bare status, and never of a refusal.
func TestNoneIsSaidInSoManyWords(t *testing.T) {
	for _, a := range arm.Source().Asks {
		for _, w := range a.Answers {
			if w.Means != collect.MeansNone && w.Means != collect.MeansNoSuch {
				continue
			}
			if w.Code == "" || w.Status == 0 || w.Status == 401 || w.Status == 403 || w.Status == 429 || w.Status >= 500 {
				t.Errorf("%s: %d %q does not say that there is none", a.Name, w.Status, w.Code)
			}
			if collect.ReasonOf(w.Status, w.Code) != tickmark.ReasonNotCollected {
				t.Errorf("%s: %d %q is a refusal", a.Name, w.Status, w.Code)
			}
		}
	}
}
