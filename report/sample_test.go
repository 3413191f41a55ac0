// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
)

// sampleCriteria are the 61 codes with titles in our own words.
const sampleCriteria = `
CC1.1|security|Ethics and integrity are lived, not just written
CC1.2|security|Board-level oversight that is independent of management
CC1.3|security|Org structure, reporting lines and delegated authority
CC1.4|security|Hiring, growing and keeping competent people
CC1.5|security|People answer for their control duties
CC2.1|security|Good-quality information feeds the controls (assets, data flows, IPE)
CC2.2|security|Control duties and objectives told to staff
CC2.3|security|Commitments and control matters told to outsiders
CC3.1|security|Objectives stated clearly enough to assess risk against
CC3.2|security|Risks found, analysed and given a treatment
CC3.3|security|Fraud considered in the risk assessment
CC3.4|security|Big changes assessed for effect on controls
CC4.1|security|Ongoing and separate checks that controls work
CC4.2|security|Deficiencies reported and fixed in time
CC5.1|security|Control activities chosen to bring risk down
CC5.2|security|General IT controls chosen and built
CC5.3|security|Policies and procedures put controls into practice
CC6.1|security|Logical access architecture guards protected assets
CC6.2|security|Users registered and authorised before access; removed after
CC6.3|security|Role-based access, least privilege, duty separation, reviews
CC6.4|security|Physical access to facilities and media limited
CC6.5|security|Assets protected until data on them is unrecoverable
CC6.6|security|Boundary defences against outside threats
CC6.7|security|Movement and transmission of data restricted and protected
CC6.8|security|Unauthorised or malicious software prevented or caught
CC7.1|security|Config drift and new vulnerabilities detected
CC7.2|security|Systems watched for anomalies and analysed
CC7.3|security|Security events triaged: is it an incident?
CC7.4|security|Incident response executed by a defined programme
CC7.5|security|Recovery from incidents and lessons applied
CC8.1|security|Changes authorised, designed, tested, approved, deployed
CC9.1|security|Business-disruption risks mitigated
CC9.2|security|Vendor and partner risks assessed and managed
A1.1|availability|Capacity and usage measured and planned
A1.2|availability|Environmental protection, backup and recovery infrastructure run
A1.3|availability|Recovery plans tested
PI1.1|processingIntegrity|Processing specs and data definitions known and communicated
PI1.2|processingIntegrity|Inputs complete, accurate and authorised
PI1.3|processingIntegrity|Processing runs to specification; errors handled
PI1.4|processingIntegrity|Outputs delivered completely, accurately, on time, to the right party
PI1.5|processingIntegrity|Inputs, work in progress and outputs stored intact
C1.1|confidentiality|Confidential information identified and kept protected
C1.2|confidentiality|Confidential information disposed of
P1.1|privacy|Privacy notice given and kept current
P2.1|privacy|Choices explained and consent obtained
P3.1|privacy|Personal data collected only as stated
P3.2|privacy|Explicit consent obtained where required, before collection
P4.1|privacy|Personal data used only for stated purposes
P4.2|privacy|Personal data kept only as long as stated
P4.3|privacy|Personal data securely destroyed
P5.1|privacy|Data subjects can see their data
P5.2|privacy|Data subjects can get their data corrected
P6.1|privacy|Disclosure to third parties only with consent
P6.2|privacy|Register of authorised disclosures
P6.3|privacy|Register of unauthorised disclosures and breaches
P6.4|privacy|Privacy commitments obtained from and checked at third parties
P6.5|privacy|Third parties bound to report unauthorised disclosure
P6.6|privacy|Breach notification to subjects, regulators and others
P6.7|privacy|Accounting of data held and disclosed, on request
P7.1|privacy|Personal data accurate, current, complete, relevant
P8.1|privacy|Complaints, disputes and privacy compliance monitoring
`

// sampleCheck is a compact way to write a check and the resources it met:
// counts of fail, pass, unknown, exempt and not applicable, in this order.
type sampleCheck struct {
	id, title, area string
	severity        tickmark.Severity
	criteria        string // "CC6.1 CC6.7/s": "/s" for supporting
	typ             string
	field, path     string
	found, wanted   string
	counts          [5]int
	reason          tickmark.Reason
}

