// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/tickmark/tickmark"
)

// series are the families of criteria and how many each has: 61 in all. A code
// outside them does not exist.
var series = []struct {
	prefix   string
	n        int
	category string
}{
	{"CC1", 5, "security"},
	{"CC2", 3, "security"},
	{"CC3", 4, "security"},
	{"CC4", 2, "security"},
	{"CC5", 3, "security"},
	{"CC6", 8, "security"},
	{"CC7", 5, "security"},
	{"CC8", 1, "security"},
	{"CC9", 2, "security"},
	{"A1", 3, "availability"},
	{"PI1", 5, "processingIntegrity"},
	{"C1", 2, "confidentiality"},
	{"P1", 1, "privacy"},
	{"P2", 1, "privacy"},
	{"P3", 2, "privacy"},
	{"P4", 3, "privacy"},
	{"P5", 2, "privacy"},
	{"P6", 7, "privacy"},
	{"P7", 1, "privacy"},
	{"P8", 1, "privacy"},
}

// readCriteria reads the 61 criteria and refuses any other set of codes.
func (c *Catalog) readCriteria(f file) []error {
	m, err := parseYAML(f)
	if err != nil {
		return []error{err}
	}
	var body struct {
		Criteria []Criterion `yaml:"criteria"`
	}
	if err := decode(f, m, &body); err != nil {
		return []error{err}
	}
	category := map[string]string{}
	for _, s := range series {
		for i := 1; i <= s.n; i++ {
			category[fmt.Sprintf("%s.%d", s.prefix, i)] = s.category
		}
	}
	var problems []error
	list := child(m, "criteria")
	c.Criteria = body.Criteria
	for i := range c.Criteria {
		cr := &c.Criteria[i]
		at := tokenOf(element(list, i))
		switch want, known := category[cr.Code]; {
		case !known:
			problems = append(problems, problem(f.name, at, fmt.Sprintf("criterion %q does not exist", cr.Code), "use one of the 61 codes"))
		case c.criterion[cr.Code] != nil:
			problems = append(problems, problem(f.name, at, fmt.Sprintf("criterion %s is listed twice", cr.Code), ""))
		case cr.Category != want:
			problems = append(problems, problem(f.name, at, fmt.Sprintf("criterion %s: category %q, want %q", cr.Code, cr.Category, want), ""))
		case strings.TrimSpace(cr.Title) == "":
			problems = append(problems, problem(f.name, at, fmt.Sprintf("criterion %s has no title", cr.Code), ""))
		}
		c.criterion[cr.Code] = cr
	}
	if len(problems) == 0 && len(c.criterion) != len(category) {
		for code := range category {
			if c.criterion[code] == nil {
				problems = append(problems, problem(f.name, nil, "criterion "+code+" is missing", ""))
			}
		}
	}
	return problems
}

// source is a check as read, with its document for positions in messages.
type source struct {
	check Check
	file  file
	root  *ast.MappingNode
}

func readCheck(f file) (*source, error) {
	m, err := parseYAML(f)
	if err != nil {
		return nil, err
	}
	// The severity reports its own error, which carries no position.
	if n := child(m, "severity"); n != nil {
		var severity tickmark.Severity
		if err := severity.UnmarshalText([]byte(scalar(n))); err != nil {
			return nil, problem(f.name, n.GetToken(), err.Error(), "")
		}
	}
	var body struct {
		Check        `yaml:",inline"`
		Applies      ast.Node   `yaml:"applies"`
		Rule         ast.Node   `yaml:"rule"`
		Alternatives []ast.Node `yaml:"alternatives"`
		Parameters   ast.Node   `yaml:"parameters"`
	}
	if err := decode(f, m, &body); err != nil {
		return nil, err
	}
	s := &source{check: body.Check, file: f, root: m}
	s.check.File, s.check.Line = f.name, m.GetToken().Position.Line
	s.check.Why = strings.TrimSpace(s.check.Why)
	s.check.NotProven = strings.TrimSpace(s.check.NotProven)
	parts := []struct {
		node ast.Node
		to   *[]byte
	}{{body.Applies, &s.check.Applies}, {body.Rule, &s.check.Rule}, {body.Parameters, &s.check.Parameters}}
	s.check.Alternatives = make([][]byte, len(body.Alternatives))
	for i, n := range body.Alternatives {
		parts = append(parts, struct {
			node ast.Node
			to   *[]byte
		}{n, &s.check.Alternatives[i]})
	}
	for _, part := range parts {
		if part.node == nil {
			continue
		}
		var b bytes.Buffer
		if err := appendJSON(&b, f.name, part.node); err != nil {
			return nil, err
		}
		*part.to = b.Bytes()
	}
	return s, nil
}

var (
	idForm    = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	sources   = []string{"arm", "graph", "devops", "github", "power", "m365"}
	logs      = []string{"activityLog", "directoryAudit", "devopsAudit", "githubAudit", "unifiedAudit"}
	links     = []string{"direct", "supporting"}
	effects   = []string{"audit", "auditIfNotExists"}
	maxTitle  = 100
	levelWant = "low, medium, high or critical"
)

