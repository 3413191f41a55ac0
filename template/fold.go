// SPDX-License-Identifier: Apache-2.0

package template

import (
	_ "embed" // service.txt
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/armexpr"
)

// carried are the children that Azure prints inside their parent, by the
// child's type in lower case: the parent's member under properties. A template
// may define them as resources of their own, and rules look in the parent.
var carried = map[string]string{
	"microsoft.network/networksecuritygroups/securityrules":    "securityRules",
	"microsoft.network/virtualnetworks/subnets":                "subnets",
	"microsoft.network/virtualnetworks/virtualnetworkpeerings": "virtualNetworkPeerings",
	"microsoft.network/routetables/routes":                     "routes",
	"microsoft.network/loadbalancers/inboundnatrules":          "inboundNatRules",
	"microsoft.network/loadbalancers/backendaddresspools":      "backendAddressPools",
}

// startsEmpty are the lists, by the parent's type, that a resource has and
// that are empty when its definition does not mention them.
var startsEmpty = map[string][]string{
	"microsoft.network/networksecuritygroups": {"securityRules"},
	"microsoft.network/virtualnetworks":       {"subnets"},
	"microsoft.network/routetables":           {"routes"},
}

//go:embed service.txt
var serviceText string

// madeByService are paths below properties that only the service writes, by
// type in lower case.
var madeByService = sync.OnceValue(func() map[string][]string {
	out := map[string][]string{}
	for line := range strings.Lines(serviceText) {
		if typ, path, ok := strings.Cut(strings.TrimSpace(line), " "); ok && !strings.HasPrefix(typ, "#") {
			out[strings.ToLower(typ)] = append(out[strings.ToLower(typ)], path)
		}
	}
	return out
})

// fold brings the resources into the form in which Azure shows them after the
// deployment: children also inside their parents, members of the service's own
// as unobserved.
func (x *expander) fold() {
	byKey := map[string]*resource{}
	byType := map[string][]*resource{}
	for _, r := range x.resources {
		byKey[strings.ToLower(r.id)] = r
		low := strings.ToLower(r.typ)
		byType[low] = append(byType[low], r)
		if r.absent != "" {
			continue
		}
		for _, list := range startsEmpty[low] {
			if p := r.object.Get("properties"); p.Kind() == armexpr.Object && p.OpenReason() == "" && !has(p, list) {
				r.object = with(r.object, "properties", with(p, list, armexpr.ArrayValue(nil)))
			}
		}
	}
	for _, r := range x.resources {
		low := strings.ToLower(r.typ)
		list, ok := carried[low]
		if !ok {
			continue
		}
		if parent := byKey[strings.ToLower(parentOf(r.id))]; parent != nil {
			parent.adopt(list, r)
			continue
		}
		// A child whose parent is not among the resources lies in one that
		// exists already, unless a name is not known: then it may be any.
		for _, p := range byType[low[:strings.LastIndexByte(low, '/')]] {
			if !r.certain || !p.certain {
				p.extend(list, unknown("a child whose parent is not known"))
			}
		}
	}
	for _, r := range x.resources {
		r.nameElements()
		r.service()
	}
	x.siteConfigs(byKey)
}

// nameElements gives an id to the carried children whose names are not known:
// without one they would not be found to be resources.
func (r *resource) nameElements() {
	prefix := strings.ToLower(r.typ) + "/"
	for child, list := range carried {
		if !strings.HasPrefix(child, prefix) || strings.Count(child, "/") != strings.Count(prefix, "/") {
			continue
		}
		p := r.object.Get("properties")
		l := p.Get(list)
		var out []armexpr.Value
		changed := false
		for i, e := range l.List() {
			if e.Kind() == armexpr.Object && e.Get("name").Kind() == armexpr.Unobserved && !has(e, "id") {
				e = with(e, "id", armexpr.StringValue(fmt.Sprintf("%s/%s/{%d}", r.id, list, i)))
				changed = true
			}
			out = append(out, e)
		}
		if changed {
			r.object = with(r.object, "properties", with(p, list, armexpr.OpenArrayValue(out, l.OpenReason())))
		}
	}
}

// siteConfigs makes a resource of the configuration that a site carries in its
// definition: Azure keeps and shows it as config/web. What the definition does
// not mention is what the service makes of it, and unobserved.
func (x *expander) siteConfigs(byKey map[string]*resource) {
	var made []*resource
	for _, r := range x.resources {
		low := strings.ToLower(r.typ)
		if low != "microsoft.web/sites" && low != "microsoft.web/sites/slots" || r.absent != "" {
			continue
		}
		config := r.object.Get("properties").Get("siteConfig")
		id := r.id + "/config/web"
		if config.Kind() != armexpr.Object || byKey[strings.ToLower(id)] != nil {
			continue
		}
		identity := []armexpr.Member{
			{Name: "id", Value: armexpr.StringValue(id)},
			{Name: "name", Value: armexpr.StringValue("web")},
			{Name: "type", Value: armexpr.StringValue(r.typ + "/config")},
			{Name: "properties", Value: armexpr.OpenObjectValue(config.Members(), planTime+":not in siteConfig")},
		}
		made = append(made, &resource{id: id, typ: r.typ + "/config", certain: r.certain, place: r.place, frame: r.frame, object: armexpr.ObjectValue(identity)})
	}
	x.resources = append(x.resources, made...)
}

