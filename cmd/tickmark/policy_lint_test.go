// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tickmark/tickmark/policy"
)

// TestLintSARIF validates what the linter says of every example against the
// SARIF schema, with file names that a URI cannot hold as they are.
func TestLintSARIF(t *testing.T) {
	b, err := os.ReadFile("../../report/testdata/sarif-2.1.0-rtm.5.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("sarif.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("sarif.json")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../../policy/testdata/lint/*.txtar")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files of examples: %v", len(files), err)
	}
	var found []policy.Finding
	for _, f := range files {
		ar, err := txtar.ParseFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range ar.Files {
			if x.Name != "want" {
				found = append(found, policy.Lint("a folder/ü%#"+x.Name, x.Data, policy.LintOptions{})...)
			}
		}
	}
	validate := func(log sarifLog) error {
		b, err := json.Marshal(log)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(doc)
	}
	for _, log := range []sarifLog{lintSARIF(nil), lintSARIF(found)} {
		if err := validate(log); err != nil {
			t.Errorf("%d results: %v", len(log.Runs[0].Results), err)
		}
	}
	broken := lintSARIF(found[:1])
	broken.Runs[0].Results[0].Level = "loud"
	if validate(broken) == nil {
		t.Error("the schema accepts a level that does not exist: it checks nothing")
	}
}
