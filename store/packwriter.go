// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/tickmark/tickmark"
)

// packWriter appends blocks to the packs. Blocks are compressed in parallel
// and written in order. Nothing it writes counts until the ledger names it;
// the caller must hold the writer lock.
type packWriter struct {
	dir   string
	limit int64 // a pack of this size gets a successor
	next  place // where the next block goes

	file *os.File

	atoms []tickmark.Digest // of the block being gathered
	data  [][]byte
	size  int

	pending sync.WaitGroup // blocks whose data is still to be read

	jobs  chan *blockJob // to the compressors
	order chan *blockJob // the same, to the writer
	wg    sync.WaitGroup

	stopped bool

	mu     sync.Mutex
	err    error
	placed []place
	lists  [][]tickmark.Digest // of placed

	blobs, plain, stored int64
}

type blockJob struct {
	atoms []tickmark.Digest
	data  [][]byte
	block []byte
	sum   tickmark.Digest
	done  chan struct{}
}

// newPackWriter continues after the last committed block: bytes after it are
// what an unfinished recording left, and are cut off.
func newPackWriter(dir string, limit int64, end place) (*packWriter, error) {
	w := &packWriter{dir: dir, limit: limit, next: end}
	if end.pack == 0 {
		w.next = place{block: 1, pack: 1}
	}
	if err := w.openPack(); err != nil {
		return nil, err
	}
	n := runtime.GOMAXPROCS(0)
	w.jobs = make(chan *blockJob, n)
	w.order = make(chan *blockJob, 2*n)
	for range n {
		enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
		if err != nil {
			return nil, errors.Join(err, w.file.Close())
		}
		w.wg.Go(func() { w.compress(enc) })
	}
	w.wg.Go(w.write)
	return w, nil
}

// openPack opens the pack of w.next, cuts what follows and removes packs that
// only an unfinished recording can have begun.
func (w *packWriter) openPack() error {
	name := w.dir + string(os.PathSeparator) + packName(w.next.pack)
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the name is made from the data directory that the operator gave
	if err != nil {
		return fmt.Errorf("open the pack: %w", err)
	}
	w.file = f
	info, err := f.Stat()
	if err != nil {
		return err
	}
	switch {
	case w.next.off == 0: // nothing in it is committed
		if err := f.Truncate(0); err != nil {
			return err
		}
		if _, err := f.WriteAt(packStart(w.next.pack), 0); err != nil {
			return fmt.Errorf("begin a pack: %w", err)
		}
		w.next.off = int64(packHeader)
	case info.Size() < w.next.off:
		return &tickmark.Error{Code: tickmark.CodeTampered, Where: name, What: fmt.Sprintf("has %d bytes where %d are committed; nothing was recorded", info.Size(), w.next.off), Hint: "run: tickmark verify"}
	case info.Size() > w.next.off:
		if err := f.Truncate(w.next.off); err != nil {
			return err
		}
	}
	for n := w.next.pack + 1; ; n++ {
		err := os.Remove(w.dir + string(os.PathSeparator) + packName(n))
		if errors.Is(err, os.ErrNotExist) {
			return syncDir(w.dir)
		}
		if err != nil {
			return err
		}
	}
}

// add appends a blob that is not stored yet. data is read later: it must not
// change before finish or settle returns.
func (w *packWriter) add(d tickmark.Digest, data []byte) error {
	if len(data) > maxBlob {
		return &tickmark.Error{Code: tickmark.CodeInput, What: fmt.Sprintf("a blob of %d bytes is too long", len(data)), Hint: "split the input; the limit is 1 GiB"}
	}
	if w.size > 0 && w.size+len(data) > blockSize {
		if err := w.dispatch(); err != nil {
			return err
		}
	}
	w.atoms = append(w.atoms, d)
	w.data = append(w.data, data)
	w.size += len(data)
	w.blobs++
	w.plain += int64(len(data))
	return nil
}

// settle makes the writer independent of the data given so far.
func (w *packWriter) settle() {
	for i := range w.data {
		w.data[i] = bytes.Clone(w.data[i])
	}
	w.pending.Wait()
}

func (w *packWriter) dispatch() error {
	if len(w.atoms) == 0 {
		return nil
	}
	j := &blockJob{atoms: w.atoms, data: w.data, done: make(chan struct{})}
	n := len(w.atoms)
	w.atoms, w.data, w.size = make([]tickmark.Digest, 0, n), make([][]byte, 0, n), 0
	w.pending.Add(1)
	w.jobs <- j
	w.order <- j
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

func (w *packWriter) compress(enc *zstd.Encoder) {
	var scratch []byte
	for j := range w.jobs {
		j.block, scratch = encodeBlock(enc, j.atoms, j.data, scratch)
		j.sum = tickmark.DigestOf(j.block)
		j.data = nil
		w.pending.Done()
		close(j.done)
	}
}

func (w *packWriter) write() {
	for j := range w.order {
		<-j.done
		w.mu.Lock()
		if w.err == nil {
			w.err = w.append(j)
		}
		w.mu.Unlock()
	}
}

// append writes one block.
func (w *packWriter) append(j *blockJob) error {
	if w.next.off > int64(packHeader) && w.next.off+int64(len(j.block)) > w.limit {
		if err := errors.Join(w.file.Sync(), w.file.Close()); err != nil {
			return err
		}
		w.next.pack++
		w.next.off = 0
		if err := w.openPack(); err != nil {
			return err
		}
	}
	if _, err := w.file.WriteAt(j.block, w.next.off); err != nil {
		return fmt.Errorf("write a block: %w", err)
	}
	p := w.next
	p.length, p.atoms, p.digest = int64(len(j.block)), int64(len(j.atoms)), j.sum
	w.placed = append(w.placed, p)
	w.lists = append(w.lists, j.atoms)
	w.next.block++
	w.next.off += p.length
	w.stored += p.length
	return nil
}

// finish writes what is gathered and makes all blocks durable.
func (w *packWriter) finish() error {
	err := w.dispatch()
	w.stop()
	if err == nil {
		err = w.err
	}
	return errors.Join(err, w.file.Sync(), w.file.Close())
}

// abort stops without keeping anything; the next writer cuts the rest off.
func (w *packWriter) abort() {
	w.stop()
	_ = w.file.Close() // what was written does not count
}

func (w *packWriter) stop() {
	if w.stopped {
		return
	}
	w.stopped = true
	close(w.jobs)
	close(w.order)
	w.wg.Wait()
}
