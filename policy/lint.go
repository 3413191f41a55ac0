// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// LintSeverity says how much a finding of a LintRule matters.
type LintSeverity string

// The severities: an error makes the policy fail or do nothing, a warning
// makes it do something else than it seems to say, info is about form.
const (
	LintError   LintSeverity = "error"
	LintWarning LintSeverity = "warning"
	LintInfo    LintSeverity = "info"
)

// LintRule is one thing that Lint looks for.
type LintRule struct {
	ID       string
	Title    string // what is wrong, in one line
	Why      string // what it leads to, and what to write instead
	Severity LintSeverity
	check    func(*linter)
}

// Finding is one place where a definition breaks a rule.
type Finding struct {
	Rule      *LintRule
	File      string
	Line, Col int    // 1-based
	Place     string // place in the document
	What      string
	Snippet   string // the source line
}

// String prints "file:line:col: severity: what [rule]".
func (f Finding) String() string {
	return fmt.Sprintf("%s:%d:%d: %s: %s [%s]", f.File, f.Line, f.Col, f.Rule.Severity, f.What, f.Rule.ID)
}

// LintOptions tune Lint.
type LintOptions struct {
	// Catalog knows the aliases; nil leaves out the rules that need it.
	Catalog *Catalog
	// Disable names rules that are not wanted.
	Disable []string
}

// LintRules lists the rules, in the order in which they are described.
func LintRules() []*LintRule { return lintRules }

// lintRules is filled once; rules refer to their own entry through linter.
var lintRules = slices.Concat(documentRules, parameterRules, effectRules, aliasRules, conditionRules, expressionRules, arrayRules)

// Lint examines a policy definition, or each definition of a list. A text that
// is no definition is one finding of rule syntax.
func Lint(file string, src []byte, o LintOptions) []Finding {
	doc, err := parseDocument(file, src)
	if err != nil {
		return []Finding{findingOf("syntax", err, file)}
	}
	var out []Finding
	lintValue(doc, doc.tape.Root(), "", o, &out)
	out = slices.DeleteFunc(out, func(f Finding) bool { return slices.Contains(o.Disable, f.Rule.ID) })
	slices.SortStableFunc(out, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col), cmp.Compare(a.Rule.ID, b.Rule.ID))
	})
	return slices.CompactFunc(out, func(a, b Finding) bool {
		return a.Rule == b.Rule && a.Line == b.Line && a.Col == b.Col && a.What == b.What
	})
}

func lintValue(doc *document, v jsontape.Value, place string, o LintOptions, out *[]Finding) {
	if list := v.Get("value"); list.Kind() == jsontape.Array && v.Get("properties").Kind() == jsontape.Absent {
		v, place = list, join(place, "value")
	}
	if v.Kind() == jsontape.Array {
		i := 0
		for e := range v.Elems() {
			lintValue(doc, e, fmt.Sprintf("%s[%d]", place, i), o, out)
			i++
		}
		return
	}
	body := v
	if p := v.Get("properties"); p.Kind() == jsontape.Object {
		body = p
	}
	if body.Get("policyDefinitions").Kind() == jsontape.Array {
		return // an initiative: import checks what it refers to
	}
	l := &linter{doc: doc, root: v, body: body, catalog: o.Catalog, out: out}
	d, err := parseDefinition(doc, v, place)
	if err != nil {
		*out = append(*out, findingOf(ruleOfError(err), err, doc.file))
		return
	}
	if d.Static() {
		return
	}
	l.bind(d)
	for _, r := range lintRules {
		if r.check != nil {
			l.rule = r
			r.check(l)
		}
	}
}

// linter examines one definition.
type linter struct {
	doc        *document
	root, body jsontape.Value
	d          *Definition
	// p is nil when the definition does not compile.
	p       *Policy
	catalog *Catalog
	rule    *LintRule
	out     *[]Finding
}

// bind compiles the definition with an effect that lets the details be read.
func (l *linter) bind(d *Definition) {
	l.d = d
	c := l.catalog
	if c == nil {
		c = NewCatalog()
		c.Literal = true
	}
	p, err := Bind(d, d.StandIns(), c)
	if err != nil {
		*l.out = append(*l.out, findingOf(ruleOfError(err), err, l.doc.file))
		return
	}
	l.p = p
}

