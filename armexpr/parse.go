// SPDX-License-Identifier: Apache-2.0

package armexpr

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of Azure Policy and Resource Manager on one expression.
const (
	MaxExpressionLength = 81920 // characters
	MaxDepth            = 64    // nesting of calls
	MaxArguments        = 128   // of one call
)

// Error is a syntax, compile or evaluation error. Pos is the 0-based byte
// offset in the expression text, including its opening bracket.
type Error struct {
	Pos  int
	What string
	Err  error // the host's error, if one is behind it
}

// Unwrap returns the host's error.
func (e *Error) Unwrap() error { return e.Err }

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("at character %d: %s", e.Pos+1, e.What) }

func errf(pos int, format string, args ...any) *Error {
	return &Error{Pos: pos, What: fmt.Sprintf(format, args...)}
}

// IsExpression reports whether the text is an expression and not a literal.
func IsExpression(s string) bool {
	return len(s) >= 2 && s[0] == '[' && s[len(s)-1] == ']' && s[1] != '['
}

// Literal returns the text that a string which is not an expression stands
// for: "[[x" is "[x".
func Literal(s string) string {
	if strings.HasPrefix(s, "[[") {
		return s[1:]
	}
	return s
}

// NodeKind is the kind of a Node.
type NodeKind uint8

// The kinds of nodes.
const (
	LiteralNode NodeKind = iota
	CallNode             // Name(Args…)
	PropNode             // Args[0].Name
	IndexNode            // Args[0][Args[1]]
)

// Node is a node of the syntax tree.
type Node struct {
	Kind  NodeKind
	Pos   int
	Name  string
	Value Value
	Args  []*Node
}

// Parse parses the expression text s, brackets included.
func Parse(s string) (*Node, error) {
	if !IsExpression(s) {
		return nil, errf(0, "not an expression: want [ … ]")
	}
	if len(s) > MaxExpressionLength {
		return nil, errf(0, "the expression is longer than %d characters", MaxExpressionLength)
	}
	p := parser{s: s[:len(s)-1], i: 1}
	n, err := p.expr(0)
	if err != nil {
		return nil, err
	}
	p.space()
	if p.i < len(p.s) {
		return nil, errf(p.i, "unexpected %q after the end of the expression", p.s[p.i:])
	}
	return n, nil
}

type parser struct {
	s string
	i int
}

// space skips white space, that of Unicode too: Microsoft's own templates have
// no-break spaces in expressions.
func (p *parser) space() {
	for p.i < len(p.s) {
		if c := p.s[p.i]; c < utf8.RuneSelf {
			if strings.IndexByte(" \t\r\n\v\f", c) < 0 {
				return
			}
			p.i++
			continue
		}
		r, n := utf8.DecodeRuneInString(p.s[p.i:])
		if !unicode.IsSpace(r) {
			return
		}
		p.i += n
	}
}

func (p *parser) peek() byte {
	if p.i < len(p.s) {
		return p.s[p.i]
	}
	return 0
}

