// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// expressionRules are about template expressions in rules.
var expressionRules = []*LintRule{
	{
		ID: "unguarded-function", Severity: LintWarning, Title: "A function fails where the field is missing or short", check: lintUnguarded,
		Why: "A missing field is the empty string to field(); substring, int, json, first on it, or an index into split, fail, and a failure denies requests and shows as Error. " +
			"Guard it with if(): only the branch that is taken is evaluated, whereas the order of conditions in allOf is no guard.",
	},
	{
		ID: "operator-value-null", Severity: LintWarning, Title: "An operator's value can be null", check: lintNullOperator,
		Why: "tryGet returns null for what is missing, and evaluation fails when an operator's value is null. Wrap it in coalesce.",
	},
	{
		ID: "value-coerces-null", Severity: LintInfo, Title: "A null value is compared as the empty string", check: lintNullValue,
		Why: "tryGet returns null for what is missing; equals, like, match and their kin compare it as \"\". Use exists, or coalesce with a value that cannot occur.",
	},
	{
		ID: "request-identity", Severity: LintWarning, Title: "requestContext().identity gives no compliance data", check: lintIdentity,
		Why: "There is an identity only while a request is handled; a compliance scan has none, so the policy enforces and never reports.",
	},
	{
		ID: "clock-dependent", Severity: LintInfo, Title: "The outcome depends on the clock", check: lintClock,
		Why: "utcNow changes the state of an unchanged resource between two scans.",
	},
}

// arrayRules are about [*] and count.
var arrayRules = []*LintRule{
	{
		ID: "array-empty-true", Severity: LintWarning, Title: "A condition on [*] holds for an empty array", check: lintEmptyArray,
		Why: "field: alias[*] asks all elements, and all of none is true. Where at least one element is meant, use count … greater 0, or exists first.",
	},
	{
		ID: "array-not-all", Severity: LintInfo, Title: "not around a positive condition on [*] means \"some element is otherwise\"", check: lintNotAll,
		Why: "not {a[*] equals v} holds when any element differs from v. For \"no element is v\" write a[*] notEquals v, for \"any element is v\" not {a[*] notEquals v}, or use count.",
	},
	{
		ID: "count-without-where", Severity: LintInfo, Title: "count without where is compared with 0", check: lintCountZero,
		Why: "A missing array and an empty one both count 0; if the difference matters, use exists.",
	},
	{
		ID: "count-field-function", Severity: LintWarning, Title: "field() of the counted array inside where is an array", check: lintWhereField,
		Why: "Inside where, field('alias[*]…') returns an array with one element, not the element; use current('alias[*]…').",
	},
	{
		ID: "count-where-constant", Severity: LintWarning, Title: "where does not look at the counted elements", check: lintWhereOther,
		Why: "The condition is the same for every element, so the count is 0 or the length of the array.",
	},
	{
		ID: "in-array-field", Severity: LintWarning, Title: "in or notIn with one value that is no array", check: lintInScalar,
		Why: "in wants an array; Azure refuses a single literal.",
	},
}

// fails are the functions that fail on what field() gives for a missing field.
var fails = map[string]bool{
	"substring": true, "int": true, "float": true, "json": true, "bool": true, "base64tojson": true, "datauritostring": true,
	"adddays": true, "iprangecontains": true,
}

func lintUnguarded(l *linter) {
	l.expressions(func(e expression) {
		var walk func(n *armexpr.Node, guarded bool)
		walk = func(n *armexpr.Node, guarded bool) {
			if !guarded {
				l.unguarded(e, n)
			}
			for i, x := range n.Args {
				inner := guarded
				if n.Kind == armexpr.CallNode {
					switch strings.ToLower(n.Name) {
					case "if":
						inner = guarded || i > 0
					case "and", "or":
						inner = guarded || i > 0
					}
				}
				walk(x, inner)
			}
		}
		walk(e.node, false)
	})
}

