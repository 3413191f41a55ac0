// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/jsontape"
	"github.com/tickmark/tickmark/policy"
)

// subject is what a rule is about: the types that it judges, the properties
// that it reads, and the names of the related objects that it looks for.
type subject struct {
	types, reads, names map[string]bool
}

// subjectOf reads a definition; types are known for checks, and taken from the
// rule for built-ins.
func subjectOf(c *catalog.Catalog, types []string, docs ...*policy.Definition) subject {
	s := subject{map[string]bool{}, map[string]bool{}, map[string]bool{}}
	for _, t := range types {
		s.types[strings.ToLower(t)] = true
	}
	for _, doc := range docs {
		related := doc.Details.Get("type").Str()
		if n := doc.Details.Get("name"); n.Kind() == jsontape.String {
			s.names[strings.ToLower(related+"/"+n.Str())] = true
		}
		for _, top := range []*policy.Condition{doc.If, doc.Existence} {
			if top == nil {
				continue
			}
			top.Walk(func(x *policy.Condition) {
				for _, name := range fieldsOf(x) {
					switch {
					case strings.EqualFold(name, "type"):
						for _, t := range texts(x.Right) {
							s.types[strings.ToLower(t)] = true
						}
					case strings.EqualFold(name, "name") && top == doc.Existence:
						for _, n := range texts(x.Right) {
							s.names[strings.ToLower(related+"/"+n)] = true
						}
					case strings.Contains(name, "/"):
						s.reads[placeOf(c, name)] = true
					}
				}
			})
		}
	}
	return s
}

func fieldsOf(x *policy.Condition) []string {
	var out []string
	sides := []jsontape.Value{x.Left}
	if x.Count != nil {
		sides = append(sides, x.Count.Field)
	}
	for _, v := range sides {
		if v.Kind() != jsontape.String {
			continue
		}
		if s := v.Str(); strings.HasPrefix(s, "[") {
			for _, f := range fieldCall.FindAllStringSubmatch(s, -1) {
				out = append(out, f[1])
			}
		} else {
			out = append(out, s)
		}
	}
	return out
}

func texts(v jsontape.Value) []string {
	if v.Kind() == jsontape.String {
		return []string{v.Str()}
	}
	var out []string
	for e := range v.Elems() {
		if e.Kind() == jsontape.String {
			out = append(out, e.Str())
		}
	}
	return out
}

// placeOf is the type and path that an alias stands for, so that two aliases of
// one property are the same.
func placeOf(c *catalog.Catalog, alias string) string {
	typ := alias[:strings.LastIndexByte(alias, '/')]
	path, ok := c.Alias(typ, alias)
	if !ok {
		path = "properties." + alias[len(typ)+1:]
	}
	return strings.ToLower(typ + ":" + strings.ReplaceAll(path, "[*]", ""))
}

func subset(a, b map[string]bool) bool {
	for k := range a {
		if !b[k] {
			return false
		}
	}
	return len(a) > 0
}

// shares reports whether a policy is about what the check is about. For those
// of the SOC 2 initiatives it is enough that one reads a part of what the other
// reads; others have to read the same. Objects that are told apart by name
// (assessments, plans, server settings) share the subject only with the name.
func (s subject) shares(o subject, soc2 bool) bool {
	common := false
	for t := range s.types {
		common = common || o.types[t]
	}
	if !common {
		return false
	}
	if len(s.names) > 0 && len(o.names) > 0 {
		same := false
		for n := range s.names {
			same = same || o.names[n]
		}
		if !same {
			return false
		}
	}
	if soc2 {
		return subset(s.reads, o.reads) || subset(o.reads, s.reads)
	}
	return subset(s.reads, o.reads) && subset(o.reads, s.reads)
}

// subjectOfCheck is what the check's rule and alternatives are about.
func subjectOfCheck(c *catalog.Catalog, k *catalog.Check) subject {
	docs := []*policy.Definition{parseRule(k.Rule, k.Parameters)}
	for _, a := range k.Alternatives {
		docs = append(docs, parseRule(a, k.Parameters))
	}
	return subjectOf(c, k.Types, docs...)
}

// mayJudge reports whether a definition can find a resource non-compliant: its
// effect, or what a parameter allows, audits or denies.
func mayJudge(d *policy.Definition) bool {
	if d == nil || d.If == nil || d.Static() || strings.HasPrefix(d.Mode, "Microsoft.") || strings.Contains(d.DisplayName, "[Deprecated]") {
		return false
	}
	effects := texts(d.Effect)
	if e := d.Effect.Str(); strings.HasPrefix(e, "[") {
		effects = nil
		for _, p := range parameterCall.FindAllStringSubmatch(e, -1) {
			for i := range d.Parameters {
				if x := &d.Parameters[i]; strings.EqualFold(x.Name, p[1]) {
					effects = append(append(effects, texts(x.Allowed)...), texts(x.Default)...)
				}
			}
		}
	}
	return slices.ContainsFunc(effects, func(s string) bool {
		e, ok := policy.ParseEffect(s)
		return ok && (e == policy.Audit || e == policy.Deny || e == policy.AuditIfNotExists)
	})
}

// unmapped lists the built-ins that share their subject with a check and are
// neither its counterpart nor said to have been considered.
func (d *differential) unmapped(list *check.Counterparts) []string {
	known := map[string]bool{}
	for _, p := range list.List {
		known[p.Check+" "+p.Policy] = true
	}
	for _, x := range list.Considered {
		for _, id := range x.Checks {
			for _, g := range x.Policies {
				known[id+" "+g] = true
			}
		}
	}
	type candidate struct {
		d *policy.Definition
		s subject
	}
	byType := map[string][]*candidate{}
	for _, i := range d.builtins.Definitions {
		if !mayJudge(i.Definition) {
			continue
		}
		x := &candidate{i.Definition, subjectOf(d.catalog, nil, i.Definition)}
		for t := range x.s.types {
			byType[t] = append(byType[t], x)
		}
	}
	var out []string
	for _, k := range d.catalog.Checks {
		s := subjectOfCheck(d.catalog, k)
		seen := map[*candidate]bool{}
		for _, t := range k.Types {
			for _, x := range byType[strings.ToLower(t)] {
				guid := strings.ToLower(x.d.Name)
				if !seen[x] && !known[k.ID+" "+guid] && s.shares(x.s, d.builtins.soc2[guid]) {
					out = append(out, fmt.Sprintf("%s (%s): %s, %q, judges the same and is not listed in check/counterparts.yaml, neither as counterpart nor as considered", k.ID, k.Title, guid, x.d.DisplayName))
				}
				seen[x] = true
			}
		}
	}
	return out
}
