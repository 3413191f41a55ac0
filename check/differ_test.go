// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/policy"
)

// The differential test runs every check beside its counterparts of Microsoft's
// (check/counterparts.yaml) on fixtures, recorded resources and the examples,
// and on mutants of all of them. The definitions are Microsoft's and stay
// outside of the repository; without them the test is skipped.

var updateDifferences = flag.Bool("update", false, "write doc/spec/differences.md anew")

const pageFile = "../doc/spec/differences.md"

// sharedData is a file of the shared folder, which TICKMARK_SHARED names, or
// which lies beside the repository or the folder of its work trees.
func sharedData(name string) string {
	for _, dir := range []string{os.Getenv("TICKMARK_SHARED"), "../../shared", "../../../shared"} {
		if p := filepath.Join(dir, name); dir != "" && exists(p) {
			return p
		}
	}
	return filepath.Join("../../shared", name)
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// builtins are the definitions and initiatives of the archive.
type builtins struct {
	*policy.Import
	soc2 map[string]bool // by GUID: in one of the two initiatives
}

var readBuiltins = sync.OnceValues(func() (*builtins, error) {
	f, err := os.Open(sharedData("data/azure-policy-builtins.tar.gz"))
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	b := &builtins{&policy.Import{}, map[string]bool{}}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		soc2 := strings.Contains(h.Name, "/policySetDefinitions/") && strings.Contains(h.Name, "SOC")
		if !strings.HasSuffix(h.Name, ".json") || !soc2 && !strings.Contains(h.Name, "/policyDefinitions/") {
			continue
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		b.Add(h.Name, data)
	}
	for _, i := range b.Initiatives {
		if i.Initiative == nil || !strings.Contains(i.Initiative.DisplayName, "SOC 2") {
			continue
		}
		for _, r := range i.Initiative.References {
			b.soc2[lastSegment(r.DefinitionID)] = true
		}
	}
	if len(b.soc2) < 300 {
		return nil, fmt.Errorf("%d policies in the SOC 2 initiatives, want more than 300", len(b.soc2))
	}
	return b, nil
})

func lastSegment(id string) string { return strings.ToLower(id[strings.LastIndexByte(id, '/')+1:]) }

func loadBuiltins(t *testing.T) *builtins {
	t.Helper()
	b, err := readBuiltins()
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("Microsoft's definitions are not at hand (../shared/data/azure-policy-builtins.tar.gz)")
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// definition returns a built-in by its GUID, nil if there is none.
func (b *builtins) definition(guid string) *policy.Definition {
	if i := b.Find(guid); i != nil {
		return i.Definition
	}
	return nil
}

// tally is what the comparison of one pair came to.
type pairTally struct {
	pair           *check.Counterpart
	agree          map[string]int // by verdict
	differ         map[*check.Difference]int
	undecided      int
	unlisted       int
	unlistedWhere  map[string]int    // by verdicts and what was changed
	unlistedSample map[string]string // the same, with the object
}

func (p *pairTally) total() (agree, differ int) {
	for _, n := range p.agree {
		agree += n
	}
	for _, n := range p.differ {
		differ += n
	}
	return agree, differ + p.unlisted
}

// differential compares the listed pairs on all cases of their checks.
type differential struct {
	catalog  *catalog.Catalog
	rules    *check.Rules
	builtins *builtins
	sources  *sources
	cases    atomic.Int64
}

func newDifferential(t *testing.T) *differential {
	t.Helper()
	b := loadBuiltins(t)
	c, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	rules, err := check.Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	return &differential{catalog: c, rules: rules, builtins: b, sources: loadSources(t)}
}

// run compares every pair of the list; the result is in its order.
func (d *differential) run(t *testing.T, list []check.Counterpart) []*pairTally {
	t.Helper()
	byCheck := map[string][]int{}
	for i := range list {
		byCheck[list[i].Check] = append(byCheck[list[i].Check], i)
	}
	ids := slices.Sorted(maps.Keys(byCheck))
	out := make([]*pairTally, len(list))
	problems := make([]error, len(ids))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= len(ids) {
					return
				}
				sub := make([]check.Counterpart, 0, len(byCheck[ids[n]]))
				for _, i := range byCheck[ids[n]] {
					sub = append(sub, list[i])
				}
				tallies, err := d.compareCheck(ids[n], sub)
				problems[n] = err
				for k, i := range byCheck[ids[n]] {
					if tallies != nil {
						out[i] = tallies[k]
					}
				}
			}
		})
	}
	wg.Wait()
	for _, err := range problems {
		if err != nil {
			t.Error(err)
		}
	}
	return slices.DeleteFunc(out, func(p *pairTally) bool { return p == nil })
}

