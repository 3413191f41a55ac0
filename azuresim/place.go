// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/tickmark/tickmark"
)

// source is the file that an organisation was read from: where each value
// stands, by its path ("people[2].count").
type source struct {
	name   string
	places map[string]*token.Position
}

// refuse is an error about the value at a path, with file, line and column
// where the organisation came from a file.
func (o *Organisation) refuse(path, what, hint string) error {
	where := path
	for p := path; o.source.places != nil; p = parentPath(p) {
		if at := o.source.places[p]; at != nil {
			where = fmt.Sprintf("%s:%d:%d %s", o.source.name, at.Line, at.Column, path)
			break
		}
		if p == "" {
			break
		}
	}
	return &tickmark.Error{Code: tickmark.CodeInput, What: what, Where: where, Hint: first(hint, "doc/spec/sim.md lists the keys")}
}

// parentPath is a path without its last step.
func parentPath(p string) string {
	return p[:max(strings.LastIndexAny(p, ".["), 0)]
}

func at(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

var (
	recordType = reflect.TypeFor[Record]()
	whenType   = reflect.TypeFor[When]()
	spanType   = reflect.TypeFor[Span]()
)

// locate notes where the values of n, which is of type t, stand. A key without a
// value is an error: leaving it out and emptying it are different things, and it
// is not said which is meant. In records null is a value.
func (o *Organisation) locate(path string, n ast.Node, t reflect.Type) error {
	if tok := n.GetToken(); tok != nil {
		o.source.places[path] = tok.Position
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if _, null := n.(*ast.NullNode); null {
		return &valueError{n.GetToken(), path + " has no value; leave the key out, or give one"}
	}
	if t == recordType {
		return nil
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		for _, v := range n.Values {
			key := v.Key.GetToken().Value
			child, ok := childType(t, key)
			if !ok {
				continue // the decoder says that it is unknown
			}
			if err := o.locate(strings.TrimPrefix(path+"."+key, "."), v.Value, child); err != nil {
				return err
			}
		}
	case *ast.SequenceNode:
		if t.Kind() != reflect.Slice {
			return nil // the decoder says that it does not fit
		}
		for i, v := range n.Values {
			if err := o.locate(at(path, i), v, t.Elem()); err != nil {
				return err
			}
		}
	}
	return nil
}

// childType is the type of what stands under a key.
func childType(t reflect.Type, key string) (reflect.Type, bool) {
	switch t.Kind() {
	case reflect.Map:
		return t.Elem(), true
	case reflect.Struct:
		for f := range fieldsOf(t) {
			if t.Field(f).Tag.Get("yaml") == key {
				return t.Field(f).Type, true
			}
		}
	default:
	}
	return nil, false
}

// fieldsOf yields the fields of a struct that YAML fills.
func fieldsOf(t reflect.Type) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := range t.NumField() {
			if t.Field(i).Tag.Get("yaml") != "" && !yield(i) {
				return
			}
		}
	}
}

// most bounds the numbers that no rule bounds.
const most = 100_000

// checkValues holds every value against the rule of its field, which is its tag
// sim: "0..500" of a number, "guid", or the words that it may be.
func (o *Organisation) checkValues() error {
	return o.checkValue("", reflect.ValueOf(o).Elem(), "")
}

func (o *Organisation) checkValue(path string, v reflect.Value, rule string) error {
	switch {
	case v.Type() == recordType:
		return nil
	case v.Type() == whenType:
		w, _ := v.Interface().(When)
		if y := w.at.Year(); !w.at.IsZero() && (y < 1970 || y > 2199) {
			return o.refuse(path, fmt.Sprintf("%s is in the year %d; want 1970 to 2199", path, y), "")
		}
		return nil
	case v.Type() == spanType:
		if v.Int() < 0 {
			return o.refuse(path, fmt.Sprintf("%s is %v; a span is not negative", path, time.Duration(v.Int())), "")
		}
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return o.checkValue(path, v.Elem(), rule)
		}
	case reflect.Struct:
		for f := range fieldsOf(v.Type()) {
			tag := v.Type().Field(f).Tag
			if err := o.checkValue(strings.TrimPrefix(path+"."+tag.Get("yaml"), "."), v.Field(f), tag.Get("sim")); err != nil {
				return err
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			if err := o.checkValue(at(path, i), v.Index(i), rule); err != nil {
				return err
			}
		}
	case reflect.Map:
		for _, k := range slices.SortedFunc(slices.Values(v.MapKeys()), func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) }) {
			if err := o.checkValue(path+"."+k.String(), v.MapIndex(k), rule); err != nil {
				return err
			}
		}
	case reflect.Int:
		return o.checkNumber(path, v.Int(), rule)
	case reflect.Float64:
		if f := v.Float(); !(f >= 0 && f <= 1) { // NaN is neither
			return o.refuse(path, fmt.Sprintf("%s is %v; a share is 0 to 1", path, f), "")
		}
	case reflect.String:
		return o.checkText(path, v.String(), rule)
	default:
	}
	return nil
}

