// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"slices"
	"strings"

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
    # Azure roles: Owner or User Access Administrator at the root management group
    # Graph consent: Privileged Role Administrator or Global Administrator
    sh grant.sh

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

func (p *grantScript) has(name string) bool {
	return slices.ContainsFunc(p.sources, func(s collect.Source) bool { return s.Name == name })
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
	p.say("#!/bin/sh\n# The least privilege with which tickmark %s reads. Nothing here can write to your cloud.\n# Printed by: tickmark permissions. Read it before you run it; the end says how to undo it.\nset -eu", engineVersion())
	p.say("\n# Azure %s, Microsoft 365 %s. az has a sign-in of its own for each cloud: if it has none here yet, az login.", p.ends.Cloud, p.ends.Microsoft365)
	p.say("az cloud set --name %s", p.az)
	p.say("TENANT=$(az account show --query tenantId -o tsv)")
	p.say("GRAPH_URL=%s", p.graphURL)
	p.say(`ask() { path=$1; shift; az rest --resource "$GRAPH_URL" --url "$GRAPH_URL/v1.0/$path" "$@"; }`)
	if p.command.App {
		p.app()
	} else {
		p.say("\n# The identity that will read: application (client) id, and object id of its service principal.")
		p.say(": \"${APP_ID:?set APP_ID to the application (client) id, or print the script with --app}\"")
	}
	p.say(`OBJECT_ID=$(ask "servicePrincipals(appId='$APP_ID')" --query id -o tsv)`)
	if p.has("arm") {
		p.roles()
	}
	for i := range p.sources {
		if p.sources[i].Name == "graph" {
			p.graph(&p.sources[i])
		}
	}
	p.notes()
	p.undo()
}

func (p *grantScript) app() {
	p.step("An application with a certificate of its own; there is no client secret.")
	if p.azKnows {
		p.say("APP_ID=$(az ad app create --display-name tickmark-reader --sign-in-audience AzureADMyOrg --query appId -o tsv)")
		p.say("az ad sp create --id \"$APP_ID\" --only-show-errors >/dev/null || true   # it may be there already")
		p.say("az ad app credential reset --id \"$APP_ID\" --create-cert --years 1 --append --query fileWithCertAndPrivateKey -o tsv")
		return
	}
	// learn.microsoft.com/graph/applications-how-to-add-certificate
	p.say("# az ad does not ask the Graph of Microsoft 365 %s, so that this is done without it. Certificate and key: tickmark-reader.pem", p.ends.Microsoft365)
	p.say(`APP_ID=$(ask applications --method post --body '{"displayName":"tickmark-reader","signInAudience":"AzureADMyOrg"}' --query appId -o tsv)
ask servicePrincipals --method post --body "{\"appId\":\"$APP_ID\"}" >/dev/null
(umask 077; openssl req -x509 -newkey rsa:3072 -nodes -days 365 -subj /CN=tickmark-reader -keyout tickmark-reader.pem -out tickmark-reader.crt; cat tickmark-reader.crt >>tickmark-reader.pem)
KEY=$(openssl x509 -in tickmark-reader.crt -outform der | openssl base64 -A)
ask "applications(appId='$APP_ID')" --method patch --body "{\"keyCredentials\":[{\"type\":\"AsymmetricX509Cert\",\"usage\":\"Verify\",\"key\":\"$KEY\"}]}"`)
}

