// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
	"unsafe"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/azuresim"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/work"
)

// The matrix puts every fault that the simulator knows to every source that is
// registered, and holds what comes out against the collection without a fault:
// a fault may cost coverage, never truth.
var (
	matrixSize = flag.String("matrix", "", `faults × sources: "" puts each fault to a sample of each source's questions, "all" to every kind of question of every source and a larger sample`)
	matrixOnly = flag.String("matrix-only", "", "puts only the faults that begin so")
	matrixSeed = flag.Uint64("matrix-seed", 1, "chooses the sample")
)

var matrixNow = time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC)

// stand is a simulator that serves one collection after the other.
type stand struct {
	sim   *azuresim.Sim
	clock *hands
	creds signIn
}

// signIn gives tokens as the simulator hands them out to a managed identity,
// for GitHub too.
type signIn struct {
	sim    *azuresim.Sim
	client *http.Client
}

func (k signIn) Token(ctx context.Context, h collect.Host, audience string) (string, time.Time, error) {
	if h == collect.HostGitHub {
		audience = "https://api.github.com"
	}
	to := k.sim.Endpoint("login") + "/metadata/identity/oauth2/token?resource=" + url.QueryEscape(audience)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
	if err != nil {
		return "", time.Time{}, err
	}
	req.Header.Set("Metadata", "true")
	resp, err := k.client.Do(req)
	if err != nil {
		return "", time.Time{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	var t struct {
		Token   string `json:"access_token"`
		Expires string `json:"expires_on"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&t); err != nil {
		return "", time.Time{}, err
	}
	if t.Token == "" {
		return "", time.Time{}, errors.New("no token was given")
	}
	var at int64
	if _, err := fmt.Sscan(t.Expires, &at); err != nil {
		return "", time.Time{}, err
	}
	return "Bearer " + t.Token, time.Unix(at, 0), nil
}

// Refresh gives another token than before: here each is new.
func (k signIn) Refresh(ctx context.Context, h collect.Host, audience, _ string) (string, time.Time, error) {
	return k.Token(ctx, h, audience)
}

func newStand(tb testing.TB, text []byte) *stand {
	tb.Helper()
	s := &stand{clock: &hands{t: matrixNow}}
	var err error
	if s.sim, err = azuresim.New(estateOrganisation(tb, text), azuresim.Options{Seed: 4, Now: s.clock.Now, PageSize: 3}); err != nil {
		tb.Fatal(err)
	}
	if err := s.sim.Start(); err != nil {
		tb.Fatal(err)
	}
	s.creds = signIn{s.sim, s.sim.Client()}
	tb.Cleanup(func() {
		s.creds.client.CloseIdleConnections()
		if err := s.sim.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// options are those of a collection from the stand as it is now.
func (s *stand) options(dir string) (collect.Options, error) {
	doc, err := json.Marshal(s.sim.EndpointsDocument())
	if err != nil {
		return collect.Options{}, err
	}
	e, err := collect.ParseEndpoints("endpoints.json", doc)
	if err != nil {
		return collect.Options{}, err
	}
	return collect.Options{
		Dir: dir, Endpoints: e, Credentials: s.creds, Clock: s.clock, Limit: 3 * time.Hour, From: matrixNow.AddDate(0, 0, -3), To: matrixNow,
		Root: fmt.Appendf(nil, `{"tenantId":%q,"devopsOrganizations":["contoso"],"githubOrganizations":["contoso"]}`, e.TenantID), Actor: "ann", Tool: "tickmark test",
	}, nil
}

// tuned sets the engine's inner limits, which callers cannot: a stall of a
// minute would take a minute here. off switches guards off, for the control.
func tuned(o *collect.Options, off ...string) {
	field := reflect.ValueOf(o).Elem().FieldByName("tune")
	slot := reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem() //nolint:gosec // the field is for tests, and not exported
	tune := reflect.New(slot.Type().Elem())
	set := func(name string, v any) {
		f := tune.Elem().FieldByName(name)
		reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem().Set(reflect.ValueOf(v).Convert(f.Type())) //nolint:gosec // as above
	}
	for name, v := range map[string]any{
		"header": 10 * time.Second, "stall": 400 * time.Millisecond, "request": 20 * time.Second,
		"pageBytes": int64(4 << 20), "rowBytes": 1 << 20, "pages": 400, "rows": 20_000, "empties": 50, "tries": 4, "workers": 8,
		"limit": 3 * time.Hour, "quotas": collect.Quotas, "backoff": func(try int) time.Duration { return time.Second << min(try, 6) },
	} {
		set(name, v)
	}
	guards := tune.Elem().FieldByName("off")
	m := reflect.MakeMap(guards.Type())
	for _, g := range off {
		m.SetMapIndex(reflect.ValueOf(g).Convert(guards.Type().Key()), reflect.ValueOf(true))
	}
	reflect.NewAt(guards.Type(), unsafe.Pointer(guards.UnsafeAddr())).Elem().Set(m) //nolint:gosec // as above
	slot.Set(tune)
}

// outcome is what a collection came to, in terms of truth.
type outcome struct {
	verdicts   map[[2]string]tickmark.Verdict
	states     map[string]check.State
	ids        map[string][]string // of what was read itself, by type
	complete   map[string]bool     // "type scope": absence may be concluded
	incomplete bool
	named      bool // it says what is missing, and where
	requests   []asked
	declared   map[string]bool // asks of which the source stated how many rows there are
	hits       int
}

// asked is a request that an ask came to.
type asked struct {
	ask            *collect.Ask
	path, contains string
	pages, rows    int
	row            []byte // one of its rows
}

// experiment is one collection under faults.
type experiment struct {
	source string
	fault  azuresim.FaultInfo
	put    []azuresim.Fault
	about  string
	hit    []*collect.Ask
	deny   []azuresim.Denial
}

// longestRun is how long a collection of this size may take by the host's clock.
const longestRun = 90 * time.Second

// run collects a source under faults and judges it.
func (s *stand) run(tb testing.TB, src collect.Source, x *experiment, off ...string) (*outcome, error) {
	tb.Helper()
	s.sim.Organisation().Deny = x.deny // nothing is asked of it between two runs
	dir, err := os.MkdirTemp("", "matrix")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	s.clock.mu.Lock()
	s.clock.t = matrixNow
	s.clock.mu.Unlock()
	if err := s.sim.Inject(x.put...); err != nil {
		return nil, err
	}
	o, err := s.options(dir)
	if err != nil {
		return nil, err
	}
	tuned(&o, off...)
	ctx, cancel := context.WithTimeout(tb.Context(), longestRun)
	defer cancel()
	c, err := work.Collect(ctx, work.CollectOptions{
		Sources: []collect.Source{src}, Collect: o, Assess: work.AssessOptions{Now: matrixNow, Engine: "test", Workers: 1},
	})
	if err != nil {
		return nil, err
	}
	out := outcomeOf(c, &src)
	out.hits = len(x.deny)
	for _, n := range s.sim.Hits() {
		out.hits += n
	}
	return out, c.Run.Close()
}

func outcomeOf(c *work.Collected, src *collect.Source) *outcome {
	out := &outcome{
		verdicts: map[[2]string]tickmark.Verdict{}, states: map[string]check.State{}, ids: map[string][]string{}, complete: map[string]bool{}, declared: map[string]bool{},
		incomplete: c.Incomplete(), named: len(c.Problems) > 0,
	}
	for r := range c.Results.Bare() {
		out.verdicts[[2]string{strings.Clone(r.Check), judgedOf(r.Resource)}] = r.Verdict
	}
	for i := range c.Checks {
		out.states[strings.Clone(c.Checks[i].Check.ID)] = c.Checks[i].State
	}
	inv := c.Inventory
	for i := range inv.Resources {
		if r := &inv.Resources[i]; !r.Is(inventory.Implied) {
			low := strings.Clone(strings.ToLower(r.Type))
			out.ids[low] = append(out.ids[low], strings.Clone(r.Key)) // the bytes are mapped, and closed with the run
		}
	}
	types := map[string]bool{}
	for i := range src.Asks {
		for _, t := range append(src.Asks[i].Types, src.Asks[i].Entity) {
			if t != "" && t != "*" {
				types[strings.ToLower(t)] = true
			}
		}
	}
	for t := range out.ids {
		types[t] = true
	}
	for t := range types {
		for _, scope := range matrixScopes {
			ok, _ := inv.Complete(t, scope)
			out.complete[t+" "+scope] = ok
		}
	}
	for i := range c.Coverage {
		for _, a := range c.Coverage[i].Asks {
			out.declared[a.Name] = out.declared[a.Name] || a.Declared >= 0
			for _, r := range a.Refusals {
				out.named = out.named || r.Scope != "" && r.Reason != tickmark.ReasonNone
			}
			out.named = out.named || a.Missing != tickmark.ReasonNone && a.Detail != ""
		}
	}
	out.requests = requestsOf(c.Snapshot, src)
	return out
}

// judgedOf is the resource of a result. The tenant is judged as such where the
// record of it could not be read: that is the same subject.
func judgedOf(id string) string {
	low := strings.Clone(strings.ToLower(id))
	if strings.HasPrefix(low, "graph/organization/") {
		return "graph/organization"
	}
	return low
}

// matrixScopes are the scopes in which completeness is asked.
var matrixScopes = []string{"", "/subscriptions/00000000-0000-0000-0000-000000000001", "/subscriptions/00000000-0000-0000-0000-000000000002"}

// requestsOf lists the lists that were asked for, in the order of the pages.
func requestsOf(s *tickmark.Snapshot, src *collect.Source) []asked {
	seen := map[string]int{}
	var out []asked
	for i := range s.Segments {
		for j := range s.Segments[i].Pages {
			p := &s.Segments[i].Pages[j]
			k := slices.IndexFunc(src.Asks, func(a collect.Ask) bool { return a.Name == p.Ask })
			u, err := url.Parse(p.Request.URL)
			if k < 0 || err != nil {
				continue
			}
			a := asked{ask: &src.Asks[k], path: u.Path, contains: distinct(p.Request.Body)}
			key := a.ask.Name + "\x00" + a.path + "\x00" + a.contains
			n, ok := seen[key]
			if !ok {
				n = len(out)
				seen[key] = n
				out = append(out, a)
			}
			out[n].pages++
			out[n].rows += len(p.Items)
			if out[n].row == nil && len(p.Items) > 0 {
				it := p.Items[0]
				out[n].row = slices.Clone(p.Bytes[it.Off : it.Off+it.Len])
			}
		}
	}
	return out
}

// distinct returns the part of a query's body that tells it from others.
func distinct(body string) string {
	i := strings.Index(body, `"query":`)
	if i < 0 {
		return ""
	}
	rest := body[i+len(`"query":`):]
	if j := strings.Index(rest, `","`); j > 0 {
		rest = rest[:j]
	}
	return strings.TrimSuffix(strings.TrimPrefix(rest, `"`), `"}`)
}

// violations lists where a faulty collection says something that is not so;
// unseen counts the types that lost rows although nothing can show it (see
// blind).
func (want *outcome) violations(got *outcome, x *experiment) (bad []string, unseen int) {
	decided := func(v tickmark.Verdict) bool { return v == tickmark.Pass || v == tickmark.Fail }
	drift := strings.HasPrefix(x.fault.ID, "C19/")
	for k, v := range got.verdicts {
		was, known := want.verdicts[k]
		if drift && (v == tickmark.Fail || !known) {
			continue // the source says something else now, of other ids even: that may fail, but a fail may not pass
		}
		if decided(v) && (!known || was != v) {
			from := "nothing"
			if known {
				from = was.String()
			}
			bad = append(bad, fmt.Sprintf("%s on %s: %s became %s", k[0], k[1], from, v))
		}
	}
	for id, s := range got.states {
		if w := want.states[id]; !drift && w == check.StatePass && s == check.StateFail || w == check.StateFail && s == check.StatePass {
			bad = append(bad, fmt.Sprintf("%s as a whole: %s became %s", id, w, s))
		}
	}
	for k, ok := range got.complete {
		typ, scope, _ := strings.Cut(k, " ")
		if !ok {
			continue
		}
		if a, b := within(want.ids[typ], scope), within(got.ids[typ], scope); !slices.Equal(a, b) {
			if drift || x.blind(want, typ) && subset(b, a) {
				unseen++
				continue
			}
			bad = append(bad, fmt.Sprintf("%s is complete in %q with %d, there are %d", typ, scope, len(b), len(a)))
		}
	}
	if cost := got.cost(want); cost > 0 && !drift {
		if !got.incomplete && unseen == 0 {
			bad = append(bad, "coverage was lost and the collection does not say that it is incomplete")
		}
		if !got.named && unseen == 0 {
			bad = append(bad, "coverage was lost and the collection does not name what is missing")
		}
		if x.fault.Recovers && x.fault.ID != "C18" {
			bad = append(bad, fmt.Sprintf("the fault passes, but %d verdicts or types were lost", cost))
		}
	}
	slices.Sort(bad)
	return bad, unseen
}

// blind says of which types no client can know that rows are missing: a page
// that a service loses without a word, from a list of which it never says how
// many rows it has, and log records that have not arrived yet. It excuses no
// verdict, and no list whose total is stated or counted.
func (x *experiment) blind(want *outcome, typ string) bool {
	switch x.fault.ID {
	case "C11":
		for _, q := range x.hit {
			if !want.declared[q.Name] && q.Count == "" {
				return true
			}
		}
	case "C16/404":
		for _, q := range x.hit {
			if slices.ContainsFunc(q.Answers, func(a collect.Answer) bool { return a.Status == http.StatusNotFound && a.Means == collect.MeansNone }) {
				return true // the code with which the service says that there is none
			}
		}
	case "C17/vanish", "C17/appear":
		return true // the lists that were read before, or afterwards, are right
	case "C25/late":
		return strings.Contains(typ, "sign") || strings.Contains(typ, "audit") || strings.Contains(typ, "log") || strings.Contains(typ, "activit")
	}
	return false
}

func subset(small, large []string) bool {
	return !slices.ContainsFunc(small, func(id string) bool { return !slices.Contains(large, id) })
}

// cost counts the verdicts that were decided and are not any more, and the
// types that were complete.
func (got *outcome) cost(want *outcome) int {
	n := want.lost(got)
	for k, ok := range want.complete {
		if ok && !got.complete[k] {
			n++
		}
	}
	return n
}

// lost counts decided verdicts that are unknown or gone in the other.
func (want *outcome) lost(got *outcome) int {
	n := 0
	for k, v := range want.verdicts {
		if now := got.verdicts[k]; (v == tickmark.Pass || v == tickmark.Fail) && now != v {
			n++
		}
	}
	return n
}

func within(ids []string, scope string) []string {
	if scope == "" {
		return ids
	}
	var out []string
	for _, id := range ids {
		if strings.HasPrefix(id, scope+"/") || id == scope {
			out = append(out, id)
		}
	}
	return out
}

// kindOf tells the questions apart that the engine treats differently.
func kindOf(a *collect.Ask) string {
	return strings.Join([]string{string(a.Host), string(a.Paging), a.Form, a.Method, a.List, fmt.Sprint(a.Batch > 0, a.Window != nil, a.Proof != "", a.Count != "")}, "|")
}

// fits reports whether a fault can be of a question at all.
func fits(info azuresim.FaultInfo, src *collect.Source, a *collect.Ask) bool {
	switch {
	case info.Query:
		return a.Pace == collect.PaceResourceGraph
	case info.ID == "C12/partial":
		return a.Host == collect.HostLogAnalytics
	case info.ID == "C27":
		// Only services that filter lists by permission show it.
		return a.Proof != ""
	}
	return true
}

// plan lays out the experiments on a source.
func plan(src *collect.Source, base *outcome, rng *rand.Rand, whole bool) []experiment {
	var out []experiment
	for _, info := range azuresim.Faults() {
		if info.Where == azuresim.InClient || !strings.HasPrefix(info.ID, *matrixOnly) {
			continue // C22: TestKilledCollection
		}
		add := func(about string, hit []asked, put ...azuresim.Fault) {
			x := experiment{source: src.Name, fault: info, put: put, about: about}
			for _, q := range hit {
				x.hit = append(x.hit, q.ask)
			}
			out = append(out, x)
		}
		if info.Where == azuresim.InState || info.Where == azuresim.InService {
			for range map[bool]int{true: 6, false: 1}[whole] {
				add("all", base.requests, fitted(azuresim.Fault{ID: info.ID}, nil, rng))
			}
			continue
		}
		kinds, hosts := map[string][]asked{}, map[collect.Host][]asked{}
		var all []asked
		for _, q := range base.requests {
			if fits(info, src, q.ask) {
				kinds[kindOf(q.ask)] = append(kinds[kindOf(q.ask)], q)
				hosts[q.ask.Host] = append(hosts[q.ask.Host], q)
				all = append(all, q)
			}
		}
		if len(all) == 0 {
			continue // the source has nothing that can show it
		}
		// Everything at once.
		for _, h := range slices.Sorted(maps.Keys(hosts)) {
			if (whole || rng.IntN(4*len(hosts)) == 0) && len(all) == len(base.requests) {
				add("host "+string(h), hosts[h], fitted(azuresim.Fault{ID: info.ID, Host: string(h)}, nil, rng))
			}
		}
		if info.Where == azuresim.InConnection {
			if !whole {
				add("all", all, fitted(azuresim.Fault{ID: info.ID}, nil, rng))
			}
			continue
		}
		if info.ID == "C27" {
			n := map[bool]int{true: len(all), false: 1}[whole]
			for _, k := range rng.Perm(len(all))[:n] {
				x := experiment{source: src.Name, fault: info, about: all[k].ask.Name, hit: []*collect.Ask{all[k].ask}, deny: hidden(all[k], base)}
				out = append(out, x)
			}
			continue
		}
		one := func(q asked) { add(q.ask.Name, []asked{q}, at(info, &q, rng)) }
		// Each kind of question; a sample of all.
		names := slices.Sorted(maps.Keys(kinds))
		if !whole {
			names = []string{names[rng.IntN(len(names))]}
		}
		for _, k := range names {
			one(richest(kinds[k], info, rng))
		}
		// Several questions at once.
		for n := range 4 {
			if !whole && (n > 0 || rng.IntN(3) > 0) {
				break
			}
			if whole {
				one(all[rng.IntN(len(all))])
				one(all[rng.IntN(len(all))])
			}
			most := 120
			switch {
			case strings.HasPrefix(info.ID, "C14"):
				continue // a tenant that revokes each token that it gives
			case info.ID == "C3", strings.HasPrefix(info.ID, "C2/"):
				most = 4 // else days pass, and with them what is granted for hours
			}
			var put []azuresim.Fault
			var hit []asked
			for _, q := range all {
				if rng.IntN(6) == 0 && len(put) < most {
					put, hit = append(put, at(info, &q, rng)), append(hit, q)
				}
			}
			if len(put) > 0 {
				add(fmt.Sprintf("%d requests", len(put)), hit, put...)
			}
		}
	}
	return out
}

// behind are the lists of which the permission is evaluated that proves others
// too: an identity without it sees none of them.
var behind = map[string]string{"sees-projects": "*/_apis/projects", "sees-repositories": "*/_apis/git/repositories"}

// hidden is what a service that filters by permission does where it is missing:
// the list is empty, and what proves that the identity sees is refused, unless
// it is an answer that says so itself.
func hidden(q asked, base *outcome) []azuresim.Denial {
	deny := []azuresim.Denial{{Host: string(q.ask.Host), Path: q.path, Hide: true}}
	if p := behind[q.ask.Proof]; p != "" {
		deny = append(deny, azuresim.Denial{Host: "devops", Path: p, Hide: true})
	}
	for _, p := range base.requests {
		if p.ask.Name == q.ask.Proof && p.ask.Shows == nil {
			deny = append(deny, azuresim.Denial{Host: string(p.ask.Host), Path: p.path})
		}
	}
	return deny
}

// at aims a fault at one request.
func at(info azuresim.FaultInfo, q *asked, rng *rand.Rand) azuresim.Fault {
	return fitted(azuresim.Fault{ID: info.ID, Host: string(q.ask.Host), Path: q.path, Contains: q.contains}, q, rng)
}

// richest is a request with several pages where the fault is about paging, else
// with rows, else any.
func richest(all []asked, info azuresim.FaultInfo, rng *rand.Rand) asked {
	for _, want := range []func(asked) bool{
		func(q asked) bool { return q.pages > 1 }, func(q asked) bool { return q.rows > 0 && !info.Paged },
	} {
		var fit []asked
		for _, q := range all {
			if want(q) {
				fit = append(fit, q)
			}
		}
		if len(fit) > 0 && (info.Paged || rng.IntN(2) == 0) {
			return fit[rng.IntN(len(fit))]
		}
	}
	return all[rng.IntN(len(all))]
}

// fitted fills the parameters that a fault needs.
func fitted(f azuresim.Fault, q *asked, rng *rand.Rand) azuresim.Fault {
	switch {
	case f.ID == "C17/vanish":
		f.Nth = 20 + rng.IntN(200) // before, it never was
	case f.ID == "C3":
		f.RetryAfter = "3000"
	case f.ID == "C20/huge":
		f.At = 5 << 20
	case f.ID == "C7":
		f.At = 1 + rng.IntN(1500)
	case strings.HasPrefix(f.ID, "C19/"):
		f.Member = "properties"
		if q != nil {
			f.Member = leaf(q.row, rng)
		}
	}
	return f
}

// leaf is the path of some value in a row.
func leaf(row []byte, rng *rand.Rand) string {
	var v any
	if json.Unmarshal(row, &v) != nil {
		return "id"
	}
	path := ""
	for {
		m, ok := v.(map[string]any)
		if !ok || len(m) == 0 {
			return path
		}
		k := slices.Sorted(maps.Keys(m))[rng.IntN(len(m))]
		if _, deeper := m["properties"].(map[string]any); deeper && rng.IntN(4) > 0 {
			k = "properties"
		}
		path += "." + k
		path = strings.TrimPrefix(path, ".")
		v = m[k]
	}
}

// cell is a field of the printed table.
type cell struct{ runs, hit, unknown, equal, unseen, bad int }

// TestMatrix puts the faults to the sources.
func TestMatrix(t *testing.T) {
	whole := *matrixSize == "all"
	text := estateText(t)
	stands := []*stand{newStand(t, text), newStand(t, text)}
	sources := work.Sources()
	base := map[string]*outcome{}
	var queue []experiment
	for i := range sources {
		src := &sources[i]
		b, err := stands[0].run(t, *src, &experiment{})
		if err != nil {
			t.Fatalf("%s without a fault: %v", src.Name, err)
		}
		if b.incomplete {
			t.Errorf("%s is incomplete without a fault", src.Name)
		}
		base[src.Name] = b
		queue = append(queue, plan(src, b, rand.New(rand.NewPCG(*matrixSeed, hashOf(src.Name))), whole)...)
	}
	var mu sync.Mutex
	table := map[[2]string]*cell{}
	total := cell{}
	failures := map[string]int{}
	next := 0
	var group sync.WaitGroup
	for _, s := range stands {
		group.Go(func() {
			for {
				mu.Lock()
				if next == len(queue) || t.Context().Err() != nil {
					mu.Unlock()
					return
				}
				x := queue[next]
				next++
				mu.Unlock()
				i := slices.IndexFunc(sources, func(s collect.Source) bool { return s.Name == x.source })
				got, err := s.run(t, sources[i], &x)
				mu.Lock()
				c := table[[2]string{x.fault.ID, x.source}]
				if c == nil {
					c = &cell{}
					table[[2]string{x.fault.ID, x.source}] = c
				}
				x.tally(t, c, &total, failures, base[x.source], got, err)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	for i := range sources {
		if !slices.ContainsFunc(queue, func(x experiment) bool { return x.source == sources[i].Name }) {
			t.Errorf("%s is in no row of the matrix", sources[i].Name)
		}
	}
	t.Log(printed(table, sources))
	t.Logf("%d runs, %d hit; decided verdicts %d equal, %d became unknown; %d lists lost rows that no client can know of; %d runs with violations",
		total.runs, total.hit, total.equal, total.unknown, total.unseen, total.bad)
	for _, k := range slices.Sorted(maps.Keys(failures)) {
		t.Logf("%4d × %s", failures[k], k)
	}
	for _, s := range stands {
		if l := s.sim.Log(); l.Foreign > 0 || l.WithToken > 0 || l.Misdirected > 0 {
			t.Errorf("%d requests went to a foreign host, %d with a token; %d carried another host's token", l.Foreign, l.WithToken, l.Misdirected)
		}
	}
	if total.unknown == 0 || total.equal == 0 || total.hit < total.runs/2 {
		t.Errorf("the matrix does not reach what it is about: %+v", total)
	}
}

// tally judges one experiment. The caller holds the lock.
func (x *experiment) tally(t *testing.T, c, total *cell, failures map[string]int, want, got *outcome, err error) {
	t.Helper()
	c.runs++
	total.runs++
	where := fmt.Sprintf("%s %s %s", x.fault.ID, x.source, x.about)
	if err != nil {
		c.bad++
		total.bad++
		failures[x.fault.ID+" "+x.source+": error"]++
		t.Errorf("%s: %v", where, err)
		return
	}
	if got.hits > 0 {
		c.hit++
		total.hit++
	}
	lost := want.lost(got)
	decided := 0
	for _, v := range want.verdicts {
		if v == tickmark.Pass || v == tickmark.Fail {
			decided++
		}
	}
	c.unknown, c.equal = c.unknown+lost, c.equal+decided-lost
	total.unknown, total.equal = total.unknown+lost, total.equal+decided-lost
	bad, unseen := want.violations(got, x)
	c.unseen, total.unseen = c.unseen+unseen, total.unseen+unseen
	if len(bad) == 0 {
		return
	}
	c.bad++
	total.bad++
	for _, b := range bad {
		failures[x.fault.ID+" "+x.source+": "+clipped(b, 90)]++
	}
	t.Errorf("%s (%+v %+v):\n  %s", where, x.put[:min(len(x.put), 1)], x.deny, strings.Join(bad[:min(len(bad), 6)], "\n  "))
}

func clipped(s string, n int) string { return s[:min(len(s), n)] }

func hashOf(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return h.Sum64()
}

func printed(table map[[2]string]*cell, sources []collect.Source) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprint(w, "\nfault\t")
	for i := range sources {
		_, _ = fmt.Fprintf(w, "%s runs/hit unknown equal\t", sources[i].Name)
	}
	_, _ = fmt.Fprintln(w)
	ids := map[string]int{}
	for n, f := range azuresim.Faults() {
		ids[f.ID] = n
	}
	order := slices.Collect(maps.Keys(ids))
	sort.Slice(order, func(i, j int) bool { return ids[order[i]] < ids[order[j]] })
	for _, id := range order {
		_, _ = fmt.Fprintf(w, "%s\t", id)
		for i := range sources {
			c := table[[2]string{id, sources[i].Name}]
			if c == nil {
				c = &cell{}
			}
			mark := ""
			if c.unseen > 0 {
				mark = fmt.Sprintf(" (%d unseen)", c.unseen)
			}
			if c.bad > 0 {
				mark += fmt.Sprintf(" BAD %d", c.bad)
			}
			_, _ = fmt.Fprintf(w, "%d/%d %d %d%s\t", c.runs, c.hit, c.unknown, c.equal, mark)
		}
		_, _ = fmt.Fprintln(w)
	}
	_ = w.Flush()
	return b.String()
}
