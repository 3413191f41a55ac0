// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

func applyFunction(name string, args []expression, r row, now time.Time) any {
	var a any
	if len(args) > 0 {
		a = args[0](r)
	}
	switch name {
	case "now":
		return now
	case "ago":
		d, _ := a.(time.Duration)
		return now.Add(-d)
	case "not":
		return !truth(a)
	case "tostring":
		return textOf(a)
	case "tolower":
		return strings.ToLower(textOf(a))
	case "toupper":
		return strings.ToUpper(textOf(a))
	case "isempty":
		return textOf(a) == ""
	case "isnotempty":
		return textOf(a) != ""
	case "isnull":
		return a == nil
	case "isnotnull":
		return a != nil
	case "tobool":
		return strings.EqualFold(textOf(a), "true")
	case "toint":
		f, _ := numeric(a)
		return float64(int(f))
	case "todatetime":
		if t, ok := timeOf(a); ok {
			return t
		}
		return nil
	case "array_length":
		l, _ := a.([]any)
		return float64(len(l))
	case "bin":
		d, _ := args[1](r).(time.Duration)
		if t, ok := timeOf(a); ok && d > 0 {
			return t.Truncate(d)
		}
		return a
	case "iff":
		if truth(a) {
			return args[1](r)
		}
		return args[2](r)
	}
	var b strings.Builder // strcat
	for _, e := range args {
		b.WriteString(textOf(e(r)))
	}
	return b.String()
}

func numeric(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	case int:
		return float64(v), true
	case string:
		f, err := strconv.ParseFloat(v, 64)
		return f, err == nil
	}
	return 0, false
}

func timeOf(v any) (time.Time, bool) {
	switch v := v.(type) {
	case time.Time:
		return v, true
	case string:
		t, err := parseTime(v)
		return t, err == nil
	}
	return time.Time{}, false
}

// textOf is a value as tostring gives it.
func textOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case json.Number:
		return v.String()
	case time.Time:
		return v.Format("2006-01-02T15:04:05.0000000Z")
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

func compareValues(op string, a, b any) bool {
	switch op {
	case "<", ">", "<=", ">=":
		if a == nil || b == nil {
			return false
		}
		c := order(a, b)
		return op[0] == '<' && c < 0 || op[0] == '>' && c > 0 || len(op) == 2 && c == 0
	case "==", "!=":
		equal := textOf(a) == textOf(b)
		if _, isTime := b.(time.Time); isTime {
			equal = order(a, b) == 0
		}
		return equal == (op == "==")
	}
	x, y := strings.ToLower(textOf(a)), strings.ToLower(textOf(b))
	switch op {
	case "=~":
		return x == y
	case "!~":
		return x != y
	case "contains", "has":
		return strings.Contains(x, y)
	case "!contains", "!has":
		return !strings.Contains(x, y)
	case "startswith":
		return strings.HasPrefix(x, y)
	case "!startswith":
		return !strings.HasPrefix(x, y)
	}
	return strings.HasSuffix(x, y) // endswith
}

// order compares times as times, numbers as numbers and the rest as text.
func order(a, b any) int {
	x, isText := a.(string)
	y, both := b.(string)
	if isText && both && (!stamped(x) || !stamped(y)) {
		return cmp.Compare(x, y)
	}
	if x, ok := timeOf(a); ok {
		if y, ok := timeOf(b); ok {
			return x.Compare(y)
		}
	}
	if x, ok := numeric(a); ok {
		if y, ok := numeric(b); ok {
			return cmp.Compare(x, y)
		}
	}
	return cmp.Compare(textOf(a), textOf(b))
}

// stamped reports whether text may be a time: it begins with a year.
func stamped(t string) bool { return len(t) >= 10 && t[4] == '-' && t[7] == '-' }

// table is the result of a query: columns in order, one slice for each row.
type table struct {
	columns []string
	rows    [][]any
}

