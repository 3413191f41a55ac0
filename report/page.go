// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
)

// pageData is what the template shows. Every text in it has passed visible.
type pageData struct {
	StyleHash, ScriptHash         string
	Style                         template.CSS
	Engine, Catalog, CatalogShort string
	// Overridden says how many checks are the organisation's word.
	Overridden                 string
	ObservedDay, Observed, Now string
	Origin, Notice             string
	// Scope says which categories the page is about, where somebody chose.
	Scope                     string
	InputsText, ResourcesText string
	// Population says in sentences how objects and resources add up.
	Population                        []string
	Lowers, NothingLowers             string
	Bars                              []pageBar
	Worst                             []pageWorst
	WorstLeft, WorstNone              string
	Reasons                           []pageReason
	NotRead                           []pageNotRead
	Families                          []pageFamily
	Rows                              []pageRow
	Verdicts                          []pagePart
	Severities, Areas, Codes          []string
	Criteria, Checks                  pageTotal
	Problems, Coverage, Inputs, Types pageTable
	// Lists are those of types that several rows of the coverage share.
	Lists    []pageList
	Signs    []pageSign
	Glossary []pageGlossary
}

type pageTotal struct{ Total string }

// pageTable is a list that may be cut; Left says what was.
type pageTable struct {
	Total string
	Rows  []any
	Left  string
}

// pageList is a list of types that is complete in several rows.
type pageList struct{ Name, Count, Rows, By, Text string }

type pagePart struct{ Class, Mark, Word, Count, Link string }

type pageBar struct {
	Name, Count string
	Empty       string // said where there is nothing to draw
	Bar         template.HTML
	Parts       []pagePart
}

type pageWorst struct{ Link, Title, ID, Severity, Count string }

type pageReason struct{ Link, Name, Text, Next, Count string }

type pageNotRead struct{ Source, Unknown, Why, Do, Criteria string }

type pageSign struct{ Class, Mark, Word, Means string }

type pageGlossary struct {
	Title string
	Terms []pageTerm
}

type pageTerm struct{ Anchor, Word, Meaning string }

type pageFamily struct {
	Code, Title string
	Tiles       []pageTile
}

type pageTile struct {
	Class, Link, Code, Mark, Word, Title, Counts, Tip, Automation string
	Fail, Unknown, Pass, Exempt, NoResource                       string
}

type pageRow struct {
	Index, Order                                 int
	Class, Mark, Word, Title, ID, Severity, Area string
	Criteria                                     []pageLink
	Bar                                          template.HTML
	Parts                                        []pagePart
	Facts                                        []pageFact
	Rule, NothingMet, Met                        string
}

type pageLink struct{ Code, Link, Href string }

type pageFact struct {
	Name, Term, Text string
	Code             bool
	Links            []pageReference
}

type pageReference struct {
	Text string
	Safe bool // an https address, fit to be a link
}

func newPage(a *check.Assessment, o HTMLOptions) pageData {
	t := totalsOf(a)
	p := pageData{
		StyleHash: sourceHash(pageStyle), ScriptHash: sourceHash(pageScript),
		Style:  template.CSS(pageStyle), //nolint:gosec // our own embedded file, not foreign text
		Engine: visible(a.Engine), Catalog: a.Catalog.String(), CatalogShort: a.Catalog.String()[:12],
		Observed: instant(a.ObservedAt), Now: instant(a.Now), Origin: visible(originText(a)),
		InputsText:    inputsText(a),
		Population:    reconciled(a.Population),
		ResourcesText: plural(t.resources, "resource", "resources") + " of " + plural(len(a.Types), "type", "types"),
		Lowers:        strings.Join(t.lowers(a), ", "), NothingLowers: "no problem met",
		Criteria: pageTotal{number(len(a.Criteria))}, Checks: pageTotal{number(len(a.Checks))},
	}
	if n := overridden(a); n > 0 {
		p.Overridden = "with " + plural(n, "overridden check", "overridden checks")
	}
	switch {
	case a.Origin == "files":
		p.Observed = "not known: exported files"
	case !a.ObservedAt.IsZero():
		p.ObservedDay = a.ObservedAt.UTC().Format("2006-01-02")
	}
	if len(a.Inputs) == 0 && t.resources == 0 {
		p.NothingLowers = "nothing was read"
	}
	p.Notice, p.Scope = notice(a, t), scopeText(a.Scope)
	p.overview(a, t)
	p.notRead(a)
	p.criteria(a)
	p.rows(a)
	p.tables(a, o.RowsPerTable)
	for _, s := range signs {
		p.Signs = append(p.Signs, pageSign{s.name, s.mark, s.word, s.means})
	}
	for _, g := range glossary {
		pg := pageGlossary{Title: g.title}
		for _, t := range g.terms {
			pg.Terms = append(pg.Terms, pageTerm{anchor(t.Word), t.Word, t.Meaning})
		}
		p.Glossary = append(p.Glossary, pg)
	}
	return p
}

