// SPDX-License-Identifier: Apache-2.0

package work

import (
	"cmp"
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/logs"
)

// ReachState is how far the identity gets with a question.
type ReachState string

// The states, from the best to the worst.
const (
	ReachReadable ReachState = "readable"
	ReachNothing  ReachState = "nothing there" // there was nothing to ask about
	ReachAbsent   ReachState = "not offered"
	ReachDeclined ReachState = "declined" // or left out
	ReachLicence  ReachState = "licence missing"
	ReachRole     ReachState = "role missing"
	ReachFailed   ReachState = "not answered"
)

// ReachStates lists the states in the order of tables.
func ReachStates() []ReachState {
	return []ReachState{ReachReadable, ReachRole, ReachLicence, ReachDeclined, ReachFailed, ReachAbsent, ReachNothing}
}

// reachOrder ranks the states from the best to the worst.
var reachOrder = []ReachState{ReachReadable, ReachNothing, ReachAbsent, ReachDeclined, ReachLicence, ReachRole, ReachFailed}

// AskReach is one question: how far the identity gets, and what it needs.
type AskReach struct {
	Source     string          `json:"source"`
	Ask        string          `json:"ask"`
	State      ReachState      `json:"state"`
	Reason     tickmark.Reason `json:"reason,omitempty"`
	Detail     string          `json:"detail,omitempty"`
	Permission string          `json:"permission,omitempty"`
	Role       string          `json:"role,omitempty"`
	// Scope is where the role is given (collect.Need.Scope), Subject what the
	// question was put to.
	Scope   string       `json:"scope,omitempty"`
	Subject string       `json:"subject,omitempty"`
	Licence []string     `json:"licence,omitempty"`
	Host    collect.Host `json:"host"`
	Types   []string     `json:"types,omitempty"`
}

// Unlocked are the checks and criteria that depend on questions in one state.
type Unlocked struct {
	Asks     int      `json:"asks"`
	Checks   []string `json:"checks"`
	Criteria []string `json:"criteria"`
}

// ReachTable says, by source and state, what can be read and what that unlocks.
type ReachTable struct {
	Asks []AskReach `json:"asks"`
	// Cells are by source, then state.
	Cells map[string]map[ReachState]*Unlocked `json:"cells"`
	// Files are the checks that look at what no source lists: exported files.
	Files []string `json:"files"`
	// NotAsked are, by source, the checks that look at what sources list that
	// were not asked.
	NotAsked map[string][]string `json:"notAsked"`
}

// Reach makes the table of what probing found. licences are the service plans of
// the tenant, nil if they are not known: a question that is refused and whose
// plans the tenant has not got lacks the licence, whatever else it lacks.
func Reach(sources []collect.Source, found []collect.Reach, licences []string, cat *catalog.Catalog) *ReachTable {
	t := &ReachTable{Cells: map[string]map[ReachState]*Unlocked{}, Files: []string{}, NotAsked: map[string][]string{}}
	index := map[[2]string]*collect.Ask{}
	for i := range sources {
		for k := range sources[i].Asks {
			index[[2]string{sources[i].Name, sources[i].Asks[k].Name}] = &sources[i].Asks[k]
		}
	}
	listing := map[string][]int{} // type → asks
	for _, f := range found {
		a := index[[2]string{f.Source, f.Ask}]
		if a == nil {
			continue
		}
		r := AskReach{
			Source: f.Source, Ask: f.Ask, State: stateOf(f), Reason: f.Reason, Detail: strings.TrimSpace(f.Code + " " + f.Detail),
			Permission: a.Needs.Permission, Role: a.Needs.Role, Scope: a.Needs.Scope, Subject: f.Subject, Licence: a.Needs.Licence, Host: a.Host, Types: a.Types,
		}
		if has := func(p string) bool {
			return slices.ContainsFunc(licences, func(l string) bool { return strings.EqualFold(l, p) })
		}; r.State == ReachRole && licences != nil && len(a.Needs.Licence) > 0 && !slices.ContainsFunc(a.Needs.Licence, has) {
			r.State = ReachLicence
		}
		for _, typ := range a.Types {
			k := inventory.TypeKey(typ)
			listing[k] = append(listing[k], len(t.Asks))
		}
		t.Asks = append(t.Asks, r)
		t.cell(f.Source, r.State).Asks++
	}
	elsewhere := map[string]string{} // type → a source that lists it and was not asked
	for _, s := range Sources() {
		if slices.ContainsFunc(sources, func(x collect.Source) bool { return x.Name == s.Name }) {
			continue
		}
		for i := range s.Asks {
			for _, typ := range s.Asks[i].Types {
				elsewhere[inventory.TypeKey(typ)] = s.Name
			}
		}
	}
	t.unlock(listing, elsewhere, cat)
	return t
}

