// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/tickmark/tickmark/jsontape"
	"github.com/tickmark/tickmark/policy"
)

// matched is one policy made ready for both evaluators with the objects that
// both judge.
type matched struct {
	*equivalent
	member  int
	query   rego.PreparedEvalQuery
	ours    []pair
	theirs  []ast.Value
	decoded []any
}

// besideOPA evaluates twenty policies and their Rego on the same objects.
// Verdicts must be equal; only then are times printed.
func besideOPA(w io.Writer, lib *policy.Library, path string, rounds int) error {
	x, err := soc2(lib)
	if err != nil {
		return err
	}
	objects, err := samples(path)
	if err != nil {
		return err
	}
	ev := &policy.Evaluator{Env: &policy.Env{Now: now}}
	var ours, parsed, decoded, ratios []float64
	verdicts := 0
	for i := range equivalents {
		m, err := match(&equivalents[i], x, objects)
		if err != nil {
			return fmt.Errorf("policy %s: %w", equivalents[i].definition, err)
		}
		n, err := m.agree(x, ev)
		if err != nil {
			return fmt.Errorf("policy %s: %w", m.definition, err)
		}
		verdicts += n
		a, _ := measure(x, ev, m.member, m.ours, rounds)
		b, err := m.timeOPA(rounds, func(k int) rego.EvalOption { return rego.EvalParsedInput(m.theirs[k]) })
		if err != nil {
			return err
		}
		c, err := m.timeOPA(rounds, func(k int) rego.EvalOption { return rego.EvalInput(m.decoded[k]) })
		if err != nil {
			return err
		}
		ours, parsed, decoded, ratios = append(ours, a), append(parsed, b), append(decoded, c), append(ratios, b/a)
	}
	logs := 0.0
	for _, r := range ratios {
		logs += math.Log(r)
	}
	_, err = fmt.Fprintf(w, `
beside OPA, %d policies, %d equal verdicts of both kinds for each policy, medians of %d
  tickmark                     %.0f ns per pair (median of policies)
  OPA, input already converted %.0f ns per pair
  OPA, input a decoded object  %.0f ns per pair
  ratio, input converted       median %.0f, geometric mean %.0f, least %.0f (target: at least 100)
  ratio, decoded object        %.0f, of the medians
`, len(equivalents), verdicts, rounds, median(ours), median(parsed), median(decoded),
		median(ratios), math.Exp(logs/float64(len(ratios))), quantile(ratios, 0), median(decoded)/median(ours))
	return err
}

// samples returns the first four objects of each type in the export.
func samples(path string) (map[string][]json.RawMessage, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Data []json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("read the export: %w", err)
	}
	out := map[string][]json.RawMessage{}
	for _, raw := range doc.Data[:min(len(doc.Data), 5000)] {
		var head struct {
			Type string `json:"type"`
		}
		if err := json.Unmarshal(raw, &head); err != nil {
			return nil, err
		}
		if t := strings.ToLower(head.Type); len(out[t]) < 4 {
			out[t] = append(out[t], raw)
		}
	}
	return out, nil
}

func match(q *equivalent, x *policy.Assigned, objects map[string][]json.RawMessage) (*matched, error) {
	m := &matched{equivalent: q, member: -1}
	for i := range x.Members {
		if p := x.Members[i].Policy; p != nil && strings.HasPrefix(p.Definition.Name, q.definition) {
			m.member = i
		}
	}
	if m.member < 0 {
		return nil, fmt.Errorf("is not in the initiative")
	}
	prog := x.Members[m.member].Policy.For(q.typ)
	if prog == nil {
		return nil, fmt.Errorf("does not concern %s", q.typ)
	}
	var err error
	m.query, err = rego.New(
		rego.Query("data.bench.noncompliant"),
		rego.Module("bench.rego", "package bench\n\ndefault noncompliant := false\n\n"+q.rego),
	).PrepareForEval(context.Background(), rego.WithPartialEval())
	if err != nil {
		return nil, err
	}
	for _, raw := range objects[strings.ToLower(q.typ)] {
		for _, change := range append([]string{""}, q.changes...) {
			if err := m.add(prog, raw, change); err != nil {
				return nil, err
			}
		}
	}
	if len(m.ours) == 0 {
		return nil, fmt.Errorf("the export holds no %s", q.typ)
	}
	return m, nil
}

