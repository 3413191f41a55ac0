// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// The package that evaluates rules compiles them with all of the language's
// checks; what is verified here is what only the catalogue knows: that fields
// have aliases, that related types are declared, and the form of our checks.

// plainFields are the fields that every resource has without an alias.
var plainFields = []string{"type", "name", "kind", "location", "id", "fullname", "tags", "identity.type"}

func (c *Catalog) knownField(types []string, field string) bool {
	f := strings.ToLower(field)
	if slices.Contains(plainFields, f) || strings.HasPrefix(f, "tags.") || strings.HasPrefix(f, "tags[") {
		return true
	}
	for _, t := range types {
		if _, ok := c.Alias(t, field); ok {
			return true
		}
	}
	return false
}

func (c *Catalog) validateRule(s *source) []error {
	problems := c.validateOne(s, child(s.root, "rule"))
	for i := range s.check.Alternatives {
		problems = append(problems, c.validateOne(s, element(child(s.root, "alternatives"), i))...)
	}
	for name, used := range parameterUses(s) {
		if !used {
			problems = append(problems, s.problem("parameters", fmt.Sprintf("parameter %q is not used or has no defaultValue", name), ""))
		}
	}
	return problems
}

// validateOne verifies the check's rule, or one of its alternatives.
func (c *Catalog) validateOne(s *source, rule ast.Node) []error {
	k := &s.check
	cond, then := child(rule, "if"), child(rule, "then")
	if cond == nil || then == nil {
		return []error{s.problem("rule", "rule: want if and then", "")}
	}
	var problems []error
	bad := func(n ast.Node, format string, args ...any) {
		problems = append(problems, problem(s.file.name, tokenOf(n), fmt.Sprintf(format, args...), ""))
	}
	if !c.startsWithType(k, cond) {
		bad(cond, "if: want allOf whose first condition compares field type with the check's types")
	}
	effect := scalar(child(then, "effect"))
	if !slices.Contains(effects, effect) {
		bad(then, "effect %q: want one of %v", effect, effects)
	}
	c.fields(s, cond, k.Types, &problems)
	if applies := child(s.root, "applies"); applies != nil {
		c.fields(s, applies, k.Types, &problems)
	}
	details := child(then, "details")
	switch {
	case effect == "audit" && (details != nil || len(k.Needs) > 0 && len(k.Joins) == 0):
		bad(then, "an audit rule has neither details nor needs")
	case effect == "auditIfNotExists":
		related := scalar(child(details, "type"))
		if !slices.ContainsFunc(k.Needs, func(n string) bool { return strings.EqualFold(n, related) }) {
			bad(then, "details.type %q is not in needs", related)
		}
		if k.Inherent && child(details, "name") == nil {
			bad(then, "inherent: want details.name, which says which object is always there")
		}
		if e := child(details, "existenceCondition"); e != nil {
			c.fields(s, e, []string{related}, &problems)
		}
	}
	return problems
}

// startsWithType reports whether cond is an allOf that opens with the condition
// on the type, over exactly the check's types.
func (c *Catalog) startsWithType(k *Check, cond ast.Node) bool {
	all, ok := child(cond, "allOf").(*ast.SequenceNode)
	first := cond
	if ok && len(all.Values) > 0 {
		first = all.Values[0]
	}
	if scalar(child(first, "field")) != "type" {
		return false
	}
	var types []string
	if in, ok := child(first, "in").(*ast.SequenceNode); ok {
		for _, v := range in.Values {
			types = append(types, scalar(v))
		}
	} else {
		types = []string{scalar(child(first, "equals"))}
	}
	return slices.Equal(types, k.Types)
}

// fields verifies the aliases of every "field" below n.
func (c *Catalog) fields(s *source, n ast.Node, types []string, problems *[]error) {
	switch n := n.(type) {
	case *ast.MappingNode:
		for _, v := range n.Values {
			if keyOf(v) == "field" {
				f := scalar(v.Value)
				if !strings.HasPrefix(f, "[") && !c.knownField(types, f) && !s.check.joinedField(f) {
					*problems = append(*problems, problem(s.file.name, v.Value.GetToken(),
						fmt.Sprintf("field %q: no such alias for %s", f, strings.Join(types, ", ")),
						"correct the name, or add the alias under catalog/aliases with its reference"))
				}
				continue
			}
			c.fields(s, v.Value, types, problems)
		}
	case *ast.SequenceNode:
		for _, v := range n.Values {
			c.fields(s, v, types, problems)
		}
	}
}

// parameterUses says of each parameter whether it has a default and occurs in
// the rule.
func parameterUses(s *source) map[string]bool {
	m, ok := child(s.root, "parameters").(*ast.MappingNode)
	if !ok {
		return nil
	}
	uses := map[string]bool{}
	rule := strings.ToLower(string(s.check.Rule) + string(s.check.Applies) + string(bytes.Join(s.check.Alternatives, nil)))
	for _, v := range m.Values {
		name := keyOf(v)
		uses[name] = child(v.Value, "defaultValue") != nil &&
			strings.Contains(rule, "parameters('"+strings.ToLower(name)+"')")
	}
	return uses
}

// scalar returns the text of a scalar node, or "".
func scalar(n ast.Node) string {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	case nil:
		return ""
	}
	return n.String()
}

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
