// SPDX-License-Identifier: Apache-2.0

package work

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/jsontape"
)

// Writer is a source whose identity can write, or of which it is not known
// that it cannot.
type Writer struct {
	Source string `json:"source"`
	// Why says what it can do, or why that is not known.
	Why string `json:"why"`
	// Accepted is the reason for which a person accepted it; empty: nobody did.
	Accepted string `json:"accepted,omitempty"`
}

// Access is what was found out about an identity at a source before anything
// was read there.
type Access struct {
	Source string `json:"source"`
	// Writes says that it can write there, or that it is not known that it
	// cannot.
	Writes bool `json:"writes"`
	// Why says by what it can write, why that is not known, or what shows that it
	// cannot.
	Why string `json:"why"`
	// Accepted is the reason for which a person accepted a writer.
	Accepted string `json:"accepted,omitempty"`
}

// Accesses finds out at which of the sources the identity can write. What cannot
// be found out counts as can. Only requests that read are sent.
func Accesses(ctx context.Context, sources []collect.Source, o collect.Options, accepted map[string]string) ([]Access, error) {
	var out []Access
	for i := range sources {
		a := Access{Source: sources[i].Name}
		var shown string
		var err error
		switch a.Source {
		case "arm":
			a.Why, err = armWriter(ctx, o)
			shown = "its effective permissions in each subscription, and where it has a role below, only read"
		case "graph":
			a.Why = graphWriter(ctx, o)
			shown = "the permissions and directory roles in its token only read"
		case "devops":
			a.Why, shown, err = devopsWriter(ctx, o)
		case "github":
			a.Why, shown = gitHubWriter(ctx, o)
		case "power":
			a.Why, shown, err = powerWriter(ctx, o)
		default:
			a.Why = "what the identity may do there cannot be asked; give it read rights only"
		}
		if err != nil {
			return nil, err
		}
		if a.Writes = a.Why != ""; a.Writes {
			a.Accepted = accepted[a.Source]
		} else {
			a.Why = shown
		}
		out = append(out, a)
	}
	return out, nil
}

// WritersOf are those of the sources at which the identity can write.
func WritersOf(all []Access) []Writer {
	var out []Writer
	for _, a := range all {
		if a.Writes {
			out = append(out, Writer{Source: a.Source, Why: a.Why, Accepted: a.Accepted})
		}
	}
	return out
}

// Writers finds out at which of the sources the identity can write. What cannot
// be found out counts as can.
func Writers(ctx context.Context, sources []collect.Source, o collect.Options, accepted map[string]string) ([]Writer, error) {
	all, err := Accesses(ctx, sources, o, accepted)
	return WritersOf(all), err
}

// RefuseWriters is an error for the writers that nobody accepted.
func RefuseWriters(all []Writer) error {
	for _, w := range all {
		if w.Accepted == "" {
			return &tickmark.Error{
				Code: tickmark.CodeUsage, Where: w.Source, What: "the identity can write, or may: " + w.Why,
				Hint: fmt.Sprintf("use one that can only read (tickmark permissions prints how to make it), or take the risk by name:\n--accept-writer '%s=why this is acceptable'", w.Source),
			}
		}
	}
	return nil
}

// harmless are the ARM actions that read although their names end otherwise:
// queries that are sent as POST.
// Source: Azure resource provider operations, Microsoft.PolicyInsights and
// Microsoft.OperationalInsights.
var harmless = map[string]bool{
	"microsoft.policyinsights/policystates/summarize/action":          true,
	"microsoft.policyinsights/policystates/queryresults/action":       true,
	"microsoft.operationalinsights/workspaces/analytics/query/action": true,
	"microsoft.operationalinsights/workspaces/search/action":          true,
	// A key that signs for no more than the identity may do itself.
	"microsoft.storage/storageaccounts/blobservices/generateuserdelegationkey/action": true,
}

const (
	typePermission  = "arm/permissions"
	typeAssignments = "arm/ownAssignments"
	typeBelow       = "arm/permissionsBelow"
)

