// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// aliasRules need the alias catalogue.
var aliasRules = []*LintRule{
	{
		ID: "alias-unknown", Severity: LintError, Title: "An alias does not exist for a type that the rule names", check: lintUnknownAlias,
		Why: "Azure silently leaves the policy out for that type: nothing is evaluated and nothing is reported.",
	},
	{
		ID: "alias-api-version", Severity: LintWarning, Title: "An alias does not exist in every API version", check: lintAliasVersions,
		Why: "A request with a version that lacks the alias passes a Deny policy, because the field counts as missing.",
	},
	{
		ID: "alias-not-modifiable", Severity: LintError, Title: "Modify changes an alias that is not modifiable",
		Why: "Azure refuses the definition. The provider says which aliases are modifiable.",
	},
	{
		ID: "alias-secret", Severity: LintWarning, Title: "The rule compares a secret", check: lintSecret,
		Why: "The provider does not return the value, so the condition sees nothing; test a setting that shows whether the secret is there.",
	},
	{
		ID: "alias-bare-array", Severity: LintWarning, Title: "An array is compared as if it were one value", check: lintBareArray,
		Why: "Without [*] the field is the array itself, which equals no string or number. Write alias[*], or count.",
	},
	{
		ID: "alias-order-type", Severity: LintWarning, Title: "An ordering operator compares values that have no order", check: lintOrder,
		Why: "less and greater compare numbers with numbers and strings with strings; another pair is an evaluation error, which denies requests and shows as Error.",
	},
	{
		ID: "number-as-text", Severity: LintWarning, Title: "A number is compared with text that no number is printed as", check: lintNumberText,
		Why: "The policy team's linter says that a number is compared by its own text: 5 equals \"5\", not \"05\" or \"5.0\". Write the number as it is printed.",
	},
}

// conditionRules are about single conditions.
var conditionRules = []*LintRule{
	{
		ID: "match-star", Severity: LintWarning, Title: "match contains *, which stands for itself there", check: lintMatchStar,
		Why: "In match only #, ? and . are placeholders and lengths must agree; * is no wildcard. Use like.",
	},
	{
		ID: "like-many-stars", Severity: LintWarning, Title: "like contains more than one *", check: lintLikeStars,
		Why: "One * is documented. Use contains, or several conditions.",
	},
	{
		ID: "like-without-star", Severity: LintInfo, Title: "like without *", check: lintLikeNone,
		Why: "It compares the whole text; equals says so.",
	},
	{
		ID: "condition-constant", Severity: LintWarning, Title: "A condition does not depend on the resource", check: lintConstant,
		Why: "It is always true or always false. If it switches the policy by a parameter, prefer the effect Disabled.",
	},
	{
		ID: "condition-empty", Severity: LintWarning, Title: "allOf or anyOf without conditions", check: lintEmpty,
		Why: "An empty allOf is always true, an empty anyOf always false.",
	},
	{
		ID: "condition-duplicate", Severity: LintWarning, Title: "The same condition stands twice side by side", check: lintDuplicate,
		Why: "The second has no effect; usually another field or value was meant.",
	},
	{
		ID: "condition-contradiction", Severity: LintWarning, Title: "allOf wants two different values of one field", check: lintContradiction,
		Why: "Both cannot hold, so the rule never matches. Use in, or anyOf.",
	},
	{
		ID: "double-negation", Severity: LintInfo, Title: "not around a negated operator or another not", check: lintDouble,
		Why: "The positive operator says the same and is easier to read. (Around [*] it means \"any element\" and is meant.)",
	},
	{
		ID: "exists-with-empty", Severity: LintInfo, Title: "A field is tested for an empty string only", check: lintEmptyText,
		Why: "A missing field does not equal \"\". Test exists too, unless absence was excluded before.",
	},
	{
		ID: "location-spelling", Severity: LintInfo, Title: "A location is compared in an expression with a display name", check: lintLocation,
		Why: "field conditions on location ignore spaces and case, expressions do not: compare with \"westeurope\", not \"West Europe\".",
	},
}

