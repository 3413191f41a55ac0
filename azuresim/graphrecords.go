// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

const reviewsPath = "identityGovernance/accessReviews/definitions"

// reviews: guests are reviewed each quarter, unless the organisation says
// otherwise.
func (g *graphService) reviews(*graphRequest) (graphRows, bool) {
	return g.orDefault(reviewsPath, func() [][]member {
		return [][]member{graphObject("id", g.guid("review", "guests"), "displayName", "Quarterly review of guests", "createdDateTime", g.epoch.AddDate(0, 0, -380),
			"lastModifiedDateTime", g.epoch.AddDate(0, 0, -380), "status", "InProgress", "descriptionForAdmins", "Guests are confirmed or removed each quarter",
			"descriptionForReviewers", "Does the guest still work with us?", "scope", graphObject("@odata.type", "#microsoft.graph.accessReviewQueryScope",
				"query", "/v1.0/users?$filter=userType eq 'Guest'", "queryType", "MicrosoftGraph"),
			"settings", graphObject("mailNotificationsEnabled", true, "justificationRequiredOnApproval", true, "defaultDecisionEnabled", true, "defaultDecision", "Deny",
				"autoApplyDecisionsEnabled", true, "instanceDurationInDays", 14))}
	})
}

// quarters are the starts of the quarters of the last year.
func (g *graphService) quarters() []time.Time {
	now := g.Now()
	from := time.Date(now.Year(), now.Month()-(now.Month()-1)%3, 1, 0, 0, 0, 0, time.UTC)
	var out []time.Time
	for i := 3; i >= 0; i-- {
		out = append(out, from.AddDate(0, -3*i, 0))
	}
	return out
}

func (g *graphService) reviewInstances(q *graphRequest) (graphRows, bool) {
	if _, ok := g.org.Records["graph/"+reviewsPath]; !ok && q.args[0] != g.guid("review", "guests") {
		return graphRows{}, false
	}
	return g.orDefault(reviewsPath+"/"+q.args[0]+"/instances", func() [][]member {
		var rows [][]member
		for i, at := range g.quarters() {
			end, status := at.AddDate(0, 0, 14), "Applied"
			if g.Now().Before(end) {
				status = "InProgress"
			}
			rows = append(rows, graphObject("id", g.guid("review-instance", q.args[0], strconv.Itoa(i)), "startDateTime", at, "endDateTime", end, "status", status,
				"scope", graphObject("@odata.type", "#microsoft.graph.accessReviewQueryScope", "query", "/v1.0/users?$filter=userType eq 'Guest'", "queryType", "MicrosoftGraph")))
		}
		return rows
	})
}

func (g *graphService) reviewDecisions(q *graphRequest) (graphRows, bool) {
	return g.orDefault(reviewsPath+"/"+q.args[0]+"/instances/"+q.args[1]+"/decisions", func() [][]member {
		var rows [][]member
		reviewer := graphObject("id", "00000000-0000-0000-0000-000000000000", "displayName", "", "userPrincipalName", "")
		if i := slices.IndexFunc(g.people, func(p person) bool { return !p.Guest }); i >= 0 {
			p := &g.people[i]
			reviewer = graphObject("id", p.ID, "displayName", p.Name, "userPrincipalName", p.UPN)
		}
		for _, i := range g.present() {
			p := &g.people[i]
			if !p.Guest {
				continue
			}
			decision, reason := "Approve", "Still on the project"
			if h := g.hash("decision", q.args[1], p.ID); h[0] < 24 {
				decision, reason = "Deny", "Project ended"
			}
			rows = append(rows, graphObject("id", g.guid("decision", q.args[1], p.ID), "accessReviewId", q.args[1], "reviewedDateTime", g.quarters()[0].AddDate(0, 0, 5),
				"decision", decision, "justification", reason, "appliedDateTime", nil, "applyResult", "New", "recommendation", "Approve", "reviewedBy", reviewer,
				"appliedBy", graphObject("id", "00000000-0000-0000-0000-000000000000", "displayName", ""), "resource", nil,
				"principal", graphObject("@odata.type", "#microsoft.graph.userIdentity", "id", p.ID, "displayName", p.Name, "userPrincipalName", p.UPN)))
		}
		return rows
	})
}

const entitlementPath = "identityGovernance/entitlementManagement/"

