// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// ControlSet is an organisation's control set as a file: the answers, and of
// each control only what differs from the library. A file of answers is one
// that has no controls yet.
type ControlSet struct {
	Adoption
	Catalog  string        // digest of the library it was made from
	Controls []*OwnControl // in the order in which a first-time organisation takes them on
	// Left are controls of the library that were not adopted, NotApplicable the
	// criteria that the answers excuse, each with the reason.
	Left          []LeftOut
	NotApplicable []Excused
	// Kept are the organisation's edits of controls that it does not adopt now.
	Kept []*OwnControl
}

// OwnControl is a control of an organisation: what it says itself of one of
// the library's, or one of its own whole.
type OwnControl struct {
	ID string
	// From is the id of the library's control where the organisation's own
	// differs from it.
	From   string
	Fields map[string]string
	Note   string // the organisation's own words, kept as they are
	// Override holds members of a control that replace the library's, in the
	// order of the file.
	Override yaml.MapSlice

	file string
	line int
	node *ast.MappingNode
}

// source is the id of the library's control.
func (k *OwnControl) source() string { return cmp.Or(k.From, k.ID) }

// edited reports whether the organisation has written anything.
func (k *OwnControl) edited() bool {
	for _, v := range k.Fields {
		if strings.TrimSpace(v) != "" {
			return true
		}
	}
	return k.Note != "" || k.From != "" || len(k.Override) > 0
}

// withOpen returns the control with an empty entry for each field that is open.
func (k *OwnControl) withOpen(l *Library, a *Adoption) *OwnControl {
	out := *k
	out.Fields = map[string]string{}
	for name, v := range k.Fields {
		if strings.TrimSpace(v) != "" {
			out.Fields[name] = v
		}
	}
	from := l.Control(k.source())
	for i := range from.Fields {
		if _, state := a.value(&out, &from.Fields[i]); state == FieldOpen {
			out.Fields[from.Fields[i].Name] = ""
		}
	}
	return &out
}

// Expand returns the controls whole, with statements and tolerances filled in
// and the criteria of categories that are not chosen left out.
func (s *ControlSet) Expand(l *Library) ([]*Control, error) {
	out := make([]*Control, 0, len(s.Controls))
	for _, own := range s.Controls {
		k := &Control{}
		from := l.Control(own.source())
		if from != nil {
			c := *from
			k = &c
		} else if own.From != "" || own.node == nil || child(own.node, "statement") == nil {
			return nil, lineProblem(own.file, own.line, fmt.Sprintf("the library has no control %q, and the entry has no statement of its own", own.source()))
		}
		if own.node != nil {
			if err := decode(file{name: own.file}, own.node, k); err != nil {
				return nil, err
			}
		}
		k.ID, k.File, k.Line = own.ID, own.file, own.line
		if from != nil {
			s.fill(k, own, from)
		}
		k.Criteria = slices.DeleteFunc(slices.Clone(k.Criteria), func(c CriterionLink) bool {
			cr := l.catalog.Criterion(c.Code)
			return cr != nil && !slices.Contains(s.Categories, cr.Category)
		})
		out = append(out, k)
	}
	return out, nil
}

// SamePerson finds the controls in which the one who does the work also
// approves or reviews it: the field owner and a field approver, reviewer or
// verifier hold the same words.
func (s *ControlSet) SamePerson(l *Library) []Finding {
	var out []Finding
	for _, own := range s.Controls {
		from := l.Control(own.source())
		if from == nil {
			continue
		}
		by := map[string]string{}
		for i := range from.Fields {
			by[from.Fields[i].Name], _ = s.value(own, &from.Fields[i])
		}
		for _, second := range []string{"approver", "reviewer", "verifier", "reader", "adjudicator"} {
			if by["owner"] != "" && strings.EqualFold(by["owner"], by[second]) {
				out = append(out, Finding{
					Rule: "same-person", Control: own.ID, What: fmt.Sprintf("owner and %s are both %q", second, by["owner"]),
					Hint: "nobody approves the own work: name somebody else for this control",
				})
			}
		}
	}
	return out
}

