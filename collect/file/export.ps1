[CmdletBinding()]
param(
	# Where the answers are written; one file for each cmdlet.
	[string]$Out = ('tickmark-m365-' + (Get-Date).ToUniversalTime().ToString('yyyyMMddTHHmmssZ')),
	# Which parts to export.
	[ValidateSet('exchange', 'compliance', 'sharepoint', 'teams', 'dns')]
	[string[]]$Only = @('exchange', 'compliance', 'sharepoint', 'teams', 'dns'),
	# The address of the SharePoint admin center, https://NAME-admin.sharepoint.com.
	[string]$SharePointAdmin = '',
	# Sign in as an application instead of a person.
	[string]$AppId = '',
	[string]$CertificateThumbprint = '',
	[string]$Organization = '',
	[string]$TenantId = ''
)

Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
if (Test-Path -LiteralPath $Out) {
	if (@(Get-ChildItem -LiteralPath $Out -Force).Count -gt 0) { throw "$Out is not empty: old and new answers must not be mixed" }
} else {
	[void](New-Item -ItemType Directory -Path $Out)
}
$Out = (Resolve-Path -LiteralPath $Out).Path
$script:Actor = ''
$script:Tenant = ''
$script:Complete = New-Object System.Collections.ArrayList
$script:Gaps = 0
$utf8 = New-Object System.Text.UTF8Encoding($false)

function Say([string]$Text) { Write-Host $Text }

# Refused notes that WHAT was not given, and why.
function Refused([string]$What, [string]$Why) {
	$script:Gaps++
	Say "  NOT EXPORTED: ${What}: $Why"
	[IO.File]::AppendAllText((Join-Path $Out 'refused.log'), "$What`t$($Why -replace '\s+', ' ')`n", $utf8)
}

# Plain turns a value into one that JSON has: words instead of numbers for
# enumerations, and text for everything that is not a number, a truth or a list.
function Plain($Value) {
	if ($null -eq $Value) { return $null }
	if ($Value -is [bool] -or $Value -is [string]) { return $Value }
	if ($Value -is [int] -or $Value -is [long] -or $Value -is [uint32] -or $Value -is [byte]) {
		# An enumeration that came through another process is a number that knows its word.
		$word = $Value.PSObject.ToString()
		if ($word -notmatch '^-?[0-9]+$') { return $word }
		return $Value
	}
	if ($Value -is [DateTime]) { return $Value.ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:ssZ') }
	if ($Value -is [Enum] -or $Value -is [Guid]) { return $Value.ToString() }
	if ($Value -is [System.Collections.IEnumerable]) { return , @($Value | ForEach-Object { [string]$_ }) }
	return [string]$Value
}

# Export writes what a cmdlet gives: of each object the named properties, as
# they are. A property that the object does not have is left out.
function Export([string]$Record, [string]$Identity, [string]$Module, [string]$Cmdlet, [string[]]$Names, [scriptblock]$Read) {
	Say $Record
	try {
		$rows = @(& $Read)
	} catch {
		Refused "$Record ($Cmdlet)" $_.Exception.Message
		return
	}
	$items = New-Object System.Collections.ArrayList
	foreach ($row in $rows) {
		if ($null -eq $row) { continue }
		$item = [ordered]@{}
		foreach ($name in $Names) {
			$property = $row.PSObject.Properties[$name]
			if ($null -ne $property) { $item[$name] = Plain $property.Value }
		}
		[void]$items.Add($item)
	}
	$version = ''
	$loaded = @(Get-Module -Name $Module)
	if ($loaded.Count -gt 0) { $version = [string]$loaded[0].Version }
	if ($version -eq '') { $version = [string](Get-Command -Name $Cmdlet).Version }
	$actor = $script:Actor
	if ($actor -eq '') { $actor = [Environment]::UserName }
	$document = [ordered]@{
		tickmarkExport = 'm365/1'
		record = $Record
		identity = $Identity
		cmdlet = $Cmdlet
		module = $Module
		moduleVersion = $version
		actor = $actor
		tenant = $script:Tenant
		at = (Get-Date).ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:ssZ')
		'@odata.count' = $items.Count
		value = @($items.ToArray())
	}
	$file = Join-Path $Out (($Record -replace '^m365/', '') + '.json')
	[IO.File]::WriteAllText($file, (ConvertTo-Json -InputObject $document -Depth 5), $utf8)
	[void]$script:Complete.Add($Record)
}

# Connected tells who signed in, from the session itself.
function Connected {
	$session = @(Get-ConnectionInformation -ErrorAction Stop | Where-Object { $_.State -eq 'Connected' })
	if ($session.Count -gt 0) {
		$script:Actor = [string]$session[-1].UserPrincipalName
		if ($script:Actor -eq '') { $script:Actor = $AppId }
		$script:Tenant = [string]$session[-1].TenantID
	}
}

# Txt resolves TXT records. A name that does not exist has none; any other
# failure is thrown, because it says nothing.
function Txt([string]$Name) {
	try {
		$answers = @(Resolve-DnsName -Name $Name -Type TXT -DnsOnly -ErrorAction Stop)
	} catch {
		if ($_.FullyQualifiedErrorId -like 'DNS_ERROR_RCODE_NAME_ERROR*') { return , @() }
		throw
	}
	return , @($answers | Where-Object { $_.Type -eq 'TXT' } | ForEach-Object { -join $_.Strings })
}
