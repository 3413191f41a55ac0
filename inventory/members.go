// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"cmp"
	_ "embed" // members.txt
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

// A service that renames a member, or answers with another kind of value, has
// not said that there is none. What every object of a type has is written down
// in members.txt, with the page that says so; an object that lacks such a
// member, or has something else there, leaves it unobserved: the rules that
// read it are Unknown, for reason schema.

//go:embed members.txt
var membersText string

// Member is what the documentation says of one member of the objects of a type.
type Member struct {
	// Path leads to it from the object; [*] stands after an array.
	Path string
	// Kinds are the JSON kinds that it may have: boolean, number, string, date,
	// array, object.
	Kinds []string
	// Always says that every object has it, Null that it may be null.
	Always, Null bool
	// Values are all that there are; empty where any value is one.
	Values []string
	// Only are all members that an object here has. One that is not among them may
	// be one of them under another name: then what is missing is unobserved.
	Only []string
	// When is a condition on a sibling, or with / before the path on a member of
	// the whole object: path=value, where several values stand apart by |.
	When string
	// Why says why it may be missing or null; Source is the page.
	Why, Source string
}

// shape is a member as the walk over an object meets it.
type shape struct {
	*Member
	name     string
	key      jsontape.Key
	sibling  []string // of When
	ofRoot   bool     // the path of When begins at the object
	equals   []string
	children []*shape
	elem     *shape // of an array
}

var shapesOnce = sync.OnceValues(func() (map[string]*shape, error) { return parseMembers(membersText) })

// shapesOf is what is known of the types, by lower-case name.
func shapesOf() map[string]*shape {
	all, err := shapesOnce()
	if err != nil {
		panic(err) //nolint:forbidigo // the text is part of the program, and tested
	}
	return all
}

// Members lists what is known of the members of a type's objects.
func Members(typ string) []Member {
	var out []Member
	var walk func(s *shape)
	walk = func(s *shape) {
		if s.Member != nil {
			out = append(out, *s.Member)
		}
		for _, c := range s.children {
			walk(c)
		}
		if s.elem != nil {
			walk(s.elem)
		}
	}
	if s := shapesOf()[strings.ToLower(typ)]; s != nil {
		walk(s)
	}
	return out
}

// parseMembers reads the table. Its form, one line each:
//
//	# comment; a line that begins with https:// is the source of what follows
//	TYPE
//	<TAB>PATH KIND[,KIND] [in VALUE|VALUE] [only NAME,NAME] [when PATH=VALUE|VALUE] [-- WHY]
//
// KIND? may be missing, KIND?null may be null, KIND?either may be both; each says
// why. The path . is the object itself.
func parseMembers(text string) (map[string]*shape, error) {
	all := map[string]*shape{}
	var root *shape
	source, n := "", 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, "\r\n")
		bad := func(format string, args ...any) error {
			return fmt.Errorf("members.txt, line %d: %s", n, fmt.Sprintf(format, args...))
		}
		switch {
		case line == "":
		case line[0] == '#':
			if s := strings.TrimSpace(line[1:]); strings.HasPrefix(s, "https://") {
				source = s
			}
		case line[0] != '\t':
			low := strings.ToLower(line)
			if all[low] != nil || !strings.Contains(line, "/") || strings.Contains(line, " ") {
				return nil, bad("%q is no type, or comes twice", line)
			}
			root = &shape{}
			all[low] = root
		case root == nil:
			return nil, bad("a member stands outside a type")
		default:
			m, err := parseMember(line[1:])
			if err != nil {
				return nil, bad("%v", err)
			}
			if m.Source = source; source == "" {
				return nil, bad("no page is named above")
			}
			if err := root.add(m); err != nil {
				return nil, bad("%v", err)
			}
		}
	}
	return all, nil
}

// kindNames are the kinds that the table may name.
var kindNames = []string{"boolean", "number", "string", "date", "array", "object"}

