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
	List     crosswalkListCommand     `cmd:"" help:"List the links: the frameworks, or one framework's by criterion."`
	Show     crosswalkShowCommand     `cmd:"" help:"The links of one criterion or one control of another framework."`
	Export   crosswalkExportCommand   `cmd:"" help:"Print every link, one a line, with its sources."`
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
	// Rests are the criteria of the strongest links. Controls, and the checks that
	// are counted, answer one of these directly: by all links nearly every one
	// would stand at every code.
	Rests    []string `json:"restsOn"`
	Controls []string `json:"libraryControls"`
	Pass     int      `json:"checksPass"`
	Fail     int      `json:"checksFail"`
	Unknown  int      `json:"checksUnknown"`
	NoRule   bool     `json:"noCheck"`
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
		Columns: []string{"code", "rests on", "strength", "weaker links", "controls", "pass", "fail", "unknown"}, Wide: 1,
	}
	for _, k := range list {
		var weaker []string
		for _, x := range k.Criteria[len(k.Rests):] {
			weaker = append(weaker, fmt.Sprintf("%s (%d)", x.Code, x.Strength))
		}
		row := []string{k.Control, strings.Join(k.Rests, " "), fmt.Sprint(k.Strength), fmt.Sprint(len(weaker)), fmt.Sprint(len(k.Controls)), "", "", ""}
		if c.CSV || c.Markdown { // there is room
			row[3] = strings.Join(weaker, " ")
		}
		if states != nil && !k.NoRule {
			row[5], row[6], row[7] = fmt.Sprint(k.Pass), fmt.Sprint(k.Fail), fmt.Sprint(k.Unknown)
		}
		t.Rows = append(t.Rows, row)
	}
	t.Notes = []string{
		fmt.Sprintf("%s; their titles are the publisher's and are not printed. rests on: the criteria of the strongest links; tickmark crosswalk show CODE lists the weaker ones, too.", count(len(list), "code has links", "codes have links")),
		"controls, pass, fail, unknown: controls of the library and checks that answer these criteria directly; empty where no check does, or no objects were given. They are counts of the criteria, so they repeat where two codes rest on the same ones, and a pass answers no code.",
	}
	if missing, all := l.Unlinked(fw.Framework, fw.version); all > 0 {
		t.Notes = append(t.Notes, fmt.Sprintf("Of %d codes %s no link here: %s.", all, count(len(missing), "has", "have"), cmp.Or(strings.Join(missing, ", "), "none")))
	}
	t.Notes = append(t.Notes, crosswalkNote)
	if fw.Note != "" {
		t.Notes = append(t.Notes, fw.Note)
	}
	return c.print(rc, t, list)
}

