// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package file

import (
	"os"

	"golang.org/x/sys/unix"
)

// mapFile maps a file of size bytes for reading. release gives the memory
// back; the bytes must not be used after it.
func mapFile(f *os.File, size int64) (b []byte, release func() error, err error) {
	b, err = unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return nil, nil, err
	}
	// A hint only: the file is read once, from front to back.
	_ = unix.Madvise(b, unix.MADV_WILLNEED)
	return b, func() error { return unix.Munmap(b) }, nil
}

// forget drops the pages of a mapping from memory; reading brings them back.
func forget(b []byte) {
	_ = unix.Madvise(b, unix.MADV_DONTNEED) // a hint: failing costs memory only
}
