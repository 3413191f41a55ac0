// SPDX-License-Identifier: Apache-2.0

package arm

import (
	"strings"

	"github.com/tickmark/tickmark/collect"
)

// The types of Privileged Identity Management.
const (
	typePimEligible = "Microsoft.Authorization/roleEligibilityScheduleInstances"
	typePimRequest  = "Microsoft.Authorization/roleAssignmentScheduleRequests"
	typePimPolicy   = "Microsoft.Authorization/roleManagementPolicies"
	typePimInForce  = "Microsoft.Authorization/roleManagementPolicyAssignments"
)

// privileged is the need of what Privileged Identity Management answers. A
// tenant without the licence answers 400 AadPremiumLicenseRequired, which
// everywhere means that there is no licence.
// Source: docs + active-directory/privileged-identity-management.
func privileged(action string) collect.Need {
	return collect.Need{Permission: action, Role: roleReader, Licence: []string{"AAD_PREMIUM_P2", "Entra_Identity_Governance"}}
}

// accessAsks say who may do what in each subscription. Without a filter the
// lists have what is set at the subscription and below it; with atScope() what
// is set at it and above it, the root scope included. Both are asked, because
// an owner who is inherited is not in the one and an owner of a single
// resource is not in the other.
func accessAsks() []collect.Ask {
	return each(
		collect.Ask{
			Name: "role-assignments", About: "role assignments at each subscription and below",
			APIVersion: "2022-04-01", Types: []string{"Microsoft.Authorization/roleAssignments"},
			Doc: rest + "authorization/role-assignments/list-for-subscription",
		},
		collect.Ask{
			Name: "role-assignments-above", About: "role assignments at each subscription and above",
			APIVersion: "2022-04-01", Types: []string{"Microsoft.Authorization/roleAssignments"}, Query: "$filter=atScope()",
			Doc: docs + "role-based-access-control/role-assignments-list-rest",
		},
		collect.Ask{
			Name: "custom-roles", About: "custom role definitions that can be assigned in each subscription",
			APIVersion: "2022-04-01", Types: []string{"Microsoft.Authorization/roleDefinitions"}, Query: "$filter=type%20eq%20'CustomRole'",
			Doc: rest + "authorization/role-definitions/list",
		},
		collect.Ask{
			Name: "deny-assignments", About: "deny assignments at each subscription and below",
			APIVersion: "2022-04-01", Types: []string{"Microsoft.Authorization/denyAssignments"},
			Doc: rest + "authorization/deny-assignments/list-for-scope",
		},
		collect.Ask{
			Name: "pim-eligible", About: "who is eligible for a role in each subscription and below",
			APIVersion: "2020-10-01", Types: []string{"Microsoft.Authorization/roleEligibilityScheduleInstances"},
			Needs: privileged("Microsoft.Authorization/roleEligibilityScheduleInstances/read"),
			Doc:   rest + "authorization/role-eligibility-schedule-instances/list-for-scope",
		},
		collect.Ask{
			Name: "pim-active", About: "role assignments in each subscription and below, with the time they are active and how they came about",
			APIVersion: "2020-10-01", Types: []string{"Microsoft.Authorization/roleAssignmentScheduleInstances"},
			Needs: privileged("Microsoft.Authorization/roleAssignmentScheduleInstances/read"),
			Doc:   rest + "authorization/role-assignment-schedule-instances/list-for-scope",
		},
		collect.Ask{
			Name: "pim-requests", About: "requests to activate or assign a role in each subscription, with reason and approval",
			APIVersion: "2020-10-01", Types: []string{"Microsoft.Authorization/roleAssignmentScheduleRequests"},
			Needs: privileged("Microsoft.Authorization/roleAssignmentScheduleRequests/read"),
			Doc:   rest + "authorization/role-assignment-schedule-requests/list-for-scope",
		},
		collect.Ask{
			Name: "pim-policies", About: "what activating a role demands, for each role and subscription",
			APIVersion: "2020-10-01", Types: []string{"Microsoft.Authorization/roleManagementPolicies"},
			Needs: privileged("Microsoft.Authorization/roleManagementPolicies/read"),
			Doc:   rest + "authorization/role-management-policies/list-for-scope",
		},
		collect.Ask{
			Name: "pim-policy-assignments", About: "which of these policies is in force for each role",
			APIVersion: "2020-10-01", Types: []string{"Microsoft.Authorization/roleManagementPolicyAssignments"},
			Needs: privileged("Microsoft.Authorization/roleManagementPolicyAssignments/read"),
			Doc:   rest + "authorization/role-management-policy-assignments/list-for-scope",
		},
		collect.Ask{
			Name: "locks", About: "locks on each subscription, its groups and resources",
			APIVersion: "2020-05-01", Types: []string{"Microsoft.Authorization/locks"},
			Doc: rest + "resources/management-locks/list-at-subscription-level",
		},
	)
}

