// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/report"
)

type checksCommand struct {
	List    checksListCommand    `cmd:"" help:"List the checks."`
	Show    checksShowCommand    `cmd:"" help:"Show one check whole, with its rule."`
	Export  checksExportCommand  `cmd:"" help:"Print all checks whole."`
	Compare checksCompareCommand `cmd:"" help:"Run the checks beside the built-in policies that judge the same, with the cause of each disagreement."`
}

// checkView is a check as JSON, with the controls that use it.
type checkView struct {
	ID           string                   `json:"id"`
	Title        string                   `json:"title"`
	Area         string                   `json:"area"`
	Severity     string                   `json:"severity"`
	Why          string                   `json:"why"`
	Criteria     []catalog.CriterionLink  `json:"criteria"`
	Types        []string                 `json:"types"`
	Needs        []string                 `json:"needs,omitempty"`
	Joins        []catalog.Join           `json:"joins,omitempty"`
	Applies      json.RawMessage          `json:"applies,omitempty"`
	Source       string                   `json:"source"`
	Permission   string                   `json:"permission"`
	Clock        bool                     `json:"dependsOnClock"`
	Witness      []catalog.Witness        `json:"witness,omitempty"`
	Defaults     []catalog.ServiceDefault `json:"defaults,omitempty"`
	Rule         json.RawMessage          `json:"rule"`
	Alternatives []json.RawMessage        `json:"alternatives,omitempty"`
	Parameters   json.RawMessage          `json:"parameters,omitempty"`
	NotProven    string                   `json:"notProven"`
	Remediation  catalog.Remediation      `json:"remediation"`
	Retired      *catalog.Retired         `json:"retired,omitempty"`
	References   []string                 `json:"references"`
	Controls     []string                 `json:"controls"`
	// Counterparts are the built-in policies that judge the same.
	Counterparts []check.Counterpart `json:"counterparts"`
}

func viewCheck(l *catalog.Library, k *catalog.Check) checkView {
	v := checkView{
		ID: k.ID, Title: k.Title, Area: k.Area, Severity: k.Severity.String(), Why: k.Why, Criteria: k.Criteria, Types: k.Types, Needs: k.Needs,
		Source: k.Source, Permission: k.Permission, Clock: k.Clock, Witness: k.Witness, Defaults: k.Defaults, Rule: k.Rule, Parameters: k.Parameters,
		NotProven: k.NotProven, Remediation: k.Remediation, Retired: k.Retired, References: k.References, Controls: []string{}, Counterparts: []check.Counterpart{},
	}
	v.Joins, v.Applies = k.Joins, k.Applies
	for _, a := range k.Alternatives {
		v.Alternatives = append(v.Alternatives, a)
	}
	if list, err := check.DefaultCounterparts(); err == nil { // the tests hold the list to the catalogue
		for _, p := range list.List {
			if p.Check == k.ID {
				v.Counterparts = append(v.Counterparts, p)
			}
		}
	}
	for _, c := range l.Controls {
		if slices.ContainsFunc(c.Checks, func(x catalog.CheckLink) bool { return x.ID == k.ID }) {
			v.Controls = append(v.Controls, c.ID)
		}
	}
	return v
}

type checksListCommand struct {
	Area string `help:"Only one area, such as storage." placeholder:"NAME"`
	listFlags
}

// Run lists the checks.
func (c *checksListCommand) Run(rc *runContext) error {
	l, err := c.library(rc)
	if err != nil {
		return err
	}
	t := &report.Listing{Columns: []string{"id", "severity", "title", "criteria", "controls"}, Wide: 2}
	list := []checkView{}
	for _, k := range l.Catalog().Checks {
		v := viewCheck(l, k)
		if c.Area != "" && k.Area != c.Area || !c.matches(v) {
			continue
		}
		list = append(list, v)
		t.Rows = append(t.Rows, []string{k.ID, k.Severity.String(), k.Title, criteriaOf(k.Criteria), fmt.Sprint(len(v.Controls))})
	}
	t.Notes = []string{fmt.Sprintf("%s. A check shows a state of configuration or records; it never answers a criterion alone. tickmark checks show ID says what a pass does not prove.", count(len(list), "check", "checks"))}
	return c.list(rc, l, t, list, keysOf("check", list, func(v checkView) string { return v.ID }))
}

type checksShowCommand struct {
	ID string `arg:"" help:"A check's id."`
	entryFlags
}

