// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

// place is where a template stands in the request: it decides the escaping.
type place int

const (
	inPath place = iota
	inQuery
	inBody
)

// template is a text with places for values.
type template []part

type part struct {
	text string // literal, or the name of the value
	ref  bool
	up   int // how many subjects above
}

// A reference is {name}, {^name}, {properties.vaultUri}. A brace followed by
// anything else, as in a JSON body, is text.
var reference = regexp.MustCompile(`\{(\^*)([A-Za-z_@$][A-Za-z0-9_@$.\-]*)\}`)

func parseTemplate(s string) template {
	var t template
	at := 0
	for _, m := range reference.FindAllStringSubmatchIndex(s, -1) {
		if m[0] > at {
			t = append(t, part{text: s[at:m[0]]})
		}
		t = append(t, part{text: s[m[4]:m[5]], ref: true, up: m[3] - m[2]})
		at = m[1]
	}
	if at < len(s) {
		t = append(t, part{text: s[at:]})
	}
	return t
}

// has reports whether t refers to name.
func (t template) has(name string) bool {
	for _, p := range t {
		if p.ref && p.text == name {
			return true
		}
	}
	return false
}

// values are what a template's references stand for.
type values struct {
	subject *Subject
	root    *Subject
	batch   []*Subject
	from    string
	to      string
}

// absent says that a subject lacks what the request needs.
type absent struct {
	name   string
	reason tickmark.Reason
	why    string
}

func (e *absent) Error() string { return fmt.Sprintf("{%s}: %s", e.name, e.why) }

// expand fills the template for its place.
func (t template) expand(p place, v *values) (string, error) {
	var b strings.Builder
	var q quoting
	for i, part := range t {
		if !part.ref {
			q.literal(part.text)
			if p == inQuery {
				escapeLiteral(&b, part.text)
			} else {
				b.WriteString(part.text)
			}
			continue
		}
		s, err := v.text(p, part, &q, i == 0)
		if err != nil {
			return "", err
		}
		if p == inPath && strings.HasPrefix(s, "/") && strings.HasSuffix(b.String(), "/") {
			s = s[1:] // "/{id}" and "{id}" are alike
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

// quoting follows whether the text so far ends inside a string of JSON (of a
// body) and inside a string of the language in it (of KQL, of OData).
type quoting struct {
	json, single, double bool
}

func (q *quoting) literal(s string) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
			if i < len(s) && s[i] == '"' && !q.single {
				q.double = !q.double
			}
		case '"':
			q.json = !q.json
			q.single, q.double = false, false
		case '\'':
			if !q.double {
				q.single = !q.single
			}
		}
	}
}

