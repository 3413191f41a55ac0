// SPDX-License-Identifier: Apache-2.0

package store

import "context"

// Durability returns the settings of a store's own connections.
func Durability(ctx context.Context, s *Store) (mode string, synchronous int, err error) {
	if err = s.db.QueryRowContext(ctx, `PRAGMA journal_mode`).Scan(&mode); err == nil {
		err = s.db.QueryRowContext(ctx, `PRAGMA synchronous`).Scan(&synchronous)
	}
	return mode, synchronous, err
}
