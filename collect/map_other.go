// SPDX-License-Identifier: Apache-2.0

//go:build !linux && !darwin

package collect

import (
	"io"
	"os"
)

// mapFile reads the file: mapping is done on Linux and macOS only.
func mapFile(f *os.File, size int64) (b []byte, release func() error, err error) {
	b = make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil && err != io.EOF { //nolint:errorlint // ReadAt returns it bare
		return nil, nil, err
	}
	return b, func() error { return nil }, nil
}

// forget does nothing where files are not mapped.
func forget([]byte, int, int) {}

// lockFile does nothing where there is no flock.
func lockFile(*os.File) (unlock func() error, err error) { return func() error { return nil }, nil }