func (g *graphService) accessPackage() []member {
	return graphObject("id", g.guid("package", "engineering"), "displayName", "Engineering", "description", "Access of engineers", "isHidden", false,
		"createdDateTime", g.epoch.AddDate(0, 0, -300), "modifiedDateTime", g.epoch.AddDate(0, 0, -300))
}

func (g *graphService) accessPackages(*graphRequest) (graphRows, bool) {
	return g.orDefault(entitlementPath+"accessPackages", func() [][]member { return [][]member{g.accessPackage()} })
}

func (g *graphService) accessPolicy() []member {
	return graphObject("id", g.guid("package-policy", "engineering"), "displayName", "Employees, approved by the manager", "description", "", "allowedTargetScope", "allMemberUsers",
		"createdDateTime", g.epoch.AddDate(0, 0, -300), "modifiedDateTime", g.epoch.AddDate(0, 0, -300), "expiration", graphObject("endDateTime", nil, "duration", "P180D", "type", "afterDuration"),
		"requestApprovalSettings", graphObject("isApprovalRequiredForAdd", true, "isApprovalRequiredForUpdate", true, "stages", [][]member{}),
		"accessPackage", g.accessPackage(), "catalog", nil)
}

func (g *graphService) accessPolicies(*graphRequest) (graphRows, bool) {
	return g.orDefault(entitlementPath+"assignmentPolicies", func() [][]member { return [][]member{g.accessPolicy()} })
}

func (g *graphService) accessAssignments(*graphRequest) (graphRows, bool) {
	return g.orDefault(entitlementPath+"assignments", func() [][]member {
		var rows [][]member
		for _, i := range g.present() {
			if p := &g.people[i]; !p.Guest && len(rows) < 25 {
				rows = append(rows, graphObject("id", g.guid("package-assignment", p.ID), "state", "delivered", "status", "Delivered", "expiredDateTime", nil,
					"schedule", graphObject("startDateTime", g.created(p.Created, 200), "expiration", graphObject("type", "afterDuration", "duration", "P180D", "endDateTime", nil)),
					"target", graphObject("id", g.guid("subject", p.ID), "objectId", p.ID, "displayName", p.Name, "principalName", p.UPN, "subjectType", "user"),
					"accessPackage", g.accessPackage(), "assignmentPolicy", g.accessPolicy()))
			}
		}
		return rows
	})
}

func (g *graphService) workflows(*graphRequest) (graphRows, bool) {
	return g.orDefault("identityGovernance/lifecycleWorkflows/workflows", func() [][]member {
		return [][]member{graphObject("id", g.guid("workflow", "leaver"), "category", "leaver", "displayName", "Offboard an employee", "description", "", "isEnabled", true,
			"isSchedulingEnabled", true, "createdDateTime", g.epoch.AddDate(0, 0, -250), "lastModifiedDateTime", g.epoch.AddDate(0, 0, -250), "deletedDateTime", nil,
			"nextScheduleRunDateTime", g.Now().Truncate(time.Hour).Add(time.Hour), "version", 1)}
	})
}

// managedDevices: every member has one device, and every 17th does not comply.
func (g *graphService) managedDevices(*graphRequest) (graphRows, bool) {
	if _, ok := g.org.Records["graph/deviceManagement/managedDevices"]; ok {
		return g.orDefault("deviceManagement/managedDevices", nil)
	}
	who := slices.DeleteFunc(g.present(), func(i int) bool { return g.people[i].Guest || g.people[i].Disabled })
	return graphRows{len(who), func(n int) []member {
		p := &g.people[who[n]]
		state := "compliant"
		if n%17 == 16 {
			state = "noncompliant"
		}
		return graphObject("id", g.guid("device", p.ID), "userId", p.ID, "deviceName", "LT-"+strings.ToUpper(g.guid("device", p.ID)[:6]), "managedDeviceOwnerType", "company",
			"enrolledDateTime", g.created(p.Created, 200), "lastSyncDateTime", g.Now().Add(-time.Duration(n%48)*time.Hour).Truncate(time.Minute), "operatingSystem", "Windows",
			"osVersion", "10.0.26100.4349", "complianceState", state, "jailBroken", "Unknown", "managementAgent", "mdm", "managementState", "managed",
			"complianceGracePeriodExpirationDateTime", "9999-12-31T23:59:59Z", "azureADRegistered", true, "azureADDeviceId", g.guid("entra-device", p.ID),
			"deviceEnrollmentType", "windowsAzureADJoin", "deviceRegistrationState", "registered", "isEncrypted", state == "compliant", "isSupervised", false,
			"partnerReportedThreatState", "unknown", "manufacturer", "Contoso", "model", "Laptop 7", "serialNumber", "SN"+strings.ToUpper(g.guid("serial", p.ID)[:8]),
			"userPrincipalName", p.UPN, "userDisplayName", p.Name, "emailAddress", p.UPN)
	}}, true
}