// fill puts the values of fields where their names stand.
func (s *ControlSet) fill(k *Control, own *OwnControl, from *Control) {
	open := map[string]bool{}
	put := func(text string) string {
		return placeholder.ReplaceAllStringFunc(text, func(m string) string {
			name := m[1 : len(m)-1]
			i := slices.IndexFunc(from.Fields, func(f ControlField) bool { return f.Name == name })
			if i < 0 {
				return m
			}
			v, state := s.value(own, &from.Fields[i])
			if state == FieldOpen {
				open[name] = true
				return m
			}
			return v
		})
	}
	k.Statement = capital(oneOf.ReplaceAllString(put(k.Statement), "${1}1 ${2}"))
	k.Instance.Tolerance = oneOf.ReplaceAllString(put(k.Instance.Tolerance), "${1}1 ${2}")
	if k.Instance.Limit != nil {
		k.Instance.Limit = &Limit{put(k.Instance.Limit.Amount), k.Instance.Limit.Unit}
	}
	k.Fields = slices.DeleteFunc(slices.Clone(from.Fields), func(f ControlField) bool { return !open[f.Name] })
}

// oneOf finds "1 days" and the like, which a value makes of "{days} days".
var oneOf = regexp.MustCompile(`(^|[^0-9.,])1 ((?:working |business )?(?:minute|hour|day|week|month))s\b`)

// capital lets each sentence that a value begins start with a capital letter.
func capital(s string) string {
	b := []byte(s)
	for i := range b {
		if 'a' <= b[i] && b[i] <= 'z' && (i == 0 || i > 1 && b[i-1] == ' ' && b[i-2] == '.') {
			b[i] -= 'a' - 'A'
		}
	}
	return string(b)
}

// ReadControlSet reads a control set, or the answers from which one is made,
// strictly, with places in its errors.
func (l *Library) ReadControlSet(name string, data []byte) (*ControlSet, error) {
	f := file{name: name, data: data}
	m, err := parseYAML(f)
	if err != nil {
		return nil, err
	}
	s := &ControlSet{}
	var body struct {
		Adoption      `yaml:",inline"`
		Catalog       string          `yaml:"catalog"`
		Controls      []yaml.MapSlice `yaml:"controls"`
		Left          []LeftOut       `yaml:"left"`
		NotApplicable []Excused       `yaml:"notApplicable"`
		Kept          []yaml.MapSlice `yaml:"kept"`
	}
	if err := decode(f, m, &body); err != nil {
		return nil, err
	}
	s.Adoption, s.Catalog, s.Left, s.NotApplicable = body.Adoption, body.Catalog, body.Left, body.NotApplicable
	s.forgetOpen(m)
	if s.Controls, err = readOwn(f, child(m, "controls")); err != nil {
		return nil, err
	}
	if s.Kept, err = readOwn(f, child(m, "kept")); err != nil {
		return nil, err
	}
	return s, l.checkAdoption(f, m, &s.Adoption)
}

// forgetOpen removes answers that the file leaves empty: nobody has answered.
func (s *ControlSet) forgetOpen(m *ast.MappingNode) {
	if answers, ok := child(m, "answers").(*ast.MappingNode); ok {
		for _, v := range answers.Values {
			if _, null := v.Value.(*ast.NullNode); null {
				delete(s.Answers, v.Key.String())
			}
		}
	}
	if list, ok := child(m, "services").(*ast.SequenceNode); ok && s.Services == nil && len(list.Values) == 0 {
		s.Services = []string{}
	}
}

// readOwn reads the entries of controls.
func readOwn(f file, n ast.Node) ([]*OwnControl, error) {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		return nil, nil
	}
	var out []*OwnControl
	seen := map[string]bool{}
	for _, e := range list.Values {
		m, ok := e.(*ast.MappingNode)
		if !ok {
			return nil, problem(f.name, e.GetToken(), "a control is not a mapping", "give each at least its id")
		}
		own := &OwnControl{file: f.name, line: m.GetToken().Position.Line}
		var rest []*ast.MappingValueNode
		for _, v := range m.Values {
			into := map[string]any{"id": &own.ID, "from": &own.From, "fields": &own.Fields, "note": &own.Note}[v.Key.String()]
			if into == nil {
				rest = append(rest, v)
				continue
			}
			if err := yaml.NodeToValue(v.Value, into, yaml.Strict()); err != nil {
				return nil, yamlProblem(f.name, err)
			}
		}
		if own.ID == "" || seen[own.ID] {
			return nil, problem(f.name, m.GetToken(), fmt.Sprintf("control id %q is missing or taken", own.ID), "each control needs an id of its own")
		}
		seen[own.ID] = true
		if len(rest) > 0 {
			own.node = ast.Mapping(m.GetToken(), false, rest...)
			if err := decode(f, own.node, &own.Override); err != nil {
				return nil, err
			}
			if err := decode(f, own.node, &Control{}); err != nil {
				return nil, err
			}
		}
		out = append(out, own)
	}
	return out, nil
}

