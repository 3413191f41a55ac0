// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/policy"
)

// Limits on what an archive of definitions may unpack to.
const (
	maxSourceFile = 64 << 20
	maxSourceAll  = 1 << 30
)

// repositoryFolders are where the public policy repository keeps what is meant
// to be read; the rest of it are samples in other forms.
var repositoryFolders = []string{"built-in-policies", "policyDefinitions", "policySetDefinitions"}

// readDefinitions adds every definition and initiative of a file, a folder or
// an archive (.tar.gz, .tgz, .zip).
func readDefinitions(m *policy.Import, name string, stdin io.Reader) error {
	if name == "-" {
		b, err := io.ReadAll(io.LimitReader(stdin, maxSourceFile))
		if err != nil {
			return inputError(err)
		}
		m.Add("-", b)
		return nil
	}
	st, err := os.Stat(name)
	if err != nil {
		return &tickmark.Error{Code: tickmark.CodeUsage, What: "the definitions cannot be read", Err: err, Hint: "give a file, a folder or an archive"}
	}
	if st.IsDir() {
		return readFolder(m, name)
	}
	b, err := readInput(name)
	if err != nil {
		return err
	}
	switch {
	case bytes.HasPrefix(b, []byte("PK\x03\x04")):
		err = readZip(m, b)
	case bytes.HasPrefix(b, []byte{0x1f, 0x8b}):
		err = readTar(m, name, b)
	default:
		m.Add(name, b)
	}
	if err != nil {
		return &tickmark.Error{Code: tickmark.CodeInput, What: "the archive cannot be read", Where: name, Err: err}
	}
	return nil
}

func readFolder(m *policy.Import, root string) error {
	roots := []string{}
	for _, f := range repositoryFolders {
		if st, err := os.Stat(filepath.Join(root, f)); err == nil && st.IsDir() {
			roots = append(roots, filepath.Join(root, f))
		}
	}
	if len(roots) == 0 {
		roots = []string{root}
	}
	for _, r := range roots {
		err := filepath.WalkDir(r, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() || !mayDefine(filepath.ToSlash(p)) {
				return nil
			}
			b, err := os.ReadFile(p) //nolint:gosec // below the folder that the user named
			if err == nil {
				m.Add(p, b)
			}
			return err
		})
		if err != nil {
			return &tickmark.Error{Code: tickmark.CodeInput, What: "the folder cannot be read", Err: err}
		}
	}
	return nil
}

// mayDefine reports whether a file of a folder or archive may hold definitions.
func mayDefine(name string) bool {
	return path.Ext(name) == ".json" && !strings.Contains(name, "/.") && !strings.Contains(name, "built-in-references/")
}

func readTar(m *policy.Import, name string, src []byte) error {
	z, err := gzip.NewReader(bytes.NewReader(src))
	if err != nil {
		return err
	}
	var magic bytes.Buffer
	if _, err := io.CopyN(&magic, z, 512); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	r := io.MultiReader(&magic, z)
	if magic.Len() < 262 || string(magic.Bytes()[257:262]) != "ustar" {
		b, err := readAtMost(r)
		if err == nil {
			m.Add(name, b)
		}
		return err
	}
	total := 0
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg || !mayDefine(h.Name) {
			continue
		}
		b, err := readAtMost(t)
		if err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
		if total += len(b); total > maxSourceAll {
			return fmt.Errorf("it unpacks to more than %d MiB", maxSourceAll>>20)
		}
		m.Add(h.Name, b)
	}
}

func readZip(m *policy.Import, src []byte) error {
	z, err := zip.NewReader(bytes.NewReader(src), int64(len(src)))
	if err != nil {
		return err
	}
	total := 0
	for _, f := range z.File {
		if f.FileInfo().IsDir() || !mayDefine(f.Name) {
			continue
		}
		r, err := f.Open()
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		b, err := readAtMost(r)
		if err = errors.Join(err, r.Close()); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		if total += len(b); total > maxSourceAll {
			return fmt.Errorf("it unpacks to more than %d MiB", maxSourceAll>>20)
		}
		m.Add(f.Name, b)
	}
	return nil
}

// readAtMost reads r whole and refuses more than maxSourceFile bytes.
func readAtMost(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxSourceFile+1))
	if err == nil && len(b) > maxSourceFile {
		err = fmt.Errorf("the file has more than %d MiB", maxSourceFile>>20)
	}
	return b, err
}
