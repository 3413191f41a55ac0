// SPDX-License-Identifier: Apache-2.0

package jsontape

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// DefaultMaxDepth is the nesting that Parse accepts unless told otherwise. It
// is Azure Policy's own limit for resources (128), which ARM stays far below.
const DefaultMaxDepth = 128

// Options tune Parse; the zero value is the default.
type Options struct {
	MaxDepth int // nesting of containers; 0 means DefaultMaxDepth
}

// Error says what is wrong with a text and where.
type Error struct {
	Offset    int // 0-based byte offset
	Line, Col int // 1-based; Col counts bytes
	What      string
}

// Error implements error: "line 3, column 7 (byte 41): what".
func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d (byte %d): %s", e.Line, e.Col, e.Offset, e.What)
}

func itoa(i int) string { return strconv.Itoa(i) }

func errorAt(src []byte, off int, what string) *Error {
	off = min(off, len(src))
	line, col := Position(src, off)
	return &Error{Offset: off, Line: line, Col: col, What: what}
}

// Position returns the 1-based line and column (in bytes) of offset off.
func Position(src []byte, off int) (line, col int) {
	off = min(max(off, 0), len(src))
	line = 1 + bytes.Count(src[:off], []byte{'\n'})
	col = off - bytes.LastIndexByte(src[:off], '\n')
	return line, col
}

// Parse reads src, which must be exactly one JSON value with optional white
// space around it. src is retained and must not change. It returns *Error.
func Parse(src []byte, o Options) (*Tape, error) {
	// One text needs no slab: a tape would keep all of it.
	p := Parser{Options: o, tapes: make([]Tape, 1)}
	if err := p.parse(src); err != nil {
		return nil, err
	}
	t := p.take(src)
	t.words = slices.Clone(p.words)
	return t, nil
}

// Parser parses many texts, taking the words of their tapes from large slabs.
// It is for one goroutine; the tapes it returns may be shared.
type Parser struct {
	Options Options

	words  []uint64 // of the text being parsed
	stack  []frame
	keys   []uint64 // key words of the open objects
	slab   []uint64
	tapes  []Tape
	tape   *Tape
	table  []uint32 // scratch of findDuplicate for large objects
	tabGen []uint32
	gen    uint32
}

type frame struct {
	word uint32 // index of the container's word
	keys uint32 // start of its keys in Parser.keys
	obj  bool
}

const slabWords = 1 << 15

// Parse is like the function Parse.
func (p *Parser) Parse(src []byte) (*Tape, error) {
	if err := p.parse(src); err != nil {
		return nil, err
	}
	if n := len(p.words); n > cap(p.slab)-len(p.slab) {
		p.slab = make([]uint64, 0, max(slabWords, n))
	}
	s := len(p.slab)
	p.slab = append(p.slab, p.words...)
	t := p.take(src)
	t.words = p.slab[s:len(p.slab):len(p.slab)]
	return t, nil
}

// ParseBrief is Parse for a tape that is folded before the next text is
// parsed: it takes no memory for the words.
func (p *Parser) ParseBrief(src []byte) (*Tape, error) {
	if err := p.parse(src); err != nil {
		return nil, err
	}
	t := p.take(src)
	t.words, t.brief = p.words, true
	return t, nil
}

// parse reads src into p.words.
func (p *Parser) parse(src []byte) error {
	if len(src) > maxSource {
		return &Error{Line: 1, Col: 1, What: "the text is larger than 1 GiB; split it"}
	}
	if len(p.tapes) == 0 {
		p.tapes = make([]Tape, 64)
	}
	p.tape = &p.tapes[0]
	p.words, p.stack, p.keys = p.words[:0], p.stack[:0], p.keys[:0]
	if e := p.run(src); e != nil {
		p.tape.marks = nil
		return e
	}
	return nil
}

// take gives the tape of the text that was parsed away.
func (p *Parser) take(src []byte) *Tape {
	t := &p.tapes[0]
	p.tapes = p.tapes[1:]
	t.src = src
	return t
}

