// SPDX-License-Identifier: Apache-2.0

package check

import (
	"slices"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/inventory"
)

// cut says why a check that fails nowhere is unknown all the same: resources of
// its types are known to be missing, or nothing to judge was read and nobody
// knows that there is none. Absence that was not observed is not a fact.
func (r *runner) cut(s *Summary) tickmark.Reason {
	if s.Retired {
		return tickmark.ReasonNone
	}
	for _, t := range s.Check.Types {
		switch s.State {
		case StatePass:
			if why := r.inv.Cut(t); why != tickmark.ReasonNone {
				return why
			}
		case StateNoResource:
			if ok, why := r.inv.Population(t); !ok {
				return why
			}
		case StateFail, StateUnknown, StateExempt, StateManual:
		}
	}
	return tickmark.ReasonNone
}

// notRead gathers what is unknown because nobody asked, by source, in the order
// of the number of checks that wait for it.
func (r *runner) notRead(a *Assessment) []SourceNotRead {
	var out []SourceNotRead
	for i := range a.Checks {
		s := &a.Checks[i]
		if s.State != StateUnknown {
			continue
		}
		for _, source := range r.waitsFor(s) {
			at := slices.IndexFunc(out, func(u SourceNotRead) bool { return u.Source == source })
			if at < 0 {
				why, whole := r.inv.NotRead(source)
				if !whole {
					why.Reason = tickmark.ReasonNotRead
				}
				at = len(out)
				out = append(out, SourceNotRead{Source: source, Reason: why.Reason, Detail: why.Detail, Partly: !whole, Checks: []string{}, Criteria: []string{}})
			}
			out[at].add(s)
		}
	}
	for i := range out {
		out[i].Criteria = inOrder(a, out[i].Criteria)
	}
	slices.SortStableFunc(out, func(x, y SourceNotRead) int { return len(y.Checks) - len(x.Checks) })
	return out
}

// waitsFor names the sources for want of which a check is unknown: those of its
// own types, and of what it looks up where results are unknown for that.
func (r *runner) waitsFor(s *Summary) []string {
	var out []string
	add := func(source string) {
		if !slices.Contains(out, source) {
			out = append(out, source)
		}
	}
	for _, t := range s.Check.Types {
		source := inventory.SourceOf(t)
		if _, whole := r.inv.NotRead(source); whole || s.Cut == tickmark.ReasonNotRead {
			add(source)
		}
	}
	if s.Counts.Unknown == 0 {
		return out
	}
	for _, t := range s.Check.Needs {
		source := inventory.SourceOf(t)
		if _, whole := r.inv.NotRead(source); whole {
			add(source)
		}
	}
	return out
}

func (u *SourceNotRead) add(s *Summary) {
	u.Checks = append(u.Checks, s.Check.ID)
	for _, l := range s.Check.Criteria {
		if !slices.Contains(u.Criteria, l.Code) {
			u.Criteria = append(u.Criteria, l.Code)
		}
	}
}

// inOrder puts codes into the order of the catalogue.
func inOrder(a *Assessment, codes []string) []string {
	out := []string{}
	for i := range a.Criteria {
		if c := a.Criteria[i].Criterion.Code; slices.Contains(codes, c) {
			out = append(out, c)
		}
	}
	return out
}

// lacking are the types that a check looks up, or else judges, and that were
// not read completely.
func (r *runner) lacking(k *catalog.Check) []string {
	open := func(types []string) []string {
		var out []string
		for _, t := range types {
			if ok, _ := r.inv.Complete(t, ""); !ok {
				out = append(out, t)
			}
		}
		return out
	}
	if out := open(k.Needs); len(out) > 0 {
		return out
	}
	return open(k.Types)
}

// collected reports whether a tenant was asked, and not only files were given.
func (r *runner) collected() bool {
	return slices.ContainsFunc(r.inv.Coverage, func(c tickmark.Coverage) bool { return c.Source != "file" })
}
