// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"slices"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
)

// Schema names the form of JSON's output. A program that reads it should refuse
// a number it does not know; doc/spec/assessment.md says what changes it.
const Schema = "tickmark-assessment/1"

// jsonTool says what made the report.
type jsonTool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type jsonCheck struct {
	ID         string                  `json:"id"`
	Title      string                  `json:"title"`
	Area       string                  `json:"area"`
	Severity   tickmark.Severity       `json:"severity"`
	State      check.State             `json:"state"`
	Clock      bool                    `json:"clock"`
	Retired    bool                    `json:"retired"`
	Cut        tickmark.Reason         `json:"cut,omitempty"`
	Types      []string                `json:"types"`
	Needs      []string                `json:"needs"`
	Criteria   []catalog.CriterionLink `json:"criteria"`
	Counts     check.Counts            `json:"counts"`
	Reasons    map[tickmark.Reason]int `json:"reasons"` // encoding/json sorts the keys
	NotProven  string                  `json:"notProven"`
	References []string                `json:"references"`
	Override   *catalog.CheckOverride  `json:"override,omitempty"`
}

type jsonCriterion struct {
	Code       string      `json:"code"`
	Category   string      `json:"category"`
	Title      string      `json:"title"`
	State      check.State `json:"state"`
	Fail       int         `json:"fail"`
	Pass       int         `json:"pass"`
	Unknown    int         `json:"unknown"`
	NoResource int         `json:"noResource"`
	Exempt     int         `json:"exempt"`
	Automation string      `json:"automation"`
	Checks     []string    `json:"checks"`
}

// jsonResult is a result laid flat, so that one line holds one row.
type jsonResult struct {
	Check     string           `json:"check"`
	Resource  string           `json:"resource"`
	Type      string           `json:"type"`
	Verdict   tickmark.Verdict `json:"verdict"`
	Reason    tickmark.Reason  `json:"reason,omitempty"`
	Field     string           `json:"field,omitempty"`
	Path      string           `json:"path,omitempty"`
	Found     string           `json:"found,omitempty"`
	Wanted    string           `json:"wanted,omitempty"`
	Message   string           `json:"message"`
	Condition string           `json:"condition,omitempty"`
	NearMiss  string           `json:"nearMiss,omitempty"`
	Related   string           `json:"related,omitempty"`
}

func flat(r tickmark.Result) jsonResult {
	return jsonResult{
		Check: r.Check, Resource: r.Resource, Type: r.Type, Verdict: r.Verdict, Reason: r.Reason,
		Field: r.Why.Field, Path: r.Why.Path, Found: r.Why.Found, Wanted: r.Why.Wanted,
		Message: r.Why.Message, Condition: r.Why.Condition, NearMiss: r.Why.NearMiss, Related: r.Why.Related,
	}
}

// JSON writes a as one JSON object in the form that doc/spec/assessment.md
// describes. Every array element stands on a line of its own, and the results
// come last, so that a reader with little memory can stream them too.
func JSON(w io.Writer, a *check.Assessment) error {
	j := newJSONWriter(w)
	j.raw("{\n")
	j.member("schema", Schema)
	j.member("tool", jsonTool{"tickmark", a.Engine})
	j.member("catalog", a.Catalog)
	j.member("origin", a.Origin)
	j.member("sample", a.Sample || a.Origin == "sample")
	j.member("scope", a.Scope)
	j.member("observedAt", nullable(stamp(a.ObservedAt)))
	j.member("now", nullable(stamp(a.Now)))
	list(j, "inputs", a.Inputs)
	j.member("population", a.Population)
	list(j, "coverage", a.Coverage)
	list(j, "problems", a.Problems)
	list(j, "types", a.Types)
	list(j, "checks", slices.Collect(func(yield func(jsonCheck) bool) {
		for _, s := range a.Checks {
			if !yield(checkJSON(s)) {
				return
			}
		}
	}))
	list(j, "criteria", slices.Collect(func(yield func(jsonCriterion) bool) {
		for _, c := range a.Criteria {
			if !yield(criterionJSON(a, c)) {
				return
			}
		}
	}))
	list(j, "notRead", a.NotRead)
	j.open("results")
	if a.Results != nil {
		for r := range a.Results.All() {
			if j.err != nil {
				return j.err
			}
			j.element(flat(r))
		}
	}
	j.close()
	j.raw("\n}\n")
	return j.flush()
}