// ruleOfError names the rule under which an error of parsing or binding falls.
func ruleOfError(err error) string {
	var e *SourceError
	if !errors.As(err, &e) {
		return "compile"
	}
	switch {
	case strings.HasPrefix(e.Place, "parameters.") && strings.HasSuffix(e.Place, ".defaultValue"):
		return "parameter-default"
	case strings.Contains(e.What, "parameter '") && strings.Contains(e.What, "has no value"):
		return "parameter-undefined"
	case strings.Contains(e.What, "is not modifiable"):
		return "alias-not-modifiable"
	case strings.HasPrefix(e.What, "effect ") && strings.HasSuffix(e.What, "does not exist"), strings.Contains(e.What, "which is no effect"):
		return "effect-unknown"
	case strings.HasPrefix(e.Place, "parameters"), strings.Contains(e.What, "must be an"), strings.Contains(e.What, "condition"):
		return "syntax"
	}
	return "compile"
}

func ruleByID(id string) *LintRule {
	for _, r := range lintRules {
		if r.ID == id {
			return r
		}
	}
	return nil
}

func findingOf(rule string, err error, file string) Finding {
	f := Finding{Rule: ruleByID(rule), File: file, Line: 1, Col: 1, What: err.Error()}
	if e, ok := errors.AsType[*SourceError](err); ok {
		f.Line, f.Col, f.Place, f.What, f.Snippet = e.Line, e.Col, e.Place, e.What, e.Snippet
		if e.Hint != "" {
			f.What += "; " + e.Hint
		}
	}
	f.What = strings.Join(strings.Fields(f.What), " ")
	return f
}

// report adds a finding of the current rule at a value.
func (l *linter) report(at jsontape.Value, place, format string, args ...any) {
	l.reportIn(at, 0, place, format, args...)
}

// reportIn is report at an offset inside a string value.
func (l *linter) reportIn(at jsontape.Value, off int, place, format string, args ...any) {
	pos := at.Offset()
	if off > 0 {
		pos += 1 + off
	}
	e := l.doc.errorIn(l.doc.tape.Source(), pos, place, format, args...)
	*l.out = append(*l.out, Finding{Rule: l.rule, File: l.doc.file, Line: e.Line, Col: e.Col, Place: place, What: e.What, Snippet: e.Snippet})
}

// at is a condition with what surrounds it.
type at struct {
	*Condition
	// negated says that the condition stands under an odd number of nots.
	negated bool
	// existence says that it belongs to the existence condition.
	existence bool
	counts    []*Condition // the counts whose where it stands in
	parent    *Condition
}

// conditions calls f for every condition of the if and the existence
// condition, parents first.
func (l *linter) conditions(f func(at)) {
	var walk func(a at)
	walk = func(a at) {
		f(a)
		for _, c := range a.Children {
			next := a
			next.Condition, next.parent = c, a.Condition
			next.negated = a.negated != (a.Kind == Not)
			walk(next)
		}
		if a.Count != nil && a.Count.Where != nil {
			next := a
			next.Condition, next.parent = a.Count.Where, a.Condition
			next.counts = append(slices.Clip(a.counts), a.Condition)
			next.negated = false
			walk(next)
		}
	}
	if l.d.If != nil {
		walk(at{Condition: l.d.If})
	}
	if l.d.Existence != nil {
		walk(at{Condition: l.d.Existence, existence: true})
	}
}

// expression is an expression of the rule.
type expression struct {
	at    jsontape.Value
	node  *armexpr.Node
	place string
	cond  *at // the condition that holds it, nil in then
	// role is field, value, count, operator or then.
	role string
}

