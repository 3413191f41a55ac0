// SPDX-License-Identifier: Apache-2.0

package check

import (
	_ "embed" // the list of counterparts
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/jsontape"
	"github.com/tickmark/tickmark/policy"
)

//go:embed counterparts.yaml
var counterparts []byte

// Relation says how the verdicts of a check lie to those of its counterpart.
type Relation string

// The relations. They follow from the listed differences: see RelationOf.
const (
	// Same: no difference is known.
	Same Relation = "same"
	// Stricter: where the two differ, the check fails.
	Stricter Relation = "stricter"
	// Looser: where the two differ, the policy fails.
	Looser Relation = "looser"
	// Different: the check fails some resources that the policy passes, and the
	// other way round.
	Different Relation = "different"
	// DifferentScope: one of the two leaves resources aside that the other judges.
	DifferentScope Relation = "different-scope"
)

// Counterpart is a built-in policy of Microsoft's that judges the same
// property as a check, with everything in which the two are known to differ.
type Counterpart struct {
	Check string `yaml:"check" json:"check"`
	// Policy is the GUID of the definition, Name its display name.
	Policy   string   `yaml:"policy" json:"policy"`
	Name     string   `yaml:"name" json:"name"`
	Relation Relation `yaml:"relation" json:"relation"`
	// Parameters are values for the definition, where its defaults are none or
	// are not those of the check.
	Parameters map[string]any `yaml:"parameters,omitempty" json:"parameters,omitempty"`
	Differs    []Difference   `yaml:"differs,omitempty" json:"differs,omitempty"`
}

// Difference is one kind of disagreement, and its cause.
type Difference struct {
	// Ours and Theirs are verdicts: pass, fail, notApplicable.
	Ours   string `yaml:"ours" json:"ours"`
	Theirs string `yaml:"theirs" json:"theirs"`
	// When is a condition of the rule language on the judged resource that
	// bounds the difference; nil: anywhere.
	When    map[string]any `yaml:"when,omitempty" json:"when,omitempty"`
	Because string         `yaml:"because" json:"because"`
}

// Considered are policies that read what checks read and are no counterparts
// all the same.
type Considered struct {
	Checks   []string `yaml:"checks"`
	Policies []string `yaml:"policies"`
	Because  string   `yaml:"because"`
}

// Counterparts is the list of counterparts.
type Counterparts struct {
	List       []Counterpart `yaml:"counterparts"`
	Considered []Considered  `yaml:"considered"`
}

// DefaultCounterparts returns the list that is built into the program.
var DefaultCounterparts = sync.OnceValues(func() (*Counterparts, error) {
	c, err := catalog.Default()
	if err != nil {
		return nil, err
	}
	return ParseCounterparts("counterparts.yaml", counterparts, c)
})

var guid = regexp.MustCompile(`^[0-9a-z]{8}-[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{12}$`)

// ParseCounterparts reads a list and verifies all that can be verified without
// the definitions: ids, verdicts, relations, conditions.
func ParseCounterparts(file string, src []byte, c *catalog.Catalog) (*Counterparts, error) {
	var out Counterparts
	if err := yaml.UnmarshalWithOptions(src, &out, yaml.Strict()); err != nil {
		return nil, &tickmark.Error{Code: tickmark.CodeInput, What: "the list of counterparts cannot be read", Where: file, Err: err}
	}
	aliases := Aliases(c)
	seen := map[string]bool{}
	var problems []error
	bad := func(id, guid, format string, args ...any) {
		problems = append(problems, &tickmark.Error{Code: tickmark.CodeInput, What: fmt.Sprintf(format, args...), Where: file + ": " + id + ", " + guid})
	}
	for i := range out.List {
		p := &out.List[i]
		key := p.Check + " " + p.Policy
		switch k := c.Check(p.Check); {
		case k == nil:
			bad(p.Check, p.Policy, "there is no such check")
		case !guid.MatchString(p.Policy):
			bad(p.Check, p.Policy, "the id of a definition is a GUID in lower case")
		case seen[key]:
			bad(p.Check, p.Policy, "the pair is listed twice")
		default:
			for j := range p.Differs {
				if err := p.Differs[j].validate(); err != nil {
					bad(p.Check, p.Policy, "%v", err)
				} else if d := &p.Differs[j]; d.When != nil {
					if _, err := bind(k, d.condition(k), aliases); err != nil {
						bad(p.Check, p.Policy, "when: %v", err)
					}
				}
			}
			if want := RelationOf(p.Differs); want != p.Relation {
				bad(p.Check, p.Policy, "the relation is %q; what differs says %q", p.Relation, want)
			}
		}
		seen[key] = true
	}
	for _, x := range out.Considered {
		for _, id := range x.Checks {
			for _, g := range x.Policies {
				switch {
				case c.Check(id) == nil:
					bad(id, g, "there is no such check")
				case !guid.MatchString(g):
					bad(id, g, "the id of a definition is a GUID in lower case")
				case seen[id+" "+g]:
					bad(id, g, "the pair is listed twice")
				case x.Because == "":
					bad(id, g, "a policy that is left aside needs a reason")
				}
				seen[id+" "+g] = true
			}
		}
	}
	return &out, errors.Join(problems...)
}

