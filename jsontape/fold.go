// SPDX-License-Identifier: Apache-2.0

package jsontape

import (
	"slices"
	"sync"
)

// Fold gives up the words of a tape that [Parser.ParseBrief] returned. The
// first read parses the source again, which gives the same words: to a reader
// a folded tape differs from any other in speed only. The words then stay until
// the next Fold. Any number of goroutines may read and fold at once; only the
// first call must come before the tape is shared. Other tapes stay as they are.
func (t *Tape) Fold() {
	if t.brief {
		t.brief, t.words = false, nil
		return
	}
	if t.words == nil {
		t.unfolded.Store(nil)
	}
}

// Fold folds the tape that v lies on.
func (v Value) Fold() {
	if v.t != nil {
		v.t.Fold()
	}
}

var unfolders = sync.Pool{New: func() any { return &Parser{} }}

// unfold parses the source again and puts the marks back.
func (t *Tape) unfold() []uint64 {
	p, _ := unfolders.Get().(*Parser)
	defer unfolders.Put(p)
	// Nesting was bounded when the source was parsed first. The parser notes
	// reasons of markers on t, which has them all already, in the same order.
	p.Options.MaxDepth = len(t.src) + 1
	p.tape = t
	p.words, p.stack, p.keys = p.words[:0], p.stack[:0], p.keys[:0]
	e := p.run(t.src)
	p.tape = nil
	words := slices.Clone(p.words)
	switch {
	case e != nil: // against the contract, the source was changed
		words = unreadable(len(t.src))
	case t.marks != nil:
		t.marks.apply(words)
	}
	t.unfolded.Store(&words)
	return words
}

// unreadable are words by which nothing is observed, at least as many as a
// source of n bytes has.
func unreadable(n int) []uint64 {
	return slices.Repeat([]uint64{uint64(hidden) | 1<<payShift}, n+1)
}

// apply marks freshly parsed words.
func (m *marks) apply(words []uint64) {
	for _, n := range m.noted {
		w := words[n.word]
		switch kind := Kind(w & (1<<kindBits - 1)); {
		case n.open:
			words[n.word] = w | flagBit
		case kind == Array || kind == Object:
			words[n.word] = w&^(1<<kindBits-1) | uint64(hidden)
		default:
			i := slices.Index(m.reasons, n.reason)
			words[n.word] = uint64(Unobserved) | w&(offMask<<offShift) | uint64(i)<<payShift
		}
	}
}
