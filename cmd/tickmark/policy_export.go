// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/jsontape"
)

// policyExportCommand is tickmark policy export.
type policyExportCommand struct {
	Out   string `placeholder:"DIR" type:"path" help:"Write files for az, and a script that runs it. Default: print one JSON document."`
	Scope string `placeholder:"ID" help:"Where the definitions will be created: /subscriptions/… or a management group's id. The script takes it as an argument." default:"/subscriptions/00000000-0000-0000-0000-000000000000"`
}

// exported is the checks as Azure Policy.
type exported struct {
	Definitions   []exportedDefinition `json:"definitions"`
	Initiative    exportedInitiative   `json:"initiative"`
	NotExportable []notExportable      `json:"notExportable"`
}

type exportedDefinition struct {
	Name       string                 `json:"name"`
	Type       string                 `json:"type"`
	Properties exportedDefinitionBody `json:"properties"`
	check      *catalog.Check
}

type exportedDefinitionBody struct {
	DisplayName string                     `json:"displayName"`
	Description string                     `json:"description"`
	PolicyType  string                     `json:"policyType"`
	Mode        string                     `json:"mode"`
	Metadata    map[string]string          `json:"metadata"`
	Parameters  map[string]json.RawMessage `json:"parameters"`
	PolicyRule  json.RawMessage            `json:"policyRule"`
}

type exportedInitiative struct {
	Name       string                 `json:"name"`
	Type       string                 `json:"type"`
	Properties exportedInitiativeBody `json:"properties"`
}

type exportedInitiativeBody struct {
	DisplayName string                     `json:"displayName"`
	Description string                     `json:"description"`
	PolicyType  string                     `json:"policyType"`
	Metadata    map[string]string          `json:"metadata"`
	Parameters  map[string]json.RawMessage `json:"parameters"`
	Definitions []exportedReference        `json:"policyDefinitions"`
	Groups      []exportedGroup            `json:"policyDefinitionGroups"`
}

type exportedReference struct {
	DefinitionID string                     `json:"policyDefinitionId"`
	Reference    string                     `json:"policyDefinitionReferenceId"`
	Parameters   map[string]json.RawMessage `json:"parameters"`
	Groups       []string                   `json:"groupNames"`
}

type exportedGroup struct {
	Name        string `json:"name"`
	DisplayName string `json:"displayName"`
	Category    string `json:"category"`
}

type notExportable struct {
	Check  string `json:"check"`
	Title  string `json:"title"`
	Reason string `json:"reason"`
}

// Run exports the checks of the built-in catalogue.
func (c *policyExportCommand) Run(rc *runContext) error {
	cat, err := catalog.Default()
	if err != nil {
		return err
	}
	x, err := exportPolicies(cat, strings.TrimRight(c.Scope, "/"))
	if err != nil {
		return err
	}
	if c.Out == "" {
		return printJSON(rc, x)
	}
	if err := x.write(c.Out, strings.TrimRight(c.Scope, "/")); err != nil {
		return &tickmark.Error{Code: tickmark.CodeUsage, What: "the folder cannot be written", Where: c.Out, Err: err}
	}
	fmt.Fprintf(rc.Out, "%d definitions and one initiative with %d groups are in %s.\nCreate them with: sh %s /subscriptions/ID (or a management group's id)\n",
		len(x.Definitions), len(x.Initiative.Properties.Groups), c.Out, filepath.Join(c.Out, "create.sh"))
	fmt.Fprintf(rc.Out, "Check them against your tenant's aliases first: tickmark policy lint --severity error --aliases PROVIDERS.json %s\n", filepath.Join(c.Out, "policyDefinitions"))
	fmt.Fprintf(rc.Out, "\n%s cannot be exported:\n", count(len(x.NotExportable), "check", "checks"))
	for _, n := range x.NotExportable {
		fmt.Fprintf(rc.Out, "  %s: %s\n", n.Check, n.Reason)
	}
	return nil
}

// Limits of Azure on texts of definitions.
const (
	maxDisplayName = 128
	maxDescription = 512
)

