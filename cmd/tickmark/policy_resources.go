// SPDX-License-Identifier: Apache-2.0

package main

import (
	"sort"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/collect/file"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/policy"
)

// resourceFlags say which resources a policy is evaluated on.
type resourceFlags struct {
	Resources []string `placeholder:"PATH" help:"Exported resources: files, folders, archives, or - for standard input." sep:"none"`
	Complete  []string `placeholder:"TYPE,…" help:"Resource types that the export holds completely; * for all, which is the default; none for none." default:"*"`
	Now       string   `placeholder:"INSTANT" help:"The instant of the evaluation (RFC 3339); default: the clock."`
}

// population is the resources of exported files as the evaluator sees them.
type population struct {
	inv   *inventory.Inventory
	list  []policy.Resource
	ptrs  []*policy.Resource
	first map[string]int // where each type (lower case) starts
	read  int            // resources that were read, not only named by others
	env   *policy.Env
	files *file.Files
	// problems are what could not be read.
	problems []tickmark.Problem
}

// read reads the resources. The caller closes the population.
func (f *resourceFlags) read(rc *runContext) (*population, error) {
	now, err := instant(f.Now, rc.Now)
	if err != nil {
		return nil, err
	}
	if len(f.Complete) == 1 && f.Complete[0] == "none" {
		f.Complete = nil
	}
	files, err := file.Open(rc.Context, f.Resources, file.Options{Stdin: rc.In, CompleteTypes: f.Complete, ObservedAt: now})
	if err != nil {
		return nil, err
	}
	p, err := populate(rc, files, now)
	if err != nil {
		_ = files.Close() // the first error is the one to report
		return nil, err
	}
	return p, nil
}

func populate(rc *runContext, files *file.Files, now time.Time) (*population, error) {
	c, err := catalog.Default()
	if err != nil {
		return nil, err
	}
	rules, err := check.Compile(c)
	if err != nil {
		return nil, err
	}
	snap := &files.Snapshot
	red := inventory.Redact(snap)
	inv, err := inventory.Build(rc.Context, snap, inventory.Options{Canonical: rules.Canonical, Redactions: red})
	if err != nil {
		return nil, err
	}
	p := &population{inv: inv, files: files, problems: append(append([]tickmark.Problem{}, snap.Problems...), inv.Problems...)}
	p.list = make([]policy.Resource, len(inv.Resources))
	p.ptrs = make([]*policy.Resource, len(inv.Resources))
	p.first = map[string]int{}
	for i := range inv.Resources {
		x := &inv.Resources[i]
		p.list[i] = policy.Resource{ID: x.ID, Type: x.Type, Name: x.Name, Root: x.Root, Index: i}
		p.ptrs[i] = &p.list[i]
		if x.Item >= 0 {
			p.read++
		}
		if i == 0 || x.Type != inv.Resources[i-1].Type {
			p.first[strings.ToLower(x.Type)] = i
		}
	}
	p.env = &policy.Env{Now: now, Inventory: p}
	return p, nil
}

// Close releases the files. Nothing of the population may be used afterwards.
func (p *population) Close() error { return p.files.Close() }

// find returns the resource with this id, or the only one with this name.
func (p *population) find(id string) (*policy.Resource, error) {
	var named []*policy.Resource
	for _, r := range p.ptrs {
		if strings.EqualFold(r.ID, id) {
			return r, nil
		}
		if strings.EqualFold(r.Name, id) {
			named = append(named, r)
		}
	}
	switch len(named) {
	case 1:
		return named[0], nil
	case 0:
		return nil, &tickmark.Error{Code: tickmark.CodeUsage, What: "there is no resource with this id or name", Where: id}
	}
	return nil, &tickmark.Error{Code: tickmark.CodeUsage, What: "several resources have this name", Where: id, Hint: "give the id, such as " + named[0].ID}
}

// Related implements policy.Inventory.
func (p *population) Related(q policy.Query) policy.Related {
	scope := q.Under
	switch {
	case inventory.IsRecord(q.Type):
		scope = ""
	case scope != "":
	case q.ResourceGroup != "":
		scope = "/subscriptions/" + q.Subscription + "/resourceGroups/" + q.ResourceGroup
	case q.Subscription != "":
		scope = "/subscriptions/" + q.Subscription
	}
	var out policy.Related
	if found := p.inv.Under(q.Type, scope); len(found) > 0 {
		all, at := p.inv.OfType(q.Type), p.first[strings.ToLower(found[0].Type)]
		at += sort.Search(len(all), func(i int) bool { return all[i].Key >= found[0].Key })
		out.Resources = p.ptrs[at : at+len(found)]
	}
	if ok, why := p.inv.Complete(q.Type, scope); !ok {
		out.Missing = string(why)
	}
	return out
}
