// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// SourceError is an error in a document, with its position and a caret.
type SourceError struct {
	File      string
	Line, Col int    // 1-based
	Place     string // place in the document, such as policyRule.if.allOf[1]
	What      string
	Hint      string
	Snippet   string // the offending line, or the part of it around the position
	caret     int    // 0-based place of the position in Snippet
}

// Error implements error: "file:line:col: what (place)" and, on further lines,
// the source line with a caret.
func (e *SourceError) Error() string {
	s := fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Col, e.What)
	if e.Place != "" {
		s += " (" + e.Place + ")"
	}
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	if e.Snippet != "" {
		s += "\n  " + e.Snippet + "\n  " + strings.Repeat(" ", max(0, min(e.caret, len(e.Snippet)))) + "^"
	}
	return s
}

// NewSourceError is an error at a line and column (1-based) of a text, for
// whoever reads definitions out of another form than JSON.
func NewSourceError(file string, src []byte, line, col int, what string) *SourceError {
	e := &SourceError{File: file, Line: line, Col: col, What: what, caret: col - 1}
	for n := 1; n < line; n++ {
		_, src, _ = bytes.Cut(src, []byte{'\n'})
	}
	text, _, _ := bytes.Cut(src, []byte{'\n'})
	text = bytes.TrimRight(text, "\r")
	if len(text) > 160 { // a long line: show what surrounds the caret
		cut := max(0, min(col-60, len(text)-120))
		text = text[cut:min(len(text), cut+120)]
		e.caret -= cut
	}
	e.Snippet = strings.ReplaceAll(string(text), "\t", " ")
	return e
}

// document is a parsed source text that can point into itself.
type document struct {
	file string
	tape *jsontape.Tape
}

func parseDocument(file string, src []byte) (*document, error) {
	t, err := jsontape.Parse(src, jsontape.Options{})
	if err != nil {
		if e, ok := errors.AsType[*jsontape.Error](err); ok {
			return nil, (&document{file: file}).errorIn(src, e.Offset, "", "%s", e.What)
		}
		return nil, err
	}
	return &document{file, t}, nil
}

func (d *document) errorAt(v jsontape.Value, place, format string, args ...any) *SourceError {
	return d.errorIn(d.tape.Source(), v.Offset(), place, format, args...)
}

func (d *document) errorIn(src []byte, off int, place, format string, args ...any) *SourceError {
	line, col := jsontape.Position(src, off)
	e := NewSourceError(d.file, src, line, col, fmt.Sprintf(format, args...))
	e.Place = place
	return e
}

// Parameter is a declared parameter of a definition or initiative.
type Parameter struct {
	Name    string
	Type    string // string, array, object, boolean, integer, float, datetime (lower case)
	Default jsontape.Value
	Allowed jsontape.Value
	Schema  jsontape.Value
	at      jsontape.Value
}

// Definition is a parsed policy definition.
type Definition struct {
	ID, Name, DisplayName, Description string
	PolicyType                         string // BuiltIn, Custom, Static
	Mode                               string
	Version                            string
	Versions                           []string
	Category                           string
	Parameters                         []Parameter
	If                                 *Condition
	// Effect is the effect as written: a literal or an expression.
	Effect  jsontape.Value
	Details jsontape.Value
	// Existence is the existenceCondition, nil when there is none.
	Existence *Condition
	doc       *document
}

// Static reports whether the definition is a control of the provider's, which
// has no rule to evaluate.
func (d *Definition) Static() bool { return foldEq(d.PolicyType, "Static") }

// ParseDefinition parses a policy definition: the ARM object with properties,
// the properties alone, or the bare rule {"if":…,"then":…}. file names the
// source in errors, which are *SourceError.
func ParseDefinition(file string, src []byte) (*Definition, error) {
	doc, err := parseDocument(file, src)
	if err != nil {
		return nil, err
	}
	return parseDefinition(doc, doc.tape.Root(), "")
}

func parseDefinition(doc *document, root jsontape.Value, place string) (*Definition, error) {
	if root.Kind() != jsontape.Object {
		return nil, doc.errorAt(root, place, "a policy definition must be an object, not %s", root.Kind().Phrase())
	}
	d := &Definition{doc: doc, ID: root.Get("id").Str(), Name: root.Get("name").Str()}
	body := root
	if p := root.Get("properties"); p.Kind() == jsontape.Object {
		body, place = p, join(place, "properties")
	}
	rule := body.Get("policyRule")
	switch {
	case rule.Kind() != jsontape.Absent:
		place = join(place, "policyRule")
	case body.Get("if").Kind() != jsontape.Absent:
		rule = body
	default:
		return nil, doc.errorAt(body, place, "the definition has no policyRule")
	}
	d.DisplayName, d.Description = body.Get("displayName").Str(), body.Get("description").Str()
	d.PolicyType, d.Mode = body.Get("policyType").Str(), body.Get("mode").Str()
	d.Version = body.Get("version").Str()
	if d.Version == "" {
		d.Version = body.Get("metadata").Get("version").Str()
	}
	for v := range body.Get("versions").Elems() {
		d.Versions = append(d.Versions, v.Str())
	}
	d.Category = body.Get("metadata").Get("category").Str()
	var err error
	if d.Parameters, err = parseParameters(doc, body.Get("parameters"), "parameters"); err != nil {
		return nil, err
	}
	if d.Static() {
		return d, nil
	}
	return d, d.parseRule(rule, place)
}

