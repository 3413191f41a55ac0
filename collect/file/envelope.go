// SPDX-License-Identifier: Apache-2.0

package file

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/jsontape"
)

// The forms that a page can have; tickmark.Page.Form describes them.
const (
	formResourceGraph      = "resourceGraph"
	formResourceGraphTable = "resourceGraphTable"
	formARMList            = "armList"
	formARMObject          = "armObject"
	formGraphCollection    = "graphCollection"
	formGraphEntity        = "graphEntity"
	formJSONLines          = "jsonLines"
	formArray              = "array"
	formSnapshot           = "snapshot"
	formUnrecognised       = "unrecognised"
)

// span is src[off:end].
type span struct{ off, end int }

// member is one member of a top-level object, delimited only.
type member struct {
	key   string // raw, between the quotes
	value span
}

// object is a top-level object, delimited: its members, and the elements of
// its big array if it has one.
type object struct {
	span
	members []member
	items   []tickmark.Item
	// list is the span of the array whose elements are items; empty if none.
	list span
	// table reports that list is data.rows of a table answer.
	table bool
}

func (o *object) member(key string) (member, bool) {
	i := slices.IndexFunc(o.members, func(m member) bool { return strings.EqualFold(m.key, key) })
	if i < 0 {
		return member{}, false
	}
	return o.members[i], true
}

func (o *object) has(key string) bool { _, ok := o.member(key); return ok }

// text returns a member's string, raw, or "".
func (o *object) text(src []byte, key string) string {
	m, ok := o.member(key)
	if !ok || src[m.value.off] != '"' {
		return ""
	}
	return string(src[m.value.off+1 : m.value.end-1])
}

// scanObject delimits the object that opens at src[off]. The elements of its
// members "value" and "data", when arrays, and of data.rows become items.
// On an error the object holds what was found before it.
func scanObject(src []byte, off int) (object, error) {
	o := object{span: span{off, off}}
	end, err := o.scanMembers(src, off, "")
	o.end = end
	return o, err
}

// scanMembers delimits members from the opening brace at src[off]. parent is
// the name of the object inside the top-level one, or "".
func (o *object) scanMembers(src []byte, off int, parent string) (int, error) {
	i := skipSpace(src, off+1)
	if i < len(src) && src[i] == '}' {
		return i + 1, nil
	}
	for {
		if i >= len(src) {
			return i, &scanError{i, "the text ends inside an object", true}
		}
		if src[i] != '"' {
			return i, &scanError{i, name(src[i]) + " where a member name should begin", false}
		}
		end, err := skipString(src, i)
		if err != nil {
			return end, err
		}
		key := string(src[i+1 : end-1])
		if i = skipSpace(src, end); i >= len(src) {
			return i, &scanError{i, "the text ends inside an object", true}
		}
		if src[i] != ':' {
			return i, &scanError{i, name(src[i]) + " where a colon should be", false}
		}
		i = skipSpace(src, i+1)
		if end, err = o.scanMember(src, i, parent, key); err != nil {
			return end, err
		}
		if i = skipSpace(src, end); i >= len(src) {
			return i, &scanError{i, "the text ends inside an object", true}
		}
		switch src[i] {
		case '}':
			return i + 1, nil
		case ',':
			i = skipSpace(src, i+1)
		default:
			return i, &scanError{i, name(src[i]) + " where a comma or the end of the object should be", false}
		}
	}
}

func (o *object) scanMember(src []byte, i int, parent, key string) (end int, err error) {
	first := byte(0)
	if i < len(src) {
		first = src[i]
	}
	fold := strings.ToLower(key)
	switch {
	case o.list == span{} && first == '[' &&
		(parent == "" && (fold == "value" || fold == "data") || parent == "data" && fold == "rows"):
		o.table = parent != ""
		o.list.off = i
		end, err = scanElements(src, i, func(start, end int) {
			o.items = append(o.items, tickmark.Item{Off: start, Len: end - start})
		})
		o.list.end = end
	case parent == "" && fold == "data" && first == '{':
		end, err = o.scanMembers(src, i, "data")
	default:
		end, err = skipValue(src, i)
	}
	if parent == "" && (err == nil || o.list.off == i && i > 0) {
		o.members = append(o.members, member{key: key, value: span{i, end}})
	}
	return end, err
}

// isList reports whether the object is an answer around a list, rather than a
// resource: an identified object that happens to have a member "value" is one.
func (o *object) isList() bool {
	return o.list != span{} && !o.has("id")
}

