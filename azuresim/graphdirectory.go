// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// orDefault is the records that the organisation gives for a path, or those
// that every organisation of the kind has.
func (g *graphService) orDefault(path string, rows func() [][]member) (graphRows, bool) {
	given, ok := g.org.Records["graph/"+path]
	if !ok {
		return graphList(rows()), true
	}
	out := make([][]member, 0, len(given))
	for _, b := range g.rendered(given) {
		if row, ok := members(b); ok {
			out = append(out, row)
		}
	}
	return graphList(out), true
}

func (g *graphService) organization(*graphRequest) (graphRows, bool) {
	t := g.org.Tenant
	domains := [][]member{}
	for i, d := range g.domainNames() {
		domains = append(domains, graphObject("capabilities", "Email, OfficeCommunicationsOnline", "isDefault", i == 0,
			"isInitial", strings.HasSuffix(d, ".onmicrosoft.com"), "name", d, "type", "Managed"))
	}
	plans := [][]member{}
	for _, l := range g.org.Licences {
		for _, p := range l.Plans {
			plans = append(plans, graphObject("assignedDateTime", g.at(t.Created), "capabilityStatus", "Enabled", "service", planService(p), "servicePlanId", g.planID(p)))
		}
	}
	synced := slices.ContainsFunc(g.org.People, func(p Person) bool { return p.Synced })
	row := graphObject("id", t.ID, "deletedDateTime", nil, "businessPhones", []string{}, "countryLetterCode", first(t.Country, "DE"),
		"createdDateTime", g.created(t.Created, 900), "defaultUsageLocation", nil, "displayName", g.org.Name,
		"onPremisesSyncEnabled", nullUnless(synced), "tenantType", "AAD", "technicalNotificationMails", []string{}, "assignedPlans", plans, "verifiedDomains", domains)
	return graphList([][]member{row}), true
}

func nullUnless(b bool) any {
	if b {
		return true
	}
	return nil
}

func (g *graphService) domainNames() []string {
	names := slices.Clone(g.org.Tenant.Domains)
	if len(names) == 0 {
		names = []string{g.domain()}
	}
	initial := strings.ToLower(strings.ReplaceAll(g.org.Name, " ", "")) + ".onmicrosoft.com"
	if !slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, ".onmicrosoft.com") }) {
		names = append(names, initial)
	}
	return names
}

func (g *graphService) domains(*graphRequest) (graphRows, bool) {
	return g.orDefault("domains", func() [][]member {
		var rows [][]member
		for i, d := range g.domainNames() {
			rows = append(rows, graphObject("id", d, "authenticationType", "Managed", "availabilityStatus", nil, "isAdminManaged", true, "isDefault", i == 0,
				"isInitial", strings.HasSuffix(d, ".onmicrosoft.com"), "isRoot", true, "isVerified", true, "passwordNotificationWindowInDays", 14,
				"passwordValidityPeriodInDays", 2147483647, "supportedServices", []string{"Email", "OfficeCommunicationsOnline"}))
		}
		return rows
	})
}

// Ids of products that are the same in every tenant; others are made up.
var productIDs = map[string]string{
	"SPE_E5": "06ebc4ee-1bb5-47dd-8120-11324bc54e06", "SPE_E3": "05e9a617-0261-4cee-bb44-138d3ef5d965",
	"AAD_PREMIUM": "41781fb2-bc02-4b7c-bd55-b576c07bb09d", "AAD_PREMIUM_P2": "eec0eb4f-6444-4f95-aba0-50c24d67f998",
	"INTUNE_A": "c1ec4a95-1f05-45b3-a911-aa3fa01094f5", "Entra_Identity_Governance": "e866a266-3cff-43a3-acca-0c90a7e00c8b",
}

func (g *graphService) planID(name string) string {
	return first(productIDs[name], g.guid("plan", name))
}

func planService(plan string) string {
	switch {
	case strings.HasPrefix(plan, "AAD_"), strings.HasPrefix(plan, "Entra_"):
		return "AADPremiumService"
	case strings.HasPrefix(plan, "INTUNE"):
		return "SCO"
	}
	return "exchange"
}

