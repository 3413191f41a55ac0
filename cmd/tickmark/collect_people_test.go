// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPeopleSurviveAKill requires that names given before a kill lead back
// after the next start, and that the map is its owner's alone.
func TestPeopleSurviveAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "people.json")
	first, err := openPeople(path, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	first.names().Answer([]byte(`{"userPrincipalName":"ada@contoso.com"}`))
	first.names().Answer([]byte(`{"default_branch":"blue"}`))
	// Killed: nothing is saved. A line cut in its middle is what a kill leaves.
	if _, err := first.log.WriteString(`{"name":"person-`); err != nil {
		t.Fatal(err)
	}
	again, err := openPeople(path, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, v := range again.known {
		found = found || v == "ada@contoso.com"
	}
	if !found {
		t.Errorf("the name is lost: %v", again.known)
	}
	for branch, stays := range map[string]bool{"blue": true, "ada-patch": false} {
		kept, _ := again.names().Answer([]byte(`{"head_branch":"` + branch + `"}`))
		if strings.Contains(string(kept), branch) != stays {
			t.Errorf("the branch %s became %s", branch, kept)
		}
	}
	for _, f := range []string{path, path + ".log"} {
		st, err := os.Stat(f)
		if err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", f, st.Mode(), err)
		}
	}
}

func TestPeopleNotInEvidence(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "packs"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := openPeople(filepath.Join(dir, "people.json"), dir); err == nil {
		t.Error("the map may lie among the evidence")
	}
}
