// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/work"
)

// The types of the tenant below.
const (
	typeVault   = "Microsoft.KeyVault/vaults"
	typeStorage = "Microsoft.Storage/storageAccounts"
	typeSetting = "Microsoft.Insights/diagnosticSettings"
	typeAlert   = "Microsoft.Insights/activityLogAlerts"
	typePricing = "Microsoft.Security/pricings"
	typeSub     = "Microsoft.Resources/subscriptions"
)

// tenant is a hand-made collection: an index of everything, per subscription
// what the providers themselves answer, and a directory.
type tenant struct {
	rng  *rand.Rand
	snap *tickmark.Snapshot
	subs []string
}

// object is a shape of the catalogue under another id, with properties set.
func object(tb testing.TB, typ, id string, set map[string]any) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("../catalog/testdata/shapes", strings.ReplaceAll(typ, "/", ".")+".json"))
	if err != nil {
		tb.Fatal(err)
	}
	var o map[string]any
	if err := json.Unmarshal(b, &o); err != nil {
		tb.Fatal(err)
	}
	o["id"], o["name"] = id, id[strings.LastIndexByte(id, '/')+1:]
	if p, ok := o["properties"].(map[string]any); ok {
		maps.Copy(p, set)
	}
	if b, err = json.Marshal(o); err != nil {
		tb.Fatal(err)
	}
	return b
}

// put adds a page of rows to a segment and counts it in its ask.
func (w *tenant) put(segment int, ask, subject string, direct bool, rows ...[]byte) {
	seg := &w.snap.Segments[segment]
	p := tickmark.Page{
		Name: "GET " + ask + " " + subject, Form: "armList", Ask: ask, Subject: subject,
		Request: &tickmark.Request{Method: "GET", URL: "https://example.invalid/" + ask, Status: 200, Direct: direct},
	}
	if seg.Source == "graph" {
		p.Form, p.Entity = "graphCollection", "graph/"+ask
	}
	p.Bytes = []byte(`{"value":[`)
	for i, r := range rows {
		if i > 0 {
			p.Bytes = append(p.Bytes, ',')
		}
		p.Items = append(p.Items, tickmark.Item{Off: len(p.Bytes), Len: len(r)})
		p.Bytes = append(p.Bytes, r...)
	}
	p.Bytes = append(p.Bytes, "]}"...)
	p.Digest = tickmark.DigestOf(p.Bytes)
	seg.Pages = append(seg.Pages, p)
	for i := range seg.Coverage.Asks {
		if a := &seg.Coverage.Asks[i]; a.Name == ask {
			a.Subjects, a.Answered, a.Pages, a.Rows, a.Unique = a.Subjects+1, a.Answered+1, a.Pages+1, a.Rows+len(rows), a.Unique+len(rows)
		}
	}
}

func (w *tenant) segment(source, scope string, asks ...tickmark.AskCoverage) int {
	for i := range asks {
		asks[i].Declared = -1
	}
	w.snap.Segments = append(w.snap.Segments, tickmark.Segment{
		Source: source, Scope: scope, Coverage: tickmark.Coverage{Source: source, Scope: scope, Declared: -1, Asks: asks},
	})
	return len(w.snap.Segments) - 1
}

func (w *tenant) yes() bool { return w.rng.IntN(2) == 0 }