func parseMember(line string) (*Member, error) {
	line, why, _ := strings.Cut(line, " -- ")
	words := strings.Fields(line)
	if len(words) < 2 || len(words)%2 != 0 {
		return nil, fmt.Errorf("%q is not PATH KIND and pairs of a word and what belongs to it", line)
	}
	m := &Member{Path: words[0], Why: why, Always: true}
	kinds, how, loose := strings.Cut(words[1], "?")
	if loose {
		m.Null, m.Always = how != "", how == "null"
		if how != "" && how != "null" && how != "either" || why == "" {
			return nil, fmt.Errorf("%s: what may be missing or null is KIND?, KIND?null or KIND?either, and says why", m.Path)
		}
	}
	m.Kinds = strings.Split(kinds, ",")
	for _, k := range m.Kinds {
		if !slices.Contains(kindNames, k) {
			return nil, fmt.Errorf("%s: %q is no kind", m.Path, k)
		}
	}
	for i := 2; i < len(words); i += 2 {
		switch words[i] {
		case "in":
			m.Values = strings.Split(words[i+1], "|")
		case "only":
			m.Only = strings.Split(words[i+1], ",")
		case "when":
			m.When = words[i+1]
		default:
			return nil, fmt.Errorf("%s: %q is none of in, only, when", m.Path, words[i])
		}
	}
	return m, nil
}

// add puts a member where its path leads. What lies on the way must be there.
func (s *shape) add(m *Member) error {
	if m.Path == "." {
		s.Member = m
		return nil
	}
	at := s
	steps := strings.Split(strings.ReplaceAll(m.Path, "[*]", ".[*]"), ".")
	for i, step := range steps {
		last := i == len(steps)-1
		next := at.elem
		if step != "[*]" {
			next = at.child(step)
		}
		switch {
		case last && next != nil && m.When == "":
			return fmt.Errorf("%s comes twice", m.Path)
		case last:
			next = &shape{Member: m, name: step, key: jsontape.MakeKey(step)}
			if m.When != "" {
				path, values, ok := strings.Cut(m.When, "=")
				if !ok {
					return fmt.Errorf("%s: when is not PATH=VALUE", m.Path)
				}
				path, next.ofRoot = strings.CutPrefix(path, "/")
				next.sibling, next.equals = []string{path}, strings.Split(values, "|")
				if !strings.Contains(path, "@") {
					next.sibling = strings.Split(path, ".")
				}
			}
			if step == "[*]" {
				at.elem = next
			} else {
				at.children = append(at.children, next)
			}
		case next == nil:
			return fmt.Errorf("%s: what holds it stands nowhere above", m.Path)
		}
		at = next
	}
	return nil
}

func (s *shape) child(name string) *shape {
	for _, c := range s.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// MarkMembers marks in an object of the type what is not as every object of the
// type has it: a member of another kind or with a value that there is not is
// unobserved, and an object that lacks a member is open.
func MarkMembers(tape *jsontape.Tape, root jsontape.Value, typ string) {
	if s := shapesOf()[strings.ToLower(typ)]; s != nil {
		(&voucher{tape: tape, root: root}).object(s, root)
	}
}

const drifted = string(tickmark.ReasonSchema)

// voucher holds one object to what is known of its type.
type voucher struct {
	tape *jsontape.Tape
	root jsontape.Value
	// found are the paths of the members that are not as they should be.
	found []string
}

// object holds a value, whose own kind is right, to what is known of its inside.
func (m *voucher) object(s *shape, v jsontape.Value) {
	switch v.Kind() {
	case jsontape.Object:
		lacks := ""
		for _, c := range s.children {
			if c.When != "" && !c.concerns(m.root, v) {
				continue
			}
			switch x := v.Lookup(c.key); {
			case x.Kind() != jsontape.Absent:
				m.value(c, x)
			case c.Always:
				m.tape.MarkOpen(v, drifted)
				m.note(c.Path)
			default:
				lacks = c.Path
			}
		}
		if lacks != "" && s.Member != nil && len(s.Only) > 0 && s.stranger(v) {
			m.tape.MarkOpen(v, drifted)
			m.note(lacks)
		}
	case jsontape.Array:
		if s.elem != nil {
			for e := range v.Elems() {
				m.value(s.elem, e)
			}
		}
	case jsontape.Absent, jsontape.Null, jsontape.False, jsontape.True, jsontape.Number, jsontape.String, jsontape.Unobserved:
	}
}

// value holds a value to what is known of it.
func (m *voucher) value(s *shape, v jsontape.Value) {
	switch k := v.Kind(); {
	case k == jsontape.Unobserved:
		// Only a string can have been replaced because nothing lists it.
		if text := `"` + jsontape.Marker + "redacted:" + unlisted; strings.HasPrefix(string(v.Raw()), text) && !s.text() {
			m.note(s.Path)
		}
	case k == jsontape.Null && s.Null:
	case !s.admits(v):
		m.tape.MarkUnobserved(v, drifted)
		m.note(s.Path)
	default:
		m.object(s, v)
	}
}

func (m *voucher) note(path string) {
	if !slices.Contains(m.found, path) {
		m.found = append(m.found, path)
	}
}

// drift is a member that some objects of a type have not as they should.
type drift struct{ typ, path string }

// extent of a drift: how many objects, and one of them.
type drifts map[drift]*driftCount

type driftCount struct {
	n     int
	first string
}

func (d drifts) add(k drift, n int, id string) {
	if d[k] == nil {
		d[k] = &driftCount{first: id}
	}
	d[k].n += n
}

// vouch holds an object to what is known of its type.
func (w *worker) vouch(tape *jsontape.Tape, r *Resource, k *kind) {
	if k.shape == nil {
		return
	}
	m := voucher{tape: tape, root: r.Root}
	m.object(k.shape, r.Root)
	for _, path := range m.found {
		if w.chunk.drifts == nil {
			w.chunk.drifts = drifts{}
		}
		w.chunk.drifts.add(drift{r.Type, path}, 1, r.ID)
	}
}

// drifts tells what a source answered otherwise than its documentation says. Of
// files it is not told: people choose what is in them, and results name the member.
func (m *merger) drifts(chunks []chunk) {
	all := drifts{}
	for i := range chunks {
		if m.snapshot.Segments[chunks[i].segment].Source == "file" {
			continue
		}
		for k, c := range chunks[i].drifts {
			all.add(k, c.n, c.first)
			if c.first < all[k].first {
				all[k].first = c.first
			}
		}
	}
	keys := make([]drift, 0, len(all))
	for k := range all {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b drift) int { return cmp.Or(strings.Compare(a.typ, b.typ), strings.Compare(a.path, b.path)) })
	for _, k := range keys {
		m.inv.Problems = append(m.inv.Problems, tickmark.Problem{
			Byte: -1, Object: all[k].first, Reason: tickmark.ReasonSchema,
			What: fmt.Sprintf("%s of %d %s is missing, of another kind, or has a value that the documentation does not have", k.path, all[k].n, k.typ),
			Hint: "collect again; if it stays so, the service has changed: use a newer release",
		})
	}
}

