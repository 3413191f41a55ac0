// SPDX-License-Identifier: Apache-2.0

package template

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// templateSet holds the functions of templates; the list* functions join it as
// they are met, and user functions by frame.
var templateSet = armexpr.Template.With(
	armexpr.HostFunc("parameters", 1, 1), armexpr.HostFunc("variables", 1, 1), armexpr.HostFunc("copyIndex", 0, 2),
	armexpr.HostFunc("resourceGroup", 0, 0), armexpr.HostFunc("subscription", 0, 0), armexpr.HostFunc("tenant", 0, 0),
	armexpr.HostFunc("managementGroup", 0, 0), armexpr.HostFunc("deployment", 0, 0), armexpr.HostFunc("deployer", 0, 0),
	armexpr.HostFunc("environment", 0, 0),
	armexpr.HostFunc("resourceId", 2, -1), armexpr.HostFunc("subscriptionResourceId", 2, -1), armexpr.HostFunc("tenantResourceId", 2, -1),
	armexpr.HostFunc("managementGroupResourceId", 2, -1), armexpr.HostFunc("extensionResourceId", 3, -1), armexpr.HostFunc("resourceInfo", 1, 1),
	armexpr.HostFunc("reference", 1, 3), armexpr.HostFunc("references", 1, 2), armexpr.HostFunc("providers", 1, 2),
	armexpr.HostFunc("pickZones", 3, 5), armexpr.HostFunc("newGuid", 0, 0), armexpr.HostFunc("utcNow", 0, 1),
	armexpr.HostFunc("toLogicalZone", 3, 3), armexpr.HostFunc("toLogicalZones", 3, 3), armexpr.HostFunc("toPhysicalZone", 3, 3),
	armexpr.HostFunc("toPhysicalZones", 3, 3), armexpr.HostFunc("getSecret", 2, 3), armexpr.HostFunc("externalInputs", 1, 1),
	armexpr.HostFunc("externalInput", 1, 2), armexpr.HostFunc("fail", 1, 1),
)

// utcNow is the language's own function, for when the instant is known.
var utcNow = armexpr.Template["utcnow"]

// Call implements armexpr.Host.
func (w *view) Call(name string, args []armexpr.Value) (armexpr.Value, error) {
	if fn := w.f.functions[name]; fn != nil {
		return w.user(fn, args)
	}
	switch name {
	case "parameters":
		return w.parameters(args[0])
	case "variables":
		if args[0].Kind() != armexpr.String {
			return notText("variables", args[0])
		}
		if w.fn != nil {
			return armexpr.Value{}, fmt.Errorf("a user function cannot use variables")
		}
		return w.variable(args[0].Str())
	case "copyindex":
		return w.copyIndex(args)
	case "resourceid", "subscriptionresourceid", "tenantresourceid", "managementgroupresourceid", "extensionresourceid":
		return w.resourceID(name, args)
	case "resourcegroup", "subscription", "tenant", "managementgroup", "deployment", "environment":
		return w.context(name)
	case "resourceinfo":
		return w.resourceInfo(args[0])
	case "utcnow":
		return w.utcNow(args)
	case "fail":
		if args[0].Kind() == armexpr.Unobserved {
			return args[0], nil
		}
		return armexpr.Value{}, fmt.Errorf("the template fails by its own check: %s", short(args[0].Text()))
	}
	if f := w.f.set[name]; f != nil {
		name = f.Name
	}
	detail := name + "()"
	if len(args) > 0 && args[0].Kind() == armexpr.String {
		about := args[0].Str()
		if i := strings.LastIndex(strings.ToLower(about), "/providers/"); i >= 0 {
			about = about[i+len("/providers/"):]
		}
		detail = name + "(" + short(about) + ")"
	}
	return unknown(strings.ReplaceAll(detail, ":", " ")), nil
}

func notText(fn string, v armexpr.Value) (armexpr.Value, error) {
	if v.Kind() == armexpr.Unobserved {
		return v, nil
	}
	return armexpr.Value{}, fmt.Errorf("argument 1 of %s must be a string, not %s", fn, v.Kind())
}