// newTenant makes a tenant; the index may lag behind the providers.
func newTenant(tb testing.TB, seed uint64) *tenant {
	tb.Helper()
	w := &tenant{rng: rand.New(rand.NewPCG(seed, 3)), snap: &tickmark.Snapshot{Origin: "live", ObservedAt: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}}
	index := w.segment("arm", "", tickmark.AskCoverage{Name: "resources", Types: []string{typeSub, typeVault, typeStorage, typeAlert}})
	var rows [][]byte
	for s := range 3 {
		sub := fmt.Sprintf("/subscriptions/00000000-0000-0000-0000-00000000000%d", s)
		w.subs = append(w.subs, sub)
		rows = append(rows, object(tb, typeSub, sub, nil))
		seg := w.segment("arm", sub,
			tickmark.AskCoverage{Name: "diagnostic-settings", Types: []string{typeSetting}, Direct: true},
			tickmark.AskCoverage{Name: "storage-accounts", Types: []string{typeStorage}, Direct: true},
			tickmark.AskCoverage{Name: "pricings", Types: []string{typePricing}, Direct: true})
		group := sub + "/resourceGroups/rg/providers/"
		for v := range 1 + w.rng.IntN(3) {
			id := fmt.Sprintf("%s%s/v%d", group, typeVault, v)
			rows = append(rows, object(tb, typeVault, id, map[string]any{"enableRbacAuthorization": w.yes()}))
			if w.yes() {
				w.put(seg, "diagnostic-settings", id, true, object(tb, typeSetting, id+"/providers/microsoft.insights/diagnosticSettings/d", nil))
			} else {
				w.put(seg, "diagnostic-settings", id, true)
			}
		}
		var accounts [][]byte
		for a := range 1 + w.rng.IntN(3) {
			id := fmt.Sprintf("%s%s/a%d", group, typeStorage, a)
			now := object(tb, typeStorage, id, map[string]any{"supportsHttpsTrafficOnly": w.yes(), "allowBlobPublicAccess": w.yes()})
			accounts = append(accounts, now)
			if w.rng.IntN(3) == 0 { // the index is behind
				now = object(tb, typeStorage, id, map[string]any{"supportsHttpsTrafficOnly": w.yes(), "allowBlobPublicAccess": w.yes()})
			}
			rows = append(rows, now)
		}
		w.put(seg, "storage-accounts", sub, true, accounts...)
		if w.yes() {
			rows = append(rows, object(tb, typeAlert, group+typeAlert+"/alert", map[string]any{"scopes": []string{sub}}))
		}
		if w.yes() {
			w.put(seg, "pricings", sub, true, object(tb, typePricing, sub+"/providers/Microsoft.Security/pricings/KeyVaults", map[string]any{"pricingTier": []string{"Standard", "Free"}[w.rng.IntN(2)]}))
		} else {
			w.put(seg, "pricings", sub, true)
		}
	}
	for part := range slices.Chunk(rows, 5) {
		w.put(index, "resources", "", false, part...)
	}
	w.snap.Segments[index].Coverage.Asks[0].Subjects, w.snap.Segments[index].Coverage.Asks[0].Answered = 1, 1
	dir := w.segment("graph", "", tickmark.AskCoverage{Name: "conditionalAccessPolicies", Types: []string{"graph/conditionalAccessPolicies"}}, tickmark.AskCoverage{Name: "organization", Types: []string{"graph/organization"}})
	w.put(dir, "organization", "", false, []byte(`{"id":"o","displayName":"Example","verifiedDomains":[],"assignedPlans":[]}`))
	if w.yes() {
		w.put(dir, "conditionalAccessPolicies", "", false, []byte(`{"id":"p1","displayName":"MFA","state":"enabled","conditions":{"users":{"includeUsers":["All"]},"applications":{"includeApplications":["All"]},"clientAppTypes":["all"],"userRiskLevels":[],"signInRiskLevels":[]},"grantControls":{"operator":"OR","builtInControls":["mfa"]}}`))
	} else {
		w.put(dir, "conditionalAccessPolicies", "", false)
	}
	return w
}

// keep drops the pages of a segment for which f is false.
func keep(seg *tickmark.Segment, f func(*tickmark.Page) bool) {
	var pages []tickmark.Page
	for i := range seg.Pages {
		if f(&seg.Pages[i]) {
			pages = append(pages, seg.Pages[i])
		}
	}
	seg.Pages = pages
}