// objectID is what may stand in a filter as the identity's own id.
var objectID = regexp.MustCompile(`^[0-9A-Fa-f-]{36}$`)

// accessSource asks what the identity may do in each subscription, and at each
// scope below at which it, or a group that it is in, has a role: a contributor
// of one resource group is nothing more than a reader at its subscription.
// Sources: Permissions - List For Resource Group, and the filter assignedTo of
// role assignments (docs + role-based-access-control/role-assignments-list-rest).
func accessSource(oid string) collect.Source {
	permissions := func(name, about, of, path, typ string) collect.Ask {
		return collect.Ask{
			Name: name, About: about, Of: []string{of}, Host: collect.HostARM, Path: path + "/providers/Microsoft.Authorization/permissions", APIVersion: "2022-04-01",
			Form: "armList", Entity: typ, Identity: "#", Types: []string{typ}, Pace: collect.PaceARM,
			Needs: collect.Need{Permission: "Microsoft.Authorization/permissions/read", Role: "Reader"},
		}
	}
	below := permissions("permissions-below", "what the identity may do where it has a role below a subscription", typeAssignments, "{properties.scope}", typeBelow)
	below.Where = func(s *collect.Subject) bool {
		scope := strings.ToLower(s.Item.Get("properties").Get("scope").Str())
		return strings.HasPrefix(scope, "/subscriptions/") && strings.Count(strings.TrimRight(scope, "/"), "/") > 2
	}
	return collect.Source{Name: "arm", Title: "Azure Resource Manager", Asks: []collect.Ask{
		{
			Name: "subscriptions", About: "the subscriptions that the identity sees", Host: collect.HostARM, Path: "/subscriptions", APIVersion: "2022-12-01",
			Form: "armList", Paging: collect.PageNextLink, Types: []string{"Microsoft.Resources/subscriptions"}, Pace: collect.PaceARM,
			Needs: collect.Need{Permission: "Microsoft.Resources/subscriptions/read", Role: "Reader"},
		},
		permissions("permissions", "what the identity may do in a subscription", "Microsoft.Resources/subscriptions", "{id}", typePermission),
		{
			Name: "own-assignments", About: "the roles that the identity has in a subscription and below", Of: []string{"Microsoft.Resources/subscriptions"},
			Host: collect.HostARM, Path: "{id}/providers/Microsoft.Authorization/roleAssignments", Query: "$filter=assignedTo('" + oid + "')", APIVersion: "2022-04-01",
			Form: "armList", Paging: collect.PageNextLink, Entity: typeAssignments, Types: []string{typeAssignments}, Pace: collect.PaceARM,
			Needs: collect.Need{Permission: "Microsoft.Authorization/roleAssignments/read", Role: "Reader"},
		},
		below,
	}}
}

// armWriter says what the identity can write in Azure Resource Manager.
func armWriter(ctx context.Context, o collect.Options) (why string, err error) {
	claims, why := whoAsks(ctx, o, collect.HostARM)
	if why != "" {
		return why + ", so what it may do below its subscriptions cannot be asked", nil
	}
	err = askAccess(ctx, accessSource(claims.Object), o, func(s *tickmark.Snapshot) { why = writes(s) })
	return why, err
}

// whoAsks reads the token for a host; why says why it does not say who asks.
func whoAsks(ctx context.Context, o collect.Options, host collect.Host) (c claims, why string) {
	header, _, err := o.Credentials.Token(ctx, host, o.Endpoints.Audience[host])
	if err != nil {
		return c, "it cannot sign in: " + err.Error()
	}
	c, ok := claimsOf(header)
	if !ok || !objectID.MatchString(c.Object) {
		return c, "its token does not say who it is"
	}
	return c, ""
}

