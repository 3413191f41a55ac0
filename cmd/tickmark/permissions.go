// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/collect/arm"
	"github.com/tickmark/tickmark/collect/graph"
	"github.com/tickmark/tickmark/work"
)

// permissionsCommand is tickmark permissions.
type permissionsCommand struct {
	placeFlags
	Only          []string `placeholder:"SOURCE" help:"Only these: graph, arm, devops, github, power. Default: all."`
	App           bool     `help:"Also make the app registration with its certificate; without it the script wants the ids of an identity that exists."`
	Bicep         bool     `help:"Print the Azure role assignments as a Bicep file at the root management group, instead of the script."`
	Subscriptions []string `placeholder:"ID" help:"Assign the Azure roles in these subscriptions only, instead of at the root management group."`
}

// Help is the long description.
func (c *permissionsCommand) Help() string {
	return `The script asks for nothing that can write. A person with the right to grant runs it once:

    tickmark permissions --app > grant.sh
    # Azure roles: Owner or User Access Administrator at the root management group; at the
    # tenant's own scopes a Global Administrator with elevated access (the script names them)
    # Graph consent: Privileged Role Administrator or Global Administrator
    sh grant.sh

What it makes it writes into tickmark-undo.sh, which takes that away again, and nothing else.

The script is for one cloud: give --cloud and --m365 as for tickmark collect.`
}

// Run prints the script.
func (c *permissionsCommand) Run(rc *runContext) error {
	sources, err := work.ChooseSources(c.Only)
	if err != nil {
		return err
	}
	ends, err := collect.EndpointsOf(c.Cloud, c.M365)
	if err != nil {
		return err
	}
	if c.Bicep && !slices.ContainsFunc(sources, func(s collect.Source) bool { return s.Name == "arm" }) {
		return &tickmark.Error{Code: tickmark.CodeUsage, Where: "--bicep", What: "a Bicep file has roles of Azure only, and arm is not among the sources", Hint: "leave --bicep out, or add --only arm"}
	}
	w := bufio.NewWriter(rc.Out)
	p := &grantScript{w: w, sources: sources, command: c, ends: ends, graphURL: ends.URL[collect.HostGraph], azKnows: azKnowsGraph(c.Cloud, c.M365)}
	p.az, p.region = collect.AzureCLI(ends.Cloud)
	if c.Bicep {
		p.bicep()
	} else {
		p.shell()
	}
	return w.Flush()
}

// azKnowsGraph says whether az ad asks the Graph of this environment: az has one
// for each cloud, and the environments of a cloud may have others.
func azKnowsGraph(cloud, m365 string) bool {
	this, err := collect.EndpointsOf(cloud, m365)
	usual, other := collect.EndpointsOf(cloud, "")
	return err == nil && other == nil && this.URL[collect.HostGraph] == usual.URL[collect.HostGraph]
}

// grantScript writes what grants the permissions, from the sources' own data.
type grantScript struct {
	w       *bufio.Writer
	sources []collect.Source
	command *permissionsCommand
	ends    collect.Endpoints
	// az is the cloud's name in az, region one of its regions.
	az, region string
	// graphURL is this environment's Graph; azKnows says that az ad asks it, too.
	graphURL string
	azKnows  bool
	steps    int
}

// step begins the next numbered part of the script, whichever parts it has.
func (p *grantScript) step(format string, args ...any) {
	p.steps++
	p.say("\n# %d. "+format, append([]any{p.steps}, args...)...)
}

func (p *grantScript) say(format string, args ...any) {
	fmt.Fprintf(p.w, format+"\n", args...)
}

// source is one of those that were chosen, or nil.
func (p *grantScript) source(name string) *collect.Source {
	for i := range p.sources {
		if p.sources[i].Name == name {
			return &p.sources[i]
		}
	}
	return nil
}

// asks are the chosen questions of a source that exist in this cloud: what is
// not offered there needs no permission.
func (p *grantScript) asks(s *collect.Source) []collect.Ask {
	all := len(p.command.Only) == 0 || slices.Contains(p.command.Only, s.Name)
	var out []collect.Ask
	for i := range s.Asks {
		a := &s.Asks[i]
		if (all || slices.Contains(p.command.Only, s.Name+"/"+a.Name)) && !slices.Contains(a.NotOffered, p.ends.Cloud) && !slices.Contains(a.NotOffered, p.ends.Microsoft365) {
			out = append(out, *a)
		}
	}
	return out
}

