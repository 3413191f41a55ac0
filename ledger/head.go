// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Head is what a signed head says: the log's name, its size and its root.
type Head struct {
	Origin string
	Size   int64
	Root   Hash
}

// Key signs heads. Its name is the log's origin.
type Key struct {
	signer note.Signer
	public string
}

// NewKey makes a key for the log named origin and returns its secret text, for
// [ParseKey].
func NewKey(rand io.Reader, origin string) (string, error) {
	skey, _, err := note.GenerateKey(rand, origin)
	return skey, err
}

var errKeyForm = errors.New("not in the form of a signing key")

// ParseKey reads the text that NewKey returns. Its errors never show the text.
func ParseKey(secret string) (*Key, error) {
	secret = strings.TrimSpace(secret)
	signer, err := note.NewSigner(secret)
	if err != nil {
		return nil, errKeyForm
	}
	// PRIVATE+KEY+name+hash+data: the data may hold plus signs, the name may not.
	parts := strings.SplitN(secret, "+", 5)
	if len(parts) != 5 {
		return nil, errKeyForm
	}
	data, err := base64.StdEncoding.DecodeString(parts[4])
	if err != nil || len(data) != 1+ed25519.SeedSize {
		return nil, errKeyForm
	}
	public, ok := ed25519.NewKeyFromSeed(data[1:]).Public().(ed25519.PublicKey)
	if !ok {
		return nil, errKeyForm
	}
	vkey, err := note.NewEd25519VerifierKey(signer.Name(), public)
	if err != nil {
		return nil, errKeyForm
	}
	return &Key{signer: signer, public: vkey}, nil
}

// Origin is the name of the log that the key signs for.
func (k *Key) Origin() string { return k.signer.Name() }

// Public returns the verifier key: name+hash+base64, as in signed notes.
func (k *Key) Public() string { return k.public }

// Sign returns h as a signed note.
func (k *Key) Sign(h Head) ([]byte, error) {
	if h.Origin != k.Origin() {
		return nil, fmt.Errorf("head of %q cannot be signed with the key of %q", h.Origin, k.Origin())
	}
	return note.Sign(&note.Note{Text: h.text()}, k.signer)
}

func (h Head) text() string {
	return h.Origin + "\n" + strconv.FormatInt(h.Size, 10) + "\n" + h.Root.String() + "\n"
}

// OpenHead checks the signature of a head with the verifier key public and
// returns what it says.
func OpenHead(signed []byte, public string) (Head, error) {
	v, err := note.NewVerifier(public)
	if err != nil {
		return Head{}, fmt.Errorf("verifier key: %w", err)
	}
	n, err := note.Open(signed, note.VerifierList(v))
	if err != nil {
		return Head{}, fmt.Errorf("signature of the head: %w", err)
	}
	h, err := parseHead(n.Text)
	if err != nil {
		return Head{}, err
	}
	if h.Origin != v.Name() {
		return Head{}, fmt.Errorf("head of %q is signed with the key of %q", h.Origin, v.Name())
	}
	return h, nil
}

// parseHead reads the text of a checkpoint. Extension lines are not accepted:
// we never write any.
func parseHead(text string) (Head, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[0] == "" || lines[3] != "" {
		return Head{}, errors.New("head: want three lines: origin, size, root")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return Head{}, fmt.Errorf("head: size %q", lines[1])
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil || root.String() != lines[2] {
		return Head{}, fmt.Errorf("head: root %q", lines[2])
	}
	return Head{Origin: lines[0], Size: size, Root: root}, nil
}
