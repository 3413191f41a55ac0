// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strings"
)

// unlisted is the rule of values that are replaced because nothing says that
// they are harmless. address is that of addresses that let somebody in.
const (
	unlisted = "unlisted"
	address  = "address"
)

// policyTypes, lower-case, are the types whose free members are the policies
// themselves: parameters, rules and templates are judged as sentences are, for
// without them the policies say nothing.
var policyTypes = map[string]bool{
	"microsoft.authorization/policydefinitions": true, "microsoft.authorization/policysetdefinitions": true,
	"microsoft.authorization/policyassignments": true, "microsoft.authorization/policyexemptions": true,
}

// frame is an object or array that is open.
type frame struct {
	// own is the name of the member that it is the value of, or in, parent the
	// name of the next one above.
	own, parent uint64
	mark        int // found before it began
	array, free bool
	named       bool // an array under a name like those of ids
	policy      bool // it is one of policyTypes
	next        int  // which element of a row comes next; 0 outside of rows

	// What is known of the member whose value comes next.
	key    uint64
	kind   memberKind
	pair   memberKind // the same, of the name below that of its parent
	secret string
}

// mostOpen is how deep frames are told apart; what is deeper is free.
const mostOpen = 256

// finder looks at every string of src[:end].
type finder struct {
	src   []byte
	end   int
	open  []frame
	extra int // open beyond mostOpen
	// columns are the names of the table that is open: its rows have none.
	columns []facts
	known   *[1 << knownBits]facts
	found   []found
}

// findSecrets returns the strings of src[off:end] that are not kept. What is
// before head, the beginning of the first item, tells in what the items lie.
func findSecrets(src []byte, head, off, end int) []found {
	f := finder{src: src, end: end, open: make([]frame, 1, 24), known: new([1 << knownBits]facts)}
	if off > 0 {
		f.end = min(head, off)
		f.scan(0)
		f.end, f.found = end, nil
		for i := range f.open {
			f.open[i].mark = 0
		}
	}
	f.scan(off)
	return f.found
}

// scan goes through the text from i on. It does not need valid JSON.
func (f *finder) scan(i int) {
	for i < f.end {
		switch f.src[i] {
		case '"':
			i = f.text(i)
			continue
		case '{', '[':
			f.push(f.src[i] == '[')
		case '}', ']':
			f.pop()
		case ',':
			if t := f.top(); t.next > 0 && f.extra == 0 {
				t.next++
			}
		}
		i++
	}
}

func (f *finder) top() *frame { return &f.open[len(f.open)-1] }

func (f *finder) push(array bool) {
	t := f.top()
	if len(f.open) > mostOpen {
		f.extra++
		t.free = true
		return
	}
	in := frame{array: array, mark: len(f.found), free: t.free, own: t.key, parent: t.own, named: t.kind&isOpaque != 0}
	switch {
	case t.array:
		in.own, in.parent = t.own, t.parent
		if array && t.own == nameRows && len(f.columns) > 0 {
			in.next = 1
		}
	case array && t.key == nameColumns:
		f.columns = f.columns[:0]
	case t.kind&isFree != 0 && t.pair == 0 && t.own != nameTags:
		// Many lists are called value or data: what lies in them has names of its own.
		in.free = in.free || t.key != nameValue && t.key != nameData
	}
	f.open = append(f.open, in)
}

var (
	nameValue, nameData, nameDefault = nameHash("value"), nameHash("data"), nameHash("defaultValue")
	nameTags, nameProperties         = nameHash("tags"), nameHash("properties")
	nameType, nameToken              = nameHash("type"), nameHash("token")
	nameRows, nameColumns            = nameHash("rows"), nameHash("columns")
	nameName                         = nameHash("name")
)

func (f *finder) pop() {
	if f.extra > 0 {
		f.extra--
		return
	}
	if len(f.open) == 1 {
		return
	}
	if t := f.top(); t.policy {
		kept := f.found[:t.mark]
		for _, x := range f.found[t.mark:] {
			if !x.soft {
				kept = append(kept, x)
			}
		}
		f.found = kept
	}
	f.open = f.open[:len(f.open)-1]
}

// text looks at the string at src[i], a name or a value, and returns where to
// go on.
func (f *finder) text(i int) int {
	end, equals := stringEnd(f.src, i, f.end)
	if end > f.end || end-i < 2 {
		return f.end
	}
	next := end
	for next < f.end && isSpace(f.src[next]) {
		next++
	}
	if next < f.end && f.src[next] == ':' {
		return f.name(i, end, next+1)
	}
	v := f.src[i+1 : end-1]
	if len(v) == 0 {
		return end
	}
	t := f.top()
	rule := t.secret
	if rule == "" || t.array || harmless(v) {
		rule = secretShape(v, equals)
	}
	if rule != "" {
		f.found = append(f.found, found{off: i, end: end, rule: rule})
		return end
	}
	if v[len(v)-1]|0x20 == 's' {
		f.settings(i, end)
	}
	if t.key == nameName && t.own == nameColumns && !t.array && len(f.columns) < 1000 {
		f.columns = append(f.columns, *f.facts(v))
	}
	if t.key == nameType && !t.array && policyTypes[strings.ToLower(string(v))] {
		t.policy = true
	}
	if rule, soft := f.judge(t, v); rule != "" {
		f.found = append(f.found, found{off: i, end: end, rule: rule, soft: soft})
	}
	return end
}

