// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// visible returns s with everything that would act on a screen, instead of
// being seen on it, replaced by something seen: control characters by their
// pictures (ESC becomes ␛), direction overrides, zero-width and other format
// characters by their code points (⟨U+202E⟩), bytes that are not UTF-8 by
// U+FFFD. More than two combining marks on one character are cut, since a
// stack of them paints over the lines above and below.
func visible(s string) string {
	i := 0
	for i < len(s) && s[i] >= 0x20 && s[i] < 0x7f {
		i++
	}
	if i == len(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	b.WriteString(s[:i])
	marks := 0
	for i < len(s) {
		r, n := utf8.DecodeRuneInString(s[i:])
		i += n
		if unicode.In(r, unicode.Mn, unicode.Me) {
			if marks++; marks > 2 {
				continue
			}
			b.WriteRune(r)
			continue
		}
		marks = 0
		switch {
		case r < 0x20:
			b.WriteRune(0x2400 + r)
		case r == 0x7f:
			b.WriteRune('␡')
		case r == ' ' || unicode.IsGraphic(r) && !unicode.Is(unicode.Zs, r):
			b.WriteRune(r)
		case unicode.Is(unicode.Zs, r): // other spaces: keep the gap, not the trick
			b.WriteByte(' ')
		default:
			fmt.Fprintf(&b, "⟨U+%04X⟩", r)
		}
	}
	return b.String()
}

// runeWidth is the number of terminal columns that r takes.
func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0x303e, r >= 0x3041 && r <= 0xa4cf,
		r >= 0xa960 && r <= 0xa97f, r >= 0xac00 && r <= 0xd7a3, r >= 0xf900 && r <= 0xfaff,
		r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6,
		r >= 0x1f000 && r <= 0x1faff, r >= 0x20000 && r <= 0x3fffd:
		return 2
	case r == 0x231a, r == 0x231b, r >= 0x23e9 && r <= 0x23f3, r >= 0x2614 && r <= 0x2615,
		r >= 0x2648 && r <= 0x2653, r >= 0x26aa && r <= 0x26ce, r >= 0x2705 && r <= 0x270b,
		r == 0x2728, r == 0x274c, r == 0x274e, r >= 0x2753 && r <= 0x2757, r >= 0x2795 && r <= 0x2797,
		r == 0x2b50, r == 0x2b55:
		return 2
	}
	return 1
}

// columns is the number of terminal columns that s takes.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// fit is the longest beginning of s that takes at most n columns.
func fit(s string, n int) string {
	used := 0
	for i, r := range s {
		if used += runeWidth(r); used > n {
			return s[:i]
		}
	}
	return s
}

// clip cuts s to n columns, ending in "…" when something was cut.
func clip(s string, n int) string {
	switch {
	case columns(s) <= n:
		return s
	case n < 1:
		return ""
	}
	return fit(s, n-1) + "…"
}

// middle cuts s to n columns by leaving out its middle: the two ends of an id
// tell more than its beginning.
func middle(s string, n int) string {
	if columns(s) <= n {
		return s
	}
	if n < 5 {
		return clip(s, n)
	}
	head := (n - 1) / 3
	room := n - 1 - head
	cut := len(s)
	for cut > 0 {
		r, size := utf8.DecodeLastRuneInString(s[:cut])
		if room -= runeWidth(r); room < 0 {
			break
		}
		cut -= size
	}
	return fit(s, head) + "…" + s[cut:]
}

// pad fills s with blanks to n columns.
func pad(s string, n int) string {
	if w := columns(s); w < n {
		return s + strings.Repeat(" ", n-w)
	}
	return s
}

// wrapped breaks s into lines of at most n columns, at blanks where it can.
func wrapped(s string, n int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(s) {
		if line != "" && columns(line)+1+columns(word) <= n {
			line += " " + word
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		for columns(word) > n {
			head := fit(word, n)
			if head == "" {
				break
			}
			lines = append(lines, head)
			word = word[len(head):]
		}
		line = word
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// number writes n with commas between groups of three digits.
func number(n int) string {
	s := strconv.Itoa(n)
	start := 0
	if n < 0 {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural writes "1 check" or "2 checks".
func plural(n int, one, many string) string {
	return number(n) + " " + noun(n, one, many)
}

func noun(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// instant writes t to the minute, in UTC.
func instant(t time.Time) string {
	if t.IsZero() {
		return "not known"
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}

// stamp writes t exactly, in UTC, as JSON and SARIF carry it; "" when zero.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// shortName is the last segment of a resource id: what people call it.
func shortName(id string) string {
	if i := strings.LastIndexByte(strings.TrimRight(id, "/"), '/'); i >= 0 {
		return id[i+1:]
	}
	return id
}

// indented lays JSON out for reading; what is not JSON stays as it is.
func indented(j []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, j, "", "  ") != nil {
		return string(j)
	}
	return b.String()
}