func (p *grantScript) shell() {
	p.say("#!/bin/sh\n# The least privilege with which tickmark %s reads. Nothing here can write to your cloud.\n# Printed by: tickmark permissions. Read it before you run it. It can run again: what is there is left as it is.\nset -eu", engineVersion())
	p.say("\n# Azure %s, Microsoft 365 %s. az has a sign-in of its own for each cloud: if it has none here yet, az login.", p.ends.Cloud, p.ends.Microsoft365)
	p.say("az cloud set --name %s", p.az)
	p.say("TENANT=$(az account show --query tenantId -o tsv)")
	p.say("GRAPH_URL=%s", p.graphURL)
	p.say(`ask() { path=$1; shift; az rest --resource "$GRAPH_URL" --url "$GRAPH_URL/v1.0/$path" "$@"; }

# What is made here, and nothing else, is taken away again by: sh tickmark-undo.sh
UNDO=${UNDO:-tickmark-undo.sh}
failed=
[ -f "$UNDO" ] || echo "az cloud set --name %s" >"$UNDO"
made() { { sed 1q "$UNDO"; printf '%%s\n' "$1"; sed 1d "$UNDO"; } >"$UNDO.new"; mv "$UNDO.new" "$UNDO"; } # the newest comes first`, p.az)
	if p.command.App {
		p.app()
	} else {
		p.say("\n# The identity that will read: application (client) id, and object id of its service principal.")
		p.say(": \"${APP_ID:?set APP_ID to the application (client) id, or print the script with --app}\"")
	}
	p.say(`OBJECT_ID=$(ask "servicePrincipals(appId='$APP_ID')" --query id -o tsv)`)
	if s := p.source("arm"); s != nil {
		p.roles(s)
	}
	if s := p.source("graph"); s != nil {
		p.graph(s)
	}
	p.notes()
	p.say("\necho \"reading as application $APP_ID in tenant $TENANT; to undo: sh $UNDO\"")
	p.say(`[ -z "$failed" ] || { echo "not everything was granted: see above" >&2; exit 1; }`)
}

func (p *grantScript) app() {
	p.step("An application with a certificate of its own; there is no client secret.")
	const there = `[ -z "$APP_ID" ] || { echo "there is an application tickmark-reader already ($APP_ID): print the script without --app and set APP_ID" >&2; exit 1; }`
	if p.azKnows {
		p.say("APP_ID=$(az ad app list --filter \"displayName eq 'tickmark-reader'\" --query '[0].appId' -o tsv)\n%s", there)
		p.say("APP_ID=$(az ad app create --display-name tickmark-reader --sign-in-audience AzureADMyOrg --query appId -o tsv)")
		p.say(`made "az ad app delete --id '$APP_ID'"`)
		p.say("az ad sp create --id \"$APP_ID\" --only-show-errors >/dev/null")
		p.say("az ad app credential reset --id \"$APP_ID\" --create-cert --years 1 --append --query fileWithCertAndPrivateKey -o tsv")
		return
	}
	// learn.microsoft.com/graph/applications-how-to-add-certificate
	p.say("# az ad does not ask the Graph of Microsoft 365 %s, so that this is done without it. Certificate and key: tickmark-reader.pem", p.ends.Microsoft365)
	p.say("APP_ID=$(ask \"applications?%%24filter=displayName%%20eq%%20'tickmark-reader'\" --query 'value[0].appId' -o tsv)\n%s", there)
	p.say(`APP_ID=$(ask applications --method post --body '{"displayName":"tickmark-reader","signInAudience":"AzureADMyOrg"}' --query appId -o tsv)
made "az rest --resource '$GRAPH_URL' --method delete --url \"$GRAPH_URL/v1.0/applications(appId='$APP_ID')\""
ask servicePrincipals --method post --body "{\"appId\":\"$APP_ID\"}" >/dev/null
(umask 077; openssl req -x509 -newkey rsa:3072 -nodes -days 365 -subj /CN=tickmark-reader -keyout tickmark-reader.pem -out tickmark-reader.crt; cat tickmark-reader.crt >>tickmark-reader.pem)
KEY=$(openssl x509 -in tickmark-reader.crt -outform der | openssl base64 -A)
ask "applications(appId='$APP_ID')" --method patch --body "{\"keyCredentials\":[{\"type\":\"AsymmetricX509Cert\",\"usage\":\"Verify\",\"key\":\"$KEY\"}]}"`)
}

