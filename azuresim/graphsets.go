// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"slices"
	"time"
)

// graphSet is a collection or object of Graph's model and how it is served.
type graphSet struct {
	path     string // below the version; {} is a key
	fragment string // of @odata.context; {} is a key
	typ      string // entity type, for messages
	single   bool
	beta     bool // not in v1.0
	// permissions are groups of application permissions, apart by spaces; of
	// each group one must be held.
	permissions []string
	denied      refusal
	// plans are service plans, one of which the tenant must have.
	plans      []string
	unlicensed refusal
	// size is the usual page, most the largest that may be asked for.
	size, most int
	// directory says that it holds directory objects, which are counted in
	// advanced queries only.
	directory bool
	// members are those that may be selected; nil does not check. shown are
	// those that are given without $select; nil is all but onlySelected.
	members, shown, onlySelected []string
	// filters are members with the operators that are documented for them; must
	// is one without which the service refuses.
	filters map[string]string
	must    string
	// filtered says that rows have applied the filter already.
	filtered bool
	expands  []string
	quota    string
	rows     func(g *graphService, q *graphRequest) (graphRows, bool)
}

var (
	planP1     = []string{"AAD_PREMIUM", "AAD_PREMIUM_P2"}
	planP2     = []string{"AAD_PREMIUM_P2", "Entra_Identity_Governance"}
	planRisk   = []string{"AAD_PREMIUM_P2"}
	planIntune = []string{"INTUNE_A"}
)

// The members that the directory has of its objects. Source: the resource types
// user, group, application and servicePrincipal of Microsoft Graph v1.0.
var (
	userShown   = []string{"businessPhones", "displayName", "givenName", "jobTitle", "mail", "mobilePhone", "officeLocation", "preferredLanguage", "surname", "userPrincipalName", "id"}
	userMembers = append([]string{
		"accountEnabled", "userType", "creationType", "createdDateTime", "externalUserState", "externalUserStateChangeDateTime", "employeeId",
		"employeeType", "employeeHireDate", "department", "companyName", "onPremisesSyncEnabled", "onPremisesImmutableId", "onPremisesLastSyncDateTime",
		"lastPasswordChangeDateTime", "passwordPolicies", "assignedLicenses", "usageLocation", "signInActivity",
	}, userShown...)
	groupMembers = []string{
		"id", "displayName", "description", "mail", "mailEnabled", "mailNickname", "securityEnabled", "groupTypes", "isAssignableToRole", "membershipRule",
		"membershipRuleProcessingState", "visibility", "onPremisesSyncEnabled", "createdDateTime", "assignedLicenses",
	}
	applicationMembers = []string{
		"id", "appId", "displayName", "description", "signInAudience", "createdDateTime", "identifierUris", "publisherDomain", "passwordCredentials",
		"keyCredentials", "requiredResourceAccess", "appRoles", "api", "web", "spa", "publicClient", "isFallbackPublicClient", "disabledByMicrosoftStatus",
		"serviceManagementReference", "notes", "tags", "verifiedPublisher",
	}
	servicePrincipalMembers = []string{
		"id", "appId", "displayName", "accountEnabled", "servicePrincipalType", "appOwnerOrganizationId", "appRoleAssignmentRequired", "alternativeNames",
		"appRoles", "oauth2PermissionScopes", "passwordCredentials", "keyCredentials", "preferredSingleSignOnMode", "signInAudience",
		"disabledByMicrosoftStatus", "notificationEmailAddresses", "replyUrls", "tags", "verifiedPublisher",
	}
)

const (
	readDirectory = " Directory.Read.All"
	readGroups    = "GroupMember.Read.All Group.Read.All" + readDirectory
	readApps      = "Application.Read.All" + readDirectory
	readRoles     = "RoleManagement.Read.Directory RoleManagement.Read.All" + readDirectory
	readPolicies  = "Policy.Read.All"
)

