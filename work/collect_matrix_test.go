// SPDX-License-Identifier: Apache-2.0

package work_test

import (
	"context"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/azuresim"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/work"
)

func TestTmpBaseline(t *testing.T) {
	text := estateText(t)
	os.WriteFile("/tmp/fig/estate.yaml", text, 0o600)
	clock := &hands{t: time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC)}
	s, err := azuresim.New(estateOrganisation(t, text), azuresim.Options{Seed: 4, Now: clock.Now, PageSize: 3})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	doc, _ := json.Marshal(s.EndpointsDocument())
	e, err := collect.ParseEndpoints("endpoints.json", doc)
	if err != nil {
		t.Fatal(err)
	}
	for _, src := range work.Sources() {
		creds, err := collect.NewCredentials(e, collect.SignIn{Kind: "simulator"}, clock)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		to := time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC)
		c, err := work.Collect(context.Background(), work.CollectOptions{Sources: []collect.Source{src}, Collect: collect.Options{
			Dir: t.TempDir(), Endpoints: e, Credentials: creds, Clock: clock, Limit: 24 * time.Hour,
			Root: []byte(`{"tenantId":"` + e.TenantID + `","devopsOrganizations":["contoso"],"githubOrganizations":["contoso"]}`), From: to.Add(-72 * time.Hour), To: to,
		}, Assess: work.AssessOptions{Now: to, Engine: "test"}})
		if err != nil {
			t.Fatal(err)
		}
		counts := map[tickmark.Verdict]int{}
		for r := range c.Results.Bare() {
			counts[r.Verdict]++
		}
		t.Logf("%s: %v requests %d verdicts %v incomplete %v", src.Name, time.Since(start), c.Run.Requests, counts, c.Incomplete())
		for _, p := range c.Problems {
			t.Logf("  problem %+v", p)
		}
		for _, seg := range c.Coverage {
			for _, a := range seg.Asks {
				if a.Missing != "" || len(a.Refusals) > 0 {
					t.Logf("  %s %s: %s %s %+v", seg.Scope, a.Name, a.Missing, a.Detail, a.Refusals)
				}
				if a.Rows == 0 {
					t.Logf("  %s %s: no rows (subjects %d)", seg.Scope, a.Name, a.Subjects)
				}
			}
		}
		c.Run.Close()
	}
}
