// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/collect/file"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/store"
	"github.com/tickmark/tickmark/work"
)

const peopleMapping = `
type: hr/people
id: [Number]
columns: {name: Name, email: Mail, startDate: Start, endDate: Last day}
dates: {startDate: DD.MM.YYYY, endDate: DD.MM.YYYY}
count: 2
countFrom: headcount report of March
`

const people = "Number;Name;Mail;Start;Last day\n17;Ann;ann@example.com;01.02.2020;\n18;\"Bo; Li\";bo@example.com;01.03.2021;31.01.2026\n"

// TestRecords: a table becomes records by its mapping, and counts as whole only
// if it has as many rows as somebody else counted.
func TestRecords(t *testing.T) {
	defender := `{"value":[{"id":"x","deviceId":"d","deviceName":"pc1","softwareVendor":"v","softwareName":"s","softwareVersion":"1","cveId":"CVE-1","vulnerabilitySeverityLevel":"High","firstSeenTimestamp":"2026-01-01 00:00:00"}]}`
	sarif := `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"scan"}},"results":[{"ruleId":"r1","message":{"text":"m"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"a.go"},"region":{"startLine":3}}}]},{"ruleId":"r1","message":{"text":"m"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"a.go"},"region":{"startLine":3}}}],"suppressions":[{"kind":"inSource"}]}]}]}`
	for _, c := range []struct {
		name, table, mapping string
		records, problems    int
		complete             bool
		holds                string // of the first record
	}{
		{"roster", people, peopleMapping, 2, 0, true, `"endDate":null,"id":"17","name":"Ann","startDate":"2020-02-01"`},
		{"byte order mark, commas", "\xef\xbb\xbfNumber,Name,Mail,Start,Last day\n17,Ann,a@b,01.02.2020,\n18,Bo,b@b,01.02.2020,\n", peopleMapping, 2, 0, true, `"email":"a@b"`},
		{"a row is missing", strings.Join(strings.Split(people, "\n")[:2], "\n"), peopleMapping, 1, 1, false, ""},
		{"a row too many", people + "19;C;c@example.com;01.01.2020;\n", peopleMapping, 3, 1, false, ""},
		{"the same person twice", people + "18;C;c@example.com;01.01.2020;\n", strings.Replace(peopleMapping, "count: 2", "count: 3", 1), 2, 1, false, ""},
		{"no id", strings.Replace(people, "18;", ";", 1), peopleMapping, 1, 1, false, ""},
		{"another date", strings.Replace(people, "01.03.2021", "2021-03-01", 1), peopleMapping, 1, 1, false, ""},
		{"a cell too many", people + "19;C;c@example.com;01.01.2020;;;\n", strings.Replace(peopleMapping, "count: 2", "count: 3", 1), 2, 1, false, ""},
		{"an open quote", people + "\"19;C", peopleMapping, 2, 1, false, ""},
		{"an end before the start", strings.Replace(people, "31.01.2026", "31.01.2021", 1), peopleMapping, 1, 1, false, ""},
		{"a date without a word in the mapping", people, strings.Replace(peopleMapping, "dates: {startDate: DD.MM.YYYY, endDate: DD.MM.YYYY}\n", "", 1), 0, 2, false, ""},
		{"two members it does not have", people, strings.Replace(peopleMapping, "name: Name", "shoe: Name, hat: Name", 1), 0, 1, false, ""},
		{"SARIF is no roster", sarif, "type: hr/people\nid: [a]\nformat: sarif\ncount: 2\ncountFrom: the tool\n", 0, 1, false, ""},
		{"no such column", people, strings.Replace(peopleMapping, "Mail", "E-Mail", 1), 0, 1, false, ""},
		{"no count", people, strings.Replace(peopleMapping, "count: 2\n", "", 1), 0, 1, false, ""},
		{"nobody counted", people, strings.Replace(peopleMapping, "headcount report of March", "''", 1), 0, 1, false, ""},
		{"another type", people, strings.Replace(peopleMapping, "hr/people", "hr/pets", 1), 0, 1, false, ""},
		{"a member it does not have", people, strings.Replace(peopleMapping, "name: Name", "shoe: Name", 1), 0, 1, false, ""},
		{"a needed member", people, strings.Replace(peopleMapping, ", endDate: Last day", "", 1), 0, 1, false, ""},
		{"a misspelt word", people, peopleMapping + "cuont: 2\n", 0, 1, false, ""},
		{"not UTF-8", strings.Replace(people, "Ann", "\xc4nn", 1), peopleMapping, 0, 1, false, ""},
		{"empty", "", peopleMapping, 0, 1, false, ""},
		{
			"tickets as JSON", `{"issues":[{"key":"A-1","fields":{"kind":"change","status":"done","created":"2026-01-01"}}]}`,
			"type: tickets/tickets\nlist: issues\nid: [key]\ncolumns: {kind: fields.kind, state: fields.status, createdOn: fields.created}\ncount: 1\ncountFrom: the board\n", 1, 0, true, `"state":"done"`,
		},
		{"defender", defender, "type: security/vulnerabilities\nformat: defender\ncount: 1\ncountFrom: the portal\n", 1, 0, true, `"asset":"pc1","cve":"CVE-1"`},
		{"defender, more pages", strings.Replace(defender, `{"value"`, `{"@odata.nextLink":"https://x","value"`, 1), "type: security/vulnerabilities\nformat: defender\ncount: 1\ncountFrom: the portal\n", 1, 1, false, ""},
		{"sarif", sarif, "type: security/findings\nformat: sarif\ncount: 2\ncountFrom: the tool's summary\n", 2, 0, true, `"file":"a.go"`},
		{"sarif without a look", `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"scan"}}}]}`, "type: security/findings\nformat: sarif\ncount: 0\ncountFrom: the tool\n", 0, 1, false, ""},
		{"sarif that found nothing", `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"scan"}},"results":[]}]}`, "type: security/findings\nformat: sarif\ncount: 0\ncountFrom: the tool\n", 0, 0, true, ""},
		{"no sarif", `{"version":"2.0"}`, "type: security/findings\nformat: sarif\ncount: 0\ncountFrom: the tool\n", 0, 1, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			name := filepath.Join(dir, "table.csv")
			for path, text := range map[string]string{name: c.table, name + ".map.yaml": c.mapping} {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			f, err := file.Open(t.Context(), []string{dir}, file.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = f.Close() }()
			if n := len(f.Snapshot.Segments); n != 1 {
				t.Fatalf("%d segments", n)
			}
			seg := &f.Snapshot.Segments[0]
			inv, err := inventory.Build(t.Context(), &f.Snapshot, inventory.Options{Workers: 1})
			if err != nil {
				t.Fatal(err)
			}
			if inv.Counts.Resources != c.records || len(f.Snapshot.Problems) != c.problems || inv.Counts.Unread > 0 {
				t.Errorf("%d records and %v, want %d and %d problems", inv.Counts.Resources, f.Snapshot.Problems, c.records, c.problems)
			}
			if got := len(seg.Coverage.Complete) > 0 && seg.Coverage.Missing == tickmark.ReasonNone; got != c.complete {
				t.Errorf("complete: %v, coverage %+v", got, seg.Coverage)
			}
			if c.holds != "" && !slices.ContainsFunc(inv.Resources, func(r inventory.Resource) bool { return strings.Contains(string(r.Root.Raw()), c.holds) }) {
				t.Errorf("no record holds %s: %s", c.holds, seg.Pages[2].Bytes)
			}
			for _, p := range seg.Pages {
				if tickmark.DigestOf(p.Bytes) != p.Digest {
					t.Errorf("%s: its digest is not that of its bytes", p.Name)
				}
			}
		})
	}
}