// askAccess puts the questions of a source about the identity's own rights.
// Scopes that the operator left out are left out here, too, and questions are
// not; nothing of the answers is kept.
func askAccess(ctx context.Context, source collect.Source, o collect.Options, read func(*tickmark.Snapshot)) (err error) {
	dir, err := os.MkdirTemp(o.Dir, "access-")
	if err != nil {
		return err
	}
	defer func() {
		if e := os.RemoveAll(dir); err == nil {
			err = e
		}
	}()
	o.Dir, o.Only, o.Progress = dir, nil, nil
	o.Exclude = slices.DeleteFunc(slices.Clone(o.Exclude), func(x collect.Exclusion) bool { return strings.HasPrefix(x.Scope, source.Name+"/") })
	run, err := collect.Run(ctx, []collect.Source{source}, o)
	if err != nil {
		return err
	}
	defer func() {
		if e := run.Close(); err == nil {
			err = e
		}
	}()
	read(run.Snapshot)
	return nil
}

// unanswered says which of a source's questions was not answered whole; empty
// where all were.
func unanswered(s *tickmark.Snapshot) string {
	for i := range s.Segments {
		for k := range s.Segments[i].Coverage.Asks {
			if a := &s.Segments[i].Coverage.Asks[k]; a.Missing != tickmark.ReasonNone || len(a.Refusals) > 0 {
				detail := a.Detail
				if len(a.Refusals) > 0 {
					detail = strings.TrimSpace(a.Refusals[0].Code + " " + a.Refusals[0].Detail)
				}
				return "what it may do was not answered (" + a.Name + ": " + detail + ")"
			}
		}
	}
	return ""
}

// writes reads the answers about permissions.
func writes(s *tickmark.Snapshot) string {
	granted := map[string]bool{} // scopes at or below which it has something
	var seen []string
	for i := range s.Segments {
		seg := &s.Segments[i]
		for k := range seg.Pages {
			p := &seg.Pages[k]
			switch p.Ask {
			case "permissions":
				seen = append(seen, strings.ToLower(p.Subject))
			case "permissions-below":
				if len(p.Items) == 0 {
					return "what the role at " + p.Subject + " lets it do was not answered"
				}
			default:
				continue
			}
			if what := mayWrite(p); what != "" {
				return what + " in " + p.Subject
			}
			if len(p.Items) > 0 {
				granted[subscriptionIn(p)] = true
			}
		}
	}
	if why := unanswered(s); why != "" {
		return why
	}
	for _, sub := range seen {
		if !granted[sub] {
			return "it sees " + sub + ", and neither its permissions there nor its roles below say by what"
		}
	}
	if len(seen) == 0 {
		return "it sees no subscription, and what it may do elsewhere was not asked. If it has no role yet: tickmark permissions; if the tenant has no subscriptions: --exclude 'arm=no Azure subscriptions'"
	}
	return ""
}

// subscriptionIn is the subscription that a page of permissions was asked in.
func subscriptionIn(p *tickmark.Page) string {
	_, path, _ := strings.Cut(strings.ToLower(p.Request.URL), "/subscriptions/")
	id, _, _ := strings.Cut(path, "/")
	return "/subscriptions/" + id
}

// mayWrite names an action in a page of permissions that can change something.
func mayWrite(p *tickmark.Page) string {
	for _, it := range p.Items {
		tape, err := jsontape.Parse(p.Bytes[it.Off:it.Off+it.Len], jsontape.Options{})
		if err != nil {
			return "permissions that cannot be read"
		}
		if tape.Root().Get("actions").Kind() != jsontape.Array {
			return "permissions that cannot be read"
		}
		for _, m := range [2][2]string{{"actions", "notActions"}, {"dataActions", "notDataActions"}} {
			var not []string
			for v := range tape.Root().Get(m[1]).Elems() {
				not = append(not, strings.ToLower(v.Str()))
			}
			for v := range tape.Root().Get(m[0]).Elems() {
				a := strings.ToLower(v.Str())
				if a == "" {
					return "permissions that cannot be read"
				}
				if !readsOnly(a) && !slices.Contains(not, "*") && !slices.Contains(not, a) {
					return v.Str()
				}
			}
		}
	}
	return ""
}

func readsOnly(action string) bool {
	return action == "*/read" || strings.HasSuffix(action, "/read") || harmless[action]
}