// coverCrosswalk joins links with the library and the states of the checks, in
// the order of the framework's codes.
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
		k.Rests = []string{}
		for _, x := range k.Criteria {
			if x.Strength == k.Strength {
				k.Rests = append(k.Rests, x.Code)
			}
		}
		answers := func(links []catalog.CriterionLink) bool {
			return slices.ContainsFunc(links, func(x catalog.CriterionLink) bool { return x.Link == "direct" && slices.Contains(k.Rests, x.Code) })
		}
		for _, x := range l.Controls {
			if answers(x.Criteria) {
				k.Controls = append(k.Controls, x.ID)
			}
		}
		k.NoRule = true
		for _, x := range l.Catalog().Checks {
			if !answers(x.Criteria) {
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
	slices.SortStableFunc(out, func(a, b coveredControl) int { return compareCodes(a.Control, b.Control) })
	return out
}

// linksFlags choose links.
type linksFlags struct {
	frameworkFlags
	listFlags
}

// links are those of one framework or of all that match.
func (c *linksFlags) links(l *catalog.Library) ([]*catalog.Assertion, error) {
	links := make([]*catalog.Assertion, 0, len(l.Crosswalk))
	if c.To == "" {
		for i := range l.Crosswalk {
			links = append(links, &l.Crosswalk[i])
		}
	} else {
		fw, err := c.pick(l)
		if err != nil {
			return nil, err
		}
		links = fw.links
	}
	return slices.DeleteFunc(links, func(a *catalog.Assertion) bool { return !c.matches(a) }), nil
}

// crosswalkExportCommand prints every link on a line of its own.
type crosswalkExportCommand struct{ linksFlags }

// Run prints the links.
func (c *crosswalkExportCommand) Run(rc *runContext) error {
	l, err := c.library(rc)
	if err != nil {
		return err
	}
	links, err := c.links(l)
	if err != nil {
		return err
	}
	return c.list(rc, l, linkListing(l, links), links, keysOf("link", links, linkKey))
}

// crosswalkListCommand lists links for people: they are thousands, so all are
// told by framework, and those that were chosen by criterion.
type crosswalkListCommand struct{ linksFlags }

// Run lists links.
func (c *crosswalkListCommand) Run(rc *runContext) error {
	l, err := c.library(rc)
	if err != nil {
		return err
	}
	links, err := c.links(l)
	if err != nil {
		return err
	}
	switch {
	case c.JSON || c.CSV || c.Markdown:
		return c.list(rc, l, linkListing(l, links), links, keysOf("link", links, linkKey))
	case c.To == "" && len(c.Query) == 0:
		return c.print(rc, linksByFramework(l, links), nil)
	}
	return c.print(rc, linksByCriterion(l, links), nil)
}

// everyLink says how to see the links that a list sums up.
const everyLink = "tickmark crosswalk export lists every link with its sources; --csv, --json and --markdown hold them, too."

// linksByFramework counts the links of each framework in each version.
func linksByFramework(l *catalog.Library, links []*catalog.Assertion) *report.Listing {
	t := &report.Listing{Columns: []string{"framework", "version", "links", "codes", "criteria", "strongest", "name"}, Wide: 6}
	for i := range l.Frameworks {
		fw := &l.Frameworks[i]
		for _, version := range fw.Versions {
			codes, criteria, n, strongest := map[string]bool{}, map[string]bool{}, 0, 0
			for _, a := range links {
				if a.Framework == fw.ID && a.Version == version {
					codes[a.Control], criteria[a.Criterion] = true, true
					n, strongest = n+1, max(strongest, l.Strength(a))
				}
			}
			if n > 0 {
				t.Rows = append(t.Rows, []string{fw.ID, version, fmt.Sprint(n), fmt.Sprint(len(codes)), fmt.Sprint(len(criteria)), fmt.Sprint(strongest), fw.Name})
			}
		}
	}
	t.Notes = []string{fmt.Sprintf("%s. --to FRAMEWORK lists them by criterion. %s", count(len(links), "link", "links"), everyLink), crosswalkNote}
	return t
}

// linksByCriterion lists, for each criterion, the codes that are linked to it,
// the strongest first.
func linksByCriterion(l *catalog.Library, links []*catalog.Assertion) *report.Listing {
	type place struct{ criterion, framework, version string }
	groups := map[place][]*catalog.Assertion{}
	var order []place
	for _, a := range links {
		p := place{a.Criterion, a.Framework, a.Version}
		if groups[p] == nil {
			order = append(order, p)
		}
		groups[p] = append(groups[p], a)
	}
	t := &report.Listing{Columns: []string{"criterion", "framework", "version", "codes(strength)"}, Wide: 3}
	for _, p := range order {
		list := groups[p]
		slices.SortStableFunc(list, func(a, b *catalog.Assertion) int {
			return cmp.Or(l.Strength(b)-l.Strength(a), compareCodes(a.Control, b.Control))
		})
		codes := make([]string, len(list))
		for i, a := range list {
			own := ""
			if slices.Contains(a.Sources, catalog.OwnSource) {
				own = ", own"
			}
			codes[i] = fmt.Sprintf("%s(%d%s)", a.Control, l.Strength(a), own)
		}
		t.Rows = append(t.Rows, []string{p.criterion, p.framework, p.version, strings.Join(codes, " ")})
	}
	t.Notes = []string{fmt.Sprintf("%s of %s. %s", count(len(links), "link", "links"), count(len(order), "criterion and framework", "criteria and frameworks"), everyLink), crosswalkNote}
	return t
}

func linkKey(a *catalog.Assertion) string {
	return strings.Join([]string{a.Framework, a.Version, a.Criterion, a.Control}, "/")
}

func linkListing(l *catalog.Library, links []*catalog.Assertion) *report.Listing {
	t := &report.Listing{Columns: []string{"criterion", "framework", "version", "control", "strength", "sources"}, Wide: 5}
	for _, a := range links {
		t.Rows = append(t.Rows, []string{a.Criterion, a.Framework, a.Version, a.Control, fmt.Sprint(l.Strength(a)), strings.Join(a.Sources, ", ")})
	}
	t.Notes = []string{count(len(links), "link", "links") + ". " + crosswalkNote}
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

// compareCodes orders codes as people count: A.8.9 before A.8.10.
func compareCodes(a, b string) int {
	for a != "" && b != "" {
		x, y := digits(a), digits(b)
		if x > 0 && y > 0 {
			n, m := strings.TrimLeft(a[:x], "0"), strings.TrimLeft(b[:y], "0")
			if c := cmp.Or(len(n)-len(m), strings.Compare(n, m)); c != 0 {
				return c
			}
			a, b = a[x:], b[y:]
			continue
		}
		if a[0] != b[0] {
			return strings.Compare(a, b)
		}
		a, b = a[1:], b[1:]
	}
	return len(a) - len(b)
}

// digits is how many digits s begins with.
func digits(s string) int { return len(s) - len(strings.TrimLeft(s, "0123456789")) }
