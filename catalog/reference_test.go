// SPDX-License-Identifier: Apache-2.0

package catalog_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tickmark/tickmark/catalog"
)

// TestCheckedTypesBelongToServices requires that whatever a check judges or
// looks up, and so every area of checks, belongs to a service of the matrix.
func TestCheckedTypesBelongToServices(t *testing.T) {
	l := defaultLibrary(t)
	for _, k := range l.Catalog().Checks {
		for _, typ := range slices.Concat(k.Types, k.Needs) {
			if strings.HasPrefix(typ, "hr/") {
				continue // the organisation's own records: no service of the matrix
			}
			if len(l.ServicesOf(typ)) == 0 {
				t.Errorf("check %s (area %s): %s belongs to no service", k.ID, k.Area, typ)
			}
		}
	}
	types, err := os.ReadFile("gen/types.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(types)) {
		typ, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasPrefix(line, "#") || typ == "" {
			continue
		}
		if len(l.ServicesOf(typ)) == 0 {
			t.Errorf("%s belongs to no service", typ)
		}
	}
}

// TestMatrixIsComplete requires an answer for every service and area, and both
// parties' parts, with what shows the customer's, wherever work is shared.
func TestMatrixIsComplete(t *testing.T) {
	l := defaultLibrary(t)
	if n := len(l.Services); n < 80 {
		t.Errorf("%d services, want at least 80", n)
	}
	if n := len(l.Areas); n < 14 {
		t.Errorf("%d areas, want at least 14", n)
	}
	products := map[string]int{}
	shared, checked := 0, 0
	for i := range l.Services {
		s := &l.Services[i]
		products[s.Product]++
		if len(s.References) == 0 {
			t.Errorf("%s names no reference", s.ID)
		}
		for _, a := range l.Areas {
			c := l.Cell(s, a.ID)
			switch c.Who {
			case "shared":
				shared++
				if len(c.Checks) > 0 {
					checked++
				}
				if c.Provider == "" || c.Customer == "" || c.Provider == c.Customer || len(c.Controls) == 0 {
					t.Errorf("%s, %s: shared, but not split", s.ID, a.ID)
				}
			case "provider", "customer", "none":
			default:
				t.Errorf("%s, %s: nobody is named", s.ID, a.ID)
			}
		}
	}
	for _, p := range []string{"azure", "microsoft365", "dynamics365", "powerPlatform", "azureDevOps", "github"} {
		if products[p] == 0 {
			t.Errorf("no service of %s", p)
		}
	}
	if checked == 0 || checked*4 < shared {
		t.Errorf("checks bear on %d of %d shared cells", checked, shared)
	}
}

// TestProfilesAreSpecific requires that kinds of services do not share a text.
func TestProfilesAreSpecific(t *testing.T) {
	l := defaultLibrary(t)
	seen := map[string]string{}
	for _, p := range l.Profiles {
		for area, c := range p.Cells {
			for _, text := range []string{c.Provider, c.Customer} {
				if len(strings.Fields(text)) < 8 {
					continue // short sentences may recur
				}
				if first := seen[text]; first != "" {
					t.Errorf("%s, %s: the text stands in %s too", p.ID, area, first)
				}
				seen[text] = p.ID + ", " + area
			}
		}
	}
}

// TestCSOCAreasExist requires that controls lean on areas of the matrix, and
// that in each of them some service has a part for the provider.
func TestCSOCAreasExist(t *testing.T) {
	l := defaultLibrary(t)
	for _, k := range l.Controls {
		for _, id := range k.CSOC {
			if !slices.ContainsFunc(l.Areas, func(a catalog.Area) bool { return a.ID == id }) {
				t.Errorf("%s leans on area %q, which does not exist", k.ID, id)
			}
		}
	}
}

