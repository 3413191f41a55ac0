// SPDX-License-Identifier: Apache-2.0

package armexpr

import (
	"math"
	"strconv"
	"strings"
)

// format is .NET composite formatting in the invariant culture:
// {index[,alignment][:format]}, braces doubled to stand for themselves.
func format(a []Value) (Value, error) {
	if a[0].kind != String {
		return Value{}, wrong("format", 0, "a string", a[0])
	}
	var b strings.Builder
	f := a[0].str
	for i := 0; i < len(f); {
		c := f[i]
		switch {
		case (c == '{' || c == '}') && i+1 < len(f) && f[i+1] == c:
			b.WriteByte(c)
			i += 2
		case c == '}':
			return Value{}, fail("the format has a closing brace without an opening one")
		case c == '{':
			j := strings.IndexByte(f[i:], '}')
			if j < 0 {
				return Value{}, fail("the format has an opening brace without a closing one")
			}
			s, u, err := formatItem(f[i+1:i+j], a[1:])
			if err != nil || u.kind == Unobserved {
				return u, err
			}
			b.WriteString(s)
			i += j + 1
		default:
			b.WriteByte(c)
			i++
		}
		if b.Len() > maxText {
			return bounded(b.String())
		}
	}
	return bounded(b.String())
}

func formatItem(item string, args []Value) (string, Value, error) {
	item, spec, _ := strings.Cut(item, ":")
	num, align, aligned := strings.Cut(item, ",")
	n, err := strconv.Atoi(strings.TrimSpace(num))
	if err != nil || n < 0 || strings.HasPrefix(num, "+") {
		return "", Value{}, fail("the format item {%s} has no index", item)
	}
	if n >= len(args) {
		return "", Value{}, fail("the format item {%d} has no argument", n)
	}
	s, err := formatValue(args[n], spec)
	if err != nil {
		return "", Value{}, err
	}
	if u, ok := args[n].observed(); !ok {
		return "", u, nil
	}
	if aligned {
		w, err := strconv.Atoi(strings.TrimSpace(align))
		if err != nil || w > 1000000 || w < -1000000 {
			return "", Value{}, fail("the alignment %q of a format item is not usable", align)
		}
		space := strings.Repeat(" ", max(0, max(w, -w)-units(s)))
		if w < 0 {
			s += space
		} else {
			s = space + s
		}
	}
	return s, Value{}, nil
}

func formatValue(v Value, spec string) (string, error) {
	if spec == "" || !v.IsNumber() {
		return v.Text(), nil
	}
	letter := spec[0] &^ 0x20
	digits := -1
	if len(spec) > 1 {
		n, err := strconv.Atoi(spec[1:])
		if err != nil || n < 0 || n > 99 {
			return customNumber(v, spec), nil //nolint:nilerr // not a standard format: a custom one
		}
		digits = n
	}
	def := func(n int) int {
		if digits < 0 {
			return n
		}
		return digits
	}
	f := v.Float()
	switch letter {
	case 'N':
		return group(strconv.FormatFloat(f, 'f', def(2), 64)), nil
	case 'F':
		return strconv.FormatFloat(f, 'f', def(2), 64), nil
	case 'P':
		return group(strconv.FormatFloat(f*100, 'f', def(2), 64)) + " %", nil
	case 'E':
		return exponent(f, def(6), spec[0]), nil
	case 'G':
		return v.Text(), nil
	case 'D', 'X':
		if v.kind != Int {
			return "", fail("the format %q needs an integer", spec)
		}
		s := strconv.FormatInt(v.Int(), 10)
		if letter == 'X' {
			s = strconv.FormatUint(uint64(v.Int()), 16) //nolint:gosec // two's complement is the .NET form
			if spec[0] == 'X' {
				s = strings.ToUpper(s)
			}
		}
		neg := strings.HasPrefix(s, "-")
		s = strings.TrimPrefix(s, "-")
		s = strings.Repeat("0", max(0, digits-len(s))) + s
		if neg {
			s = "-" + s
		}
		return s, nil
	}
	return customNumber(v, spec), nil
}

// exponent prints .NET's E format: at least three exponent digits.
func exponent(f float64, digits int, e byte) string {
	s := strconv.FormatFloat(f, 'e', digits, 64)
	m, x, _ := strings.Cut(s, "e")
	return m + string(e) + x[:1] + strings.Repeat("0", max(0, 4-len(x))) + x[1:]
}

// customNumber supports the zero placeholder: "000" and "0.00".
func customNumber(v Value, spec string) string {
	if strings.Trim(spec, "0.") != "" {
		return v.Text()
	}
	whole, frac, _ := strings.Cut(spec, ".")
	s := strconv.FormatFloat(math.Abs(v.Float()), 'f', len(frac), 64)
	w, rest, _ := strings.Cut(s, ".")
	w = strings.Repeat("0", max(0, len(whole)-len(w))) + w
	if rest != "" {
		w += "." + rest
	}
	if v.Float() < 0 {
		w = "-" + w
	}
	return w
}

// group puts a comma before every third digit of the whole part.
func group(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	whole, frac, dot := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if dot {
		whole += "." + frac
	}
	return sign + whole
}
