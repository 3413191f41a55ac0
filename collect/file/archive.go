// SPDX-License-Identifier: Apache-2.0

package file

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/tickmark/tickmark"
)

// ratioFloor is the size below which expansion is not judged: short texts of
// one repeated letter are harmless.
const ratioFloor = 16 << 20

var errTooLarge = errors.New("expands beyond the limit")

// inflate reads all of r, which decompresses packed bytes, within the limits.
func (l *loader) inflate(r io.Reader, packed, left int64) ([]byte, error) {
	limit := min(left, max(ratioFloor, packed*l.o.MaxRatio))
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%w of %d bytes (%d times its size, at most %d bytes in all)", errTooLarge, limit, l.o.MaxRatio, l.o.MaxBytes)
	}
	return b, nil
}

func (l *loader) unpackProblem(input string, err error) {
	if errors.Is(err, errTooLarge) {
		l.unread(input, tickmark.ReasonTruncated, err.Error(), "split it, or unpack it by hand if you trust it")
		return
	}
	l.unread(input, tickmark.ReasonTruncated, "the archive is damaged: "+err.Error(), "export or copy it again")
}

func (l *loader) gunzip(input string, b []byte) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		l.unpackProblem(input, err)
		return
	}
	out, err := l.inflate(z, int64(len(b)), l.o.MaxBytes)
	if err != nil {
		l.unpackProblem(input, err)
		return
	}
	l.inner(input, out)
}

// inner reads what an archive held. Archives inside archives are refused: one
// level is what exports need, and each level multiplies what a bomb can do.
func (l *loader) inner(input string, b []byte) {
	if bytes.HasPrefix(b, []byte("PK\x03\x04")) || bytes.HasPrefix(b, []byte("\x1f\x8b")) {
		l.unread(input, tickmark.ReasonNotCollected, "an archive inside an archive", "unpack the outer one")
		return
	}
	l.document(input, b)
}

// unzip reads the files of a zip archive in the order of their names. The
// names are labels only: nothing is ever written under them.
func (l *loader) unzip(input string, b []byte) {
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		l.unpackProblem(input, err)
		return
	}
	entries := slices.DeleteFunc(slices.Clone(z.File), func(f *zip.File) bool {
		return f.FileInfo().IsDir() || besides(path.Base(f.Name)) || strings.HasPrefix(f.Name, "__MACOSX/")
	})
	slices.SortStableFunc(entries, func(a, b *zip.File) int { return strings.Compare(a.Name, b.Name) })
	if len(entries) == 0 {
		l.unread(input, tickmark.ReasonNotCollected, "the archive holds no file to read", "")
		return
	}
	left := l.o.MaxBytes
	for i, f := range entries {
		if l.count >= l.o.MaxFiles {
			l.unread(input, tickmark.ReasonTruncated, fmt.Sprintf("more than %d files", l.o.MaxFiles), "name fewer inputs at once")
			return
		}
		l.count++
		label := input + "!" + printable(f.Name)
		if i > 0 && entries[i-1].Name == f.Name {
			label += "#" + strconv.Itoa(i+1)
		}
		out, err := l.entry(f, left)
		if err != nil {
			l.unpackProblem(label, err)
			if errors.Is(err, errTooLarge) {
				return // the rest of a bomb is not worth reading
			}
			continue
		}
		left -= int64(len(out))
		l.inner(label, out)
	}
}

func (l *loader) entry(f *zip.File, left int64) ([]byte, error) {
	if f.Flags&1 != 0 {
		return nil, errors.New("the entry is encrypted")
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()                     // read only: nothing can be lost
	return l.inflate(r, int64(f.CompressedSize64), left) //nolint:gosec // the limit is min'ed with MaxBytes
}

// printable makes a foreign file name safe to print.
func printable(name string) string {
	for _, c := range name {
		if !strconv.IsPrint(c) {
			return strconv.Quote(name)
		}
	}
	return name
}