var sampleChecks = []sampleCheck{
	{"entra-mfa-all-users", "A Conditional Access policy requires MFA of all users for all cloud apps", "identity", tickmark.Critical, "CC6.1 CC6.6/s", "graph/conditionalAccessPolicies", "state", "state", `"enabledForReportingButNotEnforced"`, `"enabled"`, [5]int{1, 0, 0, 0, 0}, ""},
	{"storage-https-only", "Storage accounts accept encrypted transfer only", "storage", tickmark.High, "CC6.7 C1.1/s", "Microsoft.Storage/storageAccounts", "Microsoft.Storage/storageAccounts/supportsHttpsTrafficOnly", "properties.supportsHttpsTrafficOnly", "false", "true", [5]int{3, 41, 6, 0, 0}, tickmark.ReasonSummary},
	{"storage-min-tls", "Storage accounts require TLS 1.2 or later", "storage", tickmark.Medium, "CC6.7", "Microsoft.Storage/storageAccounts", "Microsoft.Storage/storageAccounts/minimumTlsVersion", "properties.minimumTlsVersion", `"TLS1_0"`, `"TLS1_2" or later`, [5]int{7, 37, 6, 0, 0}, tickmark.ReasonSummary},
	{"storage-public-blob", "Storage accounts forbid anonymous access to blobs", "storage", tickmark.High, "CC6.1 CC6.6", "Microsoft.Storage/storageAccounts", "Microsoft.Storage/storageAccounts/allowBlobPublicAccess", "properties.allowBlobPublicAccess", "true", "false", [5]int{2, 41, 6, 1, 0}, tickmark.ReasonSummary},
	{"nsg-ssh-internet", "No network security group opens SSH to the internet", "network", tickmark.Critical, "CC6.6", "Microsoft.Network/networkSecurityGroups", "Microsoft.Network/networkSecurityGroups/securityRules[*].sourceAddressPrefix", "properties.securityRules[2].properties.sourceAddressPrefix", `"*"`, "not any", [5]int{4, 22, 1, 2, 0}, tickmark.ReasonTruncated},
	{"keyvault-purge-protection", "Key vaults have purge protection on", "keyvault", tickmark.High, "CC6.5/s A1.2 C1.1", "Microsoft.KeyVault/vaults", "Microsoft.KeyVault/vaults/enablePurgeProtection", "properties.enablePurgeProtection", "absent", "true", [5]int{2, 9, 0, 0, 0}, ""},
	{"sql-auditing", "SQL servers send audit records to a workspace or storage account", "databases", tickmark.High, "CC7.2 CC4.1/s", "Microsoft.Sql/servers", "Microsoft.Sql/servers/auditingSettings", "", "unobserved", "state Enabled", [5]int{0, 0, 8, 0, 0}, tickmark.ReasonNotCollected},
	{"sql-tde", "SQL databases are encrypted at rest", "databases", tickmark.Medium, "CC6.1 C1.1", "Microsoft.Sql/servers/databases", "Microsoft.Sql/transparentDataEncryption.status", "properties.state", `"Enabled"`, `"Enabled"`, [5]int{0, 14, 0, 0, 8}, ""},
	{"vm-disk-encryption", "Disks of virtual machines are encrypted with platform or customer keys", "compute", tickmark.Medium, "CC6.1 C1.1", "Microsoft.Compute/disks", "Microsoft.Compute/disks/encryption.type", "properties.encryption.type", `"EncryptionAtRestWithPlatformKey"`, "any encryption type", [5]int{0, 63, 0, 0, 0}, ""},
	{"vm-backup", "Virtual machines are protected by a backup policy", "backup", tickmark.Medium, "A1.2 CC7.5/s", "Microsoft.Compute/virtualMachines", "Microsoft.RecoveryServices/backupprotecteditems", "", "unobserved", "a protected item", [5]int{0, 0, 31, 0, 0}, tickmark.ReasonNotCollected},
	{"app-https", "Web apps redirect HTTP to HTTPS", "appservice", tickmark.Medium, "CC6.7", "Microsoft.Web/sites", "Microsoft.Web/sites/httpsOnly", "properties.httpsOnly", "true", "true", [5]int{0, 12, 0, 0, 0}, ""},
	{"aks-rbac", "AKS clusters use role-based access control", "containers", tickmark.High, "CC6.3", "Microsoft.ContainerService/managedClusters", "Microsoft.ContainerService/managedClusters/enableRBAC", "properties.enableRBAC", "true", "true", [5]int{0, 0, 0, 0, 0}, ""},
	{"defender-servers", "Microsoft Defender for Servers is on for every subscription", "defender", tickmark.High, "CC7.1 CC6.8", "Microsoft.Security/pricings", "Microsoft.Security/pricings/pricingTier", "properties.pricingTier", `"Free"`, `"Standard"`, [5]int{2, 1, 0, 0, 0}, ""},
	{"rbac-owner-count", "A subscription has at most three owners", "rbac", tickmark.Low, "CC6.3 CC5.2/s", "Microsoft.Authorization/roleAssignments", "count", "", "unobserved", "at most 3", [5]int{0, 0, 3, 0, 0}, tickmark.ReasonNotPermitted},
	{"activity-log-retention", "The activity log is kept for at least 365 days", "monitoring", tickmark.Medium, "CC7.2 CC7.3/s", "Microsoft.Insights/diagnosticSettings", "retention", "properties.logs[0].retentionPolicy.days", "365", "at least 365", [5]int{0, 3, 0, 0, 0}, ""},
	{"lock-production", "Production resource groups carry a delete lock", "governance", tickmark.Low, "CC8.1 A1.2/s", "Microsoft.Resources/subscriptions/resourceGroups", "lock", "", "", "", [5]int{0, 0, 0, 4, 0}, ""},
}

