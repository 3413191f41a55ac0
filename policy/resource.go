// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"
	"time"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// Resource is one object under evaluation. Root is its ARM JSON; the other
// fields are its identity, which Root need not spell.
type Resource struct {
	ID   string
	Type string
	Name string
	Root jsontape.Value
	// Index is the caller's own number of the resource.
	Index int
	// Doubt is a reason why it is not known whether the resource exists, such
	// as a condition of a template that only the deployment can evaluate. What
	// is said of it is Unknown, and it decides no existence check.
	Doubt string
	// Joined is an object whose member "joined" holds what the caller has set
	// beside the resource: a path that begins with it is read there. Where a
	// caller gives nothing, such a path is unobserved.
	Joined jsontape.Value
}

// beside is where paths that begin with "joined" start.
func (r *Resource) beside() jsontape.Value {
	if r.Joined.Kind() == jsontape.Object {
		return r.Joined
	}
	return notJoined
}

// notJoined stands for the joins that a caller did not make.
var notJoined = func() jsontape.Value {
	tape, err := jsontape.Parse([]byte(`{"joined":"`+jsontape.Marker+`notCollected"}`), jsontape.Options{})
	if err != nil {
		panic(err) //nolint:forbidigo // the text is constant
	}
	return tape.Root()
}()

// NewResource derives the identity from the object: id, name, type. The type
// of a subscription and of a resource group follows from its id.
func NewResource(root jsontape.Value) *Resource {
	r := &Resource{ID: root.Get("id").Str(), Name: root.Get("name").Str(), Type: root.Get("type").Str(), Root: root}
	if r.Type == "" && r.ID != "" {
		r.Type = TypeOfID(r.ID)
	}
	if r.Name == "" && r.ID != "" {
		r.Name = r.ID[strings.LastIndexByte(r.ID, '/')+1:]
	}
	if t, ok := groupSpellings[strings.ToLower(r.Type)]; ok {
		r.Type = t
	}
	return r
}

// ResourceGroupType is the spelling that policies compare with; ARM and
// Resource Graph use two others.
const (
	ResourceGroupType = "Microsoft.Resources/subscriptions/resourceGroups"
	SubscriptionType  = "Microsoft.Resources/subscriptions"
)

var groupSpellings = map[string]string{
	"microsoft.resources/resourcegroups":               ResourceGroupType,
	"microsoft.resources/subscriptions/resourcegroups": ResourceGroupType,
	"microsoft.resources/subscriptions":                SubscriptionType,
}

// TypeOfID derives the resource type from an ARM id, "" when it has none.
func TypeOfID(id string) string {
	s := strings.Split(strings.Trim(id, "/"), "/")
	for i := len(s) - 2; i >= 0; i-- {
		if foldEq(s[i], "providers") {
			var t strings.Builder
			t.WriteString(s[i+1])
			for j := i + 2; j < len(s); j += 2 {
				t.WriteString("/" + s[j])
			}
			return t.String()
		}
	}
	switch {
	case len(s) == 2 && foldEq(s[0], "subscriptions"):
		return SubscriptionType
	case len(s) == 4 && foldEq(s[2], "resourceGroups"):
		return ResourceGroupType
	}
	return ""
}

// fullName joins the names of the resource and its ancestors by "/".
func (r *Resource) fullName() string {
	id := r.ID
	i := lastFold(id, "/providers/")
	if i < 0 {
		if v := r.Root.Get("fullName").Str(); v != "" {
			return v
		}
		return r.Name
	}
	s := strings.Split(id[i+len("/providers/"):], "/")
	if len(s) == 3 || len(s) == 4 {
		return s[2]
	}
	var names []string
	for j := 2; j < len(s); j += 2 {
		names = append(names, s[j])
	}
	return strings.Join(names, "/")
}

// hasName reports whether name, which holds no slash, is the resource's name,
// its full name or the end of its id. It does not allocate for an ARM id.
func (r *Resource) hasName(name string) bool {
	if foldEq(name, r.Name) || foldEq(name, r.ID[strings.LastIndexByte(r.ID, '/')+1:]) {
		return true
	}
	i := lastFold(r.ID, "/providers/")
	if i < 0 {
		return foldEq(name, r.fullName())
	}
	rest := r.ID[i+len("/providers/"):]
	var own string
	for range 3 { // namespace, type, name
		own, rest, _ = strings.Cut(rest, "/")
	}
	return !strings.Contains(rest, "/") && foldEq(name, own) // a further name would put a slash into the full one
}

func lastFold(s, sub string) int {
	for i := len(s) - len(sub); i >= 0; i-- {
		if s[i] == sub[0] && foldEq(s[i:i+len(sub)], sub) { // sub begins with no letter
			return i
		}
	}
	return -1
}

// SubscriptionOf returns the subscription id in an ARM id, "" when there is none.
func SubscriptionOf(id string) string { return segmentAfter(id, "subscriptions") }

// ResourceGroupOf returns the resource group's name in an ARM id, "" when there is none.
func ResourceGroupOf(id string) string { return segmentAfter(id, "resourceGroups") }

