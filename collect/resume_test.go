// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tickmark/tickmark"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("TICKMARK_TEST_VICTIM"); dir != "" {
		os.Exit(victim(dir))
	}
	if dir := os.Getenv("TICKMARK_TEST_BULK"); dir != "" {
		os.Exit(bulkVictim(dir))
	}
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}

// victim collects until it kills itself.
func victim(dir string) int {
	after, _ := strconv.Atoi(os.Getenv("TICKMARK_TEST_AFTER"))
	e, err := LoadEndpoints(filepath.Join(dir, "endpoints.json"))
	if err != nil {
		return 3
	}
	tune := defaults()
	tune.wrote = func(n int) {
		if n >= after {
			p, _ := os.FindProcess(os.Getpid())
			_ = p.Kill()
			time.Sleep(time.Minute)
		}
	}
	_, err = Run(context.Background(), []Source{armSource(askSubscriptions(), askVaults(), askKeys())}, Options{
		Dir: filepath.Join(dir, "run"), Clock: newTestClock(), Credentials: Static("Bearer x"), Endpoints: e, tune: &tune,
		To: newTestClock().now,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	return 0
}

// killedAt runs until so many entries are in the journal.
func killedAt(t *testing.T, s *setup, n int, sources ...Source) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tune := s.tune
	tune.wrote = func(entries int) {
		if entries >= n {
			cancel()
		}
	}
	o := s.opts
	o.tune = &tune
	c, err := Run(ctx, sources, o)
	if err == nil {
		return c.Close()
	}
	return err
}

func TestResume(t *testing.T) {
	sources := armSource(askSubscriptions(), askVaults(), askKeys())
	calm := newSetup(t, estate)
	want := calm.run(t, sources)
	asked := len(calm.cloud.requests())
	points := 0
	for n := 1; n <= 20; n++ {
		for _, torn := range []bool{false, true} {
			s := newSetup(t, estate)
			err := killedAt(t, s, n, sources)
			if err == nil {
				continue
			}
			points++
			if e, ok := errors.AsType[*tickmark.Error](err); !ok || e.Code != tickmark.CodeIncomplete {
				t.Fatalf("killed at %d: %v", n, err)
			}
			if torn {
				tear(t, s.opts.Dir)
			}
			before := len(s.cloud.requests())
			got := s.run(t, sources)
			if got.Digest() != want.Digest() {
				t.Errorf("killed at entry %d: the digest is another", n)
			}
			if pages(got) != pages(want) {
				t.Errorf("killed at entry %d: %d pages, want %d", n, pages(got), pages(want))
			}
			if after := len(s.cloud.requests()); after > asked+s.tune.workers || got.Resumed.Pages > 0 && after-before >= asked {
				t.Errorf("killed at entry %d: %d requests and then %d, of %d: pages were asked for again", n, before, after-before, asked)
			}
		}
	}
	if points < 20 {
		t.Errorf("only %d interruptions", points)
	}
}

func pages(c *Collected) (n int) {
	for i := range c.Snapshot.Segments {
		n += len(c.Snapshot.Segments[i].Pages)
	}
	return n
}

// tear leaves half an entry at the end of the journal and bytes in the spool
// that no entry speaks of.
func tear(t *testing.T, dir string) {
	t.Helper()
	for name, text := range map[string]string{journalName: `0badc0de {"t":"page","k":"00`, pagesName: `{"value":[{"id":`} {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, text); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKilled kills another process with SIGKILL at several points.
func TestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	calm := newSetup(t, estate)
	calm.opts.To = newTestClock().now
	sources := armSource(askSubscriptions(), askVaults(), askKeys())
	want := calm.run(t, sources)
	for _, after := range []int{2, 5, 9, 14} {
		s := newSetup(t, estate)
		dir := t.TempDir()
		file := fmt.Sprintf(`{"cloud":"public","urls":{"arm":%q},"caPEM":%q}`, s.cloud.URL, pemOf(s.cloud.Certificate().Raw))
		if err := os.WriteFile(filepath.Join(dir, "endpoints.json"), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "TICKMARK_TEST_VICTIM="+dir, "TICKMARK_TEST_AFTER="+strconv.Itoa(after))
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("the victim was not killed: %v %s", err, out)
		}
		e, err := LoadEndpoints(filepath.Join(dir, "endpoints.json"))
		if err != nil {
			t.Fatal(err)
		}
		s.opts.Dir, s.opts.Endpoints, s.opts.Root, s.opts.Transport, s.opts.To = filepath.Join(dir, "run"), e, nil, nil, newTestClock().now
		s.opts.Limit = 0
		got := s.run(t, sources)
		if got.Digest() != want.Digest() || got.Resumed.Pages == 0 && after > 2 {
			t.Errorf("killed after %d entries: digest %v, want %v; %d pages were taken over", after, got.Digest(), want.Digest(), got.Resumed.Pages)
		}
	}
}