var sampleAt = time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC)

func sampleCatalog(s sampleCheck) *catalog.Check {
	c := &catalog.Check{
		ID: s.id, Title: s.title, Area: s.area, Severity: s.severity, Types: []string{s.typ}, Source: "arm",
		Permission: "Reader on the subscription", Why: "What is open to everyone is read by someone. This is why the setting matters for " + s.area + ".",
		NotProven: "That it was so between two observations, or on resources that were not read.",
		Remediation: catalog.Remediation{
			CLI: "az resource update --ids \"$ID\" --set " + cmp.Or(s.path, "properties.state") + "=" + cmp.Or(s.wanted, "true"), Portal: "Open the resource, then Settings, Configuration.",
		},
		References: []string{"https://learn.microsoft.com/azure/" + s.area + "/"},
		Rule:       []byte(`{"if":{"allOf":[{"field":"type","equals":"` + s.typ + `"},{"field":"` + s.field + `","notEquals":` + cmp.Or(s.wanted, "true") + `}]},"then":{"effect":"audit"}}`),
	}
	if s.area == "storage" {
		c.Witness = []catalog.Witness{{Log: "activityLog", Operations: []string{s.typ + "/write"}}}
	}
	for code := range strings.FieldsSeq(s.criteria) {
		l := catalog.CriterionLink{Code: code, Link: "direct"}
		if x, ok := strings.CutSuffix(code, "/s"); ok {
			l = catalog.CriterionLink{Code: x, Link: "supporting"}
		}
		c.Criteria = append(c.Criteria, l)
	}
	return c
}

