// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/collect/graph"
	"github.com/tickmark/tickmark/store"
	"github.com/tickmark/tickmark/work"
)

// doctorCommand is tickmark doctor.
type doctorCommand struct {
	cloudFlags
	dataFlags
	PeriodFrom string `placeholder:"DATE" help:"The first day of the observation period, for the retention clock; default: six months ago."`
	JSON       bool   `help:"Print JSON."`
}

// Help is the long description.
func (c *doctorCommand) Help() string {
	return `Each question of each source is put once, about the first thing that there is to ask about.
Nothing is kept. The first table says what can be read and what that unlocks, the second how
long each log can still be read.`
}

// finding is one thing that was looked at.
type finding struct {
	What string `json:"what"`
	OK   bool   `json:"ok"`
	Text string `json:"text"`
	Do   string `json:"do,omitempty"`
}

// diagnosis is all that the doctor found.
type diagnosis struct {
	Findings  []finding        `json:"findings"`
	Writers   []work.Writer    `json:"writers"`
	Reach     *work.ReachTable `json:"reach"`
	Sight     []work.SightGap  `json:"sight"`
	Licences  []string         `json:"licences"`
	Retention []work.Retention `json:"retention"`
	From      time.Time        `json:"periodFrom"`
}

func (d *diagnosis) note(ok bool, what, text, do string) {
	d.Findings = append(d.Findings, finding{What: what, OK: ok, Text: text, Do: do})
}

