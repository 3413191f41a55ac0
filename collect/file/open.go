// SPDX-License-Identifier: Apache-2.0

package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tickmark/tickmark"
)

// Options tune Open; the zero value is useful.
type Options struct {
	// Stdin is what the path "-" reads.
	Stdin io.Reader
	// CompleteTypes are the resource types that the operator says were exported
	// completely; "*" stands for all.
	CompleteTypes []string
	// ObservedAt is the instant from which the observations hold. Files do not
	// tell it reliably: the caller does.
	ObservedAt time.Time
	// MaxBytes bounds one input and one archive after decompression; 0 means 1 GiB.
	MaxBytes int64
	// MaxRatio bounds how far compressed input may expand; 0 means 200.
	MaxRatio int64
	// MaxFiles bounds the files read, those inside archives included; 0 means 20,000.
	MaxFiles int
}

func (o Options) withDefaults() Options {
	if o.MaxBytes <= 0 {
		o.MaxBytes = 1 << 30
	}
	if o.MaxRatio <= 0 {
		o.MaxRatio = 200
	}
	if o.MaxFiles <= 0 {
		o.MaxFiles = 20_000
	}
	return o
}

// unfinished ends the names of files that the export script is still writing.
const unfinished = ".part"

// smallFile is the size up to which a file is read rather than mapped.
const smallFile = 1 << 20

// Files are opened inputs. Snapshot's pages point into their bytes, so Close
// comes after the last use of the snapshot and of everything made from it.
type Files struct {
	Snapshot tickmark.Snapshot
	mapped   []mapping
}

type mapping struct {
	path    string
	bytes   []byte
	size    int64
	modTime time.Time
	release func() error
}

// Open reads paths: files, folders (all files below, in order of their names,
// except hidden ones), "-" for standard input, gzipped files and zip archives.
// What cannot be read becomes a problem of the snapshot and the rest is read
// all the same; an error means that the call itself is wrong.
func Open(ctx context.Context, paths []string, o Options) (*Files, error) {
	if len(paths) == 0 {
		return nil, &tickmark.Error{Code: tickmark.CodeUsage, What: "no input given", Hint: "name files or folders with exported objects, or - for standard input; `tickmark export-script` prints how to export"}
	}
	for _, t := range o.CompleteTypes {
		if t != "*" && !strings.Contains(t, "/") {
			return nil, &tickmark.Error{Code: tickmark.CodeUsage, What: "not a resource type", Where: "--complete " + t, Hint: "write the full type, such as Microsoft.Insights/diagnosticSettings"}
		}
	}
	l := &loader{o: o.withDefaults(), files: &Files{}}
	l.digests.SetLimit(runtime.GOMAXPROCS(0))
	for _, p := range paths {
		if err := ctx.Err(); err != nil {
			_ = l.digests.Wait()
			return nil, errors.Join(err, l.files.Close())
		}
		l.path(ctx, p)
	}
	_ = l.digests.Wait() // the digests cannot fail
	l.claim()
	s := &l.files.Snapshot
	s.Origin, s.ObservedAt, s.Problems = "files", o.ObservedAt, l.problems
	for _, m := range l.files.changed() {
		s.Problems = append(s.Problems, tickmark.Problem{Input: m, Byte: -1, Reason: tickmark.ReasonUnparsable, What: "the file changed while it was read", Hint: "run again when nothing writes to it"})
	}
	return l.files, nil
}

// Close gives the mapped files back. It returns an error if one of them was
// changed meanwhile: then what was read from it is worth nothing.
func (f *Files) Close() error {
	var errs []error
	for _, m := range f.changed() {
		errs = append(errs, &tickmark.Error{Code: tickmark.CodeInput, What: "the file changed while it was in use", Where: m, Hint: "run again when nothing writes to it"})
	}
	for _, m := range f.mapped {
		errs = append(errs, m.release())
	}
	f.mapped = nil
	return errors.Join(errs...)
}

// Forget tells the system that the bytes of a page will hardly be read again,
// so that a mapped file does not count against the memory of the process. They
// stay readable. It is for pages that were replaced by a copy.
func (f *Files) Forget(b []byte) {
	for _, m := range f.mapped {
		if len(b) > 0 && len(b) == int(m.size) && &b[0] == &m.bytes[0] {
			forget(m.bytes)
		}
	}
}

// changed lists the mapped files that are no longer what was mapped.
func (f *Files) changed() []string {
	var names []string
	for _, m := range f.mapped {
		if st, err := os.Stat(m.path); err == nil && (st.Size() != m.size || !st.ModTime().Equal(m.modTime)) {
			names = append(names, m.path)
		}
	}
	return names
}