func (l *linter) unguarded(e expression, n *armexpr.Node) {
	switch n.Kind {
	case armexpr.CallNode:
		name := strings.ToLower(n.Name)
		switch {
		case fails[name] && len(n.Args) > 0:
			for _, x := range n.Args {
				if f := readsField(x); f != "" && (name != "iprangecontains" || e.cond == nil || len(e.cond.counts) == 0) {
					l.reportIn(e.at, n.Pos, e.place, "%s fails where %s is missing; guard it with if()", n.Name, f)
					return
				}
			}
		case (name == "first" || name == "last") && len(n.Args) == 1:
			if f := readsField(n.Args[0]); strings.Contains(f, "[*]") && (e.cond == nil || !e.cond.counted(f)) {
				l.reportIn(e.at, n.Pos, e.place, "%s has nothing to return where %s is empty; guard it with if()", n.Name, f)
			}
		}
	case armexpr.IndexNode:
		if f := readsField(n.Args[0]); f != "" && n.Args[1].Kind == armexpr.LiteralNode && n.Args[1].Value.Kind() == armexpr.Int && n.Args[1].Value.Int() > 0 {
			l.reportIn(e.at, n.Pos, e.place, "index %s fails where %s is missing or short; guard it with if()", n.Args[1].Value.JSON(), f)
		}
	case armexpr.PropNode:
		if f := readsField(n.Args[0]); f != "" {
			l.reportIn(e.at, n.Pos, e.place, ".%s fails where %s is missing; use tryGet()", n.Name, f)
		}
	case armexpr.LiteralNode:
	}
}

// always are fields that every resource has.
var always = map[string]bool{"name": true, "id": true, "type": true, "fullname": true}

// readsField returns the field or element that an expression reads and that
// may be missing, "" when there is none, or when the expression supplies a
// default.
func readsField(n *armexpr.Node) string {
	if n.Kind == armexpr.CallNode {
		switch strings.ToLower(n.Name) {
		case "field":
			if len(n.Args) == 1 && n.Args[0].Kind == armexpr.LiteralNode && !always[strings.ToLower(n.Args[0].Value.Str())] {
				return n.Args[0].Value.Str()
			}
			return ""
		case "current":
			if len(n.Args) == 1 && n.Args[0].Kind == armexpr.LiteralNode && strings.Contains(n.Args[0].Value.Str(), "[*].") {
				return n.Args[0].Value.Str()
			}
			return ""
		case "coalesce", "if", "tryget", "length", "empty", "contains", "equals", "createarray", "union", "array", "parameters":
			return ""
		case "concat", "format":
			for _, x := range n.Args {
				if x.Kind == armexpr.LiteralNode { // the text cannot be empty
					return ""
				}
			}
		}
	}
	for _, x := range n.Args {
		if f := readsField(x); f != "" {
			return f
		}
	}
	return ""
}

// outermost reports whether the expression is a call of one of the functions.
func outermost(n *armexpr.Node, name string) bool {
	return n.Kind == armexpr.CallNode && foldEq(n.Name, name)
}

func lintNullOperator(l *linter) {
	l.expressions(func(e expression) {
		if e.role == "operator" && outermost(e.node, "tryGet") {
			l.report(e.at, e.place, "the value of %s is null where tryGet finds nothing, and evaluation then fails; wrap it in coalesce", e.cond.Op)
		}
	})
}

func lintNullValue(l *linter) {
	l.expressions(func(e expression) {
		if e.role != "value" || !outermost(e.node, "tryGet") {
			return
		}
		switch e.cond.Op {
		case Equals, NotEquals, Like, NotLike, Match, NotMatch, MatchInsensitively, NotMatchInsensitively:
			l.report(e.at, e.place, "null is compared as \"\" by %s", e.cond.Op)
		}
	})
}

func lintIdentity(l *linter) {
	l.expressions(func(e expression) {
		e.node.Walk(func(n *armexpr.Node) {
			if n.Kind == armexpr.PropNode && foldEq(n.Name, "identity") && outermost(n.Args[0], "requestContext") {
				l.reportIn(e.at, n.Pos, e.place, "requestContext().identity is known only while a request is handled")
			}
		})
	})
}

func lintClock(l *linter) {
	l.expressions(func(e expression) {
		done := false
		e.node.Walk(func(n *armexpr.Node) {
			if outermost(n, "utcNow") && !done && e.role != "then" {
				done = true
				l.reportIn(e.at, n.Pos, e.place, "utcNow makes the outcome depend on when it is evaluated")
			}
		})
	})
}

// asksAll reports whether a is a condition on all elements of an array that no
// surrounding count binds.
func (a at) asksAll() bool {
	return a.Kind == FieldCondition && strings.Contains(a.Left.Str(), "[*]") && !armexpr.IsExpression(a.Left.Str()) && !a.counted(a.Left.Str())
}

