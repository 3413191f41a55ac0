// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/azuresim"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/collect/collecttest"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/work"
)

var matrixNow = time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC)

// stand is a simulator that serves one collection after the other.
type stand struct {
	sim   *azuresim.Sim
	clock *collecttest.Clock
	creds signIn
	// For the controls: the answers pass through a stock pager; how long a run
	// may take.
	naive    bool
	patience time.Duration
	scopes   []string // --scope
}

// signIn gives tokens as the simulator hands them out to a managed identity,
// for GitHub too.
type signIn struct {
	sim    *azuresim.Sim
	client *http.Client
	as     string // the client id; empty is the first identity
}

func (k signIn) Token(ctx context.Context, h collect.Host, audience string) (string, time.Time, error) {
	if h == collect.HostGitHub {
		audience = "https://api.github.com"
	}
	to := k.sim.Endpoint("login") + "/metadata/identity/oauth2/token?resource=" + url.QueryEscape(audience) + "&client_id=" + k.as
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
	s := &stand{clock: collecttest.NewClock(matrixNow), patience: longestRun}
	var err error
	if s.sim, err = azuresim.New(estateOrganisation(tb, text), azuresim.Options{Seed: 4, Now: s.clock.Now, PageSize: 3}); err != nil {
		tb.Fatal(err)
	}
	if err := s.sim.Start(); err != nil {
		tb.Fatal(err)
	}
	s.creds = signIn{sim: s.sim, client: s.sim.Client()}
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
	slot := reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem()
	tune := reflect.New(slot.Type().Elem())
	set := func(name string, v any) {
		f := tune.Elem().FieldByName(name)
		reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem().Set(reflect.ValueOf(v).Convert(f.Type()))
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
	reflect.NewAt(guards.Type(), unsafe.Pointer(guards.UnsafeAddr())).Elem().Set(m)
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
	scopes     []string        // that were named
	declared   map[string]bool // asks of which the source stated how many rows there are
	hits       int
	problems   []tickmark.Problem
}

// asked is a request that an ask came to.
type asked struct {
	ask            *collect.Ask
	path, contains string
	pages, rows    int
	row            []byte // one of its rows
}

// longestRun is how long a collection of this size may take by the host's clock.
const longestRun = 90 * time.Second

// run collects a source under faults and judges it.
func (s *stand) run(tb testing.TB, src collect.Source, x *experiment, off ...string) (*outcome, error) {
	tb.Helper()
	s.sim.Organisation().Deny = x.deny     // nothing is asked of it between two runs
	dir, err := os.MkdirTemp("", "matrix") //nolint:usetesting // there are thousands of runs: each cleans up at once
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	s.clock.Set(matrixNow)
	if err := s.sim.Inject(x.put...); err != nil {
		return nil, err
	}
	o, err := s.options(dir)
	if err != nil {
		return nil, err
	}
	tuned(&o, off...)
	o.Scopes = s.scopes
	if s.naive {
		o.Transport = &http.Client{Transport: stock{s.creds.client.Transport}}
	}
	ctx, cancel := context.WithTimeout(tb.Context(), s.patience)
	defer cancel()
	c, err := work.Collect(ctx, work.CollectOptions{
		Sources: []collect.Source{src}, Collect: o, Assess: work.AssessOptions{Now: matrixNow, Engine: "test", Workers: 1},
	})
	if err != nil {
		return nil, err
	}
	out := outcomeOf(c, &src)
	out.scopes = s.scopes
	out.hits = len(x.deny)
	for _, n := range s.sim.Hits() {
		out.hits += n
	}
	return out, c.Run.Close()
}

func outcomeOf(c *work.Collected, src *collect.Source) *outcome {
	out := &outcome{
		verdicts: map[[2]string]tickmark.Verdict{}, states: map[string]check.State{}, ids: map[string][]string{}, complete: map[string]bool{}, declared: map[string]bool{},
		incomplete: c.Incomplete(), named: len(c.Problems) > 0, problems: slices.Clone(c.Problems),
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
	_, rest, ok := strings.Cut(body, `"query":`)
	if !ok {
		return ""
	}
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
	fact := drift && x.fact()
	for k, v := range got.verdicts {
		was, known := want.verdicts[k]
		if drift && !known || fact && (was != tickmark.Fail || v != tickmark.Pass || x.told()) {
			continue // what is new has another id; a fact may fail, and may pass if the service documents it
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
		if w := want.states[id]; !fact && w == check.StatePass && s == check.StateFail || (!fact || !x.told()) && w == check.StateFail && s == check.StatePass {
			bad = append(bad, fmt.Sprintf("%s as a whole: %s became %s", id, w, s))
		}
	}
	for k, ok := range got.complete {
		typ, scope, _ := strings.Cut(k, " ")
		if !ok {
			continue
		}
		if a, b := within(want.ids[typ], scope), within(got.ids[typ], scope); !slices.Equal(a, b) {
			if drift && subset(a, b) {
				continue // it was asked of more, because it was not known which
			}
			if fact || drift && x.lost(typ) != "" || x.blind(want, typ) && subset(b, a) {
				unseen++
				continue
			}
			bad = append(bad, fmt.Sprintf("%s is complete in %q with %d, there are %d", typ, scope, len(b), len(a)))
		}
	}
	if cost := want.cost(got); cost > 0 && !fact {
		if !got.incomplete && unseen == 0 {
			bad = append(bad, "coverage was lost and the collection does not say that it is incomplete")
		}
		if !got.named && unseen == 0 && !drift { // each result names the member
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
	case "C3":
		return strings.Contains(typ, "schedule") // a grant of some hours ended while the client waited
	case "C25/late":
		return strings.Contains(typ, "sign") || strings.Contains(typ, "audit") || strings.Contains(typ, "log") || strings.Contains(typ, "activities") || strings.Contains(typ, "activity")
	}
	return false
}

func subset(small, large []string) bool {
	return !slices.ContainsFunc(small, func(id string) bool { return !slices.Contains(large, id) })
}

// cost counts the verdicts that were decided and are not any more, and the
// types that were complete.
func (want *outcome) cost(got *outcome) int {
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