// loader does the work of Open.
type loader struct {
	o        Options
	files    *Files
	problems []tickmark.Problem
	digests  errgroup.Group
	count    int
	stdin    bool
}

func (l *loader) problem(input string, reason tickmark.Reason, what, hint string) {
	l.problems = append(l.problems, tickmark.Problem{Input: input, Byte: -1, Reason: reason, What: what, Hint: hint})
}

// unread notes an input that gave nothing. It stays visible as a segment, so
// that its absence lowers coverage.
func (l *loader) unread(input string, reason tickmark.Reason, what, hint string) {
	l.problem(input, reason, what, hint)
	l.files.Snapshot.Segments = append(l.files.Snapshot.Segments, tickmark.Segment{
		Source: "file", Scope: input,
		Coverage: tickmark.Coverage{Source: "file", Scope: input, Declared: -1, Missing: reason, Detail: what},
	})
}

func (l *loader) path(ctx context.Context, path string) {
	if path == "-" {
		l.readStdin()
		return
	}
	st, err := os.Stat(path)
	switch {
	case err != nil:
		l.unread(path, tickmark.ReasonNotCollected, plain(err), "check the path")
	case st.IsDir():
		l.folder(ctx, path)
	default:
		l.file(path)
	}
}

func plain(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return "cannot be read: " + p.Err.Error()
	}
	return "cannot be read: " + err.Error()
}

// besides are the files that exports are kept beside, not exports themselves.
func besides(base string) bool {
	switch strings.ToLower(filepath.Ext(base)) {
	case ".md", ".sh", ".ps1", ".txt", ".log":
		return true
	}
	return strings.HasPrefix(base, ".") || strings.HasSuffix(base, mappingSuffix)
}

func (l *loader) folder(ctx context.Context, dir string) {
	before := l.count
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err != nil {
			l.unread(path, tickmark.ReasonNotCollected, plain(err), "check its permissions")
			return nil
		}
		if table, ok := strings.CutSuffix(path, mappingSuffix); ok && !d.IsDir() {
			if _, err := os.Stat(table); errors.Is(err, fs.ErrNotExist) {
				l.unread(path, tickmark.ReasonNotCollected, "the mapping has no table beside it", "put "+filepath.Base(table)+" beside it")
			}
		}
		if path != dir && besides(d.Name()) {
			if d.IsDir() && strings.HasPrefix(d.Name(), ".") {
				return filepath.SkipDir
			}
			if !d.IsDir() {
				return nil
			}
		}
		if d.IsDir() {
			return nil
		}
		if l.count >= l.o.MaxFiles {
			l.unread(dir, tickmark.ReasonTruncated, fmt.Sprintf("more than %d files", l.o.MaxFiles), "name fewer folders at once")
			return fs.SkipAll
		}
		l.file(path)
		return nil
	})
	if err != nil {
		l.unread(dir, tickmark.ReasonNotCollected, err.Error(), "")
	}
	if l.count == before {
		l.unread(dir, tickmark.ReasonNotCollected, "the folder holds no file to read", "exports end in .json, .jsonl, .gz or .zip; names that begin with a dot and .md, .txt, .log, .sh and .ps1 files are left out")
	}
}

func (l *loader) readStdin() {
	const input = "-"
	if l.stdin || l.o.Stdin == nil {
		l.unread(input, tickmark.ReasonNotCollected, "standard input can be read once only", "")
		return
	}
	l.stdin = true
	b, err := io.ReadAll(io.LimitReader(l.o.Stdin, l.o.MaxBytes+1))
	switch {
	case err != nil:
		l.unread(input, tickmark.ReasonTruncated, "cannot be read to its end: "+err.Error(), "")
	case int64(len(b)) > l.o.MaxBytes:
		l.unread(input, tickmark.ReasonTruncated, fmt.Sprintf("larger than %d bytes", l.o.MaxBytes), "split it")
	default:
		l.bytes(input, b)
	}
}

