// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/tickmark/tickmark/azuresim"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/collect/collecttest"
	"github.com/tickmark/tickmark/work"
)

// benchEstate is an organisation of which most is read in large pages.
const benchEstate = `
name: Bench
tenant: {domains: [bench.example], epoch: "2026-06-30T12:00:00Z"}
subscriptions: [{name: "s{n}", count: 10}]
resources:
  - {type: Microsoft.Compute/disks, name: "disk-{n:04}", count: 1000, sku: {name: Premium_LRS}, properties: {diskSizeGB: 64, networkAccessPolicy: DenyAll, publicNetworkAccess: Disabled, note: "` + benchText + `"}}
`

const benchText = "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore magna aliqua "

// BenchmarkCollect reads 10,000 resources from a simulator in the same process:
// Resource Graph in pages of a thousand, without quotas. Beside it what the same
// pages take to be served and received, without looking at them: the limit.
func BenchmarkCollect(b *testing.B) {
	org, err := azuresim.Parse("bench.yaml", []byte(strings.Replace(benchEstate, benchText, strings.Repeat(benchText, 10), 1)))
	if err != nil {
		b.Fatal(err)
	}
	clock := collecttest.NewClock(matrixNow)
	s, err := azuresim.New(org, azuresim.Options{Seed: 4, Now: clock.Now})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Start(); err != nil {
		b.Fatal(err)
	}
	st := &stand{sim: s, clock: clock, creds: signIn{sim: s, client: s.Client()}}
	b.Cleanup(func() {
		st.creds.client.CloseIdleConnections()
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	sources, err := work.ChooseSources([]string{"arm/resources"})
	if err != nil {
		b.Fatal(err)
	}
	var asked []*replay
	b.Run("engine", func(b *testing.B) {
		pages, rows, size := 0, 0, int64(0)
		for b.Loop() {
			clock.Set(matrixNow)
			dir, err := os.MkdirTemp("", "bench") //nolint:usetesting // each run cleans up
			if err != nil {
				b.Fatal(err)
			}
			o, err := st.options(dir)
			if err != nil {
				b.Fatal(err)
			}
			tuned(&o)
			o.Only = []string{"arm/resources"}
			taken := &recorder{next: st.creds.client.Transport}
			o.Transport = &http.Client{Transport: taken}
			c, err := collect.Run(b.Context(), sources, o)
			if err != nil {
				b.Fatal(err)
			}
			pages, rows, size = 0, 0, 0
			for i := range c.Snapshot.Segments {
				for j := range c.Snapshot.Segments[i].Pages {
					p := &c.Snapshot.Segments[i].Pages[j]
					pages, rows, size = pages+1, rows+len(p.Items), size+int64(len(p.Bytes))
				}
			}
			asked = taken.all
			if err := c.Close(); err != nil {
				b.Fatal(err)
			}
			_ = os.RemoveAll(dir)
		}
		if rows < 10_000 {
			b.Fatalf("%d rows", rows)
		}
		b.SetBytes(size)
		b.ReportMetric(float64(pages*b.N)/b.Elapsed().Seconds(), "pages/s")
		b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
	})
	b.Run("bytes_alone", func(b *testing.B) {
		var size int64
		for b.Loop() {
			size = 0
			for _, r := range asked {
				n, err := r.again(st.creds.client)
				if err != nil {
					b.Fatal(err)
				}
				size += n
			}
		}
		b.SetBytes(size)
	})
}

// replay is a request that can be put again.
type replay struct {
	method, url string
	header      http.Header
	body        []byte
}

func (r *replay) again(c *http.Client) (int64, error) {
	q, err := http.NewRequest(r.method, r.url, bytes.NewReader(r.body)) //nolint:noctx // a benchmark
	if err != nil {
		return 0, err
	}
	q.Header = r.header
	resp, err := c.Do(q)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s %s: %s", r.method, r.url, resp.Status)
	}
	return io.Copy(io.Discard, resp.Body)
}

// recorder remembers what was asked.
type recorder struct {
	next http.RoundTripper
	mu   sync.Mutex
	all  []*replay
}

func (r *recorder) RoundTrip(q *http.Request) (*http.Response, error) {
	var body []byte
	if q.Body != nil {
		var err error
		if body, err = io.ReadAll(q.Body); err != nil {
			return nil, err
		}
		q.Body = io.NopCloser(bytes.NewReader(body))
	}
	r.mu.Lock()
	r.all = append(r.all, &replay{q.Method, q.URL.String(), q.Header.Clone(), body})
	r.mu.Unlock()
	return r.next.RoundTrip(q)
}
