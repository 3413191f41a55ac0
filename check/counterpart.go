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

	"github.com/goccy/go-yaml"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
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
	bad := func(check, policy, format string, args ...any) {
		problems = append(problems, &tickmark.Error{Code: tickmark.CodeInput, What: fmt.Sprintf(format, args...), Where: file + ": " + check + ", " + policy})
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
