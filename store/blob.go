// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/tickmark/tickmark"
)

// querier is a *sql.DB, *sql.Tx or *sql.Conn.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// blobs reads blobs by digest. It keeps the blocks it read last and an open
// file per pack; memory is bounded by cachedBlocks. Not for several goroutines.
type blobs struct {
	ctx    context.Context //nolint:containedctx // lives as long as one call of Store
	q      querier
	org    int64
	dir    string
	prefix string // of table names, for a rebuild

	dec   *zstd.Decoder
	files map[int64]*os.File
	cache map[int64]map[tickmark.Digest][]byte
	ring  []int64 // blocks in the cache, oldest first
}

// cachedBlocks bounds the cache: about 256 KiB each.
const cachedBlocks = 64

func (s *Store) newBlobs(ctx context.Context, q querier) (*blobs, error) {
	dec, err := newDecoder()
	if err != nil {
		return nil, err
	}
	return &blobs{ctx: ctx, q: q, org: s.org, dir: s.path(packFolder), dec: dec, files: map[int64]*os.File{}, cache: map[int64]map[tickmark.Digest][]byte{}}, nil
}

func (b *blobs) close() {
	b.dec.Close()
	for _, f := range b.files {
		_ = f.Close() // opened for reading
	}
}

var errNoBlob = errors.New("is not stored")

// inList is how many digests one query asks for.
const inList = 400

// locate returns the blocks that hold the digests; those not stored are
// absent from the answer.
func (b *blobs) locate(digests []tickmark.Digest) (map[tickmark.Digest]int64, error) {
	found := make(map[tickmark.Digest]int64, len(digests))
	for len(digests) > 0 {
		n := min(inList, len(digests))
		if err := b.locateSome(digests[:n], found); err != nil {
			return nil, err
		}
		digests = digests[n:]
	}
	return found, nil
}

func (b *blobs) locateSome(digests []tickmark.Digest, found map[tickmark.Digest]int64) error {
	args := make([]any, 0, len(digests)+1)
	args = append(args, b.org)
	for i := range digests {
		args = append(args, digests[i][:])
	}
	rows, err := b.q.QueryContext(b.ctx, `SELECT digest, block FROM `+b.prefix+`atoms WHERE org = $1 AND digest IN (`+placeholders(2, len(digests))+`)`, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // an error shows in what is read or written
	var raw sql.RawBytes
	var block int64
	for rows.Next() {
		if err := rows.Scan(&raw, &block); err != nil {
			return err
		}
		if len(raw) != len(tickmark.Digest{}) {
			return errors.New("the atom index holds a digest of another length")
		}
		found[tickmark.Digest(raw)] = block
	}
	return rows.Err()
}

// placeholders returns "$from,$from+1,…", n of them.
func placeholders(from, n int) string {
	var s strings.Builder
	for i := range n {
		if i > 0 {
			s.WriteByte(',')
		}
		fmt.Fprintf(&s, "$%d", from+i)
	}
	return s.String()
}

// get returns one blob. The bytes must not be changed.
func (b *blobs) get(d tickmark.Digest) ([]byte, error) {
	var block int64
	err := b.q.QueryRowContext(b.ctx, `SELECT block FROM `+b.prefix+`atoms WHERE org = $1 AND digest = $2`, b.org, d[:]).Scan(&block)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("blob %s %w", d, errNoBlob)
	}
	if err != nil {
		return nil, err
	}
	return b.from(block, d)
}

// from returns the blob d, which the index says is in the given block.
func (b *blobs) from(block int64, d tickmark.Digest) ([]byte, error) {
	in, ok := b.cache[block]
	if !ok {
		var err error
		if in, err = b.load(block); err != nil {
			return nil, err
		}
		if len(b.ring) >= cachedBlocks {
			delete(b.cache, b.ring[0])
			b.ring = b.ring[1:]
		}
		b.ring = append(b.ring, block)
		b.cache[block] = in
	}
	data, ok := in[d]
	if !ok {
		return nil, fmt.Errorf("block %d does not hold blob %s, as the index says", block, d)
	}
	return data, nil
}

func (b *blobs) load(block int64) (map[tickmark.Digest][]byte, error) {
	p := place{block: block}
	err := b.q.QueryRowContext(b.ctx, `SELECT pack, off, len FROM `+b.prefix+`blocks WHERE org = $1 AND block = $2`, b.org, block).Scan(&p.pack, &p.off, &p.length)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("block %d %w", block, errNoBlob)
	}
	if err != nil {
		return nil, err
	}
	raw, err := b.read(p)
	if err != nil {
		return nil, err
	}
	atoms, data, err := openBlock(b.dec, raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p, err)
	}
	in := make(map[tickmark.Digest][]byte, len(atoms))
	for i, a := range atoms {
		in[a.digest] = data[i]
	}
	return in, nil
}

// read returns the bytes of a block.
func (b *blobs) read(p place) ([]byte, error) {
	if p.length < int64(blockHeader) || p.length > 2*maxBlob || p.off < int64(packHeader) {
		return nil, fmt.Errorf("%s: impossible length", p)
	}
	f, err := b.pack(p.pack)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if p.off+p.length > info.Size() {
		return nil, fmt.Errorf("%s: the file ends before it", p)
	}
	raw := make([]byte, p.length)
	if _, err := f.ReadAt(raw, p.off); err != nil {
		return nil, fmt.Errorf("%s: %w", p, err)
	}
	return raw, nil
}

func (b *blobs) pack(n int64) (*os.File, error) {
	if f, ok := b.files[n]; ok {
		return f, nil
	}
	f, err := os.Open(b.dir + string(os.PathSeparator) + packName(n))
	if err != nil {
		return nil, fmt.Errorf("open a pack: %w", err)
	}
	b.files[n] = f
	return f, nil
}
