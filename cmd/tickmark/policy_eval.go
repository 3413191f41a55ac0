// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/policy"
)

// policyEvalCommand is tickmark policy eval.
type policyEvalCommand struct {
	Definition   string   `placeholder:"FILE" help:"A policy definition." xor:"what"`
	Initiative   string   `placeholder:"FILE|NAME" help:"An initiative: a file, or the name or id of one among --definitions." xor:"what"`
	Definitions  []string `placeholder:"PATH" help:"Where the initiative's definitions are: folders, files or archives." sep:"none"`
	Assignment   string   `placeholder:"FILE" help:"The assignment: scope, exclusions, parameters, overrides, messages. Default: everything, with --params."`
	Params       string   `placeholder:"FILE" help:"Parameter values, unless the assignment gives them."`
	Scopes       string   `placeholder:"FILE" help:"Management groups above each subscription: {\"/subscriptions/ID\": [nearest, …]}."`
	Exemptions   string   `placeholder:"FILE" help:"Policy exemptions."`
	Attestations string   `placeholder:"FILE" help:"Attestations of manual policies."`
	All          bool     `help:"List compliant resources too."`
	JSON         bool     `help:"Print JSON."`
	aliasFlags
	resourceFlags
}

// Run evaluates the policies and reports states and roll-up.
func (c *policyEvalCommand) Run(rc *runContext) error {
	if c.Definition == "" && c.Initiative == "" && c.Assignment == "" {
		return &tickmark.Error{Code: tickmark.CodeUsage, What: "nothing to evaluate", Hint: "give --definition FILE, --initiative FILE or --assignment FILE with --definitions PATH"}
	}
	if len(c.Resources) == 0 {
		return &tickmark.Error{Code: tickmark.CodeUsage, What: "no resources are given", Hint: "give --resources PATH; tickmark export-script prints how to export them"}
	}
	x, err := c.assigned(rc)
	if err != nil {
		return err
	}
	pop, err := c.read(rc)
	if err != nil {
		return err
	}
	r := evaluate(x, pop)
	if c.JSON {
		err = printJSON(rc, r.json(c.All))
	} else {
		err = r.print(rc.Out, c.All)
	}
	if err = errors.Join(err, pop.Close()); err != nil {
		return err
	}
	if len(pop.problems) > 0 {
		return statusError(tickmark.ExitIncomplete)
	}
	return nil
}

// assigned reads the definitions and binds the assignment.
func (c *policyEvalCommand) assigned(rc *runContext) (*policy.Assigned, error) {
	aliases, err := c.load()
	if err != nil {
		return nil, err
	}
	lib, id, err := c.library(rc, aliases)
	if err != nil {
		return nil, err
	}
	a, err := c.assignment(id)
	if err != nil {
		return nil, err
	}
	x, err := policy.Assign(a, lib)
	if err != nil {
		return nil, inputError(err)
	}
	if x.Initiative == nil && x.Members[0].Err != nil {
		return nil, inputError(x.Members[0].Err)
	}
	return x, c.extras(x)
}

// library reads what is to be evaluated and returns the id of the definition
// or initiative; "" when the assignment names it.
func (c *policyEvalCommand) library(rc *runContext, aliases *policy.Catalog) (*policy.Library, string, error) {
	m := &policy.Import{}
	for _, p := range c.Definitions {
		if err := readDefinitions(m, p, rc.In); err != nil {
			return nil, "", err
		}
	}
	n := (*policy.Initiative)(nil)
	if c.Initiative != "" {
		n = m.FindInitiative(c.Initiative)
	}
	file := c.Definition
	if file == "" && n == nil {
		file = c.Initiative
	}
	if file != "" && !strings.HasPrefix(file, "/providers/") {
		one := &policy.Import{}
		if err := readDefinitions(one, file, rc.In); err != nil {
			return nil, "", err
		}
		if err := firstError(one); err != nil {
			return nil, "", inputError(err)
		}
		m.Definitions, m.Initiatives = append(one.Definitions, m.Definitions...), append(one.Initiatives, m.Initiatives...)
		if len(one.Initiatives) > 0 {
			n = one.Initiatives[0].Initiative
		}
	}
	lib := m.Library(aliases)
	switch {
	case c.Definition != "":
		if len(m.Definitions) == 0 || m.Definitions[0].Definition == nil {
			return nil, "", &tickmark.Error{Code: tickmark.CodeUsage, What: "the file holds no definition", Where: c.Definition}
		}
		d := m.Definitions[0].Definition
		if d.ID == "" && d.Name == "" {
			d.Name = "definition"
			lib.Add(d)
		}
		return lib, first(d.ID, d.Name), nil
	case n != nil:
		if n.ID == "" && n.Name == "" {
			n.Name = "initiative"
			lib.AddInitiative(n)
		}
		return lib, first(n.ID, n.Name), nil
	case c.Initiative != "":
		return nil, "", &tickmark.Error{Code: tickmark.CodeUsage, What: "there is no such initiative among the definitions", Where: c.Initiative}
	}
	return lib, "", nil
}

// firstError is what is wrong with a file that the user named.
func firstError(m *policy.Import) error {
	for _, p := range m.Problems {
		return p
	}
	for _, d := range m.Definitions {
		if d.Definition == nil {
			return d.Causes[0].Err
		}
	}
	for _, s := range m.Initiatives {
		if s.Initiative == nil {
			return s.Problems[0]
		}
	}
	return nil
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// assignment reads the assignment, or makes one for everything.
func (c *policyEvalCommand) assignment(id string) (*policy.Assignment, error) {
	if c.Assignment != "" {
		b, err := readInput(c.Assignment)
		if err != nil {
			return nil, err
		}
		a, err := policy.ParseAssignment(c.Assignment, b)
		if err != nil {
			return nil, inputError(err)
		}
		if id != "" {
			a.DefinitionID = id
		}
		return a, nil
	}
	params := json.RawMessage("{}")
	if c.Params != "" {
		b, err := readInput(c.Params)
		if err != nil {
			return nil, err
		}
		if _, err := policy.ParseParameters(c.Params, b); err != nil {
			return nil, inputError(err)
		}
		var outer struct{ Parameters json.RawMessage }
		if json.Unmarshal(b, &outer) == nil && bytes.HasPrefix(outer.Parameters, []byte("{")) {
			b = outer.Parameters // the form of a parameters file
		}
		params = b
	}
	b, err := json.Marshal(map[string]any{"properties": map[string]any{"policyDefinitionId": id, "parameters": params}})
	if err != nil {
		return nil, inputError(fmt.Errorf("%s: %w", c.Params, err))
	}
	a, err := policy.ParseAssignment(first(c.Params, "assignment"), b)
	if err != nil {
		return nil, inputError(err)
	}
	return a, nil
}

// extras reads scopes, exemptions and attestations.
func (c *policyEvalCommand) extras(x *policy.Assigned) error {
	read := func(file string, parse func([]byte) error) error {
		if file == "" {
			return nil
		}
		b, err := readInput(file)
		if err != nil {
			return err
		}
		if err := parse(b); err != nil {
			return inputError(err)
		}
		return nil
	}
	return errors.Join(
		read(c.Scopes, func(b []byte) (err error) { x.Scopes, err = policy.ParseScopes(c.Scopes, b); return err }),
		read(c.Exemptions, func(b []byte) (err error) { x.Exemptions, err = policy.ParseExemptions(c.Exemptions, b); return err }),
		read(c.Attestations, func(b []byte) (err error) {
			x.Attestations, err = policy.ParseAttestations(c.Attestations, b)
			return err
		}))
}
