// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/azuresim"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/collect/collecttest"
	"github.com/tickmark/tickmark/history"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/store"
	"github.com/tickmark/tickmark/work"
)

// organisation is small, and has something of everything that is judged.
const organisation = `
name: Contoso
tenant: {domains: [contoso.example]}
licences: [{sku: EMSPREMIUM, plans: [AAD_PREMIUM, AAD_PREMIUM_P2]}]
identities:
  - {name: reader, clientId: reader, roles: [Directory.Read.All, Policy.Read.All], actions: ["*/read"]}
  - {name: owner, clientId: owner, roles: [Directory.ReadWrite.All], actions: ["*"]}
managementGroups: [{name: prod, display: Production}]
subscriptions:
  - {name: one, managementGroup: prod}
  - {name: two}
resources:
  - type: Microsoft.Storage/storageAccounts
    name: "st{n:03}{hex:6}"
    count: 6
    kind: StorageV2
    sku: {name: Standard_LRS}
    properties: {supportsHttpsTrafficOnly: true, minimumTlsVersion: TLS1_2, allowBlobPublicAccess: false}
    variants: [{every: 4, from: 1, merge: {properties: {supportsHttpsTrafficOnly: false}}}]
    children:
      - {type: blobServices, name: default, properties: {isVersioningEnabled: true}}
  - type: Microsoft.KeyVault/vaults
    name: "kv{n:03}{hex:6}"
    count: 3
    properties: {enableSoftDelete: true, enablePurgeProtection: true, enableRbacAuthorization: true, vaultUri: "https://kv.vault.azure.net/"}
people: [{name: Ada Ray, upn: ada@contoso.example}, {name: Bo Li, upn: bo@contoso.example}]
roleAssignments:
  - {principal: Ada Ray, role: Owner, scope: /}
  - {principal: Bo Li, role: Contributor, scope: subscription/one}
`

// rig is a simulated cloud and what is needed to read it.
type rig struct {
	sim   *azuresim.Sim
	clock *collecttest.Clock
	opts  collect.Options
}

func newRig(t *testing.T, client string) *rig {
	t.Helper()
	return newRigWith(t, client, nil)
}

func newRigWith(t *testing.T, client string, change func(*azuresim.Organisation)) *rig {
	t.Helper()
	r := &rig{clock: collecttest.NewClock(time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC))}
	org, err := azuresim.Parse("contoso.yaml", []byte(organisation))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(org)
	}
	if r.sim, err = azuresim.New(org, azuresim.Options{Seed: 4, Now: r.clock.Now, PageSize: 5}); err != nil {
		t.Fatal(err)
	}
	if err := r.sim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.sim.Close(); err != nil {
			t.Error(err)
		}
	})
	doc, err := json.Marshal(r.sim.EndpointsDocument())
	if err != nil {
		t.Fatal(err)
	}
	e, err := collect.ParseEndpoints("endpoints.json", doc)
	if err != nil {
		t.Fatal(err)
	}
	creds, err := collect.NewCredentials(e, collect.SignIn{Kind: "simulator", ClientID: client}, r.clock)
	if err != nil {
		t.Fatal(err)
	}
	r.opts = collect.Options{
		Dir: t.TempDir(), Endpoints: e, Credentials: creds, Clock: r.clock, Limit: time.Hour,
		Root: []byte(`{"tenantId":"` + e.TenantID + `"}`), Actor: "ann", Tool: "tickmark test",
	}
	return r
}

