// SPDX-License-Identifier: Apache-2.0

package check

import (
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
)

// Assessment is the outcome of running checks over one inventory: everything
// that reports show. It holds no percentages: counts of different kinds are
// never mixed.
type Assessment struct {
	// Engine is the version of tickmark that evaluated.
	Engine  string
	Catalog tickmark.Digest
	// Now is the instant that clock-dependent checks used.
	Now        time.Time
	Origin     string
	ObservedAt time.Time
	// Sample says that the ledger that holds it, or is to hold it, is one of
	// samples: nothing in it is evidence, wherever it comes from.
	Sample bool
	// Scope is set where the reader chose among the categories of criteria; nil
	// means all of them.
	Scope      *Scope
	Inputs     []Input
	Population Population
	Coverage   []tickmark.Coverage
	Problems   []tickmark.Problem
	Types      []TypeCount
	Checks     []Summary
	Criteria   []CriterionSummary
	// NotRead are the sources that were not read, or only in part, as far as
	// checks are unknown for that.
	NotRead []SourceNotRead
	// Results holds every result, ordered by check, then resource id.
	Results *Results
}

// Findings counts the failing checks at or above a severity.
func (a *Assessment) Findings(threshold tickmark.Severity) int {
	n := 0
	for i := range a.Checks {
		if a.Checks[i].State == StateFail && a.Checks[i].Check.Severity >= threshold {
			n++
		}
	}
	return n
}

// Input is one file as read.
type Input struct {
	Name   string          `json:"name"`
	Digest tickmark.Digest `json:"digest"`
	Bytes  int64           `json:"bytes"`
	Form   string          `json:"form"`
	Items  int             `json:"items"`
	// Redacted is the number of secret values that were replaced before
	// anything was evaluated; Kept is then the digest of the bytes with the
	// replacements, which is what a recorded snapshot holds.
	Redacted int              `json:"redacted,omitempty"`
	Kept     *tickmark.Digest `json:"kept,omitempty"`
}

// Population counts what was read. Items = own resources + Duplicates + Unread;
// Resources = own resources + Nested + Implied.
type Population struct {
	Items       int `json:"items"`       // objects in the inputs
	Unread      int `json:"unread"`      // not resources, or not JSON
	Duplicates  int `json:"duplicates"`  // repeat a resource
	Summaries   int `json:"summaries"`   // of Items: came without properties
	Resources   int `json:"resources"`   // distinct resources
	Nested      int `json:"nested"`      // of Resources: found only inside a parent
	Implied     int `json:"implied"`     // of Resources: only named by others
	Conflicting int `json:"conflicting"` // of Resources: read twice with different content
	Unseen      int `json:"unseen"`      // of Resources: still without properties
}

// TypeCount counts the population of one resource type.
type TypeCount struct {
	Type      string `json:"type"`
	Resources int    `json:"resources"`
	Summaries int    `json:"summaries"` // of Resources: came without properties
	Nested    int    `json:"nested"`    // of Resources: found inside a parent
	Implied   int    `json:"implied"`   // of Resources: only named by others
	Partial   int    `json:"partial"`   // of Resources: records of which only some members were asked for
	Checks    int    `json:"checks"`    // checks that judge this type; 0 = not judged by any
	// Known reports whether any check or alias table knows the type.
	Known bool `json:"known"`
}

// Counts are numbers of resources by verdict.
type Counts struct {
	Fail          int `json:"fail"`
	Pass          int `json:"pass"`
	Unknown       int `json:"unknown"`
	Exempt        int `json:"exempt"`
	NotApplicable int `json:"notApplicable"`
}

// Total is the sum over all verdicts.
func (c Counts) Total() int { return c.Fail + c.Pass + c.Unknown + c.Exempt + c.NotApplicable }

// Add counts one verdict.
func (c *Counts) Add(v tickmark.Verdict) {
	switch v {
	case tickmark.Fail:
		c.Fail++
	case tickmark.Pass:
		c.Pass++
	case tickmark.Unknown:
		c.Unknown++
	case tickmark.Exempt:
		c.Exempt++
	case tickmark.NotApplicable:
		c.NotApplicable++
	}
}

// State is the roll-up state of a check or criterion. The worst wins in the
// order of the constants; it is never "effective" or "compliant".
type State string

// The states, worst first.
const (
	StateFail       State = "fail"       // at least one resource fails
	StateUnknown    State = "unknown"    // none fails, at least one is unknown
	StatePass       State = "pass"       // at least one passes, none fails or is unknown
	StateExempt     State = "exempt"     // only exempt resources
	StateNoResource State = "noResource" // asked and wholly answered: there is nothing to judge
	StateManual     State = "manual"     // no check, or only supporting ones that pass: people's evidence decides
)

// Summary is one check with its counts.
type Summary struct {
	Check  *catalog.Check
	State  State
	Counts Counts
	// Reasons counts the Unknown results by reason.
	Reasons map[tickmark.Reason]int
	// Cut is set when every resource that was read passes but some are known to
	// be missing, or when nothing to judge was read and nobody knows that there
	// is none; the state is then unknown.
	Cut tickmark.Reason
	// Lacking are the types that the check looks at and that were not read
	// completely, where results are unknown for that (ReasonNotCollected).
	Lacking []string
	// Retired says that the check was not run: its subject is retired.
	Retired bool
}

// SourceNotRead is a source that was not read, or some of whose questions nobody
// put, and what that leaves unknown.
type SourceNotRead struct {
	// Source is "graph", "devops", "m365" …
	Source string          `json:"source"`
	Reason tickmark.Reason `json:"reason"`
	// Detail says who left it out and why; empty for files.
	Detail string `json:"detail,omitempty"`
	// Partly says that some of the source was read.
	Partly bool `json:"partly"`
	// Checks are the ids of the checks that are unknown for it, Criteria the
	// codes of the criteria that these are linked to; both in catalogue order.
	Checks   []string `json:"checks"`
	Criteria []string `json:"criteria"`
}

// CriterionSummary counts the checks linked to one criterion by state. Every
// criterion also needs people's evidence; no check replaces it.
type CriterionSummary struct {
	Criterion *catalog.Criterion
	State     State
	// Numbers of linked checks by state; apart, never added into one figure.
	Fail, Pass, Unknown, NoResource, Exempt int
	// Automation is "direct" (at least one check bears directly on the
	// criterion), "supporting" (checks only support it) or "none". An
	// organisation's own check at most supports one, whatever link it names.
	Automation string
	// Checks are indexes into Assessment.Checks.
	Checks []int
	// directPass says that a check which bears directly on the criterion passes.
	directPass bool
}