func stateOf(f collect.Reach) ReachState {
	switch f.Reason { //nolint:exhaustive // every other reason is an answer that did not come
	case tickmark.ReasonNone, tickmark.ReasonTruncated:
		return ReachReadable
	case tickmark.ReasonNotPermitted:
		return ReachRole
	case tickmark.ReasonNoLicence:
		return ReachLicence
	case tickmark.ReasonDeclined, tickmark.ReasonExcluded, tickmark.ReasonNotNamed, tickmark.ReasonNotRead:
		return ReachDeclined
	case tickmark.ReasonNotOffered:
		return ReachAbsent
	case tickmark.ReasonNotCollected:
		if !f.Put {
			return ReachNothing
		}
	}
	return ReachFailed
}

func (t *ReachTable) cell(source string, s ReachState) *Unlocked {
	if t.Cells[source] == nil {
		t.Cells[source] = map[ReachState]*Unlocked{}
	}
	if t.Cells[source][s] == nil {
		t.Cells[source][s] = &Unlocked{Checks: []string{}, Criteria: []string{}}
	}
	return t.Cells[source][s]
}

// unlock gives every check to the question that limits it: of all that list the
// types that it judges or looks up, the one that gets least far. What no source
// lists comes from files alone; what only others list, from these.
func (t *ReachTable) unlock(listing map[string][]int, elsewhere map[string]string, cat *catalog.Catalog) {
	for i := range cat.Checks {
		k := cat.Checks[i]
		worst, files, other := -1, false, ""
		for _, typ := range slices.Concat(k.Types, k.Needs) {
			asks := listing[inventory.TypeKey(typ)]
			if len(asks) == 0 {
				source := elsewhere[inventory.TypeKey(typ)]
				files, other = files || source == "", cmp.Or(other, source)
			}
			for _, a := range asks {
				if worst < 0 || rankOf(t.Asks[a].State) > rankOf(t.Asks[worst].State) {
					worst = a
				}
			}
		}
		switch {
		case files:
			t.Files = append(t.Files, k.ID)
			continue
		case other != "":
			t.NotAsked[other] = append(t.NotAsked[other], k.ID)
			continue
		case worst < 0:
			continue // it looks at nothing
		}
		u := t.cell(t.Asks[worst].Source, t.Asks[worst].State)
		u.Checks = append(u.Checks, k.ID)
		for _, l := range k.Criteria {
			if !slices.Contains(u.Criteria, l.Code) {
				u.Criteria = append(u.Criteria, l.Code)
			}
		}
		slices.Sort(u.Criteria)
	}
}

func rankOf(s ReachState) int { return slices.Index(reachOrder, s) }

// Retention is how long a log can still be read.
type Retention struct {
	Source string `json:"source"`
	Ask    string `json:"ask"`
	About  string `json:"about"`
	// Keeps is how long the source keeps it, 0 where that is not known.
	Keeps time.Duration `json:"keeps"`
	// Exported is since when a workspace or archive has it; of a log that each
	// subscription has, since when one has that of each. Zero if none was found.
	Exported time.Time `json:"exported,omitzero"`
	// Places are the workspaces and accounts that have some of it, Without the
	// subscriptions whose log none has.
	Places  []Place  `json:"places"`
	Without []string `json:"without,omitempty"`
	// Looked says that exports of the log are known and were looked for.
	Looked bool `json:"looked"`
	// Unknown says why it is not known whether it is exported.
	Unknown tickmark.Reason `json:"unknown,omitempty"`
	// Lost is the day on which the last place that has the first day of the
	// period, the source or an export, loses it; zero if one has it that is not
	// known to lose it.
	Lost time.Time `json:"lost,omitzero"`
}

// Place is a workspace or storage account that has some of a log.
type Place struct {
	Kind logs.Kind `json:"kind"`
	Name string    `json:"name"`
	ID   string    `json:"id"`
	// First and Last are the times of its first and last record in the period.
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	// Keeps is how long it keeps records, 0 where that is not known.
	Keeps time.Duration `json:"keeps"`
	// Stopped says that it has no record of the last two days.
	Stopped bool `json:"stopped"`
}

