// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/inventory"
	"github.com/tickmark/tickmark/report"
	"github.com/tickmark/tickmark/template"
)

// templateFlags choose what to assess before it is deployed.
type templateFlags struct {
	Template   string `help:"Assess an ARM template (as bicep build writes it) before deployment." placeholder:"FILE" type:"path"`
	Parameters string `help:"The template's parameters file." placeholder:"FILE" type:"path"`
	Plan       string `help:"Assess a Terraform plan (terraform show -json PLAN) before deployment; - for standard input." placeholder:"FILE" type:"path"`

	Subscription  string `help:"With --template or --plan: the subscription to deploy to." placeholder:"ID"`
	ResourceGroup string `help:"With --template: the resource group to deploy to." placeholder:"NAME"`
	Location      string `help:"With --template: the location of the resource group or deployment." placeholder:"REGION"`
}

// given reports whether a template or plan is to be assessed.
func (f *templateFlags) given() bool { return f.Template != "" || f.Plan != "" }

// check refuses combinations that mean nothing.
func (f *templateFlags) check() error {
	usage := func(where, what, hint string) error {
		return &tickmark.Error{Code: tickmark.CodeUsage, What: what, Where: where, Hint: hint}
	}
	switch {
	case f.Template != "" && f.Plan != "":
		return usage("--plan", "a template and a plan cannot be assessed in one run", "run twice")
	case f.Parameters != "" && f.Template == "":
		return usage("--parameters", "parameters need a template", "give it with --template")
	case f.Template == "" && f.Plan == "" && (f.Subscription != "" || f.ResourceGroup != "" || f.Location != ""):
		return usage("--subscription", "the scope of a deployment needs a template or a plan", "give one with --template or --plan")
	}
	return nil
}

// maxTemplate is the largest input file, maxExpansion how long expanding it may
// take: templates can hold loops over loops.
const (
	maxTemplate  = 256 << 20
	maxExpansion = 2 * time.Minute
)

// templateSnapshot expands a template or plan into a snapshot of resources that
// do not exist yet. places finds where a resource is defined, by its id. What
// is not known before deployment is listed on standard error.
func templateSnapshot(rc *runContext, f *templateFlags, now time.Time) (snap *tickmark.Snapshot, places func(resource string) (report.Place, bool), err error) {
	if err := f.check(); err != nil {
		return nil, nil, err
	}
	name := f.Template
	if name == "" {
		name = f.Plan
	}
	src, err := readPlanned(rc, name)
	if err != nil {
		return nil, nil, err
	}
	o := template.Options{
		Name: displayName(name), Subscription: f.Subscription, ResourceGroup: f.ResourceGroup, Location: f.Location,
		Cloud: "AzureCloud", Now: now,
	}
	if f.Parameters != "" {
		if o.Parameters, err = readPlanned(rc, f.Parameters); err != nil {
			return nil, nil, err
		}
		o.ParametersName = displayName(f.Parameters)
	}
	if f.Template != "" && name != "-" {
		root, err := os.OpenRoot(filepath.Dir(name))
		if err != nil {
			return nil, nil, &tickmark.Error{Code: tickmark.CodeInput, What: "the template's folder cannot be opened", Where: name, Err: err}
		}
		defer root.Close() //nolint:errcheck // opened for reading
		o.Open = func(p string) ([]byte, error) {
			file, err := root.Open(filepath.FromSlash(p))
			if err != nil {
				return nil, err
			}
			defer file.Close() //nolint:errcheck // opened for reading
			return readBounded(file, p)
		}
	}
	ctx, cancel := context.WithTimeout(rc.Context, maxExpansion)
	defer cancel()
	r, err := template.Expand(ctx, src, o)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, nil, &tickmark.Error{Code: tickmark.CodeInput, What: fmt.Sprintf("the expansion takes longer than %v", maxExpansion), Where: name, Hint: "look for loops over loops"}
	}
	if err != nil {
		return nil, nil, err
	}
	if want := map[bool]string{true: "armTemplate", false: "terraformPlan"}[f.Template != ""]; r.Kind != want {
		return nil, nil, &tickmark.Error{Code: tickmark.CodeUsage, What: "the file is a " + map[string]string{"armTemplate": "template, not a plan", "terraformPlan": "plan, not a template"}[r.Kind], Where: name, Hint: "use --template for ARM templates and --plan for Terraform plans"}
	}
	tellNotes(rc, r)
	return plannedSnapshot(r, o.Name, now), func(id string) (report.Place, bool) {
		p, ok := r.Place(id)
		return report.Place{Input: p.Input, Off: int64(p.Off), Len: int64(p.Len), Line: p.Line}, ok
	}, nil
}

