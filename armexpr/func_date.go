// SPDX-License-Identifier: Apache-2.0

package armexpr

import (
	"strconv"
	"strings"
	"time"
)

var clockFuncs = []*Func{{Name: "utcNow", Min: 0, Max: 1, lazy: func(e *env, args []*prog) (Value, error) {
	if e.host == nil {
		return Value{}, fail("utcNow has no clock here")
	}
	now := e.host.Now().UTC()
	if len(args) == 0 {
		return StringValue(now.Format("2006-01-02T15:04:05.0000000Z")), nil
	}
	f, err := e.eval(args[0])
	if err != nil || f.kind == Unobserved {
		return f, err
	}
	if f.kind != String {
		return Value{}, wrong("utcNow", 0, "a string", f)
	}
	s, err := formatTime(now, f.str)
	return StringValue(s), err
}}}

var dateFuncs = []*Func{
	pure("dateTimeAdd", 2, 3, func(a []Value) (Value, error) {
		if err := strs("dateTimeAdd", a); err != nil {
			return Value{}, err
		}
		t, frac, ok := parseTime(a[0].str)
		if !ok {
			return Value{}, fail("dateTimeAdd cannot read %q as a date and time", a[0].str)
		}
		t, ok = addDuration(t, a[1].str)
		if !ok {
			return Value{}, fail("dateTimeAdd cannot read %q as an ISO 8601 duration", a[1].str)
		}
		return dateResult(t, frac, a[2:])
	}),
	pure("dateTimeFromEpoch", 1, 1, func(a []Value) (Value, error) {
		if a[0].kind != Int {
			return Value{}, wrong("dateTimeFromEpoch", 0, "an integer", a[0])
		}
		return dateResult(time.Unix(a[0].Int(), 0).UTC(), 0, nil)
	}),
	pure("dateTimeToEpoch", 1, 1, func(a []Value) (Value, error) {
		if a[0].kind != String {
			return Value{}, wrong("dateTimeToEpoch", 0, "a string", a[0])
		}
		t, _, ok := parseTime(a[0].str)
		if !ok {
			return Value{}, fail("dateTimeToEpoch cannot read %q as a date and time", a[0].str)
		}
		return IntValue(t.Unix()), nil
	}),
}

// addDays(dateTime, days[, format]) is a function of Azure Policy only.
func addDays(a []Value) (Value, error) {
	if a[0].kind != String {
		return Value{}, wrong("addDays", 0, "a string", a[0])
	}
	if a[1].kind != Int {
		return Value{}, wrong("addDays", 1, "an integer", a[1])
	}
	t, frac, ok := parseTime(a[0].str)
	n := a[1].Int()
	if !ok {
		return Value{}, fail("addDays cannot read %q as a date and time", a[0].str)
	}
	if n < -3652059 || n > 3652059 { // more than the years 1 to 9999 hold
		return Value{}, fail("addDays by %d days leaves the calendar", n)
	}
	return dateResult(t.AddDate(0, 0, int(n)), frac, a[2:])
}

// dateResult prints t in the given format, or in ISO 8601 with as many fraction
// digits as the input had, none when the fraction is zero.
func dateResult(t time.Time, frac int, format []Value) (Value, error) {
	if y := t.Year(); y < 1 || y > 9999 {
		return Value{}, fail("the date leaves the years 1 to 9999")
	}
	if len(format) == 1 {
		if format[0].kind != String {
			return Value{}, fail("the format of a date must be a string")
		}
		s, err := formatTime(t.UTC(), format[0].str)
		return StringValue(s), err
	}
	layout := "2006-01-02T15:04:05"
	if frac > 0 && t.Nanosecond() != 0 {
		layout += "." + strings.Repeat("0", frac)
	}
	return StringValue(t.UTC().Format(layout + "Z")), nil
}

// ParseTime reads an ISO 8601 date and time as Azure spells them: with T or a
// space, with or without fraction, with Z, an offset or nothing (UTC), or a
// date alone.
func ParseTime(s string) (time.Time, bool) {
	t, _, ok := parseTime(s)
	return t, ok
}

func parseTime(s string) (t time.Time, frac int, ok bool) {
	if len(s) < 10 || len(s) > 40 || s[4] != '-' || s[7] != '-' {
		return time.Time{}, 0, false
	}
	if len(s) == 10 {
		t, err := time.Parse("2006-01-02", s)
		return t, 0, err == nil
	}
	if s[10] == ' ' {
		s = s[:10] + "T" + s[11:]
	}
	if i := strings.IndexByte(s, '.'); i > 0 {
		j := i + 1
		for j < len(s) && digit(s[j]) {
			j++
		}
		frac = min(j-i-1, 7)
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04Z07:00", "2006-01-02T15:04"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), frac, true
		}
	}
	return time.Time{}, 0, false
}

