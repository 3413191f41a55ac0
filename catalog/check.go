// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"
	"strings"

	"github.com/tickmark/tickmark"
)

// Check is an automated rule over collected resources, in the Azure Policy
// language, with what people need to know to act on it and to trust it.
// One YAML document under checks/ holds one Check; doc/spec/check.md describes
// the fields.
type Check struct {
	ID       string            `yaml:"id"`
	Title    string            `yaml:"title"` // the expected state, as a statement
	Area     string            `yaml:"area"`  // storage, network, identity …
	Severity tickmark.Severity `yaml:"severity"`
	Why      string            `yaml:"why"` // why it matters
	Criteria []CriterionLink   `yaml:"criteria"`
	// Types are the resource types that the check judges, canonical spelling.
	Types []string `yaml:"types"`
	// Needs are related types that the rule looks up (existence checks).
	Needs []string `yaml:"needs,omitempty"`
	// Joins set records of other types beside each judged resource.
	Joins []Join `yaml:"joins,omitempty"`
	// Inherent says that the service itself keeps the related object that the
	// rule names, on or off: one that is missing was not exported, and cannot
	// be a fail even where the export is said to be complete.
	Inherent   bool   `yaml:"inherent,omitempty"`
	Source     string `yaml:"source"`     // arm, graph, devops …
	Permission string `yaml:"permission"` // least permission that reads the types
	// Clock reports whether the verdict depends on the evaluation instant.
	Clock bool `yaml:"clock,omitempty"`
	// Witness names the logs and operations that would reveal a change of a
	// deciding field; empty means none.
	Witness []Witness `yaml:"witness,omitempty"`
	// Defaults say how a missing property comes out, and where the service documents it.
	Defaults []ServiceDefault `yaml:"defaults,omitempty"`
	// Rule is the policy rule {"if":…,"then":…} as JSON.
	Rule []byte `yaml:"-"`
	// Applies is the condition, as JSON, that a resource of the types meets if the
	// check is about it; nil: about all. The others are not applicable.
	Applies []byte `yaml:"-"`
	// Alternatives are other rules, as JSON: a resource that fails Rule passes if
	// it passes one of them.
	Alternatives [][]byte `yaml:"-"`
	// Parameters are the rule's parameters with default values, as JSON; may be nil.
	Parameters []byte `yaml:"-"`
	// NotProven says what a pass does not show.
	NotProven   string      `yaml:"notProven"`
	Remediation Remediation `yaml:"remediation"`
	Retired     *Retired    `yaml:"retired,omitempty"`
	References  []string    `yaml:"references"`
	// Override says that an organisation has changed the check, or added it; nil
	// for a check as the library has it.
	Override *CheckOverride `yaml:"override,omitempty"`
	// File and Line say where the check is defined, for messages.
	File string `yaml:"-"`
	Line int    `yaml:"-"`
}

// CheckOverride is where the override of a check was recorded. It is part of
// the pinned catalogue, so that results show by whose rule they came about.
type CheckOverride struct {
	Own       bool   `yaml:"own" json:"own"`
	Version   int64  `yaml:"version" json:"version"`
	Effective string `yaml:"effective" json:"effective"`
	Recorded  string `yaml:"recorded" json:"recorded"`
	Actor     string `yaml:"actor" json:"actor"`
	Reason    string `yaml:"reason" json:"reason"`
}

// String says in one sentence whose word the check is.
func (o *CheckOverride) String() string {
	if o == nil {
		return ""
	}
	what := "changed by the organisation"
	if o.Own {
		what = "the organisation's own"
	}
	return fmt.Sprintf("%s: version %d, effective %s, recorded %s by %s: %s", what, o.Version, o.Effective, o.Recorded, o.Actor, o.Reason)
}

// Join sets records of Type beside each judged resource, as its member
// joined.AS; inventory.Join says what the parts mean.
type Join struct {
	As    string              `yaml:"as" json:"as"`
	Type  string              `yaml:"type" json:"type"`
	Match string              `yaml:"match" json:"match"`
	With  string              `yaml:"with" json:"with"`
	Where map[string][]string `yaml:"where,omitempty" json:"where,omitempty"`
	Each  string              `yaml:"each,omitempty" json:"each,omitempty"`
	Take  []string            `yaml:"take,omitempty" json:"take,omitempty"`
	// Names says that the resource names a record that there must be.
	Names bool `yaml:"names,omitempty" json:"names,omitempty"`
	// Some says that some records must belong to some resource.
	Some bool `yaml:"some,omitempty" json:"some,omitempty"`
}

