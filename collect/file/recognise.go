// SPDX-License-Identifier: Apache-2.0

package file

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/jsontape"
)

// maxProblems is how many problems of one input are told one by one.
const maxProblems = 100

// reader recognises the documents of one input.
type reader struct {
	name     string
	src      []byte
	pages    []tickmark.Page
	problems []tickmark.Problem
	// tally belongs to the list being read; lists that ended are in done.
	tally collect.Tally
	form  string
	next  string // where the last page of the list leads
	start int    // where the last page begins
	more  int    // problems beyond maxProblems
	// The sums over all lists, and the first thing known to be missing.
	declared int
	stated   bool
	missing  tickmark.Reason
	detail   string
}

// recognise reads the bytes of one input into a segment without coverage
// claims. It never fails: what is wrong becomes a problem of the segment.
func recognise(name string, src []byte) (tickmark.Segment, []tickmark.Problem) {
	r := &reader{name: name, src: src}
	r.read()
	r.endList()
	if r.more > 0 {
		r.problems = append(r.problems, tickmark.Problem{
			Input: r.name, Byte: -1, Reason: tickmark.ReasonUnparsable,
			What: fmt.Sprintf("and %d more problems in this input", r.more),
		})
	}
	items := 0
	for i := range r.pages {
		items += len(r.pages[i].Items)
	}
	declared := -1
	if r.stated {
		declared = r.declared
	}
	seg := tickmark.Segment{Source: "file", Scope: name, Pages: r.pages, Coverage: tickmark.Coverage{
		Source: "file", Scope: name, Pages: len(r.pages), Items: items, Declared: declared,
		Missing: r.missing, Detail: r.detail,
	}}
	return seg, r.problems
}

// add appends a page that begins at from.
func (r *reader) add(from int, p tickmark.Page) {
	r.pages = append(r.pages, p)
	r.start = from
}

// problem notes what is wrong at offset off (-1: nowhere in particular).
func (r *reader) problem(off int, reason tickmark.Reason, what, hint string) {
	if len(r.problems) >= maxProblems {
		r.more++
		return
	}
	p := tickmark.Problem{Input: r.name, Byte: int64(off), Reason: reason, What: what, Hint: hint}
	if off >= 0 {
		p.Line, p.Col = jsontape.Position(r.src, off)
	}
	r.problems = append(r.problems, p)
	if r.missing == tickmark.ReasonNone {
		r.missing, r.detail = reason, what
	}
}

func (r *reader) scanProblem(err error) {
	var e *scanError
	if !errors.As(err, &e) {
		r.problem(-1, tickmark.ReasonUnparsable, err.Error(), "")
		return
	}
	if e.cut {
		r.problem(e.off, tickmark.ReasonTruncated, e.what, "export it again: the writing was interrupted or the disk was full")
		return
	}
	r.problem(e.off, tickmark.ReasonUnparsable, e.what, "")
}

// unlike says why the first bytes cannot be JSON, in the reader's own terms.
func (r *reader) unlike() (what, hint string) {
	s := r.src
	switch {
	case len(s) == 0:
		return "the input is empty", "the command that should have written it probably failed; run it again"
	case bytes.HasPrefix(s, []byte("\xef\xbb\xbf")):
		return "the text starts with a byte order mark", "save it as UTF-8 without one"
	case bytes.HasPrefix(s, []byte("\xff\xfe")), bytes.HasPrefix(s, []byte("\xfe\xff")), len(s) >= 2 && (s[0] == 0) != (s[1] == 0):
		return "the text is UTF-16", "Windows PowerShell's > writes UTF-16: use `| Out-File -Encoding ascii`, or run the command in cmd, bash or PowerShell 7"
	case len(bytes.TrimSpace(s)) == 0:
		return "the input holds only white space", "the command that should have written it probably failed; run it again"
	case bytes.HasPrefix(bytes.TrimSpace(s), []byte("<")):
		return "the input is HTML or XML, not JSON", "a sign-in page or proxy may have answered instead of Azure"
	}
	return "", ""
}

