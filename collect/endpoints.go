// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/tickmark/tickmark"
)

// address is a host's base URL, or the suffix (".vault.azure.net") below which
// its hosts lie, and for whom a token is.
type address struct {
	url, audience string
	// doc is where it is documented; "unverified" where that was not found.
	doc string
}

// The documents that the tables cite.
const (
	docClouds     = "learn.microsoft.com/azure/azure-government/compare-azure-government-global-azure; github.com/Azure/azure-powershell AzureEnvironmentConstants"
	docGraph      = "learn.microsoft.com/graph/deployments"
	docDevOps     = "learn.microsoft.com/azure/devops/organizations/security/allow-list-ip-url"
	docGitHub     = "docs.github.com/rest"
	docPowerGov   = "learn.microsoft.com/power-platform/admin/powerapps-us-government"
	docUnverified = "unverified"
)

const audienceDevOps = "499b84ac-1321-427f-aa17-267ca6975798"

// azureClouds are the hosts of each Azure cloud; azure-realities 14.
var azureClouds = map[string]struct {
	authority string
	hosts     map[Host]address
}{
	"public": {"https://login.microsoftonline.com/", map[Host]address{
		HostARM:          {"https://management.azure.com", "https://management.azure.com", docClouds},
		HostLogAnalytics: {"https://api.loganalytics.io", "https://api.loganalytics.io", docClouds},
		HostVault:        {".vault.azure.net", "https://vault.azure.net", docClouds},
		HostBlob:         {".blob.core.windows.net", "https://storage.azure.com", docClouds},
	}},
	"usGovernment": {"https://login.microsoftonline.us/", map[Host]address{
		HostARM:          {"https://management.usgovcloudapi.net", "https://management.usgovcloudapi.net", docClouds},
		HostLogAnalytics: {"https://api.loganalytics.us", "https://api.loganalytics.us", docClouds},
		HostVault:        {".vault.usgovcloudapi.net", "https://vault.usgovcloudapi.net", docClouds},
		HostBlob:         {".blob.core.usgovcloudapi.net", "https://storage.azure.com", docClouds},
	}},
	"china": {"https://login.chinacloudapi.cn/", map[Host]address{
		HostARM:          {"https://management.chinacloudapi.cn", "https://management.chinacloudapi.cn", docClouds},
		HostLogAnalytics: {"https://api.loganalytics.azure.cn", "https://api.loganalytics.azure.cn", docUnverified},
		HostVault:        {".vault.azure.cn", "https://vault.azure.cn", docClouds},
		HostBlob:         {".blob.core.chinacloudapi.cn", "https://storage.azure.com", docClouds},
	}},
}

// devOps are Azure DevOps and GitHub, which exist in the commercial cloud only.
var devOps = map[Host]address{
	HostDevOps:             {"https://dev.azure.com", audienceDevOps, docDevOps},
	HostDevOpsGraph:        {"https://vssps.dev.azure.com", audienceDevOps, docDevOps},
	HostDevOpsAudit:        {"https://auditservice.dev.azure.com", audienceDevOps, docDevOps},
	HostDevOpsRelease:      {"https://vsrm.dev.azure.com", audienceDevOps, docDevOps},
	HostDevOpsEntitlements: {"https://vsaex.dev.azure.com", audienceDevOps, docDevOps},
	HostGitHub:             {"https://api.github.com", "", docGitHub},
}

// The audience of the administration of Power Platform.
const audiencePower = "https://service.powerapps.com/"

// microsoft365 are the hosts of each Microsoft 365 environment. China has its
// own, which goes with the Azure cloud there.
var microsoft365 = map[string]map[Host]address{
	"commercial": {
		HostGraph:     {"https://graph.microsoft.com", "https://graph.microsoft.com", docGraph},
		HostPower:     {"https://api.bap.microsoft.com", audiencePower, docUnverified},
		HostPowerAPI:  {"https://api.powerplatform.com", "https://api.powerplatform.com", docUnverified},
		HostDataverse: {".dynamics.com", "", docUnverified},
	},
	"gcc": {
		HostGraph:     {"https://graph.microsoft.com", "https://graph.microsoft.com", docGraph},
		HostPower:     {"https://gov.api.bap.microsoft.us", "https://gov.service.powerapps.us/", docPowerGov + " (unverified)"},
		HostPowerAPI:  {"https://api.gov.powerplatform.microsoft.us", "https://api.gov.powerplatform.microsoft.us", docUnverified},
		HostDataverse: {".crm9.dynamics.com", "", docPowerGov + " (unverified)"},
	},
	"gccHigh": {
		HostGraph:     {"https://graph.microsoft.us", "https://graph.microsoft.us", docGraph},
		HostPower:     {"https://high.api.bap.microsoft.us", "https://high.service.powerapps.us/", docPowerGov + " (unverified)"},
		HostPowerAPI:  {"https://api.high.powerplatform.microsoft.us", "https://api.high.powerplatform.microsoft.us", docUnverified},
		HostDataverse: {".crm.microsoftdynamics.us", "", docPowerGov + " (unverified)"},
	},
	"dod": {
		HostGraph:     {"https://dod-graph.microsoft.us", "https://dod-graph.microsoft.us", docGraph},
		HostPower:     {"https://api.bap.appsplatform.us", "https://service.apps.appsplatform.us/", docPowerGov + " (unverified)"},
		HostPowerAPI:  {"https://api.appsplatform.us", "https://api.appsplatform.us", docUnverified},
		HostDataverse: {".crm.appsplatform.us", "", docPowerGov + " (unverified)"},
	},
	"china": {
		HostGraph:     {"https://microsoftgraph.chinacloudapi.cn", "https://microsoftgraph.chinacloudapi.cn", docGraph},
		HostPower:     {"https://api.bap.partner.microsoftonline.cn", "https://service.powerapps.cn/", docUnverified},
		HostPowerAPI:  {"https://api.powerplatform.partner.microsoftonline.cn", "https://api.powerplatform.partner.microsoftonline.cn", docUnverified},
		HostDataverse: {".crm.dynamics.cn", "", docUnverified},
	},
}

