// SPDX-License-Identifier: Apache-2.0

// Package ledger is an append-only log: an RFC 6962 Merkle tree over leaves,
// with a signed head (a C2SP tlog-checkpoint, which is a signed note). It knows
// nothing of what the leaves mean and nothing of SQL; a [Storage] keeps them.
//
// The format is specified in doc/spec/ledger.md; doc/spec/verify.py checks it
// without this package.
package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// Hash is a node of the Merkle tree.
type Hash = tlog.Hash

// HashSize is the size of a Hash in bytes.
const HashSize = tlog.HashSize

// timeFormat is the only form of an instant in a leaf: UTC, six decimals, so
// that equal instants are equal bytes.
const timeFormat = "2006-01-02T15:04:05.000000Z"

// Leaf is one entry of the log. Its stored bytes are
//
//	{"seq":N,"kind":"word","recordedAt":"2006-01-02T15:04:05.000000Z","body":…}
//
// without white space outside body, members in this order. The bytes are what
// is hashed: nothing is normalised when a leaf is read.
type Leaf struct {
	Seq        int64
	Kind       string
	RecordedAt time.Time
	Body       json.RawMessage
}

// Encode returns the leaf's bytes.
func (l Leaf) Encode() []byte {
	b := make([]byte, 0, len(l.Body)+96)
	b = append(b, `{"seq":`...)
	b = strconv.AppendInt(b, l.Seq, 10)
	b = append(b, `,"kind":"`...)
	b = append(b, l.Kind...)
	b = append(b, `","recordedAt":"`...)
	b = l.RecordedAt.UTC().AppendFormat(b, timeFormat)
	b = append(b, `","body":`...)
	b = append(b, l.Body...)
	return append(b, '}')
}

var errForm = errors.New("not in the form of a leaf")

// ParseLeaf reads what Encode writes, and nothing else. Body aliases b and is
// not parsed.
func ParseLeaf(b []byte) (Leaf, error) {
	var l Leaf
	rest, ok := bytes.CutPrefix(b, []byte(`{"seq":`))
	if !ok {
		return l, errForm
	}
	i := bytes.IndexByte(rest, ',')
	if i <= 0 || i > 19 || (rest[0] == '0' && i > 1) {
		return l, errForm
	}
	for _, c := range rest[:i] {
		if c < '0' || c > '9' {
			return l, errForm
		}
		l.Seq = l.Seq*10 + int64(c-'0')
	}
	if rest, ok = bytes.CutPrefix(rest[i:], []byte(`,"kind":"`)); !ok {
		return l, errForm
	}
	i = bytes.IndexByte(rest, '"')
	if i <= 0 || !validKind(rest[:i]) {
		return l, errForm
	}
	l.Kind = string(rest[:i])
	if rest, ok = bytes.CutPrefix(rest[i:], []byte(`","recordedAt":"`)); !ok || len(rest) < len(timeFormat) {
		return l, errForm
	}
	at, err := time.Parse(timeFormat, string(rest[:len(timeFormat)]))
	if err != nil {
		return l, fmt.Errorf("recordedAt: %w", err)
	}
	if at.Format(timeFormat) != string(rest[:len(timeFormat)]) {
		return l, errForm // time.Parse takes a comma for the point: a second spelling of the same leaf
	}
	l.RecordedAt = at
	if rest, ok = bytes.CutPrefix(rest[len(timeFormat):], []byte(`","body":`)); !ok || len(rest) < 2 || rest[len(rest)-1] != '}' {
		return l, errForm
	}
	l.Body = rest[:len(rest)-1]
	return l, nil
}

// validKind reports whether k is one lower-case word, which needs no escaping.
func validKind(k []byte) bool {
	for _, c := range k {
		if c < 'a' || c > 'z' {
			return false
		}
	}
	return len(k) > 0 && len(k) <= 32
}

// Encode returns v as compact JSON with <, > and & as they are. Members come in
// the order of the struct's fields, so the same value gives the same bytes.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
