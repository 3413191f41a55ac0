// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/tickmark/tickmark/azuresim"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/work"
)

var kills = flag.Int("kills", 8, "how often a collection is killed (the published figure is of 100)")

// hurry is the host's clock, made to run faster, so that waiting for quotas is
// short. The simulator's stands still: in a tenant where time passes two
// collections differ.
type hurry struct{ began time.Time }

const haste = 60

func (h hurry) Now() time.Time {
	return matrixNow.Add(haste * collect.SystemClock{}.Now().Sub(h.began))
}

func (h hurry) Sleep(ctx context.Context, d time.Duration) error {
	return collect.SystemClock{}.Sleep(ctx, d/haste)
}

// victimReport is what a collection in a process of its own tells of itself.
type victimReport struct {
	Digest         string
	Pages, Items   int
	Resumed        int
	Requests       int
	Incomplete     bool
	DuplicateRows  int
	MissingPages   int
	ResultsDecided int
}

// collectVictim collects every source into dir/run and writes dir/report.json.
// It is a process that the test kills.
func collectVictim(dir string) int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	e, err := collect.LoadEndpoints(filepath.Join(dir, "endpoints.json"))
	if err != nil {
		return fail(err)
	}
	clock := hurry{collect.SystemClock{}.Now()}
	creds, err := collect.NewCredentials(e, collect.SignIn{Kind: "simulator", GitHub: collect.GitHubSignIn{Token: os.Getenv("TICKMARK_TEST_GITHUB")}}, clock)
	if err != nil {
		return fail(err)
	}
	sources := work.Sources()
	if os.Getenv("TICKMARK_TEST_QUICK") != "" { // the quotas of Microsoft Graph's logs take long
		sources = sources[1:]
	}
	c, err := work.Collect(context.Background(), work.CollectOptions{
		Sources: sources,
		Collect: collect.Options{
			Dir: filepath.Join(dir, "run"), Endpoints: e, Credentials: creds, Clock: clock, Limit: 1000 * time.Hour, From: matrixNow.AddDate(0, 0, -3), To: matrixNow,
			Root: fmt.Appendf(nil, `{"tenantId":%q,"devopsOrganizations":["contoso"],"githubOrganizations":["contoso"]}`, e.TenantID),
		},
		Assess: work.AssessOptions{Now: matrixNow, Engine: "test"},
	})
	if err != nil {
		return fail(err)
	}
	r := victimReport{Digest: c.Run.Digest().String(), Resumed: c.Run.Resumed.Pages, Requests: c.Run.Requests, Incomplete: c.Incomplete(), ResultsDecided: c.Results.Len()}
	for i := range c.Snapshot.Segments {
		seg := &c.Snapshot.Segments[i]
		r.Pages += len(seg.Pages)
		for j := range seg.Pages {
			r.Items += len(seg.Pages[j].Items)
		}
		for _, a := range seg.Coverage.Asks {
			r.DuplicateRows += a.Rows - a.Unique
			r.MissingPages += a.Subjects - a.Answered - len(a.Refusals)
		}
	}
	b, err := json.Marshal(r)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "report.json"), b, 0o600)
	}
	if err != nil {
		return fail(err)
	}
	return 0
}

// TestKilledCollection kills a collection of all sources with SIGKILL at random
// points; run again, it comes to what an undisturbed one comes to.
func TestKilledCollection(t *testing.T) {
	if testing.Short() {
		t.Skip("processes")
	}
	s, err := azuresim.New(estateOrganisation(t, estateText(t)), azuresim.Options{Seed: 4, Now: func() time.Time { return matrixNow }, PageSize: 3})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	client := s.Client()
	t.Cleanup(func() {
		client.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	hub := func() string {
		header, _, err := signIn{sim: s, client: client}.Token(t.Context(), collect.HostGitHub, "")
		if err != nil {
			t.Fatal(err)
		}
		return header[len("Bearer "):]
	}
	start := func(dir string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "TICKMARK_TEST_COLLECT="+dir, "TICKMARK_TEST_GITHUB="+hub())
		if *kills < 50 {
			cmd.Env = append(cmd.Env, "TICKMARK_TEST_QUICK=1")
		}
		cmd.Stderr = &bytes.Buffer{}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	whole := func(dir string) victimReport {
		cmd := start(dir)
		if err := cmd.Wait(); err != nil {
			t.Fatalf("%v: %s", err, cmd.Stderr)
		}
		b, err := os.ReadFile(filepath.Join(dir, "report.json"))
		var r victimReport
		if err == nil {
			err = json.Unmarshal(b, &r)
		}
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	fresh := func() string {
		dir := t.TempDir()
		if err := s.EndpointsFile(filepath.Join(dir, "endpoints.json")); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	before := collect.SystemClock{}.Now()
	want := whole(fresh())
	took := collect.SystemClock{}.Now().Sub(before)
	if again := whole(fresh()); again.Digest != want.Digest {
		t.Fatal("two undisturbed collections differ: the test cannot show anything")
	}
	if want.Incomplete || want.Pages < 500 {
		t.Fatalf("the undisturbed collection: %+v", want)
	}
	rng := rand.New(rand.NewPCG(*matrixSeed, 22))
	killed, resumed, least, most := 0, 0, want.Pages, 0
	for n := range *kills {
		dir := fresh()
		for range 1 + n%2 { // every second one is killed twice
			cmd := start(dir)
			_ = collect.SystemClock{}.Sleep(t.Context(), time.Duration((0.03+0.94*rng.Float64())*float64(took)))
			_ = cmd.Process.Kill()
			if cmd.Wait() != nil {
				killed++
			}
		}
		got := whole(dir)
		if got.Resumed > 0 {
			resumed++
		}
		least, most = min(least, got.Resumed), max(most, got.Resumed)
		if got.Digest != want.Digest || got.Pages != want.Pages || got.Items != want.Items || got.DuplicateRows != want.DuplicateRows || got.MissingPages != 0 || got.ResultsDecided != want.ResultsDecided {
			t.Errorf("kill %d: %+v, undisturbed %+v", n, got, want)
		}
		if got.Requests > want.Requests+64 {
			t.Errorf("kill %d: %d requests in all, undisturbed %d", n, got.Requests, want.Requests)
		}
	}
	t.Logf("%d collections of %d pages and %d rows, %d SIGKILLs, %d went on with %d to %d pages; one takes %v", *kills, want.Pages, want.Items, killed, resumed, least, most, took.Round(time.Millisecond))
	if killed < *kills/2 || resumed < *kills/3 {
		t.Errorf("%d were killed and %d resumed: the test does not reach what it is about", killed, resumed)
	}
	if l := s.Log(); l.ByStatus[http.StatusTooManyRequests] > 0 {
		t.Errorf("throttled %d times without quotas", l.ByStatus[http.StatusTooManyRequests])
	}
}
