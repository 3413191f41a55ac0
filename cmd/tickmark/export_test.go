// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/collect/file"
	"github.com/tickmark/tickmark/inventory"
)

// collectedOnly are the types that checks read and the script leaves to
// tickmark collect; from files alone such checks stay unknown.
var collectedOnly = map[string]string{
	"Microsoft.Automation/automationAccounts/variables": "a file would hold the values of variables in clear text",
	"Microsoft.SecurityInsights/onboardingStates":       "a workspace without Sentinel refuses the question",
	"Microsoft.SecurityInsights/alertRules":             "as above",
	"Microsoft.SecurityInsights/incidents":              "as above",
	"arm/activityLog":                                   "a log has a window, which a file does not say",
	"arm/entraDiagnosticSettings":                       "the answer does not say of which type its objects are",
	"arm/managementGroupDescendants":                    "subscriptions carry their chain of groups in the export",
	"graph/appRoleAssignments":                          "one question for each service principal",
	"graph/configurationPolicies":                       "beta only",
	"graph/deviceManagementRoleAssignments":             "one question for each assignment",
	"graph/directoryAudits":                             "a log has a window, which a file does not say",
	"graph/federatedIdentityCredentials":                "one question for each application",
	"graph/groupMembers":                                "a page does not say whose members it lists",
	"graph/roleManagementPolicies":                      "the settings need a filter that the script cannot quote",
	"graph/roleManagementPolicyAssignments":             "as above",
	"graph/servicePrincipalOwners":                      "a page does not say whose owners it lists",
	"graph/servicePrincipals":                           "read beside their owners and roles only",
	"graph/signIns":                                     "a log has a window, which a file does not say",
	"graph/userSignInActivities":                        "in a file they look like users",
	"hr/people":                                         "comes from the organisation's own list of people",
}

// TestExportScriptCoversTheChecks: what a check reads, the script exports.
func TestExportScriptCoversTheChecks(t *testing.T) {
	cat, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	types, diagnostics := wanted(cat)
	if len(types) < 20 || len(diagnostics) == 0 {
		t.Fatalf("only %d types and %d with diagnostic settings", len(types), len(diagnostics))
	}
	for _, typ := range types {
		source, _, _ := strings.Cut(typ, "/")
		if slices.Contains([]string{"devops", "github", "power", "m365"}, source) {
			continue // the script is the Azure CLI's: ARM and Graph; m365 has one of its own
		}
		if !file.Exported(typ) && collectedOnly[typ] == "" {
			t.Errorf("%s is read by a check and not exported", typ)
		}
	}
	for typ := range collectedOnly {
		if file.Exported(typ) {
			t.Errorf("%s is exported after all", typ)
		}
	}
	if file.Exported("graph/nothing") || file.Exported("Microsoft.Web/sites/nothing") {
		t.Error("Exported says yes to everything")
	}
}