func (o *Organisation) checkNumber(path string, n int64, rule string) error {
	from, to := int64(0), int64(most)
	if a, b, ok := strings.Cut(rule, ".."); ok {
		from, _ = strconv.ParseInt(a, 10, 64)
		to, _ = strconv.ParseInt(b, 10, 64)
	}
	if n < from || n > to {
		return o.refuse(path, fmt.Sprintf("%s is %d; want %d to %d", path, n, from, to), "")
	}
	return nil
}

func (o *Organisation) checkText(path, text, rule string) error {
	switch {
	case text == "" || rule == "":
	case rule == "guid":
		if len(text) != 36 || guidPattern.FindString(text) != text {
			return o.refuse(path, fmt.Sprintf("%s is %q, which is no GUID", path, text), "write it like 7a6f3c52-5d0e-4c1b-9d3e-2f6f8f0b1a11, or leave it out: then one is made")
		}
	case !slices.ContainsFunc(strings.Fields(rule), func(w string) bool { return strings.EqualFold(w, text) }):
		return o.refuse(path, fmt.Sprintf("%s is %q; want one of %s", path, text, strings.Join(strings.Fields(rule), ", ")), "")
	}
	return nil
}

// maxPeople bounds the people of an organisation.
const maxPeople = 500_000

// checkSize refuses, before anything is made, what would become too much: each
// count may be in its bounds and their product not.
func (s *Sim) checkSize() error {
	o := s.org
	people, subscriptions := 0, 0
	for i := range o.People {
		if people += max(o.People[i].Count, 1); people > maxPeople {
			return o.refuse(at("people", i)+".count", fmt.Sprintf("more than %d people in all", maxPeople), "")
		}
	}
	for i := range o.Subscriptions {
		if subscriptions += max(o.Subscriptions[i].Count, 1); subscriptions > maxSubscriptions {
			return o.refuse(at("subscriptions", i)+".count", fmt.Sprintf("more than %d subscriptions in all", maxSubscriptions), "")
		}
	}
	return nil
}

const maxSubscriptions = 10_000

// checkResources is checkSize for the templates, once it is known which
// subscriptions they are in.
func (s *Sim) checkResources(roots []*template) error {
	total := 0.0
	for i, t := range roots {
		in := 0
		for sub := -1; sub < len(s.subs); sub++ {
			if s.appliesTo(t, int32(sub)) { //nolint:gosec // bounded by maxSubscriptions
				in++
			}
		}
		if total += float64(in) * t.weight(); total > maxEntries && i < len(s.org.Resources) {
			return s.org.refuse(at("resources", i), fmt.Sprintf("more than %d resources in all: this template makes %.0f in %d subscriptions", maxEntries, math.Round(float64(in)*t.weight()), in), "")
		}
	}
	return nil
}

// weight is how many resources one place of a template makes, children counted.
func (t *template) weight() float64 {
	n := 1.0
	for _, k := range t.kids {
		n += k.weight()
	}
	return n * float64(max(t.Count, 1))
}

// references collects the first reference to nobody.
type references struct {
	s   *Sim
	err error
}

// checkReferences refuses every name that nobody and nothing has: a slip would
// be served as something that is not there.
func (s *Sim) checkReferences() error {
	r := &references{s: s}
	r.azure()
	r.directory()
	r.logs()
	for i := range s.org.DevOps {
		for k := range s.org.DevOps[i].Projects {
			r.project(at(at("devops", i)+".projects", k), &s.org.DevOps[i].Projects[k])
		}
	}
	for i := range s.org.GitHub {
		g, path := &s.org.GitHub[i], at("github", i)
		r.people(path+".members", g.Members)
		r.people(path+".owners", g.Owners)
		for k := range g.Repositories {
			r.repository(at(path+".repositories", k), &g.Repositories[k])
		}
	}
	for i := range s.org.Power.Environments {
		r.people(at("power.environments", i)+".users", s.org.Power.Environments[i].Users)
	}
	return r.err
}

func (r *references) fail(path, what, hint string) {
	if r.err == nil {
		r.err = r.s.org.refuse(path, what, hint)
	}
}