func lintUnknownAlias(l *linter) {
	if l.p == nil || l.catalog == nil {
		return
	}
	for _, u := range l.p.unknownAliases() {
		l.report(u.at, u.place, "alias %q is not known for resource type %s%s", u.alias, u.typ, aliasHint(l.catalog, u.typ, u.alias))
	}
}

// fields calls f for every field condition and field count.
func (l *linter) fields(f func(a at, v jsontape.Value)) {
	l.conditions(func(a at) {
		if a.Kind == FieldCondition {
			f(a, a.Left)
		} else if a.Count != nil && a.Count.Field.Kind() == jsontape.String {
			f(a, a.Count.Field)
		}
	})
}

func lintAliasVersions(l *linter) {
	l.fields(func(a at, v jsontape.Value) {
		x, typ := l.aliasFor(a, v.Str())
		if x == nil || !x.Partial {
			return
		}
		var have, lack []string
		for _, ver := range x.Versions {
			have = append(have, ver.APIVersions...)
		}
		for _, ver := range l.catalog.Type(typ).APIVersions {
			if !containsFold(have, ver) {
				lack = append(lack, ver)
			}
		}
		switch {
		case len(lack) > 0:
			l.report(v, a.Place, "alias %s does not exist in API version %s", x.Name, short(lack))
		case len(l.catalog.Type(typ).APIVersions) == 0:
			l.report(v, a.Place, "alias %s exists in API version %s only", x.Name, short(have))
		}
	})
}

func short(list []string) string {
	if len(list) > 4 {
		return strings.Join(list[:4], ", ") + fmt.Sprintf(" and %d others", len(list)-4)
	}
	return strings.Join(list, ", ")
}

func lintSecret(l *linter) {
	l.fields(func(a at, v jsontape.Value) {
		if x, _ := l.aliasFor(a, v.Str()); x != nil && x.Secret && a.Op != Exists {
			l.report(v, a.Place, "alias %s is a secret, whose value policies do not see", x.Name)
		}
	})
}

func lintBareArray(l *linter) {
	l.conditions(func(a at) {
		if a.Kind != FieldCondition || strings.HasSuffix(a.Left.Str(), "[*]") {
			return
		}
		switch a.Op {
		case Contains, NotContains, Exists, NoOperator:
			return
		}
		x, typ := l.aliasFor(a, a.Left.Str())
		if x == nil {
			return
		}
		elements := x.Name + "[*]"
		if foldEq(x.Kind, "Array") || x.Kind == "" && l.catalog.Alias(typ, elements) != nil {
			l.report(a.Left, a.Place, "%s is an array, and %s compares it as one value; use %s", x.Name, a.Op, elements)
		}
	})
}

func lintOrder(l *linter) {
	l.conditions(func(a at) {
		if !a.Op.ordering() {
			return
		}
		c, ok := l.constant(a.Right)
		if !ok {
			return
		}
		switch c.Kind() {
		case armexpr.Bool, armexpr.Array, armexpr.Object, armexpr.Null:
			l.report(a.Right, a.Place, "%s cannot order by %s", a.Op, c.Kind())
			return
		}
		if a.Kind != FieldCondition {
			return
		}
		x, _ := l.aliasFor(a, a.Left.Str())
		switch {
		case x == nil:
		case foldEq(x.Kind, "String") && c.IsNumber():
			l.report(a.Right, a.Place, "%s is a string, and %s compares it with the number %s; write %q", x.Name, a.Op, c.JSON(), c.Text())
		case (foldEq(x.Kind, "Integer") || foldEq(x.Kind, "Number")) && c.Kind() == armexpr.String && !numeric(c.Str()):
			l.report(a.Right, a.Place, "%s is a number, and %s compares it with %s", x.Name, a.Op, c.JSON())
		case foldEq(x.Kind, "Boolean"), foldEq(x.Kind, "Array"), foldEq(x.Kind, "Object"):
			l.report(a.Left, a.Place, "%s is of type %s, which has no order", x.Name, x.Kind)
		}
	})
}

