// SPDX-License-Identifier: Apache-2.0

package store

import "context"

// Durability returns the settings of a store's connections: of several taken
// out of the pool at once, the weakest.
func Durability(ctx context.Context, s *Store) (mode string, synchronous int, err error) {
	synchronous = 99
	for range 4 {
		conn, err := s.db.Conn(ctx)
		if err != nil {
			return "", 0, err
		}
		defer func() { _ = conn.Close() }() // all at the end, so that each is another one
		n := 0
		if err := conn.QueryRowContext(ctx, `PRAGMA journal_mode`).Scan(&mode); err != nil {
			return "", 0, err
		}
		if err := conn.QueryRowContext(ctx, `PRAGMA synchronous`).Scan(&n); err != nil {
			return "", 0, err
		}
		synchronous = min(synchronous, n)
	}
	return mode, synchronous, nil
}