// TestIncompleteRoster: what a roster lacks is a hole of its own type only.
func TestIncompleteRoster(t *testing.T) {
	name := filepath.Join(t.TempDir(), "people.csv")
	for path, text := range map[string]string{name: people, name + ".map.yaml": strings.Replace(peopleMapping, "count: 2", "count: 5", 1)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := file.Open(t.Context(), []string{name}, file.Options{CompleteTypes: []string{"*"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	inv, err := inventory.Build(t.Context(), &f.Snapshot, inventory.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	if ok, why := inv.Complete("hr/people", ""); ok || why != tickmark.ReasonTruncated {
		t.Errorf("the roster is complete: %v %s", ok, why)
	}
	if ok, why := inv.Complete("graph/users", ""); !ok {
		t.Errorf("the roster hides users: %s", why)
	}
}

// TestM365: the documents that the PowerShell script writes become records, and
// what was refused is a hole of its own type.
func TestM365(t *testing.T) {
	head := `{"tickmarkExport":"m365/1","entity":"m365/%s","identity":"%s","cmdlet":"Get-X","module":"M","moduleVersion":"3.1","actor":"ann@example.com","time":"2026-03-01T10:00:00Z",`
	doc := func(entity, identity, rest string) string {
		return strings.Replace(strings.Replace(head, "%s", entity, 1), "%s", identity, 1) + rest + "}\n"
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.json": doc("adminAuditLogConfig", "-", `"@odata.count":1,"value":[{"UnifiedAuditLogIngestionEnabled":true,"Identity":"x"}]`),
		"b.json": doc("remoteDomains", "Guid", `"@odata.count":2,"value":[{"Guid":"g1","DomainName":"*"},{"Guid":"g2","DomainName":"a"}]`),
		"c.json": doc("spoTenant", "-", `"error":"Access is denied"`),
		"d.json": doc("transportRules", "Guid", `"@odata.count":2,"value":[{"Guid":"g1"}]`),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := file.Open(t.Context(), []string{dir}, file.Options{CompleteTypes: []string{"*"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	inv, err := inventory.Build(t.Context(), &f.Snapshot, inventory.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range inv.Resources {
		got = append(got, inv.Resources[i].ID)
	}
	if want := []string{"m365/adminAuditLogConfig", "m365/remoteDomains/g1", "m365/remoteDomains/g2", "m365/transportRules/g1"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for typ, want := range map[string]tickmark.Reason{
		"m365/remoteDomains": "", "m365/adminAuditLogConfig": "", "m365/spoTenant": tickmark.ReasonNotPermitted, "m365/transportRules": tickmark.ReasonTruncated,
		"Microsoft.Web/sites": "",
	} {
		if _, why := inv.Complete(typ, ""); why != want {
			t.Errorf("%s: %q, want %q", typ, why, want)
		}
	}
	if at := f.Snapshot.Segments[0].Pages[0].ObservedAt; at.IsZero() {
		t.Error("when the cmdlet ran is lost")
	}
}

// block returns the n-th block of a language in a document.
func block(t *testing.T, document, language string, n int) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "doc", "spec", document))
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(b), "```"+language+"\n")
	if len(parts) <= n+1 {
		t.Fatalf("%s has no block %d of %s", document, n, language)
	}
	text, _, _ := strings.Cut(parts[n+1], "```")
	return text
}

// TestLeavers takes the documents at their word, from the roster as they show
// it to the verdict on the account of who has left. Ada left; Bo is still here.
func TestLeavers(t *testing.T) {
	const users = `{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#users(id,displayName,userPrincipalName,mail,accountEnabled,userType,employeeId)","value":[
{"id":"ada","displayName":"Ada","userPrincipalName":"ada@example.com","mail":null,"accountEnabled":true,"userType":"Member","employeeId":"17"},
{"id":"bo","displayName":"Bo","userPrincipalName":"bo@example.com","mail":null,"accountEnabled":true,"userType":"Member","employeeId":null},
{"id":"scan","displayName":"Scanner","userPrincipalName":"scanner@example.com","mail":null,"accountEnabled":true,"userType":"Member","employeeId":null},
{"id":"guest","displayName":"Guest","userPrincipalName":"g_x.com#EXT#@example.com","mail":"g@x.com","accountEnabled":true,"userType":"Guest","employeeId":null},
{"id":"off","displayName":"Off","userPrincipalName":"off@example.com","mail":null,"accountEnabled":false,"userType":"Member","employeeId":null}]}`
	mapping, table := block(t, "input.md", "yaml", 0), block(t, "input.md", "csv", 0)
	object := block(t, "check.md", "json", 0)
	const apart = "unknown unmatched"
	for _, c := range []struct {
		name          string
		people        string
		mapping       string // empty: objects
		complete      string
		ada, bo, scan string
		guest, off    string
	}{
		{"as documented", table, mapping, "", "fail", "notApplicable", apart, "notApplicable", "notApplicable"},
		{"objects", object, "", "hr/people", "fail", apart, apart, "notApplicable", "notApplicable"},
		{"objects that nobody called complete", object, "", "", "unknown notCollected", "unknown notCollected", "unknown notCollected", "unknown notCollected", "unknown notCollected"},
		{"an object without a last day", strings.Replace(object, `, "endDate": "2026-03-31"`, "", 1), "", "hr/people", "unknown summary", apart, apart, "notApplicable", "notApplicable"},
		{"no row is anybody's", strings.NewReplacer("17;", "P17;", "18;", "P18;", "@example.com", "@old.example").Replace(table), mapping, "", apart, apart, apart, apart, apart},
		{"by address alone", strings.NewReplacer("17;", "P17;", "18;", "P18;").Replace(table), mapping, "", "fail", "notApplicable", apart, "notApplicable", "notApplicable"},
		{"by number alone", strings.ReplaceAll(table, "@example.com", "@old.example"), mapping, "", "fail", apart, apart, "notApplicable", "notApplicable"},
		{"the last day is ahead", strings.Replace(table, "31.03.2026", "31.12.2026", 1), mapping, "", "notApplicable", "notApplicable", apart, "notApplicable", "notApplicable"},
		{"one row too few", before(table, "18;"), mapping, "", "unknown notCollected", "unknown notCollected", "unknown notCollected", "unknown notCollected", "unknown notCollected"},
		{"an empty list", before(table, "17;"), strings.Replace(mapping, "count: 2", "count: 0", 1), "", apart, apart, apart, apart, apart},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			files := map[string]string{"users.json": users, "people.json": c.people}
			if c.mapping != "" {
				files = map[string]string{"users.json": users, "people.csv": c.people, "people.csv.map.yaml": c.mapping}
			}
			for name, text := range files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			o := file.Options{}
			if c.complete != "" {
				o.CompleteTypes = []string{c.complete}
			}
			a, f, err := work.AssessFiles(t.Context(), []string{dir}, o, work.AssessOptions{Now: time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC)})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = f.Close() }()
			got := map[string]string{}
			for r := range a.Results.Bare() {
				if r.Check == "entra-terminated-disabled" {
					got[r.Resource] = strings.TrimSpace(r.Verdict.String() + " " + string(r.Reason))
				}
			}
			for id, want := range map[string]string{"ada": c.ada, "bo": c.bo, "scan": c.scan, "guest": c.guest, "off": c.off} {
				if got["graph/users/"+id] != want {
					t.Errorf("%s: %s, want %s (problems %v)", id, got["graph/users/"+id], want, a.Problems)
				}
			}
		})
	}
}

// TestRosterBesideTenant: a roster stands in the same snapshot as what a tenant
// answered, decides, is recorded and re-performed from the kept bytes; without
// it nobody is judged.
func TestRosterBesideTenant(t *testing.T) {
	const id = "entra-terminated-disabled"
	r := newRig(t, "reader")
	verdicts := func(a *work.Assessed) map[string]int {
		out := map[string]int{}
		for x := range a.Results.Bare() {
			if x.Check == id {
				out[strings.TrimSpace(x.Verdict.String()+" "+string(x.Reason))]++
			}
		}
		return out
	}
	alone := r.collect(t, only(t, "graph"))
	users := alone.Inventory.OfType("graph/users")
	if got := verdicts(alone.Assessed); got["unknown notCollected"] != len(users) || len(users) == 0 {
		t.Fatalf("without a roster: %v of %d accounts", got, len(users))
	}
	// Everybody with an address is on the roster; the first enabled one has left.
	dir, rows, left := t.TempDir(), 0, ""
	var csv strings.Builder
	csv.WriteString("Number,Mail,Start,End\n")
	for i := range users {
		upn, end := users[i].Root.Get("userPrincipalName").Str(), ""
		if users[i].Root.Get("userType").Str() == "Guest" {
			continue
		}
		if left == "" && string(users[i].Root.Get("accountEnabled").Raw()) == "true" {
			left, end = users[i].ID, "2026-05-31"
		}
		rows++
		csv.WriteString("R" + strconv.Itoa(i) + "," + strings.ToUpper(upn) + ",2020-01-01," + end + "\n")
	}
	name := filepath.Join(dir, "people.csv")
	mapping := "type: hr/people\nid: [Number]\ncolumns: {email: Mail, startDate: Start, endDate: End}\ncount: " + strconv.Itoa(rows) + "\ncountFrom: payroll\n"
	for path, text := range map[string]string{name: csv.String(), name + ".map.yaml": mapping} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	beside, err := work.OpenBeside(t.Context(), []string{name}, r.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = beside.Close() }()
	r.opts.Dir = t.TempDir()
	c, err := work.Collect(t.Context(), work.CollectOptions{
		Sources: only(t, "graph"), Collect: r.opts, Beside: beside.Snapshot.Segments, Assess: work.AssessOptions{Now: r.clock.Now(), Engine: "test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Run.Close() }()
	if got := verdicts(c.Assessed); got["fail"] != 1 || len(got) > 2 || got["notApplicable"] != len(users)-1 {
		t.Errorf("with the roster: %v; %s has left, of %d", got, left, len(users))
	}
	st, err := store.Create(t.Context(), filepath.Join(dir, "data"), "Contoso", r.clock.Now(), store.Options{Sample: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	for _, x := range []*work.Collected{alone, c} {
		rec, err := x.Recording()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := work.Record(t.Context(), st, rec, r.clock.Now(), nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"s1", "s2"} {
		rp, err := work.Reperform(t.Context(), st, id, work.Again("test"), nil)
		if err != nil || rp.Answer != work.Identical {
			t.Errorf("re-performing %s: %v %v", id, rp.Answer, err)
		}
	}
	if _, err := work.Verify(t.Context(), st, nil, nil); err != nil {
		t.Error(err)
	}
	a, err := work.AssessRecorded(t.Context(), st, "s1", work.AssessOptions{Now: r.clock.Now(), Engine: "test"}, beside.Snapshot.Segments...)
	if err != nil || verdicts(a)["fail"] != 1 {
		t.Errorf("beside a recorded snapshot: %v %v", verdicts(a), err)
	}
}

// TestOpenBeside refuses what a tenant tells itself, and tables with a fault.
func TestOpenBeside(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"users.json": `{"value":[{"id":"/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/a","type":"Microsoft.Resources/resourceGroups","name":"a"}]}`,
		"short.csv":  people, "short.csv.map.yaml": strings.Replace(peopleMapping, "count: 2", "count: 3", 1),
		"good.csv": people, "good.csv.map.yaml": peopleMapping,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"users.json": "only what no API gives", "short.csv": "2 rows, but headcount report of March counts 3", "none.csv": "", "good.csv": "-"} {
		f, err := work.OpenBeside(t.Context(), []string{filepath.Join(dir, name)}, time.Time{})
		switch {
		case want == "-":
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			_ = f.Close()
		case err == nil || !strings.Contains(err.Error(), want):
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

// TestJoinsOnTables holds each check that joins a table to members that a
// mapping can name, by the document.
func TestJoinsOnTables(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "doc", "spec", "input.md"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	joined := map[string][]string{}
	for _, k := range c.Checks {
		for _, j := range k.Joins {
			if source := inventory.SourceOf(j.Type); source != "hr" && source != "tickets" && source != "security" {
				continue
			}
			if !slices.Contains(joined[j.Type], k.ID) {
				joined[j.Type] = append(joined[j.Type], k.ID)
			}
			_, row, found := strings.Cut(string(b), "\n| `"+j.Type+"` |")
			row, _, _ = strings.Cut(row, "\n")
			if !found || !strings.Contains(row, "`"+k.ID+"`") {
				t.Errorf("input.md does not say that %s uses %s", k.ID, j.Type)
			}
			paths := slices.Concat(j.Take, strings.FieldsFunc(strings.TrimPrefix(j.Match, "any"), func(r rune) bool { return strings.ContainsRune("(), ", r) }))
			for _, path := range paths {
				if path != "id" && !strings.Contains(row, "`"+path+"`") {
					t.Errorf("%s joins %s by %s, which no mapping can name", k.ID, j.Type, path)
				}
			}
		}
	}
	if len(joined["hr/people"]) == 0 {
		t.Error("no check joins hr/people: this test verifies nothing")
	}
	for line := range strings.Lines(string(b)) {
		if typ, rest, ok := strings.Cut(strings.TrimPrefix(line, "| `"), "` |"); ok && strings.Contains(rest, "no check; kept") && len(joined[typ]) > 0 {
			t.Errorf("%s is used by %v", typ, joined[typ])
		}
	}
}

// before is what stands before the first mark.
func before(s, mark string) string {
	head, _, _ := strings.Cut(s, mark)
	return head
}