// notice is what the reader must know before any number.
func notice(a *check.Assessment, t totals) string {
	switch {
	case a.Origin == "sample":
		return "Sample data: this assessment comes from a simulator or a test authority and is never evidence."
	case a.Sample:
		return "Sample: the data directory of this assessment is for samples and tests; nothing in it is evidence."
	case a.Origin == "trial":
		return "Trial: this collection may never be used as evidence."
	case t.resources == 0:
		return "Nothing was read, so nothing passes. Run the script that tickmark export-script prints, then assess its output."
	case t.results.Total() == 0:
		return "No check judged any of the resources that were read, so nothing passes. See the types below."
	}
	return ""
}

func (p *pageData) overview(a *check.Assessment, t totals) {
	p.Bars = []pageBar{
		{noun(len(a.Checks), "check", "checks"), number(len(a.Checks)), "The catalogue holds none.", bar(shares(t.checks)), parts(shares(t.checks), "verdict=")},
		{noun(t.results.Total(), "result", "results"), number(t.results.Total()), "No resource met a check.", bar(verdictShares(t.results)), parts(verdictShares(t.results), "verdict=")},
		{noun(len(a.Criteria), "criterion", "criteria"), number(len(a.Criteria)), "The catalogue holds none.", bar(shares(t.criteria)), parts(shares(t.criteria), "")},
	}
	for i := range p.Bars[2].Parts { // criteria are shown on the map, not filtered
		p.Bars[2].Parts[i].Link = "#criteria"
		if p.Bars[2].Parts[i].Class == string(check.StatePass) {
			p.Bars[2].Parts[i].Word = criterionPass
		}
	}
	const most = 6
	worst := worstChecks(a, check.StateFail)
	if len(worst) > most {
		p.WorstLeft = fmt.Sprintf("all %s", number(len(worst)))
		worst = worst[:most]
	}
	for _, i := range worst {
		s := a.Checks[i]
		p.Worst = append(p.Worst, pageWorst{
			"#" + query("check", visible(s.Check.ID)), visible(s.Check.Title), visible(s.Check.ID), s.Check.Severity.String(),
			plural(s.Counts.Fail, "resource", "resources"),
		})
	}
	p.WorstNone = "No check fails. What is unknown, or met no resource, is not a pass."
	for _, r := range t.reasons {
		p.Reasons = append(p.Reasons, pageReason{"#" + query("reason", visible(string(r.reason))), visible(string(r.reason)), visible(r.reason.Text()), advise(a, r.reason), number(r.count)})
	}
}

// notRead lists the sources that were not read, one line each.
func (p *pageData) notRead(a *check.Assessment) {
	for i := range a.NotRead {
		u := &a.NotRead[i]
		p.NotRead = append(p.NotRead, pageNotRead{
			visible(notReadName(u)), notReadText(u), visible(notReadWhy(a, u)), howToRead(a, u), visible(strings.Join(u.Criteria, ", ")),
		})
	}
}

// query writes one filter as the page's address holds it.
func query(name, value string) string { return url.Values{name: {value}}.Encode() }

