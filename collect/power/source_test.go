// SPDX-License-Identifier: Apache-2.0

package power_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/collect/power"
	"github.com/tickmark/tickmark/jsontape"
)

// proofs and leads are records from whose absence nothing follows.
var auxiliary = []string{"power/dataPolicyNames", "power/connections", "power/dataverseCallers", "power/dataversePrivileges"}

var secrets = regexp.MustCompile(`(?i)secret|listkeys|/keys|token|consentlink|runtimeurl|/invoke`)

// problems says what is wrong with a source.
func problems(s collect.Source) []string {
	var bad []string
	names, types := map[string]bool{}, map[string]bool{}
	listed := map[string]bool{}
	for i := range s.Asks {
		a := &s.Asks[i]
		say := func(what string) { bad = append(bad, a.Name+": "+what) }
		if names[a.Name] {
			say("two asks of this name")
		}
		names[a.Name] = true
		if a.Method != "" && a.Method != http.MethodGet && (a.Method != http.MethodPost || !strings.HasSuffix(a.Path, "/listTenantSettings")) {
			say("may change something")
		}
		if a.About == "" || !strings.HasPrefix(a.Doc, "https://learn.microsoft.com/") || a.Needs.Permission == "" || a.Needs.Role == "" {
			say("not said what it reads, where that is documented or what it needs")
		}
		if secrets.MatchString(a.Path) {
			say("answers with secrets")
		}
		if (a.Host == collect.HostDataverse || a.Name == "environments" || a.Name == "data-policy-names") &&
			a.Proof == "" && !slices.Contains([]string{"power/dataverseCallers", "power/dataversePrivileges", "power/dataverseTables"}, a.Entity) {
			say("a filtered list without proof")
		}
		if slices.Contains(auxiliary, a.Entity) != (len(a.Types) == 0) {
			say("types of a proof, or none of a list")
		}
		if a.Host == collect.HostDataverse && a.Paging == collect.PageODataLink && !strings.Contains(a.Query, "$select=") {
			say("reads columns that nobody asked for")
		}
		for _, typ := range a.Types {
			if types[typ] || typ != a.Entity || !strings.HasPrefix(typ, "power/") {
				say("type " + typ + " is not its own")
			}
			types[typ] = true
		}
		for _, of := range a.Of {
			if !listed[of] {
				say("no ask before it yields " + of)
			}
		}
		listed[a.Entity] = true
	}
	for i := range s.Asks {
		if p := s.Asks[i].Proof; p != "" && !names[p] {
			bad = append(bad, s.Asks[i].Name+": there is no proof "+p)
		}
	}
	return bad
}

func TestSource(t *testing.T) {
	for _, p := range problems(power.Source()) {
		t.Error(p)
	}
}

// TestSourceControl breaks the source in each way that TestSource is to find.
func TestSourceControl(t *testing.T) {
	for want, brk := range map[string]func(a *collect.Ask){
		"may change something":     func(a *collect.Ask) { a.Method = "PATCH" },
		"what it needs":            func(a *collect.Ask) { a.Needs = collect.Need{} },
		"answers with secrets":     func(a *collect.Ask) { a.Path += "/listKeys" },
		"without proof":            func(a *collect.Ask) { a.Proof = "" },
		"there is no proof":        func(a *collect.Ask) { a.Proof = "faith" },
		"nobody asked for":         func(a *collect.Ask) { a.Query = "" },
		"none of a list":           func(a *collect.Ask) { a.Types = nil },
		"is not its own":           func(a *collect.Ask) { a.Types = []string{"power/teams"} },
		"no ask before it yields ": func(a *collect.Ask) { a.Of = []string{"power/places"} },
	} {
		s := power.Source()
		i := slices.IndexFunc(s.Asks, func(a collect.Ask) bool { return a.Name == "system-users" })
		brk(&s.Asks[i])
		if !slices.ContainsFunc(problems(s), func(p string) bool { return strings.Contains(p, want) }) {
			t.Errorf("%q is not found: %v", want, problems(s))
		}
	}
}

// TestShows holds what counts as proof that the identity reads all rows.
func TestShows(t *testing.T) {
	row := func(name, depth string) string { return `{"Depth":"` + depth + `","PrivilegeName":"` + name + `"}` }
	all := []string{"prvReadUser", "prvReadRole", "prvReadTeam", "prvReadWorkflow", "prvReadFieldSecurityProfile", "prvReadOrganization"}
	answer := func(depth string, names ...string) string {
		rows := make([]string, len(names))
		for i, n := range names {
			rows[i] = row(n, depth)
		}
		return `{"RolePrivileges":[` + strings.Join(rows, ",") + `]}`
	}
	s := power.Source()
	i := slices.IndexFunc(s.Asks, func(a collect.Ask) bool { return a.Name == "dataverse-privileges" })
	for text, want := range map[string]bool{
		answer("Global", all...): true, answer("Deep", all...): false, answer("Global", all[1:]...): false, answer("Global"): false, `{}`: false,
	} {
		tape, err := jsontape.Parse([]byte(text), jsontape.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Asks[i].Shows(tape.Root()); got != want {
			t.Errorf("%s shows %v, want %v", text, got, want)
		}
	}
}

// TestDatabases holds which environments are asked for their Dataverse.
func TestDatabases(t *testing.T) {
	s := power.Source()
	i := slices.IndexFunc(s.Asks, func(a collect.Ask) bool { return a.Name == "dataverse-callers" })
	for text, want := range map[string]bool{
		`{"properties":{"databaseType":"CommonDataService"}}`: true,
		`{"properties":{"databaseType":"None"}}`:              false,
		`{"properties":{}}`:                                   true, // not said: asked, and refused if it has no address
		`{}`:                                                  true,
	} {
		tape, err := jsontape.Parse([]byte(text), jsontape.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Asks[i].Where(&collect.Subject{Item: tape.Root()}); got != want {
			t.Errorf("%s is asked: %v, want %v", text, got, want)
		}
	}
}
