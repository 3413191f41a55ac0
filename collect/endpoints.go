// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/tickmark/tickmark"
)

// The places of sign-in (authorities): one for each instance of Microsoft
// Entra, and a tenant is in exactly one of them.
const (
	authorityPublic       = "https://login.microsoftonline.com/"
	authorityUSGovernment = "https://login.microsoftonline.us/"
	authorityChina        = "https://login.chinacloudapi.cn/"
)

// issuers are the hosts that tokens of an authority name as their issuer
// (learn.microsoft.com/entra/identity-platform/authentication-national-cloud;
// learn.microsoft.com/answers/questions/1190472). Version 1 has one for two.
var issuers = map[string][]string{
	authorityPublic:       {"sts.windows.net", "login.microsoftonline.com"},
	authorityUSGovernment: {"sts.windows.net", "login.microsoftonline.us"},
	authorityChina:        {"sts.chinacloudapi.cn", "login.partner.microsoftonline.cn", "login.chinacloudapi.cn"},
}

// deployment is a group of hosts that take the tokens of one authority; "" is
// a sign-in of its own.
type deployment struct {
	authority string
	hosts     map[Host]address
}

// azureCloud is the deployment of an Azure cloud: its subscriptions trust
// directories of their own authority only (docTenants).
type azureCloud struct {
	deployment
	// microsoft365 is the environment that is meant where none is named.
	microsoft365 string
	// cli is the cloud's name in az, location one of its regions.
	cli, location string
}

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
	docTenants    = "learn.microsoft.com/azure/azure-government/documentation-government-plan-identity"
	docDevOps     = "learn.microsoft.com/azure/devops/organizations/security/allow-list-ip-url"
	docGitHub     = "docs.github.com/rest"
	docPowerGov   = "learn.microsoft.com/power-platform/admin/powerapps-us-government"
	docPowerAuth  = "github.com/microsoft/coe-starter-kit Microsoft.PowerApps.AuthModule.psm1"
	docUnverified = "unverified"
)

const audienceDevOps = "499b84ac-1321-427f-aa17-267ca6975798"

// azureClouds are the hosts of each Azure cloud, and what goes with it.
var azureClouds = map[string]azureCloud{
	"public": {microsoft365: "commercial", cli: "AzureCloud", location: "westeurope", deployment: deployment{authorityPublic, map[Host]address{
		HostARM:          {"https://management.azure.com", "https://management.azure.com", docClouds},
		HostLogAnalytics: {"https://api.loganalytics.io", "https://api.loganalytics.io", docClouds},
		HostVault:        {".vault.azure.net", "https://vault.azure.net", docClouds},
		HostBlob:         {".blob.core.windows.net", "https://storage.azure.com", docClouds},
	}}},
	"usGovernment": {microsoft365: "gccHigh", cli: "AzureUSGovernment", location: "usgovvirginia", deployment: deployment{authorityUSGovernment, map[Host]address{
		HostARM:          {"https://management.usgovcloudapi.net", "https://management.usgovcloudapi.net", docClouds},
		HostLogAnalytics: {"https://api.loganalytics.us", "https://api.loganalytics.us", docClouds},
		HostVault:        {".vault.usgovcloudapi.net", "https://vault.usgovcloudapi.net", docClouds},
		HostBlob:         {".blob.core.usgovcloudapi.net", "https://storage.azure.com", docClouds},
	}}},
	"china": {microsoft365: "china", cli: "AzureChinaCloud", location: "chinanorth3", deployment: deployment{authorityChina, map[Host]address{
		HostARM:          {"https://management.chinacloudapi.cn", "https://management.chinacloudapi.cn", docClouds},
		HostLogAnalytics: {"https://api.loganalytics.azure.cn", "https://api.loganalytics.azure.cn", docUnverified},
		HostVault:        {".vault.azure.cn", "https://vault.azure.cn", docClouds},
		HostBlob:         {".blob.core.chinacloudapi.cn", "https://storage.azure.com", docClouds},
	}}},
}