// parts lists shares as links; link is the filter that shows exactly them.
func parts(s []share, link string) []pagePart {
	out := make([]pagePart, len(s))
	for i, x := range s {
		out[i] = pagePart{x.sign.name, x.sign.mark, x.sign.word, number(x.count), "#" + link + x.sign.name}
	}
	return out
}

// bar draws a stacked bar. Its parts are drawn with patterns as well as colours
// and are named by the list that stands beside every bar.
func bar(s []share) template.HTML {
	const steps = 120
	var b strings.Builder
	b.WriteString(`<svg class="bar" aria-hidden="true" focusable="false">`)
	x := 0
	for i, n := range cells(s, steps) {
		fmt.Fprintf(&b, `<rect class="b b-%s" x="%.2f%%" width="%.2f%%" height="100%%"/>`, s[i].sign.name, float64(x)*100/steps, float64(n)*100/steps)
		x += n
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) //nolint:gosec // numbers and names of our own grammar only
}

// criterionPass is what a criterion is whose checks all pass: no check answers
// a criterion, so it is not green, and people's evidence decides as elsewhere.
const criterionPass = "no check fails"

func (p *pageData) criteria(a *check.Assessment) {
	for _, f := range families(a) {
		pf := pageFamily{Code: visible(f.code), Title: f.title}
		for _, i := range f.members {
			c := a.Criteria[i]
			sg := stateSign(c.State)
			counts := "people decide"
			if sh := criterionShares(c); len(sh) > 0 {
				var out []string
				for _, x := range sh {
					out = append(out, x.sign.mark+number(x.count))
				}
				counts = strings.Join(out, " ")
			}
			code := visible(c.Criterion.Code)
			t := pageTile{
				Class: sg.name, Link: "#" + query("criterion", code), Code: code, Mark: sg.mark, Word: sg.word, Title: visible(c.Criterion.Title),
				Counts: counts, Automation: visible(c.Automation), Fail: number(c.Fail), Unknown: number(c.Unknown),
				Pass: number(c.Pass), Exempt: number(c.Exempt), NoResource: number(c.NoResource),
			}
			if c.State == check.StatePass {
				t.Word, t.Class = criterionPass, string(check.StateManual)
			}
			t.Tip = fmt.Sprintf("%s %s\n%s; automation: %s", t.Code, t.Title, t.Word, t.Automation)
			pf.Tiles = append(pf.Tiles, t)
		}
		p.Families = append(p.Families, pf)
	}
}

func (p *pageData) rows(a *check.Assessment) {
	var areas, codes []string
	for _, state := range stateOrder {
		for _, i := range worstChecks(a, state) {
			s := a.Checks[i]
			p.Rows = append(p.Rows, checkRow(i, len(p.Rows), s))
			areas = append(areas, visible(s.Check.Area))
		}
	}
	for _, c := range a.Criteria {
		codes = append(codes, visible(c.Criterion.Code))
	}
	slices.Sort(areas)
	p.Areas = slices.DeleteFunc(slices.Compact(areas), func(s string) bool { return s == "" })
	p.Codes = codes
	for _, name := range []string{"fail", "unknown", "pass", "exempt", "noResource", "notApplicable"} {
		s := signOf(name)
		p.Verdicts = append(p.Verdicts, pagePart{Class: s.name, Mark: s.mark, Word: s.word})
	}
	p.Severities = []string{"critical", "high", "medium", "low"}
}