// exports name, for a log, its name in package logs, its table in workspaces and
// the questions that find its days there and its hours in archives.
var exports = map[string]struct {
	log, table string
	asks       []string
}{
	"graph/sign-ins":                   {"sign-ins", "SigninLogs", []string{"log-sign-ins-days", "archive-sign-ins-hours"}},
	"graph/sign-ins-non-interactive":   {"sign-ins-non-interactive", "AADNonInteractiveUserSignInLogs", []string{"log-sign-ins-background-days", "archive-sign-ins-background-hours"}},
	"graph/sign-ins-service-principal": {"sign-ins-service-principal", "AADServicePrincipalSignInLogs", []string{"log-sign-ins-services-days", "archive-sign-ins-services-hours"}},
	"graph/sign-ins-managed-identity":  {"sign-ins-managed-identity", "AADManagedIdentitySignInLogs", []string{"log-sign-ins-managed-days", "archive-sign-ins-managed-hours"}},
	"graph/directory-audits":           {"directory-audits", "AuditLogs", []string{"log-audit-logs-days", "archive-audit-logs-hours"}},
	"arm/activity-log":                 {"activity-log", "AzureActivity", []string{"log-azure-activity-days", "archive-azure-activity-hours"}},
}

// RetentionClock reads, for each log that its source does not keep for ever,
// since when a workspace or an archive has it, and says when the first day of
// the period is lost at the source. licensed are the service plans of the tenant.
func RetentionClock(ctx context.Context, sources []collect.Source, o collect.Options, licensed []string, from time.Time) ([]Retention, error) {
	var out []Retention
	var only []string
	for i := range sources {
		for k := range sources[i].Asks {
			a := &sources[i].Asks[k]
			if a.Window == nil || a.Window.Keeps == 0 {
				continue
			}
			r := Retention{Source: sources[i].Name, Ask: a.Name, About: a.About, Keeps: a.Window.Keeps, Places: []Place{}}
			for plan, keeps := range a.Window.Extended {
				if slices.ContainsFunc(licensed, func(l string) bool { return strings.EqualFold(l, plan) }) {
					r.Keeps = max(r.Keeps, keeps)
				}
			}
			if e, ok := exports[r.Source+"/"+r.Ask]; ok {
				for _, a := range e.asks {
					only = append(only, "arm/"+a)
				}
				r.Unknown, r.Looked = tickmark.ReasonNotCollected, true
			}
			r.Lost = from.Add(r.Keeps)
			out = append(out, r)
		}
	}
	if arm := slices.IndexFunc(sources, func(s collect.Source) bool { return s.Name == "arm" }); arm >= 0 && len(only) > 0 {
		if err := exported(ctx, sources[arm:arm+1], o, only, from, out); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(out, func(a, b Retention) int { return cmp.Or(a.Lost.Compare(b.Lost), strings.Compare(a.Source, b.Source)) })
	return out, nil
}

// exported asks the workspaces and archives for the days that they have.
func exported(ctx context.Context, arm []collect.Source, o collect.Options, only []string, from time.Time, out []Retention) (err error) {
	dir, err := os.MkdirTemp(o.Dir, "retention-")
	if err != nil {
		return err
	}
	defer func() {
		if e := os.RemoveAll(dir); err == nil {
			err = e
		}
	}()
	o.Dir, o.Only, o.From, o.Progress = dir, only, from, nil
	run, err := collect.Run(ctx, arm, o)
	if err != nil {
		return err
	}
	defer func() {
		if e := run.Close(); err == nil {
			err = e
		}
	}()
	inv, err := inventory.Build(ctx, run.Snapshot, inventory.Options{Workers: 1})
	if err != nil {
		return err
	}
	cover := logs.Of(run.Snapshot, inv)
	for i := range out {
		if e, ok := exports[out[i].Source+"/"+out[i].Ask]; ok {
			out[i].since(cover, e.log, from, run.Snapshot.ObservedAt, func(workspace string) time.Duration { return tableKeeps(inv, workspace, e.table) })
			out[i].Unknown = unread(run.Snapshot, e.asks)
		}
	}
	return nil
}

// since finds since when the copies have the whole of a log, and when the first
// day of the period is lost everywhere.
func (r *Retention) since(cover *logs.Coverage, name string, from, now time.Time, keeps func(workspace string) time.Duration) {
	const day = 24 * time.Hour
	var all, lost []time.Time
	for i := range cover.Logs {
		l := &cover.Logs[i]
		if l.Name != name || r.Ask == "activity-log" && l.Subscription == "" {
			continue // what is above subscriptions has questions of its own
		}
		first, last := time.Time{}, from.Add(r.Keeps)
		for k := range l.Copies {
			c := &l.Copies[k]
			if c.Kind == logs.Service || c.First.IsZero() {
				continue
			}
			p := Place{Kind: c.Kind, Name: c.Place, ID: c.ID, First: c.First, Last: c.Last, Stopped: c.Last.Before(now.Add(-2 * day))}
			if c.Kind == logs.Workspace {
				p.Keeps = keeps(c.ID)
			}
			r.place(p)
			if first.IsZero() || c.First.Before(first) {
				first = c.First
			}
			switch {
			case last.IsZero(), !c.First.Before(from.Truncate(day).Add(day)): // it never had the first day
			case p.Keeps == 0:
				last = time.Time{}
			case from.Add(p.Keeps).After(last):
				last = from.Add(p.Keeps)
			}
		}
		if !last.IsZero() {
			lost = append(lost, last)
		}
		if first.IsZero() {
			if l.Subscription != "" {
				r.Without = append(r.Without, l.Subscription)
			}
			continue
		}
		all = append(all, first)
	}
	slices.SortFunc(r.Places, func(a, b Place) int {
		return cmp.Or(strings.Compare(string(b.Kind), string(a.Kind)), strings.Compare(a.Name, b.Name))
	})
	if len(all) > 0 && len(r.Without) == 0 {
		r.Exported = slices.MaxFunc(all, time.Time.Compare)
	}
	r.Lost = time.Time{}
	if len(lost) > 0 {
		r.Lost = slices.MinFunc(lost, time.Time.Compare)
	}
}

// place adds what a place has of another subscription's log.
func (r *Retention) place(p Place) {
	i := slices.IndexFunc(r.Places, func(o Place) bool { return o.Kind == p.Kind && o.ID == p.ID })
	if i < 0 {
		r.Places = append(r.Places, p)
		return
	}
	o := &r.Places[i]
	if p.First.After(o.First) { // since when it has that of each
		o.First = p.First
	}
	if p.Last.Before(o.Last) {
		o.Last = p.Last
	}
	o.Stopped = o.Stopped || p.Stopped
}

// tableKeeps is how long a workspace keeps a table; 0 where that is not known.
func tableKeeps(inv *inventory.Inventory, workspace, table string) time.Duration {
	for _, r := range inv.OfType("Microsoft.OperationalInsights/workspaces/tables") {
		if r.Key != strings.ToLower(workspace+"/tables/"+table) {
			continue
		}
		for _, name := range []string{"totalRetentionInDays", "retentionInDays"} {
			if n, ok := r.Root.Get("properties").Get(name).Int(); ok && n > 0 {
				return time.Duration(n) * 24 * time.Hour
			}
		}
	}
	return 0
}

// unread is why the questions named were not wholly answered.
func unread(s *tickmark.Snapshot, asks []string) tickmark.Reason {
	for i := range s.Segments {
		for k := range s.Segments[i].Coverage.Asks {
			a := &s.Segments[i].Coverage.Asks[k]
			switch {
			case !slices.Contains(asks, a.Name):
			case a.Missing != tickmark.ReasonNone:
				return a.Missing
			case len(a.Refusals) > 0:
				return a.Refusals[0].Reason
			}
		}
	}
	return tickmark.ReasonNone
}

// Plans reads the service plans of the tenant's licences; nil if they are not
// known.
func Plans(ctx context.Context, sources []collect.Source, o collect.Options) (plans []string, err error) {
	g := slices.IndexFunc(sources, func(s collect.Source) bool { return s.Name == "graph" })
	if g < 0 {
		return nil, nil
	}
	dir, err := os.MkdirTemp(o.Dir, "licences-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := os.RemoveAll(dir); err == nil {
			err = e
		}
	}()
	o.Dir, o.Only, o.Progress = dir, []string{"graph/subscribed-skus"}, nil
	run, err := collect.Run(ctx, sources[g:g+1], o)
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := run.Close(); err == nil {
			err = e
		}
	}()
	inv, err := inventory.Build(ctx, run.Snapshot, inventory.Options{Workers: 1})
	if err != nil {
		return nil, err
	}
	for _, r := range inv.OfType("graph/subscribedSkus") {
		if s := r.Root.Get("capabilityStatus").Str(); s != "Enabled" && s != "Warning" {
			continue
		}
		for p := range r.Root.Get("servicePlans").Elems() {
			plans = append(plans, strings.Clone(p.Get("servicePlanName").Str()))
		}
	}
	if ok, _ := inv.Complete("graph/subscribedSkus", ""); !ok {
		return nil, nil
	}
	slices.Sort(plans)
	return append([]string{}, slices.Compact(plans)...), nil
}
