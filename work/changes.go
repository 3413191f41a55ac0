// SPDX-License-Identifier: Apache-2.0

package work

import (
	"context"

	"github.com/tickmark/tickmark/change"
	"github.com/tickmark/tickmark/history"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/logs"
)

// Changes joins the deployments that a recorded snapshot holds with who wrote,
// reviewed, approved and deployed what they brought.
func Changes(ctx context.Context, st Reader, id string) (*change.Trace, history.Entry, error) {
	stored, inv, err := reread(ctx, st, id)
	if err != nil {
		return nil, history.Entry{}, err
	}
	return change.Of(inv), stored.Entry, nil
}

// Logs says what the copies of each log cover that a recorded snapshot holds.
func Logs(ctx context.Context, st Reader, id string) (*logs.Coverage, history.Entry, error) {
	stored, inv, err := reread(ctx, st, id)
	if err != nil {
		return nil, history.Entry{}, err
	}
	return logs.Of(stored.Snapshot, inv), stored.Entry, nil
}

// reread loads a recorded snapshot with its inventory.
func reread(ctx context.Context, st Reader, id string) (*history.Stored, *inventory.Inventory, error) {
	stored, err := st.Load(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	inv, err := inventory.Build(ctx, stored.Snapshot, inventory.Options{})
	return stored, inv, err
}
