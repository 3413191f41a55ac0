// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// event is one thing that happened: made from the seed, so that every reader of
// a log sees the same events, whichever API or table it asks.
type event struct {
	ID   string
	Time time.Time
	// Arrives is when the logs have it.
	Arrives time.Time
	rng     *rand.Rand
}

const day = 24 * time.Hour

// The kinds of sign-ins, each with a table of Log Analytics.
var signInTables = map[string]string{
	"interactiveUser": "SigninLogs", "nonInteractiveUser": "AADNonInteractiveUserSignInLogs",
	"servicePrincipal": "AADServicePrincipalSignInLogs", "managedIdentity": "AADManagedIdentitySignInLogs",
}

// logTables are the tables that a workspace can have.
func logTables() []string {
	return slices.Sorted(slices.Values(append(slices.Collect(maps.Values(signInTables)), "AzureActivity", "AuditLogs", "SecurityAlert")))
}

// keeps is how long the service's own API has a log's records, faults included.
func (s *Sim) keeps(st Stream, usual time.Duration) time.Duration {
	keep := usual
	if st.Keeps > 0 {
		keep = time.Duration(st.Keeps)
	}
	if d, ok := s.logFault("C25/retention"); ok {
		keep = min(keep, d)
	}
	return keep
}

// logFault returns a log fault's duration and counts it as having hit.
func (s *Sim) logFault(id string) (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if f.ID == id {
			f.fired++
			return time.Duration(f.Skew), true
		}
	}
	return 0, false
}

// arrived reports whether the logs have an event now.
func (s *Sim) arrived(e *event) bool {
	now := s.Now()
	if d, ok := s.logFault("C25/late"); ok && e.Time.After(now.Add(-d)) {
		return false
	}
	return !e.Arrives.After(now) && !e.Time.After(now)
}

// events makes the events of a stream in [from, to), oldest first: those that
// are lost are left out, late ones have their time of arrival. What did not
// arrive yet is included; see arrived.
func (s *Sim) events(name string, st Stream, from, to time.Time) []event {
	begin := s.epoch.Add(-400 * day)
	if st.Since.set {
		begin = s.at(st.Since)
	}
	if from.Before(begin) {
		from = begin
	}
	if now := s.Now(); to.After(now) {
		to = now.Add(time.Nanosecond)
	}
	var out []event
	for d := from.UTC().Truncate(day); d.Before(to); d = d.Add(day) {
		rng := s.random("events", name, d.Format(time.DateOnly))
		stamp := make([]event, 0, st.PerDay)
		for n := range st.PerDay {
			e := event{Time: d.Add(time.Duration(rng.Int64N(int64(day)))).Truncate(time.Millisecond), ID: s.guid("event", name, d.Format(time.DateOnly), fmt.Sprint(n))}
			e.Arrives = e.Time.Add(time.Duration(rng.IntN(300)) * time.Second)
			lost := rng.Float64() < st.Lost
			if rng.Float64() < st.Late {
				e.Arrives = e.Time.Add(max(time.Duration(st.Delay), 6*time.Hour))
			}
			e.rng = rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64())) //nolint:gosec // made-up events, the same from the same seed
			if !lost && !e.Time.Before(from) && e.Time.Before(to) {
				stamp = append(stamp, e)
			}
		}
		slices.SortFunc(stamp, func(a, b event) int { return a.Time.Compare(b.Time) })
		out = append(out, stamp...)
	}
	return out
}

// signIn is one sign-in, for Microsoft Graph and for Log Analytics alike.
type signIn struct {
	event
	Kind                  string // of signInTables
	PrincipalID, Name     string // of the person or service principal
	UPN                   string // empty for service principals
	App, AppID            string
	Resource, ResourceID  string
	IP, Country, City     string
	Client                string
	Result                int // 0 is success
	Reason                string
	Requirement           string // singleFactorAuthentication, multiFactorAuthentication
	ConditionalAccess     string // success, failure, notApplied
	Risk                  string
	ServicePrincipalAppID string
}

// signIns makes the sign-ins of a kind in [from, to) that have arrived.
func (s *Sim) signIns(kind string, from, to time.Time) []signIn {
	st := s.org.Logs.SignIns
	var out []signIn
	people := slices.DeleteFunc(slices.Clone(s.people), func(p person) bool { return p.Disabled })
	for _, e := range s.events("signIns/"+kind, st, from, to) {
		if !s.arrived(&e) {
			continue
		}
		x := signIn{event: e, Kind: kind, Resource: "Windows Azure Service Management API", ResourceID: "797f4846-ba00-4fd7-ba43-dac1f8f63013", Risk: "none", ConditionalAccess: "success"}
		x.IP = fmt.Sprintf("203.0.113.%d", e.rng.IntN(250)+1)
		x.Country, x.City = first(s.org.Tenant.Country, "DE"), "Berlin"
		if kind == "interactiveUser" || kind == "nonInteractiveUser" {
			if len(people) == 0 {
				continue
			}
			s.signInOf(&x, &people[e.rng.IntN(len(people))])
		} else {
			x.Name, x.PrincipalID, x.ServicePrincipalAppID = "automation", s.guid("principal", "automation"), s.guid("client", "automation")
			if n := len(s.org.Applications); n > 0 {
				a := &s.org.Applications[e.rng.IntN(n)]
				x.Name, x.PrincipalID, x.ServicePrincipalAppID = a.Name, a.ObjectID, a.ClientID
			}
			x.App, x.AppID, x.Requirement, x.ConditionalAccess = x.Name, x.ServicePrincipalAppID, "singleFactorAuthentication", "notApplied"
		}
		out = append(out, x)
	}
	return out
}

