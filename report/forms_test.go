// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/report"
)

// forms are the renderers, for tests that hold for each.
var forms = map[string]func(io.Writer, *check.Assessment) error{
	"terminal": func(w io.Writer, a *check.Assessment) error {
		return report.Terminal(w, a, report.TerminalOptions{Color: true})
	},
	"json":  report.JSON,
	"csv":   report.CSV,
	"sarif": func(w io.Writer, a *check.Assessment) error { return report.SARIF(w, a, report.SARIFOptions{}) },
	"html":  func(w io.Writer, a *check.Assessment) error { return report.HTML(w, a, report.HTMLOptions{}) },
}

// render writes a in one form.
func render(t *testing.T, form string, a *check.Assessment) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := forms[form](&b, a); err != nil {
		t.Fatalf("%s: %v", form, err)
	}
	return b.Bytes()
}

// sampleOf is sample narrowed to a few results a check, so that golden files
// stay readable.
func sampleOf(most int) *check.Assessment {
	a := sample(1)
	var results []tickmark.Result
	type key struct {
		check   string
		verdict tickmark.Verdict
	}
	seen := map[key]int{}
	for r := range a.Results.All() {
		if k := (key{r.Check, r.Verdict}); seen[k] < most {
			seen[k]++
			results = append(results, r)
		}
	}
	a.Results = check.ResultsOf(a.Checks, results)
	for i, s := range a.Checks {
		var rs []tickmark.Result
		for _, r := range results {
			if r.Check == s.Check.ID {
				rs = append(rs, r)
			}
		}
		a.Checks[i] = summarise(s.Check, rs)
	}
	a.Criteria = nil
	rollUp(a)
	return a
}

func TestGolden(t *testing.T) {
	a := sampleOf(1)
	for form, ext := range map[string]string{"json": "json", "csv": "csv", "sarif": "sarif"} {
		golden(t, "sample."+ext, render(t, form, a))
	}
	for _, view := range []string{"check storage-min-tls", "criterion CC6.1", "resource storage0001", "types", "problems", "unknown", "not-read", "check sql-auditing", "criterion P4.2"} {
		name := "show-" + strings.ReplaceAll(view, " ", "-") + ".txt"
		golden(t, name, []byte(terminal(t, sample(1), report.TerminalOptions{Show: view, Limit: 3})))
	}
	golden(t, "summary-color.txt", render(t, "terminal", a))
}

// TestSameBytes renders two assessments that were built apart.
func TestSameBytes(t *testing.T) {
	for form := range forms {
		x, y := render(t, form, sample(3)), render(t, form, sample(3))
		if !bytes.Equal(x, y) {
			t.Errorf("%s: the same assessment gave different bytes", form)
		}
	}
}

// TestEveryFormTakesNothing gives the zero assessment to every form.
func TestEveryFormTakesNothing(t *testing.T) {
	for form := range forms {
		render(t, form, &check.Assessment{})
	}
}

func compile(t *testing.T, name string, schema []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(name, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// specSchema is the schema that doc/spec/assessment.md publishes.
func specSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile("../doc/spec/assessment.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```json\n(.*?)```").FindSubmatch(text)
	if m == nil {
		t.Fatal("doc/spec/assessment.md: no schema")
	}
	return compile(t, "assessment.json", m[1])
}

func validate(t *testing.T, s *jsonschema.Schema, b []byte) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("not JSON: %v", err)
	}
	return s.Validate(doc)
}