// devOps is Azure DevOps Services. It is not offered in Azure Government
// (learn.microsoft.com/azure/azure-government/connect-with-azure-pipelines), nor
// in China (unverified); the questions say so, too.
var devOps = deployment{authorityPublic, map[Host]address{
	HostDevOps:             {"https://dev.azure.com", audienceDevOps, docDevOps},
	HostDevOpsGraph:        {"https://vssps.dev.azure.com", audienceDevOps, docDevOps},
	HostDevOpsAudit:        {"https://auditservice.dev.azure.com", audienceDevOps, docDevOps},
	HostDevOpsRelease:      {"https://vsrm.dev.azure.com", audienceDevOps, docDevOps},
	HostDevOpsEntitlements: {"https://vsaex.dev.azure.com", audienceDevOps, docDevOps},
}}

// gitHub signs in by itself, so that it goes with every cloud.
var gitHub = deployment{"", map[Host]address{HostGitHub: {"https://api.github.com", "", docGitHub}}}

// The audience of the administration of Power Platform.
const audiencePower = "https://service.powerapps.com/"

// microsoft365 are the hosts of each Microsoft 365 environment. Its Graph and
// its authority go together (docGraph), and Power Platform with them
// (docPowerAuth); GCC is in the public instance.
var microsoft365 = map[string]deployment{
	"commercial": {authorityPublic, map[Host]address{
		HostGraph:     {"https://graph.microsoft.com", "https://graph.microsoft.com", docGraph},
		HostPower:     {"https://api.bap.microsoft.com", audiencePower, docPowerAuth},
		HostPowerAPI:  {"https://api.powerplatform.com", "https://api.powerplatform.com", docUnverified},
		HostDataverse: {".dynamics.com", "", docUnverified},
	}},
	"gcc": {authorityPublic, map[Host]address{
		HostGraph:     {"https://graph.microsoft.com", "https://graph.microsoft.com", docGraph},
		HostPower:     {"https://gov.api.bap.microsoft.us", "https://gov.service.powerapps.us/", docPowerAuth},
		HostPowerAPI:  {"https://api.gov.powerplatform.microsoft.us", "https://api.gov.powerplatform.microsoft.us", docUnverified},
		HostDataverse: {".crm9.dynamics.com", "", docPowerGov + " (unverified)"},
	}},
	"gccHigh": {authorityUSGovernment, map[Host]address{
		HostGraph:     {"https://graph.microsoft.us", "https://graph.microsoft.us", docGraph},
		HostPower:     {"https://high.api.bap.microsoft.us", "https://high.service.powerapps.us/", docPowerAuth},
		HostPowerAPI:  {"https://api.high.powerplatform.microsoft.us", "https://api.high.powerplatform.microsoft.us", docUnverified},
		HostDataverse: {".crm.microsoftdynamics.us", "", docPowerGov + " (unverified)"},
	}},
	"dod": {authorityUSGovernment, map[Host]address{
		HostGraph:     {"https://dod-graph.microsoft.us", "https://dod-graph.microsoft.us", docGraph},
		HostPower:     {"https://api.bap.appsplatform.us", "https://service.apps.appsplatform.us/", docPowerAuth},
		HostPowerAPI:  {"https://api.appsplatform.us", "https://api.appsplatform.us", docUnverified},
		HostDataverse: {".crm.appsplatform.us", "", docPowerGov + " (unverified)"},
	}},
	"china": {authorityChina, map[Host]address{
		HostGraph:     {"https://microsoftgraph.chinacloudapi.cn", "https://microsoftgraph.chinacloudapi.cn", docGraph},
		HostPower:     {"https://api.bap.partner.microsoftonline.cn", "https://service.powerapps.cn/", docPowerAuth},
		HostPowerAPI:  {"https://api.powerplatform.partner.microsoftonline.cn", "https://api.powerplatform.partner.microsoftonline.cn", docUnverified},
		HostDataverse: {".crm.dynamics.cn", "", docUnverified},
	}},
}