var comparedVerdicts = []string{"pass", "fail", "notApplicable"}

func (d *Difference) validate() error {
	switch {
	case !slices.Contains(comparedVerdicts, d.Ours) || !slices.Contains(comparedVerdicts, d.Theirs):
		return fmt.Errorf("ours %q, theirs %q: want pass, fail or notApplicable", d.Ours, d.Theirs)
	case d.Ours == d.Theirs:
		return fmt.Errorf("ours and theirs are both %s, which is no difference", d.Ours)
	case d.Because == "":
		return fmt.Errorf("ours %s, theirs %s: the cause is missing", d.Ours, d.Theirs)
	}
	return nil
}

// condition is the When of d as a rule on the types of the check: a resource
// that it finds non-compliant is one that d speaks of.
func (d *Difference) condition(k *catalog.Check) []byte {
	when, err := json.Marshal(d.When)
	if err != nil { // it was read from YAML
		when = []byte("{}")
	}
	return Applicability(&catalog.Check{Types: k.Types, Applies: when})
}

// RelationOf derives the relation from what differs.
func RelationOf(list []Difference) Relation {
	var scope, stricter, looser bool
	for _, d := range list {
		switch {
		case d.Ours == "notApplicable" || d.Theirs == "notApplicable":
			scope = true
		case d.Ours == "fail":
			stricter = true
		default:
			looser = true
		}
	}
	switch {
	case scope:
		return DifferentScope
	case stricter && looser:
		return Different
	case stricter:
		return Stricter
	case looser:
		return Looser
	}
	return Same
}

// Comparer sets checks and their counterparts side by side over inventories.
// It is safe for concurrent use.
type Comparer struct {
	rules   *Rules
	members []compared
	// Missing are the counterparts of which no definition was given.
	Missing []Counterpart
	// Unbound says why a definition that was given cannot be compared, by check
	// and GUID.
	Unbound map[string]string
}

type compared struct {
	pair   *Counterpart
	rule   int // of rules
	policy *policy.Policy
	when   []*policy.Policy // by the pair's differences; nil: anywhere
}

// Compared is what the two sides say of one resource.
type Compared struct {
	Pair *Counterpart
	// Index is the resource's index in the inventory.
	Index        int
	Ours, Theirs tickmark.Verdict
	// OurReason and TheirReason say why a side is Unknown.
	OurReason, TheirReason tickmark.Reason
	// Difference is the listed difference that explains a disagreement, nil if
	// none does.
	Difference *Difference
}

// Decided reports whether both sides came to a verdict.
func (c *Compared) Decided() bool {
	return c.Ours != tickmark.Unknown && c.Theirs != tickmark.Unknown
}

// Agree reports whether both sides came to the same verdict.
func (c *Compared) Agree() bool { return c.Decided() && c.Ours == c.Theirs }

