// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
)

// TestBound: a run does not go on with pages that were read under other terms.
func TestBound(t *testing.T) {
	s := newSetup(t, estate)
	sources := armSource(askSubscriptions(), askVaults())
	s.opts.Bound = []string{"names as they are"}
	if err := killedAt(t, s, 3, sources); err == nil {
		t.Fatal("the run was not interrupted")
	}
	o := s.opts
	o.tune, o.Bound = &s.tune, []string{"pseudonyms"}
	if _, err := Run(t.Context(), []Source{sources}, o); err == nil || !strings.Contains(err.Error(), "another plan") {
		t.Fatalf("it went on under other terms: %v", err)
	}
	if c := s.run(t, sources); c.Resumed.Pages == 0 { // under its own it does
		t.Error("it did not go on under the same terms")
	}
}

// TestResumeAge: pages that were read long ago do not pass for today's, and are
// not thrown away without being told to.
func TestResumeAge(t *testing.T) {
	sources := armSource(askSubscriptions(), askVaults())
	s := newSetup(t, estate)
	if err := killedAt(t, s, 4, sources); err == nil {
		t.Fatal("the run was not interrupted")
	}
	journal := filepath.Join(s.opts.Dir, journalName)
	before, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	s.clock.now = s.clock.now.Add(21 * 24 * time.Hour)
	o := s.opts
	o.tune = &s.tune
	_, err = Run(t.Context(), []Source{sources}, o)
	e, ok := errors.AsType[*tickmark.Error](err)
	if !ok || e.Code != tickmark.CodeUsage || !strings.Contains(e.What, "21 days ago") || !strings.Contains(e.Hint, "--anew") || !strings.Contains(e.Hint, "--resume-within 528h") {
		t.Fatalf("pages of three weeks ago: %v", err)
	}
	if after, err := os.ReadFile(journal); err != nil || !bytes.Equal(before, after) {
		t.Error("the journal is another after the refusal")
	}
	run := func(change func(*Options)) *Collected {
		t.Helper()
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(s.opts.Dir)); err != nil {
			t.Fatal(err)
		}
		o := s.opts
		o.tune, o.Dir = &s.tune, dir
		change(&o)
		c, err := Run(t.Context(), []Source{sources}, o)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		return c
	}
	if c := run(func(o *Options) { o.ResumeWithin = 22 * 24 * time.Hour }); c.Resumed.Pages == 0 || c.Resumed.Within != 22*24*time.Hour || c.Resumed.Dropped.Pages != 0 {
		t.Errorf("allowed: %+v", c.Resumed)
	}
	if c := run(func(o *Options) { o.Anew = true }); c.Resumed.Pages != 0 || c.Resumed.Dropped.Pages == 0 || !c.Resumed.Started.After(c.Resumed.Dropped.Started.AddDate(0, 0, 20)) {
		t.Errorf("anew: %+v", c.Resumed)
	}
	// It throws away another plan's pages, too.
	if c := run(func(o *Options) { o.Anew, o.Bound = true, []string{"names=pseudonyms"} }); c.Resumed.Pages != 0 || c.Resumed.Dropped.Pages == 0 {
		t.Errorf("anew, of another plan: %+v", c.Resumed)
	}
	tune := s.tune
	tune.off = map[guard]bool{"resumeAge": true}
	if c := run(func(o *Options) { o.tune = &tune }); c.Resumed.Pages == 0 {
		t.Error("without the guard resumeAge the old pages should be used: the test shows nothing")
	}
}

// TestPlanDiffers: what differs from the plan of an unfinished collection is
// named, with both values.
func TestPlanDiffers(t *testing.T) {
	sources := armSource(askSubscriptions(), askVaults())
	s := newSetup(t, estate)
	s.opts.Bound = []string{"--auth=managedIdentity"}
	s.opts.Root = []byte(`{"tenantId":"one"}`)
	if err := killedAt(t, s, 3, sources); err == nil {
		t.Fatal("the run was not interrupted")
	}
	other := armSource(askThings())
	other.Name = "graph"
	for name, c := range map[string]struct {
		sources []Source
		change  func(*Options)
		says    string
	}{
		"option":  {[]Source{sources}, func(o *Options) { o.Only = []string{"arm/vaults"} }, "--only was (none) and is arm/vaults"},
		"sign-in": {[]Source{sources}, func(o *Options) { o.Bound = []string{"--auth=azureCLI"} }, "--auth was managedIdentity and is azureCLI"},
		"tenant":  {[]Source{sources}, func(o *Options) { o.Root = []byte(`{"tenantId":"two"}`) }, `tenant and organisations was {"tenantId":"one"} and is {"tenantId":"two"}`},
		"exclusion": {[]Source{sources}, func(o *Options) {
			o.Exclude = []Exclusion{{Scope: "/subscriptions/bbb", Reason: tickmark.ReasonExcluded, Detail: "sandbox"}}
		}, "leaving out /subscriptions/bbb was (none) and is excluded: sandbox"},
		"source":    {[]Source{sources, other}, func(*Options) {}, "source graph was (none) and is read (1 questions"},
		"questions": {[]Source{armSource(askSubscriptions())}, func(*Options) {}, "source arm was read (2 questions"},
		"two":       {[]Source{sources}, func(o *Options) { o.Only, o.Scopes = []string{"arm"}, []string{"/subscriptions/aaa"} }, "--only was (none) and is arm; --scope was (none) and is /subscriptions/aaa"},
	} {
		t.Run(name, func(t *testing.T) {
			o := s.opts
			o.tune = &s.tune
			c.change(&o)
			_, err := Run(t.Context(), c.sources, o)
			if err == nil || !strings.Contains(err.Error(), "another plan") || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %q", err, c.says)
			}
		})
	}
}