// admits reports whether the value has a kind of the member's, and is one of its
// values where they are known.
func (s *shape) admits(v jsontape.Value) bool {
	kind := v.Kind().String()
	if kind == "string" && slices.Contains(s.Kinds, "date") && !slices.Contains(s.Kinds, "string") {
		return isDate(v.Str())
	}
	if !slices.Contains(s.Kinds, kind) {
		return false
	}
	return len(s.Values) == 0 || kind != "string" || slices.ContainsFunc(s.Values, func(x string) bool { return strings.EqualFold(x, v.Str()) })
}

// text reports whether the member may be a string.
func (s *shape) text() bool {
	return slices.ContainsFunc(s.Kinds, func(k string) bool { return k == "string" || k == "date" })
}

// isDate reports whether a text begins as a date of ISO 8601 does.
func isDate(s string) bool {
	if len(s) < len("2006-01-02") || s[4] != '-' || s[7] != '-' {
		return false
	}
	for _, i := range [...]int{0, 1, 2, 3, 5, 6, 8, 9} {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// concerns reports whether the object is one that the member's condition names.
// An object of which that is not known is not.
func (s *shape) concerns(root, object jsontape.Value) bool {
	v := object
	if s.ofRoot {
		v = root
	}
	for _, name := range s.sibling {
		v = v.Get(name)
	}
	return v.Kind() == jsontape.String && slices.ContainsFunc(s.equals, func(x string) bool { return strings.EqualFold(x, v.Str()) })
}

// identifies reports whether the members by which a page tells its items apart
// have the kind that they should have: else an item is not known to be one, and
// what was asked about it was asked about nothing.
func (s *shape) identifies(root jsontape.Value, identity string) bool {
	if identity == "" {
		identity = "id"
	}
	for path := range strings.SplitSeq(identity, ",") {
		at, v := s, root
		for name := range strings.SplitSeq(path, ".") {
			if v = v.Get(name); at != nil {
				at = at.child(name)
			}
		}
		if at != nil && v.Exists() && !at.admits(v) {
			return false
		}
	}
	return true
}

// stranger reports whether the object says something under a name that it
// should not have. Names with @, or that begin with _, are annotations.
func (s *shape) stranger(v jsontape.Value) bool {
	for name, m := range v.Members() {
		if name == "" || name[0] == '_' || strings.Contains(name, "@") || m.Kind() == jsontape.Null {
			continue
		}
		if !slices.ContainsFunc(s.Only, func(x string) bool { return strings.EqualFold(x, name) }) {
			return true
		}
	}
	return false
}