// EndpointsOf returns Microsoft's own hosts for an Azure cloud (public,
// usGovernment, china) and a Microsoft 365 environment (commercial, gcc,
// gccHigh, dod). Empty words are public and commercial.
func EndpointsOf(cloud, m365 string) (Endpoints, error) {
	if cloud == "" {
		cloud = "public"
	}
	if m365 == "" {
		m365 = "commercial"
	}
	e := Endpoints{Cloud: cloud, Microsoft365: m365, URL: map[Host]string{}, Audience: map[Host]string{}, Live: true}
	azure, ok := azureClouds[cloud]
	if !ok {
		return Endpoints{}, usage("cloud", fmt.Sprintf("there is no Azure cloud %q", cloud), "use one of "+words(azureClouds))
	}
	office, ok := microsoft365[m365]
	if !ok || m365 == "china" {
		return Endpoints{}, usage("microsoft365", fmt.Sprintf("there is no Microsoft 365 environment %q", m365), "use commercial, gcc, gccHigh or dod")
	}
	if cloud == "china" {
		office = microsoft365["china"]
	}
	e.Authority = azure.authority
	all := []map[Host]address{azure.hosts, office}
	if cloud == "public" {
		all = append(all, devOps)
	} else {
		all = append(all, map[Host]address{HostGitHub: devOps[HostGitHub]})
	}
	for _, hosts := range all {
		for h, a := range hosts {
			e.URL[h] = a.url
			if a.audience != "" {
				e.Audience[h] = a.audience
			}
		}
	}
	return e, nil
}

func words[V any](m map[string]V) string {
	return strings.Join(slices.Sorted(maps.Keys(m)), ", ")
}

// LoadEndpoints reads endpoints from a file: those of a simulator. They count
// as live only if every one is Microsoft's own.
func LoadEndpoints(file string) (Endpoints, error) {
	b, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		return Endpoints{}, &tickmark.Error{Code: tickmark.CodeUsage, Where: file, What: "the endpoints cannot be read", Err: err}
	}
	return ParseEndpoints(file, b)
}

// ParseEndpoints reads the text of such a file.
func ParseEndpoints(name string, b []byte) (Endpoints, error) {
	var doc struct {
		Cloud        string          `json:"cloud"`
		Microsoft365 string          `json:"microsoft365"`
		TenantID     string          `json:"tenantId"`
		Authority    string          `json:"authority"`
		URLs         map[Host]string `json:"urls"`
		Audiences    map[Host]string `json:"audiences"`
		CAPEM        string          `json:"caPEM"`
	}
	bad := func(what string, err error) (Endpoints, error) {
		return Endpoints{}, &tickmark.Error{Code: tickmark.CodeUsage, Where: name, What: what, Err: err, Hint: "write the file with tickmark sim"}
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return bad("the endpoints are not JSON", err)
	}
	own, err := EndpointsOf(doc.Cloud, doc.Microsoft365)
	if err != nil {
		return Endpoints{}, err
	}
	e := Endpoints{
		Cloud: own.Cloud, Microsoft365: own.Microsoft365, TenantID: doc.TenantID, Authority: doc.Authority,
		URL: map[Host]string{}, Audience: map[Host]string{}, Live: len(doc.URLs) > 0,
	}
	for h, u := range doc.URLs {
		if strings.HasPrefix(u, ".") {
			e.URL[h] = u
		} else if p, err := url.Parse(u); err != nil || p.Scheme != "https" || p.Host == "" || p.User != nil || p.RawQuery != "" {
			return bad(fmt.Sprintf("the address of %s is not a plain https URL", h), err)
		}
		e.URL[h] = u
		e.Live = e.Live && own.URL[h] == u
		if a := doc.Audiences[h]; a != "" {
			e.Audience[h] = a
			e.Live = e.Live && own.Audience[h] == a
		}
	}
	e.Live = e.Live && doc.CAPEM == "" && (doc.Authority == "" || doc.Authority == own.Authority)
	if e.Live && e.Authority == "" {
		e.Authority = own.Authority
	}
	if doc.CAPEM != "" {
		e.roots = x509.NewCertPool()
		if !e.roots.AppendCertsFromPEM([]byte(doc.CAPEM)) {
			return bad("caPEM holds no certificate", nil)
		}
	}
	return e, nil
}
