// SPDX-License-Identifier: Apache-2.0

package file

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
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
		},
	},
}

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
	_, err := io.WriteString(w, b.String())
	return err
}

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
