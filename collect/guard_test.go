// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

// TestGuardList holds testdata/guards.yaml to the code: every guard that can be
// switched off is listed and the other way round, and every test exists.
func TestGuardList(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "guards.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Guards []struct{ Guard, Switch, Fault, What, Test string }
	}
	if err := yaml.UnmarshalWithOptions(b, &doc, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	code, tests := sources(t)
	inCode := map[string]bool{}
	for _, m := range regexp.MustCompile(`\bon\("([a-zA-Z]+)"\)`).FindAllStringSubmatch(code, -1) {
		inCode[m[1]] = true
	}
	cases := map[string][]guard{}
	for _, fc := range faults() {
		cases[fc.name] = fc.guards
	}
	for _, g := range doc.Guards {
		if g.What == "" || g.Fault == "" {
			t.Errorf("%s: it says not what it is for", g.Guard)
		}
		if g.Switch == "" {
			if !inCode[g.Guard] {
				t.Errorf("%s: there is no such guard in the code, or it is listed twice", g.Guard)
			}
			delete(inCode, g.Guard)
		}
		function, name, sub := strings.Cut(g.Test, "/")
		if !strings.Contains(tests, "func "+function+"(t *testing.T)") {
			t.Errorf("%s: there is no test %s", g.Guard, function)
		}
		if sub {
			guards, ok := cases[name]
			if !ok {
				t.Errorf("%s: there is no case %q", g.Guard, name)
			}
			if g.Switch == "" && !slices.Contains(guards, guard(g.Guard)) {
				t.Errorf("%s: the case %q is not run without it", g.Guard, name)
			}
		} else if g.Switch == "" && !strings.Contains(tests, `"`+g.Guard+`"`) {
			t.Errorf("%s: no test switches it off", g.Guard)
		}
	}
	for _, g := range slices.Sorted(maps.Keys(inCode)) {
		t.Errorf("%s: the guard is not in guards.yaml", g)
	}
}

func sources(t *testing.T) (code, tests string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(f, "_test.go") {
			tests += string(b)
		} else {
			code += string(b)
		}
	}
	return code, tests
}

// TestAdapt: a service that allows less than is documented, and says so in its
// headers, is not asked more.
func TestAdapt(t *testing.T) {
	run := func(t *testing.T, off bool) (refused int) {
		t.Helper()
		var s *setup
		var window time.Time
		used := 0
		list := listing{total: 60}
		s = newSetup(t, func(w http.ResponseWriter, r *http.Request) {
			now := s.clock.Now()
			if now.Sub(window) >= 10*time.Second {
				window, used = now, 0
			}
			resets := 10*time.Second - now.Sub(window)
			if used >= 3 {
				refused++
				throttle("Retry-After", "10")(w, r)
				return
			}
			used++
			w.Header().Set("x-ms-user-quota-remaining", strconv.Itoa(3-used))
			w.Header().Set("x-ms-user-quota-resets-after", fmt.Sprintf("00:00:%02d", int(resets.Seconds())+1))
			list.ServeHTTP(w, r)
		})
		s.tune.off["adapt"] = off
		c := s.run(t, armSource(askThings()))
		if got, detail := outcome(t, c); got != "complete 1/1 60" {
			t.Errorf("guard off %v: %s %s", off, got, detail)
		}
		return refused
	}
	if n := run(t, false); n > 0 {
		t.Errorf("%d requests were refused though the headers told", n)
	}
	if n := run(t, true); n == 0 {
		t.Error("without the guard nothing is refused: the test shows nothing")
	}
}