// fault breaks the collection in one way; it says how.
func (w *tenant) fault() string {
	seg := &w.snap.Segments[w.rng.IntN(len(w.snap.Segments))]
	if len(seg.Coverage.Asks) == 0 {
		return ""
	}
	at := w.rng.IntN(len(seg.Coverage.Asks))
	a := &seg.Coverage.Asks[at]
	name := fmt.Sprintf("%s %q %s", seg.Source, seg.Scope, a.Name)
	switch w.rng.IntN(7) {
	case 0:
		ask := a.Name
		keep(seg, func(p *tickmark.Page) bool { return p.Ask != ask })
		seg.Coverage.Asks = slices.Delete(seg.Coverage.Asks, at, at+1)
		return "removed ask " + name
	case 1, 2: // a subject refuses
		var mine []*tickmark.Page
		for i := range seg.Pages {
			if seg.Pages[i].Ask == a.Name {
				mine = append(mine, &seg.Pages[i])
			}
		}
		if len(mine) == 0 {
			return ""
		}
		hit := *mine[w.rng.IntN(len(mine))]
		a.Answered--
		a.Refusals = append(a.Refusals, tickmark.Refusal{Scope: hit.Subject, Status: 403, Reason: tickmark.ReasonNotPermitted})
		a.Pages, a.Rows, a.Unique = a.Pages-1, a.Rows-len(hit.Items), a.Unique-len(hit.Items)
		name := hit.Name
		dropped := false
		keep(seg, func(p *tickmark.Page) bool {
			if p.Name == name && p.Digest == hit.Digest && !dropped {
				dropped = true
				return false
			}
			return true
		})
		return "refused " + name
	case 3: // a subscription is left out, everywhere
		sub := w.subs[w.rng.IntN(len(w.subs))]
		w.exclude(sub)
		return "excluded " + sub
	case 4: // cut after some pages, and it says so
		a.Missing = tickmark.ReasonThrottled
		ask, n := a.Name, 0
		keep(seg, func(p *tickmark.Page) bool {
			if p.Ask == ask {
				n++
			}
			return p.Ask != ask || n <= 1
		})
		return "throttled " + name
	case 5: // a page is lost without a word
		ask, n := a.Name, 0
		keep(seg, func(p *tickmark.Page) bool {
			if p.Ask == ask {
				n++
			}
			return p.Ask != ask || n != 1
		})
		return "lost a page of " + name
	}
	for i := range seg.Pages { // a row is lost without a word
		if p := &seg.Pages[i]; p.Ask == a.Name && len(p.Items) > 0 {
			p.Items = p.Items[1:]
			break
		}
	}
	return "lost a row of " + name
}

// exclude leaves a subscription out of every ask, with a reason.
func (w *tenant) exclude(sub string) {
	left := tickmark.Refusal{Scope: sub, Reason: tickmark.ReasonExcluded}
	for i := range w.snap.Segments {
		seg := &w.snap.Segments[i]
		if seg.Source != "arm" {
			continue
		}
		for k := range seg.Coverage.Asks {
			if seg.Scope == "" || seg.Scope == sub {
				seg.Coverage.Asks[k].Excluded = append(seg.Coverage.Asks[k].Excluded, left)
			}
		}
		if seg.Scope == sub {
			seg.Pages = nil
			for k := range seg.Coverage.Asks {
				a := &seg.Coverage.Asks[k]
				a.Subjects, a.Answered, a.Pages, a.Rows, a.Unique = 0, 0, 0, 0, 0
			}
		}
		if seg.Scope != "" {
			continue
		}
		for k := range seg.Pages {
			p := &seg.Pages[k]
			n := len(p.Items)
			p.Items = slices.DeleteFunc(slices.Clone(p.Items), func(it tickmark.Item) bool {
				return strings.Contains(string(p.Bytes[it.Off:it.Off+it.Len]), `"id":"`+sub)
			})
			seg.Coverage.Asks[0].Rows -= n - len(p.Items)
			seg.Coverage.Asks[0].Unique -= n - len(p.Items)
		}
	}
}

