// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// ConditionKind is the kind of a Condition.
type ConditionKind uint8

// The kinds of conditions.
const (
	AllOf ConditionKind = iota
	AnyOf
	Not
	FieldCondition
	ValueCondition
	CountCondition
)

// Condition is a node of a rule's condition tree, as written.
type Condition struct {
	Kind     ConditionKind
	Place    string // place in the document
	Children []*Condition
	Left     jsontape.Value // the field name or value expression
	Op       Operator
	Right    jsontape.Value
	Count    *Count
	at       jsontape.Value
}

// Count is the count expression of a condition.
type Count struct {
	Field jsontape.Value // field count: the array alias
	Value jsontape.Value // value count: the array
	Name  string         // value count: the name that current() uses
	Where *Condition
}

// Limits of the language (Microsoft's policy rule page).
const (
	maxIfConditions = 4096
	maxRuleDepth    = 64
)

type conditionParser struct {
	doc   *document
	count int
}

func (p *conditionParser) parse(v jsontape.Value, place string, depth int) (*Condition, error) {
	if v.Kind() != jsontape.Object {
		return nil, p.doc.errorAt(v, place, "a condition must be an object, not %s", v.Kind().Phrase())
	}
	if p.count++; p.count > maxIfConditions {
		return nil, p.doc.errorAt(v, place, "the rule has more than %d conditions", maxIfConditions)
	}
	if depth > maxRuleDepth {
		return nil, p.doc.errorAt(v, place, "the conditions are nested deeper than %d levels", maxRuleDepth)
	}
	for _, op := range [...]struct {
		name string
		kind ConditionKind
	}{{"allOf", AllOf}, {"anyOf", AnyOf}, {"not", Not}} {
		if m := v.Get(op.name); m.Kind() != jsontape.Absent {
			if v.Len() != 1 {
				return nil, p.doc.errorAt(v, place, "%s stands alone in its object; %s is too much", op.name, p.other(v, op.name))
			}
			return p.junction(v, m, op.kind, join(place, op.name), depth)
		}
	}
	return p.leaf(v, place, depth)
}

func (p *conditionParser) other(v jsontape.Value, name string) string {
	for k := range v.Members() {
		if !foldEq(k, name) {
			return "member \"" + k + "\""
		}
	}
	return "another member"
}

func (p *conditionParser) junction(v, m jsontape.Value, kind ConditionKind, place string, depth int) (*Condition, error) {
	c := &Condition{Kind: kind, Place: place, at: v}
	if kind == Not {
		child, err := p.parse(m, place, depth+1)
		if err != nil {
			return nil, err
		}
		c.Children = []*Condition{child}
		return c, nil
	}
	if m.Kind() != jsontape.Array {
		return nil, p.doc.errorAt(m, place, "%s must be an array of conditions, not %s", place[strings.LastIndexByte(place, '.')+1:], m.Kind().Phrase())
	}
	i := 0
	for e := range m.Elems() {
		child, err := p.parse(e, place+"["+armexpr.IntValue(int64(i)).Text()+"]", depth+1)
		if err != nil {
			return nil, err
		}
		c.Children = append(c.Children, child)
		i++
	}
	return c, nil
}

// leaf parses {field|value|count, operator}.
func (p *conditionParser) leaf(v jsontape.Value, place string, depth int) (*Condition, error) {
	c := &Condition{Place: place, at: v}
	lefts := 0
	var count jsontape.Value
	for name, m := range v.Members() {
		switch strings.ToLower(name) {
		case "field":
			c.Kind, c.Left = FieldCondition, m
			lefts++
			if m.Kind() != jsontape.String {
				return nil, p.doc.errorAt(m, place+".field", "field must be a string, not %s", m.Kind().Phrase())
			}
		case "value":
			c.Kind, c.Left = ValueCondition, m
			lefts++
		case "count":
			c.Kind, count = CountCondition, m
			lefts++
		default:
			op := parseOperator(name)
			if op == NoOperator {
				return nil, p.doc.errorAt(m, place, "%q is neither an operator nor field, value, count, allOf, anyOf or not", name)
			}
			if c.Op != NoOperator {
				return nil, p.doc.errorAt(m, place, "a condition has one operator; %s and %s are two", c.Op, op)
			}
			c.Op, c.Right = op, m
		}
	}
	switch {
	case lefts == 0:
		return nil, p.doc.errorAt(v, place, "a condition needs field, value, count, allOf, anyOf or not")
	case lefts > 1:
		return nil, p.doc.errorAt(v, place, "a condition has one of field, value and count, not several")
	case c.Op == NoOperator:
		return nil, p.doc.errorAt(v, place, "the condition has no operator; want one of equals, notEquals, like, in, exists …")
	}
	if c.Kind == CountCondition {
		return c, p.parseCount(c, count, join(place, "count"), depth)
	}
	return c, p.checkRight(c)
}

// checkRight refuses right-hand sides that no value of the operator can have.
func (p *conditionParser) checkRight(c *Condition) error {
	if c.Right.Kind() == jsontape.String && armexpr.IsExpression(c.Right.Str()) {
		return nil
	}
	switch c.Op {
	case Exists:
		if k := c.Right.Kind(); k != jsontape.True && k != jsontape.False && !foldEq(c.Right.Str(), "true") && !foldEq(c.Right.Str(), "false") {
			return p.doc.errorAt(c.Right, c.Place, "exists must be true or false, not %s", c.Right.Raw())
		}
	case Like, NotLike:
		if k := c.Right.Kind(); k == jsontape.Array || k == jsontape.Object {
			return p.doc.errorAt(c.Right, c.Place, "%s must be a string, not %s", c.Op, c.Right.Kind().Phrase())
		}
	}
	return nil
}

func (p *conditionParser) parseCount(c *Condition, v jsontape.Value, place string, depth int) error {
	if v.Kind() != jsontape.Object {
		return p.doc.errorAt(v, place, "count must be an object, not %s", v.Kind().Phrase())
	}
	n := &Count{}
	c.Count = n
	for name, m := range v.Members() {
		switch strings.ToLower(name) {
		case "field":
			n.Field = m
			if m.Kind() != jsontape.String {
				return p.doc.errorAt(m, place+".field", "field must be a string, not %s", m.Kind().Phrase())
			}
		case "value":
			n.Value = m
		case "name":
			if m.Kind() != jsontape.String {
				return p.doc.errorAt(m, place+".name", "name must be a string, not %s", m.Kind().Phrase())
			}
			n.Name = m.Str()
		case "where":
			w, err := p.parse(m, place+".where", depth+1)
			if err != nil {
				return err
			}
			n.Where = w
		default:
			return p.doc.errorAt(m, place, "count has field or value, name and where; %q is unknown", name)
		}
	}
	hasField, hasValue := n.Field.Kind() != jsontape.Absent, n.Value.Kind() != jsontape.Absent
	switch {
	case !hasField && !hasValue:
		return p.doc.errorAt(v, place, "count needs field or value")
	case hasField && hasValue:
		return p.doc.errorAt(v, place, "count has field or value, not both")
	case hasField && n.Name != "":
		return p.doc.errorAt(v, place, "name belongs to a value count; a field count refers to its array by alias")
	}
	return nil
}

// Walk calls f for c and every condition below it, count wheres included.
func (c *Condition) Walk(f func(*Condition)) {
	f(c)
	for _, ch := range c.Children {
		ch.Walk(f)
	}
	if c.Count != nil && c.Count.Where != nil {
		c.Count.Where.Walk(f)
	}
}