func (w *view) parameters(name armexpr.Value) (armexpr.Value, error) {
	if name.Kind() != armexpr.String {
		return notText("parameters", name)
	}
	key := strings.ToLower(name.Str())
	if w.fn != nil {
		if v, ok := w.args[key]; ok {
			return v, nil
		}
		return armexpr.Value{}, fmt.Errorf("the function %s has no parameter %q", w.fn.name, name.Str())
	}
	p := w.f.params[key]
	if p == nil {
		return armexpr.Value{}, fmt.Errorf("the template has no parameter %q", name.Str())
	}
	return w.f.parameter(p, w.standIn), nil
}

// user calls a user-defined function.
func (w *view) user(fn *function, args []armexpr.Value) (armexpr.Value, error) {
	if w.depth >= maxUserDepth {
		return armexpr.Value{}, fmt.Errorf("user functions call each other more than %d levels deep", maxUserDepth)
	}
	in := &view{f: w.f, fn: fn, args: make(map[string]armexpr.Value, len(args)), depth: w.depth + 1, standIn: w.standIn}
	for i, p := range fn.params {
		v, complaint := w.f.conform(p.name, args[i], p.decl, 0)
		if complaint != "" {
			return armexpr.Value{}, fmt.Errorf("the parameter %q of %s %s", p.name, fn.name, complaint)
		}
		in.args[strings.ToLower(p.name)] = v
	}
	v := in.value(fn.output.Get("value"))
	out, complaint := w.f.conform(fn.name, v, fn.output, 0)
	if complaint != "" {
		return armexpr.Value{}, fmt.Errorf("the output of %s %s", fn.name, complaint)
	}
	if out.Weight(maxVariable) >= maxVariable {
		return armexpr.Value{}, fmt.Errorf("the output of %s holds more than %d values", fn.name, maxVariable)
	}
	return out, nil
}

// copyIndex is the index of a loop: of the named one, else of the innermost
// loop of resources.
func (w *view) copyIndex(args []armexpr.Value) (armexpr.Value, error) {
	name, offset := "", int64(0)
	for i, a := range args {
		switch {
		case a.Kind() == armexpr.Unobserved:
			return a, nil
		case a.Kind() == armexpr.String && i == 0:
			name = strings.ToLower(a.Str())
		case a.Kind() == armexpr.Int && i == len(args)-1:
			offset = a.Int()
		default:
			return armexpr.Value{}, fmt.Errorf("copyIndex takes the name of a loop and an integer")
		}
	}
	for _, l := range slices.Backward(w.loops) {

		if name != "" && l.name != name || name == "" && !l.resource {
			continue
		}
		if l.unknown != "" && !w.standIn {
			return armexpr.UnobservedValue(l.unknown), nil
		}
		return armexpr.IntValue(int64(l.index) + offset), nil
	}
	if name != "" {
		return armexpr.Value{}, fmt.Errorf("there is no loop %q here", name)
	}
	return armexpr.Value{}, fmt.Errorf("copyIndex without a name stands outside of a loop of resources")
}

func (w *view) utcNow(args []armexpr.Value) (armexpr.Value, error) {
	if w.f.x.o.Now.IsZero() {
		return unknown("utcNow()"), nil
	}
	format := ""
	if len(args) == 1 {
		if args[0].Kind() != armexpr.String {
			return notText("utcNow", args[0])
		}
		format = "'" + strings.ReplaceAll(args[0].Str(), "'", "''") + "'"
	}
	n, err := armexpr.Parse("[utcNow(" + format + ")]")
	if err != nil {
		return armexpr.Value{}, err
	}
	p, err := armexpr.Compile(n, armexpr.Set{"utcnow": utcNow})
	if err != nil {
		return armexpr.Value{}, err
	}
	return p.Eval(w)
}