func checkJSON(s check.Summary) jsonCheck {
	c := s.Check
	reasons := s.Reasons
	if reasons == nil {
		reasons = make(map[tickmark.Reason]int)
	}
	return jsonCheck{
		ID: c.ID, Title: c.Title, Area: c.Area, Severity: c.Severity, State: s.State, Clock: c.Clock, Retired: s.Retired, Cut: s.Cut,
		Types: notNil(c.Types), Needs: notNil(c.Needs), Criteria: notNil(c.Criteria), Counts: s.Counts,
		Reasons: reasons, NotProven: c.NotProven, References: notNil(c.References),
		Override: c.Override,
	}
}

func criterionJSON(a *check.Assessment, c check.CriterionSummary) jsonCriterion {
	return jsonCriterion{
		Code: c.Criterion.Code, Category: c.Criterion.Category, Title: c.Criterion.Title, State: c.State,
		Fail: c.Fail, Pass: c.Pass, Unknown: c.Unknown, NoResource: c.NoResource, Exempt: c.Exempt,
		Automation: c.Automation, Checks: checkIDs(a, c.Checks),
	}
}

func checkIDs(a *check.Assessment, index []int) []string {
	ids := make([]string, len(index))
	for i, n := range index {
		ids[i] = a.Checks[n].Check.ID
	}
	return ids
}

// notNil makes an absent list an empty one: [] reads as "none", null as "who knows".
func notNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func nullable(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// jsonWriter writes one object whose arrays are streamed. The first error
// sticks; later writes do nothing.
type jsonWriter struct {
	w     *bufio.Writer
	buf   bytes.Buffer
	enc   *json.Encoder
	err   error
	first []bool // per open object or array: nothing written yet
}

func newJSONWriter(w io.Writer) *jsonWriter {
	j := &jsonWriter{w: bufio.NewWriterSize(w, 1<<16), first: []bool{true}}
	j.enc = json.NewEncoder(&j.buf)
	j.enc.SetEscapeHTML(false)
	return j
}

func (j *jsonWriter) raw(s string) {
	if j.err == nil {
		_, j.err = j.w.WriteString(s)
	}
}

// value writes v without the line feed that the encoder adds.
func (j *jsonWriter) value(v any) {
	if j.err != nil {
		return
	}
	j.buf.Reset()
	if j.err = j.enc.Encode(v); j.err == nil {
		_, j.err = j.w.Write(bytes.TrimSuffix(j.buf.Bytes(), []byte("\n")))
	}
}

func (j *jsonWriter) separate() {
	top := len(j.first) - 1
	if j.first[top] {
		j.first[top] = false
		return
	}
	j.raw(",\n")
}

func (j *jsonWriter) member(name string, v any) {
	j.separate()
	j.value(name)
	j.raw(": ")
	j.value(v)
}

func (j *jsonWriter) open(name string) {
	j.separate()
	j.value(name)
	j.raw(": [\n")
	j.first = append(j.first, true)
}

func (j *jsonWriter) element(v any) {
	j.separate()
	j.value(v)
}

func (j *jsonWriter) close() {
	j.first = j.first[:len(j.first)-1]
	j.raw("\n]")
}

func (j *jsonWriter) flush() error {
	if j.err != nil {
		return j.err
	}
	return j.w.Flush()
}

func list[T any](j *jsonWriter, name string, elements []T) {
	j.open(name)
	for _, e := range elements {
		j.element(e)
	}
	j.close()
}
