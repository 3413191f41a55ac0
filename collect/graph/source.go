// SPDX-License-Identifier: Apache-2.0

// Package graph holds the questions that are put to Microsoft Graph, which serves Entra ID, Intune and Microsoft 365.
// They are data: the engine in package collect does the asking. What Graph has no question for (mail flow, data loss
// prevention, unified audit configuration, Teams) comes as printed PowerShell output, through package collect/file.
package graph

import (
	"github.com/tickmark/tickmark/collect"
)

// question is an ask with the facts about it that the engine does not need.
type question struct {
	collect.Ask
	// doc is the page that documents the request, below
	// learn.microsoft.com/graph/api/.
	doc string
	// beta says why the beta version is asked; empty for v1.0.
	beta string
	// note says what of it could not be checked against the documentation, or
	// what a reader must know.
	note string
}

// always says of the lists of which every tenant has a row why it does: an
// identity to which such a list is empty does not see it. Pages are below
// learn.microsoft.com.
var always = map[string]string{
	"organization":              "a tenant is one (graph/api/resources/organization)",
	"domains":                   "the initial domain cannot be removed (entra/fundamentals/add-custom-domain)",
	"users":                     "a tenant is made by a user, who is its first administrator (entra/fundamentals/create-new-tenant)",
	"service-principals":        "the identity that asks is one, and so are Microsoft's own applications (entra/identity-platform/app-objects-and-service-principals)",
	"role-definitions":          "the built-in roles (entra/identity/role-based-access-control/permissions-reference)",
	"role-assignments":          "the last Global Administrator cannot be removed (that the service refuses it is unverified; a tenant without one is lost)",
	"authentication-strengths":  "three are built in (entra/identity/authentication/concept-authentication-strengths)",
	"role-settings":             "each directory role has its settings (graph/identity-governance-pim-rules-overview)",
	"role-settings-assignments": "each directory role has its settings (graph/identity-governance-pim-rules-overview)",
}

// Source returns the source with its questions. Its scope is the tenant.
func Source() collect.Source {
	s := collect.Source{Name: "graph", Title: "Microsoft Graph"}
	for _, q := range questions() {
		q.Doc = "https://learn.microsoft.com/graph/api/" + q.doc
		q.NotEmpty = always[q.Name] != ""
		s.Asks = append(s.Asks, q.Ask)
	}
	return s
}

// questions lists all questions: licences first, because what is not licensed
// cannot be answered; what others are asked about before the others.
func questions() []question {
	var all []question
	for _, part := range [][]question{directory(), roles(), policies(), applications(), governance(), logs(), devices(), microsoft365()} {
		all = append(all, part...)
	}
	return all
}

// Remark is what a reader must know of an ask beside the request.
type Remark struct {
	// Beta says why the beta version is asked; empty for v1.0.
	Beta string
	// Note is what else there is to know, such as what is unverified.
	Note string
}

// Remarks returns the remarks by the asks' names.
func Remarks() map[string]Remark {
	remarks := map[string]Remark{}
	for _, q := range questions() {
		if q.beta != "" || q.note != "" {
			remarks[q.Name] = Remark{Beta: q.beta, Note: q.note}
		}
	}
	return remarks
}

// The service plans that a feature needs, as /subscribedSkus names them.
// Source: "Product names and service plan identifiers for licensing".
var (
	p1     = []string{"AAD_PREMIUM", "AAD_PREMIUM_P2"}
	p2     = []string{"AAD_PREMIUM_P2", "Entra_Identity_Governance"}
	risk   = []string{"AAD_PREMIUM_P2"}
	govern = []string{"Entra_Identity_Governance"}
	intune = []string{"INTUNE_A"}
)

// list is a collection of the tenant.
func list(name, about, path, entity, permission string) collect.Ask {
	return collect.Ask{
		Name: name, About: about, Host: collect.HostGraph, Path: path, Paging: collect.PageODataLink,
		Form: "graphCollection", Entity: entity, Types: []string{entity}, Direct: true, Pace: collect.PaceGraph,
		Needs: collect.Need{Permission: permission, Role: "application permission of Microsoft Graph, with admin consent"},
	}
}

// single is the one object of its kind.
func single(name, about, path, entity, permission string) collect.Ask {
	a := list(name, about, path, entity, permission)
	a.Form, a.Paging = "graphEntity", collect.PageOne
	return a
}

// counted makes a collection of directory objects, or a relation of one, declare
// its total, which is how a lost page is found out. Counting is an advanced query: it needs the
// header. (learn.microsoft.com/graph/aad-advanced-queries)
func counted(a collect.Ask, selected string) collect.Ask {
	a.Query = "$count=true&$top=999"
	if selected != "" {
		a.Query = "$select=" + selected + "&" + a.Query
	}
	a.PageSize = 999
	a.Header = map[string]string{"ConsistencyLevel": "eventual"}
	return a
}

// of makes an ask one about each record of a type.
func of(a collect.Ask, typ string, where func(*collect.Subject) bool) collect.Ask {
	a.Of, a.Where = []string{typ}, where
	// A subject that was deleted since it was listed answers so.
	a.Answers = append(a.Answers, collect.Answer{Status: 404, Code: "Request_ResourceNotFound", Means: collect.MeansGone})
	return a
}

func query(a collect.Ask, q string) collect.Ask {
	a.Query = q
	return a
}

func licensed(a collect.Ask, plans []string) collect.Ask {
	a.Needs.Licence = plans
	return a
}
