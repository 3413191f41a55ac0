// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/report"
)

// --- services

type servicesCommand struct {
	List    servicesListCommand    `cmd:"" help:"List the services."`
	Show    servicesShowCommand    `cmd:"" help:"Show one service: names, types, reports that name it."`
	Export  servicesExportCommand  `cmd:"" help:"Print which report names which service, with dates and sources."`
	Used    servicesUsedCommand    `cmd:"" help:"Which services exported objects belong to, and which of them no report in force names."`
	Reports servicesReportsCommand `cmd:"" help:"How providers issue their reports: periods, delay, bridge letters."`
}

type servicesListCommand struct {
	Product string `help:"Only one product." placeholder:"NAME"`
	listFlags
}

// Run lists the services.
func (c *servicesListCommand) Run(rc *runContext) error {
	l, err := c.library(rc)
	if err != nil {
		return err
	}
	t := &report.Listing{Columns: []string{"id", "name", "product", "tier", "retired", "formerly"}, Wide: 1}
	list := []catalog.Service{}
	ending := 0
	for _, s := range l.Services {
		if c.Product != "" && s.Product != c.Product || !c.matches(s) {
			continue
		}
		list = append(list, s)
		day := ""
		if s.Retired != nil {
			day = s.Retired.Day
			ending++
		}
		t.Rows = append(t.Rows, []string{s.ID, s.Name, s.Product, s.Tier, day, formerly(&s)})
	}
	t.Notes = []string{fmt.Sprintf("%s, of which %d ended or will end on the day told; tickmark services show ID names what is offered instead.", count(len(list), "service", "services"), ending)}
	return c.list(rc, l, t, list, keysOf("service", list, func(s catalog.Service) string { return s.ID }))
}

func formerly(s *catalog.Service) string {
	var out []string
	for _, f := range s.Former {
		n := f.Name
		if f.Until != "" {
			n += " (until " + f.Until + ")"
		}
		out = append(out, n)
	}
	return strings.Join(out, ", ")
}

type servicesShowCommand struct {
	ID string `arg:"" help:"A service's id or name, old or new."`
	entryFlags
}

// Run shows a service.
func (c *servicesShowCommand) Run(rc *runContext) error {
	l, err := c.library(rc)
	if err != nil {
		return err
	}
	s, err := serviceNamed(l, c.ID)
	if err != nil {
		return err
	}
	e := &report.Entry{Title: s.ID + "  " + s.Name, Subtitle: s.Product + " · " + s.Tier}
	var reports []string
	for _, x := range l.Scope {
		where := cmp.Or(x.Environment, x.Cloud, "all clouds")
		paper := x.Source
		if x.InHand != nil {
			paper = fmt.Sprintf("the report in hand: %s of %s", x.InHand.ID, x.InHand.Date)
		}
		if i := slices.Index(x.Services, s.ID); i >= 0 && x.Excluded {
			reports = slices.Insert(reports, 0, fmt.Sprintf("%s, %s: not in it, %s (%s)", x.Report, where, between(x.From, x.To), paper))
		} else if i >= 0 {
			first := len(reports)
			if x.InHand != nil { // what somebody has read stands before what was collected
				first = 0
			}
			reports = slices.Insert(reports, first, fmt.Sprintf("%s, %s: as %q, %s (%s)", x.Report, where, x.Names[i], between(x.From, x.To), paper))
		} else if slices.Contains(x.Products, s.Product) {
			reports = append(reports, fmt.Sprintf("%s, %s: %s as a whole, %s; find the service in the report's own list (%s)", x.Report, where, s.Product, between(x.From, x.To), x.Source))
		}
	}
	e.Sections = []report.Section{
		{Label: "Retired", Text: retirementText(s, rc.Now().UTC().Format(time.DateOnly))},
		{Label: "Formerly", Text: formerly(s)},
		{Label: "Resource types", Items: s.Types},
		reportsSection(reports),
	}
	view := serviceView{s, l.LevelsOf(s), l.CertificationsOf(s)}
	e.Sections = append(e.Sections, assuranceSections(view)...)
	e.Sections = append(e.Sections, report.Section{Label: "References", Items: s.References})
	return c.entry(rc, l, e, view, "service/"+s.ID)
}