// sample is an assessment with a bit of everything, its counts multiplied by
// scale; scale 0 gives the catalogue without any input.
func sample(scale int) *check.Assessment {
	a := &check.Assessment{Engine: "0.1.0", Catalog: tickmark.DigestOf([]byte("sample")), Origin: "files"}
	var results []tickmark.Result
	for _, s := range sampleChecks {
		rs := sampleResults(s, scale)
		a.Checks = append(a.Checks, summarise(sampleCatalog(s), rs))
		results = append(results, rs...)
	}
	rollUp(a)
	a.Results = check.ResultsOf(a.Checks, results)
	if scale == 0 {
		return a
	}
	a.Now, a.ObservedAt = sampleAt, sampleAt.Add(-17*time.Minute)
	a.Inputs = []check.Input{
		{Name: "export/resources.json", Digest: tickmark.DigestOf([]byte("a")), Bytes: 1_482_112, Form: "resourceGraph", Items: 498},
		{Name: "export/vm list.json", Digest: tickmark.DigestOf([]byte("b")), Bytes: 88_120, Form: "armList", Items: 31},
		{Name: "export/policies.json", Digest: tickmark.DigestOf([]byte("c")), Bytes: 7_410, Form: "graphCollection", Items: 1},
	}
	a.Coverage = []tickmark.Coverage{
		{Source: "file", Scope: "export/resources.json", Pages: 1, Items: 498, Declared: 498},
		{Source: "file", Scope: "export/vm list.json", Pages: 1, Items: 31, Declared: -1, Missing: tickmark.ReasonTruncated, Detail: "nextLink is left at the end of the file: the list goes on"},
		{Source: "file", Scope: "export/policies.json", Pages: 1, Items: 1, Declared: -1, Complete: []string{"graph/conditionalAccessPolicies"}, CompleteBy: "operator"},
	}
	a.Problems = []tickmark.Problem{
		{Input: "export/vm list.json", Line: 212, Col: 7, Byte: 9140, Object: "item 17", Reason: tickmark.ReasonUnparsable, What: `the key "name" is given twice`, Hint: "export the object again"},
		{Input: "export/notes.txt", Byte: -1, Reason: tickmark.ReasonUnparsable, What: "not recognised as an export", Hint: "leave it out, or export JSON"},
	}
	a.NotRead = []check.SourceNotRead{
		{Source: "m365", Reason: tickmark.ReasonNotRead, Checks: []string{"m365-dlp", "m365-smtp-auth"}, Criteria: []string{"CC6.1", "C1.1"}},
		{Source: "power", Reason: tickmark.ReasonDeclined, Detail: "not in use (a.meyer) until 2027-01-31", Checks: []string{"pp-dlp"}, Criteria: []string{"CC6.7"}},
	}
	a.Types = sampleTypes(a, scale)
	return a
}

func sampleResults(s sampleCheck, scale int) []tickmark.Result {
	var rs []tickmark.Result
	verdicts := []tickmark.Verdict{tickmark.Fail, tickmark.Pass, tickmark.Unknown, tickmark.Exempt, tickmark.NotApplicable}
	n := 0
	for k, v := range verdicts {
		for range s.counts[k] * scale {
			n++
			r := tickmark.Result{Check: s.id, Type: s.typ, Verdict: v, Resource: fmt.Sprintf(
				"/subscriptions/00000000-0000-0000-0000-0000000000%02d/resourceGroups/rg-%s-prod/providers/%s/%s%04d", n%3+1, s.area, s.typ, strings.ReplaceAll(s.area, "-", ""), n)}
			r.Why = tickmark.Why{Condition: "if.allOf[1]", Field: s.field, Path: s.path, Found: s.found, Wanted: s.wanted}
			switch v {
			case tickmark.Fail:
				r.Why.Message = fmt.Sprintf("%s is %s; expected %s.", s.field, s.found, s.wanted)
				r.Why.NearMiss = fmt.Sprintf("setting %s to %s would pass", s.path, s.wanted)
			case tickmark.Pass:
				r.Why.Found = s.wanted
				r.Why.Message = fmt.Sprintf("%s is as expected.", s.field)
			case tickmark.Unknown:
				r.Reason = s.reason
				r.Why.Found = "unobserved"
				r.Why.Message = s.reason.Text() + "."
			case tickmark.Exempt:
				r.Why.Message = "exempt until 2027-01-31: the jump host is being replaced (a.meyer, CHG-1182)"
			case tickmark.NotApplicable:
				r.Why.Message = "a system database; the service encrypts it"
			}
			rs = append(rs, r)
		}
	}
	slices.SortFunc(rs, func(x, y tickmark.Result) int { return strings.Compare(x.Resource, y.Resource) })
	return rs
}

