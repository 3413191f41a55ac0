// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

// envelope is what an answer says around its rows.
type envelope struct {
	Statement
	columns []string
	// pagewise says that Declared counts the rows of this page only.
	pagewise bool
	// count is the number of rows that the page says it has.
	count   int64
	counted bool
	// why explains Cut.
	why string
}

// answerError is a 200 whose body is an error.
type answerError struct{ code, message string }

func (e *answerError) Error() string {
	return fmt.Sprintf("an error with status 200: %s: %s", e.code, e.message)
}

// reader reads pages strictly. It is for one goroutine.
type reader struct {
	tune   *tuning
	parser jsontape.Parser
	// columns are those of the table that is being read.
	columns []string
}

// table is the columns of the table that is being read, for who takes its rows.
func (r *reader) table() []string { return r.columns }

// page reads src, the answer to a, and gives each row to emit in order.
func (r *reader) page(src []byte, a *Ask, emit func(tickmark.Item, jsontape.Value) error) (envelope, error) {
	if len(bytes.TrimSpace(src)) == 0 {
		if a.Form == formJSONLines {
			return envelope{}, nil // a file of no lines
		}
		return envelope{}, errors.New("the answer has no body")
	}
	switch {
	case a.Form == formLogAnalytics:
		return r.primary(src, a, emit)
	case a.Form == formJSONLines:
		return r.lines(src, emit)
	case single(a.Form):
		return r.object(src, emit)
	}
	off, end, err := r.locate(src, a)
	if err != nil {
		return envelope{}, err
	}
	env, err := r.around(src, off, end, a)
	if err != nil {
		return env, err
	}
	r.columns = env.columns
	env.Items, err = r.rows(src, off, end, emit)
	if err != nil {
		return env, err
	}
	if r.tune.on("count") && env.counted && env.count != int64(env.Items) {
		return env, fmt.Errorf("count says %d rows, but there are %d", env.count, env.Items)
	}
	return env, nil
}

// locate finds the list. Its bytes are delimited only; rows and around parse.
func (r *reader) locate(src []byte, a *Ask) (off, end int, err error) {
	off = skipSpace(src, 0)
	if path, ok := a.listPath(); ok {
		for name := range strings.SplitSeq(path, ".") {
			if n, err := strconv.Atoi(name); err == nil {
				if off, err = elementAt(src, off, n); err != nil {
					return 0, 0, r.better(src, err)
				}
				continue
			}
			if off, err = memberAt(src, off, name); err != nil {
				return 0, 0, r.better(src, err)
			}
		}
	}
	if off >= len(src) || src[off] != '[' {
		if r.tune.on("listKind") {
			return 0, 0, r.better(src, fmt.Errorf("the list is missing or not an array"))
		}
		return off, off, nil
	}
	end, err = jsontape.SkipValue(src, off)
	return off, end, err
}

// better replaces the error of a list that was not found by what the answer
// says instead: an error, or where its JSON breaks.
func (r *reader) better(src []byte, err error) error {
	if len(src) > r.tune.rowBytes {
		return err
	}
	tape, e := r.parser.Parse(src)
	if e != nil {
		return e
	}
	if e := errorMember(tape.Root()); e != nil {
		return e
	}
	return err
}

// memberAt finds the value of a member of the object at src[off].
func memberAt(src []byte, off int, name string) (int, error) {
	missing := fmt.Errorf("the answer has no member %q", name)
	if off >= len(src) || src[off] != '{' {
		return 0, missing
	}
	i := skipSpace(src, off+1)
	for i < len(src) && src[i] == '"' {
		end, err := jsontape.SkipValue(src, i)
		if err != nil {
			return 0, err
		}
		key := src[i+1 : end-1]
		i = skipSpace(src, end)
		if i >= len(src) || src[i] != ':' {
			return 0, missing
		}
		i = skipSpace(src, i+1)
		if strings.EqualFold(string(key), name) {
			return i, nil
		}
		if i, err = jsontape.SkipValue(src, i); err != nil {
			return 0, err
		}
		i = skipSpace(src, i)
		if i >= len(src) || src[i] != ',' {
			break
		}
		i = skipSpace(src, i+1)
	}
	return 0, missing
}