// script prints the export script and returns its path.
func script(t *testing.T, c exportScriptCommand) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.Run(&runContext{Context: t.Context(), Out: &b, Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "export.sh")
	if err := os.WriteFile(path, b.Bytes(), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// shells are the shells of this machine that the script must run in.
func shells(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, s := range []string{"bash", "dash"} {
		if p, err := exec.LookPath(s); err == nil {
			out = append(out, p)
		}
	}
	if len(out) == 0 {
		t.Skip("neither bash nor dash here")
	}
	return out
}

func TestExportScriptSyntax(t *testing.T) {
	for _, c := range []exportScriptCommand{{}, {Sources: []string{"arm"}}, {Sources: []string{"graph"}}} {
		path := script(t, c)
		for _, sh := range shells(t) {
			if out, err := exec.Command(sh, "-n", path).CombinedOutput(); err != nil {
				t.Errorf("%s %v: %v\n%s", sh, c.Sources, err, out)
			}
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"--method put", "--method patch", "--method delete", " create", "listKeys", "/list?"} {
			if bytes.Contains(bytes.ToLower(text), []byte(strings.ToLower(word))) && word != " create" {
				t.Errorf("the script contains %q", word)
			}
		}
	}
}

// fakeAz answers like az: pages of two rows, then the rest. FAKE_FAIL makes
// requests fail whose arguments contain it; FAKE_BUSY makes the first request
// that contains it fail once with 429; FAKE_LOG gets every call.
const fakeAz = `#!/bin/sh
printf '%s\n' "$*" >>"$FAKE_LOG"
url= body=
while [ $# -gt 0 ]; do
	case $1 in
	--url) url=$2 ;;
	--body) body=$(cat "${2#@}") ;;
	account | cloud) kind="$1 $2" ;;
	esac
	shift
done
all="$url $body"
if [ -n "${FAKE_FAIL:-}" ]; then
	case $all in *"$FAKE_FAIL"*) echo "Forbidden({\"error\":{\"code\":\"AuthorizationFailed\"}})" >&2; exit 1 ;; esac
fi
if [ -n "${FAKE_BUSY:-}" ] && [ ! -e "$FAKE_LOG.busy" ]; then
	case $all in *"$FAKE_BUSY"*) : >"$FAKE_LOG.busy"; echo "Too Many Requests: 429" >&2; exit 1 ;; esac
fi
sub=11111111-1111-1111-1111-111111111111
vault() { printf '    {\n      "id": "/subscriptions/%s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/%s",\n      "name": "%s",\n      "properties": {\n        "nextLink": "not a link",\n        "enablePurgeProtection": true\n      },\n      "type": "microsoft.keyvault/vaults"\n    }' $sub "$1" "$1"; }
id() { printf '    {\n      "id": "/subscriptions/%s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/%s"\n    }' $sub "$1"; }
rows() { # FUNCTION: three rows in two pages
	case $body in
	*skipToken*) printf '{\n  "count": 1,\n  "data": [\n%s\n  ],\n  "facets": [],\n  "resultTruncated": "false",\n  "totalRecords": 3\n}\n' "$($1 "v 3")" ;;
	*) printf '{\n  "$skipToken": "abc=",\n  "count": 2,\n  "data": [\n%s,\n%s\n  ],\n  "facets": [],\n  "resultTruncated": "false",\n  "totalRecords": 3\n}\n' "$($1 v1)" "$($1 v2)" ;;
	esac
}
nothing() { printf '{\n  "count": 0,\n  "data": [],\n  "facets": [],\n  "resultTruncated": "false",\n  "totalRecords": 0\n}\n'; }
case "${kind:-}" in
"account show") printf '{\n  "id": "%s",\n  "tenantId": "t1"\n}\n' $sub; exit ;;
"account list") printf '%s\n' $sub; exit ;;
"cloud show") printf '{\n  "endpoints": {\n    "management": "https://x/",\n    "resourceManager": "https://management.azure.com/"\n  },\n  "name": "AzureCloud"\n}\n'; exit ;;
esac
case $url in
*/Microsoft.ResourceGraph/*)
	case $body in
	*"microsoft.keyvault/vaults'"*"project id"*) rows id ;;
	*"project id"*) nothing ;;
	*'"resources | order by id asc"'*) rows vault ;;
	*) nothing ;;
	esac ;;
*/secrets\?*skiptoken=2) printf '{\n  "nextLink": null,\n  "value": [\n    {\n      "id": "%s/secrets/b",\n      "name": "b",\n      "properties": {},\n      "type": "Microsoft.KeyVault/vaults/secrets"\n    }\n  ]\n}\n' "$(echo "$url" | sed 's:^https\://[^/]*::; s:/secrets.*::; s:%20: :')" ;;
*/secrets\?*) printf '{\n  "nextLink": "%s&$skiptoken=2",\n  "value": [\n    {\n      "id": "%s/secrets/a",\n      "name": "a",\n      "properties": {},\n      "type": "Microsoft.KeyVault/vaults/secrets"\n    }\n  ]\n}\n' "${FAKE_HOST:-https://management.azure.com:443}${url#https://management.azure.com}" "$(echo "$url" | sed 's:^https\://[^/]*::; s:/secrets.*::; s:%20: :')" ;;
*graph.microsoft.com*users*skiptoken=2) printf '{\n  "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#users(id,displayName)",\n  "value": [\n    {\n      "id": "u2",\n      "displayName": "Bob"\n    }\n  ]\n}\n' ;;
*graph.microsoft.com*/users\?*) printf '{\n  "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#users(id,displayName)",\n  "@odata.nextLink": "https://graph.microsoft.com/v1.0/users?$skiptoken=2",\n  "value": [\n    {\n      "id": "u1",\n      "displayName": "Ann"\n    }\n  ]\n}\n' ;;
*graph.microsoft.com*authorizationPolicy*) printf '{\n  "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#policies/authorizationPolicy/$entity",\n  "id": "authorizationPolicy"\n}\n' ;;
*graph.microsoft.com*) printf '{\n  "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#%s",\n  "value": []\n}\n' "$(echo "$url" | sed 's:.*/v1.0/::; s:?.*::')" ;;
*) printf '{\n  "value": []\n}\n' ;;
esac
`

// export runs the script against the fake and returns its folder, what it
// printed and its exit status.
func export(t *testing.T, shell string, env ...string) (dir, out, progress string, status int) { //nolint:revive // what a run of a script leaves
	t.Helper()
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "az"), []byte(fakeAz), 0o700); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "it's here")
	cmd := exec.Command(shell, script(t, exportScriptCommand{}), dir)
	cmd.Env = append([]string{"PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH"), "FAKE_LOG=" + filepath.Join(bin, "log"), "TICKMARK_RETRY_SECONDS=0"}, env...)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	calls, err := os.ReadFile(filepath.Join(bin, "log"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(calls)) {
		read := strings.HasPrefix(line, "account ") || strings.HasPrefix(line, "cloud show") || strings.HasPrefix(line, "rest --method get ") ||
			strings.HasPrefix(line, "rest --method post --url https://management.azure.com/providers/Microsoft.ResourceGraph/resources?")
		if !read {
			t.Errorf("not a reading call: %s", line)
		}
	}
	return dir, o.String(), e.String(), cmd.ProcessState.ExitCode()
}

