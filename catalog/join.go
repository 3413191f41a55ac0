// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

var (
	joinName = regexp.MustCompile(`^[a-z][A-Za-z]*$`)
	joinWith = regexp.MustCompile(`^(?:(?:groups|scopes|members)\([A-Za-z.]+\)|any\([A-Za-z.]+(?:, [A-Za-z.]+)+\)|subject|all|[A-Za-z.]+(?:\[\*\])?)$`)
	joinPath = regexp.MustCompile(`^[A-Za-z]+(?:\.[A-Za-z]+)*(?:\[\*\](?:\.[A-Za-z]+)+)?$`)
)

// joinedField reports whether a rule may name the field because the check joins it.
func (k *Check) joinedField(field string) bool {
	for _, typ := range k.Types {
		for i := range k.Joins {
			if slices.ContainsFunc(k.Joins[i].Fields(typ), func(a Alias) bool { return strings.EqualFold(a.Name, field) }) {
				return true
			}
		}
	}
	return false
}

// validateJoins returns what is wrong with a check's joins. Joins of one name
// on one type are the same in every check, so that each is made once.
func (c *Catalog) validateJoins(s *source) []error {
	k := &s.check
	var problems []error
	list := child(s.root, "joins")
	for i := range k.Joins {
		j := &k.Joins[i]
		bad := func(format string, args ...any) {
			problems = append(problems, problem(s.file.name, tokenOf(element(list, i)), "join "+j.As+": "+fmt.Sprintf(format, args...), ""))
		}
		if !joinName.MatchString(j.As) {
			bad("as: want a name of letters")
		}
		if !slices.Contains(k.Needs, j.Type) {
			bad("type %q is not in needs", j.Type)
		}
		if !joinWith.MatchString(j.Match) || !joinWith.MatchString(j.With) || j.Each != "" && !joinWith.MatchString(j.Each) {
			bad("match, with, each: want a path, subject, or groups, scopes or members of a path")
		}
		for _, p := range j.Take {
			if !joinPath.MatchString(p) {
				bad("take: %q is not a path of members", p)
			}
		}
		for _, other := range c.Checks {
			for x := range other.Joins {
				if o := &other.Joins[x]; o.As == j.As && sharesType(k, other) && !reflect.DeepEqual(o, j) {
					bad("check %s joins something else under this name", other.ID)
				}
			}
		}
	}
	return problems
}

func sharesType(a, b *Check) bool {
	return slices.ContainsFunc(a.Types, func(t string) bool { return slices.Contains(b.Types, t) })
}