// checkAdoption holds the answers to what exists.
func (l *Library) checkAdoption(f file, m *ast.MappingNode, a *Adoption) error {
	for i, c := range a.Categories {
		if !slices.Contains(categories, c) {
			return problem(f.name, tokenOf(element(child(m, "categories"), i)), fmt.Sprintf("category %q does not exist", c), "use "+strings.Join(categories, ", "))
		}
	}
	if !slices.Contains(a.Categories, "security") {
		return problem(f.name, tokenOf(child(m, "categories")), "the categories lack security", "every SOC 2 examination includes it; add security")
	}
	for i, s := range a.Services {
		if l.Service(s) == nil {
			return problem(f.name, tokenOf(element(child(m, "services"), i)), fmt.Sprintf("service %q is not known", s), "tickmark services list names them")
		}
	}
	for section, prefix := range map[string]string{"answers": "", "roles": "roles.", "systems": "systems."} {
		answers, ok := child(m, section).(*ast.MappingNode)
		if !ok {
			continue
		}
		for _, v := range answers.Values {
			if q := l.Question(prefix + v.Key.String()); q == nil || (q.Kind == "yesNo") != (prefix == "") {
				return problem(f.name, v.Key.GetToken(), fmt.Sprintf("the interview has no question %q under %s", v.Key, section), "tickmark controls adopt --interview prints the questions")
			}
		}
	}
	for id := range a.Without {
		if l.Control(id) == nil {
			return problem(f.name, tokenOf(child(m, "without")), fmt.Sprintf("the library has no control %q", id), "tickmark controls list names them")
		}
	}
	return nil
}

// setHeader opens a control set.
const setHeader = `# The control set of an organisation: the answers of the interview, then of each control only what the organisation
# itself says; everything else is the library's. An empty value is open. Words of your own belong under note:.
# tickmark controls adopt --from FILE --out FILE brings it up to date; doc/spec/adoption.md describes it.
`

// orderNames say what the order of a control means.
var orderNames = []string{"1: first", "2: before the period begins", "3: in the first quarter", "4: within the first year", "5: when the rest stands"}

// YAML writes the set as a file that ReadControlSet reads.
func (s *ControlSet) YAML(l *Library) ([]byte, error) {
	var b strings.Builder
	b.WriteString(setHeader)
	put := func(indent string, v any) error {
		text, err := yaml.MarshalWithOptions(v, yaml.Indent(2), yaml.IndentSequence(true), yaml.UseLiteralStyleIfMultiline(true))
		if err != nil {
			return fmt.Errorf("write the control set of %s: %w", s.Organisation, err)
		}
		for line := range strings.Lines(string(text)) {
			if strings.TrimSpace(line) != "" {
				b.WriteString(indent)
			}
			b.WriteString(line)
		}
		return nil
	}
	if err := put("", s.head(l)); err != nil {
		return nil, err
	}
	order := 0
	own := func(list []*OwnControl) error {
		for _, k := range list {
			if from := l.Control(k.source()); from != nil && from.Order != order {
				order = from.Order
				fmt.Fprintf(&b, "  # order %s\n", orderNames[order-1])
			}
			fmt.Fprintf(&b, "  - id: %s\n", k.ID)
			if err := k.write(put, &b, l); err != nil {
				return err
			}
		}
		return nil
	}
	b.WriteString("controls:\n")
	if err := own(s.Controls); err != nil {
		return nil, err
	}
	if len(s.Kept) > 0 {
		b.WriteString("kept:\n")
		order = 0
		if err := own(s.Kept); err != nil {
			return nil, err
		}
	}
	for _, section := range []struct {
		name string
		n    int
		list any
	}{{"left", len(s.Left), s.Left}, {"notApplicable", len(s.NotApplicable), s.NotApplicable}} {
		if section.n > 0 {
			if err := put("", yaml.MapSlice{{Key: section.name, Value: section.list}}); err != nil {
				return nil, err
			}
		}
	}
	return []byte(b.String()), nil
}