// graphObjects is a collection of directory objects.
func graphObjects(path, typ, permission string, rows func(*graphService, *graphRequest) (graphRows, bool)) graphSet {
	return graphSet{path: path, fragment: path, typ: typ, permissions: []string{permission}, denied: graphDenied, size: 100, most: 999, directory: true, rows: rows}
}

// graphRelated are the directory objects that are related to one: members, owners.
func graphRelated(path, permission string, rows func(*graphService, *graphRequest) (graphRows, bool)) graphSet {
	s := graphObjects(path, "directoryObject", permission, rows)
	s.fragment = "directoryObjects"
	return s
}

// graphOther is a collection of anything else.
func graphOther(path, typ, permission string, refused refusal, rows func(*graphService, *graphRequest) (graphRows, bool)) graphSet {
	return graphSet{path: path, fragment: path, typ: typ, permissions: []string{permission}, denied: refused, size: 100, most: 999, rows: rows}
}

func (s graphSet) one() graphSet { s.single = true; return s }

func (s graphSet) needs(f refusal, plans ...string) graphSet {
	s.plans, s.unlicensed = plans, f
	return s
}

func (s graphSet) with(change func(*graphSet)) graphSet { change(&s); return s }

// graphSets is all that is served; a path that is not here does not exist.
var graphSets []graphSet

func init() {
	graphSets = append(graphSets, directorySets()...)
	graphSets = append(graphSets, roleSets()...)
	graphSets = append(graphSets, policySets()...)
	graphSets = append(graphSets, applicationSets()...)
	graphSets = append(graphSets, governanceSets()...)
	graphSets = append(graphSets, logSets()...)
	graphSets = append(graphSets, deviceSets()...)
}

func directorySets() []graphSet {
	eq := map[string]string{"id": "eq", "userPrincipalName": "eq", "accountEnabled": "eq", "userType": "eq", "displayName": "eq"}
	return []graphSet{
		graphOther("organization", "organization", "Organization.Read.All"+readDirectory, graphDenied, (*graphService).organization),
		graphOther("subscribedSkus", "subscribedSku", "LicenseAssignment.Read.All Organization.Read.All"+readDirectory, graphDenied, (*graphService).subscribedSkus),
		graphOther("domains", "domain", "Domain.Read.All"+readDirectory, graphDenied, (*graphService).domains),
		graphObjects("users", "user", "User.Read.All"+readDirectory, (*graphService).userRows).with(func(s *graphSet) {
			s.members, s.shown, s.filters = userMembers, userShown, eq
		}),
		graphObjects("users/{}", "user", "User.Read.All"+readDirectory, (*graphService).userRow).one().with(func(s *graphSet) {
			s.fragment, s.members, s.shown = "users", userMembers, userShown
		}),
		graphOther("reports/authenticationMethods/userRegistrationDetails", "userRegistrationDetails", "AuditLog.Read.All", graphDenied, (*graphService).registrations).
			needs(unlicensedReport, planP1...).with(func(s *graphSet) {
			s.quota, s.filters = "reports", map[string]string{"userType": "eq", "isAdmin": "eq", "isMfaCapable": "eq", "isMfaRegistered": "eq"}
		}),
		graphObjects("groups", "group", readGroups, (*graphService).groupRows).with(func(s *graphSet) {
			s.members, s.filters = groupMembers, map[string]string{"id": "eq", "displayName": "eq", "securityEnabled": "eq", "isAssignableToRole": "eq"}
		}),
		graphRelated("groups/{}/members", readGroups, (*graphService).groupMemberRows),
		graphRelated("groups/{}/transitiveMembers", readGroups, (*graphService).groupTransitiveRows),
		graphRelated("groups/{}/owners", readGroups, (*graphService).groupOwnerRows),
		graphOther("groupSettings", "groupSetting", "GroupSettings.Read.All"+readDirectory, graphDenied, (*graphService).groupSettings),
	}
}

