// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/tickmark/tickmark"
)

// lockWriter takes the data directory's writer lock, waiting for another
// writer at most wait. Closing the file releases it.
func lockWriter(ctx context.Context, name string, wait time.Duration) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the name is made from the data directory that the operator gave
	if unwritable(err) {
		return nil, errUnwritable(filepath.Dir(name), err)
	}
	if err != nil {
		return nil, err
	}
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for {
		ok, err := tryLock(f)
		if ok {
			return f, nil
		}
		if err == nil {
			select {
			case <-time.After(20 * time.Millisecond):
				continue
			case <-ctx.Done():
				err = ctx.Err()
			case <-deadline.C:
				err = &tickmark.Error{Code: tickmark.CodeConflict, Where: name, What: "another writer is recording; nothing was recorded", Hint: "wait for it and run the command again"}
			}
		}
		_ = f.Close() // the lock was not taken
		return nil, err
	}
}
