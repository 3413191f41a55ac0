// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/catalog"
	"github.com/tickmark/tickmark/check"
)

const sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

// SARIFOptions complete what an assessment does not hold itself.
type SARIFOptions struct {
	// Locate says where a resource lies in the inputs. Without it, or when it
	// reports false, a result names its resource only.
	Locate func(resource string) (Place, bool)
}

// Place is where one resource lies in an input.
type Place struct {
	Input string // as in Assessment.Inputs
	Off   int64  // offset of its first byte, after decompression
	Len   int64
	Line  int // 1-based; 0 when unknown
}

type sarifText struct {
	Text     string `json:"text"`
	Markdown string `json:"markdown,omitempty"`
}

type sarifRule struct {
	ID                   string              `json:"id"`
	ShortDescription     sarifText           `json:"shortDescription"`
	FullDescription      *sarifText          `json:"fullDescription,omitempty"`
	Help                 *sarifText          `json:"help,omitempty"`
	HelpURI              string              `json:"helpUri,omitempty"`
	DefaultConfiguration sarifConfiguration  `json:"defaultConfiguration"`
	Relationships        []sarifRelationship `json:"relationships,omitempty"`
	Properties           sarifRuleProperties `json:"properties"`
}

type sarifConfiguration struct {
	Level string `json:"level"`
}

type sarifRuleProperties struct {
	Severity string   `json:"severity"`
	Area     string   `json:"area"`
	Tags     []string `json:"tags"`
}

type sarifRelationship struct {
	Target sarifTarget `json:"target"`
	Kinds  []string    `json:"kinds"`
}

type sarifTarget struct {
	ID            string             `json:"id"`
	Index         int                `json:"index"`
	ToolComponent sarifComponentName `json:"toolComponent"`
}

type sarifComponentName struct {
	Name string `json:"name"`
}

type sarifTaxonomy struct {
	Name             string       `json:"name"`
	ShortDescription sarifText    `json:"shortDescription"`
	Taxa             []sarifTaxon `json:"taxa"`
}

type sarifTaxon struct {
	ID               string    `json:"id"`
	ShortDescription sarifText `json:"shortDescription"`
}

type sarifArtifact struct {
	Location sarifURI          `json:"location"`
	Length   int64             `json:"length"`
	Hashes   map[string]string `json:"hashes"`
}

type sarifURI struct {
	URI   string `json:"uri"`
	Index *int   `json:"index,omitempty"`
}

type sarifRegion struct {
	StartLine  int    `json:"startLine,omitempty"`
	ByteOffset *int64 `json:"byteOffset,omitempty"`
	ByteLength *int64 `json:"byteLength,omitempty"`
}

type sarifPhysical struct {
	ArtifactLocation sarifURI     `json:"artifactLocation"`
	Region           *sarifRegion `json:"region,omitempty"`
}

type sarifLogical struct {
	Name               string `json:"name"`
	FullyQualifiedName string `json:"fullyQualifiedName"`
	Kind               string `json:"kind"`
}

type sarifLocation struct {
	PhysicalLocation *sarifPhysical `json:"physicalLocation,omitempty"`
	LogicalLocations []sarifLogical `json:"logicalLocations,omitempty"`
}

type sarifSuppression struct {
	Kind          string `json:"kind"`
	Status        string `json:"status"`
	Justification string `json:"justification,omitempty"`
}

type sarifResult struct {
	RuleID              string                `json:"ruleId"`
	RuleIndex           int                   `json:"ruleIndex"`
	Kind                string                `json:"kind"`
	Level               string                `json:"level"`
	Message             sarifText             `json:"message"`
	Locations           []sarifLocation       `json:"locations"`
	PartialFingerprints map[string]string     `json:"partialFingerprints"`
	Suppressions        []sarifSuppression    `json:"suppressions,omitempty"`
	Properties          sarifResultProperties `json:"properties"`
}

type sarifResultProperties struct {
	Verdict   tickmark.Verdict `json:"verdict"`
	Reason    tickmark.Reason  `json:"reason,omitempty"`
	Type      string           `json:"type"`
	Condition string           `json:"condition,omitempty"`
	Field     string           `json:"field,omitempty"`
	Path      string           `json:"path,omitempty"`
	Found     string           `json:"found,omitempty"`
	Wanted    string           `json:"wanted,omitempty"`
	NearMiss  string           `json:"nearMiss,omitempty"`
	Related   string           `json:"related,omitempty"`
}

type sarifNotification struct {
	Level     string          `json:"level"`
	Message   sarifText       `json:"message"`
	Locations []sarifLocation `json:"locations,omitempty"`
}

type sarifInvocation struct {
	ExecutionSuccessful        bool                `json:"executionSuccessful"`
	EndTimeUTC                 string              `json:"endTimeUtc,omitempty"`
	ToolExecutionNotifications []sarifNotification `json:"toolExecutionNotifications"`
}

