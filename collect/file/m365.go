// SPDX-License-Identifier: Apache-2.0

package file

import (
<<<<<<< HEAD
	"fmt"
	"io"
=======
	_ "embed" // the functions of the PowerShell script
	"fmt"
	"io"
	"regexp"
	"slices"
>>>>>>> chkb
	"strings"
	"time"

	"github.com/tickmark/tickmark"
<<<<<<< HEAD
)

// formM365 is what the script of WriteM365Script writes: a list of what one
// cmdlet returned, with cmdlet, module, actor and time around it.
const formM365 = "m365"

// The members of such a document, besides value and @odata.count.
const (
	m365Mark     = "tickmarkExport" // m365/1
	m365Entity   = "entity"
	m365Identity = "identity"
	m365Time     = "time"
	m365Error    = "error"
)

// m365Page fills in what such a document says of itself.
func (o *object) m365Page(src []byte, p *tickmark.Page) {
	if e := o.text(src, m365Entity); strings.HasPrefix(e, "m365/") {
		p.Entity = e
	}
	p.Identity = o.text(src, m365Identity)
	if t, err := time.Parse(time.RFC3339, o.text(src, m365Time)); err == nil {
		p.ObservedAt = t.UTC()
	}
}

// refusedM365 adds what a cmdlet refused to return.
func (r *reader) refusedM365(from, i int, o *object) {
	page := tickmark.Page{Name: r.pageName(), Form: formM365, Bytes: r.src[from:o.end]}
	o.m365Page(r.src, &page)
	r.add(from, page)
	what := "the cmdlet returned nothing that can be read"
	if s := o.text(r.src, m365Error); s != "" {
		what = "the cmdlet was refused: " + clip([]byte(s))
	}
	r.problem(i, tickmark.ReasonNotPermitted, what, "give the reader the roles that the script names, and run it again")
}

// m365Cmdlet is one cmdlet that the script runs.
type m365Cmdlet struct {
	// call is the cmdlet with its parameters; entity the type of its records,
	// named after the noun; identity the member that tells them apart, or "-"
	// where there is one object.
	call, entity, identity string
}

