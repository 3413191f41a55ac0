// SPDX-License-Identifier: Apache-2.0

package store_test

import "golang.org/x/sys/unix"

func mountTmpfs(dir, options string) (unmount func(), err error) {
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		return nil, err
	}
	return func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }, nil
}
