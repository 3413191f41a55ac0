// SPDX-License-Identifier: Apache-2.0

package main

// equivalent is a policy of the initiative in Rego. The Rego leaves out what
// the type decides, as the type index does for ours, and treats input as
// Azure Policy does, except that names are as the objects spell them: text
// whatever its case, true as "true".
type equivalent struct {
	definition string // start of the definition's name
	typ        string
	rego       string
	// changes make further objects: "path=JSON" sets, "-path" deletes, a
	// semicolon separates several.
	changes []string
}

var equivalents = []equivalent{
	{
		"a1840de2", "Microsoft.ContainerService/managedClusters",
		`noncompliant if not monitored
monitored if lower(sprintf("%v", [input.properties.securityProfile.defender.securityMonitoring.enabled])) == "true"`,
		[]string{"properties.securityProfile.defender.securityMonitoring.enabled=false", "-properties.securityProfile.defender", "properties.securityProfile.defender.securityMonitoring.enabled=true"},
	},
	{
		"0a15ec92", "Microsoft.ContainerService/managedClusters",
		`noncompliant if object.get(input.properties, ["addonProfiles", "azurepolicy", "enabled"], null) == null
noncompliant if input.properties.addonProfiles.azurepolicy.enabled in {false, "false"}`,
		[]string{"properties.addonProfiles.azurepolicy.enabled=false", "-properties.addonProfiles", "properties.addonProfiles.azurepolicy.enabled=true"},
	},
	{
		"ac4a19c2", "Microsoft.ContainerService/managedClusters",
		`noncompliant if input.properties.enableRBAC in {false, "false"}`,
		[]string{"properties.enableRBAC=false", "-properties.enableRBAC", "properties.enableRBAC=true"},
	},
	{
		"564feb30", "Microsoft.Network/applicationGateways",
		`noncompliant if {
	object.get(input.properties, "webApplicationFirewallConfiguration", null) == null
	object.get(input.properties, "firewallPolicy", null) == null
}`,
		[]string{"-properties.firewallPolicy;-properties.webApplicationFirewallConfiguration", "properties.firewallPolicy.id=\"p\"", `-properties.firewallPolicy;properties.webApplicationFirewallConfiguration.enabled=true`},
	},
	{
		"0b60c0b2", "Microsoft.KeyVault/vaults",
		`recovering if lower(input.properties.createMode) == "recover"
noncompliant if {
	not recovering
	input.properties.enableSoftDelete in {false, "false"}
}
noncompliant if {
	not recovering
	object.get(input.properties, "enablePurgeProtection", null) == null
}
noncompliant if {
	not recovering
	input.properties.enablePurgeProtection in {false, "false"}
}`,
		[]string{"-properties.enablePurgeProtection", "properties.enableSoftDelete=false", `-properties.enablePurgeProtection;properties.createMode="Recover"`, "properties.enablePurgeProtection=false"},
	},
	{
		"1e66c121", "Microsoft.KeyVault/vaults",
		`recovering if lower(input.properties.createMode) == "recover"
noncompliant if {
	not recovering
	input.properties.enableSoftDelete in {false, "false"}
}
noncompliant if {
	not recovering
	object.get(input.properties, "enableSoftDelete", null) == null
}`,
		[]string{"-properties.enableSoftDelete", "properties.enableSoftDelete=false", `properties.enableSoftDelete=false;properties.createMode="recover"`},
	},
	{
		"22bee202", "Microsoft.Cache/Redis",
		`noncompliant if input.properties.enableNonSslPort in {true, "true"}`,
		[]string{"properties.enableNonSslPort=true", "properties.enableNonSslPort=false", "-properties.enableNonSslPort"},
	},
	{
		"a4af4a39", "Microsoft.Web/sites",
		`function if contains(lower(input.kind), "functionapp")
noncompliant if {
	not function
	object.get(input.properties, "httpsOnly", null) == null
}
noncompliant if {
	not function
	input.properties.httpsOnly in {false, "false"}
}`,
		[]string{"properties.httpsOnly=false", "-properties.httpsOnly", `properties.httpsOnly=false;kind="functionapp,linux"`, `properties.httpsOnly=false;-kind`},
	},
	{
		"6d555dd1", "Microsoft.Web/sites",
		`function if {
	kind := lower(input.kind)
	contains(kind, "functionapp")
	not contains(kind, "workflowapp")
	not contains(kind, "azurecontainerapps")
}
noncompliant if {
	function
	object.get(input.properties, "httpsOnly", null) == null
}
noncompliant if {
	function
	input.properties.httpsOnly in {false, "false"}
}`,
		[]string{`kind="functionapp,linux"`, `properties.httpsOnly=false;kind="functionapp"`, `-properties.httpsOnly;kind="FunctionApp"`, `properties.httpsOnly=false;kind="functionapp,workflowapp"`},
	},
	{
		"404c3081", "Microsoft.Storage/storageAccounts",
		`noncompliant if input.properties.supportsHttpsTrafficOnly in {false, "false"}`,
		[]string{"properties.supportsHttpsTrafficOnly=false", "-properties.supportsHttpsTrafficOnly"},
	},
	{
		"c9d007d0", "Microsoft.Storage/storageAccounts",
		`noncompliant if not contains(lower(input.properties.networkAcls.bypass), "azureservices")`,
		[]string{`properties.networkAcls.bypass="Logging, Metrics"`, `properties.networkAcls.bypass="None"`, `properties.networkAcls.bypass="Logging, azureservices"`},
	},
	{
		"06a78e20", "Microsoft.Compute/virtualMachines",
		`noncompliant if object.get(input.properties, ["storageProfile", "osDisk", "vhd", "uri"], null) != null`,
		[]string{`properties.storageProfile.osDisk.vhd.uri="https://example.com/a.vhd"`, `properties.storageProfile.osDisk.vhd.uri=null`},
	},
	{
		"97566dd7", "Microsoft.Compute/virtualMachines",
		`windows if startswith(lower(input.properties.storageProfile.imageReference.offer), "windows")
windows if startswith(lower(input.properties.storageProfile.osDisk.osType), "windows")
booted if input.properties.securityProfile.uefiSettings.secureBootEnabled in {true, "true"}
noncompliant if {
	windows
	lower(input.properties.securityProfile.securityType) in {"trustedlaunch", "confidentialvm"}
	object.get(input.properties, ["securityProfile", "uefiSettings"], null) != null
	not booted
}`,
		[]string{
			`properties.storageProfile.osDisk.osType="Windows"`, `properties.storageProfile.osDisk.osType="Windows";properties.securityProfile.uefiSettings.secureBootEnabled=false`,
			`properties.storageProfile.imageReference.offer="WindowsServer";-properties.securityProfile.uefiSettings.secureBootEnabled`,
			`properties.storageProfile.osDisk.osType="Windows";-properties.securityProfile.uefiSettings`,
		},
	},
	{
		"1c30f9cd", "Microsoft.Compute/virtualMachines",
		`measured if input.properties.securityProfile.uefiSettings.vTpmEnabled in {true, "true"}
noncompliant if {
	lower(input.properties.securityProfile.securityType) == "trustedlaunch"
	object.get(input.properties, ["securityProfile", "uefiSettings"], null) != null
	not measured
}`,
		[]string{"properties.securityProfile.uefiSettings.vTpmEnabled=false", "-properties.securityProfile.uefiSettings.vTpmEnabled", "-properties.securityProfile.uefiSettings", `properties.securityProfile.securityType="Standard"`},
	},
	{
		"5b9159ae", "Microsoft.ContainerRegistry/registries",
		`encrypted if lower(input.properties.encryption.status) == "enabled"
noncompliant if not encrypted`,
		[]string{`properties.encryption.status="enabled"`, `properties.encryption.status="disabled"`, `-properties.encryption`},
	},
	{
		"a451c1ef", "Microsoft.Authorization/roleDefinitions",
		`noncompliant if lower(input.properties.type) == "customrole"`,
		[]string{`properties.type="BuiltInRole"`, `properties.type="CustomRole"`, `-properties.type`},
	},
	{
		"1f905d99", "Microsoft.DocumentDB/databaseAccounts",
		`noncompliant if object.get(input.properties, "keyVaultKeyUri", null) == null`,
		[]string{`properties.keyVaultKeyUri="https://example.com/keys/k"`, `properties.keyVaultKeyUri=null`, `-properties.keyVaultKeyUri`},
	},
	{
		"ac01ad65", "Microsoft.Sql/managedInstances",
		`noncompliant if object.get(input.properties, "keyId", null) == null
noncompliant if input.properties.keyId == ""`,
		[]string{`properties.keyId="https://example.com/keys/k"`, `properties.keyId=""`, `-properties.keyId`},
	},
	{
		"c0e996f8", "Microsoft.Compute/virtualMachines/extensions",
		`approved if lower(input.properties.type) in {"azuremonitorlinuxagent", "azuremonitorwindowsagent", "azurepolicyforlinux"}
noncompliant if not approved`,
		[]string{`properties.type="CustomScript"`, `properties.type="azurePolicyForLinux"`, `-properties.type`},
	},
	{
		"6fac406b", "Microsoft.Storage/storageAccounts",
		`vaulted if lower(input.properties.encryption.keySource) == "microsoft.keyvault"
noncompliant if not vaulted`,
		[]string{`properties.encryption.keySource="Microsoft.Keyvault"`, `properties.encryption.keySource="Microsoft.Storage"`, `-properties.encryption`},
	},
}
