// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/tickmark/tickmark"
)

// Parse reads an organisation from YAML; name is for errors. Unknown and
// duplicate keys are errors with their line.
func Parse(name string, data []byte) (*Organisation, error) {
	tree, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, yamlProblem(name, err)
	}
	if len(tree.Docs) != 1 || tree.Docs[0].Body == nil {
		return nil, problem(name, nil, fmt.Sprintf("%d YAML documents, want one", len(tree.Docs)))
	}
	m, ok := tree.Docs[0].Body.(*ast.MappingNode)
	if !ok {
		return nil, problem(name, tree.Docs[0].Body.GetToken(), "the organisation is not a mapping")
	}
	o := Organisation{source: source{name: name, places: map[string]*token.Position{}}}
	if err := o.locate("", m, reflect.TypeFor[Organisation]()); err != nil {
		return nil, yamlProblem(name, err)
	}
	if err := yaml.NodeToValue(m, &o, yaml.Strict()); err != nil {
		return nil, yamlProblem(name, err)
	}
	if err := o.checkValues(); err != nil {
		return nil, err
	}
	return &o, nil
}

func problem(name string, t *token.Token, what string) error {
	if t != nil && t.Position != nil {
		name = fmt.Sprintf("%s:%d:%d", name, t.Position.Line, t.Position.Column)
	}
	return &tickmark.Error{Code: tickmark.CodeInput, What: what, Where: name, Hint: "doc/spec/sim.md lists the keys"}
}

func yamlProblem(name string, err error) error {
	if y, ok := errors.AsType[yaml.Error](err); ok {
		return problem(name, y.GetToken(), y.GetMessage())
	}
	if v, ok := errors.AsType[*valueError](err); ok {
		return problem(name, v.at, v.what)
	}
	return problem(name, nil, err.Error())
}

// valueError is a value that does not fit, with its place.
type valueError struct {
	at   *token.Token
	what string
}

func (e *valueError) Error() string { return e.what }

// When is an instant: RFC 3339, or relative to the epoch ("-30d", "-36h", "0").
type When struct {
	at  time.Time
	rel time.Duration
	set bool
}

// UnmarshalYAML reads the instant from a scalar.
func (w *When) UnmarshalYAML(n ast.Node) error {
	text := n.GetToken().Value
	w.set = true
	if d, err := parseSpan(text); err == nil {
		w.rel = d
		return nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t, err = time.Parse(time.DateOnly, text)
	}
	if err != nil {
		return &valueError{n.GetToken(), fmt.Sprintf("%q is neither a time (2026-01-31T08:00:00Z), a day nor relative to the epoch (-30d)", text)}
	}
	w.at = t.UTC()
	return nil
}

// IsSet reports whether the time was given.
func (w When) IsSet() bool { return w.set }

// Span is a duration such as 90d, 6h or 10m.
type Span time.Duration

// UnmarshalYAML reads the duration from a scalar.
func (s *Span) UnmarshalYAML(n ast.Node) error {
	d, err := parseSpan(n.GetToken().Value)
	if err != nil {
		return &valueError{n.GetToken(), fmt.Sprintf("%q is not a duration (90d, 6h, 10m)", n.GetToken().Value)}
	}
	*s = Span(d)
	return nil
}

func parseSpan(text string) (time.Duration, error) {
	if text == "0" {
		return 0, nil
	}
	var unit time.Duration
	switch {
	case strings.HasSuffix(text, "d"):
		unit = 24 * time.Hour
	case strings.HasSuffix(text, "w"):
		unit = 7 * 24 * time.Hour
	default:
		return time.ParseDuration(text)
	}
	f, err := strconv.ParseFloat(text[:len(text)-1], 64)
	if err != nil || math.Abs(f)*float64(unit) > 36500*24*float64(time.Hour) {
		return 0, fmt.Errorf("%q is not a duration of at most a hundred years", text)
	}
	return time.Duration(f * float64(unit)), nil
}

// Record is a JSON object as it is served, with placeholders in its strings.
type Record struct {
	text  []byte
	parts []part
}

// UnmarshalYAML turns the node into JSON, keeping the order of keys.
func (r *Record) UnmarshalYAML(n ast.Node) error {
	var b bytes.Buffer
	if err := appendJSON(&b, n); err != nil {
		return err
	}
	parts, err := compile(b.Bytes())
	if err != nil {
		return &valueError{n.GetToken(), err.Error()}
	}
	r.text, r.parts = b.Bytes(), parts
	return nil
}

// newRecord makes a record of JSON text that this package wrote.
func newRecord(text []byte) Record {
	parts, err := compile(text)
	if err != nil { // an unknown placeholder in a merge of known ones cannot be
		parts = []part{{lit: text}}
	}
	return Record{text: text, parts: parts}
}

