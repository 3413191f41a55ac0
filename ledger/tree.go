// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"crypto/sha256"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// Tree is the right edge of a Merkle tree: what is needed to append and to
// compute the root, at most one hash per level. The zero Tree is empty.
type Tree struct {
	size int64
	edge []Hash // roots of the complete subtrees, largest first
}

// Size is the number of leaves.
func (t *Tree) Size() int64 { return t.size }

// Add appends a leaf by its hash and returns the nodes that it completes: the
// leaf's own, then its ancestors upwards. They are stored beside the leaf.
func (t *Tree) Add(leaf Hash) []Hash {
	nodes := make([]Hash, 1, 2)
	nodes[0] = leaf
	for n := t.size; n&1 == 1; n >>= 1 {
		last := len(t.edge) - 1
		leaf = tlog.NodeHash(t.edge[last], leaf)
		t.edge = t.edge[:last]
		nodes = append(nodes, leaf)
	}
	t.edge = append(t.edge, leaf)
	t.size++
	return nodes
}

// Root returns the RFC 6962 tree hash; for the empty tree, SHA-256 of nothing.
func (t *Tree) Root() Hash {
	if len(t.edge) == 0 {
		return sha256.Sum256(nil)
	}
	h := t.edge[len(t.edge)-1]
	for i := len(t.edge) - 2; i >= 0; i-- {
		h = tlog.NodeHash(t.edge[i], h)
	}
	return h
}

// LeafHash returns the RFC 6962 hash of a leaf's bytes.
func LeafHash(b []byte) Hash { return tlog.RecordHash(b) }

// loadTree reads the right edge of a tree of the given size. nodes returns the
// nodes stored beside a leaf.
func loadTree(size int64, nodes func(seq int64) ([]byte, error)) (*Tree, error) {
	t := &Tree{size: size}
	var end int64
	for level := 62; level >= 0; level-- {
		if size&(1<<level) == 0 {
			continue
		}
		end += 1 << level
		b, err := nodes(end - 1)
		if err != nil {
			return nil, fmt.Errorf("read the nodes of leaf %d: %w", end-1, err)
		}
		h, err := nodeAt(b, end-1, level)
		if err != nil {
			return nil, err
		}
		t.edge = append(t.edge, h)
	}
	return t, nil
}

// nodeAt picks the node of the given level from those stored beside leaf seq.
func nodeAt(b []byte, seq int64, level int) (Hash, error) {
	want := HashSize * (1 + bits.TrailingZeros64(uint64(seq+1))) //nolint:gosec // a sequence number is never negative
	if len(b) != want {
		return Hash{}, fmt.Errorf("leaf %d has %d bytes of nodes, want %d", seq, len(b), want)
	}
	return Hash(b[level*HashSize : (level+1)*HashSize]), nil
}
