// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package store_test

import "errors"

func mountTmpfs(string, string) (unmount func(), err error) { return nil, errors.ErrUnsupported }
