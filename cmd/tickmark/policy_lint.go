// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/policy"
)

// policyLintCommand is tickmark policy lint.
type policyLintCommand struct {
	Files    []string `arg:"" optional:"" name:"file" help:"Policy definitions: files or folders, - for standard input."`
	JSON     bool     `help:"Print JSON." xor:"form"`
	SARIF    bool     `name:"sarif" help:"Print SARIF 2.1.0." xor:"form"`
	Rules    bool     `help:"List the rules and why each exists."`
	Disable  []string `placeholder:"RULE,…" help:"Rules to leave out."`
	Severity string   `enum:"info,warning,error" default:"info" help:"Show findings of this severity and above: info, warning or error."`
	FailOn   string   `enum:"info,warning,error,none" default:"warning" help:"Exit with 1 when there is a finding of this severity or above."`
	aliasFlags
}

var lintRank = map[string]int{"info": 1, "warning": 2, "error": 3, "none": 4}

// Run examines the files; the status is 1 when something at or above --fail-on
// was found.
func (c *policyLintCommand) Run(rc *runContext) error {
	if c.Rules {
		return c.printRules(rc)
	}
	if len(c.Files) == 0 {
		return &tickmark.Error{Code: tickmark.CodeUsage, What: "give a policy definition to examine", Hint: "tickmark policy lint FILE…, or --rules for what is looked for"}
	}
	for _, d := range c.Disable {
		if !slices.ContainsFunc(policy.LintRules(), func(r *policy.LintRule) bool { return r.ID == d }) {
			return &tickmark.Error{Code: tickmark.CodeUsage, What: fmt.Sprintf("there is no rule %q", d), Where: "--disable", Hint: "tickmark policy lint --rules lists them"}
		}
	}
	aliases, err := c.load()
	if err != nil {
		return err
	}
	var found []policy.Finding
	o := policy.LintOptions{Catalog: aliases, Disable: c.Disable}
	n := 0
	err = c.each(rc, func(name string, src []byte) {
		n++
		for _, f := range policy.Lint(name, src, o) {
			if lintRank[string(f.Rule.Severity)] >= lintRank[c.Severity] {
				found = append(found, f)
			}
		}
	})
	if err != nil {
		return err
	}
	if n == 0 {
		return &tickmark.Error{Code: tickmark.CodeUsage, What: "there are no JSON files", Where: strings.Join(c.Files, ", ")}
	}
	if err := c.print(rc, n, found); err != nil {
		return err
	}
	for _, f := range found {
		if lintRank[string(f.Rule.Severity)] >= lintRank[c.FailOn] {
			return statusError(tickmark.ExitFindings)
		}
	}
	return nil
}

