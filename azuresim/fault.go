// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/tickmark/tickmark"
)

// Fault is a fault to inject: which, where and how often. Only ID is needed.
type Fault struct {
	// ID is one of those that Faults lists, such as "C6/null".
	ID string `yaml:"id"`
	// Host, Method and Path (a pattern, * stands for anything) choose the
	// requests; empty is each.
	Host   string `yaml:"host"`
	Method string `yaml:"method"`
	Path   string `yaml:"path"`
	// Contains must be in the request's body.
	Contains string `yaml:"contains"`
	// Page chooses the page of a paged answer, counted from 1; 0 is each.
	Page int `yaml:"page" sim:"0..1000000000"`
	// Nth is the first of the chosen requests that is hit, counted from 1; Count
	// how many are, -1 for ever; 0 is the fault's own.
	Nth   int `yaml:"nth" sim:"0..1000000000"`
	Count int `yaml:"count" sim:"-1..1000000000"`

	// RetryAfter, Status, Code, At (a byte), Member (a path such as
	// value.properties.enabled), Value (JSON), Subscription (name), Type, Merge
	// and Skew are parameters of some faults.
	RetryAfter   string  `yaml:"retryAfter"`
	Status       int     `yaml:"status" sim:"0..599"`
	Code         string  `yaml:"code"`
	At           int     `yaml:"at" sim:"0..2000000000"`
	Member       string  `yaml:"member"`
	Value        string  `yaml:"value"`
	Subscription string  `yaml:"subscription"`
	Type         string  `yaml:"type"`
	Merge        *Record `yaml:"merge"`
	Skew         Span    `yaml:"skew"`
}

// ParseFaults reads a list of faults from YAML; name is for errors.
func ParseFaults(name string, data []byte) ([]Fault, error) {
	var out []Fault
	if err := yaml.UnmarshalWithOptions(data, &out, yaml.Strict()); err != nil {
		return nil, yamlProblem(name, err)
	}
	return out, nil
}

// Where says what a fault changes.
type Where string

// The places of faults.
const (
	InAnswer     Where = "answer"     // the status, headers, body or wire of an answer
	InPaging     Where = "paging"     // which rows and links a page has
	InConnection Where = "connection" // before any request
	InState      Where = "state"      // the organisation or the service from then on
	InService    Where = "service"    // how the service always is; nothing to inject
	InClient     Where = "client"     // outside what a server can do
)

// FaultInfo describes a fault of the catalogue.
type FaultInfo struct {
	ID    string
	Title string
	Where Where
	// Recovers says that a client can read everything in spite of it.
	Recovers bool
	// Paged says that it shows only where an answer has several pages; Query
	// that it exists only for Resource Graph.
	Paged, Query bool
}

// kind is a fault of the catalogue with what it does.
type kind struct {
	FaultInfo
	defaults Fault
	answer   func(s *Sim, c *call, f *Fault, a *answer)
	paging   func(s *Sim, r *http.Request, f *Fault, w *window, size, total int)
	// fired is called, without the lock, when the fault hits.
	fired func(s *Sim, f *Fault)
}

// Faults lists the catalogue, in order.
func Faults() []FaultInfo {
	out := make([]FaultInfo, 0, len(catalogue))
	for i := range catalogue {
		out = append(out, catalogue[i].FaultInfo)
	}
	return out
}

// armed is a fault that can hit, with its counters (guarded by Sim.mu).
type armed struct {
	Fault
	kind  *kind
	seen  int
	fired int
}

// arm fills a fault's defaults; an id that the catalogue lacks is an error.
func (s *Sim) arm(f Fault) (*armed, error) {
	for i := range catalogue {
		k := &catalogue[i]
		if !strings.EqualFold(k.ID, f.ID) {
			continue
		}
		a := &armed{Fault: f, kind: k}
		d := k.defaults
		a.ID = k.ID
		a.Nth = max(a.Nth, 1)
		a.Page, a.Count, a.Status = first(a.Page, d.Page), first(a.Count, d.Count), first(a.Status, d.Status)
		a.At, a.Skew = first(a.At, d.At), first(a.Skew, d.Skew)
		a.RetryAfter, a.Code, a.Path = first(a.RetryAfter, d.RetryAfter), first(a.Code, d.Code), first(a.Path, d.Path)
		a.Host, a.Member, a.Value = first(a.Host, d.Host), first(a.Member, d.Member), first(a.Value, d.Value)
		if a.Count == 0 {
			a.Count = 1
		}
		a.Path = s.resolveScope(a.Path)
		if a.Host != "" {
			if _, ok := hosts[a.Host]; !ok {
				return nil, s.org.refuse("faults", fmt.Sprintf("fault %s: there is no host %q", f.ID, a.Host), "")
			}
		}
		return a, nil
	}
	return nil, &tickmark.Error{Code: tickmark.CodeInput, What: fmt.Sprintf("there is no fault %q", f.ID), Where: "faults", Hint: "tickmark sim --list-faults lists them"}
}

