// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tickmark/tickmark"
)

// directory is the organisation's people and principals, expanded.
type directory struct {
	people     []person
	principals map[string]principal // by name, user principal name, object id, client id; lower case
	plans      map[string]bool      // of the enabled licences, lower case
}

// person is one user; Person's Count is expanded.
type person struct {
	*Person
	ID, Name, UPN string
	N             int // counted from 1 within its entry
}

// principal is something that can hold a role.
type principal struct {
	ID, Kind, Name string // Kind is User, Group, ServicePrincipal
}

func (s *Sim) prepareDirectory() error {
	o := s.org
	s.principals, s.plans = map[string]principal{}, map[string]bool{}
	add := func(p principal, names ...string) error {
		for _, n := range append(names, p.ID) {
			if n == "" {
				continue
			}
			n = strings.ToLower(n)
			if old, ok := s.principals[n]; ok && old.ID != p.ID {
				return &tickmark.Error{Code: tickmark.CodeInput, What: fmt.Sprintf("two principals are called %q", n), Where: "people, groups, applications, identities"}
			}
			s.principals[n] = p
		}
		return nil
	}
	for i := range o.People {
		for n := 1; n <= max(o.People[i].Count, 1); n++ {
			p := s.newPerson(&o.People[i], n)
			s.people = append(s.people, p)
			if err := add(principal{p.ID, "User", p.Name}, p.UPN, p.Name); err != nil {
				return err
			}
		}
	}
	for i := range o.Groups {
		g := &o.Groups[i]
		g.ID = first(g.ID, s.guid("group", g.Name))
		if err := add(principal{g.ID, "Group", g.Name}, g.Name); err != nil {
			return err
		}
	}
	for i := range o.Applications {
		a := &o.Applications[i]
		a.ID, a.ClientID = first(a.ID, s.guid("application", a.Name)), first(a.ClientID, s.guid("client", a.Name))
		a.ObjectID = first(a.ObjectID, s.guid("principal", a.Name))
		if err := add(principal{a.ObjectID, "ServicePrincipal", a.Name}, a.Name, a.ClientID); err != nil {
			return err
		}
	}
	for i := range o.Identities {
		d := &o.Identities[i]
		d.ClientID, d.ObjectID = first(d.ClientID, s.guid("client", d.Name)), first(d.ObjectID, s.guid("principal", d.Name))
		if err := add(principal{d.ObjectID, "ServicePrincipal", d.Name}, d.Name, d.ClientID); err != nil {
			return err
		}
	}
	for _, l := range o.Licences {
		if l.State == "" || strings.EqualFold(l.State, "Enabled") {
			for _, p := range l.Plans {
				s.plans[strings.ToLower(p)] = true
			}
		}
	}
	return s.checkNames()
}

func (s *Sim) newPerson(p *Person, n int) person {
	v := &vars{n: n, name: p.Name}
	out := person{Person: p, N: n, Name: s.expandText(p.Name, v), UPN: s.expandText(p.UPN, v), ID: p.ID}
	if p.Count > 1 && !strings.Contains(p.Name, "{n") {
		out.Name += " " + strconv.Itoa(n)
	}
	if out.UPN == "" || p.Count > 1 && !strings.Contains(p.UPN, "{n") {
		out.UPN = strings.ToLower(strings.ReplaceAll(out.Name, " ", ".")) + "@" + s.domain()
	}
	if out.ID == "" || p.Count > 1 {
		out.ID = s.guid("user", out.UPN)
	}
	return out
}

// checkNames refuses references to principals that do not exist.
func (s *Sim) checkNames() error {
	want := func(where string, names ...string) error {
		for _, n := range names {
			if _, ok := s.principals[strings.ToLower(n)]; !ok && n != "" {
				return &tickmark.Error{Code: tickmark.CodeInput, What: fmt.Sprintf("there is no person, group or application called %q", n), Where: where}
			}
		}
		return nil
	}
	for _, g := range s.org.Groups {
		if err := want("groups: "+g.Name, append(append([]string{}, g.Members...), g.Owners...)...); err != nil {
			return err
		}
	}
	for _, d := range s.org.DirectoryRoles {
		if err := want("directoryRoles: "+d.Role, d.Principal); err != nil {
			return err
		}
	}
	for _, a := range s.org.Applications {
		if err := want("applications: "+a.Name, a.Owners...); err != nil {
			return err
		}
	}
	for _, r := range s.org.RoleAssignments {
		if err := want("roleAssignments: "+r.Role, r.Principal, r.By); err != nil {
			return err
		}
	}
	return nil
}

// principalID returns the object id of who has the name; empty if nobody has.
func (s *Sim) principalID(name string) string { return s.principals[strings.ToLower(name)].ID }

// licensed reports whether the tenant has one of the service plans.
func (s *Sim) licensed(plans ...string) bool {
	for _, p := range plans {
		if s.plans[strings.ToLower(p)] {
			return true
		}
	}
	return false
}

// records returns the entities given for a key of records, rendered.
func (s *Sim) records(key string) [][]byte { return s.rendered(s.org.Records[key]) }

// rendered fills the placeholders of records; {n} counts from 1.
func (s *Sim) rendered(rs []Record) [][]byte {
	out := make([][]byte, len(rs))
	for i := range rs {
		out[i] = s.render(&rs[i], &vars{n: i + 1, name: "record"})
	}
	return out
}

// bucket is a token bucket on the simulated clock.
type bucket struct {
	left float64
	at   time.Time
}

// spend takes one from a bucket that holds capacity and refills at rate per
// second, and reports what is left, or how long to wait when nothing is. With
// quotas off there is always enough.
func (s *Sim) spend(name string, capacity, rate float64) (left int, wait time.Duration) {
	if !s.opts.Quotas {
		return int(capacity), 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Now()
	b := s.buckets[name]
	if b == nil {
		b = &bucket{left: capacity, at: now}
		s.buckets[name] = b
	}
	b.left = min(capacity, b.left+now.Sub(b.at).Seconds()*rate)
	b.at = now
	if b.left < 1 {
		return 0, time.Duration((1 - b.left) / rate * float64(time.Second))
	}
	b.left--
	return int(b.left), 0
}