// elementAt finds an element of the array at src[off].
func elementAt(src []byte, off, n int) (int, error) {
	missing := fmt.Errorf("the answer has no element %d", n)
	if off >= len(src) || src[off] != '[' {
		return 0, missing
	}
	i := skipSpace(src, off+1)
	for ; n > 0; n-- {
		var err error
		if i, err = jsontape.SkipValue(src, i); err != nil {
			return 0, err
		}
		if i = skipSpace(src, i); i >= len(src) || src[i] != ',' {
			return 0, missing
		}
		i = skipSpace(src, i+1)
	}
	if i >= len(src) || src[i] == ']' {
		return 0, missing
	}
	return i, nil
}

func skipSpace(src []byte, i int) int {
	for i < len(src) && (src[i] == ' ' || src[i] == '\n' || src[i] == '\t' || src[i] == '\r') {
		i++
	}
	return i
}

// around parses everything except the rows.
func (r *reader) around(src []byte, off, end int, a *Ask) (envelope, error) {
	var env envelope
	if len(src)-(end-off) > r.tune.rowBytes {
		return env, fmt.Errorf("the answer has more than %d bytes beside its rows", r.tune.rowBytes)
	}
	hole := append(append(make([]byte, 0, len(src)-(end-off)+2), src[:off]...), "[]"...)
	hole = append(hole, src[end:]...)
	tape, err := r.parser.Parse(hole)
	if err != nil {
		return env, err
	}
	root := tape.Root()
	if root.Kind() != jsontape.Object {
		return env, nil // a bare array
	}
	if r.tune.on("errorMember") {
		if e := errorMember(root); e != nil {
			return env, e
		}
	}
	if a.Form == formLogAnalytics {
		return env, nil
	}
	if err := env.links(root, a); err != nil {
		return env, err
	}
	if err := env.totals(root, a); err != nil {
		return env, err
	}
	if err := env.cuts(root); err != nil {
		return env, err
	}
	if a.Form == formTable {
		err = env.table(root, a)
	}
	return env, err
}

// errorMember returns the error that the envelope carries, nil if none.
func errorMember(root jsontape.Value) error {
	for _, key := range []string{"error", "odata.error", "errors"} {
		v := root.Get(key)
		switch v.Kind() {
		case jsontape.Absent, jsontape.Null, jsontape.False:
			continue
		case jsontape.Array:
			if v.Len() == 0 {
				continue
			}
			v = v.Index(0)
		}
		code, msg := v.Get("code").Str(), v.Get("message").Str()
		if v.Kind() == jsontape.String {
			code, msg = v.Str(), root.Get("error_description").Str()
		}
		return &answerError{code, clip(msg)}
	}
	return nil
}

func (env *envelope) links(root jsontape.Value, a *Ask) error {
	for _, key := range []string{"nextLink", "@odata.nextLink", "odata.nextLink", "$skipToken", "continuationToken"} {
		if key == "continuationToken" && a.Paging == PageBodyToken {
			if more, ok := root.Get("hasMore").Bool(); ok && !more {
				continue
			}
		}
		v := root.Get(key)
		switch v.Kind() {
		case jsontape.Absent, jsontape.Null:
			continue
		case jsontape.String:
		default:
			return fmt.Errorf("%s is %v, not a string", key, v.Kind())
		}
		s := v.Str()
		if s == "" {
			continue
		}
		if env.Next != "" && env.Next != s {
			return fmt.Errorf("the answer has two links that lead on")
		}
		env.Next = strings.Clone(s)
	}
	return nil
}

func (env *envelope) totals(root jsontape.Value, a *Ask) error {
	switch c := root.Get("count"); c.Kind() { // Resource Graph, DevOps
	case jsontape.Absent, jsontape.Null:
	default:
		if env.count, env.counted = c.Int(); !env.counted {
			return fmt.Errorf("count is %s, not a number", clip(string(c.Raw())))
		}
	}
	for _, key := range []string{"totalRecords", "@odata.count", "odata.count", "total_count", "totalCount"} {
		v := root.Get(key)
		if v.Kind() == jsontape.Absent || v.Kind() == jsontape.Null {
			continue
		}
		n, ok := v.Int()
		if !ok || n < 0 || n > 1<<40 {
			return fmt.Errorf("%s is %s, not a count", key, clip(string(v.Raw())))
		}
		if env.Stated && env.Declared != int(n) {
			return fmt.Errorf("the answer states two totals, %d and %d", env.Declared, n)
		}
		env.Declared, env.Stated = int(n), true
		// Policy Insights counts the records returned; Graph and Dataverse
		// those of the whole collection.
		env.pagewise = strings.HasSuffix(key, "odata.count") && a.Host != HostGraph && a.Host != HostDataverse
	}
	return nil
}