func roleSets() []graphSet {
	const root = "roleManagement/directory/"
	pim := func(name, typ, permission string, rows func(*graphService, *graphRequest) (graphRows, bool)) graphSet {
		return graphOther(root+name, typ, permission+" RoleManagement.Read.Directory RoleManagement.Read.All", deniedPIM, rows).needs(unlicensedPIM, planP2...)
	}
	settings := func(name, typ string, rows func(*graphService, *graphRequest) (graphRows, bool)) graphSet {
		s := graphOther("policies/"+name, typ, "RoleManagementPolicy.Read.Directory RoleManagement.Read.Directory RoleManagement.Read.All", deniedPIM, rows)
		s.filters, s.must = map[string]string{"scopeId": "eq", "scopeType": "eq"}, "scopeId"
		return s.needs(unlicensedPIM, planP2...)
	}
	return []graphSet{
		graphObjects("directoryRoles", "directoryRole", readRoles, (*graphService).activeRoles),
		graphOther(root+"roleDefinitions", "unifiedRoleDefinition", readRoles, graphDenied, (*graphService).roleDefinitions),
		graphOther(root+"roleAssignments", "unifiedRoleAssignment", readRoles, graphDenied, (*graphService).roleAssignments).with(func(s *graphSet) {
			s.expands, s.filters = []string{"principal", "roleDefinition"}, map[string]string{"principalId": "eq", "roleDefinitionId": "eq"}
		}),
		pim("roleEligibilityScheduleInstances", "unifiedRoleEligibilityScheduleInstance", "RoleEligibilitySchedule.Read.Directory", (*graphService).eligibilities),
		pim("roleAssignmentScheduleInstances", "unifiedRoleAssignmentScheduleInstance", "RoleAssignmentSchedule.Read.Directory", (*graphService).assignmentInstances),
		pim("roleAssignmentScheduleRequests", "unifiedRoleAssignmentScheduleRequest", "RoleAssignmentSchedule.Read.Directory", (*graphService).activations),
		pim("roleEligibilityScheduleRequests", "unifiedRoleEligibilityScheduleRequest", "RoleEligibilitySchedule.Read.Directory", (*graphService).eligibilityRequests),
		settings("roleManagementPolicies", "unifiedRoleManagementPolicy", (*graphService).roleSettings).with(func(s *graphSet) {
			s.expands = []string{"rules", "effectiveRules"}
		}),
		settings("roleManagementPolicyAssignments", "unifiedRoleManagementPolicyAssignment", (*graphService).roleSettingsAssignments),
	}
}

func policySets() []graphSet {
	return []graphSet{
		graphOther("identity/conditionalAccess/policies", "conditionalAccessPolicy", readPolicies+" Policy.Read.ConditionalAccess", deniedPolicy, (*graphService).conditionalAccess),
		graphOther("identity/conditionalAccess/namedLocations", "namedLocation", readPolicies+" Policy.Read.ConditionalAccess", deniedPolicy, (*graphService).namedLocations),
		graphOther("policies/authenticationStrengthPolicies", "authenticationStrengthPolicy", readPolicies+" Policy.Read.AuthenticationMethod", deniedPolicy, (*graphService).strengths),
		graphOther("policies/authenticationMethodsPolicy", "authenticationMethodsPolicy", readPolicies+" Policy.Read.AuthenticationMethod", deniedPolicy, (*graphService).methodsPolicy).
			one().with(func(s *graphSet) { s.fragment = "authenticationMethodsPolicy" }),
		graphOther("policies/authorizationPolicy", "authorizationPolicy", readPolicies, deniedPolicy, (*graphService).authorizationPolicy).one(),
		graphOther("policies/adminConsentRequestPolicy", "adminConsentRequestPolicy", readPolicies, deniedPolicy, (*graphService).consentPolicy).one(),
		graphOther("policies/crossTenantAccessPolicy/default", "crossTenantAccessPolicyConfigurationDefault", readPolicies, deniedPolicy, (*graphService).crossTenantDefault).one(),
		graphOther("policies/crossTenantAccessPolicy/partners", "crossTenantAccessPolicyConfigurationPartner", readPolicies, deniedPolicy, (*graphService).crossTenantPartners),
		graphOther("policies/defaultAppManagementPolicy", "tenantAppManagementPolicy", readPolicies+" Policy.Read.ApplicationConfiguration", deniedPolicy, (*graphService).appManagementPolicy).one(),
		graphOther("policies/appManagementPolicies", "appManagementPolicy", readPolicies+" Policy.Read.ApplicationConfiguration", deniedPolicy, (*graphService).appManagementExceptions),
		graphOther("policies/identitySecurityDefaultsEnforcementPolicy", "identitySecurityDefaultsEnforcementPolicy", readPolicies, deniedPolicy, (*graphService).securityDefaults).one(),
	}
}