func (g *graphService) assignedToAll(id string) [][]member {
	return [][]member{graphObject("id", id+"_adadadad-808e-44e2-905a-0b7873a8a531", "target", graphObject("@odata.type", "#microsoft.graph.allDevicesAssignmentTarget"))}
}

func (g *graphService) compliancePolicies(*graphRequest) (graphRows, bool) {
	return g.orDefault("deviceManagement/deviceCompliancePolicies", func() [][]member {
		id := g.guid("compliance", "windows")
		return [][]member{graphObject("@odata.type", "#microsoft.graph.windows10CompliancePolicy", "id", id, "displayName", "Windows baseline", "description", nil, "version", 3,
			"createdDateTime", g.epoch.AddDate(0, 0, -300), "lastModifiedDateTime", g.epoch.AddDate(0, 0, -60), "passwordRequired", true, "passwordMinimumLength", 12,
			"bitLockerEnabled", true, "secureBootEnabled", true, "storageRequireEncryption", true, "osMinimumVersion", "10.0.26100.0", "assignments", g.assignedToAll(id))}
	})
}

func (g *graphService) deviceConfigurations(*graphRequest) (graphRows, bool) {
	return g.orDefault("deviceManagement/deviceConfigurations", func() [][]member {
		id := g.guid("configuration", "update-ring")
		return [][]member{graphObject("@odata.type", "#microsoft.graph.windowsUpdateForBusinessConfiguration", "id", id, "displayName", "Update ring", "description", nil, "version", 2,
			"createdDateTime", g.epoch.AddDate(0, 0, -300), "lastModifiedDateTime", g.epoch.AddDate(0, 0, -60), "qualityUpdatesDeferralPeriodInDays", 7,
			"featureUpdatesDeferralPeriodInDays", 60, "assignments", g.assignedToAll(id))}
	})
}

func (g *graphService) configurationPolicies(*graphRequest) (graphRows, bool) {
	return g.orDefault("deviceManagement/configurationPolicies", func() [][]member {
		id := g.guid("configuration-policy", "defender")
		return [][]member{graphObject("id", id, "name", "Defender baseline", "description", "", "platforms", "windows10", "technologies", "mdm", "settingCount", 12,
			"templateReference", graphObject("templateId", "", "templateFamily", "none", "templateDisplayName", nil, "templateDisplayVersion", nil), "isAssigned", true, "createdDateTime", g.epoch.AddDate(0, 0, -200), "lastModifiedDateTime", g.epoch.AddDate(0, 0, -60), "assignments", g.assignedToAll(id))}
	})
}

func (g *graphService) secureScores(*graphRequest) (graphRows, bool) {
	if _, ok := g.org.Records["graph/security/secureScores"]; ok {
		return g.orDefault("security/secureScores", nil)
	}
	today := g.Now().Truncate(24 * time.Hour)
	return graphRows{90, func(i int) []member { // the service keeps 90 days, the newest first
		at := today.AddDate(0, 0, -i)
		return graphObject("id", g.org.Tenant.ID+"_"+at.Format(time.DateOnly), "azureTenantId", g.org.Tenant.ID, "createdDateTime", at, "currentScore", 60.5-float64(i)/10,
			"maxScore", 100.0, "activeUserCount", len(g.people), "licensedUserCount", len(g.people), "enabledServices", []string{"HasEXOP2", "HasSPOP2"},
			"averageComparativeScores", [][]member{}, "controlScores", [][]member{graphObject("controlCategory", "Identity", "controlName", "MFARegistrationV2", "score", 9.0)})
	}}, true
}

func (g *graphService) scoreControls(*graphRequest) (graphRows, bool) {
	return g.orDefault("security/secureScoreControlProfiles", func() [][]member {
		var rows [][]member
		for _, name := range []string{"MFARegistrationV2", "BlockLegacyAuthentication", "AdminMFAV2", "OneAdmin", "PWAgePolicyNew"} {
			rows = append(rows, graphObject("id", name, "azureTenantId", g.org.Tenant.ID, "title", name, "controlCategory", "Identity", "maxScore", 10.0, "rank", 1,
				"service", "AzureAD", "tier", "Core", "deprecated", false, "controlStateUpdates", [][]member{}))
		}
		return rows
	})
}

