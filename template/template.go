// SPDX-License-Identifier: Apache-2.0

package template

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/armexpr"
	"github.com/tickmark/tickmark/jsontape"
)

// OpenMember is the member by which an object in Result.Page says that it may
// have members which it does not list; its value is a marker with the reason.
const OpenMember = "tickmark:open"

// UncertainMember is the member by which a resource in Result.Page says that it
// is not known whether it comes to be; its value is a marker with the reason.
const UncertainMember = "tickmark:uncertain"

// The stand-ins for scopes that the options do not give.
const (
	PlaceholderSubscription    = "00000000-0000-0000-0000-000000000000"
	PlaceholderResourceGroup   = "{resource-group}"
	PlaceholderManagementGroup = "{management-group}"
)

// Limits of one expansion. Resource Manager's own are 800 resources and 4 MB.
const (
	MaxCopies     = 800    // of one copy loop
	MaxResources  = 10_000 // of one expansion
	MaxDepth      = 16     // nested deployments
	maxFrames     = 1000   // nested deployments in all
	maxPage       = 64 << 20
	maxValues     = 4 << 20 // values that are evaluated
	maxVariable   = 1 << 18 // values in one variable or parameter
	maxUserDepth  = 32      // user functions that call each other
	maxChildDepth = 16      // resources nested in resources
)

// Options say where the template would be deployed. What is not given is
// unobserved where an expression asks for it, and has a placeholder in ids.
type Options struct {
	// Name is the input's name in messages.
	Name string
	// Parameters is the content of a parameters file, ParametersName its name.
	Parameters     []byte
	ParametersName string
	// Subscription is an id without "/subscriptions/".
	Subscription, TenantID, ResourceGroup, ManagementGroup string
	// Location is that of the resource group or of the deployment.
	Location string
	// Deployment is the deployment's name.
	Deployment string
	// Cloud names the environment that environment() describes: "AzureCloud".
	Cloud string
	// Now is what utcNow() returns; the zero time makes it unobserved.
	Now time.Time
	// Open returns a file beside the template by its slash-separated path
	// relative to the template's folder. Without it linked templates are not
	// resolved. The path never leaves the folder.
	Open func(path string) ([]byte, error)
}

// Place is where a resource is defined.
type Place struct {
	Input     string // the template's name, or the linked file's
	Line, Col int    // 1-based
	Off, Len  int    // bytes in the input
}

// Note is something that could not be judged and is not an error.
type Note struct {
	Place  Place
	Object string // resource id, Terraform address, deployment, parameter
	What   string // what is not known
	Hint   string // what would make it known; may be empty
}

// Result is an expansion.
type Result struct {
	// Kind is "armTemplate" or "terraformPlan".
	Kind string
	// Page is a JSON array of resources, one a line.
	Page []byte
	// Items are the resources in Page; IDs and Places go with them.
	Items  []tickmark.Item
	IDs    []string
	Places []Place
	// Problems are errors in the input. What they do not touch was expanded.
	Problems []tickmark.Problem
	// Notes lists what is unknown before deployment: conditions, linked
	// templates that were not given, parameters without value.
	Notes []Note
	// NotMapped lists the resources that cannot be turned into ARM objects, by
	// their type: they are in Page with an unobserved content, and not judged.
	NotMapped []Note
	// Unread counts the deployments whose templates were not given: what they
	// would deploy is not in the page.
	Unread int

	byKey map[string]int // index by lower-case id
}

// Place returns where the resource with the id is defined.
func (r *Result) Place(id string) (Place, bool) {
	i, ok := r.byKey[strings.ToLower(id)]
	if !ok {
		return Place{}, false
	}
	return r.Places[i], true
}

