// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strings"

	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/collect/file"
)

// exportScriptCommand is tickmark export-script.
type exportScriptCommand struct {
<<<<<<< HEAD
	Sources []string `aliases:"source" help:"Sources to export: arm, graph, or m365 by itself, which is a PowerShell script." default:"arm,graph" enum:"arm,graph,m365" placeholder:"SOURCE,…"`
=======
	Sources []string `aliases:"source" help:"Sources to export: arm, graph; or m365, which is a PowerShell script of its own." default:"arm,graph" enum:"arm,graph,m365" placeholder:"SOURCE,…"`
>>>>>>> chkb
}

// Help is the long description.
func (c *exportScriptCommand) Help() string {
	return `The script uses the Azure CLI (az) and only reads. It writes one file per list into a
folder and ends by printing the 'tickmark assess' command for it:

    tickmark export-script > export.sh
    az login
    sh export.sh

<<<<<<< HEAD
What only PowerShell tells of Microsoft 365 (audit, mail, SharePoint, Teams) is another script:

    tickmark export-script --source m365 > export-m365.ps1`
=======
Exchange, Purview, SharePoint and Teams answer to PowerShell only:

    tickmark export-script --sources m365 > export.ps1
    powershell -File export.ps1 -SharePointAdmin https://NAME-admin.sharepoint.com`
>>>>>>> chkb
}

// Run prints the script.
func (c *exportScriptCommand) Run(rc *runContext) error {
	if slices.Contains(c.Sources, "m365") {
		if len(c.Sources) > 1 {
			return usageError("--sources", "m365 is a PowerShell script, and printed by itself", "run the command once for each")
		}
		return file.WriteM365Script(rc.Out, engineVersion())
	}
	cat, err := catalog.Default()
	if err != nil {
		return err
	}
	types, diagnostics := wanted(cat)
	return file.WriteScript(rc.Out, file.ScriptOptions{Sources: c.Sources, Types: types, Diagnostics: diagnostics, Version: engineVersion()})
}

// wanted lists the types that the checks judge or look up, and the types whose
// diagnostic settings they look up.
func wanted(cat *catalog.Catalog) (types, diagnostics []string) {
	for i := range cat.Checks {
		k := cat.Checks[i]
		types = append(types, k.Types...)
		types = append(types, k.Needs...)
		if slices.ContainsFunc(k.Needs, func(t string) bool { return strings.EqualFold(t, "Microsoft.Insights/diagnosticSettings") }) {
			diagnostics = append(diagnostics, k.Types...)
		}
	}
	slices.Sort(types)
	slices.Sort(diagnostics)
	return slices.Compact(types), slices.Compact(diagnostics)
}