// TestFormerNames finds services by the names that older reports print.
func TestFormerNames(t *testing.T) {
	l := defaultLibrary(t)
	for name, want := range map[string]string{
		"Azure Active Directory":       "entra-id",
		"azure ad":                     "entra-id",
		"Azure Security Center":        "defender-for-cloud",
		"Azure Sentinel":               "microsoft-sentinel",
		"Microsoft Flow":               "power-automate",
		"Cloud App Security":           "defender-for-cloud-apps",
		"Microsoft Cloud App Security": "defender-for-cloud-apps",
		"Service Trust Platform":       "service-trust-portal",
		"Windows Azure":                "azure-platform",
		"VSTS":                         "azure-devops",
		"Power Virtual Agents":         "copilot-studio",
		"Yammer":                       "viva-engage",
		"Common Data Service":          "dataverse",
		"SQL Azure":                    "sql-database",
	} {
		if found := l.ServicesNamed(name); len(found) != 1 || found[0].ID != want {
			t.Errorf("%s: %s, want %s", name, names(found), want)
		}
	}
	date := regexp.MustCompile(`^(19|20)\d\d(-(0[1-9]|1[0-2])(-[0-3]\d)?)?$`)
	for _, s := range l.Services {
		for _, f := range s.Former {
			if f.Name == "" || f.Name == s.Name || f.Until != "" && !date.MatchString(f.Until) {
				t.Errorf("%s: former name %+v", s.ID, f)
			}
		}
	}
}

// TestTypesBelongToOneService lets two services claim a type only where one of
// them is the narrower name for it.
func TestTypesBelongToOneService(t *testing.T) {
	l := defaultLibrary(t)
	owner := map[string]string{}
	for _, s := range l.Services {
		for _, typ := range s.Types {
			low := strings.ToLower(typ)
			if owner[low] != "" {
				t.Errorf("%s is claimed by %s and %s", typ, owner[low], s.ID)
			}
			owner[low] = s.ID
		}
	}
}

// TestScopes requires a date and a source of every fact and that one list
// succeeds the other.
func TestScopes(t *testing.T) {
	l := defaultLibrary(t)
	environments := map[string]bool{}
	for i, a := range l.Scope {
		if a.From == "" || !strings.HasPrefix(a.Source, "https://") || len(a.Names) == 0 {
			t.Errorf("scope %d of %s: no date, source or names", i, a.Report)
		}
		environments[a.Environment] = true
		for _, b := range l.Scope[i+1:] {
			if a.Report != b.Report || a.Environment != b.Environment || a.Cloud != b.Cloud {
				continue
			}
			if (a.To == "" || a.To >= b.From) && (b.To == "" || b.To >= a.From) {
				t.Errorf("%s %s%s: lists of %s and %s overlap", a.Report, a.Cloud, a.Environment, a.From, b.From)
			}
		}
	}
	for _, e := range []string{"commercial", "gcc", "gccHigh", "dod"} {
		if !environments[e] {
			t.Errorf("no list for %s", e)
		}
	}
	named := func(report, environment, service string) bool {
		return slices.ContainsFunc(l.Scope, func(s catalog.ReportScope) bool {
			return s.Report == report && s.Environment == environment && s.To == "" && slices.Contains(s.Services, service)
		})
	}
	if named("office365-core-soc2", "gccHigh", "stream") || !named("office365-core-soc2", "gcc", "stream") {
		t.Error("Stream is in the list of GCC and not of GCC High")
	}
	if named("office365-core-soc2", "dod", "power-automate") || !named("office365-core-soc2", "gccHigh", "power-automate") {
		t.Error("Power Automate is in the list of GCC High and not of DoD")
	}
}

func reportOf(t *testing.T, l *catalog.Library, id string) *catalog.ReportProfile {
	t.Helper()
	for i := range l.Reports {
		if l.Reports[i].ID == id {
			return &l.Reports[i]
		}
	}
	t.Fatalf("there is no report %s", id)
	return nil
}

// TestCadencesDoNotOverlap requires that one rule succeeds the other.
func TestCadencesDoNotOverlap(t *testing.T) {
	l := defaultLibrary(t)
	for _, r := range l.Reports {
		for i := 1; i < len(r.Cadence); i++ {
			if a, b := r.Cadence[i-1], r.Cadence[i]; a.To == "" || a.To >= b.From {
				t.Errorf("%s: the rules of %s and %s overlap", r.ID, a.From, b.From)
			}
		}
		for _, c := range r.Cadence {
			for _, b := range c.Bridge {
				if b.Issued < b.To && b.To != "12-31" {
					t.Errorf("%s: a letter is issued on %s, before the time it covers ends on %s", r.ID, b.Issued, b.To)
				}
			}
		}
	}
}

