// SPDX-License-Identifier: Apache-2.0

package check

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/policy"
)

// Rules are the catalogue's checks compiled and ready to run. They are safe
// for concurrent use.
type Rules struct {
	Catalog *catalog.Catalog
	// Canonical maps every type that the catalogue knows, lower case, to its
	// spelling.
	Canonical map[string]string
	rules     []rule
	joins     []inventory.Join // sorted by the type that they are made on
}

type rule struct {
	check  *catalog.Check
	policy *policy.Policy
	// applies is true for the resources that the check is about; nil: for all.
	applies *policy.Policy
	// alternatives are rules of which one is enough where policy fails.
	alternatives []*policy.Policy
}

// relatedTypes are the types that the rule and its alternatives look up.
func (x *rule) relatedTypes() []string {
	types := []string{x.policy.RelatedType()}
	for _, p := range x.alternatives {
		types = append(types, p.RelatedType())
	}
	return types
}

// Aliases makes the policy package's alias catalogue from the embedded tables;
// a type's aliases are read when first asked for.
func Aliases(c *catalog.Catalog) *policy.Catalog {
	out := policy.NewCatalog()
	joined := joinedFields(c)
	out.Load = func(p *policy.Catalog, typ string) {
		t := c.Type(typ)
		if t == nil {
			return
		}
		info := p.AddType(t.Name)
		info.Known, info.Tags, info.Location = t.Capabilities, t.Tags, t.Location
		for a := range t.Aliases() {
			p.Add(t.Name, policy.Alias{Name: a.Name, Path: a.Path})
		}
		for _, a := range joined[lower(t.Name)] {
			p.Add(t.Name, policy.Alias{Name: a.Name, Path: a.Path})
		}
	}
	return out
}

// Compile compiles every check of the catalogue. Errors of several checks are
// joined; each names the check's file.
func Compile(c *catalog.Catalog) (*Rules, error) {
	aliases := Aliases(c)
	out := &Rules{Catalog: c, Canonical: canonical(c)}
	var errs []error
	for _, ch := range c.Checks {
		r, err := compileOne(ch, aliases)
		if err != nil {
			errs = append(errs, fmt.Errorf("check %s: %w", ch.ID, err))
			continue
		}
		out.rules = append(out.rules, r)
	}
	out.joins = joinsOf(c)
	return out, errors.Join(errs...)
}

func compileOne(ch *catalog.Check, aliases *policy.Catalog) (rule, error) {
	p, err := bind(ch, ch.Rule, aliases)
	out := rule{check: ch, policy: p}
	if err != nil {
		return out, err
	}
	if ch.Applies != nil {
		if out.applies, err = bind(ch, Applicability(ch), aliases); err != nil {
			return out, err
		}
	}
	for _, a := range ch.Alternatives {
		p, err := bind(ch, a, aliases)
		if err != nil {
			return out, err
		}
		out.alternatives = append(out.alternatives, p)
	}
	return out, nil
}

// Applicability returns the condition of the check's applies as a rule: a
// resource that it finds non-compliant is one that the check is about.
func Applicability(ch *catalog.Check) []byte {
	var b bytes.Buffer
	b.WriteString(`{"if":{"allOf":[{"field":"type","in":[`)
	for i, t := range ch.Types {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q", t)
	}
	b.WriteString(`]},`)
	b.Write(ch.Applies)
	b.WriteString(`]},"then":{"effect":"audit"}}`)
	return b.Bytes()
}

func bind(ch *catalog.Check, condition []byte, aliases *policy.Catalog) (*policy.Policy, error) {
	var b bytes.Buffer
	b.WriteString(`{"parameters":`)
	if len(ch.Parameters) > 0 {
		b.Write(ch.Parameters)
	} else {
		b.WriteString("{}")
	}
	b.WriteString(`,"policyRule":`)
	b.Write(condition)
	b.WriteByte('}')
	d, err := policy.ParseDefinition(ch.File, b.Bytes())
	if err != nil {
		return nil, err
	}
	p, err := policy.Bind(d, map[string]armexpr.Value{}, aliases)
	if err != nil {
		return nil, err
	}
	for _, t := range ch.Types {
		if p.For(t) == nil {
			return nil, fmt.Errorf("the rule can never apply to its type %s", t)
		}
		if missing := p.UnknownAliases(t); len(missing) > 0 {
			return nil, fmt.Errorf("for type %s: %s", t, missing[0])
		}
	}
	return p, nil
}

// retired reports whether the check's subject had been retired by now.
func retired(c *catalog.Check, now time.Time) bool {
	if c.Retired == nil {
		return false
	}
	on, err := time.Parse(time.DateOnly, c.Retired.On)
	return err == nil && !now.Before(on)
}

func canonical(c *catalog.Catalog) map[string]string {
	out := map[string]string{}
	for _, t := range c.Types() {
		out[lower(t.Name)] = t.Name
	}
	for _, ch := range c.Checks {
		for _, t := range slices.Concat(ch.Types, ch.Needs) {
			if _, ok := out[lower(t)]; !ok {
				out[lower(t)] = t
			}
		}
	}
	return out
}

// Checks returns how many checks judge the type.
func (r *Rules) Checks(typ string) int {
	n := 0
	for _, x := range r.rules {
		if slices.ContainsFunc(x.check.Types, func(t string) bool { return lower(t) == lower(typ) }) {
			n++
		}
	}
	return n
}