func join(place, name string) string {
	if place == "" {
		return name
	}
	return place + "." + name
}

func (d *Definition) parseRule(rule jsontape.Value, place string) error {
	if rule.Kind() != jsontape.Object {
		return d.doc.errorAt(rule, place, "policyRule must be an object with if and then, not %s", rule.Kind().Phrase())
	}
	cond, then := rule.Get("if"), rule.Get("then")
	if cond.Kind() == jsontape.Absent {
		return d.doc.errorAt(rule, place, "the rule has no if")
	}
	if then.Kind() != jsontape.Object {
		return d.doc.errorAt(rule, place, "the rule has no then object")
	}
	p := conditionParser{doc: d.doc}
	var err error
	if d.If, err = p.parse(cond, join(place, "if"), 0); err != nil {
		return err
	}
	d.Effect, d.Details = then.Get("effect"), then.Get("details")
	if d.Effect.Kind() != jsontape.String {
		return d.doc.errorAt(then, join(place, "then"), "then has no effect")
	}
	if s := d.Effect.Str(); !armexpr.IsExpression(s) {
		if _, ok := ParseEffect(s); !ok {
			return d.doc.errorAt(d.Effect, join(place, "then.effect"), "effect %q does not exist", s)
		}
	}
	if ec := d.Details.Get("existenceCondition"); ec.Kind() == jsontape.Object {
		p := conditionParser{doc: d.doc}
		d.Existence, err = p.parse(ec, join(place, "then.details.existenceCondition"), 0)
	}
	return err
}

var parameterTypes = map[string]bool{"string": true, "array": true, "object": true, "boolean": true, "integer": true, "float": true, "datetime": true}

func parseParameters(doc *document, v jsontape.Value, place string) ([]Parameter, error) {
	switch v.Kind() {
	case jsontape.Absent, jsontape.Null:
		return nil, nil
	case jsontape.Object:
	default:
		return nil, doc.errorAt(v, place, "parameters must be an object, not %s", v.Kind().Phrase())
	}
	var out []Parameter
	for name, p := range v.Members() {
		at := place + "." + name
		if p.Kind() != jsontape.Object {
			return nil, doc.errorAt(p, at, "a parameter must be an object, not %s", p.Kind().Phrase())
		}
		typ := strings.ToLower(p.Get("type").Str())
		if !parameterTypes[typ] {
			return nil, doc.errorAt(p, at, "parameter type %q does not exist; want String, Array, Object, Boolean, Integer, Float or DateTime", p.Get("type").Str())
		}
		par := Parameter{Name: name, Type: typ, Default: p.Get("defaultValue"), Allowed: p.Get("allowedValues"), Schema: p.Get("schema"), at: p}
		if par.Allowed.Kind() == jsontape.Null || par.Allowed.Kind() == jsontape.Array && par.Allowed.Len() == 0 {
			par.Allowed = jsontape.Value{} // shipped initiatives write null and [] where they restrict nothing
		}
		if par.Allowed.Kind() != jsontape.Absent && par.Allowed.Kind() != jsontape.Array {
			return nil, doc.errorAt(par.Allowed, at+".allowedValues", "allowedValues must be an array, not %s", par.Allowed.Kind().Phrase())
		}
		if par.Default.Kind() != jsontape.Absent {
			if what := par.check(armexpr.FromTape(par.Default)); what != "" {
				return nil, doc.errorAt(par.Default, at+".defaultValue", "the default of parameter %q %s", name, what)
			}
		}
		out = append(out, par)
	}
	return out, nil
}

// check says what is wrong with a value for the parameter, "" when nothing is.
// Values are compared with allowedValues case-sensitively, as at assignment.
func (p *Parameter) check(v armexpr.Value) string {
	if v.Kind() == armexpr.Unobserved {
		return ""
	}
	ok := false
	switch p.Type {
	case "string":
		ok = v.Kind() == armexpr.String
	case "datetime":
		ok = v.Kind() == armexpr.String
		if ok {
			if _, ok = armexpr.ParseTime(v.Str()); !ok {
				return fmt.Sprintf("is %q, which is not an ISO 8601 date and time", v.Str())
			}
		}
	case "array":
		ok = v.Kind() == armexpr.Array
	case "object":
		ok = v.Kind() == armexpr.Object
	case "boolean":
		ok = v.Kind() == armexpr.Bool || foldEq(v.Str(), "true") || foldEq(v.Str(), "false")
	case "integer":
		ok = v.Kind() == armexpr.Int
	case "float":
		ok = v.IsNumber()
	}
	if !ok {
		return fmt.Sprintf("is %s, but its type is %s", v.JSON(), p.Type)
	}
	if p.Allowed.Kind() == jsontape.Array {
		return p.checkAllowed(v)
	}
	return ""
}

func (p *Parameter) checkAllowed(v armexpr.Value) string {
	one := func(v armexpr.Value) bool {
		for a := range p.Allowed.Elems() {
			if eq, _ := armexpr.Equal(armexpr.FromTape(a), v, false); eq {
				return true
			}
		}
		return false
	}
	if one(v) {
		return ""
	}
	if v.Kind() == armexpr.Array { // an array parameter lists allowed elements
		for _, e := range v.List() {
			if !one(e) {
				return fmt.Sprintf("holds %s, which is not among its allowedValues %s", e.JSON(), p.Allowed.Raw())
			}
		}
		return ""
	}
	return fmt.Sprintf("is %s, which is not among its allowedValues %s", v.JSON(), p.Allowed.Raw())
}
