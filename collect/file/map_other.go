// SPDX-License-Identifier: Apache-2.0

//go:build !linux && !darwin

package file

import (
	"io"
	"os"
)

// mapFile reads the file: mapping is done on Linux and macOS only.
func mapFile(f *os.File, size int64) (b []byte, release func() error, err error) {
	b = make([]byte, size)
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, nil, err
	}
	return b, func() error { return nil }, nil
}

// forget does nothing where files are not mapped.
func forget([]byte) {}
