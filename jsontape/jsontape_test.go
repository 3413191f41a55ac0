// SPDX-License-Identifier: Apache-2.0

package jsontape_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tickmark/tickmark/jsontape"
)

func parse(t *testing.T, s string) jsontape.Value {
	t.Helper()
	tape, err := jsontape.Parse([]byte(s), jsontape.Options{})
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return tape.Root()
}

func TestRead(t *testing.T) {
	v := parse(t, ` {"Name":"a\u00e9\n\ud83d\ude00","n":-12.5e1,"i":42,"on":true,"off":false,"nil":null,
		"list":[1,"two",[3],{"four":4}],"empty":{},"none":[]} `)
	checks := []struct{ got, want any }{
		{v.Get("NAME").Str(), "aé\n😀"},
		{v.Get("n").NumberText(), "-12.5e1"},
		{v.Get("missing").Kind(), jsontape.Absent},
		{v.Get("nil").Kind(), jsontape.Null},
		{v.Get("nil").Exists(), false},
		{v.Get("list").Len(), 4},
		{v.Get("list").Index(3).Get("FOUR").NumberText(), "4"},
		{string(v.Get("list").Raw()), `[1,"two",[3],{"four":4}]`},
		{string(v.Get("name").Raw()), `"a\u00e9\n\ud83d\ude00"`},
		{v.Get("empty").Len(), 0},
		{v.Get("none").Len(), 0},
		{v.Len(), 9},
		{v.Get("list").Get("x").Kind(), jsontape.Absent},
	}
	for _, c := range checks {
		if c.got != c.want {
			t.Errorf("got %v, want %v", c.got, c.want)
		}
	}
	if i, ok := v.Get("i").Int(); !ok || i != 42 {
		t.Errorf("Int: %v %v", i, ok)
	}
	if _, ok := v.Get("n").Int(); ok {
		t.Error("a fraction read as an integer")
	}
	if f, ok := v.Get("n").Float(); !ok || f != -125 {
		t.Errorf("Float: %v %v", f, ok)
	}
	var names []string
	for k := range v.Members() {
		names = append(names, k)
	}
	if got := strings.Join(names, " "); got != "Name n i on off nil list empty none" {
		t.Error(got)
	}
}

func TestRefused(t *testing.T) {
	many := `{`
	for i := range 100 {
		many += `"k` + strings.Repeat("x", i) + `":1,`
	}
	cases := []struct {
		name, text, what string
		offset           int
	}{
		{"duplicate", `{"a":1,"b":2,"a":3}`, `member "a" occurs twice`, 13},
		{"case variant", `{"state":"NonCompliant","STATE":"Compliant"}`, `differs only in case from "state"`, 24},
		{"escaped duplicate", `{"a":1,"\u0061":3}`, `occurs twice`, 7},
		{"non-ASCII case variant", `{"É":1,"é":3}`, `differs only in case`, 8},
		{"Kelvin sign", `{"k":1,"` + "\u212a" + `":3}`, `differs only in case`, 7},
		{"duplicate among many", many + `"K":1}`, `differs only in case`, len(many)},
		{"inner duplicate", `[{"x":{"y":1,"y":2}}]`, `occurs twice`, 13},
		{"byte order mark", "\xef\xbb\xbf{}", "byte order mark", 0},
		{"NUL in string", "\"a\x00b\"", "NUL byte", 2},
		{"NUL outside", "[\x00]", "NUL byte", 1},
		{"invalid UTF-8", "[\"a\xff\"]", "invalid UTF-8", 3},
		{"overlong", "[\"\xc0\xaf\"]", "invalid UTF-8", 2},
		{"lone surrogate", `["\ud800"]`, "surrogate", 2},
		{"trailing", `{} x`, "after the end", 3},
		{"second value", "{}\n{}", "after the end", 3},
		{"empty", ``, "empty", 0},
		{"depth", strings.Repeat("[", 129) + strings.Repeat("]", 129), "nested deeper than 128", 128},
		{"truncated string", `{"a":"b`, "ends inside a string", 7},
		{"leading zero", `[01]`, "leading zero", 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := jsontape.Parse([]byte(c.text), jsontape.Options{})
			var e *jsontape.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want an error about %q", err, c.what)
			}
			if !strings.Contains(e.What, c.what) || e.Offset != c.offset {
				t.Errorf("got %q at byte %d, want %q at byte %d", e.What, e.Offset, c.what, c.offset)
			}
		})
	}
}

func TestNotDuplicate(t *testing.T) {
	parse(t, `{"name":1,"properties":{"name":2,"properties":{"name":3}},"other":[{"name":4},{"name":5}]}`)
	var b strings.Builder
	b.WriteString("{")
	for i := range 5000 {
		b.WriteString(`"key` + strings.Repeat("é", i%7) + string(rune('a'+i%26)) + jsonNumber(i) + `":0,`)
	}
	b.WriteString(`"last":0}`)
	if n := parse(t, b.String()).Len(); n != 5001 {
		t.Errorf("got %d members", n)
	}
}

func jsonNumber(i int) string {
	b, _ := json.Marshal(i)
	return string(b)
}

