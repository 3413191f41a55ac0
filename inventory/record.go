// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"strconv"
	"strings"

	"github.com/tickmark/tickmark/jsontape"
)

// This file gives records (data that is not ARM's) their ids:
//
//	TYPE / ID                 graph/users/6f0c…, and everything from files
//	TYPE / SUBJECT / ID       devops/pullRequests/<repository>/17
//	TYPE / SUBJECT            the one record of its subject, without an id
//	TYPE / ASK / ID           counts, of which each question has its own
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
// Microsoft Graph's entities are so by themselves, where their id is long
// enough for it.
var ownIdentity = lowerSet(
	"arm/activityLog", // of one event, the logs of several scopes have a copy
	"graph/roleDefinitions", "graph/roleAssignments", "graph/organization", "graph/subscribedSkus", "graph/directoryRoles",
	"devops/projects", "devops/repositories", "github/repositories", "github/users", "power/environments",
)

// relations are Graph's collections whose items are only named there: the same
// user is in many groups.
var relations = lowerSet(
	"graph/groupMembers", "graph/groupTransitiveMembers", "graph/groupOwners", "graph/applicationOwners", "graph/servicePrincipalOwners",
)

// longID is the length from which an id of Graph's cannot be a name or number
// that counts only below its parent: that of a GUID, or of the random part of
// assignments' ids.
const longID = 32

// ownID reports whether the id alone tells the record from all others.
func (k *kind) ownID(id string) bool {
	low := strings.ToLower(k.name)
	return ownIdentity[low] || strings.HasPrefix(low, "graph/") && !relations[low] && len(id) >= longID
}

// perAsk are the types of which several questions read the same ids for
// different things.
var perAsk = lowerSet("arm/resourceCounts")

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
	if !ok || k.shape != nil && !k.shape.identifies(r.Root, w.page.Identity) {
		return false
	}
	parent := ""
	switch {
	case perAsk[strings.ToLower(k.name)]:
		parent = w.page.Ask
	case id == "" || !k.ownID(id):
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

// The identities that are no members.
const (
	identityPlace = "#" // the item's place in its page
	identityNone  = "-" // there is one item for each subject
)

// recordID reads what identifies a record; "" if nothing does but its subject.
func (w *worker) recordID(r *Resource) (string, bool) {
	switch w.page.Identity {
	case "":
		id, ok := w.idOf(r.Root.Lookup(keyID))
		return id, ok || r.Root.Lookup(keyID).Kind() == jsontape.Absent
	case identityNone:
		return "", true
	case identityPlace:
		return identityPlace + strconv.Itoa(w.item), true
	}
	// Without a member that its page names, an item cannot be told from the next.
	var ids []string
	for path := range strings.SplitSeq(w.page.Identity, ",") {
		v := r.Root
		for name := range strings.SplitSeq(path, ".") {
			v = v.Get(name)
		}
		id, ok := w.idOf(v)
		if !ok {
			return "", false
		}
		ids = append(ids, id)
	}
	return strings.Join(ids, "+"), true
}

func (w *worker) idOf(v jsontape.Value) (string, bool) {
	switch {
	case v.Kind() == jsontape.String:
		return v.Str(), v.Str() != ""
	case v.Kind() == jsontape.Number && w.page.Ask != "":
		return string(v.Raw()), true
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
