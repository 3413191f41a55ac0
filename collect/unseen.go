// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tickmark/tickmark"
	"github.com/tickmark/tickmark/jsontape"
)

// What tells of subscriptions that the identity does not see: the management
// groups hold them, and the list of subscriptions leaves them out in silence.
const (
	entityDescendants = "arm/managementGroupDescendants"
	typeSubscription  = "Microsoft.Resources/subscriptions"
	groupsPath        = "/providers/microsoft.management/managementgroups/"
)

func (a *askRun) listsSubscriptions() bool {
	return a.ask.isRoot() && slices.Contains(a.ask.Types, typeSubscription)
}

// rootGroup is the id of the tenant's root management group, whose name is the
// tenant's id; without a known tenant it stands for all groups.
func (r *runner) rootGroup() string {
	var root struct {
		TenantID string `json:"tenantId"`
	}
	_ = json.Unmarshal(r.opts.Root, &root) // prepare has checked it
	return groupsPath + strings.ToLower(orElse(root.TenantID, "root"))
}

// unseen leaves out, as not permitted, each subscription that is known only
// from the management groups: what lies there was not read. Where the hierarchy
// itself was not read from its root nobody knows which these are: then the root
// group is left out, so that what is said of a subscription stands and nothing
// is complete for the tenant. Who names the scopes to be read says himself what
// the population is, and the coverage says that.
func (r *runner) unseen(src *sourceRun) {
	var list, tree *askRun
	for _, a := range src.asks {
		if a.skip == nil && a.listsSubscriptions() {
			list = a
		}
		if a.ask.Entity == entityDescendants {
			tree = a
		}
	}
	if list == nil || tree == nil {
		return
	}
	seen, below := map[string]bool{}, map[string]bool{}
	for _, id := range r.idsIn(list) {
		seen[id] = true
	}
	for _, id := range r.idsIn(tree) {
		if below[id] = true; !strings.HasPrefix(id, "/subscriptions/") || seen[id] {
			continue
		}
		switch x := r.excluded(id); {
		case x == nil:
			list.leaveOut(id, &Exclusion{Scope: id, Reason: tickmark.ReasonNotPermitted, Detail: "it is below the tenant's management groups, but the identity does not see it"})
		case x.Reason != tickmark.ReasonNotNamed:
			list.leaveOut(id, x)
		}
	}
	if !r.tune.on("root") {
		return
	}
	root := r.rootGroup()
	if x := r.excluded(root); x != nil {
		if x.Reason == tickmark.ReasonNotNamed {
			x.Detail = "the population is the scopes that were named: " + strings.Join(r.opts.Scopes, ", ")
			for _, u := range tree.units {
				if u.end != nil && u.end.Reason == tickmark.ReasonNotPermitted {
					end := *u.end
					end.Reason, end.Detail = tickmark.ReasonNotNamed, "the tenant's hierarchy is not in the population that was named, and was refused: "+end.Detail
					u.end = &end
				}
			}
		}
		list.leaveOut(root, x)
		return
	}
	if reason, why := r.blindRoot(src, list, tree, below); why != "" {
		list.leaveOut(root, &Exclusion{
			Scope: root, Reason: reason,
			Detail: "which subscriptions the tenant has is not known, so nothing is said of all of them: " + why + "; the identity needs Reader at the root management group, or name the scopes to be read",
		})
	}
}

// blindRoot says why the hierarchy is not known to hold every subscription; ""
// if it is. A subscription of this tenant that is listed and that the hierarchy
// lacks shows that the hierarchy was not answered whole.
func (r *runner) blindRoot(src *sourceRun, list, tree *askRun, below map[string]bool) (tickmark.Reason, string) {
	if tree.skip != nil {
		return tree.skip.Reason, "the hierarchy below the root management group was not asked for (" + tree.ask.Name + "): " + tree.skip.Detail
	}
	for _, u := range tree.units {
		if !u.answered() {
			end := u.end
			if end == nil {
				end = &ending{Detail: "it was not asked"}
			}
			return u.reason(), "the hierarchy below the root management group was not answered (" + tree.ask.Name + "): " + orElse(end.Code, end.Detail)
		}
	}
	if len(tree.units) == 0 {
		return tickmark.ReasonNotCollected, "the hierarchy below the root management group was not asked for (" + tree.ask.Name + ")"
	}
	own, _ := scalar(src.root.Item.Get("tenantId"))
	missing, n := "", 0
	r.eachItem(list, func(row jsontape.Value) {
		tenant, _ := scalar(row.Get("tenantId"))
		id := strings.ToLower(row.Get("id").Str())
		if strings.EqualFold(tenant, own) && tenant != "" && !below[id] {
			missing, n = id, n+1
		}
	})
	if n > 0 {
		return tickmark.ReasonConflicting, fmt.Sprintf("the hierarchy below the root management group lacks %d subscriptions of this tenant that are listed, such as %s", n, missing)
	}
	return tickmark.ReasonNone, ""
}

// idsIn returns the ids of an ask's rows, in lower case.
func (r *runner) idsIn(a *askRun) []string {
	var ids []string
	r.eachItem(a, func(row jsontape.Value) { ids = append(ids, strings.ToLower(row.Get("id").Str())) })
	return ids
}

// eachItem gives the rows of an ask.
func (r *runner) eachItem(a *askRun, do func(row jsontape.Value)) {
	for _, u := range a.units {
		for _, p := range u.pages {
			for _, it := range p.items {
				b, err := r.spool.read(p.Off+int64(it.Off), it.Len)
				if err != nil {
					continue // the snapshot cannot be made without it either
				}
				if tape, err := jsontape.Parse(b, jsontape.Options{}); err == nil {
					do(tape.Root())
				}
			}
		}
	}
}