// form names what the object is.
func (o *object) form(src []byte) string {
	context := o.text(src, "@odata.context")
	switch {
	case o.has(m365Mark):
		return formM365
	case o.isList() && o.table:
		return formResourceGraphTable
	case o.isList() && (strings.Contains(context, "$metadata") || o.has("tickmarkExport")):
		return formGraphCollection
	case o.isList():
		if m, ok := o.member("data"); ok && m.value == o.list {
			return formResourceGraph
		}
		return formARMList
	case strings.Contains(context, "$metadata#"):
		return formGraphEntity
	case strings.HasPrefix(o.text(src, "@odata.type"), "#microsoft.graph."):
		return formGraphEntity
	case o.has("tool") && o.has("catalog") && o.has("criteria"), o.has("tickmarkSnapshot"):
		return formSnapshot
	case strings.HasPrefix(o.text(src, "id"), "/"), o.has("id") && (o.has("type") || o.has("homeTenantId")):
		return formARMObject
	case o.has("conditions") && o.has("grantControls") && o.has("state"):
		return formGraphEntity
	}
	return formUnrecognised
}

// statement reads the envelope of a list strictly: the object without the
// elements of its list, which are somebody else's to check.
func (o *object) statement(src []byte) (collect.Statement, []string, error) {
	s := collect.Statement{Items: len(o.items)}
	hole := append(append(make([]byte, 0, o.end-o.off-(o.list.end-o.list.off)+2), src[o.off:o.list.off]...), "[]"...)
	hole = append(hole, src[o.list.end:o.end]...)
	tape, err := jsontape.Parse(hole, jsontape.Options{})
	if err != nil {
		return s, nil, o.moved(src, err)
	}
	root := tape.Root()
	for _, key := range []string{"nextLink", "@odata.nextLink", "$skipToken", "skip_token", "skipToken"} {
		v := root.Get(key)
		switch v.Kind() {
		case jsontape.Absent, jsontape.Null:
		case jsontape.String:
			if v.Str() != "" {
				s.Next = v.Str()
			}
		default:
			return s, nil, fmt.Errorf("%s is %v, not a string", key, v.Kind())
		}
	}
	for _, key := range []string{"totalRecords", "total_records", "@odata.count"} {
		v := root.Get(key)
		if v.Kind() == jsontape.Absent || v.Kind() == jsontape.Null {
			continue
		}
		n, ok := v.Int()
		if !ok || n < 0 {
			return s, nil, fmt.Errorf("%s is %s, not a count", key, clip(v.Raw()))
		}
		s.Declared, s.Stated = int(n), true
	}
	switch v := root.Get("resultTruncated"); v.Kind() {
	case jsontape.String:
		s.Cut = strings.EqualFold(v.Str(), "true")
	case jsontape.True:
		s.Cut = true
	case jsontape.Absent, jsontape.Null, jsontape.False:
	default:
		return s, nil, fmt.Errorf("resultTruncated is %v, not true or false", v.Kind())
	}
	if err := o.checkCount(root, s); err != nil {
		return s, nil, err
	}
	columns, err := tableColumns(root, o.table)
	return s, columns, err
}

// checkCount compares "count" of a Resource Graph answer with its rows.
func (o *object) checkCount(root jsontape.Value, s collect.Statement) error {
	if root.Get("data").Kind() == jsontape.Absent {
		return nil
	}
	n, ok := root.Get("count").Int()
	if ok && int(n) != s.Items {
		return fmt.Errorf("count says %d rows, but there are %d", n, s.Items)
	}
	return nil
}

func tableColumns(root jsontape.Value, table bool) ([]string, error) {
	if !table {
		return nil, nil
	}
	var names []string
	for c := range root.Get("data").Get("columns").Elems() {
		n := c.Get("name")
		if n.Kind() != jsontape.String {
			return nil, fmt.Errorf("data.columns[%d] has no name", len(names))
		}
		names = append(names, n.Str())
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("data has rows but no columns")
	}
	return names, nil
}

// moved translates a position in the envelope without its list into one in src.
func (o *object) moved(src []byte, err error) error {
	e, ok := err.(*jsontape.Error) //nolint:errorlint // Parse returns exactly this type
	if !ok {
		return err
	}
	off := o.off + e.Offset
	if off > o.list.off {
		off += o.list.end - o.list.off - len("[]")
	}
	line, col := jsontape.Position(src, off)
	return &jsontape.Error{Offset: off, Line: line, Col: col, What: e.What}
}

// clip shortens foreign text for a message and makes it safe to print.
func clip(b []byte) string {
	const most = 60
	b = bytes.TrimSpace(b)
	s := string(b[:min(len(b), most)])
	if len(b) > most {
		s += "…"
	}
	return strconv.Quote(s)
}