// escapeLiteral makes the fixed part of a query fit for a URL: what is already
// escaped stays.
func escapeLiteral(b *strings.Builder, s string) {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"<>\^{|}#`+"`", c) >= 0 {
			fmt.Fprintf(b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
}

func (v *values) text(p place, ref part, q *quoting, first bool) (string, error) {
	if ref.up == 0 {
		switch {
		case ref.text == "from" && v.from != "":
			return escapeText(p, v.from, q), nil
		case ref.text == "to" && v.to != "":
			return escapeText(p, v.to, q), nil
		case ref.text == "ids" || strings.HasPrefix(ref.text, "ids."):
			return v.list(p, ref)
		}
	}
	s := v.subject
	for range ref.up {
		switch {
		case s == nil || s == v.root:
			return "", &absent{ref.text, tickmark.ReasonNotCollected, "there is no subject that far up"}
		case s.Of == nil:
			s = v.root
		default:
			s = s.Of
		}
	}
	val, raw, err := lookUp(s, ref.text)
	if err != nil {
		return "", err
	}
	if raw && (p != inBody || q.json) {
		return "", &absent{ref.text, tickmark.ReasonUnparsable, "it is a list or an object where one value is needed"}
	}
	if p == inBody && !q.json {
		if kind := member(s.Item, ref.text).Kind(); raw || val != "" && (kind == jsontape.Number || kind == jsontape.True || kind == jsontape.False) {
			return val, nil
		}
		return quoteJSON(val), nil
	}
	if p == inPath {
		return escapePath(val, ref.text, first)
	}
	return escapeText(p, val, q), nil
}

// list is the array of a batch's names, or of another member ({ids.id}).
func (v *values) list(p place, ref part) (string, error) {
	member := "name"
	if _, m, ok := strings.Cut(ref.text, "."); ok {
		member = m
	}
	batch := v.batch
	if batch == nil {
		batch = []*Subject{v.subject}
	}
	names := make([]string, len(batch))
	for i, s := range batch {
		val, _, err := lookUp(s, member)
		if err != nil {
			return "", err
		}
		names[i] = val
	}
	if p == inBody {
		b, err := json.Marshal(names)
		return string(b), err
	}
	for i := range names {
		names[i] = escapeText(p, names[i], &quoting{})
	}
	return strings.Join(names, ","), nil
}

// lookUp finds a member of a subject. raw says that it is JSON and not text.
func lookUp(s *Subject, name string) (text string, raw bool, err error) {
	switch {
	case s == nil:
		return "", false, &absent{name, tickmark.ReasonNotCollected, "there is no subject"}
	case name == "id" && s.ID != "":
		return s.ID, false, nil
	case s.Type == Root && name == "name":
	case name == "name" && s.Name != "":
		return s.Name, false, nil
	}
	val := member(s.Item, name)
	switch val.Kind() {
	case jsontape.String:
		if val.Str() == "" {
			return "", false, &absent{name, tickmark.ReasonNotCollected, "it is empty"}
		}
		return val.Str(), false, nil
	case jsontape.Number:
		return val.NumberText(), false, nil
	case jsontape.True, jsontape.False:
		return string(val.Raw()), false, nil
	case jsontape.Object, jsontape.Array:
		return string(val.Raw()), true, nil
	case jsontape.Unobserved:
		return "", false, &absent{name, tickmark.ReasonRedacted, "its value was not kept"}
	case jsontape.Absent, jsontape.Null:
	}
	return "", false, &absent{name, tickmark.ReasonNotCollected, "the resource has no such member"}
}

// member finds a member by its name, else by its dotted path.
func member(v jsontape.Value, path string) jsontape.Value {
	if m := v.Get(path); m.Kind() != jsontape.Absent || !strings.Contains(path, ".") {
		return m
	}
	for step := range strings.SplitSeq(path, ".") {
		if n, err := strconv.Atoi(step); err == nil && v.Kind() == jsontape.Array {
			v = v.Index(n)
			continue
		}
		v = v.Get(step)
	}
	return v
}

// escapePath escapes a value in a path. The id of an ARM resource is a path
// itself; a value at the very start may be a base URL, which the transport
// holds to the pinned hosts.
func escapePath(val, name string, first bool) (string, error) {
	if first && strings.HasPrefix(val, "https://") {
		u, err := url.Parse(val)
		if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return "", &absent{name, tickmark.ReasonUnparsable, "it is not a plain URL"}
		}
		return strings.TrimRight(val, "/"), nil
	}
	if name == "name" || !strings.HasPrefix(val, "/") {
		if val == "." || val == ".." {
			return "", &absent{name, tickmark.ReasonUnparsable, "it would climb the path"}
		}
		return url.PathEscape(val), nil
	}
	var b strings.Builder
	for seg := range strings.SplitSeq(strings.TrimRight(val, "/")[1:], "/") {
		if seg == "" || seg == "." || seg == ".." {
			return "", &absent{name, tickmark.ReasonUnparsable, "it is not a resource id"}
		}
		b.WriteString("/" + url.PathEscape(seg))
	}
	return b.String(), nil
}

func escapeText(p place, val string, q *quoting) string {
	if p == inBody {
		if q.single || q.double {
			val = kqlEscaper.Replace(val)
		}
		s := quoteJSON(val)
		return s[1 : len(s)-1]
	}
	if q.single {
		val = strings.ReplaceAll(val, "'", "''") // OData 4.01, part 2, 5.1.1.6.1
	}
	return strings.ReplaceAll(url.QueryEscape(val), "+", "%20")
}

// kqlEscaper escapes for a quoted string of the Kusto query language.
var kqlEscaper = strings.NewReplacer(`\`, `\\`, `'`, `\'`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`)

// quoteJSON is val as a JSON string; invalid UTF-8 cannot occur, the tape
// refuses it.
func quoteJSON(val string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(val); err != nil {
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}