func TestCheck(t *testing.T) {
	ok := askThings()
	for name, tc := range map[string]struct {
		asks []Ask
		says string
	}{
		"name":      {[]Ask{with(ok, func(a *Ask) { a.Name = "Things" })}, "kebab"},
		"twice":     {[]Ask{ok, ok}, "two asks of this name"},
		"method":    {[]Ask{with(ok, func(a *Ask) { a.Method = "DELETE" })}, "want GET or POST"},
		"form":      {[]Ask{with(ok, func(a *Ask) { a.Form = "xml" })}, "form"},
		"host":      {[]Ask{with(ok, func(a *Ask) { a.Host = "x" })}, "host"},
		"pace":      {[]Ask{with(ok, func(a *Ask) { a.Pace = "x" })}, "no quota"},
		"paging":    {[]Ask{with(ok, func(a *Ask) { a.Paging = "x" })}, "paging"},
		"page size": {[]Ask{with(ok, func(a *Ask) { a.Paging = PageSkip })}, "needs PageSize"},
		"of":        {[]Ask{with(ok, func(a *Ask) { a.Of = []string{"Test/other"} })}, "no ask yields"},
		"circle": {[]Ask{
			with(ok, func(a *Ask) { a.Name, a.Of, a.Types = "one", []string{"Test/b"}, []string{"Test/a"} }),
			with(ok, func(a *Ask) { a.Name, a.Of, a.Types = "two", []string{"Test/a"}, []string{"Test/b"} }),
		}, "one → two → one"},
		"itself": {[]Ask{with(ok, func(a *Ask) { a.Of = []string{"Test/things"} })}, "things → things"},
		"proof":  {[]Ask{with(ok, func(a *Ask) { a.Proof = "x" })}, "no other ask"},
		"window": {[]Ask{with(ok, func(a *Ask) { a.Query = "x={from}" })}, "without Window"},
		"batch":  {[]Ask{ok, with(ok, func(a *Ask) { a.Name, a.Of, a.Types, a.Batch = "b", []string{"Test/things"}, nil, 2 })}, "without {ids}"},
		"token":  {[]Ask{with(ok, func(a *Ask) { a.Method, a.Paging, a.Body = "POST", PageSkipToken, "[" })}, "no JSON object"},
		"cloud":  {[]Ask{with(ok, func(a *Ask) { a.NotOffered = []string{"moon"} })}, "moon"},
		"wire":   {[]Ask{with(ok, func(a *Ask) { a.Wire = "csv" })}, "wire"},
		"blobs":  {[]Ask{with(ok, func(a *Ask) { a.Wire, a.Form, a.Paging = WireBlobList, formARMList, PageNextLink })}, "paging"},
		"marker": {[]Ask{with(ok, func(a *Ask) { a.Paging = PageMarker })}, "paging"},
		"by":     {[]Ask{with(ok, func(a *Ask) { a.By = []string{"x"} })}, "no other ask"},
		"by which": {[]Ask{
			ok, with(ok, func(a *Ask) { a.Name, a.Types = "others", []string{"Test/others"} }),
			with(ok, func(a *Ask) {
				a.Name, a.Of, a.By, a.Types = "kids", []string{"Test/things"}, []string{"others"}, []string{"Test/kids"}
			}),
		}, "no ask yields"},
		"404 for none": {[]Ask{
			with(ok, func(a *Ask) { a.Answers = []Answer{{Status: 404, Code: "NotFound", Means: MeansNone}} }),
			with(ok, func(a *Ask) { a.Name, a.Of, a.Types = "kids", []string{"Test/things"}, []string{"Test/kids"} }),
		}, "takes 404 for none"},
		"fine": {[]Ask{ok}, ""},
		"star": {[]Ask{
			with(ok, func(a *Ask) { a.Types = []string{"*"} }),
			with(ok, func(a *Ask) { a.Name, a.Of, a.Types = "kids", []string{"Test/things"}, []string{"Test/kids"} }),
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := Check(armSource(tc.asks...))
			if tc.says == "" && err != nil || tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says)) {
				t.Errorf("%v, want %q", err, tc.says)
			}
		})
	}
}

func with(a Ask, change func(*Ask)) Ask {
	change(&a)
	return a
}
