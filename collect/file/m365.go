// SPDX-License-Identifier: Apache-2.0

package file

import (
	_ "embed" // the functions of the PowerShell script
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
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
		},
	},
}

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
	_, err := io.WriteString(w, b.String())
	return err
}

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
