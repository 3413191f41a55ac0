// SPDX-License-Identifier: Apache-2.0

package armexpr_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark/armexpr"
)

type host struct{}

func (host) Now() time.Time { return time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC) }

func (host) Call(name string, args []armexpr.Value) (armexpr.Value, error) {
	switch args[0].Str() {
	case "hidden":
		return armexpr.UnobservedValue("redacted"), nil
	case "list":
		return armexpr.OpenArrayValue([]armexpr.Value{armexpr.IntValue(1)}, "truncated"), nil
	}
	return armexpr.StringValue("<" + args[0].Str() + ">"), nil
}

var set = armexpr.Policy.With(armexpr.HostFunc("parameters", 1, 1))

func eval(t *testing.T, s string) (armexpr.Value, error) {
	t.Helper()
	n, err := armexpr.Parse(s)
	if err != nil {
		return armexpr.Value{}, err
	}
	p, err := armexpr.Compile(n, set)
	if err != nil {
		return armexpr.Value{}, err
	}
	return p.Eval(host{})
}

func TestEval(t *testing.T) {
	cases := []struct{ expr, want string }{
		{`[concat('a', 'it''s', 1)]`, `"ait's1"`},
		{`[parameters('x')]`, `"<x>"`},
		{`[if(equals(1, 2), substring('a', 5), 'lazy')]`, `"lazy"`},
		{`[utcNow()]`, `"2026-06-15T12:00:00.0000000Z"`},
		{`[addDays(utcNow(), -14)]`, `"2026-06-01T12:00:00Z"`},
		{`[utcNow('yyyy-MM-dd')]`, `"2026-06-15"`},
		{`[replace('Hello', 'L', 'x')]`, `"Hexxo"`},
		{`[createObject('a', 1).A]`, `1`},
		{`[createArray(1, 2)[1]]`, `2`},
		{`[tryGet(createObject('a', createArray(1)), 'a', 3)]`, `null`},
		{`[union(createObject('a', createObject('b', 1)), createObject('a', createObject('c', 2)))]`, `{"a":{"b":1,"c":2}}`},
		{`[split('a;b,c', createArray(';', ','))]`, `["a","b","c"]`},
		{`[indexOf('AbC', 'c')]`, `2`},
		{`[string(createObject('a', true()))]`, `"{\"a\":true}"`},
		{`[padLeft('7', 3, '0')]`, `"007"`},
		{`[format('{0:D4}|{1,5}|{2}', 12, 'é', true())]`, `"0012|    é|True"`},
		{`[ipRangeContains('10.0.0.0-10.0.0.9', '10.0.0.8/31')]`, `true`},
		{`[ipRangeContains('0.0.0.0/0', '::1')]`, `false`},
		{`[guid('a')]`, `"c8a6e3a4"`}, // prefix only, see below
		{`[length('😀')]`, `2`},
		{`[less('a', 'B')]`, `true`},
		// three values
		{`[toLower(parameters('hidden'))]`, `"tickmark:unobserved:redacted"`},
		{`[if(parameters('hidden'), 1, 2)]`, `"tickmark:unobserved:redacted"`},
		{`[if(equals(parameters('hidden'), 1), 3, 3)]`, `3`},
		{`[and(equals(parameters('hidden'), 1), false())]`, `false`},
		{`[or(equals(parameters('hidden'), 1), true())]`, `true`},
		{`[and(equals(parameters('hidden'), 1), true())]`, `"tickmark:unobserved:redacted"`},
		{`[coalesce(null(), 1, parameters('hidden'))]`, `1`},
		{`[coalesce(parameters('hidden'), 1)]`, `"tickmark:unobserved:redacted"`},
		{`[length(parameters('list'))]`, `"tickmark:unobserved:truncated"`},
		{`[contains(parameters('list'), 1)]`, `true`},
		{`[contains(parameters('list'), 2)]`, `"tickmark:unobserved:truncated"`},
	}
	for _, c := range cases {
		v, err := eval(t, c.expr)
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
			continue
		}
		got := v.JSON()
		if strings.HasPrefix(c.expr, "[guid") { // a version 5 UUID, stable
			if again, _ := eval(t, c.expr); again.JSON() != got || len(got) != 38 || got[15] != '5' {
				t.Errorf("%s: %s", c.expr, got)
			}
			continue
		}
		if got != c.want {
			t.Errorf("%s = %s, want %s", c.expr, got, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	cases := []struct {
		expr string
		pos  int
		want string
	}{
		{`[concat('a',)]`, 12, "unexpected"},
		{`[concat('a'`, 0, "not an expression"},
		{`[concat('a']`, 11, "want ')'"},
		{`[foo]`, 1, "not a function call"},
		{`[nosuch('x')]`, 1, `"nosuch" does not exist`},
		{`[utcNo()]`, 1, "did you mean utcNow?"},
		{`[toLower()]`, 1, "takes 1 argument, not 0"},
		{`[toLower('a') x]`, 14, "after the end"},
		{`['a]`, 1, "closing quote"},
		{`[add(1, 'x')]`, 1, "argument 2 of add must be an integer, not a string"},
		{`[createObject('a', 1).b]`, 21, `no property "b"`},
		{`[createArray()[0]]`, 14, "outside the array"},
		{`[if('x', 1, 2)]`, 1, "argument 1 of if must be a boolean"},
		{`[length(5)]`, 1, "argument 1 of length"},
		{`[div(1, 0)]`, 1, "div by zero"},
		{`[reference('x')]`, 1, "does not exist here"},
		{`[listKeys('x')]`, 1, "does not exist here"},
		{`[99999999999999999999]`, 1, "does not fit"},
	}
	for _, c := range cases {
		_, err := eval(t, c.expr)
		var e *armexpr.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: got %v, want an error about %q", c.expr, err, c.want)
			continue
		}
		if e.Pos != c.pos || !strings.Contains(e.What, c.want) {
			t.Errorf("%s: got %q at %d, want %q at %d", c.expr, e.What, e.Pos, c.want, c.pos)
		}
	}
}

func TestDeepNesting(t *testing.T) {
	s := "[" + strings.Repeat("not(", 200) + "true()" + strings.Repeat(")", 200) + "]"
	if _, err := armexpr.Parse(s); err == nil || !strings.Contains(err.Error(), "nested deeper") {
		t.Errorf("got %v", err)
	}
}

func FuzzExpression(f *testing.F) {
	for _, s := range []string{`[concat('a', parameters('b'))]`, `[if(and(true(), false()), 1, 'x')]`, `[a.b[0]['c'].d]`, `[[x]`, `[format('{0,5:N2}', 1)]`, `[split('a,b', ',')]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := armexpr.Parse(s)
		if err != nil {
			return
		}
		if _, err := armexpr.Parse("[" + n.String() + "]"); err != nil {
			t.Fatalf("%q prints as %q, which does not parse: %v", s, n.String(), err)
		}
		p, err := armexpr.Compile(n, set)
		if err != nil {
			return
		}
		v1, err1 := p.Eval(host{})
		v2, err2 := p.Eval(host{})
		if (err1 == nil) != (err2 == nil) || v1.JSON() != v2.JSON() {
			t.Fatalf("%q is not deterministic", s)
		}
	})
}