// readingRoles are the directory roles, by template, that an application may
// have without being able to write.
// Source: Microsoft Entra built-in roles (template ids).
var readingRoles = map[string]string{
	"f2ef992c-3afb-46b9-b7cf-a126ee74c451": "Global Reader",
	"5d6b6bb7-de71-4623-b4af-96380a352509": "Security Reader",
	"88d8e3e3-8f55-4a1e-953a-9b9898b8876b": "Directory Readers",
	"4a5d8f65-41da-4de4-8968-e035b65339cf": "Reports Reader",
	// In the tokens of every application, and of every member (unverified: seen
	// in tokens, not found in the documentation).
	"0997a1d0-0d1d-4acb-b408-d5ca73121e90": "",
	"b79fbf4d-3ef9-4689-8143-76b194e85509": "",
}

// graphWriter says what the identity can write by Microsoft Graph, from the
// claims of its own token: roles of an application, scopes of a person.
func graphWriter(ctx context.Context, o collect.Options) string {
	header, _, err := o.Credentials.Token(ctx, collect.HostGraph, o.Endpoints.Audience[collect.HostGraph])
	if err != nil {
		return "it cannot sign in: " + err.Error()
	}
	return tokenWrites(header)
}

// claims are what a token says of the identity and its rights.
type claims struct {
	Kind   string   `json:"idtyp"`
	Tenant string   `json:"tid"`
	Object string   `json:"oid"`
	Roles  []string `json:"roles"`
	Scope  string   `json:"scp"`
	Wids   []string `json:"wids"`
	App    string   `json:"appid"`
	Party  string   `json:"azp"` // what appid is in tokens of version 2
}

// application is the client id of who asked for the token.
func (c *claims) application() string { return cmp.Or(c.App, c.Party) }

// claimsOf reads the claims of a header with a token; not ok where it is opaque.
func claimsOf(header string) (c claims, ok bool) {
	_, token, _ := strings.Cut(header, " ")
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return c, false
	}
	return c, json.Unmarshal(raw, &c) == nil
}

func tokenWrites(header string) string {
	const opaque = "its token does not say what it may do"
	claims, ok := claimsOf(header)
	if !ok {
		return opaque
	}
	app := claims.Kind == "app" || claims.Scope == "" && len(claims.Roles) > 0
	if !app && claims.Scope == "" {
		return opaque
	}
	for _, p := range append(claims.Roles, strings.Fields(claims.Scope)...) {
		if !readPermission(p) {
			return p
		}
	}
	if app {
		for _, w := range claims.Wids {
			if _, ok := readingRoles[strings.ToLower(w)]; !ok {
				return "the directory role " + w
			}
		}
	}
	return ""
}

// readingWords are what follows the resource in the names of permissions of
// Microsoft Graph that only read: what may be done, and then of which part.
// Source: Microsoft Graph permissions reference (concepts/includes/permissions-ids.md
// of microsoft-graph-docs-contrib). Names are given freely there (ReadUpdate.All
// reads and updates), so that a word that is not here counts as writing.
var readingWords = [2]map[string]bool{
	{"Read": true, "ReadBasic": true, "ReadForChat": true, "ReadForTeam": true, "ReadForUser": true},
	{
		"All": true, "Directory": true, "CloudPC": true, "AzureAD": true, "AzureADGroup": true, "AzureResources": true, "PermissionGrant": true,
		"Hidden": true, "Shared": true, "Selected": true, "WhereInstalled": true,
	},
}

// readPermission reports whether a permission of Microsoft Graph is known to
// read only: RESOURCE.WORD or RESOURCE.WORD.PART, or one of sign-in itself.
func readPermission(p string) bool {
	switch p {
	case "openid", "profile", "email", "offline_access":
		return true
	}
	parts := strings.Split(p[strings.LastIndexByte(p, '/')+1:], ".")
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" {
		return false
	}
	for i, word := range parts[1:] {
		if !readingWords[i][word] {
			return false
		}
	}
	return true
}
