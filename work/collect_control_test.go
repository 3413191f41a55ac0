// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark/azuresim"
	"github.com/tickmark/tickmark/collect"
)

// control is a collector that lacks something. The matrix must see what it
// gets wrong under the fault, or it shows nothing.
type control struct {
	name, source, fault string
	off                 []string              // guards of the engine
	change              func(*collect.Source) // what the source forgets
	naive               bool                  // reads answers as a stock pager does
	fits                func(asked) bool      // the requests that can show it
}

// stock is what a stock pager makes of answers: whatever has no list has no
// rows, and what is refused is skipped.
type stock struct{ next http.RoundTripper }

func (s stock) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		body = nil
	}
	list := bytes.Contains(body, []byte(`"value":[`)) || bytes.Contains(body, []byte(`"data":[`)) || bytes.Contains(body, []byte(`"id":`))
	if resp.StatusCode != http.StatusOK || !list {
		body = []byte(`{"value":[],"data":[],"totalRecords":0,"count":0,"resultTruncated":"false"}`)
		if strings.Contains(r.URL.Path, "Microsoft.ResourceGraph") {
			body = []byte(`{"data":[],"totalRecords":0,"count":0,"resultTruncated":"false"}`)
		}
		resp.StatusCode, resp.Status = http.StatusOK, "200 OK"
		resp.Header.Set("Content-Type", "application/json")
	}
	resp.Header.Del("Content-Encoding")
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, nil
}

func rows(q asked) bool  { return q.rows > 0 && strings.HasPrefix(q.ask.Form, "arm") }
func pages(q asked) bool { return q.pages > 1 }

func controls() []control {
	withoutProof := func(s *collect.Source) {
		for i := range s.Asks {
			s.Asks[i].Proof = ""
		}
	}
	return []control{
		{name: "a stock pager, errors", source: "arm", fault: "C6/error", naive: true, fits: rows},
		{name: "a stock pager, nothing", source: "arm", fault: "C6/object", naive: true, fits: rows},
		{name: "a stock pager, refusals", source: "arm", fault: "C15", naive: true, fits: rows},
		{name: "a stock pager, failures", source: "arm", fault: "C5/500", naive: true, fits: rows},
		{name: "cut", source: "arm", fault: "C12/truncated", off: []string{"cut", "countAsk", "declared", "unique"}, fits: pages},
		{name: "declared", source: "graph", fault: "C11", off: []string{"declared", "unique"}, fits: func(q asked) bool { return q.pages > 1 && strings.Contains(q.ask.Query, "$count=true") }},
		{name: "loop", source: "graph", fault: "C9/self", off: []string{"loop", "duplicatePage", "ceiling", "unique", "dedupe", "declared"}, fits: pages},
		{name: "proof", source: "devops", fault: "C27", change: withoutProof},
		{name: "proof", source: "github", fault: "C27", change: withoutProof},
		{name: "proof", source: "power", fault: "C27", change: withoutProof},
		{name: "refresh", source: "arm", fault: "C14/refresh", off: []string{"refresh"}, fits: rows},
		{name: "dependency", source: "arm", fault: "C15", off: []string{"dependency"}, fits: func(q asked) bool { return rows(q) && strings.HasPrefix(q.ask.Name, "sentinel") }},
		{name: "scopes above", source: "arm", fault: "C26", change: func(s *collect.Source) {
			// Two more ways lead to what is inherited: the providers' own lists, at
			// each subscription and at each management group.
			s.Asks = slices.DeleteFunc(s.Asks, func(a collect.Ask) bool {
				return strings.HasPrefix(a.Name, "role-assignments") || strings.HasPrefix(a.Name, "group-role-assignments")
			})
			for i := range s.Asks {
				a := &s.Asks[i]
				a.Body = strings.ReplaceAll(a.Body, `"authorizationScopeFilter":"AtScopeAboveAndBelow"`, `"authorizationScopeFilter":"AtScopeAndBelow"`)
			}
		}},
	}
}

// TestMatrixControls: each collector that lacks something is seen to say what
// is not so.
func TestMatrixControls(t *testing.T) {
	text := estateText(t)
	s := newStand(t, text)
	sources, base := map[string]collect.Source{}, map[string]*outcome{}
	for _, c := range controls() {
		t.Run(c.name+" "+c.source+" "+c.fault, func(t *testing.T) {
			src, ok := sources[c.source]
			if !ok {
				src = only(t, c.source)[0]
				b, err := s.run(t, src, &experiment{})
				if err != nil {
					t.Fatal(err)
				}
				sources[c.source], base[c.source] = src, b
			}
			want := base[c.source]
			info := azuresim.FaultInfo{ID: c.fault}
			rng := rand.New(rand.NewPCG(*matrixSeed, hashOf(c.name)))
			var list []experiment
			for _, k := range rng.Perm(len(want.requests)) {
				q := want.requests[k]
				x := experiment{source: c.source, fault: info, hit: []*collect.Ask{q.ask}}
				switch {
				case c.fault == "C26":
				case c.fits != nil && !c.fits(q), c.fault == "C27" && q.ask.Proof == "", strings.HasPrefix(c.fault, "C12") && q.ask.Pace != collect.PaceResourceGraph:
					continue
				case c.fault == "C27":
					x.deny = hidden(q, want)
				default:
					x.put = []azuresim.Fault{at(info, &q, rng)}
				}
				if list = append(list, x); c.fault == "C26" {
					break
				}
			}
			used := src
			used.Asks = slices.Clone(src.Asks)
			if c.change != nil {
				c.change(&used)
			}
			s.naive, s.patience = c.naive, longestRun
			if c.name == "loop" {
				s.patience = 3 * time.Second
			}
			defer func() { s.naive, s.patience = false, longestRun }()
			tried := 0
			for i := range list[:min(len(list), 60)] {
				x := &list[i]
				tried++
				got, err := s.run(t, used, x, c.off...)
				if err != nil && c.name == "loop" {
					t.Logf("seen in run %d: %v", tried, err)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				x.fault.Recovers = c.fault == "C14/refresh"
				if bad, _ := want.violations(got, x); len(bad) > 0 {
					t.Logf("seen in run %d: %s", tried, bad[0])
					return
				}
			}
			t.Errorf("not seen in %d runs", tried)
		})
	}
}
