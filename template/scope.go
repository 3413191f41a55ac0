// SPDX-License-Identifier: Apache-2.0

package template

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tickmark/tickmark/jsontape"
)

// level is what a template deploys to.
type level uint8

const (
	groupLevel level = iota
	subscriptionLevel
	managementLevel
	tenantLevel
)

// scope is where resources of a template go. A part that was not given holds
// its placeholder, and is not known.
type scope struct {
	level                                  level
	subscription, group, management        string
	subscriptionKnown, groupKnown, mgKnown bool
	// foreign is set where a nested deployment goes to another scope than the
	// one that the options describe.
	foreign bool
	// guessed is set where a nested deployment goes to a scope that is known
	// only then: its id holds a stand-in that need not be the only such scope.
	guessed bool
}

// schemaLevels is keyed by the last part of $schema, lower case.
var schemaLevels = map[string]level{
	"deploymenttemplate.json":                groupLevel,
	"subscriptiondeploymenttemplate.json":    subscriptionLevel,
	"managementgroupdeploymenttemplate.json": managementLevel,
	"tenantdeploymenttemplate.json":          tenantLevel,
}

// levelOf reads the level from a template's $schema.
func levelOf(root jsontape.Value) (level, bool) {
	s := strings.ToLower(strings.TrimSuffix(root.Get("$schema").Str(), "#"))
	if s == "" {
		return groupLevel, true
	}
	l, ok := schemaLevels[s[strings.LastIndexByte(s, '/')+1:]]
	return l, ok
}

// scopeOf is the scope that the options describe, for a template of level l.
func scopeOf(o Options, l level) scope {
	s := scope{level: l, subscription: PlaceholderSubscription, group: PlaceholderResourceGroup, management: PlaceholderManagementGroup}
	if o.Subscription != "" {
		s.subscription, s.subscriptionKnown = strings.TrimPrefix(o.Subscription, "/subscriptions/"), true
	}
	if o.ResourceGroup != "" {
		s.group, s.groupKnown = o.ResourceGroup, true
	}
	if o.ManagementGroup != "" {
		s.management, s.mgKnown = o.ManagementGroup, true
	}
	return s
}

// prefix is the id under which resources of the scope lie.
func (s scope) prefix() string {
	switch s.level {
	case groupLevel:
		return "/subscriptions/" + s.subscription + "/resourceGroups/" + s.group
	case subscriptionLevel:
		return "/subscriptions/" + s.subscription
	case managementLevel:
		return managementPrefix + s.management
	case tenantLevel:
	}
	return ""
}

const managementPrefix = "/providers/Microsoft.Management/managementGroups/"

// known reports whether the prefix holds no placeholder.
func (s scope) known() bool {
	switch s.level {
	case groupLevel:
		return s.subscriptionKnown && s.groupKnown
	case subscriptionLevel:
		return s.subscriptionKnown
	case managementLevel:
		return s.mgKnown
	case tenantLevel:
	}
	return true
}

// compose makes the id of a resource from the id it lies under, its type and
// its name: names between slashes, one for each segment of the type but the
// first. Two types have ids of their own form.
func compose(under, typ, name string) (string, error) {
	types, names := strings.Split(typ, "/"), strings.Split(name, "/")
	if len(types) < 2 || !strings.Contains(types[0], ".") && !strings.EqualFold(types[0], "providers") {
		return "", fmt.Errorf("%q is not a resource type such as Microsoft.Storage/storageAccounts", typ)
	}
	if slices.Contains(names, "") {
		return "", fmt.Errorf("the name %q has an empty part", name)
	}
	if len(names) != len(types)-1 {
		return "", fmt.Errorf("the name %q has %d parts between slashes, but the type %s needs %d", name, len(names), typ, len(types)-1)
	}
	low := strings.ToLower(typ)
	switch {
	case low == "microsoft.resources/resourcegroups" || low == "microsoft.resources/subscriptions/resourcegroups":
		return subscriptionPart(under) + "/resourceGroups/" + names[len(names)-1], nil
	case low == "microsoft.management/managementgroups" || strings.HasPrefix(low, "microsoft.management/managementgroups/"):
		under = ""
	case low == "microsoft.subscription/aliases":
		under = ""
	}
	var b strings.Builder
	b.WriteString(under)
	b.WriteString("/providers/")
	b.WriteString(types[0])
	for i, n := range names {
		b.WriteByte('/')
		b.WriteString(types[i+1])
		b.WriteByte('/')
		b.WriteString(n)
	}
	return b.String(), nil
}

// subscriptionPart cuts an id behind its subscription.
func subscriptionPart(id string) string {
	const p = "/subscriptions/"
	if len(id) < len(p) || !strings.EqualFold(id[:len(p)], p) {
		return id
	}
	if i := strings.IndexByte(id[len(p):], '/'); i >= 0 {
		return id[:len(p)+i]
	}
	return id
}

// typeOf derives the type from an id: for an extension, that of the extension.
func typeOf(id string) string {
	i := strings.LastIndex(strings.ToLower(id), "/providers/")
	if i < 0 {
		if parts := strings.Split(strings.Trim(id, "/"), "/"); len(parts) == 4 {
			return "Microsoft.Resources/resourceGroups"
		}
		return ""
	}
	parts := strings.Split(id[i+len("/providers/"):], "/")
	var typ strings.Builder
	typ.WriteString(parts[0])
	for j := 1; j < len(parts); j += 2 {
		typ.WriteString("/" + parts[j])
	}
	return typ.String()
}

// parentOf is the id of the resource that a child lies in; "" for none.
func parentOf(id string) string {
	i := strings.LastIndex(strings.ToLower(id), "/providers/")
	if i < 0 || strings.Count(id[i+len("/providers/"):], "/") <= 2 {
		return ""
	}
	id = id[:strings.LastIndexByte(id, '/')]
	return id[:strings.LastIndexByte(id, '/')]
}

func lastName(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }

// resolveScope turns the scope member of a resource into an id: absolute, a
// resource below the current scope, or something that lies in the tenant.
func (s scope) resolveScope(text string) string {
	text = strings.TrimRight(text, "/")
	low := strings.ToLower(text)
	switch {
	case text == "" || strings.HasPrefix(text, "/"):
		return text
	case strings.HasPrefix(low, "microsoft.management/managementgroups/") && strings.Count(text, "/") == 2,
		strings.HasPrefix(low, "subscriptions/"):
		if strings.HasPrefix(low, "subscriptions/") {
			return "/" + text
		}
		return "/providers/" + text
	}
	return s.prefix() + "/providers/" + text
}

// at is the scope that an id names: of a tenant, management group,
// subscription or resource group.
func (s scope) at(id string) (scope, bool) {
	parts := strings.Split(strings.Trim(id, "/"), "/")
	s.foreign = true
	switch {
	case id == "" || id == "/":
		s.level = tenantLevel
	case strings.HasPrefix(strings.ToLower(id), strings.ToLower(managementPrefix)) && len(parts) == 4:
		s.level, s.management, s.mgKnown = managementLevel, parts[3], true
	case strings.EqualFold(parts[0], "subscriptions") && len(parts) == 2:
		s.level, s.subscription, s.subscriptionKnown = subscriptionLevel, parts[1], true
	case strings.EqualFold(parts[0], "subscriptions") && len(parts) == 4 && strings.EqualFold(parts[2], "resourceGroups"):
		s.level, s.subscription, s.subscriptionKnown = groupLevel, parts[1], true
		s.group, s.groupKnown = parts[3], true
	default:
		return s, false
	}
	return s, true
}