// NewComparer binds the definitions of the listed counterparts; find returns a
// definition by its GUID, nil where it is not at hand. A definition that cannot
// be bound costs its pair, not the others.
func NewComparer(rules *Rules, list []Counterpart, find func(guid string) *policy.Definition) *Comparer {
	c := &Comparer{rules: &Rules{Catalog: rules.Catalog, Canonical: rules.Canonical}, Unbound: map[string]string{}}
	aliases := Aliases(rules.Catalog)
	index := map[string]int{}
	for i := range list {
		p := &list[i]
		d := find(p.Policy)
		if d == nil {
			c.Missing = append(c.Missing, *p)
			continue
		}
		at, ok := index[p.Check]
		if !ok {
			k := slices.IndexFunc(rules.rules, func(r rule) bool { return r.check.ID == p.Check })
			if k < 0 {
				c.Unbound[p.Check+" "+p.Policy] = "there is no such check"
				continue
			}
			at = len(c.rules.rules)
			index[p.Check] = at
			c.rules.rules = append(c.rules.rules, rules.rules[k])
		}
		m, err := bindCounterpart(p, d, c.rules.rules[at], aliases)
		if err != nil {
			c.Unbound[p.Check+" "+p.Policy] = firstLine(err.Error())
			continue
		}
		m.rule = at
		c.members = append(c.members, m)
	}
	for _, j := range rules.joins {
		if slices.ContainsFunc(c.rules.rules, func(r rule) bool { return slices.Contains(r.check.Types, j.Of) && len(r.check.Joins) > 0 }) {
			c.rules.joins = append(c.rules.joins, j)
		}
	}
	return c
}

func bindCounterpart(p *Counterpart, d *policy.Definition, r rule, aliases *policy.Catalog) (compared, error) {
	m := compared{pair: p, when: make([]*policy.Policy, len(p.Differs))}
	values, err := parameterValues(p.Parameters)
	if err != nil {
		return m, err
	}
	if m.policy, err = bindJudging(d, values, aliases); err != nil {
		return m, err
	}
	for i := range p.Differs {
		if p.Differs[i].When == nil {
			continue
		}
		if m.when[i], err = bind(r.check, p.Differs[i].condition(r.check), aliases); err != nil {
			return m, fmt.Errorf("when: %w", err)
		}
	}
	return m, nil
}

func parameterValues(parameters map[string]any) (map[string]armexpr.Value, error) {
	src, err := json.Marshal(parameters)
	if err != nil {
		return nil, err
	}
	if parameters == nil {
		src = []byte("{}")
	}
	return policy.ParseParameters("parameters", src)
}

// judging are the effects that find a resource compliant or not.
var judging = []policy.Effect{policy.Audit, policy.AuditIfNotExists, policy.Deny}

// bindJudging binds a definition with the effect that judges, where its default
// is to be disabled: many built-ins ship switched off.
func bindJudging(d *policy.Definition, values map[string]armexpr.Value, aliases *policy.Catalog) (*policy.Policy, error) {
	p, err := policy.Bind(d, values, aliases)
	if err != nil || slices.Contains(judging, p.Effect) {
		return p, err
	}
	for i := range d.Parameters {
		x := &d.Parameters[i]
		for e := range x.Allowed.Elems() {
			effect, ok := policy.ParseEffect(e.Str())
			if e.Kind() != jsontape.String || !ok || !slices.Contains(judging, effect) {
				continue
			}
			values[x.Name] = armexpr.FromTape(e)
			if p, err := policy.Bind(d, values, aliases); err == nil && p.Effect == effect {
				return p, nil
			}
			delete(values, x.Name)
		}
	}
	return nil, fmt.Errorf("the effect %s does not judge, and no parameter changes it", p.Effect)
}