// TestFutureWindow: what has not happened yet is not said to be read.
func TestFutureWindow(t *testing.T) {
	events := Ask{
		Name: "events", Host: HostARM, Path: "/events", Query: "from={from}&to={to}", APIVersion: "1", Paging: PageNextLink, Form: formARMList,
		Entity: "arm/events", Types: []string{"arm/events"}, Pace: PaceARM, Window: &Window{Field: "time"},
	}
	s := newSetup(t, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, map[string]any{"value": []any{}}) })
	now := s.clock.Now()
	s.opts.From, s.opts.To = now.Add(-24*time.Hour), now.AddDate(5, 0, 0)
	c := s.run(t, armSource(events))
	if sp := findAsk(t, c, "arm", "", "events").Span; sp == nil || sp.To.After(now) {
		t.Errorf("the log is said to be read until %+v at %v", sp, now)
	}
	s2 := newSetup(t, estate)
	s2.opts.From, s2.opts.tune = s2.clock.Now().AddDate(1, 0, 0), &s2.tune
	if _, err := Run(context.Background(), []Source{armSource(events)}, s2.opts); err == nil || !strings.Contains(err.Error(), "future") {
		t.Errorf("a window in the future: %v", err)
	}
}

// TestExcludedBatch: what a batch asks of many does not become complete because
// the list of these many left one out.
func TestExcludedBatch(t *testing.T) {
	ask := Ask{
		Name: "things", Of: []string{"Microsoft.Resources/subscriptions"}, Batch: 10, Host: HostARM, Method: http.MethodPost, Path: "/query",
		Body: `{"subscriptions":{ids}}`, APIVersion: "1", Form: formResourceGraph, Paging: PageSkipToken, Types: []string{"Test/things"}, Pace: PaceARM,
	}
	for _, exclude := range []bool{false, true} {
		s := newSetup(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/query" {
				writeJSON(w, map[string]any{"count": 0, "totalRecords": 0, "data": []any{}, "resultTruncated": "false"})
				return
			}
			estate(w, r)
		})
		if exclude {
			s.opts.Exclude = []Exclusion{{Scope: "/subscriptions/bbb", Reason: tickmark.ReasonExcluded, Detail: "a sandbox"}}
		}
		c := s.run(t, armSource(askSubscriptions(), ask))
		got := findAsk(t, c, "arm", "", "things")
		if exclude != (len(got.Excluded) == 1) {
			t.Errorf("excluded %v: %+v", exclude, got)
		}
		for i := range c.Snapshot.Segments {
			seg := &c.Snapshot.Segments[i]
			if whole := strings.Contains(strings.Join(seg.Coverage.Complete, " "), "Test/things"); seg.Scope == "" && whole == exclude {
				t.Errorf("excluded %v, and complete for %v", exclude, seg.Coverage.Complete)
			}
		}
	}
}

// TestUnmetScope: a mistyped scope is said, a right one is not.
func TestUnmetScope(t *testing.T) {
	for scope, want := range map[string]int{"/subscriptions/bbb": 0, "/subscriptions/BBB/": 0, "/subscriptions/zzz": 1} {
		s := newSetup(t, estate)
		s.opts.Exclude = []Exclusion{{Scope: scope, Reason: tickmark.ReasonExcluded, Detail: "a sandbox"}}
		if c := s.run(t, armSource(askSubscriptions(), askVaults())); len(c.Snapshot.Problems) != want {
			t.Errorf("exclude %s: %+v", scope, c.Snapshot.Problems)
		}
		s = newSetup(t, estate)
		s.opts.Scopes = []string{scope}
		if c := s.run(t, armSource(askSubscriptions(), askVaults())); len(c.Snapshot.Problems) != want {
			t.Errorf("scope %s: %+v", scope, c.Snapshot.Problems)
		}
	}
}