func (s *Sim) signInOf(x *signIn, p *person) {
	x.Name, x.PrincipalID, x.UPN = p.Name, p.ID, p.UPN
	apps := []struct{ name, id string }{{"Azure Portal", "c44b4083-3bb0-49c1-b47d-974e53cbdf3c"}, {"Microsoft Teams", "1fec8e78-bce4-4aaf-ab1b-5451cc387264"}, {"Office 365 Exchange Online", "00000002-0000-0ff1-ce00-000000000000"}}
	a := apps[x.rng.IntN(len(apps))]
	x.App, x.AppID, x.Client = a.name, a.id, "Browser"
	x.Requirement = "multiFactorAuthentication"
	if p.NoMFA {
		x.Requirement, x.ConditionalAccess = "singleFactorAuthentication", "notApplied"
	}
	if x.rng.IntN(20) == 0 {
		x.Result, x.Reason = 50126, "Error validating credentials due to invalid username or password."
		x.ConditionalAccess = "notApplied"
	}
}

// audit is one record of the directory's audit log.
type audit struct {
	event
	Activity, Category, Operation string
	Initiator, InitiatorID        string // user principal name
	Target, TargetID, TargetType  string
}

// record is the record's id, the same wherever the log is kept.
func (a *audit) record() string { return "Directory_" + strings.ToUpper(a.ID[:8]) + "_" + a.ID }

// audits makes the audit records in [from, to) that have arrived.
func (s *Sim) audits(from, to time.Time) []audit {
	kinds := []struct{ activity, category, operation, target string }{
		{"Update user", "UserManagement", "Update", "User"},
		{"Add member to group", "GroupManagement", "Assign", "User"},
		{"Reset user password", "UserManagement", "Update", "User"},
		{"Remove member from group", "GroupManagement", "Unassign", "User"},
		{"Update application", "ApplicationManagement", "Update", "Application"},
	}
	var out []audit
	if len(s.people) == 0 {
		return nil
	}
	for _, e := range s.events("audits", s.org.Logs.Audits, from, to) {
		if !s.arrived(&e) {
			continue
		}
		k := kinds[e.rng.IntN(len(kinds))]
		by, on := &s.people[e.rng.IntN(len(s.people))], &s.people[e.rng.IntN(len(s.people))]
		x := audit{event: e, Activity: k.activity, Category: k.category, Operation: k.operation, Initiator: by.UPN, InitiatorID: by.ID, Target: on.UPN, TargetID: on.ID, TargetType: k.target}
		if n := len(s.org.Applications); k.target == "Application" && n > 0 {
			a := &s.org.Applications[e.rng.IntN(n)]
			x.Target, x.TargetID = a.Name, a.ID
		}
		out = append(out, x)
	}
	return out
}

// activity is one record of an activity log.
type activity struct {
	event
	sub                         int // -1 above subscriptions
	Resource, Operation, Caller string
	Category, Status            string
}

// activities makes the records of a subscription in [from, to) that have
// arrived, oldest first: what changed, and reads of keys besides, which change
// nothing.
func (s *Sim) activities(sub int, from, to time.Time) []activity {
	var out []activity
	r := s.ranges[sub]
	for _, e := range s.events("activity/"+s.subs[sub].Name, s.org.Logs.Activity, from, to) {
		if r[1] == r[0] || !s.arrived(&e) {
			continue
		}
		i := r[0] + e.rng.Int32N(r[1]-r[0])
		v := s.varsOf(i)
		out = append(out, activity{event: e, sub: sub, Resource: v.id, Operation: s.templates[s.entries[i].tmpl].full + "/listKeys/action", Caller: s.anybody(e.rng), Category: "Administrative", Status: "Succeeded"})
	}
	for i := r[0]; i < r[1]; i++ {
		out = s.changesOf(out, i, sub, from, to)
	}
	slices.SortStableFunc(out, func(a, b activity) int { return a.Time.Compare(b.Time) })
	return out
}

// activitiesAt makes the records of the activity log of a scope, in lower case:
// of a subscription, a management group or (the empty one) the tenant.
//
// The tenant's log can repeat events of others; that it repeats those of the
// root group is ours to show it (which ones it repeats is unverified).
func (s *Sim) activitiesAt(scope string, from, to time.Time) []activity {
	if sub, ok := s.byID[subscriptionOf(scope+"/")]; ok {
		return s.activities(sub, from, to)
	}
	var out []activity
	root := strings.ToLower(managementGroupID(s.org.Tenant.ID))
	r := s.ranges[len(s.subs)]
	for i := r[0]; i < r[1]; i++ {
		at := strings.Trim(strings.ToLower(s.scopeOfEntry(i)), "/")
		if at != strings.Trim(scope, "/") && (scope != "" || at != strings.Trim(root, "/")) {
			continue
		}
		n := len(out)
		out = s.changesOf(out, i, -1, from, to)
		for k := n; k < len(out) && at == ""; k++ {
			s.elevated(&out[k], i)
		}
	}
	slices.SortStableFunc(out, func(a, b activity) int { return a.Time.Compare(b.Time) })
	return out
}

