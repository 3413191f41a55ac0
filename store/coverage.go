// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/tickmark/tickmark"
)

// cleanCoverage makes a coverage fit for a leaf. The asks lie in a blob.
func cleanCoverage(c tickmark.Coverage) tickmark.Coverage {
	c.Source, c.Scope, c.CompleteBy, c.Detail = clean(c.Source), clean(c.Scope), clean(c.CompleteBy), clean(c.Detail)
	c.Missing = tickmark.Reason(clean(string(c.Missing)))
	c.Complete = cleanAll(c.Complete)
	c.Asks = nil
	return c
}

// cleanAsks makes the account of the questions fit for JSON: text that is
// UTF-8, and instants in UTC.
func cleanAsks(asks []tickmark.AskCoverage) []tickmark.AskCoverage {
	out := slices.Clone(asks)
	for i := range out {
		a := &out[i]
		a.Name, a.Detail, a.Missing = clean(a.Name), clean(a.Detail), tickmark.Reason(clean(string(a.Missing)))
		a.Types, a.Refusals, a.Excluded = cleanAll(a.Types), cleanRefusals(a.Refusals), cleanRefusals(a.Excluded)
		if a.Span == nil {
			continue
		}
		s := *a.Span
		s.From, s.To, s.First, s.Last, s.Kept = s.From.UTC(), s.To.UTC(), s.First.UTC(), s.Last.UTC(), s.Kept.UTC()
		s.Gaps = slices.Clone(s.Gaps)
		for k := range s.Gaps {
			g := &s.Gaps[k]
			g.From, g.To, g.Detail, g.Reason = g.From.UTC(), g.To.UTC(), clean(g.Detail), tickmark.Reason(clean(string(g.Reason)))
		}
		a.Span = &s
	}
	return out
}

func cleanRefusals(list []tickmark.Refusal) []tickmark.Refusal {
	list = slices.Clone(list)
	for i := range list {
		r := &list[i]
		r.Scope, r.Code, r.Detail, r.Reason = clean(r.Scope), clean(r.Code), clean(r.Detail), tickmark.Reason(clean(string(r.Reason)))
	}
	return list
}

func cleanAll(list []string) []string {
	list = slices.Clone(list)
	for i := range list {
		list[i] = clean(list[i])
	}
	return list
}

// asks reads the account of a segment's questions.
func (b *blobs) asks(body *segmentBody) ([]tickmark.AskCoverage, error) {
	if body.Asks == nil {
		return nil, nil
	}
	raw, err := b.get(*body.Asks)
	if err != nil {
		return nil, fmt.Errorf("asks: %w", err)
	}
	var asks []tickmark.AskCoverage
	if err := json.Unmarshal(raw, &asks); err != nil {
		return nil, fmt.Errorf("asks: %w", err)
	}
	return asks, nil
}
