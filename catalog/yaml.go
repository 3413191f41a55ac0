// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/tickmark/tickmark"
)

// problem makes an error with a place; t may be nil.
func problem(name string, t *token.Token, what, hint string) error {
	where := name
	if t != nil && t.Position != nil {
		where = fmt.Sprintf("%s:%d:%d", name, t.Position.Line, t.Position.Column)
	}
	return &tickmark.Error{Code: tickmark.CodeInput, What: what, Where: where, Hint: hint}
}

func lineProblem(name string, line int, what string) error {
	return &tickmark.Error{Code: tickmark.CodeInput, What: what, Where: fmt.Sprintf("%s:%d", name, line)}
}

// parseYAML reads exactly one YAML document with a mapping in it.
func parseYAML(f file) (*ast.MappingNode, error) {
	if f.root != nil {
		return f.root, nil
	}
	tree, err := parser.ParseBytes(f.data, 0)
	if err != nil {
		return nil, yamlProblem(f.name, err)
	}
	if len(tree.Docs) != 1 || tree.Docs[0].Body == nil {
		return nil, problem(f.name, nil, fmt.Sprintf("%d YAML documents, want one", len(tree.Docs)), "")
	}
	body := tree.Docs[0].Body
	m, ok := body.(*ast.MappingNode)
	if !ok {
		return nil, problem(f.name, body.GetToken(), "the document is not a mapping", "")
	}
	var plain plainOnly
	ast.Walk(&plain, m)
	if plain.found != nil {
		return nil, problem(f.name, plain.found.GetToken(), "anchors, aliases, merge keys and tags are not allowed", "write the value out")
	}
	return m, nil
}

// plainOnly finds the first node whose meaning is not in its own place.
type plainOnly struct{ found ast.Node }

// Visit implements ast.Visitor.
func (p *plainOnly) Visit(n ast.Node) ast.Visitor {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode, *ast.TagNode:
		if p.found == nil {
			p.found = n
		}
	}
	return p
}

// decode fills v strictly: unknown and duplicate keys are errors.
func decode(f file, m *ast.MappingNode, v any) error {
	if err := yaml.NodeToValue(m, v, yaml.Strict()); err != nil {
		return yamlProblem(f.name, err)
	}
	return nil
}

func yamlProblem(name string, err error) error {
	if y, ok := errors.AsType[yaml.Error](err); ok {
		return problem(name, y.GetToken(), y.GetMessage(), "")
	}
	return problem(name, nil, err.Error(), "")
}

// child returns the value under key, or nil.
func child(m ast.Node, key string) ast.Node {
	mapping, ok := m.(*ast.MappingNode)
	if !ok {
		return nil
	}
	for _, v := range mapping.Values {
		if keyOf(v) == key {
			return v.Value
		}
	}
	return nil
}

// keyOf is the text of a member's key, whatever quotes it is written in.
func keyOf(v *ast.MappingValueNode) string {
	if s, ok := v.Key.(*ast.StringNode); ok {
		return s.Value
	}
	return v.Key.String()
}

// element returns the element at index i of the sequence n, or n itself.
func element(n ast.Node, i int) ast.Node {
	if s, ok := n.(*ast.SequenceNode); ok && i < len(s.Values) {
		return s.Values[i]
	}
	return n
}

func tokenOf(n ast.Node) *token.Token {
	if n == nil {
		return nil
	}
	return n.GetToken()
}

