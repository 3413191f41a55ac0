// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// This file is an interpreter for the part of the Kusto query language that
// collectors send: a table, then where, extend, project, project-away,
// summarize, distinct, count, order by, take. What it does not know is an error
// and never ignored.

// row gives the columns of one row; nil is a missing value.
type row interface{ column(name string) any }

// fields is a row that was made.
type fields map[string]any

func (f fields) column(name string) any {
	if v, ok := f[name]; ok {
		return v
	}
	for k, v := range f {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return nil
}

// query is a parsed query.
type query struct {
	table string
	ops   []operator
}

// operator is one step after a pipe.
type operator struct {
	word  string
	cond  expression
	named []named // project, extend, summarize's aggregates
	by    []named // summarize's groups
	order []sorting
	count int
}

type named struct {
	name string
	expr expression
	// aggregate is the function of summarize; args are its arguments.
	aggregate string
	args      []expression
	star      bool
}

type sorting struct {
	expr expression
	desc bool
}

// expression is evaluated for a row.
type expression func(r row) any

// kqlError is what is wrong with a query.
type kqlError struct{ what string }

func (e *kqlError) Error() string { return e.what }

// kql is a parser over the tokens of a query.
type kql struct {
	toks []tok
	at   int
	now  time.Time
}

type tok struct {
	kind byte // w word, s string, n number, o operator
	text string
}

func lexKQL(text string) ([]tok, error) {
	var out []tok
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '/' && strings.HasPrefix(text[i:], "//"):
			for i < len(text) && text[i] != '\n' {
				i++
			}
		case c == '\'' || c == '"':
			var b strings.Builder
			j := i + 1
			for ; j < len(text) && text[j] != c; j++ {
				if text[j] == '\\' && j+1 < len(text) {
					j++
				}
				b.WriteByte(text[j])
			}
			if j >= len(text) {
				return nil, &kqlError{"a string has no end"}
			}
			out = append(out, tok{'s', b.String()})
			i = j + 1
		case c >= '0' && c <= '9':
			j := i
			for j < len(text) && (text[j] >= '0' && text[j] <= '9' || text[j] == '.' || text[j] >= 'a' && text[j] <= 'z') {
				j++
			}
			out = append(out, tok{'n', text[i:j]})
			i = j
		case wordByte(c):
			j := i
			for j < len(text) && (wordByte(text[j]) || text[j] >= '0' && text[j] <= '9') {
				j++
			}
			w := text[i:j]
			if (w == "in" || w == "project") && j < len(text) {
				if w == "in" && text[j] == '~' {
					w, j = "in~", j+1
				} else if strings.HasPrefix(text[j:], "-away") {
					w, j = "project-away", j+5
				}
			}
			out = append(out, tok{'w', w})
			i = j
		default:
			n := 1
			for _, op := range []string{"!contains", "!startswith", "!has", "!in~", "!in", "==", "!=", "=~", "!~", "<=", ">=", ".."} {
				if strings.HasPrefix(text[i:], op) {
					n = len(op)
					break
				}
			}
			out = append(out, tok{'o', text[i : i+n]})
			i += n
		}
	}
	return out, nil
}