// person refuses a name that no principal has; the empty one is nobody's.
func (r *references) person(path, name string) {
	if _, ok := r.s.principals[strings.ToLower(name)]; !ok && name != "" {
		r.fail(path, fmt.Sprintf("there is no person, group, application or identity called %q", name), "")
	}
}

func (r *references) people(path string, names []string) {
	for i, n := range names {
		if n == "" {
			r.fail(at(path, i), "nobody has an empty name", "")
		}
		r.person(at(path, i), n)
	}
}

// named refuses a name that is not among the known; the empty one is none.
func (r *references) named(path, what, name string, known func(string) bool) {
	if name != "" && !known(name) {
		r.fail(path, fmt.Sprintf("there is no %s called %q", what, name), "")
	}
}

func (r *references) azure() {
	s, o := r.s, r.s.org
	for i := range o.Resources {
		r.resource(at("resources", i), &o.Resources[i])
	}
	for i := range o.PolicyStates {
		p, path := &o.PolicyStates[i], at("policyStates", i)
		r.named(path+".type", "resource of a type", p.Type, s.hasType)
		r.named(path+".assignment", "policy assignment", p.Assignment, s.hasResource("microsoft.authorization/policyassignments"))
	}
	for i := range o.Workspaces {
		w, path := &o.Workspaces[i], at("workspaces", i)
		r.named(path+".name", "workspace among the resources", w.Name, s.hasResource("microsoft.operationalinsights/workspaces"))
		for k, t := range w.Tables {
			if !slices.Contains(logTables(), t) {
				r.fail(at(path+".tables", k), fmt.Sprintf("no table of a workspace is called %q here; want one of %s", t, strings.Join(logTables(), ", ")), "")
			}
		}
	}
	for i := range o.Changes {
		c, path := &o.Changes[i], at("changes", i)
		r.person(path+".by", c.By)
		r.subscriptions(path+".subscriptions", c.Subscriptions)
	}
	for i := range o.Deny {
		d := &o.Deny[i]
		if _, ok := hosts[d.Host]; !ok && d.Host != "" {
			r.fail(at("deny", i)+".host", fmt.Sprintf("there is no host %q", d.Host), "tickmark sim lists the hosts when it starts")
		}
		if strings.HasPrefix(d.Path, "subscription/") {
			r.fail(at("deny", i)+".path", fmt.Sprintf("there is no subscription for %q", d.Path), "")
		}
	}
	for k := range o.Records {
		host, _, _ := strings.Cut(k, "/")
		if _, ok := hosts[host]; !ok {
			r.fail("records."+k, fmt.Sprintf("there is no host %q", host), "a key is HOST/PATH, such as graph/identity/conditionalAccess/policies")
		}
	}
}

func (r *references) resource(path string, t *Resource) {
	r.person(path+".by", t.By)
	r.subscriptions(path+".subscriptions", t.Subscriptions)
	if name, ok := strings.CutPrefix(t.At, "managementGroup/"); ok && r.s.managementGroup(strings.ReplaceAll(name, "{tenant}", r.s.org.Tenant.ID)) == nil {
		r.fail(path+".at", fmt.Sprintf("there is no management group %q", name), "")
	} else if !ok && !strings.HasPrefix(t.At, "/") && !slices.Contains([]string{"", "group", "subscription", "tenant"}, t.At) {
		r.fail(path+".at", fmt.Sprintf("at is %q; want group, subscription, tenant, managementGroup/NAME or an id", t.At), "")
	}
	if t.Table != "" && !slices.Contains(append([]string{"none"}, indexTables...), strings.ToLower(t.Table)) {
		r.fail(path+".table", fmt.Sprintf("Resource Graph has no table %q", t.Table), "")
	}
	for i := range t.Children {
		r.resource(at(path+".children", i), &t.Children[i])
	}
}

// subscriptions refuses a pattern that fits none.
func (r *references) subscriptions(path string, patterns []string) {
	for i, p := range patterns {
		if !slices.ContainsFunc(r.s.subs, func(t subscription) bool { return p != "" && matches(p, t.Name) }) {
			r.fail(at(path, i), fmt.Sprintf("no subscription is called %q", p), "")
		}
	}
}