// serviceView is a service with what is promised and certified of it.
type serviceView struct {
	*catalog.Service
	Levels         []catalog.ServiceLevel  `json:"serviceLevels"`
	Certifications []catalog.Certification `json:"certifications"`
}

func reportsSection(reports []string) report.Section {
	s := report.Section{Label: "Reports that name it", Items: reports}
	if len(reports) == 0 {
		s.Text = "None that is known here. Look into the report in hand before you rely on it."
	}
	return s
}

// assuranceSections say what is promised and certified, or that it is not known.
func assuranceSections(v serviceView) []report.Section {
	levels := report.Section{Label: "What the provider promises"}
	for i := range v.Levels {
		x := &v.Levels[i]
		levels.Items = append(levels.Items, oneLine(fmt.Sprintf("%s, %s (%s) %s", x, x.When(), x.Source, x.Note)))
	}
	if len(v.Levels) == 0 {
		levels.Text = "Not known here; the agreement in force tells."
	}
	certified := report.Section{Label: "Certifications"}
	for i := range v.Certifications {
		x := &v.Certifications[i]
		by := "by name"
		if !slices.Contains(x.Services, v.ID) {
			by = v.Product + " as a whole; find the service on the certificate"
		}
		certified.Items = append(certified.Items, oneLine(fmt.Sprintf("%s: %s, %s (%s) %s", x.Name, by, x.When(), x.Source, x.Note)))
	}
	if len(v.Certifications) == 0 {
		certified.Text = "Not known here; the provider's portal lists certificates."
	}
	return []report.Section{levels, certified}
}

func retirementText(s *catalog.Service, today string) string {
	if s.Retired == nil {
		return ""
	}
	return oneLine(fmt.Sprintf("%s (%s) %s", s.Retired.String(today), s.Retired.Source, s.Retired.Note))
}

func between(from, to string) string {
	if to == "" {
		return "as of " + from
	}
	return from + " to " + to
}

func serviceNamed(l *catalog.Library, name string) (*catalog.Service, error) {
	if s := l.Service(name); s != nil {
		return s, nil
	}
	found := l.ServicesNamed(name)
	if len(found) > 0 {
		return found[0], nil
	}
	ids := make([]string, 0, len(l.Services))
	for i := range l.Services {
		ids = append(ids, l.Services[i].ID)
	}
	return nil, noSuch("service", name, ids, "services")
}

type servicesExportCommand struct{ entryFlags }

// Run prints the scopes of reports.
func (c *servicesExportCommand) Run(rc *runContext) error {
	l, err := c.library(rc)
	if err != nil {
		return err
	}
	t := &report.Listing{Title: "Services in the scope of providers' reports", Columns: []string{"report", "cloud", "environment", "service", "asPrinted", "categories", "from", "to", "source"}, Wide: 4}
	var keys []string
	for _, x := range l.Scope {
		for i, s := range x.Services {
			source, name := x.Source, x.Names[i]
			if x.InHand != nil {
				source = strings.TrimSpace(fmt.Sprintf("report in hand: %s of %s %s", x.InHand.ID, x.InHand.Date, x.Source))
			}
			if x.Excluded {
				name = "(not in it)"
			}
			t.Rows = append(t.Rows, []string{x.Report, x.Cloud, x.Environment, s, name, strings.Join(x.Categories, " "), x.From, x.To, source})
			key := "" // the library's own entries stand beside the correction
			if x.InHand != nil {
				key = strings.Join([]string{"scope", x.Report, cmp.Or(x.Cloud, "-"), cmp.Or(x.Environment, "-"), s}, "/")
			}
			keys = append(keys, key)
		}
	}
	return c.list(rc, l, t, l.Scope, keys)
}

type servicesUsedCommand struct {
	Paths []string `arg:"" name:"path" help:"Exported objects."`
	Cloud string   `help:"The cloud: public, usGovernment or china." default:"public" enum:"public,usGovernment,china"`
	entryFlags
}

