// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"time"
)

// estate is what Azure Resource Manager serves. Resources are kept as templates
// and numbers; their JSON is made when it is asked for.
type estate struct {
	subs      []subscription
	byID      map[string]int // subscription by id, lower case
	mgroups   []ManagementGroup
	templates []*template
	entries   []entry
	// ranges are the entries of each subscription; the last one is the tenant's.
	ranges [][2]int32
	index  map[uint64]int32
	hseed  maphash.Seed
	// ordinals count the entries of each template while they are made.
	ordinals map[*template]int32
}

// subscription is one; Subscription's Count is expanded.
type subscription struct {
	*Subscription
	ID, Name, Group string // Group is the management group's name
}

// template is a Resource, compiled.
type template struct {
	*Resource
	path    string // in the organisation
	full    string // type in full
	lower   string
	table   string
	child   bool // below a parent, of its type
	root    bool // below no parent
	name    []part
	group   []part
	place   []part
	bodies  []body // without a variant, then one for each
	changes []*Change
	kids    []*template
	number  int
	appears time.Time
	ends    time.Time
}

// body is a resource's JSON as its provider and as Resource Graph show it.
type body struct {
	provider, index []part
}

// entry is one resource: its template, which one it is, and where.
type entry struct {
	tmpl, n, ord, sub, parent, end int32
}

// overlay is a change that a fault made.
type overlay struct {
	kind  string
	patch []byte
}

const groupType = "Microsoft.Resources/resourceGroups"

func (s *Sim) prepareEstate(ctx context.Context) error {
	s.hseed = maphash.MakeSeed()
	s.index, s.byID, s.ordinals = map[uint64]int32{}, map[string]int{}, map[*template]int32{}
	if err := s.prepareScopes(); err != nil {
		return err
	}
	roots, err := s.compileAll()
	if err != nil {
		return err
	}
	if err := s.checkResources(roots); err != nil {
		return err
	}
	for i := range s.subs {
		from := int32(len(s.entries)) //nolint:gosec // bounded by maxEntries
		if err := s.expandScope(ctx, roots, int32(i)); err != nil {
			return err
		}
		s.ranges = append(s.ranges, [2]int32{from, int32(len(s.entries))}) //nolint:gosec // bounded by maxEntries
	}
	from := int32(len(s.entries)) //nolint:gosec // bounded by maxEntries
	if err := s.expandScope(ctx, roots, -1); err != nil {
		return err
	}
	s.ranges = append(s.ranges, [2]int32{from, int32(len(s.entries))}) //nolint:gosec // bounded by maxEntries
	if err := s.prepareAccess(); err != nil {
		return err
	}
	for i := range s.org.Deny {
		s.org.Deny[i].Path = s.resolveScope(s.org.Deny[i].Path)
	}
	return s.attachChanges()
}

// prepareScopes expands subscriptions and checks the management groups.
func (s *Sim) prepareScopes() error {
	root := s.org.Tenant.ID
	s.mgroups = append([]ManagementGroup{{Name: root, Display: "Tenant Root Group"}}, s.org.ManagementGroups...)
	known := map[string]bool{}
	for i := range s.mgroups {
		g := &s.mgroups[i]
		if i > 0 {
			g.Parent = first(g.Parent, root)
		}
		if i > 0 && !known[strings.ToLower(g.Parent)] {
			return s.org.refuse(at("managementGroups", i-1)+".parent", fmt.Sprintf("there is no management group %q", g.Parent), "list a parent before its children")
		}
		if i > 0 && (g.Name == "" || known[strings.ToLower(g.Name)]) {
			return s.org.refuse(at("managementGroups", i-1), fmt.Sprintf("two management groups are called %q, or one has no name", g.Name), "")
		}
		known[strings.ToLower(g.Name)] = true
	}
	for i := range s.org.Subscriptions {
		t := &s.org.Subscriptions[i]
		if t.ManagementGroup != "" && !known[strings.ToLower(t.ManagementGroup)] {
			return s.org.refuse(at("subscriptions", i)+".managementGroup", fmt.Sprintf("there is no management group %q", t.ManagementGroup), "")
		}
		if t.Name == "" {
			return s.org.refuse(at("subscriptions", i), "a subscription needs a name", "")
		}
		for n := 1; n <= max(t.Count, 1); n++ {
			name := s.expandText(t.Name, &vars{n: n})
			if t.Count > 1 && !strings.Contains(t.Name, "{n") {
				name = fmt.Sprintf("%s-%d", t.Name, n)
			}
			id := t.ID
			if id == "" || t.Count > 1 {
				id = s.guid("subscription", name)
			}
			if _, dup := s.byID[strings.ToLower(id)]; dup {
				return s.org.refuse(at("subscriptions", i), fmt.Sprintf("two subscriptions have the name %q or its id", name), "")
			}
			s.byID[strings.ToLower(id)] = len(s.subs)
			s.subs = append(s.subs, subscription{t, id, name, first(t.ManagementGroup, root)})
		}
	}
	return nil
}

// above lists the scopes above a subscription: its management groups up to the
// root group, then "/".
func (s *Sim) above(sub int) []string {
	return append(s.groupChain(s.subs[sub].Group), "/")
}

func (s *Sim) groupChain(name string) []string {
	var out []string
	for name != "" {
		out = append(out, managementGroupID(name))
		i := slices.IndexFunc(s.mgroups, func(g ManagementGroup) bool { return strings.EqualFold(g.Name, name) })
		if i < 0 {
			break
		}
		name = s.mgroups[i].Parent
	}
	return out
}

