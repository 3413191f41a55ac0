// SPDX-License-Identifier: Apache-2.0

package jsontape

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

const foldText = `{"id":"/a","k\u0041y":"a\"b","n":-1.5e3,"s":"tickmark:unobserved:redacted:key","t":true,"z":null,
 "o":{"p":{"q":[1,{"r":"x"},[]]},"e":{}},"l":["tickmark:unobserved:throttled","y",{"m":1}],"last":"v"}`

// markings mark a tape as the inventory does.
var markings = []struct {
	name string
	mark func(t *Tape)
}{
	{"none", func(*Tape) {}},
	{"root open", func(t *Tape) { t.MarkOpen(t.Root(), "summary") }},
	{"scalars", func(t *Tape) {
		t.MarkUnobserved(t.Root().Get("n"), "summary")
		t.MarkUnobserved(t.Root().Get("id"), "notCollected")
		t.MarkUnobserved(t.Root().Get("s"), "summary")
	}},
	{"containers", func(t *Tape) {
		t.MarkOpen(t.Root().Get("o"), "first")
		t.MarkUnobserved(t.Root().Get("o"), "second")
		t.MarkOpen(t.Root().Get("l"), "third")
		t.MarkOpen(t.Root().Get("l").Index(2), "fourth")
	}},
	{"all, the root last", func(t *Tape) {
		for _, v := range t.Root().Members() {
			t.MarkUnobserved(v, "summary")
		}
		t.MarkOpen(t.Root(), "other")
		t.MarkOpen(t.Root(), "summary")
	}},
}

// said is everything that can be read of a value.
func said(v Value) string {
	var b strings.Builder
	var walk func(v Value)
	walk = func(v Value) {
		fmt.Fprintf(&b, "%v %d %q %q %q %q %q %d %v;", v.Kind(), v.Offset(), v.Raw(), v.Reason(), v.OpenReason(), v.Str(), v.NumberText(), v.Weight(), v.Beyond().Reason())
		for k, m := range v.Members() {
			fmt.Fprintf(&b, "%s=", k)
			walk(m)
			walk(v.Get(k))
		}
		for e := range v.Elems() {
			walk(e)
		}
		walk0 := v.Get("nobody")
		fmt.Fprintf(&b, "%v %q|", walk0.Kind(), walk0.Reason())
	}
	walk(v)
	return b.String()
}

// TestFold reads the same of a folded tape as of one that never was, also when
// several goroutines read and fold at once.
func TestFold(t *testing.T) {
	for _, m := range markings {
		t.Run(m.name, func(t *testing.T) {
			plain, err := Parse([]byte(foldText), Options{})
			if err != nil {
				t.Fatal(err)
			}
			m.mark(plain)
			want := said(plain.Root())
			var p Parser
			brief, err := p.ParseBrief([]byte(foldText))
			if err != nil {
				t.Fatal(err)
			}
			m.mark(brief)
			inside := brief.Root().Get("last")
			if got := said(brief.Root()); got != want {
				t.Fatalf("before it is folded:\n%s\nwant\n%s", got, want)
			}
			brief.Fold()
			if _, err := p.ParseBrief([]byte(`["another","text",{"with":["more","words"]}]`)); err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for range 50 {
						if got := said(brief.Root()); got != want {
							t.Errorf("folded:\n%s\nwant\n%s", got, want)
							return
						}
						inside.Fold()
					}
				})
			}
			wg.Wait()
			if got := inside.Str(); inside.Kind() == String && got != "v" {
				t.Errorf("a value taken before: %q", got)
			}
			plain.Fold()
			if got := said(plain.Root()); got != want {
				t.Error("Fold changed a tape that keeps its words")
			}
			if m.name == "none" {
				return
			}
			// The control: without its marks the tape says something else.
			brief.Fold()
			brief.marks = &marks{reasons: brief.marks.reasons}
			if said(brief.Root()) == want {
				t.Error("the comparison does not see marks")
			}
		})
	}
}

// TestFoldChanged: a source that was changed against the contract says nothing.
func TestFoldChanged(t *testing.T) {
	src := []byte(foldText)
	var p Parser
	tape, err := p.ParseBrief(src)
	if err != nil {
		t.Fatal(err)
	}
	last := tape.Root().Get("last")
	tape.Fold()
	src[0] = 'x'
	for _, v := range []Value{tape.Root(), last, tape.Root().Get("id")} {
		if v.Kind() != Unobserved || v.Str() != "" || v.Reason() != "" {
			t.Errorf("%v %q", v.Kind(), v.Str())
		}
	}
}