// TestKnownContradictions shows that what sources say differently at different
// times and for different products stands beside each other as data.
func TestKnownContradictions(t *testing.T) {
	l := defaultLibrary(t)
	regime := func(report, day string) catalog.Cadence {
		t.Helper()
		for _, c := range reportOf(t, l, report).Cadence {
			if c.From <= day && (c.To == "" || day <= c.To) {
				return c
			}
		}
		t.Fatalf("%s has no rule for %s", report, day)
		return catalog.Cadence{}
	}
	t.Run("C1 Azure quarterly, then twice a year", func(t *testing.T) {
		if n := len(regime("azure-soc2", "2019-11-04").PeriodEnds); n != 4 {
			t.Errorf("2019: %d periods a year, want 4", n)
		}
		if got := regime("azure-soc2", "2026-01-01").PeriodEnds; !slices.Equal(got, []string{"03-31", "09-30"}) {
			t.Errorf("2026: periods end on %v", got)
		}
		if a, b := len(regime("azure-soc2", "2020-02-01").Bridge), len(regime("azure-soc2", "2026-01-01").Bridge); a != 2 || b != 4 {
			t.Errorf("%d letters a year, then %d; want 2, then 4", a, b)
		}
	})
	t.Run("C2 Office 365 twice a year, then October to September", func(t *testing.T) {
		if n := len(regime("office365-core-soc2", "2021-07-12").PeriodEnds); n != 2 {
			t.Errorf("2021: %d periods a year, want 2", n)
		}
		if got := regime("office365-core-soc2", "2026-01-01"); !slices.Equal(got.PeriodEnds, []string{"09-30"}) || got.Months != 12 {
			t.Errorf("2026: periods of %d months end on %v", got.Months, got.PeriodEnds)
		}
	})
	t.Run("C3 letters after the quarter or at its end", func(t *testing.T) {
		azure, office := regime("azure-soc2", "2026-01-01").Bridge[0], regime("office365-core-soc2", "2026-01-01").Bridge[0]
		if azure.Issued != "01-07" || office.Issued != "12-31" || azure.To != office.To {
			t.Errorf("Azure %+v, Office 365 %+v", azure, office)
		}
	})
	t.Run("C4 a letter covers days, by management's word", func(t *testing.T) {
		c := reportOf(t, l, "azure-soc2").Covering(catalog.Span{From: "2025-10-01", To: "2025-12-31"}, "2026-01-15")
		if len(c.Reports) != 0 || len(c.Letters) != 1 || c.Letters[0].By != "management" || len(c.Gaps) != 0 {
			t.Errorf("%+v", c)
		}
	})
	t.Run("C9 Dynamics 365 by itself, then within Azure's", func(t *testing.T) {
		if a, b := regime("dynamics365-soc2", "2019-11-04").Within, regime("dynamics365-soc2", "2026-01-01").Within; a != "" || b != "azure-soc2" {
			t.Errorf("within %q, then within %q", a, b)
		}
	})
	t.Run("C10 Azure DevOps in Azure's list and with a report of its own", func(t *testing.T) {
		var reports []string
		for _, s := range l.Scope {
			if s.To == "" && slices.Contains(s.Services, "azure-devops") {
				reports = append(reports, s.Report)
			}
		}
		if !slices.Contains(reports, "azure-soc2") || !slices.Contains(reports, "azure-devops-soc2") {
			t.Errorf("named by %v", reports)
		}
		if regime("azure-devops-soc2", "2026-01-01").Within != "" {
			t.Error("the report of Azure DevOps is not its own")
		}
	})
	t.Run("C18 rolling means consecutive", func(t *testing.T) {
		c := reportOf(t, l, "office365-core-soc2").Covering(catalog.Span{From: "2023-01-01", To: "2025-09-30"}, "2026-01-15")
		for i := 1; i < len(c.Reports); i++ {
			if a, b := c.Reports[i-1].Period, c.Reports[i].Period; a.To >= b.From {
				t.Errorf("periods %v and %v overlap", a, b)
			}
		}
		if len(c.Reports) != 3 || len(c.Gaps) != 0 {
			t.Errorf("%+v", c)
		}
	})
	t.Run("C20 which report matches a window", func(t *testing.T) {
		window := catalog.Span{From: "2025-07-01", To: "2025-12-31"}
		for _, tc := range []struct {
			report, asOf           string
			reports, letters, gaps int
			first                  catalog.Span
		}{
			{"azure-soc2", "2026-01-15", 1, 1, 0, catalog.Span{From: "2025-07-01", To: "2025-09-30"}},
			{"azure-soc2", "2026-05-15", 2, 0, 0, catalog.Span{From: "2025-07-01", To: "2025-09-30"}},
			{"azure-soc2", "2025-12-15", 1, 0, 1, catalog.Span{From: "2025-07-01", To: "2025-09-30"}},
			{"office365-core-soc2", "2026-01-15", 1, 1, 0, catalog.Span{From: "2025-07-01", To: "2025-09-30"}},
			{"azure-devops-soc2", "2026-05-15", 0, 0, 1, catalog.Span{}},
		} {
			c := reportOf(t, l, tc.report).Covering(window, tc.asOf)
			if len(c.Reports) != tc.reports || len(c.Letters) != tc.letters || len(c.Gaps) != tc.gaps ||
				tc.reports > 0 && (c.Reports[0].Days != tc.first || c.Reports[0].By != "auditor") {
				t.Errorf("%s as of %s: %+v", tc.report, tc.asOf, c)
			}
		}
	})
}