// roles are the Azure roles, from the data of the source: those that the chosen
// questions need.
func (p *grantScript) roles(s *collect.Source) {
	p.step("Azure: reading roles.")
	if len(p.command.Subscriptions) > 0 {
		p.say("# In single subscriptions: what stands above them (management groups, inherited roles and policies, the tenant's logs) stays unknown.")
	}
	p.say(`ROOT=/providers/Microsoft.Management/managementGroups/$TENANT
assign() { # role, scope; a new identity or role takes a while to be known everywhere
  [ -z "$(az role assignment list --assignee "$OBJECT_ID" --role "$1" --scope "$2" --query '[0].id' -o tsv)" ] || { echo "has $1 at $2"; return 0; }
  tries=0
  until id=$(az role assignment create --assignee-object-id "$OBJECT_ID" --assignee-principal-type ServicePrincipal --role "$1" --scope "$2" --query id -o tsv); do
    tries=$((tries + 1))
    [ "$tries" -lt 4 ] || { echo "NOT ASSIGNED: $1 at $2" >&2; failed=yes; return 0; }
    sleep "${WAIT:-15}"
  done
  made "az role assignment delete --ids '$id'"
  echo "assigned $1 at $2"
}`)
	needs := p.asks(s)
	if slices.ContainsFunc(needs, func(a collect.Ask) bool {
		return a.Needs.Scope == arm.ScopeArchive || a.Needs.Scope == arm.ScopeWorkspace
	}) {
		p.finders(s)
	}
	for _, r := range arm.Roles() {
		scopes := p.scopes(r.Scope)
		if len(scopes) == 0 || !slices.ContainsFunc(needs, func(a collect.Ask) bool { return neededBy(&r, &a) }) {
			continue
		}
		p.say("\n# %s%s: %s.", r.Name, at(r.Scope), strings.TrimSuffix(r.Why, "."))
		prefix := ""
		if r.Instead || r.Spare {
			p.say("# Only if you need that; take the # away:")
			prefix = "# "
		}
		role := cmp.Or(r.ID, "'"+r.Name+"'")
		if len(r.Actions) > 0 {
			p.ownRole(&r, scopes)
		}
		switch r.Scope {
		case arm.ScopeArchive:
			p.say(`%sfor account in $(archives | grep -i /storageAccounts/ | sort -fu); do assign %s "$account"; done`, prefix, role)
		case arm.ScopeWorkspace:
			p.say(`%sfor workspace in $(workspaces | sort -u); do assign %s "$workspace"; done`, prefix, role)
		default:
			for _, scope := range scopes {
				p.say("%sassign %s %s", prefix, role, scope)
			}
		}
	}
}

// neededBy reports whether a question needs a role. Reader at the root group is
// what every question begins with.
func neededBy(r *arm.Role, a *collect.Ask) bool {
	if r.Scope == arm.ScopeRoot {
		return r.ID == readerRole || a.Needs.Role == r.Name
	}
	return a.Needs.Role == r.Name && a.Needs.Scope == r.Scope
}

// readerRole is the id of the role Reader.
const readerRole = "acdd72a7-3385-48ef-bd42-f606fba81ae7"

// at says where a role is, for people.
func at(scope string) string {
	switch scope {
	case arm.ScopeRoot:
		return ""
	case arm.ScopeArchive:
		return " at each storage account that logs are exported to"
	case arm.ScopeWorkspace:
		return " at each workspace"
	}
	return " at " + scope
}

// ownRole makes a role that is not built in.
func (p *grantScript) ownRole(r *arm.Role, scopes []string) {
	var in []string
	for _, s := range scopes {
		in = append(in, `"'`+s+`'"`)
	}
	p.say(`if [ -z "$(az role definition list --custom-role-only true --name '%[1]s' --scope %[2]s --query '[0].id' -o tsv)" ]; then
  if az role definition create --role-definition '{"Name":"%[1]s","Description":"Reads sums of policy states","Actions":[%[3]s],"AssignableScopes":[%[4]s]}' >/dev/null; then
    made "az role definition delete --custom-role-only true --name '%[1]s' --scope "%[2]s
  else
    echo "NOT MADE: the role %[1]s" >&2; failed=yes
  fi
fi`, r.Name, scopes[0], quotedList(r.Actions), strings.Join(in, ","))
}