// Run examines.
func (c *doctorCommand) Run(rc *runContext) error {
	s, err := c.setup(rc, false)
	if err != nil {
		return err
	}
	from, err := day("--period-from", c.PeriodFrom)
	if err != nil {
		return err
	}
	if from.IsZero() {
		from = rc.Now().UTC().AddDate(0, -6, 0).Truncate(24 * time.Hour)
	}
	d := &diagnosis{From: from, Findings: []finding{}}
	c.local(rc, d)
	dir, err := os.MkdirTemp("", "tickmark-doctor-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // nothing in it is needed
	s.options.Dir = dir
	if c.signIn(rc, s, d) {
		if err := c.remote(rc, s, d); err != nil {
			return err
		}
	}
	if c.JSON {
		err = printJSON(rc, d)
	} else {
		err = c.print(rc, d)
	}
	if err == nil && slices.ContainsFunc(d.Findings, func(f finding) bool { return !f.OK }) {
		err = statusError(tickmark.ExitIncomplete)
	}
	return err
}

// local looks at this machine: data directory, database, disk.
func (c *doctorCommand) local(rc *runContext, d *diagnosis) {
	err := c.with(rc, func(st *store.Store) error {
		list, err := st.Snapshots(rc.Context)
		if err == nil {
			d.note(true, "data directory", fmt.Sprintf("%s, %d snapshots", c.Dir, len(list)), "")
		}
		return err
	})
	if err != nil {
		d.note(false, "data directory", err.Error(), "tickmark init DIR makes one; --dir DIR names it")
	}
	free, ok := diskFree(c.Dir)
	switch {
	case !ok:
		d.note(true, "disk", "free space cannot be found out here", "")
	case free < 2<<30:
		d.note(false, "disk", fmt.Sprintf("%d MiB free", free>>20), "a collection needs room for its pages twice; 2 GiB is little")
	default:
		d.note(true, "disk", fmt.Sprintf("%d GiB free", free>>30), "")
	}
}

// signIn gets a token for each host that the sources use.
func (c *doctorCommand) signIn(rc *runContext, s *cloudSetup, d *diagnosis) bool {
	signed := false
	tried := map[string]error{}
	for _, src := range s.sources {
		for _, a := range src.Asks {
			audience := s.options.Endpoints.Audience[a.Host]
			if s.options.Endpoints.URL[a.Host] == "" || audience == "" && a.Host != collect.HostGitHub {
				continue
			}
			key := cmp.Or(audience, string(a.Host))
			if _, ok := tried[key]; ok {
				continue
			}
			_, _, err := s.options.Credentials.Token(rc.Context, a.Host, audience)
			tried[key] = err
			if err != nil {
				d.note(false, "sign-in", fmt.Sprintf("%s: %v", a.Host, err), "check --auth, --tenant and --client")
				continue
			}
			signed = true
			d.note(true, "sign-in", string(a.Host)+": a token for "+cmp.Or(audience, "GitHub"), "")
		}
	}
	return signed
}

// remote asks the sources.
func (c *doctorCommand) remote(rc *runContext, s *cloudSetup, d *diagnosis) error {
	var err error
	if d.Writers, err = work.Writers(rc.Context, s.sources, s.options, s.accepted); err != nil {
		return err
	}
	for _, w := range d.Writers {
		do := fmt.Sprintf("use an identity that only reads, or --accept-writer '%s=why'", w.Source)
		d.note(w.Accepted != "", "writing", fmt.Sprintf("%s: the identity can write, or may: %s", w.Source, w.Why), do)
	}
	if d.Sight, err = work.Sight(rc.Context, s.sources, s.options); err != nil {
		return err
	}
	c.sight(d)
	fmt.Fprintln(rc.Err, "putting each question once …")
	found, err := collect.Probe(rc.Context, s.sources, s.options)
	if err != nil {
		return err
	}
	cat, err := catalog.Default()
	if err != nil {
		return err
	}
	if d.Licences, err = work.Plans(rc.Context, s.sources, s.options); err != nil {
		return err
	}
	d.Reach = work.Reach(s.sources, found, d.Licences, cat)
	d.Retention, err = work.RetentionClock(rc.Context, s.sources, s.options, d.Licences, d.From)
	return err
}

// sight says what of Azure is seen in part only, and what that costs.
func (c *doctorCommand) sight(d *diagnosis) {
	settled := func(g work.SightGap) bool {
		return g.Reason == tickmark.ReasonExcluded || g.Reason == tickmark.ReasonDeclined || g.Reason == tickmark.ReasonNotNamed
	}
	shown := 0
	for _, g := range d.Sight {
		switch {
		case g.Root && g.Reason == tickmark.ReasonNotNamed:
			d.note(true, "sight", g.Why, "")
		case settled(g):
		case g.Root:
			d.note(false, "sight", g.Why+". Resources are judged; that there is none, or that all are so, stays unknown for the tenant",
				c.grant("Reader", g.Scope)+" (or --scope /subscriptions/ID, once for each subscription of the population)")
		default:
			if shown++; shown <= 5 {
				d.note(false, "sight", g.Scope+": "+g.Why+". What is seen is judged; that there is none, or that all are so, stays unknown there", c.grant("Reader", g.Scope))
			}
		}
	}
	if shown > 5 {
		d.note(false, "sight", fmt.Sprintf("%d more subscriptions are seen in part only", shown-5), "--json lists them")
	}
}

// grant is the command that gives a role at a scope.
func (c *doctorCommand) grant(role, scope string) string {
	return fmt.Sprintf("az role assignment create --assignee-object-id OBJECT_ID --assignee-principal-type ServicePrincipal --role '%s' --scope %s", role, scope)
}

func (c *doctorCommand) print(rc *runContext, d *diagnosis) error {
	for _, f := range d.Findings {
		mark := "ok  "
		if !f.OK {
			mark = "no  "
		}
		fmt.Fprintf(rc.Out, "%s%s: %s\n", mark, f.What, printable(f.Text))
		if !f.OK && f.Do != "" {
			fmt.Fprintf(rc.Out, "    → %s\n", printable(f.Do))
		}
	}
	if d.Reach == nil {
		return nil
	}
	if err := printReach(rc, d.Reach); err != nil {
		return err
	}
	c.printGaps(rc, d.Reach)
	return printRetention(rc, d)
}

// printReach is the first screen: what can be read, and what that unlocks.
func printReach(rc *runContext, r *work.ReachTable) error {
	fmt.Fprintln(rc.Out, "\nReach: questions, and in brackets the checks and criteria that depend on them")
	t := tabwriter.NewWriter(rc.Out, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "source")
	for _, s := range work.ReachStates() {
		fmt.Fprintf(t, "\t%s", s)
	}
	fmt.Fprintln(t)
	for _, source := range sortedKeys(r.Cells) {
		fmt.Fprint(t, source)
		for _, s := range work.ReachStates() {
			cell := "-"
			if u := r.Cells[source][s]; u != nil {
				cell = fmt.Sprintf("%d (%d, %d)", u.Asks, len(u.Checks), len(u.Criteria))
			}
			fmt.Fprintf(t, "\t%s", cell)
		}
		fmt.Fprintln(t)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(r.Files) > 0 {
		fmt.Fprintf(rc.Out, "%d checks look at exported files only (tickmark export-script).\n", len(r.Files))
	}
	return nil
}

// printGaps says what is missing, by what is missing.
func (c *doctorCommand) printGaps(rc *runContext, r *work.ReachTable) {
	type gap struct{ state, need, command string }
	asks := map[gap][]string{}
	var order []gap
	for _, a := range r.Asks {
		var g gap
		switch a.State {
		case work.ReachRole:
			g = gap{string(a.State), cmp.Or(a.Permission, a.Role), c.command(a)}
		case work.ReachLicence:
			g = gap{string(a.State), strings.Join(a.Licence, " or "), fmt.Sprintf("--decline '%s/%s=why it is not there' --until DATE, if there will be none", a.Source, a.Ask)}
		case work.ReachFailed:
			g = gap{string(a.State), string(a.Reason) + ": " + a.Detail, ""}
		case work.ReachReadable, work.ReachNothing, work.ReachAbsent, work.ReachDeclined:
			continue
		}
		if asks[g] == nil {
			order = append(order, g)
		}
		asks[g] = append(asks[g], a.Source+"/"+a.Ask)
	}
	for _, g := range order {
		list := asks[g]
		if len(list) > 6 {
			list = append(slices.Clone(list[:6]), fmt.Sprintf("and %d more", len(list)-6))
		}
		fmt.Fprintf(rc.Out, "\n%s: %s\n    for %s\n", g.state, printable(g.need), strings.Join(list, ", "))
		if g.command != "" {
			fmt.Fprintf(rc.Out, "    → %s\n", g.command)
		}
	}
}

// command gives the exact role that is missing.
func (c *doctorCommand) command(a work.AskReach) string {
	tenant, inCloud := cmp.Or(c.Tenant, "TENANT"), ""
	if az, _ := collect.AzureCLI(c.Cloud); c.Cloud != "public" {
		inCloud = "az cloud set --name " + az + " && "
	}
	switch a.Source {
	case "arm":
		return inCloud + c.grant(cmp.Or(a.Role, "Reader"), "/providers/Microsoft.Management/managementGroups/"+tenant)
	case "graph":
		if !azKnowsGraph(c.Cloud, c.M365) {
			return "tickmark permissions --only graph/" + a.Ask + c.flags()
		}
		var out []string
		for _, g := range graph.Permissions(a.Ask) {
			out = append(out, fmt.Sprintf("%saz ad app permission add --id %s --api 00000003-0000-0000-c000-000000000000 --api-permissions %s=Role && az ad app permission admin-consent --id %s",
				inCloud, cmp.Or(c.Client, "APP_ID"), cmp.Or(g.ID, "'<id of "+g.Name+">'"), cmp.Or(c.Client, "APP_ID")))
		}
		return strings.Join(out, "\n      ")
	}
	return "give " + cmp.Or(a.Role, a.Permission) + " (tickmark permissions --only " + a.Source + c.flags() + ")"
}

// printRetention is the second screen: how long each log can still be read.
func printRetention(rc *runContext, d *diagnosis) error {
	if len(d.Retention) == 0 {
		return nil
	}
	fmt.Fprintf(rc.Out, "\nRetention: the period begins on %s\n", d.From.Format(time.DateOnly))
	t := tabwriter.NewWriter(rc.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "log\tkept at the source\texported since\tfirst day of the period")
	for _, r := range d.Retention {
		since := "not found"
		switch {
		case !r.Exported.IsZero():
			since = r.Exported.Format(time.DateOnly)
		case r.Unknown != tickmark.ReasonNone:
			since = "unknown (" + string(r.Unknown) + ")"
		}
		first := "in the export"
		if !r.Lost.IsZero() {
			first = "lost after " + r.Lost.Format(time.DateOnly)
			if !r.Lost.After(rc.Now()) {
				first = "lost since " + r.Lost.Format(time.DateOnly)
			}
		}
		fmt.Fprintf(t, "%s/%s\t%d days\t%s\t%s\n", r.Source, r.Ask, int(r.Keeps.Hours()/24), since, first)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(rc.Out, "An export is a diagnostic setting that sends the log to a Log Analytics workspace: set it on the first day.")
	return nil
}