func appendJSON(b *bytes.Buffer, n ast.Node) error {
	switch n := n.(type) {
	case *ast.MappingNode:
		b.WriteByte('{')
		for i, v := range n.Values {
			if i > 0 {
				b.WriteByte(',')
			}
			key, ok := v.Key.(ast.ScalarNode)
			if !ok {
				return &valueError{v.Key.GetToken(), "a key is not a scalar"}
			}
			b.Write(quote(fmt.Sprint(key.GetValue())))
			b.WriteByte(':')
			if err := appendJSON(b, v.Value); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	case *ast.SequenceNode:
		b.WriteByte('[')
		for i, v := range n.Values {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := appendJSON(b, v); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	case *ast.StringNode:
		b.Write(quote(n.Value))
	case *ast.LiteralNode:
		b.Write(quote(n.Value.Value))
	case *ast.BoolNode:
		fmt.Fprint(b, n.Value)
	case *ast.NullNode:
		b.WriteString("null")
	case *ast.IntegerNode:
		fmt.Fprint(b, n.Value)
	case *ast.FloatNode:
		j, err := json.Marshal(n.Value)
		if err != nil {
			return &valueError{n.GetToken(), "the number has no form in JSON"}
		}
		b.Write(j)
	default:
		return &valueError{n.GetToken(), fmt.Sprintf("a %s has no form in JSON; write the value out", strings.ToLower(n.Type().String()))}
	}
	return nil
}

// quote returns s as a JSON string without escaping what HTML would need.
func quote(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always has a form
	return b.Bytes()[:b.Len()-1]
}

// part is literal text or a placeholder.
type part struct {
	lit  []byte
	word string // placeholder's word; empty for literal text
	arg  string
}

// placeholders are the words that may stand in braces.
var placeholders = map[string]bool{
	"n": true, "sub": true, "subscription": true, "tenant": true, "domain": true, "group": true, "location": true,
	"name": true, "id": true, "parent": true, "guid": true, "hex": true, "pick": true, "when": true, "person": true, "parentName": true,
}

// compile splits JSON text into literal parts and placeholders in its strings.
// A string that is wholly {#…} loses its quotes: a number or boolean.
func compile(text []byte) ([]part, error) {
	var out []part
	lit := make([]byte, 0, len(text))
	inString := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case !inString:
			if c == '"' {
				inString = true
				if bytes.HasPrefix(text[i:], []byte(`"{#`)) {
					if end := bytes.IndexByte(text[i:], '}'); end > 0 && i+end+1 < len(text) && text[i+end+1] == '"' {
						p, err := placeholder(string(text[i+3 : i+end]))
						if err != nil {
							return nil, err
						}
						out = append(out, part{lit: bytes.Clone(lit)}, p)
						lit = lit[:0]
						i += end + 1
						inString = false
						continue
					}
				}
			}
			lit = append(lit, c)
		case c == '\\':
			lit = append(lit, c, text[i+1])
			i++
		case c == '"':
			inString = false
			lit = append(lit, c)
		case c == '{' && i+1 < len(text) && text[i+1] == '{':
			lit = append(lit, '{')
			i++
		case c == '{':
			end := bytes.IndexAny(text[i:], "}\"")
			if end < 0 || text[i+end] == '"' {
				return nil, fmt.Errorf("a { without }; write {{ for the character itself")
			}
			p, err := placeholder(string(text[i+1 : i+end]))
			if err != nil {
				return nil, err
			}
			out = append(out, part{lit: bytes.Clone(lit)}, p)
			lit = lit[:0]
			i += end
		default:
			lit = append(lit, c)
		}
	}
	return append(out, part{lit: bytes.Clone(lit)}), nil
}

func placeholder(text string) (part, error) {
	word, arg, _ := strings.Cut(text, ":")
	if !placeholders[word] {
		return part{}, fmt.Errorf("there is no placeholder {%s}; write {{ for the character itself", text)
	}
	switch word {
	case "when":
		if _, err := parseSpan(arg); err != nil {
			return part{}, err
		}
	case "hex", "n":
		if arg != "" {
			if _, err := strconv.Atoi(arg); err != nil {
				return part{}, fmt.Errorf("{%s}: want a number of digits", text)
			}
		}
	}
	return part{word: word, arg: arg}, nil
}

// vars are the values of placeholders.
type vars struct {
	n                int // counted from 1
	sub, subID       string
	group, location  string
	name, id, parent string
}