func applicationSets() []graphSet {
	eq := map[string]string{"id": "eq", "appId": "eq", "displayName": "eq"}
	return []graphSet{
		graphObjects("applications", "application", readApps, (*graphService).applicationRows).with(func(s *graphSet) { s.members, s.filters = applicationMembers, eq }),
		graphRelated("applications/{}/owners", readApps, (*graphService).applicationOwners),
		graphOther("applications/{}/federatedIdentityCredentials", "federatedIdentityCredential", "Application.Read.All", graphDenied, (*graphService).federated).
			with(func(s *graphSet) { s.fragment = "applications({})/federatedIdentityCredentials" }),
		graphObjects("servicePrincipals", "servicePrincipal", readApps, (*graphService).servicePrincipalRows).with(func(s *graphSet) { s.members, s.filters = servicePrincipalMembers, eq }),
		graphRelated("servicePrincipals/{}/owners", readApps, (*graphService).servicePrincipalOwners),
		graphObjects("servicePrincipals/{}/appRoleAssignments", "appRoleAssignment", readApps, (*graphService).appRoleAssignments).with(func(s *graphSet) {
			s.fragment = "servicePrincipals({})/appRoleAssignments"
		}),
		graphObjects("servicePrincipals/{}/appRoleAssignedTo", "appRoleAssignment", readApps, (*graphService).appRoleAssignedTo).with(func(s *graphSet) {
			s.fragment = "servicePrincipals({})/appRoleAssignedTo"
		}),
		graphObjects("oauth2PermissionGrants", "oAuth2PermissionGrant", "DelegatedPermissionGrant.Read.All"+readDirectory, (*graphService).delegatedGrants),
	}
}

// Access reviews and entitlement management word their refusals in their own
// way; which codes they give without a licence is unverified.
func governanceSets() []graphSet {
	const reviews, packages = "identityGovernance/accessReviews/definitions", "identityGovernance/entitlementManagement/"
	governed := func(path, typ, permission string, rows func(*graphService, *graphRequest) (graphRows, bool), expands ...string) graphSet {
		s := graphOther(path, typ, permission, deniedGoverned, rows).needs(unlicensedPIM, planP2...)
		s.expands = expands
		return s
	}
	return []graphSet{
		governed(reviews, "accessReviewScheduleDefinition", "AccessReview.Read.All", (*graphService).reviews),
		governed(reviews+"/{}/instances", "accessReviewInstance", "AccessReview.Read.All", (*graphService).reviewInstances).with(func(s *graphSet) {
			s.fragment = reviews + "({})/instances"
		}),
		governed(reviews+"/{}/instances/{}/decisions", "accessReviewInstanceDecisionItem", "AccessReview.Read.All", (*graphService).reviewDecisions).with(func(s *graphSet) {
			s.fragment = reviews + "({})/instances({})/decisions"
		}),
		governed(packages+"accessPackages", "accessPackage", "EntitlementManagement.Read.All", (*graphService).accessPackages),
		governed(packages+"assignmentPolicies", "accessPackageAssignmentPolicy", "EntitlementManagement.Read.All", (*graphService).accessPolicies, "accessPackage", "catalog"),
		governed(packages+"assignments", "accessPackageAssignment", "EntitlementManagement.Read.All", (*graphService).accessAssignments, "target", "accessPackage", "assignmentPolicy"),
		graphOther("identityGovernance/lifecycleWorkflows/workflows", "workflow", "LifecycleWorkflows.Read.All", deniedGoverned, (*graphService).workflows).
			needs(unlicensedRisk, "Entra_Identity_Governance"),
	}
}

