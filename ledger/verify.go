// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"fmt"
	"time"
)

// Checker recomputes a log from its rows, one after the other, in constant
// memory.
type Checker struct {
	// Damage is called for everything that is wrong.
	Damage func(where, what string)

	tree  Tree
	last  time.Time
	marks map[int64]Hash // roots wanted at earlier sizes
}

// Mark asks for the root at an earlier size, for [Checker.RootAt].
func (c *Checker) Mark(size int64) {
	if c.marks == nil {
		c.marks = map[int64]Hash{}
	}
	c.marks[size] = Hash{}
	if size == 0 {
		c.marks[0] = c.tree.Root()
	}
}

// Add checks one row; rows come in the order of their sequence numbers. It
// returns the leaf, which is valid if ok.
func (c *Checker) Add(r Row) (l Leaf, ok bool) {
	want := c.tree.Size()
	where := fmt.Sprintf("leaf %d", r.Seq)
	ok = true
	if r.Seq != want {
		c.Damage(where, fmt.Sprintf("expected leaf %d: leaves are missing, doubled or out of order", want))
		ok = false
	}
	nodes := c.tree.Add(LeafHash(r.Leaf))
	if _, marked := c.marks[c.tree.Size()]; marked {
		c.marks[c.tree.Size()] = c.tree.Root()
	}
	if !sameNodes(nodes, r.Nodes) {
		c.Damage(where, "its bytes do not give the tree nodes stored beside it")
	}
	l, err := ParseLeaf(r.Leaf)
	switch {
	case err != nil:
		c.Damage(where, err.Error())
		return l, false
	case l.Seq != want:
		c.Damage(where, fmt.Sprintf("its bytes say that it is leaf %d", l.Seq))
		ok = false
	case l.Kind != r.Kind:
		c.Damage(where, fmt.Sprintf("stored as kind %q, its bytes say %q", r.Kind, l.Kind))
		ok = false
	case l.RecordedAt.Before(c.last):
		c.Damage(where, "recorded before its predecessor")
	}
	c.last = l.RecordedAt
	return l, ok
}

func sameNodes(nodes []Hash, stored []byte) bool {
	if len(stored) != len(nodes)*HashSize {
		return false
	}
	for i, n := range nodes {
		if !bytes.Equal(stored[i*HashSize:(i+1)*HashSize], n[:]) {
			return false
		}
	}
	return true
}

// Size is the number of rows added.
func (c *Checker) Size() int64 { return c.tree.Size() }

// Root is the root over all rows added.
func (c *Checker) Root() Hash { return c.tree.Root() }

// RootAt returns the root at a size given to Mark, if the log reached it.
func (c *Checker) RootAt(size int64) (Hash, bool) {
	h, ok := c.marks[size]
	return h, ok && size <= c.tree.Size()
}

// Report says what a verification looked at and what it found.
type Report struct {
	Origin string `json:"origin"`
	Size   int64  `json:"size"`
	Root   string `json:"root"`
	Key    string `json:"key"`
	// Checked counts what was looked at, by name: leaves, blocks, blobs …
	Checked map[string]int64 `json:"checked"`
	// Damages holds the first MaxDamages; DamageCount counts all.
	Damages     []Damage `json:"damages"`
	DamageCount int64    `json:"damageCount"`
	// Notices are not damage: an unfinished recording, a missing key file.
	Notices []string `json:"notices"`
	// SavedHead is "" without a saved head, else "consistent" or "inconsistent".
	SavedHead string `json:"savedHead"`
	// Limits says what this verification cannot show.
	Limits []string `json:"limits"`
}

// Damage is one thing that does not verify.
type Damage struct {
	Class string `json:"class"` // head, leaf, block, blob, page, row, count
	Where string `json:"where"`
	What  string `json:"what"`
}

// MaxDamages bounds the list of damages kept.
const MaxDamages = 200

// Add notes one damage.
func (r *Report) Add(class, where, what string) {
	r.DamageCount++
	if len(r.Damages) < MaxDamages {
		r.Damages = append(r.Damages, Damage{Class: class, Where: where, What: what})
	}
}

// Clean reports whether nothing was found.
func (r *Report) Clean() bool { return r.DamageCount == 0 }
