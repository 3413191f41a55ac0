// SPDX-License-Identifier: Apache-2.0

package graph_test

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/collect/graph"
)

// problems lists what is wrong with the asks of a source; tests of the test
// hand it broken ones.
func problems(asks []collect.Ask) []string {
	var bad []string
	say := func(a collect.Ask, format string, args ...any) {
		bad = append(bad, a.Name+": "+fmt.Sprintf(format, args...))
	}
	names, yields := map[string]bool{}, map[string]bool{collect.Root: true}
	kebab := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	for _, a := range asks {
		if names[a.Name] || !kebab.MatchString(a.Name) {
			say(a, "the name is taken or not in kebab-case")
		}
		names[a.Name] = true
		if a.Method != "" && a.Method != http.MethodGet || a.Body != "" {
			say(a, "sends %s %q; the source only reads", a.Method, a.Body)
		}
		if a.Host != collect.HostGraph {
			say(a, "goes to %q", a.Host)
		}
		if !strings.HasPrefix(a.Path, "/v1.0/") && !strings.HasPrefix(a.Path, "/beta/") || strings.Contains(a.Path, "?") {
			say(a, "path %q", a.Path)
		}
		if strings.HasPrefix(a.Path, "/beta/") && graph.Remarks()[a.Name].Beta == "" {
			say(a, "asks beta without saying why")
		}
		if _, err := url.ParseQuery(a.Query); err != nil || strings.ContainsAny(a.Query, " +") {
			say(a, "query %q", a.Query)
		}
		if strings.Contains(a.Query, "$count=true") != (a.Header["ConsistencyLevel"] == "eventual") {
			say(a, "$count and ConsistencyLevel belong together")
		}
		if a.Needs.Permission == "" || strings.Contains(a.Needs.Permission, "Write") || a.About == "" || !strings.HasPrefix(a.Doc, "https://learn.microsoft.com/graph/") {
			say(a, "needs %q, about %q, documented at %q", a.Needs.Permission, a.About, a.Doc)
		}
		if a.Entity == "" || !slices.Equal(a.Types, []string{a.Entity}) || a.Pace == "" {
			say(a, "entity %q, types %q, pace %q", a.Entity, a.Types, a.Pace)
		}
		for _, of := range a.Of {
			if !yields[of] {
				say(a, "is about %s, which no ask before it lists", of)
			}
		}
		if strings.Contains(a.Path, "{id}") != (len(a.Of) > 0) {
			say(a, "the path names a subject, or there is none")
		}
		for _, t := range a.Types {
			if yields[t] {
				say(a, "%s is listed by another ask too", t)
			}
			yields[t] = true
		}
		if a.Window != nil && (!strings.Contains(a.Query, "{from}") || !strings.Contains(a.Query, "{to}") || a.Window.Field == "" || a.Window.Keeps == 0) {
			say(a, "the window is not asked for, or incomplete")
		}
	}
	return bad
}

func TestAsks(t *testing.T) {
	asks := graph.Source().Asks
	for _, p := range problems(asks) {
		t.Error(p)
	}
	if len(asks) < 50 {
		t.Errorf("%d asks", len(asks))
	}
}

// Every rule above must be able to find something.
func TestAsksNegative(t *testing.T) {
	good := graph.Source().Asks
	find := func(name string) int {
		return slices.IndexFunc(good, func(a collect.Ask) bool { return a.Name == name })
	}
	for _, tc := range []struct {
		name, want string
		spoil      func(a *collect.Ask)
	}{
		{"users", "only reads", func(a *collect.Ask) { a.Method = "POST" }},
		{"users", "only reads", func(a *collect.Ask) { a.Method = "DELETE" }},
		{"users", "only reads", func(a *collect.Ask) { a.Body = "{}" }},
		{"users", "belong together", func(a *collect.Ask) { a.Header = nil }},
		{"users", "name is taken", func(a *collect.Ask) { a.Name = "organization" }},
		{"users", "goes to", func(a *collect.Ask) { a.Host = collect.HostARM }},
		{"users", "without saying why", func(a *collect.Ask) { a.Path = "/beta/users" }},
		{"users", "needs", func(a *collect.Ask) { a.Needs.Permission = "User.ReadWrite.All" }},
		{"users", "needs", func(a *collect.Ask) { a.Doc = "" }},
		{"users", "entity", func(a *collect.Ask) { a.Entity = "" }},
		{"group-owners", "no ask before it lists", func(a *collect.Ask) { a.Of = []string{"graph/teams"} }},
		{"group-owners", "names a subject", func(a *collect.Ask) { a.Path = "/v1.0/groups" }},
		{"directory-audits", "the window is not asked for", func(a *collect.Ask) { a.Query = "" }},
		{"groups", "by another ask too", func(a *collect.Ask) { a.Entity, a.Types = "graph/users", []string{"graph/users"} }},
	} {
		asks := slices.Clone(good)
		tc.spoil(&asks[find(tc.name)])
		if got := problems(asks); !slices.ContainsFunc(got, func(p string) bool { return strings.Contains(p, tc.want) }) {
			t.Errorf("%s spoilt: want %q among %q", tc.name, tc.want, got)
		}
	}
}

