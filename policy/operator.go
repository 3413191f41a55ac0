// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// Operator is one of the 19 operators of a condition.
type Operator uint8

// The operators. An odd-even pair is an operator and its negation.
const (
	NoOperator Operator = iota
	_
	Equals
	NotEquals
	Like
	NotLike
	Match
	NotMatch
	MatchInsensitively
	NotMatchInsensitively
	Contains
	NotContains
	In
	NotIn
	ContainsKey
	NotContainsKey
	Less
	GreaterOrEquals
	Greater
	LessOrEquals
	Exists
)

var operatorText = [...]string{
	"", "", "equals", "notEquals", "like", "notLike", "match", "notMatch", "matchInsensitively", "notMatchInsensitively",
	"contains", "notContains", "in", "notIn", "containsKey", "notContainsKey", "less", "greaterOrEquals", "greater", "lessOrEquals", "exists",
}

// String returns the operator's documented spelling.
func (o Operator) String() string { return operatorText[o] }

func parseOperator(name string) Operator {
	for i, t := range operatorText {
		if t != "" && foldEq(t, name) {
			return Operator(i)
		}
	}
	return NoOperator
}

// negated reports whether o is the negation of another operator.
func (o Operator) negated() bool { return o < Less && o&1 == 1 }

// ordering reports whether o is less, lessOrEquals, greater or greaterOrEquals.
func (o Operator) ordering() bool { return o >= Less && o <= LessOrEquals }

// evalError is a failure of evaluation: the policy's state becomes Error.
type evalError struct {
	what string
	off  int // offset in the definition, -1 when unknown
}

func (e *evalError) Error() string { return e.what }

func evalErrorf(format string, args ...any) error {
	return &evalError{what: fmt.Sprintf(format, args...), off: -1}
}

// compare applies o to a left value and a right value. Absent on the left
// makes every positive operator false and every negation true.
func (o Operator) compare(l, r armexpr.Value) (Truth, error) {
	if l.Kind() == armexpr.Unobserved || r.Kind() == armexpr.Unobserved {
		return Maybe, nil
	}
	if o.negated() {
		t, err := (o - 1).compare(l, r)
		return t.not(), err
	}
	if r.Kind() == armexpr.Null && o != Exists {
		// The policy team's linter: evaluation fails when an operator value
		// evaluates to null (rule unguarded-tryget-operator-value).
		return Maybe, evalErrorf("the value of operator %s is null", o)
	}
	switch o {
	case Exists:
		want, ok := wantExists(r)
		if !ok {
			return Maybe, evalErrorf("exists wants true or false, not %s", r.JSON())
		}
		return truthOf((l.Kind() > armexpr.Null) == want), nil
	case Equals:
		return equal(l, r), nil
	case In:
		if r.Kind() != armexpr.Array {
			return equal(l, r), nil
		}
		return anyEqual(r, l), nil
	case Contains:
		return containsTruth(l, r), nil
	case ContainsKey:
		if l.Kind() != armexpr.Object {
			return False, nil
		}
		m := l.Get(r.Text())
		if m.Kind() == armexpr.Unobserved && l.OpenReason() != "" && !listed(l, r.Text()) {
			return Maybe, nil
		}
		return truthOf(m.Kind() != armexpr.Absent), nil
	case Like:
		s, ok := scalarText(l)
		return truthOf(ok && like(r.Text(), s)), nil
	case Match:
		s, ok := scalarText(l)
		return truthOf(ok && match(r.Text(), s)), nil
	case MatchInsensitively:
		s, ok := scalarText(l)
		return truthOf(ok && match(strings.ToLower(r.Text()), strings.ToLower(s))), nil
	case Less, LessOrEquals, Greater, GreaterOrEquals:
		return o.order(l, r)
	}
	return Maybe, evalErrorf("operator %d does not exist", o)
}

func listed(v armexpr.Value, name string) bool {
	for _, m := range v.Members() {
		if strings.EqualFold(m.Name, name) {
			return true
		}
	}
	return false
}

func wantExists(r armexpr.Value) (want, ok bool) {
	switch {
	case r.Kind() == armexpr.Bool:
		return r.Bool(), true
	case foldEq(r.Str(), "true"):
		return true, true
	case foldEq(r.Str(), "false"):
		return false, true
	}
	return false, false
}

// scalarText is the text that like and match see; null counts as empty.
func scalarText(v armexpr.Value) (string, bool) {
	switch v.Kind() {
	case armexpr.String, armexpr.Int, armexpr.Float, armexpr.Bool, armexpr.Null:
		return v.Text(), true
	}
	return "", false
}

