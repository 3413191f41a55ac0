// SPDX-License-Identifier: Apache-2.0

package work

import (
	"context"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/policy"
)

// Agreement compares our verdicts on every policy assignment of a snapshot
// with the states that Azure gave.
func Agreement(ctx context.Context, snap *tickmark.Snapshot, aliases *policy.Catalog, now time.Time) (*check.Agreement, error) {
	rules, err := rulesOf(nil)
	if err != nil {
		return nil, err
	}
	red := inventory.Redact(snap)
	inv, err := inventory.Build(ctx, snap, inventory.Options{Canonical: rules.Canonical, Redactions: red})
	if err != nil {
		return nil, err
	}
	return check.Agree(ctx, inv, aliases, now)
}

// Compare runs the checks beside their counterparts, the built-in policies that
// judge the same, over a snapshot. The definitions are those of m, and those
// that the snapshot holds.
func Compare(ctx context.Context, snap *tickmark.Snapshot, m *policy.Import, now time.Time) (*check.Comparison, error) {
	rules, err := rulesOf(nil)
	if err != nil {
		return nil, err
	}
	list, err := check.DefaultCounterparts()
	if err != nil {
		return nil, err
	}
	red := inventory.Redact(snap)
	inv, err := inventory.Build(ctx, snap, inventory.Options{Canonical: rules.Canonical, Redactions: red})
	if err != nil {
		return nil, err
	}
	check.AddDefinitions(m, inv)
	comparer := check.NewComparer(rules, list.List, func(guid string) *policy.Definition {
		if i := m.Find(guid); i != nil {
			return i.Definition
		}
		return nil
	})
	return comparer.Sum(inv, now)
}
