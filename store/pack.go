// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"github.com/tickmark/tickmark"
)

// A pack is a file of blocks. It begins with packMagic and its own number;
// blocks follow without gaps:
//
//	"tmb1" | atoms u32 | plain u32 | payload u32 | atoms × (digest 32, length u32) | payload
//
// All numbers are big-endian. The payload is one zstd frame of the atoms, one
// after the other. The ledger commits to the SHA-256 of the whole block and to
// its place, so that every byte of a pack up to the last block is covered.
const (
	packFolder = "packs"
	packMagic  = "tickmark pack 1\n"
	packHeader = len(packMagic) + 8

	blockMagic  = "tmb1"
	blockHeader = len(blockMagic) + 12
	atomEntry   = len(tickmark.Digest{}) + 4

	// blockSize is how much plaintext a block gathers.
	blockSize = 256 << 10
	// maxBlob is the longest blob: lengths have 32 bits, and a reader holds a
	// whole block in memory.
	maxBlob = 1 << 30
)

func packName(n int64) string { return fmt.Sprintf("%06d.pack", n) }

func packStart(n int64) []byte {
	return binary.BigEndian.AppendUint64([]byte(packMagic), uint64(n)) //nolint:gosec // pack numbers count from 1
}

// place is where a block lies.
type place struct {
	block, pack, off, length int64
	atoms                    int64
	digest                   tickmark.Digest
}

func (p place) String() string {
	return fmt.Sprintf("%s, block %d at byte %d", filepath.Join(packFolder, packName(p.pack)), p.block, p.off)
}

// blockAtom is one entry of a block's list.
type blockAtom struct {
	digest tickmark.Digest
	length int
}

// encodeBlock returns the bytes of a block. plain is scratch space, returned
// for the next call.
func encodeBlock(enc *zstd.Encoder, atoms []tickmark.Digest, data [][]byte, plain []byte) (block, scratch []byte) {
	plain = plain[:0]
	for _, d := range data {
		plain = append(plain, d...)
	}
	block = make([]byte, 0, blockHeader+len(atoms)*atomEntry+len(plain)/4+64)
	block = append(block, blockMagic...)
	block = binary.BigEndian.AppendUint32(block, uint32(len(atoms))) //nolint:gosec // bounded by blockSize
	block = binary.BigEndian.AppendUint32(block, uint32(len(plain))) //nolint:gosec // bounded by maxBlob
	block = binary.BigEndian.AppendUint32(block, 0)
	for i, a := range atoms {
		block = append(block, a[:]...)
		block = binary.BigEndian.AppendUint32(block, uint32(len(data[i]))) //nolint:gosec // bounded by maxBlob
	}
	start := len(block)
	block = enc.EncodeAll(plain, block)
	binary.BigEndian.PutUint32(block[12:], uint32(len(block)-start)) //nolint:gosec // compressed size of at most maxBlob
	return block, plain
}

// parseBlock reads a block's list and returns its payload.
func parseBlock(b []byte) (atoms []blockAtom, plain int, payload []byte, err error) { //nolint:revive // the parts of one block
	if len(b) < blockHeader || string(b[:4]) != blockMagic {
		return nil, 0, nil, errors.New("does not begin like a block")
	}
	n := int64(binary.BigEndian.Uint32(b[4:]))
	size := int64(binary.BigEndian.Uint32(b[8:]))
	rest := int64(binary.BigEndian.Uint32(b[12:]))
	list := n * int64(atomEntry)
	if int64(blockHeader)+list+rest != int64(len(b)) {
		return nil, 0, nil, errors.New("its lengths do not fit together")
	}
	atoms = make([]blockAtom, n)
	var sum int64
	for i := range atoms {
		e := b[blockHeader+i*atomEntry:]
		copy(atoms[i].digest[:], e)
		atoms[i].length = int(binary.BigEndian.Uint32(e[len(tickmark.Digest{}):]))
		sum += int64(atoms[i].length)
	}
	if sum != size || sum > maxBlob+blockSize {
		return nil, 0, nil, errors.New("the lengths of its atoms do not fit its size")
	}
	return atoms, int(size), b[int64(blockHeader)+list:], nil
}

// openBlock decompresses a block and checks every atom against its digest.
func openBlock(dec *zstd.Decoder, b []byte) ([]blockAtom, [][]byte, error) {
	atoms, size, payload, err := parseBlock(b)
	if err != nil {
		return nil, nil, err
	}
	plain, err := dec.DecodeAll(payload, make([]byte, 0, size))
	if err != nil {
		return nil, nil, fmt.Errorf("decompress: %w", err)
	}
	if len(plain) != size {
		return nil, nil, fmt.Errorf("decompresses to %d bytes, want %d", len(plain), size)
	}
	data := make([][]byte, len(atoms))
	for i, a := range atoms {
		data[i], plain = plain[:a.length:a.length], plain[a.length:]
		if tickmark.DigestOf(data[i]) != a.digest {
			return nil, nil, fmt.Errorf("atom %d does not have its digest", i)
		}
	}
	return atoms, data, nil
}

func newDecoder() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBlob+blockSize))
}

func checkPackStart(b []byte, n int64) error {
	if !bytes.Equal(b, packStart(n)) {
		return errors.New("does not begin like this pack")
	}
	return nil
}