// equal compares as equals does: strings ignore case, true equals "true", a
// number equals its own text, null equals the empty string.
func equal(l, r armexpr.Value) Truth {
	lk, rk := l.Kind(), r.Kind()
	if lk == rk || l.IsNumber() && r.IsNumber() {
		if lk == armexpr.String {
			return truthOf(armexpr.FoldEqual(l.Str(), r.Str()))
		}
		eq, unknown := armexpr.Equal(l, r, true)
		if unknown {
			return Maybe
		}
		return truthOf(eq)
	}
	if lk == armexpr.String {
		l, r, lk, rk = r, l, rk, lk
	}
	if rk != armexpr.String {
		return False
	}
	switch lk {
	case armexpr.Unobserved:
		return Maybe
	case armexpr.Null:
		return truthOf(r.Str() == "")
	case armexpr.Bool:
		return truthOf(foldEq(l.Text(), r.Str()))
	case armexpr.Int:
		return truthOf(l.Text() == r.Str() || numericEqual(l, r.Str()))
	case armexpr.Float:
		return truthOf(armexpr.FloatText(l.Float()) == r.Str() || numericEqual(l, r.Str()))
	}
	return False
}

// numericEqual reads text as a JSON number, as the internal suite does.
func numericEqual(n armexpr.Value, text string) bool {
	return numeric(text) && armexpr.CompareNumbers(n, armexpr.NumberValue(text)) == 0
}

// numeric reports whether text reads as a decimal number.
func numeric(text string) bool {
	if text == "" || strings.TrimLeft(text, "+-0123456789.eE") != "" || text[len(text)-1] > '9' || text[len(text)-1] < '0' {
		return false
	}
	_, err := strconv.ParseFloat(text, 64)
	return err == nil
}

func toNumber(v armexpr.Value) armexpr.Value {
	if v.Kind() == armexpr.String {
		return armexpr.NumberValue(v.Str())
	}
	return v
}

// anyEqual reports whether x equals any element of the array.
func anyEqual(array, x armexpr.Value) Truth {
	out := False
	for _, e := range array.List() {
		switch equal(x, e) {
		case True:
			return True
		case Maybe:
			out = Maybe
		case False:
		}
	}
	if array.OpenReason() != "" {
		return Maybe
	}
	return out
}

func containsTruth(l, r armexpr.Value) Truth {
	switch l.Kind() {
	case armexpr.Array:
		return anyEqual(l, r)
	case armexpr.Object:
		m := l.Get(r.Text())
		if m.Kind() == armexpr.Unobserved && l.OpenReason() != "" && !listed(l, r.Text()) {
			return Maybe
		}
		return truthOf(m.Kind() != armexpr.Absent)
	case armexpr.Absent, armexpr.Null:
		return False
	}
	if s, ok := scalarText(r); ok {
		return truthOf(armexpr.FoldContains(l.Text(), s))
	}
	return False
}

// order compares numbers, dates or strings; other pairs fail, as documented.
func (o Operator) order(l, r armexpr.Value) (Truth, error) {
	var c int
	switch {
	case l.Kind() <= armexpr.Null:
		return False, nil
	case l.IsNumber() && r.IsNumber():
		c = armexpr.CompareNumbers(l, r)
	case l.Kind() == armexpr.String && r.Kind() == armexpr.String:
		c = orderText(l.Str(), r.Str())
	case l.IsNumber() && numeric(r.Str()), numeric(l.Str()) && r.IsNumber():
		c = armexpr.CompareNumbers(toNumber(l), toNumber(r))
	default:
		return Maybe, evalErrorf("operator %s cannot order %s and %s", o, l.Kind(), r.Kind())
	}
	switch o {
	case Less:
		return truthOf(c < 0), nil
	case LessOrEquals:
		return truthOf(c <= 0), nil
	case Greater:
		return truthOf(c > 0), nil
	default:
		return truthOf(c >= 0), nil
	}
}

// orderText orders two strings: as instants when both are dates with a time,
// else ignoring case.
func orderText(a, b string) int {
	if len(a) > 10 && len(b) >= 10 || len(b) > 10 && len(a) >= 10 {
		x, okX := armexpr.ParseTime(a)
		y, okY := armexpr.ParseTime(b)
		if okX && okY {
			return x.Compare(y)
		}
	}
	return armexpr.FoldCompare(a, b)
}