func pemOf(der []byte) string {
	var b strings.Builder
	b.WriteString("-----BEGIN CERTIFICATE-----\n")
	const line = 64
	text := base64Of(der)
	for len(text) > 0 {
		n := min(line, len(text))
		b.WriteString(text[:n] + "\n")
		text = text[n:]
	}
	b.WriteString("-----END CERTIFICATE-----\n")
	return b.String()
}

func TestResumeRefuses(t *testing.T) {
	sources := armSource(askSubscriptions(), askVaults())
	s := newSetup(t, estate)
	if err := killedAt(t, s, 4, sources); err == nil {
		t.Fatal("it was not interrupted")
	}
	s.opts.tune = &s.tune
	run := func(o Options) error {
		c, err := Run(t.Context(), []Source{sources}, o)
		if err != nil {
			return err
		}
		return c.Close()
	}
	o := s.opts
	o.Root = []byte(`{"tenantId":"22222222-2222-2222-2222-222222222222"}`)
	if err := run(o); err == nil || !strings.Contains(err.Error(), "of another plan") {
		t.Errorf("another tenant: %v", err)
	}
	tune := s.tune
	tune.off = map[guard]bool{"samePlan": true}
	o.tune = &tune
	if err := run(o); err != nil {
		t.Errorf("without the guard samePlan it should run: %v", err)
	}
}

func TestResumeLocked(t *testing.T) {
	s := newSetup(t, estate)
	c := s.run(t, armSource(askSubscriptions()))
	o := s.opts
	_, err := Run(t.Context(), []Source{armSource(askSubscriptions())}, o)
	if e, ok := errors.AsType[*tickmark.Error](err); !ok || e.Code != tickmark.CodeConflict {
		t.Errorf("a second run in the same directory: %v", err)
	}
	_ = c
}

func TestResumeDamaged(t *testing.T) {
	sources := armSource(askSubscriptions(), askVaults(), askKeys())
	calm := newSetup(t, estate)
	want := calm.run(t, sources)
	damage := func(t *testing.T, name string, at func(b []byte) int) *setup {
		t.Helper()
		s := newSetup(t, estate)
		if err := killedAt(t, s, 12, sources); err == nil {
			t.Fatal("it was not interrupted")
		}
		file := filepath.Join(s.opts.Dir, name)
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b[at(b)] ^= 0x20
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s.opts.tune = &s.tune
		return s
	}
	inText := func(b []byte) int { return bytes.Index(b, []byte("Sub aaa")) }
	t.Run("page", func(t *testing.T) {
		// The disk lost a page: it is asked for again.
		s := damage(t, pagesName, inText)
		if got := s.run(t, sources); got.Digest() != want.Digest() {
			t.Error("the digest is another")
		}
	})
	t.Run("page without its guard", func(t *testing.T) {
		s := damage(t, pagesName, inText)
		s.tune.off["pageDigest"] = true
		if got := s.run(t, sources); got.Digest() == want.Digest() {
			t.Error("a damaged page went unnoticed and the test too")
		}
	})
	for _, off := range []bool{false, true} {
		t.Run(fmt.Sprintf("journal, guard off %v", off), func(t *testing.T) {
			s := damage(t, journalName, func(b []byte) int { return len(b) / 2 })
			s.tune.off["journalSum"] = off
			c, err := Run(t.Context(), []Source{sources}, s.opts)
			if err == nil {
				err = c.Close()
			}
			if damaged := err != nil && strings.Contains(err.Error(), "is damaged"); damaged == off {
				t.Errorf("a damaged entry: %v", err)
			}
		})
	}
}