func (d *differential) compareCheck(id string, list []check.Counterpart) ([]*pairTally, error) {
	comparer := check.NewComparer(d.rules, list, d.builtins.definition)
	for pair, why := range comparer.Unbound {
		return nil, fmt.Errorf("%s cannot be compared: %s", pair, why)
	}
	index := map[string]int{}
	out := make([]*pairTally, len(list))
	for i := range list {
		index[list[i].Policy] = i
		out[i] = &pairTally{pair: &list[i], agree: map[string]int{}, differ: map[*check.Difference]int{}, unlistedWhere: map[string]int{}, unlistedSample: map[string]string{}}
	}
	m := d.mutator(d.catalog.Check(id), list)
	for c := range m.all() {
		d.cases.Add(1)
		inv, err := c.inventory(d.rules)
		if err != nil {
			return nil, err
		}
		pairs, err := comparer.Compare(inv, c.now)
		if err != nil {
			return nil, err
		}
		for _, p := range pairs {
			out[index[p.Pair.Policy]].add(&p, c, &inv.Resources[p.Index])
		}
	}
	return out, nil
}

func (p *pairTally) add(x *check.Compared, c *diffCase, r *inventory.Resource) {
	switch {
	case !x.Decided():
		p.undecided++
	case x.Agree():
		p.agree[x.Ours.String()]++
	case x.Difference != nil:
		p.differ[x.Difference]++
	default:
		p.unlisted++
		where := fmt.Sprintf("ours %s, theirs %s: %s", x.Ours, x.Theirs, c.change)
		if p.unlistedWhere[where]++; p.unlistedWhere[where] == 1 {
			text := string(r.Root.Raw())
			if len(text) > 1500 {
				text = text[:1500] + "…"
			}
			p.unlistedSample[where] = c.name + ": " + text
		}
	}
}