// checks reads what the catalogue's checks of this source need: types, and
// members by type.
func checks(t *testing.T) (types map[string][]string, members map[string][]string, permissions map[string]string) {
	t.Helper()
	types, members, permissions = map[string][]string{}, map[string][]string{}, map[string]string{}
	field := regexp.MustCompile(`\b(graph/\w+)/([\w.\[\]*@]+)`)
	list := regexp.MustCompile(`(?m)^(?:types|needs): \[(.*)\]$`)
	permission := regexp.MustCompile(`(?m)^permission: (\S+)$`)
	n := 0
	err := fs.WalkDir(os.DirFS("../../catalog/checks"), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile("../../catalog/checks/" + path)
		if err != nil || !regexp.MustCompile(`(?m)^source: graph$`).Match(b) {
			return err
		}
		n++
		for _, m := range list.FindAllSubmatch(b, -1) {
			for typ := range strings.SplitSeq(string(m[1]), ",") {
				if typ = strings.TrimSpace(typ); !strings.HasPrefix(typ, "graph/") {
					continue // another source reads it
				}
				types[typ] = append(types[typ], path)
				if p := permission.FindSubmatch(b); p != nil && strings.HasPrefix(string(m[0]), "types") {
					permissions[typ] = string(p[1])
				}
			}
		}
		for _, m := range field.FindAllSubmatch(regexp.MustCompile(`https://\S+`).ReplaceAll(b, nil), -1) {
			if !strings.HasPrefix(string(m[2]), "joined.") {
				members[string(m[1])] = append(members[string(m[1])], string(m[2]))
			}
		}
		return nil
	})
	if err != nil || n < 20 {
		t.Fatalf("%d checks of source graph: %v", n, err)
	}
	return types, members, permissions
}

func askOf(typ string) (collect.Ask, bool) {
	for _, a := range graph.Source().Asks {
		if slices.Contains(a.Types, typ) {
			return a, true
		}
	}
	return collect.Ask{}, false
}

func TestChecksAreFed(t *testing.T) {
	types, members, permissions := checks(t)
	for typ, paths := range types {
		a, ok := askOf(typ)
		if !ok {
			t.Errorf("no ask yields %s, needed by %s", typ, paths)
			continue
		}
		if p, ok := permissions[typ]; ok && typ != "graph/organization" && a.Needs.Permission != p {
			t.Errorf("%s is read with %q, but its checks say %q", typ, a.Needs.Permission, p)
		}
	}
	// The alias table names more members than the rules use today.
	b, err := os.ReadFile("../../catalog/aliases/graph.txt")
	if err != nil {
		t.Fatal(err)
	}
	typ := ""
	for line := range strings.SplitSeq(string(b), "\n") {
		switch name, indented := strings.CutPrefix(line, "\t"); {
		case indented:
			members[typ] = append(members[typ], strings.Fields(name)[1])
		case strings.HasPrefix(line, "graph/"):
			typ = strings.Fields(line)[0]
		}
	}
	for typ, names := range members {
		a, ok := askOf(typ)
		if !ok {
			t.Errorf("no ask yields %s", typ)
			continue
		}
		for _, m := range lost(a, names) {
			t.Errorf("%s: $select leaves out %s of %s", a.Name, m, typ)
		}
	}
	for m, a := range map[string]string{
		"accountEnabled": "users", "userType": "users", "createdDateTime": "users", "employeeId": "users", "onPremisesSyncEnabled": "users",
		"isAssignableToRole": "groups", "securityEnabled": "groups", "keyCredentials": "applications", "passwordCredentials": "applications",
		"appRoleAssignmentRequired": "service-principals", "servicePrincipalType": "service-principals",
	} {
		i := slices.IndexFunc(graph.Source().Asks, func(k collect.Ask) bool { return k.Name == a })
		if len(lost(graph.Source().Asks[i], []string{m})) > 0 {
			t.Errorf("%s: $select leaves out %s", a, m)
		}
	}
	// The test must be able to fail.
	a, _ := askOf("graph/applications")
	a.Query = strings.Replace(a.Query, "keyCredentials,", "", 1)
	if got := lost(a, members["graph/applications"]); len(got) == 0 {
		t.Error("a $select without keyCredentials was not noticed")
	}
}