// usedService is a service in use with the reports that name it.
type usedService struct {
	foundService
	Reports []string `json:"reports"`
	// Families are the reports that name the service's product as a whole.
	Families []string `json:"families"`
}

// Run compares an inventory with the scopes of reports.
func (c *servicesUsedCommand) Run(rc *runContext) error {
	l, err := c.library(rc)
	if err != nil {
		return err
	}
	found, err := servicesFound(rc, l, c.Paths)
	if err != nil {
		return err
	}
	t := &report.Listing{Columns: []string{"service", "name", "resources", "named by"}, Wide: 3}
	list := []usedService{}
	outside, whole := 0, 0
	today := rc.Now().UTC().Format(time.DateOnly)
	var ending []string
	for _, f := range found {
		u := usedService{foundService: f, Reports: []string{}, Families: []string{}}
		out := excluded(l, f.ID, c.Cloud)
		for _, x := range l.Scope {
			switch {
			case x.To != "" || x.Excluded || x.Cloud != "" && x.Cloud != c.Cloud || slices.Contains(out, x.Report):
			case slices.Contains(x.Services, f.ID):
				u.Reports = appendNew(u.Reports, x.Report)
			case slices.Contains(x.Products, f.Product):
				u.Families = appendNew(u.Families, x.Report)
			}
		}
		by := strings.Join(u.Reports, ", ")
		switch {
		case by != "":
		case len(u.Families) > 0:
			whole++
			by = fmt.Sprintf("open: %s, of all %s", strings.Join(u.Families, ", "), f.Product)
		default:
			outside++
			by = "none known here"
		}
		list = append(list, u)
		t.Rows = append(t.Rows, []string{u.ID, u.Name, fmt.Sprint(u.Resources), by})
		if u.Retired != nil {
			ending = append(ending, fmt.Sprintf("%s %s.", u.ID, u.Retired.String(today)))
		}
	}
	t.Notes = []string{
		fmt.Sprintf("%s used: %d named by a report, %d open, %d named by none known here.", count(len(list), "service", "services"), len(list)-outside-whole, whole, outside),
		"Open: the report is of the product as a whole, and only the list in the report in hand says whether the service is in it. The facts here have dates and are not the reports: controls of a service that the report in hand does not name cannot be carved out to the provider.",
	}
	for _, x := range ending {
		fmt.Fprintln(rc.Err, "warning: "+x)
	}
	t.Notes = append(t.Notes, ending...)
	return c.print(rc, t, list)
}

