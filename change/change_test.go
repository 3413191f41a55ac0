// SPDX-License-Identifier: Apache-2.0

package change_test

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/change"
	"github.com/tickmark/tickmark/inventory"
)

// story is one case of testdata/world.yaml.
type story struct {
	Name string `yaml:"name"`
	// Of is the deployment that is looked at: the last part of its id.
	Of    string           `yaml:"of"`
	Set   map[string][]any `yaml:"set"`
	Unset []string         `yaml:"unset"`
	// Lacks are the types that were not read whole.
	Lacks []string `yaml:"lacks"`
	// Ends is until when pull requests were read.
	Ends            string    `yaml:"ends"`
	Changes         *[]string `yaml:"changes"`
	Gap             string    `yaml:"gap"`
	Result          string    `yaml:"result"`
	Wrote           *[]string `yaml:"wrote"`
	Reviewed        *[]string `yaml:"reviewed"`
	Approved        *[]string `yaml:"approved"`
	ApprovedUnknown string    `yaml:"approvedUnknown"`
	// RAD are the answers: y, n, ? or -.
	RAD string `yaml:"rad"`
}

func load(t *testing.T) (world map[string][]any, cases []story) {
	t.Helper()
	b, err := os.ReadFile("testdata/world.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		World map[string][]any `yaml:"world"`
		Cases []story          `yaml:"cases"`
	}
	if err := yaml.UnmarshalWithOptions(b, &f, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	return f.World, f.Cases
}

// snapshot makes what a collection would have brought.
func snapshot(t *testing.T, world map[string][]any, lacks []string) *tickmark.Snapshot {
	t.Helper()
	identity := map[string]string{"devops/pushes": "pushId", "devops/pullRequests": "pullRequestId", "devops/pullRequestCommits": "commitId", "github/commits": "sha", "github/pullRequests": "number", "github/pullRequestDetails": "number", "github/pullRequestCommits": "sha", "github/runApprovals": "#"}
	seg := tickmark.Segment{Source: "devops", Coverage: tickmark.Coverage{Source: "devops", Declared: -1}}
	types := map[string]bool{}
	keys := make([]string, 0, len(world))
	for key := range world {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		typ, subject, _ := strings.Cut(key, " of ")
		types[typ] = true
		p := tickmark.Page{Name: "GET " + key, Form: "array", Entity: typ, Ask: typ, Subject: subject, Identity: identity[typ], Request: &tickmark.Request{Method: "GET", Status: 200}}
		for _, record := range world[key] {
			b, err := json.Marshal(record)
			if err != nil {
				t.Fatal(err)
			}
			p.Items = append(p.Items, tickmark.Item{Off: len(p.Bytes), Len: len(b)})
			p.Bytes = append(append(p.Bytes, b...), '\n')
		}
		p.Digest = tickmark.DigestOf(p.Bytes)
		seg.Pages = append(seg.Pages, p)
	}
	for typ := range types {
		a := tickmark.AskCoverage{Name: typ, Types: []string{typ}, Subjects: 1, Answered: 1, Declared: -1}
		if slices.Contains(lacks, typ) {
			a.Answered, a.Missing = 0, tickmark.ReasonTruncated
		}
		seg.Coverage.Asks = append(seg.Coverage.Asks, a)
	}
	slices.SortFunc(seg.Coverage.Asks, func(a, b tickmark.AskCoverage) int { return strings.Compare(a.Name, b.Name) })
	return &tickmark.Snapshot{Origin: "sample", ObservedAt: time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC), Segments: []tickmark.Segment{seg}}
}

func trace(t *testing.T, world map[string][]any, lacks []string) *change.Trace {
	t.Helper()
	return traced(t, snapshot(t, world, lacks))
}