// exportPolicies turns the checks into definitions and an initiative with a group for
// each criterion.
func exportPolicies(c *catalog.Catalog, scope string) (*exported, error) {
	x := &exported{NotExportable: []notExportable{}, Initiative: exportedInitiative{Name: "tickmark-soc2", Type: "Microsoft.Authorization/policySetDefinitions"}}
	body := &x.Initiative.Properties
	*body = exportedInitiativeBody{
		DisplayName: "SOC 2 checks of tickmark", PolicyType: "Custom", Parameters: map[string]json.RawMessage{},
		Description: "Automated checks grouped by the trust services criteria they bear on. A compliant state is evidence about settings, not a conclusion about a criterion.",
		Metadata:    map[string]string{"category": "Regulatory Compliance", "version": "1.0.0", "tickmarkCatalog": c.Digest().String()},
	}
	used := map[string]bool{}
	for _, ch := range c.Checks {
		if why := unfit(ch); why != "" {
			x.NotExportable = append(x.NotExportable, notExportable{ch.ID, ch.Title, why})
			continue
		}
		d, err := exportOne(ch)
		if err != nil {
			return nil, fmt.Errorf("check %s: %w", ch.ID, err)
		}
		x.Definitions = append(x.Definitions, d)
		ref := exportedReference{
			DefinitionID: scope + "/providers/Microsoft.Authorization/policyDefinitions/" + d.Name, Reference: ch.ID,
			Parameters: map[string]json.RawMessage{"effect": rawValue(map[string]string{"value": "[parameters('effect-" + ch.ID + "')]"})},
		}
		body.Parameters["effect-"+ch.ID] = d.Properties.Parameters["effect"]
		for _, l := range ch.Criteria {
			if !slices.Contains(ref.Groups, l.Code) {
				ref.Groups = append(ref.Groups, l.Code)
				used[l.Code] = true
			}
		}
		body.Definitions = append(body.Definitions, ref)
	}
	for _, k := range c.Criteria {
		if used[k.Code] {
			body.Groups = append(body.Groups, exportedGroup{k.Code, shortened(k.Code+" "+k.Title, maxDisplayName), k.Category})
		}
	}
	return x, nil
}

// unfit says why a check cannot be an Azure Policy, "" when it can.
func unfit(ch *catalog.Check) string {
	for _, t := range append(slices.Clone(ch.Types), ch.Needs...) {
		if inventory.IsRecord(t) {
			source, _, _ := strings.Cut(t, "/")
			return fmt.Sprintf("%s is no Azure resource (it comes from %s), and Azure Policy evaluates nothing else", t, source)
		}
	}
	if len(ch.Joins) > 0 {
		return "it sets other records beside the resource, which Azure Policy cannot"
	}
	if len(ch.Alternatives) > 0 {
		return "any of several rules is enough for it, and a policy has one"
	}
	if ch.Retired != nil {
		return "retired on " + ch.Retired.On + ": " + ch.Retired.Note
	}
	return ""
}

func exportOne(ch *catalog.Check) (exportedDefinition, error) {
	d := exportedDefinition{Name: "tickmark-" + ch.ID, Type: "Microsoft.Authorization/policyDefinitions", check: ch}
	whole, err := withApplies(ch.Rule, ch.Applies)
	if err != nil {
		return d, err
	}
	rule, effect, err := withEffect(whole)
	if err != nil {
		return d, err
	}
	// Types are named in every rule, so mode All never judges others; Indexed
	// would leave out those without tags and location.
	d.Properties = exportedDefinitionBody{
		DisplayName: shortened(ch.Title, maxDisplayName), Description: shortened(strings.TrimSpace(ch.Why), maxDescription),
		PolicyType: "Custom", Mode: "All", PolicyRule: rule, Parameters: map[string]json.RawMessage{},
		Metadata: map[string]string{"category": "SOC 2: " + ch.Area, "version": "1.0.0", "tickmarkCheck": ch.ID, "severity": ch.Severity.String()},
	}
	if len(ch.Parameters) > 0 {
		if err := json.Unmarshal(ch.Parameters, &d.Properties.Parameters); err != nil {
			return d, err
		}
	}
	d.Properties.Parameters["effect"] = rawValue(map[string]any{
		"type": "String", "defaultValue": effect, "allowedValues": []string{effect, "Disabled"},
		"metadata": map[string]string{"displayName": "Effect", "description": "Disabled switches the policy off."},
	})
	return d, nil
}

// withApplies puts what a check is about into the condition of its rule: what it
// is not about is not in the denominator of the policy either.
func withApplies(rule, applies []byte) ([]byte, error) {
	if applies == nil {
		return rule, nil
	}
	t, err := jsontape.Parse(rule, jsontape.Options{})
	if err != nil {
		return nil, err
	}
	v := t.Root().Get("if")
	if !v.Exists() {
		return nil, fmt.Errorf("the rule has no condition")
	}
	b := append([]byte{}, rule[:v.Offset()]...)
	b = fmt.Appendf(b, `{"allOf":[%s,%s]}`, applies, v.Raw())
	return append(b, rule[v.Offset()+len(v.Raw()):]...), nil
}

