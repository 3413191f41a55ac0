// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// OfficialText is the text of a criterion as its publisher words it. It is
// nowhere in the program: a licensed user brings it.
type OfficialText struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// officialReader collects texts of criteria.
type officialReader struct {
	catalog  *Catalog
	file     string
	out      []OfficialText
	seen     map[string]bool
	problems []error
}

// ReadOfficial reads the texts of criteria out of a file of the user: CSV with
// the columns code and text, or YAML or JSON with code: text, or with a list of
// code and text. Codes outside of the 61, codes that come twice and empty texts
// are errors, joined, with their places. missing are the codes without text, in
// the order of the criteria.
func (c *Catalog) ReadOfficial(name string, data []byte) (texts []OfficialText, missing []string, err error) {
	r := officialReader{catalog: c, file: name, seen: map[string]bool{}}
	if strings.EqualFold(path.Ext(name), ".csv") {
		r.csv(data)
	} else {
		r.yaml(data)
	}
	if len(r.problems) == 0 && len(r.out) == 0 {
		r.problems = append(r.problems, problem(name, nil, "there is no text in it", "give a code and its text"))
	}
	for _, x := range c.Criteria {
		if !r.seen[x.Code] {
			missing = append(missing, x.Code)
		}
	}
	if err := errors.Join(r.problems...); err != nil {
		return nil, missing, err
	}
	return r.out, missing, nil
}

func (r *officialReader) add(at *token.Token, code, text string) {
	code, text = strings.TrimSpace(code), strings.TrimSpace(text)
	switch {
	case r.catalog.Criterion(code) == nil:
		r.problems = append(r.problems, problem(r.file, at, fmt.Sprintf("criterion %q does not exist", code), "use one of the 61 codes; tickmark criteria list names them"))
	case r.seen[code]:
		r.problems = append(r.problems, problem(r.file, at, "criterion "+code+" comes twice", ""))
	case text == "":
		r.problems = append(r.problems, problem(r.file, at, "criterion "+code+" has no text", "leave the line out, or give the text"))
	default:
		r.out = append(r.out, OfficialText{code, text})
	}
	r.seen[code] = true
}

func (r *officialReader) csv(data []byte) {
	in := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	in.FieldsPerRecord = -1
	for first := true; ; first = false {
		row, err := in.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			r.problems = append(r.problems, problem(r.file, nil, "is not CSV: "+err.Error(), ""))
			return
		}
		line, column := in.FieldPos(0)
		at := &token.Token{Position: &token.Position{Line: line, Column: column}}
		switch {
		case len(row) != 2:
			r.problems = append(r.problems, problem(r.file, at, fmt.Sprintf("%d cells, want two: code and text", len(row)), "quote a text with commas in it"))
		case first && strings.EqualFold(strings.TrimSpace(row[0]), "code"):
		default:
			r.add(at, row[0], row[1])
		}
	}
}

func (r *officialReader) yaml(data []byte) {
	body := data
	if t := bytes.TrimSpace(data); len(t) > 0 && (t[0] == '[' || t[0] == '-') { // a bare list is one without its name
		body = append([]byte("criteria:\n"), data...)
	}
	m, err := parseYAML(file{name: r.file, data: body})
	if err != nil {
		r.problems = append(r.problems, err)
		return
	}
	shift := bytes.Count(body, []byte("\n")) - bytes.Count(data, []byte("\n"))
	at := func(n ast.Node) *token.Token {
		t := *tokenOf(n)
		p := *t.Position
		p.Line -= shift
		t.Position = &p
		return &t
	}
	list, ok := child(m, "criteria").(*ast.SequenceNode)
	if !ok {
		for _, v := range m.Values {
			r.add(at(v.Key), keyOf(v), scalar(v.Value))
		}
		return
	}
	for _, e := range list.Values {
		r.add(at(e), scalar(child(e, "code")), scalar(child(e, "text")))
	}
}
