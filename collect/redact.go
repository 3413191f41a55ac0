// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

// replaced stands in kept bytes for a value that Ask.Redact names.
const replaced = `"` + jsontape.Marker + `redacted:variable"`

// cutOut is a value that is not kept.
type cutOut struct{ off, end int }

// redact replaces what the ask and the options name as secret, before anything
// is written.
func (r *runner) redact(w *worker, u *unit, body []byte) (kept []byte, n int, err error) {
	kept = body
	if a := u.ask.ask; len(a.Redact) > 0 && r.tune.on("askRedact") {
		var cuts []cutOut
		_, err := w.page(body, a, func(it tickmark.Item, row jsontape.Value) error {
			for _, c := range secrets(row, a.Redact) {
				cuts = append(cuts, cutOut{it.Off + c.off, it.Off + c.end})
			}
			return nil
		})
		if err != nil {
			return nil, 0, err
		}
		kept, n = splice(body, cuts), len(cuts)
	}
	if r.opts.Redact != nil && r.tune.on("redact") {
		out, m := r.opts.Redact(kept)
		if m < 0 || m == 0 && !bytes.Equal(out, kept) {
			return nil, 0, fmt.Errorf("the redaction changed the answer and does not say so")
		}
		kept, n = out, n+m
	}
	return kept, n, nil
}

// clean replaces the secrets in the words of an error: some services repeat what
// they refuse. What is quoted is replaced whole, what stands in a sentence as
// a word.
func (r *runner) clean(text []byte) []byte {
	if r.opts.Redact == nil || !r.tune.on("redact") {
		return text
	}
	text, _ = r.opts.Redact(text)
	const edge = " \t\r\n\"'`<>(),"
	var out []byte
	for len(text) > 0 {
		n := bytes.IndexAny(text, edge)
		if n < 0 {
			n = len(text)
		}
		word := text[:n]
		if n >= 16 {
			if _, hit := r.opts.Redact(slices.Concat([]byte{'"'}, word, []byte{'"'})); hit > 0 {
				word = []byte("[redacted]")
			}
		}
		out = append(out, word...)
		if n < len(text) {
			out = append(out, text[n])
			n++
		}
		text = text[n:]
	}
	return out
}

// secrets finds the scalars that the paths name, in the order of the text.
func secrets(row jsontape.Value, paths []string) []cutOut {
	found, spared := map[cutOut]bool{}, map[cutOut]bool{}
	for _, p := range paths {
		into := found
		if q, ok := strings.CutPrefix(p, "!"); ok {
			p, into = q, spared
		}
		descend(row, strings.Split(p, "."), into)
	}
	var out []cutOut
	for c := range found {
		if !spared[c] {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b cutOut) int { return a.off - b.off })
	return out
}

func descend(v jsontape.Value, path []string, into map[cutOut]bool) {
	if len(path) == 0 {
		scalars(v, into)
		return
	}
	switch v.Kind() {
	case jsontape.Array:
		rest := path
		if path[0] == "*" {
			rest = path[1:]
		}
		for e := range v.Elems() {
			descend(e, rest, into)
		}
	case jsontape.Object:
		if path[0] != "*" {
			descend(v.Get(path[0]), path[1:], into)
			return
		}
		for _, m := range v.Members() {
			descend(m, path[1:], into)
		}
	}
}

// scalars takes the value, or all that a container holds; null tells nothing.
func scalars(v jsontape.Value, into map[cutOut]bool) {
	switch v.Kind() {
	case jsontape.Absent, jsontape.Null, jsontape.Unobserved:
	case jsontape.Array:
		for e := range v.Elems() {
			scalars(e, into)
		}
	case jsontape.Object:
		for _, m := range v.Members() {
			scalars(m, into)
		}
	default:
		into[cutOut{v.Offset(), v.Offset() + len(v.Raw())}] = true
	}
}

func splice(src []byte, cuts []cutOut) []byte {
	if len(cuts) == 0 {
		return src
	}
	out := make([]byte, 0, len(src)+len(cuts)*len(replaced))
	at := 0
	for _, c := range cuts {
		out = append(append(out, src[at:c.off]...), replaced...)
		at = c.end
	}
	return append(out, src[at:]...)
}