// summarise counts the results of one check; its state is the worst that was met.
func summarise(c *catalog.Check, rs []tickmark.Result) check.Summary {
	s := check.Summary{Check: c, Reasons: make(map[tickmark.Reason]int)}
	for _, r := range rs {
		s.Counts.Add(r.Verdict)
		if r.Verdict == tickmark.Unknown {
			s.Reasons[r.Reason]++
		}
	}
	switch n := s.Counts; {
	case n.Fail > 0:
		s.State = check.StateFail
	case n.Unknown > 0:
		s.State = check.StateUnknown
	case n.Pass > 0:
		s.State = check.StatePass
	case n.Exempt > 0:
		s.State = check.StateExempt
	default:
		s.State = check.StateNoResource
	}
	return s
}

func rollUp(a *check.Assessment) {
	for line := range strings.Lines(strings.TrimSpace(sampleCriteria)) {
		f := strings.SplitN(strings.TrimSpace(line), "|", 3)
		c := check.CriterionSummary{Criterion: &catalog.Criterion{Code: f[0], Category: f[1], Title: f[2]}, Automation: "none"}
		for i, s := range a.Checks {
			at := slices.IndexFunc(s.Check.Criteria, func(l catalog.CriterionLink) bool { return l.Code == f[0] })
			if at < 0 {
				continue
			}
			c.Checks = append(c.Checks, i)
			if c.Automation != "direct" {
				c.Automation = s.Check.Criteria[at].Link
			}
			switch s.State {
			case check.StateFail:
				c.Fail++
			case check.StatePass:
				c.Pass++
			case check.StateUnknown:
				c.Unknown++
			case check.StateExempt:
				c.Exempt++
			case check.StateNoResource, check.StateManual:
				c.NoResource++
			}
		}
		c.State = criterionState(c)
		a.Criteria = append(a.Criteria, c)
	}
}

func criterionState(c check.CriterionSummary) check.State {
	switch {
	case c.Fail > 0:
		return check.StateFail
	case c.Unknown > 0:
		return check.StateUnknown
	case c.Pass > 0:
		return check.StatePass
	case c.Exempt > 0:
		return check.StateExempt
	case c.NoResource > 0:
		return check.StateNoResource
	}
	return check.StateManual
}

func sampleTypes(a *check.Assessment, scale int) []check.TypeCount {
	most := map[string]int{}
	checks := map[string]int{}
	for _, s := range a.Checks {
		t := s.Check.Types[0]
		most[t] = max(most[t], s.Counts.Total())
		checks[t]++
	}
	var out []check.TypeCount
	for t, n := range most {
		if n > 0 {
			c := check.TypeCount{Type: t, Resources: n, Checks: checks[t], Known: true}
			if t == "Microsoft.Storage/storageAccounts" {
				c.Summaries = 6 * scale
			}
			out = append(out, c)
		}
	}
	out = append(out,
		check.TypeCount{Type: "Microsoft.Network/networkInterfaces", Resources: 44 * scale, Known: true},
		check.TypeCount{Type: "Microsoft.Network/networkSecurityGroups/securityRules", Resources: 118 * scale, Nested: 118 * scale, Known: true},
		check.TypeCount{Type: "Contoso.Private/widgets", Resources: 2 * scale})
	slices.SortFunc(out, func(x, y check.TypeCount) int { return strings.Compare(x.Type, y.Type) })
	return out
}

// oneRow is an assessment of one check that met one resource.
func oneRow() *check.Assessment {
	a := &check.Assessment{Engine: "0.1.0", Catalog: tickmark.DigestOf([]byte("one")), Origin: "files", Now: sampleAt, ObservedAt: sampleAt}
	s := sampleChecks[1]
	s.counts = [5]int{0, 1, 0, 0, 0}
	rs := sampleResults(s, 1)
	a.Checks = []check.Summary{summarise(sampleCatalog(s), rs)}
	rollUp(a)
	a.Results = check.ResultsOf(a.Checks, rs)
	a.Inputs = []check.Input{{Name: "account.json", Digest: tickmark.DigestOf([]byte("1")), Bytes: 1210, Form: "armObject", Items: 1}}
	a.Coverage = []tickmark.Coverage{{Source: "file", Scope: "account.json", Pages: 1, Items: 1, Declared: -1}}
	a.Types = []check.TypeCount{{Type: s.typ, Resources: 1, Checks: 1, Known: true}}
	return a
}
