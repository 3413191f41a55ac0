// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// Storage keeps one log. Its calls run inside one transaction of the caller:
// they see each other and become durable together, or not at all.
type Storage interface {
	// Head returns the size and the signed head; size 0 and no head for a new log.
	Head(ctx context.Context) (size int64, signed []byte, err error)
	// Row returns the leaf numbered seq, which exists.
	Row(ctx context.Context, seq int64) (Row, error)
	// Append stores rows, which follow a log of the given size, and the new
	// head. It returns an error wrapping ErrConflict if the log no longer has
	// that size.
	Append(ctx context.Context, size int64, rows []Row, signed []byte) error
}

// Row is a leaf as stored.
type Row struct {
	Seq  int64
	Kind string
	Leaf []byte
	// Nodes are the tree nodes that the leaf completes, from its own upwards.
	Nodes []byte
}

// Entry is a leaf to be.
type Entry struct {
	Kind string
	Body any // marshalled by Encode
}

var (
	// ErrConflict says that the log grew meanwhile. Nothing was written; the
	// caller may read the new state and try again.
	ErrConflict = errors.New("the ledger grew meanwhile")
	// ErrClock says that the clock is behind the last leaf by more than
	// MaxClockStep.
	ErrClock = errors.New("the clock is behind the ledger")
	// ErrBroken says that the stored log does not fit its signed head, so that
	// nothing may be appended to it.
	ErrBroken = errors.New("the ledger does not fit its signed head")
)

// MaxClockStep is how far the clock may step back. Within it a leaf repeats
// the instant of its predecessor, so that recordedAt never falls.
const MaxClockStep = 5 * time.Minute

// Append adds the entries that entriesAt returns and a new signed head. It gets
// the sequence number of its first entry, for entries that name each other. It
// returns the leaves as written.
func Append(ctx context.Context, st Storage, key *Key, now time.Time, entriesAt func(first int64) ([]Entry, error)) ([]Leaf, error) {
	size, signed, err := st.Head(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the head: %w", err)
	}
	tree, last, err := open(ctx, st, key, size, signed)
	if err != nil {
		return nil, err
	}
	now = now.UTC().Truncate(time.Microsecond)
	if now.Before(last) {
		if last.Sub(now) > MaxClockStep {
			return nil, fmt.Errorf("%w: it says %s, the last leaf was recorded at %s", ErrClock, now.Format(time.RFC3339), last.Format(time.RFC3339))
		}
		now = last
	}
	entries, err := entriesAt(size)
	if err != nil {
		return nil, err
	}
	leaves, rows, err := build(tree, now, entries)
	if err != nil {
		return nil, err
	}
	head, err := key.Sign(Head{Origin: key.Origin(), Size: tree.Size(), Root: tree.Root()})
	if err != nil {
		return nil, err
	}
	return leaves, st.Append(ctx, size, rows, head)
}

func build(tree *Tree, now time.Time, entries []Entry) ([]Leaf, []Row, error) {
	leaves := make([]Leaf, 0, len(entries))
	rows := make([]Row, 0, len(entries))
	for _, e := range entries {
		if !validKind([]byte(e.Kind)) {
			return nil, nil, fmt.Errorf("leaf kind %q: want a lower-case word", e.Kind)
		}
		body, err := Encode(e.Body)
		if err != nil {
			return nil, nil, fmt.Errorf("encode a %s leaf: %w", e.Kind, err)
		}
		l := Leaf{Seq: tree.Size(), Kind: e.Kind, RecordedAt: now, Body: body}
		b := l.Encode()
		leaves = append(leaves, l)
		rows = append(rows, Row{Seq: l.Seq, Kind: l.Kind, Leaf: b, Nodes: join(tree.Add(LeafHash(b)))})
	}
	return leaves, rows, nil
}

func join(nodes []Hash) []byte {
	b := make([]byte, 0, len(nodes)*HashSize)
	for _, n := range nodes {
		b = append(b, n[:]...)
	}
	return b
}

// open loads the right edge of the log, checks it against the signed head and
// returns it with the instant of the last leaf.
func open(ctx context.Context, st Storage, key *Key, size int64, signed []byte) (*Tree, time.Time, error) {
	if size == 0 {
		return &Tree{}, time.Time{}, nil
	}
	h, err := OpenHead(signed, key.Public())
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	tree, err := loadTree(size, func(seq int64) ([]byte, error) {
		r, err := st.Row(ctx, seq)
		return r.Nodes, err
	})
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	if h.Size != size || h.Root != tree.Root() {
		return nil, time.Time{}, fmt.Errorf("%w: %d leaves stored, %d signed", ErrBroken, size, h.Size)
	}
	r, err := st.Row(ctx, size-1)
	if err != nil {
		return nil, time.Time{}, err
	}
	l, err := ParseLeaf(r.Leaf)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("%w: leaf %d: %w", ErrBroken, size-1, err)
	}
	return tree, l.RecordedAt, nil
}

// Reader returns the stored nodes of st in the numbering of tlog, for proofs.
func Reader(ctx context.Context, st Storage) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]Hash, error) {
		list := make([]Hash, len(indexes))
		for i, x := range indexes {
			level, n := tlog.SplitStoredHashIndex(x)
			seq := (n+1)<<level - 1
			r, err := st.Row(ctx, seq)
			if err != nil {
				return nil, fmt.Errorf("read the nodes of leaf %d: %w", seq, err)
			}
			if list[i], err = nodeAt(r.Nodes, seq, level); err != nil {
				return nil, err
			}
		}
		return list, nil
	})
}

// ProveLeaf proves that the log of the given size holds leaf seq.
func ProveLeaf(ctx context.Context, st Storage, size, seq int64) (tlog.RecordProof, error) {
	return tlog.ProveRecord(size, seq, Reader(ctx, st))
}

// ProveGrowth proves that the log of size newer extends the one of size older.
func ProveGrowth(ctx context.Context, st Storage, newer, older int64) (tlog.TreeProof, error) {
	return tlog.ProveTree(newer, older, Reader(ctx, st))
}
