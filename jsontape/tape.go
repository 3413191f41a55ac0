// SPDX-License-Identifier: Apache-2.0

package jsontape

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"
	"unsafe"
)

// Kind is the kind of a Value. The zero Kind is Absent.
type Kind uint8

// The kinds. Absent is "there is no such member"; Unobserved is "it was not
// read", which is neither absent nor null.
const (
	Absent Kind = iota
	Null
	False
	True
	Number
	String
	Array
	Object
	Unobserved
	hidden // a container marked unobserved; Kind reports Unobserved
)

var kindText = [...]string{"absent", "null", "boolean", "boolean", "number", "string", "array", "object", "unobserved", "unobserved"}

// String returns the JSON name of the kind.
func (k Kind) String() string { return kindText[k] }

// Phrase names the kind as it stands in a sentence: "an object", "a string",
// "null", "missing".
func (k Kind) Phrase() string {
	switch k {
	case Absent:
		return "missing"
	case Null:
		return "null"
	case Array, Object:
		return "an " + k.String()
	default:
		return "a " + k.String()
	}
}

// Marker starts every string that stands for a value which was not kept or is
// not known. The text up to the next colon is the reason, the rest a detail:
// "tickmark:unobserved:redacted:storage-key".
const Marker = "tickmark:unobserved:"

// A value word holds, from the low end: kind (4 bits), flag (1 bit: string has
// escapes, or container is open), offset in the source (30 bits) and payload
// (29 bits: string or number length, words of a container with all it holds,
// or index of a reason). A member is a key word followed by its value. A key
// word holds the offset of the key's first byte (31 bits), an escape flag
// (1 bit) and the case-folded hash (32 bits).
const (
	kindBits  = 4
	flagBit   = 1 << 4
	offShift  = 5
	offMask   = 1<<30 - 1
	payShift  = 35
	keyEsc    = 1 << 31
	keyOff    = 1<<31 - 1
	missing   = 1 << 31 // in Value.i: a member that an open container lacks
	maxSource = 1<<30 - 1
)

// Tape is one parsed JSON value. It is safe for concurrent readers once the
// Mark methods are no longer called.
type Tape struct {
	src   []byte
	words []uint64 // nil once the tape is folded
	marks *marks
	// unfolded are the words of a folded tape that was read again.
	unfolded atomic.Pointer[[]uint64]
	brief    bool // words is the parser's scratch, until Fold
}

// marks are what of a tape was not read, and why. Most tapes have none.
type marks struct {
	reasons []string // of unobserved scalars, by their payload
	noted   []noted  // by word
	shared  bool     // by many tapes: to be copied before it is written
}

// noted is the mark of one word: of a container that is open or hidden, and on
// a tape that will be folded of a scalar, too.
type noted struct {
	word   uint32
	open   bool // as opposed to unobserved
	reason string
}

// Value is a position on a tape. The zero Value is Absent.
type Value struct {
	t *Tape
	i uint32
}

// Weight is the number of words that v takes on its tape: a measure of its
// size that costs nothing.
func (v Value) Weight() int {
	if v.t == nil || v.i&missing != 0 {
		return 0
	}
	return int(span(v.word()))
}

// Root returns the tape's value.
func (t *Tape) Root() Value { return Value{t, 0} }

// Source returns the bytes that the tape was parsed from.
func (t *Tape) Source() []byte { return t.src }

// Words returns the number of 8-byte words of the tape.
func (t *Tape) Words() int { return len(t.read()) }

// read returns the words, of a folded tape after parsing it again.
func (t *Tape) read() []uint64 {
	if t.words != nil {
		return t.words
	}
	if w := t.unfolded.Load(); w != nil {
		return *w
	}
	return t.unfold()
}

func (v Value) word() uint64 { return v.t.read()[v.i] }

// Kind returns the value's kind; both booleans print as "boolean".
func (v Value) Kind() Kind {
	if v.t == nil {
		return Absent
	}
	if v.i&missing != 0 {
		return Unobserved
	}
	k := Kind(v.word() & (1<<kindBits - 1))
	if k == hidden {
		return Unobserved
	}
	return k
}

// Exists reports whether the value is neither absent, null nor unobserved.
func (v Value) Exists() bool {
	k := v.Kind()
	return k > Null && k < Unobserved
}

// Offset returns the position of the value's first byte in the source, or -1
// for a value that is not on the tape.
func (v Value) Offset() int {
	if v.t == nil || v.i&missing != 0 {
		return -1
	}
	o := int(v.word() >> offShift & offMask)
	switch Kind(v.word() & (1<<kindBits - 1)) {
	case String, Unobserved:
		if o > 0 && v.t.src[o-1] == '"' {
			return o - 1
		}
	}
	return o
}

// span is the number of words of the value at word w.
func span(w uint64) uint32 {
	switch Kind(w & (1<<kindBits - 1)) {
	case Array, Object, hidden:
		return uint32(w >> payShift)
	}
	return 1
}

