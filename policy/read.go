// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"slices"
	"strings"
	"time"

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

// fieldOf resolves a name that is known only now.
func (e *Evaluator) fieldOf(f *fieldRef) (*fieldRef, error) {
	if f.kind != dynamicField {
		if f.versions != nil {
			f = f.in(e.Env.APIVersion)
		}
		return f, nil
	}
	v, err := e.value(f.name)
	if err != nil {
		return nil, err
	}
	return e.resolveNow(v.Str(), e.cur.Type)
}

// resolveNow resolves a field name at run time.
func (e *Evaluator) resolveNow(name, typ string) (*fieldRef, error) {
	c := &compiler{p: e.prog.Policy, typ: typ, primary: typ}
	for _, s := range e.scopes {
		c.scopes = append(c.scopes, s.info)
	}
	f, fail := c.resolve(name)
	if fail != nil {
		return nil, &unknownAliasError{*fail}
	}
	return f, nil
}

// start is where the reference's steps begin.
func (e *Evaluator) start(f *fieldRef) jsontape.Value {
	if f.base >= 0 && f.base < len(e.scopes) {
		return e.scopes[f.base].node
	}
	if f.joined {
		return e.cur.beside()
	}
	return e.cur.Root
}

// builtin reads the fields that are not paths.
func (e *Evaluator) builtin(f *fieldRef) armexpr.Value {
	r := e.cur
	text := ""
	switch f.kind {
	case nameField, fullNameField, idField:
		// A resource that is not deployed yet may have a name that is not known.
		if n := r.Root.Get("name"); n.Kind() == jsontape.Unobserved {
			return armexpr.FromTape(n)
		}
		if text = r.Name; f.kind == fullNameField {
			text = r.fullName()
		} else if f.kind == idField {
			text = r.ID
		}
	case typeField:
		text = r.Type
	case apiVersionField:
		if v := r.Root.Get("apiVersion"); v.Exists() {
			return armexpr.FromTape(v)
		}
		if e.Env.APIVersion == "" {
			return armexpr.Value{}
		}
		text = e.Env.APIVersion
	case pathField, dynamicField:
	}
	if text == "" {
		return armexpr.Value{}
	}
	return armexpr.StringValue(text)
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

// value evaluates a template.
func (e *Evaluator) value(t *template) (armexpr.Value, error) {
	switch {
	case t.isConst():
		return t.konst, nil
	case t.prog == nil:
		return t.build(e.value)
	}
	if e.left -= 40 * t.prog.Functions(); e.left < 0 {
		return armexpr.Value{}, errSteps
	}
	saved := e.tmpl
	e.tmpl = t
	v, err := t.prog.Eval(e)
	e.tmpl = saved
	if err != nil {
		if u, ok := errors.AsType[*unknownAliasError](err); ok {
			return v, u
		}
		return v, &evalError{what: err.Error(), off: t.at.Offset()}
	}
	return v, nil
}

// Now implements armexpr.Host.
func (e *Evaluator) Now() time.Time { return e.Env.Now }

// Call implements armexpr.Host.
func (e *Evaluator) Call(name string, args []armexpr.Value) (armexpr.Value, error) {
	switch name {
	case "field":
		if args[0].Kind() == armexpr.Unobserved {
			return args[0], nil
		}
		return e.callField(args[0].Str())
	case "current":
		return e.callCurrent(args)
	case "requestcontext":
		c := &e.cache
		if e.Env.Context != nil {
			return e.Env.context(name, e.primary), nil
		}
		if c.request.Kind() == armexpr.Absent || c.apiVersion != e.Env.APIVersion {
			c.request, c.apiVersion = e.Env.context(name, e.primary), e.Env.APIVersion
		}
		return c.request, nil
	default:
		return e.Env.context(name, e.primary), nil
	}
}

// callField is field(): "" where a field is missing, an array for [*].
func (e *Evaluator) callField(name string) (armexpr.Value, error) {
	f := e.tmpl.refs[name]
	if f == nil {
		var err error
		if f, err = e.resolveNow(name, e.primary.Type); err != nil {
			return armexpr.Value{}, err
		}
	}
	f = f.in(e.Env.APIVersion)
	cur := e.cur
	e.cur = e.primary
	defer func() { e.cur = cur }()
	if f.kind != pathField {
		v := e.builtin(f)
		if v.Kind() == armexpr.Absent {
			v = armexpr.StringValue("")
		}
		return v, nil
	}
	start := e.start(f)
	if f.path.wilds == 0 {
		v := armexpr.FromTape(walk(start, f.steps))
		if v.Kind() == armexpr.Absent {
			v = armexpr.StringValue("")
		}
		if f.location && v.Kind() == armexpr.String {
			v = armexpr.StringValue(NormalLocation(v.Str()))
		}
		return v, nil
	}
	var c collector
	c.collect(start, f.steps)
	if c.hidden != "" {
		return armexpr.UnobservedValue(c.hidden), nil
	}
	if c.open != "" {
		return armexpr.OpenArrayValue(c.list, c.open), nil
	}
	return armexpr.ArrayValue(c.list), nil
}

// collector gathers the values that a path with wildcards selects.
type collector struct {
	list         []armexpr.Value
	open, hidden string
}

func (c *collector) collect(v jsontape.Value, steps []step) {
	for i := range steps {
		s := &steps[i]
		if !s.wild {
			v = s.next(v)
			continue
		}
		switch v.Kind() {
		case jsontape.Absent, jsontape.Null:
			return
		case jsontape.Unobserved:
			c.hidden = v.Reason()
			return
		case jsontape.Array:
			for x, ok := v.First(); ok; x, ok = v.Next(x) {
				c.collect(x, steps[i+1:])
			}
			if v.IsOpen() {
				c.open = v.OpenReason()
			}
			return
		default:
		}
	}
	if v.Kind() != jsontape.Absent {
		c.list = append(c.list, armexpr.FromTape(v))
	}
}

// callCurrent is current(): the innermost bound element or value, or the one
// that the argument names.
func (e *Evaluator) callCurrent(args []armexpr.Value) (armexpr.Value, error) {
	if len(e.scopes) == 0 {
		return armexpr.Value{}, errors.New("current() stands outside a count")
	}
	if len(args) == 0 {
		b := e.scopes[len(e.scopes)-1]
		if b.isVal {
			return b.value, nil
		}
		return armexpr.FromTape(b.node), nil
	}
	name := strings.ToLower(args[0].Str())
	for _, v := range slices.Backward(e.scopes) {
		if b := v; b.isVal && b.info.name == name {
			return b.value, nil
		}
	}
	f := e.tmpl.refs[args[0].Str()]
	if f == nil {
		var err error
		if f, err = e.resolveNow(args[0].Str(), e.cur.Type); err != nil {
			return armexpr.Value{}, err
		}
	}
	if f.base < 0 || f.path == nil {
		return armexpr.Value{}, errors.New("current('" + args[0].Str() + "') names no array or value that is being counted")
	}
	if f.wilds > 0 {
		var c collector
		c.collect(e.start(f), f.steps)
		if c.hidden != "" {
			return armexpr.UnobservedValue(c.hidden), nil
		}
		if c.open != "" {
			return armexpr.OpenArrayValue(c.list, c.open), nil
		}
		return armexpr.ArrayValue(c.list), nil
	}
	v := armexpr.FromTape(walk(e.start(f), f.steps))
	if v.Kind() == armexpr.Absent {
		return armexpr.NullValue(), nil
	}
	return v, nil
}