// resourceID computes the functions of the resourceId family.
func (w *view) resourceID(fn string, args []armexpr.Value) (armexpr.Value, error) {
	s := make([]string, len(args))
	for i, a := range args {
		switch a.Kind() {
		case armexpr.Unobserved:
			return a, nil
		case armexpr.String, armexpr.Int:
			s[i] = a.Text()
		default:
			return armexpr.Value{}, fmt.Errorf("argument %d of %s must be a string, not %s", i+1, fn, a.Kind())
		}
	}
	// What stands before the type names the scope. The type is the first text
	// with a namespace and as many further parts as there are names behind it.
	at := -1
	for i := range min(len(s), 3) {
		if fn == "extensionresourceid" && i == 0 {
			continue
		}
		if ns, _, ok := strings.Cut(s[i], "/"); ok && strings.Contains(ns, ".") && strings.Count(s[i], "/") == strings.Count(strings.Join(s[i+1:], "/"), "/")+1 && i+1 < len(s) {
			at = i
			break
		}
	}
	if at < 0 {
		return armexpr.Value{}, fmt.Errorf("%s needs a resource type and as many names as the type has parts behind its namespace", fn)
	}
	under, err := w.under(fn, s[:at])
	if err != nil {
		return armexpr.Value{}, err
	}
	id, err := compose(under, s[at], strings.Join(s[at+1:], "/"))
	if err != nil {
		return armexpr.Value{}, err
	}
	return armexpr.StringValue(id), nil
}

// under is the id below which a function of the resourceId family composes.
func (w *view) under(fn string, before []string) (string, error) {
	s := w.f.scope
	most := 1
	switch fn {
	case "tenantresourceid":
		most, s.level = 0, tenantLevel
	case "managementgroupresourceid":
		s.level = managementLevel
		if len(before) == 1 {
			s.management = lastName(before[0])
		}
	case "extensionresourceid":
		if len(before) == 1 {
			return strings.TrimRight(before[0], "/"), nil
		}
	case "subscriptionresourceid":
		s.level = subscriptionLevel
		if len(before) == 1 {
			s.subscription = lastName(before[0])
		}
	case "resourceid":
		most = 2
		switch {
		case len(before) == 2:
			s.level, s.subscription, s.group = groupLevel, lastName(before[0]), before[1]
		case len(before) == 1 && (isGUID(before[0]) || s.level == subscriptionLevel && strings.HasPrefix(before[0], "{")):
			s.subscription = lastName(before[0])
		case len(before) == 1:
			s.level, s.group = groupLevel, before[0]
		case s.level == managementLevel:
			s.level = tenantLevel
		}
	}
	if len(before) > most {
		return "", fmt.Errorf("%s has too many arguments before the resource type", fn)
	}
	return s.prefix(), nil
}

func isGUID(s string) bool {
	s = lastName(s)
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i] | 0x20
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (s[i] == '-') || !dash && (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// resourceInfo answers resourceInfo('symbolicName').
func (w *view) resourceInfo(name armexpr.Value) (armexpr.Value, error) {
	if name.Kind() != armexpr.String {
		return notText("resourceInfo", name)
	}
	src, ok := w.f.symbols[strings.ToLower(name.Str())]
	if !ok {
		return armexpr.Value{}, fmt.Errorf("the template has no resource %q", name.Str())
	}
	if src.Get("copy").Kind() != jsontape.Absent {
		return unknown("resourceInfo(" + name.Str() + ")"), nil
	}
	if w.f.running["r:"+name.Str()] {
		return armexpr.Value{}, fmt.Errorf("the resource %q depends on itself", name.Str())
	}
	w.f.running["r:"+name.Str()] = true
	defer delete(w.f.running, "r:"+name.Str())
	own := &view{f: w.f, standIn: w.standIn}
	n := own.value(src.Get("name"))
	typ := src.Get("type").Str()
	members := []armexpr.Member{{Name: "type", Value: armexpr.StringValue(typ)}, {Name: "apiVersion", Value: armexpr.FromTape(src.Get("apiVersion"))}}
	id := n
	if n.Kind() == armexpr.String {
		under, _ := own.underScope(src, w.f.scope)
		s, err := compose(under, typ, n.Str())
		if err != nil {
			return armexpr.Value{}, err
		}
		id, n = armexpr.StringValue(s), armexpr.StringValue(lastName(n.Str()))
	}
	return armexpr.ObjectValue(append(members, armexpr.Member{Name: "name", Value: n}, armexpr.Member{Name: "id", Value: id})), nil
}