func TestPace(t *testing.T) {
	// C4: 300 subscriptions, 15 requests in any 5 seconds, as Resource Graph
	// allows; the server counts in fixed and in sliding windows.
	run := func(t *testing.T, off guard) (refused int, took time.Duration) {
		t.Helper()
		var sent []time.Time
		var s *setup
		s = newSetup(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/subscriptions" {
				var rows []any
				for i := range 300 {
					rows = append(rows, map[string]any{"id": fmt.Sprintf("/subscriptions/s%03d", i)})
				}
				writeJSON(w, map[string]any{"value": rows})
				return
			}
			now := s.clock.Now()
			n := 0
			for _, at := range sent {
				if now.Sub(at) < 5*time.Second {
					n++
				}
			}
			if n >= 15 {
				refused++
				throttle("Retry-After", "5")(w, r)
				return
			}
			sent = append(sent, now)
			w.Header().Set("x-ms-user-quota-remaining", strconv.Itoa(15-n-1))
			w.Header().Set("x-ms-user-quota-resets-after", "00:00:05")
			writeJSON(w, map[string]any{"data": []any{}, "count": 0, "totalRecords": 0})
		})
		s.tune.workers = 1
		if off == "quota" {
			s.tune.quotas = map[Pace]Quota{PaceARM: Quotas[PaceARM], PaceResourceGraph: {Number: 1000, Per: time.Second, Parallel: 4, Each: "tenant"}}
		}
		if off != "" {
			s.tune.off["adapt"] = true
		}
		query := Ask{
			Name: "things", Of: []string{"Microsoft.Resources/subscriptions"}, Batch: 1, Host: HostARM, Method: "POST", Path: "/query",
			Body: `{"subscriptions":{ids},"query":"x"}`, Paging: PageSkipToken, Form: formResourceGraph, Types: []string{"Test/things"}, Pace: PaceResourceGraph,
		}
		start := s.clock.Now()
		c := s.run(t, armSource(askSubscriptions(), query))
		if a := findAsk(t, c, "arm", "", "things"); a.Answered != 300 {
			t.Errorf("%d of 300 answered: %s", a.Answered, a.Detail)
		}
		return refused, s.clock.Now().Sub(start)
	}
	refused, took := run(t, "")
	if refused > 0 || took > 125*time.Second || took < 95*time.Second {
		t.Errorf("%d refused, took %v; want none and about 100 s", refused, took)
	}
	if refused, _ := run(t, "quota"); refused == 0 {
		t.Error("without pace nothing is refused: the test shows nothing")
	}
}

func TestPopulation(t *testing.T) {
	// C17: a vault that was listed is gone when its keys are asked for.
	s := newSetup(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "kv-bbb/keys") {
			answerWith(404, "application/json", `{"error":{"code":"ResourceNotFound","message":"gone"}}`)(w, r)
			return
		}
		estate(w, r)
	})
	c := s.run(t, armSource(askSubscriptions(), askVaults(), askKeys()))
	keys := findAsk(t, c, "arm", "/subscriptions/bbb", "keys")
	if len(keys.Refusals) != 1 || keys.Answered != 0 || !strings.Contains(keys.Refusals[0].Detail, "it was listed") {
		t.Errorf("keys: %+v", keys)
	}
	if len(c.Snapshot.Problems) != 1 || !strings.Contains(c.Snapshot.Problems[0].What, "population changed") {
		t.Errorf("problems: %+v", c.Snapshot.Problems)
	}
	if keys := findAsk(t, c, "arm", "/subscriptions/aaa", "keys"); keys.Answered != 1 {
		t.Errorf("the others: %+v", keys)
	}
}

