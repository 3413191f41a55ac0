// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/tickmark/tickmark/jsontape"
)

// addedBySource are root members that one way of asking adds to an object and
// another does not. That one of two copies lacks them is no difference.
var addedBySource = map[string]bool{
	"tenantid": true, "resourcegroup": true, "subscriptionid": true, "etag": true, "systemdata": true,
	"apiversion": true, "changedtime": true, "createdtime": true, "provisioningstate": true,
	"@odata.context": true, "@odata.etag": true, "@odata.type": true,
}

// loose are root members that Azure itself spells in several ways.
var loose = map[string]bool{"id": true, "name": true, "type": true, "location": true}

// sameContent reports whether two copies of one resource agree. Spelling of
// ids, order of members, white space, and members that only one source adds do
// not count; with subset, members that one copy lacks do not either.
func sameContent(a, b jsontape.Value, subset bool) bool {
	if bytes.Equal(a.Raw(), b.Raw()) {
		return true
	}
	return covers(a, b, subset) && covers(b, a, subset)
}

// covers reports whether every root member of b is in a and agrees.
func covers(a, b jsontape.Value, subset bool) bool {
	for name, vb := range b.Members() {
		low := strings.ToLower(name)
		va := a.Get(name)
		switch {
		case none(va) && none(vb):
		case none(va):
			if !subset && !addedBySource[low] {
				return false
			}
		case none(vb): // the other direction judges it
		case loose[low]:
			if !alike(va, vb) {
				return false
			}
		case !equal(va, vb):
			return false
		}
	}
	return true
}

// alike compares two strings without case and spaces.
func alike(a, b jsontape.Value) bool {
	return strings.EqualFold(strings.ReplaceAll(a.Str(), " ", ""), strings.ReplaceAll(b.Str(), " ", ""))
}

// none reports whether a root member says nothing: absent, null, empty, or not
// read. Resource Graph prints null and "" where ARM prints nothing.
func none(v jsontape.Value) bool {
	switch v.Kind() {
	case jsontape.Absent, jsontape.Null, jsontape.Unobserved:
		return true
	case jsontape.String:
		return v.Str() == ""
	}
	return false
}

// equal compares two values; the order of members does not count.
func equal(a, b jsontape.Value) bool {
	if a.Kind() != b.Kind() {
		return false
	}
	switch a.Kind() {
	case jsontape.String:
		return a.Str() == b.Str()
	case jsontape.Number:
		return a.NumberText() == b.NumberText()
	case jsontape.Unobserved:
		return a.Reason() == b.Reason()
	case jsontape.Object:
		if a.Len() != b.Len() {
			return false
		}
		for name, v := range a.Members() {
			if !equal(v, b.Get(name)) {
				return false
			}
		}
	case jsontape.Array:
		if a.Len() != b.Len() {
			return false
		}
		i := 0
		for v := range a.Elems() {
			if !equal(v, b.Index(i)) {
				return false
			}
			i++
		}
	}
	return true
}

// agree reports whether two copies of one object, of which each may leave
// something out, contradict each other nowhere. Ids are spelled in several
// ways, lists of objects come in any order and shortened to references, and
// what a write leaves behind is not content. A reference to another resource is
// never left out.
func agree(a, b jsontape.Value) bool {
	if none(a) || none(b) {
		return true
	}
	if a.Kind() != b.Kind() {
		return false
	}
	switch a.Kind() {
	case jsontape.String:
		return strings.EqualFold(a.Str(), b.Str())
	case jsontape.Object:
		for name, v := range a.Members() {
			if !addedBySource[strings.ToLower(name)] && (!agree(v, b.Get(name)) || points(v) && b.Get(name).Kind() == jsontape.Absent) {
				return false
			}
		}
		for name, v := range b.Members() {
			if points(v) && a.Get(name).Kind() == jsontape.Absent {
				return false
			}
		}
	case jsontape.Array:
		if a.Len() > 0 && a.Index(0).Kind() == jsontape.Object || b.Len() > 0 && b.Index(0).Kind() == jsontape.Object {
			return true
		}
		return equal(a, b)
	case jsontape.Number:
		return a.NumberText() == b.NumberText()
	}
	return true
}

// points reports whether v is a reference to another resource.
func points(v jsontape.Value) bool {
	return v.Kind() == jsontape.Object && strings.HasPrefix(v.Get("id").Str(), "/")
}

// appendString appends s as a JSON string.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', byte(c))
		case c < ' ':
			b = append(b, `\u00`...)
			b = append(b, "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		default:
			b = append(b, string(c)...)
		}
	}
	return append(b, '"')
}

// quoteShort quotes foreign text for a message.
func quoteShort(s string) string {
	const most = 60
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strconv.Quote(s)
}