// add adds one changed object for both evaluators, made from the same bytes.
func (m *matched) add(prog *policy.Program, raw json.RawMessage, change string) error {
	var object map[string]any
	if err := json.Unmarshal(raw, &object); err != nil {
		return err
	}
	for one := range strings.SplitSeq(change, ";") {
		if err := apply(object, one); err != nil {
			return err
		}
	}
	b, err := json.Marshal(object)
	if err != nil {
		return err
	}
	tape, err := jsontape.Parse(b, jsontape.Options{})
	if err != nil {
		return err
	}
	v, err := ast.InterfaceToValue(object)
	if err != nil {
		return err
	}
	r := policy.NewResource(tape.Root())
	m.ours, m.theirs, m.decoded = append(m.ours, pair{prog, r}), append(m.theirs, v), append(m.decoded, object)
	return nil
}

// apply sets "path=JSON" or deletes "-path" in an object.
func apply(object map[string]any, change string) error {
	if change == "" {
		return nil
	}
	path, text, set := strings.Cut(strings.TrimPrefix(change, "-"), "=")
	keys := strings.Split(path, ".")
	for _, k := range keys[:len(keys)-1] {
		next, ok := object[k].(map[string]any)
		if !ok {
			next = map[string]any{}
			object[k] = next
		}
		object = next
	}
	last := keys[len(keys)-1]
	if !set {
		delete(object, last)
		return nil
	}
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return fmt.Errorf("change %q: %w", change, err)
	}
	object[last] = v
	return nil
}

// agree checks that both evaluators give every object the same verdict, and
// that both verdicts occur.
func (m *matched) agree(x *policy.Assigned, ev *policy.Evaluator) (int, error) {
	seen := map[bool]int{}
	for k, p := range m.ours {
		s := x.EvaluateProgram(ev, m.member, p.program, p.resource)
		if s.State != policy.Compliant && s.State != policy.NonCompliant && s.State != policy.NotApplicable {
			return 0, fmt.Errorf("object %d is %v (%s), want a decided state", k, s.State, s.Reason)
		}
		got, err := m.deny(rego.EvalParsedInput(m.theirs[k]))
		if err != nil {
			return 0, err
		}
		other, err := m.deny(rego.EvalInput(m.decoded[k]))
		if err != nil {
			return 0, err
		}
		if got != (s.State == policy.NonCompliant) || got != other {
			return 0, fmt.Errorf("object %d is %v here and noncompliant=%v in Rego: %s", k, s.State, got, p.resource.Root.Raw())
		}
		seen[got]++
	}
	if seen[true] == 0 || seen[false] == 0 {
		return 0, fmt.Errorf("%d objects violate and %d comply; the comparison needs both", seen[true], seen[false])
	}
	return len(m.ours), nil
}

func (m *matched) deny(input rego.EvalOption) (bool, error) {
	rs, err := m.query.Eval(context.Background(), input)
	if err != nil {
		return false, err
	}
	if len(rs) != 1 || len(rs[0].Expressions) != 1 {
		return false, fmt.Errorf("the Rego query has %d results, want 1", len(rs))
	}
	b, ok := rs[0].Expressions[0].Value.(bool)
	if !ok {
		return false, fmt.Errorf("the Rego query yields %v, want a boolean", rs[0].Expressions[0].Value)
	}
	return b, nil
}

// timeOPA returns nanoseconds per pair, the median of rounds.
func (m *matched) timeOPA(rounds int, input func(k int) rego.EvalOption) (float64, error) {
	again := max(1, 128/len(m.theirs))
	var times []float64
	for round := range rounds + 1 {
		start := processorTime()
		for range again {
			for k := range m.theirs {
				if _, err := m.deny(input(k)); err != nil {
					return 0, err
				}
			}
		}
		if round > 0 { // the first warms up
			times = append(times, float64((processorTime()-start).Nanoseconds())/float64(again*len(m.theirs)))
		}
	}
	return median(times), nil
}