// each calls f for every file.
func (c *policyLintCommand) each(rc *runContext, f func(name string, src []byte)) error {
	for _, name := range c.Files {
		if name == "-" {
			b, err := readAtMost(rc.In)
			if err != nil {
				return inputError(err)
			}
			f("-", b)
			continue
		}
		st, err := os.Stat(name)
		if err != nil {
			return &tickmark.Error{Code: tickmark.CodeUsage, What: "the file cannot be read", Err: err}
		}
		if !st.IsDir() {
			b, err := readInput(name)
			if err != nil {
				return err
			}
			f(name, bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")))
			continue
		}
		err = filepath.WalkDir(name, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !mayDefine(filepath.ToSlash(p)) {
				return err
			}
			b, err := os.ReadFile(p) //nolint:gosec // below the folder that the user named
			if err == nil {
				f(p, bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")))
			}
			return err
		})
		if err != nil {
			return &tickmark.Error{Code: tickmark.CodeInput, What: "the folder cannot be read", Err: err}
		}
	}
	return nil
}

func (c *policyLintCommand) printRules(rc *runContext) error {
	rules := policy.LintRules()
	if c.JSON {
		type row struct {
			ID       string `json:"id"`
			Title    string `json:"title"`
			Severity string `json:"severity"`
			Why      string `json:"why"`
		}
		out := make([]row, len(rules))
		for i, r := range rules {
			out[i] = row{r.ID, r.Title, string(r.Severity), r.Why}
		}
		return printJSON(rc, out)
	}
	for _, r := range rules {
		fmt.Fprintf(rc.Out, "%s (%s): %s.\n    %s\n", r.ID, r.Severity, r.Title, r.Why)
	}
	return nil
}

type findingJSON struct {
	Rule     string `json:"rule"`
	Severity string `json:"severity"`
	File     string `json:"file"`
	Line     int    `json:"line"`
	Col      int    `json:"col"`
	Place    string `json:"place,omitempty"`
	What     string `json:"what"`
}

func (c *policyLintCommand) print(rc *runContext, files int, found []policy.Finding) error {
	switch {
	case c.JSON:
		out := struct {
			Files    int           `json:"files"`
			Findings []findingJSON `json:"findings"`
		}{files, []findingJSON{}}
		for _, f := range found {
			out.Findings = append(out.Findings, findingJSON{f.Rule.ID, string(f.Rule.Severity), f.File, f.Line, f.Col, f.Place, f.What})
		}
		return printJSON(rc, out)
	case c.SARIF:
		return printJSON(rc, lintSARIF(found))
	}
	by := map[policy.LintSeverity]int{}
	for _, f := range found {
		by[f.Rule.Severity]++
		fmt.Fprintln(rc.Out, f)
	}
	fmt.Fprintf(rc.Out, "%s: %s, %s, %s\n", count(files, "file", "files"), count(by[policy.LintError], "error", "errors"), count(by[policy.LintWarning], "warning", "warnings"), count(by[policy.LintInfo], "note", "notes"))
	if len(found) > 20 {
		return printByRule(rc.Out, found)
	}
	return nil
}

// printByRule counts the findings of each rule.
func printByRule(w io.Writer, found []policy.Finding) error {
	n := map[*policy.LintRule]int{}
	for _, f := range found {
		n[f.Rule]++
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, r := range policy.LintRules() {
		if n[r] > 0 {
			fmt.Fprintf(t, "%d\t  %s\t\n", n[r], r.ID)
		}
	}
	return t.Flush()
}

// SARIF 2.1.0, the parts that findings need.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID      string       `json:"id"`
		Short   sarifMessage `json:"shortDescription"`
		Full    sarifMessage `json:"fullDescription"`
		Default sarifLevel   `json:"defaultConfiguration"`
	}
	sarifLevel struct {
		Level string `json:"level"`
	}
	sarifMessage struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     string          `json:"level"`
		Message   sarifMessage    `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifLocation struct {
		Physical struct {
			Artifact struct {
				URI string `json:"uri"`
			} `json:"artifactLocation"`
			Region sarifRegion `json:"region"`
		} `json:"physicalLocation"`
		Logical []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifRegion struct {
		StartLine   int           `json:"startLine"`
		StartColumn int           `json:"startColumn"`
		Snippet     *sarifMessage `json:"snippet,omitempty"`
	}
	sarifLogical struct {
		FullyQualifiedName string `json:"fullyQualifiedName"`
	}
)

// sarifWord is SARIF's word for a severity.
var sarifWord = map[policy.LintSeverity]string{policy.LintError: "error", policy.LintWarning: "warning", policy.LintInfo: "note"}

func lintSARIF(found []policy.Finding) sarifLog {
	run := sarifRun{ColumnKind: "utf16CodeUnits", Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "tickmark policy lint", Version: engineVersion(), Rules: []sarifRule{}}
	index := map[string]int{}
	for i, r := range policy.LintRules() {
		index[r.ID] = i
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{r.ID, sarifMessage{r.Title}, sarifMessage{r.Why}, sarifLevel{sarifWord[r.Severity]}})
	}
	for _, f := range found {
		res := sarifResult{RuleID: f.Rule.ID, RuleIndex: index[f.Rule.ID], Level: sarifWord[f.Rule.Severity], Message: sarifMessage{f.What}}
		var l sarifLocation
		l.Physical.Artifact.URI = sarifURI(f.File)
		l.Physical.Region = sarifRegion{StartLine: f.Line, StartColumn: f.Col}
		if f.Snippet != "" {
			l.Physical.Region.Snippet = &sarifMessage{f.Snippet}
		}
		if f.Place != "" {
			l.Logical = []sarifLogical{{f.Place}}
		}
		res.Locations = []sarifLocation{l}
		run.Results = append(run.Results, res)
	}
	return sarifLog{Schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}}
}

// sarifURI is a file name as a relative URI reference.
func sarifURI(name string) string {
	var b strings.Builder
	for _, c := range []byte(filepath.ToSlash(name)) {
		if c > ' ' && c < 0x7f && !strings.ContainsRune(`"%<>\^{|}?#[]`+"`", rune(c)) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
