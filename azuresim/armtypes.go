// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	_ "embed" // the types and their versions
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

//go:embed armtypes.txt
var armTypesText string

// armKnown is what Resource Manager knows of types and api-versions.
type armKnown struct {
	types      map[string][]string // full type, lower case → versions
	namespaces map[string][]string // all versions of the types of a namespace
}

// armTypes reads the table: "namespace version …: type type …" a line.
var armTypes = sync.OnceValue(func() armKnown {
	k := armKnown{types: map[string][]string{}, namespaces: map[string][]string{}}
	for line := range strings.Lines(armTypesText) {
		head, types, ok := strings.Cut(line, ":")
		words := strings.Fields(head)
		if !ok || len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		ns, versions := words[0], words[1:]
		k.namespaces[ns] = append(k.namespaces[ns], versions...)
		for t := range strings.FieldsSeq(types) {
			k.types[ns+"/"+strings.ToLower(t)] = versions
		}
	}
	return k
})

// typeAt is the full type that a path is about, in lower case: of the last
// provider in it, or of Resource Manager itself.
func typeAt(lower string) string {
	const own = "microsoft.resources/"
	i := strings.LastIndex(lower+"/", "/providers/")
	if i < 0 {
		seg := strings.Split(strings.TrimPrefix(lower, "/"), "/")
		switch {
		case seg[0] == "tenants":
			return own + "tenants"
		case len(seg) == 3 || len(seg) == 5: // a list below a subscription or group
			return own + seg[len(seg)-1]
		case len(seg) == 4:
			return own + "resourcegroups"
		}
		return own + "subscriptions"
	}
	seg := strings.Split(strings.Trim(lower[i:], "/"), "/")[1:]
	if len(seg) < 2 {
		return own + "providers"
	}
	full := seg[:1:1]
	for j := 1; j < len(seg); j += 2 {
		full = append(full, seg[j])
	}
	return strings.Join(full, "/")
}

// versioned refuses a namespace or a type that nobody knows, and an api-version
// that the type does not have. It answers itself and reports false if so. A type
// that only the organisation has may have any version that has come.
// https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-register-resource-provider
func (s *Sim) versioned(q *armRequest, version string) bool {
	full, known := typeAt(q.lower), armTypes()
	ns, rest, _ := strings.Cut(full, "/")
	versions, listed := known.types[full]
	own := s.typed()
	switch {
	case listed:
	case !own[ns] && known.namespaces[ns] == nil:
		s.fail(q.w, q.r, http.StatusNotFound, "InvalidResourceNamespace", fmt.Sprintf("The resource namespace '%s' is invalid.", ns))
		return false
	case !own[full]:
		s.fail(q.w, q.r, http.StatusNotFound, "InvalidResourceType", fmt.Sprintf("The resource type '%s' could not be found in the namespace '%s' for api version '%s'.", rest, ns, version))
		return false
	case known.namespaces[ns] == nil:
		if day, err := time.Parse(time.DateOnly, version[:len(time.DateOnly)]); err == nil && !day.After(s.Now()) {
			return true
		}
		versions = []string{"2024-01-01"}
	default:
		versions = known.namespaces[ns]
	}
	if slices.Contains(versions, strings.ToLower(version)) {
		return true
	}
	list := strings.Join(slices.Sorted(slices.Values(versions)), ", ")
	if ns == "microsoft.resources" {
		s.fail(q.w, q.r, http.StatusBadRequest, "InvalidApiVersionParameter", fmt.Sprintf("The api-version '%s' is invalid. The supported versions are '%s'.", version, list))
		return false
	}
	s.fail(q.w, q.r, http.StatusBadRequest, "NoRegisteredProviderFound",
		fmt.Sprintf("No registered resource provider found for location '' and API version '%s' for type '%s'. The supported api-versions are '%s'.", version, rest, list))
	return false
}

// typed are the types and namespaces of the organisation's templates, and what
// lies between them.
func (s *Sim) typed() map[string]bool {
	s.ownTypes.Do(func() {
		s.ownTypeSet = map[string]bool{}
		for _, t := range s.templates {
			for name := t.lower; name != ""; name = name[:max(strings.LastIndexByte(name, '/'), 0)] {
				s.ownTypeSet[name] = true
			}
		}
	})
	return s.ownTypeSet
}

// armCondition is one comparison of a $filter.
type armCondition struct{ field, op, value string }

// armFilter is a $filter, read.
type armFilter struct {
	// exact is atExactScope(), at is atScope().
	exact, at  bool
	conditions []armCondition
}

var (
	armTerm   = regexp.MustCompile(`^(?i)([\w/.]+)\s+(eq|ne|ge|gt|le|lt)\s+(?:'([^']*)'|([^\s']+))$`)
	armScope  = regexp.MustCompile(`^(?i)at(exact)?scope\(\)$`)
	armTarget = regexp.MustCompile(`^(?i)assignedTo\('([^']+)'\)$`)
	armAnd    = regexp.MustCompile(`(?i)\s+and\s+`)
)