// name notes what is known of the member that src[i:end] names; its value
// begins at next, or behind spaces.
func (f *finder) name(i, end, next int) int {
	for next < f.end && isSpace(f.src[next]) {
		next++
	}
	t := f.top()
	if f.extra > 0 || t.array {
		return next // not JSON
	}
	key := f.src[i+1 : end-1]
	facts := f.facts(key)
	t.key, t.kind = facts.hash, facts.kind
	t.pair, t.secret = pairs[pairHash(t.own, t.key)], ""
	if !facts.maybe || next >= f.end {
		return next
	}
	low := strings.ToLower(string(key))
	switch f.src[next] {
	case '"':
		t.secret = secretNames[low]
	case '[', '{':
		if rule, ok := secretContainers[low]; ok {
			f.container(next, rule, false)
		} else if low == "protectedsettings" {
			f.container(next, secretNames[low], true)
		}
	}
	return next
}

// facts are what a name says, remembered by its exact spelling.
type facts struct {
	exact, hash uint64
	kind        memberKind
	maybe       bool // it may be one of secretNames or secretContainers
}

func (f *finder) facts(key []byte) *facts {
	h := exactHash(key)
	x := &f.known[h>>(64-knownBits)]
	if x.exact == h {
		return x
	}
	*x = facts{exact: h, hash: nameHash(key)}
	x.kind = kinds[x.hash]
	switch like := namedLike(key); {
	case x.kind&(isFree|isKey|isWritten) != 0:
	case x.kind&(isRead|isOpaque) != 0:
		x.kind |= like &^ isStrict
	default:
		x.kind |= like
	}
	e := endingHash(key)
	x.maybe = nameFilter[e>>6]&(1<<(e&63)) != 0
	return x
}

const knownBits = 9

// exactHash tells names apart, letters as they are.
func exactHash(name []byte) uint64 {
	h := uint64(len(name)) + 1
	for len(name) >= 8 {
		h = (h ^ binary.LittleEndian.Uint64(name)) * 0x9E3779B97F4A7C15
		h ^= h >> 29
		name = name[8:]
	}
	for _, b := range name {
		h = (h ^ uint64(b)) * 0x9E3779B97F4A7C15
	}
	return (h ^ h>>32) * 0xD6E8FEB86659FD93
}

// judge returns the rule by which a value is replaced, none if it is kept, and
// whether the value could be a sentence in a policy.
func (f *finder) judge(t *frame, v []byte) (rule string, soft bool) {
	own, parent, kind, pair := t.key, t.own, t.kind, t.pair
	if t.next > 0 && t.next <= len(f.columns) {
		c := &f.columns[t.next-1]
		own, parent, kind, pair = c.hash, 0, c.kind|isWritten, 0
	} else if t.array {
		own, parent = t.own, t.parent
		kind, pair = kinds[own], pairs[pairHash(parent, own)]
		if t.named {
			kind |= isOpaque
		}
	}
	free := t.free || kind&(isFree|isStrict) != 0
	switch {
	case parent == nameTags && !t.free:
		free, kind = false, isWritten // whatever a tag is called
	case own == nameToken && bytes.IndexByte(v, '/') < 0:
		kind &^= isRead // of an access control list it is a path
	case !t.free && parent == nameProperties && (own == nameValue || own == nameDefault):
		free = false // the value of a server's parameter is one word
	}
	switch {
	case pair&isKey != 0, !free && kind&isKey != 0, !free && kind&isOpaque != 0 && opaqueForm(v), harmless(v):
		return "", false
	case own == nameToken && kind&isRead == 0 && !strictForm(v):
		return unlisted, f.sentence(v)
	case kind&isAddressy != 0 && !strictForm(v):
		return address, f.sentence(v)
	case !free && narrowForm(v), free && strictForm(v):
		return "", false
	}
	soft = f.sentence(v)
	switch {
	case !soft:
	case pair&isRead != 0, !free && kind&(isRead|isWritten|isOpaque) != 0, t.free && kind&(isFree|isOutline) == isOutline:
		return "", false
	}
	return unlisted, soft
}

// sentence is textForm that looks into JSON inside the string, too.
func (f *finder) sentence(v []byte) bool {
	if bytes.IndexByte(v, '\\') >= 0 {
		var s string
		if json.Unmarshal(append(append([]byte{'"'}, v...), '"'), &s) != nil {
			return false
		}
		v = []byte(s)
	}
	if in := bytes.TrimSpace(v); len(in) > 1 && (in[0] == '{' || in[0] == '[' && (in[1] == '{' || in[1] == '"')) && json.Valid(in) {
		return len(findSecrets(in, 0, 0, len(in))) == 0
	}
	return textForm(v)
}
