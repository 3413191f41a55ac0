// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
	"github.com/tickmark/tickmark/collect/file"
	"github.com/tickmark/tickmark/report"
	"github.com/tickmark/tickmark/work"
)

type crosswalkCommand struct {
	Coverage crosswalkCoverageCommand `cmd:"" default:"withargs" help:"What the results for SOC 2 say of another framework: tickmark crosswalk --to iso27001 [PATH…]."`
	List     crosswalkListCommand     `cmd:"" help:"List the links."`
	Show     crosswalkShowCommand     `cmd:"" help:"The links of one criterion or one control of another framework."`
	Export   crosswalkListCommand     `cmd:"" help:"Print all links with their sources."`
}

// frameworkFlags choose a framework.
type frameworkFlags struct {
	To      string `help:"The framework: iso27001, iso27017, csaccm, bsic5, nist80053, nistcsf, cisazure …" placeholder:"ID"`
	Version string `help:"Its version; default: the newest that has links." placeholder:"V"`
}

// chosen is a framework in one version with its assertions.
type chosen struct {
	*catalog.Framework
	version string
	links   []*catalog.Assertion
}

// pick returns the assertions of the chosen framework.
func (f *frameworkFlags) pick(l *catalog.Library) (*chosen, error) {
	var ids []string
	for i := range l.Frameworks {
		fw := &l.Frameworks[i]
		ids = append(ids, fw.ID)
		if !strings.EqualFold(fw.ID, f.To) {
			continue
		}
		version := cmp.Or(f.Version, fw.Versions[0])
		if !slices.Contains(fw.Versions, version) {
			return nil, usage(fmt.Sprintf("%s has no version %q here", fw.ID, version), "use one of "+strings.Join(fw.Versions, ", "))
		}
		var out []*catalog.Assertion
		for k := range l.Crosswalk {
			if a := &l.Crosswalk[k]; a.Framework == fw.ID && a.Version == version {
				out = append(out, a)
			}
		}
		return &chosen{fw, version, out}, nil
	}
	return nil, usage(fmt.Sprintf("there is no framework %q", f.To), "use --to with one of "+strings.Join(ids, ", "))
}

// crosswalkNote stands below every list of links.
const crosswalkNote = "A link says that somebody holds the two to bear on the same matter; strength is the number of independent sources that say so. It never says that they are equivalent, and no result for one answers the other."

type crosswalkCoverageCommand struct {
	Paths []string `arg:"" optional:"" name:"path" help:"Exported objects: their results stand beside the links."`
	frameworkFlags
	entryFlags
}

// coveredControl is a control of another framework with what bears on it.
type coveredControl struct {
	Control  string        `json:"control"`
	Strength int           `json:"strength"` // of its strongest link
	Criteria []coveredLink `json:"criteria"`
	Controls []string      `json:"libraryControls"`
	Pass     int           `json:"checksPass"`
	Fail     int           `json:"checksFail"`
	Unknown  int           `json:"checksUnknown"`
	NoRule   bool          `json:"noCheck"`
}

type coveredLink struct {
	Code     string   `json:"code"`
	Strength int      `json:"strength"`
	Sources  []string `json:"sources"`
}

// Run shows what the results say of another framework.
func (c *crosswalkCoverageCommand) Run(rc *runContext) error {
	l, err := c.library(rc)
	if err != nil {
		return err
	}
	fw, err := c.pick(l)
	if err != nil {
		return err
	}
	var states map[string]check.State
	if len(c.Paths) > 0 {
		now := rc.Now().UTC()
		if err := present(c.Paths); err != nil {
			return err
		}
		choices := work.AssessOptions{Now: now, Engine: engineVersion()}
		if c.Dir != "" {
			if choices, err = assessOptions(rc, c.data(), now); err != nil {
				return err
			}
		}
		a, files, err := work.AssessFiles(rc.Context, c.Paths, file.Options{Stdin: rc.In, ObservedAt: now}, choices)
		if err != nil {
			return err
		}
		defer func() { _ = files.Close() }() // read only
		states = map[string]check.State{}
		for i := range a.Checks {
			states[a.Checks[i].Check.ID] = a.Checks[i].State
		}
	}
	list := coverCrosswalk(l, fw.links, states)
	t := &report.Listing{
		Title:   fmt.Sprintf("%s %s", fw.Name, fw.version),
		Columns: []string{"control", "strength", "criteria (strength)", "controls", "pass", "fail", "unknown"}, Wide: 2,
	}
	for _, k := range list {
		var codes []string
		for _, x := range k.Criteria {
			codes = append(codes, fmt.Sprintf("%s (%d)", x.Code, x.Strength))
		}
		row := []string{k.Control, fmt.Sprint(k.Strength), strings.Join(codes, " "), fmt.Sprint(len(k.Controls)), "", "", ""}
		if states != nil && !k.NoRule {
			row[4], row[5], row[6] = fmt.Sprint(k.Pass), fmt.Sprint(k.Fail), fmt.Sprint(k.Unknown)
		}
		t.Rows = append(t.Rows, row)
	}
	t.Notes = []string{fmt.Sprintf("%d codes have links, the strongest first. controls: of the library that answer the linked criteria; pass, fail, unknown: checks that bear directly on the criteria of the strongest links, empty where there is none or no objects were given.", len(list))}
	if missing, all := l.Unlinked(fw.Framework, fw.version); all > 0 {
		t.Notes = append(t.Notes, fmt.Sprintf("Of %d codes %d have no link here: %s.", all, len(missing), cmp.Or(strings.Join(missing, ", "), "none")))
	}
	t.Notes = append(t.Notes, crosswalkNote)
	if fw.Note != "" {
		t.Notes = append(t.Notes, fw.Note)
	}
	return c.print(rc, t, list)
}