func (g *graphService) sharepointSettings(*graphRequest) (graphRows, bool) {
	return g.orDefault("admin/sharepoint/settings", func() [][]member {
		return [][]member{graphObject("sharingCapability", "externalUserSharingOnly", "sharingDomainRestrictionMode", "none", "sharingAllowedDomainList", []string{},
			"sharingBlockedDomainList", []string{}, "isResharingByExternalUsersEnabled", false, "isLegacyAuthProtocolsEnabled", false, "isLoopEnabled", true,
			"idleSessionSignOut", graphObject("isEnabled", true, "warnAfterInSeconds", 3300, "signOutAfterInSeconds", 3600),
			"deletedUserPersonalSiteRetentionPeriodInDays", 30, "isUnmanagedSyncAppForTenantRestricted", false)}
	})
}

func (g *graphService) labels(*graphRequest) (graphRows, bool) {
	return g.orDefault("security/informationProtection/sensitivityLabels", func() [][]member {
		var rows [][]member
		for i, name := range []string{"Public", "Internal", "Confidential"} {
			rows = append(rows, graphObject("id", g.guid("label", name), "name", name, "description", name, "color", "", "sensitivity", i, "tooltip", name, "isActive", true,
				"isAppliable", true, "contentFormats", []string{"file", "email"}, "hasProtection", i == 2, "parent", nil))
		}
		return rows
	})
}

// conditionalAccessShape is a policy in which nothing is set: the members that
// Graph always prints. What an organisation gives is laid over it.
const conditionalAccessShape = `{"id":"","templateId":null,"displayName":"","createdDateTime":"","modifiedDateTime":null,"state":"enabled","deletedDateTime":null,` +
	`"conditions":{"userRiskLevels":[],"signInRiskLevels":[],"servicePrincipalRiskLevels":[],"clientAppTypes":["all"],"insiderRiskLevels":null,"platforms":null,"locations":null,` +
	`"devices":null,"clientApplications":null,"authenticationFlows":null,"applications":{"includeApplications":["All"],"excludeApplications":[],"includeUserActions":[],` +
	`"includeAuthenticationContextClassReferences":[],"applicationFilter":null},"users":{"includeUsers":["All"],"excludeUsers":[],"includeGroups":[],"excludeGroups":[],` +
	`"includeRoles":[],"excludeRoles":[],"includeGuestsOrExternalUsers":null,"excludeGuestsOrExternalUsers":null}},"grantControls":null,"sessionControls":null}`

func (g *graphService) conditionalAccess(*graphRequest) (graphRows, bool) {
	if _, ok := g.org.Records["graph/identity/conditionalAccess/policies"]; ok {
		return g.orDefault("identity/conditionalAccess/policies", nil)
	}
	var rows [][]member
	for i, b := range g.rendered(g.org.ConditionalAccess) {
		given, _ := members(b)
		name := memberText(given, "displayName")
		shape, _ := members([]byte(conditionalAccessShape))
		own := object(graphObject("id", g.guid("conditional-access", name), "createdDateTime", g.epoch.AddDate(0, 0, -300+i)))
		row, _ := members(lay(lay(object(shape), own), b))
		rows = append(rows, row)
	}
	return graphList(rows), true
}

// lay puts an object over another. Unlike merge it keeps what is null: Graph
// prints members without a value.
func lay(under, over []byte) []byte {
	upper, ok := members(over)
	if !ok {
		return over
	}
	old, _ := members(under)
	for _, m := range upper {
		if i := slices.IndexFunc(old, func(o member) bool { return o.name == m.name }); i >= 0 {
			old[i].value = lay(old[i].value, m.value)
		} else {
			old = append(old, m)
		}
	}
	return object(old)
}

func (g *graphService) namedLocations(*graphRequest) (graphRows, bool) {
	return g.orDefault("identity/conditionalAccess/namedLocations", func() [][]member {
		return [][]member{graphObject("@odata.type", "#microsoft.graph.ipNamedLocation", "id", g.guid("location", "office"), "displayName", "Head office",
			"createdDateTime", g.epoch.AddDate(0, 0, -300), "modifiedDateTime", g.epoch.AddDate(0, 0, -300), "isTrusted", true,
			"ipRanges", [][]member{graphObject("@odata.type", "#microsoft.graph.iPv4CidrRange", "cidrAddress", "203.0.113.0/24")})}
	})
}