// faults lists what is wrong with a pair: disagreements that nobody listed,
// listed ones that no longer happen, and a comparison that shows nothing.
func (p *pairTally) faults() []string {
	var out []string
	name := p.pair.Check + " / " + p.pair.Policy + " (" + p.pair.Name + ")"
	wheres := slices.SortedFunc(maps.Keys(p.unlistedWhere), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
	for i, w := range wheres {
		if i == 6 {
			out = append(out, fmt.Sprintf("%s: unlisted: and %d other changes", name, len(wheres)-i))
			break
		}
		out = append(out, fmt.Sprintf("%s: unlisted (%d): %s\n\tas in %s", name, p.unlistedWhere[w], w, p.unlistedSample[w]))
	}
	for i := range p.pair.Differs {
		if d := &p.pair.Differs[i]; p.differ[d] == 0 {
			out = append(out, fmt.Sprintf("%s: stale: ours %s, theirs %s no longer happens (%s)", name, d.Ours, d.Theirs, d.Because))
		}
	}
	silent := slices.ContainsFunc(p.pair.Differs, func(d check.Difference) bool { // an existence policy has no verdict where it is met
		return d.Ours == "pass" && d.Theirs == "notApplicable" && d.When == nil
	})
	if p.agree["pass"] == 0 && !silent || p.agree["fail"] == 0 {
		out = append(out, fmt.Sprintf("%s: empty: the two agree on %d passes and %d fails, so that they are not shown to judge the same", name, p.agree["pass"], p.agree["fail"]))
	}
	return out
}

// unknownDefinitions lists the GUIDs that the archive lacks, and names that are
// not the definition's.
func unknownDefinitions(b *builtins, list *check.Counterparts) []string {
	var out []string
	for _, p := range list.List {
		switch d := b.definition(p.Policy); {
		case d == nil:
			out = append(out, fmt.Sprintf("%s: there is no definition %s", p.Check, p.Policy))
		case d.DisplayName != p.Name:
			out = append(out, fmt.Sprintf("%s: definition %s is named %q, not %q", p.Check, p.Policy, d.DisplayName, p.Name))
		}
	}
	for _, x := range list.Considered {
		for _, g := range x.Policies {
			if b.definition(g) == nil {
				out = append(out, fmt.Sprintf("%s: there is no definition %s", strings.Join(x.Checks, ", "), g))
			}
		}
	}
	return out
}

// TestDifferential holds the list of counterparts to what happens.
func TestDifferential(t *testing.T) {
	d := newDifferential(t)
	list, err := check.DefaultCounterparts()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range unknownDefinitions(d.builtins, list) {
		t.Error(f)
	}
	for _, f := range d.unmapped(list) {
		t.Error(f)
	}
	start := time.Now()
	tallies := d.run(t, list.List)
	agree, differ, undecided, kinds := 0, 0, 0, 0
	for _, p := range tallies {
		for _, f := range p.faults() {
			t.Error(f)
		}
		a, n := p.total()
		agree, differ, undecided, kinds = agree+a, differ+n, undecided+p.undecided, kinds+len(p.pair.Differs)
	}
	objects := 0
	for _, list := range d.sources.objects {
		objects += len(list)
	}
	t.Logf("%d fixtures, %d recorded and example objects", len(d.sources.fixtures), objects)
	t.Logf("%d pairs of %d checks, %d cases: %d comparisons agree, %d differ in %d listed kinds, %d undecided; %.1f s",
		len(tallies), len(checksOf(list)), d.cases.Load(), agree, differ, kinds, undecided, time.Since(start).Seconds())
	if d.cases.Load() < int64(100*len(checksOf(list))) {
		t.Errorf("%d cases for %d checks: the mutants are missing", d.cases.Load(), len(checksOf(list)))
	}
	if t.Failed() {
		return
	}
	page := d.page(list, tallies)
	if *updateDifferences {
		if err := os.WriteFile(pageFile, page, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	old, err := os.ReadFile(pageFile)
	// A fixture that is added moves the figures; what the page says must hold.
	if err != nil || !bytes.Equal(figures.ReplaceAll(old, nil), figures.ReplaceAll(page, nil)) {
		t.Errorf("%s is not what the comparison says (%v): go test ./check -run TestDifferential -update", pageFile, err)
	}
}

var figures = regexp.MustCompile(`\b[0-9]+\b`)

func checksOf(list *check.Counterparts) map[string]bool {
	out := map[string]bool{}
	for _, p := range list.List {
		out[p.Check] = true
	}
	return out
}

// diffCase is one small world: a judged object and what stands beside it.
type diffCase struct {
	name, change string
	typ          string
	object       map[string]any
	related      []diffObject
	complete     []string
	now          time.Time
}

type diffObject struct {
	typ, subject string
	object       map[string]any
}

func (c *diffCase) inventory(rules *check.Rules) (*inventory.Inventory, error) {
	pages := make([]tickmark.Page, 0, 1+len(c.related))
	for _, o := range append([]diffObject{{c.typ, "", c.object}}, c.related...) {
		data, err := json.Marshal(o.object)
		if err != nil {
			return nil, err
		}
		p := tickmark.Page{Name: o.typ, Form: "armObject", Bytes: data, Digest: tickmark.DigestOf(data), Items: []tickmark.Item{{Off: 0, Len: len(data)}}}
		if inventory.IsRecord(o.typ) {
			p.Form, p.Entity = "graphEntity", o.typ
		}
		if o.subject != "" {
			p.Ask, p.Subject = "fixture", o.subject
		}
		pages = append(pages, p)
	}
	snap := &tickmark.Snapshot{Origin: "files", Segments: []tickmark.Segment{{
		Source: "file", Scope: "differential", Pages: pages,
		Coverage: tickmark.Coverage{Source: "file", Scope: "differential", Complete: c.complete, CompleteBy: "operator", Declared: -1},
	}}}
	return inventory.Build(context.Background(), snap, inventory.Options{Canonical: rules.Canonical, Workers: 1})
}

// sources are the objects that the mutants are made from.
type sources struct {
	fixtures map[string]*fixture // by check
	// objects are recorded resources, those of the examples and of the policy
	// vectors, by lower-case type.
	objects map[string][]map[string]any
}

func loadSources(t *testing.T) *sources {
	t.Helper()
	s := &sources{fixtures: map[string]*fixture{}, objects: map[string][]map[string]any{}}
	for _, f := range loadFixtures(t) {
		s.fixtures[f.Check] = &f
	}
	files, err := filepath.Glob("../examples/*/*.json*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	files = append(files, sharedData("data/recorded-resources.jsonl"))
	for _, suite := range []string{"eval", "state", "normalize"} {
		if p := sharedData("conformance/policy-" + suite + ".jsonl"); exists(p) {
			files = append(files, p)
		}
	}
	for _, name := range files {
		s.read(t, name)
	}
	return s
}

func (s *sources) read(t *testing.T, name string) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(name, ".jsonl") {
		lines := bufio.NewScanner(bytes.NewReader(data))
		lines.Buffer(nil, 1<<24)
		for lines.Scan() {
			s.keep(t, lines.Bytes())
		}
		return
	}
	s.keep(t, data)
}

// keep takes what is an ARM object, alone or in a list.
func (s *sources) keep(t *testing.T, data []byte) {
	t.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				walk(x)
			}
		case map[string]any:
			id, _ := v["id"].(string)
			typ, _ := v["type"].(string)
			if strings.HasPrefix(id, "/subscriptions/") && typ != "" && v["properties"] != nil {
				s.objects[strings.ToLower(typ)] = append(s.objects[strings.ToLower(typ)], v)
				return
			}
			for _, k := range []string{"value", "data", "resource", "resources", "related"} {
				walk(v[k])
			}
		}
	}
	walk(v)
}
