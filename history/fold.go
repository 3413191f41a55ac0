// SPDX-License-Identifier: Apache-2.0

package history

import (
	"cmp"
	"fmt"
	"iter"
	"time"

	"github.com/tickmark/tickmark"
)

// Row is a verdict with its dictionary numbers in place of names.
type Row struct {
	Resource, Check, Reason uint32
	Verdict                 tickmark.Verdict
}

func (r Row) compare(o Row) int {
	return cmp.Or(cmp.Compare(r.Resource, o.Resource), cmp.Compare(r.Check, o.Check))
}

// Kind says how a snapshot differs from the one before it in one verdict.
type Kind byte

// The kinds of transition, as in the canonical form.
const (
	Appear Kind = 'A' // no verdict before
	Change Kind = 'C' // another verdict or reason before
	Vanish Kind = 'V' // no verdict any more: from here on Unknown
)

// Transition is a verdict that begins (Appear, Change) or ends (Vanish). For
// Vanish, Row holds what was so before.
type Transition struct {
	Kind Kind
	Row  Row
}

// Fold compares the verdicts open after the previous snapshot with those of
// the next one, both ordered by resource, then check, and gives emit every
// difference in that order. Two rows for one (resource, check) are an error:
// one of them would be lost.
func Fold(previous, next iter.Seq2[Row, error], emit func(Transition) error) error {
	prev, stop := iter.Pull2(ordered("previous", previous))
	defer stop()
	p, err, more := prev()
	if err != nil {
		return err
	}
	vanish := func() error {
		if err := emit(Transition{Vanish, p}); err != nil {
			return err
		}
		p, err, more = prev()
		return err
	}
	for n, nerr := range ordered("next", next) {
		if nerr != nil {
			return nerr
		}
		for more && p.compare(n) < 0 {
			if err := vanish(); err != nil {
				return err
			}
		}
		kind := Appear
		if more && p.compare(n) == 0 {
			kind = Change
			same := p == n
			if p, err, more = prev(); err != nil {
				return err
			}
			if same {
				continue
			}
		}
		if err := emit(Transition{kind, n}); err != nil {
			return err
		}
	}
	for more {
		if err := vanish(); err != nil {
			return err
		}
	}
	return nil
}

func ordered(name string, rows iter.Seq2[Row, error]) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		var last Row
		first := true
		for r, err := range rows {
			if err == nil && !first && last.compare(r) >= 0 {
				err = fmt.Errorf("%s verdicts: resource %d, check %d comes after resource %d, check %d", name, r.Resource, r.Check, last.Resource, last.Check)
			}
			last, first = r, false
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// Span returns the interval that an open or closed row stands for. from and to
// are when the snapshots that began and ended it were observed; a zero to
// means that it is still so. A row that was ended by a snapshot observed no
// later than the one that began it (recorded late) covers no time: ok is false.
//
// Between the last snapshot that saw the verdict and to, nobody looked: To is
// when something else was first seen, not when it began.
func Span(check, resource string, o Outcome, from, to time.Time) (iv tickmark.Interval, ok bool) {
	iv = tickmark.Interval{Check: check, Resource: resource, Verdict: o.Verdict, Reason: o.Reason, From: from, To: to}
	return iv, to.IsZero() || to.After(from)
}