func (r *reader) read() {
	if what, hint := r.unlike(); what != "" {
		r.unrecognised(0, 0, tickmark.ReasonUnparsable, what, hint)
		return
	}
	from := 0
	for i := skipSpace(r.src, 0); i < len(r.src); {
		end, ok := r.document(from, i)
		if !ok {
			r.pages[len(r.pages)-1].Bytes = r.src[r.start:]
			return
		}
		next := skipSpace(r.src, end)
		if next < len(r.src) && bytes.IndexByte(r.src[end:next], '\n') < 0 {
			r.pages[len(r.pages)-1].Bytes = r.src[r.start:]
			r.problem(next, tickmark.ReasonUnparsable, name(r.src[next])+" behind the end of the document", "remove what follows the document, or write one document a line")
			return
		}
		// White space behind a document belongs to its page, and so does a rest
		// that cannot be read: the pages of an input are its bytes.
		r.pages[len(r.pages)-1].Bytes = r.src[r.start:next]
		from, i = next, next
	}
}

// document reads the document at src[i]; its page begins at from. It returns
// false when the rest of the input cannot be read.
func (r *reader) document(from, i int) (end int, ok bool) {
	switch r.src[i] {
	case '{':
		return r.objectDocument(from, i)
	case '[':
		return r.arrayDocument(from, i)
	}
	end, err := skipValue(r.src, i)
	if err == nil {
		_, err = jsontape.Parse(r.src[i:end], jsontape.Options{})
	}
	what := "the document is " + clip(r.src[i:min(len(r.src), i+60)]) + ", not an object or a list of objects"
	if err != nil && !utf8.Valid(r.src[i:min(len(r.src), i+4)]) || err != nil && r.src[i] < ' ' {
		what = name(r.src[i]) + " where JSON should begin"
	} else if err != nil {
		what = "the input is not JSON; it begins with " + clip(r.src[i:min(len(r.src), i+60)])
	}
	hint := ""
	if strings.HasSuffix(strings.ToLower(r.name), ".csv") {
		hint = "a table needs a mapping beside it: " + r.name + mappingSuffix + " (doc/spec/input.md)"
	}
	r.unrecognised(from, i, tickmark.ReasonUnparsable, what, hint)
	return end, false
}

// unrecognised adds a page without items and says why.
func (r *reader) unrecognised(from, at int, reason tickmark.Reason, what, hint string) {
	r.add(from, tickmark.Page{Name: r.pageName(), Form: formUnrecognised, Bytes: r.src[from:]})
	r.problem(min(at, len(r.src)), reason, what, hint)
}

func (r *reader) arrayDocument(from, i int) (end int, ok bool) {
	r.endList()
	if end, done := r.arrayOfAnswers(from, i); done {
		return end, true
	}
	page := tickmark.Page{Name: r.pageName(), Form: formArray}
	end, err := scanElements(r.src, i, func(start, end int) {
		page.Items = append(page.Items, tickmark.Item{Off: start - from, Len: end - start})
	})
	r.add(from, page)
	if err != nil {
		r.scanProblem(err)
		return end, false
	}
	return end, true
}

// arrayOfAnswers reads an array whose elements are answers around lists, as
// `jq -s` makes of several pages.
func (r *reader) arrayOfAnswers(from, i int) (end int, done bool) {
	first := skipSpace(r.src, i+1)
	if first >= len(r.src) || r.src[first] != '{' || !startsLikeAnswer(r.src[first:]) {
		return 0, false
	}
	var spans []span
	end, err := scanElements(r.src, i, func(start, end int) { spans = append(spans, span{start, end}) })
	if err != nil || len(spans) == 0 {
		return 0, false
	}
	objects := make([]object, len(spans))
	for k, s := range spans {
		if r.src[s.off] != '{' {
			return 0, false
		}
		if objects[k], err = scanObject(r.src, s.off); err != nil || !objects[k].isList() {
			return 0, false
		}
	}
	for k := range objects {
		r.list(from, &objects[k])
		if k+1 < len(objects) {
			next := objects[k+1].off
			r.pages[len(r.pages)-1].Bytes = r.src[from:next]
			from = next
		}
	}
	r.pages[len(r.pages)-1].Bytes = r.src[from:end]
	return end, true
}

// startsLikeAnswer looks at the first member's name only.
func startsLikeAnswer(src []byte) bool {
	i := skipSpace(src, 1)
	for _, key := range []string{"value", "data", "count", "nextLink", "totalRecords", "total_records", "skip_token", "$skipToken", "facets", "resultTruncated", "tickmarkExport", "@odata.context", "@odata.count", "@odata.nextLink"} {
		if bytes.HasPrefix(src[min(i, len(src)):], []byte(`"`+key+`"`)) {
			return true
		}
	}
	return false
}

