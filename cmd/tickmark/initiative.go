// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/report"
	"github.com/tickmark/tickmark/work"
)

// initiativeFlags are the flags of assess that evaluate an Azure initiative
// instead of tickmark's own checks.
type initiativeFlags struct {
	Initiative   string   `group:"initiative" placeholder:"NAME" help:"Evaluate an Azure initiative instead of the checks: soc2, soc2023, or the name, id or file of one."`
	Definitions  []string `group:"initiative" placeholder:"PATH" sep:"none" help:"Where its definitions are: a checkout of the public policy repository, an archive of it, or exported definitions."`
	Assignment   string   `group:"initiative" placeholder:"FILE" help:"The assignment: scope, exclusions, parameters, overrides. Default: everything."`
	Params       string   `group:"initiative" placeholder:"FILE" help:"Parameter values, unless the assignment gives them."`
	Scopes       string   `group:"initiative" placeholder:"FILE" help:"Management groups above each subscription."`
	Exemptions   string   `group:"initiative" placeholder:"FILE" help:"Policy exemptions."`
	Attestations string   `group:"initiative" placeholder:"FILE" help:"Attestations of manual policies."`
	aliasFlags
}

// shortInitiatives are the names that need no spelling out.
var shortInitiatives = map[string]struct{ name, warning string }{
	"soc2": {"SOC 2 Type 2", ""},
	"soc2023": {"SOC 2023", "Microsoft's initiative SOC 2023 has malformed groups (CC.5.3, CM_8b) and puts nearly every policy under CC2.3 and CC5.3; " +
		"do not read its groups as coverage of criteria"},
}

// run evaluates the initiative over what was read.
func (f *initiativeFlags) run(rc *runContext, c *assessCommand, a *work.Assessed) error {
	name, warning := f.Initiative, ""
	if s, ok := shortInitiatives[strings.ToLower(name)]; ok {
		name, warning = s.name, s.warning
	}
	if len(f.Definitions) == 0 {
		return &tickmark.Error{
			Code: tickmark.CodeUsage, What: "the initiative's definitions are not given", Where: "--initiative " + f.Initiative,
			Hint: "give --definitions PATH: a checkout of the public repository Azure/azure-policy, or az policy definition list and az policy set-definition list as files",
		}
	}
	e := policyEvalCommand{
		Initiative: name, Definitions: f.Definitions, Assignment: f.Assignment, Params: f.Params, Scopes: f.Scopes,
		Exemptions: f.Exemptions, Attestations: f.Attestations, aliasFlags: f.aliasFlags,
	}
	x, err := e.assigned(rc)
	if err != nil {
		return err
	}
	run, err := check.RunInitiative(rc.Context, a.Inventory, x, check.Options{Now: a.Now, Engine: engineVersion()})
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(rc.Out, 1<<16)
	if c.JSON {
		err = report.InitiativeJSON(w, run, warning)
	} else {
		err = report.Initiative(w, run, report.InitiativeOptions{
			Warning:         warning,
			Inputs:          count(len(a.Inputs), "input", "inputs") + ", " + count(a.Population.Resources, "resource", "resources"),
			TerminalOptions: report.TerminalOptions{Color: rc.Color, Width: max(rc.Width, 100), Limit: c.Limit},
		})
	}
	if err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for i := range run.Policies {
		if run.Policies[i].Err != nil && !c.AllowIncomplete {
			return statusError(tickmark.ExitIncomplete)
		}
	}
	return nil
}