func TestRefusals(t *testing.T) {
	// C15: j of n subscriptions refuse; the others are collected.
	for j := 1; j <= 3; j++ {
		refused := map[string]bool{}
		for _, s := range []string{"aaa", "bbb", "ccc"}[:j] {
			refused[s] = true
		}
		handler := func(w http.ResponseWriter, r *http.Request) {
			if p := strings.Split(r.URL.Path, "/"); len(p) > 3 && refused[p[2]] {
				answerWith(403, "application/json", `{"error":{"code":"AuthorizationFailed","message":"no"}}`)(w, r)
				return
			}
			estate(w, r)
		}
		for _, off := range []bool{false, true} {
			s := newSetup(t, handler)
			s.tune.off["dependency"] = off
			c := s.run(t, armSource(askSubscriptions(), askVaults(), askKeys()))
			for _, sub := range []string{"aaa", "bbb", "ccc"} {
				vaults, keys := findAsk(t, c, "arm", "/subscriptions/"+sub, "vaults"), findAsk(t, c, "arm", "/subscriptions/"+sub, "keys")
				whole := len(vaults.Refusals) == 0 && vaults.Missing == ""
				if whole == refused[sub] {
					t.Errorf("j=%d %s: %+v", j, sub, vaults)
				}
				// The vaults are not known, so the keys are not known either.
				if got := keys.Missing == ""; got != (off || !refused[sub]) {
					t.Errorf("j=%d %s, guard off %v: keys missing %q", j, sub, off, keys.Missing)
				}
			}
		}
	}
}

func TestClocks(t *testing.T) {
	// C23: the source's clock is an hour off; and a replayed answer.
	for name, tc := range map[string]struct {
		off  func(n int) time.Duration
		says string
	}{
		"an hour slow":  {func(int) time.Duration { return -time.Hour }, "differ by"},
		"an hour fast":  {func(int) time.Duration { return time.Hour }, "differ by"},
		"a replay":      {func(n int) time.Duration { return time.Duration(n/2) * -90 * 24 * time.Hour }, "stored one"},
		"right":         {func(int) time.Duration { return 0 }, ""},
		"four minutes":  {func(int) time.Duration { return 4 * time.Minute }, ""},
		"no date given": {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var s *setup
			n := 0
			list := listing{total: 3}
			s = newSetup(t, func(w http.ResponseWriter, r *http.Request) {
				n++
				w.Header()["Date"] = nil
				if tc.off != nil {
					w.Header().Set("Date", s.clock.Now().Add(tc.off(n)).Format(http.TimeFormat))
				}
				list.ServeHTTP(w, r)
			})
			for _, off := range []bool{false, true} {
				s.opts.Dir, n = t.TempDir(), 0
				s.tune.off["skew"] = off
				c := s.run(t, armSource(askThings()))
				flagged := len(c.Snapshot.Problems) == 1 && strings.Contains(c.Snapshot.Problems[0].What, tc.says) && tc.says != ""
				if flagged != (tc.says != "" && !off) {
					t.Errorf("guard off %v: problems %+v", off, c.Snapshot.Problems)
				}
				if tc.says != "" && !off && findAsk(t, c, "arm", "", "things").Skew == 0 {
					t.Error("the skew is not in the coverage")
				}
			}
		})
	}
}

func TestExcluded(t *testing.T) {
	s := newSetup(t, estate)
	s.opts.Exclude = []Exclusion{{Scope: "/subscriptions/BBB", Reason: tickmark.ReasonExcluded, Detail: "a sandbox", Actor: "anna"}}
	c := s.run(t, armSource(askSubscriptions(), askVaults(), askKeys()))
	for _, h := range s.cloud.requests() {
		if strings.Contains(h.uri, "bbb") {
			t.Errorf("the excluded scope was asked: %s", h.uri)
		}
	}
	v := findAsk(t, c, "arm", "/subscriptions/bbb", "vaults")
	if len(v.Excluded) != 1 || v.Excluded[0].Reason != tickmark.ReasonExcluded || !strings.Contains(v.Excluded[0].Detail, "a sandbox (anna)") {
		t.Errorf("vaults: %+v", v)
	}
	if subs := findAsk(t, c, "arm", "", "subscriptions"); len(subs.Excluded) != 1 {
		t.Errorf("subscriptions: %+v", subs)
	}
	for i := range c.Snapshot.Segments {
		if seg := &c.Snapshot.Segments[i]; seg.Scope == "/subscriptions/bbb" && len(seg.Coverage.Complete) > 0 {
			t.Errorf("an excluded scope is complete for %v", seg.Coverage.Complete)
		}
	}
	s2 := newSetup(t, estate)
	s2.opts.Scopes = []string{"/subscriptions/aaa"}
	c2 := s2.run(t, armSource(askSubscriptions(), askVaults()))
	if v := findAsk(t, c2, "arm", "/subscriptions/ccc", "vaults"); len(v.Excluded) != 1 {
		t.Errorf("a scope that was not asked for: %+v", v)
	}
}
