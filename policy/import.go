// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
)

// maxPlainText bounds what a compressed file may unpack to.
const maxPlainText = 1 << 30

// plainText unpacks a file that is compressed with gzip.
func plainText(file string, src []byte) ([]byte, error) {
	if !bytes.HasPrefix(src, []byte{0x1f, 0x8b}) {
		return src, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(src))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	b, err := io.ReadAll(io.LimitReader(z, maxPlainText+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	if len(b) > maxPlainText {
		return nil, fmt.Errorf("read %s: it unpacks to more than %d MiB", file, maxPlainText>>20)
	}
	return b, nil
}
