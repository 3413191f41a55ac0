// SPDX-License-Identifier: Apache-2.0

package unit

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sort"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/tickmark/tickmark/policy"
)

// maxYAMLText bounds the JSON that aliases of one YAML document may unfold to.
const maxYAMLText = 8 << 20

// yamlText is a YAML document written as one line of JSON, with the place in
// the YAML of every key and value, so that whatever is wrong with the JSON can
// be told where the author wrote it.
type yamlText struct {
	file    string
	src     []byte
	json    []byte
	places  []yamlPlace // by ascending offset
	anchors map[string]ast.Node
	depth   int
}

type yamlPlace struct {
	off       int
	line, col int
}

// readYAML reads the first document of a YAML text; JSON is YAML too.
func readYAML(file string, src []byte) (*yamlText, error) {
	tree, err := parser.ParseBytes(src, 0)
	if err != nil {
		var y yaml.Error
		if errors.As(err, &y) && y.GetToken() != nil && y.GetToken().Position != nil {
			p := y.GetToken().Position
			return nil, policy.NewSourceError(file, src, p.Line, p.Column, y.GetMessage())
		}
		return nil, policy.NewSourceError(file, src, 1, 1, err.Error())
	}
	y := &yamlText{file: file, src: src, anchors: map[string]ast.Node{}}
	for _, d := range tree.Docs {
		if d.Body == nil {
			continue
		}
		if y.json != nil {
			return nil, y.problem(d.Body.GetToken(), "a file holds one YAML document, and this is the second")
		}
		if err := y.write(d.Body); err != nil {
			return nil, err
		}
	}
	if y.json == nil {
		return nil, policy.NewSourceError(file, src, 1, 1, "the file is empty")
	}
	return y, nil
}

func (y *yamlText) problem(t *token.Token, format string, args ...any) *policy.SourceError {
	line, col := 1, 1
	if t != nil && t.Position != nil {
		line, col = t.Position.Line, t.Position.Column
	}
	return policy.NewSourceError(y.file, y.src, line, col, fmt.Sprintf(format, args...))
}

// at finds the place in the YAML of an offset in the JSON.
func (y *yamlText) at(off int) (line, col int) {
	i := sort.Search(len(y.places), func(i int) bool { return y.places[i].off > off })
	if i == 0 {
		return 1, 1
	}
	return y.places[i-1].line, y.places[i-1].col
}

// moved turns an error in the JSON into one in the YAML. base is where the
// text that the error speaks of starts in the JSON.
func (y *yamlText) moved(err error, base int) error {
	var e *policy.SourceError
	if !errors.As(err, &e) {
		return err
	}
	line, col := y.at(base + e.Col - 1)
	out := policy.NewSourceError(y.file, y.src, line, col, e.What)
	out.Place, out.Hint = e.Place, e.Hint
	return out
}

func (y *yamlText) mark(n ast.Node) {
	if t := n.GetToken(); t != nil && t.Position != nil {
		y.places = append(y.places, yamlPlace{len(y.json), t.Position.Line, t.Position.Column})
	}
}

func (y *yamlText) write(n ast.Node) error {
	if y.depth++; y.depth > 200 {
		return y.problem(n.GetToken(), "the document is nested deeper than 200 levels")
	}
	defer func() { y.depth-- }()
	if len(y.json) > maxYAMLText {
		return y.problem(n.GetToken(), "the document unfolds to more than %d MiB", maxYAMLText>>20)
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			y.mark(n.Values[0].Key) // the node's own token is the first colon
		} else {
			y.mark(n)
		}
		return y.mapping(n.Values)
	case *ast.MappingValueNode:
		y.mark(n.Key)
		return y.mapping([]*ast.MappingValueNode{n})
	case *ast.SequenceNode:
		y.mark(n)
		return y.sequence(n)
	case *ast.AnchorNode:
		y.anchors[n.Name.String()] = n.Value
		return y.write(n.Value)
	case *ast.AliasNode:
		v := y.anchors[n.Value.String()]
		if v == nil {
			return y.problem(n.GetToken(), "the alias *%s has no anchor before it", n.Value)
		}
		return y.write(v)
	case *ast.TagNode:
		return y.problem(n.GetToken(), "tags are not read; write the value plainly")
	default:
		y.mark(n)
		return y.scalar(n)
	}
}

func (y *yamlText) mapping(values []*ast.MappingValueNode) error {
	y.json = append(y.json, '{')
	for i, v := range values {
		if i > 0 {
			y.json = append(y.json, ',')
		}
		key, ok := v.Key.(ast.ScalarNode)
		if !ok {
			return y.problem(v.Key.GetToken(), "a key must be a plain word or a string; merge keys are not read")
		}
		y.mark(v.Key)
		y.text(fmt.Sprint(key.GetValue()))
		y.json = append(y.json, ':')
		if err := y.write(v.Value); err != nil {
			return err
		}
	}
	y.json = append(y.json, '}')
	return nil
}

func (y *yamlText) sequence(n *ast.SequenceNode) error {
	y.json = append(y.json, '[')
	for i, v := range n.Values {
		if i > 0 {
			y.json = append(y.json, ',')
		}
		if err := y.write(v); err != nil {
			return err
		}
	}
	y.json = append(y.json, ']')
	return nil
}

func (y *yamlText) scalar(n ast.Node) error {
	switch n := n.(type) {
	case *ast.StringNode:
		y.text(n.Value)
	case *ast.LiteralNode:
		y.text(n.Value.Value)
	case *ast.BoolNode:
		y.json = fmt.Append(y.json, n.Value)
	case *ast.NullNode:
		y.json = append(y.json, "null"...)
	case *ast.IntegerNode:
		y.json = fmt.Append(y.json, n.Value)
	case *ast.FloatNode:
		if math.IsNaN(n.Value) || math.IsInf(n.Value, 0) {
			return y.problem(n.GetToken(), "the number has no form in JSON")
		}
		j, err := json.Marshal(n.Value)
		if err != nil {
			return y.problem(n.GetToken(), "the number has no form in JSON: %v", err)
		}
		y.json = append(y.json, j...)
	default:
		return y.problem(n.GetToken(), "a %s has no form in JSON", strings.ToLower(n.Type().String()))
	}
	return nil
}

// text appends s as a JSON string. Characters that HTML minds stay as they are.
func (y *yamlText) text(s string) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return // a string always encodes
	}
	y.json = append(y.json, strings.TrimSuffix(b.String(), "\n")...)
}