func TestJSONFollowsItsSpecification(t *testing.T) {
	s := specSchema(t)
	for name, a := range map[string]*check.Assessment{"empty": sample(0), "one": oneRow(), "some": sample(1), "zero": {}, "chosen": sample(1).Within([]string{"privacy"}, "a test")} {
		if err := validate(t, s, render(t, "json", a)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The schema must be able to refuse: unknown without a reason, a new member, a percentage.
	good := string(render(t, "json", sampleOf(1)))
	for old, bad := range map[string]string{
		`"verdict":"unknown","reason":"summary",`: `"verdict":"unknown",`,
		`"schema": "tickmark-assessment/1"`:       `"schema": "tickmark-assessment/2"`,
		`"origin": `:                              `"score": 93, "origin": `,
		`"state":"manual"`:                        `"state":"effective"`,
	} {
		if !strings.Contains(good, old) {
			t.Fatalf("the sample does not hold %s", old)
		}
		if validate(t, s, []byte(strings.Replace(good, old, bad, 1))) == nil {
			t.Errorf("the schema takes %s", bad)
		}
	}
}

func TestJSONHoldsEverything(t *testing.T) {
	a := sample(2)
	var got struct {
		Results []struct {
			Check, Resource, Type, Reason, Message, Condition, Field, Path, Found, Wanted, NearMiss, Related string
			Verdict                                                                                          tickmark.Verdict
		}
		Criteria []struct{ Code string }
		Checks   []struct{ Counts check.Counts }
	}
	if err := json.Unmarshal(render(t, "json", a), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Results) != a.Results.Len() || len(got.Criteria) != 61 || len(got.Checks) != len(a.Checks) {
		t.Fatalf("%d results, %d criteria, %d checks", len(got.Results), len(got.Criteria), len(got.Checks))
	}
	i := 0
	for want := range a.Results.All() {
		g := got.Results[i]
		back := tickmark.Result{Check: g.Check, Resource: g.Resource, Type: g.Type, Verdict: g.Verdict, Reason: tickmark.Reason(g.Reason), Why: tickmark.Why{
			Message: g.Message, Condition: g.Condition, Field: g.Field, Path: g.Path, Found: g.Found, Wanted: g.Wanted, NearMiss: g.NearMiss, Related: g.Related,
		}}
		if diff := cmp.Diff(want, back); diff != "" {
			t.Fatalf("result %d (-want +got):\n%s", i, diff)
		}
		i++
	}
}

func TestCSVHoldsEverything(t *testing.T) {
	a := sample(2)
	out := render(t, "csv", a)
	if bytes.Contains(bytes.ReplaceAll(out, []byte("\r\n"), nil), []byte("\n")) {
		t.Error("a line ends without CR")
	}
	rows, err := csv.NewReader(bytes.NewReader(out)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != a.Results.Len()+1 {
		t.Fatalf("%d rows, want %d", len(rows), a.Results.Len()+1)
	}
}

// TestCSVNamesOverrides: each row of a check that an organisation changed says
// so, and no other does.
func TestCSVNamesOverrides(t *testing.T) {
	a := sample(2)
	k := *a.Checks[0].Check
	k.Override = &catalog.CheckOverride{Version: 3, Effective: "2020-01-01T00:00:00Z", Recorded: "2026-02-01T00:00:00Z", Actor: "ann", Reason: "=why"}
	a.Checks[0].Check = &k
	rows, err := csv.NewReader(bytes.NewReader(render(t, "csv", a))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	marked, last := 0, slices.Index(rows[0], "override")
	if last < 0 {
		t.Fatalf("no column override in %q", rows[0])
	}
	for _, r := range rows[1:] {
		want := ""
		if r[0] == k.ID {
			marked++
			want = "changed by the organisation: version 3, effective 2020-01-01T00:00:00Z, recorded 2026-02-01T00:00:00Z by ann: =why"
		}
		if r[last] != want {
			t.Errorf("%s: override %q, want %q", r[0], r[last], want)
		}
	}
	if marked == 0 || marked == len(rows)-1 {
		t.Errorf("%d of %d rows are marked: this test verifies nothing", marked, len(rows)-1)
	}
}

func TestSARIFIsValid(t *testing.T) {
	schema, err := os.ReadFile("testdata/sarif-2.1.0-rtm.5.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	s := compile(t, "sarif.json", schema)
	locate := report.SARIFOptions{Locate: func(resource string) (report.Place, bool) {
		return report.Place{Input: "export/vm list.json", Off: 12, Len: 300, Line: 2}, strings.HasSuffix(resource, "1")
	}}
	for name, a := range map[string]*check.Assessment{"empty": sample(0), "one": oneRow(), "some": sample(1), "zero": {}, "hostile": hostile(unique(hostileNames(t)))} {
		var b bytes.Buffer
		if err := report.SARIF(&b, a, locate); err != nil {
			t.Fatal(err)
		}
		if err := validate(t, s, b.Bytes()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := string(render(t, "sarif", sampleOf(1)))
	for old, bad := range map[string]string{`"kind":"review","level":"none"`: `"kind":"maybe","level":"none"`, `"ruleId"`: `"rule"`, `"version": "2.1.0"`: `"version": "2.0.0"`} {
		if !strings.Contains(good, old) || validate(t, s, []byte(strings.Replace(good, old, bad, 1))) == nil {
			t.Errorf("the schema takes %s", bad)
		}
	}
}

// unique keeps the first of equal names: rule ids of a SARIF log are unique.
func unique(names []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, n := range names {
		if n = strings.ToValidUTF8(n, "�"); !seen[n] {
			seen[n] = true
			out = append(out, n)
		}
	}
	return out
}

// TestSARIFVerdicts counts what each verdict becomes.
func TestSARIFVerdicts(t *testing.T) {
	a := sample(1)
	var log struct {
		Runs []struct {
			Results []struct {
				Kind, Level  string
				Suppressions []struct{ Kind string }
			}
			Invocations []struct {
				ToolExecutionNotifications []struct{ Level string }
			}
		}
	}
	if err := json.Unmarshal(render(t, "sarif", a), &log); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, r := range log.Runs[0].Results {
		got[fmt.Sprintf("%s/%s/%d", r.Kind, r.Level, len(r.Suppressions))]++
	}
	want := map[string]int{"fail/error/0": 14, "fail/warning/0": 7, "review/none/0": 61, "review/none/1": 7}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if n := len(log.Runs[0].Invocations[0].ToolExecutionNotifications); n != 3 {
		t.Errorf("%d notifications, want one per problem and incomplete input: 3", n)
	}
}

// noPercentage finds a percentage in what people read; widths of drawn bars are none.
var noPercentage = regexp.MustCompile(`[0-9] ?%|percent|[Ss]core[ds]?[^a-z]|[Cc]ompliant|[Ee]ffective[^A-Z-]|certified`)

func TestNoPercentageNoPraise(t *testing.T) {
	drawn := regexp.MustCompile(`(?s)<style>.*?</style>|<script>.*?</script>|<svg.*?</svg>`)
	score := strings.NewReplacer("it is not a score", "")
	for form := range forms {
		text := string(render(t, form, sample(1)))
		text = score.Replace(drawn.ReplaceAllString(text, ""))
		if m := noPercentage.FindString(text); m != "" {
			t.Errorf("%s says %q", form, m)
		}
		if form == "html" || form == "terminal" {
			if i := strings.IndexAny(strings.NewReplacer("<!doctype", "", "!=", "").Replace(text), "!"); i >= 0 {
				t.Errorf("%s: an exclamation mark", form)
			}
		}
	}
	if noPercentage.FindString("93 % compliant") == "" {
		t.Error("the test cannot fail")
	}
}

// TestResultsAreStreamed renders a million results and looks at the heap: the
// text would take hundreds of megabytes.
func TestResultsAreStreamed(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	a := sample(1)
	const n = 1_000_000
	rs := make([]tickmark.Result, n)
	id, why := "/subscriptions/0/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a", tickmark.Why{Message: "minimumTlsVersion is TLS1_0; expected TLS1_2", Path: "properties.minimumTlsVersion", Found: `"TLS1_0"`}
	for i := range rs {
		rs[i] = tickmark.Result{Check: "storage-min-tls", Type: "Microsoft.Storage/storageAccounts", Resource: id, Verdict: tickmark.Fail, Why: why}
	}
	for i, s := range a.Checks {
		if s.Check.ID == "storage-min-tls" {
			a.Checks[i] = summarise(s.Check, rs)
		}
	}
	a.Results = check.ResultsOf(a.Checks, rs)
	for form, least := range map[string]int64{"json": 100 << 20, "csv": 100 << 20, "sarif": 100 << 20, "html": 50 << 10} {
		var before runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		peak := uint64(0)
		w := &sampling{every: 500, peak: &peak}
		if err := forms[form](w, a); err != nil {
			t.Fatal(err)
		}
		grown := int64(peak) - int64(before.HeapAlloc)
		t.Logf("%s: %d MB written, heap grew by %d KB at most", form, w.n>>20, grown>>10)
		if w.n < least {
			t.Errorf("%s: %d bytes written; is a million results in it?", form, w.n)
		}
		if grown > 16<<20 {
			t.Errorf("%s: the heap grew by %d MB: results are held", form, grown>>20)
		}
	}
}

// sampling counts what is written and looks at the heap now and then.
type sampling struct {
	n     int64
	calls int
	every int
	peak  *uint64
}

func (s *sampling) Write(p []byte) (int, error) {
	s.n += int64(len(p))
	if s.calls++; s.calls%s.every == 1 {
		var m runtime.MemStats
		runtime.GC() // what is held, not what is left to collect
		runtime.ReadMemStats(&m)
		*s.peak = max(*s.peak, m.HeapAlloc)
	}
	return len(p), nil
}

// failing refuses to write after n bytes.
type failing struct{ left int }

var errFull = errors.New("no space left on device")

func (f *failing) Write(p []byte) (int, error) {
	if len(p) > f.left {
		n := f.left
		f.left = 0
		return n, errFull
	}
	f.left -= len(p)
	return len(p), nil
}

func TestWriteErrorsAreReported(t *testing.T) {
	a := sample(1)
	for form := range forms {
		for _, left := range []int{0, 100, len(render(t, form, a)) - 1} {
			if err := forms[form](&failing{left}, a); !errors.Is(err, errFull) {
				t.Errorf("%s, disk full after %d bytes: error %v", form, left, err)
			}
		}
	}
}

func TestShowSaysWhatItWants(t *testing.T) {
	a := sample(1)
	for view, want := range map[string]string{
		"nothing":           "want check ID",
		"check":             "add the id",
		"check storage":     "near: storage-",
		"criterion CC10.1":  "CC6.1",
		"resource nowhere":  "whole id",
		"types everything":  "leave out everything",
		"check=storage-min": "near: storage-min-tls",
	} {
		err := report.Terminal(io.Discard, a, report.TerminalOptions{Show: view})
		var e *tickmark.Error
		if !errors.As(err, &e) || e.Code != tickmark.CodeUsage || !strings.Contains(e.Hint, want) {
			t.Errorf("--show %s: %v (%+v), want a usage error whose hint holds %q", view, err, e, want)
		}
	}
	for _, view := range []string{"check:storage-min-tls", "check=STORAGE-MIN-TLS", "criterion cc6.1", " types "} {
		if err := report.Terminal(io.Discard, a, report.TerminalOptions{Show: view}); err != nil {
			t.Errorf("--show %s: %v", view, err)
		}
	}
}

// TestLimitsAreStated reads the numbers that cut views state.
func TestLimitsAreStated(t *testing.T) {
	got := terminal(t, sample(1), report.TerminalOptions{Show: "check storage-min-tls", Limit: 3})
	for _, want := range []string{"✗ 7 fail", "and 4 more", "✓ 37 pass", "and 34 more", "and 3 more"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	all := terminal(t, sample(1), report.TerminalOptions{Show: "check storage-min-tls", Limit: -1})
	if strings.Contains(all, "more:") || strings.Count(all, "/subscriptions/") != 50 {
		t.Errorf("without a limit %d of 50 resources are shown", strings.Count(all, "/subscriptions/"))
	}
	p := string(page(t, sample(1), report.HTMLOptions{ResultsPerCheck: 2, RowsPerTable: 1}))
	for _, want := range []string{`"v":"fail","n":7,`, "2 more inputs are not on this page", "1 more problems are not on this page"} {
		if !strings.Contains(p, want) {
			t.Errorf("the page does not hold %q", want)
		}
	}
}

func TestTermsPageEqualsTheTable(t *testing.T) {
	want := report.TermsMarkdown()
	if *update {
		if err := os.WriteFile("../doc/terms.md", []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("../doc/terms.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("doc/terms.md differs from report/terms.go; run with -update (-table +page):\n%s", diff)
	}
	seen := map[string]bool{}
	for _, term := range report.Terms() {
		if seen[term.Word] || term.Meaning == "" {
			t.Errorf("%q: twice, or without meaning", term.Word)
		}
		seen[term.Word] = true
	}
}

// BenchmarkForms renders 238,000 results in each form.
func BenchmarkForms(b *testing.B) {
	a := sample(700)
	for form, write := range forms {
		b.Run(form, func(b *testing.B) {
			b.ReportAllocs()
			var w counting
			for b.Loop() {
				if err := write(&w, a); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(w.n)/float64(b.N)/(1<<20), "MB")
		})
	}
}

// counting counts what is written.
type counting struct{ n int64 }

func (c *counting) Write(p []byte) (int, error) { c.n += int64(len(p)); return len(p), nil }