func lintNumberText(l *linter) {
	l.conditions(func(a at) {
		if a.Op != Equals && a.Op != NotEquals && a.Op != In && a.Op != NotIn {
			return
		}
		isNumber := a.Kind == CountCondition
		if x, _ := l.aliasFor(a, a.Left.Str()); x != nil && a.Kind == FieldCondition {
			isNumber = foldEq(x.Kind, "Integer") || foldEq(x.Kind, "Number")
		}
		if !isNumber {
			return
		}
		for _, c := range l.literals(a.Right) {
			if s := c.Str(); c.Kind() == armexpr.String && numeric(s) && armexpr.NumberValue(s).Text() != s {
				l.report(a.Right, a.Place, "the number is never printed as %q; write %s", s, strings.TrimSuffix(armexpr.NumberValue(strings.TrimLeft(s, "0+")).Text(), ".0"))
			}
		}
	})
}

func lintMatchStar(l *linter) {
	l.patterns(func(a at, pattern string) {
		switch a.Op {
		case Match, NotMatch, MatchInsensitively, NotMatchInsensitively:
			if strings.Contains(pattern, "*") {
				l.report(a.Right, a.Place, "%s takes * in %q as a literal star; use like", a.Op, pattern)
			}
		}
	})
}

// patterns calls f for every constant string that an operator compares with.
func (l *linter) patterns(f func(a at, pattern string)) {
	l.conditions(func(a at) {
		for _, c := range l.literals(a.Right) {
			if c.Kind() == armexpr.String {
				f(a, c.Str())
			}
		}
	})
}

func lintLikeStars(l *linter) {
	l.patterns(func(a at, pattern string) {
		if (a.Op == Like || a.Op == NotLike) && strings.Count(pattern, "*") > 1 {
			l.report(a.Right, a.Place, "%s %q has %d stars; one is documented", a.Op, pattern, strings.Count(pattern, "*"))
		}
	})
}

func lintLikeNone(l *linter) {
	l.patterns(func(a at, pattern string) {
		if (a.Op == Like || a.Op == NotLike) && !strings.ContainsAny(pattern, "*?") && !armexpr.IsExpression(a.Right.Str()) {
			l.report(a.Right, a.Place, "%s %q has no *; %s says the same", a.Op, pattern, map[Operator]Operator{Like: Equals, NotLike: NotEquals}[a.Op])
		}
	})
}

func lintConstant(l *linter) {
	l.conditions(func(a at) {
		if a.Kind != ValueCondition {
			return
		}
		left, okL := l.constant(a.Left)
		right, okR := l.constant(a.Right)
		if !okL || !okR || l.parametric(a.Left) || l.parametric(a.Right) {
			return
		}
		if t, err := a.Op.compare(left, right); err == nil && t != Maybe {
			l.report(a.Left, a.Place, "the condition is always %s: %s %s %s", t, Shown(left), a.Op, Shown(right))
		}
	})
}

// parametric reports whether a value depends on a parameter, so that it is
// constant in one assignment only.
func (l *linter) parametric(v jsontape.Value) bool {
	return strings.Contains(strings.ToLower(string(v.Raw())), "parameters(")
}

func lintEmpty(l *linter) {
	l.conditions(func(a at) {
		if (a.Kind == AllOf || a.Kind == AnyOf) && len(a.Children) == 0 {
			word := map[ConditionKind]string{AllOf: "allOf", AnyOf: "anyOf"}[a.Kind]
			l.report(a.at, a.Place, "an empty %s is always %s", word, truthOf(a.Kind == AllOf))
		}
	})
}

