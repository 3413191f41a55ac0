// SPDX-License-Identifier: Apache-2.0

package graph

// governance asks how access is reviewed, requested and taken away.
func governance() []question {
	const reviews = "/v1.0/identityGovernance/accessReviews/definitions"
	const entitlement = "/v1.0/identityGovernance/entitlementManagement/"
	workflows := licensed(list("lifecycle-workflows", "what is done when people join, move or leave", "/v1.0/identityGovernance/lifecycleWorkflows/workflows",
		"graph/lifecycleWorkflows", "LifecycleWorkflows.Read.All"), govern)
	workflows.NotOffered = []string{"gccHigh", "dod", "china"}
	return []question{
		{Ask: licensed(list("access-reviews", "the access reviews that are set up", reviews, "graph/accessReviewScheduleDefinitions",
			"AccessReview.Read.All"), p2), doc: "accessreviewset-list-definitions"},
		{Ask: licensed(of(list("access-review-instances", "each time that a review was held", reviews+"/{id}/instances", "graph/accessReviewInstances",
			"AccessReview.Read.All"), "graph/accessReviewScheduleDefinitions", nil), p2), doc: "accessreviewscheduledefinition-list-instances"},
		{Ask: licensed(of(list("access-review-decisions", "who decided what about whose access", reviews+"/{^id}/instances/{id}/decisions",
			"graph/accessReviewDecisions", "AccessReview.Read.All"), "graph/accessReviewInstances", nil), p2), doc: "accessreviewinstance-list-decisions"},
		{Ask: licensed(list("access-packages", "the bundles of access that can be requested", entitlement+"accessPackages", "graph/accessPackages",
			"EntitlementManagement.Read.All"), p2), doc: "entitlementmanagement-list-accesspackages"},
		{
			Ask: licensed(query(list("access-package-policies", "who may request and who approves", entitlement+"assignmentPolicies",
				"graph/accessPackageAssignmentPolicies", "EntitlementManagement.Read.All"), "$expand=accessPackage"), p2),
			doc: "entitlementmanagement-list-assignmentpolicies",
		},
		{
			Ask: licensed(query(list("access-package-assignments", "who has access by a package, since when and until when", entitlement+"assignments",
				"graph/accessPackageAssignments", "EntitlementManagement.Read.All"), "$expand=target,accessPackage,assignmentPolicy"), p2),
			doc: "entitlementmanagement-list-assignments",
		},
		{
			Ask: workflows, doc: "identitygovernance-lifecycleworkflowscontainer-list-workflows",
			note: "newer versions of the page name a narrower permission, LifecycleWorkflows-Workflow.Read.All, whose id could not be verified",
		},
	}
}
