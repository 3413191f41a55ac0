// SPDX-License-Identifier: Apache-2.0

package file_test

import (
<<<<<<< HEAD
	"strings"
	"testing"

	"github.com/tickmark/tickmark/collect/file"
)

// TestM365Script holds the script to what it promises: it only gets.
func TestM365Script(t *testing.T) {
	var b strings.Builder
	if err := file.WriteM365Script(&b, "1.0"); err != nil {
		t.Fatal(err)
	}
	lists := 0
	for line := range strings.Lines(b.String()) {
		if _, call, ok := strings.Cut(line, "Export-List '"); ok {
			lists++
			if _, call, _ = strings.Cut(call, "{ "); !strings.HasPrefix(call, "Get-") || strings.Contains(call, ";") {
				t.Errorf("%s", line)
			}
		}
		for _, verb := range []string{"Set-", "Remove-", "Enable-", "Grant-"} {
			if strings.Contains(line, verb) && !strings.HasPrefix(line, "#") {
				t.Errorf("the script changes something: %s", line)
			}
		}
	}
	if lists < 25 {
		t.Errorf("%d lists", lists)
=======
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/collect/file"
)

const exportedDomains = `{
    "tickmarkExport":  "m365/1",
    "record":  "m365/remoteDomains",
    "identity":  "Identity",
    "cmdlet":  "Get-RemoteDomain",
    "module":  "ExchangeOnlineManagement",
    "moduleVersion":  "3.9.0",
    "actor":  "ada.ray@contoso.example",
    "tenant":  "e30af489-aa6c-4fb9-bf5f-3a82cc047cb5",
    "at":  "2026-06-30T12:00:00Z",
    "@odata.count":  2,
    "value":  [
                  {"Identity": "Default", "DomainName": "*", "AutoForwardEnabled": false},
                  {"Identity": "Partner", "DomainName": "fabrikam.example", "AutoForwardEnabled": true}
              ]
}`

func openText(t *testing.T, text string) *tickmark.Snapshot {
	t.Helper()
	path := filepath.Join(t.TempDir(), "remoteDomains.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := file.Open(t.Context(), []string{path}, file.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close() })
	return &in.Snapshot
}

// TestM365Export reads what the PowerShell script writes.
func TestM365Export(t *testing.T) {
	s := openText(t, exportedDomains)
	if len(s.Problems) > 0 {
		t.Fatalf("problems: %+v", s.Problems)
	}
	p := s.Segments[0].Pages[0]
	if p.Entity != "m365/remoteDomains" || !p.ObservedAt.Equal(time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC)) || !bytes.Contains(p.Bytes, []byte("ada.ray@contoso.example")) {
		t.Errorf("page %+v", p)
	}
	if p.Identity != "Identity" || len(p.Items) != 2 || s.Segments[0].Coverage.Declared != 2 {
		t.Errorf("page %+v, coverage %+v", p, s.Segments[0].Coverage)
	}
}

// TestM365ExportRefused: a document that does not say where it comes from, or
// holds less than it says, is no evidence.
func TestM365ExportRefused(t *testing.T) {
	for name, edit := range map[string]func(string) string{
		"no actor":      func(s string) string { return strings.Replace(s, "ada.ray@contoso.example", "", 1) },
		"no cmdlet":     func(s string) string { return strings.Replace(s, `"cmdlet"`, `"comment"`, 1) },
		"no version":    func(s string) string { return strings.Replace(s, `"moduleVersion"`, `"v"`, 1) },
		"no time":       func(s string) string { return strings.Replace(s, "2026-06-30T12:00:00Z", "yesterday", 1) },
		"other form":    func(s string) string { return strings.Replace(s, "m365/1", "m365/2", 1) },
		"other record":  func(s string) string { return strings.Replace(s, "m365/remoteDomains", "graph/users", 1) },
		"other name":    func(s string) string { return strings.Replace(s, `"Identity",`, `"Nothing",`, 1) },
		"a row is gone": func(s string) string { return strings.Replace(s, `"@odata.count":  2`, `"@odata.count":  3`, 1) },
		"cut":           func(s string) string { return s[:len(s)-60] },
	} {
		t.Run(name, func(t *testing.T) {
			text := edit(exportedDomains)
			if text == exportedDomains {
				t.Fatal("the edit changed nothing")
			}
			s := openText(t, text)
			if len(s.Problems) == 0 || s.Segments[0].Coverage.Missing == tickmark.ReasonNone {
				t.Errorf("taken as whole: %+v", s.Segments[0].Coverage)
			}
		})
	}
}

// TestM365Script: the script exports what the checks read, and only reads.
func TestM365Script(t *testing.T) {
	c, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range c.Types() {
		if !strings.HasPrefix(typ.Name, "m365/") {
			continue
		}
		names, ok := file.M365Type(typ.Name)
		if !ok {
			t.Errorf("%s is not exported", typ.Name)
			continue
		}
		for a := range typ.Aliases() {
			member, _, _ := strings.Cut(strings.TrimSuffix(a.Path, "[*]"), ".")
			if !slices.Contains(names, member) {
				t.Errorf("%s: %s is not exported", typ.Name, a.Name)
			}
		}
	}
	var b bytes.Buffer
	if err := file.WriteScript(&b, file.ScriptOptions{Sources: []string{"m365"}, Version: "test"}); err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for line := range strings.Lines(b.String()) {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			code.WriteString(line)
		}
	}
	allowed := regexp.MustCompile(`^(Get|Connect|Disconnect)-|^(Set-StrictMode|Test-Path|New-Item|New-Object|Join-Path|Resolve-Path|Resolve-DnsName|Import-Module|Where-Object|ForEach-Object|Add-Member|ConvertTo-Json|Write-Host|Write-Output)$`)
	quoted := regexp.MustCompile(`'[^']*'|"[^"]*"`)
	for _, word := range regexp.MustCompile(`\b[A-Z][A-Za-z]+-[A-Z][A-Za-z0-9]+\b`).FindAllString(quoted.ReplaceAllString(code.String(), "''"), -1) {
		if !allowed.MatchString(word) {
			t.Errorf("the script runs %s", word)
		}
	}
	if open, shut := strings.Count(code.String(), "{"), strings.Count(code.String(), "}"); open != shut {
		t.Errorf("%d braces open, %d close", open, shut)
	}
	if err := file.WriteScript(&b, file.ScriptOptions{Sources: []string{"m365", "arm"}}); err == nil {
		t.Error("two kinds of script in one")
>>>>>>> chkb
	}
}
