// SPDX-License-Identifier: Apache-2.0

package policy

import "strings"

// List is an Inventory over a slice of resources, indexed by type.
type List struct {
	byType map[string][]*Resource
	// Missing says, for a type, why it may be incomplete; nil means that every
	// type is complete.
	Missing func(typ, scope string) string
}

// NewList indexes resources, which keep their order.
func NewList(resources []*Resource) *List {
	l := &List{byType: map[string][]*Resource{}}
	for _, r := range resources {
		k := strings.ToLower(r.Type)
		l.byType[k] = append(l.byType[k], r)
	}
	return l
}

// Related implements Inventory.
func (l *List) Related(q Query) Related {
	var out Related
	for _, r := range l.byType[strings.ToLower(q.Type)] {
		switch {
		case q.Under != "":
			if !under(r.ID, q.Under) {
				continue
			}
		case q.Subscription != "" && !foldEq(SubscriptionOf(r.ID), q.Subscription):
			continue
		case q.ResourceGroup != "" && !foldEq(ResourceGroupOf(r.ID), q.ResourceGroup):
			continue
		}
		out.Resources = append(out.Resources, r)
	}
	if l.Missing != nil {
		scope := q.Under
		if scope == "" && q.Subscription != "" {
			scope = "/subscriptions/" + q.Subscription
		}
		out.Missing = l.Missing(q.Type, scope)
	}
	return out
}
