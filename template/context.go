// SPDX-License-Identifier: Apache-2.0

package template

import (
	"strings"

	"github.com/tickmark/tickmark/armexpr"
)

// context answers the functions that describe where the template is deployed.
func (w *view) context(name string) (armexpr.Value, error) {
	s := w.f.scope
	switch name {
	case "resourcegroup":
		return w.resourceGroup(s), nil
	case "subscription":
		s.level = subscriptionLevel
		return armexpr.ObjectValue([]armexpr.Member{
			w.fact("id", s.prefix(), s.subscriptionKnown, "subscription().id"),
			w.fact("subscriptionId", s.subscription, s.subscriptionKnown, "subscription().subscriptionId"),
			w.fact("tenantId", w.f.x.o.TenantID, w.f.x.o.TenantID != "", "subscription().tenantId"),
			w.fact("displayName", "", false, "subscription().displayName"),
			w.fact("authorizationSource", "", false, "subscription().authorizationSource"),
		}), nil
	case "tenant":
		return armexpr.ObjectValue([]armexpr.Member{
			w.fact("tenantId", w.f.x.o.TenantID, w.f.x.o.TenantID != "", "tenant().tenantId"),
			w.fact("id", "/tenants/"+w.f.x.o.TenantID, w.f.x.o.TenantID != "", "tenant().id"),
			w.fact("displayName", "", false, "tenant().displayName"),
			w.fact("countryCode", "", false, "tenant().countryCode"),
		}), nil
	case "managementgroup":
		s.level = managementLevel
		return armexpr.ObjectValue([]armexpr.Member{
			w.fact("id", s.prefix(), s.mgKnown, "managementGroup().id"),
			w.fact("name", s.management, s.mgKnown, "managementGroup().name"),
			{Name: "type", Value: armexpr.StringValue("Microsoft.Management/managementGroups")},
			{Name: "properties", Value: unknown("managementGroup().properties")},
		}), nil
	case "deployment":
		return w.deployment(), nil
	}
	if c, ok := clouds[strings.ToLower(w.f.x.o.Cloud)]; ok {
		return c, nil
	}
	return unknown("environment()"), nil
}

// fact is a member that is known, or unobserved; its text then stands in.
func (w *view) fact(name, text string, known bool, what string) armexpr.Member {
	v := unknown(what)
	if known || w.standIn && text != "" {
		v = armexpr.StringValue(text)
	} else if w.standIn {
		v = armexpr.StringValue("{" + name + "}")
	}
	return armexpr.Member{Name: name, Value: v}
}

func (w *view) resourceGroup(s scope) armexpr.Value {
	s.level = groupLevel
	location := w.f.x.o.Location
	if s.foreign {
		location = ""
	}
	return armexpr.ObjectValue([]armexpr.Member{
		w.fact("id", s.prefix(), s.known(), "resourceGroup().id"),
		w.fact("name", s.group, s.groupKnown, "resourceGroup().name"),
		{Name: "type", Value: armexpr.StringValue("Microsoft.Resources/resourceGroups")},
		w.fact("location", location, location != "", "resourceGroup().location"),
		w.fact("managedBy", "", false, "resourceGroup().managedBy"),
		{Name: "tags", Value: unknown("resourceGroup().tags")},
		{Name: "properties", Value: armexpr.ObjectValue([]armexpr.Member{{Name: "provisioningState", Value: armexpr.StringValue("Succeeded")}})},
	})
}

// linkBase is the address that deployment().properties.templateLink.uri stands
// for, so that linked templates are found beside the template.
const linkBase = "tickmark://template/"

func (w *view) deployment() armexpr.Value {
	name := w.f.deployment
	if name.Kind() == armexpr.Unobserved && w.standIn {
		name = armexpr.StringValue("{deployment}")
	}
	location := w.f.x.o.Location
	if w.f.depth > 0 {
		location = ""
	}
	link := unknown("deployment().properties.templateLink")
	if w.standIn {
		link = armexpr.ObjectValue([]armexpr.Member{{Name: "uri", Value: armexpr.StringValue(linkBase + w.f.doc.path)}, {Name: "id", Value: armexpr.StringValue("{templateSpec}")}})
	}
	return armexpr.ObjectValue([]armexpr.Member{
		{Name: "name", Value: name},
		w.fact("id", "", false, "deployment().id"),
		w.fact("location", location, location != "", "deployment().location"),
		{Name: "properties", Value: armexpr.OpenObjectValue([]armexpr.Member{
			{Name: "templateLink", Value: link},
			{Name: "template", Value: armexpr.OpenObjectValue([]armexpr.Member{{Name: "contentVersion", Value: armexpr.FromTape(w.f.root.Get("contentVersion"))}}, planTime+":deployment().properties.template")},
		}, planTime+":deployment().properties")},
	})
}

// clouds are the environments that Microsoft documents for environment().
// https://learn.microsoft.com/azure/azure-resource-manager/templates/template-functions-deployment#environment
var clouds = map[string]armexpr.Value{"azurecloud": armexpr.OpenObjectValue([]armexpr.Member{
	text("name", "AzureCloud"),
	text("gallery", "https://gallery.azure.com/"),
	text("graph", "https://graph.windows.net/"),
	text("portal", "https://portal.azure.com"),
	text("graphAudience", "https://graph.windows.net/"),
	text("activeDirectoryDataLake", "https://datalake.azure.net/"),
	text("batch", "https://batch.core.windows.net/"),
	text("media", "https://rest.media.azure.net"),
	text("sqlManagement", "https://management.core.windows.net:8443/"),
	text("resourceManager", "https://management.azure.com/"),
	{Name: "authentication", Value: armexpr.ObjectValue([]armexpr.Member{
		text("loginEndpoint", "https://login.microsoftonline.com/"),
		{Name: "audiences", Value: armexpr.ArrayValue([]armexpr.Value{
			armexpr.StringValue("https://management.core.windows.net/"), armexpr.StringValue("https://management.azure.com/"),
		})},
		text("tenant", "common"), text("identityProvider", "AAD"),
	})},
	{Name: "suffixes", Value: armexpr.OpenObjectValue([]armexpr.Member{
		text("acrLoginServer", ".azurecr.io"),
		text("azureDatalakeAnalyticsCatalogAndJob", "azuredatalakeanalytics.net"),
		text("azureDatalakeStoreFileSystem", "azuredatalakestore.net"),
		text("azureFrontDoorEndpointSuffix", "azurefd.net"),
		text("keyvaultDns", ".vault.azure.net"),
		text("sqlServerHostname", ".database.windows.net"),
		text("storage", "core.windows.net"),
	}, planTime+":environment().suffixes")},
}, planTime+":environment()")}

func text(name, value string) armexpr.Member {
	return armexpr.Member{Name: name, Value: armexpr.StringValue(value)}
}