func managementGroupID(name string) string {
	return "/providers/Microsoft.Management/managementGroups/" + name
}

// maxEntries bounds an organisation, so that a slip in a count says so.
const maxEntries = 5_000_000

func (s *Sim) compileAll() ([]*template, error) {
	var out []*template
	for i := range s.org.Resources {
		t, err := s.compileResource(at("resources", i), &s.org.Resources[i], nil)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	made, err := s.authorisation()
	if err != nil {
		return nil, err
	}
	for i := range made {
		t, err := s.compileResource("roleAssignments", &made[i], nil)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// tables are the Resource Graph tables of types that are not in resources, and
// of children that are, because they have a location of their own.
// https://learn.microsoft.com/azure/governance/resource-graph/reference/supported-tables-resources
var tables = tableOfTypes(map[string]string{
	"advisorresources":          `microsoft.advisor/recommendations`,
	"alertsmanagementresources": `microsoft.alertsmanagement/alerts`,
	"authorizationresources": `microsoft.authorization/roleassignments
		microsoft.authorization/roledefinitions`,
	"guestconfigurationresources": `microsoft.guestconfiguration/guestconfigurationassignments`,
	"healthresources":             `microsoft.resourcehealth/availabilitystatuses`,
	"maintenanceresources": `microsoft.maintenance/maintenanceconfigurations
		microsoft.maintenance/configurationassignments`,
	"policyresources": `microsoft.authorization/policyassignments
		microsoft.authorization/policydefinitions
		microsoft.authorization/policysetdefinitions
		microsoft.authorization/policyexemptions
		microsoft.policyinsights/policystates`,
	"recoveryservicesresources": `microsoft.recoveryservices/vaults/backupfabrics/protectioncontainers/protecteditems
		microsoft.recoveryservices/vaults/replicationfabrics/replicationprotectioncontainers/replicationprotecteditems
		microsoft.recoveryservices/vaults/backuppolicies
		microsoft.recoveryservices/vaults/backupjobs
		microsoft.dataprotection/backupvaults/backupinstances`,
	"resourcecontainers": `microsoft.resources/resourcegroups`,
	"resources": `microsoft.compute/virtualmachines/extensions
		microsoft.sql/servers/databases
		microsoft.sql/servers/elasticpools
		microsoft.sql/managedinstances/databases
		microsoft.web/sites/slots
		microsoft.network/networkwatchers/flowlogs
		microsoft.automation/automationaccounts/runbooks
		microsoft.cdn/profiles/afdendpoints`,
	"securityresources": `microsoft.security/pricings
		microsoft.security/assessments
		microsoft.security/securescores
		microsoft.security/regulatorycompliancestandards
		microsoft.security/assessments/subassessments
		microsoft.security/securescores/securescorecontrols
		microsoft.security/regulatorycompliancestandards/regulatorycompliancecontrols`,
	"servicehealthresources": `microsoft.resourcehealth/events`,
})

func tableOfTypes(lists map[string]string) map[string]string {
	out := map[string]string{}
	for table, types := range lists {
		for typ := range strings.FieldsSeq(types) {
			out[typ] = table
		}
	}
	return out
}

func (s *Sim) compileResource(path string, r *Resource, parent *template) (*template, error) {
	bad := func(what string) error { return s.org.refuse(path, what, "") }
	if r.Type == "" || r.Name == "" && r.Type != groupType {
		return nil, bad("a resource needs a type and a name")
	}
	t := &template{Resource: r, path: path, full: r.Type, number: len(s.templates), root: parent == nil}
	s.templates = append(s.templates, t)
	if parent != nil && !strings.Contains(r.Type, ".") {
		t.full, t.child = parent.full+"/"+r.Type, true
	}
	t.lower = strings.ToLower(t.full)
	if parent == nil && !strings.Contains(t.full, "/") {
		return nil, bad("a resource's type has a namespace: Microsoft.Storage/storageAccounts")
	}
	t.table = strings.ToLower(r.Table)
	if t.table == "" {
		t.table = tables[t.lower]
		if t.table == "" && parent == nil && (r.At == "" || r.At == "group") {
			t.table = "resources"
		}
	}
	for _, f := range []struct {
		text string
		to   *[]part
	}{{first(r.Name, r.Group), &t.name}, {first(r.Group, "rg-"+first(firstWord(r.Subscriptions), "main")), &t.group}, {first(r.Location, "westeurope"), &t.place}} {
		parts, err := compile(quote(f.text))
		if err != nil {
			return nil, bad(err.Error())
		}
		*f.to = unquoted(parts)
	}
	t.appears, t.ends = s.at(r.Appears), s.at(r.Ends)
	t.bodies = append(t.bodies, s.compileBody(t, nil))
	for i := range r.Variants {
		v := &r.Variants[i]
		t.bodies = append(t.bodies, s.compileBody(t, v.Merge.text))
	}
	for i := range r.Children {
		k, err := s.compileResource(at(path+".children", i), &r.Children[i], t)
		if err != nil {
			return nil, err
		}
		t.kids = append(t.kids, k)
	}
	return t, nil
}

func firstWord(words []string) string {
	if len(words) == 0 || strings.Contains(words[0], "*") {
		return ""
	}
	return words[0]
}

// unquoted drops the quotes around a compiled string.
func unquoted(parts []part) []part {
	parts[0].lit = parts[0].lit[1:]
	last := &parts[len(parts)-1]
	last.lit = last.lit[:len(last.lit)-1]
	return parts
}
