// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
)

// scopeFlags choose the categories of criteria that reports are about. What is
// read, judged and recorded is the same whatever is chosen.
type scopeFlags struct {
	Categories []string `help:"Categories of criteria that the reports are about: availability, processingIntegrity, confidentiality or privacy beside security, which always is; default: those of --of, or all. What is recorded is whole." placeholder:"NAME"`
	Of         string   `help:"Your control set, made by controls adopt: the reports are about the categories that it is adopted for." placeholder:"FILE" type:"path"`
}

// chosen reports whether the reader chose anything.
func (f *scopeFlags) chosen() bool { return len(f.Categories) > 0 || f.Of != "" }

// admit refuses a choice that cannot be met, before the work is done, and says
// where the flag and the control set differ: an examination has one scope.
func (f *scopeFlags) admit(rc *runContext) error {
	asked, _, err := f.categories()
	if err != nil || f.Of == "" || len(f.Categories) == 0 {
		return err
	}
	set, err := f.set()
	if err != nil {
		return err
	}
	if x, y := inScope(set.Categories), inScope(asked); !slices.Equal(x, y) {
		fmt.Fprintf(rc.Err, "tickmark: %s is adopted for %s, and this report is about %s\n", printable(filepath.Base(f.Of)), strings.Join(x, ", "), strings.Join(y, ", "))
	}
	return nil
}

// view returns the assessment as the reader chose to see it.
func (f *scopeFlags) view(a *check.Assessment) (*check.Assessment, error) {
	if !f.chosen() {
		return a, nil
	}
	categories, by, err := f.categories()
	if err != nil {
		return nil, err
	}
	return a.Within(categories, by), nil
}

// categories are those of the flag, or of the control set, and who chose them.
func (f *scopeFlags) categories() (names []string, by string, err error) {
	for _, c := range f.Categories {
		if err := knownCategory(c); err != nil {
			return nil, "", err
		}
	}
	if f.Of == "" || len(f.Categories) > 0 {
		return f.Categories, "--categories", nil
	}
	set, err := f.set()
	if err != nil {
		return nil, "", err
	}
	return set.Categories, "control set " + filepath.Base(f.Of), nil
}

// set reads the control set.
func (f *scopeFlags) set() (*catalog.ControlSet, error) {
	l, err := library()
	if err != nil {
		return nil, err
	}
	return readControlSet(l, f.Of)
}

// inScope puts categories in order, with security, which always is in scope.
func inScope(names []string) []string {
	return slices.DeleteFunc(catalog.Categories(), func(c string) bool { return c != "security" && !slices.Contains(names, c) })
}