// finders are the functions that find workspaces, and the storage accounts that
// logs are exported to: where the questions look for them, too. az rest reads
// the first page of a list.
func (p *grantScript) finders(s *collect.Source) {
	version := func(ask string) string {
		k := slices.IndexFunc(s.Asks, func(a collect.Ask) bool { return a.Name == ask })
		return s.Asks[k].APIVersion
	}
	p.say("\n# Where logs go: workspaces, and the storage accounts of diagnostic settings and of workspaces' exports.")
	p.say(`see() { az rest --url "%s$1" --query "$2" -o tsv || echo "not read: $1" >&2; }`, p.ends.URL[collect.HostARM])
	if list := p.command.Subscriptions; len(list) > 0 {
		p.say("subscriptions() { printf '%%s\\n' %s; }", strings.Join(p.scopes(arm.ScopeRoot), " "))
	} else {
		p.say(`subscriptions() { az account list --query "[?tenantId=='$TENANT'].id" -o tsv | sed 's|^|/subscriptions/|'; }`)
	}
	p.say(`workspaces() { for s in $(subscriptions); do see "$s/providers/Microsoft.OperationalInsights/workspaces?api-version=%s" 'value[].id'; done; }`, version("log-workspaces"))
	p.say("archives() {")
	if len(p.command.Subscriptions) == 0 {
		p.say(`  see "/providers/microsoft.aadiam/diagnosticSettings?api-version=%s" 'value[].properties.storageAccountId'`, version("entra-log-export"))
		p.say(`  for g in $(see "/providers/Microsoft.Management/managementGroups?api-version=%s" 'value[].id'); do`, version("management-group-names"))
		p.say(`    see "$g/providers/Microsoft.Insights/diagnosticSettings?api-version=%s" 'value[].properties.storageAccountId'`+"\n  done", version("group-activity-log-export"))
	}
	p.say(`  for s in $(subscriptions); do see "$s/providers/Microsoft.Insights/diagnosticSettings?api-version=%s" 'value[].properties.storageAccountId'; done`, version("activity-log-export"))
	p.say(`  for w in $(workspaces); do see "$w/dataExports?api-version=%s" 'value[].properties.destination.resourceId'; done`+"\n}", version("log-exports"))
}

// scopes are where a role is assigned, as the shell reads them; none where it
// is not to be.
func (p *grantScript) scopes(scope string) []string {
	switch {
	case scope == arm.ScopeArchive, scope == arm.ScopeWorkspace:
		return []string{scope}
	case len(p.command.Subscriptions) == 0 && scope == arm.ScopeRoot:
		return []string{`"$ROOT"`}
	case len(p.command.Subscriptions) == 0:
		return []string{scope}
	case scope != arm.ScopeRoot:
		return nil
	}
	var out []string
	for _, s := range p.command.Subscriptions {
		out = append(out, shellWord("/subscriptions/"+strings.TrimPrefix(s, "/subscriptions/")))
	}
	return out
}

func shellWord(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func quotedList(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = fmt.Sprintf("%q", s)
	}
	return strings.Join(out, ",")
}

// microsoftGraph is the application id of Microsoft Graph in every tenant.
const microsoftGraph = "00000003-0000-0000-c000-000000000000"

// graph are the application permissions of Microsoft Graph.
func (p *grantScript) graph(s *collect.Source) {
	var names []string
	for _, a := range p.asks(s) {
		names = append(names, a.Name)
	}
	p.step("Microsoft Graph: application permissions, each of which only reads.")
	if len(names) == 0 {
		p.say("# None: nothing of what was chosen is offered in %s / %s.", p.ends.Cloud, p.ends.Microsoft365)
		return
	}
	p.say("# %s is Microsoft Graph in every tenant.", microsoftGraph)
	p.say("GRAPH=$(ask \"servicePrincipals(appId='%s')\" --query id -o tsv)", microsoftGraph)
	p.say(`HAS=$(ask "servicePrincipals/$OBJECT_ID/appRoleAssignments?%%24top=999" --query "value[?resourceId=='$GRAPH'].appRoleId" -o tsv)
grant() { # name, id of the app role where it is known
  role=${2:-$(ask "servicePrincipals/$GRAPH" --query "appRoles[?value=='$1'].id | [0]" -o tsv)}
  case $HAS in *"$role"*) echo "has $1"; return 0 ;; esac
  id=$(ask "servicePrincipals/$GRAPH/appRoleAssignedTo" --method post \
    --body "{\"principalId\":\"$OBJECT_ID\",\"resourceId\":\"$GRAPH\",\"appRoleId\":\"$role\"}" --query id -o tsv) || { echo "NOT GRANTED: $1" >&2; failed=yes; return 0; }
  made "az rest --resource '$GRAPH_URL' --method delete --url '$GRAPH_URL/v1.0/servicePrincipals/$GRAPH/appRoleAssignedTo/$id'"
  echo "granted $1"
}`)
	for _, g := range graph.Permissions(names...) {
		asks := strings.Join(g.Asks, ", ")
		if len(g.Asks) > 4 {
			asks = strings.Join(g.Asks[:4], ", ") + fmt.Sprintf(" and %d more", len(g.Asks)-4)
		}
		p.say("%-62s # %s", strings.TrimSpace("grant "+g.Name+" "+g.ID), asks)
	}
}

