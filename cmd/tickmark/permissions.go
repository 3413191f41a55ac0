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
    sh grant.sh`
}

// Run prints the script.
func (c *permissionsCommand) Run(rc *runContext) error {
	sources, err := work.ChooseSources(c.Only)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(rc.Out)
	p := &grantScript{w: w, sources: sources, command: c}
	if c.Bicep {
		p.bicep()
	} else {
		p.shell()
	}
	return w.Flush()
}

// grantScript writes what grants the permissions, from the sources' own data.
type grantScript struct {
	w       *bufio.Writer
	sources []collect.Source
	command *permissionsCommand
}

func (p *grantScript) say(format string, args ...any) {
	fmt.Fprintf(p.w, format+"\n", args...)
}

func (p *grantScript) has(name string) bool {
	return slices.ContainsFunc(p.sources, func(s collect.Source) bool { return s.Name == name })
}

// asks names the chosen questions of a source; none for all.
func (p *grantScript) asks(source string) []string {
	var out []string
	for _, o := range p.command.Only {
		if name, ask, one := strings.Cut(o, "/"); one && name == source {
			out = append(out, ask)
		} else if name == source {
			return nil
		}
	}
	return out
}

func (p *grantScript) shell() {
	p.say("#!/bin/sh\n# The least privilege with which tickmark %s reads. Nothing here can write to your cloud.\n# Printed by: tickmark permissions. Read it before you run it; the end says how to undo it.\nset -eu", engineVersion())
	p.say("TENANT=$(az account show --query tenantId -o tsv)")
	if p.command.App {
		p.app()
	} else {
		p.say("\n# The identity that will read: application (client) id, and object id of its service principal.")
		p.say(": \"${APP_ID:?set APP_ID to the application (client) id, or print the script with --app}\"")
		p.say("OBJECT_ID=$(az ad sp show --id \"$APP_ID\" --query id -o tsv)")
	}
	if p.has("arm") {
		p.roles()
	}
	if p.has("graph") {
		p.graph()
	}
	p.notes()
	p.undo()
}

func (p *grantScript) app() {
	p.say("\n# 1. An application with a certificate of its own; there is no client secret.")
	p.say("APP_ID=$(az ad app create --display-name tickmark-reader --sign-in-audience AzureADMyOrg --query appId -o tsv)")
	p.say("az ad sp create --id \"$APP_ID\" --only-show-errors >/dev/null || true   # it may be there already")
	p.say("az ad app credential reset --id \"$APP_ID\" --create-cert --years 1 --append --query fileWithCertAndPrivateKey -o tsv")
	p.say("OBJECT_ID=$(az ad sp show --id \"$APP_ID\" --query id -o tsv)")
}

// roles are the Azure roles, from the data of the source.
func (p *grantScript) roles() {
	p.say("\n# 2. Azure: reading roles.")
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

// graph are the application permissions of Microsoft Graph.
func (p *grantScript) graph() {
	p.say("\n# 3. Microsoft Graph: application permissions, each of which only reads.")
	p.say("# 00000003-0000-0000-c000-000000000000 is Microsoft Graph in every tenant.")
	p.say("GRAPH=$(az ad sp show --id 00000003-0000-0000-c000-000000000000 --query id -o tsv)")
	p.say(`grant() { # name, id of the app role where it is known
  role=${2:-$(az ad sp show --id 00000003-0000-0000-c000-000000000000 --query "appRoles[?value=='$1'].id | [0]" -o tsv)}
  az rest --method post --url "https://graph.microsoft.com/v1.0/servicePrincipals/$GRAPH/appRoleAssignedTo" \
    --body "{\"principalId\":\"$OBJECT_ID\",\"resourceId\":\"$GRAPH\",\"appRoleId\":\"$role\"}" >/dev/null && echo "granted $1"
}`)
	for _, g := range graph.Permissions(p.asks("graph")...) {
		asks := strings.Join(g.Asks, ", ")
		if len(g.Asks) > 4 {
			asks = strings.Join(g.Asks[:4], ", ") + fmt.Sprintf(" and %d more", len(g.Asks)-4)
		}
		p.say("%-62s # %s", strings.TrimSpace("grant "+g.Name+" "+g.ID), asks)
	}
}

// notes are what no script of az can do.
func (p *grantScript) notes() {
	for _, s := range p.sources {
		if s.Name == "arm" || s.Name == "graph" {
			continue
		}
		p.say("\n# %s: by hand.", s.Title)
		switch s.Name {
		case "devops":
			p.say("# Organisation settings > Users: add the service principal with Basic access, then give it:")
		case "github":
			p.say("# Organisation settings > GitHub Apps: install an App with these read-only permissions on all repositories\n# of each organisation, and pass its id and key (--github-app, --github-key):")
		case "power":
			p.say("# An administrator registers the application once, which gives it full rights (accept it by name), or a\n# person signs in with --auth device. Dataverse wants an application user in each environment.")
		}
		for _, n := range needs(s) {
			p.say("#   %s", n)
		}
	}
}

// needs lists what the asks of a source need, each once.
func needs(s collect.Source) []string {
	var out []string
	for _, a := range s.Asks {
		n := a.Needs.Permission
		if a.Needs.Role != "" {
			n += " (" + a.Needs.Role + ")"
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
		p.say("#   az ad app permission list-grants --id \"$APP_ID\"; the application permissions go with the application:")
	}
	if p.command.App {
		p.say("#   az ad app delete --id \"$APP_ID\"")
	}
}

// bicep is the role assignments as a template at management group scope.
func (p *grantScript) bicep() {
	p.say("// The least privilege with which tickmark %s reads Azure. Nothing here can write.", engineVersion())
	p.say("// az deployment mg create --management-group-id \"$TENANT\" --location westeurope --template-file this.bicep --parameters objectId=OBJECT_ID")
	p.say("// To undo: delete the assignments. Microsoft Graph is not in Bicep: tickmark permissions --only graph")
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