func deviceSets() []graphSet {
	const management = "deviceManagement/"
	intune := func(name, typ, permission string, rows func(*graphService, *graphRequest) (graphRows, bool), expands ...string) graphSet {
		s := graphOther(management+name, typ, permission, deniedIntune, rows).needs(unlicensedIntune, planIntune...)
		s.size, s.most, s.expands = 1000, 1000, expands
		return s
	}
	const configuration = "DeviceManagementConfiguration.Read.All"
	return []graphSet{
		intune("managedDevices", "managedDevice", "DeviceManagementManagedDevices.Read.All", (*graphService).managedDevices),
		intune("deviceCompliancePolicies", "deviceCompliancePolicy", configuration, (*graphService).compliancePolicies, "assignments"),
		intune("deviceConfigurations", "deviceConfiguration", configuration, (*graphService).deviceConfigurations, "assignments"),
		intune("configurationPolicies", "deviceManagementConfigurationPolicy", configuration, (*graphService).configurationPolicies, "assignments").
			with(func(s *graphSet) { s.beta = true }),
		intune("settings", "deviceManagementSettings", configuration+" DeviceManagementServiceConfig.Read.All", (*graphService).intuneSettings).one(),
		intune("roleAssignments", "deviceAndAppManagementRoleAssignment", "DeviceManagementRBAC.Read.All", (*graphService).intuneAssignmentRows),
		intune("roleAssignments/{}", "deviceAndAppManagementRoleAssignment", "DeviceManagementRBAC.Read.All", (*graphService).intuneAssignmentRow).one(),
		graphOther("security/secureScores", "secureScore", "SecurityEvents.Read.All", graphDenied, (*graphService).secureScores),
		graphOther("security/secureScoreControlProfiles", "secureScoreControlProfile", "SecurityEvents.Read.All", graphDenied, (*graphService).scoreControls),
		graphOther("admin/sharepoint/settings", "sharepointSettings", "SharePointTenantSettings.Read.All", graphDenied, (*graphService).sharepointSettings).one(),
		graphOther("security/informationProtection/sensitivityLabels", "sensitivityLabel", "InformationProtectionPolicy.Read.All", graphDenied, (*graphService).labels).
			with(func(s *graphSet) { s.beta = true }),
	}
}

func logSets() []graphSet {
	signIns := graphSet{
		path: "auditLogs/signIns", fragment: "auditLogs/signIns", typ: "signIn", permissions: []string{"AuditLog.Read.All"}, denied: graphDenied,
		size: 1000, most: 1000, quota: "reports", filtered: true, rows: (*graphService).signInRows,
		filters: map[string]string{"createdDateTime": "eq ge le", "signInEventTypes": "any"},
	}
	audits := graphSet{
		path: "auditLogs/directoryAudits", fragment: "auditLogs/directoryAudits", typ: "directoryAudit", permissions: []string{"AuditLog.Read.All"}, denied: graphDenied,
		size: 1000, most: 1000, quota: "reports", filtered: true, rows: (*graphService).auditRows,
		filters: map[string]string{"activityDateTime": "eq ge le"},
	}
	risk := func(name, typ, permission string, rows func(*graphService, *graphRequest) (graphRows, bool)) graphSet {
		s := graphOther("identityProtection/"+name, typ, permission, graphDenied, rows).needs(unlicensedRisk, planRisk...)
		s.size, s.most, s.quota = 20, 500, "risk"
		return s
	}
	return []graphSet{
		signIns.needs(unlicensedReport, planP1...), audits,
		risk("riskyUsers", "riskyUser", "IdentityRiskyUser.Read.All", (*graphService).riskyUsers),
		risk("riskDetections", "riskDetection", "IdentityRiskEvent.Read.All", (*graphService).riskDetections),
	}
}