func wordByte(c byte) bool {
	return c == '_' || c == '$' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func (k *kql) peek() string {
	if k.at < len(k.toks) && k.toks[k.at].kind != 's' {
		return k.toks[k.at].text
	}
	return ""
}

func (k *kql) accept(text string) bool {
	if strings.EqualFold(k.peek(), text) && k.at < len(k.toks) {
		k.at++
		return true
	}
	return false
}

func (k *kql) want(text string) error {
	if !k.accept(text) {
		return k.unexpected("want " + text)
	}
	return nil
}

func (k *kql) unexpected(hint string) error {
	if k.at >= len(k.toks) {
		return &kqlError{"the query ends too early; " + hint}
	}
	return &kqlError{fmt.Sprintf("%q is not understood here; %s", k.toks[k.at].text, hint)}
}

func (k *kql) word() (string, error) {
	if k.at < len(k.toks) && k.toks[k.at].kind == 'w' {
		k.at++
		return k.toks[k.at-1].text, nil
	}
	return "", k.unexpected("want a name")
}

// parseKQL parses a query; now is what now() and ago() refer to.
func parseKQL(text string, now time.Time) (*query, error) {
	toks, err := lexKQL(text)
	if err != nil {
		return nil, err
	}
	k := &kql{toks: toks, now: now}
	q := &query{}
	if q.table, err = k.word(); err != nil {
		return nil, err
	}
	for k.accept("|") {
		op, err := k.operator()
		if err != nil {
			return nil, err
		}
		q.ops = append(q.ops, op)
	}
	k.accept(";")
	if k.at < len(k.toks) {
		return nil, k.unexpected("want | or the end")
	}
	return q, nil
}

func (k *kql) operator() (op operator, err error) {
	if op.word, err = k.word(); err != nil {
		return op, err
	}
	op.word = strings.ToLower(op.word)
	switch op.word {
	case "where", "filter":
		op.word = "where"
		op.cond, err = k.or()
	case "extend", "project", "distinct", "project-away":
		op.named, err = k.nameds(false)
	case "summarize":
		if strings.EqualFold(k.peek(), "by") {
			break
		}
		op.named, err = k.nameds(true)
	case "order", "sort":
		op.word = "order"
		if err = k.want("by"); err == nil {
			op.order, err = k.sortings()
		}
	case "take", "limit":
		op.word = "take"
		if k.at >= len(k.toks) || k.toks[k.at].kind != 'n' {
			return op, k.unexpected("want a number")
		}
		op.count, err = strconv.Atoi(k.toks[k.at].text)
		k.at++
	case "count":
	default:
		return op, &kqlError{fmt.Sprintf("the operator %q is not one that the simulator knows", op.word)}
	}
	if err == nil && op.word == "summarize" && k.accept("by") {
		op.by, err = k.nameds(false)
	}
	return op, err
}

// nameds parses [name =] expression, … ; aggregates are functions of a group.
func (k *kql) nameds(aggregates bool) ([]named, error) {
	var out []named
	for {
		n := named{}
		if k.at+1 < len(k.toks) && k.toks[k.at].kind == 'w' && k.toks[k.at+1].kind == 'o' && k.toks[k.at+1].text == "=" {
			n.name = k.toks[k.at].text
			k.at += 2
		}
		start := k.at
		var err error
		if aggregates {
			err = k.aggregate(&n)
		} else {
			n.expr, err = k.or()
		}
		if err != nil {
			return nil, err
		}
		if n.name == "" {
			// As the service names them: count() is count_, a path a_b.
			n.name = defaultName(k.toks[start:k.at])
		}
		out = append(out, n)
		if !k.accept(",") {
			return out, nil
		}
	}
}

func defaultName(toks []tok) string {
	words := make([]string, 0, len(toks))
	for _, t := range toks {
		if t.kind == 'w' {
			words = append(words, t.text)
		}
	}
	if len(words) == 0 {
		return "Column1"
	}
	if len(toks) > 1 && toks[1].text == "(" {
		switch words[0] {
		case "tostring", "tolower", "toupper", "bin", "toint", "tobool", "todatetime":
			words = words[1:]
		default:
			return words[0] + "_" + strings.Join(words[1:], "_")
		}
	}
	return strings.Join(words, "_")
}

func (k *kql) aggregate(n *named) error {
	w, err := k.word()
	if err != nil {
		return err
	}
	n.aggregate = strings.ToLower(w)
	if !slices.Contains([]string{"count", "countif", "dcount", "min", "max", "sum", "arg_max", "arg_min", "make_set", "any", "take_any"}, n.aggregate) {
		return &kqlError{fmt.Sprintf("the aggregate %q is not one that the simulator knows", w)}
	}
	if err := k.want("("); err != nil {
		return err
	}
	for !k.accept(")") {
		if k.accept("*") {
			n.star = true
		} else {
			e, err := k.or()
			if err != nil {
				return err
			}
			n.args = append(n.args, e)
		}
		if k.peek() != ")" {
			if err := k.want(","); err != nil {
				return err
			}
		}
	}
	if n.aggregate != "count" && len(n.args) == 0 {
		return &kqlError{w + " needs an argument"}
	}
	return nil
}

func (k *kql) sortings() ([]sorting, error) {
	var out []sorting
	for {
		e, err := k.or()
		if err != nil {
			return nil, err
		}
		s := sorting{expr: e, desc: true} // Kusto's default
		switch {
		case k.accept("asc"):
			s.desc = false
		case k.accept("desc"):
		}
		if k.accept("nulls") {
			k.at++ // first or last: there is no other order here
		}
		out = append(out, s)
		if !k.accept(",") {
			return out, nil
		}
	}
}

func (k *kql) or() (expression, error) {
	left, err := k.and()
	for err == nil && k.accept("or") {
		var right expression
		if right, err = k.and(); err == nil {
			a, b := left, right
			left = func(r row) any { return truth(a(r)) || truth(b(r)) }
		}
	}
	return left, err
}

func (k *kql) and() (expression, error) {
	left, err := k.comparison()
	for err == nil && k.accept("and") {
		var right expression
		if right, err = k.comparison(); err == nil {
			a, b := left, right
			left = func(r row) any { return truth(a(r)) && truth(b(r)) }
		}
	}
	return left, err
}

func truth(v any) bool {
	b, _ := v.(bool)
	return b
}

func (k *kql) comparison() (expression, error) {
	left, err := k.primary()
	if err != nil {
		return nil, err
	}
	op := strings.ToLower(k.peek())
	switch op {
	case "==", "!=", "=~", "!~", "<", ">", "<=", ">=", "contains", "!contains", "startswith", "!startswith", "endswith", "has", "!has", "matches":
		k.at++
		right, err := k.primary()
		if err != nil {
			return nil, err
		}
		if op == "matches" {
			return nil, &kqlError{"matches regex is not one that the simulator knows"}
		}
		return func(r row) any { return compareValues(op, left(r), right(r)) }, nil
	case "in", "in~", "!in", "!in~":
		k.at++
		if err := k.want("("); err != nil {
			return nil, err
		}
		return k.inList(op, left)
	}
	return left, nil
}

// inList parses the rest of in (…). Lists of plain strings become a set: they
// can have thousands of ids.
func (k *kql) inList(op string, left expression) (expression, error) {
	set := map[string]bool{}
	fold := strings.HasSuffix(op, "~")
	for !k.accept(")") {
		if k.at >= len(k.toks) || k.toks[k.at].kind != 's' && k.toks[k.at].kind != 'n' {
			return nil, k.unexpected("want a list of values")
		}
		t := k.toks[k.at].text
		if fold {
			t = strings.ToLower(t)
		}
		set[t] = true
		k.at++
		if k.peek() != ")" {
			if err := k.want(","); err != nil {
				return nil, err
			}
		}
	}
	not := strings.HasPrefix(op, "!")
	return func(r row) any {
		t := textOf(left(r))
		if fold {
			t = strings.ToLower(t)
		}
		return set[t] != not
	}, nil
}

func (k *kql) primary() (expression, error) {
	if k.at >= len(k.toks) {
		return nil, k.unexpected("want a value")
	}
	t := k.toks[k.at]
	k.at++
	switch {
	case t.kind == 's':
		return func(row) any { return t.text }, nil
	case t.kind == 'n':
		return numberOrSpan(t.text)
	case t.text == "(":
		e, err := k.or()
		if err != nil {
			return nil, err
		}
		return e, k.want(")")
	case t.text == "-":
		e, err := k.primary()
		return func(r row) any { f, _ := numeric(e(r)); return -f }, err
	case t.kind == 'w':
		if k.peek() == "(" {
			return k.call(strings.ToLower(t.text))
		}
		switch strings.ToLower(t.text) {
		case "true", "false":
			b := strings.EqualFold(t.text, "true")
			return func(row) any { return b }, nil
		case "dynamic":
			return nil, &kqlError{"dynamic(…) is not one that the simulator knows"}
		}
		return k.path(t.text)
	}
	k.at--
	return nil, k.unexpected("want a value")
}

func numberOrSpan(text string) (expression, error) {
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		return func(row) any { return f }, nil
	}
	d, err := parseSpan(text)
	if err != nil {
		return nil, &kqlError{fmt.Sprintf("%q is neither a number nor a time span", text)}
	}
	return func(row) any { return d }, nil
}

