// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/change"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/work"
)

// TestCollectPseudonyms: what the code sources answer is kept without a name or
// login of a person; as many records are read, checks come to the same and who
// did what is the same as without pseudonyms. The
// control is the same collection without them, which holds the names.
func TestCollectPseudonyms(t *testing.T) {
	r := newStand(t, estateText(t))
	collected := func(p *inventory.Pseudonyms) (*work.Collected, map[string]int) {
		o, err := r.options(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		c, err := work.Collect(t.Context(), work.CollectOptions{
			Sources: only(t, "devops", "github"), Collect: o, Pseudonyms: p, Assess: work.AssessOptions{Now: r.clock.Now(), Engine: "test"},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := c.Run.Close(); err != nil {
				t.Error(err)
			}
		})
		items := map[string]int{}
		for _, s := range c.Snapshot.Segments {
			for i := range s.Pages {
				items[s.Pages[i].Ask] += len(s.Pages[i].Items)
			}
		}
		return c, items
	}
	leaks := func(s *tickmark.Snapshot) map[string]string {
		found := map[string]string{}
		for _, seg := range s.Segments {
			for i := range seg.Pages {
				b := bytes.ToLower(seg.Pages[i].Bytes)
				for _, name := range []string{"ada ray", "ada-ray", "ada@", "bo li", "bo-li", "bo@", "careless"} {
					if at := bytes.Index(b, []byte(name)); at >= 0 && !strings.HasSuffix(string(b[max(0, at-1):at]), "w") {
						found[seg.Pages[i].Ask+" "+name] = string(b[max(0, at-120):min(len(b), at+60)])
					}
				}
			}
		}
		return found
	}
	plain, want := collected(nil)
	if len(leaks(plain.Snapshot)) < 10 || want["pull-request-details"] == 0 {
		t.Fatalf("the control holds few names, so this shows nothing: %v, %v", leaks(plain.Snapshot), want)
	}
	p, err := inventory.NewPseudonyms(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	kept, got := collected(p)
	for where, text := range leaks(kept.Snapshot) {
		t.Errorf("%s: …%s…", where, text)
	}
	for ask, n := range want {
		if got[ask] != n {
			t.Errorf("%s: %d records under pseudonyms, %d without", ask, got[ask], n)
		}
	}
	for k := range plain.Checks {
		if was, is := plain.Checks[k], kept.Checks[k]; was.State != is.State {
			t.Errorf("check %d: %s under pseudonyms, %s without", k, is.State, was.State)
		}
	}
	was, is := change.Of(plain.Inventory), change.Of(kept.Inventory)
	if len(was.Deployments) == 0 || len(was.Deployments) != len(is.Deployments) {
		t.Fatalf("%d deployments, %d under pseudonyms", len(was.Deployments), len(is.Deployments))
	}
	for name, of := range map[string]func(*change.Deployment) change.Fact{
		"ReviewedByOther": func(d *change.Deployment) change.Fact { return d.ReviewedByOther },
		"ApprovedByOther": func(d *change.Deployment) change.Fact { return d.ApprovedByOther },
		"DeployedByOther": func(d *change.Deployment) change.Fact { return d.DeployedByOther },
	} {
		if was.Count(of) != is.Count(of) {
			t.Errorf("%s: %+v under pseudonyms, %+v without", name, is.Count(of), was.Count(of))
		}
	}
}