// m365Sessions are the sessions in the order in which the script opens them.
// The unified audit switch must be read in Exchange Online: the session of
// Security & Compliance always shows it as off (Microsoft Purview documentation,
// "Turn auditing on or off"), so that one is opened only after the other ended.
var m365Sessions = []struct {
	title, module, connect, disconnect string
	cmdlets                            []m365Cmdlet
}{
	{
		"Exchange Online", "ExchangeOnlineManagement", "Connect-ExchangeOnline -ShowBanner:$false", "Disconnect-ExchangeOnline -Confirm:$false",
		[]m365Cmdlet{
			{"Get-AdminAuditLogConfig", "m365/adminAuditLogConfig", "-"},
			{"Get-OrganizationConfig", "m365/organizationConfig", "-"},
			{"Get-TransportConfig", "m365/transportConfig", "-"},
			{"Get-MailboxAuditBypassAssociation -ResultSize Unlimited", "m365/mailboxAuditBypassAssociations", "Guid"},
			{"Get-TransportRule -ResultSize Unlimited", "m365/transportRules", "Guid"},
			{"Get-RemoteDomain", "m365/remoteDomains", "Guid"},
			{"Get-AcceptedDomain", "m365/acceptedDomains", "Guid"},
			{"Get-DkimSigningConfig", "m365/dkimSigningConfigs", "Guid"},
			{"Get-SharingPolicy", "m365/sharingPolicies", "Guid"},
			{"Get-OwaMailboxPolicy", "m365/owaMailboxPolicies", "Guid"},
			{"Get-AuthenticationPolicy", "m365/authenticationPolicies", "Guid"},
			{"Get-HostedOutboundSpamFilterPolicy", "m365/hostedOutboundSpamFilterPolicies", "Guid"},
			{"Get-HostedContentFilterPolicy", "m365/hostedContentFilterPolicies", "Guid"},
			{"Get-MalwareFilterPolicy", "m365/malwareFilterPolicies", "Guid"},
			{"Get-AntiPhishPolicy", "m365/antiPhishPolicies", "Guid"},
			{"Get-SafeAttachmentPolicy", "m365/safeAttachmentPolicies", "Guid"},
			{"Get-SafeLinksPolicy", "m365/safeLinksPolicies", "Guid"},
			{"Get-AtpPolicyForO365", "m365/atpPolicyForO365", "-"},
			{"Get-Mailbox -RecipientTypeDetails SharedMailbox -ResultSize Unlimited", "m365/sharedMailboxes", "Guid"},
		},
	},
	{
		"Security & Compliance", "ExchangeOnlineManagement", "Connect-IPPSSession -ShowBanner:$false", "Disconnect-ExchangeOnline -Confirm:$false",
		[]m365Cmdlet{
			{"Get-DlpCompliancePolicy", "m365/dlpCompliancePolicies", "Guid"},
			{"Get-DlpComplianceRule", "m365/dlpComplianceRules", "Guid"},
			{"Get-RetentionCompliancePolicy -DistributionDetail", "m365/retentionCompliancePolicies", "Guid"},
			{"Get-LabelPolicy", "m365/labelPolicies", "Guid"},
			{"Get-Label", "m365/labels", "Guid"},
			{"Get-ProtectionAlert", "m365/protectionAlerts", "Guid"},
			{"Get-UnifiedAuditLogRetentionPolicy", "m365/unifiedAuditLogRetentionPolicies", "Guid"},
		},
	},
	{
		"SharePoint Online", "Microsoft.Online.SharePoint.PowerShell", `Connect-SPOService -Url $SharePointAdmin`, "Disconnect-SPOService",
		[]m365Cmdlet{{"Get-SPOTenant", "m365/spoTenant", "-"}},
	},
	{
		"Microsoft Teams", "MicrosoftTeams", "Connect-MicrosoftTeams | Out-Null", "Disconnect-MicrosoftTeams",
		[]m365Cmdlet{
			{"Get-CsTenantFederationConfiguration", "m365/csTenantFederationConfigurations", "Identity"},
			{"Get-CsTeamsClientConfiguration", "m365/csTeamsClientConfigurations", "Identity"},
			{"Get-CsTeamsMeetingPolicy", "m365/csTeamsMeetingPolicies", "Identity"},
			{"Get-CsTeamsMessagingPolicy", "m365/csTeamsMessagingPolicies", "Identity"},
			{"Get-CsTeamsAppPermissionPolicy", "m365/csTeamsAppPermissionPolicies", "Identity"},
			{"Get-CsExternalAccessPolicy", "m365/csExternalAccessPolicies", "Identity"},
=======
	"github.com/tickmark/tickmark/jsontape"
)

// Exchange, Purview, SharePoint and Teams give most of their settings to
// PowerShell only. What their cmdlets say comes as files: the script that
// WriteM365Script prints writes one document for each cmdlet, with what was
// asked, by whom, with which module and when.

//go:embed export.ps1
var powershellFunctions string

// cmdletExport is one cmdlet and the properties that are kept of its answer.
type cmdletExport struct {
	record string // the type of its records
	// identity is the property that tells the records apart, "-" if there is one.
	identity string
	cmdlet   string
	// read is what the script runs, if it is more than the cmdlet. Everywhere
	// errors must end it: a cmdlet of a module does not see the script's
	// preference, and an error that passes looks like an empty answer.
	read  string
	names []string
	needs string
}

// section is what one sign-in exports.
type section struct {
	name, module string
	connect, end string
	exports      []cmdletExport
}

const (
	exchangeReader = "View-Only Organization Management, or Global Reader"
	securityReader = "Security Reader, or Global Reader"
)

var m365Sections = []section{
	{
		// Asked in a session of its own: with a session of Security and
		// Compliance open as well, Get-AdminAuditLogConfig always says false.
		name: "exchange", module: "ExchangeOnlineManagement",
		connect: "if ($AppId) { Connect-ExchangeOnline -AppId $AppId -CertificateThumbprint $CertificateThumbprint -Organization $Organization -ShowBanner:$false } else { Connect-ExchangeOnline -ShowBanner:$false }\n\tConnected",
		end:     "Disconnect-ExchangeOnline -Confirm:$false",
		exports: []cmdletExport{
			{record: "adminAuditLogConfig", identity: "-", cmdlet: "Get-AdminAuditLogConfig", names: []string{"UnifiedAuditLogIngestionEnabled"}, needs: exchangeReader},
			{record: "organizationConfig", identity: "-", cmdlet: "Get-OrganizationConfig", names: []string{"AuditDisabled", "CustomerLockboxEnabled", "OAuth2ClientProfileEnabled"}, needs: exchangeReader},
			{record: "transportConfig", identity: "-", cmdlet: "Get-TransportConfig", names: []string{"SmtpClientAuthenticationDisabled"}, needs: exchangeReader},
			{record: "mailboxAuditBypassAssociations", identity: "Guid", cmdlet: "Get-MailboxAuditBypassAssociation", read: "Get-MailboxAuditBypassAssociation -ResultSize Unlimited -ErrorAction Stop", names: []string{"Guid", "Name", "AuditBypassEnabled"}, needs: exchangeReader},
			{record: "hostedOutboundSpamFilterPolicies", identity: "Identity", cmdlet: "Get-HostedOutboundSpamFilterPolicy", names: []string{"Identity", "AutoForwardingMode", "IsDefault", "Enabled"}, needs: securityReader},
			{record: "remoteDomains", identity: "Identity", cmdlet: "Get-RemoteDomain", names: []string{"Identity", "DomainName", "AutoForwardEnabled"}, needs: exchangeReader},
			{record: "acceptedDomains", identity: "Identity", cmdlet: "Get-AcceptedDomain", names: []string{"Identity", "DomainName", "DomainType", "InitialDomain", "Default", "SendingFromDomainDisabled"}, needs: exchangeReader},
			{record: "dkimSigningConfigs", identity: "Domain", cmdlet: "Get-DkimSigningConfig", names: []string{"Domain", "Enabled", "Status", "Selector1KeySize", "Selector2KeySize"}, needs: exchangeReader},
			{record: "safeAttachmentPolicies", identity: "Identity", cmdlet: "Get-SafeAttachmentPolicy", names: []string{"Identity", "Enable", "Action", "IsBuiltInProtection", "RecommendedPolicyType"}, needs: securityReader + "; needs Defender for Office 365"},
			{record: "safeLinksPolicies", identity: "Identity", cmdlet: "Get-SafeLinksPolicy", names: []string{"Identity", "EnableSafeLinksForEmail", "EnableSafeLinksForTeams", "EnableSafeLinksForOffice", "EnableForInternalSenders", "ScanUrls", "AllowClickThrough", "IsBuiltInProtection"}, needs: securityReader + "; needs Defender for Office 365"},
			{record: "atpPolicyForO365", identity: "-", cmdlet: "Get-AtpPolicyForO365", names: []string{"EnableATPForSPOTeamsODB", "EnableSafeDocs", "AllowSafeDocsOpen"}, needs: securityReader + "; needs Defender for Office 365"},
			{record: "antiPhishPolicies", identity: "Identity", cmdlet: "Get-AntiPhishPolicy", names: []string{"Identity", "Enabled", "IsDefault", "EnableMailboxIntelligence", "EnableMailboxIntelligenceProtection", "EnableSpoofIntelligence", "PhishThresholdLevel"}, needs: securityReader},
			{record: "sharedMailboxes", identity: "ExternalDirectoryObjectId", cmdlet: "Get-EXOMailbox", read: "Get-EXOMailbox -RecipientTypeDetails SharedMailbox -ResultSize Unlimited -ErrorAction Stop", names: []string{"ExternalDirectoryObjectId", "UserPrincipalName"}, needs: "View-Only Recipients, or Global Reader"},
		},
	},
	{
		name: "compliance", module: "ExchangeOnlineManagement",
		connect: "if ($AppId) { Connect-IPPSSession -AppId $AppId -CertificateThumbprint $CertificateThumbprint -Organization $Organization } else { Connect-IPPSSession }\n\tConnected",
		end:     "Disconnect-ExchangeOnline -Confirm:$false",
		exports: []cmdletExport{
			{record: "dlpCompliancePolicies", identity: "Guid", cmdlet: "Get-DlpCompliancePolicy", names: []string{"Guid", "Name", "Mode", "Enabled", "Workload"}, needs: "View-Only DLP Compliance Management, or Global Reader"},
			{record: "dlpComplianceRules", identity: "Guid", cmdlet: "Get-DlpComplianceRule", names: []string{"Guid", "Name", "ParentPolicyName", "Disabled", "BlockAccess", "Workload"}, needs: "View-Only DLP Compliance Management, or Global Reader"},
		},
	},
	{
		name: "sharepoint", module: "Microsoft.Online.SharePoint.PowerShell",
		connect: "if (-not $SharePointAdmin) { throw 'give -SharePointAdmin https://NAME-admin.sharepoint.com' }\n\tConnect-SPOService -Url $SharePointAdmin",
		end:     "Disconnect-SPOService",
		exports: []cmdletExport{
			{record: "spoTenant", identity: "-", cmdlet: "Get-SPOTenant", names: []string{"SharingCapability", "DefaultSharingLinkType", "DefaultLinkPermission", "RequireAnonymousLinksExpireInDays", "PreventExternalUsersFromResharing", "ConditionalAccessPolicy", "LegacyAuthProtocolsEnabled"}, needs: "SharePoint Administrator, or Global Reader"},
		},
	},
	{
		name: "teams", module: "MicrosoftTeams",
		connect: "if ($AppId) { $session = Connect-MicrosoftTeams -ApplicationId $AppId -CertificateThumbprint $CertificateThumbprint -TenantId $TenantId } else { $session = Connect-MicrosoftTeams }\n\t$script:Actor = [string]$session.Account\n\t$script:Tenant = [string]$session.TenantId",
		end:     "Disconnect-MicrosoftTeams",
		exports: []cmdletExport{
			{
				// AllowedDomains is an object of one of two kinds: a list, whose
				// entries have names, or one that stands for everybody.
				record: "csTenantFederationConfiguration", identity: "-", cmdlet: "Get-CsTenantFederationConfiguration",
				read:  "Get-CsTenantFederationConfiguration -ErrorAction Stop | ForEach-Object {\n\t\t$names = @()\n\t\tif ($null -ne $_.AllowedDomains -and $null -ne $_.AllowedDomains.PSObject.Properties['AllowedDomain']) {\n\t\t\t$names = @($_.AllowedDomains.AllowedDomain | Where-Object { $_ } | ForEach-Object { [string]$_.Domain })\n\t\t}\n\t\t$_ | Add-Member -NotePropertyName AllowedDomainNames -NotePropertyValue $names -PassThru\n\t}",
				names: []string{"AllowFederatedUsers", "AllowTeamsConsumer", "AllowTeamsConsumerInbound", "AllowedDomainNames"}, needs: "Teams Reader, or Global Reader",
			},
			{record: "csTeamsMeetingPolicies", identity: "Identity", cmdlet: "Get-CsTeamsMeetingPolicy", names: []string{"Identity", "AllowAnonymousUsersToJoinMeeting", "AutoAdmittedUsers", "AllowPSTNUsersToBypassLobby"}, needs: "Teams Reader, or Global Reader"},
		},
	},
	{
		name: "dns", module: "DnsClient",
		connect: "if ($script:Domains.Count -eq 0) { throw 'the domains are known only after the part exchange' }\n\tImport-Module DnsClient\n\t$script:Actor = [Environment]::UserName",
		exports: []cmdletExport{
			{
				record: "mailDomains", identity: "Domain", cmdlet: "Resolve-DnsName",
				read:  "$script:Domains | ForEach-Object { New-Object PSObject -Property @{ Domain = $_; Spf = (Txt $_); Dmarc = (Txt \"_dmarc.$_\") } }",
				names: []string{"Domain", "Spf", "Dmarc"}, needs: "nothing; DNS is public",
			},
>>>>>>> chkb
		},
	},
}

<<<<<<< HEAD
// WriteM365Script prints a PowerShell script that writes what only the modules
// of Exchange, Security & Compliance, SharePoint and Teams tell: one file for
// each cmdlet.
func WriteM365Script(w io.Writer, version string) error {
	var b strings.Builder
	fmt.Fprintf(&b, m365Header, version)
	for _, s := range m365Sessions {
		indent := ""
		fmt.Fprintf(&b, "\n# %s\n", s.title)
		if s.module == "Microsoft.Online.SharePoint.PowerShell" {
			b.WriteString("if ($SharePointAdmin) {\n")
			indent = "  "
		}
		fmt.Fprintf(&b, "%sif (Open-Session '%s' '%s' { %s }) {\n", indent, s.title, s.module, s.connect)
		for _, c := range s.cmdlets {
			fmt.Fprintf(&b, "%s  Export-List '%s' '%s' '%s' { %s }\n", indent, s.module, c.entity, c.identity, c.call)
		}
		fmt.Fprintf(&b, "%s  %s\n%s}\n", indent, s.disconnect, indent)
		if indent != "" {
			b.WriteString("} else { Write-Warning 'SharePoint is left out: give -SharePointAdmin https://NAME-admin.sharepoint.com' }\n")
		}
	}
	b.WriteString(m365Footer)
=======
// M365Type reports whether the PowerShell script exports a type, and the
// properties that it keeps.
func M365Type(typ string) (properties []string, ok bool) {
	name, ok := strings.CutPrefix(typ, "m365/")
	if !ok {
		return nil, false
	}
	for i := range m365Sections {
		for _, e := range m365Sections[i].exports {
			if e.record == name {
				return e.names, true
			}
		}
	}
	return nil, false
}

// writeM365 prints a PowerShell script that exports, with Get cmdlets only, what
// the checks read of Exchange, Purview, SharePoint and Teams.
func writeM365(w io.Writer, o ScriptOptions) error {
	var b strings.Builder
	fmt.Fprintf(&b, `# SPDX-License-Identifier: Apache-2.0
#
# Exports what tickmark's checks read from Exchange Online, Microsoft Purview,
# SharePoint and Teams. Read-only: it runs Get cmdlets, and resolves names.
# Printed by tickmark %s.
#
#   usage: powershell -File export.ps1 -SharePointAdmin https://NAME-admin.sharepoint.com
#
# Windows PowerShell 5.1 runs all parts; PowerShell 7 all but sharepoint and, where
# it is not Windows, dns (-Only exchange,compliance,teams).
# Needs the modules ExchangeOnlineManagement (3.2 or later), MicrosoftTeams and
# Microsoft.Online.SharePoint.PowerShell. A person with Global Reader can export
# everything; the least that suffices stands beside each cmdlet. Each file says which cmdlet of which module version gave it, who was
# signed in, and when; tickmark keeps that with the values. What was refused is in
# refused.log. Exit status: 0 everything was exported, 3 something was refused.
`, o.Version)
	b.WriteString(powershellFunctions)
	b.WriteString("$script:Domains = @()\n")
	for i := range m365Sections {
		m365Section(&b, &m365Sections[i])
	}
	b.WriteString(`
Say ''
if ($script:Gaps -gt 0) {
	Say "$($script:Gaps) answers were refused ($Out/refused.log). What they would have shown stays unknown;"
	Say 'their types are not called complete below.'
}
Say 'Assess the export with:'
$claim = ''
if ($script:Complete.Count -gt 0) { $claim = ' --complete ' + ($script:Complete -join ',') }
Write-Output "tickmark assess$claim '$Out'"
if ($script:Gaps -gt 0) { exit 3 }
`)
>>>>>>> chkb
	_, err := io.WriteString(w, b.String())
	return err
}

<<<<<<< HEAD
const m365Header = `# SPDX-License-Identifier: Apache-2.0
#
# Exports what tickmark reads of Microsoft 365 and no API gives: audit, mail,
# data loss prevention, SharePoint, Teams. Only cmdlets that begin with Get are
# run. Printed by tickmark %s.
#
#   usage: pwsh ./export-m365.ps1 -Folder m365 -SharePointAdmin https://NAME-admin.sharepoint.com
#
# Who runs it needs Global Reader (Exchange, Security & Compliance, Teams) and
# SharePoint Administrator, or leaves SharePoint out. Modules are not installed:
#   Install-Module ExchangeOnlineManagement, MicrosoftTeams, Microsoft.Online.SharePoint.PowerShell
# What was refused is written, too: it stays unknown, and never counts as nothing.
[CmdletBinding()]
param([string]$Folder = 'm365', [string]$SharePointAdmin = '')

$ErrorActionPreference = 'Stop'
$Folder = (New-Item -ItemType Directory -Force -Path $Folder).FullName
if (Get-ChildItem $Folder) { throw "$Folder is not empty: old and new answers must not be mixed" }
$Refused = 0
$Actor = ''
$Whole = @()

function Write-Answer($Entity, $Document) {
  $text = ConvertTo-Json -InputObject $Document -Depth 8 -Compress
  # UTF-8 without a byte order mark, in every PowerShell.
  [IO.File]::WriteAllText((Join-Path $Folder (($Entity -replace '/', '-') + '.json')), $text + [char]10, (New-Object Text.UTF8Encoding $false))
}

function Open-Session($Title, $Module, [scriptblock]$Connect) {
  try {
    Import-Module $Module -ErrorAction Stop
    & $Connect | Out-Null
    $script:Actor = ''
    if ($Module -eq 'ExchangeOnlineManagement') { $script:Actor = (Get-ConnectionInformation | Select-Object -First 1).UserPrincipalName }
    Write-Host "reading $Title"
    return $true
  } catch {
    Write-Warning "$Title is left out: $($_.Exception.Message)"
    $script:Refused++
    return $false
  }
}

function Export-List($Module, $Entity, $Identity, [scriptblock]$Call) {
  $document = [ordered]@{
    tickmarkExport = 'm365/1'; entity = $Entity; identity = $Identity; cmdlet = "$Call".Trim()
    module = $Module; moduleVersion = "$((Get-Module $Module | Select-Object -First 1).Version)"
    actor = "$script:Actor"; host = [Environment]::MachineName; time = [DateTime]::UtcNow.ToString('yyyy-MM-ddTHH:mm:ssZ')
  }
  try {
    $items = @(& $Call)
    $document['@odata.count'] = $items.Count
    $document['value'] = $items
    $script:Whole += $Entity
  } catch {
    $document['error'] = "$($_.Exception.Message)"
    Write-Warning "$Entity was refused: $($_.Exception.Message)"
    $script:Refused++
  }
  Write-Answer $Entity $document
}
`

const m365Footer = `
Write-Host ''
Write-Host "next: tickmark assess $Folder --complete $($Whole -join ',')"
if ($Refused -gt 0) { Write-Warning "$Refused answers are missing"; exit 3 }
`
=======
func m365Section(b *strings.Builder, s *section) {
	fmt.Fprintf(b, "\n# --- %s ---\n\nif ($Only -contains %s) {\n\t$ready = $true\n\ttry {\n\t%s\n\t} catch {\n\t\t$ready = $false\n\t\tRefused %s $_.Exception.Message\n\t}\n\tif ($ready) {\n",
		s.name, psQuote(s.name), s.connect, psQuote("the part "+s.name))
	for _, e := range s.exports {
		names := make([]string, len(e.names))
		for i, n := range e.names {
			names[i] = psQuote(n)
		}
		read := e.read
		if read == "" {
			read = e.cmdlet + " -ErrorAction Stop"
		}
		fmt.Fprintf(b, "\t# Needs: %s\n\tExport %s %s %s %s @(%s) { %s }\n", e.needs, psQuote("m365/"+e.record), psQuote(e.identity), psQuote(s.module), psQuote(e.cmdlet), strings.Join(names, ", "), read)
	}
	if s.name == "exchange" {
		b.WriteString("\t# The part dns resolves these.\n\ttry { $script:Domains = @(Get-AcceptedDomain -ErrorAction Stop | ForEach-Object { [string]$_.DomainName }) } catch { $script:Domains = @() }\n")
	}
	if s.end != "" {
		fmt.Fprintf(b, "\ttry { %s } catch { Say \"  $($_.Exception.Message)\" }\n", s.end)
	}
	b.WriteString("\t}\n}\n")
}

// psQuote quotes s for PowerShell.
func psQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

var m365Record = regexp.MustCompile(`^m365/[A-Za-z][A-Za-z0-9]*$`)

// exported fills in what a document of the PowerShell script says of itself. It
// says what is wrong if the document does not name its origin.
func (o *object) exported(src []byte, p *tickmark.Page) (wrong string) {
	if !o.has("tickmarkExport") {
		return ""
	}
	said := map[string]string{}
	for _, key := range []string{"tickmarkExport", "record", "identity", "cmdlet", "module", "moduleVersion", "actor", "at"} {
		m, ok := o.member(key)
		if !ok {
			return "an export without " + key + " does not say where it comes from"
		}
		tape, err := jsontape.Parse(src[m.value.off:m.value.end], jsontape.Options{})
		if err != nil || tape.Root().Kind() != jsontape.String {
			return key + " of the export is not a string"
		}
		if said[key] = tape.Root().Str(); said[key] == "" {
			return "an export without " + key + " does not say where it comes from"
		}
	}
	at, err := time.Parse(time.RFC3339, said["at"])
	switch {
	case said["tickmarkExport"] != "m365/1":
		return "an export of form " + clip([]byte(said["tickmarkExport"])) + "; this tickmark reads m365/1"
	case !m365Record.MatchString(said["record"]):
		return "the export names no record: " + clip([]byte(said["record"]))
	case err != nil:
		return "at of the export is no time: " + clip([]byte(said["at"]))
	}
	if names, known := M365Type(said["record"]); known && said["identity"] != "-" && !slices.Contains(names, said["identity"]) {
		return "the export tells its records apart by " + clip([]byte(said["identity"])) + ", which it does not hold"
	}
	p.Entity, p.Identity, p.ObservedAt = said["record"], said["identity"], at.UTC()
	return ""
}
>>>>>>> chkb
