// SPDX-License-Identifier: Apache-2.0

package tickmark

import "time"

// Result is what one check says of one resource, and why.
type Result struct {
	Check    string `json:"check"`
	Resource string `json:"resource"`
	Type     string `json:"type"`
	// Name is what people call the record, where its id does not say it and the
	// snapshot does; a pseudonym where the snapshot holds pseudonyms. No verdict
	// depends on it, and it is not recorded with the result.
	Name    string  `json:"name,omitempty"`
	Verdict Verdict `json:"verdict"`
	// Reason is set when Verdict is Unknown.
	Reason Reason `json:"reason,omitempty"`
	Why    Why    `json:"why"`
}

// Why explains a result: the condition that decided, what it found and what
// it wanted. Secret values appear masked.
type Why struct {
	// Message is one plain sentence.
	Message string `json:"message"`
	// Condition is the deciding condition's place in the rule, such as
	// "if.allOf[1]" or "then.details.existenceCondition".
	Condition string `json:"condition,omitempty"`
	// Field is the field as the rule names it (an alias); Path is where it
	// lies in the object, such as "properties.minimumTlsVersion".
	Field string `json:"field,omitempty"`
	Path  string `json:"path,omitempty"`
	// Found and Wanted are JSON text, or "absent", or "unobserved".
	Found  string `json:"found,omitempty"`
	Wanted string `json:"wanted,omitempty"`
	// Related is the id of the related resource that decided an existence check.
	Related string `json:"related,omitempty"`
	// NearMiss says which single change would flip the verdict, when one would.
	NearMiss string `json:"nearMiss,omitempty"`
}

// Interval is a span in which a verdict was observed or soundly held for one
// check and resource. From is inclusive, To exclusive; a zero To means "still
// so at the last observation".
type Interval struct {
	Check, Resource string
	Verdict         Verdict
	Reason          Reason
	From, To        time.Time
}