// guardedArray reports whether a sibling in the same allOf excludes the empty
// array.
func guardedArray(a at) bool {
	if a.parent == nil || a.parent.Kind != AllOf {
		return false
	}
	array, _, _ := strings.Cut(a.Left.Str(), "[*]")
	for _, s := range a.parent.Children {
		f := s.Left.Str()
		if s.Count != nil {
			f = s.Count.Field.Str()
		}
		f, _, _ = strings.Cut(f, "[*]")
		if s == a.Condition || !foldEq(f, array) {
			if s.Kind == ValueCondition && strings.Contains(strings.ToLower(s.Left.Str()), strings.ToLower(array)) {
				return true
			}
			continue
		}
		if s.Count != nil || s.Op == Exists || s.Op == NotEquals {
			return true
		}
	}
	return false
}

func lintEmptyArray(l *linter) {
	l.conditions(func(a at) {
		if !a.asksAll() || a.Op.negated() || a.Op == Exists || a.negated || guardedArray(a) {
			return
		}
		what := "the rule matches"
		if a.existence {
			what = "the check is satisfied"
		}
		l.report(a.Left, a.Place, "%s %s also holds where the array is empty, so %s there", a.Left.Str(), a.Op, what)
	})
}

func lintNotAll(l *linter) {
	l.conditions(func(a at) {
		if a.asksAll() && a.negated && !a.Op.negated() && a.Op != Exists && !a.Op.ordering() {
			l.report(a.Left, a.Place, "not with %s %s holds when some element is otherwise", a.Left.Str(), a.Op)
		}
	})
}

func lintCountZero(l *linter) {
	l.conditions(func(a at) {
		if a.Count == nil || a.Count.Where != nil || a.Count.Field.Kind() == jsontape.Absent {
			return
		}
		c, ok := l.constant(a.Right)
		zero := ok && c.Text() == "0" && (a.Op == Equals || a.Op == NotEquals || a.Op == Greater || a.Op == LessOrEquals)
		one := ok && c.Text() == "1" && (a.Op == Less || a.Op == GreaterOrEquals)
		if zero || one {
			l.report(a.at, a.Place, "the count of %s is 0 both where the array is empty and where it is missing", a.Count.Field.Str())
		}
	})
}

func lintWhereField(l *linter) {
	l.expressions(func(e expression) {
		if e.cond == nil || len(e.cond.counts) == 0 {
			return
		}
		e.node.Walk(func(n *armexpr.Node) {
			if n.Kind != armexpr.CallNode || !foldEq(n.Name, "field") || len(n.Args) != 1 || n.Args[0].Kind != armexpr.LiteralNode {
				return
			}
			if f := n.Args[0].Value.Str(); e.cond.counted(f) && !wrapped(e.node, n) {
				l.reportIn(e.at, n.Pos, e.place, "field('%s') is an array of one element here; use current('%s')", f, f)
			}
		})
	})
}

// wrapped reports whether the call n is taken out of its array by first or
// last, which makes the use of field() deliberate.
func wrapped(root, n *armexpr.Node) bool {
	found := false
	root.Walk(func(p *armexpr.Node) {
		if p.Kind == armexpr.CallNode && len(p.Args) == 1 && p.Args[0] == n && (foldEq(p.Name, "first") || foldEq(p.Name, "last")) {
			found = true
		}
		if p.Kind == armexpr.IndexNode && p.Args[0] == n {
			found = true
		}
	})
	return found
}

func lintWhereOther(l *linter) {
	l.conditions(func(a at) {
		if a.Count == nil || a.Count.Where == nil {
			return
		}
		text := strings.ToLower(string(a.Count.Where.at.Raw()))
		if strings.Contains(text, "current(") {
			return
		}
		f := a.Count.Field.Str()
		if f != "" && strings.Contains(text, strings.ToLower(f)) || l.readsElement(a, f) {
			return
		}
		l.report(a.Count.Where.at, a.Count.Where.Place, "where names no element of what is counted")
	})
}

// readsElement reports whether a field in the where of a count lies, by its
// alias's path, inside the counted array, however the alias is called.
func (l *linter) readsElement(a at, field string) bool {
	array, _ := l.aliasFor(a, field)
	if array == nil {
		return false
	}
	found := false
	a.Count.Where.Walk(func(c *Condition) {
		if x, _ := l.aliasFor(at{Condition: c, existence: a.existence}, c.Left.Str()); x != nil && foldPrefix(x.Path, array.Path) {
			found = true
		}
	})
	return found
}

func lintInScalar(l *linter) {
	l.conditions(func(a at) {
		if a.Op != In && a.Op != NotIn {
			return
		}
		if c, ok := l.constant(a.Right); ok && c.Kind() != armexpr.Array && c.Kind() != armexpr.Unobserved && !l.parametric(a.Right) {
			l.report(a.Right, a.Place, "%s wants an array, not %s", a.Op, c.JSON())
		}
	})
}
