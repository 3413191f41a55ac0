// SPDX-License-Identifier: Apache-2.0

package tickmark

import "fmt"

// Verdict is what one check says of one resource. The zero value is Unknown,
// so that a verdict nobody set can never read as a pass.
type Verdict uint8

// The five verdicts. There are no others: an evaluation error, a missing
// permission or a stale answer is a Reason of Unknown.
const (
	Unknown       Verdict = iota // not seen, not readable or not decidable; always with a Reason
	Pass                         // every deciding value was observed and is as expected
	Fail                         // every deciding value was observed and is not as expected
	NotApplicable                // observed not to be a subject of the check
	Exempt                       // a person decided; who, why and until when are recorded
)

var verdictText = [...]string{"unknown", "pass", "fail", "notApplicable", "exempt"}

// Verdicts lists every verdict in the order in which tables show them.
func Verdicts() []Verdict { return []Verdict{Fail, Pass, Unknown, Exempt, NotApplicable} }

// String returns the verdict's word as used in JSON, tables and URLs.
func (v Verdict) String() string {
	if int(v) < len(verdictText) {
		return verdictText[v]
	}
	return fmt.Sprintf("verdict(%d)", uint8(v))
}

// MarshalText implements encoding.TextMarshaler.
func (v Verdict) MarshalText() ([]byte, error) {
	if int(v) >= len(verdictText) {
		return nil, fmt.Errorf("verdict %d does not exist", uint8(v))
	}
	return []byte(v.String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler; an unknown word is an error.
func (v *Verdict) UnmarshalText(b []byte) error {
	for i, s := range verdictText {
		if s == string(b) {
			*v = Verdict(i)
			return nil
		}
	}
	return fmt.Errorf("verdict %q: want one of %v", b, verdictText)
}

// Reason says why a verdict is Unknown, or why a value was not observed.
// Reasons are data in results and stored intervals: a word, once published,
// keeps its meaning.
type Reason string

// The reasons of Unknown.
const (
	ReasonNone            Reason = ""
	ReasonNotCollected    Reason = "notCollected"    // the related type was not read completely for that scope
	ReasonSummary         Reason = "summary"         // the object came without its properties (az resource list, a projected query)
	ReasonRedacted        Reason = "redacted"        // a value that is, or may be, a secret was replaced before it was kept
	ReasonTruncated       Reason = "truncated"       // a page, list or nested collection was cut
	ReasonNotPermitted    Reason = "notPermitted"    // the source refused
	ReasonNoLicence       Reason = "noLicence"       // the feature is not licensed in this tenant
	ReasonThrottled       Reason = "throttled"       // the source did not answer in time
	ReasonStale           Reason = "stale"           // read too long ago for this check
	ReasonUnparsable      Reason = "unparsable"      // the bytes are not one strict JSON object
	ReasonConflicting     Reason = "conflicting"     // the same resource was read twice with different content
	ReasonEvaluationError Reason = "evaluationError" // the rule failed on this object (template or type error)
	ReasonUnknownAlias    Reason = "unknownAlias"    // the rule names a field that the alias catalogue does not have for this type
	ReasonPlanTime        Reason = "planTime"        // known only after deployment
	ReasonImplied         Reason = "implied"         // only the existence of the object is proven, by others that name it
	ReasonScopeUnknown    Reason = "scopeUnknown"    // the management-group ancestry was not given
	ReasonNeedsPeople     Reason = "needsPeople"     // only people's evidence can decide
	ReasonNotOffered      Reason = "notOffered"      // the service or the log does not exist in this cloud
	ReasonDeclined        Reason = "declined"        // the organisation does not have it, and a person said so with a reason
	ReasonExcluded        Reason = "excluded"        // a person left the scope out of the collection, with a reason
	ReasonNotNamed        Reason = "notNamed"        // the collection was told by name what to read, and this is not in it
	ReasonNotRead         Reason = "notRead"         // nobody asked: the source or question was left out without a reason, or nothing of it was exported
	ReasonUnfamiliar      Reason = "unfamiliar"      // the object has a member that may change its meaning and that we do not know
	ReasonSchema          Reason = "schema"          // a member that every such object has is missing, of another kind, or has a value that nobody documents
	ReasonUnmatched       Reason = "unmatched"       // a record that belongs to it must be in the other list, and none that was read does
)

var reasonText = map[Reason]string{
	ReasonNotCollected:    "the related type was not collected completely for this scope",
	ReasonSummary:         "the object came without its properties; export it whole",
	ReasonRedacted:        "the deciding value is, or may be, a secret and was replaced before it was kept",
	ReasonTruncated:       "the answer was cut before the deciding value",
	ReasonNotPermitted:    "the source refused to answer",
	ReasonNoLicence:       "the feature is not licensed in this tenant",
	ReasonThrottled:       "the source did not answer in time",
	ReasonStale:           "the value was read too long ago",
	ReasonUnparsable:      "the bytes are not one strict JSON object",
	ReasonConflicting:     "the resource was read twice with different content",
	ReasonEvaluationError: "the rule could not be evaluated on this object",
	ReasonUnknownAlias:    "the rule names a field that is not in the alias catalogue for this type",
	ReasonPlanTime:        "the value is known only after deployment",
	ReasonImplied:         "the object itself was not collected; others only name it",
	ReasonScopeUnknown:    "the management groups above this scope were not given",
	ReasonNeedsPeople:     "only people's evidence can decide",
	ReasonNotOffered:      "the service is not offered in this cloud",
	ReasonDeclined:        "the organisation declared that it does not have this",
	ReasonExcluded:        "the scope was left out of the collection",
	ReasonNotNamed:        "the scope is not among those that were named as the population",
	ReasonNotRead:         "nobody asked for it: its source was not read, or not exported",
	ReasonUnfamiliar:      "the object has a condition that this version does not know and that may narrow it",
	ReasonSchema:          "the object has not the form that its documentation gives it: this member is missing, of another kind, or has a value that there is not",
	ReasonUnmatched:       "no record of the other list could be matched with it, though one must be there",
}

// Text returns a plain-language clause for r, fit to follow "unknown: ".
func (r Reason) Text() string {
	if s, ok := reasonText[r]; ok {
		return s
	}
	return string(r)
}

// Severity says how much a failing check matters.
type Severity uint8

// The severities, in rising order. The zero value is none.
const (
	SeverityNone Severity = iota
	Low
	Medium
	High
	Critical
)

var severityText = [...]string{"none", "low", "medium", "high", "critical"}

// String returns the severity's word.
func (s Severity) String() string {
	if int(s) < len(severityText) {
		return severityText[s]
	}
	return fmt.Sprintf("severity(%d)", uint8(s))
}

// MarshalText implements encoding.TextMarshaler.
func (s Severity) MarshalText() ([]byte, error) {
	if int(s) >= len(severityText) {
		return nil, fmt.Errorf("severity %d does not exist", uint8(s))
	}
	return []byte(s.String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler; an unknown word is an error.
func (s *Severity) UnmarshalText(b []byte) error {
	for i, t := range severityText {
		if t == string(b) {
			*s = Severity(i)
			return nil
		}
	}
	return fmt.Errorf("severity %q: want one of %v", b, severityText)
}
