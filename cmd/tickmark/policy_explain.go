// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/policy"
)

// policyExplainCommand is tickmark policy explain.
type policyExplainCommand struct {
	Definition string `required:"" placeholder:"FILE" help:"The policy definition."`
	Resource   string `placeholder:"FILE" help:"A file with one resource." xor:"where"`
	ID         string `name:"id" placeholder:"ID" help:"The id, or a unique name, of one of --resources."`
	Params     string `placeholder:"FILE" help:"Parameter values."`
	JSON       bool   `help:"Print JSON."`
	aliasFlags
	resourceFlags
}

// Run prints the decision tree of one resource.
func (c *policyExplainCommand) Run(rc *runContext) error {
	if (c.Resource == "") == (len(c.Resources) == 0) {
		return &tickmark.Error{Code: tickmark.CodeUsage, What: "give the resource", Hint: "--resource FILE, or --resources PATH with --id ID"}
	}
	if c.Resource != "" {
		c.Resources = []string{c.Resource}
	}
	p, err := c.bind()
	if err != nil {
		return err
	}
	pop, err := c.read(rc)
	if err != nil {
		return err
	}
	r, err := c.pick(pop)
	if err == nil {
		err = c.explain(rc, p, pop, r)
	}
	return errors.Join(err, pop.Close())
}

// bind reads the definition and binds it to the parameters.
func (c *policyExplainCommand) bind() (*policy.Policy, error) {
	aliases, err := c.load()
	if err != nil {
		return nil, err
	}
	b, err := readInput(c.Definition)
	if err != nil {
		return nil, err
	}
	d, err := policy.ParseDefinition(c.Definition, b)
	if err != nil {
		return nil, inputError(err)
	}
	params := map[string]armexpr.Value{}
	if c.Params != "" {
		if b, err = readInput(c.Params); err != nil {
			return nil, err
		}
		if params, err = policy.ParseParameters(c.Params, b); err != nil {
			return nil, inputError(err)
		}
	}
	p, err := policy.Bind(d, params, aliases)
	if err != nil {
		return nil, inputError(err)
	}
	return p, nil
}

// pick finds the resource to explain: by id, or the only one that was read and
// not merely derived from others.
func (c *policyExplainCommand) pick(pop *population) (*policy.Resource, error) {
	if c.ID != "" {
		return pop.find(c.ID)
	}
	var own []*policy.Resource
	for i, r := range pop.ptrs {
		if pop.inv.Resources[i].Item >= 0 {
			own = append(own, r)
		}
	}
	for _, r := range own[1:] { // children nested in the one object do not count
		if !strings.HasPrefix(strings.ToLower(r.ID), strings.ToLower(own[0].ID)+"/") {
			return nil, &tickmark.Error{Code: tickmark.CodeUsage, What: fmt.Sprintf("%d resources were read", len(own)), Hint: "choose one with --id"}
		}
	}
	if len(own) == 0 {
		return nil, &tickmark.Error{Code: tickmark.CodeUsage, What: "no resource was read", Where: strings.Join(c.Resources, ", ")}
	}
	return own[0], nil
}

// treeJSON is a condition of the decision tree in JSON.
type treeJSON struct {
	Kind      string     `json:"kind"`
	Condition string     `json:"condition,omitempty"`
	Truth     string     `json:"truth"`
	Field     string     `json:"field,omitempty"`
	Path      string     `json:"path,omitempty"`
	Operator  string     `json:"operator,omitempty"`
	Found     string     `json:"found,omitempty"`
	Wanted    string     `json:"wanted,omitempty"`
	Reason    string     `json:"reason,omitempty"`
	Error     string     `json:"error,omitempty"`
	Children  []treeJSON `json:"children,omitempty"`
}

type relatedJSON struct {
	ID   string    `json:"id"`
	Tree *treeJSON `json:"existenceCondition,omitempty"`
}

type explainJSON struct {
	Resource string        `json:"resource"`
	Type     string        `json:"type"`
	Effect   string        `json:"effect"`
	State    string        `json:"state"`
	Reason   string        `json:"reason,omitempty"`
	If       *treeJSON     `json:"if,omitempty"`
	Looks    string        `json:"relatedType,omitempty"`
	Related  []relatedJSON `json:"related,omitempty"`
	Missing  string        `json:"relatedMissing,omitempty"`
	Changes  []changeJSON  `json:"changes,omitempty"`
}

type changeJSON struct {
	Operation string `json:"operation"`
	Field     string `json:"field"`
	Path      string `json:"path,omitempty"`
	Value     string `json:"value"`
}

