// SPDX-License-Identifier: Apache-2.0

package graph

// policies asks for the rules of signing in and of the directory. Policy.Read.All
// serves all of them: several of these have no narrower permission, and a
// further one would not make the whole narrower.
func policies() []question {
	const all = "Policy.Read.All"
	partners := list("cross-tenant-access-partners", "what is agreed with single other tenants", "/v1.0/policies/crossTenantAccessPolicy/partners",
		"graph/crossTenantAccessPolicyPartners", all)
	partners.Identity = "tenantId"
	return []question{
		{Ask: list("conditional-access-policies", "the Conditional Access policies", "/v1.0/identity/conditionalAccess/policies",
			"graph/conditionalAccessPolicies", all), doc: "conditionalaccessroot-list-policies"},
		{Ask: list("named-locations", "the places that policies name", "/v1.0/identity/conditionalAccess/namedLocations",
			"graph/namedLocations", all), doc: "conditionalaccessroot-list-namedlocations"},
		{Ask: list("authentication-strengths", "the combinations of methods that policies ask for", "/v1.0/policies/authenticationStrengthPolicies",
			"graph/authenticationStrengthPolicies", all), doc: "authenticationstrengthroot-list-policies"},
		{Ask: single("authentication-methods-policy", "which authentication methods are on", "/v1.0/policies/authenticationMethodsPolicy",
			"graph/authenticationMethodsPolicy", all), doc: "authenticationmethodspolicy-get"},
		{Ask: single("authorization-policy", "what users and guests may do by default", "/v1.0/policies/authorizationPolicy",
			"graph/authorizationPolicy", all), doc: "authorizationpolicy-get"},
		{Ask: single("admin-consent-policy", "how users ask for consent to applications", "/v1.0/policies/adminConsentRequestPolicy",
			"graph/adminConsentRequestPolicy", all), doc: "adminconsentrequestpolicy-get"},
		{Ask: single("cross-tenant-access-default", "what is trusted of other tenants", "/v1.0/policies/crossTenantAccessPolicy/default",
			"graph/crossTenantAccessPolicyConfigurationDefault", all), doc: "crosstenantaccesspolicyconfigurationdefault-get"},
		{Ask: partners, doc: "crosstenantaccesspolicy-list-partners"},
		{Ask: single("app-management-policy", "how long secrets and certificates of applications may live", "/v1.0/policies/defaultAppManagementPolicy",
			"graph/defaultAppManagementPolicy", all), doc: "tenantappmanagementpolicy-get"},
		{Ask: list("app-management-exceptions", "what single applications have in place of the tenant's rule on credentials", "/v1.0/policies/appManagementPolicies",
			"graph/appManagementPolicies", all), doc: "appmanagementpolicy-list"},
		{Ask: single("security-defaults", "whether security defaults are on", "/v1.0/policies/identitySecurityDefaultsEnforcementPolicy",
			"graph/identitySecurityDefaultsEnforcementPolicy", all), doc: "identitysecuritydefaultsenforcementpolicy-get"},
	}
}
