// SPDX-License-Identifier: Apache-2.0

package armexpr

import (
	"strings"
	"unicode/utf16"
)

// maxText bounds the strings that functions make (Azure's own limit for
// policy evaluation).
const maxText = 131072

var stringFuncs = []*Func{
	pure("concat", 1, -1, concat),
	pure("format", 1, -1, format),
	pure("padLeft", 2, 3, padLeft),
	pure("replace", 3, 3, replace),
	pure("split", 2, 2, split),
	pure("join", 2, 2, join),
	pure("string", 1, 1, toString),
	pure("substring", 2, 3, substring),
	pure("startsWith", 2, 2, affix("startsWith", strings.HasPrefix)),
	pure("endsWith", 2, 2, affix("endsWith", strings.HasSuffix)),
	pure("trim", 1, 1, onString("trim", func(s string) Value { return StringValue(strings.TrimFunc(s, isSpace)) })),
	pure("toLower", 1, 1, onString("toLower", func(s string) Value { return StringValue(strings.ToLower(s)) })),
	pure("toUpper", 1, 1, onString("toUpper", func(s string) Value { return StringValue(strings.ToUpper(s)) })),
}

func onString(name string, f func(string) Value) func([]Value) (Value, error) {
	return func(a []Value) (Value, error) {
		if a[0].kind != String {
			return Value{}, wrong(name, 0, "a string", a[0])
		}
		return f(a[0].str), nil
	}
}

func bounded(s string) (Value, error) {
	if len(s) > maxText {
		return Value{}, fail("the result is longer than %d characters", maxText)
	}
	return StringValue(s), nil
}

func concat(a []Value) (Value, error) {
	if a[0].kind == Array {
		var l []Value
		for i, v := range a {
			if v.kind != Array {
				return Value{}, wrong("concat", i, "an array like the first", v)
			}
			if r := v.OpenReason(); r != "" {
				return UnobservedValue(r), nil
			}
			if len(l)+v.Len() > maxElements {
				return Value{}, tooMany("concat")
			}
			l = append(l, v.List()...)
		}
		return ArrayValue(l), nil
	}
	var b strings.Builder
	for i, v := range a {
		switch v.kind {
		case String, Int, Float, Bool:
			b.WriteString(v.Text())
		default:
			return Value{}, wrong("concat", i, "a string like the first", v)
		}
	}
	return bounded(b.String())
}

func padLeft(a []Value) (Value, error) {
	s := a[0].Text()
	if a[0].kind != String && a[0].kind != Int {
		return Value{}, wrong("padLeft", 0, "a string or an integer", a[0])
	}
	if a[1].kind != Int {
		return Value{}, wrong("padLeft", 1, "an integer", a[1])
	}
	width := a[1].Int()
	if width < 1 || width > 16 {
		return Value{}, fail("the width of padLeft must be 1 to 16, not %d", width)
	}
	pad := " "
	if len(a) == 3 {
		if a[2].kind != String || units(a[2].str) != 1 {
			return Value{}, fail("the padding of padLeft must be one character")
		}
		pad = a[2].str
	}
	if n := int(width) - units(s); n > 0 {
		s = strings.Repeat(pad, n) + s
	}
	return StringValue(s), nil
}

func strs(name string, a []Value) error {
	for i, v := range a {
		if v.kind != String {
			return wrong(name, i, "a string", v)
		}
	}
	return nil
}

// replace ignores case (linter source).
func replace(a []Value) (Value, error) {
	if err := strs("replace", a); err != nil {
		return Value{}, err
	}
	s, from, to := a[0].str, a[1].str, a[2].str
	if from == "" {
		return Value{}, fail("the text to replace is empty")
	}
	var b strings.Builder
	lower, want := Fold(s), Fold(from)
	if len(lower) != len(s) || len(want) != len(from) { // folding changed lengths: fall back to exact
		return bounded(strings.ReplaceAll(s, from, to))
	}
	for {
		i := strings.Index(lower, want)
		if i < 0 {
			b.WriteString(s)
			return bounded(b.String())
		}
		b.WriteString(s[:i])
		b.WriteString(to)
		if b.Len() > maxText {
			return bounded(b.String())
		}
		s, lower = s[i+len(from):], lower[i+len(from):]
	}
}

func split(a []Value) (Value, error) {
	if a[0].kind != String {
		return Value{}, wrong("split", 0, "a string", a[0])
	}
	var seps []string
	switch a[1].kind {
	case String:
		seps = []string{a[1].str}
	case Array:
		for _, e := range a[1].List() {
			if e.kind == Unobserved {
				return e, nil
			}
			if e.kind != String {
				return Value{}, wrong("split", 1, "a string or an array of strings", a[1])
			}
			seps = append(seps, e.str)
		}
	default:
		return Value{}, wrong("split", 1, "a string or an array of strings", a[1])
	}
	var out []Value
	s, start := a[0].str, 0
	for i := 0; i < len(s); {
		n := 0
		for _, sep := range seps {
			if sep != "" && strings.HasPrefix(s[i:], sep) {
				n = len(sep)
				break
			}
		}
		if n == 0 {
			i++
			continue
		}
		out = append(out, StringValue(s[start:i]))
		i += n
		start = i
	}
	return ArrayValue(append(out, StringValue(s[start:]))), nil
}

func join(a []Value) (Value, error) {
	if a[0].kind != Array {
		return Value{}, wrong("join", 0, "an array", a[0])
	}
	if a[1].kind != String {
		return Value{}, wrong("join", 1, "a string", a[1])
	}
	if u, ok := a[0].observed(); !ok {
		return u, nil
	}
	var b strings.Builder
	for i, e := range a[0].List() {
		if i > 0 {
			b.WriteString(a[1].str)
		}
		b.WriteString(e.Text())
	}
	return bounded(b.String())
}

func toString(a []Value) (Value, error) {
	switch v := a[0]; v.kind {
	case Array, Object:
		if u, ok := v.observed(); !ok {
			return u, nil
		}
		return bounded(v.JSON())
	case Bool:
		return StringValue(strings.ToLower(v.Text())), nil
	default:
		return StringValue(v.Text()), nil
	}
}

// cut returns s[from:from+n] in UTF-16 units.
func cut(s string, from, n int) string {
	if isASCII(s) {
		return s[from : from+n]
	}
	return string(utf16.Decode(utf16.Encode([]rune(s))[from : from+n]))
}

func substring(a []Value) (Value, error) {
	if a[0].kind != String {
		return Value{}, wrong("substring", 0, "a string", a[0])
	}
	for i, v := range a[1:] {
		if v.kind != Int {
			return Value{}, wrong("substring", i+1, "an integer", v)
		}
	}
	size := int64(units(a[0].str))
	from, n := a[1].Int(), size-a[1].Int()
	if len(a) == 3 {
		n = a[2].Int()
	}
	if from < 0 || n < 0 || from > size || n > size-from {
		return Value{}, fail("substring(%d, %d) leaves the string of %d characters", from, n, size)
	}
	return StringValue(cut(a[0].str, int(from), int(n))), nil
}

func affix(name string, has func(s, x string) bool) func([]Value) (Value, error) {
	return func(a []Value) (Value, error) {
		if err := strs(name, a); err != nil {
			return Value{}, err
		}
		return BoolValue(has(Fold(a[0].str), Fold(a[1].str))), nil
	}
}