// extend appends an element to a list of the parent.
func (r *resource) extend(list string, element armexpr.Value) {
	p := r.object.Get("properties")
	if p.Kind() != armexpr.Object {
		return // nothing is known of the parent anyway
	}
	l := p.Get(list)
	switch l.Kind() {
	case armexpr.Absent, armexpr.Null:
		l = armexpr.ArrayValue(nil)
	case armexpr.Array:
	default:
		return
	}
	out := append(slices.Clone(l.List()), element)
	r.object = with(r.object, "properties", with(p, list, armexpr.OpenArrayValue(out, l.OpenReason())))
}

// adopt puts a child into its parent's list. A list that has an element of the
// child's name keeps it if both say the same; else nobody knows which one holds.
func (r *resource) adopt(list string, child *resource) {
	element := armexpr.OpenObjectValue([]armexpr.Member{
		{Name: "id", Value: child.object.Get("id")},
		{Name: "name", Value: child.object.Get("name")},
		{Name: "type", Value: child.object.Get("type")},
		{Name: "properties", Value: child.object.Get("properties")},
	}, child.object.OpenReason())
	if child.absent != "" {
		element = armexpr.UnobservedValue(child.absent)
	}
	l := r.object.Get("properties").Get(list)
	for i, e := range l.List() {
		if e.Kind() != armexpr.Object || !strings.EqualFold(e.Get("name").Text(), lastName(child.id)) {
			continue
		}
		if eq, unsure := armexpr.Equal(e.Get("properties"), element.Get("properties"), true); eq && !unsure {
			return
		}
		out := slices.Clone(l.List())
		out[i] = unknown(fmt.Sprintf("%s is defined inside its parent and beside it", lastName(child.id)))
		r.object = with(r.object, "properties", with(r.object.Get("properties"), list, armexpr.OpenArrayValue(out, l.OpenReason())))
		return
	}
	r.extend(list, element)
}

// service marks the members that only the service writes.
func (r *resource) service() {
	p := r.object.Get("properties")
	if r.absent != "" || p.Kind() != armexpr.Object || p.OpenReason() != "" {
		return
	}
	for _, path := range madeByService()[strings.ToLower(r.typ)] {
		p = serviceMade(p, strings.Split(path, "."))
	}
	r.object = with(r.object, "properties", p)
	if id := r.object.Get("identity"); id.Kind() == armexpr.Object && strings.Contains(strings.ToLower(id.Get("type").Text()), "systemassigned") {
		for _, m := range []string{"principalId", "tenantId"} {
			if !has(id, m) {
				id = with(id, m, unknown("identity."+m))
			}
		}
		r.object = with(r.object, "identity", id)
	}
}

func serviceMade(o armexpr.Value, path []string) armexpr.Value {
	if o.Kind() != armexpr.Object {
		return o
	}
	name, each := strings.CutSuffix(path[0], "[*]")
	v := o.Get(name)
	switch {
	case len(path) == 1 && !has(o, name):
		return with(o, name, unknown("written by the service"))
	case len(path) == 1 || v.Kind() == armexpr.Absent:
		return o
	case !each:
		return with(o, name, serviceMade(v, path[1:]))
	case v.Kind() != armexpr.Array:
		return o
	}
	out := make([]armexpr.Value, 0, len(v.List()))
	for _, e := range v.List() {
		out = append(out, serviceMade(e, path[1:]))
	}
	return with(o, name, armexpr.OpenArrayValue(out, v.OpenReason()))
}

// distinct makes one resource of several with the same id. Resource Manager
// refuses a template that defines a resource twice, unless conditions keep the
// two apart; then it is not known which one is deployed.
func (x *expander) distinct() {
	first := map[string]*resource{}
	out := x.resources[:0]
	for _, r := range x.resources {
		key := strings.ToLower(r.id)
		other := first[key]
		if other == nil {
			first[key] = r
			out = append(out, r)
			continue
		}
		switch {
		case !r.certain && !other.certain && r.place != other.place && r.absent == "" && other.absent == "":
			// Two names that are not known and stand in alike need not be equal.
			for n := 2; first[key] != nil; n++ {
				r.id = fmt.Sprintf("%s~%d", other.id, n)
				key = strings.ToLower(r.id)
			}
			r.object = with(r.object, "id", armexpr.StringValue(r.id))
			first[key] = r
			out = append(out, r)
			continue
		case r.absent == "" && other.absent == "":
			if eq, unsure := armexpr.Equal(r.object, other.object, false); eq && !unsure {
				continue
			}
			if r.certain && r.frame == other.frame {
				x.problems = append(x.problems, tickmark.Problem{
					Input: r.place.Input, Line: r.place.Line, Col: r.place.Col, Byte: int64(r.place.Off), Object: r.id, Reason: tickmark.ReasonConflicting,
					What: fmt.Sprintf("the resource is defined twice; first in line %d of %s", other.place.Line, other.place.Input), Hint: "give the two different names, or conditions",
				})
			}
		}
		why := planTime + ":defined more than once"
		members := other.object.Members()
		other.absent = why
		other.object = uncertain(members[:min(3, len(members))], why)
	}
	x.resources = out
}