// roles are the Azure roles, from the data of the source.
func (p *grantScript) roles() {
	p.step("Azure: reading roles.")
	if len(p.command.Subscriptions) > 0 {
		p.say("# In single subscriptions: what stands above them (management groups, inherited roles and policies) stays unknown.")
	}
	for _, r := range arm.Roles() {
		p.say("\n# %s: %s.", r.Name, strings.TrimSuffix(r.Why, "."))
		prefix := ""
		if r.Instead || r.Spare {
			p.say("# Only if you need that; take the # away:")
			prefix = "# "
		}
		if len(r.Actions) > 0 {
			p.say("%saz role definition create --role-definition '{\"Name\":%q,\"Description\":\"Reads sums of policy states\",\"Actions\":[%s],\"AssignableScopes\":[\"/providers/Microsoft.Management/managementGroups/'\"$TENANT\"'\"]}'", prefix, r.Name, quotedList(r.Actions))
		}
		role := "'" + r.Name + "'"
		if r.ID != "" {
			role = r.ID
		}
		for _, scope := range p.scopes(r.Scope) {
			p.say("%saz role assignment create --assignee-object-id \"$OBJECT_ID\" --assignee-principal-type ServicePrincipal --role %s --scope %s", prefix, role, scope)
		}
	}
}

// scopes are where a role is assigned, as the shell reads them.
func (p *grantScript) scopes(scope string) []string {
	switch scope {
	case "workspace":
		return []string{`"$WORKSPACE_ID"`}
	case "archive":
		return []string{`"$ARCHIVE_ACCOUNT_ID"`}
	}
	if len(p.command.Subscriptions) == 0 {
		return []string{`"/providers/Microsoft.Management/managementGroups/$TENANT"`}
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
	p.say(`grant() { # name, id of the app role where it is known
  role=${2:-$(ask "servicePrincipals/$GRAPH" --query "appRoles[?value=='$1'].id | [0]" -o tsv)}
  ask "servicePrincipals/$GRAPH/appRoleAssignedTo" --method post \
    --body "{\"principalId\":\"$OBJECT_ID\",\"resourceId\":\"$GRAPH\",\"appRoleId\":\"$role\"}" >/dev/null && echo "granted $1"
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

func (p *grantScript) undo() {
	p.say("\necho \"reading as application $APP_ID in tenant $TENANT\"")
	p.say("# To undo:")
	if p.has("arm") {
		p.say("#   az role assignment list --all --assignee \"$APP_ID\" --query '[].id' -o tsv | xargs -n1 az role assignment delete --ids")
	}
	if p.has("graph") {
		p.say("#   the application permissions go with the application:")
	}
	switch {
	case p.command.App && p.azKnows:
		p.say("#   az ad app delete --id \"$APP_ID\"")
	case p.command.App:
		p.say("#   az rest --resource %s --method delete --url \"%s/v1.0/applications(appId='$APP_ID')\"", p.graphURL, p.graphURL)
	}
}

// bicep is the role assignments as a template at management group scope.
func (p *grantScript) bicep() {
	p.say("// The least privilege with which tickmark %s reads Azure. Nothing here can write.", engineVersion())
	p.say("// az cloud set --name %s", p.az)
	p.say("// az deployment mg create --management-group-id \"$TENANT\" --location %s --template-file this.bicep --parameters objectId=OBJECT_ID", p.region)
	p.say("// To undo: delete the assignments. Microsoft Graph is not in Bicep: tickmark permissions --only graph%s", p.command.flags())
	p.say("targetScope = 'managementGroup'\n\n@description('Object id of the service principal that reads.')\nparam objectId string")
	for _, r := range arm.Roles() {
		if r.ID == "" || r.Instead || r.Spare || r.Scope != arm.ScopeRoot {
			continue
		}
		name := strings.ToLower(strings.ReplaceAll(r.Name, " ", ""))
		p.say("\n// %s: %s.", r.Name, strings.TrimSuffix(r.Why, "."))
		p.say("resource %s 'Microsoft.Authorization/roleAssignments@2022-04-01' = {\n  name: guid(managementGroup().id, objectId, '%s')\n  properties: {\n    principalId: objectId\n    principalType: 'ServicePrincipal'\n    roleDefinitionId: tenantResourceId('Microsoft.Authorization/roleDefinitions', '%s')\n  }\n}", name, r.ID, r.ID)
	}
}
