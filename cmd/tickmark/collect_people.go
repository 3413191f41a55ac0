// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tickmark/tickmark/inventory"
)

// people is the map by which pseudonyms lead back to persons. It is a file of
// its own, outside the data directory; nil when nothing is pseudonymised.
type people struct {
	path  string
	known map[string]string
	kept  map[string]bool
	key   string
	p     *inventory.Pseudonyms
	// log holds the names since the map was last written, so that a killed
	// collection loses none; err is the first that it met.
	log *os.File
	err error
}

// logged is a line of the log: a pseudonym, or a branch that keeps its name.
type logged struct {
	Name   string `json:"name,omitempty"`
	Value  string `json:"value,omitempty"`
	Branch string `json:"branch,omitempty"`
}

// keep appends a name to the log.
func (p *people) keep(name, value string) { p.write(logged{Name: name, Value: value}) }

// keepBranch appends a branch to the log.
func (p *people) keepBranch(name string) {
	p.kept[name] = true
	p.write(logged{Branch: name})
}

func (p *people) write(l logged) {
	b, err := json.Marshal(l)
	if err == nil {
		_, err = p.log.Write(append(b, '\n'))
	}
	if p.err == nil {
		p.err = err
	}
}

// replay reads the log of a collection that was killed. A last line that was
// not written whole belongs to an answer that was not kept either.
func (p *people) replay() error {
	b, err := os.ReadFile(p.path + ".log")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return usageError("--pseudonymise", err.Error(), "check its permissions")
	}
	for line := range bytes.Lines(b) {
		var l logged
		if json.Unmarshal(line, &l) != nil {
			continue
		}
		if l.Name != "" {
			p.known[l.Name] = l.Value
		}
		if l.Branch != "" {
			p.kept[l.Branch] = true
		}
	}
	return nil
}

// peopleFile is its form.
type peopleFile struct {
	Key   string            `json:"key"` // 32 bytes in hexadecimal: the secret
	Names map[string]string `json:"names"`
	// Branches keep their names: defaults of repositories, and what a person adds.
	Branches []string `json:"branches,omitempty"`
}

// openPeople reads the map, or begins one.
func openPeople(path, data string) (*people, error) {
	if path == "" {
		return nil, nil //nolint:nilnil // nothing was asked for
	}
	if inside(path, data) {
		return nil, usageError("--pseudonymise", "the file lies in the data directory, where whoever reads the evidence would find it", "name a file elsewhere, which fewer people can read")
	}
	f := peopleFile{Names: map[string]string{}}
	b, err := os.ReadFile(path) //nolint:gosec // the user names the file
	switch {
	case errors.Is(err, fs.ErrNotExist):
		key := make([]byte, 32)
		_, _ = rand.Read(key) // never fails
		f.Key = hex.EncodeToString(key)
	case err != nil:
		return nil, usageError("--pseudonymise", err.Error(), "check its permissions")
	default:
		if err := json.Unmarshal(b, &f); err != nil {
			return nil, usageError("--pseudonymise", fmt.Sprintf("%s is not a map of pseudonyms: %v", path, err), "name another file, or restore it: without its key the names of earlier collections do not match")
		}
	}
	key, err := hex.DecodeString(f.Key)
	if err != nil {
		return nil, usageError("--pseudonymise", "the key in "+path+" is not hexadecimal", "restore the file")
	}
	p, err := inventory.NewPseudonyms(key)
	if err != nil {
		return nil, usageError("--pseudonymise", path+": "+err.Error(), "restore the file")
	}
	out := &people{path: path, known: f.Names, kept: map[string]bool{}, key: f.Key, p: p}
	for _, b := range f.Branches {
		out.kept[b] = true
	}
	if out.known == nil {
		out.known = map[string]string{}
	}
	if err := out.replay(); err != nil {
		return nil, err
	}
	if err := out.save(); err != nil { // a key that is lost after use would orphan the names
		return nil, err
	}
	if out.log, err = os.OpenFile(path+".log", os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600); err != nil { //nolint:gosec // the user names the file
		return nil, usageError("--pseudonymise", err.Error(), "name a file in a folder that you can write")
	}
	p.KeepBranches(slices.Sorted(maps.Keys(out.kept))...)
	p.Keep, p.Branch = out.keep, out.keepBranch
	return out, nil
}

// inside reports whether a file lies in a folder.
func inside(path, folder string) bool {
	a, err1 := filepath.Abs(path)
	b, err2 := filepath.Abs(folder)
	if err1 != nil || err2 != nil {
		return false
	}
	if _, err := os.Stat(filepath.Join(b, "tickmark.json")); err != nil {
		if _, err := os.Stat(filepath.Join(b, "packs")); err != nil {
			return false // not a data directory
		}
	}
	rel, err := filepath.Rel(b, a)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// fingerprint tells keys apart without giving one away.
func (p *people) fingerprint() string {
	if p == nil {
		return "names=as they are"
	}
	h := sha256.Sum256([]byte("pseudonyms\x00" + p.key))
	return "names=pseudonyms of the key " + hex.EncodeToString(h[:8])
}

func (p *people) names() *inventory.Pseudonyms {
	if p == nil {
		return nil
	}
	return p.p
}

// save writes the map with what was met so far, for its owner alone.
func (p *people) save() error {
	if p == nil {
		return nil
	}
	f := peopleFile{Key: p.key, Names: maps.Clone(p.known)}
	if f.Names == nil {
		f.Names = map[string]string{}
	}
	maps.Copy(f.Names, p.p.Map())
	f.Branches = slices.Sorted(maps.Keys(p.kept))
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", p.path, err)
	}
	// A temporary file is its owner's alone from the start; the map never is
	// anything else.
	t, err := os.CreateTemp(filepath.Dir(p.path), "."+filepath.Base(p.path)+".*")
	if err != nil {
		return usageError("--pseudonymise", err.Error(), "name a file in a folder that you can write")
	}
	defer os.Remove(t.Name()) //nolint:errcheck // gone after the rename
	_, err = t.Write(append(b, '\n'))
	if err == nil {
		err = t.Sync()
	}
	if err = errors.Join(err, t.Close()); err != nil {
		return fmt.Errorf("write %s: %w", p.path, err)
	}
	if err := os.Rename(t.Name(), p.path); err != nil {
		return err
	}
	if p.log == nil {
		return nil
	}
	// What the log holds is in the map now.
	return errors.Join(p.err, p.log.Truncate(0))
}
