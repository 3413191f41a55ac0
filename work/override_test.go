// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/collect/file"
	"github.com/tickmark/tickmark/history"
	"github.com/tickmark/tickmark/store"
	"github.com/tickmark/tickmark/work"
)

func onDay(day string) time.Time {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		panic(err)
	}
	return t
}

func newStore(t *testing.T) (*store.Store, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Create(t.Context(), dir, "Acme", onDay("2026-01-01"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, dir
}

func record(t *testing.T, st work.Shelf, text, effective, now string) error {
	t.Helper()
	list, err := catalog.ReadOverrides("own.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	_, err = work.Override(t.Context(), st, list, work.OverrideOptions{Reason: "because", Actor: "ann", Effective: onDay(effective), Now: onDay(now)})
	return err
}

func likelihood(t *testing.T, st work.Shelf, w work.When) int {
	t.Helper()
	l, err := work.EffectiveLibrary(t.Context(), st, w)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range l.Risks {
		if r.ID == "leaver-access" {
			return r.Likelihood
		}
	}
	t.Fatal("the risk is gone")
	return 0
}

// TestOverrideTimes walks through both times: what was in force, and what was
// known.
func TestOverrideTimes(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	base := likelihood(t, s, work.When{})
	risk := func(n string) string { return "risks:\n  - {id: leaver-access, likelihood: " + n + "}" }
	for _, x := range []struct{ text, effective, now string }{
		{risk("5"), "2026-03-01", "2026-03-01"},
		{risk("1"), "2026-02-01", "2026-04-01"}, // back-dated: from its date on, the later word
		{risk("4"), "2026-09-01", "2026-05-01"}, // to come
	} {
		if err := record(t, s, x.text, x.effective, x.now); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := work.Withdraw(t.Context(), s, "risk/leaver-access", work.OverrideOptions{Reason: "r", Actor: "ann", Effective: onDay("2026-10-01"), Now: onDay("2026-06-01")}); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		asOf, known string
		want        int
	}{
		{"2026-01-31", "", base},
		{"2026-02-01", "", 1},
		{"2026-03-15", "", 1},
		{"2026-02-15", "2026-03-31", base},
		{"2026-03-15", "2026-03-31", 5},
		{"2026-08-31", "", 1},
		{"2026-09-01", "", 4},
		{"2026-09-01", "2026-04-15", 1},
		{"2026-10-01", "", base},
		{"2026-10-01", "2026-05-15", 4},
	} {
		w := work.When{AsOf: onDay(tc.asOf)}
		if tc.known != "" {
			w.Known = onDay(tc.known)
		}
		if got := likelihood(t, s, w); got != tc.want {
			t.Errorf("as of %s, known at %q: %d, want %d", tc.asOf, tc.known, got, tc.want)
		}
	}
}

// TestOverrideNothingRecorded: one wrong entry, and the ledger is as before.
func TestOverrideNothingRecorded(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	own := `risks:
  - id: own-badge-lost
    threat: A lost badge opens the office
    asset: the office
    cause: badges carry the address
    consequence: somebody walks in
    likelihood: 2
    likelihoodWhy: two were lost last year
    impact: 2
    impactWhy: no data is kept there
    criteria: [CC6.4]
    controls: [access-leavers]
`
	refer := "controls:\n  - {id: access-leavers, risks: [leaver-access, insider-misuse, own-badge-lost]}\n"
	cases := []struct{ name, text, want string }{
		{"lint", "controls:\n  - {id: access-leavers, frequency: daily}", "no-cadence"},
		{"reference", refer, "does not exist"},
		{"one of two", own + "explanations:\n  - {code: CC6.2, azure: \"\"}", "CC6.2"},
		{"rule that does not compile", `checks:
  - id: own-wrong
    title: A rule that cannot be read
    area: keyvault
    severity: low
    why: w
    criteria: [{code: CC6.1, link: supporting}]
    types: [Microsoft.KeyVault/vaults]
    source: arm
    permission: p
    rule: {if: {allOf: [{field: type, equals: Microsoft.KeyVault/vaults}, {field: name, resembles: x}]}, then: {effect: audit}}
    notProven: n
    remediation: {cli: c, portal: p}
    references: [https://example.org]
`, "does not compile"},
	}
	for _, tc := range cases {
		if err := record(t, s, tc.text, "2026-02-01", "2026-02-01"); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
	if list, err := work.Overrides(t.Context(), s); err != nil || len(list) != 0 {
		t.Fatalf("recorded %+v, %v", list, err)
	}
	if _, err := work.Override(t.Context(), s, nil, work.OverrideOptions{Actor: "ann"}); err == nil {
		t.Error("a missing reason was accepted")
	}
	// What refers to an entry of one's own holds it, also in the future.
	if err := record(t, s, own, "2026-02-01", "2026-02-01"); err != nil {
		t.Fatal(err)
	}
	if err := record(t, s, refer, "2026-03-01", "2026-02-01"); err != nil {
		t.Fatal(err)
	}
	_, err := work.Withdraw(t.Context(), s, "risk/own-badge-lost", work.OverrideOptions{Reason: "r", Actor: "ann", Effective: onDay("2026-02-15"), Now: onDay("2026-02-15")})
	if err == nil || !strings.Contains(err.Error(), "own-badge-lost") {
		t.Errorf("withdrawn although a control will refer to it: %v", err)
	}
}

// TestOverrideTampered: a document changed behind the ledger's back is not
// used, and verify finds it. Unchanged, both are content.
func TestOverrideTampered(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t)
	if err := record(t, s, "checks:\n  - {id: st-tls, severity: critical}", "2026-02-01", "2026-02-01"); err != nil {
		t.Fatal(err)
	}
	if _, err := work.Verify(t.Context(), s, nil, nil); err != nil {
		t.Fatal(err)
	}
	if c, pins, err := work.EffectiveCatalog(t.Context(), s, work.When{}); err != nil || c == nil || len(pins) != 1 {
		t.Fatalf("before: %v, %d pins", err, len(pins))
	}
	underneath(t, dir,
		"DROP TRIGGER documents_no_update",
		`UPDATE documents SET body = CAST(REPLACE(CAST(body AS TEXT), 'critical', 'low') AS BLOB) WHERE kind = 'override'`)
	if _, _, err := work.EffectiveCatalog(t.Context(), s, work.When{}); code(err) != tickmark.CodeTampered {
		t.Errorf("read: %v", err)
	}
	if _, err := work.Verify(t.Context(), s, nil, nil); code(err) != tickmark.CodeTampered {
		t.Errorf("verify: %v", err)
	}
}

// underneath changes the database behind the ledger's back.
func underneath(t *testing.T, dir string, statements ...string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*.db"))
	if err != nil || len(found) != 1 {
		t.Fatalf("databases: %v, %v", found, err)
	}
	db, err := sql.Open("sqlite", found[0])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, q := range statements {
		r, err := db.ExecContext(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := r.RowsAffected(); !strings.HasPrefix(q, "DROP") && (err != nil || n == 0) {
			t.Fatalf("%s changed %d rows, %v", q, n, err)
		}
	}
}

func code(err error) tickmark.Code {
	if e, ok := errors.AsType[*tickmark.Error](err); ok {
		return e.Code
	}
	return ""
}

// TestOverrideVersionsGone: with the later versions removed, the first one,
// which was withdrawn, does not come back into force: nothing is judged.
func TestOverrideVersionsGone(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		after []string
		want  tickmark.Code
	}{
		{"nothing removed", nil, ""},
		{"rows removed", []string{"DROP TRIGGER documents_no_delete", `DELETE FROM documents WHERE kind = 'override' AND version >= 2`}, tickmark.CodeTampered},
		{"all rows removed", []string{"DROP TRIGGER documents_no_delete", `DELETE FROM documents WHERE kind = 'override'`}, tickmark.CodeTampered},
		{"rows under another kind", []string{"DROP TRIGGER documents_no_update", `UPDATE documents SET kind = 'other' WHERE kind = 'override' AND version >= 2`}, tickmark.CodeTampered},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, dir := newStore(t)
			for i, severity := range []string{"low", "critical"} {
				if err := record(t, s, "checks:\n  - {id: st-tls, severity: "+severity+"}", "2026-02-01", fmt.Sprintf("2026-02-0%d", i+1)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := work.Withdraw(t.Context(), s, "check/st-tls", work.OverrideOptions{Reason: "r", Actor: "ann", Effective: onDay("2026-02-03"), Now: onDay("2026-02-03")}); err != nil {
				t.Fatal(err)
			}
			underneath(t, dir, tc.after...)
			c, _, err := work.EffectiveCatalog(t.Context(), s, work.When{})
			if code(err) != tc.want || c != nil {
				t.Errorf("got %v, a catalogue: %t; want %q", err, c != nil, tc.want)
			}
			// Documents of other kinds are not affected.
			if o, err := work.OfficialTexts(t.Context(), s); err != nil || o != nil {
				t.Errorf("another kind: %v, %v", o, err)
			}
		})
	}
}

// oldShelf holds documents of an older library.
type oldShelf struct{ docs []history.Document }

func (o oldShelf) Documents(context.Context, string) ([]history.Document, error) { return o.docs, nil }

func (o oldShelf) PutAll(_ context.Context, docs []history.Document, _ time.Time) ([]history.Document, error) {
	return docs, nil
}

// TestOverrideOlderLibrary: what the library says now may differ from what was
// overridden; what it no longer has is an error that names the document.
func TestOverrideOlderLibrary(t *testing.T) {
	t.Parallel()
	doc := func(id, base string) history.Document {
		return history.Document{Kind: "override", ID: "risk/" + id, Version: 1, Schema: 1, Actor: "ann", Body: []byte(
			`{"kind":"risk","id":"` + id + `","reason":"r","withdrawn":false,"entry":{"id":"` + id + `","impact":2},"base":` + base + `,"library":"` + strings.Repeat("0", 64) + `"}`)}
	}
	l, err := work.EffectiveLibrary(t.Context(), oldShelf{[]history.Document{doc("leaver-access", `{"id":"leaver-access","impact":1}`)}}, work.When{})
	if err != nil {
		t.Fatal(err)
	}
	if o := l.Override("risk", "leaver-access"); !o.Changed() || o.Own() {
		t.Errorf("a changed entry is not noticed: %+v", o)
	}
	_, err = work.EffectiveLibrary(t.Context(), oldShelf{[]history.Document{doc("gone-since", `{"id":"gone-since"}`)}}, work.When{})
	if err == nil || !strings.Contains(err.Error(), "override risk/gone-since version 1") {
		t.Errorf("got %v", err)
	}
}

// ownDirect is a check of one's own that claims to bear on criteria that only
// people can meet.
const ownDirect = `checks:
  - id: own-always
    title: Key vaults have names
    area: keyvault
    severity: low
    why: w
    criteria: [{code: CC1.1, link: direct}, {code: CC4.1, link: direct}]
    types: [Microsoft.KeyVault/vaults]
    source: arm
    permission: Microsoft.KeyVault/vaults/read
    rule: {if: {allOf: [{field: type, equals: Microsoft.KeyVault/vaults}, {field: name, exists: false}]}, then: {effect: audit}}
    notProven: n
    remediation: {cli: c, portal: p}
    references: [https://example.org]
`

const oneVault = `{"id":"/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv","name":"kv","type":"Microsoft.KeyVault/vaults","location":"westeurope","properties":{"enablePurgeProtection":true}}`

func assessVault(t *testing.T, o work.AssessOptions) *work.Assessed {
	t.Helper()
	name := filepath.Join(t.TempDir(), "vault.json")
	if err := os.WriteFile(name, []byte(oneVault), 0o600); err != nil {
		t.Fatal(err)
	}
	o.Now, o.Engine = onDay("2026-02-02"), "test"
	a, files, err := work.AssessFiles(t.Context(), []string{name}, file.Options{ObservedAt: o.Now}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = files.Close() })
	return a
}

// TestOverrideNeverDirect: no check of an organisation's own makes a criterion
// pass that the library leaves to people. The same check as a library's would.
func TestOverrideNeverDirect(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	if err := record(t, s, ownDirect, "2026-02-01", "2026-02-01"); err != nil {
		t.Fatal(err)
	}
	c, pins, err := work.EffectiveCatalog(t.Context(), s, work.When{})
	if err != nil {
		t.Fatal(err)
	}
	of := func(code string) *check.CriterionSummary {
		a := assessVault(t, work.AssessOptions{Catalog: c, Overrides: pins})
		i := slices.IndexFunc(a.Criteria, func(s check.CriterionSummary) bool { return s.Criterion.Code == code })
		return &a.Criteria[i]
	}
	for _, code := range []string{"CC1.1", "CC4.1"} {
		if got := of(code); got.State != check.StateManual || got.Automation != "supporting" || got.Pass != 1 {
			t.Errorf("%s: state %s, automation %s, %d pass", code, got.State, got.Automation, got.Pass)
		}
	}
	c.Check("own-always").Override = nil
	if got := of("CC1.1"); got.State != check.StatePass || got.Automation != "direct" {
		t.Errorf("the control did not come out: state %s, automation %s", got.State, got.Automation)
	}
}

// TestOverridePinned: a snapshot whose pin says of overrides what the ledger
// does not is not re-performed; one whose pin is as recorded is.
func TestOverridePinned(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		forge  func(a *work.Assessed)
		behind []string
		want   string
	}{
		{"as recorded", func(*work.Assessed) {}, nil, ""},
		{"digest", func(a *work.Assessed) { a.Overrides[0].Digest[0] ^= 1 }, nil, "is not leaf"},
		{"seq", func(a *work.Assessed) { a.Overrides[0].Seq++ }, nil, "is not leaf"},
		{"another version", func(a *work.Assessed) { a.Overrides[0].Version = 1 }, nil, "is not leaf"},
		{"no such version", func(a *work.Assessed) { a.Overrides[0].Version = 7 }, nil, "was never recorded"},
		{"effective", func(a *work.Assessed) { a.Overrides[0].Effective = onDay("2020-01-01") }, nil, "is not leaf"},
		{"recorded", func(a *work.Assessed) { a.Overrides[0].Recorded = onDay("2020-01-01") }, nil, "is not leaf"},
		{"no pin", func(a *work.Assessed) { a.Overrides = nil }, nil, "does not name its document"},
		{"twice", func(a *work.Assessed) { a.Overrides = append(a.Overrides, a.Overrides[0]) }, nil, "not what the pinned catalogue says"},
		{"the library's checks", func(a *work.Assessed) {
			c, err := catalog.Default()
			if err != nil {
				t.Error(err)
			}
			a.Catalog = c
		}, nil, "not what the pinned catalogue says"},
		{"document gone", func(*work.Assessed) {}, []string{"DROP TRIGGER documents_no_delete", `DELETE FROM documents WHERE kind = 'override' AND version = 2`}, "is gone"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, dir := newStore(t)
			for i, severity := range []string{"low", "critical"} {
				if err := record(t, s, "checks:\n  - {id: kv-soft-delete-purge, severity: "+severity+"}", "2026-01-20", fmt.Sprintf("2026-02-0%d", i+1)); err != nil {
					t.Fatal(err)
				}
			}
			c, pins, err := work.EffectiveCatalog(t.Context(), s, work.When{})
			if err != nil {
				t.Fatal(err)
			}
			a := assessVault(t, work.AssessOptions{Catalog: c, Overrides: pins})
			tc.forge(a)
			if _, err := work.Record(t.Context(), s, a.Recording(), onDay("2026-02-02"), nil); err != nil {
				t.Fatal(err)
			}
			underneath(t, dir, tc.behind...)
			rp, err := work.Reperform(t.Context(), s, "latest", work.Again("test"), nil)
			switch {
			case tc.want == "":
				if err != nil || rp.Answer != work.Identical {
					t.Errorf("got %+v, %v", rp, err)
				}
			case code(err) != tickmark.CodeTampered || !strings.Contains(err.Error(), tc.want):
				t.Errorf("got %+v, %v; want %q", rp, err, tc.want)
			}
		})
	}
}