// maxRelated is how many related resources the tree shows.
const maxRelated = 20

func (c *policyExplainCommand) explain(rc *runContext, p *policy.Policy, pop *population, r *policy.Resource) error {
	ev := &policy.Evaluator{Env: pop.env}
	prog := p.For(r.Type)
	o := ev.Evaluate(prog, r)
	out := explainJSON{Resource: r.ID, Type: r.Type, Effect: p.Effect.String(), State: o.State.String(), Reason: ev.Explain(prog, r, o).Reason}
	if prog == nil {
		out.Reason = "the rule's conditions on type exclude this resource type"
	} else {
		out.If = tree(ev.Trace(prog, r))
	}
	if prog != nil && (p.Effect == policy.AuditIfNotExists || p.Effect == policy.DeployIfNotExists) {
		typ, related, missing := ev.Related(prog, r)
		out.Looks, out.Missing = typ, missing
		for i, x := range related {
			if i == maxRelated {
				break
			}
			out.Related = append(out.Related, relatedJSON{x.ID, tree(ev.TraceExistence(prog, r, x))})
		}
	}
	if prog != nil && o.State == policy.NonCompliant && (p.Effect == policy.Modify || p.Effect == policy.Append) {
		changes, err := ev.Changes(prog, r)
		if err != nil {
			return inputError(err)
		}
		for _, x := range changes {
			out.Changes = append(out.Changes, changeJSON{x.Operation, x.Field, x.Path, policy.Shown(x.Value)})
		}
	}
	if c.JSON {
		return printJSON(rc, out)
	}
	out.print(rc.Out, o.State)
	return nil
}

func tree(t *policy.Trace) *treeJSON {
	if t == nil {
		return nil
	}
	out := &treeJSON{
		Kind: t.Kind, Condition: t.Place, Truth: t.Truth.String(), Field: t.Field, Path: t.Path, Operator: t.Op.String(),
		Found: t.Found, Wanted: t.Wanted, Reason: t.Reason,
	}
	if t.Err != nil {
		out.Error = t.Err.Error()
	}
	for _, c := range t.Children {
		out.Children = append(out.Children, *tree(c))
	}
	return out
}

func (x *explainJSON) print(w io.Writer, s policy.State) {
	fmt.Fprintf(w, "%s %s  %s\n", mark(s), x.State, x.Resource)
	fmt.Fprintf(w, "type %s, effect %s\n", x.Type, x.Effect)
	if x.Reason != "" {
		fmt.Fprintf(w, "%s\n", x.Reason)
	}
	if x.If != nil {
		fmt.Fprintln(w, "\nif (conditions that the type alone decides are left out)")
		x.If.print(w, 1)
	}
	if x.Looks != "" {
		fmt.Fprintf(w, "\nthen there must be a %s; %d found\n", x.Looks, len(x.Related))
		for _, r := range x.Related {
			fmt.Fprintf(w, "  %s\n", r.ID)
			if r.Tree != nil {
				r.Tree.print(w, 2)
			}
		}
		if x.Missing != "" {
			fmt.Fprintf(w, "  ? there may be more: %s\n", x.Missing)
		}
	}
	if len(x.Changes) > 0 {
		fmt.Fprintln(w, "\nthe effect would change")
		for _, c := range x.Changes {
			fmt.Fprintf(w, "  %s %s = %s\n", c.Operation, first(c.Path, c.Field), c.Value)
		}
	}
}

func (t *treeJSON) print(w io.Writer, depth int) {
	sign := map[string]string{"true": "✓", "false": "✗"}[t.Truth]
	if sign == "" {
		sign = "?"
	}
	fmt.Fprintf(w, "%s%s ", strings.Repeat("  ", depth), sign)
	switch {
	case t.Error != "":
		fmt.Fprintf(w, "%s: error: %s\n", t.Kind, t.Error)
	case len(t.Children) > 0:
		fmt.Fprintln(w, t.Kind)
	case t.Kind == "type":
		fmt.Fprintln(w, "decided by the type alone")
	default:
		name := t.Field
		if t.Kind == "count" {
			name = "count of " + name
		}
		fmt.Fprintf(w, "%s %s %s: found %s", name, t.Operator, t.Wanted, t.Found)
		if t.Path != "" && !strings.EqualFold(t.Path, t.Field) {
			fmt.Fprintf(w, " at %s", t.Path)
		}
		if t.Reason != "" {
			fmt.Fprintf(w, " (%s)", t.Reason)
		}
		fmt.Fprintln(w)
	}
	for i := range t.Children {
		t.Children[i].print(w, depth+1)
	}
}