// elevated makes the record of an assignment at the root that of elevating
// access, which is how a global administrator gets it.
func (s *Sim) elevated(a *activity, i int32) {
	role := textOf(jsonPath(s.provider(nil, i), "properties", "roleDefinitionId"))
	if s.templates[s.entries[i].tmpl].full == assignmentType && strings.HasSuffix(role, "/18d7d88d-d35e-4fb5-a5c3-7773c20a72d9") && strings.HasSuffix(a.Operation, "/write") {
		a.Operation, a.Resource = "Microsoft.Authorization/elevateAccess/action", "/providers/Microsoft.Authorization"
	}
}

func (s *Sim) anybody(rng *rand.Rand) string {
	if len(s.people) == 0 {
		return "automation"
	}
	return s.people[rng.IntN(len(s.people))].UPN
}

// changesOf appends the records of an entry's changes: its creation, and what
// the organisation's changes did to it.
func (s *Sim) changesOf(out []activity, i int32, sub int, from, to time.Time) []activity {
	e := &s.entries[i]
	t := s.templates[e.tmpl]
	add := func(at time.Time, verb, by string, c *Change) {
		if at.IsZero() || at.Before(from) || !at.Before(to) {
			return
		}
		v := s.varsOf(i)
		x := activity{event: event{ID: s.guid("change", v.id, verb, at.String()), Time: at, Arrives: at.Add(3 * time.Minute)}, sub: sub, Resource: v.id, Operation: t.full + "/" + verb, Category: "Administrative", Status: "Succeeded"}
		x.Caller = first(s.upnOf(by), "automation")
		if c != nil {
			switch c.Event {
			case "lost", "none":
				return
			case "late":
				x.Arrives = at.Add(max(time.Duration(c.Delay), 6*time.Hour))
			}
			if c.Operation != "" {
				x.Operation = c.Operation
			}
		}
		if s.arrived(&x.event) {
			out = append(out, x)
		}
	}
	add(t.appears, "write", t.By, nil)
	add(t.ends, "delete", t.By, nil)
	for _, c := range t.changes {
		if s.touches(c, e, i) {
			verb := "write"
			if c.Delete {
				verb = "delete"
			}
			add(s.at(c.At), verb, c.By, c)
		}
	}
	return out
}

// upnOf returns a person's user principal name, or the name itself.
func (s *Sim) upnOf(name string) string {
	for i := range s.people {
		if strings.EqualFold(s.people[i].Name, name) {
			return s.people[i].UPN
		}
	}
	return name
}

// activityRecord is a record as the management API gives it.
// https://learn.microsoft.com/rest/api/monitor/activity-logs/list
func (s *Sim) activityRecord(a *activity) map[string]any {
	group := ""
	if _, rest, ok := strings.Cut(strings.ToLower(a.Resource), "/resourcegroups/"); ok {
		group, _, _ = strings.Cut(rest, "/")
	}
	stamp := a.Time.Format("2006-01-02T15:04:05.0000000Z")
	text := func(v string) map[string]any { return map[string]any{"value": v, "localizedValue": v} }
	namespace, _, _ := strings.Cut(a.Operation, "/")
	subscription := ""
	if a.sub >= 0 {
		subscription = s.subs[a.sub].ID
	}
	return map[string]any{
		"id":          a.Resource + "/events/" + a.ID + "/ticks/" + fmt.Sprint(a.Time.UnixNano()/100),
		"eventDataId": a.ID, "correlationId": s.guid("correlation", a.ID), "operationId": s.guid("operation", a.ID),
		"eventTimestamp": stamp, "submissionTimestamp": a.Arrives.Format("2006-01-02T15:04:05.0000000Z"),
		"caller": a.Caller, "category": text(a.Category), "operationName": text(a.Operation), "status": text(a.Status), "subStatus": text(""),
		"eventName": text("EndRequest"), "level": "Informational", "channels": "Operation", "resourceId": a.Resource, "resourceGroupName": group,
		"resourceProviderName": text(namespace), "resourceType": text(resourceTypeOf(a.Operation)), "subscriptionId": subscription, "tenantId": s.org.Tenant.ID,
		"claims": map[string]any{"name": a.Caller}, "properties": map[string]any{"statusCode": "OK"}, "description": "",
	}
}

// resourceTypeOf drops the last word of an operation: its verb.
func resourceTypeOf(operation string) string {
	operation = strings.TrimSuffix(strings.TrimSuffix(operation, "/listKeys/action"), "/action")
	if i := strings.LastIndexByte(operation, '/'); i > 0 && strings.Count(operation, "/") > 1 {
		return operation[:i]
	}
	return operation
}
