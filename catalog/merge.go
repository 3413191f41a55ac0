// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

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