// excluded lists the reports in hand that do not name a service.
func excluded(l *catalog.Library, service, cloud string) []string {
	var out []string
	for _, x := range l.Scope {
		if x.Excluded && (x.Cloud == "" || x.Cloud == cloud) && slices.Contains(x.Services, service) {
			out = append(out, x.Report)
		}
	}
	return out
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

type servicesReportsCommand struct{ listFlags }

// Run lists report profiles.
func (c *servicesReportsCommand) Run(rc *runContext) error {
	l, err := c.library(rc)
	if err != nil {
		return err
	}
	t := &report.Listing{Columns: []string{"report", "kind", "since", "until", "periods end", "months", "issued after", "bridge letters", "source"}, Wide: 8}
	list := []catalog.ReportProfile{}
	var keys []string
	var unknown []string
	for _, r := range l.Reports {
		if !c.matches(r) {
			continue
		}
		list = append(list, r)
		kind := strings.ToUpper(r.Kind[:3]) + " " + r.Kind[3:]
		if r.Type > 0 {
			kind += fmt.Sprintf(" type %d", r.Type)
		}
		for _, x := range r.Cadence {
			issue, months := "", ""
			if x.IssueDays != [2]int{} {
				issue = fmt.Sprintf("%d-%d days", x.IssueDays[0], x.IssueDays[1])
			}
			if x.Months > 0 {
				months = fmt.Sprint(x.Months)
			}
			var bridge []string
			for _, b := range x.Bridge {
				bridge = append(bridge, fmt.Sprintf("%s (for %s to %s)", b.Issued, b.From, b.To))
			}
			ends := cmp.Or(strings.Join(slices.Concat(x.PeriodEnds, x.Dates), " "), "unknown")
			if x.Unknown != "" {
				unknown = append(unknown, fmt.Sprintf("%s since %s: unknown. %s", r.ID, x.From, oneLine(x.Unknown)))
			}
			if x.Within != "" {
				ends += " (within " + x.Within + ")"
			}
			source := x.Source
			if x.InHand != nil {
				source = strings.TrimSpace(fmt.Sprintf("report in hand: %s of %s %s", x.InHand.ID, x.InHand.Date, x.Source))
			}
			t.Rows = append(t.Rows, []string{r.ID, kind, x.From, x.To, ends, months, issue, strings.Join(bridge, ", "), source})
			keys = append(keys, "report/"+r.ID)
		}
	}
	t.Notes = append([]string{"Providers change these rules: each stands with the date from which its source shows it. A bridge letter is management's word; no auditor stands behind it."}, unknown...)
	if c.JSON {
		keys = keysOf("report", list, func(r catalog.ReportProfile) string { return r.ID })
	}
	return c.list(rc, l, t, list, keys)
}

// --- responsibilities

type responsibilitiesCommand struct {
	List   responsibilitiesListCommand `cmd:"" help:"The matrix: services by areas of control."`
	Show   responsibilitiesShowCommand `cmd:"" help:"One service: who does what, and what shows your part."`
	Export responsibilitiesListCommand `cmd:"" help:"The matrix with the text of every cell."`
}

type responsibilitiesListCommand struct {
	Inventory []string `help:"Only the services that these exported objects belong to." placeholder:"PATH"`
	listFlags
}

// responsibility is one cell of the matrix.
type responsibility struct {
	Service string `json:"service"`
	Area    string `json:"area"`
	catalog.Cell
}

// Run prints the matrix.
func (c *responsibilitiesListCommand) Run(rc *runContext) error {
	l, err := c.library(rc)
	if err != nil {
		return err
	}
	var services []*catalog.Service
	if len(c.Inventory) > 0 {
		found, err := servicesFound(rc, l, c.Inventory)
		if err != nil {
			return err
		}
		for _, f := range found {
			services = append(services, f.Service)
		}
	} else {
		for i := range l.Services {
			services = append(services, &l.Services[i])
		}
	}
	cells := []responsibility{}
	short := &report.Listing{Columns: []string{"service"}}
	for _, a := range l.Areas {
		short.Columns = append(short.Columns, a.ID)
	}
	long := &report.Listing{Title: "Shared responsibility", Columns: []string{"service", "area", "who", "provider does (CSOC)", "you do", "controls", "checks"}, Wide: 4}
	n, own := 0, 0
	var keys []string
	for _, s := range services {
		if !c.matches(s) {
			continue
		}
		n++
		row := []string{s.ID}
		for _, a := range l.Areas {
			cell := l.Cell(s, a.ID)
			cells = append(cells, responsibility{s.ID, a.ID, cell})
			mark := map[string]string{"provider": "P", "shared": "S", "customer": "C", "none": "-"}[cell.Who]
			if l.Override("cell", s.ID+"/"+a.ID) != nil {
				mark += "*"
				own++
			}
			row = append(row, mark)
			keys = append(keys, "cell/"+s.ID+"/"+a.ID)
			long.Rows = append(long.Rows, []string{s.ID, a.ID, cell.Who, oneLine(cell.Provider), oneLine(cell.Customer), strings.Join(cell.Controls, " "), strings.Join(cell.Checks, " ")})
		}
		short.Rows = append(short.Rows, row)
	}
	short.Notes = []string{fmt.Sprintf("%s, %d areas. P the provider, S shared, C you, - does not arise. Each S is split into what the provider does and what you do: tickmark responsibilities show SERVICE.", count(n, "service", "services"), len(l.Areas))}
	if own > 0 {
		short.Notes = append(short.Notes, fmt.Sprintf("* the organisation's own word, in %s.", count(own, "cell", "cells")))
	}
	if c.CSV || c.Markdown || c.JSON {
		return c.list(rc, l, long, cells, keys)
	}
	return c.print(rc, short, cells)
}

type responsibilitiesShowCommand struct {
	Service string `arg:"" help:"A service's id or name, old or new."`
	entryFlags
}

// Run shows the division of work for a service.
func (c *responsibilitiesShowCommand) Run(rc *runContext) error {
	l, err := c.library(rc)
	if err != nil {
		return err
	}
	s, err := serviceNamed(l, c.Service)
	if err != nil {
		return err
	}
	e := &report.Entry{Title: s.ID + "  " + s.Name, Subtitle: s.Product + " · " + s.Tier}
	cells := []responsibility{}
	var keys []string
	for _, a := range l.Areas {
		cell := l.Cell(s, a.ID)
		cells = append(cells, responsibility{s.ID, a.ID, cell})
		var items []string
		if cell.Provider != "" {
			items = append(items, "provider: "+oneLine(cell.Provider))
		}
		if cell.Customer != "" {
			items = append(items, "you: "+oneLine(cell.Customer))
		}
		if len(cell.Controls) > 0 {
			items = append(items, "controls: "+strings.Join(cell.Controls, ", "))
		}
		if len(cell.Checks) > 0 {
			items = append(items, "checks: "+strings.Join(cell.Checks, ", "))
		}
		text := ""
		if len(items) == 0 {
			text = "does not arise"
		}
		label := a.Name + " [" + cell.Who + "]"
		if o := l.Override("cell", s.ID+"/"+a.ID); o != nil {
			label += " (" + originOf(o).text() + ")"
		}
		e.Sections = append(e.Sections, report.Section{Label: label, Text: text, Items: items})
		keys = append(keys, "cell/"+s.ID+"/"+a.ID)
	}
	if c.JSON {
		return printJSON(rc, c.originals(l, anyList(cells), keys))
	}
	return c.show(rc, e, cells)
}

// --- glossary

type glossaryCommand struct {
	List   glossaryListCommand `cmd:"" help:"List the words."`
	Show   glossaryShowCommand `cmd:"" help:"Show one word."`
	Export glossaryListCommand `cmd:"" help:"Print all words."`
}

type glossaryListCommand struct{ listFlags }

// Run lists the glossary.
func (c *glossaryListCommand) Run(rc *runContext) error {
	l, err := c.library(rc)
	if err != nil {
		return err
	}
	t := &report.Listing{Columns: []string{"term", "means"}, Wide: 1}
	list := []catalog.Term{}
	for _, x := range l.Glossary {
		if c.matches(x) {
			list = append(list, x)
			t.Rows = append(t.Rows, []string{x.Term, oneLine(x.Means)})
		}
	}
	return c.list(rc, l, t, list, keysOf("term", list, func(x catalog.Term) string { return x.Term }))
}

type glossaryShowCommand struct {
	Term string `arg:"" help:"The word."`
	entryFlags
}

// Run shows a term.
func (c *glossaryShowCommand) Run(rc *runContext) error {
	l, err := c.library(rc)
	if err != nil {
		return err
	}
	var words []string
	for _, x := range l.Glossary {
		words = append(words, x.Term)
		if !strings.EqualFold(x.Term, c.Term) && !slices.ContainsFunc(slices.Concat(x.Also, x.Search), func(a string) bool { return strings.EqualFold(a, c.Term) }) {
			continue
		}
		return c.entry(rc, l, &report.Entry{Title: x.Term, Sections: []report.Section{
			{Label: "Means", Text: oneLine(x.Means)},
			{Label: "Not to be taken for", Text: oneLine(x.Not)},
			{Label: "Also called", Items: x.Also},
			{Label: "See", Items: x.See},
		}}, x, "term/"+x.Term)
	}
	return noSuch("word", c.Term, words, "glossary")
}