// span is what of a log a request gets: what it asks for and the service still
// has. Without P1 the service keeps 7 days, with it 30. Both ends are included,
// as ge and le say.
func (g *graphService) span(q *graphRequest, field string, st Stream) (from, to time.Time) {
	usual := 7 * day
	if g.licensed(planP1...) {
		usual = 30 * day
	}
	from, to = q.bounds(field)
	if kept := g.Now().Add(-g.keeps(st, usual)); from.Before(kept) {
		from = kept
	}
	if to.IsZero() || to.After(g.Now()) {
		to = g.Now()
	}
	return from, to.Add(time.Nanosecond)
}

func (g *graphService) signInRows(q *graphRequest) (graphRows, bool) {
	kind := "interactiveUser"
	for _, c := range q.filter {
		if c.any {
			kind = c.value
		}
	}
	from, to := g.span(q, "createdDateTime", g.org.Logs.SignIns)
	all := g.signIns(kind, from, to)
	slices.Reverse(all) // the newest first
	return graphRows{len(all), func(i int) []member { return g.signInRow(&all[i], q.beta) }}, true
}

// signInRow is a sign-in as v1.0 or beta shows it.
// https://learn.microsoft.com/graph/api/resources/signin
func (g *graphService) signInRow(x *signIn, beta bool) []member {
	reason := any(nil)
	if x.Result != 0 {
		reason = x.Reason
	}
	person := x.UPN != ""
	user, userID := x.Name, x.PrincipalID
	if !person {
		user, userID = "", ""
	}
	enforced := []string{}
	if x.Requirement == "multiFactorAuthentication" {
		enforced = append(enforced, "Mfa")
	}
	applied := [][]member{}
	if person {
		for _, b := range g.rendered(g.org.ConditionalAccess) {
			policy, _ := members(b)
			name := memberText(policy, "displayName")
			result := x.ConditionalAccess
			if result == "notApplied" {
				enforced = []string{}
			}
			applied = append(applied, graphObject("id", g.guid("conditional-access", name), "displayName", name, "enforcedGrantControls", enforced,
				"enforcedSessionControls", []string{}, "result", result))
		}
	}
	row := graphObject("id", x.ID, "createdDateTime", x.Time.UTC().Format("2006-01-02T15:04:05.000Z"), "userDisplayName", user, "userPrincipalName", x.UPN, "userId", userID, "appId", x.AppID,
		"appDisplayName", x.App, "ipAddress", x.IP, "clientAppUsed", x.Client, "correlationId", g.guid("correlation", x.ID), "conditionalAccessStatus", x.ConditionalAccess,
		"isInteractive", x.Kind == "interactiveUser", "riskDetail", "none", "riskLevelAggregated", x.Risk, "riskLevelDuringSignIn", x.Risk, "riskState", "none",
		"riskEventTypes", []string{}, "resourceDisplayName", x.Resource, "resourceId", x.ResourceID,
		"status", graphObject("errorCode", x.Result, "failureReason", orNull(textOr(reason, "Other.")), "additionalDetails", nil),
		"deviceDetail", graphObject("deviceId", "", "displayName", "", "operatingSystem", "Windows", "browser", "Edge", "isCompliant", false, "isManaged", false, "trustType", ""),
		"location", graphObject("city", x.City, "state", x.City, "countryOrRegion", x.Country, "geoCoordinates", graphObject("altitude", nil, "latitude", 52.5, "longitude", 13.4)),
		"appliedConditionalAccessPolicies", applied)
	if beta {
		principalName, principal := "", ""
		if !person {
			principalName, principal = x.Name, x.PrincipalID
		}
		row = append(row, graphObject("signInEventTypes", []string{x.Kind}, "authenticationRequirement", x.Requirement, "servicePrincipalId", principal,
			"servicePrincipalName", principalName, "resourceTenantId", g.org.Tenant.ID, "homeTenantId", g.org.Tenant.ID, "tokenIssuerType", "AzureAD",
			"uniqueTokenIdentifier", g.guid("token", x.ID), "crossTenantAccessType", "none", "flaggedForReview", false)...)
	}
	return row
}

