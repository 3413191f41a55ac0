// SPDX-License-Identifier: Apache-2.0

package power

import (
	"strings"

	"github.com/tickmark/tickmark/collect"
)

const (
	caller = "power/dataverseCallers"
	// Each environment's Dataverse is at its own address.
	ofEnvironment = "{properties.linkedEnvironmentMetadata.instanceApiUrl}/api/data/v9.2/"
	ofCaller      = "{^properties.linkedEnvironmentMetadata.instanceApiUrl}/api/data/v9.2/"
)

// table makes an ask for the rows of a table of Dataverse.
func table(name, about, doc, set, query, key string) collect.Ask {
	return collect.Ask{
		Name: name, About: about, Of: []string{caller}, Doc: data + doc, Host: collect.HostDataverse, Path: ofCaller + set, Query: query,
		Header: map[string]string{"Prefer": "odata.maxpagesize=500", "OData-Version": "4.0", "OData-MaxVersion": "4.0"},
		Paging: collect.PageODataLink, PageSize: 500, Identity: key, Entity: "power/" + camel(name), Needs: reader, Proof: "dataverse-privileges",
	}
}

// dataverseAsks read each environment's Dataverse. An environment in which the
// identity is no user is refused.
func dataverseAsks() []collect.Ask {
	tables := table("dataverse-tables", "which tables are audited", "webapi/query-metadata-web-api", "EntityDefinitions",
		"$select=LogicalName,SchemaName,EntitySetName,IsCustomEntity,IsAuditEnabled,IsRetrieveAuditEnabled,IsRetrieveMultipleAuditEnabled,OwnershipType",
		"MetadataId")
	tables.Paging, tables.PageSize, tables.Proof = collect.PageOne, 0, "" // definitions are the same for everybody
	return []collect.Ask{
		{
			Name: "dataverse-callers", About: "who asks, as each Dataverse knows the identity", Of: []string{"power/environments"}, Where: hasDatabase,
			Doc: data + "webapi/reference/whoami", Host: collect.HostDataverse, Path: ofEnvironment + "WhoAmI", Form: one, Identity: "UserId", Entity: caller, Needs: reader,
		},
		{
			Name: "dataverse-privileges", About: "what the identity may read, and how far", Of: []string{caller}, Doc: data + "webapi/reference/retrieveuserprivileges",
			Host: collect.HostDataverse, Path: ofCaller + "systemusers({UserId})/Microsoft.Dynamics.CRM.RetrieveUserPrivileges", Form: one, Identity: position,
			Entity: "power/dataversePrivileges", Shows: global, Needs: reader,
		},
		table("dataverse-organizations", "audit, session and firewall settings of each Dataverse", "reference/entities/organization", "organizations",
			"$select=organizationid,name,isauditenabled,isuseraccessauditenabled,isreadauditenabled,auditretentionperiodv2,enableipbasedfirewallrule,"+
				"enableipbasedfirewallruleinauditmode,sessiontimeoutenabled,sessiontimeoutinmins,inactivitytimeoutenabled,inactivitytimeoutinmins,blockedattachments",
			"organizationid"),
		table("security-roles", "security roles of each Dataverse", "reference/entities/role", "roles",
			"$select=roleid,name,ismanaged,modifiedon,_businessunitid_value,_parentrootroleid_value,_roletemplateid_value", "roleid"),
		table("system-users", "users of each Dataverse with the roles given to them", "reference/entities/systemuser", "systemusers",
			"$select=systemuserid,fullname,domainname,azureactivedirectoryobjectid,applicationid,isdisabled,accessmode,createdon,modifiedon,_businessunitid_value"+
				"&$expand=systemuserroles_association($select=roleid,name)", "systemuserid"),
		table("teams", "teams of each Dataverse with their roles and members", "reference/entities/team", "teams",
			"$select=teamid,name,teamtype,membershiptype,azureactivedirectoryobjectid,_businessunitid_value"+
				"&$expand=teamroles_association($select=roleid,name),teammembership_association($select=systemuserid)", "teamid"),
		table("column-security-profiles", "who may read and write protected columns", "reference/entities/fieldsecurityprofile", "fieldsecurityprofiles",
			"$select=fieldsecurityprofileid,name,ismanaged&$expand=systemuserprofiles_association($select=systemuserid),teamprofiles_association($select=teamid)",
			"fieldsecurityprofileid"),
		// Category 5 is cloud flows. Those that were made outside a solution, before
		// Dataverse kept them, are not here; the service that had them documents no
		// way for an application to list them.
		table("flows", "cloud flows that Dataverse keeps, with owner and state", "reference/entities/workflow", "workflows",
			"$select=workflowid,name,category,statecode,statuscode,createdon,modifiedon,_ownerid_value,_modifiedby_value&$filter=category eq 5", "workflowid"),
		tables,
	}
}

// camel turns the name of an ask into that of its records.
func camel(name string) string {
	words := strings.Split(name, "-")
	for i, w := range words[1:] {
		words[i+1] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, "")
}