func (env *envelope) cuts(root jsontape.Value) error {
	for _, key := range []string{"resultTruncated", "incomplete_results", "isTruncated"} {
		v := root.Get(key)
		switch v.Kind() {
		case jsontape.String:
			switch {
			case strings.EqualFold(v.Str(), "true"):
				env.Cut = true
			case !strings.EqualFold(v.Str(), "false"):
				return fmt.Errorf("%s is %s, not true or false", key, clip(v.Str()))
			}
		case jsontape.True:
			env.Cut = true
		case jsontape.Absent, jsontape.Null, jsontape.False:
		default:
			return fmt.Errorf("%s is %v, not true or false", key, v.Kind())
		}
		if env.Cut && env.why == "" {
			env.why = "the source says that it cut the answer (" + key + ")"
		}
	}
	return nil
}

// table reads the names of the columns beside the rows.
func (env *envelope) table(root jsontape.Value, a *Ask) error {
	path, _ := a.listPath()
	at := root
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		at = member(root, path[:i])
	}
	return env.names(at)
}

// names reads the columns of a table.
func (env *envelope) names(at jsontape.Value) error {
	for c := range at.Get("columns").Elems() {
		n := c.Get("name")
		if n.Kind() != jsontape.String {
			return fmt.Errorf("column %d has no name", len(env.columns))
		}
		env.columns = append(env.columns, strings.Clone(n.Str()))
	}
	if len(env.columns) == 0 {
		return errors.New("the table has no columns")
	}
	return nil
}

// primary reads the table PrimaryResult of a Log Analytics answer. A partial
// answer has an error beside its tables, which around refuses.
// Source: learn.microsoft.com/azure/azure-monitor/logs/api/response-format.
func (r *reader) primary(src []byte, a *Ask, emit func(tickmark.Item, jsontape.Value) error) (envelope, error) {
	off, end, err := r.locate(src, a)
	if err != nil {
		return envelope{}, err
	}
	env, err := r.around(src, off, end, a)
	if err != nil {
		return env, err
	}
	at, rows, rowsEnd := skipSpace(src, off+1), 0, 0
	for at < end && src[at] == '{' {
		stop, err := jsontape.SkipValue(src, at)
		if err != nil {
			return env, err
		}
		ro, err := memberAt(src, at, "rows")
		if err != nil || ro >= stop || src[ro] != '[' {
			return env, errors.New("a table has no rows")
		}
		re, err := jsontape.SkipValue(src, ro)
		if err != nil {
			return env, err
		}
		hole := append(append(append(make([]byte, 0, stop-at-(re-ro)+2), src[at:ro]...), "[]"...), src[re:stop]...)
		tape, err := r.parser.Parse(hole)
		if err != nil {
			return env, err
		}
		if tape.Root().Get("name").Str() == "PrimaryResult" {
			if rows != 0 {
				return env, errors.New("there are two tables PrimaryResult")
			}
			if err := env.names(tape.Root()); err != nil {
				return env, err
			}
			rows, rowsEnd = ro, re
		}
		at = skipSpace(src, stop)
		if at < end && src[at] == ',' {
			at = skipSpace(src, at+1)
			continue
		}
		break
	}
	if at+1 != end || rows == 0 {
		return env, errors.New("there is no table PrimaryResult")
	}
	r.columns = env.columns
	env.Items, err = r.rows(src, rows, rowsEnd, emit)
	return env, err
}

