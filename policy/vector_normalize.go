// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// runNormalize runs a vector of the suite normalize. That suite is about an
// evaluator that first rewrites ARM objects into a flat form in which every
// alias is a path. We read ARM objects as they are, so what carries over is
// this: an alias that the flat form answers must have the same value when it is
// read from the ARM object, and the other way round.
func (v *Vector) runNormalize() (want, got string, err error) {
	catalog := NewCatalog()
	aliases := v.root.Get("aliasCatalog")
	if aliases.Kind() != jsontape.Array {
		return "", "", &SkipError{"the vector has no aliases: it is about the rewriting itself, which tickmark does not do"}
	}
	if err := catalog.AddProviders(v.ID, aliases.Raw()); err != nil {
		return "", "", err
	}
	arm, flat := v.root.Get("input"), v.root.Get("expected_normalized")
	if flat.Kind() == jsontape.Absent {
		flat = v.root.Get("expected_envelope").Get("resource")
	}
	if d := v.root.Get("expected_denormalized"); d.Kind() != jsontape.Absent {
		arm, flat = d, v.root.Get("input")
	}
	if flat.Kind() != jsontape.Object || arm.Kind() != jsontape.Object {
		return "", "", &SkipError{"the vector shows no flat form of a resource: it is about rewriting there and back, which tickmark does not do"}
	}
	p := &Policy{catalog: catalog, Definition: &Definition{}}
	typ := arm.Get("type").Str()
	c := &compiler{p: p, typ: typ, primary: typ}
	var wants, gots []armexpr.Member
	info := catalog.Type(typ)
	if info == nil {
		return "", "", &SkipError{"the vector's type has no aliases"}
	}
	for _, a := range info.sorted() {
		f, fail := c.resolve(a.Name)
		if fail != nil {
			return a.Name, fail.what, nil //nolint:nilerr // the failure is the result
		}
		f = f.in(v.root.Get("api_version").Str())
		short := strings.ToLower(strings.TrimPrefix(a.Name, typ+"/"))
		path, ok := parsePath(flatName(flat, short))
		if !ok {
			return a.Name, "an alias whose name is no path", nil
		}
		wants = append(wants, armexpr.Member{Name: a.Name, Value: selected(flat, path)})
		gots = append(gots, armexpr.Member{Name: a.Name, Value: selected(arm, f.path)})
	}
	return armexpr.ObjectValue(wants).JSON(), armexpr.ObjectValue(gots).JSON(), nil
}

// flatName is the name of an alias in the flat form: a root property that has
// the same name pushes it aside with a prefix.
func flatName(flat jsontape.Value, short string) string {
	if v := flat.Get("_p_" + short); v.Kind() != jsontape.Absent {
		return "_p_" + short
	}
	return short
}

// selected returns the values that a path selects, as a list.
func selected(v jsontape.Value, p *path) armexpr.Value {
	var c collector
	c.collect(v, p.steps)
	return armexpr.ArrayValue(c.list)
}
