// SPDX-License-Identifier: Apache-2.0

package armexpr

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
)

// FoldEqual compares two strings ignoring case with full Unicode folding, as
// the invariant culture does: ß equals SS, final sigma equals sigma.
func FoldEqual(a, b string) bool {
	if isASCII(a) && isASCII(b) {
		return len(a) == len(b) && strings.EqualFold(a, b)
	}
	return a == b || Fold(a) == Fold(b)
}

// Fold returns s case-folded so that strings equal but for case become equal.
func Fold(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	return cases.Fold().String(s)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// FoldContains reports whether s contains sub, ignoring case. It does not
// allocate for ASCII.
func FoldContains(s, sub string) bool {
	if !isASCII(s) || !isASCII(sub) {
		return strings.Contains(Fold(s), Fold(sub))
	}
	if sub == "" {
		return true
	}
	first := lowerASCII(sub[0])
	for i := 0; i+len(sub) <= len(s); i++ {
		if lowerASCII(s[i]) == first && strings.EqualFold(s[i:i+len(sub)], sub) {
			return true
		}
	}
	return false
}

// FoldCompare orders two strings ignoring case. It does not allocate for ASCII.
func FoldCompare(a, b string) int {
	if !isASCII(a) || !isASCII(b) {
		return strings.Compare(Fold(a), Fold(b))
	}
	for i := range min(len(a), len(b)) {
		if x, y := lowerASCII(a[i]), lowerASCII(b[i]); x != y {
			return int(x) - int(y)
		}
	}
	return len(a) - len(b)
}

func lowerASCII(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// foldIndex returns the index, in runes of the original s, at which sub occurs
// ignoring case, or -1; last asks for the last occurrence.
func foldIndex(s, sub string, last bool) int {
	if isASCII(s) && isASCII(sub) {
		ls, lsub := strings.ToLower(s), strings.ToLower(sub)
		if last {
			return strings.LastIndex(ls, lsub)
		}
		return strings.Index(ls, lsub)
	}
	want := Fold(sub)
	rs := []rune(s)
	found := -1
	for i := 0; i <= len(rs); i++ {
		if strings.HasPrefix(Fold(string(rs[i:])), want) {
			found = i
			if !last {
				break
			}
		}
	}
	return found
}

// units counts the UTF-16 units of s, which is how the service counts length.
func units(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}

func isSpace(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' }
