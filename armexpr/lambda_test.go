// SPDX-License-Identifier: Apache-2.0

package armexpr_test

import (
	"strings"
	"testing"

	"github.com/tickmark/tickmark/armexpr"
)

var templateSet = armexpr.Template.With(armexpr.HostFunc("parameters", 1, 1))

func evalTemplate(s string) (armexpr.Value, error) {
	n, err := armexpr.Parse(s)
	if err != nil {
		return armexpr.Value{}, err
	}
	p, err := armexpr.Compile(n, templateSet)
	if err != nil {
		return armexpr.Value{}, err
	}
	return p.Eval(host{})
}

func TestTemplateFunctions(t *testing.T) {
	const hidden = `"tickmark:unobserved:redacted"`
	cases := []struct{ expr, want string }{
		{`[map(range(0, 3), lambda('i', format('n{0}', lambdaVariables('i'))))]`, `["n0","n1","n2"]`},
		{`[map(createArray('a', 'b'), lambda('x', 'i', format('{0}{1}', lambdaVariables('X'), lambdaVariables('i'))))]`, `["a0","b1"]`},
		{`[map(createArray(1, 2), lambda('x', map(createArray(10, 20), lambda('y', add(lambdaVariables('x'), lambdaVariables('y'))))))]`, `[[11,21],[12,22]]`},
		{`[filter(range(0, 5), lambda('i', greater(lambdaVariables('i'), 2)))]`, `[3,4]`},
		{`[sort(createArray(3, 1, 2), lambda('a', 'b', less(lambdaVariables('a'), lambdaVariables('b'))))]`, `[1,2,3]`},
		{`[reduce(range(1, 4), 0, lambda('sum', 'x', add(lambdaVariables('sum'), lambdaVariables('x'))))]`, `10`},
		{`[toObject(createArray('a', 'b'), lambda('x', lambdaVariables('x')), lambda('x', concat(lambdaVariables('x'), '!')))]`, `{"a":"a!","b":"b!"}`},
		{`[toObject(createArray('a'), lambda('x', lambdaVariables('x')))]`, `{"a":"a"}`},
		{`[groupBy(createArray('ab', 'ac', 'b'), lambda('x', substring(lambdaVariables('x'), 0, 1)))]`, `{"a":["ab","ac"],"b":["b"]}`},
		{`[mapValues(createObject('a', 1), lambda('v', add(lambdaVariables('v'), 1)))]`, `{"a":2}`},
		{`[cidrSubnet('10.144.0.0/20', 24, 3)]`, `"10.144.3.0/24"`},
		{`[cidrHost('10.144.3.0/24', 3)]`, `"10.144.3.4"`},
		{`[parseCidr('10.144.0.0/20').lastUsable]`, `"10.144.15.254"`},
		{"[concat('a',\u202f'b'\u00a0)]", `"ab"`},
		{`[contains('OneTwo', 'two')]`, `false`},
		{`[contains(createObject('One', 1), 'one')]`, `true`},
		{`[string(true())]`, `"True"`},
		{`[string(createObject('a', true()))]`, `"{\"a\":true}"`},
		// three values
		{`[map(parameters('hidden'), lambda('i', 1))]`, hidden},
		{`[map(createArray(parameters('hidden'), 1), lambda('i', lambdaVariables('i')))]`, `[` + hidden + `,1]`},
		{`[length(filter(createArray(1, 2), lambda('i', equals(parameters('hidden'), lambdaVariables('i')))))]`, hidden},
		{`[filter(createArray(1, parameters('hidden'), 3), lambda('i', less(lambdaVariables('i'), 9)))[0]]`, `1`},
		{`[sort(createArray(1, parameters('hidden')), lambda('a', 'b', less(lambdaVariables('a'), lambdaVariables('b'))))]`, hidden},
		{`[createObject('a', parameters('hidden'), 'b', 1).b]`, `1`},
		{`[createObject('a', parameters('hidden'), 'b', 1).a]`, hidden},
		{`[length(createArray(parameters('hidden'), 1))]`, `2`},
		{`[length(union(createArray(parameters('hidden')), createArray(1)))]`, hidden},
		{`[string(createObject('a', parameters('hidden')))]`, hidden},
	}
	for _, c := range cases {
		v, err := evalTemplate(c.expr)
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
			continue
		}
		if got := v.JSON(); got != c.want {
			t.Errorf("%s = %s, want %s", c.expr, got, c.want)
		}
	}
}

func TestTemplateFunctionErrors(t *testing.T) {
	cases := []struct{ expr, want string }{
		{`[lambda('x', 1)]`, "only an argument of"},
		{`[map(createArray(1), 2)]`, "must be a lambda"},
		{`[map(createArray(1), lambda('a', 'b', 'c', 1))]`, "1 to 2 variables, not 3"},
		{`[map(createArray(1), lambda('a', lambdaVariables('b')))]`, "no lambda variable"},
		{`[filter(createArray(1), lambda('a', 'x'))]`, "must yield a boolean"},
		{`[map('x', lambda('a', 1))]`, "must be an array"},
		{`[cidrSubnet('10.0.0.0/24', 16, 0)]`, "cannot cut"},
		{`[cidrHost('10.0.0.0/30', 9)]`, "no host"},
		// a value that doubles at every step is stopped, not computed
		{`[length(string(reduce(range(0, 64), createArray(1), lambda('a', 'b', createArray(lambdaVariables('a'), lambdaVariables('a'))))))]`, "more than"},
		{`[concat(` + strings.Repeat("range(0, 9999), ", 20) + `range(0, 1))]`, "more than"},
		{`[union(range(0, 9999), range(9, 9999))]`, "more than"},
		{`[map(range(0, 9999), lambda('a', map(range(0, 9999), lambda('b', 1))))]`, "more than"},
	}
	for _, c := range cases {
		v, err := evalTemplate(c.expr)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, %v; want an error about %q", c.expr, v.Kind(), err, c.want)
		}
	}
}
