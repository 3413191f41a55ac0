// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"hash/maphash"
	"strings"
	"unicode"
)

// shingleWords is how many words in a row make a shingle.
const shingleWords = 5

var shingleSeed = maphash.MakeSeed()

// Shingles is the set of runs of five words of a text, without regard to case
// and punctuation. A text of fewer words is one shingle.
type Shingles map[uint64]struct{}

// ShinglesOf makes the set of a text.
func ShinglesOf(text string) Shingles {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	s := Shingles{}
	if len(words) == 0 {
		return s
	}
	for i := 0; i == 0 || i+shingleWords <= len(words); i++ {
		s[maphash.String(shingleSeed, strings.Join(words[i:min(i+shingleWords, len(words))], " "))] = struct{}{}
	}
	return s
}

// Jaccard is the share of shingles that two sets have in common: 0 when either
// is empty, 1 when they are the same.
func (s Shingles) Jaccard(t Shingles) float64 {
	if len(s) == 0 || len(t) == 0 {
		return 0
	}
	if len(t) < len(s) {
		s, t = t, s
	}
	both := 0
	for k := range s {
		if _, ok := t[k]; ok {
			both++
		}
	}
	return float64(both) / float64(len(s)+len(t)-both)
}
