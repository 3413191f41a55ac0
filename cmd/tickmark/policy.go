// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/policy"
)

// policyCommands are the commands that work on Azure Policy alone.
type policyCommands struct {
	Policy policyCommand `cmd:"" help:"Evaluate, test, lint, import and export Azure Policy definitions, offline."`
}

type policyCommand struct {
	Eval      policyEvalCommand      `cmd:"" help:"Evaluate a definition, initiative or assignment over exported resources."`
	Explain   policyExplainCommand   `cmd:"" help:"Print the decision tree of one resource."`
	Lint      policyLintCommand      `cmd:"" help:"Look for mistakes in definitions."`
	Export    policyExportCommand    `cmd:"" help:"Write the checks as Azure custom definitions and one initiative."`
	Test      policyTestCommand      `cmd:"" help:"Run policy unit tests (YAML) and test vectors (JSON lines)."`
	Agreement policyAgreementCommand `cmd:"" help:"Compare our verdicts with the policy states that Azure gave."`
	Sync      policySyncCommand      `cmd:"" help:"Collect definitions, assignments, exemptions and states of Azure Policy, and record them."`
	Import    policyImportCommand    `cmd:"" help:"Read definitions and report which compile, and why the rest do not."`
}

// aliasFlags say where the aliases of resource types come from.
type aliasFlags struct {
	Aliases []string `placeholder:"FILE" help:"Aliases: the tenant's answer of providers?$expand=resourceTypes/aliases, or CSV lines; gzip or plain. The built-in table adds what they lack."`
}

// load returns the alias catalogue: the given files, and the built-in table
// for what they lack.
func (f aliasFlags) load() (*policy.Catalog, error) {
	c, err := catalog.Default()
	if err != nil {
		return nil, err
	}
	builtin := check.Aliases(c)
	if len(f.Aliases) == 0 {
		return builtin, nil
	}
	out := policy.NewCatalog()
	out.Fallback = builtin
	for _, name := range f.Aliases {
		b, err := readInput(name)
		if err != nil {
			return nil, err
		}
		if err := out.AddAliases(name, b); err != nil {
			return nil, inputError(err)
		}
	}
	return out, nil
}

// readInput reads a file that the user named.
func readInput(name string) ([]byte, error) {
	b, err := os.ReadFile(name) //nolint:gosec // the user names the file
	if err != nil {
		return nil, &tickmark.Error{Code: tickmark.CodeUsage, What: "the file cannot be read", Err: err, Hint: "check the name and the permissions"}
	}
	return b, nil
}

// inputError marks an error as one of the input, not of tickmark.
func inputError(err error) error {
	return &tickmark.Error{Code: tickmark.CodeInput, What: "the input cannot be used", Err: err}
}
