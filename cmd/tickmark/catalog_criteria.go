// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/report"
)

type criteriaCommand struct {
	List   criteriaListCommand   `cmd:"" help:"List the criteria with the controls, checks and manual evidence that answer them."`
	Show   criteriaShowCommand   `cmd:"" help:"Show one criterion whole."`
	Export criteriaExportCommand `cmd:"" help:"Print all criteria whole."`
	Import criteriaImportCommand `cmd:"" help:"Keep the official text of the criteria, for which you hold a licence, in your data directory."`
}

// criterionView is a criterion with what answers it.
type criterionView struct {
	catalog.Criterion
	Looks string `json:"auditorLooksFor"`
	Azure string `json:"onAzure"`
	// Controls and Checks are ids; the direct ones stand first.
	Direct     []string `json:"directControls"`
	Supporting []string `json:"supportingControls"`
	// Automated and Manual count the controls by whether a check or a
	// configuration can be tested without people.
	Automated int      `json:"automatedControls"`
	Manual    int      `json:"manualControls"`
	Checks    []string `json:"checks"`
	// Evidence counts the kinds of evidence that people must give.
	Evidence int `json:"manualEvidence"`
}

func criteriaViews(l *catalog.Library) []criterionView {
	var out []criterionView
	for _, c := range l.Catalog().Criteria {
		x := l.Explanation(c.Code)
		v := criterionView{Criterion: c, Looks: x.Looks, Azure: x.Azure, Direct: []string{}, Supporting: []string{}, Checks: []string{}}
		for _, k := range l.Controls {
			i := slices.IndexFunc(k.Criteria, func(x catalog.CriterionLink) bool { return x.Code == c.Code })
			if i < 0 {
				continue
			}
			if k.Criteria[i].Link == "direct" {
				v.Direct = append(v.Direct, k.ID)
			} else {
				v.Supporting = append(v.Supporting, k.ID)
			}
			if k.Nature == "manual" {
				v.Manual++
			} else {
				v.Automated++
			}
			for _, e := range k.Evidence {
				if e.Type != "configuration" && e.Type != "log" && e.Type != "record" {
					v.Evidence++
				}
			}
		}
		for _, k := range l.Catalog().Checks {
			if slices.ContainsFunc(k.Criteria, func(x catalog.CriterionLink) bool { return x.Code == c.Code }) {
				v.Checks = append(v.Checks, k.ID)
			}
		}
		out = append(out, v)
	}
	return out
}

type criteriaListCommand struct {
	Category string `help:"Only one category: security, availability, processingIntegrity, confidentiality or privacy." placeholder:"NAME"`
	listFlags
}

// Run lists the criteria.
func (c *criteriaListCommand) Run(rc *runContext) error {
	l, err := c.library(rc)
	if err != nil {
		return err
	}
	if err := knownCategory(c.Category); err != nil {
		return err
	}
	t := &report.Listing{Columns: []string{"code", "title", "direct", "supporting", "automated", "manual", "checks"}, Wide: 1}
	var views []criterionView
	unchecked := 0
	for _, v := range criteriaViews(l) {
		if c.Category != "" && v.Category != c.Category || !c.matches(v) {
			continue
		}
		views = append(views, v)
		if len(v.Checks) == 0 {
			unchecked++
		}
		t.Rows = append(t.Rows, []string{
			v.Code, v.Title, fmt.Sprint(len(v.Direct)), fmt.Sprint(len(v.Supporting)),
			fmt.Sprint(v.Automated), fmt.Sprint(v.Manual), fmt.Sprint(len(v.Checks)),
		})
	}
	t.Notes = []string{
		fmt.Sprintf("%d criteria. direct, supporting: controls of the library by how closely they answer; automated: those of them with a part that runs in a system, manual: those that only people perform; checks: automated rules that bear on the criterion. For %d of these criteria no rule exists: they rest on people's evidence alone. A check never answers a criterion by itself.", len(views), unchecked),
	}
	return c.list(rc, l, t, views, keysOf("explanation", views, codeOf))
}

func codeOf(v criterionView) string { return v.Code }

func knownCategory(name string) error {
	if name == "" || slices.Contains(catalog.Categories(), name) {
		return nil
	}
	return usage(fmt.Sprintf("category %q does not exist", name), "use "+strings.Join(catalog.Categories(), ", "))
}

type criteriaShowCommand struct {
	Code     string `arg:"" help:"A code such as CC6.1."`
	Official bool   `help:"Also the official text that the organisation of --dir has imported."`
	entryFlags
}

// Run shows one criterion.
func (c *criteriaShowCommand) Run(rc *runContext) error {
	l, err := c.library(rc)
	if err != nil {
		return err
	}
	for _, v := range criteriaViews(l) {
		if strings.EqualFold(v.Code, c.Code) {
			e := criterionEntry(l, &v)
			if c.Official {
				o, err := c.official(rc)
				if err != nil {
					return err
				}
				return c.showOfficial(rc, l, e, v, o)
			}
			return c.entry(rc, l, e, v, "explanation/"+v.Code)
		}
	}
	return noSuch("criterion", c.Code, nil, "criteria")
}

func criterionEntry(l *catalog.Library, v *criterionView) *report.Entry {
	e := &report.Entry{Title: v.Code + "  " + v.Title, Subtitle: v.Category}
	if v.COSO > 0 {
		e.Subtitle += fmt.Sprintf(", principle %d of internal control", v.COSO)
	}
	named := func(ids []string) (out []string) {
		for _, id := range ids {
			out = append(out, id+": "+l.Control(id).Name)
		}
		return out
	}
	checks := make([]string, 0, len(v.Checks))
	for _, id := range v.Checks {
		checks = append(checks, id+": "+l.Catalog().Check(id).Title)
	}
	e.Sections = []report.Section{
		{Label: "What an auditor looks for", Text: v.Looks},
		{Label: "How it shows on Azure", Text: v.Azure},
		{Label: "Direct controls", Items: named(v.Direct)},
		{Label: "Supporting controls", Items: named(v.Supporting)},
		{Label: "Checks", Items: checks},
	}
	if len(checks) == 0 {
		e.Sections = append(e.Sections, report.Section{Label: "Checks", Text: "None: no configuration or record that is collected can show this. It rests on people's evidence."})
	}
	return e
}

type criteriaExportCommand struct {
	WithOfficialText bool `help:"Also the official text that the organisation of --dir has imported. It belongs to its publisher: mind where the file goes."`
	entryFlags
}

// Run prints all criteria.
func (c *criteriaExportCommand) Run(rc *runContext) error {
	l, err := c.library(rc)
	if err != nil {
		return err
	}
	views := criteriaViews(l)
	t := &report.Listing{Title: "Criteria", Columns: []string{"code", "category", "coso", "title", "auditorLooksFor", "onAzure", "directControls", "supportingControls", "checks"}, Wide: 4}
	for _, v := range views {
		coso := ""
		if v.COSO > 0 {
			coso = fmt.Sprint(v.COSO)
		}
		t.Rows = append(t.Rows, []string{
			v.Code, v.Category, coso, v.Title, oneLine(v.Looks), oneLine(v.Azure),
			strings.Join(v.Direct, " "), strings.Join(v.Supporting, " "), strings.Join(v.Checks, " "),
		})
	}
	if c.WithOfficialText {
		o, err := c.official(rc)
		if err != nil {
			return err
		}
		return c.exportOfficial(rc, t, views, o)
	}
	return c.list(rc, l, t, views, keysOf("explanation", views, codeOf))
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
