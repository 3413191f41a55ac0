// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"strings"
	"unsafe"
)

// Two containers have no provider segment in their ids, and resource groups
// have two spellings of their type in Azure's own answers.
const (
	TypeSubscription  = "Microsoft.Resources/subscriptions"
	TypeResourceGroup = "Microsoft.Resources/subscriptions/resourceGroups"
	TypeOrganization  = "graph/organization"
)

// aliases maps other spellings of a type, lower-case, to the one we use.
var aliases = map[string]string{
	"microsoft.resources/resourcegroups": TypeResourceGroup,
}

// builtin are canonical spellings that need no table from the caller.
var builtin = map[string]string{
	"microsoft.resources/subscriptions":                TypeSubscription,
	"microsoft.resources/subscriptions/resourcegroups": TypeResourceGroup,
	"graph/organization":                               TypeOrganization,
}

// withoutProperties are the ARM types, lower-case, whose objects carry their
// facts at the root; everything else without properties is a summary.
var withoutProperties = map[string]bool{
	"microsoft.resources/subscriptions":           true,
	"microsoft.resources/subscriptions/locations": true,
	"microsoft.resources/tenants":                 true,
	"microsoft.insights/eventtypes/values":        true,
	"microsoft.insights/eventtypes/management":    true,
}

// recordSources are the first segments of types that are not ARM's. Their
// objects are records: data without a properties object.
var recordSources = []string{"arm/", "graph/", "devops/", "github/", "power/", "m365/", "hr/", "security/", "tickets/"}

// IsRecord reports whether a type is one of records (Microsoft Graph, Azure
// DevOps …) rather than an ARM type.
func IsRecord(typ string) bool {
	for _, s := range recordSources {
		if len(typ) > len(s) && strings.EqualFold(typ[:len(s)], s) {
			return true
		}
	}
	return false
}

// TypeOfID is the ARM type of a resource's id, in the id's own spelling; empty
// if the id is not one of a resource.
func TypeOfID(id string) string { return typeOfID(id, strings.ToLower(id)) }

// typeOfID derives the ARM type from an id, in the id's own spelling; empty
// if the id is not one of a resource.
func typeOfID(id, key string) string {
	if i := strings.LastIndex(key, "/providers/"); i >= 0 {
		rest := id[i+len("/providers/"):]
		namespace, rest, ok := strings.Cut(rest, "/")
		if !ok {
			return ""
		}
		var typ strings.Builder
		typ.WriteString(namespace)
		for rest != "" {
			var segment string
			segment, rest, _ = strings.Cut(rest, "/")
			typ.WriteString("/" + segment)
			_, rest, _ = strings.Cut(rest, "/") // the name
		}
		return typ.String()
	}
	parts := strings.Split(strings.Trim(key, "/"), "/")
	switch {
	case len(parts) == 2 && parts[0] == "subscriptions":
		return TypeSubscription
	case len(parts) == 4 && parts[0] == "subscriptions" && parts[2] == "resourcegroups":
		return TypeResourceGroup
	}
	return ""
}

// scopeOf finds the subscription (lower-case) and the resource group (as
// spelled) in an id.
func scopeOf(id, key string) (subscription, group string) {
	const subs, groups = "/subscriptions/", "resourcegroups/"
	if !strings.HasPrefix(key, subs) {
		return "", ""
	}
	rest := key[len(subs):]
	n := strings.IndexByte(rest, '/')
	if n < 0 {
		return rest, ""
	}
	subscription = rest[:n]
	rest = rest[n+1:]
	if !strings.HasPrefix(rest, groups) {
		return subscription, ""
	}
	start := len(subs) + n + 1 + len(groups)
	end := len(id)
	if m := strings.IndexByte(rest[len(groups):], '/'); m >= 0 {
		end = start + m
	}
	return subscription, id[start:end]
}

// parentOf returns the key of what a resource lies in: the resource above a
// child, the resource an extension is set on, else the resource group or the
// subscription. It is a prefix of key.
func parentOf(key string) string {
	i := strings.LastIndex(key, "/providers/")
	if i < 0 {
		if j := strings.LastIndex(key, "/resourcegroups/"); j > 0 {
			return key[:j]
		}
		return ""
	}
	rest := key[i+len("/providers/"):]
	if strings.Count(rest, "/") <= 2 { // namespace/type/name: nothing above inside the provider
		return key[:i]
	}
	j := strings.LastIndexByte(key, '/')
	if j = strings.LastIndexByte(key[:j], '/'); j < 0 {
		return ""
	}
	return key[:j]
}

func lastSegment(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }

// arena hands out lower-cased copies of ids from large blocks, so that a
// hundred thousand keys are a few allocations.
type arena struct{ block []byte }

const arenaBlock = 64 << 10

// lower returns s in lower case; s itself if it already is.
func (a *arena) lower(s string) string {
	i := 0
	for i < len(s) && (s[i] < 'A' || s[i] > 'Z') && s[i] < 0x80 {
		i++
	}
	if i == len(s) {
		return s
	}
	for j := i; j < len(s); j++ {
		if s[j] >= 0x80 {
			return strings.ToLower(s)
		}
	}
	b := a.take(len(s))
	copy(b, s[:i])
	for ; i < len(s); i++ {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		b[i] = c
	}
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // never written again
}

// join returns a + b.
func (a *arena) join(parts ...string) string {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	if n == 0 {
		return ""
	}
	b := a.take(n)
	at := 0
	for _, p := range parts {
		at += copy(b[at:], p)
	}
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // never written again
}

func (a *arena) take(n int) []byte {
	if n > len(a.block) {
		a.block = make([]byte, max(arenaBlock, n))
	}
	b := a.block[:n:n]
	a.block = a.block[n:]
	return b
}
