// SPDX-License-Identifier: Apache-2.0

package jsontape

import (
	"encoding/binary"
	"math/bits"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special returns a mask whose lowest set byte is the first byte of w that is
// a quote, a backslash, a control character or not ASCII. Bytes above the
// first may be reported falsely.
func special(w uint64) uint64 {
	q := w ^ (ones * '"')
	b := w ^ (ones * '\\')
	m := (q - ones) &^ q
	m |= (b - ones) &^ b
	m |= (w - ones*0x20) &^ w
	return (m | w) & highs
}

// scanString finds the end of the string whose first content byte is src[i].
// It returns the index of the closing quote and whether there are escapes.
// bad is the index of the first offending byte with its complaint, or "".
func scanString(src []byte, i int) (end int, escaped bool, bad string) {
	for {
		for i+8 <= len(src) {
			m := special(binary.LittleEndian.Uint64(src[i:]))
			if m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
		if i >= len(src) {
			return i, escaped, "the text ends inside a string"
		}
		c := src[i]
		switch {
		case c == '"':
			return i, escaped, ""
		case c == '\\':
			escaped = true
			n, why := scanEscape(src, i)
			if why != "" {
				return i, escaped, why
			}
			i += n
		case c < 0x20:
			return i, escaped, controlText(c)
		case c < utf8.RuneSelf:
			i++
		default:
			r, n := utf8.DecodeRune(src[i:])
			if r == utf8.RuneError && n <= 1 {
				return i, escaped, "invalid UTF-8"
			}
			i += n
		}
	}
}

func controlText(c byte) string {
	if c == 0 {
		return "a NUL byte inside a string"
	}
	if c == '\n' || c == '\r' {
		return "a line break inside a string"
	}
	return "an unescaped control character inside a string"
}

// scanEscape checks the escape at src[i] == '\\' and returns its length.
func scanEscape(src []byte, i int) (n int, why string) {
	if i+1 >= len(src) {
		return 0, "the text ends inside a string"
	}
	switch src[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, ""
	case 'u':
	default:
		return 0, "an unknown escape in a string"
	}
	r, ok := hex4(src, i+2)
	if !ok {
		return 0, "an escape \\u without four hexadecimal digits"
	}
	if !utf16.IsSurrogate(r) {
		return 6, ""
	}
	if i+7 < len(src) && src[i+6] == '\\' && src[i+7] == 'u' {
		if r2, ok := hex4(src, i+8); ok && utf16.DecodeRune(r, r2) != utf8.RuneError {
			return 12, ""
		}
	}
	return 0, "half of a surrogate pair in a string"
}

func hex4(src []byte, i int) (rune, bool) {
	if i+4 > len(src) {
		return 0, false
	}
	var r rune
	for _, c := range src[i : i+4] {
		r <<= 4
		switch {
		case '0' <= c && c <= '9':
			r |= rune(c - '0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r |= rune(c|0x20-'a') + 10
		default:
			return 0, false
		}
	}
	return r, true
}

// unescape appends the text of the string content b, which scanString accepted.
func unescape(dst, b []byte) []byte {
	for i := 0; i < len(b); {
		c := b[i]
		if c != '\\' {
			dst = append(dst, c)
			i++
			continue
		}
		switch b[i+1] {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, _ := hex4(b, i+2)
			i += 6
			if utf16.IsSurrogate(r) {
				r2, _ := hex4(b, i+2)
				r = utf16.DecodeRune(r, r2)
				i += 6
			}
			dst = utf8.AppendRune(dst, r)
			continue
		default:
			dst = append(dst, b[i+1])
		}
		i += 2
	}
	return dst
}

// hashKey hashes the key bytes b so that keys that differ only in ASCII case
// hash alike. ascii is false when b holds other bytes, which need foldKey first.
func hashKey(b []byte) (h uint32, ascii bool) {
	x := uint64(len(b)) * 0x9E3779B97F4A7C15
	var seen uint64
	i := 0
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		seen |= w
		x = (x ^ (w | ones*0x20)) * 0xff51afd7ed558ccd
		x ^= x >> 32
	}
	if i < len(b) {
		var w uint64
		if len(b) >= 8 {
			w = binary.LittleEndian.Uint64(b[len(b)-8:])
		} else {
			for j, c := range b {
				w |= uint64(c) << (8 * j)
			}
		}
		seen |= w
		x = (x ^ (w | ones*0x20)) * 0xff51afd7ed558ccd
		x ^= x >> 32
	}
	x *= 0xc4ceb9fe1a85ec53
	return uint32(x >> 32), seen&highs == 0
}

// foldRune returns the smallest lower-case form that all case variants of r
// share, so that the Kelvin sign folds to k.
func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			r |= 0x20
		}
		return r
	}
	low := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		low = min(low, f)
	}
	if 'A' <= low && low <= 'Z' {
		low |= 0x20
	}
	return low
}

// structural marks the bytes at which SkipValue must look closer.
var structural = [256]bool{'"': true, '{': true, '}': true, '[': true, ']': true}

// SkipValue returns the index after the JSON value that starts at src[off],
// by brackets and quotes alone: it delimits quickly and leaves validation to
// Parse. White space before the value is not skipped.
func SkipValue(src []byte, off int) (end int, err error) {
	if off >= len(src) {
		return 0, errorAt(src, off, "a value is missing")
	}
	switch src[off] {
	case '"':
		e, ok := skipString(src, off+1)
		if !ok {
			return 0, errorAt(src, off, "the text ends inside a string")
		}
		return e, nil
	case '{', '[':
		return skipContainer(src, off)
	}
	i := off
	for i < len(src) {
		switch src[i] {
		case ',', '}', ']', ' ', '\n', '\r', '\t', ':':
			if i == off {
				return 0, errorAt(src, off, "a value is missing")
			}
			return i, nil
		}
		i++
	}
	return i, nil
}

func skipContainer(src []byte, off int) (int, error) {
	depth := 0
	for i := off; i < len(src); {
		c := src[i]
		if !structural[c] {
			i++
			continue
		}
		switch c {
		case '"':
			e, ok := skipString(src, i+1)
			if !ok {
				return 0, errorAt(src, i, "the text ends inside a string")
			}
			i = e
			continue
		case '{', '[':
			depth++
		default:
			depth--
			if depth == 0 {
				return i + 1, nil
			}
		}
		i++
	}
	return 0, errorAt(src, len(src), "the text ends before the value that starts at byte "+itoa(off)+" is closed")
}

// skipString returns the index after the closing quote.
func skipString(src []byte, i int) (int, bool) {
	for {
		for i+8 <= len(src) {
			w := binary.LittleEndian.Uint64(src[i:])
			q := w ^ (ones * '"')
			b := w ^ (ones * '\\')
			m := ((q-ones)&^q | (b-ones)&^b) & highs
			if m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
		if i >= len(src) {
			return i, false
		}
		switch src[i] {
		case '"':
			return i + 1, true
		case '\\':
			i += 2
		default:
			i++
		}
	}
}
