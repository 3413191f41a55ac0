// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Retirement says when a provider ends a service, and what it names instead.
type Retirement struct {
	// Day is the last day (YYYY-MM-DD); it may lie ahead.
	Day string `yaml:"day" json:"day"`
	// Successors are ids of services; Instead names what is none of ours.
	Successors []string `yaml:"successors,omitempty" json:"successors,omitempty"`
	Instead    string   `yaml:"instead,omitempty" json:"instead,omitempty"`
	Source     string   `yaml:"source" json:"source"`
	Note       string   `yaml:"note,omitempty" json:"note,omitempty"`
}

// String says it in words, as seen from today (YYYY-MM-DD).
func (r *Retirement) String(today string) string {
	out := "ends on " + r.Day
	if r.Day < today {
		out = "ended on " + r.Day
	}
	instead := slices.Clone(r.Successors)
	if r.Instead != "" {
		instead = append(instead, r.Instead)
	}
	if len(instead) > 0 {
		out += "; instead: " + strings.Join(instead, ", ")
	}
	return out
}

// ServiceLevel is what a provider promises of a service: a fact with the
// edition of the agreement that shows it. services/assurance.yaml lists them.
type ServiceLevel struct {
	Service string `yaml:"service" json:"service"`
	Kind    string `yaml:"kind" json:"kind"` // availability, redundancy, monitoring
	// Percent is of what Of counts, in each Span (month, quarter); empty where
	// the promise is no number.
	Percent   string `yaml:"percent,omitempty" json:"percent,omitempty"`
	Of        string `yaml:"of" json:"of"`
	Condition string `yaml:"condition,omitempty" json:"condition,omitempty"`
	Span      string `yaml:"span,omitempty" json:"span,omitempty"`
	Shown     `yaml:",inline"`
}

// String says it in words.
func (s *ServiceLevel) String() string {
	out := s.Kind + ": " + s.Of
	if s.Percent != "" {
		out = fmt.Sprintf("%s: %s %% per %s: %s", s.Kind, s.Percent, s.Span, s.Of)
	}
	if s.Condition != "" {
		out += " (" + s.Condition + ")"
	}
	return out
}

// Certification is a standard to which services are certified, as a source
// shows it: Products as a whole, and Services.
type Certification struct {
	Standard string   `yaml:"standard" json:"standard"` // iso27001, iso27017, iso27018, pciDss, hds
	Name     string   `yaml:"name" json:"name"`
	Products []string `yaml:"products,omitempty" json:"products,omitempty"`
	Services []string `yaml:"services,omitempty" json:"services,omitempty"`
	Shown    `yaml:",inline"`
}

// Shown says when and where a source showed a fact.
type Shown struct {
	From string `yaml:"from,omitempty" json:"from,omitempty"`
	To   string `yaml:"to,omitempty" json:"to,omitempty"`
	// Unknown says why From is empty.
	Unknown string `yaml:"unknown,omitempty" json:"unknown,omitempty"`
	Source  string `yaml:"source" json:"source"`
	Note    string `yaml:"note,omitempty" json:"note,omitempty"`
}

// sound reports whether the fact has a time, or says why not, and a source.
func (s *Shown) sound() bool {
	return (s.From == "") == (s.Unknown != "") && (s.From == "" || isDate(s.From)) && (s.To == "" || isDate(s.To) && s.To >= s.From) && isHTTPS(s.Source)
}

// When says for which time the source shows the fact.
func (s *Shown) When() string {
	switch {
	case s.From == "":
		return "time unknown: " + s.Unknown
	case s.To == "":
		return "as of " + s.From
	}
	return s.From + " to " + s.To
}

// LevelsOf lists the service levels of a service that are known.
func (l *Library) LevelsOf(s *Service) []ServiceLevel {
	out := []ServiceLevel{}
	for _, x := range l.ServiceLevels {
		if x.Service == s.ID {
			out = append(out, x)
		}
	}
	return out
}

// CertificationsOf lists the certifications that name a service, or its
// product as a whole.
func (l *Library) CertificationsOf(s *Service) []Certification {
	out := []Certification{}
	for _, x := range l.Certifications {
		if slices.Contains(x.Services, s.ID) || slices.Contains(x.Products, s.Product) {
			out = append(out, x)
		}
	}
	return out
}

var (
	levelKinds = []string{"availability", "redundancy", "monitoring"}
	standards  = []string{"iso27001", "iso27017", "iso27018", "pciDss", "hds"}
	percent    = regexp.MustCompile(`^(100|\d{1,2}(\.\d+)?)$`)
)

// validateAssurance checks service levels, certifications and retirements.
func (l *Library) validateAssurance(services map[string]bool) []error {
	var out []error
	for i := range l.ServiceLevels {
		s := &l.ServiceLevels[i]
		key := fmt.Sprintf("serviceLevels/%d", i)
		number := percent.MatchString(s.Percent) && slices.Contains([]string{"month", "quarter"}, s.Span)
		if !services[s.Service] || !slices.Contains(levelKinds, s.Kind) || blank(s.Of) || !s.sound() || (s.Kind == "availability") != number || !number && s.Percent+s.Span != "" {
			out = append(out, l.at(key, "service level of %q: want a service, one of %v, what is counted, a percentage with its span where it is of availability, a date or why it is unknown, and an https source", s.Service, levelKinds))
		}
	}
	for i := range l.Certifications {
		c := &l.Certifications[i]
		key := fmt.Sprintf("certifications/%d", i)
		if !slices.Contains(standards, c.Standard) || blank(c.Name) || len(c.Products)+len(c.Services) == 0 || !c.sound() {
			out = append(out, l.at(key, "certification %q: want one of %v, a name, products or services, a date or why it is unknown, and an https source", c.Standard, standards))
		}
		for _, p := range c.Products {
			if !slices.Contains(products, p) {
				out = append(out, l.at(key, "product %q: want one of %v", p, products))
			}
		}
		for _, s := range c.Services {
			if !services[s] {
				out = append(out, l.at(key, "service %q does not exist", s))
			}
		}
	}
	for i := range l.Services {
		s := &l.Services[i]
		r := s.Retired
		if r == nil {
			continue
		}
		if !isDate(r.Day) || !isHTTPS(r.Source) {
			out = append(out, l.at("services/"+s.ID, "service %q: a retirement wants a day (YYYY-MM-DD) and an https source", s.ID))
		}
		for _, x := range r.Successors {
			if !services[x] || x == s.ID {
				out = append(out, l.at("services/"+s.ID, "successor %q of service %q does not exist", x, s.ID))
			}
		}
	}
	return out
}