func textOr(v any, otherwise string) string {
	if s, ok := v.(string); ok {
		return s
	}
	return otherwise
}

func (g *graphService) auditRows(q *graphRequest) (graphRows, bool) {
	from, to := g.span(q, "activityDateTime", g.org.Logs.Audits)
	all := g.audits(from, to)
	slices.Reverse(all)
	return graphRows{len(all), func(i int) []member {
		x := &all[i]
		target := graphObject("id", x.TargetID, "displayName", nil, "type", x.TargetType, "userPrincipalName", nil, "groupType", nil, "modifiedProperties", [][]member{})
		if x.TargetType == "User" {
			target[3].value = quote(x.Target)
		} else {
			target[1].value = quote(x.Target)
		}
		return graphObject("id", x.record(), "category", x.Category, "correlationId", g.guid("correlation", x.ID), "result", "success",
			"resultReason", "", "activityDisplayName", x.Activity, "activityDateTime", x.Time.UTC().Format("2006-01-02T15:04:05.000Z"), "loggedByService", "Core Directory",
			"operationType", x.Operation, "initiatedBy", graphObject("app", nil, "user", graphObject("id", x.InitiatorID, "displayName", nil, "userPrincipalName", x.Initiator,
				"ipAddress", "203.0.113.7")), "targetResources", [][]member{target}, "additionalDetails", [][]member{})
	}}, true
}

// atRisk are the people who count as at risk: about one in forty.
func (g *graphService) atRisk() []int {
	return slices.DeleteFunc(g.present(), func(i int) bool { h := g.hash("risk", g.people[i].ID); return h[0] >= 7 })
}

func (g *graphService) riskyUsers(*graphRequest) (graphRows, bool) {
	if _, ok := g.org.Records["graph/identityProtection/riskyUsers"]; ok {
		return g.orDefault("identityProtection/riskyUsers", nil)
	}
	who := g.atRisk()
	return graphRows{len(who), func(i int) []member {
		p := &g.people[who[i]]
		return graphObject("id", p.ID, "isDeleted", false, "isProcessing", false, "riskLastUpdatedDateTime", g.epoch.AddDate(0, 0, -5), "riskLevel", "low", "riskState", "remediated",
			"riskDetail", "userPerformedSecuredPasswordChange", "userDisplayName", p.Name, "userPrincipalName", p.UPN)
	}}, true
}

func (g *graphService) riskDetections(*graphRequest) (graphRows, bool) {
	if _, ok := g.org.Records["graph/identityProtection/riskDetections"]; ok {
		return g.orDefault("identityProtection/riskDetections", nil)
	}
	who := g.atRisk()
	return graphRows{len(who), func(i int) []member {
		p := &g.people[who[i]]
		at := g.epoch.AddDate(0, 0, -6)
		return graphObject("id", g.guid("detection", p.ID), "requestId", g.guid("detection-request", p.ID), "correlationId", g.guid("detection-correlation", p.ID),
			"riskEventType", "unfamiliarFeatures", "riskState", "remediated", "riskLevel", "low", "riskDetail", "userPerformedSecuredPasswordChange", "source", "IdentityProtection",
			"detectionTimingType", "realtime", "activity", "signin", "tokenIssuerType", "AzureAD", "ipAddress", "198.51.100.23", "activityDateTime", at, "detectedDateTime", at,
			"lastUpdatedDateTime", at.AddDate(0, 0, 1), "userId", p.ID, "userDisplayName", p.Name, "userPrincipalName", p.UPN, "additionalInfo", nil)
	}}, true
}