// rows parses each element of the array src[off:end].
func (r *reader) rows(src []byte, off, end int, emit func(tickmark.Item, jsontape.Value) error) (int, error) {
	if off == end {
		return 0, nil
	}
	n, i := 0, skipSpace(src, off+1)
	if i < end && src[i] == ']' {
		return 0, r.closes(i, end)
	}
	for {
		stop, err := jsontape.SkipValue(src, i)
		if err != nil {
			return n, err
		}
		if err := r.row(src, i, stop, n, emit); err != nil {
			return n, err
		}
		n++
		i = skipSpace(src, stop)
		switch {
		case i < end && src[i] == ']':
			return n, r.closes(i, end)
		case i >= end || src[i] != ',':
			return n, fmt.Errorf("byte %d: want a comma or the end of the list", i)
		}
		i = skipSpace(src, i+1)
	}
}

// closes checks that the bracket at i is the one that ends the list.
func (r *reader) closes(i, end int) error {
	if i+1 != end {
		return fmt.Errorf("byte %d: the list ends too early", i)
	}
	return nil
}

func (r *reader) row(src []byte, off, end, n int, emit func(tickmark.Item, jsontape.Value) error) error {
	if end-off > r.tune.rowBytes {
		return fmt.Errorf("row %d has %d bytes, more than %d", n, end-off, r.tune.rowBytes)
	}
	tape, err := r.parser.Parse(src[off:end])
	if err != nil {
		return fmt.Errorf("row %d at byte %d: %w", n, off, err)
	}
	return emit(tickmark.Item{Off: off, Len: end - off}, tape.Root())
}

// object reads an answer that is one resource.
func (r *reader) object(src []byte, emit func(tickmark.Item, jsontape.Value) error) (envelope, error) {
	env := envelope{Statement: Statement{Items: 1}}
	if len(src) > r.tune.rowBytes {
		return env, fmt.Errorf("the object has %d bytes, more than %d", len(src), r.tune.rowBytes)
	}
	tape, err := r.parser.Parse(src)
	if err != nil {
		return env, err
	}
	root := tape.Root()
	if root.Kind() != jsontape.Object {
		return env, fmt.Errorf("the answer is %v, not an object", root.Kind())
	}
	if r.tune.on("errorMember") {
		if e := errorMember(root); e != nil && root.Get("id").Kind() == jsontape.Absent {
			return env, e
		}
	}
	content := 0
	for name := range root.Members() {
		if !strings.HasPrefix(name, "@") {
			content++
		}
	}
	if content == 0 && r.tune.on("emptyObject") {
		return env, errors.New("the object is empty")
	}
	if root.Get("nextLink").Kind() == jsontape.String && root.Get("value").Kind() == jsontape.Array {
		return env, errors.New("the answer is a list, not an object")
	}
	off := skipSpace(src, 0)
	return env, emit(tickmark.Item{Off: off, Len: len(bytes.TrimSpace(src))}, root)
}

// lines reads one object a line.
func (r *reader) lines(src []byte, emit func(tickmark.Item, jsontape.Value) error) (envelope, error) {
	var env envelope
	off := 0
	for line := range bytes.Lines(src) {
		body := bytes.TrimSpace(line)
		if len(body) > 0 {
			start := off + bytes.Index(line, body)
			if err := r.row(src, start, start+len(body), env.Items, emit); err != nil {
				return env, err
			}
			env.Items++
		}
		off += len(line)
	}
	return env, nil
}

// headers takes what the answer's header says about the list.
func (env *envelope) headers(h http.Header, a *Ask, on func(guard) bool) error {
	if s := h.Get("x-ms-tenant-subscription-limit-hit"); on("limitHit") && strings.EqualFold(strings.TrimSpace(s), "true") {
		// learn.microsoft.com/rest/api/azureresourcegraph: the query was run
		// over the first subscriptions only.
		env.Cut, env.why = true, "more subscriptions than the query admits (x-ms-tenant-subscription-limit-hit)"
	}
	for _, next := range []string{h.Get("x-ms-continuationtoken"), nextOf(h)} {
		if next == "" {
			continue
		}
		if env.Next != "" && env.Next != next {
			return errors.New("the answer's header and body lead on to different pages")
		}
		env.Next = next
	}
	if env.Next != "" && (a.Paging == PageOne || a.Paging == PageSkip) {
		env.Cut, env.why = on("unfollowed"), "the answer leads on to another page, which this question does not follow"
		env.Next = ""
	}
	return nil
}

// clip shortens foreign text for a message and keeps it on one line.
func clip(s string) string {
	const most = 240
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
