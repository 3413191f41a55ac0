// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/collect/arm"
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
	// Command mends it, typed as it is.
	Command string `json:"command,omitempty"`
}

// diagnosis is all that the doctor found.
type diagnosis struct {
	Findings  []finding        `json:"findings"`
	Writers   []work.Writer    `json:"writers"`
	Access    []work.Access    `json:"access"`
	Reach     *work.ReachTable `json:"reach"`
	Sight     []work.SightGap  `json:"sight"`
	Licences  []string         `json:"licences"`
	Retention []work.Retention `json:"retention"`
	From      time.Time        `json:"periodFrom"`
}

func (d *diagnosis) note(ok bool, what, text, do string) {
	d.Findings = append(d.Findings, finding{What: what, OK: ok, Text: text, Do: do})
}

// lacks notes what a command mends.
func (d *diagnosis) lacks(what, text, do, command string) {
	d.Findings = append(d.Findings, finding{What: what, Text: text, Do: do, Command: command})
}

// Run examines.
func (c *doctorCommand) Run(rc *runContext) error {
	s, err := c.setup(rc, false)
	if err != nil {
		return err
	}
	rc = s.clocked(rc)
	from, err := day("--period-from", c.PeriodFrom)
	if err != nil {
		return err
	}
	if from.After(rc.Now()) {
		return usageError("--period-from "+c.PeriodFrom, "the period has not begun", "give a day that is past; of what is to come nothing can be lost yet")
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
	} else {
		c.clock(d, work.ClockSkew{})
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
			d.note(true, "data directory", c.Dir+", "+count(len(list), "snapshot", "snapshots"), "")
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
			if a.Host == collect.HostGitHub {
				signed = c.signInGitHub(rc, s, d) || signed
				break
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
			d.note(true, "sign-in", string(a.Host)+": a token for "+audience, "")
		}
	}
	return signed
}

// signInGitHub gets a token for each organisation.
func (c *doctorCommand) signInGitHub(rc *runContext, s *cloudSetup, d *diagnosis) (signed bool) {
	for _, o := range collect.GitHubSignIns(rc.Context, s.options) {
		if o.Err != nil {
			d.note(false, "sign-in", fmt.Sprintf("github %s: %v", o.Organisation, o.Err), "check --github-app and --github-key; an owner of the organisation installs the App")
			continue
		}
		signed = true
		d.note(true, "sign-in", "github: a token for "+o.Organisation, "")
	}
	return signed
}

// remote asks the sources.
func (c *doctorCommand) remote(rc *runContext, s *cloudSetup, d *diagnosis) error {
	var err error
	if d.Access, err = work.Accesses(rc.Context, s.sources, s.options, s.accepted); err != nil {
		return err
	}
	d.Writers = work.WritersOf(d.Access)
	for _, a := range d.Access {
		if !a.Writes {
			d.note(true, "writing", fmt.Sprintf("%s: the identity cannot write: %s", a.Source, a.Why), "")
			continue
		}
		do := fmt.Sprintf("use an identity that only reads, or --accept-writer '%s=why'", a.Source)
		d.note(a.Accepted != "", "writing", fmt.Sprintf("%s: the identity can write, or may: %s", a.Source, a.Why), do)
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
	c.clock(d, work.ClockOf(found))
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

// clock says how far this host's clock is from those of the services: evidence
// is dated by both, and services refuse tokens that are not yet, or no longer,
// good by their own.
func (c *doctorCommand) clock(d *diagnosis, k work.ClockSkew) {
	switch {
	case len(k.Sources) == 0:
		d.note(true, "clock", "not known: no service answered with a date", "")
	case k.Wrong():
		d.note(false, "clock", k.String(), "set it by NTP; if it is right, find out who answers in the service's place")
	default:
		d.note(true, "clock", k.String(), "")
	}
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
			d.lacks("sight", g.Why+". Resources are judged; that there is none, or that all are so, stays unknown for the tenant",
				"give the role, or --scope /subscriptions/ID, once for each subscription of the population", c.grant("Reader", g.Scope))
		default:
			if shown++; shown <= 5 {
				d.lacks("sight", g.Scope+": "+g.Why+". What is seen is judged; that there is none, or that all are so, stays unknown there", "", c.grant("Reader", g.Scope))
			}
		}
	}
	if shown > 5 {
		d.note(false, "sight", count(shown-5, "more subscription is", "more subscriptions are")+" seen in part only", "--json lists them")
	}
}

// grant is the command that gives a role at a scope.
func (c *doctorCommand) grant(role, scope string) string {
	return c.inCloud() + fmt.Sprintf("az role assignment create --assignee-object-id OBJECT_ID --assignee-principal-type ServicePrincipal --role '%s' --scope %s", role, scope)
}

// inCloud sets az to the cloud, where that is not the usual one.
func (c *doctorCommand) inCloud() string {
	if az, _ := collect.AzureCLI(c.Cloud); c.Cloud != "public" && az != "" {
		return "az cloud set --name " + az + " && "
	}
	return ""
}

// scopeOf is where the role for a question of Azure is given: at the root group,
// or, for what lies at a scope of its own, there. Of several workspaces or
// accounts it is the first that refused.
func (c *doctorCommand) scopeOf(a work.AskReach) string {
	resource := func(typ, otherwise string) string {
		at := strings.Index(strings.ToLower(a.Subject), typ)
		if at < 0 {
			return otherwise
		}
		name, _, _ := strings.Cut(a.Subject[at+len(typ):], "/")
		return a.Subject[:at+len(typ)] + name
	}
	switch {
	case strings.HasPrefix(a.Scope, "/"):
		return a.Scope
	case a.Scope == arm.ScopeWorkspace:
		return resource("/providers/microsoft.operationalinsights/workspaces/", "WORKSPACE_ID")
	case a.Scope == arm.ScopeArchive:
		return resource("/providers/microsoft.storage/storageaccounts/", "ARCHIVE_ACCOUNT_ID")
	}
	return "/providers/Microsoft.Management/managementGroups/" + cmp.Or(c.Tenant, "TENANT")
}

// command gives the exact role that is missing; not ok where no command does it.
func (c *doctorCommand) command(a work.AskReach) (text string, ok bool) {
	switch a.Source {
	case "arm":
		return c.grant(cmp.Or(a.Role, "Reader"), c.scopeOf(a)), true
	case "graph":
		if !azKnowsGraph(c.Cloud, c.M365) {
			return "tickmark permissions --only graph/" + a.Ask + c.flags(), true
		}
		var out []string
		for _, g := range graph.Permissions(a.Ask) {
			out = append(out, c.inCloud()+fmt.Sprintf("az ad app permission add --id %s --api 00000003-0000-0000-c000-000000000000 --api-permissions %s=Role && az ad app permission admin-consent --id %s",
				cmp.Or(c.Client, "APP_ID"), cmp.Or(g.ID, "'<id of "+g.Name+">'"), cmp.Or(c.Client, "APP_ID")))
		}
		return strings.Join(out, "\n"), len(out) > 0
	}
	return "give " + cmp.Or(a.Role, a.Permission) + " (tickmark permissions --only " + a.Source + c.flags() + ")", false
}
