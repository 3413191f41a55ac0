// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// Question is one of the interview: what cannot be seen in an inventory and
// decides which controls an organisation needs.
type Question struct {
	ID  string `yaml:"id" json:"id"`
	Ask string `yaml:"ask" json:"ask"`
	Why string `yaml:"why" json:"why"`
}

// Adoption is an organisation's choice: the answers of the interview, from
// which its own control set is made. doc/spec/adoption.md describes the file.
type Adoption struct {
	Organisation string   `yaml:"organisation" json:"organisation"`
	Categories   []string `yaml:"categories" json:"categories"`
	// Services are ids of services that the organisation uses.
	Services []string `yaml:"services" json:"services"`
	// Answers are the answers to the interview's questions.
	Answers map[string]bool `yaml:"answers" json:"answers"`
	// Fields fill the braces of the statements, by the field's name, or by
	// CONTROL.FIELD for one control.
	Fields map[string]string `yaml:"fields" json:"fields"`
	// Without leaves controls of the library out, each with its reason.
	Without map[string]string `yaml:"without,omitempty" json:"without,omitempty"`
}

// OwnControl is a control of an organisation: one of the library as adopted,
// or one of its own.
type OwnControl struct {
	Control `yaml:",inline"`
	// From is the id of the library's control that it was made from; empty for
	// one of the organisation's own.
	From string `yaml:"from,omitempty"`
}

// ControlSet is an organisation's control set as a file.
type ControlSet struct {
	Organisation string        `yaml:"organisation"`
	Categories   []string      `yaml:"categories"`
	Catalog      string        `yaml:"catalog"` // digest of the library it was made from
	Controls     []*OwnControl `yaml:"controls"`
	// Left are controls of the library that were not adopted, and why.
	Left []LeftOut `yaml:"left,omitempty"`
}

// LeftOut is a control of the library that an organisation did not adopt.
type LeftOut struct {
	ID  string `yaml:"id" json:"id"`
	Why string `yaml:"why" json:"why"`
}

// ReadAdoption reads an adoption strictly, with places in its errors.
func (l *Library) ReadAdoption(name string, data []byte) (*Adoption, error) {
	f := file{name: name, data: data}
	m, err := parseYAML(f)
	if err != nil {
		return nil, err
	}
	a := &Adoption{}
	if err := decode(f, m, a); err != nil {
		return nil, err
	}
	return a, l.checkAdoption(f, m, a)
}

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
	for q := range a.Answers {
		if !slices.ContainsFunc(l.Interview, func(x Question) bool { return x.ID == q }) {
			return problem(f.name, tokenOf(child(m, "answers")), fmt.Sprintf("the interview has no question %q", q), "tickmark controls adopt --interview prints the questions")
		}
	}
	for id := range a.Without {
		if l.Control(id) == nil {
			return problem(f.name, tokenOf(child(m, "without")), fmt.Sprintf("the library has no control %q", id), "tickmark controls list names them")
		}
	}
	return nil
}

// Adopt makes an organisation's control set. Every control of the library is
// either in it or among those left, with the reason.
func (l *Library) Adopt(a *Adoption) *ControlSet {
	set := &ControlSet{Organisation: a.Organisation, Categories: a.Categories, Catalog: l.Digest().String()}
	for _, k := range l.Controls {
		if why := l.leave(k, a); why != "" {
			set.Left = append(set.Left, LeftOut{k.ID, why})
			continue
		}
		own := &OwnControl{Control: *k, From: k.ID}
		own.Statement = placeholder.ReplaceAllStringFunc(k.Statement, func(m string) string {
			name := m[1 : len(m)-1]
			for _, key := range []string{k.ID + "." + name, name} {
				if v := strings.TrimSpace(a.Fields[key]); v != "" {
					return v
				}
			}
			return m
		})
		own.Fields = slices.DeleteFunc(slices.Clone(k.Fields), func(f ControlField) bool {
			return !strings.Contains(own.Statement, "{"+f.Name+"}")
		})
		own.Criteria = slices.DeleteFunc(slices.Clone(k.Criteria), func(c CriterionLink) bool {
			return !slices.Contains(a.Categories, l.catalog.Criterion(c.Code).Category)
		})
		set.Controls = append(set.Controls, own)
	}
	return set
}

// leave says why an organisation does not adopt a control, or "".
func (l *Library) leave(k *Control, a *Adoption) string {
	if why, ok := a.Without[k.ID]; ok {
		return "left out: " + why
	}
	if !slices.ContainsFunc(k.Categories, func(c string) bool { return slices.Contains(a.Categories, c) }) {
		return "is for " + strings.Join(k.Categories, " and ") + ", which is not chosen"
	}
	if len(k.Requires) == 0 || slices.ContainsFunc(k.Requires, func(r string) bool { return slices.Contains(a.Services, r) || a.Answers[r] }) {
		return ""
	}
	return "needs " + strings.Join(k.Requires, " or ") + ", which is not used or was answered with no"
}

// YAML writes the set as a file that ReadControlSet reads.
func (s *ControlSet) YAML() ([]byte, error) {
	return yaml.MarshalWithOptions(s, yaml.Indent(2), yaml.IndentSequence(true), yaml.UseLiteralStyleIfMultiline(true))
}

// ReadControlSet reads a control set strictly, with places in its errors.
func ReadControlSet(name string, data []byte) (*ControlSet, error) {
	f := file{name: name, data: data}
	m, err := parseYAML(f)
	if err != nil {
		return nil, err
	}
	s := &ControlSet{}
	if err := decode(f, m, s); err != nil {
		return nil, err
	}
	list := child(m, "controls")
	seen := map[string]bool{}
	for i, k := range s.Controls {
		k.File = name
		if t := tokenOf(element(list, i)); t != nil {
			k.Line = t.Position.Line
		}
		if k.ID == "" || seen[k.ID] {
			return nil, problem(name, tokenOf(element(list, i)), fmt.Sprintf("control id %q is missing or taken", k.ID), "each control needs an id of its own")
		}
		seen[k.ID] = true
	}
	return s, nil
}

// List returns the set's controls in the form that Lint reads.
func (s *ControlSet) List() []*Control {
	out := make([]*Control, len(s.Controls))
	for i, k := range s.Controls {
		out[i] = &k.Control
	}
	return out
}