// addDuration adds an ISO 8601 duration such as P1Y2M3DT4H5M6S or -P1D.
func addDuration(t time.Time, s string) (time.Time, bool) {
	sign := 1
	if strings.HasPrefix(s, "-") {
		sign, s = -1, s[1:]
	}
	s, ok := strings.CutPrefix(s, "P")
	if !ok || s == "" {
		return t, false
	}
	clock := false
	for s != "" {
		if s[0] == 'T' && !clock && len(s) > 1 {
			clock, s = true, s[1:]
			continue
		}
		i := 0
		for i < len(s) && (digit(s[i]) || s[i] == '.') {
			i++
		}
		if i == 0 || i == len(s) {
			return t, false
		}
		f, err := strconv.ParseFloat(s[:i], 64)
		if err != nil || f > 1e9 {
			return t, false
		}
		n := int(f) * sign
		d := time.Duration(0)
		switch unit := s[i]; {
		case unit == 'Y' && !clock:
			t = t.AddDate(n, 0, 0)
		case unit == 'M' && !clock:
			t = t.AddDate(0, n, 0)
		case unit == 'W' && !clock:
			t = t.AddDate(0, 0, 7*n)
		case unit == 'D' && !clock:
			t = t.AddDate(0, 0, n)
		case unit == 'H' && clock:
			d = time.Hour
		case unit == 'M' && clock:
			d = time.Minute
		case unit == 'S' && clock:
			d = time.Second
		default:
			return t, false
		}
		t = t.Add(time.Duration(f * float64(d) * float64(sign)))
		s = s[i+1:]
	}
	return t, true
}

var standardFormats = map[string]string{
	"d": "MM/dd/yyyy", "D": "dddd, dd MMMM yyyy", "f": "dddd, dd MMMM yyyy HH:mm", "F": "dddd, dd MMMM yyyy HH:mm:ss",
	"g": "MM/dd/yyyy HH:mm", "G": "MM/dd/yyyy HH:mm:ss", "m": "MMMM dd", "M": "MMMM dd",
	"o": "yyyy-MM-ddTHH:mm:ss.fffffffK", "O": "yyyy-MM-ddTHH:mm:ss.fffffffK",
	"r": "ddd, dd MMM yyyy HH:mm:ss 'GMT'", "R": "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
	"s": "yyyy-MM-ddTHH:mm:ss", "t": "HH:mm", "T": "HH:mm:ss", "u": "yyyy-MM-dd HH:mm:ssZ",
	"U": "dddd, dd MMMM yyyy HH:mm:ss", "y": "yyyy MMMM", "Y": "yyyy MMMM",
}

// formatTime prints t (UTC) in a .NET format of the invariant culture.
func formatTime(t time.Time, format string) (string, error) {
	if f, ok := standardFormats[format]; ok {
		format = f
	} else if len(format) == 1 {
		return "", fail("%q is not a standard date format", format)
	}
	var b strings.Builder
	for i := 0; i < len(format); {
		c := format[i]
		switch c {
		case '\'', '"':
			j := strings.IndexByte(format[i+1:], c)
			if j < 0 {
				return "", fail("a quote in the date format %q is not closed", format)
			}
			b.WriteString(format[i+1 : i+1+j])
			i += j + 2
			continue
		case '\\', '%':
			if c == '\\' && i+1 < len(format) {
				b.WriteByte(format[i+1])
				i++
			}
			i++
			continue
		}
		n := 1
		for i+n < len(format) && format[i+n] == c {
			n++
		}
		b.WriteString(datePart(t, c, n))
		i += n
	}
	return b.String(), nil
}

func pad(v, n int) string {
	s := strconv.Itoa(v)
	for len(s) < n {
		s = "0" + s
	}
	return s
}

// datePart prints n repetitions of the format letter c.
func datePart(t time.Time, c byte, n int) string {
	switch c {
	case 'y':
		if n <= 2 {
			return pad(t.Year()%100, n)
		}
		return pad(t.Year(), n)
	case 'M':
		switch n {
		case 1, 2:
			return pad(int(t.Month()), n)
		case 3:
			return t.Format("Jan")
		}
		return t.Format("January")
	case 'd':
		switch n {
		case 1, 2:
			return pad(t.Day(), n)
		case 3:
			return t.Format("Mon")
		}
		return t.Format("Monday")
	case 'H':
		return pad(t.Hour(), min(n, 2))
	case 'h':
		return pad((t.Hour()+11)%12+1, min(n, 2))
	case 'm':
		return pad(t.Minute(), min(n, 2))
	case 's':
		return pad(t.Second(), min(n, 2))
	case 'f', 'F':
		s := pad(t.Nanosecond()/100, 7)[:min(n, 7)]
		if c == 'F' {
			s = strings.TrimRight(s, "0")
		}
		return s
	case 't':
		return t.Format("PM")[:min(n, 2)]
	case 'K':
		return "Z"
	case 'z':
		return "+00:00"[:[]int{2, 3, 6}[min(n, 3)-1]]
	}
	return strings.Repeat(string(c), n)
}
