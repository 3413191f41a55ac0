// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/tickmark/tickmark"
)

// archiveHeader opens every archive and names the version of the form:
// the header line, then per file, in the order of names, a line
// "LENGTH NAME", the file's bytes, and a line feed.
const archiveHeader = "tickmark catalog archive 1\n"

// writeArchive joins files, which must be sorted by name.
func writeArchive(files []file) []byte {
	var b bytes.Buffer
	b.WriteString(archiveHeader)
	for _, f := range files {
		fmt.Fprintf(&b, "%d %s\n", len(f.data), f.name)
		b.Write(f.data)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// OpenArchive reads a catalogue that Archive wrote. It accepts only the exact
// bytes that writing the same files again would give.
func OpenArchive(archive []byte) (*Catalog, error) {
	files, err := readArchive(archive)
	if err != nil {
		return nil, err
	}
	return loadFiles(files)
}

func readArchive(archive []byte) ([]file, error) {
	rest, ok := bytes.CutPrefix(archive, []byte(archiveHeader))
	if !ok {
		return nil, archiveError(0, "it does not start with the header line")
	}
	var files []file
	last := ""
	for len(rest) > 0 {
		at := len(archive) - len(rest)
		line, body, ok := bytes.Cut(rest, []byte{'\n'})
		if !ok {
			return nil, archiveError(at, "a file's line has no end")
		}
		length, name, ok := strings.Cut(string(line), " ")
		n, err := strconv.Atoi(length)
		if !ok || err != nil || n < 0 || strconv.Itoa(n) != length {
			return nil, archiveError(at, "a file's line is not LENGTH NAME")
		}
		if name <= last || !isCatalogFile(name) {
			return nil, archiveError(at, fmt.Sprintf("file %q is unknown or out of order", name))
		}
		if n >= len(body) || body[n] != '\n' {
			return nil, archiveError(at, fmt.Sprintf("file %q is cut short or longer than it says", name))
		}
		files = append(files, file{name: name, data: body[:n:n]})
		last, rest = name, body[n+1:]
	}
	return files, nil
}

func archiveError(offset int, what string) error {
	return &tickmark.Error{
		Code:  tickmark.CodeInput,
		What:  "not a catalogue archive: " + what,
		Where: fmt.Sprintf("byte %d", offset),
		Hint:  "verify the snapshot; its pinned catalogue is damaged",
	}
}