func first[T comparable](a, b T) T {
	var zero T
	if a != zero {
		return a
	}
	return b
}

// hits counts a request and reports whether the fault hits it. The caller holds
// the lock.
func (a *armed) hits(c *call, r *http.Request) bool {
	if a.Host != "" && a.Host != c.host || a.Host == "" && (c.host == "login" || c.host == "foreign") {
		return false
	}
	if a.Method != "" && !strings.EqualFold(a.Method, r.Method) || !matches(a.Path, r.URL.Path) {
		return false
	}
	if a.Contains != "" && !strings.Contains(string(c.body), a.Contains) {
		return false
	}
	if a.Page > 0 && a.Page != max(c.page, 1) {
		return false
	}
	return a.hit()
}

func (a *armed) hit() bool {
	a.seen++
	if a.seen < a.Nth || a.Count > 0 && a.fired >= a.Count {
		return false
	}
	a.fired++
	return true
}

// inject lets the faults of answers and of state change an answer.
func (s *Sim) inject(r *http.Request, c *call, a *answer) {
	var hit []*armed
	s.mu.Lock()
	for _, f := range s.faults {
		if (f.kind.answer != nil || f.kind.fired != nil) && f.kind.paging == nil && f.hits(c, r) {
			hit = append(hit, f)
		}
	}
	s.mu.Unlock()
	for _, f := range hit {
		c.faults = append(c.faults, f.ID)
		if f.kind.fired != nil {
			f.kind.fired(s, &f.Fault)
		}
		if f.kind.answer != nil {
			f.kind.answer(s, c, &f.Fault, a)
		}
	}
}

// injectPaging lets the faults of paging change a window.
func (s *Sim) injectPaging(r *http.Request, w *window, size, total int) {
	c := callOf(r)
	var hit []*armed
	s.mu.Lock()
	for _, f := range s.faults {
		if f.kind.paging != nil && f.hits(c, r) {
			hit = append(hit, f)
		}
	}
	s.mu.Unlock()
	for _, f := range hit {
		c.faults = append(c.faults, f.ID)
		f.kind.paging(s, r, &f.Fault, w, size, total)
	}
}

// connectionFault says which certificate a host's next connection gets; "" is
// the good one.
func (s *Sim) connectionFault(host string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if f.kind.Where != InConnection || f.ID == "C21/dns" || f.Host != host && (f.Host != "" || host == "login") {
			continue
		}
		if f.hit() {
			s.journal.Handshakes++
			return strings.TrimPrefix(f.ID, "C21/")
		}
	}
	return ""
}

// stateFault reports whether a fault of state is armed and has hit.
func (s *Sim) stateFault(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if f.ID == id && f.fired > 0 {
			return true
		}
	}
	return false
}

// advertised is the address by which others are told of a host.
func (s *Sim) advertised(host, url string) string {
	for _, f := range s.faults {
		if f.ID == "C21/dns" && (f.Host == host || f.Host == "" && host != "login") {
			return "https://" + strings.ToLower(host) + ".simulator.invalid"
		}
	}
	return url
}

// Inject arms further faults while the simulator runs, and forgets those that
// were armed before. It is how a test goes from one fault to the next without
// starting again.
func (s *Sim) Inject(faults ...Fault) error {
	out := make([]*armed, 0, len(faults))
	for _, f := range faults {
		a, err := s.arm(f)
		if err != nil {
			return err
		}
		out = append(out, a)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = out
	s.overlays = nil
	clear(s.vanished)
	return nil
}

// Hits says how often each armed fault has hit, by id: a test whose fault never
// hit has shown nothing.
func (s *Sim) Hits() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]int{}
	for _, f := range s.faults {
		out[f.ID] += f.fired
	}
	return out
}