// path parses .member and ['member'] and [0] after a column.
func (k *kql) path(column string) (expression, error) {
	e := func(r row) any { return r.column(column) }
	for {
		var name string
		index := -1
		switch {
		case k.accept("."):
			w, err := k.word()
			if err != nil {
				return nil, err
			}
			name = w
		case k.accept("["):
			if k.at >= len(k.toks) {
				return nil, k.unexpected("want a member")
			}
			t := k.toks[k.at]
			k.at++
			if t.kind == 'n' {
				index, _ = strconv.Atoi(t.text)
			}
			name = t.text
			if err := k.want("]"); err != nil {
				return nil, err
			}
		default:
			return e, nil
		}
		before := e
		e = func(r row) any {
			switch v := before(r).(type) {
			case map[string]any:
				return v[name]
			case []any:
				if index >= 0 && index < len(v) {
					return v[index]
				}
			}
			return nil
		}
	}
}

// call parses a function's arguments.
func (k *kql) call(name string) (expression, error) {
	k.at++ // (
	if name == "datetime" {
		var b strings.Builder
		for k.at < len(k.toks) && k.peek() != ")" {
			b.WriteString(k.toks[k.at].text)
			k.at++
		}
		t, err := parseTime(b.String())
		if err != nil {
			return nil, err
		}
		return func(row) any { return t }, k.want(")")
	}
	var args []expression
	for !k.accept(")") {
		e, err := k.or()
		if err != nil {
			return nil, err
		}
		args = append(args, e)
		if k.peek() != ")" {
			if err := k.want(","); err != nil {
				return nil, err
			}
		}
	}
	want := map[string]int{"now": 0, "ago": 1, "not": 1, "tostring": 1, "tolower": 1, "toupper": 1, "isempty": 1, "isnotempty": 1, "isnull": 1, "isnotnull": 1, "tobool": 1, "toint": 1, "todatetime": 1, "array_length": 1, "bin": 2, "strcat": len(args), "iff": 3}
	n, ok := want[name]
	if !ok {
		return nil, &kqlError{fmt.Sprintf("the function %q is not one that the simulator knows", name)}
	}
	if n != len(args) {
		return nil, &kqlError{fmt.Sprintf("%s wants %d arguments", name, n)}
	}
	return func(r row) any { return applyFunction(name, args, r, k.now) }, nil
}

func parseTime(text string) (time.Time, error) {
	text = strings.Trim(text, `'"`)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateOnly, "2006-01-02T15:04Z", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, &kqlError{fmt.Sprintf("%q is no time", text)}
}