// notes are what no script of az can do.
func (p *grantScript) notes() {
	for i := range p.sources {
		s := &p.sources[i]
		if s.Name == "arm" || s.Name == "graph" {
			continue
		}
		asks := p.asks(s)
		if len(asks) == 0 {
			p.step("%s: not offered to tenants of %s / %s.", s.Title, p.ends.Cloud, p.ends.Microsoft365)
			continue
		}
		p.step("%s: by hand.", s.Title)
		switch s.Name {
		case "devops":
			p.say("# Organisation settings > Users: add the service principal with Basic access, then give it:")
			p.say("#   Readers of a project may vote on pull requests: in its repositories, deny it Contribute to pull requests,\n#   else it counts as a writer")
		case "github":
			p.say("# Organisation settings > GitHub Apps: install an App with these read-only permissions on all repositories\n# of each organisation, and pass its id and key (--github-app, --github-key):")
		case "power":
			p.say("# An administrator registers the application once, which gives it full rights (accept it by name), or a\n# person signs in with --auth device. Dataverse wants an application user in each environment.")
		}
		for _, n := range needs(asks) {
			p.say("#   %s", n)
		}
	}
}

// needs lists what asks need, each once.
func needs(asks []collect.Ask) []string {
	var out []string
	for i := range asks {
		n := asks[i].Needs.Permission
		if role := asks[i].Needs.Role; role != "" {
			n += " (" + role + ")"
		}
		if n != "" && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// bicep is the role assignments as a template at management group scope. The
// other scopes are no resources that a template could name.
func (p *grantScript) bicep() {
	p.say("// The least privilege with which tickmark %s reads Azure. Nothing here can write.", engineVersion())
	p.say("// az cloud set --name %s", p.az)
	p.say("// az deployment mg create --management-group-id \"$TENANT\" --location %s --template-file this.bicep --parameters objectId=OBJECT_ID", p.region)
	p.say("// To undo: az role assignment delete --ids, with each id of the output made; then az role definition delete for the role that is made here.")
	p.say("// Microsoft Graph is not in Bicep: tickmark permissions --only graph%s", p.command.flags())
	for _, r := range arm.Roles() {
		if !r.Instead && !r.Spare && r.Scope != arm.ScopeRoot {
			p.say("// Not here either, because it is no scope of a management group: %s%s (tickmark permissions --only arm%s)", r.Name, at(r.Scope), p.command.flags())
		}
	}
	p.say("targetScope = 'managementGroup'\n\n@description('Object id of the service principal that reads.')\nparam objectId string")
	var names []string
	for _, r := range arm.Roles() {
		if r.Instead || r.Spare || r.Scope != arm.ScopeRoot {
			continue
		}
		name := strings.ToLower(strings.ReplaceAll(r.Name, " ", ""))
		names = append(names, name+".id")
		p.say("\n// %s: %s.", r.Name, strings.TrimSuffix(r.Why, "."))
		definition, key := "tenantResourceId('Microsoft.Authorization/roleDefinitions', '"+r.ID+"')", r.ID
		if len(r.Actions) > 0 {
			definition, key = name+"Role.id", r.Name
			p.say("resource %sRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {\n  name: guid(managementGroup().id, '%s')\n  properties: {\n    roleName: '%s'\n    description: 'Reads sums of policy states'\n    type: 'CustomRole'\n    assignableScopes: [managementGroup().id]\n    permissions: [\n      { actions: ['%s'] }\n    ]\n  }\n}",
				name, r.Name, r.Name, strings.Join(r.Actions, "', '"))
		}
		p.say("resource %s 'Microsoft.Authorization/roleAssignments@2022-04-01' = {\n  name: guid(managementGroup().id, objectId, '%s')\n  properties: {\n    principalId: objectId\n    principalType: 'ServicePrincipal'\n    roleDefinitionId: %s\n  }\n}", name, key, definition)
	}
	p.say("\noutput made array = [%s]", strings.Join(names, ", "))
}