func (g *graphService) strengths(*graphRequest) (graphRows, bool) {
	return g.orDefault("policies/authenticationStrengthPolicies", func() [][]member {
		strength := func(n, name string, combinations ...string) []member {
			return graphObject("id", "00000000-0000-0000-0000-00000000000"+n, "createdDateTime", "2021-12-01T00:00:00Z", "modifiedDateTime", "2021-12-01T00:00:00Z",
				"displayName", name, "description", name, "policyType", "builtIn", "requirementsSatisfied", "mfa", "allowedCombinations", combinations)
		}
		return [][]member{
			strength("2", "Multifactor authentication", "windowsHelloForBusiness", "fido2", "x509CertificateMultiFactor", "deviceBasedPush", "temporaryAccessPassOneTime",
				"password,microsoftAuthenticatorPush", "password,softwareOath", "password,hardwareOath", "password,sms", "password,voice"),
			strength("3", "Passwordless MFA", "windowsHelloForBusiness", "fido2", "x509CertificateMultiFactor", "deviceBasedPush"),
			strength("4", "Phishing-resistant MFA", "windowsHelloForBusiness", "fido2", "x509CertificateMultiFactor"),
		}
	})
}

func (g *graphService) methodsPolicy(*graphRequest) (graphRows, bool) {
	return g.orDefault("policies/authenticationMethodsPolicy", func() [][]member {
		methods := [][]member{}
		for _, m := range []struct{ id, state string }{
			{"Fido2", "enabled"},
			{"MicrosoftAuthenticator", "enabled"},
			{"Sms", "disabled"},
			{"TemporaryAccessPass", "enabled"},
			{"SoftwareOath", "enabled"},
			{"Voice", "disabled"},
			{"Email", "disabled"},
			{"X509Certificate", "disabled"},
		} {
			methods = append(methods, graphObject("@odata.type", "#microsoft.graph."+strings.ToLower(m.id[:1])+m.id[1:]+"AuthenticationMethodConfiguration",
				"id", m.id, "state", m.state, "excludeTargets", [][]member{}))
		}
		return [][]member{graphObject("id", "authenticationMethodsPolicy", "displayName", "Authentication Methods Policy",
			"description", "The tenant-wide policy that controls which authentication methods are allowed in the tenant", "lastModifiedDateTime", g.epoch.AddDate(0, 0, -90),
			"policyVersion", "1.5", "policyMigrationState", "migrationComplete",
			"registrationEnforcement", graphObject("authenticationMethodsRegistrationCampaign", graphObject("state", "default", "snoozeDurationInDays", 1)),
			"authenticationMethodConfigurations", methods)}
	})
}

func (g *graphService) authorizationPolicy(*graphRequest) (graphRows, bool) {
	return g.orDefault("policies/authorizationPolicy", func() [][]member {
		return [][]member{graphObject("id", "authorizationPolicy", "displayName", "Authorization Policy",
			"description", "Used to manage authorization related settings across the company.", "deletedDateTime", nil, "allowInvitesFrom", "adminsAndGuestInviters",
			"allowedToSignUpEmailBasedSubscriptions", false, "allowedToUseSSPR", true, "allowEmailVerifiedUsersToJoinOrganization", false,
			"allowUserConsentForRiskyApps", nil, "blockMsolPowerShell", true, "guestUserRoleId", "2af84b1e-32c8-42b7-82bc-daa82404023b",
			"defaultUserRolePermissions", graphObject("allowedToCreateApps", false, "allowedToCreateSecurityGroups", false, "allowedToCreateTenants", false,
				"allowedToReadBitlockerKeysForOwnedDevice", true, "allowedToReadOtherUsers", true, "permissionGrantPoliciesAssigned", []string{}))}
	})
}

func (g *graphService) consentPolicy(*graphRequest) (graphRows, bool) {
	return g.orDefault("policies/adminConsentRequestPolicy", func() [][]member {
		reviewers := [][]member{}
		for _, a := range g.grants(false) {
			if a.Role == "Global Administrator" && len(reviewers) == 0 {
				reviewers = append(reviewers, graphObject("query", "/users/"+a.principal, "queryType", "MicrosoftGraph", "queryRoot", nil))
			}
		}
		return [][]member{graphObject("isEnabled", true, "version", 2, "notifyReviewers", true, "remindersEnabled", true, "requestDurationInDays", 30, "reviewers", reviewers)}
	})
}