func checkRow(index, order int, s check.Summary) pageRow {
	c := s.Check
	sg := stateSign(s.State)
	r := pageRow{
		Index: index, Order: order, Class: sg.name, Mark: sg.mark, Word: sg.word, Title: visible(c.Title), ID: visible(c.ID),
		Severity: c.Severity.String(), Area: visible(c.Area), Rule: lines(indented(c.Rule)),
	}
	if sh := verdictShares(s.Counts); len(sh) > 0 {
		r.Bar, r.Parts = bar(sh), parts(sh, query("check", visible(c.ID))+"&verdict=")
	} else {
		r.NothingMet, r.Met = nothingMet(s), met(s)
	}
	for _, l := range c.Criteria {
		link := "direct"
		if l.Link == "supporting" {
			link = l.Link
		}
		r.Criteria = append(r.Criteria, pageLink{visible(l.Code), link, "#" + query("criterion", visible(l.Code))})
	}
	add := func(name, term, text string, code bool) {
		if text = strings.TrimSpace(text); text != "" {
			r.Facts = append(r.Facts, pageFact{Name: name, Term: term, Text: text, Code: code})
		}
	}
	add("Why", "", visible(c.Why), false)
	add("Not proven", "", visible(c.NotProven), false)
	add("Override", "override", visible(c.Override.String()), false)
	add("Fix, az", "", lines(c.Remediation.CLI), true)
	add("Fix, Bicep", "", lines(c.Remediation.Bicep), true)
	add("No Bicep", "", visible(c.WithoutBicep()), false)
	add("Fix, portal", "", visible(c.Remediation.Portal), false)
	add("Criteria", "criterion", visible(linkText(c.Criteria)), false)
	add("Types", "resource", visible(strings.Join(c.Types, ", ")), false)
	add("Looks up", "", visible(strings.Join(c.Needs, ", ")), false)
	add("Permission", "", visible(c.Permission), false)
	add("Witness", "change witness", visible(witnessText(c.Witness)), false)
	add("If absent", "", visible(defaultsText(c.Defaults)), false)
	if c.Clock {
		add("Clock", "", "the verdict depends on the time of evaluation", false)
	}
	if c.Retired != nil {
		add("Retired", "", visible(c.Retired.On+": "+c.Retired.Note), false)
	}
	if len(c.References) > 0 {
		f := pageFact{Name: "References"}
		for _, ref := range c.References {
			f.Links = append(f.Links, pageReference{visible(ref), absoluteURL(ref)})
		}
		r.Facts = append(r.Facts, f)
	}
	return r
}

// defaultsText says how a missing property comes out.
func defaultsText(ds []catalog.ServiceDefault) string {
	out := make([]string, len(ds))
	for i, d := range ds {
		out[i] = d.Field + ": " + d.Value
	}
	return strings.Join(out, "; ")
}

// lines makes each line of s visible and keeps the lines.
func lines(s string) string {
	var out []string
	for l := range strings.Lines(s) {
		out = append(out, visible(strings.TrimRight(l, "\r\n")))
	}
	return strings.Join(out, "\n")
}

// tables lists inputs, coverage, problems and types, at most limit rows each.
func (p *pageData) tables(a *check.Assessment, limit int) {
	p.Inputs = table(a.Inputs, limit, "inputs", func(in check.Input) any {
		return struct{ Name, Form, Items, Bytes, Digest string }{visible(in.Name), visible(in.Form), number(in.Items), number(int(in.Bytes)), in.Digest.String()}
	})
	// What is known to be incomplete comes first: it is what the reader looks for.
	coverage := slices.Clone(a.Coverage)
	slices.SortStableFunc(coverage, func(x, y tickmark.Coverage) int {
		known := func(c tickmark.Coverage) int {
			if c.Missing == tickmark.ReasonNone {
				return 1
			}
			return 0
		}
		return cmp.Compare(known(x), known(y))
	})
	var shared map[string]string
	p.Lists, shared = sharedLists(coverage)
	p.Coverage = table(coverage, limit, "entries", func(c tickmark.Coverage) any {
		row := struct{ Scope, Source, Items, Declared, Complete, List, Missing string }{
			Scope: visible(c.Scope), Source: visible(c.Source), Items: number(c.Items), Declared: "not stated", Complete: "not stated",
		}
		if isLeftOut(&c) {
			row.Scope = "the whole source"
		}
		if c.Declared >= 0 {
			row.Declared = number(c.Declared)
		}
		if len(c.Complete) > 0 {
			row.Complete = visible(strings.Join(c.Complete, ", "))
			if row.List = shared[completeKey(&c)]; row.List != "" {
				row.Complete = plural(len(c.Complete), "type", "types") + ": list " + row.List
			}
			if c.CompleteBy != "" {
				row.Complete += ", says the " + visible(c.CompleteBy)
			}
		}
		if c.Missing != tickmark.ReasonNone {
			row.Missing = visible(string(c.Missing) + ": " + cmp.Or(c.Detail, c.Missing.Text()))
		}
		return row
	})
	p.Problems = table(a.Problems, limit, "problems", func(b tickmark.Problem) any {
		return struct{ Where, Object, What, Do string }{visible(place(b)), visible(b.Object), visible(b.What), visible(cmp.Or(b.Hint, nextStep(b.Reason)))}
	})
	if len(a.Problems) == 0 {
		p.Problems.Total = ""
	}
	p.Types = table(a.Types, limit, "types", func(t check.TypeCount) any {
		note := ""
		switch {
		case !t.Known:
			note = "type not known; counted, not judged"
		case t.Checks == 0:
			note = "no check judges it"
		}
		return struct{ Type, Resources, Summaries, Partial, Nested, Implied, Checks, Note string }{
			visible(t.Type), number(t.Resources), number(t.Summaries), number(t.Partial), number(t.Nested), number(t.Implied), number(t.Checks), note,
		}
	})
}