// head lists the answers in the order of the interview; a question that is
// asked and open stands there without a value.
func (s *ControlSet) head(l *Library) yaml.MapSlice {
	out := yaml.MapSlice{{Key: "organisation", Value: s.Organisation}, {Key: "categories", Value: s.Categories}}
	if s.Services == nil {
		out = append(out, yaml.MapItem{Key: "services"})
	} else {
		out = append(out, yaml.MapItem{Key: "services", Value: s.Services})
	}
	var answers, roles, systems yaml.MapSlice
	for i := range l.Interview {
		q := &l.Interview[i]
		kind, name, _ := strings.Cut(q.ID, ".")
		switch {
		case q.Kind != "yesNo" && kind == "roles":
			roles = append(roles, yaml.MapItem{Key: name, Value: s.Roles[name]})
		case q.Kind != "yesNo":
			systems = append(systems, yaml.MapItem{Key: name, Value: s.Systems[name]})
		default:
			if answer, answered := s.Answers[q.ID]; answered {
				answers = append(answers, yaml.MapItem{Key: q.ID, Value: answer})
			} else if q.Asked(s.Categories) {
				answers = append(answers, yaml.MapItem{Key: q.ID})
			}
		}
	}
	out = append(out, yaml.MapItem{Key: "answers", Value: answers}, yaml.MapItem{Key: "roles", Value: roles}, yaml.MapItem{Key: "systems", Value: systems})
	if len(s.Fields) > 0 {
		out = append(out, yaml.MapItem{Key: "fields", Value: s.Fields})
	}
	if len(s.Without) > 0 {
		out = append(out, yaml.MapItem{Key: "without", Value: s.Without})
	}
	return append(out, yaml.MapItem{Key: "catalog", Value: s.Catalog})
}

// write writes what stands below an id.
func (k *OwnControl) write(put func(indent string, v any) error, b *strings.Builder, l *Library) error {
	if k.From != "" {
		if err := put("    ", yaml.MapSlice{{Key: "from", Value: k.From}}); err != nil {
			return err
		}
	}
	if k.Note != "" {
		if err := put("    ", yaml.MapSlice{{Key: "note", Value: k.Note}}); err != nil {
			return err
		}
	}
	if len(k.Fields) > 0 {
		b.WriteString("    fields:\n")
		from := l.Control(k.source())
		names := []string{}
		for name := range k.Fields {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			if k.Fields[name] == "" && from != nil {
				if i := slices.IndexFunc(from.Fields, func(f ControlField) bool { return f.Name == name }); i >= 0 {
					fmt.Fprintf(b, "      %s: \"\" # %s Such as: %s\n", name, from.Fields[i].Ask, strings.Join(strings.Fields(from.Fields[i].Example), " "))
					continue
				}
			}
			if err := put("      ", yaml.MapSlice{{Key: name, Value: k.Fields[name]}}); err != nil {
				return err
			}
		}
	}
	if len(k.Override) > 0 {
		return put("    ", k.Override)
	}
	return nil
}

// OwnComments returns the lines of a control set that hold comments which the
// program did not write, and would not write again.
func OwnComments(data []byte) []int {
	ours := map[string]bool{}
	for line := range strings.Lines(setHeader) {
		ours[strings.TrimSpace(strings.TrimPrefix(line, "#"))] = true
	}
	for _, n := range orderNames {
		ours["order "+n] = true
	}
	lines := strings.Split(string(data), "\n")
	var out []int
	for _, t := range lexer.Tokenize(string(data)) {
		if t.Type != token.CommentType || ours[strings.TrimSpace(t.Value)] {
			continue
		}
		n := t.Position.Line
		before, _, _ := strings.Cut(lines[min(n, len(lines))-1], "#")
		if strings.HasSuffix(strings.TrimSpace(before), `: ""`) && strings.Contains(t.Value, " Such as: ") {
			continue
		}
		out = append(out, n)
	}
	return out
}