func (g *graphService) crossTenantDefault(*graphRequest) (graphRows, bool) {
	return g.orDefault("policies/crossTenantAccessPolicy/default", func() [][]member {
		access := func(kind string) []member {
			target := func(what, of string) []member {
				return graphObject("accessType", kind, "targets", [][]member{graphObject("target", what, "targetType", of)})
			}
			return graphObject("usersAndGroups", target("AllUsers", "user"), "applications", target("AllApplications", "application"))
		}
		return [][]member{graphObject("isServiceDefault", false, "inboundTrust", graphObject("isMfaAccepted", false, "isCompliantDeviceAccepted", false,
			"isHybridAzureADJoinedDeviceAccepted", false), "b2bCollaborationInbound", access("allowed"), "b2bCollaborationOutbound", access("allowed"),
			"b2bDirectConnectInbound", access("blocked"), "b2bDirectConnectOutbound", access("blocked"), "tenantRestrictions", nil)}
	})
}

func (g *graphService) crossTenantPartners(*graphRequest) (graphRows, bool) {
	return g.orDefault("policies/crossTenantAccessPolicy/partners", func() [][]member {
		return [][]member{graphObject("tenantId", g.guid("tenant", "partner"), "isServiceProvider", nil, "isInMultiTenantOrganization", false,
			"inboundTrust", graphObject("isMfaAccepted", true, "isCompliantDeviceAccepted", false, "isHybridAzureADJoinedDeviceAccepted", false),
			"b2bCollaborationInbound", nil, "b2bCollaborationOutbound", nil, "b2bDirectConnectInbound", nil, "b2bDirectConnectOutbound", nil, "tenantRestrictions", nil)}
	})
}

func (g *graphService) securityDefaults(*graphRequest) (graphRows, bool) {
	return g.orDefault("policies/identitySecurityDefaultsEnforcementPolicy", func() [][]member {
		return [][]member{graphObject("id", "00000000-0000-0000-0000-000000000005", "displayName", "Security Defaults",
			"description", "Security defaults is a set of basic identity security mechanisms recommended by Microsoft.", "isEnabled", len(g.org.ConditionalAccess) == 0)}
	})
}

// graphAppID is the application id of Microsoft Graph.
const graphAppID = "00000003-0000-0000-c000-000000000000"

// microsoftTenant is where Microsoft registers its services.
const microsoftTenant = "f8cdef31-a31e-4b4a-93e4-5f571e91255a"

// servicePrincipal is an application, a managed identity or a service of
// Microsoft's, as it stands in the tenant.
type servicePrincipal struct {
	id, appID, name, owner, kind string
	app                          *Application
	roles                        []string // application permissions of Graph
}

func (g *graphService) servicePrincipals() []servicePrincipal {
	out := []servicePrincipal{
		{id: g.guid("principal", graphAppID), appID: graphAppID, name: "Microsoft Graph", owner: microsoftTenant, kind: "Application"},
		{id: g.guid("principal", "exchange"), appID: "00000002-0000-0ff1-ce00-000000000000", name: "Office 365 Exchange Online", owner: microsoftTenant, kind: "Application"},
		{id: g.guid("principal", "management"), appID: "797f4846-ba00-4fd7-ba43-dac1f8f63013", name: "Windows Azure Service Management API", owner: microsoftTenant, kind: "Application"},
	}
	now := g.Now()
	for i := range g.org.Applications {
		a := &g.org.Applications[i]
		owner := g.org.Tenant.ID
		if a.Foreign {
			owner = g.guid("tenant", a.Name)
		}
		if !g.at(a.Created).After(now) {
			out = append(out, servicePrincipal{a.ObjectID, a.ClientID, a.Name, owner, "Application", a, a.Permissions})
		}
	}
	for i := range g.org.Identities {
		d := &g.org.Identities[i]
		out = append(out, servicePrincipal{d.ObjectID, d.ClientID, d.Name, g.org.Tenant.ID, "ManagedIdentity", nil, d.Roles})
	}
	return out
}

func (g *graphService) principalOf(id string) (servicePrincipal, bool) {
	all := g.servicePrincipals()
	i := slices.IndexFunc(all, func(p servicePrincipal) bool { return strings.EqualFold(p.id, id) })
	if i < 0 {
		return servicePrincipal{}, false
	}
	return all[i], true
}

func (g *graphService) servicePrincipalRows(*graphRequest) (graphRows, bool) {
	all := g.servicePrincipals()
	return graphRows{len(all), func(i int) []member { return g.servicePrincipal(all[i]) }}, true
}

