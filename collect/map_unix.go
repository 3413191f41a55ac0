// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package collect

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/tickmark/tickmark"
)

// mapFile maps a file of size bytes for reading. release gives the memory
// back; the bytes must not be used after it.
func mapFile(f *os.File, size int64) (b []byte, release func() error, err error) {
	if size == 0 {
		return nil, func() error { return nil }, nil
	}
	b, err = unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, err
	}
	return b, func() error { return unix.Munmap(b) }, nil
}

// forget drops whole memory pages of a part of a mapping; reading brings them
// back.
func forget(m []byte, off, end int) {
	size := os.Getpagesize()
	off, end = (off+size-1)/size*size, end/size*size
	if off < end {
		_ = unix.Madvise(m[off:end], unix.MADV_DONTNEED) // a hint: failing costs memory only
	}
}

// lockFile takes the directory for this process.
func lockFile(f *os.File) (unlock func() error, err error) {
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, &tickmark.Error{
			Code: tickmark.CodeConflict, Where: f.Name(), Err: err,
			What: "another process collects into this directory", Hint: "wait for it, or name another directory",
		}
	}
	return func() error { return unix.Flock(int(f.Fd()), unix.LOCK_UN) }, nil
}