func traced(t *testing.T, snap *tickmark.Snapshot) *change.Trace {
	t.Helper()
	inv, err := inventory.Build(context.Background(), snap, inventory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return change.Of(inv)
}

func find(t *testing.T, tr *change.Trace, id string) *change.Deployment {
	t.Helper()
	for i := range tr.Deployments {
		if strings.HasSuffix(tr.Deployments[i].ID, "/"+id) {
			return &tr.Deployments[i]
		}
	}
	t.Fatalf("no deployment %s in %d", id, len(tr.Deployments))
	return nil
}

func people(w change.Who) []string {
	out := []string{}
	for _, p := range w.People {
		out = append(out, p.Name)
	}
	return out
}

func answers(d *change.Deployment) string {
	letters := map[change.Fact]string{change.Yes: "y", change.No: "n", change.Unknown: "?", change.Nothing: "-"}
	return letters[d.ReviewedByOther] + letters[d.ApprovedByOther] + letters[d.DeployedByOther]
}

func TestOf(t *testing.T) {
	world, cases := load(t)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			w := map[string][]any{}
			for k, v := range world {
				if !slices.Contains(c.Unset, k) {
					w[k] = v
				}
			}
			for k, v := range c.Set {
				if _, ok := w[k]; !ok {
					t.Fatalf("the world has no %q", k)
				}
				w[k] = v
			}
			snap := snapshot(t, w, c.Lacks)
			if ends, err := time.Parse(time.RFC3339, c.Ends); err == nil {
				for i := range snap.Segments[0].Coverage.Asks {
					if a := &snap.Segments[0].Coverage.Asks[i]; a.Name == "devops/pullRequests" {
						a.Span = &tickmark.Span{To: ends}
					}
				}
			}
			d := find(t, traced(t, snap), c.Of)
			if c.Changes != nil {
				got := []string{}
				for _, ch := range d.Changes {
					if ch.Number != "" {
						got = append(got, ch.Number)
					} else {
						got = append(got, ch.Commit)
					}
				}
				if diff := cmp.Diff(*c.Changes, got); diff != "" {
					t.Errorf("changes: %s", diff)
				}
			}
			if c.Gap == "" != (d.Gap == "") || !strings.Contains(d.Gap, c.Gap) {
				t.Errorf("gap %q, want %q", d.Gap, c.Gap)
			}
			if c.Result != "" && d.Result != c.Result {
				t.Errorf("result %q, want %q", d.Result, c.Result)
			}
			for _, x := range []struct {
				name string
				want *[]string
				got  change.Who
			}{{"wrote", c.Wrote, d.Wrote}, {"reviewed", c.Reviewed, d.Reviewed}, {"approved", c.Approved, d.Approved}} {
				if x.want == nil {
					continue
				}
				if diff := cmp.Diff(*x.want, people(x.got)); diff != "" {
					t.Errorf("%s: %s", x.name, diff)
				}
			}
			if !strings.Contains(d.Approved.Unknown, c.ApprovedUnknown) || c.ApprovedUnknown == "" && strings.Contains(c.RAD[1:2], "y") && d.Approved.Unknown != "" {
				t.Errorf("approvals unknown because of %q", d.Approved.Unknown)
			}
			if got := answers(d); got != c.RAD {
				t.Errorf("answers %s, want %s\n%+v", got, c.RAD, d)
			}
		})
	}
}

// TestHiding takes away one list after the other: what was yes or no with all
// records may become unknown, but a yes must never come of not looking. It
// hides each list in two ways: unread, which coverage says, and record by
// record within a type that is told to be incomplete.
func TestHiding(t *testing.T) {
	world, _ := load(t)
	all := trace(t, world, nil)
	runs := 0
	for key, records := range world {
		typ, _, _ := strings.Cut(key, " of ")
		for cut := range records {
			w := maps.Clone(world)
			w[key] = slices.Delete(slices.Clone(records), cut, cut+1)
			runs++
			for _, d := range trace(t, w, []string{typ}).Deployments {
				whole := find(t, all, d.ID[strings.LastIndexByte(d.ID, '/')+1:])
				was, is := answers(whole), answers(&d)
				for q := range was {
					if is[q] != was[q] && is[q] != '?' {
						t.Errorf("without record %d of %s, told to be incomplete, answer %d of %s is %c instead of %c", cut, key, q, d.ID, is[q], was[q])
					}
				}
			}
		}
	}
	if runs < 40 {
		t.Errorf("only %d records were hidden", runs)
	}
}

// TestSame: the same records give the same bytes, whatever the order of maps.
func TestSame(t *testing.T) {
	world, _ := load(t)
	want, err := json.Marshal(trace(t, world, nil))
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		got, err := json.Marshal(trace(t, world, nil))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Fatal(diff)
		}
	}
}

// TestNeighbour: an organisation that was refused takes nothing from the
// deployments of another one, and everything from its own.
func TestNeighbour(t *testing.T) {
	world, _ := load(t)
	want := trace(t, world, nil)
	lost, kept := 0, 0
	for _, own := range []bool{false, true} {
		snap := snapshot(t, world, nil)
		all := snap.Segments[0]
		snap.Segments = nil
		for _, source := range []string{"devops", "github"} {
			ours := func(name string) bool { return strings.HasPrefix(name, source+"/") }
			seg := tickmark.Segment{Source: source, Scope: "acme", Coverage: tickmark.Coverage{Source: source, Scope: "acme", Declared: -1}}
			other := tickmark.Segment{Source: source, Scope: "nosuch", Coverage: tickmark.Coverage{Source: source, Scope: "nosuch", Declared: -1}}
			for _, p := range all.Pages {
				if ours(p.Entity) {
					seg.Pages = append(seg.Pages, p)
				}
			}
			for _, a := range all.Coverage.Asks {
				if !ours(a.Name) {
					continue
				}
				refused := a
				refused.Answered, refused.Missing = 0, tickmark.ReasonNotPermitted
				if own {
					a, refused = refused, a
				}
				seg.Coverage.Asks, other.Coverage.Asks = append(seg.Coverage.Asks, a), append(other.Coverage.Asks, refused)
			}
			snap.Segments = append(snap.Segments, seg, other)
		}
		got := traced(t, snap)
		if len(got.Lacking) == 0 {
			t.Error("nothing is told to be lacking")
		}
		for i := range want.Deployments {
			was := answers(&want.Deployments[i])
			id := want.Deployments[i].ID
			is := answers(find(t, got, id[strings.LastIndexByte(id, '/')+1:]))
			switch {
			case !own && is != was:
				t.Errorf("%s: %s instead of %s", id, is, was)
			case own && is != was:
				lost++
			case !own && strings.Contains(was, "y"):
				kept++
			}
		}
	}
	if lost == 0 || kept == 0 {
		t.Errorf("%d kept, and %d lost by a refusal of their own: the world shows nothing", kept, lost)
	}
}