// naive is the negative control: it forgets what was refused and believes
// every list.
func (w *tenant) naive() {
	for i := range w.snap.Segments {
		c := &w.snap.Segments[i].Coverage
		c.Asks, c.Complete = nil, []string{"*"}
	}
}

type judged struct {
	verdicts map[[2]string]tickmark.Verdict
	states   map[string]check.State
}

func judge(t *testing.T, s *tickmark.Snapshot) judged {
	t.Helper()
	a, err := work.Assess(t.Context(), s, work.AssessOptions{Now: s.ObservedAt, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	j := judged{map[[2]string]tickmark.Verdict{}, map[string]check.State{}}
	for r := range a.Results.Bare() {
		j.verdicts[[2]string{r.Check, strings.ToLower(r.Resource)}] = r.Verdict
	}
	for i := range a.Checks {
		j.states[a.Checks[i].Check.ID] = a.Checks[i].State
	}
	return j
}

// flips lists what a fault turned from pass to fail or back.
func (j judged) flips(after judged) (list []string, decided int) {
	for k, v := range j.verdicts {
		n, ok := after.verdicts[k]
		if v != tickmark.Pass && v != tickmark.Fail {
			continue
		}
		decided++
		if ok && n != v && (n == tickmark.Pass || n == tickmark.Fail) {
			list = append(list, fmt.Sprintf("%s on %s: %v became %v", k[0], k[1], v, n))
		}
	}
	return list, decided
}

// TestFaultsCostCoverageOnly: whatever is removed, refused, excluded, cut or
// lost turns pass or fail into unknown, never into the other. The control is
// an inventory that believes every list.
func TestFaultsCostCoverageOnly(t *testing.T) {
	runs := 150
	if testing.Short() {
		runs = 30
	}
	naive, unknown, decided, none, believed := 0, 0, 0, 0, 0
	for seed := range uint64(runs) {
		before := judge(t, newTenant(t, seed).snap)
		w := newTenant(t, seed)
		var what []string
		for range 1 + seed%3 {
			if how := w.fault(); how != "" {
				what = append(what, how)
			}
		}
		after := judge(t, w.snap)
		list, n := before.flips(after)
		decided += n
		for _, f := range list {
			t.Errorf("seed %d, %v: %s", seed, what, f)
		}
		for k, v := range after.verdicts {
			if v == tickmark.Unknown && before.verdicts[k] != tickmark.Unknown {
				unknown++
			}
		}
		if !slices.ContainsFunc(what, func(s string) bool { return strings.HasPrefix(s, "removed") }) {
			for id, s := range before.states {
				if n := after.states[id]; s == check.StateFail && n == check.StatePass || s == check.StatePass && n == check.StateFail {
					t.Errorf("seed %d, %v: %s as a whole: %v became %v", seed, what, id, s, n)
				}
			}
		}
		for id, s := range before.states {
			if n := after.states[id]; n == check.StateNoResource {
				none++
				if s != check.StateNoResource {
					t.Errorf("seed %d, %v: %s: %v became no resource", seed, what, id, s)
				}
			}
		}
		blind, broken := newTenant(t, seed), newTenant(t, seed)
		for range 1 + seed%3 {
			broken.fault()
		}
		blind.naive()
		broken.naive()
		believing := judge(t, broken.snap)
		list, _ = judge(t, blind.snap).flips(believing)
		naive += len(list)
		for id, s := range before.states {
			if s != check.StateNoResource && believing.states[id] == check.StateNoResource {
				believed++
			}
		}
	}
	t.Logf("%d collections, %d decided verdicts, %d of them became unknown; %d flips without completeness", runs, decided, unknown, naive)
	t.Logf("no resource %d times; without completeness %d times more where something is or may be", none, believed)
	if naive == 0 || unknown == 0 || none == 0 || believed == 0 || decided < 100*runs/10 {
		t.Error("the test does not reach what it is about")
	}
}

// judgeCatalog is the embedded catalogue.
func judgeCatalog(t *testing.T) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	return c
}
