// SPDX-License-Identifier: Apache-2.0

package work

import (
	"context"

	"github.com/tickmark/tickmark/change"
	"github.com/tickmark/tickmark/history"
	"github.com/tickmark/tickmark/inventory"
)

// Changes joins the deployments that a recorded snapshot holds with who wrote,
// reviewed, approved and deployed what they brought.
func Changes(ctx context.Context, st Reader, id string) (*change.Trace, history.Entry, error) {
	stored, err := st.Load(ctx, id)
	if err != nil {
		return nil, history.Entry{}, err
	}
	inv, err := inventory.Build(ctx, stored.Snapshot, inventory.Options{})
	if err != nil {
		return nil, history.Entry{}, err
	}
	return change.Of(inv), stored.Entry, nil
}
