// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// graphCondition is one comparison of a $filter. Conditions are joined by and; what
// else OData has is not served.
type graphCondition struct {
	path  string // a/b
	op    string
	value string // without quotes; null is "null" with quoted false
	// any is set for path/any(x: x eq 'value').
	any, quoted bool
}

// options reads and checks the query; what Graph would refuse is refused.
func (g *graphService) options(q *graphRequest) *refusal {
	values, err := url.ParseQuery(q.r.URL.RawQuery)
	if err != nil {
		return &refusal{400, "BadRequest", "The query could not be read."}
	}
	bad := func(format string, args ...any) *refusal {
		return &refusal{400, "Request_BadRequest", fmt.Sprintf(format, args...)}
	}
	for name, vs := range values {
		v := vs[0]
		switch strings.ToLower(name) {
		case "$top":
			n, err := strconv.Atoi(v)
			if err != nil || n < 1 || n > q.most {
				return bad("Invalid page size specified: '%s'. Must be between 1 and %d inclusive.", v, q.most)
			}
			q.top = n
		case "$count":
			q.count = strings.EqualFold(v, "true")
		case "$select":
			for m := range strings.SplitSeq(v, ",") {
				if m = strings.TrimSpace(m); q.members != nil && !slices.Contains(q.members, m) {
					return &refusal{400, "BadRequest", fmt.Sprintf("Could not find a property named '%s' on type 'microsoft.graph.%s'.", m, q.typ)}
				}
				q.picked = append(q.picked, m)
			}
		case "$expand":
			for e := range strings.SplitSeq(v, ",") {
				e, _, _ = strings.Cut(strings.TrimSpace(e), "(")
				if !slices.Contains(q.expands, e) {
					return &refusal{400, "BadRequest", fmt.Sprintf("Parsing OData Select and Expand failed: Could not find a property named '%s' on type 'microsoft.graph.%s'.", e, q.typ)}
				}
				q.opened = append(q.opened, e)
			}
		case "$filter":
			if f := q.readFilter(v); f != nil {
				return f
			}
		case "$skiptoken", "api-version":
		case "$orderby", "$search", "$skip":
			return bad("The simulator does not serve %s.", name)
		default:
			if strings.HasPrefix(name, "$") {
				return bad("The query parameter '%s' is not supported.", name)
			}
		}
	}
	if slices.Contains(q.picked, "signInActivity") {
		q.top = min(max(q.top, 0), 500)
	}
	if q.must != "" && !slices.ContainsFunc(q.filter, func(c graphCondition) bool { return c.path == q.must }) {
		return &refusal{400, "MissingProvider", "The filter must name " + q.must + "."}
	}
	return nil
}

// readFilter reads a $filter, and refuses members and operators that the set
// does not document.
func (q *graphRequest) readFilter(text string) *refusal {
	unsupported := func(what string) *refusal {
		return &refusal{400, "Request_UnsupportedQuery", fmt.Sprintf("Unsupported or invalid query filter clause specified for property '%s' of resource '%s'.", what, q.typ)}
	}
	for _, term := range splitAnd(text) {
		c, ok := readCondition(term)
		if !ok {
			return &refusal{400, "BadRequest", "Invalid filter clause: " + term}
		}
		operators := strings.Fields(q.filters[c.path])
		op := c.op
		if c.any {
			op = "any"
		}
		if !slices.Contains(operators, op) {
			return unsupported(c.path)
		}
		if c.path == "signInEventTypes" && !q.beta {
			return &refusal{400, "BadRequest", "Could not find a property named 'signInEventTypes' on type 'microsoft.graph.signIn'."}
		}
		q.filter = append(q.filter, c)
	}
	return nil
}

// splitAnd splits at " and " outside quotes and parentheses.
func splitAnd(text string) []string {
	var out []string
	depth, from := 0, 0
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case depth == 0 && strings.HasPrefix(strings.ToLower(text[i:]), " and "):
			out = append(out, strings.TrimSpace(text[from:i]))
			from = i + len(" and ")
			i = from - 1
		}
	}
	return append(out, strings.TrimSpace(text[from:]))
}

func readCondition(term string) (graphCondition, bool) {
	if path, inner, ok := strings.Cut(term, "/any("); ok {
		variable, body, ok := strings.Cut(strings.TrimSuffix(inner, ")"), ":")
		c, good := readCondition(strings.TrimSpace(body))
		if !ok || !good || c.any || c.path != strings.TrimSpace(variable) || c.op != "eq" {
			return graphCondition{}, false
		}
		c.path, c.any = path, true
		return c, true
	}
	words := strings.SplitN(term, " ", 3)
	if len(words) != 3 || !slices.Contains([]string{"eq", "ne", "ge", "le", "gt", "lt"}, words[1]) {
		return graphCondition{}, false
	}
	c := graphCondition{path: words[0], op: words[1], value: strings.TrimSpace(words[2])}
	if n := len(c.value); n >= 2 && c.value[0] == '\'' && c.value[n-1] == '\'' {
		c.value, c.quoted = strings.ReplaceAll(c.value[1:n-1], "''", "'"), true
	} else if strings.ContainsAny(c.value, " '") {
		return graphCondition{}, false
	}
	return c, true
}

// filterRows keeps the rows for which all conditions hold.
func filterRows(rows graphRows, filter []graphCondition) graphRows {
	var kept []int
	for i := range rows.n {
		row := rows.at(i)
		if !slices.ContainsFunc(filter, func(c graphCondition) bool { return !c.holds(row) }) {
			kept = append(kept, i)
		}
	}
	return graphRows{len(kept), func(i int) []member { return rows.at(kept[i]) }}
}

// holds compares a member of the row. Times are compared as times, the rest as
// text without case, as the directory does.
func (c graphCondition) holds(row []member) bool {
	raw := json.RawMessage("null")
	at := row
	path := strings.Split(c.path, "/")
	for n, name := range path {
		i := slices.IndexFunc(at, func(m member) bool { return m.name == name })
		if i < 0 {
			break
		}
		if n == len(path)-1 {
			raw = at[i].value
			break
		}
		at, _ = members(at[i].value)
	}
	if c.any {
		var all []string
		return json.Unmarshal(raw, &all) == nil && slices.Contains(all, c.value)
	}
	have := strings.Trim(string(raw), `"`)
	if a, err := time.Parse(time.RFC3339, have); err == nil {
		if b, err := time.Parse(time.RFC3339, c.value); err == nil {
			return satisfies(a.Compare(b), c.op)
		}
	}
	return satisfies(strings.Compare(strings.ToLower(have), strings.ToLower(c.value)), c.op)
}

func satisfies(sign int, op string) bool {
	switch op {
	case "eq":
		return sign == 0
	case "ne":
		return sign != 0
	case "ge":
		return sign >= 0
	case "le":
		return sign <= 0
	case "gt":
		return sign > 0
	}
	return sign < 0
}

// bounds returns the times between which a filter of a log looks, both
// included; the zero time is no bound.
func (q *graphRequest) bounds(field string) (from, to time.Time) {
	for _, c := range q.filter {
		t, err := time.Parse(time.RFC3339, c.value)
		if c.path != field || err != nil {
			continue
		}
		switch c.op {
		case "ge":
			from = t
		case "le":
			to = t
		case "eq":
			from, to = t, t
		}
	}
	return from, to
}