// Raw returns the source bytes of the value, nil when it is not on the tape.
func (v Value) Raw() []byte {
	o := v.Offset()
	if o < 0 {
		return nil
	}
	end, err := SkipValue(v.t.src, o)
	if err != nil {
		return nil
	}
	return v.t.src[o:end]
}

// Reason says why the value is unobserved; empty for every other kind.
func (v Value) Reason() string {
	if v.Kind() != Unobserved {
		return ""
	}
	if v.i&missing != 0 {
		return v.t.noteOf(v.i &^ missing)
	}
	w := v.word()
	if Kind(w&(1<<kindBits-1)) == hidden {
		return v.t.noteOf(v.i)
	}
	return v.t.marks.reasons[w>>payShift]
}

// Key is a member name prepared for look-up.
type Key struct {
	name string // as given: the spelling to expect
	fold string // case-folded
	hash uint32
}

// MakeKey prepares name for Lookup.
func MakeKey(name string) Key {
	f := foldKey(name)
	return Key{name, f, hashFolded(f)}
}

// String returns the key's case-folded name.
func (k Key) String() string { return k.fold }

// Get returns the member called name, whatever its case; Absent when v is not
// an object or has no such member; Unobserved when v is unobserved or open and
// lacks the member.
func (v Value) Get(name string) Value { return v.Lookup(MakeKey(name)) }

// Lookup is Get with a prepared key. It does not allocate.
func (v Value) Lookup(k Key) Value {
	if v.t == nil {
		return v
	}
	if v.i&missing != 0 {
		return v
	}
	t := v.t
	words := t.read()
	w := words[v.i]
	switch Kind(w & (1<<kindBits - 1)) {
	case Object:
	case Unobserved, hidden:
		return v
	default:
		return Value{}
	}
	end := v.i + uint32(w>>payShift)
	for j := v.i + 1; j < end; {
		kw := words[j]
		j++
		if uint32(kw>>32) == k.hash && t.keyIs(kw, &k) {
			return Value{t, j}
		}
		j += span(words[j])
	}
	if w&flagBit != 0 {
		return Value{t, v.i | missing}
	}
	return Value{}
}

// keyIs reports whether the key word spells k, whatever its case.
func (t *Tape) keyIs(kw uint64, k *Key) bool {
	o := int(kw & keyOff)
	if end := o + len(k.name); kw&keyEsc == 0 && end < len(t.src) && t.src[end] == '"' && view(t.src[o:end]) == k.name {
		return true
	}
	return foldKey(t.keyText(kw)) == k.fold
}

func (t *Tape) keyText(kw uint64) string {
	o := int(kw & keyOff)
	end, _, _ := scanString(t.src, o)
	if kw&keyEsc != 0 {
		return string(unescape(nil, t.src[o:end]))
	}
	return view(t.src[o:end])
}

// view returns b as a string without copying; b is never written.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) } //nolint:gosec // the source is immutable by contract

// Members yields the members of an object in source order with their names as
// spelled; nothing for other kinds.
func (v Value) Members() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if v.Kind() != Object {
			return
		}
		words := v.t.read()
		end := v.i + span(words[v.i])
		for j := v.i + 1; j < end; {
			kw := words[j]
			j++
			if !yield(v.t.keyText(kw), Value{v.t, j}) {
				return
			}
			j += span(words[j])
		}
	}
}

// Elems yields the elements of an array; nothing for other kinds.
func (v Value) Elems() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		for e, ok := v.First(); ok; e, ok = v.Next(e) {
			if !yield(e) {
				return
			}
		}
	}
}

// First returns the first element of an array. With Next it walks an array
// without a closure.
func (v Value) First() (Value, bool) {
	if v.Kind() != Array || span(v.word()) == 1 {
		return Value{}, false
	}
	return Value{v.t, v.i + 1}, true
}

// Next returns the element of v that follows e.
func (v Value) Next(e Value) (Value, bool) {
	j := e.i + span(e.word())
	if j >= v.i+span(v.word()) {
		return Value{}, false
	}
	return Value{v.t, j}, true
}

// Len returns the number of members or elements; of an open container, of
// those listed.
func (v Value) Len() int {
	n := 0
	switch v.Kind() {
	case Array:
		for e, ok := v.First(); ok; e, ok = v.Next(e) {
			n++
		}
	case Object:
		words := v.t.read()
		end := v.i + span(words[v.i])
		for j := v.i + 1; j < end; n++ {
			j += 1 + span(words[j+1])
		}
	}
	return n
}

// Index returns element i of an array, Absent when there is none.
func (v Value) Index(i int) Value {
	for e, ok := v.First(); ok; e, ok = v.Next(e) {
		if i == 0 {
			return e
		}
		i--
	}
	return Value{}
}

// IsOpen reports whether v is a container of which only a part was read.
func (v Value) IsOpen() bool {
	k := v.Kind()
	return (k == Array || k == Object) && v.word()&flagBit != 0
}