// file reads or maps one file.
func (l *loader) file(path string) {
	l.count++
	// A pipe or device would block for ever, or never end.
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
		l.unread(path, tickmark.ReasonUnparsable, "is not a regular file", "give files and folders; - reads standard input")
		return
	}
	f, err := os.Open(path) //nolint:gosec // the user names the file
	if err != nil {
		l.unread(path, tickmark.ReasonNotPermitted, plain(err), "check its permissions")
		return
	}
	defer func() { _ = f.Close() }() // read only: nothing can be lost
	st, err := f.Stat()
	if err != nil {
		l.unread(path, tickmark.ReasonNotCollected, plain(err), "")
		return
	}
	if !st.Mode().IsRegular() {
		l.unread(path, tickmark.ReasonNotCollected, "not a regular file", "pipe it in and name - instead")
		return
	}
	if st.Size() > l.o.MaxBytes {
		l.unread(path, tickmark.ReasonTruncated, fmt.Sprintf("larger than %d bytes", l.o.MaxBytes), "split it")
		return
	}
	if st.Size() <= smallFile {
		b, err := io.ReadAll(io.LimitReader(f, smallFile+1))
		if err != nil {
			l.unread(path, tickmark.ReasonTruncated, plain(err), "")
			return
		}
		if !l.table(path, b) {
			l.bytes(path, b)
		}
		return
	}
	b, release, err := mapFile(f, st.Size())
	if err != nil {
		l.unread(path, tickmark.ReasonNotCollected, plain(err), "")
		return
	}
	l.files.mapped = append(l.files.mapped, mapping{path: path, bytes: b, size: st.Size(), modTime: st.ModTime(), release: release})
	if !l.table(path, b) {
		l.bytes(path, b)
	}
}

// table reads a table that has a mapping beside it; false if it has none.
func (l *loader) table(path string, b []byte) bool {
	f, err := os.Open(path + mappingSuffix) //nolint:gosec // the user names the table
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	var text []byte
	if err == nil {
		text, err = io.ReadAll(io.LimitReader(f, smallFile))
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		l.unread(path+mappingSuffix, tickmark.ReasonNotPermitted, plain(err), "check its permissions")
		return true
	}
	seg, problems := records(path, b, text)
	l.problems = append(l.problems, problems...)
	for i := range seg.Pages {
		seg.Pages[i].Digest = tickmark.DigestOf(seg.Pages[i].Bytes)
	}
	l.files.Snapshot.Segments = append(l.files.Snapshot.Segments, seg)
	return true
}

// bytes recognises what an input holds.
func (l *loader) bytes(input string, b []byte) {
	switch {
	case bytes.HasPrefix(b, []byte("\x1f\x8b")):
		l.gunzip(input, b)
	case bytes.HasPrefix(b, []byte("PK\x03\x04")), bytes.HasPrefix(b, []byte("PK\x05\x06")):
		l.unzip(input, b)
	default:
		l.document(input, b)
	}
}

// document turns plain bytes into a segment and digests its pages beside.
func (l *loader) document(input string, b []byte) {
	// The digest of an input that is one page, the usual case, is computed
	// while its structure is being found.
	var whole tickmark.Digest
	early := len(b) > smallFile
	done := make(chan struct{})
	if early {
		l.digests.Go(func() error {
			whole = tickmark.DigestOf(b)
			close(done)
			return nil
		})
	}
	seg, problems := recognise(input, b)
	if strings.HasSuffix(input, unfinished) && seg.Coverage.Missing == tickmark.ReasonNone {
		// The one place where a name counts: what is there may look whole.
		const what = "the export script did not finish this file"
		problems = append(problems, tickmark.Problem{Input: input, Byte: -1, Reason: tickmark.ReasonTruncated, What: what, Hint: "run the script again in an empty folder"})
		seg.Coverage.Missing, seg.Coverage.Detail = tickmark.ReasonTruncated, what
	}
	l.problems = append(l.problems, problems...)
	l.files.Snapshot.Segments = append(l.files.Snapshot.Segments, seg)
	for i := range seg.Pages {
		p := &seg.Pages[i] // the slice is shared with the appended segment
		if early && len(p.Bytes) == len(b) {
			l.digests.Go(func() error { <-done; p.Digest = whole; return nil })
			continue
		}
		l.digests.Go(func() error { p.Digest = tickmark.DigestOf(p.Bytes); return nil })
	}
}

// claim writes the operator's statement into every segment's coverage. What
// the segments themselves show to be missing stands beside it and wins.
func (l *loader) claim() {
	if len(l.o.CompleteTypes) == 0 {
		return
	}
	types := slices.Clone(l.o.CompleteTypes)
	slices.Sort(types)
	types = slices.Compact(types)
	for i := range l.files.Snapshot.Segments {
		c := &l.files.Snapshot.Segments[i].Coverage
		all := slices.Concat(types, c.Complete)
		slices.Sort(all)
		c.Complete, c.CompleteBy = slices.Compact(all), "operator"
	}
}