func (g *graphService) subscribedSkus(*graphRequest) (graphRows, bool) {
	var rows [][]member
	for _, l := range g.org.Licences {
		plans := [][]member{}
		for _, p := range l.Plans {
			plans = append(plans, graphObject("servicePlanId", g.planID(p), "servicePlanName", p, "provisioningStatus", "Success", "appliesTo", "User"))
		}
		units := max(l.Units, 1)
		sku := first(productIDs[l.SKU], g.guid("sku", l.SKU))
		rows = append(rows, graphObject("accountName", strings.ToLower(g.org.Name), "accountId", g.org.Tenant.ID, "appliesTo", "User",
			"capabilityStatus", first(l.State, "Enabled"), "consumedUnits", l.Consumed, "id", g.org.Tenant.ID+"_"+sku, "skuId", sku, "skuPartNumber", l.SKU,
			"subscriptionIds", []string{g.guid("subscription", l.SKU)},
			"prepaidUnits", graphObject("enabled", units, "suspended", 0, "warning", 0, "lockedOut", 0), "servicePlans", plans))
	}
	return graphList(rows), true
}

// created is when something was made: as given, else some days before the
// epoch.
func (g *graphService) created(w When, daysBefore int) time.Time {
	if t := g.at(w); !t.IsZero() {
		return t
	}
	return g.epoch.AddDate(0, 0, -daysBefore)
}

// present lists the people who exist at this instant.
func (g *graphService) present() []int {
	now := g.Now()
	out := make([]int, 0, len(g.people))
	for i := range g.people {
		if !g.at(g.people[i].Created).After(now) {
			out = append(out, i)
		}
	}
	return out
}

func (g *graphService) userRows(*graphRequest) (graphRows, bool) {
	who := g.present()
	return graphRows{len(who), func(i int) []member { return g.user(&g.people[who[i]]) }}, true
}

func (g *graphService) userRow(q *graphRequest) (graphRows, bool) {
	i, ok := g.users[strings.ToLower(q.args[0])]
	if !ok {
		i, ok = g.users[g.principalID(q.args[0])]
	}
	if !ok {
		return graphRows{}, false
	}
	return graphRows{1, func(int) []member { return g.user(&g.people[i]) }}, true
}