// EndpointsOf returns Microsoft's own hosts for an Azure cloud (public,
// usGovernment, china) and a Microsoft 365 environment (commercial, gcc,
// gccHigh, dod, china). An empty cloud is public; an empty environment is the
// one that is usual with the cloud. A pair that no tenant can have is refused:
// role assignments of one directory would be held against people of another.
func EndpointsOf(cloud, m365 string) (Endpoints, error) {
	if cloud == "" {
		cloud = "public"
	}
	azure, ok := azureClouds[cloud]
	if !ok {
		return Endpoints{}, usage("cloud", fmt.Sprintf("there is no Azure cloud %q", cloud), "use one of "+words(azureClouds))
	}
	if m365 == "" {
		m365 = azure.microsoft365
	}
	office, ok := microsoft365[m365]
	if !ok {
		return Endpoints{}, usage("microsoft365", fmt.Sprintf("there is no Microsoft 365 environment %q", m365), "use one of "+words(microsoft365))
	}
	if office.authority != azure.authority {
		return Endpoints{}, twoTenants(cloud, m365)
	}
	e := Endpoints{Cloud: cloud, Microsoft365: m365, Authority: azure.authority, URL: map[Host]string{}, Audience: map[Host]string{}, Live: true}
	for _, d := range []deployment{azure.deployment, office, devOps, gitHub} {
		if d.authority != "" && d.authority != e.Authority {
			continue // not offered in this cloud
		}
		for h, a := range d.hosts {
			e.URL[h] = a.url
			if a.audience != "" {
				e.Audience[h] = a.audience
			}
		}
	}
	return e, nil
}

// twoTenants says why a cloud and an environment are not those of one tenant,
// and which are.
func twoTenants(cloud, m365 string) error {
	azure, office := azureClouds[cloud].authority, microsoft365[m365].authority
	var with, of []string
	for _, w := range slices.Sorted(maps.Keys(microsoft365)) {
		if microsoft365[w].authority == azure {
			with = append(with, w)
		}
	}
	for _, w := range slices.Sorted(maps.Keys(azureClouds)) {
		if azureClouds[w].authority == office {
			of = append(of, w)
		}
	}
	return usage("--cloud "+cloud+" --m365 "+m365,
		fmt.Sprintf("no tenant has both: Azure %s trusts directories of %s only, and Microsoft 365 %s has its directory at %s", cloud, hostOf(azure), m365, hostOf(office)),
		fmt.Sprintf("--cloud %s goes with --m365 %s, and --m365 %s with --cloud %s; who has both has two tenants: collect each by itself, with its own --tenant (%s; %s)",
			cloud, strings.Join(with, " or "), m365, strings.Join(of, " or "), docGraph, docTenants))
}

// AzureCLI returns the name by which az knows an Azure cloud (az cloud set
// --name), and the name of a region there; empty for an unknown cloud.
func AzureCLI(cloud string) (name, location string) {
	return azureClouds[cloud].cli, azureClouds[cloud].location
}

func hostOf(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Host
	}
	return address
}

// own are Microsoft's hosts, and suffixes below which they lie, with the
// authority whose tokens they take. "" stands for several.
var own = sync.OnceValue(func() map[string]string {
	out := map[string]string{}
	put := func(host, authority string) {
		if was, ok := out[host]; ok && was != authority {
			authority = "" // the audience of storage is the same everywhere
		}
		out[host] = authority
	}
	all := []deployment{devOps}
	for _, c := range azureClouds {
		all = append(all, c.deployment)
	}
	all = slices.AppendSeq(all, maps.Values(microsoft365))
	for _, d := range all {
		for _, a := range d.hosts {
			put(hostOf(a.url), d.authority)
			put(hostOf(a.audience), d.authority)
		}
	}
	delete(out, "") // the environments of Dataverse are each their own audience
	return out
})

// authorityOf returns the authority whose tokens Microsoft's host takes; known
// says whether it is Microsoft's at all.
func authorityOf(address string) (authority string, known bool) {
	host, _, _ := strings.Cut(strings.ToLower(hostOf(address)), ":")
	for {
		if a, ok := own()[host]; ok {
			return a, true
		}
		i := strings.IndexByte(strings.TrimPrefix(host, "."), '.')
		if i < 0 {
			return "", false
		}
		host = strings.TrimPrefix(host, ".")[i:]
	}
}