func letter(c byte) bool { return c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z' }
func digit(c byte) bool  { return '0' <= c && c <= '9' }

// expr parses a literal or call with its trailing .name and [index] parts.
func (p *parser) expr(depth int) (*Node, error) {
	if depth > MaxDepth {
		return nil, errf(p.i, "nested deeper than %d levels", MaxDepth)
	}
	n, err := p.primary(depth)
	if err != nil {
		return nil, err
	}
	for {
		p.space()
		switch p.peek() {
		case '.':
			pos := p.i
			p.i++
			name := p.ident()
			if name == "" {
				return nil, errf(p.i, "want a property name after '.'")
			}
			n = &Node{Kind: PropNode, Pos: pos, Name: name, Args: []*Node{n}}
		case '[':
			pos := p.i
			p.i++
			idx, err := p.expr(depth + 1)
			if err != nil {
				return nil, err
			}
			p.space()
			if p.peek() != ']' {
				return nil, errf(p.i, "want ']' after an index")
			}
			p.i++
			n = &Node{Kind: IndexNode, Pos: pos, Args: []*Node{n, idx}}
		default:
			return n, nil
		}
	}
}

func (p *parser) ident() string {
	p.space()
	start := p.i
	for p.i < len(p.s) && (letter(p.s[p.i]) || p.i > start && (digit(p.s[p.i]) || p.s[p.i] == '$' || p.s[p.i] == '-')) {
		p.i++
	}
	return p.s[start:p.i]
}

func (p *parser) primary(depth int) (*Node, error) {
	p.space()
	pos := p.i
	c := p.peek()
	switch {
	case c == '\'':
		s, err := p.quoted()
		if err != nil {
			return nil, err
		}
		return &Node{Kind: LiteralNode, Pos: pos, Value: StringValue(s)}, nil
	case digit(c) || c == '-' || c == '+':
		return p.number()
	case letter(c):
		return p.call(depth)
	case p.i >= len(p.s):
		return nil, errf(pos, "the expression ends where a value should be")
	}
	r, _ := utf8.DecodeRuneInString(p.s[pos:])
	return nil, errf(pos, "unexpected %q; want a function call, a 'string' or a number", string(r))
}

func (p *parser) quoted() (string, error) {
	start := p.i
	p.i++
	var b strings.Builder
	for p.i < len(p.s) {
		c := p.s[p.i]
		p.i++
		if c != '\'' {
			b.WriteByte(c)
			continue
		}
		if p.peek() != '\'' {
			return b.String(), nil
		}
		b.WriteByte('\'')
		p.i++
	}
	return "", errf(start, "a string without closing quote")
}

func (p *parser) number() (*Node, error) {
	start := p.i
	if c := p.peek(); c == '-' || c == '+' {
		p.i++
	}
	d := p.i
	for digit(p.peek()) {
		p.i++
	}
	if p.i == d {
		return nil, errf(start, "a sign without digits")
	}
	if p.peek() == '.' && p.i+1 < len(p.s) && digit(p.s[p.i+1]) {
		p.i++
		for digit(p.peek()) {
			p.i++
		}
	}
	if letter(p.peek()) {
		return nil, errf(p.i, "unexpected %q after a number", string(p.peek()))
	}
	text := strings.TrimPrefix(p.s[start:p.i], "+")
	v := NumberValue(text)
	if v.Kind() == Float && !strings.Contains(text, ".") {
		return nil, errf(start, "the integer %s does not fit 64 bits", text)
	}
	return &Node{Kind: LiteralNode, Pos: start, Value: v}, nil
}

func (p *parser) call(depth int) (*Node, error) {
	pos := p.i
	var name strings.Builder
	name.WriteString(p.ident())
	p.space()
	for p.peek() == '.' { // namespace.function of a template
		save := p.i
		p.i++
		rest := p.ident()
		p.space()
		if rest == "" || p.peek() != '(' {
			p.i = save
			break
		}
		name.WriteString("." + rest)
	}
	if p.peek() != '(' {
		return nil, errf(pos, "%q is not a function call; strings need single quotes", name.String())
	}
	p.i++
	n := &Node{Kind: CallNode, Pos: pos, Name: name.String()}
	p.space()
	if p.peek() == ')' {
		p.i++
		return n, nil
	}
	for {
		a, err := p.expr(depth + 1)
		if err != nil {
			return nil, err
		}
		n.Args = append(n.Args, a)
		if len(n.Args) > MaxArguments {
			return nil, errf(a.Pos, "more than %d arguments", MaxArguments)
		}
		p.space()
		switch p.peek() {
		case ',':
			p.i++
		case ')':
			p.i++
			return n, nil
		default:
			if p.i >= len(p.s) {
				return nil, errf(p.i, "want ')' to close the call of %s", name.String())
			}
			return nil, errf(p.i, "unexpected %q in the arguments of %s; want ',' or ')'", string(p.peek()), name.String())
		}
	}
}

// String prints the node as expression text without brackets.
func (n *Node) String() string {
	switch n.Kind {
	case LiteralNode:
		switch n.Value.Kind() {
		case String:
			return "'" + strings.ReplaceAll(n.Value.Str(), "'", "''") + "'"
		case Int:
			return strconv.FormatInt(n.Value.Int(), 10)
		}
		return n.Value.JSON()
	case PropNode:
		return n.Args[0].String() + "." + n.Name
	case IndexNode:
		return n.Args[0].String() + "[" + n.Args[1].String() + "]"
	case CallNode:
	}
	args := make([]string, len(n.Args))
	for i, a := range n.Args {
		args[i] = a.String()
	}
	return n.Name + "(" + strings.Join(args, ", ") + ")"
}
