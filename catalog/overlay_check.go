// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// checkFields are what an organisation may say of a check of the library. The
// rule itself and the title that says what it asks for stay, so that the id
// means the same everywhere.
var checkFields = []string{"id", "area", "severity", "why", "parameters", "notProven", "remediation", "references"}

// check overrides or adds a check.
func (v *overlay) check(o *Override) {
	if v.checks == nil {
		files, err := readArchive(v.base.catalog.Archive())
		if err != nil {
			v.problems = append(v.problems, err)
			return
		}
		v.checks = files
	}
	f, ok := v.single(o, v.checks, "checks", "area", func(base, patch, merged *ast.MappingNode) {
		if child(patch, "override") != nil {
			v.bad("override", "override: tickmark writes this member", "leave it out")
		}
		for _, x := range patch.Values {
			if key := keyOf(x); base != nil && !slices.Contains(checkFields, key) {
				v.bad(key, fmt.Sprintf("%q of a check of the library cannot be changed: its id would mean another rule", key), "write a check of your own, with an id that begins with "+OwnPrefix+"; what can be changed is "+strings.Join(checkFields[2:], ", "))
			}
		}
		v.parameters(base, patch)
		v.claims(patch)
		v.unproven(base, patch, merged)
		if o.Version > 0 {
			v.mark(o, merged)
		}
	})
	if ok {
		v.checks = put(v.checks, f)
	}
}

// claims holds the texts of a check to what tickmark may say: facts. Whether a
// control works, people conclude. Commands and names of pages in the
// remediation are others' words.
func (v *overlay) claims(patch *ast.MappingNode) {
	for _, key := range []string{"title", "why", "notProven"} {
		if word := claim.FindString(scalar(child(patch, key))); word != "" {
			v.bad(key, fmt.Sprintf("%s says %q: a check states what was observed, people conclude", key, word), "say which state is looked at, or what a pass does not show")
		}
	}
}

// unproven adds what the organisation says is not proven to what the library
// says: a limit of a check does not go away by being left out.
func (v *overlay) unproven(base, patch, merged *ast.MappingNode) {
	n := child(patch, "notProven")
	if n == nil || base == nil {
		return
	}
	_, null := n.(*ast.NullNode)
	said, library := strings.TrimSpace(scalar(n)), strings.TrimSpace(scalar(child(base, "notProven")))
	if null || said == "" {
		v.bad("notProven", "notProven: want text; it is added to the library's", "leave it out")
		return
	}
	text := library + " The organisation adds: " + said
	set(merged, "notProven", ast.String(token.String(text, text, n.GetToken().Position)))
}

// parameters holds an override to values of the kind that the library's
// parameters have.
func (v *overlay) parameters(base, patch *ast.MappingNode) {
	m, ok := child(patch, "parameters").(*ast.MappingNode)
	if !ok || base == nil {
		return
	}
	for _, p := range m.Values {
		name := keyOf(p)
		have := child(child(base, "parameters"), name)
		value := child(p.Value, "defaultValue")
		body, _ := p.Value.(*ast.MappingNode)
		switch {
		case have == nil:
			v.bad("parameters", fmt.Sprintf("the check has no parameter %q", name), "tickmark checks show prints its rule")
		case value == nil || len(body.Values) != 1:
			v.bad("parameters", fmt.Sprintf("parameter %s: want defaultValue alone", name), "")
		case !ofType(value, scalar(child(have, "type"))):
			v.bad("parameters", fmt.Sprintf("parameter %s: want a value of type %s", name, scalar(child(have, "type"))), "")
		default:
			allowed, ok := child(have, "allowedValues").(*ast.SequenceNode)
			if ok && !slices.ContainsFunc(allowed.Values, func(a ast.Node) bool { return bytes.Equal(v.json(a), v.json(value)) }) {
				v.bad("parameters", fmt.Sprintf("parameter %s: want one of %s", name, v.json(allowed)), "")
			}
		}
	}
}

// ofType reports whether a value is of a type of Azure Policy's parameters.
func ofType(n ast.Node, typ string) bool {
	switch n.(type) {
	case *ast.BoolNode:
		return strings.EqualFold(typ, "Boolean")
	case *ast.IntegerNode:
		return strings.EqualFold(typ, "Integer") || strings.EqualFold(typ, "Float")
	case *ast.FloatNode:
		return strings.EqualFold(typ, "Float")
	case *ast.StringNode, *ast.LiteralNode:
		return strings.EqualFold(typ, "String") || strings.EqualFold(typ, "DateTime")
	case *ast.SequenceNode:
		return strings.EqualFold(typ, "Array")
	case *ast.MappingNode:
		return strings.EqualFold(typ, "Object")
	}
	return false
}

// mark writes into a check where its override was recorded.
func (v *overlay) mark(o *Override, merged *ast.MappingNode) {
	b, err := json.Marshal(map[string]CheckOverride{"override": {
		Own: o.Own(), Version: o.Version, Effective: o.Effective.UTC().Format(time.RFC3339), Recorded: o.At.UTC().Format(time.RFC3339),
		Actor: o.Actor, Reason: o.Reason,
	}})
	if err == nil {
		var m *ast.MappingNode
		if m, err = parseYAML(file{name: o.label, data: b}); err == nil {
			set(merged, "override", v.here(child(m, "override"), false))
			return
		}
	}
	v.problems = append(v.problems, err)
}