// canonicalCondition prints a condition without what does not matter.
func canonicalCondition(v jsontape.Value) string {
	switch v.Kind() {
	case jsontape.Object:
		var parts []string
		for k, m := range v.Members() {
			parts = append(parts, strings.ToLower(k)+":"+canonicalCondition(m))
		}
		slices.Sort(parts)
		return "{" + strings.Join(parts, ",") + "}"
	case jsontape.Array:
		var parts []string
		for e := range v.Elems() {
			parts = append(parts, canonicalCondition(e))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case jsontape.String:
		if armexpr.IsExpression(v.Str()) {
			return v.Str()
		}
		return strings.ToLower(v.Str())
	default:
		return string(v.Raw())
	}
}

func lintDuplicate(l *linter) {
	l.conditions(func(a at) {
		if a.Kind != AllOf && a.Kind != AnyOf {
			return
		}
		seen := map[string]*Condition{}
		for _, c := range a.Children {
			key := canonicalCondition(c.at)
			if o := seen[key]; o != nil {
				line, _ := jsontape.Position(l.doc.tape.Source(), o.at.Offset())
				l.report(c.at, c.Place, "the same condition stands in line %d", line)
				continue
			}
			seen[key] = c
		}
	})
}

func lintContradiction(l *linter) {
	l.conditions(func(a at) {
		if a.Kind != AllOf {
			return
		}
		wanted := map[string]*Condition{}
		for _, c := range a.Children {
			if c.Kind != FieldCondition || c.Op != Equals || strings.Contains(c.Left.Str(), "[*]") || armexpr.IsExpression(c.Left.Str()) {
				continue
			}
			key := strings.ToLower(c.Left.Str())
			o := wanted[key]
			if o == nil {
				wanted[key] = c
				continue
			}
			x, okX := l.constant(o.Right)
			y, okY := l.constant(c.Right)
			if okX && okY && !l.parametric(o.Right) && !l.parametric(c.Right) && equal(x, y) == False {
				l.report(c.Right, c.Place, "%s cannot equal both %s and %s", c.Left.Str(), x.JSON(), y.JSON())
			}
		}
	})
}

func lintDouble(l *linter) {
	l.conditions(func(a at) {
		if a.Kind != Not {
			return
		}
		c := a.Children[0]
		switch {
		case c.Kind == Not:
			l.report(a.at, a.Place, "not not: leave both out")
		case c.Kind == FieldCondition && c.Op.negated() && !strings.Contains(c.Left.Str(), "[*]"), c.Kind == ValueCondition && c.Op.negated():
			l.report(a.at, a.Place, "not %s: write %s", c.Op, c.Op.Opposite())
		}
	})
}

func lintEmptyText(l *linter) {
	l.conditions(func(a at) {
		if a.Kind != FieldCondition || a.Op != Equals || a.negated || a.Right.Kind() != jsontape.String || a.Right.Str() != "" || len(a.counts) > 0 {
			return
		}
		if a.parent != nil {
			for _, s := range a.parent.Children {
				if s != a.Condition && s.Kind == FieldCondition && s.Op == Exists && foldEq(s.Left.Str(), a.Left.Str()) {
					return
				}
			}
		}
		l.report(a.at, a.Place, "%s equals \"\" does not hold where the field is missing; test exists too", a.Left.Str())
	})
}

func lintLocation(l *linter) {
	l.expressions(func(e expression) {
		e.node.Walk(func(n *armexpr.Node) {
			if n.Kind != armexpr.CallNode || !foldEq(n.Name, "equals") && !foldEq(n.Name, "contains") || len(n.Args) != 2 {
				return
			}
			for i, x := range n.Args {
				other := n.Args[1-i]
				if x.Kind == armexpr.CallNode && foldEq(x.Name, "field") && len(x.Args) == 1 && foldEq(x.Args[0].Value.Str(), "location") &&
					other.Kind == armexpr.LiteralNode && NormalLocation(other.Value.Str()) != other.Value.Str() {
					l.reportIn(e.at, other.Pos, e.place, "the location is never spelled %q in an expression; write '%s'", other.Value.Str(), NormalLocation(other.Value.Str()))
				}
			}
		})
	})
}