// lost lists the members that the ask's $select leaves out.
func lost(a collect.Ask, members []string) []string {
	q, err := url.ParseQuery(a.Query)
	if err != nil || q.Get("$select") == "" {
		return nil
	}
	selected := strings.Split(q.Get("$select"), ",")
	var out []string
	for _, m := range members {
		top, _, _ := strings.Cut(strings.ReplaceAll(m, "[*]", ""), ".")
		if !slices.Contains(selected, top) && !slices.Contains(out, top) {
			out = append(out, top)
		}
	}
	return out
}

// What the export script saves and what is collected must have one type.
func TestTypesAgreeWithExports(t *testing.T) {
	b, err := os.ReadFile("../file/script.go")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, m := range regexp.MustCompile(`\{"\w+", "(graph/\w+)", "([^"?]+)[^"]*", "([^";]+)`).FindAllSubmatch(b, -1) {
		n++
		typ, path := string(m[1]), string(m[2])
		i := slices.IndexFunc(graph.Source().Asks, func(a collect.Ask) bool { return a.Path == path && a.Entity == typ })
		if i < 0 {
			t.Errorf("%s is exported from %s, but collected from elsewhere or not at all", typ, path)
			continue
		}
		if a := graph.Source().Asks[i]; a.Needs.Permission != string(m[3]) {
			t.Errorf("%s: exported with %s, collected with %s", typ, m[3], a.Needs.Permission)
		}
	}
	if n < 10 {
		t.Fatalf("found %d exports", n)
	}
}

func TestSignInsAreFourKinds(t *testing.T) {
	kinds := map[string]string{}
	for _, a := range graph.Source().Asks {
		if !strings.HasSuffix(a.Path, "/auditLogs/signIns") {
			continue
		}
		q, err := url.ParseQuery(a.Query)
		if err != nil {
			t.Fatal(err)
		}
		kind := "interactiveUser"
		if m := regexp.MustCompile(`signInEventTypes/any\(t: t eq '(\w+)'\)`).FindStringSubmatch(q.Get("$filter")); m != nil {
			kind = m[1]
			if !strings.HasPrefix(a.Path, "/beta/") {
				t.Errorf("%s: v1.0 has no signInEventTypes", a.Name)
			}
		} else if !strings.HasPrefix(a.Path, "/v1.0/") {
			t.Errorf("%s: beta without a kind lists interactive sign-ins, which v1.0 does too", a.Name)
		}
		if other, ok := kinds[kind]; ok {
			t.Errorf("%s and %s ask for %s", a.Name, other, kind)
		}
		kinds[kind] = a.Name
		if strings.Contains(q.Get("$filter"), " lt ") {
			t.Errorf("%s: lt is not documented for createdDateTime", a.Name)
		}
	}
	for _, k := range []string{"interactiveUser", "nonInteractiveUser", "servicePrincipal", "managedIdentity"} {
		if kinds[k] == "" {
			t.Errorf("nobody asks for %s", k)
		}
	}
}

func TestPermissions(t *testing.T) {
	guid := regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	seen := map[string]string{}
	for _, p := range graph.Permissions() {
		if p.ID != "" && !guid.MatchString(p.ID) || seen[p.ID] != "" && p.ID != "" {
			t.Errorf("%s: id %q (also %s)", p.Name, p.ID, seen[p.ID])
		}
		seen[p.ID] = p.Name
		if len(p.Asks) == 0 || strings.Contains(p.Name, "Write") {
			t.Errorf("%s for %q", p.Name, p.Asks)
		}
		if p.ID == "" && p.Name != "GroupSettings.Read.All" {
			t.Errorf("%s: the id is unverified; say so here", p.Name)
		}
	}
	got := graph.Permissions("user-sign-in-activity")
	if len(got) != 2 || got[0].Name != "AuditLog.Read.All" || got[1].Name != "User.Read.All" {
		t.Errorf("permissions of user-sign-in-activity: %v", got)
	}
}

func TestLogsSayHowLongTheyAreKept(t *testing.T) {
	n := 0
	for _, a := range graph.Source().Asks {
		if a.Window == nil {
			continue
		}
		n++
		if a.Window.Extended["AAD_PREMIUM"] <= a.Window.Keeps || a.Window.Overlap <= 0 || a.Pace != collect.PaceGraphReports {
			t.Errorf("%s: window %+v, pace %s", a.Name, *a.Window, a.Pace)
		}
	}
	if n != 5 {
		t.Errorf("%d logs, want four kinds of sign-ins and the audit log", n)
	}
}
