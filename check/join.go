// SPDX-License-Identifier: Apache-2.0

package check

import (
	"cmp"
	"slices"

	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/inventory"
)

// joinedFields are the fields that joins add to types, by lower-case type.
func joinedFields(c *catalog.Catalog) map[string][]catalog.Alias {
	out := map[string][]catalog.Alias{}
	for _, ch := range c.Checks {
		for _, typ := range ch.Types {
			for i := range ch.Joins {
				for _, a := range ch.Joins[i].Fields(typ) {
					if !slices.Contains(out[lower(typ)], a) {
						out[lower(typ)] = append(out[lower(typ)], a)
					}
				}
			}
		}
	}
	return out
}

// joinsOf lists the joins of all checks, each once, by type, then name.
func joinsOf(c *catalog.Catalog) []inventory.Join {
	var out []inventory.Join
	for _, ch := range c.Checks {
		for _, typ := range ch.Types {
			for _, j := range ch.Joins {
				if slices.ContainsFunc(out, func(o inventory.Join) bool { return o.Of == typ && o.As == j.As }) {
					continue
				}
				out = append(out, inventory.Join{Of: typ, As: j.As, Type: j.Type, Match: j.Match, With: j.With, Where: j.Where, Each: j.Each, Take: j.Take, Names: j.Names, Some: j.Some})
			}
		}
	}
	slices.SortFunc(out, func(a, b inventory.Join) int { return cmp.Or(cmp.Compare(a.Of, b.Of), cmp.Compare(a.As, b.As)) })
	return out
}

// join sets beside the resources what the checks join.
func (r *runner) join() error {
	joined, err := r.inv.Join(r.rules.joins)
	if err != nil {
		return err
	}
	for i, v := range joined {
		r.res[i].Joined = v
	}
	return nil
}