func (r *rig) collect(t *testing.T, sources []collect.Source) *work.Collected {
	t.Helper()
	r.opts.Dir = t.TempDir()
	c, err := work.Collect(t.Context(), work.CollectOptions{
		Sources: sources, Collect: r.opts, Assess: work.AssessOptions{Now: r.clock.Now(), Engine: "test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Run.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func only(t *testing.T, names ...string) []collect.Source {
	t.Helper()
	s, err := work.ChooseSources(names)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestCollectToReperform reads a simulated tenant, records it, verifies,
// re-performs from stored bytes, and reads it again.
func TestCollectToReperform(t *testing.T) {
	r := newRig(t, "reader")
	dir := filepath.Join(t.TempDir(), "data")
	st, err := store.Create(t.Context(), dir, "Contoso", r.clock.Now(), store.Options{Sample: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	}()
	var stored [2]int64
	for i := range 2 {
		c := r.collect(t, only(t, "graph", "arm"))
		for _, p := range c.Problems {
			t.Errorf("problem: %+v", p)
		}
		if c.Snapshot.Origin != "sample" {
			t.Errorf("origin %q", c.Snapshot.Origin)
		}
		if n := len(c.Inventory.OfType("Microsoft.Storage/storageAccounts")); n != 12 {
			t.Errorf("%d storage accounts, want 12", n)
		}
		counts := map[string]int{}
		for k := range c.Checks {
			counts[string(c.Checks[k].State)]++
		}
		t.Logf("collection %d: %d requests, %d results, checks %v", i+1, c.Run.Requests, c.Results.Len(), counts)
		if counts["fail"] == 0 || counts["pass"] == 0 {
			t.Errorf("nothing was decided: %v", counts)
		}
		rec, err := c.Recording()
		if err != nil {
			t.Fatal(err)
		}
		out, err := work.Record(t.Context(), st, rec, r.clock.Now(), nil)
		if err != nil {
			t.Fatal(err)
		}
		stored[i] = out.StoredBytes
		r.clock.Sleep(t.Context(), 24*time.Hour) //nolint:errcheck // moves the clock
	}
	t.Logf("stored %d, then %d bytes", stored[0], stored[1])
	if _, err := work.Verify(t.Context(), st, nil, nil); err != nil {
		t.Error(err)
	}
	for _, id := range []string{"s1", "latest"} {
		rp, err := work.Reperform(t.Context(), st, id, work.Again("test"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if rp.Answer != work.Identical || rp.Results == 0 {
			t.Errorf("%s: %s, %d results, differences %v", id, rp.Answer, rp.Results, rp.Differences[:min(3, len(rp.Differences))])
		}
	}
	a, err := work.AssessRecorded(t.Context(), st, "s1", work.AssessOptions{Now: r.clock.Now(), Engine: "test"})
	if err != nil || a.Results.Len() == 0 || len(a.Coverage) == 0 || len(a.Coverage[0].Asks) == 0 {
		t.Errorf("assessed from stored bytes: %v", err)
	}
	noCanary(t, dir)
}

// noCanary looks for the simulator's token in everything that was stored.
func noCanary(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(azuresim.Canary)) {
			t.Errorf("%s holds a token", path)
		}
		return err
	})
	if err != nil || files < 3 {
		t.Errorf("%d files read, %v", files, err)
	}
}

// TestTrialIsNoEvidence: what --try reads cannot be recorded, anywhere.
func TestTrialIsNoEvidence(t *testing.T) {
	r := newRig(t, "reader")
	c, err := work.Collect(t.Context(), work.CollectOptions{
		Sources: only(t, "arm/subscriptions"), Collect: func() collect.Options { o := r.opts; o.Only = []string{"arm/subscriptions"}; return o }(), Trial: true,
		Assess: work.AssessOptions{Now: r.clock.Now(), Engine: "test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Run.Close() }()
	if _, err := c.Recording(); err == nil {
		t.Error("a trial gives a recording")
	}
	st, err := store.Create(t.Context(), filepath.Join(t.TempDir(), "d"), "Contoso", r.clock.Now(), store.Options{Sample: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	if _, err := work.Record(t.Context(), st, c.Assessed.Recording(), r.clock.Now(), nil); err == nil {
		t.Error("the store takes a trial")
	}
}

// TestWriters: an identity that can write is found and refused unless accepted;
// one that reads is not.
func TestWriters(t *testing.T) {
	for _, c := range []struct {
		client string
		want   []string
	}{{"reader", nil}, {"owner", []string{"graph", "arm"}}} {
		r := newRig(t, c.client)
		all, err := work.Writers(t.Context(), only(t, "graph", "arm"), r.opts, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range all {
			got = append(got, w.Source)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: writers %+v, want %v", c.client, all, c.want)
		}
		if err := work.RefuseWriters(all); (err != nil) != (c.want != nil) {
			t.Errorf("%s: refused: %v", c.client, err)
		}
	}
	r := newRig(t, "owner")
	all, err := work.Writers(t.Context(), only(t, "graph", "arm"), r.opts, map[string]string{"graph": "pilot", "arm": "pilot"})
	if err == nil {
		err = work.RefuseWriters(all)
	}
	if err != nil || len(all) != 2 {
		t.Errorf("accepted writers: %v, %v", all, err)
	}
	// What cannot be found out counts as can: a subscription that is seen and
	// has no permissions of its own, and none that is seen.
	for _, path := range []string{"*/providers/Microsoft.Authorization/permissions", "/subscriptions"} {
		r := newRigWith(t, "reader", func(org *azuresim.Organisation) {
			org.Deny = append(org.Deny, azuresim.Denial{Host: "arm", Path: path, Hide: true})
		})
		if all, err := work.Writers(t.Context(), only(t, "arm"), r.opts, nil); err != nil || len(all) != 1 {
			t.Errorf("%s is empty: %+v, %v", path, all, err)
		}
	}
	// Below the subscriptions: whoever reads one resource group is known to read,
	// and whoever may write in one is found.
	for access, want := range map[string]string{
		"Reader subscription/one/resourceGroups/rg":                                                    "",
		"Contributor subscription/two/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/x": "* in /subscriptions/",
		"Contributor managementGroup/prod":                                                             "* in /subscriptions/",
		"Reader managementGroup/prod":                                                                  "",
	} {
		role, scope, _ := strings.Cut(access, " ")
		r := newRigWith(t, "reader", func(org *azuresim.Organisation) {
			org.Identities[0].Access = []azuresim.Access{{Role: "Reader", Scope: "subscription/two"}, {Role: role, Scope: scope}}
		})
		all, err := work.Writers(t.Context(), only(t, "arm"), r.opts, nil)
		if err != nil || (len(all) == 1) != (want != "") || want != "" && !strings.HasPrefix(all[0].Why, want) {
			t.Errorf("%s: %+v, %v", access, all, err)
		}
	}
	if all, _ := work.Writers(t.Context(), only(t, "devops"), r.opts, nil); len(all) != 1 {
		t.Errorf("what cannot be found out counts as reading: %v", all)
	}
	// Both are kept with the evidence.
	found, err := work.Accesses(t.Context(), only(t, "graph", "arm"), newRig(t, "reader").opts, nil)
	if err != nil {
		t.Fatal(err)
	}
	r = newRig(t, "reader")
	r.opts.Only = []string{"arm/subscriptions"}
	c, err := work.Collect(t.Context(), work.CollectOptions{
		Sources: only(t, "arm/subscriptions"), Collect: r.opts, Assess: work.AssessOptions{Now: r.clock.Now(), Engine: "test"}, Access: found,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Run.Close() }()
	rec, err := c.Recording()
	if err != nil || !slices.ContainsFunc(rec.Pins, func(p history.Pin) bool {
		return p.Name == work.PinCollection && bytes.Contains(p.Bytes, []byte(`"access":[{"source":"graph","writes":false,"why":"the permissions`))
	}) {
		t.Errorf("what was found is not in the pin: %v", err)
	}
}

// TestReach: the table counts every check once, and a refusal moves checks from
// readable to role missing.
func TestReach(t *testing.T) {
	r := newRig(t, "reader")
	sources := only(t, "graph", "arm")
	found, err := collect.Probe(t.Context(), sources, r.opts)
	if err != nil {
		t.Fatal(err)
	}
	cat := judgeCatalog(t)
	plans, err := work.Plans(t.Context(), sources, r.opts)
	if err != nil || !slices.Equal(plans, []string{"AAD_PREMIUM", "AAD_PREMIUM_P2"}) {
		t.Errorf("plans %v, %v", plans, err)
	}
	table := work.Reach(sources, found, plans, cat)
	// Sources that nobody asked are no files: their checks are told apart.
	for _, id := range table.Files {
		k := cat.Check(id)
		if !slices.ContainsFunc(slices.Concat(k.Types, k.Needs), func(typ string) bool {
			return !slices.ContainsFunc(work.Sources(), func(s collect.Source) bool {
				return slices.ContainsFunc(s.Asks, func(a collect.Ask) bool {
					return slices.ContainsFunc(a.Types, func(x string) bool { return inventory.TypeKey(x) == inventory.TypeKey(typ) })
				})
			})
		}) {
			t.Errorf("%s looks at exported files only, and sources list %v", id, k.Types)
		}
	}
	total := len(table.Files)
	for source, ids := range table.NotAsked {
		if total += len(ids); source == "graph" || source == "arm" || len(ids) == 0 {
			t.Errorf("%s was not asked, for %d checks", source, len(ids))
		}
	}
	for _, states := range table.Cells {
		for _, u := range states {
			total += len(u.Checks)
		}
	}
	if total != len(cat.Checks) {
		t.Errorf("%d of %d checks are in the table", total, len(cat.Checks))
	}
	readable := func(t *work.ReachTable) int {
		if u := t.Cells["arm"][work.ReachReadable]; u != nil {
			return len(u.Checks)
		}
		return 0
	}
	if readable(table) < 20 {
		for _, a := range table.Asks {
			if a.State == work.ReachFailed || a.State == work.ReachRole {
				t.Logf("%s/%s: %s %s", a.Source, a.Ask, a.State, a.Detail)
			}
		}
		t.Errorf("only %d checks of Azure are readable", readable(table))
	}
	for i := range found {
		if found[i].Source == "arm" && found[i].Ask == "resources" {
			found[i].Reason = tickmark.ReasonNotPermitted
		}
	}
	worse := work.Reach(sources, found, plans, cat)
	if u := worse.Cells["arm"][work.ReachRole]; u == nil || len(u.Checks) == 0 || len(u.Criteria) == 0 || readable(worse) >= readable(table) {
		t.Errorf("a refused list changes nothing: %d, then %d", readable(table), readable(worse))
	}
	clock, err := work.RetentionClock(t.Context(), sources, r.opts, []string{"AAD_PREMIUM"}, r.clock.Now().AddDate(0, -2, 0))
	if err != nil || len(clock) < 6 {
		t.Fatalf("%d logs, %v", len(clock), err)
	}
	for _, l := range clock {
		if strings.HasPrefix(l.Ask, "sign-ins") && l.Keeps != 30*24*time.Hour {
			t.Errorf("%s is kept %v with a licence for 30 days", l.Ask, l.Keeps)
		}
		if l.Lost.IsZero() {
			t.Errorf("%s is never lost, though nothing exports it", l.Ask)
		}
	}
}