func TestUnobserved(t *testing.T) {
	tape, err := jsontape.Parse([]byte(`{"id":"x","key":"tickmark:unobserved:redacted:storage-key","p":{"a":1,"b":[1,2]},"z":3}`), jsontape.Options{})
	if err != nil {
		t.Fatal(err)
	}
	v := tape.Root()
	if k := v.Get("key"); k.Kind() != jsontape.Unobserved || k.Reason() != "redacted" || string(k.Raw()) != `"tickmark:unobserved:redacted:storage-key"` {
		t.Errorf("marker: %v %q %s", k.Kind(), k.Reason(), k.Raw())
	}
	tape.MarkUnobserved(v.Get("p"), "plan")
	if p := v.Get("p"); p.Kind() != jsontape.Unobserved || p.Reason() != "plan" || p.Get("a").Kind() != jsontape.Unobserved {
		t.Errorf("hidden object: %v %q", p.Kind(), p.Reason())
	}
	if got := v.Get("z").NumberText(); got != "3" {
		t.Errorf("the member after a hidden object: %q", got)
	}
	tape.MarkUnobserved(v.Get("z"), "plan")
	tape.MarkOpen(v, "summary")
	if m := v.Get("missing"); m.Kind() != jsontape.Unobserved || m.Reason() != "summary" || m.Get("deeper").Reason() != "summary" {
		t.Errorf("open object: %v %q", m.Kind(), m.Reason())
	}
	if v.Get("id").Str() != "x" || !v.IsOpen() || v.Get("z").Reason() != "plan" {
		t.Error("an open object lost a member")
	}
}

func shared(t *testing.T, path string) string {
	t.Helper()
	root := os.Getenv("TICKMARK_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "shared")
	}
	p := filepath.Join(root, path)
	if _, err := os.Stat(p); err != nil {
		t.Skipf("shared material is absent: %s", path)
	}
	return p
}

func TestCorpus(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(shared(t, "corpora/json"), "*.json"))
	if err != nil || len(files) < 100 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		_, err = jsontape.Parse(b, jsontape.Options{})
		name := filepath.Base(f)
		switch {
		case strings.HasPrefix(name, "y_") && err != nil && !strings.Contains(name, "duplicated_key"):
			t.Errorf("%s: %v", name, err)
		case strings.HasPrefix(name, "y_") && strings.Contains(name, "duplicated_key") && err == nil:
			t.Errorf("%s: a duplicate member was accepted", name)
		case strings.HasPrefix(name, "n_") && err == nil:
			t.Errorf("%s: accepted", name)
		}
		var e *jsontape.Error
		if err != nil && (!errors.As(err, &e) || e.Line < 1 || e.Col < 1 || e.Offset > len(b)) {
			t.Errorf("%s: no position: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e3,true,null,"x\u00e9"],"b":{"c":{}}}`, `"`, `[`, `{"a":1,"A":2}`, "\xef\xbb\xbf1", `"\ud83d\ude00"`, `-`, `[01]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		tape, err := jsontape.Parse(b, jsontape.Options{})
		if err != nil {
			return
		}
		if !json.Valid(b) {
			t.Fatalf("accepted what encoding/json refuses: %q", b)
		}
		var want any
		if err := json.Unmarshal(b, &want); err == nil { // numbers out of range are ours to keep
			got, _ := json.Marshal(plain(tape.Root()))
			exp, _ := json.Marshal(want)
			if string(got) != string(exp) {
				t.Fatalf("read %s, want %s", got, exp)
			}
		}
		end, err := jsontape.SkipValue(b, len(b)-len(strings.TrimLeft(string(b), " \n\t\r")))
		if err != nil || strings.TrimLeft(string(b[end:]), " \n\t\r") != "" {
			t.Fatalf("SkipValue stopped at %d of %q: %v", end, b, err)
		}
	})
}

func plain(v jsontape.Value) any {
	switch v.Kind() {
	case jsontape.True, jsontape.False:
		b, _ := v.Bool()
		return b
	case jsontape.Number:
		f, _ := v.Float()
		return f
	case jsontape.String:
		return v.Str()
	case jsontape.Array:
		l := []any{}
		for e := range v.Elems() {
			l = append(l, plain(e))
		}
		return l
	case jsontape.Object:
		m := map[string]any{}
		for k, e := range v.Members() {
			m[k] = plain(e)
		}
		return m
	case jsontape.Unobserved:
		return strings.Trim(string(v.Raw()), `"`)
	}
	return nil
}

func lines(tb testing.TB) [][]byte {
	tb.Helper()
	root := os.Getenv("TICKMARK_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "shared")
	}
	b, err := os.ReadFile(filepath.Join(root, "data", "recorded-resources.jsonl"))
	if err != nil {
		tb.Skip("shared material is absent: data/recorded-resources.jsonl")
	}
	var out [][]byte
	for l := range strings.SplitSeq(strings.TrimSpace(string(b)), "\n") {
		out = append(out, []byte(l))
	}
	return out
}

func BenchmarkParse(b *testing.B) {
	ls := lines(b)
	n := 0
	for _, l := range ls {
		n += len(l)
	}
	b.Run("tape", func(b *testing.B) {
		b.SetBytes(int64(n))
		b.ReportAllocs()
		words := 0
		for b.Loop() {
			p := jsontape.Parser{}
			words = 0
			for _, l := range ls {
				t, err := p.Parse(l)
				if err != nil {
					b.Fatal(err)
				}
				words += t.Words()
			}
		}
		b.ReportMetric(float64(words*8)/float64(n), "tapeB/B")
	})
	b.Run("skip", func(b *testing.B) {
		b.SetBytes(int64(n))
		for b.Loop() {
			for _, l := range ls {
				if _, err := jsontape.SkipValue(l, 0); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("encoding_json_any", func(b *testing.B) {
		b.SetBytes(int64(n))
		for b.Loop() {
			for _, l := range ls {
				var v any
				if err := json.Unmarshal(l, &v); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