// Run shows one check.
func (c *checksShowCommand) Run(rc *runContext) error {
	l, err := c.library(rc)
	if err != nil {
		return err
	}
	k := l.Catalog().Check(c.ID)
	if k == nil {
		var ids []string
		for _, k := range l.Catalog().Checks {
			ids = append(ids, k.ID)
		}
		return noSuch("check", c.ID, ids, "checks")
	}
	v := viewCheck(l, k)
	rules, err := ruleSections(k)
	if err != nil {
		return err
	}
	clock := "no: the same bytes give the same verdict on any day"
	if k.Clock {
		clock = "yes: the verdict can change with time alone"
	}
	witness := []string{}
	for _, w := range k.Witness {
		witness = append(witness, w.Log+": "+strings.Join(w.Operations, ", "))
	}
	if len(witness) == 0 {
		witness = append(witness, "none: a change between two collections would leave no record that is collected")
	}
	var defaults []string
	for _, d := range k.Defaults {
		defaults = append(defaults, fmt.Sprintf("%s absent means %s (%s)", d.Field, d.Value, d.Reference))
	}
	var beside []string
	for _, p := range v.Counterparts {
		text := []string{fmt.Sprintf("%s (%s): %s", p.Name, p.Policy, p.Relation)}
		for _, d := range p.Differs {
			text = append(text, fmt.Sprintf("check %s, policy %s: %s", d.Ours, d.Theirs, d.Because))
		}
		beside = append(beside, strings.Join(text, "; "))
	}
	e := &report.Entry{
		Title: k.ID + "  " + k.Title, Subtitle: k.Severity.String() + " · criteria " + criteriaOf(k.Criteria) + " · " + k.Source,
		Sections: []report.Section{
			{Label: "Why it matters", Text: oneLine(k.Why)},
			{Label: "A pass does not prove", Text: oneLine(k.NotProven)},
			{Label: "Judges", Items: k.Types},
			{Label: "Looks up", Items: k.Needs},
			{Label: "Joins", Items: joinTexts(k)},
			{Label: "Permission", Text: k.Permission},
			{Label: "Depends on the clock", Text: clock},
			{Label: "Change witness", Items: witness},
			{Label: "Documented defaults", Items: defaults},
			{Label: "Beside Microsoft's policies", Items: beside},
			{Label: "To fix: Azure CLI", Text: k.Remediation.CLI},
			{Label: "To fix: Bicep", Text: k.Remediation.Bicep},
			{Label: "No Bicep, because", Text: k.WithoutBicep()},
			{Label: "To fix: portal", Text: k.Remediation.Portal},
			{Label: "Controls that use it", Items: v.Controls},
			{Label: "References", Items: k.References},
		},
	}
	at := slices.IndexFunc(e.Sections, func(s report.Section) bool { return s.Label == "To fix: Azure CLI" })
	e.Sections = slices.Insert(e.Sections, at, rules...)
	if k.Retired != nil {
		e.Sections = append([]report.Section{{Label: "Retired", Text: k.Retired.On + ": " + k.Retired.Note}}, e.Sections...)
	}
	return c.entry(rc, l, e, v, "check/"+k.ID)
}

type checksExportCommand struct{ entryFlags }

// Run prints all checks.
func (c *checksExportCommand) Run(rc *runContext) error {
	l, err := c.library(rc)
	if err != nil {
		return err
	}
	t := &report.Listing{Title: "Checks", Columns: []string{"id", "title", "severity", "criteria", "types", "why", "notProven", "permission", "controls", "references"}, Wide: 1}
	list := []checkView{}
	for _, k := range l.Catalog().Checks {
		v := viewCheck(l, k)
		list = append(list, v)
		t.Rows = append(t.Rows, []string{
			k.ID, k.Title, k.Severity.String(), criteriaOf(k.Criteria), strings.Join(k.Types, " "), oneLine(k.Why), oneLine(k.NotProven),
			k.Permission, strings.Join(v.Controls, " "), strings.Join(k.References, " "),
		})
	}
	return c.list(rc, l, t, list, keysOf("check", list, func(v checkView) string { return v.ID }))
}

// ruleSections are all that decides: what the check applies to, its rule, the
// rules that can take its place, and the parameters.
func ruleSections(k *catalog.Check) ([]report.Section, error) {
	type part struct {
		label string
		text  []byte
	}
	parts := []part{{"Applies to a resource if", k.Applies}, {"Rule (Azure Policy)", k.Rule}}
	for _, a := range k.Alternatives {
		parts = append(parts, part{"Or passes by this rule", a})
	}
	parts = append(parts, part{"Its parameters", k.Parameters})
	var out []report.Section
	for _, p := range parts {
		if len(p.text) == 0 {
			continue
		}
		var b bytes.Buffer
		if err := json.Indent(&b, p.text, "", "  "); err != nil {
			return nil, fmt.Errorf("print the rule of %s: %w", k.ID, err)
		}
		out = append(out, report.Section{Label: p.label, Text: b.String(), Code: true})
	}
	return out, nil
}

// joinTexts say which records stand beside a judged resource.
func joinTexts(k *catalog.Check) []string {
	var out []string
	for _, j := range k.Joins {
		var where []string
		for _, m := range slices.Sorted(maps.Keys(j.Where)) {
			where = append(where, fmt.Sprintf(", where %s is like %s", m, strings.Join(j.Where[m], " or ")))
		}
		text := fmt.Sprintf("joined.%s: %s of which %s is one of its %s", j.As, j.Type, j.Match, j.With) + strings.Join(where, "")
		if j.Each != "" {
			text += ", one for each " + j.Each
		}
		if len(j.Take) > 0 {
			text += "; takes " + strings.Join(j.Take, ", ")
		}
		if j.Names {
			text += "; one must be there, else unknown"
		}
		if j.Some {
			text += "; some must belong to some resource, else all are unknown"
		}
		out = append(out, text)
	}
	return out
}
