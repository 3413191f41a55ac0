// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
)

// bulk serves n resources of about 2 KB over 200 subscriptions, a thousand a
// page, as Resource Graph does, and a small answer for each resource.
type bulk struct {
	n    int
	text string
}

func (b *bulk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/query":
		var q struct {
			Options struct {
				Token string `json:"$skipToken"`
			} `json:"options"`
		}
		_ = json.Unmarshal([]byte(r.Header.Get("X-Test-Body")), &q)
		from, _ := strconv.Atoi(q.Options.Token)
		to := min(from+1000, b.n)
		fmt.Fprintf(w, `{"totalRecords":%d,"count":%d,"resultTruncated":"false","data":[`, b.n, to-from)
		for i := from; i < to; i++ {
			if i > from {
				_, _ = fmt.Fprint(w, ",")
			}
			fmt.Fprintf(w, `{"id":"/subscriptions/s%03d/resourceGroups/rg/providers/Test/things/t%d","name":"t%d","type":"test/things","properties":{"text":"%s"}}`, i%200, i, i, b.text)
		}
		_, _ = fmt.Fprint(w, `]`)
		if to < b.n {
			fmt.Fprintf(w, `,"$skipToken":"%d"`, to)
		}
		_, _ = fmt.Fprint(w, `}`)
	default:
		fmt.Fprintf(w, `{"value":[{"id":%q,"name":"x"}]}`, r.URL.Path+"/x")
	}
}

func bulkSource(children bool) Source {
	all := Ask{
		Name: "resources", Host: HostARM, Method: http.MethodPost, Path: "/query", Body: `{"query":"resources"}`, Paging: PageSkipToken,
		Form: formResourceGraph, Types: []string{"*"}, Pace: PaceResourceGraph,
	}
	if !children {
		return armSource(all)
	}
	settings := Ask{
		Name: "settings", Of: []string{"Test/things"}, Host: HostARM, Path: "{id}/settings", Form: formARMList, Paging: PageNextLink, Types: []string{"Test/things/settings"}, Pace: PaceARM,
		Where: func(s *Subject) bool { return strings.HasSuffix(s.Name, "0") },
	}
	return armSource(all, settings)
}

func unpaced() map[Pace]Quota {
	quotas := map[Pace]Quota{}
	for p, q := range Quotas {
		quotas[p] = Quota{Number: 1 << 20, Per: time.Second, Burst: 1 << 20, Parallel: 16, Each: q.Each}
	}
	return quotas
}

// bulkVictim collects in a process of its own and prints what it took.
func bulkVictim(dir string) int {
	e, err := LoadEndpoints(filepath.Join(dir, "endpoints.json"))
	if err != nil {
		return 3
	}
	tune := defaults()
	tune.quotas = unpaced()
	c, err := Run(context.Background(), []Source{bulkSource(true)}, Options{Dir: filepath.Join(dir, "run"), Credentials: Static("Bearer x"), Endpoints: e, tune: &tune})
	if err != nil {
		fmt.Println(err)
		return 2
	}
	n := 0
	for i := range c.Snapshot.Segments {
		for j := range c.Snapshot.Segments[i].Pages {
			p := &c.Snapshot.Segments[i].Pages[j]
			n += len(p.Items)
			if tickmark.DigestOf(p.Bytes) != p.Digest {
				return 4
			}
			if j%16 == 15 {
				c.Release(i)
			}
		}
		c.Release(i)
	}
	peak := "unknown"
	if b, err := os.ReadFile("/proc/self/status"); err == nil {
		for line := range strings.Lines(string(b)) {
			if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
				peak = strings.TrimSpace(v)
			}
		}
	}
	fmt.Printf("items %d requests %d peak %s\n", n, c.Requests, peak)
	return 0
}

// TestScale collects 100,000 resources of about 2 KB, and asks about a tenth of
// them, within 300 MiB.
func TestScale(t *testing.T) {
	if os.Getenv("TICKMARK_TEST_SCALE") == "" {
		t.Skip("set TICKMARK_TEST_SCALE=1; it takes half a minute")
	}
	const most = 300 << 10 // KiB
	b := &bulk{n: 100_000, text: strings.Repeat("lorem ipsum dolor sit amet ", 70)}
	cloud := newCloud(t, newTestClock(), b.ServeHTTP)
	dir := t.TempDir()
	file := fmt.Sprintf(`{"cloud":"public","urls":{"arm":%q},"caPEM":%q}`, cloud.URL, pemOf(cloud.Certificate().Raw))
	if err := os.WriteFile(filepath.Join(dir, "endpoints.json"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "TICKMARK_TEST_BULK="+dir)
	start := SystemClock{}.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var items, asked, peak int
	if _, err := fmt.Sscanf(string(out), "items %d requests %d peak %d kB", &items, &asked, &peak); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Logf("%d items, %d requests, %d MiB, %v", items, asked, peak>>10, SystemClock{}.Now().Sub(start).Round(time.Millisecond))
	if items != 110_000 || peak > most {
		t.Errorf("%d items with %d KiB, want 110000 within %d", items, peak, most)
	}
}

// BenchmarkPages measures pages of 1,000 rows of about 2 KB, server included.
func BenchmarkPages(b *testing.B) {
	src := &bulk{n: 20_000, text: strings.Repeat("lorem ipsum dolor sit amet ", 70)}
	b.ReportAllocs()
	pages := 0
	for b.Loop() {
		s := newSetup(b, src.ServeHTTP)
		s.tune.quotas = unpaced()
		s.opts.Clock = SystemClock{}
		c := s.run(b, bulkSource(false))
		pages += len(c.Snapshot.Segments[0].Pages)
	}
	b.ReportMetric(float64(pages)/b.Elapsed().Seconds(), "pages/s")
}