// completeKey tells lists of complete types apart.
func completeKey(c *tickmark.Coverage) string {
	return c.CompleteBy + "\x00" + strings.Join(c.Complete, "\x00")
}

// sharedLists names the lists of several types that more than one row has: each
// is written once. The map holds their names.
func sharedLists(coverage []tickmark.Coverage) (lists []pageList, names map[string]string) {
	const long = 3 // types that are read at a glance stay where they are
	rows, names := map[string]int{}, map[string]string{}
	for i := range coverage {
		rows[completeKey(&coverage[i])]++
	}
	for i := range coverage {
		c := &coverage[i]
		k := completeKey(c)
		if len(c.Complete) <= long || rows[k] < 2 || names[k] != "" {
			continue
		}
		names[k] = number(len(lists) + 1)
		lists = append(lists, pageList{
			Name: names[k], Count: plural(len(c.Complete), "type", "types"), Rows: number(rows[k]), By: visible(cmp.Or(c.CompleteBy, "source")),
			Text: visible(strings.Join(c.Complete, ", ")),
		})
	}
	return lists, names
}

func table[T any](all []T, limit int, noun string, row func(T) any) pageTable {
	t := pageTable{Total: number(len(all))}
	for i, x := range all {
		if limit >= 0 && i == limit {
			t.Left = fmt.Sprintf("%s more %s are not on this page; the JSON form holds all %s.", number(len(all)-i), noun, number(len(all)))
			break
		}
		t.Rows = append(t.Rows, row(x))
	}
	return t
}

// anchor is the name of a glossary entry inside the page.
func anchor(word string) string { return "word-" + strings.ReplaceAll(word, " ", "-") }

// termLink links text to the glossary entry of word, whose meaning shows on
// hover and focus. A word that is not in the glossary is a defect of the template.
func termLink(word, text string) (template.HTML, error) {
	m := meaning(word)
	if m == "" {
		return "", fmt.Errorf("%q is not in the glossary", word)
	}
	return template.HTML(fmt.Sprintf(`<a class="term" href="#%s" data-tip="%s">%s</a>`, //nolint:gosec // escaped, and words of our own glossary
		template.HTMLEscapeString(anchor(word)), template.HTMLEscapeString(m), template.HTMLEscapeString(text))), nil
}

// inputsText counts the inputs and the objects in them.
func inputsText(a *check.Assessment) string {
	s := inputsOf(a)
	if a.Population.Items > 0 {
		s += " with " + plural(a.Population.Items, "object", "objects")
	}
	return s
}

// inputsOf counts the inputs by what they are: files that somebody gave, or
// pages of what a source answered.
func inputsOf(a *check.Assessment) string {
	if !collected(a) {
		return plural(len(a.Inputs), "input", "inputs")
	}
	files := 0
	for i := range a.Coverage {
		if a.Coverage[i].Source == "file" {
			files += a.Coverage[i].Pages
		}
	}
	files = min(files, len(a.Inputs))
	s := plural(len(a.Inputs)-files, "page", "pages")
	if files > 0 {
		s += " and " + plural(files, "file", "files")
	}
	return s
}