// like matches s against a pattern in which * stands for any run and ? for one
// character, in time proportional to the product of the lengths.
func like(pattern, s string) bool {
	var bp, bs [128]rune
	p, r := appendFolded(bp[:0], pattern), appendFolded(bs[:0], s)
	i, j, star, mark := 0, 0, -1, 0
	for j < len(r) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == r[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

// appendFolded appends the characters of s, case-folded.
func appendFolded(dst []rune, s string) []rune {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return append(dst[:0], []rune(armexpr.Fold(s))...)
		}
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, rune(c))
	}
	return dst
}

// match compares character by character: # is an ASCII digit, ? an ASCII
// letter, . any character; everything else, * included, stands for itself.
func match(pattern, s string) bool {
	p, r := []rune(pattern), []rune(s)
	if len(p) != len(r) {
		return false
	}
	for i, c := range p {
		x := r[i]
		switch c {
		case '#':
			if x < '0' || x > '9' {
				return false
			}
		case '?':
			if x|0x20 < 'a' || x|0x20 > 'z' {
				return false
			}
		case '.':
		default:
			if c != x {
				return false
			}
		}
	}
	return true
}

type quickKind uint8

const (
	notQuick quickKind = iota
	quickExists
	quickText
	quickBool
	quickList
)

// quick is a leaf with a constant right side of a kind that is compared with
// the value where it lies, without making an expression value of it. It
// answers exactly as Operator.compare does, or Maybe where that must be asked.
type quick struct {
	kind   quickKind
	negate bool
	want   bool     // of exists, and the boolean
	text   string   // of a text
	texts  []string // of a list of texts
}

// quickOf prepares a leaf; its kind is notQuick where only the general way will do.
func quickOf(op Operator, right *template) quick {
	if right == nil || !right.isConst() {
		return quick{}
	}
	r := right.konst
	q := quick{negate: op.negated()}
	if q.negate {
		op--
	}
	switch {
	case op == Exists:
		if want, ok := wantExists(r); ok {
			q.kind, q.want = quickExists, want
		}
	case op == Equals && r.Kind() == armexpr.String:
		q.kind, q.text = quickText, r.Str()
	case op == Equals && r.Kind() == armexpr.Bool:
		q.kind, q.want = quickBool, r.Bool()
	case op == In && r.Kind() == armexpr.Array && r.OpenReason() == "":
		for _, e := range r.List() {
			if e.Kind() != armexpr.String {
				return quick{}
			}
			q.texts = append(q.texts, e.Str())
		}
		q.kind = quickList
	}
	return q
}

func (q *quick) compare(v jsontape.Value) Truth {
	k := v.Kind()
	if k == jsontape.Unobserved {
		return Maybe
	}
	var t Truth
	switch q.kind {
	case quickExists:
		return truthOf((k > jsontape.Null) == q.want)
	case quickText:
		t = equalText(v, k, q.text)
	case quickBool:
		t = equalBool(v, k, q.want)
	case quickList:
		t = q.listed(v, k)
	case notQuick:
		return Maybe
	}
	if q.negate {
		return t.not()
	}
	return t
}

// equalText is equal for a value on the tape and a text; numbers are left to
// the general way.
func equalText(v jsontape.Value, k jsontape.Kind, text string) Truth {
	switch k {
	case jsontape.String:
		return truthOf(armexpr.FoldEqual(v.Str(), text))
	case jsontape.True:
		return truthOf(foldEq(boolText[1], text))
	case jsontape.False:
		return truthOf(foldEq(boolText[0], text))
	case jsontape.Null:
		return truthOf(text == "")
	case jsontape.Absent, jsontape.Array, jsontape.Object:
		return False
	default:
		return Maybe
	}
}

var boolText = [2]string{armexpr.BoolValue(false).Text(), armexpr.BoolValue(true).Text()}

func equalBool(v jsontape.Value, k jsontape.Kind, want bool) Truth {
	switch k {
	case jsontape.True:
		return truthOf(want)
	case jsontape.False:
		return truthOf(!want)
	case jsontape.String:
		text := boolText[0]
		if want {
			text = boolText[1]
		}
		return truthOf(foldEq(text, v.Str()))
	case jsontape.Absent, jsontape.Null, jsontape.Number, jsontape.Array, jsontape.Object:
		return False
	default:
		return Maybe
	}
}

func (q *quick) listed(v jsontape.Value, k jsontape.Kind) Truth {
	switch k {
	case jsontape.String:
		s := v.Str()
		for _, text := range q.texts {
			if armexpr.FoldEqual(s, text) {
				return True
			}
		}
		return False
	case jsontape.Absent, jsontape.Array, jsontape.Object:
		return False
	default:
		return Maybe
	}
}
