// SPDX-License-Identifier: Apache-2.0

package work

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/collect"
)

// SightGap is a part of Azure of which the identity cannot tell how much there
// is.
type SightGap struct {
	// Scope is a subscription, or the root management group: then it is not known
	// which subscriptions the tenant has.
	Scope string `json:"scope"`
	// Root says that Scope is the root management group.
	Root   bool            `json:"root,omitempty"`
	Reason tickmark.Reason `json:"reason"`
	Why    string          `json:"why"`
}

// Sight finds what the identity may read only in part: each subscription that
// it is shown but may not read as a whole, each that it is not shown, and the
// tenant itself where the hierarchy cannot be read from its root. It takes one
// request for each subscription.
func Sight(ctx context.Context, sources []collect.Source, o collect.Options) (gaps []SightGap, err error) {
	arm := slices.IndexFunc(sources, func(s collect.Source) bool { return s.Name == "arm" })
	if arm < 0 {
		return nil, nil
	}
	dir, err := os.MkdirTemp(o.Dir, "sight-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := os.RemoveAll(dir); err == nil {
			err = e
		}
	}()
	const counts = "resource-counts" // a count of everything needs sight of everything
	o.Dir, o.Only, o.Progress = dir, []string{"arm/" + counts}, nil
	run, err := collect.Run(ctx, sources[arm:arm+1], o)
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := run.Close(); err == nil {
			err = e
		}
	}()
	add := func(f *tickmark.Refusal) {
		low := strings.ToLower(f.Scope)
		root := strings.HasPrefix(low, "/providers/microsoft.management/managementgroups/")
		if !slices.ContainsFunc(gaps, func(g SightGap) bool { return strings.EqualFold(g.Scope, f.Scope) }) {
			gaps = append(gaps, SightGap{Scope: f.Scope, Root: root, Reason: f.Reason, Why: f.Detail})
		}
	}
	for i := range run.Snapshot.Segments {
		for k := range run.Snapshot.Segments[i].Coverage.Asks {
			a := &run.Snapshot.Segments[i].Coverage.Asks[k]
			switch a.Name {
			case "subscriptions":
				for n := range a.Excluded {
					add(&a.Excluded[n])
				}
			case counts:
				for n := range a.Refusals {
					add(&a.Refusals[n])
				}
			}
		}
	}
	slices.SortFunc(gaps, func(a, b SightGap) int { return strings.Compare(a.Scope, b.Scope) })
	return gaps, nil
}
