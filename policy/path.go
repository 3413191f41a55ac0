// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strconv"
	"strings"

	"github.com/tickmark/tickmark/jsontape"
)

// step is one step of a path: a member, every element, or one element.
type step struct {
	key   jsontape.Key
	wild  bool
	index int // -1 unless an element is named
}

// path is a parsed property path such as properties.rules[*].name or
// tags['a.b'].
type path struct {
	text  string
	steps []step
	wilds int
}

// parsePath parses text. A dot separates members; brackets hold *, a number
// or a quoted member name.
func parsePath(text string) (*path, bool) {
	p := &path{text: text}
	for i := 0; i < len(text); {
		switch text[i] {
		case '.':
			i++
			if i == len(text) {
				return nil, false
			}
		case '[':
			end := bracketEnd(text, i)
			if end < 0 {
				return nil, false
			}
			p.bracket(text[i+1 : end])
			i = end + 1
		default:
			n := strings.IndexAny(text[i:], ".[")
			if n < 0 {
				n = len(text) - i
			}
			p.steps = append(p.steps, step{key: jsontape.MakeKey(text[i : i+n]), index: -1})
			i += n
		}
	}
	return p, len(p.steps) > 0
}

// bracketEnd returns the index of the bracket that closes the one at i,
// skipping quoted text.
func bracketEnd(s string, i int) int {
	if i+1 < len(s) && s[i+1] == '\'' {
		for j := i + 2; j < len(s); j++ {
			if s[j] != '\'' {
				continue
			}
			if j+1 < len(s) && s[j+1] == '\'' {
				j++
				continue
			}
			if j+1 < len(s) && s[j+1] == ']' {
				return j + 1
			}
		}
	}
	if n := strings.IndexByte(s[i:], ']'); n > 0 {
		return i + n
	}
	return -1
}

func (p *path) bracket(inner string) {
	if inner == "*" {
		p.steps = append(p.steps, step{wild: true, index: -1})
		p.wilds++
		return
	}
	if n, err := strconv.Atoi(inner); err == nil && n >= 0 {
		p.steps = append(p.steps, step{index: n})
		return
	}
	if len(inner) >= 2 && inner[0] == '\'' && inner[len(inner)-1] == '\'' {
		inner = strings.ReplaceAll(inner[1:len(inner)-1], "''", "'")
	}
	p.steps = append(p.steps, step{key: jsontape.MakeKey(inner), index: -1})
}

// next takes one step that is not a wildcard.
func (s step) next(v jsontape.Value) jsontape.Value {
	if s.index >= 0 {
		switch v.Kind() {
		case jsontape.Array:
			e := v.Index(s.index)
			if e.Kind() == jsontape.Absent && v.IsOpen() {
				return unobservedIn(v)
			}
			return e
		case jsontape.Unobserved:
			return v
		}
		return jsontape.Value{}
	}
	return v.Lookup(s.key)
}

// unobservedIn returns an unobserved value with the reason of the open
// container v.
func unobservedIn(v jsontape.Value) jsontape.Value { return v.Beyond() }

// walk follows steps without wildcards.
func walk(v jsontape.Value, steps []step) jsontape.Value {
	for i := range steps {
		if s := &steps[i]; s.index < 0 {
			v = v.Lookup(s.key)
		} else {
			v = s.next(v)
		}
		if v.Kind() == jsontape.Absent {
			return v
		}
	}
	return v
}

// prefixText is the canonical text of the first n steps, used to see whether
// one path lies under another.
func (p *path) prefixText(n int) string {
	var b strings.Builder
	for i, s := range p.steps[:n] {
		switch {
		case s.wild:
			b.WriteString("[*]")
		case s.index >= 0:
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		default:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.key.String())
		}
	}
	return b.String()
}

// foldEq compares ASCII-insensitively, for names that Azure defines.
func foldEq(a, b string) bool { return len(a) == len(b) && strings.EqualFold(a, b) }