// Fields are the names under which a rule on typ reads the join, each with its
// path.
func (j *Join) Fields(typ string) []Alias {
	base := "joined." + j.As
	paths := []string{base, base + "[*]", base + "[*].id"}
	if j.Each != "" {
		paths = append(paths, base+"[*].each")
	}
	for _, t := range j.Take {
		if array, _, ok := strings.Cut(t, "[*]"); ok {
			paths = append(paths, base+"[*]."+array, base+"[*]."+array+"[*]")
		}
		paths = append(paths, base+"[*]."+t)
	}
	out := make([]Alias, len(paths))
	for i, p := range paths {
		out[i] = Alias{Name: typ + "/" + p, Path: p}
	}
	return out
}

// CriterionLink ties a check to one of the 61 criteria.
type CriterionLink struct {
	Code string `yaml:"code" json:"code"`
	Link string `yaml:"link" json:"link"` // "direct" or "supporting"
}

// Witness is a change witness.
type Witness struct {
	Log        string   `yaml:"log"` // activityLog, directoryAudit …
	Operations []string `yaml:"operations"`
}

// ServiceDefault is what a service documents for a property that is missing.
type ServiceDefault struct {
	Field     string `yaml:"field"`
	Value     string `yaml:"value"`
	Reference string `yaml:"reference"`
}

// Remediation says how to reach the expected state.
type Remediation struct {
	CLI string `yaml:"cli"`
	// Bicep declares the deciding settings of the resource: an excerpt, to be
	// merged into the file that deploys it.
	Bicep string `yaml:"bicep,omitempty"`
	// NoBicep is the word of the reason for which a check over Azure resources
	// has no Bicep; Check.WithoutBicep says it in full.
	NoBicep string `yaml:"noBicep,omitempty"`
	Portal  string `yaml:"portal"`
}

// withoutBicep are the reasons for which a check has no Bicep: by the word that
// it gives, and for what is not in Azure by its source.
var withoutBicep = map[string]string{
	"finding": "the finding is Defender for Cloud's own: it ends when the machine or image is mended, not by a declaration",
	"work":    "a person's act ends the fail; there is no setting to declare",
	"log":     "an entry of a log is judged, which nothing changes afterwards",
	"removal": "something has to go, and Bicep removes nothing that it did not declare",
	"content": "what to declare is the organisation's own content, such as its detection rules",
	"graph":   "Bicep declares Azure resources; its extension for Microsoft Graph has groups, applications, service principals and grants, but not this setting",
	"m365":    "Bicep declares Azure resources, not settings of Microsoft 365",
	"devops":  "Bicep declares Azure resources, not settings of Azure DevOps",
	"github":  "Bicep declares Azure resources, not settings of GitHub",
	"power":   "Bicep declares Azure resources, not settings of Power Platform",
}

// WithoutBicep says why the check has no Bicep; empty if it has.
func (k *Check) WithoutBicep() string {
	switch {
	case k.Remediation.Bicep != "":
		return ""
	case k.Remediation.NoBicep != "":
		return withoutBicep[k.Remediation.NoBicep]
	}
	return withoutBicep[k.Source]
}

// Retired marks a check whose subject the provider has retired. From On the
// check is no longer run; results before it stand.
type Retired struct {
	On        string `yaml:"on"` // YYYY-MM-DD
	Note      string `yaml:"note"`
	Reference string `yaml:"reference"`
}

// Criterion is one of the 61 criteria of the trust services criteria; title
// and explanation are our own words.
type Criterion struct {
	Code     string `yaml:"code" json:"code"`
	Category string `yaml:"category" json:"category"` // security, availability, processingIntegrity, confidentiality, privacy
	COSO     int    `yaml:"coso,omitempty" json:"coso,omitempty"`
	Title    string `yaml:"title" json:"title"`
}