// TestUnseenSubscription: a subscription that only the management groups show
// is a hole where it is, and nothing is complete for the tenant.
func TestUnseenSubscription(t *testing.T) {
	tree := Ask{
		Name: "descendants", Host: HostARM, Path: "/descendants", APIVersion: "1", Paging: PageNextLink, Form: formARMList,
		Entity: entityDescendants, Types: []string{entityDescendants}, Pace: PaceARM,
	}
	for _, hidden := range []bool{false, true} {
		s := newSetup(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/descendants" {
				estate(w, r)
				return
			}
			rows := []any{map[string]any{"id": "/subscriptions/AAA"}, map[string]any{"id": "/providers/Microsoft.Management/managementGroups/g"}}
			if hidden {
				rows = append(rows, map[string]any{"id": "/subscriptions/zzz"})
			}
			writeJSON(w, map[string]any{"value": rows})
		})
		c := s.run(t, armSource(askSubscriptions(), tree, askVaults()))
		if got := findAsk(t, c, "arm", "", "subscriptions").Excluded; (len(got) == 1 && got[0].Reason == tickmark.ReasonNotPermitted) != hidden {
			t.Errorf("hidden %v: %+v", hidden, got)
		}
		if (len(c.Snapshot.Problems) == 1) != hidden {
			t.Errorf("hidden %v: problems %+v", hidden, c.Snapshot.Problems)
		}
		if hidden {
			if v := findAsk(t, c, "arm", "/subscriptions/zzz", "vaults"); len(v.Excluded) != 1 {
				t.Errorf("vaults: %+v", v)
			}
		}
	}
}

// TestRemoveSpool: other files in the folder that somebody named stay.
func TestRemoveSpool(t *testing.T) {
	s := newSetup(t, estate)
	mine := filepath.Join(s.opts.Dir, "mine.txt")
	if err := os.WriteFile(mine, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.run(t, armSource(askSubscriptions()))
	if err := RemoveSpool(s.opts.Dir); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(s.opts.Dir)
	if err != nil || len(left) != 1 || left[0].Name() != "mine.txt" {
		t.Fatalf("left: %v, %v", left, err)
	}
	if err := os.Remove(mine); err != nil {
		t.Fatal(err)
	}
	if err := RemoveSpool(s.opts.Dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.opts.Dir); err == nil {
		t.Error("an empty folder stays")
	}
}

// TestPlanOfThePopulation: what is left out is not in the figures of a plan, and
// what is a guess says in which direction.
func TestPlanOfThePopulation(t *testing.T) {
	s := newSetup(t, estate)
	some := askKeys()
	some.Name, some.Where = "some-keys", func(*Subject) bool { return false }
	sources := []Source{armSource(askSubscriptions(), askVaults(), askKeys(), some)}
	known := Counts{
		"Microsoft.Resources/subscriptions": {"/subscriptions/aaa": 1, "/subscriptions/bbb": 1, "/subscriptions/ccc": 1},
		"microsoft.keyvault/vaults":         {"/subscriptions/aaa": 2, "/subscriptions/bbb": 30, "/subscriptions/ccc": 500},
	}
	out := func(scopes ...string) (list []Exclusion) {
		for _, s := range scopes {
			list = append(list, Exclusion{Scope: s, Reason: tickmark.ReasonExcluded, Detail: "why"})
		}
		return list
	}
	for name, c := range map[string]struct {
		known   Counts
		scopes  []string
		exclude []Exclusion
		want    string
	}{
		"all":             {known, nil, nil, "subscriptions 1+; vaults 3+; keys 532+; some-keys 532+-"},
		"two named":       {known, []string{"/subscriptions/AAA/", "/subscriptions/bbb", "/subscriptions/aaa"}, nil, "subscriptions 1+; vaults 2+; keys 32+; some-keys 32+-"},
		"one excluded":    {known, nil, out("/subscriptions/ccc"), "subscriptions 1+; vaults 2+; keys 32+; some-keys 32+-"},
		"named, excluded": {known, []string{"/subscriptions/aaa", "/subscriptions/ccc"}, out("/subscriptions/ccc"), "subscriptions 1+; vaults 1+; keys 2+; some-keys 2+-"},
		"never read":      {known, []string{"/subscriptions/ddd"}, nil, "subscriptions 1+; vaults 1+; keys 1+; some-keys 1+"},
		"nothing known":   {nil, nil, nil, "subscriptions 1+; vaults 1+; keys 1+; some-keys 1+"},
		"named, unknown":  {nil, []string{"/subscriptions/aaa", "/subscriptions/bbb"}, nil, "subscriptions 1+; vaults 2+; keys 1+; some-keys 1+"},
	} {
		o := s.opts
		o.Scopes, o.Exclude = c.scopes, c.exclude
		p, err := PlanRun(sources, o, c.known)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		more, fewer := false, false
		for _, l := range p.Lines {
			text := fmt.Sprintf("%s %d", l.Ask, l.Calls)
			if l.More {
				text += "+"
			}
			if l.Fewer {
				text += "-"
			}
			more, fewer = more || l.More, fewer || l.Fewer
			got = append(got, text)
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("%s: %s, want %s", name, strings.Join(got, "; "), c.want)
		}
		if p.More != more || p.Fewer != fewer {
			t.Errorf("%s: the sum says more %v, fewer %v; its lines %v, %v", name, p.More, p.Fewer, more, fewer)
		}
	}
}