func (g *graphService) servicePrincipal(p servicePrincipal) []member {
	roles := [][]member{}
	if p.appID == graphAppID {
		for _, name := range g.permissionNames() {
			roles = append(roles, graphObject("allowedMemberTypes", []string{"Application"}, "description", name, "displayName", name, "id", g.guid("app-role", name),
				"isEnabled", true, "origin", "Application", "value", name))
		}
	}
	audience := "AzureADMyOrg"
	if p.owner != g.org.Tenant.ID {
		audience = "AzureADMultipleOrgs"
	}
	return graphObject("id", p.id, "deletedDateTime", nil, "accountEnabled", true, "alternativeNames", []string{}, "appDisplayName", p.name, "appDescription", nil,
		"appId", p.appID, "appOwnerOrganizationId", p.owner, "appRoleAssignmentRequired", p.kind == "Application" && p.app != nil && p.app.Foreign,
		"description", nil, "disabledByMicrosoftStatus", nil, "displayName", p.name, "homepage", nil, "loginUrl", nil, "logoutUrl", nil, "notes", nil,
		"notificationEmailAddresses", []string{}, "preferredSingleSignOnMode", nil, "replyUrls", []string{}, "servicePrincipalNames", []string{p.appID},
		"servicePrincipalType", p.kind, "signInAudience", audience, "tags", []string{}, "tokenEncryptionKeyId", nil,
		"verifiedPublisher", graphObject("displayName", nil, "verifiedPublisherId", nil, "addedDateTime", nil), "addIns", [][]member{}, "appRoles", roles,
		"keyCredentials", [][]member{}, "oauth2PermissionScopes", [][]member{}, "passwordCredentials", [][]member{})
}