// TestGlossary requires the words of the documentation, with their meaning,
// and enough of the trade's.
func TestGlossary(t *testing.T) {
	l := defaultLibrary(t)
	if n := len(l.Glossary); n < 90 {
		t.Errorf("%d terms, want at least 90", n)
	}
	means := map[string]string{}
	for _, x := range l.Glossary {
		means[x.Term] = x.Means
	}
	b, err := os.ReadFile("../doc/terms.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`^\| \*(.+?)\* \| (.+) \|$`)
	n := 0
	for line := range strings.Lines(string(b)) {
		m := row.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		n++
		if got := strings.TrimSpace(means[m[1]]); got != m[2] {
			t.Errorf("%s: doc/terms.md says %q, the glossary %q", m[1], m[2], got)
		}
	}
	if n < 50 {
		t.Errorf("only %d words were found in doc/terms.md", n)
	}
}

// TestReferenceRefuses spoils one place of the reference data at a time: the
// error names file and line.
func TestReferenceRefuses(t *testing.T) {
	c, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	sound := fstest.MapFS{}
	err = fs.WalkDir(os.DirFS("."), "services", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		sound[name] = &fstest.MapFile{Data: b}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// Without the controls nothing loads; what is wanted must not be among
	// what is said of the sound files already.
	_, err = catalog.LoadLibrary(sound, c)
	before := fmt.Sprint(err)
	for _, tc := range []struct{ file, old, new, want string }{
		{"areas.yaml", "criteria: [CC6.4]", "criteria: [CC6.9]", `criterion "CC6.9" does not exist`},
		{"areas.yaml", "id: capacity", "id: room", `says nothing of area "room"`},
		{"profiles.yaml", "      capacity:\n", "      size:\n", `says nothing of area "capacity"`},
		{"profiles.yaml", "controls: [vulnerability-patching, endpoints-workloads]", "controls: []", "shared needs the controls"},
		{"profiles.yaml", "controls: [vulnerability-patching, endpoints-workloads]", "controls: [patching]", `control "patching" does not exist`},
		{"profiles.yaml", "checks: [vm-patching", "checks: [vm-patched", `check "vm-patched" does not exist`},
		{"azure.yaml", "profile: iaas-compute", "profile: iaas", `profile "iaas"`},
		{"azure.yaml", "tier: iaas", "tier: metal", `tier "metal"`},
		{"azure.yaml", "https://learn", "http://learn", "is not an https address"},
		{"azure.yaml", "id: aks", "id: storage", "want an id of its own"},
		{"microsoft365.yaml", "id: entra-id\n", "id: entra\n", `service "entra-id" does not exist`},
		{"scope.yaml", `from: "2022-04-19"`, `from: "April 2022"`, "a bad date"},
		{"scope.yaml", "    services:\n      - purview-compliance-manager\n", "    services:\n", "do not pair"},
		{"scope.yaml", "products: [azure", "products: [aws", `product "aws"`},
		{"scope.yaml", "environment: gccHigh", "environment: moon", "unknown report, cloud or environment"},
		{"reports.yaml", "within: azure-soc2", "within: nowhere", "cadence from"},
		{"reports.yaml", `to: "2019-12-18"`, `to: "2018-12-18"`, "cadence from"},
		{"reports.yaml", "months: 12", "months: 0", "cadence from"},
		{"reports.yaml", `periodEnds: ["03-31"`, `periodEnds: ["31-03"`, "cadence from"},
		{"reports.yaml", `issued: "01-31"`, `issued: "31 January"`, "cadence from"},
	} {
		name := "services/" + tc.file
		text := string(sound[name].Data)
		spoilt := strings.Replace(text, tc.old, tc.new, 1)
		if spoilt == text {
			t.Fatalf("%s does not hold %q", name, tc.old)
		}
		files := maps.Clone(sound)
		files[name] = &fstest.MapFile{Data: []byte(spoilt)}
		_, err := catalog.LoadLibrary(files, c)
		if got := fmt.Sprint(err); strings.Contains(before, tc.want) || !strings.Contains(got, tc.want) {
			t.Errorf("%s, %s: want %q, got %.600s", tc.file, tc.new, tc.want, got)
		}
	}
}

// TestAssuranceRefuses spoils a fact about a service at a time: promises,
// certificates and endings need a time, or why it is unknown, and a source.
func TestAssuranceRefuses(t *testing.T) {
	c, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	shipped := fstest.MapFS{}
	for _, top := range []string{"controls", "registers", "services", "glossary.yaml", "explanations.yaml", "interview.yaml", "frameworks.yaml", "crosswalk.txt"} {
		err := fs.WalkDir(os.DirFS("."), top, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(name)
			shipped[name] = &fstest.MapFile{Data: b}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	load := func(name, was, is string) error {
		text := string(shipped[name].Data)
		if !strings.Contains(text, was) {
			t.Fatalf("%s does not hold %q", name, was)
		}
		spoilt := maps.Clone(shipped)
		spoilt[name] = &fstest.MapFile{Data: []byte(strings.Replace(text, was, is, 1))}
		_, err := catalog.LoadLibrary(spoilt, c)
		return err
	}
	if err := load("services/assurance.yaml", "", ""); err != nil {
		t.Fatalf("the library as shipped: %v", err)
	}
	for _, x := range []struct{ name, was, is string }{
		{"services/assurance.yaml", `percent: "99.995"`, `percent: "109"`},
		{"services/assurance.yaml", "    from: \"2026-09-01\"\n", ""},
		{"services/assurance.yaml", "service: azure-dns", "service: azure-abacus"},
		{"services/assurance.yaml", "    unknown: The copy of the page bears no date.\n", ""},
		{"services/assurance.yaml", "standard: hds", "standard: himself"},
		{"services/assurance.yaml", "kind: monitoring", "kind: availability"},
		{"services/azure.yaml", `day: "2025-09-19"`, `day: "in autumn"`},
		{"services/azure.yaml", "successors: [database-for-mysql]", "successors: [database-for-mariadb]"},
		{"services/reports.yaml", "        unknown: The trust centre does not tell the periods; the report does, which needs access.\n", ""},
	} {
		if err := load(x.name, x.was, x.is); err == nil || !strings.Contains(err.Error(), x.name) {
			t.Errorf("%q for %q in %s: %v", x.is, x.was, x.name, err)
		}
	}
}

// TestUnlinked: codes of ISO/IEC 27001:2022 are clauses that exist or controls
// of Annex A, and those of Annex A that nobody links are named.
func TestUnlinked(t *testing.T) {
	l, err := catalog.DefaultLibrary()
	if err != nil {
		t.Fatal(err)
	}
	var iso *catalog.Framework
	for i := range l.Frameworks {
		if l.Frameworks[i].ID == "iso27001" {
			iso = &l.Frameworks[i]
		}
	}
	missing, all := l.Unlinked(iso, "2022")
	if all != 93 || len(missing) >= all/2 {
		t.Errorf("%d of %d codes have no link", len(missing), all)
	}
	linked := 0
	for i := range l.Crosswalk {
		a := &l.Crosswalk[i]
		if a.Framework != "iso27001" || a.Version != "2022" {
			continue
		}
		linked++
		// The clauses end with 8.3, 9.3.3 and 10.2; greater numbers are Annex A's.
		var chapter, number int
		if n, _ := fmt.Sscanf(a.Control, "%d.%d", &chapter, &number); n == 2 && number > map[int]int{4: 4, 5: 3, 6: 3, 7: 5, 8: 3, 9: 3, 10: 2}[chapter] {
			t.Errorf("%s is no clause", a.Control)
		}
	}
	if linked == 0 {
		t.Error("nothing is linked")
	}
	if missing, all := l.Unlinked(iso, "2013"); missing != nil || all != 0 {
		t.Errorf("the codes of 2013 were not counted, and yet %d of %d are missing", len(missing), all)
	}
}