// problem makes an error at the value of key, or at the document's start.
func (s *source) problem(key, what, hint string) error {
	n := child(s.root, key)
	if n == nil {
		return problem(s.file.name, s.root.GetToken(), what, hint)
	}
	return problem(s.file.name, n.GetToken(), what, hint)
}

// validate returns what is wrong with one check, seen with the whole catalogue.
func (c *Catalog) validate(s *source) []error {
	k := &s.check
	var problems []error
	bad := func(key, format string, args ...any) {
		problems = append(problems, s.problem(key, fmt.Sprintf(format, args...), ""))
	}
	if area := path.Base(path.Dir(s.file.name)); k.Area != area {
		bad("area", "area %q, but the file is in folder %q", k.Area, area)
	}
	if want := strings.TrimSuffix(path.Base(s.file.name), ".yaml"); k.ID != want || !idForm.MatchString(k.ID) {
		bad("id", "id %q: want the file's name %q, of lower-case letters, digits and hyphens", k.ID, want)
	}
	if first := c.checkByID[k.ID]; first != nil {
		bad("id", "id %q is taken by %s", k.ID, first.File)
	}
	if n := len([]rune(k.Title)); n == 0 || n > maxTitle || strings.HasSuffix(k.Title, ".") {
		bad("title", "title: want a statement of 1 to %d characters without a full stop", maxTitle)
	}
	if k.Severity == tickmark.SeverityNone {
		bad("severity", "severity: want %s", levelWant)
	}
	for _, t := range []struct{ key, value string }{
		{"why", k.Why}, {"permission", k.Permission}, {"notProven", k.NotProven},
	} {
		if strings.TrimSpace(t.value) == "" {
			bad(t.key, "%s is missing", t.key)
		}
	}
	if !slices.Contains(sources, k.Source) {
		bad("source", "source %q: want one of %v", k.Source, sources)
	}
	if strings.TrimSpace(k.Remediation.CLI) == "" || strings.TrimSpace(k.Remediation.Portal) == "" {
		bad("remediation", "remediation: cli and portal are both needed")
	}
	switch r := k.Remediation; {
	case r.Bicep != "" && r.NoBicep != "":
		bad("remediation", "remediation: bicep and noBicep exclude each other")
	case r.NoBicep != "" && (k.Source != "arm" || withoutBicep[r.NoBicep] == "" || slices.Contains(sources, r.NoBicep)):
		bad("remediation", "remediation: noBicep %q: want finding, work, log, removal or content, of a check over Azure resources only", r.NoBicep)
	}
	problems = append(problems, c.validateLists(s)...)
	problems = append(problems, c.validateJoins(s)...)
	return append(problems, c.validateRule(s)...)
}

func (c *Catalog) validateLists(s *source) []error {
	k := &s.check
	var problems []error
	bad := func(key string, i int, format string, args ...any) {
		at := tokenOf(element(child(s.root, key), i))
		if at == nil {
			at = s.root.GetToken()
		}
		problems = append(problems, problem(s.file.name, at, fmt.Sprintf(format, args...), ""))
	}
	if len(k.Criteria) == 0 {
		bad("criteria", 0, "criteria: at least one is needed")
	}
	seen := map[string]bool{}
	for i, l := range k.Criteria {
		if c.criterion[l.Code] == nil {
			bad("criteria", i, "criterion %q does not exist", l.Code)
		}
		if !slices.Contains(links, l.Link) {
			bad("criteria", i, "link %q: want direct or supporting", l.Link)
		}
		if seen[l.Code] {
			bad("criteria", i, "criterion %s is listed twice", l.Code)
		}
		seen[l.Code] = true
	}
	if len(k.Types) == 0 {
		bad("types", 0, "types: at least one is needed")
	}
	for _, list := range []struct {
		key   string
		names []string
	}{{"types", k.Types}, {"needs", k.Needs}} {
		for i, name := range list.names {
			if t := c.Type(name); t == nil {
				bad(list.key, i, "type %q is not in the alias tables", name)
			} else if t.Name != name {
				bad(list.key, i, "type %q: the canonical spelling is %q", name, t.Name)
			}
		}
	}
	for i, w := range k.Witness {
		if !slices.Contains(logs, w.Log) || len(w.Operations) == 0 {
			bad("witness", i, "witness: want a log out of %v and its operations", logs)
		}
	}
	for i, d := range k.Defaults {
		if !c.knownField(append(slices.Clone(k.Types), k.Needs...), d.Field) {
			bad("defaults", i, "default of field %q: no such alias for the check's types", d.Field)
		}
		if d.Value == "" || !isHTTPS(d.Reference) {
			bad("defaults", i, "default of field %q: want a value and an https reference", d.Field)
		}
	}
	if len(k.References) == 0 {
		bad("references", 0, "references: at least one is needed")
	}
	for i, r := range k.References {
		if !isHTTPS(r) {
			bad("references", i, "reference %q is not an https address", r)
		}
	}
	if r := k.Retired; r != nil {
		if _, err := time.Parse(time.DateOnly, r.On); err != nil || r.Note == "" || !isHTTPS(r.Reference) {
			bad("retired", 0, "retired: want on (YYYY-MM-DD), note and an https reference")
		}
	}
	return problems
}

func isHTTPS(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil
}
