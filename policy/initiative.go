// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// Initiative is a parsed policy set definition.
type Initiative struct {
	ID, Name, DisplayName string
	Version               string
	Parameters            []Parameter
	References            []Reference
	Groups                []Group
	doc                   *document
}

// Reference is one policy of an initiative.
type Reference struct {
	ID           string // policyDefinitionReferenceId
	DefinitionID string
	Version      string // pin such as 1.*.*, "" for the newest
	Groups       []string
	parameters   jsontape.Value
	at           jsontape.Value
}

// Group is a group of policies, such as a control of a standard.
type Group struct {
	Name, DisplayName, Category string
}

// ParseInitiative parses a policy set definition, with or without its ARM
// envelope. The error is a *SourceError.
func ParseInitiative(file string, src []byte) (*Initiative, error) {
	doc, err := parseDocument(file, src)
	if err != nil {
		return nil, err
	}
	return parseInitiative(doc, doc.tape.Root())
}

func parseInitiative(doc *document, root jsontape.Value) (*Initiative, error) {
	if root.Kind() != jsontape.Object {
		return nil, doc.errorAt(root, "", "an initiative must be an object, not %s", root.Kind().Phrase())
	}
	n := &Initiative{doc: doc, ID: root.Get("id").Str(), Name: root.Get("name").Str()}
	body := root
	if p := root.Get("properties"); p.Kind() == jsontape.Object {
		body = p
	}
	n.DisplayName, n.Version = body.Get("displayName").Str(), body.Get("version").Str()
	if n.Version == "" {
		n.Version = body.Get("metadata").Get("version").Str()
	}
	list := body.Get("policyDefinitions")
	if list.Kind() != jsontape.Array {
		return nil, doc.errorAt(body, "", "an initiative needs the array policyDefinitions")
	}
	var err error
	if n.Parameters, err = parseParameters(doc, body.Get("parameters"), "parameters"); err != nil {
		return nil, err
	}
	for g := range body.Get("policyDefinitionGroups").Elems() {
		n.Groups = append(n.Groups, Group{g.Get("name").Str(), g.Get("displayName").Str(), g.Get("category").Str()})
	}
	i := 0
	for e := range list.Elems() {
		place := "policyDefinitions[" + strconv.Itoa(i) + "]"
		r := Reference{
			ID: e.Get("policyDefinitionReferenceId").Str(), DefinitionID: e.Get("policyDefinitionId").Str(),
			Version: e.Get("definitionVersion").Str(), parameters: e.Get("parameters"), at: e,
		}
		if r.DefinitionID == "" {
			return nil, doc.errorAt(e, place, "the reference has no policyDefinitionId")
		}
		if r.ID == "" {
			r.ID = strconv.Itoa(i)
		}
		if slices.ContainsFunc(n.References, func(o Reference) bool { return foldEq(o.ID, r.ID) }) {
			return nil, doc.errorAt(e, place, "policyDefinitionReferenceId %q occurs twice", r.ID)
		}
		r.Groups, _ = stringList(e.Get("groupNames"))
		n.References = append(n.References, r)
		i++
	}
	return n, nil
}

// Library holds definitions and initiatives by id, several versions of each.
type Library struct {
	Catalog     *Catalog
	definitions map[string][]*Definition
	initiatives map[string][]*Initiative
}

// NewLibrary makes an empty library over an alias catalogue.
func NewLibrary(c *Catalog) *Library {
	return &Library{Catalog: c, definitions: map[string][]*Definition{}, initiatives: map[string][]*Initiative{}}
}

// libraryKey is what names a definition: the last segment of its id, which is
// a GUID for built-in ones.
func libraryKey(id string) string {
	id = strings.ToLower(strings.TrimRight(id, "/"))
	if i := strings.Index(id, "/versions/"); i > 0 {
		id = id[:i]
	}
	return id[strings.LastIndexByte(id, '/')+1:]
}

// Add adds a definition.
func (l *Library) Add(d *Definition) {
	k := libraryKey(d.ID)
	if k == "" {
		k = libraryKey(d.Name)
	}
	l.definitions[k] = append(l.definitions[k], d)
}

// AddInitiative adds an initiative.
func (l *Library) AddInitiative(n *Initiative) {
	k := libraryKey(n.ID)
	if k == "" {
		k = libraryKey(n.Name)
	}
	l.initiatives[k] = append(l.initiatives[k], n)
}

// Definition returns the newest version of a definition that a pin such as
// "1.*.*" admits. found is false when the library has no version at all.
func (l *Library) Definition(id, pin string) (d *Definition, found bool) {
	for _, c := range l.definitions[libraryKey(id)] {
		found = true
		if versionMatches(c.Version, pin) && (d == nil || versionLess(d.Version, c.Version)) {
			d = c
		}
	}
	return d, found
}

// Initiative returns the newest version of an initiative that a pin admits.
func (l *Library) Initiative(id, pin string) *Initiative {
	var best *Initiative
	for _, c := range l.initiatives[libraryKey(id)] {
		if versionMatches(c.Version, pin) && (best == nil || versionLess(best.Version, c.Version)) {
			best = c
		}
	}
	return best
}

// versionMatches reports whether a version satisfies a pin; a definition
// without version satisfies every pin, and suffixes such as -preview and
// -deprecated do not count.
func versionMatches(version, pin string) bool {
	if pin == "" || version == "" {
		return true
	}
	p, v := strings.Split(bareVersion(pin), "."), strings.Split(bareVersion(version), ".")
	for i := range p {
		if p[i] == "*" {
			continue
		}
		if i >= len(v) || p[i] != v[i] {
			return false
		}
	}
	return true
}

func bareVersion(s string) string {
	s, _, _ = strings.Cut(s, "-")
	return s
}

func versionLess(a, b string) bool {
	x, y := strings.Split(bareVersion(a), "."), strings.Split(bareVersion(b), ".")
	for i := range max(len(x), len(y)) {
		var m, n int
		if i < len(x) {
			m, _ = strconv.Atoi(x[i])
		}
		if i < len(y) {
			n, _ = strconv.Atoi(y[i])
		}
		if m != n {
			return m < n
		}
	}
	return false
}

// bindInitiative fills the initiative's parameters from given values and
// defaults.
func (n *Initiative) bind(given map[string]armexpr.Value) (map[string]armexpr.Value, error) {
	p := &Policy{Definition: &Definition{Parameters: n.Parameters, doc: n.doc}}
	if err := p.bindParameters(given); err != nil {
		return nil, err
	}
	return p.params, nil
}

// parametersOf evaluates the values that the initiative passes to a reference.
func (n *Initiative) parametersOf(r *Reference, params map[string]armexpr.Value) (map[string]armexpr.Value, error) {
	p := &Policy{Definition: &Definition{doc: n.doc}, params: params, set: policySet(params)}
	out := map[string]armexpr.Value{}
	for name, v := range r.parameters.Members() {
		place := "policyDefinitions." + r.ID + ".parameters." + name
		val := v.Get("value")
		if val.Kind() == jsontape.Absent {
			return nil, n.doc.errorAt(v, place, "the parameter has no value")
		}
		c, err := p.constant(val, place)
		if err != nil {
			return nil, err
		}
		out[name] = c
	}
	return out, nil
}
