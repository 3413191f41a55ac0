// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"strings"

	"github.com/tickmark/tickmark/collect"
	"github.com/tickmark/tickmark/jsontape"
)

// Members that are asked for by name: what is not selected is not observed, so
// these hold all that checks, joins and the documents need of a person and no
// more. employeeLeaveDateTime is left out: it needs a permission of its own.
const (
	userMembers = "id,userPrincipalName,displayName,mail,accountEnabled,userType,creationType,createdDateTime," +
		"externalUserState,externalUserStateChangeDateTime,employeeId,employeeType,employeeHireDate,department,jobTitle," +
		"companyName,onPremisesSyncEnabled,onPremisesImmutableId,onPremisesLastSyncDateTime,lastPasswordChangeDateTime," +
		"passwordPolicies,assignedLicenses,usageLocation"
	groupMembers = "id,displayName,description,mail,mailEnabled,securityEnabled,groupTypes,isAssignableToRole," +
		"membershipRule,membershipRuleProcessingState,visibility,onPremisesSyncEnabled,createdDateTime,assignedLicenses"
	principalMembers = "id,displayName,userPrincipalName,appId"
)

// directory asks who and what there is.
func directory() []question {
	signIn := licensed(list("user-sign-in-activity", "when each user last signed in", "/v1.0/users", "graph/userSignInActivities",
		"AuditLog.Read.All and User.Read.All"), p1)
	// With signInActivity a page holds at most 500 users, and it is an ask of its
	// own because without P1 the whole request is refused.
	signIn = counted(signIn, "id,signInActivity")
	signIn.Query, signIn.PageSize = strings.Replace(signIn.Query, "$top=999", "$top=500", 1), 500
	registration := licensed(list("user-registration-details", "the authentication methods that each user has registered",
		"/v1.0/reports/authenticationMethods/userRegistrationDetails", "graph/userRegistrationDetails", "AuditLog.Read.All"), p1)
	registration.Pace = collect.PaceGraphReports
	members := of(counted(list("group-members", "the direct members of each security group", "/v1.0/groups/{id}/members", "graph/groupMembers",
		"GroupMember.Read.All"), principalMembers), "graph/groups", isSecurityGroup)
	transitive := of(counted(list("group-transitive-members", "everybody who is in a role-assignable group, through other groups too",
		"/v1.0/groups/{id}/transitiveMembers", "graph/groupTransitiveMembers", "GroupMember.Read.All"), principalMembers), "graph/groups", isRoleAssignable)
	return []question{
		{Ask: list("organization", "the tenant", "/v1.0/organization", "graph/organization", "Organization.Read.All"), doc: "organization-list"},
		{
			Ask: list("subscribed-skus", "the licences that the tenant has", "/v1.0/subscribedSkus", "graph/subscribedSkus", "LicenseAssignment.Read.All"),
			doc: "subscribedsku-list",
		},
		{Ask: list("domains", "the domains and how their users sign in", "/v1.0/domains", "graph/domains", "Domain.Read.All"), doc: "domain-list"},
		{Ask: counted(list("users", "members and guests", "/v1.0/users", "graph/users", "User.Read.All"), userMembers), doc: "user-list"},
		{Ask: signIn, doc: "user-list", note: "that a page holds 500 at most, and that the total is declared with signInActivity, is unverified"},
		{Ask: registration, doc: "authenticationmethodsroot-list-userregistrationdetails"},
		{
			Ask: counted(list("groups", "groups of every kind", "/v1.0/groups", "graph/groups", "GroupMember.Read.All"), groupMembers), doc: "group-list",
			note: "groups with hidden membership show no members without Member.Read.Hidden",
		},
		{Ask: members, doc: "group-list-members", note: "the type holds the members of security-enabled groups only"},
		{Ask: transitive, doc: "group-list-transitivemembers", note: "the type holds the members of role-assignable groups only"},
		{
			Ask: of(counted(list("group-owners", "who owns each security group", "/v1.0/groups/{id}/owners", "graph/groupOwners",
				"GroupMember.Read.All"), principalMembers), "graph/groups", isSecurityGroup), doc: "group-list-owners",
			note: "the type holds the owners of security-enabled groups only",
		},
		{Ask: list("group-settings", "settings of the tenant for groups and for password protection", "/v1.0/groupSettings", "graph/groupSettings",
			"GroupSettings.Read.All"), doc: "group-list-settings"},
	}
}

// Security groups can hold Azure roles and be named by policies; of the others
// only mail is at stake. A group that does not say is asked.
func isSecurityGroup(s *collect.Subject) bool {
	yes, ok := s.Item.Get("securityEnabled").Bool()
	return yes || !ok
}

// A group that cannot be assigned to a role has null.
func isRoleAssignable(s *collect.Subject) bool { return mayBe(s, "isAssignableToRole") }

// mayBe reports whether the member is not known to be false or null.
func mayBe(s *collect.Subject, member string) bool {
	v := s.Item.Get(member)
	yes, ok := v.Bool()
	return yes || !ok && v.Kind() != jsontape.Null
}