func segmentAfter(id, name string) string {
	rest := strings.TrimPrefix(id, "/")
	for rest != "" {
		seg, after, ok := strings.Cut(rest, "/")
		if !ok {
			return ""
		}
		if foldEq(seg, name) {
			v, _, _ := strings.Cut(after, "/")
			return v
		}
		if foldEq(seg, "providers") {
			return ""
		}
		_, rest, _ = strings.Cut(after, "/")
	}
	return ""
}

// under reports whether id lies below parent (ARM ids, any case).
func under(id, parent string) bool {
	return len(id) > len(parent)+1 && id[len(parent)] == '/' && foldEq(id[:len(parent)], parent)
}

// Query asks for the related resources of an existence effect.
type Query struct {
	Type string // details.type
	// Under is the id below which to search, "" to search by scope.
	Under string
	// Subscription and ResourceGroup limit the search; an empty ResourceGroup
	// means the whole subscription.
	Subscription, ResourceGroup string
	// For is the resource under evaluation.
	For *Resource
}

// Related is the answer to a Query.
type Related struct {
	Resources []*Resource
	// Missing says why there may be further resources; "" when Resources is
	// complete for the query. Absence may be concluded only then.
	Missing string
	// Inherent says that the source always has what the query names, so that
	// an answer without it is one that was not read, whoever claims the rest.
	Inherent bool
}

// Inventory finds related resources. Implementations are safe for concurrent
// use and deterministic.
type Inventory interface {
	Related(q Query) Related
}

// List is an Inventory over a slice of resources, indexed by type.
type List struct {
	byType map[string][]*Resource
	// Missing says, for a type, why it may be incomplete; nil means that every
	// type is complete.
	Missing func(typ, scope string) string
}

// NewList indexes resources, which keep their order.
func NewList(resources []*Resource) *List {
	l := &List{byType: map[string][]*Resource{}}
	for _, r := range resources {
		k := strings.ToLower(r.Type)
		l.byType[k] = append(l.byType[k], r)
	}
	return l
}

// Related implements Inventory.
func (l *List) Related(q Query) Related {
	var out Related
	for _, r := range l.byType[strings.ToLower(q.Type)] {
		switch {
		case q.Under != "":
			if !under(r.ID, q.Under) {
				continue
			}
		case q.Subscription != "" && !foldEq(SubscriptionOf(r.ID), q.Subscription):
			continue
		case q.ResourceGroup != "" && !foldEq(ResourceGroupOf(r.ID), q.ResourceGroup):
			continue
		}
		out.Resources = append(out.Resources, r)
	}
	if l.Missing != nil {
		scope := q.Under
		if scope == "" && q.Subscription != "" {
			scope = "/subscriptions/" + q.Subscription
		}
		out.Missing = l.Missing(q.Type, scope)
	}
	return out
}

// Env is what evaluation knows besides the resource. The zero value has no
// related resources and no context; everything asked of it is unobserved.
type Env struct {
	// Now is the instant of the evaluation (UTC).
	Now time.Time
	// Inventory answers existence effects; nil means that nothing was collected.
	Inventory Inventory
	// Context returns what the functions subscription, resourceGroup, policy
	// and requestContext yield for a resource; Absent means not known. nil
	// derives names and ids from the resource's id.
	Context func(function string, r *Resource) armexpr.Value
	// APIVersion selects versioned alias paths and answers the field apiVersion.
	APIVersion string
	// MissingArrayIsEmpty selects the documentation's reading of [*] on a
	// missing array (an empty collection) instead of the policy team's suite
	// (one missing element).
	MissingArrayIsEmpty bool
}

// latestAPIVersion stands for the newest version, which compliance scans use
// (Microsoft's page on requestContext): it orders after every date.
const latestAPIVersion = "9999-12-31"

// context answers a context function.
func (e *Env) context(function string, r *Resource) armexpr.Value {
	if e.Context != nil {
		if v := e.Context(function, r); v.Kind() != armexpr.Absent {
			return v
		}
	}
	sub := SubscriptionOf(r.ID)
	member := func(n, v string) armexpr.Member { return armexpr.Member{Name: n, Value: armexpr.StringValue(v)} }
	hidden := func(n string) armexpr.Member {
		return armexpr.Member{Name: n, Value: armexpr.UnobservedValue("notCollected")}
	}
	switch function {
	case "subscription":
		if sub != "" {
			return armexpr.ObjectValue([]armexpr.Member{
				member("id", "/subscriptions/"+sub), member("subscriptionId", sub),
				hidden("displayName"), hidden("tenantId"), hidden("state"), hidden("tags"),
			})
		}
	case "requestcontext":
		v := e.APIVersion
		if v == "" {
			v = latestAPIVersion
		}
		return armexpr.ObjectValue([]armexpr.Member{member("apiVersion", v), hidden("identity")})
	case "resourcegroup":
		if g := ResourceGroupOf(r.ID); g != "" {
			return armexpr.ObjectValue([]armexpr.Member{
				member("id", "/subscriptions/"+sub+"/resourceGroups/"+g), member("name", g),
				hidden("location"), hidden("tags"), hidden("properties"), hidden("managedBy"), hidden("type"),
			})
		}
	}
	return armexpr.UnobservedValue("notCollected")
}