// OpenReason says why an open container is open.
func (v Value) OpenReason() string {
	if !v.IsOpen() {
		return ""
	}
	return v.t.noteOf(v.i)
}

// Bool returns the value of a boolean.
func (v Value) Bool() (b, ok bool) {
	switch v.Kind() {
	case True:
		return true, true
	case False:
		return false, true
	}
	return false, false
}

// Str returns the text of a string, "" for every other kind. It does not
// allocate unless the source has escapes.
func (v Value) Str() string {
	if v.Kind() != String {
		return ""
	}
	w := v.word()
	o := int(w >> offShift & offMask)
	b := v.t.src[o : o+int(w>>payShift)]
	if w&flagBit != 0 {
		return string(unescape(nil, b))
	}
	return view(b)
}

// NumberText returns the digits of a number as spelled, "" for other kinds.
func (v Value) NumberText() string {
	if v.Kind() != Number {
		return ""
	}
	w := v.word()
	o := int(w >> offShift & offMask)
	return view(v.t.src[o : o+int(w>>payShift)])
}

// Int returns a number spelled as an integer that fits 64 bits.
func (v Value) Int() (int64, bool) {
	s := v.NumberText()
	if s == "" || strings.ContainsAny(s, ".eE") {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// Float returns a number as float64; a number out of range is ±Inf and ok.
func (v Value) Float() (float64, bool) {
	s := v.NumberText()
	if s == "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) {
		return 0, false
	}
	return f, true
}

// MarkOpen records that only a part of the container v was read: a member that
// it does not list is unobserved, and it may hold further elements. It must
// not be called once the tape is shared or folded.
func (t *Tape) MarkOpen(v Value, reason string) {
	if v.t != t || v.i&missing != 0 {
		return
	}
	switch Kind(t.words[v.i] & (1<<kindBits - 1)) {
	case Array, Object:
		t.words[v.i] |= flagBit
		t.note(noted{v.i, true, reason})
	}
}

// MarkUnobserved hides the value v, with all it holds. It must not be called
// once the tape is shared or folded.
func (t *Tape) MarkUnobserved(v Value, reason string) {
	if v.t != t || v.i&missing != 0 {
		return
	}
	n := noted{v.i, false, reason}
	switch w := t.words[v.i]; Kind(w & (1<<kindBits - 1)) {
	case Array, Object, hidden:
		t.words[v.i] = w&^(1<<kindBits-1) | uint64(hidden)
		t.note(n)
	default:
		t.words[v.i] = uint64(Unobserved) | w&(offMask<<offShift) | uint64(t.reason(reason))<<payShift
		if t.brief {
			t.note(n)
		}
	}
}

// rootOpen are the marks of the tapes of which nothing but the root is open,
// by reason: most of those that have any.
var rootOpen sync.Map

// note notes a mark; the last one of a word counts.
func (t *Tape) note(n noted) {
	if t.marks == nil && n.word == 0 && n.open {
		m, _ := rootOpen.LoadOrStore(n.reason, &marks{noted: []noted{n}, shared: true})
		t.marks, _ = m.(*marks)
		return
	}
	m := t.own()
	at, found := m.find(n.word)
	if found {
		m.noted[at] = n
		return
	}
	m.noted = slices.Insert(m.noted, at, n)
}

func (m *marks) find(word uint32) (int, bool) {
	if n := len(m.noted); n == 0 || m.noted[n-1].word < word { // most come in order
		return n, false
	}
	return slices.BinarySearchFunc(m.noted, word, func(n noted, w uint32) int { return cmp.Compare(n.word, w) })
}

// own returns the tape's own marks.
func (t *Tape) own() *marks {
	switch m := t.marks; {
	case m == nil:
		t.marks = &marks{}
	case m.shared:
		t.marks = &marks{reasons: slices.Clone(m.reasons), noted: slices.Clone(m.noted)}
	}
	return t.marks
}

// noteOf is the reason that was noted of a word.
func (t *Tape) noteOf(word uint32) string {
	if t.marks == nil {
		return ""
	}
	if at, ok := t.marks.find(word); ok {
		return t.marks.noted[at].reason
	}
	return ""
}

func (t *Tape) reason(r string) int {
	if t.marks != nil {
		if i := slices.Index(t.marks.reasons, r); i >= 0 {
			return i
		}
	}
	m := t.own()
	m.reasons = append(m.reasons, r)
	return len(m.reasons) - 1
}

// hashFolded hashes a folded key. It must agree with hashKey.
func hashFolded(s string) uint32 {
	h, _ := hashKey([]byte(s))
	return h
}

// foldKey folds a key so that two keys that differ only in case are equal.
func foldKey(s string) string {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return strings.Map(foldRune, s)
		}
	}
	return strings.ToLower(s)
}

// Beyond returns the unobserved value that stands for what an open container
// may hold besides what it lists; Absent for a container that is whole.
func (v Value) Beyond() Value {
	if !v.IsOpen() {
		return Value{}
	}
	return Value{v.t, v.i | missing}
}