// armFilters are the members by which lists can be filtered, by type; lists of
// other types take no comparison. The sources are the pages of the lists under
// https://learn.microsoft.com/rest/api/.
var armFilters = map[string]string{
	"microsoft.authorization/roleassignments":                  "principalid",
	"microsoft.authorization/denyassignments":                  "principalid denyassignmentname",
	"microsoft.authorization/roledefinitions":                  "type rolename",
	"microsoft.authorization/roleeligibilityscheduleinstances": "principalid roledefinitionid status",
	"microsoft.authorization/roleassignmentscheduleinstances":  "principalid roledefinitionid status",
	"microsoft.authorization/roleassignmentschedulerequests":   "principalid roledefinitionid status",
	"microsoft.authorization/rolemanagementpolicyassignments":  "roledefinitionid policyid",
	"microsoft.authorization/policydefinitions":                "policytype category",
	"microsoft.authorization/policysetdefinitions":             "policytype category",
	"microsoft.authorization/policyassignments":                "policydefinitionid",
	"microsoft.authorization/policyexemptions":                 "policyassignmentid",
	"microsoft.recoveryservices/vaults/backupjobs":             "starttime endtime status operation backupmanagementtype",
	"microsoft.recoveryservices/vaults/backupprotecteditems":   "backupmanagementtype itemtype",
	"microsoft.securityinsights/incidents":                     "properties/createdtimeutc properties/lastmodifiedtimeutc properties/status properties/severity",
	"microsoft.resources/resources":                            "resourcetype name location",
}

// readFilter reads the $filter of a list of a type. What it does not know is an
// error, as the services have it, and never ignored.
func readFilter(kind, filter string) (armFilter, error) {
	var f armFilter
	if strings.TrimSpace(filter) == "" {
		return f, nil
	}
	for _, term := range armAnd.Split(strings.TrimSpace(filter), -1) {
		authorization := strings.HasPrefix(kind, "microsoft.authorization/")
		if m := armScope.FindStringSubmatch(term); m != nil && authorization {
			f.at, f.exact = f.at || m[1] == "", f.exact || m[1] != ""
			continue
		}
		if m := armTarget.FindStringSubmatch(term); m != nil && authorization {
			f.conditions = append(f.conditions, armCondition{"principalid", "eq", m[1]})
			continue
		}
		m := armTerm.FindStringSubmatch(term)
		if m == nil {
			return f, fmt.Errorf("the filter clause '%s' is not valid", term)
		}
		c := armCondition{strings.ToLower(m[1]), strings.ToLower(m[2]), m[3] + m[4]}
		if !slices.Contains(strings.Fields(armFilters[kind]), c.field) {
			return f, fmt.Errorf("the property '%s' is not supported in the filter of '%s'", m[1], kind)
		}
		if _, err := armTime(c.value); err != nil && c.op != "eq" && c.op != "ne" {
			return f, fmt.Errorf("the value '%s' of '%s' is no time", c.value, m[1])
		}
		f.conditions = append(f.conditions, c)
	}
	return f, nil
}

// armTime reads the times that filters and records have: that of backup jobs is
// "2016-01-01 04:00:15 AM".
func armTime(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t, err = time.Parse("2006-01-02 03:04:05 PM", text)
	}
	return t, err
}

// jobWindow are the members by which a list of backup jobs names its window: the
// jobs that began and ended in it.
// https://learn.microsoft.com/rest/api/backup/backup-jobs/list
var jobWindow = map[string]string{"starttime": "ge", "endtime": "le"}

// holds reports whether a row meets the condition.
func (c *armCondition) holds(kind string, body []byte) bool {
	path, op := strings.Split(c.field, "/"), c.op
	if path[0] != "properties" && kind != "microsoft.resources/resources" {
		path = append([]string{"properties"}, path...)
	}
	got := textOf(jsonPath(body, path...))
	if w := jobWindow[c.field]; w != "" && strings.HasSuffix(kind, "/backupjobs") {
		op = w
		if got == "" {
			return true // still running
		}
	}
	if op == "eq" || op == "ne" {
		return strings.EqualFold(got, c.value) == (op == "eq")
	}
	have, err := armTime(got)
	want, bad := armTime(c.value)
	if err != nil || bad != nil {
		return false
	}
	d := have.Compare(want)
	switch op {
	case "ge":
		return d >= 0
	case "gt":
		return d > 0
	case "le":
		return d <= 0
	}
	return d < 0
}

// armOptions are the query options that Resource Manager knows.
var armOptions = strings.Fields("$filter $top $skiptoken $skip $expand $select $orderby")

// optioned refuses query options that nobody knows: a slip would be ignored. That
// every provider does so is unverified.
func (s *Sim) optioned(q *armRequest) bool {
	for name := range q.r.URL.Query() {
		if strings.HasPrefix(name, "$") && !slices.Contains(armOptions, strings.ToLower(name)) {
			s.fail(q.w, q.r, http.StatusBadRequest, "InvalidQueryParameter", fmt.Sprintf("The query parameter '%s' is not supported.", name))
			return false
		}
	}
	return true
}