// take reads an export as the printed command would.
func take(t *testing.T, dir, out string) (*file.Files, *inventory.Inventory) {
	t.Helper()
	words := strings.Fields(out)
	at := slices.Index(words, "--complete")
	if at < 0 {
		t.Fatalf("no --complete in %q", out)
	}
	f, err := file.Open(t.Context(), []string{dir}, file.Options{CompleteTypes: strings.Split(words[at+1], ",")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	inv, err := inventory.Build(t.Context(), &f.Snapshot, inventory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return f, inv
}

func TestExport(t *testing.T) {
	for _, sh := range shells(t) {
		t.Run(filepath.Base(sh), func(t *testing.T) {
			dir, out, progress, status := export(t, sh, "FAKE_BUSY=/secrets?")
			if status != 0 {
				t.Fatalf("exit %d\n%s", status, progress)
			}
			if !strings.HasSuffix(out, " '"+strings.ReplaceAll(dir, "'", `'\''`)+"'\n") || strings.Count(out, "\n") != 1 {
				t.Errorf("printed %q", out)
			}
			f, inv := take(t, dir, out)
			if len(f.Snapshot.Problems)+len(inv.Problems) != 0 {
				t.Errorf("problems %v %v", f.Snapshot.Problems, inv.Problems)
			}
			for typ, n := range map[string]int{"Microsoft.KeyVault/vaults": 3, "Microsoft.KeyVault/vaults/secrets": 6, "graph/users": 2, "graph/authorizationPolicy": 1} {
				if got := len(inv.OfType(typ)); got != n {
					t.Errorf("%d %s, want %d", got, typ, n)
				}
			}
			for _, typ := range []string{"Microsoft.KeyVault/vaults", "Microsoft.Sql/servers/firewallRules", "Microsoft.Insights/diagnosticSettings", "Microsoft.Security/pricings", "graph/conditionalAccessPolicies", "Microsoft.Authorization/roleAssignments"} {
				if ok, why := inv.Complete(typ, ""); !ok {
					t.Errorf("%s is not complete: %s", typ, why)
				}
			}
			if ok, _ := inv.Complete("Microsoft.Storage/storageAccounts/queueServices", ""); ok {
				t.Error("a type that was never asked for is complete")
			}
		})
	}
}

// TestExportFails: what fails is never called complete, and a list that breaks
// in the middle stops the export.
func TestExportFails(t *testing.T) {
	sh := shells(t)[0]
	t.Run("a list is refused", func(t *testing.T) {
		dir, out, progress, status := export(t, sh, "FAKE_FAIL=identity/conditionalAccess/policies")
		if status != tickmark.ExitIncomplete || !strings.Contains(progress, "NOT EXPORTED") || strings.Contains(out, "graph/conditionalAccessPolicies") {
			t.Fatalf("exit %d\n%s\n%s", status, out, progress)
		}
		_, inv := take(t, dir, out)
		if ok, _ := inv.Complete("graph/conditionalAccessPolicies", ""); ok {
			t.Error("complete although refused")
		}
		if ok, why := inv.Complete("graph/users", ""); !ok {
			t.Errorf("another list is not complete: %s", why)
		}
	})
	t.Run("one parent of many is refused", func(t *testing.T) {
		_, out, _, status := export(t, sh, "FAKE_FAIL=vaults/v2/keys")
		if status != tickmark.ExitIncomplete || strings.Contains(out, "vaults/keys") || !strings.Contains(out, "vaults/secrets") {
			t.Errorf("exit %d %s", status, out)
		}
	})
	for name, env := range map[string][]string{
		"second page":             {"FAKE_FAIL=skiptoken=2"},
		"second page of a query":  {`FAKE_FAIL="$skipToken":"abc="`},
		"first page of a query":   {"FAKE_FAIL=resourcecontainers"},
		"next page at other host": {"FAKE_HOST=https://evil.example"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, out, progress, status := export(t, sh, env...)
			if status != 1 || out != "" || !strings.Contains(progress, "stopped") {
				t.Errorf("exit %d, printed %q\n%s", status, out, progress)
			}
			parts, err := filepath.Glob(filepath.Join(dir, "*.part"))
			if err != nil || len(parts) == 0 && name != "first page of a query" {
				t.Errorf("no unfinished file: %v %v", parts, err)
			}
			if name != "second page" {
				return
			}
			// Who assesses it all the same is told.
			f, err := file.Open(t.Context(), []string{dir}, file.Options{CompleteTypes: []string{"*"}})
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close() //nolint:errcheck // read only
			if !slices.ContainsFunc(f.Snapshot.Problems, func(p tickmark.Problem) bool { return p.Reason == tickmark.ReasonTruncated }) {
				t.Errorf("an unfinished export reads cleanly: %v", f.Snapshot.Problems)
			}
		})
	}
	t.Run("folder in use", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "old.json"), []byte("[]"), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(sh, script(t, exportScriptCommand{}), dir).CombinedOutput()
		if err == nil {
			t.Errorf("wrote into a folder that is not empty: %s", out)
		}
	})
	t.Run("no az", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "my-export")
		cmd := exec.Command(sh, script(t, exportScriptCommand{}), dir)
		cmd.Env = []string{"PATH=" + t.TempDir()}
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "az) is not installed") || !strings.Contains(string(out), "no file was made") || strings.Contains(string(out), "remove") {
			t.Errorf("%v, it says:\n%s", err, out)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Error("the folder was made all the same")
		}
	})
	t.Run("unknown source", func(t *testing.T) {
		if err := file.WriteScript(&bytes.Buffer{}, file.ScriptOptions{Sources: []string{"devops"}}); err == nil || !strings.Contains(fmt.Sprint(err), "devops") {
			t.Errorf("%v", err)
		}
	})
}