func (r *reader) objectDocument(from, i int) (end int, ok bool) {
	// Plain objects, one behind the other, are JSON lines: only delimited.
	if n := len(r.pages); n > 0 && from > 0 && lines(r.pages[n-1].Form) && !startsLikeAnswer(r.src[i:]) {
		p := &r.pages[n-1]
		end, err := skipValue(r.src, i)
		if err != nil {
			r.scanProblem(err)
			return end, false
		}
		p.Form = formJSONLines
		p.Items = append(p.Items, tickmark.Item{Off: i - r.start, Len: end - i})
		return end, true
	}
	return r.wholeObject(from, i)
}

func lines(form string) bool {
	return form == formJSONLines || form == formARMObject
}

func (r *reader) wholeObject(from, i int) (end int, ok bool) {
	o, err := scanObject(r.src, i)
	form := o.form(r.src)
	if err != nil {
		r.endList()
		page := tickmark.Page{Name: r.pageName(), Form: form, Bytes: r.src[from:]}
		if !o.isList() {
			page.Form = formUnrecognised
		}
		page.Entity, _ = EntityOf(o.text(r.src, "@odata.context"))
		if form == formM365 {
			o.m365Page(r.src, &page)
		}
		page.Items = moveItems(o.items, from)
		o.exported(r.src, &page) // what is wrong with it besides does not matter
		if o.table {
			page.Form, page.Items = formUnrecognised, nil // the columns may be behind the break
		}
		r.add(from, page)
		r.scanProblem(err)
		return o.end, false
	}
	if o.isList() {
		r.list(from, &o)
		return o.end, true
	}
	r.endList()
	if form == formM365 {
		r.refusedM365(from, i, &o)
		return o.end, true
	}
	if form == formUnrecognised || form == formSnapshot {
		r.refuse(from, &o, form)
		return o.end, true
	}
	page := tickmark.Page{Name: r.pageName(), Form: form, Bytes: r.src[from:o.end], Items: []tickmark.Item{{Off: i - from, Len: o.end - i}}}
	page.Entity, _ = EntityOf(o.text(r.src, "@odata.context"))
	r.add(from, page)
	return o.end, true
}

