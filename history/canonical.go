// SPDX-License-Identifier: Apache-2.0

package history

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tickmark/tickmark"
)

// The first bytes of the two canonical forms; doc/spec/ledger.md describes them.
const (
	transitionsMagic = "tickmark transitions 1\n"
	countsMagic      = "tickmark counts 1\n"
)

// Name is a new entry of one of the three dictionaries.
type Name struct {
	Kind  byte // NameReason, NameCheck, NameResource
	ID    uint32
	Value string
	Type  string // of a resource
}

// The kinds of Name, as in the canonical form.
const (
	NameReason   = 'q'
	NameCheck    = 'c'
	NameResource = 'r'
)

// AppendHeader begins the canonical form of one snapshot's transitions. New
// reasons, checks and resources follow, each ordered by number, then the
// transitions ordered by resource, then check.
func AppendHeader(b []byte) []byte { return append(b, transitionsMagic...) }

// AppendName appends a dictionary entry.
func AppendName(b []byte, n Name) []byte {
	b = append(b, n.Kind)
	b = binary.AppendUvarint(b, uint64(n.ID))
	b = appendString(b, n.Value)
	if n.Kind == NameResource {
		b = appendString(b, n.Type)
	}
	return b
}

// AppendTransition appends a transition.
func AppendTransition(b []byte, t Transition) []byte {
	b = append(b, byte(t.Kind))
	b = binary.AppendUvarint(b, uint64(t.Row.Resource))
	b = binary.AppendUvarint(b, uint64(t.Row.Check))
	if t.Kind == Vanish {
		return b
	}
	b = append(b, byte(t.Row.Verdict))
	return binary.AppendUvarint(b, uint64(t.Row.Reason))
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

var errTransitions = errors.New("transitions: not in canonical form")

// ReadTransitions reads the canonical form and gives name and transition what
// it holds, in order. The verdict of a Vanish is not stored and comes as zero.
func ReadTransitions(b []byte, name func(Name) error, transition func(Transition) error) error {
	rest, ok := bytes.CutPrefix(b, []byte(transitionsMagic))
	if !ok {
		return errTransitions
	}
	r := reader{b: rest}
	for len(r.b) > 0 && !r.bad {
		kind := r.octet()
		switch kind {
		case NameReason, NameCheck, NameResource:
			n := Name{Kind: kind, ID: r.number(), Value: r.text()}
			if kind == NameResource {
				n.Type = r.text()
			}
			if r.bad {
				break
			}
			if err := name(n); err != nil {
				return err
			}
		case byte(Appear), byte(Change), byte(Vanish):
			t := Transition{Kind: Kind(kind), Row: Row{Resource: r.number(), Check: r.number()}}
			if t.Kind != Vanish {
				t.Row.Verdict = tickmark.Verdict(r.octet())
				t.Row.Reason = r.number()
			}
			if r.bad || t.Row.Verdict > tickmark.Exempt {
				return errTransitions
			}
			if err := transition(t); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%w: unknown entry %q", errTransitions, kind)
		}
	}
	if r.bad {
		return errTransitions
	}
	return nil
}

// reader reads the parts of the canonical form; bad stays set after a fault.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) octet() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) number() uint32 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > 1<<32-1 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return uint32(v)
}

func (r *reader) text() string {
	n := int(r.number())
	if n > len(r.b) {
		r.bad, r.b = true, nil
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

// Count is the tally of one check in one scope of one snapshot.
type Count struct {
	Check uint32
	Scope string
	Tally Tally
}

// AppendCounts appends the canonical form of counts, which are ordered by
// check, then scope.
func AppendCounts(b []byte, counts []Count) []byte {
	b = append(b, countsMagic...)
	for _, c := range counts {
		b = binary.AppendUvarint(b, uint64(c.Check))
		b = appendString(b, c.Scope)
		for _, n := range []int64{c.Tally.Fail, c.Tally.Pass, c.Tally.Unknown, c.Tally.Exempt, c.Tally.NotApplicable} {
			b = binary.AppendUvarint(b, uint64(n)) //nolint:gosec // a count is never negative
		}
	}
	return b
}