// expressions calls f for every expression of the rule, without the templates
// that an effect deploys, which have a language of their own.
func (l *linter) expressions(f func(expression)) {
	each := func(v jsontape.Value, e expression) {
		eachString(v, func(s jsontape.Value) {
			if !armexpr.IsExpression(s.Str()) {
				return
			}
			n, err := armexpr.Parse(s.Str())
			if err != nil {
				return // compiling reports it
			}
			e.at, e.node = s, n
			f(e)
		})
	}
	l.conditions(func(a at) {
		if a.Kind == FieldCondition {
			each(a.Left, expression{place: a.Place, cond: &a, role: "field"})
		} else {
			each(a.Left, expression{place: a.Place, cond: &a, role: "value"})
		}
		each(a.Right, expression{place: a.Place, cond: &a, role: "operator"})
		if a.Count != nil {
			each(a.Count.Value, expression{place: a.Place, cond: &a, role: "count"})
		}
	})
	each(l.d.Effect, expression{place: "then.effect", role: "then"})
	l.details(func(name string, v jsontape.Value) {
		each(v, expression{place: detailsPlace + "." + name, role: "then"})
	})
}

// details calls f for the members of then.details that are written in the
// language of rules.
func (l *linter) details(f func(name string, v jsontape.Value)) {
	if l.d.Details.Kind() == jsontape.Array {
		f("value", l.d.Details)
		return
	}
	for name, v := range l.d.Details.Members() {
		switch strings.ToLower(name) {
		case "existencecondition":
		case "deployment":
			for k, p := range v.Get("properties").Members() {
				if !foldEq(k, "template") {
					f(name+"."+k, p)
				}
			}
		default:
			f(name, v)
		}
	}
}

// effects are the effects that the definition can have: the literal one, or
// the allowed values (or the default) of the effect's parameter.
func (l *linter) effects() (list []jsontape.Value, par *Parameter) {
	if !armexpr.IsExpression(l.d.Effect.Str()) {
		return []jsontape.Value{l.d.Effect}, nil
	}
	eachCall(l.d.Effect, "parameters", func(name string) { par = l.d.parameter(name) })
	if par == nil {
		return nil, nil
	}
	for e := range par.Allowed.Elems() {
		list = append(list, e)
	}
	if len(list) == 0 && par.Default.Kind() == jsontape.String {
		list = append(list, par.Default)
	}
	return list, par
}

// can reports whether the definition can have one of the effects.
func (l *linter) can(effects ...Effect) bool {
	list, _ := l.effects()
	for _, v := range list {
		if e, ok := ParseEffect(v.Str()); ok && slices.Contains(effects, e) {
			return true
		}
	}
	return false
}

// types are the resource types that the rule names.
func (l *linter) types() []string {
	if l.p == nil {
		return nil
	}
	return l.p.Types()
}

// aliasFor finds the alias that a condition reads, on any type that the rule
// names, or on the related type in an existence condition.
func (l *linter) aliasFor(a at, name string) (*Alias, string) {
	if l.catalog == nil || l.p == nil || name == "" || armexpr.IsExpression(name) {
		return nil, ""
	}
	types := l.types()
	if a.existence {
		types = []string{l.p.details.typ}
	}
	for _, t := range types {
		if x := l.catalog.Alias(t, name); x != nil {
			return x, t
		}
	}
	return nil, ""
}

// constant evaluates a value that does not depend on the resource.
func (l *linter) constant(v jsontape.Value) (armexpr.Value, bool) {
	if l.p == nil || v.Kind() == jsontape.Absent {
		return armexpr.Value{}, false
	}
	t, err := l.p.value(v, "")
	if err != nil || !t.isConst() {
		return armexpr.Value{}, false
	}
	return t.konst, true
}

// literals are the scalars of a constant operator value: itself, or the
// elements of an array.
func (l *linter) literals(v jsontape.Value) []armexpr.Value {
	c, ok := l.constant(v)
	if !ok {
		return nil
	}
	if c.Kind() == armexpr.Array {
		return c.List()
	}
	return []armexpr.Value{c}
}

// counted reports whether field reads an element of an array that one of the
// surrounding counts counts.
func (a at) counted(field string) bool {
	for _, c := range a.counts {
		if f := c.Count.Field.Str(); f != "" && foldPrefix(field, f) {
			return true
		}
	}
	return false
}
