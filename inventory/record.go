// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"strings"

	"github.com/tickmark/tickmark/jsontape"
)

// This file gives records (data that is not ARM's) their ids:
//
//	TYPE / ID                 graph/users/6f0c…, and everything from files
//	TYPE / SUBJECT / ID       devops/pullRequests/<repository>/17
//	TYPE / SUBJECT            the one record of its subject, without an id
//	TYPE / SCOPE / …          where there is no subject: the segment's scope,
//	                          such as the organisation
//	TYPE                      the one record of a tenant
//
// ID is the member that the page's Identity names, else id. A number counts
// from 1 in every repository, and a member is in many groups: only the types
// of ownIdentity are told apart by their id alone, wherever they were read,
// and so have the same identity in an exported file.

// ownIdentity are the record types, lower-case, whose ids are unique in a
// tenant or, being GUIDs or the service's own global numbers, everywhere.
var ownIdentity = lowerSet(
	"graph/users", "graph/groups", "graph/servicePrincipals", "graph/applications", "graph/devices", "graph/directoryObjects",
	"graph/directoryRoles", "graph/organization", "graph/roleAssignments", "graph/roleDefinitions", "graph/conditionalAccessPolicies",
	"graph/namedLocations", "graph/roleAssignmentScheduleInstances", "graph/roleEligibilityScheduleInstances",
	"graph/userRegistrationDetails", "graph/subscribedSkus", "graph/signIns", "graph/directoryAudits",
	"graph/appRoleAssignments", "graph/oauth2PermissionGrants",
	"devops/projects", "devops/repositories", "github/repositories", "github/users", "power/environments",
)

func lowerSet(types ...string) map[string]bool {
	set := make(map[string]bool, len(types))
	for _, t := range types {
		set[strings.ToLower(t)] = true
	}
	return set
}

// nameRecord gives a record its id and key; false if it has something in the
// place of an id that is none.
func (w *worker) nameRecord(r *Resource, k *kind) bool {
	id, ok := w.recordID(r)
	if !ok {
		return false
	}
	parent := ""
	if !k.own || id == "" {
		parent = w.parentRecord()
	}
	if parent != "" && (id == parent || strings.HasSuffix(parent, "/"+id)) {
		parent = strings.TrimSuffix(strings.TrimSuffix(parent, id), "/") // the subject read again
	}
	switch {
	case id == "" && parent == "":
		r.ID = r.Type
	case id == "":
		r.ID = w.arena.join(r.Type, "/", parent)
	case parent == "":
		r.ID = w.arena.join(r.Type, "/", id)
	default:
		r.ID = w.arena.join(r.Type, "/", parent, "/", id)
	}
	return true
}

// recordID reads the member that identifies a record; "" if it is not there.
func (w *worker) recordID(r *Resource) (string, bool) {
	id := r.Root.Lookup(keyID)
	if w.page.Identity != "" {
		id = r.Root
		for name := range strings.SplitSeq(w.page.Identity, ".") {
			id = id.Get(name)
		}
	}
	switch id.Kind() {
	case jsontape.Absent:
		// A page that names the member is a list: without it, none of its items
		// can be told from the next.
		return "", w.page.Identity == ""
	case jsontape.String:
		return id.Str(), id.Str() != ""
	case jsontape.Number:
		if w.page.Ask != "" {
			return string(id.Raw()), true
		}
	case jsontape.Null, jsontape.False, jsontape.True, jsontape.Object, jsontape.Array, jsontape.Unobserved:
	}
	return "", false
}

// parentRecord is what the page at hand was asked about, without its type.
func (w *worker) parentRecord() string {
	if w.page.Ask == "" {
		return ""
	}
	seg := &w.snapshot.Segments[w.chunk.segment]
	subject := strings.Trim(w.page.Subject, "/")
	if subject == "" {
		return strings.Trim(seg.Scope, "/")
	}
	if source, rest, ok := strings.Cut(subject, "/"); ok && IsRecord(subject) && source != "" {
		if _, own, ok := strings.Cut(rest, "/"); ok {
			return own
		}
	}
	return subject
}
