// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"github.com/tickmark/tickmark"
)

// FuzzBlock opens foreign blocks: errors, never a panic, and whatever opens
// has atoms that have their digests.
func FuzzBlock(f *testing.F) {
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		f.Fatal(err)
	}
	data := [][]byte{[]byte("one"), {}, bytes.Repeat([]byte("two"), 100)}
	var atoms []tickmark.Digest
	for _, d := range data {
		atoms = append(atoms, tickmark.DigestOf(d))
	}
	b, _ := encodeBlock(enc, atoms, data, nil)
	f.Add(b)
	f.Add([]byte("tmb1"))
	f.Add(append([]byte("tmb1"), bytes.Repeat([]byte{0xff}, 12)...))
	dec, err := newDecoder()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		list, data, err := openBlock(dec, b)
		if err != nil {
			return
		}
		for i, a := range list {
			if tickmark.DigestOf(data[i]) != a.digest {
				t.Errorf("atom %d does not have its digest", i)
			}
		}
	})
}

// FuzzManifest expands foreign manifests.
func FuzzManifest(f *testing.F) {
	base := &manifest{Pages: []recipe{{Name: "p", Items: 3}}, items: [][]tickmark.Digest{{{1}, {2}, {3}}}}
	m := manifest{Version: 1, Pages: []recipe{{Name: "p", Items: 3}}, items: [][]tickmark.Digest{{{2}, {3}, {9}}}}
	b, err := m.encode(base)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"v":2,"base":null,"depth":0,"pages":[],"copies":[{"at":0,"from":0,"n":1,"observed":[1772344800000000],"ids":["x"]}]}` + "\n"))
	f.Add([]byte(`{"v":3,"base":null,"depth":0,"pages":[{"like":0,"id":"x","digest":"` + tickmark.Digest{7}.String() + `","bytes":1,"items":0,"ops":0}],"copies":[{"at":0,"from":0,"n":1,"urls":["https://x/"]}]}` + "\n"))
	f.Add([]byte(`{"v":1,"base":null,"depth":0,"pages":[{"items":1,"ops":3}]}` + "\n\x01\xff\x7f"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, ops, err := parseManifest(b)
		if err != nil {
			return
		}
		if err := m.expand(ops, base); err == nil && len(m.items) != len(m.Pages) {
			t.Error("pages without items")
		}
	})
}

// TestManifestRoundTrip holds for any sequences, doubles and moves among them.
func TestManifestRoundTrip(t *testing.T) {
	digests := rapid.SliceOfN(rapid.Map(rapid.Uint8Range(0, 20), func(n uint8) tickmark.Digest { return tickmark.Digest{n + 1} }), 0, 40)
	rapid.Check(t, func(t *rapid.T) {
		first := digests.Draw(t, "base")
		base := &manifest{Pages: []recipe{{Name: "base", Items: len(first)}}, items: [][]tickmark.Digest{first}}
		a, b := digests.Draw(t, "a"), digests.Draw(t, "b")
		m := manifest{Version: 1, Pages: []recipe{{Items: len(a)}, {Items: len(b)}}, items: [][]tickmark.Digest{a, b}}
		raw, err := m.encode(base)
		if err != nil {
			t.Fatal(err)
		}
		back, ops, err := parseManifest(raw)
		if err == nil {
			err = back.expand(ops, base)
		}
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(back.items[0], a) || !slices.Equal(back.items[1], b) {
			t.Fatalf("%v %v came back as %v", a, b, back.items)
		}
	})
}

// TestManifestIsSmall holds the two promises on size: 100,000 items apart by
// ",\n" cost nearly nothing, and one change among them costs one digest.
func TestManifestIsSmall(t *testing.T) {
	const n = 100_000
	var page tickmark.Page
	for i := range n {
		if i > 0 {
			page.Bytes = append(page.Bytes, ",\n"...)
		}
		page.Items = append(page.Items, tickmark.Item{Off: len(page.Bytes), Len: 5})
		page.Bytes = binary.BigEndian.AppendUint32(append(page.Bytes, '{'), uint32(i))
	}
	r, envelope, items, err := takeApart(&page)
	if err != nil || len(envelope) != 2 || len(r.Runs) != 3 {
		t.Fatalf("envelope of %d bytes in %d runs (%v), want 2 in 3", len(envelope), len(r.Runs), err)
	}
	var base []tickmark.Digest
	for _, it := range items {
		base = append(base, tickmark.DigestOf(it))
	}
	next := slices.Clone(base)
	next[n/2] = tickmark.Digest{1}
	m := manifest{Version: 1, Pages: []recipe{r}, items: [][]tickmark.Digest{next}}
	b, err := m.encode(&manifest{Pages: []recipe{r}, items: [][]tickmark.Digest{base}})
	if err != nil || len(b) > 600 {
		t.Errorf("one change in %d items takes %d bytes (%v)", n, len(b), err)
	}
}

// TestMigrationNames holds both directories to equal file names.
func TestMigrationNames(t *testing.T) {
	names := func(dir string) (list []string) {
		files, err := fs.ReadDir(migrations, dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			list = append(list, f.Name())
		}
		return list
	}
	if a, b := names(migrationDir(false)), names(migrationDir(true)); !slices.Equal(a, b) || len(a) == 0 {
		t.Errorf("migrations differ: %v, %v", a, b)
	}
}

// TestOldManifest reads a manifest of the version without copies, and one that
// copies from it.
func TestOldManifest(t *testing.T) {
	head := `{"v":1,"base":null,"depth":0,"pages":[{"name":"p","form":"armList","entity":"","columns":[],"observedAt":"","digest":"` +
		tickmark.Digest{7}.String() + `","bytes":3,"items":1,"envelope":[],"spans":[],"runs":[],"ops":34}]}` + "\n"
	first := tickmark.Digest{9}
	old, ops, err := parseManifest(append([]byte(head+"\x01\x01"), first[:]...))
	if err == nil {
		err = old.expand(ops, nil)
	}
	if err != nil || len(old.Pages) != 1 || old.items[0][0] != first || old.Pages[0].Request != nil {
		t.Fatalf("%+v, %v", old, err)
	}
	d := tickmark.Digest{1}
	next := &manifest{Version: manifestVersion, Base: &d, Depth: 1, Pages: []recipe{{Name: "new"}, old.Pages[0]}, items: [][]tickmark.Digest{nil, old.items[0]}}
	next.Pages[1].ObservedAt = "2026-03-01T06:00:00.000001Z"
	raw, err := next.encode(old)
	if err != nil {
		t.Fatal(err)
	}
	back, ops, err := parseManifest(raw)
	if err == nil {
		if len(back.Pages) != 1 || len(back.Copies) != 1 {
			t.Errorf("the page is not copied: %s", raw)
		}
		err = back.expand(ops, old)
	}
	if err != nil || len(back.Pages) != 2 || back.Pages[1].ObservedAt != next.Pages[1].ObservedAt || back.Pages[1].Digest != (tickmark.Digest{7}) || back.items[1][0] != first {
		t.Fatalf("%+v, %v", back, err)
	}
	if err := back.merge(nil); err != nil {
		t.Error(err)
	}
	// The control: a version 1 that copies is none.
	if _, _, err := parseManifest(bytes.Replace(raw, []byte(`"v":3`), []byte(`"v":1`), 1)); err == nil {
		t.Error("a manifest of version 1 may copy pages")
	}
}

// likePages are what a day brings to the pages of the day before: the same at
// another address, and other answers to the same request.
func likePages() (base, next *manifest) {
	page := func(url, digest string, at int) recipe {
		d := tickmark.DigestOf([]byte(digest))
		return recipe{
			Name: "GET " + url, Form: "armList", Entity: "arm/x", Columns: []string{}, Ask: "list", Subject: "/s", ObservedAt: fmt.Sprintf("2026-03-0%dT06:00:00.000000Z", at),
			Request: &request{Method: "GET", URL: url, APIVersion: "v", Status: 200, ID: fmt.Sprintf("%08x-0000-4000-8000-%012x", at, len(digest)), Direct: true},
			Digest:  d, Bytes: 9, Items: 1, Envelope: []tickmark.Digest{{3}}, Spans: []int{1, 2}, Runs: [][2]int{{0, 1}, {1, 1}},
		}
	}
	a, b := []tickmark.Digest{{1}}, []tickmark.Digest{{2}}
	base = &manifest{Version: manifestVersion, items: [][]tickmark.Digest{a, a, a, a, a}, Pages: []recipe{
		page("https://x/log?from=1", "same", 1), page("https://x/log?from=2", "same", 1), page("https://x/list", "old", 1), page("https://x/list", "old two", 1), page("https://x/gone", "g", 1),
	}}
	d := tickmark.Digest{1}
	next = &manifest{Version: manifestVersion, Base: &d, Depth: 1, items: [][]tickmark.Digest{a, a, b, b, a}, Pages: []recipe{
		page("https://x/log?from=2", "same", 2), page("https://x/log?from=3", "same", 2), page("https://x/list", "new", 2), page("https://x/list", "new two", 2), page("https://x/fresh", "f", 2),
	}}
	next.Pages[2].Request.Received = &d
	next.Pages[3].Envelope, next.Pages[3].Spans, next.Pages[3].Runs = []tickmark.Digest{{4}}, []int{3}, [][2]int{{0, 2}}
	return base, next
}

// TestLikePages writes pages as what differs from the base, and reads them back
// as they were.
func TestLikePages(t *testing.T) {
	base, next := likePages()
	raw, err := next.encode(base)
	if err != nil {
		t.Fatal(err)
	}
	for text, times := range map[string]int{`"like":`: 2, `"urls":`: 1, `"name":`: 1, `"envelope":`: 2} {
		if n := bytes.Count(raw, []byte(text)); n != times {
			t.Errorf("%s %d times, want %d: %s", text, n, times, raw)
		}
	}
	read := func(raw []byte) (*manifest, error) {
		back, ops, err := parseManifest(raw)
		if err == nil {
			err = back.expand(ops, base)
		}
		return back, err
	}
	back, err := read(raw)
	if err != nil {
		t.Fatal(err)
	}
	for i := range next.Pages {
		next.Pages[i].Ops, back.Pages[i].Ops = 0, 0
	}
	if diff := cmp.Diff(next.Pages, back.Pages); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(next.items, back.items); diff != "" {
		t.Error(diff)
	}
	// The controls: none of these is a manifest.
	for from, to := range map[string]string{
		`"v":3`: `"v":2`, `"like":2`: `"like":5`, `"like":3`: `"like":-1`, `"urls":["https://x/log?from=3"]`: `"urls":["https://x/a","https://x/b"]`,
		`"name":"GET https://x/fresh"`: `"name":"x","id":"y"`,
	} {
		if !bytes.Contains(raw, []byte(from)) {
			t.Fatalf("%s is not in %s", from, raw)
		}
		if _, err := read(bytes.Replace(raw, []byte(from), []byte(to), 1)); err == nil {
			t.Errorf("%s instead of %s is read", to, from)
		}
	}
}
