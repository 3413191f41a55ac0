// SPDX-License-Identifier: Apache-2.0

// Package arm holds the questions that are put to Azure Resource Manager,
// Resource Graph and Log Analytics. They are data: the engine in package
// collect does the asking.
//
// Resource Graph lists what there is, and how many, in few requests, but it
// follows the providers with a delay and does not have every type. The fields
// that decide a check are therefore read again from the resource's own
// provider (Ask.Direct), and what Resource Graph lacks is read below.
//
// Every request only reads: GET, or POST to one of the few endpoints that take
// a query as a body. Nothing here lists keys, connection strings or publishing
// credentials: these are POST actions of the providers, and none is asked.
package arm

import (
	"slices"
	"strings"

	"github.com/tickmark/tickmark/collect"
)

// typeSubscription is the type of the scope of nearly every question.
const typeSubscription = "Microsoft.Resources/subscriptions"

// rest is where Microsoft documents the requests; docs are its other pages.
const (
	rest = "https://learn.microsoft.com/rest/api/"
	docs = "https://learn.microsoft.com/azure/"
)

// Source returns the source with its questions.
func Source() collect.Source {
	return collect.Source{
		Name:  "arm",
		Title: "Azure Resource Manager",
		Asks: slices.Concat(
			parts(tenantAsks()), parts(activityAsksAbove()), parts(pimAsksAbove()), permissionAsks(), proven(slices.Concat(
				indexAsks(), subscriptionAsks(), parts(accessAsks()), parts(policyAsks()), defenderAsks(), parts(monitorAsks()),
			)), parts(pimAsksBelow()), childAsks(), backupAsks(), sentinelAsks(), parts(diagnosticAsks()), logAsks(), archiveAsks(),
		),
		Scope: scope,
	}
}

// parts marks the lists of what can be set on any scope: each holds what
// applies to one, and shares some of it with others.
func parts(asks []collect.Ask) []collect.Ask {
	for i := range asks {
		asks[i].Part = slices.ContainsFunc(asks[i].Types, func(t string) bool {
			return strings.HasPrefix(t, "Microsoft.Authorization/") || t == "Microsoft.Insights/diagnosticSettings"
		})
	}
	return asks
}

// scope is the subscription in which a subject lies; "" is the tenant, to
// which management groups and what is set on them belong.
func scope(s *collect.Subject) string {
	const prefix = "/subscriptions/"
	for ; s != nil; s = s.Of {
		if len(s.ID) <= len(prefix) || !strings.EqualFold(s.ID[:len(prefix)], prefix) {
			continue
		}
		id, _, _ := strings.Cut(s.ID[len(prefix):], "/")
		return prefix + strings.ToLower(id)
	}
	return ""
}

// general are the error codes of Resource Manager that mean the same wherever
// they occur. Sources: the pages "Common deployment errors" and "Resolve errors
// for resource provider registration" under azure-resource-manager/troubleshooting.
//
// A provider that is not registered in a subscription has no resources there:
// it cannot be unregistered while it has any.
var general = []collect.Answer{
	{Status: 404, Code: "SubscriptionNotFound", Means: collect.MeansGone},
	{Status: 404, Code: "ResourceGroupNotFound", Means: collect.MeansGone},
	{Status: 404, Code: "ParentResourceNotFound", Means: collect.MeansGone},
	{Status: 409, Code: "MissingSubscriptionRegistration", Means: collect.MeansNone},
	{Code: "InvalidResourceNamespace", Means: collect.MeansNotOffered},
	{Code: "InvalidResourceType", Means: collect.MeansNotOffered},
	{Code: "NoRegisteredProviderFound", Means: collect.MeansNotOffered},
}

// lost says that the service does not know the resource asked about, which was
// listed: it is gone, or the service answers so for want of a feature. It holds
// for lists below a resource; an object that a resource may lack needs its own
// answer.
var lost = collect.Answer{Status: 404, Code: "ResourceNotFound", Means: collect.MeansGone}

// absent are the answers for an object that a resource may lack. The codes are
// named: a 404 without one can come from anything on the way.
func absent(code string) []collect.Answer {
	return []collect.Answer{
		{Status: 404, Code: code, Means: collect.MeansNone},
		{Status: 404, Code: "ResourceNotFound", Means: collect.MeansNone},
	}
}

// fill completes an ask to Resource Manager with what most of them share: the
// provider itself answers, with a list in pages of links.
func fill(a collect.Ask) collect.Ask {
	a.Host = collect.HostARM
	a.Pace = collect.PaceARM
	if a.Form == "" {
		a.Form = "armList"
		a.Paging = collect.PageNextLink
	}
	if a.Entity == "" {
		a.Direct = true
	}
	if a.Needs.Permission == "" && len(a.Types) > 0 {
		a.Needs.Permission = a.Types[0] + "/read"
	}
	if a.Needs.Role == "" {
		a.Needs.Role = roleReader
	}
	a.Answers = slices.Concat(a.Answers, general)
	return a
}

// each fills asks that are put once for every subscription. Their path is that
// of the first type's list unless stated.
func each(asks ...collect.Ask) []collect.Ask {
	for i, a := range asks {
		if a.Path == "" {
			a.Path = "{id}/providers/" + a.Types[0]
		}
		if a.Of == nil {
			a.Of = []string{typeSubscription}
		}
		asks[i] = fill(a)
	}
	return asks
}

// below fills asks that are put once for every resource of a type. Their path
// is that of the first type's list, which is a child of it, unless stated.
func below(parent, version string, asks ...collect.Ask) []collect.Ask {
	for i, a := range asks {
		a.Of = []string{parent}
		if a.APIVersion == "" {
			a.APIVersion = version
		}
		if a.Path == "" {
			a.Path = "{id}" + strings.TrimPrefix(a.Types[0], parent)
		}
		if a.Form == "" {
			a.Answers = append(a.Answers, lost)
		}
		asks[i] = fill(a)
	}
	return asks
}