func space(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// run parses src into p.words. It is one loop with labels because this is the
// hot path of the whole program: calls per value cost a third of the speed.
//
//nolint:funlen,gocyclo // see above
func (p *Parser) run(src []byte) *Error {
	maxDepth := p.Options.MaxDepth
	if maxDepth == 0 {
		maxDepth = DefaultMaxDepth
	}
	if len(src) >= 3 && src[0] == 0xEF && src[1] == 0xBB && src[2] == 0xBF {
		return errorAt(src, 0, "the text starts with a byte order mark; save it as UTF-8 without one")
	}
	i := 0
value:
	for i < len(src) && space(src[i]) {
		i++
	}
	if i >= len(src) {
		return errorAt(src, i, p.wantText())
	}
	switch c := src[i]; c {
	case '"':
		end, esc, bad := scanString(src, i+1)
		if bad != "" {
			return errorAt(src, end, bad)
		}
		p.words = append(p.words, p.stringWord(src, i+1, end, esc))
		i = end + 1
	case '{', '[':
		if len(p.stack) >= maxDepth {
			return errorAt(src, i, "nested deeper than "+itoa(maxDepth)+" levels")
		}
		kind := Object
		if c == '[' {
			kind = Array
		}
		p.stack = append(p.stack, frame{uint32(len(p.words)), uint32(len(p.keys)), c == '{'})
		p.words = append(p.words, uint64(kind)|uint64(i)<<offShift)
		i++
		for i < len(src) && space(src[i]) {
			i++
		}
		if i < len(src) && src[i] == c+2 { // '{'+2 is '}', '['+2 is ']'
			goto closing
		}
		if c == '{' {
			goto key
		}
		goto value
	case 't', 'f', 'n':
		n, kind := literal(src[i:])
		if n == 0 {
			return errorAt(src, i, "unexpected text; want a JSON value")
		}
		p.words = append(p.words, uint64(kind)|uint64(i)<<offShift)
		i += n
	default:
		n, bad := scanNumber(src[i:])
		if bad != "" {
			return errorAt(src, i+n, bad)
		}
		p.words = append(p.words, uint64(Number)|uint64(i)<<offShift|uint64(n)<<payShift)
		i += n
	}
after:
	for i < len(src) && space(src[i]) {
		i++
	}
	if len(p.stack) == 0 {
		if i < len(src) {
			return errorAt(src, i, "text after the end of the value")
		}
		return nil
	}
	if i >= len(src) {
		return errorAt(src, i, "the text ends before its last bracket is closed")
	}
	if p.stack[len(p.stack)-1].obj {
		switch src[i] {
		case ',':
			i++
			goto key
		case '}':
			goto closing
		}
		return errorAt(src, i, "unexpected text after a member; want ',' or '}'")
	}
	switch src[i] {
	case ',':
		i++
		goto value
	case ']':
		goto closing
	}
	return errorAt(src, i, "unexpected text after an element; want ',' or ']'")
key:
	for i < len(src) && space(src[i]) {
		i++
	}
	if i >= len(src) {
		return errorAt(src, i, "the text ends where a member name should be")
	}
	if src[i] != '"' {
		return errorAt(src, i, "unexpected text; want a member name in double quotes")
	}
	{
		end, esc, bad := scanString(src, i+1)
		if bad != "" {
			return errorAt(src, end, bad)
		}
		kw := keyWord(src, i+1, end, esc)
		p.words = append(p.words, kw)
		p.keys = append(p.keys, kw)
		i = end + 1
	}
	for i < len(src) && space(src[i]) {
		i++
	}
	if i >= len(src) || src[i] != ':' {
		return errorAt(src, i, "want ':' after a member name")
	}
	i++
	goto value
closing:
	i++
	{
		f := p.stack[len(p.stack)-1]
		p.stack = p.stack[:len(p.stack)-1]
		p.words[f.word] |= uint64(uint32(len(p.words))-f.word) << payShift
		if f.obj {
			if a, b, dup := p.findDuplicate(src, p.keys[f.keys:]); dup {
				return p.duplicate(src, a, b)
			}
			p.keys = p.keys[:f.keys]
		}
	}
	goto after
}

func (p *Parser) wantText() string {
	if len(p.stack) == 0 && len(p.words) == 0 {
		return "the text is empty; want a JSON value"
	}
	return "the text ends where a value should be"
}

// stringWord makes the word of a string value, or of the unobserved value that
// a marker string stands for.
func (p *Parser) stringWord(src []byte, from, end int, esc bool) uint64 {
	w := uint64(String) | uint64(from)<<offShift | uint64(end-from)<<payShift
	if esc {
		return w | flagBit
	}
	if end-from >= len(Marker) && src[from] == Marker[0] && view(src[from:from+len(Marker)]) == Marker {
		r, _, _ := strings.Cut(string(src[from+len(Marker):end]), ":")
		return uint64(Unobserved) | uint64(from)<<offShift | uint64(p.tape.reason(r))<<payShift
	}
	return w
}

func keyWord(src []byte, from, end int, esc bool) uint64 {
	if !esc {
		if h, ascii := hashKey(src[from:end]); ascii {
			return uint64(h)<<32 | uint64(from)
		}
		return uint64(hashFolded(foldKey(string(src[from:end]))))<<32 | uint64(from)
	}
	text := foldKey(string(unescape(nil, src[from:end])))
	return uint64(hashFolded(text))<<32 | keyEsc | uint64(from)
}

func literal(b []byte) (int, Kind) {
	switch {
	case len(b) >= 4 && view(b[:4]) == "true":
		return 4, True
	case len(b) >= 5 && view(b[:5]) == "false":
		return 5, False
	case len(b) >= 4 && view(b[:4]) == "null":
		return 4, Null
	}
	return 0, Absent
}

func digits(b []byte, i int) int {
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	return i
}

// scanNumber returns the length of the number at the start of b; with a
// complaint, the offset of the offending byte.
func scanNumber(b []byte) (int, string) {
	i := 0
	if b[0] == '-' {
		i++
	}
	first := i
	i = digits(b, i)
	if i == first {
		if i == 0 {
			if b[0] == 0 {
				return 0, "a NUL byte outside a string"
			}
			return 0, "unexpected text; want a JSON value"
		}
		return i, "a minus sign without digits"
	}
	if b[first] == '0' && i > first+1 {
		return first, "a number with a leading zero"
	}
	if i < len(b) && b[i] == '.' {
		j := digits(b, i+1)
		if j == i+1 {
			return i, "a number that ends with its decimal point"
		}
		i = j
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		j := i + 1
		if j < len(b) && (b[j] == '+' || b[j] == '-') {
			j++
		}
		k := digits(b, j)
		if k == j {
			return i, "a number with an empty exponent"
		}
		i = k
	}
	return i, ""
}

// findDuplicate looks for two keys of one object that differ at most in case.
func (p *Parser) findDuplicate(src []byte, keys []uint64) (a, b uint64, found bool) {
	if len(keys) > 64 {
		return p.findDuplicateLarge(src, keys)
	}
	var seen [4]uint64 // which of 256 hash classes occurred
	for i, k := range keys {
		h := k >> 32
		s := &seen[h>>6&3]
		bit := uint64(1) << (h & 63)
		if *s&bit != 0 {
			for _, e := range keys[:i] {
				if e>>32 == h && sameKey(src, e, k) {
					return e, k, true
				}
			}
		}
		*s |= bit
	}
	return 0, 0, false
}

func (p *Parser) findDuplicateLarge(src []byte, keys []uint64) (a, b uint64, found bool) {
	size := 128
	for size < 2*len(keys) {
		size *= 2
	}
	if len(p.table) < size {
		p.table, p.tabGen, p.gen = make([]uint32, size), make([]uint32, size), 0
	}
	p.gen++
	mask := uint32(len(p.table) - 1)
	for i, k := range keys {
		h := uint32(k >> 32)
		for s := h & mask; ; s = (s + 1) & mask {
			if p.tabGen[s] != p.gen {
				p.tabGen[s], p.table[s] = p.gen, uint32(i)
				break
			}
			if e := keys[p.table[s]]; uint32(e>>32) == h && sameKey(src, e, k) {
				return e, k, true
			}
		}
	}
	return 0, 0, false
}

func sameKey(src []byte, a, b uint64) bool {
	t := Tape{src: src}
	return foldKey(t.keyText(a)) == foldKey(t.keyText(b))
}

func (p *Parser) duplicate(src []byte, a, b uint64) *Error {
	t := Tape{src: src}
	off := int(b&keyOff) - 1
	x, y := t.keyText(a), t.keyText(b)
	if x == y {
		return errorAt(src, off, fmt.Sprintf("member %q occurs twice in one object (first %s)", y, above(src, int(a&keyOff), off)))
	}
	return errorAt(src, off, fmt.Sprintf("member %q differs only in case from %q, in the same object %s", y, x, above(src, int(a&keyOff), off)))
}

// above says where first lies as seen from second. Lines are counted between
// the two, because src may be a part of a file whose lines the reader counts.
func above(src []byte, first, second int) string {
	switch n := bytes.Count(src[first:second], []byte{'\n'}); n {
	case 0:
		return "on the same line"
	case 1:
		return "one line above"
	default:
		return fmt.Sprintf("%d lines above", n)
	}
}