// expand appends the text with its placeholders filled.
func (s *Sim) expand(parts []part, v *vars) []byte {
	b := make([]byte, 0, 512)
	for i := range parts {
		p := &parts[i]
		if p.word == "" {
			b = append(b, p.lit...)
			continue
		}
		t := s.fill(p, v)
		plain := true
		for j := range len(t) {
			if t[j] < ' ' || t[j] == '"' || t[j] == '\\' || t[j] >= 0x7f {
				plain = false
				break
			}
		}
		if plain {
			b = append(b, t...)
		} else {
			q := quote(t)
			b = append(b, q[1:len(q)-1]...)
		}
	}
	return b
}

// expandText fills a plain string, such as a name.
func (s *Sim) expandText(text string, v *vars) string {
	if !strings.Contains(text, "{") {
		return text
	}
	parts, err := compile(quote(text))
	if err != nil {
		return text // refused by check before
	}
	b := s.expand(parts, v)
	var out string
	if json.Unmarshal(b, &out) != nil {
		return text
	}
	return out
}

// render returns a record's JSON for v.
func (s *Sim) render(r *Record, v *vars) []byte {
	if r == nil {
		return nil
	}
	return s.expand(r.parts, v)
}

func (s *Sim) fill(p *part, v *vars) string {
	switch p.word {
	case "n":
		if p.arg != "" {
			width, _ := strconv.Atoi(p.arg)
			return fmt.Sprintf("%0*d", width, v.n)
		}
		return strconv.Itoa(v.n)
	case "sub":
		return v.sub
	case "subscription":
		if p.arg != "" {
			return subscriptionOf(s.resolveScope("subscription/"+p.arg) + "/")
		}
		return v.subID
	case "tenant":
		return s.org.Tenant.ID
	case "domain":
		return s.domain()
	case "group":
		return v.group
	case "location":
		return v.location
	case "name":
		return v.name
	case "id":
		return v.id
	case "parent":
		return v.parent
	case "parentName":
		return v.parent[strings.LastIndexByte(v.parent, '/')+1:]
	case "guid":
		return s.guid(v.subID, v.id, v.name, strconv.Itoa(v.n), p.arg)
	case "hex":
		width, _ := strconv.Atoi(p.arg)
		h := s.hash(v.subID, v.id, strconv.Itoa(v.n), "hex")
		return hex.EncodeToString(h[:])[:min(max(width, 1), 64)]
	case "pick":
		choices := strings.Split(p.arg, "|")
		h := s.hash(v.id, v.name, strconv.Itoa(v.n), p.arg)
		return choices[int(binary.BigEndian.Uint32(h[:4])%uint32(len(choices)))] //nolint:gosec // a list in a file is short
	case "when":
		d, _ := parseSpan(p.arg)
		return s.epoch.Add(d).Format(time.RFC3339)
	case "person":
		return s.principalID(p.arg)
	}
	return ""
}

// hash mixes the seed with the parts.
func (s *Sim) hash(parts ...string) [32]byte {
	b := make([]byte, 0, 256)
	b = binary.BigEndian.AppendUint64(b, s.seed)
	for _, p := range parts {
		b = append(b, p...)
		b = append(b, 0)
	}
	return sha256.Sum256(b)
}

// guid makes a GUID of the parts: the same from the same seed.
func (s *Sim) guid(parts ...string) string {
	h := s.hash(parts...)
	h[6] = h[6]&0x0f | 0x40
	h[8] = h[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// at returns the instant that w stands for; the zero time if it is not set.
func (s *Sim) at(w When) time.Time {
	switch {
	case !w.set:
		return time.Time{}
	case !w.at.IsZero():
		return w.at
	}
	return s.epoch.Add(w.rel)
}

// merge applies an RFC 7386 patch to a JSON value, keeping the order of members.
func merge(target, patch []byte) []byte {
	pm, ok := members(patch)
	if !ok {
		return patch
	}
	tm, _ := members(target)
	for _, p := range pm {
		i := -1
		for j := range tm {
			if tm[j].name == p.name {
				i = j
			}
		}
		switch {
		case string(p.value) == "null" && i >= 0:
			tm = append(tm[:i], tm[i+1:]...)
		case string(p.value) == "null":
		case i >= 0:
			tm[i].value = merge(tm[i].value, p.value)
		default:
			tm = append(tm, member{p.name, merge(nil, p.value)})
		}
	}
	return object(tm)
}

// member is a member of a JSON object, in order.
type member struct {
	name  string
	value json.RawMessage
}

// members splits the top level of an object; false if text is none.
func members(text []byte) ([]member, bool) {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	var out []member
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, false
		}
		name, _ := t.(string)
		var v json.RawMessage
		if d.Decode(&v) != nil {
			return nil, false
		}
		out = append(out, member{name, v})
	}
	return out, true
}

// object writes members as a JSON object.
func object(ms []member) []byte {
	b := []byte{'{'}
	for i, m := range ms {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, quote(m.name)...)
		b = append(b, ':')
		b = append(b, m.value...)
	}
	return append(b, '}')
}