// Expand turns a template or plan into resources. The error is an input that
// is neither, or cannot be read at all; everything else is in Result.Problems.
func Expand(ctx context.Context, src []byte, o Options) (*Result, error) {
	d, err := parse(o.Name, src)
	if err != nil {
		return nil, err
	}
	x := &expander{ctx: ctx, o: o, budget: maxValues, seen: map[string]bool{}}
	switch {
	case isTemplate(d.root):
		x.kind = "armTemplate"
		x.template(d)
	case isPlan(d.root):
		x.kind = "terraformPlan"
		x.plan(d)
	default:
		return nil, notATemplate(d)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return x.result()
}

func isTemplate(root jsontape.Value) bool {
	if root.Get("resources").Kind() == jsontape.Absent {
		return false
	}
	s := strings.ToLower(root.Get("$schema").Str())
	return strings.Contains(s, "deploymenttemplate.json") || s == "" && root.Get("contentVersion").Kind() == jsontape.String
}

func isPlan(root jsontape.Value) bool {
	return root.Get("format_version").Kind() == jsontape.String &&
		(root.Get("resource_changes").Exists() || root.Get("planned_values").Exists() || root.Get("values").Exists())
}

func notATemplate(d *document) error {
	e := &tickmark.Error{
		Code: tickmark.CodeInput, What: "this is neither an ARM template nor a Terraform plan", Where: d.name,
		Hint: "give what `bicep build` or `terraform show -json PLAN` writes",
	}
	switch s := strings.ToLower(d.root.Get("$schema").Str()); {
	case strings.Contains(s, "deploymentparameters.json"):
		e.What, e.Hint = "this is a parameters file, not a template", "give the template with --template and this file with --parameters"
	case strings.Contains(s, "deploymenttemplate.json"):
		e.What, e.Hint = "the template has no resources", ""
	case d.root.Get("format_version").Kind() == jsontape.String:
		e.What, e.Hint = "the Terraform document holds no plan", "run `terraform plan -out P` and `terraform show -json P`"
	}
	return e
}

// document is one file: the template, a linked template, a parameters file.
type document struct {
	name string
	path string // relative to the template's folder
	src  []byte
	root jsontape.Value
	// at is set for a template that an expression computes: the place of the
	// expression, since the values have none of their own.
	at *Place
}

// parse reads a document. Comments and a byte order mark, which Resource
// Manager's tools accept in templates, are blanked out so that offsets hold.
func parse(name string, src []byte) (*document, error) {
	switch {
	case bytes.HasPrefix(src, []byte("PK\x03\x04")):
		return nil, &tickmark.Error{Code: tickmark.CodeInput, What: "this is a binary plan", Where: name, Hint: "run `terraform show -json PLAN > plan.json`"}
	case strings.HasSuffix(strings.ToLower(name), ".bicep"), strings.HasSuffix(strings.ToLower(name), ".bicepparam"):
		return nil, &tickmark.Error{
			Code: tickmark.CodeInput, What: "this is Bicep source", Where: name,
			Hint: "run `bicep build FILE` (or `bicep build-params FILE`) and give the JSON that it writes",
		}
	}
	clean := blank(src)
	t, err := jsontape.Parse(clean, jsontape.Options{})
	if err != nil {
		return nil, &tickmark.Error{Code: tickmark.CodeInput, What: "the JSON cannot be read", Where: name, Err: err}
	}
	d := &document{name: name, src: clean, root: t.Root()}
	if k := d.root.Kind(); k != jsontape.Object {
		return nil, &tickmark.Error{Code: tickmark.CodeInput, What: fmt.Sprintf("the file holds %v, not an object", k), Where: name}
	}
	return d, nil
}

// blank returns src with comments and a byte order mark replaced by spaces;
// src itself when it has none.
func blank(src []byte) []byte {
	out := src
	erase := func(from, to int) {
		if len(out) == len(src) && (len(src) == 0 || &out[0] == &src[0]) {
			out = bytes.Clone(src)
		}
		for i := from; i < to; i++ {
			if out[i] != '\n' && out[i] != '\r' {
				out[i] = ' '
			}
		}
	}
	if bytes.HasPrefix(src, []byte("\xef\xbb\xbf")) {
		erase(0, 3)
	}
	for i := 0; i < len(src); i++ {
		switch {
		case src[i] == '"':
			for i++; i < len(src) && src[i] != '"'; i++ {
				if src[i] == '\\' {
					i++
				}
			}
		case src[i] == '/' && i+1 < len(src) && src[i+1] == '/':
			end := len(src)
			if n := bytes.IndexByte(src[i:], '\n'); n >= 0 {
				end = i + n
			}
			erase(i, end)
			i = end
		case src[i] == '/' && i+1 < len(src) && src[i+1] == '*':
			n := bytes.Index(src[i+2:], []byte("*/"))
			if n < 0 {
				return out // the parser says what is wrong
			}
			erase(i, i+n+4)
			i += n + 3
		}
	}
	return out
}

// place locates a value of the document.
func (d *document) place(v jsontape.Value) Place {
	if d.at != nil {
		return *d.at
	}
	off := v.Offset()
	if off < 0 {
		return Place{Input: d.name}
	}
	line, col := jsontape.Position(d.src, off)
	return Place{Input: d.name, Line: line, Col: col, Off: off, Len: len(v.Raw())}
}

// resource is a produced resource.
type resource struct {
	id, typ string
	// certain is false when the id has a stand-in in it.
	certain bool
	// absent is why the resource may not come to be; empty when it does.
	absent string
	object armexpr.Value
	place  Place
	// frame is the template that defines it; nil in a plan.
	frame *frame
}

// expander is one run.
type expander struct {
	ctx    context.Context //nolint:containedctx // one run, one context
	o      Options
	kind   string
	budget int
	spent  bool // the budget is used up and this was said
	frames int  // templates met so far
	unread int  // deployments whose templates were not given

	resources []*resource
	problems  []tickmark.Problem
	notes     []Note
	notMapped []Note
	seen      map[string]bool // problems told
}

// problem records an error at off of d, once.
func (x *expander) problem(d *document, off int, object, what, hint string) {
	if d.at != nil {
		off = d.at.Off
	}
	key := fmt.Sprintf("%s\x00%d\x00%s", d.name, off, what)
	if x.seen[key] {
		return
	}
	x.seen[key] = true
	p := tickmark.Problem{Input: d.name, Byte: int64(off), Object: object, Reason: tickmark.ReasonEvaluationError, What: what, Hint: hint}
	if off >= 0 {
		p.Line, p.Col = jsontape.Position(d.src, off)
	}
	x.problems = append(x.problems, p)
}

// note records something unknown, once.
func (x *expander) note(n Note) {
	key := fmt.Sprintf("note\x00%s\x00%d\x00%s\x00%s", n.Place.Input, n.Place.Off, n.Object, n.What)
	if !x.seen[key] {
		x.seen[key] = true
		x.notes = append(x.notes, n)
	}
}

// spend takes n values from the budget.
func (x *expander) spend(d *document, v jsontape.Value, n int) bool {
	x.budget -= n
	if x.budget >= 0 && x.ctx.Err() == nil {
		return true
	}
	if !x.spent && x.ctx.Err() == nil {
		x.spent = true
		x.problem(d, v.Offset(), "", fmt.Sprintf("the template expands to more than %d values; the rest is left out", maxValues), "split the deployment")
	}
	return false
}

// result writes the page.
func (x *expander) result() (*Result, error) {
	x.distinct()
	x.fold()
	r := &Result{Kind: x.kind, Problems: x.problems, Notes: x.notes, NotMapped: x.notMapped, Unread: x.unread, byKey: map[string]int{}}
	w := writer{limit: maxPage}
	w.raw("[")
	for i, res := range x.resources {
		if i > 0 {
			w.raw(",")
		}
		w.raw("\n")
		off := len(w.b)
		w.value(res.object)
		if w.full {
			return nil, &tickmark.Error{Code: tickmark.CodeInput, What: fmt.Sprintf("the resources take more than %d MB", maxPage>>20), Where: x.o.Name, Hint: "split the deployment"}
		}
		r.Items = append(r.Items, tickmark.Item{Off: off, Len: len(w.b) - off})
		r.byKey[strings.ToLower(res.id)] = i
		r.IDs = append(r.IDs, res.id)
		r.Places = append(r.Places, res.place)
	}
	w.raw("\n]\n")
	r.Page = w.b
	slices.SortStableFunc(r.Problems, func(a, b tickmark.Problem) int {
		return cmp.Or(cmp.Compare(a.Input, b.Input), cmp.Compare(a.Byte, b.Byte))
	})
	return r, nil
}