// displayName is the name of an input in messages and reports: relative to the
// working directory where it lies below it, as code scanning wants it.
func displayName(name string) string {
	if name == "-" {
		return "standard input"
	}
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, name); err == nil && filepath.IsLocal(rel) {
			name = rel
		}
	}
	return path.Clean(filepath.ToSlash(name))
}

// readPlanned reads a file, or standard input for "-".
func readPlanned(rc *runContext, name string) ([]byte, error) {
	if name == "-" || filepath.Base(name) == "-" {
		return readBounded(rc.In, "standard input")
	}
	f, err := os.Open(name) //nolint:gosec // the user names it
	if err != nil {
		what := "the file cannot be opened"
		if errors.Is(err, os.ErrNotExist) {
			what, err = "there is no such file", nil
		}
		return nil, &tickmark.Error{Code: tickmark.CodeUsage, What: what, Where: name, Err: err}
	}
	defer f.Close() //nolint:errcheck // opened for reading
	return readBounded(f, name)
}

func readBounded(r io.Reader, name string) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxTemplate+1))
	switch {
	case err != nil:
		return nil, &tickmark.Error{Code: tickmark.CodeInput, What: "the file cannot be read", Where: name, Err: err}
	case len(b) > maxTemplate:
		return nil, &tickmark.Error{Code: tickmark.CodeInput, What: fmt.Sprintf("the file is larger than %d MB", maxTemplate>>20), Where: name}
	}
	return b, nil
}

// plannedSnapshot wraps an expansion. It is a trial: what is not deployed is no
// evidence of anything. No type is complete, since the scope may hold more. The
// page is named apart from the file, whose bytes it is not.
func plannedSnapshot(r *template.Result, name string, now time.Time) *tickmark.Snapshot {
	page := tickmark.Page{Name: name + "#resources", Form: inventory.FormPlanned, Bytes: r.Page, Digest: tickmark.DigestOf(r.Page), Items: r.Items}
	cov := tickmark.Coverage{Source: "file", Scope: name, Pages: 1, Items: len(r.Items), Declared: -1}
	if r.Unread > 0 {
		cov.Missing, cov.Detail = tickmark.ReasonNotCollected, fmt.Sprintf("%d linked templates were not read", r.Unread)
	}
	if len(r.Problems) > 0 {
		cov.Missing, cov.Detail = tickmark.ReasonEvaluationError, count(len(r.Problems), "error", "errors")+" in the input"
	}
	return &tickmark.Snapshot{
		Origin: "trial", ObservedAt: now, Problems: r.Problems,
		Segments: []tickmark.Segment{{Source: "file", Scope: name, Pages: []tickmark.Page{page}, Coverage: cov}},
	}
}

// maxNotes is how many things that are not known are told one by one.
const maxNotes = 20

// tellNotes lists what is not known before deployment and what is not judged.
func tellNotes(rc *runContext, r *template.Result) {
	for _, list := range []struct {
		head  string
		notes []template.Note
	}{
		{"not known before deployment", r.Notes},
		{"not judged: no mapping to an Azure resource", r.NotMapped},
	} {
		if len(list.notes) == 0 {
			continue
		}
		fmt.Fprintf(rc.Err, "%s (%d):\n", list.head, len(list.notes))
		for i, n := range list.notes {
			if i == maxNotes {
				fmt.Fprintf(rc.Err, "  and %d more\n", len(list.notes)-i)
				break
			}
			fmt.Fprintf(rc.Err, "  %s:%d: %s: %s\n", n.Place.Input, n.Place.Line, n.Object, n.What)
		}
	}
}