// withEffect puts a parameter in the place of the rule's effect and returns
// the effect in Azure's spelling.
func withEffect(rule []byte) (out json.RawMessage, effect string, err error) {
	t, err := jsontape.Parse(rule, jsontape.Options{})
	if err != nil {
		return nil, "", err
	}
	v := t.Root().Get("then").Get("effect")
	effect = v.Str()
	if effect == "" {
		return nil, "", fmt.Errorf("the rule has no effect")
	}
	b := append([]byte{}, rule[:v.Offset()]...)
	b = append(b, `"[parameters('effect')]"`...)
	b = append(b, rule[v.Offset()+len(v.Raw()):]...)
	return b, strings.ToUpper(effect[:1]) + effect[1:], nil
}

func rawValue(v any) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // maps of strings always encode
	return bytes.TrimSpace(b.Bytes())
}

// shortened cuts a text to at most n characters, at a word.
func shortened(s string, n int) string {
	s = strings.Join(strings.Fields(s), " ")
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	cut := string(r[:n-1])
	if i := strings.LastIndexByte(cut, ' '); i > n/2 {
		cut = cut[:i]
	}
	return strings.TrimRight(cut, " ,;.") + "…"
}

// write lays the export out for az and for tickmark policy import.
func (x *exported) write(dir, scope string) error {
	for _, sub := range []string{"policyDefinitions", "policySetDefinitions", "az"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil { //nolint:gosec // definitions are for reading
			return err
		}
	}
	put := func(name string, v any) error {
		return writeFile(filepath.Join(dir, filepath.FromSlash(name)), func(w io.Writer) error {
			e := json.NewEncoder(w)
			e.SetEscapeHTML(false)
			e.SetIndent("", "  ")
			return e.Encode(v)
		})
	}
	for _, d := range x.Definitions {
		for _, f := range []struct {
			name string
			v    any
		}{{"policyDefinitions/" + d.Name + ".json", d}, {"az/" + d.Name + ".rules.json", d.Properties.PolicyRule}, {"az/" + d.Name + ".params.json", d.Properties.Parameters}} {
			if err := put(f.name, f.v); err != nil {
				return err
			}
		}
	}
	n := x.Initiative
	for _, f := range []struct {
		name string
		v    any
	}{
		{"policySetDefinitions/" + n.Name + ".json", n},
		{"az/" + n.Name + ".definitions.json", n.Properties.Definitions},
		{"az/" + n.Name + ".params.json", n.Properties.Parameters},
		{"az/" + n.Name + ".groups.json", n.Properties.Groups},
		{"not-exportable.json", x.NotExportable},
	} {
		if err := put(f.name, f.v); err != nil {
			return err
		}
	}
	return writeFile(filepath.Join(dir, "create.sh"), func(w io.Writer) error { _, err := io.WriteString(w, x.script(scope)); return err })
}

// script creates the definitions and the initiative with az.
func (x *exported) script(scope string) string {
	var b strings.Builder
	b.WriteString(`#!/bin/sh
# Creates the custom policy definitions and the initiative of this folder.
# Usage: sh create.sh /subscriptions/ID
#    or: sh create.sh /providers/Microsoft.Management/managementGroups/NAME
set -eu
scope=${1:?give the scope: /subscriptions/ID or the id of a management group}
case $scope in
/subscriptions/*) where="--subscription ${scope#/subscriptions/}" ;;
/providers/Microsoft.Management/managementGroups/*) where="--management-group ${scope##*/}" ;;
*) echo "create.sh: $scope is neither a subscription nor a management group" >&2; exit 2 ;;
esac
cd "$(dirname "$0")/az"
`)
	for _, d := range x.Definitions {
		p := d.Properties
		fmt.Fprintf(&b, "az policy definition create $where --name %s --mode %s --display-name %s --description %s --metadata %s %s --rules %s --params %s --output none\n",
			quoted(d.Name), p.Mode, quoted(p.DisplayName), quoted(p.Description), quoted("category="+p.Metadata["category"]), quoted("version="+p.Metadata["version"]),
			quoted("@"+d.Name+".rules.json"), quoted("@"+d.Name+".params.json"))
	}
	n := x.Initiative
	fmt.Fprintf(&b, "definitions=$(mktemp)\ntrap 'rm -f \"$definitions\"' EXIT\nsed \"s|%s/providers/|$scope/providers/|\" %s > \"$definitions\"\n",
		scope, quoted(n.Name+".definitions.json"))
	fmt.Fprintf(&b, "az policy set-definition create $where --name %s --display-name %s --description %s --metadata %s %s --definitions @\"$definitions\" --params %s --definition-groups %s --output none\n",
		quoted(n.Name), quoted(n.Properties.DisplayName), quoted(n.Properties.Description), quoted("category="+n.Properties.Metadata["category"]),
		quoted("version="+n.Properties.Metadata["version"]), quoted("@"+n.Name+".params.json"), quoted("@"+n.Name+".groups.json"))
	return b.String()
}

// quoted is a text as one word of the shell.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