func (r *references) directory() {
	o := r.s.org
	for i := range o.People {
		p, path := &o.People[i], at("people", i)
		r.person(path+".manager", p.Manager)
		for k, l := range p.Licences {
			if !slices.ContainsFunc(o.Licences, func(x Licence) bool { return strings.EqualFold(x.SKU, l) }) {
				r.fail(at(path+".licences", k), fmt.Sprintf("the tenant has no licence %q", l), "licences lists them by sku")
			}
		}
	}
	for i := range o.Groups {
		r.people(at("groups", i)+".members", o.Groups[i].Members)
		r.people(at("groups", i)+".owners", o.Groups[i].Owners)
	}
	for i := range o.DirectoryRoles {
		d, path := &o.DirectoryRoles[i], at("directoryRoles", i)
		if d.Role == "" || d.Principal == "" {
			r.fail(path, "a directory role needs role and principal", "")
		}
		r.person(path+".principal", d.Principal)
		r.named(path+".role", "directory role", d.Role, func(n string) bool {
			return slices.ContainsFunc(builtInDirectoryRoles, func(x directoryRole) bool { return strings.EqualFold(x.name, n) })
		})
	}
	for i := range o.Applications {
		r.people(at("applications", i)+".owners", o.Applications[i].Owners)
	}
	for i := range o.RoleAssignments {
		r.person(at("roleAssignments", i)+".principal", o.RoleAssignments[i].Principal)
		r.person(at("roleAssignments", i)+".by", o.RoleAssignments[i].By)
	}
	for i := range o.Identities {
		for k, g := range o.Identities[i].DevOps {
			r.named(at(at("identities", i)+".devops", k)+".namespace", "security namespace", g.Namespace, func(n string) bool {
				return slices.ContainsFunc(adoNamespaces, func(x adoNamespace) bool { return strings.EqualFold(x.name, n) })
			})
		}
	}
}

// logs says of a stream what cannot be.
func (r *references) logs() {
	l := &r.s.org.Logs
	for path, s := range map[string]*Stream{"logs.signIns": &l.SignIns, "logs.audits": &l.Audits, "logs.activity": &l.Activity, "logs.alerts": &l.Alerts} {
		if s.Late+s.Lost > 1 {
			r.fail(path, "more than all records are late or lost", "")
		}
	}
}

func (r *references) project(path string, p *Project) {
	for i := range p.Repositories {
		r.repository(at(path+".repositories", i), &p.Repositories[i])
	}
	r.pipelines(path, p.Pipelines, p.Environments)
	for i := range p.Pipelines {
		r.named(at(path+".pipelines", i)+".repository", "repository in the project", p.Pipelines[i].Repository, func(n string) bool {
			return slices.ContainsFunc(p.Repositories, func(x Repository) bool { return strings.EqualFold(x.Name, n) })
		})
	}
	for i := range p.ServiceConnections {
		r.named(at(path+".serviceConnections", i)+".subscription", "subscription", p.ServiceConnections[i].Subscription, func(n string) bool {
			return slices.ContainsFunc(r.s.subs, func(t subscription) bool { return strings.EqualFold(n, t.Name) || strings.EqualFold(n, t.ID) })
		})
	}
}

func (r *references) repository(path string, x *Repository) {
	p, pulls := &x.PullRequests, path+".pullRequests"
	r.people(pulls+".authors", p.Authors)
	r.people(pulls+".reviewers", p.Reviewers)
	if p.Unreviewed+p.SelfApproved+p.Bypassed > p.Count {
		r.fail(pulls, fmt.Sprintf("unreviewed, selfApproved and bypassed are %d together, and count is %d", p.Unreviewed+p.SelfApproved+p.Bypassed, p.Count), "")
	}
	for i := range p.Items {
		item, path := &p.Items[i], at(pulls+".items", i)
		r.person(path+".author", item.Author)
		r.person(path+".by", item.By)
		for k := range item.Reviews {
			r.person(at(path+".reviews", k)+".who", item.Reviews[k].Who)
		}
	}
	r.pipelines(path, x.Pipelines, x.Environments)
}

func (r *references) pipelines(path string, pipelines []Pipeline, environments []Environment) {
	for i := range pipelines {
		r.named(at(path+".pipelines", i)+".environment", "environment beside the pipeline", pipelines[i].Environment, func(n string) bool {
			return slices.ContainsFunc(environments, func(e Environment) bool { return strings.EqualFold(e.Name, n) })
		})
	}
	for i := range environments {
		r.people(at(path+".environments", i)+".approvers", environments[i].Approvers)
	}
}

// hasType reports whether the organisation has a template of a type.
func (s *Sim) hasType(name string) bool {
	return slices.ContainsFunc(s.templates, func(t *template) bool { return t.lower == strings.ToLower(name) })
}

// hasResource reports whether there is a resource of a type with a name.
func (s *Sim) hasResource(kind string) func(string) bool {
	return func(name string) bool {
		for i := range s.entries {
			if s.templates[s.entries[i].tmpl].lower == kind {
				if v := s.varsOf(int32(i)); strings.EqualFold(v.name, name) { //nolint:gosec // bounded by maxEntries
					return true
				}
			}
		}
		return false
	}
}
