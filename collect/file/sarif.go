// SPDX-License-Identifier: Apache-2.0

package file

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

// sarifLog is what is read of a SARIF 2.1.0 log.
type sarifLog struct {
	Version string `json:"version"`
	Runs    []struct {
		Tool struct {
			Driver struct {
				Name string `json:"name"`
			} `json:"driver"`
		} `json:"tool"`
		Results []sarifResult `json:"results"`
	} `json:"runs"`
}

type sarifResult struct {
	GUID    string `json:"guid"`
	RuleID  string `json:"ruleId"`
	Level   string `json:"level"`
	Message struct {
		Text string `json:"text"`
	} `json:"message"`
	Locations []struct {
		Physical struct {
			Artifact struct {
				URI string `json:"uri"`
			} `json:"artifactLocation"`
			Region struct {
				StartLine int `json:"startLine"`
			} `json:"region"`
		} `json:"physicalLocation"`
	} `json:"locations"`
	Fingerprints        map[string]string `json:"fingerprints"`
	PartialFingerprints map[string]string `json:"partialFingerprints"`
	Suppressions        []json.RawMessage `json:"suppressions"`
}

// sarif makes a finding of each result. Source: SARIF 2.1.0, sections 3.27.
func (t *tableReader) sarif(table []byte) {
	if _, err := jsontape.Parse(table, jsontape.Options{}); err != nil {
		t.problem(0, tickmark.ReasonUnparsable, "the log is not strict JSON: "+firstLine(err), "")
		return
	}
	var log sarifLog
	if err := json.Unmarshal(table, &log); err != nil || log.Version != "2.1.0" || log.Runs == nil {
		t.problem(0, tickmark.ReasonUnparsable, "the document is not a SARIF 2.1.0 log", "")
		return
	}
	if t.m.Type != "security/findings" {
		t.problem(0, tickmark.ReasonUnparsable, "a SARIF log holds security/findings, not "+t.m.Type, "correct the mapping")
		return
	}
	for i := range log.Runs {
		run := &log.Runs[i]
		if run.Results == nil {
			// By the standard a run without results did not look, which is not the
			// same as one that found nothing.
			t.problem(0, tickmark.ReasonNotCollected, fmt.Sprintf("run %d of the log has no results: the tool did not look", i+1), "run the tool again")
			continue
		}
		for k := range run.Results {
			t.finding(run.Tool.Driver.Name, &run.Results[k])
		}
	}
}

func (t *tableReader) finding(tool string, r *sarifResult) {
	t.rows++
	file, line := "", 0
	if len(r.Locations) > 0 {
		file, line = r.Locations[0].Physical.Artifact.URI, r.Locations[0].Physical.Region.StartLine
	}
	id := r.GUID
	for _, prints := range []map[string]string{r.Fingerprints, r.PartialFingerprints} {
		if id == "" && len(prints) > 0 {
			var parts []string
			for _, k := range slices.Sorted(maps.Keys(prints)) {
				parts = append(parts, k+"="+prints[k])
			}
			id = strings.Join(parts, ",")
		}
	}
	what := fmt.Sprintf("%s|%s|%s|%d|%s", tool, r.RuleID, file, line, r.Message.Text)
	id = tool + "+" + cmp.Or(r.RuleID, "-") + "+" + cmp.Or(id, tickmark.DigestOf([]byte(what)).String()[:16])
	for n := 2; t.seen[id] > 0; n++ { // the same finding again is another one
		id = fmt.Sprintf("%s+%d", strings.TrimSuffix(id, fmt.Sprintf("+%d", n-1)), n)
	}
	t.write(0, id, map[string]any{
		"tool": tool, "rule": r.RuleID, "level": cmp.Or(r.Level, "warning"), "message": r.Message.Text, "file": file, "line": line, "suppressed": len(r.Suppressions) > 0,
	})
}