// pinned refuses endpoints whose tokens would go to hosts of another authority,
// or from Microsoft's to a stranger.
func (e *Endpoints) pinned() error {
	_, microsofts := issuers[e.Authority]
	for _, h := range slices.Sorted(maps.Keys(e.URL)) {
		if h == HostGitHub {
			continue
		}
		switch a, known := authorityOf(e.URL[h]); {
		case known && a != "" && a != e.Authority:
			return usage("address of "+string(h), fmt.Sprintf("%s takes tokens of %s, and the sign-in is at %s", hostOf(e.URL[h]), hostOf(a), hostOf(e.Authority)),
				"take --cloud and --m365 of one tenant; addresses of a simulator go with its own sign-in")
		case !known && microsofts:
			return usage("address of "+string(h), fmt.Sprintf("a token of %s would go to %s, which is not Microsoft's", hostOf(e.Authority), hostOf(e.URL[h])),
				"a file of addresses names its own place of sign-in; tickmark sim writes one")
		}
	}
	return nil
}

// authorityOnly sends what proves an identity to the authority and to nobody
// else, whatever a redirect or the authority's own description of itself says.
type authorityOnly struct {
	authority string
	next      http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *authorityOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	if u, err := url.Parse(t.authority); err == nil && origin(u) == origin(r.URL) {
		return t.next.RoundTrip(r)
	}
	// Microsoft's have a second name in China, which their descriptions use.
	if r.URL.Scheme == "https" && r.URL.Port() == "" && slices.Contains(issuers[t.authority], r.URL.Hostname()) {
		return t.next.RoundTrip(r)
	}
	return nil, fmt.Errorf("the sign-in of %s leads to %s: nothing is sent there", hostOf(t.authority), r.URL.Host)
}

// CloseIdleConnections passes on what http.Client asks.
func (t *authorityOnly) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// foreign refuses a token that another authority, or another tenant, gave out:
// az and a managed identity sign in where they stand, not where they are told.
func (e *Endpoints) foreign(token, tenant string) error {
	var claims struct {
		Issuer string `json:"iss"`
		Tenant string `json:"tid"`
	}
	if part := strings.Split(token, "."); len(part) == 3 {
		if b, err := base64.RawURLEncoding.DecodeString(part[1]); err == nil {
			_ = json.Unmarshal(b, &claims) // what is not readable names nobody
		}
	}
	from := hostOf(claims.Issuer)
	mine, microsofts := issuers[e.Authority]
	other := false
	for a, list := range issuers {
		other = other || a != e.Authority && slices.Contains(list, from)
	}
	switch {
	case !microsofts && from != hostOf(e.Authority), other && !slices.Contains(mine, from):
		return usage("sign-in", fmt.Sprintf("the token is of %s, and these hosts take those of %s", orElse(from, "an issuer that it does not name"), hostOf(e.Authority)), elsewhere(e.Authority))
	case isGUID(tenant) && claims.Tenant != "" && !strings.EqualFold(tenant, claims.Tenant):
		return usage("sign-in", fmt.Sprintf("the token is of tenant %s, not of %s", claims.Tenant, tenant), "look at --tenant; a managed identity is of the tenant of its own subscription")
	}
	return nil
}

// elsewhere says what to do where a sign-in does not follow the chosen cloud.
func elsewhere(authority string) string {
	for _, c := range azureClouds {
		if c.authority == authority {
			return "az cloud set --name " + c.cli + ", then az login; a managed identity is of the cloud that its machine is in"
		}
	}
	return "a simulator is read with its own sign-in: --auth sim"
}

func isGUID(s string) bool {
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	return err == nil && len(b) == 16 && len(s) == 36
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
		Clock        *SimulatedClock `json:"clock"`
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
	if c := doc.Clock; c != nil {
		if c.At.IsZero() || c.Shows.IsZero() || c.Rate < 0 || c.Rate > 1e6 {
			return bad("the clock wants at and shows (instants), and a rate of 0 to 1000000", nil)
		}
		if e.Live {
			return bad("Microsoft's own hosts have no simulated clock", nil)
		}
		e.Clock = c
	}
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