// run applies the operators from the given one on to rows. star are the
// columns of a row when the query names none.
func (q *query) run(from int, rows []row, star []string) table {
	columns := star
	for _, op := range q.ops[from:] {
		switch op.word {
		case "where":
			rows = slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return !truth(op.cond(r)) })
		case "order":
			sortRows(rows, op.order)
		case "take":
			rows = rows[:min(op.count, len(rows))]
		case "count":
			columns, rows = []string{"Count"}, []row{fields{"Count": len(rows)}}
		case "extend":
			columns = slices.Clone(columns)
			for i, r := range rows {
				f := pick(r, columns)
				for _, n := range op.named {
					f[n.name] = n.expr(r)
				}
				rows[i] = f
			}
			for _, n := range op.named {
				if !slices.Contains(columns, n.name) {
					columns = append(columns, n.name)
				}
			}
		case "project-away":
			columns = slices.DeleteFunc(slices.Clone(columns), func(c string) bool {
				return slices.ContainsFunc(op.named, func(n named) bool { return strings.EqualFold(n.name, c) })
			})
		case "project", "distinct":
			columns = nil
			for _, n := range op.named {
				columns = append(columns, n.name)
			}
			rows = slices.Clone(rows)
			for i, r := range rows {
				f := fields{}
				for _, n := range op.named {
					f[n.name] = n.expr(r)
				}
				rows[i] = f
			}
			if op.word == "distinct" {
				rows = distinct(rows, columns)
			}
		case "summarize":
			columns, rows = op.summarize(rows, columns)
		}
	}
	t := table{columns: columns}
	for _, r := range rows {
		line := make([]any, len(columns))
		for i, c := range columns {
			line[i] = r.column(c)
		}
		t.rows = append(t.rows, line)
	}
	return t
}

func pick(r row, columns []string) fields {
	f := fields{}
	for _, c := range columns {
		f[c] = r.column(c)
	}
	return f
}

func sortRows(rows []row, by []sorting) {
	slices.SortStableFunc(rows, func(a, b row) int {
		for _, s := range by {
			c := order(s.expr(a), s.expr(b))
			if s.desc {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
}

func distinct(rows []row, columns []string) []row {
	seen := map[string]bool{}
	return slices.DeleteFunc(rows, func(r row) bool {
		cells := make([]string, len(columns))
		for i, c := range columns {
			cells[i] = textOf(r.column(c))
		}
		key := strings.Join(cells, "\x00")
		dup := seen[key]
		seen[key] = true
		return dup
	})
}

// summarize groups rows and computes the aggregates.
func (op *operator) summarize(rows []row, star []string) ([]string, []row) {
	var columns []string
	for _, n := range op.by {
		columns = append(columns, n.name)
	}
	groups := map[string][]row{}
	var keys []string
	for _, r := range rows {
		cells := make([]string, len(op.by))
		for i, n := range op.by {
			cells[i] = textOf(n.expr(r))
		}
		key := strings.Join(cells, "\x00")
		if _, ok := groups[key]; !ok {
			keys = append(keys, key)
		}
		groups[key] = append(groups[key], r)
	}
	if len(op.by) == 0 && len(keys) == 0 {
		keys = []string{""} // an aggregate of nothing is one row
	}
	var out []row
	for _, key := range keys {
		g := groups[key]
		f := fields{}
		for _, n := range op.by {
			f[n.name] = n.expr(g[0])
		}
		for _, n := range op.named {
			n.compute(f, g, star)
		}
		out = append(out, f)
	}
	for _, n := range op.named {
		if n.star {
			for _, c := range star {
				if !slices.Contains(columns, c) {
					columns = append(columns, c)
				}
			}
			continue
		}
		columns = append(columns, n.name)
	}
	return columns, out
}

func (n *named) compute(f fields, g []row, star []string) {
	values := func() []any {
		var out []any
		for _, r := range g {
			if v := n.args[0](r); v != nil {
				out = append(out, v)
			}
		}
		return out
	}
	switch n.aggregate {
	case "count":
		f[n.name] = len(g)
	case "countif":
		c := 0
		for _, r := range g {
			if truth(n.args[0](r)) {
				c++
			}
		}
		f[n.name] = c
	case "dcount", "make_set":
		var set []any
		seen := map[string]bool{}
		for _, v := range values() {
			if t := textOf(v); !seen[t] {
				seen[t] = true
				set = append(set, v)
			}
		}
		f[n.name] = any(set)
		if n.aggregate == "dcount" {
			f[n.name] = len(set)
		}
	case "sum":
		total := 0.0
		for _, v := range values() {
			x, _ := numeric(v)
			total += x
		}
		f[n.name] = total
	case "min", "max":
		if vs := values(); len(vs) > 0 {
			f[n.name] = slices.MinFunc(vs, order)
			if n.aggregate == "max" {
				f[n.name] = slices.MaxFunc(vs, order)
			}
		} else {
			f[n.name] = nil
		}
	default: // arg_max, arg_min, any: the columns of one row
		if len(g) == 0 {
			return
		}
		r := g[0]
		for _, o := range g[1:] {
			c := order(n.args[0](o), n.args[0](r))
			if n.aggregate == "arg_max" && c > 0 || n.aggregate == "arg_min" && c < 0 {
				r = o
			}
		}
		f[n.name] = n.args[0](r)
		if n.star {
			for _, c := range star {
				f[c] = r.column(c)
			}
		}
	}
}