// pimAsksAbove read Privileged Identity Management at the management groups:
// what is activated there holds in every subscription below.
func pimAsksAbove() []collect.Ask {
	asks := []collect.Ask{
		{
			Name: "group-pim-requests", About: "requests to activate or assign a role on or above each management group, with reason and approval",
			Path: "{id}/providers/" + typePimRequest, Query: "$filter=atScope()", Types: []string{typePimRequest},
			Doc: rest + "authorization/role-assignment-schedule-requests/list-for-scope",
		},
		{
			Name: "group-pim-policies", About: "what activating a role demands, for each role and management group",
			Path: "{id}/providers/" + typePimPolicy, Types: []string{typePimPolicy},
			Doc: rest + "authorization/role-management-policies/list-for-scope",
		},
		{
			Name: "group-pim-policy-assignments", About: "which of these policies is in force for each role",
			Path: "{id}/providers/" + typePimInForce, Types: []string{typePimInForce},
			Doc: rest + "authorization/role-management-policy-assignments/list-for-scope",
		},
	}
	for i := range asks {
		asks[i].APIVersion, asks[i].Needs = "2020-10-01", privileged(asks[i].Types[0]+"/read")
	}
	return ofGroups(asks...)
}

// pimAsksBelow read what activating a role demands at resource groups and
// resources, of the roles that somebody is eligible for there: a scope has a
// policy for each role, and the others are in force for nobody.
//
// The policy assignment of one role is asked for by a filter, as tools of
// several makers do; the reference has no word of it (unverified). Every role
// has one at every scope, so that an answer without any is none.
func pimAsksBelow() []collect.Ask {
	inForce := fill(collect.Ask{
		Name: "pim-policy-assignments-below", About: "which policy is in force for each role that somebody is eligible for in a resource group or resource",
		Of: []string{typePimEligible}, By: []string{"pim-eligible"},
		Where: func(s *collect.Subject) bool {
			return unread(s) || belowSubscription(s.Item.Get("properties").Get("scope").Str())
		},
		Path: "{properties.scope}/providers/" + typePimInForce, Query: "$filter=roleDefinitionId%20eq%20'{properties.roleDefinitionId}'",
		APIVersion: "2020-10-01", Types: []string{typePimInForce}, NotEmpty: true,
		Answers: []collect.Answer{lost}, Needs: privileged(typePimInForce + "/read"),
		Doc: rest + "authorization/role-management-policy-assignments/list-for-scope",
	})
	demands := fill(collect.Ask{
		Name: "pim-policies-below", About: "what activating these roles demands",
		Of: []string{typePimInForce}, By: []string{"pim-policy-assignments-below"},
		Path: "{properties.policyId}", APIVersion: "2020-10-01", Form: "armObject", Types: []string{typePimPolicy},
		Answers: []collect.Answer{lost}, Needs: privileged(typePimPolicy + "/read"),
		Doc: rest + "authorization/role-management-policies/get",
	})
	return []collect.Ask{inForce, demands}
}

// belowSubscription reports whether a scope is a resource group or a resource.
func belowSubscription(scope string) bool {
	low := strings.ToLower(strings.TrimRight(scope, "/"))
	return strings.HasPrefix(low, "/subscriptions/") && strings.Count(low, "/") > 2
}

// policyAsks are about Azure Policy. The states themselves are read from
// Resource Graph (policy-states): there they have ids and a count, while the
// records of queryResults have none, because an initiative can hold the same
// definition twice. The sums that Policy Insights makes are the second source;
// the POST that asks for them changes nothing.
func policyAsks() []collect.Ask {
	asks := each(
		collect.Ask{
			Name: "policy-assignments", About: "policy assignments that apply to each subscription or lie in it",
			APIVersion: "2023-04-01", Types: []string{"Microsoft.Authorization/policyAssignments"},
			Doc: rest + "policyauthorization/policy-assignments/list",
		},
		collect.Ask{
			Name: "policy-exemptions", About: "policy exemptions that apply to each subscription or lie in it",
			APIVersion: "2022-07-01-preview", Types: []string{"Microsoft.Authorization/policyExemptions"},
			Doc: rest + "policyauthorization/policy-exemptions/list",
		},
		collect.Ask{
			Name: "policies", About: "policy definitions made at each subscription",
			APIVersion: "2023-04-01", Types: []string{"Microsoft.Authorization/policyDefinitions"}, Query: "$filter=policyType%20eq%20'Custom'",
			Doc: rest + "policyauthorization/policy-definitions/list",
		},
		collect.Ask{
			Name: "initiatives", About: "initiatives made at each subscription",
			APIVersion: "2023-04-01", Types: []string{"Microsoft.Authorization/policySetDefinitions"}, Query: "$filter=policyType%20eq%20'Custom'",
			Doc: rest + "policyauthorization/policy-set-definitions/list",
		},
		collect.Ask{
			Name: "attestations", About: "attestations of compliance in each subscription",
			APIVersion: "2022-09-01", Types: []string{"Microsoft.PolicyInsights/attestations"},
			Doc: rest + "policy/attestations/list-for-subscription",
		},
		collect.Ask{
			Name: "policy-summary", About: "how many resources and policies of each subscription are not compliant, as Azure counts them",
			Method: "POST", Path: "{id}/providers/Microsoft.PolicyInsights/policyStates/latest/summarize", APIVersion: "2019-10-01",
			Form: "armList", Entity: "arm/policySummaries", Types: []string{"arm/policySummaries"}, Identity: "-",
			Needs: collect.Need{Permission: "Microsoft.PolicyInsights/policyStates/summarize/read and …/action", Role: rolePolicyStates},
			Doc:   rest + "policy/policy-states/summarize-for-subscription",
		},
	)
	asks[len(asks)-1].Pace = collect.PacePolicyInsights
	return asks
}
