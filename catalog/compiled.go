// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/tickmark/tickmark"
)

// compiledText is the embedded catalogue as it is after reading and verifying
// its YAML, because that takes most of the time until the program answers. It
// counts only for exactly the files that it was made of: Default compares their
// digest and reads the YAML otherwise. `go test ./catalog -run TestCompiled
// -update` writes it.
//
//go:embed compiled.jsonl
var compiledText []byte

// compiledHead is the first line, compiledCheck each of the others; what is
// JSON already stays so.
type (
	compiledHead struct {
		Catalogue tickmark.Digest
		Criteria  []Criterion
	}
	compiledCheck struct {
		Check
		Rule, Applies, Parameters json.RawMessage
		Alternatives              []json.RawMessage
	}
)

// writeCompiled writes a catalogue that was read from YAML.
func writeCompiled(c *Catalog) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(compiledHead{c.digest, c.Criteria}); err != nil {
		return nil, err
	}
	for _, k := range c.Checks {
		x := compiledCheck{Check: *k, Rule: k.Rule, Applies: k.Applies, Parameters: k.Parameters, Alternatives: []json.RawMessage{}}
		for _, a := range k.Alternatives {
			x.Alternatives = append(x.Alternatives, a)
		}
		if err := e.Encode(x); err != nil {
			return nil, fmt.Errorf("check %s: %w", k.ID, err)
		}
	}
	return b.Bytes(), nil
}

// loadCompiled makes the catalogue of the files from its compiled form; nil if
// that is of other files.
func loadCompiled(files []file, text []byte) (*Catalog, error) {
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	c := &Catalog{checkByID: map[string]*Check{}, criterion: map[string]*Criterion{}, aliases: aliasTables{}, archive: writeArchive(files)}
	c.digest = tickmark.DigestOf(c.archive)
	first, rest, _ := bytes.Cut(text, []byte{'\n'})
	var head compiledHead
	if err := json.Unmarshal(first, &head); err != nil {
		return nil, fmt.Errorf("compiled catalogue: %w", err)
	}
	if head.Catalogue != c.digest {
		return nil, nil //nolint:nilnil // neither: the caller reads the files
	}
	c.Criteria = head.Criteria
	for i := range c.Criteria {
		c.criterion[c.Criteria[i].Code] = &c.Criteria[i]
	}
	lines := bytes.Split(bytes.TrimSuffix(rest, []byte{'\n'}), []byte{'\n'})
	c.Checks = make([]*Check, len(lines))
	errs := make([]error, len(lines))
	var wg sync.WaitGroup
	for part := range compileParts {
		wg.Go(func() {
			for i := part; i < len(lines); i += compileParts {
				c.Checks[i], errs[i] = readCompiled(lines[i])
			}
		})
	}
	var problems []error
	for _, f := range files {
		if strings.HasPrefix(f.name, "aliases/") {
			problems = append(problems, c.aliases.read(f)...)
		}
	}
	wg.Wait()
	for _, err := range slices.Concat(problems, errs) {
		if err != nil {
			return nil, fmt.Errorf("compiled catalogue: %w", err)
		}
	}
	for _, k := range c.Checks {
		c.checkByID[k.ID] = k
	}
	return c, nil
}

// compileParts is how many lines are read at a time.
const compileParts = 4

func readCompiled(line []byte) (*Check, error) {
	var x compiledCheck
	if err := json.Unmarshal(line, &x); err != nil {
		return nil, err
	}
	k := x.Check
	k.Rule, k.Alternatives = x.Rule, make([][]byte, len(x.Alternatives))
	// An absent part is null in the line.
	if string(x.Applies) != "null" {
		k.Applies = x.Applies
	}
	if string(x.Parameters) != "null" {
		k.Parameters = x.Parameters
	}
	for i, a := range x.Alternatives {
		k.Alternatives[i] = a
	}
	return &k, nil
}