// Compare evaluates every check and its counterparts on the resources of the
// check's types. Resources that only others name are left out.
func (c *Comparer) Compare(inv *inventory.Inventory, now time.Time) ([]Compared, error) {
	r := newRunner(inv, c.rules, now)
	if err := r.join(); err != nil {
		return nil, err
	}
	ev := &policy.Evaluator{Env: r.env}
	var out []Compared
	for i := range c.members {
		m := &c.members[i]
		x := &c.rules.rules[m.rule]
		for _, typ := range x.check.Types {
			s := r.spans[lower(typ)]
			own, theirs := x.programs(typ), m.policy.For(typ)
			for k := s.from; k < s.to; k++ {
				if inv.Resources[k].Is(inventory.Implied) {
					continue
				}
				p := Compared{Pair: m.pair, Index: k}
				p.Ours, p.OurReason = own.judge(ev, &r.res[k])
				p.Theirs, p.TheirReason = Verdict(ev.Evaluate(theirs, &r.res[k]))
				if p.Decided() && p.Ours != p.Theirs {
					p.Difference = m.explain(ev, &r.res[k], p)
				}
				out = append(out, p)
			}
		}
	}
	return out, nil
}

// explain returns the first listed difference of this kind that holds for the
// resource.
func (m *compared) explain(ev *policy.Evaluator, res *policy.Resource, p Compared) *Difference {
	for i := range m.pair.Differs {
		d := &m.pair.Differs[i]
		if d.Ours != p.Ours.String() || d.Theirs != p.Theirs.String() {
			continue
		}
		if m.when[i] == nil {
			return d
		}
		if v, _ := Verdict(ev.Evaluate(m.when[i].For(res.Type), res)); v == tickmark.Fail {
			return d
		}
	}
	return nil
}

// Comparison is what the checks and their counterparts say of an inventory,
// pair by pair.
type Comparison struct {
	Pairs []PairCount `json:"pairs"`
	// Missing is the number of counterparts of which no definition was at hand;
	// Unbound says why others could not be compared.
	Missing int               `json:"withoutDefinition"`
	Unbound map[string]string `json:"notCompared"`
	// Agree, Listed, Unlisted and Undecided add up the pairs.
	Agree     int `json:"agree"`
	Listed    int `json:"differAsListed"`
	Unlisted  int `json:"differOtherwise"`
	Undecided int `json:"undecided"`
}

// PairCount is one pair of a check and a policy over an inventory.
type PairCount struct {
	Counterpart
	Agree     int `json:"agree"`
	Listed    int `json:"differAsListed"`
	Unlisted  int `json:"differOtherwise"`
	Undecided int `json:"undecided"`
	// Resources are those on which the two disagree.
	Resources []ComparedResource `json:"resources"`
}

// ComparedResource is a resource on which a check and its counterpart disagree.
type ComparedResource struct {
	Resource string `json:"resource"`
	Ours     string `json:"ours"`
	Theirs   string `json:"theirs"`
	Cause    Cause  `json:"cause"`
}

// CauseUnlisted is the cause of a difference that the list does not explain.
const CauseUnlisted Cause = "not listed: the definition may be of another version than the one that the list was made from, or one of the two is at fault"

// Sum compares over an inventory and adds up. Pairs that met no resource are
// left out.
func (c *Comparer) Sum(inv *inventory.Inventory, now time.Time) (*Comparison, error) {
	list, err := c.Compare(inv, now)
	if err != nil {
		return nil, err
	}
	out := &Comparison{Pairs: []PairCount{}, Missing: len(c.Missing), Unbound: c.Unbound}
	for i := range list {
		x := &list[i]
		if n := len(out.Pairs); n == 0 || out.Pairs[n-1].Check != x.Pair.Check || out.Pairs[n-1].Policy != x.Pair.Policy {
			out.Pairs = append(out.Pairs, PairCount{Counterpart: *x.Pair, Resources: []ComparedResource{}})
		}
		p := &out.Pairs[len(out.Pairs)-1]
		switch {
		case !x.Decided():
			p.Undecided++
			out.Undecided++
			continue
		case x.Agree():
			p.Agree++
			out.Agree++
			continue
		case x.Difference != nil:
			p.Listed++
			out.Listed++
		default:
			p.Unlisted++
			out.Unlisted++
		}
		d := ComparedResource{Resource: inv.Resources[x.Index].ID, Ours: x.Ours.String(), Theirs: x.Theirs.String(), Cause: CauseUnlisted}
		if x.Difference != nil {
			d.Cause = Cause(x.Difference.Because)
		}
		p.Resources = append(p.Resources, d)
	}
	return out, nil
}
