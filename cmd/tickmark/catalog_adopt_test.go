// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/tickmark/tickmark/catalog"
)

// TestAskIsShort holds the interview on a terminal to 25 questions at most,
// each of which says what it decides, and to those of the categories chosen.
func TestAskIsShort(t *testing.T) {
	l, err := library()
	if err != nil {
		t.Fatal(err)
	}
	question := regexp.MustCompile(`(?m)^\d+\. `)
	for name, c := range map[string]struct {
		categories string
		most       int
		private    bool
	}{
		"security alone": {"", 21, false},
		"all":            {strings.Join(catalog.Categories()[1:], " "), 25, true},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			in := "Contoso\nsafety\n" + c.categories + "\napp-service abacus\napp-service\nperhaps\n" + strings.Repeat("y\n", 30)
			a, err := ask(&runContext{In: strings.NewReader(in), Err: &out}, l)
			if err != nil {
				t.Fatal(err)
			}
			n := len(question.FindAllString(out.String(), -1))
			if n > c.most || strings.Count(out.String(), "Decides") != n-1 {
				t.Errorf("%d questions, want at most %d, each but that for the name with what it decides:\n%s", n, c.most, &out)
			}
			if _, asked := a.Answers["personal-data"]; asked != c.private {
				t.Errorf("asked about personal data: %t", asked)
			}
			if len(a.Services) != 1 || !a.Answers["own-premises"] || a.Roles["security"] != "y" || !strings.Contains(out.String(), "abacus") || !strings.Contains(out.String(), "safety") {
				t.Errorf("answers %+v", a)
			}
		})
	}
	if _, err := ask(&runContext{In: strings.NewReader("Contoso\n"), Err: &bytes.Buffer{}}, l); err == nil {
		t.Error("an interview that breaks off is taken for a whole one")
	}
}