// SARIF writes a as a SARIF 2.1.0 log with one run. Checks are its rules and
// the criteria its taxonomy. Failing results have a level by severity; unknown
// ones are of kind "review", since a person must look; exempt ones are too, and
// suppressed. Passing results and those that are not applicable are left to the other forms.
func SARIF(w io.Writer, a *check.Assessment, o SARIFOptions) error {
	s := sarifWriter{jsonWriter: newJSONWriter(w), a: a, locate: o.Locate, rule: map[string]int{}, input: map[string]int{}}
	s.raw("{\n")
	s.member("$schema", sarifSchema)
	s.member("version", "2.1.0")
	s.open("runs")
	s.raw("{\n")
	s.first = append(s.first, true)
	s.tool()
	s.taxonomies()
	s.artifacts()
	s.member("invocations", []sarifInvocation{s.invocation()})
	s.results()
	s.first = s.first[:len(s.first)-1]
	s.raw("\n}")
	s.close()
	s.raw("\n}\n")
	return s.flush()
}

type sarifWriter struct {
	*jsonWriter
	a      *check.Assessment
	locate func(string) (Place, bool)
	rule   map[string]int // check id → index
	input  map[string]int // input name → index
}

const taxonomyName = "SOC 2 trust services criteria"

func (s *sarifWriter) tool() {
	type driver struct {
		Name            string      `json:"name"`
		SemanticVersion string      `json:"version"`
		Rules           []sarifRule `json:"rules"`
		Properties      any         `json:"properties"`
	}
	taxon := map[string]int{}
	for i, c := range s.a.Criteria {
		taxon[c.Criterion.Code] = i
	}
	d := driver{Name: "tickmark", SemanticVersion: s.a.Engine, Rules: []sarifRule{}, Properties: s.properties()}
	for i, c := range s.a.Checks {
		s.rule[c.Check.ID] = i
		d.Rules = append(d.Rules, sarifRuleOf(c.Check, taxon))
	}
	s.member("tool", map[string]driver{"driver": d})
}

// properties say what a reader of the log must know of the whole.
func (s *sarifWriter) properties() map[string]string {
	out := map[string]string{"catalog": s.a.Catalog.String()}
	if s.a.Origin != "" {
		out["origin"] = originText(s.a)
	}
	if text := scopeText(s.a.Scope); text != "" {
		out["scope"] = text
	}
	return out
}

func sarifRuleOf(c *catalog.Check, taxon map[string]int) sarifRule {
	r := sarifRule{
		ID: c.ID, ShortDescription: sarifText{Text: cmp.Or(c.Title, c.ID)},
		DefaultConfiguration: sarifConfiguration{level(c.Severity)},
		Properties:           sarifRuleProperties{Severity: c.Severity.String(), Area: c.Area, Tags: []string{}},
	}
	if c.Why != "" {
		r.FullDescription = &sarifText{Text: c.Why}
	}
	if h := helpText(c); h != "" {
		r.Help = &sarifText{Text: h}
	}
	if len(c.References) > 0 && absoluteURL(c.References[0]) {
		r.HelpURI = c.References[0]
	}
	for _, l := range c.Criteria {
		if !slices.Contains(r.Properties.Tags, l.Code) {
			r.Properties.Tags = append(r.Properties.Tags, l.Code)
		}
		if i, ok := taxon[l.Code]; ok {
			r.Relationships = append(r.Relationships, sarifRelationship{
				Target: sarifTarget{ID: l.Code, Index: i, ToolComponent: sarifComponentName{taxonomyName}}, Kinds: []string{"relevant"},
			})
		}
	}
	return r
}

// helpText says how to reach the expected state and what a pass does not show.
func helpText(c *catalog.Check) string {
	var parts []string
	for _, p := range []struct{ name, text string }{
		{"With az: ", c.Remediation.CLI}, {"In the portal: ", c.Remediation.Portal}, {"Not proven: ", c.NotProven}, {"Override: ", c.Override.String()},
	} {
		if t := strings.TrimSpace(p.text); t != "" {
			parts = append(parts, p.name+t)
		}
	}
	return strings.Join(parts, "\n\n")
}

func absoluteURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

// level maps severity to SARIF's level of a failing result.
func level(s tickmark.Severity) string {
	switch s {
	case tickmark.Critical, tickmark.High:
		return "error"
	case tickmark.Medium:
		return "warning"
	case tickmark.Low, tickmark.SeverityNone:
		return "note"
	}
	return "warning"
}

func (s *sarifWriter) taxonomies() {
	t := sarifTaxonomy{
		Name:             taxonomyName,
		ShortDescription: sarifText{Text: "The codes of the 2017 trust services criteria, with titles in our own words."},
		Taxa:             []sarifTaxon{},
	}
	for _, c := range s.a.Criteria {
		t.Taxa = append(t.Taxa, sarifTaxon{ID: c.Criterion.Code, ShortDescription: sarifText{Text: cmp.Or(c.Criterion.Title, c.Criterion.Code)}})
	}
	s.member("taxonomies", []sarifTaxonomy{t})
}