// list adds the page of an answer around a list and what it says of itself.
func (r *reader) list(from int, o *object) {
	form := o.form(r.src)
	page := tickmark.Page{Name: r.pageName(), Form: form, Bytes: r.src[from:o.end]}
	s, columns, err := o.statement(r.src)
	if err != nil {
		page.Form = formUnrecognised
		r.add(from, page)
		r.endList()
		r.envelopeProblem(o, err)
		return
	}
	page.Columns = columns
	page.Entity, _ = EntityOf(o.text(r.src, "@odata.context"))
<<<<<<< HEAD
	if form == formM365 {
		o.m365Page(r.src, &page)
=======
	if wrong := o.exported(r.src, &page); wrong != "" {
		page.Form, page.Columns = formUnrecognised, nil
		r.add(from, page)
		r.endList()
		r.problem(o.off, tickmark.ReasonUnparsable, wrong, "export it again: `tickmark export-script --sources m365` prints the script")
		return
>>>>>>> chkb
	}
	page.Items = moveItems(o.items, from)
	if !r.continues(&page, form, s) {
		r.endList()
	}
	r.add(from, page)
	r.form, r.next = form, s.Next
	r.tally.Add(s)
}

// continues reports whether a page goes on with the list before it in the same
// input: that one leads on, and both are of the same kind. Answers to different
// questions are often written into one file; taking the second for the rest of
// the first would hide that the first was cut.
func (r *reader) continues(page *tickmark.Page, form string, s collect.Statement) bool {
	n := len(r.pages)
	if n == 0 || !r.tally.Open() || r.form != form || r.pages[n-1].Entity != page.Entity {
		return false
	}
	if d := r.tally.Declared(); d >= 0 && s.Stated && s.Declared != d {
		return false // another query
	}
	last := &r.pages[n-1]
	if form != formARMList || len(last.Items) == 0 || len(page.Items) == 0 {
		return true
	}
	path, _, _ := strings.Cut(strings.ToLower(r.next), "?")
	before, after := idOf(last, len(last.Items)-1), idOf(page, 0)
	if s := segmentAfter(path, "/subscriptions/"); s != "" && segmentAfter(after, "/subscriptions/") != s {
		return false
	}
	// A link under a provider leads through one type; the list of all
	// resources mixes them.
	return !strings.Contains(path, "/providers/") || listed(before) == listed(after)
}

// idOf returns the id of an item in lower case, or "".
func idOf(p *tickmark.Page, i int) string {
	it := p.Items[i]
	tape, err := jsontape.Parse(p.Bytes[it.Off:it.Off+it.Len], jsontape.Options{})
	if err != nil {
		return ""
	}
	return strings.ToLower(tape.Root().Get("id").Str())
}

// segmentAfter returns the segment of a path behind the first prefix, or "".
func segmentAfter(path, prefix string) string {
	_, rest, _ := strings.Cut(path, prefix)
	s, _, _ := strings.Cut(rest, "/")
	return s
}

// listed returns the provider and types that an id names.
func listed(id string) string {
	parts := strings.Split(id[strings.LastIndex(id, "/providers/")+1:], "/")
	var out []string
	for i, s := range parts {
		if i < 2 || i%2 == 0 {
			out = append(out, s)
		}
	}
	return strings.Join(out, "/")
}

func (r *reader) envelopeProblem(o *object, err error) {
	if e, ok := errors.AsType[*jsontape.Error](err); ok {
		r.problem(e.Offset, tickmark.ReasonUnparsable, e.What, "")
		return
	}
	r.problem(o.off, tickmark.ReasonUnparsable, err.Error(), "export it again")
}

// endList closes the list being read: what its last page leaves open is missing.
func (r *reader) endList() {
	t := r.tally
	r.tally, r.form = collect.Tally{}, ""
	if t.Pages() == 0 {
		return
	}
	if d := t.Declared(); d >= 0 {
		r.declared += d
		r.stated = true
	} else {
		r.declared += t.Items()
	}
	if reason, detail := t.Missing(); reason != tickmark.ReasonNone {
		r.problem(-1, reason, detail, "export all pages into one input, in order (`tickmark export-script` prints how)")
	}
}

// refuse explains an object that is neither a list nor a resource.
func (r *reader) refuse(from int, o *object, form string) {
	page := tickmark.Page{Name: r.pageName(), Form: formUnrecognised, Bytes: r.src[from:o.end]}
	r.add(from, page)
	if _, err := jsontape.Parse(r.src[o.off:o.end], jsontape.Options{}); err != nil {
		if e, ok := errors.AsType[*jsontape.Error](err); ok {
			r.problem(o.off+e.Offset, tickmark.ReasonUnparsable, e.What, "")
			return
		}
	}
	if form == formSnapshot {
		r.problem(o.off, tickmark.ReasonUnparsable, "this is tickmark's own output, not exported objects: unrecognised as input", "give the exports themselves")
		return
	}
	if code, message := errorAnswer(r.src[o.off:o.end]); code != "" {
		r.problem(o.off, collect.ReasonOf(0, code), "this is an error answer, not a resource: "+clip([]byte(code+": "+message)), "export it again with an account that may read it")
		return
	}
	for _, key := range []string{"value", "data"} {
		if m, ok := o.member(key); ok {
			r.problem(m.value.off, tickmark.ReasonUnparsable, fmt.Sprintf("%q is %s, not a list: an answer without its list says nothing", key, clip(r.src[m.value.off:m.value.end])), "export it again")
			return
		}
	}
	what := "unrecognised: an object with neither an id and type nor a list of resources"
	if len(o.members) == 0 {
		what = "unrecognised: an empty object"
	}
	r.problem(o.off, tickmark.ReasonUnparsable, what, "tickmark reads Resource Graph answers, ARM lists and objects, Microsoft Graph answers and JSON lines of these")
}

// errorAnswer reads {"error":{"code":…,"message":…}}, as ARM and Graph answer.
func errorAnswer(src []byte) (code, message string) {
	tape, err := jsontape.Parse(src, jsontape.Options{})
	if err != nil {
		return "", ""
	}
	e := tape.Root().Get("error")
	return e.Get("code").Str(), e.Get("message").Str()
}

// pageName names the next page: the input, and from the second document on
// its number.
func (r *reader) pageName() string {
	if len(r.pages) == 0 {
		return r.name
	}
	return fmt.Sprintf("%s#%d", r.name, len(r.pages)+1)
}

func moveItems(items []tickmark.Item, from int) []tickmark.Item {
	if from != 0 {
		for i := range items {
			items[i].Off -= from
		}
	}
	return items
}
