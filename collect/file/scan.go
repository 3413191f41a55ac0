// SPDX-License-Identifier: Apache-2.0

package file

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// A scanError says where the structure of a text breaks.
type scanError struct {
	off  int
	what string
	// cut reports that the text ends too early, rather than being wrong.
	cut bool
}

func (e *scanError) Error() string { return fmt.Sprintf("byte %d: %s", e.off, e.what) }

const (
	eachByte = 0x0101010101010101
	lowBits  = 0x7f7f7f7f7f7f7f7f
	// gather moves the lowest bit of each byte into the top byte.
	gather = 0x0102040810204080
)

// zeroBytes has the top bit set in every byte of w that is zero. It is exact:
// no carry runs from one byte into the next.
func zeroBytes(w uint64) uint64 {
	return ^((w & lowBits) + lowBits | w | lowBits)
}

// skipSpace returns the offset of the first byte at or after off that is not
// JSON white space.
func skipSpace(src []byte, off int) int {
	for off < len(src) && (src[off] == ' ' || src[off] == '\n' || src[off] == '\r' || src[off] == '\t') {
		off++
	}
	return off
}

// skipValue returns the end of the JSON value that starts at src[off], which
// must not be white space. It delimits and does not validate: brackets are
// counted without their kind, scalars end at the next delimiter, strings at
// the next quote that is not escaped.
func skipValue(src []byte, off int) (int, error) {
	if off >= len(src) {
		return off, &scanError{off, "the text ends where a value should begin", true}
	}
	switch src[off] {
	case '{', '[':
		return skipBracketed(src, off)
	case '"':
		return skipString(src, off)
	}
	end := off
	for end < len(src) && !isDelimiter[src[end]] {
		end++
	}
	if end == off {
		return off, &scanError{off, fmt.Sprintf("%s where a value should begin", name(src[off])), false}
	}
	return end, nil
}

var isDelimiter = [256]bool{' ': true, '\n': true, '\r': true, '\t': true, ',': true, ':': true, ']': true, '}': true, '[': true, '{': true, '"': true}

// name says which byte was met, safely for a terminal.
func name(b byte) string {
	switch {
	case b == 0:
		return "a NUL byte"
	case b >= 0x80:
		return fmt.Sprintf("byte 0x%02x", b)
	}
	return fmt.Sprintf("%q", rune(b))
}

// skipString returns the end of the string whose opening quote is src[off].
func skipString(src []byte, off int) (int, error) {
	i := off + 1
	for i+8 <= len(src) {
		w := binary.LittleEndian.Uint64(src[i:])
		hit := zeroBytes(w^'"'*eachByte) | zeroBytes(w^'\\'*eachByte)
		if hit == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(hit) >> 3
		if src[i] == '"' {
			return i + 1, nil
		}
		i += 2
	}
	for ; i < len(src); i++ {
		switch src[i] {
		case '"':
			return i + 1, nil
		case '\\':
			i++
		}
	}
	return len(src), &scanError{len(src), fmt.Sprintf("the text ends inside the string that begins at byte %d", off), true}
}

// block holds one bit per byte of 64 bytes of text.
type block struct {
	quote, escape, open, shut uint64
}

// classify looks at 64 bytes, eight at a time. Setting bit 5 makes '[' and '{'
// alike, and ']' and '}'; no other byte that may stand outside a string of
// valid JSON becomes like them.
func classify(p *[64]byte) (b block) {
	for i := range 8 {
		w := binary.LittleEndian.Uint64(p[i*8:])
		folded := w | 0x20*eachByte
		q := zeroBytes(w ^ '"'*eachByte)
		e := zeroBytes(w ^ '\\'*eachByte)
		o := zeroBytes(folded ^ '{'*eachByte)
		s := zeroBytes(folded ^ '}'*eachByte)
		shift := uint(i * 8)
		b.quote |= (q >> 7 * gather >> 56) << shift
		if e != 0 {
			b.escape |= (e >> 7 * gather >> 56) << shift
		}
		if o|s != 0 {
			b.open |= (o >> 7 * gather >> 56) << shift
			b.shut |= (s >> 7 * gather >> 56) << shift
		}
	}
	return b
}

// skipBracketed returns the end of the object or array that opens at src[off].
// It works on blocks of 64 bytes: the bits of the quotes, turned into a mask
// of what lies inside strings, clear the brackets that do not count.
func skipBracketed(src []byte, off int) (int, error) {
	var (
		depth   int
		inside  uint64 // all ones when the block begins inside a string
		escaped uint64 // 1 when the block's first byte is escaped
		tail    [64]byte
	)
	for i := off; i < len(src); i += 64 {
		var p *[64]byte
		if i+64 <= len(src) {
			p = (*[64]byte)(src[i:])
		} else {
			tail = [64]byte{}
			copy(tail[:], src[i:])
			p = &tail
		}
		b := classify(p)
		if b.escape|escaped != 0 {
			var hidden uint64
			hidden, escaped = afterEscapes(b.escape, escaped)
			b.quote &^= hidden
		}
		in := inside ^ prefixXor(b.quote)
		inside = uint64(int64(in) >> 63) //nolint:gosec // spreads the top bit on purpose
		b.open &^= in
		b.shut &^= in
		closes := bits.OnesCount64(b.shut)
		if closes < depth {
			depth += bits.OnesCount64(b.open) - closes
			continue
		}
		for both := b.open | b.shut; both != 0; both &= both - 1 {
			if b.open&both&-both != 0 {
				depth++
				continue
			}
			if depth--; depth == 0 {
				return i + bits.TrailingZeros64(both) + 1, nil
			}
		}
	}
	return len(src), &scanError{len(src), fmt.Sprintf("the text ends inside the value that begins at byte %d", off), true}
}

// prefixXor sets each bit to the exclusive or of itself and all lower bits.
func prefixXor(x uint64) uint64 {
	x ^= x << 1
	x ^= x << 2
	x ^= x << 4
	x ^= x << 8
	x ^= x << 16
	return x ^ x<<32
}

// afterEscapes returns the mask of bytes that follow an odd run of backslashes
// and whether the next block's first byte does. The method is simdjson's
// (Langdale and Lemire, "Parsing Gigabytes of JSON per Second", 2019).
func afterEscapes(escape, carry uint64) (hidden, next uint64) {
	const even = 0x5555555555555555
	escape &^= carry
	follows := escape<<1 | carry
	starts := escape &^ even &^ follows
	sum, over := bits.Add64(starts, escape, 0)
	return (even ^ sum<<1) & follows, over
}

// scanElements delimits the elements of the array that opens at src[off] and
// returns the offset behind its closing bracket. On an error, end is where the
// structure breaks and the elements found before it have been given to emit.
func scanElements(src []byte, off int, emit func(start, end int)) (int, error) {
	i := skipSpace(src, off+1)
	if i < len(src) && src[i] == ']' {
		return i + 1, nil
	}
	for {
		end, err := skipValue(src, i)
		if err != nil {
			return end, err
		}
		j := skipSpace(src, end)
		if j >= len(src) {
			// A scalar may have been cut in the middle: it is not an element.
			if src[i] == '{' || src[i] == '[' || src[i] == '"' {
				emit(i, end)
			}
			return j, &scanError{j, fmt.Sprintf("the text ends inside the array that begins at byte %d", off), true}
		}
		emit(i, end)
		switch src[j] {
		case ']':
			return j + 1, nil
		case ',':
			i = skipSpace(src, j+1)
		default:
			return j, &scanError{j, name(src[j]) + " where a comma or the end of the array should be", false}
		}
	}
}
