// SPDX-License-Identifier: Apache-2.0

package work

import (
	"context"

	"github.com/tickmark/tickmark/history"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/logs"
)

// Logs says what the copies of each log cover that a recorded snapshot holds.
func Logs(ctx context.Context, st Reader, id string) (*logs.Coverage, history.Entry, error) {
	stored, err := st.Load(ctx, id)
	if err != nil {
		return nil, history.Entry{}, err
	}
	inv, err := inventory.Build(ctx, stored.Snapshot, inventory.Options{})
	if err != nil {
		return nil, history.Entry{}, err
	}
	return logs.Of(stored.Snapshot, inv), stored.Entry, nil
}
