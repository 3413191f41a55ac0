// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// cache holds what an evaluator read of the resource that it saw last. A
// resource is taken through all its policies at once, and most of them begin
// in the same places.
type cache struct {
	root       jsontape.Value // of the resource that properties belongs to
	properties jsontape.Value
	modeRoot   jsontape.Value // of the resource that mode belongs to
	mode       Truth
	modeWhy    string
	request    armexpr.Value // requestContext() for apiVersion
	apiVersion string
}

var locationKey, tagsKey, propertiesKey = jsontape.MakeKey("location"), jsontape.MakeKey("tags"), jsontape.MakeKey("properties")

var joinedKey = jsontape.MakeKey("joined")

// read returns what a reference without wildcards selects.
func (e *Evaluator) read(f *fieldRef) jsontape.Value {
	if !f.inside {
		return walk(e.start(f), f.steps)
	}
	root := e.cur.Root
	if e.cache.root != root {
		e.cache.root, e.cache.properties = root, root.Lookup(propertiesKey)
	}
	return walk(e.cache.properties, f.steps[1:])
}

// indexed decides mode Indexed for an object whose type's capabilities are not
// known: what has a location or tags supports them.
func (e *Evaluator) indexed(r *Resource) (Truth, string) {
	c := &e.cache
	if c.modeRoot != r.Root || r.Root == (jsontape.Value{}) {
		c.modeRoot = r.Root
		c.mode, c.modeWhy = indexed(r.Root)
	}
	return c.mode, c.modeWhy
}

func indexed(root jsontape.Value) (Truth, string) {
	loc := root.Lookup(locationKey)
	switch {
	case loc.Exists() || root.Lookup(tagsKey).Exists():
		return True, ""
	case loc.Kind() == jsontape.Unobserved:
		return Maybe, loc.Reason()
	}
	return False, ""
}

type quickKind uint8

const (
	notQuick quickKind = iota
	quickExists
	quickText
	quickBool
	quickList
)

// quick is a leaf with a constant right side of a kind that is compared with
// the value where it lies, without making an expression value of it. It
// answers exactly as Operator.compare does, or Maybe where that must be asked.
type quick struct {
	kind   quickKind
	negate bool
	want   bool     // of exists, and the boolean
	text   string   // of a text
	texts  []string // of a list of texts
}

// quickOf prepares a leaf; its kind is notQuick where only the general way will do.
func quickOf(op Operator, right *template) quick {
	if right == nil || !right.isConst() {
		return quick{}
	}
	r := right.konst
	q := quick{negate: op.negated()}
	if q.negate {
		op--
	}
	switch {
	case op == Exists:
		if want, ok := wantExists(r); ok {
			q.kind, q.want = quickExists, want
		}
	case op == Equals && r.Kind() == armexpr.String:
		q.kind, q.text = quickText, r.Str()
	case op == Equals && r.Kind() == armexpr.Bool:
		q.kind, q.want = quickBool, r.Bool()
	case op == In && r.Kind() == armexpr.Array && r.OpenReason() == "":
		for _, e := range r.List() {
			if e.Kind() != armexpr.String {
				return quick{}
			}
			q.texts = append(q.texts, e.Str())
		}
		q.kind = quickList
	}
	return q
}

func (q *quick) compare(v jsontape.Value) Truth {
	k := v.Kind()
	if k == jsontape.Unobserved {
		return Maybe
	}
	var t Truth
	switch q.kind {
	case quickExists:
		return truthOf((k > jsontape.Null) == q.want)
	case quickText:
		t = equalText(v, k, q.text)
	case quickBool:
		t = equalBool(v, k, q.want)
	case quickList:
		t = q.listed(v, k)
	case notQuick:
		return Maybe
	}
	if q.negate {
		return t.not()
	}
	return t
}

// equalText is equal for a value on the tape and a text; numbers are left to
// the general way.
func equalText(v jsontape.Value, k jsontape.Kind, text string) Truth {
	switch k {
	case jsontape.String:
		return truthOf(armexpr.FoldEqual(v.Str(), text))
	case jsontape.True:
		return truthOf(foldEq(boolText[1], text))
	case jsontape.False:
		return truthOf(foldEq(boolText[0], text))
	case jsontape.Null:
		return truthOf(text == "")
	case jsontape.Absent, jsontape.Array, jsontape.Object:
		return False
	default:
		return Maybe
	}
}

var boolText = [2]string{armexpr.BoolValue(false).Text(), armexpr.BoolValue(true).Text()}

func equalBool(v jsontape.Value, k jsontape.Kind, want bool) Truth {
	switch k {
	case jsontape.True:
		return truthOf(want)
	case jsontape.False:
		return truthOf(!want)
	case jsontape.String:
		text := boolText[0]
		if want {
			text = boolText[1]
		}
		return truthOf(foldEq(text, v.Str()))
	case jsontape.Absent, jsontape.Null, jsontape.Number, jsontape.Array, jsontape.Object:
		return False
	default:
		return Maybe
	}
}

func (q *quick) listed(v jsontape.Value, k jsontape.Kind) Truth {
	switch k {
	case jsontape.String:
		s := v.Str()
		for _, text := range q.texts {
			if armexpr.FoldEqual(s, text) {
				return True
			}
		}
		return False
	case jsontape.Absent, jsontape.Array, jsontape.Object:
		return False
	default:
		return Maybe
	}
}