// appendJSON writes n as JSON, keeping the order of keys.
func appendJSON(b *bytes.Buffer, name string, n ast.Node) error {
	switch n := n.(type) {
	case *ast.MappingNode:
		b.WriteByte('{')
		for i, v := range n.Values {
			if i > 0 {
				b.WriteByte(',')
			}
			key, ok := v.Key.(ast.ScalarNode)
			if !ok {
				return problem(name, v.Key.GetToken(), "a key is not a scalar", "")
			}
			appendText(b, fmt.Sprint(key.GetValue()))
			b.WriteByte(':')
			if err := appendJSON(b, name, v.Value); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	case *ast.SequenceNode:
		b.WriteByte('[')
		for i, v := range n.Values {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := appendJSON(b, name, v); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	case *ast.StringNode:
		appendText(b, n.Value)
	case *ast.LiteralNode:
		appendText(b, n.Value.Value)
	case *ast.BoolNode:
		fmt.Fprint(b, n.Value)
	case *ast.NullNode:
		b.WriteString("null")
	case *ast.IntegerNode:
		fmt.Fprint(b, n.Value)
	case *ast.FloatNode:
		if math.IsNaN(n.Value) || math.IsInf(n.Value, 0) {
			return problem(name, n.GetToken(), "the number has no form in JSON", "")
		}
		j, _ := json.Marshal(n.Value) // a finite float64 always has a form
		b.Write(j)
	default:
		return problem(name, tokenOf(n), fmt.Sprintf("a %s has no form in JSON", strings.ToLower(n.Type().String())), "")
	}
	return nil
}

// appendText writes s as a JSON string without escaping what HTML would need.
func appendText(b *bytes.Buffer, s string) {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always has a form
	b.Truncate(b.Len() - 1)
}

// merge returns base with what patch says instead, as RFC 7396 merges JSON:
// members of mappings are merged, null removes one, anything else replaces.
// Places are those of the patch where it says something.
func merge(base, patch ast.Node) ast.Node {
	b, ok := base.(*ast.MappingNode)
	p, ok2 := patch.(*ast.MappingNode)
	if !ok || !ok2 {
		return withoutNulls(patch)
	}
	return mergeMembers(b, p)
}

func mergeMembers(b, p *ast.MappingNode) *ast.MappingNode {
	out := ast.Mapping(p.Start, false, b.Values...)
	for _, v := range p.Values {
		key := keyOf(v)
		if _, null := v.Value.(*ast.NullNode); null {
			remove(out, key)
			continue
		}
		old := child(out, key)
		if old == nil {
			out.Values = append(out.Values, ast.MappingValue(v.Start, v.Key, withoutNulls(v.Value)))
			continue
		}
		set(out, key, merge(old, v.Value))
	}
	return out
}

// withoutNulls is what a patch says where there is nothing to merge it with.
func withoutNulls(n ast.Node) ast.Node {
	if m, ok := n.(*ast.MappingNode); ok {
		return membersWithoutNulls(m)
	}
	return n
}

func membersWithoutNulls(m *ast.MappingNode) *ast.MappingNode {
	out := ast.Mapping(m.Start, false)
	for _, v := range m.Values {
		if _, null := v.Value.(*ast.NullNode); !null {
			out.Values = append(out.Values, ast.MappingValue(v.Start, v.Key, withoutNulls(v.Value)))
		}
	}
	return out
}

// set gives a member of a mapping a value; a new one comes last.
func set(m *ast.MappingNode, key string, value ast.Node) {
	for i, v := range m.Values {
		if keyOf(v) == key {
			m.Values[i] = ast.MappingValue(v.Start, v.Key, value)
			return
		}
	}
	t := token.String(key, key, m.Start.Position)
	m.Values = append(m.Values, ast.MappingValue(m.Start, ast.String(t), value))
}

func remove(m *ast.MappingNode, key string) {
	for i, v := range m.Values {
		if keyOf(v) == key {
			m.Values = append(m.Values[:i:i], m.Values[i+1:]...)
			return
		}
	}
}

// replant copies a tree with every token as at returns it. Comments stay behind.
func replant(n ast.Node, at func(*token.Token) *token.Token) ast.Node {
	base := &ast.BaseNode{}
	switch n := n.(type) {
	case *ast.MappingNode:
		out := ast.Mapping(at(n.Start), n.IsFlowStyle)
		for _, v := range n.Values {
			key, ok := replant(v.Key, at).(ast.MapKeyNode)
			if !ok {
				key = v.Key
			}
			out.Values = append(out.Values, ast.MappingValue(at(v.Start), key, replant(v.Value, at)))
		}
		return out
	case *ast.SequenceNode:
		out := ast.Sequence(at(n.Start), n.IsFlowStyle)
		for _, v := range n.Values {
			out.Values = append(out.Values, replant(v, at))
		}
		return out
	case *ast.StringNode:
		return &ast.StringNode{BaseNode: base, Token: at(n.Token), Value: n.Value}
	case *ast.LiteralNode:
		return &ast.LiteralNode{BaseNode: base, Start: at(n.Start), Value: &ast.StringNode{BaseNode: base, Token: at(n.Value.Token), Value: n.Value.Value}}
	case *ast.BoolNode:
		return &ast.BoolNode{BaseNode: base, Token: at(n.Token), Value: n.Value}
	case *ast.NullNode:
		return &ast.NullNode{BaseNode: base, Token: at(n.Token)}
	case *ast.IntegerNode:
		return &ast.IntegerNode{BaseNode: base, Token: at(n.Token), Value: n.Value}
	case *ast.FloatNode:
		return &ast.FloatNode{BaseNode: base, Token: at(n.Token), Precision: n.Precision, Value: n.Value}
	}
	return n // what else there is has no form in the catalogue, and its reader says so
}
