// SPDX-License-Identifier: Apache-2.0

package check

import (
	"slices"
	"strings"

	"github.com/tickmark/tickmark/catalog"
)

// Scope says which categories of criteria a view of an assessment is about. It
// is a choice of reporting: what was read, judged and recorded is the same
// whatever was chosen.
type Scope struct {
	// Categories are those in scope and NotChosen the others, in the order of the
	// catalogue. Security is always in scope: its criteria are common to all.
	Categories []string `json:"categories"`
	NotChosen  []string `json:"notChosen"`
	// By says who chose: a person here, or the organisation's control set.
	By string `json:"by"`
	// What the view leaves out: codes of criteria, ids of checks that bear only on
	// them, and the number of the results of these.
	Criteria []string `json:"criteriaLeftOut"`
	Checks   []string `json:"checksLeftOut"`
	Results  int      `json:"resultsLeftOut"`
}

// Within returns a as it is for the chosen categories: their criteria, the
// checks that bear on one of these, and the results of those checks, counted
// anew. Coverage, population, inputs and problems stay as they are, and so does
// a: it is what is recorded. Categories that the catalogue does not know are the
// caller's to refuse.
func (a *Assessment) Within(categories []string, by string) *Assessment {
	s := &Scope{By: by, Categories: []string{}, NotChosen: []string{}, Criteria: []string{}, Checks: []string{}}
	for _, c := range catalog.Categories() {
		if c == "security" || slices.Contains(categories, c) {
			s.Categories = append(s.Categories, c)
		} else {
			s.NotChosen = append(s.NotChosen, c)
		}
	}
	out := *a
	out.Scope, out.Checks, out.Criteria = s, nil, nil
	for i := range a.Criteria {
		if c := a.Criteria[i].Criterion; !slices.Contains(s.Categories, c.Category) {
			s.Criteria = append(s.Criteria, c.Code)
		}
	}
	index := make([]int, len(a.Checks)) // where each check is in the view, or -1
	for i := range a.Checks {
		index[i] = -1
		k := s.link(a.Checks[i].Check)
		if k == nil {
			s.Checks = append(s.Checks, a.Checks[i].Check.ID)
			s.Results += a.Checks[i].Counts.Total()
			continue
		}
		index[i] = len(out.Checks)
		out.Checks = append(out.Checks, a.Checks[i])
		out.Checks[index[i]].Check = k
	}
	for i := range a.Criteria {
		c := a.Criteria[i]
		if slices.Contains(s.Criteria, c.Criterion.Code) {
			continue
		}
		c.Checks = slices.Clone(c.Checks)
		for n, at := range c.Checks {
			c.Checks[n] = index[at] // it is linked to the criterion, so it is there
		}
		out.Criteria = append(out.Criteria, c)
	}
	out.Types = s.types(a.Types, out.Checks)
	out.NotRead = s.notRead(a.NotRead)
	if a.Results != nil {
		out.Results = a.Results.only(index)
	}
	return &out
}

// link returns the check with its links to criteria in scope alone, or nil if it
// has links and none of them is.
func (s *Scope) link(k *catalog.Check) *catalog.Check {
	out := func(l catalog.CriterionLink) bool { return slices.Contains(s.Criteria, l.Code) }
	if len(k.Criteria) == 0 || !slices.ContainsFunc(k.Criteria, out) {
		return k
	}
	c := *k
	if c.Criteria = slices.DeleteFunc(slices.Clone(k.Criteria), out); len(c.Criteria) == 0 {
		return nil
	}
	return &c
}

// types counts, for each type, the checks of the view that judge it.
func (s *Scope) types(all []TypeCount, checks []Summary) []TypeCount {
	judged := map[string]int{}
	for i := range checks {
		for _, t := range checks[i].Check.Types {
			judged[strings.ToLower(t)]++
		}
	}
	out := slices.Clone(all)
	for i := range out {
		out[i].Checks = judged[strings.ToLower(out[i].Type)]
	}
	return out
}

// notRead leaves out what no check of the view waits for.
func (s *Scope) notRead(all []SourceNotRead) []SourceNotRead {
	var out []SourceNotRead
	for _, u := range all {
		u.Checks = slices.DeleteFunc(slices.Clone(u.Checks), func(id string) bool { return slices.Contains(s.Checks, id) })
		u.Criteria = slices.DeleteFunc(slices.Clone(u.Criteria), func(code string) bool { return slices.Contains(s.Criteria, code) })
		if len(u.Checks) > 0 {
			out = append(out, u)
		}
	}
	slices.SortStableFunc(out, func(x, y SourceNotRead) int { return len(y.Checks) - len(x.Checks) })
	return out
}