// permissionNames are the application permissions of Graph that somebody holds.
func (g *graphService) permissionNames() []string {
	var names []string
	for _, a := range g.org.Applications {
		names = append(names, a.Permissions...)
	}
	for _, d := range g.org.Identities {
		names = append(names, d.Roles...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// registered are the applications that are registered in this tenant.
func (g *graphService) registered() []*Application {
	var out []*Application
	now := g.Now()
	for i := range g.org.Applications {
		if a := &g.org.Applications[i]; !a.Foreign && !g.at(a.Created).After(now) {
			out = append(out, a)
		}
	}
	return out
}

func (g *graphService) applicationOf(id string) *Application {
	for _, a := range g.registered() {
		if strings.EqualFold(a.ID, id) {
			return a
		}
	}
	return nil
}

func (g *graphService) applicationRows(*graphRequest) (graphRows, bool) {
	all := g.registered()
	return graphRows{len(all), func(i int) []member { return g.application(all[i]) }}, true
}

func (g *graphService) application(a *Application) []member {
	passwords, keys := [][]member{}, [][]member{}
	created := g.created(a.Created, 350)
	for _, c := range a.Credentials {
		starts, key := g.at(c.Starts), g.guid("credential", a.Name, c.Name)
		if starts.IsZero() {
			starts = created
		}
		expires := g.at(c.Expires)
		if expires.IsZero() {
			expires = starts.AddDate(0, 6, 0)
		}
		switch c.Kind {
		case "federated":
		case "certificate":
			keys = append(keys, graphObject("customKeyIdentifier", strings.ToUpper(key[:8]), "displayName", "CN="+c.Name, "endDateTime", expires, "key", nil,
				"keyId", key, "startDateTime", starts, "type", "AsymmetricX509Cert", "usage", "Verify"))
		default:
			passwords = append(passwords, graphObject("customKeyIdentifier", nil, "displayName", c.Name, "endDateTime", expires, "hint", key[:3],
				"keyId", key, "secretText", nil, "startDateTime", starts))
		}
	}
	access := [][]member{}
	for _, p := range a.Permissions {
		access = append(access, graphObject("id", g.guid("app-role", p), "type", "Role"))
	}
	wanted := [][]member{}
	if len(access) > 0 {
		wanted = append(wanted, graphObject("resourceAppId", graphAppID, "resourceAccess", access))
	}
	uris := graphObject("redirectUris", []string{})
	row := graphObject("id", a.ID, "deletedDateTime", nil, "appId", a.ClientID, "displayName", a.Name, "description", nil, "createdDateTime", created,
		"disabledByMicrosoftStatus", nil, "identifierUris", []string{}, "isFallbackPublicClient", nil, "notes", nil, "publisherDomain", g.domain(),
		"serviceManagementReference", nil, "signInAudience", "AzureADMyOrg", "tags", []string{},
		"verifiedPublisher", graphObject("displayName", nil, "verifiedPublisherId", nil, "addedDateTime", nil),
		"api", graphObject("requestedAccessTokenVersion", 2, "oauth2PermissionScopes", [][]member{}), "appRoles", [][]member{}, "keyCredentials", keys,
		"passwordCredentials", passwords, "requiredResourceAccess", wanted, "web", uris, "spa", uris, "publicClient", uris)
	if a.Also != nil {
		row, _ = members(merge(object(row), g.render(a.Also, &vars{name: a.Name, id: a.ID})))
	}
	return row
}

func (g *graphService) applicationOwners(q *graphRequest) (graphRows, bool) {
	a := g.applicationOf(q.args[0])
	if a == nil {
		return graphRows{}, false
	}
	return g.principalRows(a.Owners), true
}

func (g *graphService) servicePrincipalOwners(q *graphRequest) (graphRows, bool) {
	p, ok := g.principalOf(q.args[0])
	if !ok || p.app == nil {
		return graphRows{}, ok
	}
	return g.principalRows(p.app.Owners), true
}

func (g *graphService) federated(q *graphRequest) (graphRows, bool) {
	a := g.applicationOf(q.args[0])
	if a == nil {
		return graphRows{}, false
	}
	var rows [][]member
	for _, c := range a.Credentials {
		if c.Kind == "federated" {
			rows = append(rows, graphObject("id", g.guid("federated", a.Name, c.Name), "name", c.Name, "issuer", "https://token.actions.githubusercontent.com",
				"subject", "repo:"+strings.ToLower(strings.ReplaceAll(g.org.Name, " ", "-"))+"/"+c.Name+":environment:production", "description", nil,
				"audiences", []string{"api://AzureADTokenExchange"}))
		}
	}
	return graphList(rows), true
}

// held are the application permissions of Graph that a principal holds.
func (g *graphService) held(p servicePrincipal) [][]member {
	var rows [][]member
	created := g.epoch.AddDate(0, 0, -200)
	if p.app != nil {
		created = g.created(p.app.Created, 350)
	}
	for _, name := range p.roles {
		rows = append(rows, graphObject("id", g.guid("app-role-assignment", p.id, name), "deletedDateTime", nil, "appRoleId", g.guid("app-role", name),
			"createdDateTime", created, "principalDisplayName", p.name, "principalId", p.id, "principalType", "ServicePrincipal",
			"resourceDisplayName", "Microsoft Graph", "resourceId", g.guid("principal", graphAppID)))
	}
	return rows
}

func (g *graphService) appRoleAssignments(q *graphRequest) (graphRows, bool) {
	p, ok := g.principalOf(q.args[0])
	if !ok {
		return graphRows{}, false
	}
	return graphList(g.held(p)), true
}

func (g *graphService) appRoleAssignedTo(q *graphRequest) (graphRows, bool) {
	p, ok := g.principalOf(q.args[0])
	if !ok {
		return graphRows{}, false
	}
	var rows [][]member
	switch {
	case p.appID == graphAppID:
		for _, holder := range g.servicePrincipals() {
			rows = append(rows, g.held(holder)...)
		}
	case p.app != nil && p.app.Foreign:
		for _, name := range p.app.Owners {
			id := g.principalID(name)
			rows = append(rows, graphObject("id", g.guid("app-assignment", p.id, id), "deletedDateTime", nil, "appRoleId", "00000000-0000-0000-0000-000000000000",
				"createdDateTime", g.created(p.app.Created, 350), "principalDisplayName", name, "principalId", id, "principalType", g.principals[strings.ToLower(name)].Kind,
				"resourceDisplayName", p.name, "resourceId", p.id))
		}
	}
	return graphList(rows), true
}

func (g *graphService) delegatedGrants(*graphRequest) (graphRows, bool) {
	var rows [][]member
	for i := range g.org.Applications {
		if a := &g.org.Applications[i]; len(a.Delegated) > 0 {
			rows = append(rows, graphObject("clientId", a.ObjectID, "consentType", "AllPrincipals", "id", g.guid("delegated", a.Name), "principalId", nil,
				"resourceId", g.guid("principal", graphAppID), "scope", " "+strings.Join(a.Delegated, " ")))
		}
	}
	return graphList(rows), true
}