func (g *graphService) user(p *person) []member {
	given, surname, _ := strings.Cut(p.Name, " ")
	now := g.Now()
	created := g.created(p.Created, 400)
	hired, left := g.at(p.Employment.Hired), g.at(p.Employment.Left)
	kind, state := "Member", any(nil)
	upn := p.UPN
	creation := any(nil)
	if p.Guest {
		kind, state, creation = "Guest", "Accepted", "Invitation"
		if !strings.Contains(upn, "#EXT#") {
			upn = strings.ReplaceAll(upn, "@", "_") + "#EXT#@" + g.domainNames()[len(g.domainNames())-1]
		}
	}
	licences := [][]member{}
	for _, l := range p.Licences {
		licences = append(licences, graphObject("disabledPlans", []string{}, "skuId", first(productIDs[l], g.guid("sku", l))))
	}
	employee := any(nil)
	if !p.Guest {
		employee = "E" + strconv.Itoa(10000+g.users[p.ID])
	}
	immutable, synced := any(nil), time.Time{}
	if p.Synced {
		immutable, synced = g.guid("immutable", p.ID), now.Add(-20*time.Minute).Truncate(time.Minute)
	}
	last := g.lastSignIn(p)
	signIn := any(nil)
	if !last.IsZero() {
		signIn = graphObject("lastSignInDateTime", last, "lastSignInRequestId", g.guid("last", p.ID), "lastNonInteractiveSignInDateTime", last.Add(time.Hour),
			"lastNonInteractiveSignInRequestId", g.guid("last-non", p.ID), "lastSuccessfulSignInDateTime", last, "lastSuccessfulSignInRequestId", g.guid("last", p.ID))
	}
	row := graphObject("businessPhones", []string{}, "displayName", p.Name, "givenName", given, "jobTitle", orNull(p.Title), "mail", p.UPN, "mobilePhone", nil,
		"officeLocation", nil, "preferredLanguage", nil, "surname", orNull(surname), "userPrincipalName", upn, "id", p.ID,
		"accountEnabled", !p.Disabled && (left.IsZero() || left.After(now)), "userType", kind, "creationType", creation, "createdDateTime", created,
		"externalUserState", state, "externalUserStateChangeDateTime", guestSince(p.Guest, created), "employeeId", employee, "employeeType", orNull(p.Employment.Type),
		"employeeHireDate", hired, "department", orNull(p.Department), "companyName", nil, "onPremisesSyncEnabled", nullUnless(p.Synced),
		"onPremisesImmutableId", immutable, "onPremisesLastSyncDateTime", synced, "lastPasswordChangeDateTime", created.AddDate(0, 0, 30), "passwordPolicies", nil,
		"assignedLicenses", licences, "usageLocation", first(g.org.Tenant.Country, "DE"), "signInActivity", signIn)
	if p.Also != nil {
		row, _ = members(merge(object(row), g.render(p.Also, &vars{n: p.N, name: p.Name, id: p.ID})))
	}
	return row
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func guestSince(guest bool, t time.Time) time.Time {
	if !guest {
		return time.Time{}
	}
	return t.Add(26 * time.Hour)
}

// lastSignIn is as given, else within the last week for who may sign in.
func (g *graphService) lastSignIn(p *person) time.Time {
	if t := g.at(p.LastSignIn); !t.IsZero() || p.LastSignIn.IsSet() {
		return t
	}
	if p.Disabled {
		return time.Time{}
	}
	h := g.hash("last", p.ID)
	return g.Now().Add(-time.Duration(h[0])*time.Hour/2 - time.Duration(h[1])*time.Minute/8).Truncate(time.Second)
}

func (g *graphService) registrations(*graphRequest) (graphRows, bool) {
	admins := map[string]bool{}
	for _, d := range g.org.DirectoryRoles {
		admins[g.principalID(d.Principal)] = true
	}
	who := g.present()
	return graphRows{len(who), func(i int) []member {
		p := &g.people[who[i]]
		methods := slices.Clone(p.Methods)
		if len(methods) == 0 && !p.NoMFA {
			methods = []string{"microsoftAuthenticatorPush", "softwareOneTimePasscode"}
		}
		if methods == nil {
			methods = []string{}
		}
		strong := len(methods) > 0 && !p.NoMFA
		passwordless := slices.ContainsFunc(methods, func(m string) bool {
			return strings.HasPrefix(m, "passKey") || m == "windowsHelloForBusiness" || m == "fido2SecurityKey"
		})
		kind := "member"
		if p.Guest {
			kind = "guest"
		}
		return graphObject("id", p.ID, "userPrincipalName", p.UPN, "userDisplayName", p.Name, "userType", kind, "isAdmin", admins[p.ID],
			"isSsprRegistered", strong, "isSsprEnabled", true, "isSsprCapable", strong, "isMfaRegistered", strong, "isMfaCapable", strong && !p.Disabled,
			"isPasswordlessCapable", passwordless, "methodsRegistered", methods, "isSystemPreferredAuthenticationMethodEnabled", true,
			"systemPreferredAuthenticationMethods", []string{}, "userPreferredMethodForSecondaryAuthentication", "push",
			"lastUpdatedDateTime", g.Now().Truncate(24*time.Hour))
	}}, true
}

func (g *graphService) groupRows(*graphRequest) (graphRows, bool) {
	return graphRows{len(g.org.Groups), func(i int) []member { return g.group(&g.org.Groups[i]) }}, true
}

func (g *graphService) group(o *Group) []member {
	types, rule, processing := []string{}, any(nil), any(nil)
	if o.Dynamic != "" {
		types, rule, processing = []string{"DynamicMembership"}, o.Dynamic, "On"
	}
	row := graphObject("id", o.ID, "deletedDateTime", nil, "displayName", o.Name, "description", nil, "mail", nil, "mailEnabled", false,
		"mailNickname", strings.ToLower(strings.ReplaceAll(o.Name, " ", "-")), "securityEnabled", true, "groupTypes", types,
		"isAssignableToRole", nullUnless(o.RoleAssignable), "membershipRule", rule, "membershipRuleProcessingState", processing, "visibility", nil,
		"onPremisesSyncEnabled", nil, "createdDateTime", g.created(o.Created, 300), "assignedLicenses", [][]member{})
	if o.Also != nil {
		row, _ = members(merge(object(row), g.render(o.Also, &vars{name: o.Name, id: o.ID})))
	}
	return row
}

func (g *graphService) groupOf(id string) *Group {
	for i := range g.org.Groups {
		if strings.EqualFold(g.org.Groups[i].ID, id) {
			return &g.org.Groups[i]
		}
	}
	return nil
}

// principalRow is a directory object as a relation shows it: with its type.
func (g *graphService) principalRow(id string) ([]member, bool) {
	if i, ok := g.users[id]; ok {
		u := g.user(&g.people[i])
		keep := make([]member, 0, len(userShown)+1)
		keep = append(keep, graphObject("@odata.type", "#microsoft.graph.user")...)
		for _, m := range u {
			if slices.Contains(userShown, m.name) {
				keep = append(keep, m)
			}
		}
		return keep, true
	}
	if o := g.groupOf(id); o != nil {
		return append(graphObject("@odata.type", "#microsoft.graph.group"), g.group(o)...), true
	}
	for _, p := range g.servicePrincipals() {
		if p.id == id {
			return append(graphObject("@odata.type", "#microsoft.graph.servicePrincipal"), g.servicePrincipal(p)...), true
		}
	}
	return nil, false
}

func (g *graphService) principalRows(names []string) graphRows {
	rows := make([][]member, 0, len(names))
	for _, n := range names {
		if row, ok := g.principalRow(g.principalID(n)); ok {
			rows = append(rows, row)
		}
	}
	return graphList(rows)
}

func (g *graphService) groupMemberRows(q *graphRequest) (graphRows, bool) {
	o := g.groupOf(q.args[0])
	if o == nil {
		return graphRows{}, false
	}
	return g.principalRows(o.Members), true
}

func (g *graphService) groupOwnerRows(q *graphRequest) (graphRows, bool) {
	o := g.groupOf(q.args[0])
	if o == nil {
		return graphRows{}, false
	}
	return g.principalRows(o.Owners), true
}

func (g *graphService) groupTransitiveRows(q *graphRequest) (graphRows, bool) {
	o := g.groupOf(q.args[0])
	if o == nil {
		return graphRows{}, false
	}
	var names []string
	seen := map[string]bool{o.ID: true}
	for queue := slices.Clone(o.Members); len(queue) > 0; queue = queue[1:] {
		id := g.principalID(queue[0])
		if seen[id] {
			continue
		}
		seen[id] = true
		names = append(names, queue[0])
		if inner := g.groupOf(id); inner != nil {
			queue = append(queue, inner.Members...)
		}
	}
	return g.principalRows(names), true
}

func (g *graphService) groupSettings(*graphRequest) (graphRows, bool) {
	return g.orDefault("groupSettings", func() [][]member {
		setting := func(name, v string) []member { return graphObject("name", name, "value", v) }
		return [][]member{graphObject("id", g.guid("setting", "password"), "displayName", "Password Rule Settings",
			"templateId", "5cf42378-d67d-4f36-ba46-e8b86229381d", "values", [][]member{
				setting("BannedPasswordCheckOnPremisesMode", "Enforce"), setting("EnableBannedPasswordCheckOnPremises", "True"),
				setting("EnableBannedPasswordCheck", "True"), setting("LockoutDurationInSeconds", "60"), setting("LockoutThreshold", "10"),
				setting("BannedPasswordList", strings.ToLower(strings.Fields(g.org.Name + " x")[0])),
			})}
	})
}

// directoryRole is a role of the directory.
type directoryRole struct{ id, name string }

// builtInDirectoryRoles have the same ids in every tenant. Source:
// learn.microsoft.com/entra/identity/role-based-access-control/permissions-reference
var builtInDirectoryRoles = []directoryRole{
	{"62e90394-69f5-4237-9190-012177145e10", "Global Administrator"},
	{"f2ef992c-3afb-46b9-b7cf-a126ee74c451", "Global Reader"},
	{"e8611ab8-c189-46e8-94e1-60213ab1f814", "Privileged Role Administrator"},
	{"7be44c8a-adaf-4e2a-84d6-ab2649e08a13", "Privileged Authentication Administrator"},
	{"194ae4cb-b126-40b2-bd5b-6091b380977d", "Security Administrator"},
	{"5d6b6bb7-de71-4623-b4af-96380a352509", "Security Reader"},
	{"fe930be7-5e62-47db-91af-98c3a49a38b1", "User Administrator"},
	{"729827e3-9c14-49f7-bb1b-9608f156bbb8", "Helpdesk Administrator"},
	{"9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3", "Application Administrator"},
	{"158c047a-c907-4556-b7ef-446551a6b5f7", "Cloud Application Administrator"},
	{"b1be1c3e-b65d-4f19-8427-f6fa0d97feb9", "Conditional Access Administrator"},
	{"c4e39bd9-1100-46d3-8c65-fb160da0071f", "Authentication Administrator"},
	{"29232cdf-9323-42fd-ade2-1d097af3e4de", "Exchange Administrator"},
	{"f28a1f50-f6e7-4571-818b-6a12f2af6b6c", "SharePoint Administrator"},
	{"b0f54661-2d74-4c50-afa3-1ec803f12efe", "Billing Administrator"},
	{"966707d0-3269-4727-9be2-8c3a10f19b9d", "Password Administrator"},
	{"3a2c62db-5318-420d-8d74-23affee5d9d5", "Intune Administrator"},
	{"88d8e3e3-8f55-4a1e-953a-9b9898b8876b", "Directory Readers"},
	{"4a5d8f65-41da-4de4-8968-e035b65339cf", "Reports Reader"},
	{"95e79109-95c0-4d8e-aee3-d01accf2d47b", "Guest Inviter"},
}

// directoryRoles are the built-in roles and those that grants name besides.
func (s *Sim) directoryRoles() []directoryRole {
	roles := slices.Clone(builtInDirectoryRoles)
	for _, d := range s.org.DirectoryRoles {
		if !slices.ContainsFunc(roles, func(r directoryRole) bool { return strings.EqualFold(r.name, d.Role) }) {
			roles = append(roles, directoryRole{s.guid("directory-role", d.Role), d.Role})
		}
	}
	return roles
}

func (g *graphService) roleID(name string) string {
	i := slices.IndexFunc(g.roles, func(r directoryRole) bool { return strings.EqualFold(r.name, name) })
	if i < 0 {
		return ""
	}
	return g.roles[i].id
}

// grant is a directory role that somebody holds or may take at this instant.
type grant struct {
	*Grant
	id, principal, role string
	from, to            time.Time
}

func (g *graphService) grants(eligible bool) []grant {
	now := g.Now()
	var out []grant
	for i := range g.org.DirectoryRoles {
		d := &g.org.DirectoryRoles[i]
		from, to := g.created(d.From, 250), g.at(d.To)
		if d.Eligible != eligible || from.After(now) || !to.IsZero() && !to.After(now) {
			continue
		}
		out = append(out, grant{Grant: d, id: g.guid("grant", strconv.Itoa(i)), principal: g.principalID(d.Principal), role: g.roleID(d.Role), from: from, to: to})
	}
	return out
}

func (g *graphService) activeRoles(*graphRequest) (graphRows, bool) {
	var rows [][]member
	for _, r := range g.roles {
		if slices.ContainsFunc(g.org.DirectoryRoles, func(d Grant) bool { return strings.EqualFold(d.Role, r.name) }) {
			rows = append(rows, graphObject("id", g.guid("active-role", r.id), "deletedDateTime", nil, "description", r.name, "displayName", r.name, "roleTemplateId", r.id))
		}
	}
	return graphList(rows), true
}

func (g *graphService) roleDefinitions(*graphRequest) (graphRows, bool) {
	return graphRows{len(g.roles), func(i int) []member {
		r := g.roles[i]
		builtIn := i < len(builtInDirectoryRoles)
		return graphObject("id", r.id, "description", r.name, "displayName", r.name, "isBuiltIn", builtIn, "isEnabled", true, "resourceScopes", []string{"/"},
			"templateId", r.id, "version", "1", "rolePermissions", [][]member{graphObject("allowedResourceActions", []string{"microsoft.directory/users/standard/read"}, "condition", nil)})
	}}, true
}

func (g *graphService) roleAssignments(*graphRequest) (graphRows, bool) {
	active := g.grants(false)
	return graphRows{len(active), func(i int) []member {
		a := active[i]
		principal, _ := g.principalRow(a.principal)
		return graphObject("id", a.id, "principalId", a.principal, "directoryScopeId", "/", "roleDefinitionId", a.role, "principal", principal,
			"roleDefinition", graphObject("id", a.role, "displayName", a.Role))
	}}, true
}

func (g *graphService) eligibilities(*graphRequest) (graphRows, bool) {
	may := g.grants(true)
	return graphRows{len(may), func(i int) []member {
		a := may[i]
		return graphObject("id", a.id, "principalId", a.principal, "roleDefinitionId", a.role, "directoryScopeId", "/", "appScopeId", nil,
			"startDateTime", a.from, "endDateTime", a.to, "memberType", "Direct", "roleEligibilityScheduleId", g.guid("eligibility", a.id))
	}}, true
}

// activation is a use of an eligible role.
type activation struct {
	grant
	at   time.Time
	span time.Duration
}

// activationsOf makes the uses of eligible roles of the last 180 days: each is
// activated about every nine days, for up to eight hours.
func (g *graphService) activationsOf() []activation {
	var out []activation
	now := g.Now()
	for _, a := range g.grants(true) {
		for day := range 20 {
			h := g.hash("activation", a.id, strconv.Itoa(day))
			at := g.epoch.AddDate(0, 0, -9*day).Truncate(24 * time.Hour).Add(8*time.Hour + time.Duration(h[0])*time.Minute)
			if at.Before(a.from) || at.After(now) {
				continue
			}
			out = append(out, activation{a, at, time.Duration(1+h[1]%8) * time.Hour})
		}
	}
	return out
}

func (g *graphService) assignmentInstances(*graphRequest) (graphRows, bool) {
	var rows [][]member
	row := func(id, kind string, a grant, from, to time.Time) {
		rows = append(rows, graphObject("id", id, "principalId", a.principal, "roleDefinitionId", a.role, "directoryScopeId", "/", "appScopeId", nil,
			"startDateTime", from, "endDateTime", to, "assignmentType", kind, "memberType", "Direct", "roleAssignmentOriginId", id,
			"roleAssignmentScheduleId", g.guid("assignment-schedule", id)))
	}
	for _, a := range g.grants(false) {
		row(a.id, "Assigned", a, a.from, a.to)
	}
	now := g.Now()
	for _, a := range g.activationsOf() {
		if end := a.at.Add(a.span); end.After(now) {
			row(g.guid("activated", a.id, a.at.String()), "Activated", a.grant, a.at, end)
		}
	}
	return graphList(rows), true
}

func (g *graphService) activations(*graphRequest) (graphRows, bool) {
	all := g.activationsOf()
	reasons := []string{"Change request", "Incident", "Monthly maintenance", "User offboarding"}
	return graphRows{len(all), func(i int) []member {
		a := all[i]
		h := g.hash("reason", a.id, a.at.String())
		return graphObject("id", g.guid("request", a.id, a.at.String()), "status", "Provisioned", "createdDateTime", a.at, "completedDateTime", a.at.Add(3*time.Second),
			"action", "selfActivate", "principalId", a.principal, "roleDefinitionId", a.role, "directoryScopeId", "/", "appScopeId", nil, "isValidationOnly", false,
			"justification", reasons[int(h[0])%len(reasons)], "targetScheduleId", g.guid("activated", a.id, a.at.String()),
			"createdBy", graphObject("user", graphObject("id", a.principal)),
			"scheduleInfo", graphObject("startDateTime", a.at, "recurrence", nil, "expiration", graphObject("type", "afterDuration", "endDateTime", nil,
				"duration", "PT"+strconv.Itoa(int(a.span/time.Hour))+"H")),
			"ticketInfo", graphObject("ticketNumber", nil, "ticketSystem", nil))
	}}, true
}

func (g *graphService) eligibilityRequests(*graphRequest) (graphRows, bool) {
	may := g.grants(true)
	return graphRows{len(may), func(i int) []member {
		a := may[i]
		return graphObject("id", g.guid("eligibility-request", a.id), "status", "Provisioned", "createdDateTime", a.from, "completedDateTime", a.from.Add(2*time.Second),
			"action", "adminAssign", "principalId", a.principal, "roleDefinitionId", a.role, "directoryScopeId", "/", "appScopeId", nil, "isValidationOnly", false,
			"justification", "Duties of the role", "targetScheduleId", g.guid("eligibility", a.id),
			"scheduleInfo", graphObject("startDateTime", a.from, "recurrence", nil, "expiration", graphObject("type", "noExpiration", "endDateTime", a.to, "duration", nil)))
	}}, true
}

func (g *graphService) settingsID(r directoryRole) string {
	return "DirectoryRole_" + g.org.Tenant.ID + "_" + g.guid("role-settings", r.id)
}

func (g *graphService) roleSettings(*graphRequest) (graphRows, bool) {
	return graphRows{len(g.roles), func(i int) []member {
		r := g.roles[i]
		target := func(caller string) []member {
			return graphObject("caller", caller, "operations", []string{"all"}, "level", "Assignment", "inheritableSettings", []string{}, "enforcedSettings", []string{})
		}
		rules := [][]member{
			graphObject("@odata.type", "#microsoft.graph.unifiedRoleManagementPolicyExpirationRule", "id", "Expiration_EndUser_Assignment",
				"isExpirationRequired", true, "maximumDuration", "PT8H", "target", target("EndUser")),
			graphObject("@odata.type", "#microsoft.graph.unifiedRoleManagementPolicyEnablementRule", "id", "Enablement_EndUser_Assignment",
				"enabledRules", []string{"MultiFactorAuthentication", "Justification"}, "target", target("EndUser")),
			graphObject("@odata.type", "#microsoft.graph.unifiedRoleManagementPolicyApprovalRule", "id", "Approval_EndUser_Assignment",
				"target", target("EndUser"), "setting", graphObject("isApprovalRequired", i < 3, "isApprovalRequiredForExtension", false,
					"isRequestorJustificationRequired", true, "approvalMode", "SingleStage", "approvalStages", [][]member{})),
			graphObject("@odata.type", "#microsoft.graph.unifiedRoleManagementPolicyExpirationRule", "id", "Expiration_Admin_Assignment",
				"isExpirationRequired", false, "maximumDuration", "P180D", "target", target("Admin")),
		}
		return graphObject("id", g.settingsID(r), "displayName", "DirectoryRole", "description", "DirectoryRole", "isOrganizationDefault", false,
			"scopeId", "/", "scopeType", "DirectoryRole", "lastModifiedDateTime", g.epoch.AddDate(0, 0, -120), "lastModifiedBy", graphObject("displayName", nil, "id", nil),
			"rules", rules, "effectiveRules", rules)
	}}, true
}

func (g *graphService) roleSettingsAssignments(*graphRequest) (graphRows, bool) {
	return graphRows{len(g.roles), func(i int) []member {
		r := g.roles[i]
		return graphObject("id", g.settingsID(r)+"_"+r.id, "policyId", g.settingsID(r), "scopeId", "/", "scopeType", "DirectoryRole", "roleDefinitionId", r.id)
	}}, true
}
