// SPDX-License-Identifier: Apache-2.0

package graph

import "github.com/tickmark/tickmark/collect"

const deviceMembers = "id,deviceName,userId,userPrincipalName,managedDeviceOwnerType,managementAgent,managementState,enrolledDateTime," +
	"lastSyncDateTime,operatingSystem,osVersion,complianceState,complianceGracePeriodExpirationDateTime,isEncrypted,isSupervised,jailBroken," +
	"azureADDeviceId,azureADRegistered,deviceEnrollmentType,deviceRegistrationState,partnerReportedThreatState,manufacturer,model,serialNumber"

// devices asks what Intune manages. Where the tenant has no Intune, the service
// answers 400 BadRequest, "Request not applicable to target tenant": the
// requests have nothing else in them that could be bad.
// (github.com/microsoftgraph/msgraph-beta-sdk-go/issues/198)
func devices() []question {
	in := func(a collect.Ask) collect.Ask {
		a.Answers = append(a.Answers, collect.Answer{Status: 400, Code: "BadRequest", Means: collect.MeansNoLicence})
		return licensed(a, intune)
	}
	const configuration = "DeviceManagementConfiguration.Read.All"
	profiles := in(query(list("device-configurations", "device configuration profiles and whom they are assigned to", "/v1.0/deviceManagement/deviceConfigurations",
		"graph/deviceConfigurations", configuration), "$expand=assignments"))
	// Profiles carry the secrets that devices are given.
	profiles.Redact = []string{"omaSettings.*.value", "preSharedKey", "*.preSharedKey"}
	settings := in(query(list("device-configuration-policies", "policies of the settings catalogue and whom they are assigned to", "/beta/deviceManagement/configurationPolicies",
		"graph/configurationPolicies", configuration), "$expand=assignments"))
	const rbac = "DeviceManagementRBAC.Read.All"
	// The list does not show the members of an assignment; the object does.
	holders := in(single("intune-role-assignments", "the groups that hold each role of Intune", "/v1.0/deviceManagement/roleAssignments/{id}",
		"graph/deviceManagementRoleAssignments", rbac))
	holders.Of = []string{"graph/deviceManagementRoleAssignmentNames"}
	holders.Answers = append(holders.Answers, collect.Answer{Status: 404, Code: "ResourceNotFound", Means: collect.MeansGone})
	return []question{
		{
			Ask: in(single("device-management-settings", "whether a device that no policy judges counts as compliant", "/v1.0/deviceManagement/settings",
				"graph/deviceManagementSettings", configuration)),
			doc: "intune-deviceconfig-devicemanagement-get", note: "the page is of the object that has the settings; that the property is served at a path of its own is unverified",
		},
		{Ask: in(list("intune-role-assignment-names", "the assignments of roles of Intune", "/v1.0/deviceManagement/roleAssignments",
			"graph/deviceManagementRoleAssignmentNames", rbac)), doc: "intune-rbac-deviceandappmanagementroleassignment-list"},
		{
			Ask: holders, doc: "intune-rbac-deviceandappmanagementroleassignment-get",
			note: "that an assignment which is gone answers 404 ResourceNotFound is unverified",
		},
		{Ask: in(query(list("managed-devices", "the devices and whether they comply", "/v1.0/deviceManagement/managedDevices", "graph/managedDevices",
			"DeviceManagementManagedDevices.Read.All"), "$select="+deviceMembers)), doc: "intune-devices-manageddevice-list"},
		{
			Ask: in(query(list("device-compliance-policies", "what a device must fulfil, and whom the policies are assigned to",
				"/v1.0/deviceManagement/deviceCompliancePolicies", "graph/deviceCompliancePolicies", configuration), "$expand=assignments")),
			doc: "intune-deviceconfig-devicecompliancepolicy-list", note: "that $expand=assignments is served is unverified",
		},
		{Ask: profiles, doc: "intune-deviceconfig-deviceconfiguration-list", note: "that $expand=assignments is served is unverified"},
		{
			Ask: settings, doc: "intune-deviceconfigv2-devicemanagementconfigurationpolicy-list?view=graph-rest-beta",
			beta: "policies of the settings catalogue are not in v1.0",
		},
	}
}
