// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/collect/file"
	"github.com/tickmark/tickmark/policy"
	"github.com/tickmark/tickmark/report"
	"github.com/tickmark/tickmark/store"
	"github.com/tickmark/tickmark/work"
)

// checksCompareCommand is tickmark checks compare.
type checksCompareCommand struct {
	Paths       []string `arg:"" optional:"" name:"path" help:"Exported objects: files, folders, archives, or - for standard input; default: a recorded snapshot."`
	Definitions []string `help:"Microsoft's built-in definitions, beside those among the objects: a checkout or an archive of github.com/Azure/azure-policy, or files." placeholder:"PATH"`
	Complete    []string `help:"Resource types that the export holds completely, so that absence can be concluded; * for all." placeholder:"TYPE"`
	Snapshot    string   `help:"The recorded snapshot: an id, latest or previous." default:"latest" placeholder:"ID"`
	Limit       int      `help:"Disagreements to print; -1 for all." default:"20"`
	formFlags
	dataFlags
}

// Run compares and prints the pairs, then the resources on which they disagree.
func (c *checksCompareCommand) Run(rc *runContext) error {
	m := &policy.Import{}
	for _, p := range c.Definitions {
		if err := readDefinitions(m, p, rc.In); err != nil {
			return err
		}
	}
	out, err := c.compare(rc, m)
	if err != nil {
		return err
	}
	if err := c.print(rc, c.listing(out), out); err != nil {
		return err
	}
	switch {
	case out.Agree+out.Listed+out.Unlisted == 0:
		fmt.Fprintf(rc.Err, "tickmark: incomplete: not one resource could be compared; %s the definition (--definitions)\n", count(out.Missing, "pair lacks", "pairs lack"))
		return statusError(tickmark.ExitIncomplete)
	case len(out.Unbound) > 0:
		fmt.Fprintf(rc.Err, "tickmark: incomplete: %s could not be compared\n", count(len(out.Unbound), "pair", "pairs"))
		return statusError(tickmark.ExitIncomplete)
	case out.Unlisted > 0:
		return statusError(tickmark.ExitFindings)
	}
	return nil
}

func (c *checksCompareCommand) compare(rc *runContext, m *policy.Import) (*check.Comparison, error) {
	now := rc.Now().UTC()
	if len(c.Paths) > 0 {
		files, err := file.Open(rc.Context, c.Paths, file.Options{Stdin: rc.In, CompleteTypes: c.Complete, ObservedAt: now})
		if err != nil {
			return nil, err
		}
		defer func() { _ = files.Close() }() // read only
		return work.Compare(rc.Context, &files.Snapshot, m, now)
	}
	var out *check.Comparison
	err := c.with(rc, func(s *store.Store) error {
		stored, err := s.Load(rc.Context, c.Snapshot)
		if err != nil {
			return err
		}
		out, err = work.Compare(rc.Context, stored.Snapshot, m, stored.Snapshot.ObservedAt)
		return err
	})
	return out, err
}

// listing is the table of pairs; its notes are the disagreements, those without
// a listed cause first.
func (c *checksCompareCommand) listing(out *check.Comparison) *report.Listing {
	t := &report.Listing{
		Title:   "Checks beside Microsoft's policies",
		Columns: []string{"check", "policy", "relation", "agree", "listed", "unlisted", "undecided", "definition"}, Wide: 1,
	}
	type found struct {
		pair *check.PairCount
		at   *check.ComparedResource
	}
	var all []found
	for i := range out.Pairs {
		p := &out.Pairs[i]
		t.Rows = append(t.Rows, []string{
			p.Check, p.Name, string(p.Relation), fmt.Sprint(p.Agree), fmt.Sprint(p.Listed), fmt.Sprint(p.Unlisted), fmt.Sprint(p.Undecided), p.Policy,
		})
		for k := range p.Resources {
			all = append(all, found{p, &p.Resources[k]})
		}
	}
	t.Notes = []string{fmt.Sprintf("%s; %d disagree for a listed cause, %d for none that is listed; %d are undecided on one side at least; %s the definition. doc/spec/differences.md has the causes of all pairs.",
		count(out.Agree, "comparison agrees", "comparisons agree"), out.Listed, out.Unlisted, out.Undecided, count(out.Missing, "pair lacks", "pairs lack"))}
	for _, pair := range slices.Sorted(maps.Keys(out.Unbound)) {
		t.Notes = append(t.Notes, "not compared: "+pair+": "+out.Unbound[pair])
	}
	slices.SortStableFunc(all, func(a, b found) int { return cmp.Compare(rank(a.at), rank(b.at)) })
	for i, f := range all {
		if c.Limit >= 0 && i >= c.Limit {
			t.Notes = append(t.Notes, fmt.Sprintf("and %d more disagreements (--limit -1 or --json)", len(all)-i))
			break
		}
		t.Notes = append(t.Notes, fmt.Sprintf("%s: %s says %s, %s says %s. %s", f.at.Resource, f.pair.Check, f.at.Ours, f.pair.Policy, f.at.Theirs, f.at.Cause))
	}
	return t
}

func rank(r *check.ComparedResource) int {
	if r.Cause == check.CauseUnlisted {
		return 0
	}
	return 1
}