func (s *sarifWriter) artifacts() {
	s.open("artifacts")
	for i, in := range s.a.Inputs {
		if _, twice := s.input[in.Name]; !twice {
			s.input[in.Name] = i
		}
		s.element(sarifArtifact{Location: sarifURI{URI: reference(in.Name)}, Length: in.Bytes, Hashes: map[string]string{"sha-256": in.Digest.String()}})
	}
	s.close()
}

// reference writes a file name as a relative URI reference.
func reference(name string) string {
	parts := strings.Split(strings.ToValidUTF8(name, "�"), "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	// A colon in the first segment would read as a scheme.
	parts[0] = strings.ReplaceAll(parts[0], ":", "%3A")
	return strings.Join(parts, "/")
}

func (s *sarifWriter) artifact(name string) sarifURI {
	u := sarifURI{URI: reference(name)}
	if i, ok := s.input[name]; ok {
		u.Index = &i
	}
	return u
}

func (s *sarifWriter) invocation() sarifInvocation {
	v := sarifInvocation{ExecutionSuccessful: true, EndTimeUTC: stamp(s.a.Now), ToolExecutionNotifications: []sarifNotification{}}
	for _, b := range s.a.Problems {
		region := &sarifRegion{StartLine: b.Line}
		if b.Byte >= 0 {
			region.ByteOffset = &b.Byte
		}
		if region.StartLine == 0 && region.ByteOffset == nil {
			region = nil
		}
		loc := sarifLocation{PhysicalLocation: &sarifPhysical{ArtifactLocation: s.artifact(b.Input), Region: region}}
		if b.Object != "" {
			loc.LogicalLocations = []sarifLogical{logical(b.Object)}
		}
		v.ToolExecutionNotifications = append(v.ToolExecutionNotifications, sarifNotification{
			Level: "error", Message: sarifText{Text: sentence(b.What, cmp.Or(b.Hint, nextStep(b.Reason)))}, Locations: []sarifLocation{loc},
		})
	}
	for _, c := range s.a.Coverage {
		if c.Missing == tickmark.ReasonNone {
			continue
		}
		if slices.ContainsFunc(s.a.Problems, func(b tickmark.Problem) bool {
			return c.Detail != "" && b.What == c.Detail && strings.HasPrefix(b.Input, c.Scope)
		}) {
			continue // the problem says it, and what to do
		}
		v.ToolExecutionNotifications = append(v.ToolExecutionNotifications, sarifNotification{
			Level:   "warning",
			Message: sarifText{Text: sentence(c.Scope+" is incomplete: "+cmp.Or(c.Detail, c.Missing.Text()), nextStep(c.Missing))},
		})
	}
	return v
}

// sentence joins what is wrong and what to do.
func sentence(what, do string) string {
	if do == "" {
		return what
	}
	return what + " (" + do + ")"
}

func logical(resource string) sarifLogical {
	return sarifLogical{Name: shortName(resource), FullyQualifiedName: resource, Kind: "resource"}
}

func (s *sarifWriter) results() {
	s.open("results")
	defer s.close()
	if s.a.Results == nil {
		return
	}
	keep := func(_ int, v tickmark.Verdict) bool {
		return v == tickmark.Fail || v == tickmark.Unknown || v == tickmark.Exempt
	}
	for r := range s.a.Results.Select(keep) {
		if s.err != nil {
			return
		}
		s.element(s.result(r))
	}
}

func (s *sarifWriter) result(r tickmark.Result) sarifResult {
	i := s.rule[r.Check]
	out := sarifResult{
		RuleID: r.Check, RuleIndex: i, Kind: "fail", Level: level(s.a.Checks[i].Check.Severity),
		Message:             sarifText{Text: cmp.Or(r.Why.Message, r.Reason.Text(), r.Verdict.String())},
		Locations:           []sarifLocation{{LogicalLocations: []sarifLogical{logical(r.Resource)}}},
		PartialFingerprints: map[string]string{"checkResource/v1": tickmark.DigestOf([]byte(r.Check + "\x00" + r.Resource)).String()},
		Properties: sarifResultProperties{
			Verdict: r.Verdict, Reason: r.Reason, Type: r.Type, Condition: r.Why.Condition, Field: r.Why.Field, Path: r.Why.Path,
			Found: r.Why.Found, Wanted: r.Why.Wanted, NearMiss: r.Why.NearMiss, Related: r.Why.Related,
		},
	}
	if r.Verdict != tickmark.Fail {
		out.Kind, out.Level = "review", "none"
	}
	if r.Verdict == tickmark.Exempt {
		out.Suppressions = []sarifSuppression{{Kind: "external", Status: "accepted", Justification: r.Why.Message}}
	}
	if s.locate != nil {
		if p, ok := s.locate(r.Resource); ok {
			out.Locations[0].PhysicalLocation = &sarifPhysical{
				ArtifactLocation: s.artifact(p.Input),
				Region:           &sarifRegion{StartLine: p.Line, ByteOffset: &p.Off, ByteLength: &p.Len},
			}
		}
	}
	return out
}