// coverCrosswalk joins links with the library and the states of the checks;
// the strongest come first.
func coverCrosswalk(l *catalog.Library, links []*catalog.Assertion, states map[string]check.State) []coveredControl {
	at := map[string]int{}
	out := []coveredControl{}
	for _, a := range links {
		i, ok := at[a.Control]
		if !ok {
			i = len(out)
			at[a.Control] = i
			out = append(out, coveredControl{Control: a.Control, Controls: []string{}})
		}
		s := l.Strength(a)
		out[i].Strength = max(out[i].Strength, s)
		out[i].Criteria = append(out[i].Criteria, coveredLink{a.Criterion, s, a.Sources})
	}
	for i := range out {
		k := &out[i]
		slices.SortStableFunc(k.Criteria, func(a, b coveredLink) int { return b.Strength - a.Strength })
		answers := func(links []catalog.CriterionLink) bool {
			return slices.ContainsFunc(links, func(x catalog.CriterionLink) bool {
				return slices.ContainsFunc(k.Criteria, func(y coveredLink) bool { return y.Code == x.Code })
			})
		}
		for _, x := range l.Controls {
			if answers(x.Criteria) {
				k.Controls = append(k.Controls, x.ID)
			}
		}
		k.NoRule = true
		// A check counts where it bears directly on a criterion of the strongest
		// links: by all links nearly every check would stand at every control.
		for _, x := range l.Catalog().Checks {
			if !slices.ContainsFunc(x.Criteria, func(x catalog.CriterionLink) bool {
				return x.Link == "direct" && slices.ContainsFunc(k.Criteria, func(y coveredLink) bool { return y.Code == x.Code && y.Strength == k.Strength })
			}) {
				continue
			}
			k.NoRule = false
			switch states[x.ID] {
			case check.StatePass:
				k.Pass++
			case check.StateFail:
				k.Fail++
			case check.StateUnknown:
				k.Unknown++
			case check.StateExempt, check.StateNoResource, check.StateManual: // say nothing of the criterion
			}
		}
	}
	slices.SortStableFunc(out, func(a, b coveredControl) int {
		return cmp.Or(b.Strength-a.Strength, len(b.Criteria)-len(a.Criteria), strings.Compare(a.Control, b.Control))
	})
	return out
}

type crosswalkListCommand struct {
	frameworkFlags
	listFlags
}

// Run lists links, of one framework or of all.
func (c *crosswalkListCommand) Run(rc *runContext) error {
	l, err := c.library(rc)
	if err != nil {
		return err
	}
	links := make([]*catalog.Assertion, 0, len(l.Crosswalk))
	if c.To == "" {
		for i := range l.Crosswalk {
			links = append(links, &l.Crosswalk[i])
		}
	} else {
		fw, err := c.pick(l)
		if err != nil {
			return err
		}
		links = fw.links
	}
	links = slices.DeleteFunc(links, func(a *catalog.Assertion) bool { return !c.matches(a) })
	return c.list(rc, l, linkListing(l, links), links, keysOf("link", links, linkKey))
}

func linkKey(a *catalog.Assertion) string {
	return strings.Join([]string{a.Framework, a.Version, a.Criterion, a.Control}, "/")
}

func linkListing(l *catalog.Library, links []*catalog.Assertion) *report.Listing {
	t := &report.Listing{Columns: []string{"criterion", "framework", "version", "control", "strength", "sources"}, Wide: 5}
	for _, a := range links {
		t.Rows = append(t.Rows, []string{a.Criterion, a.Framework, a.Version, a.Control, fmt.Sprint(l.Strength(a)), strings.Join(a.Sources, ", ")})
	}
	t.Notes = []string{fmt.Sprintf("%d links. %s", len(links), crosswalkNote)}
	for _, s := range l.CrosswalkSources() {
		if slices.ContainsFunc(links, func(a *catalog.Assertion) bool { return slices.Contains(a.Sources, s.ID) }) {
			t.Notes = append(t.Notes, fmt.Sprintf("%s: %s. %s (%s; %s)", s.ID, s.Name, s.Method, s.Licence, s.URL))
		}
	}
	if slices.ContainsFunc(links, func(a *catalog.Assertion) bool { return slices.Contains(a.Sources, catalog.OwnSource) }) {
		t.Notes = append(t.Notes, catalog.OwnSource+": the organisation's own judgement; it does not count as an independent source.")
	}
	return t
}

type crosswalkShowCommand struct {
	Code string `arg:"" help:"A criterion such as CC6.1, or a control of another framework such as A.8.5."`
	entryFlags
}

// Run shows the links of one code, strongest first.
func (c *crosswalkShowCommand) Run(rc *runContext) error {
	l, err := c.library(rc)
	if err != nil {
		return err
	}
	links := []*catalog.Assertion{}
	for i := range l.Crosswalk {
		if a := &l.Crosswalk[i]; strings.EqualFold(a.Criterion, c.Code) || strings.EqualFold(a.Control, c.Code) {
			links = append(links, a)
		}
	}
	if len(links) == 0 {
		return usage(fmt.Sprintf("nothing is linked to %q", c.Code), "tickmark crosswalk list shows what is")
	}
	slices.SortStableFunc(links, func(a, b *catalog.Assertion) int { return l.Strength(b) - l.Strength(a) })
	return c.list(rc, l, linkListing(l, links), links, keysOf("link", links, linkKey))
}
